/* SPDX-License-Identifier: MIT */
/*
 * test_delta.c - delta commits: what they hold, when a full one follows, what
 * a power cut, damage, snapshots, clears and a full disk make of them.
 */
#define XXH_INLINE_ALL
#include <xxhash.h>
#include "tests/unit/store/fixture.h"

#define PAGES 200u

static bool newest_is_delta(struct fixture *f)
{
	return fixture_record(f)->kind == DISK_RECORD_DELTA;
}

/* A store whose pages are all there, and so many single-page deltas after it. */
static struct fixture *with_deltas(unsigned deltas)
{
	struct fixture *f = fixture_make(16384, 160, 512, true);

	for (uint32_t i = 0; i < PAGES; i++)
		assert_int_equal(fixture_write(f, i, 2 * i + 3), STATUS_OK);
	/* A stop is always a full commit. */
	assert_int_equal(fixture_commit(f, STORE_ACTION_STOP, 0, ""), STATUS_OK);
	assert_false(newest_is_delta(f));
	for (unsigned i = 0; i < deltas; i++) {
		assert_int_equal(fixture_write(f, i * 7 % PAGES, 1000 + i), STATUS_OK);
		fixture_checkpoint(f);
		assert_true(newest_is_delta(f));
		assert_int_equal(fixture_record(f)->entries, i + 1);
	}
	return f;
}

static void test_contents(void **state)
{
	struct fixture *f = with_deltas(5);

	(void)state;
	fixture_account(f);
	fixture_compare(f);
	fixture_remount(f);
	fixture_compare(f);
	/* The same page again: one entry. */
	assert_int_equal(fixture_write(f, 7, 77), STATUS_OK);
	fixture_checkpoint(f);
	assert_int_equal(fixture_record(f)->entries, 5);
	/* A page of zeros, and a page that was not there, far away. */
	assert_int_equal(fixture_write(f, 8, 1), STATUS_OK);
	fixture_checkpoint(f);
	assert_int_equal(fixture_record(f)->entries, 6);
	fixture_account(f);
	fixture_remount(f);
	fixture_compare(f);
	fixture_free(f);
}

/* Sooner or later a full commit comes by itself, and it holds everything. */
static void test_full_follows(void **state)
{
	struct fixture *f = with_deltas(0);
	unsigned deltas = 0, full = 0;

	(void)state;
	for (unsigned i = 0; i < 400; i++) {
		assert_int_equal(fixture_write(f, fixture_random(f, PAGES), 3000 + i), STATUS_OK);
		fixture_checkpoint(f);
		if (newest_is_delta(f))
			deltas++;
		else
			full++;
		if (i % 16 == 0) {
			fixture_account(f);
			fixture_remount(f);
		}
	}
	fixture_compare(f);
	fixture_account(f);
	assert_true(full >= 4);
	assert_true(deltas > 4 * full);
	fixture_free(f);
}

/* Power cuts at random moments of delta and full commits. */
static void test_crash(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		struct fixture *f = with_deltas(round % 9);
		struct store_commit_request request = {.action = STORE_ACTION_NONE};
		uint32_t after[FIXTURE_PAGES];
		generation_t generation;

		f->random += round * 977;
		for (unsigned i = 0; i < 1 + round % 4; i++)
			assert_int_equal(fixture_write(f, fixture_random(f, PAGES), 5000 + round),
					 STATUS_OK);
		memcpy(after, f->model, sizeof(after));
		assert_int_equal(store_commit(f->store, &request, &generation), STATUS_OK);
		for (unsigned steps = fixture_random(f, 40); steps; steps--)
			store_step(f->store);
		fixture_crash(f);
		fixture_remount(f);
		if (f->recovery.generation.n == generation.n)
			memcpy(f->model, after, sizeof(after));
		else
			assert_int_equal(f->recovery.generation.n, generation.n - 1);
		fixture_compare(f);
		fixture_account(f);
		assert_int_equal(fixture_write(f, 1, 12345), STATUS_OK);
		fixture_checkpoint(f);
		fixture_remount(f);
		fixture_compare(f);
		fixture_account(f);
		fixture_free(f);
	}
}

/* Any byte of the newest delta: the one before it, told. */
static void test_damaged_record(void **state)
{
	struct fixture *f = with_deltas(12);
	size_t bytes = f->device.sectors * SECTOR_SIZE;
	const struct disk_record *newest = fixture_record(f);
	size_t at = (size_t)((uint8_t *)newest - f->disk);
	uint32_t length = newest->length;
	uint64_t generation = newest->generation;
	uint8_t *copy = malloc(bytes);

	(void)state;
	memcpy(copy, f->disk, bytes);
	assert_int_equal(length, sizeof(struct disk_record) + 12 * sizeof(struct disk_delta));
	for (uint32_t byte = 0; byte < (length + 511) / 512 * 512; byte += 5) {
		memcpy(f->disk, copy, bytes);
		f->disk[at + byte] ^= (uint8_t)(1u << byte % 8);
		assert_int_equal(fixture_mount(f), STATUS_OK);
		assert_int_equal(f->recovery.generation.n, generation - 1);
		assert_int_equal(f->recovery.torn.n, generation);
		assert_true(f->recovery.explanation[0]);
	}
	free(copy);
	fixture_free(f);
}

/* The newest delta's page is torn: its predecessor, with that page's old
 * content, which no later commit has written over (S1). */
static void test_torn_page(void **state)
{
	struct fixture *f = with_deltas(6);
	struct disk_delta *entry = (struct disk_delta *)(fixture_record(f) + 1);
	uint64_t generation = fixture_record(f)->generation;
	uint32_t before[FIXTURE_PAGES];

	(void)state;
	memcpy(before, f->stable_model, sizeof(before));
	assert_int_equal(fixture_write(f, 0, 4321), STATUS_OK);
	fixture_checkpoint(f);
	entry = (struct disk_delta *)(fixture_record(f) + 1);
	assert_true(entry->reference.birth == generation + 1);
	f->disk[disk_reference_sector(&entry->reference).n * SECTOR_SIZE] ^= 1;
	fixture_remount(f);
	assert_int_equal(f->recovery.torn.n, generation + 1);
	memcpy(f->model, before, sizeof(before));
	fixture_compare(f);
	fixture_account(f);
	fixture_free(f);
}

/* What the disk cannot read is no sign of a torn commit: at any read of a mount, and
 * when it is tried once more, the newest generation or none. */
static void test_unreadable(void **state)
{
	(void)state;
	for (unsigned deltas = 0; deltas < 8; deltas += 7) {
		struct fixture *f = with_deltas(deltas);
		uint64_t generation = fixture_record(f)->generation, reads = f->reads;
		unsigned mounted = 0, refused = 0;

		fixture_remount(f);
		reads = f->reads - reads;
		assert_true(reads > 2);
		f->fail_operation = BLOCK_READ;
		for (uint64_t n = 1; n <= reads; n++) {
			enum status status;

			f->fail_at = f->reads + n;
			f->fail_count = 2;
			status = fixture_mount(f);
			f->fail_count = 0;
			if (status != STATUS_OK) {
				assert_int_equal(status, STATUS_IO);
				refused++;
				continue;
			}
			assert_int_equal(f->recovery.generation.n, generation);
			assert_int_equal(f->recovery.torn.n, 0);
			fixture_compare(f);
			mounted++;
		}
		assert_true(mounted || !deltas);
		assert_true(refused);
		fixture_remount(f);
		fixture_compare(f);
		fixture_free(f);
	}
}

/* Hostile records with a right checksum are no records. */
static void test_hostile(void **state)
{
	struct fixture *f = with_deltas(4);
	size_t bytes = f->device.sectors * SECTOR_SIZE;
	struct disk_record *record = fixture_record(f);
	struct disk_delta *entry = (struct disk_delta *)(record + 1);
	uint64_t generation = record->generation;
	uint64_t seed = XXH3_64bits_withSeed(record->identity, 16, 0) ^ record->slot;
	uint8_t *copy = malloc(bytes);

	(void)state;
	memcpy(copy, f->disk, bytes);
	for (unsigned fault = 0; fault < 10; fault++) {
		memcpy(f->disk, copy, bytes);
		switch (fault) {
		case 0: /* none: the seal below is right */
			break;
		case 1:
			record->entries++;
			break;
		case 2:
			record->entries = UINT32_MAX / 40;
			break;
		case 3:
			entry[1].page = entry[0].page;
			break;
		case 4:
			entry[3].page = DISK_PAGE_MAX;
			break;
		case 5:
			memset(&entry[2].reference, 0, sizeof(entry[2].reference));
			break;
		case 6:
			entry[2].reference.birth = record->base;
			break;
		case 7:
			entry[2].reference.birth = generation + 1;
			break;
		case 8:
			entry[2].reference.sector_low = 0;
			break;
		case 9:
			record->base = 0;
			break;
		}
		record->checksum = 0;
		record->checksum =
			XXH3_64bits_withSeed(record, (record->length + 511) / 512 * 512, seed);
		assert_int_equal(fixture_mount(f), STATUS_OK);
		assert_int_equal(f->recovery.generation.n, fault ? generation - 1 : generation);
	}
	free(copy);
	fixture_free(f);
}

/* A store that was made without deltas never gets one, and one that lies about
 * it has no valid delta. */
static void test_without(void **state)
{
	struct fixture *f = fixture_make(16384, 160, 512, false);

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(fixture_write(f, i, i + 2), STATUS_OK);
		fixture_checkpoint(f);
		assert_false(newest_is_delta(f));
	}
	fixture_free(f);
}

/* Actions are full commits, and see what the deltas did. */
static void test_snapshots(void **state)
{
	struct fixture *f = with_deltas(5);
	struct store_snapshot snapshot;
	uint32_t kept[FIXTURE_PAGES];

	(void)state;
	memcpy(kept, f->model, sizeof(kept));
	assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, "one"), STATUS_OK);
	assert_false(newest_is_delta(f));
	fixture_account(f);
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(fixture_write(f, i, 9000 + i), STATUS_OK);
		fixture_checkpoint(f);
		assert_true(newest_is_delta(f));
	}
	fixture_account(f);
	assert_int_equal(store_snapshot_find(f->store, "one", &snapshot), STATUS_OK);
	assert_int_equal(fixture_commit(f, STORE_ACTION_RESTORE, snapshot.number.n, "two"),
			 STATUS_OK);
	assert_true(store_replaced(f->store));
	fixture_remount(f);
	memcpy(f->model, kept, sizeof(kept));
	fixture_compare(f);
	fixture_account(f);
	for (unsigned number = 1; number <= 2; number++) {
		assert_int_equal(fixture_write(f, number, 4 + number), STATUS_OK);
		fixture_checkpoint(f);
		assert_int_equal(fixture_commit(f, STORE_ACTION_DELETE, number, ""), STATUS_OK);
		for (unsigned i = 0; fixture_record(f)->dying && i < 50; i++)
			fixture_checkpoint(f);
	}
	fixture_compare(f);
	fixture_account(f);
	assert_int_equal(fixture_record(f)->snapshots, 0);
	fixture_free(f);
}

/* Pages of the overlay are cleared, written again, and listed in order. */
static void test_clear(void **state)
{
	struct fixture *f = with_deltas(5);

	(void)state;
	fixture_clear(f, 0, 10);
	fixture_compare(f);
	assert_int_equal(fixture_write(f, 7, 70), STATUS_OK);
	fixture_compare(f);
	fixture_checkpoint(f);
	assert_false(newest_is_delta(f));
	fixture_account(f);
	fixture_remount(f);
	fixture_compare(f);
	fixture_free(f);
}

static void test_next(void **state)
{
	struct fixture *f = with_deltas(3);
	page_t page = {0};
	uint32_t found = 0;
	enum status status;

	(void)state;
	/* Behind the tree's last page, in a delta only. */
	assert_int_equal(fixture_write(f, PAGES + 500, 5), STATUS_OK);
	fixture_checkpoint(f);
	assert_true(newest_is_delta(f));
	for (;;) {
		status = store_page_next(f->store, page, STORE_PAGES_END, &page);
		if (status == STATUS_WAIT) {
			fixture_wait(f);
			continue;
		}
		if (status != STATUS_OK)
			break;
		found++;
		page.n++;
	}
	assert_int_equal(status, STATUS_NOT_FOUND);
	assert_int_equal(found, PAGES + 1);
	assert_int_equal(page.n, f->base + PAGES + 501);
	fixture_free(f);
}

/* Until nothing fits any more, with deltas in between: whatever was accepted is
 * committed, what is refused is refused at once, and clearing makes room. */
static void test_full_disk(void **state)
{
	struct fixture *f = fixture_make(8192, 300, 512, true);
	uint64_t page = f->base + 4096;
	void *data;
	enum status status;

	(void)state;
	for (uint32_t i = 0; i < PAGES; i++)
		assert_int_equal(fixture_write(f, i, 2 * i + 3), STATUS_OK);
	fixture_checkpoint(f);
	for (;;) {
		status = fixture_try(f, true, page, &data);
		if (status != STATUS_OK)
			break;
		fixture_fill(data, (uint32_t)page | 1);
		page++;
		if (page % 3 == 0)
			fixture_checkpoint(f);
		if (page % 64 == 0)
			fixture_account(f);
	}
	assert_int_equal(status, STATUS_NO_SPACE);
	assert_true(page > f->base + 4096 + 400);
	fixture_checkpoint(f);
	fixture_account(f);
	fixture_compare(f);
	fixture_clear(f, 0, PAGES);
	fixture_checkpoint(f);
	fixture_checkpoint(f);
	assert_int_equal(fixture_try(f, true, page, &data), STATUS_OK);
	fixture_free(f);
}

/* Deltas give nothing back: the checkpoint that a writer on a full disk waits for is
 * a full one, and then there is space. */
static void test_wait_for_space(void **state)
{
	struct fixture *f = fixture_make(8192, 300, 512, true);
	uint32_t written = 0;
	unsigned waits = 0, deltas = 0;

	(void)state;
	while (written < FIXTURE_PAGES && fixture_write(f, written, 2 * written + 3) == STATUS_OK)
		written++;
	assert_true(written > 100 && written < FIXTURE_PAGES);
	assert_int_equal(fixture_commit(f, STORE_ACTION_STOP, 0, ""), STATUS_OK);
	fixture_checkpoint(f);
	for (unsigned round = 0; round < 2000; round++) {
		uint32_t index = fixture_random(f, written);
		frame_t frame;
		enum status status;

		store_operation_begin(f->store);
		status = store_page_write(f->store, (page_t){f->base + index}, &frame);
		if (status == STATUS_WAIT && store_channel(f->store).n == STORE_CHANNEL_COMMIT) {
			fixture_checkpoint(f);
			assert_false(newest_is_delta(f));
			waits++;
		}
		assert_int_equal(fixture_write(f, index, 2 * round + 5), STATUS_OK);
		if (round % 16)
			continue;
		fixture_checkpoint(f);
		deltas += newest_is_delta(f);
	}
	assert_true(waits > 5 && deltas > 50);
	fixture_compare(f);
	fixture_account(f);
	fixture_free(f);
}

/* Pages so far apart that each brings nodes of its own: what the deltas have
 * reserved for them is there when a full commit puts them into the tree. */
static void test_full_sparse(void **state)
{
	(void)state;
	for (unsigned batch = 1; batch <= 40; batch += 13) {
		struct fixture *f = fixture_make(8192, 300, 512, true);
		uint64_t page = f->base;
		unsigned deltas = 0;
		void *data;
		enum status status;

		assert_int_equal(fixture_write(f, 0, 3), STATUS_OK);
		fixture_checkpoint(f);
		for (unsigned written = 0;; written++) {
			page += 1 << 14;
			status = fixture_try(f, true, page, &data);
			if (status != STATUS_OK)
				break;
			fixture_fill(data, (uint32_t)page | 1);
			if (written % batch == 0) {
				fixture_checkpoint(f);
				deltas += newest_is_delta(f);
			}
		}
		assert_int_equal(status, STATUS_NO_SPACE);
		assert_true(deltas > 0);
		assert_int_equal(fixture_commit(f, STORE_ACTION_STOP, 0, ""), STATUS_OK);
		fixture_account(f);
		fixture_remount(f);
		fixture_compare_page(f, 0);
		fixture_free(f);
	}
}

/* ---- the last slot of the list --------------------------------------------------- */

/* A full commit, and then so many pages in one. */
static struct fixture *with_list(uint32_t pages)
{
	struct fixture *f = fixture_make(32768, 700, 512, true);

	for (uint32_t i = 0; i < FIXTURE_PAGES; i += 3)
		assert_int_equal(fixture_write(f, i, 2 * i + 3), STATUS_OK);
	assert_int_equal(fixture_commit(f, STORE_ACTION_STOP, 0, ""), STATUS_OK);
	for (uint32_t i = 0; i < pages; i++)
		assert_int_equal(fixture_write(f, 3 * i + 1, 4 * i + 3), STATUS_OK);
	fixture_checkpoint(f);
	fixture_account(f);
	return f;
}

static void check_list(struct fixture *f, bool delta)
{
	const struct disk_record *record = fixture_record(f);

	assert_int_equal(record->kind, delta ? DISK_RECORD_DELTA : DISK_RECORD_FULL);
	assert_int_equal(record->entries, delta ? DISK_DELTA_MAX : 0);
	fixture_account(f);
	fixture_compare(f);
	fixture_remount(f);
	assert_int_equal(f->recovery.generation.n, record->generation);
	assert_int_equal(f->recovery.torn.n, 0);
	fixture_compare(f);
}

/* As many as a record can hold, at once: all are found, the last one, too. */
static void test_list_full_at_once(void **state)
{
	struct fixture *f = with_list(DISK_DELTA_MAX);
	const struct disk_record *record = fixture_record(f);
	const struct disk_delta *entry = (const struct disk_delta *)(record + 1);

	(void)state;
	check_list(f, true);
	assert_true(record->length + sizeof(*entry) > DISK_SLOT_SIZE);
	assert_int_equal(entry[DISK_DELTA_MAX - 1].page, f->base + 3 * (DISK_DELTA_MAX - 1) + 1);
	/* None fits any more, be it one that is in the list. */
	assert_int_equal(fixture_write(f, 3 * (DISK_DELTA_MAX - 1) + 1, 77), STATUS_OK);
	fixture_checkpoint(f);
	check_list(f, false);
	fixture_free(f);
}

/* One less, then that one, before all others; then one more. */
static void test_list_filled(void **state)
{
	struct fixture *f = with_list(DISK_DELTA_MAX - 1);

	(void)state;
	assert_int_equal(fixture_record(f)->entries, DISK_DELTA_MAX - 1);
	assert_int_equal(fixture_write(f, 0, 7), STATUS_OK);
	fixture_checkpoint(f);
	check_list(f, true);
	assert_int_equal(fixture_write(f, 3 * DISK_DELTA_MAX + 1, 9), STATUS_OK);
	fixture_checkpoint(f);
	check_list(f, false);
	fixture_free(f);
}

/* One more than there is room for is never tried. */
static void test_list_too_long(void **state)
{
	struct fixture *f = with_list(DISK_DELTA_MAX + 1);

	(void)state;
	check_list(f, false);
	fixture_free(f);
}

/* Every entry of a full list is verified when the newest record may be torn:
 * the last page of all is damaged. */
static void test_list_torn(void **state)
{
	struct fixture *f = with_list(DISK_DELTA_MAX - 1);
	const struct disk_record *record;
	const struct disk_delta *entry;
	uint32_t before[FIXTURE_PAGES];

	(void)state;
	memcpy(before, f->model, sizeof(before));
	assert_int_equal(fixture_write(f, FIXTURE_PAGES - 1, 9), STATUS_OK);
	fixture_checkpoint(f);
	record = fixture_record(f);
	entry = (const struct disk_delta *)(record + 1);
	assert_int_equal(record->entries, DISK_DELTA_MAX);
	f->disk[disk_reference_sector(&entry[DISK_DELTA_MAX - 1].reference).n * SECTOR_SIZE] ^= 1;
	fixture_remount(f);
	assert_int_equal(f->recovery.torn.n, f->recovery.generation.n + 1);
	memcpy(f->model, before, sizeof(before));
	fixture_compare(f);
	fixture_account(f);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_contents),
		cmocka_unit_test(test_full_follows),
		cmocka_unit_test(test_crash),
		cmocka_unit_test(test_damaged_record),
		cmocka_unit_test(test_torn_page),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_without),
		cmocka_unit_test(test_snapshots),
		cmocka_unit_test(test_clear),
		cmocka_unit_test(test_next),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_full_sparse),
		cmocka_unit_test(test_wait_for_space),
		cmocka_unit_test(test_list_full_at_once),
		cmocka_unit_test(test_list_filled),
		cmocka_unit_test(test_list_too_long),
		cmocka_unit_test(test_list_torn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
