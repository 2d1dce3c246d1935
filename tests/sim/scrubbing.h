/* SPDX-License-Identifier: MIT */
/*
 * scrubbing.h - scrubs beside everything else: they never take for damage what is
 * none, and find what is.
 */
#ifndef TESTS_SIM_SCRUBBING_H
#define TESTS_SIM_SCRUBBING_H

#include "tests/sim/workload.h"

/* Begins a scrub, or goes on with the one that has begun. */
void operation_scrub(struct workload *workload);
/* The same scrub, if there is one, a piece at a time between everything else. */
void workload_scrub(struct workload *workload, uint32_t pieces);

/* What a scrub from beginning to end found in a store at rest. */
struct scrub_findings {
	struct store_scrub scrub;
	uint32_t damages;
	struct store_damage first;
	uint64_t lowest, highest; /* sectors of damaged extents, where there are any */
};
/* False: it did not come to its end, because all memory is dirty. */
bool engine_scrub(struct engine *engine, struct scrub_findings *findings);

#endif
