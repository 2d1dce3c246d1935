/* SPDX-License-Identifier: MIT */
/*
 * test_containment.c - what a commit needs cannot be read: it goes on without, or what
 * would need it is refused before anything has changed.
 */
#include "tests/unit/store/damage.h"

#define SECOND	  UINT64_C(1000000000)
#define COMMITS	  200u /* more than any deletion here takes */
#define LEAF_SIZE DISK_FREE_MAP_SECTORS

static enum status commit_at(struct fixture *f, uint64_t wall_ns)
{
	struct store_commit_request request = {.action = STORE_ACTION_NONE, .wall_ns = wall_ns};

	return fixture_request(f, &request);
}

static void rule_set(struct fixture *f, const struct disk_retention *rule)
{
	struct store_commit_request request = {
		.action = STORE_ACTION_RETAIN, .retention = *rule, .wall_ns = SECOND};

	assert_int_equal(fixture_request(f, &request), STATUS_OK);
}

/* Where the next entry of the catalogue belongs cannot be read. */
static void test_no_place(void **state)
{
	const struct disk_retention rule = {.interval_s = 1, .minutes = 5, .budget = 300};

	(void)state;
	for (enum fault fault = FAULT_CORRUPT; fault <= FAULT_READ; fault++) {
		struct fixture *f = with_line(3);
		enum status damaged = fault == FAULT_READ ? STATUS_IO : STATUS_CORRUPT;

		rule_set(f, &rule);
		for (unsigned i = 0; i < 4; i++)
			assert_int_equal(commit_at(f, SECOND), STATUS_OK);
		damage_catalogue(f, 1, 0, fault);
		fixture_remount(f);
		assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, "new"), damaged);
		/* Refused before anything began. */
		assert_int_equal(store_health(f->store), STATUS_OK);
		/* An automatic one is due. */
		for (unsigned i = 1; i < 5; i++) {
			assert_int_equal(fixture_write(f, 9, 70 + i), STATUS_OK);
			assert_int_equal(commit_at(f, 100 * i * SECOND), STATUS_OK);
		}
		assert_int_equal(store_health(f->store), STATUS_OK);
		fixture_compare(f);
		fixture_remount(f);
		fixture_compare(f);
		fixture_free(f);
	}
}

/* The entry of the snapshot that the live state descends from cannot be read: what is
 * replaced is given back as before, and snapshots are taken. */
static void test_origin(void **state)
{
	(void)state;
	for (enum fault fault = FAULT_CORRUPT; fault <= FAULT_READ; fault++) {
		struct fixture *f = with_line(3);
		uint64_t used = 0;

		damage_catalogue(f, 0, 3, fault);
		fixture_remount(f);
		for (unsigned round = 0; round < 6; round++) {
			for (uint32_t i = 0; i < 50; i++)
				assert_int_equal(fixture_write(f, i, 2 * (round + i) + 3),
						 STATUS_OK);
			fixture_checkpoint(f);
			if (round == 2)
				used = f->store->record.used_sectors;
		}
		assert_in_range(f->store->record.used_sectors, used - 20, used + 20);
		assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, "more"), STATUS_OK);
		fixture_checkpoint(f);
		f->bad_sector = 0;
		fixture_remount(f);
		fixture_compare(f);
		if (fault == FAULT_READ)
			fixture_account(f);
		fixture_free(f);
	}
}

/* A record that does not say the origin's generation: its entry does. */
static void test_old_record(void **state)
{
	struct fixture *f = with_line(3);

	(void)state;
	f->store->record.origin_generation = 0;
	for (uint32_t i = 0; i < 50; i++)
		assert_int_equal(fixture_write(f, i, 2 * i + 33), STATUS_OK);
	fixture_checkpoint(f);
	fixture_account(f);
	assert_int_equal(fixture_record(f)->origin_generation, 0);
	assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, "more"), STATUS_OK);
	assert_int_equal(fixture_record(f)->origin_generation, fixture_record(f)->generation);
	fixture_free(f);
}

static void delete_finish(struct fixture *f)
{
	for (unsigned i = 0; i < COMMITS && f->store->record.dying; i++)
		fixture_checkpoint(f);
}

/* Some entry that a deletion has nothing to do with cannot be read after a mount: what is
 * deleted goes, but for the last if the disk may give the entry back. */
static void test_unrelated_entry(void **state)
{
	(void)state;
	for (enum fault fault = FAULT_CORRUPT; fault <= FAULT_READ; fault++) {
		struct fixture *f = with_line(9);

		assert_int_equal(fixture_commit(f, STORE_ACTION_DELETE, 4, ""), STATUS_OK);
		damage_catalogue(f, 0, 1, fault);
		fixture_remount(f);
		assert_int_equal(f->store->record.dying, 4);
		for (uint64_t number = 6; number < 9; number++) {
			delete_finish(f);
			assert_int_equal(fixture_commit(f, STORE_ACTION_DELETE, number, ""),
					 STATUS_OK);
		}
		delete_finish(f);
		assert_int_equal(f->store->record.dying, fault == FAULT_READ ? 8 : 0);
		assert_int_equal(f->store->record.snapshots, fault == FAULT_READ ? 6 : 5);
		if (fault == FAULT_READ)
			assert_string_equal(f->log_last, "store: the deletion of snapshot 8 rests: "
							 "damage in the way");
		f->bad_sector = 0;
		fixture_remount(f);
		delete_finish(f);
		assert_int_equal(f->store->record.snapshots, 5);
		if (fault == FAULT_READ)
			fixture_account(f);
		fixture_free(f);
	}
}

/* Automatic snapshots go on being thinned beside an entry that cannot be read. */
static void test_thinning(void **state)
{
	const struct disk_retention rule = {.interval_s = 1, .minutes = 5, .budget = 300};
	struct fixture *f = with_line(3);

	(void)state;
	assert_int_equal(fixture_commit(f, STORE_ACTION_DELETE, 3, ""), STATUS_OK);
	damage_catalogue(f, 0, 1, FAULT_READ);
	fixture_remount(f);
	rule_set(f, &rule);
	for (unsigned i = 1; i < COMMITS; i++) {
		assert_int_equal(fixture_write(f, 9, 70 + i), STATUS_OK);
		assert_int_equal(commit_at(f, 10 * i * SECOND), STATUS_OK);
	}
	/* One a minute, one on its way out, one that rests, and those three. */
	assert_in_range(f->store->record.snapshots, 5 + 2, 5 + 6);
	/* They are taken on and on. */
	assert_true(f->store->record.next_snapshot > COMMITS / 4);
	f->bad_sector = 0;
	fixture_remount(f);
	delete_finish(f);
	fixture_account(f);
	fixture_free(f);
}

/* The oldest automatic snapshot shall make room, and its parent cannot be read: the
 * writer hears that there is none, after a bounded number of commits. */
static void test_yield(void **state)
{
	const struct disk_retention rule = {
		.interval_s = 1, .minutes = 100, .hours = 10, .budget = 900};

	(void)state;
	for (enum fault fault = FAULT_CORRUPT; fault <= FAULT_READ; fault++) {
		struct fixture *f = fixture_new(16384, 700, 512);
		unsigned commits = 0;
		enum status status = STATUS_OK;
		frame_t frame;

		assert_int_equal(fixture_write(f, 0, 3), STATUS_OK);
		assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, "user"), STATUS_OK);
		rule_set(f, &rule);
		for (unsigned i = 1; i <= 3; i++) {
			for (uint32_t page = 0; page < 200; page++)
				assert_int_equal(fixture_write(f, page, 2 * (page + i) + 3),
						 STATUS_OK);
			assert_int_equal(commit_at(f, 61 * i * SECOND), STATUS_OK);
		}
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(commit_at(f, 183 * SECOND), STATUS_OK);
		assert_true(f->store->record.snapshots >= 3);
		damage_catalogue(f, 0, 1, fault);
		fixture_remount(f);
		for (uint64_t page = f->base; status == STATUS_OK; page++) {
			for (;;) {
				store_operation_begin(f->store);
				status = store_page_write(f->store, (page_t){page}, &frame);
				if (status != STATUS_WAIT)
					break;
				if (store_wait(f->store))
					continue;
				assert_true(commits++ < COMMITS);
				if (store_committing(f->store))
					assert_int_equal(store_settle(f->store), STATUS_OK);
				else
					assert_int_equal(commit_at(f, 183 * SECOND), STATUS_OK);
			}
			if (status == STATUS_OK)
				fixture_fill((void *)store_frame_data(f->frames, frame),
					     2 * (uint32_t)page + 7777);
		}
		assert_int_equal(status, STATUS_NO_SPACE);
		fixture_free(f);
	}
}

/* Somebody made an entry that dies and waits for its death: it does not follow itself. */
static void test_own_successor(void **state)
{
	struct place place = {DISK_TREE_CATALOGUE, 0, 1};
	struct fixture *f = with_line(2);
	struct disk_reference reference;
	const void *data;

	(void)state;
	assert_int_equal(fixture_commit(f, STORE_ACTION_DELETE, 1, ""), STATUS_OK);
	while (map_lookup(f->store, &f->store->record.catalogue, DISK_TREE_CATALOGUE, 1,
			  &reference) == STATUS_WAIT ||
	       extent_get(f->store, &reference, place, &data) == STATUS_WAIT)
		fixture_wait(f);
	/* As it would come from a disk with a checksum to match. */
	((struct disk_snapshot *)(uintptr_t)data)->flags |= DISK_SNAPSHOT_BRANCH;
	f->store->reclaim.waiting = true;
	delete_finish(f);
	assert_int_equal(f->store->record.dying, 0);
	assert_int_equal(f->store->record.snapshots, 1);
	fixture_account(f);
	fixture_free(f);
}

/* Bits of a later version's: a snapshot that can be read is never shown as one that cannot. */
static void test_unknown_flags(void **state)
{
	struct place place = {DISK_TREE_CATALOGUE, 0, 1};
	struct fixture *f = with_line(2);
	struct disk_reference reference;
	struct store_snapshot snapshot;
	const void *data;

	(void)state;
	while (map_lookup(f->store, &f->store->record.catalogue, DISK_TREE_CATALOGUE, 1,
			  &reference) == STATUS_WAIT ||
	       extent_get(f->store, &reference, place, &data) == STATUS_WAIT)
		fixture_wait(f);
	((struct disk_snapshot *)(uintptr_t)data)->flags |= 0xc0000000u;
	assert_int_equal(store_snapshot_next(f->store, (snapshot_t){0}, &snapshot), STATUS_OK);
	assert_int_equal(snapshot.number.n, 1);
	assert_int_equal(snapshot.flags, 0);
	fixture_free(f);
}

/* ---- pages ------------------------------------------------------------------------------------
 */

/* The page is in memory, the node above it is not and cannot be read. */
static void test_write_below(void **state)
{
	(void)state;
	for (enum fault fault = FAULT_CORRUPT; fault <= FAULT_READ; fault++) {
		struct fixture *f = fixture_new(131072, 400, 512);
		uint64_t node = (f->base + 140) / STORE_NODE_PAGES;
		struct place place = {DISK_TREE_SPACE, 1, node};
		void *data;

		for (uint32_t i = 0; i < 1000; i++)
			assert_int_equal(fixture_write(f, i, 2 * i + 3), STATUS_OK);
		for (unsigned i = 0; i < 3; i++)
			fixture_checkpoint(f);
		fixture_remount(f);
		assert_int_equal(fixture_try(f, false, f->base + 140, &data), STATUS_OK);
		damage_place(f, &f->store->record.space, place, fault);
		assert_int_equal(fixture_write(f, 140, 99),
				 fault == FAULT_READ ? STATUS_IO : STATUS_CORRUPT);
		/* It can be read on, and what lies elsewhere can be written. */
		fixture_compare_page(f, 140);
		assert_int_equal(fixture_write(f, 700, 99), STATUS_OK);
		fixture_checkpoint(f);
		assert_int_equal(store_health(f->store), STATUS_OK);
		fixture_compare_page(f, 700);
		fixture_free(f);
	}
}

/* ---- the free map ------------------------------------------------------------------- */

/* A page of it is damaged: what is replaced there stays in use, nothing is taken there,
 * and all goes on. */
static void test_free_map(void **state)
{
	struct fixture *f = fixture_new(4 * LEAF_SIZE, 400, 512);
	struct place place = {DISK_TREE_FREE_MAP, 0, 0};
	uint64_t used;

	(void)state;
	for (unsigned round = 0; round < 3; round++)
		for (uint32_t i = 0; i < FIXTURE_PAGES; i++)
			assert_int_equal(fixture_write(f, i, 2 * i + 3 + round), STATUS_OK);
	for (unsigned i = 0; i < 3; i++)
		fixture_checkpoint(f);
	used = fixture_account(f);
	damage_place(f, &f->store->record.free_map, place, FAULT_CORRUPT);
	fixture_remount(f);
	for (unsigned round = 0; round < 5; round++) {
		for (uint32_t i = 0; i < FIXTURE_PAGES; i += 3)
			assert_int_equal(fixture_write(f, i, 2 * i + 99 + round), STATUS_OK);
		fixture_checkpoint(f);
		assert_int_equal(store_health(f->store), STATUS_OK);
		fixture_compare(f);
	}
	/* Once only: what has gone elsewhere since is given back. */
	assert_in_range(f->store->record.used_sectors, used, 2 * used);
	fixture_remount(f);
	fixture_compare(f);
	fixture_free(f);
}

/* The total of used sectors is less than what is given back. */
static void test_used_sectors(void **state)
{
	struct fixture *f = fixture_new(16384, 300, 512);

	(void)state;
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(fixture_write(f, i, 2 * i + 3), STATUS_OK);
	fixture_checkpoint(f);
	fixture_clear(f, 0, 100);
	f->store->record.used_sectors = 10;
	assert_int_equal(fixture_commit(f, STORE_ACTION_NONE, 0, ""), STATUS_CORRUPT);
	fixture_remount(f);
	fixture_compare(f);
	fixture_free(f);
}

/* A page that cannot be read is met several times by one piece of work, each time in an
 * operation of its own, and all of it is done anew after a wait: it comes to its end. */
static void test_met_again(void **state)
{
	struct fixture *f = with_line(3);
	page_t page = {f->base + 1};
	unsigned attempts = 0, met = 0;
	enum status status;
	frame_t frame;
	uint64_t reads;

	(void)state;
	damage_place(f, &f->store->record.space, (struct place){DISK_TREE_SPACE, 0, page.n},
		     FAULT_CORRUPT);
	fixture_remount(f);
	while (met < 3) {
		assert_true(attempts++ < 10); /* nodes are read, too */
		for (met = 0; met < 3; met++) {
			store_operation_begin(f->store);
			status = store_page_read(f->store, page, &frame);
			if (status == STATUS_WAIT)
				break;
			assert_int_equal(status, STATUS_CORRUPT);
		}
		if (met < 3)
			fixture_wait(f);
	}
	/* It is looked at again, though: the disk may have been repaired. */
	reads = f->reads;
	for (unsigned i = 0; i < 20; i++) {
		store_operation_begin(f->store);
		if (store_page_read(f->store, page, &frame) == STATUS_WAIT)
			fixture_wait(f);
	}
	assert_true(f->reads > reads);
	fixture_free(f);
}

/* What the disk does not read is met by one operation several times, below one node, and
 * all of it is done anew after a wait: it comes to its end.  The next reads again. */
static void test_error_met_again(void **state)
{
	struct fixture *f = with_line(3);
	struct place leaf = {DISK_TREE_SPACE, 1, f->base >> DISK_NODE_SHIFT};
	unsigned attempts = 0, met = 0;
	frame_t frame;
	void *data;

	(void)state;
	damage_place(f, &f->store->record.space, leaf, FAULT_READ);
	fixture_remount(f);
	while (met < 3) {
		assert_true(attempts++ < 10);
		store_operation_begin(f->store);
		for (met = 0; met < 3; met++) {
			enum status status =
				store_page_read(f->store, (page_t){f->base + met}, &frame);

			if (status == STATUS_WAIT)
				break;
			assert_int_equal(status, STATUS_IO);
		}
		if (met < 3)
			fixture_wait(f);
	}
	assert_int_equal(fixture_try(f, false, f->base, &data), STATUS_IO);
	f->bad_sector = 0;
	assert_int_equal(fixture_try(f, false, f->base, &data), STATUS_OK);
	fixture_free(f);
}

/* Reads so many pages that are not readable, in one operation.  How many it was told of. */
static uint32_t read_unread(struct fixture *f, uint32_t count)
{
	frame_t frame;
	uint32_t met;

	store_operation_begin(f->store);
	for (met = 0; met < count; met++) {
		enum status status = store_page_read(f->store, (page_t){f->base + 1 + met}, &frame);

		if (status == STATUS_WAIT) {
			fixture_wait(f);
			break;
		}
		assert_int_equal(status, STATUS_IO);
	}
	return met;
}

/* Many places that the disk does not read cost one operation a read each, even if others
 * are under way beside it. */
static void test_many_errors(void **state)
{
	const uint32_t many = 60;
	struct fixture *f = with_line(3);
	unsigned attempts = 0;
	void *data;

	(void)state;
	for (uint32_t i = 0; i <= many; i++)
		assert_int_equal(fixture_write(f, i, 2 * i + 5), STATUS_OK);
	fixture_checkpoint(f);
	fixture_remount(f);
	assert_int_equal(fixture_try(f, false, f->base, &data), STATUS_OK);
	f->reads = 0;
	f->fail_operation = BLOCK_READ;
	f->fail_at = 1;
	f->fail_count = UINT64_MAX;
	while (read_unread(f, many) < many) {
		assert_true(attempts++ < 2 * many);
		assert_int_equal(fixture_try(f, false, f->base, &data), STATUS_OK);
	}
	assert_int_equal(f->reads, many);
	/* It has ended: the next one reads. */
	f->fail_count = 0;
	for (uint32_t i = 1; i <= many; i++)
		assert_int_equal(fixture_try(f, false, f->base + i, &data), STATUS_OK);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_place),      cmocka_unit_test(test_origin),
		cmocka_unit_test(test_old_record),    cmocka_unit_test(test_unrelated_entry),
		cmocka_unit_test(test_thinning),      cmocka_unit_test(test_yield),
		cmocka_unit_test(test_own_successor), cmocka_unit_test(test_write_below),
		cmocka_unit_test(test_free_map),      cmocka_unit_test(test_used_sectors),
		cmocka_unit_test(test_met_again),     cmocka_unit_test(test_error_met_again),
		cmocka_unit_test(test_many_errors),   cmocka_unit_test(test_unknown_flags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
