/* SPDX-License-Identifier: MIT */
/*
 * state_machine.c - dispatching of events by the tables.  Pure code; the loop with
 * the system calls is state_loop.c.  Interface in state_machine.h.
 */
#include "user/lib/state_machine.h"
#include "base/assert.h"

#include <string.h>

const char *state_machine_unsound(const struct state_machine *machine)
{
	for (uint32_t i = 0; i < machine->table.states; i++)
		if (!machine->states[i].name[0])
			return "a state has no name";
	for (uint32_t i = 0; i < machine->table.transitions; i++) {
		const struct transition *transition = &machine->transitions[i];

		if (transition->from != STATE_ANY && transition->from >= machine->table.states)
			return "a transition begins in a state that there is not";
		if (transition->to != STATE_SAME && transition->to >= machine->table.states)
			return "a transition leads to a state that there is not";
	}
	return NULL;
}

void state_machine_timer(struct state_machine *machine, uint64_t after_ns)
{
	machine->deadline = machine->now + after_ns;
}

static void state_enter(struct state_machine *machine, uint32_t next)
{
	const struct state *state = &machine->states[next];

	ASSERT(next < machine->table.states);
	machine->state = next;
	machine->deadline = state->timer_ns ? machine->now + state->timer_ns : 0;
	machine->page->state_index = next;
	memcpy(machine->page->state_name, state->name, STATE_NAME);
	if (state->enter)
		state->enter(machine);
}

void state_machine_begin(struct state_machine *machine, struct abi_message_page *page,
			 uint32_t first)
{
	ASSERT(page && !state_machine_unsound(machine));
	machine->table.magic = STATE_TABLE_MAGIC;
	machine->table.state_list = (uint64_t)(uintptr_t)machine->states;
	machine->table.transition_list = (uint64_t)(uintptr_t)machine->transitions;
	machine->page = page;
	page->state_table = (uint64_t)(uintptr_t)&machine->table;
	machine->ignored = 0;
	machine->message = NULL;
	memset(&machine->reply, 0, sizeof(machine->reply));
	page->state_moves = 0;
	page->state_moved_ns = 0;
	state_enter(machine, first);
	page->state_magic = STATE_MAGIC;
}

static const struct transition *transition_find(const struct state_machine *machine,
						const struct message *message)
{
	for (uint32_t i = 0; i < machine->table.transitions; i++) {
		const struct transition *found = &machine->transitions[i];

		if (found->from != machine->state && found->from != STATE_ANY)
			continue;
		if (message ? found->on == STATE_TIMER || found->on != message->label
			    : found->on != STATE_TIMER)
			continue;
		if (!found->when || found->when(machine))
			return found;
	}
	return NULL;
}

bool state_machine_dispatch(struct state_machine *machine, const struct message *message)
{
	const struct transition *transition;

	ASSERT(machine->page && machine->state < machine->table.states);
	machine->message = message;
	if (!message)
		machine->deadline = 0;
	memset(&machine->reply, 0, sizeof(machine->reply));
	transition = transition_find(machine, message);
	if (!transition) {
		machine->reply.label = STATUS_NO_OPERATION;
		machine->ignored++;
		return false;
	}
	machine->reply.label = STATUS_OK;
	if (transition->act)
		transition->act(machine);
	if (transition->to != STATE_SAME)
		state_enter(machine, transition->to);
	machine->page->state_moves++;
	machine->page->state_moved_ns = machine->now;
	return true;
}
