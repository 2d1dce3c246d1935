/* SPDX-License-Identifier: MIT */
/*
 * request.c - who waits for a commit, and what they are told.  Interface in request.h.
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
#include "kernel/request.h"
#include "kernel/arch.h"
#include "kernel/console.h"
#include "kernel/memory.h"
#include "kernel/syscall.h"
#include "base/assert.h"
#include <string.h>

static_assert(KERNEL_REQUESTS_MAX >= 2, "one place is the kernel's own console's");

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
	struct request request[KERNEL_REQUESTS_MAX];
	uint32_t count;
} requests;

void requests_reset(void)
{
	memset(&requests, 0, sizeof(requests));
}

/* One commit carries at most one action on the snapshot tree. */
static bool request_fits(enum store_action action, uint32_t most)
{
	ASSERT(most <= KERNEL_REQUESTS_MAX);
	if (requests.count >= most)
		return false;
	for (uint32_t i = 0; i < requests.count; i++)
		if (requests.request[i].stage == REQUEST_WAITING &&
		    requests.request[i].commit.action != STORE_ACTION_NONE &&
		    action != STORE_ACTION_NONE)
			return false;
	return true;
}

bool requests_add(const struct store_commit_request *commit, enum checkpoint_end end,
		  const struct task *task, uint64_t deadline_ns)
{
	struct request *request = &requests.request[requests.count];

	/* The last place is the kernel's own console's. */
	if (!request_fits(commit->action, task ? KERNEL_REQUESTS_MAX - 1 : KERNEL_REQUESTS_MAX))
		return false;
	*request = (struct request){.commit = *commit, .end = end, .deadline_ns = deadline_ns};
	if (task) {
		request->object = task->object;
		request->version = task->version;
	}
	requests.count++;
	ASSERT(requests.count <= KERNEL_REQUESTS_MAX);
	return true;
}

/* It is too late for it, whatever the time (requests_late). */
bool requests_withdraw(void)
{
	bool withdrawn = true;

	for (uint32_t i = 0; i < requests.count; i++) {
		struct request *request = &requests.request[i];

		if (request->object.n)
			continue;
		request->deadline_ns = 1;
		withdrawn &= request->stage != REQUEST_COMMITTING;
	}
	return withdrawn;
}

/* ---- the answers ------------------------------------------------------------------ */

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
static void requests_late(bool failing, generation_t committing)
{
	uint64_t now = time_uptime_ns();

	for (uint32_t i = 0; i < requests.count; i++) {
		struct request *request = &requests.request[i];

		if (!request->deadline_ns || now < request->deadline_ns)
			continue;
		if (request->stage == REQUEST_WAITING)
			request_done(request, failing ? STATUS_IO : STATUS_TIMEOUT,
				     (generation_t){0}, false);
		else if (request->stage == REQUEST_COMMITTING)
			request_done(request, STATUS_TIMEOUT, committing, true);
	}
}

bool requests_answer(bool failing, generation_t committing)
{
	bool answered = false;

	requests_late(failing, committing);
	for (uint32_t i = requests.count; i-- > 0;) {
		if (requests.request[i].stage != REQUEST_DONE ||
		    time_uptime_ns() < requests.request[i].retry_ns ||
		    request_answer(&requests.request[i]) != STATUS_OK)
			continue;
		requests.request[i] = requests.request[--requests.count];
		answered = true;
	}
	/* Others may be waiting to be taken on, and no commit need follow. */
	if (answered)
		task_wake_channel(STORE_CHANNEL_COMMIT);
	return answered;
}

/* ---- a commit begins --------------------------------------------------------------- */

/* Whose action the next commit carries, or null. */
static struct request *requests_actor(void)
{
	for (uint32_t i = 0; i < requests.count; i++)
		if (requests.request[i].stage == REQUEST_WAITING &&
		    requests.request[i].commit.action != STORE_ACTION_NONE)
			return &requests.request[i];
	return NULL;
}

const struct store_commit_request *requests_action(void)
{
	const struct request *actor = requests_actor();

	return actor ? &actor->commit : NULL;
}

/* Is it answered by this commit?  Another one's action may have come back from a commit that
 * failed: that waits for the next. */
static bool request_goes(const struct request *request, const struct request *actor)
{
	return request->stage == REQUEST_WAITING &&
	       (request == actor || request->commit.action == STORE_ACTION_NONE);
}

enum status requests_advance(generation_t generation, bool undo)
{
	const struct request *actor = requests_actor();
	struct disk_machine *machine[KERNEL_REQUESTS_MAX];

	for (uint32_t i = 0; i < requests.count; i++) {
		struct request *request = &requests.request[i];
		enum status status;

		machine[i] = NULL;
		if (!request_goes(request, actor) || !request_task(request))
			continue;
		status = machine_prepare(&kernel.space, request->object, &machine[i]);
		if (status == STATUS_DEAD) /* with its bank */
			machine[i] = NULL;
		else if (status != STATUS_OK)
			return status;
	}
	for (uint32_t i = 0; i < requests.count; i++) {
		struct request *request = &requests.request[i];

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

bool requests_wait(void)
{
	for (uint32_t i = 0; i < requests.count; i++)
		if (requests.request[i].stage == REQUEST_WAITING)
			return true;
	return false;
}

void requests_go(void)
{
	const struct request *actor = requests_actor();

	for (uint32_t i = 0; i < requests.count; i++)
		if (request_goes(&requests.request[i], actor))
			requests.request[i].stage = REQUEST_COMMITTING;
}

bool requests_refused(enum status status)
{
	struct request *actor = requests_actor();

	if (actor)
		request_done(actor, status, (generation_t){0}, false);
	return actor != NULL;
}

/* ---- a commit ends ------------------------------------------------------------------- */

static void request_stop(enum checkpoint_end end)
{
	if (end == CHECKPOINT_POWER_OFF)
		arch_power_off();
	if (end == CHECKPOINT_REBOOT)
		arch_reboot();
}

void requests_succeeded(generation_t generation, bool stopping)
{
	ASSERT(generation.n); /* 0 is none */
	for (uint32_t i = 0; i < requests.count; i++) {
		struct request *request = &requests.request[i];

		if (request->stage != REQUEST_COMMITTING)
			continue;
		ASSERT(request->end == CHECKPOINT_ANSWER || stopping);
		request_stop(request->end);
		request_done(request, STATUS_OK, generation, true);
	}
}

/* An error of the disk may pass.  Damage does not: an action that meets it is answered, so
 * that commits without it can go on. */
void requests_failed(enum status outcome)
{
	for (uint32_t i = 0; i < requests.count; i++) {
		struct request *request = &requests.request[i];
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

bool requests_take_back(void)
{
	bool left = false;

	store_operation_begin(kernel.space.store);
	for (uint32_t i = 0; i < requests.count; i++) {
		struct request *request = &requests.request[i];
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

void requests_refuse(enum status outcome)
{
	for (uint32_t i = 0; i < requests.count; i++) {
		struct request *request = &requests.request[i];

		if (request->stage != REQUEST_WAITING)
			continue;
		request_stop(request->end);
		request_done(request, outcome, (generation_t){0}, false);
	}
}
