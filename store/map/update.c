/* SPDX-License-Identifier: MIT */
/*
 * update.c - a tree rewritten in one pass from the left to the right.
 *
 * Keys come in rising order.  On the way one node per level is open, in a
 * buffer of its own: a copy of the old node with the changes so far.  When the
 * pass leaves a node, it is staged and its reference goes into the node above;
 * an empty node vanishes.  Old nodes and pages that were replaced are given to
 * commit_free.  Nothing on the disk is changed in place.
 *
 *      level 3      [ . . x ]            open: the path to the current key
 *      level 2          [ x . . ]
 *      level 1            [ . x . ]      left of it: staged; right: untouched
 *
 * Every function either does one thing or says WAIT having done nothing.
 */
#include "store/store_priv.h"

static uint64_t node_key(uint64_t key, unsigned level)
{
	return key >> (DISK_NODE_SHIFT * level);
}

/* The first key behind the node that covers `key` at this level. */
static uint64_t node_end(uint64_t key, unsigned level)
{
	return (node_key(key, level) + 1) << (DISK_NODE_SHIFT * level);
}

/* Where the reference of the open path's node (level, key) is kept. */
static struct disk_reference *link_of(struct store *store, unsigned level, uint64_t key)
{
	struct update *update = &store->update;

	ASSERT(level >= 1 && level <= update->height);
	if (level == update->height)
		return &update->root;
	return &store->node[level + 1]->entry[node_key(key, level) % DISK_NODE_ENTRIES];
}

static void node_open_empty(struct store *store, unsigned level, uint64_t key)
{
	struct update *update = &store->update;

	memset(store->node[level], 0, sizeof(struct disk_node));
	memset(&update->before[level], 0, sizeof(struct disk_reference));
	update->active[level] = true;
	update->changed[level] = false;
	update->key[level] = key;
	update->started = true;
}

/* A tree that grows: the nodes above the old root are opened at once, with the
 * old root as the first entry of the lowest of them. */
static void update_grow(struct store *store)
{
	struct update *update = &store->update;

	for (unsigned level = update->height; level > update->old.height; level--) {
		node_open_empty(store, level, 0);
		update->changed[level] = true;
	}
	store->node[update->old.height + 1]->entry[0] = update->old.reference;
	memset(&update->root, 0, sizeof(update->root));
}

void update_begin(struct store *store, enum disk_tree tree, const struct disk_root *root,
		  uint64_t max_key)
{
	struct update *update = &store->update;

	ASSERT(commit_is_full(store));
	update->tree = tree;
	update->old = update->result = *root;
	update->height = root->height;
	update->root = root->reference;
	update->started = false;
	memset(update->active, 0, sizeof(update->active));
	if (max_key != NIL_KEY && map_height_for(max_key) > update->height)
		update->height = map_height_for(max_key);
	ASSERT(update->height <= DISK_HEIGHT_MAX);
	if (update->height > update->old.height && update->old.height)
		update_grow(store);
}

/* ---- closing -------------------------------------------------------------------- */

static uint64_t node_auxiliary(const struct disk_node *node)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < DISK_NODE_ENTRIES; i++)
		sum += disk_reference_auxiliary(&node->entry[i]);
	return sum;
}

static bool node_empty(const struct disk_node *node, unsigned from)
{
	for (unsigned i = from; i < DISK_NODE_ENTRIES; i++)
		if (!reference_is_null(&node->entry[i]))
			return false;
	return true;
}

static enum status node_write(struct store *store, unsigned level, struct disk_reference *reference)
{
	struct update *update = &store->update;
	struct disk_node *node = store->node[level];
	struct place place = {update->tree, level, update->key[level]};

	if (update->tree == DISK_TREE_FREE_MAP)
		return freemap_stage(store, node, place, node_auxiliary(node), reference);
	return stage_extent(store, node, place, reference);
}

/* Leaves the open node of this level; all below are closed already. */
static enum status node_close(struct store *store, unsigned level)
{
	struct update *update = &store->update;
	uint64_t key = update->key[level] << (DISK_NODE_SHIFT * level);
	struct disk_reference reference = {.codec = DISK_CODEC_NONE};
	enum status status = STATUS_OK;

	ASSERT(level == 1 || !update->active[level - 1]);
	if (update->changed[level]) {
		if (!node_empty(store->node[level], 0))
			status = node_write(store, level, &reference);
		if (status != STATUS_OK)
			return status;
		commit_free(store, update->tree, &update->before[level], node_end(key, level));
		*link_of(store, level, key) = reference;
		if (level < update->height)
			update->changed[level + 1] = true;
	}
	update->active[level] = false;
	return STATUS_OK;
}

static enum status nodes_close(struct store *store, unsigned top)
{
	for (unsigned level = 1; level <= top; level++) {
		enum status status = STATUS_OK;

		if (store->update.active[level])
			status = node_close(store, level);
		if (status != STATUS_OK)
			return status;
	}
	return STATUS_OK;
}

/* ---- opening -------------------------------------------------------------------- */

static enum status node_open(struct store *store, unsigned level, uint64_t key)
{
	struct update *update = &store->update;
	struct disk_reference *link = link_of(store, level, key);
	struct place place = {update->tree, level, node_key(key, level)};
	const void *data;
	enum status status;

	ASSERT(!update->active[level]);
	if (reference_is_null(link)) {
		node_open_empty(store, level, place.key);
		return STATUS_OK;
	}
	status = extent_get(store, link, place, &data);
	if (status != STATUS_OK)
		return status;
	node_open_empty(store, level, place.key);
	memcpy(store->node[level], data, sizeof(struct disk_node));
	update->before[level] = *link;
	return STATUS_OK;
}

/*
 * Opens the path to `key` down to level 1.  Without create it stops where
 * nothing is: then *absent is the level of the null reference, else 0.
 */
static enum status path_open(struct store *store, uint64_t key, bool create, unsigned *absent)
{
	struct update *update = &store->update;

	*absent = 0;
	for (unsigned level = update->height; level; level--) {
		enum status status;

		if (update->active[level] && update->key[level] == node_key(key, level))
			continue;
		/* From the left to the right, never back. */
		ASSERT(!update->active[level] || update->key[level] < node_key(key, level));
		status = nodes_close(store, level);
		if (status != STATUS_OK)
			return status;
		if (!create && reference_is_null(link_of(store, level, key))) {
			*absent = level;
			return STATUS_OK;
		}
		status = node_open(store, level, key);
		if (status != STATUS_OK)
			return status;
	}
	return STATUS_OK;
}

enum status update_seek(struct store *store, uint64_t key)
{
	unsigned absent;

	return path_open(store, key, true, &absent);
}

struct disk_reference *update_entry(struct store *store, uint64_t key)
{
	ASSERT(store->update.active[1] && store->update.key[1] == node_key(key, 1));
	return &store->node[1]->entry[key % DISK_NODE_ENTRIES];
}

void update_set(struct store *store, uint64_t key, const struct disk_reference *reference)
{
	struct update *update = &store->update;
	struct disk_reference *entry = update_entry(store, key);
	bool was = !reference_is_null(entry), is = !reference_is_null(reference);

	if (!was && !is)
		return;
	commit_free(store, update->tree, entry, key + 1);
	*entry = *reference;
	update->changed[1] = true;
	update->result.pages += (uint64_t)is - (uint64_t)was;
}

enum status update_clear(struct store *store, uint64_t *position, uint64_t end)
{
	static const struct disk_reference null;
	unsigned absent;
	uint64_t stop;
	enum status status;

	ASSERT(*position < end);
	if (!store->update.height || *position >> (DISK_NODE_SHIFT * store->update.height)) {
		*position = end;
		return STATUS_OK;
	}
	status = path_open(store, *position, false, &absent);
	if (status != STATUS_OK)
		return status;
	stop = node_end(*position, absent ? absent : 1);
	if (stop > end)
		stop = end;
	if (!absent)
		for (uint64_t key = *position; key < stop; key++)
			update_set(store, key, &null);
	ASSERT(stop > *position);
	*position = stop;
	return STATUS_OK;
}

/* ---- the end ---------------------------------------------------------------------- */

/* Top nodes that would hold nothing but the open node below are left out. */
static void update_shrink(struct store *store)
{
	struct update *update = &store->update;

	while (update->height > 1) {
		unsigned top = update->height;

		if (!update->active[top] || !update->active[top - 1] || update->key[top - 1] ||
		    !node_empty(store->node[top], 1))
			return;
		commit_free(store, update->tree, &update->before[top], node_end(0, top));
		update->active[top] = false;
		update->root = store->node[top]->entry[0];
		update->height--;
	}
}

enum status update_finish(struct store *store)
{
	struct update *update = &store->update;
	enum status status;

	if (!update->started)
		return STATUS_OK;
	/* The free map keeps its height: its nodes' blocks are counted already. */
	if (update->tree != DISK_TREE_FREE_MAP)
		update_shrink(store);
	status = nodes_close(store, update->height);
	if (status != STATUS_OK)
		return status;
	if (reference_is_null(&update->root))
		update->height = 0;
	update->result.reference = update->root;
	update->result.height = update->height;
	return STATUS_OK;
}

const struct disk_root *update_result(const struct store *store)
{
	return &store->update.result;
}
