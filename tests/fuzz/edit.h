/* SPDX-License-Identifier: MIT */
/*
 * edit.h - an input as a list of changes to a base store.
 *
 *   byte 0         which base
 *   then each 16   struct fuzz_edit
 *
 * All changes are made to the decoded structures; then everything changed is
 * encoded again, from the leaves up, and every checksum on the way to the record
 * made right, so that the changes reach the code behind the checksums.  Changes
 * of kind RAW come last and are not repaired.
 */
#ifndef TESTS_FUZZ_EDIT_H
#define TESTS_FUZZ_EDIT_H

#include "tests/fuzz/base.h"

#define EDITS_MAX 24u

enum edit_kind {
	EDIT_BYTES,	/* `value` at `offset`: 1, 2, 4 or 8 bytes by the low bits of `how` */
	EDIT_FIELD,	/* the field `offset` of the structure, likewise */
	EDIT_ENTRY,	/* a field of reference `from` in a node, a record or a snapshot */
	EDIT_REFERENCE, /* a reference becomes the one to structure `from` */
	EDIT_CONTENT,	/* the whole content becomes that of `from` */
	EDIT_RAW,	/* a byte on the disk, unrepaired */
	EDIT_SLOT,	/* slot `offset` becomes a copy of slot structure `from`, or other things */
	EDIT_READ_ERROR, /* its sectors cannot be read */
	EDIT_STEP,	 /* not a change: something to do when the store is mounted */
	EDIT_KINDS
};

enum edit_how {
	EDIT_WIDTH = 3,	    /* log2 of the bytes */
	EDIT_ADD = 4,	    /* add, do not set */
	EDIT_XOR = 8,	    /* exclusive or */
	EDIT_RESEAL = 0x80, /* references: make the checksum right for where it leads now */
};

struct fuzz_edit {
	uint8_t kind, how;
	uint16_t target, offset, from;
	uint64_t value;
};

struct fuzz_script {
	unsigned base;
	unsigned edits;
	struct fuzz_edit edit[EDITS_MAX];
};

void script_read(struct fuzz_script *script, const uint8_t *data, size_t size);
void script_apply(struct fuzz_base *base, const struct fuzz_script *script);
/* Everything as it was. */
void script_revert(struct fuzz_base *base);

/* A custom mutator for such inputs. */
size_t script_mutate(uint8_t *data, size_t size, size_t most, unsigned seed);

#endif
