/* SPDX-License-Identifier: MIT */
/*
 * heap.h - memory for a program, in a segment of its own (SLOT_HEAP).
 *
 * The segment is made from SLOT_BANK at the first allocation and grows as needed.
 * What is in it is persistent like everything else: pointers stay valid over
 * reboots.  Releasing an address that was not handed out ends the program.
 */
#ifndef USER_LIB_HEAP_H
#define USER_LIB_HEAP_H

#include <stdbool.h>
#include <stddef.h>

/* Address space set aside for the heap; a smaller one placed into SLOT_HEAP
 * beforehand is used as it is. */
#define HEAP_SIZE_MAX ((size_t)1 << 30)

/* 16-byte aligned, of undefined content; null when the allowance is used up. */
void *heap_allocate(size_t size);
void heap_release(void *memory);
/* After a fault within the heap: it is begun anew, and all that was handed out is gone. */
void heap_forget(void);
/* Null, and the old memory stays, if there is no room. */
void *heap_resize(void *memory, size_t size);
/* Do all invariants hold? */
bool heap_check(void);
size_t heap_used(void);

#endif
