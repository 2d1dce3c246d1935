/* SPDX-License-Identifier: MIT */
/*
 * snapshot.c - `snapshot`, `snapshots`, `restore` and `delete`.
 *
 * The same operations as the shell's, on a store that is not running.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/mkstore/command.h"
#include "tools/mkstore/host.h"
#include "tools/mkstore/lookup.h"
#include "tools/mkstore/show.h"
#include "tools/mkstore/text.h"

/* Only in JSON: without it a snapshot that was taken needs no words. */
static enum command_exit snapshot_result(const struct command_invocation *invocation,
					 const char *name)
{
	struct store *store = invocation->host->store;
	struct show *show = invocation->show;
	struct store_statistics statistics;

	store_statistics_get(store, &statistics);
	fact_text(show, "name", NULL, name);
	fact_number(show, "generation", NULL, store_durable(store).n);
	fact_number(show, "snapshots", NULL, statistics.snapshots);
	fact_number(show, "used_sectors", NULL, statistics.used_sectors);
	return COMMAND_OK;
}

/* ---- snapshot ----------------------------------------------------------------------- */

static bool snapshot_take_check(const struct command_invocation *invocation)
{
	return text_snapshot_name_check(invocation->operand[1]);
}

static enum command_exit snapshot_take(const struct command_invocation *invocation)
{
	const char *name = invocation->operand[1];
	struct host *host = invocation->host;
	enum status status = host_commit(host, STORE_ACTION_SNAPSHOT, (snapshot_t){0}, name);

	return status == STATUS_OK
		       ? snapshot_result(invocation, name)
		       : host_error(host, status, "cannot take the snapshot '%s'", name);
}

/* ---- snapshots ---------------------------------------------------------------------- */

static const struct show_column snapshot_columns[] = {
	{"number", "NUMBER", 6},
	{"parent", "PARENT", 6},
	{"generation", "GENERATION", 10},
	{"pages", "SIZE", 10},
	{"held_sectors", "HELD", 10},
	SHOW_GAP,
	{"wall_ns", "TAKEN", -23},
	{"uptime_ns", NULL, 0},
	{"children", NULL, 0},
	{"automatic", NULL, 0},
	{"dying", NULL, 0},
	{"branch", NULL, 0},
	{"damaged", NULL, 0},
	SHOW_GAP,
	{"name", "NAME", 0},
	{0},
};

static const char *snapshot_note(const struct store_snapshot *snapshot)
{
	if (snapshot->flags & DISK_SNAPSHOT_DYING)
		return "(being deleted)";
	if (snapshot->flags & DISK_SNAPSHOT_BRANCH)
		return "(deleted, others descend from it)";
	return snapshot->flags & DISK_SNAPSHOT_AUTOMATIC ? "(automatic)" : "";
}

/* `live`: sectors that the live state has replaced and that are kept for it. */
static void snapshot_row(struct show *show, const struct store_snapshot *snapshot, uint64_t live)
{
	char parent[TEXT_SIZE] = "-", text[TEXT_SIZE], note[48];

	snprintf(note, sizeof(note), "%s%s", snapshot->name[0] ? " " : "", snapshot_note(snapshot));
	if (snapshot->parent.n)
		snprintf(parent, sizeof(parent), "%" PRIu64, snapshot->parent.n);
	show_row(show);
	show_number(show, snapshot->number.n);
	show_number_as(show, snapshot->parent.n, parent);
	show_number(show, snapshot->generation.n);
	show_number_as(show, snapshot->pages, text_size(text, snapshot->pages * PAGE_SIZE));
	show_sectors(show, snapshot->held_sectors + live);
	show_number_as(show, snapshot->wall_ns, text_time(text, snapshot->wall_ns));
	show_number(show, snapshot->uptime_ns);
	show_number(show, snapshot->children);
	show_boolean(show, snapshot->flags & DISK_SNAPSHOT_AUTOMATIC);
	show_boolean(show, snapshot->flags & DISK_SNAPSHOT_DYING);
	show_boolean(show, snapshot->flags & DISK_SNAPSHOT_BRANCH);
	show_boolean(show, false);
	show_name(show, snapshot->name, strnlen(snapshot->name, sizeof(snapshot->name)), note);
}

/* Of those that cannot be read: up to this number, and all that is not known. */
static void snapshot_row_damaged(struct show *show, uint64_t number)
{
	show_row(show);
	show_number(show, number);
	for (unsigned i = 0; i < 5; i++)
		show_number_as(show, 0, "-");
	show_number(show, 0);
	show_number(show, 0);
	for (unsigned i = 0; i < 3; i++)
		show_boolean(show, false);
	show_boolean(show, true);
	show_name(show, "", 0, "(cannot be read)");
}

static enum status snapshot_list(struct host *host, struct show *show, bool *damaged)
{
	struct store_snapshot snapshot = {0};
	struct store_statistics statistics;
	enum status status;

	*damaged = false;
	store_statistics_get(host->store, &statistics);
	for (;;) {
		snapshot_t after = snapshot.number;
		status = HOST_RETRY(host, store_snapshot_next(host->store, after, &snapshot));
		if (status != STATUS_OK && snapshot.number.n > after.n) {
			snapshot_row_damaged(show, snapshot.number.n);
			*damaged = true;
			continue;
		}
		if (status != STATUS_OK)
			break;
		snapshot_row(show, &snapshot,
			     snapshot.number.n == statistics.origin.n ? statistics.held_sectors
								      : 0);
	}
	return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum command_exit snapshot_show(const struct command_invocation *invocation)
{
	struct host *host = invocation->host;
	struct show *show = invocation->show;
	enum status status;
	bool damaged;

	show_list(show, "snapshots", snapshot_columns);
	status = snapshot_list(host, show, &damaged);
	show_list_end(show);
	if (status == STATUS_OK && damaged)
		status = STATUS_CORRUPT;
	if (status == STATUS_OK)
		return COMMAND_OK;
	return host_error(host, status,
			  damaged ? "not all snapshots can be read; the others can be "
				    "restored, salvage saves what is whole"
				  : "cannot list the snapshots");
}

/* ---- deletion steps ------------------------------------------------------------------ */

static enum status snapshot_delete_number(struct host *host, snapshot_t number)
{
	/* One dies at a time, so one that was begun before goes first. */
	enum status status = host_reclaim(host);

	if (status == STATUS_OK)
		status = host_commit(host, STORE_ACTION_DELETE, number, "");
	if (status == STATUS_OK)
		status = host_reclaim(host);
	return status;
}

static enum status snapshot_delete_one(struct host *host, const char *name)
{
	struct store_snapshot snapshot;
	enum status status = lookup_snapshot(host, name, &snapshot);

	return status == STATUS_OK ? snapshot_delete_number(host, snapshot.number) : status;
}

static enum status snapshot_delete_all(struct host *host)
{
	struct store_snapshot snapshot = {0};
	snapshot_t after = {0};
	enum status status;

	for (;;) {
		snapshot.number = after;
		status = host_snapshot_next(host, &snapshot);
		if (status != STATUS_OK)
			break;
		after = snapshot.number;
		/* A branch point goes by itself when the last but one descendant does. */
		if (snapshot.flags & (DISK_SNAPSHOT_DYING | DISK_SNAPSHOT_BRANCH))
			continue;
		status = snapshot_delete_number(host, snapshot.number);
		if (status != STATUS_OK)
			break;
	}
	if (status == STATUS_NOT_FOUND)
		status = host_reclaim(host);
	return status;
}

static bool snapshot_delete_check(const struct command_invocation *invocation)
{
	if ((command_value(invocation, "all") != NULL) != (invocation->operands > 1))
		return true;
	return command_refuse("delete needs the NAME of a snapshot, or --all");
}

static enum command_exit snapshot_delete(const struct command_invocation *invocation)
{
	bool all = command_value(invocation, "all") != NULL;
	const char *name = all ? "" : invocation->operand[1];
	struct host *host = invocation->host;
	uint64_t bytes;
	enum status status = all ? snapshot_delete_all(host) : snapshot_delete_one(host, name);

	if (status == STATUS_OK && command_value(invocation, "discard"))
		status = host_discard(host, &bytes);
	if (status == STATUS_OK)
		return snapshot_result(invocation, name);
	if (status != STATUS_CORRUPT && !all)
		return lookup_error(host, status, "delete the snapshot", name);
	return host_error(host, status, "cannot delete %s%s%s",
			  all ? "all snapshots" : "the snapshot ", name,
			  status == STATUS_CORRUPT ? "; salvage saves what is whole" : "");
}

/* ---- restore -------------------------------------------------------------------------- */

/* Which one it was, where that was not said by name. */
static void snapshot_chosen(const struct store_snapshot *snapshot, const char *asked, bool as_json)
{
	char name[TEXT_NAME(DISK_SNAPSHOT_NAME)], time[TEXT_SIZE];

	if (as_json || strcmp(asked, snapshot->name) == 0)
		return;
	printf("restored '%s', generation %" PRIu64 " of %s\n",
	       text_name(name, sizeof(name), snapshot->name,
			 strnlen(snapshot->name, sizeof(snapshot->name))),
	       snapshot->generation.n, text_time(time, snapshot->wall_ns));
}

static bool snapshot_restore_check(const struct command_invocation *invocation)
{
	const char *keep = command_value(invocation, "keep");

	return !keep || text_snapshot_name_check(keep);
}

static enum command_exit snapshot_restore(const struct command_invocation *invocation)
{
	const char *name = invocation->operand[1], *keep = command_value(invocation, "keep");
	struct host *host = invocation->host;
	struct store_snapshot snapshot;
	enum status status = lookup_snapshot(host, name, &snapshot);

	if (status == STATUS_OK)
		status = host_commit(host, STORE_ACTION_RESTORE, snapshot.number, keep ? keep : "");
	if (status != STATUS_OK)
		return lookup_error(host, status, "restore the snapshot", name);
	snapshot_chosen(&snapshot, name, invocation->json);
	return snapshot_result(invocation, snapshot.name);
}

static const struct command_option snapshot_restore_options[] = {
	{"keep", "NAME", "name for the state that is replaced"},
	{0},
};

static const struct command_option snapshot_delete_options[] = {
	{"all", NULL, "delete every snapshot"},
	HOST_DISCARD_OPTION,
	{0},
};

const struct command command_snapshot = {
	.name = "snapshot",
	.usage = "IMAGE NAME",
	.summary = "Keeps the present state under a name",
	.details = "Takes one commit and no copying, whatever the size of the store.\n",
	.opens = COMMAND_WRITES,
	.check = snapshot_take_check,
	.run = snapshot_take,
};

const struct command command_snapshots = {
	.name = "snapshots",
	.usage = "IMAGE",
	.summary = "Lists the snapshots",
	.details =
		"HELD is what was replaced since and is kept for it and those before.  A deleted\n"
		"snapshot from which several others descend stays without a name until\n"
		"one of them remains.\n",
	.options = host_live_options,
	.opens = COMMAND_READS,
	.run = snapshot_show,
};

const struct command command_restore = {
	.name = "restore",
	.usage = "IMAGE SNAPSHOT",
	.summary = "Makes a snapshot the present state",
	.details = LOOKUP_HELP
	"The system goes on from there when it is started.  The state that is replaced is\n"
	"kept as a snapshot named before-restore-GENERATION, or as --keep says.\n",
	.options = snapshot_restore_options,
	.opens = COMMAND_WRITES,
	.check = snapshot_restore_check,
	.run = snapshot_restore,
};

const struct command command_delete = {
	.name = "delete",
	.usage = "IMAGE SNAPSHOT",
	.summary = "Deletes a snapshot",
	.details = LOOKUP_HELP
	"Gives back at once all space that only this snapshot holds.  If it is\n"
	"interrupted, the next delete, or the system when it runs, goes on with it.\n",
	.options = snapshot_delete_options,
	.opens = COMMAND_WRITES,
	.option_instead = true,
	.check = snapshot_delete_check,
	.run = snapshot_delete,
};
