/* SPDX-License-Identifier: MIT */
/*
 * checkpoint.c - when the system commits, and who waits for it.
 *
 *             due: interval, request, pressure
 *    idle -------------------------------------> running
 *     ^         freeze (the only pause)             |
 *     +---------------------------------------------+
 *                   durable or failed
 *
 * and of a request:
 *
 *    WAITING ------> COMMITTING ------> DONE ------> answered
 *       |   freeze              ended     ^
 *       +---------------------------------+
 *                   refused
 *
 * To answer a caller its page is written, which may itself have to wait for the
 * next commit; so that one can begin while some are not answered yet.
 *
 * A caller's answer is in its registers twice.  Before the freeze RESUMED is
 * written there: that is what it sees if the system is ever resumed from this
 * generation, so that nothing is done a second time.  The live caller meanwhile
 * waits in volatile state (TASK_REQUEST) and is given the real outcome.
 */
#include "kernel/kernel.h"
#include "kernel/console.h"
#include "kernel/memory.h"
#include "kernel/print.h"
#include "kernel/syscall.h"
#include <string.h>

struct request {
	enum { REQUEST_WAITING, REQUEST_COMMITTING, REQUEST_DONE } stage;
	object_t object; /* 0: the kernel's own console */
	uint64_t version;
	struct store_commit_request commit; /* its action, and what belongs to that */
	enum checkpoint_end end;
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
	uint64_t frozen_ns;	 /* persistent uptime of the last freeze */
	uint64_t version;	 /* last object version handed out before that */
	struct checkpoint_figures figures;
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

	memset(request, 0, sizeof(*request));
	request->commit = *commit;
	request->end = end;
	return request;
}

bool checkpoint_ask(const struct store_commit_request *commit, enum checkpoint_end end)
{
	if (!request_fits(commit->action, KERNEL_REQUESTS_MAX))
		return false;
	request_add(commit, end);
	return true;
}

void checkpoint_request(const struct store_commit_request *commit, enum checkpoint_end end)
{
	struct cpu *cpu = cpu_this();
	struct task *task = cpu->running;
	struct request *request;

	/* The last place is the kernel's own console's. */
	if (!request_fits(commit->action, KERNEL_REQUESTS_MAX - 1)) {
		kernel.space.channel = (store_channel_t){STORE_CHANNEL_COMMIT};
		kernel_park(0);
	}
	request = request_add(commit, end);
	request->object = task->object;
	request->version = task->version;
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

	if (!request->object.n)
		console_answered(request->outcome);
	if (!task)
		return STATUS_OK;
	store_operation_begin(kernel.space.store);
	status = machine_prepare(&kernel.space, request->object, &machine);
	if (status == STATUS_NO_SPACE)
		request->retry_ns = time_uptime_ns() + KERNEL_SPACE_RETRY_NS;
	if (status == STATUS_WAIT || status == STATUS_NO_SPACE)
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

/* All that can be answered now; true if there were any. */
static bool checkpoint_answer(void)
{
	bool answered = false;

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

	if (status == STATUS_WAIT)
		return status;
	if (status != STATUS_OK)
		kernel_panic("refusing to commit: the system page: %s", status_text(status));
	if ((*system)->next_version < checkpoint.version)
		kernel_panic("refusing to commit: object versions would go back");
	checkpoint.version = (*system)->next_version;
	return STATUS_OK;
}

/* Writes RESUMED into the registers of all callers; undo puts them back. */
static enum status checkpoint_callers(generation_t generation, bool undo)
{
	struct disk_machine *machine[KERNEL_REQUESTS_MAX];

	for (uint32_t i = 0; i < checkpoint.count; i++) {
		struct request *request = &checkpoint.request[i];
		enum status status;

		machine[i] = NULL;
		if (request->stage != REQUEST_WAITING || !request_task(request))
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

/* The request whose action this commit carries, or null. */
static struct request *checkpoint_actor(void)
{
	for (uint32_t i = 0; i < checkpoint.count; i++)
		if (checkpoint.request[i].stage == REQUEST_WAITING &&
		    checkpoint.request[i].commit.action != STORE_ACTION_NONE)
			return &checkpoint.request[i];
	return NULL;
}

static bool checkpoint_asked(void)
{
	for (uint32_t i = 0; i < checkpoint.count; i++)
		if (checkpoint.request[i].stage == REQUEST_WAITING)
			return true;
	return false;
}

static enum status checkpoint_freeze(struct store_commit_request *commit)
{
	uint64_t start = arch_time_ns(), spent;
	generation_t generation = store_generation(kernel.space.store);
	const struct disk_system *system;
	store_channel_t channel;
	enum status status;

	store_operation_begin(kernel.space.store);
	status = checkpoint_check(&system);
	if (status == STATUS_OK)
		status = checkpoint_callers(generation, false);
	if (status != STATUS_OK)
		return STATUS_WAIT;
	kernel_fpu_save();
	commit->counters.uptime_ns = time_uptime_ns();
	commit->counters.object_version = objects_version(&kernel.space, system);
	commit->counters.resumes = kernel.epoch;
	commit->wall_ns = time_wall_ns();
	/* COMMIT POINT of the freeze: everything dirty belongs to the past now. */
	status = store_commit(kernel.space.store, commit, &checkpoint.generation, &channel);
	if (status != STATUS_OK)
		checkpoint_callers(generation, true);
	spent = arch_time_ns() - start;
	if (spent > checkpoint.figures.longest_freeze_ns)
		checkpoint.figures.longest_freeze_ns = spent;
	return status;
}

static bool checkpoint_due(void)
{
	struct store *store = kernel.space.store;

	if (checkpoint_asked() || store_pressure(store))
		return true;
	return kernel.interval_ns && store_dirty(store) &&
	       time_uptime_ns() - checkpoint.frozen_ns >= kernel.interval_ns;
}

static bool checkpoint_begin(void)
{
	struct store_commit_request commit = {.action = STORE_ACTION_NONE};
	struct request *actor = checkpoint_actor();
	enum status status;

	if (actor)
		commit = actor->commit;
	status = checkpoint_freeze(&commit);
	if (status == STATUS_WAIT || status == STATUS_BUSY)
		return false;
	if (status != STATUS_OK && actor) {
		/* Refused before anything happened: only who asked is told. */
		request_done(actor, status, (generation_t){0}, false);
		return true;
	}
	checkpoint.frozen_ns = time_uptime_ns();
	if (status != STATUS_OK) {
		kernel_print("checkpoint refused: %s", status_text(status));
		return false;
	}
	for (uint32_t i = 0; i < checkpoint.count; i++)
		if (checkpoint.request[i].stage == REQUEST_WAITING)
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

static void checkpoint_ended(void)
{
	enum status outcome = store_health(kernel.space.store);

	checkpoint.running = false;
	checkpoint.figures.last_commit_ns = time_uptime_ns() - checkpoint.frozen_ns;
	if (outcome != STATUS_OK) {
		kernel_print_serial(true);
		kernel_print("perdure: generation %lu could not be written (%s); the store is "
			     "read-only, generation %lu stays",
			     (unsigned long)checkpoint.generation.n, status_text(outcome),
			     (unsigned long)store_durable(kernel.space.store).n);
		kernel_print_serial(kernel.verbose);
	}
	if (store_replaced(kernel.space.store))
		kernel_warm_restart();
	for (uint32_t i = 0; i < checkpoint.count; i++) {
		struct request *request = &checkpoint.request[i];

		if (request->stage != REQUEST_COMMITTING)
			continue;
		if (outcome == STATUS_OK)
			checkpoint_stop(request->end);
		request_done(request, outcome, checkpoint.generation, true);
	}
}

/* The store is read-only: nothing can be committed any more, but power off and
 * reboot still work. */
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
	bool more = checkpoint_answer();

	if (checkpoint.running) {
		if (store_committing(kernel.space.store))
			return more;
		checkpoint_ended();
		return true;
	}
	if (store_health(kernel.space.store) != STATUS_OK)
		checkpoint_refuse();
	else if (checkpoint_due())
		more |= checkpoint_begin();
	return more;
}
