/* SPDX-License-Identifier: MIT */
/*
 * share.c - run queues: by priority, between banks by weight, within one in turn.
 *
 * A share is what a bank has of the processor at one priority.  It exists while there are tasks
 * of its machines, of which each brings one along, so there is always one to be had.  Those with
 * tasks in their queue are in one heap: the highest priority first, then the one that has had the
 * least for its weight, which is `passed`.
 *
 * Who has slept is not owed anything: a queue that fills begins no earlier than the one that
 * was chosen last.  And a new share begins a turn later than that, or ending a bank after each
 * turn and making another would pay.
 *
 * Whose share a machine has is said by its bank's account, which may have to be read, so it is
 * found when the machine is about to be entered.  Until then its task is in the queue of those
 * of which it is not known, and these come first: that takes no time of anybody.
 */
#include "kernel/share.h"
#include <string.h>
#include "base/assert.h"

/* Units of `passed`: nanoseconds, for a weight of so much.  In 64 bits there is room for
 * decades of a share of weight 1. */
#define SHARE_UNIT_BITS	 4u
#define SHARE_PACE_BITS	 32u
#define SHARE_REST_BITS	 (SHARE_PACE_BITS - SHARE_UNIT_BITS)
#define SHARE_NS_MAX	 (UINT64_C(1) << 30) /* of one turn; more is the clock's error */
#define SHARE_TURN_NS	 (UINT64_C(1000000000) / ARCH_TICK_HZ * KERNEL_SLICE_TICKS)
#define SHARE_HASH_HEADS KERNEL_TASK_HASH_HEADS

static struct {
	struct task *tasks; /* the i-th holds entry i of the heap */
	uint32_t queues;    /* in the heap */
	uint32_t some;	    /* bit p: some of priority p are in it */
	struct list filled[MACHINE_PRIORITIES];
	uint64_t now[MACHINE_PRIORITIES]; /* of the one that was chosen last */
	struct share unknown[MACHINE_PRIORITIES];
	struct share *hash[SHARE_HASH_HEADS], *free;
	struct share *used; /* null: of nobody's */
} shares;

void share_reset(struct task *tasks, uint32_t count)
{
	memset(&shares, 0, sizeof(shares));
	shares.tasks = tasks;
	for (unsigned i = 0; i < MACHINE_PRIORITIES; i++)
		shares.unknown[i] = (struct share){.unknown = true, .priority = (uint8_t)i};
	for (uint32_t i = 0; i < count; i++) {
		tasks[i].spare_share.hash_next = shares.free;
		shares.free = &tasks[i].spare_share;
	}
}

/* ---- the heap ---------------------------------------------------------------------------- */

static bool share_before(const struct share *a, const struct share *b)
{
	if (a->priority != b->priority)
		return a->priority > b->priority;
	if (a->unknown || b->unknown)
		return a->unknown;
	return a->passed < b->passed;
}

static struct share *heap_at(uint32_t at)
{
	return shares.tasks[at].turn;
}

static void heap_place(uint32_t at, struct share *share)
{
	shares.tasks[at].turn = share;
	share->turn = at;
}

/* Puts the share where it belongs, given that the entry `at` is free for it. */
static void heap_settle(uint32_t at, struct share *share)
{
	while (at && share_before(share, heap_at((at - 1) / 2))) {
		heap_place(at, heap_at((at - 1) / 2));
		at = (at - 1) / 2;
	}
	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child + 1 < shares.queues && share_before(heap_at(child + 1), heap_at(child)))
			child++;
		if (child >= shares.queues || !share_before(heap_at(child), share))
			break;
		heap_place(at, heap_at(child));
		at = child;
	}
	heap_place(at, share);
}

static void heap_insert(struct share *share)
{
	uint32_t at = shares.queues++;

	heap_place(at, share);
	heap_settle(at, share);
}

static void heap_remove(struct share *share)
{
	struct share *last = heap_at(shares.queues - 1);

	ASSERT(shares.queues && heap_at(share->turn) == share);
	shares.queues--;
	if (last != share)
		heap_settle(share->turn, last);
}

/* ---- queues ------------------------------------------------------------------------------ */

static struct share *share_of(struct link *link)
{
	return (struct share *)link_owner(link, offsetof(struct share, link));
}

void share_append(struct task *task)
{
	struct share *share = task->share;
	bool first = !share->tasks.first;

	ASSERT(share->priority == task->priority);
	list_append(&share->tasks, &task->link);
	if (!first)
		return;
	if (share->passed < shares.now[share->priority])
		share->passed = shares.now[share->priority];
	list_append(&shares.filled[share->priority], &share->link);
	shares.some |= 1u << share->priority;
	heap_insert(share);
}

void share_remove(struct task *task)
{
	struct share *share = task->share;

	ASSERT(share && shares.some >> share->priority & 1);
	list_remove(&share->tasks, &task->link);
	if (share->tasks.first)
		return;
	heap_remove(share);
	list_remove(&shares.filled[share->priority], &share->link);
	if (!shares.filled[share->priority].first)
		shares.some &= ~(1u << share->priority);
}

uint32_t share_priorities(void)
{
	return shares.some;
}

struct task *share_first(void)
{
	struct share *share = shares.queues ? heap_at(0) : NULL;

	if (!share)
		return NULL;
	if (!share->unknown && shares.now[share->priority] < share->passed)
		shares.now[share->priority] = share->passed;
	return task_of(share->tasks.first);
}

struct task *share_last(unsigned priority)
{
	struct share *share = share_of(shares.filled[priority].last);

	return share ? task_of(share->tasks.last) : NULL;
}

/* ---- time -------------------------------------------------------------------------------- */

static void share_pass(struct share *share, uint64_t ns)
{
	uint64_t more = (ns < SHARE_NS_MAX ? ns : SHARE_NS_MAX) * share->pace + share->rest;

	share->passed += more >> SHARE_REST_BITS;
	share->rest = (uint32_t)(more & ((1u << SHARE_REST_BITS) - 1));
	if (share->tasks.first)
		heap_settle(share->turn, share);
}

void share_used(uint64_t ns)
{
	struct share *share = shares.used;

	if (!share || share->unknown)
		return;
	share_pass(share, ns);
	/* While it is alone at its priority it is not chosen anew: its time is the time there, or
	 * who comes then would be owed all of it. */
	if (!(shares.some >> share->priority & 1) && shares.now[share->priority] < share->passed)
		shares.now[share->priority] = share->passed;
}

void share_used_by_none(void)
{
	shares.used = NULL;
}

void share_begin(const struct task *task)
{
	ASSERT(task->share);
	shares.used = task->share;
}

/* ---- whose is whose ------------------------------------------------------------------------ */

static struct share **hash_head(uint64_t bank, unsigned priority)
{
	uint64_t key = (bank * MACHINE_PRIORITIES + priority) * UINT64_C(0x9e3779b97f4a7c15);

	return &shares.hash[(key >> 32) % SHARE_HASH_HEADS];
}

static struct share *share_find(uint64_t bank, unsigned priority)
{
	for (struct share *share = *hash_head(bank, priority); share; share = share->hash_next)
		if (share->bank == bank && share->priority == priority)
			return share;
	return NULL;
}

static struct share *share_make(uint64_t bank, uint8_t priority, uint64_t pace)
{
	struct share *share = shares.free, **head = hash_head(bank, priority);

	ASSERT(share); /* there are as many as tasks */
	shares.free = share->hash_next;
	*share = (struct share){.bank = bank,
				.passed = shares.now[priority],
				.pace = pace,
				.priority = priority,
				.hash_next = *head};
	*head = share;
	share_pass(share, SHARE_TURN_NS);
	return share;
}

static void share_end(struct share *share)
{
	struct share **link = hash_head(share->bank, share->priority);

	ASSERT(!share->tasks.first);
	while (*link != share) {
		ASSERT(*link);
		link = &(*link)->hash_next;
	}
	*link = share->hash_next;
	if (shares.used == share)
		shares.used = NULL;
	share->hash_next = shares.free;
	shares.free = share;
}

void share_enter(struct task *task)
{
	ASSERT(!task->share && task->place != TASK_QUEUED);
	task->share = &shares.unknown[task->priority];
	task->weighed = 0;
}

void share_leave(struct task *task)
{
	struct share *share = task->share;

	ASSERT(share && task->place != TASK_QUEUED);
	task->share = NULL;
	if (!share->unknown && !--share->users)
		share_end(share);
}

/* What it has had before its turn counts as had with this weight, and not with the one before: or
 * moving a weight about among several would make more of it, and one that has become more would
 * have to wait as if it were still less. */
static void share_pace(struct share *share, uint64_t pace)
{
	uint64_t now = shares.now[share->priority], ahead;

	if (share->pace == pace)
		return;
	if (share->passed > now) {
		ahead = share->passed - now;
		share->passed =
			now + ahead / share->pace * pace + ahead % share->pace * pace / share->pace;
	}
	share->pace = pace;
	if (share->tasks.first)
		heap_settle(share->turn, share);
}

static uint64_t pace_of(uint32_t weight)
{
	ASSERT(weight && weight <= SHARE_ALL);
	return (UINT64_C(1) << SHARE_PACE_BITS) / weight;
}

void share_weigh(uint64_t bank, uint32_t weight)
{
	for (unsigned priority = 0; weight && priority < MACHINE_PRIORITIES; priority++) {
		struct share *share = share_find(bank, priority);

		if (share)
			share_pace(share, pace_of(weight));
	}
}

/* Of the bank, at the task's priority. */
static void share_join(struct task *task, uint64_t bank, uint64_t pace)
{
	share_leave(task);
	task->share = share_find(bank, task->priority);
	if (!task->share)
		task->share = share_make(bank, task->priority, pace);
	task->share->users++;
	share_pace(task->share, pace);
}

bool share_assign(struct task *task, uint64_t bank, uint32_t weight)
{
	struct share *before = task->share;
	uint64_t pace = pace_of(weight);

	if (!before->unknown && before->bank == bank) {
		share_pace(before, pace);
		return false;
	}
	share_join(task, bank, pace);
	return true;
}

void share_move(struct task *task, uint8_t priority)
{
	struct share share = *task->share;

	if (priority == task->priority)
		return;
	task->priority = priority;
	if (!share.unknown) {
		share_join(task, share.bank, share.pace);
		return;
	}
	share_leave(task);
	share_enter(task);
}
