/* SPDX-License-Identifier: MIT */
/*
 * base.c - the index of a store's structures; see base.h.
 */
#include "tests/fuzz/base.h"

#include <lz4.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "tests/fuzz/fuzz.h"

uint64_t base_page(unsigned group, unsigned index)
{
	/* Neighbours, another node, another subtree, a tree of full height. */
	static const uint64_t first[] = {0x100000, 0x100100, 0x108000, UINT64_C(1) << 40};

	return first[group % 4] + index;
}

uint64_t base_sum(const void *data, size_t bytes, uint64_t seed)
{
	return XXH3_64bits_withSeed(data, bytes, seed);
}

uint64_t base_checksum(void *data, size_t bytes, size_t field, uint64_t seed)
{
	uint64_t saved, sum;

	memcpy(&saved, (uint8_t *)data + field, sizeof(saved));
	memset((uint8_t *)data + field, 0, sizeof(saved));
	sum = base_sum(data, bytes, seed);
	memcpy((uint8_t *)data + field, &saved, sizeof(saved));
	return sum;
}

void base_slot_seal(const struct fuzz_base *base, void *content, uint32_t slot)
{
	struct disk_record *record = content;
	uint32_t length = record->length;
	uint64_t seed = base->identity_seed ^ slot;

	if (record->magic == DISK_MAGIC_TOMBSTONE || length < SECTOR_SIZE ||
	    length > DISK_SLOT_SIZE)
		length = SECTOR_SIZE;
	length = (length + SECTOR_SIZE - 1) / SECTOR_SIZE * SECTOR_SIZE;
	/* A record and a tombstone have their checksums at the same place. */
	static_assert(offsetof(struct disk_record, checksum) ==
			      offsetof(struct disk_tombstone, checksum),
		      "one way to seal both");
	record->checksum =
		base_checksum(content, length, offsetof(struct disk_record, checksum), seed);
}

/* ---- targets ----------------------------------------------------------------- */

static struct target *target_add(struct fuzz_base *base, enum target_kind kind, uint64_t sector,
				 uint32_t sectors, uint32_t size)
{
	struct target *target;

	FUZZ_CHECK(base->targets < BASE_TARGETS, "%s: too many structures", base->name);
	target = &base->target[base->targets++];
	*target = (struct target){.kind = kind, .sector = sector, .sectors = sectors, .size = size};
	target->original = fuzz_allocate(size);
	target->content = fuzz_allocate(size);
	return target;
}

static void extent_decode_into(const struct fuzz_base *base, const struct disk_reference *reference,
			       uint8_t *page)
{
	const uint8_t *stored = base->disk.data + disk_reference_sector(reference).n * SECTOR_SIZE;
	int bytes = PAGE_SIZE;

	if (reference->codec == DISK_CODEC_RAW)
		memcpy(page, stored, PAGE_SIZE);
	else
		bytes = LZ4_decompress_safe((const char *)stored, (char *)page, reference->length,
					    PAGE_SIZE);
	FUZZ_CHECK(bytes == PAGE_SIZE, "%s: an extent does not unpack", base->name);
}

/* The target that this reference leads to, known or new. */
static struct target *target_of(struct fuzz_base *base, const struct disk_reference *reference,
				enum disk_tree tree, unsigned level, uint64_t key)
{
	uint64_t sector = disk_reference_sector(reference).n;
	struct target *target;

	for (unsigned i = 0; i < base->targets; i++) {
		target = &base->target[i];
		if (target->kind == TARGET_EXTENT && target->sector == sector &&
		    target->tree == tree && target->level == level && target->key == key)
			return target;
	}
	target = target_add(base, TARGET_EXTENT, sector, reference->sectors, PAGE_SIZE);
	target->tree = tree;
	target->level = level;
	target->key = key;
	extent_decode_into(base, reference, target->original);
	return target;
}

static void refer(struct fuzz_base *base, unsigned from, size_t offset, enum disk_tree tree,
		  unsigned level, uint64_t key)
{
	const struct disk_reference *reference =
		(const void *)(base->target[from].original + offset);
	struct target *target;

	if (!reference->sectors)
		return;
	target = target_of(base, reference, tree, level, key);
	if (target->referrers == BASE_REFERRERS)
		return;
	target->referrer[target->referrers].target = (uint16_t)from;
	target->referrer[target->referrers++].offset = (uint16_t)offset;
}

static void refer_root(struct fuzz_base *base, unsigned from, size_t offset, enum disk_tree tree)
{
	const struct disk_root *root = (const void *)(base->target[from].original + offset);

	refer(base, from, offset, tree, root->height, 0);
}

static void record_follow(struct fuzz_base *base, unsigned from)
{
	const struct disk_record *record = (const void *)base->target[from].original;

	refer_root(base, from, offsetof(struct disk_record, space), DISK_TREE_SPACE);
	refer_root(base, from, offsetof(struct disk_record, free_map), DISK_TREE_FREE_MAP);
	refer_root(base, from, offsetof(struct disk_record, catalogue), DISK_TREE_CATALOGUE);
	if (record->kind != DISK_RECORD_DELTA)
		return;
	for (uint32_t i = 0; i < record->entries; i++) {
		size_t offset = sizeof(*record) + i * sizeof(struct disk_delta);
		const struct disk_delta *delta =
			(const void *)(base->target[from].original + offset);

		refer(base, from, offset + offsetof(struct disk_delta, reference), DISK_TREE_SPACE,
		      0, delta->page);
	}
}

static void extent_follow(struct fuzz_base *base, unsigned from)
{
	const struct target *target = &base->target[from];

	if (target->level) {
		for (unsigned i = 0; i < DISK_NODE_ENTRIES; i++)
			refer(base, from, i * sizeof(struct disk_reference), target->tree,
			      target->level - 1, target->key << DISK_NODE_SHIFT | i);
	} else if (target->tree == DISK_TREE_CATALOGUE) {
		refer_root(base, from, offsetof(struct disk_snapshot, root), DISK_TREE_SPACE);
	}
}

/* ---- the index --------------------------------------------------------------- */

/* What is repaired after what: pages, nodes upwards, snapshots, ..., records. */
static unsigned rank(const struct target *target)
{
	static const unsigned trees[] = {
		[DISK_TREE_SPACE] = 0, [DISK_TREE_CATALOGUE] = 10, [DISK_TREE_FREE_MAP] = 20};

	return target->kind == TARGET_EXTENT ? trees[target->tree] + target->level : 30;
}

static void order_make(struct fuzz_base *base)
{
	unsigned count = 0;

	for (unsigned wanted = 0; wanted <= 30; wanted++)
		for (unsigned i = 0; i < base->targets; i++)
			if (rank(&base->target[i]) == wanted)
				base->order[count++] = (uint16_t)i;
	FUZZ_CHECK(count == base->targets, "%s: a structure without a rank", base->name);
}

static void slots_add(struct fuzz_base *base)
{
	for (uint32_t slot = 0; slot < DISK_RING_SLOTS; slot++) {
		uint64_t sector = DISK_RING_SECTOR + (uint64_t)slot * DISK_SLOT_SECTORS;
		const uint8_t *data = base->disk.data + sector * SECTOR_SIZE;
		uint64_t magic;
		struct target *target;

		memcpy(&magic, data, sizeof(magic));
		if (magic != DISK_MAGIC_RECORD && magic != DISK_MAGIC_TOMBSTONE)
			continue;
		target = target_add(base, TARGET_SLOT, sector, DISK_SLOT_SECTORS, DISK_SLOT_SIZE);
		target->key = slot;
		memcpy(target->original, data, DISK_SLOT_SIZE);
	}
}

/* Only what the newest two generations hold is sure to be there. */
static void records_follow(struct fuzz_base *base)
{
	uint64_t below = UINT64_MAX;

	for (unsigned round = 0; round < 2; round++) {
		unsigned newest = BASE_TARGETS;
		uint64_t generation = 0;

		for (unsigned i = 0; i < base->targets; i++) {
			const struct disk_record *record = (const void *)base->target[i].original;

			if (base->target[i].kind == TARGET_SLOT &&
			    record->magic == DISK_MAGIC_RECORD && record->generation < below &&
			    record->generation > generation) {
				newest = i;
				generation = record->generation;
			}
		}
		if (newest == BASE_TARGETS)
			return;
		below = generation;
		record_follow(base, newest);
	}
}

void base_index(struct fuzz_base *base)
{
	static const uint64_t superblocks[] = {DISK_SUPERBLOCK_SECTOR, DISK_SUPERBLOCK_COPY_SECTOR};
	unsigned followed;

	base->targets = 0;
	for (unsigned i = 0; i < 2; i++) {
		struct target *target = target_add(base, TARGET_SUPERBLOCK, superblocks[i],
						   BLOCK_SECTORS, BLOCK_SIZE);

		memcpy(target->original, base->disk.data + superblocks[i] * SECTOR_SIZE,
		       BLOCK_SIZE);
	}
	base->identity_seed = base_sum(
		((const struct disk_superblock *)(const void *)base->target[0].original)->identity,
		16, 0);
	slots_add(base);
	followed = base->targets;
	records_follow(base);
	/* The list grows while it is gone through. */
	for (; followed < base->targets; followed++)
		extent_follow(base, followed);
	for (unsigned i = 0; i < base->targets; i++)
		memcpy(base->target[i].content, base->target[i].original, base->target[i].size);
	order_make(base);
	fuzz_disk_keep(&base->disk);
}
