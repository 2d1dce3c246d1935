/* SPDX-License-Identifier: MIT */
/*
 * service_memory.c - segments, capability tables and banks.
 */
#include "kernel/memory.h"
#include "kernel/service.h"
#include <string.h>

/* ---- segment -------------------------------------------------------------------- */

static enum status segment_info(struct service *service)
{
	service->word[0] = service->record.first_page << PAGE_SHIFT;
	service->word[1] = service->record.size;
	service->word[2] = service->record.range_pages << PAGE_SHIFT;
	service->word[3] = service->target->rights;
	return STATUS_OK;
}

/* A cut takes effect on every machine before the call returns.  A large one goes
 * in steps; when one of them has to wait, the whole is executed anew. */
static enum status segment_set_size(struct service *service)
{
	uint64_t bytes = service->message.word[0], old = service->record.size;
	uint64_t kept = bytes / PAGE_SIZE + (bytes % PAGE_SIZE != 0);
	enum status status;
	bool more;

	if (bytes < old && kept < service->record.range_pages)
		memory_unmap_run((page_t){service->record.first_page + kept},
				 service->record.range_pages - kept);
	do {
		store_operation_begin(kernel.space.store);
		status = segment_resize(&kernel.space, (object_t){service->target->object}, bytes,
					&more);
	} while (status == STATUS_OK && more);
	return status;
}

const struct operation segment_operations[SERVICE_OPERATIONS_MAX] = {
	[SEGMENT_INFO & 0xff] = {segment_info, 0, 0},
	[SEGMENT_RESIZE & 0xff] = {segment_set_size, RIGHT_WRITE, 0},
};

/* ---- capability table -------------------------------------------------------------- */

/* SLOT_REPLY of the caller's own table lies in its machine page. */
static bool table_is_own(const struct service *service)
{
	return service->target->object == service->call->machine->table.object;
}

static enum status slot_get(struct service *service, uint64_t slot,
			    struct disk_capability *capability)
{
	enum status status = STATUS_OK;

	if (slot >= service->record.size)
		return STATUS_INVALID;
	if (slot == SLOT_REPLY && table_is_own(service))
		*capability = service->call->machine->reply;
	else
		status = table_get(&kernel.space, &service->record, (uint32_t)slot, capability);
	if (status == STATUS_OK && !capability->version)
		status = STATUS_NO_CAPABILITY;
	return status;
}

static bool slot_is_special(uint64_t slot)
{
	return slot == SLOT_NONE || slot == SLOT_REPLY;
}

/* Makes a slot ready to be written: a reply that it holds is given up first. */
static enum status slot_prepare(struct service *service, uint64_t slot)
{
	struct disk_capability held;
	enum status status;

	if (slot_is_special(slot) || slot >= service->record.size)
		return STATUS_INVALID;
	status = table_prepare(&kernel.space, &service->record, (uint32_t)slot);
	if (status == STATUS_OK)
		status = table_get(&kernel.space, &service->record, (uint32_t)slot, &held);
	if (status == STATUS_OK && held.version && held.type == OBJECT_REPLY)
		status = reply_abandon(&held, STATUS_GONE);
	return status == STATUS_NO_CAPABILITY ? STATUS_OK : status;
}

static void slot_put(struct service *service, uint64_t slot,
		     const struct disk_capability *capability)
{
	table_put(&kernel.space, &service->record, (uint32_t)slot, capability);
}

/* Copy, reduce and badge: a new capability made of an old one, never more. */
static enum status table_derive(struct service *service, uint64_t rights, const uint64_t *badge)
{
	uint64_t from = service->message.word[0], to = service->message.word[1];
	struct disk_capability capability;
	enum status status = slot_get(service, from, &capability);

	if (status != STATUS_OK)
		return status;
	if (capability.type == OBJECT_REPLY)
		return STATUS_INVALID; /* one-shot: it moves, and never is copied */
	if (badge && capability.type != OBJECT_PORT)
		return STATUS_WRONG_TYPE;
	if (badge && !(capability.rights & RIGHT_CONTROL))
		return STATUS_NO_RIGHT;
	status = slot_prepare(service, to);
	if (status != STATUS_OK)
		return status;
	/* COMMIT POINT */
	capability.rights &= (uint16_t)rights;
	if (badge)
		capability.badge = *badge;
	slot_put(service, to, &capability);
	return STATUS_OK;
}

static enum status table_op_copy(struct service *service)
{
	return table_derive(service, RIGHT_ALL, NULL);
}

static enum status table_op_reduce(struct service *service)
{
	return table_derive(service, service->message.word[2], NULL);
}

static enum status table_op_badge(struct service *service)
{
	return table_derive(service, service->message.word[3], &service->message.word[2]);
}

/* Empties a slot, SLOT_REPLY of the own table included; it was prepared. */
static void slot_empty(struct service *service, uint64_t slot)
{
	static const struct disk_capability none;

	if (slot == SLOT_REPLY)
		service->call->machine->reply = none;
	else
		slot_put(service, slot, &none);
}

static enum status table_op_move(struct service *service)
{
	uint64_t from = service->message.word[0], to = service->message.word[1];
	struct disk_capability capability;
	enum status status = slot_get(service, from, &capability);

	if (status == STATUS_OK && from == to)
		return STATUS_OK;
	if (status == STATUS_OK && from != SLOT_REPLY)
		status = table_prepare(&kernel.space, &service->record, (uint32_t)from);
	if (status == STATUS_OK)
		status = slot_prepare(service, to);
	if (status != STATUS_OK)
		return status;
	/* COMMIT POINT */
	slot_put(service, to, &capability);
	slot_empty(service, from);
	return STATUS_OK;
}

static enum status table_op_delete(struct service *service)
{
	uint64_t slot = service->message.word[0];
	struct disk_capability held;
	enum status status = slot_get(service, slot, &held);

	if (status == STATUS_NO_CAPABILITY)
		return STATUS_OK;
	if (status == STATUS_OK && slot != SLOT_REPLY)
		status = table_prepare(&kernel.space, &service->record, (uint32_t)slot);
	if (status == STATUS_OK)
		status = reply_abandon(&held, STATUS_GONE);
	if (status != STATUS_OK)
		return status;
	/* COMMIT POINT */
	slot_empty(service, slot);
	return STATUS_OK;
}

static enum status table_op_info(struct service *service)
{
	struct disk_capability held;
	enum status status = slot_get(service, service->message.word[0], &held);

	if (status != STATUS_OK)
		return status;
	status = object_resolve(&kernel.space, &held,
				held.type == OBJECT_REPLY ? OBJECT_NONE : held.type, 0, NULL);
	if (status != STATUS_OK && status != STATUS_DEAD)
		return status;
	service->word[0] = held.type;
	service->word[1] = held.rights;
	service->word[2] = held.badge;
	service->word[3] = held.object;
	service->word[4] = status == STATUS_OK;
	return STATUS_OK;
}

static enum status table_op_destroy(struct service *service)
{
	struct disk_capability held;
	enum status status = slot_get(service, service->message.word[0], &held);

	if (status == STATUS_OK && held.type == OBJECT_REPLY)
		status = STATUS_WRONG_TYPE;
	if (status == STATUS_OK)
		status = object_resolve(&kernel.space, &held, held.type, RIGHT_DESTROY, NULL);
	if (status == STATUS_OK)
		status = service_destroy((object_t){held.object}, held.type);
	/* The caller may have ended itself, or its own table. */
	if (status == STATUS_OK && !cpu_this()->running)
		kernel_leave();
	return status;
}

const struct operation table_operations[SERVICE_OPERATIONS_MAX] = {
	[TABLE_COPY & 0xff] = {table_op_copy, RIGHT_CONTROL, SERVICE_PATIENT},
	[TABLE_MOVE & 0xff] = {table_op_move, RIGHT_CONTROL, SERVICE_PATIENT},
	[TABLE_DELETE & 0xff] = {table_op_delete, RIGHT_CONTROL, SERVICE_PATIENT},
	[TABLE_REDUCE & 0xff] = {table_op_reduce, RIGHT_CONTROL, SERVICE_PATIENT},
	[TABLE_BADGE & 0xff] = {table_op_badge, RIGHT_CONTROL, SERVICE_PATIENT},
	[TABLE_INFO & 0xff] = {table_op_info, RIGHT_CONTROL, 0},
	[TABLE_DESTROY & 0xff] = {table_op_destroy, RIGHT_CONTROL, SERVICE_PATIENT},
};

/* ---- bank ------------------------------------------------------------------------ */

/* Without a slot for its capability the new object would be lost at once. */
static enum status bank_create(struct service *service, const struct object_request *request)
{
	enum status status;

	if (call_slot(service->call->gpr[REGISTER_R15], 0) == SLOT_NONE)
		return STATUS_INVALID;
	status = object_create(&kernel.space, (object_t){service->target->object}, request,
			       &service->capability);
	/* What is being taken apart gives its allowance back: wait for that first. */
	if (status == STATUS_ALLOWANCE && service_destroying())
		return kernel_wait(CHANNEL_DESTROY);
	return status;
}

static enum status bank_segment(struct service *service)
{
	struct object_request request = {
		.type = OBJECT_SEGMENT,
		.size = service->message.word[0],
		.size_max = service->message.word[1],
	};

	return bank_create(service, &request);
}

static enum status bank_machine(struct service *service)
{
	struct object_request request = {.type = OBJECT_MACHINE};
	struct disk_object record;
	enum status status;

	if (!service->message.length || service->message.length >= MACHINE_NAME)
		return STATUS_INVALID;
	status = service_priority(service, service->message.word[0]);
	if (status != STATUS_OK)
		return status;
	request.priority = (uint8_t)service->message.word[0];
	memcpy(request.name, service->message.data, service->message.length);
	/* It stands in lines of the log, which nobody may forge. */
	for (uint32_t i = 0; i < service->message.length; i++)
		if ((unsigned char)request.name[i] < ' ' || request.name[i] == 0x7f)
			return STATUS_INVALID;
	status = bank_create(service, &request);
	if (status != STATUS_OK)
		return status;
	/* Its record was written just now, so that reading it does not wait. */
	status = object_read(&kernel.space, (object_t){service->capability.object}, &record);
	service->word[0] = record.machine.message_page << PAGE_SHIFT;
	return status;
}

static enum status bank_port(struct service *service)
{
	struct object_request request = {.type = OBJECT_PORT, .size = service->message.word[0]};

	return bank_create(service, &request);
}

static enum status bank_table(struct service *service)
{
	struct object_request request = {.type = OBJECT_TABLE, .size = service->message.word[0]};

	return bank_create(service, &request);
}

static enum status bank_directory(struct service *service)
{
	struct object_request request = {.type = OBJECT_DIRECTORY};

	return bank_create(service, &request);
}

static enum status bank_usage(struct service *service)
{
	service->word[0] = service->record.size;
	service->word[1] = service->record.allowance.limit;
	service->word[2] = service->record.allowance.objects;
	return STATUS_OK;
}

const struct operation bank_operations[SERVICE_OPERATIONS_MAX] = {
	[BANK_SEGMENT & 0xff] = {bank_segment, RIGHT_CREATE, SERVICE_CAPABILITY},
	[BANK_MACHINE & 0xff] = {bank_machine, RIGHT_CREATE, SERVICE_CAPABILITY},
	[BANK_PORT & 0xff] = {bank_port, RIGHT_CREATE, SERVICE_CAPABILITY},
	[BANK_TABLE & 0xff] = {bank_table, RIGHT_CREATE, SERVICE_CAPABILITY},
	[BANK_DIRECTORY & 0xff] = {bank_directory, RIGHT_CREATE, SERVICE_CAPABILITY},
	[BANK_USAGE & 0xff] = {bank_usage, RIGHT_READ, 0},
};
