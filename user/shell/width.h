/* SPDX-License-Identifier: MIT */
/*
 * width.h - how wide the terminal is, as it says itself.  Pure code.
 *
 * WIDTH_QUESTION moves the cursor to the right edge and asks where it is.  A terminal
 * answers, as if it were typed, ESC [ ROW ; COLUMN R: at once, late, between keys, or
 * never.  So all that is typed goes through width_feed, which keeps an answer that is
 * owed and hands on everything else in its order.
 */
#ifndef USER_SHELL_WIDTH_H
#define USER_SHELL_WIDTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIDTH_USUAL 80u	 /* columns of a terminal that says nothing */
#define WIDTH_LEAST 20u	 /* fewer are none: F3 with a shift key reads like an answer */
#define WIDTH_MOST  250u /* of more, so many are used */
#define WIDTH_HELD  16u	 /* bytes of an answer, and more */

#define WIDTH_QUESTION "\x1b[999C\x1b[6n\r"

struct width {
	uint32_t columns;
	bool guessed;  /* the columns are those from before a resume */
	uint32_t owed; /* answers */
	uint8_t held[WIDTH_HELD];
	size_t length;
};

/* After a resume: mostly the same terminal, perhaps another one.  What was known is taken
 * until it answers, or lets two questions wait. */
void width_resume(struct width *width);
/* The question is being written. */
void width_ask(struct width *width);
/* One byte typed; what of it and of those before is no answer goes to keys, in order.
 * Returns how many. */
size_t width_feed(struct width *width, uint8_t byte, uint8_t keys[WIDTH_HELD]);

#endif
