/* SPDX-License-Identifier: MIT */
/*
 * test_checkpoint.c - kernel/checkpoint.c, kernel/request.c: when commits begin, and what
 * those are told who wait for one, over a store, machines and a clock that do what the
 * test says.
 */
#include "tests/unit/kernel/fake_checkpoint.h"

/* ---- what the tests do ------------------------------------------------------------------- */

static int setup(void **state)
{
	(void)state;
	memset(&fake, 0, sizeof(fake));
	memset(&kernel, 0, sizeof(kernel));
	memset(&device, 0, sizeof(device));
	kernel.device = &device;
	kernel.interval_ns = 10 * SECOND;
	fake.now_ns = 100 * SECOND;
	fake.generation = 7;
	fake.console = STATUS_WAIT;
	for (uint32_t i = 0; i < CALLERS; i++) {
		fake.task[i] = (struct task){.object = {i + 1}, .version = i + 1};
		fake.machine[i].registers.gpr[REGISTER_RSI] = 1000 + i;
	}
	checkpoint_reset();
	return 0;
}

/* As long as there is more to do at once. */
static void run(void)
{
	if (setjmp(left) == 0)
		while (checkpoint_step())
			;
}

static void ask_with(unsigned caller, struct store_commit_request commit, enum checkpoint_end end,
		     uint64_t deadline_ns)
{
	fake.cpu.running = &fake.task[caller];
	if (setjmp(left) == 0)
		checkpoint_request(&commit, end, deadline_ns);
}

static void ask(unsigned caller, enum store_action action)
{
	ask_with(caller, (struct store_commit_request){.action = action}, CHECKPOINT_ANSWER, 0);
}

static void end(enum status health)
{
	fake.committing = false;
	fake.health = health;
	run();
	fake.health = STATUS_OK;
}

/* In register RSI: what it was told, or a number from 1000 on while it was not. */
static uint64_t told(unsigned caller)
{
	return fake.machine[caller].registers.gpr[REGISTER_RSI];
}

static bool waits(unsigned caller)
{
	return fake.task[caller].place == TASK_REQUEST;
}

/* ---- tests ---------------------------------------------------------------------------------- */

static void test_due(void **state)
{
	(void)state;
	fake.now_ns += 20 * SECOND;
	run();
	assert_int_equal(fake.commits, 0);
	fake.dirty = true;
	run();
	assert_int_equal(fake.commits, 1);
	end(STATUS_OK);
	fake.now_ns += 10 * SECOND - 1;
	run();
	assert_int_equal(fake.commits, 1);
	fake.now_ns++;
	run();
	assert_int_equal(fake.commits, 2);
	end(STATUS_OK);
	fake.pressure = true;
	run();
	assert_int_equal(fake.commits, 3);
	fake.pressure = false;
	kernel.interval_ns = 0;
	end(STATUS_OK);
	fake.now_ns += 100 * SECOND;
	run();
	assert_int_equal(fake.commits, 3);
}

/* In the generation stands RESUMED; who lives on is told the outcome, once. */
static void test_answer(void **state)
{
	(void)state;
	ask(0, STORE_ACTION_NONE);
	assert_true(waits(0));
	run();
	assert_int_equal(told(0), STATUS_RESUMED);
	assert_int_equal(fake.machine[0].registers.gpr[WORD], 7);
	assert_true(waits(0));
	/* Who asks meanwhile waits for the next one. */
	ask(1, STORE_ACTION_NONE);
	end(STATUS_OK);
	assert_int_equal(told(0), STATUS_OK);
	assert_false(waits(0));
	assert_int_equal(fake.finished[0], 1);
	assert_int_equal(fake.woken, 1);
	assert_int_equal(fake.commits, 2);
	assert_int_equal(told(1), STATUS_RESUMED);
	/* One that is gone meanwhile is not written to. */
	fake.task[1].version = 99;
	end(STATUS_OK);
	assert_int_equal(told(1), STATUS_RESUMED);
}

/* What fails is asked for again, after longer and longer pauses, at once when somebody asks. */
static void test_failures(void **state)
{
	(void)state;
	device.trouble = "the disk is on fire";
	ask(0, STORE_ACTION_SNAPSHOT);
	run();
	end(STATUS_IO);
	assert_non_null(
		strstr(fake.loud, "unsaved since 00:00:00 UTC, generation 6: the disk is on"));
	for (unsigned i = 0; i < 70; i++) {
		struct checkpoint_unsaved unsaved = checkpoint_unsaved();
		uint64_t pause_ns = i < 5 ? SECOND << i : 30 * SECOND;

		assert_int_equal(told(0), 1000);
		assert_true(waits(0));
		assert_string_equal(unsaved.why, device.trouble);
		assert_int_equal(unsaved.attempts, i + 1);
		assert_int_equal(unsaved.retry_ns, pause_ns);
		fake.now_ns += pause_ns - 1;
		run();
		assert_int_equal(fake.commits, i + 1);
		fake.now_ns++;
		run();
		assert_int_equal(fake.commits, i + 2);
		assert_int_equal(fake.committed.action, STORE_ACTION_SNAPSHOT);
		end(STATUS_IO);
	}
	ask(1, STORE_ACTION_NONE);
	/* A disk that does not answer would only hold up those who write. */
	device.silent_ns = KERNEL_SILENCE_NS;
	run();
	assert_int_equal(fake.commits, 71);
	device.silent_ns = 0;
	run();
	assert_int_equal(fake.commits, 72);
	end(STATUS_OK);
	assert_non_null(strstr(fake.loud, "saved again: generation 7 is durable"));
	assert_int_equal(told(0), STATUS_OK);
	assert_int_equal(told(1), STATUS_OK);
	assert_null(checkpoint_unsaved().why);
}

/* It is said again each time that it has become three times as long. */
static void test_said(void **state)
{
	(void)state;
	ask(0, STORE_ACTION_NONE);
	run();
	end(STATUS_IO);
	fake.loud[0] = '\0';
	fake.now_ns = 299 * SECOND;
	run();
	end(STATUS_IO);
	assert_string_equal(fake.loud, "");
	fake.now_ns = 300 * SECOND;
	ask(1, STORE_ACTION_NONE);
	run();
	end(STATUS_IO);
	assert_non_null(strstr(fake.loud, "unsaved since"));
}

/* Damage stays: who wanted what it is in the way of is told, all others are served. */
static void test_damage(void **state)
{
	(void)state;
	ask(0, STORE_ACTION_DELETE);
	ask(1, STORE_ACTION_NONE);
	run();
	end(STATUS_CORRUPT);
	assert_int_equal(told(0), STATUS_CORRUPT);
	assert_false(waits(0));
	assert_int_equal(told(1), 1001);
	assert_string_equal(checkpoint_unsaved().why, status_text(STATUS_CORRUPT));
	fake.now_ns += SECOND;
	run();
	assert_int_equal(fake.committed.action, STORE_ACTION_NONE);
	end(STATUS_OK);
	assert_int_equal(told(1), STATUS_OK);
}

/* Refused before anything happened: only who asked is told, and no other has seen RESUMED. */
static void test_refused(void **state)
{
	(void)state;
	ask(0, STORE_ACTION_SNAPSHOT);
	ask(1, STORE_ACTION_NONE);
	fake.refuse = STATUS_BUSY;
	run();
	assert_int_equal(told(0), 1000);
	assert_int_equal(told(1), 1001);
	fake.refuse = STATUS_EXISTS;
	run();
	assert_int_equal(told(0), STATUS_EXISTS);
	assert_int_equal(fake.finished[0], 3); /* twice taken back with its registers */
	assert_int_equal(told(1), 1001);
	fake.refuse = STATUS_OK;
	run();
	end(STATUS_OK);
	assert_int_equal(told(1), STATUS_OK);
}

static void test_deadlines(void **state)
{
	const struct store_commit_request none = {.action = STORE_ACTION_NONE};
	uint64_t late = fake.now_ns + SECOND;

	(void)state;
	/* Not begun: nothing was done. */
	fake.refuse = STATUS_BUSY;
	ask_with(0, none, CHECKPOINT_ANSWER, late);
	fake.now_ns = late - 1;
	run();
	assert_true(waits(0));
	fake.now_ns = late;
	run();
	assert_int_equal(told(0), STATUS_TIMEOUT);
	assert_int_equal(fake.finished[0], 2);
	/* Under way: it may still be done, and its registers say already that it was. */
	fake.refuse = STATUS_OK;
	ask_with(1, none, CHECKPOINT_ANSWER, late + SECOND);
	run();
	fake.now_ns = late + SECOND;
	run();
	assert_int_equal(told(1), STATUS_TIMEOUT);
	assert_int_equal(fake.machine[1].registers.gpr[WORD], 7);
	assert_int_equal(fake.finished[1], 1);
	end(STATUS_OK);
	assert_int_equal(told(1), STATUS_TIMEOUT);
	/* While the disk fails, that is why. */
	ask_with(2, none, CHECKPOINT_ANSWER, late + 3 * SECOND / 2);
	run();
	end(STATUS_IO);
	fake.now_ns = late + 3 * SECOND / 2;
	run();
	assert_int_equal(told(2), STATUS_IO);
}

/* A commit without an answer is given up when it keeps machines from writing. */
static void test_stall(void **state)
{
	(void)state;
	ask(0, STORE_ACTION_NONE);
	run();
	device.silent_ns = KERNEL_STALL_NS - 1;
	fake.blocks = true;
	run();
	assert_null(checkpoint_unsaved().why);
	fake.blocks = false;
	device.silent_ns = KERNEL_STALL_NS;
	run();
	assert_false(fake.abandoned);
	assert_string_equal(checkpoint_unsaved().why, "the disk does not answer");
	fake.blocks = true;
	run();
	assert_true(fake.abandoned);
}

/* The machine is switched off when that is durable; who has given that up is believed. */
static void test_power_off(void **state)
{
	const struct store_commit_request stop = {.action = STORE_ACTION_STOP};
	uint64_t late = fake.now_ns + SECOND;

	(void)state;
	ask_with(0, stop, CHECKPOINT_POWER_OFF, 0);
	run();
	assert_false(fake.off);
	end(STATUS_IO);
	assert_false(fake.off);
	assert_true(waits(0));
	fake.now_ns += SECOND;
	run();
	end(STATUS_OK);
	assert_true(fake.off);
	assert_false(fake.rebooted);
	setup(state);
	ask_with(0, stop, CHECKPOINT_REBOOT, late);
	run();
	fake.now_ns = late;
	run();
	end(STATUS_OK);
	assert_false(fake.rebooted);
	/* What is durable says that it has stopped: the next one does not, at once. */
	assert_int_equal(fake.commits, 2);
	assert_int_equal(fake.committed.action, STORE_ACTION_NONE);
}

/* One action for a commit, and a place is left for the kernel's own console. */
static void test_places(void **state)
{
	const struct store_commit_request none = {.action = STORE_ACTION_NONE};
	const struct store_commit_request deletion = {.action = STORE_ACTION_DELETE};

	(void)state;
	ask(0, STORE_ACTION_SNAPSHOT);
	ask(1, STORE_ACTION_DELETE);
	assert_true(fake.parked);
	assert_false(waits(1));
	assert_false(checkpoint_ask(&deletion, CHECKPOINT_ANSWER));
	fake.parked = false;
	for (unsigned i = 1; i < KERNEL_REQUESTS_MAX - 1; i++)
		ask(1, STORE_ACTION_NONE);
	assert_false(fake.parked);
	ask(2, STORE_ACTION_NONE);
	assert_true(fake.parked);
	assert_true(checkpoint_ask(&none, CHECKPOINT_ANSWER));
	assert_false(checkpoint_ask(&none, CHECKPOINT_ANSWER));
	run();
	assert_false(checkpoint_withdraw());
	run();
	assert_int_equal(fake.console, STATUS_TIMEOUT);
	assert_true(checkpoint_ask(&none, CHECKPOINT_ANSWER));
	/* Somebody has asked: tried again at once, and then after a pause. */
	end(STATUS_IO);
	assert_true(fake.committing);
	end(STATUS_IO);
	assert_false(fake.committing);
	assert_true(checkpoint_withdraw());
	run();
	assert_int_equal(fake.console, STATUS_IO);
	setup(state);
	ask(0, STORE_ACTION_SNAPSHOT);
	run();
	ask(1, STORE_ACTION_DELETE);
	end(STATUS_IO); /* one comes back, and finds the other */
	end(STATUS_OK);
	assert_int_equal(told(0), STATUS_OK);
	assert_true(waits(1));
	assert_int_equal(fake.committed.action, STORE_ACTION_DELETE);
	end(STATUS_OK);
	assert_int_equal(told(1), STATUS_OK);
}

/* A caller's page that cannot be written yet, or for want of space. */
static void test_page(void **state)
{
	(void)state;
	ask(0, STORE_ACTION_NONE);
	fake.prepare = STATUS_WAIT;
	run();
	assert_int_equal(fake.commits, 0);
	fake.prepare = STATUS_OK;
	run();
	fake.prepare = STATUS_WAIT;
	end(STATUS_OK);
	assert_true(waits(0));
	fake.prepare = STATUS_NO_SPACE;
	run();
	fake.prepare = STATUS_OK;
	fake.now_ns += KERNEL_SPACE_RETRY_NS - 1;
	run();
	assert_true(waits(0));
	fake.now_ns++;
	run();
	assert_int_equal(told(0), STATUS_OK);
	/* It is taken back before the next attempt, however long that takes. */
	ask(1, STORE_ACTION_NONE);
	run();
	fake.prepare = STATUS_WAIT;
	end(STATUS_IO);
	fake.now_ns += 5 * SECOND;
	run();
	assert_int_equal(fake.commits, 2);
	fake.prepare = STATUS_OK;
	run();
	assert_int_equal(fake.commits, 3);
}

/* Nothing is committed where nothing can be; the machine can be switched off all the same. */
static void test_read_only(void **state)
{
	const struct store_commit_request stop = {.action = STORE_ACTION_STOP};

	(void)state;
	fake.health = STATUS_READ_ONLY;
	ask(0, STORE_ACTION_NONE);
	run();
	run();
	assert_int_equal(told(0), STATUS_READ_ONLY);
	assert_string_equal(checkpoint_unsaved().why, "the disk can only be read");
	ask_with(1, stop, CHECKPOINT_REBOOT, 0);
	run();
	assert_true(fake.rebooted);
	assert_int_equal(fake.commits, 0);
}

/* A state that cannot be right is not made durable; one that was replaced is left. */
static void test_ends(void **state)
{
	(void)state;
	fake.system.next_version = 5;
	ask(0, STORE_ACTION_RESTORE);
	run();
	end(STATUS_IO);
	fake.now_ns += SECOND;
	run();
	fake.replaced = true;
	end(STATUS_OK);
	assert_true(fake.restarted);
	assert_non_null(strstr(fake.loud, "saved again"));
	setup(state);
	fake.system.next_version = 5;
	ask(0, STORE_ACTION_NONE);
	run();
	end(STATUS_OK);
	fake.system.next_version = 4;
	ask(1, STORE_ACTION_NONE);
	run();
	assert_true(fake.panicked);
	assert_int_equal(fake.commits, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_due, setup),
		cmocka_unit_test_setup(test_answer, setup),
		cmocka_unit_test_setup(test_failures, setup),
		cmocka_unit_test_setup(test_said, setup),
		cmocka_unit_test_setup(test_damage, setup),
		cmocka_unit_test_setup(test_refused, setup),
		cmocka_unit_test_setup(test_deadlines, setup),
		cmocka_unit_test_setup(test_stall, setup),
		cmocka_unit_test_setup(test_power_off, setup),
		cmocka_unit_test_setup(test_places, setup),
		cmocka_unit_test_setup(test_page, setup),
		cmocka_unit_test_setup(test_read_only, setup),
		cmocka_unit_test_setup(test_ends, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
