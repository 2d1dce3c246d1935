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

#include <stdbool.h>
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

/* What has the name; NOT_FOUND. */
enum status path_place_lookup(struct host *host, const struct path_place *place,
			      struct disk_capability *capability);
/* OK: nothing has the name; EXISTS. */
enum status path_free(struct host *host, const struct path_place *place);
/* The record of an object that lives; DEAD. */
enum status path_resolve(struct host *host, const struct disk_capability *capability,
			 struct disk_object *record);
/* The name behind that of *entry, which has length 0 before the first; NOT_FOUND. */
enum status path_next(struct host *host, object_t directory, struct directory_entry *entry);
enum status path_unlink(struct host *host, const struct path_place *place);
enum status path_rename(struct host *host, const struct path_place *from,
			const struct path_place *to, bool replace);

/* Makes an object, for which the directory's bank pays, and gives it the name, which must be
 * free. */
enum status path_create(struct host *host, const struct path_place *place,
			const struct object_request *request, object_t *object);
/* The same by path; EXISTS. */
enum status path_make(struct host *host, const char *path, const struct object_request *request,
		      object_t *object);

/* Ends the object and takes its name away.  Commits when that should not wait. */
enum status path_remove(struct host *host, const struct path_place *place, object_t object);

/* What grows, in more commits than one, as .partial-NUMBER until it is whole and renamed. */
struct path_partial {
	char name[40];
	struct path_place place;
	generation_t before; /* durable when it began */
	object_t object;
	bool directory;
};
enum status path_partial_create(struct host *host, object_t directory,
				const struct object_request *request, struct path_partial *partial);
/* Takes back what commits have made durable of it. */
void path_partial_undo(struct host *host, const struct path_partial *partial);

/* names.c: ends all that is below a directory, each after what is below it; of what others may
 * hold only the names go.  BUSY at what has the version `stays`, 0: nothing has. */
enum status names_empty(struct host *host, object_t directory, uint64_t stays);

/* "IMAGE: cannot WHAT 'PATH': why", with the fault of a path that is INVALID.  As
 * host_result. */
enum command_exit path_result(struct host *host, enum status status, const char *what,
			      const char *path);

/* ---- walks: all names below a directory, each directory before what is in it ------------ */

/* Directories of older stores can have several names, and hold each other: each is gone into
 * once. */
struct walk_item {
	const char *path; /* ends with a NUL; valid during the visit */
	size_t length;
	const char *name; /* the last part of it */
	size_t name_length;
	bool dots;	/* the name is "." or "..", which leads elsewhere on the host */
	unsigned depth; /* 0: in the directory where the walk began */
	struct disk_capability capability;
	struct disk_object record; /* zero if it is gone */
	bool alive;
	bool entered; /* a directory, and what is in it comes next */
};

typedef enum status walk_visit(void *context, const struct walk_item *item);

/* The names below the directory, of which `path` stands before each of them.  Ends early with
 * what `visit` returns unless that is OK. */
enum status walk_tree(struct host *host, object_t directory, const char *path, walk_visit *visit,
		      void *context);
/* Only the names in it. */
enum status walk_names(struct host *host, object_t directory, walk_visit *visit, void *context);
/* As walk_tree, past all that cannot be read; *whole: nothing was passed over. */
enum status walk_readable(struct host *host, object_t directory, walk_visit *visit, void *context,
			  bool *whole);

#endif
