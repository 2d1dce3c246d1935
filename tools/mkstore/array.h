/* SPDX-License-Identifier: MIT */
/*
 * array.h - arrays that grow.
 */
#ifndef TOOLS_MKSTORE_ARRAY_H
#define TOOLS_MKSTORE_ARRAY_H

#include <stddef.h>
#include <stdlib.h>
#include "base/assert.h"

/* The array of `count` items, moved if it was full, with room for one more.  Null: memory is
 * short, and the array is as it was. */
static inline void *array_grow(void *array, size_t item_bytes, size_t count, size_t *room)
{
	size_t more = 2 * *room + 64;
	void *moved;

	ASSERT(count <= *room);
	if (count < *room)
		return array;
	moved = realloc(array, more * item_bytes);
	if (moved)
		*room = more;
	return moved;
}

#endif
