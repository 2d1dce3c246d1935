/* SPDX-License-Identifier: MIT */
/*
 * snapshots.c - a thousand snapshots, with restores, deletions and writes between
 * them.
 *
 *   1. snapshots are taken until there are enough of them
 *   2. the owner goes back and forth between them, keeps some, deletes some
 *   3. some are deleted with the power cut at every flush of every step, and changes of
 *      the owner's between the steps
 *   4. all are deleted in any order, branch points included; the owner writes
 *      between the steps, and at each the power may go; the last ones as in 3.
 *
 * After every commit the verifier finds exactly the reachable sectors in use; now
 * and then every snapshot is compared with the model byte for byte.  In the end the
 * pages get the contents that they had in the beginning, and take as many sectors;
 * and with the pages cleared no extent of a page or a node is left.
 */
#include "tests/sim/operations.h"
#include "tests/sim/scrubbing.h"

#include <string.h>

#define SNAPSHOTS	1000u
#define OPERATIONS_MAX	20000u /* until there are so many */
#define WANDERING	300u   /* operations when there are */
#define COMPARE_EVERY	400u   /* operations between two comparisons of everything */
#define CUT_ONCE_IN	24u    /* flushes at which the power goes, in 1. and 2. */
#define CUT_ONCE_IN_END 8u     /* in 4. */
#define CUT_WHOLLY	3u     /* deletions of 3. */
#define CUT_WHOLLY_END	24u    /* the last ones of 4. */
#define STEP_VISITS	3u     /* so that these take many steps */
#define STEPS_MAX	5000u

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
	{15, operation_snapshot},    {34, write_some},
	{1, operation_scrub},	     {20, delete_any},
	{15, operation_restore_any}, {5, clear_some},
	{8, operation_commit},	     {1, operation_warm_restart},
	{1, operation_power_cut},
};

static const struct mixture ending[] = {
	{70, delete_any},
	{18, write_some},
	{4, clear_some},
	{5, operation_commit},
	{1, operation_scrub},
	{1, operation_power_cut},
	{1, operation_warm_restart},
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

/* ---- deletions cut at every flush --------------------------------------- */

/* In steps of so few visits, 0: of as many as in the rest of the case. */
static void steps_set(struct workload *workload, uint32_t visits)
{
	workload_commit_all(workload);
	workload->engine.limits.deletion_visits =
		visits ? visits : workload->limits.deletion_visits;
	operation_warm_restart(workload);
}

static bool branch_points(const struct workload *workload)
{
	struct store_snapshot snapshot = {.number = {0}};

	while (engine_snapshot_next((struct engine *)&workload->engine, snapshot.number,
				    &snapshot) == STATUS_OK)
		if (snapshot.flags & DISK_SNAPSHOT_BRANCH)
			return true;
	return false;
}

/* What it takes away is given back in steps, each a commit; the owner's changes go
 * between them.  Returns the steps. */
static uint32_t delete_cut_wholly(struct workload *workload)
{
	struct store_statistics statistics;
	uint32_t once_in = workload->crash_once_in, steps = 0;

	workload->states_before = sim_totals.crash_states;
	workload->crash_once_in = 1;
	delete_any(workload);
	workload_settle(workload);
	for (;; steps++) {
		SIM_CHECK(steps < STEPS_MAX, "a deletion does not end");
		store_statistics_get(workload->engine.store, &statistics);
		if (!statistics.dying.n)
			break;
		if (sim_random_once_in(&workload->random, 2))
			write_some(workload);
		else if (sim_random_once_in(&workload->random, 4))
			clear_some(workload);
		operation_commit(workload);
		workload_settle(workload);
	}
	workload->crash_once_in = once_in;
	return steps;
}

/* ---- the end -------------------------------------------------------------- */

static uint64_t page_sectors(struct workload *workload)
{
	struct oracle_findings findings;
	enum status status;
	struct verify *verify = oracle_verify(&workload->flat, true, &findings, &status);
	uint64_t sectors = verify_totals_get(verify)->page_sectors;

	SIM_CHECK(findings.errors == 0, "the verifier says: %s", findings.first);
	verify_close(verify);
	return sectors;
}

/* As in the beginning. */
static void contents_write(struct workload *workload, const uint32_t *content)
{
	struct model *model = &workload->model;

	operation_clear(workload, 0, STORE_CLEAR_PAGES);
	workload_commit_all(workload);
	for (uint32_t i = 0; i < model->pages; i++)
		if (content[i] != CONTENT_ABSENT)
			operation_fill(workload, i, content[i]);
	/* The last commit is a full one: it gives back what deltas have replaced. */
	operation_stop(workload);
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

/* Which are deleted is chance, and many take one step only: then some more. */
static void some_cut_wholly(struct workload *workload, uint32_t deletions)
{
	uint32_t steps = 0, done = 0;

	steps_set(workload, STEP_VISITS);
	while (done < deletions || (steps <= done && done < 20 * deletions)) {
		steps += delete_cut_wholly(workload);
		done++;
	}
	SIM_CHECK(steps > done, "%u deletions took %u steps: too few to be cut between them", done,
		  steps);
	steps_set(workload, 0);
}

/* False: most operations are left out. */
static bool grow(struct workload *workload)
{
	const struct model_state *state = &workload->model.durable;

	while (state->snapshots < SNAPSHOTS) {
		SIM_CHECK(workload->turns < OPERATIONS_MAX, "there are only %u snapshots",
			  state->snapshots);
		if (workload_turn(workload))
			mixture_run(workload, growing);
		else if (workload->turns == OPERATIONS_MAX / 2)
			return false;
	}
	return true;
}

void case_snapshots(uint64_t seed)
{
	struct workload *workload = workload_new(seed, WORKLOAD_SNAPSHOTS);
	const struct model_state *state = &workload->model.durable;
	uint32_t first[MODEL_PAGES];
	uint64_t sectors;
	bool whole;

	workload->crash_once_in = CUT_ONCE_IN;
	workload->crash_samples = 1;
	workload->oracle.subsets_max = 2;
	workload_begin(workload);
	memcpy(first, state->content, sizeof(first));
	sectors = page_sectors(workload);
	whole = grow(workload);
	sim_totals.snapshots += state->snapshots;
	workload_compare(workload);
	for (uint32_t i = 0; i < WANDERING; i++)
		if (workload_turn(workload))
			mixture_run(workload, wandering);
	workload_compare(workload);
	SIM_CHECK(!whole || branch_points(workload), "there are no branch points");
	if (whole)
		some_cut_wholly(workload, CUT_WHOLLY);
	workload->crash_once_in = CUT_ONCE_IN_END;
	while (state->snapshots > CUT_WHOLLY_END) {
		workload->turns++;
		mixture_run(workload, ending);
	}
	if (whole)
		some_cut_wholly(workload, state->snapshots);
	workload_drain(workload);
	contents_write(workload, first);
	SIM_CHECK(page_sectors(workload) == sectors,
		  "the pages of the beginning took %llu sectors, now they take %llu",
		  (unsigned long long)sectors, (unsigned long long)page_sectors(workload));
	nothing_left(workload);
	workload_delete(workload);
}
