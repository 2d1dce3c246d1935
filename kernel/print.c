/* SPDX-License-Identifier: MIT */
/*
 * print.c - the kernel's lines, and its log.
 */
#include "kernel/print.h"
#include <string.h>
#include "base/text.h"
#include "kernel/arch.h"

/* ---- the log ------------------------------------------------------------------------- */

static struct {
	uint64_t written; /* bytes ever */
	char text[KERNEL_LOG_BYTES];
} kernel_log;

static_assert(KERNEL_LINE_BYTES + 2 <= KERNEL_LOG_BYTES, "the log keeps the last line");

static bool serial_off, verbose;

static void log_append(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		kernel_log.text[kernel_log.written++ % KERNEL_LOG_BYTES] = text[i];
}

uint32_t print_log_read(uint64_t *from, void *text, uint32_t size)
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
	size_t length = text_vformat_shown(line, KERNEL_LINE_BYTES, format, arguments);

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
