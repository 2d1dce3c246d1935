/* SPDX-License-Identifier: MIT */
/*
 * snapshot.c - the actions of a commit on the catalogue, and listing it.
 *
 * Snapshots form a tree: each has a parent, the live state an origin, and
 * `children` counts the snapshots and the live state that descend directly.
 *
 *   SNAPSHOT  a new entry takes the live state's place below its origin; the
 *             live state descends from it
 *   RESTORE   the same, automatically; then, in a commit of its own, the live
 *             state becomes a copy of the chosen snapshot and its child
 *   DELETE    at most one child: the entry dies, if no other is dying (see
 *             reclaim.c); else it becomes a nameless branch point, which dies
 *             when one child is left and its turn has come
 */
#include "store/store_priv.h"

static bool snapshot_lives(const struct snapshot *snapshot)
{
	return !(snapshot->flags & (DISK_SNAPSHOT_DYING | DISK_SNAPSHOT_BRANCH));
}

static void snapshot_show(const struct snapshot *snapshot, struct store_snapshot *shown)
{
	*shown = (struct store_snapshot){
		.number = {snapshot->number},
		.parent = {snapshot->parent},
		.generation = {snapshot->generation},
		.pages = snapshot->root.pages,
		.wall_ns = snapshot->wall_ns,
		.uptime_ns = snapshot->uptime_ns,
		.flags = snapshot->flags,
		.children = snapshot->children,
	};
	memcpy(shown->name, snapshot->name, sizeof(shown->name));
	shown->source = snapshot->source;
}

/* The changes of a commit in flight are not shown until they are durable. */
enum status store_snapshot_next(struct store *store, snapshot_t after,
				struct store_snapshot *snapshot, store_channel_t *channel)
{
	struct snapshot found;
	uint64_t number;
	enum status status = map_next(store, &store->record.catalogue, DISK_TREE_CATALOGUE,
				      after.n + 1, &number, channel);

	if (status == STATUS_OK)
		status = catalogue_read(store, number, &found, channel);
	if (status == STATUS_OK)
		snapshot_show(&found, snapshot);
	return status;
}

/*
 * Where to begin looking for a name.  A search that had to wait goes on where
 * it was: a catalogue larger than the cache could not be passed in one go.
 */
static uint64_t search_begin(struct store *store, const char *name, size_t length)
{
	struct name_search *search = &store->search;

	if (memcmp(search->name, name, length + 1) != 0 ||
	    search->generation != store->record.generation) {
		memcpy(search->name, name, length + 1);
		search->generation = store->record.generation;
		search->after = 0;
	}
	return search->after;
}

enum status store_snapshot_find(struct store *store, const char *name,
				struct store_snapshot *snapshot, store_channel_t *channel)
{
	const uint32_t gone = DISK_SNAPSHOT_DYING | DISK_SNAPSHOT_BRANCH;
	size_t length = strlen(name);
	enum status status;

	if (length == 0 || length >= DISK_SNAPSHOT_NAME)
		return STATUS_NOT_FOUND;
	snapshot->number.n = search_begin(store, name, length);
	do {
		store->search.after = snapshot->number.n;
		status = store_snapshot_next(store, snapshot->number, snapshot, channel);
	} while (status == STATUS_OK &&
		 (snapshot->flags & gone || memcmp(snapshot->name, name, length + 1) != 0));
	if (status != STATUS_WAIT)
		store->search.name[0] = 0;
	return status;
}

/* ---- before the freeze --------------------------------------------------------- */

static enum status name_check(struct store *store, const char *name, store_channel_t *channel)
{
	struct store_snapshot other;
	enum status status;
	bool terminated = false;

	for (unsigned i = 0; i < DISK_SNAPSHOT_NAME; i++)
		terminated |= name[i] == 0;
	if (!terminated || !name[0])
		return STATUS_INVALID;
	status = store_snapshot_find(store, name, &other, channel);
	if (status == STATUS_NOT_FOUND)
		return STATUS_OK;
	return status == STATUS_OK ? STATUS_EXISTS : status;
}

static enum status number_check(struct store *store, uint64_t number, store_channel_t *channel)
{
	struct snapshot snapshot;
	enum status status = catalogue_read(store, number, &snapshot, channel);

	if (status == STATUS_OK && !snapshot_lives(&snapshot))
		return STATUS_NOT_FOUND;
	return status;
}

enum status snapshot_check(struct store *store, const struct store_commit_request *request,
			   store_channel_t *channel)
{
	enum status status = STATUS_OK;

	if (request->action == STORE_ACTION_RESTORE || request->action == STORE_ACTION_DELETE)
		status = number_check(store, request->number.n, channel);
	if (status == STATUS_OK &&
	    (request->action == STORE_ACTION_SNAPSHOT || request->action == STORE_ACTION_RESTORE)) {
		status = name_check(store, request->name, channel);
		if (status == STATUS_OK &&
		    reserve_blocks_available(store) <
			    store->reservation.working.blocks + reserve_kept(store, RESERVE_NEW))
			status = STATUS_NO_SPACE;
	}
	return status;
}

/* ---- in the commit ----------------------------------------------------------------- */

/* A stream begins: what it replaces is this snapshot. */
static void apply_receiving(struct store *store, uint64_t replaced)
{
	const struct store_commit_request *request = &store->commit.request;

	if (request->receiving_set && request->receiving.generation)
		store->commit.record.receiving.replaced = replaced;
}

static void apply_snapshot(struct store *store, uint32_t flags)
{
	struct disk_record *record = &store->commit.record;
	struct snapshot snapshot = {
		.number = record->next_snapshot++,
		.parent = record->origin,
		.generation = record->generation,
		.root = record->space,
		.wall_ns = record->wall_ns,
		.uptime_ns = record->counters.uptime_ns,
		.flags = flags,
		.children = 1,
		.source = store->commit.request.source,
	};

	if (snapshot.source.generation)
		snapshot.uptime_ns = snapshot.source.uptime_ns;
	for (unsigned i = 0; store->commit.request.name[i]; i++)
		snapshot.name[i] = store->commit.request.name[i];
	record->origin = snapshot.number;
	if (store->commit.request.action == STORE_ACTION_SNAPSHOT)
		apply_receiving(store, snapshot.number);
	catalogue_put(store, &snapshot);
}

/* It and what descends from it are left: it dies now, or when its turn comes. */
static void apply_dying(struct store *store, struct snapshot *snapshot)
{
	struct disk_record *record = &store->commit.record;

	if (snapshot->children <= 1 && !record->dying) {
		snapshot->flags |= DISK_SNAPSHOT_DYING;
		snapshot->cursor = 0;
		record->dying = snapshot->number;
	} else {
		snapshot->flags |= DISK_SNAPSHOT_BRANCH;
		memset(snapshot->name, 0, sizeof(snapshot->name));
		store->reclaim.waiting = true;
	}
}

static enum status apply_delete(struct store *store, store_channel_t *channel)
{
	struct snapshot snapshot;
	enum status status =
		catalogue_get(store, store->commit.request.number.n, &snapshot, channel);

	if (status != STATUS_OK)
		return status;
	apply_dying(store, &snapshot);
	catalogue_put(store, &snapshot);
	return STATUS_OK;
}

/* The second commit of a restore: the live state moves. */
static enum status apply_restore(struct store *store, store_channel_t *channel)
{
	struct disk_record *record = &store->commit.record;
	struct snapshot from, to;
	enum status status = catalogue_get(store, record->origin, &from, channel);

	if (status == STATUS_OK)
		status = catalogue_get(store, store->commit.request.number.n, &to, channel);
	if (status != STATUS_OK)
		return status;
	from.children--;
	to.children++;
	apply_receiving(store, from.number);
	if (store->commit.request.discard)
		apply_dying(store, &from);
	catalogue_put(store, &from);
	catalogue_put(store, &to);
	record->space = to.root;
	record->origin = to.number;
	return STATUS_OK;
}

enum status snapshot_apply(struct store *store, store_channel_t *channel)
{
	switch (store->commit.request.action) {
	case STORE_ACTION_SNAPSHOT:
		apply_snapshot(store, 0);
		return STATUS_OK;
	case STORE_ACTION_RESTORE:
		if (store->commit.second)
			return apply_restore(store, channel);
		apply_snapshot(store, DISK_SNAPSHOT_AUTOMATIC);
		return STATUS_OK;
	case STORE_ACTION_DELETE:
		return apply_delete(store, channel);
	case STORE_ACTION_NONE:
	case STORE_ACTION_STOP:
		break;
	}
	return STATUS_OK;
}
