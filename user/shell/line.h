/* SPDX-License-Identifier: MIT */
/*
 * line.h - editing of one line of input on a terminal, with history.  Pure code:
 * bytes from the keyboard go in, bytes for the terminal and an event come out.
 *
 *   left right ^B ^F    move            home end ^A ^E   to the ends
 *   ^left ^right        a word          backspace delete ^H ^D
 *   ^U ^K ^W            delete to the start, to the end, the word before
 *   up down ^P ^N       history         ^L               clear the screen
 *   ^C                  drop the line   ^D               end, when it is empty
 *
 * A line longer than the terminal is wide scrolls sideways.  Text is UTF-8; one
 * character is taken to fill one column.
 */
#ifndef USER_SHELL_LINE_H
#define USER_SHELL_LINE_H

#include <stdbool.h>
#include <stdint.h>

#define LINE_BYTES   1000u /* of one line */
#define LINE_HISTORY 64u   /* lines remembered */
#define LINE_WIDTH   80u   /* columns of the terminal, unless width says otherwise */
#define LINE_OUTPUT  1200u /* most bytes that one key makes: a row of WIDTH_MOST and more */

enum line_event {
	LINE_EDITING,	/* go on */
	LINE_DONE,	/* line->text is complete */
	LINE_TOO_LONG,	/* its end did not fit: the line is empty now */
	LINE_CANCELLED, /* ^C: the line is empty now */
	LINE_END,	/* ^D on an empty line */
};

enum line_key_state {
	LINE_KEY_PLAIN,
	LINE_KEY_ESCAPE,   /* after ESC */
	LINE_KEY_SEQUENCE, /* after ESC [ : digits and semicolons, then a letter */
	LINE_KEY_SHIFT,	   /* after ESC O: one letter */
};

struct line {
	const char *prompt; /* one column per byte */
	uint32_t width;	    /* columns of the terminal; to be set anew at any time */
	bool lost;	    /* something that was typed did not fit */
	char text[LINE_BYTES + 1];
	uint32_t length, cursor; /* bytes */
	uint32_t first;		 /* first byte that is shown */
	enum line_key_state key;
	uint32_t parameter[2], parameters; /* of an escape sequence */
	bool after_return;		   /* a newline now belongs to the last one */
	char history[LINE_HISTORY][LINE_BYTES + 1];
	uint32_t entries, newest;   /* number remembered, index of the last */
	uint32_t back;		    /* how far back the line shown is; 0: a new one */
	char draft[LINE_BYTES + 1]; /* the new line, while looking at older ones */
};

struct line_output {
	char bytes[LINE_OUTPUT];
	uint32_t length;
};

void line_init(struct line *line, const char *prompt);
/* An empty line: shows the prompt.  The cursor is at the start of a line. */
void line_begin(struct line *line, struct line_output *output);
/* Shows prompt and line again, e.g. after something else was printed. */
void line_redraw(struct line *line, struct line_output *output);
/* One byte from the keyboard.  Output is appended. */
enum line_event line_feed(struct line *line, uint8_t byte, struct line_output *output);
/* Entry number `index` of the history, 0 the oldest; null beyond. */
const char *line_history(const struct line *line, uint32_t index);

#endif
