/* SPDX-License-Identifier: MIT */
/*
 * text.h - the one formatter, and comparison of text.  Pure code.
 *
 * The kernel, the store and programs have no C library; what they all need of one to speak
 * to people is here.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * printf's %s %c %d %i %u %x %X %p %% with flags '-' '0' '+', width and precision (also
 * '*'), and the lengths h hh l ll z j t.  What is no conversion is shown as it is written.
 * Returns the bytes without the NUL, which is always there when size > 0; what does not
 * fit is cut off.
 */
size_t text_format(char *buffer, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
size_t text_vformat(char *buffer, size_t size, const char *format, va_list list)
	__attribute__((format(printf, 3, 0)));

/* The same where names come from anybody: bytes of a %s or %c that would steer a terminal
 * are question marks; UTF-8 stays. */
size_t text_format_shown(char *buffer, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
size_t text_vformat_shown(char *buffer, size_t size, const char *format, va_list list)
	__attribute__((format(printf, 3, 0)));

/* Text of anybody's on its way to a terminal, byte by byte; zeros to begin.  True: this byte
 * would steer it (C0, DEL, and C1, alone and in UTF-8), and must not get there; UTF-8 does. */
struct text_filter {
	uint8_t lead, more; /* of a character in UTF-8, and bytes that it still has to come */
};
bool text_steers(struct text_filter *filter, char character);

bool text_equal(const char *left, const char *right);
bool text_begins(const char *text, const char *beginning);
/* Where the character occurs first, null if it does not. */
const char *text_find(const char *text, char character);

#endif
