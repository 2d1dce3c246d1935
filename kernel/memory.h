/* SPDX-License-Identifier: MIT */
/*
 * memory.h - physical memory, and the page tables of machines.
 *
 * At boot a few contiguous runs go to the store's tables, the task table and
 * the drivers; every other page of RAM is given to the store as a frame.  Page
 * tables are frames borrowed back from the store, so one policy decides what
 * memory is used for, and tables can be dropped whenever memory is short.
 */
#ifndef KERNEL_MEMORY_H
#define KERNEL_MEMORY_H

#include <stdbool.h>
#include <stdint.h>
#include "base/types.h"
#include "kernel/arch.h"
#include "kernel/task.h"
#include "store/store.h"

/* Boot: contiguous zeroed pages that are never given back; panics when memory
 * is too short, which memory_init has excluded. */
void memory_init(const struct arch_boot *boot);
void *memory_boot_take(uint64_t bytes);
void *memory_boot_take_dirty(uint64_t bytes); /* not zeroed: first touches cost time */
/* Everything that is left, as frames; returns how many.  Frame n is physical
 * page n, so frame_base is arch_direct(0). */
uint64_t memory_frames(void);
/* Gives the store at most so many more of them; false: all are given.  The first
 * few are enough to begin with; reset begins again for a new store. */
bool memory_donate(struct store *store, uint64_t frames);
void memory_donate_reset(void);
uint64_t memory_boot_bytes(void); /* taken so far */

/* Page tables. */
bool memory_root_ensure(struct task *task); /* false: no frame; wait for FRAMES */
void memory_root_destroy(struct task *task);
void memory_roots_destroy(void); /* of all tasks */
/* Maps the page for the task; false as above. */
bool memory_map(struct task *task, page_t page, frame_t frame, unsigned flags);
/* Maps the one page of zeros, read-only. */
bool memory_map_zero(struct task *task, page_t page, unsigned flags);
/* Withdraws a page, or a run, from every machine. */
void memory_unmap(page_t page);
void memory_unmap_run(page_t first, uint64_t pages);
bool memory_referenced(page_t page);
/* Tables of a task that is not running are given back; false: there are none. */
bool memory_tables_reclaim(void);

#endif
