/* SPDX-License-Identifier: MIT */
/*
 * start.h - what boot code and compiled code call by name.
 */
#ifndef KERNEL_X86_64_START_H
#define KERNEL_X86_64_START_H

#include <stdint.h>

/* Called by boot.S with the physical address of the Multiboot2 information. */
void start_kernel(uint64_t information) __attribute__((noreturn));
/* The ACPI root pointer that the boot loader passed on, or null. */
const uint8_t *start_rsdp(uint32_t *bytes);

/* The compiler's stack protector. */
extern uint64_t __stack_chk_guard;
void __stack_chk_fail(void) __attribute__((noreturn));

#endif
