/* SPDX-License-Identifier: MIT */
/*
 * safe.c - which machines may run after a boot with `safe`.
 *
 * The shell, its keeper, those that are let go on one by one, and those that are made
 * from then on, which have younger versions.  All others stay as they are: a machine
 * that is ready or becomes so is marked in the may-be-ready bitmap as ever, and has no
 * task.  Nothing of this is persistent; the next boot without `safe` knows nothing of it.
 */
#include "kernel/kernel.h"
#include "base/assert.h"

static_assert(KERNEL_SAFE_ADMITTED > 2, "the shell and its keeper, and others");

static struct {
	uint64_t newest; /* version handed out last before this resume, as soon as it is known */
	uint64_t admitted[KERNEL_SAFE_ADMITTED];
	uint32_t count;
} safe = {.newest = UINT64_MAX};

bool safe_holds(uint64_t version)
{
	if (!kernel.safe || version > safe.newest)
		return false;
	for (uint32_t i = 0; i < safe.count; i++)
		if (safe.admitted[i] == version)
			return false;
	return true;
}

enum status safe_admit(uint64_t version)
{
	ASSERT(version); /* 0 is no machine */
	ASSERT(safe.count <= KERNEL_SAFE_ADMITTED);
	if (!safe_holds(version))
		return STATUS_OK;
	if (safe.count == KERNEL_SAFE_ADMITTED)
		return STATUS_LIMIT;
	safe.admitted[safe.count++] = version;
	return STATUS_OK;
}

enum status safe_begin(void)
{
	const struct disk_system *system;
	struct disk_machine *machine;
	struct disk_object port;
	uint64_t shell, guard;
	object_t keeper;
	enum status status = system_read(&kernel.space, &system);

	ASSERT(kernel.safe);
	if (status != STATUS_OK)
		return status;
	safe.newest = system->next_version;
	safe.count = 0;
	shell = system->terminal.version;
	status = machine_read(&kernel.space, (object_t){system->terminal.object}, &machine);
	if (status != STATUS_OK || machine->version != shell)
		return status;
	safe_admit(shell);
	status = fault_keeper(machine, &port, &keeper, &guard);
	if (status == STATUS_OK)
		safe_admit(guard);
	return status;
}
