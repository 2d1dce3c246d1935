/* SPDX-License-Identifier: MIT */
/*
 * media.h - what lies on the medium and how it is told apart: extents with the places they belong
 * to, checksums, compression, superblocks, slots of the commit ring.  It has no state.
 *
 * What other parts of the store may call and see.
 */
#ifndef STORE_MEDIA_MEDIA_H
#define STORE_MEDIA_MEDIA_H

#include <string.h>

#include "store/store.h"

struct overlay;

/* ---- places and references (reference.c) ---------------------------- */

/* What an extent is and where it belongs; the seed of its checksum. */
struct place {
	enum disk_tree tree;
	unsigned level;
	uint64_t key;
};

static inline uint64_t place_seed(struct place place)
{
	return disk_seed(place.tree, place.level, place.key);
}

static inline bool reference_is_null(const struct disk_reference *reference)
{
	return reference->codec == DISK_CODEC_NONE;
}

static inline bool reference_equal(const struct disk_reference *one,
				   const struct disk_reference *other)
{
	static_assert(sizeof(*one) == 4 * sizeof(uint64_t), "a few comparisons, no call");
	return memcmp(one, other, sizeof(*one)) == 0;
}

/* Can this reference be followed: fields in range, sectors within the store? */
bool reference_valid(const struct disk_reference *reference, struct place place,
		     uint64_t store_sectors);
bool root_valid(const struct disk_root *root, enum disk_tree tree, uint64_t store_sectors);

/* ---- checksum.c, codec.c ---------------------------------------------- */

uint64_t checksum(const void *data, size_t size, uint64_t seed);
/* The checksum of a structure that contains it: the field counts as zero. */
uint64_t checksum_with_hole(void *data, size_t size, uint64_t *field, uint64_t seed);

#define CODEC_STATE_BYTES 16640u
/* Compresses a page into at most `room` bytes; 0 when it does not fit. */
uint32_t codec_compress(void *state, const void *page, void *out, uint32_t room);
bool codec_decompress(const void *in, uint32_t length, void *page);
/* A node's bytes in another order, which compresses better, and back. */
void codec_columns(const struct disk_node *node, void *columns);
void codec_rows(const void *columns, struct disk_node *node);
bool codec_is_zero(const void *page);

/* ---- device.c: synchronous, for format and mount ------------------------- */

/* A read or a write, in as many requests as the device needs. */
enum status device_transfer(struct store *store, enum block_operation operation, sector_t sector,
			    uint32_t sectors, void *data);
enum status device_flush(struct store *store);

/* ---- superblock.c ------------------------------------------------------------ */

/* Finds the superblock, at mount.  *damaged: where the one of the two lies that
 * must be written anew; SUPERBLOCK_NONE: none must. */
#define SUPERBLOCK_NONE UINT64_MAX
enum status superblock_find(struct store *store, struct store_recovery *recovery,
			    uint64_t *damaged);
/* Writes it there, synchronously; the next flush makes it durable. */
void superblock_repair(struct store *store, uint64_t damaged);

/* ---- record.c: the commit ring ------------------------------------------------ */

sector_t record_sector(uint32_t slot);
/* Sectors that a record with this many entries takes. */
uint32_t record_sectors(uint32_t entries);
/* Puts the record before the entries in the overlay's slot, as it is written. */
void record_seal(const struct store *store, const struct disk_record *record,
		 const struct overlay *overlay);
/* As many zeros behind it as are written with it. */
void tombstone_make(const struct store *store, uint32_t slot, generation_t generation,
		    void *sectors);
/* Sectors written for so many at the beginning of a slot: whole write units. */
uint32_t slot_written(const struct store *store, uint32_t sectors);

enum slot_kind { SLOT_ZERO, SLOT_RECORD, SLOT_TOMBSTONE, SLOT_DAMAGED, SLOT_UNREADABLE };
/* What lies in a slot, of which all is there that a record in it covers. */
enum slot_kind slot_classify(const struct store *store, uint32_t slot, void *image);
/* Sectors that the record in this slot claims to have, judged by its first. */
uint32_t slot_sectors(const void *image);

#endif
