/* SPDX-License-Identifier: MIT */
/*
 * commit_space.c - the part of a commit that writes the space.
 *
 * Four things in order of their page numbers are merged into one pass: frozen
 * pages, pages staged before their turn (their references wait in a heap), the
 * overlay of the deltas before, and cleared runs.  A page that was cleared and
 * then written again is in a run and frozen too; it is written, the rest of the
 * run vanishes.  What the overlay has of a page that was written again or cleared
 * is passed over.
 *
 * A full commit puts all this into the tree; a delta, which has no cleared runs,
 * into the next overlay.
 */
#include "store/commit/commit_priv.h"
#include "store/store_priv.h"

void commit_free(struct store *store, enum disk_tree tree, const struct disk_reference *reference,
		 uint64_t end)
{
	const struct commit *commit = &store->commit;
	struct disk_record *record = &store->next;
	uint64_t limit = 0;

	ASSERT(commit_is_full(store)); /* a delta gives nothing back */
	/* The free map's own extents are counted when its closure is made. */
	if (tree == DISK_TREE_FREE_MAP)
		return;
	if (tree == DISK_TREE_SPACE)
		limit = end <= commit->cursor ? commit->limit_passed : commit->limit;
	if (reference->birth > limit)
		changes_give_back(store, reference);
	else
		record->held_sectors = held_add(store, record->held_sectors, reference->sectors);
}

/* ---- pages staged early: a heap, smallest page first ----------------------- */

static void early_push(struct commit *commit, const struct early *new)
{
	uint32_t at = commit->early_count++;

	ASSERT(at < LIMIT_EARLY);
	while (at && commit->early[(at - 1) / 2].page > new->page) {
		commit->early[at] = commit->early[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	commit->early[at] = *new;
}

static void early_pop(struct commit *commit)
{
	const struct early *last = &commit->early[--commit->early_count];
	uint32_t at = 0;

	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child >= commit->early_count)
			break;
		if (child + 1 < commit->early_count &&
		    commit->early[child + 1].page < commit->early[child].page)
			child++;
		if (commit->early[child].page >= last->page)
			break;
		commit->early[at] = commit->early[child];
		at = child;
	}
	commit->early[at] = *last;
}

/* ---- staging a page ------------------------------------------------------------ */

static enum status page_stage(struct store *store, uint64_t page, const void *data,
			      struct disk_reference *reference)
{
	struct place place = {DISK_TREE_SPACE, 0, page};

	if (!codec_is_zero(data))
		return stage_extent(store, data, place, reference);
	*reference = (struct disk_reference){
		.codec = DISK_CODEC_ZERO,
		.birth = store->next.generation,
	};
	return STATUS_OK;
}

static void frozen_remove(struct store *store, slot_t slot)
{
	ASSERT(store->commit.frozen_pages);
	tree_remove(store, &store->commit.frozen, slot);
	store->commit.frozen_pages--;
	store->statistics.pages_written++;
}

enum status commit_stage_early(struct store *store, slot_t slot)
{
	struct commit *commit = &store->commit;
	struct early early = {.page = cache_frame(store, slot)->key & KEY_NUMBER};
	enum status status;

	ASSERT(store_committing(store) && cache_frame(store, slot)->state == FRAME_DIRTY);
	ASSERT(!frame_is_writable(store, cache_frame(store, slot)));
	if (commit->early_count == LIMIT_EARLY)
		return stage_wait(store);
	status = page_stage(store, early.page, cache_data(store, slot), &early.reference);
	if (status != STATUS_OK)
		return status;
	frozen_remove(store, slot);
	early_push(commit, &early);
	store->statistics.staged_early++;
	return STATUS_OK;
}

/* ---- the pass --------------------------------------------------------------------- */

static void clear_next(struct store *store)
{
	struct commit *commit = &store->commit;
	const struct clears *clears = &store->clears[1];

	commit->clear_position = commit->clear_index < clears->count
					 ? clears->run[commit->clear_index].first
					 : NIL_KEY;
}

void commit_space_begin(struct store *store)
{
	store->commit.overlay_index = 0;
	store->commit.clear_index = 0;
	clear_next(store);
	if (store->commit.delta)
		return;
	update_begin(store, DISK_TREE_SPACE, &store->record.space, store->commit.max_page);
}

/* Moves the front of the clears past `position`. */
static void clear_advance(struct store *store, uint64_t position)
{
	struct commit *commit = &store->commit;

	ASSERT(commit->clear_index < store->clears[1].count);
	ASSERT(position >= commit->clear_position);
	commit->clear_position = position;
	if (position >= store->clears[1].run[commit->clear_index].end) {
		commit->clear_index++;
		clear_next(store);
	}
}

static enum status clear_step(struct store *store, uint64_t before)
{
	struct commit *commit = &store->commit;
	uint64_t position = commit->clear_position;
	uint64_t end = store->clears[1].run[commit->clear_index].end;
	enum status status = update_clear(store, &position, end < before ? end : before);

	clear_advance(store, position);
	return status;
}

/* ---- where a reference goes ------------------------------------------------------ */

/* Makes page_put succeed at once. */
static enum status page_seek(struct store *store, uint64_t page)
{
	return store->commit.delta ? STATUS_OK : update_seek(store, page);
}

static void page_put(struct store *store, uint64_t page, const struct disk_reference *reference)
{
	struct overlay *next = &store->next_overlay;

	if (!store->commit.delta) {
		update_set(store, page, reference);
		return;
	}
	ASSERT(next->count < DISK_DELTA_MAX);
	ASSERT(!next->count || next->entry[next->count - 1].page < page);
	next->entry[next->count++] = (struct disk_delta){page, *reference};
}

static enum status frozen_write(struct store *store, slot_t slot)
{
	struct cache_frame *frame = cache_frame(store, slot);
	uint64_t page = frame->key & KEY_NUMBER;
	struct disk_reference reference;
	enum status status = page_seek(store, page);

	ASSERT(frame->state == FRAME_DIRTY || frame->state == FRAME_HIDDEN);
	if (status == STATUS_OK)
		status = page_stage(store, page, cache_data(store, slot), &reference);
	if (status != STATUS_OK)
		return status;
	page_put(store, page, &reference);
	frozen_remove(store, slot);
	if (frame->state == FRAME_HIDDEN) {
		cache_drop(store, slot);
	} else {
		cache_state_set(store, slot, FRAME_INFLIGHT);
		cache_inflight_add(store, slot);
	}
	return STATUS_OK;
}

static enum status early_write(struct store *store)
{
	struct commit *commit = &store->commit;
	enum status status = page_seek(store, commit->early[0].page);

	if (status != STATUS_OK)
		return status;
	ASSERT(commit->early_count);
	page_put(store, commit->early[0].page, &commit->early[0].reference);
	early_pop(commit);
	return STATUS_OK;
}

/* ---- the overlay of the deltas before ------------------------------------------------ */

/* The next page of it that this commit neither writes (at `written`, the next
 * one it does) nor clears; NIL_KEY: none. */
static uint64_t overlay_next(struct store *store, uint64_t written)
{
	struct commit *commit = &store->commit;

	while (commit->overlay_index < store->overlay.count) {
		uint64_t page = store->overlay.entry[commit->overlay_index].page;

		if (page != written && !clears_contain(&store->clears[1], (page_t){page}))
			return page;
		commit->overlay_index++;
		commit->superseded++;
	}
	return NIL_KEY;
}

/* Its sectors were free in the map of the last full generation; from now on
 * they are in use there. */
static enum status overlay_write(struct store *store)
{
	struct commit *commit = &store->commit;
	const struct disk_delta *entry = &store->overlay.entry[commit->overlay_index];
	enum status status = page_seek(store, entry->page);

	ASSERT(commit->overlay_index < store->overlay.count);
	if (status != STATUS_OK)
		return status;
	if (!commit->delta && entry->reference.sectors)
		changes_take(store, &entry->reference);
	page_put(store, entry->page, &entry->reference);
	commit->overlay_index++;
	return STATUS_OK;
}

/* ---- steps ------------------------------------------------------------------------- */

static enum status space_finish(struct store *store, bool *done)
{
	enum status status = STATUS_OK;

	if (!store->commit.delta)
		status = update_finish(store);
	*done = status == STATUS_OK;
	if (*done && !store->commit.delta)
		store->next.space = *update_result(store);
	return status;
}

enum status commit_space_step(struct store *store, bool *done)
{
	struct commit *commit = &store->commit;
	slot_t slot = tree_first(store, commit->frozen);
	uint64_t frozen = slot.n == NIL ? NIL_KEY : cache_frame(store, slot)->key & KEY_NUMBER;
	uint64_t early = commit->early_count ? commit->early[0].page : NIL_KEY;
	uint64_t page = frozen < early ? frozen : early;
	uint64_t kept = overlay_next(store, page);
	enum status status;

	ASSERT(page == NIL_KEY || frozen != early); /* it was frozen once */
	if (commit->clear_position < page && commit->clear_position < kept)
		return clear_step(store, page < kept ? page : kept);
	if (kept < page)
		return overlay_write(store);
	if (page == NIL_KEY)
		return space_finish(store, done);
	status = frozen < early ? frozen_write(store, slot) : early_write(store);
	if (status == STATUS_OK && commit->clear_position == page)
		clear_advance(store, page + 1);
	return status;
}
