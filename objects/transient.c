/* SPDX-License-Identifier: MIT */
/*
 * transient.c - the list, in the system page, of objects that are to go.
 */
#include "objects/objects.h"
#include "base/assert.h"
#include <string.h>

enum status transient_prepare(struct space *space, uint32_t count, struct disk_system **system)
{
	enum status status = system_prepare(space, system);
	uint32_t room = 0;

	if (status != STATUS_OK)
		return status;
	for (unsigned i = 0; i < SYSTEM_TRANSIENT_MAX; i++)
		room += !(*system)->transient[i].version;
	return room < count ? STATUS_LIMIT : STATUS_OK;
}

void transient_add(struct disk_system *system, object_t object, uint64_t version)
{
	unsigned i = 0;

	ASSERT(version); /* 0 is a free entry */
	for (unsigned j = 0; j < SYSTEM_TRANSIENT_MAX; j++)
		if (system->transient[j].version == version)
			return;
	while (i < SYSTEM_TRANSIENT_MAX && system->transient[i].version)
		i++;
	ASSERT(i < SYSTEM_TRANSIENT_MAX);
	system->transient[i].object = object.n;
	system->transient[i].version = version;
}

void transient_remove(struct disk_system *system, uint64_t version)
{
	ASSERT(version);
	for (unsigned i = 0; i < SYSTEM_TRANSIENT_MAX; i++)
		if (system->transient[i].version == version)
			memset(&system->transient[i], 0, sizeof(system->transient[i]));
}

enum status transient_create(struct space *space, object_t bank,
			     const struct object_request *request,
			     struct disk_capability *capability)
{
	struct disk_system *system;
	enum status status = transient_prepare(space, 1, &system);

	if (status == STATUS_OK)
		status = object_create(space, bank, request, capability);
	/* Of the same commit point: nothing is prepared any more. */
	if (status == STATUS_OK)
		transient_add(system, (object_t){capability->object}, capability->version);
	return status;
}

enum status transient_find(struct space *space, uint32_t *at, object_t *object,
			   struct disk_object *record)
{
	const struct disk_system *system;
	enum status status;

	for (; *at < SYSTEM_TRANSIENT_MAX; ++*at) {
		status = system_read(space, &system);
		if (status != STATUS_OK)
			return status;
		if (!system->transient[*at].version)
			continue;
		*object = (object_t){system->transient[*at].object};
		status = object_read(space, *object, record);
		if (status == STATUS_NOT_FOUND ||
		    (status == STATUS_OK && record->version != system->transient[*at].version))
			return STATUS_DEAD;
		return status;
	}
	return STATUS_NOT_FOUND;
}

enum status transient_forget(struct space *space, uint32_t at)
{
	struct disk_system *system;
	enum status status = system_prepare(space, &system);

	ASSERT(at < SYSTEM_TRANSIENT_MAX);
	/* Commit point. */
	if (status == STATUS_OK)
		memset(&system->transient[at], 0, sizeof(system->transient[at]));
	return status;
}
