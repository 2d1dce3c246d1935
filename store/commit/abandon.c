/* SPDX-License-Identifier: MIT */
/*
 * abandon.c - a commit that could not be written, and what the next one owes to it.
 *
 *   any phase --- a request failed, or the owner gives it up ---> ABANDON
 *     frozen pages and pages in flight become dirty again, one a step (one that is
 *     written meanwhile, at its fault)
 *     what they have reserved is counted anew: pages that were written again since
 *     the freeze have reserved twice
 *     cleared runs join those of the working generation
 *   ABANDON ---> IDLE: the next commit takes the present state, under its own number
 *
 * The failed generation itself cannot be written again: pages that were staged before
 * their turn exist nowhere else, and their frames hold newer content.
 *
 * Nothing new is written before the device has answered all that it was asked, so no
 * buffer and no sector is used twice (store_commit answers BUSY until then).  And
 * where a record was submitted, a power cut may bring that generation back: so the
 * next commit first strikes it out, by a tombstone in its slot that is flushed before
 * anything else is written (STRIKE).  From then on its sectors are free, and S1 needs
 * to know of two generations only.  A slot that refuses the tombstone, but reads as if
 * the record had never come there, is passed over.
 *
 * Until a commit succeeds all are two-phase: data, flush, record, flush.  What an
 * earlier failed flush has left in doubt is then flushed before a record builds on it.
 */
#include "store/commit/commit_priv.h"
#include "store/store_priv.h"

static_assert(DISK_RING_SLOTS <= 64, "a bit of `bad_slots` for each");

uint32_t commit_slot_next(struct store *store)
{
	uint32_t slot = store->record.slot;

	ASSERT(slot < DISK_RING_SLOTS);
	if (!store->record.generation)
		return 0;
	for (uint32_t i = 1; i < DISK_RING_SLOTS; i++) {
		uint32_t next = (slot + i) % DISK_RING_SLOTS;

		if (!(store->bad_slots >> next & 1))
			return next;
	}
	/* All: they have had time to recover. */
	store->bad_slots = 0;
	return (slot + 1) % DISK_RING_SLOTS;
}

/* ---- giving up ------------------------------------------------------------------ */

bool store_commit_blocks(const struct store *store)
{
	return store->commit.phase < COMMIT_DRAIN && store->commit.frozen.n != NIL;
}

void store_commit_abandon(struct store *store)
{
	if (store_commit_blocks(store) && store->commit.failed == STATUS_OK) {
		store_log(store, "store: the disk does not answer; generation %lu is given up",
			  store->next.generation);
		store->commit.failed = STATUS_IO;
	}
}

void abandon_begin(struct store *store)
{
	struct commit *commit = &store->commit;

	ASSERT(commit->failed != STATUS_OK);
	ASSERT(commit->phase != COMMIT_IDLE && commit->phase != COMMIT_ABANDON);
	stage_discard(store);
	if (commit->io_state == IO_QUEUED)
		commit->io_state = IO_NONE;
	commit->early_count = 0;
	commit->recounting = false;
	commit->phase = COMMIT_ABANDON;
}

void abandon_frozen(struct store *store, slot_t slot)
{
	struct commit *commit = &store->commit;

	ASSERT(commit->phase == COMMIT_ABANDON);
	ASSERT(commit->frozen_pages);
	tree_remove(store, &commit->frozen, slot);
	commit->frozen_pages--;
	if (cache_frame(store, slot)->state == FRAME_HIDDEN)
		cache_drop(store, slot);
	else
		page_dirty(store, slot);
}

/* The newest page in flight, if it is of this commit and not of a durable one. */
static bool abandon_inflight(struct store *store)
{
	slot_t slot = cache_inflight_newest(store);

	if (slot.n == NIL || cache_frame(store, slot)->tag != (uint32_t)store->next.generation)
		return false;
	page_dirty(store, slot);
	return true;
}

/* ---- the reservation, counted anew -------------------------------------------------- */

/*
 * All that was promised stays promised until the count is complete.  From here on
 * the store is as it is between two commits: nothing is frozen or in flight, and
 * writers reserve for themselves; to count some of their pages as well does no harm.
 */
static void recount_begin(struct store *store)
{
	struct commit *commit = &store->commit;

	/* All are dirty again. */
	ASSERT(commit->frozen.n == NIL && !commit->frozen_pages);
	clears_join(&store->clears[0], &store->clears[1]);
	reserve_carry(store);
	commit->delta = true;
	commit->height = store->record.space.height;
	commit->recount = reserve_of_overlay(store);
	for (uint32_t i = 0; i < store->clears[0].count; i++) {
		struct reserve one = reserve_of_clear(store, store->clears[0].run[i].first,
						      store->clears[0].run[i].end);

		reserve_add(&commit->recount, &one);
	}
	commit->recounted = NIL_KEY;
	commit->recounting = true;
}

/* False: there was no page left to count. */
static bool recount_step(struct store *store)
{
	struct commit *commit = &store->commit;
	uint64_t from = commit->recounted == NIL_KEY ? 0 : commit->recounted + 1;
	slot_t slot = tree_at_or_after(store, store->dirty, from);
	struct reserve one;
	uint64_t page;

	if (slot.n == NIL)
		return false;
	page = cache_frame(store, slot)->key & KEY_NUMBER;
	one = reserve_of_next(store, commit->recounted, page);
	reserve_add(&commit->recount, &one);
	commit->recounted = page;
	return true;
}

/* ---- the end ----------------------------------------------------------------------- */

static void abandon_end(struct store *store)
{
	struct commit *commit = &store->commit;

	ASSERT(commit->failed != STATUS_OK && commit->io_state == IO_NONE);
	/* What was in doubt before was struck out before anything was written. */
	ASSERT(!commit->recorded || !store->doubt.generation);
	reserve_lower(store, &commit->recount);
	snapshot_abandoned(store);
	if (commit->recorded)
		store->doubt = (struct doubt){.generation = store->next.generation,
					      .slot = store->next.slot};
	store->failures++;
	store->starved += allocator_starved(store);
	store->health = commit->failed;
	store->statistics.abandoned++;
	store_log(store,
		  "store: generation %lu could not be written (%s); its pages wait for the next",
		  store->next.generation, status_text(commit->failed));
	commit->phase = COMMIT_IDLE;
	commit_wake(store);
}

bool abandon_step(struct store *store)
{
	struct commit *commit = &store->commit;

	if (commit->frozen.n != NIL) {
		abandon_frozen(store, tree_first(store, commit->frozen));
		return true;
	}
	if (abandon_inflight(store))
		return true;
	/* The buffer of this request is needed again. */
	if (commit->io_state == IO_SUBMITTED && !commit->io_done)
		return false;
	commit->io_state = IO_NONE;
	if (!commit->recounting)
		recount_begin(store);
	else if (!recount_step(store))
		abandon_end(store);
	return true;
}

/* ---- striking out ------------------------------------------------------------------- */

/* After some refusals the slot is read instead. */
static void strike_start(struct store *store)
{
	struct doubt *doubt = &store->doubt;
	void *sector = overlay_slot(&store->next_overlay);
	enum block_operation operation = doubt->refusals < LIMIT_STRIKES ? BLOCK_WRITE : BLOCK_READ;

	ASSERT(doubt->generation && doubt->slot < DISK_RING_SLOTS);
	tombstone_make(store, doubt->slot, (generation_t){doubt->generation}, sector);
	commit_io(store, operation, record_sector(doubt->slot), slot_written(store, 1), sector);
}

/* What was read: can the generation come back by it? */
static bool strike_needed(const struct store *store)
{
	const struct disk_record *record = overlay_slot(&store->next_overlay);

	return record->magic == DISK_MAGIC_RECORD && record->generation == store->doubt.generation;
}

enum status strike_step(struct store *store, bool *done)
{
	struct commit *commit = &store->commit;
	struct doubt *doubt = &store->doubt;
	enum status status;

	ASSERT(commit->phase == COMMIT_STRIKE && !commit->recorded);
	*done = !doubt->generation;
	if (*done) {
		store->next.slot = commit_slot_next(store);
		return STATUS_OK;
	}
	if (commit->io_state == IO_NONE) {
		if (discard_busy(store))
			return STATUS_WAIT;
		strike_start(store);
		return STATUS_OK;
	}
	status = commit_io_wait(store);
	if (status != STATUS_OK) {
		doubt->refusals += status == STATUS_IO && commit->io.operation == BLOCK_WRITE;
		return status;
	}
	if (commit->io.operation == BLOCK_FLUSH) {
		doubt->generation = 0;
		return STATUS_OK;
	}
	if (commit->io.operation == BLOCK_READ) {
		doubt->refusals = 0;
		if (strike_needed(store))
			return STATUS_IO;
		store_log(store,
			  "store: slot %lu of the commit ring cannot be written; it is "
			  "passed over",
			  (uint64_t)doubt->slot);
		store->bad_slots |= UINT64_C(1) << doubt->slot;
	}
	commit_flush(store);
	return STATUS_OK;
}
