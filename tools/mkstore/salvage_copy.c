/* SPDX-License-Identifier: MIT */
/*
 * salvage_copy.c - one state of the damaged store into the new one.
 *
 * States follow one another by difference, so what two of them share is written
 * once.  A page that cannot be read becomes absent: it reads as zeros, takes no
 * space, and no older content of it stays in its place.
 */
#include "tools/mkstore/salvage.h"
#include "base/assert.h"

#include <stdlib.h>
#include <string.h>

#include "tools/mkstore/array.h"
#include "tools/mkstore/path.h"

static bool status_damage(enum status status)
{
	return status == STATUS_IO || status == STATUS_CORRUPT;
}

static enum status loss_add(struct salvage_state *state, uint64_t first, uint64_t end,
			    const struct disk_reference *reference)
{
	struct salvage_loss *loss =
		array_grow(state->loss, sizeof(*loss), state->losses, &state->room);

	ASSERT(first < end);
	if (!loss)
		return STATUS_NO_MEMORY;
	state->loss = loss;
	state->loss[state->losses] = (struct salvage_loss){.first = first, .end = end};
	if (reference)
		state->loss[state->losses].reference = *reference;
	state->losses++;
	return STATUS_OK;
}

/* ---- the new store --------------------------------------------------------------------- */

static enum status target_write(struct host *to, uint64_t page, const uint8_t *data)
{
	frame_t frame;

	HOST_TRY(to, store_page_write(to->store, (page_t){page}, &frame));
	memcpy(store_frame_data(to->frames, frame), data, PAGE_SIZE);
	return host_relieve(to);
}

/* ---- one page, one gap ----------------------------------------------------------------- */

static enum status page_copy(struct host *from, struct host *to, struct salvage_state *state,
			     uint64_t page)
{
	struct disk_reference reference;
	const void *data;
	uint8_t copy[PAGE_SIZE];
	enum status status =
		HOST_RETRY(from, store_view_read(from->store, &state->view, (page_t){page}, &data));

	if (status == STATUS_OK) {
		memcpy(copy, data, sizeof(copy));
		state->pages++;
		return target_write(to, page, copy);
	}
	if (!status_damage(status))
		return status;
	status = HOST_RETRY(from,
			    store_view_find(from->store, &state->view, (page_t){page}, &reference));
	TRY(loss_add(state, page, page + 1, status == STATUS_OK ? &reference : NULL));
	return host_clear(to, page, page + 1);
}

/* A node of the state's tree is lost: so is all below it but what a delta says. */
static enum status gap_pass(struct host *from, struct host *to, struct salvage_state *state,
			    uint64_t first, uint64_t end)
{
	const struct store_view *view = &state->view;
	uint64_t at = first;

	TRY(host_clear(to, first, end));
	for (uint32_t i = 0; i < view->changes; i++) {
		uint64_t page = view->change[i].page;

		if (page < first || page >= end)
			continue;
		if (page > at)
			TRY(loss_add(state, at, page, NULL));
		TRY(page_copy(from, to, state, page));
		at = page + 1;
	}
	ASSERT(first <= at && at <= end);
	return at < end ? loss_add(state, at, end, NULL) : STATUS_OK;
}

/* From *page to `end` without regard to the state before, of which nothing is in
 * the new store there. */
static enum status range_copy(struct host *from, struct host *to, struct salvage_state *state,
			      page_t *page, uint64_t end);

/* The difference cannot be told at *page: passes over what hides it. */
static enum status damage_pass(struct host *from, struct host *to, struct salvage_state *before,
			       struct salvage_state *state, page_t *page)
{
	page_t end;
	uint64_t first = page->n;
	enum status status =
		HOST_RETRY(from, store_view_gap(from->store, &state->view, *page, &end));

	if (status == STATUS_OK) {
		*page = end;
		return gap_pass(from, to, state, first, end.n);
	}
	if (status == STATUS_NOT_FOUND && before)
		status = HOST_RETRY(from, store_view_gap(from->store, &before->view, *page, &end));
	if (status == STATUS_OK)
		return range_copy(from, to, state, page, end.n);
	/* A disk that now can and now cannot read: at least this page. */
	return status == STATUS_NOT_FOUND ? page_copy(from, to, state, page->n++) : status;
}

static enum status range_copy(struct host *from, struct host *to, struct salvage_state *state,
			      page_t *page, uint64_t end)
{
	struct store_view nothing = {0};
	enum store_difference difference;
	enum status status = STATUS_OK;

	while (status == STATUS_OK && page->n < end) {
		status = HOST_RETRY(from, store_view_differ(from->store, &nothing, &state->view,
							    page, &difference));
		if (status_damage(status) && page->n < end)
			status = damage_pass(from, to, NULL, state, page);
		else if (status == STATUS_OK && difference == STORE_ADDED && page->n < end)
			status = page_copy(from, to, state, page->n++);
		else if (status_damage(status))
			status = STATUS_OK; /* behind the end: somebody else's */
	}
	if (status == STATUS_NOT_FOUND) {
		page->n = end;
		status = STATUS_OK;
	}
	return status;
}

/* ---- a state ------------------------------------------------------------------------------ */

/* What was lost in the state before and is the same in this one is lost here too:
 * the difference does not come by it. */
static enum status losses_inherit(struct host *from, const struct salvage_state *before,
				  struct salvage_state *state)
{
	enum status status = STATUS_OK;

	for (size_t i = 0; before && i < before->losses && status == STATUS_OK; i++) {
		const struct salvage_loss *loss = &before->loss[i];
		struct disk_reference reference;
		page_t end;

		if (!loss->reference.sectors) {
			status = HOST_RETRY(from, store_view_gap(from->store, &state->view,
								 (page_t){loss->first}, &end));
			if (status == STATUS_OK)
				status = loss_add(state, loss->first, loss->end, NULL);
		} else {
			status = HOST_RETRY(from,
					    store_view_find(from->store, &state->view,
							    (page_t){loss->first}, &reference));
			if (status == STATUS_OK &&
			    memcmp(&reference, &loss->reference, sizeof(reference)) == 0)
				status = loss_add(state, loss->first, loss->end, &reference);
		}
		if (status == STATUS_NOT_FOUND || status == STATUS_ABSENT || status_damage(status))
			status = STATUS_OK;
	}
	return status;
}

static int loss_order(const void *one, const void *other)
{
	const struct salvage_loss *a = one, *b = other;

	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	return (a->end < b->end) - (a->end > b->end);
}

/* In order of pages, and none told twice. */
static void losses_sort(struct salvage_state *state)
{
	size_t kept = 0;

	if (state->losses)
		qsort(state->loss, state->losses, sizeof(*state->loss), loss_order);
	for (size_t i = 0; i < state->losses; i++) {
		struct salvage_loss loss = state->loss[i];

		if (kept && loss.first < state->loss[kept - 1].end)
			loss.first = state->loss[kept - 1].end;
		if (loss.first < loss.end)
			state->loss[kept++] = loss;
	}
	state->losses = kept;
}

enum status salvage_copy(struct host *from, struct host *to, struct salvage_state *before,
			 struct salvage_state *state)
{
	struct store_view nothing = {0};
	struct store_view *old = before ? &before->view : &nothing;
	enum store_difference difference;
	page_t page = {0};
	enum status status = losses_inherit(from, before, state);

	while (status == STATUS_OK) {
		status = HOST_RETRY(from, store_view_differ(from->store, old, &state->view, &page,
							    &difference));
		if (status_damage(status)) {
			status = damage_pass(from, to, before, state, &page);
		} else if (status == STATUS_OK && difference == STORE_REMOVED) {
			status = host_clear(to, page.n, page.n + 1);
			page.n++;
		} else if (status == STATUS_OK && difference != STORE_SAME) {
			status = page_copy(from, to, state, page.n++);
		}
	}
	losses_sort(state);
	return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* ---- named segments ------------------------------------------------------------------------ */

/*
 * Goes through the directories of the new store, whose live state has zeros where
 * the damaged one's pages are lost.  A directory that is lost itself hides what
 * it names.
 */

/* A segment with a name that has lost pages. */
struct hit {
	char *path;
	size_t length;
	unsigned depth;
	uint64_t first, pages;
};

struct hits {
	const struct salvage_state *live;
	struct hit *hit;
	size_t count, room;
	unsigned deepest;
};

/* The first lost page of the range, and how many there are. */
static uint64_t range_lost(const struct salvage_state *live, const struct disk_object *record,
			   uint64_t *first)
{
	uint64_t end = record->first_page + record->range_pages, pages = 0;

	for (size_t i = 0; i < live->losses; i++) {
		uint64_t from = live->loss[i].first, to = live->loss[i].end;

		if (from < record->first_page)
			from = record->first_page;
		if (to > end)
			to = end;
		if (from >= to)
			continue;
		if (!pages)
			*first = from - record->first_page;
		pages += to - from;
	}
	return pages;
}

static enum status hits_visit(void *context, const struct walk_item *item)
{
	struct hits *hits = context;
	struct disk_object record = item->record;
	uint64_t first = 0, pages;
	struct hit *hit;

	if (!item->alive || record.type != OBJECT_SEGMENT)
		return STATUS_OK;
	/* Beyond its end a segment has no pages to lose. */
	record.range_pages = (record.size + PAGE_SIZE - 1) / PAGE_SIZE;
	pages = range_lost(hits->live, &record, &first);
	if (!pages)
		return STATUS_OK;
	hit = array_grow(hits->hit, sizeof(*hit), hits->count, &hits->room);
	if (!hit)
		return STATUS_NO_MEMORY;
	hits->hit = hit;
	hit += hits->count;
	*hit = (struct hit){strdup(item->path), item->length, item->depth, first, pages};
	if (!hit->path)
		return STATUS_NO_MEMORY;
	hits->count++;
	hits->deepest = item->depth > hits->deepest ? item->depth : hits->deepest;
	return STATUS_OK;
}

bool salvage_objects(struct host *host, const struct salvage_state *live, salvage_object_told told,
		     void *context)
{
	struct hits hits = {.live = live};
	const struct disk_system *system;
	bool whole = true;
	enum status status = HOST_RETRY(host, system_read(&host->space, &system));

	if (status == STATUS_OK)
		status = walk_readable(host, (object_t){system->root_directory}, hits_visit, &hits,
				       &whole);
	/* Without a system page there are no names, unless it is among what is lost. */
	else if (status == STATUS_ABSENT && !live->losses)
		status = STATUS_OK;
	/* Those nearest to the root first. */
	for (unsigned depth = 0; depth <= hits.deepest; depth++)
		for (size_t i = 0; i < hits.count; i++)
			if (hits.hit[i].depth == depth)
				told(context, hits.hit[i].path, hits.hit[i].length,
				     hits.hit[i].first, hits.hit[i].pages);
	for (size_t i = 0; i < hits.count; i++)
		free(hits.hit[i].path);
	free(hits.hit);
	return whole && status == STATUS_OK;
}
