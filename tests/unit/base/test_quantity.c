/* SPDX-License-Identifier: MIT */
/*
 * test_quantity.c - base/quantity.c: numbers, sizes and times as people write them.
 */
#include "base/quantity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void test_numbers(void **state)
{
	static const struct {
		const char *text;
		bool valid;
		uint64_t value;
	} cases[] = {
		{"0", true, 0},
		{"42", true, 42},
		{"0x1F", true, 31},
		{"0Xff", true, 255},
		{"18446744073709551615", true, UINT64_MAX},
		{"18446744073709551616", false, 0},
		{"0xffffffffffffffff", true, UINT64_MAX},
		{"0x10000000000000000", false, 0},
		{"4K", true, 4096},
		{"3M", true, 3 << 20},
		{"2G", true, UINT64_C(2) << 30},
		{"17179869184G", false, 0},
		{"", false, 0},
		{"0x", false, 0},
		{"-1", false, 0},
		{"1 ", false, 0},
		{"1KK", false, 0},
		{"K", false, 0},
		{"12a", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t value = 0;

		assert_int_equal(
			quantity_parse(cases[i].text, QUANTITY_ADDRESS | QUANTITY_SIZE, &value),
			cases[i].valid);
		if (cases[i].valid)
			assert_true(value == cases[i].value);
	}
}

static void test_forms(void **state)
{
	uint64_t value;

	(void)state;
	assert_true(quantity_parse("18446744073709551615", QUANTITY_NUMBER, &value) &&
		    value == UINT64_MAX);
	assert_true(quantity_parse("0", QUANTITY_NUMBER, &value) && value == 0);
	assert_true(quantity_parse("17", QUANTITY_ADDRESS, &value) && value == 17);
	assert_true(quantity_parse("0x0", QUANTITY_ADDRESS, &value) && value == 0);
	assert_true(quantity_parse("0xFfffffffFfffffff", QUANTITY_ADDRESS, &value) &&
		    value == UINT64_MAX);
	assert_false(quantity_parse("0x10000000000000000", QUANTITY_ADDRESS, &value));
	assert_false(quantity_parse("0x", QUANTITY_ADDRESS, &value));
	assert_false(quantity_parse("0x1g", QUANTITY_ADDRESS, &value));
	assert_false(quantity_parse("0x1\x10", QUANTITY_ADDRESS, &value));
	assert_false(quantity_parse("12a", QUANTITY_ADDRESS, &value));
	assert_false(quantity_parse("18446744073709551616", QUANTITY_NUMBER, &value));
	assert_false(quantity_parse("", QUANTITY_NUMBER, &value));
	assert_false(quantity_parse("-1", QUANTITY_NUMBER, &value));
	assert_false(quantity_parse("1x", QUANTITY_NUMBER, &value));
	assert_false(quantity_parse(" 1", QUANTITY_NUMBER, &value));
}

static void test_sizes(void **state)
{
	uint64_t bytes;

	(void)state;
	assert_true(quantity_parse("4096", QUANTITY_SIZE, &bytes) && bytes == 4096);
	assert_true(quantity_parse("3K", QUANTITY_SIZE, &bytes) && bytes == 3072);
	assert_true(quantity_parse("2M", QUANTITY_SIZE, &bytes) && bytes == 2u << 20);
	assert_true(quantity_parse("1G", QUANTITY_SIZE, &bytes) && bytes == 1u << 30);
	assert_true(quantity_parse("16T", QUANTITY_SIZE, &bytes) && bytes == UINT64_C(16) << 40);
	assert_false(quantity_parse("16777216T", QUANTITY_SIZE, &bytes));
	assert_false(quantity_parse("1k", QUANTITY_SIZE, &bytes));
	assert_false(quantity_parse("1KB", QUANTITY_SIZE, &bytes));
	assert_false(quantity_parse("K", QUANTITY_SIZE, &bytes));
}

/* Times are written alike wherever one is. */
static void test_times(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} good[] = {{"0", 0},
		    {"5", 5000000000},
		    {"5s", 5000000000},
		    {"250ms", 250000000},
		    {"10m", 600000000000},
		    {"2h", 7200000000000},
		    {"1d", 86400000000000}};
	static const char *const bad[] = {"",	 "s",	"ms",		"5y",	     "-5s",
					  "5 s", "5sm", "5mss",		"1.5s",	     "0x5",
					  "5S",	 "5ss", "99999999999s", "300000000d"};
	uint64_t ns = 0;

	(void)state;
	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(quantity_time(good[i].text, &ns));
		assert_int_equal(ns, good[i].ns);
	}
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(quantity_time(bad[i], &ns));
}

static void test_digits(void **state)
{
	const char *text = "17s";
	uint64_t value = 3;

	(void)state;
	assert_true(quantity_digits(&text, 17, &value) && value == 17 && *text == 's');
	assert_false(quantity_digits(&text, 17, &value));
	text = "18";
	assert_false(quantity_digits(&text, 17, &value));
	text = "9";
	assert_false(quantity_digits(&text, 8, &value));
	assert_int_equal(value, 17);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers), cmocka_unit_test(test_forms),
		cmocka_unit_test(test_sizes),	cmocka_unit_test(test_times),
		cmocka_unit_test(test_digits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
