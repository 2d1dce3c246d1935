/* SPDX-License-Identifier: MIT */
/*
 * structures.h - what lies beneath the objects of object.h: B+trees, the map of free ranges, and
 * the log.
 */
#ifndef DISK_STRUCTURES_H
#define DISK_STRUCTURES_H

#include "disk/object.h"

/* ---- ordered trees (directories, deadlines, machines, quarantine) -------- */

#define TREE_MAGIC	0x45455254u /* "TREE" */
#define TREE_FREE_MAGIC 0x45455246u /* "FREE": a page on the list of free ones */

/* A B+tree page of the tree arena.  Leaf: sorted entries {u8 key length, u8
 * value length, key, value}; inner: the same with the child's page number (8
 * bytes) as value.  The key of an inner entry is not above any key of its child
 * and above all keys of the child before; the first is never compared.  No page
 * is empty.  Offsets of the entries grow from the front, entries lie without
 * gaps at the back of `bytes`. */
struct disk_tree_page {
	uint32_t magic;
	uint16_t level; /* 0: leaf */
	uint16_t count;
	uint16_t heap; /* offset in bytes[] where the entries begin */
	uint16_t reserved0;
	uint32_t reserved1;
	uint64_t next; /* free page: the next free one, 0: last; otherwise 0 */
	uint64_t reserved2;
	uint8_t bytes[4064]; /* uint16_t offset[count], then free room, then entries */
};

/* ---- map of free ranges --------------------------------------------------- */

/* A leaf is about 2^15 pages, a bit each.  Above the leaves of the kernel arena is
 * RANGE_KERNEL_ROOT, of which each cell is a leaf; above those of the user arena are
 * branches of which each cell is a leaf, and above these RANGE_USER_ROOT, of which each cell
 * is a branch.  All that is in use at first lies in two nodes of the store's map: a full
 * store has to find room for few. */
#define RANGE_LEAF_SHIFT   15u
#define RANGE_CELLS	   2048u
#define RANGE_BRANCH_SHIFT 26u
#define RANGE_USER_ROOT	   (SYSTEM_PAGE + 1)
#define RANGE_KERNEL_ROOT  (SYSTEM_PAGE + 2)
#define RANGE_KERNEL_PAGE  (SYSTEM_PAGE + 16)
#define RANGE_USER_PAGE	   (SYSTEM_PAGE + 240)
/* The user arena's last cell has a page that must not be used: nothing of it is free. */
#define RANGE_USER_END (USER_ARENA_END >> RANGE_BRANCH_SHIFT << RANGE_BRANCH_SHIFT)

/* The page of the leaf that is about this page of an arena / of the branch above it. */
static inline uint64_t range_leaf_page(uint64_t page)
{
	uint64_t leaf = (page - USER_ARENA_PAGE) >> RANGE_LEAF_SHIFT;

	if (page < USER_ARENA_PAGE)
		return RANGE_KERNEL_PAGE + ((page - KERNEL_ARENA_PAGE) >> RANGE_LEAF_SHIFT);
	return RANGE_USER_PAGE + 1 + leaf + leaf / (RANGE_CELLS - 1);
}

static inline uint64_t range_branch_page(uint64_t page)
{
	return RANGE_USER_PAGE + (page >> RANGE_BRANCH_SHIFT) * RANGE_CELLS;
}

struct disk_range_leaf {
	uint64_t free[512]; /* bit n % 64 of word n / 64: page n is free */
};

/* Codes: 0 nothing is free, otherwise log2 + 1 of the largest naturally aligned block.
 * largest[1] is that of the whole, 2 * n and 2 * n + 1 are the halves of n, the cells are
 * from RANGE_CELLS on; [0] is 0.  The page of a cell of which all or nothing is free is
 * zeros or absent. */
struct disk_range_branch {
	uint8_t largest[2 * RANGE_CELLS];
};

/* ---- log ---------------------------------------------------------------- */

#define LOG_MAGIC 0x20474f4cu
#define LOG_PAGES 16u /* of text, behind the header page */

/* First page of the log's range.  Text is a byte ring of LOG_PAGES pages; byte
 * number n of all ever written lies at n % (LOG_PAGES * 4096). */
struct disk_log {
	uint32_t magic;
	uint32_t pages;
	uint64_t written; /* bytes ever written */
	uint8_t reserved[4080];
};

#endif
