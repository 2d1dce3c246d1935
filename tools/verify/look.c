/* SPDX-License-Identifier: MIT */
/*
 * look.c - single structures of a store, for tools that show them.
 *
 * After verify_choose: the slots of the ring, references by their place, and the
 * nodes of a tree one after the other.  Nothing here needs a whole store: what
 * cannot be read is reported and left out.
 */
#include "tools/verify/verify_priv.h"
#include "base/assert.h"

#include <string.h>

/* ---- the ring ----------------------------------------------------------------- */

void verify_slot_get(const struct verify *verify, uint32_t slot, struct verify_slot *found)
{
	const struct disk_record *record = &verify->ring[slot];

	ASSERT(slot < DISK_RING_SLOTS);
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

/* ---- references ------------------------------------------------------------------ */

enum status verify_extent_read(struct verify *verify, enum disk_tree tree,
			       const struct verify_space *space, unsigned level, uint64_t key,
			       const struct disk_reference *reference, void *data)
{
	struct verify_place place = verify_space_place(tree, space);

	ASSERT(level <= DISK_HEIGHT_MAX);
	place.level = level;
	place.key = key;
	return verify_page_load(verify, &place, reference, space->generation.n, data);
}

/* ---- visiting a whole tree --------------------------------------------------------- */

static struct verify_extent visited(const struct verify_place *place,
				    const struct disk_reference *reference)
{
	return (struct verify_extent){place->level, place->key, *reference};
}

/* Asks the visitor, reads the node. */
static enum verify_step visit_node(struct verify *verify, struct verify_walker *walker,
				   const struct verify_place *place,
				   const struct disk_reference *reference, uint64_t birth_max,
				   struct verify_node *node)
{
	struct verify_visit *visit = walker->context;
	const struct verify_extent extent = visited(place, reference);
	bool sound = verify_reference_check(verify, place, reference, birth_max);

	if (sound && visit->node && !visit->node(visit, &extent))
		return VERIFY_STEP_ON;
	if (sound && verify_node_copy(verify, place, reference, node, false) == VERIFY_LOAD_OK)
		return VERIFY_STEP_DOWN;
	visit->damaged++;
	return VERIFY_STEP_ON;
}

static enum verify_step visit_page(struct verify *verify, struct verify_walker *walker,
				   const struct verify_place *place,
				   const struct disk_reference *reference, uint64_t birth_max)
{
	struct verify_visit *visit = walker->context;
	const struct verify_extent extent = visited(place, reference);

	if (verify_reference_check(verify, place, reference, birth_max))
		visit->page(visit, &extent);
	else
		visit->damaged++;
	return VERIFY_STEP_ON;
}

static void visit_leave(struct verify *verify, struct verify_walker *walker,
			const struct verify_place *place, const struct disk_reference *reference)
{
	struct verify_visit *visit = walker->context;
	const struct verify_extent extent = visited(place, reference);

	(void)verify;
	if (visit->leave)
		visit->leave(visit, &extent);
}

void verify_visit(struct verify *verify, struct verify_visit *visit)
{
	struct verify_walker walker = {.place = verify_space_place(visit->tree, visit->space),
				       .root = &visit->space->root,
				       .from = visit->from,
				       .context = visit,
				       .node = visit_node,
				       .page = visit_page,
				       .leave = visit_leave};

	ASSERT(visit->page);
	verify_walk(verify, &walker);
}
