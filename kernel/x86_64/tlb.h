/* SPDX-License-Identifier: MIT */
/*
 * tlb.h - what this CPU remembers of the lower half's tables.
 *
 * Kept apart from root.c so that unit tests can put a model in its place.
 */
#ifndef KERNEL_X86_64_TLB_H
#define KERNEL_X86_64_TLB_H

#include <stdint.h>

/* Forgets one page, or the whole lower half, of a root if it is loaded. */
void tlb_invalidate(uint64_t root, uint64_t address);
void tlb_flush(uint64_t root);
/* Loads the kernel's own root if this one is loaded. */
void tlb_leave(uint64_t root);

#endif
