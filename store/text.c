/* SPDX-License-Identifier: MIT */
/*
 * text.c - lines for the log and explanations for people.
 *
 * The store is freestanding, so it brings the little formatting it needs.
 * Output is always terminated and cut off at the size of its buffer.
 */
#include "store/store_priv.h"

struct text {
	char *at, *end;
};

static void text_add(struct text *text, char c)
{
	if (text->at < text->end)
		*text->at++ = c;
}

static void text_number(struct text *text, uint64_t number, unsigned base)
{
	char digits[20];
	unsigned count = 0;

	do {
		digits[count++] = "0123456789abcdef"[number % base];
		number /= base;
	} while (number);
	while (count)
		text_add(text, digits[--count]);
}

static void text_list(char *buffer, size_t size, const char *format, va_list list)
{
	struct text text = {buffer, buffer + size - 1};

	for (; *format; format++) {
		if (*format != '%') {
			text_add(&text, *format);
			continue;
		}
		format++;
		if (*format == 's')
			for (const char *s = va_arg(list, const char *); *s; s++)
				text_add(&text, *s);
		else
			text_number(&text, va_arg(list, uint64_t), *format == 'x' ? 16 : 10);
	}
	*text.at = 0;
}

void text_format(char *text, size_t size, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	text_list(text, size, format, list);
	va_end(list);
}

void store_log(struct store *store, const char *format, ...)
{
	char line[200];
	va_list list;

	va_start(list, format);
	text_list(line, sizeof(line), format, list);
	va_end(list);
	store->host.log(store->host.context, line);
}
