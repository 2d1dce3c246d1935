/* SPDX-License-Identifier: MIT */
/*
 * tree.c - whole folders into the store; see tree.h.
 */
#include "tools/mkstore/tree.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/mkstore/kind.h"
#include "tools/mkstore/path.h"
#include "tools/mkstore/show.h"
#include "tools/mkstore/walk.h"

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
	const char *what =
		item->alive ? kind_type_text(item->capability.type) : "a name whose object is gone";

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

static enum command_exit tree_error(struct tree *tree, enum status status, const char *path)
{
	return host_error(tree->host, status, "cannot write '%s' of '%s'", path, tree->name);
}

/* ---- names below the top ---------------------------------------------------------------- */

static enum status tree_create(struct tree *tree, object_t directory, const char *name,
			       size_t length, const struct object_request *request,
			       object_t *object)
{
	const struct path_place place = {.directory = directory, .name = name, .length = length};

	return path_create(tree->host, &place, request, object);
}

/* Down to a directory, which is made if there is none.  WRONG_TYPE: something else is there. */
static enum status tree_down(struct tree *tree, object_t *directory, const char *name,
			     size_t length)
{
	struct object_request request = {.type = OBJECT_DIRECTORY};
	struct host *host = tree->host;
	struct disk_capability found;
	enum status status =
		HOST_RETRY(host, directory_lookup(&host->space, *directory, name, length, &found));

	if (status == STATUS_NOT_FOUND) {
		tree->directories++;
		return tree_create(tree, *directory, name, length, &request, directory);
	}
	if (status != STATUS_OK)
		return status;
	*directory = (object_t){found.object};
	return found.type == OBJECT_DIRECTORY ? STATUS_OK : STATUS_WRONG_TYPE;
}

/* All of the path but its last name is gone down; that one is *name, empty for the top. */
static enum status tree_descend(struct tree *tree, const char *path, object_t *directory,
				const char **name, size_t *length)
{
	enum status status = STATUS_OK;

	*directory = tree->top;
	*name = path;
	*length = 0;
	while (status == STATUS_OK && *path) {
		size_t part = strcspn(path, "/");

		if (part && !(part == 1 && *path == '.')) {
			if (*length)
				status = tree_down(tree, directory, *name, *length);
			*name = path;
			*length = part;
		}
		path += part + (path[part] == '/');
	}
	return status;
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

static enum command_exit tree_place(struct tree *tree, const char *path, object_t *directory,
				    const char **name, size_t *length)
{
	const char *fault = tree_fault(path);
	enum status status;

	if (fault)
		return command_error("'%s': '%s' is %s: nothing was put", tree->name, path, fault);
	status = tree_descend(tree, path, directory, name, length);
	return status == STATUS_OK ? COMMAND_OK : tree_error(tree, status, path);
}

enum command_exit tree_directory(struct tree *tree, const char *path)
{
	object_t directory;
	const char *name;
	size_t length;
	enum command_exit result = tree_place(tree, path, &directory, &name, &length);
	enum status status = STATUS_OK;

	if (result == COMMAND_OK && length)
		status = tree_down(tree, &directory, name, length);
	return status == STATUS_OK ? result : tree_error(tree, status, path);
}

enum command_exit tree_file(struct tree *tree, const char *path,
			    const struct content_source *source)
{
	struct object_request request = {.type = OBJECT_SEGMENT,
					 .size_max = source->bytes ? source->bytes : PAGE_SIZE};
	struct host *host = tree->host;
	struct disk_capability old;
	object_t directory, object = {0};
	const char *name;
	size_t length;
	enum status status;
	enum command_exit result = tree_place(tree, path, &directory, &name, &length);

	if (result != COMMAND_OK)
		return result;
	status = length ? HOST_RETRY(host,
				     directory_lookup(&host->space, directory, name, length, &old))
			: STATUS_WRONG_TYPE;
	/* Of two in one stream the later one counts. */
	if (status == STATUS_OK)
		status = old.type == OBJECT_SEGMENT ? path_remove(host, directory, name, length,
								  (object_t){old.object})
						    : STATUS_WRONG_TYPE;
	if (status == STATUS_OK || status == STATUS_NOT_FOUND)
		status = tree_create(tree, directory, name, length, &request, &object);
	if (status != STATUS_OK)
		return tree_error(tree, status, path);
	tree->files++;
	tree->bytes += source->bytes;
	return content_write(host, object, source);
}

/* ---- the whole ------------------------------------------------------------------------------ */

/* Where everything will be, and where it grows until then. */
struct tree_target {
	object_t directory;
	const char *name; /* in it; null: each name at the top keeps its own */
	size_t length;
	char partial[40];
};

static enum command_exit tree_target_find(struct tree *tree, const char *path, const char *base,
					  struct tree_target *target)
{
	struct host *host = tree->host;
	struct disk_capability capability;
	struct path_place place = {.name = base, .length = base ? strlen(base) : 0};
	enum status status = path_find(host, path, &capability, NULL);

	if (status == STATUS_OK && capability.type != OBJECT_DIRECTORY)
		return path_error(host, STATUS_EXISTS, "put a folder as", path);
	if (status == STATUS_OK)
		place.directory = (object_t){capability.object};
	else if (status == STATUS_NOT_FOUND)
		status = path_place_find(host, path, &place);
	if (status == STATUS_OK && place.name && !directory_name_valid(place.name, place.length))
		status = STATUS_INVALID;
	if (status == STATUS_OK && place.name) {
		status = HOST_RETRY(host, directory_lookup(&host->space, place.directory,
							   place.name, place.length, &capability));
		status = status == STATUS_OK	      ? STATUS_EXISTS
			 : status == STATUS_NOT_FOUND ? STATUS_OK
						      : status;
	}
	*target = (struct tree_target){
		.directory = place.directory, .name = place.name, .length = place.length};
	return status == STATUS_OK ? COMMAND_OK : path_error(host, status, "put a folder as", path);
}

/* The names at the top go, each if it is free. */
static enum status tree_spread(struct tree *tree, const struct tree_target *target, bool move,
			       struct directory_entry *entry)
{
	struct host *host = tree->host;
	struct disk_capability other;
	enum status status;

	*entry = (struct directory_entry){.length = 0};
	for (;;) {
		status = HOST_RETRY(host, directory_next(&host->space, tree->top, entry->name,
							 entry->length, entry));
		if (status != STATUS_OK)
			return status == STATUS_NOT_FOUND ? STATUS_OK : status;
		if (move)
			status = HOST_RETRY(host,
					    directory_rename(&host->space, tree->top, entry->name,
							     entry->length, target->directory,
							     entry->name, entry->length, false));
		else
			status = HOST_RETRY(host,
					    directory_lookup(&host->space, target->directory,
							     entry->name, entry->length, &other));
		if (status != (move ? STATUS_OK : STATUS_NOT_FOUND))
			return status == STATUS_OK ? STATUS_EXISTS : status;
	}
}

static enum command_exit tree_name(struct tree *tree, const struct tree_target *target)
{
	struct host *host = tree->host;
	size_t partial = strlen(target->partial);
	struct directory_entry entry;
	enum status status;

	if (target->name) {
		status = HOST_RETRY(host,
				    directory_rename(&host->space, target->directory,
						     target->partial, partial, target->directory,
						     target->name, target->length, false));
		return status == STATUS_OK ? COMMAND_OK : tree_error(tree, status, "/");
	}
	status = tree_spread(tree, target, false, &entry);
	if (status == STATUS_OK)
		status = host_places(host);
	if (status == STATUS_OK)
		status = tree_spread(tree, target, true, &entry);
	if (status != STATUS_OK)
		return tree_error(tree, status, entry.name);
	status = path_remove(host, target->directory, target->partial, partial, tree->top);
	return status == STATUS_OK ? COMMAND_OK : tree_error(tree, status, "/");
}

/* Takes back what earlier commits of this run made durable. */
static void tree_undo(struct tree *tree, const struct tree_target *target)
{
	struct host *host = tree->host;
	enum status status = names_empty(host, tree->top, 0);

	if (status == STATUS_OK)
		status = path_remove(host, target->directory, target->partial,
				     strlen(target->partial), tree->top);
	if (status == STATUS_OK)
		status = host_finish(host);
	if (status != STATUS_OK)
		command_note("%s: a part of it stays as '%s'; rm removes what is there", host->path,
			     target->partial);
}

enum command_exit tree_put(struct tree *tree, const char *path, const char *base,
			   enum command_exit (*fill)(struct tree *tree, void *context),
			   void *context)
{
	struct object_request request = {.type = OBJECT_DIRECTORY};
	struct host *host = tree->host;
	generation_t before = store_durable(host->store);
	struct tree_target target;
	enum status status;
	enum command_exit result = tree_target_find(tree, path, base, &target);

	if (result != COMMAND_OK)
		return result;
	/* Of no name that a stream has: it is not below the top. */
	snprintf(target.partial, sizeof(target.partial), ".partial-%" PRIu64, before.n);
	status = tree_create(tree, target.directory, target.partial, strlen(target.partial),
			     &request, &tree->top);
	if (status != STATUS_OK)
		return tree_error(tree, status, "/");
	result = fill(tree, context);
	if (result == COMMAND_OK)
		result = tree_name(tree, &target);
	if (result == COMMAND_OK) {
		status = host_finish(host);
		return status == STATUS_OK ? COMMAND_OK : tree_error(tree, status, "/");
	}
	if (store_durable(host->store).n != before.n)
		tree_undo(tree, &target);
	return result;
}
