/* SPDX-License-Identifier: MIT */
/*
 * test_width.c - user/shell/width.c: the terminal's answer among what is typed.
 */
#include "user/shell/width.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct width width;
static char typed[200];

static void feed(const char *bytes)
{
	uint8_t keys[WIDTH_HELD];
	size_t length = strlen(typed);

	for (; *bytes; bytes++) {
		size_t count = width_feed(&width, (uint8_t)*bytes, keys);

		assert_true(count <= WIDTH_HELD && length + count < sizeof(typed));
		memcpy(typed + length, keys, count);
		length += count;
		typed[length] = '\0';
	}
}

static void begin(unsigned questions)
{
	width = (struct width){.columns = WIDTH_USUAL};
	typed[0] = '\0';
	while (questions--)
		width_ask(&width);
}

static void test_answers(void **state)
{
	static const struct {
		const char *bytes, *keys;
		uint32_t columns;
	} cases[] = {
		{"", "", 80},
		{"ls\r", "ls\r", 80},
		{"\x1b[24;132R", "", 132},
		{"\x1b[1;100R", "", 100},
		{"l\x1b[24;132Rs\r", "ls\r", 132},
		{"\x1b\x1b[24;132R", "\x1b", 132},
		{"\x1b[\x1b[24;132R", "\x1b[", 132},
		{"\x1b[24;\x1b[24;132R", "\x1b[24;", 132},
		{"\x1b[A\x1b[24;132R\x1b[B", "\x1b[A\x1b[B", 132},
		/* F3 with a shift key, nonsense, more than there are columns */
		{"\x1b[1;5R", "\x1b[1;5R", 80},
		{"\x1b[24;132;7R", "\x1b[24;132;7R", 80},
		{"\x1b[24;132;", "\x1b[24;132;", 80},
		{"\x1b[;132R", "\x1b[;132R", 80},
		{"\x1b[24;R", "\x1b[24;R", 80},
		{"\x1b[24R", "\x1b[24R", 80},
		{"\x1b[2424242424242", "\x1b[2424242424242", 80},
		{"\x1b[24;999R", "", WIDTH_MOST},
		{"\x1b[24;132\x03", "\x1b[24;132\x03", 80},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin(1);
		feed(cases[i].bytes);
		assert_string_equal(typed, cases[i].keys);
		assert_int_equal(width.columns, cases[i].columns);
	}
}

/* Late answers are as good; one that nobody has asked for is typed. */
static void test_owed(void **state)
{
	(void)state;
	begin(3);
	feed("a\x1b[24;100Rb\x1b[24;120R\x1b[24;90R");
	assert_string_equal(typed, "ab");
	assert_int_equal(width.columns, 90);
	feed("\x1b[24;50R");
	assert_string_equal(typed, "ab\x1b[24;50R");
	assert_int_equal(width.columns, 90);
}

/* The same terminal is as wide as before; another one says what it is, or nothing. */
static void test_resume(void **state)
{
	(void)state;
	for (unsigned answers = 0; answers < 2; answers++) {
		begin(2);
		feed("\x1b[24;132R\x1b[2");
		width_resume(&width);
		assert_int_equal(width.columns, 132);
		width_ask(&width);
		width_ask(&width);
		assert_int_equal(width.columns, 132);
		if (answers)
			feed("\x1b[24;132R\x1b[24;132R");
		width_ask(&width);
		assert_int_equal(width.columns, answers ? 132 : WIDTH_USUAL);
		feed("ls\r");
		assert_string_equal(typed, "ls\r");
		feed("\x1b[24;70R");
		assert_int_equal(width.columns, 70);
	}
}

/* Whatever comes: no byte is lost, none is held for ever. */
static void test_random(void **state)
{
	static const char bytes[] = "\x1b\x1b[[;;;0123R24x";
	uint32_t random = 1;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		char sent[40];
		unsigned length = 0;

		while (length < sizeof(sent) - 2) {
			random = random * 1664525 + 1013904223;
			sent[length++] = bytes[(random >> 16) % (sizeof(bytes) - 1)];
		}
		sent[length++] = 'x';
		sent[length] = '\0';
		begin(1);
		feed(sent);
		if (width.owed)
			assert_string_equal(typed, sent);
		assert_true(width.columns >= WIDTH_LEAST && width.columns <= WIDTH_MOST);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_owed),
		cmocka_unit_test(test_resume),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
