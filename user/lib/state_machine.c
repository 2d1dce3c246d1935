/* SPDX-License-Identifier: MIT */
/*
 * state_machine.c - dispatching of events by the table.  Pure code; the loop with
 * the system calls is state_loop.c.  Interface in state_machine.h.
 */
#include "user/lib/state_machine.h"

#include <string.h>

static const struct abi_transition *state_transitions(const struct state_definition *definition)
{
	return (const struct abi_transition *)(uintptr_t)definition->table->transition_list;
}

/* Tells the kernel and everyone who looks which state this is. */
static void state_machine_publish(const struct state_machine *machine)
{
	const char(*names)[STATE_NAME] =
		(const char(*)[STATE_NAME])(uintptr_t)machine->definition->table->state_names;

	machine->page->state_index = machine->state;
	memcpy(machine->page->state_name, names[machine->state], STATE_NAME);
}

void state_machine_init(struct state_machine *machine, const struct state_definition *definition,
			struct abi_message_page *page, uint32_t initial)
{
	memset(machine, 0, sizeof(*machine));
	machine->definition = definition;
	machine->page = page;
	machine->state = initial;
	page->state_table = (uint64_t)(uintptr_t)definition->table;
	page->state_moves = 0;
	page->state_moved_ns = 0;
	state_machine_publish(machine);
	page->state_magic = STATE_MAGIC;
}

uint32_t state_machine_event(const struct state_definition *definition, uint64_t label)
{
	uint32_t event = 1;

	while (event < definition->table->events && definition->labels[event] != label)
		event++;
	return event;
}

/* The first transition from this state by this event at or after index `from`. */
static uint32_t state_machine_find(const struct state_machine *machine, uint32_t event,
				   uint32_t from)
{
	const struct abi_transition *list = state_transitions(machine->definition);
	uint32_t count = machine->definition->table->transitions;

	while (from < count && (list[from].state != machine->state || list[from].event != event))
		from++;
	return from;
}

static bool state_machine_allows(const struct state_machine *machine, uint32_t event, uint32_t next)
{
	const struct abi_transition *list = state_transitions(machine->definition);
	uint32_t count = machine->definition->table->transitions;
	uint32_t index = state_machine_find(machine, event, 0);

	while (index < count && list[index].next != next)
		index = state_machine_find(machine, event, index + 1);
	return index < count;
}

bool state_machine_dispatch(struct state_machine *machine, uint32_t event,
			    const struct message *message)
{
	const struct state_definition *definition = machine->definition;
	uint32_t index = state_machine_find(machine, event, 0);
	uint32_t next;

	memset(&machine->reply, 0, sizeof(machine->reply));
	if (index == definition->table->transitions) {
		machine->reply.label = STATUS_NO_OPERATION;
		machine->ignored++;
		return false;
	}
	machine->reply.label = STATUS_OK;
	next = definition->handlers[index] ? definition->handlers[index](machine, message)
					   : state_transitions(definition)[index].next;
	if (!state_machine_allows(machine, event, next))
		return false;
	machine->state = next;
	machine->page->state_moves++;
	machine->page->state_moved_ns = machine->now;
	state_machine_publish(machine);
	return true;
}

void state_machine_timer(struct state_machine *machine, uint64_t after_ns)
{
	machine->deadline = machine->now + after_ns;
}
