/* SPDX-License-Identifier: MIT */
/*
 * replies.c - every way in which a caller, a sender or a mapping could be forgotten.
 */
#include "user/programs/selftest/selftest.h"

#include "user/lib/machine.h"
#include "user/lib/message.h"
#include "user/lib/segment.h"
#include "user/lib/service.h"
#include "user/lib/slot.h"
#include "user/lib/table.h"
#include "base/text.h"

#define REPLIES_WAIT (100 * NS_PER_MILLISECOND)

static void replies_pause(void)
{
	clock_sleep_until(clock_uptime() + REPLIES_WAIT);
}

/* Waits until the machine is in this state and has sent so many messages. */
static bool replies_await(struct machine machine, enum machine_state state, uint64_t sent,
			  struct abi_machine_info *info)
{
	uint64_t limit = clock_uptime() + SELFTEST_LIMIT;

	while (machine_info(machine, info) == STATUS_OK && clock_uptime() < limit) {
		if (info->state == state && info->messages_sent >= sent)
			return true;
		clock_sleep_until(clock_uptime() + 10 * NS_PER_MILLISECOND);
	}
	return false;
}

/* A child that calls SLOT_A, and that call received: its reply is in SLOT_REPLY. */
static bool replies_called(const char *what, const char *argument, struct spawned *child)
{
	struct message message = {.deadline = clock_uptime() + SELFTEST_LIMIT};

	if (!selftest_start(what, argument, SLOT_A, true, child))
		return false;
	EXPECT(machine_set_keeper(child->machine, PORT(SLOT_A)), OK);
	return selftest_go(child) && EXPECT(message_receive(PORT(SLOT_A), &message), OK) &&
	       CHECK(message.label == SELFTEST_LABEL);
}

/* The keeper at SLOT_A is told. */
static bool replies_exited(uint64_t code)
{
	struct message message = {.deadline = clock_uptime() + SELFTEST_LIMIT};

	return EXPECT(message_receive(PORT(SLOT_A), &message), OK) && message.event &&
	       message.label == EVENT_EXIT && message.word[0] == code;
}

/* A reply capability that is passed on to somebody who has no slot for it. */
static void replies_refused(void)
{
	struct message message = {.label = 1, .pass = {SLOT_REPLY}};
	struct abi_machine_info info;
	struct spawned child;

	if (!EXPECT(bank_port(OWN_BANK, 4, SLOT_B), OK) || !replies_called("call", NULL, &child))
		return;
	EXPECT(message_send(PORT(SLOT_B), &message, false), OK);
	message = (struct message){.deadline = 1};
	EXPECT(message_receive(PORT(SLOT_B), &message), OK);
	CHECK(message.got == 0);
	CHECK(replies_await(child.machine, MACHINE_EXITED, 0, &info) &&
	      info.exit_code == STATUS_GONE);
	CHECK(replies_exited(STATUS_GONE));
	EXPECT(machine_destroy(child.machine), OK);
	slot_give(child.machine.slot);
	EXPECT(table_destroy(OWN_TABLE, SLOT_B), OK);
}

/* A caller whose table is gone cannot take the capability that answers it; that is
 * no trouble of the server's. */
static void replies_without_table(void)
{
	struct message message = {.label = 1, .pass = {SLOT_CLOCK}};
	struct spawned child;

	if (!replies_called("call", NULL, &child))
		return;
	EXPECT(machine_take(child.machine, SLOT_PORT, SLOT_B), OK);
	EXPECT(machine_take(child.machine, SLOT_TABLE, SLOT_C), OK);
	/* Without a table it cannot even end, and stops; nobody need be told. */
	EXPECT(machine_set_keeper(child.machine, NO_PORT), OK);
	EXPECT(table_destroy(OWN_TABLE, SLOT_C), OK);
	message.deadline = 1;
	EXPECT(message_reply_receive(PORT(SLOT_A), &message), TIMEOUT);
	EXPECT(machine_destroy(child.machine), OK);
	slot_give(child.machine.slot);
	EXPECT(table_destroy(OWN_TABLE, SLOT_B), OK);
}

/* The receiver of a full queue ends; what is queued waits for the next one, and the sender
 * goes on then. */
static void replies_receiver_ends(void)
{
	struct abi_machine_info info;
	struct message message;
	struct spawned receiver, sender;

	if (!EXPECT(bank_port(OWN_BANK, 4, SLOT_B), OK) ||
	    !selftest_start("bind", NULL, SLOT_B, false, &receiver))
		return;
	CHECK(replies_await(receiver.machine, MACHINE_RECEIVE, 0, &info));
	if (!selftest_start("fill", NULL, SLOT_B, false, &sender))
		return;
	replies_pause();
	EXPECT(machine_destroy(receiver.machine), OK);
	for (uint64_t i = 0; i < 20; i++) {
		message = (struct message){.deadline = clock_uptime() + SELFTEST_LIMIT};
		if (!EXPECT(message_receive(PORT(SLOT_B), &message), OK) ||
		    !CHECK(message.word[0] == i))
			break;
	}
	slot_give(receiver.machine.slot);
	slot_give(sender.machine.slot);
	EXPECT(table_destroy(OWN_TABLE, SLOT_B), OK);
}

/* Who receives is told that the port is gone, or that it has been taken from it. */
static void replies_no_port(bool taken)
{
	struct abi_machine_info info;
	struct spawned receiver;

	if (!EXPECT(bank_port(OWN_BANK, 4, SLOT_B), OK) ||
	    !selftest_start("receive", NULL, SLOT_B, true, &receiver))
		return;
	EXPECT(machine_set_keeper(receiver.machine, PORT(SLOT_A)), OK);
	selftest_go(&receiver);
	CHECK(replies_await(receiver.machine, MACHINE_RECEIVE, 0, &info));
	EXPECT(machine_take(receiver.machine, SLOT_TABLE, SLOT_C), OK);
	if (taken)
		EXPECT(table_delete(TABLE(SLOT_C), SELFTEST_SECOND), OK);
	else
		EXPECT(table_destroy(OWN_TABLE, SLOT_B), OK);
	CHECK(replies_exited(taken ? STATUS_NO_CAPABILITY : STATUS_DEAD));
	if (taken)
		EXPECT(table_destroy(OWN_TABLE, SLOT_B), OK);
	EXPECT(machine_destroy(receiver.machine), OK);
	slot_give(receiver.machine.slot);
}

/* A segment goes with its owner, also where others have more of it mapped. */
static void replies_owner_ends(void)
{
	struct message message = {.deadline = clock_uptime() + SELFTEST_LIMIT};
	struct segment_info info = {0};
	struct spawned owner, reader;
	char address[24];

	EXPECT(bank_segment(OWN_BANK, 2 * PAGE_SIZE, 2 * PAGE_SIZE, SLOT_B), OK);
	EXPECT(segment_info(SEGMENT(SLOT_B), &info), OK);
	text_format(address, sizeof(address), "0x%lx", info.address + PAGE_SIZE);
	if (!selftest_start("spin", NULL, 0, true, &owner) ||
	    !selftest_start("peek", address, SLOT_A, true, &reader))
		return;
	EXPECT(machine_attach(owner.machine, SEGMENT(SLOT_B), 0, 1, RIGHT_READ, true), OK);
	EXPECT(machine_attach(reader.machine, SEGMENT(SLOT_B), 0, 2, RIGHT_READ, false), OK);
	EXPECT(machine_set_keeper(reader.machine, PORT(SLOT_A)), OK);
	if (!selftest_go(&reader) || !EXPECT(message_receive(PORT(SLOT_A), &message), OK))
		return;
	CHECK(message.label == SELFTEST_LABEL);
	EXPECT(machine_destroy(owner.machine), OK);
	message = (struct message){.deadline = clock_uptime() + SELFTEST_LIMIT};
	EXPECT(message_reply_receive(PORT(SLOT_A), &message), OK);
	CHECK(message.event && message.label == EVENT_FAULT &&
	      message.word[1] == info.address + PAGE_SIZE);
	EXPECT(machine_destroy(reader.machine), OK);
	slot_give(owner.machine.slot);
	slot_give(reader.machine.slot);
}

/*
 * A machine whose table is gone ends when the table's number is another one's, here of
 * the table of a machine made since: that one's port, which its table could destroy,
 * lives on.  What was given back last is used first: the number of the old one's port
 * for the new machine, then that of the table.
 */
static void replies_number_used_again(void)
{
	struct message message = {.label = 1};
	struct spawned child;
	uint64_t message_page;

	if (!EXPECT(bank_port(OWN_BANK, 4, SLOT_B), OK) ||
	    !selftest_start("spin", NULL, 0, true, &child))
		return;
	EXPECT(machine_take(child.machine, SLOT_PORT, SLOT_C), OK);
	EXPECT(machine_take(child.machine, SLOT_TABLE, SLOT_D), OK);
	EXPECT(table_destroy(OWN_TABLE, SLOT_D), OK);
	replies_pause();
	EXPECT(table_destroy(OWN_TABLE, SLOT_C), OK);
	replies_pause();
	EXPECT(bank_machine(OWN_BANK, "again", 1, SLOT_C, &message_page), OK);
	EXPECT(machine_place(MACHINE(SLOT_C), SLOT_B, SLOT_PORT), OK);
	EXPECT(machine_destroy(child.machine), OK);
	EXPECT(message_send(PORT(SLOT_B), &message, false), OK);
	EXPECT(machine_destroy(MACHINE(SLOT_C)), OK);
	EXPECT(message_send(PORT(SLOT_B), &message, false), DEAD);
	slot_give(child.machine.slot);
}

/* What a call does not return it leaves alone. */
static void replies_registers(void)
{
	uint64_t rax = ENTRY_REPLY_RECEIVE, rdi = SLOT_A, deadline = 1;
	register uint64_t r14 __asm__("r14") = SLOT_CLOCK;
	register uint64_t r15 __asm__("r15") = SLOT_C;

	__asm__ volatile("syscall"
			 : "+a"(rax), "+D"(rdi), "+b"(deadline), "+r"(r14), "+r"(r15)
			 :
			 : "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "r12", "r13", "memory");
	CHECK((rax & 0xffff) == STATUS_TIMEOUT);
	CHECK(deadline == 1 && r14 == SLOT_CLOCK && r15 == SLOT_C);
}

void selftest_replies(void)
{
	uint64_t message_page;

	if (!EXPECT(bank_port(OWN_BANK, 4, SLOT_A), OK))
		return;
	replies_refused();
	replies_without_table();
	replies_receiver_ends();
	replies_no_port(false);
	replies_no_port(true);
	replies_owner_ends();
	replies_number_used_again();
	replies_registers();
	/* Names stand in the log, one machine a line. */
	EXPECT(bank_machine(OWN_BANK, "two\nlines", 1, SLOT_C, &message_page), INVALID);
	EXPECT(bank_machine(OWN_BANK, "steers\x9b", 1, SLOT_C, &message_page), INVALID);
	EXPECT(bank_machine(OWN_BANK, "steers\xc2\x9b", 1, SLOT_C, &message_page), INVALID);
	EXPECT(table_destroy(OWN_TABLE, SLOT_A), OK);
}
