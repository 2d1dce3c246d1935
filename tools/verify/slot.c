/* SPDX-License-Identifier: MIT */
/*
 * slot.c - one slot of the commit ring: record, tombstone, or damage.
 *
 * A record is taken only when all that it says can be true by itself; what it
 * says of other records is judged in ring.c.  A delta record goes on over
 * several sectors, which a power cut may tear apart: then the slot as a whole is
 * without sense, and so is what was there before.
 */
#include "tools/verify/verify_priv.h"
#include "base/assert.h"

#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define FLAGS_KNOWN                                                                                \
	(DISK_RECORD_CLEAN | DISK_RECORD_FRESH | DISK_RECORD_RESTORE | DISK_RECORD_COUNTED)
#define RETENTION_BUDGET 1000u /* thousandths: the whole store */

static uint64_t slot_sector(uint32_t slot)
{
	return DISK_RING_SECTOR + (uint64_t)slot * DISK_SLOT_SECTORS;
}

void verify_record_report(struct verify *verify, const struct disk_record *record, uint32_t slot,
			  const char *what)
{
	verify_report_at(verify, VERIFY_ERROR, VERIFY_RECORD, NULL, slot_sector(slot),
			 "record of generation %llu in slot %u: %s",
			 (unsigned long long)record->generation, slot, what);
}

/* ---- the header of a record ------------------------------------------------ */

static bool text_padded(const char *text, uint64_t size)
{
	const char *end = memchr(text, 0, size);

	return end && verify_zero(end, size - (uint64_t)(end - text));
}

/* The smallest tree whose keys include that of the store's last sector. */
static uint32_t free_map_height(uint64_t sectors)
{
	uint64_t last = (sectors - 1) / DISK_FREE_MAP_SECTORS;
	uint32_t height = 1;

	ASSERT(sectors >= DISK_SECTORS_MIN);
	while (last >>= DISK_NODE_SHIFT)
		height++;
	return height;
}

static const char *root_fault(const struct disk_record *record, const struct disk_root *root,
			      enum disk_tree tree)
{
	struct verify_place place = {.tree = tree, .level = root->height};
	uint64_t used = disk_reference_auxiliary(&root->reference);
	bool null = verify_reference_null(&root->reference);

	if (root->height > DISK_HEIGHT_MAX)
		return "the height of a root is above 8";
	if (root->reserved)
		return "the reserve of a root is not zero";
	if ((root->height == 0) != null)
		return "a root is null exactly when its height is 0: it is not so";
	if ((root->pages == 0) != null)
		return "a root is null exactly when it counts no pages: it is not so";
	if (null)
		return NULL;
	if (root->reference.codec == DISK_CODEC_ZERO)
		return "a root is a page of zeros";
	/* A store that has grown has a lower one for a while. */
	if (tree == DISK_TREE_FREE_MAP && root->height > free_map_height(record->sectors))
		return "the free map is taller than the store's size asks for";
	if (tree == DISK_TREE_FREE_MAP &&
	    (used > record->sectors / BLOCK_SECTORS + 1 ||
	     used >> (DISK_NODE_SHIFT * root->height) > DISK_FREE_MAP_SECTORS / BLOCK_SECTORS))
		return "the free map counts more used blocks than there are";
	return verify_reference_fault(&place, &root->reference, record->sectors, record->base);
}

/* Kind, length and base, which go together. */
static const char *kind_fault(const struct verify *verify, const struct disk_record *record)
{
	bool deltas = (verify->superblock.features_incompatible & DISK_FEATURE_DELTA) != 0;

	if (record->kind == DISK_RECORD_FULL) {
		if (record->length != sizeof(*record) || record->entries)
			return "has a length or entries that a full record cannot have";
		return record->base == record->generation ? NULL
							  : "`base` is not its own generation";
	}
	if (record->kind != DISK_RECORD_DELTA || !deltas)
		return "is of a kind that this store's features do not allow";
	if (record->entries > DISK_DELTA_MAX ||
	    record->length != sizeof(*record) + record->entries * sizeof(struct disk_delta))
		return "the length of a delta is not that of its entries";
	if (record->base == 0 || record->base > record->predecessor)
		return "`base` of a delta is not one of the generations before it";
	if (record->space.reference.birth > record->base ||
	    record->free_map.reference.birth > record->base ||
	    record->catalogue.reference.birth > record->base)
		return "a root of a delta is born after its base";
	return NULL;
}

static const char *receiving_fault(const struct disk_record *record)
{
	const struct disk_receiving *receiving = &record->receiving;

	if (verify_zero(receiving->source, sizeof(receiving->source)))
		return verify_zero(receiving, sizeof(*receiving))
			       ? NULL
			       : "no stream is being received, but a part of one is described";
	if (receiving->generation == 0 || receiving->base >= receiving->generation)
		return "the generation that is being received is not above what it builds on";
	if (receiving->position > DISK_PAGE_MAX)
		return "the position in the stream that is being received is no page";
	return receiving->replaced < record->next_snapshot
		       ? NULL
		       : "the snapshot of what a stream replaces was never handed out";
}

static const char *totals_fault(const struct disk_record *record)
{
	if (record->sectors < DISK_SECTORS_MIN || record->sectors > DISK_SECTORS_MAX)
		return "the size of the store is out of range";
	if (record->used_sectors > record->sectors - DISK_DATA_SECTOR)
		return "counts more used sectors than there are";
	if (record->held_sectors > record->sectors)
		return "holds more sectors for snapshots than the store has";
	if (record->origin >= record->next_snapshot || record->dying >= record->next_snapshot ||
	    record->snapshots >= record->next_snapshot)
		return "snapshot numbers reach `next_snapshot`";
	if (record->origin_generation > (record->origin ? record->base : 0))
		return "the origin is of a later generation, or there is none";
	if (record->next_snapshot > DISK_SNAPSHOT_END)
		return "`next_snapshot` is more than the catalogue has room for";
	if (record->predecessor_blocks > (record->sectors - DISK_DATA_SECTOR) / BLOCK_SECTORS)
		return "counts more blocks of its predecessor than there are";
	if (record->catalogue.pages != record->snapshots)
		return "the catalogue's pages are not the number of snapshots";
	return NULL;
}

/* What is wrong with the fields, or null.  Only what needs no other record. */
static const char *record_fault(const struct verify *verify, const struct disk_record *record,
				uint32_t slot)
{
	const char *fault;

	if (memcmp(record->identity, verify->superblock.identity, sizeof(record->identity)) != 0)
		return "belongs to another store";
	if (record->slot != slot)
		return "names another slot as its own";
	if (record->generation >= DISK_GENERATION_END)
		return "its generation is not a number that a store reaches";
	if (record->generation == 0 || record->predecessor >= record->generation)
		return "its generation is not above its predecessor's";
	if (record->durable != record->predecessor && record->durable != record->generation)
		return "`durable` is neither the generation nor its predecessor";
	if (record->flags & ~(uint32_t)FLAGS_KNOWN)
		return "has unknown flags";
	if (record->flags & DISK_RECORD_COUNTED
		    ? !(verify->superblock.features_read_only & DISK_READ_ONLY_COUNTED)
		    : record->predecessor_blocks)
		return "counts its predecessor's blocks where records do not";
	if (record->reserved0 || record->counters.reserved ||
	    !verify_zero(record->reserved, sizeof(record->reserved)) ||
	    !verify_zero(record->retention.reserved, sizeof(record->retention.reserved)))
		return "a reserve is not zero";
	if (record->retention.budget > RETENTION_BUDGET)
		return "automatic snapshots may take more than the whole store";
	if (!text_padded(record->label, sizeof(record->label)))
		return "the label is not padded with zeros";
	fault = kind_fault(verify, record);
	if (!fault)
		fault = totals_fault(record);
	if (!fault)
		fault = receiving_fault(record);
	if (!fault)
		fault = root_fault(record, &record->space, DISK_TREE_SPACE);
	if (!fault)
		fault = root_fault(record, &record->free_map, DISK_TREE_FREE_MAP);
	return fault ? fault : root_fault(record, &record->catalogue, DISK_TREE_CATALOGUE);
}

/* ---- the entries of a delta ------------------------------------------------- */

static const char *entries_fault(const struct disk_record *record, const struct disk_delta *entry)
{
	for (uint32_t i = 0; i < record->entries; i++) {
		struct verify_place place = {.tree = DISK_TREE_SPACE, .key = entry[i].page};
		const char *fault;

		if (entry[i].page >= DISK_PAGE_MAX)
			return "an entry of the delta is for no page of the space";
		if (i && entry[i].page <= entry[i - 1].page)
			return "the entries of the delta are not in rising order of their pages";
		if (entry[i].reference.birth <= record->base)
			return "an entry of the delta is not born after its base";
		fault = verify_reference_fault(&place, &entry[i].reference, record->sectors,
					       record->generation);
		if (fault)
			return fault;
	}
	return NULL;
}

/* Takes a record whose checksum was right. */
static void record_take(struct verify *verify, uint32_t slot, const uint8_t *data)
{
	struct disk_record *record = &verify->ring[slot];
	uint64_t size;
	const char *fault;

	memcpy(record, data, sizeof(*record));
	size = record->entries * (uint64_t)sizeof(struct disk_delta);
	fault = record_fault(verify, record, slot);
	if (!fault && record->entries) {
		struct disk_delta *entry = verify_allocate(verify, 1, size);

		if (!entry) {
			memset(record, 0, sizeof(*record)); /* nobody looks for its entries */
			return;
		}
		ASSERT(sizeof(*record) + size <= DISK_SLOT_SIZE); /* kind_fault */
		memcpy(entry, data + sizeof(*record), size);
		verify->delta[slot] = entry;
		fault = entries_fault(record, entry);
	}
	if (!fault && !verify_zero(data + sizeof(*record) + size, -size % SECTOR_SIZE))
		fault = "what is behind the last entry of the delta is not zero";
	if (fault) {
		verify_record_report(verify, record, slot, fault);
		memset(record, 0, sizeof(*record));
		return;
	}
	verify->totals.records++;
	if (record->generation > verify->totals.largest.n)
		verify->totals.largest.n = record->generation;
}

/* ---- tombstones --------------------------------------------------------------- */

static void tombstone_take(struct verify *verify, uint32_t slot, const uint8_t *data)
{
	struct disk_tombstone stone;
	bool sound;

	memcpy(&stone, data, sizeof(stone));
	sound = stone.slot == slot && !stone.reserved0 && stone.generation != 0 &&
		stone.generation < DISK_GENERATION_END &&
		memcmp(stone.identity, verify->superblock.identity, sizeof(stone.identity)) == 0 &&
		verify_zero(stone.reserved, sizeof(stone.reserved));
	if (!sound) {
		verify_report_at(verify, VERIFY_ERROR, VERIFY_TOMBSTONE, NULL, slot_sector(slot),
				 "tombstone in slot %u: identity, slot, generation or reserve is "
				 "wrong",
				 slot);
		return;
	}
	verify->totals.tombstones++;
	if (stone.generation > verify->totals.largest.n)
		verify->totals.largest.n = stone.generation;
	memcpy(&verify->ring[slot], data, sizeof(stone));
}

/* ---- reading ------------------------------------------------------------------- */

/* Where the write unit is a block, a power cut may leave anything in the rest of
 * the block that a record was being written to; where deltas occur, longer
 * records may have been there before. */
static void slot_tail_check(struct verify *verify, uint32_t slot)
{
	uint8_t data[BLOCK_SIZE];
	uint64_t first = slot_sector(slot);
	bool deltas = (verify->superblock.features_incompatible & DISK_FEATURE_DELTA) != 0;

	for (uint64_t sector = first; sector < first + DISK_SLOT_SECTORS; sector += BLOCK_SECTORS) {
		uint64_t skip = sector == first ? verify->superblock.write_unit : 0;

		if (verify->reader.read(verify->reader.context, (sector_t){sector}, BLOCK_SECTORS,
					data) != STATUS_OK)
			verify_report_at(verify, VERIFY_ERROR, VERIFY_READ, NULL, sector,
					 "slot %u: sectors %llu-%llu cannot be read", slot,
					 (unsigned long long)sector,
					 (unsigned long long)sector + BLOCK_SECTORS - 1);
		else if (!deltas && !verify_zero(data + skip, sizeof(data) - skip))
			verify_report_at(verify, VERIFY_ERROR, VERIFY_SLOT, NULL, sector,
					 "slot %u: the part behind the record is not zero", slot);
	}
}

static void slot_damaged(struct verify *verify, uint32_t slot, const char *what)
{
	verify->totals.damaged_slots++;
	verify->damage[slot] = what;
}

/* How many bytes the checksum covers: a delta says so itself, all else is one
 * sector.  0: no record has such a length. */
static uint64_t slot_bytes(const struct disk_record *record)
{
	if (record->magic != DISK_MAGIC_RECORD || record->kind != DISK_RECORD_DELTA)
		return SECTOR_SIZE;
	if (record->length < sizeof(*record) || record->length > DISK_SLOT_SIZE)
		return 0;
	return (record->length + SECTOR_SIZE - 1) / SECTOR_SIZE * SECTOR_SIZE;
}

/* The checksum's field is at offset 16 of all that a slot may hold. */
static bool slot_checksum_matches(const struct verify *verify, uint8_t *data, uint64_t bytes,
				  uint32_t slot)
{
	static_assert(offsetof(struct disk_record, checksum) ==
			      offsetof(struct disk_tombstone, checksum),
		      "one place for the checksum");
	uint8_t *field = data + offsetof(struct disk_record, checksum);
	uint64_t said, is;

	ASSERT(bytes && bytes <= DISK_SLOT_SIZE && bytes % SECTOR_SIZE == 0);
	memcpy(&said, field, sizeof(said));
	memset(field, 0, sizeof(said));
	is = XXH3_64bits_withSeed(data, bytes, verify->record_seed ^ slot);
	memcpy(field, &said, sizeof(said));
	return is == said;
}

void verify_slot_read(struct verify *verify, uint32_t slot)
{
	uint8_t data[DISK_SLOT_SIZE];
	struct disk_record record;
	sector_t first = {slot_sector(slot)}, rest = {first.n + 1};
	uint64_t bytes;

	ASSERT(slot < DISK_RING_SLOTS && !verify->delta[slot]); /* each once */
	if (!verify->options.skip_slot_tails)
		slot_tail_check(verify, slot);
	if (verify->reader.read(verify->reader.context, first, 1, data) != STATUS_OK) {
		slot_damaged(verify, slot, "cannot be read");
		return;
	}
	if (verify_zero(data, SECTOR_SIZE)) {
		verify->totals.empty_slots++;
		return;
	}
	memcpy(&record, data, sizeof(record));
	bytes = slot_bytes(&record);
	if (record.magic != DISK_MAGIC_RECORD && record.magic != DISK_MAGIC_TOMBSTONE) {
		slot_damaged(verify, slot, "neither a record, nor a tombstone, nor zero");
		/* A disk of larger sectors leaves nothing whole of one that was cut off. */
		verify->torn_slot[slot] = verify->superblock.write_unit > SECTOR_SIZE;
	} else if (bytes == 0)
		slot_damaged(verify, slot, "no record has the length that it says");
	else if (bytes > SECTOR_SIZE && verify->reader.read(verify->reader.context, rest,
							    (uint32_t)(bytes / SECTOR_SIZE - 1),
							    data + SECTOR_SIZE) != STATUS_OK)
		slot_damaged(verify, slot, "the entries of the record cannot be read");
	else if (slot_checksum_matches(verify, data, bytes, slot))
		record.magic == DISK_MAGIC_RECORD ? record_take(verify, slot, data)
						  : tombstone_take(verify, slot, data);
	else {
		slot_damaged(verify, slot,
			     record.magic == DISK_MAGIC_RECORD
				     ? "the checksum of the record does not match"
				     : "the checksum of the tombstone does not match");
		verify->torn_slot[slot] = bytes > SECTOR_SIZE;
	}
}
