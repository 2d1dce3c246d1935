/* SPDX-License-Identifier: MIT */
/*
 * path.h - objects by path, as "/demo/count".
 *
 * The host tool has the disk in its hands, so rights are not asked for; but a
 * name whose object is gone leads nowhere here either.  Empty parts of a path
 * are skipped, so "/", "" and "//" are the root directory.
 */
#ifndef TOOLS_MKSTORE_PATH_H
#define TOOLS_MKSTORE_PATH_H

#include <stddef.h>
#include "tools/mkstore/host.h"

/* A place where a name is or could be. */
struct path_place {
	object_t directory;
	const char *name; /* inside the path given; not terminated */
	size_t length;
};

/* The object of that path, alive.  NOT_FOUND, DEAD (the name outlived the
 * object), WRONG_TYPE (a part of the path is no directory).  record may be
 * null. */
enum status path_find(struct host *host, const char *path, struct disk_capability *capability,
		      struct disk_object *record);

/* The directory that holds the last part of the path.  INVALID: the path is the
 * root itself or the last part is no valid name. */
enum status path_place_find(struct host *host, const char *path, struct path_place *place);

/* Why that is so, to stand behind the path: "is the root directory".  Null: it can be
 * a place. */
#define PATH_FAULT 80
const char *path_fault(char text[PATH_FAULT], const char *path);

/* Makes an object, which the root bank pays for, and gives it the name, which must be
 * free. */
enum status path_create(struct host *host, const struct path_place *place,
			const struct object_request *request, object_t *object);

/* Ends the object and takes its name away.  Commits when that should not wait. */
enum status path_remove(struct host *host, object_t directory, const char *name, size_t length,
			object_t object);

/* names.c: ends all that is below a directory, each after what is below it; BUSY at what has
 * the version `stays`, 0: nothing has. */
enum status names_empty(struct host *host, object_t directory, uint64_t stays);

/* "IMAGE: cannot WHAT 'PATH': why", with the fault of a path that is INVALID.  Returns
 * COMMAND_FAILED. */
enum command_exit path_error(struct host *host, enum status status, const char *what,
			     const char *path);

#endif
