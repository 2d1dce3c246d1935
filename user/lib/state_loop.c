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

void state_machine_run(struct state_machine *machine, uint32_t port)
{
	for (;;) {
		struct message message = machine->reply;
		uint32_t event = 0;
		enum status status;

		message.deadline = machine->deadline;
		status = message_reply_receive(port, &message);
		if (status == STATUS_TIMEOUT)
			machine->deadline = 0;
		else if (status == STATUS_OK)
			event = state_machine_event(machine->definition, message.label);
		else
			program_fail("cannot receive: %s", status_text(status));
		machine->now = clock_uptime();
		if (!state_machine_dispatch(machine, event, &message) &&
		    machine->reply.label == STATUS_OK)
			program_fail("the handler of event %u chose a state without a transition",
				     event);
	}
}
