/* SPDX-License-Identifier: MIT */
/*
 * test_words.c - user/shell/words.c and suggest.c: command lines taken apart, and
 * what was probably meant.
 */
#include "user/shell/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "user/shell/suggest.h"

static struct words words;

static void test_words(void **state)
{
	static const struct {
		const char *line, *word[5], *target;
		bool append;
	} cases[] = {
		{"", {NULL}, NULL, false},
		{"   ", {NULL}, NULL, false},
		{"one", {"one"}, NULL, false},
		{"  one \t two  ", {"one", "two"}, NULL, false},
		{"a 'b  c' \"d > e\"", {"a", "b  c", "d > e"}, NULL, false},
		{"a\"b\"'c'", {"abc"}, NULL, false},
		{"a \"\" b", {"a", "", "b"}, NULL, false},
		{"a\\ b \\> \\\\", {"a b", ">", "\\"}, NULL, false},
		{"\"line\\none\\ttab\\\"\"", {"line\none\ttab\""}, NULL, false},
		{"'no\\nescape'", {"no\\nescape"}, NULL, false},
		{"echo x > f", {"echo", "x"}, "f", false},
		{"echo x>f", {"echo", "x"}, "f", false},
		{"echo x >>f y", {"echo", "x", "y"}, "f", true},
		{"> f", {NULL}, "f", false},
		{"echo > 'a b'", {"echo"}, "a b", false},
		{"end\\", {"end"}, NULL, false},
		{"# all of it > f", {NULL}, NULL, false},
		{"one #12 #", {"one", "#12"}, NULL, false},
		{"one # two 'three > f", {"one"}, NULL, false},
		{"one '#' two# \\# # three", {"one", "#", "two#", "#"}, NULL, false},
		{"echo x > f\t#\ty", {"echo", "x"}, "f", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int count = 0;

		assert_true(words_split(cases[i].line, &words));
		for (; cases[i].word[count]; count++)
			assert_string_equal(words.word[count], cases[i].word[count]);
		assert_int_equal(words.count, count);
		assert_null(words.word[count]);
		assert_int_equal(words.append, cases[i].append);
		if (cases[i].target)
			assert_string_equal(words.target, cases[i].target);
		else
			assert_null(words.target);
	}
}

static void test_refused(void **state)
{
	static const char *const lines[] = {
		"a \"b",      "a 'b",	    "echo >",	    "echo > ",
		"echo > > f", "echo >>> f", "echo > a > b", "> \"x",
	};
	char many[3 * WORDS_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		assert_false(words_split(lines[i], &words));
		assert_non_null(words.error);
	}
	memset(many, 'w', sizeof(many));
	for (size_t i = 1; i < 2 * WORDS_MAX; i += 2)
		many[i] = ' ';
	many[2 * WORDS_MAX] = '\0';
	assert_true(words_split(many, &words));
	assert_int_equal(words.count, WORDS_MAX);
	many[2 * WORDS_MAX] = 'w';
	many[2 * WORDS_MAX + 1] = '\0';
	assert_false(words_split(many, &words));
}

/* The longest line of the worst kind fits the buffer (the sanitizer looks on). */
static void test_random_lines(void **state)
{
	static const char letters[] = "a>'\" \\\tn";
	char line[LINE_BYTES + 1];

	(void)state;
	srand(3);
	for (unsigned round = 0; round < 5000; round++) {
		size_t length = (size_t)rand() % (LINE_BYTES + 1);

		for (size_t i = 0; i < length; i++)
			line[i] = letters[(unsigned)rand() % (sizeof(letters) - 1)];
		line[length] = '\0';
		if (words_split(line, &words))
			assert_true(words.count <= WORDS_MAX && !words.word[words.count]);
		else
			assert_non_null(words.error);
	}
}

static void test_distance(void **state)
{
	(void)state;
	assert_int_equal(suggest_distance("", ""), 0);
	assert_int_equal(suggest_distance("abc", ""), 3);
	assert_int_equal(suggest_distance("abc", "abc"), 0);
	assert_int_equal(suggest_distance("abc", "abd"), 1);
	assert_int_equal(suggest_distance("abc", "ac"), 1);
	assert_int_equal(suggest_distance("abc", "abxc"), 1);
	assert_int_equal(suggest_distance("abc", "acb"), 1);
	assert_int_equal(suggest_distance("kitten", "sitting"), 3);
	assert_int_equal(suggest_distance("abcdefghijklmnopqrstuvwxyz", "a"), SUGGEST_LENGTH);
}

static void test_rank(void **state)
{
	(void)state;
	assert_int_equal(suggest_rank("snapshto", "snapshot"), 1);
	assert_int_equal(suggest_rank("snap", "snapshot"), 1);
	assert_int_equal(suggest_rank("chekpont", "checkpoint"), 2);
	assert_int_equal(suggest_rank("sl", "ls"), 1);
	assert_int_equal(suggest_rank("x", "ls"), SUGGEST_LENGTH);
	assert_int_equal(suggest_rank("", "ls"), SUGGEST_LENGTH);
	assert_int_equal(suggest_rank("frobnicate", "ls"), SUGGEST_LENGTH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),	     cmocka_unit_test(test_refused),
		cmocka_unit_test(test_random_lines), cmocka_unit_test(test_distance),
		cmocka_unit_test(test_rank),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
