/* SPDX-License-Identifier: MIT */
/*
 * log.c - `log`: what the programs of a system have said last.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tools/mkstore/command.h"
#include "tools/mkstore/host.h"
#include "tools/mkstore/show.h"

#define LOG_TEXT_BYTES (LOG_PAGES * PAGE_SIZE)

static enum command_exit log_run(const struct command_invocation *invocation)
{
	char *text = malloc(LOG_TEXT_BYTES);
	size_t length = 0, piece = 0;
	uint64_t from = 0;
	struct host *host = invocation->host;
	struct json *json;
	enum status status = text ? STATUS_OK : STATUS_NO_MEMORY;
	enum command_exit result = COMMAND_OK;

	/* Nobody writes meanwhile, so it fits. */
	while (status == STATUS_OK && length < LOG_TEXT_BYTES) {
		status = HOST_RETRY(host, log_read(&host->space, &from, text + length,
						   LOG_TEXT_BYTES - length, &piece));
		if (status == STATUS_OK) {
			length += piece;
			from += piece;
		}
	}
	if (status != STATUS_OK && status != STATUS_EMPTY) {
		result = host_error(host, status, "cannot read the log");
	} else if ((json = show_json(invocation->show)) != NULL) {
		json_number(json, "generation", host->recovery.generation.n);
		json_number(json, "end_bytes", from);
		json_bytes(json, "text", text, length);
	} else {
		fwrite(text, 1, length, stdout);
	}
	free(text);
	return result;
}

const struct command command_log = {
	.name = "log",
	.usage = "IMAGE",
	.summary = "Prints the system's log",
	.details = "What programs have written to it, as far as it goes back, byte for byte.  In\n"
		   "JSON, end_bytes is how much was ever written.\n",
	.options = host_look_options,
	.opens = COMMAND_READS,
	.run = log_run,
};
