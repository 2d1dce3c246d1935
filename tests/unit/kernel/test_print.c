/* SPDX-License-Identifier: MIT */
/*
 * test_print.c - the kernel's lines, and its log.
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
	assert_string_equal(shown, "one 1\ntwo\nloud\ngiven up: 7\n");
	uint32_t got = print_log_read(&from, read, sizeof read);
	assert_int_equal(from, 0);
	read[got] = '\0';
	assert_string_equal(read, "one 1\ntwo\nquiet\nloud\nhidden\nhidden too\ngiven up: 7\n");
	from += got;
	assert_int_equal(print_log_read(&from, read, sizeof read), 0);
	from = UINT64_MAX;
	assert_int_equal(print_log_read(&from, read, sizeof read), 0);
	assert_int_equal(from, got);
}

/* The ring keeps the newest text; a reader that is too late is told where it is. */
static void test_log_wraps(void **state)
{
	static char all[KERNEL_LOG_BYTES + 1];
	uint64_t from = 0;

	(void)state;
	kernel_print_serial(false);
	for (int i = 0; i < 3000; i++)
		kernel_print("line %08d", i);
	kernel_print_serial(true);
	uint32_t got = print_log_read(&from, all, sizeof all - 1);
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
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_log_wraps),
		cmocka_unit_test(test_long_line_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
