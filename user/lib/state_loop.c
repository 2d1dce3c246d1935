/* SPDX-License-Identifier: MIT */
/*
 * state_loop.c - the loop of a state machine: receive, dispatch, answer.
 * Interface in state_machine.h.
 *
 * The answer to a call goes out together with the wait for the next message, in
 * one system call.  The loop holds no state of its own.
 */
#include "user/lib/program.h"
#include "user/lib/service.h"
#include "user/lib/state_machine.h"

void state_machine_run(struct state_machine *machine, uint32_t first)
{
	const char *unsound = state_machine_unsound(machine);

	if (unsound)
		program_fail("the tables of states are not sound: %s", unsound);
	machine->now = clock_uptime();
	state_machine_begin(machine, program_page, first);
	for (;;) {
		struct message message = machine->reply;
		enum status status;

		message.deadline = machine->deadline;
		message.buffer = machine->data;
		message.size = sizeof(machine->data);
		status = message_reply_receive(OWN_PORT, &message);
		if (status != STATUS_TIMEOUT)
			program_check(status, "receive");
		machine->now = clock_uptime();
		state_machine_dispatch(machine, status == STATUS_OK ? &message : NULL);
	}
}
