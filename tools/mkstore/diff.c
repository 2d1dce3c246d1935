/* SPDX-License-Identifier: MIT */
/*
 * diff.c - `diff`: what changed from one state of a store to another.
 *
 * Pages come from the two maps side by side, so equal parts cost nothing.  For
 * the objects the store is opened twice, each time showing one of the states.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/mkstore/array.h"
#include "base/assert.h"
#include "tools/mkstore/json.h"
#include "tools/mkstore/kind.h"
#include "tools/mkstore/owner.h"
#include "tools/mkstore/send.h"
#include "tools/mkstore/show.h"
#include "tools/mkstore/text.h"
#include "tools/mkstore/path.h"

#define DIFF_TRIES 10u /* openings, while a running system commits in between */

static const char *const diff_words[] = {"same", "added", "changed", "removed"};
static_assert(sizeof(diff_words) / sizeof(diff_words[0]) == STORE_REMOVED + 1, "a word for each");

struct diff_side {
	struct host host; /* shows this state as its live one */
	struct send_view view;
	struct owners *owners; /* of the first: null until somebody asks */
};

struct diff_totals {
	uint64_t pages[4]; /* by enum store_difference */
};

/* Consecutive pages of which the same became. */
struct diff_run {
	enum store_difference difference;
	uint64_t first, count;
};

/* Pages that differ in [first, first + count). */
static enum status diff_count(struct diff_side *before, struct diff_side *after, uint64_t first,
			      uint64_t count, uint64_t *differ)
{
	enum store_difference difference;
	page_t page = {first};
	enum status status;

	*differ = 0;
	while ((status = send_next(&before->host, &before->view, &after->view, &page,
				   &difference)) == STATUS_OK &&
	       page.n - first < count) {
		++*differ;
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
		before->owners = owners_open(&before->host, NULL);
	owner = owners_name(before->owners, has->view.view.number.n, run->first);
	TEXT_LINE(json, "%-8s page%s %" PRIu64, diff_words[run->difference],
		  run->count > 1 ? "s" : "", run->first);
	if (run->count > 1)
		TEXT_LINE(json, " to %" PRIu64, run->first + run->count - 1);
	TEXT_LINE(json, "%s%s\n", *owner ? " of " : "", owner);
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
		ASSERT(difference > STORE_SAME && difference <= STORE_REMOVED);
		ASSERT(!run.count || page.n >= run.first + run.count); /* in their order */
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

/* ---- objects ------------------------------------------------------------------------ */

/* Each state's names are gathered, directory by directory, sorted, and then both lists are gone
 * through together. */

struct items {
	struct walk_item *item;
	size_t count, room;
};

static void items_free(struct items *items)
{
	for (size_t i = 0; i < items->count; i++)
		free((char *)items->item[i].path);
	free(items->item);
}

static enum status items_add(void *context, const struct walk_item *at)
{
	struct items *items = context;
	struct walk_item *item = array_grow(items->item, sizeof(*item), items->count, &items->room);

	if (!item)
		return STATUS_NO_MEMORY;
	items->item = item;
	item += items->count;
	*item = *at;
	item->path = strdup(at->path);
	if (!item->path)
		return STATUS_NO_MEMORY;
	items->count++;
	return STATUS_OK;
}

static int item_order(const void *one, const void *other)
{
	const struct walk_item *a = one, *b = other;
	size_t length = a->length < b->length ? a->length : b->length;
	int order = memcmp(a->path, b->path, length);

	if (order)
		return order;
	return (a->length > b->length) - (a->length < b->length);
}

/* All names, sorted.  A state in which no system was laid down has none. */
static enum status items_gather(struct host *host, struct items *items)
{
	const struct disk_system *system;
	enum status status = HOST_RETRY(host, system_read(&host->space, &system));

	if (status == STATUS_ABSENT)
		return STATUS_OK;
	TRY(status);
	TRY(walk_tree(host, (object_t){system->root_directory}, "", items_add, items));
	if (items->count)
		qsort(items->item, items->count, sizeof(*items->item), item_order);
	return STATUS_OK;
}

/* ---- comparing ------------------------------------------------------------------------- */

/* What became of a name. */
struct change {
	const char *what;
	const struct walk_item *item;		  /* as it is now, or was at last */
	const struct disk_object *before, *after; /* a living segment's records, or null */
	uint64_t pages;
};

static void change_print(struct json *json, const struct change *change)
{
	const struct disk_object *before = change->before, *after = change->after;
	const struct walk_item *item = change->item;
	const char *type = object_type_name(item->capability.type);
	char *name = malloc(TEXT_NAME(item->length));

	ASSERT(change->what);
	json_object(json, NULL);
	json_text(json, "what", change->what);
	json_bytes(json, "path", item->path, item->length);
	json_text(json, "type", type);
	if (before)
		json_number(json, "before_bytes", before->size);
	if (after)
		json_number(json, "after_bytes", after->size);
	json_number(json, "pages", change->pages);
	json_object_end(json);
	if (!json && name) {
		printf("%-8s %-9s %s", change->what, type,
		       text_name(name, TEXT_NAME(item->length), item->path, item->length));
		if (before && after && before->size != after->size)
			printf("  %" PRIu64 " -> %" PRIu64 " bytes", before->size, after->size);
		else if (before || after)
			printf("  %" PRIu64 " bytes", (after ? after : before)->size);
		if (change->pages)
			printf(", %" PRIu64 " page%s", change->pages, change->pages > 1 ? "s" : "");
		putchar('\n');
	}
	free(name);
}

static const struct disk_object *item_segment(const struct walk_item *item)
{
	return item->alive && item->capability.type == OBJECT_SEGMENT ? &item->record : NULL;
}

/* The same name in both states. */
static enum status item_compare(struct diff_side *before, struct diff_side *after,
				const struct walk_item *old, const struct walk_item *new,
				struct json *json)
{
	const struct disk_object *record = &new->record;
	struct change change = {
		.item = new, .before = item_segment(old), .after = item_segment(new)};

	if (old->capability.object != new->capability.object ||
	    old->capability.version != new->capability.version) {
		change.what = "replaced";
		change_print(json, &change);
		return STATUS_OK;
	}
	if (!new->alive) {
		change.what = "ended";
		if (old->alive)
			change_print(json, &change);
		return STATUS_OK;
	}
	if (record->first_page)
		TRY(diff_count(before, after, record->first_page, record->range_pages,
			       &change.pages));
	if (record->type == OBJECT_SEGMENT && old->record.size != record->size)
		change.what = old->record.size < record->size ? "grown" : "shrunk";
	else if (change.pages)
		change.what = "changed";
	if (change.what)
		change_print(json, &change);
	return STATUS_OK;
}

/* A name that only one of the states has.  Its pages are those that differ, as of any
 * object: none, if another name leads to it on the other side. */
static enum status item_alone(struct diff_side *before, struct diff_side *after, struct json *json,
			      const struct walk_item *item, bool added)
{
	const struct disk_object *segment = item_segment(item);
	struct change change = {.what = added ? "added" : "removed",
				.item = item,
				.before = added ? NULL : segment,
				.after = added ? segment : NULL};

	if (item->alive && item->record.first_page)
		TRY(diff_count(before, after, item->record.first_page, item->record.range_pages,
			       &change.pages));
	change_print(json, &change);
	return STATUS_OK;
}

static enum status items_compare(struct diff_side *before, struct diff_side *after,
				 const struct items *old, const struct items *new,
				 struct json *json)
{
	size_t i = 0, k = 0;

	while (i < old->count || k < new->count) {
		int order = i == old->count   ? 1
			    : k == new->count ? -1
					      : item_order(&old->item[i], &new->item[k]);

		if (order < 0)
			TRY(item_alone(before, after, json, &old->item[i++], false));
		else if (order > 0)
			TRY(item_alone(before, after, json, &new->item[k++], true));
		else
			TRY(item_compare(before, after, &old->item[i++], &new->item[k++], json));
	}
	return STATUS_OK;
}

/* Prints the objects that differ, in order of their names: as elements of an array of `json`,
 * or as lines if that is null. */
static enum command_exit diff_objects(struct diff_side *before, struct diff_side *after,
				      struct json *json)
{
	struct items old = {.count = 0}, new = {.count = 0};
	enum command_exit result = host_result(&before->host, items_gather(&before->host, &old),
					       "cannot list the objects before");
	enum status status;

	if (result == COMMAND_OK) {
		status = items_gather(&after->host, &new);
		if (status == STATUS_OK)
			status = items_compare(before, after, &old, &new, json);
		result = host_result(&after->host, status, "cannot compare the objects");
	}
	items_free(&old);
	items_free(&new);
	return result;
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

static enum command_exit diff_states(const struct command_invocation *invocation,
				     struct diff_side *before, struct diff_side *after)
{
	bool runs = command_value(invocation, "pages") != NULL;
	struct diff_totals totals;
	struct json *json = show_json(invocation->show);
	enum command_exit result;
	enum status status;

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
	if (status == STATUS_OK)
		TEXT_LINE(json,
			  "pages    %" PRIu64 " added, %" PRIu64 " changed, %" PRIu64 " removed\n",
			  totals.pages[STORE_ADDED], totals.pages[STORE_CHANGED],
			  totals.pages[STORE_REMOVED]);
	json_array(json, "objects");
	result = status == STATUS_OK
			 ? diff_objects(before, after, json)
			 : host_result(&before->host, status, "cannot compare the pages");
	json_array_end(json);
	return result;
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
	struct diff_side before = {.owners = NULL}, after;
	enum command_exit result = sides_open(&before, &after, invocation);

	if (result != COMMAND_OK)
		return result;
	result = diff_states(invocation, &before, &after);
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
