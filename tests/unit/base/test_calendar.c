/* SPDX-License-Identifier: MIT */
/*
 * test_calendar.c - base/calendar.c: dates against the C library's.
 */
#include "base/calendar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <cmocka.h>

static void test_dates_like_the_c_library(void **state)
{
	(void)state;
	/* Odd steps over 500 years, so that leap days and ends of months are met. */
	for (uint64_t seconds = 0; seconds < UINT64_C(500) * 366 * 86400; seconds += 40123) {
		struct calendar_time ours = calendar_from_ns(seconds * 1000000000u);
		time_t theirs_seconds = (time_t)seconds;
		struct tm theirs;

		/* 64-bit ns end in the year 2554. */
		if (seconds > UINT64_MAX / 1000000000u)
			break;
		gmtime_r(&theirs_seconds, &theirs);
		assert_int_equal(ours.year, theirs.tm_year + 1900);
		assert_int_equal(ours.month, theirs.tm_mon + 1);
		assert_int_equal(ours.day, theirs.tm_mday);
		assert_int_equal(ours.hour, theirs.tm_hour);
		assert_int_equal(ours.minute, theirs.tm_min);
		assert_int_equal(ours.second, theirs.tm_sec);
		assert_int_equal(ours.weekday, theirs.tm_wday);
	}
	assert_string_equal(calendar_weekday_name(calendar_from_ns(0).weekday), "Thu");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dates_like_the_c_library),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
