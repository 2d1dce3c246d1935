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

struct place {
	object_t directory;
	char *path; /* without a slash at its end */
	size_t length;
};

struct places {
	struct place *place;
	size_t count, room;
	uint8_t seen[OBJECT_MAX / 8];
	bool incomplete;
};

/* Takes the path over. */
static void place_add(struct places *places, object_t directory, char *path, size_t length)
{
	uint8_t bit = (uint8_t)(1u << directory.n % 8);

	if (!path || directory.n >= OBJECT_MAX || places->seen[directory.n / 8] & bit) {
		places->incomplete |= !path;
		free(path);
		return;
	}
	if (places->count == places->room) {
		size_t room = 2 * places->room + 16;
		struct place *more = realloc(places->place, room * sizeof(*more));

		if (!more) {
			places->incomplete = true;
			free(path);
			return;
		}
		places->place = more;
		places->room = room;
	}
	places->seen[directory.n / 8] |= bit;
	places->place[places->count++] = (struct place){directory, path, length};
}

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

static void entry_look(struct host *host, struct places *places, const struct place *place,
		       const struct directory_entry *entry, const struct salvage_state *live,
		       salvage_object_told told, void *context)
{
	size_t length = place->length + 1 + entry->length;
	char *path = malloc(length);
	struct disk_object record;
	uint64_t first = 0, pages;
	enum status status = HOST_RETRY(
		host, object_resolve(&host->space, &entry->capability, OBJECT_NONE, 0, &record));

	if (!path || status != STATUS_OK) {
		places->incomplete |= !path || status != STATUS_DEAD;
		free(path);
		return;
	}
	memcpy(path, place->path, place->length);
	path[place->length] = '/';
	memcpy(path + place->length + 1, entry->name, entry->length);
	if (record.type == OBJECT_DIRECTORY) {
		place_add(places, (object_t){entry->capability.object}, path, length);
		return;
	}
	if (record.type == OBJECT_SEGMENT) {
		/* Beyond its end a segment has no pages to lose. */
		record.range_pages = (record.size + PAGE_SIZE - 1) / PAGE_SIZE;
		pages = range_lost(live, &record, &first);
		if (pages)
			told(context, path, length, first, pages);
	}
	free(path);
}

static void directory_look(struct host *host, struct places *places, size_t index,
			   const struct salvage_state *live, salvage_object_told told,
			   void *context)
{
	struct directory_entry entry = {0};
	enum status status;

	for (;;) {
		/* The array moves while it grows; the path does not. */
		struct place place = places->place[index];

		status = HOST_RETRY(host, directory_next(&host->space, place.directory, entry.name,
							 entry.length, &entry));
		if (status != STATUS_OK)
			break;
		entry_look(host, places, &place, &entry, live, told, context);
	}
	places->incomplete |= status != STATUS_NOT_FOUND;
}

bool salvage_objects(struct host *host, const struct salvage_state *live, salvage_object_told told,
		     void *context)
{
	struct places *places = calloc(1, sizeof(*places));
	const struct disk_system *system;
	bool complete;
	enum status status;

	if (!places)
		return false;
	status = HOST_RETRY(host, system_read(&host->space, &system));
	if (status == STATUS_OK)
		place_add(places, (object_t){system->root_directory}, calloc(1, 1), 0);
	/* Without a system page there are no names, unless it is among what is lost. */
	places->incomplete |= status != STATUS_OK && (status != STATUS_ABSENT || live->losses);
	for (size_t i = 0; i < places->count; i++)
		directory_look(host, places, i, live, told, context);
	for (size_t i = 0; i < places->count; i++)
		free(places->place[i].path);
	complete = !places->incomplete;
	free(places->place);
	free(places);
	return complete;
}
