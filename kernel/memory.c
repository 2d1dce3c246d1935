/* SPDX-License-Identifier: MIT */
/*
 * memory.c - physical memory at boot, and page tables in borrowed frames.
 *
 * Tables are volatile (P3): destroying the tables of any machine that is not
 * running costs it only the page faults that build them again.
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
	struct list roots; /* all tasks with page tables */
	uint64_t zero_physical;
} memory;

void memory_init(const struct arch_boot *boot)
{
	memset(&memory, 0, sizeof(memory));
	memory.ranges = boot->memory_ranges;
	ASSERT(boot->memory_ranges <= ARCH_MEMORY_RANGES);
	for (uint32_t i = 0; i < boot->memory_ranges; i++)
		memory.range[i] = boot->memory[i];
	memory.zero_physical = arch_physical(memory_boot_take(PAGE_SIZE));
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

/* ---- tables -------------------------------------------------------------- */

static uint64_t table_take(void *context)
{
	frame_t frame;

	(void)context;
	if (store_frame_borrow(kernel.space.store, &frame) != STATUS_OK)
		return 0;
	return (uint64_t)frame.n * PAGE_SIZE;
}

static void table_give(void *context, uint64_t physical)
{
	(void)context;
	ASSERT(physical && physical % PAGE_SIZE == 0 && physical != memory.zero_physical);
	store_frame_return(kernel.space.store, (frame_t){(uint32_t)(physical / PAGE_SIZE)});
}

static const struct arch_tables tables = {table_take, table_give, NULL};

static struct task *rooted(struct link *link)
{
	return (struct task *)link_owner(link, offsetof(struct task, root_link));
}

bool memory_root_ensure(struct task *task)
{
	if (task->root)
		return true;
	task->root = arch_root_create(&tables);
	if (!task->root)
		return false;
	ASSERT(task->place != TASK_FREE && task->object.n);
	task->root_generation = store_generation(kernel.space.store).n;
	list_append(&memory.roots, &task->root_link);
	return true;
}

void memory_root_destroy(struct task *task)
{
	if (!task->root)
		return;
	list_remove(&memory.roots, &task->root_link);
	arch_root_destroy(&tables, task->root);
	task->root = 0;
}

void memory_roots_destroy(void)
{
	while (memory.roots.first)
		memory_root_destroy(rooted(memory.roots.first));
}

bool memory_map(struct task *task, page_t page, frame_t frame, unsigned flags)
{
	/* Nothing else is ever a program's, whatever a page of the store says. */
	ASSERT(page.n >= USER_ARENA_PAGE && page.n < USER_ARENA_END);
	ASSERT(task->root);
	return arch_map(&tables, task->root, page, (uint64_t)frame.n * PAGE_SIZE, flags);
}

bool memory_map_zero(struct task *task, page_t page, unsigned flags)
{
	ASSERT(!(flags & ARCH_MAP_WRITE));
	ASSERT(page.n >= USER_ARENA_PAGE && page.n < USER_ARENA_END);
	ASSERT(task->root);
	return arch_map(&tables, task->root, page, memory.zero_physical, flags);
}

void memory_unmap(page_t page)
{
	for (struct link *link = memory.roots.first; link; link = link->next)
		arch_unmap(rooted(link)->root, page);
}

void memory_unmap_run(page_t first, uint64_t pages)
{
	ASSERT(first.n >= USER_ARENA_PAGE && first.n < USER_ARENA_END &&
	       pages <= USER_ARENA_END - first.n);
	for (struct link *link = memory.roots.first; link; link = link->next)
		arch_unmap_range(rooted(link)->root, first, pages);
}

bool memory_referenced(page_t page)
{
	bool referenced = false;

	for (struct link *link = memory.roots.first; link; link = link->next)
		referenced |= arch_referenced(rooted(link)->root, page);
	return referenced;
}

bool memory_tables_reclaim(void)
{
	/* The newest first. */
	for (struct link *link = memory.roots.last; link; link = link->previous)
		if (rooted(link)->place != TASK_RUNNING) {
			memory_root_destroy(rooted(link));
			return true;
		}
	return false;
}
