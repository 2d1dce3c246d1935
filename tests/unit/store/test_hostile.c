/* SPDX-License-Identifier: MIT */
/*
 * test_hostile.c - structures whose checksums are right and whose content is not.
 *
 * No disk makes them; whoever writes to the disk can.  They are refused by name,
 * and nothing is read or written where they lead.
 */
#include "tests/unit/store/fixture.h"
#include "store/store_priv.h"

static enum status get(struct fixture *f, const struct disk_reference *reference,
		       struct place place)
{
	const void *data;
	enum status status;

	do {
		status = extent_get(f->store, reference, place, &data);
	} while (status == STATUS_WAIT && store_wait(f->store));
	return status;
}

static struct fixture *with_pages(void)
{
	struct fixture *f = fixture_new(DISK_SECTORS_MIN, 128, 512);

	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(fixture_write(f, i * 40, i + 2), STATUS_OK);
	fixture_checkpoint(f);
	return f;
}

/* What was verified for one place of the tree is not found for another (S5). */
static void test_cached_for_another_place(void **state)
{
	struct fixture *f = with_pages();
	struct disk_root root = f->store->record.space;
	struct place right = {DISK_TREE_SPACE, root.height, 0};
	struct place wrong[] = {{DISK_TREE_SPACE, root.height, 1},
				{DISK_TREE_SPACE, root.height - 1, 0},
				{DISK_TREE_CATALOGUE, root.height, 0}};

	(void)state;
	assert_int_equal(get(f, &root.reference, right), STATUS_OK);
	for (unsigned i = 0; i < 3; i++) {
		uint64_t reads = f->reads;

		assert_int_equal(get(f, &root.reference, wrong[i]), STATUS_CORRUPT);
		assert_int_equal(f->reads, reads + 1);
		/* And the right one is as it was. */
		assert_int_equal(get(f, &root.reference, right), STATUS_OK);
		assert_int_equal(f->reads, reads + 1);
	}
	fixture_free(f);
}

/* Nothing is read by a reference that leads out of the store or of a buffer. */
static void test_reference_out_of_bounds(void **state)
{
	struct fixture *f = with_pages();
	struct disk_root root = f->store->record.space;
	struct place place = {DISK_TREE_SPACE, root.height, 0};
	struct disk_reference bad[6];
	uint64_t reads;

	(void)state;
	for (unsigned i = 0; i < 6; i++)
		bad[i] = root.reference;
	bad[0].sectors = 9;
	bad[1].sectors = 0;
	bad[2].sector_high = 1;
	bad[3].sector_low = DISK_RING_SECTOR;
	bad[4].length = 8 * SECTOR_SIZE + 1;
	bad[5] = (struct disk_reference){0};
	reads = f->reads;
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(get(f, &bad[i], place), STATUS_CORRUPT);
	assert_int_equal(f->reads, reads);
	fixture_free(f);
}

/* Bytes that match their checksum and are no compressed page, no compressed node. */
static void test_senseless_extents(void **state)
{
	struct fixture *f = fixture_new(DISK_SECTORS_MIN, 128, 512);
	uint64_t sector = DISK_SECTORS_MIN - BLOCK_SECTORS;
	uint8_t *bytes = f->disk + sector * SECTOR_SIZE;
	struct place place[] = {{DISK_TREE_CATALOGUE, 0, 1}, {DISK_TREE_SPACE, 1, 0}};

	(void)state;
	fixture_checkpoint(f);
	memset(bytes, 0xf0, SECTOR_SIZE);
	for (unsigned i = 0; i < 2; i++) {
		struct disk_reference reference = {
			.sector_low = (uint32_t)sector,
			.sectors = 1,
			.codec = i ? DISK_CODEC_COLUMNS : DISK_CODEC_LZ4,
			.birth = 1,
			.length = 500,
			.checksum = checksum(bytes, SECTOR_SIZE, place_seed(place[i])),
		};

		assert_int_equal(get(f, &reference, place[i]), STATUS_CORRUPT);
		assert_non_null(strstr(f->log_last, i ? "does not decompress to a node"
						      : "does not decompress to a page"));
	}
	fixture_free(f);
}

/* Each field of a reference alone can make it none. */
static void test_senseless_references(void **state)
{
	const struct disk_reference good = {.sector_low = DISK_DATA_SECTOR,
					    .sectors = 3,
					    .codec = DISK_CODEC_LZ4,
					    .birth = 1,
					    .length = 2 * SECTOR_SIZE + 1};
	const struct place page = {DISK_TREE_SPACE, 0, 7}, node = {DISK_TREE_SPACE, 1, 7},
			   map = {DISK_TREE_FREE_MAP, 0, 7};
	struct disk_reference raw = good, bad;

	(void)state;
	raw.sectors = BLOCK_SECTORS;
	raw.codec = DISK_CODEC_RAW;
	raw.length = PAGE_SIZE;
	assert_true(reference_valid(&good, page, DISK_SECTORS_MIN));
	assert_true(reference_valid(&raw, page, DISK_SECTORS_MIN));
	assert_true(reference_valid(&raw, map, DISK_SECTORS_MIN));
	assert_false(reference_valid(&good, map, DISK_SECTORS_MIN));
#define REFUSED(from, place, field, value)                                                         \
	do {                                                                                       \
		bad = (from);                                                                      \
		bad.field = (value);                                                               \
		assert_false(reference_valid(&bad, place, DISK_SECTORS_MIN));                      \
	} while (0)
	REFUSED(good, page, sectors, 0);
	REFUSED(good, page, sectors, 2);
	REFUSED(good, page, sectors, BLOCK_SECTORS + 1);
	REFUSED(good, page, length, 0);
	REFUSED(good, page, length, 3 * SECTOR_SIZE + 1);
	REFUSED(good, page, codec, DISK_CODEC_COLUMNS);
	REFUSED(good, page, codec, 99);
	REFUSED(good, page, codec, DISK_CODEC_NONE);
	REFUSED(good, page, codec, DISK_CODEC_ZERO);
	REFUSED(good, page, auxiliary_low, 1);
	REFUSED(good, page, auxiliary_high, 1);
	REFUSED(good, page, sector_high, 1);
	REFUSED(good, page, sector_low, DISK_DATA_SECTOR - 1);
	REFUSED(good, page, sector_low, DISK_SECTORS_MIN);
	/* Over the end of its block, or of the store. */
	REFUSED(good, page, sector_low, DISK_DATA_SECTOR + 6);
	REFUSED(good, page, sector_low, DISK_SECTORS_MIN - 2);
	REFUSED(raw, page, sector_low, DISK_DATA_SECTOR + 1);
	REFUSED(raw, page, length, PAGE_SIZE - 1);
	REFUSED(raw, page, length, 0);
	REFUSED(raw, map, auxiliary_low, PAGE_SIZE + 1);
#undef REFUSED
	bad = good;
	bad.codec = DISK_CODEC_COLUMNS;
	assert_true(reference_valid(&bad, node, DISK_SECTORS_MIN));
	bad = good;
	bad.sector_low = DISK_DATA_SECTOR + 5;
	assert_true(reference_valid(&bad, page, DISK_SECTORS_MIN));
	bad.sector_low = DISK_SECTORS_MIN - 3;
	assert_true(reference_valid(&bad, page, DISK_SECTORS_MIN));
	bad = (struct disk_reference){.codec = DISK_CODEC_ZERO, .birth = 9};
	assert_true(reference_valid(&bad, page, DISK_SECTORS_MIN));
	assert_false(reference_valid(&bad, node, DISK_SECTORS_MIN));
}

/* A node refers to nothing that is younger than itself, and to nothing outside. */
static void test_senseless_nodes(void **state)
{
	struct fixture *f = fixture_new(DISK_SECTORS_MIN, 128, 512);
	uint64_t sector = DISK_SECTORS_MIN - BLOCK_SECTORS;
	struct disk_node *node = (void *)(f->disk + sector * SECTOR_SIZE);
	const struct disk_reference good = {.sector_low = (uint32_t)sector - 8,
					    .sectors = 1,
					    .codec = DISK_CODEC_LZ4,
					    .birth = 1,
					    .length = 500};
	struct place place = {DISK_TREE_SPACE, 1, 0};

	(void)state;
	fixture_checkpoint(f);
	for (unsigned fault = 0; fault < 5; fault++) {
		struct disk_reference *entry = &node->entry[DISK_NODE_ENTRIES - 1];
		struct disk_reference reference = {
			.sector_low = (uint32_t)sector,
			.sectors = BLOCK_SECTORS,
			.codec = DISK_CODEC_RAW,
			.birth = 1,
			.length = PAGE_SIZE,
		};

		*entry = good;
		if (fault == 1)
			entry->birth = 2;
		if (fault == 2)
			entry->sector_low = DISK_SECTORS_MIN;
		if (fault == 3)
			entry->sector_low = DISK_DATA_SECTOR - 1;
		if (fault == 4)
			entry->length = SECTOR_SIZE + 1;
		reference.checksum = checksum(node, sizeof(*node), place_seed(place));
		assert_int_equal(get(f, &reference, place), fault ? STATUS_CORRUPT : STATUS_OK);
		if (fault)
			assert_non_null(strstr(f->log_last, "refers to what cannot be"));
	}
	fixture_free(f);
}

/* ---- records ------------------------------------------------------------------- */

static enum slot_kind classify(struct fixture *f, struct disk_record *record)
{
	static uint8_t image[DISK_SLOT_SIZE] __attribute__((aligned(8)));
	uint64_t seed = f->store->identity_seed ^ record->slot;

	memset(image, 0, sizeof(image));
	memcpy(image, record, sizeof(*record));
	record = (void *)image;
	record->checksum = checksum_with_hole(image, sizeof(*record), &record->checksum, seed);
	return slot_classify(f->store, record->slot, image);
}

/* One field at a time: the record is none. */
static void test_senseless_records(void **state)
{
	struct fixture *f = with_pages();
	const struct disk_record good = *fixture_record(f);
	struct disk_record bad;

	(void)state;
	bad = good;
	assert_int_equal(classify(f, &bad), SLOT_RECORD);
#define REFUSED(field, value)                                                                      \
	do {                                                                                       \
		bad = good;                                                                        \
		bad.field = (value);                                                               \
		assert_int_equal(classify(f, &bad), SLOT_DAMAGED);                                 \
	} while (0)
	REFUSED(kind, 3);
	REFUSED(kind, DISK_RECORD_DELTA);
	REFUSED(entries, 1);
	REFUSED(entries, UINT32_MAX);
	REFUSED(identity[3], 0x77);
	REFUSED(generation, 0);
	REFUSED(generation, DISK_GENERATION_END);
	REFUSED(predecessor, good.generation);
	REFUSED(durable, good.generation + 1);
	REFUSED(base, 0);
	REFUSED(sectors, DISK_SECTORS_MIN - 1);
	REFUSED(sectors, DISK_SECTORS_MAX + 1);
	REFUSED(used_sectors, good.sectors + 1);
	REFUSED(next_snapshot, 0);
	REFUSED(next_snapshot, DISK_SNAPSHOT_END + 1);
	REFUSED(origin, good.next_snapshot);
	REFUSED(dying, good.next_snapshot);
	REFUSED(space.height, DISK_HEIGHT_MAX + 1);
	REFUSED(space.height, 0);
	REFUSED(space.reference.codec, 7);
	REFUSED(space.reference.codec, DISK_CODEC_ZERO);
	REFUSED(space.reference.birth, good.generation + 1);
	REFUSED(space.reference.auxiliary_low, 1);
	REFUSED(free_map.height, 2);
	REFUSED(free_map.reference.codec, DISK_CODEC_LZ4);
	REFUSED(free_map.reference.auxiliary_high, UINT16_MAX);
	REFUSED(free_map.reference.birth, good.generation + 1);
	REFUSED(catalogue.reference.birth, good.generation + 1);
	REFUSED(catalogue.reference.sectors, 1);
	REFUSED(label[63], 'x');
#undef REFUSED
	fixture_free(f);
}

/* A delta builds on a generation before it. */
static void test_senseless_base(void **state)
{
	struct fixture *f = fixture_make(DISK_SECTORS_MIN, 128, 512, true);
	struct disk_record record;

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(fixture_commit(f, STORE_ACTION_STOP, 0, ""), STATUS_OK);
	for (unsigned base = 0; base < 5; base++) {
		record = *fixture_record(f);
		assert_int_equal(record.generation, 3);
		record.space = (struct disk_root){.height = 0};
		record.free_map = record.catalogue = record.space;
		record.kind = DISK_RECORD_DELTA;
		record.base = base;
		assert_int_equal(classify(f, &record),
				 base == 1 || base == 2 ? SLOT_RECORD : SLOT_DAMAGED);
	}
	fixture_free(f);
}

/* The catalogue has room for so many numbers; then there are no more. */
static void test_no_number_left(void **state)
{
	struct fixture *f = with_pages();

	(void)state;
	f->store->record.next_snapshot = DISK_SNAPSHOT_END;
	assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, "last"), STATUS_LIMIT);
	assert_int_equal(fixture_write(f, 3, 9), STATUS_OK);
	fixture_checkpoint(f);
	fixture_free(f);
}

/* Numbers of generations end far away; they do not begin anew. */
static void test_no_generation_left(void **state)
{
	struct fixture *f = with_pages();
	struct disk_tombstone stone;

	(void)state;
	tombstone_make(f->store, 5, (generation_t){DISK_GENERATION_END - 2}, &stone);
	memcpy(f->disk + record_sector(5).n * SECTOR_SIZE, &stone, sizeof(stone));
	fixture_remount(f);
	assert_int_equal(store_generation(f->store).n, DISK_GENERATION_END - 1);
	assert_int_equal(fixture_write(f, 3, 9), STATUS_OK);
	assert_int_equal(fixture_commit(f, STORE_ACTION_NONE, 0, ""), STATUS_LIMIT);
	/* Those behind the end are no numbers. */
	for (unsigned i = 0; i < 2; i++) {
		tombstone_make(f->store, 5, (generation_t){i ? UINT64_MAX : DISK_GENERATION_END},
			       &stone);
		memcpy(f->disk + record_sector(5).n * SECTOR_SIZE, &stone, sizeof(stone));
		fixture_remount(f);
		assert_int_equal(store_generation(f->store).n, 2 + i);
		fixture_compare(f);
		fixture_checkpoint(f);
	}
	fixture_free(f);
}

/* The generation fallen back to is measured against the disk, too. */
static void test_fall_back_to_too_large(void **state)
{
	struct fixture *f = with_pages();
	struct disk_record *record;
	uint64_t torn, seed;

	(void)state;
	assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, "one"), STATUS_OK);
	record = fixture_record(f);
	torn = disk_reference_sector(&record->catalogue.reference).n;
	assert_int_not_equal(record->durable, record->generation);
	f->disk[torn * SECTOR_SIZE + 9] ^= 1;
	record = (void *)(f->disk + record_sector(record->slot - 1).n * SECTOR_SIZE);
	assert_int_equal(record->magic, DISK_MAGIC_RECORD);
	record->sectors = UINT64_C(1) << 47;
	record->free_map.height = map_height_for(record->sectors / DISK_FREE_MAP_SECTORS - 1);
	seed = f->store->identity_seed ^ record->slot;
	record->checksum = checksum_with_hole(record, sizeof(*record), &record->checksum, seed);
	assert_int_equal(fixture_mount(f), STATUS_TRUNCATED);
	assert_non_null(strstr(f->recovery.explanation, "was the image cut off?"));
	fixture_free(f);
}

/* The entry of the one snapshot that descends from the dying one, as the cache has it;
 * the deletion has come as far as to know it. */
static struct disk_snapshot *child_of_dying(struct fixture *f, slot_t *slot, uint64_t *sector)
{
	struct place place = {DISK_TREE_CATALOGUE, 0, 2};
	struct disk_reference reference;
	const void *data;

	f->limits.deletion_visits = 100;
	fixture_checkpoint(f);
	fixture_remount(f);
	for (unsigned i = 0; i < 3; i++) {
		for (uint32_t page = 0; page < 600; page++)
			assert_int_equal(fixture_write(f, page, 2 * (page + i) + 2), STATUS_OK);
		assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0,
						(const char[]){(char)('a' + i), 0}),
				 STATUS_OK);
	}
	assert_int_equal(fixture_commit(f, STORE_ACTION_DELETE, 1, ""), STATUS_OK);
	fixture_checkpoint(f);
	assert_int_equal(f->store->record.dying, 1);
	assert_int_equal(f->store->reclaim.child, 2);
	while (map_lookup(f->store, &f->store->record.catalogue, DISK_TREE_CATALOGUE, 2,
			  &reference) == STATUS_WAIT ||
	       extent_get(f->store, &reference, place, &data) == STATUS_WAIT)
		fixture_wait(f);
	*slot = cache_find(f->store, extent_key(KEY_EXTENT, &reference, place));
	*sector = disk_reference_sector(&reference).n;
	return (void *)(uintptr_t)data;
}

/* An entry says that it descends from the dying one, and then that it does not, which
 * nobody can have done to it, or cannot be read any more: the deletion rests, and it is
 * not looked for again. */
static void test_child_that_is_none(void **state)
{
	(void)state;
	for (unsigned damaged = 0; damaged < 2; damaged++) {
		struct fixture *f = fixture_new(16384, 300, 512);
		struct store_commit_request request = {.action = STORE_ACTION_NONE};
		generation_t generation;
		uint64_t sector;
		slot_t slot;

		child_of_dying(f, &slot, &sector)->parent = 0;
		if (damaged) {
			cache_drop(f->store, slot);
			f->disk[sector * SECTOR_SIZE + 20] ^= 1;
		}
		while (store_commit(f->store, &request, &generation) == STATUS_WAIT)
			fixture_wait(f);
		for (unsigned i = 0; i < 10000 && store_committing(f->store); i++) {
			store_step(f->store);
			f->device.operations->poll(&f->device, false);
		}
		assert_false(store_committing(f->store));
		assert_int_equal(store_health(f->store), STATUS_OK);
		assert_string_equal(f->log_last,
				    "store: the deletion of snapshot 1 rests: damage in the way");
		fixture_compare(f);
		fixture_free(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cached_for_another_place),
		cmocka_unit_test(test_reference_out_of_bounds),
		cmocka_unit_test(test_senseless_extents),
		cmocka_unit_test(test_senseless_references),
		cmocka_unit_test(test_senseless_nodes),
		cmocka_unit_test(test_senseless_records),
		cmocka_unit_test(test_senseless_base),
		cmocka_unit_test(test_no_number_left),
		cmocka_unit_test(test_no_generation_left),
		cmocka_unit_test(test_fall_back_to_too_large),
		cmocka_unit_test(test_child_that_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
