/* SPDX-License-Identifier: MIT */
/*
 * multiboot.h - what the boot loader left (Multiboot2 specification 2.0, section
 * 3.6), and lists of memory ranges.  Touches nothing but its arguments, so it is
 * tested on the host.
 */
#ifndef KERNEL_X86_64_MULTIBOOT_H
#define KERNEL_X86_64_MULTIBOOT_H

#include <stdbool.h>
#include <stdint.h>
#include "drivers/pc/screen.h"
#include "kernel/arch.h"

/* Sorted, disjoint, merged ranges of pages.  When there are more than fit, the
 * smallest is dropped. */
struct memory_list {
	struct arch_memory_range range[ARCH_MEMORY_RANGES];
	uint32_t count;
};
void memory_list_add(struct memory_list *list, uint64_t first, uint64_t end);
void memory_list_remove(struct memory_list *list, uint64_t first, uint64_t end);

#define MULTIBOOT_RSDP_BYTES 36u
#define MULTIBOOT_BYTES_MAX  (1u << 20) /* longer information is not believed */

struct multiboot {
	char command_line[256];
	uint8_t rsdp[MULTIBOOT_RSDP_BYTES];
	uint32_t rsdp_bytes; /* 0: none given */
	bool from_uefi;
	struct screen_mode screen;   /* address 0: none that is understood */
	uint32_t store, store_bytes; /* the module with the store's first sectors; 0: none */
	uint64_t memory_bytes;	     /* usable memory reported */
	struct memory_list usable;   /* whole pages of it */
	struct memory_list kept;     /* usable, and memory with ACPI tables */
};

/* Reads the information at `info`.  False: it is not as specified, or tells of no
 * memory. */
bool multiboot_read(const void *info, struct multiboot *found);

#endif
