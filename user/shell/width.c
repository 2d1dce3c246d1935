/* SPDX-License-Identifier: MIT */
/*
 * width.c - how wide the terminal is.  Interface in width.h.
 *
 * `held` is always the beginning of an answer, or empty.
 */
#include "user/shell/width.h"

#include <string.h>

#define KEY_ESCAPE 27u

void width_resume(struct width *width)
{
	*width = (struct width){.columns = width->columns, .guessed = true};
}

void width_ask(struct width *width)
{
	if (width->guessed && width->owed > 1) {
		width->columns = WIDTH_USUAL;
		width->guessed = false;
	}
	width->owed++;
}

/* Is what is held the beginning of an answer?  *column: the last number in it;
 * *complete: there is nothing missing. */
static bool width_fits(const struct width *width, uint32_t *column, bool *complete)
{
	uint32_t numbers = 0, digits = 0;

	*column = 0;
	*complete = false;
	for (size_t i = 0; i < width->length; i++) {
		uint8_t byte = width->held[i];

		if (i < 2) {
			if (byte != (i == 0 ? KEY_ESCAPE : '['))
				return false;
		} else if (byte >= '0' && byte <= '9' && digits < 5) {
			*column = *column * 10 + (byte - '0');
			digits++;
		} else if (byte == ';' && numbers == 0 && digits > 0) {
			numbers++;
			*column = digits = 0;
		} else {
			*complete = byte == 'R' && numbers == 1 && digits > 0;
			return *complete;
		}
	}
	return true;
}

size_t width_feed(struct width *width, uint8_t byte, uint8_t keys[WIDTH_HELD])
{
	size_t passed = 0;
	uint32_t column;
	bool complete;

	if (width->owed == 0 && width->length == 0) {
		keys[0] = byte;
		return 1;
	}
	width->held[width->length++] = byte;
	if (width_fits(width, &column, &complete)) {
		if (!complete)
			return 0;
		if (column >= WIDTH_LEAST) {
			width->columns = column < WIDTH_MOST ? column : WIDTH_MOST;
			width->guessed = false;
			width->owed--;
			width->length = 0;
			return 0;
		}
	}
	/* Keys after all; this one may begin an answer. */
	if (byte == KEY_ESCAPE && width->length > 1)
		passed = width->length - 1;
	else
		passed = width->length;
	memcpy(keys, width->held, passed);
	width->length -= passed;
	if (width->length > 0)
		width->held[0] = KEY_ESCAPE;
	return passed;
}
