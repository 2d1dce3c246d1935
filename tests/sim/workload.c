/* SPDX-License-Identifier: MIT */
/*
 * workload.c - the life of a store in a case: beginning, commits, power, end.
 * What happens in between is in operations.c.
 */
#include "tests/sim/workload.h"
#include "tests/sim/keeping.h"
#include "tests/sim/operations.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CASE_STATES    4096u /* images of a case until it cuts more seldom */
#define CASE_DOUBLINGS 20u

/* ---- what the disk may hold ------------------------------------------- */

void workload_expectation(struct workload *workload, struct expectation *expectation)
{
	struct model *model = &workload->model;

	expectation_begin(expectation, model);
	expectation_add(expectation, &model->durable);
	for (uint32_t i = 0; i < model->flights; i++)
		expectation_add(expectation, &model->flight[i]);
	for (uint32_t i = 0; i < MODEL_FAILED && i < model->failures; i++)
		expectation_add(expectation, &model->failed[i]);
}

/*
 * Some cases have hundreds of commits, those that make a store empty again with steps
 * of a few visits above all, and a flush whose recoveries are cut as well can be
 * thousands of images.  After CASE_STATES images a case cuts at every other flush that it
 * would cut at, after as many more at every fourth, and so on: other cases show more.
 */
static uint32_t cut_once_in(const struct workload *workload)
{
	uint64_t doublings = (sim_totals.crash_states - workload->states_before) / CASE_STATES;
	uint64_t once_in = (uint64_t)workload->crash_once_in
			   << (doublings < CASE_DOUBLINGS ? doublings : CASE_DOUBLINGS);

	return once_in < UINT32_MAX ? (uint32_t)once_in : UINT32_MAX;
}

static void crash_point(void *context, struct disk *disk)
{
	struct workload *workload = context;
	struct expectation expectation;

	/* Before the first generation there is nothing to recover. */
	if (workload->model.durable.generation.n == 0 ||
	    !sim_random_once_in(&workload->random, cut_once_in(workload)))
		return;
	workload_expectation(workload, &expectation);
	oracle_check_cuts(&workload->oracle, disk, &expectation, 0, workload->crash_samples);
}

void workload_power_on(struct workload *workload)
{
	disk_attach(&workload->disk, &workload->flat, workload->write_unit);
	workload->disk.strict = true;
	workload->disk.immediate = sim_random_once_in(&workload->random, 8);
	if (workload->crash_samples) {
		workload->disk.crash_point = crash_point;
		workload->disk.crash_context = workload;
	}
}

/* ---- what the engine may answer --------------------------------------- */

/* True when the status is a fault of the disk that this case provokes: then nothing
 * has happened.  Damage is for good, an error may pass. */
bool workload_fault_seen(struct workload *workload, enum status status)
{
	if (!workload->faults)
		return false;
	if (status != STATUS_IO && !(workload->lies && status == STATUS_CORRUPT))
		return false;
	workload->broken |= workload->lies;
	return true;
}

/* The commit in flight has ended and is not durable. */
static void commit_failed(struct workload *workload)
{
	struct store *store = workload->engine.store;

	SIM_CHECK(workload_fault_seen(workload, store_health(store)),
		  "the commit of generation %llu ended and is not durable: %s: %s",
		  (unsigned long long)workload->model.flight[0].generation.n,
		  status_text(store_health(store)), engine_log_last(&workload->engine));
	model_fail(&workload->model);
	sim_totals.abandoned++;
}

/* Takes note of what has become durable. */
void workload_observe(struct workload *workload)
{
	struct store *store = workload->engine.store;
	struct model *model = &workload->model;
	generation_t before = model->durable.generation;

	if (!model->flights)
		return;
	model_acknowledge(model, store_durable(store));
	if (model->durable.generation.n != before.n) {
		sim_totals.outages += workload->storms;
		workload->storms = 0;
	}
	/* The next generation may be on the disk already, in flight or failed, and nobody
	 * knows yet. */
	if (model->durable.generation.n != workload->verified.n && !workload->lies &&
	    !store_committing(store) && store_health(store) == STATUS_OK)
		workload_verify(workload, false);
	if (model->flights && !store_committing(store))
		commit_failed(workload);
}

static void mount(struct workload *workload)
{
	struct engine *engine = &workload->engine;
	struct model_state *state;
	enum status status;

	/* A mount that fails is tried again; what it meets then is the mode "errors". */
	if (workload->stormy)
		disk_calm(&workload->disk);
	status = engine_mount(engine, &workload->disk);
	workload->pinned = -1;
	workload->borrowed = 0;
	workload->storms = 0;
	engine->offline = sim_random_once_in(&workload->random, 6);
	if (status != STATUS_OK && workload->faults) {
		workload->broken = true;
		return;
	}
	SIM_CHECK(status == STATUS_OK, "mount fails: %s: %s", status_text(status),
		  engine->recovery.explanation);
	state = workload->lies ? model_state_known(&workload->model, engine->recovery.generation)
			       : model_state_find(&workload->model, engine->recovery.generation);
	SIM_CHECK(state, "recovered generation %llu, acknowledged is %llu",
		  (unsigned long long)engine->recovery.generation.n,
		  (unsigned long long)workload->model.durable.generation.n);
	SIM_CHECK(engine->recovery.counters.uptime_ns <= workload->clock,
		  "the counters come from the future");
	model_recover(&workload->model, state);
	sim_totals.remounts++;
}

/* After a restore every frame is stale: the owner forgets the store. */
void workload_restart_if_replaced(struct workload *workload)
{
	if (workload->broken || store_committing(workload->engine.store) ||
	    !store_replaced(workload->engine.store))
		return;
	sim_trace("  the live state was replaced: mounting");
	engine_off(&workload->engine);
	disk_restart(&workload->disk);
	mount(workload);
}

void workload_settle(struct workload *workload)
{
	uint32_t drives = 0;

	if (workload->broken)
		return;
	workload->engine.idle = 0;
	while (store_committing(workload->engine.store)) {
		/* The owner's patience with a disk that does not answer. */
		if (workload->disk.stall && sim_random_once_in(&workload->random, 8))
			store_commit_abandon(workload->engine.store);
		SIM_CHECK(engine_drive(&workload->engine),
			  "a commit does not end: nothing moves any more");
		SIM_CHECK(drives++ < 1000000, "a commit does not end");
		workload_observe(workload);
	}
	workload_observe(workload);
	workload_restart_if_replaced(workload);
}

/* ---- commits ---------------------------------------------------------- */

/* How a system that resumes from the next generation had stopped. */
static enum store_stop stop_next(const struct workload *workload, const struct model_state *before,
				 enum store_action action)
{
	bool offline = workload->engine.offline;

	if (offline && before->stop == STORE_STOP_FRESH)
		return STORE_STOP_FRESH;
	if (action == STORE_ACTION_STOP)
		return STORE_STOP_CLEAN;
	return offline ? before->stop : STORE_STOP_POWER_CUT;
}

/* After a failure the disk may still have requests: nothing begins before they are
 * answered. */
static enum status commit_start(struct workload *workload, enum store_action action,
				snapshot_t number, const char *name, generation_t *generation)
{
	enum status status;

	do
		status = engine_commit_start(&workload->engine, action, number, name,
					     ++workload->clock, generation);
	while (status == STATUS_BUSY && workload->faults && engine_drive(&workload->engine));
	return status;
}

/* Starts a commit.  False: refused, or broken. */
bool workload_commit(struct workload *workload, enum store_action action, snapshot_t number,
		     const char *name)
{
	struct model *model = &workload->model;
	struct model_state *state;
	generation_t generation = {0}, working;
	char kept[DISK_SNAPSHOT_NAME];
	enum status status;

	sim_deadline();
	workload_settle(workload);
	if (workload->broken)
		return false;
	/* Idle for a moment: discards go out, and the commit finds them in flight. */
	for (uint32_t idle = sim_random_below(&workload->random, 6); idle; idle--)
		store_step(workload->engine.store);
	working = store_generation(workload->engine.store);
	/* With a restore goes the name for what it replaces: ours, or the engine's choice,
	 * which is one of its automatic snapshots then. */
	snprintf(kept, sizeof(kept), "kept-%llu", (unsigned long long)working.n);
	if (action == STORE_ACTION_RESTORE && working.n % 2)
		kept[0] = 0;
	status = commit_start(workload, action, number,
			      action == STORE_ACTION_RESTORE ? kept : name, &generation);
	sim_trace("  commit %d \"%s\": %s, generation %llu", (int)action, name ? name : "",
		  status_text(status), (unsigned long long)generation.n);
	SIM_CHECK(status != STATUS_NO_SPACE || action != STORE_ACTION_DELETE,
		  "a deletion is refused on a full disk");
	if (status == STATUS_NO_SPACE || status == STATUS_LIMIT || status == STATUS_BUSY ||
	    status == STATUS_WAIT) {
		SIM_CHECK(action != STORE_ACTION_NONE && action != STORE_ACTION_STOP,
			  "a plain commit is refused: %s", status_text(status));
		sim_totals.full_disks += status == STATUS_NO_SPACE;
		return false;
	}
	if (workload_fault_seen(workload, status))
		return false;
	SIM_CHECK(status == STATUS_OK, "a commit is refused: %s", status_text(status));
	SIM_CHECK(generation.n > model->durable.generation.n, "generation %llu after %llu",
		  (unsigned long long)generation.n,
		  (unsigned long long)model->durable.generation.n);
	sim_totals.commits++;
	state = model_freeze(model, action == STORE_ACTION_RESTORE ? working : generation);
	state->stop = stop_next(workload, model->flights > 1 ? &model->flight[0] : &model->durable,
				action);
	if (action == STORE_ACTION_GROW)
		state->sectors = workload->engine.grow_sectors;
	if (action == STORE_ACTION_RETAIN)
		state->retention = workload->engine.retention;
	if (action == STORE_ACTION_SNAPSHOT)
		model_snapshot_add(model, state, name, state->content);
	if (action == STORE_ACTION_DELETE && model_snapshot_find(state, name))
		model_snapshot_remove(state, name);
	if (action == STORE_ACTION_RESTORE) {
		const struct model_snapshot *snapshot = model_snapshot_find(state, name);
		struct model_state *second;

		SIM_CHECK(working.n + 1 == generation.n,
			  "a restore freezes generation %llu and ends in %llu",
			  (unsigned long long)working.n, (unsigned long long)generation.n);
		second = model_freeze(model, generation);
		memcpy(second->content, snapshot->content, model->pages * sizeof(uint32_t));
		if (!workload->engine.discard && kept[0]) {
			model_snapshot_add(model, state, kept, state->content);
			model_snapshot_add(model, second, kept, state->content);
		}
		second->stop = stop_next(workload, state, STORE_ACTION_NONE);
	}
	return true;
}

void workload_commit_all(struct workload *workload)
{
	uint32_t commits = 0;

	workload_settle(workload);
	while (!workload->broken && store_dirty(workload->engine.store)) {
		/* It may fail for ever, or as long as nobody waits. */
		if (workload->faults && store_health(workload->engine.store) != STATUS_OK &&
		    commits > 3)
			return;
		SIM_CHECK(commits++ < 100000, "the store is dirty for ever");
		workload_commit(workload, STORE_ACTION_NONE, (snapshot_t){0}, NULL);
		workload_settle(workload);
	}
}

/* ---- power ------------------------------------------------------------ */

void workload_power_cut(struct workload *workload)
{
	struct image *image = &workload->oracle.level[0].image;
	uint8_t data[BLOCK_SIZE];

	sim_trace("  power cut");
	engine_off(&workload->engine);
	oracle_cut_random(&workload->oracle, &workload->disk, image);
	for (uint32_t i = 0; i < image->used; i++) {
		image_read(image, image->owner[i], 1, data);
		image_write(&workload->flat, image->owner[i], 1, data);
	}
	image_reset(image, &workload->flat);
	workload_power_on(workload);
	mount(workload);
}

void workload_warm_restart(struct workload *workload)
{
	sim_trace("  warm restart");
	engine_off(&workload->engine);
	disk_restart(&workload->disk);
	mount(workload);
	sim_totals.warm_restarts++;
}

void workload_drain(struct workload *workload)
{
	workload_settle(workload);
	if (!workload->broken)
		operation_drain_automatic(workload);
	while (!workload->broken && workload->model.durable.snapshots) {
		operation_delete(workload, (uint32_t)sim_random_next(&workload->random));
		workload_commit_all(workload);
	}
	workload_commit_all(workload);
}

void workload_verify(struct workload *workload, bool everything)
{
	struct oracle_findings findings;
	struct verify_space space;
	enum status status;
	struct verify *verify = oracle_verify(&workload->flat, everything, &findings, &status);
	const struct model_state *state = &workload->model.durable;

	workload->verified = state->generation;
	/* Until the next commit replaces it, a slot may be torn (see oracle.c). */
	if (workload->write_unit == BLOCK_SIZE && !everything)
		findings.errors -= findings.torn_errors;
	SIM_CHECK(findings.errors == 0, "the verifier says: %s", findings.first);
	SIM_CHECK(verify_totals_get(verify)->generation.n == state->generation.n,
		  "the verifier finds generation %llu, acknowledged is %llu",
		  (unsigned long long)verify_totals_get(verify)->generation.n,
		  (unsigned long long)state->generation.n);
	SIM_CHECK(verify_space_live(verify, &space) == STATUS_OK, "there is no live space");
	oracle_compare_space(verify, &space, &workload->model, state->content);
	sim_totals.deltas += verify_record(verify)->kind == DISK_RECORD_DELTA;
	sim_trace("  generation %llu is durable, %u entries of a delta",
		  (unsigned long long)state->generation.n, verify_record(verify)->entries);
	verify_close(verify);
}

void workload_compare(struct workload *workload)
{
	struct oracle_findings findings;
	struct expectation expectation;
	enum status status;
	struct verify *verify;

	workload_settle(workload);
	verify = oracle_verify(&workload->flat, true, &findings, &status);
	SIM_CHECK(findings.errors == 0, "the verifier says: %s", findings.first);
	workload_expectation(workload, &expectation);
	oracle_compare_catalogue(verify, &expectation, &workload->model.durable);
	verify_close(verify);
	if (workload->model.durable.snapshots)
		oracle_compare_snapshots(&workload->engine, &workload->model.durable);
}

/* ---- life ------------------------------------------------------------- */

/* Everything but the disk's content and the model. */
static void workload_machine_create(struct workload *workload)
{
	struct sim_random *random = &workload->random;

	workload->states_before = sim_totals.crash_states;
	disk_create(&workload->disk, workload->sectors, random);
	engine_create(&workload->engine, &workload->limits);
	oracle_create(&workload->oracle, workload->sectors, &workload->limits, random);
	workload->oracle.write_unit = workload->write_unit;
}

/* Pages, their places and sectors of a case that may be any. */
static void dimensions_random(struct workload *workload, uint32_t *pages, enum model_shape *shape)
{
	static const uint64_t sizes[] = {DISK_SECTORS_MIN, DISK_SECTORS_MIN, 12288, 36864};
	/* Small ones reach the deep states soonest. */
	static const uint32_t universes[] = {5,	 5,  5,	 9,  9,	 9,  9,	 16,
					     16, 16, 16, 16, 30, 30, 30, 100};
	struct sim_random *random = &workload->random;

	workload->sectors = sizes[sim_random_below(random, 4)];
	workload->write_unit = sim_random_once_in(random, 5) ? BLOCK_SIZE : SECTOR_SIZE;
	*pages = universes[sim_random_below(random, 16)];
	*shape = (enum model_shape)sim_random_below(random, MODEL_SHAPES);
	if (*shape == MODEL_SPARSE && sim_random_once_in(random, 6))
		*shape = MODEL_DEEP;
	/* Nodes of their own for every page cost time, and show little more. */
	if (*shape >= MODEL_CLUSTERS && *pages > 6 && !sim_random_once_in(random, 12))
		*pages = *shape >= MODEL_SPARSE ? 6 : 9;
}

static void dimensions_choose(struct workload *workload, enum workload_size size, uint32_t *pages,
			      enum model_shape *shape)
{
	*pages = MODEL_PAGES;
	*shape = MODEL_DENSE;
	switch (size) {
	case WORKLOAD_RANDOM:
		dimensions_random(workload, pages, shape);
		break;
	case WORKLOAD_FULL:
		workload->sectors = DISK_SECTORS_MIN + 1024;
		workload->limits.frames += 340;
		break;
	case WORKLOAD_TINY:
		*pages = 4;
		*shape = MODEL_LOW;
		workload->sectors = 12288;
		workload->limits.deletion_visits = 1;
		break;
	case WORKLOAD_SNAPSHOTS:
		*pages = 20;
		*shape = MODEL_LOW;
		workload->sectors = 262144;
		break;
	case WORKLOAD_DELTAS:
		*shape = MODEL_SPARSE;
		workload->sectors = 65536;
		workload->limits.frames += 1000;
		break;
	}
}

/* In zeroed memory. */
static void workload_create(struct workload *workload, uint64_t seed, enum workload_size size)
{
	struct sim_random *random = &workload->random;
	enum model_shape shape;
	uint32_t pages;

	random->state = seed;
	workload->seed = seed * UINT64_C(0x9e3779b97f4a7c15);
	workload->pinned = -1;
	workload->sectors = DISK_SECTORS_MIN;
	workload->write_unit = seed % 2 ? BLOCK_SIZE : SECTOR_SIZE;
	workload->limits.frames = 32 + sim_random_below(random, 60);
	workload->limits.staging_bytes = 256 * 1024;
	workload->limits.read_requests = 1 + sim_random_below(random, 8);
	/* So small a store is reclaimed in one step, unless the steps are small. */
	workload->limits.deletion_visits =
		sim_random_once_in(random, 2) ? 1 + sim_random_below(random, 40) : 0;
	workload->crash_samples = 24;
	workload->crash_once_in = 1;
	dimensions_choose(workload, size, &pages, &shape);
	model_create(&workload->model, sim_random_next(random), pages, shape);
	/* It may be smaller than its disk, and grow later. */
	workload->model.durable.sectors = workload->sectors;
	if (size == WORKLOAD_TINY || size == WORKLOAD_FULL)
		workload->model.durable.sectors = DISK_SECTORS_MIN;
	else if (sim_random_once_in(random, 3))
		workload->model.durable.sectors -= sim_random_below(
			random, (uint32_t)(workload->sectors - DISK_SECTORS_MIN) + 1);
	image_create_flat(&workload->flat, workload->sectors);
	workload_machine_create(workload);
}

static void workload_free(struct workload *workload)
{
	engine_free(&workload->engine);
	disk_free(&workload->disk);
	image_free(&workload->flat);
	oracle_free(&workload->oracle);
	model_free(&workload->model);
}

struct workload *workload_new(uint64_t seed, enum workload_size size)
{
	struct workload *workload = sim_allocate(sizeof(*workload));

	workload_create(workload, seed, size);
	return workload;
}

void workload_delete(struct workload *workload)
{
	workload_free(workload);
	free(workload);
}

struct workload *workload_branch(const struct workload *workload)
{
	struct workload *branch = sim_allocate(sizeof(*branch));

	SIM_CHECK(!workload->disk.pending_count && !workload->disk.queued &&
			  !workload->model.flights,
		  "a branch of a store that is at work");
	branch->random = workload->random;
	branch->seed = workload->seed;
	branch->turns = workload->turns;
	branch->sectors = workload->sectors;
	branch->write_unit = workload->write_unit;
	branch->limits = workload->limits;
	branch->crash_samples = workload->crash_samples;
	branch->crash_once_in = workload->crash_once_in;
	branch->fill = workload->fill;
	branch->clock = workload->clock;
	branch->names = workload->names;
	branch->verified = workload->model.durable.generation;
	model_copy(&branch->model, &workload->model);
	image_create_overlay(&branch->flat, branch->sectors);
	image_reset(&branch->flat, &workload->flat);
	workload_machine_create(branch);
	branch->engine.counted = workload->engine.counted;
	workload_power_on(branch);
	mount(branch);
	return branch;
}

bool workload_begin(struct workload *workload)
{
	enum status status;

	workload_power_on(workload);
	sim_trace("  %llu sectors, write unit %u, %u frames, %u pages",
		  (unsigned long long)workload->sectors, workload->write_unit,
		  workload->limits.frames, workload->model.pages);
	status = engine_format(&workload->engine, &workload->disk, workload->model.durable.sectors,
			       &workload->random);
	workload->engine.offline = sim_random_once_in(&workload->random, 3);
	if (workload_fault_seen(workload, status))
		return false;
	SIM_CHECK(status == STATUS_OK, "format fails: %s", status_text(status));
	for (uint32_t i = 0; i < 4 && !workload->broken; i++)
		operation_write(workload,
				sim_random_below(&workload->random, workload->model.pages),
				1 + i % ENGINE_PAGES, OPERATION_ANY);
	workload_commit(workload, STORE_ACTION_NONE, (snapshot_t){0}, NULL);
	workload_settle(workload);
	return !workload->broken;
}
