/* SPDX-License-Identifier: MIT */
/*
 * quantity.h - numbers, sizes and times as people write them: one grammar for the host tool,
 * the kernel, the shell and programs.  Pure code.
 *
 *   number    42
 *   address   42, or 0x2a
 *   size      4096, 16K, 4M, 1G, 2T: powers of 1024
 *   time      500ms, 2s, 10m, 1h, 1d; a number alone are seconds
 */
#ifndef BASE_QUANTITY_H
#define BASE_QUANTITY_H

#include <stdbool.h>
#include <stdint.h>

/* What may be written beside decimal digits. */
enum quantity_forms {
	QUANTITY_NUMBER = 0,
	QUANTITY_ADDRESS = 1, /* 0x and hexadecimal digits */
	QUANTITY_SIZE = 2,    /* a suffix behind them */
	QUANTITY_ANY = QUANTITY_ADDRESS | QUANTITY_SIZE,
};

/* The whole text; false, and nothing stored: it is no such number, or does not fit. */
bool quantity_parse(const char *text, unsigned forms, uint64_t *value);

/* The decimal digits at *text, of which there must be one; *text is left behind them.
 * False: none, or above `most`. */
bool quantity_digits(const char **text, uint64_t most, uint64_t *value);

#define QUANTITY_TIME_FORM "write it like 500ms, 2s, 10m, 1h or 1d"
#define QUANTITY_TIME_MOST UINT64_C(1000000000) /* of any unit: what is longer is a slip */

/* Seconds of a unit: s, m, h, d; 0: none of these. */
uint64_t quantity_unit(char unit);
/* The whole text as a time. */
bool quantity_time(const char *text, uint64_t *ns);

#endif
