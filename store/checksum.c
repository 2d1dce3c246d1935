/* SPDX-License-Identifier: MIT */
/*
 * checksum.c - XXH3-64, from the header-only library.
 *
 * The scalar variant is chosen because kernel code must not touch vector
 * registers; the result is the same everywhere.
 */
#include "store/store_priv.h"
#define XXH_INLINE_ALL
#define XXH_VECTOR 0 /* XXH_SCALAR */
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

	*field = 0;
	sum = checksum(data, size, seed);
	*field = saved;
	return sum;
}
