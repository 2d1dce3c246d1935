/* SPDX-License-Identifier: MIT */
/*
 * time.c - the persistent clock and the machines that wait for it.
 *
 * Persistent uptime runs only while the system runs and never goes back: each
 * commit keeps it in a counter that no restore turns back.  The ordered queue of
 * deadlines is persistent; waking a machine is a restartable step derived from it.
 */
#include "kernel/kernel.h"
#include "kernel/syscall.h"
#include "base/assert.h"
#include <string.h>

static struct {
	uint64_t earliest_ns; /* nothing is to be done in the queue before this */
	/* The last entry of those whose machines cannot be read now; 0: there is none. */
	uint64_t passed_ns;
	object_t passed;
} time;

uint64_t time_uptime_ns(void)
{
	return kernel.uptime_base_ns + (arch_time_ns() - kernel.resumed_ns);
}

void time_deadline_added(uint64_t deadline_ns)
{
	ASSERT(deadline_ns);
	if (deadline_ns < time.earliest_ns)
		time.earliest_ns = deadline_ns;
}

void time_reset(void)
{
	memset(&time, 0, sizeof(time)); /* nothing is known: the first step looks */
}

/* A sleep is answered OK, a receive TIMEOUT. */
static void time_wake(struct disk_machine *machine)
{
	ASSERT(machine->state == MACHINE_SLEEP || machine->state == MACHINE_RECEIVE);
	if (machine->state == MACHINE_SLEEP) {
		machine->registers.gpr[REGISTER_RSI] = STATUS_OK;
		call_registers_done(machine, STATUS_OK, 0, 0);
	} else {
		call_registers_done(machine, STATUS_TIMEOUT, 0, 0);
	}
	machine->deadline = 0;
	machine->callee = 0;
	machine->callee_version = 0;
	machine->state = MACHINE_READY;
}

/* Takes the entry out and wakes its machine, all or nothing. */
static enum status time_expire(uint64_t deadline, object_t object)
{
	struct disk_machine *machine = NULL;
	enum status status = machine_prepare(&kernel.space, object, &machine);
	bool waits;

	/* A machine that is gone or damaged must not hold up those behind it. */
	if (status == STATUS_WAIT || status == STATUS_NO_SPACE || status == STATUS_IO)
		return status;
	waits = status == STATUS_OK && machine->deadline == deadline &&
		(machine->state == MACHINE_SLEEP || machine->state == MACHINE_RECEIVE);
	status = deadline_remove_prepare(&kernel.space, deadline, object);
	if (status == STATUS_OK && waits)
		status = machine_bit_prepare(&kernel.space, object, machine->priority);
	if (status != STATUS_OK)
		return status;
	/* COMMIT POINT */
	deadline_remove(&kernel.space, deadline, object);
	if (!waits)
		return STATUS_OK; /* an entry without a machine that waits for it */
	time_wake(machine);
	machine_bit_set(&kernel.space, object, machine->priority, true);
	kernel_make_ready(object, machine);
	return STATUS_OK;
}

/* The queue has been gone through: what was passed by is tried again after a pause. */
static void time_rest(uint64_t now, uint64_t deadline)
{
	ASSERT(deadline > now);
	time.earliest_ns = deadline;
	if (time.passed_ns && deadline > now + KERNEL_SPACE_RETRY_NS)
		time.earliest_ns = now + KERNEL_SPACE_RETRY_NS;
	time.passed_ns = 0;
	time.passed = (object_t){0};
}

bool time_step(void)
{
	uint64_t now = time_uptime_ns(), deadline = time.passed_ns;
	object_t object = time.passed;
	enum status status;

	if (now < time.earliest_ns)
		return false;
	store_operation_begin(kernel.space.store);
	status = deadline_next(&kernel.space, &deadline, &object);
	if (status == STATUS_NOT_FOUND || (status == STATUS_OK && deadline > now)) {
		time_rest(now, status == STATUS_OK ? deadline : UINT64_MAX);
		return false;
	}
	if (status == STATUS_OK) {
		status = time_expire(deadline, object);
		if (status == STATUS_IO) {
			time.passed_ns = deadline;
			time.passed = object;
			return true;
		}
	}
	if (status == STATUS_NO_SPACE || status == STATUS_IO)
		time.earliest_ns = now + KERNEL_SPACE_RETRY_NS;
	/* WAIT: the step is simply done again when something has completed. */
	return status == STATUS_OK;
}
