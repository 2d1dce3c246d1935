/* SPDX-License-Identifier: MIT */
/*
 * send.c - `send`: a generation of a store as a stream of bytes.
 */
#include "tools/mkstore/send.h"
#include "base/quantity.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/mkstore/output.h"
#include "tools/mkstore/show.h"
#include "tools/mkstore/text.h"

static bool send_write(void *context, const void *data, size_t bytes)
{
	return output_write(context, data, bytes);
}

/* A terminal shows no stream, and a stream leaves no place for JSON. */
static enum command_exit send_check(const struct command_invocation *invocation, const char *file)
{
	if (strcmp(file, "-") != 0)
		return COMMAND_OK;
	if (invocation->json)
		return command_misuse(
			"the stream goes to the standard output: name a file for --json");
	if (isatty(STDOUT_FILENO))
		return command_misuse(
			"a stream is nothing for a terminal: name a file, or put '>FILE' or "
			"'| mkstore receive IMAGE' behind it");
	return COMMAND_OK;
}

static void send_show(struct show *show, const struct stream_writer *writer, const char *file)
{
	const struct stream_header *header = &writer->header;

	fact_text(show, "file", NULL, file);
	fact_identity(show, "source", NULL, header->identity);
	fact_number(show, "generation", NULL, header->generation);
	fact_number(show, "base_generation", NULL, header->base);
	fact_number(show, "first_page", NULL, header->first_page);
	fact_number(show, "pages", NULL, writer->totals.pages);
	fact_number(show, "cleared_pages", NULL, writer->totals.cleared);
	fact_number(show, "frames", NULL, writer->totals.frames);
	fact_number(show, "bytes", NULL, writer->totals.bytes);
}

/* views: FROM and TO, in which they are kept. */
static enum command_exit send_views(struct send *send, struct send_view views[2],
				    const struct command_invocation *invocation, const char *file)
{
	const char *from = command_value(invocation, "i");
	enum command_exit result = send_view_open(send->host, invocation->operand[1], &views[1]);
	struct output output;
	bool failed = false;

	if (result == COMMAND_OK && from)
		result = send_view_open(send->host, from, &views[0]);
	if (result != COMMAND_OK)
		return result;
	send->to = &views[1];
	send->from = from ? &views[0] : NULL;
	result = output_open(&output, file, command_value(invocation, "force") != NULL,
			     send->host->file);
	if (result != COMMAND_OK)
		return result;
	send->writer->write = send_write;
	send->writer->context = &output;
	result = send_stream(send, &failed);
	/* Whoever has seen enough, as in `| head`, needs no message. */
	if (failed && output.error != EPIPE)
		command_error("cannot write '%s': %s", file, strerror(output.error));
	if (result == COMMAND_OK)
		return output_finish(&output);
	/* A part of a stream is of no use to anybody. */
	output_drop(&output);
	return result;
}

static enum command_exit send_run(const struct command_invocation *invocation)
{
	const char *first = command_value(invocation, "from-page");
	const char *file = invocation->operands > 2 ? invocation->operand[2] : "-";
	struct host *host = invocation->host;
	struct send_view views[2];
	struct send send = {.host = host};
	enum command_exit result = send_check(invocation, file);

	if (first && (!quantity_parse(first, QUANTITY_NUMBER, &send.first_page) ||
		      send.first_page > DISK_PAGE_MAX))
		return command_misuse("--from-page '%s' is no number of a page", first);
	if (result == COMMAND_OK)
		result = host_open_read(host, invocation);
	if (result != COMMAND_OK)
		return result;
	send.writer = calloc(1, sizeof(*send.writer));
	result = send.writer ? send_views(&send, views, invocation, file)
			     : host_error(host, STATUS_NO_MEMORY, "cannot send");
	if (result == COMMAND_OK)
		send_show(invocation->show, send.writer, file);
	free(send.writer);
	return result;
}

static const struct command_option send_options[] = {
	{"i", "FROM", "only what differs from the snapshot FROM, which the receiver must have"},
	{"from-page", "N", "go on with a stream that was cut off; 'receive --status' tells N"},
	{"force", NULL, "replace STREAM if it exists"},
	HOST_LIVE_OPTION,
	{0},
};

const struct command command_send = {
	.name = "send",
	.usage = "IMAGE TO [STREAM]",
	.summary = "Writes a snapshot as a stream for receive",
	.details = "TO is a snapshot, or 'live' for the newest generation.  STREAM is a file, by\n"
		   "default the standard output:\n\n"
		   "    mkstore send -i monday a.img tuesday | ssh host mkstore receive b.img\n\n"
		   "The stream tells all that belongs to it, every byte is covered by a checksum, "
		   "and\n"
		   "pages are in it compressed as they are in the store.\n",
	.options = send_options,
	.run = send_run,
};
