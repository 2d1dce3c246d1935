/* SPDX-License-Identifier: MIT */
/*
 * reference.c - whether what the disk names can be followed at all.
 */
#include "store/store_priv.h"

static bool extent_within(const struct disk_reference *reference, uint64_t store_sectors)
{
	uint64_t sector = disk_reference_sector(reference).n;

	return reference->sectors >= 1 && reference->sectors <= BLOCK_SECTORS &&
	       sector >= DISK_DATA_SECTOR && sector < store_sectors &&
	       reference->sectors <= store_sectors - sector &&
	       sector % BLOCK_SECTORS + reference->sectors <= BLOCK_SECTORS &&
	       reference->length <= reference->sectors * SECTOR_SIZE;
}

bool reference_valid(const struct disk_reference *reference, struct place place,
		     uint64_t store_sectors)
{
	static const struct disk_reference null;
	uint64_t auxiliary = disk_reference_auxiliary(reference);
	struct disk_reference zero = {.codec = DISK_CODEC_ZERO, .birth = reference->birth};

	if (reference_is_null(reference))
		return reference_equal(reference, &null);
	if (place.tree == DISK_TREE_FREE_MAP ? auxiliary >> (7 * place.level) > PAGE_SIZE
					     : auxiliary != 0)
		return false;
	switch (reference->codec) {
	case DISK_CODEC_ZERO:
		return place.tree == DISK_TREE_SPACE && place.level == 0 &&
		       reference_equal(reference, &zero);
	case DISK_CODEC_RAW:
		return extent_within(reference, store_sectors) && reference->length == PAGE_SIZE;
	case DISK_CODEC_COLUMNS:
		if (!place.level)
			return false; /* fall through */
	case DISK_CODEC_LZ4:
		return extent_within(reference, store_sectors) && reference->length > 0 &&
		       place.tree != DISK_TREE_FREE_MAP;
	default:
		return false;
	}
}

bool root_valid(const struct disk_root *root, enum disk_tree tree, uint64_t store_sectors)
{
	struct place place = {tree, root->height, 0};

	return root->height <= DISK_HEIGHT_MAX &&
	       reference_is_null(&root->reference) == !root->height &&
	       reference_valid(&root->reference, place, store_sectors);
}
