/* SPDX-License-Identifier: MIT */
/*
 * platform.h - what drivers ask of the kernel they run in.
 *
 * kernel/x86_64/platform.c implements it; unit tests bring their own.  Nothing
 * here waits but platform_idle.  All of it is called with interrupts off.
 */
#ifndef DRIVERS_PLATFORM_H
#define DRIVERS_PLATFORM_H

#include <stdbool.h>
#include <stdint.h>

/* Physical address of memory of the kernel: direct map or kernel image. */
uint64_t platform_physical(const void *address);

/* Zeroed, physically contiguous, page-aligned memory that is never given back;
 * null when memory is short. */
void *platform_allocate(uint64_t bytes);

/* Device registers, uncached; null when memory for tables is short.  Mapped once
 * and for ever: drivers keep what they got over a reset. */
void *platform_map_device(uint64_t physical, uint64_t bytes);

/* Memory that firmware left behind (tables), wherever it lies; null likewise. */
const void *platform_map_memory(uint64_t physical, uint64_t bytes);

/* Monotonic; 0 until the clock has been calibrated. */
uint64_t platform_time_ns(void);

/* A line for whoever looks at the console, whoever has it now; a line for the kernel
 * log, on the console only when verbose.  Without newline. */
void platform_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
void platform_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A processor interrupt for a device that signals by a memory write (MSI, MSI-X).
 * The handler runs with interrupts off and only notes.  False: none left. */
struct platform_message {
	uint64_t address;
	uint32_t data;
};
typedef void platform_handler(void *context);
bool platform_message_interrupt(platform_handler *handler, void *context,
				struct platform_message *message);

/* Halts the processor until an interrupt has been handled, a tick at the latest. */
void platform_idle(void);

/* A little patience while a register is polled. */
static inline void platform_relax(void)
{
	__builtin_ia32_pause();
}

#endif
