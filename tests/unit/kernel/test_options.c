/* SPDX-License-Identifier: MIT */
/*
 * test_options.c - the kernel's command line: words, values, numbers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "kernel/options.h"

static void test_words(void **state)
{
	(void)state;
	assert_true(option_given("verbose", "verbose"));
	assert_true(option_given("  safe   verbose ", "verbose"));
	assert_true(option_given("panic=reboot", "panic=reboot"));
	/* Part of a word, and a word with a part, are other words. */
	assert_false(option_given("verbosely", "verbose"));
	assert_false(option_given("unverbose", "verbose"));
	assert_false(option_given("verb", "verbose"));
	assert_false(option_given("verbose=1", "verbose"));
	assert_false(option_given("", "verbose"));
	assert_false(option_given("   ", "verbose"));
}

static void value_is(const char *line, const char *name, const char *expected)
{
	const char *value;
	size_t length;

	assert_true(option_value(line, name, &value, &length));
	assert_int_equal(length, strlen(expected));
	assert_memory_equal(value, expected, length);
}

static void test_values(void **state)
{
	const char *value;
	size_t length;

	(void)state;
	value_is("store=abc", "store", "abc");
	value_is("a store=abc b", "store", "abc");
	value_is("store=", "store", "");
	value_is("store=a=b", "store", "a=b");
	/* The last one counts: it was added behind the menu's. */
	value_is("store=a store=b", "store", "b");
	assert_false(option_value("store", "store", &value, &length));
	assert_false(option_value("storeroom=a", "store", &value, &length));
	assert_false(option_value("xstore=a", "store", &value, &length));
	assert_false(option_value("", "store", &value, &length));
}

static void test_numbers(void **state)
{
	static const char *const refused[] = {
		"generation=",
		"generation=1x",
		"generation=-1",
		"generation",
		"",
		"generation=18446744073709551616",
		"generation=99999999999999999999",
	};
	uint64_t number;

	(void)state;
	assert_true(option_number("generation=57", "generation", &number));
	assert_int_equal(number, 57);
	assert_true(option_number("generation=18446744073709551615", "generation", &number));
	assert_true(number == UINT64_MAX);
	number = 7;
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
		assert_false(option_number(refused[i], "generation", &number));
	assert_int_equal(number, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
