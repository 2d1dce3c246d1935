/* SPDX-License-Identifier: MIT */
/*
 * trap.h - where trap.S calls C.
 */
#ifndef KERNEL_X86_64_TRAP_H
#define KERNEL_X86_64_TRAP_H

#include "kernel/x86_64/cpu.h"

void trap_syscall(void) __attribute__((noreturn));
void trap_user(uint64_t vector, uint64_t error) __attribute__((noreturn));
void trap_kernel(const struct trap_frame *frame);

/* The frame of the kernel's own trap that is being reported, or null. */
const struct trap_frame *trap_panic_frame(void);

#endif
