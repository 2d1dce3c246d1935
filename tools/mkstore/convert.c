/* SPDX-License-Identifier: MIT */
/*
 * convert.c - `convert`, `identity`, `discard` and `grow`.
 *
 * convert: a store made by an older program gets the features of this one.  Only the superblocks
 * are written, and only after a clean stop, so that nothing has to be recovered by a program that
 * does not know them.  A commit follows, the first that uses them.  Interrupted anywhere, the store
 * has the old features or the new ones.
 *
 * identity: a copy of a store is told apart from the store.  What the copies have in common,
 * and the checksums of all records are bound to, stays: only the superblocks are written (see
 * struct disk_superblock).  Nothing of what recovery goes by is changed, so it does not matter
 * whether the system was stopped or cut off.
 *
 * discard: gives free space back to what the image lies on.
 *
 * grow: the file, the partition, the store become larger, in this order, each step whole before the
 * next, so that an interruption leaves a store that is sound and smaller than its place; `grow
 * IMAGE max` then goes on.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/quantity.h"
#include "disk/partition.h"
#include "drivers/gpt.h"
#include "tools/mkstore/command.h"
#include "tools/mkstore/host.h"
#include "tools/mkstore/show.h"
#include "tools/mkstore/text.h"

static enum command_exit convert_run(const struct command_invocation *invocation)
{
	struct host *host = invocation->host;
	struct show *show = invocation->show;
	struct store_features before, after;

	store_features_get(host->store, &before);
	if (host->recovery.stop == STORE_STOP_POWER_CUT)
		return command_error(
			"%s: the system was cut off: boot it with the program that made it, "
			"stop it by 'poweroff', and convert it then",
			host->path);
	TRY(host_result(host, store_convert(host->store), "cannot convert it"));
	TRY(host_result(host, host_commit(host, STORE_ACTION_NONE, (snapshot_t){0}, ""),
			"cannot convert it"));
	store_features_get(host->store, &after);
	fact_number(show, "incompatible_added", "features added",
		    after.incompatible & ~before.incompatible);
	fact_number(show, "read_only_added", "for writing", after.read_only & ~before.read_only);
	fact_number(show, "generation", "generation", store_durable(host->store).n);
	return COMMAND_OK;
}

static enum command_exit identity_run(const struct command_invocation *invocation)
{
	struct host *host = invocation->host;
	struct store_statistics statistics;
	struct store_details details;
	uint8_t copy[16];
	enum status status = host_identity(copy);

	if (status == STATUS_OK)
		status = store_copy_set(host->store, copy);
	TRY(host_result(host, status, "cannot give it an identity of its own"));
	store_statistics_get(host->store, &statistics);
	store_details_get(host->store, &details);
	fact_identity(invocation->show, "identity", "identity", statistics.identity);
	fact_identity(invocation->show, "copy", "copy", details.copy);
	return COMMAND_OK;
}

static void discard_result(const struct host *host, struct show *show, uint64_t discarded,
			   uint64_t before)
{
	uint64_t after = file_device_occupied(host->file);
	char size[TEXT_SIZE], from[TEXT_SIZE], to[TEXT_SIZE];

	fact_text(show, "image", NULL, host->path);
	fact_number(show, "discarded_bytes", NULL, discarded);
	fact_number(show, "occupied_before_bytes", NULL, before);
	fact_number(show, "occupied_bytes", NULL, after);
	if (show->as_json)
		return;
	printf("%s free and discarded", text_size(size, discarded));
	if (before)
		printf("; the file took up %s and takes up %s", text_size(from, before),
		       text_size(to, after));
	printf("\n");
}

static enum command_exit discard_run(const struct command_invocation *invocation)
{
	struct host *host = invocation->host;
	uint64_t bytes, before;
	enum status status;

	TRY(host_open(host, invocation, HOST_DISCARD));
	before = file_device_occupied(host->file);
	status = host_discard(host, &bytes);
	if (status == STATUS_NO_OPERATION || (status == STATUS_OK && !host->device->discards))
		return command_error("%s: the file system or disk that it lies on cannot discard",
				     host->path);
	TRY(host_result(host, status, "cannot give free space back"));
	discard_result(host, invocation->show, bytes, before);
	return COMMAND_OK;
}

const struct command command_convert = {
	.name = "convert",
	.usage = "IMAGE",
	.summary = "Gives an older store the features of this program",
	.details =
		"A store keeps the format it was made with, and is used as it is.  This adds what\n"
		"newer programs know; older ones can then only read it, or refuse it.  The system\n"
		"in it must have been stopped on purpose.  Nothing is copied, nothing is lost.\n",
	.opens = COMMAND_WRITES,
	.run = convert_run,
};

const struct command command_identity = {
	.name = "identity",
	.usage = "IMAGE",
	.summary = "Gives a copy of a store an identity of its own",
	.details =
		"A machine with two equal stores refuses both, as it cannot know which is meant.\n"
		"IMAGE keeps all that is in it, and the past that it has in common with the "
		"other:\n"
		"increments go on from one to the other.\n",
	.opens = COMMAND_WRITES,
	.run = identity_run,
};

const struct command command_discard = {
	.name = "discard",
	.usage = "IMAGE",
	.summary = "Gives all free space back to the file system",
	.details =
		"Commits once, so that the two newest generations agree about what is free, and\n"
		"tells the file system or disk that nothing there is needed: a file gets holes.\n"
		"The running system does so by itself where its disk allows it.\n",
	.run = discard_run,
};

/* ---- grow ------------------------------------------------------------------------------- */

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

	if (sectors > DISK_SECTORS_MAX)
		sectors = DISK_SECTORS_MAX;
	if (sectors < before + STORE_GROW_MIN)
		return command_error("%s: the store fills its place already (%" PRIu64
				     " bytes); name a larger size, or make its disk larger first",
				     host->path, before * SECTOR_SIZE);
	request.sectors = sectors;
	TRY(host_result(host, host_commit_request(host, &request), "cannot grow the store"));
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
	TRY(host_open(host, invocation, HOST_WRITE));
	store_statistics_get(host->store, &statistics);
	present = file_device_bytes(host->file);
	if (!most && bytes < present)
		return command_error("%s: has %" PRIu64 " bytes: a store cannot shrink to %" PRIu64,
				     host->path, present, bytes);
	TRY(grow_place(host, statistics.sectors, most ? present : bytes));
	host_close(host);
	TRY(host_open(host, invocation, HOST_WRITE));
	return grow_store(host, statistics.sectors, invocation->show);
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
