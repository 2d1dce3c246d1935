/* SPDX-License-Identifier: MIT */
/*
 * messages.c - ports, calls, replies, capabilities on the way.
 */
#include "user/programs/selftest/selftest.h"

#include <string.h>
#include "user/lib/directory.h"
#include "user/lib/machine.h"
#include "user/lib/message.h"
#include "user/lib/service.h"
#include "user/lib/slot.h"
#include "user/lib/table.h"

static void selftest_port_queue(void)
{
	struct message message = {.label = SELFTEST_LABEL};
	bool in_order = true;

	for (uint64_t i = 0; i < 4; i++) {
		message.word[0] = i;
		EXPECT(message_send(PORT(SLOT_A), &message, false), OK);
	}
	EXPECT(message_send(PORT(SLOT_A), &message, false), FULL);
	for (uint64_t i = 0; i < 4; i++) {
		message = (struct message){.deadline = 1};
		in_order &= message_receive(PORT(SLOT_A), &message) == STATUS_OK &&
			    message.label == SELFTEST_LABEL && message.word[0] == i;
	}
	CHECK(in_order);
	message = (struct message){.deadline = clock_uptime() + 5 * NS_PER_MILLISECOND};
	EXPECT(message_receive(PORT(SLOT_A), &message), TIMEOUT);
	CHECK(clock_uptime() >= message.deadline);
}

/* Data and capabilities travel; a badge tells who sent. */
static void selftest_port_contents(void)
{
	struct message message = {
		.label = 1, .pass = {SLOT_CLOCK}, .data = "data of the message", .length = 20};
	char received[20], part[4];
	struct table_info info;

	EXPECT(table_badge(OWN_TABLE, SLOT_A, SLOT_B, 4711, RIGHT_SEND), OK);
	CHECK(table_info(OWN_TABLE, SLOT_B, &info) == STATUS_OK && info.badge == 4711);
	EXPECT(message_send(PORT(SLOT_B), &message, false), OK);
	EXPECT(message_send(PORT(SLOT_B), &message, false), OK);
	message = (struct message){.deadline = 1, .take = {0, SLOT_C}, MESSAGE_INTO(&received)};
	EXPECT(message_receive(PORT(SLOT_A), &message), OK);
	CHECK(message.badge == 4711 && message.length == 20 && message.got == 0);
	/* Other calls, with data of their own, do not touch it. */
	EXPECT(directory_lookup(ROOT_DIRECTORY, "selftest-no", SLOT_C, NULL), NOT_FOUND);
	CHECK(message.data == received && memcmp(received, "data of the message", 20) == 0);
	/* What there is no room for is cut off. */
	message = (struct message){.deadline = 1, MESSAGE_INTO(&part)};
	EXPECT(message_receive(PORT(SLOT_A), &message), OK);
	CHECK(message.length == 4 && message.cut == 16 && memcmp(part, "data", 4) == 0);
	message = (struct message){.label = 1, .pass = {SLOT_CLOCK}};
	EXPECT(message_send(PORT(SLOT_B), &message, false), OK);
	message = (struct message){.deadline = 1, .take = {SLOT_C}};
	EXPECT(message_receive(PORT(SLOT_A), &message), OK);
	CHECK(message.got == 1);
	CHECK(table_info(OWN_TABLE, SLOT_C, &info) == STATUS_OK && info.type == OBJECT_CLOCK);
	message = (struct message){.label = 1, .pass = {SLOT_EMPTY}};
	CHECK(message_send(PORT(SLOT_B), &message, false) != STATUS_OK);
	message = (struct message){.deadline = 1};
	EXPECT(message_receive(PORT(SLOT_B), &message), NO_RIGHT);
	EXPECT(table_badge(OWN_TABLE, SLOT_B, SLOT_C, 1, RIGHT_SEND), NO_RIGHT);
}

void selftest_ports(void)
{
	struct message message = {.label = 1};

	if (!EXPECT(bank_port(OWN_BANK, 4, SLOT_A), OK))
		return;
	selftest_port_queue();
	selftest_port_contents();
	EXPECT(table_reduce(OWN_TABLE, SLOT_A, SLOT_C, RIGHT_RECEIVE), OK);
	EXPECT(message_send(PORT(SLOT_C), &message, false), NO_RIGHT);
	EXPECT(table_destroy(OWN_TABLE, SLOT_A), OK);
	EXPECT(message_send(PORT(SLOT_B), &message, false), DEAD);
	EXPECT(message_receive(PORT(SLOT_A), &message), DEAD);
	EXPECT(bank_port(OWN_BANK, 0, SLOT_A), INVALID);
	EXPECT(bank_port(OWN_BANK, PORT_CAPACITY_MAX + 1, SLOT_A), LIMIT);
	message = (struct message){.deadline = 1};
	EXPECT(message_receive(PORT(SLOT_EMPTY), &message), NO_CAPABILITY);
}

void selftest_calls(void)
{
	char answer[16];
	struct message message = {
		.label = 41,
		.word = {1, 2, 3, 4, 5, 6},
		MESSAGE_TEXT("there and back"),
		MESSAGE_INTO(&answer),
	};
	struct table_info info;
	struct spawned child;

	if (!selftest_start("echo", NULL, 0, false, &child))
		return;
	EXPECT(machine_take(child.machine, SLOT_PORT, SLOT_B), OK);
	EXPECT(message_call(PORT(SLOT_B), &message), OK);
	CHECK(message.label == 42 && message.word[0] == 2 && message.word[5] == 7);
	CHECK(message.length == 14 && memcmp(answer, "there and back", 14) == 0);
	message = (struct message){.label = 1, .pass = {SLOT_CLOCK}, .take = {0, 0, 0, 0}};
	EXPECT(message_call(PORT(SLOT_B), &message), OK);
	message = (struct message){.label = 1, .pass = {SLOT_LOG}, .take = {SLOT_C}};
	EXPECT(message_call(PORT(SLOT_B), &message), OK);
	CHECK(message.got == 1);
	CHECK(table_info(OWN_TABLE, SLOT_C, &info) == STATUS_OK && info.type == OBJECT_LOG);
	/* It ends without an answer, and takes its port with it. */
	message = (struct message){.label = 0};
	EXPECT(message_call(PORT(SLOT_B), &message), GONE);
	message = (struct message){.label = 1};
	EXPECT(message_call(PORT(SLOT_B), &message), DEAD);
	message = (struct message){.data = "", .length = MESSAGE_DATA + 1};
	EXPECT(message_call(PORT(SLOT_B), &message), LIMIT);
	slot_give(child.machine.slot);
}

/* A sender that waits for room in a full queue. */
void selftest_waiting_sender(void)
{
	struct message message;
	struct spawned child;
	uint64_t received = 0;

	if (!EXPECT(bank_port(OWN_BANK, 4, SLOT_A), OK) ||
	    !selftest_start("fill", NULL, SLOT_A, false, &child))
		return;
	for (; received < 20; received++) {
		message = (struct message){.deadline = clock_uptime() + SELFTEST_LIMIT};
		if (message_receive(PORT(SLOT_A), &message) != STATUS_OK ||
		    message.word[0] != received)
			break;
	}
	CHECK(received == 20);
	slot_give(child.machine.slot);
	EXPECT(table_destroy(OWN_TABLE, SLOT_A), OK);
}
