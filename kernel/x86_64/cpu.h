/* SPDX-License-Identifier: MIT */
/*
 * cpu.h - what belongs to one CPU, and the parts of kernel/x86_64/ to each other.
 *
 * GS points to the CPU's structure while it runs kernel code; user code has its
 * own base there (swapgs).  Nothing outside this folder includes this file.
 */
#ifndef KERNEL_X86_64_CPU_H
#define KERNEL_X86_64_CPU_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "kernel/arch.h"
#include "kernel/x86_64/layout.h"

struct __attribute__((packed)) task_state { /* SDM volume 3, figure 7-11 */
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7];
	uint64_t reserved2;
	uint16_t reserved3;
	uint16_t io_map; /* beyond the limit: no port is allowed */
};
static_assert(sizeof(struct task_state) == 104, "the processor's layout");

struct cpu_local {
	struct cpu_local *self;
	struct disk_registers *registers; /* where the next trap from user mode saves */
	uint64_t stack_top;
	uint64_t user_rsp;	   /* scratch of the SYSCALL entry */
	uint64_t root;		   /* what CR3 holds */
	uint64_t fs_base, gs_base; /* the machine's, as they were loaded */
	uint32_t events;	   /* enum arch_event bits since last asked */
	uint64_t descriptors[7];
	struct task_state task;
};
static_assert(offsetof(struct cpu_local, registers) == CPU_REGISTERS, "layout.h");
static_assert(offsetof(struct cpu_local, stack_top) == CPU_STACK_TOP, "layout.h");
static_assert(offsetof(struct cpu_local, user_rsp) == CPU_USER_RSP, "layout.h");

static inline struct cpu_local *cpu_current(void)
{
	struct cpu_local *cpu;

	__asm__ volatile("mov %%gs:0, %0" : "=r"(cpu));
	return cpu;
}

/* What trap.S pushes when a trap comes from the kernel itself. */
struct trap_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};
static_assert(offsetof(struct trap_frame, vector) == 15 * 8, "trap.S");

/* ---- cpu.c, descriptors.c, fpu.c ------------------------------------------------- */

/* GS, descriptor tables, exceptions; works from the first C code on. */
void cpu_descriptors_init(void);
/* Stops with a message when something needed is missing; sets the control
 * registers and SYSCALL. */
void cpu_features_init(void);
/* Tells which protections this CPU lacks; for the log. */
void cpu_features_note(void);
/* A number nobody outside can guess, as good as the CPU allows. */
uint64_t cpu_random(void);
void fpu_init(void);

/* ---- trap.S ------------------------------------------------------------------------- */

extern const uint8_t trap_stubs[];
#define TRAP_STUB_BYTES 16u
void trap_syscall_entry(void);
void user_leave_sysret(const struct disk_registers *registers) __attribute__((noreturn));
void user_leave_iret(const struct disk_registers *registers) __attribute__((noreturn));

/* ---- devices.c ------------------------------------------------------------------------ */

/* Handles a vector from 32 on; called with interrupts off. */
void interrupt_dispatch(uint8_t vector);

/* ---- map.c: the kernel's own half ------------------------------------------------------ */

/* Builds the final tables out of boot memory and loads them; `kept` is what the
 * direct map must reach. */
struct memory_list;
void map_init(struct arch_boot *boot, const struct memory_list *kept);
uint64_t map_kernel_root(void);
uint64_t map_table_bytes(void);
/* From now on tables come from here instead of boot memory. */
void map_scratch(void *(*scratch)(uint64_t bytes));
/* Is all of this in the direct map? */
bool map_direct_covers(uint64_t physical, uint64_t bytes);
/* A place in the device window; null when memory for tables is short. */
void *map_window(uint64_t physical, uint64_t bytes, bool cached);

/* ---- boot.S, kernel.ld ------------------------------------------------------------------ */

extern uint64_t boot_counter; /* time-stamp counter at the first instruction */
extern uint8_t kernel_start[], kernel_text_end[], kernel_rodata_end[], kernel_end[],
	kernel_boot_end[];
extern uint8_t kernel_stack_guard[], kernel_stack_top[], kernel_exception_stacks[];

static inline uint64_t image_physical(const void *address)
{
	return (uint64_t)address - KERNEL_BASE;
}

#endif
