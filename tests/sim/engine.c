/* SPDX-License-Identifier: MIT */
/*
 * engine.c - the store under test and its memory; see engine.h.
 */
#include "tests/sim/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* More steps than any operation of a small store can need. */
#define DRIVE_MAX 2000000u

static void host_wake(void *context, store_channel_t channel)
{
	struct engine *engine = context;

	SIM_CHECK(channel.n < STORE_CHANNELS_MAX, "wake on channel %u", channel.n);
	(void)engine;
}

static void host_log(void *context, const char *line)
{
	struct engine *engine = context;
	char *slot = engine->log[engine->log_count++ % ENGINE_LOG_LINES];

	snprintf(slot, sizeof(engine->log[0]), "%s", line);
	if (engine->detail)
		sim_trace_detail("    check: %s", line);
	else
		sim_trace("    %s", line);
}

const char *engine_log_last(const struct engine *engine)
{
	return engine->log_count ? engine->log[(engine->log_count - 1) % ENGINE_LOG_LINES]
				 : "(nothing logged)";
}

void engine_create(struct engine *engine, const struct store_limits *limits)
{
	memset(engine, 0, sizeof(*engine));
	engine->limits = *limits;
}

/* A machine's memory holds anything when it starts; later, what was left there. */
static void memory_install(struct engine *engine)
{
	uint64_t frames_size = (uint64_t)engine->limits.frames * PAGE_SIZE;

	engine->memory_size = store_memory_size(&engine->limits);
	engine->memory = sim_allocate_dirty(engine->memory_size);
	engine->frames = sim_allocate_dirty(frames_size);
	memset(engine->memory, 0xa5, engine->memory_size);
	memset(engine->frames, 0xa5, frames_size);
}

void engine_free(struct engine *engine)
{
	free(engine->memory);
	free(engine->frames);
	memset(engine, 0, sizeof(*engine));
}

void engine_off(struct engine *engine)
{
	engine->store = NULL;
}

static void engine_on(struct engine *engine, struct disk *disk)
{
	struct store_config config = {
		.device = &disk->device,
		.host = {.context = engine, .wake = host_wake, .log = host_log},
		.limits = engine->limits,
		.discard = true,
	};
	enum status status;

	if (!engine->memory)
		memory_install(engine);
	config.memory = engine->memory;
	config.frame_base = engine->frames;
	memset(&engine->recovery, 0, sizeof(engine->recovery));
	engine->disk = disk;
	status = store_init(&engine->store, &config);
	SIM_CHECK(status == STATUS_OK, "store_init: %s", status_text(status));
	for (uint32_t i = 0; i < engine->limits.frames; i++) {
		status = store_frame_donate(engine->store, (frame_t){i});
		SIM_CHECK(status == STATUS_OK, "store_frame_donate: %s", status_text(status));
	}
}

enum status engine_format(struct engine *engine, struct disk *disk, uint64_t sectors,
			  struct sim_random *random)
{
	struct store_format_options options = {.created_ns = 1,
					       .sectors = sectors,
					       .write_unit = disk->device.write_unit,
					       .label = "simulated"};

	for (unsigned i = 0; i < sizeof(options.identity); i++)
		options.identity[i] = (uint8_t)sim_random_next(random);
	options.deltas = !sim_random_once_in(random, 8);
	options.columns = !sim_random_once_in(random, 8);
	options.counted = options.identity[0] % 8;
	engine->counted = options.counted;
	engine_on(engine, disk);
	return store_format(engine->store, &options);
}

enum status engine_mount(struct engine *engine, struct disk *disk)
{
	enum status status;

	engine_on(engine, disk);
	status = store_mount(engine->store, &engine->recovery);
	sim_totals.mounts++;
	if (status != STATUS_OK) {
		SIM_CHECK(engine->recovery.explanation[0], "mount failed (%s) without saying why",
			  status_text(status));
		engine_off(engine);
	}
	return status;
}

/* A step may have finished something and have no more to do: only when several
 * in a row neither go on nor leave anything to the disk, nothing moves. */
bool engine_drive(struct engine *engine)
{
	bool more = store_step(engine->store);

	if (more || engine->disk->queued) {
		engine->idle = 0;
		engine->disk->device.operations->poll(&engine->disk->device, !more);
		return true;
	}
	if (++engine->idle < 3)
		return true;
	engine->idle = 0;
	return false;
}

/* Each try is an operation of its own: between two the engine may work. */
#define ENGINE_RETRY(engine, status, call)                                                         \
	do {                                                                                       \
		uint32_t drives = 0;                                                               \
		for (;;) {                                                                         \
			store_operation_begin((engine)->store);                                    \
			(status) = (call);                                                         \
			if ((status) != STATUS_WAIT || !engine_drive(engine))                      \
				break;                                                             \
			SIM_CHECK(drives++ < DRIVE_MAX, "no end of waiting in %s", #call);         \
		}                                                                                  \
	} while (0)

static enum status access_try(struct engine *engine, struct engine_access *access, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		frame_t frame = FRAME_NONE;
		enum status status;

		if (access[i].write)
			status = store_page_write(engine->store, access[i].page, &frame);
		else
			status = store_page_read(engine->store, access[i].page, &frame);
		if (status != STATUS_OK) {
			SIM_CHECK(status != STATUS_WAIT ||
					  store_channel(engine->store).n < STORE_CHANNELS_MAX,
				  "WAIT without a channel");
			return status;
		}
		SIM_CHECK(frame.n < engine->limits.frames, "a frame that was never given");
		access[i].data = store_frame_data(engine->frames, frame);
	}
	return STATUS_OK;
}

static bool is_zeros(const uint8_t *data)
{
	return !*data && !memcmp(data, data + 1, PAGE_SIZE - 1);
}

/* What is absent is zeros for who looks, and absent all the same. */
static void absent_check(struct engine *engine, page_t page)
{
	frame_t frame = FRAME_NONE;
	enum status status;
	void *data;

	if (page.n % 2)
		return;
	ENGINE_RETRY(engine, status, store_page_read_zeros(engine->store, page, &frame));
	if (status != STATUS_OK)
		return;
	data = store_frame_data(engine->frames, frame);
	SIM_CHECK(is_zeros(data), "page 0x%llx is absent and holds something",
		  (unsigned long long)page.n);
	SIM_CHECK(!store_page_resident(engine->store, page) &&
			  !store_page_writable(engine->store, page),
		  "page 0x%llx came to be when it was looked at", (unsigned long long)page.n);
}

/* What was obtained first must still be there when the last one is. */
static void access_check(struct engine *engine, const struct engine_access *access, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		void *there = access[i].write ? store_page_writable(engine->store, access[i].page)
					      : store_page_resident(engine->store, access[i].page);

		SIM_CHECK(there == access[i].data, "page 0x%llx went away within one operation",
			  (unsigned long long)access[i].page.n);
	}
}

enum status engine_operation(struct engine *engine, struct engine_access *access, uint32_t count)
{
	enum status status;

	ENGINE_RETRY(engine, status, access_try(engine, access, count));
	if (status == STATUS_OK)
		access_check(engine, access, count);
	return status;
}

enum status engine_page_read(struct engine *engine, page_t page, void **data)
{
	struct engine_access access = {.page = page};
	enum status status = engine_operation(engine, &access, 1);

	if (status == STATUS_ABSENT)
		absent_check(engine, page);
	*data = access.data;
	return status;
}

enum status engine_page_write(struct engine *engine, page_t page, void **data)
{
	struct engine_access access = {.page = page, .write = true};
	enum status status = engine_operation(engine, &access, 1);

	*data = access.data;
	return status;
}

enum status engine_page_next(struct engine *engine, page_t from, page_t *page)
{
	enum status status;

	ENGINE_RETRY(engine, status, store_page_next(engine->store, from, STORE_PAGES_END, page));
	return status;
}

enum status engine_pages_clear(struct engine *engine, page_t first, uint64_t count)
{
	enum status status;

	ENGINE_RETRY(engine, status, store_pages_clear(engine->store, first, count));
	return status;
}

enum status engine_snapshot_find(struct engine *engine, const char *name,
				 struct store_snapshot *snapshot)
{
	enum status status;

	ENGINE_RETRY(engine, status, store_snapshot_find(engine->store, name, snapshot));
	return status;
}

enum status engine_snapshot_next(struct engine *engine, snapshot_t after,
				 struct store_snapshot *snapshot)
{
	enum status status;

	ENGINE_RETRY(engine, status, store_snapshot_next(engine->store, after, snapshot));
	return status;
}

enum status engine_commit_start(struct engine *engine, enum store_action action, snapshot_t number,
				const char *name, uint64_t clock, generation_t *generation)
{
	struct store_commit_request request = {
		.action = action,
		.number = number,
		.counters = {.uptime_ns = clock, .object_version = clock, .resumes = clock},
		/* Three seconds a commit; it can jump, in both directions. */
		.wall_ns = (clock & UINT32_MAX) * UINT64_C(3000000000),
		.sectors = engine->grow_sectors,
		.retention = engine->retention,
		.discard = engine->discard,
		.offline = engine->offline};
	enum status status;

	if (name)
		snprintf(request.name, sizeof(request.name), "%s", name);
	/* What a commit stages may never be written. */
	engine->disk->zeros.memory = NULL;
	ENGINE_RETRY(engine, status, store_commit(engine->store, &request, generation));
	return status;
}

enum status engine_settle(struct engine *engine)
{
	uint32_t drives = 0;

	engine->idle = 0;
	while (store_committing(engine->store)) {
		SIM_CHECK(engine_drive(engine), "a commit does not end: nothing moves any more");
		SIM_CHECK(drives++ < DRIVE_MAX, "a commit does not end");
	}
	return store_health(engine->store);
}
