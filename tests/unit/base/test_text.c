/* SPDX-License-Identifier: MIT */
/*
 * test_text.c - base/text.c: formatting against the C library's, comparison.
 */
#include "base/text.h"

#include <inttypes.h>
#include <limits.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <cmocka.h>

#define SAME(...)                                                                                  \
	do {                                                                                       \
		char wanted_text[256], got_text[256];                                              \
		int wanted_length = snprintf(wanted_text, sizeof(wanted_text), __VA_ARGS__);       \
		size_t got_length = text_format(got_text, sizeof(got_text), __VA_ARGS__);          \
		assert_string_equal(got_text, wanted_text);                                        \
		assert_int_equal(got_length, wanted_length);                                       \
	} while (0)

static void test_format_like_printf(void **state)
{
	(void)state;
	SAME("plain");
	SAME("%s|%10s|%-10s|%.2s|%.*s|%*s", "abc", "abc", "abc", "abc", 1, "abc", 6, "abc");
	SAME("%d %d %d %i", 0, INT_MAX, INT_MIN, -1);
	SAME("%5d|%-5d|%05d|%+d|%+d|%.4d", 42, 42, -42, 7, -7, 42);
	SAME("%u %u %x %X %08x", 0u, UINT_MAX, 0xdeadbeefu, 0xabcu, 0x1234u);
	SAME("%lu %ld %llu %lld %zu %jd", ULONG_MAX, LONG_MIN, ULLONG_MAX, LLONG_MIN, SIZE_MAX,
	     INTMAX_MIN);
	SAME("%llx %016llx %-20llx|", 1ull << 60, 255ull, 255ull);
	SAME("%c%c%c %5c| %-5c|", 'a', 'b', 'c', 'd', 'e');
	SAME("100%% %hhu %hd", 7, 8);
	SAME("%p", (void *)0x12345678);
}

/* No terminator within the precision: nothing beyond is read. */
static void test_precision_ends_text(void **state)
{
	char *bare = malloc(3);

	(void)state;
	assert_non_null(bare);
	memcpy(bare, "xyz", 3);
	SAME("%.3s", bare);
	free(bare);
}

/* What would steer the terminal is not shown; UTF-8 is. */
static void test_controls(void **state)
{
	static const struct {
		const char *given, *shown;
	} cases[] = {
		{"a\x1b[2Jb\r\n\x08\x7f", "a?[2Jb????"},
		{"\x9b"
		 "2J \xc2\x9b"
		 "2J \xc2\x80",
		 "?2J \xc2?2J \xc2?"},
		{"Stra\xc3\x9f"
		 "e \xc2\xa9 \xe2\x82\x80 \xf0\x9f\x98\x80",
		 "Stra\xc3\x9f"
		 "e \xc2\xa9 \xe2\x82\x80 \xf0\x9f\x98\x80"},
	};
	char text[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		text_format_shown(text, sizeof(text), "%s\n", cases[i].given);
		text[strlen(text) - 1] = '\0';
		assert_string_equal(text, cases[i].shown);
	}
}

static void test_format_null_and_unknown(void **state)
{
	char text[32];
	const char *volatile none = NULL;
	/* Through a variable: the compiler would refuse the conversion. */
	const char *volatile odd[] = {"%", "%q", "%5", "%l", "%-", "%.", "%lq"};

	(void)state;
	text_format(text, sizeof(text), "%s", none);
	assert_string_equal(text, "(none)");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		text_format(text, sizeof(text), odd[i]);
		assert_int_equal(text[0], '%');
	}
#pragma GCC diagnostic pop
}

/* Whatever the size, nothing behind it is touched and the text ends with NUL. */
static void test_format_is_bounded(void **state)
{
	(void)state;
	for (size_t size = 0; size < 40; size++) {
		char text[64];
		size_t length;

		memset(text, '#', sizeof(text));
		length = text_format(text, size, "%s %20d %-20s %c", "some text", 5, "more", 'x');
		assert_true(size == 0 ? length == 0 : length == size - 1);
		for (size_t i = size; i < sizeof(text); i++)
			assert_int_equal(text[i], '#');
		if (size > 0)
			assert_int_equal(text[size - 1], '\0');
	}
}

static void test_huge_width_is_cut(void **state)
{
	char text[16];

	(void)state;
	assert_int_equal(text_format(text, sizeof(text), "%*d", 1000000, 1), 15);
	assert_int_equal(text_format(text, sizeof(text), "%-*d", 1000000, 1), 15);
	assert_int_equal(text[0], '1');
}

static void test_comparison(void **state)
{
	const char *text = "abc";

	(void)state;
	assert_true(text_equal("", "") && text_equal("abc", "abc"));
	assert_false(text_equal("abc", "ab") || text_equal("ab", "abc") || text_equal("a", "b"));
	assert_true(text_begins("abc", "") && text_begins("abc", "ab") && text_begins("a", "a"));
	assert_false(text_begins("ab", "abc") || text_begins("xbc", "ab"));
	assert_ptr_equal(text_find(text, 'b'), text + 1);
	assert_null(text_find(text, 'x'));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format_like_printf),
		cmocka_unit_test(test_precision_ends_text),
		cmocka_unit_test(test_controls),
		cmocka_unit_test(test_format_null_and_unknown),
		cmocka_unit_test(test_format_is_bounded),
		cmocka_unit_test(test_huge_width_is_cut),
		cmocka_unit_test(test_comparison),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
