/* SPDX-License-Identifier: MIT */
/*
 * stack.c - what a Linux program finds on its stack when it begins.  Interface in linux.h.
 */
#include "user/programs/linux/linux.h"

#include <cpuid.h>
#include <string.h>
#include "user/lib/service.h"

enum {
	AT_NULL = 0,
	AT_PHDR = 3,
	AT_PHENT = 4,
	AT_PHNUM = 5,
	AT_PAGESZ = 6,
	AT_BASE = 7,
	AT_FLAGS = 8,
	AT_ENTRY = 9,
	AT_UID = 11,
	AT_EUID = 12,
	AT_GID = 13,
	AT_EGID = 14,
	AT_PLATFORM = 15,
	AT_CLKTCK = 17,
	AT_SECURE = 23,
	AT_RANDOM = 25,
	AT_EXECFN = 31,
};

#define RDRAND_TRIES 16u /* it may have none for a moment */

bool random_bytes(void *to, size_t bytes)
{
	unsigned a, b, c = 0, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_RDRND))
		return false;
	for (size_t done = 0, part; done < bytes; done += part) {
		uint64_t value = 0;
		uint8_t good = 0;

		for (unsigned i = 0; i < RDRAND_TRIES && !good; i++)
			__asm__ volatile("rdrand %0; setc %1" : "+r"(value), "=qm"(good) : : "cc");
		if (!good)
			return false;
		part = bytes - done < sizeof(value) ? bytes - done : sizeof(value);
		memcpy((uint8_t *)to + done, &value, part);
	}
	return true;
}

/* For the guards of its stack and its heap; where the processor gives none, only the time, which
 * can be guessed. */
static void random_start(uint64_t seed[2])
{
	if (!random_bytes(seed, 2 * sizeof(seed[0])))
		clock_now(&seed[0], &seed[1]);
}

static bool put(uint64_t *top, const void *bytes, uint64_t length)
{
	*top -= length;
	return memory_write(*top, bytes, length);
}

static bool put_strings(uint64_t *top, const struct strings *strings, uint64_t *place)
{
	for (unsigned i = 0; i < strings->count; i++) {
		if (!put(top, strings->text[i], strlen(strings->text[i]) + 1))
			return false;
		place[i] = *top;
	}
	place[strings->count] = 0;
	return true;
}

enum status stack_fill(const struct image *image, const struct strings *arguments,
		       const struct strings *environment, uint64_t *top)
{
	static const char platform[] = "x86_64";
	uint64_t words[2 * LINUX_STRINGS + 3], seed[2] = {0}, random, name, count;
	uint64_t *further = words + 1 + arguments->count + 1;

	*top = LINUX_STACK_TOP - 8;
	words[0] = arguments->count;
	if (!memory_stack_grows(*top) || !put_strings(top, arguments, words + 1) ||
	    !put_strings(top, environment, further) || !put(top, platform, sizeof(platform)))
		return STATUS_ALLOWANCE;
	name = *top;
	random_start(seed);
	if (!put(top, seed, sizeof(seed)))
		return STATUS_ALLOWANCE;
	random = *top;

	const uint64_t auxiliary[][2] = {
		{AT_PHDR, image->headers},
		{AT_PHENT, 56},
		{AT_PHNUM, image->header_count},
		{AT_PAGESZ, PAGE_SIZE},
		{AT_BASE, 0},
		{AT_FLAGS, 0},
		{AT_ENTRY, image->entry},
		{AT_UID, 0},
		{AT_EUID, 0},
		{AT_GID, 0},
		{AT_EGID, 0},
		{AT_PLATFORM, name},
		{AT_CLKTCK, 100},
		{AT_SECURE, 0},
		{AT_RANDOM, random},
		{AT_EXECFN, words[1]},
		{AT_NULL, 0},
	};

	count = 1 + arguments->count + 1 + environment->count + 1;
	*top = (*top & ~UINT64_C(15)) - (count % 2) * sizeof(words[0]);
	if (!put(top, auxiliary, sizeof(auxiliary)) || !put(top, words, count * sizeof(words[0])))
		return STATUS_ALLOWANCE;
	return STATUS_OK;
}
