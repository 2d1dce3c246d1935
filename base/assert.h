/* SPDX-License-Identifier: MIT */
/*
 * assert.h - assertions that stay on in every build.
 *
 * A failed assertion is a bug in the program, never bad input and never a bad
 * disk.  Each home says what happens then: the kernel panics, a program says the
 * place in the log and ends, host programs print it and abort.
 */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

/* Provided by each home: reports the place and does not return. */
void assert_failed(const char *file, int line, const char *what) __attribute__((noreturn));

#define ASSERT(condition)                                                                          \
	do {                                                                                       \
		if (!(condition))                                                                  \
			assert_failed(__FILE__, __LINE__, #condition);                             \
	} while (0)

#endif
