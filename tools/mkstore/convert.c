/* SPDX-License-Identifier: MIT */
/*
 * convert.c - `convert`, `identity` and `discard`.
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
 */
#include <inttypes.h>
#include <stdio.h>

#include "tools/mkstore/command.h"
#include "tools/mkstore/host.h"
#include "tools/mkstore/show.h"
#include "tools/mkstore/text.h"

static enum command_exit convert_run(const struct command_invocation *invocation)
{
	struct host *host = invocation->host;
	struct show *show = invocation->show;
	struct store_features before, after;
	enum status status;

	store_features_get(host->store, &before);
	if (host->recovery.stop == STORE_STOP_POWER_CUT)
		return command_error(
			"%s: the system was cut off: boot it with the program that made it, "
			"stop it by 'poweroff', and convert it then",
			host->path);
	status = store_convert(host->store);
	if (status == STATUS_OK)
		status = host_commit(host, STORE_ACTION_NONE, (snapshot_t){0}, "");
	if (status != STATUS_OK)
		return host_error(host, status, "cannot convert it");
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
	uint8_t copy[16];
	enum status status = host_identity(copy);

	if (status == STATUS_OK)
		status = store_copy_set(host->store, copy);
	if (status != STATUS_OK)
		return host_error(host, status, "cannot give it an identity of its own");
	store_statistics_get(host->store, &statistics);
	fact_identity(invocation->show, "identity", "identity", statistics.identity);
	fact_identity(invocation->show, "copy", "copy", statistics.copy);
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
	enum command_exit result = host_open(host, invocation, HOST_DISCARD);

	if (result != COMMAND_OK)
		return result;
	before = file_device_occupied(host->file);
	status = host_discard(host, &bytes);
	if (status == STATUS_NO_OPERATION || (status == STATUS_OK && !host->device->discards))
		return command_error("%s: the file system or disk that it lies on cannot discard",
				     host->path);
	if (status != STATUS_OK)
		return host_error(host, status, "cannot give free space back");
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
