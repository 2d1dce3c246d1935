/* SPDX-License-Identifier: MIT */
/*
 * walk.c - the ways through a radix tree: down to one reference, and all through.
 *
 * A walk keeps one node per level, so its depth is bounded by the height, which is at
 * most 8.
 */
#include "tools/verify/verify_priv.h"
#include "base/assert.h"

struct frame {
	struct verify_node node;
	struct disk_reference reference;
	uint64_t key;
	unsigned index; /* of the next entry */
};

/* Behind the last page below it. */
static uint64_t key_end(uint64_t key, unsigned level)
{
	return (key + 1) << (level * DISK_NODE_SHIFT);
}

/* The next reference that is not null, and where it is.  Nodes that are done are left; what
 * ends at or before `from` is passed over. */
static const struct disk_reference *walk_next(struct verify *verify, struct verify_walker *walker,
					      struct frame *frames, unsigned *level,
					      struct verify_place *place)
{
	ASSERT(*level);
	while (*level <= walker->root->height) {
		struct frame *frame = &frames[*level];

		frame->index = verify_node_next(&frame->node, frame->index);
		if (frame->index == DISK_NODE_ENTRIES) {
			place->level = (*level)++;
			place->key = frame->key;
			if (walker->leave)
				walker->leave(verify, walker, place, &frame->reference);
			continue;
		}
		place->level = *level - 1;
		place->key = frame->key << DISK_NODE_SHIFT | frame->index++;
		if (key_end(place->key, place->level) > walker->from)
			return &frame->node.node.entry[place->key % DISK_NODE_ENTRIES];
	}
	return NULL;
}

void verify_walk(struct verify *verify, struct verify_walker *walker)
{
	struct frame frames[DISK_HEIGHT_MAX + 1];
	unsigned top = walker->root->height, level = top + 1;
	struct verify_place place = walker->place;
	const struct disk_reference *reference = &walker->root->reference;
	uint64_t birth_max = place.generation;
	enum verify_step step;

	ASSERT(walker->node && walker->page);
	place.level = top;
	place.key = 0;
	if (!top || top > DISK_HEIGHT_MAX || key_end(0, top) <= walker->from)
		return;
	do {
		struct frame *frame = &frames[place.level];

		step = place.level ? walker->node(verify, walker, &place, reference, birth_max,
						  &frame->node)
				   : walker->page(verify, walker, &place, reference, birth_max);
		if (step == VERIFY_STEP_STOP)
			return;
		/* There is nothing below a page. */
		ASSERT(step != VERIFY_STEP_DOWN || place.level);
		if (step == VERIFY_STEP_DOWN) {
			level = place.level;
			frame->reference = *reference;
			frame->key = place.key;
			frame->index = 0;
		}
		reference = walk_next(verify, walker, frames, &level, &place);
		birth_max = reference ? frames[level].reference.birth : 0;
	} while (reference);
}

enum status verify_load_status(enum verify_load load)
{
	if (load == VERIFY_LOAD_OK)
		return STATUS_OK;
	return load == VERIFY_LOAD_IO ? STATUS_IO : STATUS_CORRUPT;
}

/* The node that the reference names: it stays where it is until the next call. */
static enum status node_read(struct verify *verify, const struct verify_place *place,
			     const struct disk_reference *reference, uint64_t birth_max,
			     const struct verify_node **node)
{
	if (!verify_reference_check(verify, place, reference, birth_max))
		return STATUS_CORRUPT;
	return verify_load_status(verify_node_load(verify, place, reference, node, false));
}

struct verify_place verify_space_place(enum disk_tree tree, const struct verify_space *space)
{
	return (struct verify_place){.tree = tree,
				     .level = space->root.height,
				     .generation = space->generation.n,
				     .snapshot = space->snapshot.n};
}

enum status verify_seek(struct verify *verify, const struct verify_space *space, unsigned level,
			bool next, struct verify_place *place, uint64_t *key,
			struct verify_found *found)
{
	ASSERT(level <= place->level && place->level <= DISK_HEIGHT_MAX && !place->key);
	ASSERT(!(*key >> ((place->level - level) * DISK_NODE_SHIFT)));
	*found = (struct verify_found){space->root.reference, space->generation.n};
	while (place->level > level) {
		unsigned shift = (place->level - 1 - level) * DISK_NODE_SHIFT;
		uint64_t first = place->key << DISK_NODE_SHIFT, index = *key >> shift;
		const struct verify_node *node;
		enum status status =
			node_read(verify, place, &found->reference, found->birth_max, &node);

		if (status != STATUS_OK) {
			*key = key_end(place->key, place->level - level);
			return status;
		}
		ASSERT(index - first < DISK_NODE_ENTRIES);
		if (next)
			index = first + verify_node_next(node, (unsigned)(index - first));
		if (index != *key >> shift)
			*key = index << shift;
		if (index == first + DISK_NODE_ENTRIES)
			return STATUS_WAIT;
		found->birth_max = found->reference.birth;
		found->reference = node->node.entry[index - first];
		if (verify_reference_null(&found->reference))
			return STATUS_ABSENT;
		place->level--;
		place->key = index;
	}
	return STATUS_OK;
}
