/* SPDX-License-Identifier: MIT */
/*
 * test_state_machine.c - user/lib/state_machine.c: dispatching by the tables, and what is
 * told in the message page.
 */
#include "user/lib/state_machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

enum { CLOSED, OPEN, LOCKED };
enum { PUSH = 100, KEY = 200, LOOK = 300 };

static bool key_fits;
static unsigned opened, turned;

static void door_opened(struct state_machine *machine)
{
	assert_int_equal(machine->state, OPEN);
	opened++;
}

static void door_locked(struct state_machine *machine)
{
	machine->reply.word[1] = 8;
	state_machine_timer(machine, 7);
}

static bool door_fits(const struct state_machine *machine)
{
	assert_int_equal(machine->state, CLOSED);
	assert_int_equal(machine->message->label, KEY);
	return key_fits;
}

static void door_turn(struct state_machine *machine)
{
	assert_int_equal(machine->message->label, KEY);
	machine->reply.word[0] = ++turned;
}

static void door_timer(struct state_machine *machine)
{
	assert_null(machine->message);
}

static const struct state states[] = {
	[CLOSED] = {.name = "closed"},
	[OPEN] = {.name = "open", .timer_ns = 500, .enter = door_opened},
	[LOCKED] = {.name = "locked for the night", .enter = door_locked},
};

static const struct transition transitions[] = {
	{.from = CLOSED, .on = PUSH, .to = OPEN},
	{.from = OPEN, .on = STATE_TIMER, .to = CLOSED, .act = door_timer},
	{.from = OPEN, .on = PUSH, .to = OPEN},
	{.from = CLOSED, .on = KEY, .to = LOCKED, .when = door_fits, .act = door_turn},
	{.from = CLOSED, .on = KEY, .to = STATE_SAME, .act = door_turn},
	{.from = STATE_ANY, .on = LOOK, .to = STATE_SAME},
	{.from = STATE_ANY, .on = KEY, .to = CLOSED},
};

static struct abi_message_page page;
static struct state_machine machine;

static int setup(void **state)
{
	(void)state;
	memset(&page, 0xff, sizeof(page));
	machine = (struct state_machine)STATE_MACHINE(states, transitions);
	machine.now = 90;
	state_machine_begin(&machine, &page, CLOSED);
	key_fits = false;
	opened = turned = 0;
	return 0;
}

static bool dispatch(uint64_t label, uint64_t now)
{
	struct message message = {.label = label};

	machine.now = now;
	return state_machine_dispatch(&machine, &message);
}

static bool timer(uint64_t now)
{
	machine.now = now;
	return state_machine_dispatch(&machine, NULL);
}

static void test_start(void **state)
{
	const struct abi_state_table *table =
		(const struct abi_state_table *)(uintptr_t)page.state_table;
	const struct abi_state *list = (const struct abi_state *)(uintptr_t)table->state_list;
	const struct abi_transition *moves =
		(const struct abi_transition *)(uintptr_t)table->transition_list;

	(void)state;
	assert_true(page.state_magic == STATE_MAGIC);
	assert_string_equal(page.state_name, "closed");
	assert_int_equal(page.state_index, CLOSED);
	assert_int_equal(page.state_moves, 0);
	assert_int_equal(machine.deadline, 0);
	assert_true(table->magic == STATE_TABLE_MAGIC);
	assert_int_equal(table->states, 3);
	assert_int_equal(table->transitions, 7);
	assert_string_equal(list[OPEN].name, "open");
	assert_int_equal(list[OPEN].timer_ns, 500);
	assert_int_equal(moves[3].from, CLOSED);
	assert_int_equal(moves[3].to, LOCKED);
	assert_int_equal(moves[3].on, KEY);
	assert_true(moves[3].guard == (uintptr_t)door_fits);
	assert_true(moves[3].act == (uintptr_t)door_turn);
}

static void test_first_state_is_entered(void **state)
{
	(void)state;
	state_machine_begin(&machine, &page, OPEN);
	assert_int_equal(opened, 1);
	assert_int_equal(machine.deadline, 590);
}

static void test_moves(void **state)
{
	(void)state;
	assert_true(dispatch(PUSH, 1000));
	assert_int_equal(machine.state, OPEN);
	assert_string_equal(page.state_name, "open");
	assert_int_equal(page.state_index, OPEN);
	assert_int_equal(page.state_moves, 1);
	assert_int_equal(page.state_moved_ns, 1000);
	assert_int_equal(machine.deadline, 1500);
	assert_int_equal(machine.reply.label, STATUS_OK);
	assert_true(timer(2000));
	assert_int_equal(page.state_moves, 2);
	assert_int_equal(machine.deadline, 0);
	/* The whole name changes: nothing of a longer one stays. */
	for (unsigned i = 6; i < STATE_NAME; i++)
		assert_int_equal(page.state_name[i], 0);
}

static void test_ignored(void **state)
{
	(void)state;
	assert_false(timer(10));
	assert_false(dispatch(999, 10));
	/* A message with the timer's label is not taken for it. */
	machine.state = OPEN;
	assert_false(dispatch(STATE_TIMER, 10));
	assert_int_equal(machine.state, OPEN);
	assert_int_equal(machine.ignored, 3);
	assert_int_equal(page.state_moves, 0);
	assert_int_equal(machine.reply.label, STATUS_NO_OPERATION);
}

static void test_guard(void **state)
{
	(void)state;
	assert_true(dispatch(KEY, 5));
	assert_int_equal(machine.state, CLOSED);
	assert_int_equal(machine.reply.word[0], 1);
	key_fits = true;
	assert_true(dispatch(KEY, 6));
	assert_string_equal(page.state_name, "locked for the night");
	assert_int_equal(machine.reply.word[0], 2);
	/* What is entered can answer, too, and set its timer by itself. */
	assert_int_equal(machine.reply.word[1], 8);
	assert_int_equal(machine.deadline, 13);
	/* The answer to the last call is not given to the next one. */
	assert_false(dispatch(PUSH, 7));
	assert_int_equal(machine.reply.word[0], 0);
	assert_int_equal(turned, 2);
}

static void test_any_and_same(void **state)
{
	(void)state;
	assert_true(dispatch(PUSH, 100));
	/* To stay is not to enter: the timer goes on. */
	assert_true(dispatch(LOOK, 200));
	assert_int_equal(machine.deadline, 600);
	assert_int_equal(opened, 1);
	assert_int_equal(page.state_moves, 2);
	/* To enter anew is: it begins again. */
	assert_true(dispatch(PUSH, 300));
	assert_int_equal(machine.deadline, 800);
	assert_int_equal(opened, 2);
	/* One for every state comes behind those for this one. */
	assert_true(dispatch(KEY, 400));
	assert_int_equal(machine.state, CLOSED);
	assert_int_equal(turned, 0);
}

static void test_unsound(void **state)
{
	static const struct state unnamed[] = {{.name = "a"}, {.name = ""}};
	static const struct transition from[] = {{.from = 3, .on = 1, .to = 0}},
				       to[] = {{.from = 0, .on = 1, .to = 3}};
	struct state_machine broken;

	(void)state;
	assert_null(state_machine_unsound(&machine));
	broken = (struct state_machine)STATE_MACHINE(states, from);
	assert_non_null(strstr(state_machine_unsound(&broken), "begins"));
	broken = (struct state_machine)STATE_MACHINE(states, to);
	assert_non_null(strstr(state_machine_unsound(&broken), "leads"));
	broken = (struct state_machine)STATE_MACHINE(unnamed, transitions);
	assert_non_null(strstr(state_machine_unsound(&broken), "name"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_start, setup),
		cmocka_unit_test_setup(test_first_state_is_entered, setup),
		cmocka_unit_test_setup(test_moves, setup),
		cmocka_unit_test_setup(test_ignored, setup),
		cmocka_unit_test_setup(test_guard, setup),
		cmocka_unit_test_setup(test_any_and_same, setup),
		cmocka_unit_test_setup(test_unsound, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
