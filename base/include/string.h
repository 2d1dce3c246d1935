/* SPDX-License-Identifier: MIT */
/*
 * string.h - the functions of memory that freestanding code may use.
 *
 * base/string.c has them; on the host the C library's header is found instead of
 * this one.
 */
#ifndef BASE_INCLUDE_STRING_H
#define BASE_INCLUDE_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *one, const void *other, size_t size);
size_t strlen(const char *text);

/* Freestanding, the compiler takes these for functions like any other; by these names it
 * knows what they do, and where the size is constant a few instructions take their place. */
#define memcpy(to, from, size)	 __builtin_memcpy(to, from, size)
#define memmove(to, from, size)	 __builtin_memmove(to, from, size)
#define memset(to, value, size)	 __builtin_memset(to, value, size)
#define memcmp(one, other, size) __builtin_memcmp(one, other, size)
#define strlen(text)		 __builtin_strlen(text)

#endif
