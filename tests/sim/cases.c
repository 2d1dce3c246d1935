/* SPDX-License-Identifier: MIT */
/*
 * cases.c - one case per mode, each wholly determined by its seed.
 *
 *   crash     random work, every flush is a power cut many times over
 *   recovery  the same, and the recoveries are cut as well, two deep
 *   deltas    a long list of changed pages, at the end as long as there is room for
 *   errors    a failing read, write or flush at every index, once and for ever
 *   outages   disks that fail, stall or are reset for a while
 *   full      a disk filled to the last block, deletions when full included
 */
#include "tests/sim/operations.h"
#include "tests/sim/workload.h"

#include <stdlib.h>
#include <string.h>

static void crash_run(uint64_t seed, uint32_t operations, uint32_t recovery_once_in)
{
	struct workload *workload = workload_new(seed, WORKLOAD_RANDOM);

	workload->oracle.recovery_once_in = recovery_once_in;
	/* Each of these is many more. */
	if (recovery_once_in)
		workload->oracle.subsets_max = 5;
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

/* ---- deltas ----------------------------------------------------------- */

/* Writes and commits and little else: one delta after the other, until their list
 * is as long as it can be. */
void case_deltas(uint64_t seed)
{
	struct workload *workload = workload_new(seed, WORKLOAD_DELTAS);

	workload->calm = true;
	workload->crash_samples = 2;
	workload->crash_once_in = 16;
	workload->oracle.subsets_max = 4;
	workload_begin(workload);
	workload_run(workload, 250);
	/* From many small ones to few large ones. */
	for (uint32_t i = 0; i < 24; i++)
		workload_burst(workload, 2 + i);
	workload->calm = false;
	workload->crash_once_in = 2;
	workload_run(workload, 25);
	workload_drain(workload);
	workload_verify(workload, true);
	workload_delete(workload);
}

/* ---- errors of the disk ----------------------------------------------- */

/* Reads that failed are told to whoever asks next, once: until nobody is told any more. */
static void failures_hear(struct workload *workload)
{
	struct engine *engine = &workload->engine;
	uint32_t passes = 0, told;

	do {
		struct store_snapshot snapshot = {.number = {0}};
		page_t next = {0};
		enum status status;

		SIM_CHECK(passes++ < 1000, "reads fail though the disk is well again");
		told = 0;
		do {
			status = engine_page_next(engine, next, &next);
			told += status == STATUS_IO;
			next.n++;
		} while (status == STATUS_OK);
		do {
			status = engine_snapshot_next(engine, snapshot.number, &snapshot);
			told += status == STATUS_IO;
		} while (status == STATUS_OK || status == STATUS_IO);
		told += engine_snapshot_find(engine, "nobody", &snapshot) == STATUS_IO;
	} while (told);
	for (uint32_t i = 0; i < workload->model.pages; i++)
		operation_read(workload, i);
}

/* The disk is well again: everything is committed, without a restart, and holds what
 * the owner has written. */
static void disk_recovers(struct workload *workload)
{
	struct model *model = &workload->model;

	workload->disk.fault = DISK_FAULT_NONE;
	disk_calm(&workload->disk);
	workload_commit(workload, STORE_ACTION_NONE, (snapshot_t){0}, NULL);
	workload_commit_all(workload);
	SIM_CHECK(!store_dirty(workload->engine.store) &&
			  store_health(workload->engine.store) == STATUS_OK,
		  "the disk is well again and the store is not: %s",
		  status_text(store_health(workload->engine.store)));
	failures_hear(workload);
	workload->faults = false;
	SIM_CHECK(memcmp(model->working, model->durable.content, sizeof(model->working)) == 0,
		  "what was written while the disk was away is not in the commit after it");
	oracle_compare_engine(&workload->engine, model, model->durable.content);
	workload_verify(workload, true);
}

static void errors_aftermath(struct workload *workload)
{
	struct model *model = &workload->model;

	if (workload->broken) {
		/* It could not even be mounted. */
		workload->disk.fault = DISK_FAULT_NONE;
		workload->faults = workload->broken = false;
	} else {
		disk_recovers(workload);
	}
	workload_power_cut(workload);
	oracle_compare_engine(&workload->engine, model, model->durable.content);
	workload_run(workload, 6);
	workload_commit_all(workload);
	workload_verify(workload, true);
}

/* True when the fault was hit, so that the next index is worth trying. */
static bool errors_run(uint64_t seed, uint64_t variant)
{
	struct workload *workload = workload_new(seed, WORKLOAD_RANDOM);
	bool hit;

	sim_trace(" variant 0x%llx", (unsigned long long)variant);
	workload->crash_samples = 0;
	workload_begin(workload);
	workload->faults = true;
	memset(workload->disk.counts, 0, sizeof(workload->disk.counts));
	workload->disk.fault = (enum disk_fault)(variant >> 32);
	workload->disk.fault_index = variant & 0x7fffffff;
	workload->disk.fault_for_ever = variant >> 31 & 1;
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
	uint64_t only;

	if (sim_variant_only(&only)) {
		(void)sim_variant(only);
		errors_run(seed, only);
		return;
	}
	for (uint64_t kind = DISK_FAULT_READ; kind <= DISK_FAULT_FLUSH; kind++)
		for (uint64_t for_ever = 0; for_ever <= 1; for_ever++)
			for (uint64_t index = 0;; index++) {
				uint64_t variant = kind << 32 | for_ever << 31 | index;

				(void)sim_variant(variant);
				if (!errors_run(seed, variant))
					break;
			}
}

/* ---- errors that pass ------------------------------------------------------ */

/* Failing, stalling and being reset, for a while and again and again; the power goes,
 * too; and in between everything is made durable without a restart. */
void case_outages(uint64_t seed)
{
	struct workload *workload = workload_new(seed, WORKLOAD_RANDOM);

	workload->crash_samples = 3;
	workload->crash_once_in = 4;
	workload->oracle.subsets_max = 4;
	workload_begin(workload);
	for (uint32_t i = 0; i < 4; i++) {
		workload->faults = workload->stormy = true;
		workload_run(workload, 40);
		disk_recovers(workload);
	}
	workload->stormy = false;
	workload_drain(workload);
	workload_verify(workload, true);
	workload_delete(workload);
}

/* ---- a full disk ------------------------------------------------------ */

void case_full(uint64_t seed)
{
	struct workload *workload = workload_new(seed, WORKLOAD_FULL);
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
