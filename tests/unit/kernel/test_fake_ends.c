/* SPDX-License-Identifier: MIT */
/*
 * test_fake_ends.c - who waits for what comes to an end is told, and nobody receives from a
 * port without a capability to it.
 */
#include "tests/unit/kernel/fake_kernel.h"

#define SECOND_NS UINT64_C(1000000000)
#define PATIENCE  ((uint32_t)(KERNEL_READ_PATIENCE_NS / SECOND_NS))

enum { SECOND = 20, OTHER, TABLE, MACHINE, MANY };

/* The server receives; the other one holds its machine, its table and the same ports. */
static struct disk_capability server, other, port, second;

static void place(const struct disk_capability *machine, uint32_t slot,
		  const struct disk_capability *capability)
{
	fake_place(machine, slot, capability);
}

static void begin(void)
{
	fake_kernel_new();
	server = fake_create(OBJECT_MACHINE, 0);
	other = fake_create(OBJECT_MACHINE, 0);
	port = fake_create(OBJECT_PORT, 4);
	second = fake_create(OBJECT_PORT, 4);
	for (unsigned i = 0; i < 2; i++) {
		const struct disk_capability *machine = i ? &other : &server;
		struct disk_capability table = fake_machine(&server)->table;

		place(machine, SLOT_PORT, &port);
		place(machine, SECOND, &second);
		place(machine, TABLE, &table);
		place(machine, MACHINE, &server);
	}
}

/* An operation with two words, and what it answers. */
static enum status ask(const struct disk_capability *machine, uint32_t slot, uint64_t label,
		       uint64_t first, uint64_t then)
{
	uint64_t *gpr = fake_machine(machine)->registers.gpr;

	gpr[call_word_register[0]] = first;
	gpr[call_word_register[1]] = then;
	gpr[call_word_register[2]] = 0;
	assert_int_equal(fake_call(machine, ENTRY_CALL, slot, label, 0), FAKE_DONE);
	assert_int_equal(fake_result(machine), STATUS_OK);
	return (enum status)fake_machine(machine)->registers.gpr[REGISTER_RSI];
}

static enum fake_end receive(const struct disk_capability *machine, uint32_t slot,
			     uint64_t deadline)
{
	fake_machine(machine)->registers.gpr[REGISTER_RBX] = deadline;
	return fake_call(machine, ENTRY_RECEIVE, slot, 0, 0);
}

static enum status receive_now(const struct disk_capability *machine, uint32_t slot)
{
	assert_int_equal(receive(machine, slot, 1), FAKE_DONE);
	return fake_result(machine);
}

static void assert_waits(const struct disk_capability *machine)
{
	fake_settle();
	assert_int_equal(fake_machine(machine)->state, MACHINE_RECEIVE);
}

/* Its wait has ended like a call, and nothing of it is left. */
static void assert_told(const struct disk_capability *machine, enum status answer)
{
	const struct disk_machine *page;
	uint64_t deadline = 0;
	object_t object = {0};

	fake_settle();
	page = fake_machine(machine);
	assert_int_equal(page->state, MACHINE_READY);
	assert_int_equal(fake_result(machine), answer);
	assert_int_equal(page->deadline, 0);
	assert_int_equal(page->callee, 0);
	fake_begin();
	assert_int_equal(deadline_next(&kernel.space, &deadline, &object), STATUS_NOT_FOUND);
}

/* Ports come and go: those that are gone, and those that it gave away, take no place. */
static void test_many_ports(void **state)
{
	struct disk_capability next;

	(void)state;
	for (unsigned deletes = 0; deletes < 2; deletes++) {
		begin();
		for (unsigned i = 0; i < 3 * MACHINE_PORTS; i++) {
			next = fake_create(OBJECT_PORT, 1);
			place(&server, MANY, &next);
			assert_int_equal(receive_now(&server, MANY), STATUS_TIMEOUT);
			assert_int_equal(ask(&server, TABLE, deletes ? TABLE_DELETE : TABLE_DESTROY,
					     MANY, 0),
					 STATUS_OK);
		}
		for (unsigned i = 0; i <= MACHINE_PORTS; i++) {
			next = fake_create(OBJECT_PORT, 1);
			place(&server, MANY + i, &next);
			assert_int_equal(receive_now(&server, MANY + i),
					 i < MACHINE_PORTS ? STATUS_TIMEOUT : STATUS_LIMIT);
		}
	}
}

/* A port is destroyed, and who waits for it knows at once, whether it is held or not. */
static void test_port_ends(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		begin();
		assert_int_equal(receive_now(&server, SLOT_PORT), STATUS_TIMEOUT);
		if (i & 4)
			assert_int_equal(receive_now(&server, SECOND), STATUS_TIMEOUT);
		assert_int_equal(receive(&server, i & 1 ? SLOT_PORT : 0,
					 i & 2 ? fake_now_ns + SECOND_NS : 0),
				 FAKE_BLOCKED);
		fake_machine(&server)->stopped = i & 1;
		assert_int_equal(ask(&other, TABLE, TABLE_DESTROY, SLOT_PORT, 0), STATUS_OK);
		if (i & 4 && !(i & 1)) {
			assert_waits(&server);
			assert_int_equal(ask(&other, TABLE, TABLE_DESTROY, SECOND, 0), STATUS_OK);
		}
		assert_told(&server, STATUS_DEAD);
		assert_int_equal(fake_machine(&server)->stopped, i & 1);
	}
}

/* What takes the port out of a slot of the server's table. */
static enum status take_away(unsigned how)
{
	static const struct disk_capability none;

	switch (how) {
	case 0:
		return ask(&other, TABLE, TABLE_DELETE, SLOT_PORT, 0);
	case 1:
		return ask(&other, TABLE, TABLE_MOVE, SLOT_PORT, MANY);
	case 2:
		return ask(&other, TABLE, TABLE_MOVE, MACHINE, SLOT_PORT);
	case 3:
		return ask(&other, TABLE, TABLE_COPY, TABLE, SLOT_PORT);
	case 4: /* no right is left */
		return ask(&other, TABLE, TABLE_REDUCE, SLOT_PORT, SLOT_PORT);
	case 5:
		fake_machine(&other)->registers.gpr[REGISTER_R14] = 0;
		return ask(&other, MACHINE, MACHINE_PLACE, SLOT_PORT, 0);
	case 6: /* with the table goes all */
		place(&server, SLOT_TABLE, &none);
		return ask(&other, TABLE, TABLE_DESTROY, SLOT_TABLE, 0);
	default:
		return STATUS_INVALID;
	}
}

static void test_taken_away(void **state)
{
	struct disk_capability table;

	(void)state;
	for (unsigned how = 0; how < 6; how++)
		for (unsigned any = 0; any < 2; any++) {
			begin();
			assert_int_equal(receive_now(&server, SLOT_PORT), STATUS_TIMEOUT);
			assert_int_equal(
				receive(&server, any ? 0 : SLOT_PORT, fake_now_ns + SECOND_NS),
				FAKE_BLOCKED);
			assert_int_equal(take_away(how), STATUS_OK);
			assert_told(&server, STATUS_NO_CAPABILITY);
			/* The other one may receive now. */
			assert_int_equal(receive_now(&other, SLOT_PORT), STATUS_TIMEOUT);
		}
	begin();
	table = fake_machine(&server)->table;
	table.rights = RIGHT_ALL;
	place(&other, OTHER, &table);
	table = fake_machine(&other)->table;
	place(&other, TABLE, &table);
	assert_int_equal(receive_now(&server, SECOND), STATUS_TIMEOUT);
	assert_int_equal(receive_now(&server, SLOT_PORT), STATUS_TIMEOUT);
	assert_int_equal(receive(&server, 0, 0), FAKE_BLOCKED);
	assert_int_equal(ask(&other, TABLE, TABLE_DESTROY, OTHER, 0), STATUS_OK);
	assert_told(&server, STATUS_NO_CAPABILITY);
}

#define BITMAP (READY_BITMAP_PAGE + 5 * READY_BITMAP_PAGES) /* of priority 5 */

/* One port moves onto the other: both go in one operation, and each might be the last. */
static void test_both_at_once(void **state)
{
	(void)state;
	for (unsigned way = 0; way < 2; way++) {
		begin();
		assert_int_equal(receive_now(&server, SLOT_PORT), STATUS_TIMEOUT);
		assert_int_equal(receive_now(&server, SECOND), STATUS_TIMEOUT);
		assert_int_equal(receive(&server, 0, fake_now_ns + SECOND_NS), FAKE_BLOCKED);
		assert_int_equal(ask(&other, TABLE, TABLE_MOVE, way ? SECOND : SLOT_PORT,
				     way ? SLOT_PORT : SECOND),
				 STATUS_OK);
		assert_told(&server, STATUS_NO_CAPABILITY);
	}
	/* What the end of the wait needs is asked for before anything moves. */
	begin();
	fake_machine(&server)->priority = 5;
	fake_adopt();
	assert_int_equal(receive_now(&server, SLOT_PORT), STATUS_TIMEOUT);
	assert_int_equal(receive_now(&server, SECOND), STATUS_TIMEOUT);
	assert_int_equal(receive(&server, 0, 0), FAKE_BLOCKED);
	fake_unread(BITMAP);
	fake_machine(&other)->registers.gpr[call_word_register[0]] = SLOT_PORT;
	fake_machine(&other)->registers.gpr[call_word_register[1]] = SECOND;
	assert_int_equal(fake_call(&other, ENTRY_CALL, TABLE, TABLE_MOVE, 0), FAKE_PARKED);
	fake_unread(0);
	assert_int_equal(fake_again(&other), FAKE_DONE);
	assert_told(&server, STATUS_NO_CAPABILITY);
}

/* Where it cannot be noted that a wait has ended, it has not; what ended it goes on. */
static void test_cannot_be_noted(void **state)
{
	enum fake_end end;
	uint64_t root;

	(void)state;
	begin();
	assert_int_equal(receive(&server, SLOT_PORT, fake_now_ns + SECOND_NS), FAKE_BLOCKED);
	root = ((struct disk_system *)fake_page(SYSTEM_PAGE))->deadline_root;
	memset(fake_page(root), 0xee, 64);
	fake_adopt();
	assert_int_equal(ask(&other, TABLE, TABLE_DESTROY, SLOT_PORT, 0), STATUS_OK);
	assert_waits(&server);

	for (unsigned given_up = 0; given_up < 2; given_up++) {
		begin();
		fake_machine(&server)->priority = 5;
		fake_adopt();
		assert_int_equal(receive(&server, SLOT_PORT, 0), FAKE_BLOCKED);
		fake_unread(BITMAP);
		assert_int_equal(ask(&other, TABLE, TABLE_DESTROY, SLOT_PORT, 0), STATUS_OK);
		assert_waits(&server);
		for (uint32_t i = 0; i < given_up * 2 * PATIENCE; i++, fake_now_ns += SECOND_NS)
			fake_settle();
		fake_unread(0);
		fake_now_ns += SECOND_NS;
		if (given_up)
			assert_waits(&server);
		else
			assert_told(&server, STATUS_DEAD);
	}

	/* The same for who waits for an answer that is lost. */
	begin();
	fake_machine(&other)->priority = 5;
	fake_adopt();
	assert_int_equal(fake_call(&other, ENTRY_CALL, SLOT_PORT, 7, 0), FAKE_BLOCKED);
	assert_int_equal(receive_now(&server, SLOT_PORT), STATUS_OK);
	fake_machine(&server)->keeper = second;
	fake_unread(BITMAP);
	assert_int_equal(fake_call(&server, ENTRY_CALL, SLOT_SELF, MACHINE_EXIT, 0), FAKE_PARKED);
	fake_wait(&server, 2 * PATIENCE, &end);
	assert_int_equal(end, FAKE_BLOCKED);
	fake_unread(0);
	assert_int_equal(fake_machine(&server)->state, MACHINE_EXITED);
	assert_int_equal(fake_machine(&other)->state, MACHINE_AWAIT_REPLY);
}

/* What leaves it its capability ends nothing. */
static void test_kept(void **state)
{
	(void)state;
	begin();
	assert_int_equal(receive(&server, SLOT_PORT, 0), FAKE_BLOCKED);
	assert_int_equal(ask(&other, TABLE, TABLE_COPY, SLOT_PORT, MANY), STATUS_OK);
	assert_int_equal(ask(&other, TABLE, TABLE_DELETE, MANY, 0), STATUS_OK);
	assert_int_equal(ask(&other, TABLE, TABLE_DELETE, SECOND, 0), STATUS_OK);
	fake_machine(&other)->registers.gpr[REGISTER_R14] = SLOT_PORT;
	assert_int_equal(ask(&other, MACHINE, MACHINE_PLACE, SLOT_PORT, 0), STATUS_OK);
	fake_machine(&other)->registers.gpr[REGISTER_R14] = 0;
	assert_waits(&server);
	assert_int_equal(fake_call(&other, ENTRY_SEND, SLOT_PORT, 5, 0), FAKE_DONE);
	assert_told(&server, STATUS_OK);
	/* Through the slot that it used last. */
	assert_int_equal(ask(&other, TABLE, TABLE_COPY, SLOT_PORT, MANY), STATUS_OK);
	assert_int_equal(receive(&server, MANY, 0), FAKE_BLOCKED);
	assert_int_equal(ask(&other, TABLE, TABLE_DELETE, SLOT_PORT, 0), STATUS_OK);
	assert_waits(&server);
	assert_int_equal(ask(&other, TABLE, TABLE_DELETE, MANY, 0), STATUS_OK);
	assert_told(&server, STATUS_NO_CAPABILITY);
}

/* A message to who has no capability any more waits for who has. */
static void test_queued(void **state)
{
	(void)state;
	begin();
	assert_int_equal(receive_now(&server, SLOT_PORT), STATUS_TIMEOUT);
	assert_int_equal(receive_now(&other, SLOT_PORT), STATUS_BUSY);
	assert_int_equal(ask(&server, TABLE, TABLE_DELETE, SLOT_PORT, 0), STATUS_OK);
	/* It has none to receive from, and sleeps. */
	assert_int_equal(receive(&server, 0, fake_now_ns + SECOND_NS), FAKE_BLOCKED);
	assert_int_equal(fake_call(&other, ENTRY_SEND, SLOT_PORT, 5, 0), FAKE_DONE);
	assert_waits(&server);
	assert_int_equal(receive_now(&server, SLOT_PORT), STATUS_NO_CAPABILITY);
	assert_int_equal(receive_now(&other, SLOT_PORT), STATUS_OK);
	assert_int_equal(fake_machine(&other)->registers.gpr[REGISTER_RSI], 5);
}

/* Who gets it back when another one receives by then is not the receiver again. */
static void test_taken_over(void **state)
{
	(void)state;
	begin();
	assert_int_equal(receive_now(&server, SLOT_PORT), STATUS_TIMEOUT);
	assert_int_equal(ask(&other, TABLE, TABLE_DELETE, SLOT_PORT, 0), STATUS_OK);
	assert_int_equal(receive_now(&other, SLOT_PORT), STATUS_TIMEOUT);
	place(&server, SLOT_PORT, &port);
	assert_int_equal(fake_call(&other, ENTRY_SEND, SLOT_PORT, 5, 0), FAKE_DONE);
	assert_int_equal(receive_now(&server, 0), STATUS_TIMEOUT);
	assert_int_equal(receive_now(&server, SLOT_PORT), STATUS_BUSY);
	assert_int_equal(receive_now(&other, 0), STATUS_OK);
	assert_int_equal(fake_machine(&other)->registers.gpr[REGISTER_RSI], 5);
}

/* A bond of an older kernel names no slot: it is that of the first that holds the port. */
static void test_older(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		begin();
		assert_int_equal(receive_now(&server, SLOT_PORT), STATUS_TIMEOUT);
		assert_int_equal(fake_machine(&server)->ports[0].slot, SLOT_PORT);
		if (i)
			assert_int_equal(receive(&server, 0, 0), FAKE_BLOCKED);
		fake_machine(&server)->ports[0].slot = 0;
		if (i == 2) {
			assert_int_equal(ask(&other, TABLE, TABLE_DELETE, SLOT_PORT, 0), STATUS_OK);
			assert_told(&server, STATUS_NO_CAPABILITY);
			continue;
		}
		assert_int_equal(fake_call(&other, ENTRY_SEND, SLOT_PORT, 5, 0), FAKE_DONE);
		if (!i) {
			assert_int_equal(receive_now(&server, 0), STATUS_OK);
			assert_int_equal(fake_machine(&server)->ports[0].slot, SLOT_PORT);
		}
		assert_told(&server, STATUS_OK);
		assert_int_equal(fake_machine(&server)->registers.gpr[REGISTER_RSI], 5);
	}
}

/* ---- who has called -------------------------------------------------------------------- */

enum { CALLED = 40 };

#define BAD_ENTRY ((enum abi_entry)99)

static struct disk_capability client, keeper;

/* The client has called the server, which has received that; another call and a message are
 * queued behind. */
static void called(bool kept)
{
	struct disk_capability third;

	begin();
	client = fake_create(OBJECT_MACHINE, 0);
	third = fake_create(OBJECT_MACHINE, 0);
	keeper = fake_create(OBJECT_PORT, 1);
	place(&client, SECOND, &second);
	place(&third, SECOND, &second);
	place(&other, CALLED, &keeper);
	if (kept)
		fake_machine(&server)->keeper = keeper;
	assert_int_equal(fake_call(&client, ENTRY_CALL, SECOND, 5, 0), FAKE_BLOCKED);
	assert_int_equal(receive(&server, SECOND, 0), FAKE_DONE);
	assert_int_equal(fake_call(&third, ENTRY_CALL, SECOND, 6, 0), FAKE_BLOCKED);
	assert_int_equal(fake_call(&other, ENTRY_SEND, SECOND, 7, 0), FAKE_DONE);
	place(&other, OTHER, &third);
}

static void assert_gone(void)
{
	fake_settle();
	assert_int_equal(fake_machine(&client)->state, MACHINE_READY);
	assert_int_equal(fake_result(&client), STATUS_GONE);
}

/* What the server had not received is still there, for who receives next. */
static void assert_queued(void)
{
	struct disk_capability third = {0};
	struct disk_object table;

	fake_adopt();
	assert_int_equal(object_resolve(&kernel.space, &fake_machine(&other)->table, OBJECT_TABLE,
					0, &table),
			 STATUS_OK);
	assert_int_equal(table_get(&kernel.space, &table, OTHER, &third), STATUS_OK);
	fake_begin();
	assert_int_equal(fake_machine(&third)->state, MACHINE_AWAIT_REPLY);
	assert_int_equal(receive_now(&other, SECOND), STATUS_OK);
	assert_int_equal(fake_machine(&other)->registers.gpr[REGISTER_RSI], 6);
	assert_int_equal(fake_call(&other, ENTRY_SEND, SLOT_REPLY, 66, 0), FAKE_DONE);
	assert_int_equal(fake_machine(&third)->registers.gpr[REGISTER_RSI], 66);
	assert_int_equal(receive_now(&other, SECOND), STATUS_OK);
	assert_int_equal(fake_machine(&other)->registers.gpr[REGISTER_RSI], 7);
}

static void test_server_destroyed(void **state)
{
	(void)state;
	called(false);
	assert_int_equal(ask(&other, MACHINE, MACHINE_DESTROY, 0, 0), STATUS_OK);
	assert_gone();
	assert_queued();
	/* With the port go those that are queued in it. */
	called(false);
	assert_int_equal(ask(&other, MACHINE, MACHINE_DESTROY, 0, 0), STATUS_OK);
	assert_int_equal(fake_call(&client, ENTRY_CALL, SECOND, 5, 0), FAKE_BLOCKED);
	place(&other, TABLE, &(struct disk_capability){0});
	server = fake_machine(&other)->table;
	place(&other, TABLE, &server);
	assert_int_equal(ask(&other, TABLE, TABLE_DESTROY, SECOND, 0), STATUS_OK);
	assert_gone();
}

static enum fake_end server_exits(void)
{
	fake_machine(&server)->registers.gpr[call_word_register[0]] = 3;
	return fake_call(&server, ENTRY_CALL, MACHINE, MACHINE_EXIT, 0);
}

static void set_keeper(uint64_t wants, enum status expected)
{
	fake_machine(&other)->registers.gpr[REGISTER_R14] = CALLED;
	assert_int_equal(ask(&other, MACHINE, MACHINE_SET_KEEPER, wants, 0), expected);
	fake_machine(&other)->registers.gpr[REGISTER_R14] = 0;
}

static void test_server_exits(void **state)
{
	const uint64_t *gpr;

	(void)state;
	for (unsigned moved = 0; moved < 2; moved++) {
		called(false);
		set_keeper(KEEPER_EXIT, STATUS_OK);
		if (moved) /* it has put the call aside */
			assert_int_equal(ask(&server, TABLE, TABLE_MOVE, SLOT_REPLY, MANY),
					 STATUS_OK);
		assert_int_equal(server_exits(), FAKE_BLOCKED);
		assert_int_equal(fake_machine(&server)->state, MACHINE_EXITED);
		assert_gone();
		assert_queued();
		assert_int_equal(receive_now(&other, CALLED), STATUS_OK);
		gpr = fake_machine(&other)->registers.gpr;
		assert_int_equal(gpr[REGISTER_RSI], EVENT_EXIT);
		assert_int_equal(gpr[call_word_register[0]], 3);
		assert_int_equal(gpr[call_word_register[4]], server.object);
		assert_int_equal(fake_machine(&other)->reply.version, 0);
	}
}

/* A keeper of an older program hears of faults only; one whose queue is full hears later;
 * one that is gone holds up nobody. */
static void test_exit_told(void **state)
{
	enum fake_end end;

	(void)state;
	called(false);
	set_keeper(2, STATUS_INVALID);
	set_keeper(0, STATUS_OK);
	assert_int_equal(server_exits(), FAKE_BLOCKED);
	assert_int_equal(receive_now(&other, CALLED), STATUS_TIMEOUT);

	called(false);
	set_keeper(KEEPER_EXIT, STATUS_OK);
	assert_int_equal(fake_call(&other, ENTRY_SEND, CALLED, 1, 0), FAKE_DONE);
	assert_int_equal(server_exits(), FAKE_PARKED);
	assert_int_equal(fake_machine(&server)->state, MACHINE_READY);
	assert_int_equal(receive_now(&other, CALLED), STATUS_OK);
	fake_wait(&server, 1, &end);
	assert_int_equal(end, FAKE_BLOCKED);
	assert_int_equal(receive_now(&other, CALLED), STATUS_OK);
	assert_int_equal(fake_machine(&other)->registers.gpr[REGISTER_RSI], EVENT_EXIT);

	called(false);
	set_keeper(KEEPER_EXIT, STATUS_OK);
	server = fake_machine(&other)->table;
	place(&other, TABLE, &server);
	assert_int_equal(ask(&other, TABLE, TABLE_DESTROY, CALLED, 0), STATUS_OK);
	fake_begin();
	assert_int_equal(fake_machine(&client)->state, MACHINE_AWAIT_REPLY);
}

/* A fault with nobody to tell, one that the keeper does not cure, one with which the keeper
 * ends; one that it cures, and a machine that is only held, keep their callers. */
static void test_server_faults(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		called(i != 0);
		if (i == 4)
			assert_int_equal(ask(&other, MACHINE, MACHINE_STOP, 0, 0), STATUS_OK);
		else
			assert_int_equal(fake_call(&server, BAD_ENTRY, 0, 0, 0), FAKE_BLOCKED);
		if (i)
			assert_int_equal(fake_machine(&client)->state, MACHINE_AWAIT_REPLY);
		if (i && i < 4) {
			assert_int_equal(receive_now(&other, CALLED), STATUS_OK);
			assert_int_equal(fake_call(&other, i < 3 ? ENTRY_SEND : ENTRY_RECEIVE,
						   i < 3 ? SLOT_REPLY : CALLED,
						   i == 2 ? STATUS_OK : STATUS_INVALID, 0),
					 FAKE_DONE);
		}
		if (i == 2 || i == 4) {
			assert_int_equal(fake_machine(&client)->state, MACHINE_AWAIT_REPLY);
			assert_int_equal(fake_machine(&server)->reply.version, client.version);
			continue;
		}
		assert_int_equal(fake_machine(&server)->state, MACHINE_FAULTED);
		assert_gone();
		assert_int_equal(fake_machine(&server)->reply.version, 0);
		assert_int_equal(ask(&other, MACHINE, MACHINE_DESTROY, 0, 0), STATUS_OK);
		assert_queued();
	}
}

/* The keeper of a keeper gives up: who had called the first is told too. */
static void test_keepers(void **state)
{
	(void)state;
	called(true);
	fake_machine(&other)->keeper = second;
	assert_int_equal(fake_call(&server, BAD_ENTRY, 0, 0, 0), FAKE_BLOCKED);
	assert_int_equal(receive_now(&other, CALLED), STATUS_OK);
	assert_int_equal(fake_machine(&other)->reply.version, server.version);
	fake_machine(&other)->keeper = (struct disk_capability){0};
	assert_int_equal(fake_call(&other, BAD_ENTRY, 0, 0, 0), FAKE_BLOCKED);
	assert_int_equal(fake_machine(&server)->state, MACHINE_FAULTED);
	assert_int_equal(fake_machine(&server)->reply.version, 0);
	assert_gone();
}

/* Other registers end a wait: it goes on with them, and nothing comes late. */
static void test_registers(void **state)
{
	const uint64_t there = UINT64_C(0x123456789);
	struct disk_capability held;
	struct disk_registers *set;
	void *page;
	uint64_t deadline = 0;
	object_t object = {0};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		called(false);
		held = i == 2 ? client : server;
		place(&other, MACHINE, &held);
		if (i == 0)
			receive(&held, SLOT_PORT, fake_now_ns + SECOND_NS);
		if (i == 1) {
			fake_machine(&held)->state = MACHINE_SLEEP;
			fake_machine(&held)->deadline = fake_now_ns + SECOND_NS;
			fake_begin();
			assert_int_equal(deadline_insert_prepare(&kernel.space,
								 fake_now_ns + SECOND_NS,
								 (object_t){held.object}),
					 STATUS_OK);
			deadline_insert(&kernel.space, fake_now_ns + SECOND_NS,
					(object_t){held.object});
			fake_begin();
		}
		fake_machine(&held)->stopped = 1;
		fake_begin();
		assert_int_equal(space_write(&kernel.space,
					     (page_t){fake_machine(&other)->message_page}, &page),
				 STATUS_OK);
		set = page;
		*set = fake_machine(&held)->registers;
		set->rip = there;
		assert_int_equal(
			fake_call(&other, ENTRY_CALL, MACHINE, MACHINE_SET_REGISTERS, sizeof(*set)),
			FAKE_DONE);
		assert_int_equal(fake_machine(&other)->registers.gpr[REGISTER_RSI], STATUS_OK);
		assert_int_equal(fake_machine(&held)->state, MACHINE_READY);
		assert_int_equal(fake_machine(&held)->stopped, 1);
		fake_begin();
		assert_int_equal(deadline_next(&kernel.space, &deadline, &object),
				 STATUS_NOT_FOUND);
		assert_int_equal(fake_machine(&held)->deadline, 0);
		assert_int_equal(fake_call(&other, ENTRY_SEND, SLOT_PORT, 5, 0), FAKE_DONE);
		assert_int_equal(fake_machine(&held)->registers.rip, there);
	}
	/* The answer to the call that it gave up is none to its fault. */
	fake_machine(&client)->stopped = 0;
	assert_int_equal(fake_call(&client, BAD_ENTRY, 0, 0, 0), FAKE_BLOCKED);
	assert_int_equal(fake_call(&server, ENTRY_SEND, SLOT_REPLY, STATUS_OK, 0), FAKE_DONE);
	assert_int_equal(fake_machine(&client)->state, MACHINE_FAULTED);
}

static bool is_event(const struct disk_capability *machine)
{
	return fake_machine(machine)->registers.gpr[REGISTER_RAX] & RECEIVED_EVENT;
}

/* What the kernel sends is marked, in a queue too; what a program sends never is. */
static void test_events(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		called(true);
		fake_machine(&server)->keeper_wants = KEEPER_EXIT;
		if (i & 1)
			assert_int_equal(receive(&other, CALLED, 0), FAKE_BLOCKED);
		assert_int_equal(i & 2 ? server_exits() : fake_call(&server, BAD_ENTRY, 0, 0, 0),
				 FAKE_BLOCKED);
		if (!(i & 1))
			assert_int_equal(receive(&other, CALLED, 0), FAKE_DONE);
		assert_told(&other, STATUS_OK);
		assert_int_equal(fake_machine(&other)->registers.gpr[REGISTER_RSI],
				 i & 2 ? EVENT_EXIT : EVENT_FAULT);
		assert_true(is_event(&other));
	}
	for (unsigned i = 0; i < 4; i++) {
		begin();
		if (i & 1)
			assert_int_equal(receive(&server, SLOT_PORT, 0), FAKE_BLOCKED);
		fake_machine(&other)->state = MACHINE_READY;
		fake_machine(&other)->registers.gpr[REGISTER_RAX] =
			(i & 2 ? ENTRY_CALL : ENTRY_SEND) | RECEIVED_EVENT;
		fake_machine(&other)->registers.gpr[REGISTER_RDI] = SLOT_PORT;
		fake_machine(&other)->registers.gpr[REGISTER_RSI] = EVENT_FAULT;
		assert_int_equal(fake_again(&other), i & 2 ? FAKE_BLOCKED : FAKE_DONE);
		if (!(i & 1))
			assert_int_equal(receive(&server, SLOT_PORT, 0), FAKE_DONE);
		assert_told(&server, STATUS_OK);
		assert_int_equal(fake_machine(&server)->registers.gpr[REGISTER_RSI], EVENT_FAULT);
		assert_false(is_event(&server));
		if (!(i & 2))
			continue;
		fake_machine(&server)->registers.gpr[REGISTER_RAX] = ENTRY_SEND | RECEIVED_EVENT;
		fake_machine(&server)->registers.gpr[REGISTER_RDI] = SLOT_REPLY;
		assert_int_equal(fake_again(&server), FAKE_DONE);
		assert_told(&other, STATUS_OK);
		assert_false(is_event(&other));
	}
}

/* On a full store all of it happens or nothing. */
static void test_full(void **state)
{
	(void)state;
	for (uint32_t nth = 4;; nth++) {
		struct disk_object record;
		enum fake_end end;

		begin();
		assert_int_equal(receive(&server, SLOT_PORT, fake_now_ns + SECOND_NS),
				 FAKE_BLOCKED);
		fake_machine(&other)->registers.gpr[call_word_register[0]] = SLOT_PORT;
		fake_fails_at = nth;
		end = fake_call(&other, ENTRY_CALL, TABLE, TABLE_DESTROY, 0);
		fake_fails_at = 0;
		assert_int_equal(end, FAKE_DONE);
		if (fake_machine(&other)->registers.gpr[REGISTER_RSI] == STATUS_OK &&
		    fake_result(&other) == STATUS_OK)
			break; /* from here on nothing is prepared any more */
		assert_waits(&server);
		fake_begin();
		assert_int_equal(object_read(&kernel.space, (object_t){port.object}, &record),
				 STATUS_OK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many_ports),    cmocka_unit_test(test_port_ends),
		cmocka_unit_test(test_taken_away),    cmocka_unit_test(test_kept),
		cmocka_unit_test(test_both_at_once),  cmocka_unit_test(test_cannot_be_noted),
		cmocka_unit_test(test_queued),	      cmocka_unit_test(test_taken_over),
		cmocka_unit_test(test_older),	      cmocka_unit_test(test_server_destroyed),
		cmocka_unit_test(test_server_exits),  cmocka_unit_test(test_exit_told),
		cmocka_unit_test(test_server_faults), cmocka_unit_test(test_keepers),
		cmocka_unit_test(test_registers),     cmocka_unit_test(test_events),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
