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

void *layout_take(struct layout *layout, size_t bytes, size_t alignment)
{
	void *at;

	ASSERT(alignment && !(alignment & (alignment - 1)));
	layout->used = (layout->used + alignment - 1) / alignment * alignment;
	at = layout->memory + layout->used;
	layout->used += bytes;
	return at;
}

/* Three overlays, each in an image of a slot: newest, previous and next. */
static void slots_lay_out(struct store *store, struct layout *layout)
{
	struct overlay *const overlays[] = {&store->overlay, &store->previous,
					    &store->next_overlay};

	for (unsigned i = 0; i < 3; i++) {
		struct disk_record *slot = layout_take(layout, DISK_SLOT_SIZE, PAGE_SIZE);

		overlays[i]->count = 0;
		overlays[i]->entry = (struct disk_delta *)(slot + 1);
	}
}

static void *page_take(struct layout *layout)
{
	return layout_take(layout, PAGE_SIZE, PAGE_SIZE);
}

/* Each part takes what it needs. */
static void parts_init(struct store *store, const struct store_config *config,
		       struct layout *layout)
{
	stage_init(store, layout);
	store->page = page_take(layout);
	store->scratch = page_take(layout);
	store->columns = page_take(layout);
	store->superblock = page_take(layout);
	for (unsigned i = 1; i <= DISK_HEIGHT_MAX; i++)
		store->node[i] = page_take(layout);
	reader_lay_out(store, layout);
	scrubber_lay_out(store, layout);
	slots_lay_out(store, layout);
	commit_init(store, layout);
	changes_lay_out(store, layout);
	freemap_lay_out(store, layout);
	discard_init(store, config->discard);
	cache_init(store, layout, config->frame_base);
}

/* What the parts take, without a store to write into. */
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
	struct layout layout = {config->memory, sizeof(struct store)};

	if (!config_sound(config))
		return STATUS_INVALID;
	/* Not the index's tables, nor the buffers and tables behind it: they are most of the
	 * memory, written before they are read, and touching them takes a boot's time. */
	memset(store, 0, offsetof(struct store, index.name));
	store->device = config->device;
	store->host = config->host;
	store->limits = config->limits;
	if (!store->limits.deletion_visits)
		store->limits.deletion_visits = LIMIT_RECLAIM_VISITS;
	store->sealed = config->read_only;
	store->read_only = config->read_only || config->device->read_only;
	store->dirty = SLOT_NIL;
	parts_init(store, config, &layout);
	ASSERT(layout.used <= store_memory_size(&config->limits));
	*out = store;
	return STATUS_OK;
}

void store_open(struct store *store)
{
	uint32_t room = store->device->request_sectors * SECTOR_SIZE - sizeof(struct disk_record);

	ASSERT(!store->mounted);
	store->mounted = true;
	store->delta_max = room / (uint32_t)sizeof(struct disk_delta);
	if (store->delta_max > DISK_DELTA_MAX)
		store->delta_max = DISK_DELTA_MAX;
	reserve_begin(store);
	allocator_open(store);
}

/* ---- steps ------------------------------------------------------------------------------ */

void store_wake(struct store *store, store_channel_t channel)
{
	ASSERT(channel.n < STORE_CHANNELS_MAX);
	store->wakes[channel.n]++;
	if (store->host.wake)
		store->host.wake(store->host.context, channel);
}

bool store_step(struct store *store)
{
	bool moved;

	ASSERT(!store->stepping); /* no host calls back from within */
	if (!store->mounted)
		return false;
	cache_release_held(store);
	store->stepping = true;
	moved = reader_step(store);
	moved |= stage_step(store);
	moved |= scrubber_step(store);
	moved |= discard_step(store);
	moved |= cache_durable_step(store);
	moved |= commit_step(store);
	cache_step(store);
	store->stepping = false;
	store->keeping = true;
	essential_nodes_step(store);
	store->keeping = false;
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
	       !stage_empty(store) || commit_io_busy(store);
}

/* Is there nothing to wait for on this channel (any more)? */
static bool channel_free(const struct store *store, store_channel_t channel)
{
	if (channel.n == STORE_CHANNEL_COMMIT)
		return false;
	if (channel.n == STORE_CHANNEL_FRAMES)
		return !cache_is_waited(store);
	if (channel.n == STORE_CHANNEL_STAGING)
		return !stage_is_waited(store) || !store_committing(store);
	if (channel.n == STORE_CHANNEL_DISCARD)
		return !discard_busy(store);
	if (channel.n == STORE_CHANNEL_SCRUB)
		return !scrubber_busy(store);
	return reader_is_idle(store, channel.n - STORE_CHANNEL_FIXED);
}

bool store_wait(struct store *store)
{
	store_channel_t channel = store->channel;
	uint64_t wakes;

	ASSERT(channel.n < STORE_CHANNEL_FIXED + LIMIT_READS);
	ASSERT(!store->stepping);
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
	ASSERT(store->mounted && !store->stepping);
	/* What an abandoned commit has asked for is waited for, too. */
	while (store_committing(store) || !stage_empty(store))
		if (!store_step(store))
			store->device->operations->poll(store->device, true);
	while (store_step(store))
		;
	return store->health;
}

/* ---- state --------------------------------------------------------------------- */

generation_t store_generation(const struct store *store)
{
	return (generation_t){store->generation};
}

generation_t store_durable(const struct store *store)
{
	return (generation_t){store->record.generation};
}

bool store_dirty(const struct store *store)
{
	return store->dirty_pages || store->clears[0].count || reserve_is_waited(store) ||
	       store_deletion_presses(store);
}

bool store_pressure(const struct store *store)
{
	return reserve_is_waited(store) || store_deletion_presses(store) || cache_pressure(store) ||
	       store->dirty_pages > cache_frames(store) / 2 || reserve_pressure(store);
}

enum status store_health(const struct store *store)
{
	return store->read_only ? STATUS_READ_ONLY : store->health;
}

bool store_replaced(const struct store *store)
{
	return store->replaced;
}

void store_statistics_get(const struct store *store, struct store_statistics *statistics)
{
	const struct disk_record *record = &store->record;

	*statistics = store->statistics;
	statistics->generation.n = store->generation;
	statistics->durable.n = record->generation;
	statistics->sectors = record->sectors;
	statistics->room_blocks = reserve_room(store);
	statistics->used_sectors = record->used_sectors + overlay_sectors(&store->overlay);
	statistics->device_sectors = store->device->sectors;
	statistics->held_sectors = record->held_sectors;
	statistics->retention = record->retention;
	statistics->pages = record->space.pages;
	statistics->dirty_pages = store->dirty_pages;
	statistics->frozen_pages = commit_frozen_pages(store);
	statistics->snapshots = record->snapshots;
	statistics->origin.n = record->origin;
	statistics->dying.n = record->dying;
	statistics->commit_wall_ns = record->wall_ns;
	memcpy(statistics->label, record->label, sizeof(statistics->label));
	memcpy(statistics->identity, store->superblock->identity, sizeof(statistics->identity));
}

void store_details_get(const struct store *store, struct store_details *details)
{
	cache_details(store, details);
	details->free_blocks = reserve_blocks_free(store);
	details->reserve_blocks = reserve_kept(store, RESERVE_NEW);
	details->deletion_rests = store->record.dying && reclaim_rests(store);
	memcpy(details->copy, store->superblock->copy, sizeof(details->copy));
}
