/* SPDX-License-Identifier: MIT */
/*
 * test_console_line.c - the line at the kernel's console: what is typed, what is shown.
 */
#include "kernel/console_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct console_line line;
static char shown[4096]; /* what a terminal would show, as far as it is sent */

static int setup(void **state)
{
	(void)state;
	memset(&line, 0, sizeof(line));
	console_line_begin(&line);
	shown[0] = 0;
	return 0;
}

static enum console_event type(const char *text, size_t length)
{
	enum console_event event = CONSOLE_EDITING;

	for (size_t i = 0; i < length; i++) {
		struct console_echo echo;

		event = console_line_feed(&line, (uint8_t)text[i], &echo);
		assert_true(echo.length <= sizeof(echo.text));
		strncat(shown, echo.text, echo.length);
		assert_int_equal(strlen(line.text), line.length);
	}
	return event;
}

#define TYPE(text) type(text, sizeof(text) - 1)

static void test_text(void **state)
{
	(void)state;
	assert_int_equal(TYPE("help me\r"), CONSOLE_DONE);
	assert_string_equal(line.text, "help me");
	assert_string_equal(shown, "help me\r\n");
}

/* CR, LF and CR LF end one line each. */
static void test_ends(void **state)
{
	(void)state;
	assert_int_equal(TYPE("a\r"), CONSOLE_DONE);
	assert_int_equal(TYPE("\n"), CONSOLE_EDITING);
	assert_int_equal(TYPE("\n"), CONSOLE_DONE);
	assert_int_equal(TYPE("\r"), CONSOLE_DONE);
	assert_int_equal(TYPE("\r"), CONSOLE_DONE);
	console_line_begin(&line);
	assert_int_equal(TYPE("\nb\n"), CONSOLE_DONE);
	assert_string_equal(line.text, "b");
}

static void test_taking_back(void **state)
{
	(void)state;
	TYPE("\b\x7f");
	assert_string_equal(shown, "");
	TYPE("abc\b\x7f");
	assert_string_equal(line.text, "a");
	assert_string_equal(shown, "abc\b \b\b \b");
	/* A character of three bytes is one. */
	shown[0] = 0;
	TYPE("\xe2\x82\xac\b");
	assert_string_equal(line.text, "a");
	assert_string_equal(shown, "\xe2\x82\xac\b \b");
	shown[0] = 0;
	TYPE("bc\x15");
	assert_string_equal(line.text, "");
	assert_string_equal(shown, "bc\b \b\b \b\b \b");
	assert_int_equal(TYPE("restore x\x03"), CONSOLE_CANCELLED);
	assert_string_equal(line.text, "");
}

/* Keys that send several bytes do nothing, and leave nothing behind. */
static void test_sequences(void **state)
{
	(void)state;
	TYPE("a\x1b[A\x1b[1;5Cb\x1bOPc\x1bxd\x1b[3~");
	assert_string_equal(line.text, "abcd");
	assert_string_equal(shown, "abcd");
	/* A lone Escape does not hide what ends a line. */
	assert_int_equal(TYPE("\x1b\r"), CONSOLE_DONE);
	assert_int_equal(TYPE("\x1b[\x03"), CONSOLE_CANCELLED);
}

static void test_bound(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CONSOLE_LINE_MAX; i++)
		TYPE("x");
	shown[0] = 0;
	TYPE("yz");
	assert_int_equal(line.length, CONSOLE_LINE_MAX);
	assert_string_equal(shown, "\a\a");
	TYPE("\x15");
	assert_int_equal(line.length, 0);
	assert_int_equal(strlen(shown), 2 + 3 * CONSOLE_LINE_MAX);
}

static void check_words(const char *text, uint32_t count, const char *first, const char *last)
{
	char copy[CONSOLE_LINE_MAX + 1], *word[CONSOLE_WORDS] = {NULL};

	strcpy(copy, text);
	assert_int_equal(console_line_split(copy, word), count);
	if (count > CONSOLE_WORDS)
		return;
	if (count) {
		assert_string_equal(word[0], first);
		assert_string_equal(word[count - 1], last);
	}
}

static void test_words(void **state)
{
	(void)state;
	check_words("", 0, NULL, NULL);
	check_words("   ", 0, NULL, NULL);
	check_words("help", 1, "help", "help");
	check_words("  restore   -10m ", 2, "restore", "-10m");
	check_words("a b c d", 4, "a", "d");
	check_words("delete 'old  state' ", 2, "delete", "old  state");
	check_words("\"it's old\" b\"c", 2, "it's old", "b\"c");
	check_words("delete \"never ends", 2, "delete", "never ends");
	check_words("delete ''", 2, "delete", "");
	check_words("a b c 'd d' e", CONSOLE_WORDS + 1, NULL, NULL);
	check_words("a b c d e", CONSOLE_WORDS + 1, NULL, NULL);
	check_words("a b c d e f g", CONSOLE_WORDS + 1, NULL, NULL);
}

/* Whatever is sent: the line stays a line, and the echo within its bound. */
static void test_anything(void **state)
{
	(void)state;
	srandom(7);
	for (unsigned i = 0; i < 200000; i++) {
		char byte = (char)random();

		shown[0] = 0;
		if (type(&byte, 1) != CONSOLE_EDITING)
			console_line_begin(&line);
		assert_true(line.length <= CONSOLE_LINE_MAX);
		for (uint32_t j = 0; j < line.length; j++)
			assert_true((unsigned char)line.text[j] >= ' ' && line.text[j] != 0x7f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_text, setup),
		cmocka_unit_test_setup(test_ends, setup),
		cmocka_unit_test_setup(test_taking_back, setup),
		cmocka_unit_test_setup(test_sequences, setup),
		cmocka_unit_test_setup(test_bound, setup),
		cmocka_unit_test_setup(test_words, setup),
		cmocka_unit_test_setup(test_anything, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
