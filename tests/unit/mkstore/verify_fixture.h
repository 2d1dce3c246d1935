/* SPDX-License-Identifier: MIT */
/*
 * verify_fixture.h - a small store in memory for the tests of the verifier.
 *
 * make_store has the engine write one, with two snapshots, whose last commits
 * are full ones.  Each test gets a copy of it in `disk`, changes bytes there,
 * seals again what should stay sound, and asks the verifier.
 */
#ifndef TESTS_UNIT_MKSTORE_VERIFY_FIXTURE_H
#define TESTS_UNIT_MKSTORE_VERIFY_FIXTURE_H

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
#include "tools/verify/verify.h"

#ifndef SECTORS
#define SECTORS DISK_SECTORS_MIN
#endif
#define FRAMES	64u
#define PAGE(n) ((page_t){0x100000 + (n)})

static uint8_t *good;	/* the store as the engine left it */
static uint8_t *disk;	/* the store under test */
static uint8_t *memory; /* of the engine */
static uint8_t *frames;
static struct store *engine;
static bool with_deltas; /* the engine may write them */

/* ---- a disk in memory, and the engine over it -------------------------- */

static inline bool submit(struct block_device *device, struct block_request *request)
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

static inline void poll(struct block_device *device, bool wait)
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

static inline void wake(void *context, store_channel_t channel)
{
	(void)context;
	(void)channel;
}

static inline void log_line(void *context, const char *line)
{
	(void)context;
	(void)line;
}

static inline void commit(enum store_action action, uint64_t number, const char *name)
{
	struct store_commit_request request = {.action = action, .number = {number}};
	generation_t generation;
	enum status status;

	snprintf(request.name, sizeof(request.name), "%s", name);
	while ((status = store_commit(engine, &request, &generation)) == STATUS_WAIT)
		assert_true(store_wait(engine));
	assert_int_equal(status, STATUS_OK);
	assert_int_equal(store_settle(engine), STATUS_OK);
}

static inline void page_set(uint64_t page, uint32_t seed)
{
	enum status status;
	frame_t frame;
	uint8_t *data;

	for (;;) {
		store_operation_begin(engine);
		status = store_page_write(engine, PAGE(page), &frame);
		if (status != STATUS_WAIT)
			break;
		if (!store_wait(engine))
			commit(STORE_ACTION_NONE, 0, ""); /* memory comes back with it */
	}
	assert_int_equal(status, STATUS_OK);
	data = store_frame_data(frames, frame);
	for (unsigned i = 0; i < PAGE_SIZE; i++)
		data[i] = seed % 3 == 0 ? (uint8_t)(i / 64)
					: (uint8_t)(seed = seed * 1103515245 + 12345, seed >> 16);
}

static inline void page_clear(uint64_t page)
{

	store_operation_begin(engine);
	assert_int_equal(store_pages_clear(engine, PAGE(page), 1), STATUS_OK);
}

/* An engine over `disk` that has nothing mounted yet. */
static inline void engine_begin(void)
{
	struct store_config config = {
		.device = &device,
		.host = {.wake = wake, .log = log_line},
		.limits = {.frames = FRAMES, .staging_bytes = 256 * 1024, .read_requests = 4}};
	size_t size = (store_memory_size(&config.limits) + 4095) / 4096 * 4096;

	if (!memory)
		memory = aligned_alloc(4096, size);
	if (!frames)
		frames = aligned_alloc(4096, FRAMES * PAGE_SIZE);
	memset(memory, 0, size);
	config.memory = memory;
	config.frame_base = frames;
	assert_int_equal(store_init(&engine, &config), STATUS_OK);
	for (uint32_t i = 0; i < FRAMES; i++)
		assert_int_equal(store_frame_donate(engine, (frame_t){i}), STATUS_OK);
}

static inline int make_store(void **state)
{
	struct store_format_options options = {.identity = "0123456789abcde",
					       .sectors = SECTORS,
					       .write_unit = SECTOR_SIZE,
					       .label = "test",
					       .deltas = with_deltas};

	(void)state;
	good = calloc(SECTORS, SECTOR_SIZE);
	disk = calloc(SECTORS, SECTOR_SIZE);
	engine_begin();
	assert_int_equal(store_format(engine, &options), STATUS_OK);
	for (uint32_t i = 0; i < 20; i++)
		page_set(i, i);
	commit(STORE_ACTION_SNAPSHOT, 0, "first");
	for (uint32_t i = 5; i < 12; i++)
		page_set(i, 100 + i);
	commit(STORE_ACTION_SNAPSHOT, 0, "second");
	for (uint32_t i = 8; i < 30; i += 3)
		page_set(i, 200 + i);
	page_clear(18); /* takes a full commit */
	commit(STORE_ACTION_NONE, 0, "");
	memcpy(good, disk, SECTORS * SECTOR_SIZE);
	return 0;
}

static inline int forget_store(void **state)
{
	(void)state;
	free(good);
	free(disk);
	free(memory);
	free(frames);
	return 0;
}

static inline int fresh_copy(void **state)
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
static const char *looked_for; /* in the text of a finding, null: nothing */
static uint32_t matches;

static inline enum status read_disk(void *context, sector_t sector, uint32_t sectors, void *data)
{
	(void)context;
	if (sector.n + sectors > device_sectors)
		return STATUS_IO;
	memcpy(data, disk + sector.n * SECTOR_SIZE, (size_t)sectors * SECTOR_SIZE);
	return STATUS_OK;
}

static inline void note(void *context, const struct verify_finding *finding)
{
	(void)context;
	if (finding->severity == VERIFY_NOTE)
		return;
	assert_true(strlen(finding->text) > 10);
	matches += looked_for && strstr(finding->text, looked_for);
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

static inline struct verify *verify_new(void)
{
	struct verify_reader reader = {.sectors = device_sectors, .read = read_disk};
	struct verify_options options = {.report = note};

	errors = 0;
	warnings = 0;
	matches = 0;
	memset(codes, 0, sizeof(codes));
	named_sector = UINT64_MAX;
	return verify_open(&reader, &options);
}

static inline enum status verify_all(void)
{
	struct verify *verify = verify_new();
	enum status status = verify_run(verify);

	verify_close(verify);
	return status;
}

static inline void expect_only(enum verify_code code)
{
	assert_int_equal(verify_all(), STATUS_CORRUPT);
	if (codes[code] == 0)
		fail_msg("expected a finding about \"%s\", first was: %s", verify_code_text(code),
			 first_text);
}

/* ---- changing and sealing ---------------------------------------------- */

static inline struct disk_record *record_newest(void)
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

static inline void *extent_at(const struct disk_reference *reference)
{
	return disk + disk_reference_sector(reference).n * SECTOR_SIZE;
}

static inline void reference_seal(struct disk_reference *reference, enum disk_tree tree,
				  unsigned level, uint64_t key)
{
	reference->checksum =
		XXH3_64bits_withSeed(extent_at(reference), (size_t)reference->sectors * SECTOR_SIZE,
				     disk_seed(tree, level, key));
}

static inline void record_seal(struct disk_record *record)
{
	uint64_t seed = XXH3_64bits(record->identity, sizeof(record->identity)) ^ record->slot;

	record->checksum = 0;
	record->checksum = XXH3_64bits_withSeed(
		record, (record->length + SECTOR_SIZE - 1) / SECTOR_SIZE * SECTOR_SIZE, seed);
}

static inline void superblock_seal(uint64_t sector)
{
	struct disk_superblock *block = (struct disk_superblock *)(disk + sector * SECTOR_SIZE);

	block->checksum = 0;
	block->checksum = XXH3_64bits(block, sizeof(*block));
}

static inline void superblocks_set(size_t offset, uint32_t value)
{
	for (uint64_t sector = 0; sector <= DISK_SUPERBLOCK_COPY_SECTOR;
	     sector += DISK_SUPERBLOCK_COPY_SECTOR) {
		memcpy(disk + sector * SECTOR_SIZE + offset, &value, sizeof(value));
		superblock_seal(sector);
	}
}

/* Said to be flushed before its record: then damage is no torn commit. */
static inline struct disk_record *record_newest_whole(void)
{
	struct disk_record *record = record_newest();

	record->durable = record->generation;
	return record;
}

/* The only page of the free map of a store this small. */
static inline uint8_t *free_map_page(struct disk_reference **reference)
{
	struct disk_node *node = extent_at(&record_newest()->free_map.reference);

	assert_int_equal(record_newest()->free_map.height, 1);
	*reference = &node->entry[0];
	return extent_at(&node->entry[0]);
}

static inline void free_map_seal(struct disk_reference *page)
{
	struct disk_record *record = record_newest();

	reference_seal(page, DISK_TREE_FREE_MAP, 0, 0);
	reference_seal(&record->free_map.reference, DISK_TREE_FREE_MAP, 1, 0);
	record_seal(record);
}

#endif
