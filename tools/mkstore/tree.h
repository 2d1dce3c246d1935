/* SPDX-License-Identifier: MIT */
/*
 * tree.h - whole folders, from and to the host: a folder there, or a tar stream.
 *
 * What comes in grows in a directory .partial-NUMBER beside its place, and the last commit
 * gives it its name, so that it is there as a whole or not at all.
 */
#ifndef TOOLS_MKSTORE_TREE_H
#define TOOLS_MKSTORE_TREE_H

#include "tools/mkstore/content.h"
#include "tools/mkstore/host.h"

struct tree {
	struct host *host;
	const char *name; /* of the folder or stream on the host, for messages */
	bool skip;	  /* leave out, with a word each, what the other side has nothing for */
	bool keep_going;  /* see struct content_sink */
	object_t top;	  /* where everything is put below */
	uint64_t files, directories, bytes, skipped, bad_pages;
};

/* ---- tree.c: what is put below `top` -------------------------------------------------- */

/* Names are relative paths; what they lead through is made where it is missing.  What is not
 * COMMAND_OK was printed. */
enum command_exit tree_directory(struct tree *tree, const char *path);
/* Takes the place of a file that has the name already. */
enum command_exit tree_file(struct tree *tree, const char *path,
			    const struct content_source *source);
/* Something for which the other side has nothing: COMMAND_OK where that is left out. */
enum command_exit tree_other(struct tree *tree, const char *path, const char *what);

/* Makes everything of it and names it: as `path`, or, if that is a directory, in it, as `base`
 * or, where that is null, under the names that are at its top.  `fill` calls the above. */
enum command_exit tree_put(struct tree *tree, const char *path, const char *base,
			   enum command_exit (*fill)(struct tree *tree, void *context),
			   void *context);

/* What was done, as facts in JSON. */
struct show;
void tree_show(struct show *show, const struct tree *tree);

/* ---- tree.c: what is below `top`, out of the store ------------------------------------ */

struct walk_item;
struct tree_sink {
	struct tree *tree;
	int folder;		  /* folder.c: what is being made */
	struct output *output;	  /* tar.c */
	enum command_exit result; /* not OK: it was printed why */
	enum status (*file)(struct tree_sink *sink, const struct walk_item *item);
	enum status (*directory)(struct tree_sink *sink, const struct walk_item *item);
};

/* The walk_visit of a sink: its files and directories, and what the host has nothing for. */
enum status tree_visit(void *context, const struct walk_item *item);
/* The bytes of a file, as content_read. */
void tree_read(struct tree_sink *sink, const struct walk_item *item, struct content_sink *content);

/* ---- folder.c, tar.c: both directions -------------------------------------------------- */

/* For tree_put; `context` is the folder's path, or the descriptor of the stream. */
enum command_exit folder_fill(struct tree *tree, void *context);
enum command_exit tar_fill(struct tree *tree, void *context);

/* What is below `top` into a folder, which must not exist, or into a stream. */
enum command_exit folder_get(struct tree *tree);
struct output;
enum command_exit tar_get(struct tree *tree, struct output *output);

#endif
