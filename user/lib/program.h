/* SPDX-License-Identifier: MIT */
/*
 * program.h - start and end of a program, and what it says of its own state.
 *
 * A program defines `int main(int argc, char **argv)`, or of nothing; argv[0] is the
 * name of its machine.  When main returns, the machine ends with that code.  There is no
 * other beginning: after a reboot a program goes on where it was.
 */
#ifndef USER_LIB_PROGRAM_H
#define USER_LIB_PROGRAM_H

#include <stdint.h>
#include "kernel/abi.h"

/* The machine's message page, through which message.c sends and receives data. */
extern struct abi_message_page *program_page;

/* Called by start.S. */
void program_enter(const struct abi_start *start) __attribute__((noreturn));

void program_exit(int code) __attribute__((noreturn));

/* Writes the line to the log and ends the machine with code 127: for a broken
 * invariant, after which going on would persist the damage. */
void program_fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* If the status is not OK: `cannot WHAT: why` to the log, and the end, as above. */
void program_check(enum status status, const char *what);

#endif
