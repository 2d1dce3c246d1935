/* SPDX-License-Identifier: MIT */
/*
 * service_end.c - the end of objects of any type, and of what is noted to go.
 */
#include "base/assert.h"
#include "kernel/console.h"
#include "kernel/print.h"
#include "kernel/service.h"
#include <string.h>

static struct {
	bool transient;		/* there may be objects noted that are to go */
	bool destroying;	/* there may be objects to take apart */
	uint64_t retry_ns;	/* not before this: the store is full, or the disk fails */
	struct failing failing; /* what taking apart cannot read */
	struct {
		object_t object; /* of which those who wait are being told; 0: none */
		bool begun;
		uint32_t at; /* in what it holds */
	} told;
	uint64_t transient_retry_ns;
	struct failing transient_failing;
	struct transient_walk walk;
	struct ended ended; /* in the operation under way */
} ending;

void service_end_reset(void)
{
	memset(&ending, 0, sizeof(ending));
	ending.transient = true;
	ending.destroying = true;
}

/* Whoever ran, or was mapped, does not any more. */
static void destroy_after(void)
{
	for (uint32_t i = 0; i < ending.ended.count; i++) {
		const struct disk_object *record = &ending.ended.part[i].record;
		const struct service_type *service = service_type(record->type);

		ASSERT(service && record->version);
		if (service->after_end)
			service->after_end(ending.ended.part[i].object, record);
	}
}

enum status service_destroy(object_t object, enum object_type type)
{
	enum status status;

	ASSERT(service_type(type));
	if (object.n < OBJECT_FIRST_FREE)
		return STATUS_NO_RIGHT;
	ending.destroying = true;
	kernel.space.patient = !kernel_read_given_up();
	store_operation_begin(kernel.space.store);
	status = object_destroy(&kernel.space, object, &ending.ended);
	ASSERT(status != STATUS_OK || ending.ended.part[0].record.type == type);
	if (status == STATUS_OK)
		destroy_after();
	return status;
}

bool service_destroying(void)
{
	return ending.destroying;
}

/* The one at hand.  NO_SPACE, IO: it cannot go now. */
static enum status transient_end(struct transient_walk *walk)
{
	struct disk_object record = {0};
	object_t object;
	enum status status, forgotten;

	ASSERT(walk->at <= SYSTEM_TRANSIENT_MAX);
	store_operation_begin(kernel.space.store);
	status = transient_find(&kernel.space, &walk->at, &object, &record);
	if (status == STATUS_OK)
		status = service_destroy(object, (enum object_type)record.type);
	else if (status == STATUS_NOT_FOUND)
		return status;
	if (status == STATUS_OK || status == STATUS_WAIT || status == STATUS_NO_SPACE ||
	    status == STATUS_IO)
		return status;
	store_operation_begin(kernel.space.store);
	forgotten = transient_forget(&kernel.space, walk->at);
	if (forgotten == STATUS_OK && status != STATUS_DEAD)
		kernel_print_loud("perdure: %s %u, which was to go, cannot be destroyed: %s",
				  record.type ? object_type_name(record.type) : "object", object.n,
				  status_text(status));
	return forgotten;
}

/* Goes on where it was, so that after a wait nothing is read anew that has failed. */
static enum status destroy_transient(struct transient_walk *walk)
{
	enum status status;

	kernel.space.failed = walk->page;
	for (;; walk->at++) {
		status = transient_end(walk);
		if (status != STATUS_NO_SPACE && status != STATUS_IO)
			break;
		/* It does not keep those behind it. */
		walk->failed = status;
		walk->page = kernel.space.failed;
	}
	if (status != STATUS_NOT_FOUND)
		return status;
	if (walk->failed)
		status = walk->failed;
	*walk = (struct transient_walk){0};
	return status;
}

enum status service_destroy_transient(struct transient_walk *walk)
{
	enum status status;

	kernel_work_begin(&ending.transient_failing);
	status = destroy_transient(walk);
	kernel_work_end(status);
	return status;
}

/* Is it to be tried again after a pause? */
static bool destroy_failed(enum status status, uint64_t *retry_ns)
{
	if (status != STATUS_NO_SPACE && status != STATUS_IO)
		return false;
	*retry_ns = time_uptime_ns() + KERNEL_SPACE_RETRY_NS;
	return true;
}

/* Who waits for what is dying, or for what it holds, is told before it is taken apart: one a
 * step, each a whole operation.  How far that is is forgotten at a power cut, and then all are
 * looked for again: who was told waits no more. */
static enum status destroy_tell(object_t object, const struct disk_object *record)
{
	const struct service_type *service = service_type(record->type);
	uint32_t next = ending.told.at;
	struct disk_capability held;
	struct disk_object port;
	enum status status;

	ASSERT(service);
	if (!ending.told.begun) {
		status = service->abandon ? service->abandon(object, record) : STATUS_OK;
		ending.told.begun = status == STATUS_OK;
		return status;
	}
	status = object_held(&kernel.space, object, record, ending.told.at, &next, &held);
	if (status == STATUS_NOT_FOUND) {
		status = object_told(&kernel.space, object);
		if (status == STATUS_OK)
			memset(&ending.told, 0, sizeof(ending.told));
		return status;
	}
	if (status == STATUS_OK && held.type == OBJECT_REPLY) {
		status = reply_abandon(&held, STATUS_GONE);
	} else if (status == STATUS_OK && held.type == OBJECT_MACHINE) {
		status = bond_review((object_t){held.object});
	} else if (status == STATUS_OK) {
		status = object_resolve(&kernel.space, &held, OBJECT_PORT, RIGHT_RECEIVE, &port);
		if (status == STATUS_OK)
			status = bond_abandon((object_t){held.object}, &port, STATUS_NO_CAPABILITY);
	}
	if (kernel_tries_again(status))
		return status;
	ending.told.at = next; /* what is damaged tells nothing */
	return STATUS_OK;
}

/* The next part of what is left of one that is dying; *more: there may be more. */
static enum status destroy_part(bool *more)
{
	struct disk_object record;
	object_t object = ending.told.object; /* others wait until all are told */
	enum status status = object_dying(&kernel.space, &object, &record);

	if (status != STATUS_OK)
		return status == STATUS_NOT_FOUND ? STATUS_OK : status;
	if (!object_awaited(&record)) {
		status = object_destroy_step(&kernel.space, more, &ending.ended);
		destroy_after();
		return status;
	}
	*more = true;
	ending.told.object = object;
	return destroy_tell(object, &record);
}

/* OK: go on. */
static enum status destroy_step(void)
{
	enum status status;
	bool more = false;

	store_operation_begin(kernel.space.store);
	kernel_work_begin(&ending.failing);
	kernel.space.patient = !kernel_read_given_up();
	status = destroy_part(&more);
	kernel_work_end(status);
	if (status == STATUS_WAIT || status == STATUS_NO_SPACE || status == STATUS_IO)
		return status;
	if (status != STATUS_OK) {
		kernel_print_loud("perdure: a destroyed object cannot be taken apart, and its "
				  "space is not given back: %s",
				  status_text(status));
		memset(&ending.told, 0, sizeof(ending.told));
	}
	/* Who waits for his own space does not wait for what others go on destroying. */
	task_wake_channel(CHANNEL_DESTROY);
	if (!more || status != STATUS_OK)
		ending.destroying = false;
	return STATUS_OK;
}

bool service_destroy_step(void)
{
	/* What a restart has noted is its own to end, as long as it is under way. */
	bool restarts = console_restarts(), transient = ending.transient && !restarts;
	uint64_t now_ns = time_uptime_ns();
	enum status status;

	if (restarts) {
		ending.transient = true;
		ending.walk = (struct transient_walk){0};
	}
	if (transient && now_ns >= ending.transient_retry_ns) {
		status = service_destroy_transient(&ending.walk);
		ending.transient = status != STATUS_NOT_FOUND;
		if (!destroy_failed(status, &ending.transient_retry_ns))
			return status == STATUS_OK || status == STATUS_NOT_FOUND;
	}
	if (!ending.destroying || now_ns < ending.retry_ns)
		return false;
	status = destroy_step();
	destroy_failed(status, &ending.retry_ns);
	return status == STATUS_OK; /* else again when something has completed */
}
