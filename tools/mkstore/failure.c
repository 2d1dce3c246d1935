/* SPDX-License-Identifier: MIT */
/*
 * failure.c - what a failed check of the engine does in a host program.
 *
 * It is a bug, so nothing more is written: the last durable generation stays.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

void assert_failed(const char *file, int line, const char *what)
{
	fflush(stdout);
	fprintf(stderr,
		"mkstore: bug: %s:%d: '%s' does not hold\n"
		"mkstore: stopped; what was durable before is untouched\n",
		file, line, what);
	abort();
}
