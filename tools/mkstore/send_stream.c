/* SPDX-License-Identifier: MIT */
/*
 * send_stream.c - see send.h.
 *
 * Two passes over what differs: the first looks at references only and tells
 * the header how much is coming, the second reads the pages.
 */
#include "tools/mkstore/send.h"

#include <inttypes.h>
#include <string.h>

#include "tools/mkstore/lookup.h"
#include "tools/mkstore/progress.h"
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
	if (status != STATUS_OK)
		return lookup_error(host, status, "find the snapshot", name);
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

	for (;; page.n++) {
		struct disk_reference reference;

		status = send_next(send->host, send->from, send->to, &page, &difference);
		if (status != STATUS_OK)
			break;
		if (difference == STORE_REMOVED) {
			header->cleared++;
			continue;
		}
		status = HOST_RETRY(host, store_view_find(host->store, &to, page, &reference));
		if (status != STATUS_OK)
			break;
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
	enum status status;

	if (difference == STORE_REMOVED) {
		*written = stream_write_clear(send->writer, page.n);
		return STATUS_OK;
	}
	status =
		HOST_RETRY(host, store_view_read_stored(host->store, &to, page, &reference, &data));
	if (status == STATUS_OK)
		*written = stream_write_page(send->writer, page.n, reference.codec, data,
					     reference.length);
	return status;
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
		return host_error(send->host, status, "cannot send page %" PRIu64, page.n);
	if (written)
		written = stream_write_end(send->writer);
	*write_failed = !written;
	return written ? COMMAND_OK : COMMAND_FAILED;
}

enum command_exit send_stream(struct send *send, bool *write_failed)
{
	struct stream_header header;
	enum status status;

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
	if (status != STATUS_OK)
		return host_error(send->host, status, "cannot read the map of pages");
	*write_failed = !stream_write_begin(send->writer, &header);
	return *write_failed ? COMMAND_FAILED : send_pages(send, write_failed);
}
