/* SPDX-License-Identifier: MIT */
/*
 * test_fake_range.c - address ranges: fresh space, the quarantine, its order.
 */
#include "tests/unit/objects/fake_store.h"

static const object_t root_bank = {OBJECT_ROOT_BANK};
static const struct object_request machine_request = {.type = OBJECT_MACHINE, .name = "m"};
static const struct object_request segment_request = {.type = OBJECT_SEGMENT, .size = 10000};
static const struct object_request port_request = {.type = OBJECT_PORT, .size = 5};

static struct disk_capability create(struct space *space, const struct object_request *request)
{
	struct disk_capability capability;

	fake_begin();
	assert_int_equal(object_create(space, root_bank, request, &capability), STATUS_OK);
	fake_begin();
	return capability;
}

static object_t object_of(const struct disk_capability *capability)
{
	return (object_t){capability->object};
}

static void destroy(struct space *space, object_t object)
{
	fake_begin();
	assert_int_equal(object_destroy(space, object), STATUS_OK);
	fake_begin();
}

static enum status create_call(struct space *space, void *context)
{
	struct disk_capability capability;

	return object_create(space, root_bank, context, &capability);
}

/* Freed ranges are not reused while there is fresh space; then the oldest is. */
static void test_quarantine(void **state)
{
	struct space space = fake_space_formatted(100000);
	struct object_request request = {.type = OBJECT_SEGMENT, .size = 4096 * 4};
	struct disk_capability capability[20];
	struct disk_object record;
	uint64_t first[20], highest = 0;
	struct disk_system *system;

	(void)state;
	for (uint32_t i = 0; i < 20; i++) {
		capability[i] = create(&space, &request);
		assert_int_equal(object_read(&space, object_of(&capability[i]), &record),
				 STATUS_OK);
		first[i] = record.first_page;
		assert_true(first[i] > highest);
		highest = first[i];
		if (i < 10) {
			destroy(&space, object_of(&capability[i]));
			fake_reclaim(&space);
		}
	}
	system = (void *)fake_page(SYSTEM_PAGE);
	system->user_next = USER_ARENA_END - 2;
	fake_adopt();
	for (uint32_t i = 0; i < 10; i++) {
		capability[0] = create(&space, &request);
		assert_int_equal(object_read(&space, object_of(&capability[0]), &record),
				 STATUS_OK);
		assert_int_equal(record.first_page, first[i]);
	}
	assert_int_equal(object_create(&space, root_bank, &request, &capability[0]), STATUS_LIMIT);
	fake_invariants(&space);
	/* A small one takes fresh space first, then a larger one whole. */
	destroy(&space, object_of(&capability[15]));
	fake_reclaim(&space);
	request.size = 4096;
	for (uint32_t i = 0; i < 3; i++) {
		capability[0] = create(&space, &request);
		assert_int_equal(object_read(&space, object_of(&capability[0]), &record),
				 STATUS_OK);
		assert_int_equal(record.range_pages, i == 2 ? 4 : 1);
	}
	assert_int_equal(record.first_page, first[15]);
	fake_invariants(&space);
}

/* All three ranges of a machine from the quarantine, none of them twice. */
static void test_quarantine_machine(void **state)
{
	struct space space = fake_space_formatted(100000);
	struct disk_capability machine[4];
	struct disk_system *system;

	(void)state;
	for (uint32_t i = 0; i < 4; i++)
		machine[i] = create(&space, &machine_request);
	for (uint32_t i = 0; i < 4; i++)
		destroy(&space, object_of(&machine[i]));
	fake_reclaim(&space);
	system = (void *)fake_page(SYSTEM_PAGE);
	system->user_next = USER_ARENA_END;
	system->kernel_next = TREE_ARENA_PAGE;
	fake_adopt();
	/* Four machine pages and four tables; the fifth small range takes a table's. */
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(fake_try_all(create_call, &space, (void *)&machine_request),
				 STATUS_OK);
		fake_invariants(&space);
	}
	assert_int_equal(object_create(&space, root_bank, &machine_request, &machine[0]),
			 STATUS_LIMIT);
}

/* Two large ranges at rest and nothing else: a machine's page and its table take
 * one each, and ranges of the other arena do not help. */
static void test_quarantine_shared(void **state)
{
	struct space space = fake_space_formatted(100000);
	struct disk_capability table[2], machine;
	struct disk_system *system;

	(void)state;
	for (uint32_t i = 0; i < 2; i++)
		table[i] = create(&space, &(struct object_request){OBJECT_TABLE, .size = 256});
	for (uint32_t i = 0; i < 2; i++)
		destroy(&space, object_of(&table[i]));
	machine = create(&space, &segment_request);
	destroy(&space, object_of(&machine));
	fake_reclaim(&space);
	system = (void *)fake_page(SYSTEM_PAGE);
	system->kernel_next = TREE_ARENA_PAGE;
	fake_adopt();
	machine = create(&space, &machine_request);
	fake_invariants(&space);
	/* One range of the user arena is still at rest. */
	fake_begin();
	assert_int_equal(object_create(&space, root_bank, &port_request, &machine), STATUS_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quarantine),
		cmocka_unit_test(test_quarantine_machine),
		cmocka_unit_test(test_quarantine_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
