/* SPDX-License-Identifier: MIT */
/*
 * look.c - single structures of a store, for tools that show them.
 *
 * After verify_choose: the slots of the ring, references by their place, and the
 * nodes of a tree one after the other.  Nothing here needs a whole store: what
 * cannot be read is reported and left out.
 */
#include "tools/verify/verify_priv.h"

#include <string.h>

/* ---- the ring ----------------------------------------------------------------- */

void verify_slot_get(const struct verify *verify, uint32_t slot, struct verify_slot *found)
{
	const struct disk_record *record = &verify->ring[slot];

	*found = (struct verify_slot){.damage = verify->damage[slot]};
	if (record->magic == DISK_MAGIC_RECORD) {
		found->record = record;
		found->delta = verify->delta[slot];
	} else if (record->magic == DISK_MAGIC_TOMBSTONE) {
		struct disk_tombstone stone;

		memcpy(&stone, record, sizeof(stone));
		found->spent.n = stone.generation;
	}
}

enum status verify_space_generation(const struct verify *verify, generation_t generation,
				    enum disk_tree tree, struct verify_space *space)
{
	for (uint32_t slot = 0; slot < DISK_RING_SLOTS; slot++) {
		const struct disk_record *record = &verify->ring[slot];

		if (record->magic != DISK_MAGIC_RECORD || record->generation != generation.n)
			continue;
		*space = (struct verify_space){.generation = generation};
		if (tree == DISK_TREE_SPACE) {
			space->root = record->space;
			space->delta = verify->delta[slot];
			space->entries = record->entries;
		} else {
			space->root =
				tree == DISK_TREE_FREE_MAP ? record->free_map : record->catalogue;
		}
		return STATUS_OK;
	}
	return STATUS_NOT_FOUND;
}

/* ---- nodes ---------------------------------------------------------------------- */

static enum status load_status(enum verify_load load)
{
	if (load == VERIFY_LOAD_OK)
		return STATUS_OK;
	return load == VERIFY_LOAD_IO ? STATUS_IO : STATUS_CORRUPT;
}

/* It stays where it is until the next call. */
static enum status node_read(struct verify *verify, const struct verify_place *place,
			     const struct disk_reference *reference, uint64_t birth_max,
			     const struct verify_node **node)
{
	if (!verify_reference_check(verify, place, reference, birth_max))
		return STATUS_CORRUPT;
	return load_status(verify_node_load(verify, place, reference, node, false));
}

static struct verify_place space_place(enum disk_tree tree, const struct verify_space *space,
				       unsigned level, uint64_t key)
{
	return (struct verify_place){.tree = tree,
				     .level = level,
				     .key = key,
				     .generation = space->generation.n,
				     .snapshot = space->snapshot.n};
}

enum status verify_find(struct verify *verify, enum disk_tree tree,
			const struct verify_space *space, unsigned level, uint64_t key,
			struct disk_reference *reference)
{
	unsigned at = space->root.height;
	uint64_t birth_max = space->generation.n;
	uint32_t index;
	const struct disk_delta *entry = NULL;

	if (level == 0 && tree == DISK_TREE_SPACE)
		entry = verify_delta_find(space->delta, space->entries, key, &index);
	if (entry) {
		*reference = entry->reference;
		return STATUS_OK;
	}
	if (at > DISK_HEIGHT_MAX)
		return STATUS_CORRUPT;
	if (at == 0 || level > at || key >> ((at - level) * DISK_NODE_SHIFT))
		return STATUS_ABSENT;
	*reference = space->root.reference;
	for (; at > level; at--) {
		struct verify_place place =
			space_place(tree, space, at, key >> ((at - level) * DISK_NODE_SHIFT));
		const struct verify_node *node;
		enum status status = node_read(verify, &place, reference, birth_max, &node);
		uint64_t child = key >> ((at - 1 - level) * DISK_NODE_SHIFT);

		if (status != STATUS_OK)
			return status;
		birth_max = reference->birth;
		*reference = node->node.entry[child % DISK_NODE_ENTRIES];
		if (verify_reference_null(reference))
			return STATUS_ABSENT;
	}
	return STATUS_OK;
}

enum status verify_extent_read(struct verify *verify, enum disk_tree tree,
			       const struct verify_space *space, unsigned level, uint64_t key,
			       const struct disk_reference *reference, void *data)
{
	struct verify_place place = space_place(tree, space, level, key);

	if (!verify_reference_check(verify, &place, reference, space->generation.n))
		return STATUS_CORRUPT;
	if (reference->codec == DISK_CODEC_ZERO) {
		memset(data, 0, PAGE_SIZE);
		return STATUS_OK;
	}
	return load_status(verify_extent_load(verify, &place, reference, data, false));
}

enum status verify_tree_next(struct verify *verify, enum disk_tree tree,
			     const struct verify_space *space, uint64_t *key, void *data)
{
	enum status status = verify_key_next(verify, tree, space, key);
	struct disk_reference reference;

	if (status != STATUS_OK)
		return status;
	status = verify_find(verify, tree, space, 0, *key, &reference);
	if (status == STATUS_OK)
		status = verify_extent_read(verify, tree, space, 0, *key, &reference, data);
	if (status != STATUS_OK)
		(*key)++;
	return status;
}

/* ---- visiting a whole tree --------------------------------------------------------- */

struct visit_frame {
	struct verify_extent extent;
	struct disk_node node;
	unsigned index;
};

/* Asks the visitor, reads the node.  False: it is not gone into. */
static bool visit_enter(struct verify *verify, struct verify_visit *visit,
			struct visit_frame *frame, const struct verify_extent *extent,
			uint64_t birth_max)
{
	struct verify_place place =
		space_place(visit->tree, visit->space, extent->level, extent->key);
	const struct verify_node *node;

	if (!verify_reference_check(verify, &place, &extent->reference, birth_max)) {
		visit->damaged++;
		return false;
	}
	if (visit->node && !visit->node(visit, extent))
		return false;
	if (node_read(verify, &place, &extent->reference, birth_max, &node) != STATUS_OK) {
		visit->damaged++;
		return false;
	}
	frame->extent = *extent;
	frame->node = node->node;
	frame->index = 0;
	return true;
}

static void visit_page(struct verify *verify, struct verify_visit *visit,
		       const struct verify_extent *extent, uint64_t birth_max)
{
	struct verify_place place =
		space_place(visit->tree, visit->space, extent->level, extent->key);

	if (verify_reference_check(verify, &place, &extent->reference, birth_max))
		visit->page(visit, extent);
	else
		visit->damaged++;
}

void verify_visit(struct verify *verify, struct verify_visit *visit)
{
	struct visit_frame frames[DISK_HEIGHT_MAX + 1];
	unsigned top = visit->space->root.height, level = top;
	struct verify_extent extent = {.level = top, .reference = visit->space->root.reference};

	if (top == 0 || top > DISK_HEIGHT_MAX)
		return;
	if (!visit_enter(verify, visit, &frames[top], &extent, visit->space->generation.n))
		return;
	while (level <= top) {
		struct visit_frame *frame = &frames[level];
		uint64_t birth = frame->extent.reference.birth;

		if (frame->index == DISK_NODE_ENTRIES) {
			if (visit->leave)
				visit->leave(visit, &frame->extent);
			level++;
			continue;
		}
		extent.reference = frame->node.entry[frame->index];
		extent.level = level - 1;
		extent.key = frame->extent.key << DISK_NODE_SHIFT | frame->index++;
		if (verify_reference_null(&extent.reference) ||
		    (extent.key + 1) << (extent.level * DISK_NODE_SHIFT) <= visit->from)
			continue;
		if (extent.level == 0)
			visit_page(verify, visit, &extent, birth);
		else if (visit_enter(verify, visit, &frames[level - 1], &extent, birth))
			level--;
	}
}
