/* SPDX-License-Identifier: MIT */
/*
 * terminal.c - which machine serves the terminal, in a state from before the system page
 * said so: the first that may read from the console.
 *
 * Once it has read, it is noted anyway; this is for those who type before that.
 */
#include "kernel/console_priv.h"

/* Does it hold the console, to read from it, and has not ended?  What is damaged does not. */
static enum status terminal_serves(object_t object, uint64_t *version)
{
	struct disk_capability held = {.version = 0};
	struct disk_machine *machine;
	struct disk_object table;
	enum status status = machine_read(&kernel.space, object, &machine);

	*version = 0;
	if (status == STATUS_OK)
		status = object_resolve(&kernel.space, &machine->table, OBJECT_TABLE, 0, &table);
	if (status == STATUS_OK)
		status = table_get(&kernel.space, &table, SLOT_CONSOLE, &held);
	if (status == STATUS_OK)
		status = object_resolve(&kernel.space, &held, OBJECT_CONSOLE, RIGHT_RECEIVE, NULL);
	if (status == STATUS_OK && machine->state != MACHINE_EXITED &&
	    machine->state != MACHINE_STOPPED)
		*version = machine->version;
	return status == STATUS_WAIT || status == STATUS_IO ? status : STATUS_OK;
}

enum status terminal_search(object_t *machine)
{
	const struct disk_system *known;
	struct disk_system *system;
	uint64_t version;
	enum status status = system_read(&kernel.space, &known);

	if (status != STATUS_OK)
		return status;
	if (known->terminal.version)
		return STATUS_NOT_FOUND;
	status = machine_next(&kernel.space, (object_t){machine->n + 1}, machine);
	if (status == STATUS_OK)
		status = terminal_serves(*machine, &version);
	if (status != STATUS_OK || !version)
		return status;
	status = system_prepare(&kernel.space, &system);
	if (status != STATUS_OK)
		return status;
	/* COMMIT POINT */
	system->terminal.object = machine->n;
	system->terminal.version = version;
	essential_changed();
	return STATUS_OK;
}
