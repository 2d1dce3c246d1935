/* SPDX-License-Identifier: MIT */
/*
 * foreign.c - a machine whose system calls are somebody else's: its keeper answers them.
 */
#include "user/programs/selftest/selftest.h"

#include <string.h>
#include "user/lib/file.h"
#include "user/lib/machine.h"
#include "user/lib/message.h"
#include "user/lib/service.h"
#include "user/lib/slot.h"
#include "user/lib/table.h"

#define CODE  UINT64_C(0x400000) /* where such programs like to be */
#define DATA  UINT64_C(0x600000)
#define STACK (DATA + PAGE_SIZE)
#define XMM0  160u /* in an FXSAVE image */

/* A call with six arguments; one that sets FS; then the sum of its first result, of what lies at
 * FS:8, and of an SSE register; a yield of this system's; and the end, with that sum. */
extern const uint8_t foreign_begin[], foreign_end[];
__asm__(".pushsection .rodata\n"
	"foreign_begin:\n"
	"	movl $1, %eax\n"
	"	movl $7, %edi\n"
	"	movl $8, %esi\n"
	"	movl $9, %edx\n"
	"	movl $10, %r10d\n"
	"	movl $11, %r8d\n"
	"	movq $-12, %r9\n"
	"	syscall\n"
	"	movq %rax, %rbx\n"
	"	movl $158, %eax\n"
	"	syscall\n"
	"	addq %fs:8, %rbx\n"
	"	movq %xmm0, %rdi\n"
	"	addq %rdi, %rbx\n"
	"	movabsq $0x4000000000000004, %rax\n"
	"	syscall\n"
	"	movq %rbx, %rdi\n"
	"	movl $60, %eax\n"
	"	syscall\n"
	"	ud2\n"
	"foreign_end:\n"
	".popsection\n");

/* Its next system call; false: it has come to something else. */
static bool next_call(struct message *message, uint32_t number)
{
	return CHECK(message->event) && CHECK((uint32_t)message->label == EVENT_SYSTEM_CALL) &&
	       CHECK(message->label >> 32 == number);
}

static bool answer(struct message *message, uint64_t label, uint64_t result)
{
	*message = (struct message){
		.label = label, .word = {result}, .deadline = clock_uptime() + SELFTEST_LIMIT};
	return EXPECT(message_reply_receive(PORT(SLOT_A), message), OK);
}

/* FS, and a register of the FPU, are what the keeper says. */
static bool set_bases(struct machine machine, struct message *message)
{
	struct abi_registers registers;
	const uint64_t sse = 1000;

	EXPECT(machine_all_registers(machine, &registers), OK);
	CHECK(registers.general.rip > CODE && registers.general.gpr[REGISTER_RAX] == 158);
	registers.general.gpr[REGISTER_RAX] = 0;
	registers.general.rip += 2;
	registers.fs_base = USER_ARENA_END * PAGE_SIZE;
	EXPECT(machine_set_all_registers(machine, &registers), INVALID);
	registers.fs_base = DATA;
	memcpy(registers.fpu + XMM0, &sse, sizeof(sse));
	*message = (struct message){.label = KEEPER_REGISTERS,
				    .data = &registers,
				    .length = sizeof(registers),
				    .deadline = clock_uptime() + SELFTEST_LIMIT};
	return EXPECT(message_reply_receive(PORT(SLOT_A), message), OK);
}

/* `native`: it may ask the kernel, too. */
static void serve(struct machine machine, const struct file *file, bool native)
{
	struct message message = {.deadline = clock_uptime() + SELFTEST_LIMIT};
	static const uint64_t arguments[] = {7, 8, 9, 10, 11, (uint64_t)-12};

	EXPECT(machine_set_foreign(machine, 4), INVALID);
	EXPECT(machine_set_foreign(machine, FOREIGN_CALLS | (native ? FOREIGN_NATIVE : 0)), OK);
	EXPECT(machine_start(machine, CODE, STACK, 0), OK);
	if (!EXPECT(message_receive(PORT(SLOT_A), &message), OK) || !next_call(&message, 1))
		return;
	CHECK(!memcmp(message.word, arguments, sizeof(arguments)));
	((volatile uint64_t *)file_data(file))[PAGE_SIZE / 8 + 1] = 300;
	if (!answer(&message, KEEPER_RESULT, 20) || !next_call(&message, 158) ||
	    !set_bases(machine, &message))
		return;
	if (!native && (!next_call(&message, 4) || !answer(&message, KEEPER_RESULT, 0)))
		return;
	if (!next_call(&message, 60))
		return;
	CHECK(message.word[0] == 1320);
	/* It stays where it is: what it executes next is no instruction. */
	if (answer(&message, KEEPER_RESULT, 0))
		CHECK(message.event && message.label == EVENT_FAULT &&
		      message.word[0] == FAULT_INSTRUCTION);
}

static void selftest_foreign_machine(bool native)
{
	struct machine machine = {slot_take()};
	struct file file;
	uint64_t message_page;

	if (!EXPECT(file_create(&file, 2 * PAGE_SIZE, true), OK))
		return;
	EXPECT(file_resize(&file, 2 * PAGE_SIZE), OK);
	memcpy(file_data(&file), foreign_begin, (size_t)(foreign_end - foreign_begin));
	if (EXPECT(bank_machine(OWN_BANK, "foreign", 5, machine.slot, &message_page), OK)) {
		EXPECT(machine_attach_at(machine, file.segment, 0, 1, RIGHT_READ | RIGHT_EXECUTE,
					 false, CODE),
		       OK);
		EXPECT(machine_attach_at(machine, file.segment, 1, 1, RIGHT_READ | RIGHT_WRITE,
					 false, DATA),
		       OK);
		EXPECT(machine_set_keeper(machine, PORT(SLOT_A)), OK);
		serve(machine, &file, native);
		EXPECT(machine_destroy(machine), OK);
	}
	slot_give(machine.slot);
	file_close(&file);
}

void selftest_foreign(void)
{
	if (!EXPECT(bank_port(OWN_BANK, 4, SLOT_A), OK))
		return;
	selftest_foreign_machine(false);
	selftest_foreign_machine(true);
	EXPECT(table_destroy(OWN_TABLE, SLOT_A), OK);
}
