/* SPDX-License-Identifier: MIT */
/*
 * mapping.h - the page tables of machines, and who maps what.
 *
 * Tables are frames borrowed from the store, so one policy decides what memory is used
 * for.  They are volatile (P3): who loses them pays the page faults that build them again.
 * What is withdrawn cannot be touched by anybody when the function returns, whatever it
 * costs afterwards.
 */
#ifndef KERNEL_MAPPING_H
#define KERNEL_MAPPING_H

#include <stdbool.h>
#include <stdint.h>
#include "base/types.h"
#include "kernel/task.h"
#include "store/store.h"

/* A range as objects/ gives it to a segment: naturally aligned, a power of two of pages.  All
 * pages of one are withdrawn from the same machines. */
struct mapping_range {
	uint64_t first, pages;
};

/* A range as a machine sees it. */
struct mapping_shown {
	struct mapping_range range;
	uint64_t further; /* so many pages behind where it is, modulo 2^64: in a window, or 0 */
	/* With which it is withdrawn when they end: banks (capability_banks), the view. */
	uint64_t banks;
	object_t view; /* through which it is seen; 0: none */
};

/* At boot: takes memory for so many tasks. */
void mapping_init(uint32_t tasks);
/* All are given up at once, and frames are forgotten: for a new store. */
void mapping_reset(void);

/* The task has page tables that may be entered; false: no frame, wait for FRAMES. */
bool mapping_root_ensure(struct task *task);
/* It has none any more; they are given back in steps. */
void mapping_root_destroy(struct task *task);
/* Gives some tables back; true: there are more. */
bool mapping_step(void);
/* The same at once, if need be those of a task that is not running; false: there are none. */
bool mapping_reclaim(void);

/* Maps a page of the range for the task; false: no frame, wait for FRAMES. */
bool mapping_add(struct task *task, const struct mapping_shown *shown, page_t page, frame_t frame,
		 unsigned flags);
/* Withdraws a page from every machine, and all of a range. */
void mapping_withdraw(page_t page);
void mapping_withdraw_range(const struct mapping_range *range);
/* What a machine sees at so many pages from this place on; what is seen there through the view,
 * which has this version, by every machine that looks through it. */
void mapping_withdraw_at(struct task *task, page_t place, uint64_t pages);
void mapping_withdraw_view(object_t view, uint64_t version, page_t place, uint64_t pages);
/* All that was mapped through the view, which has ended, or ends with others from now on. */
void mapping_withdraw_view_end(object_t view, uint64_t version);
/* All that was mapped of what ends with the bank of this version, or through the view, from every
 * machine.  Constant time; a root that has something of another with the same bit goes, too. */
void mapping_withdraw_bank(uint64_t version);
/* Was the page touched since last asked?  Where many use its range, only some are asked. */
bool mapping_referenced(page_t page);

#endif
