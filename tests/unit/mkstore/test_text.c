/* SPDX-License-Identifier: MIT */
/*
 * test_text.c - sizes, times, identities and names as text.
 */
#include "tools/mkstore/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void test_sizes(void **state)
{
	char out[TEXT_SIZE];

	(void)state;
	assert_string_equal(text_size(out, 0), "0 B");
	assert_string_equal(text_size(out, 1023), "1023 B");
	assert_string_equal(text_size(out, 1536), "1.5 KiB");
	assert_string_equal(text_size(out, UINT64_C(3) << 30), "3.0 GiB");
	assert_string_equal(text_size(out, UINT64_MAX), "15.9 EiB");
}

static void test_times(void **state)
{
	char out[TEXT_SIZE];

	(void)state;
	assert_string_equal(text_time(out, 0), "-");
	assert_string_equal(text_time(out, UINT64_C(1700000000999999999)),
			    "2023-11-14 22:13:20 UTC");
	assert_string_equal(text_duration(out, 0), "00:00:00.000");
	assert_string_equal(text_duration(out, UINT64_C(3723004999999)), "01:02:03.004");
	assert_string_equal(text_duration(out, UINT64_C(90061) * 1000000000), "1 d 01:01:01");
}

static void test_identity(void **state)
{
	char out[TEXT_IDENTITY];
	uint8_t identity[16];

	(void)state;
	assert_true(text_identity_parse("00112233-4455-6677-8899-aAbBcCdDeEfF", identity));
	assert_int_equal(identity[0], 0);
	assert_int_equal(identity[15], 0xff);
	assert_string_equal(text_identity(out, identity), "00112233-4455-6677-8899-aabbccddeeff");
	assert_false(text_identity_parse("00112233-4455-6677-8899-aabbccddeef", identity));
	assert_false(text_identity_parse("00112233-4455-6677-8899-aabbccddeefff", identity));
	assert_false(text_identity_parse("001122334-455-6677-8899-aabbccddeeff", identity));
	assert_false(text_identity_parse("g0112233-4455-6677-8899-aabbccddeeff", identity));
}

static void test_names(void **state)
{
	char out[TEXT_NAME(16)], small[12];

	(void)state;
	assert_string_equal(text_name(out, sizeof(out), "count", 5), "count");
	assert_string_equal(text_name(out, sizeof(out), "a\x1b[2J\n", 6), "a\\x1b[2J\\x0a");
	assert_string_equal(text_name(out, sizeof(out), "\xc3\xa4\\\xc2\x9b\xff", 6),
			    "\xc3\xa4\\\\\\xc2\\x9b\\xff");
	assert_string_equal(text_name(out, sizeof(out), "\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1", 16),
			    "\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01"
			    "\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01");
	assert_string_equal(text_name(small, sizeof(small), "0123456789abcdef", 16), "01234...");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
