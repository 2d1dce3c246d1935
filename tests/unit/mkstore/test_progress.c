/* SPDX-License-Identifier: MIT */
/*
 * test_progress.c - a progress line on a terminal, and none anywhere else.
 */
#include "tools/mkstore/progress.h"

#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define NEVER_NS UINT64_C(1000000000000000) /* eleven days */

#define SHORT_NS UINT64_C(300000000) /* work that needs no progress shown */

static int saved_error;

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static void error_to(int descriptor)
{
	fflush(stderr);
	saved_error = dup(2);
	dup2(descriptor, 2);
}

static void error_back(void)
{
	fflush(stderr);
	dup2(saved_error, 2);
	close(saved_error);
}

/*
 * What has been written to the terminal since the last call.  A pseudo-terminal hands
 * it over when it likes and in as many parts, so a mark is written behind it.
 */
static void terminal_read(int terminal, int side, char *text, size_t size)
{
	size_t length = 0;

	assert_int_equal(write(side, "|", 1), 1);
	do {
		assert_true(length < size);
		assert_int_equal(read(terminal, text + length, 1), 1);
	} while (text[length++] != '|');
	text[length - 1] = 0;
}

static void test_terminal(void **state)
{
	struct progress progress;
	uint64_t before_ns, wait_ns;
	int terminal, side;
	char early[200], shown[200], ended[200];

	(void)state;
	assert_int_equal(openpty(&terminal, &side, NULL, NULL, NULL), 0);
	error_to(side);
	before_ns = clock_ns();
	progress_begin(&progress, "writing", true);
	/* Short work shows nothing; then the time has come. */
	wait_ns = progress.next_ns - before_ns;
	progress.next_ns += NEVER_NS;
	progress_update(&progress, 1, 4);
	terminal_read(terminal, side, early, sizeof(early));
	progress.next_ns = 0;
	progress_update(&progress, 3 << 20, 4 << 20);
	terminal_read(terminal, side, shown, sizeof(shown));
	progress_end(&progress);
	progress_update(&progress, 4 << 20, 4 << 20);
	terminal_read(terminal, side, ended, sizeof(ended));
	error_back();
	assert_in_range(wait_ns, SHORT_NS, NEVER_NS);
	assert_string_equal(early, "");
	assert_string_equal(shown, "\r\033[Kwriting: 3.0 MiB, 75 %");
	assert_string_equal(ended, "\r\033[K");
	close(terminal);
	close(side);
}

static void test_no_terminal(void **state)
{
	FILE *file = tmpfile();
	struct progress progress;

	(void)state;
	error_to(fileno(file));
	progress_begin(&progress, "writing", false);
	for (unsigned i = 0; i < 1000; i++)
		progress_update(&progress, i, 1000);
	progress_end(&progress);
	error_back();
	assert_int_equal(progress.next_ns, UINT64_MAX);
	assert_int_equal(lseek(fileno(file), 0, SEEK_END), 0);
	fclose(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_terminal),
		cmocka_unit_test(test_no_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
