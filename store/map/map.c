/* SPDX-License-Identifier: MIT */
/*
 * map.c - finding things in the radix trees.
 *
 * A search goes from the root down through cached nodes; when one is not
 * there its read is started and the search begins anew after it.  The nodes
 * it has used are the most recently used, so they are still there then.
 */
#include "store/map/map.h"
#include "store/store_priv.h"

unsigned map_height_for(uint64_t key)
{
	unsigned height = 1;

	while (key >> (DISK_NODE_SHIFT * height))
		height++;
	return height;
}

static bool key_within(const struct disk_root *root, uint64_t key)
{
	return root->height && !(key >> (DISK_NODE_SHIFT * root->height));
}

static unsigned entry_index(uint64_t key, unsigned level)
{
	return (unsigned)(key >> (DISK_NODE_SHIFT * (level - 1))) % DISK_NODE_ENTRIES;
}

enum status map_lookup_node(struct store *store, const struct disk_root *root, struct place place,
			    struct disk_reference *reference)
{
	uint64_t key = place.key << (DISK_NODE_SHIFT * place.level);
	unsigned level;

	ASSERT(place.level <= DISK_HEIGHT_MAX && root->height <= DISK_HEIGHT_MAX);
	memset(reference, 0, sizeof(*reference));
	if (!key_within(root, key) || place.level > root->height)
		return STATUS_OK;
	*reference = root->reference;
	for (level = root->height; level > place.level; level--) {
		struct place at = {place.tree, level, key >> (DISK_NODE_SHIFT * level)};
		const void *data;
		enum status status = extent_get(store, reference, at, &data);

		if (status != STATUS_OK)
			return status;
		*reference = ((const struct disk_node *)data)->entry[entry_index(key, level)];
		if (reference_is_null(reference))
			break;
	}
	return STATUS_OK;
}

enum status map_lookup(struct store *store, const struct disk_root *root, enum disk_tree tree,
		       uint64_t key, struct disk_reference *reference)
{
	return map_lookup_node(store, root, (struct place){tree, 0, key}, reference);
}

enum status map_readable(struct store *store, const struct disk_root *root, enum disk_tree tree,
			 uint64_t first, uint64_t end)
{
	struct disk_reference reference;
	enum status status = STATUS_OK;

	ASSERT(first < end);
	for (uint64_t key = first; key < end && status == STATUS_OK;
	     key = (key | (DISK_NODE_ENTRIES - 1)) + 1)
		status = map_lookup(store, root, tree, key, &reference);
	return status;
}

/* ---- scanning ------------------------------------------------------------- */

struct search {
	uint64_t from, until; /* keys at or after the one and before the other */
	bool room;	      /* wanted is what has free blocks, not what is present */
	uint64_t key;	      /* found; or the first that a node which cannot be read may hide */
	uint64_t end;	      /* behind the last that it may hide */
};

static_assert(DISK_CODEC_NONE == 0 && DISK_NODE_ENTRIES % 4 == 0, "looked at four at a time");

/* The first entry at or after `index` that is not null, or DISK_NODE_ENTRIES.  Most are. */
static unsigned node_next(const struct disk_node *node, unsigned index)
{
	const struct disk_reference *entry = node->entry;

	for (; index % 4; index++)
		if (!reference_is_null(&entry[index]))
			return index;
	while (index < DISK_NODE_ENTRIES && !(entry[index].codec | entry[index + 1].codec |
					      entry[index + 2].codec | entry[index + 3].codec))
		index += 4;
	while (index < DISK_NODE_ENTRIES && reference_is_null(&entry[index]))
		index++;
	return index;
}

/* The same for what has free blocks; `level` is that of what the entries name. */
static unsigned node_next_with_room(const struct disk_node *node, unsigned index, unsigned level)
{
	while (index < DISK_NODE_ENTRIES &&
	       disk_reference_auxiliary(&node->entry[index]) >= (uint64_t)PAGE_SIZE << (7 * level))
		index++;
	return index;
}

/* The node towards `from`. */
static enum status search_enter(struct store *store, const struct disk_reference *reference,
				struct place at, struct search *search,
				const struct disk_node **node)
{
	const void *data = NULL;
	enum status status = extent_get(store, reference, at, &data);

	search->key = search->from;
	search->end = (at.key + 1) << (DISK_NODE_SHIFT * at.level);
	*node = data;
	return status;
}

/* Moves `from` to the first wanted entry of this node at or after it and gives that, or
 * behind the node and gives DISK_NODE_ENTRIES. */
static unsigned search_node(struct search *search, const struct disk_node *node, unsigned level)
{
	unsigned shift = DISK_NODE_SHIFT * (level - 1);
	unsigned first = entry_index(search->from, level);
	unsigned index =
		search->room ? node_next_with_room(node, first, level - 1) : node_next(node, first);

	if (index != first)
		search->from = ((search->from >> shift) + (index - first)) << shift;
	return index;
}

/*
 * From the root down to the first wanted key, and up again only as far as a node ends.
 * What is above stays in its frame: one is taken only for a read, after which the
 * search begins anew.
 */
static enum status map_scan(struct store *store, const struct disk_root *root, enum disk_tree tree,
			    struct search *search)
{
	const struct disk_reference *reference = &root->reference;
	const struct disk_node *node[DISK_HEIGHT_MAX + 1];
	unsigned level = root->height, index;

	ASSERT(root->height <= DISK_HEIGHT_MAX);
	while (search->from < search->until && key_within(root, search->from)) {
		if (reference) {
			struct place at = {tree, level, search->from >> (DISK_NODE_SHIFT * level)};
			enum status status =
				search_enter(store, reference, at, search, &node[level]);

			if (status != STATUS_OK)
				return status;
		}
		index = search_node(search, node[level], level);
		if (index == DISK_NODE_ENTRIES) {
			reference = NULL;
			do {
				level++;
			} while (level <= root->height && !entry_index(search->from, level));
			continue;
		}
		if (search->from >= search->until)
			break;
		reference = &node[level]->entry[index];
		if (!--level || reference_is_null(reference)) {
			search->key = search->from;
			return STATUS_OK;
		}
	}
	return STATUS_NOT_FOUND;
}

enum status map_next(struct store *store, const struct disk_root *root, enum disk_tree tree,
		     uint64_t from, uint64_t until, uint64_t *key)
{
	struct search search = {.from = from, .until = until};
	enum status status = map_scan(store, root, tree, &search);

	*key = search.key;
	return status;
}

enum status map_next_past(struct store *store, const struct disk_root *root, enum disk_tree tree,
			  uint64_t from, uint64_t *key)
{
	struct search search = {.from = from, .until = NIL_KEY};
	enum status status = map_scan(store, root, tree, &search);

	*key = status_is_damage(status) ? search.end : search.key;
	return status;
}

/* One descent to the last key below `below`.  When it is in vain or a node cannot be
 * read, *key is where what was searched, or cannot be, begins. */
static enum status map_descend_before(struct store *store, const struct disk_root *root,
				      enum disk_tree tree, uint64_t below, bool *found,
				      uint64_t *key)
{
	struct disk_reference reference = root->reference;
	uint64_t last = below - 1;

	ASSERT(below && root->height && root->height <= DISK_HEIGHT_MAX);
	*found = false;
	if (!key_within(root, last))
		last = (UINT64_C(1) << (DISK_NODE_SHIFT * root->height)) - 1;
	for (unsigned level = root->height; level; level--) {
		struct place at = {tree, level, last >> (DISK_NODE_SHIFT * level)};
		unsigned shift = DISK_NODE_SHIFT * (level - 1);
		unsigned index = entry_index(last, level);
		const struct disk_node *node;
		const void *data;
		enum status status = extent_get(store, &reference, at, &data);

		*key = at.key << (DISK_NODE_SHIFT * level);
		if (status != STATUS_OK)
			return status;
		node = data;
		while (index && reference_is_null(&node->entry[index]))
			index--;
		if (reference_is_null(&node->entry[index]))
			return STATUS_OK;
		if (index != entry_index(last, level))
			last = (((at.key << DISK_NODE_SHIFT | index) + 1) << shift) - 1;
		reference = node->entry[index];
	}
	*found = true;
	*key = last;
	return STATUS_OK;
}

enum status map_before(struct store *store, const struct disk_root *root, enum disk_tree tree,
		       uint64_t below, uint64_t *key)
{
	bool found = false;

	while (below && !reference_is_null(&root->reference)) {
		enum status status = map_descend_before(store, root, tree, below, &found, key);

		if (status != STATUS_OK || found)
			return status;
		ASSERT(*key < below);
		below = *key;
	}
	return STATUS_NOT_FOUND;
}

enum status map_next_with_room(struct store *store, const struct disk_root *root, uint64_t from,
			       uint64_t *key)
{
	struct search search = {.from = from, .until = NIL_KEY, .room = true};
	enum status status = map_scan(store, root, DISK_TREE_FREE_MAP, &search);

	*key = search.key;
	if (status != STATUS_NOT_FOUND)
		return status;
	/* Nothing behind the tree is in use: a store that has grown has no nodes
	 * there yet. */
	*key = key_within(root, from) ? UINT64_C(1) << (DISK_NODE_SHIFT * root->height) : from;
	return STATUS_OK;
}
