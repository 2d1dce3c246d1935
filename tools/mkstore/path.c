/* SPDX-License-Identifier: MIT */
/*
 * path.c - walks directories from the root; see path.h.
 */
#include "tools/mkstore/path.h"

#include <stdio.h>
#include <string.h>

/* The next part of *at, moving behind it; length 0 at the end. */
static const char *path_part(const char **at, size_t *length)
{
	const char *part;

	while (**at == '/')
		(*at)++;
	part = *at;
	*length = strcspn(part, "/");
	*at += *length;
	return part;
}

static enum status path_root(struct host *host, struct disk_capability *capability,
			     struct disk_object *record)
{
	const struct disk_system *system;
	object_t root;
	enum status status = HOST_RETRY(host, system_read(&host->space, &system));

	if (status != STATUS_OK)
		return status;
	root = (object_t){system->root_directory};
	status = HOST_RETRY(host, object_capability(&host->space, root, RIGHT_ALL, capability));
	if (status == STATUS_OK)
		status = HOST_RETRY(host, object_read(&host->space, root, record));
	return status;
}

/* One step down.  DEAD is the outcome for a name whose object is gone. */
static enum status path_step(struct host *host, const char *name, size_t length,
			     struct disk_capability *capability, struct disk_object *record)
{
	object_t directory = {capability->object};
	enum status status;

	if (record->type != OBJECT_DIRECTORY)
		return STATUS_WRONG_TYPE;
	if (!directory_name_valid(name, length))
		return STATUS_NOT_FOUND;
	status = HOST_RETRY(host,
			    directory_lookup(&host->space, directory, name, length, capability));
	if (status != STATUS_OK)
		return status;
	return HOST_RETRY(host, object_resolve(&host->space, capability, OBJECT_NONE, 0, record));
}

enum status path_find(struct host *host, const char *path, struct disk_capability *capability,
		      struct disk_object *record)
{
	struct disk_object own;
	const char *part;
	size_t length;
	enum status status;

	if (!record)
		record = &own;
	status = path_root(host, capability, record);
	part = path_part(&path, &length);
	while (status == STATUS_OK && length > 0) {
		status = path_step(host, part, length, capability, record);
		part = path_part(&path, &length);
	}
	return status;
}

enum status path_place_find(struct host *host, const char *path, struct path_place *place)
{
	struct disk_capability capability;
	struct disk_object record;
	const char *part;
	size_t length;
	enum status status = path_root(host, &capability, &record);

	place->name = path_part(&path, &place->length);
	part = path_part(&path, &length);
	while (status == STATUS_OK && length > 0) {
		status = path_step(host, place->name, place->length, &capability, &record);
		place->name = part;
		place->length = length;
		part = path_part(&path, &length);
	}
	if (status != STATUS_OK)
		return status;
	if (record.type != OBJECT_DIRECTORY)
		return STATUS_WRONG_TYPE;
	if (!directory_name_valid(place->name, place->length))
		return STATUS_INVALID;
	place->directory = (object_t){capability.object};
	return STATUS_OK;
}

enum status path_create(struct host *host, const struct path_place *place,
			const struct object_request *request, object_t *object)
{
	const struct disk_system *system;
	struct disk_capability capability;
	object_t bank;
	enum status status = HOST_RETRY(host, system_read(&host->space, &system));

	if (status != STATUS_OK)
		return status;
	bank = (object_t){system->root_bank};
	status = HOST_RETRY(host, object_create(&host->space, bank, request, &capability));
	if (status != STATUS_OK)
		return status;
	*object = (object_t){capability.object};
	return HOST_RETRY(host, directory_link(&host->space, place->directory, place->name,
					       place->length, &capability, false));
}

enum status path_remove(struct host *host, object_t directory, const char *name, size_t length,
			object_t object)
{
	enum status status =
		HOST_RETRY(host, directory_unlink(&host->space, directory, name, length));

	if (status == STATUS_OK)
		status = HOST_RETRY(host, object_destroy(&host->space, object));
	return status == STATUS_OK ? host_relieve(host) : status;
}

const char *path_fault(char text[PATH_FAULT], const char *path)
{
	size_t length, last = 0;
	bool empty = !*path;

	do {
		path_part(&path, &length);
		last = length ? length : last;
	} while (length);
	if (last > TREE_KEY_MAX)
		snprintf(text, PATH_FAULT, "ends in a name of %zu bytes, at most %u are allowed",
			 last, (unsigned)TREE_KEY_MAX);
	else if (!last)
		snprintf(text, PATH_FAULT, empty ? "is empty" : "is the root directory");
	return last > TREE_KEY_MAX || !last ? text : NULL;
}

enum command_exit path_error(struct host *host, enum status status, const char *what,
			     const char *path)
{
	char text[PATH_FAULT];

	if (status != STATUS_INVALID || !path_fault(text, path))
		return host_error(host, status, "cannot %s '%s'", what, path);
	return command_error("%s: cannot %s '%s': it %s", host->path, what, path, text);
}
