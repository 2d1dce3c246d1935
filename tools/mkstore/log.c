/* SPDX-License-Identifier: MIT */
/*
 * log.c - `log`: what the programs of a system have said last.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tools/mkstore/command.h"
#include "tools/mkstore/host.h"
#include "tools/mkstore/json.h"

#define LOG_TEXT_BYTES (LOG_PAGES * PAGE_SIZE)

static enum command_exit log_run(const struct command_invocation *invocation)
{
	char *text = malloc(LOG_TEXT_BYTES);
	size_t length = 0, piece = 0;
	uint64_t from = 0;
	struct json json;
	struct host host;
	enum status status = text ? STATUS_OK : STATUS_NO_MEMORY;
	enum command_exit result = host_open_read(&host, invocation);

	if (result != COMMAND_OK) {
		free(text);
		return result;
	}
	/* Nobody writes meanwhile, so it fits. */
	while (status == STATUS_OK && length < LOG_TEXT_BYTES) {
		status = HOST_RETRY(&host, log_read(&host.space, &from, text + length,
						    LOG_TEXT_BYTES - length, &piece));
		if (status == STATUS_OK) {
			length += piece;
			from += piece;
		}
	}
	if (status != STATUS_OK && status != STATUS_EMPTY) {
		result = host_error(&host, status, "cannot read the log");
	} else if (invocation->json) {
		json_begin(&json, stdout);
		json_object(&json, NULL);
		json_number(&json, "generation", host.recovery.generation.n);
		json_number(&json, "end_bytes", from);
		json_bytes(&json, "text", text, length);
		json_object_end(&json);
		json_end(&json);
	} else {
		fwrite(text, 1, length, stdout);
	}
	free(text);
	host_close(&host);
	return result;
}

static const struct command_option log_options[] = {HOST_SNAPSHOT_OPTION, HOST_LIVE_OPTION, {0}};

const struct command command_log = {
	.name = "log",
	.usage = "IMAGE",
	.summary = "Prints the system's log",
	.details = "What programs have written to it, as far as it goes back, byte for byte.  In\n"
		   "JSON, end_bytes is how much was ever written.\n",
	.options = log_options,
	.operands_min = 1,
	.operands_max = 1,
	.run = log_run,
};
