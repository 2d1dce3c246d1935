/* SPDX-License-Identifier: MIT */
/*
 * manifest.h - the description of an initial system, read from text.
 *
 * The grammar is in docs/mkstore.md; disk/system.manifest is an example.  The
 * parser checks everything that can be checked without the files it names, so
 * that what it accepts can be laid down.
 */
#ifndef TOOLS_MKSTORE_MANIFEST_H
#define TOOLS_MKSTORE_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "disk/format.h"
#include "disk/object.h"
#include "tools/mkstore/command.h"

#define MANIFEST_BYTES_MAX     (1024u * 1024u)
#define MANIFEST_OBJECTS_MAX   4096u
#define MANIFEST_MACHINES_MAX  256u
#define MANIFEST_ARGUMENTS_MAX 16u
#define MANIFEST_GRANTS_MAX    24u
#define MANIFEST_QUEUE_DEFAULT 16u

enum manifest_kind {
	MANIFEST_DIRECTORY,
	MANIFEST_PROGRAM,
	MANIFEST_FILE,
	MANIFEST_TEXT,
	MANIFEST_SEGMENT
};

struct manifest_object {
	enum manifest_kind kind;
	unsigned line;
	const char *path;
	const char *source;  /* file: its name; text: the text */
	uint64_t size, most; /* segment: bytes */
};

enum manifest_grant_kind {
	MANIFEST_GRANT_OBJECT,
	MANIFEST_GRANT_PORT,
	MANIFEST_GRANT_CONSOLE,
	MANIFEST_GRANT_STORE,
	MANIFEST_GRANT_SYSTEM
};

struct manifest_grant {
	enum manifest_grant_kind kind;
	unsigned line;
	uint32_t slot;	    /* object and port only */
	const char *target; /* path of the object, name of the machine */
	uint16_t rights;
	uint64_t badge;
};

struct manifest_machine {
	unsigned line;
	const char *name;
	const char *program; /* path of an object that is a program */
	uint8_t priority;
	bool essential;
	uint64_t heap; /* bytes; 0: none laid down */
	uint32_t queue;
	const char *argument[MANIFEST_ARGUMENTS_MAX];
	unsigned arguments;
	struct manifest_grant grant[MANIFEST_GRANTS_MAX];
	unsigned grants;
};

struct manifest {
	char *text; /* a copy, cut into strings: all pointers lead into it */
	const char *label;
	uint64_t interval_ns;
	struct disk_retention retention;
	struct manifest_object *object;
	unsigned objects;
	struct manifest_machine *machine;
	unsigned machines;
};

struct manifest_error {
	unsigned line; /* 0: not about a line */
	char text[200];
};

/* False: *error says in which line what is wrong, and nothing is left to free. */
bool manifest_parse(struct manifest *manifest, const char *text, size_t length,
		    struct manifest_error *error);
void manifest_free(struct manifest *manifest);

/* By path or name; null if there is none. */
const struct manifest_object *manifest_object_find(const struct manifest *manifest,
						   const char *path);
const struct manifest_machine *manifest_machine_find(const struct manifest *manifest,
						     const char *name);

/* ---- initial.c ------------------------------------------------------------------ */

struct host;
/*
 * Creates the objects of the manifest in a space that objects_format has just
 * prepared: directories, segments with the bytes of files below `files`, and
 * machines that are about to execute their first instruction.  Does not commit
 * (but for want of memory).  What goes wrong was printed.
 */
enum command_exit initial_lay(struct host *host, const struct manifest *manifest,
			      const char *manifest_name, const char *files);

#endif
