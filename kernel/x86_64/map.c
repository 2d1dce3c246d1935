/* SPDX-License-Identifier: MIT */
/*
 * map.c - the kernel's half of the address space.
 *
 * Built once out of boot memory, shared by all roots: the upper 256 entries of
 * the top level never change after map_init, only tables below them do.
 *
 *	direct map	memory, RW-NX; the image's text and constants R--NX
 *	image		text R-X, constants R--NX, data RW-NX, guards unmapped
 *	device window	device registers uncached, firmware tables cached, RW-NX
 *
 * All of it is global: it survives the change of roots in the TLB.
 */
#include <string.h>
#include "kernel/print.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/instructions.h"
#include "kernel/x86_64/multiboot.h"
#include "kernel/x86_64/table.h"
#include "base/assert.h"

#define LARGE_BYTES (UINT64_C(1) << 21)
#define HUGE_BYTES  (UINT64_C(1) << 30)
#define UNCACHED    (ENTRY_WRITE_THROUGH | ENTRY_CACHE_OFF)
static_assert(DEVICE_BYTES == TABLE_ENTRIES * HUGE_BYTES && DEVICE_BASE % DEVICE_BYTES == 0,
	      "the window is one entry of the top level");
static_assert(DIRECT_BASE % DEVICE_BYTES == 0 && DEVICE_BASE + DEVICE_BYTES <= KERNEL_BASE,
	      "direct map, window and image lie apart");
static_assert(STACK_BYTES % PAGE_SIZE == 0 && EXCEPTION_STACK_BYTES % PAGE_SIZE == 0 &&
		      GUARD_BYTES == PAGE_SIZE,
	      "guards are pages of their own");

static struct {
	uint64_t root;
	uint64_t table_bytes;	/* memory taken for tables */
	uint64_t window_next;	/* first free address of the device window */
	struct arch_boot *boot; /* until map_scratch */
	void *(*scratch)(uint64_t bytes);
	bool huge_pages, direct; /* direct: the direct map is loaded */
} map;

/* ---- tables ------------------------------------------------------------------------------ */

/* A page of boot memory.  The first page tables reach 4 GiB, and all PCs have
 * memory below that. */
static uint64_t boot_page_take(struct arch_boot *boot)
{
	for (uint32_t i = 0; i < boot->memory_ranges; i++) {
		struct arch_memory_range *range = &boot->memory[i];
		if (range->pages == 0 || range->first >= UINT64_C(1) << 32)
			continue;
		uint64_t page = range->first;
		ASSERT(page % PAGE_SIZE == 0);
		range->first += PAGE_SIZE;
		range->pages--;
		return page;
	}
	return 0;
}

static uint64_t *table_at(uint64_t physical)
{
	return (uint64_t *)(map.direct ? DIRECT_BASE + physical : physical);
}

/* A new, empty table; 0: no memory. */
static uint64_t table_new(void)
{
	uint64_t physical = 0;

	if (map.scratch != NULL) {
		void *table = map.scratch(PAGE_SIZE);
		physical = table != NULL ? arch_physical(table) : 0;
	} else if (map.boot != NULL) {
		physical = boot_page_take(map.boot);
	}
	if (physical == 0)
		return 0;
	memset(table_at(physical), 0, PAGE_SIZE);
	map.table_bytes += PAGE_SIZE;
	return physical;
}

/* The entry for `address` in the table of `level` (1: pages, 2: large, 3: huge),
 * with the tables above it made; null: no memory. */
static uint64_t *map_entry(uint64_t address, unsigned level)
{
	uint64_t *table = table_at(map.root);

	ASSERT(level >= 1 && level <= 3);
	for (unsigned at = 4; at > level; at--) {
		uint64_t *entry = &table[table_index(address, at)];
		if (!(*entry & ENTRY_PRESENT)) {
			uint64_t below = table_new();
			if (below == 0)
				return NULL;
			*entry = below | ENTRY_PRESENT | ENTRY_WRITE;
		}
		table = table_at(*entry & ENTRY_ADDRESS);
	}
	return &table[table_index(address, level)];
}

static void map_boot_entry(uint64_t address, unsigned level, uint64_t entry)
{
	uint64_t *at = map_entry(address, level);

	if (at == NULL)
		kernel_panic("not enough memory below 4 GiB for page tables");
	*at = entry;
}

/* ---- image and direct map ------------------------------------------------------------------ */

static bool map_is_guard(const uint8_t *page)
{
	if (page == kernel_stack_guard)
		return true;
	for (unsigned i = 0; i < EXCEPTION_STACKS; i++)
		if (page ==
		    kernel_exception_stacks + i * (size_t)(GUARD_BYTES + EXCEPTION_STACK_BYTES))
			return true;
	return false;
}

static void map_image(void)
{
	for (uint8_t *page = kernel_start; page < kernel_end; page += PAGE_SIZE) {
		uint64_t flags = ENTRY_PRESENT | ENTRY_GLOBAL;
		if (map_is_guard(page))
			continue;
		if (page >= kernel_text_end)
			flags |= ENTRY_NO_EXECUTE;
		if (page >= kernel_rodata_end)
			flags |= ENTRY_WRITE;
		map_boot_entry((uint64_t)page, 1, image_physical(page) | flags);
	}
}

/* Protected pages of the image, as physical addresses. */
static bool map_read_only(uint64_t physical)
{
	return physical >= image_physical(kernel_start) &&
	       physical < image_physical(kernel_rodata_end);
}

static bool range_covers(const struct memory_list *list, uint64_t first, uint64_t end)
{
	for (uint32_t i = 0; i < list->count; i++)
		if (list->range[i].first <= first &&
		    list->range[i].first + list->range[i].pages * PAGE_SIZE >= end)
			return true;
	return false;
}

#define DIRECT_FLAGS (ENTRY_PRESENT | ENTRY_WRITE | ENTRY_GLOBAL | ENTRY_NO_EXECUTE)

/* 2 MiB around the image: page by page, so that text and constants cannot be
 * written through the direct map either. */
static void map_direct_pages(uint64_t first)
{
	ASSERT(first % LARGE_BYTES == 0);
	for (uint64_t at = first; at < first + LARGE_BYTES; at += PAGE_SIZE)
		map_boot_entry(DIRECT_BASE + at, 1,
			       at | (DIRECT_FLAGS & (map_read_only(at) ? ~ENTRY_WRITE : ~0ull)));
}

static void map_direct_range(const struct memory_list *list, uint64_t first, uint64_t end)
{
	uint64_t at = first & ~(LARGE_BYTES - 1);

	while (at < end) {
		if (map.huge_pages && at % HUGE_BYTES == 0 && at >= HUGE_BYTES &&
		    range_covers(list, at, at + HUGE_BYTES)) {
			map_boot_entry(DIRECT_BASE + at, 3, at | DIRECT_FLAGS | ENTRY_LARGE);
			at += HUGE_BYTES;
			continue;
		}
		if (at < image_physical(kernel_end) &&
		    at + LARGE_BYTES > image_physical(kernel_start))
			map_direct_pages(at);
		else
			map_boot_entry(DIRECT_BASE + at, 2, at | DIRECT_FLAGS | ENTRY_LARGE);
		at += LARGE_BYTES;
	}
}

void map_init(struct arch_boot *boot, const struct memory_list *kept)
{
	ASSERT(!map.direct); /* once */
	map.boot = boot;
	map.huge_pages = cpuid(0x80000001, 0).d >> 26 & 1;
	map.window_next = DEVICE_BASE;
	map.root = table_new();
	map_image();
	for (uint32_t i = 0; i < kept->count; i++)
		map_direct_range(kept, kept->range[i].first,
				 kept->range[i].first + kept->range[i].pages * PAGE_SIZE);
	/* The window's table below the top level, so that every root shares it. */
	map_boot_entry(DEVICE_BASE, 3, 0);
	cr3_write(map.root);
	cr4_write(cr4_read() | CR4_PGE);
	cpu_current()->root = map.root;
	map.direct = true;
}

uint64_t map_kernel_root(void)
{
	return map.root;
}

uint64_t map_table_bytes(void)
{
	return map.table_bytes;
}

void map_scratch(void *(*scratch)(uint64_t bytes))
{
	ASSERT(scratch != NULL);
	map.boot = NULL;
	map.scratch = scratch;
}

uint8_t *arch_direct(uint64_t physical)
{
	return (uint8_t *)DIRECT_BASE + physical;
}

uint64_t arch_physical(const void *address)
{
	uint64_t at = (uint64_t)address;

	ASSERT(at >= KERNEL_BASE || (at >= DIRECT_BASE && at < DEVICE_BASE));
	return at >= KERNEL_BASE ? at - KERNEL_BASE : at - DIRECT_BASE;
}

/* ---- device window ----------------------------------------------------------------------------
 */

static bool map_direct_covers_page(uint64_t physical)
{
	uint64_t *table = table_at(map.root), address = DIRECT_BASE + physical;

	for (unsigned level = 4; level > 0; level--) {
		uint64_t entry = table[table_index(address, level)];
		if (!(entry & ENTRY_PRESENT))
			return false;
		if (level == 1 || entry & ENTRY_LARGE)
			return true;
		table = table_at(entry & ENTRY_ADDRESS);
	}
	return false;
}

bool map_direct_covers(uint64_t physical, uint64_t bytes)
{
	for (uint64_t at = physical & ~(uint64_t)(PAGE_SIZE - 1); at < physical + bytes;
	     at += PAGE_SIZE)
		if (!map_direct_covers_page(at))
			return false;
	return true;
}

void *map_window(uint64_t physical, uint64_t bytes, bool cached)
{
	uint64_t flags = DIRECT_FLAGS | (cached ? 0 : UNCACHED);
	/* Large pages where there is enough for one: the PCI window is 256 MiB. */
	unsigned level = bytes >= LARGE_BYTES ? 2 : 1;
	uint64_t step = level == 2 ? LARGE_BYTES : PAGE_SIZE;
	uint64_t offset = physical & (step - 1);
	uint64_t start = (map.window_next + step - 1) & ~(step - 1), address = start;
	uint64_t size = (offset + bytes + step - 1) & ~(step - 1);

	ASSERT(map.direct && map.window_next >= DEVICE_BASE);
	if (size < bytes || size > DEVICE_BASE + DEVICE_BYTES - start)
		return NULL;
	for (uint64_t at = physical - offset; at < physical - offset + size; at += step) {
		uint64_t *entry = map_entry(address, level);
		if (entry == NULL)
			return NULL;
		*entry = at | flags | (level == 2 ? ENTRY_LARGE : 0);
		address += step;
	}
	map.window_next = address;
	return (void *)(start + offset);
}
