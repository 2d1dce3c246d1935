/* SPDX-License-Identifier: MIT */
/*
 * traffic.c - a traffic light with a queue of pedestrians, as a state machine.
 *
 *   red --> red_amber --> green --> amber --> red ...
 *     \--> walk --> red_amber          (when somebody waits)
 *
 * The tables below are all there is to know of it; `ps` shows where it is.
 * Pedestrians are messages: some come by themselves, others by `run press`.
 */
#include "user/programs/traffic.h"

#include "user/lib/directory.h"
#include "user/lib/program.h"
#include "user/lib/service.h"
#include "user/lib/state_machine.h"

static uint64_t waiting, crossed;

/* Now and then a pedestrian comes: a message to the own port. */
static void traffic_come(struct state_machine *machine)
{
	struct message press = {.label = TRAFFIC_LABEL_PRESS};

	/* If the queue is full there are enough of them. */
	if (machine->now / 1000 % 4 == 0)
		message_send(SLOT_PORT, &press, false);
}

static void traffic_cross(struct state_machine *machine)
{
	crossed += waiting;
	log_print("%llu cross, %llu in all", (unsigned long long)waiting,
		  (unsigned long long)crossed);
	waiting = 0;
	traffic_come(machine);
}

static bool traffic_waits(const struct state_machine *machine, const struct message *message)
{
	(void)machine, (void)message;
	return waiting > 0;
}

static void traffic_press(struct state_machine *machine, const struct message *message)
{
	(void)machine, (void)message;
	waiting++;
}

static void traffic_ask(struct state_machine *machine, const struct message *message)
{
	(void)message;
	machine->reply.word[0] = waiting;
	machine->reply.word[1] = crossed;
}

enum { RED, RED_AMBER, GREEN, AMBER, WALK };

static const struct state states[] = {
	[RED] = {.name = "red", .timer_ns = 3 * NS_PER_SECOND, .enter = traffic_come},
	[RED_AMBER] = {.name = "red_amber", .timer_ns = 1 * NS_PER_SECOND, .enter = traffic_come},
	[GREEN] = {.name = "green", .timer_ns = 5 * NS_PER_SECOND, .enter = traffic_come},
	[AMBER] = {.name = "amber", .timer_ns = 1 * NS_PER_SECOND, .enter = traffic_come},
	[WALK] = {.name = "walk", .timer_ns = 4 * NS_PER_SECOND, .enter = traffic_cross},
};

static const struct transition transitions[] = {
	{.from = RED, .on = STATE_TIMER, .to = WALK, .when = traffic_waits},
	{.from = RED, .on = STATE_TIMER, .to = RED_AMBER},
	{.from = RED_AMBER, .on = STATE_TIMER, .to = GREEN},
	{.from = GREEN, .on = STATE_TIMER, .to = AMBER},
	{.from = AMBER, .on = STATE_TIMER, .to = RED},
	{.from = WALK, .on = STATE_TIMER, .to = RED_AMBER},
	/* Whoever comes stands in the queue, whatever the light shows. */
	{.from = STATE_ANY, .on = TRAFFIC_LABEL_PRESS, .to = STATE_SAME, .act = traffic_press},
	{.from = STATE_ANY, .on = TRAFFIC_LABEL_ASK, .to = STATE_SAME, .act = traffic_ask},
};

int main(void)
{
	static struct state_machine light = STATE_MACHINE(states, transitions);
	enum status status = port_publish(TRAFFIC_PATH);

	if (status != STATUS_OK)
		log_print("nobody can press the button: %s", status_text(status));
	state_machine_run(&light, RED);
}
