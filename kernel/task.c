/* SPDX-License-Identifier: MIT */
/*
 * task.c - tasks, wait lists and run queues.  See task.h for the states.
 *
 * All lists are doubly linked through the task itself, so that moving one
 * between places is constant time and needs no memory.
 */
#include "kernel/task.h"
#include <string.h>
#include "kernel/kernel.h"
#include "kernel/memory.h"
#include "base/assert.h"

struct list {
	struct task *first, *last;
};

static struct cpu cpus[1];

static_assert(MACHINE_PRIORITIES <= 32, "a bit of `queued` for each");
static_assert(KERNEL_SLICE_TICKS <= UINT8_MAX, "a task's slice");

static struct {
	struct task *tasks;
	uint32_t count;
	bool overflow;
	uint32_t queued; /* bit p: run queue p is not empty */
	struct list run[MACHINE_PRIORITIES];
	struct list wait[CHANNELS];
	struct list idle; /* longest idle first */
	struct list free;
	struct list running, request;
	uint32_t timed; /* waiting tasks with a wake time */
	struct task *hash[KERNEL_TASK_HASH_HEADS];
} all;

struct cpu *cpu_this(void)
{
	return &cpus[0];
}

static void list_append(struct list *list, struct task *task)
{
	ASSERT(!task->next && !task->previous);
	ASSERT(!list->last || !list->last->next);
	task->next = NULL;
	task->previous = list->last;
	if (list->last)
		list->last->next = task;
	else
		list->first = task;
	list->last = task;
}

static void list_remove(struct list *list, struct task *task)
{
	/* Its neighbours, or the ends of this very list, know it. */
	ASSERT(task->previous ? task->previous->next == task : list->first == task);
	ASSERT(task->next ? task->next->previous == task : list->last == task);
	if (task->previous)
		task->previous->next = task->next;
	else
		list->first = task->next;
	if (task->next)
		task->next->previous = task->previous;
	else
		list->last = task->previous;
	task->next = task->previous = NULL;
}

static struct list *task_list(const struct task *task)
{
	switch ((enum task_place)task->place) {
	case TASK_FREE:
		return &all.free;
	case TASK_IDLE:
		return &all.idle;
	case TASK_QUEUED:
		return &all.run[task->priority];
	case TASK_RUNNING:
		return &all.running;
	case TASK_WAITING:
		return &all.wait[task->channel];
	case TASK_REQUEST:
		return &all.request;
	}
	ASSERT(!"task place");
	return NULL;
}

/* Takes the task out of wherever it is. */
static void task_take(struct task *task)
{
	list_remove(task_list(task), task);
	if (task->place == TASK_QUEUED && !all.run[task->priority].first)
		all.queued &= ~(1u << task->priority);
	ASSERT(!task->wake_ns || (task->place == TASK_WAITING && all.timed));
	if (task->place == TASK_WAITING && task->wake_ns)
		all.timed--;
	task->wake_ns = 0;
}

static void task_put(struct task *task, enum task_place place)
{
	/* A free one names no machine, all others do. */
	ASSERT((place == TASK_FREE) == !task->object.n);
	task->place = (uint8_t)place;
	list_append(task_list(task), task);
	if (place == TASK_QUEUED)
		all.queued |= 1u << task->priority;
}

void task_init(struct task *tasks, uint32_t count)
{
	ASSERT(tasks && count);
	memset(&all, 0, sizeof(all));
	memset(cpus, 0, sizeof(cpus));
	all.tasks = tasks;
	all.count = count;
	for (uint32_t i = 0; i < count; i++) {
		memset(&tasks[i], 0, sizeof(tasks[i]));
		list_append(&all.free, &tasks[i]);
	}
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
	task_take(task);
	memory_root_destroy(task);
	ASSERT(!task->root && !task->root_next && !task->root_previous);
	memset(task, 0, sizeof(*task));
	task_put(task, TASK_FREE);
}

struct task *task_get(object_t object, uint64_t version, uint8_t priority)
{
	struct task *task = task_find(object);

	ASSERT(object.n && version && priority < MACHINE_PRIORITIES);
	if (task && task->version == version)
		return task;
	if (task)
		task_forget(task);
	if (!all.free.first && all.idle.first) {
		if (cpu_this()->fpu == all.idle.first)
			kernel_fpu_save();
		task_forget(all.idle.first);
	}
	task = all.free.first;
	if (!task) {
		all.overflow = true;
		return NULL;
	}
	task_take(task);
	ASSERT(!task->object.n && !task->root);
	task->object = object;
	task->version = version;
	task->priority = priority % MACHINE_PRIORITIES;
	task->hash_next = *hash_head(object);
	*hash_head(object) = task;
	task_put(task, TASK_IDLE);
	return task;
}

bool task_overflow(void)
{
	return all.overflow && (all.free.first || all.idle.first);
}

void task_overflow_clear(void)
{
	all.overflow = false;
}

void task_queue(struct task *task)
{
	ASSERT(task->place != TASK_FREE);
	task_take(task);
	task->slice = KERNEL_SLICE_TICKS;
	task_put(task, TASK_QUEUED);
}

void task_wait(struct task *task, uint32_t channel, uint64_t wake_ns)
{
	ASSERT(channel < CHANNELS);
	ASSERT(task->place == TASK_RUNNING && cpu_this()->running != task);
	task_take(task);
	task->channel = channel;
	task->wake_ns = wake_ns;
	if (wake_ns)
		all.timed++;
	task_put(task, TASK_WAITING);
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
}

void task_request(struct task *task)
{
	ASSERT(task->place == TASK_RUNNING);
	task->failing.since_ns = 0;
	task_take(task);
	task_put(task, TASK_REQUEST);
}

void task_set_priority(struct task *task, uint8_t priority)
{
	enum task_place place = task->place;

	ASSERT(priority < MACHINE_PRIORITIES && place != TASK_FREE);
	if (place != TASK_QUEUED) {
		task->priority = priority;
		return;
	}
	task_take(task);
	task->priority = priority;
	task_put(task, TASK_QUEUED);
}

void task_wake_channel(uint32_t channel)
{
	ASSERT(channel < CHANNELS);
	while (all.wait[channel].first)
		task_queue(all.wait[channel].first);
}

/* Waiting tasks with a wake time are few (a shell that follows the log, a read
 * with a deadline), and this runs once a tick. */
void task_wake_timed(uint64_t now_ns)
{
	for (uint32_t channel = 0; channel < CHANNELS && all.timed; channel++) {
		struct task *next;

		for (struct task *task = all.wait[channel].first; task; task = next) {
			ASSERT(task->place == TASK_WAITING && task->channel == channel);
			next = task->next;
			if (task->wake_ns && task->wake_ns <= now_ns)
				task_queue(task);
		}
	}
}

struct task *task_next(void)
{
	struct task *task;

	ASSERT(!cpu_this()->running);
	if (!all.queued)
		return NULL;
	task = all.run[31 - __builtin_clz(all.queued)].first;
	task_take(task);
	ASSERT(!all.running.first); /* one CPU, one task */
	task_put(task, TASK_RUNNING);
	return task;
}

bool task_queued_above(int priority)
{
	ASSERT(priority >= 0 && priority < (int)MACHINE_PRIORITIES);
	return all.queued >> (priority + 1) != 0;
}

bool task_queued_at(int priority)
{
	ASSERT(priority >= 0 && priority < (int)MACHINE_PRIORITIES);
	return all.queued >> priority != 0;
}

uint32_t task_count(void)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < all.count; i++)
		count += all.tasks[i].place != TASK_FREE;
	return count;
}
