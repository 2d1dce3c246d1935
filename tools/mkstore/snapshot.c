/* SPDX-License-Identifier: MIT */
/*
 * snapshot.c - `snapshot`, `snapshots`, `restore`, `delete`, `rename` and
 * `retention`.
 *
 * The same operations as the shell's, on a store that is not running.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/keeping.h"
#include "tools/mkstore/command.h"
#include "tools/mkstore/host.h"
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

	TRY(host_result(host, host_commit(host, STORE_ACTION_SNAPSHOT, (snapshot_t){0}, name),
			"cannot take the snapshot '%s'", name));
	return snapshot_result(invocation, name);
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
	return host_result(host, status,
			   damaged ? "not all snapshots can be read; the others can be "
				     "restored, salvage saves what is whole"
				   : "cannot list the snapshots");
}

/* ---- deletion steps ------------------------------------------------------------------ */

static enum status snapshot_delete_number(struct host *host, snapshot_t number)
{
	/* One dies at a time, so one that was begun before goes first. */
	TRY(host_reclaim(host));
	TRY(host_commit(host, STORE_ACTION_DELETE, number, ""));
	return host_reclaim(host);
}

static enum status snapshot_delete_one(struct host *host, const char *name)
{
	struct store_snapshot snapshot;

	TRY(lookup_snapshot(host, name, &snapshot));
	return snapshot_delete_number(host, snapshot.number);
}

static enum status snapshot_delete_all(struct host *host)
{
	struct store_snapshot snapshot = {0};
	enum status status;

	/* A branch point goes by itself when the last but one descendant does. */
	while ((status = host_snapshot_next(host, &snapshot)) == STATUS_OK)
		if (!(snapshot.flags & STORE_SNAPSHOT_GONE))
			TRY(snapshot_delete_number(host, snapshot.number));
	return status == STATUS_NOT_FOUND ? host_reclaim(host) : status;
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
		return lookup_result(host, status, "delete the snapshot", name);
	return host_result(host, status, "cannot delete %s%s%s",
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
	printf("restored '%s', generation %" PRIu64 " of %s\n", TEXT_FIELD(name, snapshot->name),
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
	TRY(lookup_result(host, status, "restore the snapshot", name));
	snapshot_chosen(&snapshot, name, invocation->json);
	return snapshot_result(invocation, snapshot.name);
}

/* ---- rename -------------------------------------------------------------------------- */

static bool rename_check(const struct command_invocation *invocation)
{
	return text_snapshot_name_check(invocation->operand[2]);
}

static enum command_exit rename_run(const struct command_invocation *invocation)
{
	const char *from = invocation->operand[1], *to = invocation->operand[2];
	struct host *host = invocation->host;
	struct show *show = invocation->show;
	struct store_snapshot snapshot;
	enum status status = lookup_snapshot(host, from, &snapshot);

	if (status == STATUS_OK)
		status = host_commit(host, STORE_ACTION_RENAME, snapshot.number, to);
	if (status == STATUS_EXISTS)
		return command_error("%s: there is a snapshot '%s' already", host->path, to);
	TRY(lookup_result(host, status, "rename the snapshot", from));
	fact_number(show, "number", NULL, snapshot.number.n);
	fact_text(show, "name", NULL, to);
	fact_number(show, "generation", NULL, store_durable(host->store).n);
	return COMMAND_OK;
}

/* ---- retention ------------------------------------------------------------------------- */

/* Automatic snapshots there are, and sectors that all of them hold. */
static enum status retention_count(struct host *host, uint64_t *count, uint64_t *held)
{
	struct store_snapshot snapshot = {0};
	struct store_statistics statistics;
	enum keeping_giver keeper;
	enum status status;

	store_statistics_get(host->store, &statistics);
	*count = *held = 0;
	while ((status = host_snapshot_next(host, &snapshot)) == STATUS_OK) {
		keeper = keeping_keeper(snapshot.flags, snapshot.name, snapshot.generation.n);
		if (keeper != KEEPING_TAKEN && keeper != KEEPING_RESTORED)
			continue;
		++*count;
		*held += snapshot.held_sectors;
		if (snapshot.number.n == statistics.origin.n)
			*held += statistics.held_sectors;
	}
	return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum command_exit retention_show(struct host *host, struct show *show)
{
	struct store_statistics statistics;
	char text[KEEPING_RULE_TEXT];
	uint64_t count, held;

	TRY(host_result(host, retention_count(host, &count, &held), "cannot list the snapshots"));
	store_statistics_get(host->store, &statistics);
	fact_text(show, "rule", "rule", keeping_rule_text(&statistics.retention, text));
	fact_number(show, "automatic", "automatic", count);
	fact_sectors(show, "held_sectors", "they hold", held);
	return COMMAND_OK;
}

static enum command_exit retention_run(const struct command_invocation *invocation)
{
	struct store_commit_request request = {.action = STORE_ACTION_RETAIN};
	bool set = invocation->operands > 1;
	struct host *host = invocation->host;

	if (set && !text_retention_parse(invocation->operand[1], &request.retention))
		return COMMAND_USAGE;
	if (set && command_value(invocation, "live"))
		return command_misuse("a rule cannot be set with --live: stop the system, or say "
				      "'retention %s' to it",
				      invocation->operand[1]);
	TRY(set ? host_open(host, invocation, HOST_WRITE) : host_open_read(host, invocation));
	if (set)
		TRY(host_result(host, host_commit_request(host, &request),
				"cannot change the rule"));
	return retention_show(host, invocation->show);
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

const struct command command_rename = {
	.name = "rename",
	.usage = "IMAGE SNAPSHOT NAME",
	.summary = "Gives a snapshot another name",
	.details =
		LOOKUP_HELP "An automatic snapshot that is renamed is kept until it is deleted.\n",
	.opens = COMMAND_WRITES,
	.check = rename_check,
	.run = rename_run,
};

const struct command command_retention = {
	.name = "retention",
	.usage = "IMAGE [RULE]",
	.summary = "Shows or sets which generations are kept automatically",
	.details =
		"RULE is like 10s,60m,24h,7d,20%: while the system runs and changes anything, one\n"
		"snapshot at most every 10 seconds; of those older than a minute one for each of "
		"60\n"
		"minutes, then 24 hours, then 7 days; all within 20 % of the store.  What a rule\n"
		"does not name is 0, the space 20 %.  'off' takes none and deletes none.\n",
	.options = host_live_options,
	.run = retention_run,
};
