/* SPDX-License-Identifier: MIT */
/*
 * past.c - ls, cat, cp and tree with --snapshot: what a snapshot holds, read beside
 * whatever goes on.  And tree.  Interface in shell.h.
 *
 * There is nothing to attach: names and bytes are asked for, a message each.
 */
#include "user/shell/shell.h"

#include <string.h>
#include "user/lib/directory.h"
#include "user/lib/file.h"
#include "user/lib/service.h"
#include "user/lib/slot.h"
#include "base/text.h"
#include "user/shell/terminal.h"

#define PAST_DEPTH 129u /* a root and as many as can be below one another (kernel/abi.h) */

bool past_option(int *argc, char ***argv, uint64_t *snapshot)
{
	const char *command = (*argv)[0];
	struct store_snapshot found;

	*snapshot = 0;
	if (*argc < 2 || !text_equal((*argv)[1], "--snapshot"))
		return true;
	if (*argc < 3)
		return shell_usage(command);
	if (!keep_snapshot_find(command, (*argv)[2], &found))
		return false;
	*snapshot = found.number.n;
	(*argv)[2] = (*argv)[0];
	*argv += 2;
	*argc -= 2;
	return true;
}

bool past_ls(uint64_t snapshot, const char *path)
{
	static struct directory_item item;
	uint32_t directory;
	enum status status = path_past(snapshot, path, &item);

	if (status != STATUS_OK)
		return shell_error("ls", path, status);
	if (item.type != OBJECT_DIRECTORY) {
		objects_print_item(&item);
		return true;
	}
	directory = item.object;
	item.name[0] = '\0';
	for (uint64_t count = 1;; count++) {
		status = directory_past(snapshot, directory, &item, false);
		if (status != STATUS_OK)
			break;
		objects_print_item(&item);
		if (count % 64 == 0 && terminal_interrupted())
			return false;
	}
	return status == STATUS_NOT_FOUND ? true : shell_error("ls", path, status);
}

/* The object that the path leads to; only those have bytes. */
static bool past_find(const char *command, uint64_t snapshot, const char *path,
		      struct directory_item *item)
{
	enum status status = path_past(snapshot, path, item);

	if (status == STATUS_OK && item->type != OBJECT_SEGMENT)
		status = STATUS_WRONG_TYPE;
	return status == STATUS_OK || shell_error(command, path, status);
}

bool past_cat(uint64_t snapshot, const char *path)
{
	static struct directory_item item;
	char bytes[MESSAGE_DATA];
	size_t length = 0;

	if (!past_find("cat", snapshot, path, &item))
		return false;
	for (uint64_t at = 0; at < item.size; at += length) {
		enum status status = store_past_bytes(snapshot, item.object, at, bytes, &length);

		if (status != STATUS_OK)
			return shell_error("cat", path, status);
		if (length == 0)
			break;
		if (!at && contents_refuse(path, bytes, length,
					   "`cp --snapshot` makes an object of it again"))
			return false;
		terminal_write(bytes, length);
		if (terminal_interrupted())
			return false;
	}
	if (length > 0 && bytes[length - 1] != '\n' && !terminal_captures())
		terminal_write("\n", 1);
	return true;
}

static enum status past_fill(uint64_t snapshot, const struct directory_item *item,
			     struct file *file)
{
	char bytes[MESSAGE_DATA];
	size_t length = 0;
	enum status status = file_resize(file, item->size);

	for (uint64_t at = 0; status == STATUS_OK && at < item->size; at += length) {
		status = store_past_bytes(snapshot, item->object, at, bytes, &length);
		if (status == STATUS_OK && length == 0)
			status = STATUS_FORMAT;
		if (status == STATUS_OK)
			memcpy((char *)file_data(file) + at, bytes, length);
	}
	return status;
}

/* A new object only: what is there now is not overwritten by what was there then. */
static enum status past_copy(uint64_t snapshot, const struct directory_item *item,
			     struct directory directory, const char *name)
{
	struct file file;
	enum status status =
		file_create(&file, item->size > FILE_SIZE_MAX ? item->size : FILE_SIZE_MAX, false);

	if (status != STATUS_OK)
		return status;
	status = past_fill(snapshot, item, &file);
	if (status == STATUS_OK)
		status = directory_link(directory, name, file.segment.slot, false);
	if (status == STATUS_OK)
		file_close(&file);
	else
		file_discard(&file);
	return status;
}

bool past_cp(uint64_t snapshot, const char *from, const char *to)
{
	static struct directory_item item;
	char name[DIRECTORY_NAME];
	struct directory directory;
	enum status status;

	if (!past_find("cp", snapshot, from, &item))
		return false;
	status = contents_find_target(from, to, &directory, name);
	if (status == STATUS_OK) {
		status = past_copy(snapshot, &item, directory, name);
		slot_give(directory.slot);
	}
	if (status == STATUS_EXISTS)
		return shell_complain("cp",
				      "%s: is there already; copy the old one under another "
				      "name, and `mv` or `rm` as you like",
				      to);
	return status == STATUS_OK || shell_error("cp", to, status);
}

/* ---- tree -------------------------------------------------------------------------- */

/* A directory that is being listed: its number in the snapshot, or a slot. */
struct tree_level {
	uint32_t directory;
	char name[DIRECTORY_NAME]; /* the last one listed */
};

static struct {
	uint64_t snapshot; /* 0: now */
	uint32_t depth;
	struct tree_level level[PAST_DEPTH];
} tree;

static enum status tree_open(const char *path)
{
	static struct directory_item item;
	enum object_type type;
	enum status status;

	tree.depth = 0;
	tree.level[0].name[0] = '\0';
	if (tree.snapshot == 0) {
		status = path_lookup(path, &tree.level[0].directory, &type);
	} else {
		status = path_past(tree.snapshot, path, &item);
		tree.level[0].directory = item.object;
		type = item.type;
	}
	if (status == STATUS_OK && type != OBJECT_DIRECTORY) {
		if (tree.snapshot == 0)
			slot_give(tree.level[0].directory);
		return STATUS_WRONG_TYPE;
	}
	tree.depth = status == STATUS_OK;
	return status;
}

static enum status tree_next(struct directory_item *item)
{
	struct tree_level *level = &tree.level[tree.depth - 1];
	enum status status;

	memcpy(item->name, level->name, sizeof(item->name));
	status = tree.snapshot ? directory_past(tree.snapshot, level->directory, item, false)
			       : directory_next(DIRECTORY(level->directory), item);
	memcpy(level->name, item->name, sizeof(level->name));
	return status;
}

static void tree_leave(void)
{
	if (tree.snapshot == 0)
		slot_give(tree.level[tree.depth - 1].directory);
	tree.depth--;
}

/* A directory just listed: its names come next.  Bounded, as in stores from before there
 * were places directories can be below themselves. */
static bool tree_enter(const struct directory_item *item)
{
	uint32_t parent = tree.level[tree.depth - 1].directory, child = item->object;
	enum object_type type;
	enum status status;

	if (tree.depth == PAST_DEPTH) {
		terminal_print("%*s...\n", (int)(2 * tree.depth), "");
		return true;
	}
	if (tree.snapshot == 0) {
		child = slot_take();
		status = child ? directory_lookup(DIRECTORY(parent), item->name, child, &type)
			       : STATUS_LIMIT;
		if (status != STATUS_OK) {
			slot_give(child);
			/* It can have gone meanwhile. */
			return status == STATUS_NOT_FOUND || status == STATUS_DEAD ||
			       shell_error("tree", item->name, status);
		}
	}
	tree.level[tree.depth].directory = child;
	tree.level[tree.depth].name[0] = '\0';
	tree.depth++;
	return true;
}

bool command_tree(int argc, char **argv)
{
	static struct directory_item item;
	const char *path;
	bool done = true;
	enum status status;

	if (!past_option(&argc, &argv, &tree.snapshot))
		return false;
	if (argc > 2)
		return shell_usage("tree");
	path = argc > 1 ? argv[1] : "/";
	status = tree_open(path);
	if (status != STATUS_OK)
		return tree.snapshot ? shell_error("tree", path, status)
				     : shell_path_error("tree", path, status);
	terminal_print("%s\n", path);
	for (uint64_t count = 1; tree.depth > 0; count++) {
		status = count % 64 == 0 && terminal_interrupted() ? STATUS_GONE : tree_next(&item);
		if (status != STATUS_OK) {
			done &= status == STATUS_NOT_FOUND;
			if (status != STATUS_NOT_FOUND && status != STATUS_GONE)
				shell_error("tree", tree.level[tree.depth - 1].name, status);
			tree_leave();
			continue;
		}
		terminal_print("%*s%s%s\n", (int)(2 * tree.depth), "", item.name,
			       item.type == OBJECT_DIRECTORY ? "/" : "");
		if (item.type == OBJECT_DIRECTORY && item.alive)
			done &= tree_enter(&item);
	}
	return done;
}
