/* SPDX-License-Identifier: MIT */
/*
 * task.h - the volatile side of a machine, and the run queues.
 *
 * A task exists for a machine that can run, waits inside the kernel, or has
 * page tables worth keeping.  It holds nothing that cannot be rebuilt: losing
 * all tasks at any instant loses nothing (P3).
 *
 *            task_queue                task_next
 *     IDLE ------------> QUEUED --------------------> RUNNING
 *      ^                   ^  ^                        |  |  |
 *      |                   |  +--- preempted, yield ---+  |  |
 *      |                   +------ WAITING <-- task_wait -+  |
 *      +------ blocked in its own persistent state ----------+
 *
 *   IDLE     blocked in its persistent state (or stopped); kept for its tables
 *   QUEUED   in the run queue of its priority and its share
 *   RUNNING  what the CPU goes back to
 *   WAITING  executes its call or fault anew when its channel is woken; those of one
 *            priority that wait for one channel stand in one wait list
 *   REQUEST  waits for the outcome of a commit that it asked for
 *   FREE     names no machine
 */
#ifndef KERNEL_TASK_H
#define KERNEL_TASK_H

#include <stdbool.h>
#include <stdint.h>
#include "disk/object.h"
#include "kernel/arch.h"
#include "kernel/limits.h"
#include "kernel/list.h"
#include "store/store.h"

enum task_place { TASK_FREE, TASK_IDLE, TASK_QUEUED, TASK_RUNNING, TASK_WAITING, TASK_REQUEST };

/* Since when a call, a fault or a step of kernel work fails for a page that cannot be read,
 * and the first such page.  0: it does not. */
struct failing {
	uint64_t since_ns;
	page_t page;
};

/* What a machine needs pages for: to be entered, for its page fault, for its call. */
enum task_reading { TASK_READS_OWN, TASK_READS_FAULT, TASK_READS_CALL };

/* Those of one priority that wait for the same.  There are never more of these than tasks, so
 * each task brings one along. */
struct wait_list {
	struct list tasks;
	struct link link;	     /* all of its priority, woken or not */
	struct wait_list *hash_next; /* not woken; or in the list of free ones */
	uint32_t channel;
	uint8_t priority;
	bool woken; /* its tasks are on their way to the run queue */
};

/* What machines of one priority have of the processor by the weight of one bank: a queue of those
 * that could run.  There are never more of these than tasks, either: share.c. */
struct share {
	struct list tasks;	 /* QUEUED */
	struct link link;	 /* all of its priority with such tasks */
	struct share *hash_next; /* or in the list of free ones */
	uint64_t bank;		 /* the version of the bank; 0: the first one */
	uint64_t passed;	 /* its time, by which it is put in order */
	uint64_t pace;		 /* how that goes on: 2^32 / weight */
	uint32_t rest;		 /* and what was less than one unit of it */
	uint32_t turn;		 /* its place in the heap, if it has such tasks */
	uint32_t users;		 /* tasks, wherever they are */
	uint8_t priority;
	bool unknown; /* of those of which it is not known which share they have */
};

struct task {
	struct link link; /* in the list of its place */
	struct task *hash_next;
	object_t object;
	uint8_t place; /* enum task_place */
	uint8_t priority;
	uint8_t slice;	 /* ticks left */
	uint8_t reading; /* enum task_reading: what it needs `failing` for */
	uint64_t version;
	struct wait_list *wait;	  /* WAITING: where */
	struct wait_list spare;	  /* that it has brought along */
	struct share *share;	  /* null: FREE */
	struct share spare_share; /* that it has brought along */
	struct share *turn;	  /* the heap's entry of the same index as this task */
	uint64_t weighed;	  /* space.weights + 1 when that was found out; 0: it was not */
	uint32_t baton; /* it alone was woken on this channel, and wakes the next; 0: none */
	struct failing failing;
	uint64_t wake_ns;	  /* WAITING: latest, persistent uptime; 0: none */
	uint32_t timed;		  /* its place in the heap of those with a wake_ns */
	struct task *heap;	  /* the heap's entry of the same index as this task */
	uint64_t root;		  /* top page table, 0: none; kept by mapping.c, */
	struct link root_link;	  /* which lists all tasks that have one */
	struct list uses;	  /* what it maps something of */
	uint64_t root_epoch;	  /* good as long as no other has begun, */
	uint64_t root_banks;	  /* and none of these banks ends */
	uint64_t root_banks_seen; /* so many had ended when that was looked at */
	uint64_t root_generation; /* under which its write permissions were validated */
};

static inline struct task *task_of(struct link *link)
{
	return (struct task *)link_owner(link, offsetof(struct task, link));
}

/* One CPU.  Everything that other code would call "current" is here. */
struct cpu {
	struct task *running; /* null in the idle loop */
	struct task *fpu;     /* whose FPU state the registers hold; null: nobody's */
	bool fpu_live;	      /* they hold newer state than its machine page, */
	uint8_t *fpu_image;   /* which is writable as long as that is so: here */
	uint64_t entered_ns;  /* when it last went to user mode, */
	uint64_t left_ns;     /* and when it came back */
	uint64_t idle_ns;
};
struct cpu *cpu_this(void);

void task_init(struct task *tasks, uint32_t count);

/* The task of a machine, or null. */
struct task *task_find(object_t object);
/* The same, made if there is none: takes a free one, the one that was idle longest, or one of
 * a machine below this priority, whatever that does: it loses nothing by it.  Once a tick
 * also one that only waits, of any priority, or whose turn has just ended, of this one: so all
 * get their turn where there are more machines than tasks.
 * Null: there is none.  Machines that are without a task for this or that reason are looked
 * for in the may-be-ready bitmap. */
struct task *task_get(object_t object, uint64_t version, uint8_t priority);
/* The priorities at which machines may be without a task, a bit each, when one could be had;
 * they are not told again. */
uint32_t task_lost(void);

/* The machine is gone: forget it, page tables included. */
void task_forget(struct task *task);

void task_queue(struct task *task); /* at the end of its run queue */
void task_wait(struct task *task, uint32_t channel, uint64_t wake_ns);
void task_idle(struct task *task);
void task_request(struct task *task);
/* It has got the pages that it needs for this. */
void task_has_read(struct task *task, enum task_reading reading);
void task_set_priority(struct task *task, uint8_t priority);

/* All that wait for it, in constant time. */
void task_wake_channel(uint32_t channel);
/* The first of the highest priority, which wakes the next when its trap has ended, unless it
 * waits for the same again: for what each takes a part of. */
void task_wake_one(uint32_t channel);
/* The trap of the running task has ended. */
void task_trap_ended(struct task *task);
/* Some of those whose wake time has come.  True: there may be more. */
bool task_wake_timed(uint64_t now_ns);
void task_tick(void);

/* It runs on the share of this bank (its version; 0: the first one), which has this weight of its
 * own.  True: it did not before, so it may not be its turn. */
bool task_weigh(struct task *task, uint64_t bank, uint32_t weight);
/* All that run on the share of this bank have this weight of its own from now on; 0: each finds out
 * when it is entered on whose share it is. */
void task_bank_weighs(uint64_t bank, uint32_t weight);
/* It is entered: what the processor does from now on is its; what it did for so long was of the
 * one that was entered before. */
void task_entered(const struct task *task);
void task_used(uint64_t ns);
/* It is idle from now on, on behalf of nobody. */
void task_idles(void);

/* Takes the task whose turn it is, of the highest priority, out of the queue, or null. */
struct task *task_next(void);
/* Is one queued that is above this priority / at least at it? */
bool task_queued_above(int priority);
bool task_queued_at(int priority);

uint32_t task_count(void);
#endif
