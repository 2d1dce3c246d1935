/* SPDX-License-Identifier: MIT */
/*
 * walk.c - see walk.h.
 */
#include "tools/mkstore/walk.h"

#include <stdlib.h>
#include <string.h>

#include "tools/mkstore/array.h"

struct walk_level {
	object_t directory;
	size_t path_length;	      /* of the directory's own path */
	struct directory_entry entry; /* reached so far in it */
};

struct walk {
	struct walk_level *level;
	size_t depth, levels_room;
	char *path;
	size_t path_room;
	bool *whole;		      /* null: what cannot be read ends it */
	uint8_t seen[OBJECT_MAX / 8]; /* directories gone into */
};

/* Room for one more level and for one more name behind that. */
static bool walk_room(struct walk *walk, size_t path_length)
{
	struct walk_level *level =
		array_grow(walk->level, sizeof(*level), walk->depth, &walk->levels_room);

	if (!level)
		return false;
	walk->level = level;
	if (path_length + TREE_KEY_MAX + 2 > walk->path_room) {
		size_t room = 2 * (path_length + TREE_KEY_MAX + 2);
		char *more = realloc(walk->path, room);

		if (!more)
			return false;
		walk->path = more;
		walk->path_room = room;
	}
	return true;
}

/* NO_MEMORY; EXISTS: it was gone into before. */
static enum status walk_enter(struct walk *walk, object_t directory, size_t path_length)
{
	uint8_t bit = (uint8_t)(1u << directory.n % 8);

	if (directory.n >= OBJECT_MAX || walk->seen[directory.n / 8] & bit)
		return STATUS_EXISTS;
	if (!walk_room(walk, path_length))
		return STATUS_NO_MEMORY;
	walk->seen[directory.n / 8] |= bit;
	walk->level[walk->depth++] =
		(struct walk_level){.directory = directory, .path_length = path_length};
	return STATUS_OK;
}

/* What cannot be read ends the walk, or is passed over. */
static enum status walk_fault(struct walk *walk, enum status status)
{
	if (!walk->whole)
		return status;
	*walk->whole = false;
	return STATUS_OK;
}

/* The next name of the deepest directory; goes up when it has no more. */
static enum status walk_step(struct host *host, struct walk *walk, walk_visit *visit, void *context)
{
	struct walk_level *level = &walk->level[walk->depth - 1];
	struct directory_entry *entry = &level->entry;
	struct walk_item item = {.depth = (unsigned)walk->depth - 1};
	enum status status = HOST_RETRY(host, directory_next(&host->space, level->directory,
							     entry->name, entry->length, entry));

	if (status != STATUS_OK) {
		walk->depth--;
		return status == STATUS_NOT_FOUND ? STATUS_OK : walk_fault(walk, status);
	}
	item.length = level->path_length + 1 + entry->length;
	item.name_length = entry->length;
	item.capability = entry->capability;
	walk->path[level->path_length] = '/';
	memcpy(walk->path + level->path_length + 1, entry->name, entry->length + 1u);
	status = HOST_RETRY(
		host, object_resolve(&host->space, &item.capability, OBJECT_NONE, 0, &item.record));
	item.alive = status == STATUS_OK;
	if (!item.alive)
		item.record = (struct disk_object){0};
	if (item.alive && item.capability.type == OBJECT_DIRECTORY) {
		status = walk_enter(walk, (object_t){item.capability.object}, item.length);
		item.entered = status == STATUS_OK;
	}
	if (status != STATUS_OK && status != STATUS_DEAD && status != STATUS_EXISTS)
		return walk_fault(walk, status);
	item.path = walk->path;
	item.name = walk->path + item.length - item.name_length;
	item.dots = strcmp(item.name, ".") == 0 || strcmp(item.name, "..") == 0;
	return visit(context, &item);
}

static enum status walk_all(struct host *host, object_t directory, const char *path,
			    walk_visit *visit, void *context, bool *whole)
{
	struct walk *walk = calloc(1, sizeof(*walk));
	size_t length = strlen(path);
	enum status status = walk ? STATUS_OK : STATUS_NO_MEMORY;

	while (length > 0 && path[length - 1] == '/')
		length--;
	if (status == STATUS_OK) {
		walk->whole = whole;
		status = walk_enter(walk, directory, length);
	}
	if (status == STATUS_OK)
		memcpy(walk->path, path, length);
	while (status == STATUS_OK && walk->depth > 0)
		status = walk_step(host, walk, visit, context);
	if (walk) {
		free(walk->level);
		free(walk->path);
	}
	free(walk);
	return status;
}

enum status walk_tree(struct host *host, object_t directory, const char *path, walk_visit *visit,
		      void *context)
{
	return walk_all(host, directory, path, visit, context, NULL);
}

enum status walk_readable(struct host *host, object_t directory, walk_visit *visit, void *context,
			  bool *whole)
{
	*whole = true;
	return walk_all(host, directory, "", visit, context, whole);
}
