/* SPDX-License-Identifier: MIT */
/*
 * record.c - commit records and tombstones as they lie in the ring.
 *
 * The slot's index and the store's identity are in the checksum's seed, so a
 * record in the wrong slot or of another store is no record.
 */
#include "store/store_priv.h"

static_assert(sizeof(struct disk_record) == SECTOR_SIZE, "a full record is one sector");

uint64_t record_sector(uint32_t slot)
{
	return DISK_RING_SECTOR + (uint64_t)slot * DISK_SLOT_SECTORS;
}

static uint64_t slot_seed(const struct store *store, uint32_t slot)
{
	return store->identity_seed ^ slot;
}

void record_seal(const struct store *store, struct disk_record *record)
{
	record->magic = DISK_MAGIC_RECORD;
	record->kind = DISK_RECORD_FULL;
	record->length = sizeof(*record);
	record->base = record->generation;
	memcpy(record->identity, store->superblock->identity, sizeof(record->identity));
	record->checksum = checksum_with_hole(record, sizeof(*record), &record->checksum,
					      slot_seed(store, record->slot));
}

void tombstone_make(const struct store *store, uint32_t slot, uint64_t generation, void *sector)
{
	struct disk_tombstone *tombstone = sector;

	memset(tombstone, 0, sizeof(*tombstone));
	tombstone->magic = DISK_MAGIC_TOMBSTONE;
	tombstone->slot = slot;
	tombstone->generation = generation;
	memcpy(tombstone->identity, store->superblock->identity, sizeof(tombstone->identity));
	tombstone->checksum = checksum_with_hole(tombstone, sizeof(*tombstone),
						 &tombstone->checksum, slot_seed(store, slot));
}

/* Every field that is used later is within its bounds. */
static bool record_sound(const struct store *store, const struct disk_record *record)
{
	uint64_t leaves = (record->sectors + DISK_FREE_MAP_SECTORS - 1) / DISK_FREE_MAP_SECTORS;

	return record->kind == DISK_RECORD_FULL && record->length == sizeof(*record) &&
	       memcmp(record->identity, store->superblock->identity, 16) == 0 &&
	       record->generation && record->predecessor < record->generation &&
	       (record->durable == record->generation || record->durable == record->predecessor) &&
	       record->base == record->generation && record->sectors >= DISK_SECTORS_MIN &&
	       record->sectors <= DISK_SECTORS_MAX && record->used_sectors <= record->sectors &&
	       record->next_snapshot && record->origin < record->next_snapshot &&
	       record->dying < record->next_snapshot &&
	       root_valid(&record->space, DISK_TREE_SPACE, record->sectors) &&
	       root_valid(&record->free_map, DISK_TREE_FREE_MAP, record->sectors) &&
	       root_valid(&record->catalogue, DISK_TREE_CATALOGUE, record->sectors) &&
	       (!record->free_map.height ||
		record->free_map.height == map_height_for(leaves - 1)) &&
	       record->space.reference.birth <= record->generation &&
	       record->free_map.reference.birth <= record->generation &&
	       record->catalogue.reference.birth <= record->generation &&
	       !record->label[sizeof(record->label) - 1];
}

enum slot_kind slot_classify(const struct store *store, uint32_t slot, void *sector)
{
	struct disk_record *record = sector;
	struct disk_tombstone *tombstone = sector;
	uint64_t *field =
		record->magic == DISK_MAGIC_RECORD ? &record->checksum : &tombstone->checksum;
	const uint64_t *word = sector;
	uint64_t any = 0;

	for (unsigned i = 0; i < SECTOR_SIZE / sizeof(*word); i++)
		any |= word[i];
	if (!any)
		return SLOT_ZERO;
	if (checksum_with_hole(sector, SECTOR_SIZE, field, slot_seed(store, slot)) != *field)
		return SLOT_DAMAGED;
	if (record->magic == DISK_MAGIC_RECORD && record->slot == slot &&
	    record_sound(store, record))
		return SLOT_RECORD;
	if (tombstone->magic == DISK_MAGIC_TOMBSTONE && tombstone->slot == slot &&
	    memcmp(tombstone->identity, store->superblock->identity, 16) == 0)
		return SLOT_TOMBSTONE;
	return SLOT_DAMAGED;
}
