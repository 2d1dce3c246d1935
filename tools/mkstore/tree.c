/* SPDX-License-Identifier: MIT */
/*
 * tree.c - whole folders into the store; see tree.h.
 */
#include "tools/mkstore/tree.h"
#include "base/assert.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/mkstore/kind.h"
#include "tools/mkstore/path.h"
#include "tools/mkstore/show.h"

static const struct object_request tree_request = {.type = OBJECT_DIRECTORY};

enum command_exit tree_other(struct tree *tree, const char *path, const char *what)
{
	if (!tree->skip)
		return command_error("'%s': '%s' is %s; --skip leaves such things out", tree->name,
				     path, what);
	command_note("'%s': left out '%s': it is %s", tree->name, path, what);
	tree->skipped++;
	return COMMAND_OK;
}

enum status tree_visit(void *context, const struct walk_item *item)
{
	struct tree_sink *sink = context;
	const char *what = item->alive ? object_type_name(item->capability.type)
				       : "a name whose object is gone";

	ASSERT(!item->entered || item->alive);
	if (item->dots)
		what = "a name that a folder of the host cannot have";
	else if (item->alive && item->capability.type == OBJECT_SEGMENT)
		return sink->file(sink, item);
	else if (item->entered) {
		sink->tree->directories++;
		return sink->directory(sink, item);
	}
	/* What is in such a directory would lead there, too. */
	if (item->dots && item->entered)
		command_error("'%s' is %s", item->path, what);
	else if (tree_other(sink->tree, item->path, what) == COMMAND_OK)
		return STATUS_OK;
	sink->result = COMMAND_FAILED;
	return STATUS_INVALID;
}

void tree_read(struct tree_sink *sink, const struct walk_item *item, struct content_sink *content)
{
	content->keep_going = sink->tree->keep_going;
	if (content_read(sink->tree->host, &item->record, content) != COMMAND_OK)
		sink->result = COMMAND_FAILED;
	sink->tree->files++;
	sink->tree->bytes += item->record.size;
	sink->tree->bad_pages += content->bad_pages;
}

void tree_show(struct show *show, const struct tree *tree)
{
	fact_number(show, "files", NULL, tree->files);
	fact_number(show, "directories", NULL, tree->directories);
	fact_number(show, "size_bytes", NULL, tree->bytes);
	fact_number(show, "left_out", NULL, tree->skipped);
	fact_number(show, "damaged_pages", NULL, tree->bad_pages);
}

static enum command_exit tree_result(struct tree *tree, enum status status, const char *path)
{
	return host_result(tree->host, status, "cannot write '%s' of '%s'", path, tree->name);
}

/* ---- names below the top ---------------------------------------------------------------- */

/* Down to a directory, which is made if there is none.  WRONG_TYPE: something else is there. */
static enum status tree_down(struct tree *tree, const struct path_place *place, object_t *directory)
{
	struct disk_capability found;
	enum status status = path_place_lookup(tree->host, place, &found);

	if (status == STATUS_NOT_FOUND) {
		tree->directories++;
		return path_create(tree->host, place, &tree_request, directory);
	}
	TRY(status);
	*directory = (object_t){found.object};
	return found.type == OBJECT_DIRECTORY ? STATUS_OK : STATUS_WRONG_TYPE;
}

/* All of the path but its last name is gone down; that one is the place's, empty for the top. */
static enum status tree_descend(struct tree *tree, const char *path, struct path_place *place)
{
	object_t below;

	*place = (struct path_place){.directory = tree->top, .name = path};
	while (*path) {
		size_t part = strcspn(path, "/");

		if (part && !(part == 1 && *path == '.')) {
			if (place->length) {
				TRY(tree_down(tree, place, &below));
				place->directory = below;
			}
			place->name = path;
			place->length = part;
		}
		path += part + (path[part] == '/');
	}
	return STATUS_OK;
}

/* Why that path cannot be below the top; null: it can. */
static const char *tree_fault(const char *path)
{
	if (*path == '/')
		return "an absolute path";
	for (const char *at = path; *at;) {
		size_t part = strcspn(at, "/");

		if (part == 2 && memcmp(at, "..", 2) == 0)
			return "a path that leads out of its folder";
		if (part > TREE_KEY_MAX)
			return "a path with a name of more than 255 bytes";
		at += part + (at[part] == '/');
	}
	return NULL;
}

static enum command_exit tree_place(struct tree *tree, const char *path, struct path_place *place)
{
	const char *fault = tree_fault(path);

	if (fault)
		return command_error("'%s': '%s' is %s: nothing was put", tree->name, path, fault);
	return tree_result(tree, tree_descend(tree, path, place), path);
}

enum command_exit tree_directory(struct tree *tree, const char *path)
{
	struct path_place place;
	object_t made;

	TRY(tree_place(tree, path, &place));
	return place.length ? tree_result(tree, tree_down(tree, &place, &made), path) : COMMAND_OK;
}

enum command_exit tree_file(struct tree *tree, const char *path,
			    const struct content_source *source)
{
	struct object_request request = {.type = OBJECT_SEGMENT,
					 .size_max = source->bytes ? source->bytes : PAGE_SIZE};
	struct host *host = tree->host;
	struct disk_capability old;
	struct path_place place;
	object_t object = {0};
	enum status status;

	TRY(tree_place(tree, path, &place));
	status = place.length ? path_place_lookup(host, &place, &old) : STATUS_WRONG_TYPE;
	/* Of two in one stream the later one counts. */
	if (status == STATUS_OK)
		status = old.type == OBJECT_SEGMENT
				 ? path_remove(host, &place, (object_t){old.object})
				 : STATUS_WRONG_TYPE;
	if (status == STATUS_OK || status == STATUS_NOT_FOUND)
		status = path_create(host, &place, &request, &object);
	TRY(tree_result(tree, status, path));
	tree->files++;
	tree->bytes += source->bytes;
	return content_write(host, object, source);
}

/* ---- the whole ------------------------------------------------------------------------------ */

/* Where everything will be; without a name each name at the top keeps its own. */
static enum command_exit tree_target_find(struct tree *tree, const char *path, const char *base,
					  struct path_place *place)
{
	struct host *host = tree->host;
	struct disk_capability capability;
	enum status status = path_find(host, path, &capability, NULL);

	*place = (struct path_place){.name = base, .length = base ? strlen(base) : 0};
	if (status == STATUS_NOT_FOUND) {
		status = path_place_find(host, path, place);
	} else if (status == STATUS_OK) {
		place->directory = (object_t){capability.object};
		status = capability.type == OBJECT_DIRECTORY ? STATUS_OK : STATUS_EXISTS;
	}
	if (status == STATUS_OK && place->name)
		status = directory_name_valid(place->name, place->length) ? path_free(host, place)
									  : STATUS_INVALID;
	return path_result(host, status, "put a folder as", path);
}

/* The names at the top go, each if it is free. */
static enum status tree_spread(struct tree *tree, object_t directory, bool move,
			       struct directory_entry *entry)
{
	struct host *host = tree->host;
	enum status status;

	*entry = (struct directory_entry){.length = 0};
	while ((status = path_next(host, tree->top, entry)) == STATUS_OK) {
		struct path_place from = {tree->top, entry->name, entry->length}, to = from;

		to.directory = directory;
		TRY(move ? path_rename(host, &from, &to, false) : path_free(host, &to));
	}
	return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum command_exit tree_name(struct tree *tree, const struct path_partial *partial,
				   const struct path_place *place)
{
	struct host *host = tree->host;
	struct directory_entry entry;
	enum status status;

	if (place->name)
		return tree_result(tree, path_rename(host, &partial->place, place, false), "/");
	status = tree_spread(tree, place->directory, false, &entry);
	if (status == STATUS_OK)
		status = host_places(host);
	if (status == STATUS_OK)
		status = tree_spread(tree, place->directory, true, &entry);
	TRY(tree_result(tree, status, entry.name));
	return tree_result(tree, path_remove(host, &partial->place, tree->top), "/");
}

enum command_exit tree_put(struct tree *tree, const char *path, const char *base,
			   enum command_exit (*fill)(struct tree *tree, void *context),
			   void *context)
{
	struct host *host = tree->host;
	struct path_partial partial;
	struct path_place place;
	enum command_exit result;
	enum status status;

	TRY(tree_target_find(tree, path, base, &place));
	/* Of no name that a stream has: it is not below the top. */
	status = path_partial_create(host, place.directory, &tree_request, &partial);
	TRY(tree_result(tree, status, "/"));
	tree->top = partial.object;
	result = fill(tree, context);
	if (result == COMMAND_OK)
		result = tree_name(tree, &partial, &place);
	if (result == COMMAND_OK)
		return tree_result(tree, host_finish(host), "/");
	path_partial_undo(host, &partial);
	return result;
}
