/* SPDX-License-Identifier: MIT */
/*
 * commit.c - the one write path: from the freeze to the flush.
 *
 * Its phases and their order stand in one table, `phases`.  A delta writes no tree and passes
 * over what does.  The record of a joint commit goes out with the last extents and has its
 * predecessor as durable; otherwise a flush comes before it.
 *
 * The freeze takes constant time: the tree of dirty pages becomes the tree of
 * frozen ones, and the generation's number advances, which alone makes every
 * page read-only.  All else happens in store_step.  Nothing of the next commit
 * is submitted before FLUSH_RECORD is over (S2).  When a write, a flush or a read that
 * cannot be avoided fails, the commit is abandoned (abandon.c): what is durable stays
 * as it is (S7), all that was changed since is dirty again, and the next commit takes
 * it along.
 */
#include "store/commit/commit_priv.h"
#include "store/store_priv.h"
#include "base/text.h"

#include "store/keeping.h"

void commit_init(struct store *store, struct layout *layout)
{
	store->commit.frozen = SLOT_NIL;
	store->commit.early = layout_take(layout, LIMIT_EARLY * sizeof(struct early), 64);
}

bool store_committing(const struct store *store)
{
	return store->commit.phase != COMMIT_IDLE;
}

bool commit_is_full(const struct store *store)
{
	return store_committing(store) && !store->commit.delta;
}

bool commit_is_second(const struct store *store)
{
	return store->commit.second;
}

bool commit_is_abandoned(const struct store *store)
{
	return store->commit.phase == COMMIT_ABANDON;
}

bool commit_strikes(const struct store *store)
{
	return store->commit.phase == COMMIT_STRIKE;
}

bool commit_fail(struct store *store)
{
	if (store->commit.failed != STATUS_OK)
		return false;
	store->commit.failed = STATUS_IO;
	return true;
}

bool commit_io_busy(const struct store *store)
{
	return store->commit.io_state != IO_NONE;
}

unsigned commit_height(const struct store *store)
{
	return store_committing(store) ? store->commit.height : 0;
}

uint64_t commit_frozen_pages(const struct store *store)
{
	return store->commit.frozen_pages;
}

bool commit_read_failed(const struct store *store, enum status status)
{
	return status == STATUS_CORRUPT ||
	       (status == STATUS_IO && store->commit.read_errors + 1 >= LIMIT_COMMIT_READS);
}

void commit_limit_pass(struct store *store, generation_t generation, uint64_t cursor)
{
	ASSERT(commit_is_full(store));
	store->commit.limit_passed = generation.n;
	store->commit.cursor = cursor;
}

/* ---- the freeze --------------------------------------------------------------- */

static void record_prepare(struct store *store, uint64_t generation)
{
	const struct disk_record *last = &store->record;
	const uint32_t kept = DISK_RECORD_FRESH | DISK_RECORD_CLEAN | DISK_RECORD_RESTORE;
	struct commit *commit = &store->commit;
	struct disk_record *record = &store->next;

	ASSERT(generation > last->generation && generation < DISK_GENERATION_END);
	*record = *last;
	record->generation = generation;
	record->predecessor = last->generation;
	record->slot = commit_slot_next(store);
	record->kind = commit->delta ? DISK_RECORD_DELTA : DISK_RECORD_FULL;
	record->base = commit->delta ? last->base : generation;
	record->wall_ns = store->request.wall_ns;
	record->counters = store->request.counters;
	record->flags = store->request.offline ? last->flags & kept : 0;
	if (store->request.action == STORE_ACTION_STOP)
		record->flags |= DISK_RECORD_CLEAN;
	if (commit->second)
		record->flags |= DISK_RECORD_RESTORE;
	if (store->request.source.generation)
		record->flags = DISK_RECORD_RESTORE;
	if (store->request.receiving_set &&
	    (commit->second || store->request.action != STORE_ACTION_RESTORE))
		record->receiving = store->request.receiving;
}

/* The largest page that the commit puts into the tree; NIL_KEY: none. */
static uint64_t max_page(struct store *store)
{
	const struct overlay *overlay = &store->overlay;
	slot_t last = tree_last(store, store->dirty);
	uint64_t page = last.n == NIL ? NIL_KEY : cache_frame(store, last)->key & KEY_NUMBER;

	if (overlay->count && (page == NIL_KEY || overlay->entry[overlay->count - 1].page > page))
		page = overlay->entry[overlay->count - 1].page;
	return page;
}

/* Sectors that a full commit would write beyond its pages. */
static uint64_t full_cost(const struct store *store, uint64_t pages)
{
	return reserve_nodes(store) * LIMIT_NODE_SECTORS +
	       map_blocks_touched(store_leaves(store), pages) * BLOCK_SECTORS;
}

/* Does a delta suit the commit that begins?  See map/overlay.c. */
static bool delta_suits(const struct store *store)
{
	uint64_t pages = store->overlay.count + store->dirty_pages;

	/* Only a full commit gives space back, takes pages away, or changes what
	 * snapshots there are.  Nobody waits for an automatic snapshot's space. */
	if (!(store->superblock->features_incompatible & DISK_FEATURE_DELTA) ||
	    !store->record.generation || store->commit.second ||
	    store->request.action != STORE_ACTION_NONE || store->clears[0].count ||
	    reserve_is_waited(store) || store_deletion_presses(store))
		return false;
	return pages <= store->delta_max && store->delta_sectors < full_cost(store, pages);
}

/* Everything dirty belongs to the past now: three assignments and what they need. */
static void freeze(struct store *store)
{
	struct commit *commit = &store->commit;

	/* What the commit before took along is written, or is dirty again. */
	ASSERT(commit->frozen.n == NIL && !commit->frozen_pages && !store->clears[1].count);
	ASSERT((store->dirty.n == NIL) == !store->dirty_pages);
	commit->max_page = max_page(store);
	commit->frozen = store->dirty;
	commit->frozen_pages = store->dirty_pages;
	if (commit->max_page != NIL_KEY && map_height_for(commit->max_page) > commit->height)
		commit->height = map_height_for(commit->max_page);
	store->dirty = SLOT_NIL;
	store->dirty_pages = 0;
	store->clears[1] = store->clears[0];
	store->clears[0].count = 0;
	reserve_freeze(store, !commit->delta);
}

static void commit_begin(struct store *store, uint64_t generation)
{
	struct commit *commit = &store->commit;

	ASSERT(commit->phase == COMMIT_IDLE && commit->io_state == IO_NONE);
	ASSERT(stage_empty(store) && store->mounted && !store->read_only);
	commit->failed = STATUS_OK;
	commit->delta = delta_suits(store);
	allocator_begin(store);
	record_prepare(store, generation);
	snapshot_begin(store);
	commit->early_count = 0;
	commit->read_errors = 0;
	commit->joint = false;
	commit->recorded = false;
	commit->epoch = store->device->epoch;
	store->next_overlay.count = 0;
	commit->superseded = 0;
	commit->max_page = NIL_KEY;
	commit->height = store->record.space.height;
	reserve_served(store);
	commit->phase = COMMIT_STRIKE;
	/* The second commit of a restore takes no page along: what became dirty since
	 * the first one's freeze belongs to the replaced state.  If the second fails, that
	 * state goes on. */
	if (!commit->second)
		freeze(store);
}

/* A name for the state that a restore replaces, if the owner gave none. */
static void request_name(struct store_commit_request *request, uint64_t generation)
{
	if (request->action == STORE_ACTION_RESTORE && !request->name[0])
		text_format(request->name, sizeof(request->name), "%s%lu",
			    keeping_prefix(KEEPING_RESTORED), generation);
}

enum status store_commit(struct store *store, const struct store_commit_request *request,
			 generation_t *generation)
{
	struct store_commit_request named = *request;
	enum status status;

	if (!store->mounted || store->read_only || store->replaced)
		return STATUS_READ_ONLY;
	/* What an abandoned commit has asked the device for keeps its buffers and sectors. */
	if (store_committing(store) || !stage_empty(store))
		return STATUS_BUSY;
	if (store->generation >= DISK_GENERATION_END - 1) /* a restore takes two */
		return STATUS_LIMIT;
	request_name(&named, store->generation);
	status = snapshot_check(store, &named);
	if (status != STATUS_OK)
		return status;
	store->request = named;
	store->commit.second = false;
	commit_begin(store, store->generation);
	if (named.action == STORE_ACTION_GROW)
		reserve_grow(store, named.sectors);
	*generation = (generation_t){store->generation};
	if (named.action == STORE_ACTION_RESTORE)
		generation->n = ++store->generation;
	store->generation++;
	return STATUS_OK;
}

/* ---- birth limits ----------------------------------------------------------------- */

static enum status limit_read(struct store *store, uint64_t number, struct disk_snapshot *snapshot)
{
	enum status status = catalogue_read(store, (snapshot_t){number}, snapshot);

	if (status == STATUS_CORRUPT || status == STATUS_NOT_FOUND) {
		/* Whose space it is cannot be told any more: nothing is given back. */
		store_log(store, "store: snapshot %lu cannot be read; its space is kept", number);
		memset(snapshot, 0, sizeof(*snapshot));
		snapshot->generation = UINT64_MAX;
		status = STATUS_OK;
	}
	return status;
}

/* The origin's generation stands in the record: its entry is only needed while it dies. */
static enum status commit_prepare(struct store *store)
{
	const struct disk_record *last = &store->record;
	struct commit *commit = &store->commit;
	struct disk_snapshot origin = {.generation = last->origin_generation};
	struct disk_snapshot parent = {.generation = 0};
	bool dies = last->origin && last->origin == last->dying;
	enum status status = STATUS_OK;

	ASSERT(commit->phase == COMMIT_PREPARE && !commit->delta);
	if (dies || (last->origin && !last->origin_generation))
		status = limit_read(store, last->origin, &origin);
	if (status == STATUS_OK && dies && origin.parent)
		status = limit_read(store, origin.parent, &parent);
	if (status != STATUS_OK)
		return status;
	commit->limit = origin.generation;
	commit->limit_passed = dies ? parent.generation : origin.generation;
	commit->cursor = dies ? origin.cursor : 0;
	return STATUS_OK;
}

static enum status prepare_step(struct store *store, bool *done)
{
	if (discard_busy(store))
		return STATUS_WAIT;
	*done = true;
	return store->commit.delta ? STATUS_OK : commit_prepare(store);
}

static enum status action_step(struct store *store, bool *done)
{
	*done = true;
	return snapshot_apply(store);
}

/* ---- record and flushes --------------------------------------------------------------- */

static void io_complete(struct block_request *request)
{
	struct commit *commit = request->owner;

	commit->io_done = true;
}

void commit_io(struct store *store, enum block_operation operation, sector_t sector,
	       uint32_t sectors, void *data)
{
	struct commit *commit = &store->commit;

	ASSERT(commit->io_state == IO_NONE);
	ASSERT((operation == BLOCK_FLUSH) == !sectors && (!sectors || data));
	commit->io = (struct block_request){.operation = operation,
					    .sector = sector,
					    .sectors = sectors,
					    .data = data,
					    .complete = io_complete,
					    .owner = commit};
	if (operation == BLOCK_WRITE)
		store->statistics.bytes_written += (uint64_t)sectors * SECTOR_SIZE;
	if (operation == BLOCK_FLUSH)
		store->statistics.flushes++;
	commit->io_done = false;
	commit->io_state = IO_QUEUED;
}

void commit_flush(struct store *store)
{
	commit_io(store, BLOCK_FLUSH, (sector_t){0}, 0, NULL);
}

/* This write commits, once flushed.  From now on a power cut may find it. */
static void record_write(struct store *store)
{
	struct commit *commit = &store->commit;

	/* The ring: never over the record that a power cut now would find. */
	ASSERT(!store->record.generation || store->next.slot != store->record.slot);
	ASSERT(!commit->recorded && commit->failed == STATUS_OK);
	ASSERT(store->next_overlay.count <= (commit->delta ? store->delta_max : 0));
	ASSERT(store->next.durable == store->next.generation ||
	       store->next.durable == store->next.predecessor);
	store->next.entries = store->next_overlay.count;
	record_seal(store, &store->next, &store->next_overlay);
	commit->recorded = true;
	commit_io(store, BLOCK_WRITE, record_sector(store->next.slot),
		  slot_written(store, record_sectors(store->next_overlay.count)),
		  overlay_slot(&store->next_overlay));
}

/* The device was reset since the writes that this flush is to cover, or it was not. */
static enum status flush_judge(struct store *store)
{
	struct commit *commit = &store->commit;

	if (store->device->epoch != commit->epoch) {
		store_log(store, "store: the disk was reset; what it had not flushed is in doubt");
		return STATUS_IO;
	}
	return STATUS_OK;
}

enum status commit_io_wait(struct store *store)
{
	static const char *const names[] = {"reading", "writing", "flushing"};
	struct commit *commit = &store->commit;

	ASSERT(commit->io_state != IO_NONE);
	if (commit->io_state == IO_QUEUED) {
		commit->io_state = IO_SUBMITTED;
		if (!store->device->operations->submit(store->device, &commit->io))
			commit->io_state = IO_QUEUED;
	}
	if (commit->io_state == IO_QUEUED || (commit->io_state == IO_SUBMITTED && !commit->io_done))
		return STATUS_WAIT;
	commit->io_state = IO_NONE;
	if (commit->io.status == STATUS_OK)
		return commit->io.operation == BLOCK_FLUSH ? flush_judge(store) : STATUS_OK;
	store_log(store, "store: %s failed (sector %lu)", names[commit->io.operation],
		  commit->io.sector.n);
	return STATUS_IO;
}

/* The predecessor's blocks that are free now but must be left alone (S1). */
static uint64_t predecessor_blocks(const struct store *store)
{
	const struct commit *commit = &store->commit;

	return commit->superseded + (commit->delta ? 0 : freemap_blocks_freed(store));
}

/* A mount knows by it what is free, without a commit. */
static void predecessor_count(struct store *store)
{
	struct disk_record *record = &store->next;

	record->predecessor_blocks = 0;
	if (!(store->superblock->features_read_only & DISK_READ_ONLY_COUNTED))
		return;
	record->flags |= DISK_RECORD_COUNTED;
	record->predecessor_blocks = predecessor_blocks(store);
}

/* All extents are staged: decide how the generation becomes durable. */
static void drain_begin(struct store *store)
{
	struct commit *commit = &store->commit;

	/* All that the commit takes along is staged. */
	ASSERT(commit->frozen.n == NIL && !commit->frozen_pages && !commit->early_count);
	ASSERT(commit->phase == COMMIT_DRAIN);
	stage_close(store);
	predecessor_count(store);
	commit->joint = allocator_blocks_touched(store) <= DISK_JOINT_COMMIT_BLOCKS &&
			store->record.generation && store->request.action != STORE_ACTION_STOP &&
			!store->failures;
	store->next.durable = commit->joint ? store->next.predecessor : store->next.generation;
	if (commit->joint)
		record_write(store);
}

static enum status drain_step(struct store *store, bool *done)
{
	struct commit *commit = &store->commit;
	enum status status =
		commit->joint && commit->io_state != IO_NONE ? commit_io_wait(store) : STATUS_OK;

	*done = true;
	if (status == STATUS_OK && !stage_empty(store))
		status = STATUS_WAIT;
	ASSERT(status != STATUS_OK || commit->joint == commit->recorded);
	return status;
}

static void record_begin(struct store *store)
{
	store->commit.epoch = store->device->epoch;
	record_write(store);
}

static enum status io_step(struct store *store, bool *done)
{
	*done = true;
	return commit_io_wait(store);
}

/* ---- the end ------------------------------------------------------------------------------ */

void commit_wake(struct store *store)
{
	for (uint32_t n = 0; n < STORE_CHANNEL_FIXED; n++)
		store_wake(store, (store_channel_t){n});
}

/* Those of a delta's predecessor are counted in what is carried over. */
static void previous_advance(struct store *store)
{
	struct commit *commit = &store->commit;

	store->previous_slot = store->record.slot;
	store->previous_map = store->record.free_map;
	store->previous_blocks = commit->delta ? 0 : predecessor_blocks(store);
	if (commit->delta)
		store->delta_sectors += record_sectors(store->next_overlay.count);
	else
		store->delta_sectors = 0;
	store->statistics.deltas += commit->delta;
	overlay_advance(store);
}

/* The flush is complete: the generation is durable (S2). */
static void commit_complete(struct store *store)
{
	struct commit *commit = &store->commit;

	/* S2: all of it is written, and its record; nothing is left over. */
	ASSERT(commit->phase == COMMIT_FLUSH_RECORD && commit->recorded);
	ASSERT(stage_empty(store) && commit->io_state == IO_NONE);
	ASSERT(commit->failed == STATUS_OK && !commit->frozen_pages && !commit->early_count);
	ASSERT(store->next.generation > store->record.generation);
	previous_advance(store);
	store->record = store->next;
	index_update(store);
	store->clears[1].count = 0;
	reserve_durable(store);
	store->statistics.commits++;
	store->failures = store->starved = 0;
	store->health = STATUS_OK;
	commit->phase = COMMIT_IDLE;
	if (commit->second) {
		store->replaced = true;
	} else if (store->request.action == STORE_ACTION_RESTORE) {
		/* The live state is the snapshot's now. */
		commit->second = true;
		commit_begin(store, store->record.generation + 1);
		return;
	}
	commit_wake(store);
}

static enum status durable_step(struct store *store, bool *done)
{
	enum status status = commit_io_wait(store);

	(void)done; /* there is no phase behind it */
	if (status == STATUS_OK)
		commit_complete(store);
	return status;
}

/* ---- the order ------------------------------------------------------------------------ */

static bool reclaims(const struct store *store)
{
	enum store_action action = store->request.action;

	return commit_is_full(store) &&
	       (action == STORE_ACTION_NONE || action == STORE_ACTION_STOP);
}

static bool is_separate(const struct store *store)
{
	return !store->commit.joint;
}

/* A phase of a commit. */
struct phase {
	bool (*needed)(const struct store *store); /* or it is passed over; null: always */
	void (*begin)(struct store *store);	   /* may be null */
	/* A part of it; if that was the last, and went well, *done becomes true. */
	enum status (*step)(struct store *store, bool *done);
};

/* What one commit is, in its order. */
static const struct phase phases[COMMIT_ABANDON] = {
	[COMMIT_STRIKE] = {NULL, NULL, strike_step},
	[COMMIT_PREPARE] = {NULL, NULL, prepare_step},
	[COMMIT_RECLAIM] = {reclaims, reclaim_begin, reclaim_step},
	[COMMIT_SPACE] = {NULL, commit_space_begin, commit_space_step},
	[COMMIT_ACTION] = {commit_is_full, NULL, action_step},
	[COMMIT_CATALOGUE] = {commit_is_full, catalogue_update_begin, catalogue_update_step},
	[COMMIT_FREEMAP] = {commit_is_full, freemap_begin, freemap_step},
	[COMMIT_DRAIN] = {NULL, drain_begin, drain_step},
	[COMMIT_FLUSH_DATA] = {is_separate, commit_flush, io_step},
	[COMMIT_RECORD] = {is_separate, record_begin, io_step},
	[COMMIT_FLUSH_RECORD] = {NULL, commit_flush, durable_step},
};

static void phase_next(struct store *store)
{
	struct commit *commit = &store->commit;
	const struct phase *phase;

	do
		phase = &phases[++commit->phase];
	while (phase->needed && !phase->needed(store));
	ASSERT(commit->phase < COMMIT_ABANDON);
	if (phase->begin)
		phase->begin(store);
}

static enum status commit_unit(struct store *store)
{
	struct commit *commit = &store->commit;
	bool builds = commit->phase > COMMIT_STRIKE && commit->phase < COMMIT_DRAIN, done = false;
	enum status status = phases[commit->phase].step(store, &done);

	/* What builds the new state can be repeated, so a read that failed can be. */
	if (builds && status == STATUS_IO && ++commit->read_errors < LIMIT_COMMIT_READS)
		return STATUS_OK;
	if (status != STATUS_OK)
		return status;
	commit->read_errors = 0;
	if (done)
		phase_next(store);
	return STATUS_OK;
}

/* One page or node is compressed at most: the owner may have something to do that is urgent. */
bool commit_step(struct store *store)
{
	const uint64_t sectors = store->statistics.extent_sectors;
	struct commit *commit = &store->commit;
	unsigned left = LIMIT_STEP_UNITS;
	bool moved = false;

	while (left-- && store_committing(store) && store->statistics.extent_sectors == sectors) {
		enum status status;

		if (commit->failed != STATUS_OK && commit->phase != COMMIT_ABANDON)
			abandon_begin(store);
		if (commit->phase == COMMIT_ABANDON)
			status = abandon_step(store) ? STATUS_OK : STATUS_WAIT;
		else
			status = commit_unit(store);
		if (status == STATUS_WAIT)
			break;
		if (status != STATUS_OK)
			commit->failed = status;
		moved = true;
	}
	return moved;
}
