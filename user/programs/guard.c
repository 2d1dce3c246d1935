/* SPDX-License-Identifier: MIT */
/*
 * guard.c - a keeper: sends the machine that it holds to a place of recovery when that faults.
 *
 *	guard RIP RSP BYTES	the place, and the stack there, of so many bytes below RSP
 *
 * Started by a machine that grants itself in GUARD_HELD and makes this one's port its keeper;
 * the shell is one (user/shell/guard.c).  The place is called as
 * place(fault, address, code), and is not to return.  Who faults on the stack of recovery is
 * sent there once more, and has no keeper from then on.
 *
 * A program of its own, so that it is small: what keeps others alive is to fit into what a
 * system sets aside for when its store is full.
 */
#include "base/quantity.h"
#include <string.h>
#include "user/lib/machine.h"
#include "user/lib/message.h"
#include "user/lib/program.h"

struct place {
	uint64_t rip, rsp, bytes;
};

static enum status guard_redirect(const struct place *place, const struct message *fault)
{
	struct disk_registers registers;
	enum status status = machine_registers(MACHINE(GUARD_HELD), &registers);

	if (status != STATUS_OK)
		return status;
	/* It is recovering already: it tries again, without a keeper. */
	if (place->rsp - registers.gpr[REGISTER_RSP] < place->bytes)
		return machine_set_keeper(MACHINE(GUARD_HELD), NO_PORT);
	registers.rip = place->rip;
	memset(registers.gpr, 0, sizeof(registers.gpr));
	registers.gpr[REGISTER_RSP] = place->rsp;
	registers.gpr[REGISTER_RDI] = fault->word[0];
	registers.gpr[REGISTER_RSI] = fault->word[1];
	registers.gpr[REGISTER_RDX] = fault->word[3];
	return machine_set_registers(MACHINE(GUARD_HELD), &registers);
}

int main(int argc, char **argv)
{
	struct disk_registers registers;
	struct message message = {0};
	struct place place;

	if (argc != 4 || !quantity_parse(argv[1], QUANTITY_ANY, &place.rip) ||
	    !quantity_parse(argv[2], QUANTITY_ANY, &place.rsp) ||
	    !quantity_parse(argv[3], QUANTITY_ANY, &place.bytes))
		program_fail("usage: guard RIP RSP BYTES, by a program that is to be guarded");
	/* Once for nothing: a full store makes no new pages, and so all that it needs exist
	 * before. */
	program_check(machine_registers(MACHINE(GUARD_HELD), &registers),
		      "look at the machine to be guarded");
	for (;;) {
		program_check(message_reply_receive(OWN_PORT, &message), "receive");
		message.label = message.event && message.label == EVENT_FAULT
					? guard_redirect(&place, &message)
					: STATUS_NO_OPERATION;
		message.length = 0;
	}
}
