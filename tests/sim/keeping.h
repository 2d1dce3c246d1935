/* SPDX-License-Identifier: MIT */
/*
 * keeping.h - the owner's operations beside pages and the usual snapshots, each
 * mirrored in the model: rename, grow, and the rule for automatic snapshots.
 *
 * Which automatic snapshots there are is the engine's affair and not in the model;
 * that each holds what its generation held, the oracle checks.
 */
#ifndef TESTS_SIM_KEEPING_H
#define TESTS_SIM_KEEPING_H

#include "tests/sim/workload.h"

/* A snapshot gets another name; an automatic one is the owner's from then on. */
void operation_rename(struct workload *workload);
/* Another rule, of very short times. */
void operation_retain(struct workload *workload);
/* The store grows, at most to the end of the disk. */
void operation_grow(struct workload *workload);

/* No rule any more, no automatic snapshot, none dying. */
void operation_drain_automatic(struct workload *workload);

#endif
