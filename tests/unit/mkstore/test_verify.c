/* SPDX-License-Identifier: MIT */
/*
 * test_verify.c - the verifier finds every fault and names its place.
 *
 * Single bytes of a good store are changed, or a structure is changed and all
 * checksums above it are made right again, which is what a bug of the engine
 * would look like.
 */
#include "tests/unit/mkstore/verify_fixture.h"

#include <lz4.h>

/* ---- tests ------------------------------------------------------------- */

static void a_good_store_is_good(void **state)
{
	struct verify *verify = verify_new();
	const struct verify_totals *totals = verify_totals_get(verify);
	uint8_t data[PAGE_SIZE];
	uint64_t pages = 0;

	(void)state;
	if (verify_run(verify) != STATUS_OK)
		fail_msg("%s", first_text);
	assert_int_equal(errors + warnings, 0);
	assert_int_equal(totals->generation.n, record_newest()->generation);
	assert_int_equal(totals->predecessor.n, record_newest()->predecessor);
	assert_int_equal(totals->snapshots, 2);
	assert_int_equal(totals->used_sectors, record_newest()->used_sectors);
	assert_string_equal(verify_snapshot_at(verify, 0)->name, "first");
	assert_null(verify_snapshot_at(verify, 2));
	for (page_t page = {0}; verify_page_next(verify, page, &page) == STATUS_OK; page.n++) {
		assert_int_equal(verify_page_read(verify, page, data), STATUS_OK);
		pages++;
	}
	assert_int_equal(pages, totals->pages);
	assert_int_equal(verify_page_read(verify, PAGE(4711), data), STATUS_ABSENT);
	verify_close(verify);
}

static void bytes_change(uint64_t first, uint64_t count, uint64_t step)
{
	for (uint64_t at = first; at < first + count; at += step) {
		struct verify *verify;

		disk[at] ^= (uint8_t)(1u << (at / step % 8));
		verify = verify_new();
		verify_choose(verify);
		verify_close(verify);
		disk[at] = good[at];
		if (errors + warnings == 0)
			fail_msg("a change of byte %llu is not noticed", (unsigned long long)at);
		if (named_sector == UINT64_MAX || named_sector / BLOCK_SECTORS != at / BLOCK_SIZE)
			fail_msg("a change of byte %llu is said to be in sector %llu: %s",
				 (unsigned long long)at, (unsigned long long)named_sector,
				 first_text);
	}
}

static void every_byte_of_the_superblocks_counts(void **state)
{
	(void)state;
	bytes_change(0, BLOCK_SIZE, 1);
	bytes_change(DISK_SUPERBLOCK_COPY_SECTOR * SECTOR_SIZE, BLOCK_SIZE, 1);
	bytes_change((DISK_SUPERBLOCK_COPY_SECTOR + BLOCK_SECTORS) * SECTOR_SIZE, 2 * BLOCK_SIZE,
		     61);
}

/* One that a change replaces may be torn, which is no fault; nothing else in it may be. */
static void a_torn_superblock_is_no_damage(void **state)
{
	static const struct {
		size_t at;
		bool torn;
	} place[] = {{offsetof(struct disk_superblock, features_incompatible), true},
		     {offsetof(struct disk_superblock, revision), true},
		     {offsetof(struct disk_superblock, copy) + 3, true},
		     {offsetof(struct disk_superblock, checksum) + 1, true},
		     {offsetof(struct disk_superblock, identity) + 5, false},
		     {offsetof(struct disk_superblock, ring_slots), false},
		     {offsetof(struct disk_superblock, checksum) - 1, false}};

	(void)state;
	for (uint64_t sector = 0; sector <= DISK_SUPERBLOCK_COPY_SECTOR;
	     sector += DISK_SUPERBLOCK_COPY_SECTOR)
		for (unsigned i = 0; i < sizeof(place) / sizeof(place[0]); i++) {
			uint8_t *byte = disk + sector * SECTOR_SIZE + place[i].at;

			*byte ^= 4;
			assert_int_equal(verify_all(), place[i].torn ? STATUS_OK : STATUS_CORRUPT);
			assert_int_equal(errors, !place[i].torn);
			assert_int_equal(errors + warnings, 1);
			*byte ^= 4;
		}
}

static void every_byte_of_the_records_counts(void **state)
{
	(void)state;
	for (uint32_t slot = 0; slot <= record_newest()->slot; slot++) {
		uint64_t first = (DISK_RING_SECTOR + slot * DISK_SLOT_SECTORS) * SECTOR_SIZE;

		bytes_change(first, sizeof(struct disk_record), 1);
	}
}

/* Without deltas nothing was ever behind a record; with them, anything may be. */
static void the_rest_of_a_slot_counts_without_deltas(void **state)
{
	size_t features = offsetof(struct disk_superblock, features_incompatible);
	uint8_t *behind = (uint8_t *)record_newest() + SECTOR_SIZE;

	(void)state;
	superblocks_set(features, 0);
	for (uint32_t slot = 0; slot <= record_newest()->slot; slot++) {
		uint64_t first = (DISK_RING_SECTOR + slot * DISK_SLOT_SECTORS) * SECTOR_SIZE;

		bytes_change(first + SECTOR_SIZE, DISK_SLOT_SIZE - SECTOR_SIZE, 509);
	}
	*behind = 1;
	expect_only(VERIFY_SLOT);
	superblocks_set(features, DISK_FEATURE_DELTA);
	assert_int_equal(verify_all(), STATUS_OK);
	assert_int_equal(errors + warnings, 0);
}

/* Each extent, at some bytes: found, and the sector named is its own. */
static void every_extent_counts(void **state)
{
	struct verify *clean = verify_new();
	uint32_t used = 0;

	(void)state;
	assert_int_equal(verify_run(clean), STATUS_OK);
	for (uint64_t sector = DISK_DATA_SECTOR; sector < SECTORS; sector++) {
		uint64_t at = sector * SECTOR_SIZE + sector * 37 % SECTOR_SIZE;

		if (!verify_sector_used(clean, (sector_t){sector}))
			continue;
		used++;
		disk[at] ^= 0x10;
		verify_all();
		disk[at] = good[at];
		if (errors + warnings == 0)
			fail_msg("damage in sector %llu is not noticed",
				 (unsigned long long)sector);
		if (errors && (named_sector > sector || sector - named_sector >= BLOCK_SECTORS))
			fail_msg("damage in sector %llu is said to be in %llu: %s",
				 (unsigned long long)sector, (unsigned long long)named_sector,
				 first_text);
	}
	assert_true(used >= record_newest()->used_sectors);
	verify_close(clean);
}

static void sealed_changes_of_the_record_are_found(void **state)
{
	static const struct {
		size_t offset;
		uint64_t change;
		enum verify_code code;
	} changes[] = {
		{offsetof(struct disk_record, used_sectors), 1, VERIFY_TOTALS},
		{offsetof(struct disk_record, space.pages), 1, VERIFY_TOTALS},
		{offsetof(struct disk_record, free_map.pages), 1, VERIFY_TOTALS},
		{offsetof(struct disk_record, snapshots), 1, VERIFY_RECORD},
		{offsetof(struct disk_record, next_snapshot), UINT64_MAX, VERIFY_RECORD},
		{offsetof(struct disk_record, origin), UINT64_MAX, VERIFY_CATALOGUE},
		{offsetof(struct disk_record, dying), 1, VERIFY_CATALOGUE},
		{offsetof(struct disk_record, predecessor), UINT64_MAX, VERIFY_RING},
		{offsetof(struct disk_record, base), 1, VERIFY_RECORD},
		{offsetof(struct disk_record, space.height), 1, VERIFY_CHECKSUM},
		{offsetof(struct disk_record, free_map.reference.auxiliary_low), 1,
		 VERIFY_AUXILIARY},
		{offsetof(struct disk_record, reserved), 1, VERIFY_RECORD},
		{offsetof(struct disk_record, label) + 56, 1, VERIFY_RECORD},
		{offsetof(struct disk_record, retention.budget), 1001, VERIFY_RECORD},
		{offsetof(struct disk_record, retention.reserved) + 4, 1, VERIFY_RECORD},
		{offsetof(struct disk_record, receiving.position), 1, VERIFY_RECORD},
		{offsetof(struct disk_record, receiving.source), 1, VERIFY_RECORD},
		{offsetof(struct disk_record, receiving.digest), 1, VERIFY_RECORD},
		{offsetof(struct disk_record, held_sectors), SECTORS, VERIFY_RECORD},
		{offsetof(struct disk_record, origin_generation), UINT64_MAX, VERIFY_CATALOGUE},
		{offsetof(struct disk_record, origin_generation), 1000, VERIFY_RECORD},
	};

	for (unsigned i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		uint8_t *field = (uint8_t *)record_newest_whole() + changes[i].offset;
		uint64_t value;

		memcpy(&value, field, sizeof(value));
		value += changes[i].change;
		memcpy(field, &value, sizeof(value));
		record_seal(record_newest());
		expect_only(changes[i].code);
		fresh_copy(state);
	}
}

/* Unpacks what the reference says, lets it be changed, and puts it raw into a
 * free block: the free map is wrong then, but that is another finding. */
static void *extent_open(struct disk_reference *reference, uint64_t block)
{
	uint8_t data[BLOCK_SIZE], *place = disk + block * BLOCK_SIZE;

	if (reference->codec == DISK_CODEC_LZ4)
		assert_int_equal(LZ4_decompress_safe(extent_at(reference), (char *)data,
						     reference->length, BLOCK_SIZE),
				 BLOCK_SIZE);
	else
		memcpy(data, extent_at(reference), BLOCK_SIZE);
	memcpy(place, data, BLOCK_SIZE);
	reference->codec = DISK_CODEC_RAW;
	reference->sectors = BLOCK_SECTORS;
	reference->length = BLOCK_SIZE;
	reference->sector_low = (uint32_t)(block * BLOCK_SECTORS);
	reference->sector_high = 0;
	return place;
}

static void sealed_changes_of_a_snapshot_are_found(void **state)
{
	static const struct {
		size_t offset;
		uint64_t change;
		const char *says;
	} changes[] = {
		{offsetof(struct disk_snapshot, magic), 1, "magic or number"},
		{offsetof(struct disk_snapshot, number), 1, "magic or number"},
		{offsetof(struct disk_snapshot, parent), 7, "parent does not exist"},
		{offsetof(struct disk_snapshot, parent), 1, "not younger than its parent"},
		{offsetof(struct disk_snapshot, generation), 99, "not one of the past"},
		{offsetof(struct disk_snapshot, root.pages), 1, "counts"},
		{offsetof(struct disk_snapshot, root.reserved), 1, "reserve of the root"},
		{offsetof(struct disk_snapshot, flags), 8, "unknown flags"},
		{offsetof(struct disk_snapshot, flags), DISK_SNAPSHOT_DYING, "against what"},
		{offsetof(struct disk_snapshot, flags), DISK_SNAPSHOT_BRANCH, "fewer than two"},
		{offsetof(struct disk_snapshot, children), 1, "children"},
		{offsetof(struct disk_snapshot, cursor), 1, "has a cursor"},
		{offsetof(struct disk_snapshot, name) + 40, 1, "not padded"},
		{offsetof(struct disk_snapshot, source) + 8, 1, "received from"},
		{offsetof(struct disk_snapshot, source_generation), 1, "received from"},
		{offsetof(struct disk_snapshot, source_digest), 1, "has a digest"},
		{offsetof(struct disk_snapshot, held_sectors), UINT64_MAX, "holds more"},
		{sizeof(struct disk_snapshot_page) - 8, 1, "reserve is not zero"},
	};

	for (unsigned i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct disk_record *record = record_newest_whole();
		struct disk_node *root;
		uint8_t *entry;
		uint64_t value;

		assert_int_equal(record->catalogue.height, 1);
		root = extent_open(&record->catalogue.reference, SECTORS / BLOCK_SECTORS - 1);
		entry = extent_open(&root->entry[2], SECTORS / BLOCK_SECTORS - 2);
		memcpy(&value, entry + changes[i].offset, sizeof(value));
		value += changes[i].change;
		memcpy(entry + changes[i].offset, &value, sizeof(value));
		reference_seal(&root->entry[2], DISK_TREE_CATALOGUE, 0, 2);
		reference_seal(&record->catalogue.reference, DISK_TREE_CATALOGUE, 1, 0);
		record_seal(record);
		looked_for = changes[i].says;
		assert_int_equal(verify_all(), STATUS_CORRUPT);
		looked_for = NULL;
		if (!matches)
			fail_msg("change %u: expected \"%s\", first was: %s", i, changes[i].says,
				 first_text);
		fresh_copy(state);
	}
}

static void a_leaked_and_a_lost_sector_are_found(void **state)
{
	struct disk_reference *reference;
	uint8_t *page = free_map_page(&reference);

	page[(SECTORS - 1) / 8] |= 0x80;
	free_map_seal(reference);
	expect_only(VERIFY_LEAKED);
	assert_true(codes[VERIFY_AUXILIARY] && codes[VERIFY_TOTALS]);
	fresh_copy(state);
	page = free_map_page(&reference);
	page[disk_reference_sector(reference).n / 8] = 0;
	free_map_seal(reference);
	expect_only(VERIFY_LOST);
}

static void a_sector_used_twice_is_found(void **state)
{
	struct disk_record *record = record_newest_whole();
	struct disk_reference *page;

	(void)state;
	free_map_page(&page);
	/* The catalogue's root is said to lie where the free map's page lies. */
	record->catalogue.reference.sector_low = page->sector_low;
	record->catalogue.reference.sectors = 1;
	record->catalogue.reference.codec = DISK_CODEC_LZ4;
	record->catalogue.reference.length = SECTOR_SIZE;
	reference_seal(&record->catalogue.reference, DISK_TREE_CATALOGUE, record->catalogue.height,
		       0);
	record_seal(record);
	assert_int_equal(verify_all(), STATUS_CORRUPT);
	assert_true(codes[VERIFY_OVERLAP] || codes[VERIFY_CONTENT]);
}

/* Damage in what the newest commit wrote: recovery takes its predecessor. */
static void a_torn_commit_is_a_warning(void **state)
{
	struct disk_record *record = record_newest();
	struct verify *verify;
	uint8_t *root = extent_at(&record->space.reference);

	(void)state;
	assert_int_equal(record->durable, record->predecessor);
	root[0] ^= 1;
	verify = verify_new();
	assert_int_equal(verify_run(verify), STATUS_OK);
	assert_int_equal(warnings, 1);
	assert_int_equal(verify_totals_get(verify)->torn.n, record->generation);
	assert_int_equal(verify_totals_get(verify)->generation.n, record->predecessor);
	verify_close(verify);
	/* The same damage where the record says that it was flushed before. */
	record->durable = record->generation;
	record_seal(record);
	expect_only(VERIFY_CHECKSUM);
}

static void one_superblock_is_enough(void **state)
{
	(void)state;
	memset(disk, 0, BLOCK_SIZE);
	expect_only(VERIFY_SUPERBLOCK);
	fresh_copy(state);
	memset(disk + DISK_SUPERBLOCK_COPY_SECTOR * SECTOR_SIZE, 0xff, BLOCK_SIZE);
	expect_only(VERIFY_SUPERBLOCK);
	memset(disk, 0, BLOCK_SIZE);
	assert_int_equal(verify_all(), STATUS_NOT_A_STORE);
}

static void what_is_no_store_is_refused(void **state)
{
	superblocks_set(offsetof(struct disk_superblock, version), 2);
	assert_int_equal(verify_all(), STATUS_VERSION);
	fresh_copy(state);
	superblocks_set(offsetof(struct disk_superblock, features_incompatible), 0x80);
	assert_int_equal(verify_all(), STATUS_FEATURE);
	assert_non_null(strstr(first_text, "0x80"));
	fresh_copy(state);
	superblocks_set(offsetof(struct disk_superblock, slot_size), 4096);
	assert_int_equal(verify_all(), STATUS_CORRUPT);
	fresh_copy(state);
	device_sectors = DISK_RING_SECTOR - 1;
	assert_int_equal(verify_all(), STATUS_NOT_A_STORE);
	device_sectors = DISK_RING_SECTOR;
	assert_int_equal(verify_all(), STATUS_TRUNCATED);
	assert_non_null(strstr(first_text, "cut off"));
	device_sectors = DISK_SECTORS_MIN - 8;
	assert_int_equal(verify_all(), STATUS_TRUNCATED);
	device_sectors = SECTORS;
	record_newest()->sectors = 2 * SECTORS;
	record_seal(record_newest());
	assert_int_equal(verify_all(), STATUS_TRUNCATED);
	memset(disk, 0, SECTORS * SECTOR_SIZE);
	assert_int_equal(verify_all(), STATUS_NOT_A_STORE);
}

static size_t slot_at(uint32_t slot)
{
	return (DISK_RING_SECTOR + (size_t)slot * DISK_SLOT_SECTORS) * SECTOR_SIZE;
}

static void slots_must_be_in_order(void **state)
{
	struct disk_record *record = record_newest();
	uint8_t *slot = (uint8_t *)record, *next = slot + DISK_SLOT_SIZE;

	(void)state;
	memcpy(next, slot, sizeof(*record));
	expect_only(VERIFY_SLOT);
	((struct disk_record *)next)->slot++;
	record_seal((struct disk_record *)next);
	expect_only(VERIFY_RING);
	memset(next, 0, sizeof(*record));
	memset(slot - DISK_SLOT_SIZE, 0, sizeof(*record));
	expect_only(VERIFY_RING);
	/* A slot that is damaged does not explain that another one is empty. */
	memset(next, 0x5a, sizeof(*record));
	verify_all();
	assert_int_equal(codes[VERIFY_RING], 1);
}

/* Generation `generation` after `predecessor`; for the rest as `of`. */
static void record_put(const struct disk_record *of, uint32_t slot, uint64_t generation,
		       uint64_t predecessor)
{
	struct disk_record *record = (struct disk_record *)(disk + slot_at(slot));

	memcpy(record, of, DISK_SLOT_SIZE);
	record->slot = slot;
	record->generation = generation;
	record->durable = generation;
	record->base = generation;
	record->predecessor = predecessor;
	record_seal(record);
}

/* Twice round, the newest in slot 9.  Slots 10 and 11 could not be written the second
 * time, nor slot 30. */
static void ring_twice_round(void)
{
	uint8_t of[DISK_SLOT_SIZE];
	uint64_t before = 1000;

	memcpy(of, record_newest(), sizeof(of));
	record_put((struct disk_record *)of, 10, before - 64, before - 65);
	record_put((struct disk_record *)of, 11, before - 63, before - 64);
	record_put((struct disk_record *)of, 30, before - 44, before - 45);
	for (uint32_t i = 12; i < 10 + DISK_RING_SLOTS; i++) {
		if (i == 30)
			continue;
		record_put((struct disk_record *)of, i % DISK_RING_SLOTS, 1000 + i, before);
		before = 1000 + i;
	}
}

/* They hold records of the lap before.  The one that was written before them has been
 * overwritten since. */
static void slots_passed_over_hold_the_lap_before(void **state)
{
	(void)state;
	ring_twice_round();
	assert_int_equal(verify_all(), STATUS_OK);
	/* Slot 10 would be the next; nothing is said of that one. */
	assert_int_equal(errors, 0);
	assert_int_equal(warnings, 2);
	assert_int_equal(codes[VERIFY_SLOT], 2);
	memset(disk + slot_at(11), 0x5a, SECTOR_SIZE);
	assert_int_equal(verify_all(), STATUS_OK);
	assert_int_equal(codes[VERIFY_SLOT], 2);
}

/* What no record of the ring names is damage if those before it are of the same lap. */
static void damage_is_not_taken_for_passed_over(void **state)
{
	for (uint32_t slot = 13; slot < 9 + DISK_RING_SLOTS; slot++) {
		fresh_copy(state);
		ring_twice_round();
		if (slot == 30)
			continue;
		memset(disk + slot_at(slot % DISK_RING_SLOTS), 0x5a, SECTOR_SIZE);
		assert_int_equal(verify_all(), STATUS_CORRUPT);
		assert_true(codes[VERIFY_SLOT] >= 1 && errors >= 1);
		memset(disk + slot_at(slot % DISK_RING_SLOTS), 0, DISK_SLOT_SIZE);
		expect_only(VERIFY_RING);
	}
}

/* Whatever a record says with a good checksum: an answer, and no harm. */
static void hostile_records_do_no_harm(void **state)
{
	uint32_t random = 1;

	for (unsigned i = 0; i < 3000; i++) {
		uint8_t *record = (uint8_t *)record_newest();
		struct verify *verify;
		page_t page = {0};

		for (unsigned change = 0; change <= i % 4; change++) {
			random = random * 1103515245 + 12345;
			record[40 + (random >> 8) % 340] ^= (uint8_t)(1u << random % 8);
		}
		record_seal(record_newest());
		verify = verify_new();
		verify_run(verify);
		for (unsigned n = 0; n < 100 && verify_page_next(verify, page, &page) == STATUS_OK;
		     n++)
			page.n++;
		verify_close(verify);
		fresh_copy(state);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_good_store_is_good, fresh_copy),
		cmocka_unit_test_setup(every_byte_of_the_superblocks_counts, fresh_copy),
		cmocka_unit_test_setup(a_torn_superblock_is_no_damage, fresh_copy),
		cmocka_unit_test_setup(every_byte_of_the_records_counts, fresh_copy),
		cmocka_unit_test_setup(the_rest_of_a_slot_counts_without_deltas, fresh_copy),
		cmocka_unit_test_setup(every_extent_counts, fresh_copy),
		cmocka_unit_test_setup(sealed_changes_of_the_record_are_found, fresh_copy),
		cmocka_unit_test_setup(sealed_changes_of_a_snapshot_are_found, fresh_copy),
		cmocka_unit_test_setup(a_leaked_and_a_lost_sector_are_found, fresh_copy),
		cmocka_unit_test_setup(a_sector_used_twice_is_found, fresh_copy),
		cmocka_unit_test_setup(a_torn_commit_is_a_warning, fresh_copy),
		cmocka_unit_test_setup(one_superblock_is_enough, fresh_copy),
		cmocka_unit_test_setup(what_is_no_store_is_refused, fresh_copy),
		cmocka_unit_test_setup(slots_must_be_in_order, fresh_copy),
		cmocka_unit_test_setup(slots_passed_over_hold_the_lap_before, fresh_copy),
		cmocka_unit_test_setup(damage_is_not_taken_for_passed_over, fresh_copy),
		cmocka_unit_test_setup(hostile_records_do_no_harm, fresh_copy),
	};

	return cmocka_run_group_tests(tests, make_store, forget_store);
}
