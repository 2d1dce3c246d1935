/* SPDX-License-Identifier: MIT */
/*
 * screen.h - lines on the screen that the boot loader left, for who looks there.
 *
 * The system's console is the serial line.  The screen shows what the kernel itself
 * says, refusals and panics above all.  Text mode, or pixels of 32 bits and a font.
 */
#ifndef DRIVERS_PC_SCREEN_H
#define DRIVERS_PC_SCREEN_H

#include <stdbool.h>
#include <stdint.h>

struct screen_mode {
	uint64_t address;	       /* physical; 0: there is no screen */
	uint32_t pitch, width, height; /* bytes from row to row; cells or pixels */
	bool text;		       /* cells of two bytes, else pixels of four */
};
#define SCREEN_GLYPH_WIDTH  8u
#define SCREEN_GLYPH_HEIGHT 16u

/* Where the mode's memory is mapped, and 16 bytes for each character up to 127, the
 * leftmost pixel in the highest bit.  Clears the screen. */
void screen_init(const struct screen_mode *mode, volatile void *at, const uint8_t *font);
/* It is mapped here from now on; null: no longer. */
void screen_move(volatile void *at);

/* Below what is there; the rest moves up.  Nothing without a screen. */
void screen_write(const char *text, uint32_t length);

#endif
