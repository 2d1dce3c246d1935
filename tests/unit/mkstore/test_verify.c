/* SPDX-License-Identifier: MIT */
/*
 * test_verify.c - the verifier finds every fault and names its place.
 *
 * A small store with snapshots is made by the engine, over memory.  Then single
 * bytes are changed, or a structure is changed and all checksums above it are
 * made right again, which is what a bug of the engine would look like.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#define XXH_INLINE_ALL
#include <xxhash.h>
#include "store/store.h"
#include "tools/mkstore/verify.h"

#define SECTORS DISK_SECTORS_MIN
#define FRAMES	64u
#define PAGE(n) ((page_t){0x100000 + (n)})

static uint8_t *good;	/* the store as the engine left it */
static uint8_t *disk;	/* the store under test */
static uint8_t *memory; /* of the engine */
static uint8_t *frames;
static struct store *engine;

/* ---- a disk in memory, and the engine over it -------------------------- */

static bool submit(struct block_device *device, struct block_request *request)
{
	uint8_t *place = disk + request->sector.n * SECTOR_SIZE;
	size_t bytes = (size_t)request->sectors * SECTOR_SIZE;

	(void)device;
	if (request->operation == BLOCK_READ)
		memcpy(request->data, place, bytes);
	else if (request->operation == BLOCK_WRITE)
		memcpy(place, request->data, bytes);
	request->status = STATUS_OK;
	request->complete(request);
	return true;
}

static void poll(struct block_device *device, bool wait)
{
	(void)device;
	(void)wait;
}

static const struct block_operations operations = {.submit = submit, .poll = poll};
static struct block_device device = {.sectors = SECTORS,
				     .write_unit = SECTOR_SIZE,
				     .request_sectors = 2048,
				     .queue_depth = 8,
				     .operations = &operations};

static void wake(void *context, store_channel_t channel)
{
	(void)context;
	(void)channel;
}

static void log_line(void *context, const char *line)
{
	(void)context;
	(void)line;
}

static void page_set(uint64_t page, uint32_t seed)
{
	store_channel_t channel;
	enum status status;
	frame_t frame;
	uint8_t *data;

	for (;;) {
		store_operation_begin(engine);
		status = store_page_write(engine, PAGE(page), &frame, &channel);
		if (status != STATUS_WAIT)
			break;
		assert_true(store_wait(engine, channel));
	}
	assert_int_equal(status, STATUS_OK);
	data = store_frame_data(frames, frame);
	for (unsigned i = 0; i < PAGE_SIZE; i++)
		data[i] = seed % 3 == 0 ? (uint8_t)(i / 64)
					: (uint8_t)(seed = seed * 1103515245 + 12345, seed >> 16);
}

static void commit(enum store_action action, uint64_t number, const char *name)
{
	struct store_commit_request request = {.action = action, .number = {number}};
	generation_t generation;
	store_channel_t channel;
	enum status status;

	snprintf(request.name, sizeof(request.name), "%s", name);
	while ((status = store_commit(engine, &request, &generation, &channel)) == STATUS_WAIT)
		assert_true(store_wait(engine, channel));
	assert_int_equal(status, STATUS_OK);
	assert_int_equal(store_settle(engine), STATUS_OK);
}

static int make_store(void **state)
{
	struct store_config config = {
		.device = &device,
		.host = {.wake = wake, .log = log_line},
		.limits = {.frames = FRAMES, .staging_bytes = 256 * 1024, .read_requests = 4}};
	struct store_format_options options = {.identity = "0123456789abcde",
					       .sectors = SECTORS,
					       .write_unit = SECTOR_SIZE,
					       .label = "test"};
	size_t size = (store_memory_size(&config.limits) + 4095) / 4096 * 4096;

	(void)state;
	good = calloc(SECTORS, SECTOR_SIZE);
	disk = calloc(SECTORS, SECTOR_SIZE);
	memory = aligned_alloc(4096, size);
	frames = aligned_alloc(4096, FRAMES * PAGE_SIZE);
	memset(memory, 0, size);
	config.memory = memory;
	config.frame_base = frames;
	assert_int_equal(store_init(&engine, &config), STATUS_OK);
	for (uint32_t i = 0; i < FRAMES; i++)
		assert_int_equal(store_frame_donate(engine, (frame_t){i}), STATUS_OK);
	assert_int_equal(store_format(engine, &options), STATUS_OK);
	for (uint32_t i = 0; i < 20; i++)
		page_set(i, i);
	commit(STORE_ACTION_NONE, 0, "");
	commit(STORE_ACTION_SNAPSHOT, 0, "first");
	for (uint32_t i = 5; i < 12; i++)
		page_set(i, 100 + i);
	commit(STORE_ACTION_SNAPSHOT, 0, "second");
	for (uint32_t i = 8; i < 30; i += 3)
		page_set(i, 200 + i);
	commit(STORE_ACTION_NONE, 0, "");
	memcpy(good, disk, SECTORS * SECTOR_SIZE);
	return 0;
}

static int forget_store(void **state)
{
	(void)state;
	free(good);
	free(disk);
	free(memory);
	free(frames);
	return 0;
}

static int fresh_copy(void **state)
{
	(void)state;
	memcpy(disk, good, SECTORS * SECTOR_SIZE);
	return 0;
}

/* ---- the verifier and what it said ------------------------------------- */

static uint64_t device_sectors = SECTORS;
static uint32_t errors, warnings;
static uint32_t codes[VERIFY_CODE_COUNT];
static uint64_t named_sector; /* of the first finding that names one */
static char first_text[512];

static enum status read_disk(void *context, sector_t sector, uint32_t sectors, void *data)
{
	(void)context;
	if (sector.n + sectors > device_sectors)
		return STATUS_IO;
	memcpy(data, disk + sector.n * SECTOR_SIZE, (size_t)sectors * SECTOR_SIZE);
	return STATUS_OK;
}

static void note(void *context, const struct verify_finding *finding)
{
	(void)context;
	if (finding->severity == VERIFY_NOTE)
		return;
	assert_true(strlen(finding->text) > 10);
	if (errors + warnings == 0)
		snprintf(first_text, sizeof(first_text), "%s", finding->text);
	if (finding->severity == VERIFY_ERROR)
		errors++;
	else
		warnings++;
	codes[finding->code]++;
	if (named_sector == UINT64_MAX)
		named_sector = finding->sector;
}

static struct verify *verify_new(void)
{
	struct verify_reader reader = {.sectors = device_sectors, .read = read_disk};
	struct verify_options options = {.report = note};

	errors = 0;
	warnings = 0;
	memset(codes, 0, sizeof(codes));
	named_sector = UINT64_MAX;
	return verify_open(&reader, &options);
}

static enum status verify_all(void)
{
	struct verify *verify = verify_new();
	enum status status = verify_run(verify);

	verify_close(verify);
	return status;
}

static void expect_only(enum verify_code code)
{
	assert_int_equal(verify_all(), STATUS_CORRUPT);
	if (codes[code] == 0)
		fail_msg("expected a finding about \"%s\", first was: %s", verify_code_text(code),
			 first_text);
}

/* ---- changing and sealing ---------------------------------------------- */

static struct disk_record *record_newest(void)
{
	struct disk_record *newest = NULL;

	for (uint32_t slot = 0; slot < DISK_RING_SLOTS; slot++) {
		uint64_t sector = DISK_RING_SECTOR + slot * DISK_SLOT_SECTORS;
		struct disk_record *record = (struct disk_record *)(disk + sector * SECTOR_SIZE);

		if (record->magic == DISK_MAGIC_RECORD &&
		    (!newest || record->generation > newest->generation))
			newest = record;
	}
	return newest;
}

static void *extent_at(const struct disk_reference *reference)
{
	return disk + disk_reference_sector(reference).n * SECTOR_SIZE;
}

static void reference_seal(struct disk_reference *reference, enum disk_tree tree, unsigned level,
			   uint64_t key)
{
	reference->checksum =
		XXH3_64bits_withSeed(extent_at(reference), (size_t)reference->sectors * SECTOR_SIZE,
				     disk_seed(tree, level, key));
}

static void record_seal(struct disk_record *record)
{
	uint64_t seed = XXH3_64bits(record->identity, sizeof(record->identity)) ^ record->slot;

	record->checksum = 0;
	record->checksum = XXH3_64bits_withSeed(record, sizeof(*record), seed);
}

static void superblock_seal(uint64_t sector)
{
	struct disk_superblock *block = (struct disk_superblock *)(disk + sector * SECTOR_SIZE);

	block->checksum = 0;
	block->checksum = XXH3_64bits(block, sizeof(*block));
}

static void superblocks_set(size_t offset, uint32_t value)
{
	for (uint64_t sector = 0; sector <= DISK_SUPERBLOCK_COPY_SECTOR;
	     sector += DISK_SUPERBLOCK_COPY_SECTOR) {
		memcpy(disk + sector * SECTOR_SIZE + offset, &value, sizeof(value));
		superblock_seal(sector);
	}
}

/* Said to be flushed before its record: then damage is no torn commit. */
static struct disk_record *record_newest_whole(void)
{
	struct disk_record *record = record_newest();

	record->durable = record->generation;
	return record;
}

/* The only page of the free map of a store this small. */
static uint8_t *free_map_page(struct disk_reference **reference)
{
	struct disk_node *node = extent_at(&record_newest()->free_map.reference);

	assert_int_equal(record_newest()->free_map.height, 1);
	*reference = &node->entry[0];
	return extent_at(&node->entry[0]);
}

static void free_map_seal(struct disk_reference *page)
{
	struct disk_record *record = record_newest();

	reference_seal(page, DISK_TREE_FREE_MAP, 0, 0);
	reference_seal(&record->free_map.reference, DISK_TREE_FREE_MAP, 1, 0);
	record_seal(record);
}

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

static void every_byte_of_the_records_counts(void **state)
{
	(void)state;
	for (uint32_t slot = 0; slot <= record_newest()->slot; slot++) {
		uint64_t first = (DISK_RING_SECTOR + slot * DISK_SLOT_SECTORS) * SECTOR_SIZE;

		bytes_change(first, sizeof(struct disk_record), 1);
		bytes_change(first + SECTOR_SIZE, DISK_SLOT_SIZE - SECTOR_SIZE, 509);
	}
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
		{offsetof(struct disk_record, reserved) + 8, 1, VERIFY_RECORD},
		{offsetof(struct disk_record, label) + 56, 1, VERIFY_RECORD},
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
	device_sectors = 100;
	assert_int_equal(verify_all(), STATUS_NOT_A_STORE);
	device_sectors = SECTORS;
	record_newest()->sectors = 2 * SECTORS;
	record_seal(record_newest());
	assert_int_equal(verify_all(), STATUS_TRUNCATED);
	memset(disk, 0, SECTORS * SECTOR_SIZE);
	assert_int_equal(verify_all(), STATUS_NOT_A_STORE);
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
		cmocka_unit_test_setup(every_byte_of_the_records_counts, fresh_copy),
		cmocka_unit_test_setup(every_extent_counts, fresh_copy),
		cmocka_unit_test_setup(sealed_changes_of_the_record_are_found, fresh_copy),
		cmocka_unit_test_setup(a_leaked_and_a_lost_sector_are_found, fresh_copy),
		cmocka_unit_test_setup(a_sector_used_twice_is_found, fresh_copy),
		cmocka_unit_test_setup(a_torn_commit_is_a_warning, fresh_copy),
		cmocka_unit_test_setup(one_superblock_is_enough, fresh_copy),
		cmocka_unit_test_setup(what_is_no_store_is_refused, fresh_copy),
		cmocka_unit_test_setup(slots_must_be_in_order, fresh_copy),
		cmocka_unit_test_setup(hostile_records_do_no_harm, fresh_copy),
	};

	return cmocka_run_group_tests(tests, make_store, forget_store);
}
