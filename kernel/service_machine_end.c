/* SPDX-License-Identifier: MIT */
/*
 * service_machine_end.c - what comes with the end of a machine.
 */
#include "kernel/console.h"
#include "kernel/service.h"
#include "base/assert.h"

static const struct disk_capability none;

/* The one that it answers, or the first of those that it has put aside. */
static enum status abandon(object_t object)
{
	struct disk_capability reply;
	struct disk_machine *machine;
	struct disk_object table;
	uint32_t slot = 0;
	enum status status = machine_prepare(&kernel.space, object, &machine);

	if (status == STATUS_OK && machine->reply.version) {
		status = reply_abandon(&machine->reply, STATUS_GONE);
		if (status == STATUS_OK)
			machine->reply = none;
		return status;
	}
	/* By capability, not by number (P4): if its table was destroyed before it, the
	 * number may be that of somebody else's by now. */
	if (status == STATUS_OK)
		status = object_resolve(&kernel.space, &machine->table, OBJECT_TABLE, 0, &table);
	if (status == STATUS_OK)
		status = table_find(&kernel.space, &table, OBJECT_REPLY, &slot);
	if (status == STATUS_OK)
		status = table_get(&kernel.space, &table, slot, &reply);
	if (status == STATUS_OK)
		status = table_prepare(&kernel.space, &table, slot);
	if (status == STATUS_OK)
		status = reply_abandon(&reply, STATUS_GONE);
	if (status == STATUS_OK)
		table_put(&kernel.space, &table, slot, &none);
	/* Whom it cannot give an answer does not keep it. */
	return status == STATUS_OK || kernel_tries_again(status) ? status : STATUS_NOT_FOUND;
}

enum status machine_abandon(object_t object)
{
	enum status status = STATUS_OK;

	for (unsigned i = 0; i < KERNEL_EXIT_ANSWERS && status == STATUS_OK; i++) {
		store_operation_begin(kernel.space.store);
		status = abandon(object);
	}
	return status;
}

void machine_after_end(object_t object, const struct disk_object *record)
{
	struct task *task = task_find(object);

	(void)record;
	ASSERT(record->type == OBJECT_MACHINE);
	if (task) {
		essential_examine(task->object, task->version);
		task_forget(task);
	}
	console_examine();
}
