/* SPDX-License-Identifier: MIT */
/*
 * diff.h - what differs between two states of a store, by page and by object.
 */
#ifndef TOOLS_MKSTORE_DIFF_H
#define TOOLS_MKSTORE_DIFF_H

#include "tools/mkstore/json.h"
#include "tools/mkstore/owner.h"
#include "tools/mkstore/send.h"

struct diff_side {
	struct host host; /* shows this state as its live one */
	struct send_view view;
	struct owners *owners; /* of the first: null until somebody asks */
};

/* Prints the objects that differ, in order of their names: as elements of an
 * array of `json`, or as lines if that is null. */
enum command_exit diff_objects(struct diff_side *before, struct diff_side *after,
			       struct json *json);

/* Pages that differ in [first, first + count). */
enum status diff_count(struct diff_side *before, struct diff_side *after, uint64_t first,
		       uint64_t count, uint64_t *differ);

#endif
