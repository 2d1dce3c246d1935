/* SPDX-License-Identifier: MIT */
/*
 * start.c - from the first C code to kernel_main.
 */
#include "kernel/x86_64/start.h"
#include <string.h>
#include "disk/format.h"
#include "drivers/pc/screen.h"
#include "drivers/pc/serial.h"
#include "kernel/print.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/instructions.h"
#include "kernel/x86_64/multiboot.h"
#include "store/store.h"

#define FIRST_TABLES_END (UINT64_C(1) << 32) /* what boot.S maps one to one */
#define LOW_MEMORY	 0x100000u /* left to firmware: its tables and the real-mode area */
static_assert(LOW_MEMORY <= KERNEL_LOAD, "the image lies above");

/* GRUB's font, which the Makefile compiles: 16 bytes for each character. */
extern const uint8_t ascii_bitmaps[];

uint64_t __stack_chk_guard;

static struct arch_boot boot;
static struct multiboot multiboot;

void __stack_chk_fail(void)
{
	kernel_panic("a function's stack frame has been overwritten");
}

const uint8_t *start_rsdp(uint32_t *bytes)
{
	*bytes = multiboot.rsdp_bytes;
	return multiboot.rsdp_bytes != 0 ? multiboot.rsdp : NULL;
}

/* The superblocks that GRUB has read from the store beside it. */
static void start_store(void)
{
	static struct disk_superblock superblock;

	for (uint32_t at = 0; !boot.store.known && at + sizeof superblock <= multiboot.store_bytes;
	     at += DISK_SUPERBLOCK_COPY_SECTOR * SECTOR_SIZE) {
		memcpy(&superblock, (const uint8_t *)(uintptr_t)multiboot.store + at,
		       sizeof superblock);
		boot.store.known = store_identify(&superblock, boot.store.identity);
	}
}

static const char screen_hint[] = "Perdure talks on the first serial line (QEMU: -serial stdio).\n"
				  "Here only the kernel says how it starts, and what is wrong.\n";

/* Before the final page tables, the first 4 GiB are where they are. */
static void start_screen(void)
{
	const struct screen_mode *mode = &multiboot.screen;
	uint64_t bytes = (uint64_t)mode->pitch * mode->height;

	if (mode->address == 0 || mode->address >= FIRST_TABLES_END ||
	    bytes > FIRST_TABLES_END - mode->address)
		return;
	screen_init(mode, (volatile void *)(uintptr_t)mode->address, ascii_bitmaps);
	screen_write(screen_hint, sizeof screen_hint - 1);
}

static void start_screen_move(void)
{
	const struct screen_mode *mode = &multiboot.screen;

	screen_move(mode->address != 0
			    ? map_window(mode->address, (uint64_t)mode->pitch * mode->height, false)
			    : NULL);
}

static void start_memory(void)
{
	struct memory_list *usable = &multiboot.usable;

	memory_list_remove(usable, 0, LOW_MEMORY);
	memory_list_remove(usable, image_physical(kernel_start), image_physical(kernel_boot_end));
	static_assert(sizeof boot.memory == sizeof usable->range &&
			      sizeof boot.command_line == sizeof multiboot.command_line,
		      "all of it");
	memcpy(boot.memory, usable->range, sizeof boot.memory);
	boot.memory_ranges = usable->count;
	boot.memory_bytes = multiboot.memory_bytes;
	boot.from_uefi = multiboot.from_uefi;
	memcpy(boot.command_line, multiboot.command_line, sizeof boot.command_line);
}

/* After the final tables are loaded, the first ones are memory like any other. */
static void start_memory_return(void)
{
	struct memory_list *list = &multiboot.usable;

	list->count = 0;
	for (uint32_t i = 0; i < boot.memory_ranges; i++)
		memory_list_add(list, boot.memory[i].first,
				boot.memory[i].first + boot.memory[i].pages * PAGE_SIZE);
	memory_list_add(list, image_physical(kernel_end), image_physical(kernel_boot_end));
	memcpy(boot.memory, list->range, sizeof boot.memory);
	boot.memory_ranges = list->count;
	boot.kernel_bytes = (uint64_t)(kernel_end - kernel_start) + map_table_bytes();
}

static void __attribute__((noreturn)) start_go(uint64_t information)
{
	serial_init();
	cpu_descriptors_init();
	/* The boot loader's information is read through the first tables, before any
	 * memory is taken. */
	bool told = multiboot_read((const void *)information, &multiboot);
	start_screen();
	cpu_features_init();
	if (!told) {
		kernel_print("perdure: the boot loader tells of no memory; halted");
		arch_halt();
	}
	start_store();
	start_memory();
	map_init(&boot, &multiboot.kept);
	start_screen_move();
	start_memory_return();
	kernel_main(&boot);
}

/* The guard word changes here, so this function must not check it. */
void __attribute__((no_stack_protector)) start_kernel(uint64_t information)
{
	__stack_chk_guard = cpu_random() & ~UINT64_C(0xff); /* a zero byte stops strings */
	start_go(information);
}
