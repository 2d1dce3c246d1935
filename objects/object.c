/* SPDX-License-Identifier: MIT */
/*
 * object.c - the object table: records, versions, types.
 *
 * A record is free (type NONE), living (version not 0) or dying (a type, but
 * version 0).  Versions come from one counter that only rises, so a version
 * names one life of one object for ever; an index is used again after the last
 * step of a destruction.
 *
 *            object_create             object_destroy
 *     FREE ----------------> LIVING -------------------> DYING
 *      ^                                                   |
 *      +----------- object_destroy_step (the last) --------+
 */
#include "objects/objects_priv.h"
#include <string.h>

/* ---- records -------------------------------------------------------------------- */

enum status record_read(struct space *space, object_t object, const struct disk_object **record)
{
	const void *data;
	enum status status;

	if (!object.n || object.n >= OBJECT_MAX)
		return STATUS_NOT_FOUND;
	status = space_read_zeros(space, record_page(object), &data);
	if (status == STATUS_OK)
		*record = (const struct disk_object *)data + object.n % OBJECTS_PER_PAGE;
	return status;
}

enum status record_prepare(struct space *space, object_t object, struct disk_object **record)
{
	enum status status;
	void *data;

	if (!object.n || object.n >= OBJECT_MAX)
		return STATUS_NOT_FOUND;
	status = space_write(space, record_page(object), &data);
	if (status == STATUS_OK)
		*record = (struct disk_object *)data + object.n % OBJECTS_PER_PAGE;
	return status;
}

struct disk_object *record_writable(struct space *space, object_t object)
{
	struct disk_object *records = space_writable(space, record_page(object));

	ASSERT(object.n && object.n < OBJECT_MAX);
	return records + object.n % OBJECTS_PER_PAGE;
}

static enum status record_living(struct space *space, object_t object,
				 const struct disk_object **record)
{
	enum status status = record_read(space, object, record);

	if (status != STATUS_OK)
		return status;
	if (!(*record)->version)
		return STATUS_DEAD;
	return record_valid(*record) ? bank_alive(space, *record) : STATUS_CORRUPT;
}

enum status object_read(struct space *space, object_t object, struct disk_object *record)
{
	const struct disk_object *found;
	enum status status = record_living(space, object, &found);

	if (status == STATUS_OK)
		*record = *found;
	return status;
}

enum status object_prepare(struct space *space, object_t object, struct disk_object **record)
{
	const struct disk_object *found;
	enum status status = record_living(space, object, &found);

	return status == STATUS_OK ? record_prepare(space, object, record) : status;
}

enum status object_read_typed(struct space *space, object_t object, enum object_type type,
			      struct disk_object *record)
{
	enum status status = object_read(space, object, record);

	if (status == STATUS_OK && record->type != type)
		return STATUS_WRONG_TYPE;
	return status;
}

enum status object_prepare_typed(struct space *space, object_t object, enum object_type type,
				 struct disk_object **record)
{
	struct disk_object found;
	enum status status = object_read_typed(space, object, type, &found);

	return status == STATUS_OK ? record_prepare(space, object, record) : status;
}

/* ---- types ----------------------------------------------------------------------- */

/* All there is of these is a version. */
const struct type_descriptor clock_type = {.arena = RANGE_NONE};
const struct type_descriptor console_type = {.arena = RANGE_NONE};
const struct type_descriptor store_type = {.arena = RANGE_NONE};
const struct type_descriptor system_type = {.arena = RANGE_NONE};

#define TYPE_ENTRY(name, number, word) [number] = &word##_type,
static const struct type_descriptor *const types[OBJECT_TYPES] = {OBJECT_LIST(TYPE_ENTRY)};

const struct type_descriptor *type_find(unsigned type)
{
	return type < OBJECT_TYPES ? types[type] : NULL;
}

bool record_valid(const struct disk_object *record)
{
	const struct type_descriptor *type = type_find(record->type);

	if (!type)
		return false;
	if (type->arena == RANGE_NONE) {
		if (record->range_pages)
			return false;
	} else if (!range_valid(type->arena, record->first_page, record->range_pages) ||
		   type_room(type, record->size) > record->range_pages) {
		return false;
	}
	return !type->valid || type->valid(record);
}

uint64_t type_room(const struct type_descriptor *type, uint64_t size)
{
	ASSERT(type->arena != RANGE_NONE);
	return type->room ? type->room(size) : type->charge(size);
}

uint64_t object_charge(enum object_type type, uint64_t size)
{
	const struct type_descriptor *found = type_find(type);

	return found && found->charge ? found->charge(size) : 0;
}

uint64_t record_charge(const struct disk_object *record)
{
	const struct type_descriptor *type = type_find(record->type);

	if (type && type->pays)
		return type->pays(record);
	return object_charge(record->type,
			     record->type == OBJECT_BANK ? record->allowance.limit : record->size);
}

struct range record_second_range(const struct disk_object *record)
{
	const struct type_descriptor *type = type_find(record->type);

	return type->second_range ? type->second_range(record) : (struct range){.pages = 0};
}

uint64_t record_addresses(const struct disk_object *record)
{
	return record->range_pages + record_second_range(record).pages;
}

uint16_t object_rights(enum object_type type)
{
	ASSERT(type_find(type));
	return type_find(type)->rights;
}
