/* SPDX-License-Identifier: MIT */
/*
 * keep.c - `rename` and `retention`: how snapshots are called and which
 * generations the running system keeps by itself.
 */
#include <string.h>

#include "store/keeping.h"
#include "tools/mkstore/command.h"
#include "tools/mkstore/host.h"
#include "tools/mkstore/lookup.h"
#include "tools/mkstore/show.h"
#include "tools/mkstore/text.h"

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
	if (status != STATUS_OK)
		return lookup_error(host, status, "rename the snapshot", from);
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
	for (;;) {
		status = host_snapshot_next(host, &snapshot);
		if (status != STATUS_OK)
			break;
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
	enum status status = retention_count(host, &count, &held);

	if (status != STATUS_OK)
		return host_error(host, status, "cannot list the snapshots");
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
	enum status status = STATUS_OK;
	enum command_exit result;

	if (set && !text_retention_parse(invocation->operand[1], &request.retention))
		return COMMAND_USAGE;
	if (set && command_value(invocation, "live"))
		return command_misuse("a rule cannot be set with --live: stop the system, or say "
				      "'retention %s' to it",
				      invocation->operand[1]);
	result = set ? host_open(host, invocation, HOST_WRITE) : host_open_read(host, invocation);
	if (result != COMMAND_OK)
		return result;
	if (set)
		status = host_commit_request(host, &request);
	return status == STATUS_OK ? retention_show(host, invocation->show)
				   : host_error(host, status, "cannot change the rule");
}

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
