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
#include "kernel/task_list.h"

/* Lists of one priority, the oldest first. */
struct wait_lists {
	struct wait_list *first, *last;
};

static struct {
	struct wait_list *free;
	struct wait_list *hash[KERNEL_WAIT_HASH_HEADS];
	struct wait_lists asleep[MACHINE_PRIORITIES], woken[MACHINE_PRIORITIES];
	uint32_t asleep_at, woken_at; /* bit p: some of priority p are */
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

static void lists_append(struct wait_lists *lists, uint32_t *at, struct wait_list *list)
{
	list->next = NULL;
	list->previous = lists->last;
	if (lists->last)
		lists->last->next = list;
	else
		lists->first = list;
	lists->last = list;
	*at |= 1u << list->priority;
}

static void lists_remove(struct wait_lists *lists, uint32_t *at, struct wait_list *list)
{
	ASSERT(list->previous ? list->previous->next == list : lists->first == list);
	if (list->previous)
		list->previous->next = list->next;
	else
		lists->first = list->next;
	if (list->next)
		list->next->previous = list->previous;
	else
		lists->last = list->previous;
	if (!lists->first)
		*at &= ~(1u << list->priority);
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

	while (*link != list)
		link = &(*link)->hash_next;
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
		lists_append(&waits.asleep[list->priority], &waits.asleep_at, list);
	}
	list_append(&list->tasks, task);
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
	list_remove(&list->tasks, task);
	if (list->tasks.first)
		return;
	if (list->woken) {
		lists_remove(&waits.woken[list->priority], &waits.woken_at, list);
	} else {
		hash_remove(list);
		lists_remove(&waits.asleep[list->priority], &waits.asleep_at, list);
	}
	list->hash_next = waits.free;
	waits.free = list;
}

void wait_wake(uint32_t channel)
{
	ASSERT(channel < CHANNELS);
	for (uint32_t left = waits.asleep_at; left; left &= left - 1) {
		struct wait_list *list = list_find(channel, (unsigned)__builtin_ctz(left));

		if (!list)
			continue;
		hash_remove(list);
		lists_remove(&waits.asleep[list->priority], &waits.asleep_at, list);
		list->woken = true;
		lists_append(&waits.woken[list->priority], &waits.woken_at, list);
	}
}

struct task *wait_first(uint32_t channel)
{
	ASSERT(channel < CHANNELS);
	for (uint32_t left = waits.asleep_at; left;) {
		unsigned priority = 31 - (unsigned)__builtin_clz(left);
		struct wait_list *list = list_find(channel, priority);

		if (list)
			return list->tasks.first;
		left &= ~(1u << priority);
	}
	return NULL;
}

uint32_t wait_woken_priorities(void)
{
	return waits.woken_at;
}

struct task *wait_woken(unsigned priority)
{
	return waits.woken[priority].first ? waits.woken[priority].first->tasks.first : NULL;
}

struct task *wait_asleep(unsigned priority)
{
	struct wait_list *list = waits.asleep[priority].first;

	if (list && list->channel == CHANNEL_DISK)
		list = list->next;
	return list ? list->tasks.first : NULL;
}

struct task *wait_reading(unsigned priority)
{
	struct wait_list *list = list_find(CHANNEL_DISK, priority);

	return list ? list->tasks.first : NULL;
}
