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
 *
 *     page 7      overlay: 4 -> A   7 -> B   9 -> C      found here: B
 *     page 8      tree of the last full commit           not in the overlay: here
 *
 * Which kind suits.  A delta writes its list anew each time, longer and longer;
 * a full commit writes every node that a page changed since the last one is
 * below.  The sum per commit is least when a full commit comes as soon as the
 * lists written since the last one have cost as much as it will.  What it will
 * cost is known from the reservation.
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

const struct disk_reference *overlay_find(const struct overlay *overlay, page_t page)
{
	uint32_t i = overlay_at_or_after(overlay, page.n);

	return i < overlay->count && overlay->entry[i].page == page.n ? &overlay->entry[i].reference
								      : NULL;
}

uint64_t overlay_sectors(const struct overlay *overlay)
{
	uint64_t sectors = 0;

	for (uint32_t i = 0; i < overlay->count; i++)
		sectors += overlay->entry[i].reference.sectors;
	return sectors;
}

void *overlay_slot(const struct overlay *overlay)
{
	ASSERT((uintptr_t)overlay->entry % PAGE_SIZE == sizeof(struct disk_record)); /* no view's */
	return (uint8_t *)overlay->entry - sizeof(struct disk_record);
}

void overlay_advance(struct store *store)
{
	struct overlay spare = store->previous;

	ASSERT(store->overlay.entry != store->next_overlay.entry);
	ASSERT(store->next_overlay.count <= DISK_DELTA_MAX);
	store->previous = store->overlay;
	store->overlay = store->next_overlay;
	store->next_overlay = spare;
}
