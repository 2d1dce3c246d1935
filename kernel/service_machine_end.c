/* SPDX-License-Identifier: MIT */
/*
 * service_machine_end.c - what goes before and follows the end of a machine.
 */
#include "kernel/console.h"
#include "kernel/memory.h"
#include "kernel/service.h"
#include "base/assert.h"

/* Its own port dies with it, if it may destroy it; what is queued in others stays for the
 * next receiver. */
static enum status ending_port(object_t owned)
{
	struct disk_capability port;
	struct disk_object table;
	enum status status;

	store_operation_begin(kernel.space.store);
	status = object_read(&kernel.space, owned, &table);
	if (status == STATUS_OK)
		status = table_get(&kernel.space, &table, SLOT_PORT, &port);
	if (status == STATUS_OK)
		status = object_resolve(&kernel.space, &port, OBJECT_PORT, RIGHT_DESTROY, NULL);
	if (kernel_tries_again(status))
		return status;
	return status == STATUS_OK ? service_destroy((object_t){port.object}, OBJECT_PORT)
				   : STATUS_OK;
}

/* The segments that it owns go with it: all of them, wherever they are mapped, not
 * only the pages that it had attached itself. */
static enum status ending_unmap(const struct disk_machine *machine)
{
	for (unsigned i = 0; i < MACHINE_ATTACHMENTS; i++) {
		const struct disk_attachment *attachment = &machine->attachments[i];
		struct disk_object segment;
		enum status status;

		if (!(attachment->flags & ATTACHMENT_OWNED))
			continue;
		status = object_resolve(&kernel.space, &attachment->segment, OBJECT_SEGMENT, 0,
					&segment);
		if (status == STATUS_WAIT || status == STATUS_IO)
			return status;
		if (status == STATUS_OK)
			memory_unmap_run((page_t){segment.first_page}, segment.range_pages);
	}
	return STATUS_OK;
}

static enum status abandon(object_t object, object_t *table)
{
	static const struct disk_capability none;
	struct disk_machine *machine;
	enum status status;

	store_operation_begin(kernel.space.store);
	status = machine_prepare(&kernel.space, object, &machine);
	if (status == STATUS_OK)
		status = reply_abandon(&machine->reply, STATUS_GONE);
	if (status != STATUS_OK)
		return status;
	machine->reply = none;
	/* By capability, not by number (P4): if its table was destroyed before it, the
	 * number may be that of somebody else's by now. */
	status = object_resolve(&kernel.space, &machine->table, OBJECT_TABLE, 0, NULL);
	if (status == STATUS_WAIT || status == STATUS_IO)
		return status;
	*table = (object_t){status == STATUS_OK ? machine->table.object : 0};
	return table->n ? reply_abandon_table(*table) : STATUS_OK;
}

/* Nobody is to wait for its answers any more; whom it cannot give one does not keep it.
 * `table` is what it has, 0: none. */
enum status machine_abandon(object_t object, object_t *table)
{
	enum status status = abandon(object, table);

	/* Only trouble with pages is passed over: that there is no such machine is told. */
	if (status == STATUS_CORRUPT || status == STATUS_IO)
		return kernel_tries_again(status) ? status : STATUS_OK;
	return status;
}

/* In steps that each leave a sound state; the object goes after them, with its table,
 * message page and owned segments.  What a damaged machine owned is not known any more,
 * but it goes all the same. */
enum status machine_before_end(object_t object)
{
	struct disk_machine *machine;
	object_t table = {0};
	enum status status = machine_abandon(object, &table);

	if (status == STATUS_OK && table.n)
		status = ending_port(table);
	if (status != STATUS_OK && status != STATUS_CORRUPT)
		return status;
	store_operation_begin(kernel.space.store);
	status = machine_read(&kernel.space, object, &machine);
	if (status == STATUS_OK)
		status = ending_unmap(machine);
	return status == STATUS_CORRUPT ? STATUS_OK : status;
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
