/* SPDX-License-Identifier: MIT */
/*
 * tree.c - which sectors belong to what, and the walk over one tree.
 *
 * A walk keeps one node per level, so its depth is bounded by the height, which is at
 * most 8.
 */
#include "tools/verify/verify_priv.h"
#include "base/assert.h"

#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

/* ---- claiming sectors ------------------------------------------------- */

enum claim {
	CLAIM_NEW,    /* seen for the first time: to be read */
	CLAIM_KNOWN,  /* read in the other pass, new in this one */
	CLAIM_SHARED, /* the very extent was reached before in this pass */
	CLAIM_CLASH,  /* its sectors belong to something else: reported */
};

/* Says what the extent is, where it belongs and what it holds, in 32 bits. */
static uint32_t extent_fingerprint(const struct verify_place *place,
				   const struct disk_reference *reference)
{
	uint64_t seed = disk_seed(place->tree, place->level, place->key);
	uint32_t print = (uint32_t)XXH3_64bits_withSeed(reference, sizeof(*reference), seed);

	return print ? print : 1;
}

static bool chunk_prepare(struct verify *verify, struct verify_pass *pass, uint64_t index)
{
	struct verify_chunk *chunk = &verify->chunks[index];
	uint64_t sectors = verify->totals.sectors < DISK_FREE_MAP_SECTORS ? verify->totals.sectors
									  : DISK_FREE_MAP_SECTORS;

	if (!pass->used[index])
		pass->used[index] = verify_allocate(verify, 1, PAGE_SIZE);
	if (!chunk->fingerprint)
		chunk->fingerprint = verify_allocate(verify, sectors, sizeof(*chunk->fingerprint));
	if (!chunk->birth && verify->superblock.write_unit == BLOCK_SIZE)
		chunk->birth = verify_allocate(verify, DISK_FREE_MAP_SECTORS / BLOCK_SECTORS,
					       sizeof(*chunk->birth));
	return !verify->out_of_memory;
}

/* Where blocks are the write unit, nothing is added beside older extents. */
static void block_birth_check(struct verify *verify, const struct verify_place *place,
			      const struct disk_reference *reference, uint32_t *birth)
{
	uint32_t mark = (uint32_t)reference->birth + 1;

	if (*birth && *birth != mark)
		verify_report_at(verify, VERIFY_ERROR, VERIFY_OVERLAP, place,
				 disk_reference_sector(reference).n,
				 "extents of two generations share a block, though the write unit "
				 "is the block");
	*birth = mark;
}

/*
 * An extent lies inside one block, hence its bits inside one byte of the free
 * map: bit i of byte b is sector 8 * b + i of the chunk.
 */
static enum claim extent_claim(struct verify *verify, struct verify_pass *pass,
			       const struct verify_place *place,
			       const struct disk_reference *reference)
{
	uint64_t sector = disk_reference_sector(reference).n;
	uint64_t index = sector / DISK_FREE_MAP_SECTORS, offset = sector % DISK_FREE_MAP_SECTORS;
	unsigned shift = sector % BLOCK_SECTORS;
	uint8_t mask = (uint8_t)(((1u << reference->sectors) - 1) << shift);
	uint32_t print = extent_fingerprint(place, reference), *there;
	const struct verify_pass *other = pass->predecessor ? &verify->chosen : NULL;
	uint8_t *byte;

	ASSERT(reference->sectors && shift + reference->sectors <= BLOCK_SECTORS);
	ASSERT(index < verify->chunk_count);
	if (!chunk_prepare(verify, pass, index))
		return CLAIM_CLASH;
	byte = &pass->used[index][offset / BLOCK_SECTORS];
	there = &verify->chunks[index].fingerprint[offset];
	if (*there == print) {
		if (*byte & mask)
			return CLAIM_SHARED;
		*byte |= mask;
		return CLAIM_KNOWN;
	}
	if (*byte & mask) {
		verify_report_at(verify, VERIFY_ERROR, VERIFY_OVERLAP, place, sector,
				 "one of its %u sectors belongs to another extent as well",
				 reference->sectors);
		return CLAIM_CLASH;
	}
	*byte |= mask;
	if (other && other->used[index] && (other->used[index][offset / BLOCK_SECTORS] & mask)) {
		verify_report_at(verify, VERIFY_ERROR, VERIFY_OVERLAP, place, sector,
				 "generation %llu has written over its sectors, though this "
				 "generation must stay whole",
				 (unsigned long long)other->record.generation);
		return CLAIM_CLASH;
	}
	*there = print;
	if (verify->chunks[index].birth)
		block_birth_check(verify, place, reference,
				  &verify->chunks[index].birth[offset / BLOCK_SECTORS]);
	return CLAIM_NEW;
}

/* ---- how many pages a shared subtree has ------------------------------ */

static struct verify_memo *memo_slot(struct verify_memo *memo, uint64_t room, uint64_t sector)
{
	uint64_t i = (sector * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (room - 1);

	ASSERT(room && !(room & (room - 1)));
	while (memo[i].sector && memo[i].sector != sector)
		i = (i + 1) & (room - 1);
	return &memo[i];
}

static void memo_put(struct verify *verify, struct verify_pass *pass, uint64_t sector,
		     uint64_t pages)
{
	struct verify_memo *slot;

	if (2 * (pass->memo_count + 1) > pass->memo_room) {
		uint64_t room = pass->memo_room ? 2 * pass->memo_room : 64;
		struct verify_memo *memo = verify_allocate(verify, room, sizeof(*memo));

		if (!memo)
			return;
		for (uint64_t i = 0; i < pass->memo_room; i++)
			if (pass->memo[i].sector)
				*memo_slot(memo, room, pass->memo[i].sector) = pass->memo[i];
		free(pass->memo);
		pass->memo = memo;
		pass->memo_room = room;
	}
	slot = memo_slot(pass->memo, pass->memo_room, sector);
	if (!slot->sector)
		pass->memo_count++;
	*slot = (struct verify_memo){sector, pages};
}

static uint64_t memo_get(const struct verify_pass *pass, uint64_t sector)
{
	return pass->memo_room ? memo_slot(pass->memo, pass->memo_room, sector)->pages : 0;
}

/* ---- the walk --------------------------------------------------------- */

struct frame {
	struct verify_node node;
	uint64_t sector, birth, key, pages;
	unsigned index;
};

static void totals_add(struct verify *verify, const struct verify_pass *pass,
		       const struct verify_place *place, const struct disk_reference *reference)
{
	struct verify_totals *totals = &verify->totals;

	totals->extents++;
	if (pass->predecessor)
		return;
	totals->used_sectors += reference->sectors;
	if (place->tree == DISK_TREE_SPACE && place->level)
		totals->node_sectors += reference->sectors;
	if (place->tree == DISK_TREE_SPACE && !place->level) {
		totals->page_sectors += reference->sectors;
		if (reference->codec == DISK_CODEC_RAW)
			totals->raw_pages++;
		else
			totals->compressed_pages++;
	}
	if (verify->options.progress && totals->extents % 1024 == 0)
		verify->options.progress(verify->options.context, totals->used_sectors,
					 pass->record.used_sectors);
}

static uint64_t key_limit(const struct verify *verify, const struct verify_pass *pass,
			  enum disk_tree tree)
{
	if (tree == DISK_TREE_SPACE)
		return DISK_PAGE_MAX;
	if (tree == DISK_TREE_CATALOGUE)
		return pass->record.next_snapshot;
	(void)verify;
	return (pass->record.sectors + DISK_FREE_MAP_SECTORS - 1) / DISK_FREE_MAP_SECTORS;
}

/* Checks and takes a reference of level 0.  True when it counts as a page. */
static bool walk_page(struct verify *verify, struct verify_pass *pass,
		      const struct verify_walk *walk, const struct verify_place *place,
		      const struct disk_reference *reference, uint64_t birth_max)
{
	bool space = place->tree == DISK_TREE_SPACE;
	bool unpack = !space || !verify->options.skip_unpack;
	uint8_t data[PAGE_SIZE];
	enum claim claim;

	if (place->key >= key_limit(verify, pass, place->tree)) {
		verify_report_at(verify, VERIFY_ERROR, VERIFY_REFERENCE, place,
				 disk_reference_sector(reference).n,
				 "the key is beyond the end of the map");
		return true;
	}
	if (!verify_reference_check(verify, place, reference, birth_max)) {
		pass->incomplete = true;
		return true;
	}
	if (reference->codec == DISK_CODEC_ZERO) {
		if (walk->page)
			walk->page(verify, pass, place, reference, NULL);
		return true;
	}
	claim = extent_claim(verify, pass, place, reference);
	if (claim == CLAIM_CLASH)
		pass->incomplete = true;
	if (claim == CLAIM_NEW || claim == CLAIM_KNOWN)
		totals_add(verify, pass, place, reference);
	if (space && (claim != CLAIM_NEW || verify->options.skip_data)) {
		if (walk->page)
			walk->page(verify, pass, place, reference, NULL);
		return true;
	}
	if (verify_extent_load(verify, place, reference, unpack ? data : NULL,
			       claim == CLAIM_KNOWN) != VERIFY_LOAD_OK) {
		/* A damaged page of the space hides nothing below it. */
		if (!space)
			pass->incomplete = true;
		return true;
	}
	if (space && unpack && verify_zero(data, sizeof(data)))
		verify_report_at(verify, VERIFY_ERROR, VERIFY_CONTENT, place,
				 disk_reference_sector(reference).n,
				 "a page of zeros has an extent");
	if (walk->page)
		walk->page(verify, pass, place, reference, space ? NULL : data);
	return true;
}

void verify_tree_page(struct verify *verify, struct verify_pass *pass,
		      const struct verify_place *place, const struct disk_reference *reference)
{
	struct verify_walk walk = {.tree = place->tree};

	walk_page(verify, pass, &walk, place, reference, place->generation);
}

/* Loads a node into the frame.  False: its subtree is not to be walked;
 * *pages is then what it counts for. */
static bool walk_enter(struct verify *verify, struct verify_pass *pass, struct frame *frame,
		       const struct verify_place *place, const struct disk_reference *reference,
		       uint64_t birth_max, uint64_t *pages)
{
	enum claim claim;

	*pages = 0;
	if (!verify_reference_check(verify, place, reference, birth_max)) {
		pass->incomplete = true;
		return false;
	}
	claim = extent_claim(verify, pass, place, reference);
	if (claim == CLAIM_SHARED) {
		*pages = memo_get(pass, disk_reference_sector(reference).n);
		return false;
	}
	if (claim == CLAIM_CLASH) {
		pass->incomplete = true;
		return false;
	}
	totals_add(verify, pass, place, reference);
	if (verify_node_copy(verify, place, reference, &frame->node, claim == CLAIM_KNOWN) !=
	    VERIFY_LOAD_OK) {
		pass->incomplete = true;
		return false;
	}
	if (verify_node_next(&frame->node, 0) == DISK_NODE_ENTRIES)
		verify_report_at(verify, VERIFY_ERROR, VERIFY_NODE, place,
				 disk_reference_sector(reference).n,
				 "the node refers to nothing and should not exist");
	frame->sector = disk_reference_sector(reference).n;
	frame->birth = reference->birth;
	frame->key = place->key;
	frame->pages = 0;
	frame->index = 0;
	return true;
}

/* In the free map the auxiliary word of a node is the sum of its children's. */
static void node_auxiliary_check(struct verify *verify, const struct verify_place *place,
				 const struct disk_reference *reference,
				 const struct verify_node *node)
{
	uint64_t sum = 0;

	for (unsigned i = verify_node_next(node, 0); i < DISK_NODE_ENTRIES;
	     i = verify_node_next(node, i + 1))
		sum += disk_reference_auxiliary(&node->node.entry[i]);
	if (sum != disk_reference_auxiliary(reference))
		verify_report_at(verify, VERIFY_ERROR, VERIFY_AUXILIARY, place,
				 disk_reference_sector(reference).n,
				 "its reference counts %llu used blocks, its entries %llu",
				 (unsigned long long)disk_reference_auxiliary(reference),
				 (unsigned long long)sum);
}

static uint64_t key_end(uint64_t key, unsigned level)
{
	return (key + 1) << (level * DISK_NODE_SHIFT);
}

void verify_tree_walk(struct verify *verify, struct verify_pass *pass, struct verify_walk *walk)
{
	struct frame frames[DISK_HEIGHT_MAX + 1];
	struct verify_place place = {
		.tree = walk->tree, .generation = walk->generation, .snapshot = walk->snapshot};
	unsigned level = walk->root->height;
	uint64_t pages;

	walk->pages = 0;
	place.level = level;
	if (level == 0 || level > DISK_HEIGHT_MAX)
		return;
	if (walk->cursor >= key_end(0, level) && walk->cursor)
		return;
	if (!walk_enter(verify, pass, &frames[level], &place, &walk->root->reference,
			walk->generation, &pages)) {
		walk->pages = pages;
		return;
	}
	if (walk->tree == DISK_TREE_FREE_MAP)
		node_auxiliary_check(verify, &place, &walk->root->reference, &frames[level].node);
	while (level <= walk->root->height) {
		struct frame *frame = &frames[level];
		const struct disk_reference *reference;

		frame->index = verify_node_next(&frame->node, frame->index);
		if (frame->index == DISK_NODE_ENTRIES) {
			/* A node that straddles the cursor was walked in part. */
			if (walk->cursor <= frame->key << (level * DISK_NODE_SHIFT))
				memo_put(verify, pass, frame->sector, frame->pages);
			if (level == walk->root->height)
				walk->pages = frame->pages;
			else
				frames[level + 1].pages += frame->pages;
			level++;
			continue;
		}
		reference = &frame->node.node.entry[frame->index];
		place.level = level - 1;
		place.key = frame->key << DISK_NODE_SHIFT | frame->index++;
		if (key_end(place.key, place.level) <= walk->cursor)
			continue;
		if (place.level == 0) {
			frame->pages +=
				walk_page(verify, pass, walk, &place, reference, frame->birth);
		} else if (walk_enter(verify, pass, &frames[level - 1], &place, reference,
				      frame->birth, &pages)) {
			level--;
			if (walk->tree == DISK_TREE_FREE_MAP)
				node_auxiliary_check(verify, &place, reference,
						     &frames[level].node);
		} else {
			frame->pages += pages;
		}
	}
}

/* ---- was the commit torn? --------------------------------------------- */

struct confirm_frame {
	struct disk_node node;
	uint64_t key;
	unsigned index;
};

/* What is verified by recovery: is it as much as a joint commit may have? */
static void confirm_count(struct verify *verify, const struct disk_record *record,
			  const struct disk_reference *reference)
{
	uint64_t most = DISK_JOINT_COMMIT_BLOCKS * BLOCK_SECTORS;
	uint64_t before = verify->unflushed_sectors;

	verify->unflushed_sectors += reference->sectors;
	if (before <= most && verify->unflushed_sectors > most)
		verify_report_at(verify, VERIFY_ERROR, VERIFY_RECORD, NULL, VERIFY_NOWHERE,
				 "generation %llu was written with its record under one flush, but "
				 "has more than %u blocks",
				 (unsigned long long)record->generation, DISK_JOINT_COMMIT_BLOCKS);
}

static bool confirm_one(struct verify *verify, const struct disk_record *record,
			const struct verify_place *place, const struct disk_reference *reference,
			void *data, bool *descend)
{
	enum verify_load load;

	*descend = false;
	if (reference->codec < DISK_CODEC_RAW || reference->codec > DISK_CODEC_COLUMNS)
		return true;
	if (reference->birth <= record->durable ||
	    verify_reference_fault(place, reference, record->sectors, record->generation) ||
	    disk_reference_sector(reference).n + reference->sectors > verify->reader.sectors)
		return true;
	confirm_count(verify, record, reference);
	load = verify_extent_load(verify, place, reference, data, true);
	*descend = load == VERIFY_LOAD_OK;
	return load != VERIFY_LOAD_CORRUPT;
}

static bool confirm_tree(struct verify *verify, const struct disk_record *record,
			 enum disk_tree tree, const struct disk_root *root,
			 struct verify_place *place, struct disk_reference *reference)
{
	struct confirm_frame frames[DISK_HEIGHT_MAX + 1];
	unsigned level = root->height;
	uint8_t data[PAGE_SIZE];
	bool descend;

	*place = (struct verify_place){
		.tree = tree, .level = level, .generation = record->generation};
	*reference = root->reference;
	if (level == 0)
		return true;
	if (!confirm_one(verify, record, place, reference, &frames[level].node, &descend))
		return false;
	if (!descend)
		return true;
	frames[level].key = 0;
	frames[level].index = 0;
	while (level <= root->height) {
		struct confirm_frame *frame = &frames[level];

		if (frame->index == DISK_NODE_ENTRIES) {
			level++;
			continue;
		}
		*reference = frame->node.entry[frame->index];
		place->level = level - 1;
		place->key = frame->key << DISK_NODE_SHIFT | frame->index++;
		if (!confirm_one(verify, record, place, reference,
				 place->level ? (void *)&frames[level - 1].node : data, &descend))
			return false;
		if (descend && place->level) {
			level--;
			frames[level].key = place->key;
			frames[level].index = 0;
		}
	}
	return true;
}

static bool confirm_delta(struct verify *verify, const struct disk_record *record,
			  struct verify_place *place, struct disk_reference *reference)
{
	uint8_t data[PAGE_SIZE];
	bool descend;

	*place = (struct verify_place){.tree = DISK_TREE_SPACE, .generation = record->generation};
	for (uint32_t i = 0; i < record->entries; i++) {
		place->key = verify->delta[record->slot][i].page;
		*reference = verify->delta[record->slot][i].reference;
		if (!confirm_one(verify, record, place, reference, data, &descend))
			return false;
	}
	return true;
}

bool verify_tree_confirm(struct verify *verify, const struct disk_record *record,
			 struct verify_place *place, struct disk_reference *reference)
{
	return confirm_delta(verify, record, place, reference) &&
	       confirm_tree(verify, record, DISK_TREE_SPACE, &record->space, place, reference) &&
	       confirm_tree(verify, record, DISK_TREE_FREE_MAP, &record->free_map, place,
			    reference) &&
	       confirm_tree(verify, record, DISK_TREE_CATALOGUE, &record->catalogue, place,
			    reference);
}
