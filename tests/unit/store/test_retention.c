/* SPDX-License-Identifier: MIT */
/*
 * test_retention.c - automatic snapshots: when one is taken, and when they give way; and
 * the space that snapshots hold.
 */
#include "tests/unit/store/retaining.h"
#include "store/store_priv.h"

/* A tool that works on the store offline takes none, and none goes. */
static void test_retention_offline(void **state)
{
	struct fixture *f = fixture_new(65536, 300, 512);
	struct disk_retention rule = {.interval_s = 1, .budget = 900};
	struct store_commit_request request = {.wall_ns = 10 * SECOND, .offline = true};
	uint64_t oldest;

	(void)state;
	assert_int_equal(retain(f, &rule), STATUS_OK);
	scribble(f, 10);
	assert_int_equal(fixture_request(f, &request), STATUS_OK);
	assert_int_equal(automatics(f, &oldest), 0);
	checkpoint_at(f, 20 * SECOND);
	assert_int_equal(automatics(f, &oldest), 1);
	request.wall_ns = 2000 * SECOND;
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(fixture_request(f, &request), STATUS_OK);
	assert_int_equal(automatics(f, &oldest), 1);
	assert_int_equal(oldest, 20 * SECOND);
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
	enum status status;
	uint64_t held = fixture_record(f)->held_sectors;

	do {
		snapshot_t after = snapshot.number;

		status = store_snapshot_next(f->store, after, &snapshot);
		if (status == STATUS_WAIT) {
			fixture_wait(f);
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

/* What a restore brings back holds nothing yet; what was held for it stays so. */
static void test_held_restored(void **state)
{
	struct fixture *f = fixture_new(65536, 300, 512);
	struct store_snapshot snapshot;
	uint64_t held;

	(void)state;
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(fixture_write(f, i, 2 * i + 3), STATUS_OK);
	assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, "one"), STATUS_OK);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(fixture_write(f, i, 2 * i + 5), STATUS_OK);
	fixture_checkpoint(f);
	held = fixture_record(f)->held_sectors;
	assert_true(held >= 100 * BLOCK_SECTORS);
	assert_int_equal(held, held_by_walk(f));
	assert_int_equal(fixture_commit(f, STORE_ACTION_RESTORE, 1, "two"), STATUS_OK);
	assert_int_equal(fixture_mount(f), STATUS_OK);
	assert_int_equal(fixture_record(f)->held_sectors, 0);
	while (store_snapshot_get(f->store, (snapshot_t){1}, &snapshot) == STATUS_WAIT)
		fixture_wait(f);
	assert_int_equal(snapshot.held_sectors, held);
	assert_int_equal(fixture_write(f, 7, 9999), STATUS_OK);
	fixture_checkpoint(f);
	assert_in_range(fixture_record(f)->held_sectors, BLOCK_SECTORS, 5 * BLOCK_SECTORS);
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

/* What is replaced since the newest one is held for it, and is in the budget. */
static void test_budget_of_newest(void **state)
{
	struct fixture *f = fixture_new(65536, 1400, 512);
	struct disk_retention rule = {.interval_s = 10, .minutes = 10, .budget = 100};
	uint64_t oldest;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(fixture_write(f, i, 2 * i + 3), STATUS_OK);
	assert_int_equal(retain(f, &rule), STATUS_OK);
	checkpoint_at(f, SECOND);
	assert_int_equal(automatics(f, &oldest), 1);
	for (uint32_t i = 0; i < 700; i++)
		assert_int_equal(fixture_write(f, i, 2 * i + 5), STATUS_OK);
	checkpoint_at(f, SECOND + 1);
	checkpoint_at(f, SECOND + 2);
	assert_int_equal(automatics(f, &oldest), 1);
	for (uint32_t i = 700; i < 1000; i++)
		assert_int_equal(fixture_write(f, i, 2 * i + 5), STATUS_OK);
	checkpoint_at(f, SECOND + 3);
	assert_int_equal(automatics(f, &oldest), 0);
	fixture_free(f);
}

/* Full commits come no more often than the interval: each takes one, and yet the
 * rule and the budget are kept. */
static void test_seldom(void **state)
{
	struct fixture *f = fixture_new(131072, 300, 512);
	struct disk_retention rule = {.interval_s = 10, .minutes = 6, .hours = 2, .budget = 900};
	uint64_t wall = SECOND, oldest = 0;

	(void)state;
	assert_int_equal(retain(f, &rule), STATUS_OK);
	for (unsigned i = 0; i < 600; i++) {
		scribble(f, 5);
		checkpoint_at(f, wall += 15 * SECOND);
		assert_true(automatics(f, &oldest) <= 4 + 6 + 2 + 2);
	}
	assert_true(wall - oldest > 1700 * SECOND); /* the newest of the hour before */
	/* Fewer by a new rule; until they are gone none is taken. */
	rule = (struct disk_retention){.interval_s = 10, .minutes = 2, .budget = 50};
	assert_int_equal(retain(f, &rule), STATUS_OK);
	for (unsigned i = 0; i < 12; i++)
		checkpoint_at(f, wall += 15 * SECOND);
	assert_true(automatics(f, &oldest) <= 4 + 2 + 2);
	for (unsigned i = 0; i < 300; i++) {
		scribble(f, 100);
		checkpoint_at(f, wall += 15 * SECOND);
		/* What one commit replaced is known too late to be kept out. */
		assert_true(held_by_entries(f) <= 131072 / 20 + 2 * 100 * BLOCK_SECTORS);
	}
	assert_true(automatics(f, &oldest) >= 3);
	rule.interval_s = 0;
	assert_int_equal(retain(f, &rule), STATUS_OK);
	for (unsigned i = 0; fixture_record(f)->dying; i++) {
		assert_true(i < 100);
		fixture_checkpoint(f);
	}
	fixture_account(f);
	fixture_free(f);
}

/* The same where most commits are deltas, which neither take one nor let one go. */
static void test_deltas(void **state)
{
	struct fixture *f = fixture_make(65536, 300, 512, true);
	struct disk_retention rule = {
		.interval_s = 10, .minutes = 60, .hours = 24, .days = 7, .budget = 50};
	uint64_t wall = SECOND, oldest = 0, held, most = 0;
	unsigned deltas = 0;

	(void)state;
	for (uint32_t i = 0; i < 1400; i++)
		assert_int_equal(fixture_write(f, i, 7 + i), STATUS_OK);
	fixture_checkpoint(f);
	assert_int_equal(retain(f, &rule), STATUS_OK);
	for (unsigned i = 0; i < 6000; i++) {
		scribble(f, 1);
		checkpoint_at(f, wall += SECOND);
		deltas += fixture_record(f)->kind == DISK_RECORD_DELTA;
		held = i % 16 ? 0 : held_by_entries(f);
		most = held > most ? held : most;
	}
	assert_true(deltas > 3000);
	assert_true(automatics(f, &oldest) > 3);
	assert_true(most > 65536 / 40 && most <= 2 * (65536 / 20));
	fixture_free(f);
}

/* None is taken before its time, even when none is left. */
static void test_interval(void **state)
{
	struct fixture *f = fixture_new(65536, 300, 512);
	struct disk_retention rule = {.interval_s = 3600, .minutes = 60, .budget = 1};
	uint64_t wall = SECOND, oldest, next;

	(void)state;
	assert_int_equal(retain(f, &rule), STATUS_OK);
	next = fixture_record(f)->next_snapshot;
	for (unsigned i = 0; i < 100; i++) {
		scribble(f, 30);
		checkpoint_at(f, wall += SECOND);
	}
	assert_int_equal(automatics(f, &oldest), 0);
	assert_int_equal(fixture_record(f)->next_snapshot, next + 1);
	scribble(f, 30);
	checkpoint_at(f, wall += 3600 * SECOND);
	assert_int_equal(fixture_record(f)->next_snapshot, next + 2);
	fixture_free(f);
}

/* Somebody has given the name of the automatic snapshot that is due already, or whose
 * name it was cannot be read: the next commit takes one. */
static void test_name_given(void **state)
{
	const struct disk_retention rule = {.interval_s = 1, .minutes = 60, .budget = 900};

	(void)state;
	for (unsigned damaged = 0; damaged < 2; damaged++) {
		struct fixture *f = fixture_new(65536, 300, 512);
		struct place place = {DISK_TREE_CATALOGUE, 0, 1};
		struct store_commit_request request = {.action = STORE_ACTION_SNAPSHOT};
		struct disk_reference reference;

		fixture_checkpoint(f);
		snprintf(request.name, sizeof(request.name), "auto-%u",
			 (unsigned)f->store->generation + 2);
		assert_int_equal(fixture_request(f, &request), STATUS_OK);
		assert_int_equal(retain(f, &rule), STATUS_OK);
		while (map_lookup(f->store, &f->store->record.catalogue, DISK_TREE_CATALOGUE, 1,
				  &reference) == STATUS_WAIT)
			fixture_wait(f);
		if (damaged) {
			uint64_t key = extent_key(KEY_EXTENT, &reference, place);

			assert_true(f->store->index.complete);
			cache_drop(f->store, cache_find(f->store, key));
			f->disk[disk_reference_sector(&reference).n * SECTOR_SIZE + 20] ^= 1;
		}
		scribble(f, 3);
		checkpoint_at(f, 100 * SECOND);
		assert_int_equal(f->store->record.snapshots, 1);
		scribble(f, 3);
		checkpoint_at(f, 101 * SECOND);
		assert_int_equal(f->store->record.snapshots, 2);
		fixture_compare(f);
		fixture_free(f);
	}
}

/* Not while a stream is received, which may build on one. */
static void test_no_yield_to_stream(void **state)
{
	struct fixture *f = fixture_new(10240, 300, 512);
	struct disk_retention rule = {.interval_s = 1, .minutes = 100, .budget = 1000};
	struct store_commit_request request = {.receiving_set = true,
					       .receiving = {{9}, 12, 3, 55, 0, 77}};
	uint64_t wall = SECOND, oldest;
	uint32_t i = 300, refused;
	unsigned count;

	(void)state;
	assert_int_equal(retain(f, &rule), STATUS_OK);
	for (unsigned round = 0; round < 5; round++) {
		for (uint32_t k = 0; k < 100; k++)
			assert_int_equal(fixture_write(f, k, 2 * fixture_random(f, 50000) + 3),
					 STATUS_OK);
		checkpoint_at(f, wall += 61 * SECOND);
	}
	request.wall_ns = wall + 1;
	assert_int_equal(fixture_request(f, &request), STATUS_OK);
	count = automatics(f, &oldest);
	assert_true(count >= 4);
	while (i < FIXTURE_PAGES && fixture_write(f, i, 2 * i + 3) == STATUS_OK)
		i++;
	assert_true(automatics(f, &oldest) >= count);
	/* When it is over they do. */
	request = (struct store_commit_request){.receiving_set = true, .wall_ns = wall + 2};
	assert_int_equal(fixture_request(f, &request), STATUS_OK);
	refused = i;
	while (i < FIXTURE_PAGES && fixture_write(f, i, 2 * i + 3) == STATUS_OK)
		i++;
	assert_true(i > refused + 10 && i < FIXTURE_PAGES);
	assert_int_equal(automatics(f, &oldest), 0);
	fixture_compare(f);
	fixture_free(f);
}

/* They give way before anything is refused, the owner's own never do. */
static void test_yield(void **state)
{
	struct fixture *f = fixture_new(16384, 300, 512);
	struct disk_retention rule = {.interval_s = 1, .minutes = 100, .budget = 1000};
	uint64_t wall = SECOND, oldest;
	struct store_snapshot mine;
	enum status status;
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
	while ((status = store_snapshot_get(f->store, (snapshot_t){1}, &mine)) == STATUS_WAIT)
		fixture_wait(f);
	assert_int_equal(status, STATUS_OK);
	assert_string_equal(mine.name, "mine");
	fixture_compare(f);
	fixture_free(f);
}

/* Damage has stopped the deletions: no automatic snapshot can go any more, but they
 * are taken all the same, up to their budget. */
static void test_deletions_stopped(void **state)
{
	struct fixture *f = fixture_new(65536, 700, 512);
	struct disk_retention rule = {.interval_s = 1, .minutes = 1, .budget = 300};
	uint64_t wall = SECOND, oldest;
	struct store_details details;
	struct store_view view;
	unsigned count;

	(void)state;
	for (uint32_t i = 0; i < 500; i++)
		assert_int_equal(fixture_write(f, i, 2 * i + 3), STATUS_OK);
	assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, "damaged"), STATUS_OK);
	while (store_view_open(f->store, (snapshot_t){1}, &view) == STATUS_WAIT)
		fixture_wait(f);
	for (uint32_t i = 0; i < 500; i++)
		assert_int_equal(fixture_write(f, i, 2 * i + 5), STATUS_OK);
	fixture_checkpoint(f);
	f->disk[disk_reference_sector(&view.root.reference).n * SECTOR_SIZE + 9] ^= 1;
	fixture_remount(f);
	assert_int_equal(retain(f, &rule), STATUS_OK);
	assert_int_equal(fixture_commit(f, STORE_ACTION_DELETE, 1, ""), STATUS_OK);
	store_details_get(f->store, &details);
	assert_false(details.deletion_rests);
	for (unsigned i = 1; i <= 10; i++) {
		assert_int_equal(fixture_write(f, i, 2 * i + 7), STATUS_OK);
		checkpoint_at(f, wall += 61 * SECOND);
		assert_int_equal(automatics(f, &oldest), i);
	}
	store_details_get(f->store, &details);
	assert_true(details.deletion_rests);
	/* One pass of what the budget allows, and no more. */
	for (unsigned round = 0; round < 8; round++) {
		for (uint32_t i = 0; i < 500; i++)
			assert_int_equal(fixture_write(f, i, 2 * i + 7 + 1000 * round), STATUS_OK);
		checkpoint_at(f, wall += 61 * SECOND);
	}
	count = automatics(f, &oldest);
	assert_in_range(count, 13, 17);
	checkpoint_at(f, wall += 61 * SECOND);
	assert_int_equal(automatics(f, &oldest), count);
	fixture_compare(f);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_retention_offline),
		cmocka_unit_test(test_held_restored),
		cmocka_unit_test(test_budget_of_newest),
		cmocka_unit_test(test_name_given),
		cmocka_unit_test(test_no_yield_to_stream),
		cmocka_unit_test(test_held),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_seldom),
		cmocka_unit_test(test_deltas),
		cmocka_unit_test(test_interval),
		cmocka_unit_test(test_yield),
		cmocka_unit_test(test_deletions_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
