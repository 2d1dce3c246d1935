/* SPDX-License-Identifier: MIT */
/*
 * memory.c - physical memory at boot.
 */
#include "kernel/memory.h"
#include <string.h>
#include "kernel/kernel.h"
#include "base/assert.h"

static struct {
	struct arch_memory_range range[ARCH_MEMORY_RANGES];
	uint32_t ranges;
	uint32_t next_range; /* where memory_donate goes on */
	uint64_t next_page, boot_bytes;
} memory;

void memory_init(const struct arch_boot *boot)
{
	memset(&memory, 0, sizeof(memory));
	memory.ranges = boot->memory_ranges;
	ASSERT(boot->memory_ranges <= ARCH_MEMORY_RANGES);
	for (uint32_t i = 0; i < boot->memory_ranges; i++)
		memory.range[i] = boot->memory[i];
}

/* Takes from the end of the highest range below 4 GiB that is large enough:
 * low memory stays in one piece, and old devices can reach what is taken. */
void *memory_boot_take_dirty(uint64_t bytes)
{
	uint64_t pages = (bytes + PAGE_SIZE - 1) / PAGE_SIZE;
	struct arch_memory_range *best = NULL;

	ASSERT(bytes);
	for (uint32_t i = 0; i < memory.ranges; i++) {
		struct arch_memory_range *range = &memory.range[i];

		if (range->pages >= pages && (!best || range->first < UINT64_C(1) << 32))
			best = range;
	}
	if (!best)
		kernel_panic("not enough memory: %lu KiB in one piece are needed",
			     (unsigned long)(pages * 4));
	best->pages -= pages;
	memory.boot_bytes += pages * PAGE_SIZE;
	return arch_direct(best->first + best->pages * PAGE_SIZE);
}

void *memory_boot_take(uint64_t bytes)
{
	return memset(memory_boot_take_dirty(bytes), 0, bytes);
}

uint64_t memory_frames(void)
{
	uint64_t frames = 0;

	for (uint32_t i = 0; i < memory.ranges; i++)
		frames += memory.range[i].pages;
	return frames;
}

uint64_t memory_boot_bytes(void)
{
	return memory.boot_bytes;
}

void memory_donate_reset(void)
{
	memory.next_range = 0;
	memory.next_page = 0;
}

bool memory_donate(struct store *store, uint64_t frames)
{
	while (memory.next_range < memory.ranges) {
		const struct arch_memory_range *range = &memory.range[memory.next_range];
		frame_t frame = {(uint32_t)(range->first / PAGE_SIZE + memory.next_page)};

		ASSERT(memory.next_page <= range->pages);
		if (memory.next_page == range->pages) {
			memory.next_range++;
			memory.next_page = 0;
			continue;
		}
		if (!frames--)
			return true;
		if (store_frame_donate(store, frame) != STATUS_OK) {
			memory.next_range = memory.ranges;
			break;
		}
		memory.next_page++;
	}
	return false;
}
