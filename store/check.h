/* SPDX-License-Identifier: MIT */
/*
 * check.h - assertions that stay on in every build.
 *
 * A failed check is a bug in the program, never bad input and never a bad
 * disk.  Each home says what happens then: the kernel panics, host programs
 * print the place and abort.
 */
#ifndef STORE_CHECK_H
#define STORE_CHECK_H

/* Provided by each home: reports the place and does not return. */
void store_check_failed(const char *file, int line, const char *what) __attribute__((noreturn));

#define STORE_CHECK(condition)                                                                     \
	do {                                                                                       \
		if (!(condition))                                                                  \
			store_check_failed(__FILE__, __LINE__, #condition);                        \
	} while (0)

#endif
