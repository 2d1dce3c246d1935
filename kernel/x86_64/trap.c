/* SPDX-License-Identifier: MIT */
/*
 * trap.c - what trap.S hands over: traps of machines become an arch_trap_info,
 * exceptions of the kernel a panic; and the way back to user mode.
 */
#include "kernel/x86_64/trap.h"
#include "kernel/print.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/instructions.h"
#include "base/assert.h"

#define VECTOR_NMI	     2u
#define VECTOR_DOUBLE_FAULT  8u
#define VECTOR_PAGE_FAULT    14u
#define VECTOR_MACHINE_CHECK 18u
#define EXCEPTIONS	     32u

static_assert(offsetof(struct disk_registers, rip) == 128 &&
		      offsetof(struct disk_registers, rflags) == 136,
	      "trap.S");
static_assert(REGISTER_RAX == 0 && REGISTER_RSP == 7 && REGISTER_R8 == 8 && REGISTER_R15 == 15,
	      "trap.S saves them in this order");

/* Each exception's name, and what it is for a machine. */
static const struct {
	const char *name;
	enum machine_fault fault;
} exceptions[EXCEPTIONS] = {
	[0] = {"divide error", FAULT_ARITHMETIC},
	[1] = {"debug exception", FAULT_BREAKPOINT},
	[2] = {"non-maskable interrupt", FAULT_NONE},
	[3] = {"breakpoint", FAULT_BREAKPOINT},
	[4] = {"overflow", FAULT_ARITHMETIC},
	[5] = {"bound range exceeded", FAULT_PROTECTION},
	[6] = {"invalid instruction", FAULT_INSTRUCTION},
	[7] = {"FPU not available", FAULT_INSTRUCTION},
	[8] = {"double fault", FAULT_NONE},
	[10] = {"invalid task state", FAULT_PROTECTION},
	[11] = {"segment not present", FAULT_PROTECTION},
	[12] = {"stack segment fault", FAULT_PROTECTION},
	[13] = {"general protection fault", FAULT_PROTECTION},
	[14] = {"page fault", FAULT_PAGE},
	[16] = {"x87 exception", FAULT_ARITHMETIC},
	[17] = {"alignment check", FAULT_PROTECTION},
	[18] = {"machine check", FAULT_NONE},
	[19] = {"SIMD exception", FAULT_ARITHMETIC},
	[20] = {"virtualization exception", FAULT_PROTECTION},
	[21] = {"control protection exception", FAULT_PROTECTION},
};

/* The kernel's own trap that led to a panic; null in all others. */
static const struct trap_frame *panic_frame;

const struct trap_frame *trap_panic_frame(void)
{
	return panic_frame;
}

static const char *exception_name(uint64_t vector)
{
	if (vector < EXCEPTIONS && exceptions[vector].name != NULL)
		return exceptions[vector].name;
	return "exception";
}

/* ---- from user mode --------------------------------------------------------------- */

void trap_syscall(void)
{
	const struct arch_trap_info info = {.trap = ARCH_TRAP_SYSCALL};

	kernel_trap(&info);
}

static void __attribute__((noreturn)) trap_user_exception(uint64_t vector, uint64_t error)
{
	struct arch_trap_info info = {
		.trap = ARCH_TRAP_FAULT,
		.fault = exceptions[vector].fault,
		.code = vector << 32 | error,
	};

	ASSERT(vector < EXCEPTIONS);
	if (vector == VECTOR_NMI || vector == VECTOR_DOUBLE_FAULT || vector == VECTOR_MACHINE_CHECK)
		kernel_panic("%s (vector %lu) in user mode", exception_name(vector),
			     (unsigned long)vector);
	if (info.fault == FAULT_NONE)
		info.fault = FAULT_PROTECTION;
	kernel_trap(&info);
}

void trap_user(uint64_t vector, uint64_t error)
{
	struct arch_trap_info info = {.trap = ARCH_TRAP_INTERRUPT};

	if (vector == VECTOR_PAGE_FAULT) {
		/* First of all: another page fault would overwrite it. */
		info = (struct arch_trap_info){.trap = ARCH_TRAP_PAGE_FAULT,
					       .fault = FAULT_PAGE,
					       .address = cr2_read(),
					       .code = error};
		kernel_trap(&info);
	}
	if (vector < EXCEPTIONS)
		trap_user_exception(vector, error);
	interrupt_dispatch((uint8_t)vector);
	kernel_trap(&info);
}

/* ---- from the kernel itself ---------------------------------------------------------- */

void trap_kernel(const struct trap_frame *frame)
{
	if (frame->vector >= EXCEPTIONS) {
		interrupt_dispatch((uint8_t)frame->vector);
		return;
	}
	/* No way back from here. */
	panic_frame = frame;
	uint64_t address = cr2_read();
	if (frame->vector == VECTOR_DOUBLE_FAULT && address >= (uint64_t)kernel_stack_guard &&
	    address < (uint64_t)kernel_stack_guard + GUARD_BYTES)
		kernel_panic("the kernel stack is used up");
	if (frame->vector == VECTOR_PAGE_FAULT)
		kernel_panic("page fault in the kernel: %s 0x%lx (%s)",
			     frame->error & ARCH_FAULT_FETCH   ? "execution at"
			     : frame->error & ARCH_FAULT_WRITE ? "write to"
							       : "read from",
			     (unsigned long)address,
			     frame->error & ARCH_FAULT_PRESENT ? "not permitted" : "not mapped");
	kernel_panic("%s (vector %lu, error code 0x%lx) in the kernel",
		     exception_name(frame->vector), (unsigned long)frame->vector,
		     (unsigned long)frame->error);
}

/* ---- to user mode -------------------------------------------------------------------- */

/* Flags that are the user's own business; all others are ours. */
#define USER_FLAGS                                                                                 \
	(FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_TF | FLAG_DF | FLAG_OF | FLAG_AC | \
	 FLAG_ID)

/* The user can load selectors; the next machine must not see which. */
static void segments_reset(void)
{
	__asm__ volatile("movl %0, %%ds\n\t"
			 "movl %0, %%es\n\t"
			 "movl %0, %%fs\n\t"
			 "swapgs\n\t"
			 "movl %0, %%gs\n\t" /* clears the user's base, not ours */
			 "swapgs"
			 :
			 : "r"(SELECTOR_USER_DATA)
			 : "memory");
}

/* Whatever a damaged page says, never an address of the kernel's: trap.S knows by that whose
 * base of GS it is. */
static uint64_t base_of(uint64_t base)
{
	return base < USER_END ? base : 0;
}

/* Behind SWAPGS in the kernel, so the user's base of GS is the other one. */
static void bases_load(struct cpu_local *cpu, uint64_t fs_base, uint64_t gs_base)
{
	if (cpu->fs_base != fs_base)
		msr_write(MSR_FS_BASE, fs_base);
	if (cpu->gs_base != gs_base)
		msr_write(MSR_KERNEL_GS_BASE, gs_base);
	cpu->fs_base = fs_base;
	cpu->gs_base = gs_base;
}

void arch_user_enter(struct disk_registers *registers, uint64_t root, uint64_t fs_base,
		     uint64_t gs_base)
{
	struct cpu_local *cpu = cpu_current();
	uint64_t flags = (registers->rflags & USER_FLAGS) | FLAG_IF | FLAG_ONE;

	ASSERT(root && root % PAGE_SIZE == 0);
	registers->rflags = flags;
	/* Not canonical: IRET itself would fault, in the kernel.  The machine faults
	 * instead, in the page that nobody has. */
	if ((int64_t)(registers->rip << 16) >> 16 != (int64_t)registers->rip)
		registers->rip = USER_END | (registers->rip & (PAGE_SIZE - 1));
	cpu->registers = registers;
	if (cpu->root != root) {
		cpu->root = root;
		cr3_write(root);
		segments_reset();
		cpu->fs_base = cpu->gs_base = 0;
	}
	bases_load(cpu, base_of(fs_base), base_of(gs_base));
	/* SYSRET destroys rcx and r11, so it serves only a machine that comes from
	 * SYSCALL and has lost them already.  With an address that is not canonical it
	 * would fault in the kernel, on the user's stack. */
	if (registers->gpr[REGISTER_RCX] == registers->rip &&
	    registers->gpr[REGISTER_R11] == flags && registers->rip < USER_END)
		user_leave_sysret(registers);
	user_leave_iret(registers);
}

/* ---- reports ---------------------------------------------------------------------------- */

static void registers_print(const struct trap_frame *f)
{
	kernel_print("  rax %016lx  rbx %016lx  rcx %016lx  rdx %016lx", f->rax, f->rbx, f->rcx,
		     f->rdx);
	kernel_print("  rsi %016lx  rdi %016lx  rbp %016lx  rsp %016lx", f->rsi, f->rdi, f->rbp,
		     f->rsp);
	kernel_print("  r8  %016lx  r9  %016lx  r10 %016lx  r11 %016lx", f->r8, f->r9, f->r10,
		     f->r11);
	kernel_print("  r12 %016lx  r13 %016lx  r14 %016lx  r15 %016lx", f->r12, f->r13, f->r14,
		     f->r15);
	kernel_print("  rip %016lx  rflags %08lx  cs %02lx  ss %02lx", f->rip, f->rflags, f->cs,
		     f->ss);
}

void arch_registers(void)
{
	const struct disk_registers *user = cpu_current()->registers;

	if (panic_frame != NULL)
		registers_print(panic_frame);
	kernel_print("  cr0 %08lx  cr2 %016lx  cr3 %010lx  cr4 %08lx", cr0_read(), cr2_read(),
		     cr3_read(), cr4_read());
	if (user != NULL)
		kernel_print("  last machine: rip %016lx  rsp %016lx  rax %016lx", user->rip,
			     user->gpr[REGISTER_RSP], user->gpr[REGISTER_RAX]);
}
