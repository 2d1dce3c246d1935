/* SPDX-License-Identifier: MIT */
/*
 * checkpoint.c - when the system commits.
 *
 *             due: interval, request, pressure, a pause over
 *    idle -------------------------------------> running
 *     ^         freeze (the only pause)             |
 *     +---------------------------------------------+
 *                   durable or failed
 *
 * A commit that fails has changed nothing: all it took along is dirty again, machines
 * run on in memory, and it is tried again after a pause that grows from one second to
 * half a minute, at once when somebody asks.  One that gets no answer from the disk
 * while machines need the pages that it has frozen is given up likewise.  The console
 * says since when nothing is saved, and when that is over.
 *
 * Who waits for that, and is told how it ended: request.c.
 */
#include "kernel/kernel.h"
#include "kernel/print.h"
#include "kernel/request.h"
#include "kernel/syscall.h"
#include "base/assert.h"
#include <string.h>

static_assert(KERNEL_SILENCE_NS <= KERNEL_STALL_NS && KERNEL_STALL_NS < KERNEL_READ_PATIENCE_NS,
	      "that a whole disk is away is known before one page counts as lost");
static_assert(KERNEL_RETRY_NS <= KERNEL_RETRY_MAX_NS, "pauses grow");

static struct {
	bool running;
	generation_t generation; /* of the commit in flight */
	bool stopping;		 /* it says that the system stops on purpose */
	bool stays;		 /* that is durable, and nobody wants it any more */
	uint64_t frozen_ns;	 /* persistent uptime of the last freeze */
	uint64_t version;	 /* last object version handed out before that */
	struct checkpoint_figures figures;
	/* While commits fail: */
	uint32_t failures;   /* in a row */
	enum status outcome; /* of the last of them */
	const char *why;     /* the last one did */
	uint64_t retry_ns;   /* persistent uptime: no other before this, */
	bool asked;	     /* unless somebody asks */
	uint64_t said_ns;    /* how long nothing had been saved when that was said last */
} checkpoint;

void checkpoint_reset(void)
{
	requests_reset();
	memset(&checkpoint, 0, sizeof(checkpoint));
	checkpoint.frozen_ns = time_uptime_ns();
}

struct checkpoint_figures checkpoint_figures(void)
{
	return checkpoint.figures;
}

bool checkpoint_ask(const struct store_commit_request *commit, enum checkpoint_end end)
{
	bool added = requests_add(commit, end, NULL, 0);

	checkpoint.asked |= added;
	return added;
}

bool checkpoint_withdraw(void)
{
	return requests_withdraw();
}

void checkpoint_request(const struct store_commit_request *commit, enum checkpoint_end end,
			uint64_t deadline_ns)
{
	struct cpu *cpu = cpu_this();
	struct task *task = cpu->running;

	ASSERT(task); /* the kernel's own console asks otherwise */
	if (!requests_add(commit, end, task, deadline_ns)) {
		kernel_wait(STORE_CHANNEL_COMMIT);
		kernel_park(deadline_ns);
	}
	checkpoint.asked = true;
	task_request(task);
	cpu->running = NULL;
	kernel_leave();
}

/* ---- freeze -------------------------------------------------------------------- */

/* What is about to be committed must be sound.  A broken system is not persisted;
 * the last good generation stays. */
static enum status checkpoint_check(const struct disk_system **system)
{
	enum status status = system_read(&kernel.space, system);

	if (status == STATUS_WAIT || status == STATUS_IO)
		return STATUS_WAIT;
	if (status != STATUS_OK)
		kernel_panic("refusing to commit: the system page: %s", status_text(status));
	if ((*system)->next_version < checkpoint.version)
		kernel_panic("refusing to commit: object versions would go back");
	checkpoint.version = (*system)->next_version;
	return STATUS_OK;
}

static enum status checkpoint_freeze(struct store_commit_request *commit)
{
	uint64_t start = arch_time_ns(), spent;
	generation_t generation = store_generation(kernel.space.store);
	const struct disk_system *system;
	enum status status;

	store_operation_begin(kernel.space.store);
	status = checkpoint_check(&system);
	if (status == STATUS_OK)
		status = requests_advance(generation, false);
	if (status != STATUS_OK)
		return STATUS_WAIT;
	kernel_fpu_save();
	commit->counters.uptime_ns = time_uptime_ns();
	commit->counters.object_version = objects_version(&kernel.space, system);
	commit->counters.resumes = kernel.epoch;
	commit->wall_ns = arch_wall_ns();
	/* COMMIT POINT of the freeze: everything dirty belongs to the past now. */
	status = store_commit(kernel.space.store, commit, &checkpoint.generation);
	if (status != STATUS_OK)
		requests_advance(generation, true);
	/* What stands in the callers' registers is what they are told. */
	ASSERT(status != STATUS_OK || commit->action == STORE_ACTION_RESTORE ||
	       checkpoint.generation.n == generation.n);
	spent = arch_time_ns() - start;
	if (spent > checkpoint.figures.longest_freeze_ns)
		checkpoint.figures.longest_freeze_ns = spent;
	return status;
}

static bool checkpoint_due(void)
{
	struct store *store = kernel.space.store;

	/* After a failure the disk gets its pause, and a freeze waits until it answers:
	 * it would only hold up those who write. */
	if (checkpoint.failures && (kernel.device->silent_ns >= KERNEL_SILENCE_NS ||
				    (!checkpoint.asked && time_uptime_ns() < checkpoint.retry_ns)))
		return false;
	if (checkpoint.failures || checkpoint.stays || requests_wait() || store_pressure(store))
		return true;
	return kernel.interval_ns && store_dirty(store) &&
	       time_uptime_ns() - checkpoint.frozen_ns >= kernel.interval_ns;
}

static bool checkpoint_begin(void)
{
	struct store_commit_request commit = {.action = STORE_ACTION_NONE};
	const struct store_commit_request *action = requests_action();
	enum status status;

	ASSERT(!checkpoint.running);
	if (action)
		commit = *action;
	status = checkpoint_freeze(&commit);
	if (status == STATUS_WAIT || status == STATUS_BUSY)
		return false;
	if (status != STATUS_OK && requests_refused(status))
		return true;
	checkpoint.asked = false;
	checkpoint.stays = false;
	checkpoint.stopping = commit.action == STORE_ACTION_STOP;
	checkpoint.frozen_ns = time_uptime_ns();
	if (status != STATUS_OK) {
		kernel_print("checkpoint refused: %s", status_text(status));
		return false;
	}
	requests_go();
	checkpoint.running = true;
	return true;
}

/* ---- the end of a commit -------------------------------------------------------- */

/* Since the newest durable state. */
static uint64_t unsaved_ns(void)
{
	struct checkpoint_unsaved unsaved = checkpoint_unsaved();
	uint64_t now = arch_wall_ns();

	return now > unsaved.since_wall_ns ? now - unsaved.since_wall_ns : 0;
}

bool checkpoint_disk_fails(void)
{
	return (checkpoint.failures && checkpoint.outcome == STATUS_IO) ||
	       kernel.device->silent_ns >= KERNEL_STALL_NS;
}

struct checkpoint_unsaved checkpoint_unsaved(void)
{
	struct checkpoint_unsaved unsaved = {.attempts = checkpoint.failures};
	uint64_t now = time_uptime_ns();
	struct store_statistics s;

	store_statistics_get(kernel.space.store, &s);
	unsaved.since_wall_ns = s.commit_wall_ns;
	if (checkpoint.failures) {
		unsaved.why = checkpoint.why;
		unsaved.retry_ns = checkpoint.retry_ns > now ? checkpoint.retry_ns - now : 0;
	}
	if (checkpoint.running && kernel.device->silent_ns >= KERNEL_STALL_NS)
		unsaved.why = "the disk does not answer";
	if (store_health(kernel.space.store) == STATUS_READ_ONLY)
		unsaved.why = "the disk can only be read";
	return unsaved;
}

/* A line when it begins, and each time that it has become three times as long. */
static void unsaved_say(void)
{
	uint64_t seconds = checkpoint_unsaved().since_wall_ns / 1000000000 % 86400;
	uint64_t passed = unsaved_ns();

	if (checkpoint.said_ns && passed / 3 < checkpoint.said_ns)
		return;
	checkpoint.said_ns = passed ? passed : 1;
	kernel_print_loud(
		"perdure: unsaved since %02lu:%02lu:%02lu UTC, generation %lu: %s; all runs "
		"on in memory, and saving is tried again",
		(unsigned long)(seconds / 3600), (unsigned long)(seconds / 60 % 60),
		(unsigned long)(seconds % 60), (unsigned long)store_durable(kernel.space.store).n,
		checkpoint.why);
}

static void checkpoint_failed(enum status outcome)
{
	uint64_t pause = KERNEL_RETRY_NS << (checkpoint.failures < 5 ? checkpoint.failures : 5);
	const char *trouble = kernel.device->trouble;

	ASSERT(outcome != STATUS_OK);
	checkpoint.failures++;
	checkpoint.outcome = outcome;
	if (outcome != STATUS_IO)
		checkpoint.why = status_text(outcome);
	else
		checkpoint.why = trouble ? trouble : "the disk does not answer";
	checkpoint.retry_ns =
		time_uptime_ns() + (pause < KERNEL_RETRY_MAX_NS ? pause : KERNEL_RETRY_MAX_NS);
	unsaved_say();
	requests_failed(outcome);
}

static void saved_say(void)
{
	if (checkpoint.failures)
		kernel_print_loud(
			"perdure: saved again: generation %lu is durable, nothing was lost",
			(unsigned long)checkpoint.generation.n);
	checkpoint.failures = 0;
	checkpoint.said_ns = 0;
}

static void checkpoint_succeeded(void)
{
	requests_succeeded(checkpoint.generation, checkpoint.stopping);
	/* Who asked for the end has given it up: the next commit, at once, says so. */
	checkpoint.stays = checkpoint.stopping;
}

static void checkpoint_ended(void)
{
	enum status outcome = store_health(kernel.space.store);

	ASSERT(checkpoint.running && !store_committing(kernel.space.store));
	checkpoint.running = false;
	checkpoint.figures.last_commit_ns = time_uptime_ns() - checkpoint.frozen_ns;
	if (outcome == STATUS_OK)
		saved_say();
	if (store_replaced(kernel.space.store))
		kernel_warm_restart();
	if (outcome == STATUS_OK)
		checkpoint_succeeded();
	else
		checkpoint_failed(outcome);
}

bool checkpoint_step(void)
{
	struct store *store = kernel.space.store;
	bool more = requests_answer(checkpoint.failures, checkpoint.generation);

	if (checkpoint.running) {
		if (store_committing(store)) {
			if (kernel.device->silent_ns >= KERNEL_STALL_NS &&
			    store_commit_blocks(store))
				store_commit_abandon(store);
			return more;
		}
		checkpoint_ended();
		return true;
	}
	if (requests_take_back())
		return more;
	if (store_health(store) == STATUS_READ_ONLY)
		requests_refuse(store_health(store));
	else if (checkpoint_due())
		more |= checkpoint_begin();
	return more;
}
