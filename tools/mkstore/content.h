/* SPDX-License-Identifier: MIT */
/*
 * content.h - bytes of segments, to and from files of the host.
 *
 * Page by page, so that an object may be far larger than memory; pages that
 * are all zeros are left absent.  Both directions show progress.
 */
#ifndef TOOLS_MKSTORE_CONTENT_H
#define TOOLS_MKSTORE_CONTENT_H

#include <stdbool.h>
#include <stdint.h>
#include "tools/mkstore/host.h"

/* Where the bytes of a segment go. */
struct content_sink {
	int descriptor;
	const char *name; /* for messages */
	bool seekable;	  /* holes are left out */
	bool keep_going;  /* damaged pages become zeros, and are counted */
	uint64_t bad_pages;
	bool complete; /* afterwards: all bytes went there, zeros for damaged pages */
};

/* All bytes of a living segment.  What goes wrong was printed. */
enum command_exit content_read(struct host *host, const struct disk_object *segment,
			       struct content_sink *sink);

/* Makes the segment's content that of the first `bytes` bytes of the file.  The
 * segment must be able to hold them.  Commits when memory is short. */
enum command_exit content_write(struct host *host, object_t segment, int descriptor,
				const char *name, uint64_t bytes);
/* The same from memory. */
enum status content_write_bytes(struct host *host, object_t segment, const void *data,
				uint64_t bytes);

/* Resizes, in as many steps as it takes. */
enum status content_resize(struct host *host, object_t segment, uint64_t bytes);

/* Writes one page, by its number inside the segment; nothing for a page of zeros. */
enum status content_write_page(struct host *host, const struct disk_object *segment, uint64_t index,
			       const void *page);

#endif
