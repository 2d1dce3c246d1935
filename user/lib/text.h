/* SPDX-License-Identifier: MIT */
/*
 * text.h - formatting and parsing of text.  Pure code, no system calls.
 */
#ifndef USER_LIB_TEXT_H
#define USER_LIB_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * printf's %s %c %d %i %u %x %X %p %% with flags '-' '0' '+', width and
 * precision (also '*'), and the lengths h hh l ll z j t.  Returns the bytes
 * written without the NUL, which is always there when size > 0; what does not
 * fit is cut off.
 */
size_t text_format(char *buffer, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
size_t text_vformat(char *buffer, size_t size, const char *format, va_list list);

/* The whole text as a number, decimal or 0x..., with an optional suffix K, M,
 * G or T (times 1024); false if it is not one or does not fit. */
bool text_number(const char *text, uint64_t *value);

bool text_equal(const char *left, const char *right);
bool text_begins(const char *text, const char *beginning);
/* Where the character occurs first, null if it does not. */
const char *text_find(const char *text, char character);

#endif
