/* SPDX-License-Identifier: MIT */
/*
 * store.c - the store as a whole: its memory, its steps, its figures.
 *
 * store_step is the engine's only clock.  Each call looks after what the device
 * has completed, then gives the commit a bounded share.
 */
#include "store/store.h"
#include "base/text.h"

#include "store/store_priv.h"

/* ---- the log ---------------------------------------------------------------------- */

void store_log(struct store *store, const char *format, ...)
{
	char line[200];
	va_list list;

	va_start(list, format);
	text_vformat(line, sizeof(line), format, list);
	va_end(list);
	store->host.log(store->host.context, line);
}

/* ---- memory ----------------------------------------------------------------------- */

struct layout {
	uint8_t *memory;
	size_t used;
};

static void *layout_take(struct layout *layout, size_t bytes, size_t alignment)
{
	void *at;

	layout->used = (layout->used + alignment - 1) / alignment * alignment;
	at = layout->memory ? layout->memory + layout->used : NULL;
	layout->used += bytes;
	return at;
}

/* Three overlays, each in an image of a slot: newest, previous and next. */
static void slots_lay_out(struct store *store, struct layout *layout)
{
	struct overlay *const overlays[] = {&store->overlay, &store->previous,
					    &store->commit.overlay};

	for (unsigned i = 0; i < 3; i++) {
		struct disk_record *slot = layout_take(layout, DISK_SLOT_SIZE, PAGE_SIZE);

		overlays[i]->count = 0;
		overlays[i]->entry = slot ? (struct disk_delta *)(slot + 1) : NULL;
	}
}

/* With null memory it only counts; `store` then is a scratch structure. */
static size_t store_layout(struct store *store, const struct store_limits *limits, uint8_t *memory)
{
	struct layout layout = {memory, sizeof(struct store)};
	uint32_t frames = limits->frames;

	store->changes.capacity = LIMIT_CHANGES + frames / 128 * 9;
	store->freemap.run_capacity = LIMIT_MAP_RUNS + frames / 128 * 3;
	store->stage.data = layout_take(&layout, limits->staging_bytes, 4096);
	store->page = layout_take(&layout, PAGE_SIZE, 4096);
	store->superblock = layout_take(&layout, sizeof(struct disk_superblock), 4096);
	for (unsigned i = 1; i <= DISK_HEIGHT_MAX; i++)
		store->update.node[i] = layout_take(&layout, sizeof(struct disk_node), 4096);
	for (uint32_t i = 0; i < limits->read_requests; i++)
		store->reader.read[i].bounce = layout_take(&layout, PAGE_SIZE, 4096);
	store->scrubber.buffer = layout_take(&layout, LIMIT_SCRUB_BYTES, 4096);
	store->stage.scratch = layout_take(&layout, PAGE_SIZE, 4096);
	slots_lay_out(store, &layout);
	store->stage.codec_state = layout_take(&layout, CODEC_STATE_BYTES, 64);
	store->stage.columns = layout_take(&layout, PAGE_SIZE, 4096);
	store->commit.early = layout_take(&layout, LIMIT_EARLY * sizeof(struct early), 64);
	store->changes.entry = layout_take(&layout, store->changes.capacity * sizeof(uint64_t), 64);
	store->freemap.run =
		layout_take(&layout, store->freemap.run_capacity * sizeof(uint64_t), 64);
	store->cache.frame =
		layout_take(&layout, ((size_t)frames + 2) * sizeof(struct cache_frame), 64);
	store->cache.bucket = layout_take(&layout, (size_t)frames * sizeof(uint32_t), 64);
	return (layout.used + PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE;
}

/* Counts what store_layout takes, without a store to write into. */
size_t store_memory_size(const struct store_limits *limits)
{
	size_t frames = limits->frames;
	size_t fixed = sizeof(struct store) + limits->staging_bytes + LIMIT_SCRUB_BYTES +
		       (size_t)(limits->read_requests + DISK_HEIGHT_MAX + 4) * PAGE_SIZE +
		       3 * DISK_SLOT_SIZE + CODEC_STATE_BYTES + LIMIT_EARLY * sizeof(struct early) +
		       (LIMIT_CHANGES + LIMIT_MAP_RUNS) * sizeof(uint64_t);
	size_t growing = (frames + 2) * sizeof(struct cache_frame) + frames * sizeof(uint32_t) +
			 frames / 128 * 12 * sizeof(uint64_t);

	/* Two pages for what alignment wastes. */
	return (fixed + growing + 2 * PAGE_SIZE + PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE;
}

static bool config_sound(const struct store_config *config)
{
	const struct store_limits *limits = &config->limits;
	const struct block_device *device = config->device;

	return device && device->queue_depth >= 1 && device->request_sectors >= BLOCK_SECTORS &&
	       config->host.log && config->memory && (uintptr_t)config->memory % PAGE_SIZE == 0 &&
	       limits->frames && limits->frames < NIL - 2 && limits->staging_bytes % 65536 == 0 &&
	       limits->staging_bytes >= LIMIT_STAGING_MIN && limits->read_requests >= 1 &&
	       limits->read_requests <= LIMIT_READS;
}

enum status store_init(struct store **out, const struct store_config *config)
{
	struct store *store = config->memory;

	if (!config_sound(config))
		return STATUS_INVALID;
	/* Not the index's tables, nor the buffers and tables behind it: they are most of the
	 * memory, written before they are read, and touching them takes a boot's time. */
	memset(store, 0, offsetof(struct store, index.name));
	ASSERT(store_layout(store, &config->limits, config->memory) <=
	       store_memory_size(&config->limits));
	store->device = config->device;
	store->host = config->host;
	store->limits = config->limits;
	if (!store->limits.deletion_visits)
		store->limits.deletion_visits = LIMIT_RECLAIM_VISITS;
	store->sealed = config->read_only;
	store->read_only = config->read_only || config->device->read_only;
	store->cache.base = config->frame_base;
	store->cache.buckets = config->limits.frames;
	store->reader.reads = config->limits.read_requests;
	store->stage.size = config->limits.staging_bytes;
	discard_init(store, config->discard);
	store->dirty = NIL;
	store->commit.frozen = NIL;
	cache_init(store);
	stage_init(store);
	*out = store;
	return STATUS_OK;
}

void store_open(struct store *store)
{
	uint32_t room = store->device->request_sectors * SECTOR_SIZE - sizeof(struct disk_record);

	store->mounted = true;
	store->delta_max = room / (uint32_t)sizeof(struct disk_delta);
	if (store->delta_max > DISK_DELTA_MAX)
		store->delta_max = DISK_DELTA_MAX;
	reserve_begin(store);
	/* Go on writing near where the last generation was written. */
	store->allocator.blocks.leaf =
		disk_reference_sector(&store->record.space.reference).n / DISK_FREE_MAP_SECTORS;
	store->allocator.holes.leaf = store->allocator.blocks.leaf;
}

/* ---- steps ------------------------------------------------------------------------------ */

void store_wake(struct store *store, store_channel_t channel)
{
	store->wakes[channel.n]++;
	if (store->host.wake)
		store->host.wake(store->host.context, channel);
}

/* Pages of durable generations may be evicted again. */
static bool release_step(struct store *store)
{
	const struct cache *cache = &store->cache;
	unsigned released = 0;

	while (released < LIMIT_RELEASE_FRAMES) {
		uint32_t slot = cache->frame[cache->inflight].left;
		struct cache_frame *frame = cache_frame(store, slot);

		if (slot == cache->inflight ||
		    (int32_t)((uint32_t)store->record.generation - frame->tag) < 0)
			break;
		cache_list_remove(store, slot);
		cache_state_set(store, slot, FRAME_CLEAN);
		released++;
	}
	return released > 0;
}

bool store_step(struct store *store)
{
	bool moved;

	if (!store->mounted)
		return false;
	cache_release_held(store);
	store->stepping = true;
	moved = reader_step(store);
	moved |= stage_step(store);
	moved |= scrubber_step(store);
	moved |= discard_step(store);
	moved |= release_step(store);
	moved |= commit_step(store);
	cache_step(store);
	store->stepping = false;
	essential_nodes_step(store);
	return moved;
}

/* ---- waiting ------------------------------------------------- */

store_channel_t store_channel(const struct store *store)
{
	return store->channel;
}

enum status store_wait_for(struct store *store, store_channel_t channel)
{
	store->channel = channel;
	return STATUS_WAIT;
}

static bool store_outstanding(const struct store *store)
{
	return reader_busy(store) || scrubber_busy(store) || discard_busy(store) ||
	       !stage_empty(store) || store->commit.io_state != IO_NONE;
}

/* Is there nothing to wait for on this channel (any more)? */
static bool channel_free(const struct store *store, store_channel_t channel)
{
	if (channel.n == STORE_CHANNEL_COMMIT)
		return false;
	if (channel.n == STORE_CHANNEL_FRAMES)
		return !store->cache.wanted;
	if (channel.n == STORE_CHANNEL_STAGING)
		return !store->stage.waited || !store_is_committing(store);
	if (channel.n == STORE_CHANNEL_DISCARD)
		return !discard_busy(store);
	if (channel.n == STORE_CHANNEL_SCRUB)
		return !scrubber_busy(store);
	return store->reader.read[channel.n - STORE_CHANNEL_FIXED].state == READ_IDLE;
}

bool store_wait(struct store *store)
{
	store_channel_t channel = store->channel;
	uint64_t wakes;

	ASSERT(channel.n < STORE_CHANNEL_FIXED + LIMIT_READS);
	wakes = store->wakes[channel.n];
	while (store->wakes[channel.n] == wakes && !channel_free(store, channel)) {
		if (store_step(store))
			continue;
		if (!store_outstanding(store))
			return store->wakes[channel.n] != wakes;
		store->device->operations->poll(store->device, true);
	}
	return true;
}

enum status store_settle(struct store *store)
{
	/* What an abandoned commit has asked for is waited for, too. */
	while (store_is_committing(store) || !stage_empty(store))
		if (!store_step(store))
			store->device->operations->poll(store->device, true);
	while (store_step(store))
		;
	return store->health;
}

/* ---- state
 * --------------------------------------------------------------------------------------- */

generation_t store_generation(const struct store *store)
{
	return (generation_t){store->generation};
}

generation_t store_durable(const struct store *store)
{
	return (generation_t){store->record.generation};
}

bool store_committing(const struct store *store)
{
	return store_is_committing(store);
}

bool store_dirty(const struct store *store)
{
	return store->dirty_pages || store->clears[0].count || store->reservation.waiting ||
	       store_deletion_presses(store);
}

bool store_pressure(const struct store *store)
{
	const struct reservation *reservation = &store->reservation;
	uint64_t available, slop;

	if (reservation->waiting || store_deletion_presses(store) || cache_pressure(store))
		return true;
	available = reserve_blocks_available(store);
	slop = 2 * reserve_slop(store);
	return store->dirty_pages > store->cache.donated / 2 ||
	       reservation->working.changes > reservation->changes_limit / 2 ||
	       (reservation->working.blocks > LIMIT_PRESSURE_BLOCKS &&
		reservation->working.blocks > (available > slop ? available - slop : 0) / 2);
}

enum status store_health(const struct store *store)
{
	return store->read_only ? STATUS_READ_ONLY : store->health;
}

bool store_replaced(const struct store *store)
{
	return store->replaced;
}

static uint64_t store_room(const struct store *store)
{
	uint64_t available = reserve_blocks_available(store);
	uint64_t taken = store->reservation.working.blocks + reserve_kept(store, RESERVE_NEW);

	return available > taken ? available - taken : 0;
}

void store_statistics_get(const struct store *store, struct store_statistics *statistics)
{
	const struct disk_record *record = &store->record;
	const struct cache *cache = &store->cache;

	*statistics = store->statistics;
	statistics->generation.n = store->generation;
	statistics->durable.n = record->generation;
	statistics->sectors = record->sectors;
	statistics->room_blocks = store_room(store);
	statistics->free_blocks = reserve_blocks_free(store);
	statistics->reserve_blocks = reserve_kept(store, RESERVE_NEW);
	statistics->used_sectors = record->used_sectors + overlay_sectors(&store->overlay);
	statistics->device_sectors = store->device->sectors;
	statistics->held_sectors = record->held_sectors;
	statistics->retention = record->retention;
	statistics->pages = record->space.pages;
	statistics->dirty_pages = store->dirty_pages;
	statistics->frozen_pages = store->commit.frozen_pages;
	statistics->frames = cache->donated;
	statistics->free_frames = cache->count[FRAME_FREE];
	statistics->clean_frames = cache->count[FRAME_CLEAN] + cache->count[FRAME_FAILED];
	statistics->borrowed_frames = cache->count[FRAME_BORROWED];
	statistics->snapshots = record->snapshots;
	statistics->origin.n = record->origin;
	statistics->dying.n = record->dying;
	statistics->deletion_rests = record->dying && store->reclaim.broken;
	statistics->commit_wall_ns = record->wall_ns;
	memcpy(statistics->label, record->label, sizeof(statistics->label));
	memcpy(statistics->identity, store->superblock->identity, sizeof(statistics->identity));
	memcpy(statistics->copy, store->superblock->copy, sizeof(statistics->copy));
}
