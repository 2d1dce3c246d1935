/* SPDX-License-Identifier: MIT */
/*
 * unpack.c - LZ4's decoder, which remembers what it has unpacked.
 *
 * Thousands of images have most extents in common, and store and verifier unpack them on
 * each.  What the library makes of some bytes is the same every time: bytes that are, each
 * of them, those of an earlier call are not given to it again.  The store's and the
 * verifier's calls come here instead of to the library.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <lz4.h>
#include <string.h>
#include "disk/format.h"
#include "tests/sim/sim.h"

#define PLACES 2048u /* 16 MiB at most */

struct unpacked {
	int length; /* 0: none */
	uint8_t packed[PAGE_SIZE], page[PAGE_SIZE];
};

/* The first and the last bytes tell most extents apart. */
static struct unpacked *place_of(const char *packed, int length)
{
	static struct unpacked places[PLACES];
	uint64_t first, last;

	memcpy(&first, packed + length / 2 - 8, sizeof(first));
	memcpy(&last, packed + length - 8, sizeof(last));
	first = (first ^ (uint64_t)length) * UINT64_C(0x9e3779b97f4a7c15) + last;
	return &places[first * UINT64_C(0xd6e8feb86659fd93) >> 53];
}

int LZ4_decompress_safe(const char *packed, char *page, int length, int room)
{
	static int (*library)(const char *, char *, int, int);
	struct unpacked *place;
	int size;

	if (!library)
		*(void **)&library = dlsym(RTLD_NEXT, "LZ4_decompress_safe");
	SIM_CHECK(library, "LZ4 is not to be found");
	if (length < 16 || length > (int)PAGE_SIZE || room != (int)PAGE_SIZE)
		return library(packed, page, length, room);
	place = place_of(packed, length);
	if (place->length == length && memcmp(place->packed, packed, (size_t)length) == 0) {
		memcpy(page, place->page, PAGE_SIZE);
		return (int)PAGE_SIZE;
	}
	size = library(packed, page, length, room);
	if (size == (int)PAGE_SIZE) {
		place->length = length;
		memcpy(place->packed, packed, (size_t)length);
		memcpy(place->page, page, PAGE_SIZE);
	}
	return size;
}
