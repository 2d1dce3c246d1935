/* SPDX-License-Identifier: MIT */
/*
 * backtrace.c - the call chain, with names.
 *
 * All code keeps frame pointers: rbp points to the caller's rbp, with the return
 * address behind it.  The chain is followed within the kernel's stacks only and
 * a bounded number of steps, because a panic is when stacks are not to be
 * trusted.  Names come from a table that the build makes out of the first
 * linking (symbols.py); it is sorted by address.
 */
#include "kernel/print.h"
#include "kernel/x86_64/trap.h"

#define CALLS_MAX 32u

/* All weak: the first linking has none. */
extern const uint64_t symbol_count __attribute__((weak));
extern const uint32_t symbol_address[] __attribute__((weak)); /* from KERNEL_BASE */
extern const uint32_t symbol_name[] __attribute__((weak));    /* offset in symbol_text */
extern const char symbol_text[] __attribute__((weak));

/* Prints the function that contains the address and the distance to its start. */
static void call_print(uint64_t address)
{
	uint64_t low = 0, high = &symbol_count != NULL ? symbol_count : 0;

	while (low < high) {
		uint64_t middle = (low + high) / 2;
		if (KERNEL_BASE + symbol_address[middle] <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || address >= (uint64_t)kernel_text_end)
		kernel_print("  %016lx", address);
	else
		kernel_print("  %016lx  %s+0x%lx", address, symbol_text + symbol_name[low - 1],
			     address - KERNEL_BASE - symbol_address[low - 1]);
}

static bool in_text(uint64_t address)
{
	return address >= (uint64_t)kernel_start && address < (uint64_t)kernel_text_end;
}

static bool on_stack(uint64_t frame)
{
	uint64_t first = (uint64_t)kernel_stack_guard + GUARD_BYTES;
	uint64_t end = (uint64_t)kernel_exception_stacks +
		       EXCEPTION_STACKS * (GUARD_BYTES + EXCEPTION_STACK_BYTES);

	if (frame % 8 != 0 || frame < first || frame > end - 16)
		return false;
	if (frame < (uint64_t)kernel_stack_top)
		return frame <= (uint64_t)kernel_stack_top - 16;
	/* Not in one of the guard pages between the exception stacks. */
	return (frame - (uint64_t)kernel_exception_stacks) %
		       (GUARD_BYTES + EXCEPTION_STACK_BYTES) >=
	       GUARD_BYTES;
}

void arch_backtrace(void)
{
	const struct trap_frame *trap = trap_panic_frame();
	uint64_t frame = (uint64_t)__builtin_frame_address(0);

	kernel_print("call chain, innermost first:");
	if (trap != NULL) {
		call_print(trap->rip);
		frame = trap->rbp;
		/* A jump to nowhere: who called is on top of the stack. */
		if (!in_text(trap->rip) && on_stack(trap->rsp) &&
		    in_text(*(const uint64_t *)trap->rsp))
			call_print(*(const uint64_t *)trap->rsp);
	}
	for (unsigned i = 0; i < CALLS_MAX && on_stack(frame); i++) {
		const uint64_t *at = (const uint64_t *)frame;
		if (!in_text(at[1]))
			break;
		call_print(at[1]);
		/* Callers lie further up; anything else would go in circles. */
		if (at[0] <= frame)
			break;
		frame = at[0];
	}
}
