/* SPDX-License-Identifier: MIT */
/*
 * stats_objects.c - space by object: what each takes, and what snapshots share.
 *
 * The object table says which pages belong to whom, the survey where they lie.
 * A machine has its own page and its message page.  Pages of nobody are those of
 * the system itself: object table, trees, the ranges of what was destroyed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/mkstore/array.h"
#include "tools/mkstore/kind.h"
#include "tools/mkstore/stats_priv.h"

struct range {
	uint64_t first, end; /* pages */
	uint32_t object;
};

struct object {
	uint8_t type;
	uint32_t directory; /* that names it, 0: none was found */
	uint8_t name_length;
	char *name;
	uint64_t pages, sectors, shared;
};

struct objects {
	const struct survey *survey;
	struct host *host;
	struct object *object; /* [0]: what belongs to nobody */
	uint32_t objects, root;
	struct range *range;
	size_t ranges, room;
	uint64_t at; /* range of the page visited last */
};

/* ---- the object table ------------------------------------------------------------ */

static enum status range_add(struct objects *objects, uint64_t first, uint64_t pages,
			     uint32_t object)
{
	struct range *range;

	if (!first || !pages || pages > DISK_PAGE_MAX)
		return STATUS_OK;
	range = array_grow(objects->range, sizeof(*range), objects->ranges, &objects->room);
	if (!range)
		return STATUS_NO_MEMORY;
	objects->range = range;
	objects->range[objects->ranges++] = (struct range){first, first + pages, object};
	return STATUS_OK;
}

static int range_compare(const void *left, const void *right)
{
	const struct range *a = left, *b = right;

	return a->first < b->first ? -1 : a->first > b->first;
}

static enum status table_read(struct objects *objects)
{
	const struct disk_system *system;
	struct host *host = objects->host;
	enum status status = HOST_RETRY(host, system_read(&host->space, &system));
	struct disk_object record;

	if (status != STATUS_OK)
		return status;
	objects->objects = system->next_object < OBJECT_MAX ? system->next_object : OBJECT_MAX;
	objects->root = system->root_directory;
	objects->object = calloc(objects->objects + 1u, sizeof(*objects->object));
	if (!objects->object)
		return STATUS_NO_MEMORY;
	for (uint32_t i = 1; i < objects->objects && status == STATUS_OK; i++) {
		status = HOST_RETRY(host, object_read(&host->space, (object_t){i}, &record));
		if (status == STATUS_OK) {
			objects->object[i].type = record.type;
			status = range_add(objects, record.first_page, record.range_pages, i);
		} else if (status == STATUS_DEAD || status == STATUS_NOT_FOUND) {
			status = STATUS_OK;
			continue;
		}
		if (status == STATUS_OK && record.type == OBJECT_MACHINE)
			status = range_add(objects, record.machine.message_page,
					   record.machine.message_pages, i);
	}
	if (status == STATUS_OK && objects->ranges)
		qsort(objects->range, objects->ranges, sizeof(*objects->range), range_compare);
	return status;
}

/* ---- names ----------------------------------------------------------------------- */

static enum status names_of_directory(struct objects *objects, uint32_t directory)
{
	struct directory_entry entry = {0};
	struct host *host = objects->host;

	for (;;) {
		enum status status =
			HOST_RETRY(host, directory_next(&host->space, (object_t){directory},
							entry.name, entry.length, &entry));
		struct object *object;

		if (status != STATUS_OK)
			return status == STATUS_NOT_FOUND ? STATUS_OK : status;
		if (entry.capability.object >= objects->objects)
			continue;
		object = &objects->object[entry.capability.object];
		if (object->type != entry.capability.type || object->name ||
		    entry.capability.object == objects->root)
			continue;
		object->name = malloc(entry.length);
		if (!object->name)
			return STATUS_NO_MEMORY;
		memcpy(object->name, entry.name, entry.length);
		object->name_length = entry.length;
		object->directory = directory;
	}
}

static enum status names_read(struct objects *objects)
{
	enum status status = STATUS_OK;

	for (uint32_t i = 1; i < objects->objects && status == STATUS_OK; i++)
		if (objects->object[i].type == OBJECT_DIRECTORY)
			status = names_of_directory(objects, i);
	return status;
}

/* The path, from its end to the front of `text`; its beginning.  An object that
 * no directory names has none. */
static const char *object_path(const struct objects *objects, uint32_t index, char *text,
			       size_t size, size_t *length)
{
	size_t at = size;

	for (unsigned depth = 0; index != objects->root && depth <= DIRECTORY_DEPTH_MAX; depth++) {
		const struct object *object = &objects->object[index];

		if (!object->name || at < object->name_length + 1u)
			break;
		at -= object->name_length;
		memcpy(text + at, object->name, object->name_length);
		text[--at] = '/';
		index = object->directory;
	}
	if (index == objects->root && at == size)
		text[--at] = '/';
	*length = size - at;
	return text + at;
}

/* ---- pages ----------------------------------------------------------------------- */

static void page_count(void *context, uint64_t page, const struct disk_reference *reference)
{
	struct objects *objects = context;
	struct object *object = &objects->object[0];

	while (objects->at < objects->ranges && objects->range[objects->at].end <= page)
		objects->at++;
	if (objects->at < objects->ranges && objects->range[objects->at].first <= page)
		object = &objects->object[objects->range[objects->at].object];
	object->pages++;
	object->sectors += reference->sectors;
	if (reference->sectors && survey_is_shared(objects->survey, reference))
		object->shared += reference->sectors;
}

/* ---- the list * ------------------------------------------------------------------ */

static void object_show(const struct objects *objects, struct show *show, uint32_t index)
{
	const struct object *object = &objects->object[index];
	char text[4096];
	size_t length = 0;
	const char *path = index ? object_path(objects, index, text, sizeof(text), &length) : "";

	show_row(show);
	if (index)
		show_number(show, index);
	else
		show_none(show);
	show_text(show, index ? kind_type_text(object->type) : "system");
	show_number(show, object->pages);
	show_sectors(show, object->sectors);
	show_sectors(show, object->sectors - object->shared);
	show_sectors(show, object->shared);
	if (length)
		show_name(show, path, length, "");
	else
		show_none(show);
}

static void list_show(const struct objects *objects, struct show *show)
{
	static const struct show_column columns[] = {
		{"object", "OBJECT", 6},
		{"type", "TYPE", -9},
		{"pages", "PAGES", 9},
		{"sectors", "STORED", 10},
		{"exclusive_sectors", "EXCLUSIVE", 10},
		{"shared_sectors", "SHARED", 10},
		SHOW_GAP,
		{"path", "PATH", 0},
		{0},
	};

	show_list(show, "objects", columns);
	for (uint32_t i = 0; i < objects->objects; i++)
		if (objects->object[i].pages)
			object_show(objects, show, i);
	show_list_end(show);
}

enum status stats_objects(struct survey *survey, struct host *host, struct show *show)
{
	struct objects objects = {.survey = survey, .host = host};
	enum status status = table_read(&objects);

	if (status == STATUS_OK)
		status = names_read(&objects);
	if (status == STATUS_OK) {
		survey_pages(survey, &objects, page_count);
		list_show(&objects, show);
	}
	for (uint32_t i = 0; objects.object && i < objects.objects; i++)
		free(objects.object[i].name);
	free(objects.object);
	free(objects.range);
	return status;
}
