/* SPDX-License-Identifier: MIT */
/*
 * test_fake_segment.c - what is cut, detached or ends is withdrawn from whoever maps it, and
 * a long cut lets others have their turn.
 */
#include "tests/unit/kernel/fake_kernel.h"

#define PAGES 1000u

enum { MACHINE = 20, SEGMENT };

static struct disk_capability machine, segment;
static uint64_t first;

static struct disk_object record_of(const struct disk_capability *capability)
{
	struct disk_object record;

	fake_begin();
	assert_int_equal(object_read(&kernel.space, (object_t){capability->object}, &record),
			 STATUS_OK);
	return record;
}

/* A segment of which every page exists, attached to a machine that holds both. */
static void begin(void)
{
	struct disk_attachment *attachment;

	fake_kernel_new();
	machine = fake_create(OBJECT_MACHINE, 0);
	segment = fake_create(OBJECT_SEGMENT, PAGES * PAGE_SIZE);
	fake_place(&machine, MACHINE, &machine);
	fake_place(&machine, SEGMENT, &segment);
	first = record_of(&segment).first_page;
	for (uint64_t i = 0; i < PAGES; i++) {
		void *data;

		fake_begin();
		assert_int_equal(space_write(&kernel.space, (page_t){first + i}, &data), STATUS_OK);
		*(uint64_t *)data = i + 1;
	}
	attachment = &fake_machine(&machine)->attachments[0];
	*attachment = (struct disk_attachment){segment, first, PAGES, RIGHT_READ | RIGHT_WRITE, 0};
	fake_begin();
}

static enum fake_end ask_words(uint32_t slot, uint64_t label, const uint64_t word[MESSAGE_WORDS],
			       uint32_t pass)
{
	uint64_t *gpr = fake_machine(&machine)->registers.gpr;

	for (unsigned i = 0; i < MESSAGE_WORDS; i++)
		gpr[call_word_register[i]] = word[i];
	gpr[REGISTER_R14] = pass;
	return fake_call(&machine, ENTRY_CALL, slot, label, 0);
}

static enum fake_end ask(uint32_t slot, uint64_t label, uint64_t word)
{
	return ask_words(slot, label, (uint64_t[MESSAGE_WORDS]){word}, 0);
}

static enum status answer(void)
{
	assert_int_equal(fake_result(&machine), STATUS_OK);
	return (enum status)fake_machine(&machine)->registers.gpr[REGISTER_RSI];
}

static void assert_withdrawn(uint32_t times, const struct task *task)
{
	assert_int_equal(fake_withdrawn.times, times);
	assert_ptr_equal(fake_withdrawn.task, task);
	assert_int_equal(fake_withdrawn.range.first, first);
	assert_int_equal(fake_withdrawn.range.pages, task ? PAGES : 1024);
}

/* Each step is a trap of its own; what is seen in between is the old size, with less in it.  The
 * last has withdrawn what may have been mapped since the first. */
static void test_cut(void **state)
{
	uint32_t turns = 1;
	enum fake_end end;

	(void)state;
	begin();
	end = ask(SEGMENT, SEGMENT_RESIZE, 100 * PAGE_SIZE + 8);
	while (end == FAKE_TURN) {
		uint64_t left = fake_pages(first, first + PAGES);

		assert_withdrawn(turns, NULL);
		assert_int_equal(record_of(&segment).size, PAGES * PAGE_SIZE);
		assert_true(left >= 101 && left + turns * STORE_NODE_PAGES >= PAGES);
		turns++;
		end = fake_again(&machine);
	}
	assert_int_equal(end, FAKE_DONE);
	assert_int_equal(answer(), STATUS_OK);
	assert_true(turns > 899 / STORE_NODE_PAGES);
	assert_withdrawn(turns, NULL);
	assert_int_equal(record_of(&segment).size, 100 * PAGE_SIZE + 8);
	assert_int_equal(fake_pages(first, first + PAGES), 101);
	/* To grow takes nothing from anybody. */
	assert_int_equal(ask(SEGMENT, SEGMENT_RESIZE, PAGES * PAGE_SIZE), FAKE_DONE);
	assert_int_equal(answer(), STATUS_OK);
	assert_int_equal(fake_withdrawn.times, turns);
}

static void test_detach(void **state)
{
	(void)state;
	begin();
	assert_int_equal(ask(MACHINE, MACHINE_DETACH, first << PAGE_SHIFT), FAKE_DONE);
	assert_int_equal(answer(), STATUS_OK);
	assert_withdrawn(1, task_find((object_t){machine.object}));
	assert_int_equal(ask(MACHINE, MACHINE_DETACH, first << PAGE_SHIFT), FAKE_DONE);
	assert_int_equal(answer(), STATUS_NOT_FOUND);
}

/* What is refused changes nothing; what is done is withdrawn from the one machine. */
static void test_protect(void **state)
{
	(void)state;
	begin();
	const uint64_t at = first << PAGE_SHIFT;
	const uint64_t words[][MESSAGE_WORDS] = {
		{at, 1, RIGHT_SEND},
		{at + 1, 1, RIGHT_READ},
		{at, PAGES + 1, RIGHT_READ},
		{at, 1, (UINT64_C(1) << 16) + RIGHT_READ},
	};

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		assert_int_equal(ask_words(MACHINE, MACHINE_PROTECT, words[i], 0), FAKE_DONE);
		assert_int_equal(answer(), STATUS_INVALID);
	}
	assert_int_equal(fake_withdrawn.times, 0);
	assert_int_equal(fake_machine(&machine)->attachments[0].rights, RIGHT_READ | RIGHT_WRITE);
	assert_int_equal(ask_words(MACHINE, MACHINE_PROTECT,
				   (uint64_t[MESSAGE_WORDS]){first << PAGE_SHIFT, 5, RIGHT_READ},
				   0),
			 FAKE_DONE);
	assert_int_equal(answer(), STATUS_OK);
	assert_int_equal(fake_withdrawn.times, 1);
	assert_ptr_equal(fake_withdrawn.task, task_find((object_t){machine.object}));
	/* What has changed, and nothing else of it. */
	assert_int_equal(fake_withdrawn.range.first, first);
	assert_int_equal(fake_withdrawn.range.pages, 5);
	assert_int_equal(machine_attachment(fake_machine(&machine), (page_t){first + 4})->rights,
			 RIGHT_READ);
	assert_int_equal(machine_attachment(fake_machine(&machine), (page_t){first + 5})->rights,
			 RIGHT_READ | RIGHT_WRITE);
}

static uint32_t version(uint32_t put)
{
	struct disk_system *system;

	fake_begin();
	assert_int_equal(system_prepare(&kernel.space, &system), STATUS_OK);
	if (put)
		system->version = put;
	return system->version;
}

/* An attachment in a window is what an older system would misread, and only that: then the
 * version says so. */
static void test_window_version(void **state)
{
	const uint64_t own[MESSAGE_WORDS] = {0, 0, RIGHT_READ},
		       window[MESSAGE_WORDS] = {0, 1, RIGHT_READ, 0, WINDOW_LOW_PAGE << PAGE_SHIFT},
		       wrong[MESSAGE_WORDS] = {0, 1, RIGHT_READ, 0, PAGE_SIZE};

	(void)state;
	begin();
	fake_machine(&machine)->attachments[0].segment.version = 0;
	assert_int_equal(version(SYSTEM_VERSION_BANKS), SYSTEM_VERSION_BANKS);
	assert_int_equal(ask_words(MACHINE, MACHINE_ATTACH, own, SEGMENT), FAKE_DONE);
	assert_int_equal(answer(), STATUS_OK);
	assert_int_equal(ask_words(MACHINE, MACHINE_ATTACH, wrong, SEGMENT), FAKE_DONE);
	assert_int_equal(answer(), STATUS_INVALID);
	assert_int_equal(version(SYSTEM_VERSION_MAP), SYSTEM_VERSION_MAP);
	assert_int_equal(ask_words(MACHINE, MACHINE_ATTACH, window, SEGMENT), FAKE_DONE);
	assert_int_equal(answer(), STATUS_BUSY);
	assert_int_equal(version(SYSTEM_VERSION_BANKS), SYSTEM_VERSION_BANKS);
	assert_int_equal(ask_words(MACHINE, MACHINE_ATTACH, window, SEGMENT), FAKE_DONE);
	assert_int_equal(answer(), STATUS_OK);
	assert_int_equal(version(0), SYSTEM_VERSION);
	assert_int_equal(ask(MACHINE, MACHINE_ATTACHED, 0), FAKE_DONE);
	assert_int_equal(answer(), STATUS_OK);
	assert_int_equal(fake_machine(&machine)->registers.gpr[call_word_register[0]],
			 WINDOW_LOW_PAGE << PAGE_SHIFT);
	assert_int_equal(fake_machine(&machine)->registers.gpr[call_word_register[3]],
			 first << PAGE_SHIFT);
}

/* It ends for all before the call returns; an attachment of it that is left over can be
 * detached. */
static void test_end(void **state)
{
	struct disk_capability table;

	(void)state;
	begin();
	table = fake_machine(&machine)->table;
	fake_place(&machine, SEGMENT + 1, &table);
	assert_int_equal(ask(SEGMENT + 1, TABLE_DESTROY, SEGMENT), FAKE_DONE);
	assert_int_equal(answer(), STATUS_OK);
	assert_withdrawn(1, NULL);
	assert_int_equal(ask(MACHINE, MACHINE_DETACH, first << PAGE_SHIFT), FAKE_DONE);
	assert_int_equal(answer(), STATUS_OK);
}

/* What a machine owns ends with it, wherever it is mapped. */
static void test_owned(void **state)
{
	struct disk_capability other;

	(void)state;
	begin();
	fake_machine(&machine)->attachments[0].flags = ATTACHMENT_OWNED;
	fake_begin();
	other = fake_create(OBJECT_MACHINE, 0);
	fake_place(&other, MACHINE, &machine);
	fake_machine(&other)->registers.gpr[call_word_register[0]] = 0;
	assert_int_equal(fake_call(&other, ENTRY_CALL, MACHINE, MACHINE_DESTROY, 0), FAKE_DONE);
	assert_withdrawn(1, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cut),	cmocka_unit_test(test_detach),
		cmocka_unit_test(test_protect), cmocka_unit_test(test_window_version),
		cmocka_unit_test(test_end),	cmocka_unit_test(test_owned),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
