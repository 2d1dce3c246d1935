/* SPDX-License-Identifier: MIT */
/*
 * reclaim.c - giving back what only a deleted snapshot sees, step by step.
 *
 * One snapshot is dying at a time.  It has one child (a snapshot or the live
 * state) or none.  What it owns alone was born after its parent and is not in
 * its child: both trees are walked side by side, and whatever is equal in both,
 * or not younger than the parent, is passed over with all that is below it.
 *
 *     parent ----- dying ----- child          free:  birth > parent's generation
 *                                                    and not equal in the child
 *
 * A step ends after a bounded number of references and leaves its position, a
 * page number, in the dying one's entry (`cursor`).  A node is given back when
 * the position has reached its end.  The step compares with the child as the
 * last durable generation has it, before this commit's own changes; those then
 * count with the new position: what lies before it is the parent's and the
 * live state's business alone (see commit_free).
 *
 * Of the space held for the dying one (held_sectors, see snapshot.c) what is not
 * given back is held for its parent.  That is exact in a line of snapshots; where
 * several descend from one, what each of them replaced is counted, be it the same.
 */
#include "store/store_priv.h"

void reclaim_open(struct store *store)
{
	store->reclaim.waiting = store->record.dying != 0;
	store->reclaim.broken = false;
}

bool reclaim_rests(const struct store *store)
{
	return store->reclaim.broken;
}

bool store_deletion_presses(const struct store *store)
{
	return store->record.dying && !store->reclaim.broken &&
	       (store->record.dying != store->retention.lazy || store->reclaim.waiting);
}

void reclaim_begin(struct store *store)
{
	struct reclaim *reclaim = &store->reclaim;

	ASSERT(commit_is_full(store));
	reclaim->phase = RECLAIM_LOAD;
	reclaim->changes_stop = changes_count(store) + LIMIT_RECLAIM_CHANGES -
				(DISK_NODE_ENTRIES + DISK_HEIGHT_MAX);
	reclaim->visits = 0;
	reclaim->freed = 0;
}

/* ---- who is dying, who descends from it ---------------------------------------- */

static enum status reclaim_load(struct store *store)
{
	struct reclaim *reclaim = &store->reclaim;
	struct disk_snapshot *dying = &reclaim->snapshot;
	struct disk_snapshot parent = {.generation = 0};
	enum status status = catalogue_read(store, (snapshot_t){store->record.dying}, dying);

	reclaim->missed = false;
	if (status == STATUS_OK && dying->parent)
		status = catalogue_read(store, (snapshot_t){dying->parent}, &parent);
	if (status != STATUS_OK)
		return status;
	reclaim->parent_generation = parent.generation;
	reclaim->parent_waits = parent.flags & DISK_SNAPSHOT_BRANCH && !dying->children;
	reclaim->position = dying->cursor;
	reclaim->end =
		dying->root.height ? UINT64_C(1) << (DISK_NODE_SHIFT * dying->root.height) : 0;
	reclaim->child_is_live = store->record.origin == dying->number;
	if (reclaim->dying != dying->number) {
		reclaim->dying = dying->number;
		reclaim->child = 0;
		reclaim->scan = dying->number;
	}
	reclaim->phase = RECLAIM_CHILD;
	return STATUS_OK;
}

static enum status reclaim_child(struct store *store)
{
	struct reclaim *reclaim = &store->reclaim;
	struct disk_snapshot snapshot;
	snapshot_t number = {reclaim->child};
	enum status status;

	memset(&reclaim->child_root, 0, sizeof(reclaim->child_root));
	reclaim->phase = RECLAIM_WALK;
	if (!reclaim->snapshot.children)
		return STATUS_OK;
	if (reclaim->child_is_live) {
		reclaim->child_root = store->record.space;
		return STATUS_OK;
	}
	if (number.n)
		status = catalogue_read(store, number, &snapshot);
	else
		status =
			catalogue_read_next(store, (snapshot_t){reclaim->scan}, &number, &snapshot);
	if (status == STATUS_OK && snapshot.parent == reclaim->dying) {
		reclaim->child = number.n;
		reclaim->child_root = snapshot.root;
		return STATUS_OK;
	}
	reclaim->phase = RECLAIM_CHILD;
	/* It was its child, and nobody has deleted it. */
	if (status == STATUS_OK && reclaim->child)
		return STATUS_CORRUPT;
	/* An entry that cannot be read does not end the search for others. */
	if (status != STATUS_OK && (reclaim->child || !commit_read_failed(store, status)))
		return status == STATUS_NOT_FOUND ? STATUS_CORRUPT : status;
	reclaim->scan = number.n;
	return STATUS_OK;
}

/* ---- the walk --------------------------------------------------------------------- */

/* The two trees at the place where the walk is. */
struct pair {
	struct disk_reference dying, child;
};

static bool pair_pruned(const struct reclaim *reclaim, const struct pair *pair)
{
	return pair->dying.birth <= reclaim->parent_generation ||
	       reference_equal(&pair->dying, &pair->child);
}

static enum status node_get(struct store *store, const struct disk_reference *reference,
			    unsigned level, uint64_t page, const struct disk_node **node)
{
	static const struct disk_node empty;
	struct place place = {DISK_TREE_SPACE, level, page >> (DISK_NODE_SHIFT * level)};
	const void *data = &empty;
	enum status status = STATUS_OK;

	if (!reference_is_null(reference))
		status = extent_get(store, reference, place, &data);
	*node = data;
	return status;
}

/* The child's reference for the place of the dying tree's root.  A child's tree
 * of less height has its root further down, under key 0 (see child_below). */
static enum status pair_top(struct store *store, struct pair *pair)
{
	struct reclaim *reclaim = &store->reclaim;
	struct place place = {DISK_TREE_SPACE, reclaim->snapshot.root.height, 0};

	pair->dying = reclaim->snapshot.root.reference;
	return map_lookup_node(store, &reclaim->child_root, place, &pair->child);
}

static struct disk_reference child_below(const struct reclaim *reclaim,
					 const struct disk_node *node, unsigned level,
					 uint64_t page)
{
	unsigned index = (unsigned)(page >> (DISK_NODE_SHIFT * (level - 1))) % DISK_NODE_ENTRIES;

	if (level == reclaim->child_root.height + 1 && page >> (DISK_NODE_SHIFT * (level - 1)) == 0)
		return reclaim->child_root.reference;
	return node->entry[index];
}

static void reclaim_free(struct store *store, const struct disk_reference *reference)
{
	changes_give_back(store, reference);
	store->reclaim.freed += reference->sectors;
}

/* Nodes of the dying tree's path that end at the position are done with. */
static void path_complete(struct store *store, const struct disk_reference *path, unsigned level)
{
	struct reclaim *reclaim = &store->reclaim;

	ASSERT(level >= 1);
	for (; level <= reclaim->snapshot.root.height; level++) {
		if (reclaim->position & ((UINT64_C(1) << (DISK_NODE_SHIFT * level)) - 1))
			break;
		reclaim_free(store, &path[level]);
	}
}

/*
 * Goes through the entries of one node from the position on.  Pages are given
 * back on the spot; a node that must be entered stops the loop with *down set
 * and *pair what it is.
 */
static void node_walk(struct store *store, unsigned level, const struct disk_node *dying,
		      const struct disk_node *child, struct pair *pair, bool *down)
{
	struct reclaim *reclaim = &store->reclaim;
	unsigned shift = DISK_NODE_SHIFT * (level - 1);

	ASSERT(level >= 1 && level <= reclaim->snapshot.root.height);
	ASSERT(reclaim->position < reclaim->end);
	*down = false;
	do {
		unsigned index = (unsigned)(reclaim->position >> shift) % DISK_NODE_ENTRIES;

		pair->dying = dying->entry[index];
		pair->child = child_below(reclaim, child, level, reclaim->position);
		if (!pair_pruned(reclaim, pair)) {
			if (level > 1) {
				*down = true;
				return;
			}
			reclaim_free(store, &pair->dying);
		}
		reclaim->visits++;
		reclaim->position = ((reclaim->position >> shift) + 1) << shift;
	} while ((reclaim->position >> shift) % DISK_NODE_ENTRIES);
}

/* One descent from the roots to the position, and the node it ends in. */
static enum status reclaim_walk(struct store *store)
{
	struct reclaim *reclaim = &store->reclaim;
	struct disk_reference path[DISK_HEIGHT_MAX + 1];
	unsigned level = reclaim->snapshot.root.height;
	struct pair pair;
	enum status status;
	bool down = true;

	if (reclaim->position < reclaim->end) {
		status = pair_top(store, &pair);
		if (status != STATUS_OK)
			return status;
		if (pair_pruned(reclaim, &pair))
			reclaim->position = reclaim->end;
	}
	if (reclaim->position >= reclaim->end) {
		reclaim->next = reclaim->next_scan = 0;
		reclaim->phase = RECLAIM_NEXT;
		return STATUS_OK;
	}
	while (down) {
		const struct disk_node *dying, *child;

		path[level] = pair.dying;
		status = node_get(store, &pair.dying, level, reclaim->position, &dying);
		if (status == STATUS_OK)
			status = node_get(store, &pair.child, level, reclaim->position, &child);
		if (status != STATUS_OK)
			return status;
		node_walk(store, level, dying, child, &pair, &down);
		level -= down;
	}
	path_complete(store, path, level);
	return STATUS_OK;
}

static bool reclaim_enough(const struct store *store)
{
	return changes_count(store) >= store->reclaim.changes_stop ||
	       store->reclaim.visits >= store->limits.deletion_visits;
}

/* ---- space held ----------------------------------------------------------------------- */

uint64_t held_add(const struct store *store, uint64_t held, uint64_t more)
{
	uint64_t most = store->record.sectors;

	if (held > most || more > most || held + more > most)
		return most;
	return held + more;
}

static void held_take(uint64_t *held, uint64_t freed)
{
	*held -= freed < *held ? freed : *held;
}

/* What this step gave back is not held any more. */
static void held_given_back(struct store *store)
{
	struct reclaim *reclaim = &store->reclaim;

	held_take(reclaim->child_is_live ? &store->next.held_sectors
					 : &reclaim->snapshot.held_sectors,
		  reclaim->freed);
	reclaim->freed = 0;
}

/* The rest is the parent's.  True: its entry has changed. */
static bool held_pass(struct store *store, struct disk_snapshot *parent)
{
	struct reclaim *reclaim = &store->reclaim;
	struct disk_record *record = &store->next;
	uint64_t rest;

	held_given_back(store);
	if (reclaim->child_is_live && !parent->number)
		record->held_sectors = 0;
	if (!parent->number)
		return false;
	if (!reclaim->child_is_live) {
		rest = reclaim->snapshot.held_sectors;
		parent->held_sectors = held_add(store, parent->held_sectors, rest);
		return rest > 0;
	}
	/* The live state is the parent's child from now on.  What others replaced
	 * remains the parent's figure. */
	if (parent->children > 1 || !parent->held_sectors)
		return false;
	record->held_sectors = held_add(store, record->held_sectors, parent->held_sectors);
	parent->held_sectors = 0;
	return true;
}

/* ---- the end -------------------------------------------------------------------------- */

/* Is this a branch point that has one child left once the dying one is gone? */
static bool next_suits(const struct reclaim *reclaim, const struct disk_snapshot *snapshot)
{
	const struct disk_snapshot *dying = &reclaim->snapshot;
	bool loses = snapshot->number == dying->parent && !dying->children;

	return snapshot->flags & DISK_SNAPSHOT_BRANCH && snapshot->number != dying->number &&
	       snapshot->children - loses <= 1;
}

/*
 * Looks for who is the next to die, in this very commit, so that none is ever
 * forgotten; and before anything has changed, so that an error stops it all.  What
 * the disk cannot read now may be the one that waits: if there is no other, this
 * deletion rests until there is one, or the next mount.
 */
static enum status reclaim_next(struct store *store)
{
	struct reclaim *reclaim = &store->reclaim;
	struct disk_snapshot snapshot;
	snapshot_t number;
	enum status status = STATUS_NOT_FOUND;

	if (reclaim->waiting || reclaim->parent_waits)
		status = catalogue_read_next(store, (snapshot_t){reclaim->next_scan}, &number,
					     &snapshot);
	if (status == STATUS_NOT_FOUND && !reclaim->missed) {
		reclaim->phase = RECLAIM_END;
		return STATUS_OK;
	}
	if (status != STATUS_OK && !commit_read_failed(store, status))
		return status == STATUS_NOT_FOUND ? STATUS_CORRUPT : status;
	reclaim->missed |= status == STATUS_IO;
	reclaim->next_scan = number.n;
	if (status == STATUS_OK && next_suits(reclaim, &snapshot)) {
		reclaim->next = number.n;
		reclaim->phase = RECLAIM_END;
	}
	return STATUS_OK;
}

/* The entries that the end of a deletion changes. */
struct reclaim_entries {
	struct disk_snapshot parent, child, next;
};

static enum status entries_get(struct store *store, struct reclaim_entries *entries)
{
	const struct reclaim *reclaim = &store->reclaim;
	const struct disk_snapshot *dying = &reclaim->snapshot;
	enum status status = STATUS_OK;

	memset(entries, 0, sizeof(*entries));
	if (dying->parent)
		status = catalogue_read(store, (snapshot_t){dying->parent}, &entries->parent);
	if (status == STATUS_OK && dying->children && !reclaim->child_is_live)
		status = catalogue_read(store, (snapshot_t){reclaim->child}, &entries->child);
	if (status == STATUS_OK && reclaim->next)
		status = catalogue_read(store, (snapshot_t){reclaim->next}, &entries->next);
	return status;
}

/* The next to die may be the parent or the child, and then has changed already. */
static void next_begin(struct store *store, const struct reclaim_entries *entries)
{
	const struct disk_snapshot *known[] = {&entries->parent, &entries->child};
	struct disk_snapshot next = entries->next;

	ASSERT(next.number == store->reclaim.next);
	for (unsigned i = 0; i < 2; i++)
		if (known[i]->number == next.number)
			next = *known[i];
	snapshot_dying_set(&next);
	catalogue_put(store, &next);
}

static enum status reclaim_end(struct store *store, bool *done)
{
	struct reclaim *reclaim = &store->reclaim;
	const struct disk_snapshot *dying = &reclaim->snapshot;
	struct disk_record *record = &store->next;
	struct reclaim_entries entries;
	enum status status = entries_get(store, &entries);
	bool parent_changes;

	ASSERT(dying->number == store->record.dying && reclaim->position >= reclaim->end);
	if (status != STATUS_OK)
		return status;
	catalogue_remove(store, (snapshot_t){dying->number});
	parent_changes = held_pass(store, &entries.parent);
	if (dying->parent && !dying->children) {
		entries.parent.children--;
		parent_changes = true;
	}
	if (dying->parent && parent_changes)
		catalogue_put(store, &entries.parent);
	if (entries.child.number) {
		entries.child.parent = dying->parent;
		catalogue_put(store, &entries.child);
	} else if (reclaim->child_is_live) {
		record->origin = dying->parent;
		record->origin_generation = reclaim->parent_generation;
	}
	if (reclaim->next)
		next_begin(store, &entries);
	record->dying = reclaim->next;
	reclaim->waiting = reclaim->next != 0;
	reclaim->scan = 0;
	*done = true;
	return STATUS_OK;
}

/* ---- steps ------------------------------------------------------------------------------ */

/* The live state's birth limits follow the position. */
static void reclaim_limits(struct store *store)
{
	struct reclaim *reclaim = &store->reclaim;

	if (!reclaim->child_is_live)
		return;
	commit_limit_pass(store, (generation_t){reclaim->parent_generation},
			  reclaim->position >= reclaim->end ? UINT64_MAX : reclaim->position);
}

/* Here the next step goes on. */
static void reclaim_rest(struct store *store)
{
	struct reclaim *reclaim = &store->reclaim;

	ASSERT(reclaim->position >= reclaim->snapshot.cursor);
	held_given_back(store);
	reclaim->snapshot.cursor = reclaim->position;
	catalogue_put(store, &reclaim->snapshot);
}

static enum status reclaim_phase_step(struct store *store, bool *done)
{
	struct reclaim *reclaim = &store->reclaim;

	switch (reclaim->phase) {
	case RECLAIM_LOAD:
		return reclaim_load(store);
	case RECLAIM_CHILD:
		return reclaim_child(store);
	case RECLAIM_WALK:
		if (!reclaim_enough(store))
			return reclaim_walk(store);
		reclaim_rest(store);
		*done = true;
		return STATUS_OK;
	case RECLAIM_NEXT:
		return reclaim_next(store);
	case RECLAIM_END:
		break;
	}
	return reclaim_end(store, done);
}

bool reclaim_is_stuck(const struct store *store)
{
	return store->reclaim.broken && !store->reclaim.missed;
}

/* Damage in the way stops the deletion, not the commit: what was given back
 * so far is, the rest stays in use, and the cursor says up to where. */
static void reclaim_break(struct store *store)
{
	struct reclaim *reclaim = &store->reclaim;

	ASSERT(!reclaim->broken && store->record.dying);
	store_log(store, "store: the deletion of snapshot %lu rests: damage in the way",
		  store->record.dying);
	reclaim->broken = true;
	if (reclaim->phase >= RECLAIM_WALK)
		reclaim_rest(store);
}

enum status reclaim_step(struct store *store, bool *done)
{
	struct reclaim *reclaim = &store->reclaim;
	enum status status;

	*done = !store->record.dying || reclaim->broken;
	if (*done)
		return STATUS_OK;
	status = reclaim_phase_step(store, done);
	if (status == STATUS_IO && !commit_read_failed(store, status))
		return status;
	if (status != STATUS_OK && status != STATUS_WAIT) {
		reclaim_break(store);
		status = STATUS_OK;
		*done = true;
	}
	if (*done && reclaim->phase >= RECLAIM_WALK)
		reclaim_limits(store);
	return status;
}
