/* SPDX-License-Identifier: MIT */
/*
 * hog.c - programs that use up what others need, and one that measures beside them.
 *
 *	hog spin N PRIORITY	N machines that never wait
 *	hog call N PRIORITY	N machines that wait for room in one full port
 *	hog measure N		what the ends of large things cost; then N more of these, and
 *				what a message to another port costs, the first write of a page,
 *				and the end of a table
 *	hog meddle		attaches something to each machine that does not run yet
 *	hog told N		N machines that want to be told of a resume, at one port; then how
 *				often it was
 *	hog late N		by how much at most it was woken too late, of N times
 *	hog dirty N		N MiB that are to be written
 *	hog turn		says that it runs, each time that it was given 20 million steps
 *	hog lives N		N ports, one after the other, and of each size, from small to
 *				large, as many segments as can be had; none of them stays
 *
 * The machines are there when `made` is in the log.  All live as long as the system.
 */
#include "base/quantity.h"
#include "base/text.h"
#include "user/lib/directory.h"
#include "user/lib/machine.h"
#include "user/lib/message.h"
#include "user/lib/program.h"
#include "user/lib/segment.h"
#include "user/lib/service.h"
#include "user/lib/slot.h"
#include "user/lib/spawn.h"
#include "user/lib/table.h"

#define HOG	    "/bin/hog"
#define SLOT_FULL   16u /* the port of which all want some */
#define ROUNDS	    50u
#define GONE_TRIES  1000u
#define LEAST_SHIFT 41u /* of which all the addresses that there are fit in a table */
#define MOST_SHIFT  45u
#define FOR_EVER    (UINT64_C(1) << 62)

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

/* Nanoseconds for the first write of a page, which is read before if so wanted. */
static uint64_t write_ns(bool read)
{
	struct segment segment = SEGMENT(slot_take());
	struct segment_info info;
	uint64_t least = UINT64_MAX;
	volatile uint8_t *page;

	if (bank_segment(OWN_BANK, ROUNDS * PAGE_SIZE, 0, segment.slot) != STATUS_OK ||
	    segment_info(segment, &info) != STATUS_OK ||
	    machine_attach(OWN_MACHINE, segment, 0, 0, RIGHT_READ | RIGHT_WRITE, true) != STATUS_OK)
		program_fail("there is no memory");
	page = (volatile uint8_t *)info.address;
	for (unsigned i = 0; i < ROUNDS; i++, page += PAGE_SIZE) {
		uint64_t begin, took;

		if (read && *page)
			program_fail("memory that is new holds something");
		begin = clock_uptime();
		*page = 1;
		took = clock_uptime() - begin;
		least = took < least ? took : least;
	}
	return least;
}

/* The same for the end of what lies in a slot. */
static uint64_t end_ns(uint32_t slot)
{
	uint64_t begin = clock_uptime();

	if (table_destroy(OWN_TABLE, slot) != STATUS_OK)
		program_fail("it stays");
	return clock_uptime() - begin;
}

/* Of a large table of which nothing was used. */
static uint64_t table_ns(void)
{
	uint32_t slot = slot_take();

	if (bank_table(OWN_BANK, TABLE_SLOTS_MAX, slot) != STATUS_OK)
		program_fail("there is no table");
	return end_ns(slot);
}

static void queue_make(uint32_t slot, uint32_t messages)
{
	struct message message = {.label = 1};

	if (bank_port(OWN_BANK, PORT_CAPACITY_MAX, slot) != STATUS_OK)
		program_fail("there is no port");
	for (uint32_t i = 0; i < messages; i++)
		if (message_send(PORT(slot), &message, false) != STATUS_OK)
			program_fail("message %u is not queued", i);
}

/* Its table holds so many capabilities to receive from a port. */
static void receiver_make(uint32_t slot, uint32_t ports)
{
	struct port port = port_make(1);
	uint64_t page;

	if (bank_machine(OWN_BANK, "ends", 1, slot, &page) != STATUS_OK)
		program_fail("there is no machine");
	for (uint32_t i = 0; i < ports; i++)
		if (machine_place(MACHINE(slot), port.slot, SLOT_FIRST_FREE + i) != STATUS_OK)
			program_fail("port %u is not placed", i);
}

/* What ending one costs who does it: the least of some, for the kernel's own work, of which
 * there is so much in each tick, is in the first, and in those after a tick. */
#define ENDS 8u
static uint64_t ends_ns(void (*thing_make)(uint32_t slot, uint32_t size), uint32_t size)
{
	uint64_t least = UINT64_MAX;
	uint32_t slot[ENDS];

	for (unsigned i = 0; i < ENDS; i++) {
		slot[i] = slot_take();
		thing_make(slot[i], size);
	}
	for (unsigned i = 0; i < ENDS; i++) {
		uint64_t took = end_ns(slot[i]);

		least = took < least ? took : least;
	}
	return least;
}

#define PORTS_MANY (SLOTS_DEFAULT - SLOT_FIRST_FREE)

static void measure(uint64_t count)
{
	struct port full = port_make(1), other = port_make(4);

	log_print("the end of a machine with 1 port %lu ns, with %u %lu ns",
		  ends_ns(receiver_make, 1), PORTS_MANY, ends_ns(receiver_make, PORTS_MANY));
	log_print("the end of a queue of 1 %lu ns, of %u %lu ns", ends_ns(queue_make, 1),
		  PORT_CAPACITY_MAX, ends_ns(queue_make, PORT_CAPACITY_MAX));
	make("call", count, 6, full);
	clock_sleep_until(clock_uptime() + 3 * NS_PER_SECOND);
	log_print("a message beside %lu that wait %lu ns, a first write %lu ns, of a page that was "
		  "read %lu ns, the end of a table %lu ns",
		  count, message_ns(other), write_ns(false), write_ns(true), table_ns());
}

static void end(uint32_t slot)
{
	if (table_destroy(OWN_TABLE, slot) != STATUS_OK)
		program_fail("an object stays");
	slot_give(slot);
}

/* As many segments as can be had. */
static unsigned lives_of(uint64_t bytes_max)
{
	uint32_t slots[SLOTS_DEFAULT];
	unsigned count = 0;
	enum status status = STATUS_OK;

	while ((slots[count] = slot_take()) != SLOT_NONE) {
		status = bank_segment(OWN_BANK, 1, bytes_max, slots[count]);
		if (status != STATUS_OK)
			break;
		count++;
	}
	if (status != STATUS_OK) {
		slot_give(slots[count]);
		if (status != STATUS_LIMIT)
			program_fail("segment %u: %s", count, status_text(status));
	}
	for (unsigned i = 0; i < count; i++)
		end(slots[i]);
	return count;
}

/* What the bank has been charged; it falls when an object has been taken apart. */
static uint64_t charged(void)
{
	struct bank_usage usage;

	if (bank_usage(OWN_BANK, &usage) != STATUS_OK)
		program_fail("the bank does not answer");
	return usage.pages;
}

/* Until what was destroyed is gone, unless others have been charged for what stays. */
static void gone(uint64_t *before)
{
	for (unsigned i = 0; i < GONE_TRIES && charged() > *before; i++)
		clock_sleep_until(clock_uptime() + NS_PER_SECOND / 1000);
	*before = charged();
}

static void lives(uint64_t count)
{
	uint64_t before = charged();

	for (uint64_t i = 0; i < count; i++) {
		end(port_make(PORT_CAPACITY_MAX).slot);
		gone(&before);
	}
	for (uint32_t shift = LEAST_SHIFT; shift <= MOST_SHIFT; shift++)
		log_print("%u segments of 2^%u bytes", lives_of(UINT64_C(1) << shift), shift);
	log_print("they lived");
}

static void __attribute__((noreturn)) meddle(void)
{
	struct machine machine = MACHINE(slot_take());
	struct segment segment = SEGMENT(slot_take());

	if (bank_segment(OWN_BANK, MACHINE_ATTACHMENTS * PAGE_SIZE, 0, segment.slot) != STATUS_OK ||
	    machine_attach(OWN_MACHINE, segment, 0, 0, RIGHT_READ, true) != STATUS_OK)
		program_fail("there is no segment");
	log_print("it meddles");
	for (;;) {
		struct abi_machine_info info = {.object = 0};

		while (system_machine_next(info.object, &info, machine.slot) == STATUS_OK)
			for (uint64_t i = 0; i < MACHINE_ATTACHMENTS; i++)
				if (info.state == MACHINE_STOPPED)
					machine_attach(machine, segment, i, 1, RIGHT_READ, false);
		clock_sleep_until(clock_uptime() + NS_PER_SECOND / 100);
	}
}

static void late(uint64_t count)
{
	uint64_t most = 0;

	for (uint64_t i = 0; i < count; i++) {
		uint64_t at = clock_uptime() + NS_PER_SECOND / 100, now;

		clock_sleep_until(at);
		now = clock_uptime();
		most = now - at > most ? now - at : most;
	}
	log_print("late by %lu us", most / 1000);
}

/* What does not compress, so that the commit is work. */
static void dirty(uint64_t mib)
{
	struct segment segment = SEGMENT(slot_take());
	struct segment_info info;
	uint64_t x = 88172645463325252u;

	if (bank_segment(OWN_BANK, mib << 20, 0, segment.slot) != STATUS_OK ||
	    segment_info(segment, &info) != STATUS_OK ||
	    machine_attach(OWN_MACHINE, segment, 0, 0, RIGHT_READ | RIGHT_WRITE, true) != STATUS_OK)
		program_fail("there is no memory");
	for (uint64_t i = 0; i < mib << 17; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		((uint64_t *)info.address)[i] = x;
	}
	log_print("made");
	clock_sleep_until(FOR_EVER);
}

/* All that want it are told once of each resume. */
static void told(uint64_t count)
{
	struct port port = port_make(PORT_CAPACITY_MAX);
	struct machine machine = MACHINE(slot_take());
	uint64_t events = 0, of = 0, page;

	for (uint64_t i = 0; i < count; i++) {
		if (bank_machine(OWN_BANK, "told", 3, machine.slot, &page) != STATUS_OK ||
		    machine_on_resume(machine, port) != STATUS_OK)
			program_fail("machine %lu cannot be told", i);
	}
	log_print("made");
	for (;;) {
		struct message message = {.deadline = FOR_EVER};

		if (message_receive(port, &message) != STATUS_OK || !message.event)
			program_fail("no event");
		events = message.word[0] == of ? events + 1 : 1;
		of = message.word[0];
		if (events >= count)
			log_print("told %lu times of %lu", events, of);
	}
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
	} else if (count && text_equal(argv[1], "late")) {
		late(count);
	} else if (count && text_equal(argv[1], "dirty")) {
		dirty(count);
	} else if (count && text_equal(argv[1], "told")) {
		told(count);
	} else if (count && text_equal(argv[1], "lives")) {
		lives(count);
	} else if (count) {
		make(argv[1], count, (uint32_t)priority, port_make(1));
		log_print("made");
		clock_sleep_until(FOR_EVER);
	} else if (text_equal(argv[1], "call")) {
		struct message message = {.label = 1};

		message_call(PORT(SLOT_FULL), &message);
	}
	if (text_equal(argv[1], "meddle"))
		meddle();
	while (text_equal(argv[1], "spin"))
		steps(1000);
	while (text_equal(argv[1], "turn")) {
		steps(20000000);
		log_print("it runs");
	}
	return 0;
}
