/* SPDX-License-Identifier: MIT */
/*
 * print.h - the kernel's lines for people, the kernel log.
 *
 * Every line goes into a volatile ring of KERNEL_LOG_BYTES; whether it also goes
 * to the serial port and the screen is for the portable kernel to say, so that kernel
 * lines do not fall into a line that somebody is typing.  Panics always go there.
 */
#ifndef KERNEL_PRINT_H
#define KERNEL_PRINT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KERNEL_LOG_BYTES  16384u
#define KERNEL_LINE_BYTES 256u /* longer lines are cut off */

/* kernel_print is declared in kernel/arch.h.  A loud line always goes to the serial
 * port, a note only when verbose. */
void kernel_print_loud(const char *format, ...) __attribute__((format(printf, 1, 2)));
void kernel_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void kernel_print_loud_list(const char *format, va_list arguments)
	__attribute__((format(printf, 1, 0)));
void kernel_note_list(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));

void kernel_print_serial(bool on);  /* at first: on */
void kernel_print_verbose(bool on); /* at first: off */

/* Text of the log from byte number *from on (all ever written are counted), at most
 * `size` bytes; *from becomes where it began, later than asked if that has been
 * overwritten.  Returns the bytes; the next call goes on at *from + that. */
uint32_t print_log_read(uint64_t *from, void *text, uint32_t size);

/* kernel/panic.c: reboot instead of stopping after a panic (panic=reboot). */
extern bool kernel_panic_reboot;

#endif
