/* SPDX-License-Identifier: MIT */
/*
 * sequences.c - every sequence of three operations, from several beginnings, each
 * with a power cut at every flush.
 *
 * A case is a beginning and two operations, its variants are the third: which
 * follows from the seed.  What is shorter than three is the start of what is not.
 * Seeds from 1 to 5 * 18 * 18 are all there are with write units of 512 bytes, as
 * many again all with write units of 4096.
 */
#include "tests/sim/keeping.h"
#include "tests/sim/operations.h"

#define SAMPLES 4u /* torn images at each flush, beside every subset */

static void write_old(struct workload *workload)
{
	operation_write(workload, 0, 1, OPERATION_NOISE);
}

static void write_new(struct workload *workload)
{
	operation_write(workload, 2, 2, OPERATION_ANY);
}

static void write_zeros(struct workload *workload)
{
	operation_write(workload, 1, 1, OPERATION_ZEROS);
}

static void clear_some(struct workload *workload)
{
	operation_clear(workload, 0, 2);
}

static void clear_all(struct workload *workload)
{
	operation_clear(workload, 0, STORE_CLEAR_PAGES);
}

static void commit_and_wait(struct workload *workload)
{
	operation_commit(workload);
	workload_settle(workload);
}

static void restore_first(struct workload *workload)
{
	operation_restore(workload, 0);
}

static void restore_last(struct workload *workload)
{
	operation_restore(workload, workload->model.durable.snapshots - 1);
}

static void delete_first(struct workload *workload)
{
	operation_delete(workload, 0);
}

static void delete_last(struct workload *workload)
{
	operation_delete(workload, workload->model.durable.snapshots - 1);
}

typedef void (*operation_t)(struct workload *workload);

static const operation_t alphabet[] = {
	write_old,	  write_new,	       write_zeros,
	clear_some,	  clear_all,	       operation_commit,
	commit_and_wait,  operation_snapshot,  restore_first,
	restore_last,	  delete_first,	       delete_last,
	operation_rename, operation_retain,    operation_grow,
	operation_stop,	  operation_power_cut, operation_warm_restart,
};
#define LETTERS (sizeof(alphabet) / sizeof(alphabet[0]))

/* ---- beginnings ------------------------------------------------------- */

/* Two pages that exist are all. */
static void begin_plain(struct workload *workload)
{
	clear_all(workload);
	operation_write(workload, 0, 2, OPERATION_ANY);
	commit_and_wait(workload);
}

/* A snapshot, and what it keeps has changed. */
static void begin_snapshot(struct workload *workload)
{
	begin_plain(workload);
	operation_snapshot(workload);
	write_old(workload);
	commit_and_wait(workload);
}

/* Two snapshots from which the live state does not descend, one from which it
 * does, and their common parent. */
static void begin_branches(struct workload *workload)
{
	begin_snapshot(workload);
	operation_snapshot(workload);
	write_new(workload);
	operation_restore(workload, 0);
	write_old(workload);
	operation_snapshot(workload);
	write_zeros(workload);
	commit_and_wait(workload);
}

/* Half of a deletion is done. */
static void begin_dying(struct workload *workload)
{
	begin_branches(workload);
	operation_delete(workload, 1);
	workload_settle(workload);
	commit_and_wait(workload);
}

/* Several small commits in a row. */
static void begin_small_commits(struct workload *workload)
{
	begin_snapshot(workload);
	write_new(workload);
	commit_and_wait(workload);
	write_zeros(workload);
	commit_and_wait(workload);
	write_old(workload);
	commit_and_wait(workload);
}

static const operation_t beginnings[] = {begin_plain, begin_snapshot, begin_branches, begin_dying,
					 begin_small_commits};
#define BEGINNINGS (sizeof(beginnings) / sizeof(beginnings[0]))

/* ---- a sequence ------------------------------------------------------- */

static void sequence_run(const struct workload *from, const uint64_t *letter, uint64_t number)
{
	struct workload *workload = workload_branch(from);

	workload->random.state = workload->seed ^ (number + 1) * UINT64_C(0xd1342543de82ef95);
	workload->crash_samples = SAMPLES;
	workload->crash_once_in = 1;
	workload->oracle.recovery_once_in = 16;
	for (unsigned i = 0; i < 3; i++) {
		alphabet[letter[i]](workload);
		workload_step(workload);
	}
	workload_commit_all(workload);
	workload_verify(workload, true);
	workload_delete(workload);
	sim_totals.sequences++;
}

void case_sequences(uint64_t seed)
{
	uint64_t number = seed - 1;
	uint64_t letter[3] = {number / LETTERS % LETTERS, number % LETTERS};
	/* The beginning is the same for all seeds of it. */
	uint64_t beginning = number / LETTERS / LETTERS % BEGINNINGS;
	/* With one write unit, then with the other. */
	uint64_t round = number / LETTERS / LETTERS / BEGINNINGS;
	struct workload *workload = workload_new(2 * beginning + round % 2, WORKLOAD_TINY);

	workload->crash_samples = 0;
	workload_begin(workload);
	beginnings[beginning](workload);
	workload_settle(workload);
	workload->crash_samples = SAMPLES;
	for (letter[2] = 0; letter[2] < LETTERS; letter[2]++)
		if (sim_variant(letter[2]))
			sequence_run(workload, letter, number * LETTERS + letter[2]);
	workload_delete(workload);
}
