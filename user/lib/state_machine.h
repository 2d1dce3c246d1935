/* SPDX-License-Identifier: MIT */
/*
 * state_machine.h - programs as state machines, declared as a table.
 *
 * A program lists its states, its events and its transitions once each:
 *
 *   #define LAMP_STATES(X)  X(LAMP_OFF, "off")  X(LAMP_ON, "on")
 *   #define LAMP_EVENTS(X)  X(LAMP_TIMER, "timer", STATE_EVENT_TIMER) \
 *                           X(LAMP_PRESS, "press", 1)
 *   STATE_MACHINE_DECLARE(LAMP_STATES, LAMP_EVENTS)
 *   ... handlers ...
 *   #define LAMP_TRANSITIONS(X) X(LAMP_OFF, LAMP_PRESS, LAMP_ON, lamp_light) \
 *                               X(LAMP_ON, LAMP_TIMER, LAMP_OFF, NULL)
 *   STATE_MACHINE_DEFINE(LAMP_STATES, LAMP_EVENTS, LAMP_TRANSITIONS)
 *
 * Event 0 is the machine's timer; the others are messages, told apart by their
 * label.  A transition is (state, event, next, handler).  The first transition
 * of a state and event names the handler, which runs to completion and answers
 * with the next state; each next state that it can choose has a transition of
 * its own.  Without a handler the next state is the transition's.  An event that
 * has no transition in the current state is ignored; if it was a call, it is
 * answered NO_OPERATION.
 *
 * The table is the symbol `perdure_state_table` of the program and is told to
 * the kernel through the message page, with the current state: that is what `ps`
 * and `mkstore ps` show.
 */
#ifndef USER_LIB_STATE_MACHINE_H
#define USER_LIB_STATE_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "kernel/abi.h"
#include "user/lib/message.h"

#define STATE_EVENT_TIMER UINT64_C(0) /* label of event 0: no message has it */

struct state_machine;
typedef uint32_t (*state_handler)(struct state_machine *machine, const struct message *message);

struct state_definition {
	const struct abi_state_table *table;
	const uint64_t *labels;	       /* one per event */
	const state_handler *handlers; /* one per transition; may be null */
};

struct state_machine {
	const struct state_definition *definition;
	struct abi_message_page *page; /* where the state is told */
	uint32_t state;
	uint64_t now;	      /* persistent uptime when the event came */
	uint64_t deadline;    /* of the timer; 0: off */
	uint64_t ignored;     /* events without a transition */
	struct message reply; /* if the event is a call: answered OK unless changed */
};

/* The definition made by STATE_MACHINE_DEFINE. */
extern const struct state_definition state_definition;
extern const struct abi_state_table perdure_state_table;

/* Begins in state `initial`; the timer is off. */
void state_machine_init(struct state_machine *machine, const struct state_definition *definition,
			struct abi_message_page *page, uint32_t initial);
/* The event with that label; the number of events if there is none. */
uint32_t state_machine_event(const struct state_definition *definition, uint64_t label);
/* Handles one event.  False: it was ignored, or the handler answered with a state
 * that no transition allows, and the state is as before. */
bool state_machine_dispatch(struct state_machine *machine, uint32_t event,
			    const struct message *message);
/* The timer event comes `after_ns` after the event being handled. */
void state_machine_timer(struct state_machine *machine, uint64_t after_ns);

/* Receives from the port for ever and dispatches.  In state_loop.c. */
void state_machine_run(struct state_machine *machine, uint32_t port) __attribute__((noreturn));

/* ---- how a program declares its table ------------------------------------- */

#define STATE_MACHINE_STATE_ENUM(id, text)		      id,
#define STATE_MACHINE_STATE_TEXT(id, text)		      text,
#define STATE_MACHINE_EVENT_ENUM(id, text, label)	      id,
#define STATE_MACHINE_EVENT_TEXT(id, text, label)	      text,
#define STATE_MACHINE_EVENT_LABEL(id, text, label)	      label,
#define STATE_MACHINE_TRANSITION(state, event, next, handler) {state, event, next, 0},
#define STATE_MACHINE_HANDLER(state, event, next, handler)    handler,

#define STATE_MACHINE_DECLARE(STATES, EVENTS)                                                      \
	enum program_state { STATES(STATE_MACHINE_STATE_ENUM) PROGRAM_STATES };                    \
	enum program_event { EVENTS(STATE_MACHINE_EVENT_ENUM) PROGRAM_EVENTS };

#define STATE_MACHINE_DEFINE(STATES, EVENTS, TRANSITIONS)                                          \
	static const char state_names[][STATE_NAME] = {STATES(STATE_MACHINE_STATE_TEXT)};          \
	static const char event_names[][STATE_NAME] = {EVENTS(STATE_MACHINE_EVENT_TEXT)};          \
	static const uint64_t event_labels[] = {EVENTS(STATE_MACHINE_EVENT_LABEL)};                \
	static const struct abi_transition transition_list[] = {                                   \
		TRANSITIONS(STATE_MACHINE_TRANSITION)};                                            \
	static const state_handler transition_handlers[] = {TRANSITIONS(STATE_MACHINE_HANDLER)};   \
	const struct abi_state_table perdure_state_table = {                                       \
		.magic = STATE_MAGIC,                                                              \
		.states = PROGRAM_STATES,                                                          \
		.events = PROGRAM_EVENTS,                                                          \
		.transitions = sizeof(transition_list) / sizeof(transition_list[0]),               \
		.state_names = (uint64_t)(uintptr_t)state_names,                                   \
		.event_names = (uint64_t)(uintptr_t)event_names,                                   \
		.transition_list = (uint64_t)(uintptr_t)transition_list,                           \
	};                                                                                         \
	const struct state_definition state_definition = {&perdure_state_table, event_labels,      \
							  transition_handlers};

#endif
