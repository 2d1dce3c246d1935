/* SPDX-License-Identifier: MIT */
/*
 * oracle.h - what must hold after a power cut, checked on every image.
 *
 *   1. the recovered generation is the last acknowledged one or one in flight
 *   2. every page equals the model at that generation
 *   3. every snapshot equals the model
 *   4. sectors are accounted for exactly (the independent verifier)
 *   5. the store mounts, takes writes, commits, mounts again
 *
 * A recovery can be cut as well, and the recovery from that: each depth has its
 * own engine, disk and image.
 */
#ifndef TESTS_SIM_ORACLE_H
#define TESTS_SIM_ORACLE_H

#include "tests/sim/disk.h"
#include "tests/sim/engine.h"
#include "tests/sim/model.h"
#include "tests/sim/verdict.h"

#define ORACLE_DEPTH  3u
#define ORACLE_IMAGES 4200u /* every subset of 12 writes and the samples beside them */

struct oracle;

struct oracle_level {
	struct oracle *oracle;
	uint32_t depth;
	struct engine engine;
	struct disk disk;
	struct image image;
	struct cut cut;
	uint64_t seen[ORACLE_IMAGES]; /* fingerprints of the images of this crash */
	uint32_t seen_count;
	struct expectation expectation; /* while this level's recovery runs */
	struct model_state after;	/* what its aftermath commits */
	generation_t torn;		/* fallen back from; 0: none */
	bool mounted;			/* an image like this one, and that is enough */
	generation_t largest;		/* number spent in the ring */
};

struct oracle {
	struct sim_random *random;
	uint32_t write_unit;
	uint32_t subsets_max;	    /* pending writes of which every subset is tried */
	uint32_t recovery_once_in;  /* cut this fraction of the recoveries; 0: none */
	uint32_t aftermath_once_in; /* go on working after this fraction */
	struct verdicts verdicts;   /* of the crash that is being looked at */
	struct oracle_level level[ORACLE_DEPTH];
};

/* In zeroed memory. */
void oracle_create(struct oracle *oracle, uint64_t sectors, const struct store_limits *limits,
		   struct sim_random *random);
void oracle_free(struct oracle *oracle);

/* Checks what `disk` may hold after a power cut now: every subset of up to 12
 * pending writes, and at most `samples` torn or larger ones. */
void oracle_check_cuts(struct oracle *oracle, const struct disk *disk,
		       const struct expectation *expectation, uint32_t depth, uint32_t samples);

/* One cut, chosen at random, left in the image: for workloads that go on. */
void oracle_cut_random(struct oracle *oracle, const struct disk *disk, struct image *image);

/* The content of a mounted engine's live space against a state. */
void oracle_compare_engine(struct engine *engine, const struct model *model,
			   const uint32_t *content);
void oracle_compare_snapshots(struct engine *engine, const struct model_state *state);

#endif
