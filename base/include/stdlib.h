/* SPDX-License-Identifier: MIT */
/*
 * stdlib.h - declared for xxhash.h only, whose allocating functions are never
 * called: nothing in freestanding code allocates.
 */
#ifndef BASE_INCLUDE_STDLIB_H
#define BASE_INCLUDE_STDLIB_H

#include <stddef.h>

void *malloc(size_t size);
void free(void *memory);

#endif
