/* SPDX-License-Identifier: MIT */
/*
 * test_state_machine.c - user/lib/state_machine.c: dispatching by the table, what is
 * told in the message page, and the table that the macros make.
 */
#include "user/lib/state_machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define DOOR_STATES(X)                                                                             \
	X(DOOR_CLOSED, "closed")                                                                   \
	X(DOOR_OPEN, "open")                                                                       \
	X(DOOR_LOCKED, "locked")
#define DOOR_EVENTS(X)                                                                             \
	X(DOOR_TIMER, "timer", STATE_EVENT_TIMER)                                                  \
	X(DOOR_PUSH, "push", 100)                                                                  \
	X(DOOR_KEY, "key", 200)

STATE_MACHINE_DECLARE(DOOR_STATES, DOOR_EVENTS)

static uint32_t chosen;
static unsigned handled;

/* Goes where the message says. */
static uint32_t door_key(struct state_machine *machine, const struct message *message)
{
	handled++;
	assert_int_equal(message->label, 200);
	machine->reply.word[0] = 7;
	state_machine_timer(machine, 50);
	return chosen;
}

#define DOOR_TRANSITIONS(X)                                                                        \
	X(DOOR_CLOSED, DOOR_PUSH, DOOR_OPEN, NULL)                                                 \
	X(DOOR_OPEN, DOOR_TIMER, DOOR_CLOSED, NULL)                                                \
	X(DOOR_CLOSED, DOOR_KEY, DOOR_LOCKED, door_key)                                            \
	X(DOOR_CLOSED, DOOR_KEY, DOOR_CLOSED, door_key)

STATE_MACHINE_DEFINE(DOOR_STATES, DOOR_EVENTS, DOOR_TRANSITIONS)

static struct abi_message_page page;
static struct state_machine machine;

static int setup(void **state)
{
	(void)state;
	memset(&page, 0xff, sizeof(page));
	state_machine_init(&machine, &state_definition, &page, DOOR_CLOSED);
	handled = 0;
	return 0;
}

static bool dispatch(uint64_t label, uint64_t now)
{
	struct message message = {.label = label};

	machine.now = now;
	return state_machine_dispatch(
		&machine, label ? state_machine_event(&state_definition, label) : 0, &message);
}

static void test_table(void **state)
{
	const struct abi_transition *list;

	(void)state;
	assert_true(perdure_state_table.magic == STATE_MAGIC);
	assert_int_equal(perdure_state_table.states, 3);
	assert_int_equal(perdure_state_table.events, 3);
	assert_int_equal(perdure_state_table.transitions, 4);
	assert_string_equal((const char *)(uintptr_t)perdure_state_table.state_names + STATE_NAME,
			    "open");
	assert_string_equal(
		(const char *)(uintptr_t)perdure_state_table.event_names + 2 * STATE_NAME, "key");
	list = (const struct abi_transition *)(uintptr_t)perdure_state_table.transition_list;
	assert_int_equal(list[2].state, DOOR_CLOSED);
	assert_int_equal(list[2].event, DOOR_KEY);
	assert_int_equal(list[2].next, DOOR_LOCKED);
}

static void test_start(void **state)
{
	(void)state;
	assert_true(page.state_magic == STATE_MAGIC);
	assert_true(page.state_table == (uintptr_t)&perdure_state_table);
	assert_string_equal(page.state_name, "closed");
	assert_int_equal(page.state_index, DOOR_CLOSED);
	assert_int_equal(page.state_moves, 0);
	assert_int_equal(machine.deadline, 0);
}

static void test_moves(void **state)
{
	(void)state;
	assert_true(dispatch(100, 1000));
	assert_int_equal(machine.state, DOOR_OPEN);
	assert_string_equal(page.state_name, "open");
	assert_int_equal(page.state_moves, 1);
	assert_int_equal(page.state_moved_ns, 1000);
	assert_int_equal(machine.reply.label, STATUS_OK);
	assert_true(dispatch(0, 2000));
	assert_string_equal(page.state_name, "closed");
	assert_int_equal(page.state_moves, 2);
	/* The whole name changes: nothing of a longer one stays. */
	for (unsigned i = 6; i < STATE_NAME; i++)
		assert_int_equal(page.state_name[i], 0);
}

static void test_ignored(void **state)
{
	(void)state;
	assert_false(dispatch(0, 10));
	assert_false(dispatch(999, 10));
	assert_int_equal(machine.state, DOOR_CLOSED);
	assert_int_equal(machine.ignored, 2);
	assert_int_equal(page.state_moves, 0);
	assert_int_equal(machine.reply.label, STATUS_NO_OPERATION);
}

static void test_handler_chooses(void **state)
{
	(void)state;
	chosen = DOOR_CLOSED;
	assert_true(dispatch(200, 5));
	assert_int_equal(machine.state, DOOR_CLOSED);
	assert_int_equal(machine.reply.word[0], 7);
	assert_int_equal(machine.deadline, 55);
	chosen = DOOR_LOCKED;
	assert_true(dispatch(200, 6));
	assert_string_equal(page.state_name, "locked");
	/* The answer to the last call is not given to the next one. */
	assert_false(dispatch(100, 7));
	assert_int_equal(machine.reply.word[0], 0);
	assert_int_equal(handled, 2);
}

static void test_forbidden_choice(void **state)
{
	(void)state;
	chosen = DOOR_OPEN;
	assert_false(dispatch(200, 5));
	chosen = 77;
	assert_false(dispatch(200, 5));
	assert_int_equal(machine.state, DOOR_CLOSED);
	assert_int_equal(page.state_moves, 0);
	assert_int_equal(machine.reply.label, STATUS_OK);
	assert_int_equal(machine.ignored, 0);
}

static void test_timer_label_is_no_message(void **state)
{
	(void)state;
	/* A message with the timer's label must not be taken for it. */
	assert_int_equal(state_machine_event(&state_definition, STATE_EVENT_TIMER), PROGRAM_EVENTS);
	assert_int_equal(state_machine_event(&state_definition, 200), DOOR_KEY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_table, setup),
		cmocka_unit_test_setup(test_start, setup),
		cmocka_unit_test_setup(test_moves, setup),
		cmocka_unit_test_setup(test_ignored, setup),
		cmocka_unit_test_setup(test_handler_chooses, setup),
		cmocka_unit_test_setup(test_forbidden_choice, setup),
		cmocka_unit_test_setup(test_timer_label_is_no_message, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
