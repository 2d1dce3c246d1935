/* SPDX-License-Identifier: MIT */
/*
 * receive.c - `receive`: makes a stream's generation the live state.
 */
#include "tools/mkstore/receive.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/mkstore/show.h"
#include "tools/mkstore/text.h"

struct input {
	int descriptor;
	struct stream_reader *reader;
};

static long input_read(void *context, void *data, size_t bytes)
{
	const struct input *input = context;
	ssize_t done;

	do
		done = read(input->descriptor, data, bytes);
	while (done < 0 && errno == EINTR);
	if (done < 0)
		snprintf(input->reader->why, sizeof(input->reader->why),
			 "the input cannot be read: %s", strerror(errno));
	return done;
}

static void receive_show(struct show *show, const struct receive *receive)
{
	const struct stream_header *header = &receive->reader->header;
	const struct stream_end *totals = &receive->reader->totals;
	char size[TEXT_SIZE];

	fact_text(show, "snapshot", NULL, receive->snapshot);
	fact_identity(show, "source", NULL, header->identity);
	fact_number(show, "source_generation", NULL, header->generation);
	fact_number(show, "base_generation", NULL, header->base);
	fact_number(show, "generation", NULL, store_durable(receive->host->store).n);
	fact_number(show, "pages", NULL, totals->pages);
	fact_number(show, "cleared_pages", NULL, totals->cleared);
	fact_number(show, "skipped_pages", NULL, receive->skipped);
	fact_number(show, "frames", NULL, totals->frames);
	if (!show->as_json)
		printf("received %" PRIu64 " pages (%s), %" PRIu64
		       " cleared, as the snapshot '%s'\n",
		       totals->pages, text_size(size, totals->pages * PAGE_SIZE), totals->cleared,
		       receive->snapshot);
}

static enum command_exit receive_input(const struct command_invocation *invocation, int *descriptor)
{
	const char *file = invocation->operands > 1 ? invocation->operand[1] : "-";

	*descriptor = STDIN_FILENO;
	if (strcmp(file, "-") != 0) {
		*descriptor = open(file, O_RDONLY | O_CLOEXEC);
		if (*descriptor >= 0)
			return COMMAND_OK;
		return command_error("cannot open '%s': %s", file, strerror(errno));
	}
	if (!isatty(STDIN_FILENO))
		return COMMAND_OK;
	return command_misuse("no stream comes from a terminal: mkstore receive IMAGE <STREAM");
}

static enum command_exit receive_apply(const struct command_invocation *invocation,
				       struct host *host, int descriptor)
{
	struct receive receive = {.host = host, .name = command_value(invocation, "name")};
	struct input input = {.descriptor = descriptor};
	enum command_exit result;

	receive.reader = calloc(1, sizeof(*receive.reader));
	if (!receive.reader)
		return host_result(host, STATUS_NO_MEMORY, "cannot receive");
	input.reader = receive.reader;
	receive.reader->read = input_read;
	receive.reader->context = &input;
	result = receive_stream(&receive);
	if (result == COMMAND_OK)
		receive_show(invocation->show, &receive);
	free(receive.reader);
	return result;
}

static void status_show(struct json *json, const struct disk_receiving *state)
{
	char identity[TEXT_IDENTITY];

	json_boolean(json, "receiving", state->generation != 0);
	if (!state->generation) {
		TEXT_LINE(json, "not receiving anything\n");
		return;
	}
	text_identity(identity, state->source);
	json_text(json, "source", identity);
	json_number(json, "generation", state->generation);
	json_number(json, "base", state->base);
	json_number(json, "from_page", state->position);
	json_number(json, "replaced", state->replaced);
	if (json)
		return;
	printf("receiving    generation %" PRIu64 " of store %s\n", state->generation, identity);
	if (state->base)
		printf("builds on    generation %" PRIu64 "\n", state->base);
	else
		printf("builds on    nothing: it has all pages\n");
	printf("goes on      with 'mkstore send --from-page %" PRIu64 "'\n", state->position);
}

static enum command_exit receive_status(const struct command_invocation *invocation)
{
	struct host *host = invocation->host;
	struct disk_receiving state;

	TRY(host_open(host, invocation, HOST_READ));
	store_receiving_get(host->store, &state);
	status_show(show_json(invocation->show), &state);
	return COMMAND_OK;
}

static bool receive_check(const struct command_invocation *invocation)
{
	bool abort = command_value(invocation, "abort") != NULL;
	bool status = command_value(invocation, "status") != NULL;
	const char *name = command_value(invocation, "name");

	if ((abort || status) && (invocation->operands > 1 || abort == status))
		return command_refuse(
			"--status and --abort stand alone: mkstore receive --status IMAGE");
	return !name || text_snapshot_name_check(name);
}

static enum command_exit receive_run(const struct command_invocation *invocation)
{
	bool abort = command_value(invocation, "abort") != NULL;
	struct host *host = invocation->host;
	enum command_exit result = COMMAND_OK;
	int descriptor = -1;

	if (command_value(invocation, "status"))
		return receive_status(invocation);
	if (!abort)
		result = receive_input(invocation, &descriptor);
	if (result == COMMAND_OK)
		result = host_open(host, invocation, HOST_RECEIVE);
	if (result == COMMAND_OK)
		result = abort ? receive_abort(host) : receive_apply(invocation, host, descriptor);
	if (descriptor > STDIN_FILENO)
		close(descriptor);
	return result;
}

static const struct command_option receive_options[] = {
	{"name", "NAME", "call the snapshot NAME instead of what the stream calls it"},
	{"status", NULL, "tell what is being received, and from where to go on"},
	{"abort", NULL, "give up what is being received; what was live before is live again"},
	{0},
};

const struct command command_receive = {
	.name = "receive",
	.usage = "IMAGE [STREAM]",
	.summary = "Makes a stream of send the present state",
	.details =
		"STREAM is by default the standard input.  The generation becomes the live state\n"
		"and a snapshot of the name it had; what was live is kept as the snapshot\n"
		"before-receive-GENERATION unless nothing would be lost.  An increment needs the\n"
		"generation it builds on, received before or the store's own.\n\n"
		"All of it happens or nothing: if it is cut off, the store says that it is\n"
		"receiving and refuses everything else until the stream is received again, from\n"
		"its start or from the page that --status tells, or until --abort.\n",
	.options = receive_options,
	.check = receive_check,
	.run = receive_run,
};
