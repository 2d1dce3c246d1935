/* SPDX-License-Identifier: MIT */
/*
 * ring.c - superblocks, commit ring, and which generation is recovered.
 *
 * The rule, from docs/store-format.md: the newest valid record, unless an
 * extent born after its `durable` does not match; then, once, its predecessor.
 * A read error is never a reason to fall back.
 */
#include "tools/verify/verify_priv.h"
#include "base/assert.h"

#include <stdio.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

/* ---- superblocks ------------------------------------------------------ */

struct superblock_field {
	const char *name;
	uint64_t found, expected;
};

/* One line per field that is not what the format fixes. */
static bool superblock_fields(struct verify *verify, const char *name, uint64_t sector,
			      const struct disk_superblock *block)
{
	const struct superblock_field fields[] = {
		{"header_size", block->header_size, sizeof(*block)},
		{"sector_size", block->sector_size, SECTOR_SIZE},
		{"block_size", block->block_size, BLOCK_SIZE},
		{"ring_slots", block->ring_slots, DISK_RING_SLOTS},
		{"slot_size", block->slot_size, DISK_SLOT_SIZE},
		{"reserved0", block->reserved0, 0},
		{"ring_sector", block->ring_sector, DISK_RING_SECTOR},
		{"data_sector", block->data_sector, DISK_DATA_SECTOR},
	};
	bool sound = true;

	for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (fields[i].found == fields[i].expected)
			continue;
		sound = false;
		verify_report_at(verify, VERIFY_ERROR, VERIFY_SUPERBLOCK, NULL, sector,
				 "%s: %s is %llu, must be %llu", name, fields[i].name,
				 (unsigned long long)fields[i].found,
				 (unsigned long long)fields[i].expected);
	}
	if (block->write_unit != SECTOR_SIZE && block->write_unit != BLOCK_SIZE) {
		sound = false;
		verify_report_at(verify, VERIFY_ERROR, VERIFY_SUPERBLOCK, NULL, sector,
				 "%s: write_unit is %u, must be 512 or 4096", name,
				 block->write_unit);
	}
	if (!verify_zero(block->reserved, sizeof(block->reserved))) {
		sound = false;
		verify_report_at(verify, VERIFY_ERROR, VERIFY_SUPERBLOCK, NULL, sector,
				 "%s: the reserve is not zero", name);
	}
	return sound;
}

/* *whole: not, if its checksum does not match; that is for the caller to report. */
static enum status superblock_check(struct verify *verify, const char *name, uint64_t sector,
				    struct disk_superblock *block, bool *whole)
{
	uint64_t checksum;
	enum status status = verify->reader.read(verify->reader.context, (sector_t){sector},
						 BLOCK_SECTORS, block);

	*whole = true;
	if (status != STATUS_OK) {
		verify_report_at(verify, VERIFY_ERROR, VERIFY_READ, NULL, sector,
				 "%s: cannot be read: %s", name, status_text(status));
		return STATUS_IO;
	}
	if (block->magic != DISK_MAGIC_SUPERBLOCK) {
		verify_report_at(verify, VERIFY_ERROR, VERIFY_SUPERBLOCK, NULL, sector,
				 "%s (sector %llu): no superblock: magic is 0x%016llx", name,
				 (unsigned long long)sector, (unsigned long long)block->magic);
		return STATUS_NOT_A_STORE;
	}
	checksum = block->checksum;
	block->checksum = 0;
	*whole = XXH3_64bits(block, sizeof(*block)) == checksum;
	block->checksum = checksum;
	if (!*whole)
		return STATUS_CORRUPT;
	if (block->version != DISK_FORMAT_VERSION) {
		verify_report_at(verify, VERIFY_ERROR, VERIFY_SUPERBLOCK, NULL, sector,
				 "%s: format version %u, this program knows version %u", name,
				 block->version, DISK_FORMAT_VERSION);
		return STATUS_VERSION;
	}
	return superblock_fields(verify, name, sector, block) ? STATUS_OK : STATUS_CORRUPT;
}

static enum status superblock_features(struct verify *verify)
{
	const struct disk_superblock *block = &verify->superblock;
	uint64_t unknown = block->features_incompatible & ~DISK_FEATURES_KNOWN;

	if (unknown) {
		verify_report_at(verify, VERIFY_ERROR, VERIFY_SUPERBLOCK, NULL, VERIFY_NOWHERE,
				 "the store uses incompatible features 0x%llx, which this program "
				 "does not know: use a newer one",
				 (unsigned long long)unknown);
		return STATUS_FEATURE;
	}
	unknown = block->features_read_only & ~DISK_READ_ONLY_FEATURES_KNOWN;
	if (unknown)
		verify_report_at(
			verify, VERIFY_NOTE, VERIFY_SUPERBLOCK, NULL, VERIFY_NOWHERE,
			"the store uses features 0x%llx, unknown here, that forbid writing",
			(unsigned long long)unknown);
	return STATUS_OK;
}

/* Do they differ in nothing but what a change replaces? */
static bool superblock_changed(const struct disk_superblock *first,
			       const struct disk_superblock *copy)
{
	struct disk_superblock earlier = *first;

	earlier.features_incompatible = copy->features_incompatible;
	earlier.features_read_only = copy->features_read_only;
	earlier.features_compatible = copy->features_compatible;
	earlier.revision = copy->revision;
	memcpy(earlier.copy, copy->copy, sizeof(earlier.copy));
	earlier.checksum = copy->checksum;
	return memcmp(&earlier, copy, sizeof(earlier)) == 0;
}

/* One whose checksum does not match may have been written in part, if the other is whole. */
static void superblock_torn(struct verify *verify, const char *name, uint64_t sector,
			    const struct disk_superblock *block,
			    const struct disk_superblock *other)
{
	bool torn = other && superblock_changed(block, other);

	verify_report_at(verify, torn ? VERIFY_WARNING : VERIFY_ERROR, VERIFY_SUPERBLOCK, NULL,
			 sector, "%s (sector %llu): the checksum does not match: %s", name,
			 (unsigned long long)sector,
			 torn ? "a change was cut off, and the other one counts" : "damaged");
}

/* The later one counts. */
static const struct disk_superblock *superblock_later(struct verify *verify,
						      const struct disk_superblock *first,
						      const struct disk_superblock *copy)
{
	if (memcmp(first, copy, sizeof(*first)) == 0)
		return first;
	if (first->revision == copy->revision || !superblock_changed(first, copy))
		verify_report_at(verify, VERIFY_ERROR, VERIFY_SUPERBLOCK, NULL, VERIFY_NOWHERE,
				 "the superblock and its copy are both valid but differ");
	else
		verify_report_at(verify, VERIFY_WARNING, VERIFY_SUPERBLOCK, NULL, VERIFY_NOWHERE,
				 "the superblock is of revision %llu, its copy of %llu: a change "
				 "was cut off, and the later one counts",
				 (unsigned long long)first->revision,
				 (unsigned long long)copy->revision);
	return copy->revision > first->revision ? copy : first;
}

static void zero_area_check(struct verify *verify)
{
	uint8_t data[BLOCK_SIZE];
	uint64_t sector = DISK_SUPERBLOCK_COPY_SECTOR + BLOCK_SECTORS;

	for (; sector < DISK_RING_SECTOR; sector += BLOCK_SECTORS) {
		if (verify->reader.read(verify->reader.context, (sector_t){sector}, BLOCK_SECTORS,
					data) != STATUS_OK)
			verify_report_at(verify, VERIFY_ERROR, VERIFY_READ, NULL, sector,
					 "sectors %llu-%llu before the ring cannot be read",
					 (unsigned long long)sector,
					 (unsigned long long)sector + BLOCK_SECTORS - 1);
		else if (!verify_zero(data, sizeof(data)))
			verify_report_at(verify, VERIFY_ERROR, VERIFY_ZERO_AREA, NULL, sector,
					 "sectors %llu-%llu before the ring are not zero",
					 (unsigned long long)sector,
					 (unsigned long long)sector + BLOCK_SECTORS - 1);
	}
}

enum status verify_superblocks(struct verify *verify)
{
	struct disk_superblock first, copy;
	enum status first_status, copy_status;
	bool first_whole, copy_whole;

	if (verify->reader.sectors < DISK_RING_SECTOR) {
		verify_report_at(verify, VERIFY_ERROR, VERIFY_SUPERBLOCK, NULL, VERIFY_NOWHERE,
				 "%llu sectors are too few for a store: the smallest has %u",
				 (unsigned long long)verify->reader.sectors, DISK_SECTORS_MIN);
		return STATUS_NOT_A_STORE;
	}
	first_status = superblock_check(verify, "superblock", DISK_SUPERBLOCK_SECTOR, &first,
					&first_whole);
	copy_status = superblock_check(verify, "superblock copy", DISK_SUPERBLOCK_COPY_SECTOR,
				       &copy, &copy_whole);
	if (!first_whole)
		superblock_torn(verify, "superblock", DISK_SUPERBLOCK_SECTOR, &first,
				copy_status == STATUS_OK ? &copy : NULL);
	if (!copy_whole)
		superblock_torn(verify, "superblock copy", DISK_SUPERBLOCK_COPY_SECTOR, &copy,
				first_status == STATUS_OK ? &first : NULL);
	if (first_status != STATUS_OK && copy_status != STATUS_OK) {
		/* Most telling first: a foreign image has no magic at all. */
		return first_status == STATUS_NOT_A_STORE ? copy_status : first_status;
	}
	if (first_status == STATUS_OK && copy_status == STATUS_OK)
		verify->superblock = *superblock_later(verify, &first, &copy);
	else
		verify->superblock = first_status == STATUS_OK ? first : copy;
	verify->record_seed =
		XXH3_64bits(verify->superblock.identity, sizeof(verify->superblock.identity));
	zero_area_check(verify);
	if (verify->reader.sectors < DISK_DATA_SECTOR) {
		verify_report_at(verify, VERIFY_ERROR, VERIFY_RING, NULL, VERIFY_NOWHERE,
				 "%llu sectors end within the commit ring: was the image cut off?",
				 (unsigned long long)verify->reader.sectors);
		return STATUS_TRUNCATED;
	}
	return superblock_features(verify);
}

/* ---- the slots -------------------------------------------------------- */

static const struct disk_record *ring_at(const struct verify *verify, uint32_t slot, uint64_t magic)
{
	const struct disk_record *record = &verify->ring[slot % DISK_RING_SLOTS];

	return record->magic == magic ? record : NULL;
}

static uint64_t tombstone_generation(const struct disk_record *record)
{
	struct disk_tombstone stone;

	ASSERT(record->magic == DISK_MAGIC_TOMBSTONE);
	static_assert(sizeof(stone) <= sizeof(*record), "one lies in the place of the other");
	memcpy(&stone, record, sizeof(stone));
	return stone.generation;
}

/* The number of a generation after the newest, which failed or was torn. */
static bool stone_is_newer(const struct verify *verify, uint32_t slot,
			   const struct disk_record *newest)
{
	const struct disk_record *stone = ring_at(verify, slot, DISK_MAGIC_TOMBSTONE);

	return stone && tombstone_generation(stone) > newest->generation;
}

/*
 * A record's predecessor lies in the slot before it, or further back: then the slots
 * between could not be written when their turn came.  They hold what had been there a
 * lap before, or what a failed write has left.  The oldest record's predecessor has been
 * overwritten if the ring has been round: what lies between is of that kind, too, unless
 * a record of this lap is there.  So can be the slots that come next, then or if they are
 * struck out.
 */
static void passed_slots_find(struct verify *verify, const struct disk_record *newest)
{
	uint64_t wanted = newest->predecessor;
	uint32_t between = 0, next = newest->slot + 1;
	bool this_lap = false;

	ASSERT(newest->slot < DISK_RING_SLOTS);
	for (uint32_t i = 1; i < DISK_RING_SLOTS && wanted; i++) {
		uint32_t slot = (newest->slot + DISK_RING_SLOTS - i) % DISK_RING_SLOTS;
		const struct disk_record *record = ring_at(verify, slot, DISK_MAGIC_RECORD);

		if (record && record->generation > wanted)
			return;
		if (!record || record->generation != wanted) {
			/* No slot takes less than a number. */
			this_lap |= record && record->generation + DISK_RING_SLOTS / 2 > wanted;
			between++;
			continue;
		}
		for (; between; between--)
			verify->passed_slot[(slot + between) % DISK_RING_SLOTS] = true;
		wanted = record->predecessor;
		this_lap = false;
	}
	if (this_lap)
		between = 0;
	for (uint32_t i = 1; i < DISK_RING_SLOTS; i++, next++) {
		uint32_t slot = next % DISK_RING_SLOTS;

		if (i > between && ring_at(verify, slot, DISK_MAGIC_RECORD))
			return;
		if (!stone_is_newer(verify, slot, newest) &&
		    (wanted || ring_at(verify, slot, DISK_MAGIC_TOMBSTONE)))
			verify->passed_slot[slot] = true;
	}
}

/* Does this slot come next, but for others that hold no record either? */
static bool slot_is_next(const struct verify *verify, uint32_t slot,
			 const struct disk_record *newest)
{
	uint32_t next = (newest->slot + 1) % DISK_RING_SLOTS;

	ASSERT(slot < DISK_RING_SLOTS);
	while (next != slot && !ring_at(verify, next, DISK_MAGIC_RECORD))
		next = (next + 1) % DISK_RING_SLOTS;
	return next == slot;
}

/*
 * A slot without sense is damage, unless it comes after the newest record and a record
 * of several sectors may have been cut off there: that is what every power cut can
 * leave, and recovery knows it.
 */
static void slots_report(struct verify *verify, const struct disk_record *newest)
{
	for (uint32_t slot = 0; slot < DISK_RING_SLOTS; slot++) {
		uint64_t sector = DISK_RING_SECTOR + (uint64_t)slot * DISK_SLOT_SECTORS;
		bool next = newest && slot_is_next(verify, slot, newest);

		if (verify->passed_slot[slot] && !next)
			verify_report_at(verify, VERIFY_WARNING, VERIFY_SLOT, NULL, sector,
					 "slot %u (sector %llu): could not be written when its "
					 "turn came, and was passed over",
					 slot, (unsigned long long)sector);
		else if (verify->damage[slot] && next && verify->torn_slot[slot])
			verify_report_at(verify, VERIFY_WARNING, VERIFY_SLOT, NULL, sector,
					 "slot %u (sector %llu): a record of several sectors was "
					 "cut off; if it was generation %llu, that is lost",
					 slot, (unsigned long long)sector,
					 (unsigned long long)newest->generation + 1);
		else if (verify->damage[slot])
			verify_report_at(verify, VERIFY_ERROR, VERIFY_SLOT, NULL, sector,
					 "slot %u (sector %llu): %s", slot,
					 (unsigned long long)sector, verify->damage[slot]);
	}
}

/* ---- order and choice ------------------------------------------------- */

static void ring_read(struct verify *verify)
{
	for (uint32_t slot = 0; slot < DISK_RING_SLOTS; slot++)
		verify_slot_read(verify, slot);
}

static void counters_check(struct verify *verify, const struct disk_record *earlier,
			   const struct disk_record *later)
{
	if (later->counters.uptime_ns < earlier->counters.uptime_ns ||
	    later->counters.object_version < earlier->counters.object_version ||
	    later->counters.resumes < earlier->counters.resumes)
		verify_record_report(verify, later, later->slot,
				     "a counter is below its predecessor's: they never go back");
	if (later->next_snapshot < earlier->next_snapshot)
		verify_record_report(verify, later, later->slot,
				     "`next_snapshot` is below its predecessor's");
}

static void successor_check(struct verify *verify, const struct disk_record *earlier,
			    const struct disk_record *later)
{
	const char *fault = verify_delta_chain_fault(verify, earlier, later);

	counters_check(verify, earlier, later);
	if (fault)
		verify_record_report(verify, later, later->slot, fault);
}

/*
 * From the newest record back, each slot that was not passed over must hold the
 * predecessor of the one after it, until the first generation or until the ring is
 * once around.  What comes next may have been struck out.
 */
static void ring_order_check(struct verify *verify, const struct disk_record *newest)
{
	const struct disk_record *later = newest;

	for (uint32_t i = 1; i < DISK_RING_SLOTS; i++) {
		uint32_t slot = (newest->slot + DISK_RING_SLOTS - i) % DISK_RING_SLOTS;
		const struct disk_record *record = &verify->ring[slot];

		if (verify->passed_slot[slot] || stone_is_newer(verify, slot, newest))
			continue;
		if (later && later->predecessor == 0) {
			if (record->magic)
				verify_report_at(verify, VERIFY_ERROR, VERIFY_RING, NULL,
						 VERIFY_NOWHERE,
						 "slot %u is in use, but slot %u holds the first "
						 "generation",
						 slot, later->slot);
			continue;
		}
		if (record->magic != DISK_MAGIC_RECORD) {
			if (later && record->magic == DISK_MAGIC_TOMBSTONE)
				verify_report_at(verify, VERIFY_ERROR, VERIFY_RING, NULL,
						 VERIFY_NOWHERE,
						 "slot %u holds a tombstone among records", slot);
			else if (later && !verify->damage[slot])
				verify_report_at(
					verify, VERIFY_ERROR, VERIFY_RING, NULL, VERIFY_NOWHERE,
					"slot %u does not hold generation %llu, the "
					"predecessor of slot %u",
					slot, (unsigned long long)later->predecessor, later->slot);
			later = NULL;
			continue;
		}
		if (later && record->generation != later->predecessor)
			verify_report_at(verify, VERIFY_ERROR, VERIFY_RING, NULL, VERIFY_NOWHERE,
					 "slot %u holds generation %llu, slot %u names %llu as its "
					 "predecessor",
					 slot, (unsigned long long)record->generation, later->slot,
					 (unsigned long long)later->predecessor);
		else if (later)
			successor_check(verify, record, later);
		later = record;
	}
}

static void ring_tombstones_check(struct verify *verify, const struct disk_record *newest)
{
	for (uint32_t slot = 0; slot < DISK_RING_SLOTS; slot++) {
		const struct disk_record *stone = ring_at(verify, slot, DISK_MAGIC_TOMBSTONE);

		if (stone && !verify->passed_slot[slot] &&
		    tombstone_generation(stone) <= newest->generation)
			verify_report_at(
				verify, VERIFY_ERROR, VERIFY_TOMBSTONE, NULL, VERIFY_NOWHERE,
				"the tombstone in slot %u spends generation %llu, not above "
				"the newest, %llu",
				slot, (unsigned long long)tombstone_generation(stone),
				(unsigned long long)newest->generation);
	}
}

static const struct disk_record *ring_find(const struct verify *verify, uint64_t generation)
{
	for (uint32_t slot = 0; slot < DISK_RING_SLOTS; slot++) {
		const struct disk_record *record = ring_at(verify, slot, DISK_MAGIC_RECORD);

		if (record && record->generation == generation)
			return record;
	}
	return NULL;
}

static const struct disk_record *ring_newest(struct verify *verify)
{
	const struct disk_record *newest = NULL;

	for (uint32_t slot = 0; slot < DISK_RING_SLOTS; slot++) {
		const struct disk_record *record = ring_at(verify, slot, DISK_MAGIC_RECORD);

		if (!record)
			continue;
		if (newest && record->generation == newest->generation)
			verify_report_at(verify, VERIFY_ERROR, VERIFY_RING, NULL, VERIFY_NOWHERE,
					 "slots %u and %u both hold generation %llu", newest->slot,
					 slot, (unsigned long long)newest->generation);
		if (!newest || record->generation > newest->generation)
			newest = record;
	}
	return newest;
}

static bool size_fits(struct verify *verify, const struct disk_record *record)
{
	if (record->sectors <= verify->reader.sectors)
		return true;
	verify_report_at(verify, VERIFY_ERROR, VERIFY_RECORD, NULL, VERIFY_NOWHERE,
			 "generation %llu describes a store of %llu sectors, the device has %llu: "
			 "the image is truncated",
			 (unsigned long long)record->generation,
			 (unsigned long long)record->sectors,
			 (unsigned long long)verify->reader.sectors);
	return false;
}

/* The record to recover from, given the newest: itself or its predecessor. */
static const struct disk_record *ring_fall_back(struct verify *verify,
						const struct disk_record *newest)
{
	struct verify_place place;
	struct disk_reference reference;
	const struct disk_record *earlier;
	char where[160];

	if (verify_tree_confirm(verify, newest, &place, &reference))
		return newest;
	verify->totals.torn.n = newest->generation;
	verify_place_text(&place, where, sizeof(where));
	earlier = ring_find(verify, newest->predecessor);
	if (!earlier) {
		verify_report_at(verify, VERIFY_ERROR, VERIFY_RECOVERY, NULL, VERIFY_NOWHERE,
				 "the commit of generation %llu is torn (%s, sector %llu, does not "
				 "match) and there is no predecessor to fall back to",
				 (unsigned long long)newest->generation, where,
				 (unsigned long long)disk_reference_sector(&reference).n);
		return NULL;
	}
	verify_report_at(verify, VERIFY_WARNING, VERIFY_RECOVERY, NULL, VERIFY_NOWHERE,
			 "the commit of generation %llu is torn (%s, sector %llu, does not match): "
			 "recovery falls back to generation %llu",
			 (unsigned long long)newest->generation, where,
			 (unsigned long long)disk_reference_sector(&reference).n,
			 (unsigned long long)earlier->generation);
	return earlier;
}

/* A newer record would lie in the next slot.  If that holds nothing sensible, a number
 * counts as spent; and it may have been passed over, as one with a newer tombstone. */
static void next_slot_judge(struct verify *verify, const struct disk_record *newest)
{
	uint32_t next = (newest->slot + 1) % DISK_RING_SLOTS;

	ASSERT(!stone_is_newer(verify, newest->slot, newest)); /* so there is an end */
	while (stone_is_newer(verify, next, newest))
		next = (next + 1) % DISK_RING_SLOTS;
	if (verify->damage[next])
		verify->totals.torn.n = verify->totals.largest.n + 1;
}

enum status verify_ring_choose(struct verify *verify)
{
	const struct disk_record *newest, *chosen, *before;

	ring_read(verify);
	newest = ring_newest(verify);
	if (newest)
		passed_slots_find(verify, newest);
	slots_report(verify, newest);
	if (!newest) {
		verify_report_at(verify, VERIFY_ERROR, VERIFY_RECOVERY, NULL, VERIFY_NOWHERE,
				 "the ring holds no valid commit record: nothing can be recovered");
		return STATUS_CORRUPT;
	}
	ring_order_check(verify, newest);
	ring_tombstones_check(verify, newest);
	if (!size_fits(verify, newest))
		return STATUS_TRUNCATED;
	next_slot_judge(verify, newest);
	chosen = ring_fall_back(verify, newest);
	if (!chosen)
		return STATUS_CORRUPT;
	if (!size_fits(verify, chosen))
		return STATUS_TRUNCATED;
	verify->chosen.record = *chosen;
	verify->chosen.delta = verify->delta[chosen->slot];
	verify->totals.generation.n = chosen->generation;
	verify->totals.slot = chosen->slot;
	verify->totals.sectors = chosen->sectors;
	ASSERT(verify->chosen.delta || !chosen->entries);
	before = chosen->predecessor ? ring_find(verify, chosen->predecessor) : NULL;
	if (before && size_fits(verify, before)) {
		verify->before.record = *before;
		verify->before.delta = verify->delta[before->slot];
		verify->before.predecessor = true;
	}
	return STATUS_OK;
}
