/* SPDX-License-Identifier: MIT */
/*
 * windows.c - memory that appears elsewhere than at its own address, and whose rights change.
 */
#include "user/programs/selftest/selftest.h"

#include "base/text.h"
#include "user/lib/file.h"
#include "user/lib/machine.h"
#include "user/lib/message.h"
#include "user/lib/segment.h"
#include "user/lib/service.h"
#include "user/lib/slot.h"
#include "user/lib/table.h"

#define LOW  (WINDOW_LOW_PAGE << PAGE_SHIFT)
#define HIGH ((WINDOW_HIGH_END << PAGE_SHIFT) - 2 * PAGE_SIZE)

static enum status show(const struct file *file, uint64_t first, uint64_t pages, uint64_t address)
{
	return machine_attach_at(OWN_MACHINE, file->segment, first, pages, RIGHT_READ, false,
				 address);
}

/* The second page at two addresses, and both at a third; all are the same bytes. */
static void selftest_several(const struct file *file)
{
	static const uint64_t wrong[] = {1,
					 PAGE_SIZE,
					 LOW - PAGE_SIZE,
					 (WINDOW_LOW_END << PAGE_SHIFT) - PAGE_SIZE,
					 WINDOW_LOW_END << PAGE_SHIFT,
					 (WINDOW_HIGH_PAGE << PAGE_SHIFT) - PAGE_SIZE,
					 HIGH + PAGE_SIZE,
					 HIGH + 2 * PAGE_SIZE,
					 UINT64_MAX - PAGE_SIZE + 1};
	volatile uint8_t *own = file_data(file);
	volatile uint8_t *low = (uint8_t *)(uintptr_t)LOW;
	volatile uint8_t *high = (uint8_t *)(uintptr_t)HIGH;
	struct machine_attachment attachment;

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		EXPECT(show(file, 0, 2, wrong[i]), INVALID);
	EXPECT(show(file, 1, 1, LOW), OK);
	EXPECT(show(file, 0, 1, LOW), ATTACHED);
	EXPECT(show(file, 1, 1, LOW + PAGE_SIZE), OK);
	EXPECT(show(file, 0, 2, HIGH), OK);
	own[PAGE_SIZE + 7] = 77;
	CHECK(low[7] == 77 && low[PAGE_SIZE + 7] == 77 && high[PAGE_SIZE + 7] == 77);
	own[PAGE_SIZE + 7] = 78;
	own[7] = 7;
	CHECK(low[7] == 78 && low[PAGE_SIZE + 7] == 78 && high[PAGE_SIZE + 7] == 78);
	CHECK(high[7] == 7);
	EXPECT(machine_attached(OWN_MACHINE, 0, &attachment), OK);
	CHECK(attachment.address == LOW && attachment.pages == 1 &&
	      attachment.rights == RIGHT_READ);
	CHECK(attachment.own_address == file->address + PAGE_SIZE);
	EXPECT(machine_attached(OWN_MACHINE, HIGH - 1, &attachment), OK);
	CHECK(attachment.address == HIGH && attachment.pages == 2);
	EXPECT(machine_attached(OWN_MACHINE, HIGH + 1, &attachment), NOT_FOUND);
	EXPECT(machine_detach(OWN_MACHINE, LOW), OK);
	CHECK(low[PAGE_SIZE + 7] == 78 && own[7] == 7);
	EXPECT(machine_detach(OWN_MACHINE, LOW), NOT_FOUND);
	EXPECT(machine_detach(OWN_MACHINE, LOW + PAGE_SIZE), OK);
	EXPECT(machine_detach(OWN_MACHINE, HIGH + PAGE_SIZE), OK);
}

static bool selftest_faults_at(uint64_t address)
{
	struct message message = {.deadline = clock_uptime() + SELFTEST_LIMIT};

	return EXPECT(message_receive(PORT(SLOT_A), &message), OK) &&
	       CHECK(message.event && message.label == EVENT_FAULT &&
		     message.word[0] == FAULT_PAGE && message.word[1] == address);
}

static void selftest_goes_on(uint32_t code)
{
	struct message message = {.label = STATUS_OK, .deadline = clock_uptime() + SELFTEST_LIMIT};

	EXPECT(message_reply_receive(PORT(SLOT_A), &message), OK);
	CHECK(message.event && message.label == EVENT_EXIT && message.word[0] == code);
}

/* Without the right it stops at the very address; with it, it goes on. */
static void selftest_protected(const struct file *file, const struct spawned *child)
{
	struct machine machine = child->machine;

	EXPECT(machine_attach_at(machine, file->segment, 0, 2, RIGHT_READ, false, LOW), OK);
	EXPECT(machine_protect(machine, NO_SEGMENT, LOW, 3, RIGHT_READ), INVALID);
	EXPECT(machine_protect(machine, NO_SEGMENT, LOW + 2 * PAGE_SIZE, 1, RIGHT_READ), NOT_FOUND);
	EXPECT(machine_protect(machine, NO_SEGMENT, LOW + 1, 1, RIGHT_READ), INVALID);
	EXPECT(machine_protect(machine, NO_SEGMENT, LOW, 1, RIGHT_WRITE | RIGHT_EXECUTE), INVALID);
	EXPECT(machine_set_keeper(machine, PORT(SLOT_A)), OK);
	if (!selftest_go(child) || !selftest_faults_at(LOW))
		return;
	EXPECT(machine_protect(machine, NO_SEGMENT, LOW, 1, RIGHT_READ | RIGHT_WRITE), NO_RIGHT);
	EXPECT(machine_protect(machine, file->segment, LOW, 1, RIGHT_READ | RIGHT_WRITE), OK);
	selftest_goes_on(124);
	CHECK(*(volatile uint8_t *)file_data(file) == 124);
}

/* What is taken away while it is mapped is taken away there as well. */
static void selftest_taken(const struct file *file, const struct spawned *child, bool cut)
{
	struct message message = {.deadline = clock_uptime() + SELFTEST_LIMIT};
	struct machine machine = child->machine;

	*(volatile uint8_t *)file_data(file) = 100;
	EXPECT(machine_attach_at(machine, file->segment, 0, 1, RIGHT_READ, false, LOW), OK);
	EXPECT(machine_set_keeper(machine, PORT(SLOT_A)), OK);
	if (!selftest_go(child) || !EXPECT(message_receive(PORT(SLOT_A), &message), OK))
		return;
	CHECK(!message.event && message.label == SELFTEST_LABEL);
	if (cut)
		EXPECT(segment_resize(file->segment, 0), OK);
	else
		EXPECT(machine_protect(machine, NO_SEGMENT, LOW, 1, 0), OK);
	message = (struct message){.label = STATUS_OK, .deadline = message.deadline};
	EXPECT(message_reply_receive(PORT(SLOT_A), &message), OK);
	CHECK(message.event && message.label == EVENT_FAULT && message.word[1] == LOW);
	if (cut)
		EXPECT(segment_resize(file->segment, 2 * PAGE_SIZE), OK);
	else
		EXPECT(machine_attach_at(machine, file->segment, 1, 1, RIGHT_READ, false, LOW), OK);
	selftest_goes_on(100); /* what it has read before, and zeros */
}

void selftest_windows(void)
{
	static const char *const doing[] = {"write", "peek", "peek"};
	char address[24];
	struct file file;
	struct spawned child;

	if (!EXPECT(bank_port(OWN_BANK, 4, SLOT_A), OK))
		return;
	text_format(address, sizeof(address), "0x%lx", LOW);
	for (unsigned i = 0; i < sizeof(doing) / sizeof(doing[0]); i++) {
		if (!EXPECT(file_create(&file, 2 * PAGE_SIZE, true), OK))
			break;
		EXPECT(file_resize(&file, 2 * PAGE_SIZE), OK);
		if (i == 0)
			selftest_several(&file);
		*(volatile uint8_t *)file_data(&file) = 123;
		((volatile uint8_t *)file_data(&file))[PAGE_SIZE] = 0;
		if (selftest_start(doing[i], address, SLOT_A, true, &child)) {
			if (i == 0)
				selftest_protected(&file, &child);
			else
				selftest_taken(&file, &child, i == 1);
			EXPECT(machine_destroy(child.machine), OK);
			slot_give(child.machine.slot);
		}
		file_close(&file);
	}
	EXPECT(table_destroy(OWN_TABLE, SLOT_A), OK);
}
