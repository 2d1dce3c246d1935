/* SPDX-License-Identifier: MIT */
/*
 * diff_objects.c - which named objects differ between two states.
 *
 * Each state's names are gathered, directory by directory, sorted, and then both
 * lists are gone through together.
 */
#include "tools/mkstore/diff.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/mkstore/array.h"
#include "tools/mkstore/kind.h"
#include "tools/mkstore/text.h"
#include "tools/mkstore/walk.h"

struct items {
	struct walk_item *item;
	size_t count, room;
};

static void items_free(struct items *items)
{
	for (size_t i = 0; i < items->count; i++)
		free((char *)items->item[i].path);
	free(items->item);
	free(items);
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
	if (status == STATUS_OK)
		status = walk_tree(host, (object_t){system->root_directory}, "", items_add, items);
	if (status == STATUS_OK && items->count)
		qsort(items->item, items->count, sizeof(*items->item), item_order);
	return status;
}

/* ---- comparing ------------------------------------------------------------------------- */

/* What became of a name. */
struct change {
	const char *what;
	const struct walk_item *item;		  /* as it is now, or was at last */
	const struct disk_object *before, *after; /* a living segment's records, or null */
	uint64_t pages;
};

static void change_json(struct json *json, const struct change *change)
{
	json_object(json, NULL);
	json_text(json, "what", change->what);
	json_bytes(json, "path", change->item->path, change->item->length);
	json_text(json, "type", kind_type_text(change->item->capability.type));
	if (change->before)
		json_number(json, "before_bytes", change->before->size);
	if (change->after)
		json_number(json, "after_bytes", change->after->size);
	json_number(json, "pages", change->pages);
	json_object_end(json);
}

static void change_text(const struct change *change)
{
	const struct walk_item *item = change->item;
	char *name = malloc(TEXT_NAME(item->length));

	if (!name)
		return;
	printf("%-8s %-9s %s", change->what, kind_type_text(item->capability.type),
	       text_name(name, TEXT_NAME(item->length), item->path, item->length));
	free(name);
	if (change->before && change->after && change->before->size != change->after->size)
		printf("  %" PRIu64 " -> %" PRIu64 " bytes", change->before->size,
		       change->after->size);
	else if (change->before || change->after)
		printf("  %" PRIu64 " bytes",
		       (change->after ? change->after : change->before)->size);
	if (change->pages)
		printf(", %" PRIu64 " page%s", change->pages, change->pages > 1 ? "s" : "");
	putchar('\n');
}

static const struct disk_object *item_segment(const struct walk_item *item)
{
	return item->alive && item->capability.type == OBJECT_SEGMENT ? &item->record : NULL;
}

static void change_print(struct json *json, const struct change *change)
{
	if (json)
		change_json(json, change);
	else
		change_text(change);
}

/* The same name in both states. */
static enum status item_compare(struct diff_side *before, struct diff_side *after,
				const struct walk_item *old, const struct walk_item *new,
				struct json *json)
{
	const struct disk_object *record = &new->record;
	struct change change = {
		.item = new, .before = item_segment(old), .after = item_segment(new)};
	enum status status = STATUS_OK;

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
		status = diff_count(before, after, record->first_page, record->range_pages,
				    &change.pages);
	if (record->type == OBJECT_SEGMENT && old->record.size != record->size)
		change.what = old->record.size < record->size ? "grown" : "shrunk";
	else if (change.pages)
		change.what = "changed";
	if (status == STATUS_OK && change.what)
		change_print(json, &change);
	return status;
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
	enum status status = STATUS_OK;

	if (item->alive && item->record.first_page)
		status = diff_count(before, after, item->record.first_page,
				    item->record.range_pages, &change.pages);
	if (status == STATUS_OK)
		change_print(json, &change);
	return status;
}

static enum status items_compare(struct diff_side *before, struct diff_side *after,
				 const struct items *old, const struct items *new,
				 struct json *json)
{
	enum status status = STATUS_OK;
	size_t i = 0, k = 0;

	while (status == STATUS_OK && (i < old->count || k < new->count)) {
		int order = i == old->count   ? 1
			    : k == new->count ? -1
					      : item_order(&old->item[i], &new->item[k]);

		if (order < 0)
			status = item_alone(before, after, json, &old->item[i++], false);
		else if (order > 0)
			status = item_alone(before, after, json, &new->item[k++], true);
		else
			status =
				item_compare(before, after, &old->item[i++], &new->item[k++], json);
	}
	return status;
}

enum command_exit diff_objects(struct diff_side *before, struct diff_side *after, struct json *json)
{
	struct items *old = calloc(1, sizeof(*old)), *new = calloc(1, sizeof(*new));
	enum command_exit result = COMMAND_OK;
	enum status status = old && new ? STATUS_OK : STATUS_NO_MEMORY;

	if (status == STATUS_OK)
		status = items_gather(&before->host, old);
	if (status != STATUS_OK) {
		result = host_error(&before->host, status, "cannot list the objects before");
	} else {
		status = items_gather(&after->host, new);
		if (status == STATUS_OK)
			status = items_compare(before, after, old, new, json);
		if (status != STATUS_OK)
			result = host_error(&after->host, status, "cannot compare the objects");
	}
	if (old)
		items_free(old);
	if (new)
		items_free(new);
	return result;
}
