/* SPDX-License-Identifier: MIT */
/*
 * engine.c - the store under the fuzzers; see engine.h.
 */
#include "tests/fuzz/engine.h"

#include <stdio.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

#define ENGINE_FRAMES 96u
static const struct store_limits engine_limits = {
	.frames = ENGINE_FRAMES, .staging_bytes = 256 * 1024, .read_requests = 2};

static void host_log(void *context, const char *line)
{
	(void)context;
	if (fuzz_verbose())
		fprintf(stderr, "    %s\n", line);
}

void fuzz_engine_create(struct fuzz_engine *engine)
{
	memset(engine, 0, sizeof(*engine));
	engine->memory = fuzz_allocate(store_memory_size(&engine_limits));
	engine->frames = fuzz_allocate((size_t)ENGINE_FRAMES * PAGE_SIZE);
}

static void engine_on(struct fuzz_engine *engine, struct fuzz_disk *disk, bool read_only)
{
	struct store_config config = {
		.device = &disk->device,
		.host = {.context = engine, .log = host_log},
		.limits = engine_limits,
		.memory = engine->memory,
		.frame_base = engine->frames,
		.read_only = read_only,
	};

	engine->disk = disk;
	FUZZ_CHECK(store_init(&engine->store, &config) == STATUS_OK, "store_init");
	for (uint32_t i = 0; i < ENGINE_FRAMES; i++)
		FUZZ_CHECK(store_frame_donate(engine->store, (frame_t){i}) == STATUS_OK, "donate");
}

enum status fuzz_engine_format(struct fuzz_engine *engine, struct fuzz_disk *disk, bool deltas)
{
	struct store_format_options options = {.identity = {0x46, 1, 2, 3},
					       .created_ns = 7,
					       .sectors = disk->sectors,
					       .write_unit = disk->device.write_unit,
					       .label = "fuzzed",
					       .deltas = deltas};

	engine_on(engine, disk, false);
	memset(&engine->recovery, 0, sizeof(engine->recovery));
	return store_format(engine->store, &options);
}

enum status fuzz_engine_mount(struct fuzz_engine *engine, struct fuzz_disk *disk, bool read_only)
{
	enum status status;

	engine_on(engine, disk, read_only);
	status = store_mount(engine->store, &engine->recovery);
	FUZZ_CHECK(status == STATUS_OK || engine->recovery.explanation[0],
		   "mount fails (%s) without saying why", status_text(status));
	if (status != STATUS_OK)
		engine->store = NULL;
	return status;
}

static enum status engine_commit_start(struct fuzz_engine *engine,
				       const struct store_commit_request *request)
{
	generation_t generation;
	enum status status;
	unsigned tries = 0;

	while ((status = store_commit(engine->store, request, &generation)) == STATUS_WAIT) {
		FUZZ_CHECK(tries++ < FUZZ_TRIES, "no end of waiting for a commit");
		if (!store_wait(engine->store))
			break;
	}
	return status;
}

enum status fuzz_engine_commit(struct fuzz_engine *engine, enum store_action action,
			       uint64_t number, const char *name)
{
	struct store_commit_request request = {
		.action = action, .number = {number}, .counters = engine->recovery.counters};
	enum status status;

	snprintf(request.name, sizeof(request.name), "%s", name);
	status = engine_commit_start(engine, &request);
	return status == STATUS_OK ? store_settle(engine->store) : status;
}

bool fuzz_engine_wait(struct fuzz_engine *engine)
{
	if (store_wait(engine->store))
		return true;
	if (store_committing(engine->store))
		return store_settle(engine->store) == STATUS_OK;
	return fuzz_engine_commit(engine, STORE_ACTION_NONE, 0, "") == STATUS_OK;
}

enum status fuzz_engine_page(struct fuzz_engine *engine, uint64_t page, bool write, void **data)
{
	frame_t frame;
	enum status status;

	if (write)
		FUZZ_RETRY(engine, status, store_page_write(engine->store, (page_t){page}, &frame));
	else
		FUZZ_RETRY(engine, status, store_page_read(engine->store, (page_t){page}, &frame));
	if (status == STATUS_OK)
		*data = store_frame_data(engine->frames, frame);
	return status;
}

enum status fuzz_engine_next(struct fuzz_engine *engine, uint64_t from, uint64_t *page)
{
	page_t found = {0};
	enum status status;

	FUZZ_RETRY(engine, status,
		   store_page_next(engine->store, (page_t){from}, STORE_PAGES_END, &found));
	*page = found.n;
	return status;
}

enum status fuzz_engine_clear(struct fuzz_engine *engine, uint64_t first, uint64_t count)
{
	enum status status;

	FUZZ_RETRY(engine, status, store_pages_clear(engine->store, (page_t){first}, count));
	return status;
}

enum status fuzz_engine_snapshot_next(struct fuzz_engine *engine, uint64_t after,
				      struct store_snapshot *snapshot)
{
	enum status status;

	FUZZ_RETRY(engine, status,
		   store_snapshot_next(engine->store, (snapshot_t){after}, snapshot));
	return status;
}

enum status fuzz_engine_snapshot_find(struct fuzz_engine *engine, const char *name,
				      struct store_snapshot *snapshot)
{
	enum status status;

	FUZZ_RETRY(engine, status, store_snapshot_find(engine->store, name, snapshot));
	return status;
}

void fuzz_page_fill(void *page, uint32_t value)
{
	uint32_t *word = page, x = value * 2654435761u | 1;

	for (unsigned i = 0; i < PAGE_SIZE / sizeof(*word); i++) {
		bool noise = value % 4 == 2 || (value % 4 == 3 && i < PAGE_SIZE / 8);

		x = x * 1664525u + 1013904223u;
		word[i] = value % 4 == 0 ? 0 : noise ? x : value + i / 64;
	}
}
