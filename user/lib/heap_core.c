/* SPDX-License-Identifier: MIT */
/*
 * heap_core.c - an allocator over one growing range.  Interface and picture in
 * heap_core.h.
 */
#include "user/lib/heap_core.h"
#include "base/assert.h"

#include <assert.h>
#include <string.h>

/* Upper half of a header's first word; the lower half of it is size | in use. */
#define HEAP_MAGIC ((uint64_t)0x4845 << 48)
#define HEAP_USED  UINT64_C(1)
#define HEAP_MASK  ((UINT64_C(1) << 48) - HEAP_ALIGN)

struct heap_block {
	uint64_t control;		  /* HEAP_MAGIC | size with header | HEAP_USED */
	uint64_t previous;		  /* size of the block before, 0: this is the first */
	struct heap_block *next, *before; /* free blocks only: the bin's list */
};
#define HEAP_HEADER offsetof(struct heap_block, next)
#define HEAP_LEAST  sizeof(struct heap_block)
static_assert(HEAP_HEADER % HEAP_ALIGN == 0 && HEAP_LEAST % HEAP_ALIGN == 0,
	      "what is handed out is aligned");

static size_t heap_size(const struct heap_block *block)
{
	return block->control & HEAP_MASK;
}

static bool heap_is_used(const struct heap_block *block)
{
	return block->control & HEAP_USED;
}

static bool heap_has_magic(const struct heap_block *block)
{
	return (block->control & ~(HEAP_MASK | HEAP_USED)) == HEAP_MAGIC;
}

static struct heap_block *heap_at(const struct heap *heap, size_t offset)
{
	return (struct heap_block *)(void *)(heap->base + offset);
}

static struct heap_block *heap_next(struct heap_block *block)
{
	return (struct heap_block *)(void *)((uint8_t *)block + heap_size(block));
}

static unsigned heap_bin(size_t size)
{
	unsigned bin = 63u - (unsigned)__builtin_clzll(size);

	ASSERT(size >= HEAP_LEAST);
	return bin < HEAP_BINS ? bin : HEAP_BINS - 1;
}

static void heap_link(struct heap *heap, struct heap_block *block)
{
	struct heap_block **bin = &heap->bin[heap_bin(heap_size(block))];

	ASSERT(!heap_is_used(block));
	block->before = NULL;
	block->next = *bin;
	if (*bin)
		(*bin)->before = block;
	*bin = block;
}

static void heap_unlink(struct heap *heap, struct heap_block *block)
{
	/* Its neighbours in the list know it: else somebody has written where he must not. */
	ASSERT(block->before ? block->before->next == block
			     : heap->bin[heap_bin(heap_size(block))] == block);
	ASSERT(!block->next || block->next->before == block);
	if (block->before)
		block->before->next = block->next;
	else
		heap->bin[heap_bin(heap_size(block))] = block->next;
	if (block->next)
		block->next->before = block->before;
}

/* Sets size and use of a block and tells the one behind it. */
static void heap_set(struct heap_block *block, size_t size, uint64_t used)
{
	ASSERT(size && size % HEAP_ALIGN == 0);
	block->control = HEAP_MAGIC | size | used;
	heap_next(block)->previous = size;
}

void heap_core_init(struct heap *heap, void *base, size_t limit,
		    bool (*grow)(struct heap *heap, size_t size))
{
	ASSERT((uintptr_t)base % HEAP_ALIGN == 0 && grow);
	memset(heap, 0, sizeof(*heap));
	heap->base = base;
	heap->limit = limit / HEAP_ALIGN * HEAP_ALIGN;
	heap->grow = grow;
}

/* Makes the block free, together with free neighbours. */
static void heap_free(struct heap *heap, struct heap_block *block)
{
	struct heap_block *next = heap_next(block);
	size_t size = heap_size(block);

	ASSERT(heap_has_magic(block) && heap_has_magic(next));
	if (!heap_is_used(next)) {
		heap_unlink(heap, next);
		size += heap_size(next);
	}
	if (block->previous) {
		struct heap_block *previous =
			(struct heap_block *)(void *)((uint8_t *)block - block->previous);

		if (!heap_is_used(previous)) {
			heap_unlink(heap, previous);
			size += heap_size(previous);
			block = previous;
		}
	}
	heap_set(block, size, 0);
	heap_link(heap, block);
}

/* Bytes of the free block at the end of the range, 0 if the last one is in use. */
static size_t heap_free_at_end(const struct heap *heap)
{
	const struct heap_block *end, *last;

	if (heap->size == 0)
		return 0;
	end = heap_at(heap, heap->size - HEAP_HEADER);
	last = heap_at(heap, heap->size - HEAP_HEADER - end->previous);
	return heap_is_used(last) ? 0 : heap_size(last);
}

/* Makes the range long enough for a free block of `size` bytes at its end. */
static bool heap_extend(struct heap *heap, size_t size)
{
	size_t old = heap->size, missing = size - heap_free_at_end(heap), wanted;
	struct heap_block *block, *end;

	if (missing > heap->limit || heap->limit - missing < old + (old ? 0 : HEAP_HEADER))
		return false;
	wanted = (old + missing + HEAP_HEADER + HEAP_STEP - 1) / HEAP_STEP * HEAP_STEP;
	if (wanted > heap->limit)
		wanted = heap->limit;
	if (!heap->grow(heap, wanted))
		return false;
	heap->size = wanted;
	end = heap_at(heap, wanted - HEAP_HEADER);
	end->control = HEAP_MAGIC | HEAP_HEADER | HEAP_USED;
	/* The new block begins where the old end was. */
	block = heap_at(heap, old ? old - HEAP_HEADER : 0);
	if (!old)
		block->previous = 0;
	heap_set(block, (size_t)((uint8_t *)end - (uint8_t *)block), HEAP_USED);
	heap_free(heap, block);
	return true;
}

static struct heap_block *heap_find(struct heap *heap, size_t size)
{
	unsigned bin = heap_bin(size);

	/* Only in its own bin can a block be too small. */
	for (struct heap_block *block = heap->bin[bin]; block; block = block->next)
		if (heap_size(block) >= size)
			return block;
	while (++bin < HEAP_BINS)
		if (heap->bin[bin])
			return heap->bin[bin];
	return NULL;
}

/* Cuts a block in use down to `size` if the rest is worth a block. */
static void heap_trim(struct heap *heap, struct heap_block *block, size_t size)
{
	size_t rest = heap_size(block) - size;

	ASSERT(size <= heap_size(block));
	if (rest < HEAP_LEAST)
		return;
	heap_set(block, size, HEAP_USED);
	heap_set(heap_next(block), rest, HEAP_USED);
	heap_free(heap, heap_next(block));
}

static size_t heap_round(size_t size)
{
	size_t total = (size + HEAP_HEADER + HEAP_ALIGN - 1) / HEAP_ALIGN * HEAP_ALIGN;

	return total < HEAP_LEAST ? HEAP_LEAST : total;
}

void *heap_core_allocate(struct heap *heap, size_t size)
{
	struct heap_block *block;

	if (size > heap->limit)
		return NULL;
	size = heap_round(size);
	block = heap_find(heap, size);
	if (!block) {
		if (!heap_extend(heap, size))
			return NULL;
		block = heap_find(heap, size);
	}
	ASSERT(heap_size(block) >= size);
	heap_unlink(heap, block);
	heap_set(block, heap_size(block), HEAP_USED);
	heap_trim(heap, block, size);
	heap->used += heap_size(block);
	return &block->next;
}

/* The block of an address handed out, or null if it cannot be one. */
static struct heap_block *heap_block_of(const struct heap *heap, void *memory)
{
	uintptr_t address = (uintptr_t)memory, base = (uintptr_t)heap->base;
	struct heap_block *block;

	if (address % HEAP_ALIGN != 0 || address < base + HEAP_HEADER ||
	    address >= base + heap->size)
		return NULL;
	block = heap_at(heap, address - base - HEAP_HEADER);
	if (!heap_has_magic(block) || !heap_is_used(block) || heap_size(block) < HEAP_LEAST ||
	    heap_size(block) > heap->size - (address - base))
		return NULL;
	return heap_next(block)->previous == heap_size(block) ? block : NULL;
}

bool heap_core_release(struct heap *heap, void *memory)
{
	struct heap_block *block;

	if (!memory)
		return true;
	block = heap_block_of(heap, memory);
	if (!block)
		return false;
	ASSERT(heap->used >= heap_size(block));
	heap->used -= heap_size(block);
	heap_free(heap, block);
	return true;
}

void *heap_core_resize(struct heap *heap, void *memory, size_t size)
{
	struct heap_block *block;
	void *moved;
	size_t old;

	if (!memory)
		return heap_core_allocate(heap, size);
	block = heap_block_of(heap, memory);
	if (!block || size > heap->limit)
		return NULL;
	old = heap_size(block);
	if (heap_round(size) <= old) {
		heap_trim(heap, block, heap_round(size));
		heap->used -= old - heap_size(block);
		return memory;
	}
	moved = heap_core_allocate(heap, size);
	if (!moved)
		return NULL;
	memcpy(moved, memory, old - HEAP_HEADER);
	heap_core_release(heap, memory);
	return moved;
}

/* Every listed block is free, in the right bin, and linked both ways. */
static bool heap_check_bins(const struct heap *heap, size_t expected)
{
	size_t count = 0;

	for (unsigned bin = 0; bin < HEAP_BINS; bin++) {
		const struct heap_block *before = NULL;

		for (const struct heap_block *block = heap->bin[bin]; block; block = block->next) {
			if (heap_is_used(block) || block->before != before ||
			    heap_bin(heap_size(block)) != bin || ++count > expected)
				return false;
			before = block;
		}
	}
	return count == expected;
}

bool heap_core_check(const struct heap *heap)
{
	size_t offset = 0, previous = 0, used = 0, free_blocks = 0;
	bool last_free = false;

	if (heap->size == 0)
		return heap->used == 0;
	while (offset < heap->size - HEAP_HEADER) {
		const struct heap_block *block = heap_at(heap, offset);

		if (!heap_has_magic(block) || block->previous != previous ||
		    heap_size(block) < HEAP_LEAST ||
		    heap_size(block) > heap->size - HEAP_HEADER - offset)
			return false;
		if (!heap_is_used(block) && last_free)
			return false;
		last_free = !heap_is_used(block);
		free_blocks += last_free;
		previous = heap_size(block);
		used += last_free ? 0 : previous;
		offset += previous;
	}
	return used == heap->used && heap_at(heap, offset)->previous == previous &&
	       heap_check_bins(heap, free_blocks);
}
