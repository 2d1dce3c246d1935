/* SPDX-License-Identifier: MIT */
/*
 * terminal.c - the console as the shell uses it.  Interface in terminal.h.
 *
 * The first call to the console after a resume is answered RESTARTED, whatever
 * the call was.  Then the notice is printed, and a write is done again: nothing
 * that the shell said is lost, a few bytes may be seen twice.
 */
#include "user/shell/terminal.h"

#include <stdarg.h>
#include <string.h>
#include "user/lib/heap.h"
#include "user/lib/program.h"
#include "user/lib/service.h"
#include "base/text.h"
#include "user/shell/columns.h"
#include "user/shell/guard.h"
#include "user/shell/shell.h"
#include "user/shell/width.h"

#define KEY_INTERRUPT	  3 /* ^C */
#define TERMINAL_PATIENCE 1000u

static char output[MESSAGE_DATA];
static size_t output_length;

static struct {
	char *bytes;
	size_t length, size;
	bool on, failed;
} capture;

/* Bytes typed and not yet asked for. */
static uint8_t input[2 * MESSAGE_DATA];
static size_t input_first, input_length;
/* Those of them that were looked at for an answer of the terminal, and are none. */
static uint8_t keys[WIDTH_HELD];
static size_t keys_first, keys_end;
static struct width width = {.columns = WIDTH_USUAL};

/* A notice was printed, and whoever reads next has not been told: what he had shown is
 * not at the cursor any more. */
static bool untold;

/* What has to be said when the system was resumed. */
static size_t terminal_resumed(char *notice, size_t size)
{
	width_resume(&width);
	untold = true;
	return shell_resume_notice(notice, size);
}

/* ---- output -------------------------------------------------------------------- */

static void terminal_put(const char *bytes, size_t length)
{
	/* Bounded: each RESTARTED stands for a resume of the whole system. */
	while (console_write(bytes, length) == STATUS_RESTARTED) {
		char notice[120];
		size_t notice_length = terminal_resumed(notice, sizeof(notice));

		console_write(notice, notice_length);
	}
}

void terminal_flush(void)
{
	size_t length = output_length;

	output_length = 0;
	if (length > 0)
		terminal_put(output, length);
}

void terminal_raw(const void *bytes, size_t length)
{
	const char *next = bytes;

	while (length > 0) {
		size_t part = sizeof(output) - output_length;

		if (part > length)
			part = length;
		memcpy(output + output_length, next, part);
		output_length += part;
		next += part;
		length -= part;
		if (output_length == sizeof(output))
			terminal_flush();
	}
}

static void terminal_capture_add(const void *bytes, size_t length)
{
	size_t needed = capture.length + length;

	if (capture.failed || needed > TERMINAL_CAPTURE_MAX) {
		capture.failed = true;
		return;
	}
	if (needed > capture.size) {
		size_t size = needed < 2048 ? 4096 : needed * 2;
		char *larger = heap_resize(capture.bytes, size);

		if (!larger) {
			capture.failed = true;
			return;
		}
		capture.bytes = larger;
		capture.size = size;
	}
	memcpy(capture.bytes + capture.length, bytes, length);
	capture.length = needed;
}

void terminal_show(const void *bytes, size_t length)
{
	static struct text_filter filter;
	const char *text = bytes;

	for (size_t i = 0; i < length; i++)
		if (text_steers(&filter, text[i]) && text[i] != '\n' && text[i] != '\t')
			terminal_raw(".", 1);
		else if (text[i] == '\n')
			terminal_raw("\r\n", 2);
		else
			terminal_raw(text + i, 1);
}

void terminal_write(const void *bytes, size_t length)
{
	if (capture.on)
		terminal_capture_add(bytes, length);
	else
		terminal_show(bytes, length);
}

void terminal_print(const char *format, ...)
{
	char text[1200];
	va_list list;
	size_t length;

	va_start(list, format);
	length = text_vformat(text, sizeof(text), format, list);
	va_end(list);
	terminal_write(text, length);
}

void terminal_capture(void)
{
	memset(&capture, 0, sizeof(capture));
	capture.on = true;
}

bool terminal_captures(void)
{
	return capture.on;
}

bool terminal_capture_end(char **bytes, size_t *length)
{
	capture.on = false;
	*bytes = capture.bytes;
	*length = capture.length;
	return !capture.failed;
}

/* ---- input ----------------------------------------------------------------------- */

/* Reads what was typed behind what is already there. */
static enum status terminal_fill(uint64_t deadline_ns)
{
	size_t length;
	enum status status;

	if (input_first > 0) {
		memmove(input, input + input_first, input_length);
		input_first = 0;
	}
	if (input_length > sizeof(input) - MESSAGE_DATA)
		return STATUS_FULL;
	status = console_read(input + input_length, &length, deadline_ns);
	if (status == STATUS_OK)
		input_length += length;
	return status;
}

/* At least one byte is in the buffer; otherwise why not. */
static enum terminal_input terminal_await(uint64_t deadline_ns)
{
	static uint32_t failures;

	if (input_length == 0)
		terminal_flush();
	if (untold) {
		untold = false;
		return TERMINAL_RESUMED;
	}
	while (input_length == 0) {
		enum status status = terminal_fill(deadline_ns);

		if (status == STATUS_TIMEOUT)
			return TERMINAL_TIMEOUT;
		if (status == STATUS_RESTARTED) {
			char notice[120];

			terminal_raw(notice, terminal_resumed(notice, sizeof(notice)));
			untold = false;
			return TERMINAL_RESUMED;
		}
		if (status == STATUS_OK)
			break;
		/* No room for what is read, say: then this faults, and the fault is dealt
		 * with.  If not, nobody could help. */
		*(volatile uint8_t *)program_page->data = 0;
		if (++failures == TERMINAL_PATIENCE)
			program_fail("the console cannot be read: %s", status_text(status));
	}
	failures = 0;
	return TERMINAL_BYTE;
}

enum terminal_input terminal_read(uint8_t *byte, uint64_t deadline_ns)
{
	while (keys_first == keys_end) {
		enum terminal_input kind = terminal_await(deadline_ns);

		if (kind != TERMINAL_BYTE)
			return kind;
		keys_first = 0;
		keys_end = width_feed(&width, input[input_first++], keys);
		input_length--;
	}
	guard_key(); /* somebody's, not the terminal's */
	*byte = keys[keys_first++];
	return TERMINAL_BYTE;
}

void terminal_ask_width(void)
{
	width_ask(&width);
	terminal_raw(WIDTH_QUESTION, strlen(WIDTH_QUESTION));
}

uint32_t terminal_width(void)
{
	return width.columns;
}

void terminal_table(struct columns *columns, const struct column *column, uint32_t count)
{
	char row[COLUMNS_ROW];

	columns_begin(columns, column, count, capture.on ? 0 : width.columns);
	terminal_write(row, columns_titles(columns, row));
}

void terminal_row(const struct columns *columns, const char *const *cell)
{
	char row[COLUMNS_ROW];

	terminal_write(row, columns_row(columns, cell, row));
}

void terminal_table_end(const struct columns *columns)
{
	char row[COLUMNS_ROW];

	terminal_write(row, columns_note(columns, row));
}

bool terminal_interrupted(void)
{
	/* Any time that has passed: takes what is there and does not wait. */
	if (terminal_fill(1) == STATUS_RESTARTED) {
		char notice[120];

		terminal_raw(notice, terminal_resumed(notice, sizeof(notice)));
	}
	for (size_t i = 0; i < input_length; i++) {
		if (input[input_first + i] != KEY_INTERRUPT)
			continue;
		input_first += i + 1;
		input_length -= i + 1;
		return true;
	}
	return false;
}
