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
 *             state becomes a copy of the chosen snapshot and its child.  What is
 *             not to be kept is deleted in the commit that takes it: the power can
 *             go between the two
 *   DELETE    at most one child: the entry dies, if no other is dying (see
 *             reclaim.c); else it becomes a nameless branch point, which dies
 *             when one child is left and its turn has come
 *   RENAME    only the name, and that it was asked for
 *
 * GROW and RETAIN change nothing but the record.
 *
 * held_sectors: what the live state replaces and may not give back, because its
 * origin or a snapshot before that has it, is added up in the record.  When the
 * origin gets another child in its place, the sum goes over to the origin's entry.
 */
#include "store/snapshot/snapshot.h"
#include "store/store_priv.h"

#include "store/keeping.h"

static bool snapshot_lives(const struct disk_snapshot *snapshot)
{
	return !(snapshot->flags & STORE_SNAPSHOT_GONE);
}

static void snapshot_show(const struct disk_snapshot *snapshot, struct store_snapshot *shown)
{
	*shown = (struct store_snapshot){
		.number = {snapshot->number},
		.parent = {snapshot->parent},
		.generation = {snapshot->generation},
		.pages = snapshot->root.pages,
		.wall_ns = snapshot->wall_ns,
		.uptime_ns = snapshot->uptime_ns,
		.flags = snapshot->flags & ~(STORE_SNAPSHOT_UNREADABLE | STORE_SNAPSHOT_FAILED),
		.children = snapshot->children,
		.held_sectors = snapshot->held_sectors,
		.source = {.generation = snapshot->source_generation,
			   .digest = snapshot->source_digest},
	};
	memcpy(shown->name, snapshot->name, sizeof(shown->name));
	memcpy(shown->source.identity, snapshot->source, sizeof(snapshot->source));
}

/* The changes of a commit in flight are not shown until they are durable. */
enum status store_snapshot_next(struct store *store, snapshot_t after,
				struct store_snapshot *snapshot)
{
	const uint64_t end = store->record.next_snapshot;
	struct disk_snapshot found;
	snapshot_t number;
	enum status status = catalogue_read_next(store, after, &number, &found);

	if (status == STATUS_OK) {
		snapshot_show(&found, snapshot);
	} else if (status_is_damage(status)) {
		/* A node that cannot be read is of numbers that there are not yet, too. */
		if (after.n + 1 >= end)
			return STATUS_NOT_FOUND;
		if (number.n >= end)
			number.n = end - 1;
		*snapshot = (struct store_snapshot){
			.number = number,
			.flags = STORE_SNAPSHOT_UNREADABLE |
				 (status == STATUS_IO ? STORE_SNAPSHOT_FAILED : 0),
		};
	}
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
		search->damage = STATUS_OK;
	}
	return search->after;
}

/* Where the index is too small: all entries, one after the other. */
static enum status search_catalogue(struct store *store, const char *name, size_t length,
				    struct store_snapshot *snapshot)
{
	enum status status;

	snapshot->number.n = search_begin(store, name, length);
	do {
		store->search.after = snapshot->number.n;
		status = store_snapshot_next(store, snapshot->number, snapshot);
		if (status_is_damage(status))
			store->search.damage = status;
	} while (status_is_damage(status) ||
		 (status == STATUS_OK && (snapshot->flags & STORE_SNAPSHOT_GONE ||
					  memcmp(snapshot->name, name, length + 1) != 0)));
	if (status != STATUS_WAIT)
		store->search.name[0] = 0;
	return status == STATUS_NOT_FOUND && store->search.damage ? store->search.damage : status;
}

enum status store_snapshot_find(struct store *store, const char *name,
				struct store_snapshot *snapshot)
{
	size_t length = strlen(name);
	char padded[DISK_SNAPSHOT_NAME] = {0};
	uint32_t budget = UINT32_MAX;
	struct disk_snapshot found;
	enum status status;

	if (length == 0 || length >= DISK_SNAPSHOT_NAME)
		return STATUS_NOT_FOUND;
	status = index_build(store, &budget);
	if (status != STATUS_OK)
		return status;
	if (store->index.overflow)
		return search_catalogue(store, name, length, snapshot);
	memcpy(padded, name, length + 1);
	status = index_find(store, padded, &found);
	if (status == STATUS_OK)
		snapshot_show(&found, snapshot);
	if (status == STATUS_NOT_FOUND && store->index.damage != STATUS_OK) {
		/* It may be in what could not be read.  Perhaps that can be next time. */
		status = store->index.damage;
		index_drop(store);
	}
	return status;
}

enum status store_snapshot_get(struct store *store, snapshot_t number,
			       struct store_snapshot *snapshot)
{
	struct disk_snapshot found;
	enum status status = catalogue_read(store, number, &found);

	if (status == STATUS_OK && !snapshot_lives(&found))
		status = STATUS_NOT_FOUND;
	if (status == STATUS_OK)
		snapshot_show(&found, snapshot);
	return status;
}

enum status store_snapshot_before(struct store *store, generation_t generation, uint64_t wall_ns,
				  struct store_snapshot *snapshot)
{
	struct age_search *search = &store->age_search;
	struct disk_snapshot found;
	enum status status;

	if (search->record != store->record.generation || search->generation != generation.n ||
	    search->wall_ns != wall_ns || !search->below)
		*search = (struct age_search){store->record.generation, generation.n, wall_ns,
					      store->record.next_snapshot, STATUS_OK};
	do {
		snapshot_t number;

		status = map_before(store, &store->record.catalogue, DISK_TREE_CATALOGUE,
				    search->below, &number.n);
		if (status == STATUS_OK)
			status = catalogue_read(store, number, &found);
		if (status_is_damage(status))
			search->damage = status;
		if (status == STATUS_OK || status_is_damage(status))
			search->below = number.n;
	} while (status_is_damage(status) ||
		 (status == STATUS_OK &&
		  (!snapshot_lives(&found) || found.generation > generation.n ||
		   found.wall_ns > wall_ns)));
	if (status == STATUS_OK)
		snapshot_show(&found, snapshot);
	if (status != STATUS_WAIT)
		search->below = 0;
	return status == STATUS_NOT_FOUND && search->damage ? search->damage : status;
}

/* ---- before the freeze --------------------------------------------------------- */

/*
 * No other snapshot than `self` may have the name.  One that cannot be read may,
 * for all that is known; that must not keep others from being taken or restored.
 */
static enum status name_check(struct store *store, const char *name, uint64_t self)
{
	struct store_snapshot other;
	enum status status;
	bool terminated = false;

	for (unsigned i = 0; i < DISK_SNAPSHOT_NAME; i++)
		terminated |= name[i] == 0;
	if (!terminated || !name[0])
		return STATUS_INVALID;
	do
		status = store_snapshot_find(store, name, &other);
	while (status == STATUS_IO && ++store->search.tries < LIMIT_COMMIT_READS);
	if (status == STATUS_WAIT)
		return status;
	store->search.tries = 0;
	return status == STATUS_OK && other.number.n != self ? STATUS_EXISTS : STATUS_OK;
}

static enum status grow_check(const struct store *store, uint64_t sectors)
{
	if (sectors > store->device->sectors || sectors > DISK_SECTORS_MAX)
		return STATUS_LIMIT;
	if (sectors < store->record.sectors + STORE_GROW_MIN)
		return STATUS_INVALID;
	return STATUS_OK;
}

static enum status number_check(struct store *store, snapshot_t number)
{
	struct disk_snapshot snapshot;
	enum status status = catalogue_read(store, number, &snapshot);

	if (status == STATUS_OK && !snapshot_lives(&snapshot))
		return STATUS_NOT_FOUND;
	return status;
}

enum status snapshot_takeable(struct store *store)
{
	uint64_t number = store->record.next_snapshot;

	return map_readable(store, &store->record.catalogue, DISK_TREE_CATALOGUE, number,
			    number + 1);
}

/* Some tries, as for the name, which is looked for next and shares them. */
static enum status place_check(struct store *store)
{
	enum status status;

	do
		status = snapshot_takeable(store);
	while (status == STATUS_IO && ++store->search.tries < LIMIT_COMMIT_READS);
	if (status_is_damage(status))
		store->search.tries = 0;
	return status;
}

enum status snapshot_deletable(struct store *store, snapshot_t number)
{
	struct disk_snapshot snapshot, parent;
	enum status status = catalogue_get(store, number, &snapshot);

	if (status == STATUS_OK && snapshot.parent)
		status = catalogue_get(store, (snapshot_t){snapshot.parent}, &parent);
	return status;
}

enum status snapshot_check(struct store *store, const struct store_commit_request *request)
{
	enum status status = STATUS_OK;

	if (request->action == STORE_ACTION_GROW)
		return grow_check(store, request->sectors);
	if (request->action == STORE_ACTION_RETAIN)
		return retention_check(&request->retention);
	if (request->action == STORE_ACTION_RESTORE || request->action == STORE_ACTION_DELETE ||
	    request->action == STORE_ACTION_RENAME)
		status = number_check(store, request->number);
	if (status == STATUS_OK && request->action == STORE_ACTION_DELETE)
		return snapshot_deletable(store, request->number);
	if (status == STATUS_OK && request->action == STORE_ACTION_RENAME)
		return name_check(store, request->name, request->number.n);
	if (status == STATUS_OK &&
	    (request->action == STORE_ACTION_SNAPSHOT || request->action == STORE_ACTION_RESTORE)) {
		status = place_check(store);
		if (status == STATUS_OK)
			status = name_check(store, request->name, 0);
		if (status == STATUS_OK && store->record.next_snapshot >= DISK_SNAPSHOT_END)
			status = STATUS_LIMIT;
		if (status == STATUS_OK && !reserve_has_room(store))
			status = STATUS_NO_SPACE;
	}
	return status;
}

/* ---- in the commit ----------------------------------------------------------------- */

/* A stream begins: what it replaces is this snapshot. */
static void apply_receiving(struct store *store, uint64_t replaced)
{
	const struct store_commit_request *request = &store->request;

	if (request->receiving_set && request->receiving.generation)
		store->next.receiving.replaced = replaced;
}

/* What was replaced since the origin was taken: another child of the origin is
 * in the live state's place now. */
static enum status held_settle(struct store *store)
{
	struct disk_record *record = &store->next;
	struct disk_snapshot origin;
	enum status status = STATUS_NOT_FOUND;

	if (record->origin && record->held_sectors)
		status = catalogue_get(store, (snapshot_t){record->origin}, &origin);
	/* A figure is no reason to refuse a snapshot: it is lost with its entry. */
	if (status != STATUS_OK && status != STATUS_NOT_FOUND && !commit_read_failed(store, status))
		return status;
	if (status == STATUS_OK) {
		origin.held_sectors = held_add(store, origin.held_sectors, record->held_sectors);
		catalogue_put(store, &origin);
	}
	record->held_sectors = 0;
	return STATUS_OK;
}

enum status snapshot_take(struct store *store, uint32_t flags, const char *name)
{
	const struct store_source *source = &store->request.source;
	struct disk_record *record = &store->next;
	struct disk_snapshot snapshot;
	enum status status = held_settle(store);

	ASSERT(commit_is_full(store) && record->next_snapshot < DISK_SNAPSHOT_END);
	ASSERT(name[0]);
	if (status != STATUS_OK)
		return status;
	snapshot = (struct disk_snapshot){
		.magic = DISK_MAGIC_SNAPSHOT,
		.number = record->next_snapshot++,
		.parent = record->origin,
		.generation = record->generation,
		.root = record->space,
		.wall_ns = record->wall_ns,
		.uptime_ns = record->counters.uptime_ns,
		.flags = flags,
		.children = 1,
		.source_generation = source->generation,
		.source_digest = source->digest,
	};
	memcpy(snapshot.source, source->identity, sizeof(snapshot.source));
	if (source->generation)
		snapshot.uptime_ns = source->uptime_ns;
	for (unsigned i = 0; name[i]; i++)
		snapshot.name[i] = name[i];
	record->origin = snapshot.number;
	record->origin_generation = snapshot.generation;
	if (store->request.action == STORE_ACTION_SNAPSHOT)
		apply_receiving(store, snapshot.number);
	catalogue_put(store, &snapshot);
	return STATUS_OK;
}

void snapshot_dying_set(struct disk_snapshot *snapshot)
{
	snapshot->flags &= ~(uint32_t)DISK_SNAPSHOT_BRANCH;
	snapshot->flags |= DISK_SNAPSHOT_DYING;
	snapshot->cursor = 0;
}

/* It and what descends from it are left: it dies now, or when its turn comes. */
static void apply_dying(struct store *store, struct disk_snapshot *snapshot)
{
	struct disk_record *record = &store->next;

	if (snapshot->children <= 1 && !record->dying) {
		snapshot_dying_set(snapshot);
		record->dying = snapshot->number;
	} else {
		snapshot->flags |= DISK_SNAPSHOT_BRANCH;
		memset(snapshot->name, 0, sizeof(snapshot->name));
		store->reclaim.waiting = true;
		store->reclaim.broken = false;
	}
}

enum status snapshot_delete(struct store *store, snapshot_t number)
{
	struct disk_snapshot snapshot;
	enum status status = catalogue_get(store, number, &snapshot);

	if (status != STATUS_OK)
		return status;
	apply_dying(store, &snapshot);
	catalogue_put(store, &snapshot);
	return STATUS_OK;
}

static enum status apply_rename(struct store *store)
{
	const struct store_commit_request *request = &store->request;
	struct disk_snapshot snapshot;
	enum status status = catalogue_get(store, request->number, &snapshot);

	if (status != STATUS_OK)
		return status;
	memset(snapshot.name, 0, sizeof(snapshot.name));
	for (unsigned i = 0; request->name[i]; i++)
		snapshot.name[i] = request->name[i];
	snapshot.flags &= ~(uint32_t)DISK_SNAPSHOT_AUTOMATIC;
	catalogue_put(store, &snapshot);
	return STATUS_OK;
}

/* What a restore kept that did not come to its end goes when another one keeps what is
 * there now, unless that goes back to it.  It may have been given a name, deleted or
 * damaged meanwhile: that refuses nothing. */
static enum status apply_leftover(struct store *store)
{
	struct disk_snapshot leftover;
	enum status status = STATUS_NOT_FOUND;

	if (store->leftover && store->leftover != store->request.number.n)
		status = catalogue_get(store, (snapshot_t){store->leftover}, &leftover);
	if (status == STATUS_OK && snapshot_lives(&leftover) &&
	    leftover.flags & DISK_SNAPSHOT_AUTOMATIC) {
		apply_dying(store, &leftover);
		catalogue_put(store, &leftover);
	}
	if (commit_read_failed(store, status)) {
		/* Not looked for again: what is read next may fail in its place. */
		store->leftover = 0;
		status = STATUS_OK;
	}
	return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* The first commit of a restore.  The entry it makes is among this commit's
 * changes, so its deletion need not wait. */
static enum status apply_replaced(struct store *store)
{
	const struct store_commit_request *request = &store->request;
	uint64_t number;
	bool given = keeping_giver_of(request->name, &number) != KEEPING_OWNER;
	enum status status = apply_leftover(store);

	if (status == STATUS_OK)
		status = snapshot_take(store, given ? DISK_SNAPSHOT_AUTOMATIC : 0, request->name);
	if (status == STATUS_OK && request->discard)
		status = snapshot_delete(store, (snapshot_t){store->next.origin});
	return status;
}

/* The second commit of a restore: the live state moves. */
static enum status apply_restore(struct store *store)
{
	struct disk_record *record = &store->next;
	struct disk_snapshot from, to;
	enum status status = catalogue_get(store, (snapshot_t){record->origin}, &from);

	if (status == STATUS_OK)
		status = catalogue_get(store, store->request.number, &to);
	if (status != STATUS_OK)
		return status;
	from.children--;
	to.children++;
	apply_receiving(store, from.number);
	catalogue_put(store, &from);
	catalogue_put(store, &to);
	record->space = to.root;
	record->origin = to.number;
	record->origin_generation = to.generation;
	return STATUS_OK;
}

void snapshot_abandoned(struct store *store)
{
	const struct store_commit_request *request = &store->request;
	uint64_t number;

	ASSERT(commit_is_abandoned(store));
	if (commit_is_second(store) && !request->discard &&
	    keeping_giver_of(request->name, &number) != KEEPING_OWNER)
		store->leftover = store->record.origin;
	index_drop(store);
	reclaim_open(store);
	store->retention.taken_ns = 0;
}

void snapshot_begin(struct store *store)
{
	ASSERT(!store_committing(store));
	store->catalogue.count = 0;
	retention_begin(store);
}

enum status snapshot_apply(struct store *store)
{
	const struct store_commit_request *request = &store->request;
	uint32_t flags = 0;

	switch (request->action) {
	case STORE_ACTION_SNAPSHOT:
		/* What a stream replaces is kept automatically. */
		if (store->next.receiving.generation)
			flags = DISK_SNAPSHOT_AUTOMATIC;
		return snapshot_take(store, flags, request->name);
	case STORE_ACTION_RESTORE:
		if (commit_is_second(store))
			return apply_restore(store);
		return apply_replaced(store);
	case STORE_ACTION_DELETE:
		return snapshot_delete(store, request->number);
	case STORE_ACTION_RENAME:
		return apply_rename(store);
	case STORE_ACTION_GROW:
		store->next.sectors = request->sectors;
		break;
	case STORE_ACTION_RETAIN:
		store->next.retention = request->retention;
		break;
	case STORE_ACTION_NONE:
		return retention_apply(store);
	case STORE_ACTION_STOP:
		break;
	}
	return STATUS_OK;
}
