/* SPDX-License-Identifier: MIT */
/*
 * receive.h - applies a stream to a store, so that it is there or not at all.
 *
 *   nothing received
 *     | one commit: what is live is kept, the record says `receiving`
 *     v
 *   receiving, position 0 .. --- commits: pages applied, position advanced
 *     |                              ^ a cut of any kind leaves the store here
 *     | one commit: snapshot of the stream's name, its source, not `receiving`
 *     v
 *   received
 *
 * In every commit in between, pages before the position are as the stream has
 * them; those behind it are as before, or as the stream has them, and are
 * written again.  So the same stream can be applied from its start or from the
 * position.  Nothing of a frame is applied before the whole of it was checked.
 */
#ifndef TOOLS_MKSTORE_RECEIVE_H
#define TOOLS_MKSTORE_RECEIVE_H

#include "tools/mkstore/host.h"
#include "store/stream.h"

struct receive {
	struct host *host; /* open for HOST_RECEIVE */
	struct stream_reader *reader;
	const char *name; /* for the snapshot; null: the stream's */

	/* What came of it. */
	char snapshot[DISK_SNAPSHOT_NAME];
	uint64_t skipped; /* pages of the stream that were there already */
};

/* The whole stream.  What went wrong was printed, with what to do. */
enum command_exit receive_stream(struct receive *receive);

/* Gives up what is being received: what was live before is live again. */
enum command_exit receive_abort(struct host *host);

#endif
