/* SPDX-License-Identifier: MIT */
/*
 * host.c - opens a store in a file and drives its engine; see host.h.
 */
#include "tools/mkstore/host.h"
#include "base/assert.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "disk/partition.h"
#include "tools/mkstore/text.h"

/* A commit may first have to read the catalogue or wait for another; it never
 * asks for that this often. */
#define HOST_COMMIT_TRIES 1000000u

const struct command_option host_live_options[] = {HOST_LIVE_OPTION, {0}};
const struct command_option host_look_options[] = {HOST_SNAPSHOT_OPTION, HOST_LIVE_OPTION, {0}};

uint64_t host_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

enum status host_identity(uint8_t identity[16])
{
	if (getrandom(identity, 16, 0) != 16)
		return STATUS_IO;
	/* RFC 9562: version 4, the variant of that document. */
	identity[6] = (uint8_t)((identity[6] & 0x0f) | 0x40);
	identity[8] = (uint8_t)((identity[8] & 0x3f) | 0x80);
	return STATUS_OK;
}

/* ---- the engine's host ---------------------------------------------------- */

static void host_wake(void *context, store_channel_t channel)
{
	/* Whoever waits polls. */
	(void)context;
	(void)channel;
}

static void host_log(void *context, const char *line)
{
	struct host *host = context;

	snprintf(host->last_log, sizeof(host->last_log), "%s", line);
	if (host->verbose)
		command_note("%s: %s", host->path, line);
}

static void *host_map(size_t bytes)
{
	void *memory =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

/* An engine without a mounted store, with all its frames. */
static enum status host_engine(struct host *host)
{
	struct store_config config = {
		.device = host->device,
		.host = {.context = host, .wake = host_wake, .log = host_log},
		.limits = {.frames = host->frame_count,
			   .staging_bytes = HOST_STAGING_BYTES,
			   .read_requests = HOST_READS},
		.read_only = host->mode == HOST_READ || host->mode == HOST_READ_LIVE,
		.discard = host->mode == HOST_DISCARD,
	};

	ASSERT(!host->memory && !host->frames && !host->store);
	host->memory_bytes = store_memory_size(&config.limits);
	host->memory = host_map(host->memory_bytes);
	host->frames = host_map((size_t)host->frame_count * PAGE_SIZE);
	if (!host->memory || !host->frames)
		return STATUS_NO_MEMORY;
	config.memory = host->memory;
	config.frame_base = host->frames;
	TRY(store_init(&host->store, &config));
	for (uint32_t i = 0; i < host->frame_count; i++)
		TRY(store_frame_donate(host->store, (frame_t){i}));
	host->space = (struct space){.store = host->store, .frame_base = host->frames};
	return STATUS_OK;
}

static void host_engine_drop(struct host *host)
{
	if (host->memory)
		munmap(host->memory, host->memory_bytes);
	if (host->frames)
		munmap(host->frames, (size_t)host->frame_count * PAGE_SIZE);
	host->memory = NULL;
	host->frames = NULL;
	host->store = NULL;
}

/* ---- opening --------------------------------------------------------------- */

static void host_unlocated(const struct host *host, enum status status, const char *why)
{
	uint64_t bytes = host->partition.disk_sectors * SECTOR_SIZE;

	if (status == STATUS_NOT_FOUND)
		command_error("%s: a partitioned disk without a store: none of its partitions has "
			      "the type %s",
			      host->path, DISK_PARTITION_TYPE_TEXT);
	else if (status == STATUS_TRUNCATED)
		command_error("%s: the disk ends at sector %" PRIu64
			      ", within or before its store partition %" PRIu32 " (sectors %" PRIu64
			      " to %" PRIu64 "): it was truncated; make it %" PRIu64
			      " sectors (%" PRIu64 " bytes) long again, or save what is left with "
			      "'mkstore salvage'",
			      host->path, file_device_bytes(host->file) / SECTOR_SIZE,
			      host->partition.number, host->partition.first,
			      host->partition.first + host->partition.sectors - 1,
			      bytes / SECTOR_SIZE, bytes);
	else
		command_error("%s: its partition table cannot be used: %s", host->path, why);
}

/* A store of its own begins with its superblock; a disk image has a partition
 * table.  With neither, the engine looks at the whole file and says what is
 * wrong (the copy of the superblock may still be there). */
static enum command_exit host_locate(struct host *host)
{
	static const uint8_t type[16] = DISK_PARTITION_TYPE;
	uint64_t sectors = file_device_bytes(host->file) / SECTOR_SIZE, magic = 0;
	struct gpt_partition *found = &host->partition;
	uint8_t buffer[GPT_BUFFER];
	struct gpt_access access = {.buffer = buffer};
	const char *why;
	enum status status;

	host->device = file_device_block(host->file, 0, sectors);
	if (file_device_read(host->file, 0, &magic, sizeof(magic)) == STATUS_OK &&
	    magic == DISK_MAGIC_SUPERBLOCK)
		return COMMAND_OK;
	access.disk = host->device;
	status = gpt_find(&access, type, found, &why);
	if (status == STATUS_FORMAT)
		return COMMAND_OK;
	if (status == STATUS_TRUNCATED && host->mode == HOST_SALVAGE && found->first < sectors) {
		found->sectors = sectors - found->first;
		status = STATUS_OK;
	}
	if (status != STATUS_OK) {
		host_unlocated(host, status, why);
		return COMMAND_NO_STORE;
	}
	if (why && !host->again)
		command_note("%s: %s", host->path, why);
	host->partitioned = true;
	host->second_table = why != NULL;
	host->device = file_device_block(host->file, found->first, found->sectors);
	if (found->sector_bytes > host->device->write_unit)
		host->device->write_unit = found->sector_bytes;
	return COMMAND_OK;
}

/* A live state that is a part of another store's is for nobody but `receive`. */
static enum command_exit host_receiving_check(struct host *host)
{
	struct disk_receiving receiving;
	enum host_mode mode = host->mode;

	if (mode == HOST_RECEIVE)
		host->mode = HOST_WRITE;
	store_receiving_get(host->store, &receiving);
	if (!receiving.generation || (mode != HOST_WRITE && mode != HOST_DISCARD))
		return COMMAND_OK;
	return command_error(
		"%s: it is receiving generation %" PRIu64
		" of another store: go on with 'mkstore receive', or give that up with "
		"'mkstore receive --abort'",
		host->path, receiving.generation);
}

static void host_mount_note(const struct host *host)
{
	const struct store_recovery *recovery = &host->recovery;

	if (recovery->superblock_damaged)
		command_note("%s: one of its two superblocks is damaged or behind; %s", host->path,
			     host->device->read_only ? "'mkstore scrub --repair' writes it anew"
						     : "it was written anew from the other");
	if (recovery->torn.n)
		command_note("%s: generation %" PRIu64
			     " was cut off while it was written; using %" PRIu64
			     ", the last whole one",
			     host->path, recovery->torn.n, recovery->generation.n);
}

void host_set_aside(struct host *host)
{
	/* The system page stands for all of them: that there are any is what counts. */
	static const struct store_pages run = {{SYSTEM_PAGE}, 1};

	store_essential_set(host->store, &run, 1);
}

/* Without a commit, which HOST_RETRY may make. */
static enum status host_system_read(struct host *host, const struct disk_system **system)
{
	enum status status;

	do {
		store_operation_begin(host->store);
		status = system_read(&host->space, system);
	} while (status == STATUS_WAIT && store_wait(host->store));
	return status;
}

static enum status host_engine_mount(struct host *host)
{
	const struct disk_system *system;

	TRY(store_mount(host->store, &host->recovery));
	host->space.version_floor = host->recovery.counters.object_version;
	/* A store that holds a system keeps what its essential machines need, or the system
	 * could not be used when it is resumed. */
	if (host_system_read(host, &system) == STATUS_OK &&
	    (system->terminal.version || system->essential[0].version))
		host_set_aside(host);
	return STATUS_OK;
}

/* The live state is another one now: the engine begins anew. */
static enum status host_remount(struct host *host)
{
	host_engine_drop(host);
	TRY(host_engine(host));
	return host_engine_mount(host);
}

static enum command_exit host_mount(struct host *host)
{
	enum status status = host_engine(host);
	char text[HOST_STATUS_TEXT];

	if (status != STATUS_OK)
		return command_error("%s: cannot set up the store engine: %s", host->path,
				     status_text(status));
	if (host->mode == HOST_FORMAT)
		return COMMAND_OK;
	status = host_engine_mount(host);
	if (status == STATUS_OK) {
		if (!host->again)
			host_mount_note(host);
		return host_receiving_check(host);
	}
	command_error("%s: %s: %s", host->path, host_status_text(host, status, text),
		      host->recovery.explanation[0] ? host->recovery.explanation
						    : "it cannot be opened");
	return COMMAND_NO_STORE;
}

/* Opens the file; nothing of what is in it is looked at. */
static enum command_exit host_file_open(struct host *host,
					const struct command_invocation *invocation,
					enum host_mode mode, bool again)
{
	static const enum file_device_mode modes[] = {
		[HOST_READ] = FILE_DEVICE_READ,		 [HOST_READ_LIVE] = FILE_DEVICE_READ_LIVE,
		[HOST_WRITE] = FILE_DEVICE_WRITE,	 [HOST_FORMAT] = FILE_DEVICE_WRITE,
		[HOST_RAW] = FILE_DEVICE_READ,		 [HOST_RECEIVE] = FILE_DEVICE_WRITE,
		[HOST_RAW_LIVE] = FILE_DEVICE_READ_LIVE, [HOST_DISCARD] = FILE_DEVICE_WRITE,
		[HOST_SALVAGE] = FILE_DEVICE_READ,
	};
	char why[512];
	enum status status;

	ASSERT(invocation->operands && mode < sizeof(modes) / sizeof(modes[0]));
	*host = (struct host){.path = invocation->operand[0],
			      .mode = mode,
			      .verbose = invocation->verbose,
			      .again = again,
			      .frame_count = HOST_FRAMES};
	status = file_device_open(&host->file, host->path, modes[mode], why, sizeof(why));
	if (status == STATUS_OK)
		return COMMAND_OK;
	command_error("%s%s", why,
		      status == STATUS_BUSY && command_takes(invocation->command, "live")
			      ? ", or read it beside that with --live"
			      : "");
	return status == STATUS_BUSY ? COMMAND_IN_USE : COMMAND_NO_STORE;
}

static enum command_exit host_enter(struct host *host)
{
	bool mounts =
		host->mode != HOST_RAW && host->mode != HOST_RAW_LIVE && host->mode != HOST_SALVAGE;
	enum command_exit result = host_locate(host);

	if (result == COMMAND_OK && mounts)
		result = host_mount(host);
	if (result != COMMAND_OK)
		host_close(host);
	return result;
}

static enum command_exit host_begin(struct host *host, const struct command_invocation *invocation,
				    enum host_mode mode, bool again)
{
	TRY(host_file_open(host, invocation, mode, again));
	return host_enter(host);
}

enum command_exit host_open(struct host *host, const struct command_invocation *invocation,
			    enum host_mode mode)
{
	return host_begin(host, invocation, mode, false);
}

enum command_exit host_open_format(struct host *host, const struct command_invocation *invocation,
				   uint64_t below, uint64_t bytes, bool *made)
{
	const char *path = invocation->operand[0];
	int descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	enum command_exit result;
	enum status status = STATUS_OK;

	*made = descriptor >= 0;
	if (*made)
		close(descriptor);
	else if (errno != EEXIST)
		return command_error("cannot create '%s': %s", path, strerror(errno));
	result = host_file_open(host, invocation, HOST_FORMAT, false);
	/* That no store can be opened is what formatting is for. */
	if (result != COMMAND_OK)
		return result == COMMAND_IN_USE ? COMMAND_IN_USE : COMMAND_FAILED;
	if (file_device_bytes(host->file) < below)
		status = file_device_resize(host->file, bytes);
	/* INVALID: a block device, which is as large as it is. */
	if (status == STATUS_OK || status == STATUS_INVALID)
		return host_enter(host);
	command_error("cannot give '%s' its size: %s", host->path,
		      strerror(file_device_error(host->file)));
	host_close(host);
	return COMMAND_FAILED;
}

/* The snapshot takes the place of the live state, before anything of that was read. */
static enum command_exit host_show(struct host *host, const char *name)
{
	struct store_snapshot snapshot;
	struct store_view view;
	enum status status = lookup_snapshot(host, name, &snapshot);

	ASSERT(host->mode == HOST_READ || host->mode == HOST_READ_LIVE);
	if (status == STATUS_OK)
		status = HOST_RETRY(host, store_view_open(host->store, snapshot.number, &view));
	if (status != STATUS_OK) {
		lookup_result(host, status, "look into the snapshot", name);
		host_close(host);
		return COMMAND_FAILED;
	}
	store_view_show(host->store, &view);
	host->recovery.generation = snapshot.generation;
	host->recovery.counters.uptime_ns = snapshot.uptime_ns;
	host->recovery.wall_ns = snapshot.wall_ns;
	return COMMAND_OK;
}

static enum command_exit host_begin_read(struct host *host,
					 const struct command_invocation *invocation, bool again)
{
	bool live = command_value(invocation, "live") != NULL;
	const char *snapshot = command_value(invocation, "snapshot");
	struct disk_receiving receiving;

	TRY(host_begin(host, invocation, live ? HOST_READ_LIVE : HOST_READ, again));
	if (snapshot)
		return host_show(host, snapshot);
	if (again)
		return COMMAND_OK;
	store_receiving_get(host->store, &receiving);
	if (receiving.generation)
		command_note("%s: it is receiving a stream; its live state is only a part of that",
			     host->path);
	return COMMAND_OK;
}

enum command_exit host_open_read(struct host *host, const struct command_invocation *invocation)
{
	return host_begin_read(host, invocation, false);
}

enum command_exit host_open_again(struct host *host, const struct command_invocation *invocation)
{
	return host_begin_read(host, invocation, true);
}

enum command_exit host_open_device(struct host *host, struct block_device *device, const char *name,
				   enum host_mode mode, uint32_t frames)
{
	enum command_exit result;

	ASSERT(device && frames);
	*host = (struct host){.path = name, .mode = mode, .device = device, .frame_count = frames};
	result = host_mount(host);
	if (result != COMMAND_OK)
		host_close(host);
	return result;
}

void host_close(struct host *host)
{
	host_engine_drop(host);
	file_device_close(host->file);
	host->file = NULL;
	host->device = NULL;
}

enum status host_mount_device(struct host *host, struct block_device *device)
{
	ASSERT(device);
	host->device = device;
	host->mode = HOST_READ;
	host->last_log[0] = 0;
	return host_remount(host);
}

/* ---- waiting and committing ------------------------------------------------- */

enum status host_failure(struct host *host)
{
	enum status health = store_health(host->store);

	return health == STATUS_OK ? STATUS_NO_MEMORY : health;
}

static bool host_writes(const struct host *host)
{
	return host->mode == HOST_WRITE || host->mode == HOST_FORMAT || host->mode == HOST_DISCARD;
}

bool host_wait(struct host *host)
{
	/* Memory or reservations come back with a commit, and nobody else starts one. */
	if (host_writes(host) && store_channel(host->store).n < STORE_CHANNEL_FIXED &&
	    !store_committing(host->store) && store_dirty(host->store))
		return host_commit(host, STORE_ACTION_NONE, (snapshot_t){0}, "") == STATUS_OK;
	return store_wait(host->store);
}

/* The largest object version handed out may be above what the last commit's
 * counters say.  If the system page cannot be read, nothing was created since,
 * and a snapshot can still be restored. */
static struct disk_counters host_counters(struct host *host)
{
	struct disk_counters counters = host->recovery.counters;
	const struct disk_system *system;

	if (!host->receiving && host_system_read(host, &system) == STATUS_OK &&
	    objects_version(&host->space, system) > counters.object_version)
		counters.object_version = objects_version(&host->space, system);
	return counters;
}

static enum status commit_once(struct host *host, struct store_commit_request *request)
{
	struct disk_counters counters = host_counters(host);
	generation_t generation;
	enum status status = STATUS_OK;

	ASSERT(host_writes(host));
	/* What was asked for may be above it. */
	if (counters.object_version < request->counters.object_version)
		counters.object_version = request->counters.object_version;
	if (counters.uptime_ns < request->counters.uptime_ns)
		counters.uptime_ns = request->counters.uptime_ns;
	request->counters = counters;
	request->offline = true;
	if (!request->wall_ns)
		request->wall_ns = host->wall_ns ? host->wall_ns : host_now_ns();
	if (host->receiving && !request->receiving_set) {
		request->receiving_set = true;
		request->receiving = *host->receiving;
	}
	store_operation_begin(host->store);
	for (unsigned tries = 0; tries < HOST_COMMIT_TRIES; tries++) {
		status = store_commit(host->store, request, &generation);
		if (status == STATUS_BUSY)
			status = store_settle(host->store) == STATUS_OK ? STATUS_WAIT : STATUS_IO;
		else if (status == STATUS_WAIT && !store_wait(host->store))
			status = host_failure(host);
		if (status != STATUS_WAIT)
			break;
	}
	if (status == STATUS_OK)
		status = store_settle(host->store);
	if (status != STATUS_OK)
		return status;
	host->recovery.counters = request->counters;
	return store_replaced(host->store) ? host_remount(host) : STATUS_OK;
}

enum status host_commit_request(struct host *host, struct store_commit_request *request)
{
	enum status status = commit_once(host, request);
	bool room =
		request->action == STORE_ACTION_SNAPSHOT || request->action == STORE_ACTION_RESTORE;

	/* Behind a mount all that the predecessor had in use counts as taken, and what
	 * deltas have reserved: as for a page, two commits show what is free. */
	for (unsigned i = 0; room && i < 2 && status == STATUS_NO_SPACE; i++) {
		struct store_commit_request settle = {.action = STORE_ACTION_NONE};

		status = commit_once(host, &settle);
		if (status == STATUS_OK)
			status = commit_once(host, request);
	}
	return status;
}

enum status host_commit(struct host *host, enum store_action action, snapshot_t number,
			const char *name)
{
	struct store_commit_request request = {.action = action, .number = number};

	ASSERT(strlen(name) < sizeof(request.name));
	memcpy(request.name, name, strnlen(name, sizeof(request.name) - 1));
	return host_commit_request(host, &request);
}
