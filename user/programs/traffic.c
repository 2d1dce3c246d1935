/* SPDX-License-Identifier: MIT */
/*
 * traffic.c - a traffic light with a queue of pedestrians, as a state machine.
 *
 *   red --> red_amber --> green --> amber --> red ...
 *     \--> walk --> red_amber          (when somebody waits: `run press`)
 */
#include "user/programs/traffic.h"

#include "user/lib/directory.h"
#include "user/lib/program.h"
#include "user/lib/service.h"
#include "user/lib/state_machine.h"

enum { RED, RED_AMBER, GREEN, AMBER, WALK };

static uint64_t waiting, crossed;

static bool traffic_waits(const struct state_machine *light)
{
	(void)light;
	return waiting > 0;
}

static void traffic_press(struct state_machine *light)
{
	light->reply.word[0] = ++waiting;
}

static void traffic_ask(struct state_machine *light)
{
	light->reply.word[0] = waiting;
	light->reply.word[1] = crossed;
}

static void traffic_walk(struct state_machine *light)
{
	(void)light;
	crossed += waiting;
	log_print("%lu cross, %lu in all", waiting, crossed);
	waiting = 0;
}

static const struct state states[] = {
	[RED] = {.name = "red", .timer_ns = 3 * NS_PER_SECOND},
	[RED_AMBER] = {.name = "red_amber", .timer_ns = 1 * NS_PER_SECOND},
	[GREEN] = {.name = "green", .timer_ns = 5 * NS_PER_SECOND},
	[AMBER] = {.name = "amber", .timer_ns = 1 * NS_PER_SECOND},
	[WALK] = {.name = "walk", .timer_ns = 4 * NS_PER_SECOND, .enter = traffic_walk},
};

static const struct transition transitions[] = {
	{.from = RED, .on = STATE_TIMER, .to = WALK, .when = traffic_waits},
	{.from = RED, .on = STATE_TIMER, .to = RED_AMBER},
	{.from = RED_AMBER, .on = STATE_TIMER, .to = GREEN},
	{.from = GREEN, .on = STATE_TIMER, .to = AMBER},
	{.from = AMBER, .on = STATE_TIMER, .to = RED},
	{.from = WALK, .on = STATE_TIMER, .to = RED_AMBER},
	{.from = STATE_ANY, .on = TRAFFIC_PRESS, .to = STATE_SAME, .act = traffic_press},
	{.from = STATE_ANY, .on = TRAFFIC_ASK, .to = STATE_SAME, .act = traffic_ask},
};

int main(void)
{
	static struct state_machine light = STATE_MACHINE(states, transitions);

	program_check(port_publish(TRAFFIC_PATH), "publish the button");
	state_machine_run(&light, RED);
}
