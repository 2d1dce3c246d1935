/* SPDX-License-Identifier: MIT */
/*
 * checkpoint.c - when the system commits, and who waits for it.
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
 * And of a request:
 *
 *              freeze              durable
 *    WAITING ----------> COMMITTING -------> DONE ------> answered
 *       ^ |                  | failed         ^
 *       | +------------------|----------------+
 *       |  refused, too late v       (also from COMMITTING: too late)
 *       +--------------- TAKEN_BACK
 *          registers put back
 *
 * To answer a caller its page is written, which may itself have to wait for the
 * next commit; so that one can begin while some are not answered yet.  What the console
 * asks for has no registers, and goes from COMMITTING back to WAITING at once.
 *
 * A caller's answer is in its registers twice.  Before the freeze RESUMED is
 * written there: that is what it sees if the system is ever resumed from this
 * generation, so that nothing is done a second time.  The live caller meanwhile
 * waits in volatile state (TASK_REQUEST) and is given the real outcome.  Who does not
 * want to wait for the disk that long names a deadline.
 */
#include "kernel/kernel.h"
#include "kernel/console.h"
#include "kernel/memory.h"
#include "kernel/print.h"
#include "kernel/syscall.h"
#include "base/assert.h"
#include <string.h>

static_assert(KERNEL_REQUESTS_MAX >= 2, "one place is the kernel's own console's");
static_assert(KERNEL_SILENCE_NS <= KERNEL_STALL_NS && KERNEL_STALL_NS < KERNEL_READ_PATIENCE_NS,
	      "that a whole disk is away is known before one page counts as lost");
static_assert(KERNEL_RETRY_NS <= KERNEL_RETRY_MAX_NS, "pauses grow");

struct request {
	enum { REQUEST_WAITING, REQUEST_COMMITTING, REQUEST_TAKEN_BACK, REQUEST_DONE } stage;
	object_t object; /* 0: the kernel's own console */
	uint64_t version;
	struct store_commit_request commit; /* its action, and what belongs to that */
	enum checkpoint_end end;
	uint64_t deadline_ns;	    /* persistent uptime; 0: none; 1: withdrawn */
	struct disk_registers call; /* the registers before RESUMED was written */
	/* DONE: */
	enum status outcome;
	generation_t generation;
	bool advanced;	   /* RESUMED stands in its registers already */
	uint64_t retry_ns; /* not before this: the store is full */
};

static struct {
	bool running;
	struct request request[KERNEL_REQUESTS_MAX];
	uint32_t count;
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
	memset(&checkpoint, 0, sizeof(checkpoint));
	checkpoint.frozen_ns = time_uptime_ns();
}

struct checkpoint_figures checkpoint_figures(void)
{
	return checkpoint.figures;
}

/* One commit carries at most one action on the snapshot tree. */
static bool request_fits(enum store_action action, uint32_t most)
{
	ASSERT(most <= KERNEL_REQUESTS_MAX);
	if (checkpoint.count >= most)
		return false;
	for (uint32_t i = 0; i < checkpoint.count; i++)
		if (checkpoint.request[i].stage == REQUEST_WAITING &&
		    checkpoint.request[i].commit.action != STORE_ACTION_NONE &&
		    action != STORE_ACTION_NONE)
			return false;
	return true;
}

static struct request *request_add(const struct store_commit_request *commit,
				   enum checkpoint_end end)
{
	struct request *request = &checkpoint.request[checkpoint.count++];

	ASSERT(checkpoint.count <= KERNEL_REQUESTS_MAX);
	memset(request, 0, sizeof(*request));
	request->commit = *commit;
	request->end = end;
	checkpoint.asked = true;
	return request;
}

bool checkpoint_ask(const struct store_commit_request *commit, enum checkpoint_end end)
{
	if (!request_fits(commit->action, KERNEL_REQUESTS_MAX))
		return false;
	request_add(commit, end);
	return true;
}

/* It is too late for it, whatever the time (checkpoint_late). */
bool checkpoint_withdraw(void)
{
	bool withdrawn = true;

	for (uint32_t i = 0; i < checkpoint.count; i++) {
		struct request *request = &checkpoint.request[i];

		if (request->object.n)
			continue;
		request->deadline_ns = 1;
		withdrawn &= request->stage != REQUEST_COMMITTING;
	}
	return withdrawn;
}

void checkpoint_request(const struct store_commit_request *commit, enum checkpoint_end end,
			uint64_t deadline_ns)
{
	struct cpu *cpu = cpu_this();
	struct task *task = cpu->running;
	struct request *request;

	/* The last place is the kernel's own console's. */
	if (!request_fits(commit->action, KERNEL_REQUESTS_MAX - 1)) {
		kernel_wait(STORE_CHANNEL_COMMIT);
		kernel_park(deadline_ns);
	}
	request = request_add(commit, end);
	request->object = task->object;
	request->version = task->version;
	request->deadline_ns = deadline_ns;
	task_request(task);
	cpu->running = NULL;
	kernel_leave();
}

/* The live caller's task, or null if it is gone meanwhile. */
static struct task *request_task(const struct request *request)
{
	struct task *task = task_find(request->object);

	return task && task->version == request->version && task->place == TASK_REQUEST ? task
											: NULL;
}

static void request_done(struct request *request, enum status outcome, generation_t generation,
			 bool advanced)
{
	ASSERT(request->stage != REQUEST_DONE); /* an outcome is final */
	ASSERT(outcome != STATUS_WAIT);
	request->stage = REQUEST_DONE;
	request->outcome = outcome;
	request->generation = generation;
	request->advanced = advanced;
}

/* Gives a caller its outcome and lets it run. */
static enum status request_answer(struct request *request)
{
	struct task *task = request_task(request);
	struct disk_machine *machine;
	enum status status;

	ASSERT(request->stage == REQUEST_DONE);
	if (!request->object.n)
		console_answered(request->outcome);
	if (!task)
		return STATUS_OK;
	store_operation_begin(kernel.space.store);
	status = machine_prepare(&kernel.space, request->object, &machine);
	if (status == STATUS_NO_SPACE || status == STATUS_IO)
		request->retry_ns = time_uptime_ns() + KERNEL_SPACE_RETRY_NS;
	if (status == STATUS_WAIT || status == STATUS_NO_SPACE || status == STATUS_IO)
		return status;
	if (status == STATUS_OK) {
		machine->registers.gpr[REGISTER_RSI] = request->outcome;
		machine->registers.gpr[call_word_register[0]] = request->generation.n;
		if (!request->advanced)
			call_registers_done(machine, STATUS_OK, 0, 0);
	}
	task_queue(task);
	return STATUS_OK;
}

/* Who has named a deadline is told when it has passed: nothing was done (IO, when that
 * is because the disk fails), or it may still be done (TIMEOUT). */
static void checkpoint_late(void)
{
	uint64_t now = time_uptime_ns();

	for (uint32_t i = 0; i < checkpoint.count; i++) {
		struct request *request = &checkpoint.request[i];

		if (!request->deadline_ns || now < request->deadline_ns)
			continue;
		if (request->stage == REQUEST_WAITING)
			request_done(request, checkpoint.failures ? STATUS_IO : STATUS_TIMEOUT,
				     (generation_t){0}, false);
		else if (request->stage == REQUEST_COMMITTING)
			request_done(request, STATUS_TIMEOUT, checkpoint.generation, true);
	}
}

/* All that can be answered now; true if there were any. */
static bool checkpoint_answer(void)
{
	bool answered = false;

	checkpoint_late();
	for (uint32_t i = checkpoint.count; i-- > 0;) {
		if (checkpoint.request[i].stage != REQUEST_DONE ||
		    time_uptime_ns() < checkpoint.request[i].retry_ns ||
		    request_answer(&checkpoint.request[i]) != STATUS_OK)
			continue;
		checkpoint.request[i] = checkpoint.request[--checkpoint.count];
		answered = true;
	}
	/* Others may be waiting to be taken on, and no commit need follow. */
	if (answered)
		task_wake_channel(STORE_CHANNEL_COMMIT);
	return answered;
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

/* The request whose action this commit carries, or null. */
static struct request *checkpoint_actor(void)
{
	for (uint32_t i = 0; i < checkpoint.count; i++)
		if (checkpoint.request[i].stage == REQUEST_WAITING &&
		    checkpoint.request[i].commit.action != STORE_ACTION_NONE)
			return &checkpoint.request[i];
	return NULL;
}

/* Is it answered by this commit?  Another one's action may have come back from a commit that
 * failed: that waits for the next. */
static bool request_goes(const struct request *request, const struct request *actor)
{
	return request->stage == REQUEST_WAITING &&
	       (request == actor || request->commit.action == STORE_ACTION_NONE);
}

/* Writes RESUMED into the registers of all whom this commit answers; undo puts them back. */
static enum status checkpoint_callers(const struct request *actor, generation_t generation,
				      bool undo)
{
	struct disk_machine *machine[KERNEL_REQUESTS_MAX];

	for (uint32_t i = 0; i < checkpoint.count; i++) {
		struct request *request = &checkpoint.request[i];
		enum status status;

		machine[i] = NULL;
		if (!request_goes(request, actor) || !request_task(request))
			continue;
		status = machine_prepare(&kernel.space, request->object, &machine[i]);
		if (status != STATUS_OK)
			return status;
	}
	for (uint32_t i = 0; i < checkpoint.count; i++) {
		struct request *request = &checkpoint.request[i];

		if (!machine[i])
			continue;
		if (undo) {
			machine[i]->registers = request->call;
			continue;
		}
		request->call = machine[i]->registers;
		machine[i]->registers.gpr[REGISTER_RSI] = STATUS_RESUMED;
		machine[i]->registers.gpr[call_word_register[0]] = generation.n;
		call_registers_done(machine[i], STATUS_OK, 0, 0);
	}
	return STATUS_OK;
}

static bool checkpoint_asked(void)
{
	for (uint32_t i = 0; i < checkpoint.count; i++)
		if (checkpoint.request[i].stage == REQUEST_WAITING)
			return true;
	return false;
}

static enum status checkpoint_freeze(const struct request *actor,
				     struct store_commit_request *commit)
{
	uint64_t start = arch_time_ns(), spent;
	generation_t generation = store_generation(kernel.space.store);
	const struct disk_system *system;
	enum status status;

	store_operation_begin(kernel.space.store);
	status = checkpoint_check(&system);
	if (status == STATUS_OK)
		status = checkpoint_callers(actor, generation, false);
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
		checkpoint_callers(actor, generation, true);
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
	if (checkpoint.failures || checkpoint.stays || checkpoint_asked() || store_pressure(store))
		return true;
	return kernel.interval_ns && store_dirty(store) &&
	       time_uptime_ns() - checkpoint.frozen_ns >= kernel.interval_ns;
}

static bool checkpoint_begin(void)
{
	struct store_commit_request commit = {.action = STORE_ACTION_NONE};
	struct request *actor = checkpoint_actor();
	enum status status;

	ASSERT(!checkpoint.running);
	if (actor)
		commit = actor->commit;
	status = checkpoint_freeze(actor, &commit);
	if (status == STATUS_WAIT || status == STATUS_BUSY)
		return false;
	if (status != STATUS_OK && actor) {
		/* Refused before anything happened: only who asked is told. */
		request_done(actor, status, (generation_t){0}, false);
		return true;
	}
	checkpoint.asked = false;
	checkpoint.stays = false;
	checkpoint.stopping = commit.action == STORE_ACTION_STOP;
	checkpoint.frozen_ns = time_uptime_ns();
	if (status != STATUS_OK) {
		kernel_print("checkpoint refused: %s", status_text(status));
		return false;
	}
	for (uint32_t i = 0; i < checkpoint.count; i++)
		if (request_goes(&checkpoint.request[i], actor))
			checkpoint.request[i].stage = REQUEST_COMMITTING;
	checkpoint.running = true;
	return true;
}

/* ---- the end of a commit -------------------------------------------------------- */

static void checkpoint_stop(enum checkpoint_end end)
{
	if (end == CHECKPOINT_POWER_OFF)
		arch_power_off();
	if (end == CHECKPOINT_REBOOT)
		arch_reboot();
}

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

/* An error of the disk may pass.  Damage does not: an action that meets it is answered, so
 * that commits without it can go on. */
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
	for (uint32_t i = 0; i < checkpoint.count; i++) {
		struct request *request = &checkpoint.request[i];
		enum store_action action = request->commit.action;

		if (request->stage != REQUEST_COMMITTING)
			continue;
		if (outcome == STATUS_IO || action == STORE_ACTION_NONE ||
		    action == STORE_ACTION_STOP)
			request->stage = request->object.n ? REQUEST_TAKEN_BACK : REQUEST_WAITING;
		else
			request_done(request, outcome, (generation_t){0}, true);
	}
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
	for (uint32_t i = 0; i < checkpoint.count; i++) {
		struct request *request = &checkpoint.request[i];

		if (request->stage != REQUEST_COMMITTING)
			continue;
		ASSERT(request->end == CHECKPOINT_ANSWER || checkpoint.stopping);
		checkpoint_stop(request->end);
		request_done(request, STATUS_OK, checkpoint.generation, true);
	}
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

/* The registers of those whose commit failed describe their call again: it waits for the
 * next one.  True when some had to wait for their page. */
static bool checkpoint_take_back(void)
{
	bool left = false;

	ASSERT(!checkpoint.running);
	store_operation_begin(kernel.space.store);
	for (uint32_t i = 0; i < checkpoint.count; i++) {
		struct request *request = &checkpoint.request[i];
		struct disk_machine *machine;
		enum status status = STATUS_DEAD;

		if (request->stage != REQUEST_TAKEN_BACK)
			continue;
		ASSERT(request->object.n); /* the console has no registers */
		if (request_task(request))
			status = machine_prepare(&kernel.space, request->object, &machine);
		if (status == STATUS_OK) {
			machine->registers = request->call;
			request->stage = REQUEST_WAITING;
		} else if (status == STATUS_WAIT) {
			left = true;
		} else {
			request_done(request, status, (generation_t){0}, true);
		}
	}
	return left;
}

/* The store is never written: nothing can be committed, but power off and reboot
 * work. */
static void checkpoint_refuse(void)
{
	for (uint32_t i = 0; i < checkpoint.count; i++) {
		struct request *request = &checkpoint.request[i];

		if (request->stage != REQUEST_WAITING)
			continue;
		checkpoint_stop(request->end);
		request_done(request, store_health(kernel.space.store), (generation_t){0}, false);
	}
}

bool checkpoint_step(void)
{
	struct store *store = kernel.space.store;
	bool more = checkpoint_answer();

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
	if (checkpoint_take_back())
		return more;
	if (store_health(store) == STATUS_READ_ONLY)
		checkpoint_refuse();
	else if (checkpoint_due())
		more |= checkpoint_begin();
	return more;
}
