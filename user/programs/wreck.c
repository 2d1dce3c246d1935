/* SPDX-License-Identifier: MIT */
/*
 * wreck.c - takes away what others stand on, and keeps the states that come of it.
 *
 *	wreck SEED CHILDREN	needs the store: run -g; it stays, and so does all that is left
 *
 * Child machines make objects of all types, let them refer to each other in every way
 * there is, and destroy them in any order: their own tables, ports that hold messages
 * or that somebody receives from, is kept by or is told of a resume at, segments that
 * are attached, directories that have a name, their own memory, themselves and each
 * other.  Some are alive at a time, in whatever state they have come to, and meanwhile
 * snapshots are taken: for the verifier, to which all of this is sound.
 */
#include <string.h>
#include "user/lib/directory.h"
#include "base/quantity.h"
#include "user/lib/machine.h"
#include "user/lib/message.h"
#include "user/lib/program.h"
#include "user/lib/segment.h"
#include "user/lib/service.h"
#include "user/lib/slot.h"
#include "user/lib/spawn.h"
#include "user/lib/table.h"
#include "base/text.h"

#define WRECK_ALIVE    6u /* children at a time */
#define WRECK_STEPS    300u
#define WRECK_POOL     24u  /* slots for objects ... */
#define WRECK_FIRST    200u /* ... from here on, above those of the library */
#define WRECK_SHARED   4u   /* of these, given by the parent */
#define WRECK_SNAPSHOT 3u   /* children between two snapshots */
#define WRECK_POLL_NS  (20 * NS_PER_MILLISECOND)
#define WRECK_PATIENCE 25u /* polls for one child, before the next one is started */

static uint64_t seed;

static uint64_t wreck_below(uint64_t limit)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % limit;
}

static uint32_t wreck_any(void)
{
	return WRECK_FIRST + (uint32_t)wreck_below(WRECK_POOL);
}

/* A slot of the pool with an object of that type, if there is one soon. */
static uint32_t wreck_one(enum object_type type)
{
	uint32_t first = wreck_any();

	for (uint32_t i = 0; i < WRECK_POOL; i++) {
		uint32_t slot = WRECK_FIRST + (first - WRECK_FIRST + i) % WRECK_POOL;
		struct table_info info;

		if (table_info(OWN_TABLE, slot, &info) == STATUS_OK && info.type == type)
			return slot;
	}
	return first;
}

/* ---- what a child does ----------------------------------------------------------- */

static void wreck_create(void)
{
	struct bank bank = wreck_below(3) ? OWN_BANK : BANK(wreck_one(OBJECT_BANK));
	uint32_t slot = wreck_any();
	uint64_t message_page;

	if (wreck_below(4))
		table_destroy(OWN_TABLE, slot);
	switch (wreck_below(6)) {
	case 0:
		bank_segment(bank, wreck_below(4 * PAGE_SIZE), 4 * PAGE_SIZE, slot);
		break;
	case 1:
		bank_port(bank, 1 + (uint32_t)wreck_below(4), slot);
		break;
	case 2:
		bank_table(bank, 1 + (uint32_t)wreck_below(100), slot);
		break;
	case 3:
		bank_directory(bank, slot);
		break;
	case 4:
		bank_bank(bank, wreck_below(64), wreck_below(1024), slot);
		break;
	default:
		bank_machine(bank, "wrecked", (uint32_t)wreck_below(5), slot, &message_page);
		break;
	}
}

static void wreck_message(void)
{
	struct message message = {.label = 1, .length = (uint32_t)wreck_below(100)};
	struct port port = PORT(wreck_one(OBJECT_PORT));

	for (unsigned i = 0; i < MESSAGE_CAPABILITIES; i++) {
		message.pass[i] = (uint16_t)(wreck_below(2) ? wreck_any() : 0);
		message.take[i] = (uint16_t)(wreck_below(2) ? wreck_any() : 0);
	}
	if (wreck_below(3)) {
		message_send(port, &message, false);
		return;
	}
	message.deadline = 1;
	message_receive(wreck_below(2) ? port : OWN_PORT, &message);
}

static void wreck_directory(void)
{
	struct directory from = DIRECTORY(wreck_one(OBJECT_DIRECTORY));
	struct directory to = DIRECTORY(wreck_one(OBJECT_DIRECTORY));
	char old_name[2] = {(char)('a' + wreck_below(3)), '\0'};
	char new_name[2] = {(char)('a' + wreck_below(3)), '\0'};

	switch (wreck_below(4)) {
	case 0:
		directory_link(to, new_name, wreck_any(), wreck_below(2));
		break;
	case 1:
		directory_link(to, new_name, from.slot, wreck_below(2));
		break;
	case 2:
		directory_rename(from, old_name, to, new_name, wreck_below(2));
		break;
	default:
		directory_unlink(from, old_name);
		break;
	}
}

static void wreck_table(void)
{
	struct table table = TABLE(wreck_below(2) ? SLOT_TABLE : wreck_one(OBJECT_TABLE));
	bool own = table.slot == SLOT_TABLE;
	uint32_t from = own ? wreck_any() : (uint32_t)wreck_below(8);
	uint32_t to = own ? wreck_any() : (uint32_t)wreck_below(8);

	switch (wreck_below(5)) {
	case 0:
		table_copy(table, from, to);
		break;
	case 1:
		table_move(table, from, to);
		break;
	case 2:
		table_reduce(table, from, to, (uint16_t)wreck_below(256));
		break;
	case 3:
		table_badge(table, from, to, wreck_below(9), RIGHT_ALL);
		break;
	default:
		table_delete(table, from);
		break;
	}
}

static void wreck_segment(void)
{
	struct segment segment = SEGMENT(wreck_one(OBJECT_SEGMENT));
	struct machine machine = MACHINE(wreck_below(2) ? SLOT_SELF : wreck_one(OBJECT_MACHINE));
	struct segment_info info;

	switch (wreck_below(4)) {
	case 0:
		segment_resize(segment, wreck_below(4 * PAGE_SIZE));
		break;
	case 1:
		if (segment_info(segment, &info) == STATUS_OK)
			machine_detach(machine, info.address);
		break;
	default:
		machine_attach(machine, segment, wreck_below(3), wreck_below(3),
			       wreck_below(4) ? RIGHT_READ | RIGHT_WRITE : RIGHT_READ,
			       wreck_below(2));
		if (machine.slot == SLOT_SELF && segment_info(segment, &info) == STATUS_OK &&
		    info.size && wreck_below(64) == 0)
			*(volatile char *)(uintptr_t)info.address = 1; /* a fault now and then */
		break;
	}
}

/* Takes from a machine what it stands on, and ends it now or perhaps later. */
static void wreck_base(struct machine machine)
{
	uint32_t base = wreck_below(2) ? SLOT_TABLE : (uint32_t)wreck_below(SLOT_FIRST_GRANT);
	uint32_t slot = wreck_any();

	machine_take(machine, base, slot);
	if (machine.slot != SLOT_SELF && wreck_below(2))
		table_destroy(OWN_TABLE, slot);
}

/* Another machine, or this one. */
static void wreck_machine(void)
{
	struct machine machine = MACHINE(wreck_below(8) ? wreck_one(OBJECT_MACHINE) : SLOT_SELF);
	struct disk_registers registers = {.rip = 0x1000};

	switch (wreck_below(9)) {
	case 0:
		machine_start(machine, 0x1000, 0x2000, 0); /* nothing is there: a fault */
		break;
	case 1:
		machine_set_keeper(machine, PORT(wreck_one(OBJECT_PORT)));
		break;
	case 2:
		machine_on_resume(machine,
				  PORT(wreck_below(4) ? wreck_one(OBJECT_PORT) : SLOT_PORT));
		break;
	case 3:
		machine_place(machine, wreck_any(), (uint32_t)wreck_below(SLOTS_DEFAULT));
		break;
	case 4:
		wreck_base(machine);
		break;
	case 5:
		if (machine.slot != SLOT_SELF)
			machine_stop(machine);
		break;
	case 6:
		machine_continue(machine);
		break;
	case 7:
		machine_set_registers(machine, &registers);
		break;
	default:
		if (machine.slot != SLOT_SELF && wreck_below(4) == 0)
			machine_destroy(machine);
		break;
	}
}

static void wreck_step(void)
{
	static void (*const steps[])(void) = {wreck_create, wreck_message, wreck_directory,
					      wreck_table,  wreck_segment, wreck_machine,
					      wreck_create, wreck_message, wreck_machine};
	uint64_t kind = wreck_below(12);

	if (kind < sizeof(steps) / sizeof(steps[0]))
		steps[kind]();
	else if (kind == 11)
		clock_sleep_until(clock_uptime() + NS_PER_MILLISECOND);
	else
		table_destroy(OWN_TABLE, wreck_any());
}

/* The last thing that a child does, if it has come that far. */
static int wreck_end(void)
{
	static const uint8_t bases[] = {SLOT_TABLE, SLOT_INSTANCE, SLOT_SELF, SLOT_PORT, SLOT_HEAP};
	struct message message = {.label = 1};
	uint64_t kind = wreck_below(10);

	if (kind < sizeof(bases)) {
		table_destroy(OWN_TABLE, bases[kind]);
		for (unsigned i = 0; i < 1000; i++)
			message_yield();
	} else if (kind == 5) {
		message_call(PORT(wreck_one(OBJECT_PORT)), &message);
	} else if (kind == 6) {
		message_receive(OWN_PORT, &message);
	} else if (kind == 7) {
		clock_sleep_until(UINT64_MAX / 2);
	} else if (kind == 8) {
		return 0;
	}
	__builtin_trap(); /* without a table nothing but a fault ends it */
}

static int wreck_child(void)
{
	for (unsigned i = 0; i < WRECK_STEPS; i++)
		wreck_step();
	return wreck_end();
}

/* ---- parent ------------------------------------------------------------------------- */

/* What two children in a row have in common, and the second one gets the first. */
static void wreck_share(uint32_t shared[WRECK_SHARED], uint64_t child)
{
	uint32_t slot = shared[child % WRECK_SHARED];

	table_destroy(OWN_TABLE, slot);
	switch (child % WRECK_SHARED) {
	case 0:
		program_check(bank_port(OWN_BANK, 4, slot), "make a port");
		break;
	case 1:
		program_check(bank_table(OWN_BANK, 64, slot), "make a table");
		break;
	case 2:
		program_check(bank_directory(OWN_BANK, slot), "make a directory");
		break;
	default:
		program_check(bank_segment(OWN_BANK, PAGE_SIZE, 4 * PAGE_SIZE, slot),
			      "make a segment");
		break;
	}
}

static struct machine wreck_start(struct segment program, const uint32_t shared[WRECK_SHARED],
				  struct machine neighbour)
{
	static char number[24];
	char *arguments[] = {"child", number, NULL};
	struct spawn_request request = {
		.name = "wreck-child",
		.priority = 4,
		.program = program,
		.arguments = 2,
		.argument = arguments,
		.inherit = 1u << SLOT_BANK | 1u << SLOT_CLOCK,
	};
	struct spawned spawned;

	for (uint32_t i = 0; i < WRECK_SHARED; i++)
		request.grant[request.grants++] = (struct spawn_grant){shared[i], WRECK_FIRST + i};
	if (neighbour.slot)
		request.grant[request.grants++] =
			(struct spawn_grant){neighbour.slot, WRECK_FIRST + WRECK_SHARED};
	text_format(number, sizeof(number), "%lu", wreck_below(1u << 30) + 1);
	program_check(spawn_machine(&request, &spawned), "start a child");
	return spawned.machine;
}

/* Until the child has stopped doing things, or for a while. */
static void wreck_watch(struct machine child)
{
	struct abi_machine_info info;

	for (unsigned i = 0; i < WRECK_PATIENCE; i++) {
		if (machine_info(child, &info) != STATUS_OK || info.state == MACHINE_FAULTED ||
		    info.state == MACHINE_AWAIT_REPLY || info.held)
			return;
		clock_sleep_until(clock_uptime() + WRECK_POLL_NS);
	}
}

/* If the power goes meanwhile, the snapshot is there all the same. */
static void wreck_snapshot(const char *name)
{
	uint64_t generation;
	enum status status = store_snapshot(name, &generation);

	program_check(status == STATUS_RESUMED ? STATUS_OK : status, "take a snapshot");
}

static int wreck_parent(uint64_t children)
{
	struct machine alive[WRECK_ALIVE] = {{0}};
	uint32_t shared[WRECK_SHARED];
	struct segment program;
	uint64_t snapshots = 0;
	char name[24];

	program_check(path_segment("/bin/wreck", &program), "find /bin/wreck");
	for (unsigned i = 0; i < WRECK_SHARED; i++) {
		shared[i] = slot_take();
		wreck_share(shared, i);
	}
	for (uint64_t i = 0; i < children; i++) {
		struct machine *place = &alive[i % WRECK_ALIVE];

		if (place->slot) {
			machine_destroy(*place);
			slot_give(place->slot);
		}
		wreck_share(shared, i);
		*place = wreck_start(program, shared, alive[(i + WRECK_ALIVE - 1) % WRECK_ALIVE]);
		/* Some are caught in the middle. */
		if (i % WRECK_SNAPSHOT == 0) {
			text_format(name, sizeof(name), "wreck-%lu", i);
			wreck_snapshot(name);
			snapshots++;
		}
		wreck_watch(*place);
	}
	log_print("%lu children, %lu snapshots", children, snapshots);
	/* What the children have left would end with it: its bank pays for that. */
	clock_sleep_until(UINT64_MAX / 2);
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t children;

	if (argc == 3 && text_equal(argv[1], "child") &&
	    quantity_parse(argv[2], QUANTITY_ANY, &seed) && seed)
		return wreck_child();
	if (argc != 3 || !quantity_parse(argv[1], QUANTITY_ANY, &seed) || seed == 0 ||
	    !quantity_parse(argv[2], QUANTITY_ANY, &children))
		program_fail("usage: wreck SEED CHILDREN");
	return wreck_parent(children);
}
