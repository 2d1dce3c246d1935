/* SPDX-License-Identifier: MIT */
/*
 * test_command.c - how a subcommand's words are taken apart.
 */
#include "tools/mkstore/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const struct command_option options[] = {{"size", "SIZE", "a value"},
						{"force", NULL, "a flag"},
						{"sizes", NULL, "like another"},
						{0}};
static const struct command sample = {.name = "sample", .usage = "ONE [TWO]", .options = options};

static bool parse(struct command_invocation *invocation, char **words)
{
	int count = 0;

	while (words[count])
		count++;
	return command_parse(&sample, count, words, invocation);
}

#define PARSE(invocation, ...) parse((invocation), (char *[]){__VA_ARGS__, NULL})

static void test_good(void **state)
{
	struct command_invocation invocation;

	(void)state;
	assert_true(PARSE(&invocation, "one", "--size", "4", "--json", "two"));
	assert_string_equal(command_value(&invocation, "size"), "4");
	assert_null(command_value(&invocation, "force"));
	assert_null(command_value(&invocation, "unknown"));
	assert_true(invocation.json && !invocation.verbose && !invocation.help);
	assert_int_equal(invocation.operands, 2);
	assert_string_equal(invocation.operand[1], "two");

	assert_true(PARSE(&invocation, "--size=a=b", "--sizes", "-v", "-"));
	assert_string_equal(command_value(&invocation, "size"), "a=b");
	assert_non_null(command_value(&invocation, "sizes"));
	assert_null(command_value(&invocation, "force"));
	assert_string_equal(invocation.operand[0], "-");
	assert_true(invocation.verbose);

	assert_true(PARSE(&invocation, "--force", "--", "--size"));
	assert_string_equal(invocation.operand[0], "--size");
	/* Who asks for help need not know the operands. */
	assert_true(PARSE(&invocation, "--help"));
	assert_true(invocation.help);
}

static void test_bad(void **state)
{
	struct command_invocation invocation;

	(void)state;
	assert_false(PARSE(&invocation, "--force"));
	assert_false(PARSE(&invocation, "1", "2", "3"));
	assert_false(PARSE(&invocation, "1", "2", "3", "4", "5", "6"));
	assert_false(PARSE(&invocation, "1", "--size"));
	assert_false(PARSE(&invocation, "1", "--force=x"));
	assert_false(PARSE(&invocation, "1", "--siz", "4"));
	assert_false(PARSE(&invocation, "1", "--sizex"));
	assert_false(PARSE(&invocation, "1", "-x"));
	assert_false(PARSE(&invocation, "1", "-size", "4"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
