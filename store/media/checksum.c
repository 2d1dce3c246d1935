/* SPDX-License-Identifier: MIT */
/*
 * checksum.c - XXH3-64, from the header-only library.
 *
 * The library takes the vector instructions the compiler may use: SSE2 on the
 * host, none in the kernel, whose code must not touch vector registers.  The
 * result is the same everywhere.
 */
#include "store/store_priv.h"
#define XXH_INLINE_ALL
#define XXH_NO_STREAM
#include <xxhash.h>

uint64_t checksum(const void *data, size_t size, uint64_t seed)
{
	return XXH3_64bits_withSeed(data, size, seed);
}

uint64_t checksum_with_hole(void *data, size_t size, uint64_t *field, uint64_t seed)
{
	uint64_t saved = *field;
	uint64_t sum;

	ASSERT((uint8_t *)field >= (uint8_t *)data);
	ASSERT((uint8_t *)(field + 1) <= (uint8_t *)data + size);
	*field = 0;
	sum = checksum(data, size, seed);
	*field = saved;
	return sum;
}
