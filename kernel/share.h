/* SPDX-License-Identifier: MIT */
/*
 * share.h - run queues, as task.c sees it: whose turn it is among machines of one priority.
 *
 * Machines of one priority whose banks give them the same share of the processor stand in one
 * queue.  Each queue has a time of its own, which goes on while one of its machines runs, the
 * slower the more weight its bank has; the queue for which it is earliest comes next.
 *
 * All of it is volatile (P3): after a resume all times begin anew, together.
 */
#ifndef KERNEL_SHARE_H
#define KERNEL_SHARE_H

#include "kernel/task.h"

void share_reset(struct task *tasks, uint32_t count);

/* A task that is in no queue has this priority now, and whose share it has is not known, or as
 * much as before.  It has none any more. */
void share_enter(struct task *task);
void share_leave(struct task *task);
/* It runs on the share of this bank.  True: it did not before. */
bool share_assign(struct task *task, uint64_t bank, uint32_t weight);
/* All of this bank's has this weight from now on; 0: it will be found on another's share, each when
 * it is entered. */
void share_weigh(uint64_t bank, uint32_t weight);
/* It has another priority. */
void share_move(struct task *task, uint8_t priority);

/* At the end of its queue; out of it. */
void share_append(struct task *task);
void share_remove(struct task *task);

/* Bit p: there are some of priority p.  The one of the highest priority that comes next, which is
 * taken out by whoever lets it run; the one of this priority that others miss least; null: there
 * is none. */
uint32_t share_priorities(void);
struct task *share_first(void);
struct task *share_last(unsigned priority);

/* The processor is used on behalf of this task from now on; it was for so long on behalf of the
 * one before. */
void share_used(uint64_t ns);
void share_begin(const struct task *task);
/* Nobody's, as long as the processor idles. */
void share_used_by_none(void);

#endif
