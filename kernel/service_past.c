/* SPDX-License-Identifier: MIT */
/*
 * service_past.c - reading in a snapshot, beside whatever goes on.
 *
 * There are no capabilities to what a snapshot holds: its objects are named by their
 * numbers, to holders of the store's right of control.  Each call opens the snapshot
 * anew, looks at a few pages, keeps nothing, and is executed anew after a wait.
 */
#include "kernel/service.h"
#include "base/assert.h"
#include <string.h>

/* The one view of the past that the kernel has. */
static uint8_t past_kept[SPACE_KEPT][PAGE_SIZE] __attribute__((aligned(64)));
static struct store_view past_view;
static struct space past;

enum status service_past_open(snapshot_t snapshot, struct space **space)
{
	past = (struct space){.store = kernel.space.store,
			      .view = &past_view,
			      .kept = past_kept,
			      .frame_base = kernel.space.frame_base};
	*space = &past;
	return store_view_open(past.store, snapshot, &past_view);
}

/* The snapshot of word 0, and in it the object of word 1. */
static enum status past_open(const struct service *service, enum object_type type, object_t *object,
			     struct disk_object *record)
{
	uint64_t number = service->message.word[1];
	struct space *space;
	enum status status;

	if (!service->message.word[0])
		return STATUS_INVALID;
	if (number >= OBJECT_MAX)
		return STATUS_NOT_FOUND;
	status = service_past_open((snapshot_t){service->message.word[0]}, &space);
	if (status != STATUS_OK)
		return status;
	*object = (object_t){number ? (uint32_t)number : OBJECT_ROOT_DIRECTORY};
	status = object_read(&past, *object, record);
	past.kept_pages = 0;
	return status == STATUS_OK && record->type != type ? STATUS_WRONG_TYPE : status;
}

enum status store_op_past_name(struct service *service)
{
	const struct transit *message = &service->message;
	struct directory_entry entry = {.length = 0};
	struct disk_object record;
	object_t directory;
	enum status status = STATUS_INVALID;

	static_assert(TREE_KEY_MAX <= UINT8_MAX, "an entry's length");
	if (message->length <= TREE_KEY_MAX)
		status = past_open(service, OBJECT_DIRECTORY, &directory, &record);
	if (status != STATUS_OK)
		return status;
	if (message->word[2] != 1) {
		status = entry_next(&past, directory, message->data, message->length, &entry);
	} else if (directory_name_valid(message->data, message->length)) {
		status = entry_lookup(&past, directory, message->data, message->length,
				      &entry.capability);
		entry.length = (uint8_t)message->length;
		memcpy(entry.name, message->data, entry.length);
	} else {
		status = STATUS_INVALID;
	}
	if (status != STATUS_OK)
		return status;
	past.kept_pages = 0;
	return service_answer_entry(service, &past, &entry);
}

/* Up to the end of a page of it. */
enum status store_op_past_bytes(struct service *service)
{
	uint64_t offset = service->message.word[2], length = sizeof(service->data);
	struct disk_object record;
	object_t segment;
	void *data;
	enum status status = past_open(service, OBJECT_SEGMENT, &segment, &record);

	if (status != STATUS_OK)
		return status;
	service->word[0] = record.size;
	if (offset >= record.size)
		return STATUS_OK;
	if (length > PAGE_SIZE - offset % PAGE_SIZE)
		length = PAGE_SIZE - offset % PAGE_SIZE;
	if (length > record.size - offset)
		length = record.size - offset;
	ASSERT(length && length <= sizeof(service->data));
	status = space_read(&past, (page_t){record.first_page + offset / PAGE_SIZE}, &data);
	if (status == STATUS_OK)
		memcpy(service->data, (uint8_t *)data + offset % PAGE_SIZE, length);
	else if (status == STATUS_ABSENT)
		memset(service->data, 0, length);
	else
		return status;
	service->length = (uint32_t)length;
	return STATUS_OK;
}
