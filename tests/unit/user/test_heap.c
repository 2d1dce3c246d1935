/* SPDX-License-Identifier: MIT */
/*
 * test_heap.c - user/lib/heap_core.c over a fake segment: contents, alignment,
 * invariants after every step, exhaustion, bad addresses.
 */
#include "user/lib/heap_core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define ARENA (1024u * 1024u)

static uint8_t *arena;
static size_t granted; /* the fake segment's size */
static size_t allowance;

static bool grow(struct heap *heap, size_t size)
{
	(void)heap;
	if (size > allowance)
		return false;
	assert_true(size > granted);
	/* New memory of a segment is zero. */
	memset(arena + granted, 0, size - granted);
	granted = size;
	return true;
}

static int setup(void **state)
{
	static struct heap heap;

	arena = aligned_alloc(4096, ARENA);
	memset(arena, 0xa5, ARENA);
	granted = 0;
	allowance = ARENA;
	heap_core_init(&heap, arena, ARENA, grow);
	*state = &heap;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(arena);
	return 0;
}

/* Nothing outside what was granted may be touched. */
static void check(const struct heap *heap)
{
	assert_true(heap_core_check(heap));
	for (size_t i = granted; i < ARENA; i += 512)
		assert_int_equal(arena[i], 0xa5);
}

static void test_simple(void **state)
{
	struct heap *heap = *state;
	void *first = heap_core_allocate(heap, 1), *second = heap_core_allocate(heap, 0);

	assert_non_null(first);
	assert_non_null(second);
	assert_ptr_not_equal(first, second);
	assert_int_equal((uintptr_t)first % HEAP_ALIGN, 0);
	assert_true(heap_core_release(heap, first));
	assert_true(heap_core_release(heap, second));
	assert_true(heap_core_release(heap, NULL));
	assert_int_equal(heap->used, 0);
	check(heap);
}

/* Free neighbours become one block again: all of it can be had at once. */
static void test_coalescing(void **state)
{
	struct heap *heap = *state;
	static const unsigned orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
					     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

	allowance = HEAP_STEP;
	for (unsigned o = 0; o < 6; o++) {
		void *block[3];

		for (unsigned i = 0; i < 3; i++)
			block[i] = heap_core_allocate(heap, 20000);
		for (unsigned i = 0; i < 3; i++) {
			assert_non_null(block[i]);
			assert_true(heap_core_release(heap, block[orders[o][i]]));
			check(heap);
		}
		block[0] = heap_core_allocate(heap, HEAP_STEP - 64);
		assert_non_null(block[0]);
		assert_true(heap_core_release(heap, block[0]));
	}
}

static void test_random(void **state)
{
	struct heap *heap = *state;
	enum { BLOCKS = 100 };
	struct {
		uint8_t *memory;
		size_t size;
	} block[BLOCKS] = {{NULL, 0}};

	srand(1);
	for (unsigned step = 0; step < 20000; step++) {
		unsigned i = (unsigned)rand() % BLOCKS;
		size_t size = (size_t)rand() % (rand() % 8 ? 200 : 20000);
		uint8_t *memory;

		for (size_t at = 0; at < block[i].size; at += 7)
			assert_int_equal(block[i].memory[at], (uint8_t)i);
		if (rand() % 3 == 0) {
			memory = heap_core_resize(heap, block[i].memory, size);
			for (size_t at = 0; memory && at < size && at < block[i].size; at += 7)
				assert_int_equal(memory[at], (uint8_t)i);
			if (!memory)
				continue;
		} else {
			assert_true(heap_core_release(heap, block[i].memory));
			memory = heap_core_allocate(heap, size);
		}
		block[i].memory = memory;
		block[i].size = memory ? size : 0;
		if (memory)
			memset(memory, (int)i, size);
		if (step % 50 == 0)
			check(heap);
	}
	for (unsigned i = 0; i < BLOCKS; i++)
		assert_true(heap_core_release(heap, block[i].memory));
	check(heap);
	assert_int_equal(heap->used, 0);
	assert_non_null(heap_core_allocate(heap, ARENA - 1024));
}

static void test_exhaustion(void **state)
{
	struct heap *heap = *state;
	unsigned blocks = 0;
	void *kept = heap_core_allocate(heap, 100), *moved;

	allowance = 4 * HEAP_STEP;
	while (heap_core_allocate(heap, 1000))
		blocks++;
	/* All but the headers and the last, broken piece were used. */
	assert_true(blocks >= 4 * HEAP_STEP / 1024 - 3);
	check(heap);
	moved = heap_core_resize(heap, kept, 5000);
	assert_null(moved);
	assert_true(heap_core_release(heap, kept));
	assert_null(heap_core_allocate(heap, SIZE_MAX));
	assert_null(heap_core_allocate(heap, SIZE_MAX - 8));
	assert_null(heap_core_allocate(heap, ARENA));
	/* When the bank has more again, so has the heap. */
	allowance = ARENA;
	assert_non_null(heap_core_allocate(heap, 1000));
	check(heap);
}

static void test_bad_addresses(void **state)
{
	struct heap *heap = *state;
	uint8_t *block = heap_core_allocate(heap, 100), *next = heap_core_allocate(heap, 100);
	uint8_t elsewhere[64] __attribute__((aligned(16))) = {0};

	assert_false(heap_core_release(heap, block + 16));
	assert_false(heap_core_release(heap, block + 1));
	assert_false(heap_core_release(heap, arena));
	assert_false(heap_core_release(heap, arena + ARENA));
	assert_false(heap_core_release(heap, elsewhere + 16));
	assert_null(heap_core_resize(heap, elsewhere + 16, 10));
	assert_true(heap_core_release(heap, block));
	assert_false(heap_core_release(heap, block));
	/* An overrun into the next header is noticed there. */
	block = heap_core_allocate(heap, 100);
	memset(block, 0, 128);
	assert_false(heap_core_check(heap));
	assert_false(heap_core_release(heap, next));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_simple, setup, teardown),
		cmocka_unit_test_setup_teardown(test_coalescing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_random, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exhaustion, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_addresses, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
