/* SPDX-License-Identifier: MIT */
/*
 * engine_store.c - the store as a contestant; see engine_store.h.
 */
#include "bench/store/engine_store.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define STAGING_BYTES (4u << 20)
/* Disk for each byte of data: what is replaced, and room to look for it. */
#define SPARE_FACTOR 2u
#define SPARE_BYTES  (UINT64_C(64) << 20)

/* ---- the device that counts ------------------------------------------------ */

static bool counting_submit(struct block_device *device, struct block_request *request)
{
	struct bench_store *bench = device->context;
	uint64_t bytes = (uint64_t)request->sectors * SECTOR_SIZE;

	if (request->operation == BLOCK_READ) {
		bench->read_bytes += bytes;
		bench->submit_reads++;
	} else if (request->operation == BLOCK_WRITE) {
		bench->written_bytes += bytes;
	} else if (request->operation == BLOCK_FLUSH) {
		bench->flushes++;
	}
	return bench->inner->operations->submit(bench->inner, request);
}

static void counting_poll(struct block_device *device, bool wait)
{
	struct bench_store *bench = device->context;

	bench->inner->operations->poll(bench->inner, wait);
}

static const struct block_operations counting_operations = {
	.submit = counting_submit,
	.poll = counting_poll,
};

/* ---- the engine ------------------------------------------------------------- */

static void store_line(void *context, const char *line)
{
	(void)context;
	fprintf(stderr, "bench: %s\n", line);
}

static void must(enum status status, const char *what)
{
	if (status != STATUS_OK)
		bench_fail("store: %s: %s", what, status_text(status));
}

struct bench_store *bench_store_attach(const char *path, uint64_t cache_bytes)
{
	struct bench_store *bench = bench_memory(sizeof(*bench));
	struct store_config config = {.host = {.context = bench, .log = store_line}};
	char why[256];

	if (file_device_open(&bench->file, path, FILE_DEVICE_WRITE, why, sizeof(why)) != STATUS_OK)
		bench_fail("store: %s", why);
	bench->inner =
		file_device_block(bench->file, 0, file_device_bytes(bench->file) / SECTOR_SIZE);
	bench->device = *bench->inner;
	bench->device.discards = false;
	bench->device.operations = &counting_operations;
	bench->device.context = bench;
	bench->limits = (struct store_limits){.frames = (uint32_t)(cache_bytes / PAGE_SIZE),
					      .staging_bytes = STAGING_BYTES,
					      .read_requests = 32};
	bench->memory = bench_memory(store_memory_size(&bench->limits));
	bench->frames = bench_memory((size_t)bench->limits.frames * PAGE_SIZE);
	config.device = &bench->device;
	config.limits = bench->limits;
	config.memory = bench->memory;
	config.frame_base = bench->frames;
	must(store_init(&bench->store, &config), "store_init");
	for (uint32_t i = 0; i < bench->limits.frames; i++)
		must(store_frame_donate(bench->store, (frame_t){i}), "store_frame_donate");
	return bench;
}

void bench_store_format(struct bench_store *bench)
{
	struct store_format_options options = {
		.identity = "benchmark",
		.sectors = bench->device.sectors,
		.write_unit = bench->device.write_unit,
		.deltas = true,
		.columns = true,
		.counted = true,
	};

	must(store_format(bench->store, &options), "store_format");
	bench_store_commit(bench, STORE_ACTION_NONE, NULL, (snapshot_t){0});
}

void bench_store_mount(struct bench_store *bench)
{
	enum status status = store_mount(bench->store, &bench->recovery);

	if (status != STATUS_OK)
		bench_fail("store: %s: %s", status_text(status), bench->recovery.explanation);
}

void bench_store_detach(struct bench_store *bench)
{
	munmap(bench->frames, (size_t)bench->limits.frames * PAGE_SIZE);
	munmap(bench->memory, store_memory_size(&bench->limits));
	file_device_close(bench->file);
	munmap(bench, sizeof(*bench));
}

static void wait_for(struct bench_store *bench)
{
	if (!store_wait(bench->store))
		bench_fail("store: it asks for a checkpoint within a set of pages: "
			   "give it more cache");
}

void *bench_store_write(struct bench_store *bench, uint64_t page)
{
	frame_t frame;
	enum status status;

	store_operation_begin(bench->store);
	while ((status = store_page_write(bench->store, (page_t){page}, &frame)) == STATUS_WAIT)
		wait_for(bench);
	must(status, "store_page_write");
	return store_frame_data(bench->frames, frame);
}

const void *bench_store_read(struct bench_store *bench, uint64_t page)
{
	frame_t frame;
	enum status status;

	store_operation_begin(bench->store);
	while ((status = store_page_read(bench->store, (page_t){page}, &frame)) == STATUS_WAIT)
		wait_for(bench);
	must(status, "store_page_read");
	return store_frame_data(bench->frames, frame);
}

void bench_store_commit(struct bench_store *bench, enum store_action action, const char *name,
			snapshot_t number)
{
	struct store_commit_request request = {.action = action, .number = number};
	generation_t generation;
	enum status status;

	if (name)
		snprintf(request.name, sizeof(request.name), "%s", name);
	while ((status = store_commit(bench->store, &request, &generation)) == STATUS_WAIT)
		wait_for(bench);
	must(status, "store_commit");
	must(store_settle(bench->store), "store_settle");
}

struct store_snapshot bench_store_find(struct bench_store *bench, const char *name)
{
	struct store_snapshot snapshot;
	enum status status;

	while ((status = store_snapshot_find(bench->store, name, &snapshot)) == STATUS_WAIT)
		wait_for(bench);
	must(status, "store_snapshot_find");
	return snapshot;
}

/* ---- the contestant ------------------------------------------------------------ */

static void *engine_open(const struct engine_place *place)
{
	struct bench_store *bench;

	if (place->fresh)
		bench_file_fill(place->path, place->pages * PAGE_SIZE * SPARE_FACTOR + SPARE_BYTES);
	bench = bench_store_attach(place->path, place->cache_bytes);
	if (place->fresh)
		bench_store_format(bench);
	else
		bench_store_mount(bench);
	return bench;
}

static void engine_begin(void *engine, bool loading)
{
	(void)engine;
	(void)loading;
}

static void engine_put(void *engine, uint64_t page, const void *data)
{
	memcpy(bench_store_write(engine, page), data, PAGE_SIZE);
}

static void engine_commit(void *engine)
{
	bench_store_commit(engine, STORE_ACTION_NONE, NULL, (snapshot_t){0});
}

static const void *engine_get(void *engine, uint64_t page)
{
	return bench_store_read(engine, page);
}

static uint64_t engine_space_bytes(void *engine)
{
	struct bench_store *bench = engine;
	struct store_statistics statistics;

	store_statistics_get(bench->store, &statistics);
	return statistics.used_sectors * SECTOR_SIZE;
}

static void engine_written(void *engine, struct engine_written *written)
{
	struct bench_store *bench = engine;
	struct store_statistics statistics;

	store_statistics_get(bench->store, &statistics);
	*written = (struct engine_written){
		.device_bytes = bench->written_bytes,
		.pages = statistics.page_bytes,
		.nodes = statistics.node_bytes,
		.map = statistics.map_bytes,
		.catalogue = statistics.catalogue_bytes,
		.commits = statistics.commits,
	};
}

static void engine_close(void *engine)
{
	bench_store_commit(engine, STORE_ACTION_STOP, NULL, (snapshot_t){0});
	bench_store_detach(engine);
}

const struct engine engine_store = {
	.name = "store",
	.what = "the store",
	.value_bytes = PAGE_SIZE,
	.open = engine_open,
	.begin = engine_begin,
	.put = engine_put,
	.commit = engine_commit,
	.get = engine_get,
	.space_bytes = engine_space_bytes,
	.written = engine_written,
	.close = engine_close,
};
