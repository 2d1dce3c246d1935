/* SPDX-License-Identifier: MIT */
/*
 * test_fake_tree.c - B+trees against a model, with failures and damage.
 *
 * The model is a sorted array of entries.  The fake store makes sure that a
 * commit touches nothing but what was prepared.
 */
#include "tests/unit/objects/fake_store.h"

#define MODEL_MAX 4096u

struct model_entry {
	uint8_t key[TREE_KEY_MAX];
	uint8_t key_length, value_length;
	uint8_t value[TREE_VALUE_MAX];
};

static struct model_entry model[MODEL_MAX];
static uint32_t model_count;

static struct btree_key entry_key(const struct model_entry *entry)
{
	return (struct btree_key){entry->key, entry->key_length};
}

/* The first model entry that is not below the key. */
static uint32_t model_search(const struct model_entry *entry, bool *equal)
{
	uint32_t low = 0, high = model_count;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (btree_key_compare(entry_key(&model[middle]), entry_key(entry)) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*equal = low < model_count &&
		 btree_key_compare(entry_key(&model[low]), entry_key(entry)) == 0;
	return low;
}

static void model_put(const struct model_entry *entry)
{
	bool equal;
	uint32_t at = model_search(entry, &equal);

	if (!equal) {
		assert_true(model_count < MODEL_MAX);
		memmove(&model[at + 1], &model[at], (model_count - at) * sizeof(model[0]));
		model_count++;
	}
	model[at] = *entry;
}

static void model_drop(const struct model_entry *entry)
{
	bool equal;
	uint32_t at = model_search(entry, &equal);

	if (!equal)
		return;
	model_count--;
	memmove(&model[at], &model[at + 1], (model_count - at) * sizeof(model[0]));
}

/* Pages in use by the tree, checked on the way; the depth is bounded by the level. */
static uint64_t tree_count_pages(uint64_t page)
{
	const struct disk_tree_page *node = (const void *)fake_page(page);
	uint64_t pages = 1;

	assert_non_null(node);
	assert_true(btree_node_sound(node, TREE_LEVEL_ANY));
	assert_true(btree_node_whole(node));
	for (uint32_t i = 0; node->level && i < node->count; i++) {
		const struct disk_tree_page *child =
			(const void *)fake_page(btree_node_child(node, i));

		assert_int_equal(child->level, node->level - 1);
		pages += tree_count_pages(btree_node_child(node, i));
	}
	return pages;
}

/* The tree equals the model, and every page of the arena is in it or free. */
static void tree_verify(struct space *space, uint64_t root)
{
	const struct disk_system *system = (const void *)fake_page(SYSTEM_PAGE);
	uint64_t free_pages = 0;
	uint8_t key[TREE_KEY_MAX], value[TREE_VALUE_MAX];
	struct btree_key after = {NULL, 0};
	size_t length;

	for (uint32_t i = 0; i < model_count; i++) {
		if (i % 64 == 0)
			fake_begin();
		assert_int_equal(
			btree_next(space, root, after, key, &length, value, model[i].value_length),
			STATUS_OK);
		assert_int_equal(length, model[i].key_length);
		assert_memory_equal(key, model[i].key, length);
		assert_memory_equal(value, model[i].value, model[i].value_length);
		after = entry_key(&model[i]);
	}
	assert_int_equal(btree_next(space, root, after, key, &length, value, 0), STATUS_NOT_FOUND);
	for (uint64_t page = system->tree_free; page; free_pages++)
		page = ((const struct disk_tree_page *)fake_page(page))->next;
	assert_int_equal(system->tree_next - TREE_ARENA_PAGE,
			 free_pages + (root ? tree_count_pages(root) : 0));
}

/* KEYS_MIXED: half of the keys very short, half as long as can be, so that one
 * entry more or less decides about a split. */
#define KEYS_MIXED 0u

static void entry_random(struct model_entry *entry, uint64_t *random, uint32_t key_length_max,
			 uint32_t letters)
{
	memset(entry, 0, sizeof(*entry));
	if (key_length_max == KEYS_MIXED)
		key_length_max = fake_random(random) % 2 ? 2 : TREE_KEY_MAX;
	entry->key_length = (uint8_t)(1 + fake_random(random) % key_length_max);
	if (key_length_max == TREE_KEY_MAX && fake_random(random) % 2)
		entry->key_length = TREE_KEY_MAX;
	for (uint32_t i = 0; i < entry->key_length; i++)
		entry->key[i] = (uint8_t)('a' + fake_random(random) % letters);
	entry->value_length = (uint8_t)(fake_random(random) % (TREE_VALUE_MAX + 1));
	for (uint32_t i = 0; i < entry->value_length; i++)
		entry->value[i] = (uint8_t)fake_random(random);
}

static void put(struct space *space, uint64_t *root, const struct model_entry *entry)
{
	fake_begin();
	assert_int_equal(btree_insert_prepare(space, *root, entry_key(entry)), STATUS_OK);
	btree_insert(space, root, entry_key(entry), entry->value, entry->value_length);
	model_put(entry);
}

static void drop(struct space *space, uint64_t *root, const struct model_entry *entry)
{
	fake_begin();
	assert_int_equal(btree_remove_prepare(space, *root, entry_key(entry)), STATUS_OK);
	btree_remove(space, root, entry_key(entry));
	model_drop(entry);
}

static void test_empty(void **state)
{
	struct space space = fake_space_formatted(100);
	struct btree_key key = {"a", 1};
	uint64_t root = 0;
	uint8_t found[TREE_KEY_MAX];
	size_t length;

	(void)state;
	assert_int_equal(btree_find(&space, root, key, NULL, 0), STATUS_NOT_FOUND);
	assert_int_equal(
		btree_next(&space, root, (struct btree_key){NULL, 0}, found, &length, NULL, 0),
		STATUS_NOT_FOUND);
	assert_int_equal(btree_remove_prepare(&space, root, key), STATUS_OK);
	btree_remove(&space, &root, key);
	assert_int_equal(root, 0);
}

static void test_value_length(void **state)
{
	struct space space = fake_space_formatted(100);
	struct btree_key key = {"name", 4};
	uint64_t root = 0, value = 7;
	uint32_t narrow;

	(void)state;
	assert_int_equal(btree_insert_prepare(&space, root, key), STATUS_OK);
	btree_insert(&space, &root, key, &value, sizeof(value));
	value = 0;
	assert_int_equal(btree_find(&space, root, key, &value, sizeof(value)), STATUS_OK);
	assert_int_equal(value, 7);
	assert_int_equal(btree_find(&space, root, key, &narrow, sizeof(narrow)), STATUS_CORRUPT);
	assert_int_equal(btree_find(&space, root, (struct btree_key){"nam", 3}, &value, 8),
			 STATUS_NOT_FOUND);
}

/* Random insertions, replacements and removals; then everything goes. */
static void model_run(uint64_t seed, uint32_t rounds, uint32_t key_length_max, uint32_t letters)
{
	struct space space = fake_space_formatted(100);
	uint64_t root = 0, random = seed;
	struct model_entry entry;

	model_count = 0;
	for (uint32_t i = 0; i < rounds; i++) {
		/* Phases in which the tree mostly grows, and mostly shrinks. */
		bool grow = fake_random(&random) % 10 < (i / (rounds / 4) % 2 ? 3u : 8u);

		entry_random(&entry, &random, key_length_max, letters);
		if (!grow && model_count && fake_random(&random) % 8)
			entry = model[fake_random(&random) % model_count];
		/* The same key with another value, which can be longer. */
		if (grow && model_count && fake_random(&random) % 4 == 0) {
			struct model_entry *old = &model[fake_random(&random) % model_count];

			memcpy(entry.key, old->key, sizeof(entry.key));
			entry.key_length = old->key_length;
		}
		if (grow && model_count < MODEL_MAX)
			put(&space, &root, &entry);
		else
			drop(&space, &root, &entry);
		if (i % (rounds / 16) == 0)
			tree_verify(&space, root);
	}
	tree_verify(&space, root);
	while (model_count) {
		entry = model[fake_random(&random) % model_count];
		drop(&space, &root, &entry);
	}
	assert_int_equal(root, 0);
	tree_verify(&space, root);
}

static void test_model(void **state)
{
	(void)state;
	model_run(1, 12000, 12, 26);
	model_run(2, 6000, 3, 4);
	model_run(3, 6000, TREE_KEY_MAX, 26);
	model_run(4, 6000, TREE_KEY_MAX, 2);
	model_run(5, 6000, KEYS_MIXED, 26);
}

/* Ascending and descending keys, as deadlines and names often come. */
static void test_sequences(void **state)
{
	struct model_entry entry = {.key_length = 12};
	struct space space;
	uint64_t root;

	(void)state;
	for (uint32_t order = 0; order < 2; order++) {
		space = fake_space_formatted(100);
		root = 0;
		model_count = 0;
		for (uint32_t i = 0; i < 4000; i++) {
			uint32_t n = order ? 4000 - i : i;

			entry.key[0] = (uint8_t)(n >> 8);
			entry.key[1] = (uint8_t)n;
			put(&space, &root, &entry);
		}
		tree_verify(&space, root);
		/* 254 such entries fill a page; in ascending order pages are full. */
		if (!order)
			assert_true(tree_count_pages(root) <= 4000 / 254 + 2);
		while (model_count > 1) {
			entry = model[0];
			drop(&space, &root, &entry);
		}
		tree_verify(&space, root);
		assert_int_equal(tree_count_pages(root), 1);
	}
}

/* Keys that come in descending order behind full pages do not get a page each. */
static void test_pages_filled(void **state)
{
	struct model_entry entry = {.key_length = 12};
	struct space space = fake_space_formatted(100);
	uint64_t root = 0;

	(void)state;
	model_count = 0;
	for (uint32_t i = 0; i < 4000; i++) {
		uint32_t n = i < 4 * 254 ? i : 9000 - i; /* 254 fill a page */

		entry.key[0] = (uint8_t)(n >> 8);
		entry.key[1] = (uint8_t)n;
		put(&space, &root, &entry);
	}
	tree_verify(&space, root);
	assert_true(tree_count_pages(root) <= 4000 / 127 + 4);
}

/* Several changes of one operation, prepared in one order and done in another. */
static void many_run(uint64_t seed, uint32_t rounds, uint32_t key_length_max, uint32_t letters)
{
	struct space space = fake_space_formatted(100);
	uint64_t root = 0, random = seed;
	struct model_entry entry[TREE_CHANGES_MAX];
	bool insert[TREE_CHANGES_MAX];

	model_count = 0;
	for (uint32_t round = 0; round < rounds; round++) {
		uint32_t changes = 1 + (uint32_t)(fake_random(&random) % TREE_CHANGES_MAX);
		uint32_t bias = round / 300 % 2 ? 3 : 7;

		fake_begin();
		for (uint32_t i = 0; i < changes; i++) {
			entry_random(&entry[i], &random, key_length_max, letters);
			insert[i] = fake_random(&random) % 10 < bias &&
				    model_count < MODEL_MAX - TREE_CHANGES_MAX;
			/* Often neighbours, so that changes meet in the same leaves. */
			if (!insert[i] && model_count)
				entry[i] = model[(fake_random(&random) % 4 + round) % model_count];
			assert_int_equal(
				insert[i]
					? btree_insert_prepare(&space, root, entry_key(&entry[i]))
					: btree_remove_prepare(&space, root, entry_key(&entry[i])),
				STATUS_OK);
		}
		for (uint32_t left = changes; left; left--) {
			uint32_t pick = (uint32_t)(fake_random(&random) % left);

			if (insert[pick]) {
				btree_insert(&space, &root, entry_key(&entry[pick]),
					     entry[pick].value, entry[pick].value_length);
				model_put(&entry[pick]);
			} else {
				btree_remove(&space, &root, entry_key(&entry[pick]));
				model_drop(&entry[pick]);
			}
			entry[pick] = entry[left - 1];
			insert[pick] = insert[left - 1];
		}
		if (round % 50 == 0)
			tree_verify(&space, root);
	}
	tree_verify(&space, root);
}

static void test_many_changes(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++) {
		many_run(seed, 1200, TREE_KEY_MAX, 26);
		many_run(seed, 1200, 2, 3);
		many_run(seed, 600, 40, 2);
		many_run(seed, 1200, KEYS_MIXED, 26);
	}
}

/* ---- failures ------------------------------------------------------------------------ */

struct change {
	uint64_t *root;
	const struct model_entry *entry;
	bool insert;
};

static enum status change_call(struct space *space, void *context)
{
	const struct change *change = context;
	struct btree_key key = entry_key(change->entry);
	enum status status = change->insert ? btree_insert_prepare(space, *change->root, key)
					    : btree_remove_prepare(space, *change->root, key);
	uint64_t root = *change->root;

	if (status != STATUS_OK)
		return status;
	/* fake_try_all puts the pages back, so it must find the old root again. */
	if (change->insert)
		btree_insert(space, &root, key, change->entry->value, change->entry->value_length);
	else
		btree_remove(space, &root, key);
	if (!fake_failed())
		fake_page(SYSTEM_PAGE)[PAGE_SIZE - 1] = 1;
	return STATUS_OK;
}

static void test_failures(void **state)
{
	struct space space = fake_space_formatted(100);
	uint64_t root = 0, random = 77;
	struct model_entry entry;
	struct change change = {&root, &entry, false};
	uint32_t i;

	(void)state;
	model_count = 0;
	for (i = 0; i < 900; i++) {
		entry_random(&entry, &random, TREE_KEY_MAX, 26);
		if (i >= 700 && i % 4 == 0) {
			change.insert = true;
			fake_begin();
			fake_save();
			assert_int_equal(fake_try_all(change_call, &space, &change), STATUS_OK);
			fake_restore();
		}
		put(&space, &root, &entry);
	}
	while (model_count > 1) {
		entry = model[model_count / 2];
		if (model_count % 4 == 0) {
			change.insert = false;
			assert_int_equal(fake_try_all(change_call, &space, &change), STATUS_OK);
			fake_restore();
		}
		drop(&space, &root, &entry);
	}
	tree_verify(&space, root);
}

/* ---- damage ---------------------------------------------------------------------------- */

/* Any bytes in tree pages: every call comes back with a status. */
static void test_damage(void **state)
{
	struct space space = fake_space_formatted(100);
	uint64_t root = 0, random = 5;
	uint32_t answers[STATUS_COUNT] = {0};
	struct model_entry entry;

	(void)state;
	model_count = 0;
	for (uint32_t i = 0; i < 600; i++) {
		entry_random(&entry, &random, 60, 26);
		put(&space, &root, &entry);
	}
	fake_begin();
	fake_save();
	for (uint32_t round = 0; round < 30000; round++) {
		uint64_t end = ((const struct disk_system *)fake_page(SYSTEM_PAGE))->tree_next;
		uint64_t changed = root;
		uint8_t key[TREE_KEY_MAX], value[TREE_VALUE_MAX];
		enum status status;
		size_t length;

		for (uint32_t hits = 0; hits <= fake_random(&random) % 4; hits++) {
			uint64_t page =
				TREE_ARENA_PAGE + fake_random(&random) % (end - TREE_ARENA_PAGE);
			/* Mostly headers and offsets, where it hurts most. */
			uint64_t at =
				fake_random(&random) % (fake_random(&random) % 2 ? 64 : PAGE_SIZE);
			uint8_t *data = fake_page(fake_random(&random) % 3 ? root : page);

			data[at] = (uint8_t)fake_random(&random);
		}
		entry_random(&entry, &random, 60, 26);
		if (fake_random(&random) % 2)
			entry = model[fake_random(&random) % model_count];
		fake_adopt();
		status = btree_find(&space, root, entry_key(&entry), value, entry.value_length);
		answers[status]++;
		status = btree_next(&space, root, entry_key(&entry), key, &length, value, 8);
		answers[status]++;
		/* Whatever is damaged, going on always goes forward. */
		if (status == STATUS_OK)
			assert_true(btree_key_compare((struct btree_key){key, length},
						      entry_key(&entry)) > 0);
		if (fake_random(&random) % 2) {
			status = btree_insert_prepare(&space, root, entry_key(&entry));
			if (status == STATUS_OK)
				btree_insert(&space, &changed, entry_key(&entry), entry.value,
					     entry.value_length);
		} else {
			status = btree_remove_prepare(&space, root, entry_key(&entry));
			if (status == STATUS_OK)
				btree_remove(&space, &changed, entry_key(&entry));
		}
		answers[status]++;
		fake_restore();
	}
	assert_true(answers[STATUS_OK] > 100);
	assert_true(answers[STATUS_CORRUPT] > 100);
	tree_verify(&space, root);
}

/* A million entries stay far from the deepest tree. */
static void test_million(void **state)
{
	struct space space = fake_space_formatted(100);
	uint64_t root = 0, random = 11, value = 0;
	uint8_t key[16];

	(void)state;
	for (uint32_t i = 0; i < 1000000; i++) {
		uint64_t n = fake_random(&random);

		memcpy(key, &n, 8);
		memcpy(key + 8, &i, 4);
		fake_begin();
		assert_int_equal(btree_insert_prepare(&space, root, (struct btree_key){key, 12}),
				 STATUS_OK);
		btree_insert(&space, &root, (struct btree_key){key, 12}, &i, sizeof(i));
	}
	assert_true(((const struct disk_tree_page *)fake_page(root))->level < 3);
	random = 11;
	for (uint32_t i = 0; i < 1000000; i++) {
		uint64_t n = fake_random(&random);

		if (i % 100)
			continue;
		memcpy(key, &n, 8);
		memcpy(key + 8, &i, 4);
		fake_begin();
		assert_int_equal(btree_find(&space, root, (struct btree_key){key, 12}, &value, 4),
				 STATUS_OK);
		assert_int_equal((uint32_t)value, i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),	     cmocka_unit_test(test_value_length),
		cmocka_unit_test(test_model),	     cmocka_unit_test(test_sequences),
		cmocka_unit_test(test_pages_filled), cmocka_unit_test(test_many_changes),
		cmocka_unit_test(test_failures),     cmocka_unit_test(test_damage),
		cmocka_unit_test(test_million),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
