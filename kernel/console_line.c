/* SPDX-License-Identifier: MIT */
/*
 * console_line.c - editing one line, and its words.  Interface in console_line.h.
 */
#include "kernel/console_line.h"
#include "base/assert.h"
#include <assert.h>

enum { KEY_CANCEL = 3, KEY_BACK = 8, KEY_NEWLINE = 10, KEY_RETURN = 13, KEY_KILL = 21 };
enum { KEY_ESCAPE = 27, KEY_DELETE = 127 };

void console_line_begin(struct console_line *line)
{
	line->length = 0;
	line->text[0] = 0;
	line->state = CONSOLE_TEXT;
}

static_assert(sizeof(((struct console_echo *)0)->text) > 3 * CONSOLE_LINE_MAX,
	      "to take back a line");

static void echo_put(struct console_echo *echo, char c)
{
	ASSERT(echo->length < sizeof(echo->text));
	echo->text[echo->length++] = c;
}

/* A character of several bytes (UTF-8) goes as a whole. */
static void line_back(struct console_line *line, struct console_echo *echo)
{
	if (!line->length)
		return;
	do
		line->length--;
	while (line->length && (line->text[line->length] & 0xc0) == 0x80);
	line->text[line->length] = 0;
	echo_put(echo, '\b');
	echo_put(echo, ' ');
	echo_put(echo, '\b');
}

static enum console_event line_end(struct console_echo *echo, enum console_event event)
{
	if (event == CONSOLE_CANCELLED) {
		echo_put(echo, '^');
		echo_put(echo, 'C');
	}
	echo_put(echo, '\r');
	echo_put(echo, '\n');
	return event;
}

static enum console_event line_control(struct console_line *line, uint8_t byte,
				       struct console_echo *echo)
{
	switch (byte) {
	case KEY_RETURN:
		line->returned = true;
		return line_end(echo, CONSOLE_DONE);
	case KEY_NEWLINE:
		return line_end(echo, CONSOLE_DONE);
	case KEY_CANCEL:
		console_line_begin(line);
		return line_end(echo, CONSOLE_CANCELLED);
	case KEY_KILL:
		while (line->length)
			line_back(line, echo);
		break;
	case KEY_BACK:
	case KEY_DELETE:
		line_back(line, echo);
		break;
	case KEY_ESCAPE:
		line->state = CONSOLE_ESCAPE;
		break;
	default:
		break;
	}
	return CONSOLE_EDITING;
}

enum console_event console_line_feed(struct console_line *line, uint8_t byte,
				     struct console_echo *echo)
{
	bool returned = line->returned;

	ASSERT(line->length <= CONSOLE_LINE_MAX);
	echo->length = 0;
	line->returned = false;
	if (line->state == CONSOLE_ESCAPE && byte >= ' ') {
		line->state = byte == '[' || byte == 'O' ? CONSOLE_SEQUENCE : CONSOLE_TEXT;
		return CONSOLE_EDITING;
	}
	if (line->state == CONSOLE_SEQUENCE && byte >= ' ') {
		if (byte >= 0x40 && byte < 0x7f)
			line->state = CONSOLE_TEXT;
		return CONSOLE_EDITING;
	}
	line->state = CONSOLE_TEXT;
	if (byte == KEY_NEWLINE && returned)
		return CONSOLE_EDITING;
	if (byte < ' ' || byte == KEY_DELETE)
		return line_control(line, byte, echo);
	if (line->length == CONSOLE_LINE_MAX) {
		echo_put(echo, '\a');
		return CONSOLE_EDITING;
	}
	line->text[line->length++] = (char)byte;
	line->text[line->length] = 0;
	echo_put(echo, (char)byte);
	return CONSOLE_EDITING;
}

uint32_t console_line_split(char *text, char *word[CONSOLE_WORDS])
{
	uint32_t count = 0;
	char end;

	for (;;) {
		while (*text == ' ')
			text++;
		if (!*text || count > CONSOLE_WORDS)
			return count;
		end = *text == '"' || *text == '\'' ? *text++ : ' ';
		if (count < CONSOLE_WORDS)
			word[count] = text;
		count++;
		while (*text && *text != end)
			text++;
		if (*text)
			*text++ = 0;
	}
}
