/* SPDX-License-Identifier: MIT */
/*
 * screen.c - lines on the screen that the boot loader left.
 *
 * What is shown is kept here as well: reading a screen's memory is slow.
 */
#include "drivers/pc/screen.h"
#include "base/assert.h"
#include <stddef.h>
#include <string.h>

#define COLUMNS_MAX 160u
#define ROWS_MAX    64u
#define TEXT_COLOUR 0x0700u   /* light grey on black */
#define PIXEL	    0xaaaaaau /* the same */

static struct {
	struct screen_mode mode;
	volatile uint8_t *at; /* null: no screen */
	const uint8_t *font;
	uint32_t columns, rows, column, row;
	char shown[ROWS_MAX][COLUMNS_MAX];
} screen;

static void screen_draw_pixels(uint32_t row, uint32_t column, const uint8_t *glyph)
{
	for (uint32_t y = 0; y < SCREEN_GLYPH_HEIGHT; y++) {
		volatile uint32_t *line =
			(volatile uint32_t *)(volatile void
						      *)(screen.at +
							 (uint64_t)(row * SCREEN_GLYPH_HEIGHT + y) *
								 screen.mode.pitch) +
			column * SCREEN_GLYPH_WIDTH;
		for (uint32_t x = 0; x < SCREEN_GLYPH_WIDTH; x++)
			line[x] = glyph[y] & 0x80u >> x ? PIXEL : 0;
	}
}

static void screen_draw(uint32_t row, uint32_t column)
{
	uint8_t c = (uint8_t)screen.shown[row][column] & 0x7f;

	ASSERT(row < screen.rows && column < screen.columns);
	if (screen.mode.text)
		*(volatile uint16_t *)(volatile void *)(screen.at + row * screen.mode.pitch +
							2 * column) = (uint16_t)(TEXT_COLOUR | c);
	else
		screen_draw_pixels(row, column, screen.font + c * SCREEN_GLYPH_HEIGHT);
}

static void screen_draw_all(void)
{
	for (uint32_t row = 0; row < screen.rows; row++)
		for (uint32_t column = 0; column < screen.columns; column++)
			screen_draw(row, column);
}

static void screen_clear(void)
{
	uint64_t bytes = (uint64_t)screen.mode.pitch * screen.mode.height;
	volatile uint64_t *at = (volatile uint64_t *)(volatile void *)screen.at;
	uint64_t blank = screen.mode.text ? (TEXT_COLOUR | ' ') * UINT64_C(0x0001000100010001) : 0;

	for (uint64_t i = 0; i < bytes / sizeof blank; i++)
		at[i] = blank;
}

void screen_init(const struct screen_mode *mode, volatile void *at, const uint8_t *font)
{
	uint32_t wide = mode->text ? 1 : SCREEN_GLYPH_WIDTH;
	uint32_t high = mode->text ? 1 : SCREEN_GLYPH_HEIGHT;

	screen.mode = *mode;
	screen.font = font;
	screen.columns = mode->width / wide < COLUMNS_MAX ? mode->width / wide : COLUMNS_MAX;
	screen.rows = mode->height / high < ROWS_MAX ? mode->height / high : ROWS_MAX;
	screen.column = screen.row = 0;
	memset(screen.shown, ' ', sizeof screen.shown);
	screen_move(at);
	if (screen.at != NULL)
		screen_clear();
}

void screen_move(volatile void *at)
{
	uint64_t line = (uint64_t)screen.mode.width * (screen.mode.text ? 2 : 4);
	bool sound = screen.columns > 0 && screen.rows > 0 && line <= screen.mode.pitch;

	screen.at = sound ? at : NULL;
}

static void screen_line(void)
{
	ASSERT(screen.row < screen.rows);
	screen.column = 0;
	if (screen.row + 1 < screen.rows) {
		screen.row++;
		return;
	}
	memmove(screen.shown[0], screen.shown[1], sizeof screen.shown - sizeof screen.shown[0]);
	memset(screen.shown[screen.row], ' ', sizeof screen.shown[0]);
	screen_draw_all();
}

void screen_write(const char *text, uint32_t length)
{
	for (uint32_t i = 0; i < length && screen.at != NULL; i++) {
		if (text[i] == '\n') {
			screen_line();
			continue;
		}
		if (text[i] < ' ' || text[i] > '~')
			continue;
		if (screen.column == screen.columns)
			screen_line();
		screen.shown[screen.row][screen.column] = text[i];
		screen_draw(screen.row, screen.column++);
	}
}
