/* SPDX-License-Identifier: MIT */
/*
 * test_keeping.c - growing, renaming, finding, automatic snapshots, space held.
 */
#include "tests/unit/store/fixture.h"

#define SECOND UINT64_C(1000000000)

static enum status commit(struct fixture *f, const struct store_commit_request *request)
{
	generation_t generation;
	store_channel_t channel;
	enum status status;

	do {
		status = store_commit(f->store, request, &generation, &channel);
	} while (status == STATUS_WAIT && store_wait(f->store, channel));
	if (status == STATUS_OK)
		status = store_settle(f->store);
	if (status == STATUS_OK)
		memcpy(f->stable_model, f->model, sizeof(f->model));
	return status;
}

static enum status grow(struct fixture *f, uint64_t sectors)
{
	struct store_commit_request request = {.action = STORE_ACTION_GROW, .sectors = sectors};

	return commit(f, &request);
}

static void scribble(struct fixture *f, unsigned changes)
{
	while (changes--)
		assert_int_equal(fixture_write(f, fixture_random(f, FIXTURE_PAGES),
					       1 + fixture_random(f, 100000)),
				 STATUS_OK);
}

/* A store smaller than its disk. */
static struct fixture *small_store(uint64_t sectors, uint64_t disk_sectors)
{
	struct store_format_options options = {
		.identity = {1, 2, 3}, .sectors = sectors, .write_unit = 512, .label = "test"};
	struct fixture *f = fixture_new(disk_sectors, 300, 512);

	fixture_init(f);
	assert_int_equal(store_format(f->store, &options), STATUS_OK);
	return f;
}

/* ---- growing ------------------------------------------------------------------ */

static void test_grow(void **state)
{
	/* Odd sizes; one to two free-map pages; over 128 of them (2 GiB). */
	static const uint64_t sizes[] = {8193 + 128,  32768 + 7,	  32768 * 3,
					 32768 * 128, 32768 * 129 + 4096, 32768 * 131};
	struct fixture *f = small_store(8192, 32768 * 131);

	(void)state;
	scribble(f, 100);
	fixture_checkpoint(f);
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		scribble(f, 40);
		assert_int_equal(grow(f, sizes[i]), STATUS_OK);
		assert_int_equal(fixture_record(f)->sectors, sizes[i]);
		scribble(f, 40);
		fixture_checkpoint(f);
		if (i % 2) {
			fixture_remount(f);
			scribble(f, 40);
			fixture_checkpoint(f);
		}
		fixture_compare(f);
		fixture_account(f);
	}
	assert_int_equal(fixture_record(f)->free_map.height, 2);
	fixture_free(f);
}

static void test_grow_refusals(void **state)
{
	struct fixture *f = small_store(8192, 40000);

	(void)state;
	scribble(f, 10);
	fixture_checkpoint(f);
	assert_int_equal(grow(f, 40001), STATUS_LIMIT);
	assert_int_equal(grow(f, 8192), STATUS_INVALID);
	assert_int_equal(grow(f, 8192 + STORE_GROW_MIN - 1), STATUS_INVALID);
	assert_int_equal(grow(f, 100), STATUS_INVALID);
	assert_int_equal(fixture_record(f)->sectors, 8192);
	assert_int_equal(grow(f, 40000), STATUS_OK);
	fixture_free(f);
}

/* A full store takes pages again when it has grown; each time by the least. */
static void test_grow_full(void **state)
{
	struct fixture *f = small_store(8192, 32768 * 2);
	uint32_t written = 0;

	(void)state;
	for (unsigned round = 0; round < 60; round++) {
		uint32_t before = written;

		while (fixture_write(f, written % FIXTURE_PAGES, 2 * written + 3) == STATUS_OK)
			written++;
		assert_true(round % 4 || written > before);
		assert_int_equal(grow(f, fixture_record(f)->sectors + STORE_GROW_MIN), STATUS_OK);
		if (written >= FIXTURE_PAGES - 10)
			break;
	}
	fixture_checkpoint(f);
	fixture_compare(f);
	fixture_account(f);
	fixture_free(f);
}

/* The power goes during the growth: the old size or the new one, and all sound. */
static void test_grow_crash(void **state)
{
	unsigned grown = 0;

	(void)state;
	for (unsigned steps = 0; steps < 60; steps++) {
		struct fixture *f = small_store(32768, 32768 * 3);
		struct store_commit_request request = {.action = STORE_ACTION_GROW,
						       .sectors = 32768 * 3};
		generation_t generation;
		store_channel_t channel;

		f->random += steps;
		scribble(f, 50);
		fixture_checkpoint(f);
		scribble(f, 20);
		assert_int_equal(store_commit(f->store, &request, &generation, &channel),
				 STATUS_OK);
		for (unsigned i = 0; i < steps / 2; i++)
			if (!store_step(f->store))
				fixture_poll(&f->device, true);
		fixture_crash(f);
		assert_int_equal(fixture_mount(f), STATUS_OK);
		if (fixture_record(f)->generation == generation.n && !f->recovery.torn.n) {
			assert_int_equal(fixture_record(f)->sectors, 32768 * 3);
			memcpy(f->stable_model, f->model, sizeof(f->model));
			grown++;
		} else {
			assert_int_equal(f->recovery.generation.n, generation.n - 1);
		}
		memcpy(f->model, f->stable_model, sizeof(f->model));
		fixture_compare(f);
		scribble(f, 10);
		fixture_checkpoint(f);
		fixture_account(f);
		fixture_free(f);
	}
	assert_true(grown > 5 && grown < 55);
}

/* ---- names and numbers ------------------------------------------------------------ */

static enum status rename_to(struct fixture *f, uint64_t number, const char *name)
{
	return fixture_commit(f, STORE_ACTION_RENAME, number, name);
}

static uint64_t find(struct fixture *f, const char *name)
{
	struct store_snapshot snapshot;
	store_channel_t channel;
	enum status status;

	while ((status = store_snapshot_find(f->store, name, &snapshot, &channel)) == STATUS_WAIT)
		fixture_wait(f, channel);
	return status == STATUS_OK ? snapshot.number.n : 0;
}

static uint64_t before(struct fixture *f, uint64_t generation, uint64_t wall_ns)
{
	struct store_snapshot snapshot;
	store_channel_t channel;
	enum status status;

	while ((status = store_snapshot_before(f->store, (generation_t){generation}, wall_ns,
					       &snapshot, &channel)) == STATUS_WAIT)
		fixture_wait(f, channel);
	assert_true(status == STATUS_OK || status == STATUS_NOT_FOUND);
	return status == STATUS_OK ? snapshot.number.n : 0;
}

static void test_rename(void **state)
{
	struct fixture *f = fixture_new(16384, 100, 512);
	char long_name[DISK_SNAPSHOT_NAME];
	uint64_t a, b;

	(void)state;
	memset(long_name, 'x', sizeof(long_name));
	assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, "a"), STATUS_OK);
	assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, "b"), STATUS_OK);
	a = find(f, "a");
	b = find(f, "b");
	assert_int_equal(rename_to(f, a, "b"), STATUS_EXISTS);
	assert_int_equal(rename_to(f, a, ""), STATUS_INVALID);
	assert_int_equal(rename_to(f, 99, "c"), STATUS_NOT_FOUND);
	assert_int_equal(rename_to(f, a, "a"), STATUS_OK);
	assert_int_equal(rename_to(f, a, "c"), STATUS_OK);
	assert_int_equal(find(f, "a"), 0);
	assert_int_equal(find(f, "c"), a);
	assert_int_equal(rename_to(f, b, "a"), STATUS_OK);
	fixture_remount(f);
	assert_int_equal(find(f, "c"), a);
	assert_int_equal(find(f, "a"), b);
	assert_int_equal(fixture_commit(f, STORE_ACTION_DELETE, a, ""), STATUS_OK);
	assert_int_equal(find(f, "c"), 0);
	assert_int_equal(rename_to(f, a, "d"), STATUS_NOT_FOUND);
	fixture_free(f);
}

/* Removals leave no gap that hides another. */
static void test_many_names(void **state)
{
	struct fixture *f = fixture_new(131072, 600, 512);
	char name[DISK_SNAPSHOT_NAME];
	uint64_t reads;

	(void)state;
	scribble(f, 20);
	for (unsigned i = 1; i <= 400; i++) {
		snprintf(name, sizeof(name), "snapshot %u", i);
		assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, name), STATUS_OK);
	}
	for (unsigned i = 3; i <= 400; i += 3) {
		snprintf(name, sizeof(name), "renamed %u", i);
		assert_int_equal(rename_to(f, i, name), STATUS_OK);
	}
	for (unsigned remounted = 0; remounted < 2; remounted++) {
		for (unsigned i = 1; i <= 400; i++) {
			snprintf(name, sizeof(name), "snapshot %u", i);
			assert_int_equal(find(f, name), i % 3 ? i : 0);
			snprintf(name, sizeof(name), "renamed %u", i);
			assert_int_equal(find(f, name), i % 3 ? 0 : i);
			assert_int_equal(before(f, i, UINT64_MAX), i);
		}
		fixture_remount(f);
	}
	/* A name that there is not costs no reading, once the index is there. */
	assert_int_equal(find(f, "nobody"), 0);
	reads = f->reads;
	assert_int_equal(find(f, "nobody either"), 0);
	assert_int_equal(f->reads, reads);
	fixture_free(f);
}

/* ---- automatic snapshots --------------------------------------------------------------- */

static enum status retain(struct fixture *f, const struct disk_retention *rule)
{
	struct store_commit_request request = {.action = STORE_ACTION_RETAIN, .retention = *rule};

	return commit(f, &request);
}

static void checkpoint_at(struct fixture *f, uint64_t wall_ns)
{
	struct store_commit_request request = {.action = STORE_ACTION_NONE, .wall_ns = wall_ns};

	assert_int_equal(commit(f, &request), STATUS_OK);
}

/* Automatic snapshots that live; *oldest: wall time of the oldest. */
static unsigned automatics(struct fixture *f, uint64_t *oldest)
{
	struct store_snapshot snapshot = {.number = {0}};
	store_channel_t channel;
	enum status status;
	unsigned count = 0;

	for (;;) {
		snapshot_t after = snapshot.number;

		status = store_snapshot_next(f->store, after, &snapshot, &channel);
		if (status == STATUS_WAIT) {
			fixture_wait(f, channel);
			snapshot.number = after;
			continue;
		}
		if (status != STATUS_OK)
			break;
		if (!(snapshot.flags & DISK_SNAPSHOT_AUTOMATIC) ||
		    snapshot.flags & (DISK_SNAPSHOT_DYING | DISK_SNAPSHOT_BRANCH))
			continue;
		if (count++ == 0)
			*oldest = snapshot.wall_ns;
	}
	assert_int_equal(status, STATUS_NOT_FOUND);
	return count;
}

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

/* Sectors that snapshots reach and the live state does not. */
static uint64_t held_by_walk(struct fixture *f)
{
	const struct disk_record *record = fixture_record(f);
	struct account a = {f, calloc(record->sectors, 1), NULL, 0};
	uint64_t live = 0;

	account_root(&a, &record->space, NULL);
	account_tree(&a, &record->catalogue.reference, record->catalogue.height, 0, NULL);
	account_tree(&a, &record->free_map.reference, record->free_map.height, 0, NULL);
	for (uint64_t i = 0; i < record->sectors; i++)
		live += a.reached[i];
	free(a.reached);
	return record->used_sectors - live;
}

static uint64_t held_by_entries(struct fixture *f)
{
	struct store_snapshot snapshot = {.number = {0}};
	store_channel_t channel;
	enum status status;
	uint64_t held = fixture_record(f)->held_sectors;

	do {
		snapshot_t after = snapshot.number;

		status = store_snapshot_next(f->store, after, &snapshot, &channel);
		if (status == STATUS_WAIT) {
			fixture_wait(f, channel);
			snapshot.number = after;
		} else if (status == STATUS_OK) {
			held += snapshot.held_sectors;
		}
	} while (status != STATUS_NOT_FOUND);
	return held;
}

static void test_held(void **state)
{
	struct fixture *f = fixture_new(131072, 300, 512);
	char name[DISK_SNAPSHOT_NAME];
	uint64_t alive[40];
	unsigned count = 0, taken = 0;

	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		scribble(f, 20);
		if (round % 2 && count < 40) {
			snprintf(name, sizeof(name), "%u", taken);
			assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, name),
					 STATUS_OK);
			alive[count++] = ++taken;
		} else if (round % 3 == 0 && count) {
			unsigned i = fixture_random(f, count);

			assert_int_equal(fixture_commit(f, STORE_ACTION_DELETE, alive[i], ""),
					 STATUS_OK);
			alive[i] = alive[--count];
		} else {
			fixture_checkpoint(f);
		}
		/* Exact in a line of snapshots, in the middle of a deletion, too. */
		assert_int_equal(held_by_entries(f), held_by_walk(f));
	}
	fixture_free(f);
}

static void test_budget(void **state)
{
	struct fixture *f = fixture_new(65536, 300, 512);
	struct disk_retention rule = {.interval_s = 1, .minutes = 800, .budget = 100};
	uint64_t wall = SECOND, oldest;

	(void)state;
	assert_int_equal(retain(f, &rule), STATUS_OK);
	for (unsigned i = 0; i < 300; i++) {
		scribble(f, 30);
		checkpoint_at(f, wall += 61 * SECOND);
		scribble(f, 1);
		checkpoint_at(f, wall += 1);
		checkpoint_at(f, wall += 1);
	}
	assert_true(automatics(f, &oldest) > 5);
	assert_true(held_by_entries(f) <= 65536 / 10 + 65536 / 50);
	rule.budget = 1001;
	assert_int_equal(retain(f, &rule), STATUS_INVALID);
	rule = (struct disk_retention){.interval_s = 10, .minutes = 60000};
	assert_int_equal(retain(f, &rule), STATUS_LIMIT);
	fixture_free(f);
}

/* They give way before anything is refused, the owner's own never do. */
static void test_yield(void **state)
{
	struct fixture *f = fixture_new(16384, 300, 512);
	struct disk_retention rule = {.interval_s = 1, .minutes = 100, .budget = 1000};
	uint64_t wall = SECOND, oldest, kept;
	unsigned count;

	(void)state;
	for (uint32_t i = 0; i < 300; i++)
		assert_int_equal(fixture_write(f, i, 2 * i + 3), STATUS_OK);
	fixture_checkpoint(f);
	assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, "mine"), STATUS_OK);
	assert_int_equal(retain(f, &rule), STATUS_OK);
	for (unsigned round = 0; round < 12; round++) {
		for (uint32_t i = 0; i < 60; i++)
			assert_int_equal(fixture_write(f, fixture_random(f, 300),
						       2 * fixture_random(f, 50000) + 3),
					 STATUS_OK);
		checkpoint_at(f, wall += 61 * SECOND);
	}
	count = automatics(f, &oldest);
	assert_true(count > 5);
	/* Twice as many pages fit only when all of them are gone. */
	for (uint32_t i = 300; fixture_write(f, i, 2 * i + 3) == STATUS_OK; i++)
		assert_true(i < FIXTURE_PAGES - 1);
	assert_int_equal(automatics(f, &oldest), 0);
	kept = find(f, "mine");
	assert_int_not_equal(kept, 0);
	fixture_compare(f);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grow),	  cmocka_unit_test(test_grow_refusals),
		cmocka_unit_test(test_grow_full), cmocka_unit_test(test_grow_crash),
		cmocka_unit_test(test_rename),	  cmocka_unit_test(test_many_names),
		cmocka_unit_test(test_thinning),  cmocka_unit_test(test_held),
		cmocka_unit_test(test_budget),	  cmocka_unit_test(test_yield),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
