/* SPDX-License-Identifier: MIT */
/*
 * terminal.h - the console as the shell uses it: buffered output, input typed
 * ahead, and what has to be said when the system was resumed.
 *
 * Output goes to the console, or, between terminal_capture and
 * terminal_capture_end, into memory.  In console output "\n" becomes "\r\n".
 */
#ifndef USER_SHELL_TERMINAL_H
#define USER_SHELL_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TERMINAL_CAPTURE_MAX ((size_t)16 << 20) /* bytes */

/* Text of anybody's: what would steer the terminal is shown as a dot.  Captured, if anything
 * is (then as it is); or never. */
void terminal_write(const void *bytes, size_t length);
void terminal_show(const void *bytes, size_t length);
void terminal_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same as terminal_write without change of newlines, never captured. */
void terminal_raw(const void *bytes, size_t length);
void terminal_flush(void);

void terminal_capture(void);
struct columns;
struct column;
/* A table as wide as the terminal, or, when output is captured, as wide as it is: its
 * titles, its rows, and which columns were left out. */
void terminal_table(struct columns *columns, const struct column *column, uint32_t count);
void terminal_row(const struct columns *columns, const char *const *cell);
void terminal_table_end(const struct columns *columns);
/* Is output being captured? */
bool terminal_captures(void);
/* What was captured, to be given to heap_release (null when nothing was).  False:
 * it was too much, or there was no memory. */
bool terminal_capture_end(char **bytes, size_t *length);

enum terminal_input {
	TERMINAL_BYTE,	  /* *byte is valid */
	TERMINAL_TIMEOUT, /* nothing until the deadline */
	TERMINAL_RESUMED, /* the system was resumed and a notice printed */
};
/* The next byte typed; deadline in ns of uptime, 0: none.  Flushes output. */
enum terminal_input terminal_read(uint8_t *byte, uint64_t deadline_ns);

/* Asks the terminal how wide it is, with the cursor at the start of a row; the answer is
 * taken out of what terminal_read gives. */
void terminal_ask_width(void);
/* Columns, as last heard; 80 of a terminal that says nothing. */
uint32_t terminal_width(void);

/* Was ^C typed?  What was typed before it is dropped, the rest is kept.  Cheap
 * enough to ask for every page or so of output. */
bool terminal_interrupted(void);

#endif
