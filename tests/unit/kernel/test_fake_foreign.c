/* SPDX-License-Identifier: MIT */
/*
 * test_fake_foreign.c - machines whose system calls go to their keeper: what it is told, what it
 * can answer, and what becomes of them.
 */
#include "tests/unit/kernel/fake_kernel.h"

enum { CLIENT = 20 };

#define BADGE  77u
#define PLACE  UINT64_C(0x400100)
#define NATIVE (UINT64_C(1) << FOREIGN_NATIVE_BIT)

static struct disk_capability client, keeper, port;

static uint64_t *gpr_of(const struct disk_capability *machine)
{
	return fake_machine(machine)->registers.gpr;
}

static void begin(uint32_t foreign)
{
	struct disk_capability told;

	fake_kernel_new();
	client = fake_create(OBJECT_MACHINE, 0);
	keeper = fake_create(OBJECT_MACHINE, 0);
	port = fake_create(OBJECT_PORT, 1);
	fake_place(&keeper, SLOT_PORT, &port);
	fake_place(&keeper, CLIENT, &client);
	told = port;
	told.badge = BADGE;
	fake_machine(&client)->keeper = told;
	fake_machine(&client)->foreign = foreign;
	fake_machine(&client)->state = MACHINE_READY;
	assert_int_equal(fake_call(&keeper, ENTRY_RECEIVE, SLOT_PORT, 0, 0), FAKE_BLOCKED);
}

/* The client executes SYSCALL with these registers. */
static enum fake_end enter(uint64_t rax)
{
	static const uint8_t argument[] = {REGISTER_RDI, REGISTER_RSI, REGISTER_RDX,
					   REGISTER_R10, REGISTER_R8,  REGISTER_R9};
	struct disk_machine *machine = fake_machine(&client);

	machine->state = MACHINE_READY;
	machine->registers.rip = PLACE;
	machine->registers.rflags = 0x246;
	machine->registers.gpr[REGISTER_RAX] = rax;
	for (unsigned i = 0; i < 6; i++)
		machine->registers.gpr[argument[i]] = 100 + i;
	return fake_again(&client);
}

/* The keeper has been told of it. */
static void assert_asked(uint32_t number)
{
	const uint64_t *gpr = gpr_of(&keeper);

	assert_int_equal(fake_machine(&client)->state, MACHINE_FAULTED);
	assert_int_equal(fake_machine(&client)->fault, FAULT_SYSTEM_CALL);
	assert_int_equal(fake_machine(&client)->registers.rip, PLACE);
	assert_int_equal(fake_machine(&keeper)->state, MACHINE_READY);
	assert_true(gpr[REGISTER_RAX] & RECEIVED_EVENT);
	assert_int_equal(gpr[REGISTER_RDI], BADGE);
	assert_int_equal(gpr[REGISTER_RSI], EVENT_SYSTEM_CALL | (uint64_t)number << 32);
	for (unsigned i = 0; i < MESSAGE_WORDS; i++)
		assert_int_equal(gpr[call_word_register[i]], 100 + i);
	assert_int_equal(fake_machine(&keeper)->reply.object, client.object);
}

static void answer(uint64_t label, uint64_t word, const void *data, uint32_t length)
{
	struct disk_capability message_of = keeper;
	void *page;

	if (length) {
		uint64_t number = fake_machine(&message_of)->message_page;

		fake_begin();
		assert_int_equal(space_write(&kernel.space, (page_t){number}, &page), STATUS_OK);
		memcpy(page, data, length);
		fake_begin();
	}
	memset(&gpr_of(&keeper)[REGISTER_R14], 0, sizeof(uint64_t));
	gpr_of(&keeper)[call_word_register[0]] = word;
	assert_int_equal(fake_call(&keeper, ENTRY_SEND, SLOT_REPLY, label, length), FAKE_DONE);
	assert_int_equal(fake_result(&keeper), STATUS_OK);
}

static void assert_goes_on(uint64_t rax)
{
	const struct disk_registers *registers = &fake_machine(&client)->registers;

	assert_int_equal(fake_machine(&client)->state, MACHINE_READY);
	assert_int_equal(fake_machine(&client)->fault, FAULT_NONE);
	assert_int_equal(registers->rip, PLACE + 2);
	assert_int_equal(registers->gpr[REGISTER_RAX], rax);
	assert_int_equal(registers->gpr[REGISTER_RCX], PLACE + 2);
	assert_int_equal(registers->gpr[REGISTER_R11], 0x246);
	assert_int_equal(registers->gpr[REGISTER_RDI], 100);
}

static void test_result(void **state)
{
	/* Whatever eax holds, and whatever that would be here. */
	static const uint64_t numbers[] = {0, 1, ENTRY_YIELD, 231, UINT32_MAX, UINT64_MAX, NATIVE};

	(void)state;
	for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		begin(FOREIGN_CALLS);
		assert_int_equal(enter(numbers[i]), FAKE_BLOCKED);
		assert_asked((uint32_t)numbers[i]);
		answer(KEEPER_RESULT, UINT64_C(0xfedcba9876543210), NULL, 0);
		assert_goes_on(UINT64_C(0xfedcba9876543210));
	}
}

/* With the bit it asks the kernel, if it may; without, or if it may not, its keeper. */
static void test_native(void **state)
{
	(void)state;
	begin(FOREIGN_CALLS | FOREIGN_NATIVE);
	fake_machine(&client)->registers.gpr[REGISTER_RBX] = 1;
	assert_int_equal(enter(NATIVE | 9), FAKE_BLOCKED); /* no such entry */
	assert_int_equal(gpr_of(&keeper)[REGISTER_RSI], EVENT_SYSTEM_CALL | UINT64_C(9) << 32);
	begin(FOREIGN_CALLS | FOREIGN_NATIVE);
	assert_int_equal(enter(NATIVE | ENTRY_AWAIT_REPLY), FAKE_DONE);
	assert_int_equal(fake_result(&client), STATUS_INVALID);
	assert_int_equal(enter(ENTRY_AWAIT_REPLY), FAKE_BLOCKED);
	assert_asked(ENTRY_AWAIT_REPLY);
	/* The bit alone does not make a system call foreign. */
	begin(FOREIGN_NATIVE);
	assert_int_equal(enter(ENTRY_AWAIT_REPLY), FAKE_DONE);
	assert_int_equal(fake_machine(&keeper)->state, MACHINE_RECEIVE);
}

/* What it executes anew after a wait is still the kernel's. */
static void test_native_waits(void **state)
{
	struct disk_capability own;

	(void)state;
	begin(FOREIGN_CALLS | FOREIGN_NATIVE);
	own = fake_create(OBJECT_PORT, 1);
	fake_place(&client, SLOT_PORT, &own);
	fake_machine(&client)->registers.gpr[REGISTER_RBX] = 0;
	fake_machine(&client)->state = MACHINE_READY;
	fake_machine(&client)->registers.gpr[REGISTER_RAX] = NATIVE | ENTRY_REPLY_RECEIVE;
	fake_machine(&client)->registers.gpr[REGISTER_RDI] = SLOT_PORT;
	fake_machine(&client)->registers.gpr[REGISTER_R14] = 0;
	assert_int_equal(fake_again(&client), FAKE_BLOCKED);
	assert_int_equal(fake_machine(&client)->state, MACHINE_RECEIVE);
	assert_int_equal(gpr_of(&client)[REGISTER_RAX], NATIVE | ENTRY_RECEIVE);
}

static void all_registers(struct abi_registers *registers)
{
	memset(registers, 0x11, sizeof(*registers));
	registers->general.rip = 0x500000;
	registers->fs_base = 0x600000;
	registers->gs_base = USER_ARENA_END * PAGE_SIZE - 8;
}

static void test_registers(void **state)
{
	struct abi_registers registers;
	const struct disk_machine *machine;

	(void)state;
	begin(FOREIGN_CALLS);
	enter(5);
	all_registers(&registers);
	answer(KEEPER_REGISTERS, 0, &registers, sizeof(registers));
	machine = fake_machine(&client);
	assert_int_equal(machine->state, MACHINE_READY);
	assert_memory_equal(&machine->registers, &registers.general, sizeof(registers.general));
	assert_int_equal(machine->fs_base, registers.fs_base);
	assert_int_equal(machine->gs_base, registers.gs_base);
	assert_memory_equal(machine->fpu, registers.fpu, sizeof(registers.fpu));
	/* The general ones alone. */
	begin(FOREIGN_CALLS);
	enter(5);
	answer(KEEPER_REGISTERS, 0, &registers, sizeof(registers.general));
	machine = fake_machine(&client);
	assert_int_equal(machine->state, MACHINE_READY);
	assert_int_equal(machine->registers.rip, 0x500000);
	assert_int_equal(machine->fs_base, 0);
	assert_true(memcmp(machine->fpu, registers.fpu, sizeof(registers.fpu)));
	/* What makes no sense holds it for good, with what it had. */
	for (unsigned i = 0; i < 4; i++) {
		begin(FOREIGN_CALLS);
		enter(5);
		all_registers(&registers);
		if (i == 0)
			registers.fs_base = USER_ARENA_END * PAGE_SIZE;
		if (i == 1)
			registers.gs_base = UINT64_MAX;
		answer(i == 3 ? KEEPER_HOLD + 1 : KEEPER_REGISTERS, 0, &registers,
		       sizeof(registers) - (i == 2));
		machine = fake_machine(&client);
		assert_int_equal(machine->state, MACHINE_FAULTED);
		assert_int_equal(machine->registers.rip, PLACE);
		assert_int_equal(machine->fs_base, 0);
	}
}

/* Held, it still owes its caller an answer; let go on for good it does not. */
static void test_hold(void **state)
{
	struct disk_capability caller;

	(void)state;
	for (unsigned hold = 0; hold < 2; hold++) {
		begin(FOREIGN_CALLS);
		caller = fake_create(OBJECT_MACHINE, 0);
		fake_machine(&caller)->state = MACHINE_AWAIT_REPLY;
		fake_machine(&client)->reply =
			(struct disk_capability){.version = caller.version,
						 .object = caller.object,
						 .type = OBJECT_REPLY,
						 .rights = RIGHT_SEND,
						 .aux = fake_machine(&caller)->call_number};
		enter(5);
		assert_asked(5);
		answer(hold ? KEEPER_HOLD : STATUS_INVALID, 0, NULL, 0);
		assert_int_equal(fake_machine(&client)->state, MACHINE_FAULTED);
		assert_int_equal(fake_machine(&client)->reply.version, hold ? caller.version : 0);
		assert_int_equal(fake_machine(&caller)->state,
				 hold ? MACHINE_AWAIT_REPLY : MACHINE_READY);
		/* An answer comes once. */
		assert_int_equal(fake_call(&keeper, ENTRY_SEND, SLOT_REPLY, KEEPER_RESULT, 0),
				 FAKE_DONE);
		assert_int_equal(fake_result(&keeper), STATUS_NO_CAPABILITY);
	}
}

/* A result is none for a fault of another kind, and for a machine of this system. */
static void test_other_faults(void **state)
{
	(void)state;
	begin(FOREIGN_CALLS);
	enter(5);
	fake_machine(&client)->fault = FAULT_PAGE;
	answer(KEEPER_RESULT, 0, NULL, 0);
	assert_int_equal(fake_machine(&client)->state, MACHINE_FAULTED);
	begin(0);
	enter(9);
	assert_int_equal(gpr_of(&keeper)[REGISTER_RSI], EVENT_FAULT);
	answer(KEEPER_RESULT, 0, NULL, 0);
	assert_int_equal(fake_machine(&client)->state, MACHINE_FAULTED);
	/* Again is again: for a system call, too. */
	begin(FOREIGN_CALLS);
	enter(5);
	answer(KEEPER_AGAIN, 0, NULL, 0);
	assert_int_equal(fake_machine(&client)->state, MACHINE_READY);
	assert_int_equal(fake_machine(&client)->registers.rip, PLACE);
}

/* Nobody to be asked: it stands still, visibly. */
static void test_no_keeper(void **state)
{
	(void)state;
	begin(FOREIGN_CALLS);
	fake_machine(&client)->keeper.version = 0;
	assert_int_equal(enter(5), FAKE_BLOCKED);
	assert_int_equal(fake_machine(&client)->state, MACHINE_FAULTED);
	assert_int_equal(fake_machine(&client)->fault, FAULT_SYSTEM_CALL);
	assert_int_equal(fake_machine(&keeper)->state, MACHINE_RECEIVE);
}

/* Said by who controls it, in a state that older systems do not open then. */
static void test_said(void **state)
{
	struct disk_system *system;

	(void)state;
	begin(0);
	fake_machine(&keeper)->state = MACHINE_READY;
	for (uint64_t word = 0; word < 9; word++) {
		gpr_of(&keeper)[call_word_register[0]] = word == 8 ? UINT64_C(1) << 32 : word;
		gpr_of(&keeper)[REGISTER_R14] = 0;
		((struct disk_system *)(void *)fake_page(SYSTEM_PAGE))->version =
			SYSTEM_VERSION_BANKS;
		fake_adopt();
		assert_int_equal(fake_call(&keeper, ENTRY_CALL, CLIENT, MACHINE_FOREIGN, 0),
				 FAKE_DONE);
		assert_int_equal(gpr_of(&keeper)[REGISTER_RSI],
				 word < 4 ? STATUS_OK : STATUS_INVALID);
		assert_int_equal(fake_machine(&client)->foreign, word < 4 ? word : 3);
		system = (void *)fake_page(SYSTEM_PAGE);
		assert_int_equal(system->version,
				 word && word < 4 ? SYSTEM_VERSION : SYSTEM_VERSION_BANKS);
	}
}

/* All registers are told, and set, of a machine that is held. */
static void test_all_registers(void **state)
{
	struct abi_registers registers;
	const uint8_t *told;

	(void)state;
	begin(FOREIGN_CALLS);
	fake_machine(&keeper)->state = MACHINE_READY;
	fake_machine(&client)->stopped = 1;
	all_registers(&registers);
	fake_machine(&client)->fs_base = 0x1234;
	memset(fake_machine(&client)->fpu, 0x77, 512);
	for (uint64_t all = 0; all < 3; all++) {
		gpr_of(&keeper)[call_word_register[0]] = all;
		gpr_of(&keeper)[REGISTER_R14] = 0;
		assert_int_equal(fake_call(&keeper, ENTRY_CALL, CLIENT, MACHINE_REGISTERS, 0),
				 FAKE_DONE);
		assert_int_equal(gpr_of(&keeper)[REGISTER_RSI],
				 all < 2 ? STATUS_OK : STATUS_INVALID);
		assert_int_equal(gpr_of(&keeper)[REGISTER_RAX] >> 16 & 0xffff,
				 all == 0   ? sizeof(registers.general)
				 : all == 1 ? sizeof(registers)
					    : 0);
	}
	told = fake_page(fake_machine(&keeper)->message_page);
	assert_int_equal(((const struct abi_registers *)(const void *)told)->fs_base, 0x1234);
	assert_int_equal(((const struct abi_registers *)(const void *)told)->fpu[511], 0x77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_result),	      cmocka_unit_test(test_native),
		cmocka_unit_test(test_native_waits),  cmocka_unit_test(test_registers),
		cmocka_unit_test(test_hold),	      cmocka_unit_test(test_other_faults),
		cmocka_unit_test(test_no_keeper),     cmocka_unit_test(test_said),
		cmocka_unit_test(test_all_registers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
