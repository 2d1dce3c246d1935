/* SPDX-License-Identifier: MIT */
/*
 * receive_apply.c - see receive.h: one stream, from its header to the commit
 * that makes it the live state.
 */
#include "tools/mkstore/receive.h"
#include "base/assert.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/keeping.h"
#include "tools/mkstore/progress.h"
#include "tools/mkstore/text.h"

/* What a stream may need beyond its pages and their nodes. */
#define RECEIVE_MARGIN_BLOCKS 64u
/* `create` writes generation 1; a stream that begins then keeps it as the next. */
#define RECEIVE_FRESH_GENERATION 2u

struct apply {
	struct receive *receive;
	struct host *host;
	const struct stream_header *header;
	struct disk_receiving state; /* as every commit says it */
	struct store_snapshot base;  /* number 0: the stream has all pages */
	bool resumed;
	bool fresh; /* what is replaced has never run */
	struct progress progress;
};

/* ---- what is there ----------------------------------------------------------------- */

static enum status snapshot_view(struct host *host, snapshot_t number, struct store_view *view)
{
	return HOST_RETRY(host, store_view_open(host->store, number, view));
}

/* Is this snapshot that generation of the stream's store, or a copy of it? */
static enum status snapshot_is(struct host *host, const struct stream_header *header,
			       const struct store_snapshot *snapshot, uint64_t generation,
			       uint64_t digest, bool *is)
{
	struct store_statistics statistics;
	struct store_view view;

	*is = false;
	if (!generation || snapshot->flags & STORE_SNAPSHOT_GONE)
		return STATUS_OK;
	if (snapshot->source.generation == generation && snapshot->source.digest == digest)
		*is = memcmp(snapshot->source.identity, header->identity, 16) == 0;
	store_statistics_get(host->store, &statistics);
	if (snapshot->generation.n != generation ||
	    memcmp(statistics.identity, header->identity, 16) != 0)
		return STATUS_OK;
	TRY(snapshot_view(host, snapshot->number, &view));
	*is |= store_view_digest(host->store, &view) == digest;
	return STATUS_OK;
}

static enum command_exit apply_known(struct apply *apply, const struct store_snapshot *snapshot)
{
	char name[TEXT_NAME(DISK_SNAPSHOT_NAME)];

	TEXT_FIELD(name, snapshot->name);
	return command_error(
		"%s: it has that generation already, as the snapshot '%s'; 'mkstore restore' "
		"makes it the live state",
		apply->host->path, name);
}

/* Goes through the snapshots: finds the base, and that the generation is new. */
static enum command_exit apply_look(struct apply *apply)
{
	const struct stream_header *header = apply->header;
	struct host *host = apply->host;
	struct store_snapshot snapshot = {.number = {0}};
	enum status status;
	bool is;

	while ((status = host_snapshot_next(host, &snapshot)) == STATUS_OK) {
		status = snapshot_is(host, header, &snapshot, header->generation, header->digest,
				     &is);
		if (status == STATUS_OK && is)
			return apply_known(apply, &snapshot);
		if (status == STATUS_OK)
			status = snapshot_is(host, header, &snapshot, header->base,
					     header->base_digest, &is);
		if (status != STATUS_OK)
			break;
		if (is)
			apply->base = snapshot;
	}
	return status == STATUS_NOT_FOUND ? COMMAND_OK
					  : host_result(host, status, "cannot read the snapshots");
}

/* Which generation of the stream's store this snapshot is by its number, received from it or
 * common to both as one is a copy of the other; 0: of none. */
static uint64_t snapshot_generation(const struct stream_header *header, bool copy,
				    const struct store_snapshot *snapshot)
{
	if (snapshot->source.generation &&
	    memcmp(snapshot->source.identity, header->identity, 16) == 0)
		return snapshot->source.generation;
	return copy ? snapshot->generation.n : 0;
}

static enum command_exit apply_base_missing(const struct apply *apply)
{
	const struct stream_header *header = apply->header;
	struct store_snapshot snapshot = {.number = {0}};
	char identity[TEXT_IDENTITY], name[TEXT_NAME(DISK_SNAPSHOT_NAME)];
	struct store_statistics statistics;
	struct host *host = apply->host;
	bool copy, there = false;

	store_statistics_get(host->store, &statistics);
	copy = memcmp(statistics.identity, header->identity, 16) == 0;
	TEXT_FIELD(name, header->base_name);
	command_error("%s: the stream builds on generation %" PRIu64 " ('%s') of store %s, which "
		      "is not there: receive that first, or send without -i",
		      host->path, header->base, name, text_identity(identity, header->identity));
	while (host_snapshot_next(host, &snapshot) == STATUS_OK) {
		uint64_t generation = snapshot_generation(header, copy, &snapshot);

		if (!generation)
			continue;
		there = true;
		TEXT_FIELD(name, snapshot.name);
		if (generation == header->base)
			command_note("%s: its '%s' has that number, but is another state: the "
				     "histories differ, %s",
				     host->path, name,
				     copy ? "for one is a copy of the other and both have gone on"
					  : "for it was received from another copy of that store");
		else
			command_note("%s: of that store it has generation %" PRIu64 ", as '%s'",
				     host->path, generation, name);
	}
	if (!there)
		command_note("%s: %s", host->path,
			     copy ? "it is a copy of that store, without a snapshot from before"
				  : "it has received nothing of that store");
	return COMMAND_FAILED;
}

/* ---- what can be refused before anything is changed ----------------------------------- */

/* The name that the snapshot will have. */
static enum command_exit apply_name(struct apply *apply)
{
	struct receive *receive = apply->receive;
	const char *name = receive->name ? receive->name : apply->header->name;
	char shown[TEXT_NAME(DISK_SNAPSHOT_NAME)];
	const char *fault = NULL;
	struct store_snapshot other;
	uint64_t number;
	enum status status;

	if (*name)
		snprintf(receive->snapshot, sizeof(receive->snapshot), "%s", name);
	else
		snprintf(receive->snapshot, sizeof(receive->snapshot), "received-%" PRIu64,
			 apply->header->generation);
	text_name(shown, sizeof(shown), receive->snapshot, strlen(receive->snapshot));
	/* What the other system kept by itself is an ordinary snapshot here. */
	if (keeping_giver_of(receive->snapshot, &number) == KEEPING_OWNER)
		fault = keeping_name_fault(receive->snapshot);
	if (strcmp(shown, receive->snapshot) != 0)
		fault = "it is not plain text";
	if (fault)
		return command_error(
			"the stream's '%s' cannot name a snapshot: %s: choose another with "
			"--name",
			shown, fault);
	status = HOST_RETRY(apply->host,
			    store_snapshot_find(apply->host->store, receive->snapshot, &other));
	if (status == STATUS_NOT_FOUND)
		return COMMAND_OK;
	TRY(host_result(apply->host, status, "cannot read the snapshots"));
	return command_error("%s: it has another snapshot '%s': choose a name with --name",
			     apply->host->path, shown);
}

static bool state_is(const struct disk_receiving *state, const struct stream_header *header)
{
	return memcmp(state->source, header->identity, sizeof(state->source)) == 0 &&
	       state->generation == header->generation && state->base == header->base &&
	       state->digest == header->digest;
}

/* Does the stream fit to what the store is receiving, if it is? */
static enum command_exit apply_fits(struct apply *apply)
{
	const struct stream_header *header = apply->header;
	const char *path = apply->host->path;

	store_receiving_get(apply->host->store, &apply->state);
	apply->resumed = apply->state.generation != 0;
	if (apply->resumed && !state_is(&apply->state, header))
		return command_error("%s: it is receiving generation %" PRIu64
				     " of another stream: go on with that, or give it up with "
				     "'mkstore receive --abort'",
				     path, apply->state.generation);
	if (!apply->resumed)
		apply->state.position = 0;
	if (header->first_page <= apply->state.position)
		return COMMAND_OK;
	return command_error("%s: the stream begins at page %" PRIu64 ", but %s needed: send with "
			     "--from-page %" PRIu64,
			     path, header->first_page,
			     apply->resumed ? "earlier ones are" : "all pages are",
			     apply->state.position);
}

/* Nothing is given back before the end, so all of it must find a place. */
static enum command_exit apply_room(struct apply *apply)
{
	const struct stream_header *header = apply->header;
	struct store_statistics statistics;
	uint64_t nodes = header->leaves + header->leaves / 64 + 4 * DISK_HEIGHT_MAX, need;
	char needs[TEXT_SIZE], has[TEXT_SIZE];

	store_statistics_get(apply->host->store, &statistics);
	need = header->blocks + nodes + RECEIVE_MARGIN_BLOCKS;
	if (need <= statistics.room_blocks)
		return COMMAND_OK;
	return command_error(
		"%s: the stream needs %s and %s is free: delete snapshots or take a larger "
		"store",
		apply->host->path, text_size(needs, need * BLOCK_SIZE),
		text_size(has, statistics.room_blocks * BLOCK_SIZE));
}

/* ---- the first commit ---------------------------------------------------------------- */

/* Is the live state what that snapshot holds?  Not for one that is going. */
static enum status live_is(struct host *host, snapshot_t number, bool *is)
{
	struct store_view live, view;
	enum status status = snapshot_view(host, (snapshot_t){0}, &live);

	*is = false;
	if (status == STATUS_OK && number.n)
		status = snapshot_view(host, number, &view);
	if (status == STATUS_OK && number.n)
		*is = store_view_digest(host->store, &live) ==
		      store_view_digest(host->store, &view);
	return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* One commit, or for a restore two of which the second counts: what is live is
 * kept if nothing else keeps it, and the record says what is coming. */
static enum status begin_commit(struct apply *apply)
{
	struct host *host = apply->host;
	struct store_statistics statistics;
	struct store_commit_request request = {.receiving_set = true, .receiving = apply->state};
	bool kept = false, based = true;

	ASSERT(!apply->resumed);
	store_statistics_get(host->store, &statistics);
	TRY(live_is(host, statistics.origin, &kept));
	if (apply->base.number.n)
		TRY(live_is(host, apply->base.number, &based));
	snprintf(request.name, sizeof(request.name), "%s%" PRIu64, keeping_prefix(KEEPING_RECEIVED),
		 store_generation(host->store).n);
	if (!based) {
		request.action = STORE_ACTION_RESTORE;
		request.number = apply->base.number;
	} else if (kept) {
		request.receiving.replaced = statistics.origin.n;
	} else if (statistics.pages) {
		request.action = STORE_ACTION_SNAPSHOT;
	}
	return host_commit_request(host, &request);
}

static enum command_exit apply_begin(struct apply *apply)
{
	const struct stream_header *header = apply->header;
	struct host *host = apply->host;

	TRY(apply_fits(apply));
	apply->fresh = host->recovery.stop == STORE_STOP_FRESH;
	TRY(apply_look(apply));
	if (header->base && !apply->base.number.n)
		TRY(apply_base_missing(apply));
	TRY(apply_name(apply));
	if (apply->resumed)
		return COMMAND_OK;
	TRY(apply_room(apply));
	memcpy(apply->state.source, header->identity, sizeof(apply->state.source));
	apply->state.generation = header->generation;
	apply->state.base = header->base;
	apply->state.digest = header->digest;
	TRY(host_result(host, begin_commit(apply), "cannot begin to receive"));
	store_receiving_get(host->store, &apply->state);
	return COMMAND_OK;
}

/* ---- pages ------------------------------------------------------------------------------- */

static enum status item_apply(struct apply *apply, const struct stream_item *item, const void *data)
{
	struct host *host = apply->host;
	uint64_t position = apply->state.position;
	void *page;

	ASSERT(item->page + item->count > position);
	/* What the generation does not have goes: all between the pages of a whole
	 * stream, and what an increment names. */
	if (!apply->header->base)
		TRY(host_clear(host, position, item->page));
	else if (item->codec == DISK_CODEC_NONE)
		TRY(host_clear(host, item->page > position ? item->page : position,
			       item->page + item->count));
	if (item->codec != DISK_CODEC_NONE) {
		HOST_TRY(host, space_write(&host->space, (page_t){item->page}, &page));
		stream_item_unpack(item, data, page);
	}
	apply->state.position = item->page + item->count;
	return host_relieve(host);
}

/* A frame, all of which was checked before. */
static enum status frame_apply(struct apply *apply)
{
	struct stream_item item;
	const void *data;
	enum status status = STATUS_OK;

	while (status == STATUS_OK && stream_read_item(apply->receive->reader, &item, &data)) {
		if (item.page + item.count <= apply->state.position)
			apply->receive->skipped += item.count;
		else
			status = item_apply(apply, &item, data);
	}
	progress_update(&apply->progress, apply->receive->reader->totals.pages,
			apply->header->pages);
	return status;
}

/* ---- the end ------------------------------------------------------------------------- */

/* What was applied so far shall not have to be sent again. */
static enum command_exit apply_stop(struct apply *apply, const char *why)
{
	struct host *host = apply->host;
	enum status status;

	ASSERT(host->receiving == &apply->state); /* the commit says where to go on */
	status = host_commit(host, STORE_ACTION_NONE, (snapshot_t){0}, "");
	progress_clear(&apply->progress);
	TRY(host_result(host, status, "%s; and what was received cannot be kept", why));
	return command_error(
		"%s: %s; nothing of that part was used.  Pages before %" PRIu64
		" are safe: receive the stream again, or one made with --from-page %" PRIu64
		", or give it up with --abort",
		host->path, why, apply->state.position, apply->state.position);
}

static enum command_exit apply_result(struct apply *apply, enum status status)
{
	if (status == STATUS_OK)
		return COMMAND_OK;
	progress_clear(&apply->progress);
	host_result(apply->host, status, "cannot write page %" PRIu64, apply->state.position);
	command_note("%s: the pages before it are safe; 'mkstore receive' goes on there, "
		     "'mkstore receive --abort' gives it up",
		     apply->host->path);
	return COMMAND_FAILED;
}

/* The one commit that makes it so: the snapshot, where it comes from, and that
 * nothing is being received any more. */
static enum status end_commit(struct apply *apply)
{
	const struct stream_header *header = apply->header;
	struct store_commit_request request = {
		.action = STORE_ACTION_SNAPSHOT,
		.counters = header->counters,
		.wall_ns = header->wall_ns,
		.receiving_set = true,
		.source = {.generation = header->generation,
			   .digest = header->digest,
			   .uptime_ns = header->uptime_ns},
	};

	ASSERT(apply->state.position == DISK_PAGE_MAX);
	memcpy(request.source.identity, header->identity, sizeof(request.source.identity));
	memcpy(request.name, apply->receive->snapshot, sizeof(request.name));
	apply->host->receiving = NULL;
	return host_commit_request(apply->host, &request);
}

/* What `create` had just laid down is nothing to keep. */
static enum status end_replaced(struct apply *apply)
{
	struct host *host = apply->host;
	struct store_snapshot snapshot;
	snapshot_t before = {apply->state.replaced - 1};

	if (!apply->fresh || !apply->state.replaced)
		return STATUS_OK;
	HOST_TRY(host, store_snapshot_next(host->store, before, &snapshot));
	if (snapshot.generation.n > RECEIVE_FRESH_GENERATION ||
	    !(snapshot.flags & DISK_SNAPSHOT_AUTOMATIC))
		return STATUS_OK;
	TRY(host_commit(host, STORE_ACTION_DELETE, snapshot.number, ""));
	return host_reclaim(host);
}

static enum status live_pages(struct host *host, uint64_t *pages)
{
	struct store_view live;

	TRY(snapshot_view(host, (snapshot_t){0}, &live));
	return HOST_RETRY(host, store_view_pages(host->store, &live, pages));
}

static enum command_exit apply_end(struct apply *apply)
{
	struct host *host = apply->host;
	uint64_t pages;
	enum status status = STATUS_OK;

	if (!apply->header->base)
		status = host_clear(host, apply->state.position, DISK_PAGE_MAX);
	TRY(apply_result(apply, status));
	/* Written first, so that the pages can be counted before it is said. */
	apply->state.position = DISK_PAGE_MAX;
	status = host_commit(host, STORE_ACTION_NONE, (snapshot_t){0}, "");
	if (status == STATUS_OK)
		status = live_pages(host, &pages);
	TRY(apply_result(apply, status));
	if (pages != apply->header->space_pages) {
		apply->state.position = 0;
		return apply_stop(apply, "the pages do not add up to the generation");
	}
	status = end_commit(apply);
	if (status == STATUS_OK)
		status = end_replaced(apply);
	return host_result(host, status, "cannot finish receiving");
}

static enum command_exit apply_frames(struct apply *apply)
{
	struct stream_reader *reader = apply->receive->reader;

	for (;;) {
		enum stream_result result = stream_read_frame(reader);

		if (result == STREAM_END)
			return apply_end(apply);
		if (result != STREAM_OK)
			return apply_stop(apply, reader->why);
		TRY(apply_result(apply, frame_apply(apply)));
	}
}

enum command_exit receive_stream(struct receive *receive)
{
	struct apply apply = {
		.receive = receive, .host = receive->host, .header = &receive->reader->header};
	enum command_exit result;

	if (stream_read_begin(receive->reader) != STREAM_OK)
		return command_error("%s: %s; nothing was changed", receive->host->path,
				     receive->reader->why);
	result = apply_begin(&apply);
	if (result != COMMAND_OK)
		return result;
	ASSERT(!receive->host->receiving);
	receive->host->receiving = &apply.state;
	progress_begin(&apply.progress, "receiving, pages", false);
	result = apply_frames(&apply);
	progress_end(&apply.progress);
	receive->host->receiving = NULL;
	return result;
}

/* ---- giving up ----------------------------------------------------------------------- */

/* There was nothing before: there is nothing again. */
static enum status abort_empty(struct host *host, struct disk_receiving *state)
{
	struct store_commit_request request = {.receiving_set = true};
	enum status status;

	ASSERT(!state->replaced && !host->receiving);
	state->position = 0;
	host->receiving = state;
	status = host_clear(host, 0, DISK_PAGE_MAX);
	host->receiving = NULL;
	TRY(status);
	return host_commit_request(host, &request);
}

enum command_exit receive_abort(struct host *host)
{
	struct store_commit_request request = {
		.action = STORE_ACTION_RESTORE, .discard = true, .receiving_set = true};
	struct disk_receiving state;
	enum status status;

	store_receiving_get(host->store, &state);
	if (!state.generation)
		return command_error("%s: it is not receiving anything", host->path);
	request.number.n = state.replaced;
	snprintf(request.name, sizeof(request.name), "aborted-receive-%" PRIu64,
		 store_generation(host->store).n);
	status = state.replaced ? host_commit_request(host, &request) : abort_empty(host, &state);
	if (status == STATUS_OK)
		status = host_reclaim(host);
	return host_result(host, status, "cannot give up receiving");
}
