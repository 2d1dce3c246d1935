/* SPDX-License-Identifier: MIT */
/*
 * names.c - `mkdir`, `mv` and `rm`: changes of directories.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/mkstore/array.h"
#include "tools/mkstore/command.h"
#include "tools/mkstore/host.h"
#include "tools/mkstore/kind.h"
#include "tools/mkstore/path.h"
#include "tools/mkstore/show.h"

/* Commits, or says what went wrong with WHAT. */
static enum command_exit names_finish(struct host *host, enum status status, const char *what,
				      const char *path)
{
	if (status == STATUS_OK)
		status = host_finish(host);
	return status == STATUS_OK ? COMMAND_OK : path_error(host, status, what, path);
}

/* Only in JSON: without it what was done needs no words. */
static enum command_exit names_result(const struct command_invocation *invocation, const char *to)
{
	struct show *show = invocation->show;

	fact_text(show, "path", NULL, invocation->operand[1]);
	if (to)
		fact_text(show, "to", NULL, to);
	fact_number(show, "generation", NULL, store_durable(invocation->host->store).n);
	return COMMAND_OK;
}

/* ---- mkdir ------------------------------------------------------------------------ */

static enum status names_create(struct host *host, const char *path)
{
	const struct object_request request = {.type = OBJECT_DIRECTORY};
	struct disk_capability capability;
	struct path_place place;
	object_t made;
	enum status status = path_place_find(host, path, &place);

	if (status != STATUS_OK)
		return status;
	status = HOST_RETRY(host, directory_lookup(&host->space, place.directory, place.name,
						   place.length, &capability));
	if (status != STATUS_NOT_FOUND)
		return status == STATUS_OK ? STATUS_EXISTS : status;
	return path_create(host, &place, &request, &made);
}

static enum command_exit names_mkdir(const struct command_invocation *invocation)
{
	const char *path = invocation->operand[1];
	struct host *host = invocation->host;
	enum command_exit result =
		names_finish(host, names_create(host, path), "make the directory", path);

	return result == COMMAND_OK ? names_result(invocation, NULL) : result;
}

/* Does it lead to SYSTEM_SHELL, if there is that?  Nothing but names is read. */
static bool names_lead_to_shell(struct host *host, const struct disk_capability *capability)
{
	char path[sizeof(SYSTEM_SHELL)] = "";
	bool leads = false;

	while (system_shell_next(path)) {
		struct disk_capability found;

		if (path_find(host, path, &found, NULL) != STATUS_OK)
			return false;
		leads |= found.version == capability->version;
	}
	return leads;
}

static enum command_exit names_shell_error(const struct host *host, const char *what,
					   const char *path)
{
	return command_error("%s: cannot %s '%s': of " SYSTEM_SHELL
			     " the system makes a new shell when "
			     "the one that runs is lost; --force does it all the same",
			     host->path, what, path);
}

/* ---- mv ---------------------------------------------------------------------------- */

/* Ends the object too, if it is one that is nothing without its name. */
static enum status names_destroy(struct host *host, const struct disk_capability *capability)
{
	struct disk_object record;
	enum status status =
		HOST_RETRY(host, object_resolve(&host->space, capability, OBJECT_NONE, 0, &record));

	if (status == STATUS_DEAD)
		return STATUS_OK;
	if (status != STATUS_OK)
		return status;
	if (record.type != OBJECT_SEGMENT && record.type != OBJECT_DIRECTORY)
		return STATUS_OK;
	return HOST_RETRY(host, object_destroy(&host->space, (object_t){capability->object}));
}

/* What had the new name goes with it, as with rm: nameless it would be charged for,
 * and nobody could end it.  A directory with names is not replaced at all. */
static enum status names_rename(struct host *host, const struct path_place *from,
				const struct path_place *to, bool force)
{
	struct disk_capability moved, replaced;
	enum status status = HOST_RETRY(host, directory_lookup(&host->space, from->directory,
							       from->name, from->length, &moved));
	bool taken;

	if (status == STATUS_OK && !force && names_lead_to_shell(host, &moved))
		status = STATUS_BUSY;
	if (status == STATUS_OK)
		status = HOST_RETRY(host, directory_lookup(&host->space, to->directory, to->name,
							   to->length, &replaced));
	taken = status == STATUS_OK;
	if (status == STATUS_OK || status == STATUS_NOT_FOUND)
		status = HOST_RETRY(host, directory_rename(&host->space, from->directory,
							   from->name, from->length, to->directory,
							   to->name, to->length, force));
	if (status == STATUS_OK && taken && replaced.version != moved.version)
		status = names_destroy(host, &replaced);
	return status;
}

static enum status names_move(struct host *host, const char *from, const char *to, bool force)
{
	struct disk_capability capability;
	struct disk_object record;
	struct path_place old_place, new_place;
	enum status status = path_place_find(host, from, &old_place);

	if (status == STATUS_OK)
		status = host_places(host);
	if (status != STATUS_OK)
		return status;
	if (path_find(host, to, &capability, &record) == STATUS_OK &&
	    record.type == OBJECT_DIRECTORY) {
		/* Into that directory, under the old name. */
		new_place = old_place;
		new_place.directory = (object_t){capability.object};
	} else {
		status = path_place_find(host, to, &new_place);
	}
	return status == STATUS_OK ? names_rename(host, &old_place, &new_place, force) : status;
}

/* One of the two paths is at fault, or both together. */
static enum command_exit names_move_error(struct host *host, enum status status, const char *from,
					  const char *to)
{
	char text[PATH_FAULT];

	if (status == STATUS_INVALID && path_fault(text, from))
		command_error("%s: cannot move '%s': it %s", host->path, from, text);
	else if (status == STATUS_INVALID && path_fault(text, to))
		command_error("%s: cannot move '%s' to '%s': that %s", host->path, from, to, text);
	else if (status == STATUS_BUSY)
		names_shell_error(host, "move", from);
	else if (status == STATUS_NOT_EMPTY)
		command_error("%s: cannot move '%s' to '%s': a directory with names has the name",
			      host->path, from, to);
	else
		host_error(host, status, "cannot move '%s' to '%s'", from, to);
	return COMMAND_FAILED;
}

static enum command_exit names_mv(const struct command_invocation *invocation)
{
	const char *from = invocation->operand[1], *to = invocation->operand[2];
	struct host *host = invocation->host;
	enum status status = names_move(host, from, to, command_value(invocation, "force") != NULL);

	if (status == STATUS_OK)
		status = host_finish(host);
	return status == STATUS_OK ? names_result(invocation, to)
				   : names_move_error(host, status, from, to);
}

/* ---- rm ---------------------------------------------------------------------------- */

/* The directory that is being emptied, those that it lies in before it. */
struct names_level {
	object_t directory;
	struct directory_entry entry; /* its first */
};

struct names_below {
	struct names_level *level;
	size_t depth, room;
	uint64_t stays; /* version of what is to stay */
};

static enum status names_enter(struct names_below *below, object_t directory)
{
	struct names_level *level =
		array_grow(below->level, sizeof(*level), below->depth, &below->room);

	if (!level)
		return STATUS_NO_MEMORY;
	below->level = level;
	below->level[below->depth++] = (struct names_level){.directory = directory};
	return STATUS_OK;
}

/* The first name of the deepest directory.  Another name of a directory whose place is
 * elsewhere, as older stores have them, only goes itself. */
static enum status names_below_step(struct host *host, struct names_below *below)
{
	struct names_level *level = &below->level[below->depth - 1];
	struct directory_entry *entry = &level->entry;
	struct disk_object record = {0};
	bool elsewhere = false;
	enum status status =
		HOST_RETRY(host, directory_next(&host->space, level->directory, "", 0, entry));

	if (status == STATUS_NOT_FOUND) {
		if (!--below->depth)
			return STATUS_OK;
		level--;
		entry = &level->entry;
	} else if (status == STATUS_OK && entry->capability.type == OBJECT_DIRECTORY) {
		status = HOST_RETRY(host, object_resolve(&host->space, &entry->capability,
							 OBJECT_DIRECTORY, 0, &record));
		elsewhere = status == STATUS_OK && record.directory.place != level->directory.n;
		if (status == STATUS_OK && !elsewhere)
			return names_enter(below, (object_t){entry->capability.object});
		if (status == STATUS_DEAD)
			status = STATUS_OK;
	}
	if (status != STATUS_OK && status != STATUS_NOT_FOUND)
		return status;
	if (below->stays && entry->capability.version == below->stays)
		return STATUS_BUSY;
	status = elsewhere ? STATUS_OK : names_destroy(host, &entry->capability);
	if (status == STATUS_OK)
		status = HOST_RETRY(host, directory_unlink(&host->space, level->directory,
							   entry->name, entry->length));
	return status == STATUS_OK ? host_relieve(host) : status;
}

enum status names_empty(struct host *host, object_t directory, uint64_t stays)
{
	struct names_below below = {.stays = stays};
	enum status status = names_enter(&below, directory);

	while (status == STATUS_OK && below.depth)
		status = names_below_step(host, &below);
	free(below.level);
	return status;
}

/* All below what has the name, if that is a directory. */
static enum status names_remove_below(struct host *host, const struct disk_capability *capability,
				      bool force)
{
	struct disk_capability shell = {0};
	struct disk_object record;
	enum status status = host_places(host);

	if (!force && path_find(host, SYSTEM_SHELL, &shell, NULL) != STATUS_OK)
		shell.version = 0;
	if (status == STATUS_OK)
		status = HOST_RETRY(host, object_resolve(&host->space, capability, OBJECT_DIRECTORY,
							 0, &record));
	if (status == STATUS_OK)
		return names_empty(host, (object_t){capability->object}, shell.version);
	return status == STATUS_WRONG_TYPE || status == STATUS_DEAD ? STATUS_OK : status;
}

static enum status names_remove(const struct command_invocation *invocation)
{
	bool force = command_value(invocation, "force") != NULL;
	const char *path = invocation->operand[1];
	struct host *host = invocation->host;
	struct disk_capability capability;
	struct path_place place;
	enum status status = path_place_find(host, path, &place);

	if (status == STATUS_OK)
		status = HOST_RETRY(host, directory_lookup(&host->space, place.directory,
							   place.name, place.length, &capability));
	if (status == STATUS_OK && !force && names_lead_to_shell(host, &capability))
		status = STATUS_BUSY;
	if (status == STATUS_OK && command_value(invocation, "recursive"))
		status = names_remove_below(host, &capability, force);
	if (status == STATUS_OK && !command_value(invocation, "keep"))
		status = names_destroy(host, &capability);
	if (status == STATUS_OK)
		status = HOST_RETRY(host, directory_unlink(&host->space, place.directory,
							   place.name, place.length));
	return status;
}

static bool names_rm_check(const struct command_invocation *invocation)
{
	if (!command_value(invocation, "keep") || !command_value(invocation, "recursive"))
		return true;
	return command_refuse("rm: either --keep or --recursive: what is below a name that goes "
			      "alone is not touched");
}

static enum command_exit names_rm(const struct command_invocation *invocation)
{
	const char *path = invocation->operand[1];
	struct host *host = invocation->host;
	uint64_t bytes;
	enum status status = names_remove(invocation);
	enum command_exit result = status == STATUS_BUSY
					   ? names_shell_error(host, "remove", path)
					   : names_finish(host, status, "remove", path);

	if (result == COMMAND_OK && command_value(invocation, "discard")) {
		status = host_discard(host, &bytes);
		if (status != STATUS_OK)
			return host_error(host, status, "cannot give free space back");
	}
	return result == COMMAND_OK ? names_result(invocation, NULL) : result;
}

static const struct command_option names_mv_options[] = {
	{"force", NULL,
	 "take the new name although it is taken; its object goes, as with rm.  Or move what "
	 "leads to " SYSTEM_SHELL},
	{0},
};

static const struct command_option names_rm_options[] = {
	{"recursive", NULL, "a directory with all that is below it"},
	{"keep", NULL, "remove the name only; whoever holds the object keeps it"},
	{"force", NULL, "remove " SYSTEM_SHELL ", too, of which a new shell is made"},
	HOST_DISCARD_OPTION,
	{0},
};

const struct command command_mkdir = {
	.name = "mkdir",
	.usage = "IMAGE PATH",
	.summary = "Makes a directory",
	.details = "The directory that PATH lies in must exist.\n",
	.opens = COMMAND_WRITES,
	.run = names_mkdir,
};

const struct command command_mv = {
	.name = "mv",
	.usage = "IMAGE FROM TO",
	.summary = "Gives an object another name",
	.details = "If TO is a directory, the name stays and moves there.\n",
	.options = names_mv_options,
	.opens = COMMAND_WRITES,
	.run = names_mv,
};

const struct command command_rm = {
	.name = "rm",
	.usage = "IMAGE PATH",
	.summary = "Removes a name and its object",
	.details = "A segment or an empty directory is destroyed: its space comes back, and every\n"
		   "capability to it is dead.  Of other objects (a machine, a port) only the name\n"
		   "goes.\n",
	.options = names_rm_options,
	.opens = COMMAND_WRITES,
	.check = names_rm_check,
	.run = names_rm,
};
