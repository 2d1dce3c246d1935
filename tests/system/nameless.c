/* SPDX-License-Identifier: MIT */
/*
 * nameless.c - takes the machine that serves the terminal out of a store's system page,
 * as in states from before it was named there.
 *
 *     nameless IMAGE
 */
#include "tools/mkstore/host.h"

#include <string.h>

static enum status system_forget(struct host *host)
{
	struct disk_system *system;
	enum status status = HOST_RETRY(host, system_prepare(&host->space, &system));

	if (status == STATUS_OK)
		memset(&system->terminal, 0, sizeof(system->terminal));
	return status == STATUS_OK ? host_finish(host) : status;
}

int main(int count, char **words)
{
	struct command_invocation invocation = {.operand = {words[count - 1]}, .operands = 1};
	struct host host;
	bool done;

	if (host_open(&host, &invocation, HOST_WRITE) != COMMAND_OK)
		return 1;
	done = system_forget(&host) == STATUS_OK;
	host_close(&host);
	return !done;
}
