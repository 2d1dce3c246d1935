/* SPDX-License-Identifier: MIT */
/*
 * platform.c - gives drivers what they ask for (drivers/platform.h), and the
 * portable kernel its time, console and end.
 */
#include "drivers/platform.h"
#include <string.h>
#include "drivers/pc/apic.h"
#include "drivers/pc/clock.h"
#include "drivers/pc/power.h"
#include "drivers/pc/screen.h"
#include "drivers/pc/serial.h"
#include "kernel/print.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/devices.h"
#include "base/assert.h"

/* Places of the device window that have been handed out: the same registers are
 * asked for again after every reset of the devices. */
#define WINDOWS_MAX 64u
static struct window {
	uint64_t physical, bytes;
	void *at;
} windows[WINDOWS_MAX];

static void *(*platform_scratch)(uint64_t bytes);
static_assert(VECTOR_MESSAGE >= 32 && VECTOR_MESSAGE + APIC_MESSAGES <= 256,
	      "behind the exceptions");
static_assert(MESSAGE_DATA <= SERIAL_WRITE_MAX, "a message to the console goes as a whole");

static struct {
	platform_handler *handler;
	void *context;
} messages[APIC_MESSAGES];

void platform_init(void *(*scratch)(uint64_t bytes))
{
	platform_scratch = scratch;
	map_scratch(scratch);
}

uint64_t platform_physical(const void *address)
{
	return arch_physical(address);
}

void *platform_allocate(uint64_t bytes)
{
	ASSERT(platform_scratch != NULL);
	return platform_scratch(bytes);
}

static void *window_map(uint64_t physical, uint64_t bytes, bool cached)
{
	struct window *free = NULL;

	ASSERT(bytes);
	for (uint32_t i = 0; i < WINDOWS_MAX; i++) {
		struct window *w = &windows[i];
		if (w->at == NULL) {
			free = w;
			break;
		}
		if (physical >= w->physical && bytes <= w->bytes &&
		    physical - w->physical <= w->bytes - bytes)
			return (uint8_t *)w->at + (physical - w->physical);
	}
	void *at = map_window(physical, bytes, cached);
	if (at != NULL && free != NULL)
		*free = (struct window){physical, bytes, at};
	return at;
}

void *platform_map_device(uint64_t physical, uint64_t bytes)
{
	return window_map(physical, bytes, false);
}

const void *platform_map_memory(uint64_t physical, uint64_t bytes)
{
	if (map_direct_covers(physical, bytes))
		return arch_direct(physical);
	return map_window(physical, bytes, true);
}

uint64_t platform_time_ns(void)
{
	return arch_time_ns();
}

void platform_idle(void)
{
	/* What is pending after STI interrupts the HLT, so nothing is slept through. */
	__asm__ volatile("sti; hlt; cli" : : : "memory");
}

void platform_log(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	kernel_print_loud_list(format, arguments);
	va_end(arguments);
}

void platform_note(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	kernel_note_list(format, arguments);
	va_end(arguments);
}

bool platform_message_interrupt(platform_handler *handler, void *context,
				struct platform_message *message)
{
	ASSERT(handler != NULL);
	for (uint32_t i = 0; i < APIC_MESSAGES; i++) {
		if (messages[i].handler != NULL)
			continue;
		messages[i].handler = handler;
		messages[i].context = context;
		*message = (struct platform_message){apic_message_address(), VECTOR_MESSAGE + i};
		return true;
	}
	return false;
}

bool platform_message_dispatch(uint8_t vector)
{
	uint32_t index = vector - (uint32_t)VECTOR_MESSAGE;

	if (index >= APIC_MESSAGES || messages[index].handler == NULL)
		return false;
	messages[index].handler(messages[index].context);
	return true;
}

/* ---- the portable kernel's console, time and end ------------------------------------- */

void arch_console_write_sync(const char *text, uint32_t length)
{
	serial_write_sync(text, length);
	screen_write(text, length);
}

uint32_t arch_console_write(const uint8_t *data, uint32_t length)
{
	return serial_write(data, length) ? length : 0;
}

uint32_t arch_console_read(uint8_t *data, uint32_t size)
{
	return serial_read(data, size);
}

uint64_t arch_time_ns(void)
{
	return clock_ns();
}

/* What is typed is taken and forgotten for ever: QEMU, which reads no more keys than the
 * port takes, would not see those either that are meant for itself. */
void arch_halt(void)
{
	apic_end_all();
	for (;;) {
		if (serial_discard())
			__asm__ volatile("sti; hlt; cli" : : : "memory");
		else
			platform_relax();
	}
}

void arch_power_off(void)
{
	power_off();
	kernel_print_loud("perdure: this PC does not switch itself off; it has stopped, switch "
			  "it off by hand");
	arch_halt();
}

void arch_reboot(void)
{
	const struct __attribute__((packed)) {
		uint16_t limit;
		uint64_t base;
	} nothing = {0, 0};

	power_reboot();
	/* Without an interrupt table any exception ends in a processor reset. */
	__asm__ volatile("lidt %0; ud2" : : "m"(nothing));
	arch_halt();
}
