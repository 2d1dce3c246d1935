/* SPDX-License-Identifier: MIT */
/*
 * grow.c - `grow`: the file, the partition, the store become larger.
 *
 * In this order, each step whole before the next, so that an interruption leaves
 * a store that is sound and smaller than its place; `grow IMAGE max` then goes on.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "disk/partition.h"
#include "base/quantity.h"
#include "drivers/gpt.h"
#include "tools/mkstore/command.h"
#include "tools/mkstore/host.h"
#include "tools/mkstore/show.h"
#include "tools/mkstore/text.h"

static enum command_exit grow_refused(const struct host *host, enum status status, uint64_t bytes)
{
	const char *why = status_text(status);

	if (status == STATUS_LIMIT)
		why = "its file system takes no file so large";
	else if (status == STATUS_NO_SPACE)
		why = "its file system is full";
	else if (status == STATUS_INVALID)
		why = "it is no file; enlarge the disk, then say 'max'";
	return command_error("%s: cannot make it %" PRIu64 " bytes long: %s", host->path, bytes,
			     why);
}

/* The file becomes larger and, on a partitioned disk, the partition of the store, which has
 * so many sectors. */
static enum command_exit grow_place(struct host *host, uint64_t sectors, uint64_t bytes)
{
	static const uint8_t type[16] = DISK_PARTITION_TYPE;
	uint64_t before = file_device_bytes(host->file);
	struct gpt_partition found = {.sectors = sectors};
	uint8_t buffer[GPT_BUFFER];
	struct gpt_access access = {.buffer = buffer};
	const char *why = NULL;
	enum status status = STATUS_OK;

	if (bytes > before)
		status = file_device_resize(host->file, bytes);
	if (status != STATUS_OK)
		return grow_refused(host, status, bytes);
	if (!host->partitioned)
		return COMMAND_OK;
	access.disk = file_device_block(host->file, 0, file_device_bytes(host->file) / SECTOR_SIZE);
	status = gpt_grow(&access, type, &found, &why);
	if (status == STATUS_OK)
		return COMMAND_OK;
	/* Refused before anything was written: as if nothing had been asked for. */
	if (bytes > before &&
	    (status == STATUS_BUSY || status == STATUS_FORMAT || status == STATUS_CORRUPT))
		(void)file_device_resize(host->file, before);
	return command_error("%s: its store partition cannot grow: %s", host->path, why);
}

static enum command_exit grow_store(struct host *host, uint64_t before, struct show *show)
{
	struct store_commit_request request = {.action = STORE_ACTION_GROW};
	uint64_t sectors = host->device->sectors / BLOCK_SECTORS * BLOCK_SECTORS;
	enum status status;

	if (sectors > DISK_SECTORS_MAX)
		sectors = DISK_SECTORS_MAX;
	if (sectors < before + STORE_GROW_MIN)
		return command_error("%s: the store fills its place already (%" PRIu64
				     " bytes); name a larger size, or make its disk larger first",
				     host->path, before * SECTOR_SIZE);
	request.sectors = sectors;
	status = host_commit_request(host, &request);
	if (status != STATUS_OK)
		return host_error(host, status, "cannot grow the store");
	fact_sectors(show, "before_sectors", "before", before);
	fact_sectors(show, "sectors", "size", sectors);
	fact_number(show, "generation", "generation", store_durable(host->store).n);
	return COMMAND_OK;
}

static enum command_exit grow_run(const struct command_invocation *invocation)
{
	bool most = strcmp(invocation->operand[1], "max") == 0;
	struct store_statistics statistics;
	struct host *host = invocation->host;
	uint64_t bytes = 0, present;
	enum command_exit result;

	if (!most &&
	    (!quantity_parse(invocation->operand[1], QUANTITY_SIZE, &bytes) || bytes % BLOCK_SIZE))
		return command_misuse(
			"'%s' is no size: a multiple of 4096 bytes as 128M, 2G, or 'max'",
			invocation->operand[1]);
	if (bytes / SECTOR_SIZE > DISK_SECTORS_MAX)
		return command_misuse("'%s' is too large: a store has at most %u TiB",
				      invocation->operand[1],
				      (unsigned)(DISK_SECTORS_MAX >> 40) * SECTOR_SIZE);
	/* Only a store that can be used is worth more room. */
	result = host_open(host, invocation, HOST_WRITE);
	if (result != COMMAND_OK)
		return result;
	store_statistics_get(host->store, &statistics);
	present = file_device_bytes(host->file);
	if (!most && bytes < present)
		return command_error("%s: has %" PRIu64 " bytes: a store cannot shrink to %" PRIu64,
				     host->path, present, bytes);
	result = grow_place(host, statistics.sectors, most ? present : bytes);
	if (result != COMMAND_OK)
		return result;
	host_close(host);
	result = host_open(host, invocation, HOST_WRITE);
	return result == COMMAND_OK ? grow_store(host, statistics.sectors, invocation->show)
				    : result;
}

const struct command command_grow = {
	.name = "grow",
	.usage = "IMAGE SIZE|max",
	.summary = "Makes a store larger",
	.details =
		"IMAGE becomes SIZE large (bytes, or 128M, 2G) and the store with it; 'max' takes\n"
		"what there is, as on a disk that was made larger.  In a disk image the store's\n"
		"partition is extended and the second partition table moved to the new end.\n"
		"Nothing is copied.  A store cannot shrink.\n",
	.run = grow_run,
};
