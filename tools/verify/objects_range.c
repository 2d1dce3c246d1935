/* SPDX-License-Identifier: MIT */
/*
 * objects_range.c - who has which pages of the space.
 */
#include "tools/verify/objects_priv.h"
#include "base/assert.h"

#include <inttypes.h>
#include <stdlib.h>

#define TABLE_PAGES (OBJECT_MAX / OBJECTS_PER_PAGE) /* of objects, and of their accounts */
static_assert(OBJECTS_PER_PAGE == ACCOUNTS_PER_PAGE, "both have the same pages");

bool verify_objects_range_sound(const struct verify_objects *objects,
				enum verify_objects_arena arena, uint64_t first, uint64_t pages)
{
	uint64_t begin = arena == VERIFY_ARENA_KERNEL ? KERNEL_ARENA_PAGE : USER_ARENA_PAGE;
	uint64_t end = arena == VERIFY_ARENA_KERNEL ? objects->system.kernel_next
						    : objects->system.user_next;

	ASSERT(arena == VERIFY_ARENA_KERNEL || arena == VERIFY_ARENA_USER);
	if (pages == 0 || (pages & (pages - 1)) != 0 || first % pages != 0)
		return false;
	return first >= begin && first < end && pages <= end - first;
}

void verify_objects_range_add(struct verify_objects *objects, uint64_t first, uint64_t pages,
			      uint32_t object, bool message)
{
	void *array = objects->range;

	ASSERT(object < objects->objects);
	if (!verify_objects_grow(objects, &array, objects->ranges, &objects->ranges_room,
				 sizeof(*objects->range)))
		return;
	objects->range = array;
	objects->range[objects->ranges++] = (struct verify_objects_range){
		.first = first, .pages = pages, .object = object, .message = message};
}

static int verify_objects_range_order(const void *left, const void *right)
{
	const struct verify_objects_range *a = left, *b = right;

	return a->first < b->first ? -1 : a->first > b->first;
}

static void verify_objects_overlaps(struct verify_objects *objects)
{
	for (uint64_t i = 1; i < objects->ranges; i++) {
		const struct verify_objects_range *before = &objects->range[i - 1];
		const struct verify_objects_range *range = &objects->range[i];
		ASSERT(before->first <= range->first); /* in their order */
		if (range->first - before->first < before->pages)
			verify_objects_report(objects, range->first,
					      "page 0x%" PRIx64 " belongs to objects %" PRIu32
					      " and %" PRIu32 " (0: free)",
					      range->first, before->object, range->object);
	}
}

/* The range that holds the page, or null. */
static const struct verify_objects_range *verify_objects_owner(const struct verify_objects *objects,
							       uint64_t page)
{
	uint64_t low = 0, high = objects->ranges;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		if (objects->range[middle].first <= page)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || page - objects->range[low - 1].first >= objects->range[low - 1].pages)
		return NULL;
	return &objects->range[low - 1];
}

/* An operation that was prepared and then not done may leave pages of zeros
 * where nothing begins yet; whoever gets the place takes them over. */
static bool verify_objects_blank(struct verify_objects *objects, uint64_t page)
{
	uint8_t data[PAGE_SIZE];

	return verify_objects_read(objects, page, data) && verify_objects_zero(data, sizeof(data));
}

/* May that page of an arena exist? */
static void verify_objects_owned(struct verify_objects *objects, uint64_t page)
{
	const struct verify_objects_range *range = verify_objects_owner(objects, page);
	const struct disk_object *record;

	if (!range || !range->object) {
		if (verify_objects_blank(objects, page))
			return;
		verify_objects_report(objects, page, "page 0x%" PRIx64 " exists and belongs to %s",
				      page, range ? "a free range" : "no object");
		return;
	}
	record = &objects->record[range->object];
	if (record->version && record->type == OBJECT_SEGMENT &&
	    page - range->first >= (record->size + PAGE_SIZE - 1) / PAGE_SIZE)
		verify_objects_report(objects, page,
				      "page 0x%" PRIx64 " lies behind the end of segment %" PRIu32,
				      page, range->object);
}

/* The area at the bottom of the space, below the arenas. */
static void verify_objects_fixed_page(struct verify_objects *objects, uint64_t page)
{
	uint64_t table = (objects->objects + OBJECTS_PER_PAGE - 1) / OBJECTS_PER_PAGE;
	uint64_t accounts = objects->system.version < SYSTEM_VERSION_BANKS ? 0 : table;
	uint64_t bitmap = (objects->objects + READY_BITS_PER_PAGE - 1) / READY_BITS_PER_PAGE;

	if (page == SYSTEM_PAGE ||
	    (page >= OBJECT_TABLE_PAGE && page < OBJECT_TABLE_PAGE + table) ||
	    (page >= ACCOUNT_TABLE_PAGE && page < ACCOUNT_TABLE_PAGE + accounts) ||
	    (page >= READY_BITMAP_PAGE &&
	     page < READY_BITMAP_PAGE + MACHINE_BITMAPS * READY_BITMAP_PAGES &&
	     (page - READY_BITMAP_PAGE) % READY_BITMAP_PAGES < bitmap))
		return;
	/* Whatever was prepared for an object, or a charge, that did not come to be. */
	if (page >= OBJECT_TABLE_PAGE && page < ACCOUNT_TABLE_PAGE + TABLE_PAGES &&
	    (page - OBJECT_TABLE_PAGE) % (ACCOUNT_TABLE_PAGE - OBJECT_TABLE_PAGE) < TABLE_PAGES &&
	    verify_objects_blank(objects, page))
		return;
	/* What lies below a cell that is free as a whole, or not at all, is zeros. */
	if (page >= RANGE_USER_ROOT && page - RANGE_USER_ROOT < VERIFY_OBJECTS_MAP_PAGES &&
	    (verify_objects_bit(objects->map_seen, page - RANGE_USER_ROOT) ||
	     verify_objects_blank(objects, page)))
		return;
	verify_objects_report(objects, page, "page 0x%" PRIx64 " exists where nothing should be",
			      page);
}

static void verify_objects_existing(struct verify_objects *objects)
{
	page_t page = {0};
	enum status status;

	for (;;) {
		status = verify_space_next(objects->verify, &objects->space, page, &page);
		if (status == STATUS_NOT_FOUND || status == STATUS_NO_MEMORY)
			return;
		if (status != STATUS_OK) {
			/* `page` is where to go on behind what cannot be read. */
			objects->incomplete = true;
			continue;
		}
		if (page.n < KERNEL_ARENA_PAGE)
			verify_objects_fixed_page(objects, page.n);
		else if (page.n >= TREE_ARENA_PAGE && page.n < USER_ARENA_PAGE) {
			if (page.n >= objects->system.tree_next &&
			    !verify_objects_blank(objects, page.n))
				verify_objects_report(objects, page.n,
						      "page 0x%" PRIx64
						      " of the tree arena was never handed out",
						      page.n);
		} else
			verify_objects_owned(objects, page.n);
		page.n++;
	}
}

void verify_objects_ranges(struct verify_objects *objects)
{
	if (objects->ranges)
		qsort(objects->range, objects->ranges, sizeof(*objects->range),
		      verify_objects_range_order);
	verify_objects_overlaps(objects);
	/* Without all records, pages would seem to have no owner. */
	if (!objects->incomplete)
		verify_objects_existing(objects);
}
