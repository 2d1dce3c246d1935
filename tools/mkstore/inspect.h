/* SPDX-License-Identifier: MIT */
/*
 * inspect.h - opens a store for looking at its structures.
 *
 * What is shown is read by the verifier's code, which needs no whole store: it
 * says on the standard error what is damaged and leaves it out.
 */
#ifndef TOOLS_MKSTORE_INSPECT_H
#define TOOLS_MKSTORE_INSPECT_H

#include <stdbool.h>
#include <stdint.h>
#include "tools/mkstore/host.h"
#include "tools/verify/verify.h"

struct inspect {
	struct host *host; /* the invocation's */
	struct verify *verify;
	enum status status; /* of verify_choose */
	uint64_t findings;  /* errors so far, quiet ones left out */
	uint64_t aside;	    /* of these: before the ring, where one superblock is enough */
	bool quiet;	    /* what is damaged is expected to be */
};

/* For struct verify_reader: `context` is the struct host of an open file. */
enum status inspect_read(void *context, sector_t sector, uint32_t sectors, void *data);
struct verify_reader inspect_reader(struct host *host);

/* Opens IMAGE, with --live beside others, and chooses the generation; `mount`
 * also mounts it, for its objects.  Without it, what cannot be mounted is opened
 * too; then inspect_chosen tells whether there is a generation at all.
 * Otherwise the reason was printed and nothing is left open. */
enum command_exit inspect_open(struct inspect *inspect, const struct command_invocation *invocation,
			       bool mount);
/* True: there is one, and what was found damaged in front of the ring does not count
 * any more: nothing is missing for it.  False: there is none, and the reason was
 * printed. */
bool inspect_chosen(struct inspect *inspect);
/* What to do about a store that cannot be opened for this reason; may be "". */
const char *inspect_hint(enum status status);
/* Closes; turns COMMAND_OK into COMMAND_FAILED if damage was met. */
enum command_exit inspect_close(struct inspect *inspect, enum command_exit result);

/* By number ("7", "#7") or by name.  Null: there is none, which was said. */
const struct disk_snapshot *inspect_snapshot(const struct inspect *inspect, const char *name);

/* The record of the newest generation in the ring below this one; null: there is none. */
const struct disk_record *inspect_record_below(const struct verify *verify, uint64_t generation);

/* "raw", "lz4" ... */
const char *inspect_codec_text(unsigned codec);

#endif
