/* SPDX-License-Identifier: MIT */
/*
 * layout.h - where things are, for C, assembly and the linker script.
 *
 *	0000000000000000	lower half: the one address space, per machine
 *	ffff800000000000	direct map of memory
 *	ffffff0000000000	device registers and firmware tables, mapped on demand
 *	ffffffff80100000	kernel image, at 1 MiB of physical memory
 */
#ifndef KERNEL_X86_64_LAYOUT_H
#define KERNEL_X86_64_LAYOUT_H

#define USER_END     0x00007ffffffff000 /* first address never used (SYSRET) */
#define DIRECT_BASE  0xffff800000000000
#define DEVICE_BASE  0xffffff0000000000
#define DEVICE_BYTES 0x0000008000000000 /* one entry of the top level */
#define KERNEL_BASE  0xffffffff80000000
#define KERNEL_LOAD  0x100000

/* The one stack of a CPU, and those for traps that must not trust it: debug, NMI,
 * double fault, machine check, and interrupts; each above a page without mapping. */
#define STACK_BYTES	      0x8000
#define EXCEPTION_STACK_BYTES 0x2000
#define EXCEPTION_STACKS      5
#define GUARD_BYTES	      0x1000

/* Segment selectors; the order is what SYSCALL and SYSRET demand. */
#define SELECTOR_KERNEL_CODE 0x08
#define SELECTOR_KERNEL_DATA 0x10
#define SELECTOR_USER_DATA   0x1b
#define SELECTOR_USER_CODE   0x23
#define SELECTOR_TASK	     0x28

/* Offsets in struct cpu_local, for assembly. */
#define CPU_REGISTERS 8
#define CPU_STACK_TOP 16
#define CPU_USER_RSP  24

#endif
