/* SPDX-License-Identifier: MIT */
/*
 * calendar.c - wall time as a date.  Interface in calendar.h.
 *
 * Days are counted in years that begin in March, so that the leap day is the last
 * day of a year, and in eras of 400 years, which all have 146097 days.
 */
#include "base/calendar.h"

#define DAYS_PER_ERA	146097u
#define DAYS_MARCH_1970 719468u /* from 1 March of year 0 to 1 January 1970 */

struct calendar_time calendar_from_ns(uint64_t ns_since_1970)
{
	struct calendar_time time;
	uint64_t seconds = ns_since_1970 / 1000000000u;
	uint64_t days = seconds / 86400u + DAYS_MARCH_1970;
	uint32_t rest = (uint32_t)(seconds % 86400u);
	uint32_t day = (uint32_t)(days % DAYS_PER_ERA);
	/* Whole years in the era: leap days taken out first. */
	uint32_t year = (day - day / 1460u + day / 36524u - day / 146096u) / 365u;
	uint32_t day_of_year = day - (365u * year + year / 4u - year / 100u);
	/* Months from March: the lengths 31 30 31 30 31 repeat every 153 days. */
	uint32_t month = (5u * day_of_year + 2u) / 153u;

	time.day = day_of_year - (153u * month + 2u) / 5u + 1u;
	time.month = month < 10u ? month + 3u : month - 9u;
	time.year = (uint32_t)(days / DAYS_PER_ERA) * 400u + year + (time.month <= 2u ? 1u : 0u);
	time.hour = rest / 3600u;
	time.minute = rest / 60u % 60u;
	time.second = rest % 60u;
	time.weekday = (uint32_t)((seconds / 86400u + 4u) % 7u);
	return time;
}

const char *calendar_weekday_name(uint32_t weekday)
{
	static const char names[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

	return names[weekday % 7u];
}
