/* SPDX-License-Identifier: MIT */
/*
 * cases.c - one case per mode, each wholly determined by its seed.
 *
 *   crash     random work, every flush is a power cut many times over
 *   recovery  the same, and the recoveries are cut as well, two deep
 *   errors    a failing read, write or flush at every index, once and for ever
 *   flip      one changed bit: the right data or a named error, never wrong data
 *   full      a disk filled to the last block, deletions when full included
 */
#include "tests/sim/workload.h"

#include <stdlib.h>
#include <string.h>

/* A workload is too large for the stack. */
static struct workload *workload_new(uint64_t seed, bool small)
{
	struct workload *workload = sim_allocate(sizeof(*workload));

	workload_create(workload, seed, small);
	return workload;
}

static void workload_delete(struct workload *workload)
{
	workload_free(workload);
	free(workload);
}

static void crash_run(uint64_t seed, uint32_t operations, uint32_t recovery_once_in)
{
	struct workload *workload = workload_new(seed, false);

	workload->oracle.recovery_once_in = recovery_once_in;
	/* Some stores are older: their ring has been round. */
	if (seed % 8 == 0)
		workload->crash_once_in = UINT32_MAX;
	workload_begin(workload);
	if (seed % 8 == 0)
		workload_run(workload, 250);
	workload->crash_once_in = 1;
	workload_run(workload, operations);
	workload_drain(workload);
	workload_verify(workload, true);
	workload_delete(workload);
}

void case_crash(uint64_t seed)
{
	crash_run(seed, 60, 0);
}

void case_recovery(uint64_t seed)
{
	crash_run(seed, 12, 2);
}

/* ---- errors of the disk ----------------------------------------------- */

/* After a fault: what is durable is still there, now and after a restart. */
static void errors_aftermath(struct workload *workload)
{
	struct model *model = &workload->model;

	if (workload->disk.fault == DISK_FAULT_READ && workload->disk.fault_for_ever) {
		workload->disk.fault = DISK_FAULT_NONE;
	} else if (workload->engine.store && store_health(workload->engine.store) != STATUS_OK) {
		/* Read-only by itself: refuses to write, and says so. */
		void *data;
		enum status status =
			engine_page_write(&workload->engine, (page_t){model->page[0]}, &data);

		SIM_CHECK(status == STATUS_READ_ONLY || status == STATUS_IO,
			  "after a failed commit a page can still be written: %s",
			  status_text(status));
	}
	workload->disk.fault = DISK_FAULT_NONE;
	workload->faults = false;
	workload->broken = false;
	workload_power_cut(workload);
	oracle_compare_engine(&workload->engine, model, model->durable.content);
	workload_run(workload, 6);
	workload_commit_all(workload);
	workload_verify(workload, true);
}

/* True when the fault was hit, so that the next index is worth trying. */
static bool errors_run(uint64_t seed, enum disk_fault kind, uint64_t index, bool for_ever)
{
	struct workload *workload = workload_new(seed, false);
	bool hit;

	workload->crash_samples = 0;
	workload_begin(workload);
	workload->faults = true;
	memset(workload->disk.counts, 0, sizeof(workload->disk.counts));
	workload->disk.fault = kind;
	workload->disk.fault_index = index;
	workload->disk.fault_for_ever = for_ever;
	workload_run(workload, 30);
	if (!workload->broken)
		workload_commit_all(workload);
	hit = workload->disk.fault_hits != 0;
	if (hit) {
		sim_totals.io_failures++;
		errors_aftermath(workload);
	}
	workload_delete(workload);
	return hit;
}

void case_errors(uint64_t seed)
{
	for (int kind = DISK_FAULT_READ; kind <= DISK_FAULT_FLUSH; kind++)
		for (int for_ever = 0; for_ever <= 1; for_ever++)
			for (uint64_t index = 0;; index++) {
				sim_trace(" fault %d at %llu, for ever: %d", kind,
					  (unsigned long long)index, for_ever);
				if (!errors_run(seed, (enum disk_fault)kind, index, for_ever))
					break;
			}
}

/* ---- bit flips -------------------------------------------------------- */

/* A sector in which a changed bit must be noticed, mostly. */
static uint64_t flip_sector(struct workload *workload, struct verify *verify)
{
	struct sim_random *random = &workload->random;
	uint32_t dice = sim_random_below(random, 100);

	if (dice < 10)
		return sim_random_below(random, DISK_RING_SECTOR);
	if (dice < 25)
		return DISK_RING_SECTOR +
		       (uint64_t)sim_random_below(random, DISK_RING_SLOTS) * DISK_SLOT_SECTORS;
	for (uint32_t tries = 0; dice < 95 && tries < 1000; tries++) {
		uint64_t sector =
			DISK_DATA_SECTOR +
			sim_random_below(random, (uint32_t)(workload->sectors - DISK_DATA_SECTOR));

		if (verify_sector_used(verify, (sector_t){sector}))
			return sector;
	}
	return sim_random_below(random, (uint32_t)workload->sectors);
}

/* Each page is right or cannot be read; a page that is absent was never there. */
static void flip_compare(struct workload *workload, struct engine *engine, const uint32_t *content)
{
	struct model *model = &workload->model;

	for (uint32_t i = 0; i < model->pages; i++) {
		void *data = NULL;
		enum status status = engine_page_read(engine, (page_t){model->page[i]}, &data);

		if (status == STATUS_CORRUPT || status == STATUS_IO)
			continue;
		if (content[i] == CONTENT_ABSENT) {
			SIM_CHECK(status == STATUS_ABSENT, "page 0x%llx should be absent: %s",
				  (unsigned long long)model->page[i], status_text(status));
			continue;
		}
		SIM_CHECK(status == STATUS_OK, "page 0x%llx cannot be read: %s",
			  (unsigned long long)model->page[i], status_text(status));
		SIM_CHECK(model_content_matches(model, content[i], data),
			  "page 0x%llx has a wrong content", (unsigned long long)model->page[i]);
	}
}

/* Work goes on as far as the damage allows; what is readable stays right. */
static void flip_work(struct workload *workload, struct engine *engine,
		      const struct model_state *state)
{
	struct model *model = &workload->model;
	struct model_state *after = &workload->oracle.level[0].after;
	generation_t generation;

	*after = *state;
	for (uint32_t i = 0; i < 3; i++) {
		uint32_t index = sim_random_below(&workload->random, model->pages);
		void *data;

		if (engine_page_write(engine, (page_t){model->page[index]}, &data) != STATUS_OK)
			continue;
		after->content[index] = model_content_new(model, &workload->random);
		model_content_fill(model, after->content[index], data);
	}
	if (engine_commit_start(engine, STORE_ACTION_NONE, (snapshot_t){0}, NULL,
				workload->clock + 1, &generation) == STATUS_OK)
		(void)engine_settle(engine);
	flip_compare(workload, engine, after->content);
}

/* Must the verifier notice a changed bit in this sector?  Not in free sectors,
 * nor behind a record where a power cut may have left anything. */
static bool flip_matters(const struct workload *workload, const struct verify *verify,
			 uint64_t sector)
{
	uint64_t in_slot = (sector - DISK_RING_SECTOR) % DISK_SLOT_SECTORS;

	if (sector < DISK_RING_SECTOR)
		return true;
	if (sector < DISK_DATA_SECTOR)
		return in_slot == 0 || in_slot >= workload->write_unit / SECTOR_SIZE;
	return verify_sector_used(verify, (sector_t){sector});
}

static void flip_check(struct workload *workload, struct oracle_level *level, bool must_notice)
{
	struct oracle_findings findings;
	enum status status;
	struct verify *verify = oracle_verify(&level->image, true, &findings, &status);
	generation_t chosen = verify_totals_get(verify)->generation;
	const struct model_state *state;

	verify_close(verify);
	SIM_CHECK(!must_notice || findings.errors + findings.warnings,
		  "the verifier does not notice the changed bit");
	disk_attach(&level->disk, &level->image, workload->write_unit);
	level->disk.immediate = true;
	if (engine_mount(&level->engine, &level->disk) != STATUS_OK) {
		sim_totals.flips++;
		return;
	}
	SIM_CHECK(level->engine.recovery.generation.n == chosen.n,
		  "the engine recovers generation %llu, the verifier %llu",
		  (unsigned long long)level->engine.recovery.generation.n,
		  (unsigned long long)chosen.n);
	state = chosen.n == workload->model.durable.generation.n ? &workload->model.durable
								 : &workload->model.previous;
	SIM_CHECK(chosen.n == state->generation.n, "generation %llu was invented",
		  (unsigned long long)chosen.n);
	flip_compare(workload, &level->engine, state->content);
	if (sim_random_once_in(&workload->random, 4))
		flip_work(workload, &level->engine, state);
	engine_off(&level->engine);
	sim_totals.flips++;
}

void case_flip(uint64_t seed)
{
	struct workload *workload = workload_new(seed, false);
	struct oracle_level *level = &workload->oracle.level[0];
	struct oracle_findings findings;
	struct verify *verify;
	enum status status;

	workload->crash_samples = 0;
	workload_begin(workload);
	workload_run(workload, 40);
	workload_commit_all(workload);
	verify = oracle_verify(&workload->flat, true, &findings, &status);
	SIM_CHECK(findings.errors == 0, "the verifier says: %s", findings.first);
	for (uint32_t i = 0; i < 400; i++) {
		uint64_t sector = flip_sector(workload, verify);
		uint32_t bit = sim_random_below(&workload->random, SECTOR_SIZE * 8);

		image_reset(&level->image, &workload->flat);
		image_flip(&level->image, sector, bit);
		sim_trace(" flip sector %llu bit %u", (unsigned long long)sector, bit);
		flip_check(workload, level, flip_matters(workload, verify, sector));
	}
	verify_close(verify);
	workload_delete(workload);
}

/* ---- a full disk ------------------------------------------------------ */

void case_full(uint64_t seed)
{
	struct workload *workload = workload_new(seed, true);
	uint64_t refused = sim_totals.full_disks;

	workload->crash_samples = 2;
	workload->crash_once_in = 60;
	workload_begin(workload);
	workload->fill = true;
	for (uint32_t i = 0; i < 100 && sim_totals.full_disks < refused + 40; i++) {
		workload_run(workload, 20);
		workload_burst(workload, i % 4 == 0 ? 80 : 0);
	}
	SIM_CHECK(sim_totals.full_disks > refused, "the disk did not become full");
	/* All pages go, then all snapshots: everything is given back. */
	workload_drain(workload);
	workload_verify(workload, true);
	workload_delete(workload);
}
