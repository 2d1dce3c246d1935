/* SPDX-License-Identifier: MIT */
/*
 * extent.c - references, the extents that they name, and what is kept of those.
 *
 * Every byte read here is hostile until its checksum has matched, and every field is
 * checked even then.
 */
#include "tools/verify/verify_priv.h"
#include "base/assert.h"

#include <lz4.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

/* ---- references ------------------------------------------------------- */

static const char *extent_fault(const struct disk_reference *reference, uint64_t sectors)
{
	uint64_t first = disk_reference_sector(reference).n;
	uint64_t count = reference->sectors;

	if (reference->codec == DISK_CODEC_RAW) {
		if (count != BLOCK_SECTORS || reference->length != BLOCK_SIZE)
			return "a raw extent is not 8 sectors and 4096 bytes long";
	} else if (count == 0 || count >= BLOCK_SECTORS) {
		return "a compressed extent is not 1 to 7 sectors long";
	} else if (reference->length <= (count - 1) * SECTOR_SIZE ||
		   reference->length > count * SECTOR_SIZE) {
		return "the stored length does not need exactly its sectors";
	}
	if (first < DISK_DATA_SECTOR || first >= sectors || count > sectors - first)
		return "the extent lies outside the data area";
	if (first / BLOCK_SECTORS != (first + count - 1) / BLOCK_SECTORS)
		return "the extent crosses a block";
	return NULL;
}

const char *verify_reference_fault(const struct verify_place *place,
				   const struct disk_reference *reference, uint64_t sectors,
				   uint64_t birth_max)
{
	if (reference->codec == DISK_CODEC_NONE)
		return "a null reference is not all zero";
	if (reference->codec > DISK_CODEC_COLUMNS)
		return "the codec is unknown";
	if (reference->codec == DISK_CODEC_COLUMNS && !place->level)
		return "only a node can be stored in columns";
	if (reference->birth == 0 || reference->birth > birth_max)
		return "it is born after what refers to it";
	if (place->tree != DISK_TREE_FREE_MAP && disk_reference_auxiliary(reference))
		return "the auxiliary word is not zero";
	if (reference->codec == DISK_CODEC_ZERO) {
		struct disk_reference zero = {.codec = DISK_CODEC_ZERO, .birth = reference->birth};

		if (place->tree != DISK_TREE_SPACE || place->level)
			return "only a page of the space can be a page of zeros";
		return memcmp(&zero, reference, sizeof(zero)) == 0
			       ? NULL
			       : "a page of zeros has fields that must be zero";
	}
	if (place->tree == DISK_TREE_FREE_MAP && reference->codec != DISK_CODEC_RAW)
		return "the free map is stored compressed";
	return extent_fault(reference, sectors);
}

bool verify_reference_check(struct verify *verify, const struct verify_place *place,
			    const struct disk_reference *reference, uint64_t birth_max)
{
	const char *fault =
		verify_reference_fault(place, reference, verify->totals.sectors, birth_max);

	if (!fault && reference->codec == DISK_CODEC_COLUMNS &&
	    !(verify->superblock.features_incompatible & DISK_FEATURE_COLUMNS))
		fault = "a node is stored in columns in a store without that feature";
	if (!fault)
		return true;
	verify_report_at(verify, VERIFY_ERROR, VERIFY_REFERENCE, place,
			 disk_reference_sector(reference).n, "bad reference: %s", fault);
	return false;
}

/* ---- extents ---------------------------------------------------------- */

/* Byte b of entry e of the node stands at b * 128 + e.  Most of a node is zero: eight
 * bytes of a column are looked at together, and only what is left of them is moved. */
static void node_from_columns(uint8_t *node, const uint8_t *columns)
{
	static_assert(DISK_NODE_ENTRIES * sizeof(struct disk_reference) == BLOCK_SIZE &&
			      DISK_NODE_ENTRIES % sizeof(uint64_t) == 0,
		      "a block of whole words");
	memset(node, 0, BLOCK_SIZE);
	for (unsigned at = 0; at < BLOCK_SIZE; at += sizeof(uint64_t)) {
		uint8_t *to = node + at % DISK_NODE_ENTRIES * sizeof(struct disk_reference) +
			      at / DISK_NODE_ENTRIES;
		uint64_t bytes;

		memcpy(&bytes, columns + at, sizeof(bytes));
		for (; bytes; bytes >>= 8, to += sizeof(struct disk_reference))
			*to = (uint8_t)bytes;
	}
}

static const char *extent_unpack(const struct disk_reference *reference, const uint8_t *stored,
				 void *data)
{
	uint64_t size = (uint64_t)reference->sectors * SECTOR_SIZE;
	bool columns = reference->codec == DISK_CODEC_COLUMNS;
	uint8_t unpacked[BLOCK_SIZE];

	ASSERT(reference->length <= size);
	if (reference->codec == DISK_CODEC_RAW) {
		memcpy(data, stored, BLOCK_SIZE);
		return NULL;
	}
	if (!verify_zero(stored + reference->length, size - reference->length))
		return "the padding of the extent is not zero";
	if (LZ4_decompress_safe((const char *)stored, (char *)unpacked, reference->length,
				BLOCK_SIZE) != (int)BLOCK_SIZE)
		return "the extent does not unpack to 4096 bytes";
	if (columns)
		node_from_columns(data, unpacked);
	else
		memcpy(data, unpacked, BLOCK_SIZE);
	return NULL;
}

static enum verify_load extent_read(struct verify *verify, const struct verify_place *place,
				    const struct disk_reference *reference, void *data, bool quiet)
{
	uint8_t stored[BLOCK_SIZE];
	sector_t sector = disk_reference_sector(reference);
	uint64_t size = (uint64_t)reference->sectors * SECTOR_SIZE;
	uint64_t seed = disk_seed(place->tree, place->level, place->key);
	const char *fault;
	enum status status;

	/* Whoever asks has checked the reference. */
	ASSERT(reference->sectors && size <= sizeof(stored));
	status = verify->reader.read(verify->reader.context, sector, reference->sectors, stored);
	verify->totals.bytes_read += size;
	if (status != STATUS_OK) {
		if (!quiet)
			verify_report_at(verify, VERIFY_ERROR, VERIFY_READ, place, sector.n,
					 "cannot be read: %s", status_text(status));
		return VERIFY_LOAD_IO;
	}
	if (XXH3_64bits_withSeed(stored, size, seed) != reference->checksum) {
		if (!quiet)
			verify_report_at(
				verify, VERIFY_ERROR, VERIFY_CHECKSUM, place, sector.n,
				"the checksum of %u sectors, born in generation %llu, does "
				"not match: damaged",
				reference->sectors, (unsigned long long)reference->birth);
		return VERIFY_LOAD_CORRUPT;
	}
	if (!data)
		return VERIFY_LOAD_OK;
	fault = extent_unpack(reference, stored, data);
	if (!fault)
		return VERIFY_LOAD_OK;
	if (!quiet)
		verify_report_at(verify, VERIFY_ERROR, VERIFY_CONTENT, place, sector.n, "%s",
				 fault);
	return VERIFY_LOAD_CORRUPT;
}

/* ---- what is kept ----------------------------------------------------- */

struct verify_cache *verify_cache_new(uint32_t extents)
{
	struct verify_cache *cache = calloc(1, sizeof(*cache) + extents * sizeof(cache->kept[0]));

	ASSERT(extents);
	if (cache)
		cache->room = extents;
	return cache;
}

void verify_cache_free(struct verify_cache *cache)
{
	for (uint32_t i = 0; cache && i < cache->room; i++)
		free(cache->kept[i].node);
	free(cache);
}

static bool kept_is(const struct verify_kept *kept, const struct verify_place *place,
		    const struct disk_reference *reference, uint64_t print)
{
	return memcmp(&kept->reference, reference, sizeof(*reference)) == 0 &&
	       kept->print == print && kept->tree == place->tree && kept->level == place->level &&
	       kept->key == place->key;
}

static void node_look(struct verify_node *node)
{
	memset(node->used, 0, sizeof(node->used));
	for (unsigned i = 0; i < DISK_NODE_ENTRIES; i++)
		node->used[i / 64] |= (uint64_t)!verify_reference_null(&node->node.entry[i])
				      << i % 64;
}

enum verify_load verify_node_load(struct verify *verify, const struct verify_place *place,
				  const struct disk_reference *reference,
				  const struct verify_node **node, bool quiet)
{
	const struct verify_reader *reader = &verify->reader;
	sector_t sector = disk_reference_sector(reference);
	uint64_t print =
		reader->print ? reader->print(reader->context, sector, reference->sectors) : 0;
	uint64_t hash = (sector.n ^ print) * UINT64_C(0x9e3779b97f4a7c15);
	struct verify_kept *kept = &verify->cache->kept[(hash >> 32) % verify->cache->room];
	enum verify_load load;

	if (!kept->node)
		kept->node = verify_allocate(verify, 1, sizeof(*kept->node));
	*node = kept->node;
	if (!kept->node)
		return VERIFY_LOAD_IO; /* that memory is short has been reported */
	if (kept_is(kept, place, reference, print))
		return VERIFY_LOAD_OK;
	memset(&kept->reference, 0, sizeof(kept->reference));
	load = extent_read(verify, place, reference, &kept->node->node, quiet);
	if (load != VERIFY_LOAD_OK)
		return load;
	if (place->level)
		node_look(kept->node);
	kept->reference = *reference;
	kept->print = print;
	kept->tree = place->tree;
	kept->level = place->level;
	kept->key = place->key;
	return VERIFY_LOAD_OK;
}

enum verify_load verify_node_copy(struct verify *verify, const struct verify_place *place,
				  const struct disk_reference *reference, struct verify_node *node,
				  bool quiet)
{
	const struct verify_node *kept;
	enum verify_load load = verify_node_load(verify, place, reference, &kept, quiet);

	if (load != VERIFY_LOAD_OK)
		return load;
	memcpy(node->used, kept->used, sizeof(node->used));
	for (unsigned i = verify_node_next(kept, 0); i < DISK_NODE_ENTRIES;
	     i = verify_node_next(kept, i + 1))
		node->node.entry[i] = kept->node.entry[i];
	return VERIFY_LOAD_OK;
}

/* Of one store a page is read once or twice; of many that differ little, often. */
enum verify_load verify_extent_load(struct verify *verify, const struct verify_place *place,
				    const struct disk_reference *reference, void *data, bool quiet)
{
	const struct verify_node *kept;
	enum verify_load load;

	if (!verify->reader.print)
		return extent_read(verify, place, reference, data, quiet);
	load = verify_node_load(verify, place, reference, &kept, quiet);
	if (load == VERIFY_LOAD_OK && data)
		memcpy(data, &kept->node, BLOCK_SIZE);
	return load;
}
