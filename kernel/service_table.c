/* SPDX-License-Identifier: MIT */
/*
 * service_table.c - capability tables.
 */
#include "kernel/service.h"
#include "base/assert.h"

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

/* Makes a slot ready to be written with `put`.  Who waits for what it holds is told then. */
static enum status slot_prepare(struct service *service, uint64_t slot,
				const struct disk_capability *put, struct disk_capability *held)
{
	enum status status;

	if (slot_is_special(slot) || slot >= service->record.size)
		return STATUS_INVALID;
	status = table_prepare(&kernel.space, &service->record, (uint32_t)slot);
	if (status == STATUS_OK)
		status = table_get(&kernel.space, &service->record, (uint32_t)slot, held);
	if (status == STATUS_OK)
		status = slot_lost_prepare(service->target, (uint32_t)slot, held, put);
	return status;
}

static void slot_put(struct service *service, uint64_t slot, const struct disk_capability *held,
		     const struct disk_capability *capability)
{
	ASSERT(slot < service->record.size);
	slot_lost(service->target, (uint32_t)slot, held, capability);
	table_put(&kernel.space, &service->record, (uint32_t)slot, capability);
}

/* Copy, reduce, badge and derive: a new capability made of an old one, never more.  `badge`: with
 * this one; `bank`: it hangs from what lies in this slot; null: as it was. */
static enum status table_make(struct service *service, uint64_t rights, const uint64_t *badge,
			      const uint64_t *bank)
{
	uint64_t from = service->message.word[0], to = service->message.word[1];
	struct disk_capability capability, held, ends;
	enum status status = slot_get(service, from, &capability);

	if (status == STATUS_OK && bank)
		status = slot_get(service, *bank, &ends);
	if (status != STATUS_OK)
		return status;
	if (capability.type == OBJECT_REPLY)
		return STATUS_INVALID; /* one-shot: it moves, and never is copied */
	if (badge && capability.type != OBJECT_PORT)
		return STATUS_WRONG_TYPE;
	if (badge && !(capability.rights & RIGHT_CONTROL))
		return STATUS_NO_RIGHT;
	capability_reduce(&capability, (uint16_t)rights);
	if (badge)
		capability.badge = *badge;
	if (bank)
		status = capability_derive_prepare(&kernel.space, &capability, &ends);
	if (status == STATUS_OK)
		status = slot_prepare(service, to, &capability, &held);
	if (status != STATUS_OK)
		return status;
	/* COMMIT POINT */
	if (bank)
		capability_derive(&kernel.space, &capability);
	slot_put(service, to, &held, &capability);
	return STATUS_OK;
}

static enum status table_op_copy(struct service *service)
{
	return table_make(service, RIGHT_ALL, NULL, NULL);
}

static enum status table_op_reduce(struct service *service)
{
	return table_make(service, service->message.word[2], NULL, NULL);
}

static enum status table_op_badge(struct service *service)
{
	return table_make(service, service->message.word[3], &service->message.word[2], NULL);
}

static enum status table_op_derive(struct service *service)
{
	return table_make(service, service->message.word[3], NULL, &service->message.word[2]);
}

static const struct disk_capability none;

/* Empties a slot, SLOT_REPLY of the own table included; it was prepared. */
static void slot_empty(struct service *service, uint64_t slot, const struct disk_capability *lost)
{
	if (slot != SLOT_REPLY) {
		slot_put(service, slot, lost, &none);
		return;
	}
	slot_lost(service->target, (uint32_t)slot, lost, &none);
	service->call->machine->reply = none;
}

static enum status table_op_move(struct service *service)
{
	uint64_t from = service->message.word[0], to = service->message.word[1];
	struct disk_capability capability, held, moved;
	enum status status = slot_get(service, from, &capability);

	if (status != STATUS_OK || from == to)
		return status;
	moved = capability.type == OBJECT_REPLY ? none : capability; /* nobody loses a reply */
	if (from != SLOT_REPLY)
		status = table_prepare(&kernel.space, &service->record, (uint32_t)from);
	if (status == STATUS_OK)
		status = slot_lost_prepare(service->target, (uint32_t)from, &moved, &none);
	if (status == STATUS_OK)
		status = slot_prepare(service, to, &capability, &held);
	if (status != STATUS_OK)
		return status;
	/* COMMIT POINT */
	slot_put(service, to, &held, &capability);
	slot_empty(service, from, &moved);
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
		status = slot_lost_prepare(service->target, (uint32_t)slot, &held, &none);
	if (status != STATUS_OK)
		return status;
	/* COMMIT POINT */
	slot_empty(service, slot, &held);
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

static const struct operation table_operations[SERVICE_OPERATIONS_MAX] = {
#define TABLE_OPERATION SERVICE_ROW
#include "kernel/operations.def"
};

static enum status table_request(const struct service *service, struct object_request *request)
{
	request->size = service->message.word[0];
	return STATUS_OK;
}

const struct service_type table_service = {
	.operations = table_operations,
	.request = table_request,
};
