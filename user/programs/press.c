/* SPDX-License-Identifier: MIT */
/*
 * press.c - presses the button of the traffic light.
 *
 *	press [TIMES]
 *
 * Shows how a program finds a port by its name, sends and calls.
 */
#include "user/programs/traffic.h"
#include "base/quantity.h"

#include "user/lib/directory.h"
#include "user/lib/message.h"
#include "user/lib/program.h"
#include "user/lib/service.h"
#include "base/text.h"

int main(int argc, char **argv)
{
	struct message press = {.label = TRAFFIC_LABEL_PRESS};
	struct message ask = {.label = TRAFFIC_LABEL_ASK};
	enum object_type type;
	uint64_t times = 1;
	uint32_t port;
	enum status status = path_lookup(TRAFFIC_PATH, &port, &type);

	if (status != STATUS_OK)
		program_fail("%s: %s", TRAFFIC_PATH, status_text(status));
	if (argc > 1 &&
	    (!quantity_parse(argv[1], QUANTITY_ADDRESS | QUANTITY_SIZE, &times) || times > 1000))
		program_fail("%s: not a number up to 1000", argv[1]);
	for (uint64_t i = 0; i < times && status == STATUS_OK; i++)
		status = message_send(port, &press, true);
	if (status == STATUS_OK)
		status = message_call(port, &ask);
	if (status != STATUS_OK)
		program_fail("the traffic light does not answer: %s", status_text(status));
	log_print("%llu wait, %llu have crossed", (unsigned long long)ask.word[0],
		  (unsigned long long)ask.word[1]);
	return 0;
}
