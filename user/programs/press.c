/* SPDX-License-Identifier: MIT */
/*
 * press.c - presses the button of the traffic light, or sends an event to another machine.
 *
 *	press [TIMES [PATH EVENT]]
 *
 * Shows how a program finds a port by its name, sends and calls.
 */
#include "user/programs/traffic.h"

#include "base/quantity.h"
#include "user/lib/directory.h"
#include "user/lib/message.h"
#include "user/lib/program.h"
#include "user/lib/service.h"

int main(int argc, char **argv)
{
	struct message press = {.label = TRAFFIC_PRESS}, ask = {.label = TRAFFIC_ASK};
	const char *path = argc > 3 ? argv[2] : TRAFFIC_PATH;
	uint64_t times = 1;
	struct port port;

	if (argc > 1 && (!quantity_parse(argv[1], QUANTITY_ANY, &times) || times > 1000))
		program_fail("%s: not a number up to 1000", argv[1]);
	if (argc == 3 || argc > 4)
		program_fail("usage: press [TIMES [PATH EVENT]]");
	if (argc > 3 && !quantity_parse(argv[3], QUANTITY_ANY, &press.label))
		program_fail("%s: not the number of an event", argv[3]);
	program_check(path_port(path, &port), path);
	for (; times > 0; times--)
		program_check(message_send(port, &press, true), "send");
	if (argc > 3)
		return 0;
	program_check(message_call(port, &ask), "ask the traffic light");
	log_print("%lu wait, %lu have crossed", ask.word[0], ask.word[1]);
	return 0;
}
