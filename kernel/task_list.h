/* SPDX-License-Identifier: MIT */
/*
 * task_list.h - lists of tasks, linked through the tasks themselves, so that moving one is
 * constant time and needs no memory.
 */
#ifndef KERNEL_TASK_LIST_H
#define KERNEL_TASK_LIST_H

#include "base/assert.h"
#include "kernel/task.h"

static inline void list_append(struct task_list *list, struct task *task)
{
	ASSERT(!task->next && !task->previous);
	ASSERT(!list->last || !list->last->next);
	task->previous = list->last;
	if (list->last)
		list->last->next = task;
	else
		list->first = task;
	list->last = task;
}

static inline void list_remove(struct task_list *list, struct task *task)
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

#endif
