/* SPDX-License-Identifier: MIT */
/*
 * fill.c - uses up whatever there is: its bank, then the store.
 *
 *	fill [MIB]		of memory at most; all it can get if not given
 *
 * Takes memory until it is refused, and then fills it with noise again and again, so
 * that every snapshot keeps pages of its own.
 */
#include "user/lib/heap.h"
#include "base/quantity.h"
#include "user/lib/program.h"
#include "user/lib/service.h"
#include "base/text.h"

#define FILL_PIECE (1u << 20)
#define FILL_LEAST 4096u /* the last pieces are small: all is taken */
#define FILL_ROOM  4096u /* pieces that it remembers */

static uint64_t *piece[FILL_ROOM];
static uint64_t bytes[FILL_ROOM];

static void fill_noise(uint64_t *words, uint64_t length)
{
	static uint64_t value = 88172645463325252u;

	for (uint64_t i = 0; i < length / sizeof(*words); i++) {
		value ^= value << 13;
		value ^= value >> 7;
		value ^= value << 17;
		words[i] = value;
	}
}

int main(int argc, char **argv)
{
	uint64_t mib = UINT64_MAX, taken = 0, size = FILL_PIECE;
	uint32_t pieces = 0;

	if (argc > 1 && !quantity_parse(argv[1], QUANTITY_ANY, &mib))
		program_fail("%s: not a number", argv[1]);
	while (pieces < FILL_ROOM && size >= FILL_LEAST && taken >> 20 < mib) {
		piece[pieces] = heap_allocate(size);
		if (!piece[pieces]) {
			size /= 2;
			continue;
		}
		bytes[pieces++] = size;
		taken += size;
	}
	log_print("%lu KiB taken", taken >> 10);
	for (uint64_t round = 1;; round++) {
		for (uint32_t i = 0; i < pieces; i++)
			fill_noise(piece[i], bytes[i]);
		log_print("filled %lu times", round);
	}
}
