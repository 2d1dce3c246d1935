/* SPDX-License-Identifier: MIT */
/*
 * tell.c - a message after a resume, to those who have asked for it.
 *
 * They are as many as somebody likes, so they are found in a bitmap, and each has in its own
 * page of which resume it was told last.  So one whose message finds no room is told later,
 * and holds up nobody.
 */
#include <string.h>
#include "base/assert.h"
#include "kernel/kernel.h"
#include "kernel/syscall.h"

static struct {
	bool going;	 /* there may be some to be told, */
	bool again;	 /* and some could not be: once more, after a pause */
	bool adopted;	 /* the system page names none of them any more */
	object_t cursor; /* next machine to look at */
	uint64_t not_before_ns;
	uint64_t pause_ns; /* grows each time that some could not be told */
	uint64_t away_ns;
} tell;

void tell_all(uint64_t away_ns)
{
	memset(&tell, 0, sizeof(tell));
	tell.going = true;
	tell.cursor = (object_t){1};
	tell.away_ns = away_ns;
	tell.pause_ns = KERNEL_RETRY_NS;
}

/* The subscriber's page last: one that cannot be told now leaves no trace. */
static enum status tell_send(object_t object, const struct disk_machine *subscriber)
{
	struct disk_capability port = {
		.version = subscriber->resume_port_version,
		.object = subscriber->resume_port,
		.type = OBJECT_PORT,
		.rights = RIGHT_SEND,
		.revoker = subscriber->resume_revoker,
		.revoker_version = subscriber->resume_revoker_version,
	};
	struct transit message = {
		.label = EVENT_RESUMED,
		.word = {kernel.recovery.generation.n, kernel.reason, tell.away_ns, 0, 0, 0},
		.flags = MESSAGE_EVENT,
	};
	struct sending sending;
	struct disk_machine *machine;
	enum status status;

	status = object_resolve(&kernel.space, &port, OBJECT_PORT, RIGHT_SEND, &sending.port);
	if (status == STATUS_OK)
		status = send_prepare(&sending, &port, &message);
	if (status == STATUS_OK)
		status = machine_prepare(&kernel.space, object, &machine);
	if (status != STATUS_OK)
		return status;

	/* COMMIT POINT */
	machine->resume_seen = kernel.epoch;
	send_commit(&sending, &message);
	return STATUS_OK;
}

/* Who was noted in the system page, which has room for a few, is in the bitmap from then on. */
static enum status tell_adopt_next(void)
{
	const struct disk_system *noted;
	struct disk_system *system;
	object_t object;
	unsigned i = 0;
	enum status status = system_read(&kernel.space, &noted);

	while (status == STATUS_OK && i < SYSTEM_RESUME_MAX && !noted->resume[i].version)
		i++;
	tell.adopted = status == STATUS_OK && i == SYSTEM_RESUME_MAX;
	if (status != STATUS_OK || tell.adopted)
		return status;
	object = (object_t){noted->resume[i].object};
	status = system_prepare(&kernel.space, &system);
	if (status == STATUS_OK)
		status = machine_bit_prepare(&kernel.space, object, RESUME_BITMAP);
	if (status != STATUS_OK && status != STATUS_NOT_FOUND && status != STATUS_CORRUPT)
		return status;

	/* COMMIT POINT */
	if (status == STATUS_OK)
		machine_bit_set(&kernel.space, object, RESUME_BITMAP, true);
	memset(&system->resume[i], 0, sizeof(system->resume[i]));
	return STATUS_OK;
}

static bool tell_adopt(void)
{
	enum status status;

	store_operation_begin(kernel.space.store);
	status = tell_adopt_next();
	if (status != STATUS_OK && status != STATUS_WAIT)
		tell.not_before_ns = time_uptime_ns() + KERNEL_SPACE_RETRY_NS;
	return status == STATUS_OK;
}

/* A bit of who does not want it is cleared here: its number may be that of something else.  Who
 * has been told of this resume is not told again, whatever happened since. */
static enum status tell_machine(object_t object)
{
	struct disk_machine *machine;
	enum status status = machine_read(&kernel.space, object, &machine);

	if (status == STATUS_OK && machine->resume_port_version)
		return machine->resume_seen == kernel.epoch ? STATUS_OK
							    : tell_send(object, machine);
	if (status != STATUS_OK && status != STATUS_DEAD && status != STATUS_NOT_FOUND &&
	    status != STATUS_WRONG_TYPE)
		return status;
	status = machine_bit_prepare(&kernel.space, object, RESUME_BITMAP);
	if (status == STATUS_OK)
		machine_bit_set(&kernel.space, object, RESUME_BITMAP, false);
	return status;
}

/* All have been looked at. */
static bool tell_ended(void)
{
	tell.going = tell.again;
	tell.again = false;
	tell.cursor = (object_t){1};
	tell.not_before_ns = time_uptime_ns() + tell.pause_ns;
	tell.pause_ns =
		2 * tell.pause_ns < KERNEL_RETRY_MAX_NS ? 2 * tell.pause_ns : KERNEL_RETRY_MAX_NS;
	return false;
}

/* One subscriber; a full queue, or what cannot be had now, holds up nobody else. */
static bool tell_next(void)
{
	object_t object = tell.cursor;
	enum status status;
	bool found;

	store_operation_begin(kernel.space.store);
	status = machine_bit_next(&kernel.space, RESUME_BITMAP, tell.cursor, &object);
	if (status == STATUS_NOT_FOUND || tell.cursor.n >= OBJECT_MAX)
		return tell_ended();
	found = status == STATUS_OK;
	if (found)
		status = tell_machine(object);
	if (status == STATUS_WAIT)
		return false;
	tell.again |= status == STATUS_FULL || status == STATUS_NO_SPACE || status == STATUS_IO;
	/* A page of the bitmap that cannot be read costs its own machines only. */
	tell.cursor.n =
		found ? object.n + 1 : (object.n / READY_BITS_PER_PAGE + 1) * READY_BITS_PER_PAGE;
	return true;
}

bool tell_step(void)
{
	if (!tell.going || time_uptime_ns() < tell.not_before_ns)
		return false;
	return tell.adopted ? tell_next() : tell_adopt();
}
