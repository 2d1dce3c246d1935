/* SPDX-License-Identifier: MIT */
/*
 * send.c - `send`: a generation of a store as a stream of bytes; see send.h.
 *
 * Two passes over what differs: the first looks at references only and tells
 * the header how much is coming, the second reads the pages.
 */
#include "tools/mkstore/send.h"
#include "base/assert.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/quantity.h"
#include "tools/mkstore/host.h"
#include "tools/mkstore/output.h"
#include "tools/mkstore/progress.h"
#include "tools/mkstore/show.h"
#include "tools/mkstore/text.h"

enum command_exit send_view_open(struct host *host, const char *name, struct send_view *view)
{
	struct store_snapshot snapshot = {.number = {0}};
	bool live = strcmp(name, "live") == 0; /* nobody can call a snapshot so */
	struct disk_receiving receiving;
	enum status status = STATUS_OK;

	*view = (struct send_view){.wall_ns = host->recovery.wall_ns,
				   .uptime_ns = host->recovery.counters.uptime_ns};
	store_receiving_get(host->store, &receiving);
	if (live && receiving.generation)
		return command_error("%s: it is receiving a stream, so there is no live state",
				     host->path);
	if (!live)
		status = lookup_snapshot(host, name, &snapshot);
	if (status == STATUS_OK)
		status = HOST_RETRY(host,
				    store_view_open(host->store, snapshot.number, &view->view));
	TRY(lookup_result(host, status, "find the snapshot", name));
	if (!live) {
		memcpy(view->name, snapshot.name, sizeof(view->name));
		view->wall_ns = snapshot.wall_ns;
		view->uptime_ns = snapshot.uptime_ns;
	}
	return COMMAND_OK;
}

enum status send_next(struct host *host, const struct send_view *from, const struct send_view *to,
		      page_t *page, enum store_difference *difference)
{
	struct store_view before = {.generation = {0}}, after = to->view;
	enum status status;

	if (from)
		before = from->view;
	do {
		status = HOST_RETRY(
			host, store_view_differ(host->store, &before, &after, page, difference));
	} while (status == STATUS_OK && *difference == STORE_SAME);
	return status;
}

/* ---- what is coming ------------------------------------------------------------------ */

static enum status send_count(struct send *send, struct stream_header *header)
{
	struct store_view to = send->to->view;
	struct host *host = send->host;
	enum store_difference difference;
	page_t page = {send->first_page};
	uint64_t leaf = UINT64_MAX;
	uint32_t room = 0; /* sectors left in the block being filled */
	enum status status;

	for (; (status = send_next(host, send->from, send->to, &page, &difference)) == STATUS_OK;
	     page.n++) {
		struct disk_reference reference;

		if (difference == STORE_REMOVED) {
			header->cleared++;
			continue;
		}
		HOST_TRY(host, store_view_find(host->store, &to, page, &reference));
		header->pages++;
		header->blocks += reference.sectors > room;
		room = reference.sectors > room ? BLOCK_SECTORS - reference.sectors
						: room - reference.sectors;

		header->leaves += page.n >> DISK_NODE_SHIFT != leaf;
		leaf = page.n >> DISK_NODE_SHIFT;
	}
	return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status send_header(struct send *send, struct stream_header *header)
{
	struct store_view to = send->to->view;
	struct host *host = send->host;
	struct store_statistics statistics;

	store_statistics_get(host->store, &statistics);
	*header = (struct stream_header){
		.generation = to.generation.n,
		.digest = store_view_digest(host->store, &to),
		.first_page = send->first_page,
		.wall_ns = send->to->wall_ns,
		.uptime_ns = send->to->uptime_ns,
		.counters = host->recovery.counters,
	};
	memcpy(header->identity, statistics.identity, sizeof(header->identity));
	memcpy(header->name, send->to->name, sizeof(header->name));
	if (send->from) {
		header->base = send->from->view.generation.n;
		header->base_digest = store_view_digest(host->store, &send->from->view);
		memcpy(header->base_name, send->from->name, sizeof(header->base_name));
	}
	return HOST_RETRY(host, store_view_pages(host->store, &to, &header->space_pages));
}

/* ---- the pages ------------------------------------------------------------------------- */

static enum status send_page(struct send *send, page_t page, enum store_difference difference,
			     bool *written)
{
	struct store_view to = send->to->view;
	struct host *host = send->host;
	struct disk_reference reference;
	const void *data;

	ASSERT(difference != STORE_SAME);
	if (difference == STORE_REMOVED) {
		*written = stream_write_clear(send->writer, page.n);
		return STATUS_OK;
	}
	HOST_TRY(host, store_view_read_stored(host->store, &to, page, &reference, &data));
	*written = stream_write_page(send->writer, page.n, reference.codec, data, reference.length);
	return STATUS_OK;
}

static enum command_exit send_pages(struct send *send, bool *write_failed)
{
	page_t page = {send->first_page};
	enum store_difference difference;
	struct progress progress;
	enum status status;
	bool written = true;

	progress_begin(&progress, "sending", true);
	for (; written; page.n++) {
		status = send_next(send->host, send->from, send->to, &page, &difference);
		if (status == STATUS_OK)
			status = send_page(send, page, difference, &written);
		if (status != STATUS_OK)
			break;
		progress_update(&progress, send->writer->totals.pages * PAGE_SIZE,
				send->writer->header.pages * PAGE_SIZE);
	}
	progress_end(&progress);
	if (written && status != STATUS_NOT_FOUND)
		return host_result(send->host, status, "cannot send page %" PRIu64, page.n);
	if (written)
		written = stream_write_end(send->writer);
	*write_failed = !written;
	return written ? COMMAND_OK : COMMAND_FAILED;
}

enum command_exit send_stream(struct send *send, bool *write_failed)
{
	struct stream_header header;
	enum status status;

	ASSERT(send->to && send->writer && send->writer->write);
	*write_failed = false;
	if (send->from && send->from->view.generation.n >= send->to->view.generation.n)
		return command_error(
			"%s: an increment goes from an older generation to a newer one, not "
			"from %" PRIu64 " to %" PRIu64,
			send->host->path, send->from->view.generation.n,
			send->to->view.generation.n);
	status = send_header(send, &header);
	if (status == STATUS_OK)
		status = send_count(send, &header);
	TRY(host_result(send->host, status, "cannot read the map of pages"));
	*write_failed = !stream_write_begin(send->writer, &header);
	return *write_failed ? COMMAND_FAILED : send_pages(send, write_failed);
}

/* ---- the command ----------------------------------------------------------------------- */

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
			     : host_result(host, STATUS_NO_MEMORY, "cannot send");
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
