/* SPDX-License-Identifier: MIT */
/*
 * create.c - the beginning of objects.
 *
 * What is created has one part, or two: itself and its type's companion.  Each part gets
 * a record, a range, and is charged to the bank; what else a type needs is its own to
 * prepare and commit.
 */
#include "objects/objects_priv.h"
#include <string.h>

enum status request_counts(const struct object_request *request, uint64_t most)
{
	if (!request->size)
		return STATUS_INVALID;
	return request->size <= most ? STATUS_OK : STATUS_LIMIT;
}

static void creation_part(struct creation *creation, enum object_type type, uint64_t size)
{
	ASSERT(creation->count < CREATION_PARTS);
	ASSERT(type_find(type));
	creation->part[creation->count].type = type;
	creation->part[creation->count++].size = size;
	creation->charge += object_charge(type, size);
}

/* Free records first, then indexes never used. */
static enum status creation_objects(struct space *space, struct creation *creation)
{
	creation->next_object = creation->system->next_object;
	creation->free_object = creation->system->free_object;
	for (uint32_t i = 0; i < creation->count; i++) {
		bool fresh = !creation->free_object;
		struct disk_object *record;
		enum status status;

		if (fresh && creation->next_object >= OBJECT_MAX)
			return STATUS_LIMIT;
		creation->part[i].object.n =
			fresh ? creation->next_object++ : creation->free_object;
		status = record_prepare(space, creation->part[i].object, &record);
		if (status != STATUS_OK)
			return status;
		if (record->version || record->type != OBJECT_NONE ||
		    record->next_free >= creation->system->next_object ||
		    (i && creation->part[i].object.n == creation->part[0].object.n))
			return STATUS_CORRUPT;
		if (!fresh)
			creation->free_object = record->next_free;
	}
	return STATUS_OK;
}

/* Range i is that of part i: of the same arena, side by side. */
static enum status creation_ranges(struct space *space, struct creation *creation)
{
	uint64_t pages[CREATION_PARTS] = {0};

	if (creation->type->arena == RANGE_NONE)
		return STATUS_OK;
	for (uint32_t i = 0; i < creation->count; i++) {
		const struct type_descriptor *type = type_find(creation->part[i].type);
		uint64_t size = creation->part[i].size;

		ASSERT(type->arena == creation->type->arena);
		if (i == 0 && !type->starts_empty && creation->request->size_max > size)
			size = creation->request->size_max;
		pages[i] = range_round(type_room(type, size));
	}
	static_assert(CREATION_PARTS == 2, "one, and one beside it");
	return range_plan_add(space, creation->system, &creation->plan, creation->type->arena,
			      pages[0], pages[1]);
}

static enum status creation_prepare(struct space *space, struct creation *creation)
{
	const struct object_request *request = creation->request;
	const struct type_descriptor *type = creation->type;
	enum status status = system_prepare(space, &creation->system);

	creation_part(creation, request->type, type->starts_empty ? 0 : request->size);
	if (type->companion)
		creation_part(creation, type->companion, type->companion_size);
	/* Versions end, if a damaged page says that they do; 0 is none. */
	if (status == STATUS_OK &&
	    objects_version(space, creation->system) > UINT64_MAX - CREATION_PARTS)
		status = STATUS_LIMIT;
	if (status == STATUS_OK)
		status = bank_charge_prepare(space, creation->bank, creation->charge);
	if (status == STATUS_OK)
		status = creation_objects(space, creation);
	if (status == STATUS_OK)
		status = creation_ranges(space, creation);
	if (status == STATUS_OK && type->create_prepare)
		status = type->create_prepare(space, creation);
	return status;
}

/* Writes the record of a part, and the capability to it. */
static void creation_record(struct space *space, struct creation *creation, uint32_t index)
{
	enum object_type type = creation->part[index].type;
	object_t object = creation->part[index].object;
	struct disk_object *record = record_writable(space, object);

	ASSERT(!record->version && record->type == OBJECT_NONE);
	memset(record, 0, sizeof(*record));
	record->version = creation->system->next_version =
		objects_version(space, creation->system) + 1;
	ASSERT(record->version > space->version_floor);
	record->type = (uint8_t)type;
	record->bank = creation->bank.n;
	record->size = creation->part[index].size;
	if (index < creation->plan.count) {
		record->first_page = creation->plan.range[index].first;
		record->range_pages = creation->plan.range[index].pages;
	}
	creation->part[index].capability =
		capability_make(object, record->version, type, type_find(type)->rights);
}

enum status object_request_check(const struct object_request *request)
{
	const struct type_descriptor *type = type_find(request->type);

	return type && type->check ? type->check(request) : STATUS_INVALID;
}

enum status object_create(struct space *space, object_t bank, const struct object_request *request,
			  struct disk_capability *capability)
{
	const struct type_descriptor *type = type_find(request->type);
	struct creation creation = {.request = request, .type = type, .bank = bank};
	enum status status = object_request_check(request);

	if (status == STATUS_OK)
		status = creation_prepare(space, &creation);
	if (status != STATUS_OK)
		return status;

	/* Commit point. */
	for (uint32_t i = 0; i < creation.count; i++)
		creation_record(space, &creation, i);
	if (type->create_commit)
		type->create_commit(space, &creation);
	for (uint32_t i = 0; i < creation.count; i++)
		ASSERT(record_valid(record_writable(space, creation.part[i].object)));
	ASSERT(creation.next_object >= creation.system->next_object);
	ASSERT(creation.next_object <= OBJECT_MAX);
	*capability = creation.part[0].capability;
	range_plan_commit(space, creation.system, &creation.plan);
	creation.system->next_object = creation.next_object;
	creation.system->free_object = creation.free_object;
	bank_charge(space, bank, creation.charge, creation.count);
	return STATUS_OK;
}
