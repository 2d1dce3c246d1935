/* SPDX-License-Identifier: MIT */
/*
 * machines.c - control over another machine, faults and their keepers.
 */
#include "user/programs/selftest/selftest.h"

#include "user/lib/file.h"
#include "user/lib/machine.h"
#include "user/lib/message.h"
#include "user/lib/service.h"
#include "user/lib/slot.h"
#include "user/lib/table.h"
#include "base/text.h"

void selftest_control(void)
{
	struct abi_machine_info info, again;
	struct disk_registers registers;
	struct spawned child;

	if (!selftest_start("spin", NULL, 0, false, &child))
		return;
	EXPECT(machine_stop(child.machine), OK);
	CHECK(machine_info(child.machine, &info) == STATUS_OK && info.held);
	clock_sleep_until(clock_uptime() + 20 * NS_PER_MILLISECOND);
	CHECK(machine_info(child.machine, &again) == STATUS_OK && again.cpu_ns == info.cpu_ns);
	EXPECT(machine_registers(child.machine, &registers), OK);
	EXPECT(machine_set_registers(child.machine, &registers), OK);
	EXPECT(machine_continue(child.machine), OK);
	CHECK(machine_info(child.machine, &info) == STATUS_OK && !info.held);
	CHECK(machine_set_registers(child.machine, &registers) != STATUS_OK);
	EXPECT(machine_set_priority(child.machine, 1), OK);
	EXPECT(machine_set_priority(child.machine, MACHINE_PRIORITIES), INVALID);
	EXPECT(machine_set_priority(child.machine, MACHINE_PRIORITIES - 1), NO_RIGHT);
	EXPECT(machine_set_priority(OWN_MACHINE, MACHINE_PRIORITIES - 1), NO_RIGHT);
	CHECK(machine_info(child.machine, &info) == STATUS_OK && info.priority == 1);
	EXPECT(machine_place(child.machine, SLOT_CLOCK, 40), OK);
	EXPECT(machine_take(child.machine, 40, SLOT_C), OK);
	EXPECT(machine_place(child.machine, SLOT_CLOCK, SLOTS_DEFAULT), INVALID);
	EXPECT(machine_take(child.machine, 41, SLOT_C), NO_CAPABILITY);
	EXPECT(table_reduce(OWN_TABLE, child.machine.slot, SLOT_A, RIGHT_READ), OK);
	CHECK(machine_info(MACHINE(SLOT_A), &info) == STATUS_OK);
	EXPECT(machine_stop(MACHINE(SLOT_A)), NO_RIGHT);
	EXPECT(machine_destroy(MACHINE(SLOT_A)), NO_RIGHT);
	EXPECT(machine_destroy(child.machine), OK);
	EXPECT(machine_info(MACHINE(SLOT_A), &info), DEAD);
	slot_give(child.machine.slot);
}

/* Waits for a fault of the machine at SLOT_A's port and checks what is told. */
static bool selftest_await_fault(uint64_t address)
{
	struct message message = {.deadline = clock_uptime() + SELFTEST_LIMIT};

	if (!EXPECT(message_receive(PORT(SLOT_A), &message), OK))
		return false;
	return CHECK(message.event && message.label == EVENT_FAULT &&
		     message.word[0] == FAULT_PAGE && message.word[1] == address);
}

/* The keeper attaches what was missing; the machine goes on and ends, which it is told. */
static void selftest_repair(const struct file *file, const struct spawned *child)
{
	struct message message = {.label = STATUS_OK, .deadline = clock_uptime() + SELFTEST_LIMIT};
	struct abi_machine_info info;

	EXPECT(machine_set_keeper(child->machine, PORT(SLOT_A)), OK);
	if (!selftest_go(child) || !selftest_await_fault(file->address))
		return;
	EXPECT(machine_attach(child->machine, file->segment, 0, 0, RIGHT_READ, false), OK);
	EXPECT(message_reply_receive(PORT(SLOT_A), &message), OK);
	CHECK(message.event && message.label == EVENT_EXIT && message.word[0] == 123);
	CHECK(machine_info(child->machine, &info) == STATUS_OK && info.state == MACHINE_EXITED &&
	      info.exit_code == 123);
}

/* The keeper declines; the machine stays faulted until it is destroyed. */
static void selftest_decline(const struct file *file, const struct spawned *child)
{
	struct message message = {.label = STATUS_INVALID, .deadline = 1};
	struct abi_machine_info info;

	EXPECT(machine_set_keeper(child->machine, PORT(SLOT_A)), OK);
	if (!selftest_go(child) || !selftest_await_fault(file->address))
		return;
	EXPECT(message_reply_receive(PORT(SLOT_A), &message), TIMEOUT);
	CHECK(machine_info(child->machine, &info) == STATUS_OK && info.state == MACHINE_FAULTED &&
	      info.fault == FAULT_PAGE && info.fault_address == file->address);
}

void selftest_keepers(void)
{
	char address[24];
	struct file file;
	struct spawned child;

	if (!EXPECT(bank_port(OWN_BANK, 4, SLOT_A), OK))
		return;
	if (EXPECT(file_create(&file, PAGE_SIZE, true), OK)) {
		EXPECT(file_set(&file, "{", 1), OK); /* 123 */
		text_format(address, sizeof(address), "0x%lx", file.address);
		if (selftest_start("read", address, 0, true, &child)) {
			selftest_repair(&file, &child);
			EXPECT(machine_destroy(child.machine), OK);
			slot_give(child.machine.slot);
		}
		if (selftest_start("read", address, 0, true, &child)) {
			selftest_decline(&file, &child);
			EXPECT(machine_destroy(child.machine), OK);
			slot_give(child.machine.slot);
		}
		file_close(&file);
	}
	EXPECT(table_destroy(OWN_TABLE, SLOT_A), OK);
}
