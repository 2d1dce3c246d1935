/* SPDX-License-Identifier: MIT */
/*
 * path.c - walks directories from the root; see path.h.
 */
#include "tools/mkstore/path.h"
#include "base/assert.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/mkstore/array.h"

/* The next part of *at, moving behind it; length 0 at the end. */
static const char *path_part(const char **at, size_t *length)
{
	const char *part;

	while (**at == '/')
		(*at)++;
	part = *at;
	*length = strcspn(part, "/");
	*at += *length;
	return part;
}

static enum status path_root(struct host *host, struct disk_capability *capability,
			     struct disk_object *record)
{
	const struct disk_system *system;
	object_t root;

	HOST_TRY(host, system_read(&host->space, &system));
	root = (object_t){system->root_directory};
	HOST_TRY(host, object_capability(&host->space, root, RIGHT_ALL, capability));
	return HOST_RETRY(host, object_read(&host->space, root, record));
}

enum status path_place_lookup(struct host *host, const struct path_place *place,
			      struct disk_capability *capability)
{
	return HOST_RETRY(host, entry_lookup(&host->space, place->directory, place->name,
					     place->length, capability));
}

enum status path_free(struct host *host, const struct path_place *place)
{
	struct disk_capability capability;
	enum status status = path_place_lookup(host, place, &capability);

	if (status == STATUS_OK)
		return STATUS_EXISTS;
	return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

enum status path_resolve(struct host *host, const struct disk_capability *capability,
			 struct disk_object *record)
{
	return HOST_RETRY(host, object_resolve(&host->space, capability, OBJECT_NONE, 0, record));
}

enum status path_next(struct host *host, object_t directory, struct directory_entry *entry)
{
	return HOST_RETRY(host,
			  entry_next(&host->space, directory, entry->name, entry->length, entry));
}

enum status path_unlink(struct host *host, const struct path_place *place)
{
	return HOST_RETRY(host,
			  entry_unlink(&host->space, place->directory, place->name, place->length));
}

enum status path_rename(struct host *host, const struct path_place *from,
			const struct path_place *to, bool replace)
{
	return HOST_RETRY(host,
			  entry_rename(&host->space, from->directory, from->name, from->length,
				       to->directory, to->name, to->length, replace));
}

/* One step down.  DEAD is the outcome for a name whose object is gone. */
static enum status path_step(struct host *host, const char *name, size_t length,
			     struct disk_capability *capability, struct disk_object *record)
{
	const struct path_place place = {{capability->object}, name, length};

	if (record->type != OBJECT_DIRECTORY)
		return STATUS_WRONG_TYPE;
	if (!directory_name_valid(name, length))
		return STATUS_NOT_FOUND;
	TRY(path_place_lookup(host, &place, capability));
	return path_resolve(host, capability, record);
}

enum status path_find(struct host *host, const char *path, struct disk_capability *capability,
		      struct disk_object *record)
{
	struct disk_object own;
	const char *part;
	size_t length;

	record = record ? record : &own;
	TRY(path_root(host, capability, record));
	part = path_part(&path, &length);
	while (length > 0) {
		TRY(path_step(host, part, length, capability, record));
		part = path_part(&path, &length);
	}
	return STATUS_OK;
}

enum status path_place_find(struct host *host, const char *path, struct path_place *place)
{
	struct disk_capability capability;
	struct disk_object record;
	const char *part;
	size_t length;

	TRY(path_root(host, &capability, &record));
	place->name = path_part(&path, &place->length);
	part = path_part(&path, &length);
	while (length > 0) {
		TRY(path_step(host, place->name, place->length, &capability, &record));
		place->name = part;
		place->length = length;
		part = path_part(&path, &length);
	}
	if (record.type != OBJECT_DIRECTORY)
		return STATUS_WRONG_TYPE;
	if (!directory_name_valid(place->name, place->length))
		return STATUS_INVALID;
	place->directory = (object_t){capability.object};
	return STATUS_OK;
}

/* Who pays for the directory pays for what gets its name in it, as the kernel has it: one that
 * ends does not leave behind what only it led to. */
static enum status path_bank(struct host *host, object_t directory, object_t *bank)
{
	const struct disk_system *system;
	struct disk_object record;

	HOST_TRY(host, object_read(&host->space, directory, &record));
	HOST_TRY(host, system_read(&host->space, &system));
	*bank = (object_t){record.bank ? record.bank : system->root_bank};
	return STATUS_OK;
}

enum status path_create(struct host *host, const struct path_place *place,
			const struct object_request *request, object_t *object)
{
	struct disk_capability capability;
	object_t bank;

	TRY(host_ranges(host));
	TRY(path_bank(host, place->directory, &bank));
	HOST_TRY(host, object_create(&host->space, bank, request, &capability));
	*object = (object_t){capability.object};
	return HOST_RETRY(host, entry_link(&host->space, place->directory, place->name,
					   place->length, &capability, false));
}

enum status path_make(struct host *host, const char *path, const struct object_request *request,
		      object_t *object)
{
	struct path_place place;

	TRY(path_place_find(host, path, &place));
	TRY(path_free(host, &place));
	return path_create(host, &place, request, object);
}

enum status path_remove(struct host *host, const struct path_place *place, object_t object)
{
	struct ended ended;

	TRY(path_unlink(host, place));
	HOST_TRY(host, object_destroy(&host->space, object, &ended));
	return host_relieve(host);
}

enum status path_partial_create(struct host *host, object_t directory,
				const struct object_request *request, struct path_partial *partial)
{
	*partial = (struct path_partial){.before = store_durable(host->store),
					 .directory = request->type == OBJECT_DIRECTORY};
	static_assert(sizeof(partial->name) >= sizeof(".partial-") + 20, "the largest number fits");
	snprintf(partial->name, sizeof(partial->name), ".partial-%" PRIu64, partial->before.n);
	partial->place = (struct path_place){directory, partial->name, strlen(partial->name)};
	return path_create(host, &partial->place, request, &partial->object);
}

void path_partial_undo(struct host *host, const struct path_partial *partial)
{
	enum status status = STATUS_OK;

	if (!partial->object.n || store_durable(host->store).n == partial->before.n)
		return;
	if (partial->directory)
		status = names_empty(host, partial->object, 0);
	if (status == STATUS_OK)
		status = path_remove(host, &partial->place, partial->object);
	if (status == STATUS_OK)
		status = host_finish(host);
	if (status != STATUS_OK)
		command_note("%s: a part of it stays as '%s'; rm removes what is there", host->path,
			     partial->name);
}

const char *path_fault(char text[PATH_FAULT], const char *path)
{
	size_t length, last = 0;
	bool empty = !*path;

	do {
		path_part(&path, &length);
		last = length ? length : last;
	} while (length);
	if (last > TREE_KEY_MAX)
		snprintf(text, PATH_FAULT, "ends in a name of %zu bytes, at most %u are allowed",
			 last, (unsigned)TREE_KEY_MAX);
	else if (!last)
		snprintf(text, PATH_FAULT, empty ? "is empty" : "is the root directory");
	return last > TREE_KEY_MAX || !last ? text : NULL;
}

enum command_exit path_result(struct host *host, enum status status, const char *what,
			      const char *path)
{
	char text[PATH_FAULT];

	if (status != STATUS_INVALID || !path_fault(text, path))
		return host_result(host, status, "cannot %s '%s'", what, path);
	return command_error("%s: cannot %s '%s': it %s", host->path, what, path, text);
}

/* ---- walks -------------------------------------------------------------------------------- */

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
	bool flat;		      /* goes into no other */
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
	ASSERT(walk->depth < walk->levels_room && path_length < walk->path_room);
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
	enum status status = path_next(host, level->directory, entry);

	if (status != STATUS_OK) {
		walk->depth--;
		return status == STATUS_NOT_FOUND ? STATUS_OK : walk_fault(walk, status);
	}
	item.length = level->path_length + 1 + entry->length;
	item.name_length = entry->length;
	item.capability = entry->capability;
	ASSERT(level->path_length + entry->length + 2 <= walk->path_room);
	walk->path[level->path_length] = '/';
	memcpy(walk->path + level->path_length + 1, entry->name, entry->length + 1u);
	status = path_resolve(host, &item.capability, &item.record);
	item.alive = status == STATUS_OK;
	if (!item.alive)
		item.record = (struct disk_object){0};
	if (item.alive && item.capability.type == OBJECT_DIRECTORY && !walk->flat) {
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
			    walk_visit *visit, void *context, bool flat, bool *whole)
{
	struct walk *walk = calloc(1, sizeof(*walk));
	size_t length = strlen(path);
	enum status status = walk ? STATUS_OK : STATUS_NO_MEMORY;

	while (length > 0 && path[length - 1] == '/')
		length--;
	if (status == STATUS_OK) {
		walk->flat = flat;
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
	return walk_all(host, directory, path, visit, context, false, NULL);
}

enum status walk_names(struct host *host, object_t directory, walk_visit *visit, void *context)
{
	return walk_all(host, directory, "", visit, context, true, NULL);
}

enum status walk_readable(struct host *host, object_t directory, walk_visit *visit, void *context,
			  bool *whole)
{
	*whole = true;
	return walk_all(host, directory, "", visit, context, false, whole);
}
