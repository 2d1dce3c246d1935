/* SPDX-License-Identifier: MIT */
/*
 * page.c - pages of the space as their owner sees them.
 *
 *            read                    write
 *   absent -----> (none) or ABSENT  absent, CLEAN, INFLIGHT ---> DIRTY   (reserves)
 *   on disk ---> READING -> CLEAN   frozen -> staged early  ---> DIRTY   (reserves)
 *
 *   DIRTY --freeze--> frozen --staged--> INFLIGHT --durable--> CLEAN --> evicted
 *
 * What the last write put there is always found: pages that the disk does not
 * have yet are never evicted, and runs made absent are remembered until the
 * commit that removes them is durable.
 */
#include "store/store_priv.h"

static_assert(STORE_NODE_PAGES == DISK_NODE_ENTRIES, "pages under one node");

void store_operation_begin(struct store *store)
{
	ASSERT(!store->stepping);
	store->operation++;
	cache_release_held(store);
}

uint64_t store_operation(const struct store *store)
{
	return store->operation;
}

/* ---- finding ------------------------------------------------------------------ */

/* Where the newest durable generation has the page, unless it was cleared. */
static enum status page_locate(struct store *store, page_t page, struct disk_reference *reference)
{
	const struct disk_reference *changed = overlay_find(&store->overlay, page);

	memset(reference, 0, sizeof(*reference));
	if (clears_contain(&store->clears[0], page) || clears_contain(&store->clears[1], page))
		return STATUS_OK;
	if (changed) {
		*reference = *changed;
		return STATUS_OK;
	}
	return map_lookup(store, &store->record.space, DISK_TREE_SPACE, page.n, reference);
}

static enum status page_make_zero(struct store *store, page_t page, enum frame_state state,
				  slot_t *slot)
{
	*slot = cache_take(store);
	if (slot->n == NIL)
		return cache_wait_frames(store, false);
	memset(cache_data(store, *slot), 0, PAGE_SIZE);
	cache_insert(store, *slot, KEY_SPACE | page.n, state);
	return STATUS_OK;
}

/* Makes the page resident, where that is wanted with zeros if it is absent; WAIT, ABSENT, IO or
 * CORRUPT if that is not so. */
static enum status page_fetch(struct store *store, page_t page, bool zeros, slot_t *slot)
{
	struct disk_reference reference;
	enum status status;

	*slot = reader_find(store, KEY_SPACE | page.n);
	if (slot->n != NIL) {
		status = reader_page(store, page, NULL);
		if (status != STATUS_OK)
			return status;
		cache_touch(store, *slot);
		return !zeros && cache_frame(store, *slot)->state == FRAME_ABSENT ? STATUS_ABSENT
										  : STATUS_OK;
	}
	status = page_locate(store, page, &reference);
	if (status != STATUS_OK)
		return status;
	if (reference_is_null(&reference))
		return zeros ? page_make_zero(store, page, FRAME_ABSENT, slot) : STATUS_ABSENT;
	if (reference.codec == DISK_CODEC_ZERO)
		return page_make_zero(store, page, FRAME_CLEAN, slot);
	return reader_page(store, page, &reference);
}

static enum status page_read(struct store *store, page_t page, bool zeros, frame_t *frame)
{
	slot_t slot;
	enum status status;

	ASSERT(store->mounted && !store->replaced);
	ASSERT(!store->stepping); /* what a step tells its host is no time to ask */
	if (page.n >= DISK_PAGE_MAX)
		return STATUS_INVALID;
	status = page_fetch(store, page, zeros, &slot);
	if (status != STATUS_OK)
		return status;
	cache_hold(store, slot);
	frame->n = cache_frame(store, slot)->number;
	return STATUS_OK;
}

enum status store_page_read(struct store *store, page_t page, frame_t *frame)
{
	return page_read(store, page, false, frame);
}

enum status store_page_read_zeros(struct store *store, page_t page, frame_t *frame)
{
	return page_read(store, page, true, frame);
}

/* ---- writing --------------------------------------------------------------------- */

void page_dirty(struct store *store, slot_t slot)
{
	struct cache_frame *frame = cache_frame(store, slot);

	ASSERT(frame->state == FRAME_CLEAN || frame->state == FRAME_ABSENT ||
	       frame->state == FRAME_INFLIGHT || frame->state == FRAME_DIRTY);
	ASSERT(frame->key & KEY_SPACE && !frame_is_writable(store, frame));
	if (frame->state == FRAME_INFLIGHT)
		cache_list_remove(store, slot);
	cache_state_set(store, slot, FRAME_DIRTY);
	frame->tag = (uint32_t)store->generation;
	tree_insert(store, &store->dirty, slot);
	store->dirty_pages++;
}

/* A frozen page keeps its content for the commit: it is staged now. */
static enum status page_unfreeze(struct store *store, slot_t slot)
{
	page_t page = {cache_frame(store, slot)->key & KEY_NUMBER};
	struct reserve mark = reserve_mark(store);
	enum status status;

	ASSERT(store_committing(store));
	if (commit_is_abandoned(store)) {
		abandon_frozen(store, slot);
		return STATUS_OK;
	}
	status = reserve_page(store, page, true);
	if (status != STATUS_OK)
		return status;
	status = commit_stage_early(store, slot);
	if (status != STATUS_OK)
		reserve_undo(store, &mark);
	else
		page_dirty(store, slot);
	return status;
}

/* A page that becomes dirty is one that cannot be evicted any more. */
static enum status page_take_dirty(struct store *store, page_t page, slot_t slot)
{
	enum frame_state state = cache_frame(store, slot)->state;
	enum status status;

	if (state != FRAME_INFLIGHT && !essential_page(store, page) && !cache_available(store, 0))
		return cache_wait_frames(store, true);
	status = reserve_page(store, page, state != FRAME_ABSENT);
	if (status == STATUS_OK)
		page_dirty(store, slot);
	return status;
}

static enum status page_prepare_write(struct store *store, page_t page, slot_t *slot)
{
	struct cache_frame *frame;
	enum status status = page_fetch(store, page, true, slot);

	if (status != STATUS_OK)
		return status;
	frame = cache_frame(store, *slot);
	if (frame_is_writable(store, frame))
		return STATUS_OK;
	if (frame->state == FRAME_DIRTY)
		return page_unfreeze(store, *slot);
	return page_take_dirty(store, page, *slot);
}

enum status store_page_write(struct store *store, page_t page, frame_t *frame)
{
	slot_t slot;
	enum status status;

	ASSERT(store->mounted && !store->replaced);
	ASSERT(!store->stepping);
	if (page.n >= DISK_PAGE_MAX)
		return STATUS_INVALID;
	if (store->sealed)
		return STATUS_READ_ONLY;
	status = page_prepare_write(store, page, &slot);
	if (status != STATUS_OK)
		return status;
	cache_hold(store, slot);
	frame->n = cache_frame(store, slot)->number;
	return STATUS_OK;
}

void *store_page_resident(struct store *store, page_t page)
{
	slot_t slot = cache_find(store, KEY_SPACE | page.n);
	enum frame_state state = slot.n == NIL ? FRAME_FREE : cache_frame(store, slot)->state;

	if (state != FRAME_CLEAN && state != FRAME_DIRTY && state != FRAME_INFLIGHT)
		return NULL;
	return cache_data(store, slot);
}

void *store_page_writable(struct store *store, page_t page)
{
	slot_t slot = cache_find(store, KEY_SPACE | page.n);

	if (slot.n == NIL || !frame_is_writable(store, cache_frame(store, slot)))
		return NULL;
	return cache_data(store, slot);
}

/* ---- clearing --------------------------------------------------------------------- */

/* The cached content of a page that becomes absent. */
static void page_forget(struct store *store, slot_t slot)
{
	struct cache_frame *frame = cache_frame(store, slot);

	ASSERT(!frame->pins);
	ASSERT(frame->key & KEY_SPACE);
	switch (frame->state) {
	case FRAME_READING:
		reader_orphan(store, slot);
		return;
	case FRAME_DIRTY:
		if (!frame_is_writable(store, frame)) {
			/* The commit in flight still wants it; nobody else must find it. */
			if (store->host.unmap)
				store->host.unmap(store->host.context,
						  (page_t){frame->key & KEY_NUMBER});
			cache_unhash(store, slot);
			cache_state_set(store, slot, FRAME_HIDDEN);
			return;
		}
		tree_remove(store, &store->dirty, slot);
		ASSERT(store->dirty_pages);
		store->dirty_pages--;
		break;
	case FRAME_INFLIGHT:
		cache_list_remove(store, slot);
		break;
	default:
		ASSERT(frame->state == FRAME_CLEAN || frame->state == FRAME_ABSENT ||
		       frame->state == FRAME_FAILED);
		break;
	}
	cache_drop(store, slot);
}

enum status store_pages_clear(struct store *store, page_t first, uint64_t count)
{
	enum status status;
	bool added;

	ASSERT(store->mounted && !store->replaced);
	ASSERT(!store->stepping);
	if (!count || count > STORE_CLEAR_PAGES || first.n >= DISK_PAGE_MAX ||
	    count > DISK_PAGE_MAX - first.n)
		return STATUS_INVALID;
	if (store->sealed)
		return STATUS_READ_ONLY;
	/* The runs of a commit that fails join the working ones. */
	if (store->clears[0].count + store->clears[1].count >= LIMIT_CLEARS ||
	    commit_is_abandoned(store))
		return reserve_wait(store);
	/* The commit must find its way to these pages. */
	status = map_readable(store, &store->record.space, DISK_TREE_SPACE, first.n,
			      first.n + count);
	if (status == STATUS_OK)
		status = reserve_clear(store, first.n, count);
	if (status != STATUS_OK)
		return status;
	added = clears_add(&store->clears[0], first.n, first.n + count);
	ASSERT(added);
	for (uint64_t page = first.n; page < first.n + count; page++) {
		slot_t slot = cache_find(store, KEY_SPACE | page);

		if (slot.n != NIL)
			page_forget(store, slot);
	}
	return STATUS_OK;
}

/* ---- looking around ------------------------------------------------------------------ */

/* Damage counts from the first page it may hide on; *page is that. */
static enum status next_durable(struct store *store, uint64_t from, uint64_t end, uint64_t *page)
{
	for (;;) {
		uint32_t changed = overlay_at_or_after(&store->overlay, from);
		uint64_t visible;
		enum status status =
			map_next(store, &store->record.space, DISK_TREE_SPACE, from, end, page);

		if (status == STATUS_WAIT)
			return status;
		if (status == STATUS_NOT_FOUND)
			*page = end;
		if (changed < store->overlay.count && store->overlay.entry[changed].page < *page)
			*page = store->overlay.entry[changed].page;
		else if (status != STATUS_OK)
			return status;
		visible = clears_skip(&store->clears[0], *page);
		if (visible == *page)
			return STATUS_OK;
		from = visible;
	}
}

enum status store_page_next(struct store *store, page_t from, page_t end, page_t *page)
{
	slot_t slot = tree_at_or_after(store, store->dirty, from.n);
	uint64_t dirty = slot.n == NIL ? NIL_KEY : cache_frame(store, slot)->key & KEY_NUMBER;
	uint64_t next;
	enum status status;

	/* Pages in flight are in neither tree; soon they are on the disk. */
	if (store_committing(store))
		return store_wait_for(store, (store_channel_t){STORE_CHANNEL_COMMIT});
	status = next_durable(store, from.n, end.n, &next);
	if (status == STATUS_WAIT)
		return status;
	if (dirty < next) {
		next = dirty;
		status = STATUS_OK;
	}
	if (status != STATUS_NOT_FOUND)
		page->n = next;
	ASSERT(status != STATUS_OK || (next >= from.n && next < end.n));
	return status;
}
