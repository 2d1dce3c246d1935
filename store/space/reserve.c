/* SPDX-License-Identifier: MIT */
/*
 * reserve.c - promises: whatever becomes dirty can be committed.
 *
 * Dirtying a page reserves the worst case of its commit: one block for its
 * extent and one for every map node that no other dirty page has reserved yet,
 * and for each of these two entries in the list of changes (one taken, one
 * given back).  The first page for which the tree must grow reserves the nodes above
 * the old root, too.  So a commit itself never fails for space.
 *
 * A delta commit uses the blocks of its pages; those of the nodes, and all
 * entries, are used by the next full commit, which puts the pages into the tree.
 * So what a delta has reserved is carried over to it, as a whole: the extents of
 * earlier deltas, which the free map does not show, are counted by that, too.
 *
 * What there is: blocks free in both newest durable generations, which is what
 * the next commit may use (S1).  While a commit is in flight, those are the
 * blocks free now less all that it may take.  Of these the slop stays back:
 * every page of the free map, the catalogue's changes, runs being cleared; and
 * it stays back twice, for this commit and for the next, which cannot use yet
 * what this one gives back.
 *
 * A full store must stay usable, or nobody could delete anything.  So there are
 * four tiers, each stopping short of what the next may use: a page that does not
 * exist yet, and a snapshot; a page that exists (the extent it replaces comes
 * back, unless a snapshot holds it); the owner's own pages, below
 * limits.system_pages_end; and essential ones (essential.c).  The tier follows the
 * page, never who asks.  Those of the last exist and are few: each is kept by a
 * snapshot once, and none is taken unless what they need for that is there.
 *
 * When space is short, two checkpoints are asked for (the first gives back what
 * was replaced, the second may use it); after them automatic snapshots give way,
 * the oldest first, until there is space (retention.c).  When none is left the
 * answer is NO_SPACE, until the next checkpoint that happens anyway.
 */
#include "store/store_priv.h"

/* Pages and nodes of a full free map. */
static uint64_t map_blocks_total(const struct store *store)
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

static uint64_t reserve_slop(const struct store *store)
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
	uint64_t kept = 2 * reserve_slop(store);

	if (existing < LIMIT_EXISTING_BLOCKS_MIN)
		existing = LIMIT_EXISTING_BLOCKS_MIN;
	if (existing > LIMIT_EXISTING_BLOCKS_MAX)
		existing = LIMIT_EXISTING_BLOCKS_MAX;
	if (existing > total / 16)
		existing = total / 16;
	if (system > total / 32)
		system = total / 32;
	if (tier < RESERVE_ESSENTIAL)
		kept += essential_blocks(store, total);
	if (tier < RESERVE_SYSTEM)
		kept += system;
	if (tier < RESERVE_EXISTING)
		kept += existing;
	return kept;
}

/* Blocks of the data area that the map of this generation has in use. */
static uint64_t blocks_used(const struct disk_root *free_map)
{
	return disk_reference_auxiliary(&free_map->reference);
}

uint64_t reserve_blocks_free(const struct store *store)
{
	uint64_t total = total_blocks(store);
	uint64_t used = blocks_used(&store->record.free_map) + store->overlay.count;

	return used < total ? total - used : 0;
}

uint64_t reserve_blocks_available(const struct store *store)
{
	uint64_t total = total_blocks(store);
	uint64_t used = blocks_used(&store->record.free_map);

	used += store->reservation.carried.blocks;
	if (commit_is_full(store))
		used += store->reservation.inflight.blocks + reserve_slop(store);
	else
		used += store->previous_blocks;
	return used < total ? total - used : 0;
}

uint64_t map_blocks_touched(uint64_t leaves, uint64_t changes)
{
	uint64_t count = leaves;
	uint64_t total = count < changes ? count : changes;

	do {
		count = (count + DISK_NODE_ENTRIES - 1) / DISK_NODE_ENTRIES;
		total += count < changes ? count : changes;
	} while (count > 1);
	return total;
}

/* ---- shortage ---------------------------------------------------------------- */

enum status reserve_wait(struct store *store)
{
	store->reservation.waiting = true;
	return store_wait_for(store, (store_channel_t){STORE_CHANNEL_COMMIT});
}

static enum status reserve_short(struct store *store)
{
	struct reservation *reservation = &store->reservation;

	if (!reservation->short_generation || store->generation > reservation->short_generation + 2)
		reservation->short_generation = store->generation;
	/* A deletion that damage has stopped brings nothing.  After a failed commit the last
	 * condition holds, for its number is spent and is not durable. */
	if ((store->record.dying && !reclaim_rests(store)) || store_committing(store) ||
	    store->record.generation <= reservation->short_generation) {
		retention_press(store);
		return reserve_wait(store);
	}
	return retention_yields(store) ? reserve_wait(store) : STATUS_NO_SPACE;
}

bool reserve_is_waited(const struct store *store)
{
	return store->reservation.waiting;
}

void reserve_served(struct store *store)
{
	store->reservation.waiting = false;
}

bool reserve_pressure(const struct store *store)
{
	const struct reservation *reservation = &store->reservation;
	uint64_t available = reserve_blocks_available(store);
	uint64_t slop = 2 * reserve_slop(store);

	return reservation->working.changes > reservation->changes_limit / 2 ||
	       (reservation->working.blocks > LIMIT_PRESSURE_BLOCKS &&
		reservation->working.blocks > (available > slop ? available - slop : 0) / 2);
}

bool reserve_has_room(const struct store *store)
{
	return reserve_blocks_available(store) >=
	       store->reservation.working.blocks + reserve_kept(store, RESERVE_NEW);
}

uint64_t reserve_room(const struct store *store)
{
	uint64_t taken = store->reservation.working.blocks + reserve_kept(store, RESERVE_NEW);

	return reserve_has_room(store) ? reserve_blocks_available(store) - taken : 0;
}

/* ---- from generation to generation --------------------------------------------- */

void reserve_freeze(struct store *store, bool full)
{
	struct reservation *reservation = &store->reservation;

	/* What the commit before had is given back, or carried over. */
	ASSERT(!reservation->inflight.blocks && !reservation->inflight.changes);
	reserve_add(&reservation->carried, &reservation->working);
	reservation->working = (struct reserve){0, 0, 0};
	if (!full)
		return;
	reservation->inflight = reservation->carried;
	reservation->carried = (struct reserve){0, 0, 0};
}

void reserve_durable(struct store *store)
{
	store->reservation.inflight = (struct reserve){0, 0, 0};
}

void reserve_carry(struct store *store)
{
	struct reservation *reservation = &store->reservation;

	reserve_add(&reservation->carried, &reservation->inflight);
	reserve_add(&reservation->carried, &reservation->working);
	reservation->inflight = (struct reserve){0, 0, 0};
	reservation->working = (struct reserve){0, 0, 0};
}

void reserve_lower(struct store *store, const struct reserve *count)
{
	struct reserve *carried = &store->reservation.carried;

	ASSERT(commit_is_abandoned(store) && !store->reservation.inflight.blocks);
	if (count->blocks < carried->blocks)
		carried->blocks = count->blocks;
	if (count->nodes < carried->nodes)
		carried->nodes = count->nodes;
	if (count->changes < carried->changes)
		carried->changes = count->changes;
}

uint64_t reserve_nodes(const struct store *store)
{
	return store->reservation.carried.nodes + store->reservation.working.nodes;
}

struct reserve reserve_mark(const struct store *store)
{
	return store->reservation.working;
}

void reserve_undo(struct store *store, const struct reserve *mark)
{
	ASSERT(mark->blocks <= store->reservation.working.blocks);
	ASSERT(mark->changes <= store->reservation.working.changes);
	store->reservation.working = *mark;
}

void reserve_add(struct reserve *sum, const struct reserve *more)
{
	sum->blocks += more->blocks;
	sum->nodes += more->nodes;
	sum->changes += more->changes;
}

/* Entries of the list of changes that a request of this tier may fill. */
static uint64_t changes_most(const struct store *store, enum reserve_tier tier)
{
	bool aside = essential_any(store) && tier < RESERVE_ESSENTIAL;

	ASSERT(store->reservation.changes_limit > LIMIT_ESSENTIAL_CHANGES);
	return store->reservation.changes_limit - (aside ? LIMIT_ESSENTIAL_CHANGES : 0);
}

/* `more`: blocks that it may use of what its tier leaves alone. */
static enum status reserve_take(struct store *store, const struct reserve *wanted,
				enum reserve_tier tier, uint64_t more)
{
	const struct reservation *reservation = &store->reservation;
	struct reserve *working = &store->reservation.working;
	uint64_t promised = reservation->carried.changes + reservation->inflight.changes;
	uint64_t slop = reserve_kept(store, tier);

	ASSERT(more <= slop);
	slop -= more;
	/* Nothing will ever be written: memory is the only bound. */
	if (store->read_only) {
		reserve_add(working, wanted);
		return STATUS_OK;
	}
	/* If the commit in flight fails, the next has all of it to do. */
	if (promised + working->changes + wanted->changes > changes_most(store, tier))
		return reserve_wait(store);
	if (working->blocks + wanted->blocks + slop > reserve_blocks_available(store))
		return reserve_short(store);
	reserve_add(working, wanted);
	return STATUS_OK;
}

/* ---- pages --------------------------------------------------------------------- */

/* The tallest the tree of the space can be when this generation is committed,
 * but for pages dirtied from now on. */
static unsigned space_height(const struct store *store)
{
	unsigned height = store->record.space.height, coming = commit_height(store);

	return coming > height ? coming : height;
}

/* The pages next to this one that have reserved their paths: dirty ones, and
 * those in the overlay, unless a full commit is using that up. */
struct neighbours {
	uint64_t page[4];
	unsigned count;
};

static struct neighbours neighbours_find(struct store *store, uint64_t page)
{
	const slot_t slots[] = {tree_before(store, store->dirty, page),
				tree_at_or_after(store, store->dirty, page)};
	const struct overlay *overlay = &store->overlay;
	struct neighbours found = {.count = 0};
	uint32_t at;

	for (unsigned i = 0; i < 2; i++)
		if (slots[i].n != NIL)
			found.page[found.count++] = cache_frame(store, slots[i])->key & KEY_NUMBER;
	if (commit_is_full(store))
		return found;
	at = overlay_at_or_after(overlay, page);
	if (at)
		found.page[found.count++] = overlay->entry[at - 1].page;
	if (at < overlay->count)
		found.page[found.count++] = overlay->entry[at].page;
	return found;
}

static bool path_shared(const struct neighbours *neighbours, uint64_t page, unsigned shift)
{
	for (unsigned i = 0; i < neighbours->count; i++)
		if (neighbours->page[i] >> shift == page >> shift)
			return true;
	return false;
}

/*
 * The height for which nodes above the old root have been reserved, or need not be:
 * the tree's own, which is not known during a full commit, as that may lower it, or
 * that of the tallest page that has reserved its path.  Heights ascend with page
 * numbers, so if any such page is as tall as the one asked for, a neighbour is; and
 * if none is, the tallest one is a neighbour.
 */
static unsigned height_reserved(const struct store *store, const struct neighbours *neighbours)
{
	unsigned height = commit_is_full(store) ? 0 : space_height(store);

	for (unsigned i = 0; i < neighbours->count; i++)
		if (map_height_for(neighbours->page[i]) > height)
			height = map_height_for(neighbours->page[i]);
	return height;
}

/* Nodes on the page's path that no neighbour has reserved on its own. */
static uint64_t path_nodes(struct store *store, const struct neighbours *neighbours, uint64_t page)
{
	unsigned height = space_height(store);
	unsigned reserved = height_reserved(store, neighbours);
	unsigned needed = map_height_for(page);
	uint64_t nodes = 0;

	/* A tree that grows gets nodes above its old root as well, once. */
	if (needed > reserved)
		nodes = needed - reserved;
	if (needed > height)
		height = needed;
	for (unsigned level = 1; level <= height; level++) {
		if (path_shared(neighbours, page, DISK_NODE_SHIFT * level))
			break;
		nodes++;
	}
	return nodes;
}

static struct reserve reserve_of_page(struct store *store, const struct neighbours *neighbours,
				      uint64_t page)
{
	uint64_t nodes = path_nodes(store, neighbours, page);

	return (struct reserve){.blocks = 1 + nodes, .nodes = nodes, .changes = 2 * (1 + nodes)};
}

/* An essential page that does not exist yet is one more than was reckoned with. */
static enum reserve_tier tier_of(const struct store *store, page_t page, bool exists)
{
	if (essential_page(store, page))
		return exists ? RESERVE_ESSENTIAL : RESERVE_SYSTEM;
	if (page.n < store->limits.system_pages_end)
		return RESERVE_SYSTEM;
	return exists ? RESERVE_EXISTING : RESERVE_NEW;
}

enum status reserve_page(struct store *store, page_t page, bool exists)
{
	struct neighbours neighbours = neighbours_find(store, page.n);
	struct reserve wanted = reserve_of_page(store, &neighbours, page.n);
	enum status status = STATUS_OK;

	ASSERT(page.n < DISK_PAGE_MAX);
	/* A commit could not write a page below a node that it cannot read.  Where a
	 * neighbour hangs on the same node, that has been asked. */
	if (!path_shared(&neighbours, page.n, DISK_NODE_SHIFT))
		status = map_readable(store, &store->record.space, DISK_TREE_SPACE, page.n,
				      page.n + 1);
	if (status != STATUS_OK)
		return status;
	return reserve_take(store, &wanted, tier_of(store, page, exists), 0);
}

enum status store_space_check(struct store *store)
{
	struct reserve before = store->reservation.working;
	uint64_t blocks = 1 + space_height(store);
	struct reserve page = {.blocks = blocks, .changes = 2 * blocks};
	enum status status = STATUS_OK;

	if (essential_any(store) && !store->read_only)
		status = reserve_take(store, &page, RESERVE_EXISTING, 0);
	store->reservation.working = before;
	return status;
}

struct reserve reserve_of_next(struct store *store, uint64_t before, uint64_t page)
{
	struct neighbours neighbours = {.page = {before}, .count = before == NIL_KEY ? 0 : 1};

	return reserve_of_page(store, &neighbours, page);
}

struct reserve reserve_of_overlay(struct store *store)
{
	const struct overlay *overlay = &store->overlay;
	struct reserve sum = {0, 0, 0};

	for (uint32_t i = 0; i < overlay->count; i++) {
		uint64_t before = i ? overlay->entry[i - 1].page : NIL_KEY;
		struct reserve one = reserve_of_next(store, before, overlay->entry[i].page);

		reserve_add(&sum, &one);
	}
	return sum;
}

/* Each page and node of the free map that is touched is moved itself: two more
 * changes and a block.  All must fit; what is left is for pages and clears. */
static uint32_t changes_limit(const struct store *store, uint64_t sectors)
{
	uint64_t leaves = store_leaves_for(sectors);
	uint32_t capacity = store->changes.capacity;
	uint32_t limit = capacity;
	/* The last term: a free map that becomes taller. */
	uint32_t own =
		(uint32_t)(LIMIT_RECLAIM_CHANGES + 2 * LIMIT_CATALOGUE * (DISK_HEIGHT_MAX + 2) +
			   2 * DISK_HEIGHT_MAX);

	while (limit + 2 * map_blocks_touched(leaves, limit) > capacity ||
	       map_blocks_touched(leaves, limit) + DISK_HEIGHT_MAX > store->freemap.run_capacity)
		limit -= limit / 16;
	ASSERT(limit > 2 * own);
	return limit - own;
}

void reserve_begin(struct store *store)
{
	store->reservation =
		(struct reservation){.carried = reserve_of_overlay(store),
				     .changes_limit = changes_limit(store, store->record.sectors)};
}

/*
 * The generation that begins at the freeze is committed by the larger store,
 * whose free map may leave less of the list of changes to it.  Blocks need no
 * care: STORE_GROW_MIN brings more of them than the slop grows by.
 */
void reserve_grow(struct store *store, uint64_t sectors)
{
	ASSERT(commit_is_full(store) && sectors >= store->record.sectors);
	store->reservation.changes_limit = changes_limit(store, sectors);
}

struct reserve reserve_of_clear(const struct store *store, uint64_t first, uint64_t end)
{
	unsigned height = space_height(store);
	uint64_t blocks = 2 * (uint64_t)height;
	uint64_t changes = end - first + blocks;

	ASSERT(first < end);
	for (unsigned level = 1; level <= height; level++)
		changes += ((end - 1) >> (DISK_NODE_SHIFT * level)) -
			   (first >> (DISK_NODE_SHIFT * level)) + 1;
	return (struct reserve){.blocks = blocks, .nodes = blocks, .changes = changes};
}

/* Clearing gives space back in the end, so it may use the slop made for it
 * when nothing else is left. */
enum status reserve_clear(struct store *store, uint64_t first, uint64_t count)
{
	struct reserve wanted = reserve_of_clear(store, first, first + count);

	return reserve_take(store, &wanted, RESERVE_SYSTEM, LIMIT_CLEAR_BLOCKS);
}
