/* SPDX-License-Identifier: MIT */
/*
 * memory.c - memory and string functions, with the names and meanings that
 * <string.h> declares.  The compiler calls some of them by itself.
 *
 * Copying is done by the string instructions of the CPU: short, and a power cut
 * in the middle resumes at the byte where it was.
 */
#include <stdint.h>
#include <string.h>

void *memcpy(void *restrict to, const void *restrict from, size_t length)
{
	void *result = to;
	size_t words = length / 8, rest = length % 8;

	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(rest) : : "memory");
	return result;
}

/* The compiler must not turn these loops into calls of the functions they are in. */
__attribute__((optimize("no-tree-loop-distribute-patterns"))) void *
memmove(void *to, const void *from, size_t length)
{
	uint8_t *bytes = to;
	const uint8_t *source = from;

	if ((uintptr_t)to - (uintptr_t)from >= length)
		return memcpy(to, from, length);
	/* The target begins inside the source: from the end downwards. */
	while (length > 0) {
		length--;
		bytes[length] = source[length];
	}
	return to;
}

void *memset(void *to, int value, size_t length)
{
	void *result = to;
	uint64_t pattern = (uint8_t)value * UINT64_C(0x0101010101010101);
	size_t words = length / 8, rest = length % 8;

	__asm__ volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(pattern) : "memory");
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(rest) : "a"(pattern) : "memory");
	return result;
}

int memcmp(const void *left, const void *right, size_t length)
{
	const uint8_t *a = left, *b = right;

	for (size_t i = 0; i < length; i++)
		if (a[i] != b[i])
			return a[i] < b[i] ? -1 : 1;
	return 0;
}

__attribute__((optimize("no-tree-loop-distribute-patterns"))) size_t strlen(const char *text)
{
	size_t length = 0;

	while (text[length] != '\0')
		length++;
	return length;
}
