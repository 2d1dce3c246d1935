/* SPDX-License-Identifier: MIT */
/*
 * keep.c - which snapshot is meant, and the commands rename, retention and grow.
 * Interface in shell.h.
 *
 * Like checkpoint, these can be answered in a later life; then what they asked
 * for has been done.
 */
#include "user/shell/shell.h"
#include "base/quantity.h"

#include <string.h>
#include "store/keeping.h"
#include "user/lib/service.h"
#include "user/lib/table.h"
#include "base/text.h"
#include "user/shell/suggest.h"
#include "user/shell/terminal.h"

/* Of a snapshot that nobody can go back to. */
#define KEEP_GONE (STORE_SNAPSHOT_GONE | STORE_SNAPSHOT_UNREADABLE)

static bool keep_done(enum status status)
{
	return status == STATUS_OK || status == STATUS_RESUMED;
}

bool keep_snapshot_find(const char *command, const char *text, struct store_snapshot *found)
{
	struct store_snapshot snapshot;
	struct keeping_search search;
	uint64_t now_ns = 0;
	enum status status;

	clock_now(NULL, &now_ns);
	keeping_search_begin(&search, text, now_ns);
	while ((status = store_snapshot_after(search.last.n, &snapshot)) == STATUS_OK)
		keeping_search_look(&search, &snapshot);
	if (status == STATUS_NOT_FOUND)
		status = STATUS_OK;
	*found = search.found;
	if (status == STATUS_OK && keeping_search_doubtful(&search))
		status = STATUS_IO;
	if (status != STATUS_OK)
		return shell_error(command, text, status);
	if (found->number.n)
		return true;
	if (search.damaged)
		return shell_complain(command,
				      "%s: not found, but #%lu, which cannot be read, may be it",
				      text, search.damaged);
	return keep_unknown(command, text);
}

/* The nearest name that there is; false: none is near. */
static bool keep_nearest(const char *name, char nearest[DISK_SNAPSHOT_NAME + 1])
{
	struct store_snapshot snapshot = {0};
	uint32_t best = SUGGEST_LENGTH;

	while (store_snapshot_after(snapshot.number.n, &snapshot) == STATUS_OK) {
		char known[DISK_SNAPSHOT_NAME + 1] = {0};

		memcpy(known, snapshot.name, DISK_SNAPSHOT_NAME);
		if (known[0] == '\0' || suggest_rank(name, known) >= best)
			continue;
		best = suggest_rank(name, known);
		memcpy(nearest, known, sizeof(known));
	}
	return best < SUGGEST_LENGTH;
}

static bool keep_unknown_age(const char *command, const char *text)
{
	struct store_snapshot snapshot = {0}, oldest = {0};
	char date[PRINT_SIZE];

	while (store_snapshot_after(snapshot.number.n, &snapshot) == STATUS_OK)
		if (!(snapshot.flags & KEEP_GONE) &&
		    (!oldest.number.n || snapshot.wall_ns < oldest.wall_ns))
			oldest = snapshot;
	if (!oldest.number.n)
		return shell_complain(command, "%s: there are no snapshots", text);
	return shell_complain(
		command, "%s: no snapshot is that old; the oldest is '%.*s', taken %s UTC", text,
		(int)DISK_SNAPSHOT_NAME, oldest.name, print_date(oldest.wall_ns, date));
}

bool keep_unknown(const char *command, const char *text)
{
	const char *fault = keeping_form_fault(text), *digits = text;
	char nearest[DISK_SNAPSHOT_NAME + 1];
	uint64_t value = 0;

	if (fault)
		return shell_complain(command, "%s: %s", text, fault);
	switch (keeping_form_of(text, &value)) {
	case KEEPING_NUMBER:
		return shell_complain(command, "%s: there is no snapshot %lu", text, value);
	case KEEPING_GENERATION:
		return shell_complain(command, "%s: no snapshot is of generation %lu or older",
				      text, value);
	case KEEPING_AGE:
		return keep_unknown_age(command, text);
	case KEEPING_NAME:
		break;
	}
	if (quantity_digits(&digits, UINT64_MAX, &value) && !*digits)
		return shell_complain(command, "%s: no such snapshot; a number is written #%s",
				      text, text);
	if (keep_nearest(text, nearest))
		return shell_complain(command, "%s: no such snapshot. Did you mean `%s`?", text,
				      nearest);
	return shell_complain(command, "%s: no such snapshot; `snapshots` lists them", text);
}

bool keep_name_fits(const char *command, const char *name)
{
	const char *fault = keeping_name_fault(name);

	return !fault || shell_complain(command, "'%s' cannot name a snapshot: %s", name, fault);
}

bool command_rename(int argc, char **argv)
{
	struct store_snapshot snapshot;
	uint64_t generation;
	enum status status;

	(void)argc;
	if (!keep_name_fits("rename", argv[2]))
		return false;
	if (!keep_snapshot_find("rename", argv[1], &snapshot))
		return false;
	status = store_rename(snapshot.number.n, argv[2], &generation);
	if (status == STATUS_EXISTS)
		return shell_complain("rename", "%s: there is one with this name", argv[2]);
	if (!keep_done(status))
		return shell_error("rename", argv[1], status);
	terminal_print("rename: snapshot %lu is %s now\n", snapshot.number.n, argv[2]);
	return true;
}

bool command_retention(int argc, char **argv)
{
	struct store_statistics store;
	struct disk_retention rule;
	char text[KEEPING_RULE_TEXT];
	const char *fault;
	uint64_t generation;
	enum status status;

	if (argc > 1) {
		fault = keeping_rule_parse(argv[1], &rule);
		if (fault)
			return shell_complain("retention", "%s: not a rule: %s", argv[1], fault);
		status = store_retention(&rule, &generation);
		if (!keep_done(status))
			return shell_error("retention", argv[1], status);
	}
	status = store_statistics(&store);
	if (status != STATUS_OK)
		return shell_error("retention", "statistics", status);
	if (!store.retention.interval_s) {
		terminal_print("no generations are kept automatically\n");
		return true;
	}
	terminal_print("%s: one at most every %u s, then one for each of %u minutes, %u hours, "
		       "%u days, within %u.%u%% of the store\n",
		       keeping_rule_text(&store.retention, text), store.retention.interval_s,
		       store.retention.minutes, store.retention.hours, store.retention.days,
		       store.retention.budget / 10, store.retention.budget % 10);
	return true;
}

bool command_grow(int argc, char **argv)
{
	struct store_statistics before, after;
	char from[PRINT_SIZE], to[PRINT_SIZE];
	uint64_t generation;
	enum status status = store_statistics(&before);

	(void)argc;
	(void)argv;
	if (status == STATUS_OK)
		status = store_grow(&generation);
	if (status == STATUS_INVALID)
		return shell_complain("grow", "the store fills its disk already: make that larger");
	if (status == STATUS_BUSY)
		return shell_complain("grow", "another partition lies behind the store's");
	if (status == STATUS_TIMEOUT)
		return shell_complain("grow", "the disk does not answer: try again later");
	if (keep_done(status))
		status = store_statistics(&after);
	if (status != STATUS_OK)
		return shell_error("grow", "the store", status);
	terminal_print("grow: from %s to %s\n", print_bytes(before.sectors * SECTOR_SIZE, from),
		       print_bytes(after.sectors * SECTOR_SIZE, to));
	return true;
}
