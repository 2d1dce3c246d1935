/* SPDX-License-Identifier: MIT */
/*
 * test_thinning.c - which automatic snapshots go with time, and in which order.
 */
#include "tests/unit/store/retaining.h"
#include "store/store_priv.h"

/* Two days of work, a commit every five seconds of every tenth minute. */
static void test_thinning(void **state)
{
	struct fixture *f = fixture_new(131072, 300, 512);
	struct disk_retention rule = {
		.interval_s = 10, .minutes = 6, .hours = 5, .days = 3, .budget = 900};
	uint64_t wall = 1000000 * SECOND, oldest = 0;
	unsigned most = 0, count;

	(void)state;
	scribble(f, 100);
	assert_int_equal(retain(f, &rule), STATUS_OK);
	for (unsigned minute = 0; minute < 288; minute++) {
		for (unsigned i = 0; i < 12; i++) {
			scribble(f, 1);
			checkpoint_at(f, wall);
			wall += 5 * SECOND;
		}
		wall += 540 * SECOND;
		count = automatics(f, &oldest);
		most = count > most ? count : most;
	}
	/* At most: the last minute's, those of the rule, and some that wait. */
	assert_true(most >= 6 + 5 + 3 && most <= 7 + 6 + 5 + 3 + 8);
	assert_true(wall - oldest > 36 * 3600 * SECOND);
	/* The clock jumps a year ahead, and back: what there was goes by and by only. */
	count = automatics(f, &oldest);
	scribble(f, 1);
	checkpoint_at(f, wall + 365 * 86400 * SECOND);
	checkpoint_at(f, wall);
	checkpoint_at(f, wall + 1);
	assert_true(automatics(f, &oldest) + 3 >= count);
	fixture_free(f);
}

/* Exactly these automatic snapshots are there, by their times in seconds after `t`. */
static void assert_kept(struct fixture *f, uint64_t t, const unsigned *seconds, unsigned count)
{
	struct store_snapshot snapshot;
	unsigned found = 0;

	for (uint64_t number = 1; number < f->store->record.next_snapshot; number++) {
		enum status status;

		while ((status = store_snapshot_get(f->store, (snapshot_t){number}, &snapshot)) ==
		       STATUS_WAIT)
			fixture_wait(f);
		if (status != STATUS_OK)
			continue;
		assert_true(found < count);
		assert_int_equal((snapshot.wall_ns - t) / SECOND, seconds[found]);
		found++;
	}
	assert_int_equal(found, count);
}

/* One second after another, without a new one, until the deletions are done. */
static void thin(struct fixture *f, uint64_t t, unsigned commits)
{
	while (commits--)
		checkpoint_at(f, t);
}

/* As one that a stream replaces, of any name: in such commits none goes. */
static void take(struct fixture *f, uint64_t wall_ns)
{
	struct store_commit_request request = {.action = STORE_ACTION_SNAPSHOT,
					       .wall_ns = wall_ns,
					       .receiving_set = true,
					       .receiving = {{9}, 12, 3, 55, 0, 77}};

	snprintf(request.name, sizeof(request.name), "auto-%llu",
		 (unsigned long long)f->store->generation);
	assert_int_equal(fixture_request(f, &request), STATUS_OK);
}

/* Which go, and that the oldest goes first, one at a time. */
static void test_thinning_order(void **state)
{
	static const unsigned all[] = {0, 20, 40, 60, 80, 120, 190, 200, 210};
	static const unsigned thinned[] = {40, 80, 120, 190, 200, 210};
	struct fixture *f = fixture_new(131072, 300, 512);
	struct disk_retention rule = {.interval_s = 10, .minutes = 2, .hours = 1, .budget = 900};
	const uint64_t t = 3600 * 1000 * SECOND;
	struct store_commit_request request = {.receiving_set = true};

	(void)state;
	f->limits.deletion_visits = 1;
	fixture_checkpoint(f);
	fixture_remount(f);
	for (unsigned i = 0; i < 9; i++) {
		scribble(f, 40);
		take(f, t + all[i] * SECOND);
	}
	assert_int_equal(fixture_request(f, &request), STATUS_OK);
	assert_int_equal(retain(f, &rule), STATUS_OK);
	assert_kept(f, t, all, 9);
	for (unsigned gone = 1; gone <= 2; gone++) {
		thin(f, t + 211 * SECOND, 1);
		assert_kept(f, t, all + gone, 9 - gone);
		/* Its deletion takes some commits, and the next one waits for it. */
		assert_true(fixture_record(f)->dying != 0);
		thin(f, t + 211 * SECOND, 1);
		assert_kept(f, t, all + gone, 9 - gone);
		while (fixture_record(f)->dying)
			thin(f, t + 211 * SECOND, 1);
		if (fixture_record(f)->snapshots < 9 - gone)
			break;
	}
	thin(f, t + 211 * SECOND, 200);
	assert_kept(f, t, thinned, 6);
	/* None for hours: the one that stood for its hour goes; a minute later those
	 * of the last minute are of a minute like all others. */
	rule.hours = 0;
	assert_int_equal(retain(f, &rule), STATUS_OK);
	thin(f, t + 211 * SECOND, 100);
	assert_kept(f, t, thinned + 1, 5);
	rule.interval_s = 100;
	assert_int_equal(retain(f, &rule), STATUS_OK);
	thin(f, t + 250 * SECOND - 1, 100);
	assert_kept(f, t, thinned + 1, 5);
	thin(f, t + 250 * SECOND, 100);
	assert_kept(f, t, thinned + 2, 4);
	fixture_account(f);
	fixture_free(f);
}

/* What a restore of the first snapshot replaces now is kept. */
static void restore(struct fixture *f, const uint32_t *base, uint64_t wall_ns)
{
	struct store_commit_request request = {
		.action = STORE_ACTION_RESTORE, .number = {1}, .wall_ns = wall_ns};

	assert_int_equal(fixture_request(f, &request), STATUS_OK);
	memcpy(f->stable_model, base, sizeof(f->stable_model));
	fixture_remount(f);
}

/* A snapshot for restores, and automatic ones by this rule. */
static void prepare_restores(struct fixture *f, uint32_t base[FIXTURE_PAGES], uint64_t wall_ns,
			     const struct disk_retention *rule)
{
	struct store_commit_request request = {
		.action = STORE_ACTION_SNAPSHOT, .name = "base", .wall_ns = wall_ns};

	scribble(f, 40);
	assert_int_equal(fixture_request(f, &request), STATUS_OK);
	memcpy(base, f->model, sizeof(f->model));
	assert_int_equal(retain(f, rule), STATUS_OK);
}

/* All that restores replaced within an hour stays, whichever way the clock is set; then it
 * is thinned by itself: of every minute the newest of either kind stays. */
static void test_thinning_replaced(void **state)
{
	static const unsigned hour[] = {0, 60, 70, 120, 130, 180, 190, 200, 240, 250, 260, 10};
	static const unsigned hour_later[] = {0, 60, 70, 120, 130, 180, 190, 240, 250, 260, 10};
	static const unsigned later[] = {0, 70, 120, 130, 180, 190, 240, 250, 260, 10};
	static const unsigned thinned[] = {0, 190, 250, 260, 10};
	static uint32_t base[FIXTURE_PAGES];
	struct fixture *f = fixture_new(131072, 300, 512);
	struct disk_retention rule = {.interval_s = 10, .minutes = 2, .budget = 900};
	const uint64_t t = 3600 * 1000 * SECOND;

	(void)state;
	prepare_restores(f, base, t, &rule);
	for (unsigned i = 1; i <= 4; i++) {
		/* Twice in a minute, then one that the system takes. */
		for (unsigned second = 0; second <= 10; second += 10) {
			scribble(f, 20);
			restore(f, base, t + (60 * i + second) * SECOND);
		}
		scribble(f, 20);
		thin(f, t + (60 * i + 20) * SECOND, 20);
	}
	rule.interval_s = 100000; /* none is taken any more but one, for the clock is set back */
	assert_int_equal(retain(f, &rule), STATUS_OK);
	thin(f, t + 10 * SECOND, 200);
	assert_kept(f, t, hour, 12);
	thin(f, t + 3670 * SECOND - 1, 200);
	assert_kept(f, t, hour_later, 11);
	thin(f, t + 3670 * SECOND, 200);
	assert_kept(f, t, later, 10);
	thin(f, t + 3850 * SECOND, 200);
	assert_kept(f, t, thinned, 5);
	fixture_account(f);
	fixture_free(f);
}

/* More restores within an hour than there is room for, while nothing thins what they
 * replaced: so many of the newest stay, of each minute before them the newest, and no
 * automatic snapshot goes for them. */
static void test_restored_often(void **state)
{
	static uint32_t base[FIXTURE_PAGES];
	static unsigned kept[LIMIT_REPLACED + 8];
	struct fixture *f = fixture_new(131072, 300, 512);
	struct disk_retention rule = {.interval_s = 10, .minutes = 3, .budget = 900};
	const uint64_t t = 3600 * 1000 * SECOND;
	const unsigned restores = LIMIT_AUTOMATIC + 20, first = restores - LIMIT_REPLACED;
	unsigned count = 0;

	(void)state;
	prepare_restores(f, base, t, &rule);
	for (unsigned i = 0; i < 3; i++)
		thin(f, t + (60 * i + 10) * SECOND, 1);
	for (unsigned i = 0; i < restores; i++) {
		scribble(f, 1);
		restore(f, base, t + (600 + i) * SECOND);
	}
	rule.interval_s = 100000;
	assert_int_equal(retain(f, &rule), STATUS_OK);
	thin(f, t + 3000 * SECOND, 4 * restores);
	for (unsigned i = 0; i < 4; i++)
		kept[count++] = i ? 60 * i - 50 : 0;
	for (unsigned i = 0; i < restores; i++)
		if (i >= first || (i / 60 + 3 > first / 60 && (i % 60 == 59 || i + 1 == first)))
			kept[count++] = 600 + i;
	thin(f, t + 3000 * SECOND, 10);
	assert_kept(f, t, kept, count);
	assert_int_equal(fixture_record(f)->dying, 0);
	fixture_account(f);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_thinning_order),
		cmocka_unit_test(test_thinning_replaced),
		cmocka_unit_test(test_restored_often),
		cmocka_unit_test(test_thinning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
