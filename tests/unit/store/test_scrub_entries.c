/* SPDX-License-Identifier: MIT */
/*
 * test_scrub_entries.c - a scrub beside entries of the catalogue that cannot be read, or
 * that nobody could have written.
 */
#include "tests/unit/store/damage.h"
#include "tests/unit/store/scrubbing.h"

#define PAGES 400u

/* Which entry says what has been seen already: that of a snapshot's parent, of the live
 * state's origin, of an origin that is dying. */
enum limit { LIMIT_PARENT, LIMIT_ORIGIN, LIMIT_DYING };

static const void *entry_data(struct fixture *f, uint64_t number, struct disk_reference *reference)
{
	struct place place = {DISK_TREE_CATALOGUE, 0, number};
	const void *data;

	while (map_lookup(f->store, &f->store->record.catalogue, DISK_TREE_CATALOGUE, number,
			  reference) == STATUS_WAIT ||
	       extent_get(f->store, reference, place, &data) == STATUS_WAIT)
		fixture_wait(f);
	return data;
}

/* Half of the pages change between two snapshots. */
static struct fixture *with_limit(enum limit limit)
{
	struct fixture *f = fixture_new(SCRUBBED_SECTORS, 400, 512);
	const char *const names[] = {"a", "b"};

	for (unsigned i = 0; i < 3; i++) {
		for (uint32_t page = i ? PAGES / 2 : 0; page < PAGES; page++)
			assert_int_equal(fixture_write(f, page, 2 * (page + i) + 3), STATUS_OK);
		if (i < 2)
			snapshot(f, names[i]);
	}
	fixture_checkpoint(f);
	if (limit == LIMIT_DYING)
		delete_snapshot(f, "b");
	return f;
}

/* It is asked for a few times, not at each extent, and all else is read and found. */
static void test_unreadable_limit(void **state)
{
	(void)state;
	for (enum limit limit = LIMIT_PARENT; limit <= LIMIT_DYING; limit++) {
		for (enum fault fault = FAULT_CORRUPT; fault <= FAULT_READ; fault++) {
			struct fixture *f = with_limit(limit);
			struct findings findings;
			struct store_scrub scrub;
			unsigned lines;
			uint64_t reads;

			damage_catalogue(f, 0, limit == LIMIT_PARENT ? 1 : 2, fault);
			lines = f->log_lines;
			reads = f->reads;
			scrub = scrub_all(f, &findings);
			assert_int_equal(findings.count, 1);
			assert_int_equal(findings.last.tree, DISK_TREE_CATALOGUE);
			assert_int_equal(findings.last.status,
					 fault == FAULT_READ ? STATUS_IO : STATUS_CORRUPT);
			assert_true(scrub.extents > PAGES);
			assert_true(f->reads - reads < scrub.extents / 2);
			assert_in_range(f->log_lines - lines, 1, 6);
			/* The next scrub asks anew, and reads everything once. */
			f->bad_sector = 0;
			scrub = scrub_all(f, &findings);
			assert_int_equal(findings.count, fault == FAULT_CORRUPT);
			if (fault == FAULT_READ)
				assert_int_equal(scrub.sectors, f->store->record.used_sectors);
			fixture_free(f);
		}
	}
}

/* The cursor of a deletion is a number on the disk: one behind all pages ends the walk
 * of that snapshot, and not the scrub, wherever a call may end. */
static void test_hostile_deletion(void **state)
{
	struct fixture *f = fixture_new(16384, 200, 512);
	const uint64_t dying = 14, count = 16;
	struct disk_reference reference;
	struct findings findings;

	(void)state;
	for (uint64_t i = 1; i <= count; i++) {
		if (i == 1 || i == dying)
			assert_int_equal(fixture_write(f, (uint32_t)i, 3), STATUS_OK);
		snapshot(f, (const char[]){(char)('a' + i), 0});
	}
	delete_snapshot(f, (const char[]){(char)('a' + dying), 0});
	assert_int_equal(f->store->record.dying, dying);
	for (uint64_t before = 0; before < dying; before++) {
		struct disk_snapshot *entry;
		struct store_scrub scrub;
		struct store_damage damage;
		enum status status;

		store_scrub_begin(f->store, &scrub);
		scrub.phase = STORE_SCRUB_SNAPSHOTS;
		scrub.number = before;
		/* As it would come from a disk with a checksum to match. */
		entry = (void *)(uintptr_t)entry_data(f, dying, &reference);
		entry->cursor = UINT64_MAX - before;
		while ((status = store_scrub_step(f->store, &scrub, &damage)) != STATUS_NOT_FOUND) {
			assert_true(status == STATUS_OK || status == STATUS_WAIT);
			if (status == STATUS_WAIT)
				fixture_wait(f);
		}
		assert_int_equal(scrub.phase, STORE_SCRUB_DONE);
		assert_int_equal(scrub.snapshots, count - before);
	}
	scrub_all(f, &findings);
	assert_int_equal(findings.count, 0);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unreadable_limit),
		cmocka_unit_test(test_hostile_deletion),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
