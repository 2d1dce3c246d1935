/* SPDX-License-Identifier: MIT */
/*
 * columns.h - tables that never wrap.  Pure code.
 *
 * Where a table is wider than the terminal, its least important columns are left out
 * and named; a row that is still too long ends in `>`.  A last column that is aligned left
 * has names that somebody may want to type: one that does not fit is not cut but begins a
 * line of its own.
 */
#ifndef USER_SHELL_COLUMNS_H
#define USER_SHELL_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COLUMNS_MAX 8u
#define COLUMNS_ROW 400u /* bytes of a row with its newlines */

struct column {
	const char *title;
	uint8_t width; /* a longer cell takes more; the last column needs so much */
	bool left;     /* aligned so */
	uint8_t rank;  /* the highest is left out first; 0: never */
};

struct columns {
	const struct column *column;
	uint32_t count;
	uint32_t width;	   /* of the terminal, 0: any */
	uint32_t left_out; /* bit i: column i */
};

/* Chooses the columns. */
void columns_begin(struct columns *columns, const struct column *column, uint32_t count,
		   uint32_t width);
/* A row with its newline; one cell for each column, whether it is shown or not.
 * Returns its length. */
size_t columns_row(const struct columns *columns, const char *const *cell, char row[COLUMNS_ROW]);
size_t columns_titles(const struct columns *columns, char row[COLUMNS_ROW]);
/* What is left out, as a line; 0: nothing. */
size_t columns_note(const struct columns *columns, char row[COLUMNS_ROW]);

#endif
