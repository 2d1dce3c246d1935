/* SPDX-License-Identifier: MIT */
/*
 * discard.c - `discard`: gives free space back to what the image lies on.
 */
#include <inttypes.h>
#include <stdio.h>

#include "tools/mkstore/command.h"
#include "tools/mkstore/host.h"
#include "tools/mkstore/show.h"
#include "tools/mkstore/text.h"

static void discard_result(const struct host *host, const struct command_invocation *invocation,
			   uint64_t discarded, uint64_t before)
{
	uint64_t after = file_device_occupied(host->file);
	char size[TEXT_SIZE], from[TEXT_SIZE], to[TEXT_SIZE];
	struct show show;

	if (!invocation->json) {
		printf("%s free and discarded", text_size(size, discarded));
		if (before)
			printf("; the file took up %s and takes up %s", text_size(from, before),
			       text_size(to, after));
		printf("\n");
		return;
	}
	show_begin(&show, true);
	show_fact(&show, "image", NULL);
	show_text(&show, host->path);
	show_fact(&show, "discarded_bytes", NULL);
	show_number(&show, discarded);
	show_fact(&show, "occupied_before_bytes", NULL);
	show_number(&show, before);
	show_fact(&show, "occupied_bytes", NULL);
	show_number(&show, after);
	show_end(&show);
}

static enum command_exit discard_run(const struct command_invocation *invocation)
{
	struct host host;
	uint64_t bytes, before;
	enum status status;
	enum command_exit result = host_open(&host, invocation, HOST_DISCARD);

	if (result != COMMAND_OK)
		return result;
	before = file_device_occupied(host.file);
	status = host_discard(&host, &bytes);
	if (status == STATUS_NO_OPERATION || (status == STATUS_OK && !host.device->discards)) {
		command_error("%s: the file system or disk that it lies on cannot discard",
			      host.path);
		result = COMMAND_FAILED;
	} else if (status != STATUS_OK) {
		result = host_error(&host, status, "cannot give free space back");
	} else {
		discard_result(&host, invocation, bytes, before);
	}
	host_close(&host);
	return result;
}

const struct command command_discard = {
	.name = "discard",
	.usage = "IMAGE",
	.summary = "Gives all free space back to the file system",
	.details =
		"Commits once, so that the two newest generations agree about what is free, and\n"
		"tells the file system or disk that nothing there is needed: a file gets holes.\n"
		"The running system does so by itself where its disk allows it.\n",
	.operands_min = 1,
	.operands_max = 1,
	.run = discard_run,
};
