/* SPDX-License-Identifier: MIT */
/*
 * service_view.c - views: what several machines can touch.
 *
 * What is taken away is withdrawn from all of them before the call returns.
 */
#include "kernel/mapping.h"
#include "kernel/service.h"
#include "base/assert.h"
#include <string.h>

static object_t view_of(const struct service *service)
{
	return (object_t){service->target->object};
}

static enum status view_op_attach(struct service *service)
{
	const struct disk_capability *capability = &service->message.capability[0];
	struct attachment_run run;
	struct disk_object segment;
	bool more = false;
	enum status status = service_attach_run(service, &run, &segment);

	if (status == STATUS_OK)
		status = view_add(&kernel.space, view_of(service), &segment, capability, &run,
				  &more);
	return status == STATUS_OK && more ? kernel_wait(CHANNEL_TURN) : status;
}

/* What was attached there cannot be touched as before through the view. */
static enum status view_replace_run(struct service *service, const struct attachment_change *change)
{
	struct disk_attachment old;
	enum status status = view_change(&kernel.space, view_of(service), change, &old);

	/* COMMIT POINT, which that was */
	if (status == STATUS_OK)
		mapping_withdraw_view(view_of(service), service->target->version, change->page,
				      change->pages);
	return status;
}

static enum status view_op_detach(struct service *service)
{
	page_t page = {service->message.word[0] >> PAGE_SHIFT};
	struct attachment_change change;
	struct disk_attachment old;
	enum status status = view_attachment(&kernel.space, &service->record, page, &old);

	if (status != STATUS_OK)
		return status;
	change = (struct attachment_change){.page = {attachment_place(&old)}, .pages = old.pages};
	return view_replace_run(service, &change);
}

static enum status view_op_protect(struct service *service)
{
	struct attachment_change change;
	enum status status = service_attach_change(service, &change);

	return status == STATUS_OK ? view_replace_run(service, &change) : status;
}

static enum status view_op_attached(struct service *service)
{
	struct disk_attachment next;
	enum status status =
		view_next(&kernel.space, &service->record, service_attached_from(service), &next);

	if (status == STATUS_OK)
		status = object_resolve(&kernel.space, &next.segment, OBJECT_SEGMENT, 0, NULL);
	if (status == STATUS_DEAD) {
		next.rights = 0;
		status = STATUS_OK;
	}
	if (status == STATUS_OK)
		service_answer_attachment(service, &next);
	return status;
}

/* ---- copies --------------------------------------------------------------------------- */

/* A run of bytes within one page, of one side. */
struct piece {
	page_t page;
	uint64_t offset, most;
};

/* What lies at a byte of a segment; `end`: behind the last that may be touched. */
static enum status piece_find(const struct disk_object *segment, uint64_t byte, uint64_t end,
			      struct piece *piece)
{
	if (byte >= end)
		return STATUS_LIMIT;
	*piece = (struct piece){.page = {segment->first_page + byte / PAGE_SIZE},
				.offset = byte % PAGE_SIZE,
				.most = PAGE_SIZE - byte % PAGE_SIZE};
	if (piece->most > end - byte)
		piece->most = end - byte;
	return STATUS_OK;
}

/* What a machine would touch at an address with this right. */
static enum status piece_viewed(const struct service *service, uint64_t address, uint16_t right,
				struct piece *piece)
{
	page_t at = {address >> PAGE_SHIFT};
	struct disk_attachment attachment;
	struct disk_object segment;
	uint64_t byte;
	enum status status = view_attachment(&kernel.space, &service->record, at, &attachment);

	if (status == STATUS_OK)
		status = object_resolve(&kernel.space, &attachment.segment, OBJECT_SEGMENT, 0,
					&segment);
	if (status == STATUS_DEAD)
		return STATUS_NOT_FOUND;
	if (status != STATUS_OK)
		return status;
	if (!(attachment.rights & right))
		return STATUS_NO_RIGHT;
	byte = (attachment_page(&attachment, at).n - segment.first_page) * PAGE_SIZE +
	       address % PAGE_SIZE;
	/* A machine can touch all of the last page. */
	return piece_find(&segment, byte, (segment.size + PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE,
			  piece);
}

/* The bytes of one piece, at most; how many. */
static enum status copy_piece(struct piece *from, struct piece *to, uint64_t most, uint64_t *bytes)
{
	const void *source;
	void *target;
	enum status status = space_read_zeros(&kernel.space, from->page, &source);

	if (status == STATUS_OK)
		status = space_write(&kernel.space, to->page, &target);
	if (status != STATUS_OK)
		return status;
	if (most > from->most)
		most = from->most;
	if (most > to->most)
		most = to->most;
	memmove((uint8_t *)target + to->offset, (const uint8_t *)source + from->offset, most);
	*bytes = most;
	return STATUS_OK;
}

static enum status copy_next(const struct service *service, const struct disk_object *segment,
			     uint64_t done, uint64_t *bytes)
{
	const uint64_t *word = service->message.word;
	uint64_t address = word[0] + done, offset = word[1] + done;
	bool into_view = word[3] != 0;
	struct piece viewed, other;
	enum status status =
		piece_viewed(service, address, into_view ? RIGHT_WRITE : RIGHT_READ, &viewed);

	if (status == STATUS_OK)
		status = piece_find(segment, offset, segment->size, &other);
	if (status != STATUS_OK)
		return status;
	return into_view ? copy_piece(&other, &viewed, word[2] - done, bytes)
			 : copy_piece(&viewed, &other, word[2] - done, bytes);
}

/* What was copied was copied, though what comes next has to be waited for: that is asked for
 * again. */
static enum status view_op_copy(struct service *service)
{
	const uint64_t *word = service->message.word;
	struct disk_object segment;
	uint64_t done = 0, bytes;
	enum status status = word[3] > 1 ? STATUS_INVALID : STATUS_OK;

	if (status == STATUS_OK)
		status = object_resolve(&kernel.space, &service->message.capability[0],
					OBJECT_SEGMENT, word[3] ? RIGHT_READ : RIGHT_WRITE,
					&segment);
	if (status != STATUS_OK)
		return status;
	for (uint32_t i = 0; i < KERNEL_COPY_PIECES && done < word[2] && status == STATUS_OK; i++) {
		status = copy_next(service, &segment, done, &bytes);
		if (status == STATUS_OK)
			done += bytes;
	}
	if (status == STATUS_WAIT && !done)
		return status;
	service->word[0] = done;
	service->word[1] = status == STATUS_WAIT ? STATUS_OK : status;
	return STATUS_OK;
}

/* ---- machines ---------------------------------------------------------------------------- */

enum status machine_op_set_view(struct service *service)
{
	const struct disk_capability *view = &service->message.capability[0];
	struct task *task = task_find((object_t){service->target->object});
	struct disk_machine *machine;
	enum status status = STATUS_OK;

	if (view->version)
		status = object_resolve(&kernel.space, view, OBJECT_VIEW, RIGHT_EXECUTE, NULL);
	if (status == STATUS_OK)
		status = service_machine_prepare(service, &machine);
	if (status != STATUS_OK)
		return status;
	/* COMMIT POINT */
	machine->view = *view;
	if (task)
		mapping_root_destroy(task);
	return STATUS_OK;
}

static const struct operation view_operations[SERVICE_OPERATIONS_MAX] = {
#define VIEW_OPERATION SERVICE_ROW
#include "kernel/operations.def"
};

/* Empty at first: there is nothing to ask for. */
static enum status view_request(const struct service *service, struct object_request *request)
{
	(void)service;
	(void)request;
	return STATUS_OK;
}

static void view_after_end(object_t object, const struct disk_object *record)
{
	mapping_withdraw_view_end(object, record->version);
}

const struct service_type view_service = {
	.operations = view_operations,
	.request = view_request,
	.after_end = view_after_end,
};
