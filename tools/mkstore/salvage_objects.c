/* SPDX-License-Identifier: MIT */
/*
 * salvage_objects.c - which named segments the lost pages belong to.
 *
 * Goes through the directories of the new store, whose live state has zeros where
 * the damaged one's pages are lost.  A directory that is lost itself hides what
 * it names.
 */
#include "tools/mkstore/salvage.h"

#include <stdlib.h>
#include <string.h>

#include "tools/mkstore/array.h"
#include "tools/mkstore/walk.h"

/* A segment with a name that has lost pages. */
struct hit {
	char *path;
	size_t length;
	unsigned depth;
	uint64_t first, pages;
};

struct hits {
	const struct salvage_state *live;
	struct hit *hit;
	size_t count, room;
	unsigned deepest;
};

/* The first lost page of the range, and how many there are. */
static uint64_t range_lost(const struct salvage_state *live, const struct disk_object *record,
			   uint64_t *first)
{
	uint64_t end = record->first_page + record->range_pages, pages = 0;

	for (size_t i = 0; i < live->losses; i++) {
		uint64_t from = live->loss[i].first, to = live->loss[i].end;

		if (from < record->first_page)
			from = record->first_page;
		if (to > end)
			to = end;
		if (from >= to)
			continue;
		if (!pages)
			*first = from - record->first_page;
		pages += to - from;
	}
	return pages;
}

static enum status hits_visit(void *context, const struct walk_item *item)
{
	struct hits *hits = context;
	struct disk_object record = item->record;
	uint64_t first = 0, pages;
	struct hit *hit;

	if (!item->alive || record.type != OBJECT_SEGMENT)
		return STATUS_OK;
	/* Beyond its end a segment has no pages to lose. */
	record.range_pages = (record.size + PAGE_SIZE - 1) / PAGE_SIZE;
	pages = range_lost(hits->live, &record, &first);
	if (!pages)
		return STATUS_OK;
	hit = array_grow(hits->hit, sizeof(*hit), hits->count, &hits->room);
	if (!hit)
		return STATUS_NO_MEMORY;
	hits->hit = hit;
	hit += hits->count;
	*hit = (struct hit){strdup(item->path), item->length, item->depth, first, pages};
	if (!hit->path)
		return STATUS_NO_MEMORY;
	hits->count++;
	hits->deepest = item->depth > hits->deepest ? item->depth : hits->deepest;
	return STATUS_OK;
}

bool salvage_objects(struct host *host, const struct salvage_state *live, salvage_object_told told,
		     void *context)
{
	struct hits hits = {.live = live};
	const struct disk_system *system;
	bool whole = true;
	enum status status = HOST_RETRY(host, system_read(&host->space, &system));

	if (status == STATUS_OK)
		status = walk_readable(host, (object_t){system->root_directory}, hits_visit, &hits,
				       &whole);
	/* Without a system page there are no names, unless it is among what is lost. */
	else if (status == STATUS_ABSENT && !live->losses)
		status = STATUS_OK;
	/* Those nearest to the root first. */
	for (unsigned depth = 0; depth <= hits.deepest; depth++)
		for (size_t i = 0; i < hits.count; i++)
			if (hits.hit[i].depth == depth)
				told(context, hits.hit[i].path, hits.hit[i].length,
				     hits.hit[i].first, hits.hit[i].pages);
	for (size_t i = 0; i < hits.count; i++)
		free(hits.hit[i].path);
	free(hits.hit);
	return whole && status == STATUS_OK;
}
