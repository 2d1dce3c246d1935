/* SPDX-License-Identifier: MIT */
/*
 * views.c - memory that machines share by a view: more of it than can be attached to one.
 */
#include "user/programs/selftest/selftest.h"

#include "base/text.h"
#include "user/lib/file.h"
#include "user/lib/message.h"
#include "user/lib/service.h"
#include "user/lib/slot.h"
#include "user/lib/table.h"
#include "user/lib/view.h"

#define PLACE  (WINDOW_HIGH_PAGE << PAGE_SHIFT)
#define PLACES 600u /* each a page of the file, of which there are four */
#define PAGES  4u

static const struct view view = {SLOT_B};

static volatile uint64_t *place(uint64_t number)
{
	return (uint64_t *)(uintptr_t)(PLACE + number * 2 * PAGE_SIZE);
}

/* Many places, of which all show what the file holds, and take what is written. */
static void selftest_places(const struct file *file)
{
	volatile uint64_t *own = file_data(file);
	struct machine_attachment attachment;
	uint64_t address = 0, told = 0, wrong = 0;

	for (uint64_t i = 0; i < PLACES; i++)
		EXPECT(view_attach(view, file->segment, i % PAGES, 1, RIGHT_READ | RIGHT_WRITE,
				   PLACE + i * 2 * PAGE_SIZE),
		       OK);
	EXPECT(view_attach(view, file->segment, 0, 1, RIGHT_READ, PLACE), ATTACHED);
	EXPECT(machine_set_view(OWN_MACHINE, view), OK);
	for (uint64_t i = 0; i < PLACES; i++)
		*place(i) += i;
	for (uint64_t i = 0; i < PLACES; i++)
		wrong += *place(i) != own[i % PAGES * PAGE_SIZE / sizeof(*own)];
	CHECK(!wrong && *place(1) > PLACES);
	while (view_attached(view, address, &attachment) == STATUS_OK) {
		told++;
		address = attachment.address + 1;
	}
	CHECK(told == PLACES);
}

/* What is attached to the machine itself comes first, and what is behind it is there again after
 * that. */
static void selftest_shadow(const struct file *file)
{
	volatile uint8_t *seen = (uint8_t *)(uintptr_t)PLACE;
	volatile uint8_t *own = file_data(file);

	own[0] = 1;
	own[PAGE_SIZE] = 2;
	CHECK(*seen == 1);
	EXPECT(machine_attach_at(OWN_MACHINE, file->segment, 1, 1, RIGHT_READ, false, PLACE), OK);
	CHECK(*seen == 2);
	EXPECT(machine_detach(OWN_MACHINE, PLACE), OK);
	CHECK(*seen == 1);
	EXPECT(view_protect(view, file->segment, PLACE, 1, RIGHT_READ), OK);
	CHECK(*seen == 1);
	EXPECT(view_detach(view, PLACE + 2 * PAGE_SIZE), OK);
	EXPECT(view_detach(view, PLACE + 2 * PAGE_SIZE), NOT_FOUND);
}

/* Bytes by way of the view, as far as it goes. */
static void selftest_copied(const struct file *file)
{
	static char said[] = "through the view";
	uint8_t *own = file_data(file);
	uint64_t copied;

	memcpy(own + 100, said, sizeof(said));
	EXPECT(view_write(view, PLACE + 4 * PAGE_SIZE + 8, file->segment, 100, sizeof(said),
			  &copied),
	       OK);
	CHECK(copied == sizeof(said) && !memcmp(own + 2 * PAGE_SIZE + 8, said, sizeof(said)));
	EXPECT(view_read(view, PLACE + 4 * PAGE_SIZE + 8, file->segment, 200, sizeof(said),
			 &copied),
	       OK);
	CHECK(!memcmp(own + 200, said, sizeof(said)));
	/* Up to what is not there, against the rights, beyond the segment, through no segment. */
	EXPECT(view_read(view, PLACE + 4 * PAGE_SIZE - 2, file->segment, 0, 4, &copied), NOT_FOUND);
	CHECK(copied == 0);
	EXPECT(view_read(view, PLACE + 5 * PAGE_SIZE - 2, file->segment, 0, 4, &copied), NOT_FOUND);
	CHECK(copied == 2);
	EXPECT(view_write(view, PLACE, file->segment, 0, 4, &copied), NO_RIGHT);
	EXPECT(view_read(view, PLACE, file->segment, PAGES * PAGE_SIZE - 1, 4, &copied), LIMIT);
	CHECK(copied == 1);
	EXPECT(view_read(view, PLACE, SEGMENT(SLOT_PORT), 0, 4, &copied), WRONG_TYPE);
	EXPECT(view_read(view, UINT64_MAX, file->segment, 0, 4, &copied), NOT_FOUND);
}

/* Another machine looks through it, too; what is taken away is taken from it as well. */
static void selftest_shared(const struct file *file)
{
	struct message message = {.deadline = clock_uptime() + SELFTEST_LIMIT};
	struct spawned child;
	char address[24];

	text_format(address, sizeof(address), "0x%lx", PLACE + 6 * PAGE_SIZE);
	*(volatile uint8_t *)place(3) = 50;
	if (!selftest_start("peek", address, SLOT_A, true, &child))
		return;
	EXPECT(machine_set_view(child.machine, view), OK);
	EXPECT(machine_set_keeper(child.machine, PORT(SLOT_A)), OK);
	if (selftest_go(&child) && EXPECT(message_receive(PORT(SLOT_A), &message), OK)) {
		CHECK(!message.event && message.label == SELFTEST_LABEL);
		EXPECT(view_detach(view, PLACE + 6 * PAGE_SIZE), OK);
		message = (struct message){.label = STATUS_OK, .deadline = message.deadline};
		EXPECT(message_reply_receive(PORT(SLOT_A), &message), OK);
		CHECK(message.event && message.label == EVENT_FAULT &&
		      message.word[1] == PLACE + 6 * PAGE_SIZE);
		EXPECT(view_attach(view, file->segment, 0, 1, RIGHT_READ, PLACE + 6 * PAGE_SIZE),
		       OK);
		*(volatile uint8_t *)file_data(file) = 7;
		message = (struct message){.label = STATUS_OK, .deadline = message.deadline};
		EXPECT(message_reply_receive(PORT(SLOT_A), &message), OK);
		CHECK(message.event && message.label == EVENT_EXIT && message.word[0] == 57);
	}
	EXPECT(machine_destroy(child.machine), OK);
	slot_give(child.machine.slot);
}

/* With the view all of it is gone, for whoever looks through it. */
static void selftest_view_ends(void)
{
	struct message message = {.deadline = clock_uptime() + SELFTEST_LIMIT};
	struct spawned child;
	char address[24];

	text_format(address, sizeof(address), "0x%lx", PLACE);
	if (!selftest_start("peek", address, SLOT_A, true, &child))
		return;
	EXPECT(machine_set_view(child.machine, view), OK);
	EXPECT(machine_set_keeper(child.machine, PORT(SLOT_A)), OK);
	if (selftest_go(&child) && EXPECT(message_receive(PORT(SLOT_A), &message), OK)) {
		EXPECT(table_destroy(OWN_TABLE, view.slot), OK);
		message = (struct message){.label = STATUS_OK, .deadline = message.deadline};
		EXPECT(message_reply_receive(PORT(SLOT_A), &message), OK);
		CHECK(message.event && message.label == EVENT_FAULT && message.word[1] == PLACE);
		EXPECT(machine_set_view(child.machine, view), DEAD);
	}
	EXPECT(machine_destroy(child.machine), OK);
	slot_give(child.machine.slot);
}

void selftest_views(void)
{
	struct file file;

	if (!EXPECT(bank_port(OWN_BANK, 4, SLOT_A), OK) ||
	    !EXPECT(bank_view(OWN_BANK, SLOT_B), OK) ||
	    !EXPECT(file_create(&file, PAGES * PAGE_SIZE, true), OK))
		return;
	EXPECT(file_resize(&file, PAGES * PAGE_SIZE), OK);
	selftest_places(&file);
	selftest_shadow(&file);
	selftest_copied(&file);
	selftest_shared(&file);
	selftest_view_ends();
	EXPECT(machine_set_view(OWN_MACHINE, NO_VIEW), OK);
	EXPECT(table_delete(OWN_TABLE, SLOT_B), OK);
	file_close(&file);
	EXPECT(table_destroy(OWN_TABLE, SLOT_A), OK);
}
