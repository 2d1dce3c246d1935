/* SPDX-License-Identifier: MIT */
/*
 * arch.h - what the portable kernel asks of the machine it runs on.
 *
 * kernel/x86_64/ and drivers/pc/ implement it.  Interrupts are off whenever
 * portable code runs, except inside arch_idle and arch_events_take.  One kernel stack per CPU; no
 * stack outlives a trap: arch_user_enter does not return, the next trap starts
 * at the top of the stack again in kernel_trap.
 */
#ifndef KERNEL_ARCH_H
#define KERNEL_ARCH_H

#include <stdbool.h>
#include <stdint.h>
#include "disk/object.h"
#include "base/status.h"
#include "base/types.h"
#include "drivers/block.h"

/* ---- boot -------------------------------------------------------------------- */

#define ARCH_MEMORY_RANGES 64u
struct arch_memory_range {
	uint64_t first; /* physical address, page-aligned */
	uint64_t pages;
};

/* Which store, as its superblock says; not known: nobody has said so. */
struct arch_store {
	bool known;
	uint8_t identity[16];
};

/* Filled before kernel_main: usable RAM without kernel image, boot structures
 * and page tables.  Sorted, disjoint, merged. */
struct arch_boot {
	char command_line[256];
	struct arch_memory_range memory[ARCH_MEMORY_RANGES];
	uint32_t memory_ranges;
	uint64_t memory_bytes; /* usable RAM the firmware reported, all of it */
	uint64_t kernel_bytes; /* image and boot-time page tables */
	uint64_t entry_time;   /* arch_time_ns() value of the kernel's first instruction */
	bool from_uefi;
	struct arch_store store; /* the one that lies beside the boot loader */
};

/* kernel/main.c.  Called once on the boot stack, in long mode, with the direct
 * map in place (arch_direct) and serial output working. */
void kernel_main(const struct arch_boot *boot) __attribute__((noreturn));

/* All of physical memory is mapped read-write, no-execute at this offset. */
uint8_t *arch_direct(uint64_t physical);
uint64_t arch_physical(const void *direct);

/* Descriptor tables, traps, SYSCALL, CPU features, APICs, timers, ACPI, PCI.
 * Prints what is wrong and stops (arch_halt) when the CPU lacks what is needed.
 * Called by kernel_main after it has taken boot memory. `scratch` gives
 * physically contiguous zeroed pages for tables that drivers need. */
void arch_init(const struct arch_boot *boot, void *(*scratch)(uint64_t bytes));

/* CPU model and "KVM", "TCG" or "". */
const char *arch_cpu_name(void);
const char *arch_accelerator(void);

/* What the PC has, used or not: processors, and PCI functions of these classes. */
struct arch_parts {
	uint32_t processors, disks, networks, displays;
};
const struct arch_parts *arch_parts(void);

/* ---- console ------------------------------------------------------------------ */

/* Serial port; never waits longer than the hardware takes.  In-kernel output ring
 * drained by interrupt: false when full (then try again after CONSOLE event). */
/* At once, for the kernel's own lines; on the screen as well. */
void arch_console_write_sync(const char *text, uint32_t length);
/* All or nothing: `length`, or 0 when the ring has not room for all of it. */
uint32_t arch_console_write(const uint8_t *data, uint32_t length);
uint32_t arch_console_read(uint8_t *data, uint32_t size); /* bytes got */

/* ---- interrupts ----------------------------------------------------------------- */

/* Which things happened since last asked (handlers only set bits). */
enum arch_event {
	ARCH_EVENT_TICK = 1,
	ARCH_EVENT_CONSOLE_INPUT = 2,
	ARCH_EVENT_CONSOLE_OUTPUT = 4, /* room in the output ring again */
	ARCH_EVENT_BLOCK = 8,
	ARCH_EVENT_CONSOLE_ATTENTION = 16, /* a person asks for the kernel's own console */
};
/* Lets those in that have come since. */
uint32_t arch_events_take(void);
/* Waits with interrupts on until one arrives (or one is pending already). */
void arch_idle(void);

/* ---- time ------------------------------------------------------------------------ */

uint64_t arch_time_ns(void); /* monotonic since power-on of this kernel */
uint64_t arch_wall_ns(void); /* from the hardware clock, ns since 1970 UTC */
/* What the host of a virtual machine may have done to it since the last call, which
 * should come at every tick; the wall time is right again when something is told.
 * *away_ns: by how much wall time ran on meanwhile. */
enum arch_moved {
	ARCH_MOVED_NOT,
	ARCH_MOVED_TIME, /* stood still, or was set back to an earlier state */
	ARCH_MOVED_COPY, /* is a copy, or goes on from a saved state: its host says so */
};
enum arch_moved arch_moved(uint64_t *away_ns);
#define ARCH_TICK_HZ 100u
void arch_tick_start(void); /* periodic, ARCH_TICK_HZ */

/* ---- user mode -------------------------------------------------------------------- */

enum arch_trap {
	ARCH_TRAP_SYSCALL, /* registers.rip is behind the SYSCALL instruction */
	ARCH_TRAP_INTERRUPT,
	ARCH_TRAP_PAGE_FAULT, /* address and code (x86 error code) are set */
	ARCH_TRAP_FAULT,      /* fault: enum machine_fault; code: vector << 32 | error code */
};
#define ARCH_SYSCALL_LENGTH 2u /* bytes of the SYSCALL instruction, to execute it anew */

struct arch_trap_info {
	enum arch_trap trap;
	enum machine_fault fault;
	uint64_t address, code;
};
#define ARCH_FAULT_PRESENT 1u
#define ARCH_FAULT_WRITE   2u
#define ARCH_FAULT_FETCH   16u

/* Every trap from user mode comes here, on the CPU's one stack, registers already
 * saved where arch_user_enter was told.  Does not return: ends in
 * arch_user_enter or arch_idle loops. */
void kernel_trap(const struct arch_trap_info *info) __attribute__((noreturn));

/*
 * Goes to user mode with these registers (sanitised: user segments, IF set,
 * IOPL 0, canonical addresses) in address space `root`.  The next trap saves
 * all registers back to *registers, which must stay writable until then.  The bases
 * of FS and GS are what they were, unless the program has loaded a selector.
 */
void arch_user_enter(struct disk_registers *registers, uint64_t root, uint64_t fs_base,
		     uint64_t gs_base) __attribute__((noreturn));

/* Goes on in `next`, which does not return, at the top of this CPU's stack: what
 * was on it is given up, so that a loop that is entered anew from its own depth
 * does not use the stack up. */
void arch_stack_reset(void (*next)(void)) __attribute__((noreturn));

/* FPU: load before entering a machine other than the last, save before switching
 * away and before a freeze.  512 bytes, 16-aligned; load sanitises MXCSR. */
void arch_fpu_load(const uint8_t *image);
void arch_fpu_save(uint8_t *image);

/* ---- address translation ------------------------------------------------------------ */

/*
 * A root is the physical address of a top-level table whose upper half is the
 * kernel's and whose lower half is one machine's.  Tables are frames obtained
 * through these callbacks (physical addresses); take gives 0 when none is to be
 * had.  Zeroing is done here.
 */
struct arch_tables {
	uint64_t (*take)(void *context);
	void (*give)(void *context, uint64_t physical);
	void *context;
};
uint64_t arch_root_create(const struct arch_tables *tables); /* 0: no memory */
/* It is not entered any more: if it is loaded, the kernel's own is loaded. */
void arch_root_leave(uint64_t root);
/* Gives back a few tables of a root that was left; true: that was all, and the root itself. */
bool arch_root_give(const struct arch_tables *tables, uint64_t root);
/* Maps one page; replaces what was there.  False: no memory for a table. */
enum { ARCH_MAP_WRITE = 1, ARCH_MAP_EXECUTE = 2 };
bool arch_map(const struct arch_tables *tables, uint64_t root, page_t page, uint64_t physical,
	      unsigned flags);
/* Takes the page out; flushes the TLB if `root` is loaded.  True if it was mapped. */
bool arch_unmap(uint64_t root, page_t page);
/* The same for a run of pages, skipping what has no tables.  *looks: at so many entries at
 * most, and how many are left.  False: they did not suffice, and some is still mapped. */
bool arch_unmap_range(uint64_t root, page_t first, uint64_t pages, uint32_t *looks);
/* Was the page touched through this root since last asked?  Clears the note. */
bool arch_referenced(uint64_t root, page_t page);
/* Withdraws write permission from the whole lower half in constant time, at the
 * top level; flushes the TLB.  arch_map with ARCH_MAP_WRITE hands it down again
 * on its path only: the other entries of each table on the path that had it
 * withdrawn lose it one level below. */
void arch_root_protect(uint64_t root);

/* ---- block device -------------------------------------------------------------------- */

/* The virtio-blk disk with the store that was started, as a device whose sector 0 is
 * the first of its partition.  On failure prints why: no PCI, no virtio-blk, no
 * FLUSH, no GPT, no store partition, more than one that could be meant. */
enum status arch_block_find(struct block_device **device);
/* The disk may have become larger: its partition, and the device that was found,
 * then reach to its end.  *sectors: those that the store has; then of the partition now.
 * Waits for a disk that stands still two seconds at most.  On failure prints why;
 * BUSY: another partition lies behind it; TIMEOUT: the disk does not answer. */
enum status arch_block_grow(uint64_t *sectors);
/* Resets the disk that was found (before frames are reused), which goes on as before. */
void arch_block_restart(void);

/* ---- the end -------------------------------------------------------------------------- */

void arch_power_off(void) __attribute__((noreturn));
void arch_reboot(void) __attribute__((noreturn));
void arch_halt(void) __attribute__((noreturn)); /* what is typed is forgotten */
/* Prints the registers (of the trap if one led here), and the call chain with
 * function names, for panics. */
void arch_registers(void);
void arch_backtrace(void);

/* kernel/panic.c: report and stop or reboot as the command line says. */
void kernel_panic(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* kernel/print.c: one line to serial and the kernel log; printf's %s %c %d %u
 * %x %lu %lx %p %% with width and zero padding. */
void kernel_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
