/* SPDX-License-Identifier: MIT */
/*
 * workload.h - what happens to a store in a case: an owner that writes, clears,
 * reads, commits, takes, restores and deletes snapshots, and power that fails.
 */
#ifndef TESTS_SIM_WORKLOAD_H
#define TESTS_SIM_WORKLOAD_H

#include "tests/sim/disk.h"
#include "tests/sim/engine.h"
#include "tests/sim/model.h"
#include "tests/sim/oracle.h"

#define WORKLOAD_BORROWED 4u

struct workload {
	struct sim_random random;
	uint64_t seed;	  /* of the operations' random numbers */
	uint32_t turns;	  /* operations so far, those left out included */
	uint64_t sectors; /* of the disk: the store can grow to it */
	uint32_t write_unit;
	struct store_limits limits;
	uint32_t crash_samples; /* torn images at a flush; 0: check none at all */
	uint32_t crash_once_in; /* at this fraction of the flushes */
	uint64_t states_before; /* images checked before this case */
	bool faults;		/* errors of the disk are expected */
	bool lies;		/* and errors that the disk does not tell */
	bool broken;		/* one was seen, and only reading makes sense */
	bool stormy;		/* the disk fails for a while, again and again */
	uint32_t storms;	/* since the last commit that succeeded */
	bool calm;		/* writes and commits, no snapshots and no clears */
	bool at_once;		/* no operation may have to wait for a commit */
	bool fill;		/* write noise until the disk is full */
	uint64_t clock;		/* counters, never back */
	generation_t verified;	/* the last one that was, right after its commit */
	uint32_t names;		/* snapshots named so far */
	bool scrubbing;		/* a scrub has begun */
	struct store_scrub scrub;
	int pinned; /* index of the page that is pinned, -1: none */
	void *pinned_data;
	uint32_t borrowed; /* frames taken out of the cache */
	frame_t borrowed_frame[WORKLOAD_BORROWED];
	struct image flat;
	struct disk disk;
	struct engine engine;
	struct model model;
	struct oracle oracle;
};

/*
 * Everything of a case follows from the seed.  FULL and TINY are the smallest
 * stores there can be, their write unit follows from the seed being odd; FULL has
 * a universe of more pages than it can hold twice, TINY one of four, on both sides
 * of the border between two nodes.  SNAPSHOTS has few pages and room for many of
 * their states, DELTAS so many pages that their nodes make full commits dear.
 */
enum workload_size {
	WORKLOAD_RANDOM,
	WORKLOAD_FULL,
	WORKLOAD_TINY,
	WORKLOAD_SNAPSHOTS,
	WORKLOAD_DELTAS
};
struct workload *workload_new(uint64_t seed, enum workload_size size);
void workload_delete(struct workload *workload);
/* A store of its own that goes on from where this one is, mounted; with nothing in
 * flight or dirty here, which must stay as it is until the branch is deleted. */
struct workload *workload_branch(const struct workload *workload);

/* Formats and commits the first generation.  False: a fault came first. */
bool workload_begin(struct workload *workload);

/* Some operations, chosen at random. */
void workload_run(struct workload *workload, uint32_t operations);

/* The next operation begins, with random numbers of its own.  False: it is to be
 * left out. */
bool workload_turn(struct workload *workload);

/* Some steps of the engine and the disk, and what the owner does about them. */
void workload_step(struct workload *workload);

/* Many pages written for one commit. */
void workload_burst(struct workload *workload, uint32_t operations);

/* The disk with what is durable on it, and nothing mounted. */
void workload_power_on(struct workload *workload);

/* No commit in flight any more; what was in flight is acknowledged. */
void workload_settle(struct workload *workload);
/* Commits what is dirty, and every step of a deletion. */
void workload_commit_all(struct workload *workload);

/* Starts a commit.  False: refused, or broken. */
bool workload_commit(struct workload *workload, enum store_action action, snapshot_t number,
		     const char *name);
/* Takes note of what has become durable. */
void workload_observe(struct workload *workload);
/* True when the status is a fault of the disk that this case provokes. */
bool workload_fault_seen(struct workload *workload, enum status status);
/* After a restore every frame is stale: the owner forgets the store. */
void workload_restart_if_replaced(struct workload *workload);

/* Power cut: a random mixture of what was pending stays; mounts again. */
void workload_power_cut(struct workload *workload);
/* The system starts anew without a power cut. */
void workload_warm_restart(struct workload *workload);

/* Deletes every snapshot, waits until all is given back, verifies. */
void workload_drain(struct workload *workload);

/* All states that a power cut now may leave. */
void workload_expectation(struct workload *workload, struct expectation *expectation);

/* Verifies what is durable now against the model; with everything, the unused
 * parts of the ring's slots too. */
void workload_verify(struct workload *workload, bool everything);

/* The same, and the content of every snapshot. */
void workload_compare(struct workload *workload);

/* The cases, by mode. */
void case_crash(uint64_t seed);
void case_recovery(uint64_t seed);
void case_deltas(uint64_t seed);
void case_errors(uint64_t seed);
void case_outages(uint64_t seed);
void case_flip(uint64_t seed);
void case_lies(uint64_t seed);
void case_filling(uint64_t seed);
void case_memory(uint64_t seed);
void case_sequences(uint64_t seed);
void case_snapshots(uint64_t seed);
void case_full(uint64_t seed);

#endif
