/* SPDX-License-Identifier: MIT */
/*
 * fuzz_loader.c - any file as a program: refused with the reason, or a plan that
 * holds what loader.h promises and whose pages can all be built.
 */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "kernel/loader.h"

/* Of a large instance, so many pages from its start and from its end. */
#define PAGES_BUILT  24u
#define HEADER_BYTES 0x400u

static struct abi_start start;

int LLVMFuzzerInitialize(int *count, char ***words)
{
	(void)count;
	(void)words;
	FUZZ_CHECK(loader_argument_add(&start, "one") == STATUS_OK, "an argument");
	return 0;
}

static void check_plan(const struct loader_plan *plan)
{
	uint64_t end = 0;

	FUZZ_CHECK(plan->runs >= 2 && plan->runs <= LOADER_RUNS, "%u runs", plan->runs);
	for (unsigned i = 0; i < plan->runs; i++) {
		const struct loader_run *run = &plan->run[i];
		uint16_t both = RIGHT_WRITE | RIGHT_EXECUTE;

		FUZZ_CHECK(run->first >= end && run->pages, "run %u overlaps or is empty", i);
		end = run->first + run->pages;
		FUZZ_CHECK((run->rights & both) != both, "run %u is writable code", i);
	}
	FUZZ_CHECK(end == plan->total_pages, "the runs do not end with the instance");
	FUZZ_CHECK(plan->image_pages <= LOADER_IMAGE_PAGES_MAX &&
			   plan->image_pages + LOADER_GUARD_PAGES <= plan->stack_first &&
			   plan->max_pages >= plan->total_pages &&
			   !(plan->max_pages & (plan->max_pages - 1)) &&
			   plan->entry_offset < plan->image_pages * PAGE_SIZE,
		   "the plan's sizes");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct loader_source source = {.bytes = size, .data = data};
	struct loader_plan plan;
	enum status status = loader_plan(&source, &plan);
	uint8_t page[PAGE_SIZE];

	if (status != STATUS_OK) {
		FUZZ_CHECK((status == STATUS_FORMAT || status == STATUS_LIMIT) && plan.error,
			   "refused with %s and no reason", status_text(status));
		return 0;
	}
	check_plan(&plan);
	for (uint64_t i = 0; i < plan.total_pages; i++) {
		if (i == PAGES_BUILT && plan.total_pages > 2 * PAGES_BUILT)
			i = plan.total_pages - PAGES_BUILT;
		memset(page, 0, sizeof(page));
		status = loader_page(&plan, &source, UINT64_C(1) << 36, UINT64_C(1) << 37, &start,
				     i, page);
		FUZZ_CHECK(status == STATUS_OK, "page %llu of a good plan: %s",
			   (unsigned long long)i, status_text(status));
		FUZZ_CHECK(!loader_page_empty(&plan, i) || !memcmp(page, page + 1, PAGE_SIZE - 1),
			   "page %llu is said to be empty", (unsigned long long)i);
	}
	return 0;
}

/* Mostly aligned words of the headers, with numbers that matter to them. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
	static const uint64_t numbers[] = {0,	       1,
					   2,	       3,
					   4,	       5,
					   6,	       7,
					   8,	       0x18,
					   0x38,       0x40,
					   0x7f,       0x80,
					   0xff8,      0xfff,
					   0x1000,     0x1001,
					   0x2000,     0x4000,
					   0x8000,     0xffff,
					   1 << 20,    1 << 30,
					   UINT32_MAX, UINT64_C(1) << 47,
					   INT64_MAX,  UINT64_MAX - 0xfff,
					   UINT64_MAX};
	uint64_t random = seed * UINT64_C(0x9e3779b97f4a7c15);
	size_t room = size < HEADER_BYTES ? size : HEADER_BYTES;
	size_t width = (size_t)1 << (random >> 60 & 3), at;
	uint64_t value = numbers[(random >> 32) % (sizeof(numbers) / sizeof(numbers[0]))];
	uint64_t old = 0;

	if (random >> 56 % 4 == 0 || room < 8)
		return LLVMFuzzerMutate(data, size, most);
	at = (random >> 8) % (room / width) * width;
	memcpy(&old, data + at, width);
	if (random >> 40 & 1)
		value += old;
	memcpy(data + at, &value, width);
	return size;
}
