/* SPDX-License-Identifier: MIT */
/*
 * test_fake_told.c - what is destroyed is gone at once and as a whole; who waits for it, or for
 * what it holds, is told afterwards, one at a time, and over power cuts and a full store too.
 */
#include "tests/unit/kernel/fake_kernel.h"

#define SECOND KERNEL_SPACE_RETRY_NS

enum { KILLED = 20, ASIDE = 40, CLIENTS = 20 };

static struct ended ended;
static struct disk_capability server, killer, port, client[CLIENTS];

/* All clients have called; the server has received the first `received` calls, the last of which
 * it is about to answer, and put the others aside. */
static void begin(unsigned received)
{
	fake_kernel_new();
	server = fake_create(OBJECT_MACHINE, 0);
	killer = fake_create(OBJECT_MACHINE, 0);
	port = fake_create(OBJECT_PORT, CLIENTS);
	fake_place(&server, SLOT_PORT, &port);
	fake_place(&killer, SLOT_PORT, &port);
	fake_place(&killer, KILLED, &server);
	for (unsigned i = 0; i < CLIENTS; i++) {
		client[i] = fake_create(OBJECT_MACHINE, 0);
		fake_place(&client[i], SLOT_PORT, &port);
		assert_int_equal(fake_call(&client[i], ENTRY_CALL, SLOT_PORT, i, 0), FAKE_BLOCKED);
	}
	for (unsigned i = 0; i < received; i++) {
		uint64_t *gpr = fake_machine(&server)->registers.gpr;

		assert_int_equal(fake_call(&server, ENTRY_RECEIVE, SLOT_PORT, 0, 0), FAKE_DONE);
		if (i + 1 == received)
			break;
		gpr = fake_machine(&server)->registers.gpr;
		gpr[call_word_register[0]] = SLOT_REPLY;
		gpr[call_word_register[1]] = ASIDE + i;
		assert_int_equal(fake_call(&server, ENTRY_CALL, SLOT_TABLE, TABLE_MOVE, 0),
				 FAKE_DONE);
		assert_int_equal(fake_machine(&server)->registers.gpr[REGISTER_RSI], STATUS_OK);
	}
}

/* How many clients have been told; all of them GONE, as if the call had returned once. */
static unsigned told(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < CLIENTS; i++) {
		const struct disk_machine *machine = fake_machine(&client[i]);

		if (machine->state == MACHINE_AWAIT_REPLY)
			continue;
		assert_int_equal(machine->state, MACHINE_READY);
		assert_int_equal(fake_result(&client[i]), STATUS_GONE);
		assert_int_equal(machine->registers.rip, ARCH_SYSCALL_LENGTH);
		count++;
	}
	return count;
}

static bool lives(const struct disk_capability *capability)
{
	enum status status;

	fake_begin();
	status = object_resolve(&kernel.space, capability, OBJECT_NONE, 0, NULL);
	assert_true(status == STATUS_OK || status == STATUS_DEAD);
	return status == STATUS_OK;
}

static bool dying(void)
{
	fake_adopt();
	return ((struct disk_system *)fake_page(SYSTEM_PAGE))->destroying != 0;
}

/* What the killer does; at last the port ends in any case. */
static enum status kill(bool machine)
{
	uint64_t *gpr = fake_machine(&killer)->registers.gpr;

	gpr[call_word_register[0]] = machine ? KILLED : SLOT_PORT;
	assert_int_equal(fake_call(&killer, ENTRY_CALL, SLOT_TABLE, TABLE_DESTROY, 0), FAKE_DONE);
	return (enum status)fake_machine(&killer)->registers.gpr[REGISTER_RSI];
}

/* The destroying call itself tells nobody, and each step one at most. */
static void test_one_at_a_time(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		begin(i ? CLIENTS : 0);
		assert_int_equal(kill(i), STATUS_OK);
		assert_false(lives(i ? &server : &port));
		assert_int_equal(told(), 0);
		for (unsigned before = 0, steps = 0; dying(); steps++) {
			unsigned now;

			assert_true(steps < 200);
			service_destroy_step();
			now = told();
			assert_true(now == before || now == before + 1);
			before = now;
		}
		assert_int_equal(told(), CLIENTS);
	}
}

/* The kernel forgets how far it was, at any time; nobody is told twice. */
static void test_power_cut(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++)
		for (unsigned cut = 1; cut < CLIENTS + 6; cut++) {
			begin(i ? CLIENTS : 0);
			assert_int_equal(kill(i), STATUS_OK);
			for (unsigned steps = 0; dying(); steps++) {
				assert_true(steps < 1000);
				if (steps == cut)
					service_reset();
				service_destroy_step();
				told();
			}
			assert_int_equal(told(), CLIENTS);
		}
}

/* What is destroyed meanwhile comes before it in the list, and does not begin it anew. */
static void test_others_meanwhile(void **state)
{
	(void)state;
	begin(0);
	assert_int_equal(kill(false), STATUS_OK);
	service_destroy_step(); /* nothing is noted to go */
	service_destroy_step();
	for (unsigned steps = 0; told() < CLIENTS; steps++) {
		struct disk_capability other = fake_create(OBJECT_PORT, 1);

		assert_true(steps < 3 * CLIENTS);
		fake_place(&killer, KILLED, &other);
		/* In a list that an older kernel has begun it goes in front. */
		fake_adopt();
		((struct disk_system *)fake_page(SYSTEM_PAGE))->destroying_last = 0;
		assert_int_equal(kill(true), STATUS_OK);
		service_destroy_step();
	}
	fake_settle();
	assert_false(dying());
}

/* On a full store it is destroyed as a whole or not at all. */
static void test_whole(void **state)
{
	bool done = false;

	(void)state;
	for (uint32_t nth = 4; !done; nth++) { /* the killer's own page is there */
		begin(CLIENTS / 2);
		port.rights = RIGHT_ALL;
		fake_place(&server, SLOT_PORT, &port);
		fake_machine(&killer)->registers.gpr[call_word_register[0]] = KILLED;
		fake_fails_at = nth;
		fake_call(&killer, ENTRY_CALL, SLOT_TABLE, TABLE_DESTROY, 0);
		fake_fails_at = 0;
		assert_true(lives(&server) == lives(&port));
		assert_int_equal(told(), 0);
		done = !lives(&server);
		assert_int_equal(dying(), done);
		fake_settle();
		assert_int_equal(told(), done ? CLIENTS : 0);
	}
}

/* A step that has no space is done again, and nothing is left out. */
static void test_full_step(void **state)
{
	(void)state;
	for (uint32_t nth = 1; nth < 9; nth++) { /* so much is asked for before it is told */
		begin(CLIENTS / 2);
		port.rights = RIGHT_ALL;
		fake_place(&server, SLOT_PORT, &port);
		assert_int_equal(kill(true), STATUS_OK);
		for (unsigned steps = 0; dying(); steps++) {
			assert_true(steps < 1000);
			fake_now_ns += SECOND;
			fake_fail(steps % 2 ? nth : 0, STATUS_NO_SPACE);
			service_destroy_step();
			fake_fail(0, STATUS_OK);
		}
		assert_int_equal(told(), CLIENTS);
	}
}

/* Part of a queue that cannot be read is passed over, when that has lasted; the rest is told. */
static void test_damaged_queue(void **state)
{
	struct disk_object record;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		begin(0);
		fake_begin();
		assert_int_equal(object_read(&kernel.space, (object_t){port.object}, &record),
				 STATUS_OK);
		assert_int_equal(kill(false), STATUS_OK);
		/* Its header, or two messages. */
		fake_unread(record.first_page + (i ? 2 : 0));
		for (uint32_t s = 0; s < 2 * KERNEL_READ_PATIENCE_NS / SECOND; s++) {
			if (i == 2 && s == 3)
				fake_unread(0);
			fake_now_ns += SECOND;
			fake_settle();
		}
		fake_unread(0);
		assert_false(dying());
		assert_int_equal(told(), i == 2 ? CLIENTS : i ? CLIENTS - 2 : 0);
	}
}

/* Who exits answers all that it had received, some at a time. */
static void test_exit(void **state)
{
	struct disk_capability keeper;
	unsigned traps = 1, before;

	(void)state;
	begin(CLIENTS);
	keeper = fake_create(OBJECT_PORT, 1);
	fake_machine(&server)->keeper = keeper;
	assert_int_equal(fake_call(&server, ENTRY_CALL, SLOT_SELF, MACHINE_EXIT, 0), FAKE_TURN);
	for (before = told(); fake_machine(&server)->state != MACHINE_EXITED; traps++) {
		enum fake_end end = fake_again(&server);

		assert_int_equal(end, fake_machine(&server)->state == MACHINE_EXITED ? FAKE_BLOCKED
										     : FAKE_TURN);
		assert_true(told() - before <= KERNEL_EXIT_ANSWERS);
		before = told();
	}
	assert_int_equal(told(), CLIENTS);
	assert_true(traps > CLIENTS / KERNEL_EXIT_ANSWERS);
}

/* A keeper is who may receive from the port, not who once did. */
static void test_keeper(void **state)
{
	struct disk_object record;
	uint64_t version;
	object_t keeper;

	(void)state;
	begin(1);
	fake_machine(&client[0])->keeper = port;
	fake_begin();
	assert_int_equal(fault_keeper(fake_machine(&client[0]), &record, &keeper, &version),
			 STATUS_OK);
	assert_int_equal(keeper.n, server.object);
	assert_int_equal(version, server.version);
	fake_place(&server, SLOT_PORT, &server);
	assert_int_equal(fault_keeper(fake_machine(&client[0]), &record, &keeper, &version),
			 STATUS_DEAD);
	fake_place(&server, SLOT_PORT, &port);
	assert_int_equal(fault_keeper(fake_machine(&client[0]), &record, &keeper, &version),
			 STATUS_OK);
	assert_int_equal(kill(false), STATUS_OK);
	fake_begin();
	assert_int_equal(fault_keeper(fake_machine(&client[0]), &record, &keeper, &version),
			 STATUS_DEAD);
}

/* Somebody goes on destroying what others could wait for: it holds up nobody. */
static void test_others_since(void **state)
{
	(void)state;
	begin(0);
	assert_int_equal(kill(false), STATUS_OK);
	for (unsigned i = 0; told() < CLIENTS; i++) {
		struct disk_capability other = fake_create(OBJECT_PORT, 1);

		assert_true(i < 4 * CLIENTS);
		fake_begin();
		assert_int_equal(object_destroy(&kernel.space, (object_t){other.object}, &ended),
				 STATUS_OK);
		service_destroy_step();
	}
}

static enum fake_end receive(const struct disk_capability *machine, uint64_t deadline)
{
	fake_machine(machine)->registers.gpr[REGISTER_RBX] = deadline;
	return fake_call(machine, ENTRY_RECEIVE, ASIDE, 0, 0);
}

/* Who waits through a table that is gone, and is not told yet, is when another takes its
 * place: nobody would find it afterwards. */
static void test_place_taken(void **state)
{
	struct disk_capability other;
	object_t table;

	(void)state;
	begin(0);
	other = fake_create(OBJECT_PORT, 1);
	fake_place(&server, ASIDE, &other);
	fake_place(&killer, ASIDE, &other);
	assert_int_equal(receive(&server, 0), FAKE_BLOCKED);
	table = (object_t){fake_machine(&server)->table.object};
	fake_begin();
	assert_int_equal(object_destroy(&kernel.space, table, &ended), STATUS_OK);
	fake_begin();
	assert_int_equal(fake_machine(&server)->state, MACHINE_RECEIVE);
	assert_int_equal(receive(&killer, 1), FAKE_DONE);
	assert_int_equal(fake_result(&killer), STATUS_TIMEOUT);
	assert_int_equal(fake_machine(&server)->state, MACHINE_READY);
	assert_int_equal(fake_result(&server), STATUS_NO_CAPABILITY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_place_taken),
		cmocka_unit_test(test_others_since),
		cmocka_unit_test(test_one_at_a_time),
		cmocka_unit_test(test_power_cut),
		cmocka_unit_test(test_others_meanwhile),
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_full_step),
		cmocka_unit_test(test_damaged_queue),
		cmocka_unit_test(test_exit),
		cmocka_unit_test(test_keeper),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
