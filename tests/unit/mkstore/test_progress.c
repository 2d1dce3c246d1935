/* SPDX-License-Identifier: MIT */
/*
 * test_progress.c - a progress line on a terminal, and none anywhere else.
 */
#include "tools/mkstore/progress.h"

#include <fcntl.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define ROUNDS_MAX 200000000u /* updates until somebody gives up */

static int saved_error;

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

/* What was written to the terminal so far. */
static size_t terminal_read(int terminal, char *text, size_t size)
{
	ssize_t got = read(terminal, text, size - 1);

	text[got > 0 ? got : 0] = 0;
	return got > 0 ? (size_t)got : 0;
}

static void test_terminal(void **state)
{
	struct progress progress;
	int terminal, side;
	char text[200];
	unsigned rounds = 0;

	(void)state;
	assert_int_equal(openpty(&terminal, &side, NULL, NULL, NULL), 0);
	fcntl(terminal, F_SETFL, O_NONBLOCK);
	error_to(side);
	progress_begin(&progress, "writing", true);
	progress_update(&progress, 1, 4);
	/* Short work shows nothing. */
	bool early = terminal_read(terminal, text, sizeof(text)) > 0;
	while (!progress.shown && rounds++ < ROUNDS_MAX)
		progress_update(&progress, 3 << 20, 4 << 20);
	terminal_read(terminal, text, sizeof(text));
	error_back();
	assert_false(early);
	assert_string_equal(text, "\r\033[Kwriting: 3.0 MiB, 75 %");
	error_to(side);
	progress_end(&progress);
	progress_update(&progress, 4 << 20, 4 << 20);
	terminal_read(terminal, text, sizeof(text));
	error_back();
	assert_string_equal(text, "\r\033[K");
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
