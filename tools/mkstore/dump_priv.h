/* SPDX-License-Identifier: MIT */
/*
 * dump_priv.h - shared by the dump*.c files and nobody else.
 *
 * dump.c finds the structure, dump_fields.c prints it, field by field under the
 * names of disk/format.h and disk/object.h.
 */
#ifndef TOOLS_MKSTORE_DUMP_PRIV_H
#define TOOLS_MKSTORE_DUMP_PRIV_H

#include "disk/object.h"
#include "tools/mkstore/inspect.h"
#include "tools/mkstore/show.h"

void dump_superblock(struct show *show, const struct disk_superblock *block);
void dump_record(struct show *show, const struct disk_record *record,
		 const struct disk_delta *delta);
void dump_tombstone(struct show *show, const struct disk_tombstone *stone);
void dump_snapshot(struct show *show, const struct disk_snapshot *snapshot);
/* An object's record and account. */
void dump_object(struct show *show, uint32_t object, const struct disk_object *record,
		 const struct disk_account *account);
void dump_reference(struct show *show, const struct disk_reference *reference);
/* A list of references, each under its number. */
void dump_references_begin(struct show *show, const char *name, bool pages);
void dump_references_row(struct show *show, uint64_t number,
			 const struct disk_reference *reference);
/* The sectors in use of one page of the free map. */
void dump_bits(struct show *show, uint64_t first_sector, const uint8_t *bits);
/* Bytes, 16 in a line; in JSON as one string of hexadecimal digits. */
void dump_bytes(struct show *show, const uint8_t *bytes, uint64_t count);

#endif
