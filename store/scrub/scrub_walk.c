/* SPDX-License-Identifier: MIT */
/*
 * scrub_walk.c - the scrub's way through one tree.
 *
 * Trees are walked in pre-order.  The position is a page number and a level: the
 * next to be looked at is the node of that level on the path to that page, and
 * what lies above it has been.  Up to `passed` the tree is done with, and only what
 * the overlay has there is looked at.
 *
 * A damaged page is told and passed over, a damaged node with all below it.
 */
#include "store/scrub/scrub_priv.h"
#include "store/store_priv.h"

void walk_rewind(struct store_scrub *scrub)
{
	scrub->walking = 1;
	scrub->position = scrub->passed = 0;
	scrub->level = DISK_HEIGHT_MAX;
}

static bool walk_pruned(const struct walk *walk, const struct disk_reference *reference,
			uint64_t page)
{
	return reference->birth <= (page < walk->cursor ? walk->limit_passed : walk->limit);
}

/* The tree is done with up to the end of so many nodes of this level, from that of the
 * position on: on to the next page there that the overlay has, or past the end. */
static void walk_pass(struct store_scrub *scrub, const struct walk *walk, unsigned level,
		      uint64_t count)
{
	unsigned shift = DISK_NODE_SHIFT * level;
	uint64_t end = ((scrub->position >> shift) + count) << shift;
	uint32_t i = overlay_at_or_after(walk->overlay, scrub->position + !level);

	ASSERT(level <= DISK_HEIGHT_MAX && count);
	if (scrub->passed < end)
		scrub->passed = end;
	scrub->level = 0;
	if (i < walk->overlay->count && walk->overlay->entry[i].page < scrub->passed) {
		scrub->position = walk->overlay->entry[i].page;
		return;
	}
	scrub->position = end = scrub->passed;
	while (scrub->level < DISK_HEIGHT_MAX &&
	       !(end & ((UINT64_C(1) << (DISK_NODE_SHIFT * (scrub->level + 1))) - 1)))
		scrub->level++;
}

static void walk_skip(struct store_scrub *scrub, const struct walk *walk, unsigned level)
{
	walk_pass(scrub, walk, level, 1);
}

/* Absent, or has been seen, with all below it. */
static bool walk_done_with(const struct walk *walk, const struct disk_reference *reference,
			   struct place place)
{
	return reference_is_null(reference) ||
	       walk_pruned(walk, reference, place.key << (DISK_NODE_SHIFT * place.level));
}

/* How many entries of the node from this place's on there is nothing to do for: nodes
 * are mostly empty, and all that lies between two entries is passed in one piece. */
static uint64_t walk_idle(const struct walk *walk, const struct disk_node *node, struct place place)
{
	uint64_t first = place.key;

	do
		place.key++;
	while (place.key % DISK_NODE_ENTRIES &&
	       walk_done_with(walk, &node->entry[place.key % DISK_NODE_ENTRIES], place));
	return place.key - first;
}

/* Verifies one extent as it lies on the disk. */
static enum status extent_scrub(struct store *store, const struct disk_reference *reference,
				struct place place)
{
	struct disk_snapshot snapshot;
	const uint8_t *stored;
	enum status status =
		scrubber_read(store, disk_reference_sector(reference), reference->sectors,
			      (generation_t){reference->birth}, &stored);

	if (status == STATUS_WAIT)
		return status;
	if (status != STATUS_OK) {
		extent_report(store, reference, place, "the disk reported an error");
		return status;
	}
	status = extent_decode(store, reference, place, stored, store->page);
	if (status != STATUS_OK)
		return status;
	/* The walk goes through nodes and entries next. */
	if (place.level || place.tree == DISK_TREE_CATALOGUE)
		cache_extent_put(store, reference, place, store->page);
	if (!place.level && place.tree == DISK_TREE_CATALOGUE)
		status = catalogue_read(store, (snapshot_t){place.key}, &snapshot);
	return status;
}

static void visit_count(struct store_scrub *scrub, const struct disk_reference *reference,
			struct place place)
{
	scrub->extents += reference->sectors != 0;
	scrub->sectors += reference->sectors;
	scrub->nodes += place.level != 0;
	if (place.tree != DISK_TREE_SPACE || place.level)
		return;
	scrub->pages++;
	scrub->zero_pages += !reference->sectors;
}

/* What the walk has come to: looks at it and moves on. */
static enum status walk_visit(struct store *store, struct store_scrub *scrub,
			      const struct walk *walk, const struct disk_reference *reference,
			      struct store_damage *damage)
{
	unsigned level = scrub->level;
	struct place place = {walk->tree, level, scrub->position >> (DISK_NODE_SHIFT * level)};
	enum status status = STATUS_OK;

	if (reference->sectors)
		status = extent_scrub(store, reference, place);
	if (status == STATUS_WAIT)
		return status;
	visit_count(scrub, reference, place);
	if (status == STATUS_OK && level)
		scrub->level--;
	else
		walk_skip(scrub, walk, level);
	return status == STATUS_OK ? status : damage_tell(scrub, damage, place, reference, status);
}

/* Goes down to the position and looks at what is there, or passes over what is
 * absent, has been seen, or lies below a node that cannot be read any more. */
static enum status walk_descend(struct store *store, struct store_scrub *scrub,
				const struct walk *walk, struct store_damage *damage)
{
	struct disk_reference reference = walk->root.reference;
	const struct disk_node *node = NULL;

	ASSERT(scrub->level <= walk->root.height);
	for (unsigned level = walk->root.height;; level--) {
		unsigned shift = DISK_NODE_SHIFT * level;
		struct place place = {walk->tree, level, scrub->position >> shift};
		const void *data;
		enum status status;

		if (walk_done_with(walk, &reference, place)) {
			walk_pass(scrub, walk, level, node ? walk_idle(walk, node, place) : 1);
			return STATUS_OK;
		}
		if (level == scrub->level)
			return walk_visit(store, scrub, walk, &reference, damage);
		status = extent_get(store, &reference, place, &data);
		if (status == STATUS_WAIT)
			return status;
		if (status != STATUS_OK) {
			walk_skip(scrub, walk, level);
			return damage_tell(scrub, damage, place, &reference, status);
		}
		node = data;
		reference = node->entry[(scrub->position >> (shift - DISK_NODE_SHIFT)) %
					DISK_NODE_ENTRIES];
	}
}

enum status walk_step(struct store *store, struct store_scrub *scrub, const struct walk *walk,
		      struct store_damage *damage)
{
	const struct overlay *overlay = walk->overlay;
	unsigned height = walk->root.height;
	uint64_t end = height ? UINT64_C(1) << (DISK_NODE_SHIFT * height) : 0;
	const struct disk_reference *over;

	if (scrub->position < walk->begin) {
		scrub->position = walk->begin;
		scrub->level = DISK_HEIGHT_MAX;
	}
	if (scrub->position >= end) {
		uint32_t i = overlay_at_or_after(overlay, scrub->position);

		if (i == overlay->count)
			return STATUS_NOT_FOUND;
		scrub->position = overlay->entry[i].page;
		scrub->level = 0;
	}
	if (scrub->level > height)
		scrub->level = height;
	over = scrub->level ? NULL : overlay_find(overlay, (page_t){scrub->position});
	if (!over)
		return walk_descend(store, scrub, walk, damage);
	return walk_visit(store, scrub, walk, over, damage);
}
