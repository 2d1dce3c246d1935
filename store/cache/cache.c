/* SPDX-License-Identifier: MIT */
/*
 * cache.c - the frames: one cache for pages and for map nodes.
 *
 * A frame is named by its slot, the index of its 32-byte descriptor.  A hash
 * table finds it by key: a page of the space by its number, a map node,
 * free-map page or catalogue page by the sector it was read from, so that old
 * and new versions of a node stand side by side.  Such extents never change;
 * pages of the space do (see enum frame_state).
 *
 * Eviction: one list in order of use; the last one goes unless the owner's
 * mappings have used it since it was looked at last.  Only CLEAN and FAILED
 * frames without pins are on that list.
 */
#include "store/cache/cache.h"
#include "store/store_priv.h"

static_assert(LIMIT_FRAMES_MIN >= LIMIT_FRAMES_RESERVE + LIMIT_FRAMES_COMMIT,
	      "an owner finds a frame");

static slot_t *bucket_of(struct store *store, uint64_t key)
{
	struct cache *cache = &store->cache;
	uint64_t hash = key * UINT64_C(0x9e3779b97f4a7c15);

	hash = (hash ^ hash >> 29) >> 16 & UINT32_MAX;
	return &cache->bucket[hash * cache->buckets >> 32];
}

void cache_init(struct store *store, struct layout *layout, uint8_t *base)
{
	struct cache *cache = &store->cache;
	uint32_t frames = store->limits.frames;

	cache->base = base;
	cache->buckets = frames;
	cache->frame = layout_take(layout, ((size_t)frames + 2) * sizeof(struct cache_frame), 64);
	cache->bucket = layout_take(layout, (size_t)frames * sizeof(slot_t), 64);
	cache->free_head = SLOT_NIL;
	cache->lru = (slot_t){frames};
	cache->inflight = (slot_t){frames + 1};
	cache->serial = 1;
	for (uint32_t i = 0; i < cache->buckets; i++)
		cache->bucket[i] = SLOT_NIL;
	for (slot_t head = cache->lru; head.n <= cache->inflight.n; head.n++)
		cache->frame[head.n].left = cache->frame[head.n].right = head;
}

struct cache_frame *cache_frame(struct store *store, slot_t slot)
{
	return &store->cache.frame[slot.n];
}

void *cache_data(struct store *store, slot_t slot)
{
	return store->cache.base + (uint64_t)store->cache.frame[slot.n].number * PAGE_SIZE;
}

slot_t cache_find(struct store *store, uint64_t key)
{
	slot_t slot = *bucket_of(store, key);

	while (slot.n != NIL && store->cache.frame[slot.n].key != key)
		slot = store->cache.frame[slot.n].hash_next;
	return slot;
}

/* ---- lists ------------------------------------------------------------ */

static void list_add(struct store *store, slot_t head, slot_t slot)
{
	struct cache_frame *frame = store->cache.frame;

	frame[slot.n].left = head;
	frame[slot.n].right = frame[head.n].right;
	frame[frame[head.n].right.n].left = slot;
	frame[head.n].right = slot;
}

void cache_list_remove(struct store *store, slot_t slot)
{
	struct cache_frame *frame = store->cache.frame;

	ASSERT(frame[frame[slot.n].left.n].right.n == slot.n);
	ASSERT(frame[frame[slot.n].right.n].left.n == slot.n);
	frame[frame[slot.n].left.n].right = frame[slot.n].right;
	frame[frame[slot.n].right.n].left = frame[slot.n].left;
}

/* What is essential stays, once it was read. */
static bool lru_holds(const struct store *store, const struct cache_frame *frame)
{
	if (frame->pins)
		return false;
	return frame->state == FRAME_FAILED || frame->state == FRAME_ABSENT ||
	       (frame->state == FRAME_CLEAN && !essential_key(store, frame->key));
}

void cache_inflight_add(struct store *store, slot_t slot)
{
	ASSERT(cache_frame(store, slot)->state == FRAME_INFLIGHT);
	list_add(store, store->cache.inflight, slot);
}

slot_t cache_inflight_newest(const struct store *store)
{
	slot_t slot = store->cache.frame[store->cache.inflight.n].right;

	return slot.n == store->cache.inflight.n ? SLOT_NIL : slot;
}

static void lru_add(struct store *store, slot_t slot)
{
	list_add(store, store->cache.lru, slot);
	store->cache.lru_count++;
}

static void lru_remove(struct store *store, slot_t slot)
{
	ASSERT(store->cache.lru_count);
	cache_list_remove(store, slot);
	store->cache.lru_count--;
}

void cache_touch(struct store *store, slot_t slot)
{
	if (lru_holds(store, cache_frame(store, slot))) {
		cache_list_remove(store, slot);
		list_add(store, store->cache.lru, slot);
	}
}

void cache_retire(struct store *store, slot_t slot)
{
	const slot_t lru = store->cache.lru;

	if (lru_holds(store, cache_frame(store, slot))) {
		cache_list_remove(store, slot);
		list_add(store, store->cache.frame[lru.n].left, slot);
	}
}

void cache_hold(struct store *store, slot_t slot)
{
	cache_frame(store, slot)->serial = store->cache.serial & 0xfffff;
}

void cache_release_held(struct store *store)
{
	/* 0 marks frames that no operation has held. */
	do {
		store->cache.serial++;
	} while (!(store->cache.serial & 0xfffff));
}

/* ---- states ------------------------------------------------------------- */

/* Changes the state and keeps the counts and the eviction list true.  Trees
 * and the list of frames in flight are the caller's business. */
void cache_state_set(struct store *store, slot_t slot, enum frame_state state)
{
	struct cache_frame *frame = cache_frame(store, slot);

	if (lru_holds(store, frame))
		lru_remove(store, slot);
	ASSERT(store->cache.count[frame->state]);
	store->cache.count[frame->state]--;
	frame->state = state;
	store->cache.count[state]++;
	if (lru_holds(store, frame))
		lru_add(store, slot);
}

static void essential_page_change(struct store *store, page_t page, bool changed)
{
	slot_t slot = cache_find(store, KEY_SPACE | page.n);
	const struct cache_frame *frame = slot.n == NIL ? NULL : cache_frame(store, slot);

	if (!frame || frame->state != FRAME_CLEAN || frame->pins)
		return;
	if (changed)
		lru_remove(store, slot);
	else
		lru_add(store, slot);
}

/* Costs by how much is essential, not by how many frames there are. */
void cache_essential_change(struct store *store, bool changed)
{
	const struct essential *essential = &store->essential;

	for (uint32_t i = 0; i < essential->count; i++)
		for (uint64_t n = 0; n < essential->run[i].count; n++) {
			page_t page = {essential->run[i].first.n + n};

			if (essential_run(store, page) == i) /* and not in one before, too */
				essential_page_change(store, page, changed);
		}
}

void cache_insert(struct store *store, slot_t slot, uint64_t key, enum frame_state state)
{
	struct cache_frame *frame = cache_frame(store, slot);
	slot_t *bucket = bucket_of(store, key);

	ASSERT(frame->state == FRAME_FREE && !frame->pins);
	ASSERT(key && state != FRAME_FREE);
	ASSERT(cache_find(store, key).n == NIL); /* one frame for a key */
	frame->key = key;
	frame->hash_next = *bucket;
	frame->tag = 0;
	*bucket = slot;
	cache_state_set(store, slot, state);
}

void cache_unhash(struct store *store, slot_t slot)
{
	slot_t *link = bucket_of(store, cache_frame(store, slot)->key);

	while (link->n != slot.n) {
		ASSERT(link->n != NIL);
		link = &cache_frame(store, *link)->hash_next;
	}
	*link = cache_frame(store, slot)->hash_next;
	cache_frame(store, slot)->hash_next = SLOT_NIL;
}

static void cache_unmap(struct store *store, slot_t slot)
{
	uint64_t key = cache_frame(store, slot)->key;

	if (key & KEY_SPACE && store->host.unmap)
		store->host.unmap(store->host.context, (page_t){key & KEY_NUMBER});
}

/* The frame has no key any more; onto the free list. */
static void cache_free(struct store *store, slot_t slot)
{
	struct cache_frame *frame = cache_frame(store, slot);

	ASSERT(!frame->pins);
	cache_state_set(store, slot, FRAME_FREE);
	frame->key = 0;
	frame->serial = 0;
	frame->hash_next = store->cache.free_head;
	store->cache.free_head = slot;
}

void cache_drop(struct store *store, slot_t slot)
{
	struct cache_frame *frame = cache_frame(store, slot);

	ASSERT(frame->key && frame->state != FRAME_FREE && frame->state != FRAME_BORROWED);
	cache_unmap(store, slot);
	if (cache_find(store, frame->key).n == slot.n)
		cache_unhash(store, slot);
	cache_free(store, slot);
}

/* ---- taking ------------------------------------------------------------- */

/* What stays evictable whatever owners do, so that a commit can always read. */
static uint32_t cache_reserve(const struct store *store)
{
	uint32_t donated = store->cache.donated;
	uint32_t least = donated / 2 < LIMIT_FRAMES_RESERVE ? donated / 2 : LIMIT_FRAMES_RESERVE;

	return donated / 32 > least ? donated / 32 : least;
}

static uint32_t cache_evictable(const struct store *store)
{
	return store->cache.count[FRAME_FREE] + store->cache.lru_count;
}

/* May a frame stop being evictable (dirtied, lent), and `beyond` more? */
bool cache_available(const struct store *store, uint32_t beyond)
{
	return cache_evictable(store) > cache_reserve(store) + essential_frames(store) + beyond;
}

static bool evictable(struct store *store, slot_t slot, bool force)
{
	struct cache_frame *frame = cache_frame(store, slot);

	if (frame->serial == (store->cache.serial & 0xfffff))
		return false;
	if (force || !(frame->key & KEY_SPACE) || !store->host.referenced)
		return true;
	return !store->host.referenced(store->host.context, (page_t){frame->key & KEY_NUMBER});
}

static bool cache_evict(struct store *store)
{
	for (unsigned tries = 0; tries < LIMIT_EVICT_SCAN; tries++) {
		slot_t slot = cache_frame(store, store->cache.lru)->left;

		if (slot.n == store->cache.lru.n)
			return false;
		if (evictable(store, slot, tries >= LIMIT_EVICT_SCAN / 2)) {
			cache_drop(store, slot);
			store->statistics.evictions++;
			return true;
		}
		cache_touch(store, slot);
	}
	return false;
}

slot_t cache_take(struct store *store)
{
	struct cache *cache = &store->cache;
	slot_t slot;

	/* Reading gives back what it takes: it may go deeper than writing. */
	if (!store->stepping && cache_evictable(store) <= LIMIT_FRAMES_COMMIT)
		return SLOT_NIL;
	if (cache->free_head.n == NIL && !cache_evict(store))
		return SLOT_NIL;
	slot = cache->free_head;
	ASSERT(slot.n < cache->donated);
	ASSERT(cache->frame[slot.n].state == FRAME_FREE && !cache->frame[slot.n].key);
	cache->free_head = cache->frame[slot.n].hash_next;
	cache->frame[slot.n].hash_next = SLOT_NIL;
	return slot;
}

enum status cache_wait_frames(struct store *store, bool to_keep)
{
	store->cache.wanted |= to_keep ? WANT_TO_KEEP : WANT_TO_READ;
	return store_wait_for(store, (store_channel_t){STORE_CHANNEL_FRAMES});
}

/* Is somebody held up by dirty pages, which a checkpoint makes evictable? */
bool cache_pressure(const struct store *store)
{
	if (!store->dirty_pages)
		return false;
	return (store->cache.wanted & (WANT_TO_KEEP | WANT_TO_BORROW)) ||
	       (store->cache.wanted && cache_evictable(store) <= LIMIT_FRAMES_COMMIT);
}

void cache_step(struct store *store)
{
	uint8_t had = 0;

	if (cache_available(store, 0))
		had |= WANT_TO_KEEP;
	if (cache_available(store, LIMIT_FRAMES_BORROW))
		had |= WANT_TO_BORROW;
	if (cache_evictable(store) > LIMIT_FRAMES_COMMIT && reader_can_start(store))
		had |= WANT_TO_READ;
	if (!(store->cache.wanted & had))
		return;
	store->cache.wanted = 0;
	store_wake(store, (store_channel_t){STORE_CHANNEL_FRAMES});
}

/* The cache is a convenience here: without a frame to spare the extent is read
 * when needed.  An older one of the same sector is not found any more. */
void cache_extent_put(struct store *store, const struct disk_reference *reference,
		      struct place place, const void *data)
{
	uint64_t key = extent_key(KEY_EXTENT, reference, place);
	slot_t slot = cache_find(store, key);

	if (slot.n != NIL && cache_frame(store, slot)->state == FRAME_READING)
		reader_orphan(store, slot);
	else if (slot.n != NIL)
		cache_drop(store, slot);
	slot = cache_take(store);
	if (slot.n == NIL)
		return;
	memcpy(cache_data(store, slot), data, PAGE_SIZE);
	cache_insert(store, slot, key, FRAME_CLEAN);
}

/* ---- the owner's frames --------------------------------------------------- */

/* Position among the ranges, which are in order of their first frame: the
 * first range that begins after `number`. */
static uint32_t range_after(const struct cache *cache, uint32_t number)
{
	uint32_t low = 0, high = cache->ranges;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (cache->range[middle].first <= number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static slot_t slot_of(struct store *store, frame_t frame)
{
	const struct cache *cache = &store->cache;
	uint32_t after = range_after(cache, frame.n);
	const struct frame_range *range = after ? &cache->range[after - 1] : NULL;

	ASSERT(range && frame.n - range->first < range->count);
	return (slot_t){range->slot.n + (frame.n - range->first)};
}

enum status store_frame_donate(struct store *store, frame_t frame)
{
	struct cache *cache = &store->cache;
	uint32_t after = range_after(cache, frame.n);
	struct frame_range *range = after ? &cache->range[after - 1] : NULL;
	slot_t slot = {cache->donated};

	if (slot.n == store->limits.frames)
		return STATUS_LIMIT;
	if (range && frame.n - range->first < range->count)
		return STATUS_EXISTS;
	if (range && range->first + range->count == frame.n &&
	    range->slot.n + range->count == slot.n) {
		range->count++;
	} else {
		if (cache->ranges == LIMIT_FRAME_RANGES)
			return STATUS_LIMIT;
		memmove(&cache->range[after + 1], &cache->range[after],
			(cache->ranges - after) * sizeof(*range));
		cache->range[after] = (struct frame_range){frame.n, 1, slot};
		cache->ranges++;
	}
	cache->donated++;
	cache->frame[slot.n] = (struct cache_frame){.number = frame.n, .hash_next = SLOT_NIL};
	cache->count[FRAME_FREE]++;
	cache_free(store, slot);
	return STATUS_OK;
}

enum status store_frame_borrow(struct store *store, frame_t *frame)
{
	slot_t slot;

	slot = cache_available(store, LIMIT_FRAMES_BORROW) ? cache_take(store) : SLOT_NIL;
	if (slot.n == NIL) {
		/* Who waits for frames now is woken when one can be lent. */
		store->cache.wanted |= WANT_TO_BORROW;
		return STATUS_NO_MEMORY;
	}
	cache_state_set(store, slot, FRAME_BORROWED);
	frame->n = cache_frame(store, slot)->number;
	return STATUS_OK;
}

void store_frame_return(struct store *store, frame_t frame)
{
	slot_t slot = slot_of(store, frame);

	ASSERT(cache_frame(store, slot)->state == FRAME_BORROWED);
	cache_free(store, slot);
}

void store_frame_pin(struct store *store, frame_t frame)
{
	slot_t slot = slot_of(store, frame);
	struct cache_frame *pinned = cache_frame(store, slot);

	ASSERT(pinned->pins < 255 && pinned->state >= FRAME_FAILED);
	if (lru_holds(store, pinned))
		lru_remove(store, slot);
	pinned->pins++;
}

void store_frame_unpin(struct store *store, frame_t frame)
{
	slot_t slot = slot_of(store, frame);
	struct cache_frame *pinned = cache_frame(store, slot);

	ASSERT(pinned->pins > 0);
	pinned->pins--;
	if (lru_holds(store, pinned))
		lru_add(store, slot);
}

bool cache_durable_step(struct store *store)
{
	const struct cache *cache = &store->cache;
	unsigned released = 0;

	while (released < LIMIT_RELEASE_FRAMES) {
		slot_t slot = cache->frame[cache->inflight.n].left;
		struct cache_frame *frame = cache_frame(store, slot);

		if (slot.n == cache->inflight.n ||
		    (int32_t)((uint32_t)store->record.generation - frame->tag) < 0)
			break;
		ASSERT(frame->state == FRAME_INFLIGHT);
		cache_list_remove(store, slot);
		cache_state_set(store, slot, FRAME_CLEAN);
		released++;
	}
	return released > 0;
}

bool cache_is_waited(const struct store *store)
{
	return store->cache.wanted != 0;
}

uint32_t cache_frames(const struct store *store)
{
	return store->cache.donated;
}

void cache_details(const struct store *store, struct store_details *details)
{
	const struct cache *cache = &store->cache;

	details->frames = cache->donated;
	details->free_frames = cache->count[FRAME_FREE];
	details->clean_frames =
		cache->count[FRAME_CLEAN] + cache->count[FRAME_ABSENT] + cache->count[FRAME_FAILED];
	details->borrowed_frames = cache->count[FRAME_BORROWED];
}
