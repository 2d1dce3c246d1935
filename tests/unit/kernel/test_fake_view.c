/* SPDX-License-Identifier: MIT */
/*
 * test_fake_view.c - views as programs ask for them: what is answered, and that what is taken away
 * is withdrawn from who looks through it.
 */
#include "tests/unit/kernel/fake_kernel.h"

#define PLACE  (WINDOW_HIGH_PAGE << PAGE_SHIFT)
#define WINDOW UINT64_C(0x10000)

enum { MACHINE = 20, SEGMENT, VIEW, OTHER };

static struct disk_capability machine, segment, view;
static struct disk_object record;

static struct disk_object record_of(const struct disk_capability *capability)
{
	struct disk_object found;

	fake_begin();
	assert_int_equal(object_read(&kernel.space, (object_t){capability->object}, &found),
			 STATUS_OK);
	fake_begin();
	return found;
}

static void begin(void)
{
	fake_kernel_new();
	machine = fake_create(OBJECT_MACHINE, 0);
	segment = fake_create(OBJECT_SEGMENT, 8 * PAGE_SIZE);
	view = fake_create(OBJECT_VIEW, 0);
	record = record_of(&segment);
	fake_place(&machine, MACHINE, &machine);
	fake_place(&machine, SEGMENT, &segment);
	fake_place(&machine, VIEW, &view);
}

static uint64_t *registers(void)
{
	return fake_machine(&machine)->registers.gpr;
}

static enum status asks(uint32_t slot, uint64_t label, uint32_t pass, const uint64_t word[])
{
	for (unsigned i = 0; i < MESSAGE_WORDS; i++)
		registers()[call_word_register[i]] = word ? word[i] : 0;
	registers()[REGISTER_R14] = pass;
	assert_int_equal(fake_call(&machine, ENTRY_CALL, slot, label, 0), FAKE_DONE);
	assert_int_equal(fake_result(&machine), STATUS_OK);
	return (enum status)registers()[REGISTER_RSI];
}

static uint64_t word(unsigned index)
{
	return registers()[call_word_register[index]];
}

static enum status attach(uint64_t first, uint64_t pages, uint64_t rights, uint64_t address)
{
	uint64_t words[MESSAGE_WORDS] = {first, pages, rights, 0, address};

	return asks(VIEW, VIEW_ATTACH, SEGMENT, words);
}

static void assert_attached(uint64_t from, uint64_t address, uint64_t pages, uint64_t rights)
{
	assert_int_equal(asks(VIEW, VIEW_ATTACHED, 0, (uint64_t[MESSAGE_WORDS]){from}), STATUS_OK);
	assert_int_equal(word(0), address);
	assert_int_equal(word(1), pages);
	assert_int_equal(word(2), rights);
	assert_int_equal(word(4), segment.object);
	assert_int_equal(word(5), segment.version);
}

/* Withdrawn are these pages, from who looks through this view. */
static void assert_withdrawn(uint32_t times, uint64_t address, uint64_t pages)
{
	assert_int_equal(fake_withdrawn.times, times);
	assert_int_equal(fake_withdrawn.view, view.object);
	assert_int_equal(fake_withdrawn.version, view.version);
	assert_int_equal(fake_withdrawn.range.first, address >> PAGE_SHIFT);
	assert_int_equal(fake_withdrawn.range.pages, pages);
}

static void test_operations(void **state)
{
	(void)state;
	begin();
	assert_int_equal(attach(0, 2, RIGHT_READ | RIGHT_WRITE, PLACE), STATUS_OK);
	assert_int_equal(attach(2, 6, RIGHT_READ, 0), STATUS_OK);
	assert_int_equal(attach(1, 1, RIGHT_READ, PLACE + PAGE_SIZE), STATUS_ATTACHED);
	assert_int_equal(attach(1, 1, RIGHT_READ, PLACE + 1), STATUS_INVALID);
	assert_int_equal(attach(1, 1, UINT64_C(1) << 32 | RIGHT_READ, PLACE), STATUS_INVALID);
	assert_int_equal(asks(VIEW, VIEW_ATTACH, SEGMENT,
			      (uint64_t[MESSAGE_WORDS]){0, 1, RIGHT_READ, 1, WINDOW}),
			 STATUS_INVALID);
	assert_int_equal(fake_withdrawn.times, 0);
	assert_attached(0, (record.first_page + 2) << PAGE_SHIFT, 6, RIGHT_READ);
	assert_int_equal(word(3), word(0));
	assert_attached(PLACE - 1, PLACE, 2, RIGHT_READ | RIGHT_WRITE);
	assert_int_equal(word(3), record.first_page << PAGE_SHIFT);
	assert_int_equal(asks(VIEW, VIEW_ATTACHED, 0, (uint64_t[MESSAGE_WORDS]){PLACE + 1}),
			 STATUS_NOT_FOUND);
	assert_int_equal(asks(VIEW, VIEW_ATTACHED, 0, (uint64_t[MESSAGE_WORDS]){UINT64_MAX}),
			 STATUS_NOT_FOUND);
	/* Less, and taken away: each withdraws, and what is refused does not. */
	assert_int_equal(
		asks(VIEW, VIEW_PROTECT, 0, (uint64_t[MESSAGE_WORDS]){PLACE, 1, RIGHT_READ}),
		STATUS_OK);
	assert_withdrawn(1, PLACE, 1);
	assert_attached(PLACE, PLACE, 1, RIGHT_READ);
	assert_attached(PLACE + 1, PLACE + PAGE_SIZE, 1, RIGHT_READ | RIGHT_WRITE);
	assert_int_equal(
		asks(VIEW, VIEW_PROTECT, 0, (uint64_t[MESSAGE_WORDS]){PLACE, 2, RIGHT_READ}),
		STATUS_INVALID);
	assert_int_equal(
		asks(VIEW, VIEW_PROTECT, 0, (uint64_t[MESSAGE_WORDS]){PLACE, 1, RIGHT_WRITE}),
		STATUS_NO_RIGHT);
	assert_int_equal(fake_withdrawn.times, 1);
	assert_int_equal(
		asks(VIEW, VIEW_PROTECT, SEGMENT, (uint64_t[MESSAGE_WORDS]){PLACE, 1, RIGHT_WRITE}),
		STATUS_OK);
	assert_withdrawn(2, PLACE, 1);
	assert_int_equal(asks(VIEW, VIEW_DETACH, 0, (uint64_t[MESSAGE_WORDS]){PLACE + PAGE_SIZE}),
			 STATUS_OK);
	assert_withdrawn(3, PLACE + PAGE_SIZE, 1);
	assert_int_equal(asks(VIEW, VIEW_DETACH, 0, (uint64_t[MESSAGE_WORDS]){PLACE + PAGE_SIZE}),
			 STATUS_NOT_FOUND);
	assert_int_equal(asks(VIEW, VIEW_DETACH, 0, (uint64_t[MESSAGE_WORDS]){0}),
			 STATUS_NOT_FOUND);
	assert_int_equal(asks(VIEW, VIEW_DETACH, 0, (uint64_t[MESSAGE_WORDS]){UINT64_MAX}),
			 STATUS_NOT_FOUND);
	assert_int_equal(fake_withdrawn.times, 3);
}

/* What has ended is told with no rights, is in nobody's way, and can be taken away. */
static void test_ended(void **state)
{
	struct disk_capability next;

	(void)state;
	begin();
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(attach(i, 1, RIGHT_READ, PLACE + i * PAGE_SIZE), STATUS_OK);
	fake_begin();
	assert_int_equal(fake_destroy(&kernel.space, (object_t){segment.object}), STATUS_OK);
	assert_attached(PLACE, PLACE, 1, 0);
	next = fake_create(OBJECT_SEGMENT, 8 * PAGE_SIZE);
	fake_place(&machine, SEGMENT, &next);
	/* One attachment in its way goes in each turn. */
	for (unsigned i = 0; i < MESSAGE_WORDS; i++)
		registers()[call_word_register[i]] =
			(uint64_t[MESSAGE_WORDS]){0, 2, RIGHT_READ, 0, PLACE}[i];
	registers()[REGISTER_R14] = SEGMENT;
	assert_int_equal(fake_call(&machine, ENTRY_CALL, VIEW, VIEW_ATTACH, 0), FAKE_TURN);
	assert_int_equal(record_of(&view).size, 2);
	assert_int_equal(fake_again(&machine), FAKE_TURN);
	assert_int_equal(fake_again(&machine), FAKE_DONE);
	assert_int_equal(registers()[REGISTER_RSI], STATUS_OK);
	assert_int_equal(record_of(&view).size, 2);
	assert_attached(PLACE + 1, PLACE + 2 * PAGE_SIZE, 1, 0);
	assert_int_equal(
		asks(VIEW, VIEW_DETACH, 0, (uint64_t[MESSAGE_WORDS]){PLACE + 2 * PAGE_SIZE}),
		STATUS_OK);
	assert_int_equal(record_of(&view).size, 1);
}

/* A machine is given one, by who controls both, and keeps what names it. */
static void test_set(void **state)
{
	struct disk_capability less = view;

	(void)state;
	begin();
	assert_int_equal(asks(MACHINE, MACHINE_SET_VIEW, VIEW, NULL), STATUS_OK);
	assert_memory_equal(&fake_machine(&machine)->view, &view, sizeof(view));
	less.rights = RIGHT_READ | RIGHT_CONTROL | RIGHT_DESTROY;
	fake_place(&machine, OTHER, &less);
	assert_int_equal(asks(MACHINE, MACHINE_SET_VIEW, OTHER, NULL), STATUS_NO_RIGHT);
	assert_int_equal(asks(MACHINE, MACHINE_SET_VIEW, SEGMENT, NULL), STATUS_WRONG_TYPE);
	assert_memory_equal(&fake_machine(&machine)->view, &view, sizeof(view));
	assert_int_equal(asks(MACHINE, MACHINE_SET_VIEW, 0, NULL), STATUS_OK);
	assert_int_equal(fake_machine(&machine)->view.version, 0);
}

/* With the view all goes that is seen through it, and when another bank pays for it, too. */
static void test_end(void **state)
{
	struct disk_capability bank;

	(void)state;
	begin();
	bank = fake_create(OBJECT_BANK, 100);
	fake_place(&machine, OTHER, &bank);
	assert_int_equal(attach(0, 1, RIGHT_READ, PLACE), STATUS_OK);
	fake_withdrawn.version = 0;
	assert_int_equal(asks(OTHER, BANK_ADOPT, VIEW, NULL), STATUS_OK);
	assert_int_equal(fake_withdrawn.version, view.version);
	assert_int_equal(fake_withdrawn.view, view.object);
	assert_int_equal(record_of(&view).bank, bank.object);
	fake_withdrawn.version = 0;
	assert_int_equal(asks(SLOT_TABLE, TABLE_DESTROY, 0, (uint64_t[MESSAGE_WORDS]){VIEW}),
			 STATUS_OK);
	assert_int_equal(fake_withdrawn.version, view.version);
	/* Whoever has no view is not concerned. */
	assert_int_equal(fake_banks_ended, 0);
	fake_settle();
	fake_invariants(&kernel.space);
	assert_int_equal(record_of(&bank).size, 0);
}

/* ---- copies ------------------------------------------------------------------------------- */

static struct disk_capability file;

static uint8_t *file_page(uint64_t number)
{
	struct disk_object found = record_of(&file);
	void *data;

	assert_int_equal(space_write(&kernel.space, (page_t){found.first_page + number}, &data),
			 STATUS_OK);
	fake_begin();
	return fake_page(found.first_page + number);
}

static uint8_t *segment_page(uint64_t number)
{
	void *data;

	fake_begin();
	assert_int_equal(space_write(&kernel.space, (page_t){record.first_page + number}, &data),
			 STATUS_OK);
	fake_begin();
	return fake_page(record.first_page + number);
}

/* Bytes copied, and why not more. */
static uint64_t copy(uint64_t address, uint64_t offset, uint64_t bytes, bool into, enum status why)
{
	assert_int_equal(asks(VIEW, VIEW_COPY, OTHER,
			      (uint64_t[MESSAGE_WORDS]){address, offset, bytes, into}),
			 STATUS_OK);
	assert_int_equal(word(1), why);
	return word(0);
}

/* Two pages of the segment in the window, the second of which can be read only, then a gap; and a
 * file of two pages and a half. */
static void begin_copy(void)
{
	begin();
	file = fake_create(OBJECT_SEGMENT, 2 * PAGE_SIZE + PAGE_SIZE / 2);
	fake_place(&machine, OTHER, &file);
	assert_int_equal(attach(0, 1, RIGHT_READ | RIGHT_WRITE, PLACE), STATUS_OK);
	assert_int_equal(attach(1, 1, RIGHT_READ, PLACE + PAGE_SIZE), STATUS_OK);
	assert_int_equal(attach(3, 1, RIGHT_EXECUTE, PLACE + 3 * PAGE_SIZE), STATUS_OK);
	for (unsigned i = 0; i < PAGE_SIZE; i++) {
		segment_page(0)[i] = (uint8_t)(i * 7);
		segment_page(1)[i] = (uint8_t)(i * 11);
	}
	fake_adopt();
}

static void test_copy(void **state)
{
	(void)state;
	begin_copy();
	/* Across pages of both sides, at odd places. */
	assert_int_equal(copy(PLACE + 100, 50, 2 * PAGE_SIZE - 100, false, STATUS_OK),
			 2 * PAGE_SIZE - 100);
	for (unsigned i = 0; i < 2 * PAGE_SIZE - 100; i++) {
		unsigned from = i + 100, to = i + 50;

		assert_int_equal(file_page(to / PAGE_SIZE)[to % PAGE_SIZE],
				 (uint8_t)(from < PAGE_SIZE ? from * 7 : (from - PAGE_SIZE) * 11));
	}
	assert_int_equal(file_page(0)[49], 0);
	assert_int_equal(file_page(1)[PAGE_SIZE - 50], 0);
	/* Into it, as far as it may be written to. */
	memset(file_page(0), 0x33, PAGE_SIZE);
	fake_adopt();
	assert_int_equal(copy(PLACE + PAGE_SIZE - 10, 0, 20, true, STATUS_NO_RIGHT), 10);
	assert_int_equal(segment_page(0)[PAGE_SIZE - 11], (uint8_t)((PAGE_SIZE - 11) * 7));
	assert_int_equal(segment_page(0)[PAGE_SIZE - 1], 0x33);
	assert_int_equal(segment_page(1)[0], 0);
	assert_int_equal(copy(PLACE + PAGE_SIZE, 0, 20, true, STATUS_NO_RIGHT), 0);
	/* What is there and can only be executed; what is not there; behind the end of the file. */
	assert_int_equal(copy(PLACE + 3 * PAGE_SIZE, 0, 8, false, STATUS_NO_RIGHT), 0);
	assert_int_equal(copy(PLACE + 2 * PAGE_SIZE - 3, 0, 8, false, STATUS_NOT_FOUND), 3);
	assert_int_equal(copy(PLACE, 2 * PAGE_SIZE + PAGE_SIZE / 2 - 5, 9, false, STATUS_LIMIT), 5);
	assert_int_equal(copy(PLACE, 2 * PAGE_SIZE + PAGE_SIZE / 2, 9, false, STATUS_LIMIT), 0);
	assert_int_equal(copy(PLACE, UINT64_MAX - 2, 9, false, STATUS_LIMIT), 0);
	assert_int_equal(copy(PLACE, 0, 0, false, STATUS_OK), 0);
	assert_int_equal(copy(UINT64_MAX - 1, 0, 9, false, STATUS_NOT_FOUND), 0);
	/* Within one page, from the front to what overlaps with it. */
	fake_place(&machine, OTHER, &segment);
	assert_int_equal(copy(PLACE, 1, 100, false, STATUS_OK), 100);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(segment_page(0)[i + 1], (uint8_t)(i * 7));
}

/* No more than a few pages at once, and none beyond the end of all addresses. */
static void test_copy_bounds(void **state)
{
	const uint64_t last = (WINDOW_HIGH_END - 1) << PAGE_SHIFT;

	(void)state;
	begin();
	file = fake_create(OBJECT_SEGMENT, 100 * PAGE_SIZE);
	fake_place(&machine, OTHER, &file);
	for (uint64_t i = 0; i < 40; i++)
		assert_int_equal(attach(i % 8, 1, RIGHT_READ, PLACE + i * PAGE_SIZE), STATUS_OK);
	assert_int_equal(copy(PLACE, 0, 40 * PAGE_SIZE, false, STATUS_OK),
			 KERNEL_COPY_PIECES * PAGE_SIZE);
	assert_int_equal(copy(PLACE, 0, UINT64_MAX, false, STATUS_OK),
			 KERNEL_COPY_PIECES * PAGE_SIZE);
	assert_int_equal(attach(0, 1, RIGHT_READ, last), STATUS_OK);
	assert_int_equal(copy(last + PAGE_SIZE - 4, 0, 100, false, STATUS_NOT_FOUND), 4);
	assert_int_equal(asks(VIEW, VIEW_COPY, OTHER, (uint64_t[MESSAGE_WORDS]){PLACE, 0, 1, 2}),
			 STATUS_INVALID);
}

/* What was copied counts, though the rest cannot be had at once; and by its size a segment ends
 * with what is attached of it. */
static void test_copy_waits(void **state)
{
	uint64_t first = 0;
	unsigned tries = 0;
	enum fake_end end;

	(void)state;
	begin_copy();
	for (uint32_t nth = 4; nth < 60; nth++) {
		for (unsigned i = 0; i < MESSAGE_WORDS; i++)
			registers()[call_word_register[i]] =
				(uint64_t[MESSAGE_WORDS]){PLACE, 0, 2 * PAGE_SIZE}[i < 3 ? i : 1];
		registers()[REGISTER_R14] = OTHER;
		fake_fails_at = nth;
		fake_fails_with = STATUS_WAIT;
		end = fake_call(&machine, ENTRY_CALL, VIEW, VIEW_COPY, 0);
		fake_fails_at = 0;
		if (end != FAKE_DONE)
			assert_int_equal(fake_again(&machine), FAKE_DONE);
		assert_int_equal(registers()[REGISTER_RSI], STATUS_OK);
		assert_int_equal(word(1), STATUS_OK);
		if (word(0) == PAGE_SIZE) {
			first = nth;
			tries++;
		} else {
			assert_int_equal(word(0), 2 * PAGE_SIZE);
		}
	}
	assert_true(first && tries > 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_operations), cmocka_unit_test(test_ended),
		cmocka_unit_test(test_set),	   cmocka_unit_test(test_end),
		cmocka_unit_test(test_copy),	   cmocka_unit_test(test_copy_bounds),
		cmocka_unit_test(test_copy_waits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
