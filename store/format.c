/* SPDX-License-Identifier: MIT */
/*
 * format.c - a new store: zeros where the ring will be, then the superblocks.
 *
 * The superblocks come last, after a flush, so that a formatting that was
 * interrupted leaves no store at all.
 */
#include "store/store_priv.h"

static enum status options_check(const struct store *store,
				 const struct store_format_options *options)
{
	if (options->sectors < DISK_SECTORS_MIN || options->sectors > DISK_SECTORS_MAX ||
	    options->sectors > store->device->sectors)
		return STATUS_INVALID;
	if (options->write_unit != SECTOR_SIZE && options->write_unit != BLOCK_SIZE)
		return STATUS_INVALID;
	if (options->label[sizeof(options->label) - 1])
		return STATUS_INVALID;
	if (retention_check(&options->retention) != STATUS_OK)
		return STATUS_INVALID;
	return store->read_only ? STATUS_READ_ONLY : STATUS_OK;
}

static void superblock_make(struct disk_superblock *superblock,
			    const struct store_format_options *options)
{
	memset(superblock, 0, sizeof(*superblock));
	superblock->magic = DISK_MAGIC_SUPERBLOCK;
	superblock->version = DISK_FORMAT_VERSION;
	superblock->header_size = sizeof(*superblock);
	superblock->features_incompatible = (options->deltas ? DISK_FEATURE_DELTA : 0) |
					    (options->columns ? DISK_FEATURE_COLUMNS : 0);
	superblock->features_read_only = options->counted ? DISK_READ_ONLY_COUNTED : 0;
	memcpy(superblock->identity, options->identity, sizeof(superblock->identity));
	superblock->created_ns = options->created_ns;
	superblock->sector_size = SECTOR_SIZE;
	superblock->block_size = BLOCK_SIZE;
	superblock->write_unit = options->write_unit;
	superblock->ring_slots = DISK_RING_SLOTS;
	superblock->slot_size = DISK_SLOT_SIZE;
	superblock->ring_sector = DISK_RING_SECTOR;
	superblock->data_sector = DISK_DATA_SECTOR;
	superblock->checksum =
		checksum_with_hole(superblock, sizeof(*superblock), &superblock->checksum, 0);
}

/* Everything before the extents becomes zero, the old superblocks included. */
static enum status area_clear(struct store *store)
{
	uint32_t bytes;
	void *zeros = stage_buffer(store, &bytes);
	const uint32_t batch = bytes / SECTOR_SIZE;
	enum status status = STATUS_OK;

	memset(zeros, 0, bytes);
	for (uint32_t sector = 0; sector < DISK_DATA_SECTOR && status == STATUS_OK;
	     sector += batch) {
		uint32_t count =
			DISK_DATA_SECTOR - sector < batch ? DISK_DATA_SECTOR - sector : batch;

		status = device_transfer(store, BLOCK_WRITE, (sector_t){sector}, count, zeros);
	}
	if (status == STATUS_OK)
		status = device_flush(store);
	return status;
}

enum status store_format(struct store *store, const struct store_format_options *options)
{
	enum status status = options_check(store, options);

	ASSERT(!store->mounted);
	if (status == STATUS_OK && cache_frames(store) < LIMIT_FRAMES_MIN)
		status = STATUS_NO_MEMORY;
	if (status == STATUS_OK)
		status = area_clear(store);
	if (status != STATUS_OK)
		return status;
	superblock_make(store->superblock, options);
	status = device_transfer(store, BLOCK_WRITE, (sector_t){DISK_SUPERBLOCK_COPY_SECTOR},
				 BLOCK_SECTORS, store->superblock);
	if (status == STATUS_OK)
		status = device_transfer(store, BLOCK_WRITE, (sector_t){DISK_SUPERBLOCK_SECTOR},
					 BLOCK_SECTORS, store->superblock);
	if (status == STATUS_OK)
		status = device_flush(store);
	if (status != STATUS_OK)
		return status;
	store->write_unit = options->write_unit;
	store->identity_seed = checksum(options->identity, sizeof(options->identity), 0);
	memset(&store->record, 0, sizeof(store->record));
	store->record.sectors = options->sectors;
	store->record.next_snapshot = 1;
	store->record.retention = options->retention;
	store->record.flags = DISK_RECORD_FRESH;
	memcpy(store->record.label, options->label, sizeof(options->label));
	memset(&store->previous_map, 0, sizeof(store->previous_map));
	store->previous_blocks = 0;
	store->overlay.count = store->previous.count = 0;
	store->generation = 1;
	store_open(store);
	return STATUS_OK;
}
