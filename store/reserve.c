/* SPDX-License-Identifier: MIT */
/*
 * reserve.c - promises: whatever becomes dirty can be committed.
 *
 * Dirtying a page reserves the worst case of its commit: one block for its
 * extent and one for every map node that no other dirty page has reserved yet,
 * and for each of these two entries in the list of changes (one taken, one
 * given back).  So a commit itself never fails for space.
 *
 * What there is: blocks free in both newest durable generations, which is what
 * the next commit may use (S1).  While a commit is in flight, those are the
 * blocks free now less all that it may take.  Of these the slop stays back:
 * every page of the free map, the catalogue's changes, runs being cleared; and
 * it stays back twice, for this commit and for the next, which cannot use yet
 * what this one gives back.
 *
 * A full store must stay usable, or nobody could delete anything.  So there are
 * three tiers, each stopping short of what the next may use: a page that does not
 * exist yet, and a snapshot; a page that exists (the extent it replaces comes
 * back, unless a snapshot holds it); and the owner's own pages, below
 * limits.system_pages_end.
 *
 * When space is short, two checkpoints are asked for (the first gives back what
 * was replaced, the second may use it); after them the answer is NO_SPACE, until
 * the next checkpoint that happens anyway.
 */
#include "store/store_priv.h"

/* Pages and nodes of a full free map. */
uint64_t map_blocks_total(const struct store *store)
{
	uint64_t count = store_leaves(store);
	uint64_t total = count;

	do {
		count = (count + DISK_NODE_ENTRIES - 1) / DISK_NODE_ENTRIES;
		total += count;
	} while (count > 1);
	return total;
}

static uint64_t catalogue_blocks(const struct store *store)
{
	uint64_t height = store->record.catalogue.height;

	return LIMIT_CATALOGUE * (height + 2);
}

uint64_t reserve_slop(const struct store *store)
{
	return map_blocks_total(store) + catalogue_blocks(store) + LIMIT_CLEAR_BLOCKS;
}

static uint64_t total_blocks(const struct store *store)
{
	return (store->record.sectors - DISK_DATA_SECTOR) / BLOCK_SECTORS;
}

/* Blocks that a request of this tier leaves alone. */
uint64_t reserve_kept(const struct store *store, enum reserve_tier tier)
{
	uint64_t total = total_blocks(store);
	uint64_t system = store->limits.system_pages_end ? LIMIT_SYSTEM_BLOCKS : 0;
	uint64_t existing = total / 32;

	if (existing < LIMIT_EXISTING_BLOCKS_MIN)
		existing = LIMIT_EXISTING_BLOCKS_MIN;
	if (existing > LIMIT_EXISTING_BLOCKS_MAX)
		existing = LIMIT_EXISTING_BLOCKS_MAX;
	if (existing > total / 16)
		existing = total / 16;
	if (system > total / 32)
		system = total / 32;
	if (tier == RESERVE_SYSTEM)
		return 2 * reserve_slop(store);
	return 2 * reserve_slop(store) + system + (tier == RESERVE_NEW ? existing : 0);
}

/* Blocks of the data area that the map of this generation has in use. */
static uint64_t blocks_used(const struct disk_root *free_map)
{
	return disk_reference_auxiliary(&free_map->reference);
}

uint64_t reserve_blocks_available(const struct store *store)
{
	uint64_t total = total_blocks(store);
	uint64_t used = blocks_used(&store->record.free_map);

	if (store_is_committing(store))
		used += store->reservation.inflight.blocks + reserve_slop(store);
	else
		used += store->previous_blocks;
	return used < total ? total - used : 0;
}

/* Pages and nodes of the free map that `changes` scattered changes touch. */
static uint64_t map_blocks_touched(const struct store *store, uint64_t changes)
{
	uint64_t count = store_leaves(store);
	uint64_t total = count < changes ? count : changes;

	do {
		count = (count + DISK_NODE_ENTRIES - 1) / DISK_NODE_ENTRIES;
		total += count < changes ? count : changes;
	} while (count > 1);
	return total;
}

/* Each page and node of the free map that is touched is moved itself: two more
 * changes and a block.  All must fit; what is left is for pages and clears. */
void reserve_begin(struct store *store)
{
	uint32_t capacity = store->changes.capacity;
	uint32_t limit = capacity;
	uint32_t own =
		(uint32_t)(LIMIT_RECLAIM_CHANGES + 2 * LIMIT_CATALOGUE * (DISK_HEIGHT_MAX + 2));

	while (limit + 2 * map_blocks_touched(store, limit) > capacity ||
	       map_blocks_touched(store, limit) > store->freemap.run_capacity)
		limit -= limit / 16;
	STORE_CHECK(limit > 2 * own);
	store->reservation = (struct reservation){.changes_limit = limit - own};
}

/* ---- shortage ---------------------------------------------------------------- */

static enum status reserve_wait(struct store *store, store_channel_t *channel)
{
	store->reservation.waiting = true;
	channel->n = STORE_CHANNEL_COMMIT;
	return STATUS_WAIT;
}

static enum status reserve_short(struct store *store, store_channel_t *channel)
{
	struct reservation *reservation = &store->reservation;

	if (!reservation->short_generation || store->generation > reservation->short_generation + 2)
		reservation->short_generation = store->generation;
	if (store->record.dying || store_is_committing(store) ||
	    store->record.generation <= reservation->short_generation)
		return reserve_wait(store, channel);
	return STATUS_NO_SPACE;
}

static enum status reserve_take(struct store *store, uint64_t blocks, uint64_t changes,
				uint64_t slop, store_channel_t *channel)
{
	struct reserve *working = &store->reservation.working;

	if (working->changes + changes > store->reservation.changes_limit)
		return reserve_wait(store, channel);
	if (working->blocks + blocks + slop > reserve_blocks_available(store))
		return reserve_short(store, channel);
	working->blocks += blocks;
	working->changes += changes;
	return STATUS_OK;
}

/* ---- pages --------------------------------------------------------------------- */

/* The tallest the tree of the space can be when this generation is committed,
 * but for pages dirtied from now on. */
static unsigned space_height(const struct store *store)
{
	unsigned height = store->record.space.height;

	if (store_is_committing(store) && store->commit.height > height)
		height = store->commit.height;
	return height;
}

static bool path_shared(struct store *store, uint32_t neighbour, uint64_t page, unsigned shift)
{
	return neighbour != NIL &&
	       (cache_frame(store, neighbour)->key & KEY_NUMBER) >> shift == page >> shift;
}

/* Nodes on the page's path that no page dirty already has on its own. */
static uint64_t path_nodes(struct store *store, uint64_t page)
{
	uint32_t before = tree_before(store, store->dirty, page);
	uint32_t after = tree_at_or_after(store, store->dirty, page);
	unsigned height = space_height(store);
	unsigned needed = map_height_for(page);
	uint64_t nodes = 0;

	/* A tree that grows gets nodes above its old root as well. */
	if (needed > height) {
		nodes = needed - height;
		height = needed;
	}
	for (unsigned level = 1; level <= height; level++) {
		unsigned shift = DISK_NODE_SHIFT * level;

		if (path_shared(store, before, page, shift) ||
		    path_shared(store, after, page, shift))
			break;
		nodes++;
	}
	return nodes;
}

enum status reserve_page(struct store *store, uint64_t page, bool exists, store_channel_t *channel)
{
	uint64_t blocks = 1 + path_nodes(store, page);
	enum reserve_tier tier = exists ? RESERVE_EXISTING : RESERVE_NEW;

	if (page < store->limits.system_pages_end)
		tier = RESERVE_SYSTEM;
	return reserve_take(store, blocks, 2 * blocks, reserve_kept(store, tier), channel);
}

/* Clearing gives space back in the end, so it may use the slop made for it
 * when nothing else is left. */
enum status reserve_clear(struct store *store, uint64_t first, uint64_t count,
			  store_channel_t *channel)
{
	unsigned height = space_height(store);
	uint64_t blocks = 2 * (uint64_t)height;
	uint64_t changes = count + blocks;

	for (unsigned level = 1; level <= height; level++)
		changes += ((first + count - 1) >> (DISK_NODE_SHIFT * level)) -
			   (first >> (DISK_NODE_SHIFT * level)) + 1;
	return reserve_take(store, blocks, changes, 2 * reserve_slop(store) - LIMIT_CLEAR_BLOCKS,
			    channel);
}
