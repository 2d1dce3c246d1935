/* SPDX-License-Identifier: MIT */
/*
 * test_mapping.c - who maps what, against a model.
 *
 * Real tables in an arena of frames, and a walker that reads them.  The claims: what was
 * withdrawn is mapped nowhere that a machine can be entered with; what has nothing to do with
 * it stays mapped; all frames come back; and none of it takes more than a few steps at a time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "kernel/kernel.h"
#include "kernel/mapping.h"
#include "kernel/memory.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/table.h"
#include "kernel/x86_64/tlb.h"

#define FRAMES 8192u
#define TASKS  1200u
static uint8_t (*arena)[PAGE_SIZE];
static bool taken[FRAMES];
static uint32_t taken_count, given_at_once, next_frame;
static uint64_t loaded;
static struct task tasks[TASKS];
static struct cpu cpu;

struct kernel kernel;

uint8_t *arch_direct(uint64_t physical)
{
	assert_true(physical / PAGE_SIZE < FRAMES);
	return arena[physical / PAGE_SIZE] + physical % PAGE_SIZE;
}

uint64_t map_kernel_root(void)
{
	return 0;
}

void kernel_panic(const char *format, ...)
{
	fail_msg("panic: %s", format);
	abort();
}

struct cpu *cpu_this(void)
{
	return &cpu;
}

void *memory_boot_take_dirty(uint64_t bytes)
{
	return memset(malloc(bytes), 0xa5, bytes);
}

generation_t store_generation(const struct store *store)
{
	(void)store;
	return (generation_t){7};
}

enum status store_frame_borrow(struct store *store, frame_t *frame)
{
	(void)store;
	for (uint32_t i = 0; i < FRAMES - 1; i++) {
		next_frame = next_frame % (FRAMES - 1) + 1;
		if (taken[next_frame])
			continue;
		taken[next_frame] = true;
		taken_count++;
		frame->n = next_frame;
		return STATUS_OK;
	}
	return STATUS_NO_MEMORY;
}

void store_frame_return(struct store *store, frame_t frame)
{
	(void)store;
	assert_true(taken[frame.n]);
	taken[frame.n] = false;
	taken_count--;
	given_at_once++;
	memset(arena[frame.n], 0xee, PAGE_SIZE);
}

void tlb_invalidate(uint64_t root, uint64_t address)
{
	(void)root;
	(void)address;
}

void tlb_flush(uint64_t root)
{
	(void)root;
}

void tlb_leave(uint64_t root)
{
	if (loaded == root)
		loaded = map_kernel_root();
}

/* ---- helpers -------------------------------------------------------------------------- */

static void begin(void)
{
	static uint64_t none[TABLE_ENTRIES];

	if (!arena) {
		arena = aligned_alloc(PAGE_SIZE, FRAMES * PAGE_SIZE);
		mapping_init(TASKS);
	}
	mapping_reset();
	memset(taken, 0, sizeof(taken));
	memset(tasks, 0, sizeof(tasks));
	memcpy(arena[0], none, PAGE_SIZE);
	taken_count = next_frame = 0;
	for (uint32_t i = 0; i < TASKS; i++) {
		tasks[i].place = TASK_IDLE;
		tasks[i].object.n = i + 1;
	}
}

/* What a processor would find if the machine were entered now. */
static bool mapped(struct task *task, uint64_t page)
{
	uint64_t *table;

	assert_true(mapping_root_ensure(task));
	table = (uint64_t *)(void *)arch_direct(task->root);
	for (unsigned level = 4;; level--) {
		uint64_t *entry = &table[table_index(page << PAGE_SHIFT, level)];

		if (!(*entry & ENTRY_PRESENT))
			return false;
		if (level == 1) {
			*entry |= ENTRY_ACCESSED;
			return true;
		}
		table = (uint64_t *)(void *)arch_direct(*entry & ENTRY_ADDRESS);
	}
}

static void add_shown(struct task *task, struct mapping_shown shown, uint64_t page)
{
	assert_true(mapping_root_ensure(task));
	assert_true(mapping_add(task, &shown, (page_t){page}, (frame_t){1}, 0));
	loaded = task->root;
}

static void add(struct task *task, struct mapping_range range, uint64_t page)
{
	add_shown(task, (struct mapping_shown){.range = range}, page);
}

static void all_given_back(void)
{
	for (uint32_t i = 0; i < TASKS; i++)
		mapping_root_destroy(&tasks[i]);
	while (taken_count) {
		given_at_once = 0;
		mapping_step();
		assert_in_range(given_at_once, 1, 8);
	}
	assert_false(mapping_step());
	assert_false(mapping_reclaim());
}

/* Ranges of several sizes, side by side and far away. */
#define RANGES 6u
static const struct mapping_range ranges[RANGES] = {
	{USER_ARENA_PAGE, 1},	   {USER_ARENA_PAGE + 1, 1},
	{USER_ARENA_PAGE + 4, 4},  {USER_ARENA_PAGE + 0x10, 0x10},
	{USER_ARENA_PAGE * 2, 16}, {USER_ARENA_PAGE * 4, UINT64_C(1) << 20},
};
#define EACH 4u /* pages that are looked at: the first, the last, and between */

static uint64_t page_of(uint32_t range, uint32_t each)
{
	return ranges[range].first + (ranges[range].pages - 1) * each / (EACH - 1);
}

/* Each is shown where it is, and in both windows; in the lower one only the end of the largest,
 * the beginning of which would lie before all addresses. */
#define SHOWS 3u

static uint64_t further_of(uint32_t range, uint32_t show)
{
	uint64_t place = ranges[range].first;

	if (show == 1)
		place = WINDOW_HIGH_PAGE + ((uint64_t)range << 21);
	else if (show == 2 && range == RANGES - 1)
		place = WINDOW_LOW_PAGE + ranges[range].first - page_of(range, 2);
	else if (show == 2)
		place = WINDOW_LOW_END - (UINT64_C(0x1000) * (range + 1));
	return place - ranges[range].first;
}

static bool can_show(uint32_t range, uint32_t show, uint32_t each)
{
	return show != 2 || range != RANGES - 1 || each >= 2;
}

static uint64_t place_of(uint32_t range, uint32_t show, uint32_t each)
{
	return page_of(range, each) + further_of(range, show);
}

/* ---- the tests ------------------------------------------------------------------------ */

#define SOME 20u
static bool model[SOME][RANGES][SHOWS][EACH];

static void check(void)
{
	for (uint32_t t = 0; t < SOME; t++)
		for (uint32_t i = 0; i < RANGES * SHOWS * EACH; i++) {
			uint32_t r = i / SHOWS / EACH, w = i / EACH % SHOWS, e = i % EACH;

			if (can_show(r, w, e))
				assert_int_equal(mapped(&tasks[t], place_of(r, w, e)),
						 model[t][r][w][e]);
		}
}

/* Pages of one number are one page. */
static void model_set(uint32_t t, uint32_t r, uint32_t w, uint64_t page, bool is)
{
	for (uint32_t e = 0; e < EACH; e++)
		if (page_of(r, e) == page)
			model[t][r][w][e] = is;
}

/* A root in which a large range is looked for too long goes as a whole; no other does. */
static void model_withdraw(uint32_t t, uint32_t r)
{
	memset(model[t][r], 0, sizeof(model[t][r]));
	if (tasks[t].root)
		return;
	for (uint32_t i = 0; i < (RANGES - 1) * SHOWS * EACH && r < RANGES - 1; i++)
		assert_false((&model[t][0][0][0])[i]);
	memset(model[t], 0, sizeof(model[t]));
}

static void test_random(void **state)
{
	uint32_t seed = 11;

	(void)state;
	begin();
	memset(model, 0, sizeof(model));
	for (uint32_t step = 0; step < 4000; step++) {
		seed = seed * 1103515245u + 12345u;
		uint32_t t = (seed >> 8) % SOME, r = (seed >> 13) % RANGES, e = (seed >> 17) % EACH;
		uint32_t what = (seed >> 24) % 32, w = (seed >> 21) % SHOWS;
		page_t page = {page_of(r, e)};

		if (what < 22) {
			if (!can_show(r, w, e))
				continue;
			add_shown(&tasks[t],
				  (struct mapping_shown){.range = ranges[r],
							 .further = further_of(r, w)},
				  page.n);
			model_set(t, r, w, page.n, true);
		} else if (what < 26) {
			mapping_withdraw(page);
			for (t = 0; t < SOME; t++)
				for (w = 0; w < SHOWS; w++)
					model_set(t, r, w, page.n, false);
		} else if (what < 28) {
			mapping_withdraw_range(&ranges[r]);
			for (t = 0; t < SOME; t++)
				model_withdraw(t, r);
		} else if (what < 30) {
			if (!can_show(r, w, e))
				continue;
			mapping_withdraw_at(&tasks[t], (page_t){place_of(r, w, e)}, 1);
			model_set(t, r, w, page.n, false);
		} else if (what < 31) {
			mapping_root_destroy(&tasks[t]);
			memset(model[t], 0, sizeof(model[t]));
		} else {
			mapping_step();
		}
		if (step % 10 == 0)
			check();
	}
	check();
	all_given_back();
}

static void test_referenced(void **state)
{
	(void)state;
	begin();
	add(&tasks[0], ranges[2], page_of(2, 0));
	add(&tasks[1], ranges[2], page_of(2, 0));
	add(&tasks[1], ranges[2], page_of(2, 3));
	assert_false(mapping_referenced((page_t){page_of(2, 0)}));
	assert_true(mapped(&tasks[1], page_of(2, 0)));
	assert_false(mapping_referenced((page_t){page_of(2, 3)}));
	assert_true(mapping_referenced((page_t){page_of(2, 0)}));
	assert_false(mapping_referenced((page_t){page_of(2, 0)}));
	/* Of many some are asked each time, and all in their turn. */
	for (uint32_t i = 0; i < 3 * KERNEL_USERS_ASKED; i++)
		add(&tasks[i], ranges[3], page_of(3, 0));
	assert_false(mapping_referenced((page_t){page_of(3, 0)}));
	for (uint32_t i = 0; i < 3 * KERNEL_USERS_ASKED; i++)
		assert_true(mapped(&tasks[i], page_of(3, 0)));
	for (uint32_t i = 0; i < 3; i++)
		assert_true(mapping_referenced((page_t){page_of(3, 0)}));
	assert_false(mapping_referenced((page_t){page_of(3, 0)}));
	/* Pages of the kernel's are nobody's. */
	assert_false(mapping_referenced((page_t){KERNEL_ARENA_PAGE}));
	mapping_withdraw((page_t){KERNEL_ARENA_PAGE});
	assert_true(mapped(&tasks[1], page_of(2, 0)));
	all_given_back();
}

/* So many that they are not asked one by one: all are given up, and those that have nothing
 * to do with it cost nothing but faults. */
static void test_many(void **state)
{
	const page_t page = {page_of(2, 0)};

	(void)state;
	begin();
	for (uint32_t i = 0; i < KERNEL_USERS_PAGE; i++)
		add(&tasks[i], ranges[2], page.n);
	add(&tasks[TASKS - 1], ranges[3], page_of(3, 0));
	mapping_withdraw(page);
	for (uint32_t i = 0; i < KERNEL_USERS_PAGE; i++)
		assert_false(mapped(&tasks[i], page.n));
	assert_true(mapped(&tasks[TASKS - 1], page_of(3, 0)));

	for (uint32_t i = 0; i < KERNEL_USERS_PAGE + 1; i++)
		add(&tasks[i], ranges[2], page.n);
	/* In the middle of its own fault: nothing is added to what is given up. */
	mapping_withdraw(page);
	assert_true(mapping_add(&tasks[0], &(struct mapping_shown){.range = ranges[2]}, page,
				(frame_t){1}, 0));
	for (uint32_t i = 0; i < KERNEL_USERS_PAGE + 1; i++)
		assert_false(mapped(&tasks[i], page.n));
	assert_false(mapped(&tasks[TASKS - 1], page_of(3, 0)));

	/* Those who sleep on with what an epoch has ended count no more. */
	for (uint32_t i = 0; i < KERNEL_USERS_PAGE + 1; i++)
		add(&tasks[i], ranges[2], page.n);
	mapping_withdraw(page);
	add(&tasks[TASKS - 1], ranges[3], page_of(3, 0));
	for (uint32_t i = 0; i < EACH; i++)
		mapping_withdraw((page_t){page_of(2, i)});
	add(&tasks[TASKS - 2], ranges[2], page.n);
	mapping_withdraw((page_t){page_of(2, 3)});
	assert_true(mapped(&tasks[TASKS - 1], page_of(3, 0)));
	assert_true(mapped(&tasks[TASKS - 2], page.n));
	mapping_withdraw(page);
	assert_false(mapped(&tasks[TASKS - 2], page.n));
	for (uint32_t i = 0; i < KERNEL_USERS_PAGE + 1; i++)
		assert_false(mapped(&tasks[i], page.n));

	for (uint32_t i = 0; i < KERNEL_USERS_RANGE + 1; i++)
		add(&tasks[i], ranges[2], page.n);
	mapping_withdraw_range(&ranges[2]);
	for (uint32_t i = 0; i < KERNEL_USERS_RANGE + 1; i++)
		assert_false(mapped(&tasks[i], page.n));
	all_given_back();
}

/* A range of which so much is mapped that it is not looked through: the roots go. */
static void test_large(void **state)
{
	const struct mapping_range range = {USER_ARENA_PAGE + 0x400, 0x400};
	const struct mapping_range larger = {USER_ARENA_PAGE + 0x800, 0x800};

	(void)state;
	begin();
	for (uint32_t i = 0; i < 3; i++) {
		for (uint64_t n = 0; n < 0x400; n++)
			add(&tasks[i], range, range.first + n);
		add(&tasks[i], ranges[0], page_of(0, 0));
	}
	loaded = tasks[2].root;
	mapping_withdraw_range(&range);
	for (uint32_t i = 0; i < 3; i++)
		for (uint64_t n = 0; n < 0x400; n++)
			assert_false(mapped(&tasks[i], range.first + n));
	assert_int_equal(loaded, map_kernel_root());
	/* And a run of places. */
	for (uint64_t n = 0; n < 0x800; n++)
		add(&tasks[0], larger, larger.first + n);
	add(&tasks[0], ranges[0], page_of(0, 0));
	mapping_withdraw_at(&tasks[0], (page_t){larger.first}, 0x800);
	for (uint64_t n = 0; n < 0x800; n++)
		assert_false(mapped(&tasks[0], larger.first + n));
	/* Of which the end may be beyond all that there is. */
	add(&tasks[0], range, range.first);
	mapping_withdraw_at(&tasks[0], (page_t){range.first}, UINT64_MAX);
	assert_false(mapped(&tasks[0], range.first));
	all_given_back();
}

/* Whoever maps more ranges than others gets what it needs from them; what is over
 * leaves no trace, however often. */
static void test_uses_run_out(void **state)
{
	(void)state;
	begin();
	for (uint32_t t = 0; t < TASKS / 2; t++)
		for (uint64_t n = 0; n < 25; n++)
			add(&tasks[t], (struct mapping_range){USER_ARENA_PAGE + n, 1},
			    USER_ARENA_PAGE + n);
	/* The last has all it needs; the first has given up its own, being the one that
	 * was entered longest ago. */
	for (uint64_t n = 0; n < 25; n++)
		assert_true(mapped(&tasks[TASKS / 2 - 1], USER_ARENA_PAGE + n));
	assert_int_equal(tasks[0].root, 0);
	for (uint32_t i = 0; i < 30000; i++) {
		struct mapping_range range = {USER_ARENA_PAGE + 64 + i, 1};

		add(&tasks[0], range, range.first);
		mapping_withdraw_range(&range);
		add(&tasks[0], range, range.first);
		mapping_withdraw_at(&tasks[0], (page_t){range.first}, range.pages);
		assert_false(mapped(&tasks[0], range.first));
	}
	/* Not much was taken from others for that. */
	for (uint64_t n = 0; n < 25; n++)
		assert_true(mapped(&tasks[TASKS / 2 - 1], USER_ARENA_PAGE + n));
	all_given_back();
}

static void add_of_bank(struct task *task, uint32_t range, uint64_t banks)
{
	add_shown(task, (struct mapping_shown){.range = ranges[range], .banks = banks},
		  page_of(range, 0));
}

/* The end of a bank withdraws what is mapped of it from everybody, whenever they are entered
 * next, and from whoever maps nothing of it nothing at all. */
static void test_bank(void **state)
{
	uint64_t other = 2;

	(void)state;
	while (bank_bit(other) == bank_bit(1))
		other++;
	begin();
	add_of_bank(&tasks[0], 0, bank_bit(1));
	add_of_bank(&tasks[1], 0, bank_bit(1) | bank_bit(other));
	add_of_bank(&tasks[2], 0, bank_bit(other));
	add_of_bank(&tasks[3], 0, 0);
	mapping_withdraw_bank(1);
	assert_false(mapped(&tasks[0], page_of(0, 0)));
	assert_false(mapped(&tasks[1], page_of(0, 0)));
	assert_true(mapped(&tasks[2], page_of(0, 0)));
	assert_true(mapped(&tasks[3], page_of(0, 0)));
	/* What it maps from now on is not what has ended, */
	add_of_bank(&tasks[0], 0, bank_bit(1));
	assert_true(mapped(&tasks[0], page_of(0, 0)));
	add_of_bank(&tasks[4], 0, bank_bit(1));
	assert_true(mapped(&tasks[4], page_of(0, 0)));
	/* and new tables are of no bank before they map something. */
	add_of_bank(&tasks[1], 0, 0);
	mapping_withdraw_bank(1);
	assert_true(mapped(&tasks[1], page_of(0, 0)));
	add_of_bank(&tasks[0], 0, bank_bit(1));
	mapping_withdraw_bank(other);
	assert_true(mapped(&tasks[0], page_of(0, 0)));
	assert_false(mapped(&tasks[2], page_of(0, 0)));
	/* Also for one that was looked at between two ends. */
	mapping_withdraw_bank(1);
	mapping_withdraw_bank(other);
	assert_false(mapped(&tasks[0], page_of(0, 0)));
	assert_true(mapped(&tasks[3], page_of(0, 0)));
	all_given_back();
}

static void add_viewed(struct task *task, uint32_t range, uint32_t view, uint64_t version)
{
	add_shown(task,
		  (struct mapping_shown){
			  .range = ranges[range], .banks = bank_bit(version), .view = {view}},
		  page_of(range, 0));
}

/* What is taken out of a view is taken from those who look through it, however many, of no other
 * range and from nobody else. */
static void test_view(void **state)
{
	const uint32_t view = 17, other = 18, number[] = {1, 3, KERNEL_ROOTS_RANGE};

	(void)state;
	for (uint32_t c = 0; c < 3; c++) {
		begin();
		for (uint32_t i = 0; i < number[c]; i++) {
			add_viewed(&tasks[i], 2, view, 1);
			add_viewed(&tasks[i], 3, view, 1);
		}
		add_viewed(&tasks[TASKS - 1], 2, other, 2);
		add(&tasks[TASKS - 2], ranges[2], page_of(2, 0));
		/* One that looked through it once, but has other tables now. */
		add_viewed(&tasks[TASKS - 3], 3, view, 1);
		mapping_root_destroy(&tasks[TASKS - 3]);
		add(&tasks[TASKS - 3], ranges[2], page_of(2, 0));
		mapping_withdraw_view((object_t){view}, 1, (page_t){ranges[2].first},
				      ranges[2].pages);
		for (uint32_t i = 0; i < number[c]; i++) {
			assert_false(mapped(&tasks[i], page_of(2, 0)));
			assert_true(mapped(&tasks[i], page_of(3, 0)));
		}
		for (uint32_t i = 1; i <= 3; i++)
			assert_true(mapped(&tasks[TASKS - i], page_of(2, 0)));
		/* With the view all of it goes that was seen through it, and nothing else. */
		add(&tasks[TASKS - 4], ranges[2], page_of(2, 0));
		tasks[TASKS - 4].root_banks |= bank_bit(1);
		mapping_withdraw_view_end((object_t){view}, 1);
		for (uint32_t i = 0; i < number[c]; i++)
			assert_false(mapped(&tasks[i], page_of(3, 0)));
		assert_true(mapped(&tasks[TASKS - 4], page_of(2, 0)));
		mapping_withdraw_view_end((object_t){view}, 1);
		assert_true(mapped(&tasks[TASKS - 4], page_of(2, 0)));
		assert_true(mapped(&tasks[TASKS - 1], page_of(2, 0)));
		all_given_back();
	}
	begin();
	for (uint32_t i = 0; i <= KERNEL_ROOTS_RANGE; i++)
		add_viewed(&tasks[i], 2, view, 1);
	mapping_withdraw_view_end((object_t){view}, 1);
	for (uint32_t i = 0; i <= KERNEL_ROOTS_RANGE; i++)
		assert_false(mapped(&tasks[i], page_of(2, 0)));
	for (uint32_t i = 0; i <= KERNEL_ROOTS_RANGE; i++)
		add_viewed(&tasks[i], 2, view, 1);
	add_viewed(&tasks[TASKS - 1], 2, other, 2);
	mapping_withdraw_view((object_t){view}, 1, (page_t){ranges[2].first}, ranges[2].pages);
	for (uint32_t i = 0; i <= KERNEL_ROOTS_RANGE; i++)
		assert_false(mapped(&tasks[i], page_of(2, 0)));
	assert_true(mapped(&tasks[TASKS - 1], page_of(2, 0)));
	all_given_back();
}

/* One root maps something of so many ranges and no more, and what it does map is still taken from
 * it through its view. */
static void test_many_ranges(void **state)
{
	struct mapping_shown shown = {.banks = bank_bit(1), .view = {17}};
	uint32_t still = 0;

	(void)state;
	begin();
	add(&tasks[1], ranges[0], page_of(0, 0));
	for (uint64_t n = 0; n < 4 * KERNEL_USES_ROOT; n++) {
		shown.range = (struct mapping_range){USER_ARENA_PAGE + 0x1000 + n, 1};
		add_shown(&tasks[0], shown, shown.range.first);
		assert_true(mapped(&tasks[0], shown.range.first));
		/* Own attachments between, without the view. */
		add(&tasks[0], (struct mapping_range){USER_ARENA_PAGE + 0x4000 + n, 1},
		    USER_ARENA_PAGE + 0x4000 + n);
	}
	for (uint64_t n = 0; n < 4 * KERNEL_USES_ROOT; n++)
		still += mapped(&tasks[0], USER_ARENA_PAGE + 0x1000 + n);
	assert_in_range(still, KERNEL_USES_ROOT / 2 - 2, KERNEL_USES_ROOT / 2);
	for (uint64_t n = 0; n < 4 * KERNEL_USES_ROOT; n++) {
		shown.range = (struct mapping_range){USER_ARENA_PAGE + 0x1000 + n, 1};
		mapping_withdraw_view((object_t){17}, 1, (page_t){shown.range.first}, 1);
		assert_false(mapped(&tasks[0], shown.range.first));
	}
	assert_true(mapped(&tasks[0], USER_ARENA_PAGE + 0x4000 + 4 * KERNEL_USES_ROOT - 1));
	/* Also when it was noted before all that is left. */
	add_shown(&tasks[0], shown, shown.range.first);
	for (uint64_t n = 0; n < KERNEL_USES_ROOT - 1; n++)
		add(&tasks[0], (struct mapping_range){USER_ARENA_PAGE + 0x8000 + n, 1},
		    USER_ARENA_PAGE + 0x8000 + n);
	assert_true(mapped(&tasks[0], shown.range.first));
	mapping_withdraw_view((object_t){17}, 1, (page_t){shown.range.first}, 1);
	assert_false(mapped(&tasks[0], shown.range.first));
	assert_true(mapped(&tasks[1], page_of(0, 0)));
	all_given_back();
}

/* When there are no more notes, who maps very many ranges gives up his own, but for a few. */
static void test_many_greedy(void **state)
{
	const uint32_t all = TASKS * KERNEL_USES_TASK, greedy = all / KERNEL_USES_ROOT + 10;
	uint64_t next = USER_ARENA_PAGE + 0x10000;
	uint32_t lost = 0;

	(void)state;
	begin();
	for (uint32_t i = 0; i < TASKS; i++)
		add(&tasks[i], ranges[0], page_of(0, 0));
	for (uint32_t i = 0; i < greedy; i++)
		for (uint32_t n = 0; n < 2 * KERNEL_USES_ROOT; n++, next++) {
			add(&tasks[i], (struct mapping_range){next, 1}, next);
			assert_true(mapped(&tasks[i], next));
		}
	for (uint32_t i = greedy; i < TASKS; i++)
		lost += !tasks[i].root;
	assert_in_range(lost, 0, 25 * KERNEL_USES_OWN);
	all_given_back();
}

/* Who shows a page at very many places loses some of them, and nobody else anything. */
static void test_many_places(void **state)
{
	struct mapping_shown shown = {.range = ranges[0]};
	uint32_t still = 0;

	(void)state;
	begin();
	add(&tasks[1], ranges[1], page_of(1, 0));
	for (uint64_t n = 0; n < 2 * KERNEL_USERS_PAGE; n++) {
		shown.further = WINDOW_HIGH_PAGE + n - shown.range.first;
		add_shown(&tasks[0], shown, shown.range.first);
		assert_true(mapped(&tasks[0], WINDOW_HIGH_PAGE + n));
	}
	for (uint64_t n = 0; n < 2 * KERNEL_USERS_PAGE; n++)
		still += mapped(&tasks[0], WINDOW_HIGH_PAGE + n);
	assert_int_equal(still, KERNEL_USES_PLACES);
	mapping_withdraw((page_t){shown.range.first});
	for (uint64_t n = 0; n < 2 * KERNEL_USERS_PAGE; n++)
		assert_false(mapped(&tasks[0], WINDOW_HIGH_PAGE + n));
	assert_true(mapped(&tasks[1], page_of(1, 0)));
	all_given_back();
}

/* Who was entered longest ago gives first. */
static void test_oldest_first(void **state)
{
	(void)state;
	begin();
	for (uint32_t i = 0; i < 4; i++)
		add(&tasks[i], ranges[0], page_of(0, 0));
	assert_true(mapping_root_ensure(&tasks[0]));
	assert_true(mapping_root_ensure(&tasks[2]));
	for (uint32_t i = 0; i < 4; i++) {
		static const uint32_t order[] = {1, 3, 0, 2};

		assert_true(tasks[order[i]].root != 0);
		assert_true(mapping_reclaim());
		assert_int_equal(tasks[order[i]].root, 0);
		while (mapping_step())
			;
	}
	assert_false(mapping_reclaim());
	assert_int_equal(taken_count, 0);
}

/* Without a frame nothing is mapped; tables of others are given for it, not of who runs. */
static void test_no_frames(void **state)
{
	(void)state;
	begin();
	add(&tasks[0], ranges[0], page_of(0, 0));
	tasks[0].place = TASK_RUNNING;
	for (uint32_t i = 1; i < 100; i++)
		add(&tasks[i], ranges[0], page_of(0, 0));
	while (store_frame_borrow(NULL, &(frame_t){0}) == STATUS_OK)
		;
	assert_false(mapping_root_ensure(&tasks[TASKS - 1]));
	assert_false(mapping_add(&tasks[0], &(struct mapping_shown){.range = ranges[5]},
				 (page_t){page_of(5, 0)}, (frame_t){1}, 0));
	given_at_once = 0;
	assert_true(mapping_reclaim());
	assert_in_range(given_at_once, 1, 8);
	assert_true(mapped(&tasks[0], page_of(0, 0)));
	while (mapping_reclaim())
		;
	assert_true(tasks[0].root != 0);
	for (uint32_t i = 1; i < TASKS; i++)
		assert_int_equal(tasks[i].root, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),	     cmocka_unit_test(test_referenced),
		cmocka_unit_test(test_many),	     cmocka_unit_test(test_large),
		cmocka_unit_test(test_uses_run_out), cmocka_unit_test(test_bank),
		cmocka_unit_test(test_view),	     cmocka_unit_test(test_many_ranges),
		cmocka_unit_test(test_many_places),  cmocka_unit_test(test_many_greedy),
		cmocka_unit_test(test_no_frames),    cmocka_unit_test(test_oldest_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
