/* SPDX-License-Identifier: MIT */
/*
 * recover.c - mounting: which generation is the last one.
 *
 *   superblock, or its copy
 *   -> ring: the valid record with the largest number
 *   -> what it says was flushed is trusted; what was born after that (one joint
 *      commit) is verified
 *   -> a mismatch there: the power went during that commit.  Fall back, once,
 *      to its predecessor, which S1 kept whole; put a tombstone in its slot
 *   -> a superblock that is damaged is written anew from the other one
 *   -> flush, so that nothing builds on what a volatile cache still holds
 *
 * A read error, or damage in anything older, never leads back: the generation
 * stays (S4) and the damage is met where it is.
 */
#include "store/store_priv.h"
#include "base/text.h"

struct ring {
	uint8_t kind[DISK_RING_SLOTS]; /* enum slot_kind */
	uint64_t generation[DISK_RING_SLOTS];
	uint32_t newest;      /* slot of the newest record; DISK_RING_SLOTS: none */
	uint64_t largest;     /* number seen anywhere */
	uint32_t unexplained; /* damaged or unreadable slots */
};

static enum status explain(struct store_recovery *recovery, enum status status, const char *text)
{
	text_format(recovery->explanation, sizeof(recovery->explanation), "%s", text);
	return status;
}

/* ---- ring --------------------------------------------------------------------------- */

static void slot_note(struct store *store, struct ring *ring, uint32_t slot, void *image)
{
	struct disk_record *record = image;
	enum slot_kind kind = image ? slot_classify(store, slot, image) : SLOT_UNREADABLE;

	ASSERT(slot < DISK_RING_SLOTS);
	ring->kind[slot] = (uint8_t)kind;
	ring->generation[slot] = 0;
	if (kind == SLOT_RECORD)
		ring->generation[slot] = record->generation;
	else if (kind == SLOT_TOMBSTONE)
		ring->generation[slot] = ((struct disk_tombstone *)image)->generation;
	else if (kind != SLOT_ZERO)
		ring->unexplained++;
	if (ring->generation[slot] > ring->largest)
		ring->largest = ring->generation[slot];
	if (kind == SLOT_RECORD && (ring->newest == DISK_RING_SLOTS ||
				    ring->generation[slot] > ring->generation[ring->newest]))
		ring->newest = slot;
}

/* Reads what a slot's record covers: its first sector says how much. */
static bool slot_read(struct store *store, uint32_t slot, void *image)
{
	uint8_t *rest = (uint8_t *)image + SECTOR_SIZE;
	sector_t sector = record_sector(slot);

	if (device_transfer(store, BLOCK_READ, sector, 1, image) != STATUS_OK)
		return false;
	sector.n++;
	return slot_sectors(image) == 1 ||
	       device_transfer(store, BLOCK_READ, sector, slot_sectors(image) - 1, rest) ==
		       STATUS_OK;
}

/* Reads many slots at once into the staging buffer; where that fails, one by
 * one what their records cover. */
static void ring_read(struct store *store, struct ring *ring)
{
	uint32_t bytes;
	uint8_t *data = stage_buffer(store, &bytes);
	const uint32_t batch = bytes / DISK_SLOT_SIZE;

	memset(ring, 0, sizeof(*ring));
	ring->newest = DISK_RING_SLOTS;
	for (uint32_t slot = 0; slot < DISK_RING_SLOTS; slot += batch) {
		uint32_t count = DISK_RING_SLOTS - slot < batch ? DISK_RING_SLOTS - slot : batch;
		enum status status = device_transfer(store, BLOCK_READ, record_sector(slot),
						     count * DISK_SLOT_SECTORS, data);

		for (uint32_t i = 0; i < count; i++) {
			uint8_t *image = data + (uint64_t)i * DISK_SLOT_SIZE;
			bool readable = status == STATUS_OK || slot_read(store, slot + i, image);

			slot_note(store, ring, slot + i, readable ? image : NULL);
		}
	}
}

/* A slot that may hold anything; DISK_RING_SLOTS: there is none. */
static uint32_t ring_unreadable(const struct ring *ring)
{
	uint32_t slot = 0;

	while (slot < DISK_RING_SLOTS && ring->kind[slot] != SLOT_UNREADABLE)
		slot++;
	return slot;
}

/* What was to be found lies in no slot that can be read: the one that cannot may hold it. */
static enum status explain_unreadable(const struct ring *ring, struct store_recovery *recovery,
				      const char *what)
{
	text_format(recovery->explanation, sizeof(recovery->explanation),
		    "slot %lu of the commit ring cannot be read, and no other holds %s: check the "
		    "disk",
		    (uint64_t)ring_unreadable(ring), what);
	return STATUS_IO;
}

/* Reads a record again that ring_read has seen valid, and its entries. */
static bool record_read(struct store *store, struct ring *ring, uint32_t slot,
			struct disk_record *record, struct overlay *overlay)
{
	void *image = overlay_slot(overlay);

	ASSERT(slot < DISK_RING_SLOTS);
	overlay->count = 0;
	if (ring->kind[slot] == SLOT_RECORD && !slot_read(store, slot, image))
		ring->kind[slot] = SLOT_UNREADABLE;
	if (ring->kind[slot] != SLOT_RECORD || slot_classify(store, slot, image) != SLOT_RECORD)
		return false;
	memcpy(record, image, sizeof(*record));
	overlay->count = record->entries;
	return true;
}

/* The record of this one's predecessor: normally in the slot before. */
static bool predecessor_read(struct store *store, struct ring *ring,
			     const struct disk_record *record, struct disk_record *predecessor,
			     struct overlay *overlay)
{
	for (uint32_t back = 1; back < DISK_RING_SLOTS && record->predecessor; back++) {
		uint32_t slot = (record->slot + DISK_RING_SLOTS - back) % DISK_RING_SLOTS;

		if (ring->kind[slot] == SLOT_RECORD &&
		    ring->generation[slot] == record->predecessor)
			return record_read(store, ring, slot, predecessor, overlay);
	}
	return false;
}

/* ---- is the newest generation whole? --------------------------------------------------- */

/*
 * A commit's extents lie close together, so they are read a window at a time:
 * the staging buffer holds the last few, each at the place that its number
 * leaves it.  On a slow disk this is most of the time that a mount takes.
 */
#define WINDOW_SECTORS 128u
#define WINDOWS	       4u

static_assert(WINDOWS * WINDOW_SECTORS * SECTOR_SIZE <= LIMIT_STAGING_MIN, "they must fit");
static_assert(WINDOW_SECTORS % BLOCK_SECTORS == 0, "no extent lies in two windows");
static_assert(LIMIT_STAGING_MIN >= DISK_SLOT_SIZE, "the ring is read slot by slot");

struct windows {
	uint8_t *data;
	uint64_t held[WINDOWS]; /* number of the window there, plus 1; 0: none */
};

/* The extent as it is stored; null when the disk cannot read it. */
static const uint8_t *window_get(struct store *store, struct windows *windows,
				 const struct disk_reference *reference)
{
	uint64_t sector = disk_reference_sector(reference).n;
	uint64_t number = sector / WINDOW_SECTORS, first = number * WINDOW_SECTORS;
	uint32_t place = number % WINDOWS, count = WINDOW_SECTORS;
	uint8_t *data = windows->data + (size_t)place * WINDOW_SECTORS * SECTOR_SIZE;
	uint8_t *alone = store->scratch;

	ASSERT(reference->sectors && sector + reference->sectors <= store->device->sectors);
	if (store->device->sectors - first < count)
		count = (uint32_t)(store->device->sectors - first);
	if (windows->held[place] != number + 1) {
		windows->held[place] = 0;
		if (device_transfer(store, BLOCK_READ, (sector_t){first}, count, data) == STATUS_OK)
			windows->held[place] = number + 1;
	}
	if (windows->held[place])
		return data + (sector - first) * SECTOR_SIZE;
	/* A neighbour may be what cannot be read. */
	return device_transfer(store, BLOCK_READ, (sector_t){sector}, reference->sectors, alone) ==
			       STATUS_OK
		       ? alone
		       : NULL;
}

static enum status extent_verify(struct store *store, struct windows *windows,
				 const struct disk_reference *reference, struct place place)
{
	void *page = place.level ? (void *)store->node[place.level] : store->page;
	const uint8_t *stored = window_get(store, windows, reference);

	if (!stored) {
		extent_report(store, reference, place, "the disk reported an error");
		return STATUS_IO;
	}
	return extent_decode(store, reference, place, stored, page);
}

/*
 * Verifies what was born after `durable` in one tree; CORRUPT at the first
 * mismatch.  What cannot be read is passed over: it is no sign of a torn
 * commit.  No recursion: one index per level.
 */
static enum status tree_verify(struct store *store, struct windows *windows,
			       const struct disk_root *root, enum disk_tree tree, uint64_t durable,
			       uint32_t *budget)
{
	unsigned index[DISK_HEIGHT_MAX + 1];
	uint64_t key[DISK_HEIGHT_MAX + 1];
	unsigned level = root->height;
	enum status status;

	if (!level || root->reference.birth <= durable)
		return STATUS_OK;
	status = extent_verify(store, windows, &root->reference, (struct place){tree, level, 0});
	if (status != STATUS_OK)
		return status == STATUS_IO ? STATUS_OK : status;
	index[level] = 0;
	key[level] = 0;
	while (level <= root->height) {
		const struct disk_reference *reference;
		struct place place = {tree, level - 1,
				      key[level] << DISK_NODE_SHIFT | index[level]};

		if (index[level] == DISK_NODE_ENTRIES) {
			level++;
			continue;
		}
		reference = &store->node[level]->entry[index[level]++];
		if (!reference->sectors || reference->birth <= durable)
			continue;
		if (!(*budget)--)
			return STATUS_CORRUPT;
		status = extent_verify(store, windows, reference, place);
		if (status == STATUS_CORRUPT)
			return status;
		if (status == STATUS_OK && place.level) {
			level--;
			index[level] = 0;
			key[level] = place.key;
		}
	}
	return STATUS_OK;
}

/* The same for the pages of a delta. */
static enum status overlay_verify(struct store *store, struct windows *windows, uint64_t durable)
{
	for (uint32_t i = 0; i < store->overlay.count; i++) {
		const struct disk_delta *entry = &store->overlay.entry[i];
		struct place place = {DISK_TREE_SPACE, 0, entry->page};

		if (entry->reference.sectors && entry->reference.birth > durable &&
		    extent_verify(store, windows, &entry->reference, place) == STATUS_CORRUPT)
			return STATUS_CORRUPT;
	}
	return STATUS_OK;
}

static enum status generation_verify(struct store *store)
{
	const struct disk_record *record = &store->record;
	uint32_t budget = DISK_JOINT_COMMIT_BLOCKS * BLOCK_SECTORS;
	uint32_t bytes;
	struct windows windows = {.data = stage_buffer(store, &bytes)};
	enum status status = STATUS_OK;

	if (record->durable == record->generation)
		return STATUS_OK;
	status = overlay_verify(store, &windows, record->durable);
	if (status == STATUS_OK)
		status = tree_verify(store, &windows, &record->space, DISK_TREE_SPACE,
				     record->durable, &budget);
	if (status == STATUS_OK)
		status = tree_verify(store, &windows, &record->catalogue, DISK_TREE_CATALOGUE,
				     record->durable, &budget);
	if (status == STATUS_OK)
		status = tree_verify(store, &windows, &record->free_map, DISK_TREE_FREE_MAP,
				     record->durable, &budget);
	return status;
}

/* ---- falling back ---------------------------------------------------------------------- */

/* Marks the number of a torn generation as spent, so that its record cannot
 * come back and its number is never used for another. */
static void tombstone_write(struct store *store, uint32_t slot, generation_t generation)
{
	void *sector = overlay_slot(&store->next_overlay);

	ASSERT(!store->mounted);
	if (store->read_only)
		return;
	/* Until that is flushed. */
	store->doubt = (struct doubt){.generation = generation.n, .slot = slot};
	tombstone_make(store, slot, generation, sector);
	if (device_flush(store) != STATUS_OK ||
	    device_transfer(store, BLOCK_WRITE, record_sector(slot), slot_written(store, 1),
			    sector) != STATUS_OK) {
		store_log(store,
			  "store: a tombstone could not be written; the next commit does it");
		store->doubt.refusals = 1;
	}
}

static enum status size_judge(const struct store *store, struct store_recovery *recovery)
{
	if (store->record.sectors <= store->device->sectors)
		return STATUS_OK;
	text_format(
		recovery->explanation, sizeof(recovery->explanation),
		"the store has %lu sectors, the disk only %lu: was the image cut off? Make it as "
		"long again, or save what is left with 'mkstore salvage'",
		store->record.sectors, store->device->sectors);
	return STATUS_TRUNCATED;
}

static enum status fall_back(struct store *store, struct ring *ring,
			     struct store_recovery *recovery)
{
	struct disk_record torn = store->record;

	if (!predecessor_read(store, ring, &torn, &store->record, &store->overlay)) {
		if (ring_unreadable(ring) < DISK_RING_SLOTS)
			return explain_unreadable(ring, recovery,
						  "the generation before the newest, which is "
						  "torn");
		text_format(
			recovery->explanation, sizeof(recovery->explanation),
			"generation %lu is torn and no predecessor is to be found in the commit "
			"ring: use a copy of this disk",
			torn.generation);
		return STATUS_CORRUPT;
	}
	if (size_judge(store, recovery) != STATUS_OK)
		return STATUS_TRUNCATED;
	recovery->torn.n = torn.generation;
	text_format(recovery->explanation, sizeof(recovery->explanation),
		    "generation %lu is torn (the power went, or its newest blocks are damaged): "
		    "resumed from generation %lu, which is whole",
		    torn.generation, store->record.generation);
	ring->newest = store->record.slot;
	ring->kind[torn.slot] = SLOT_TOMBSTONE;
	tombstone_write(store, torn.slot, recovery->torn);
	return STATUS_OK;
}

/* The first slot behind the newest record, from `slot` on, that holds nothing sensible;
 * DISK_RING_SLOTS: the next one was to be written before any such.  A tombstone that is
 * newer may lie in a slot that was passed over (commit_slot_next). */
static uint32_t ring_lost(const struct store *store, const struct ring *ring, uint32_t slot)
{
	while (ring->kind[slot] == SLOT_TOMBSTONE &&
	       ring->generation[slot] > store->record.generation)
		slot = (slot + 1) % DISK_RING_SLOTS;
	return ring->kind[slot] == SLOT_DAMAGED || ring->kind[slot] == SLOT_UNREADABLE
		       ? slot
		       : DISK_RING_SLOTS;
}

/* The slot after the newest record is where the next one was to be written: if
 * it holds nothing sensible, that was a newer record once, or it is what a failed write
 * has left, and the record is in the slot after that. */
static enum status next_slot_judge(struct store *store, struct ring *ring,
				   struct store_recovery *recovery)
{
	uint32_t first = ring_lost(store, ring, (store->record.slot + 1) % DISK_RING_SLOTS), slot;

	for (slot = first; slot < DISK_RING_SLOTS && !store->read_only;
	     slot = ring_lost(store, ring, (slot + 1) % DISK_RING_SLOTS)) {
		if (ring->kind[slot] != SLOT_UNREADABLE)
			continue;
		text_format(recovery->explanation, sizeof(recovery->explanation),
			    "slot %lu of the commit ring cannot be read and may hold a newer "
			    "generation "
			    "than %lu: check the disk, or open it read-only",
			    (uint64_t)slot, store->record.generation);
		return STATUS_IO;
	}
	if (first == DISK_RING_SLOTS)
		return STATUS_OK;
	recovery->torn.n = ++ring->largest;
	text_format(
		recovery->explanation, sizeof(recovery->explanation),
		"slot %lu of the commit ring is damaged; if it held generation %lu, that is lost: "
		"resumed from generation %lu, which is whole",
		(uint64_t)first, recovery->torn.n, store->record.generation);
	for (slot = first;
	     (slot = ring_lost(store, ring, (slot + 1) % DISK_RING_SLOTS)) < DISK_RING_SLOTS;) {
		ring->unexplained--;
		tombstone_write(store, slot, (generation_t){++ring->largest});
	}
	/* The last, for it is the one that the next commit strikes out if it has to. */
	ring->unexplained--;
	tombstone_write(store, first, recovery->torn);
	return STATUS_OK;
}

static enum status newest_choose(struct store *store, struct ring *ring,
				 struct store_recovery *recovery)
{
	enum status status;

	if (ring->newest == DISK_RING_SLOTS && ring_unreadable(ring) < DISK_RING_SLOTS)
		return explain_unreadable(ring, recovery, "a generation");
	if (ring->newest == DISK_RING_SLOTS)
		return explain(
			recovery, STATUS_CORRUPT,
			"the commit ring holds no generation: the store was never completed, or "
			"its ring is damaged");
	if (!record_read(store, ring, ring->newest, &store->record, &store->overlay))
		return explain(recovery, STATUS_IO,
			       "the newest commit record cannot be read again: check the disk");
	status = size_judge(store, recovery);
	if (status == STATUS_OK)
		status = next_slot_judge(store, ring, recovery);
	if (status == STATUS_OK && generation_verify(store) != STATUS_OK)
		status = fall_back(store, ring, recovery);
	return status;
}

/*
 * The record may have come out of a volatile cache, and the tombstone must be there
 * before its generation's sectors are used again.  When a flush fails, what it was to
 * cover may be lost although reads have found it: then all is to be read anew.
 */
static enum status recovery_flush(struct store *store, struct store_recovery *recovery)
{
	if (store->read_only)
		return STATUS_OK;
	if (device_flush(store) != STATUS_OK)
		return explain(recovery, STATUS_IO,
			       "the disk could not flush what it holds: nothing is changed; try "
			       "again, or open the store read-only");
	if (!store->doubt.refusals)
		store->doubt.generation = 0;
	return STATUS_OK;
}

/* ---- mount --------------------------------------------------------------------------------- */

static void previous_find(struct store *store, struct ring *ring)
{
	struct disk_record predecessor;

	memset(&store->previous_map, 0, sizeof(store->previous_map));
	store->previous.count = 0;
	store->previous_slot = (store->record.slot + DISK_RING_SLOTS - 1) % DISK_RING_SLOTS;
	if (predecessor_read(store, ring, &store->record, &predecessor, &store->previous)) {
		store->previous_slot = predecessor.slot;
		store->previous_map = predecessor.free_map;
	} else if (store->record.predecessor)
		store_log(store, "store: the record of generation %lu is gone from the ring",
			  store->record.predecessor);
	store->previous_blocks = store->record.predecessor_blocks;
	/* Older records do not tell which of its blocks are free now: any may be. */
	if (!(store->record.flags & DISK_RECORD_COUNTED)) {
		store->previous_blocks = store->previous.count;
		if (!reference_equal(&store->previous_map.reference,
				     &store->record.free_map.reference))
			store->previous_blocks +=
				disk_reference_auxiliary(&store->previous_map.reference);
	}
	/* The records before this one were half as long, on average. */
	store->delta_sectors = (store->record.generation - store->record.base) *
			       record_sectors(store->overlay.count) / 2;
}

static void recovery_fill(const struct store *store, struct store_recovery *recovery)
{
	const struct disk_record *record = &store->record;

	recovery->generation.n = record->generation;
	recovery->stop = STORE_STOP_POWER_CUT;
	if (record->flags & DISK_RECORD_CLEAN)
		recovery->stop = STORE_STOP_CLEAN;
	if (record->flags & DISK_RECORD_FRESH)
		recovery->stop = STORE_STOP_FRESH;
	recovery->restored = record->flags & DISK_RECORD_RESTORE;
	recovery->counters = record->counters;
	recovery->wall_ns = record->wall_ns;
}

enum status store_mount(struct store *store, struct store_recovery *recovery)
{
	struct ring ring;
	uint64_t damaged;
	enum status status;

	ASSERT(!store->mounted);
	memset(recovery, 0, sizeof(*recovery));
	if (cache_frames(store) < LIMIT_FRAMES_MIN)
		return explain(recovery, STATUS_NO_MEMORY,
			       "there is too little memory for the cache of a store: add some");
	status = superblock_find(store, recovery, &damaged);
	if (status != STATUS_OK)
		return status;
	if (store->device->sector_unit > store->write_unit / SECTOR_SIZE && !store->read_only)
		return explain(
			recovery, STATUS_FEATURE,
			"the disk writes sectors of 4096 bytes, the store has a write unit of 512: "
			"create one with a write unit of 4096 there and send it the content");
	if (store->device->sectors < DISK_DATA_SECTOR)
		return explain(
			recovery, STATUS_TRUNCATED,
			"the disk ends within the commit ring: was the image cut off? 'mkstore "
			"salvage' saves what is left");
	ring_read(store, &ring);
	status = newest_choose(store, &ring, recovery);
	if (status != STATUS_OK)
		return status;
	if (recovery->torn.n)
		store_log(store, "store: %s", recovery->explanation);
	if (ring.unexplained)
		store_log(store, "store: %lu slots of the commit ring are damaged or unreadable",
			  (uint64_t)ring.unexplained);
	previous_find(store, &ring);
	recovery->superblock_damaged = damaged != SUPERBLOCK_NONE;
	superblock_repair(store, damaged);
	status = recovery_flush(store, recovery);
	if (status != STATUS_OK)
		return status;
	store->generation = (ring.largest > store->record.generation ? ring.largest
								     : store->record.generation) +
			    1;
	reclaim_open(store);
	store_open(store);
	recovery_fill(store, recovery);
	return STATUS_OK;
}
