/* SPDX-License-Identifier: MIT */
/*
 * objects_free.c - the map of free ranges.
 *
 * Each run of free pages becomes a range of nobody, which objects_range.c holds against
 * those that have owners.
 */
#include "tools/verify/objects_priv.h"
#include "base/assert.h"

#include <inttypes.h>
#include <string.h>

struct free_walk {
	struct verify_objects *objects;
	uint64_t begin, end;	     /* of the arena */
	uint64_t next;		     /* never handed out from here on: all free */
	uint64_t last;		     /* .. to here, all of which must be free */
	uint64_t run_first, run_end; /* the run that is being gathered */
	bool rest, damaged;	     /* what was never handed out is free; unreadable pages */
};

static void free_run_end(struct free_walk *walk)
{
	if (walk->run_first == walk->run_end)
		return;
	verify_objects_range_add(walk->objects, walk->run_first, walk->run_end - walk->run_first, 0,
				 false);
	walk->rest |= walk->run_first <= walk->next && walk->run_end >= walk->end;
}

static void free_add(struct free_walk *walk, uint64_t first, uint64_t end)
{
	ASSERT(first < end);
	if (first != walk->run_end) {
		free_run_end(walk);
		walk->run_first = first;
	}
	walk->run_end = end;
}

/* Reads a page of the map; it is accounted for. */
static bool free_read(struct free_walk *walk, uint64_t number, void *data)
{
	bool read = verify_objects_read(walk->objects, number, data);

	verify_objects_bit_set(walk->objects->map_seen, number - RANGE_USER_ROOT);
	walk->damaged |= !read;
	return read;
}

/* Of the largest aligned block from `first` to before `end`. */
static uint32_t free_code(uint64_t first, uint64_t end)
{
	uint32_t code = 0;

	for (uint32_t shift = 0; shift < RANGE_BRANCH_SHIFT; shift++) {
		uint64_t size = UINT64_C(1) << shift, at = (first + size - 1) / size * size;

		if (at + size <= end)
			code = shift + 1;
	}
	return code;
}

static void free_leaf(struct free_walk *walk, uint64_t number, uint64_t base, uint32_t expected)
{
	struct disk_range_leaf leaf;
	uint32_t bits = 1u << RANGE_LEAF_SHIFT, code = 0;

	if (!free_read(walk, number, &leaf))
		return;
	for (uint32_t first = 0; first < bits; first++) {
		uint32_t end = first;

		while (end < bits && leaf.free[end / 64] >> end % 64 & 1)
			end++;
		if (end == first)
			continue;
		free_add(walk, base + first, base + end);
		code = free_code(first, end) > code ? free_code(first, end) : code;
		first = end;
	}
	if (code != expected)
		verify_objects_report(walk->objects, number,
				      "map of ranges: the page says %" PRIu32
				      ", its cell says %" PRIu32,
				      code, expected);
}

/* Is each node what its halves make of it? */
static bool free_heap_sound(const struct disk_range_branch *branch, uint32_t shift)
{
	for (uint32_t node = RANGE_CELLS - 1, whole = shift + 1; node; node--) {
		uint32_t left = branch->largest[2 * node], right = branch->largest[2 * node + 1];
		uint32_t most = left > right ? left : right;

		if (left == whole && right == whole)
			most = whole + 1;
		if (branch->largest[node] != most)
			return false;
		if ((node & (node - 1)) == 0)
			whole++;
	}
	return !branch->largest[0];
}

static void free_branch(struct free_walk *walk, uint64_t number, uint64_t base, uint32_t shift,
			uint32_t expected);

static void free_cell(struct free_walk *walk, uint64_t number, uint64_t first, uint32_t shift,
		      uint32_t code)
{
	uint64_t end = first + (UINT64_C(1) << shift);

	if (!code)
		return;
	if (code > shift + 1 || end <= walk->begin || first >= walk->end ||
	    (code == shift + 1 && (first < walk->begin || end > walk->end)))
		verify_objects_report(walk->objects, number,
				      "map of ranges: the cell of page 0x%" PRIx64 " says %" PRIu32,
				      first, code);
	else if (code == shift + 1)
		free_add(walk, first, end);
	else if (shift == RANGE_BRANCH_SHIFT)
		free_branch(walk, range_branch_page(first), first, RANGE_LEAF_SHIFT, code);
	else
		free_leaf(walk, range_leaf_page(first), first, code);
}

/* expected: what is above says of it, 0: nothing is. */
static void free_branch(struct free_walk *walk, uint64_t number, uint64_t base, uint32_t shift,
			uint32_t expected)
{
	struct disk_range_branch branch;

	if (!free_read(walk, number, &branch))
		return;
	if (!free_heap_sound(&branch, shift))
		verify_objects_report(walk->objects, number,
				      "map of ranges: a node does not say what its halves say");
	if (expected && branch.largest[1] != expected)
		verify_objects_report(walk->objects, number,
				      "map of ranges: the page says %u, its cell says %" PRIu32,
				      branch.largest[1], expected);
	for (uint32_t i = 0; i < RANGE_CELLS; i++)
		free_cell(walk, number, base + ((uint64_t)i << shift), shift,
			  branch.largest[RANGE_CELLS + i]);
}

static void free_arena(struct free_walk *walk, uint64_t root, uint32_t shift)
{
	free_branch(walk, root, 0, shift, 0);
	free_run_end(walk);
	if (!walk->rest && !walk->damaged && walk->next < walk->end)
		verify_objects_report(walk->objects, root,
				      "map of ranges: page 0x%" PRIx64
				      " and those behind it were never handed out and are not free",
				      walk->next);
}

void verify_objects_free(struct verify_objects *objects)
{
	struct free_walk kernel = {.objects = objects,
				   .begin = KERNEL_ARENA_PAGE,
				   .end = TREE_ARENA_PAGE,
				   .next = objects->system.kernel_next};
	struct free_walk user = {.objects = objects,
				 .begin = USER_ARENA_PAGE,
				 .end = RANGE_USER_END,
				 .next = objects->system.user_next};

	if (objects->system.version < SYSTEM_VERSION_MAP)
		return;
	free_arena(&kernel, RANGE_KERNEL_ROOT, RANGE_LEAF_SHIFT);
	free_arena(&user, RANGE_USER_ROOT, RANGE_BRANCH_SHIFT);
}
