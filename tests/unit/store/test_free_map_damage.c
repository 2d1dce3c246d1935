/* SPDX-License-Identifier: MIT */
/*
 * test_free_map_damage.c - pages of the free map that are damaged: what may stay in use
 * does, and what must be said there stops the commit, before anything is lost.
 */
#include "tests/unit/store/damage.h"

#define LEAF_SIZE DISK_FREE_MAP_SECTORS

static void leaf_damage(struct fixture *f, uint64_t leaf)
{
	damage_place(f, &f->store->record.free_map, (struct place){DISK_TREE_FREE_MAP, 0, leaf},
		     FAULT_CORRUPT);
}

/* A delta has taken sectors that only the free map of the next full commit says are in
 * use.  Where it cannot say so there is no such commit: somebody else would write there. */
static void test_taken_by_a_delta(void **state)
{
	struct fixture *f = fixture_make(4 * LEAF_SIZE, 400, 512, true);
	const struct disk_delta *entry;

	(void)state;
	for (uint32_t i = 0; i < 200; i++)
		assert_int_equal(fixture_write(f, i, 2 * i + 3), STATUS_OK);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0,
						(const char[]){(char)('a' + i), 0}),
				 STATUS_OK);
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(fixture_write(f, i, 2 * i + 301), STATUS_OK);
	fixture_checkpoint(f);
	assert_int_equal(fixture_record(f)->kind, DISK_RECORD_DELTA);
	assert_int_equal(fixture_record(f)->entries, 5);
	entry = (const struct disk_delta *)(fixture_record(f) + 1);
	leaf_damage(f, disk_reference_sector(&entry->reference).n / LEAF_SIZE);
	fixture_remount(f);
	fixture_compare(f);
	assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, "full"), STATUS_CORRUPT);
	assert_int_equal(store_health(f->store), STATUS_CORRUPT);
	fixture_compare(f);
	fixture_remount(f);
	fixture_compare(f);
	assert_int_equal(fixture_record(f)->kind, DISK_RECORD_DELTA);
	fixture_free(f);
}

/* What is given back lies in two pages of the map, the first of which is damaged: the
 * other is brought up to date as ever. */
static void test_one_of_two(void **state)
{
	struct fixture *f = fixture_new(4 * LEAF_SIZE, 400, 512);
	uint64_t used, sector = 0;
	unsigned lines;

	(void)state;
	/* Until pages lie in the second. */
	for (uint32_t round = 0; sector < LEAF_SIZE; round++) {
		struct disk_reference reference;

		assert_true(round < 100);
		for (uint32_t i = 0; i < FIXTURE_PAGES; i += 1 + round)
			assert_int_equal(fixture_write(f, i, 2 * (i + round) + 3), STATUS_OK);
		assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0,
						(const char[]){(char)('!' + round), 0}),
				 STATUS_OK);
		while (map_lookup(f->store, &f->store->record.space, DISK_TREE_SPACE, f->base,
				  &reference) == STATUS_WAIT)
			fixture_wait(f);
		sector = disk_reference_sector(&reference).n;
	}
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(fixture_write(f, i, 2 * i + 901), STATUS_OK);
	for (unsigned i = 0; i < 3; i++)
		fixture_checkpoint(f);
	used = f->store->record.used_sectors;
	leaf_damage(f, 0);
	fixture_remount(f);
	assert_int_equal(fixture_commit(f, STORE_ACTION_DELETE, 1, ""), STATUS_OK);
	lines = f->log_lines;
	while (f->store->record.dying)
		fixture_checkpoint(f);
	assert_true(f->log_lines > lines);
	fixture_clear(f, 0, 100);
	for (unsigned i = 0; i < 3; i++)
		fixture_checkpoint(f);
	assert_int_equal(store_health(f->store), STATUS_OK);
	assert_in_range(f->store->record.used_sectors, 1, used - 100);
	fixture_compare(f);
	fixture_remount(f);
	fixture_compare(f);
	fixture_free(f);
}

/* Where all that may be free lies in pages that cannot be read, it is not said that the store
 * is full: it may have all the room there is. */
static void test_no_other_page(void **state)
{
	struct fixture *f = fixture_new(LEAF_SIZE, 400, 512);
	uint64_t generation;

	(void)state;
	assert_int_equal(fixture_write(f, 0, 3), STATUS_OK);
	fixture_checkpoint(f);
	generation = fixture_record(f)->generation;
	leaf_damage(f, 0);
	fixture_remount(f);
	assert_int_equal(fixture_write(f, 1, 5), STATUS_OK);
	assert_int_equal(fixture_commit(f, STORE_ACTION_NONE, 0, ""), STATUS_CORRUPT);
	fixture_remount(f);
	assert_int_equal(fixture_record(f)->generation, generation);
	fixture_compare(f);
	fixture_free(f);
}

static struct disk_reference leaf_find(struct fixture *f, const struct disk_root *root)
{
	struct disk_reference reference;

	while (map_lookup(f->store, root, DISK_TREE_FREE_MAP, 0, &reference) == STATUS_WAIT)
		fixture_wait(f);
	return reference;
}

/* A page of the predecessor's map that the disk does not read keeps what may be free in it
 * from being used for a while.  What commits fail for before, or beside, does not count. */
static void test_predecessor_unread(void **state)
{
	struct fixture *f = fixture_new(LEAF_SIZE, 90, 512);
	struct disk_reference leaf;
	uint64_t generation;

	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < 300; i++)
			assert_int_equal(fixture_write(f, i, 2 * (i + round) + 3), STATUS_OK);
		fixture_checkpoint(f);
	}
	generation = store_durable(f->store).n;
	assert_int_equal(fixture_write(f, 0, 7), STATUS_OK);
	f->fail_operation = BLOCK_FLUSH;
	f->fail_at = 1;
	f->fail_count = LIMIT_STARVED + 3;
	while (f->fail_count)
		assert_int_equal(fixture_commit(f, STORE_ACTION_NONE, 0, ""), STATUS_IO);
	leaf = leaf_find(f, &f->store->previous_map);
	f->bad_sector = disk_reference_sector(&leaf).n;
	for (unsigned i = 0; i < LIMIT_STARVED; i++) {
		fixture_compare(f); /* so that no page of the map is in the cache any more */
		assert_int_equal(fixture_commit(f, STORE_ACTION_NONE, 0, ""), STATUS_IO);
		assert_int_equal(store_durable(f->store).n, generation);
	}
	fixture_compare(f);
	fixture_checkpoint(f);
	assert_true(store_durable(f->store).n > generation);
	f->bad_sector = 0;
	fixture_remount(f);
	fixture_compare(f);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_taken_by_a_delta),
		cmocka_unit_test(test_one_of_two),
		cmocka_unit_test(test_no_other_page),
		cmocka_unit_test(test_predecessor_unread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
