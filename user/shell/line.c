/* SPDX-License-Identifier: MIT */
/*
 * line.c - editing of one line of input.  Interface in line.h.
 *
 *   PLAIN --ESC--> ESCAPE --[--> SEQUENCE --letter or ~--> PLAIN
 *                    |  \--O--> SHIFT --any--> PLAIN
 *                    \--any other--> PLAIN
 *
 * Invariants: first <= cursor <= length <= LINE_BYTES, text[length] is NUL, and
 * all three offsets are at the beginning of a character.
 */
#include "user/shell/line.h"

#include <string.h>
#include "base/text.h"

#define LINE_SCROLL 20u /* columns to jump when the cursor leaves the part shown */

enum {
	KEY_CTRL_A = 1,
	KEY_CTRL_B = 2,
	KEY_CTRL_C = 3,
	KEY_CTRL_D = 4,
	KEY_CTRL_E = 5,
	KEY_CTRL_F = 6,
	KEY_BACKSPACE = 8,
	KEY_NEWLINE = 10,
	KEY_CTRL_K = 11,
	KEY_CTRL_L = 12,
	KEY_RETURN = 13,
	KEY_CTRL_N = 14,
	KEY_CTRL_P = 16,
	KEY_CTRL_U = 21,
	KEY_CTRL_W = 23,
	KEY_ESCAPE = 27,
	KEY_DELETE = 127,
};

static void line_put(struct line_output *output, const char *bytes, uint32_t length)
{
	if (length > LINE_OUTPUT - output->length)
		length = LINE_OUTPUT - output->length;
	memcpy(output->bytes + output->length, bytes, length);
	output->length += length;
}

static void line_put_text(struct line_output *output, const char *text)
{
	line_put(output, text, (uint32_t)strlen(text));
}

/* ---- characters ------------------------------------------------------------ */

static bool line_is_continuation(char byte)
{
	return ((uint8_t)byte & 0xc0) == 0x80;
}

static uint32_t line_next(const struct line *line, uint32_t at)
{
	if (at < line->length)
		at++;
	while (at < line->length && line_is_continuation(line->text[at]))
		at++;
	return at;
}

static uint32_t line_before(const struct line *line, uint32_t at)
{
	if (at > 0)
		at--;
	while (at > 0 && line_is_continuation(line->text[at]))
		at--;
	return at;
}

static uint32_t line_columns(const struct line *line, uint32_t from, uint32_t to)
{
	uint32_t columns = 0;

	for (uint32_t i = from; i < to; i++)
		columns += !line_is_continuation(line->text[i]);
	return columns;
}

static uint32_t line_word_before(const struct line *line, uint32_t at)
{
	while (at > 0 && line->text[at - 1] == ' ')
		at--;
	while (at > 0 && line->text[at - 1] != ' ')
		at--;
	return at;
}

static uint32_t line_word_after(const struct line *line, uint32_t at)
{
	while (at < line->length && line->text[at] == ' ')
		at++;
	while (at < line->length && line->text[at] != ' ')
		at++;
	return at;
}

/* ---- what is shown ----------------------------------------------------------- */

/* Columns for text: the last one of the terminal stays empty. */
static uint32_t line_room(const struct line *line)
{
	uint32_t prompt = (uint32_t)strlen(line->prompt);

	return prompt + LINE_SCROLL < line->width ? line->width - 1 - prompt : LINE_SCROLL / 2;
}

/* Moves the part shown so that the cursor is in it.  True: it moved. */
static bool line_scroll(struct line *line)
{
	uint32_t old = line->first, room = line_room(line);
	uint32_t step = room < LINE_SCROLL ? room : LINE_SCROLL;

	while (line->first > line->cursor)
		for (uint32_t i = 0; i < step; i++)
			line->first = line_before(line, line->first);
	while (line_columns(line, line->first, line->cursor) > room)
		for (uint32_t i = 0; i < step; i++)
			line->first = line_next(line, line->first);
	return line->first != old;
}

void line_redraw(struct line *line, struct line_output *output)
{
	uint32_t end, back;

	line_scroll(line);
	end = line->first;
	while (end < line->length && line_columns(line, line->first, end) < line_room(line))
		end = line_next(line, end);
	line_put_text(output, "\r");
	line_put_text(output, line->prompt);
	line_put(output, line->text + line->first, end - line->first);
	line_put_text(output, "\x1b[K");
	back = line_columns(line, line->cursor, end);
	if (back > 0) {
		char move[16];

		text_format(move, sizeof(move), "\x1b[%uD", back);
		line_put_text(output, move);
	}
}

/* ---- changes ------------------------------------------------------------------- */

static void line_move(struct line *line, uint32_t to, struct line_output *output)
{
	line->cursor = to;
	line_redraw(line, output);
}

static void line_delete(struct line *line, uint32_t from, uint32_t to, struct line_output *output)
{
	bool simple = to == line->length && to == line->cursor && from >= line->first &&
		      line_columns(line, from, to) == 1;

	memmove(line->text + from, line->text + to, line->length - to + 1);
	line->length -= to - from;
	line->cursor = from;
	line->lost &= line->length > 0;
	/* The last character goes without drawing the line anew. */
	if (simple && !line_scroll(line))
		line_put_text(output, "\b \b");
	else if (from != to)
		line_redraw(line, output);
}

static void line_insert(struct line *line, char byte, struct line_output *output)
{
	if (line->length == LINE_BYTES) {
		line->lost = true;
		line_put_text(output, "\a");
		return;
	}
	memmove(line->text + line->cursor + 1, line->text + line->cursor,
		line->length - line->cursor + 1);
	line->text[line->cursor++] = byte;
	line->length++;
	if (line->cursor == line->length && !line_scroll(line))
		line_put(output, &byte, 1);
	else
		line_redraw(line, output);
}

static void line_replace(struct line *line, const char *text, struct line_output *output)
{
	line->length = (uint32_t)strlen(text);
	memcpy(line->text, text, line->length + 1);
	line->first = 0;
	line->lost = false;
	line_move(line, line->length, output);
}

/* ---- history --------------------------------------------------------------------- */

const char *line_history(const struct line *line, uint32_t index)
{
	uint32_t oldest = line->newest + LINE_HISTORY + 1 - line->entries;

	return index < line->entries ? line->history[(oldest + index) % LINE_HISTORY] : NULL;
}

static void line_remember(struct line *line)
{
	if (line->length == 0)
		return;
	if (line->entries && text_equal(line->history[line->newest], line->text))
		return;
	line->newest = (line->newest + 1) % LINE_HISTORY;
	if (line->entries < LINE_HISTORY)
		line->entries++;
	memcpy(line->history[line->newest], line->text, line->length + 1);
}

static void line_recall(struct line *line, bool older, struct line_output *output)
{
	if (older ? line->back == line->entries : line->back == 0) {
		line_put_text(output, "\a");
		return;
	}
	if (line->back == 0)
		memcpy(line->draft, line->text, line->length + 1);
	line->back += older ? 1 : -1u;
	line_replace(line,
		     line->back ? line_history(line, line->entries - line->back) : line->draft,
		     output);
}

/* ---- keys ---------------------------------------------------------------------------- */

/* A letter that ends an escape sequence; `word`: with control or alt held. */
static void line_feed_letter(struct line *line, char letter, bool word, struct line_output *output)
{
	switch (letter) {
	case 'A':
		line_recall(line, true, output);
		break;
	case 'B':
		line_recall(line, false, output);
		break;
	case 'C':
		line_move(line,
			  word ? line_word_after(line, line->cursor)
			       : line_next(line, line->cursor),
			  output);
		break;
	case 'D':
		line_move(line,
			  word ? line_word_before(line, line->cursor)
			       : line_before(line, line->cursor),
			  output);
		break;
	case 'H':
		line_move(line, 0, output);
		break;
	case 'F':
		line_move(line, line->length, output);
		break;
	}
}

/* ESC [ number ~ */
static void line_feed_tilde(struct line *line, struct line_output *output)
{
	switch (line->parameter[0]) {
	case 1:
	case 7:
		line_move(line, 0, output);
		break;
	case 3:
		line_delete(line, line->cursor, line_next(line, line->cursor), output);
		break;
	case 4:
	case 8:
		line_move(line, line->length, output);
		break;
	}
}

static void line_feed_sequence(struct line *line, uint8_t byte, struct line_output *output)
{
	uint32_t *parameter = &line->parameter[line->parameters];

	if (byte >= '0' && byte <= '9') {
		*parameter = (*parameter * 10 + (byte - '0')) % 1000;
		return;
	}
	if (byte == ';') {
		line->parameters = 1;
		return;
	}
	/* Other intermediate bytes belong to sequences that mean nothing here. */
	if (byte >= 0x20 && byte < 0x40)
		return;
	line->key = LINE_KEY_PLAIN;
	if (byte == '~')
		line_feed_tilde(line, output);
	else
		line_feed_letter(line, (char)byte, line->parameter[1] > 1, output);
}

/* The byte after ESC. */
static void line_feed_escape(struct line *line, uint8_t byte, struct line_output *output)
{
	line->key = LINE_KEY_PLAIN;
	line->parameter[0] = line->parameter[1] = line->parameters = 0;
	if (byte == '[')
		line->key = LINE_KEY_SEQUENCE;
	else if (byte == 'O')
		line->key = LINE_KEY_SHIFT;
	else if (byte == 'b')
		line_move(line, line_word_before(line, line->cursor), output);
	else if (byte == 'f')
		line_move(line, line_word_after(line, line->cursor), output);
}

/* Keys that move or delete. */
static void line_feed_control(struct line *line, uint8_t byte, struct line_output *output)
{
	static const char letters[32] = {
		[KEY_CTRL_A] = 'H', [KEY_CTRL_B] = 'D', [KEY_CTRL_E] = 'F',
		[KEY_CTRL_F] = 'C', [KEY_CTRL_N] = 'B', [KEY_CTRL_P] = 'A',
	};

	switch (byte) {
	case KEY_BACKSPACE:
	case KEY_DELETE:
		line_delete(line, line_before(line, line->cursor), line->cursor, output);
		break;
	case KEY_CTRL_D:
		line_delete(line, line->cursor, line_next(line, line->cursor), output);
		break;
	case KEY_CTRL_K:
		line_delete(line, line->cursor, line->length, output);
		break;
	case KEY_CTRL_U:
		line_delete(line, 0, line->cursor, output);
		break;
	case KEY_CTRL_W:
		line_delete(line, line_word_before(line, line->cursor), line->cursor, output);
		break;
	case KEY_CTRL_L:
		line_put_text(output, "\x1b[2J\x1b[H");
		line_redraw(line, output);
		break;
	case KEY_ESCAPE:
		line->key = LINE_KEY_ESCAPE;
		break;
	default:
		if (byte < sizeof(letters))
			line_feed_letter(line, letters[byte], false, output);
	}
}

static void line_empty(struct line *line)
{
	line->length = line->cursor = line->first = line->back = 0;
	line->text[0] = '\0';
	line->lost = false;
}

static enum line_event line_finish(struct line *line, struct line_output *output)
{
	line_put_text(output, "\r\n");
	if (line->lost) {
		line_empty(line);
		return LINE_TOO_LONG;
	}
	line_remember(line);
	line->back = 0;
	return LINE_DONE;
}

static enum line_event line_cancel(struct line *line, struct line_output *output)
{
	line_put_text(output, "^C\r\n");
	line_empty(line);
	line->key = LINE_KEY_PLAIN;
	return LINE_CANCELLED;
}

enum line_event line_feed(struct line *line, uint8_t byte, struct line_output *output)
{
	bool second = byte == KEY_NEWLINE && line->after_return;

	line->after_return = byte == KEY_RETURN;
	if (byte == KEY_CTRL_C)
		return line_cancel(line, output);
	if (line->key == LINE_KEY_ESCAPE) {
		line_feed_escape(line, byte, output);
	} else if (line->key == LINE_KEY_SEQUENCE) {
		line_feed_sequence(line, byte, output);
	} else if (line->key == LINE_KEY_SHIFT) {
		line->key = LINE_KEY_PLAIN;
		line_feed_letter(line, (char)byte, false, output);
	} else if (byte == KEY_RETURN || (byte == KEY_NEWLINE && !second)) {
		return line_finish(line, output);
	} else if (byte == KEY_CTRL_D && line->length == 0) {
		return LINE_END;
	} else if (byte >= ' ' && byte != KEY_DELETE) {
		line_insert(line, (char)byte, output);
	} else if (!second) {
		line_feed_control(line, byte, output);
	}
	return LINE_EDITING;
}

void line_init(struct line *line, const char *prompt)
{
	memset(line, 0, sizeof(*line));
	line->prompt = prompt;
	line->width = LINE_WIDTH;
}

void line_begin(struct line *line, struct line_output *output)
{
	line_empty(line);
	line_put_text(output, line->prompt);
}
