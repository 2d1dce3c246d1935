/* SPDX-License-Identifier: MIT */
/*
 * string.h - the functions of memory that freestanding code may use.
 *
 * The kernel and every program bring their own implementation; on the host
 * the C library's header is found instead of this one.
 */
#ifndef KERNEL_INCLUDE_STRING_H
#define KERNEL_INCLUDE_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *one, const void *other, size_t size);
size_t strlen(const char *text);

#endif
