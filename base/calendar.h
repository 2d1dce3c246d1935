/* SPDX-License-Identifier: MIT */
/*
 * calendar.h - wall time as a date (UTC, Gregorian).  Pure code.
 */
#ifndef BASE_CALENDAR_H
#define BASE_CALENDAR_H

#include <stdint.h>

struct calendar_time {
	uint32_t year, month, day; /* month and day from 1 */
	uint32_t hour, minute, second;
	uint32_t weekday; /* 0: Sunday */
};

struct calendar_time calendar_from_ns(uint64_t ns_since_1970);
/* "Mon", "Tue" ... */
const char *calendar_weekday_name(uint32_t weekday);

#endif
