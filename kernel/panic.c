/* SPDX-License-Identifier: MIT */
/*
 * panic.c - the kernel has found a bug in itself, or hardware that it cannot live
 * with.
 *
 * The report goes to the serial port whatever else is set.  No further write is
 * started: the last committed generation is what a panic leaves behind.
 */
#include "kernel/arch.h"
#include "kernel/print.h"
#include "base/assert.h"

bool kernel_panic_reboot;

static bool panicking;

void kernel_panic(const char *format, ...)
{
	va_list arguments;

	kernel_print_serial(true);
	if (panicking) {
		kernel_print("perdure: panic within the panic; halted");
		arch_halt();
	}
	panicking = true;
	kernel_print("\n");
	kernel_print("perdure: panic, the kernel cannot go on:");
	va_start(arguments, format);
	kernel_print_loud_list(format, arguments);
	va_end(arguments);
	arch_registers();
	arch_backtrace();
	kernel_print("The last committed generation is safe on the disk.");
	if (kernel_panic_reboot) {
		kernel_print("perdure: rebooting (panic=reboot)");
		arch_reboot();
	}
	kernel_print("perdure: halted (panic=halt)");
	arch_halt();
}

/* A check of the store or the objects (base/assert.h) that does not hold. */
void assert_failed(const char *file, int line, const char *what)
{
	kernel_panic("%s:%d: this must hold and does not: %s", file, line, what);
}
