/* SPDX-License-Identifier: MIT */
/*
 * sim.h - what all parts of the simulator share: random numbers, the counters,
 * and how a failure is told.
 *
 * One seed determines a case: there are no threads, no clock and no real I/O in
 * it, so that the command printed with a failure repeats it exactly.
 */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include <stdbool.h>
#include <stdint.h>

/* ---- random numbers --------------------------------------------------- */

struct sim_random {
	uint64_t state;
};

static inline uint64_t sim_random_next(struct sim_random *random)
{
	uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* 0 .. below - 1. */
static inline uint32_t sim_random_below(struct sim_random *random, uint32_t below)
{
	return (uint32_t)((sim_random_next(random) >> 32) * below >> 32);
}

/* True once in `n` times. */
static inline bool sim_random_once_in(struct sim_random *random, uint32_t n)
{
	return sim_random_below(random, n) == 0;
}

/* ---- counters and failures -------------------------------------------- */

struct sim_totals {
	uint64_t crash_states;	   /* different images checked after a power cut */
	uint64_t recovery_crashes; /* of these, cut during a recovery */
	uint64_t io_failures;	   /* runs with an injected read, write or flush error */
	uint64_t outages;	   /* that passed: recovered from without a restart */
	uint64_t abandoned;	   /* commits that failed */
	uint64_t flips;		   /* images with one changed bit, answered rightly */
	uint64_t lies;		   /* lost, misdirected and old writes, answered rightly */
	uint64_t full_disks;	   /* operations refused because the disk was full */
	uint64_t fillings;	   /* free counts at which everything was tried */
	uint64_t memories;	   /* runs with a number of frames */
	uint64_t sequences;	   /* of operations, all of a length */
	uint64_t snapshots;	   /* most at once in a case, added up over the cases */
	uint64_t deltas;	   /* delta commits that became durable */
	uint64_t scrubs;	   /* that have come to their end */
	uint64_t discards;	   /* requests to discard */
	uint64_t commits, restores, deletes, remounts, warm_restarts, fall_backs;
	uint64_t verify_runs, mounts, pages_compared;
	uint64_t verify_whole;	  /* of these, without what was kept of other images */
	uint64_t verdicts_shared; /* images that the verifier would read as it read another */
	uint64_t mounts_shared;	  /* of these, not mounted: the other one was */
	uint64_t failures;
};
extern struct sim_totals sim_totals;

/*
 * Prints what is wrong, the seed and the command that repeats it, looks for the
 * shortest list of operations that fails in the same way, and ends the program
 * with exit code 1.
 */
__attribute__((noreturn, format(printf, 1, 2))) void sim_fail(const char *format, ...);

/* One line for people who look on (--verbose); detail for those who want to see
 * every image checked (--verbose twice). */
__attribute__((format(printf, 1, 2))) void sim_trace(const char *format, ...);
__attribute__((format(printf, 1, 2))) void sim_trace_detail(const char *format, ...);

/* ---- parts of a case -------------------------------------------------- */

/* Is the operation with this index to be carried out (--keep)? */
bool sim_turn(uint32_t turn);
/* What the operation is, for the list printed with a failure. */
__attribute__((format(printf, 1, 2))) void sim_operation(const char *format, ...);
/* Cases that try many variants of a thing number them: is this one to be tried
 * (--only)?  A failure then names it. */
bool sim_variant(uint64_t variant);
/* Is only one variant asked for, and which? */
bool sim_variant_only(uint64_t *variant);

#define SIM_CHECK(condition, ...)                                                                  \
	do {                                                                                       \
		if (!(condition))                                                                  \
			sim_fail(__VA_ARGS__);                                                     \
	} while (0)

/* Ends the run when its seconds are over, in the middle of a case if need be: what it
 * has checked until then counts.  Between images, variants and commits. */
void sim_deadline(void);

/* Memory, zeroed, 4096-aligned, never null. */
void *sim_allocate(uint64_t bytes);
/* The same, holding anything: for large memory that is written before it is read. */
void *sim_allocate_dirty(uint64_t bytes);

#endif
