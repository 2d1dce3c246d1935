/* SPDX-License-Identifier: MIT */
/*
 * fuzz.h - what the fuzzers share: their own check, and a cursor over the input.
 *
 * A fuzzer is a function that libFuzzer calls with bytes.  It never fails for
 * what the bytes say; FUZZ_CHECK states what holds whatever they are.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Says what does not hold and ends the process as a crash. */
__attribute__((noreturn, format(printf, 3, 4))) void fuzz_fail(const char *file, int line,
							       const char *format, ...);

#define FUZZ_CHECK(condition, ...)                                                                 \
	do {                                                                                       \
		if (!(condition))                                                                  \
			fuzz_fail(__FILE__, __LINE__, __VA_ARGS__);                                \
	} while (0)

/* True when PERDURE_FUZZ_VERBOSE is set: for looking at one input. */
bool fuzz_verbose(void);

/* Zeroed memory that is never given back: it belongs to the process. */
void *fuzz_allocate(size_t bytes);

int LLVMFuzzerInitialize(int *count, char ***words);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);
/* libFuzzer's own. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);

#endif
