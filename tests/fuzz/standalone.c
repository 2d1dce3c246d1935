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

#define INPUT_BYTES   8193u
#define MUTATED_BYTES 4098u /* at most, by a mutator */
#define INPUTS	      1024u
#define CHANGES	      4u /* bytes, at most, where a fuzzer brings no mutator */

struct input {
	size_t size;
	uint8_t data[INPUT_BYTES];
};
static struct input inputs[INPUTS];

#pragma weak LLVMFuzzerCustomMutator /* a fuzzer may bring one */

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
	for (unsigned i = 0; i < runs; i++) {
		struct input *input = &inputs[random_below(used)], changed;

		/* What a mutator has changed takes the place of what it was made of. */
		if (LLVMFuzzerCustomMutator) {
			input->size =
				LLVMFuzzerCustomMutator(input->data, input->size, MUTATED_BYTES, i);
			run(input->data, input->size);
			continue;
		}
		changed = *input;
		for (unsigned left = 1 + random_below(CHANGES); left; left--)
			LLVMFuzzerMutate(changed.data, changed.size, INPUT_BYTES);
		run(changed.data, changed.size);
	}
	printf("%u inputs and %u made of them\n", used, runs);
	return 0;
}
