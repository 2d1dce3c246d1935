/* SPDX-License-Identifier: MIT */
/*
 * freemap.c - the free map brought up to date at the end of a commit.
 *
 * Changing a page of the free map moves it: it takes a new block and gives its
 * old one back, which are changes too, perhaps of another page, and the same
 * goes for every node above.  So first the closure is found: the changes are
 * sorted; every page and node they touch for the first time is given a block
 * and its old block is freed; these new changes are the next round, until one
 * adds nothing.  Then all changes are put in order and applied in one pass.
 * The blocks set aside are used up exactly, in the order they were taken.
 *
 * A store that has grown may need a taller tree.  The old root then becomes the
 * first entry of the lowest new node, and the new nodes above it are written
 * whether or not anything below the old root changes: they get their blocks
 * first of all.
 *
 * A page in which nothing is used any more stays as a page of zero bits: the
 * closure cannot know that it would vanish.
 */
#include "store/store_priv.h"

void freemap_lay_out(struct store *store, struct layout *layout)
{
	struct freemap *freemap = &store->freemap;

	freemap->run_capacity = LIMIT_MAP_RUNS + store->limits.frames / 128 * 3;
	freemap->run = layout_take(layout, freemap->run_capacity * sizeof(uint64_t), 64);
}

uint64_t freemap_blocks_freed(const struct store *store)
{
	return store->freemap.blocks_freed;
}

void freemap_begin(struct store *store)
{
	struct freemap *freemap = &store->freemap;

	freemap->runs = freemap->run_taken = 0;
	freemap->boundaries = 0;
	freemap->position = 0;
	freemap->level = 0;
	freemap->height = map_height_for(store_leaves(store) - 1);
	freemap->old_height = store->record.free_map.height;
	if (!freemap->old_height)
		freemap->old_height = freemap->height;
	ASSERT(commit_is_full(store));
	ASSERT(freemap->old_height <= freemap->height && freemap->height <= DISK_HEIGHT_MAX);
	freemap->blocks_freed = 0;
	freemap->phase = FREEMAP_GROW;
	freemap->level = freemap->old_height + 1;
}

/* ---- blocks set aside ------------------------------------------------------- */

static void run_push(struct freemap *freemap, sector_t sector)
{
	uint64_t *last = freemap->runs ? &freemap->run[freemap->runs - 1] : NULL;

	ASSERT(sector.n % BLOCK_SECTORS == 0);
	if (last && (*last & 0xffff) < 0xffff &&
	    (*last >> 16) + (*last & 0xffff) * BLOCK_SECTORS == sector.n) {
		++*last;
		return;
	}
	ASSERT(freemap->runs < freemap->run_capacity);
	freemap->run[freemap->runs++] = sector.n << 16 | 1;
}

enum status freemap_stage(struct store *store, const void *data, struct place place,
			  uint64_t auxiliary, struct disk_reference *reference)
{
	struct freemap *freemap = &store->freemap;
	uint64_t *run = &freemap->run[freemap->run_taken];
	enum status status;

	ASSERT(freemap->run_taken < freemap->runs);
	ASSERT(freemap->phase == FREEMAP_STREAM || freemap->phase == FREEMAP_FINISH);
	status = stage_block(store, data, place, (sector_t){*run >> 16}, reference);
	if (status != STATUS_OK)
		return status;
	reference->auxiliary_low = (uint32_t)auxiliary;
	reference->auxiliary_high = (uint16_t)(auxiliary >> 32);
	*run += ((uint64_t)BLOCK_SECTORS << 16) - 1;
	if (!(*run & 0xffff))
		freemap->run_taken++;
	return STATUS_OK;
}

/* ---- reading -------------------------------------------------------------------- */

enum status freemap_get(struct store *store, const struct disk_root *root, uint64_t leaf,
			const uint8_t **bits)
{
	struct place place = {DISK_TREE_FREE_MAP, 0, leaf};
	struct disk_reference reference;
	const void *data = NULL;
	enum status status = map_lookup(store, root, place.tree, leaf, &reference);

	if (status == STATUS_OK && !reference_is_null(&reference))
		status = extent_get(store, &reference, place, &data);
	*bits = data;
	return status;
}

/* ---- the closure --------------------------------------------------------------- */

static uint32_t round_begin(const struct freemap *freemap)
{
	return freemap->boundaries > 1 ? freemap->boundary[freemap->boundaries - 2] : 0;
}

/* Has this page or node been given its block by an earlier change? */
static bool already_touched(const struct store *store, uint64_t leaf, unsigned level)
{
	const struct freemap *freemap = &store->freemap;
	unsigned shift = DISK_NODE_SHIFT * level;
	uint32_t first = 0;

	if (level > freemap->old_height && leaf >> shift == 0)
		return true;
	if (freemap->position > round_begin(freemap) &&
	    change_leaf(store->changes.entry[freemap->position - 1]) >> shift == leaf >> shift)
		return true;
	for (uint32_t i = 0; i + 1 < freemap->boundaries; i++) {
		if (changes_touches(&store->changes, first, freemap->boundary[i], leaf, shift))
			return true;
		first = freemap->boundary[i];
	}
	return false;
}

static enum status page_claim(struct store *store, struct place place)
{
	struct disk_reference old;
	sector_t sector;
	enum status status = map_lookup_node(store, &store->record.free_map, place, &old);

	if (status == STATUS_OK)
		status = allocator_ready(store);
	if (status != STATUS_OK)
		return status;
	sector = allocator_take(store, BLOCK_SECTORS);
	run_push(&store->freemap, sector);
	changes_give_back(store, &old);
	return STATUS_OK;
}

/* Blocks for the new nodes above the old root. */
static enum status grow_step(struct store *store)
{
	struct freemap *freemap = &store->freemap;
	struct place place = {DISK_TREE_FREE_MAP, freemap->level, 0};
	enum status status;

	if (freemap->level > freemap->height) {
		freemap->level = 0;
		freemap->phase = FREEMAP_SORT;
		changes_sort_begin(&store->changes, 0, store->changes.count);
		return STATUS_OK;
	}
	status = page_claim(store, place);
	if (status == STATUS_OK)
		freemap->level++;
	return status;
}

/*
 * Nothing can be given back in a page that is damaged: what this round gives back there
 * stays in use, and the commit goes on.  False: this commit has taken some of it, which
 * must be said there.
 */
static bool leaf_pass(struct store *store, uint64_t leaf)
{
	struct freemap *freemap = &store->freemap;
	struct changes *changes = &store->changes;
	uint32_t *round_end = &freemap->boundary[freemap->boundaries - 1];
	uint32_t end = freemap->position;

	ASSERT(!freemap->level && freemap->position < *round_end);
	for (; end < *round_end && change_leaf(changes->entry[end]) == leaf; end++)
		if (changes->entry[end] & CHANGE_TAKE)
			return false;
	changes_drop(changes, freemap->position, end);
	*round_end -= end - freemap->position;
	store_log(store,
		  "store: page %lu of the free map is damaged: what is given back in it stays "
		  "in use",
		  leaf);
	return true;
}

/* What the change at `position` touches, one page or node at a time. */
static enum status change_close(struct store *store)
{
	struct freemap *freemap = &store->freemap;
	uint64_t leaf = change_leaf(store->changes.entry[freemap->position]);

	ASSERT(freemap->position < store->changes.count);
	if (freemap->level <= freemap->height && !already_touched(store, leaf, freemap->level)) {
		struct place place = {DISK_TREE_FREE_MAP, freemap->level,
				      leaf >> (DISK_NODE_SHIFT * freemap->level)};
		enum status status = STATUS_OK;
		const uint8_t *bits;

		if (!freemap->level)
			status = freemap_get(store, &store->record.free_map, leaf, &bits);
		if (status == STATUS_CORRUPT && leaf_pass(store, leaf))
			return STATUS_OK;
		if (status == STATUS_OK)
			status = page_claim(store, place);
		if (status == STATUS_OK)
			freemap->level++;
		return status;
	}
	/* What is touched above a touched node was touched with it. */
	freemap->level = 0;
	freemap->position++;
	return STATUS_OK;
}

static void round_end(struct store *store)
{
	struct freemap *freemap = &store->freemap;
	uint32_t end = freemap->boundary[freemap->boundaries - 1];

	ASSERT(freemap->position == end && end <= store->changes.count);
	if (store->changes.count == end) {
		freemap->phase = FREEMAP_ORDER;
		changes_sort_begin(&store->changes, 0, end);
	} else if (freemap->boundaries == LIMIT_CHANGE_RUNS) {
		freemap->phase = FREEMAP_MERGE;
		changes_sort_begin(&store->changes, 0, end);
	} else {
		freemap->phase = FREEMAP_SORT;
		changes_sort_begin(&store->changes, end, store->changes.count - end);
	}
}

static enum status closure_step(struct store *store)
{
	struct freemap *freemap = &store->freemap;

	if (freemap->position < freemap->boundary[freemap->boundaries - 1])
		return change_close(store);
	round_end(store);
	return STATUS_OK;
}

/* ---- writing ---------------------------------------------------------------------- */

/* Applies one change to the page; false if the page says otherwise. */
static bool change_apply(uint8_t *bits, uint64_t entry)
{
	uint32_t at = (uint32_t)(change_sector(entry) % DISK_FREE_MAP_SECTORS);

	for (uint32_t i = 0; i < change_count(entry); i++, at++) {
		uint8_t bit = (uint8_t)(1u << at % 8);
		bool used = bits[at / 8] & bit;

		if (used == (bool)(entry & CHANGE_TAKE))
			return false;
		bits[at / 8] ^= bit;
	}
	return true;
}

static enum status leaf_load(struct store *store, uint64_t leaf, const uint8_t **old)
{
	static const uint8_t zeros[PAGE_SIZE];
	struct place place = {DISK_TREE_FREE_MAP, 0, leaf};
	struct disk_reference *reference;
	const void *data = zeros;
	enum status status = update_seek(store, leaf);

	if (status != STATUS_OK)
		return status;
	reference = update_entry(store, leaf);
	if (!reference_is_null(reference))
		status = extent_get(store, reference, place, &data);
	*old = data;
	return status;
}

/* All changes of one page, from the one at `position` to *end.  CORRUPT: the page says
 * that they cannot be. */
static enum status leaf_apply(struct store *store, uint64_t leaf, uint32_t *end, uint64_t *used)
{
	const uint64_t *entry = store->changes.entry;

	for (*end = store->freemap.position;
	     *end < store->changes.count && change_leaf(entry[*end]) == leaf; ++*end) {
		uint32_t count = change_count(entry[*end]);
		bool take = entry[*end] & CHANGE_TAKE;

		if (!change_apply(store->page, entry[*end]) || (!take && *used < count)) {
			store_log(store,
				  "store: the free map and the references disagree at "
				  "sectors %lu to %lu: verify the store",
				  change_sector(entry[*end]),
				  change_sector(entry[*end]) + count - 1);
			return STATUS_CORRUPT;
		}
		*used = take ? *used + count : *used - count;
	}
	return STATUS_OK;
}

/* The page of the change at `position`, with all its changes. */
static enum status leaf_write(struct store *store)
{
	struct freemap *freemap = &store->freemap;
	uint64_t leaf = change_leaf(store->changes.entry[freemap->position]);
	uint64_t used_sectors = store->next.used_sectors, used = 0, freed = 0;
	struct place place = {DISK_TREE_FREE_MAP, 0, leaf};
	struct disk_reference reference;
	const uint8_t *old;
	uint32_t end;
	enum status status = leaf_load(store, leaf, &old);

	if (status != STATUS_OK)
		return status;
	memcpy(store->page, old, PAGE_SIZE);
	status = leaf_apply(store, leaf, &end, &used_sectors);
	if (status != STATUS_OK)
		return status;
	for (unsigned i = 0; i < PAGE_SIZE; i++) {
		used += store->page[i] != 0;
		freed += old[i] && !store->page[i];
	}
	status = freemap_stage(store, store->page, place, used, &reference);
	if (status != STATUS_OK)
		return status;
	ASSERT(end > freemap->position);
	discard_note(store, leaf, old, store->page);
	update_set(store, leaf, &reference);
	store->next.used_sectors = used_sectors;
	freemap->blocks_freed += freed;
	freemap->position = end;
	return STATUS_OK;
}

static enum status stream_step(struct store *store)
{
	if (store->freemap.position < store->changes.count)
		return leaf_write(store);
	store->freemap.phase = FREEMAP_FINISH;
	return STATUS_OK;
}

/* ---- phases -------------------------------------------------------------------------- */

/* A sort is over: what comes next. */
static void sorted(struct store *store)
{
	struct freemap *freemap = &store->freemap;

	if (freemap->phase == FREEMAP_SORT) {
		ASSERT(freemap->boundaries < LIMIT_CHANGE_RUNS);
		freemap->position =
			freemap->boundaries ? freemap->boundary[freemap->boundaries - 1] : 0;
		freemap->boundary[freemap->boundaries++] = store->changes.count;
		freemap->phase = FREEMAP_CLOSE;
	} else if (freemap->phase == FREEMAP_MERGE) {
		freemap->boundary[0] = freemap->boundary[freemap->boundaries - 1];
		freemap->boundaries = 1;
		round_end(store);
	} else {
		update_begin(store, DISK_TREE_FREE_MAP, &store->record.free_map,
			     store_leaves(store) - 1);
		freemap->position = 0;
		freemap->phase = FREEMAP_STREAM;
	}
}

enum status freemap_step(struct store *store, bool *done)
{
	struct freemap *freemap = &store->freemap;
	enum status status;

	switch (freemap->phase) {
	case FREEMAP_GROW:
		return grow_step(store);
	case FREEMAP_SORT:
	case FREEMAP_MERGE:
	case FREEMAP_ORDER:
		if (changes_sort_step(&store->changes))
			sorted(store);
		return STATUS_OK;
	case FREEMAP_CLOSE:
		return closure_step(store);
	case FREEMAP_STREAM:
		return stream_step(store);
	case FREEMAP_FINISH:
		break;
	}
	status = update_finish(store);
	if (status != STATUS_OK)
		return status;
	ASSERT(freemap->run_taken == freemap->runs);
	ASSERT(freemap->position == store->changes.count);
	store->next.free_map = *update_result(store);
	*done = true;
	return STATUS_OK;
}
