/* SPDX-License-Identifier: MIT */
/*
 * stage.c - the staging buffer: extents on their way to the disk.
 *
 *      data   [ ....|== submitted ==|== queued ==|== open ==>|........ ]
 *                   ^ oldest request                         ^ head
 *
 * A ring of bytes and a ring of write requests over it, in the same order.
 * Extents are compressed and copied here, so that no frame is ever under DMA
 * and a page can be changed again at once.  The last request is open while what
 * follows lies behind it on the disk; it is closed when it is full, when the
 * next extent lies elsewhere, or at the end.  A gap left in a block that this
 * commit has taken new is written as zeros, so the run goes on (the gap's
 * sectors are free, S1); while the request is open, a short extent can still go
 * there.  Where the disk writes 4 KiB units, requests end at
 * block borders.
 */
#include "store/store_priv.h"

/* Worst case of one extent: the rest of a block before it, and itself. */
#define STAGE_NEED (2u * BLOCK_SIZE)
static_assert(LIMIT_STAGING_MIN >= 4 * LIMIT_STAGE_BYTES && STAGE_NEED <= LIMIT_STAGING_MIN / 4,
	      "writes go on while others are under way");
static_assert(LIMIT_GAPS == LIMIT_STAGE_BYTES / BLOCK_SIZE, "an end of each block of a write");

void stage_init(struct store *store, struct layout *layout)
{
	struct stage *stage = &store->stage;
	uint64_t most = (uint64_t)store->device->request_sectors * SECTOR_SIZE;

	stage->size = store->limits.staging_bytes;
	stage->data = layout_take(layout, stage->size, 4096);
	stage->codec_state = layout_take(layout, CODEC_STATE_BYTES, 64);
	stage->request_bytes = LIMIT_STAGE_BYTES;
	if (stage->request_bytes > stage->size / 4)
		stage->request_bytes = stage->size / 4;
	if (stage->request_bytes > most)
		stage->request_bytes = (uint32_t)most;
	stage->request_bytes -= stage->request_bytes % BLOCK_SIZE;
	ASSERT(stage->request_bytes >= BLOCK_SIZE);
}

void *stage_buffer(struct store *store, uint32_t *bytes)
{
	ASSERT(stage_empty(store));
	*bytes = store->stage.size;
	return store->stage.data;
}

enum status stage_wait(struct store *store)
{
	store->stage.waited = true;
	return store_wait_for(store, (store_channel_t){STORE_CHANNEL_STAGING});
}

bool stage_is_waited(const struct store *store)
{
	return store->stage.waited;
}

static struct stage_request *stage_at(struct stage *stage, uint32_t index)
{
	ASSERT(index < LIMIT_STAGE_REQUESTS);
	return &stage->request[(stage->first + index) % LIMIT_STAGE_REQUESTS];
}

static struct stage_request *stage_open(struct stage *stage)
{
	struct stage_request *last = stage->count ? stage_at(stage, stage->count - 1) : NULL;

	return last && last->state == STAGE_OPEN ? last : NULL;
}

bool stage_empty(const struct store *store)
{
	return store->stage.count == 0;
}

static uint32_t stage_contiguous(const struct stage *stage)
{
	uint32_t tail = (stage->head + stage->size - stage->used) % stage->size;

	if (stage->used && stage->head <= tail)
		return tail - stage->head;
	return stage->size - stage->head;
}

/* Room for any one extent, whatever request it will end up in? */
static bool stage_room(const struct stage *stage)
{
	uint32_t here = stage_contiguous(stage);

	if (stage->count == LIMIT_STAGE_REQUESTS)
		return false;
	return here >= STAGE_NEED || stage->size - stage->used >= here + STAGE_NEED;
}

/* ---- requests ---------------------------------------------------------------- */

static void stage_complete(struct block_request *request)
{
	struct stage_request *staged = request->owner;

	staged->done = true;
}

static uint64_t stage_end_sector(const struct stage_request *request)
{
	return request->request.sector.n + request->bytes / SECTOR_SIZE;
}

bool stage_covers(struct store *store, sector_t sector, uint32_t sectors)
{
	const struct stage_request *open = stage_open(&store->stage);

	return open && sector.n >= open->request.sector.n &&
	       sector.n + sectors <= stage_end_sector(open);
}

static void stage_append(struct stage *stage, struct stage_request *request, const void *data,
			 uint32_t bytes, uint32_t padded)
{
	uint8_t *to = stage->data + stage->head;

	ASSERT(request->state == STAGE_OPEN);
	ASSERT(bytes <= padded && padded % SECTOR_SIZE == 0);
	ASSERT(stage_contiguous(stage) >= padded);
	ASSERT(stage->used + padded <= stage->size);
	if (bytes)
		memcpy(to, data, bytes);
	memset(to + bytes, 0, padded - bytes);
	stage->head = (stage->head + padded) % stage->size;
	stage->used += padded;
	request->bytes += padded;
}

void stage_close(struct store *store)
{
	struct stage *stage = &store->stage;
	struct stage_request *open = stage_open(stage);
	uint32_t tail;

	if (!open)
		return;
	store->allocator.gaps = 0;
	tail = (uint32_t)(stage_end_sector(open) % BLOCK_SECTORS);
	if (tail && store->write_unit == BLOCK_SIZE) {
		stage_append(stage, open, NULL, 0, (BLOCK_SECTORS - tail) * SECTOR_SIZE);
		store->allocator.open_room = 0;
	}
	open->request.sectors = open->bytes / SECTOR_SIZE;
	open->state = STAGE_QUEUED;
}

static struct stage_request *stage_new(struct store *store, sector_t sector, uint32_t bytes)
{
	struct stage *stage = &store->stage;
	uint32_t here = stage_contiguous(stage);
	uint32_t waste = here < bytes ? here : 0;
	struct stage_request *request;

	ASSERT(stage->count < LIMIT_STAGE_REQUESTS);
	ASSERT(!stage_open(stage)); /* one at a time, the last */
	ASSERT(stage->used + waste + bytes <= stage->size);
	stage->used += waste;
	stage->head = (stage->head + waste) % stage->size;
	request = stage_at(stage, stage->count++);
	*request = (struct stage_request){
		.request = {.operation = BLOCK_WRITE,
			    .sector = sector,
			    .data = stage->data + stage->head,
			    .complete = stage_complete,
			    .owner = request},
		.start = stage->head,
		.waste = waste,
		.state = STAGE_OPEN,
	};
	return request;
}

/* The open request if this sector can follow in it, else a new one. */
static struct stage_request *stage_request_for(struct store *store, sector_t sector, uint32_t bytes)
{
	struct stage *stage = &store->stage;
	struct stage_request *open = stage_open(stage);
	uint64_t end = open ? stage_end_sector(open) : 0;
	uint64_t gap = open ? sector.n - end : 0;

	if (open) {
		/* A gap within the block in which the run ends, or none. */
		bool follows = sector.n >= end &&
			       (gap == 0 || (end % BLOCK_SECTORS &&
					     gap == BLOCK_SECTORS - end % BLOCK_SECTORS &&
					     !store->allocator.scarce));
		uint64_t need = open->bytes + gap * SECTOR_SIZE + bytes;

		/* A request does not go round the end of the ring. */
		if (follows && need <= stage->request_bytes && open->start + need <= stage->size) {
			stage_append(stage, open, NULL, 0, (uint32_t)gap * SECTOR_SIZE);
			return open;
		}
		stage_close(store);
	}
	return stage_new(store, sector, bytes);
}

/* ---- extents -------------------------------------------------------------------- */

static enum status stage_prepare(struct store *store)
{
	if (stage_room(&store->stage))
		return STATUS_OK;
	/* What is open must get on its way, or nothing would make room. */
	stage_close(store);
	return stage_wait(store);
}

/* Copies the extent to its place on the way to the disk: behind what is there, or
 * into a gap, which holds zeros. */
static uint8_t *stage_copy(struct store *store, const void *data, uint32_t bytes, sector_t sector,
			   uint32_t padded)
{
	struct stage *stage = &store->stage;
	struct stage_request *request;
	uint8_t *at;

	if (stage_covers(store, sector, padded / SECTOR_SIZE)) {
		request = stage_open(stage);
		at = stage->data + request->start +
		     (sector.n - request->request.sector.n) * SECTOR_SIZE;
		memcpy(at, data, bytes);
		return at;
	}
	request = stage_request_for(store, sector, padded);
	at = stage->data + stage->head;
	stage_append(stage, request, data, bytes, padded);
	return at;
}

static void stage_count(struct store_statistics *statistics, struct place place, uint32_t sectors)
{
	uint64_t *bytes = &statistics->catalogue_bytes;

	if (place.tree == DISK_TREE_SPACE)
		bytes = place.level ? &statistics->node_bytes : &statistics->page_bytes;
	else if (place.tree == DISK_TREE_FREE_MAP)
		bytes = &statistics->map_bytes;
	*bytes += (uint64_t)sectors * SECTOR_SIZE;
	statistics->extent_sectors += sectors;
}

static void stage_place(struct store *store, const void *data, uint32_t bytes, uint32_t sectors,
			sector_t sector, struct place place, struct disk_reference *reference)
{
	uint32_t padded = sectors * SECTOR_SIZE;
	uint8_t *at = stage_copy(store, data, bytes, sector, padded);

	*reference = (struct disk_reference){
		.sector_low = (uint32_t)sector.n,
		.sector_high = (uint16_t)(sector.n >> 32),
		.sectors = (uint8_t)sectors,
		.codec = bytes == PAGE_SIZE ? DISK_CODEC_RAW : DISK_CODEC_LZ4,
		.birth = store->next.generation,
		.checksum = checksum(at, padded, place_seed(place)),
		.length = (uint16_t)bytes,
	};
	stage_count(&store->statistics, place, sectors);
}

enum status stage_extent(struct store *store, const void *data, struct place place,
			 struct disk_reference *reference)
{
	struct stage *stage = &store->stage;
	const uint32_t room = PAGE_SIZE - SECTOR_SIZE;
	enum status status = stage_prepare(store);
	bool columns =
		place.level && store->superblock->features_incompatible & DISK_FEATURE_COLUMNS;
	const void *stored = data;
	uint32_t bytes, sectors;

	ASSERT(store_committing(store) && place.level <= DISK_HEIGHT_MAX);
	if (status == STATUS_OK)
		status = allocator_ready(store);
	if (status != STATUS_OK)
		return status;
	if (columns)
		codec_columns(data, store->columns);
	bytes = codec_compress(stage->codec_state, columns ? store->columns : data, store->scratch,
			       room);
	if (bytes)
		stored = store->scratch;
	else
		bytes = PAGE_SIZE;
	sectors = (bytes + SECTOR_SIZE - 1) / SECTOR_SIZE;
	stage_place(store, stored, bytes, sectors, allocator_take(store, sectors), place,
		    reference);
	if (columns && reference->codec == DISK_CODEC_LZ4)
		reference->codec = DISK_CODEC_COLUMNS;
	if (place.level || place.tree != DISK_TREE_SPACE)
		cache_extent_put(store, reference, place, data);
	return STATUS_OK;
}

enum status stage_block(struct store *store, const void *data, struct place place, sector_t sector,
			struct disk_reference *reference)
{
	enum status status = stage_prepare(store);

	ASSERT(store_committing(store) && sector.n % BLOCK_SECTORS == 0);
	if (status != STATUS_OK)
		return status;
	stage_place(store, data, PAGE_SIZE, BLOCK_SECTORS, sector, place, reference);
	cache_extent_put(store, reference, place, data);
	return STATUS_OK;
}

/* ---- progress ---------------------------------------------------------------------- */

static bool stage_submit(struct store *store)
{
	struct stage *stage = &store->stage;
	bool moved = false;

	/* A disk may carry out a discard after a write that it was given later, and what is
	 * to be struck out may still come back (S1). */
	if (discard_busy(store) || commit_strikes(store))
		return false;
	for (uint32_t i = 0; i < stage->count; i++) {
		struct stage_request *request = stage_at(stage, i);

		if (request->state != STAGE_QUEUED)
			continue;
		request->state = STAGE_SUBMITTED;
		ASSERT(request->request.sectors &&
		       request->bytes == request->request.sectors * SECTOR_SIZE);
		if (!store->device->operations->submit(store->device, &request->request)) {
			request->state = STAGE_QUEUED;
			break;
		}
		store->statistics.bytes_written += request->bytes;
		moved = true;
	}
	return moved;
}

static bool stage_retire(struct store *store)
{
	struct stage *stage = &store->stage;
	bool moved = false;

	while (stage->count) {
		struct stage_request *request = stage_at(stage, 0);

		if (request->state != STAGE_SUBMITTED || !request->done)
			break;
		if (request->request.status != STATUS_OK && commit_fail(store)) {
			store_log(store, "store: writing sectors %lu to %lu failed",
				  request->request.sector.n, stage_end_sector(request) - 1);
		}
		ASSERT(stage->used >= request->bytes + request->waste);
		stage->used -= request->bytes + request->waste;
		stage->first = (stage->first + 1) % LIMIT_STAGE_REQUESTS;
		stage->count--;
		moved = true;
	}
	ASSERT(stage->count || !stage->used);
	return moved;
}

/* Requests not given to the device yet will never be. */
void stage_discard(struct store *store)
{
	struct stage *stage = &store->stage;

	stage_close(store);
	for (uint32_t i = 0; i < stage->count; i++) {
		struct stage_request *request = stage_at(stage, i);

		if (request->state == STAGE_QUEUED) {
			request->state = STAGE_SUBMITTED;
			request->request.status = STATUS_OK;
			request->done = true;
		}
	}
}

bool stage_step(struct store *store)
{
	bool moved = stage_submit(store);

	moved |= stage_retire(store);
	if (moved && store->stage.waited && stage_room(&store->stage)) {
		store->stage.waited = false;
		store_wake(store, (store_channel_t){STORE_CHANNEL_STAGING});
	}
	return moved;
}
