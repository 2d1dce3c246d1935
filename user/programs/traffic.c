/* SPDX-License-Identifier: MIT */
/*
 * traffic.c - a traffic light with a queue of pedestrians, as a state machine.
 *
 *   red --> red_amber --> green --> amber --> red ...
 *     \--> walk --> red_amber          (when somebody waits)
 *
 * The table below is all there is to know of it; `ps` shows where it is.
 * Pedestrians are messages: some come by themselves, others by `run press`.
 */
#include "user/programs/traffic.h"

#include "user/lib/directory.h"
#include "user/lib/program.h"
#include "user/lib/service.h"
#include "user/lib/slot.h"
#include "user/lib/state_machine.h"
#include "user/lib/table.h"

#define TRAFFIC_STATES(X)                                                                          \
	X(TRAFFIC_RED, "red")                                                                      \
	X(TRAFFIC_RED_AMBER, "red_amber")                                                          \
	X(TRAFFIC_GREEN, "green")                                                                  \
	X(TRAFFIC_AMBER, "amber")                                                                  \
	X(TRAFFIC_WALK, "walk")

#define TRAFFIC_EVENTS(X)                                                                          \
	X(TRAFFIC_TIMER, "timer", STATE_EVENT_TIMER)                                               \
	X(TRAFFIC_PRESS, "press", TRAFFIC_LABEL_PRESS)                                             \
	X(TRAFFIC_ASK, "ask", TRAFFIC_LABEL_ASK)

STATE_MACHINE_DECLARE(TRAFFIC_STATES, TRAFFIC_EVENTS)

/* How long each state lasts. */
static const uint64_t traffic_seconds[PROGRAM_STATES] = {
	[TRAFFIC_RED] = 3,   [TRAFFIC_RED_AMBER] = 1, [TRAFFIC_GREEN] = 5,
	[TRAFFIC_AMBER] = 1, [TRAFFIC_WALK] = 4,
};

static uint64_t waiting, crossed;
static uint64_t random_state = 88172645463325252u;

/* Now and then a pedestrian comes: a message to the own port. */
static void traffic_pedestrian(void)
{
	struct message message = {.label = TRAFFIC_LABEL_PRESS};

	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	/* If the queue is full there are enough of them. */
	if (random_state % 4 == 0)
		message_send(SLOT_PORT, &message, false);
}

static uint32_t traffic_enter(struct state_machine *machine, uint32_t state)
{
	state_machine_timer(machine, traffic_seconds[state] * NS_PER_SECOND);
	traffic_pedestrian();
	return state;
}

static uint32_t traffic_after_red(struct state_machine *machine, const struct message *message)
{
	(void)message;
	if (waiting == 0)
		return traffic_enter(machine, TRAFFIC_RED_AMBER);
	crossed += waiting;
	log_print("%llu cross, %llu in all", (unsigned long long)waiting,
		  (unsigned long long)crossed);
	waiting = 0;
	return traffic_enter(machine, TRAFFIC_WALK);
}

static uint32_t traffic_after_walk(struct state_machine *machine, const struct message *message)
{
	(void)message;
	return traffic_enter(machine, TRAFFIC_RED_AMBER);
}

static uint32_t traffic_after_red_amber(struct state_machine *machine,
					const struct message *message)
{
	(void)message;
	return traffic_enter(machine, TRAFFIC_GREEN);
}

static uint32_t traffic_after_green(struct state_machine *machine, const struct message *message)
{
	(void)message;
	return traffic_enter(machine, TRAFFIC_AMBER);
}

static uint32_t traffic_after_amber(struct state_machine *machine, const struct message *message)
{
	(void)message;
	return traffic_enter(machine, TRAFFIC_RED);
}

/* Whoever comes stands in the queue, whatever the light shows. */
static uint32_t traffic_press(struct state_machine *machine, const struct message *message)
{
	(void)message;
	waiting++;
	return machine->state;
}

static uint32_t traffic_ask(struct state_machine *machine, const struct message *message)
{
	(void)message;
	machine->reply.word[0] = waiting;
	machine->reply.word[1] = crossed;
	return machine->state;
}

#define TRAFFIC_TRANSITIONS(X)                                                                     \
	X(TRAFFIC_RED, TRAFFIC_TIMER, TRAFFIC_RED_AMBER, traffic_after_red)                        \
	X(TRAFFIC_RED, TRAFFIC_TIMER, TRAFFIC_WALK, traffic_after_red)                             \
	X(TRAFFIC_WALK, TRAFFIC_TIMER, TRAFFIC_RED_AMBER, traffic_after_walk)                      \
	X(TRAFFIC_RED_AMBER, TRAFFIC_TIMER, TRAFFIC_GREEN, traffic_after_red_amber)                \
	X(TRAFFIC_GREEN, TRAFFIC_TIMER, TRAFFIC_AMBER, traffic_after_green)                        \
	X(TRAFFIC_AMBER, TRAFFIC_TIMER, TRAFFIC_RED, traffic_after_amber)                          \
	X(TRAFFIC_RED, TRAFFIC_PRESS, TRAFFIC_RED, traffic_press)                                  \
	X(TRAFFIC_RED_AMBER, TRAFFIC_PRESS, TRAFFIC_RED_AMBER, traffic_press)                      \
	X(TRAFFIC_GREEN, TRAFFIC_PRESS, TRAFFIC_GREEN, traffic_press)                              \
	X(TRAFFIC_AMBER, TRAFFIC_PRESS, TRAFFIC_AMBER, traffic_press)                              \
	X(TRAFFIC_WALK, TRAFFIC_PRESS, TRAFFIC_WALK, traffic_press)                                \
	X(TRAFFIC_RED, TRAFFIC_ASK, TRAFFIC_RED, traffic_ask)                                      \
	X(TRAFFIC_RED_AMBER, TRAFFIC_ASK, TRAFFIC_RED_AMBER, traffic_ask)                          \
	X(TRAFFIC_GREEN, TRAFFIC_ASK, TRAFFIC_GREEN, traffic_ask)                                  \
	X(TRAFFIC_AMBER, TRAFFIC_ASK, TRAFFIC_AMBER, traffic_ask)                                  \
	X(TRAFFIC_WALK, TRAFFIC_ASK, TRAFFIC_WALK, traffic_ask)

STATE_MACHINE_DEFINE(TRAFFIC_STATES, TRAFFIC_EVENTS, TRAFFIC_TRANSITIONS)

/* Puts a capability to the own port, to send only, where others can find it. */
static void traffic_publish(void)
{
	char name[DIRECTORY_NAME];
	uint32_t directory, port = slot_take();
	enum status status = path_parent(TRAFFIC_PATH, &directory, name);

	if (status == STATUS_OK) {
		status = table_reduce(SLOT_TABLE, SLOT_PORT, port, RIGHT_SEND);
		if (status == STATUS_OK)
			status = directory_link(directory, name, port, true);
		slot_give(directory);
	}
	slot_give(port);
	if (status != STATUS_OK)
		log_print("nobody can press the button: %s", status_text(status));
}

int main(int argc, char **argv)
{
	static struct state_machine machine;

	(void)argc;
	(void)argv;
	traffic_publish();
	state_machine_init(&machine, &state_definition, program_page, TRAFFIC_RED);
	machine.now = clock_uptime();
	state_machine_timer(&machine, traffic_seconds[TRAFFIC_RED] * NS_PER_SECOND);
	state_machine_run(&machine, SLOT_PORT);
}
