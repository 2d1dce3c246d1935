/* SPDX-License-Identifier: MIT */
/*
 * scrub_read.c - the scrub's own way to the disk, past the cache.
 *
 * One request at a time, into a buffer of its own.  What is read is a window:
 * extents that one commit wrote lie one behind the other, so most of them are
 * found in the window that was read for the first.  Where a window cannot be
 * read, each extent is read alone, so that an error stays where it is.
 *
 * A window may be used for an extent that was durable when the window was asked
 * for and is still referred to: in between its sectors cannot have been written
 * (S1).  A younger one is read anew.
 */
#include "store/store_priv.h"

static void scrubber_complete(struct block_request *request)
{
	struct scrubber *scrubber = request->owner;

	scrubber->done = true;
}

static void scrubber_submit(struct store *store)
{
	struct scrubber *scrubber = &store->scrubber;

	ASSERT(scrubber->state == SCRUBBER_QUEUED);
	if (store->device->operations->submit(store->device, &scrubber->request))
		scrubber->state = SCRUBBER_SUBMITTED;
}

static void scrubber_start(struct store *store, enum block_operation operation, sector_t sector,
			   uint32_t sectors, void *data)
{
	struct scrubber *scrubber = &store->scrubber;

	ASSERT(scrubber->state == SCRUBBER_IDLE);
	ASSERT(sectors && (operation == BLOCK_READ || !store->read_only));
	scrubber->request = (struct block_request){
		.operation = operation,
		.sector = sector,
		.sectors = sectors,
		.data = data,
		.complete = scrubber_complete,
		.owner = scrubber,
	};
	scrubber->durable = store->record.generation;
	scrubber->held = operation == BLOCK_READ;
	scrubber->done = false;
	scrubber->state = SCRUBBER_QUEUED;
	scrubber_submit(store);
}

static enum status scrubber_wait(struct store *store)
{
	return store_wait_for(store, (store_channel_t){STORE_CHANNEL_SCRUB});
}

static void window_start(struct store *store, sector_t sector, uint32_t sectors)
{
	uint64_t first = sector.n / BLOCK_SECTORS * BLOCK_SECTORS;
	uint32_t count = LIMIT_SCRUB_BYTES / SECTOR_SIZE;

	ASSERT(sectors && sectors <= LIMIT_SCRUB_BYTES / SECTOR_SIZE);
	if (count > store->device->request_sectors)
		count = store->device->request_sectors;
	if (count > store->device->sectors - first)
		count = (uint32_t)(store->device->sectors - first);
	if (first + count < sector.n + sectors) {
		first = sector.n;
		count = sectors;
	}
	store->statistics.reads++;
	store->statistics.read_bytes += (uint64_t)count * SECTOR_SIZE;
	scrubber_start(store, BLOCK_READ, (sector_t){first}, count, store->scrubber.buffer);
}

enum status scrubber_read(struct store *store, sector_t sector, uint32_t sectors,
			  generation_t birth, const uint8_t **data)
{
	struct scrubber *scrubber = &store->scrubber;
	const struct block_request *request = &scrubber->request;
	uint64_t first = request->sector.n;

	if (scrubber->state != SCRUBBER_IDLE)
		return scrubber_wait(store);
	if (!scrubber->held || birth.n > scrubber->durable || sector.n < first ||
	    sector.n + sectors > first + request->sectors) {
		window_start(store, sector, sectors);
	} else if (request->status == STATUS_OK) {
		*data = scrubber->buffer + (sector.n - first) * SECTOR_SIZE;
		return STATUS_OK;
	} else if (first == sector.n && request->sectors == sectors) {
		scrubber->held = false;
		return STATUS_IO;
	} else {
		scrubber_start(store, BLOCK_READ, sector, sectors, scrubber->buffer);
	}
	return scrubber_wait(store);
}

enum status scrubber_write(struct store *store, sector_t sector, uint32_t sectors, void *data)
{
	scrubber_start(store, BLOCK_WRITE, sector, sectors, data);
	return scrubber_wait(store);
}

void scrubber_lay_out(struct store *store, struct layout *layout)
{
	store->scrubber.buffer = layout_take(layout, LIMIT_SCRUB_BYTES, 4096);
}

bool scrubber_busy(const struct store *store)
{
	return store->scrubber.state != SCRUBBER_IDLE;
}

bool scrubber_step(struct store *store)
{
	struct scrubber *scrubber = &store->scrubber;

	if (scrubber->state == SCRUBBER_QUEUED)
		scrubber_submit(store);
	if (scrubber->state != SCRUBBER_SUBMITTED || !scrubber->done)
		return false;
	if (scrubber->request.operation == BLOCK_WRITE)
		scrubber->written = scrubber->request.status;
	scrubber->state = SCRUBBER_IDLE;
	store_wake(store, (store_channel_t){STORE_CHANNEL_SCRUB});
	return true;
}
