/* SPDX-License-Identifier: MIT */
/*
 * print.c - a bounded formatter and the kernel's lines.
 */
#include "kernel/print.h"
#include <string.h>
#include "kernel/arch.h"

/* ---- formatting -------------------------------------------------------------------- */

struct output {
	char *text;
	size_t size, length;
};

struct field {
	bool left, zero;
	uint32_t width;
	uint32_t precision; /* UINT32_MAX: none */
	unsigned longs;	    /* 1 and more: 64 bits */
};

static void put(struct output *out, char c)
{
	if (out->length + 1 < out->size)
		out->text[out->length++] = c;
}

/* Names come from anybody: what would steer the terminal, C1 in UTF-8 (0xc2 0x80 .. 0x9f)
 * and alone included, is a question mark. */
static char char_shown(const char *text, size_t at)
{
	uint8_t byte = (uint8_t)text[at];
	size_t lead = at;

	if (byte < 0x20 || byte == 0x7f)
		return '?';
	if (byte < 0x80 || byte > 0x9f)
		return text[at];
	while (lead > 0 && at - lead < 3 && ((uint8_t)text[lead] & 0xc0) == 0x80)
		lead--;
	return (uint8_t)text[lead] > 0xc2 ? text[at] : '?';
}

/* Text with its padding; a sign stays in front of zeros. */
static void put_padded(struct output *out, const struct field *field, const char *text,
		       size_t length)
{
	size_t padding = field->width > length ? field->width - length : 0;

	if (field->zero && !field->left && length > 0 && text[0] == '-') {
		put(out, '-');
		text++;
		length--;
	}
	for (; padding > 0 && !field->left; padding--)
		put(out, field->zero ? '0' : ' ');
	for (size_t i = 0; i < length; i++)
		put(out, char_shown(text, i));
	for (; padding > 0; padding--)
		put(out, ' ');
}

static void put_number(struct output *out, const struct field *field, uint64_t value, unsigned base,
		       bool negative, bool capital)
{
	const char *digits = capital ? "0123456789ABCDEF" : "0123456789abcdef";
	char text[24];
	size_t at = sizeof text;

	do {
		text[--at] = digits[value % base];
		value /= base;
	} while (value != 0);
	if (negative)
		text[--at] = '-';
	put_padded(out, field, text + at, sizeof text - at);
}

static void put_string(struct output *out, struct field *field, const char *text)
{
	size_t length = 0;

	if (text == NULL)
		text = "(null)";
	while (length < field->precision && text[length] != '\0')
		length++;
	field->zero = false;
	put_padded(out, field, text, length);
}

/* A run of digits or `*`; a negative `*` counts as its size, to the left. */
static uint32_t take_count(const char **format, va_list *arguments, bool *left)
{
	uint32_t count = 0;

	if (**format == '*') {
		int given = va_arg(*arguments, int);
		(*format)++;
		*left |= given < 0;
		return given < 0 ? 0u - (uint32_t)given : (uint32_t)given;
	}
	for (; **format >= '0' && **format <= '9'; (*format)++)
		count = count * 10 + (uint32_t)(**format - '0');
	return count;
}

/* Flags, width, precision and length of a conversion. */
static struct field take_field(const char **format, va_list *arguments)
{
	struct field field = {.precision = UINT32_MAX};
	bool negative = false;

	for (; **format == '-' || **format == '0'; (*format)++) {
		field.left |= **format == '-';
		field.zero |= **format == '0';
	}
	field.width = take_count(format, arguments, &field.left);
	if (**format == '.') {
		(*format)++;
		field.precision = take_count(format, arguments, &negative);
		if (negative)
			field.precision = UINT32_MAX;
	}
	for (; **format == 'l' || **format == 'z' || **format == 'j' || **format == 'h';
	     (*format)++)
		field.longs += **format != 'h';
	return field;
}

static void put_signed(struct output *out, const struct field *field, va_list *arguments)
{
	int64_t value = field->longs > 0 ? va_arg(*arguments, int64_t) : va_arg(*arguments, int);

	put_number(out, field, value < 0 ? 0u - (uint64_t)value : (uint64_t)value, 10, value < 0,
		   false);
}

static void put_unsigned(struct output *out, const struct field *field, va_list *arguments,
			 char conversion)
{
	uint64_t value =
		field->longs > 0 ? va_arg(*arguments, uint64_t) : va_arg(*arguments, unsigned);

	put_number(out, field, value, conversion == 'u' ? 10 : 16, false, conversion == 'X');
}

static void put_conversion(struct output *out, const char **format, va_list *arguments)
{
	struct field field = take_field(format, arguments);
	char conversion = **format, text[1];

	if (conversion != '\0')
		(*format)++;
	switch (conversion) {
	case 'd':
	case 'i':
		put_signed(out, &field, arguments);
		break;
	case 'u':
	case 'x':
	case 'X':
		put_unsigned(out, &field, arguments, conversion);
		break;
	case 'p':
		put(out, '0');
		put(out, 'x');
		put_number(out, &field, (uintptr_t)va_arg(*arguments, void *), 16, false, false);
		break;
	case 's':
		put_string(out, &field, va_arg(*arguments, const char *));
		break;
	case 'c':
		text[0] = (char)va_arg(*arguments, int);
		field.zero = false;
		put_padded(out, &field, text, 1);
		break;
	case '%':
		put(out, '%');
		break;
	default: /* not known: shown, so that it is noticed */
		put(out, '%');
		put(out, conversion != '\0' ? conversion : '%');
		break;
	}
}

size_t print_format_list(char *text, size_t size, const char *format, va_list arguments)
{
	struct output out = {.text = text, .size = size};
	va_list list;

	va_copy(list, arguments);
	while (*format != '\0') {
		char c = *format++;
		if (c == '%')
			put_conversion(&out, &format, &list);
		else
			put(&out, c);
	}
	va_end(list);
	text[out.length] = '\0';
	return out.length;
}

size_t print_format(char *text, size_t size, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	size_t length = print_format_list(text, size, format, arguments);
	va_end(arguments);
	return length;
}

/* ---- the log ------------------------------------------------------------------------- */

static struct {
	uint64_t written; /* bytes ever */
	char text[KERNEL_LOG_BYTES];
} kernel_log;

static bool serial_off, verbose;

static void log_append(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		kernel_log.text[kernel_log.written++ % KERNEL_LOG_BYTES] = text[i];
}

uint32_t kernel_log_read(uint64_t *from, void *text, uint32_t size)
{
	uint64_t oldest =
		kernel_log.written > KERNEL_LOG_BYTES ? kernel_log.written - KERNEL_LOG_BYTES : 0;
	char *to = text;
	uint32_t got = 0;

	if (*from < oldest)
		*from = oldest;
	if (*from > kernel_log.written)
		*from = kernel_log.written;
	while (got < size && *from + got < kernel_log.written) {
		to[got] = kernel_log.text[(*from + got) % KERNEL_LOG_BYTES];
		got++;
	}
	return got;
}

/* ---- lines ----------------------------------------------------------------------------- */

void kernel_print_serial(bool on)
{
	serial_off = !on;
}

void kernel_print_verbose(bool on)
{
	verbose = on;
}

/* Formats one line, ends it with exactly one newline, keeps it, shows it. */
static void line_out(bool show, const char *format, va_list arguments)
{
	char line[KERNEL_LINE_BYTES + 2];
	size_t length = print_format_list(line, KERNEL_LINE_BYTES, format, arguments);

	if (length == 0 || line[length - 1] != '\n')
		line[length++] = '\n';
	log_append(line, length);
	if (show)
		arch_console_write_sync(line, (uint32_t)length);
}

void kernel_print_loud_list(const char *format, va_list arguments)
{
	line_out(true, format, arguments);
}

void kernel_print(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	line_out(!serial_off, format, arguments);
	va_end(arguments);
}

void kernel_print_loud(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	kernel_print_loud_list(format, arguments);
	va_end(arguments);
}

void kernel_note_list(const char *format, va_list arguments)
{
	line_out(verbose && !serial_off, format, arguments);
}

void kernel_note(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	kernel_note_list(format, arguments);
	va_end(arguments);
}

void kernel_log_record(const char *line)
{
	size_t length = strlen(line);

	log_append(line, length < KERNEL_LINE_BYTES ? length : KERNEL_LINE_BYTES);
	log_append("\n", 1);
}
