/* SPDX-License-Identifier: MIT */
/*
 * salvage.c - `salvage`: what can be read of a damaged store, into a new one.
 *
 * Snapshots come in the order of their numbers, each by difference from its
 * parent, then the live state; between branches the new store is taken back to
 * the parent by a restore.  What is lost is listed at the end.
 */
#include "tools/mkstore/salvage.h"
#include "base/assert.h"
#include "base/quantity.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/mkstore/command.h"
#include "tools/mkstore/progress.h"
#include "tools/mkstore/show.h"
#include "tools/mkstore/text.h"

#define SALVAGE_COMMIT_TRIES 1000u

struct salvage {
	const struct command_invocation *invocation;
	struct salvage_source source;
	struct host *to;
	bool made;   /* the target's file */
	bool filled; /* with all that could be read */
	struct salvage_state *state;
	size_t states;
	struct salvage_state live;
	uint64_t snapshots_lost;
	struct progress progress;
	struct json *json; /* null: text */
};

/* ---- what there is ------------------------------------------------------------------ */

static bool state_lives(const struct salvage_state *state)
{
	return !(state->snapshot.flags & STORE_SNAPSHOT_GONE);
}

static enum status state_add(struct salvage *salvage, const struct store_snapshot *snapshot)
{
	struct host *from = &salvage->source.host;
	struct salvage_state *more = realloc(salvage->state, (salvage->states + 1) * sizeof(*more));
	struct salvage_state *state;

	if (!more)
		return STATUS_NO_MEMORY;
	salvage->state = more;
	ASSERT(!salvage->states ||
	       more[salvage->states - 1].snapshot.number.n < snapshot->number.n);
	state = &more[salvage->states++];
	*state = (struct salvage_state){.snapshot = *snapshot};
	if (!state_lives(state))
		return STATUS_OK;
	return HOST_RETRY(from, store_view_open(from->store, snapshot->number, &state->view));
}

/* All snapshots that the catalogue still tells of. */
static enum status states_list(struct salvage *salvage)
{
	struct host *from = &salvage->source.host;
	struct store_statistics statistics;
	struct store_snapshot snapshot = {0};
	enum status status;

	do {
		snapshot_t after = snapshot.number;

		status = HOST_RETRY(from, store_snapshot_next(from->store, after, &snapshot));
		if (status == STATUS_OK)
			status = state_add(salvage, &snapshot);
		else if ((status == STATUS_IO || status == STATUS_CORRUPT) &&
			 snapshot.number.n > after.n)
			status = STATUS_OK;
	} while (status == STATUS_OK);
	store_statistics_get(from->store, &statistics);
	salvage->snapshots_lost =
		statistics.snapshots > salvage->states ? statistics.snapshots - salvage->states : 0;
	return status == STATUS_NO_MEMORY ? status : STATUS_OK;
}

/* The snapshot of this number, or the next one up the tree that lives; null. */
static struct salvage_state *state_nearest(struct salvage *salvage, uint64_t number)
{
	for (size_t i = salvage->states; i; i--) {
		struct salvage_state *state = &salvage->state[i - 1];

		if (state->snapshot.number.n != number)
			continue;
		if (state_lives(state))
			return state;
		number = state->snapshot.parent.n;
	}
	return NULL;
}

/* ---- the new store --------------------------------------------------------------------- */

/* A file that is there is only taken with --force. */
static bool target_free(const struct salvage *salvage)
{
	const char *path = salvage->invocation->operand[1];
	struct stat information;

	if (stat(path, &information) == 0 &&
	    file_device_is(salvage->source.host.file, &information))
		return command_refuse("%s: is the store that is to be salvaged", path);
	if (lstat(path, &information) == 0 && !command_value(salvage->invocation, "force"))
		return command_refuse("%s: exists; --force overwrites it", path);
	return true;
}

/* As large as the old one; larger where that was nearly full, because the new one
 * must never be. */
static bool target_size(const struct salvage *salvage, uint64_t *bytes)
{
	const char *size = command_value(salvage->invocation, "size");
	struct store_statistics statistics;

	store_statistics_get(salvage->source.host.store, &statistics);
	*bytes = statistics.sectors * SECTOR_SIZE;
	if (statistics.used_sectors > statistics.sectors / 4 * 3)
		*bytes += *bytes / 4 / BLOCK_SIZE * BLOCK_SIZE;
	if (!size || (quantity_parse(size, QUANTITY_SIZE, bytes) &&
		      *bytes >= DISK_SECTORS_MIN * SECTOR_SIZE && *bytes % BLOCK_SIZE == 0))
		return true;
	return command_refuse("--size '%s' is no size of a store: at least 4M, in blocks of 4096",
			      size);
}

static enum command_exit target_open(struct salvage *salvage)
{
	struct command_invocation invocation = *salvage->invocation;
	struct store_format_options options = {.created_ns = host_now_ns(), .deltas = true};
	struct store_statistics statistics;
	struct host *to = salvage->to;
	uint64_t bytes;

	if (!target_size(salvage, &bytes))
		return COMMAND_USAGE;
	if (!target_free(salvage))
		return COMMAND_FAILED;
	invocation.operand[0] = invocation.operand[1];
	TRY(host_open_format(to, &invocation, bytes, bytes, &salvage->made));
	store_statistics_get(salvage->source.host.store, &statistics);
	options.sectors = bytes / SECTOR_SIZE;
	if (options.sectors > to->device->sectors)
		options.sectors = to->device->sectors / BLOCK_SECTORS * BLOCK_SECTORS;
	options.write_unit = to->device->write_unit;
	memcpy(options.label, statistics.label, sizeof(options.label));
	if (host_identity(options.identity) != STATUS_OK)
		return host_result(to, STATUS_IO, "cannot make an identity");
	TRY(host_result(to, store_format(to->store, &options), "cannot format the new store"));
	/* Counters that never go back, from the beginning. */
	to->recovery.counters = salvage->source.host.recovery.counters;
	to->recovery.counters.uptime_ns = 0;
	return COMMAND_OK;
}

/* Back to a snapshot that was saved before. */
static enum status target_restore(struct host *to, const struct salvage_state *state)
{
	struct store_commit_request request = {
		.action = STORE_ACTION_RESTORE, .number = state->saved, .discard = true};

	ASSERT(state->saved.n);
	return host_commit_request(to, &request);
}

static enum status target_snapshot(struct host *to, struct salvage_state *state)
{
	struct store_commit_request request = {.action = STORE_ACTION_SNAPSHOT,
					       .wall_ns = state->snapshot.wall_ns};
	struct store_snapshot saved;

	ASSERT(!state->saved.n && state_lives(state));
	request.counters.uptime_ns = state->snapshot.uptime_ns;
	memcpy(request.name, state->snapshot.name, sizeof(request.name));
	TRY(host_commit_request(to, &request));
	HOST_TRY(to, store_snapshot_find(to->store, request.name, &saved));
	state->saved = saved.number;
	return STATUS_OK;
}

/* The live state as its store was stopped, which no other commit of a tool says. */
static enum status target_finish(struct host *from, struct host *to)
{
	const struct store_recovery *recovery = &from->recovery;
	struct store_commit_request retain = {.action = STORE_ACTION_RETAIN};
	struct store_commit_request request = {
		.action =
			recovery->stop == STORE_STOP_CLEAN ? STORE_ACTION_STOP : STORE_ACTION_NONE,
		.counters = recovery->counters,
		.wall_ns = recovery->wall_ns,
		.offline = recovery->stop == STORE_STOP_FRESH,
	};
	struct store_statistics statistics;
	generation_t generation;

	/* Whatever a restore has left behind goes first. */
	TRY(host_reclaim(to));
	/* Not before: half of a state is not to be kept by itself. */
	store_statistics_get(from->store, &statistics);
	retain.retention = statistics.retention;
	retain.wall_ns = recovery->wall_ns;
	if (statistics.retention.interval_s)
		TRY(host_commit_request(to, &retain));
	for (unsigned tries = 0; tries < SALVAGE_COMMIT_TRIES; tries++) {
		enum status status;

		store_operation_begin(to->store);
		status = store_commit(to->store, &request, &generation);
		if (status == STATUS_OK)
			return store_settle(to->store);
		if (status != STATUS_WAIT || !store_wait(to->store))
			return status;
	}
	return STATUS_BUSY;
}

/* ---- saving -------------------------------------------------------------------------------- */

/* Brings the new store's live state to this one, by way of its parent. */
static enum status state_save(struct salvage *salvage, struct salvage_state **current,
			      struct salvage_state *parent, struct salvage_state *state)
{
	if (parent && parent != *current && parent->saved.n) {
		TRY(target_restore(salvage->to, parent));
		*current = parent;
	}
	TRY(salvage_copy(&salvage->source.host, salvage->to, *current, state));
	*current = state;
	return STATUS_OK;
}

static enum status states_save(struct salvage *salvage)
{
	struct host *from = &salvage->source.host;
	struct salvage_state *current = NULL;
	struct store_statistics statistics;

	store_statistics_get(from->store, &statistics);
	for (size_t i = 0; i < salvage->states; i++) {
		struct salvage_state *state = &salvage->state[i];

		progress_update(&salvage->progress, i, salvage->states + 1);
		if (!state_lives(state))
			continue;
		TRY(state_save(salvage, &current, state_nearest(salvage, state->snapshot.parent.n),
			       state));
		TRY(target_snapshot(salvage->to, state));
	}
	if (salvage->source.live_lost)
		return STATUS_OK;
	HOST_TRY(from, store_view_open(from->store, (snapshot_t){0}, &salvage->live.view));
	return state_save(salvage, &current, state_nearest(salvage, statistics.origin.n),
			  &salvage->live);
}

/* ---- telling ----------------------------------------------------------------------------------
 */

static void state_name(const struct salvage_state *state, char *text, size_t size)
{
	char name[TEXT_NAME(DISK_SNAPSHOT_NAME)];

	if (!state->snapshot.number.n)
		snprintf(text, size, "the present state");
	else
		snprintf(text, size, "snapshot %" PRIu64 " %s", state->snapshot.number.n,
			 TEXT_FIELD(name, state->snapshot.name));
}

/* The end of a run of pages lost side by side; *i: its first loss, then the next run's. */
static uint64_t run_end(const struct salvage_state *state, size_t *i)
{
	uint64_t end = state->loss[(*i)++].end;

	while (*i < state->losses && state->loss[*i].first == end)
		end = state->loss[(*i)++].end;
	return end;
}

static void state_tell(struct json *json, const struct salvage_state *state)
{
	char name[TEXT_NAME(DISK_SNAPSHOT_NAME) + 40];

	state_name(state, name, sizeof(name));
	json_object(json, NULL);
	json_number(json, "number", state->snapshot.number.n);
	JSON_FIELD(json, "name", state->snapshot.name);
	json_number(json, "pages_written", state->pages);
	json_array(json, "lost");
	for (size_t i = 0; i < state->losses;) {
		uint64_t first = state->loss[i].first, end = run_end(state, &i);

		json_object(json, NULL);
		json_number(json, "first_page", first);
		json_number(json, "end_page", end);
		json_object_end(json);
		TEXT_LINE(json, "lost: pages 0x%" PRIx64 " to 0x%" PRIx64 " of %s\n", first,
			  end - 1, name);
	}
	json_array_end(json);
	json_object_end(json);
}

static void object_tell(void *context, const char *path, size_t length, uint64_t first,
			uint64_t pages)
{
	struct salvage *salvage = context;
	char *name = malloc(TEXT_NAME(length));

	json_object(salvage->json, NULL);
	json_bytes(salvage->json, "path", path, length);
	json_number(salvage->json, "offset", first * PAGE_SIZE);
	json_number(salvage->json, "pages", pages);
	json_object_end(salvage->json);
	TEXT_LINE(salvage->json, "lost: %" PRIu64 " pages of %s, the first at byte %" PRIu64 "\n",
		  pages, name ? text_name(name, TEXT_NAME(length), path, length) : "?",
		  first * PAGE_SIZE);
	free(name);
}

/* True: nothing was lost. */
static bool salvage_whole(const struct salvage *salvage)
{
	size_t losses = salvage->live.losses;

	for (size_t i = 0; i < salvage->states; i++)
		losses += salvage->state[i].losses;
	return !losses && !salvage->snapshots_lost && !salvage->source.live_lost &&
	       !salvage->source.host.recovery.torn.n &&
	       salvage->source.host.recovery.generation.n == salvage->source.newest;
}

static void report_text(const struct salvage *salvage, bool named, uint64_t pages, uint64_t saved)
{
	const struct salvage_source *source = &salvage->source;

	if (!named)
		printf("lost: some names: not all directories can be read\n");
	if (salvage->snapshots_lost)
		printf("lost: %" PRIu64 " snapshots, their entries cannot be read\n",
		       salvage->snapshots_lost);
	if (source->live_lost)
		printf("lost: the present state; in its place is that of the last snapshot\n");
	if (source->host.recovery.torn.n)
		printf("lost: perhaps generation %" PRIu64 ": its record or newest blocks are not "
		       "whole\n",
		       source->host.recovery.torn.n);
	else if (source->host.recovery.generation.n != source->newest)
		printf("lost: what came after generation %" PRIu64 ", up to %" PRIu64 "\n",
		       source->host.recovery.generation.n, source->newest);
	printf("generation %" PRIu64 ", %" PRIu64 " snapshots, %" PRIu64 " pages saved%s\n",
	       source->host.recovery.generation.n, saved, pages,
	       salvage_whole(salvage) ? "; nothing is lost" : "");
}

static void report(struct salvage *salvage)
{
	const struct salvage_source *source = &salvage->source;
	uint64_t pages = salvage->live.pages, saved = 0;
	struct json *json = salvage->json;
	bool named;

	json_text(json, "source", salvage->invocation->operand[0]);
	json_text(json, "target", salvage->invocation->operand[1]);
	json_number(json, "generation", source->host.recovery.generation.n);
	json_number(json, "newest_generation", source->newest);
	json_number(json, "torn_generation", source->host.recovery.torn.n);
	json_boolean(json, "live_lost", source->live_lost);
	json_number(json, "snapshots_lost", salvage->snapshots_lost);
	json_array(json, "states");
	for (size_t i = 0; i < salvage->states; i++) {
		pages += salvage->state[i].pages;
		saved += salvage->state[i].saved.n != 0;
		if (state_lives(&salvage->state[i]))
			state_tell(json, &salvage->state[i]);
	}
	if (!source->live_lost)
		state_tell(json, &salvage->live);
	json_array_end(json);
	json_array(json, "objects");
	named = salvage_objects(salvage->to, &salvage->live, object_tell, salvage);
	json_array_end(json);
	json_boolean(json, "names_complete", named);
	json_boolean(json, "whole", salvage_whole(salvage));
	if (!json)
		report_text(salvage, named, pages, saved);
}

/* ---- the command -------------------------------------------------------------------------------
 */

static enum command_exit salvage_store(struct salvage *salvage)
{
	struct host *to = salvage->to;
	enum status status = states_list(salvage);

	progress_begin(&salvage->progress, "saving, state", false);
	if (status == STATUS_OK)
		status = states_save(salvage);
	if (status == STATUS_OK)
		status = target_finish(&salvage->source.host, to);
	progress_end(&salvage->progress);
	if (status == STATUS_NO_SPACE)
		return host_result(to, status, "cannot take all of it; make it larger by --size");
	TRY(host_result(to, status, "cannot be filled"));
	salvage->filled = true;
	salvage->json = show_json(salvage->invocation->show);
	report(salvage);
	return salvage_whole(salvage) ? COMMAND_OK : COMMAND_FAILED;
}

static enum command_exit salvage_run(const struct command_invocation *invocation)
{
	struct salvage salvage = {.invocation = invocation, .to = invocation->host};
	enum command_exit result = salvage_source_open(&salvage.source, invocation);

	if (result != COMMAND_OK)
		return result;
	result = target_open(&salvage);
	if (result == COMMAND_OK)
		result = salvage_store(&salvage);
	/* A new file stays only when all that can be saved is in it. */
	if (salvage.made && !salvage.filled && result != COMMAND_IN_USE)
		unlink(invocation->operand[1]);
	salvage_source_close(&salvage.source);
	for (size_t i = 0; i < salvage.states; i++)
		free(salvage.state[i].loss);
	free(salvage.state);
	free(salvage.live.loss);
	return result;
}

static const struct command_option salvage_options[] = {
	{"size", "SIZE",
	 "of the new store (default: as the old one, more if that was nearly full)"},
	{"force", NULL, "overwrite DST if it exists"},
	{0},
};

const struct command command_salvage = {
	.name = "salvage",
	.usage = "SRC DST",
	.summary = "Saves what can be read of a damaged store into a new one",
	.details =
		"SRC is only read.  The newest generation whose present state can be entered is\n"
		"taken, with all its snapshots.  A page that cannot be read is absent in DST: it\n"
		"reads as zeros.  Everything that is lost is listed, pages, objects, snapshots.\n"
		"Exit code 0: nothing was lost; 1: something was, or DST cannot take it.\n",
	.options = salvage_options,
	.run = salvage_run,
};
