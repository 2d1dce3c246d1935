/* SPDX-License-Identifier: MIT */
/*
 * btree.c - B+trees with byte-string keys: descent, order, insertion, removal.
 *
 *     level 2              [ a | m ]
 *                         /         \
 *     level 1     [ a | f ]         [ m | t ]
 *                /       \         /       \
 *     level 0  [a c e]  [f h]    [m p]    [t v]       leaves: keys and values
 *
 * Insertion splits full pages on the way up; removal gives empty pages back and
 * drops a root with one child, and does not merge pages.  A split leaves at least 6
 * entries in a leaf and 7 in an inner page on either side, however long their keys;
 * only the last page of a level can have fewer.  So without removals a ninth level
 * takes more than 2 * 7^7 * 6 entries, nine million.  A tree is never deeper than
 * TREE_DEPTH_MAX: an insertion that would need more is refused with LIMIT.
 *
 * Changes are prepared before they are done, several in one operation, and any of
 * them can be done first.  Preparing obtains everything that the change can touch:
 *
 *   - the path to the key: alone in its operation, a change is computed exactly and
 *     only the pages that it changes are made writable; a later one cannot know what
 *     the earlier ones will have left and takes its whole path;
 *   - for each split that can happen, a page from btree_pool.c; beyond the first
 *     change, one for every level and for every change prepared before;
 *   - where a leaf disappears, the leaves before and behind it with their paths: its
 *     keys belong to one of these then, and another change of the same operation can
 *     be about such a key.
 *
 * Pages read for the prepare are checked; in the commit the same checks hold, and
 * are asserted.
 */
#include "objects/objects_priv.h"
#include <string.h>

struct btree_step {
	uint64_t page;
	const struct disk_tree_page *node;
	uint32_t index;
};

/* The pages from the root (level height - 1) to a leaf (level 0). */
struct btree_path {
	uint32_t height;
	bool equal; /* the leaf's entry has the key */
	struct btree_step step[TREE_DEPTH_MAX];
};

/* Where a descent gets its pages from: the store, or what prepare has obtained. */
enum btree_access { TREE_READ, TREE_RESIDENT };

static enum status btree_load(struct space *space, enum btree_access access, uint64_t page,
			      uint32_t level, const struct disk_tree_page **node)
{
	enum status status;
	void *data;

	if (!btree_page_valid(page))
		return STATUS_CORRUPT;
	if (access == TREE_RESIDENT) {
		*node = space_resident(space, (page_t){page});
	} else {
		status = space_read(space, (page_t){page}, &data);
		if (status == STATUS_ABSENT)
			return STATUS_CORRUPT;
		if (status != STATUS_OK)
			return status;
		*node = data;
	}
	return btree_node_sound(*node, level) ? STATUS_OK : STATUS_CORRUPT;
}

/* From the root of a tree that is not empty to the leaf of the key. */
static enum status btree_descend(struct space *space, enum btree_access access, uint64_t root,
				 struct btree_key key, struct btree_path *path)
{
	uint32_t level = TREE_LEVEL_ANY;
	uint64_t page = root;

	ASSERT(key.length >= 1 && key.length <= TREE_KEY_MAX);
	for (;;) {
		struct btree_step step = {.page = page};
		enum status status = btree_load(space, access, page, level, &step.node);

		if (status != STATUS_OK)
			return status;
		if (level == TREE_LEVEL_ANY)
			path->height = step.node->level + 1u;
		level = step.node->level;
		if (!btree_node_search(step.node, key, &step.index, &path->equal))
			return STATUS_CORRUPT;
		path->step[level] = step;
		if (!level)
			return STATUS_OK;
		page = btree_node_child(step.node, step.index);
		level--; /* of the child; what it says must agree, so the descent ends */
	}
}

/* Fills the path below `level` along its first or last entries. */
static enum status btree_descend_edge(struct space *space, struct btree_path *path, uint32_t level,
				      bool last)
{
	ASSERT(level < path->height && path->height <= TREE_DEPTH_MAX);
	while (level > 0) {
		const struct btree_step *above = &path->step[level];
		struct btree_step step = {.page = btree_node_child(above->node, above->index)};
		enum status status = btree_load(space, TREE_READ, step.page, level - 1, &step.node);

		if (status != STATUS_OK)
			return status;
		step.index = last ? step.node->count - 1u : 0;
		path->step[--level] = step;
	}
	return STATUS_OK;
}

/* Turns the path into that of the leaf before or behind; NOT_FOUND at the end.
 * *level: the highest level whose page is another one now. */
static enum status btree_neighbour(struct space *space, struct btree_path *path, bool before,
				   uint32_t *level)
{
	for (uint32_t i = 1; i < path->height; i++) {
		struct btree_step *step = &path->step[i];

		if (before ? step->index == 0 : step->index + 1u >= step->node->count)
			continue;
		step->index += before ? -1 : 1;
		*level = i - 1;
		return btree_descend_edge(space, path, i, before);
	}
	return STATUS_NOT_FOUND;
}

/* ---- reading ----------------------------------------------------------------------- */

static enum status entry_value(const struct btree_entry *entry, void *value, size_t value_length)
{
	if (entry->value_length != value_length)
		return STATUS_CORRUPT;
	if (value_length)
		memcpy(value, entry->value, value_length);
	return STATUS_OK;
}

enum status btree_find(struct space *space, uint64_t root, struct btree_key key, void *value,
		       size_t value_length)
{
	struct btree_path path;
	struct btree_entry entry;
	enum status status;

	ASSERT(key.length >= 1 && key.length <= TREE_KEY_MAX);
	ASSERT(value_length <= TREE_VALUE_MAX);
	if (!root)
		return STATUS_NOT_FOUND;
	status = btree_descend(space, TREE_READ, root, key, &path);
	if (status != STATUS_OK)
		return status;
	if (!path.equal)
		return STATUS_NOT_FOUND;
	if (!btree_node_entry(path.step[0].node, path.step[0].index, &entry))
		return STATUS_CORRUPT;
	return entry_value(&entry, value, value_length);
}

/* The path to the first entry of all, or to the first above the key. */
static enum status btree_descend_after(struct space *space, uint64_t root, struct btree_key after,
				       struct btree_path *path)
{
	struct btree_step *leaf = &path->step[0];
	uint32_t level;
	enum status status;

	if (after.length) {
		status = btree_descend(space, TREE_READ, root, after, path);
		if (status == STATUS_OK && path->equal)
			leaf->index++;
	} else {
		struct btree_step top = {.page = root};

		status = btree_load(space, TREE_READ, root, TREE_LEVEL_ANY, &top.node);
		if (status != STATUS_OK)
			return status;
		path->height = top.node->level + 1u;
		path->step[top.node->level] = top;
		status = btree_descend_edge(space, path, top.node->level, false);
	}
	if (status == STATUS_OK && leaf->index >= leaf->node->count)
		status = btree_neighbour(space, path, false, &level);
	return status;
}

enum status btree_next(struct space *space, uint64_t root, struct btree_key after, uint8_t *key,
		       size_t *key_length, void *value, size_t value_length)
{
	struct btree_path path;
	struct btree_entry entry;
	enum status status;

	ASSERT(after.length <= TREE_KEY_MAX && value_length <= TREE_VALUE_MAX);
	if (!root)
		return STATUS_NOT_FOUND;
	status = btree_descend_after(space, root, after, &path);
	if (status != STATUS_OK)
		return status;
	if (!btree_node_entry(path.step[0].node, path.step[0].index, &entry))
		return STATUS_CORRUPT;
	/* A damaged tree must not lead anybody in circles. */
	if (btree_key_compare((struct btree_key){entry.key, entry.key_length}, after) <= 0)
		return STATUS_CORRUPT;
	status = entry_value(&entry, value, value_length);
	if (status != STATUS_OK)
		return status;
	memcpy(key, entry.key, entry.key_length);
	*key_length = entry.key_length;
	return STATUS_OK;
}

enum status btree_count(struct space *space, uint64_t root, uint32_t *pages)
{
	const struct disk_tree_page *node;
	enum status status = STATUS_OK;

	*pages = 0;
	if (root)
		status = btree_load(space, TREE_READ, root, TREE_LEVEL_ANY, &node);
	if (root && status == STATUS_OK && node->level < 2)
		*pages = node->level ? 1u + node->count : 1;
	return status;
}

/* ---- preparing ----------------------------------------------------------------------- */

/* Pages from `first` to `last` (levels, upwards) of the path become writable. */
static enum status btree_path_prepare(struct space *space, const struct btree_path *path,
				      uint32_t first, uint32_t last)
{
	ASSERT(path->height >= 1 && path->height <= TREE_DEPTH_MAX);
	for (uint32_t level = first; level <= last && level < path->height; level++) {
		enum status status;
		void *data;

		if (!btree_node_whole(path->step[level].node))
			return STATUS_CORRUPT;
		status = space_write(space, (page_t){path->step[level].page}, &data);
		if (status != STATUS_OK)
			return status;
	}
	return STATUS_OK;
}

/* How many levels, from the leaf on, an insertion splits. */
static uint32_t insert_splits(const struct btree_path *path, struct btree_key key)
{
	const struct btree_step *leaf = &path->step[0];
	uint32_t need = 2 + 2 + (uint32_t)key.length + TREE_VALUE_MAX, splits = 0;
	uint32_t room = btree_node_room(leaf->node);
	struct btree_entry old;

	if (path->equal && btree_node_entry(leaf->node, leaf->index, &old))
		room += 2u + 2u + old.key_length + old.value_length;
	while (splits < path->height && room < need) {
		splits++;
		need = TREE_INNER_ROOM;
		if (splits < path->height)
			room = btree_node_room(path->step[splits].node);
	}
	return splits;
}

/* Room for the root's growth when the tree is as deep as it may be. */
static bool insert_too_deep(const struct btree_path *path, uint32_t splits, uint32_t before)
{
	const struct disk_tree_page *root = path->step[path->height - 1].node;

	if (path->height < TREE_DEPTH_MAX)
		return false;
	if (!before)
		return splits == path->height;
	return btree_node_room(root) < TREE_INNER_ROOM * (before + 1);
}

/* One more change is prepared; *before: how many were already. */
static void btree_change_note(struct space *space, uint32_t *before)
{
	space_operation_note(space);
	ASSERT(space->tree_changes < TREE_CHANGES_MAX);
	*before = space->tree_changes;
}

static enum status btree_change_prepared(struct space *space, enum status status)
{
	if (status == STATUS_OK)
		space->tree_changes++;
	return status;
}

static void btree_change_done(struct space *space)
{
	ASSERT(space->tree_changes > 0);
	space->tree_changes--;
	/* No other is outstanding: what was held ready for it can be used anew. */
	if (!space->tree_changes) {
		space->tree_spares = 0;
		space->tree_gives = false;
	}
}

enum status btree_insert_prepare(struct space *space, uint64_t root, struct btree_key key)
{
	struct btree_path path = {.height = 0};
	uint32_t before, splits = 0, spares = 1;
	enum status status = STATUS_OK;

	ASSERT(key.length >= 1 && key.length <= TREE_KEY_MAX);
	btree_change_note(space, &before);
	if (root) {
		status = btree_descend(space, TREE_READ, root, key, &path);
		if (status != STATUS_OK)
			return status;
		splits = insert_splits(&path, key);
		if (insert_too_deep(&path, splits, before))
			return STATUS_LIMIT;
		/* A split of the root takes one page more, for the new root. */
		spares = splits + (splits == path.height);
		status = btree_path_prepare(space, &path, 0, before ? path.height : splits);
	}
	if (before)
		spares = path.height + 1 + before;
	if (status == STATUS_OK && spares)
		status = btree_pool_prepare(space, spares);
	return btree_change_prepared(space, status);
}

/* Makes the leaves on both sides of the path writable, with what leads to them and
 * not to the path's own leaf. */
static enum status btree_neighbours_prepare(struct space *space, const struct btree_path *path)
{
	for (uint32_t side = 0; side < 2; side++) {
		struct btree_path other = *path;
		uint32_t level;
		enum status status = btree_neighbour(space, &other, side == 0, &level);

		if (status == STATUS_NOT_FOUND)
			continue;
		if (status == STATUS_OK)
			status = btree_path_prepare(space, &other, 0, level);
		if (status != STATUS_OK)
			return status;
	}
	return STATUS_OK;
}

enum status btree_remove_prepare(struct space *space, uint64_t root, struct btree_key key)
{
	struct btree_path path;
	struct disk_system *system;
	uint32_t before, level = 0;
	enum status status;

	ASSERT(key.length >= 1 && key.length <= TREE_KEY_MAX);
	btree_change_note(space, &before);
	if (!root)
		return btree_change_prepared(space, STATUS_OK);
	status = btree_descend(space, TREE_READ, root, key, &path);
	if (status != STATUS_OK)
		return status;
	/* Up to the first page that keeps something. */
	while (level + 1 < path.height && path.step[level].node->count <= before + 1)
		level++;
	if (path.equal || before)
		status = btree_path_prepare(space, &path, 0, before ? path.height : level);
	if (status != STATUS_OK || (!path.equal && !before))
		return btree_change_prepared(space, status);
	/* Pages are given back: an emptied one, a root with a single child left. */
	if (path.step[0].node->count <= before + 1) {
		space->tree_gives = true;
		status = btree_neighbours_prepare(space, &path);
		if (status == STATUS_OK && before)
			status = btree_pool_prepare(space, path.height + 1 + before);
		else if (status == STATUS_OK)
			status = system_prepare(space, &system);
	}
	return btree_change_prepared(space, status);
}

/* ---- committing ------------------------------------------------------------------------ */

static struct disk_tree_page *step_writable(struct space *space, const struct btree_step *step)
{
	return space_writable(space, (page_t){step->page});
}

/* A key and a child's number on their way from a split page to its parent. */
struct btree_carry {
	uint8_t key[TREE_KEY_MAX];
	uint64_t child;
	struct btree_entry entry;
};

static void carry_set(struct btree_carry *carry, const struct disk_tree_page *node, uint64_t page)
{
	struct btree_entry first;

	ASSERT(btree_node_entry(node, 0, &first));
	memcpy(carry->key, first.key, first.key_length);
	carry->child = page;
	carry->entry = (struct btree_entry){.key = carry->key,
					    .value = (const uint8_t *)&carry->child,
					    .key_length = first.key_length,
					    .value_length = sizeof(carry->child)};
}

/* The old root becomes the first child of a new one, `carry` the second. */
static void btree_grow(struct space *space, uint64_t *root, const struct btree_path *path,
		       const struct btree_carry *carry)
{
	const struct btree_step *top = &path->step[path->height - 1];
	struct disk_tree_page *node;
	struct btree_carry first;

	ASSERT(path->height < TREE_DEPTH_MAX);
	*root = btree_pool_take(space, &node);
	btree_node_initialise(node, path->height);
	carry_set(&first, space_resident(space, (page_t){top->page}), top->page);
	btree_node_insert(node, 0, &first.entry);
	btree_node_insert(node, 1, &carry->entry);
}

/* Is it the tree's last page of that level?  Asked before anything is changed. */
static bool btree_path_last(const struct btree_path *path, uint32_t level)
{
	while (++level < path->height)
		if (path->step[level].index + 1u < path->step[level].node->count)
			return false;
	return true;
}

/* Inserts at the leaf; splits go up as long as pages are full. */
static void btree_insert_at(struct space *space, uint64_t *root, const struct btree_path *path,
			    const struct btree_entry *entry)
{
	struct btree_carry carry;

	for (uint32_t level = 0; level < path->height; level++) {
		const struct btree_step *step = &path->step[level];
		struct disk_tree_page *node = step_writable(space, step), *right;
		uint32_t index = step->index + (level > 0);
		bool last = btree_path_last(path, level);
		uint64_t page;

		ASSERT(node->level == level); /* the path leads upwards, level by level */

		if (btree_node_fits(node, entry)) {
			btree_node_insert(node, index, entry);
			return;
		}
		page = btree_pool_take(space, &right);
		btree_node_split(node, right, index, entry, last);
		/* `entry` may lie in the carry: it has been inserted by now. */
		carry_set(&carry, right, page);
		entry = &carry.entry;
	}
	btree_grow(space, root, path, &carry);
}

void btree_insert(struct space *space, uint64_t *root, struct btree_key key, const void *value,
		  size_t value_length)
{
	struct btree_entry entry = {.key = key.bytes,
				    .value = value,
				    .key_length = (uint8_t)key.length,
				    .value_length = (uint8_t)value_length};
	struct disk_tree_page *leaf;
	struct btree_path path;
	enum status status;

	ASSERT(key.length >= 1 && key.length <= TREE_KEY_MAX);
	ASSERT(value_length <= TREE_VALUE_MAX);
	btree_change_done(space);
	if (!*root) {
		*root = btree_pool_take(space, &leaf);
		btree_node_initialise(leaf, 0);
		btree_node_insert(leaf, 0, &entry);
		return;
	}
	status = btree_descend(space, TREE_RESIDENT, *root, key, &path);
	ASSERT(status == STATUS_OK);
	if (path.equal)
		btree_node_remove(step_writable(space, &path.step[0]), path.step[0].index);
	btree_insert_at(space, root, &path, &entry);
}

/* Takes the leaf's entry out, and every page that this leaves empty. */
static void btree_remove_at(struct space *space, uint64_t *root, const struct btree_path *path)
{
	struct disk_tree_page *node;
	uint32_t level = 0;

	for (;;) {
		const struct btree_step *step = &path->step[level];

		node = step_writable(space, step);
		ASSERT(node->level == level);
		btree_node_remove(node, step->index);
		if (node->count)
			break;
		btree_pool_give(space, step->page);
		if (++level == path->height) {
			*root = 0;
			return;
		}
	}
	if (level && level + 1 == path->height && node->count == 1) {
		*root = btree_node_child(node, 0);
		btree_pool_give(space, path->step[level].page);
	}
}

void btree_remove(struct space *space, uint64_t *root, struct btree_key key)
{
	struct btree_path path;
	enum status status;

	ASSERT(key.length >= 1 && key.length <= TREE_KEY_MAX);
	btree_change_done(space);
	if (!*root)
		return;
	status = btree_descend(space, TREE_RESIDENT, *root, key, &path);
	ASSERT(status == STATUS_OK);
	if (path.equal)
		btree_remove_at(space, root, &path);
}
