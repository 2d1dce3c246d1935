/* SPDX-License-Identifier: MIT */
/*
 * discard.c - telling the disk which sectors hold nothing any more.
 *
 *   a commit frees a block     noted, if there is room in the list
 *   the commit after it        the block is free in both newest generations: it
 *                              is discarded, unless it was taken again
 *   the next commit            waits for the discards in flight, then writes
 *
 * Whether a block may be discarded is always read from the maps of the two
 * newest generations and their deltas, never told from the list (S1): a block
 * that is noted is looked at after its own commit, where its predecessor still
 * uses it, and once more after the next.  A disk may carry out requests in any
 * order, so nothing is written while a discard is in flight.
 *
 * All this is a hint: what is forgotten costs nothing but the disk's space, and a
 * disk that refuses is not asked again.
 */
#include "store/store_priv.h"

#define LEAF_BLOCKS (DISK_FREE_MAP_SECTORS / BLOCK_SECTORS)

/* A noted run: first sector << 16 | blocks << 1 | looked at before.  Blocks
 * never cross a page of the free map. */
static uint64_t run_make(uint64_t sector, uint32_t blocks)
{
	return sector << 16 | (uint64_t)blocks << 1;
}

static uint64_t run_sector(uint64_t run)
{
	return run >> 16;
}

static uint32_t run_blocks(uint64_t run)
{
	return (uint32_t)(run >> 1) & 0x7fff;
}

void discard_init(struct store *store, bool wanted)
{
	store->discards.on = wanted && store->device->discards && !store->read_only;
}

bool discard_busy(const struct store *store)
{
	for (unsigned i = 0; i < LIMIT_DISCARDS; i++)
		if (store->discards.request[i].state != DISCARD_IDLE)
			return true;
	return false;
}

/* ---- what a commit frees -------------------------------------------------------- */

void discard_note(struct store *store, uint64_t leaf, const uint8_t *before, const uint8_t *after)
{
	struct discards *discards = &store->discards;

	ASSERT(commit_is_full(store));
	if (!discards->on)
		return;
	for (uint32_t i = 0; i < LEAF_BLOCKS; i++) {
		uint32_t first = i;

		while (i < LEAF_BLOCKS && before[i] && !after[i])
			i++;
		if (i == first)
			continue;
		if (discards->count == LIMIT_DISCARD_RUNS)
			return;
		discards->run[discards->count++] = run_make(
			leaf * DISK_FREE_MAP_SECTORS + (uint64_t)first * BLOCK_SECTORS, i - first);
	}
}

/* ---- requests ---------------------------------------------------------------------- */

static void discard_complete(struct block_request *request)
{
	struct discard_request *discard = request->owner;

	discard->done = true;
}

static void discard_submit(struct store *store, struct discard_request *discard)
{
	ASSERT(discard->state == DISCARD_QUEUED);
	if (store->device->operations->submit(store->device, &discard->request))
		discard->state = DISCARD_SUBMITTED;
}

static struct discard_request *discard_idle(struct store *store)
{
	for (unsigned i = 0; i < LIMIT_DISCARDS; i++)
		if (store->discards.request[i].state == DISCARD_IDLE)
			return &store->discards.request[i];
	return NULL;
}

static void discard_start(struct store *store, struct discard_request *discard, uint64_t sector,
			  uint32_t sectors)
{
	ASSERT(!store_committing(store) && discard->state == DISCARD_IDLE);
	ASSERT(!store->read_only && !store->doubt.generation);
	ASSERT(sectors && sectors % BLOCK_SECTORS == 0 && sector % BLOCK_SECTORS == 0);
	ASSERT(sector >= DISK_DATA_SECTOR && sector + sectors <= store->record.sectors);
	discard->request = (struct block_request){
		.operation = BLOCK_DISCARD,
		.sector = {sector},
		.sectors = sectors,
		.complete = discard_complete,
		.owner = discard,
	};
	discard->done = false;
	discard->state = DISCARD_QUEUED;
	store->statistics.discarded_sectors += sectors;
	discard_submit(store, discard);
}

static bool discard_collect(struct store *store)
{
	bool moved = false;

	for (unsigned i = 0; i < LIMIT_DISCARDS; i++) {
		struct discard_request *discard = &store->discards.request[i];

		if (discard->state == DISCARD_QUEUED)
			discard_submit(store, discard);
		if (discard->state != DISCARD_SUBMITTED || !discard->done)
			continue;
		discard->state = DISCARD_IDLE;
		moved = true;
		if (discard->request.status != STATUS_OK && store->discards.on) {
			store_log(store,
				  "store: the disk refuses to discard; it is not asked again");
			store->discards.on = false;
		}
	}
	if (moved)
		store_wake(store, (store_channel_t){STORE_CHANNEL_DISCARD});
	return moved;
}

/* ---- what may be discarded --------------------------------------------------------------- */

/* Once is enough: what is being discarded is not asked for again. */
static void window_mark(struct allocator_window *window, const struct discard_request *discard)
{
	uint64_t first = discard->request.sector.n;

	if (discard->state != DISCARD_IDLE && first / DISK_FREE_MAP_SECTORS == window->leaf)
		memset(window->bits + first % DISK_FREE_MAP_SECTORS / BLOCK_SECTORS, 0xff,
		       discard->request.sectors / BLOCK_SECTORS);
}

/* The page of both newest generations' free maps, for this leaf. */
static enum status window_look(struct store *store, uint64_t leaf)
{
	struct discards *discards = &store->discards;
	struct allocator_window *window = &discards->window;
	enum status status;

	if (window->leaf != leaf || discards->looked != store->record.generation) {
		window->leaf = leaf;
		window->loaded = window->half_loaded = false;
		discards->looked = store->record.generation;
	}
	if (window->loaded)
		return STATUS_OK;
	status = allocator_window_load(store, window);
	for (unsigned i = 0; i < LIMIT_DISCARDS && status == STATUS_OK; i++)
		window_mark(window, &discards->request[i]);
	return status;
}

/* Blocks that the disk can only discard together. */
static uint32_t discard_unit(const struct store *store)
{
	uint32_t unit = store->device->discard_unit / BLOCK_SECTORS;

	return unit > 1 ? unit : 1;
}

static bool unit_free(const struct allocator_window *window, uint32_t block, uint32_t unit)
{
	if (block + unit > LEAF_BLOCKS)
		return false;
	for (uint32_t i = 0; i < unit; i++)
		if (window->bits[block + i])
			return false;
	return true;
}

/*
 * Discards the first run of free units at or after *block and before `end` (both
 * blocks of the window), as much as one request takes.  *block: where to go on.
 */
static void free_discard(struct store *store, struct discard_request *discard, uint32_t *block,
			 uint32_t end)
{
	struct allocator_window *window = &store->discards.window;
	uint32_t most = store->device->discard_sectors, unit = discard_unit(store);
	uint32_t first, limit;

	ASSERT(window->loaded && end <= LEAF_BLOCKS);
	if (!most)
		most = store->device->request_sectors;
	limit = most / BLOCK_SECTORS / unit * unit;
	if (!limit) {
		*block = end;
		return;
	}
	while (*block < end && !unit_free(window, *block, unit))
		*block += unit;
	first = *block;
	while (*block < end && *block - first + unit <= limit && unit_free(window, *block, unit))
		*block += unit;
	if (*block == first || first >= end)
		return;
	discard_start(store, discard,
		      window->leaf * DISK_FREE_MAP_SECTORS + (uint64_t)first * BLOCK_SECTORS,
		      (*block - first) * BLOCK_SECTORS);
	window_mark(window, discard);
}

/* ---- the list, once after each commit ------------------------------------------------------ */

static void round_begin(struct store *store)
{
	struct discards *discards = &store->discards;
	uint32_t rest = discards->count - discards->position;

	ASSERT(discards->kept <= discards->position && discards->position <= discards->count);
	memmove(&discards->run[discards->kept], &discards->run[discards->position],
		rest * sizeof(discards->run[0]));
	discards->count = discards->kept + rest;
	discards->position = discards->kept = 0;
	discards->block = UINT32_MAX;
	discards->round = store->record.generation;
}

static enum status run_step(struct store *store)
{
	struct discards *discards = &store->discards;
	struct discard_request *discard = discard_idle(store);
	uint64_t run = discards->run[discards->position];
	uint32_t unit = discard_unit(store);
	uint32_t first = (uint32_t)(run_sector(run) % DISK_FREE_MAP_SECTORS / BLOCK_SECTORS);
	enum status status;

	ASSERT(discards->position < discards->count);
	if (!discard)
		return store_wait_for(store, (store_channel_t){STORE_CHANNEL_DISCARD});
	status = window_look(store, run_sector(run) / DISK_FREE_MAP_SECTORS);
	if (status != STATUS_OK)
		return status;
	if (discards->block == UINT32_MAX)
		discards->block = first / unit * unit;
	free_discard(store, discard, &discards->block, first + run_blocks(run));
	if (discards->block < first + run_blocks(run))
		return STATUS_OK;
	discards->block = UINT32_MAX;
	discards->position++;
	if (!(run & 1))
		discards->run[discards->kept++] = run | 1;
	return STATUS_OK;
}

bool discard_step(struct store *store)
{
	struct discards *discards = &store->discards;
	bool moved = discard_collect(store);

	if (!discards->on || store->read_only || store->replaced || store_committing(store) ||
	    !stage_empty(store) || store->doubt.generation)
		return moved;
	if (discards->round != store->record.generation)
		round_begin(store);
	for (unsigned i = 0; i < LIMIT_STEP_UNITS && discards->position < discards->count; i++) {
		if (run_step(store) == STATUS_WAIT)
			break;
		moved = true;
	}
	return moved;
}

/* ---- everything that is free ------------------------------------------------------------------
 */

enum status store_discard_free(struct store *store, sector_t *position)
{
	struct discard_request *discard = discard_idle(store);
	uint64_t leaf = position->n / DISK_FREE_MAP_SECTORS;
	uint32_t unit = discard_unit(store), block;
	enum status status;

	ASSERT(store->mounted && !store->replaced);
	if (store->read_only)
		return STATUS_READ_ONLY;
	if (!store->discards.on)
		return STATUS_NO_OPERATION;
	if (leaf >= store_leaves(store))
		return STATUS_NOT_FOUND;
	if (store_committing(store) || store->doubt.generation || !discard)
		return store_wait_for(store, (store_channel_t){discard ? STORE_CHANNEL_COMMIT
								       : STORE_CHANNEL_DISCARD});
	status = window_look(store, leaf);
	if (status != STATUS_OK)
		return status;
	block = (uint32_t)(position->n % DISK_FREE_MAP_SECTORS / BLOCK_SECTORS) / unit * unit;
	free_discard(store, discard, &block, LEAF_BLOCKS);
	position->n = leaf * DISK_FREE_MAP_SECTORS + (uint64_t)block * BLOCK_SECTORS;
	return STATUS_OK;
}
