/* SPDX-License-Identifier: MIT */
/*
 * fuzz.c - how a fuzzer ends when something does not hold; see fuzz.h.
 */
#include "tests/fuzz/fuzz.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"

/* The sanitizer asks for this.  What it leaves out costs more than all the rest:
 * comparing byte by byte, keeping freed memory and noting who took it. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "intercept_memcmp=0:quarantine_size_mb=1:malloc_context_size=2:detect_leaks=0";
}

/* libFuzzer may have closed the standard error, for the sake of those who talk. */
static int fuzz_output = 2;

__attribute__((constructor)) static void output_keep(void)
{
	fuzz_output = dup(2);
}

void fuzz_fail(const char *file, int line, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	dprintf(fuzz_output, "fuzz: %s:%d: ", file, line);
	vdprintf(fuzz_output, format, arguments);
	dprintf(fuzz_output, "\n");
	va_end(arguments);
	abort();
}

/* A check of the engine that bad bytes made fail is a finding. */
void assert_failed(const char *file, int line, const char *what)
{
	fuzz_fail(file, line, "'%s' does not hold", what);
}

bool fuzz_verbose(void)
{
	static int verbose = -1;

	if (verbose < 0)
		verbose = getenv("PERDURE_FUZZ_VERBOSE") != NULL;
	return verbose;
}

void *fuzz_allocate(size_t bytes)
{
	size_t rounded = (bytes + 4095) / 4096 * 4096;
	void *memory = aligned_alloc(4096, rounded);

	if (!memory)
		fuzz_fail(__FILE__, __LINE__, "no memory for %zu bytes", bytes);
	return memset(memory, 0, rounded);
}
