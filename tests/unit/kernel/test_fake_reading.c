/* SPDX-License-Identifier: MIT */
/*
 * test_fake_reading.c - what the kernel looks for by itself while a page of it cannot be
 * read: it is not taken for gone, and keeps nothing else from going.
 */
#include "tests/unit/kernel/fake_kernel.h"
#include "kernel/console_priv.h"

#define SECOND	 KERNEL_SPACE_RETRY_NS
#define PATIENCE ((uint32_t)(KERNEL_READ_PATIENCE_NS / SECOND))

/* A machine whose record lies in another page than those made before. */
static struct disk_capability create_apart(void)
{
	struct disk_capability first = fake_create(OBJECT_MACHINE, 0), machine = first;

	while (machine.object / OBJECTS_PER_PAGE == first.object / OBJECTS_PER_PAGE)
		machine = fake_create(OBJECT_MACHINE, 0);
	return machine;
}

static uint64_t record_page_of(const struct disk_capability *capability)
{
	return OBJECT_TABLE_PAGE + capability->object / OBJECTS_PER_PAGE;
}

static struct disk_system *system_page(void)
{
	fake_adopt();
	return (struct disk_system *)fake_page(SYSTEM_PAGE);
}

static void sleeps(const struct disk_capability *machine, uint64_t deadline)
{
	fake_machine(machine)->state = MACHINE_SLEEP;
	fake_machine(machine)->deadline = deadline;
	fake_adopt();
	assert_int_equal(
		deadline_insert_prepare(&kernel.space, deadline, (object_t){machine->object}),
		STATUS_OK);
	deadline_insert(&kernel.space, deadline, (object_t){machine->object});
	time_deadline_added(deadline);
	fake_adopt();
}

static void run_seconds(bool (*step)(void), uint32_t seconds)
{
	for (uint32_t second = 0; second < seconds; second++) {
		fake_now_ns += SECOND;
		for (uint32_t steps = 0; step(); steps++)
			assert_true(steps < 1000);
	}
	fake_adopt();
}

/* Who sleeps is woken, however long its page cannot be read, and those behind it in time. */
static void test_deadlines(void **state)
{
	struct disk_capability first, second, third;

	(void)state;
	fake_kernel_new();
	first = fake_create(OBJECT_MACHINE, 0);
	second = fake_create(OBJECT_MACHINE, 0);
	third = fake_create(OBJECT_MACHINE, 0);
	sleeps(&first, fake_now_ns + 10);
	sleeps(&second, fake_now_ns + 20);
	sleeps(&third, fake_now_ns + 100 * SECOND + 30);
	fake_unread(fake_machine_page(&first));
	run_seconds(time_step, 1);
	assert_int_equal(fake_machine(&second)->state, MACHINE_READY);
	run_seconds(time_step, 100);
	assert_int_equal(fake_machine(&first)->state, MACHINE_SLEEP);
	assert_int_equal(fake_machine(&third)->state, MACHINE_READY);
	fake_unread(0);
	run_seconds(time_step, 1);
	assert_int_equal(fake_machine(&first)->state, MACHINE_READY);
	assert_int_equal(fake_machine(&first)->deadline, 0);
	assert_int_equal(system_page()->deadline_root, 0);
}

/* A client waits for the answer of a server, which is killed by a third one or by itself. */
static void test_kill(void **state)
{
	struct disk_capability server, client, killer, port;
	enum fake_end end;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		fake_kernel_new();
		server = fake_create(OBJECT_MACHINE, 0);
		client = fake_create(OBJECT_MACHINE, 0);
		killer = fake_create(OBJECT_MACHINE, 0);
		port = fake_create(OBJECT_PORT, 4);
		fake_place(&server, SLOT_PORT, &port);
		fake_place(&client, SLOT_PORT, &port);
		fake_place(&killer, 20, &server);
		fake_call(&client, ENTRY_CALL, SLOT_PORT, 5, 0);
		fake_call(&server, ENTRY_RECEIVE, SLOT_PORT, 0, 0);
		fake_unread(fake_machine_page(&client));
		end = i == 1 ? fake_call(&server, ENTRY_CALL, SLOT_SELF, MACHINE_EXIT, 0)
			     : fake_call(&killer, ENTRY_CALL, 20, MACHINE_DESTROY, 0);
		/* The server ends in any case, perhaps without telling the client. */
		assert_int_equal(end, i == 1 ? FAKE_GONE : FAKE_DONE);
		run_seconds(service_destroy_step, i < 2 ? PATIENCE / 2 : 2 * PATIENCE);
		fake_unread(0);
		run_seconds(service_destroy_step, 1);
		if (i != 1)
			assert_int_equal(fake_machine(&killer)->registers.gpr[REGISTER_RSI],
					 STATUS_OK);
		assert_int_equal(fake_machine(&client)->state,
				 i < 2 ? MACHINE_READY : MACHINE_AWAIT_REPLY);
		if (i < 2)
			assert_int_equal(fake_result(&client), STATUS_GONE);
	}
}

/* What was noted to go tells its callers, and is given up like a call's. */
static void test_transient(void **state)
{
	struct disk_capability server, client, port;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		fake_kernel_new();
		server = fake_create(OBJECT_MACHINE, 0);
		client = fake_create(OBJECT_MACHINE, 0);
		port = fake_create(OBJECT_PORT, 4);
		fake_place(&server, SLOT_PORT, &port);
		fake_place(&client, SLOT_PORT, &port);
		fake_call(&client, ENTRY_CALL, SLOT_PORT, 5, 0);
		fake_call(&server, ENTRY_RECEIVE, SLOT_PORT, 0, 0);
		transient_add(system_page(), (object_t){server.object}, server.version);
		fake_place(&server, SLOT_PORT, &port);
		fake_unread(fake_machine_page(&client));
		run_seconds(service_destroy_step, PATIENCE - 1);
		assert_int_equal(object_resolve(&kernel.space, &server, OBJECT_NONE, 0, NULL),
				 STATUS_DEAD);
		assert_int_equal(object_resolve(&kernel.space, &port, OBJECT_NONE, 0, NULL),
				 STATUS_DEAD);
		if (i)
			run_seconds(service_destroy_step, 2);
		fake_unread(0);
		run_seconds(service_destroy_step, 2);
		assert_int_equal(system_page()->destroying, 0);
		assert_int_equal(fake_machine(&client)->state,
				 i ? MACHINE_AWAIT_REPLY : MACHINE_READY);
	}
}

/* Several whose pages are below one node that the disk does not read, for which each one
 * waits: the list is gone through once, and those behind them go. */
static void test_transient_unread(void **state)
{
	struct transient_walk walk = {0};
	struct disk_capability machine[3], segment;
	enum status status;
	uint32_t waits = 0;

	(void)state;
	fake_kernel_new();
	for (uint32_t i = 0; i < 3; i++)
		machine[i] = fake_create(OBJECT_MACHINE, 0);
	/* Far from them. */
	segment = fake_create(OBJECT_SEGMENT, 2 * STORE_NODE_PAGES * PAGE_SIZE);
	for (uint32_t i = 0; i < 3; i++)
		transient_add(system_page(), (object_t){machine[i].object}, machine[i].version);
	transient_add(system_page(), (object_t){segment.object}, segment.version);
	fake_adopt();
	fake_unread_node(fake_machine_page(&machine[0]));
	while ((status = service_destroy_transient(&walk)) == STATUS_WAIT)
		assert_true(waits++ < 10);
	assert_int_equal(status, STATUS_OK);
	fake_adopt();
	assert_int_equal(object_resolve(&kernel.space, &segment, OBJECT_NONE, 0, NULL),
			 STATUS_DEAD);
	/* It has ended, and is forgotten. */
	assert_int_equal(service_destroy_transient(&walk), STATUS_OK);
	assert_int_equal(service_destroy_transient(&walk), STATUS_IO);
	assert_int_equal(waits, 3);
	/* It begins anew. */
	fake_unread_node(0);
	run_seconds(service_destroy_step, 2);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(object_resolve(&kernel.space, &machine[i], OBJECT_NONE, 0, NULL),
				 STATUS_DEAD);
}

/* What a restart notes before the place that had been reached goes, too. */
static void test_transient_anew(void **state)
{
	struct disk_capability segment[3];

	(void)state;
	fake_kernel_new();
	for (uint32_t i = 0; i < 3; i++)
		segment[i] = fake_create(OBJECT_SEGMENT, PAGE_SIZE);
	for (uint32_t i = 0; i < 2; i++)
		transient_add(system_page(), (object_t){segment[i].object}, segment[i].version);
	fake_adopt();
	while (object_resolve(&kernel.space, &segment[1], OBJECT_NONE, 0, NULL) == STATUS_OK) {
		assert_true(service_destroy_step());
		fake_adopt();
	}
	assert_int_equal(system_page()->transient[0].version, 0);
	assert_int_not_equal(system_page()->transient[1].version, 0);
	fake_restarts = true;
	transient_add(system_page(), (object_t){segment[2].object}, segment[2].version);
	run_seconds(service_destroy_step, 2);
	assert_int_equal(object_resolve(&kernel.space, &segment[2], OBJECT_NONE, 0, NULL),
			 STATUS_OK);
	fake_restarts = false;
	run_seconds(service_destroy_step, 2);
	assert_int_equal(object_resolve(&kernel.space, &segment[2], OBJECT_NONE, 0, NULL),
			 STATUS_DEAD);
}

/* What kernel work could not read at some time has its whole patience the next time. */
static void test_work_forgets(void **state)
{
	struct failing failing = {0};
	page_t page = {USER_ARENA_PAGE};

	(void)state;
	fake_kernel_new();
	for (unsigned i = 0; i < 3; i++) {
		for (uint32_t second = 0; second <= PATIENCE; second++) {
			kernel_work_begin(&failing);
			kernel.space.failed = page;
			assert_int_equal(kernel_work_end(STATUS_IO), second < PATIENCE);
			fake_now_ns += SECOND;
		}
		/* Given up: it goes on without that page, and all others of the same kind. */
		kernel_work_begin(&failing);
		assert_true(kernel_read_given_up());
		kernel.space.failed = page;
		assert_false(kernel_work_end(STATUS_OK));
		kernel_work_begin(&failing);
		assert_true(kernel_read_given_up());
		/* To wait for an answer of the disk is neither. */
		assert_true(kernel_work_end(STATUS_WAIT));
		kernel_work_begin(&failing);
		assert_true(kernel_read_given_up());
		assert_false(kernel_work_end(STATUS_OK));
	}
}

/* That the disk fails is not taken for a full store, of which the terminal's machine might
 * not get out. */
static void test_not_full(void **state)
{
	struct disk_capability reader, other;
	enum fake_end end;

	(void)state;
	fake_kernel_new();
	reader = fake_create(OBJECT_MACHINE, 0);
	other = create_apart();
	fake_place(&reader, 20, &other);
	fake_full = 0;
	fake_unread(record_page_of(&other));
	assert_int_equal(fake_call(&reader, ENTRY_CALL, 20, MACHINE_INFO, 0), FAKE_PARKED);
	fake_wait(&reader, PATIENCE / 2, &end);
	assert_int_equal(end, FAKE_PARKED);
	assert_int_equal(fake_full, 0);
}

static bool marked(const struct disk_capability *machine)
{
	object_t found = {0};
	enum status status;

	fake_begin();
	status =
		machine_bit_next(&kernel.space, RESUME_BITMAP, (object_t){machine->object}, &found);
	return status == STATUS_OK && found.n == machine->object;
}

/* For the machine in slot 20. */
static void tell_on_resume(const struct disk_capability *caller, uint32_t slot)
{
	fake_machine(caller)->registers.gpr[REGISTER_R14] = slot;
	assert_int_equal(fake_call(caller, ENTRY_CALL, 20, MACHINE_ON_RESUME, 0), FAKE_DONE);
	assert_int_equal(fake_machine(caller)->registers.gpr[REGISTER_RSI], STATUS_OK);
}

/* As many as there are can be told of a resume: of the next one, once; who asks again
 * for another port has not been told in the meantime. */
static void test_on_resume(void **state)
{
	struct disk_capability caller, machine, port;

	(void)state;
	fake_kernel_new();
	kernel.epoch = 7;
	port = fake_create(OBJECT_PORT, 4);
	caller = fake_create(OBJECT_MACHINE, 0);
	fake_place(&caller, SLOT_PORT, &port);
	for (unsigned i = 0; i < 2 * SYSTEM_RESUME_MAX; i++) {
		machine = fake_create(OBJECT_MACHINE, 0);
		fake_place(&caller, 20, &machine);
		assert_false(marked(&machine));
		tell_on_resume(&caller, SLOT_PORT);
		assert_true(marked(&machine));
	}
	assert_int_equal(fake_machine(&machine)->resume_seen, 7);
	kernel.epoch = 8;
	tell_on_resume(&caller, SLOT_PORT);
	assert_int_equal(fake_machine(&machine)->resume_seen, 7);
	tell_on_resume(&caller, 0);
	assert_int_equal(fake_machine(&machine)->resume_port_version, 0);
	assert_false(marked(&machine));
}

/* In safe mode nothing runs before it is known who may. */
static void test_safe(void **state)
{
	struct disk_capability shell, other;

	(void)state;
	fake_kernel_new();
	kernel.safe = true;
	shell = create_apart();
	other = fake_create(OBJECT_MACHINE, 0);
	system_page()->terminal.object = shell.object;
	system_page()->terminal.version = shell.version;
	fake_adopt();
	assert_true(safe_holds(other.version));
	fake_unread(record_page_of(&shell));
	fake_begin();
	assert_int_equal(safe_begin(), STATUS_IO);
	assert_true(safe_holds(other.version) && safe_holds(shell.version));
	fake_unread(0);
	fake_begin();
	assert_int_equal(safe_begin(), STATUS_DEAD); /* it has no guard */
	assert_true(safe_holds(other.version));
	assert_false(safe_holds(shell.version));
	kernel.safe = false;
}

/* Whose the terminal is, in a state from before that was noted. */
static void test_terminal(void **state)
{
	struct disk_capability console, ended, shell;
	object_t at = {0};

	(void)state;
	fake_kernel_new();
	ended = fake_create(OBJECT_MACHINE, 0);
	shell = fake_create(OBJECT_MACHINE, 0);
	assert_int_equal(object_capability(&kernel.space, (object_t){OBJECT_THE_CONSOLE},
					   RIGHT_SEND | RIGHT_RECEIVE, &console),
			 STATUS_OK);
	fake_place(&ended, SLOT_CONSOLE, &console);
	fake_place(&shell, SLOT_CONSOLE, &console);
	fake_machine(&ended)->state = MACHINE_EXITED;
	fake_machine(&shell)->state = MACHINE_READY;
	fake_adopt();
	assert_int_equal(terminal_search(&at), STATUS_OK);
	assert_int_equal(at.n, ended.object);
	assert_int_equal(system_page()->terminal.version, 0);
	fake_unread(fake_machine_page(&shell));
	assert_int_equal(terminal_search(&at), STATUS_IO);
	fake_unread(0);
	at.n = ended.object;
	fake_begin();
	assert_int_equal(terminal_search(&at), STATUS_OK);
	assert_int_equal(system_page()->terminal.version, shell.version);
}

static bool essential_is(const struct disk_capability *machine)
{
	return essential_machine(task_get((object_t){machine->object}, machine->version, 0));
}

/* What is essential stays so when it could not be read for a moment. */
static void test_essential(void **state)
{
	struct disk_capability shell;

	(void)state;
	fake_kernel_new();
	shell = create_apart();
	system_page()->terminal.object = shell.object;
	system_page()->terminal.version = shell.version;
	fake_adopt();
	essential_reset();
	fake_unread(record_page_of(&shell));
	run_seconds(essential_step, 3);
	assert_false(essential_is(&shell));
	fake_unread(0);
	run_seconds(essential_step, 1);
	assert_true(essential_is(&shell));
	assert_true(fake_essential_runs > 3);
	/* One of its parts. */
	essential_changed();
	fake_unread(record_page_of(&fake_machine(&shell)->table));
	run_seconds(essential_step, 1);
	fake_unread(0);
	fake_essential_runs = 0;
	run_seconds(essential_step, 2);
	assert_true(fake_essential_runs > 3);
	fake_essential_runs = 0;
	run_seconds(essential_step, 2);
	assert_int_equal(fake_essential_runs, 0);
}

static bool essential_has(uint64_t page)
{
	for (uint32_t i = 0; i < fake_essential_runs; i++)
		if (page - fake_essential[i].first.n < fake_essential[i].count)
			return true;
	return false;
}

/* It is about to attach so many pages to itself, or takes a keeper. */
static void essential_calls(const struct disk_capability *machine, uint64_t label,
			    const struct disk_capability *passed, uint64_t rights, uint64_t owned)
{
	uint64_t *gpr;

	fake_place(machine, 20, passed);
	gpr = fake_machine(machine)->registers.gpr;
	memset(gpr, 0, sizeof(fake_machine(machine)->registers.gpr));
	gpr[REGISTER_R8] = rights;
	gpr[REGISTER_R9] = owned;
	gpr[REGISTER_R14] = 20;
	assert_int_equal(fake_call(machine, ENTRY_CALL, SLOT_SELF, label, 0), FAKE_DONE);
	assert_int_equal(fake_machine(machine)->registers.gpr[REGISTER_RSI], STATUS_OK);
}

/* Whatever a machine that is essential has from some moment on is so as well: its keeper,
 * with all that has, and what is attached.  The keeper first: a heap leaves no room. */
static void test_essential_grows(void **state)
{
	struct disk_capability shell, guard, port, heap;
	struct disk_object record;

	(void)state;
	fake_kernel_new();
	shell = create_apart();
	guard = create_apart();
	port = fake_create(OBJECT_PORT, 4);
	heap = fake_create(OBJECT_SEGMENT, 2 * (uint64_t)STORE_ESSENTIAL_PAGES * PAGE_SIZE);
	system_page()->terminal.object = shell.object;
	system_page()->terminal.version = shell.version;
	fake_adopt();
	essential_reset();
	run_seconds(essential_step, 1);
	assert_true(essential_is(&shell) && !essential_is(&guard));

	essential_calls(&shell, MACHINE_ATTACH, &heap, RIGHT_READ | RIGHT_WRITE, 1);
	run_seconds(essential_step, 1);
	fake_begin();
	assert_int_equal(object_read(&kernel.space, (object_t){heap.object}, &record), STATUS_OK);
	assert_true(essential_has(record.first_page));
	assert_false(essential_has(record.first_page + STORE_ESSENTIAL_PAGES));

	/* Who receives from it is the keeper. */
	fake_place(&guard, SLOT_PORT, &port);
	memset(fake_machine(&guard)->registers.gpr, 0, sizeof(struct disk_registers));
	assert_int_equal(fake_call(&guard, ENTRY_RECEIVE, SLOT_PORT, 0, 0), FAKE_BLOCKED);
	essential_calls(&shell, MACHINE_SET_KEEPER, &port, 0, 0);
	run_seconds(essential_step, 1);
	assert_true(essential_is(&shell) && essential_is(&guard));
	fake_begin();
	assert_int_equal(object_read(&kernel.space, (object_t){port.object}, &record), STATUS_OK);
	assert_true(essential_has(record.first_page));
	assert_true(essential_has(fake_machine_page(&guard)));
	assert_true(essential_has(fake_machine_page(&shell)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deadlines),      cmocka_unit_test(test_kill),
		cmocka_unit_test(test_transient),      cmocka_unit_test(test_transient_unread),
		cmocka_unit_test(test_transient_anew), cmocka_unit_test(test_on_resume),
		cmocka_unit_test(test_safe),	       cmocka_unit_test(test_terminal),
		cmocka_unit_test(test_essential),      cmocka_unit_test(test_essential_grows),
		cmocka_unit_test(test_work_forgets),   cmocka_unit_test(test_not_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
