/* SPDX-License-Identifier: MIT */
/*
 * test_store_objects.c - objects over the real store, in little memory.
 *
 * Random lives of objects with commits in between.  Again and again the store
 * is forgotten and mounted anew: the objects must be those of the last commit.
 * In the end the independent verifier goes through all of it.
 */
#include "objects/objects.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tools/verify/objects.h"

#define DISK_SECTORS 65536u /* 32 MiB */
#define FRAMES	     400u
#define ALIVE_MAX    100u
#define LIMIT_PAGES  6000u

static uint8_t *disk;

/* ---- a disk in memory ---------------------------------------------------------------- */

static bool memory_submit(struct block_device *device, struct block_request *request)
{
	uint8_t *place = disk + request->sector.n * SECTOR_SIZE;
	size_t bytes = (size_t)request->sectors * SECTOR_SIZE;

	assert_true(request->operation == BLOCK_FLUSH ||
		    request->sector.n + request->sectors <= device->sectors);
	if (request->operation == BLOCK_READ)
		memcpy(request->data, place, bytes);
	else if (request->operation == BLOCK_WRITE)
		memcpy(place, request->data, bytes);
	request->status = STATUS_OK;
	request->complete(request);
	return true;
}

static void memory_poll(struct block_device *device, bool wait)
{
	(void)device;
	(void)wait;
}

static const struct block_operations memory_operations = {memory_submit, memory_poll};
static struct block_device memory_device = {.sectors = DISK_SECTORS,
					    .write_unit = SECTOR_SIZE,
					    .request_sectors = 512,
					    .queue_depth = 8,
					    .operations = &memory_operations};

/* ---- the store ------------------------------------------------------------------------ */

struct model {
	struct disk_capability alive[ALIVE_MAX];
	uint32_t count;
	uint64_t version; /* newest */
};

struct engine {
	struct ended ended;
	struct space space;
	void *memory, *frames;
	struct disk_counters counters;
	uint64_t random;
	struct model now;
	uint32_t commits, remounts;
};

static void engine_wake(void *context, store_channel_t channel)
{
	(void)context;
	(void)channel;
}

static void engine_log(void *context, const char *line)
{
	(void)context;
	(void)line;
}

static void engine_start(struct engine *engine)
{
	struct store_config config = {.device = &memory_device,
				      .host = {.wake = engine_wake, .log = engine_log},
				      .limits = {FRAMES, 256u << 10, 8}};
	size_t bytes = (store_memory_size(&config.limits) + 4095) / 4096 * 4096;

	engine->memory = aligned_alloc(PAGE_SIZE, bytes);
	engine->frames = aligned_alloc(PAGE_SIZE, FRAMES * PAGE_SIZE);
	memset(engine->memory, 0, bytes);
	memset(engine->frames, 0xa5, FRAMES * PAGE_SIZE);
	config.memory = engine->memory;
	config.frame_base = engine->frames;
	engine->space = (struct space){.frame_base = engine->frames};
	assert_int_equal(store_init(&engine->space.store, &config), STATUS_OK);
	for (uint32_t i = 0; i < FRAMES; i++)
		assert_int_equal(store_frame_donate(engine->space.store, (frame_t){i}), STATUS_OK);
}

static void engine_stop(struct engine *engine)
{
	free(engine->memory);
	free(engine->frames);
}

static void engine_commit(struct engine *engine)
{
	struct store_commit_request request = {.counters = engine->counters, .wall_ns = 1};
	generation_t generation;
	enum status status;

	request.counters.object_version = engine->now.version;
	do {
		store_operation_begin(engine->space.store);
		status = store_commit(engine->space.store, &request, &generation);
		if (status == STATUS_WAIT)
			assert_true(store_wait(engine->space.store));
	} while (status == STATUS_WAIT);
	assert_int_equal(status, STATUS_OK);
	assert_int_equal(store_settle(engine->space.store), STATUS_OK);
	engine->commits++;
}

static void engine_wait(struct engine *engine)
{
	struct store *store = engine->space.store;

	if (store_channel(store).n < STORE_CHANNEL_FIXED && !store_committing(store) &&
	    store_dirty(store))
		engine_commit(engine);
	else
		assert_true(store_wait(store));
}

/* One operation, as often as it must wait. */
#define RETRY(engine, expression)                                                                  \
	({                                                                                         \
		enum status status_;                                                               \
		for (;;) {                                                                         \
			store_operation_begin((engine)->space.store);                              \
			status_ = (expression);                                                    \
			if (status_ != STATUS_WAIT)                                                \
				break;                                                             \
			engine_wait(engine);                                                       \
		}                                                                                  \
		status_;                                                                           \
	})

/* ---- lives ------------------------------------------------------------------------------ */

static uint64_t draw(struct engine *engine, uint64_t below)
{
	engine->random ^= engine->random >> 12;
	engine->random ^= engine->random << 25;
	engine->random ^= engine->random >> 27;
	return engine->random * UINT64_C(2685821657736338717) % below;
}

static size_t name_of(char name[40], const struct disk_capability *capability)
{
	return (size_t)snprintf(name, 40, "%08x of object %u",
				(unsigned)(capability->version * 2654435761u), capability->object);
}

static enum status segment_fill(struct engine *engine, const struct disk_capability *capability,
				uint64_t page)
{
	struct disk_object record;
	void *data;
	enum status status = object_resolve(&engine->space, capability, OBJECT_SEGMENT, 0, &record);

	if (status == STATUS_OK)
		status = space_write(&engine->space, (page_t){record.first_page + page}, &data);
	if (status == STATUS_OK)
		memset(data, (int)capability->version | 1, PAGE_SIZE);
	return status;
}

/* Creates and names.  Both are operations of their own; a commit can fall between. */
static void step_create(struct engine *engine)
{
	static const enum object_type types[] = {OBJECT_SEGMENT, OBJECT_SEGMENT, OBJECT_MACHINE,
						 OBJECT_PORT,	 OBJECT_TABLE,	 OBJECT_DIRECTORY};
	struct object_request request = {
		.type = types[draw(engine, 6)], .size = 1 + draw(engine, 60), .name = "m"};
	struct disk_capability capability;
	char name[40];
	size_t length;
	enum status status;

	if (request.type == OBJECT_SEGMENT)
		request.size *= PAGE_SIZE;
	if (engine->now.count == ALIVE_MAX)
		return;
	status = RETRY(engine, object_create(&engine->space, (object_t){OBJECT_ROOT_BANK}, &request,
					     &capability));
	if (status == STATUS_ALLOWANCE)
		return;
	assert_int_equal(status, STATUS_OK);
	assert_true(capability.version > engine->now.version);
	engine->now.version = capability.version + (request.type == OBJECT_MACHINE);
	engine->now.alive[engine->now.count++] = capability;
	length = name_of(name, &capability);
	assert_int_equal(RETRY(engine, entry_link(&engine->space, (object_t){OBJECT_ROOT_DIRECTORY},
						  name, length, &capability, false)),
			 STATUS_OK);
	if (request.type == OBJECT_SEGMENT)
		for (uint32_t i = 0; i < 8; i++)
			assert_int_equal(
				RETRY(engine, segment_fill(engine, &capability,
							   draw(engine, request.size / PAGE_SIZE))),
				STATUS_OK);
}

static void step_destroy(struct engine *engine)
{
	uint32_t pick;
	struct disk_capability capability;
	char name[40];
	size_t length;

	if (!engine->now.count)
		return;
	pick = (uint32_t)draw(engine, engine->now.count);
	capability = engine->now.alive[pick];
	length = name_of(name, &capability);
	assert_int_equal(
		RETRY(engine, entry_unlink(&engine->space, (object_t){OBJECT_ROOT_DIRECTORY}, name,
					   length)),
		STATUS_OK);
	assert_int_equal(RETRY(engine, object_destroy(&engine->space, (object_t){capability.object},
						      &engine->ended)),
			 STATUS_OK);
	engine->now.alive[pick] = engine->now.alive[--engine->now.count];
}

static enum status port_use(struct engine *engine, const struct disk_capability *capability)
{
	struct disk_message message = {.label = capability->version};
	const struct disk_message *oldest;
	struct disk_object port;
	enum status status = object_resolve(&engine->space, capability, OBJECT_PORT, 0, &port);

	if (status != STATUS_OK)
		return status;
	status = port_put_prepare(&engine->space, &port);
	if (status == STATUS_OK)
		port_put(&engine->space, &port, &message);
	if (status != STATUS_FULL)
		return status;
	status = port_peek_prepare(&engine->space, &port, &oldest);
	if (status != STATUS_OK)
		return status;
	assert_int_equal(oldest->label, capability->version);
	port_drop(&engine->space, &port);
	return STATUS_OK;
}

static enum status machine_use(struct engine *engine, const struct disk_capability *capability,
			       uint64_t deadline)
{
	object_t object = {capability->object};
	struct disk_machine *machine;
	enum status status = machine_prepare(&engine->space, object, &machine);

	if (status == STATUS_OK && machine->deadline)
		status = deadline_remove_prepare(&engine->space, machine->deadline, object);
	if (status == STATUS_OK)
		status = deadline_insert_prepare(&engine->space, deadline, object);
	if (status == STATUS_OK)
		status = machine_bit_prepare(&engine->space, object, machine->priority);
	if (status != STATUS_OK)
		return status;
	if (machine->deadline)
		deadline_remove(&engine->space, machine->deadline, object);
	deadline_insert(&engine->space, deadline, object);
	machine->deadline = deadline;
	machine->state = MACHINE_SLEEP;
	machine_bit_set(&engine->space, object, machine->priority, true);
	return STATUS_OK;
}

static void step_use(struct engine *engine)
{
	struct disk_capability capability;
	uint64_t number = 1 + draw(engine, 1000000);
	bool more = true;

	if (!engine->now.count)
		return;
	capability = engine->now.alive[draw(engine, engine->now.count)];
	if (capability.type == OBJECT_PORT)
		assert_int_equal(RETRY(engine, port_use(engine, &capability)), STATUS_OK);
	if (capability.type == OBJECT_MACHINE)
		assert_int_equal(RETRY(engine, machine_use(engine, &capability, number)),
				 STATUS_OK);
	while (more && capability.type == OBJECT_SEGMENT)
		assert_int_equal(RETRY(engine, segment_size_set(&engine->space,
								(object_t){capability.object},
								number % PAGE_SIZE, &more)),
				 STATUS_OK);
}

static void step_reclaim(struct engine *engine)
{
	bool more;

	assert_int_equal(RETRY(engine, object_destroy_step(&engine->space, &more, &engine->ended)),
			 STATUS_OK);
}

/* What is alive is exactly what the model says, by capability and by name. */
static void model_verify(struct engine *engine)
{
	struct directory_entry entry = {.length = 0};
	struct disk_capability found;
	uint32_t names = 0;
	char name[40];

	for (uint32_t i = 0; i < engine->now.count; i++) {
		struct disk_capability *capability = &engine->now.alive[i];
		size_t length = name_of(name, capability);

		assert_int_equal(RETRY(engine, object_resolve(&engine->space, capability,
							      OBJECT_NONE, 0, NULL)),
				 STATUS_OK);
		assert_int_equal(RETRY(engine, entry_lookup(&engine->space,
							    (object_t){OBJECT_ROOT_DIRECTORY}, name,
							    length, &found)),
				 STATUS_OK);
		assert_memory_equal(&found, capability, sizeof(found));
	}
	while (RETRY(engine, entry_next(&engine->space, (object_t){OBJECT_ROOT_DIRECTORY},
					entry.name, entry.length, &entry)) == STATUS_OK)
		names++;
	assert_int_equal(names, engine->now.count);
}

/* ---- verifying ------------------------------------------------------------------------- */

static enum status image_read(void *context, sector_t sector, uint32_t sectors, void *data)
{
	(void)context;
	memcpy(data, disk + sector.n * SECTOR_SIZE, (size_t)sectors * SECTOR_SIZE);
	return STATUS_OK;
}

static void image_report(void *context, const struct verify_finding *finding)
{
	(void)context;
	if (finding->severity == VERIFY_ERROR)
		fail_msg("verify: %s", finding->text);
}

static void image_verify(void)
{
	struct verify_reader reader = {.sectors = DISK_SECTORS, .read = image_read};
	struct verify_options options = {.report = image_report, .objects = verify_objects};
	struct verify *verify = verify_open(&reader, &options);

	assert_non_null(verify);
	assert_int_equal(verify_run(verify), STATUS_OK);
	verify_close(verify);
}

/* What is done after a commit is forgotten when the store is mounted anew; unless
 * memory was so short that it had to be committed on the way. */
static void engine_forget(struct engine *engine)
{
	struct model committed = engine->now;
	uint32_t commits = engine->commits;
	struct store_recovery recovery;

	step_create(engine);
	step_destroy(engine);
	if (engine->commits != commits)
		return;
	engine->now = committed;
	engine_stop(engine);
	engine_start(engine);
	assert_int_equal(store_mount(engine->space.store, &recovery), STATUS_OK);
	assert_int_equal(recovery.counters.object_version, committed.version);
	engine->space.version_floor = recovery.counters.object_version;
	engine->remounts++;
	model_verify(engine);
}

static void life(uint64_t seed)
{
	struct store_format_options format = {
		.identity = {1}, .sectors = DISK_SECTORS, .write_unit = SECTOR_SIZE, .label = "x"};
	struct engine engine = {.random = seed};

	memset(disk, 0, (size_t)DISK_SECTORS * SECTOR_SIZE);
	engine_start(&engine);
	assert_int_equal(store_format(engine.space.store, &format), STATUS_OK);
	assert_int_equal(RETRY(&engine, objects_format(&engine.space, LIMIT_PAGES)), STATUS_OK);
	engine.now.version = OBJECT_FIRST_FREE - 1;
	for (uint32_t round = 0; round < 5000; round++) {
		uint64_t pick = draw(&engine, 100);

		if (pick < 30)
			step_create(&engine);
		else if (pick < 50)
			step_destroy(&engine);
		else if (pick < 75)
			step_use(&engine);
		else if (pick < 95)
			step_reclaim(&engine);
		else
			engine_commit(&engine);
		if (pick < 95 && round % 500 != 499)
			continue;
		if (pick < 95)
			engine_commit(&engine);
		if (round % 7 == 0) {
			image_verify();
			model_verify(&engine);
		}
		if (round % 11 == 0)
			engine_forget(&engine);
	}
	model_verify(&engine);
	assert_true(engine.remounts > 3);
	engine_stop(&engine);
}

static void test_lives(void **state)
{
	(void)state;
	disk = malloc((size_t)DISK_SECTORS * SECTOR_SIZE);
	for (uint64_t seed = 1; seed <= 10; seed++)
		life(seed);
	free(disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
