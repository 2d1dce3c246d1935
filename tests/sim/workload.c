/* SPDX-License-Identifier: MIT */
/*
 * workload.c - the operations of the owner, each mirrored in the model.
 *
 * Whatever the engine may refuse is refused without effect; whatever it accepts
 * is from then on expected.  Steps of the engine and completions of the disk
 * fall between the operations, so that pages are written, read and cleared
 * while a commit is in flight.
 */
#include "tests/sim/workload.h"

#include <stdio.h>
#include <string.h>

/* ---- what the disk may hold ------------------------------------------- */

void workload_expectation(struct workload *workload, struct expectation *expectation)
{
	expectation->model = &workload->model;
	expectation->states = 0;
	expectation->state[expectation->states++] = &workload->model.durable;
	for (uint32_t i = 0; i < workload->model.flights; i++)
		expectation->state[expectation->states++] = &workload->model.flight[i];
}

static void crash_point(void *context, struct disk *disk)
{
	struct workload *workload = context;
	struct expectation expectation;

	/* Before the first generation there is nothing to recover. */
	if (workload->model.durable.generation.n == 0 ||
	    !sim_random_once_in(&workload->random, workload->crash_once_in))
		return;
	workload_expectation(workload, &expectation);
	oracle_check_cuts(&workload->oracle, disk, &expectation, 0, workload->crash_samples);
}

static void power_on(struct workload *workload)
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

/* True when the status is a fault of the disk that this case provokes. */
static bool fault_seen(struct workload *workload, enum status status)
{
	if (!workload->faults)
		return false;
	if (status != STATUS_IO && status != STATUS_READ_ONLY && status != STATUS_CORRUPT)
		return false;
	workload->broken = true;
	return true;
}

/* Takes note of what has become durable. */
static void observe(struct workload *workload)
{
	struct store *store = workload->engine.store;
	struct model *model = &workload->model;

	if (!model->flights)
		return;
	model_acknowledge(model, store_durable(store));
	if (model->durable.generation.n != workload->verified.n)
		workload_verify(workload, false);
	if (!model->flights || store_committing(store))
		return;
	SIM_CHECK(fault_seen(workload, store_health(store)),
		  "the commit of generation %llu ended and is not durable: %s: %s",
		  (unsigned long long)model->flight[0].generation.n,
		  status_text(store_health(store)), engine_log_last(&workload->engine));
}

static void mount(struct workload *workload)
{
	struct engine *engine = &workload->engine;
	struct model_state *state;
	enum status status = engine_mount(engine, &workload->disk);

	workload->pinned = -1;
	workload->borrowed = 0;
	if (status != STATUS_OK && workload->faults) {
		workload->broken = true;
		return;
	}
	SIM_CHECK(status == STATUS_OK, "mount fails: %s: %s", status_text(status),
		  engine->recovery.explanation);
	state = model_state_find(&workload->model, engine->recovery.generation);
	SIM_CHECK(state, "recovered generation %llu, acknowledged is %llu",
		  (unsigned long long)engine->recovery.generation.n,
		  (unsigned long long)workload->model.durable.generation.n);
	SIM_CHECK(engine->recovery.counters.uptime_ns <= workload->clock,
		  "the counters come from the future");
	model_recover(&workload->model, state);
	sim_totals.remounts++;
}

/* After a restore every frame is stale: the owner forgets the store. */
static void restart_if_replaced(struct workload *workload)
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
		SIM_CHECK(engine_drive(&workload->engine),
			  "a commit does not end: nothing moves any more");
		SIM_CHECK(drives++ < 1000000, "a commit does not end");
		observe(workload);
	}
	observe(workload);
	restart_if_replaced(workload);
}

/* ---- commits ---------------------------------------------------------- */

/* Starts a commit.  False: refused, or broken. */
static bool commit(struct workload *workload, enum store_action action, snapshot_t number,
		   const char *name)
{
	struct model *model = &workload->model;
	struct model_state *state;
	generation_t generation = {0}, working;
	enum status status;

	workload_settle(workload);
	if (workload->broken)
		return false;
	working = store_generation(workload->engine.store);
	/* With a restore goes the name for what it replaces: the engine's choice. */
	status = engine_commit_start(&workload->engine, action, number,
				     action == STORE_ACTION_RESTORE ? NULL : name,
				     ++workload->clock, &generation);
	sim_trace("  commit %d \"%s\": %s, generation %llu", (int)action, name ? name : "",
		  status_text(status), (unsigned long long)generation.n);
	if (status == STATUS_NO_SPACE || status == STATUS_LIMIT || status == STATUS_BUSY ||
	    status == STATUS_WAIT) {
		SIM_CHECK(action != STORE_ACTION_NONE && action != STORE_ACTION_STOP,
			  "a plain commit is refused: %s", status_text(status));
		sim_totals.full_disks += status == STATUS_NO_SPACE;
		return false;
	}
	if (fault_seen(workload, status))
		return false;
	SIM_CHECK(status == STATUS_OK, "a commit is refused: %s", status_text(status));
	SIM_CHECK(generation.n > model->durable.generation.n, "generation %llu after %llu",
		  (unsigned long long)generation.n,
		  (unsigned long long)model->durable.generation.n);
	sim_totals.commits++;
	state = model_freeze(model, action == STORE_ACTION_RESTORE ? working : generation);
	state->clean = action == STORE_ACTION_STOP;
	if (action == STORE_ACTION_SNAPSHOT)
		model_snapshot_add(state, name, state->content);
	if (action == STORE_ACTION_DELETE)
		model_snapshot_remove(state, name);
	if (action == STORE_ACTION_RESTORE) {
		const struct model_snapshot *snapshot = model_snapshot_find(state, name);
		struct model_state *second;
		char kept[DISK_SNAPSHOT_NAME];

		SIM_CHECK(working.n + 1 == generation.n,
			  "a restore freezes generation %llu and ends in %llu",
			  (unsigned long long)working.n, (unsigned long long)generation.n);
		second = model_freeze(model, generation);
		memcpy(second->content, snapshot->content, sizeof(second->content));
		snprintf(kept, sizeof(kept), "before-restore-%llu", (unsigned long long)working.n);
		model_snapshot_add(state, kept, state->content);
		model_snapshot_add(second, kept, state->content);
		second->clean = false;
	}
	return true;
}

void workload_commit_all(struct workload *workload)
{
	uint32_t commits = 0;

	workload_settle(workload);
	while (!workload->broken && store_dirty(workload->engine.store)) {
		SIM_CHECK(commits++ < 100000, "the store is dirty for ever");
		commit(workload, STORE_ACTION_NONE, (snapshot_t){0}, NULL);
		workload_settle(workload);
	}
}

static void commit_snapshot(struct workload *workload)
{
	char name[DISK_SNAPSHOT_NAME];

	if (workload->model.durable.snapshots + 2 > MODEL_SNAPSHOTS)
		return;
	snprintf(name, sizeof(name), "s%u", workload->names++);
	commit(workload, STORE_ACTION_SNAPSHOT, (snapshot_t){0}, name);
}

/* The number of a random living snapshot; false: there is none. */
static bool snapshot_choose(struct workload *workload, char *name, snapshot_t *number)
{
	struct model_state *state = &workload->model.durable;
	struct store_snapshot snapshot;
	enum status status;

	workload_settle(workload);
	if (workload->broken || state->snapshots == 0)
		return false;
	memcpy(name, state->snapshot[sim_random_below(&workload->random, state->snapshots)].name,
	       DISK_SNAPSHOT_NAME);
	status = engine_snapshot_find(&workload->engine, name, &snapshot);
	if (status == STATUS_WAIT) {
		/* All memory is dirty. */
		commit(workload, STORE_ACTION_NONE, (snapshot_t){0}, NULL);
		workload_settle(workload);
		if (workload->broken)
			return false;
		status = engine_snapshot_find(&workload->engine, name, &snapshot);
	}
	if (fault_seen(workload, status))
		return false;
	SIM_CHECK(status == STATUS_OK, "snapshot \"%s\" is not found: %s", name,
		  status_text(status));
	*number = snapshot.number;
	return true;
}

static void commit_delete(struct workload *workload)
{
	char name[DISK_SNAPSHOT_NAME];
	snapshot_t number;

	if (snapshot_choose(workload, name, &number) &&
	    commit(workload, STORE_ACTION_DELETE, number, name))
		sim_totals.deletes++;
}

static void commit_restore(struct workload *workload)
{
	char name[DISK_SNAPSHOT_NAME];
	snapshot_t number;

	if (workload->model.durable.snapshots + 2 > MODEL_SNAPSHOTS)
		return;
	if (snapshot_choose(workload, name, &number) &&
	    commit(workload, STORE_ACTION_RESTORE, number, name)) {
		sim_totals.restores++;
		workload_settle(workload);
	}
}

/* ---- pages ------------------------------------------------------------ */

/* What an operation that gave up had made before exists, as zeros. */
static void pages_made(struct workload *workload, const struct engine_access *access,
		       uint32_t count)
{
	struct model *model = &workload->model;

	for (uint32_t i = 0; i < count; i++) {
		int index = model_page_index(model, access[i].page);

		if (access[i].write && model->working[index] == CONTENT_ABSENT &&
		    store_page_writable(workload->engine.store, access[i].page))
			model->working[index] = CONTENT_ZERO;
	}
}

/*
 * One operation on some pages.  Memory or disk may be short until the dirty
 * pages are committed; the owner does that and tries again.
 */
static enum status operation(struct workload *workload, struct engine_access *access,
			     uint32_t count)
{
	enum status status = engine_operation(&workload->engine, access, count);

	for (uint32_t tries = 0; status == STATUS_WAIT; tries++) {
		SIM_CHECK(tries < 8, "no memory even after commits: pages stay in WAIT");
		observe(workload);
		pages_made(workload, access, count);
		if (!store_committing(workload->engine.store))
			commit(workload, STORE_ACTION_NONE, (snapshot_t){0}, NULL);
		workload_settle(workload);
		if (workload->broken)
			return STATUS_IO;
		status = engine_operation(&workload->engine, access, count);
	}
	observe(workload);
	return status;
}

static void pages_write(struct workload *workload)
{
	struct model *model = &workload->model;
	struct engine_access access[ENGINE_PAGES];
	uint32_t index[ENGINE_PAGES];
	uint32_t count = 1 + sim_random_below(&workload->random, ENGINE_PAGES);
	uint32_t first = sim_random_below(&workload->random, model->pages);
	enum status status;

	for (uint32_t i = 0; i < count; i++) {
		index[i] = (first + i) % model->pages;
		access[i] = (struct engine_access){.page = {model->page[index[i]]}, .write = true};
	}
	status = operation(workload, access, count);
	if (fault_seen(workload, status))
		return;
	if (status == STATUS_NO_SPACE) {
		sim_totals.full_disks++;
		pages_made(workload, access, count);
		return;
	}
	SIM_CHECK(status == STATUS_OK, "pages cannot be written: %s", status_text(status));
	for (uint32_t i = 0; i < count; i++) {
		SIM_CHECK(model_content_matches(model, model->working[index[i]], access[i].data),
			  "page 0x%llx is wrong before it is written",
			  (unsigned long long)access[i].page.n);
		model->working[index[i]] = workload->fill
						   ? model_content_noise(model)
						   : model_content_new(model, &workload->random);
		model_content_fill(model, model->working[index[i]], access[i].data);
	}
}

static void page_read(struct workload *workload)
{
	struct model *model = &workload->model;
	uint32_t index = sim_random_below(&workload->random, model->pages);
	struct engine_access access = {.page = {model->page[index]}};
	enum status status = operation(workload, &access, 1);

	if (fault_seen(workload, status))
		return;
	if (model->working[index] == CONTENT_ABSENT) {
		SIM_CHECK(status == STATUS_ABSENT, "page 0x%llx should be absent: %s",
			  (unsigned long long)access.page.n, status_text(status));
		return;
	}
	SIM_CHECK(status == STATUS_OK, "page 0x%llx cannot be read: %s",
		  (unsigned long long)access.page.n, status_text(status));
	SIM_CHECK(model_content_matches(model, model->working[index], access.data),
		  "page 0x%llx has a wrong content", (unsigned long long)access.page.n);
}

static void pages_clear(struct workload *workload)
{
	struct model *model = &workload->model;
	uint32_t index = sim_random_below(&workload->random, model->pages);
	uint64_t first = model->page[index];
	uint64_t count = 1 + sim_random_below(&workload->random, 12);
	enum status status;

	if (!workload->fill && sim_random_once_in(&workload->random, 4))
		count = 1 + sim_random_below(&workload->random, STORE_CLEAR_PAGES);
	/* Pinned pages may not be cleared. */
	if (workload->pinned >= 0 && model->page[workload->pinned] >= first &&
	    model->page[workload->pinned] < first + count)
		return;
	status = engine_pages_clear(&workload->engine, (page_t){first}, count);
	if (status == STATUS_WAIT || status == STATUS_NO_MEMORY) {
		/* The list of runs is full until the next commit. */
		commit(workload, STORE_ACTION_NONE, (snapshot_t){0}, NULL);
		workload_settle(workload);
		if (workload->broken)
			return;
		status = engine_pages_clear(&workload->engine, (page_t){first}, count);
	}
	observe(workload);
	if (fault_seen(workload, status))
		return;
	SIM_CHECK(status == STATUS_OK, "pages cannot be cleared: %s", status_text(status));
	for (uint32_t i = index; i < model->pages && model->page[i] < first + count; i++)
		model->working[i] = CONTENT_ABSENT;
}

/* ---- frames ----------------------------------------------------------- */

static frame_t frame_of(const struct workload *workload, const void *data)
{
	uint64_t offset = (uint64_t)((const uint8_t *)data - workload->engine.frames);

	return (frame_t){(uint32_t)(offset / PAGE_SIZE)};
}

static void page_unpin(struct workload *workload)
{
	if (workload->pinned >= 0)
		store_frame_unpin(workload->engine.store,
				  frame_of(workload, workload->pinned_data));
	workload->pinned = -1;
}

/* A pinned page stays where it is and keeps its content, whatever goes on. */
static void page_pin(struct workload *workload)
{
	struct model *model = &workload->model;
	uint32_t index = sim_random_below(&workload->random, model->pages);
	struct engine_access access = {.page = {model->page[index]}};

	if (workload->pinned >= 0) {
		SIM_CHECK(model_content_matches(model, model->working[workload->pinned],
						workload->pinned_data),
			  "the pinned page 0x%llx has changed or moved",
			  (unsigned long long)model->page[workload->pinned]);
		page_unpin(workload);
		return;
	}
	if (model->working[index] == CONTENT_ABSENT || operation(workload, &access, 1) != STATUS_OK)
		return;
	store_frame_pin(workload->engine.store, frame_of(workload, access.data));
	workload->pinned = (int)index;
	workload->pinned_data = access.data;
}

/* What is borrowed belongs to the borrower, to the last byte. */
static void frame_borrow(struct workload *workload)
{
	struct store *store = workload->engine.store;
	frame_t frame = FRAME_NONE;
	enum status status;

	if (workload->borrowed == WORKLOAD_BORROWED || sim_random_once_in(&workload->random, 3)) {
		while (workload->borrowed)
			store_frame_return(store, workload->borrowed_frame[--workload->borrowed]);
		return;
	}
	store_operation_begin(store);
	status = store_frame_borrow(store, &frame);
	SIM_CHECK(status == STATUS_OK || status == STATUS_WAIT || status == STATUS_NO_MEMORY,
		  "a frame cannot be borrowed: %s", status_text(status));
	if (status != STATUS_OK)
		return;
	SIM_CHECK(frame.n < workload->limits.frames, "a frame is lent that was never given");
	memset(store_frame_data(workload->engine.frames, frame), 0xbb, PAGE_SIZE);
	workload->borrowed_frame[workload->borrowed++] = frame;
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
	power_on(workload);
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

static void clean_stop(struct workload *workload)
{
	if (!commit(workload, STORE_ACTION_STOP, (snapshot_t){0}, NULL))
		return;
	workload_settle(workload);
	if (!workload->broken)
		workload_power_cut(workload);
}

/* ---- the mixture ------------------------------------------------------ */

static void drive(struct workload *workload)
{
	uint32_t steps = sim_random_below(&workload->random, 24);

	for (uint32_t i = 0; i < steps && engine_drive(&workload->engine); i++)
		observe(workload);
	observe(workload);
	restart_if_replaced(workload);
	if (!workload->broken && store_pressure(workload->engine.store) &&
	    !store_committing(workload->engine.store))
		commit(workload, STORE_ACTION_NONE, (snapshot_t){0}, NULL);
}

static void one_operation(struct workload *workload)
{
	uint32_t dice = sim_random_below(&workload->random, 100);

	if (dice < 48)
		pages_write(workload);
	else if (dice < 60)
		page_read(workload);
	else if (dice < 66)
		pages_clear(workload);
	else if (dice < 80)
		commit(workload, STORE_ACTION_NONE, (snapshot_t){0}, NULL);
	else if (dice < 85)
		commit_snapshot(workload);
	else if (dice < 89)
		commit_delete(workload);
	else if (dice < 91)
		commit_restore(workload);
	else if (dice < 93)
		workload_settle(workload);
	else if (dice < 94)
		frame_borrow(workload);
	else if (dice < 95)
		page_pin(workload);
	else if (dice < 96)
		clean_stop(workload);
	else if (dice < 98 && !workload->faults)
		workload_power_cut(workload);
	else if (dice < 99 && !workload->faults)
		workload_warm_restart(workload);
}

void workload_run(struct workload *workload, uint32_t operations)
{
	for (uint32_t i = 0; i < operations && !workload->broken; i++) {
		one_operation(workload);
		if (!workload->broken)
			drive(workload);
	}
}

void workload_burst(struct workload *workload, uint32_t operations)
{
	for (uint32_t i = 0; i < operations && !workload->broken; i++)
		pages_write(workload);
	if (!workload->broken)
		workload_commit_all(workload);
}

void workload_drain(struct workload *workload)
{
	workload_settle(workload);
	while (!workload->broken && workload->model.durable.snapshots) {
		commit_delete(workload);
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
		findings.errors -= findings.slot_errors;
	SIM_CHECK(findings.errors == 0, "the verifier says: %s", findings.first);
	SIM_CHECK(verify_totals_get(verify)->generation.n == state->generation.n,
		  "the verifier finds generation %llu, acknowledged is %llu",
		  (unsigned long long)verify_totals_get(verify)->generation.n,
		  (unsigned long long)state->generation.n);
	SIM_CHECK(verify_space_live(verify, &space) == STATUS_OK, "there is no live space");
	oracle_compare_space(verify, &space, &workload->model, state->content);
	verify_close(verify);
}

/* ---- life ------------------------------------------------------------- */

void workload_create(struct workload *workload, uint64_t seed, bool small)
{
	static const uint64_t sizes[] = {DISK_SECTORS_MIN, DISK_SECTORS_MIN, 12288, 36864};
	/* Small ones reach the deep states soonest. */
	static const uint32_t universes[] = {5,	 5,  5,	 9,  9,	 9,  9,	 16,
					     16, 16, 16, 16, 30, 30, 30, 100};
	struct sim_random *random = &workload->random;
	enum model_shape shape;

	memset(workload, 0, sizeof(*workload));
	random->state = seed;
	workload->pinned = -1;
	workload->sectors = small ? DISK_SECTORS_MIN : sizes[sim_random_below(random, 4)];
	workload->write_unit = sim_random_once_in(random, 5) ? BLOCK_SIZE : SECTOR_SIZE;
	if (small)
		workload->write_unit = seed % 2 ? BLOCK_SIZE : SECTOR_SIZE;
	workload->limits.frames = 32 + sim_random_below(random, small ? 400 : 60);
	workload->limits.staging_bytes = 256 * 1024;
	workload->limits.read_requests = 1 + sim_random_below(random, 8);
	workload->crash_samples = 24;
	workload->crash_once_in = 1;
	shape = small ? MODEL_DENSE : (enum model_shape)sim_random_below(random, MODEL_SHAPES);
	model_create(&workload->model, sim_random_next(random),
		     small ? MODEL_PAGES : universes[sim_random_below(random, 16)], shape);
	image_create_flat(&workload->flat, workload->sectors);
	disk_create(&workload->disk, workload->sectors, random);
	engine_create(&workload->engine, &workload->limits);
	oracle_create(&workload->oracle, workload->sectors, &workload->limits, random);
	workload->oracle.write_unit = workload->write_unit;
}

void workload_free(struct workload *workload)
{
	engine_free(&workload->engine);
	disk_free(&workload->disk);
	image_free(&workload->flat);
	oracle_free(&workload->oracle);
	model_free(&workload->model);
}

bool workload_begin(struct workload *workload)
{
	enum status status;

	power_on(workload);
	sim_trace("  %llu sectors, write unit %u, %u frames, %u pages",
		  (unsigned long long)workload->sectors, workload->write_unit,
		  workload->limits.frames, workload->model.pages);
	status = engine_format(&workload->engine, &workload->disk, workload->sectors,
			       &workload->random);
	if (fault_seen(workload, status))
		return false;
	SIM_CHECK(status == STATUS_OK, "format fails: %s", status_text(status));
	for (uint32_t i = 0; i < 4 && !workload->broken; i++)
		pages_write(workload);
	commit(workload, STORE_ACTION_NONE, (snapshot_t){0}, NULL);
	workload_settle(workload);
	return !workload->broken;
}
