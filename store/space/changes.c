/* SPDX-License-Identifier: MIT */
/*
 * changes.c - the sectors that one commit takes and gives back.
 *
 * A list of bounded size, in the order in which things happen, neighbours
 * joined; when the free map is brought up to date it is sorted by sector, a
 * slice at a time (a heap sort, which needs no memory and knows no bad case).
 * No entry crosses the border between two free-map pages.
 */
#include "store/store_priv.h"

void changes_reset(struct changes *changes)
{
	changes->count = 0;
	changes->last[CHANGE_FREE] = changes->last[CHANGE_TAKE] = NIL;
}

static bool change_extend(uint64_t *entry, sector_t sector, uint32_t count)
{
	uint32_t have = change_count(*entry);

	if (change_sector(*entry) + have != sector.n || sector.n % DISK_FREE_MAP_SECTORS == 0 ||
	    have + count > 0x7fff)
		return false;
	*entry += (uint64_t)count << 1;
	return true;
}

void changes_push(struct changes *changes, enum change_kind kind, sector_t sector, uint32_t count)
{
	uint32_t last = changes->last[kind];

	ASSERT(count && sector.n % DISK_FREE_MAP_SECTORS + count <= DISK_FREE_MAP_SECTORS);
	if (last != NIL && change_extend(&changes->entry[last], sector, count))
		return;
	/* The reservation has counted every change before it could come up. */
	ASSERT(changes->count < changes->capacity);
	changes->last[kind] = changes->count;
	changes->entry[changes->count++] = sector.n << 16 | (uint64_t)count << 1 | kind;
}

void changes_lay_out(struct store *store, struct layout *layout)
{
	struct changes *changes = &store->changes;

	changes->capacity = LIMIT_CHANGES + store->limits.frames / 128 * 9;
	changes->entry = layout_take(layout, changes->capacity * sizeof(uint64_t), 64);
}

uint32_t changes_count(const struct store *store)
{
	return store->changes.count;
}

void changes_take(struct store *store, const struct disk_reference *reference)
{
	changes_push(&store->changes, CHANGE_TAKE, disk_reference_sector(reference),
		     reference->sectors);
}

void changes_give_back(struct store *store, const struct disk_reference *reference)
{
	if (reference->sectors)
		changes_push(&store->changes, CHANGE_FREE, disk_reference_sector(reference),
			     reference->sectors);
}

void changes_drop(struct changes *changes, uint32_t first, uint32_t end)
{
	ASSERT(first <= end && end <= changes->count);
	memmove(&changes->entry[first], &changes->entry[end],
		(changes->count - end) * sizeof(changes->entry[0]));
	changes->count -= end - first;
	changes->last[CHANGE_FREE] = changes->last[CHANGE_TAKE] = NIL;
}

/* ---- sorting ----------------------------------------------------------------- */

static void sift_down(uint64_t *entry, uint32_t at, uint32_t count)
{
	uint64_t moved = entry[at];

	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child >= count)
			break;
		if (child + 1 < count && entry[child + 1] > entry[child])
			child++;
		if (entry[child] <= moved)
			break;
		entry[at] = entry[child];
		at = child;
	}
	entry[at] = moved;
}

void changes_sort_begin(struct changes *changes, uint32_t first, uint32_t count)
{
	ASSERT(first + count <= changes->count);
	changes->sort_first = first;
	changes->sort_count = count;
	changes->sort_build = count / 2;
	changes->sort_end = count;
	changes->last[CHANGE_FREE] = changes->last[CHANGE_TAKE] = NIL;
}

bool changes_sort_step(struct changes *changes)
{
	uint64_t *entry = changes->entry + changes->sort_first;

	ASSERT(changes->sort_first + changes->sort_count <= changes->count);
	for (unsigned i = 0; i < LIMIT_SORT_SLICE; i++) {
		if (changes->sort_build) {
			sift_down(entry, --changes->sort_build, changes->sort_count);
		} else if (changes->sort_end > 1) {
			uint64_t largest = entry[0];

			entry[0] = entry[--changes->sort_end];
			entry[changes->sort_end] = largest;
			sift_down(entry, 0, changes->sort_end);
		} else {
			return true;
		}
	}
	return false;
}

bool changes_touches(const struct changes *changes, uint32_t first, uint32_t end, uint64_t leaf,
		     unsigned shift)
{
	uint64_t wanted = leaf >> shift;
	uint32_t limit = end;

	ASSERT(first <= end && end <= changes->count);
	while (first < end) {
		uint32_t middle = first + (end - first) / 2;

		if (change_leaf(changes->entry[middle]) >> shift < wanted)
			first = middle + 1;
		else
			end = middle;
	}
	return first < limit && change_leaf(changes->entry[first]) >> shift == wanted;
}
