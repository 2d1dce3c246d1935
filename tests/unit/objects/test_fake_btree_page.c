/* SPDX-License-Identifier: MIT */
/*
 * test_fake_btree_page.c - B+trees made and damaged by hand: what a page must look
 * like, where a descent ends, which pages are free.
 */
#include "tests/unit/objects/fake_store.h"

/* Trees made by hand: a key is one letter, `key_length` times. */
static uint64_t page_make(uint32_t level)
{
	struct disk_system *system = (void *)fake_page(SYSTEM_PAGE);
	uint64_t page = system->tree_next++;
	struct space space = {.store = NULL};
	frame_t frame;

	assert_int_equal(store_page_write(space.store, (page_t){page}, &frame), STATUS_OK);
	btree_node_initialise((void *)fake_page(page), level);
	return page;
}

static void page_add(uint64_t page, char letter, uint8_t key_length, const void *value,
		     uint8_t value_length)
{
	struct disk_tree_page *node = (void *)fake_page(page);
	uint8_t key[TREE_KEY_MAX];
	struct btree_entry entry = {key, value, key_length, value_length};

	memset(key, letter, sizeof(key));
	btree_node_insert(node, node->count, &entry);
}

static uint64_t leaf_make(char letter, uint8_t key_length)
{
	static const uint8_t value[TREE_VALUE_MAX];
	uint64_t page = page_make(0);

	page_add(page, letter, key_length, value, sizeof(value));
	return page;
}

/*
 * The only entry of a leaf goes and another that belongs there comes: it lands in
 * the leaf before, which is full, and so is the parent, so both must split although
 * neither change alone would split anything.
 */
static void test_redirected(void **state)
{
	static const uint8_t value[TREE_VALUE_MAX];
	static const struct btree_key out = {"m", 1};
	uint8_t key[TREE_KEY_MAX], found[TREE_VALUE_MAX];
	struct btree_key in = {key, sizeof(key)};
	struct space space = fake_space_formatted(100);
	uint64_t root = page_make(2), inner = page_make(1), other = page_make(1), leaf;

	(void)state;
	page_add(root, 'a', 255, &inner, 8);
	page_add(root, 'z', 255, &other, 8);
	leaf = leaf_make('z', 255);
	page_add(other, 'z', 255, &leaf, 8);
	leaf = leaf_make('a', 255);
	page_add(inner, 'a', 255, &leaf, 8);
	for (char letter = 'b'; letter <= 'l'; letter++)
		page_add(leaf, letter, 255, value, sizeof(value));
	leaf = leaf_make('m', 1);
	page_add(inner, 'm', 1, &leaf, 8);
	for (char letter = 'n'; btree_node_room((void *)fake_page(inner)) >= 267; letter++) {
		leaf = leaf_make(letter, 255);
		page_add(inner, letter, 255, &leaf, 8);
	}
	memset(key, 'm', sizeof(key));
	for (uint32_t order = 0; order < 4; order++) {
		uint64_t top = root;

		fake_adopt();
		fake_save();
		for (uint32_t turn = 0; turn < 2; turn++)
			assert_int_equal(turn == (order & 1)
						 ? btree_insert_prepare(&space, top, in)
						 : btree_remove_prepare(&space, top, out),
					 STATUS_OK);
		for (uint32_t turn = 0; turn < 2; turn++) {
			if (turn == order / 2)
				btree_remove(&space, &top, out);
			else
				btree_insert(&space, &top, in, value, sizeof(value));
		}
		fake_begin();
		assert_int_equal(btree_find(&space, top, out, found, sizeof(found)),
				 STATUS_NOT_FOUND);
		assert_int_equal(btree_find(&space, top, in, found, sizeof(found)), STATUS_OK);
		memset(key, 'l', sizeof(key));
		assert_int_equal(btree_find(&space, top, in, found, sizeof(found)), STATUS_OK);
		memset(key, 'm', sizeof(key));
		fake_restore();
	}
}

static void put(struct space *space, uint64_t *root, char letter, uint8_t key_length)
{
	uint8_t key[TREE_KEY_MAX];

	memset(key, letter, sizeof(key));
	fake_begin();
	assert_int_equal(btree_insert_prepare(space, *root, (struct btree_key){key, key_length}),
			 STATUS_OK);
	btree_insert(space, root, (struct btree_key){key, key_length}, NULL, 0);
}

/* A page is whole if its entries tile it and each has one offset. */
static void test_whole(void **state)
{
	static struct disk_tree_page node, good;
	uint64_t child = TREE_ARENA_PAGE;
	struct btree_entry entry = {.key = (const uint8_t *)"kkk",
				    .value = (const uint8_t *)&child,
				    .key_length = 3,
				    .value_length = 8};

	(void)state;
	btree_node_initialise(&good, 1);
	for (uint32_t i = 0; i < 3; i++)
		btree_node_insert(&good, i, &entry);
	assert_true(btree_node_sound(&good, 1));
	assert_true(btree_node_whole(&good));
	assert_false(btree_node_sound(&good, 0));
	node = good;
	node.count = 2; /* an entry without offset */
	assert_false(btree_node_whole(&node));
	node = good;
	memcpy(node.bytes, node.bytes + 2, 2); /* one with two */
	assert_false(btree_node_whole(&node));
	node = good;
	node.heap -= 20; /* bytes that belong to none */
	assert_false(btree_node_whole(&node));
	node = good;
	node.bytes[node.heap + 1] = 9; /* a child is 8 bytes; entries overlap */
	assert_false(btree_node_whole(&node));
	node = good;
	node.heap = TREE_NODE_BYTES;
	assert_false(btree_node_whole(&node));
	node = good;
	node.bytes[0] = node.bytes[1] = 0xff; /* an offset outside of the page */
	assert_false(btree_node_whole(&node));
	assert_false(btree_node_entry(&node, 0, &entry));
	assert_int_equal(btree_node_child(&node, 0), 0);
	node = good;
	node.level = 0;
	node.bytes[TREE_NODE_BYTES - 12]--; /* the last entry ends before the page does */
	assert_false(btree_node_whole(&node));
	node = good;
	assert_int_equal(btree_node_child(&node, 0), child);
	node.bytes[TREE_NODE_BYTES - 12] = 0; /* a child without its 8 bytes */
	assert_int_equal(btree_node_child(&node, 0), 0);
	node = good;
	node.count = 0;
	assert_false(btree_node_sound(&node, 1));
	node = good;
	node.count = 2040; /* offsets that reach into the entries */
	assert_false(btree_node_sound(&node, 1));
	node = good;
	node.level = TREE_DEPTH_MAX;
	assert_false(btree_node_sound(&node, TREE_LEVEL_ANY));
}

/* An inner page that is its own child, and children outside of the arena. */
static void test_damaged_descent(void **state)
{
	static const uint64_t children[] = {0, 1, SYSTEM_PAGE, USER_ARENA_PAGE, UINT64_MAX};
	struct space space = fake_space_formatted(100);
	struct disk_tree_page *node;
	uint64_t root = 0, child;
	const struct btree_key wanted = {"k", 1};
	uint8_t key[TREE_KEY_MAX];
	size_t length;

	(void)state;
	for (char letter = 'a'; letter <= 'z'; letter++)
		put(&space, &root, letter, TREE_KEY_MAX);
	node = (void *)fake_page(root);
	assert_true(node->level > 0);
	for (uint32_t i = 0; i <= sizeof(children) / sizeof(children[0]); i++) {
		child = i ? children[i - 1] : root;
		for (uint32_t k = 0; k < node->count; k++) {
			struct btree_entry inner;

			assert_true(btree_node_entry(node, k, &inner));
			memcpy((uint8_t *)inner.value, &child, 8);
		}
		fake_adopt();
		assert_int_equal(btree_find(&space, root, wanted, NULL, 0), STATUS_CORRUPT);
		assert_int_equal(btree_next(&space, root, (struct btree_key){NULL, 0}, key, &length,
					    NULL, 0),
				 STATUS_CORRUPT);
		assert_int_equal(btree_insert_prepare(&space, root, wanted), STATUS_CORRUPT);
		assert_int_equal(btree_remove_prepare(&space, root, wanted), STATUS_CORRUPT);
	}
}

/* Keys out of order: going on never leads back. */
static void test_damaged_order(void **state)
{
	struct space space = fake_space_formatted(100);
	struct disk_tree_page *node;
	uint8_t key[TREE_KEY_MAX];
	uint64_t root = 0;
	size_t length;

	(void)state;
	for (char letter = 'a'; letter < 'a' + 9; letter++)
		put(&space, &root, letter, 1);
	node = (void *)fake_page(root);
	for (uint32_t i = 0; i < 9; i++) /* all offsets lead to the first key */
		memcpy(node->bytes + 2 * i, node->bytes, 2);
	fake_adopt();
	assert_int_equal(
		btree_next(&space, root, (struct btree_key){"a", 1}, key, &length, NULL, 0),
		STATUS_CORRUPT);
	assert_int_equal(
		btree_next(&space, root, (struct btree_key){NULL, 0}, key, &length, NULL, 0),
		STATUS_OK);
}

/* A free list that runs in a circle, leaves the arena, or leads to a page in use; a page in
 * use that counts as never used. */
static void test_damaged_pool(void **state)
{
	struct space space = fake_space_formatted(100);
	struct disk_system *system = (void *)fake_page(SYSTEM_PAGE);
	struct disk_tree_page *node;
	const struct btree_key key = {"a", 1};
	uint64_t root = 0, circle;

	(void)state;
	put(&space, &root, 'a', 1);
	assert_int_equal(btree_remove_prepare(&space, root, key), STATUS_OK);
	btree_remove(&space, &root, key);
	circle = system->tree_free;
	assert_int_not_equal(circle, 0);
	node = (void *)fake_page(circle);
	node->next = circle;
	fake_adopt();
	assert_int_equal(btree_insert_prepare(&space, 0, key), STATUS_OK);
	assert_int_equal(btree_insert_prepare(&space, 0, key), STATUS_CORRUPT);
	node->next = 0;
	system->tree_free = USER_ARENA_PAGE;
	fake_adopt();
	assert_int_equal(btree_insert_prepare(&space, 0, key), STATUS_CORRUPT);
	system->tree_free = circle;
	node->magic = TREE_MAGIC;
	fake_adopt();
	assert_int_equal(btree_insert_prepare(&space, 0, key), STATUS_CORRUPT);
	system->tree_free = 0;
	system->tree_next = circle;
	fake_adopt();
	assert_int_equal(btree_insert_prepare(&space, 0, key), STATUS_CORRUPT);
}

static void test_arena_full(void **state)
{
	struct space space = fake_space_formatted(100);
	struct disk_system *system = (void *)fake_page(SYSTEM_PAGE);
	const struct btree_key key = {"a", 1};

	(void)state;
	system->tree_next = USER_ARENA_PAGE;
	fake_adopt();
	assert_int_equal(btree_insert_prepare(&space, 0, key), STATUS_LIMIT);
	system->tree_next = USER_ARENA_PAGE - 1;
	fake_adopt();
	assert_int_equal(btree_insert_prepare(&space, 0, key), STATUS_OK);
	fake_adopt();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),		cmocka_unit_test(test_redirected),
		cmocka_unit_test(test_damaged_descent), cmocka_unit_test(test_damaged_order),
		cmocka_unit_test(test_damaged_pool),	cmocka_unit_test(test_arena_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
