/* SPDX-License-Identifier: MIT */
/*
 * test_options.c - the kernel's command line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
