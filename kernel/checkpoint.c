/* SPDX-License-Identifier: MIT */
/*
 * checkpoint.c - when the system commits, and who waits for it.
 *
 *            due: interval, request, pressure          durable or failed
 *   IDLE --------------------------------> RUNNING ----------------------> ANSWER
 *    ^      freeze (the only pause)                                          |
 *    +-----------------------------------------------------------------------+
 *                     every caller has its real outcome
 *
 * A caller's answer is in its registers twice.  Before the freeze RESUMED is
 * written there: that is what it sees if the system is ever resumed from this
 * generation, so that nothing is done a second time.  The live caller meanwhile
 * waits in volatile state (TASK_REQUEST) and is given the real outcome.
 */
#include "kernel/kernel.h"
#include "kernel/memory.h"
#include "kernel/print.h"
#include "kernel/syscall.h"
#include <string.h>

struct request {
	object_t object;
	uint64_t version;
	enum store_action action;
	snapshot_t number;
	char name[DISK_SNAPSHOT_NAME];
	enum checkpoint_end end;
	struct disk_registers call; /* the registers before RESUMED was written */
};

static struct {
	enum { CHECKPOINT_IDLE, CHECKPOINT_RUNNING, CHECKPOINT_ANSWERING } state;
	struct request waiting[KERNEL_REQUESTS_MAX], served[KERNEL_REQUESTS_MAX];
	uint32_t waiting_count, served_count;
	generation_t generation; /* of the commit in flight */
	enum status outcome;
	uint64_t frozen_ns; /* persistent uptime of the last freeze */
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
static bool request_fits(enum store_action action)
{
	if (checkpoint.waiting_count == KERNEL_REQUESTS_MAX)
		return false;
	for (uint32_t i = 0; i < checkpoint.waiting_count; i++)
		if (checkpoint.waiting[i].action != STORE_ACTION_NONE &&
		    action != STORE_ACTION_NONE)
			return false;
	return true;
}

void checkpoint_request(enum store_action action, snapshot_t number, const char *name,
			enum checkpoint_end end)
{
	struct cpu *cpu = cpu_this();
	struct task *task = cpu->running;
	struct request *request;

	if (!request_fits(action)) {
		kernel.space.channel = (store_channel_t){STORE_CHANNEL_COMMIT};
		kernel_park(0);
	}
	request = &checkpoint.waiting[checkpoint.waiting_count++];
	memset(request, 0, sizeof(*request));
	request->object = task->object;
	request->version = task->version;
	request->action = action;
	request->number = number;
	request->end = end;
	if (name)
		memcpy(request->name, name, sizeof(request->name));
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

static void request_forget(uint32_t index)
{
	checkpoint.waiting[index] = checkpoint.waiting[--checkpoint.waiting_count];
}

/* Gives a caller its outcome and lets it run.  advanced: RESUMED stands in its
 * registers already. */
static enum status request_answer(const struct request *request, enum status outcome,
				  generation_t generation, bool advanced)
{
	struct task *task = request_task(request);
	struct disk_machine *machine;
	enum status status;

	if (!task)
		return STATUS_OK;
	store_operation_begin(kernel.space.store);
	status = machine_prepare(&kernel.space, request->object, &machine);
	if (status == STATUS_WAIT)
		return status;
	if (status == STATUS_OK) {
		machine->registers.gpr[REGISTER_RSI] = outcome;
		machine->registers.gpr[call_word_register[0]] = generation.n;
		if (!advanced)
			call_registers_done(machine, STATUS_OK, 0, 0);
	}
	task_queue(task);
	return STATUS_OK;
}

/* ---- freeze -------------------------------------------------------------------- */

/* P7: what is about to be committed must be sound.  A broken system is not
 * persisted; the last good generation stays. */
static void checkpoint_check(const struct disk_system *system)
{
	if (system->magic != SYSTEM_MAGIC)
		kernel_panic("refusing to commit: the system page has lost its magic number");
	if (system->next_version < kernel.recovery.counters.object_version)
		kernel_panic("refusing to commit: object versions would go back");
	if (system->user_next < USER_ARENA_PAGE || system->user_next > USER_ARENA_END ||
	    system->kernel_next < KERNEL_ARENA_PAGE || system->kernel_next > USER_ARENA_PAGE)
		kernel_panic("refusing to commit: an arena's bound is outside the arena");
}

/* Writes RESUMED into the registers of all callers; undo puts them back. */
static enum status checkpoint_callers(generation_t generation, bool undo)
{
	struct disk_machine *machine[KERNEL_REQUESTS_MAX];

	for (uint32_t i = 0; i < checkpoint.waiting_count; i++) {
		enum status status;

		machine[i] = NULL;
		if (!request_task(&checkpoint.waiting[i]))
			continue;
		status = machine_prepare(&kernel.space, checkpoint.waiting[i].object, &machine[i]);
		if (status != STATUS_OK)
			return status;
	}
	for (uint32_t i = 0; i < checkpoint.waiting_count; i++) {
		struct request *request = &checkpoint.waiting[i];

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
static struct request *checkpoint_actor(uint32_t *index)
{
	for (*index = 0; *index < checkpoint.waiting_count; (*index)++)
		if (checkpoint.waiting[*index].action != STORE_ACTION_NONE)
			return &checkpoint.waiting[*index];
	return NULL;
}

static enum status checkpoint_freeze(struct store_commit_request *commit)
{
	uint64_t start = arch_time_ns(), spent;
	generation_t generation = store_generation(kernel.space.store);
	const struct disk_system *system;
	store_channel_t channel;
	enum status status;

	store_operation_begin(kernel.space.store);
	status = system_read(&kernel.space, &system);
	if (status == STATUS_OK)
		checkpoint_check(system);
	if (status == STATUS_OK)
		status = checkpoint_callers(generation, false);
	if (status != STATUS_OK)
		return STATUS_WAIT;
	kernel_fpu_save();
	commit->counters.uptime_ns = time_uptime_ns();
	commit->counters.object_version = system->next_version;
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

	if (checkpoint.waiting_count)
		return true;
	if (store_pressure(store))
		return true;
	return kernel.interval_ns && store_dirty(store) &&
	       time_uptime_ns() - checkpoint.frozen_ns >= kernel.interval_ns;
}

static bool checkpoint_begin(void)
{
	struct store_commit_request commit = {.action = STORE_ACTION_NONE};
	uint32_t actor;
	struct request *request = checkpoint_actor(&actor);
	enum status status;

	if (request) {
		commit.action = request->action;
		commit.number = request->number;
		memcpy(commit.name, request->name, sizeof(commit.name));
	}
	status = checkpoint_freeze(&commit);
	if (status == STATUS_WAIT || status == STATUS_BUSY)
		return false;
	if (status != STATUS_OK) {
		/* Refused before anything happened: only who asked is told. */
		if (!request) {
			checkpoint.frozen_ns = time_uptime_ns();
			kernel_print("checkpoint refused: %s", status_text(status));
		} else if (request_answer(request, status, (generation_t){0}, false) == STATUS_OK) {
			request_forget(actor);
		}
		return false;
	}
	checkpoint.frozen_ns = time_uptime_ns();
	memcpy(checkpoint.served, checkpoint.waiting, sizeof(checkpoint.served));
	checkpoint.served_count = checkpoint.waiting_count;
	checkpoint.waiting_count = 0;
	checkpoint.state = CHECKPOINT_RUNNING;
	return true;
}

/* ---- the end of a commit -------------------------------------------------------- */

static void checkpoint_ended(void)
{
	uint64_t spent = time_uptime_ns() - checkpoint.frozen_ns;

	checkpoint.figures.last_commit_ns = spent;
	checkpoint.outcome = store_health(kernel.space.store);
	checkpoint.state = CHECKPOINT_ANSWERING;
	if (checkpoint.outcome != STATUS_OK) {
		kernel_print_serial(true);
		kernel_print("perdure: generation %lu could not be written (%s); the store is "
			     "read-only, generation %lu stays",
			     (unsigned long)checkpoint.generation.n,
			     status_text(checkpoint.outcome),
			     (unsigned long)store_durable(kernel.space.store).n);
		kernel_print_serial(kernel.verbose);
	}
	if (store_replaced(kernel.space.store))
		kernel_warm_restart();
}

static bool checkpoint_answer(void)
{
	while (checkpoint.served_count) {
		struct request *request = &checkpoint.served[checkpoint.served_count - 1];

		if (checkpoint.outcome == STATUS_OK && request->end == CHECKPOINT_POWER_OFF)
			arch_power_off();
		if (checkpoint.outcome == STATUS_OK && request->end == CHECKPOINT_REBOOT)
			arch_reboot();
		if (request_answer(request, checkpoint.outcome, checkpoint.generation, true) !=
		    STATUS_OK)
			return false;
		checkpoint.served_count--;
	}
	checkpoint.state = CHECKPOINT_IDLE;
	return true;
}

/* The store is read-only: nothing can be committed any more, but power off and
 * reboot still work. */
static void checkpoint_refuse(void)
{
	for (uint32_t i = 0; i < checkpoint.waiting_count; i++) {
		struct request *request = &checkpoint.waiting[i];

		if (request->end == CHECKPOINT_POWER_OFF)
			arch_power_off();
		if (request->end == CHECKPOINT_REBOOT)
			arch_reboot();
		if (request_answer(request, store_health(kernel.space.store), (generation_t){0},
				   false) == STATUS_OK)
			request_forget(i--);
	}
}

bool checkpoint_step(void)
{
	switch (checkpoint.state) {
	case CHECKPOINT_RUNNING:
		if (store_committing(kernel.space.store))
			return false;
		checkpoint_ended();
		return true;
	case CHECKPOINT_ANSWERING:
		return checkpoint_answer();
	case CHECKPOINT_IDLE:
		break;
	}
	if (store_health(kernel.space.store) != STATUS_OK)
		checkpoint_refuse();
	else if (checkpoint_due())
		return checkpoint_begin();
	return false;
}
