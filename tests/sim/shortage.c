/* SPDX-License-Identifier: MIT */
/*
 * shortage.c - too little memory, too little disk: at every point.
 *
 *   memory   with every number of frames from one up, and with as many of them lent
 *            out as the store lets go
 *   filling  a disk that fills page by page, and at every free count everything
 *            that its owner might do then, deletions above all
 */
#include "store/limits.h"
#include "tests/sim/operations.h"

#define MEMORY_FRAMES 72u   /* more make no difference to so small a store */
#define MEMORY_LENT   1000u /* variants with all frames lent that can be had */

/* ---- memory ----------------------------------------------------------- */

/* With fewer frames than the least a store is refused, and nothing is touched. */
static void memory_refused(struct workload *workload)
{
	struct engine *engine = &workload->engine;
	enum status status;

	workload_power_on(workload);
	status = engine_format(engine, &workload->disk, workload->sectors, &workload->random);
	SIM_CHECK(status == STATUS_NO_MEMORY, "a store is made with %u frames: %s",
		  workload->limits.frames, status_text(status));
	SIM_CHECK(workload->disk.counts[DISK_FAULT_WRITE] == 0, "a refused store was written to");
	status = engine_mount(engine, &workload->disk);
	SIM_CHECK(status == STATUS_NO_MEMORY, "a store is mounted with %u frames: %s",
		  workload->limits.frames, status_text(status));
}

/* Until the next mount they are somebody else's. */
static void lend_all(struct workload *workload)
{
	frame_t frame;
	uint32_t lent = 0;

	do {
		SIM_CHECK(lent++ <= workload->limits.frames, "more frames are lent than there are");
		store_operation_begin(workload->engine.store);
	} while (store_frame_borrow(workload->engine.store, &frame) == STATUS_OK);
}

static void memory_run(uint64_t seed, uint32_t frames, bool lend)
{
	struct workload *workload = workload_new(seed, WORKLOAD_RANDOM);
	struct engine *engine = &workload->engine;

	engine_free(engine);
	workload->limits.frames = frames;
	engine_create(engine, &workload->limits);
	workload->crash_samples = 0;
	if (frames < LIMIT_FRAMES_MIN) {
		memory_refused(workload);
	} else if (workload_begin(workload)) {
		if (lend)
			lend_all(workload);
		workload_run(workload, 25);
		workload_commit_all(workload);
		workload_verify(workload, true);
	}
	workload_delete(workload);
	sim_totals.memories++;
}

void case_memory(uint64_t seed)
{
	for (uint32_t frames = 1; frames <= MEMORY_FRAMES; frames++)
		if (sim_variant(frames))
			memory_run(seed, frames, false);
	for (uint32_t frames = LIMIT_FRAMES_MIN; frames <= MEMORY_FRAMES; frames++)
		if (sim_variant(MEMORY_LENT + frames))
			memory_run(seed, frames, true);
}

/* ---- a disk that fills ------------------------------------------------ */

static void try_overwrite(struct workload *workload)
{
	for (uint32_t i = 0; i < 12 && !workload->broken; i++)
		operation_write(workload, sim_random_below(&workload->random, 8), 1,
				OPERATION_NOISE);
}

static void try_new_pages(struct workload *workload)
{
	for (uint32_t i = 0; i < 40 && !workload->broken; i++)
		operation_write(workload, workload->model.pages - 1 - i, 1, OPERATION_NOISE);
}

static void try_delete(struct workload *workload)
{
	operation_delete(workload, 0);
	workload_commit_all(workload);
	operation_write(workload, 0, 1, OPERATION_NOISE);
}

static void try_delete_and_write(struct workload *workload)
{
	operation_write(workload, 0, 4, OPERATION_NOISE);
	operation_delete(workload, 0);
	try_overwrite(workload);
}

/* A resume never needs more than the restore has set aside: what runs next finds room
 * for its pages at once, and so does what is resumed from that generation again. */
static void try_restore(struct workload *workload)
{
	uint64_t restores = sim_totals.restores;

	operation_restore(workload, 0);
	workload->at_once = sim_totals.restores > restores && workload->engine.counted;
	operation_write(workload, 0, 2, OPERATION_NOISE);
	workload->at_once = false;
	try_overwrite(workload);
}

static void try_clear(struct workload *workload)
{
	operation_clear(workload, 0, STORE_CLEAR_PAGES);
	workload_commit_all(workload);
	operation_write(workload, 0, 1, OPERATION_NOISE);
}

/* Everything goes, and then there is room again. */
static void try_drain(struct workload *workload)
{
	uint64_t refused;

	operation_clear(workload, 0, STORE_CLEAR_PAGES);
	workload_drain(workload);
	refused = sim_totals.full_disks;
	try_new_pages(workload);
	SIM_CHECK(sim_totals.full_disks == refused, "an emptied store is still full");
}

static void (*const tries[])(struct workload *workload) = {
	try_overwrite,	      try_new_pages, operation_snapshot, try_delete,
	try_delete_and_write, try_restore,   try_clear,		 try_drain,
};
#define TRIES (sizeof(tries) / sizeof(tries[0]))

/* Whoever mounts the store knows of as much room as who has just written it. */
static void filling_resume(struct workload *workload)
{
	struct store_statistics before, after;

	if (workload->broken || !workload->engine.counted)
		return;
	store_statistics_get(workload->engine.store, &before);
	workload_warm_restart(workload);
	store_statistics_get(workload->engine.store, &after);
	SIM_CHECK(after.room_blocks >= before.room_blocks,
		  "%llu blocks were free for new pages, after a mount %llu are",
		  (unsigned long long)before.room_blocks, (unsigned long long)after.room_blocks);
}

static void filling_try(const struct workload *from, uint32_t step, uint32_t number)
{
	struct workload *workload = workload_branch(from);

	workload->random.state = workload->seed ^ (step + 1) * UINT64_C(0xd1342543de82ef95);
	/* Power goes as well, now and then. */
	workload->crash_samples = 1;
	workload->crash_once_in = 12;
	tries[number](workload);
	workload_commit_all(workload);
	filling_resume(workload);
	workload_verify(workload, false);
	workload_delete(workload);
	sim_totals.fillings++;
}

/* At every free count, once the disk is half full. */
static bool worth_trying(const struct workload *workload, uint32_t step)
{
	struct store_statistics statistics;

	store_statistics_get(workload->engine.store, &statistics);
	return step % 16 == 0 ||
	       2 * statistics.used_sectors > workload->model.durable.sectors - DISK_DATA_SECTOR;
}

void case_filling(uint64_t seed)
{
	struct workload *workload = workload_new(seed, WORKLOAD_FULL);
	uint64_t refused = 0;

	/* A branch is made of a disk at rest, which discards would not be. */
	workload->disk.device.discards = false;
	workload->crash_samples = 0;
	workload_begin(workload);
	operation_write(workload, 0, 4, OPERATION_NOISE);
	operation_write(workload, 4, 4, OPERATION_NOISE);
	operation_snapshot(workload);
	workload_commit_all(workload);
	for (uint32_t step = 0; refused < 8; step++) {
		uint64_t before = sim_totals.full_disks;

		SIM_CHECK(step < 4096, "the disk did not become full");
		operation_write(workload, step % workload->model.pages, 1, OPERATION_NOISE);
		workload_commit_all(workload);
		/* What is kept of old pages comes to fill more than the pages. */
		if (step % 64 == 63)
			operation_snapshot(workload);
		workload_commit_all(workload);
		refused += sim_totals.full_disks - before;
		for (uint32_t number = 0; number < TRIES && worth_trying(workload, step); number++)
			if (sim_variant(step * TRIES + number))
				filling_try(workload, step, number);
	}
	workload_delete(workload);
}
