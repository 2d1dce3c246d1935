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

static enum command_exit rename_run(const struct command_invocation *invocation)
{
	const char *from = invocation->operand[1], *to = invocation->operand[2];
	struct store_snapshot snapshot;
	struct show show;
	struct host host;
	enum status status;
	enum command_exit result;

	if (!text_snapshot_name_check(to))
		return COMMAND_USAGE;
	result = host_open(&host, invocation, HOST_WRITE);
	if (result != COMMAND_OK)
		return result;
	status = lookup_snapshot(&host, from, &snapshot);
	if (status == STATUS_OK)
		status = host_commit(&host, STORE_ACTION_RENAME, snapshot.number, to);
	if (status == STATUS_EXISTS) {
		command_error("%s: there is a snapshot '%s' already", host.path, to);
		result = COMMAND_FAILED;
	} else if (status != STATUS_OK) {
		result = lookup_error(&host, status, "rename the snapshot", from);
	} else {
		show_begin(&show, invocation->json);
		show_fact(&show, "number", NULL);
		show_number(&show, snapshot.number.n);
		show_fact(&show, "name", NULL);
		show_text(&show, to);
		show_fact(&show, "generation", NULL);
		show_number(&show, store_durable(host.store).n);
		show_end(&show);
	}
	host_close(&host);
	return result;
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

static enum command_exit retention_show(struct host *host, bool as_json)
{
	struct store_statistics statistics;
	char text[KEEPING_RULE_TEXT];
	struct show show;
	uint64_t count, held;
	enum status status = retention_count(host, &count, &held);

	if (status != STATUS_OK)
		return host_error(host, status, "cannot list the snapshots");
	store_statistics_get(host->store, &statistics);
	show_begin(&show, as_json);
	show_fact(&show, "rule", "rule");
	show_text(&show, keeping_rule_text(&statistics.retention, text));
	show_fact(&show, "automatic", "automatic");
	show_number(&show, count);
	show_fact(&show, "held_sectors", "they hold");
	show_sectors(&show, held);
	show_end(&show);
	return COMMAND_OK;
}

static enum command_exit retention_run(const struct command_invocation *invocation)
{
	struct store_commit_request request = {.action = STORE_ACTION_RETAIN};
	bool set = invocation->operands > 1;
	struct host host;
	enum status status = STATUS_OK;
	enum command_exit result;

	if (set && !text_retention_parse(invocation->operand[1], &request.retention))
		return COMMAND_USAGE;
	if (set && command_value(invocation, "live")) {
		command_error("a rule cannot be set with --live: stop the system, or say "
			      "'retention %s' to it",
			      invocation->operand[1]);
		return COMMAND_USAGE;
	}
	result = set ? host_open(&host, invocation, HOST_WRITE) : host_open_read(&host, invocation);
	if (result != COMMAND_OK)
		return result;
	if (set)
		status = host_commit_request(&host, &request);
	result = status == STATUS_OK ? retention_show(&host, invocation->json)
				     : host_error(&host, status, "cannot change the rule");
	host_close(&host);
	return result;
}

static const struct command_option retention_options[] = {HOST_LIVE_OPTION, {0}};

const struct command command_rename = {
	.name = "rename",
	.usage = "IMAGE SNAPSHOT NAME",
	.summary = "Gives a snapshot another name",
	.details =
		LOOKUP_HELP "An automatic snapshot that is renamed is kept until it is deleted.\n",
	.operands_min = 3,
	.operands_max = 3,
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
	.options = retention_options,
	.operands_min = 1,
	.operands_max = 2,
	.run = retention_run,
};
