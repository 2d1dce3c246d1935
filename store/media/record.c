/* SPDX-License-Identifier: MIT */
/*
 * record.c - commit records and tombstones as they lie in the ring.
 *
 * The slot's index and the store's identity are in the checksum's seed, so a
 * record in the wrong slot or of another store is no record.
 */
#include "store/store_priv.h"

static_assert(sizeof(struct disk_record) == SECTOR_SIZE, "a full record is one sector");

sector_t record_sector(uint32_t slot)
{
	ASSERT(slot < DISK_RING_SLOTS);
	return (sector_t){DISK_RING_SECTOR + (uint64_t)slot * DISK_SLOT_SECTORS};
}

static uint64_t slot_seed(const struct store *store, uint32_t slot)
{
	return store->identity_seed ^ slot;
}

uint32_t record_sectors(uint32_t entries)
{
	uint32_t bytes =
		(uint32_t)(sizeof(struct disk_record) + entries * sizeof(struct disk_delta));

	ASSERT(entries <= DISK_DELTA_MAX);
	return (bytes + SECTOR_SIZE - 1) / SECTOR_SIZE;
}

uint32_t slot_written(const struct store *store, uint32_t sectors)
{
	uint32_t unit = store->write_unit / SECTOR_SIZE;

	ASSERT(unit && sectors && sectors <= DISK_SLOT_SECTORS);
	return (sectors + unit - 1) / unit * unit;
}

void record_seal(const struct store *store, const struct disk_record *record,
		 const struct overlay *overlay)
{
	struct disk_record *image = overlay_slot(overlay);
	uint32_t sectors = record_sectors(overlay->count);
	uint8_t *end = (uint8_t *)(overlay->entry + overlay->count);
	uint8_t *written = (uint8_t *)image + slot_written(store, sectors) * SECTOR_SIZE;

	ASSERT(record->slot < DISK_RING_SLOTS && record->entries == overlay->count);
	ASSERT(written <= (uint8_t *)image + DISK_SLOT_SIZE);
	memcpy(image, record, sizeof(*image));
	memset(end, 0, (size_t)(written - end));
	image->magic = DISK_MAGIC_RECORD;
	image->length = (uint32_t)(end - (uint8_t *)image);
	memcpy(image->identity, store->superblock->identity, sizeof(image->identity));
	image->checksum = checksum_with_hole(image, sectors * SECTOR_SIZE, &image->checksum,
					     slot_seed(store, image->slot));
}

void tombstone_make(const struct store *store, uint32_t slot, generation_t generation,
		    void *sectors)
{
	struct disk_tombstone *tombstone = sectors;

	ASSERT(generation.n && slot < DISK_RING_SLOTS);
	memset(sectors, 0, slot_written(store, 1) * SECTOR_SIZE);
	tombstone->magic = DISK_MAGIC_TOMBSTONE;
	tombstone->slot = slot;
	tombstone->generation = generation.n;
	memcpy(tombstone->identity, store->superblock->identity, sizeof(tombstone->identity));
	tombstone->checksum = checksum_with_hole(tombstone, sizeof(*tombstone),
						 &tombstone->checksum, slot_seed(store, slot));
}

/* ---- reading ------------------------------------------------------------------- */

/* A full record has no entries, a delta builds on an earlier generation. */
static bool kind_sound(const struct store *store, const struct disk_record *record)
{
	uint64_t length = sizeof(*record) + record->entries * sizeof(struct disk_delta);

	if (record->entries > DISK_DELTA_MAX || record->length != length)
		return false;
	if (record->kind == DISK_RECORD_FULL)
		return record->base == record->generation && !record->entries;
	return record->kind == DISK_RECORD_DELTA && record->base &&
	       record->base <= record->predecessor &&
	       store->superblock->features_incompatible & DISK_FEATURE_DELTA;
}

static bool entries_sound(const struct disk_record *record)
{
	const struct disk_delta *entry = (const struct disk_delta *)(record + 1);

	for (uint32_t i = 0; i < record->entries; i++) {
		struct place place = {DISK_TREE_SPACE, 0, entry[i].page};

		if (entry[i].page >= DISK_PAGE_MAX || (i && entry[i].page <= entry[i - 1].page) ||
		    reference_is_null(&entry[i].reference) ||
		    !reference_valid(&entry[i].reference, place, record->sectors) ||
		    entry[i].reference.birth <= record->base ||
		    entry[i].reference.birth > record->generation)
			return false;
	}
	return true;
}

/* Every field that is used later is within its bounds. */
static bool record_sound(const struct store *store, const struct disk_record *record)
{
	uint64_t leaves = (record->sectors + DISK_FREE_MAP_SECTORS - 1) / DISK_FREE_MAP_SECTORS;

	return kind_sound(store, record) &&
	       memcmp(record->identity, store->superblock->identity, 16) == 0 &&
	       record->generation && record->generation < DISK_GENERATION_END &&
	       record->predecessor < record->generation &&
	       (record->durable == record->generation || record->durable == record->predecessor) &&
	       record->sectors >= DISK_SECTORS_MIN && record->sectors <= DISK_SECTORS_MAX &&
	       record->used_sectors <= record->sectors && record->next_snapshot &&
	       record->next_snapshot <= DISK_SNAPSHOT_END &&
	       record->origin < record->next_snapshot && record->dying < record->next_snapshot &&
	       record->origin_generation <= (record->origin ? record->base : 0) &&
	       record->predecessor_blocks <= record->sectors / BLOCK_SECTORS &&
	       root_valid(&record->space, DISK_TREE_SPACE, record->sectors) &&
	       root_valid(&record->free_map, DISK_TREE_FREE_MAP, record->sectors) &&
	       root_valid(&record->catalogue, DISK_TREE_CATALOGUE, record->sectors) &&
	       (!record->free_map.height ||
		record->free_map.height <= map_height_for(leaves - 1)) &&
	       record->space.reference.birth <= record->base &&
	       record->free_map.reference.birth <= record->base &&
	       record->catalogue.reference.birth <= record->base &&
	       !record->label[sizeof(record->label) - 1] && entries_sound(record);
}

uint32_t slot_sectors(const void *image)
{
	const struct disk_record *record = image;

	if (record->magic != DISK_MAGIC_RECORD || record->length > DISK_SLOT_SIZE ||
	    record->length < sizeof(*record))
		return 1;
	return (record->length + SECTOR_SIZE - 1) / SECTOR_SIZE;
}

static bool sector_is_zero(const void *sector)
{
	const uint64_t *word = sector;
	uint64_t any = 0;

	for (unsigned i = 0; i < SECTOR_SIZE / sizeof(*word); i++)
		any |= word[i];
	return !any;
}

enum slot_kind slot_classify(const struct store *store, uint32_t slot, void *image)
{
	struct disk_record *record = image;
	struct disk_tombstone *tombstone = image;
	uint64_t *field =
		record->magic == DISK_MAGIC_RECORD ? &record->checksum : &tombstone->checksum;

	if (sector_is_zero(image))
		return SLOT_ZERO;
	if (checksum_with_hole(image, slot_sectors(image) * SECTOR_SIZE, field,
			       slot_seed(store, slot)) != *field)
		return SLOT_DAMAGED;
	if (record->magic == DISK_MAGIC_RECORD && record->slot == slot &&
	    record_sound(store, record))
		return SLOT_RECORD;
	if (tombstone->magic == DISK_MAGIC_TOMBSTONE && tombstone->slot == slot &&
	    tombstone->generation < DISK_GENERATION_END &&
	    memcmp(tombstone->identity, store->superblock->identity, 16) == 0)
		return SLOT_TOMBSTONE;
	return SLOT_DAMAGED;
}
