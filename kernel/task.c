/* SPDX-License-Identifier: MIT */
/*
 * task.c - tasks, who gets one, and where they are.  See task.h for the states.
 */
#include "kernel/task.h"
#include <string.h>
#include "kernel/kernel.h"
#include "kernel/mapping.h"
#include "kernel/share.h"
#include "kernel/wait.h"
#include "base/assert.h"

static struct cpu cpus[1];

static_assert(MACHINE_PRIORITIES <= 32, "a bit of `queued` for each");
static_assert(KERNEL_SLICE_TICKS <= UINT8_MAX, "a task's slice");

static struct {
	struct task *tasks;
	uint32_t count;
	uint32_t lost; /* bit p: a machine of priority p may be without a task */
	bool exchange; /* one of a machine that is not below may be taken, until the next tick */
	struct task *spent; /* whose turn was over last; null: unknown */
	struct list idle;   /* longest idle first */
	struct list free;
	struct list running, request;
	struct task *hash[KERNEL_TASK_HASH_HEADS];
} all;

struct cpu *cpu_this(void)
{
	return &cpus[0];
}

static struct list *task_list(const struct task *task)
{
	switch ((enum task_place)task->place) {
	case TASK_FREE:
		return &all.free;
	case TASK_IDLE:
		return &all.idle;
	case TASK_RUNNING:
		return &all.running;
	case TASK_QUEUED: /* in a list of share.c, of wait.c */
	case TASK_WAITING:
		break;
	case TASK_REQUEST:
		return &all.request;
	}
	ASSERT(!"task place");
	return NULL;
}

/* Takes the task out of wherever it is. */
static void task_take(struct task *task)
{
	if (task->place == TASK_WAITING) {
		wait_leave(task);
		return;
	}
	if (task->place == TASK_QUEUED)
		share_remove(task);
	else
		list_remove(task_list(task), &task->link);
}

static void task_put(struct task *task, enum task_place place)
{
	/* A free one names no machine, all others do. */
	ASSERT((place == TASK_FREE) == !task->object.n);
	task->place = (uint8_t)place;
	if (place == TASK_QUEUED)
		share_append(task);
	else
		list_append(task_list(task), &task->link);
}

void task_init(struct task *tasks, uint32_t count)
{
	ASSERT(tasks && count);
	memset(&all, 0, sizeof(all));
	memset(cpus, 0, sizeof(cpus));
	memset(tasks, 0, count * sizeof(*tasks));
	all.tasks = tasks;
	all.count = count;
	for (uint32_t i = 0; i < count; i++)
		list_append(&all.free, &tasks[i].link);
	wait_reset(tasks, count);
	share_reset(tasks, count);
}

/* What it was woken for alone is for the next, if it does not wait for that again. */
static void baton_pass(struct task *task, uint32_t channel)
{
	uint32_t baton = task->baton;

	task->baton = 0;
	if (baton && baton != channel)
		task_wake_one(baton);
}

static struct task **hash_head(object_t object)
{
	return &all.hash[object.n % KERNEL_TASK_HASH_HEADS];
}

struct task *task_find(object_t object)
{
	for (struct task *task = *hash_head(object); task; task = task->hash_next)
		if (task->object.n == object.n)
			return task;
	return NULL;
}

void task_forget(struct task *task)
{
	struct cpu *cpu = cpu_this();

	ASSERT(task->place != TASK_FREE);
	ASSERT(task_find(task->object) == task);
	for (struct task **link = hash_head(task->object); *link; link = &(*link)->hash_next)
		if (*link == task) {
			*link = task->hash_next;
			break;
		}
	if (cpu->fpu == task) {
		cpu->fpu = NULL;
		cpu->fpu_live = false;
	}
	if (cpu->running == task)
		cpu->running = NULL;
	if (all.spent == task)
		all.spent = NULL;
	task_take(task);
	task->place = TASK_IDLE; /* in no list */
	share_leave(task);
	baton_pass(task, 0);
	mapping_root_destroy(task);
	ASSERT(!task->root && !task->root_link.next && !task->root_link.previous &&
	       !task->uses.first);
	/* What others may use stays. */
	*task = (struct task){.spare = task->spare,
			      .heap = task->heap,
			      .spare_share = task->spare_share,
			      .turn = task->turn};
	task_put(task, TASK_FREE);
}

/* One of a machine below this priority: that waits, if possible. */
static struct task *task_below(uint8_t priority)
{
	for (unsigned p = 0; p < priority; p++) {
		struct task *task = wait_asleep(p);

		if (!task)
			task = wait_woken(p);
		if (!task)
			task = share_last(p);
		if (!task)
			task = wait_reading(p);
		if (task)
			return task;
	}
	return NULL;
}

/* One that does not run now, of a machine that is not below. */
static struct task *task_beside(uint8_t priority)
{
	struct task *task = NULL;

	if (!all.exchange)
		return NULL;
	for (unsigned p = priority; p < MACHINE_PRIORITIES && !task; p++)
		task = wait_asleep(p);
	if (!task && all.spent && all.spent->place == TASK_QUEUED &&
	    all.spent->priority == priority)
		task = all.spent;
	all.exchange = !task;
	return task;
}

/* Takes a task away from the machine that needs it least. */
static void task_free_one(uint8_t priority)
{
	struct task *task = task_of(all.idle.first);

	if (!task)
		task = task_below(priority);
	if (!task)
		task = task_beside(priority);
	if (!task)
		return;
	/* What is idle is blocked; all others are ready, and to be found again. */
	if (task->place != TASK_IDLE)
		all.lost |= 1u << task->priority;
	if (cpu_this()->fpu == task)
		kernel_fpu_save();
	task_forget(task);
}

struct task *task_get(object_t object, uint64_t version, uint8_t priority)
{
	struct task *task = task_find(object);

	ASSERT(object.n && version && priority < MACHINE_PRIORITIES);
	if (task && task->version == version)
		return task;
	if (task)
		task_forget(task);
	if (!all.free.first)
		task_free_one(priority);
	task = task_of(all.free.first);
	if (!task) {
		all.lost |= 1u << priority;
		return NULL;
	}
	task_take(task);
	ASSERT(!task->object.n && !task->root);
	task->object = object;
	task->version = version;
	task->priority = priority % MACHINE_PRIORITIES;
	task->hash_next = *hash_head(object);
	*hash_head(object) = task;
	share_enter(task);
	task_put(task, TASK_IDLE);
	return task;
}

uint32_t task_lost(void)
{
	uint32_t lost = all.lost;

	if (!all.free.first && !all.idle.first && !all.exchange)
		return 0;
	all.lost = 0;
	return lost;
}

void task_queue(struct task *task)
{
	ASSERT(task->place != TASK_FREE);
	if (task->place == TASK_RUNNING && !task->slice)
		all.spent = task;
	task_take(task);
	task->slice = KERNEL_SLICE_TICKS;
	task_put(task, TASK_QUEUED);
	baton_pass(task, 0);
}

void task_wait(struct task *task, uint32_t channel, uint64_t wake_ns)
{
	ASSERT(task->place == TASK_RUNNING && cpu_this()->running != task);
	task_take(task);
	task->place = TASK_WAITING;
	task->wake_ns = wake_ns;
	wait_enter(task, channel);
	baton_pass(task, channel);
}

void task_has_read(struct task *task, enum task_reading reading)
{
	ASSERT(task->place == TASK_RUNNING);
	if (task->reading == reading)
		task->failing.since_ns = 0;
}

void task_idle(struct task *task)
{
	ASSERT(task->place != TASK_FREE);
	task->failing.since_ns = 0;
	task_take(task);
	task_put(task, TASK_IDLE);
	baton_pass(task, 0);
}

void task_request(struct task *task)
{
	ASSERT(task->place == TASK_RUNNING);
	task->failing.since_ns = 0;
	task_take(task);
	task_put(task, TASK_REQUEST);
	baton_pass(task, 0);
}

void task_set_priority(struct task *task, uint8_t priority)
{
	ASSERT(priority < MACHINE_PRIORITIES && task->place != TASK_FREE);
	/* Queues and wait lists are by priority.  Who waits just tries anew. */
	if (task->place == TASK_WAITING)
		task_queue(task);
	if (task->place != TASK_QUEUED) {
		share_move(task, priority);
		return;
	}
	task_take(task);
	task->place = TASK_IDLE; /* in no list */
	share_move(task, priority);
	task_put(task, TASK_QUEUED);
}

void task_wake_channel(uint32_t channel)
{
	wait_wake(channel);
}

void task_wake_one(uint32_t channel)
{
	struct task *task = wait_first(channel);

	ASSERT(channel); /* 0 is no baton */
	if (!task)
		return;
	task_queue(task);
	task->baton = channel;
}

void task_trap_ended(struct task *task)
{
	baton_pass(task, 0);
}

void task_tick(void)
{
	all.exchange = true;
}

bool task_wake_timed(uint64_t now_ns)
{
	for (unsigned i = 0; i < KERNEL_WAKE_STEP; i++) {
		struct task *task = wait_due(now_ns);

		if (!task)
			return false;
		task_queue(task);
	}
	return true;
}

bool task_weigh(struct task *task, uint64_t bank, uint32_t weight)
{
	ASSERT(task->place == TASK_RUNNING);
	return share_assign(task, bank, weight);
}

void task_entered(const struct task *task)
{
	ASSERT(task->place == TASK_RUNNING);
	share_begin(task);
}

void task_used(uint64_t ns)
{
	share_used(ns);
}

void task_idles(void)
{
	share_used_by_none();
}

void task_bank_weighs(uint64_t bank, uint32_t weight)
{
	share_weigh(bank, weight);
}

/* Bit p: there is one of priority p that could run. */
static uint32_t runnable(void)
{
	return share_priorities() | wait_woken_priorities();
}

struct task *task_next(void)
{
	struct task *task;
	unsigned priority;

	ASSERT(!cpu_this()->running);
	if (!runnable())
		return NULL;
	priority = 31 - (unsigned)__builtin_clz(runnable());
	for (unsigned i = 0; i < KERNEL_WAKE_STEP; i++) {
		task = wait_woken(priority);
		if (task)
			task_queue(task);
	}
	task = share_first();
	ASSERT(task->priority == priority);
	task_take(task);
	ASSERT(!all.running.first); /* one CPU, one task */
	task_put(task, TASK_RUNNING);
	return task;
}

bool task_queued_above(int priority)
{
	ASSERT(priority >= 0 && priority < (int)MACHINE_PRIORITIES);
	return runnable() >> (priority + 1) != 0;
}

bool task_queued_at(int priority)
{
	ASSERT(priority >= 0 && priority < (int)MACHINE_PRIORITIES);
	return runnable() >> priority != 0;
}

uint32_t task_count(void)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < all.count; i++)
		count += all.tasks[i].place != TASK_FREE;
	return count;
}
