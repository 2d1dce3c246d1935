/* SPDX-License-Identifier: MIT */
/*
 * rtc.c - MC146818 real-time clock.
 *
 * The registers change under the reader once a second.  They are read outside
 * an update, and read again until two readings agree.
 */
#include "drivers/pc/rtc.h"
#include <stdbool.h>
#include "drivers/pc/port.h"

#define CMOS_INDEX 0x70u
#define CMOS_DATA  0x71u
#define STATUS_A   0x0au
#define STATUS_B   0x0bu
#define UPDATING   0x80u
#define HOURS_24   0x02u
#define BINARY	   0x04u
#define PM	   0x80u

/* An update lasts 2 ms at most and a read takes about 1 us. */
#define PATIENCE 5000u
#define READINGS 5u

static uint8_t cmos_read(uint8_t index)
{
	port_write8(CMOS_INDEX, index | 0x80u); /* bit 7: NMI stays off meanwhile */
	uint8_t value = port_read8(CMOS_DATA);
	port_write8(CMOS_INDEX, 0x0d); /* NMI on again, a harmless register selected */
	return value;
}

static uint8_t rtc_decimal(uint8_t value, bool binary)
{
	return binary ? value : (uint8_t)((value >> 4) * 10 + (value & 15));
}

/* Days from 1970-01-01 to the first of March of `year`, then onwards: years are
 * counted from March, so that the leap day comes last. */
static uint64_t rtc_days(uint32_t year, uint32_t month, uint32_t day)
{
	uint64_t y = month > 2 ? year : year - 1;
	uint64_t m = month > 2 ? month - 3 : month + 9;

	return y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719468;
}

static uint32_t rtc_year(const struct rtc_fields *f, bool binary)
{
	uint32_t century = rtc_decimal(f->century, binary);

	if (century < 19 || century > 99)
		century = 20;
	return century * 100 + rtc_decimal(f->year, binary);
}

uint64_t rtc_seconds(const struct rtc_fields *f)
{
	bool binary = f->status_b & BINARY;
	uint32_t second = rtc_decimal(f->second, binary);
	uint32_t minute = rtc_decimal(f->minute, binary);
	uint32_t hour = rtc_decimal(f->hour & (f->status_b & HOURS_24 ? 0xffu : 0x7fu), binary);
	uint32_t day = rtc_decimal(f->day, binary);
	uint32_t month = rtc_decimal(f->month, binary);
	uint32_t year = rtc_year(f, binary);

	if (!(f->status_b & HOURS_24))
		hour = hour % 12 + (f->hour & PM ? 12 : 0);
	if (second > 60 || minute > 59 || hour > 23 || day < 1 || day > 31 || month < 1 ||
	    month > 12 || year < 1970 || year % 100 > 99)
		return 0;
	return ((rtc_days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
}

static void rtc_take(uint8_t century, struct rtc_fields *f)
{
	*f = (struct rtc_fields){
		.second = cmos_read(0),
		.minute = cmos_read(2),
		.hour = cmos_read(4),
		.day = cmos_read(7),
		.month = cmos_read(8),
		.year = cmos_read(9),
		.century = century != 0 ? cmos_read(century) : 0,
		.status_b = cmos_read(STATUS_B),
	};
}

static bool rtc_read_once(uint8_t century, struct rtc_fields *f)
{
	for (uint32_t i = 0; cmos_read(STATUS_A) & UPDATING; i++)
		if (i == PATIENCE)
			return false;
	rtc_take(century, f);
	return true;
}

uint64_t rtc_glance(uint8_t century)
{
	struct rtc_fields fields;

	if (cmos_read(STATUS_A) & UPDATING)
		return 0;
	rtc_take(century, &fields);
	return rtc_seconds(&fields);
}

uint64_t rtc_read(uint8_t century)
{
	uint64_t last = 0;

	for (uint32_t i = 0; i < READINGS; i++) {
		struct rtc_fields fields;
		if (!rtc_read_once(century, &fields))
			return 0;
		uint64_t now = rtc_seconds(&fields);
		if (i > 0 && now == last)
			return now;
		last = now;
	}
	return last;
}
