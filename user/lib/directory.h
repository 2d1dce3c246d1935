/* SPDX-License-Identifier: MIT */
/*
 * directory.h - calls to directories, and walking of paths from SLOT_ROOT.
 *
 * A path is names between slashes; the leading slash may be left out, empty
 * names and "." are skipped.  There is no "..": a capability to a directory
 * gives no way to what is above it.
 */
#ifndef USER_LIB_DIRECTORY_H
#define USER_LIB_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "user/lib/handle.h"

#define DIRECTORY_NAME 256u /* bytes of a name with its NUL */

struct directory_item {
	char name[DIRECTORY_NAME];
	enum object_type type;
	uint64_t size;
	uint16_t rights;
	uint32_t object;
	bool alive;
};

enum status directory_lookup(struct directory directory, const char *name, uint32_t to,
			     enum object_type *type);
enum status directory_link(struct directory directory, const char *name, uint32_t from,
			   bool replace);
/* A new segment under a new name, in our slot `to`.  The bank that pays for the directory pays
 * for it, too, and it ends with that one; EXISTS, ALLOWANCE. */
enum status directory_create(struct directory directory, const char *name, uint64_t bytes,
			     uint64_t bytes_max, uint32_t to);
enum status directory_unlink(struct directory directory, const char *name);
/* `to` with slot 0: the same directory. */
enum status directory_rename(struct directory directory, const char *old_name, struct directory to,
			     const char *new_name, bool replace);
/* On entry item->name is the previous name (empty: start). */
enum status directory_next(struct directory directory, struct directory_item *item);
/* Many names with few calls.  At first all but the directory is zero; then each call gives the
 * next name, as directory_next. */
struct directory_list {
	struct directory directory;
	uint32_t at, end, count; /* bytes of data that are used up, and there; names told of them */
	uint64_t alive;
	char last[DIRECTORY_NAME];
	uint8_t data[MESSAGE_DATA];
};
enum status directory_list_next(struct directory_list *list, struct directory_item *item);
/* The same in a snapshot, of the directory of this number there (0: the root), with the
 * store in SLOT_STORE: the next name, or (`exact`) this one. */
enum status directory_past(uint64_t snapshot, uint32_t directory, struct directory_item *item,
			   bool exact);
/* What the path leads to in a snapshot; of the root, item->name is empty. */
enum status path_past(uint64_t snapshot, const char *path, struct directory_item *item);
enum status directory_info(struct directory directory, uint64_t *entries);

/* Capability at the path in a newly taken slot; the caller gives it back.  The
 * root itself is copied.  type may be null. */
enum status path_lookup(const char *path, uint32_t *slot, enum object_type *type);
/* The same where it has to be a port, a segment; WRONG_TYPE. */
enum status path_port(const char *path, struct port *port);
enum status path_segment(const char *path, struct segment *segment);

/* The directory in which the path's last name lies, in a newly taken slot, and
 * that name.  INVALID when the path has no name. */
enum status path_parent(const char *path, struct directory *parent, char name[DIRECTORY_NAME]);

/* Puts a capability to the own port, to send only, at the path, in place of what is there. */
enum status port_publish(const char *path);

#endif
