/* SPDX-License-Identifier: MIT */
/*
 * descriptors.c - segments, the task state with its stacks, the interrupt table.
 */
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/instructions.h"

/* Exceptions with stacks of their own (1-based index into the task's): they can
 * come while rsp is the user's or the stack is used up. */
#define VECTOR_DEBUG	     1u
#define VECTOR_NMI	     2u
#define VECTOR_BREAKPOINT    3u
#define VECTOR_DOUBLE_FAULT  8u
#define VECTOR_MACHINE_CHECK 18u
#define VECTOR_INTERRUPTS    32u

struct gate { /* SDM volume 3, figure 6-8 */
	uint16_t offset_low, selector;
	uint8_t stack, type;
	uint16_t offset_middle;
	uint32_t offset_high, reserved;
};
static_assert(sizeof(struct gate) == 16, "the processor's layout");
static_assert(EXCEPTION_STACKS <= 7, "the processor knows so many");
static_assert(SELECTOR_KERNEL_DATA == SELECTOR_KERNEL_CODE + 8 &&
		      SELECTOR_USER_CODE == SELECTOR_USER_DATA + 8,
	      "SYSCALL and SYSRET reckon so");
static_assert(SELECTOR_TASK / 8 + 2 == sizeof(((struct cpu_local *)0)->descriptors) / 8,
	      "the task state's takes the last two");

struct __attribute__((packed)) table_pointer {
	uint16_t limit;
	uint64_t base;
};

static struct cpu_local cpu_first;
static struct gate gates[256];

static uint8_t gate_stack(unsigned vector)
{
	switch (vector) {
	case VECTOR_DEBUG:
		return 1;
	case VECTOR_NMI:
		return 2;
	case VECTOR_DOUBLE_FAULT:
		return 3;
	case VECTOR_MACHINE_CHECK:
		return 4;
	default:
		/* Interrupts: they are off in the kernel, but QEMU's emulation can get the
		 * flag wrong for a few instructions after a fault in user mode, and then
		 * rsp may be the user's. */
		return vector >= VECTOR_INTERRUPTS ? 5 : 0;
	}
}

static void gates_init(void)
{
	for (unsigned i = 0; i < 256; i++) {
		uint64_t at = (uint64_t)trap_stubs + i * TRAP_STUB_BYTES;
		gates[i] = (struct gate){
			.offset_low = (uint16_t)at,
			.selector = SELECTOR_KERNEL_CODE,
			.stack = gate_stack(i),
			/* Interrupt gates, present; INT3 is for everybody. */
			.type = i == VECTOR_BREAKPOINT ? 0xee : 0x8e,
			.offset_middle = (uint16_t)(at >> 16),
			.offset_high = (uint32_t)(at >> 32),
		};
	}
}

static void segments_init(struct cpu_local *cpu)
{
	uint64_t task = (uint64_t)&cpu->task;

	cpu->descriptors[1] = 0x00af9b000000ffff; /* kernel code, 64 bits */
	cpu->descriptors[2] = 0x00cf93000000ffff; /* kernel data */
	cpu->descriptors[3] = 0x00cff3000000ffff; /* user data */
	cpu->descriptors[4] = 0x00affb000000ffff; /* user code, 64 bits */
	cpu->descriptors[5] = (sizeof cpu->task - 1) | (task & 0xffffff) << 16 |
			      UINT64_C(0x89) << 40 | (task >> 24 & 0xff) << 56;
	cpu->descriptors[6] = task >> 32;
}

static void task_init(struct cpu_local *cpu)
{
	uint8_t *stack = kernel_exception_stacks;

	cpu->task.rsp[0] = (uint64_t)kernel_stack_top;
	for (unsigned i = 0; i < EXCEPTION_STACKS; i++) {
		stack += GUARD_BYTES + EXCEPTION_STACK_BYTES;
		cpu->task.ist[i] = (uint64_t)stack;
	}
	cpu->task.io_map = sizeof cpu->task;
}

static void descriptors_load(struct cpu_local *cpu)
{
	struct table_pointer segments = {sizeof cpu->descriptors - 1, (uint64_t)cpu->descriptors};
	struct table_pointer interrupts = {sizeof gates - 1, (uint64_t)gates};

	__asm__ volatile("lgdt %0" : : "m"(segments));
	__asm__ volatile("pushq %0\n\t"
			 "leaq 1f(%%rip), %%rax\n\t"
			 "pushq %%rax\n\t"
			 "lretq\n"
			 "1:"
			 :
			 : "i"(SELECTOR_KERNEL_CODE)
			 : "rax", "memory");
	__asm__ volatile("movl %0, %%ss\n\t"
			 "movl %1, %%ds\n\t"
			 "movl %1, %%es\n\t"
			 "movl %1, %%fs\n\t"
			 "movl %1, %%gs"
			 :
			 : "r"(SELECTOR_KERNEL_DATA), "r"(SELECTOR_USER_DATA));
	__asm__ volatile("lidt %0" : : "m"(interrupts));
	__asm__ volatile("lldt %w0" : : "r"(0));
	__asm__ volatile("ltr %w0" : : "r"(SELECTOR_TASK));
}

void cpu_descriptors_init(void)
{
	struct cpu_local *cpu = &cpu_first;

	cpu->self = cpu;
	cpu->stack_top = (uint64_t)kernel_stack_top;
	gates_init();
	segments_init(cpu);
	task_init(cpu);
	descriptors_load(cpu);
	msr_write(MSR_FS_BASE, 0);
	msr_write(MSR_GS_BASE, (uint64_t)cpu); /* loading the selector has cleared it */
	msr_write(MSR_KERNEL_GS_BASE, 0);
}
