/* SPDX-License-Identifier: MIT */
/*
 * send.h - writes a generation, or what differs between two, as a stream.
 */
#ifndef TOOLS_MKSTORE_SEND_H
#define TOOLS_MKSTORE_SEND_H

#include "tools/mkstore/host.h"
#include "store/stream.h"

/* One side of a stream or of a difference. */
struct send_view {
	struct store_view view;
	char name[DISK_SNAPSHOT_NAME]; /* of the snapshot; empty: the live state */
	uint64_t wall_ns, uptime_ns;
};

/* The snapshot that is meant (host.h), or the newest generation for "live".  Otherwise the
 * reason was printed. */
enum command_exit send_view_open(struct host *host, const char *name, struct send_view *view);

/* The first page at or behind *page that is not the same in both; `from` null: that is in `to`.
 * NOT_FOUND: there is none. */
enum status send_next(struct host *host, const struct send_view *from, const struct send_view *to,
		      page_t *page, enum store_difference *difference);

struct send {
	struct host *host;
	struct stream_writer *writer;
	const struct send_view *from; /* null: all pages */
	const struct send_view *to;
	uint64_t first_page;
};

/* The whole stream.  What went wrong was printed; when `write` failed, that is
 * for the caller to do. */
enum command_exit send_stream(struct send *send, bool *write_failed);

#endif
