/* SPDX-License-Identifier: MIT */
/*
 * text.c - the one formatter, and comparison of text.  Interface in text.h.
 */
#include "base/text.h"

struct text_output {
	char *buffer;
	size_t size, length;
	bool shown; /* strings are shown on a terminal */
};

/* One conversion, as written in the format. */
struct text_spec {
	bool left, zero, plus, has_precision;
	int width, precision;
	int length; /* 0: int; 1 and more: 64 bits */
};

static void text_put(struct text_output *out, char character)
{
	if (out->length + 1 < out->size)
		out->buffer[out->length++] = character;
}

static void text_pad(struct text_output *out, char character, int count)
{
	for (int i = 0; i < count && out->length + 1 < out->size; i++)
		text_put(out, character);
}

bool text_steers(struct text_filter *filter, char character)
{
	uint8_t byte = (uint8_t)character;

	if (filter->more && (byte & 0xc0) == 0x80) {
		filter->more--;
		return filter->lead == 0xc2 && byte < 0xa0;
	}
	filter->lead = byte;
	filter->more = byte < 0xc2 ? 0 : byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : byte < 0xf5 ? 3 : 0;
	return byte < ' ' || (byte >= 0x7f && byte < 0xa0);
}

static void text_put_string(struct text_output *out, const struct text_spec *spec, const char *text)
{
	struct text_filter filter = {0};
	int length = 0;

	if (!text)
		text = "(none)";
	while ((!spec->has_precision || length < spec->precision) && text[length] != '\0')
		length++;
	if (!spec->left)
		text_pad(out, ' ', spec->width - length);
	for (int i = 0; i < length; i++)
		text_put(out, out->shown && text_steers(&filter, text[i]) ? '?' : text[i]);
	if (spec->left)
		text_pad(out, ' ', spec->width - length);
}

static void text_put_number(struct text_output *out, const struct text_spec *spec, uint64_t value,
			    unsigned base, const char *sign, bool upper)
{
	const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	char reversed[24];
	int count = 0, signs = 0, zeros;

	do {
		reversed[count++] = digits[value % base];
		value /= base;
	} while (value != 0);
	while (sign[signs] != '\0')
		signs++;
	zeros = spec->has_precision	    ? spec->precision - count
		: spec->zero && !spec->left ? spec->width - signs - count
					    : 0;
	if (zeros < 0)
		zeros = 0;
	if (!spec->left)
		text_pad(out, ' ', spec->width - signs - zeros - count);
	for (int i = 0; i < signs; i++)
		text_put(out, sign[i]);
	text_pad(out, '0', zeros);
	for (int i = count; i > 0; i--)
		text_put(out, reversed[i - 1]);
	if (spec->left)
		text_pad(out, ' ', spec->width - signs - zeros - count);
}

static const char *text_parse_count(const char *format, va_list *list, int *count)
{
	*count = 0;
	if (*format == '*') {
		*count = va_arg(*list, int);
		return format + 1;
	}
	while (*format >= '0' && *format <= '9' && *count < 100000)
		*count = *count * 10 + (*format++ - '0');
	return format;
}

static const char *text_parse_spec(const char *format, va_list *list, struct text_spec *spec)
{
	*spec = (struct text_spec){0};
	for (;; format++) {
		if (*format == '-')
			spec->left = true;
		else if (*format == '0')
			spec->zero = true;
		else if (*format == '+')
			spec->plus = true;
		else
			break;
	}
	format = text_parse_count(format, list, &spec->width);
	if (spec->width < 0) {
		spec->left = true;
		spec->width = -spec->width;
	}
	if (*format == '.') {
		format = text_parse_count(format + 1, list, &spec->precision);
		spec->has_precision = spec->precision >= 0;
	}
	for (;
	     *format == 'l' || *format == 'z' || *format == 'j' || *format == 't' || *format == 'h';
	     format++)
		if (*format != 'h')
			spec->length++;
	return format;
}

static void text_convert(struct text_output *out, const struct text_spec *spec, char conversion,
			 va_list *list)
{
	switch (conversion) {
	case 'd':
	case 'i': {
		int64_t value = spec->length ? va_arg(*list, long long) : va_arg(*list, int);

		text_put_number(out, spec, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10,
				value < 0    ? "-"
				: spec->plus ? "+"
					     : "",
				false);
		break;
	}
	case 'u':
	case 'x':
	case 'X': {
		uint64_t value =
			spec->length ? va_arg(*list, unsigned long long) : va_arg(*list, unsigned);

		text_put_number(out, spec, value, conversion == 'u' ? 10 : 16, "",
				conversion == 'X');
		break;
	}
	case 'p':
		text_put_number(out, spec, (uintptr_t)va_arg(*list, void *), 16, "0x", false);
		break;
	case 's':
		text_put_string(out, spec, va_arg(*list, const char *));
		break;
	case 'c': {
		char text[2] = {(char)va_arg(*list, int), '\0'};

		text_put_string(out, spec, text);
		break;
	}
	case '%':
		text_put(out, '%');
		break;
	default: /* not known: shown, so that it is noticed */
		text_put(out, '%');
		if (conversion != '\0')
			text_put(out, conversion);
	}
}

static size_t text_run(struct text_output out, const char *format, va_list list)
{
	struct text_spec spec;
	va_list arguments;

	va_copy(arguments, list);
	while (*format != '\0') {
		if (*format != '%') {
			text_put(&out, *format++);
			continue;
		}
		format = text_parse_spec(format + 1, &arguments, &spec);
		text_convert(&out, &spec, *format, &arguments);
		if (*format != '\0')
			format++;
	}
	va_end(arguments);
	if (out.size > 0)
		out.buffer[out.length] = '\0';
	return out.length;
}

size_t text_vformat(char *buffer, size_t size, const char *format, va_list list)
{
	return text_run((struct text_output){buffer, size, 0, false}, format, list);
}

size_t text_vformat_shown(char *buffer, size_t size, const char *format, va_list list)
{
	return text_run((struct text_output){buffer, size, 0, true}, format, list);
}

size_t text_format(char *buffer, size_t size, const char *format, ...)
{
	va_list list;
	size_t length;

	va_start(list, format);
	length = text_vformat(buffer, size, format, list);
	va_end(list);
	return length;
}

size_t text_format_shown(char *buffer, size_t size, const char *format, ...)
{
	va_list list;
	size_t length;

	va_start(list, format);
	length = text_vformat_shown(buffer, size, format, list);
	va_end(list);
	return length;
}

bool text_equal(const char *left, const char *right)
{
	while (*left != '\0' && *left == *right) {
		left++;
		right++;
	}
	return *left == *right;
}

bool text_begins(const char *text, const char *beginning)
{
	while (*beginning != '\0' && *text == *beginning) {
		text++;
		beginning++;
	}
	return *beginning == '\0';
}

const char *text_find(const char *text, char character)
{
	for (; *text != '\0'; text++)
		if (*text == character)
			return text;
	return NULL;
}
