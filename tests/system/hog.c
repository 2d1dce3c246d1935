/* SPDX-License-Identifier: MIT */
/*
 * hog.c - programs that use up what others need, and one that measures beside them.
 *
 *	hog spin N PRIORITY	N machines that never wait
 *	hog call N PRIORITY	N machines that wait for room in one full port
 *	hog measure N		N more of these; then what a message to another port costs, and
 *				the end of a large table
 *	hog turn		says that it runs, each time that it was given 20 million steps
 *
 * The machines are there when `made` is in the log.  All live as long as the system.
 */
#include "base/quantity.h"
#include "base/text.h"
#include "user/lib/directory.h"
#include "user/lib/machine.h"
#include "user/lib/message.h"
#include "user/lib/program.h"
#include "user/lib/service.h"
#include "user/lib/slot.h"
#include "user/lib/spawn.h"
#include "user/lib/table.h"

#define HOG	  "/bin/hog"
#define SLOT_FULL 16u /* the port of which all want some */
#define ROUNDS	  50u
#define FOR_EVER  (UINT64_C(1) << 62)

static void steps(uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		__asm__ volatile("");
}

static struct port port_make(uint32_t capacity)
{
	struct port port = PORT(slot_take());

	if (bank_port(OWN_BANK, capacity, port.slot) != STATUS_OK)
		program_fail("there is no port");
	return port;
}

static void make(const char *what, uint64_t count, uint32_t priority, struct port port)
{
	char *arguments[] = {(char *)what, NULL};
	struct spawn_request request = {
		.name = "hogs",
		.priority = priority,
		.arguments = 1,
		.argument = arguments,
		.inherit = 1u << SLOT_LOG,
		.grant = {{port.slot, SLOT_FULL}},
		.grants = 1,
		.queue = 1,
	};
	struct spawned spawned;

	if (path_segment(HOG, &request.program) != STATUS_OK)
		program_fail("%s is not there", HOG);
	for (uint64_t i = 0; i < count; i++) {
		enum status status = spawn_machine(&request, &spawned);

		if (status != STATUS_OK)
			program_fail("machine %lu: %s", i, status_text(status));
		slot_give(spawned.machine.slot);
	}
}

/* Nanoseconds for a message that is sent and received, when nothing comes between. */
static uint64_t message_ns(struct port port)
{
	uint64_t least = UINT64_MAX;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct message message = {.label = 1}, received = {.deadline = 1};
		uint64_t begin = clock_uptime(), took;

		if (message_send(port, &message, false) != STATUS_OK ||
		    message_receive(port, &received) != STATUS_OK)
			program_fail("a message is lost");
		took = clock_uptime() - begin;
		least = took < least ? took : least;
	}
	return least;
}

/* The same for the end of a large table of which nothing was used. */
static uint64_t table_ns(void)
{
	struct table table = TABLE(slot_take());
	uint64_t begin;

	if (bank_table(OWN_BANK, TABLE_SLOTS_MAX, table.slot) != STATUS_OK)
		program_fail("there is no table");
	begin = clock_uptime();
	if (table_destroy(OWN_TABLE, table.slot) != STATUS_OK)
		program_fail("the table stays");
	return clock_uptime() - begin;
}

static void measure(uint64_t count)
{
	struct port full = port_make(1), other = port_make(4);

	make("call", count, 6, full);
	clock_sleep_until(clock_uptime() + 3 * NS_PER_SECOND);
	log_print("a message beside %lu that wait %lu ns, the end of a table %lu ns", count,
		  message_ns(other), table_ns());
}

int main(int argc, char **argv)
{
	uint64_t count = 0, priority = 0;

	if (argc > 2)
		quantity_parse(argv[2], QUANTITY_ANY, &count);
	if (argc > 3)
		quantity_parse(argv[3], QUANTITY_ANY, &priority);
	if (argc < 2)
		program_fail("usage: hog WHAT [N [PRIORITY]]");
	if (count && text_equal(argv[1], "measure")) {
		measure(count);
	} else if (count) {
		make(argv[1], count, (uint32_t)priority, port_make(1));
		log_print("made");
		clock_sleep_until(FOR_EVER);
	} else if (text_equal(argv[1], "call")) {
		struct message message = {.label = 1};

		message_call(PORT(SLOT_FULL), &message);
	}
	while (text_equal(argv[1], "spin"))
		steps(1000);
	while (text_equal(argv[1], "turn")) {
		steps(20000000);
		log_print("it runs");
	}
	return 0;
}
