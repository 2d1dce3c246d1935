/* SPDX-License-Identifier: MIT */
/*
 * lookup.h - a snapshot by what somebody typed: NAME, #NUMBER, @GENERATION or an
 * age like -10m (store/keeping.h).  What has another form than a name is not
 * looked for among the names.
 */
#ifndef TOOLS_MKSTORE_LOOKUP_H
#define TOOLS_MKSTORE_LOOKUP_H

#include "tools/mkstore/host.h"

#define LOOKUP_HELP                                                                                \
	"SNAPSHOT is a name, #NUMBER, @GENERATION (the newest that is not younger) or -10m\n"      \
	"(the newest that is at least so old; s, m, h, d).\n"

/* NOT_FOUND: there is none, or it is being deleted. */
enum status lookup_snapshot(struct host *host, const char *text, struct store_snapshot *snapshot);
/* "IMAGE: cannot WHAT: why": also that there is none, in the words of what was
 * asked for.  Returns COMMAND_FAILED. */
enum command_exit lookup_error(struct host *host, enum status status, const char *what,
			       const char *text);

#endif
