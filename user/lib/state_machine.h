/* SPDX-License-Identifier: MIT */
/*
 * state_machine.h - programs as state machines: a table of states and one of transitions.
 *
 *   enum { LAMP_OFF, LAMP_ON };
 *   static const struct state states[] = {
 *           [LAMP_OFF] = {.name = "off"},
 *           [LAMP_ON] = {.name = "on", .timer_ns = 5 * NS_PER_SECOND},
 *   };
 *   static const struct transition transitions[] = {
 *           {.from = STATE_ANY, .on = LAMP_PRESS, .to = LAMP_ON},
 *           {.from = LAMP_ON, .on = STATE_TIMER, .to = LAMP_OFF},
 *   };
 *   static struct state_machine lamp = STATE_MACHINE(states, transitions);
 *
 *   state_machine_run(&lamp, LAMP_OFF);
 *
 * An event is the label of a message from the machine's own port, or the timer of the
 * state.  The first transition from the current state by that event, of which the guard
 * (`when`) holds or is null, is taken: `act` runs; then the next state is entered, its
 * timer is set, and its `enter` runs.  Whatever runs, runs to completion.  With STATE_SAME
 * nothing is entered, and a timer that has not come yet goes on.
 *
 * What came with a message lies at machine->message->data until the next one is received.  A call
 * is answered with machine->reply, OK unless `act` or `enter` changes it.  An event without a
 * transition is ignored; a call is then answered NO_OPERATION.
 *
 * The current state is told in the message page: `ps`, `state` and `mkstore ps` show it.
 * So is where the tables lie (struct abi_state_table).
 */
#ifndef USER_LIB_STATE_MACHINE_H
#define USER_LIB_STATE_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "kernel/abi.h"
#include "user/lib/message.h"

#define STATE_ANY   UINT32_MAX	/* `from`: whatever it is */
#define STATE_SAME  UINT32_MAX	/* `to`: stays */
#define STATE_TIMER UINT64_C(0) /* `on`; no message is taken for it */

struct state_machine;

struct state {
	char name[STATE_NAME];
	uint64_t timer_ns; /* from entering it; 0: none */
	void (*enter)(struct state_machine *machine);
};

struct transition {
	uint32_t from, to;
	uint64_t on; /* event */
	bool (*when)(const struct state_machine *machine);
	void (*act)(struct state_machine *machine);
};

/* These are struct abi_state and struct abi_transition, of which the types are known. */
static_assert(sizeof(struct state) == sizeof(struct abi_state), "");
static_assert(sizeof(struct transition) == sizeof(struct abi_transition), "");
static_assert(offsetof(struct transition, act) == offsetof(struct abi_transition, act), "");

struct state_machine {
	struct abi_state_table table;
	const struct state *states;
	const struct transition *transitions;
	struct abi_message_page *page; /* where the state is told */
	uint32_t state;
	uint64_t now;		       /* persistent uptime when the event came, ns */
	uint64_t deadline;	       /* of the timer; 0: off */
	uint64_t ignored;	       /* events without a transition */
	const struct message *message; /* the event; null: the timer */
	struct message reply;	    /* if the event is a call; its data must outlive the handler */
	uint8_t data[MESSAGE_DATA]; /* of the message that is handled */
};

#define STATE_MACHINE(state_list, transition_list)                                                 \
	{                                                                                          \
		.table = {.states = sizeof(state_list) / sizeof((state_list)[0]),                  \
			  .transitions = sizeof(transition_list) / sizeof((transition_list)[0])},  \
		.states = (state_list), .transitions = (transition_list),                          \
	}

/* What is wrong with the tables; null: they are sound. */
const char *state_machine_unsound(const struct state_machine *machine);
/* Enters the first state. */
void state_machine_begin(struct state_machine *machine, struct abi_message_page *page,
			 uint32_t first);
/* Handles one event; message null: the timer.  False: it was ignored. */
bool state_machine_dispatch(struct state_machine *machine, const struct message *message);
/* The timer comes `after_ns` after the event being handled, instead of as the state says. */
void state_machine_timer(struct state_machine *machine, uint64_t after_ns);

/* Begins, receives from the machine's own port for ever, and dispatches.  In state_loop.c. */
void state_machine_run(struct state_machine *machine, uint32_t first) __attribute__((noreturn));

#endif
