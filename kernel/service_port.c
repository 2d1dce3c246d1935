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
static void port_after_end(object_t object, const struct disk_object *record)
{
	ASSERT(record->type == OBJECT_PORT);
	bond_dead(object, record);
	task_wake_channel(kernel_port_channel(object));
}

const struct service_type port_service = {
	.request = port_request,
	.before_end = reply_abandon_port,
	.end_prepare = bond_dead_prepare,
	.after_end = port_after_end,
};
