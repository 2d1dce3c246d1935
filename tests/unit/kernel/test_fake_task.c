/* SPDX-License-Identifier: MIT */
/*
 * test_fake_task.c - who gets a task, who is woken, and in which order.
 */
#include "tests/unit/kernel/fake_kernel.h"
#include <string.h>
#include "kernel/wait.h"

#define TASKS	 32u
#define MACHINES 300u
#define CHANNEL	 (CHANNEL_PORT + 77)

static struct task tasks[TASKS];

static void begin(void)
{
	fake_kernel_new();
	task_init(tasks, TASKS);
}

static struct task *ready(uint32_t machine, uint8_t priority)
{
	struct task *task = task_get((object_t){machine}, machine, priority);

	if (task && task->place == TASK_IDLE)
		task_queue(task);
	return task;
}

/* The next one runs; 0: none. */
static uint32_t run(void)
{
	struct task *task = task_next();

	cpu_this()->running = task;
	return task ? task->object.n : 0;
}

static struct task *leave(void)
{
	struct task *task = cpu_this()->running;

	assert_non_null(task);
	cpu_this()->running = NULL;
	return task;
}

static void waits(uint32_t channel, uint64_t wake_ns)
{
	task_wait(leave(), channel, wake_ns);
}

static void turn_over(void)
{
	struct task *task = leave();

	task->slice = 0;
	task_queue(task);
}

static void machine_waits(uint32_t machine, uint8_t priority, uint32_t channel, uint64_t wake_ns)
{
	assert_non_null(ready(machine, priority));
	assert_int_equal(run(), machine);
	waits(channel, wake_ns);
}

/* ---- waking --------------------------------------------------------------------------- */

static void test_wakes_only_its_own(void **state)
{
	(void)state;
	begin();
	for (uint32_t i = 1; i <= 20; i++)
		machine_waits(i, (uint8_t)(i % 3), CHANNEL + i % 2, 0);
	task_wake_channel(CHANNEL + 2);
	assert_int_equal(run(), 0);
	/* The highest first, in one priority in the order of waiting. */
	task_wake_channel(CHANNEL);
	for (int priority = 2; priority >= 0; priority--)
		for (uint32_t i = 1; i <= 20; i++)
			if (i % 2 == 0 && (int)(i % 3) == priority) {
				assert_int_equal(run(), i);
				task_idle(leave());
			}
	assert_int_equal(run(), 0);
	task_wake_channel(CHANNEL + 1);
	assert_int_not_equal(run(), 0);
}

/* Those who wait again behind a wake are not woken by it. */
static void test_waits_again(void **state)
{
	(void)state;
	begin();
	for (uint32_t i = 1; i <= 12; i++)
		machine_waits(i, 4, CHANNEL, 0);
	task_wake_channel(CHANNEL);
	for (uint32_t i = 1; i <= 12; i++) {
		assert_int_equal(run(), i);
		waits(CHANNEL, 0);
	}
	assert_int_equal(run(), 0);
}

/* One at a time, as long as each finds something; the one that finds nothing ends it. */
static void test_one_by_one(void **state)
{
	(void)state;
	begin();
	for (uint32_t i = 1; i <= 9; i++)
		machine_waits(i, i == 7 ? 5 : 4, CHANNEL, 0);
	task_wake_one(CHANNEL);
	assert_int_equal(run(), 7);
	assert_false(task_queued_at(0));
	task_trap_ended(cpu_this()->running); /* it got what it waited for */
	task_idle(leave());
	assert_int_equal(run(), 1);
	waits(CHANNEL, 0); /* there was nothing for it */
	assert_int_equal(run(), 0);
	/* Whatever else becomes of the one that was woken, the next gets its turn. */
	task_wake_one(CHANNEL);
	assert_int_equal(run(), 2);
	waits(CHANNEL_SPACE, 0);
	assert_int_equal(run(), 3);
	task_idle(leave());
	assert_int_equal(run(), 4);
	task_forget(cpu_this()->running);
	assert_int_equal(run(), 5);
	task_request(leave());
	assert_int_equal(run(), 6);
	task_queue(leave()); /* preempted before it could try */
	assert_int_equal(run(), 6);
	task_idle(leave());
	assert_int_equal(run(), 8);
	task_idle(leave());
	assert_int_equal(run(), 9);
	task_idle(leave());
	assert_int_equal(run(), 1);
	task_idle(leave());
	assert_int_equal(run(), 0);
	task_wake_one(CHANNEL);
	assert_int_equal(run(), 0);
}

static void test_priority_of_who_waits(void **state)
{
	(void)state;
	begin();
	machine_waits(1, 4, CHANNEL, 100);
	machine_waits(2, 4, CHANNEL, 0);
	task_set_priority(task_find((object_t){1}), 9);
	assert_int_equal(run(), 1); /* it tries anew, and waits among those of its priority */
	waits(CHANNEL, 0);
	task_wake_one(CHANNEL);
	assert_int_equal(run(), 1);
	assert_false(task_wake_timed(1000));
	assert_false(task_queued_at(0));
}

/* ---- against a model -------------------------------------------------------------------- */

static struct {
	uint32_t channel; /* 0: it does not wait */
	uint64_t wake_ns;
	bool runs;
} model[TASKS + 1];

static void model_check(void)
{
	uint64_t earliest = UINT64_MAX;
	struct task *due;

	for (uint32_t i = 1; i <= TASKS; i++) {
		struct task *task = task_find((object_t){i});

		assert_non_null(task);
		if (model[i].channel) {
			assert_int_equal(task->place, TASK_WAITING);
			assert_int_equal(task->wait->woken, model[i].runs);
			assert_int_equal(task->wait->priority, task->priority);
			assert_true(model[i].runs || task->wait->channel == model[i].channel);
			if (model[i].wake_ns && model[i].wake_ns < earliest)
				earliest = model[i].wake_ns;
		} else {
			assert_int_equal(task->place, model[i].runs ? TASK_QUEUED : TASK_IDLE);
		}
	}
	due = wait_due(UINT64_MAX);
	assert_int_equal(due ? due->wake_ns : UINT64_MAX, earliest);
	assert_null(wait_due(earliest - 1));
}

static void model_wake(uint32_t channel)
{
	task_wake_channel(channel);
	for (uint32_t i = 1; i <= TASKS; i++)
		model[i].runs |= model[i].channel == channel;
}

/* What runs next may take others along to their run queue. */
static void model_run(uint32_t channel, uint64_t wake_ns)
{
	uint32_t machine = run();

	for (uint32_t i = 1; i <= TASKS; i++)
		if (model[i].channel && task_find((object_t){i})->place != TASK_WAITING) {
			assert_true(model[i].runs);
			model[i].channel = 0;
			model[i].wake_ns = 0;
		}
	if (!machine) {
		for (uint32_t i = 1; i <= TASKS; i++)
			assert_false(model[i].runs);
		return;
	}
	assert_true(model[machine].runs);
	for (uint32_t i = 1; i <= TASKS; i++)
		assert_true(!model[i].runs || task_find((object_t){i})->priority <=
						      task_find((object_t){machine})->priority);
	model[machine].runs = false;
	if (channel) {
		waits(channel, wake_ns);
		model[machine].channel = channel;
		model[machine].wake_ns = wake_ns;
	} else {
		task_idle(leave());
	}
}

static void test_model(void **state)
{
	uint64_t random = 11;

	(void)state;
	begin();
	memset(model, 0, sizeof(model));
	for (uint32_t i = 1; i <= TASKS; i++)
		task_get((object_t){i}, i, (uint8_t)(i % MACHINE_PRIORITIES));
	for (uint32_t round = 0; round < 40000; round++) {
		uint32_t machine = 1 + (uint32_t)(fake_random(&random) % TASKS);
		uint32_t channel = 1 + (uint32_t)(fake_random(&random) % 9) * 1024;
		struct task *task = task_find((object_t){machine});

		switch (fake_random(&random) % 6) {
		case 0:
			model_wake(channel);
			break;
		case 1:
			task_queue(task);
			model[machine].runs = true;
			model[machine].channel = 0;
			model[machine].wake_ns = 0;
			break;
		case 2:
			task_set_priority(task, (uint8_t)(fake_random(&random) % 16));
			model[machine].runs |= model[machine].channel != 0;
			model[machine].channel = 0;
			model[machine].wake_ns = 0;
			break;
		default:
			model_run(fake_random(&random) % 4 ? channel : 0,
				  fake_random(&random) % 3 ? fake_random(&random) % 50 + 1 : 0);
		}
		model_check();
	}
}

/* ---- who gets a task --------------------------------------------------------------------- */

/* Whatever those below do, they are no obstacle. */
static void test_above_gets_one(void **state)
{
	(void)state;
	begin();
	for (uint32_t i = 1; i <= TASKS; i++)
		if (i % 2)
			machine_waits(i, 6, CHANNEL, 0);
	for (uint32_t i = 1; i <= TASKS; i++)
		assert_non_null(ready(i, 6));
	assert_int_equal(task_count(), TASKS);
	for (uint32_t i = 1; i <= TASKS; i++)
		assert_non_null(ready(100 + i, 7));
	assert_null(ready(200, 7));
	assert_int_equal(task_lost(), 0); /* there is none that could be had */
	task_tick();
	assert_int_equal(task_lost(), 1u << 6 | 1u << 7);
	assert_int_equal(task_lost(), 0);
	/* Those that wait were first. */
	begin();
	for (uint32_t i = 1; i < TASKS; i++)
		assert_non_null(ready(i, 3));
	assert_int_equal(run(), 1);
	waits(CHANNEL, 0);
	assert_non_null(ready(TASKS, 2));
	assert_non_null(ready(500, 9));
	assert_null(task_find((object_t){TASKS}));
	assert_non_null(ready(501, 9));
	assert_null(task_find((object_t){1}));
	assert_int_equal(task_count(), TASKS);
}

/* Who only waits keeps nobody from running, not even somebody below it; once a tick. */
static void test_who_waits_gives_way(void **state)
{
	uint32_t got = 0;

	(void)state;
	begin();
	for (uint32_t i = 1; i <= TASKS; i++)
		machine_waits(i, 6, CHANNEL, 0);
	assert_null(ready(100, 3));
	for (uint32_t tick = 0; tick < 5; tick++) {
		task_tick();
		assert_int_equal(task_lost() & 1u << 3, tick == 0 ? 1u << 3 : 0);
		got += ready(100 + tick, 3) != NULL;
		assert_null(ready(200 + tick, 2));
	}
	assert_int_equal(got, 5);
	assert_int_equal(run(), 100);
}

/* More machines that never wait than tasks: all of them run, in turns. */
static void test_all_get_their_turn(void **state)
{
	uint32_t ran[MACHINES + 1] = {0}, cursor = 1, least = UINT32_MAX, most = 0;

	(void)state;
	begin();
	for (uint32_t tick = 0; tick < 40 * MACHINES; tick++) {
		task_tick();
		/* As the kernel looks through the bitmap. */
		while (task_lost() || tick == 0) {
			uint32_t looked = 0;

			while (looked++ < MACHINES && ready(cursor, 5))
				cursor = cursor % MACHINES + 1;
			if (looked <= MACHINES)
				break;
		}
		ran[run()]++;
		turn_over();
	}
	assert_int_equal(ran[0], 0);
	for (uint32_t i = 1; i <= MACHINES; i++) {
		least = ran[i] < least ? ran[i] : least;
		most = ran[i] > most ? ran[i] : most;
	}
	assert_true(least >= 20 && most <= 80);
}

/* What waits for its answer from a commit is not taken: the answer would be lost. */
static void test_requests_stay(void **state)
{
	(void)state;
	begin();
	for (uint32_t i = 1; i <= TASKS; i++) {
		assert_non_null(ready(i, 1));
		assert_int_equal(run(), i);
		task_request(leave());
	}
	task_tick();
	assert_null(ready(100, 15));
	assert_int_equal(task_count(), TASKS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wakes_only_its_own),
		cmocka_unit_test(test_waits_again),
		cmocka_unit_test(test_one_by_one),
		cmocka_unit_test(test_priority_of_who_waits),
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_above_gets_one),
		cmocka_unit_test(test_who_waits_gives_way),
		cmocka_unit_test(test_all_get_their_turn),
		cmocka_unit_test(test_requests_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
