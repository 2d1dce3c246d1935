/* SPDX-License-Identifier: MIT */
/*
 * port.c - queues of messages.
 *
 *     first page   header: capacity, head, count
 *     then         a ring of `capacity` messages, two a page
 *
 * A header of zeros is an empty queue that was never used.
 */
#include "objects/objects_priv.h"

#define MESSAGES_PER_PAGE (PAGE_SIZE / sizeof(struct disk_message))
static_assert(MESSAGES_PER_PAGE == 2, "one that is left takes a page");

static uint64_t port_charge(uint64_t capacity)
{
	return 1 + capacity / MESSAGES_PER_PAGE + capacity % MESSAGES_PER_PAGE;
}

static bool port_valid(const struct disk_object *record)
{
	return record->size && record->size <= PORT_CAPACITY_MAX;
}

static enum status port_check(const struct object_request *request)
{
	return request_counts(request, PORT_CAPACITY_MAX);
}

/* ---- the queue ------------------------------------------------------------------- */

static page_t message_page(const struct disk_object *port, uint32_t index)
{
	return (page_t){port->first_page + 1 + index / MESSAGES_PER_PAGE};
}

static enum status port_read(struct space *space, const struct disk_object *port,
			     const struct disk_port **header)
{
	const void *data;
	enum status status = space_read_zeros(space, (page_t){port->first_page}, &data);

	ASSERT(port->type == OBJECT_PORT);
	if (status != STATUS_OK)
		return status;
	*header = data;
	if (!(*header)->magic && !(*header)->count && !(*header)->head)
		return STATUS_OK;
	if ((*header)->magic != PORT_MAGIC || (*header)->capacity != port->size ||
	    (*header)->head >= port->size || (*header)->count > port->size)
		return STATUS_CORRUPT;
	return STATUS_OK;
}

enum status port_put_prepare(struct space *space, const struct disk_object *port)
{
	const struct disk_port *header;
	uint32_t index;
	void *data;
	enum status status = port_read(space, port, &header);

	if (status != STATUS_OK)
		return status;
	if (header->count == port->size)
		return STATUS_FULL;
	index = (header->head + header->count) % (uint32_t)port->size;
	status = space_write(space, message_page(port, index), &data);
	if (status == STATUS_OK)
		status = space_write(space, (page_t){port->first_page}, &data);
	return status;
}

void port_put(struct space *space, const struct disk_object *port,
	      const struct disk_message *message)
{
	struct disk_port *header = space_writable(space, (page_t){port->first_page});
	struct disk_message *ring;
	uint32_t index;

	ASSERT(header->count < port->size);
	ASSERT(header->head < port->size);
	ASSERT(message->length <= MESSAGE_DATA);
	header->magic = PORT_MAGIC;
	header->capacity = (uint32_t)port->size;
	index = (header->head + header->count) % header->capacity;
	ring = space_writable(space, message_page(port, index));
	ring[index % MESSAGES_PER_PAGE] = *message;
	header->count++;
	header->received++;
}

enum status port_peek_prepare(struct space *space, const struct disk_object *port,
			      const struct disk_message **message)
{
	const struct disk_port *header;
	const void *ring;
	void *data;
	uint32_t head;
	enum status status = port_read(space, port, &header);

	if (status != STATUS_OK)
		return status;
	if (!header->count)
		return STATUS_EMPTY;
	head = header->head;
	status = space_read_zeros(space, message_page(port, head), &ring);
	if (status == STATUS_OK)
		status = space_write(space, (page_t){port->first_page}, &data);
	if (status != STATUS_OK)
		return status;
	*message = (const struct disk_message *)ring + head % MESSAGES_PER_PAGE;
	return (*message)->length <= MESSAGE_DATA ? STATUS_OK : STATUS_CORRUPT;
}

void port_drop(struct space *space, const struct disk_object *port)
{
	struct disk_port *header = space_writable(space, (page_t){port->first_page});

	ASSERT(header->count > 0);
	ASSERT(header->head < port->size);
	header->head = (header->head + 1) % (uint32_t)port->size;
	header->count--;
}

/* ---- the end --------------------------------------------------------------------- */

#define MESSAGE_HELD (1u + MESSAGE_CAPABILITIES) /* capabilities of one: its reply first */

static enum status port_held(struct space *space, object_t object, const struct disk_object *port,
			     uint32_t at, uint32_t *next, struct disk_capability *capability)
{
	uint32_t nth = at / MESSAGE_HELD, index;
	const struct disk_message *message;
	const struct disk_port *header;
	const void *ring;
	enum status status = port_read(space, port, &header);

	(void)object;
	if (status != STATUS_OK)
		return status;
	if (nth >= header->count)
		return STATUS_NOT_FOUND;
	*next = (nth + 1) * MESSAGE_HELD;
	index = (header->head + nth) % (uint32_t)port->size;
	status = space_read_zeros(space, message_page(port, index), &ring);
	if (status != STATUS_OK)
		return status;
	message = (const struct disk_message *)ring + index % MESSAGES_PER_PAGE;
	for (; at < *next; at++) {
		*capability = at % MESSAGE_HELD ? message->capability[at % MESSAGE_HELD - 1]
						: message->reply;
		if (!capability_awaited(capability))
			continue;
		*next = at + 1;
		return STATUS_OK;
	}
	return STATUS_EMPTY;
}

const struct type_descriptor port_type = {
	.arena = RANGE_KERNEL,
	.rights = RIGHT_READ | RIGHT_SEND | RIGHT_RECEIVE | RIGHT_CONTROL | RIGHT_DESTROY,
	.charge = port_charge,
	.valid = port_valid,
	.check = port_check,
	.held = port_held,
};
