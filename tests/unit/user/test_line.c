/* SPDX-License-Identifier: MIT */
/*
 * test_line.c - user/shell/line.c: keys go in, a line and a picture come out.
 *
 * The picture is drawn by a little terminal that understands just what the
 * editor is allowed to use; it must show prompt, visible text and cursor as the
 * editor's own state says, after every key, random keys included.
 */
#include "user/shell/line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define PROMPT "perdure> "

static struct line line;
static struct line_output output;

/* One row of a terminal; columns are characters. */
static struct {
	char cell[LINE_WIDTH + 1][5];
	unsigned column;
	unsigned bells;
	bool new_row;
} screen;

static void screen_clear(void)
{
	for (unsigned i = 0; i <= LINE_WIDTH; i++)
		strcpy(screen.cell[i], " ");
	screen.column = 0;
}

static const char *screen_escape(const char *at)
{
	unsigned count = 0;

	assert_int_equal(*at++, '[');
	while (*at >= '0' && *at <= '9')
		count = count * 10 + (unsigned)(*at++ - '0');
	switch (*at) {
	case 'K':
		for (unsigned i = screen.column; i <= LINE_WIDTH; i++)
			strcpy(screen.cell[i], " ");
		break;
	case 'D':
		assert_true(count > 0 && count <= screen.column);
		screen.column -= count;
		break;
	case 'J':
		assert_int_equal(count, 2);
		screen_clear();
		break;
	case 'H':
		screen.column = 0;
		break;
	default:
		fail_msg("unknown escape sequence ending in %c", *at);
	}
	return at + 1;
}

static void screen_character(char byte)
{
	if (((uint8_t)byte & 0xc0) == 0x80) {
		/* Belongs to the character before the cursor. */
		if (screen.column > 0 && strlen(screen.cell[screen.column - 1]) < 4)
			strncat(screen.cell[screen.column - 1], &byte, 1);
		return;
	}
	assert_true(screen.column < LINE_WIDTH);
	screen.cell[screen.column][0] = byte;
	screen.cell[screen.column++][1] = '\0';
}

static void screen_show(void)
{
	const char *at = output.bytes, *end = output.bytes + output.length;

	assert_true(output.length <= LINE_OUTPUT);
	screen.new_row = false;
	while (at < end) {
		char byte = *at++;

		if (byte == '\x1b')
			at = screen_escape(at);
		else if (byte == '\r')
			screen.column = 0;
		else if (byte == '\b')
			screen.column--;
		else if (byte == '\a')
			screen.bells++;
		else if (byte == '\n')
			screen.new_row = true;
		else
			screen_character(byte);
	}
	output.length = 0;
	if (screen.new_row)
		screen_clear();
}

static enum line_event feed(const char *keys)
{
	enum line_event event = LINE_EDITING;

	for (; *keys != '\0'; keys++) {
		event = line_feed(&line, (uint8_t)*keys, &output);
		screen_show();
	}
	return event;
}

static void begin(void)
{
	line_begin(&line, &output);
	screen_show();
}

/* What is on the row up to its last non-blank. */
static const char *shown(void)
{
	static char text[4 * LINE_WIDTH + 8];
	size_t length;

	text[0] = '\0';
	for (unsigned i = 0; i < LINE_WIDTH; i++)
		strcat(text, screen.cell[i]);
	for (length = strlen(text); length > 0 && text[length - 1] == ' '; length--)
		text[length - 1] = '\0';
	return text;
}

static int setup(void **state)
{
	(void)state;
	line_init(&line, PROMPT);
	output.length = 0;
	screen_clear();
	begin();
	return 0;
}

static void test_typing(void **state)
{
	(void)state;
	assert_int_equal(feed("hello"), LINE_EDITING);
	assert_string_equal(shown(), PROMPT "hello");
	assert_int_equal(feed("\r"), LINE_DONE);
	assert_string_equal(line.text, "hello");
	begin();
	/* CR LF is one end of line, LF alone one too. */
	assert_int_equal(feed("\n"), LINE_EDITING);
	assert_int_equal(feed("x\n"), LINE_DONE);
	assert_string_equal(line.text, "x");
}

static void test_editing_keys(void **state)
{
	static const struct {
		const char *keys, *text;
		unsigned cursor;
	} cases[] = {
		{"abXd\x1b[D\x7f"
		 "c",
		 "abcd", 3},
		{"abc\x1b[H-\x1b[F+", "-abc+", 5},
		{"abc\x01-\x05+", "-abc+", 5},
		{"abc\x1bOH-\x1bOF+", "-abc+", 5},
		{"abc\x1b[1~-\x1b[4~+", "-abc+", 5},
		{"abc\x1b[7~-\x1b[8~+", "-abc+", 5},
		{"abc\x1b[D\x1b[D\x1b[3~", "ac", 1},
		{"abc\x02\x02\x04", "ac", 1},
		{"abc\x02\x06!", "abc!", 4},
		{"one two\x17three", "one three", 9},
		{"one two  \x17", "one ", 4},
		{"one two\x01\x1b[C\x1b[C\x1b[C\x0b", "one", 3},
		{"one two\x02\x02\x02\x15", "two", 0},
		{"one two three\x1b[1;5D\x1b[1;5D\x0b", "one ", 4},
		{"one two\x01\x1b[1;5C\x0b", "one", 3},
		{"one two\x1b"
		 "b\x0b",
		 "one ", 4},
		{"one two\x01\x1b"
		 "f\x0b",
		 "one", 3},
		{"\x08\x7f\x1b[3~\x04x\x1b[C\x1b[D\x1b[D", "x", 0},
		{"a\x1b[99;99Zb\x1b[?25hc\x1bxd", "abcd", 4},
		{"gr\xc3\xbc\xc3\x9f\x1b[D\x7f", "gr\xc3\x9f", 2},
		{"tab\there", "tabhere", 7},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		setup(state);
		assert_int_equal(feed(cases[i].keys), LINE_EDITING);
		assert_string_equal(line.text, cases[i].text);
		assert_int_equal(line.cursor, cases[i].cursor);
	}
}

static void test_cancel_and_end(void **state)
{
	(void)state;
	assert_int_equal(feed("some text\x03"), LINE_CANCELLED);
	assert_string_equal(line.text, "");
	begin();
	/* Also in the middle of an escape sequence. */
	assert_int_equal(feed("x\x1b[1\x03"), LINE_CANCELLED);
	begin();
	assert_int_equal(feed("5"), LINE_EDITING);
	assert_string_equal(line.text, "5");
	feed("\x7f");
	assert_int_equal(feed("\x04"), LINE_END);
	assert_null(line_history(&line, 0));
}

static void test_history(void **state)
{
	(void)state;
	feed("one\r");
	begin();
	feed("two\r");
	begin();
	feed("two\r");
	begin();
	feed("\r");
	begin();
	assert_string_equal(line_history(&line, 0), "one");
	assert_string_equal(line_history(&line, 1), "two");
	assert_null(line_history(&line, 2));
	feed("draft\x1b[A");
	assert_string_equal(shown(), PROMPT "two");
	feed("\x1b[A");
	assert_string_equal(shown(), PROMPT "one");
	screen.bells = 0;
	feed("\x10");
	assert_int_equal(screen.bells, 1);
	assert_string_equal(line.text, "one");
	feed("\x0e\x1bOB");
	assert_string_equal(shown(), PROMPT "draft");
	feed("\x1b[B");
	assert_int_equal(screen.bells, 2);
	/* A changed old line is a new line; the old one stays. */
	feed("\x1b[A!\r");
	assert_string_equal(line.text, "two!");
	assert_string_equal(line_history(&line, 1), "two");
	assert_string_equal(line_history(&line, 2), "two!");
}

static void test_history_is_a_ring(void **state)
{
	char text[16];

	(void)state;
	for (unsigned i = 0; i < 3 * LINE_HISTORY + 5; i++) {
		snprintf(text, sizeof(text), "line %u\r", i);
		feed(text);
		begin();
	}
	assert_string_equal(line_history(&line, LINE_HISTORY - 1), "line 196");
	assert_string_equal(line_history(&line, 0), "line 133");
	assert_null(line_history(&line, LINE_HISTORY));
	for (unsigned i = 0; i < LINE_HISTORY; i++)
		feed("\x1b[A");
	assert_string_equal(shown(), PROMPT "line 133");
}

static void test_long_line(void **state)
{
	(void)state;
	for (unsigned i = 0; i < LINE_BYTES; i++)
		feed(i % 10 == 9 ? " " : "x");
	assert_int_equal(line.length, LINE_BYTES);
	screen.bells = 0;
	feed("y");
	assert_int_equal(screen.bells, 1);
	assert_int_equal(line.length, LINE_BYTES);
	feed("\x01");
	assert_int_equal(line.first, 0);
	assert_int_equal(screen.column, strlen(PROMPT));
	assert_int_equal(feed("\r"), LINE_TOO_LONG);
	assert_null(line_history(&line, 0));
}

static void test_redraw(void **state)
{
	(void)state;
	feed("half a li\x1b[D");
	screen_clear();
	line_redraw(&line, &output);
	screen_show();
	assert_string_equal(shown(), PROMPT "half a li");
	assert_int_equal(screen.column, strlen(PROMPT "half a l"));
	feed("\x0c");
	assert_string_equal(shown(), PROMPT "half a li");
}

/* The picture must be what the state says. */
static void check_picture(void)
{
	char wanted[LINE_BYTES + 32];
	const char *text = shown();
	size_t prompt = strlen(PROMPT), end;

	assert_true(line.first <= line.cursor && line.cursor <= line.length);
	assert_int_equal(strlen(line.text), line.length);
	assert_int_equal(screen.column, prompt + line.cursor - line.first);
	end = line.first + (LINE_WIDTH - 1 - prompt);
	if (end > line.length)
		end = line.length;
	memcpy(wanted, PROMPT, prompt);
	memcpy(wanted + prompt, line.text + line.first, end - line.first);
	end += prompt - line.first;
	while (end > 0 && wanted[end - 1] == ' ')
		end--;
	wanted[end] = '\0';
	assert_string_equal(text, wanted);
}

static void test_random_keys(void **state)
{
	static const char *const keys[] = {
		"a",	  "b",	       "c ",	    " ",      "long words of text ",
		"\x1b[A", "\x1b[B",    "\x1b[C",    "\x1b[D", "\x1b[H",
		"\x1b[F", "\x1b[3~",   "\x7f",	    "\x17",   "\x01",
		"\x05",	  "\x1b[1;5D", "\x1b[1;5C", "\x0c",
	};

	(void)state;
	srand(7);
	for (unsigned step = 0; step < 20000; step++) {
		unsigned choice = (unsigned)rand() % 400;

		if (choice == 0) {
			feed("\r");
			begin();
		} else if (choice == 1) {
			feed(rand() % 2 ? "\x15" : "\x0b");
		} else {
			feed(keys[(unsigned)rand() % (sizeof(keys) / sizeof(keys[0]))]);
		}
		check_picture();
	}
}

/* Any bytes at all: no picture to compare, but bounds and offsets hold. */
static void test_random_bytes(void **state)
{
	(void)state;
	srand(8);
	for (unsigned step = 0; step < 200000; step++) {
		uint8_t byte = (uint8_t)(rand() % (rand() % 2 ? 256 : 32));

		if (line_feed(&line, byte, &output) != LINE_EDITING)
			line_begin(&line, &output);
		assert_true(output.length <= LINE_OUTPUT);
		assert_true(line.first <= line.cursor && line.cursor <= line.length);
		assert_true(line.length <= LINE_BYTES && line.text[line.length] == '\0');
		output.length = 0;
	}
}

/* What does not fit is not executed without its end, typed or pasted. */
static void test_too_long(void **state)
{
	(void)state;
	for (unsigned more = 0; more < 3; more++) {
		line_init(&line, PROMPT);
		output.length = 0;
		line_begin(&line, &output);
		for (unsigned i = 0; i < LINE_BYTES + more; i++) {
			output.length = 0;
			assert_int_equal(line_feed(&line, 'x', &output), LINE_EDITING);
		}
		output.length = 0;
		assert_int_equal(line_feed(&line, 13, &output), more ? LINE_TOO_LONG : LINE_DONE);
		assert_int_equal(line.length, more ? 0 : LINE_BYTES);
		assert_true(more ? !line_history(&line, 0) : !!line_history(&line, 0));
	}
	/* The line was emptied: the next one is another. */
	output.length = 0;
	line_begin(&line, &output);
	line_feed(&line, 'y', &output);
	assert_int_equal(line_feed(&line, 13, &output), LINE_DONE);
	assert_string_equal(line.text, "y");
	for (unsigned i = 0; i <= LINE_BYTES; i++) {
		output.length = 0;
		line_feed(&line, 'x', &output);
	}
	output.length = 0;
	line_feed(&line, 21, &output); /* ^U */
	line_feed(&line, 'z', &output);
	assert_int_equal(line_feed(&line, 13, &output), LINE_DONE);
	assert_string_equal(line.text, "z");
}

/* Nothing reaches the last column, whatever the width, and the cursor is shown. */
static void test_widths(void **state)
{
	(void)state;
	for (unsigned width = 20; width <= 250; width++) {
		line_init(&line, PROMPT);
		line.width = width;
		output.length = 0;
		line_begin(&line, &output);
		for (unsigned i = 0; i < 600; i++) {
			output.length = 0;
			line_feed(&line, (uint8_t) "x\x01\x05\x02"[i % 7 < 4 ? 0 : i % 4], &output);
			assert_true(line.first <= line.cursor && line.cursor <= line.length);
			assert_true(sizeof(PROMPT) - 1 + line.cursor - line.first < width);
			output.length = 0;
			line_redraw(&line, &output);
			assert_true(output.length < LINE_OUTPUT);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_widths),
		cmocka_unit_test_setup(test_typing, setup),
		cmocka_unit_test_setup(test_editing_keys, setup),
		cmocka_unit_test_setup(test_cancel_and_end, setup),
		cmocka_unit_test_setup(test_history, setup),
		cmocka_unit_test_setup(test_history_is_a_ring, setup),
		cmocka_unit_test_setup(test_long_line, setup),
		cmocka_unit_test_setup(test_redraw, setup),
		cmocka_unit_test_setup(test_random_keys, setup),
		cmocka_unit_test_setup(test_random_bytes, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
