/* SPDX-License-Identifier: MIT */
/*
 * salvage_source.c - which generation of a damaged store is read; see salvage.h.
 *
 *   size          as the records say: an image may have been cut off
 *   superblocks   one that is valid, as always; if neither is, or if they differ,
 *                 the one of the store whose records the ring holds, made anew if
 *                 need be: a record names its store
 *   generation    the newest, then older ones, as far as the ring goes back, until
 *                 the root of the live state can be read
 */
#include "tools/mkstore/salvage.h"
#include "base/assert.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "tools/mkstore/text.h"

/* ---- the device that the engine is shown ------------------------------------------- */

static void source_note(struct block_request *request)
{
	/* The device below completes while it is submitted to. */
	(void)request;
}

static void source_patch(const struct salvage_source *source, uint64_t sector, uint32_t count,
			 uint8_t *data)
{
	for (uint32_t i = 0; i < count; i++, data += SECTOR_SIZE) {
		uint64_t at = sector + i, slot = (at - DISK_RING_SECTOR) / DISK_SLOT_SECTORS;

		if (at < 2 * BLOCK_SECTORS && source->superblock_made)
			memcpy(data,
			       (const uint8_t *)&source->superblock +
				       at % BLOCK_SECTORS * SECTOR_SIZE,
			       SECTOR_SIZE);
		else if (at >= DISK_RING_SECTOR && at < DISK_DATA_SECTOR &&
			 source->slot[slot] > source->shown)
			memset(data, 0, SECTOR_SIZE);
	}
}

/* As large as the store was made: of an image that was cut off the rest cannot be read,
 * like a bad place of a disk. */
static bool source_submit(struct block_device *device, struct block_request *request)
{
	const struct salvage_source *source = device->context;
	struct block_request below = *request;
	bool made = source->superblock_made && request->sector.n < 2 * BLOCK_SECTORS &&
		    request->sector.n + request->sectors <= 2 * BLOCK_SECTORS;

	ASSERT(request->complete && source->below);
	below.complete = source_note;
	below.status = STATUS_OK;
	if (request->operation != BLOCK_READ ||
	    request->sector.n + request->sectors > source->below->sectors)
		below.status = STATUS_IO;
	else if (!made)
		source->below->operations->submit(source->below, &below);
	if (below.status == STATUS_OK)
		source_patch(source, request->sector.n, request->sectors, request->data);
	request->status = below.status;
	request->complete(request);
	return true;
}

static void source_poll(struct block_device *device, bool wait)
{
	(void)device;
	(void)wait;
}

static const struct block_operations source_operations = {
	.submit = source_submit,
	.poll = source_poll,
};

/* ---- superblocks and ring ------------------------------------------------------------- */

static bool source_read(struct salvage_source *source, uint64_t sector, uint32_t sectors,
			void *data)
{
	struct block_request request = {.operation = BLOCK_READ,
					.sector = {sector},
					.sectors = sectors,
					.data = data,
					.complete = source_note};

	if (sector + sectors > source->below->sectors)
		return false;
	source->below->operations->submit(source->below, &request);
	return request.status == STATUS_OK;
}

static uint64_t superblock_checksum(const struct disk_superblock *superblock)
{
	struct disk_superblock copy = *superblock;

	copy.checksum = 0;
	return XXH3_64bits(&copy, sizeof(copy));
}

static bool superblock_valid(struct salvage_source *source, uint64_t sector,
			     struct disk_superblock *superblock)
{
	return source_read(source, sector, BLOCK_SECTORS, superblock) &&
	       superblock->magic == DISK_MAGIC_SUPERBLOCK &&
	       superblock->checksum == superblock_checksum(superblock);
}

/* Is the slot's record whole, by the identity that it names itself? */
static bool record_valid(uint32_t slot, uint8_t *data)
{
	struct disk_record *record = (struct disk_record *)data;
	uint64_t checksum = record->checksum, found;
	size_t bytes = (record->length + SECTOR_SIZE - 1) / SECTOR_SIZE * SECTOR_SIZE;

	if (record->magic != DISK_MAGIC_RECORD || record->length < sizeof(*record) ||
	    bytes > DISK_SLOT_SIZE || record->slot != slot)
		return false;
	record->checksum = 0;
	found = XXH3_64bits_withSeed(
		data, bytes, XXH3_64bits(record->identity, sizeof(record->identity)) ^ slot);
	record->checksum = checksum;
	return found == checksum;
}

/* What the slots hold; `newest` is the record with the largest number, if any. */
static bool ring_read(struct salvage_source *source, struct disk_record *newest)
{
	uint8_t *data = malloc(DISK_SLOT_SIZE);

	memset(newest, 0, sizeof(*newest));
	for (uint32_t slot = 0; data && slot < DISK_RING_SLOTS; slot++) {
		const struct disk_record *record = (const struct disk_record *)data;

		if (!source_read(source, DISK_RING_SECTOR + (uint64_t)slot * DISK_SLOT_SECTORS,
				 DISK_SLOT_SECTORS, data) ||
		    !record_valid(slot, data))
			continue;
		source->slot[slot] = record->generation;
		if (record->sectors > source->device.sectors && record->sectors <= DISK_SECTORS_MAX)
			source->device.sectors = record->sectors;
		if (record->generation > newest->generation)
			*newest = *record;
	}
	free(data);
	source->newest = newest->generation;
	return newest->generation != 0;
}

static void superblock_make(struct salvage_source *source, const struct disk_record *record)
{
	source->superblock = (struct disk_superblock){
		.magic = DISK_MAGIC_SUPERBLOCK,
		.version = DISK_FORMAT_VERSION,
		.header_size = sizeof(source->superblock),
		.features_incompatible = DISK_FEATURE_DELTA,
		.sector_size = SECTOR_SIZE,
		.block_size = BLOCK_SIZE,
		.write_unit = SECTOR_SIZE,
		.ring_slots = DISK_RING_SLOTS,
		.slot_size = DISK_SLOT_SIZE,
		.ring_sector = DISK_RING_SECTOR,
		.data_sector = DISK_DATA_SECTOR,
	};
	memcpy(source->superblock.identity, record->identity, sizeof(record->identity));
	source->superblock.checksum = superblock_checksum(&source->superblock);
}

static void superblocks_choose(struct salvage_source *source, const struct disk_record *record)
{
	struct disk_superblock first, copy;
	bool first_valid = superblock_valid(source, DISK_SUPERBLOCK_SECTOR, &first);
	bool copy_valid = superblock_valid(source, DISK_SUPERBLOCK_COPY_SECTOR, &copy);

	if (first_valid != copy_valid || (first_valid && memcmp(&first, &copy, sizeof(first)) == 0))
		return;
	source->superblock_made = true;
	if (first_valid && memcmp(first.identity, record->identity, 16) == 0)
		source->superblock = first;
	else if (copy_valid && memcmp(copy.identity, record->identity, 16) == 0)
		source->superblock = copy;
	else
		superblock_make(source, record);
	command_note("%s: the superblocks are %s; going by what the commit records say",
		     source->host.path, first_valid ? "not of one store" : "both damaged");
}

/* ---- the generation --------------------------------------------------------------------- */

/* Can the root of the live state be read? */
static bool live_entered(struct host *host)
{
	struct store_view view;
	page_t end;
	enum status status = HOST_RETRY(host, store_view_open(host->store, (snapshot_t){0}, &view));

	if (status == STATUS_OK)
		status = HOST_RETRY(host, store_view_gap(host->store, &view, (page_t){0}, &end));
	/* A root that is lost hides everything there can be. */
	return status == STATUS_NOT_FOUND ||
	       (status == STATUS_OK && end.n >> (DISK_NODE_SHIFT * view.root.height) == 0);
}

/* The largest generation in the ring below this one; 0: none. */
static uint64_t generation_below(const struct salvage_source *source, uint64_t generation)
{
	uint64_t largest = 0;

	for (uint32_t slot = 0; slot < DISK_RING_SLOTS; slot++)
		if (source->slot[slot] < generation && source->slot[slot] > largest)
			largest = source->slot[slot];
	return largest;
}

static enum status generation_mount(struct salvage_source *source, uint64_t generation)
{
	ASSERT(generation && generation <= source->newest);
	source->shown = generation;
	return host_mount_device(&source->host, &source->device);
}

static enum command_exit generation_choose(struct salvage_source *source)
{
	struct host *host = &source->host;
	uint64_t generation, mounted = 0;
	enum status status = STATUS_OK;

	for (generation = source->newest; generation;
	     generation = generation_below(source, generation)) {
		status = generation_mount(source, generation);
		if (status == STATUS_NO_MEMORY)
			break;
		if (status == STATUS_OK && !mounted)
			mounted = generation;
		if (status == STATUS_OK && live_entered(host))
			return COMMAND_OK;
		command_note("%s: generation %" PRIu64 " cannot be used: %s", host->path,
			     generation, host->last_log[0] ? host->last_log : status_text(status));
	}
	source->live_lost = true;
	if (mounted && generation_mount(source, mounted) == STATUS_OK)
		return COMMAND_OK;
	command_error("%s: nothing can be salvaged: %s", host->path,
		      host->recovery.explanation[0] ? host->recovery.explanation
						    : status_text(status));
	return COMMAND_NO_STORE;
}

static void size_note(const struct salvage_source *source)
{
	char there[TEXT_SIZE], all[TEXT_SIZE];

	if (source->device.sectors > source->below->sectors)
		command_note("%s: only %s are left of the %s of its store: what lay behind cannot "
			     "be read",
			     source->host.path,
			     text_size(there, source->below->sectors * SECTOR_SIZE),
			     text_size(all, source->device.sectors * SECTOR_SIZE));
}

enum command_exit salvage_source_open(struct salvage_source *source,
				      const struct command_invocation *invocation)
{
	struct disk_record record;
	enum command_exit result;

	memset(source, 0, sizeof(*source));
	result = host_open(&source->host, invocation, HOST_SALVAGE);
	if (result != COMMAND_OK)
		return result;
	ASSERT(source->host.device);
	source->below = source->host.device;
	source->device = *source->below;
	source->device.operations = &source_operations;
	source->device.context = source;
	source->device.read_only = true;
	if (!ring_read(source, &record)) {
		command_error("%s: its commit ring holds no valid record: nothing can be salvaged",
			      source->host.path);
		result = COMMAND_NO_STORE;
	} else {
		size_note(source);
		superblocks_choose(source, &record);
		result = generation_choose(source);
	}
	if (result != COMMAND_OK)
		salvage_source_close(source);
	return result;
}

void salvage_source_close(struct salvage_source *source)
{
	host_close(&source->host);
}
