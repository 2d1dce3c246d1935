/* SPDX-License-Identifier: MIT */
/*
 * superblock.c - the two superblocks at mount: which one counts, and repair.
 *
 * They are written alike, so they check each other.  One that cannot
 * be read, or is no superblock any more, is written anew from the other, but
 * only when the store behind it has been recovered: before that, nothing says
 * that this disk has not become somebody else's.  So is one that is a change behind: the
 * power went between the two.  Two that are both valid and differ otherwise are of different
 * stores, and which one is meant is not for a program to guess.
 */
#include "store/store_priv.h"
#include "base/text.h"

/* Does this block hold a superblock as it was written: magic, checksum? */
static enum status superblock_check(struct disk_superblock *superblock)
{
	if (superblock->magic != DISK_MAGIC_SUPERBLOCK)
		return STATUS_NOT_A_STORE;
	if (checksum_with_hole(superblock, sizeof(*superblock), &superblock->checksum, 0) !=
	    superblock->checksum)
		return STATUS_CORRUPT;
	return STATUS_OK;
}

bool store_identify(struct disk_superblock *superblock, uint8_t identity[16])
{
	static const uint8_t none[sizeof(superblock->copy)];

	if (superblock_check(superblock) != STATUS_OK)
		return false;
	memcpy(identity, superblock->identity, sizeof(superblock->identity));
	if (memcmp(superblock->copy, none, sizeof(none)) != 0)
		memcpy(identity, superblock->copy, sizeof(superblock->copy));
	return true;
}

static enum status superblock_read(struct store *store, sector_t sector,
				   struct disk_superblock *superblock)
{
	if (device_transfer(store, BLOCK_READ, sector, BLOCK_SECTORS, superblock) != STATUS_OK)
		return STATUS_IO;
	return superblock_check(superblock);
}

static enum status explain(struct store_recovery *recovery, enum status status, const char *text)
{
	text_format(recovery->explanation, sizeof(recovery->explanation), "%s", text);
	return status;
}

static bool geometry_known(const struct disk_superblock *superblock)
{
	return superblock->header_size == sizeof(*superblock) &&
	       superblock->sector_size == SECTOR_SIZE && superblock->block_size == BLOCK_SIZE &&
	       (superblock->write_unit == SECTOR_SIZE || superblock->write_unit == BLOCK_SIZE) &&
	       superblock->ring_slots == DISK_RING_SLOTS &&
	       superblock->slot_size == DISK_SLOT_SIZE &&
	       superblock->ring_sector == DISK_RING_SECTOR &&
	       superblock->data_sector == DISK_DATA_SECTOR;
}

static enum status superblock_judge(struct store *store, struct store_recovery *recovery)
{
	const struct disk_superblock *superblock = store->superblock;
	uint64_t unknown = superblock->features_incompatible & ~DISK_FEATURES_KNOWN;

	if (superblock->version != DISK_FORMAT_VERSION) {
		text_format(
			recovery->explanation, sizeof(recovery->explanation),
			"the store has format version %lu, this program knows version %lu: use a "
			"program that knows it",
			(uint64_t)superblock->version, (uint64_t)DISK_FORMAT_VERSION);
		return STATUS_VERSION;
	}
	if (unknown) {
		text_format(recovery->explanation, sizeof(recovery->explanation),
			    "the store uses features 0x%lx that this program does not know: use a "
			    "newer "
			    "program",
			    unknown);
		return STATUS_FEATURE;
	}
	if (!geometry_known(superblock))
		return explain(
			recovery, STATUS_CORRUPT,
			"the superblock describes a layout that format version 1 does not have");
	if (superblock->write_unit < store->device->sector_unit * SECTOR_SIZE)
		return explain(
			recovery, STATUS_FEATURE,
			"the disk has sectors of 4096 bytes, and the store was made for those "
			"of 512: attach it with logical_block_size=512");
	if (superblock->features_read_only & ~DISK_READ_ONLY_FEATURES_KNOWN) {
		store_log(store,
			  "store: features 0x%lx are not known: it can only be read here; use a "
			  "newer "
			  "program",
			  superblock->features_read_only & ~DISK_READ_ONLY_FEATURES_KNOWN);
		store->read_only = store->sealed = true;
	}
	store->write_unit = superblock->write_unit;
	store->identity_seed = checksum(superblock->identity, sizeof(superblock->identity), 0);
	return STATUS_OK;
}

/* Neither can be used: what is most likely wrong. */
static enum status superblocks_refuse(struct store_recovery *recovery, enum status first,
				      enum status copy)
{
	if (first == STATUS_IO || copy == STATUS_IO)
		return explain(recovery, STATUS_IO,
			       "neither superblock can be read (sectors 0 and 8): check the disk");
	if (first == STATUS_CORRUPT || copy == STATUS_CORRUPT)
		return explain(recovery, STATUS_CORRUPT,
			       "both superblocks (sectors 0 and 8) are damaged: restore one from a "
			       "copy of this disk, or save the store by 'mkstore salvage'");
	return explain(recovery, STATUS_NOT_A_STORE,
		       "no superblock at sector 0 or 8: this disk or partition holds no store, or "
		       "both superblocks are lost: 'mkstore salvage' looks for what is there");
}

/* One store's, before and after a change? */
static bool superblock_changed(const struct disk_superblock *a, const struct disk_superblock *b)
{
	size_t fixed = offsetof(struct disk_superblock, identity);

	return a->revision != b->revision &&
	       memcmp(a, b, offsetof(struct disk_superblock, features_incompatible)) == 0 &&
	       memcmp((const uint8_t *)a + fixed, (const uint8_t *)b + fixed,
		      offsetof(struct disk_superblock, revision) - fixed) == 0;
}

enum status superblock_find(struct store *store, struct store_recovery *recovery, uint64_t *damaged)
{
	struct disk_superblock *superblock = store->superblock;
	struct disk_superblock *other = (struct disk_superblock *)store->columns;
	enum status first, copy;

	*damaged = SUPERBLOCK_NONE;
	if (store->device->sectors < DISK_RING_SECTOR)
		return explain(recovery, STATUS_NOT_A_STORE,
			       "the disk is too small to hold a store: is it the right one?");
	first = superblock_read(store, (sector_t){DISK_SUPERBLOCK_SECTOR}, superblock);
	copy = superblock_read(store, (sector_t){DISK_SUPERBLOCK_COPY_SECTOR}, other);
	if (first != STATUS_OK && copy != STATUS_OK)
		return superblocks_refuse(recovery, first, copy);
	if (first != STATUS_OK) {
		*damaged = DISK_SUPERBLOCK_SECTOR;
		*superblock = *other;
		store_log(store, "store: superblock at sector 0: %s; its copy is used",
			  status_text(first));
	} else if (copy != STATUS_OK) {
		*damaged = DISK_SUPERBLOCK_COPY_SECTOR;
		store_log(store, "store: superblock copy at sector 8: %s", status_text(copy));
	} else if (superblock_changed(superblock, other)) {
		bool behind = superblock->revision < other->revision;

		*damaged = behind ? DISK_SUPERBLOCK_SECTOR : DISK_SUPERBLOCK_COPY_SECTOR;
		if (behind)
			*superblock = *other;
		store_log(store,
			  "store: the superblock at sector %lu is behind, revision %lu counts",
			  *damaged, superblock->revision);
	} else if (memcmp(superblock, other, sizeof(*superblock)) != 0) {
		return explain(recovery, STATUS_CORRUPT,
			       "the superblocks at sectors 0 and 8 are both valid but differ: one "
			       "is another store's; overwrite it with the right one");
	}
	return superblock_judge(store, recovery);
}

void superblock_repair(struct store *store, uint64_t damaged)
{
	if (damaged == SUPERBLOCK_NONE || store->read_only)
		return;
	ASSERT(damaged == DISK_SUPERBLOCK_SECTOR || damaged == DISK_SUPERBLOCK_COPY_SECTOR);
	if (device_transfer(store, BLOCK_WRITE, (sector_t){damaged}, BLOCK_SECTORS,
			    store->superblock) == STATUS_OK)
		store_log(store,
			  "store: the superblock at sector %lu is written anew from the other",
			  damaged);
	else
		store_log(store,
			  "store: the superblock at sector %lu cannot be written: check the "
			  "disk",
			  damaged);
}

/* Makes durable what was changed in store->superblock: one of the two at a time. */
static enum status superblock_write(struct store *store)
{
	static const sector_t order[] = {{DISK_SUPERBLOCK_COPY_SECTOR}, {DISK_SUPERBLOCK_SECTOR}};
	struct disk_superblock *superblock = store->superblock;
	enum status status;

	ASSERT(!store->read_only);
	superblock->revision++;
	superblock->checksum =
		checksum_with_hole(superblock, sizeof(*superblock), &superblock->checksum, 0);
	/* What a mount has repaired must be durable before the other one is overwritten. */
	status = device_flush(store);
	for (unsigned i = 0; i < 2 && status == STATUS_OK; i++) {
		status = device_transfer(store, BLOCK_WRITE, order[i], BLOCK_SECTORS, superblock);
		if (status == STATUS_OK)
			status = device_flush(store);
	}
	return status;
}

enum status store_copy_set(struct store *store, const uint8_t copy[16])
{
	if (store->read_only)
		return STATUS_READ_ONLY;
	memcpy(store->superblock->copy, copy, sizeof(store->superblock->copy));
	return superblock_write(store);
}

void store_features_get(const struct store *store, struct store_features *features)
{
	features->incompatible = store->superblock->features_incompatible;
	features->read_only = store->superblock->features_read_only;
}

enum status store_convert(struct store *store)
{
	struct disk_superblock *superblock = store->superblock;
	struct store_features before, after;

	if (store->read_only)
		return STATUS_READ_ONLY;
	store_features_get(store, &before);
	superblock->features_incompatible |= DISK_FEATURES_KNOWN;
	superblock->features_read_only |= DISK_READ_ONLY_FEATURES_KNOWN;
	store_features_get(store, &after);
	if (memcmp(&before, &after, sizeof(before)) == 0)
		return STATUS_OK;
	return superblock_write(store);
}
