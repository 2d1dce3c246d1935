/* SPDX-License-Identifier: MIT */
/*
 * heap.c - the program's heap in its own segment.  Interface in heap.h.
 */
#include "user/lib/heap.h"

#include <stdint.h>
#include "user/lib/heap_core.h"
#include "user/lib/machine.h"
#include "user/lib/program.h"
#include "user/lib/segment.h"
#include "user/lib/table.h"

static struct heap heap;

static bool heap_grow(struct heap *this, size_t size)
{
	(void)this;
	return segment_resize(OWN_HEAP, size) == STATUS_OK;
}

/* Creates or takes over the segment in SLOT_HEAP and attaches it. */
static bool heap_open(void)
{
	struct segment_info info;
	enum status status = segment_info(OWN_HEAP, &info);

	if (status != STATUS_OK) {
		if (bank_segment(OWN_BANK, 0, HEAP_SIZE_MAX, SLOT_HEAP) != STATUS_OK)
			return false;
		if (segment_info(OWN_HEAP, &info) != STATUS_OK)
			return false;
	}
	status = machine_attach(OWN_MACHINE, OWN_HEAP, 0, 0, RIGHT_READ | RIGHT_WRITE, true);
	if (status != STATUS_OK && status != STATUS_ATTACHED)
		return false;
	heap_core_init(&heap, (void *)(uintptr_t)info.address, info.size_max, heap_grow);
	return true;
}

void *heap_allocate(size_t size)
{
	if (!heap.base && !heap_open())
		return NULL;
	return heap_core_allocate(&heap, size);
}

void heap_release(void *memory)
{
	if (!heap_core_release(&heap, memory))
		program_fail("heap: %p was not handed out or its header is overwritten", memory);
}

void heap_forget(void)
{
	heap.base = NULL;
}

void *heap_resize(void *memory, size_t size)
{
	if (!memory)
		return heap_allocate(size);
	return heap_core_resize(&heap, memory, size);
}

bool heap_check(void)
{
	return heap_core_check(&heap);
}

size_t heap_used(void)
{
	return heap.used;
}
