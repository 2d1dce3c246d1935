/* SPDX-License-Identifier: MIT */
/*
 * wait.c - wait lists by channel and priority, and the heap of wake times.
 *
 * A list of tasks that wait is found by hash, and is one of the lists of its priority.  When
 * it is woken it leaves the hash, so that who waits for the same from then on stands in
 * another one.  A list without tasks is free.
 */
#include "kernel/wait.h"
#include <string.h>
#include "base/assert.h"

/* Wait lists by priority, the oldest of each first. */
struct ranks {
	struct list lists[MACHINE_PRIORITIES];
	uint32_t some; /* bit p: there are some of priority p */
};

static struct {
	struct wait_list *free;
	struct wait_list *hash[KERNEL_WAIT_HASH_HEADS];
	struct ranks asleep, woken;
	/* Tasks with a wake time, as a binary heap: entry i lies in the i-th task, and
	 * no entry is earlier than that at (i - 1) / 2. */
	struct task *tasks;
	uint32_t timed;
} waits;

static_assert((KERNEL_WAIT_HASH_HEADS & (KERNEL_WAIT_HASH_HEADS - 1)) == 0, "bits of the hash");

void wait_reset(struct task *tasks, uint32_t count)
{
	memset(&waits, 0, sizeof(waits));
	waits.tasks = tasks;
	for (uint32_t i = 0; i < count; i++) {
		tasks[i].spare.hash_next = waits.free;
		waits.free = &tasks[i].spare;
	}
}

/* ---- wake times ------------------------------------------------------------------------ */

static void heap_place(uint32_t at, struct task *task)
{
	waits.tasks[at].heap = task;
	task->timed = at;
}

/* Puts the task where it belongs, given that the entry `at` is free for it. */
static void heap_settle(uint32_t at, struct task *task)
{
	while (at && waits.tasks[(at - 1) / 2].heap->wake_ns > task->wake_ns) {
		heap_place(at, waits.tasks[(at - 1) / 2].heap);
		at = (at - 1) / 2;
	}
	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child + 1 < waits.timed &&
		    waits.tasks[child + 1].heap->wake_ns < waits.tasks[child].heap->wake_ns)
			child++;
		if (child >= waits.timed || waits.tasks[child].heap->wake_ns >= task->wake_ns)
			break;
		heap_place(at, waits.tasks[child].heap);
		at = child;
	}
	heap_place(at, task);
}

static void heap_insert(struct task *task)
{
	uint32_t at = waits.timed++;

	heap_place(at, task);
	heap_settle(at, task);
}

static void heap_remove(struct task *task)
{
	struct task *last = waits.tasks[waits.timed - 1].heap;

	ASSERT(waits.timed && waits.tasks[task->timed].heap == task);
	waits.timed--;
	if (last != task)
		heap_settle(task->timed, last);
}

struct task *wait_due(uint64_t now_ns)
{
	struct task *earliest = waits.timed ? waits.tasks[0].heap : NULL;

	return earliest && earliest->wake_ns <= now_ns ? earliest : NULL;
}

/* ---- lists ------------------------------------------------------------------------------ */

static struct wait_list *list_of(struct link *link)
{
	return (struct wait_list *)link_owner(link, offsetof(struct wait_list, link));
}

static void ranks_append(struct ranks *ranks, struct wait_list *list)
{
	list_append(&ranks->lists[list->priority], &list->link);
	ranks->some |= 1u << list->priority;
}

static void ranks_remove(struct ranks *ranks, struct wait_list *list)
{
	list_remove(&ranks->lists[list->priority], &list->link);
	if (!ranks->lists[list->priority].first)
		ranks->some &= ~(1u << list->priority);
}

static struct wait_list **hash_head(uint32_t channel, unsigned priority)
{
	uint32_t key = (channel * MACHINE_PRIORITIES + priority) * UINT32_C(0x9e3779b1);

	return &waits.hash[key / (UINT32_MAX / KERNEL_WAIT_HASH_HEADS + 1)];
}

static struct wait_list *list_find(uint32_t channel, unsigned priority)
{
	for (struct wait_list *list = *hash_head(channel, priority); list; list = list->hash_next)
		if (list->channel == channel && list->priority == priority)
			return list;
	return NULL;
}

static void hash_remove(struct wait_list *list)
{
	struct wait_list **link = hash_head(list->channel, list->priority);

	while (*link != list) {
		ASSERT(*link);
		link = &(*link)->hash_next;
	}
	*link = list->hash_next;
}

void wait_enter(struct task *task, uint32_t channel)
{
	struct wait_list *list = list_find(channel, task->priority);

	ASSERT(channel < CHANNELS && !task->wait);
	if (!list) {
		struct wait_list **head = hash_head(channel, task->priority);

		list = waits.free;
		ASSERT(list); /* there are as many as tasks */
		waits.free = list->hash_next;
		*list = (struct wait_list){
			.hash_next = *head, .channel = channel, .priority = task->priority};
		*head = list;
		ranks_append(&waits.asleep, list);
	}
	list_append(&list->tasks, &task->link);
	task->wait = list;
	if (task->wake_ns)
		heap_insert(task);
}

void wait_leave(struct task *task)
{
	struct wait_list *list = task->wait;

	ASSERT(list);
	if (task->wake_ns)
		heap_remove(task);
	task->wait = NULL;
	list_remove(&list->tasks, &task->link);
	if (list->tasks.first)
		return;
	if (list->woken) {
		ranks_remove(&waits.woken, list);
	} else {
		hash_remove(list);
		ranks_remove(&waits.asleep, list);
	}
	list->hash_next = waits.free;
	waits.free = list;
}

void wait_wake(uint32_t channel)
{
	ASSERT(channel < CHANNELS);
	for (uint32_t left = waits.asleep.some; left; left &= left - 1) {
		struct wait_list *list = list_find(channel, (unsigned)__builtin_ctz(left));

		if (!list)
			continue;
		ASSERT(list->tasks.first && !list->woken);
		hash_remove(list);
		ranks_remove(&waits.asleep, list);
		list->woken = true;
		ranks_append(&waits.woken, list);
	}
}

struct task *wait_first(uint32_t channel)
{
	ASSERT(channel < CHANNELS);
	for (uint32_t left = waits.asleep.some; left;) {
		unsigned priority = 31 - (unsigned)__builtin_clz(left);
		struct wait_list *list = list_find(channel, priority);

		if (list)
			return task_of(list->tasks.first);
		left &= ~(1u << priority);
	}
	return NULL;
}

uint32_t wait_woken_priorities(void)
{
	return waits.woken.some;
}

struct task *wait_woken(unsigned priority)
{
	struct wait_list *list = list_of(waits.woken.lists[priority].first);

	return list ? task_of(list->tasks.first) : NULL;
}

struct task *wait_asleep(unsigned priority)
{
	struct wait_list *list = list_of(waits.asleep.lists[priority].first);

	if (list && list->channel == CHANNEL_DISK)
		list = list_of(list->link.next);
	return list ? task_of(list->tasks.first) : NULL;
}

struct task *wait_reading(unsigned priority)
{
	struct wait_list *list = list_find(CHANNEL_DISK, priority);

	return list ? task_of(list->tasks.first) : NULL;
}
