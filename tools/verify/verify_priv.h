/* SPDX-License-Identifier: MIT */
/*
 * verify_priv.h - shared by the files of this folder and nobody else.
 *
 * A pass is the verification of one generation: the chosen one, then its
 * predecessor.  Each pass has its own bitmap of reachable sectors, because each
 * generation's free map must equal its own; the fingerprints of extents are
 * common to both, because no sector may mean two things in two generations that
 * are both kept whole (S1).
 */
#ifndef TOOLS_VERIFY_VERIFY_PRIV_H
#define TOOLS_VERIFY_VERIFY_PRIV_H

#include <string.h>
#include "tools/verify/verify.h"

#define VERIFY_NOWHERE UINT64_MAX

/* What is known of the 32768 sectors of one free-map page. */
struct verify_chunk {
	uint32_t *fingerprint; /* per sector: of the extent beginning there, 0: none */
	uint32_t *birth;       /* per block, only for write unit 4096: birth + 1 */
};

/* Number of level-0 references below a verified node, by its sector: lets a
 * shared subtree be counted without walking it again. */
struct verify_memo {
	uint64_t sector; /* 0: empty */
	uint64_t pages;
};

struct verify_pass {
	struct disk_record record;
	const struct disk_delta *delta; /* its entries, record.entries of them */
	bool predecessor;
	uint64_t replaced;   /* pages of the live tree that its delta has newer */
	bool incomplete;     /* a node could not be read: reachability is unknown below it */
	uint8_t **used;	     /* per chunk, 4096 bytes of bits in the free map's own form */
	uint8_t **map;	     /* per chunk, the page of the free map, null: all free */
	uint64_t *map_count; /* per chunk, auxiliary word of its reference */
	struct disk_snapshot *snapshots;
	uint64_t snapshot_count, snapshot_room;
	struct verify_memo *memo;
	uint64_t memo_count, memo_room; /* room is a power of two */
};

/* A node, and which of its entries are not null: one bit each.  Most of most nodes is. */
struct verify_node {
	uint64_t used[DISK_NODE_ENTRIES / 64];
	struct disk_node node;
};
static_assert(DISK_NODE_ENTRIES % 64 == 0, "whole words of bits");

/*
 * An extent that was read and is sound.  Nodes are needed again and again: by the pass of
 * the predecessor, by the trees of snapshots, for each page that is looked up.  What is
 * kept is known by its extent, its place and what the sectors hold, not by its space.
 */
struct verify_kept {
	struct disk_reference reference;
	uint64_t key;
	uint64_t print; /* of the sectors, by the reader; 0: it tells of none */
	uint32_t tree, level;
	struct verify_node *node; /* null: never used */
};
struct verify_cache {
	uint32_t room;
	struct verify_kept kept[]; /* by sector and print */
};
#define VERIFY_KEPT 1024u /* of one store: 4 MiB at most */

struct verify {
	struct verify_reader reader;
	struct verify_options options;
	struct verify_totals totals;
	struct disk_superblock superblock;
	uint64_t record_seed;
	struct disk_record ring[DISK_RING_SLOTS];  /* or tombstones; magic 0: no valid content */
	struct disk_delta *delta[DISK_RING_SLOTS]; /* entries of the record there */
	const char *damage[DISK_RING_SLOTS];	   /* why it is neither valid nor zero */
	bool passed_slot[DISK_RING_SLOTS];	   /* could not be written when its turn came */
	bool torn_slot[DISK_RING_SLOTS];	   /* damaged as a long record that was cut off */
	struct verify_chunk *chunks;
	uint64_t chunk_count;
	struct verify_pass chosen, before;
	struct verify_cache *cache; /* of the options, or its own */
	uint64_t unflushed_sectors; /* of the newest generation, not known to be flushed */
	bool out_of_memory;
};

/* Where a finding was made. */
struct verify_place {
	enum disk_tree tree;
	unsigned level;
	uint64_t key;	     /* key >> 7 * level */
	uint64_t generation; /* that the tree belongs to */
	uint64_t snapshot;   /* 0: live */
};

/* Outcome of reading an extent. */
enum verify_load { VERIFY_LOAD_OK, VERIFY_LOAD_IO, VERIFY_LOAD_CORRUPT };

/* verify.c */
__attribute__((format(printf, 6, 7))) void
verify_report_at(struct verify *verify, enum verify_severity severity, enum verify_code code,
		 const struct verify_place *place, uint64_t sector, const char *format, ...);
void *verify_allocate(struct verify *verify, uint64_t count, uint64_t size);
/* True when all bytes are zero. */
bool verify_zero(const void *data, uint64_t size);
/* "space page 0x12", "node of level 2 for pages from 0x4000 ..." into text. */
void verify_place_text(const struct verify_place *place, char *text, uint64_t size);

/* ring.c: superblocks, ring, choice of the generation. */
enum status verify_superblocks(struct verify *verify);
enum status verify_ring_choose(struct verify *verify);

/* slot.c: what lies in one slot, into ring[], delta[] and damage[]. */
void verify_slot_read(struct verify *verify, uint32_t slot);
void verify_record_report(struct verify *verify, const struct disk_record *record, uint32_t slot,
			  const char *what);

/* delta.c: the changed pages that a record holds itself. */
/* What is wrong with `later` as the successor of `earlier`, or null. */
const char *verify_delta_chain_fault(const struct verify *verify, const struct disk_record *earlier,
				     const struct disk_record *later);
/* The entry for the page, or null; *index: of the first at or after the page. */
const struct disk_delta *verify_delta_find(const struct disk_delta *delta, uint32_t entries,
					   uint64_t page, uint32_t *index);
/* Claims the extents and reads the pages; the rest of the generation was
 * claimed before and its free map compared. */
void verify_delta_check(struct verify *verify, struct verify_pass *pass);

/* extent.c: references, extents, what is kept of them. */
static inline bool verify_reference_null(const struct disk_reference *reference)
{
	uint64_t words[sizeof(*reference) / sizeof(uint64_t)];

	memcpy(words, reference, sizeof(words));
	return (words[0] | words[1] | words[2] | words[3]) == 0;
}
/* What is wrong with a reference that is not null, by its fields alone; null:
 * nothing. */
const char *verify_reference_fault(const struct verify_place *place,
				   const struct disk_reference *reference, uint64_t sectors,
				   uint64_t birth_max);
/* The same; reports and returns false when one is broken. */
bool verify_reference_check(struct verify *verify, const struct verify_place *place,
			    const struct disk_reference *reference, uint64_t birth_max);
/* Reads, checks and unpacks an extent (not NONE, not ZERO) whose fields are
 * known to be sound.  With quiet, says nothing.  Without data, only the checksum
 * is checked. */
enum verify_load verify_extent_load(struct verify *verify, const struct verify_place *place,
				    const struct disk_reference *reference, void *data, bool quiet);

/* The same for a node, or what is kept of it; it stays until the next call. */
enum verify_load verify_node_load(struct verify *verify, const struct verify_place *place,
				  const struct disk_reference *reference,
				  const struct verify_node **node, bool quiet);
/* The same, copied: entries that are null are left as they were. */
enum verify_load verify_node_copy(struct verify *verify, const struct verify_place *place,
				  const struct disk_reference *reference, struct verify_node *node,
				  bool quiet);

/* The first entry at or after `index` that is not null, or DISK_NODE_ENTRIES. */
static inline unsigned verify_node_next(const struct verify_node *node, unsigned index)
{
	for (; index < DISK_NODE_ENTRIES; index = (index | 63) + 1) {
		uint64_t bits = node->used[index / 64] >> index % 64;

		if (bits)
			return index + (unsigned)__builtin_ctzll(bits);
	}
	return DISK_NODE_ENTRIES;
}

/* walk.c: the ways through a tree. */
enum verify_step { VERIFY_STEP_ON, VERIFY_STEP_DOWN, VERIFY_STEP_STOP };
/* A walk over all of a tree in rising order of keys. */
struct verify_walker {
	struct verify_place place; /* tree, generation, snapshot */
	const struct disk_root *root;
	uint64_t from; /* what ends at or below this page is left out */
	void *context;
	/* Reads the node, to go down into it; otherwise it is passed over.  A birth may not be
	 * above birth_max, that of the node which refers to this one. */
	enum verify_step (*node)(struct verify *verify, struct verify_walker *walker,
				 const struct verify_place *place,
				 const struct disk_reference *reference, uint64_t birth_max,
				 struct verify_node *node);
	enum verify_step (*page)(struct verify *verify, struct verify_walker *walker,
				 const struct verify_place *place,
				 const struct disk_reference *reference, uint64_t birth_max);
	/* All below a node was visited.  May be null. */
	void (*leave)(struct verify *verify, struct verify_walker *walker,
		      const struct verify_place *place, const struct disk_reference *reference);
};
void verify_walk(struct verify *verify, struct verify_walker *walker);

/* Where a descent begins: at the root, key 0. */
struct verify_place verify_space_place(enum disk_tree tree, const struct verify_space *space);
struct verify_found {
	struct disk_reference reference;
	uint64_t birth_max; /* that of the node above it */
};
/*
 * One descent from `place`, the root, to the reference of this level at *key; with next,
 * towards the first at or after it, and *key is moved there.  The key is known to be within
 * the tree.  OK; ABSENT; WAIT: nothing was left in a node on the way, *key is behind it;
 * CORRUPT, IO (reported): the same of a node that cannot be read.
 */
enum status verify_seek(struct verify *verify, const struct verify_space *space, unsigned level,
			bool next, struct verify_place *place, uint64_t *key,
			struct verify_found *found);
enum status verify_load_status(enum verify_load load);

/* tree.c: the check of one tree. */
struct verify_walk {
	enum disk_tree tree;
	const struct disk_root *root;
	uint64_t generation; /* births may not be above */
	uint64_t snapshot;
	uint64_t cursor; /* keys below are no longer part of the tree */
	void *context;
	/* Called for each page that is not null, with its content (null in the
	 * space, where it is checked and not kept).  May be null. */
	bool (*page)(struct verify *verify, struct verify_pass *pass, const struct verify_place *p,
		     const struct disk_reference *reference, const void *data);
	/* Result: references of level 0 that are not null. */
	uint64_t pages;
};
void verify_tree_walk(struct verify *verify, struct verify_pass *pass, struct verify_walk *walk);
/* A page beside the trees, of an entry of a delta: claims its extent and reads it. */
void verify_tree_page(struct verify *verify, struct verify_pass *pass,
		      const struct verify_place *place, const struct disk_reference *reference);

/* Are all extents of the record born after its `durable` as they should be?
 * False: the commit is torn; *place and *reference tell where. */
bool verify_tree_confirm(struct verify *verify, const struct disk_record *record,
			 struct verify_place *place, struct disk_reference *reference);

/* map.c: the catalogue, the free map against what is reachable. */
/* Collects the entries and nothing more. */
void verify_catalogue_list(struct verify *verify, struct verify_pass *pass);
/* Collects them, claims the extents, checks the rules. */
void verify_catalogue_check(struct verify *verify, struct verify_pass *pass);
void verify_map_check(struct verify *verify, struct verify_pass *pass);

/* space.c */
/* Reads what a reference leads to: a page, or a node as it is on the disk. */
enum status verify_page_load(struct verify *verify, const struct verify_place *place,
			     const struct disk_reference *reference, uint64_t birth_max,
			     void *data);
/* The first key of a tree at or after *key; see verify_space_next. */
enum status verify_key_next(struct verify *verify, enum disk_tree tree,
			    const struct verify_space *space, uint64_t *key);

#endif
