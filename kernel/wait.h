/* SPDX-License-Identifier: MIT */
/*
 * wait.h - what tasks wait for, as task.c sees it.
 *
 * Tasks that wait for one channel at one priority stand in one list.  Waking takes the list
 * as a whole, in constant time; its tasks then wait for nothing any more, and are taken out
 * one by one.
 */
#ifndef KERNEL_WAIT_H
#define KERNEL_WAIT_H

#include "kernel/task.h"

void wait_reset(struct task *tasks, uint32_t count);

/* A task that is in no list begins to wait, until its wake_ns at the latest; it ends. */
void wait_enter(struct task *task, uint32_t channel);
void wait_leave(struct task *task);

/* All that wait for the channel are woken.  The first of them, of the highest priority. */
void wait_wake(uint32_t channel);
struct task *wait_first(uint32_t channel);

/* Bit p: some of priority p are woken.  One of those; one that is not; null: there is none. */
uint32_t wait_woken_priorities(void);
struct task *wait_woken(unsigned priority);
/* (Without those that a page keeps waiting, whose task knows for how long: wait_reading.) */
struct task *wait_asleep(unsigned priority);
struct task *wait_reading(unsigned priority);

/* The one with the earliest wake_ns, if that is not later; else null. */
struct task *wait_due(uint64_t now_ns);

#endif
