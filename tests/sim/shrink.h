/* SPDX-License-Identifier: MIT */
/*
 * shrink.h - which operations of a case are carried out, what they were, and the
 * search for the shortest list of them that still fails.
 *
 * Every operation of a case draws its random numbers from its own index, so that
 * leaving some out leaves the others what they are.  The search runs the program
 * again and again with fewer operations (--keep), takes away whatever can go
 * without the failure changing, and ends when no single operation can, or when
 * its time is over.
 */
#ifndef TESTS_SIM_SHRINK_H
#define TESTS_SIM_SHRINK_H

#include <stdarg.h>
#include <stddef.h>
#include "tests/sim/sim.h"

/* "0-4,7": false when that is no such list. */
bool shrink_keep_parse(const char *text);
bool shrink_keep_given(void);
void shrink_case_begin(void);
/* The operations of this case so far, one a line, if they are few. */
void shrink_operations_print(void);

struct shrink_command {
	const char *program, *mode;
	uint64_t seed;
	bool variant_known;
	uint64_t variant;
	uint64_t like; /* what the failure is */
	uint64_t seconds;
};
/* The command that repeats a failure, with the operations of --keep. */
void shrink_command_print(const struct shrink_command *command);
/* Searches, prints the shortest list found and the command that repeats it. */
void shrink_run(const struct shrink_command *command);

/* Exit code of a program that failed as --like says. */
#define SHRINK_SAME 3

#endif
