/* SPDX-License-Identifier: MIT */
/*
 * test_screen.c - lines on a screen of cells and on one of pixels.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "drivers/pc/screen.h"

#define COLUMNS 10u
#define ROWS	3u
#define GLYPH	SCREEN_GLYPH_HEIGHT

static uint16_t cells[ROWS][COLUMNS + 2]; /* rows are longer than what is seen */
static uint32_t pixels[ROWS * GLYPH + 5][COLUMNS * SCREEN_GLYPH_WIDTH + 4];
static uint8_t font[128 * GLYPH];

static void write_text(const char *text)
{
	screen_write(text, (uint32_t)strlen(text));
}

/* A glyph of the test's font: its code in the first row, its complement in the last. */
static char pixel_cell(unsigned row, unsigned column)
{
	uint8_t first = 0, last = 0;

	for (unsigned x = 0; x < 8; x++) {
		first = (uint8_t)(first << 1 | (pixels[row * GLYPH][column * 8 + x] != 0));
		last = (uint8_t)(last << 1 | (pixels[row * GLYPH + 15][column * 8 + x] != 0));
	}
	if (first == 0 && last == 0)
		return ' ';
	assert_int_equal(first, (uint8_t)~last);
	return (char)first;
}

static void row_is(bool text, unsigned row, const char *expected)
{
	for (unsigned column = 0; column < COLUMNS; column++) {
		char want = column < strlen(expected) ? expected[column] : ' ';
		char is = text ? (char)cells[row][column] : pixel_cell(row, column);
		assert_int_equal(is, want);
	}
}

static void start(bool text)
{
	struct screen_mode mode = {.address = 1, .text = text};

	for (unsigned c = '!'; c < 128; c++) {
		font[c * GLYPH] = (uint8_t)c;
		font[c * GLYPH + 15] = (uint8_t)~c;
	}
	memset(cells, 0xee, sizeof cells);
	memset(pixels, 0xee, sizeof pixels);
	mode.pitch = text ? sizeof cells[0] : sizeof pixels[0];
	mode.width = text ? COLUMNS : COLUMNS * SCREEN_GLYPH_WIDTH + 3;
	mode.height = text ? ROWS : ROWS * GLYPH + 5;
	screen_init(&mode, text ? (void *)cells : (void *)pixels, font);
}

static void lines(bool text)
{
	start(text);
	row_is(text, 0, "");
	row_is(text, 2, "");
	write_text("one\r\ntwo\x07\n");
	row_is(text, 0, "one");
	row_is(text, 1, "two");
	/* Longer than a row, and more than the screen has. */
	write_text("0123456789abc");
	row_is(text, 0, "two");
	row_is(text, 1, "0123456789");
	row_is(text, 2, "abc");
	write_text("d\nlast");
	row_is(text, 0, "0123456789");
	row_is(text, 1, "abcd");
	row_is(text, 2, "last");
}

static void test_cells(void **state)
{
	(void)state;
	lines(true);
}

static void test_pixels(void **state)
{
	(void)state;
	lines(false);
}

/* A mode that cannot be is no screen; nor is one that is not mapped. */
static void test_no_screen(void **state)
{
	struct screen_mode mode = {.address = 1, .pitch = 10, .width = 80, .height = 32};

	(void)state;
	screen_init(&mode, pixels, font);
	write_text("nothing is written, or the sanitizer says so\n");
	start(true);
	screen_move(NULL);
	write_text("no\n");
	row_is(true, 0, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cells),
		cmocka_unit_test(test_pixels),
		cmocka_unit_test(test_no_screen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
