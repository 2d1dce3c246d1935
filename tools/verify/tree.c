/* SPDX-License-Identifier: MIT */
/*
 * tree.c - which sectors belong to what, and the check of one tree.
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

	ASSERT(verify->superblock.write_unit == BLOCK_SIZE);
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
	ASSERT(pass->memo_count < pass->memo_room && sector);
	slot = memo_slot(pass->memo, pass->memo_room, sector);
	if (!slot->sector)
		pass->memo_count++;
	*slot = (struct verify_memo){sector, pages};
}

static uint64_t memo_get(const struct verify_pass *pass, uint64_t sector)
{
	return pass->memo_room ? memo_slot(pass->memo, pass->memo_room, sector)->pages : 0;
}

/* ---- the check -------------------------------------------------------- */

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

/* Checks and takes a reference of level 0. */
static void page_check(struct verify *verify, struct verify_pass *pass,
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
		return;
	}
	if (!verify_reference_check(verify, place, reference, birth_max)) {
		pass->incomplete = true;
		return;
	}
	if (reference->codec == DISK_CODEC_ZERO) {
		if (walk->page)
			walk->page(verify, pass, place, reference, NULL);
		return;
	}
	claim = extent_claim(verify, pass, place, reference);
	if (claim == CLAIM_CLASH)
		pass->incomplete = true;
	if (claim == CLAIM_NEW || claim == CLAIM_KNOWN)
		totals_add(verify, pass, place, reference);
	if (space && (claim != CLAIM_NEW || verify->options.skip_data)) {
		if (walk->page)
			walk->page(verify, pass, place, reference, NULL);
		return;
	}
	if (verify_extent_load(verify, place, reference, unpack ? data : NULL,
			       claim == CLAIM_KNOWN) != VERIFY_LOAD_OK) {
		/* A damaged page of the space hides nothing below it. */
		if (!space)
			pass->incomplete = true;
		return;
	}
	if (space && unpack && verify_zero(data, sizeof(data)))
		verify_report_at(verify, VERIFY_ERROR, VERIFY_CONTENT, place,
				 disk_reference_sector(reference).n,
				 "a page of zeros has an extent");
	if (walk->page)
		walk->page(verify, pass, place, reference, space ? NULL : data);
}

void verify_tree_page(struct verify *verify, struct verify_pass *pass,
		      const struct verify_place *place, const struct disk_reference *reference)
{
	struct verify_walk walk = {.tree = place->tree};

	page_check(verify, pass, &walk, place, reference, place->generation);
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

struct check {
	struct verify_pass *pass;
	struct verify_walk *walk;
	uint64_t pages[DISK_HEIGHT_MAX + 2]; /* counted below the node of this level */
};

static enum verify_step check_node(struct verify *verify, struct verify_walker *walker,
				   const struct verify_place *place,
				   const struct disk_reference *reference, uint64_t birth_max,
				   struct verify_node *node)
{
	struct check *check = walker->context;
	struct verify_pass *pass = check->pass;
	uint64_t sector = disk_reference_sector(reference).n;
	enum claim claim = CLAIM_CLASH;

	if (verify_reference_check(verify, place, reference, birth_max))
		claim = extent_claim(verify, pass, place, reference);
	if (claim == CLAIM_SHARED) {
		check->pages[place->level + 1] += memo_get(pass, sector);
		return VERIFY_STEP_ON;
	}
	if (claim != CLAIM_CLASH)
		totals_add(verify, pass, place, reference);
	if (claim == CLAIM_CLASH || verify_node_copy(verify, place, reference, node,
						     claim == CLAIM_KNOWN) != VERIFY_LOAD_OK) {
		pass->incomplete = true;
		return VERIFY_STEP_ON;
	}
	if (verify_node_next(node, 0) == DISK_NODE_ENTRIES)
		verify_report_at(verify, VERIFY_ERROR, VERIFY_NODE, place, sector,
				 "the node refers to nothing and should not exist");
	if (place->tree == DISK_TREE_FREE_MAP)
		node_auxiliary_check(verify, place, reference, node);
	check->pages[place->level] = 0;
	return VERIFY_STEP_DOWN;
}

static enum verify_step check_page(struct verify *verify, struct verify_walker *walker,
				   const struct verify_place *place,
				   const struct disk_reference *reference, uint64_t birth_max)
{
	struct check *check = walker->context;

	page_check(verify, check->pass, check->walk, place, reference, birth_max);
	check->pages[1]++;
	return VERIFY_STEP_ON;
}

static void check_leave(struct verify *verify, struct verify_walker *walker,
			const struct verify_place *place, const struct disk_reference *reference)
{
	struct check *check = walker->context;
	unsigned level = place->level;

	ASSERT(level && level <= DISK_HEIGHT_MAX);
	/* A node that straddles the cursor was walked in part. */
	if (walker->from <= place->key << (level * DISK_NODE_SHIFT))
		memo_put(verify, check->pass, disk_reference_sector(reference).n,
			 check->pages[level]);
	check->pages[level + 1] += check->pages[level];
}

void verify_tree_walk(struct verify *verify, struct verify_pass *pass, struct verify_walk *walk)
{
	struct check check = {.pass = pass, .walk = walk};
	struct verify_walker walker = {
		.place = {.tree = walk->tree,
			  .generation = walk->generation,
			  .snapshot = walk->snapshot},
		.root = walk->root,
		.from = walk->cursor,
		.context = &check,
		.node = check_node,
		.page = check_page,
		.leave = check_leave,
	};

	verify_walk(verify, &walker);
	walk->pages =
		walk->root->height <= DISK_HEIGHT_MAX ? check.pages[walk->root->height + 1] : 0;
}

/* ---- was the commit torn? --------------------------------------------- */

struct confirm {
	const struct disk_record *record;
	struct verify_place place; /* looked at last */
	struct disk_reference reference;
	bool torn;
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

/* Is it an extent that recovery reads? */
static bool confirm_wants(struct verify *verify, struct confirm *confirm,
			  const struct verify_place *place, const struct disk_reference *reference)
{
	const struct disk_record *record = confirm->record;

	confirm->place = *place;
	confirm->reference = *reference;
	if (reference->codec < DISK_CODEC_RAW || reference->codec > DISK_CODEC_COLUMNS ||
	    reference->birth <= record->durable ||
	    verify_reference_fault(place, reference, record->sectors, record->generation) ||
	    disk_reference_sector(reference).n + reference->sectors > verify->reader.sectors)
		return false;
	confirm_count(verify, record, reference);
	return true;
}

static enum verify_step confirm_step(struct confirm *confirm, enum verify_load load)
{
	confirm->torn = load == VERIFY_LOAD_CORRUPT;
	if (confirm->torn)
		return VERIFY_STEP_STOP;
	return load == VERIFY_LOAD_OK ? VERIFY_STEP_DOWN : VERIFY_STEP_ON;
}

static enum verify_step confirm_node(struct verify *verify, struct verify_walker *walker,
				     const struct verify_place *place,
				     const struct disk_reference *reference, uint64_t birth_max,
				     struct verify_node *node)
{
	(void)birth_max;
	if (!confirm_wants(verify, walker->context, place, reference))
		return VERIFY_STEP_ON;
	return confirm_step(walker->context,
			    verify_node_copy(verify, place, reference, node, true));
}

static enum verify_step confirm_page(struct verify *verify, struct verify_walker *walker,
				     const struct verify_place *place,
				     const struct disk_reference *reference, uint64_t birth_max)
{
	uint8_t data[PAGE_SIZE];
	enum verify_step step = VERIFY_STEP_ON;

	(void)birth_max;
	if (confirm_wants(verify, walker->context, place, reference))
		step = confirm_step(walker->context,
				    verify_extent_load(verify, place, reference, data, true));
	return step == VERIFY_STEP_STOP ? step : VERIFY_STEP_ON;
}

static void confirm_tree(struct verify *verify, struct verify_walker *walker, enum disk_tree tree,
			 const struct disk_root *root)
{
	const struct confirm *confirm = walker->context;

	walker->place.tree = tree;
	walker->root = root;
	if (!confirm->torn)
		verify_walk(verify, walker);
}

bool verify_tree_confirm(struct verify *verify, const struct disk_record *record,
			 struct verify_place *place, struct disk_reference *reference)
{
	const struct disk_delta *delta = verify->delta[record->slot];
	struct confirm confirm = {.record = record};
	struct verify_walker walker = {.place = {.generation = record->generation},
				       .context = &confirm,
				       .node = confirm_node,
				       .page = confirm_page};

	ASSERT(record->slot < DISK_RING_SLOTS && (delta || !record->entries));
	for (uint32_t i = 0; i < record->entries && !confirm.torn; i++) {
		struct verify_place at = {.tree = DISK_TREE_SPACE,
					  .key = delta[i].page,
					  .generation = record->generation};

		confirm_page(verify, &walker, &at, &delta[i].reference, record->generation);
	}
	confirm_tree(verify, &walker, DISK_TREE_SPACE, &record->space);
	confirm_tree(verify, &walker, DISK_TREE_FREE_MAP, &record->free_map);
	confirm_tree(verify, &walker, DISK_TREE_CATALOGUE, &record->catalogue);
	*place = confirm.place;
	*reference = confirm.reference;
	return !confirm.torn;
}
