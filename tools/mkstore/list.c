/* SPDX-License-Identifier: MIT */
/*
 * list.c - `ls` and `tree`: what directories hold.
 *
 * A directory names capabilities, so the same object can have several names.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/mkstore/command.h"
#include "tools/mkstore/host.h"
#include "tools/mkstore/kind.h"
#include "tools/mkstore/path.h"
#include "tools/mkstore/show.h"
#include "tools/mkstore/text.h"

static const struct show_column list_columns[] = {
	{"type", "", -10},
	{"rights", "", -9},
	{"object", NULL, 0},
	{"alive", NULL, 0},
	{"size_bytes", NULL, 0},
	{"most_bytes", NULL, 0},
	{"address", NULL, 0},
	{"entries", NULL, 0},
	{NULL, "", 14}, /* size_bytes or entries */
	SHOW_GAP,
	{"name", "", 0},
	{"path", NULL, 0}, /* of `tree`, instead */
	{0},
};

/* ---- one line --------------------------------------------------------------- */

static void list_size_text(char *out, size_t size, const struct walk_item *item)
{
	if (!item->alive)
		snprintf(out, size, "gone");
	else if (item->capability.type == OBJECT_SEGMENT)
		snprintf(out, size, "%" PRIu64, item->record.size);
	else if (item->capability.type == OBJECT_DIRECTORY)
		snprintf(out, size, "%" PRIu64 " names", item->record.size);
	else
		snprintf(out, size, "-");
}

/* Of what is alive; the size has another name in a directory. */
static void list_extent(struct show *show, const struct walk_item *item)
{
	bool segment = item->alive && item->capability.type == OBJECT_SEGMENT;
	bool directory = item->alive && item->capability.type == OBJECT_DIRECTORY;

	if (segment) {
		show_number(show, item->record.size);
		show_number(show, item->record.range_pages * PAGE_SIZE);
		show_number(show, item->record.first_page * PAGE_SIZE);
	} else {
		show_skip(show);
		show_skip(show);
		show_skip(show);
	}
	if (directory)
		show_number(show, item->record.size);
	else
		show_skip(show);
}

/* Under its name, or where that is null its path. */
static void list_show(struct show *show, const struct walk_item *item, const char *name,
		      size_t length)
{
	const char *behind = item->capability.type == OBJECT_DIRECTORY ? "/" : "";
	char rights[KIND_RIGHTS], size[40];
	const char *member;

	list_size_text(size, sizeof(size), item);
	show_row(show);
	show_text(show, object_type_name(item->capability.type));
	member = show_member(show, kind_rights_text(rights, item->capability.rights));
	if (member)
		kind_rights_json(&show->json, member, item->capability.rights);
	show_number(show, item->capability.object);
	show_boolean(show, item->alive);
	list_extent(show, item);
	show_member(show, size);
	if (name) {
		show_name(show, name, length, behind);
		show_skip(show);
	} else {
		show_skip(show);
		show_name(show, item->path, item->length, behind);
	}
}

/* ---- ls ------------------------------------------------------------------------ */

static enum status list_ls_visit(void *context, const struct walk_item *item)
{
	list_show(context, item, item->name, item->name_length);
	return STATUS_OK;
}

/* The last part of a path, as the name of an object listed by itself. */
static const char *list_last(const char *path, size_t *length)
{
	size_t end = strlen(path), begin;

	while (end > 0 && path[end - 1] == '/')
		end--;
	begin = end;
	while (begin > 0 && path[begin - 1] != '/')
		begin--;
	*length = end - begin;
	return path + begin;
}

static enum status list_path(struct host *host, const struct walk_item *start, struct show *show)
{
	const char *name;
	size_t length;

	if (start->record.type == OBJECT_DIRECTORY)
		return walk_names(host, (object_t){start->capability.object}, list_ls_visit, show);
	name = list_last(start->path, &length);
	list_show(show, start, name, length);
	return STATUS_OK;
}

/* `list` gets what the path leads to.  Nothing is printed
 * before that is found. */
static enum command_exit list_run(const struct command_invocation *invocation, bool directory,
				  enum status (*list)(struct host *, const struct walk_item *,
						      struct show *))
{
	const char *path = invocation->operands > 1 ? invocation->operand[1] : "/";
	struct walk_item start = {.path = path, .alive = true};
	struct host *host = invocation->host;
	struct show *show = invocation->show;
	enum status status = path_find(host, path, &start.capability, &start.record);

	if (status == STATUS_OK && directory && start.record.type != OBJECT_DIRECTORY)
		status = STATUS_WRONG_TYPE;
	if (status == STATUS_OK) {
		fact_text(show, "path", NULL, path);
		show_list(show, "entries", list_columns);
		status = list(host, &start, show);
		show_list_end(show);
	}
	return host_result(host, status, "cannot list '%s'", path);
}

static enum command_exit list_ls(const struct command_invocation *invocation)
{
	return list_run(invocation, false, list_path);
}

/* ---- tree ------------------------------------------------------------------------ */

static void list_tree_text(const struct walk_item *item)
{
	char name[TEXT_NAME(TREE_KEY_MAX)], size[40];
	bool directory = item->capability.type == OBJECT_DIRECTORY;

	list_size_text(size, sizeof(size), item);
	printf("%*s%s%s  [%s %s]%s\n", (int)(4 * item->depth), "",
	       text_name(name, sizeof(name), item->name, item->name_length), directory ? "/" : "",
	       object_type_name(item->capability.type), size,
	       directory && item->alive && !item->entered ? " (shown above)" : "");
}

static enum status list_tree_visit(void *context, const struct walk_item *item)
{
	struct show *show = context;

	if (show->as_json)
		list_show(show, item, NULL, 0);
	else
		list_tree_text(item);
	return STATUS_OK;
}

static enum status list_tree_path(struct host *host, const struct walk_item *start,
				  struct show *show)
{
	return walk_tree(host, (object_t){start->capability.object}, start->path, list_tree_visit,
			 show);
}

static enum command_exit list_tree(const struct command_invocation *invocation)
{
	return list_run(invocation, true, list_tree_path);
}

const struct command command_ls = {
	.name = "ls",
	.usage = "IMAGE [PATH]",
	.summary = "Lists a directory",
	.details =
		"Prints type, rights, size and name of what the directory PATH (by default the\n"
		"root) holds, or of PATH itself if it is no directory.  The letters of the rights\n"
		"are r read, w write, x execute, s send, l receive, c control, n create,\n"
		"d destroy, p snapshot.\n",
	.options = host_look_options,
	.opens = COMMAND_READS,
	.run = list_ls,
};

const struct command command_tree = {
	.name = "tree",
	.usage = "IMAGE [PATH]",
	.summary = "Lists a directory and all below it",
	.details = "A directory that has several names is gone into once.\n",
	.options = host_look_options,
	.opens = COMMAND_READS,
	.run = list_tree,
};
