/* SPDX-License-Identifier: MIT */
/*
 * string.c - the functions of memory, for the kernel and for programs.
 *
 * Plain loops of 8 bytes: what is moved is pages and small records, the kernel has no
 * vector registers, and string instructions are slow under emulation.
 */
#include <string.h>
#include <stdint.h>

/* The compiler must not turn these loops into calls of themselves. */
#pragma GCC optimize("no-tree-loop-distribute-patterns")

/* Unaligned and of any type. */
typedef uint64_t word __attribute__((may_alias, aligned(1)));
#define WORD sizeof(word)

static void copy_up(uint8_t *to, const uint8_t *from, size_t size)
{
	for (; size >= 4 * WORD; size -= 4 * WORD, to += 4 * WORD, from += 4 * WORD) {
		uint64_t a = ((const word *)from)[0], b = ((const word *)from)[1];
		uint64_t c = ((const word *)from)[2], d = ((const word *)from)[3];
		((word *)to)[0] = a;
		((word *)to)[1] = b;
		((word *)to)[2] = c;
		((word *)to)[3] = d;
	}
	for (; size >= WORD; size -= WORD, to += WORD, from += WORD)
		*(word *)to = *(const word *)from;
	for (; size > 0; size--)
		*to++ = *from++;
}

void *(memcpy)(void *restrict to, const void *restrict from, size_t size)
{
	copy_up(to, from, size);
	return to;
}

void *(memmove)(void *to, const void *from, size_t size)
{
	uint8_t *t = to;
	const uint8_t *f = from;

	if ((uintptr_t)t - (uintptr_t)f >= size) {
		copy_up(t, f, size);
		return to;
	}
	for (; size >= WORD; size -= WORD)
		*(word *)(t + size - WORD) = *(const word *)(f + size - WORD);
	for (; size > 0; size--)
		t[size - 1] = f[size - 1];
	return to;
}

void *(memset)(void *to, int value, size_t size)
{
	uint64_t pattern = UINT64_C(0x0101010101010101) * (uint8_t)value;
	uint8_t *t = to;

	for (; size >= 4 * WORD; size -= 4 * WORD, t += 4 * WORD) {
		((word *)t)[0] = pattern;
		((word *)t)[1] = pattern;
		((word *)t)[2] = pattern;
		((word *)t)[3] = pattern;
	}
	for (; size >= WORD; size -= WORD, t += WORD)
		*(word *)t = pattern;
	for (; size > 0; size--)
		*t++ = (uint8_t)value;
	return to;
}

int(memcmp)(const void *one, const void *other, size_t size)
{
	const uint8_t *a = one, *b = other;

	for (; size >= WORD && *(const word *)a == *(const word *)b; size -= WORD) {
		a += WORD;
		b += WORD;
	}
	for (; size > 0; size--, a++, b++)
		if (*a != *b)
			return *a - *b;
	return 0;
}

size_t(strlen)(const char *text)
{
	size_t length = 0;

	while (text[length] != '\0')
		length++;
	return length;
}
