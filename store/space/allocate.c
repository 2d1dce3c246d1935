/* SPDX-License-Identifier: MIT */
/*
 * allocate.c - where the next extent goes.
 *
 * S1, literally: a sector may be taken when its bit is clear in the free maps
 * of both newest durable generations, neither's delta uses it, and this commit
 * has not taken it yet.  The union of these is kept for one free-map page at a time (a window,
 * 16 MiB of disk); it moves forward and comes round (next fit), so what one
 * commit writes lies in long runs.
 *
 * Wholly free blocks are used first, and short extents packed into them, also
 * into the ends of blocks left open within the write that is being built: between
 * raw pages, map nodes would otherwise waste nearly half a block each.  When
 * few are left, short extents go into the free sectors of used blocks, which a
 * second window looks for, unless the disk writes in units of 4 KiB: there an
 * extent never shares a block with an older one.
 *
 * The bits of sectors before DISK_DATA_SECTOR and past the end of the store are
 * never set on the disk; here they count as used.
 */
#include "store/store_priv.h"

static_assert(DISK_FREE_MAP_SECTORS == PAGE_SIZE * 8 && BLOCK_SECTORS == 8,
	      "a bit for a sector, a byte for a block");

uint64_t store_leaves(const struct store *store)
{
	return store_leaves_for(store->record.sectors);
}

static void window_begin(struct allocator_window *window)
{
	window->loaded = window->half_loaded = false;
	window->exhausted = window->kept = false;
	window->unread = STATUS_OK;
	window->passed = 0;
}

/* Of what could not be read, an error of the disk counts more than damage: it may pass. */
static void window_unread(struct allocator_window *window, enum status status)
{
	if (window->unread != STATUS_IO)
		window->unread = status;
}

/* Go on writing near where the last generation was written. */
void allocator_open(struct store *store)
{
	store->allocator.blocks.leaf =
		disk_reference_sector(&store->record.space.reference).n / DISK_FREE_MAP_SECTORS;
	store->allocator.holes.leaf = store->allocator.blocks.leaf;
}

uint64_t allocator_blocks_touched(const struct store *store)
{
	return store->allocator.blocks_touched;
}

bool allocator_starved(const struct store *store)
{
	return store->allocator.starved;
}

void allocator_begin(struct store *store)
{
	struct allocator *allocator = &store->allocator;
	uint64_t blocks = store->record.sectors / BLOCK_SECTORS;

	changes_reset(&store->changes);
	window_begin(&allocator->blocks);
	window_begin(&allocator->holes);
	allocator->blocks_touched = 0;
	allocator->open_room = 0;
	allocator->gaps = 0;
	allocator->starved = false;
	allocator->scarce =
		store->write_unit == SECTOR_SIZE && reserve_blocks_available(store) < blocks / 8;
}

/* ---- windows -------------------------------------------------------------- */

/* Sets the bits of `count` sectors from `sector` on, all within one block. */
static void window_mark(struct allocator_window *window, uint64_t sector, uint32_t count)
{
	uint64_t offset = sector % DISK_FREE_MAP_SECTORS;

	if (window->loaded && sector / DISK_FREE_MAP_SECTORS == window->leaf)
		window->bits[offset / 8] |= (uint8_t)(((1u << count) - 1) << offset % 8);
}

static void window_mark_run(struct allocator_window *window, uint64_t sector, uint64_t count)
{
	while (count) {
		uint32_t room = BLOCK_SECTORS - (uint32_t)(sector % BLOCK_SECTORS);
		uint32_t part = count < room ? (uint32_t)count : room;

		window_mark(window, sector, part);
		sector += part;
		count -= part;
	}
}

static void window_mark_overlay(struct allocator_window *window, const struct overlay *overlay)
{
	for (uint32_t i = 0; i < overlay->count; i++) {
		const struct disk_reference *reference = &overlay->entry[i].reference;

		window_mark_run(window, disk_reference_sector(reference).n, reference->sectors);
	}
}

/* What is used although no bit says so: outside of the data area, held by a
 * delta, taken by this commit, and the rest of the block that is being packed. */
static void window_mark_implied(struct store *store, struct allocator_window *window)
{
	uint64_t first = window->leaf * DISK_FREE_MAP_SECTORS;
	uint64_t end = store->record.sectors / BLOCK_SECTORS * BLOCK_SECTORS;

	if (first < DISK_DATA_SECTOR)
		window_mark_run(window, first, DISK_DATA_SECTOR - first);
	if (end < first + DISK_FREE_MAP_SECTORS)
		window_mark_run(window, end, first + DISK_FREE_MAP_SECTORS - end);
	window_mark_overlay(window, &store->overlay);
	window_mark_overlay(window, &store->previous);
	for (uint32_t i = 0; i < store->changes.count; i++) {
		uint64_t entry = store->changes.entry[i];

		if (entry & CHANGE_TAKE && change_leaf(entry) == window->leaf)
			window_mark_run(window, change_sector(entry), change_count(entry));
	}
	if (store->allocator.open_room)
		window_mark(window, store->allocator.open_sector, store->allocator.open_room);
}

/* Word by word: this is done for every commit. */
static void bits_add(uint8_t *bits, const uint8_t *more)
{
	uint64_t have, add;

	for (unsigned i = 0; i < PAGE_SIZE; i += sizeof(have)) {
		memcpy(&have, bits + i, sizeof(have));
		memcpy(&add, more + i, sizeof(add));
		have |= add;
		memcpy(bits + i, &have, sizeof(have));
	}
}

/*
 * First the newest map's page, then its predecessor's, each read only once: a
 * failure must not be tried again without end.  Where the newest cannot be
 * read nothing is free.  The predecessor's only guards against later damage of
 * the newest generation; when it is damaged, there is nothing to guard.  Where the
 * disk cannot read it now, it may be there again for the next commit: some are given
 * the time to fail for want of room, and what they fail for otherwise does not count.
 */
enum status allocator_window_load(struct store *store, struct allocator_window *window)
{
	const uint8_t *bits;
	enum status status;

	ASSERT(!window->loaded && window->leaf < store_leaves(store));
	if (!window->half_loaded) {
		status = freemap_get(store, &store->record.free_map, window->leaf, &bits);
		if (status == STATUS_WAIT)
			return status;
		memset(window->bits, status == STATUS_OK ? 0 : 0xff, PAGE_SIZE);
		if (status != STATUS_OK)
			window_unread(window, status);
		if (status == STATUS_OK && bits)
			memcpy(window->bits, bits, PAGE_SIZE);
		window->half_loaded = true;
	}
	status = freemap_get(store, &store->previous_map, window->leaf, &bits);
	if (status == STATUS_WAIT)
		return status;
	if (status == STATUS_OK && bits)
		bits_add(window->bits, bits);
	if (status == STATUS_IO && store->starved < LIMIT_STARVED) {
		memset(window->bits, 0xff, PAGE_SIZE);
		window_unread(window, status);
		window->kept = true;
	}
	window->half_loaded = false;
	window->loaded = true;
	window->cursor = 0;
	window_mark_implied(store, window);
	return STATUS_OK;
}

/* On to the leaf at or after `leaf` (which may be past the last). */
static void window_move(struct store *store, struct allocator_window *window, uint64_t leaf)
{
	uint64_t leaves = store_leaves(store);

	ASSERT(leaf > window->leaf);
	window->passed += leaf - window->leaf;
	window->leaf = leaf < leaves ? leaf : 0;
	window->loaded = window->half_loaded = false;
	/* Once more than the whole: the first window was entered in its middle. */
	window->exhausted = window->passed > leaves + 1;
}

/* Loads the next leaf that can have something to offer. */
static enum status window_next(struct store *store, struct allocator_window *window,
			       bool with_used_blocks)
{
	uint64_t leaf = window->leaf;
	enum status status;

	if (window->exhausted) {
		store->allocator.starved |= window->kept;
		return window->unread != STATUS_OK ? window->unread : STATUS_NO_SPACE;
	}
	if (window->half_loaded)
		return allocator_window_load(store, window);
	status = with_used_blocks
			 ? map_next(store, &store->record.free_map, DISK_TREE_FREE_MAP,
				    window->leaf, NIL_KEY, &leaf)
			 : map_next_with_room(store, &store->record.free_map, window->leaf, &leaf);
	if (status == STATUS_WAIT)
		return status;
	if (status == STATUS_IO || status == STATUS_CORRUPT) {
		window_unread(window, status);
		leaf = window->leaf + 1;
	} else if (status != STATUS_OK || leaf >= store_leaves(store)) {
		leaf = store_leaves(store);
	}
	if (leaf != window->leaf) {
		window_move(store, window, leaf);
		return STATUS_OK;
	}
	return allocator_window_load(store, window);
}

/* ---- blocks and holes ------------------------------------------------------- */

static bool block_found(struct allocator_window *window)
{
	while (window->loaded && window->cursor < PAGE_SIZE) {
		if (!window->bits[window->cursor])
			return true;
		window->cursor++;
	}
	return false;
}

/* The first run of `count` clear bits in a byte; 8 when there is none. */
static unsigned hole_in(uint8_t bits, uint32_t count)
{
	unsigned run = (1u << count) - 1;
	unsigned at = 0;

	ASSERT(count && count < BLOCK_SECTORS);
	while (at + count <= BLOCK_SECTORS && (bits & run << at))
		at++;
	return at + count <= BLOCK_SECTORS ? at : BLOCK_SECTORS;
}

static bool hole_take(struct store *store, uint32_t count, uint64_t *sector)
{
	struct allocator_window *window = &store->allocator.holes;

	while (window->loaded && window->cursor < PAGE_SIZE) {
		uint8_t bits = window->bits[window->cursor];
		unsigned at = bits ? hole_in(bits, count) : BLOCK_SECTORS;

		if (at < BLOCK_SECTORS) {
			*sector = window->leaf * DISK_FREE_MAP_SECTORS +
				  window->cursor * BLOCK_SECTORS + at;
			return true;
		}
		window->cursor++;
	}
	return false;
}

static enum status holes_ready(struct store *store)
{
	struct allocator_window *window = &store->allocator.holes;

	while (!window->exhausted && !(window->loaded && window->cursor < PAGE_SIZE)) {
		enum status status;

		if (window->loaded)
			window_move(store, window, window->leaf + 1);
		status = window_next(store, window, true);
		if (status == STATUS_WAIT)
			return status;
	}
	return STATUS_OK;
}

enum status allocator_ready(struct store *store)
{
	struct allocator *allocator = &store->allocator;

	if (allocator->scarce) {
		enum status status = holes_ready(store);

		if (status != STATUS_OK)
			return status;
	}
	while (!block_found(&allocator->blocks)) {
		enum status status;

		if (allocator->blocks.loaded)
			window_move(store, &allocator->blocks, allocator->blocks.leaf + 1);
		status = window_next(store, &allocator->blocks, false);
		if (status != STATUS_OK)
			return status;
	}
	return STATUS_OK;
}

static void block_open(struct store *store)
{
	struct allocator *allocator = &store->allocator;
	bool found = block_found(&allocator->blocks);

	ASSERT(found);
	allocator->open_sector = allocator->blocks.leaf * DISK_FREE_MAP_SECTORS +
				 allocator->blocks.cursor * BLOCK_SECTORS;
	allocator->open_room = BLOCK_SECTORS;
	window_mark(&allocator->blocks, allocator->open_sector, BLOCK_SECTORS);
	window_mark(&allocator->holes, allocator->open_sector, BLOCK_SECTORS);
	allocator->blocks_touched++;
}

/* ---- gaps: ends of blocks within the write that is being built ------------- */

static void gap_keep(struct allocator *allocator)
{
	if (allocator->open_room && allocator->gaps < LIMIT_GAPS)
		allocator->gap[allocator->gaps++] = (struct allocator_gap){
			.sector = {allocator->open_sector}, .room = allocator->open_room};
}

/* The smallest gap that this short extent fits into. */
static bool gap_take(struct store *store, uint32_t sectors, uint64_t *sector)
{
	struct allocator *allocator = &store->allocator;
	struct allocator_gap *best = NULL;

	for (uint32_t i = 0; i < allocator->gaps; i++) {
		struct allocator_gap *gap = &allocator->gap[i];

		if (gap->room >= sectors && (!best || gap->room < best->room) &&
		    stage_covers(store, gap->sector, sectors))
			best = gap;
	}
	if (!best)
		return false;
	*sector = best->sector.n;
	best->sector.n += sectors;
	best->room -= sectors;
	if (!best->room)
		*best = allocator->gap[--allocator->gaps];
	return true;
}

sector_t allocator_take(struct store *store, uint32_t sectors)
{
	struct allocator *allocator = &store->allocator;
	uint64_t sector;

	ASSERT(store_committing(store));
	ASSERT(sectors && sectors <= BLOCK_SECTORS);
	if (sectors < BLOCK_SECTORS && gap_take(store, sectors, &sector)) {
		/* Its block counts as used already. */
	} else if (allocator->open_room < sectors && allocator->scarce && sectors < BLOCK_SECTORS &&
		   hole_take(store, sectors, &sector)) {
		window_mark(&allocator->holes, sector, sectors);
		window_mark(&allocator->blocks, sector, sectors);
		allocator->blocks_touched++;
	} else {
		if (allocator->open_room < sectors) {
			gap_keep(allocator);
			block_open(store);
		}
		sector = allocator->open_sector;
		allocator->open_sector += sectors;
		allocator->open_room -= sectors;
	}
	/* Within one block of the data area. */
	ASSERT(sector >= DISK_DATA_SECTOR && sector + sectors <= store->record.sectors);
	ASSERT(sector % BLOCK_SECTORS + sectors <= BLOCK_SECTORS);
	changes_push(&store->changes, CHANGE_TAKE, (sector_t){sector}, sectors);
	return (sector_t){sector};
}
