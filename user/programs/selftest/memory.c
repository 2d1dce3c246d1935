/* SPDX-License-Identifier: MIT */
/*
 * memory.c - segments, attaching, and the heap made of one.
 */
#include "user/programs/selftest/selftest.h"

#include <string.h>
#include "user/lib/heap.h"
#include "user/lib/machine.h"
#include "user/lib/segment.h"
#include "user/lib/table.h"

static void selftest_segment_memory(struct segment_info *info)
{
	volatile uint8_t *bytes = (volatile uint8_t *)(uintptr_t)info->address;

	EXPECT(machine_attach(OWN_MACHINE, SEGMENT(SLOT_A), 0, 0, RIGHT_READ | RIGHT_WRITE, false),
	       OK);
	EXPECT(machine_attach(OWN_MACHINE, SEGMENT(SLOT_A), 0, 1, RIGHT_READ, false), ATTACHED);
	CHECK(bytes[0] == 0 && bytes[2 * PAGE_SIZE - 1] == 0);
	bytes[0] = 1;
	bytes[PAGE_SIZE + 100] = 2;
	bytes[PAGE_SIZE + 200] = 3;
	/* What is cut off is zero when it comes back, the rest of a page too. */
	EXPECT(segment_resize(SEGMENT(SLOT_A), PAGE_SIZE + 150), OK);
	EXPECT(segment_resize(SEGMENT(SLOT_A), 3 * PAGE_SIZE), OK);
	CHECK(bytes[0] == 1 && bytes[PAGE_SIZE + 100] == 2 && bytes[PAGE_SIZE + 200] == 0);
	EXPECT(segment_resize(SEGMENT(SLOT_A), 0), OK);
	EXPECT(segment_resize(SEGMENT(SLOT_A), PAGE_SIZE), OK);
	CHECK(bytes[0] == 0);
	EXPECT(segment_resize(SEGMENT(SLOT_A), info->size_max + 1), LIMIT);
	EXPECT(machine_detach(OWN_MACHINE, info->address), OK);
	CHECK(machine_detach(OWN_MACHINE, info->address) != STATUS_OK);
}

void selftest_segments(void)
{
	struct segment_info info;

	if (!EXPECT(bank_segment(OWN_BANK, 2 * PAGE_SIZE, 5 * PAGE_SIZE, SLOT_A), OK))
		return;
	EXPECT(segment_info(SEGMENT(SLOT_A), &info), OK);
	CHECK(info.address >= USER_ARENA_PAGE << PAGE_SHIFT && info.size == 2 * PAGE_SIZE);
	CHECK(info.size_max == 8 * PAGE_SIZE && info.address % info.size_max == 0);
	selftest_segment_memory(&info);
	EXPECT(table_reduce(OWN_TABLE, SLOT_A, SLOT_B, RIGHT_READ), OK);
	EXPECT(segment_resize(SEGMENT(SLOT_B), 1), NO_RIGHT);
	EXPECT(machine_attach(OWN_MACHINE, SEGMENT(SLOT_B), 0, 0, RIGHT_READ | RIGHT_WRITE, false),
	       NO_RIGHT);
	CHECK(machine_attach(OWN_MACHINE, SEGMENT(SLOT_B), 0, 0, RIGHT_READ, true) != STATUS_OK);
	CHECK(machine_attach(OWN_MACHINE, SEGMENT(SLOT_A), 8, 1, RIGHT_READ, false) != STATUS_OK);
	CHECK(machine_attach(OWN_MACHINE, SEGMENT(SLOT_A), 0, 0,
			     RIGHT_READ | RIGHT_WRITE | RIGHT_EXECUTE, false) != STATUS_OK);
	EXPECT(table_destroy(OWN_TABLE, SLOT_A), OK);
	EXPECT(segment_info(SEGMENT(SLOT_A), &info), DEAD);
	EXPECT(segment_info(SEGMENT(SLOT_B), &info), DEAD);
	EXPECT(machine_attach(OWN_MACHINE, SEGMENT(SLOT_A), 0, 0, RIGHT_READ, false), DEAD);
	CHECK(bank_segment(OWN_BANK, 0, UINT64_C(1) << 62, SLOT_A) != STATUS_OK);
	CHECK(bank_segment(OWN_BANK, 2 * PAGE_SIZE, PAGE_SIZE, SLOT_A) != STATUS_OK);
	EXPECT(bank_segment(OWN_BANK, UINT64_C(1) << 42, UINT64_C(1) << 42, SLOT_A), ALLOWANCE);
}

void selftest_heap(void)
{
	void *block[64] = {NULL};
	bool kept = true;

	for (unsigned i = 0; i < 2000; i++) {
		unsigned at = i * 37 % 64;
		size_t size = 1 + i * 97 % 3000;

		if (block[at])
			kept &= ((uint8_t *)block[at])[0] == at;
		heap_release(block[at]);
		block[at] = heap_allocate(size);
		if (!block[at])
			break;
		memset(block[at], (int)at, size);
	}
	CHECK(kept && heap_check() && block[2000 * 37 % 64]);
	for (unsigned i = 0; i < 64; i++)
		heap_release(block[i]);
	CHECK(heap_check() && heap_used() == 0);
	CHECK(heap_allocate((size_t)1 << 40) == NULL);
}
