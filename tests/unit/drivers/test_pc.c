/* SPDX-License-Identifier: MIT */
/*
 * test_pc.c - the parts of the PC drivers that are pure: the sleep type in ACPI
 * byte code, the date of the hardware clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "drivers/pc/acpi.h"
#include "drivers/pc/rtc.h"

/* Decodes from memory of exactly this size, so that a read beyond is caught. */
static bool decode(const void *code, uint32_t bytes, uint8_t *a, uint8_t *b)
{
	uint8_t *copy = malloc(bytes != 0 ? bytes : 1);
	bool found;

	assert_non_null(copy);
	memcpy(copy, code, bytes);
	*a = *b = 0xee;
	found = acpi_s5_decode(copy, bytes, a, b);
	free(copy);
	return found;
}

/* Byte code and its length. */
#define CODE(text) text, sizeof text - 1

static void test_s5_forms(void **state)
{
	static const struct {
		const char *code;
		uint32_t bytes;
		uint8_t a, b;
	} forms[] = {
		{CODE("zz\x08_S5_\x12\x06\x04\x00\x00\x00\x00"), 0, 0},	      /* QEMU */
		{CODE("\x08_S5_\x12\x08\x04\x0a\x05\x0a\x05\x00\x00"), 5, 5}, /* byte prefixes */
		{CODE("\x08\\_S5_\x12\x07\x04\x0a\x07\x01\x00\x00"), 7, 1},   /* root, one */
		{CODE("\x08_S5_"
		      "\x12\x40\x01\x04\x01\x0b\x06\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
		 1, 6}, /* length in two bytes, word prefix */
		{CODE("\x08_S5_\x12\x08\x02\x0c\x03\x00\x00\x00\x01"), 3, 1}, /* dword prefix */
		/* a mention that is no definition, then the real one */
		{CODE("_S5_\x12\x06\x08_S5_\x12\x05\x02\x01\x00\x00"), 1, 0},
	};
	uint8_t a, b;

	(void)state;
	for (uint32_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		assert_true(decode(forms[i].code, forms[i].bytes, &a, &b));
		assert_int_equal(a, forms[i].a);
		assert_int_equal(b, forms[i].b);
	}
}

static void test_s5_refused(void **state)
{
	static const struct {
		const char *code;
		uint32_t bytes;
	} forms[] = {
		{CODE("")},
		{CODE("\x08_S5")},
		{CODE("\x08_S5_")},
		{CODE("\x08_S5_\x12")},
		{CODE("\x08_S5_\x12\x06\x04")},
		{CODE("\x08_S5_\x12\x06\x04\x0a")},
		{CODE("\x08_S5_\x12\x04\x01\x00\x00")},		/* one element only */
		{CODE("\x08_S5_\x11\x06\x04\x00\x00\x00")},	/* not a package */
		{CODE("\x09_S5_\x12\x06\x04\x00\x00\x00\x00")}, /* not a name */
		{CODE("\x08_S5_\x12\x3f\x04\x00\x00\x00\x00")}, /* longer than the table */
		{CODE("\x08_S5_\x12\xc6\xff\xff\xff\x04\x00\x00")},
		{CODE("\x08_S5_\x12\x06\x04\x0a\x08\x0a\x05\x00")}, /* 8 is no sleep type */
		{CODE("\x08_S5_\x12\x03\x04\x0a\x05\x0a\x05\x00")}, /* ends before the second */
	};
	uint8_t a, b;

	(void)state;
	for (uint32_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
		assert_false(decode(forms[i].code, forms[i].bytes, &a, &b));
}

/* Noise, full of names and package operators, at every length. */
static void test_s5_noise(void **state)
{
	static const uint8_t pieces[] = {0x08, '_', 'S', '5', '_', 0x12, 0x0a, 0x5c, 0xff, 0x40, 2};
	uint8_t code[64], a, b;
	uint32_t seed = 7;

	(void)state;
	for (uint32_t round = 0; round < 200000; round++) {
		uint32_t bytes = round % sizeof code;
		memcpy(code, "\x08_S5_\x12", 6);
		for (uint32_t i = round % 4 == 0 ? 0 : 6; i < bytes; i++) {
			seed = seed * 1103515245u + 12345u;
			code[i] = pieces[(seed >> 16) % sizeof pieces];
		}
		if (decode(code, bytes, &a, &b)) {
			assert_true(a <= 7);
			assert_true(b <= 7);
		}
	}
}

static void test_rtc_dates(void **state)
{
	static const struct {
		struct rtc_fields fields;
		uint64_t seconds;
	} dates[] = {
		{{0, 0, 0, 1, 1, 70, 19, 6}, 0},
		{{0x07, 0x46, 0x01, 0x09, 0x09, 0x01, 0x20, 2}, 999999967}, /* BCD */
		{{59, 59, 23, 28, 2, 0, 20, 6}, 951782399},
		{{0, 0, 0, 29, 2, 0, 20, 6}, 951782400}, /* 2000 is a leap year */
		{{0, 0, 0, 1, 3, 0, 21, 6}, 4107542400}, /* 2100 is none */
		{{0, 0, 0x8c, 1, 1, 70, 19, 4}, 43200},	 /* 12 pm is noon */
		{{0, 0, 0x0c, 1, 1, 70, 19, 4}, 0},	 /* 12 am is midnight */
		{{0, 0, 0x81, 1, 1, 70, 19, 4}, 46800},	 /* 1 pm */
		{{0, 0, 0, 1, 1, 25, 0, 6}, 1735689600}, /* no century: 20 */
	};

	(void)state;
	for (uint32_t i = 0; i < sizeof dates / sizeof dates[0]; i++)
		assert_int_equal(rtc_seconds(&dates[i].fields), dates[i].seconds);
}

static void test_rtc_refused(void **state)
{
	static const struct rtc_fields wrong[] = {
		{61, 0, 0, 1, 1, 25, 20, 6},
		{0, 60, 0, 1, 1, 25, 20, 6},
		{0, 0, 24, 1, 1, 25, 20, 6},
		{0, 0, 0, 0, 1, 25, 20, 6},
		{0, 0, 0, 32, 1, 25, 20, 6},
		{0, 0, 0, 1, 0, 25, 20, 6},
		{0, 0, 0, 1, 13, 25, 20, 6},
		{0, 0, 0, 1, 1, 69, 19, 6},
		{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	};

	(void)state;
	for (uint32_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		assert_int_equal(rtc_seconds(&wrong[i]), 0);
}

/* Each day from 1970 to 2199 is one day after the day before. */
static void test_rtc_every_day(void **state)
{
	static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	uint64_t expected = 0;

	(void)state;
	for (uint32_t year = 1970; year < 2200; year++) {
		bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
		for (uint8_t month = 1; month <= 12; month++)
			for (uint8_t day = 1; day <= days[month - 1] + (month == 2 && leap);
			     day++) {
				struct rtc_fields f = {0,
						       0,
						       0,
						       day,
						       month,
						       (uint8_t)(year % 100),
						       (uint8_t)(year / 100),
						       6};
				assert_int_equal(rtc_seconds(&f), expected);
				expected += 86400;
			}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_s5_forms),    cmocka_unit_test(test_s5_refused),
		cmocka_unit_test(test_s5_noise),    cmocka_unit_test(test_rtc_dates),
		cmocka_unit_test(test_rtc_refused), cmocka_unit_test(test_rtc_every_day),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
