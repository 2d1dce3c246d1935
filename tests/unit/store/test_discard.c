/* SPDX-License-Identifier: MIT */
/*
 * test_discard.c - freed blocks are discarded, used ones never.
 */
#include "tests/unit/store/fixture.h"

#define SECTORS 65536u

static struct fixture *discarding(bool deltas)
{
	struct fixture *f = fixture_make(SECTORS, 400, 512, deltas);

	f->device.discards = true;
	fixture_checkpoint(f);
	fixture_remount(f);
	return f;
}

static void write_run(struct fixture *f, uint32_t first, uint32_t count, uint32_t value)
{
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(fixture_write(f, first + i, value + 2 * i), STATUS_OK);
}

/* Until nothing moves any more. */
static void settle(struct fixture *f)
{
	for (unsigned idle = 0; idle < 3;) {
		bool moved = store_step(f->store);

		idle = moved || f->queued ? 0 : idle + 1;
		fixture_poll(&f->device, true);
	}
}

/* What is freed comes back after the second commit, not before. */
static void test_two_generations(void **state)
{
	struct fixture *f = discarding(false);

	(void)state;
	write_run(f, 0, 300, 3);
	fixture_checkpoint(f);
	settle(f);
	f->discarded = 0;
	fixture_clear(f, 0, 300);
	fixture_checkpoint(f);
	settle(f);
	assert_int_equal(f->discarded, 0);
	fixture_checkpoint(f);
	settle(f);
	assert_true(f->discarded >= 300 * BLOCK_SECTORS);
	assert_true(f->discarded <= 310 * BLOCK_SECTORS);
	fixture_compare(f);
	fixture_account(f);
	fixture_remount(f);
	fixture_compare(f);
	fixture_free(f);
}

static void live_and_compare(bool deltas, uint32_t unit)
{
	struct fixture *f = discarding(deltas);

	f->device.discard_unit = unit;
	for (unsigned round = 0; round < 60; round++) {
		write_run(f, fixture_random(f, 1000), 1 + fixture_random(f, 100),
			  fixture_random(f, 500) + 1);
		if (round % 7 == 3)
			fixture_clear(f, fixture_random(f, 1000), 1 + fixture_random(f, 400));
		if (round % 10 == 5)
			assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0,
							round < 30 ? "one" : "two"),
					 round == 15 || round == 25 || round == 45 || round == 55
						 ? STATUS_EXISTS
						 : STATUS_OK);
		fixture_checkpoint(f);
		settle(f);
		if (round % 5 == 0)
			fixture_remount(f);
		fixture_compare(f);
	}
	fixture_checkpoint(f);
	fixture_account(f);
	assert_true(f->discarded > 100);
	fixture_free(f);
}

static void test_beside_everything(void **state)
{
	(void)state;
	live_and_compare(false, 0);
	live_and_compare(true, 0);
	live_and_compare(true, 64);
}

/* All that is free in both newest generations, and nothing else. */
static void test_all_free(void **state)
{
	struct fixture *f = discarding(false);
	sector_t position = {0};
	enum status status;
	uint64_t used;

	(void)state;
	write_run(f, 0, 200, 3);
	fixture_checkpoint(f);
	fixture_checkpoint(f);
	fixture_checkpoint(f);
	settle(f);
	f->discarded = 0;
	used = fixture_account(f) + DISK_DATA_SECTOR;
	do {
		status = store_discard_free(f->store, &position);
		if (status == STATUS_WAIT)
			fixture_wait(f);
	} while (status == STATUS_OK || status == STATUS_WAIT);
	assert_int_equal(status, STATUS_NOT_FOUND);
	settle(f);
	/* Short extents share blocks, and the last two free maps differ. */
	assert_true(f->discarded <= SECTORS - used);
	assert_true(f->discarded + used + 60 * BLOCK_SECTORS >= SECTORS);
	fixture_compare(f);
	fixture_account(f);
	fixture_remount(f);
	fixture_compare(f);
	fixture_free(f);
}

/* A disk that refuses is not asked again; one that cannot is never asked. */
static void test_refusals(void **state)
{
	struct fixture *f = discarding(false);
	sector_t position = {0};

	(void)state;
	f->fail_operation = BLOCK_DISCARD;
	f->fail_at = f->discards + 1;
	f->fail_count = 1000;
	write_run(f, 0, 100, 3);
	fixture_checkpoint(f);
	fixture_clear(f, 0, 100);
	fixture_checkpoint(f);
	fixture_checkpoint(f);
	settle(f);
	assert_non_null(strstr(f->log_last, "refuses to discard"));
	assert_int_equal(store_discard_free(f->store, &position), STATUS_NO_OPERATION);
	assert_int_equal(store_health(f->store), STATUS_OK);
	f->fail_count = 0;
	f->device.discards = false;
	fixture_remount(f);
	fixture_compare(f);
	assert_int_equal(store_discard_free(f->store, &position), STATUS_NO_OPERATION);
	f->device.read_only = true;
	fixture_remount(f);
	assert_int_equal(store_discard_free(f->store, &position), STATUS_READ_ONLY);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_generations),
		cmocka_unit_test(test_beside_everything),
		cmocka_unit_test(test_all_free),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
