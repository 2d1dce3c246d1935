/* SPDX-License-Identifier: MIT */
/*
 * service_segment.c - segments.
 */
#include "kernel/mapping.h"
#include "kernel/service.h"
#include "base/assert.h"

void segment_withdraw(const struct disk_object *segment)
{
	struct mapping_range range = {segment->first_page, segment->range_pages};

	ASSERT(segment->type == OBJECT_SEGMENT);
	mapping_withdraw_range(&range);
}

static enum status segment_info(struct service *service)
{
	service->word[0] = service->record.first_page << PAGE_SHIFT;
	service->word[1] = service->record.size;
	service->word[2] = service->record.range_pages << PAGE_SHIFT;
	service->word[3] = service->target->rights;
	return STATUS_OK;
}

/* A cut takes effect on every machine before the call returns.  A large one goes in steps,
 * between which others have their turn: the call is executed anew for each. */
static enum status segment_set_size(struct service *service)
{
	uint64_t bytes = service->message.word[0];
	enum status status;
	bool more;

	if (bytes < service->record.size)
		segment_withdraw(&service->record);
	store_operation_begin(kernel.space.store);
	status = segment_size_set(&kernel.space, (object_t){service->target->object}, bytes, &more);
	return status == STATUS_OK && more ? kernel_wait(CHANNEL_TURN) : status;
}

static const struct operation segment_operations[SERVICE_OPERATIONS_MAX] = {
#define SEGMENT_OPERATION SERVICE_ROW
#include "kernel/operations.def"
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
	segment_withdraw(record);
}

const struct service_type segment_service = {
	.operations = segment_operations,
	.request = segment_request,
	.after_end = segment_after_end,
};
