/* SPDX-License-Identifier: MIT */
/*
 * snapshots.c - a thousand snapshots, with restores, deletions and writes between
 * them.
 *
 *   1. snapshots are taken until there are enough of them
 *   2. the owner goes back and forth between them, keeps some, deletes some
 *   3. all are deleted in any order, branch points included; the owner writes
 *      between the steps, and at each the power may go
 *
 * After every commit the verifier finds exactly the reachable sectors in use; now
 * and then every snapshot is compared with the model byte for byte.  In the end,
 * with the pages cleared, no extent of a page or a node is left.
 */
#include "tests/sim/operations.h"

#define SNAPSHOTS	1000u
#define OPERATIONS_MAX	20000u /* until there are so many */
#define WANDERING	300u   /* operations when there are */
#define COMPARE_EVERY	400u   /* operations between two comparisons of everything */
#define CUT_ONCE_IN	24u    /* flushes at which the power goes, in 1. and 2. */
#define CUT_ONCE_IN_END 8u     /* in 3. */

static void write_some(struct workload *workload)
{
	operation_write(workload, sim_random_below(&workload->random, workload->model.pages),
			1 + sim_random_below(&workload->random, ENGINE_PAGES), OPERATION_ANY);
}

static void delete_any(struct workload *workload)
{
	operation_delete(workload, (uint32_t)sim_random_next(&workload->random));
}

static void clear_some(struct workload *workload)
{
	operation_clear(workload, sim_random_below(&workload->random, workload->model.pages),
			1 + sim_random_below(&workload->random, 4));
}

struct mixture {
	uint32_t weight;
	void (*run)(struct workload *workload);
};

static const struct mixture growing[] = {
	{40, operation_snapshot},   {48, write_some}, {4, delete_any},
	{3, operation_restore_any}, {3, clear_some},  {2, operation_commit},
};

static const struct mixture wandering[] = {
	{15, operation_snapshot},    {35, write_some},	       {20, delete_any},
	{15, operation_restore_any}, {5, clear_some},	       {8, operation_commit},
	{1, operation_warm_restart}, {1, operation_power_cut},
};

static const struct mixture ending[] = {
	{70, delete_any},
	{20, write_some},
	{4, clear_some},
	{6, operation_commit},
};

static void mixture_run(struct workload *workload, const struct mixture *mixture)
{
	uint32_t dice = sim_random_below(&workload->random, 100);

	for (; dice >= mixture->weight; mixture++)
		dice -= mixture->weight;
	mixture->run(workload);
	workload_step(workload);
	workload_settle(workload);
	if (workload->turns % COMPARE_EVERY == 0)
		workload_compare(workload);
}

/* Nothing of pages and nodes is left. */
static void nothing_left(struct workload *workload)
{
	struct oracle_findings findings;
	const struct verify_totals *totals;
	enum status status;
	struct verify *verify;

	operation_clear(workload, 0, STORE_CLEAR_PAGES);
	workload_commit_all(workload);
	verify = oracle_verify(&workload->flat, true, &findings, &status);
	totals = verify_totals_get(verify);
	SIM_CHECK(findings.errors == 0, "the verifier says: %s", findings.first);
	SIM_CHECK(totals->snapshots == 0 && totals->pages == 0 && totals->page_sectors == 0 &&
			  totals->node_sectors == 0,
		  "when all is deleted %llu snapshots, %llu pages, %llu sectors of pages and %llu "
		  "of nodes are left",
		  (unsigned long long)totals->snapshots, (unsigned long long)totals->pages,
		  (unsigned long long)totals->page_sectors,
		  (unsigned long long)totals->node_sectors);
	verify_close(verify);
}

void case_snapshots(uint64_t seed)
{
	struct workload *workload = workload_new(seed, WORKLOAD_SNAPSHOTS);
	const struct model_state *state = &workload->model.durable;

	workload->crash_once_in = CUT_ONCE_IN;
	workload->crash_samples = 1;
	workload->oracle.subsets_max = 2;
	workload_begin(workload);
	while (state->snapshots < SNAPSHOTS) {
		SIM_CHECK(workload->turns < OPERATIONS_MAX, "there are only %u snapshots",
			  state->snapshots);
		if (workload_turn(workload))
			mixture_run(workload, growing);
		else if (workload->turns == OPERATIONS_MAX / 2)
			break; /* most operations are left out */
	}
	sim_totals.snapshots += state->snapshots;
	workload_compare(workload);
	for (uint32_t i = 0; i < WANDERING; i++)
		if (workload_turn(workload))
			mixture_run(workload, wandering);
	workload_compare(workload);
	workload->crash_once_in = CUT_ONCE_IN_END;
	while (state->snapshots) {
		workload->turns++;
		mixture_run(workload, ending);
	}
	workload_drain(workload);
	nothing_left(workload);
	workload_delete(workload);
}
