/* SPDX-License-Identifier: MIT */
/*
 * owner.h - which object a page belongs to, by path, for whoever names a page.
 *
 * Read with the verifier's code alone, from a store that may be damaged: what cannot be
 * read has no name.
 */
#ifndef TOOLS_MKSTORE_OWNER_H
#define TOOLS_MKSTORE_OWNER_H

#include "tools/mkstore/inspect.h"
#include "tools/mkstore/json.h"

struct owners;

/* Of the store in an open file; nothing is read before somebody asks.  Read by `verify`, in which
 * a generation was chosen and which then tells of damage, or where that is null quietly.  Null:
 * memory is short, and then nothing has a name. */
struct owners *owners_open(struct host *host, struct verify *verify);
void owners_close(struct owners *owners);

/* "/notes/mine (segment 45)", "machine 27 (shell)", "segment 45", safe for a terminal; empty:
 * of the system itself, or of nobody that is known.  In a snapshot, or where that is 0 in the
 * live state.  Valid until the next call. */
const char *owners_name(struct owners *owners, uint64_t snapshot, uint64_t page);
/* The same in the live state, or where nobody has it there in the newest snapshot that has. */
const char *owners_name_anywhere(struct owners *owners, uint64_t page);

/* The object that has the page in that state; 0: none. */
uint32_t owners_object(struct owners *owners, uint64_t snapshot, uint64_t page);
/* Of the live state: behind the last object, 0 if there is no system; what one is; and its path,
 * empty if it has none, or with "..." before the part of it that is known and finds a place. */
uint32_t owners_end(struct owners *owners);
const char *owners_type(const struct owners *owners, uint32_t object);
const char *owners_path(const struct owners *owners, uint32_t object, char *text, size_t size);

/* The member "owner" of a finding: such a name, or null. */
static inline void owners_json(struct json *json, const char *name)
{
	if (*name)
		json_text(json, "owner", name);
	else
		json_null(json, "owner");
}

#endif
