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

	if (creation->system->version < SYSTEM_VERSION_MAP)
		return STATUS_BUSY;
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

/* The bank lives, lists what is made, and pays for it. */
static enum status creation_bank(struct space *space, struct creation *creation)
{
	struct disk_account *account;
	struct disk_object bank, made;
	uint64_t bits;
	enum status status = object_read_typed(space, creation->bank, OBJECT_BANK, &bank);

	if (creation->bank.n != OBJECT_ROOT_BANK)
		creation->bank_version = bank.version;
	/* So that what is made can be looked at in the same operation. */
	made = (struct disk_object){.bank = creation->bank.n,
				    .bank_version = creation->bank_version};
	if (status == STATUS_OK)
		status = bank_bits(space, &made, &bits);
	for (uint32_t i = 0; i < creation->count && status == STATUS_OK; i++)
		status = account_prepare(space, creation->part[i].object, &account);
	if (status == STATUS_OK)
		status = bank_list_prepare(space, creation->system, creation->bank,
					   creation->request->type);
	for (uint32_t i = 0; i < creation->plan.count; i++)
		creation->addresses += creation->plan.range[i].pages;
	if (status == STATUS_OK)
		status = bank_charge_prepare(space, creation->bank, creation->charge,
					     creation->addresses);
	return status;
}

enum status creation_prepare(struct space *space, struct creation *creation)
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
	/* Refused before anything is looked for; the addresses are known when that is found. */
	if (status == STATUS_OK)
		status = bank_charge_prepare(space, creation->bank, creation->charge, 0);
	if (status == STATUS_OK)
		status = creation_objects(space, creation);
	if (status == STATUS_OK)
		status = creation_ranges(space, creation);
	if (status == STATUS_OK && type->create_prepare)
		status = type->create_prepare(space, creation);
	if (status == STATUS_OK)
		status = creation_bank(space, creation);
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
	record->bank_version = creation->bank_version;
	record->size = creation->part[index].size;
	if (index < creation->plan.count) {
		record->first_page = creation->plan.range[index].first;
		record->range_pages = creation->plan.range[index].pages;
	}
	creation->part[index].capability =
		capability_make(object, record->version, type, type_find(type)->rights);
	*account_writable(space, object) = (struct disk_account){.next = 0};
}

enum status object_request_check(const struct object_request *request)
{
	const struct type_descriptor *type = type_find(request->type);

	return type && type->check ? type->check(request) : STATUS_INVALID;
}

void creation_commit(struct space *space, struct creation *creation,
		     struct disk_capability *capability)
{
	const struct type_descriptor *type = creation->type;
	struct disk_system *system = creation->system;

	for (uint32_t i = 0; i < creation->count; i++)
		creation_record(space, creation, i);
	/* A machine before its table, which says what ends with it. */
	for (uint32_t i = creation->count; i-- > 0;)
		bank_list_add(space, creation->bank, creation->part[i].object,
			      creation->part[i].type);
	if (type->create_commit)
		type->create_commit(space, creation);
	for (uint32_t i = 0; i < creation->count; i++)
		ASSERT(record_valid(record_writable(space, creation->part[i].object)));
	ASSERT(creation->next_object >= system->next_object);
	ASSERT(creation->next_object <= OBJECT_MAX);
	*capability = creation->part[0].capability;
	range_plan_commit(space, system, &creation->plan);
	system->next_object = creation->next_object;
	system->free_object = creation->free_object;
	system->version = SYSTEM_VERSION; /* from its first account on */
	bank_charge(space, creation->bank, creation->charge, creation->addresses, creation->count);
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
	creation_commit(space, &creation, capability);
	return STATUS_OK;
}
