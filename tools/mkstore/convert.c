/* SPDX-License-Identifier: MIT */
/*
 * convert.c - `convert`: a store made by an older program gets the features of this one.
 *
 * Only the superblocks are written, and only after a clean stop, so that nothing has to be
 * recovered by a program that does not know them.  A commit follows, the first that uses
 * them.  Interrupted anywhere, the store has the old features or the new ones.
 */
#include <inttypes.h>

#include "tools/mkstore/command.h"
#include "tools/mkstore/host.h"
#include "tools/mkstore/show.h"

static enum command_exit convert_store(struct host *host, bool as_json)
{
	struct store_features before, after;
	struct show show;
	enum status status = STATUS_OK;

	store_features_get(host->store, &before);
	if (host->recovery.stop == STORE_STOP_POWER_CUT) {
		command_error("%s: the system was cut off: boot it with the program that made it, "
			      "stop it by 'poweroff', and convert it then",
			      host->path);
		return COMMAND_FAILED;
	}
	status = store_convert(host->store);
	if (status == STATUS_OK)
		status = host_commit(host, STORE_ACTION_NONE, (snapshot_t){0}, "");
	if (status != STATUS_OK)
		return host_error(host, status, "cannot convert it");
	store_features_get(host->store, &after);
	show_begin(&show, as_json);
	show_fact(&show, "incompatible_added", "features added");
	show_number(&show, after.incompatible & ~before.incompatible);
	show_fact(&show, "read_only_added", "for writing");
	show_number(&show, after.read_only & ~before.read_only);
	show_fact(&show, "generation", "generation");
	show_number(&show, store_durable(host->store).n);
	show_end(&show);
	return COMMAND_OK;
}

static enum command_exit convert_run(const struct command_invocation *invocation)
{
	struct host host;
	enum command_exit result = host_open(&host, invocation, HOST_WRITE);

	if (result != COMMAND_OK)
		return result;
	result = convert_store(&host, invocation->json);
	host_close(&host);
	return result;
}

const struct command command_convert = {
	.name = "convert",
	.usage = "IMAGE",
	.summary = "Gives an older store the features of this program",
	.details =
		"A store keeps the format it was made with, and is used as it is.  This adds what\n"
		"newer programs know; older ones can then only read it, or refuse it.  The system\n"
		"in it must have been stopped on purpose.  Nothing is copied, nothing is lost.\n",
	.operands_min = 1,
	.operands_max = 1,
	.run = convert_run,
};
