/* SPDX-License-Identifier: MIT */
/*
 * space.c - reads single pages of the verified generation, its snapshots
 * and its catalogue.  What a delta says of a page comes before the tree.
 */
#include "tools/verify/verify_priv.h"

#include <string.h>

enum status verify_space_live(const struct verify *verify, struct verify_space *space)
{
	const struct disk_record *record = &verify->chosen.record;

	if (!record->generation)
		return STATUS_NOT_FOUND;
	*space = (struct verify_space){.root = record->space,
				       .generation = {record->generation},
				       .delta = verify->chosen.delta,
				       .entries = record->entries};
	return STATUS_OK;
}

enum status verify_space_snapshot(const struct verify *verify, snapshot_t number,
				  struct verify_space *space)
{
	for (uint64_t i = 0; i < verify->chosen.snapshot_count; i++) {
		const struct disk_snapshot *snapshot = &verify->chosen.snapshots[i];

		if (snapshot->number != number.n)
			continue;
		*space = (struct verify_space){.root = snapshot->root,
					       .generation = {snapshot->generation},
					       .snapshot = number};
		return STATUS_OK;
	}
	return STATUS_NOT_FOUND;
}

/* The node that the reference names, from memory or from the disk. */
static enum status node_get(struct verify *verify, const struct verify_place *place,
			    const struct disk_reference *reference, uint64_t birth_max,
			    const struct verify_node **node)
{
	enum verify_load load;

	if (!verify_reference_check(verify, place, reference, birth_max))
		return STATUS_CORRUPT;
	load = verify_node_load(verify, place, reference, node, false);
	if (load == VERIFY_LOAD_OK)
		return STATUS_OK;
	return load == VERIFY_LOAD_IO ? STATUS_IO : STATUS_CORRUPT;
}

/* A step down towards `key`.  In: a node's place and reference.  Out: those of
 * its child, which may be null. */
static enum status descend(struct verify *verify, struct verify_place *place,
			   struct disk_reference *reference, uint64_t *birth_max, uint64_t key)
{
	const struct verify_node *node;
	enum status status = node_get(verify, place, reference, *birth_max, &node);

	if (status != STATUS_OK)
		return status;
	*birth_max = reference->birth;
	place->level--;
	place->key = key >> (place->level * DISK_NODE_SHIFT);
	*reference = node->node.entry[place->key % DISK_NODE_ENTRIES];
	return STATUS_OK;
}

static enum status page_load(struct verify *verify, const struct verify_place *place,
			     const struct disk_reference *reference, uint64_t birth_max, void *data)
{
	enum verify_load load;

	if (!verify_reference_check(verify, place, reference, birth_max))
		return STATUS_CORRUPT;
	if (reference->codec == DISK_CODEC_ZERO) {
		memset(data, 0, PAGE_SIZE);
		return STATUS_OK;
	}
	load = verify_extent_load(verify, place, reference, data, false);
	if (load == VERIFY_LOAD_OK)
		return STATUS_OK;
	return load == VERIFY_LOAD_IO ? STATUS_IO : STATUS_CORRUPT;
}

static enum status tree_read(struct verify *verify, enum disk_tree tree,
			     const struct verify_space *space, uint64_t key, void *data)
{
	struct verify_place place = {.tree = tree,
				     .level = space->root.height,
				     .generation = space->generation.n,
				     .snapshot = space->snapshot.n};
	struct disk_reference reference = space->root.reference;
	uint64_t birth_max = space->generation.n;

	if (place.level > DISK_HEIGHT_MAX)
		return STATUS_CORRUPT;
	if (place.level == 0 || key >> (place.level * DISK_NODE_SHIFT))
		return STATUS_ABSENT;
	while (place.level) {
		enum status status = descend(verify, &place, &reference, &birth_max, key);

		if (status != STATUS_OK)
			return status;
		if (verify_reference_null(&reference))
			return STATUS_ABSENT;
	}
	return page_load(verify, &place, &reference, birth_max, data);
}

/*
 * Moves *key to the first reference of this node at or after it, and down to
 * that.  False: there is none; *key is behind the node then.
 */
static bool descend_next(const struct verify_node *node, struct verify_place *place,
			 struct disk_reference *reference, uint64_t *key)
{
	unsigned shift = (place->level - 1) * DISK_NODE_SHIFT;
	uint64_t first = place->key << DISK_NODE_SHIFT, end = first + DISK_NODE_ENTRIES;
	uint64_t index = first + verify_node_next(node, (unsigned)((*key >> shift) - first));

	if (index != *key >> shift)
		*key = index << shift;
	if (index == end)
		return false;
	place->level--;
	place->key = index;
	*reference = node->node.entry[index % DISK_NODE_ENTRIES];
	return true;
}

/* One descent from the root.  WAIT: nothing was left in a node on the way;
 * *key is behind it. */
static enum status tree_next_try(struct verify *verify, enum disk_tree tree,
				 const struct verify_space *space, uint64_t *key)
{
	struct verify_place place = {.tree = tree,
				     .level = space->root.height,
				     .generation = space->generation.n,
				     .snapshot = space->snapshot.n};
	struct disk_reference reference = space->root.reference;
	uint64_t birth_max = space->generation.n;

	while (place.level) {
		const struct verify_node *node;
		enum status status = node_get(verify, &place, &reference, birth_max, &node);

		if (status != STATUS_OK) {
			*key = (place.key + 1) << (place.level * DISK_NODE_SHIFT);
			return status;
		}
		birth_max = reference.birth;
		if (!descend_next(node, &place, &reference, key))
			return STATUS_WAIT;
	}
	return STATUS_OK;
}

enum status verify_key_next(struct verify *verify, enum disk_tree tree,
			    const struct verify_space *space, uint64_t *key)
{
	unsigned height = space->root.height;
	enum status status = STATUS_WAIT;

	if (height > DISK_HEIGHT_MAX)
		return STATUS_CORRUPT;
	while (status == STATUS_WAIT) {
		if (!height || *key >> (height * DISK_NODE_SHIFT))
			return STATUS_NOT_FOUND;
		status = tree_next_try(verify, tree, space, key);
	}
	return status;
}

enum status verify_space_read(struct verify *verify, const struct verify_space *space, page_t page,
			      void *data)
{
	struct verify_place place = {.tree = DISK_TREE_SPACE,
				     .key = page.n,
				     .generation = space->generation.n,
				     .snapshot = space->snapshot.n};
	uint32_t index;
	const struct disk_delta *entry =
		verify_delta_find(space->delta, space->entries, page.n, &index);

	if (entry)
		return page_load(verify, &place, &entry->reference, place.generation, data);
	return tree_read(verify, DISK_TREE_SPACE, space, page.n, data);
}

enum status verify_space_next(struct verify *verify, const struct verify_space *space, page_t from,
			      page_t *page)
{
	uint32_t index;
	enum status status;

	page->n = from.n;
	status = verify_key_next(verify, DISK_TREE_SPACE, space, &page->n);
	verify_delta_find(space->delta, space->entries, from.n, &index);
	/* Behind a damaged node the entries of the delta are there all the same. */
	if (index < space->entries &&
	    (status == STATUS_NOT_FOUND || space->delta[index].page < page->n)) {
		page->n = space->delta[index].page;
		return STATUS_OK;
	}
	return status;
}

enum status verify_page_read(struct verify *verify, page_t page, void *data)
{
	struct verify_space space;
	enum status status = verify_space_live(verify, &space);

	return status == STATUS_OK ? verify_space_read(verify, &space, page, data) : status;
}

enum status verify_page_next(struct verify *verify, page_t from, page_t *page)
{
	struct verify_space space;
	enum status status = verify_space_live(verify, &space);

	return status == STATUS_OK ? verify_space_next(verify, &space, from, page) : status;
}

enum status verify_catalogue_next(struct verify *verify, const struct verify_space *catalogue,
				  uint64_t *number, struct disk_snapshot *snapshot)
{
	enum status status = verify_key_next(verify, DISK_TREE_CATALOGUE, catalogue, number);

	return status == STATUS_OK
		       ? tree_read(verify, DISK_TREE_CATALOGUE, catalogue, *number, snapshot)
		       : status;
}
