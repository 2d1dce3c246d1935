/* SPDX-License-Identifier: MIT */
/*
 * operations.h - what the owner of a store does, one function for each: used with
 * random arguments by the workload and with chosen ones by the exhaustive mode.
 *
 * Pages and snapshots are named by their index in the model; an index of a
 * snapshot wraps around, and where there is none the operation does nothing.
 */
#ifndef TESTS_SIM_OPERATIONS_H
#define TESTS_SIM_OPERATIONS_H

#include "tests/sim/workload.h"

enum operation_content { OPERATION_ANY, OPERATION_NOISE, OPERATION_ZEROS };

/* Up to ENGINE_PAGES pages, which wrap around. */
void operation_write(struct workload *workload, uint32_t first, uint32_t count,
		     enum operation_content kind);
/* One page, with a content that the model knows. */
void operation_fill(struct workload *workload, uint32_t index, uint32_t content);
void operation_read(struct workload *workload, uint32_t index);
/* `count` page numbers, whether such pages exist or not. */
void operation_clear(struct workload *workload, uint32_t index, uint64_t count);

void operation_commit(struct workload *workload);
void operation_settle(struct workload *workload);
void operation_snapshot(struct workload *workload);
void operation_delete(struct workload *workload, uint32_t index);
void operation_restore(struct workload *workload, uint32_t index);
/* Any snapshot; now and then what it replaces is not kept. */
void operation_restore_any(struct workload *workload);

void operation_stop(struct workload *workload);
void operation_power_cut(struct workload *workload);
void operation_warm_restart(struct workload *workload);

#endif
