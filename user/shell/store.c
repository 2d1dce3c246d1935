/* SPDX-License-Identifier: MIT */
/*
 * store.c - commands about the store: checkpoint, snapshots, statistics.
 * Interface in shell.h.
 *
 * checkpoint, snapshot and restore can be answered in a later life: when the
 * system is resumed from the very state that they made durable.  Then nothing is
 * done again; the answer RESUMED says which state this is.
 */
#include "user/shell/shell.h"
#include "base/quantity.h"

#include <string.h>
#include "store/keeping.h"
#include "user/lib/service.h"
#include "user/lib/table.h"
#include "base/text.h"
#include "user/shell/columns.h"
#include "user/shell/terminal.h"

#define INSIST_NS (2 * NS_PER_SECOND) /* between two looks for ^C */

enum status store_insist(const char *command, enum status (*ask)(uint64_t *generation),
			 uint64_t *generation)
{
	struct store_statistics store;
	bool said = false;
	enum status status;

	store_patience(INSIST_NS);
	while ((status = ask(generation)) == STATUS_IO || status == STATUS_TIMEOUT) {
		if (!said && store_statistics(&store) == STATUS_OK && store.unsaved_since_ns) {
			terminal_print("%s: waiting, for %.*s; ^C ends the waiting\n", command,
				       (int)sizeof(store.unsaved_why), store.unsaved_why);
			terminal_flush();
			said = true;
		}
		if (terminal_interrupted())
			break;
	}
	store_patience(SHELL_PATIENCE_NS);
	return status;
}

bool command_checkpoint(int argc, char **argv)
{
	uint64_t generation;
	enum status status = store_insist("checkpoint", store_checkpoint, &generation);

	(void)argc;
	(void)argv;
	if (status == STATUS_RESUMED)
		terminal_print("checkpoint: the system was resumed from it, generation %lu\n",
			       generation);
	else if (status == STATUS_OK)
		terminal_print("checkpoint: generation %lu is durable\n", generation);
	else if (status == STATUS_IO || status == STATUS_TIMEOUT)
		return shell_complain("checkpoint", "nothing new is durable yet; it is tried again "
						    "by itself, `store` tells how it goes");
	else
		return shell_error("checkpoint", "nothing new is durable", status);
	return true;
}

bool command_snapshot(int argc, char **argv)
{
	uint64_t generation;
	enum status status;

	(void)argc;
	if (!keep_name_fits("snapshot", argv[1]))
		return false;
	status = store_snapshot(argv[1], &generation);
	if (status == STATUS_RESUMED)
		terminal_print("snapshot: the system goes on from %s, generation %lu\n", argv[1],
			       generation);
	else if (status == STATUS_OK)
		terminal_print("snapshot: %s is kept, generation %lu\n", argv[1], generation);
	else if (status == STATUS_EXISTS)
		return shell_complain("snapshot",
				      "%s: there is one with this name; choose another, or "
				      "`rename` that one",
				      argv[1]);
	else
		return shell_error("snapshot", argv[1], status);
	return true;
}

/* As wide as the longest that the system gives: before-restore-1234567. */
#define STORE_NAME 22

static const struct column store_column[] = {
	{"NUMBER", 6, false, 0}, {"PARENT", 6, false, 5},	{"GENERATION", 10, false, 3},
	{"PAGES", 9, false, 4},	 {"HELD", 9, false, 2},		{"TAKEN (UTC)", 19, true, 1},
	{"KIND", 9, true, 0},	 {"NAME", STORE_NAME, true, 0},
};

/* What it is besides a state that somebody has named; as wide as its column. */
static const char *store_kind(uint32_t flags)
{
	if (flags & STORE_SNAPSHOT_FAILED)
		return "failed";
	if (flags & STORE_SNAPSHOT_UNREADABLE)
		return "damaged";
	if (flags & DISK_SNAPSHOT_DYING)
		return "deleted";
	if (flags & DISK_SNAPSHOT_BRANCH)
		return "branch";
	return flags & DISK_SNAPSHOT_AUTOMATIC ? "automatic" : "-";
}

/* What is held for the live state's origin is counted in the store's statistics. */
static void store_print_snapshot(const struct columns *table, const struct store_snapshot *snapshot,
				 const struct store_statistics *store)
{
	char number[24], parent[24] = "-", generation[24] = "-", pages[24] = "-";
	char held[PRINT_SIZE] = "-", date[PRINT_SIZE] = "-";
	char name[DISK_SNAPSHOT_NAME + 1] = "cannot be read";
	const char *const cell[] = {
		number, parent, generation, pages, held, date, store_kind(snapshot->flags), name};
	uint64_t sectors = snapshot->held_sectors +
			   (snapshot->number.n == store->origin.n ? store->held_sectors : 0);

	text_format(number, sizeof(number), "%lu", snapshot->number.n);
	if (!(snapshot->flags & STORE_SNAPSHOT_UNREADABLE)) {
		text_format(parent, sizeof(parent), "%lu", snapshot->parent.n);
		text_format(generation, sizeof(generation), "%lu", snapshot->generation.n);
		text_format(pages, sizeof(pages), "%lu", snapshot->pages);
		print_bytes(sectors * SECTOR_SIZE, held);
		print_date(snapshot->wall_ns, date);
		text_format(name, sizeof(name), "%.*s", (int)DISK_SNAPSHOT_NAME, snapshot->name);
	}
	terminal_row(table, cell);
}

bool command_snapshots(int argc, char **argv)
{
	struct store_snapshot snapshot = {0};
	struct columns table;
	struct store_statistics store;
	enum status status = store_statistics(&store);
	uint64_t count = 0, unreadable = 0;
	bool failed = false;

	(void)argc;
	(void)argv;
	if (status != STATUS_OK)
		return shell_error("snapshots", "statistics", status);
	while ((status = store_snapshot_after(snapshot.number.n, &snapshot)) == STATUS_OK) {
		if (count++ == 0)
			terminal_table(&table, store_column,
				       sizeof(store_column) / sizeof(store_column[0]));
		if (snapshot.flags & STORE_SNAPSHOT_FAILED)
			failed = true;
		else if (snapshot.flags & STORE_SNAPSHOT_UNREADABLE)
			unreadable = snapshot.number.n;
		store_print_snapshot(&table, &snapshot, &store);
		if (count % 32 == 0 && terminal_interrupted())
			return false;
	}
	if (count > 0)
		terminal_table_end(&table);
	else if (status == STATUS_NOT_FOUND)
		terminal_print("no snapshots; `snapshot NAME` takes one\n");
	if (status != STATUS_NOT_FOUND || failed)
		return shell_error("snapshots", "the catalogue", failed ? STATUS_IO : status);
	if (unreadable)
		return shell_complain("snapshots",
				      "%lu cannot be read; all others can be restored, and "
				      "`mkstore salvage` saves what is whole",
				      unreadable);
	return true;
}

/* Which one a number, a generation or an age has meant. */
static void store_say_which(const char *command, const struct store_snapshot *snapshot)
{
	char age[PRINT_SIZE], date[PRINT_SIZE];
	uint64_t now_ns = 0;

	clock_now(NULL, &now_ns);
	now_ns = now_ns > snapshot->wall_ns ? now_ns - snapshot->wall_ns : 0;
	terminal_print("%s: snapshot %lu, %.*s, generation %lu, taken %s UTC, %s ago\n", command,
		       snapshot->number.n, (int)DISK_SNAPSHOT_NAME, snapshot->name,
		       snapshot->generation.n, print_date(snapshot->wall_ns, date),
		       print_duration(now_ns, age));
	terminal_flush();
}

bool command_restore(int argc, char **argv)
{
	struct store_snapshot found;
	uint64_t generation;
	enum status status;

	(void)argc;
	if (!keep_snapshot_find("restore", argv[1], &found))
		return false;
	store_say_which("restore", &found);
	status = store_restore(found.name, &generation);
	if (status == STATUS_NOT_FOUND)
		return keep_unknown("restore", argv[1]);
	if (status != STATUS_RESUMED)
		return shell_error("restore", argv[1], status);
	terminal_print("restore: this is the state that `restore %s` replaced, generation %lu\n",
		       argv[1], generation);
	return true;
}

bool command_delete(int argc, char **argv)
{
	struct store_snapshot found;
	enum status status;

	(void)argc;
	if (!keep_snapshot_find("delete", argv[1], &found))
		return false;
	store_say_which("delete", &found);
	status = store_delete(found.name);
	if (status == STATUS_NOT_FOUND)
		return keep_unknown("delete", argv[1]);
	if (status != STATUS_OK)
		return shell_error("delete", argv[1], status);
	terminal_print("delete: %.*s is deleted, its space is being given back\n",
		       (int)DISK_SNAPSHOT_NAME, found.name);
	return true;
}

static void store_print_space(const struct store_statistics *store)
{
	char size[PRINT_SIZE], used[PRINT_SIZE], free[PRINT_SIZE];
	uint64_t full = store->pages_written * (PAGE_SIZE / SECTOR_SIZE);

	terminal_print("space        %s in all, %s used, %s free\n",
		       print_bytes(store->sectors * SECTOR_SIZE, size),
		       print_bytes(store->used_sectors * SECTOR_SIZE, used),
		       print_bytes((store->sectors - store->used_sectors) * SECTOR_SIZE, free));
	terminal_print("pages        %lu live (%s)\n", store->pages,
		       print_bytes(store->pages * PAGE_SIZE, used));
	if (store->pages_written > 0)
		terminal_print("compression  %lu pages written since the start, to %lu%% of "
			       "their size\n",
			       store->pages_written, store->extent_sectors * 100 / full);
}

/* What the shell's bank has given, and set aside for programs. */
static void store_print_bank(void)
{
	char used[PRINT_SIZE], limit[PRINT_SIZE];
	struct bank_usage usage;

	if (bank_usage(OWN_BANK, &usage) != STATUS_OK)
		return;
	terminal_print(
		"bank         %s of %s taken or set aside (`banks`), %lu objects of its own\n",
		print_bytes(usage.pages * PAGE_SIZE, used),
		print_bytes(usage.limit * PAGE_SIZE, limit), usage.objects);
}

static void store_print_commits(const struct store_statistics *store, uint64_t now_ns)
{
	char age[PRINT_SIZE], freeze[PRINT_SIZE], commit[PRINT_SIZE];
	uint64_t passed = now_ns > store->commit_wall_ns ? now_ns - store->commit_wall_ns : 0;

	terminal_print("generation   %lu durable, %s ago; %lu in the making\n", store->durable.n,
		       print_duration(passed, age), store->generation.n);
	terminal_print("dirty        %lu pages, %lu more being written\n", store->dirty_pages,
		       store->frozen_pages);
	if (store->interval_ns)
		terminal_print("checkpoints  every %s, %lu since the start\n",
			       print_duration(store->interval_ns, age), store->commits);
	else
		terminal_print("checkpoints  only on request, %lu since the start\n",
			       store->commits);
	terminal_print("times        last commit %s, longest pause %s\n",
		       print_duration(store->last_commit_ns, commit),
		       print_duration(store->longest_freeze_ns, freeze));
	terminal_print("snapshots    %lu\n", store->snapshots);
}

static void store_print_unsaved(const struct store_statistics *store)
{
	char date[PRINT_SIZE], pause[PRINT_SIZE];

	if (!store->unsaved_since_ns)
		return;
	terminal_print("unsaved      since %s UTC: %.*s\n",
		       print_date(store->unsaved_since_ns, date), (int)sizeof(store->unsaved_why),
		       store->unsaved_why);
	if (store->unsaved_attempts)
		terminal_print("             %lu attempts to save have failed, the next is in %s; "
			       "all runs on in memory\n",
			       store->unsaved_attempts,
			       print_duration(store->unsaved_retry_ns, pause));
}

#define STORE_PRINT_COUNT(name, text) terminal_print("             %lu " text "\n", store.name);
bool command_store(int argc, char **argv)
{
	struct store_statistics store;
	uint64_t now_ns = 0;
	enum status status = store_statistics(&store);

	(void)argc;
	(void)argv;
	if (status != STATUS_OK)
		return shell_error("store", "statistics", status);
	clock_now(NULL, &now_ns);
	store_print_unsaved(&store);
	terminal_print("label        %.*s\n", (int)sizeof(store.label), store.label);
	store_print_commits(&store, now_ns);
	store_print_space(&store);
	store_print_bank();
	terminal_print("disk         %lu reads, %lu flushes, %lu bytes written since the "
		       "start\n",
		       store.reads, store.flushes, store.bytes_written);
	STORE_COUNTS(STORE_PRINT_COUNT)
	return true;
}

bool command_interval(int argc, char **argv)
{
	struct store_statistics store;
	uint64_t ns;
	char text[PRINT_SIZE];
	enum status status;

	if (argc > 1) {
		if (!quantity_time(argv[1], &ns))
			return shell_complain("interval", "%s: not a time; %s", argv[1],
					      QUANTITY_TIME_FORM);
		status = store_interval(ns);
		if (status != STATUS_OK)
			return shell_error("interval", argv[1], status);
	}
	status = store_statistics(&store);
	if (status != STATUS_OK)
		return shell_error("interval", "statistics", status);
	if (store.interval_ns)
		terminal_print("a checkpoint every %s while anything is dirty\n",
			       print_duration(store.interval_ns, text));
	else
		terminal_print("checkpoints only on request\n");
	return true;
}
