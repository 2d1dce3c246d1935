/* SPDX-License-Identifier: MIT */
/*
 * test_root.c - machines' page tables against a model.
 *
 * Memory is an arena, the processor a walker that reads the tables as hardware
 * does, with a TLB that keeps everything it has ever walked until it is told to
 * forget.  The claim under test: what the processor permits, through tables or
 * TLB, is never more than what was mapped since the last protect; and memory is
 * given back to the last table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "kernel/arch.h"
#include "kernel/x86_64/table.h"
#include "kernel/x86_64/tlb.h"

#define FRAMES 512u
static uint8_t arena[FRAMES][PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
static bool taken[FRAMES];
static uint32_t taken_count, taken_limit = FRAMES;
#define KERNEL_ROOT 0u /* frame 0 */

/* Pages under test: neighbours, other tables, other level 2 and 3 tables. */
#define PAGES 12u
static const uint64_t pages[PAGES] = {
	0x1000000,   0x1000001,	  0x10001ff,   0x1000200, /* second table from here */
	0x103ffff,   0x1040000,	  0x7fffffe,   0x8000000, /* other level 3 entries */
	0x400000000, 0x400000001, 0x7fffffffd, 0x7fffffffe,
};

uint8_t *arch_direct(uint64_t physical)
{
	assert_true(physical / PAGE_SIZE < FRAMES);
	return arena[physical / PAGE_SIZE] + physical % PAGE_SIZE;
}

void kernel_panic(const char *format, ...)
{
	fail_msg("panic: %s", format);
	abort();
}

uint64_t map_kernel_root(void)
{
	return KERNEL_ROOT * PAGE_SIZE;
}

/* ---- the model of the processor -------------------------------------------------------- */

struct translation {
	bool present, write, execute;
	uint64_t physical;
};

static struct translation tlb[PAGES];
static uint64_t loaded;

void tlb_invalidate(uint64_t root, uint64_t address)
{
	if (root == loaded)
		for (uint32_t i = 0; i < PAGES; i++)
			if (pages[i] == address / PAGE_SIZE)
				tlb[i].present = false;
}

static void tlb_clear(void)
{
	memset(tlb, 0, sizeof tlb);
}

void tlb_flush(uint64_t root)
{
	if (root == loaded)
		tlb_clear();
}

static void load(uint64_t root)
{
	if (root != loaded)
		tlb_clear();
	loaded = root;
}

void tlb_leave(uint64_t root)
{
	if (loaded == root)
		load(map_kernel_root());
}

/* Walks, sets the accessed bits, and fills the TLB if the root is loaded. */
static struct translation walk(uint64_t root, uint32_t index)
{
	struct translation t = {.present = true, .write = true, .execute = true};
	uint64_t *table = (uint64_t *)arch_direct(root);

	for (unsigned level = 4; level > 0; level--) {
		uint64_t *entry = &table[table_index(pages[index] << PAGE_SHIFT, level)];
		if (!(*entry & ENTRY_PRESENT))
			return (struct translation){0};
		assert_true(*entry & ENTRY_USER);
		*entry |= ENTRY_ACCESSED;
		t.write &= !!(*entry & ENTRY_WRITE);
		t.execute &= !(*entry & ENTRY_NO_EXECUTE);
		t.physical = *entry & ENTRY_ADDRESS;
		if (level > 1)
			table = (uint64_t *)arch_direct(t.physical);
	}
	if (root == loaded)
		tlb[index] = t;
	return t;
}

/* ---- frames ---------------------------------------------------------------------------------- */

static uint64_t take(void *context)
{
	(void)context;
	if (taken_count >= taken_limit)
		return 0;
	for (uint32_t i = 1; i < FRAMES; i++)
		if (!taken[i]) {
			taken[i] = true;
			taken_count++;
			memset(arena[i], 0xa5, PAGE_SIZE); /* zeroing is not ours to do */
			return (uint64_t)i * PAGE_SIZE;
		}
	return 0;
}

static void give(void *context, uint64_t physical)
{
	(void)context;
	assert_true(taken[physical / PAGE_SIZE]);
	taken[physical / PAGE_SIZE] = false;
	taken_count--;
}

static const struct arch_tables tables = {take, give, NULL};

/* ---- expectations ------------------------------------------------------------------------------
 */

struct expectation {
	bool mapped, write, execute;
	uint64_t physical;
};

/* In steps of a few tables each. */
static void destroy(uint64_t root)
{
	uint32_t before, most = 0;
	bool gone;

	arch_root_leave(root);
	do {
		before = taken_count;
		gone = arch_root_give(&tables, root);
		assert_true(gone || taken_count < before);
		if (before - taken_count > most)
			most = before - taken_count;
	} while (!gone);
	assert_true(most <= 8);
}

#define ROOTS 3u
static uint64_t roots[ROOTS];
static struct expectation expected[ROOTS][PAGES];

static void check_all(void)
{
	for (uint32_t r = 0; r < ROOTS; r++)
		for (uint32_t i = 0; i < PAGES; i++) {
			const struct expectation *e = &expected[r][i];
			struct translation cached = tlb[i];
			struct translation t = walk(roots[r], i);
			assert_int_equal(t.present, e->mapped);
			if (e->mapped) {
				assert_int_equal(t.write, e->write);
				assert_int_equal(t.execute, e->execute);
				assert_int_equal(t.physical, e->physical);
			}
			if (roots[r] != loaded || !cached.present)
				continue;
			assert_true(e->mapped);
			assert_true(!cached.write || e->write);
			assert_true(!cached.execute || e->execute);
			assert_int_equal(cached.physical, e->physical);
		}
}

static int setup(void **state)
{
	(void)state;
	uint64_t *kernel = (uint64_t *)arena[KERNEL_ROOT];
	memset(taken, 0, sizeof taken);
	memset(expected, 0, sizeof expected);
	taken_count = 0;
	taken_limit = FRAMES;
	tlb_clear();
	loaded = map_kernel_root();
	for (uint32_t i = 0; i < TABLE_ENTRIES; i++)
		kernel[i] = i < TABLE_ENTRIES / 2 ? 0 : 0xabc000 + i * UINT64_C(0x1000);
	for (uint32_t r = 0; r < ROOTS; r++) {
		roots[r] = arch_root_create(&tables);
		assert_int_not_equal(roots[r], 0);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (uint32_t r = 0; r < ROOTS; r++)
		destroy(roots[r]);
	assert_int_equal(taken_count, 0);
	assert_int_equal(loaded, map_kernel_root());
	return 0;
}

/* ---- tests
 * ---------------------------------------------------------------------------------------- */

static void test_upper_half_is_shared(void **state)
{
	(void)state;
	assert_memory_equal(arch_direct(roots[0]) + PAGE_SIZE / 2,
			    arena[KERNEL_ROOT] + PAGE_SIZE / 2, PAGE_SIZE / 2);
	check_all();
}

static void step_map(uint32_t r, uint32_t i, uint32_t random)
{
	unsigned flags = random & (ARCH_MAP_WRITE | ARCH_MAP_EXECUTE);
	uint64_t physical = UINT64_C(0x40000000) + (random >> 4) % 64 * PAGE_SIZE;

	assert_true(arch_map(&tables, roots[r], (page_t){pages[i]}, physical, flags));
	expected[r][i] = (struct expectation){true, flags & ARCH_MAP_WRITE,
					      flags & ARCH_MAP_EXECUTE, physical};
}

static void step_unmap_range(uint32_t r, uint32_t i, uint32_t random)
{
	uint32_t j = (random >> 4) % PAGES;
	uint64_t first = pages[i < j ? i : j], last = pages[i < j ? j : i];

	uint32_t looks = UINT32_MAX;

	assert_true(arch_unmap_range(roots[r], (page_t){first}, last - first + 1, &looks));
	for (uint32_t k = 0; k < PAGES; k++)
		if (pages[k] >= first && pages[k] <= last)
			expected[r][k].mapped = false;
}

static void test_random(void **state)
{
	uint32_t seed = 5;

	(void)state;
	for (uint32_t step = 0; step < 60000; step++) {
		seed = seed * 1103515245u + 12345u;
		uint32_t r = (seed >> 8) % ROOTS, i = (seed >> 12) % PAGES;
		uint32_t what = (seed >> 24) % 32, random = seed >> 16;
		if (what < 18) {
			step_map(r, i, random);
		} else if (what < 22) {
			assert_int_equal(arch_unmap(roots[r], (page_t){pages[i]}),
					 expected[r][i].mapped);
			expected[r][i].mapped = false;
		} else if (what < 23) {
			step_unmap_range(r, i, random);
		} else if (what < 27) {
			arch_root_protect(roots[r]);
			for (uint32_t k = 0; k < PAGES; k++)
				expected[r][k].write = false;
		} else if (what < 30) {
			load(roots[r]);
		} else {
			destroy(roots[r]);
			memset(expected[r], 0, sizeof expected[r]);
			roots[r] = arch_root_create(&tables);
		}
		check_all();
	}
}

static void test_referenced(void **state)
{
	page_t page = {pages[0]};

	(void)state;
	load(roots[0]);
	step_map(0, 0, 0);
	assert_false(arch_referenced(roots[0], page));
	walk(roots[0], 0);
	assert_true(tlb[0].present);
	assert_true(arch_referenced(roots[0], page));
	/* Forgotten by the TLB, or the next touch would leave no trace. */
	assert_false(tlb[0].present);
	assert_false(arch_referenced(roots[0], page));
	assert_false(arch_referenced(roots[0], (page_t){pages[5]}));
}

/* No frame at the first, second ... table: said so, and nothing is lost. */
static void test_no_memory(void **state)
{
	(void)state;
	for (uint32_t spare = 0; spare < 3; spare++) {
		taken_limit = taken_count + spare;
		assert_false(arch_map(&tables, roots[0], (page_t){pages[8 + spare]}, 0, 0));
		check_all();
		destroy(roots[0]);
		taken_limit = FRAMES;
		roots[0] = arch_root_create(&tables);
	}
	taken_limit = taken_count;
	assert_int_equal(arch_root_create(&tables), 0);
	taken_limit = FRAMES;
	step_map(0, 8, ARCH_MAP_WRITE);
	check_all();
}

/* A range as large as the lower half is walked by tables, not by pages; with so
 * many pages in it that they are not forgotten one by one. */
static void test_unmap_everything(void **state)
{
	uint32_t looks = 20000;

	(void)state;
	load(roots[0]);
	for (uint64_t n = 0x100000; n < 0x100040; n++)
		assert_true(arch_map(&tables, roots[0], (page_t){n}, 0, 0));
	for (uint32_t i = 0; i < PAGES; i++) {
		step_map(0, i, ARCH_MAP_WRITE);
		walk(roots[0], i);
	}
	assert_true(arch_unmap_range(roots[0], (page_t){0x100000},
				     UINT64_C(0x7fffffffe) - 0x100000 + 1, &looks));
	assert_true(looks > 0);
	memset(expected[0], 0, sizeof expected[0]);
	check_all();
}

/* With too few looks it says so, has looked no more often, and the TLB knows no more than
 * the tables. */
static void test_unmap_in_part(void **state)
{
	const page_t first = {0x1000000};
	uint32_t looks = 1;

	(void)state;
	load(roots[0]);
	for (uint32_t i = 0; i < 3; i++) {
		step_map(0, i, ARCH_MAP_WRITE);
		walk(roots[0], i);
	}
	assert_false(arch_unmap_range(roots[0], first, 0x400, &looks));
	assert_int_equal(looks, 0);
	expected[0][0].mapped = false;
	check_all();
	assert_false(arch_unmap_range(roots[0], first, 0x400, &looks));
	check_all();
	looks = TABLE_ENTRIES + 1; /* each entry of the one table, and what has none */
	assert_true(arch_unmap_range(roots[0], first, 0x400, &looks));
	assert_int_equal(looks, 0);
	memset(expected[0], 0, sizeof expected[0]);
	check_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_upper_half_is_shared, setup, teardown),
		cmocka_unit_test_setup_teardown(test_random, setup, teardown),
		cmocka_unit_test_setup_teardown(test_referenced, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unmap_everything, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unmap_in_part, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
