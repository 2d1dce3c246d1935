/* SPDX-License-Identifier: MIT */
/*
 * service_segment.c - segments.
 */
#include "kernel/memory.h"
#include "kernel/service.h"
#include "base/assert.h"

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
		status = segment_size_set(&kernel.space, (object_t){service->target->object}, bytes,
					  &more);
	} while (status == STATUS_OK && more);
	return status;
}

static const struct operation segment_operations[SERVICE_OPERATIONS_MAX] = {
	[SEGMENT_INFO & 0xff] = {segment_info, 0, 0},
	[SEGMENT_RESIZE & 0xff] = {segment_set_size, RIGHT_WRITE, 0},
};

static enum status segment_request(const struct service *service, struct object_request *request)
{
	request->size = service->message.word[0];
	request->size_max = service->message.word[1];
	return STATUS_OK;
}

static void segment_after_end(object_t object, const struct disk_object *record)
{
	(void)object;
	ASSERT(record->type == OBJECT_SEGMENT && record->range_pages);
	memory_unmap_run((page_t){record->first_page}, record->range_pages);
}

const struct service_type segment_service = {
	.operations = segment_operations,
	.request = segment_request,
	.after_end = segment_after_end,
};
