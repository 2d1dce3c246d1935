/* SPDX-License-Identifier: MIT */
/*
 * fixture.h - a store in memory for the unit tests of store/.
 *
 * The device is an array.  Requests wait in a queue until poll(), which
 * completes them in a random order; what was written since the last flush can
 * be lost, sector by sector (fixture_crash).  Beside the store runs a model: one
 * number per page, from which its content is made.  fixture_account walks all
 * trees on the disk with code of its own and compares with the free map.
 */
#ifndef TESTS_UNIT_STORE_FIXTURE_H
#define TESTS_UNIT_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <lz4.h>
#include "store/store.h"

#define FIXTURE_PAGES 1500u
#define FIXTURE_QUEUE 16u

struct fixture {
	struct block_device device;
	uint8_t *disk;	 /* what a read finds */
	uint8_t *stable; /* what survives for certain */
	struct block_request *queue[FIXTURE_QUEUE];
	unsigned queued;
	uint64_t *written; /* sectors since the last flush, with repetitions */
	size_t written_count, written_room;
	uint64_t random;
	uint64_t writes, flushes, reads, discards;
	uint64_t discarded; /* sectors; they hold 0xdd then */
	/* Fail the requests of this kind from the nth on, `fail_count` times. */
	enum block_operation fail_operation;
	uint64_t fail_at, fail_count;
	uint64_t bad_sector; /* cannot be read; 0: all can */

	struct store_limits limits;
	void *memory;
	uint8_t *frames;
	struct store *store;
	struct store_recovery recovery;
	unsigned log_lines;
	char log_last[256];
	uint64_t unmapped;

	uint32_t model[FIXTURE_PAGES]; /* 0: absent, 1: zeros */
	uint32_t stable_model[FIXTURE_PAGES];
	uint64_t base; /* page number of model[0] */
};

static inline uint32_t fixture_random(struct fixture *f, uint32_t below)
{
	f->random ^= f->random << 13;
	f->random ^= f->random >> 7;
	f->random ^= f->random << 17;
	return (uint32_t)((f->random >> 16) % below);
}

/* ---- the device --------------------------------------------------------------- */

static inline bool fixture_submit(struct block_device *device, struct block_request *request)
{
	struct fixture *f = device->context;

	if (f->queued == FIXTURE_QUEUE)
		return false;
	f->queue[f->queued++] = request;
	return true;
}

static inline void fixture_flushed(struct fixture *f)
{
	while (f->written_count) {
		size_t at = f->written[--f->written_count] * SECTOR_SIZE;

		memcpy(f->stable + at, f->disk + at, SECTOR_SIZE);
	}
}

static inline void fixture_written(struct fixture *f, const struct block_request *request)
{
	memcpy(f->disk + request->sector.n * SECTOR_SIZE, request->data,
	       (size_t)request->sectors * SECTOR_SIZE);
	if (f->written_count + request->sectors > f->written_room) {
		f->written_room = 2 * f->written_room + request->sectors;
		f->written = realloc(f->written, f->written_room * sizeof(*f->written));
	}
	for (uint32_t i = 0; i < request->sectors; i++)
		f->written[f->written_count++] = request->sector.n + i;
}

static inline void fixture_discarded(struct fixture *f, const struct block_request *request)
{
	static uint8_t anything[256 * SECTOR_SIZE];
	struct block_request write = *request;

	assert_true(f->device.discards && request->sectors <= f->device.discard_sectors);
	memset(anything, 0xdd, sizeof(anything));
	write.data = anything;
	fixture_written(f, &write);
	f->discarded += request->sectors;
}

static inline enum status fixture_perform(struct fixture *f, struct block_request *request)
{
	uint64_t offset = request->sector.n * SECTOR_SIZE;
	size_t bytes = (size_t)request->sectors * SECTOR_SIZE;
	uint64_t *count = request->operation == BLOCK_READ    ? &f->reads
			  : request->operation == BLOCK_WRITE ? &f->writes
			  : request->operation == BLOCK_FLUSH ? &f->flushes
							      : &f->discards;

	++*count;
	if (request->operation == f->fail_operation && f->fail_count && *count >= f->fail_at) {
		f->fail_count--;
		return STATUS_IO;
	}
	if (request->operation == BLOCK_FLUSH) {
		fixture_flushed(f);
		return STATUS_OK;
	}
	assert_true(request->sector.n + request->sectors <= f->device.sectors);
	if (f->bad_sector && request->operation == BLOCK_READ &&
	    f->bad_sector - request->sector.n < request->sectors)
		return STATUS_IO;
	if (request->operation == BLOCK_READ)
		memcpy(request->data, f->disk + offset, bytes);
	else if (request->operation == BLOCK_DISCARD)
		fixture_discarded(f, request);
	else
		fixture_written(f, request);
	return STATUS_OK;
}

static inline void fixture_poll(struct block_device *device, bool wait)
{
	struct fixture *f = device->context;
	unsigned count = f->queued ? 1 + fixture_random(f, f->queued) : 0;

	(void)wait;
	while (count--) {
		unsigned i = fixture_random(f, f->queued);
		struct block_request *request = f->queue[i];

		f->queue[i] = f->queue[--f->queued];
		request->status = fixture_perform(f, request);
		request->complete(request);
	}
}

/* ---- the store ------------------------------------------------------------------ */

static inline void fixture_wake(void *context, store_channel_t channel)
{
	(void)context;
	assert_true(channel.n < STORE_CHANNELS_MAX);
}

static inline void fixture_unmap(void *context, page_t page)
{
	struct fixture *f = context;

	(void)page;
	f->unmapped++;
}

static inline void fixture_log(void *context, const char *line)
{
	struct fixture *f = context;

	f->log_lines++;
	snprintf(f->log_last, sizeof(f->log_last), "%s", line);
	if (getenv("VERBOSE"))
		fprintf(stderr, "%s\n", line);
}

/* An empty store object over the device, as after power on. */
static inline void fixture_init(struct fixture *f)
{
	struct store_config config = {
		.device = &f->device,
		.host = {f, fixture_wake, fixture_unmap, NULL, fixture_log},
		.limits = f->limits,
		.frame_base = f->frames,
		.discard = true,
	};

	f->queued = 0;
	memset(f->memory, 0, store_memory_size(&f->limits));
	config.memory = f->memory;
	assert_int_equal(store_init(&f->store, &config), STATUS_OK);
	for (uint32_t i = 0; i < f->limits.frames; i++)
		assert_int_equal(store_frame_donate(f->store, (frame_t){i}), STATUS_OK);
}

static inline enum status fixture_mount(struct fixture *f)
{
	fixture_init(f);
	return store_mount(f->store, &f->recovery);
}

/* Null for the oldest form, which has no features at all. */
static inline struct fixture *fixture_make_form(uint64_t sectors, uint32_t frames,
						uint32_t write_unit, const bool *deltas)
{
	static const struct block_operations operations = {fixture_submit, fixture_poll};
	struct store_format_options options = {.identity = {1, 2, 3},
					       .created_ns = 7,
					       .sectors = sectors,
					       .write_unit = write_unit,
					       .label = "test",
					       .deltas = deltas && *deltas,
					       .columns = deltas,
					       .counted = deltas};
	struct fixture *f = calloc(1, sizeof(*f));

	f->device = (struct block_device){.sectors = sectors,
					  .write_unit = write_unit,
					  .request_sectors = 256,
					  .queue_depth = FIXTURE_QUEUE,
					  .operations = &operations,
					  .context = f,
					  .discard_sectors = 256};
	f->disk = calloc(sectors, SECTOR_SIZE);
	f->stable = calloc(sectors, SECTOR_SIZE);
	f->random = 88172645463325252u;
	f->limits = (struct store_limits){
		.frames = frames, .staging_bytes = 256 * 1024, .read_requests = 8};
	f->memory = aligned_alloc(4096, store_memory_size(&f->limits));
	f->frames = aligned_alloc(4096, (size_t)frames * PAGE_SIZE);
	f->base = 0x100000;
	fixture_init(f);
	assert_int_equal(store_format(f->store, &options), STATUS_OK);
	return f;
}

static inline struct fixture *fixture_make(uint64_t sectors, uint32_t frames, uint32_t write_unit,
					   bool deltas)
{
	return fixture_make_form(sectors, frames, write_unit, &deltas);
}

static inline struct fixture *fixture_oldest(uint64_t sectors, uint32_t frames)
{
	return fixture_make_form(sectors, frames, 512, NULL);
}

static inline struct fixture *fixture_new(uint64_t sectors, uint32_t frames, uint32_t write_unit)
{
	return fixture_make(sectors, frames, write_unit, false);
}

static inline void fixture_free(struct fixture *f)
{
	free(f->disk);
	free(f->stable);
	free(f->written);
	free(f->memory);
	free(f->frames);
	free(f);
}

/* The power goes: of what was not flushed each sector survives or not. */
static inline void fixture_crash(struct fixture *f)
{
	while (f->queued && fixture_random(f, 2))
		fixture_poll(&f->device, true);
	for (size_t i = 0; i < f->written_count; i++) {
		size_t at = f->written[i] * SECTOR_SIZE;

		if (fixture_random(f, 2))
			memcpy(f->disk + at, f->stable + at, SECTOR_SIZE);
	}
	fixture_flushed(f);
}

/* ---- operations ------------------------------------------------------------------- */

static inline enum status fixture_request(struct fixture *f,
					  const struct store_commit_request *request)
{
	generation_t generation;
	enum status status;

	do {
		status = store_commit(f->store, request, &generation);
	} while (status == STATUS_WAIT && store_wait(f->store));
	if (status == STATUS_OK)
		status = store_settle(f->store);
	if (status == STATUS_OK) {
		assert_true(store_durable(f->store).n == generation.n);
		memcpy(f->stable_model, f->model, sizeof(f->model));
	}
	return status;
}

static inline enum status fixture_commit(struct fixture *f, enum store_action action,
					 uint64_t number, const char *name)
{
	struct store_commit_request request = {.action = action, .number = {number}};

	snprintf(request.name, sizeof(request.name), "%s", name);
	return fixture_request(f, &request);
}

static inline void fixture_checkpoint(struct fixture *f)
{
	assert_int_equal(fixture_commit(f, STORE_ACTION_NONE, 0, ""), STATUS_OK);
}

/* Waits as an owner does: for the device, or by a checkpoint of its own. */
static inline void fixture_wait(struct fixture *f)
{
	if (store_wait(f->store))
		return;
	if (store_committing(f->store))
		assert_int_equal(store_settle(f->store), STATUS_OK);
	else
		fixture_checkpoint(f);
}

static inline void fixture_fill(uint32_t *data, uint32_t value)
{
	/* Half of the pages compress well, the others hardly. */
	uint32_t x = value * 2654435761u;

	for (unsigned i = 0; i < PAGE_SIZE / 4; i++) {
		x = x * 1664525u + 1013904223u;
		data[i] = value == 1 ? 0 : value % 2 ? x : value + i / 64;
	}
}

static inline enum status fixture_try(struct fixture *f, bool write, uint64_t page, void **data)
{
	frame_t frame;
	enum status status;

	for (;;) {
		store_operation_begin(f->store);
		status = write ? store_page_write(f->store, (page_t){page}, &frame)
			       : store_page_read(f->store, (page_t){page}, &frame);
		if (status != STATUS_WAIT)
			break;
		fixture_wait(f);
	}
	if (status == STATUS_OK)
		*data = store_frame_data(f->frames, frame);
	return status;
}

static inline enum status fixture_write(struct fixture *f, uint32_t index, uint32_t value)
{
	void *data;
	enum status status = fixture_try(f, true, f->base + index, &data);

	if (status == STATUS_OK) {
		fixture_fill(data, value);
		f->model[index] = value;
	}
	return status;
}

static inline void fixture_clear(struct fixture *f, uint32_t first, uint32_t count)
{
	enum status status;

	while ((status = store_pages_clear(f->store, (page_t){f->base + first}, count)) ==
	       STATUS_WAIT)
		fixture_wait(f);
	assert_int_equal(status, STATUS_OK);
	memset(f->model + first, 0, count * sizeof(f->model[0]));
}

static inline void fixture_compare_page(struct fixture *f, uint32_t index)
{
	static uint32_t expected[PAGE_SIZE / 4];
	void *data;
	enum status status = fixture_try(f, false, f->base + index, &data);

	if (!f->model[index]) {
		assert_int_equal(status, STATUS_ABSENT);
		return;
	}
	assert_int_equal(status, STATUS_OK);
	fixture_fill(expected, f->model[index]);
	assert_memory_equal(data, expected, PAGE_SIZE);
}

static inline void fixture_compare(struct fixture *f)
{
	for (uint32_t i = 0; i < FIXTURE_PAGES; i++)
		fixture_compare_page(f, i);
}

/* Mounts what is on the disk; the model is as of the last commit. */
static inline void fixture_remount(struct fixture *f)
{
	assert_int_equal(fixture_mount(f), STATUS_OK);
	memcpy(f->model, f->stable_model, sizeof(f->model));
}

/* ---- accounting ---------------------------------------------------------------------- */

struct account {
	struct fixture *f;
	uint8_t *reached; /* one byte per sector */
	uint8_t *mapped;
	uint64_t keys;
};

static inline struct disk_record *fixture_record(struct fixture *f)
{
	struct disk_record *newest = NULL;

	for (unsigned slot = 0; slot < DISK_RING_SLOTS; slot++) {
		struct disk_record *record =
			(void *)(f->disk + (DISK_RING_SECTOR + slot * DISK_SLOT_SECTORS) *
						   (size_t)SECTOR_SIZE);

		if (record->magic == DISK_MAGIC_RECORD &&
		    (!newest || record->generation > newest->generation))
			newest = record;
	}
	return newest;
}

static inline void account_extent(struct account *a, const struct disk_reference *reference,
				  void *data)
{
	uint64_t sector = disk_reference_sector(reference).n;
	const uint8_t *stored = a->f->disk + sector * SECTOR_SIZE;
	uint8_t unpacked[PAGE_SIZE];

	memset(a->reached + sector, 1, reference->sectors);
	if (reference->codec == DISK_CODEC_LZ4 || reference->codec == DISK_CODEC_COLUMNS)
		assert_int_equal(LZ4_decompress_safe((const char *)stored, (char *)unpacked,
						     reference->length, PAGE_SIZE),
				 PAGE_SIZE);
	if (reference->codec == DISK_CODEC_COLUMNS)
		for (unsigned at = 0; at < PAGE_SIZE; at++)
			((uint8_t *)data)[at % 128 * 32 + at / 128] = unpacked[at];
	else if (reference->codec == DISK_CODEC_LZ4)
		memcpy(data, unpacked, PAGE_SIZE);
	else if (reference->codec == DISK_CODEC_RAW)
		memcpy(data, stored, PAGE_SIZE);
	else
		memset(data, 0, PAGE_SIZE);
}

typedef void (*account_page)(struct account *a, uint64_t key, const void *data);

static inline void account_tree(struct account *a, const struct disk_reference *reference,
				unsigned level, uint64_t key, account_page page)
{
	struct disk_node node;

	if (reference->codec == DISK_CODEC_NONE)
		return;
	account_extent(a, reference, &node);
	if (!level) {
		a->keys++;
		if (page)
			page(a, key, &node);
		return;
	}
	for (unsigned i = 0; i < DISK_NODE_ENTRIES; i++)
		account_tree(a, &node.entry[i], level - 1, key << 7 | i, page);
}

static inline void account_root(struct account *a, const struct disk_root *root, account_page page)
{
	a->keys = 0;
	account_tree(a, &root->reference, root->height, 0, page);
	assert_int_equal(a->keys, root->pages);
}

static inline void account_map_page(struct account *a, uint64_t key, const void *data)
{
	const uint8_t *bits = data;

	for (uint64_t i = 0; i < DISK_FREE_MAP_SECTORS; i++)
		if (bits[i / 8] >> i % 8 & 1)
			a->mapped[key * DISK_FREE_MAP_SECTORS + i] = 1;
}

static inline void account_snapshot(struct account *a, uint64_t key, const void *data)
{
	const struct disk_snapshot *snapshot = data;
	uint64_t keys = a->keys;

	assert_int_equal(snapshot->number, key);
	account_root(a, &snapshot->root, NULL);
	a->keys = keys;
}

/* The extents of a delta lie where the map and the other entries have nothing. */
static inline void account_delta(struct account *a, const struct disk_record *record)
{
	const struct disk_delta *entry = (const struct disk_delta *)(record + 1);
	uint8_t page[PAGE_SIZE];

	for (uint32_t i = 0; i < record->entries; i++) {
		const struct disk_reference *reference = &entry[i].reference;
		uint64_t sector = disk_reference_sector(reference).n;

		for (unsigned j = 0; j < reference->sectors; j++)
			assert_int_equal(a->reached[sector + j], 0);
		account_extent(a, reference, page);
	}
}

/* S6: what the free map says is used is what can be reached, and the total
 * agrees.  Not while a snapshot is dying: it has given back part of its tree. */
static inline uint64_t fixture_account(struct fixture *f)
{
	const struct disk_record *record = fixture_record(f);
	uint64_t sectors = record->sectors + DISK_FREE_MAP_SECTORS, used = 0;
	struct account a = {f, calloc(sectors, 1), calloc(sectors, 1), 0};

	assert_int_equal(record->dying, 0);
	account_root(&a, &record->space, NULL);
	account_root(&a, &record->catalogue, account_snapshot);
	account_root(&a, &record->free_map, account_map_page);
	for (uint64_t i = 0; i < sectors; i++) {
		assert_int_equal(a.reached[i], a.mapped[i]);
		used += a.mapped[i];
	}
	assert_int_equal(used, record->used_sectors);
	account_delta(&a, record);
	free(a.reached);
	free(a.mapped);
	return used;
}

#endif
