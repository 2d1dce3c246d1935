/* SPDX-License-Identifier: MIT */
/*
 * test_fake_transient.c - objects that are to go: noted with what makes them, found as
 * long as they live, whatever the list says.
 */
#include "tests/unit/objects/fake_store.h"

static const object_t root_bank = {OBJECT_ROOT_BANK};

static const struct object_request requests[] = {
	{.type = OBJECT_MACHINE, .name = "shell", .priority = 8},
	{.type = OBJECT_PORT, .size = 16},
	{.type = OBJECT_SEGMENT, .size = 10000},
};
#define REQUESTS (sizeof(requests) / sizeof(requests[0]))

static struct disk_capability create(struct space *space, const struct object_request *request)
{
	struct disk_capability capability;

	fake_begin();
	assert_int_equal(transient_create(space, root_bank, request, &capability), STATUS_OK);
	return capability;
}

static struct disk_system *system_of(struct space *space)
{
	struct disk_system *system;

	fake_begin();
	assert_int_equal(system_prepare(space, &system), STATUS_OK);
	return system;
}

static enum status create_call(struct space *space, void *context)
{
	struct disk_capability capability;

	return transient_create(space, root_bank, context, &capability);
}

static enum status find_call(struct space *space, void *context)
{
	object_t object;
	uint32_t at = 0;

	return transient_find(space, &at, &object, context);
}

static enum status forget_call(struct space *space, void *context)
{
	return transient_forget(space, *(uint32_t *)context);
}

/* What the owner of the space does: ends what is noted, until nothing is. */
static void end_all(struct space *space)
{
	struct disk_object record;
	enum status status;
	object_t object;

	uint32_t at = 0;

	for (uint32_t steps = 0; steps <= 2 * SYSTEM_TRANSIENT_MAX; steps++) {
		fake_begin();
		status = transient_find(space, &at, &object, &record);
		fake_begin();
		if (status == STATUS_NOT_FOUND) {
			fake_reclaim(space);
			return;
		}
		if (status == STATUS_DEAD) {
			assert_int_equal(transient_forget(space, at), STATUS_OK);
			continue;
		}
		assert_int_equal(status, STATUS_OK);
		assert_int_equal(fake_destroy(space, object), STATUS_OK);
	}
	fail_msg("there is always one more");
}

static void expect_none_noted(struct space *space)
{
	const struct disk_system *system = system_of(space);
	static const uint8_t nothing[sizeof(system->transient)];

	assert_memory_equal(system->transient, nothing, sizeof(nothing));
}

/* Wherever the making ends, all of it goes, with what was paid for it. */
static void test_stages(void **state)
{
	struct space space = fake_space_formatted(1000);
	uint64_t before = fake_bank_pages(&space);

	(void)state;
	for (uint32_t stages = 0; stages <= REQUESTS; stages++) {
		for (uint32_t i = 0; i < stages; i++)
			create(&space, &requests[i]);
		assert_true(stages == 0 || fake_bank_pages(&space) > before);
		end_all(&space);
		assert_int_equal(fake_bank_pages(&space), before);
		fake_invariants(&space);
		expect_none_noted(&space);
	}
}

/* What is kept stays, and what it replaces goes: by one operation. */
static void test_kept(void **state)
{
	struct space space = fake_space_formatted(1000);
	struct disk_capability old = create(&space, &requests[0]), made[REQUESTS];
	struct disk_system *system = system_of(&space);
	uint64_t before;

	(void)state;
	transient_remove(system, old.version);
	expect_none_noted(&space);
	before = fake_bank_pages(&space);
	for (uint32_t i = 0; i < REQUESTS; i++)
		made[i] = create(&space, &requests[i]);
	fake_begin();
	assert_int_equal(transient_prepare(&space, SYSTEM_TRANSIENT_MAX - REQUESTS, &system),
			 STATUS_OK);
	for (uint32_t i = 0; i < REQUESTS; i++)
		transient_remove(system, made[i].version);
	transient_add(system, (object_t){old.object}, old.version);
	end_all(&space);
	fake_begin();
	assert_int_equal(object_resolve(&space, &old, OBJECT_NONE, 0, NULL), STATUS_DEAD);
	for (uint32_t i = 0; i < REQUESTS; i++)
		assert_int_equal(object_resolve(&space, &made[i], OBJECT_NONE, 0, NULL), STATUS_OK);
	/* As much as before, and the port and the segment. */
	assert_int_equal(fake_bank_pages(&space), before + 9 + 3);
	expect_none_noted(&space);
}

static void test_full(void **state)
{
	struct space space = fake_space_formatted(1000);
	struct disk_capability capability;
	struct disk_system *system;

	(void)state;
	for (uint32_t i = 0; i < SYSTEM_TRANSIENT_MAX; i++)
		create(&space, &requests[1]);
	fake_save();
	fake_begin();
	assert_int_equal(transient_create(&space, root_bank, &requests[1], &capability),
			 STATUS_LIMIT);
	assert_int_equal(transient_prepare(&space, 1, &system), STATUS_LIMIT);
	assert_int_equal(transient_prepare(&space, 0, &system), STATUS_OK);
	assert_true(fake_unchanged());
	transient_remove(system, system->transient[3].version);
	assert_int_equal(transient_prepare(&space, 1, &system), STATUS_OK);
	assert_int_equal(transient_prepare(&space, 2, &system), STATUS_LIMIT);
}

/* The number of one that has ended may be another's by now; nonsense is no object. */
static void test_ended_otherwise(void **state)
{
	struct space space = fake_space_formatted(1000);
	struct disk_capability ended = create(&space, &requests[2]), other;
	struct disk_system *system;

	(void)state;
	fake_begin();
	assert_int_equal(fake_destroy(&space, (object_t){ended.object}), STATUS_OK);
	fake_reclaim(&space);
	fake_begin();
	assert_int_equal(object_create(&space, root_bank, &requests[2], &other), STATUS_OK);
	assert_int_equal(other.object, ended.object);
	system = system_of(&space);
	assert_int_equal(system->transient[0].version, ended.version);
	transient_add(system, (object_t){OBJECT_MAX}, 5);
	transient_add(system, (object_t){0}, 6);
	end_all(&space);
	expect_none_noted(&space);
	fake_begin();
	assert_int_equal(object_resolve(&space, &other, OBJECT_SEGMENT, 0, NULL), STATUS_OK);
}

/* One that cannot be read, or cannot go, does not hide those behind it; it stays on the
 * list, and is the only one that is looked at. */
static void test_those_behind(void **state)
{
	struct space space = fake_space_formatted(1000);
	struct disk_capability made[2] = {create(&space, &requests[1]),
					  create(&space, &requests[2])};
	struct disk_object record;
	uint32_t at = 0;
	object_t object;

	(void)state;
	/* Noted again, it has one place. */
	transient_add(system_of(&space), (object_t){made[0].object}, made[0].version);
	fake_begin();
	assert_int_equal(transient_find(&space, &at, &object, &record), STATUS_OK);
	assert_true(at == 0 && object.n == made[0].object);
	at++;
	fake_begin();
	assert_int_equal(transient_find(&space, &at, &object, &record), STATUS_OK);
	assert_true(at == 1 && object.n == made[1].object);
	at++;
	fake_begin();
	assert_int_equal(transient_find(&space, &at, &object, &record), STATUS_NOT_FOUND);
	/* The first read is the system page's, the next the first one's. */
	fake_begin();
	fake_fail(2, STATUS_IO);
	at = 0;
	assert_int_equal(transient_find(&space, &at, &object, &record), STATUS_IO);
	assert_true(fake_failed() && at == 0 && object.n == made[0].object);
	at++;
	fake_begin();
	assert_int_equal(transient_find(&space, &at, &object, &record), STATUS_OK);
	assert_true(at == 1 && object.n == made[1].object);
	fake_begin();
	assert_int_equal(fake_destroy(&space, object), STATUS_OK);
	fake_begin();
	assert_int_equal(transient_find(&space, &at, &object, &record), STATUS_DEAD);
	assert_int_equal(at, 1);
	at = 0;
	fake_begin();
	assert_int_equal(transient_find(&space, &at, &object, &record), STATUS_OK);
	assert_int_equal(object.n, made[0].object);
	end_all(&space);
	expect_none_noted(&space);
}

static void test_failures(void **state)
{
	struct space space = fake_space_formatted(1000);
	struct disk_object record;
	uint32_t second = 1;

	(void)state;
	for (uint32_t i = 0; i < REQUESTS; i++)
		assert_int_equal(fake_try_survivor(create_call, &space, (void *)&requests[i]),
				 STATUS_OK);
	assert_int_equal(fake_try_all(find_call, &space, &record), STATUS_OK);
	assert_int_equal(fake_try_all(forget_call, &space, &second), STATUS_OK);
	assert_int_equal(system_of(&space)->transient[1].version, 0);
	assert_true(system_of(&space)->transient[0].version &&
		    system_of(&space)->transient[2].version);
	end_all(&space);
	expect_none_noted(&space);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stages),	     cmocka_unit_test(test_kept),
		cmocka_unit_test(test_full),	     cmocka_unit_test(test_ended_otherwise),
		cmocka_unit_test(test_those_behind), cmocka_unit_test(test_failures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
