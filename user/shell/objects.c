/* SPDX-License-Identifier: MIT */
/*
 * objects.c - commands about names and directories: ls, mkdir, rmdir, rm, mv.
 * Interface in shell.h.
 */
#include "user/shell/shell.h"

#include <string.h>
#include "user/lib/directory.h"
#include "user/lib/segment.h"
#include "user/lib/slot.h"
#include "user/lib/table.h"
#include "base/text.h"
#include "user/shell/terminal.h"

#define OBJECTS_DEPTH 1000u /* directories below each other */

const char *objects_type_name(enum object_type type)
{
	return type == OBJECT_SEGMENT ? "object" : object_type_name(type);
}

static void objects_print_rights(uint16_t rights, char text[8])
{
	static const struct {
		uint16_t right;
		char letter;
	} letters[] = {
		{RIGHT_READ, 'r'}, {RIGHT_WRITE, 'w'},	 {RIGHT_EXECUTE, 'x'},
		{RIGHT_SEND, 's'}, {RIGHT_CONTROL, 'c'}, {RIGHT_DESTROY, 'd'},
	};

	for (unsigned i = 0; i < 6; i++)
		text[i] = rights & letters[i].right ? letters[i].letter : '-';
	text[6] = '\0';
}

void objects_print_item(const struct directory_item *item)
{
	char rights[8], size[24] = "-";

	objects_print_rights(item->rights, rights);
	if (item->type == OBJECT_SEGMENT || item->type == OBJECT_DIRECTORY)
		text_format(size, sizeof(size), "%lu", item->size);
	terminal_print("%-9s %12s  %s  %s%s%s\n", objects_type_name(item->type), size, rights,
		       item->name, item->type == OBJECT_DIRECTORY ? "/" : "",
		       item->alive ? "" : "  (destroyed)");
}

static bool objects_list(const char *path, struct directory directory)
{
	static struct directory_list list;
	static struct directory_item item;
	enum status status;

	list = (struct directory_list){.directory = directory};
	for (uint64_t count = 1;; count++) {
		status = directory_list_next(&list, &item);
		if (status != STATUS_OK)
			break;
		objects_print_item(&item);
		if (count % 64 == 0 && terminal_interrupted())
			return false;
	}
	return status == STATUS_NOT_FOUND ? true : shell_path_error("ls", path, status);
}

/* A path that is not a directory: what its capability tells. */
static bool objects_list_one(const char *path, uint32_t slot)
{
	struct directory_item item = {.alive = true};
	struct table_info info;
	struct segment_info segment;
	enum status status = table_info(OWN_TABLE, slot, &info);

	if (status != STATUS_OK)
		return shell_path_error("ls", path, status);
	text_format(item.name, sizeof(item.name), "%s", path);
	item.type = info.type;
	item.rights = info.rights;
	item.alive = info.alive;
	if (info.type == OBJECT_SEGMENT && segment_info(SEGMENT(slot), &segment) == STATUS_OK)
		item.size = segment.size;
	objects_print_item(&item);
	return true;
}

bool command_ls(int argc, char **argv)
{
	const char *path;
	enum object_type type;
	uint64_t snapshot;
	uint32_t slot;
	enum status status;
	bool done;

	if (!past_option(&argc, &argv, &snapshot))
		return false;
	if (argc > 2)
		return shell_usage("ls");
	path = argc > 1 ? argv[1] : "/";
	if (snapshot)
		return past_ls(snapshot, path);
	status = path_lookup(path, &slot, &type);
	if (status != STATUS_OK)
		return shell_path_error("ls", path, status);
	done = type == OBJECT_DIRECTORY ? objects_list(path, DIRECTORY(slot))
					: objects_list_one(path, slot);
	slot_give(slot);
	return done;
}

static enum status objects_make_directory(const char *path)
{
	char name[DIRECTORY_NAME];
	struct directory parent;
	enum status status = path_parent(path, &parent, name);
	uint32_t slot;

	if (status != STATUS_OK)
		return status;
	slot = slot_take();
	status = slot ? bank_directory(OWN_BANK, slot) : STATUS_LIMIT;
	if (status == STATUS_OK) {
		status = directory_link(parent, name, slot, false);
		if (status != STATUS_OK)
			table_destroy(OWN_TABLE, slot);
	}
	slot_give(slot);
	slot_give(parent.slot);
	return status;
}

/* Of each word, as far as it can be done. */
static bool objects_each(int argc, char **argv, enum status (*command)(const char *path))
{
	bool done = true;

	for (int i = 1; i < argc; i++) {
		enum status status = command(argv[i]);

		if (status != STATUS_OK)
			done = shell_path_error(argv[0], argv[i], status);
	}
	return done;
}

bool command_mkdir(int argc, char **argv)
{
	return objects_each(argc, argv, objects_make_directory);
}

/* Destroys what a name stands for, and takes the name away.  The object goes first: a name
 * of a dead object can be seen and removed, an object without a name cannot.  Where the
 * name's capability is not enough to destroy, `force` takes away the name alone. */
static enum status objects_remove_name(struct directory directory, const char *name)
{
	uint32_t slot = slot_take();
	enum status status = slot ? directory_lookup(directory, name, slot, NULL) : STATUS_LIMIT;

	if (status == STATUS_OK)
		status = table_destroy(OWN_TABLE, slot);
	if ((status == STATUS_NO_RIGHT || status == STATUS_NO_OPERATION) && shell_forced())
		status = STATUS_OK;
	/* A name whose object is dead already can only be taken away. */
	if (status == STATUS_DEAD)
		status = STATUS_OK;
	if (status == STATUS_OK)
		status = directory_unlink(directory, name);
	slot_give(slot);
	return status;
}

static enum status objects_remove(const char *path)
{
	char name[DIRECTORY_NAME];
	struct directory parent;
	enum status status = path_parent(path, &parent, name);

	if (status == STATUS_OK) {
		status = objects_remove_name(parent, name);
		slot_give(parent.slot);
	}
	return status;
}

/* Goes down from `top`, always by the first name, to one below which nothing is: *item.
 * NOT_FOUND: nothing is below `top`.  Ends, as in stores from before there were places
 * directories can be below themselves. */
static enum status objects_lowest(struct directory top, struct directory *directory,
				  struct directory_item *item)
{
	enum status status;
	struct directory child;

	*directory = top;
	for (unsigned depth = 0; depth < OBJECTS_DEPTH; depth++) {
		item->name[0] = '\0';
		status = directory_next(*directory, item);
		if (status != STATUS_OK || item->type != OBJECT_DIRECTORY || !item->alive ||
		    !item->size)
			return status;
		child.slot = slot_take();
		status = child.slot ? directory_lookup(*directory, item->name, child.slot, NULL)
				    : STATUS_LIMIT;
		if (directory->slot != top.slot)
			slot_give(directory->slot);
		*directory = child;
		if (status != STATUS_OK)
			return status;
	}
	return STATUS_LIMIT;
}

static bool objects_may_end(struct directory directory, const char *name)
{
	uint32_t slot = slot_take();
	enum status status = slot ? directory_lookup(directory, name, slot, NULL) : STATUS_LIMIT;
	bool may = status == STATUS_OK ? shell_may_end("rm", name, slot, "destroys")
				       : shell_error("rm", name, status);

	slot_give(slot);
	return may;
}

/* What is below a directory, name by name: what is left has its names still, whatever stops
 * it.  NOT_FOUND: nothing is left. */
static enum status objects_empty(struct directory top)
{
	static struct directory_item item;
	enum status status = STATUS_OK;

	while (status == STATUS_OK) {
		struct directory directory;

		status = objects_lowest(top, &directory, &item);
		if (status == STATUS_OK && item.alive && item.type != OBJECT_DIRECTORY &&
		    !objects_may_end(directory, item.name))
			status = STATUS_GONE;
		if (status == STATUS_OK) {
			status = objects_remove_name(directory, item.name);
			if (status != STATUS_OK) {
				shell_error("rm", item.name, status);
				status = STATUS_GONE;
			}
		}
		if (directory.slot != top.slot)
			slot_give(directory.slot);
		if (status == STATUS_OK && terminal_interrupted())
			status = STATUS_GONE;
	}
	return status;
}

static bool objects_remove_all(const char *path, struct directory directory)
{
	char name[DIRECTORY_NAME];
	struct directory parent;
	enum status status = path_parent(path, &parent, name);

	if (status == STATUS_OK) { /* else it is the root */
		slot_give(parent.slot);
		status = objects_empty(directory);
	}
	if (status == STATUS_NOT_FOUND)
		status = objects_remove(path);
	if (status == STATUS_GONE)
		return shell_complain("rm", "%s: not all that is below it is removed", path);
	return status == STATUS_OK || shell_path_error("rm", path, status);
}

static bool objects_remove_one(const char *path, bool recursive)
{
	enum object_type type;
	uint32_t slot;
	enum status status = path_lookup(path, &slot, &type);

	if (status == STATUS_OK) {
		bool directory = type == OBJECT_DIRECTORY, fits;

		if (directory && recursive)
			fits = shell_may_lose("rm", path, slot, "destroys") &&
			       objects_remove_all(path, DIRECTORY(slot));
		else if (directory)
			fits = shell_complain(
				"rm",
				"%s: is a directory; use `rmdir`, or `rm --recursive` "
				"for it and all that is below it",
				path);
		else
			fits = shell_may_end("rm", path, slot, "destroys");
		slot_give(slot);
		if (directory || !fits)
			return fits;
	}
	if (status == STATUS_OK || status == STATUS_DEAD)
		status = objects_remove(path);
	return status == STATUS_OK || shell_path_error("rm", path, status);
}

bool command_rm(int argc, char **argv)
{
	bool recursive = text_equal(argv[1], "--recursive"), done = true;

	if (recursive && argc == 2)
		return shell_usage("rm");
	for (int i = 1 + recursive; i < argc; i++)
		done &= objects_remove_one(argv[i], recursive);
	return done;
}

static enum status objects_remove_directory(const char *path)
{
	enum object_type type;
	uint64_t entries;
	uint32_t slot;
	enum status status = path_lookup(path, &slot, &type);

	if (status != STATUS_OK)
		return status;
	status = type == OBJECT_DIRECTORY ? directory_info(DIRECTORY(slot), &entries)
					  : STATUS_WRONG_TYPE;
	slot_give(slot);
	if (status == STATUS_OK && entries > 0)
		status = STATUS_NOT_EMPTY;
	return status == STATUS_OK ? objects_remove(path) : status;
}

bool command_rmdir(int argc, char **argv)
{
	return objects_each(argc, argv, objects_remove_directory);
}

/* Where a move goes: directory and name there. */
struct objects_target {
	struct directory directory;
	char name[DIRECTORY_NAME];
	uint32_t replaced; /* slot of the object that has the name, 0: none */
	bool taken;	   /* that is a directory */
};

static enum status objects_find_target(const char *path, const char *old_name,
				       struct objects_target *target)
{
	enum object_type type;
	enum status status = path_lookup(path, &target->directory.slot, &type);

	if (status == STATUS_OK && type == OBJECT_DIRECTORY) {
		memcpy(target->name, old_name, DIRECTORY_NAME);
	} else {
		if (status == STATUS_OK)
			slot_give(target->directory.slot);
		status = path_parent(path, &target->directory, target->name);
		if (status != STATUS_OK)
			return status;
	}
	target->replaced = slot_take();
	if (target->replaced == 0)
		status = STATUS_LIMIT;
	else
		status = directory_lookup(target->directory, target->name, target->replaced, &type);
	target->taken = status == STATUS_OK && type == OBJECT_DIRECTORY;
	if (status == STATUS_NOT_FOUND || status == STATUS_DEAD) {
		slot_forget(target->replaced);
		target->replaced = 0;
		status = STATUS_OK;
	}
	if (status != STATUS_OK) {
		slot_give(target->replaced);
		slot_give(target->directory.slot);
	}
	return status;
}

/* Do both slots name the same object? */
static enum status objects_same(uint32_t left, uint32_t right, bool *same)
{
	struct table_info a, b = {.object = 0};
	enum status status = table_info(OWN_TABLE, left, &a);

	if (status == STATUS_OK)
		status = table_info(OWN_TABLE, right, &b);
	*same = status == STATUS_OK && a.type == b.type && a.object == b.object;
	return status;
}

static bool objects_move_error(const char *from, const char *to, enum status status)
{
	switch (status) {
	case STATUS_OK:
		return true;
	case STATUS_LOOP:
		return shell_complain("mv", "%s cannot be put below itself, to %s", from, to);
	case STATUS_NOT_FOUND: /* it was there a moment ago */
		return shell_complain("mv", "%s to %s: no such name", from, to);
	case STATUS_EXISTS:
		return shell_complain("mv", "%s to %s: a directory has that name", from, to);
	default:
		return shell_path_error("mv", to, status);
	}
}

/* What is in slot `moved`, called `name` in `parent`. */
static bool objects_move(char **argv, struct directory parent, const char *name, uint32_t moved)
{
	struct objects_target target;
	enum status status = objects_find_target(argv[2], name, &target);
	bool same = true, there = false, fits = true;

	if (status == STATUS_NOT_FOUND)
		return shell_path_error("mv", argv[2], status);
	if (status != STATUS_OK)
		return objects_move_error(argv[1], argv[2], status);
	/* The same object under both names: it must live on. */
	if (target.replaced)
		status = objects_same(moved, target.replaced, &same);
	if (status == STATUS_OK && target.replaced && same && text_equal(name, target.name))
		status = objects_same(parent.slot, target.directory.slot, &there);
	if (status == STATUS_OK && target.taken && !there)
		status = STATUS_EXISTS;
	if (status == STATUS_OK && there)
		fits = shell_complain("mv", "%s is there already, as %s", argv[1], name);
	else if (status == STATUS_OK && !same)
		fits = shell_may_replace("mv", argv[2], target.replaced);
	fits = fits && shell_may_lose("mv", argv[1], moved, "moves");
	if (fits && status == STATUS_OK)
		status = directory_rename(parent, name, target.directory, target.name, true);
	if (fits && status == STATUS_OK && !same)
		table_destroy(OWN_TABLE, target.replaced);
	slot_give(target.replaced);
	slot_give(target.directory.slot);
	return fits && objects_move_error(argv[1], argv[2], status);
}

bool command_mv(int argc, char **argv)
{
	char name[DIRECTORY_NAME];
	struct directory parent;
	enum status status = path_parent(argv[1], &parent, name);
	uint32_t moved;
	bool done;

	(void)argc;
	if (status != STATUS_OK)
		return shell_path_error("mv", argv[1], status);
	moved = slot_take();
	status = moved ? directory_lookup(parent, name, moved, NULL) : STATUS_LIMIT;
	done = status == STATUS_OK ? objects_move(argv, parent, name, moved)
				   : shell_path_error("mv", argv[1], status);
	slot_give(moved);
	slot_give(parent.slot);
	return done;
}
