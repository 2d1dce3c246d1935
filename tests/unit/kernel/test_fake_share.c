/* SPDX-License-Identifier: MIT */
/*
 * test_fake_share.c - whose turn it is: by weight between banks, in turn within one.
 */
#include "tests/unit/kernel/fake_kernel.h"
#include "kernel/share.h"

#define TASKS	256u
#define BANKS	8u
#define TURN_NS 10000000u

static struct task tasks[TASKS];

/* Which bank a machine has, as accounts say it; its number is the bank's version. */
static uint64_t payer[100000];
static uint32_t weight_of[BANKS];
static uint64_t had_ns[BANKS];

static void begin(void)
{
	fake_kernel_new();
	task_init(tasks, TASKS);
	memset(had_ns, 0, sizeof(had_ns));
}

static struct task *ready(uint32_t machine, uint64_t bank, uint8_t priority)
{
	struct task *task = task_get((object_t){machine}, machine, priority);

	assert_non_null(task);
	payer[machine] = bank;
	if (task->place == TASK_IDLE)
		task_queue(task);
	return task;
}

/* As the kernel: whose share it has is found when it is about to run. */
static struct task *enter(void)
{
	struct task *task = task_next();

	while (task && !task->weighed) {
		uint64_t bank = payer[task->object.n];

		task->weighed = 1;
		if (!task_weigh(task, bank, weight_of[bank % BANKS]))
			break;
		task_queue(task);
		task = task_next();
	}
	cpu_this()->running = task;
	if (task)
		task_entered(task);
	return task;
}

static struct task *leave(uint64_t ns)
{
	struct task *task = cpu_this()->running;

	task_used(ns);
	had_ns[payer[task->object.n] % BANKS] += ns;
	cpu_this()->running = NULL;
	return task;
}

/* Turns of so long, or of any length up to that. */
static void turns(uint32_t count, uint32_t ns, bool uneven)
{
	uint64_t random = 5;

	while (count--) {
		assert_non_null(enter());
		task_queue(leave(uneven ? fake_random(&random) % ns + 1 : ns));
	}
}

static void farm(uint32_t first, uint32_t count, uint64_t bank, uint8_t priority)
{
	for (uint32_t i = 0; i < count; i++)
		ready(first + i, bank, priority);
}

/* Of all the time, the thousandths that the bank has had. */
static uint64_t part(unsigned bank)
{
	uint64_t all = 0;

	for (unsigned i = 0; i < BANKS; i++)
		all += had_ns[i];
	return had_ns[bank] * 1000 / all;
}

static void near(unsigned bank, uint64_t wanted, uint64_t off)
{
	uint64_t found = part(bank);

	if (found + off < wanted || found > wanted + off)
		fail_msg("bank %u has %lu of 1000, not %lu", bank, found, wanted);
}

/* ---- parts --------------------------------------------------------------------------------- */

/* However many machines there are, at each priority, and however long their turns are. */
static void test_weights(void **state)
{
	(void)state;
	weight_of[1] = 100;
	weight_of[2] = 200;
	weight_of[3] = 700;
	for (uint8_t priority = 0; priority < MACHINE_PRIORITIES; priority++) {
		begin();
		farm(1, 150, 1, priority);
		farm(200, 10, 2, priority);
		farm(300, 1, 3, priority);
		turns(5000, TURN_NS, priority % 2);
		near(1, 100, 2);
		near(2, 200, 2);
		near(3, 700, 2);
	}
}

/* The largest and the smallest, and turns far too short for one unit of a share's time. */
static void test_extremes(void **state)
{
	struct task *task;
	uint64_t passed;

	(void)state;
	begin();
	weight_of[1] = SHARE_ALL / 4;
	weight_of[2] = SHARE_ALL / 2;
	weight_of[3] = 1;
	farm(1, 20, 1, 5);
	farm(100, 1, 2, 5);
	turns(60000, 1000, true);
	memset(had_ns, 0, sizeof(had_ns));
	turns(60000, 1000, true);
	near(1, 333, 3);
	/* A clock that has jumped costs no more than a second of one turn. */
	while ((task = enter())->object.n != 100)
		task_queue(leave(1000));
	passed = task->share->passed;
	leave(UINT64_C(1) << 60);
	assert_true(task->share->passed > passed);
	assert_true(task->share->passed - passed < 100000);
	/* The least has its turn, too, and pays for it. */
	begin();
	weight_of[2] = 99;
	ready(100, 2, 5);
	ready(200, 3, 5);
	turns(10000, TURN_NS, false);
	near(3, 10, 1);
}

/* Within one bank in turn. */
static void test_in_turn(void **state)
{
	uint32_t first;

	(void)state;
	begin();
	weight_of[1] = weight_of[2] = 100;
	farm(1, 9, 1, 5);
	ready(50, 2, 5);
	turns(20, TURN_NS, false);
	while (enter()->object.n == 50)
		task_queue(leave(TURN_NS));
	first = cpu_this()->running->object.n;
	task_queue(leave(TURN_NS));
	for (uint32_t i = 0; i < 90;) {
		uint32_t found = enter()->object.n;

		task_queue(leave(TURN_NS));
		if (found == 50)
			continue;
		assert_int_equal(found, (first + i++) % 9 + 1);
	}
}

/* ---- sleepers -------------------------------------------------------------------------------- */

/* Who has slept is owed nothing, and owes nothing. */
static void test_sleepers(void **state)
{
	(void)state;
	begin();
	weight_of[1] = weight_of[2] = 100;
	ready(1, 1, 5);
	farm(10, 2, 2, 5);
	turns(10, TURN_NS, false);
	while (enter()->object.n != 1)
		task_queue(leave(TURN_NS));
	task_idle(leave(TURN_NS));
	turns(1000, TURN_NS, false);
	memset(had_ns, 0, sizeof(had_ns));
	task_queue(task_find((object_t){1}));
	turns(20, TURN_NS, false);
	near(1, 500, 50);
	/* Nor does it owe what others had at another priority. */
	while (enter()->object.n != 1)
		task_queue(leave(TURN_NS));
	task_idle(leave(TURN_NS));
	weight_of[3] = 100;
	ready(3, 3, 9);
	turns(5000, TURN_NS, false);
	assert_int_equal(enter()->object.n, 3);
	task_idle(leave(TURN_NS));
	task_queue(task_find((object_t){1}));
	memset(had_ns, 0, sizeof(had_ns));
	turns(20, TURN_NS, false);
	near(1, 500, 50);
}

/* A bank that ends after each turn, and another that is made, have no more than one that stays. */
static void test_made_anew(void **state)
{
	(void)state;
	begin();
	weight_of[1] = weight_of[2] = 100;
	ready(1, 1, 5);
	ready(2, 2, 5);
	for (uint32_t i = 0; i < 1000; i++) {
		struct task *task = enter();

		leave(TURN_NS);
		if (task->object.n == 1) {
			task_queue(task);
			continue;
		}
		task_forget(task);
		ready(3 + i, 2 + BANKS * (i + 1), 5);
	}
	near(2, 500, 10);
}

/* ---- whose is whose ----------------------------------------------------------------------------
 */

/* Those of which it is not known come first, and take nobody's time. */
static void test_unknown(void **state)
{
	(void)state;
	begin();
	weight_of[1] = weight_of[2] = 100;
	ready(1, 1, 5);
	turns(100, TURN_NS, false);
	ready(2, 2, 5);
	assert_int_equal(task_next()->object.n, 2);
	task_queue(task_find((object_t){2}));
	assert_int_equal(task_next()->object.n, 2);
	task_queue(task_find((object_t){2}));
	ready(3, 1, 6);
	assert_int_equal(enter()->object.n, 3);
}

/* Who is moved to another weight, share or priority takes part there from then on. */
static void test_changes(void **state)
{
	struct task *task;

	(void)state;
	begin();
	weight_of[1] = weight_of[2] = weight_of[3] = 100;
	farm(1, 3, 1, 5);
	farm(10, 1, 2, 5);
	turns(10, TURN_NS, false);
	weight_of[1] = 300;
	for (uint32_t i = 1; i <= 3; i++)
		task_find((object_t){i})->weighed = 0;
	memset(had_ns, 0, sizeof(had_ns));
	turns(2000, TURN_NS, false);
	near(1, 750, 5);
	payer[2] = 3; /* one of three runs on another from now on */
	task_find((object_t){2})->weighed = 0;
	memset(had_ns, 0, sizeof(had_ns));
	turns(2000, TURN_NS, false);
	near(1, 600, 5);
	near(3, 200, 5);
	task = task_find((object_t){10});
	task_set_priority(task, 4);
	memset(had_ns, 0, sizeof(had_ns));
	turns(2000, TURN_NS, false);
	near(2, 0, 0);
	task_set_priority(task, 5);
	memset(had_ns, 0, sizeof(had_ns));
	turns(2000, TURN_NS, false);
	near(2, 200, 5);
}

/* What the kernel does after a trap is for who ran, and for nobody when that is gone. */
static void test_kernel_time(void **state)
{
	struct task *task;
	uint64_t passed;

	(void)state;
	begin();
	weight_of[1] = weight_of[2] = 100;
	ready(1, 1, 5);
	ready(2, 2, 5);
	for (uint32_t i = 0; i < 1000; i++) {
		task = enter();
		task_queue(leave(TURN_NS));
		if (task->object.n == 1) {
			task_used(3 * TURN_NS);
			had_ns[1] += 3 * TURN_NS;
		}
	}
	near(1, 500, 5);
	while ((task = enter())->object.n != 1)
		task_queue(leave(TURN_NS));
	leave(TURN_NS);
	task_forget(task);
	ready(3, 3, 5);
	weight_of[3] = 100;
	task = task_next();
	assert_true(task_weigh(task, 3, 100));
	passed = task->share->passed;
	task_used(TURN_NS);
	assert_int_equal(task->share->passed, passed);
}

/* ---- exhaustion, and the heap
 * --------------------------------------------------------------------- */

static void least_chosen(const struct task *chosen)
{
	for (uint32_t i = 0; i < TASKS; i++) {
		const struct task *task = &tasks[i];

		if (task->place != TASK_QUEUED)
			continue;
		assert_true(task->priority <= chosen->priority);
		assert_true(
			task->priority < chosen->priority || chosen->share->unknown ||
			(!task->share->unknown && task->share->passed >= chosen->share->passed));
	}
}

/* As many shares as tasks, of all priorities, that come and go: always the least comes next. */
static void test_model(void **state)
{
	uint64_t random = 17;
	uint32_t shares = 0;

	(void)state;
	begin();
	for (unsigned i = 0; i < BANKS; i++)
		weight_of[i] = 1u << 2 * i;
	for (uint32_t i = 1; i <= TASKS; i++)
		ready(i, i, 0)->slice = 0;
	for (uint32_t i = 1; i <= TASKS; i++) {
		assert_non_null(enter());
		task_queue(leave(1));
	}
	for (uint32_t i = 0; i < TASKS; i++)
		shares += !tasks[i].share->unknown && tasks[i].share->users == 1;
	assert_int_equal(shares, TASKS);
	for (uint32_t round = 0; round < 30000; round++) {
		struct task *task = &tasks[fake_random(&random) % TASKS];
		uint32_t machine = 1 + (uint32_t)(fake_random(&random) % 5000);

		switch (fake_random(&random) % 8) {
		case 0:
			if (task->place != TASK_FREE)
				task_forget(task);
			break;
		case 1:
			if (task_count() < TASKS && !task_find((object_t){machine}))
				ready(machine, fake_random(&random) % 400,
				      (uint8_t)(fake_random(&random) % 16));
			break;
		case 2:
			if (task->place != TASK_FREE)
				task_set_priority(task, (uint8_t)(fake_random(&random) % 16));
			break;
		case 3:
			if (task->place == TASK_IDLE)
				task_queue(task);
			break;
		case 4:
			task->weighed = 0;
			payer[task->object.n] = fake_random(&random) % 400;
			break;
		default:
			task = enter();
			if (!task)
				break;
			least_chosen(task);
			leave(fake_random(&random) % TURN_NS);
			if (fake_random(&random) % 4)
				task_queue(task);
			else
				task_idle(task);
		}
	}
}

/* ---- what is owed --------------------------------------------------------------------------- */

/* Who was alone for a minute owes nobody for that, neither a new one nor one that has slept. */
static void test_alone(void **state)
{
	struct task *alone, *task;

	(void)state;
	for (unsigned slept = 0; slept < 2; slept++) {
		begin();
		weight_of[1] = weight_of[2] = 100;
		alone = ready(1, 1, 5);
		if (slept) {
			ready(2, 2, 5);
			turns(10, TURN_NS, false);
			while (enter()->object.n != 2)
				task_queue(leave(TURN_NS));
			task_idle(leave(TURN_NS));
		}
		assert_int_equal(enter()->object.n, 1);
		for (uint32_t tick = 0; tick < 6000; tick++)
			task_used(TURN_NS);
		if (slept)
			task_queue(task_find((object_t){2}));
		else
			ready(2, 2, 5);
		cpu_this()->running = NULL;
		task_queue(alone);
		for (uint32_t i = 0; i < 3; i++) {
			task = enter();
			if (task->object.n == 1)
				break;
			task_queue(leave(TURN_NS));
			assert_true(i < 2);
		}
		assert_int_equal(task->object.n, 1);
	}
}

/* Weighed so from now on, everywhere. */
static void weigh(uint64_t bank, uint32_t weight)
{
	weight_of[bank] = weight;
	task_bank_weighs(bank, weight);
	for (uint32_t i = 0; i < TASKS; i++)
		tasks[i].weighed = 0;
}

/* Some banks that have 500 of 1000 together, of which the one whose turn it is always takes all the
 * weight, have no more than that beside one that has 500 for itself. */
static void test_weight_moved(void **state)
{
	(void)state;
	for (uint32_t count = 1; count < 7; count++) {
		const uint32_t most = 500 - (count - 1);
		uint32_t last = 2;

		begin();
		weight_of[1] = 500;
		for (uint32_t bank = 2; bank < 2 + count; bank++) {
			weight_of[bank] = bank == 2 ? most : 1;
			ready(bank, bank, 5);
		}
		ready(1, 1, 5);
		for (uint32_t i = 0; i < 20000; i++) {
			struct task *task = enter();
			uint32_t bank = (uint32_t)payer[task->object.n];

			if (bank != 1 && bank != last) {
				leave(4000);
				weigh(last, 1);
				weigh(bank, most);
				last = bank;
				assert_false(task_weigh(task, bank, most));
				cpu_this()->running = task;
				task_entered(task);
			}
			task_queue(leave(TURN_NS));
		}
		assert_in_range(part(1), 490, 510);
	}
}

/* Who gets more weight does not wait for what he had at the lower one. */
static void test_weight_raised(void **state)
{
	static const uint32_t from[] = {100, 1, 1}, to[] = {100000, 1000, 100000};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		uint32_t before = 0;

		begin();
		weight_of[1] = from[i];
		ready(1, 1, 5);
		assert_int_equal(enter()->object.n, 1);
		task_queue(leave(TURN_NS));
		for (uint32_t bank = 2; bank < BANKS; bank++) {
			weight_of[bank] = to[i];
			ready(bank, bank, 5);
		}
		turns(3 * BANKS, TURN_NS, false);
		weigh(1, to[i]);
		while (enter()->object.n != 1) {
			task_queue(leave(TURN_NS));
			assert_true(++before < 3);
		}
		leave(TURN_NS);
	}
}

/* The time that the processor idles is not of who ran before. */
static void test_idle(void **state)
{
	struct task *task;

	(void)state;
	begin();
	weight_of[1] = weight_of[2] = 100;
	ready(1, 1, 5);
	ready(2, 2, 5);
	turns(10, TURN_NS, false);
	task = enter();
	task_queue(leave(TURN_NS));
	task_idles();
	for (unsigned i = 0; i < 100; i++)
		task_used(TURN_NS);
	for (unsigned i = 0; i < 3; i++) {
		struct task *next = enter();

		task_queue(leave(TURN_NS));
		if (next == task)
			return;
	}
	fail_msg("it waits for the time in which nobody ran");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_weights),	     cmocka_unit_test(test_extremes),
		cmocka_unit_test(test_in_turn),	     cmocka_unit_test(test_sleepers),
		cmocka_unit_test(test_made_anew),    cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_changes),	     cmocka_unit_test(test_kernel_time),
		cmocka_unit_test(test_model),	     cmocka_unit_test(test_alone),
		cmocka_unit_test(test_weight_moved), cmocka_unit_test(test_weight_raised),
		cmocka_unit_test(test_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
