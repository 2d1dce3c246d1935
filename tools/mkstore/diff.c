/* SPDX-License-Identifier: MIT */
/*
 * diff.c - `diff`: what changed from one state of a store to another.
 *
 * Pages come from the two maps side by side, so equal parts cost nothing.  For
 * the objects the store is opened twice, each time showing one of the states.
 */
#include "tools/mkstore/diff.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/mkstore/show.h"
#include "tools/mkstore/text.h"

#define DIFF_TRIES 10u /* openings, while a running system commits in between */

static const char *const diff_words[] = {"same", "added", "changed", "removed"};

struct diff_totals {
	uint64_t pages[4]; /* by enum store_difference */
};

/* Consecutive pages of which the same became. */
struct diff_run {
	enum store_difference difference;
	uint64_t first, count;
};

enum status diff_count(struct diff_side *before, struct diff_side *after, uint64_t first,
		       uint64_t count, uint64_t *differ)
{
	enum store_difference difference;
	page_t page = {first};
	enum status status = STATUS_OK;

	*differ = 0;
	while (count && status == STATUS_OK) {
		status = send_next(&before->host, &before->view, &after->view, &page, &difference);
		if (status == STATUS_OK && page.n - first >= count)
			break;
		*differ += status == STATUS_OK;
		page.n++;
	}
	return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* ---- pages -------------------------------------------------------------------------- */

/* Named by its first page, in the state that has it. */
static void run_print(struct diff_side *before, struct diff_side *after, const struct diff_run *run,
		      struct json *json)
{
	const struct diff_side *has = run->difference == STORE_REMOVED ? before : after;
	const char *owner;

	if (!run->count)
		return;
	if (!before->owners)
		before->owners = owners_open(&before->host);
	owner = owners_name(before->owners, has->view.view.number.n, run->first);
	if (!json) {
		printf("%-8s page%s %" PRIu64, diff_words[run->difference],
		       run->count > 1 ? "s" : "", run->first);
		if (run->count > 1)
			printf(" to %" PRIu64, run->first + run->count - 1);
		printf("%s%s\n", *owner ? " of " : "", owner);
		return;
	}
	json_object(json, NULL);
	json_text(json, "what", diff_words[run->difference]);
	json_number(json, "first_page", run->first);
	json_number(json, "pages", run->count);
	owners_json(json, owner);
	json_object_end(json);
}

/* Counts what differs and, if they are wanted, prints the runs. */
static enum status diff_pages(struct diff_side *before, struct diff_side *after, bool runs,
			      struct json *json, struct diff_totals *totals)
{
	struct diff_run run = {.count = 0};
	page_t page = {0};
	enum status status;

	*totals = (struct diff_totals){.pages = {0}};
	for (;; page.n++) {
		enum store_difference difference;

		status = send_next(&before->host, &before->view, &after->view, &page, &difference);
		if (status != STATUS_OK)
			break;
		totals->pages[difference]++;
		if (run.count && run.difference == difference && page.n == run.first + run.count) {
			run.count++;
			continue;
		}
		if (runs)
			run_print(before, after, &run, json);
		run = (struct diff_run){difference, page.n, 1};
	}
	if (runs)
		run_print(before, after, &run, json);
	return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* ---- the subcommand --------------------------------------------------------------------- */

/* The store, showing this state. */
static enum command_exit side_open(struct diff_side *side,
				   const struct command_invocation *invocation, const char *name,
				   bool again)
{
	enum command_exit result = again ? host_open_again(&side->host, invocation)
					 : host_open_read(&side->host, invocation);

	if (result != COMMAND_OK)
		return result;
	result = send_view_open(&side->host, name, &side->view);
	if (result == COMMAND_OK)
		store_view_show(side->host.store, &side->view.view);
	else
		host_close(&side->host);
	return result;
}

static void side_json(struct json *json, const char *key, const char *name,
		      const struct diff_side *side)
{
	json_object(json, key);
	json_text(json, "name", name);
	json_number(json, "generation", side->view.view.generation.n);
	json_number(json, "wall_ns", side->view.wall_ns);
	json_object_end(json);
}

static enum command_exit diff_json(const struct command_invocation *invocation,
				   struct diff_side *before, struct diff_side *after, bool runs)
{
	struct diff_totals totals;
	struct json *json = show_json(invocation->show);
	enum status status;
	enum command_exit result = COMMAND_OK;

	side_json(json, "before", invocation->operand[1], before);
	side_json(json, "after", invocation->operand[2], after);
	if (runs)
		json_array(json, "runs");
	status = diff_pages(before, after, runs, json, &totals);
	if (runs)
		json_array_end(json);
	json_object(json, "pages");
	for (unsigned i = STORE_ADDED; i <= STORE_REMOVED; i++)
		json_number(json, diff_words[i], totals.pages[i]);
	json_object_end(json);
	json_array(json, "objects");
	if (status == STATUS_OK)
		result = diff_objects(before, after, json);
	json_array_end(json);
	return status == STATUS_OK ? result
				   : host_error(&before->host, status, "cannot compare the pages");
}

static enum command_exit diff_text(struct diff_side *before, struct diff_side *after, bool runs)
{
	struct diff_totals totals;
	enum status status = diff_pages(before, after, runs, NULL, &totals);

	if (status != STATUS_OK)
		return host_error(&before->host, status, "cannot compare the pages");
	printf("pages    %" PRIu64 " added, %" PRIu64 " changed, %" PRIu64 " removed\n",
	       totals.pages[STORE_ADDED], totals.pages[STORE_CHANGED], totals.pages[STORE_REMOVED]);
	return diff_objects(before, after, NULL);
}

/* Both at one generation: a system that runs (--live) may commit in between, and
 * what one side has read of a sector says nothing about the other's then. */
static enum command_exit sides_open(struct diff_side *before, struct diff_side *after,
				    const struct command_invocation *invocation)
{
	enum command_exit result;

	for (unsigned tries = 0; tries < DIFF_TRIES; tries++) {
		result = side_open(before, invocation, invocation->operand[1], tries > 0);
		if (result != COMMAND_OK)
			return result;
		result = side_open(after, invocation, invocation->operand[2], true);
		if (result == COMMAND_OK &&
		    before->host.recovery.generation.n == after->host.recovery.generation.n)
			return COMMAND_OK;
		host_close(&before->host);
		if (result != COMMAND_OK)
			return result;
		host_close(&after->host);
	}
	return command_error("%s: the system that runs commits too often to compare: ask again",
			     invocation->operand[0]);
}

static enum command_exit diff_run(const struct command_invocation *invocation)
{
	bool runs = command_value(invocation, "pages") != NULL;
	struct diff_side before = {.owners = NULL}, after;
	enum command_exit result = sides_open(&before, &after, invocation);

	if (result != COMMAND_OK)
		return result;
	result = invocation->json ? diff_json(invocation, &before, &after, runs)
				  : diff_text(&before, &after, runs);
	owners_close(before.owners);
	host_close(&after.host);
	host_close(&before.host);
	return result;
}

static const struct command_option diff_options[] = {
	{"pages", NULL, "also list the runs of pages that differ"},
	HOST_LIVE_OPTION,
	{0},
};

const struct command command_diff = {
	.name = "diff",
	.usage = "IMAGE BEFORE AFTER",
	.summary = "Tells what differs between two states",
	.details =
		"BEFORE and AFTER are snapshots, or 'live' for the newest generation.  Pages are\n"
		"added, changed or removed; one that was written anew with what it held before\n"
		"counts as changed.  Objects are told by their names: added, removed, replaced "
		"(the\n"
		"name is another object's now), ended, changed, grown, shrunk.\n",
	.options = diff_options,
	.run = diff_run,
};
