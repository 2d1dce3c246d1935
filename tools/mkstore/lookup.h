/* SPDX-License-Identifier: MIT */
/*
 * lookup.h - a snapshot by what somebody typed: NAME, #NUMBER, @GENERATION or an
 * age like -10m (disk/keeping.h).  A name comes first: one that looks like
 * another form is found by it.
 */
#ifndef TOOLS_MKSTORE_LOOKUP_H
#define TOOLS_MKSTORE_LOOKUP_H

#include "tools/mkstore/host.h"

#define LOOKUP_HELP                                                                                \
	"SNAPSHOT is a name, #NUMBER, @GENERATION (the newest that is not younger) or -10m\n"      \
	"(the newest that is at least so old; s, m, h, d).\n"

/* NOT_FOUND: there is none, or it is being deleted. */
enum status lookup_snapshot(struct host *host, const char *text, struct store_snapshot *snapshot);

#endif
