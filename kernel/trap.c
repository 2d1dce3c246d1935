/* SPDX-License-Identifier: MIT */
/*
 * trap.c - the way in: every trap from user mode.
 *
 * The registers have been saved in the machine page already.  CPU time is
 * charged, then the trap goes where it belongs; nothing comes back here.
 */
#include "kernel/kernel.h"
#include "kernel/syscall.h"
#include "base/assert.h"

static void trap_charge(struct cpu *cpu)
{
	struct disk_machine *machine;
	uint64_t now_ns = arch_time_ns();

	ASSERT(cpu->running->place == TASK_RUNNING);
	kernel_stretch(now_ns);
	store_operation_begin(kernel.space.store);
	if (machine_prepare(&kernel.space, cpu->running->object, &machine) != STATUS_OK)
		kernel_panic("machine %u ran but its page is not writable", cpu->running->object.n);
	ASSERT(machine->version == cpu->running->version && machine->state == MACHINE_READY);
	machine->cpu_ns += now_ns - cpu->entered_ns;
	task_used(now_ns - cpu->entered_ns);
	cpu->left_ns = now_ns;
}

void kernel_trap(const struct arch_trap_info *info)
{
	struct cpu *cpu = cpu_this();

	if (!cpu->running)
		kernel_panic("a trap from user mode while no machine runs");
	trap_charge(cpu);
	switch (info->trap) {
	case ARCH_TRAP_SYSCALL:
		syscall_run();
	case ARCH_TRAP_PAGE_FAULT:
		fault_page(info);
	case ARCH_TRAP_FAULT:
		fault_raise(info->fault, info->address, info->code);
	case ARCH_TRAP_INTERRUPT:
		break;
	}
	kernel_leave();
}
