/* SPDX-License-Identifier: MIT */
/*
 * counts.h - what the store says of itself, from the engine to the shell, with the words for
 * what it counts since the mount.
 *
 * To count something is a row here, and the place where it happens: the shell's `store` says
 * all of them.  Never reorder; append.
 */
#ifndef STORE_COUNTS_H
#define STORE_COUNTS_H

#include <stdint.h>
#include "base/types.h"
#include "disk/format.h"

/* X(name, text) */
#define STORE_COUNTS(X)                                                                            \
	X(deltas, "commits that were deltas")                                                      \
	X(abandoned, "commits that failed")                                                        \
	X(discarded_sectors, "sectors discarded")                                                  \
	X(page_bytes, "bytes of pages written")                                                    \
	X(node_bytes, "bytes of map nodes written")                                                \
	X(map_bytes, "bytes of free map written")                                                  \
	X(catalogue_bytes, "bytes of catalogue written")

#define STORE_COUNT_FIELD(name, text) uint64_t name;
#define STORE_COUNT_ONE(name, text)   +1
#define STORE_COUNTS_MAX	      32u /* there will be room for no more */

/* Programs of older systems know the beginning of it: append. */
struct store_statistics {
	generation_t generation; /* working */
	generation_t durable;
	uint64_t sectors, used_sectors;
	uint64_t pages; /* of the live space, at the last full commit */
	uint64_t dirty_pages, frozen_pages;
	uint64_t snapshots;
	snapshot_t origin, dying;
	uint64_t commits, pages_written, bytes_written; /* since mount */
	uint64_t extent_sectors; /* written since mount, for the compression figure */
	uint64_t reads, read_bytes, evictions, flushes;
	uint64_t staged_early;	 /* pages written before their turn */
	uint64_t commit_wall_ns; /* wall_ns of the last durable commit */
	/* Of whoever drives the store; zero from the engine. */
	uint64_t interval_ns, health;
	uint64_t longest_freeze_ns, last_commit_ns;
	uint64_t device_sectors; /* the store can grow up to here */
	uint64_t held_sectors;	 /* replaced since `origin` was taken and kept for it */
	struct disk_retention retention;
	char label[64];
	uint8_t identity[16];
	/* When what is new cannot be saved, of whoever drives the store: */
	uint64_t unsaved_since_ns; /* wall time of the newest durable state; 0: all is well */
	uint64_t unsaved_attempts; /* that have failed in a row */
	uint64_t unsaved_retry_ns; /* until the next */
	char unsaved_why[96];
	uint64_t room_blocks; /* of 4 KiB, that new pages and their nodes may take now */
	STORE_COUNTS(STORE_COUNT_FIELD)
	uint64_t counts_to_come[STORE_COUNTS_MAX - (STORE_COUNTS(STORE_COUNT_ONE))];
};

#endif
