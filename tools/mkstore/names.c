/* SPDX-License-Identifier: MIT */
/*
 * names.c - `mkdir`, `mv` and `rm`: changes of directories.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/mkstore/array.h"
#include "base/assert.h"
#include "tools/mkstore/command.h"
#include "tools/mkstore/host.h"
#include "tools/mkstore/inspect.h"
#include "tools/mkstore/path.h"
#include "tools/mkstore/show.h"
#include "tools/verify/objects.h"

/* Commits, or says what went wrong with WHAT. */
static enum command_exit names_finish(struct host *host, enum status status, const char *what,
				      const char *path)
{
	if (status == STATUS_OK)
		status = host_finish(host);
	return path_result(host, status, what, path);
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

static enum command_exit names_mkdir(const struct command_invocation *invocation)
{
	static const struct object_request request = {.type = OBJECT_DIRECTORY};
	const char *path = invocation->operand[1];
	struct host *host = invocation->host;
	object_t made;

	TRY(names_finish(host, path_make(host, path, &request, &made), "make the directory", path));
	return names_result(invocation, NULL);
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

/* ---- objects whose name goes ------------------------------------------------------- */

struct names_held {
	object_t object;
	bool lost; /* nothing leads to it */
};

/* Those that others may hold: which of them nobody does the verifier knows, once the names
 * are gone. */
struct names_left {
	struct names_held *held;
	size_t count, room;
	bool faults; /* what cannot be read might lead there */
};

static enum status names_leave(struct names_left *left, object_t object)
{
	struct names_held *held = array_grow(left->held, sizeof(*held), left->count, &left->room);

	if (!held)
		return STATUS_NO_MEMORY;
	left->held = held;
	ASSERT(object.n);
	held[left->count++] = (struct names_held){.object = object};
	return STATUS_OK;
}

static void names_left_note(void *context, const struct verify_finding *finding)
{
	struct names_left *left = context;

	left->faults |= finding->severity == VERIFY_ERROR;
	for (size_t i = 0; i < left->count && finding->code == VERIFY_UNREACHED; i++)
		left->held[i].lost |= left->held[i].object.n == finding->unreached.object;
}

/* In the durable state. */
static enum status names_left_look(struct host *host, struct names_left *left)
{
	struct verify_reader reader = inspect_reader(host);
	struct verify_options options = {
		.context = left, .report = names_left_note, .skip_slot_tails = true};
	struct verify *verify = verify_open(&reader, &options);
	enum status status = verify ? verify_choose(verify) : STATUS_NO_MEMORY;

	if (status == STATUS_OK)
		status = verify_objects_live(verify);
	verify_close(verify);
	left->faults |= status != STATUS_OK;
	return status == STATUS_NO_MEMORY ? status : STATUS_OK;
}

/* If all went well: makes the changes durable, and ends what nobody holds then, in turn, for
 * one of them may be what leads to another. */
static enum status names_left_end(struct host *host, struct names_left *left, enum status status)
{
	bool more = left->count != 0;
	struct ended ended;

	if (status == STATUS_OK)
		status = host_finish(host);
	while (status == STATUS_OK && more) {
		more = false;
		status = names_left_look(host, left);
		for (size_t i = 0; status == STATUS_OK && !left->faults && i < left->count; i++) {
			struct names_held *held = &left->held[i];

			if (!held->lost)
				continue;
			status = HOST_RETRY(host,
					    object_destroy(&host->space, held->object, &ended));
			if (status == STATUS_DEAD) /* it had two names */
				status = STATUS_OK;
			held->lost = false;
			more = true;
		}
		if (status == STATUS_OK && more)
			status = host_finish(host);
	}
	free(left->held);
	return status;
}

/* Ends the object too, if it is one that is nothing without its name, or leaves it. */
static enum status names_destroy(struct host *host, const struct disk_capability *capability,
				 struct names_left *left)
{
	struct disk_object record;
	struct ended ended;
	enum status status = path_resolve(host, capability, &record);

	if (status == STATUS_DEAD)
		return STATUS_OK;
	TRY(status);
	if (record.type != OBJECT_SEGMENT && record.type != OBJECT_DIRECTORY)
		return left ? names_leave(left, (object_t){capability->object}) : STATUS_OK;
	return HOST_RETRY(host,
			  object_destroy(&host->space, (object_t){capability->object}, &ended));
}

/* ---- mv ---------------------------------------------------------------------------- */

/* What had the new name goes with it, as with rm: nameless it would be charged for,
 * and nobody could end it.  A directory with names is not replaced at all. */
static enum status names_rename(struct host *host, const struct path_place *from,
				const struct path_place *to, bool force, struct names_left *left)
{
	struct disk_capability moved, replaced;
	enum status found;

	TRY(path_place_lookup(host, from, &moved));
	if (!force && names_lead_to_shell(host, &moved))
		return STATUS_BUSY;
	found = path_place_lookup(host, to, &replaced);
	TRY(found == STATUS_NOT_FOUND ? STATUS_OK : found);
	TRY(path_rename(host, from, to, force));
	return found == STATUS_OK && replaced.version != moved.version
		       ? names_destroy(host, &replaced, left)
		       : STATUS_OK;
}

static enum status names_move(struct host *host, const char *from, const char *to, bool force,
			      struct names_left *left)
{
	struct disk_capability capability;
	struct disk_object record;
	struct path_place old_place, new_place;

	TRY(path_place_find(host, from, &old_place));
	TRY(host_places(host));
	if (path_find(host, to, &capability, &record) == STATUS_OK &&
	    record.type == OBJECT_DIRECTORY) {
		/* Into that directory, under the old name. */
		new_place = old_place;
		new_place.directory = (object_t){capability.object};
	} else {
		TRY(path_place_find(host, to, &new_place));
	}
	return names_rename(host, &old_place, &new_place, force, left);
}

/* One of the two paths is at fault, or both together. */
static enum command_exit names_move_result(struct host *host, enum status status, const char *from,
					   const char *to)
{
	char text[PATH_FAULT];

	if (status == STATUS_INVALID && path_fault(text, from))
		return command_error("%s: cannot move '%s': it %s", host->path, from, text);
	if (status == STATUS_INVALID && path_fault(text, to))
		return command_error("%s: cannot move '%s' to '%s': that %s", host->path, from, to,
				     text);
	if (status == STATUS_BUSY)
		return names_shell_error(host, "move", from);
	if (status == STATUS_NOT_EMPTY)
		return command_error(
			"%s: cannot move '%s' to '%s': a directory with names has the name",
			host->path, from, to);
	return host_result(host, status, "cannot move '%s' to '%s'", from, to);
}

static enum command_exit names_mv(const struct command_invocation *invocation)
{
	const char *from = invocation->operand[1], *to = invocation->operand[2];
	struct host *host = invocation->host;
	bool force = command_value(invocation, "force") != NULL;
	struct names_left left = {0};
	enum status status = names_move(host, from, to, force, &left);

	status = names_left_end(host, &left, status);
	TRY(names_move_result(host, status, from, to));
	return names_result(invocation, to);
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
	struct names_left *left;
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
		HOST_RETRY(host, entry_next(&host->space, level->directory, "", 0, entry));

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
	if (!elsewhere)
		TRY(names_destroy(host, &entry->capability, below->left));
	TRY(path_unlink(host, &(struct path_place){level->directory, entry->name, entry->length}));
	return host_relieve(host);
}

static enum status names_end_below(struct host *host, object_t directory, uint64_t stays,
				   struct names_left *left)
{
	struct names_below below = {.stays = stays, .left = left};
	enum status status = names_enter(&below, directory);

	while (status == STATUS_OK && below.depth)
		status = names_below_step(host, &below);
	free(below.level);
	return status;
}

enum status names_empty(struct host *host, object_t directory, uint64_t stays)
{
	return names_end_below(host, directory, stays, NULL);
}

/* All below what has the name, if that is a directory. */
static enum status names_remove_below(struct host *host, const struct disk_capability *capability,
				      bool force, struct names_left *left)
{
	struct disk_capability shell = {0};
	struct disk_object record;
	enum status status;

	TRY(host_places(host));
	if (!force && path_find(host, SYSTEM_SHELL, &shell, NULL) != STATUS_OK)
		shell.version = 0;
	status = path_resolve(host, capability, &record);
	if (status == STATUS_DEAD || (status == STATUS_OK && record.type != OBJECT_DIRECTORY))
		return STATUS_OK;
	TRY(status);
	return names_end_below(host, (object_t){capability->object}, shell.version, left);
}

static enum status names_remove(const struct command_invocation *invocation,
				struct names_left *left)
{
	bool force = command_value(invocation, "force") != NULL;
	const char *path = invocation->operand[1];
	struct host *host = invocation->host;
	struct disk_capability capability;
	struct path_place place;

	TRY(path_place_find(host, path, &place));
	TRY(path_place_lookup(host, &place, &capability));
	if (!force && names_lead_to_shell(host, &capability))
		return STATUS_BUSY;
	if (command_value(invocation, "recursive"))
		TRY(names_remove_below(host, &capability, force, left));
	if (!command_value(invocation, "keep"))
		TRY(names_destroy(host, &capability, left));
	return path_unlink(host, &place);
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
	struct names_left left = {0};
	uint64_t bytes;
	enum status status = names_remove(invocation, &left);

	status = names_left_end(host, &left, status);
	TRY(status == STATUS_BUSY ? names_shell_error(host, "remove", path)
				  : path_result(host, status, "remove", path));
	if (command_value(invocation, "discard"))
		TRY(host_result(host, host_discard(host, &bytes), "cannot give free space back"));
	return names_result(invocation, NULL);
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
