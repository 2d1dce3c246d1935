/* SPDX-License-Identifier: MIT */
/*
 * capability.c - what a capability names, and whether it is still good.
 */
#include "objects/objects_priv.h"

struct disk_capability capability_make(object_t object, uint64_t version, enum object_type type,
				       uint16_t rights)
{
	ASSERT(object.n && object.n < OBJECT_MAX);
	ASSERT(version); /* what is free or dying is named by nothing */
	ASSERT(type_find(type));
	return (struct disk_capability){
		.version = version, .object = object.n, .type = (uint8_t)type, .rights = rights};
}

enum status object_capability(struct space *space, object_t object, uint16_t rights,
			      struct disk_capability *capability)
{
	struct disk_object record;
	enum status status = object_read(space, object, &record);

	if (status == STATUS_OK)
		*capability = capability_make(object, record.version, record.type, rights);
	return status;
}

/* Everything derived through a revoker ends with it. */
static enum status revoker_alive(struct space *space, const struct disk_capability *capability)
{
	struct disk_object record;
	enum status status;

	if (!capability->revoker)
		return STATUS_OK;
	status = object_read(space, (object_t){capability->revoker}, &record);
	if (status == STATUS_NOT_FOUND)
		return STATUS_CORRUPT;
	if (status == STATUS_OK && record.version != capability->revoker_version)
		return STATUS_DEAD;
	return status;
}

enum status object_resolve(struct space *space, const struct disk_capability *capability,
			   enum object_type type, uint16_t rights, struct disk_object *record)
{
	struct disk_object found;
	enum status status;

	if (!capability->version)
		return STATUS_NO_CAPABILITY;
	status = object_read(space, (object_t){capability->object}, &found);
	if (status == STATUS_NOT_FOUND)
		return STATUS_CORRUPT;
	if (status != STATUS_OK)
		return status;
	if (found.version != capability->version)
		return STATUS_DEAD;
	/* A version has one type: only a reply names a record of another one. */
	if (found.type !=
	    (capability->type == OBJECT_REPLY ? (uint8_t)OBJECT_MACHINE : capability->type))
		return STATUS_CORRUPT;
	status = revoker_alive(space, capability);
	if (status != STATUS_OK)
		return status;
	if (type != OBJECT_NONE && capability->type != type)
		return STATUS_WRONG_TYPE;
	if ((capability->rights & rights) != rights)
		return STATUS_NO_RIGHT;
	if (record)
		*record = found;
	return STATUS_OK;
}
