/* SPDX-License-Identifier: MIT */
/*
 * service_directory.c - names to capabilities.
 */
#include "kernel/service.h"
#include "base/assert.h"
#include <string.h>

static enum status directory_op_lookup(struct service *service)
{
	enum status status;

	if (!directory_name_valid(service->message.data, service->message.length))
		return STATUS_INVALID;
	status = entry_lookup(&kernel.space, (object_t){service->target->object},
			      service->message.data, service->message.length, &service->capability);
	if (status != STATUS_OK)
		return status;
	directory_narrow(service->target, &service->capability);
	service->word[0] = service->capability.type;
	return STATUS_OK;
}

static enum status directory_op_link(struct service *service)
{
	const struct disk_capability *capability = &service->message.capability[0];
	enum status status;

	if (!directory_name_valid(service->message.data, service->message.length))
		return STATUS_INVALID;
	if (!capability->version)
		return STATUS_NO_CAPABILITY;
	status = entry_link(&kernel.space, (object_t){service->target->object},
			    service->message.data, service->message.length, capability,
			    service->message.word[0] == 1);
	return status == STATUS_BUSY ? service_survey_wait() : status;
}

static enum status directory_op_unlink(struct service *service)
{
	if (!directory_name_valid(service->message.data, service->message.length))
		return STATUS_INVALID;
	return entry_unlink(&kernel.space, (object_t){service->target->object},
			    service->message.data, service->message.length);
}

static enum status directory_op_rename(struct service *service)
{
	const struct disk_capability *other = &service->message.capability[0];
	uint64_t old_length = service->message.word[0];
	uint32_t to = service->target->object;
	const char *name = service->message.data;
	enum status status;

	if (old_length > service->message.length || !directory_name_valid(name, old_length) ||
	    !directory_name_valid(name + old_length, service->message.length - old_length))
		return STATUS_INVALID;
	if (other->version) {
		status = object_resolve(&kernel.space, other, OBJECT_DIRECTORY, RIGHT_WRITE, NULL);
		if (status != STATUS_OK)
			return status;
		to = other->object;
	}
	status = entry_rename(&kernel.space, (object_t){service->target->object}, name, old_length,
			      (object_t){to}, name + old_length,
			      service->message.length - old_length, service->message.word[1] == 1);
	return status == STATUS_BUSY ? service_survey_wait() : status;
}

/* What the space knows of the object of an entry: its size, and if it lives, as far as is known. */
static enum status entry_look(struct space *space, const struct directory_entry *entry,
			      uint64_t *size, bool *alive)
{
	struct disk_object record;
	enum status status =
		object_resolve(space, &entry->capability, entry->capability.type, 0, &record);

	/* A page of a snapshot is not waited for. */
	if (status == STATUS_WAIT || (space == &kernel.space && kernel_tries_again(status)))
		return status;
	*size = status == STATUS_OK ? record.size : 0;
	*alive = status == STATUS_OK || status == STATUS_IO; /* not known to be dead */
	return STATUS_OK;
}

enum status service_answer_entry(struct service *service, struct space *space,
				 const struct directory_entry *entry)
{
	uint64_t size;
	bool alive;
	enum status status = entry_look(space, entry, &size, &alive);

	static_assert(TREE_KEY_MAX <= sizeof(service->data), "a name fits an answer");
	if (status != STATUS_OK)
		return status;
	ASSERT(entry->length && entry->length <= TREE_KEY_MAX);
	memcpy(service->data, entry->name, entry->length);
	service->length = entry->length;
	service->word[0] = entry->capability.type;
	service->word[1] = size;
	service->word[2] = entry->capability.rights;
	service->word[3] = entry->capability.object;
	service->word[4] = alive;
	return STATUS_OK;
}

/* The next entry, as a lookup would give it. */
static enum status directory_entry_next(const struct service *service, const char *name,
					size_t length, struct directory_entry *entry)
{
	enum status status;

	if (length > TREE_KEY_MAX)
		return STATUS_INVALID;
	status =
		entry_next(&kernel.space, (object_t){service->target->object}, name, length, entry);
	if (status == STATUS_OK)
		directory_narrow(service->target, &entry->capability);
	return status;
}

static enum status directory_op_next(struct service *service)
{
	struct directory_entry entry;
	enum status status = directory_entry_next(service, service->message.data,
						  service->message.length, &entry);

	return status == STATUS_OK ? service_answer_entry(service, &kernel.space, &entry) : status;
}

/* Adds an entry to the answer; LIMIT when there is no room. */
static enum status list_add(struct service *service, const struct directory_entry *entry)
{
	struct abi_entry_listed listed = {
		.object = entry->capability.object,
		.rights = entry->capability.rights,
		.type = entry->capability.type,
		.length = entry->length,
	};
	bool alive;
	enum status status;

	if (entry->length + sizeof(listed) > sizeof(service->data) - service->length)
		return STATUS_LIMIT;
	status = entry_look(&kernel.space, entry, &listed.size, &alive);
	if (status != STATUS_OK)
		return status;
	memcpy(service->data + service->length, &listed, sizeof(listed));
	memcpy(service->data + service->length + sizeof(listed), entry->name, entry->length);
	service->length += (uint32_t)sizeof(listed) + entry->length;
	service->word[1] |= (uint64_t)alive << service->word[0]++;
	return STATUS_OK;
}

/* Pages after which a call is long enough: ten names or so; one needs at most about 40. */
#define LIST_READS 64u

/* What has been found is told, whatever comes then: the next call meets it first. */
static enum status directory_op_list(struct service *service)
{
	struct directory_entry entry;
	uint64_t begun = kernel.space.reads;
	enum status status = directory_entry_next(service, service->message.data,
						  service->message.length, &entry);

	static_assert(MESSAGE_DATA / (sizeof(struct abi_entry_listed) + 1) < 64, "a bit for each");
	while (status == STATUS_OK) {
		status = list_add(service, &entry);
		if (status == STATUS_OK && kernel.space.reads - begun > LIST_READS)
			break;
		if (status == STATUS_OK)
			status = directory_entry_next(service, entry.name, entry.length, &entry);
	}
	return service->length ? STATUS_OK : status;
}

static enum status directory_op_info(struct service *service)
{
	service->word[0] = service->record.size;
	service->word[1] = record_charge(&service->record);
	return STATUS_OK;
}

static enum status directory_op_create(struct service *service)
{
	struct object_request request = {.type = OBJECT_SEGMENT,
					 .size = service->message.word[0],
					 .size_max = service->message.word[1]};

	if (!directory_name_valid(service->message.data, service->message.length))
		return STATUS_INVALID;
	kernel.space.patient = !kernel_read_given_up();
	return service_create_wait(entry_create(&kernel.space, (object_t){service->target->object},
						service->message.data, service->message.length,
						&request, &service->capability));
}

static const struct operation directory_operations[SERVICE_OPERATIONS_MAX] = {
#define DIRECTORY_OPERATION SERVICE_ROW
#include "kernel/operations.def"
};

/* Empty at first: there is nothing to ask for. */
static enum status directory_request(const struct service *service, struct object_request *request)
{
	(void)service;
	(void)request;
	return STATUS_OK;
}

const struct service_type directory_service = {
	.operations = directory_operations,
	.request = directory_request,
};
