/* SPDX-License-Identifier: MIT */
/*
 * service_port.c - ports: what is sent to one is a message, so they have no operations.
 */
#include "kernel/service.h"
#include "base/assert.h"

static enum status port_request(const struct service *service, struct object_request *request)
{
	request->size = service->message.word[0];
	return STATUS_OK;
}

/* Who waits for its messages, or for room in its queue, is told that it is gone. */
static enum status port_abandon(object_t object, const struct disk_object *record)
{
	ASSERT(record->type == OBJECT_PORT && !record->version);
	task_wake_channel(kernel_port_channel(object));
	return bond_abandon(object, record, STATUS_DEAD);
}

const struct service_type port_service = {
	.request = port_request,
	.abandon = port_abandon,
};
