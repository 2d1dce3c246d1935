/* SPDX-License-Identifier: MIT */
/*
 * test_fake_reply.c - messages and answers while a page of one of those who exchange them
 * cannot be read: nothing is lost on an error that passes, nobody waits for ever on one
 * that does not.
 */
#include "tests/unit/kernel/fake_kernel.h"

#define PATIENCE ((uint32_t)(KERNEL_READ_PATIENCE_NS / KERNEL_SPACE_RETRY_NS))
#define ANSWER	 77u

static struct disk_capability server, client, port;

/* A client has called a server, which has received the call. */
static void served(uint32_t length)
{
	fake_kernel_new();
	server = fake_create(OBJECT_MACHINE, 0);
	client = fake_create(OBJECT_MACHINE, 0);
	port = fake_create(OBJECT_PORT, 4);
	fake_place(&server, SLOT_PORT, &port);
	fake_place(&client, SLOT_PORT, &port);
	assert_int_equal(fake_call(&client, ENTRY_CALL, SLOT_PORT, 5, length), FAKE_BLOCKED);
	assert_int_equal(fake_call(&server, ENTRY_RECEIVE, SLOT_PORT, 0, 0), FAKE_DONE);
	assert_int_equal(fake_machine(&server)->registers.gpr[REGISTER_RSI], 5);
	assert_int_equal(fake_machine(&server)->reply.version, client.version);
}

static void assert_waits(const struct disk_capability *machine)
{
	struct task *task = task_find((object_t){machine->object});

	assert_int_equal(task->place, TASK_WAITING);
	assert_int_equal(task->wait->channel, CHANNEL_DISK);
	assert_true(task->failing.since_ns);
}

static void assert_answered(void)
{
	assert_int_equal(fake_machine(&client)->state, MACHINE_READY);
	assert_int_equal(fake_result(&client), STATUS_OK);
	assert_int_equal(fake_machine(&client)->registers.gpr[REGISTER_RSI], ANSWER);
	assert_int_equal(fake_machine(&server)->reply.version, 0);
	assert_int_equal(task_find((object_t){server.object})->failing.since_ns, 0);
}

/* The pages of the caller that an answer needs. */
static void client_unread(bool message)
{
	fake_unread(message ? fake_machine(&client)->message_page : fake_machine_page(&client));
}

static void test_reply_waits(void **state)
{
	enum fake_end end;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		served(8);
		client_unread(i & 1);
		assert_int_equal(fake_call(&server, i & 2 ? ENTRY_SEND : ENTRY_REPLY_RECEIVE,
					   i & 2 ? SLOT_REPLY : SLOT_PORT, ANSWER, 8),
				 FAKE_PARKED);
		assert_waits(&server);
		assert_int_equal(fake_wait(&server, PATIENCE - 2, &end), PATIENCE - 2);
		assert_int_equal(end, FAKE_PARKED);
		assert_int_equal(fake_machine(&server)->reply.version, client.version);
		assert_int_equal(fake_machine(&client)->state, MACHINE_AWAIT_REPLY);
		fake_unread(0);
		assert_int_equal(fake_wait(&server, 1, &end), 1);
		assert_int_equal(end, i & 2 ? FAKE_DONE : FAKE_BLOCKED);
		assert_answered();
	}
}

/* While nothing can be saved either, the page is not to blame. */
static void test_reply_waits_for_the_disk(void **state)
{
	enum fake_end end;

	(void)state;
	served(0);
	client_unread(false);
	fake_disk_fails = true;
	assert_int_equal(fake_call(&server, ENTRY_REPLY_RECEIVE, SLOT_PORT, ANSWER, 0),
			 FAKE_PARKED);
	assert_int_equal(fake_wait(&server, 10 * PATIENCE, &end), 10 * PATIENCE);
	fake_disk_fails = false;
	assert_int_equal(fake_wait(&server, PATIENCE - 2, &end), PATIENCE - 2);
	assert_int_equal(end, FAKE_PARKED);
	fake_unread(0);
	fake_wait(&server, 1, &end);
	assert_answered();
}

/* A page that alone fails is given up: the replier goes on, and who can be told is. */
static void test_reply_given_up(void **state)
{
	enum fake_end end;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		served(8);
		client_unread(i & 1);
		assert_int_equal(fake_call(&server, i & 2 ? ENTRY_SEND : ENTRY_REPLY_RECEIVE,
					   i & 2 ? SLOT_REPLY : SLOT_PORT, ANSWER, 8),
				 FAKE_PARKED);
		assert_int_equal(fake_wait(&server, 2 * PATIENCE, &end), PATIENCE);
		assert_int_equal(end, i & 2 ? FAKE_DONE : FAKE_BLOCKED);
		assert_int_equal(fake_machine(&server)->reply.version, 0);
		assert_int_equal(task_find((object_t){server.object})->failing.since_ns, 0);
		if (i & 2)
			assert_int_equal(fake_result(&server), STATUS_IO);
		else
			assert_int_equal(fake_machine(&server)->state, MACHINE_RECEIVE);
		fake_unread(0);
		if (i & 1) {
			assert_int_equal(fake_machine(&client)->state, MACHINE_READY);
			assert_int_equal(fake_result(&client), STATUS_IO);
		}
	}
}

/* The patience is that of a call: two pages that fail in turns do not keep it for ever. */
static void test_each_call_has_its_time(void **state)
{
	enum fake_end end;

	(void)state;
	served(8);
	client_unread(false);
	fake_call(&server, ENTRY_REPLY_RECEIVE, SLOT_PORT, ANSWER, 8);
	for (unsigned i = 1; i < PATIENCE; i++) {
		client_unread(i & 1);
		assert_int_equal(fake_wait(&server, 1, &end), 1);
		assert_int_equal(end, FAKE_PARKED);
	}
	assert_int_equal(fake_wait(&server, PATIENCE, &end), 1);
	assert_int_equal(end, FAKE_BLOCKED);
	fake_unread(0);
	/* An earlier one has not used it up. */
	served(0);
	client_unread(false);
	fake_call(&server, ENTRY_SEND, SLOT_REPLY, ANSWER, 0);
	fake_wait(&server, PATIENCE - 1, &end);
	fake_unread(0);
	fake_wait(&server, 1, &end);
	assert_answered();
	assert_int_equal(fake_call(&client, ENTRY_CALL, SLOT_PORT, 5, 0), FAKE_BLOCKED);
	assert_int_equal(fake_call(&server, ENTRY_RECEIVE, SLOT_PORT, 0, 0), FAKE_DONE);
	client_unread(false);
	fake_call(&server, ENTRY_SEND, SLOT_REPLY, ANSWER, 0);
	assert_int_equal(fake_wait(&server, PATIENCE, &end), PATIENCE);
}

/* A call that is received and not answered, or whose answer is deleted. */
static void test_abandoned(void **state)
{
	struct disk_capability table;
	enum fake_end end;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		served(0);
		table = fake_machine(&server)->table;
		fake_place(&server, 20, &table);
		client_unread(false);
		fake_machine(&server)->registers.gpr[call_word_register[0]] = SLOT_REPLY;
		assert_int_equal(i ? fake_call(&server, ENTRY_CALL, 20, TABLE_DELETE, 0)
				   : fake_call(&server, ENTRY_RECEIVE, SLOT_PORT, 0, 0),
				 FAKE_PARKED);
		assert_waits(&server);
		fake_unread(0);
		fake_wait(&server, 1, &end);
		assert_int_equal(end, i ? FAKE_DONE : FAKE_BLOCKED);
		assert_int_equal(fake_machine(&client)->state, MACHINE_READY);
		assert_int_equal(fake_result(&client), STATUS_GONE);
	}
}

/* A reply capability that the receiver of a message does not take. */
static void test_refused(void **state)
{
	struct disk_capability third, other;
	enum fake_end end;

	(void)state;
	served(0);
	third = fake_create(OBJECT_MACHINE, 0);
	other = fake_create(OBJECT_PORT, 4);
	fake_place(&third, SLOT_PORT, &other);
	fake_place(&server, 20, &other);
	fake_machine(&third)->registers.gpr[REGISTER_R15] = 0;
	assert_int_equal(fake_call(&third, ENTRY_RECEIVE, SLOT_PORT, 0, 0), FAKE_BLOCKED);
	client_unread(false);
	fake_machine(&server)->registers.gpr[REGISTER_R14] = SLOT_REPLY;
	assert_int_equal(fake_call(&server, ENTRY_SEND, 20, 9, 0), FAKE_PARKED);
	fake_unread(0);
	fake_wait(&server, 1, &end);
	assert_int_equal(end, FAKE_DONE);
	assert_int_equal(fake_machine(&third)->state, MACHINE_READY);
	assert_int_equal(fake_result(&client), STATUS_GONE);
}

/* A message to a machine that waits for it, or into a queue, and its way out again. */
static void test_send_and_receive(void **state)
{
	struct disk_object record;
	enum fake_end end;

	(void)state;
	served(0);
	fake_call(&server, ENTRY_REPLY_RECEIVE, SLOT_PORT, ANSWER, 0);
	fake_unread(fake_machine_page(&server));
	assert_int_equal(fake_call(&client, ENTRY_CALL, SLOT_PORT, 6, 0), FAKE_PARKED);
	assert_int_equal(fake_wait(&client, 3 * PATIENCE, &end), PATIENCE);
	assert_int_equal(fake_result(&client), STATUS_IO);
	assert_int_equal(fake_call(&client, ENTRY_CALL, SLOT_PORT, 6, 0), FAKE_PARKED);
	fake_unread(0);
	fake_wait(&client, 1, &end);
	assert_int_equal(end, FAKE_BLOCKED);
	assert_int_equal(fake_machine(&server)->registers.gpr[REGISTER_RSI], 6);

	served(0);
	fake_call(&server, ENTRY_SEND, SLOT_REPLY, ANSWER, 0);
	fake_begin();
	assert_int_equal(object_read(&kernel.space, (object_t){port.object}, &record), STATUS_OK);
	fake_unread(record.first_page);
	assert_int_equal(fake_call(&client, ENTRY_SEND, SLOT_PORT, 7, 0), FAKE_PARKED);
	fake_unread(0);
	fake_wait(&client, 1, &end);
	assert_int_equal(end, FAKE_DONE);
	fake_unread(record.first_page);
	assert_int_equal(fake_call(&server, ENTRY_RECEIVE, SLOT_PORT, 0, 0), FAKE_PARKED);
	fake_unread(0);
	fake_wait(&server, 1, &end);
	assert_int_equal(end, FAKE_DONE);
	assert_int_equal(fake_machine(&server)->registers.gpr[REGISTER_RSI], 7);
}

/* A port that cannot be read does not keep the messages of another. */
static void test_receive_any(void **state)
{
	struct disk_capability second;
	struct disk_object record;
	enum fake_end end;

	(void)state;
	served(0);
	second = fake_create(OBJECT_PORT, 4);
	fake_place(&server, 20, &second);
	fake_place(&client, 20, &second);
	/* Waiting on it for no time makes it the receiver. */
	fake_machine(&server)->registers.gpr[REGISTER_RBX] = 1;
	fake_call(&server, ENTRY_REPLY_RECEIVE, 20, ANSWER, 0);
	assert_int_equal(fake_result(&server), STATUS_TIMEOUT);
	fake_machine(&server)->registers.gpr[REGISTER_RBX] = 0;
	assert_int_equal(fake_call(&client, ENTRY_SEND, 20, 8, 0), FAKE_DONE);
	fake_begin();
	assert_int_equal(object_read(&kernel.space, (object_t){port.object}, &record), STATUS_OK);
	fake_unread(record.first_page);
	assert_int_equal(fake_call(&server, ENTRY_RECEIVE, 0, 0, 0), FAKE_DONE);
	assert_int_equal(fake_machine(&server)->registers.gpr[REGISTER_RSI], 8);
	assert_int_equal(fake_call(&server, ENTRY_RECEIVE, 0, 0, 0), FAKE_PARKED);
	fake_unread(0);
	fake_wait(&server, 1, &end);
	assert_int_equal(end, FAKE_BLOCKED);
}

/* The receiver of a port whose record cannot be read is still its receiver. */
static void test_bound(void **state)
{
	struct disk_capability third = {0};
	enum fake_end end;

	(void)state;
	served(0);
	/* One whose record lies in another page than theirs. */
	while (third.object / OBJECTS_PER_PAGE == server.object / OBJECTS_PER_PAGE ||
	       third.object % OBJECTS_PER_PAGE > 1 + OBJECTS_PER_PAGE / 2 || !third.object)
		third = fake_create(OBJECT_MACHINE, 0);
	fake_place(&third, SLOT_PORT, &port);
	fake_call(&server, ENTRY_SEND, SLOT_REPLY, ANSWER, 0);
	/* The port comes to lie with the third one, the server apart. */
	port = fake_create(OBJECT_PORT, 4);
	fake_place(&server, SLOT_PORT, &port);
	fake_place(&third, SLOT_PORT, &port);
	assert_int_equal(fake_call(&server, ENTRY_RECEIVE, SLOT_PORT, 0, 0), FAKE_BLOCKED);
	fake_unread(OBJECT_TABLE_PAGE + server.object / OBJECTS_PER_PAGE);
	assert_int_equal(fake_call(&third, ENTRY_RECEIVE, SLOT_PORT, 0, 0), FAKE_PARKED);
	fake_unread(0);
	fake_wait(&third, 1, &end);
	assert_int_equal(end, FAKE_DONE);
	assert_int_equal(fake_result(&third), STATUS_BUSY);
}

/* On a full store a receiver waits with its answer, and who only sends it is told; where only
 * pages of the caller have no space, that is told instead of the answer. */
static void test_full(void **state)
{
	enum fake_end end = FAKE_PARKED;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		unsigned told = 0;

		/* The first three are the page of the machine itself, which is there. */
		for (uint32_t nth = 4;; nth++) {
			served(8);
			fake_fails_at = nth;
			end = fake_call(&server, i ? ENTRY_SEND : ENTRY_REPLY_RECEIVE,
					i ? SLOT_REPLY : SLOT_PORT, ANSWER, 8);
			fake_fails_at = 0;
			if (fake_machine(&client)->state == MACHINE_READY) {
				if (fake_result(&client) != STATUS_NO_SPACE)
					break;
				/* The caller's trouble alone, and the server goes on. */
				assert_int_equal(end, i ? FAKE_DONE : FAKE_BLOCKED);
				assert_int_equal(fake_machine(&server)->reply.version, 0);
				if (i)
					assert_int_equal(fake_result(&server), STATUS_OK);
				told++;
				continue;
			}
			assert_int_equal(end, i ? FAKE_DONE : FAKE_PARKED);
			if (i)
				assert_int_equal(fake_result(&server), STATUS_NO_SPACE);
			assert_int_equal(fake_machine(&server)->reply.version, client.version);
		}
		assert_true(told);
		assert_answered();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reply_waits),
		cmocka_unit_test(test_reply_waits_for_the_disk),
		cmocka_unit_test(test_reply_given_up),
		cmocka_unit_test(test_each_call_has_its_time),
		cmocka_unit_test(test_abandoned),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_send_and_receive),
		cmocka_unit_test(test_receive_any),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
