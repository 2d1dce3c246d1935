/* SPDX-License-Identifier: MIT */
/*
 * overlay.c - the pages changed since the last full commit.
 *
 * A delta commit writes pages and a record, but no node of any tree: the record
 * repeats the roots of the last full commit and says of every page changed
 * since where it is now.  In memory that list lies over the tree of the space
 * until the next full commit puts it in.  It is short (one slot of the ring),
 * sorted, and never changed in place: every commit makes the next one from the
 * one before.
 */
#include "store/store_priv.h"

static_assert(sizeof(struct disk_record) + DISK_DELTA_MAX * sizeof(struct disk_delta) <=
		      DISK_SLOT_SIZE,
	      "a record with all its entries fits a slot");

uint32_t overlay_at_or_after(const struct overlay *overlay, uint64_t page)
{
	uint32_t first = 0, end = overlay->count;

	while (first < end) {
		uint32_t middle = first + (end - first) / 2;

		if (overlay->entry[middle].page < page)
			first = middle + 1;
		else
			end = middle;
	}
	return first;
}

const struct disk_reference *overlay_find(const struct overlay *overlay, uint64_t page)
{
	uint32_t i = overlay_at_or_after(overlay, page);

	return i < overlay->count && overlay->entry[i].page == page ? &overlay->entry[i].reference
								    : NULL;
}
