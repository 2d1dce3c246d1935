/* SPDX-License-Identifier: MIT */
/*
 * heap_core.h - an allocator over one growing range of memory.  Pure code.
 *
 *   base                                                       base + size
 *   +--------+---------+--------+---------------+------- - - - ---+--------+
 *   | header | payload | header | free: links   |                 | end    |
 *   +--------+---------+--------+---------------+------- - - - ---+--------+
 *
 * Blocks follow one another; each header tells its block's size and that of the
 * block before it.  Free blocks hang in lists by power of two of their size; two
 * free blocks never touch.  The range ends with a header of size 16 that is
 * always in use.  Everything lies in the range or in struct heap, so that a heap
 * in persistent memory simply goes on.
 */
#ifndef USER_LIB_HEAP_CORE_H
#define USER_LIB_HEAP_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEAP_BINS  40u
#define HEAP_ALIGN 16u
#define HEAP_STEP  65536u /* bytes: the range grows by multiples of this */

struct heap_block;
struct heap {
	uint8_t *base;
	size_t size, limit; /* bytes in use, at most */
	size_t used;	    /* bytes in blocks handed out, headers included */
	/* Makes `size` bytes from base usable, zeroed or not; false: cannot. */
	bool (*grow)(struct heap *heap, size_t size);
	struct heap_block *bin[HEAP_BINS];
};

/* An empty range; base is 16-byte aligned, nothing is touched yet. */
void heap_core_init(struct heap *heap, void *base, size_t limit,
		    bool (*grow)(struct heap *heap, size_t size));
/* 16-byte aligned memory of undefined content; null when there is no more. */
void *heap_core_allocate(struct heap *heap, size_t size);
/* False, and nothing done, when the address was not handed out by this heap or its
 * header was overwritten.  Null is fine. */
bool heap_core_release(struct heap *heap, void *memory);
/* Moves the content if it must; null, and the old block stays, if it cannot or the
 * address is not valid. */
void *heap_core_resize(struct heap *heap, void *memory, size_t size);
/* Walks all blocks and lists: does every invariant hold? */
bool heap_core_check(const struct heap *heap);

#endif
