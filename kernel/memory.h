/* SPDX-License-Identifier: MIT */
/*
 * memory.h - physical memory at boot.
 *
 * A few contiguous runs go to the store's tables, the task table and the drivers;
 * every other page of RAM is given to the store as a frame.
 */
#ifndef KERNEL_MEMORY_H
#define KERNEL_MEMORY_H

#include <stdbool.h>
#include <stdint.h>
#include "base/types.h"
#include "kernel/arch.h"
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

#endif
