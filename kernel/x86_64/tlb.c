/* SPDX-License-Identifier: MIT */
/*
 * tlb.c - keeps the TLB in step with the tables.
 *
 * A root that is not loaded needs nothing: there are no process-context
 * identifiers, so loading CR3 forgets all that is not global, and only the
 * kernel's half is global.
 */
#include "kernel/x86_64/tlb.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/instructions.h"

void tlb_invalidate(uint64_t root, uint64_t address)
{
	if (cpu_current()->root == root)
		page_invalidate(address);
}

void tlb_flush(uint64_t root)
{
	if (cpu_current()->root == root)
		cr3_write(root);
}

void tlb_leave(uint64_t root)
{
	if (cpu_current()->root != root)
		return;
	cpu_current()->root = map_kernel_root();
	cr3_write(map_kernel_root());
}
