/* SPDX-License-Identifier: MIT */
/*
 * console_line.h - the line that is typed at the kernel's own console.
 *
 * Touches nothing but its arguments.  No history and no cursor: what ends a line, what
 * takes back, and nothing that a terminal could misunderstand.
 */
#ifndef KERNEL_CONSOLE_LINE_H
#define KERNEL_CONSOLE_LINE_H

#include <stdbool.h>
#include <stdint.h>

#define CONSOLE_LINE_MAX 120u /* bytes; more are refused with a bell */
#define CONSOLE_WORDS	 4u

/*
 *            0x1b              [ or O
 *     TEXT ------> ESCAPE ----------------> SEQUENCE
 *      ^             | anything else            | 0x40 .. 0x7e
 *      +-------------+--------------------------+
 */
struct console_line {
	char text[CONSOLE_LINE_MAX + 1]; /* ends with a NUL */
	uint32_t length;
	enum { CONSOLE_TEXT, CONSOLE_ESCAPE, CONSOLE_SEQUENCE } state;
	bool returned; /* the last byte was CR: an LF right behind it is none */
};

/* What the terminal is to be sent: never more than to take back a whole line. */
struct console_echo {
	char text[3 * CONSOLE_LINE_MAX + 4];
	uint32_t length;
};

enum console_event {
	CONSOLE_EDITING,
	CONSOLE_DONE,	   /* Enter: the line is in `text` until console_line_begin */
	CONSOLE_CANCELLED, /* Ctrl-C: the line is empty */
};

void console_line_begin(struct console_line *line);
enum console_event console_line_feed(struct console_line *line, uint8_t byte,
				     struct console_echo *echo);
/* Ends each word with a NUL, in place; one with spaces in it is between quotation marks of
 * either kind.  How many there are, CONSOLE_WORDS + 1: too many. */
uint32_t console_line_split(char *text, char *word[CONSOLE_WORDS]);

#endif
