/* SPDX-License-Identifier: MIT */
/*
 * standalone.c - runs a fuzzer without libFuzzer: files, then so many changes of
 * them, always the same.  For builds that measure something.
 *
 *   standalone RUNS FILE...
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

#define INPUT_BYTES 4098u
#define INPUTS	    1024u

static struct {
	size_t size;
	uint8_t data[INPUT_BYTES];
} inputs[INPUTS];

static uint64_t random_state = 1;

static unsigned random_below(size_t below)
{
	random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (unsigned)((random_state >> 33) % below);
}

/* What a mutator asks libFuzzer for: a byte becomes another. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most)
{
	if (!most)
		return 0;
	if (!size)
		data[size++] = 0;
	data[random_below(size)] = (uint8_t)random_below(256);
	return size;
}

static void run(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

int main(int count, char **words)
{
	unsigned runs = count > 1 ? (unsigned)strtoul(words[1], NULL, 10) : 0, used = 0;

	LLVMFuzzerInitialize(&count, &words);
	for (int i = 2; i < count && used < INPUTS; i++) {
		FILE *file = fopen(words[i], "rb");

		FUZZ_CHECK(file, "cannot open %s", words[i]);
		inputs[used].size = fread(inputs[used].data, 1, INPUT_BYTES, file);
		fclose(file);
		run(inputs[used].data, inputs[used].size);
		used++;
	}
	FUZZ_CHECK(used, "no inputs");
	/* Each changed input takes the place of the one it was made of. */
	for (unsigned i = 0; i < runs; i++) {
		unsigned which = random_below(used);

		inputs[which].size = LLVMFuzzerCustomMutator(inputs[which].data, inputs[which].size,
							     INPUT_BYTES, i);
		run(inputs[which].data, inputs[which].size);
	}
	printf("%u inputs and %u made of them\n", used, runs);
	return 0;
}
