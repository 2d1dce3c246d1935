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
#include <time.h>
#include "tools/mkstore/host.h"

#define CONTENT_NS UINT64_C(1000000000) /* in a second */

static inline struct timespec content_timespec(uint64_t wall_ns)
{
	return (struct timespec){.tv_sec = (time_t)(wall_ns / CONTENT_NS),
				 .tv_nsec = (long)(wall_ns % CONTENT_NS)};
}

/* A time before 1970 is as good as none. */
static inline uint64_t content_wall_ns(struct timespec time)
{
	return time.tv_sec < 0 ? 0 : (uint64_t)time.tv_sec * CONTENT_NS + (uint64_t)time.tv_nsec;
}

/* Where the bytes of a segment go. */
struct content_sink {
	uint64_t wall_ns; /* afterwards: when they were changed last, 0: unknown */
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

/* Where they come from, in order. */
struct content_source {
	void *context;
	/* So many bytes, all of them; false: errno says why not. */
	bool (*read)(void *context, void *data, size_t length);
	const char *name; /* for messages */
	uint64_t bytes, wall_ns;
};

/* Reads from a descriptor; *context is it.  ENODATA: it ended before. */
bool content_read_descriptor(void *context, void *data, size_t length);

/* Makes the segment's content that of the source.  The segment must be able to hold it.
 * Commits when memory is short. */
enum command_exit content_write(struct host *host, object_t segment,
				const struct content_source *source);
/* When the content of a segment was changed last, as far as is known; 0: it is not.  Reads all
 * of it.  What is damaged counts as changed. */
uint64_t content_time(struct host *host, const struct disk_object *segment);
/* Writes one page, by its number inside the segment; nothing for a page of zeros. */
enum status content_write_page(struct host *host, const struct disk_object *segment, uint64_t index,
			       const void *page);

#endif
