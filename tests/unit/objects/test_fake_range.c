/* SPDX-License-Identifier: MIT */
/*
 * test_fake_range.c - address ranges: the map of what is free, whole again after whatever
 * came before; spaces from before there was a map.
 */
#include "tests/unit/objects/fake_store.h"

static const object_t root_bank = {OBJECT_ROOT_BANK};
static const struct object_request machine_request = {.type = OBJECT_MACHINE, .name = "m"};
static const struct object_request port_request = {.type = OBJECT_PORT, .size = 126};

static struct disk_system *system_page(void)
{
	return (struct disk_system *)fake_page(SYSTEM_PAGE);
}

static enum status try_create(struct space *space, const struct object_request *request,
			      object_t *object)
{
	struct disk_capability capability = {.object = 0};
	enum status status;

	fake_begin();
	status = object_create(space, root_bank, request, &capability);
	fake_begin();
	*object = (object_t){capability.object};
	return status;
}

static object_t create(struct space *space, const struct object_request *request)
{
	object_t object;

	assert_int_equal(try_create(space, request, &object), STATUS_OK);
	return object;
}

static struct disk_object record_of(struct space *space, object_t object)
{
	struct disk_object record;

	fake_begin();
	assert_int_equal(object_read(space, object, &record), STATUS_OK);
	return record;
}

static void destroy(struct space *space, object_t object)
{
	fake_begin();
	assert_int_equal(fake_destroy(space, object), STATUS_OK);
	fake_begin();
}

static enum status create_call(struct space *space, void *context)
{
	struct disk_capability capability;

	return object_create(space, root_bank, context, &capability);
}

static enum status step_call(struct space *space, void *context)
{
	return fake_destroy_step(space, context);
}

static enum status survey_call(struct space *space, void *context)
{
	return range_survey_step(space, context);
}

/* ---- the map as a whole -------------------------------------------------------------- */

#define MAP_KEPT 16u

/* The pages of the map that are not zeros. */
struct map {
	uint32_t count;
	uint64_t page[MAP_KEPT];
	uint8_t data[MAP_KEPT][PAGE_SIZE];
};

static void map_keep(struct map *map)
{
	static const uint8_t zeros[PAGE_SIZE];
	uint64_t page;
	uint8_t *data;

	map->count = 0;
	for (uint64_t i = 0; (data = fake_page_nth(i, &page)); i++) {
		if (page <= SYSTEM_PAGE || page >= OBJECT_TABLE_PAGE ||
		    !memcmp(data, zeros, PAGE_SIZE))
			continue;
		assert_true(map->count < MAP_KEPT);
		map->page[map->count] = page;
		memcpy(map->data[map->count++], data, PAGE_SIZE);
	}
}

/* Is the map as it was kept? */
static void map_same(const struct map *kept)
{
	static struct map now;

	map_keep(&now);
	assert_int_equal(now.count, kept->count);
	for (uint32_t i = 0; i < kept->count; i++)
		assert_memory_equal(fake_page(kept->page[i]), kept->data[i], PAGE_SIZE);
}

/* ---- the map against a list ---------------------------------------------------------- */

#define MODEL_MAX 200u

static struct range model[MODEL_MAX]; /* taken, by address */
static uint32_t model_count;

static void model_insert(uint64_t first, uint64_t pages)
{
	uint32_t at = model_count++;

	for (; at && model[at - 1].first > first; at--)
		model[at] = model[at - 1];
	model[at] = (struct range){first, pages};
	if (at)
		assert_true(model[at - 1].first + model[at - 1].pages <= first);
	if (at + 1 < model_count)
		assert_true(first + pages <= model[at + 1].first);
}

static void model_remove(uint32_t at)
{
	model_count--;
	memmove(&model[at], &model[at + 1], (model_count - at) * sizeof(model[0]));
}

/* Is there an aligned block in one of the gaps? */
static bool model_room(enum range_arena arena, uint64_t pages)
{
	uint64_t begin =
		arena == RANGE_KERNEL ? KERNEL_ARENA_PAGE + 2 * LOG_PAGES : USER_ARENA_PAGE;
	uint64_t end = arena == RANGE_KERNEL ? TREE_ARENA_PAGE : RANGE_USER_END;

	for (uint32_t i = 0; i <= model_count; i++) {
		uint64_t gap = i < model_count ? model[i].first : end;

		gap = gap > end ? end : gap;
		if (((begin + pages - 1) & ~(pages - 1)) + pages <= gap)
			return true;
		if (i < model_count && model[i].first + model[i].pages > begin)
			begin = model[i].first + model[i].pages;
	}
	return false;
}

/* Takes in one operation, as a creation does. */
static enum status take(struct space *space, enum range_arena arena, uint64_t pages,
			uint64_t *first)
{
	enum status status;

	fake_begin();
	status = range_find(space, arena, pages, first);
	if (status == STATUS_OK) {
		assert_true(range_valid(arena, *first, pages));
		assert_int_equal(range_take_prepare(space, *first, pages, 0), STATUS_OK);
		range_take(space, *first, pages);
		assert_true(fake_written() <= 3);
	}
	fake_begin();
	return status;
}

static enum status give(struct space *space, uint64_t first, uint64_t pages)
{
	enum status status;

	fake_begin();
	status = range_give_prepare(space, first, pages);
	if (status == STATUS_OK) {
		range_give(space, first, pages);
		assert_true(fake_written() <= 3);
	}
	fake_begin();
	return status;
}

static void model_take(struct space *space, uint64_t *random)
{
	enum range_arena arena = fake_random(random) % 2 ? RANGE_USER : RANGE_KERNEL;
	uint64_t limit = arena == RANGE_USER ? 34 : 23, first;
	uint64_t pages = UINT64_C(1) << (fake_random(random) % 2 ? fake_random(random) % limit
								 : fake_random(random) % 8);
	enum status status = take(space, arena, pages, &first);

	assert_int_equal(status, model_room(arena, pages) ? STATUS_OK : STATUS_LIMIT);
	if (status == STATUS_OK)
		model_insert(first, pages);
}

/* Nothing is handed out twice, nothing refused that is there, and what is empty again is
 * as it was at first. */
static void test_model(void **state)
{
	struct space space = fake_space_formatted(1000);
	uint64_t random = 7;

	(void)state;
	fake_save();
	for (uint32_t round = 0; round < 40; round++) {
		uint32_t most = 2 + (uint32_t)(fake_random(&random) % (MODEL_MAX - 2));

		for (uint32_t i = 0; i < 6000; i++) {
			if (model_count < most && fake_random(&random) % 2) {
				model_take(&space, &random);
			} else if (model_count) {
				uint32_t at = (uint32_t)(fake_random(&random) % model_count);

				assert_int_equal(give(&space, model[at].first, model[at].pages),
						 STATUS_OK);
				model_remove(at);
			}
		}
		while (model_count) {
			uint32_t at = (uint32_t)(fake_random(&random) % model_count);

			assert_int_equal(give(&space, model[at].first, model[at].pages), STATUS_OK);
			model_remove(at);
		}
		assert_true(fake_unchanged());
	}
}

/* What is free cannot be given back, whatever part of it, nor what it is a part of. */
static void test_given_twice(void **state)
{
	struct space space = fake_space_formatted(1000);

	(void)state;
	for (uint64_t shift = 0; shift <= 27; shift++) {
		uint64_t pages = UINT64_C(1) << shift, first, second;

		assert_int_equal(take(&space, RANGE_USER, pages, &first), STATUS_OK);
		assert_int_equal(take(&space, RANGE_USER, pages, &second), STATUS_OK);
		assert_int_equal(give(&space, first, pages), STATUS_OK);
		fake_save();
		for (uint64_t other = 0; other <= 27; other++) {
			uint64_t at = first >> other << other;

			if (range_valid(RANGE_USER, at, UINT64_C(1) << other))
				assert_int_equal(give(&space, at, UINT64_C(1) << other),
						 STATUS_CORRUPT);
		}
		assert_true(fake_unchanged());
		assert_int_equal(give(&space, second, pages), STATUS_OK);
	}
}

/* Small ones lie close together, and do not take large blocks apart. */
static void test_dense(void **state)
{
	struct space space = fake_space_formatted(1000);
	uint64_t first[64], large, again;

	(void)state;
	for (uint32_t i = 0; i < 64; i++) {
		assert_int_equal(take(&space, RANGE_USER, 1, &first[i]), STATUS_OK);
		assert_int_equal(first[i], USER_ARENA_PAGE + i);
	}
	assert_int_equal(take(&space, RANGE_USER, 64, &large), STATUS_OK);
	assert_int_equal(large, USER_ARENA_PAGE + 64);
	assert_int_equal(take(&space, RANGE_USER, 1, &again), STATUS_OK);
	assert_int_equal(again, USER_ARENA_PAGE + 128);
	/* A hole of four and one of one: the one goes into the one. */
	for (uint32_t i = 4; i < 8; i++)
		assert_int_equal(give(&space, first[i], 1), STATUS_OK);
	assert_int_equal(give(&space, first[33], 1), STATUS_OK);
	assert_int_equal(take(&space, RANGE_USER, 1, &again), STATUS_OK);
	assert_int_equal(again, first[33]);
	assert_int_equal(take(&space, RANGE_USER, 4, &again), STATUS_OK);
	assert_int_equal(again, first[4]);
}

/* ---- objects ---------------------------------------------------------------------------- */

/* Many lives of all kinds, and the map is as it was; so are the trees. */
static void test_lives(void **state)
{
	static struct map kept;
	struct space space = fake_space_formatted(1 << 20);
	object_t alive[60];
	uint32_t count = 0;
	uint64_t random = 3, tree_next = 0;

	(void)state;
	map_keep(&kept);
	for (uint32_t i = 0; i < 20000; i++) {
		const struct object_request requests[] = {
			{.type = OBJECT_MACHINE, .name = "m"},
			{.type = OBJECT_PORT, .size = 1 + fake_random(&random) % 256},
			{.type = OBJECT_TABLE, .size = 1 + fake_random(&random) % 4096},
			{.type = OBJECT_SEGMENT,
			 .size_max = (uint64_t)PAGE_SIZE << fake_random(&random) % 34},
			{.type = OBJECT_SEGMENT, .size = 1 + fake_random(&random) % 100000},
			{.type = OBJECT_DIRECTORY},
		};

		if (count < 60 && fake_random(&random) % 2) {
			if (try_create(&space, &requests[fake_random(&random) % 6],
				       &alive[count]) == STATUS_OK)
				count++;
		} else if (count) {
			uint32_t at = (uint32_t)(fake_random(&random) % count);

			destroy(&space, alive[at]);
			alive[at] = alive[--count];
			if (fake_random(&random) % 4 == 0)
				fake_reclaim(&space);
		}
		if (i % 2000 == 0)
			fake_invariants(&space);
		if (i == 1000)
			tree_next = system_page()->tree_next;
	}
	while (count)
		destroy(&space, alive[--count]);
	fake_reclaim(&space);
	map_same(&kept);
	assert_int_equal(system_page()->tree_next, tree_next);
	assert_int_equal(system_page()->quarantine_root, 0);
}

/* One after the other they use the same addresses, however many they are. */
static void test_ports(void **state)
{
	struct space space = fake_space_formatted(1000);
	uint64_t next = 0;

	(void)state;
	for (uint32_t i = 0; i < 2000; i++) {
		destroy(&space, create(&space, &port_request));
		fake_reclaim(&space);
		if (!i)
			next = system_page()->kernel_next;
	}
	assert_int_equal(system_page()->kernel_next, next);
	assert_true(next > KERNEL_ARENA_PAGE + 2 * LOG_PAGES);
}

/* Somebody takes all that there is of every size; when it is gone everything is there
 * again. */
static void test_used_up(void **state)
{
	static struct map kept;
	struct space space = fake_space_formatted(1000);
	object_t hog[200], other;
	uint32_t count = 0;

	(void)state;
	map_keep(&kept);
	for (uint32_t shift = 34; shift-- > 0;) {
		const struct object_request request = {OBJECT_SEGMENT,
						       .size_max = (uint64_t)PAGE_SIZE << shift};
		enum status status;

		while ((status = try_create(&space, &request, &hog[count])) == STATUS_OK)
			assert_true(++count < 200);
		assert_int_equal(status, STATUS_LIMIT);
	}
	assert_true(count > 2);
	assert_int_equal(try_create(&space, &machine_request, &other), STATUS_LIMIT);
	other = create(&space, &port_request); /* in the other arena */
	destroy(&space, other);
	while (count)
		destroy(&space, hog[--count]);
	fake_reclaim(&space);
	map_same(&kept);
	for (uint32_t i = 0; i < 2; i++)
		create(&space, &(struct object_request){OBJECT_SEGMENT,
							.size_max = PAGE_SIZE * RANGE_LARGEST});
	create(&space, &machine_request);
	fake_invariants(&space);
}

/* A machine's page and its table: side by side, whichever is the larger. */
static void test_beside(void **state)
{
	struct space space = fake_space_formatted(1000);
	struct disk_object machine = record_of(&space, create(&space, &machine_request));
	struct range_plan plan = {.count = 0};
	struct disk_object table;

	(void)state;
	table = record_of(&space, (object_t){OBJECT_FIRST_FREE + 1});
	assert_int_equal(table.type, OBJECT_TABLE);
	assert_int_equal(machine.first_page, table.first_page + table.range_pages);
	assert_int_equal(range_plan_add(&space, system_page(), &plan, RANGE_USER, 4, 2), STATUS_OK);
	assert_int_equal(plan.range[1].first, plan.range[0].first + 4);
	fake_begin();
}

/* Whatever page cannot be had, nothing is half done; where the map has to be opened, and
 * where pages of it become empty. */
static void test_failures(void **state)
{
	struct space space = fake_space_formatted(1000);
	uint64_t first;
	bool more = true;

	(void)state;
	/* The branch that has begun is used up: the next page opens one, and a leaf. */
	for (uint32_t shift = 25; shift > 23; shift--)
		assert_int_equal(take(&space, RANGE_USER, UINT64_C(1) << shift, &first), STATUS_OK);
	assert_null(fake_page(range_branch_page(UINT64_C(1) << RANGE_BRANCH_SHIFT)));
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(fake_try_survivor(create_call, &space, (void *)&machine_request),
				 STATUS_OK);
		fake_invariants(&space);
		assert_int_equal(
			record_of(&space, (object_t){OBJECT_FIRST_FREE}).machine.message_page,
			UINT64_C(1) << RANGE_BRANCH_SHIFT);
		destroy(&space, (object_t){OBJECT_FIRST_FREE});
		for (more = true; more; fake_invariants(&space))
			assert_int_equal(fake_try_survivor(step_call, &space, &more), STATUS_OK);
	}
}

/* ---- damage -------------------------------------------------------------------------------- */

/* A page of the map that keeps nothing of what those above it promise, or that is not to
 * be read, costs what it says and nothing else. */
static void test_map_damaged(void **state)
{
	const uint64_t pages[] = {range_leaf_page(USER_ARENA_PAGE),
				  range_branch_page(USER_ARENA_PAGE)};
	const struct object_request request = {.type = OBJECT_SEGMENT, .size = 1};

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		struct space space = fake_space_formatted(1000);
		object_t before = create(&space, &request), after, next;
		uint64_t first;

		if (i < 2)
			memset(fake_page(pages[i]), 0, PAGE_SIZE);
		else
			fake_unread(pages[i - 2]);
		fake_adopt();
		space.patient = i >= 2;
		if (space.patient)
			assert_int_equal(try_create(&space, &request, &after), STATUS_IO);
		space.patient = false;
		after = create(&space, &request);
		first = record_of(&space, after).first_page;
		assert_true(first > record_of(&space, before).first_page + 1);
		/* It is not asked again: others lie close together as ever. */
		space.patient = true;
		next = create(&space, &request);
		assert_int_equal(record_of(&space, next).first_page, first + 1);
		space.patient = false;
		destroy(&space, before);
		destroy(&space, after);
		destroy(&space, next);
		fake_reclaim(&space);
		create(&space, &machine_request);
		fake_unread(0);
	}
}

/* The object gets something in its first page, and the map says that it is free: it is not
 * taken from it. */
static void wrong(struct space *space, const struct object_request *request, object_t object,
		  uint64_t first, uint64_t pages)
{
	const uint64_t page = record_of(space, object).first_page;
	uint8_t kept[PAGE_SIZE];
	object_t other;
	void *data;

	assert_int_equal(space_write(space, (page_t){page}, &data), STATUS_OK);
	((uint8_t *)data)[PAGE_SIZE - 1] = 7;
	memcpy(kept, data, PAGE_SIZE);
	assert_int_equal(give(space, first, pages), STATUS_OK);
	assert_int_equal(try_create(space, request, &other), STATUS_CORRUPT);
	other = create(space, request);
	assert_true(record_of(space, other).first_page != page);
	assert_memory_equal(fake_page(page), kept, PAGE_SIZE);
	fake_invariants(space);
}

static void test_map_wrong(void **state)
{
	const struct object_request small = {.type = OBJECT_SEGMENT, .size = 1};
	const struct object_request large = {.type = OBJECT_SEGMENT, .size_max = 1u << 28};
	struct space space = fake_space_formatted(1000);
	struct disk_object table;
	object_t object = create(&space, &small);

	(void)state;
	wrong(&space, &small, object, record_of(&space, object).first_page, 1);
	object = create(&space, &large);
	wrong(&space, &large, object, record_of(&space, object).first_page, 1u << 16);
	/* A machine's page lies behind its table, of which the first page is empty. */
	object = create(&space, &machine_request);
	table = record_of(&space, (object_t){object.n + 1});
	assert_int_equal(table.type, OBJECT_TABLE);
	assert_int_equal(record_of(&space, object).first_page,
			 table.first_page + table.range_pages);
	assert_int_equal(give(&space, table.first_page + table.range_pages, 1), STATUS_OK);
	memset(fake_page(table.first_page), 0, PAGE_SIZE);
	fake_adopt();
	wrong(&space, &machine_request, object, table.first_page, table.range_pages);
}

static void test_map_nonsense(void **state)
{
	struct space space = fake_space_formatted(1000);
	const struct object_request request = {.type = OBJECT_SEGMENT, .size = 1};
	struct disk_range_branch *root;
	object_t object = create(&space, &request);
	uint64_t first = record_of(&space, object).first_page;

	(void)state;
	/* Free already: it does not become free twice, its object goes. */
	fake_begin();
	range_give_prepare(&space, first, 1);
	range_give(&space, first, 1);
	destroy(&space, object);
	fake_reclaim(&space);
	fake_invariants(&space);
	/* Outside of every arena: as a whole, and in parts that no page is about. */
	root = (void *)fake_page(RANGE_KERNEL_ROOT);
	for (uint8_t code = 255; code > 7; code--) {
		memset(root, code, sizeof(*root));
		fake_adopt();
		assert_int_equal(try_create(&space, &port_request, &object), STATUS_CORRUPT);
	}
	/* Before the arena: such a branch is given up. */
	memset(fake_page(range_branch_page(USER_ARENA_PAGE)), 15, PAGE_SIZE);
	fake_adopt();
	object = create(&space, &request);
	assert_int_equal(record_of(&space, object).first_page, UINT64_C(1) << RANGE_BRANCH_SHIFT);
	memset(fake_page(RANGE_USER_ROOT), 255, PAGE_SIZE);
	fake_adopt();
	assert_int_equal(try_create(&space, &request, &object), STATUS_CORRUPT);
}

/* ---- from before there was a map ------------------------------------------------------------ */

/* As version 1 left it: `count` ranges of the pages at rest, the last ones handed out. */
static void make_old(struct space *space, enum range_arena arena, uint32_t count, uint64_t pages)
{
	struct disk_system *system;

	for (uint32_t i = 0; i < count; i++) {
		uint64_t *next, first;
		uint8_t key[RANGE_KEY] = {(uint8_t)arena, (uint8_t)__builtin_ctzll(pages)};

		fake_begin();
		assert_int_equal(system_prepare(space, &system), STATUS_OK);
		next = arena == RANGE_KERNEL ? &system->kernel_next : &system->user_next;
		first = (*next + pages - 1) & ~(pages - 1);
		*next = first + pages;
		system->quarantine_sequence++;
		for (uint32_t k = 0; k < 8; k++)
			key[2 + k] = (uint8_t)(system->quarantine_sequence >> (56 - 8 * k));
		assert_int_equal(btree_insert_prepare(space, system->quarantine_root,
						      (struct btree_key){key, RANGE_KEY}),
				 STATUS_OK);
		btree_insert(space, &system->quarantine_root, (struct btree_key){key, RANGE_KEY},
			     &first, sizeof(first));
	}
	fake_begin();
	assert_int_equal(system_prepare(space, &system), STATUS_OK);
	system->version = 1;
	for (uint64_t i = 0, page; fake_page_nth(i, &page); i++)
		if (page > SYSTEM_PAGE && page < OBJECT_TABLE_PAGE)
			memset(fake_page(page), 0, PAGE_SIZE);
	fake_adopt();
}

static uint32_t survey(struct space *space)
{
	uint32_t steps = 0;

	for (bool more = true; more; steps++)
		assert_int_equal(fake_try_all(survey_call, space, &more), STATUS_OK);
	return steps;
}

/* The quarantine is emptied, and the arenas are whole. */
static void test_old(void **state)
{
	static struct map kept;
	struct space space = fake_space_formatted(1000);
	object_t object;

	(void)state;
	map_keep(&kept);
	make_old(&space, RANGE_KERNEL, 20, 32);
	make_old(&space, RANGE_USER, 1, 1);
	make_old(&space, RANGE_USER, 1, 1);
	make_old(&space, RANGE_USER, 20, 2);
	assert_int_equal(try_create(&space, &port_request, &object), STATUS_BUSY);
	assert_int_equal(survey(&space), 1 + 42 + 1);
	map_same(&kept);
	create(&space, &machine_request);
	fake_invariants(&space);
	/* Pages of trees come back, too. */
	assert_int_equal(system_page()->quarantine_root, 0);
}

/* Nothing is free but what is at rest: who wants it is told that it comes. */
static void test_old_used_up(void **state)
{
	struct space space = fake_space_formatted(1000);
	const struct object_request request = {.type = OBJECT_SEGMENT, .size_max = 4 * PAGE_SIZE};
	object_t object;
	bool more;

	(void)state;
	make_old(&space, RANGE_USER, 3, 4);
	system_page()->user_next = USER_ARENA_END;
	fake_adopt();
	assert_int_equal(range_survey_step(&space, &more), STATUS_OK);
	assert_true(more);
	assert_int_equal(try_create(&space, &request, &object), STATUS_BUSY);
	fake_begin();
	assert_int_equal(range_survey_step(&space, &more), STATUS_OK);
	create(&space, &request);
	assert_int_equal(try_create(&space, &request, &object), STATUS_BUSY);
	survey(&space);
	create(&space, &request);
	create(&space, &request);
	assert_int_equal(try_create(&space, &request, &object), STATUS_LIMIT);
	fake_invariants(&space);
}

/* What was dying is taken apart, and given back to a map that is made for it. */
static void test_old_dying(void **state)
{
	struct space space = fake_space_formatted(1000);
	uint64_t user_next;
	bool more = true;

	(void)state;
	destroy(&space, create(&space, &machine_request));
	user_next = system_page()->user_next;
	make_old(&space, RANGE_USER, 0, 1);
	while (more)
		assert_int_equal(fake_try_survivor(step_call, &space, &more), STATUS_OK);
	assert_int_equal(system_page()->version, SYSTEM_VERSION_MAP);
	assert_int_equal(system_page()->destroying, 0);
	assert_int_equal(system_page()->user_next, user_next);
	create(&space, &machine_request);
	fake_invariants(&space);
}

/* What makes no sense leaves the quarantine for nothing. */
static void test_old_nonsense(void **state)
{
	struct space space = fake_space_formatted(1000);
	struct disk_tree_page *leaf;

	(void)state;
	make_old(&space, RANGE_USER, 4, 4);
	leaf = (void *)fake_page(system_page()->quarantine_root);
	/* The value of the first entry inserted lies at the very end. */
	*(uint64_t *)(leaf->bytes + sizeof(leaf->bytes) - 8) = USER_ARENA_PAGE + 1;
	leaf->bytes[sizeof(leaf->bytes) - 20 - 8] ^= 4; /* the second is the third */
	fake_adopt();
	assert_int_equal(survey(&space), 1 + 4 + 1);
	assert_int_equal(system_page()->quarantine_root, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),	     cmocka_unit_test(test_given_twice),
		cmocka_unit_test(test_dense),	     cmocka_unit_test(test_lives),
		cmocka_unit_test(test_ports),	     cmocka_unit_test(test_used_up),
		cmocka_unit_test(test_beside),	     cmocka_unit_test(test_failures),
		cmocka_unit_test(test_map_damaged),  cmocka_unit_test(test_map_wrong),
		cmocka_unit_test(test_map_nonsense), cmocka_unit_test(test_old),
		cmocka_unit_test(test_old_used_up),  cmocka_unit_test(test_old_dying),
		cmocka_unit_test(test_old_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
