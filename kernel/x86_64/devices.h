/* SPDX-License-Identifier: MIT */
/*
 * devices.h - between devices.c, moved.c, platform.c and trap.c.
 */
#ifndef KERNEL_X86_64_DEVICES_H
#define KERNEL_X86_64_DEVICES_H

#include <stdbool.h>
#include <stdint.h>

/* From now on drivers get memory from here. */
void platform_init(void *(*scratch)(uint64_t bytes));
/* Calls the handler of a device's message; false when the vector has none. */
bool platform_message_dispatch(uint8_t vector);

/* Reads the hardware clock, once the counter's is running, and finds what the host
 * tells (moved.c). */
void moved_init(void);

#endif
