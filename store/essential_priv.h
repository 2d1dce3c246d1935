/* SPDX-License-Identifier: MIT */
/*
 * essential_priv.h - pages that stay usable when all else is used up; see essential.c.
 *
 * A part of store_priv.h, in a file of its own; only that includes it.
 */
#ifndef STORE_ESSENTIAL_PRIV_H
#define STORE_ESSENTIAL_PRIV_H

#include "store/limits.h"
#include "store/store.h"

struct essential {
	uint32_t count;
	struct store_pages run[STORE_ESSENTIAL_RUNS];
	/* A node above the run cannot be read: the commits until it is tried again, 0: all
	 * can; and the generation from which on it is. */
	uint32_t pause[STORE_ESSENTIAL_RUNS];
	uint64_t again[STORE_ESSENTIAL_RUNS];
	/* Nodes are touched up to this page of this run; and when all had been last. */
	uint32_t at_run;
	uint64_t at_page;
	uint64_t generation, evictions;
};

bool essential_page(const struct store *store, uint64_t page);
bool essential_key(const struct store *store, uint64_t key); /* of a frame */
/* Set aside for them: evictable frames; blocks of a store of so many. */
uint32_t essential_frames(const struct store *store);
uint64_t essential_blocks(const struct store *store, uint64_t total);
/* Keeps the nodes above them in the cache. */
void essential_nodes_step(struct store *store);
/* Of the cache: they are about to change (false) or have changed (true). */
void cache_essential_change(struct store *store, bool changed);

#endif
