/* SPDX-License-Identifier: MIT */
/*
 * survey.h - who reaches which sectors of a store.
 *
 * The owners are the live state and the snapshots.  A sector that one of them
 * alone reaches is exclusive to it: deleting that owner would give it back.  All
 * other sectors are shared.  The pages of a delta belong to the live state
 * instead of those that they replace.
 *
 * Each tree is walked, but not into nodes known to be shared, so the cost is
 * that of the different nodes, twice.  Memory: 4 bytes per sector in regions of
 * 16 MiB that hold anything, and 24 per node.
 */
#ifndef TOOLS_MKSTORE_SURVEY_H
#define TOOLS_MKSTORE_SURVEY_H

#include "tools/mkstore/inspect.h"

struct survey_owner {
	const struct disk_snapshot *snapshot; /* null: the live state */
	uint64_t pages;			      /* zero pages included */
	uint64_t reached;		      /* sectors, nodes included */
	uint64_t exclusive;		      /* sectors that no other owner reaches */
};

/* What a generation of the ring wrote and is still there. */
struct survey_commit {
	uint64_t generation;
	bool delta;
	uint64_t pages; /* zero pages included */
	uint64_t page_sectors;
	uint64_t other_sectors; /* nodes, free map, catalogue */
	uint64_t record_sectors;
};

struct survey_node; /* a map node that was met */

struct survey {
	struct verify *verify;
	struct verify_space live;
	uint64_t cursor; /* of the dying snapshot, 0: none is */
	uint32_t **mark; /* per region of DISK_FREE_MAP_SECTORS, per sector */
	uint64_t regions;
	struct survey_node *node;
	uint32_t nodes;
	size_t nodes_room;
	struct disk_reference *replaced; /* pages of the live tree that the delta has newer */
	uint32_t replaced_count;
	bool out_of_memory;
	/* Results. */
	struct survey_owner *owner; /* [0] is the live state */
	uint32_t owners;
	struct survey_commit commit[DISK_RING_SLOTS]; /* newest first */
	uint32_t commits;
	uint64_t raw_pages, compressed_pages; /* different ones, of all owners */
	uint64_t zero_pages;		      /* of the live state */
	uint64_t stored_bytes;		      /* of compressed pages, unpadded */
	uint64_t page_sectors, node_sectors, catalogue_sectors, free_map_sectors;
	uint64_t shared_sectors;   /* that two owners or more reach */
	uint64_t replaced_sectors; /* given back by the next full commit */
	uint64_t damaged;	   /* nodes and references that could not be used */
};

/* OK; NO_MEMORY.  Damage is reported and left out. */
enum status survey_run(struct survey *survey, struct inspect *inspect);
void survey_free(struct survey *survey);
/* Afterwards: the pages of the live state in rising order, its delta's included. */
typedef void survey_page_t(void *context, uint64_t page, const struct disk_reference *reference);
void survey_pages(const struct survey *survey, void *context, survey_page_t *page);
/* Afterwards: is the extent of the live state also reached from a snapshot? */
bool survey_is_shared(const struct survey *survey, const struct disk_reference *reference);

#endif
