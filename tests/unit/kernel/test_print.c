/* SPDX-License-Identifier: MIT */
/*
 * test_print.c - the kernel's formatter against the C library's, and its log.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "kernel/arch.h"
#include "kernel/print.h"

static char shown[1024];

void arch_console_write_sync(const char *text, uint32_t length)
{
	size_t at = strlen(shown);

	assert_true(at + length < sizeof shown);
	memcpy(shown + at, text, length);
	shown[at + length] = '\0';
}

#define SAME(...)                                                                                  \
	do {                                                                                       \
		char ours[128], theirs[128];                                                       \
		int length = snprintf(theirs, sizeof theirs, __VA_ARGS__);                         \
		assert_int_equal(print_format(ours, sizeof ours, __VA_ARGS__), length);            \
		assert_string_equal(ours, theirs);                                                 \
	} while (0)

static void test_numbers(void **state)
{
	(void)state;
	SAME("%d %d %d %i", 0, 1, -1, 42);
	SAME("%d %d", INT32_MAX, INT32_MIN);
	SAME("%ld %ld", INT64_MAX, INT64_MIN);
	SAME("%u %lu %llu", UINT32_MAX, UINT64_MAX, (unsigned long long)7);
	SAME("%x %X %lx", 0xbeef, 0xbeef, UINT64_C(0x123456789abcdef0));
	SAME("%zu %jd", (size_t)5, (intmax_t)-5);
	SAME("[%5d] [%-5d] [%05d] [%05d]", 42, 42, 42, -42);
	SAME("[%5d] [%2d] [%016lx]", -42, 12345, UINT64_C(0xffff800000000000));
	SAME("[%*d] [%-*d] [%*d]", 6, 1, 6, 2, -6, 3);
	SAME("%p", (void *)0x1234);
	SAME("%02x:%02x.%x", 0, 31, 7);
}

static void test_text(void **state)
{
	(void)state;
	SAME("%s", "");
	SAME("[%s] [%5s] [%-5s] [%1s]", "abc", "abc", "abc", "abc");
	SAME("[%.2s] [%.*s] [%8.3s] [%.0s]", "abcdef", 4, "abcdef", "abcdef", "abcdef");
	SAME("%c%c%3c", 'a', 'b', 'c');
	SAME("100%% of %s%%", "it");
	SAME("plain");
	/* No terminator within the precision: nothing beyond is read. */
	char *bare = malloc(3);
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
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		print_format(text, sizeof text, "%s\n", cases[i].given);
		text[strlen(text) - 1] = '\0';
		assert_string_equal(text, cases[i].shown);
	}
}

static void test_bounds(void **state)
{
	char text[8];

	(void)state;
	for (size_t size = 1; size <= sizeof text; size++) {
		memset(text, '#', sizeof text);
		size_t length = print_format(text, size, "%s-%d", "abc", 12345);
		assert_int_equal(length, size - 1);
		assert_memory_equal(text, "abc-1234", length);
		assert_int_equal(text[length], '\0');
		for (size_t i = size; i < sizeof text; i++)
			assert_int_equal(text[i], '#');
	}
	print_format(text, sizeof text, "%1000000d", 1);
	assert_string_equal(text, "       ");
}

/* What the compiler would refuse can come from a table of texts. */
static void test_nonsense(void **state)
{
	const char *const odd[] = {"%", "%q", "%5", "%l", "%-", "%.", "%lq"};
	char text[32];

	(void)state;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
	for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
		print_format(text, sizeof text, odd[i]);
		assert_int_equal(text[0], '%');
	}
#pragma GCC diagnostic pop
	const char *volatile nothing = NULL;
	print_format(text, sizeof text, "%s", nothing);
	assert_string_equal(text, "(null)");
}

/* As drivers say why they give up. */
static void print_loud(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	kernel_print_loud_list(format, arguments);
	va_end(arguments);
}

static void test_lines(void **state)
{
	char read[80];
	uint64_t from = 0;

	(void)state;
	shown[0] = '\0';
	kernel_print("one %d", 1);
	kernel_print("two\n");
	kernel_note("quiet");
	kernel_print_verbose(true);
	kernel_note("loud");
	kernel_print_serial(false);
	kernel_print("hidden");
	kernel_note("hidden too");
	print_loud("given up: %d", 7);
	kernel_print_serial(true);
	kernel_log_record("record");
	assert_string_equal(shown, "one 1\ntwo\nloud\ngiven up: 7\n");
	uint32_t got = kernel_log_read(&from, read, sizeof read);
	assert_int_equal(from, 0);
	read[got] = '\0';
	assert_string_equal(read, "one 1\ntwo\nquiet\nloud\nhidden\nhidden too\ngiven up: 7\n"
				  "record\n");
	from += got;
	assert_int_equal(kernel_log_read(&from, read, sizeof read), 0);
	from = UINT64_MAX;
	assert_int_equal(kernel_log_read(&from, read, sizeof read), 0);
	assert_int_equal(from, got);
}

/* The ring keeps the newest text; a reader that is too late is told where it is. */
static void test_log_wraps(void **state)
{
	static char all[KERNEL_LOG_BYTES + 1];
	char line[64];
	uint64_t from = 0;

	(void)state;
	for (int i = 0; i < 3000; i++) {
		snprintf(line, sizeof line, "line %08d", i);
		kernel_log_record(line);
	}
	uint32_t got = kernel_log_read(&from, all, sizeof all - 1);
	assert_int_equal(got, KERNEL_LOG_BYTES);
	assert_true(from > 0);
	all[got] = '\0';
	assert_string_equal(all + got - 14, "line 00002999\n");
	assert_non_null(strstr(all, "line 00002000\n"));
}

static void test_long_line_is_cut(void **state)
{
	(void)state;
	shown[0] = '\0';
	kernel_print("%400d", 1);
	assert_int_equal(strlen(shown), KERNEL_LINE_BYTES);
	assert_int_equal(shown[KERNEL_LINE_BYTES - 1], '\n');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),	  cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_text),	  cmocka_unit_test(test_controls),
		cmocka_unit_test(test_bounds),	  cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_log_wraps), cmocka_unit_test(test_long_line_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
