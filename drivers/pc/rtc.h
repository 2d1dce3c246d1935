/* SPDX-License-Identifier: MIT */
/*
 * rtc.h - the battery-backed clock in the CMOS memory.
 */
#ifndef DRIVERS_PC_RTC_H
#define DRIVERS_PC_RTC_H

#include <stdint.h>

/* The clock's registers as they stand. */
struct rtc_fields {
	uint8_t second, minute, hour, day, month, year, century;
	uint8_t status_b; /* bit 1: 24 hours, bit 2: binary, else BCD */
};

/* Seconds since 1970-01-01 00:00 UTC; 0 when the fields are no date.  A century
 * of 0 or nonsense counts as 20. */
uint64_t rtc_seconds(const struct rtc_fields *fields);

/* One reading that does not wait: 0 also while the clock is changing. */
uint64_t rtc_glance(uint8_t century);

/* Reads the clock; `century` is the CMOS index of the century, 0: none.  Takes
 * at most a few milliseconds.  0 when the clock does not answer. */
uint64_t rtc_read(uint8_t century);

#endif
