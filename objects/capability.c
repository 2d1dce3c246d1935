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

/* Does the bank live that it hangs from?  Also where what a dead one paid for counts as alive. */
static enum status revoker_alive(struct space *space, const struct disk_capability *capability,
				 uint64_t *bits)
{
	const struct disk_object *record;
	enum status status;

	*bits = 0;
	if (!capability->revoker)
		return STATUS_OK;
	status = record_read(space, (object_t){capability->revoker}, &record);
	if (status == STATUS_NOT_FOUND)
		return STATUS_CORRUPT;
	if (status == STATUS_OK && record->version != capability->revoker_version)
		return STATUS_DEAD;
	if (status == STATUS_OK)
		status = record_valid(record) ? bank_bits(space, record, bits) : STATUS_CORRUPT;
	*bits |= bank_bit(capability->revoker_version);
	return status;
}

enum status capability_banks(struct space *space, const struct disk_capability *capability,
			     const struct disk_object *record, uint64_t *bits)
{
	uint64_t above;
	enum status status = bank_bits(space, record, bits);

	if (status == STATUS_OK)
		status = revoker_alive(space, capability, &above);
	if (status == STATUS_OK)
		*bits |= above;
	return status;
}

enum status capability_derive_prepare(struct space *space, struct disk_capability *capability,
				      const struct disk_capability *bank)
{
	struct disk_object record, *writable;
	object_t object = {bank->object};
	enum status status = object_resolve(space, bank, OBJECT_BANK, RIGHT_CREATE, &record);
	uint64_t bits;

	/* What is dead does not come back. */
	if (status == STATUS_OK)
		status = revoker_alive(space, capability, &bits);
	if (status != STATUS_OK)
		return status;
	/* The first bank does not end; and what hangs from one does not outlive it. */
	if (object.n < OBJECT_FIRST_FREE)
		return STATUS_INVALID;
	if (capability->revoker)
		status = bank_below(space, object, &record, (object_t){capability->revoker});
	if (status == STATUS_OK)
		status = record_prepare(space, object, &writable);
	if (status != STATUS_OK)
		return status;
	capability->revoker = bank->object;
	capability->revoker_version = bank->version;
	return STATUS_OK;
}

void capability_derive(struct space *space, const struct disk_capability *capability)
{
	struct disk_object *bank = record_writable(space, (object_t){capability->revoker});

	ASSERT(bank->version == capability->revoker_version && bank->type == OBJECT_BANK);
	bank->flags |= OBJECT_DERIVED;
	if (capability->type == OBJECT_PORT && capability->rights & RIGHT_RECEIVE)
		bank->flags |= OBJECT_RECEIVES;
}

uint16_t capability_rights(const struct disk_capability *capability)
{
	bool lists = capability->type == OBJECT_DIRECTORY && capability->rights & RIGHT_READ;

	return capability->rights | (lists ? RIGHT_EXECUTE : 0);
}

void capability_reduce(struct disk_capability *capability, uint16_t rights)
{
	uint16_t left = capability->rights & rights;

	/* What is in another right is told only without that. */
	if (!(left & RIGHT_READ) || capability->type != OBJECT_DIRECTORY)
		left |= capability_rights(capability) & rights;
	capability->rights = left;
}

enum status object_resolve(struct space *space, const struct disk_capability *capability,
			   enum object_type type, uint16_t rights, struct disk_object *record)
{
	struct disk_object found;
	uint64_t bits;
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
	status = revoker_alive(space, capability, &bits);
	if (status != STATUS_OK)
		return status;
	if (type != OBJECT_NONE && capability->type != type)
		return STATUS_WRONG_TYPE;
	if ((capability_rights(capability) & rights) != rights)
		return STATUS_NO_RIGHT;
	if (record)
		*record = found;
	return STATUS_OK;
}
