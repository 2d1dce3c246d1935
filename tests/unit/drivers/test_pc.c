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
#include "drivers/pc/wall.h"

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

/* ---- the generation of a virtual machine ---------------------------------------------- */

static uint32_t generation(const void *code, uint32_t bytes)
{
	uint8_t *copy = malloc(bytes != 0 ? bytes : 1);
	uint32_t address;

	assert_non_null(copy);
	memcpy(copy, code, bytes);
	address = acpi_generation_decode(copy, bytes);
	free(copy);
	return address;
}

static void test_generation(void **state)
{
	(void)state;
	assert_int_equal(generation(CODE("\x08VGIA\x0c\x78\x56\x34\x12")), 0x12345678);
	assert_int_equal(generation(CODE("zz\x08VGIA\x0c\x00\x00\xfe\x1fzz")), 0x1ffe0000);
	/* a mention, then the definition */
	assert_int_equal(generation(CODE("VGIA\x0c\x08VGIA\x0c\x01\x00\x00\x00")), 1);
	assert_int_equal(generation(CODE("")), 0);
	assert_int_equal(generation(CODE("\x08VGIA\x0c\x78\x56\x34")), 0);
	assert_int_equal(generation(CODE("\x08VGIA\x0b\x78\x56\x34\x12")), 0);
	assert_int_equal(generation(CODE("\x08VGIB\x0c\x78\x56\x34\x12")), 0);
}

/* ---- wall time ------------------------------------------------------------------------- */

#define SECOND UINT64_C(1000000000)
#define START  UINT64_C(1700000000)

/* The time that is told lies in the second that the hardware clock shows. */
static void wall_is(const struct wall *wall, uint64_t clock_ns, uint64_t seconds)
{
	uint64_t now = wall->base_ns + clock_ns;

	assert_true(now >= seconds * SECOND && now <= (seconds + 1) * SECOND);
}

static void test_wall_in_step(void **state)
{
	struct wall wall;
	uint64_t base;

	(void)state;
	wall_set(&wall, 5 * SECOND, START);
	wall_is(&wall, 5 * SECOND, START);
	base = wall.base_ns;
	for (uint64_t i = 0; i < 1000; i++)
		assert_int_equal(wall_look(&wall, 5 * SECOND + i * SECOND / 3, START + i / 3), 0);
	assert_int_equal(wall.base_ns, base);
}

/* A counter that is measured a little wrong: followed, never told. */
static void test_wall_drift(void **state)
{
	(void)state;
	for (int direction = -1; direction <= 1; direction += 2) {
		struct wall wall;
		wall_set(&wall, 0, START);
		for (uint64_t i = 1; i < 100000; i++) {
			uint64_t slip_ns = i * SECOND / 200;
			uint64_t clock_ns = i * SECOND + (direction > 0 ? slip_ns : 0 - slip_ns);
			assert_int_equal(wall_look(&wall, clock_ns, START + i), 0);
			wall_is(&wall, clock_ns, START + i);
		}
	}
}

static void test_wall_jump(void **state)
{
	struct wall wall;

	(void)state;
	wall_set(&wall, 0, START);
	/* One reading that is wrong is none. */
	assert_int_equal(wall_look(&wall, SECOND, START + 500), 0);
	assert_int_equal(wall_look(&wall, 2 * SECOND, START + 2), 0);
	wall_is(&wall, 2 * SECOND, START + 2);
	/* Two are told once, in full. */
	assert_int_equal(wall_look(&wall, 3 * SECOND, START + 40), 0);
	assert_int_equal(wall_look(&wall, 3 * SECOND, START + 40), 37 * SECOND);
	wall_is(&wall, 3 * SECOND, START + 40);
	assert_int_equal(wall_look(&wall, 4 * SECOND, START + 41), 0);
	assert_int_equal(wall_look(&wall, 5 * SECOND, START + 42), 0);
	/* The hardware clock was set back: followed, and nobody was away. */
	assert_int_equal(wall_look(&wall, 6 * SECOND, START), 0);
	assert_int_equal(wall_look(&wall, 6 * SECOND, START), 0);
	wall_is(&wall, 6 * SECOND, START);
}

/* Time that runs at another speed, as with instructions counted: told once at most. */
static void test_wall_other_speed(void **state)
{
	struct wall wall;
	unsigned told = 0;

	(void)state;
	wall_set(&wall, 0, START);
	for (uint64_t i = 1; i < 1000; i++)
		told += wall_look(&wall, i * SECOND, START + 7 * i) != 0;
	assert_int_equal(told, 1);
	/* Every second look is followed. */
	assert_true(wall.base_ns + 999 * SECOND >= (START + 7 * 997) * SECOND);
	assert_true(wall.base_ns + 999 * SECOND <= (START + 7 * 999 + 1) * SECOND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_s5_forms),	 cmocka_unit_test(test_s5_refused),
		cmocka_unit_test(test_s5_noise),	 cmocka_unit_test(test_rtc_dates),
		cmocka_unit_test(test_rtc_refused),	 cmocka_unit_test(test_rtc_every_day),
		cmocka_unit_test(test_generation),	 cmocka_unit_test(test_wall_in_step),
		cmocka_unit_test(test_wall_drift),	 cmocka_unit_test(test_wall_jump),
		cmocka_unit_test(test_wall_other_speed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
