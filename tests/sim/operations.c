/* SPDX-License-Identifier: MIT */
/*
 * operations.c - what the owner does to a store, each mirrored in the model; see
 * operations.h.
 *
 * Whatever the engine may refuse is refused without effect; whatever it accepts
 * is from then on expected.  Steps of the engine and completions of the disk
 * fall between the operations, so that pages are written, read and cleared
 * while a commit is in flight.
 */
#include "tests/sim/operations.h"
#include "tests/sim/keeping.h"
#include "tests/sim/scrubbing.h"

#include <stdio.h>
#include <string.h>

/* ---- snapshots -------------------------------------------------------- */

void operation_snapshot(struct workload *workload)
{
	char name[DISK_SNAPSHOT_NAME];

	if (workload->model.durable.snapshots + 2 > MODEL_SNAPSHOTS)
		return;
	snprintf(name, sizeof(name), "s%u", workload->names++);
	sim_operation("snapshot %s", name);
	workload_commit(workload, STORE_ACTION_SNAPSHOT, (snapshot_t){0}, name);
}

/* Its number; false: it cannot be had. */
static bool snapshot_number(struct workload *workload, const char *name, snapshot_t *number)
{
	struct store_snapshot snapshot;
	enum status status = engine_snapshot_find(&workload->engine, name, &snapshot);

	if (status == STATUS_WAIT) {
		/* All memory is dirty. */
		workload_commit(workload, STORE_ACTION_NONE, (snapshot_t){0}, NULL);
		workload_settle(workload);
		if (workload->broken)
			return false;
		status = engine_snapshot_find(&workload->engine, name, &snapshot);
	}
	if (workload_fault_seen(workload, status))
		return false;
	SIM_CHECK(status == STATUS_OK, "snapshot \"%s\" is not found: %s", name,
		  status_text(status));
	*number = snapshot.number;
	return true;
}

/* The snapshot of this index among the living ones, whose number that is. */
static bool snapshot_at(struct workload *workload, uint32_t index, char *name, snapshot_t *number)
{
	struct model_state *state = &workload->model.durable;

	workload_settle(workload);
	if (workload->broken || state->snapshots == 0)
		return false;
	memcpy(name, state->snapshot[index % state->snapshots].name, DISK_SNAPSHOT_NAME);
	return snapshot_number(workload, name, number);
}

void operation_delete(struct workload *workload, uint32_t index)
{
	char name[DISK_SNAPSHOT_NAME];
	snapshot_t number;

	if (!snapshot_at(workload, index, name, &number))
		return;
	sim_operation("delete snapshot %s", name);
	if (workload_commit(workload, STORE_ACTION_DELETE, number, name))
		sim_totals.deletes++;
}

void operation_restore(struct workload *workload, uint32_t index)
{
	char name[DISK_SNAPSHOT_NAME];
	snapshot_t number;

	if (workload->model.durable.snapshots + 2 > MODEL_SNAPSHOTS ||
	    !snapshot_at(workload, index, name, &number))
		return;
	sim_operation("restore snapshot %s%s", name,
		      workload->engine.discard ? ", keep nothing" : "");
	if (workload_commit(workload, STORE_ACTION_RESTORE, number, name)) {
		sim_totals.restores++;
		workload_settle(workload);
	}
}

void operation_restore_any(struct workload *workload)
{
	uint32_t index = (uint32_t)sim_random_next(&workload->random);

	workload->engine.discard = sim_random_once_in(&workload->random, 3);
	operation_restore(workload, index);
	workload->engine.discard = false;
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
		SIM_CHECK(!workload->at_once, "there is no room before a commit");
		/* Each may be one step of a deletion that makes room. */
		SIM_CHECK(tries < 2000, "no memory even after commits: pages stay in WAIT");
		workload_observe(workload);
		pages_made(workload, access, count);
		if (tries > 3 && store_health(workload->engine.store) == STATUS_IO)
			return STATUS_IO; /* it gives up: the disk is away */
		if (!store_committing(workload->engine.store))
			workload_commit(workload, STORE_ACTION_NONE, (snapshot_t){0}, NULL);
		workload_settle(workload);
		if (workload->broken)
			return STATUS_IO;
		status = engine_operation(&workload->engine, access, count);
	}
	if (status == STATUS_IO)
		pages_made(workload, access, count);
	SIM_CHECK(status != STATUS_NO_SPACE || store_health(workload->engine.store) == STATUS_OK,
		  "NO_SPACE is told while the disk is away");
	workload_observe(workload);
	return status;
}

/* The next content of a page, of the kind that is asked for. */
static uint32_t content_next(struct workload *workload, enum operation_content kind)
{
	if (kind == OPERATION_ZEROS)
		return CONTENT_ZERO;
	if (kind == OPERATION_NOISE || workload->fill)
		return model_content_noise(&workload->model);
	return model_content_new(&workload->model, &workload->random);
}

void operation_write(struct workload *workload, uint32_t first, uint32_t count,
		     enum operation_content kind)
{
	struct model *model = &workload->model;
	struct engine_access access[ENGINE_PAGES];
	uint32_t index[ENGINE_PAGES];
	enum status status;

	sim_operation("write %u pages from index %u (page 0x%llx)", count, first,
		      (unsigned long long)model->page[first]);
	for (uint32_t i = 0; i < count; i++) {
		index[i] = (first + i) % model->pages;
		access[i] = (struct engine_access){.page = {model->page[index[i]]}, .write = true};
	}
	status = operation(workload, access, count);
	if (workload_fault_seen(workload, status))
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
		model->working[index[i]] = content_next(workload, kind);
		model_content_fill(model, model->working[index[i]], access[i].data);
	}
}

void operation_fill(struct workload *workload, uint32_t index, uint32_t content)
{
	struct model *model = &workload->model;
	struct engine_access access = {.page = {model->page[index]}, .write = true};
	enum status status;

	sim_operation("fill index %u (page 0x%llx)", index, (unsigned long long)access.page.n);
	status = operation(workload, &access, 1);
	SIM_CHECK(status == STATUS_OK, "a page cannot be written: %s", status_text(status));
	model->working[index] = content;
	model_content_fill(model, content, access.data);
}

void operation_read(struct workload *workload, uint32_t index)
{
	struct model *model = &workload->model;
	struct engine_access access = {.page = {model->page[index]}};
	enum status status;

	sim_operation("read index %u (page 0x%llx)", index, (unsigned long long)access.page.n);
	status = operation(workload, &access, 1);
	if (workload_fault_seen(workload, status))
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

void operation_clear(struct workload *workload, uint32_t index, uint64_t count)
{
	struct model *model = &workload->model;
	uint64_t first = model->page[index];
	enum status status;

	/* Pinned pages may not be cleared. */
	if (workload->pinned >= 0 && model->page[workload->pinned] >= first &&
	    model->page[workload->pinned] < first + count)
		return;
	sim_operation("clear %llu pages from index %u (page 0x%llx)", (unsigned long long)count,
		      index, (unsigned long long)first);
	status = engine_pages_clear(&workload->engine, (page_t){first}, count);
	if (status == STATUS_WAIT || status == STATUS_NO_MEMORY) {
		/* The list of runs is full until the next commit. */
		workload_commit(workload, STORE_ACTION_NONE, (snapshot_t){0}, NULL);
		workload_settle(workload);
		if (workload->broken)
			return;
		status = engine_pages_clear(&workload->engine, (page_t){first}, count);
	}
	workload_observe(workload);
	if (workload_fault_seen(workload, status))
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

/* ---- commits, power --------------------------------------------------- */

void operation_commit(struct workload *workload)
{
	sim_operation("commit");
	workload_commit(workload, STORE_ACTION_NONE, (snapshot_t){0}, NULL);
}

void operation_settle(struct workload *workload)
{
	sim_operation("wait for the commit");
	workload_settle(workload);
}

void operation_stop(struct workload *workload)
{
	sim_operation("stop and start again");
	if (!workload_commit(workload, STORE_ACTION_STOP, (snapshot_t){0}, NULL))
		return;
	workload_settle(workload);
	if (!workload->broken && store_health(workload->engine.store) == STATUS_OK)
		workload_power_cut(workload);
}

void operation_power_cut(struct workload *workload)
{
	sim_operation("power cut");
	workload_power_cut(workload);
}

void operation_warm_restart(struct workload *workload)
{
	sim_operation("restart without a power cut");
	workload_warm_restart(workload);
}

/* ---- bad weather ------------------------------------------------------ */

/* The disk fails for a while, or does not answer, or is reset. */
static void operation_storm(struct workload *workload)
{
	struct disk *disk = &workload->disk;
	struct sim_random *random = &workload->random;
	uint32_t kind = sim_random_below(random, 6);

	if (kind == 0) {
		sim_operation("the disk is reset");
		disk_reset(disk);
	} else if (kind == 1 && !disk->immediate) {
		disk->stall = 1 + sim_random_below(random, 60);
		sim_operation("the disk stalls for %u polls", disk->stall);
	} else {
		disk->outage = 1 + sim_random_below(random, kind == 2 ? 60 : 8);
		disk->outage_once_in = 1 + sim_random_below(random, 4);
		sim_operation("of %u requests each %u. fails", disk->outage, disk->outage_once_in);
	}
	workload->storms++;
}

/* ---- the mixture ------------------------------------------------------ */

static void random_write(struct workload *workload)
{
	uint32_t count = 1 + sim_random_below(&workload->random, ENGINE_PAGES);

	operation_write(workload, sim_random_below(&workload->random, workload->model.pages), count,
			OPERATION_ANY);
}

static void random_read(struct workload *workload)
{
	operation_read(workload, sim_random_below(&workload->random, workload->model.pages));
}

static void random_clear(struct workload *workload)
{
	uint32_t index = sim_random_below(&workload->random, workload->model.pages);
	uint64_t count = 1 + sim_random_below(&workload->random, 12);

	if (!workload->fill && sim_random_once_in(&workload->random, 4))
		count = 1 + sim_random_below(&workload->random, STORE_CLEAR_PAGES);
	operation_clear(workload, index, count);
}

static void random_delete(struct workload *workload)
{
	operation_delete(workload, (uint32_t)sim_random_next(&workload->random));
}

void workload_step(struct workload *workload)
{
	uint32_t steps = sim_random_below(&workload->random, 24);

	for (uint32_t i = 0; i < steps && engine_drive(&workload->engine); i++) {
		/* Slowly, so that much happens before it ends. */
		if (workload->scrubbing && sim_random_once_in(&workload->random, 12))
			workload_scrub(workload, 1);
		workload_observe(workload);
	}
	workload_observe(workload);
	workload_restart_if_replaced(workload);
	if (!workload->broken && store_pressure(workload->engine.store) &&
	    !store_committing(workload->engine.store))
		workload_commit(workload, STORE_ACTION_NONE, (snapshot_t){0}, NULL);
}

static const struct mixture {
	uint32_t weight;
	bool power; /* not while the disk fails */
	void (*run)(struct workload *workload);
} ordinary[] = {
	{42, false, random_write},	   {11, false, random_read},
	{3, false, operation_scrub},	   {2, false, operation_rename},
	{1, false, operation_retain},	   {1, false, operation_grow},
	{6, false, random_clear},	   {14, false, operation_commit},
	{5, false, operation_snapshot},	   {4, false, random_delete},
	{2, false, operation_restore_any}, {3, false, operation_settle},
	{1, false, frame_borrow},	   {1, false, page_pin},
	{1, false, operation_stop},	   {2, true, operation_power_cut},
	{1, true, operation_warm_restart},
};

static const struct mixture calm[] = {
	{61, false, random_write},	   {10, false, random_read},
	{1, false, operation_scrub},	   {22, false, operation_commit},
	{1, false, frame_borrow},	   {1, false, page_pin},
	{1, false, operation_stop},	   {2, true, operation_power_cut},
	{1, true, operation_warm_restart},
};

static void random_operation(struct workload *workload)
{
	uint32_t dice = sim_random_below(&workload->random, 100);
	const struct mixture *mixture = workload->calm ? calm : ordinary;

	if (workload->stormy && sim_random_once_in(&workload->random, 6)) {
		operation_storm(workload);
		return;
	}
	for (; dice >= mixture->weight; mixture++)
		dice -= mixture->weight;
	if (!mixture->power || !workload->faults || workload->stormy)
		mixture->run(workload);
}

/*
 * Each operation has random numbers of its own, the disk's included, so that it
 * stays what it is when others are left out.
 */
bool workload_turn(struct workload *workload)
{
	uint32_t turn = workload->turns++;

	if (!sim_turn(turn))
		return false;
	workload->random.state = workload->seed ^ (turn + 1) * UINT64_C(0xd1342543de82ef95);
	return true;
}

void workload_run(struct workload *workload, uint32_t operations)
{
	for (uint32_t i = 0; i < operations && !workload->broken; i++) {
		if (!workload_turn(workload))
			continue;
		random_operation(workload);
		if (!workload->broken)
			workload_step(workload);
	}
}

void workload_burst(struct workload *workload, uint32_t operations)
{
	for (uint32_t i = 0; i < operations && !workload->broken; i++)
		if (workload_turn(workload))
			random_write(workload);
	if (!workload->broken)
		workload_commit_all(workload);
}
