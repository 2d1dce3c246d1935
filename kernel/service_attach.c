/* SPDX-License-Identifier: MIT */
/*
 * service_attach.c - what machines may touch, and where: attach, protect, detach, look.
 *
 * What is taken away is withdrawn before the call returns.
 */
#include "kernel/mapping.h"
#include "kernel/service.h"
#include "base/assert.h"

/* The machine that was invoked, to be changed, without what was attached and is no more. */
static enum status attach_prepare(struct service *service, struct disk_machine **machine)
{
	enum status status = service_machine_prepare(service, machine);

	return status == STATUS_OK ? machine_attachments_prune(&kernel.space, *machine) : status;
}

enum status service_version_prepare(struct disk_system **system)
{
	enum status status = system_prepare(&kernel.space, system);

	/* Nothing was created in it since a system without banks has written it. */
	if (status == STATUS_OK && (*system)->version < SYSTEM_VERSION_BANKS)
		status = STATUS_BUSY;
	return status;
}

/* From now on what was seen there cannot be touched as before. */
static void machine_withdraw(const struct service *service, page_t place, uint64_t pages)
{
	struct task *task = task_find((object_t){service->target->object});

	if (task)
		mapping_withdraw_at(task, place, pages);
}

enum status service_attach_run(const struct service *service, struct attachment_run *run,
			       struct disk_object *segment)
{
	const uint64_t *word = service->message.word;

	*run = (struct attachment_run){
		.first = word[0],
		.pages = word[1],
		.rights = (uint16_t)word[2],
		.owned = word[3] != 0,
		.place = word[4] >> PAGE_SHIFT,
	};
	if (word[2] > UINT16_MAX || word[3] > 1 || word[4] % PAGE_SIZE)
		return STATUS_INVALID;
	return object_resolve(&kernel.space, &service->message.capability[0], OBJECT_SEGMENT, 0,
			      segment);
}

enum status machine_op_attach(struct service *service)
{
	struct attachment_run run;
	struct disk_machine *machine;
	struct disk_system *system;
	struct disk_object segment;
	enum status status = service_attach_run(service, &run, &segment);

	if (status == STATUS_OK)
		status = attach_prepare(service, &machine);
	if (status == STATUS_OK && run.place)
		status = service_version_prepare(&system);
	if (status == STATUS_OK)
		status = attachment_add(machine, &segment, &service->message.capability[0], &run);
	/* COMMIT POINT, which that was */
	if (status == STATUS_OK && run.place)
		system->version = SYSTEM_VERSION;
	/* It may hide what is seen there through the view. */
	if (status == STATUS_OK && machine->view.version)
		machine_withdraw(service,
				 (page_t){run.place ? run.place : segment.first_page + run.first},
				 run.pages ? run.pages : segment.range_pages - run.first);
	return status;
}

enum status service_attach_change(const struct service *service, struct attachment_change *change)
{
	const struct disk_capability *given = &service->message.capability[0];
	const uint64_t *word = service->message.word;

	*change = (struct attachment_change){
		.page = {word[0] >> PAGE_SHIFT},
		.pages = word[1],
		.rights = (uint16_t)word[2],
		.capability = given->version ? given : NULL,
	};
	if (word[0] % PAGE_SIZE || word[2] > UINT16_MAX)
		return STATUS_INVALID;
	return given->version ? object_resolve(&kernel.space, given, OBJECT_SEGMENT, 0, NULL)
			      : STATUS_OK;
}

enum status machine_op_protect(struct service *service)
{
	struct attachment_change change;
	struct disk_machine *machine;
	enum status status = service_attach_change(service, &change);

	if (status == STATUS_OK)
		status = attach_prepare(service, &machine);
	if (status == STATUS_OK)
		status = attachment_change(machine, &change);
	/* COMMIT POINT, which that was */
	if (status == STATUS_OK)
		machine_withdraw(service, change.page, change.pages);
	return status;
}

enum status machine_op_detach(struct service *service)
{
	page_t page = {service->message.word[0] >> PAGE_SHIFT};
	const struct disk_attachment *found;
	struct disk_attachment attachment;
	struct disk_machine *machine;
	enum status status = service_machine_prepare(service, &machine);

	if (status != STATUS_OK)
		return status;
	found = machine_attachment(machine, page);
	if (!found)
		return STATUS_NOT_FOUND;
	attachment = *found;
	status = attachment_remove(machine, page);
	/* COMMIT POINT, which that was */
	if (status == STATUS_OK)
		machine_withdraw(service, (page_t){attachment_place(&attachment)},
				 attachment.pages);
	return status;
}

/* What has ended is attached no more, whoever has not noticed yet. */
static enum status attached_next(const struct disk_machine *machine, page_t from,
				 const struct disk_attachment **next)
{
	enum status status = STATUS_DEAD;

	for (uint32_t i = 0; i < MACHINE_ATTACHMENTS && status == STATUS_DEAD; i++) {
		*next = machine_attachment_next(machine, from);
		if (!*next)
			return STATUS_NOT_FOUND;
		status = object_resolve(&kernel.space, &(*next)->segment, OBJECT_SEGMENT, 0, NULL);
		from.n = attachment_place(*next) + 1;
	}
	return status == STATUS_DEAD ? STATUS_NOT_FOUND : status;
}

enum status machine_op_attached(struct service *service)
{
	const struct disk_attachment *next;
	struct disk_machine *machine;
	enum status status =
		machine_read(&kernel.space, (object_t){service->target->object}, &machine);

	if (status == STATUS_OK)
		status = attached_next(machine, service_attached_from(service), &next);
	if (status != STATUS_OK)
		return status;
	service_answer_attachment(service, next);
	return STATUS_OK;
}

void service_answer_attachment(struct service *service, const struct disk_attachment *attachment)
{
	service->word[0] = attachment_place(attachment) << PAGE_SHIFT;
	service->word[1] = attachment->pages;
	service->word[2] = attachment->rights;
	service->word[3] = attachment->first_page << PAGE_SHIFT;
	service->word[4] = attachment->segment.object;
	service->word[5] = attachment->segment.version;
}

page_t service_attached_from(const struct service *service)
{
	uint64_t address = service->message.word[0];

	return (page_t){address / PAGE_SIZE + (address % PAGE_SIZE != 0)};
}
