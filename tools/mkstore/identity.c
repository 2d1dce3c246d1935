/* SPDX-License-Identifier: MIT */
/*
 * identity.c - `identity`: a copy of a store is told apart from the store.
 *
 * What the copies have in common, and the checksums of all records are bound to, stays:
 * only the superblocks are written (see struct disk_superblock).  Nothing of what recovery
 * goes by is changed, so it does not matter whether the system was stopped or cut off.
 */
#include "tools/mkstore/command.h"
#include "tools/mkstore/host.h"
#include "tools/mkstore/show.h"
#include "tools/mkstore/text.h"

static enum command_exit identity_run(const struct command_invocation *invocation)
{
	struct store_statistics statistics;
	char text[TEXT_IDENTITY];
	uint8_t copy[16];
	struct host host;
	struct show show;
	enum status status;
	enum command_exit result = host_open(&host, invocation, HOST_WRITE);

	if (result != COMMAND_OK)
		return result;
	status = host_identity(copy);
	if (status == STATUS_OK)
		status = store_copy_set(host.store, copy);
	if (status == STATUS_OK) {
		store_statistics_get(host.store, &statistics);
		show_begin(&show, invocation->json);
		show_fact(&show, "identity", "identity");
		show_text(&show, text_identity(text, statistics.identity));
		show_fact(&show, "copy", "copy");
		show_text(&show, text_identity(text, statistics.copy));
		show_end(&show);
	} else {
		result = host_error(&host, status, "cannot give it an identity of its own");
	}
	host_close(&host);
	return result;
}

const struct command command_identity = {
	.name = "identity",
	.usage = "IMAGE",
	.summary = "Gives a copy of a store an identity of its own",
	.details =
		"A machine with two equal stores refuses both, as it cannot know which is meant.\n"
		"IMAGE keeps all that is in it, and the past that it has in common with the "
		"other:\n"
		"increments go on from one to the other.\n",
	.operands_min = 1,
	.operands_max = 1,
	.run = identity_run,
};
