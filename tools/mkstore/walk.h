/* SPDX-License-Identifier: MIT */
/*
 * walk.h - all names below a directory, each directory before what is in it.
 *
 * Directories of older stores can have several names, and hold each other: each is gone
 * into once.
 */
#ifndef TOOLS_MKSTORE_WALK_H
#define TOOLS_MKSTORE_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include "tools/mkstore/host.h"

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
/* The same past all that cannot be read; *whole: nothing was passed over. */
enum status walk_readable(struct host *host, object_t directory, walk_visit *visit, void *context,
			  bool *whole);

#endif
