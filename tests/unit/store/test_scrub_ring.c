/* SPDX-License-Identifier: MIT */
/*
 * test_scrub_ring.c - a scrub reads the superblocks and the newest records, too.
 */
#include "tests/unit/store/scrubbing.h"

/* ---- superblocks and cursors ------------------------------------------------------------- */

static void test_superblocks(void **state)
{
	struct fixture *f = with_snapshots(false);
	struct findings findings;
	struct store_scrub scrub;

	(void)state;
	for (unsigned sector = 0; sector <= 8; sector += 8) {
		f->disk[sector * SECTOR_SIZE + 1000] ^= 1;
		scrub = scrub_all(f, &findings);
		assert_int_equal(findings.count, 1);
		assert_int_equal(findings.last.tree, 0);
		assert_int_equal(findings.last.key, sector / 8);
		assert_int_equal(disk_reference_sector(&findings.last.reference).n, sector);
		assert_true(findings.last.repaired);
		assert_int_equal(scrub.repaired, 1);
		assert_memory_equal(f->disk, f->disk + 8 * SECTOR_SIZE, BLOCK_SIZE);
		fixture_checkpoint(f);
		fixture_checkpoint(f);
	}
	f->fail_operation = BLOCK_WRITE;
	f->fail_at = f->writes + 1;
	f->fail_count = 1;
	f->disk[1000] ^= 1;
	scrub = scrub_all(f, &findings);
	assert_int_equal(findings.count, 1);
	assert_false(findings.last.repaired);
	assert_int_equal(scrub.repaired, 0);
	f->device.read_only = true;
	assert_int_equal(fixture_mount(f), STATUS_OK);
	scrub = scrub_all(f, &findings);
	assert_int_equal(findings.count, 1);
	assert_false(findings.last.repaired);
	fixture_free(f);
}

/* The second is written only when a flush must have covered the first: a power cut in
 * between may take what is being written. */
static void test_both_superblocks(void **state)
{
	struct fixture *f = with_snapshots(false);
	struct findings findings;

	(void)state;
	f->disk[1000] ^= 1;
	f->disk[8 * SECTOR_SIZE + 1000] ^= 1;
	for (unsigned commits = 0; commits < 2; commits++) {
		struct store_scrub scrub = scrub_all(f, &findings);

		assert_int_equal(findings.count, 2 - (commits > 0));
		assert_int_equal(findings.last.key, 1);
		assert_false(findings.last.repaired);
		assert_int_equal(scrub.repaired, commits == 0);
		fixture_checkpoint(f);
	}
	assert_int_equal(scrub_all(f, &findings).repaired, 1);
	assert_int_equal(findings.last.key, 1);
	assert_int_equal(scrub_all(f, &findings).repaired, 0);
	assert_int_equal(findings.count, 0);
	fixture_free(f);
}

/* Nobody goes on with a scrub that has begun to repair the copy.  The next one tells how
 * that went, not how what it reads itself goes, and leaves the other as it is until a
 * flush must have covered the copy. */
static void test_abandoned_repair(void **state)
{
	(void)state;
	for (unsigned fails = 0; fails < 2; fails++) {
		struct fixture *f = with_snapshots(false);
		struct findings findings = {0};
		struct store_damage damage;
		struct store_scrub scrub;

		f->disk[8 * SECTOR_SIZE + 1000] ^= 1;
		f->fail_operation = BLOCK_WRITE;
		f->fail_at = f->writes + 1;
		f->fail_count = fails;
		store_scrub_begin(f->store, &scrub);
		while (!f->store->scrubber.repairing)
			if (store_scrub_step(f->store, &scrub, &damage) == STATUS_WAIT)
				fixture_wait(f);
		assert_int_equal(f->store->scrubber.repairing, 9);
		while (scrubber_busy(f->store)) {
			store_wait_for(f->store, (store_channel_t){STORE_CHANNEL_SCRUB});
			fixture_wait(f);
		}
		/* Where the write succeeded this read fails. */
		f->fail_operation = BLOCK_READ;
		f->fail_at = f->reads + 1;
		f->fail_count = fails ? 0 : 2;
		store_scrub_begin(f->store, &scrub);
		while (scrub.phase == STORE_SCRUB_SUPERBLOCKS)
			scrub_some(f, &scrub, 1, &findings);
		assert_int_equal(f->fail_count, 0);
		assert_int_equal(findings.count, 2 - fails);
		assert_int_equal(findings.last.key, 1);
		assert_int_equal(findings.last.status, STATUS_CORRUPT);
		assert_int_equal(findings.last.repaired, !fails);
		assert_int_equal(scrub.repaired, !fails);
		f->disk[1000] ^= 1;
		for (unsigned commits = 0; commits <= 2; commits++) {
			scrub = scrub_all(f, &findings);
			/* The copy, if that is bad still, comes behind it. */
			assert_int_equal(findings.count, 1 + fails);
			assert_int_equal(scrub.repaired, commits == 2);
			fixture_checkpoint(f);
		}
		fixture_free(f);
	}
}

/* The two newest commit records, full and delta, and no others. */
static void test_records(void **state)
{
	(void)state;
	for (unsigned deltas = 0; deltas < 2; deltas++) {
		struct fixture *f = with_snapshots(deltas);
		struct findings findings;
		const struct disk_record *record;
		uint8_t kept[SECTOR_SIZE];

		if (deltas) {
			fixture_checkpoint(f);
			write_some(f, 60);
			fixture_checkpoint(f);
		}
		record = fixture_record(f);
		assert_int_equal(record->kind == DISK_RECORD_DELTA, deltas);
		for (unsigned back = 0; back < 3; back++) {
			uint32_t slot = (record->slot + DISK_RING_SLOTS - back) % DISK_RING_SLOTS;
			uint64_t sector = DISK_RING_SECTOR + slot * DISK_SLOT_SECTORS;
			uint32_t at = back || !deltas ? 100 : record->length - 1;
			uint8_t *bytes = f->disk + sector * SECTOR_SIZE;

			bytes[at] ^= 8;
			scrub_all(f, &findings);
			bytes[at] ^= 8;
			assert_int_equal(findings.count, back < 2);
			if (back == 2)
				break;
			assert_int_equal(findings.last.status, STATUS_CORRUPT);
			assert_int_equal(findings.last.tree, STORE_DAMAGE_RECORD);
			assert_int_equal(findings.last.key, slot);
			assert_int_equal(disk_reference_sector(&findings.last.reference).n, sector);
			assert_int_equal(findings.last.reference.birth,
					 back ? record->predecessor : record->generation);
			assert_false(findings.last.repaired);
			assert_int_equal(viewers(f, &findings.last), 1);
			/* What belongs to a slot is good in that one only. */
			memcpy(kept, bytes, SECTOR_SIZE);
			memcpy(bytes, bytes - DISK_SLOT_SIZE, SECTOR_SIZE);
			scrub_all(f, &findings);
			assert_int_equal(findings.count, 1);
			memcpy(bytes, kept, SECTOR_SIZE);
		}
		/* Two commits later it is needed no more. */
		f->disk[(DISK_RING_SECTOR + record->slot * DISK_SLOT_SECTORS) * SECTOR_SIZE] ^= 1;
		for (unsigned commits = 0; commits <= 2; commits++) {
			scrub_all(f, &findings);
			assert_int_equal(findings.count, commits < 2);
			write_some(f, 1);
			fixture_checkpoint(f);
		}
		fixture_free(f);
	}
}

/* The record's sector cannot be read: told as that, the rest is read. */
static void test_record_unreadable(void **state)
{
	struct fixture *f = with_snapshots(false);
	struct findings findings;
	uint64_t sectors = scrub_all(f, &findings).sectors;

	(void)state;
	/* The superblocks are one window; the record's, and then it alone. */
	f->fail_operation = BLOCK_READ;
	f->fail_at = f->reads + 2;
	f->fail_count = 2;
	assert_int_equal(scrub_all(f, &findings).sectors, sectors);
	assert_int_equal(findings.count, 1);
	assert_int_equal(findings.last.status, STATUS_IO);
	assert_int_equal(findings.last.tree, STORE_DAMAGE_RECORD);
	fixture_free(f);
}

/* A record that was right 64 generations ago is none of those that recovery needs. */
static void test_record_stale(void **state)
{
	struct fixture *f = fixture_new(16384, 100, 512);
	uint8_t old[DISK_SLOT_SIZE];
	struct findings findings;
	uint32_t slot;

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		fixture_checkpoint(f);
	slot = fixture_record(f)->slot;
	memcpy(old, fixture_record(f), sizeof(old));
	for (uint32_t i = 0; i < DISK_RING_SLOTS; i++) {
		assert_int_equal(fixture_write(f, i, i + 2), STATUS_OK);
		fixture_checkpoint(f);
	}
	assert_int_equal(fixture_record(f)->slot, slot);
	scrub_all(f, &findings);
	assert_int_equal(findings.count, 0);
	memcpy(fixture_record(f), old, sizeof(old));
	scrub_all(f, &findings);
	assert_int_equal(findings.count, 1);
	assert_int_equal(findings.last.status, STATUS_CORRUPT);
	assert_int_equal(findings.last.tree, STORE_DAMAGE_RECORD);
	/* Two commits later neither needs it any more. */
	fixture_checkpoint(f);
	fixture_checkpoint(f);
	scrub_all(f, &findings);
	assert_int_equal(findings.count, 0);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_superblocks),  cmocka_unit_test(test_both_superblocks),
		cmocka_unit_test(test_records),	     cmocka_unit_test(test_record_unreadable),
		cmocka_unit_test(test_record_stale), cmocka_unit_test(test_abandoned_repair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
