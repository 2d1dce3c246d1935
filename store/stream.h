/* SPDX-License-Identifier: MIT */
/*
 * stream.h - writes and reads the frames of a stream (disk/stream.h).
 *
 * For the host tool and for a kernel alike: freestanding, and nothing here knows a store
 * that is mounted.  A writer gathers items until a frame is full; a reader hands out a
 * frame only when all of it has been checked: its checksum, its place in the stream, every
 * item, and that every page decompresses.  What it says of a bad stream names the byte
 * where that part begins.
 */
#ifndef STORE_STREAM_H
#define STORE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "disk/stream.h"

#define STREAM_WHY 240u /* bytes for a line that says what is wrong */

/* ---- writing ------------------------------------------------------------------ */

struct stream_writer {
	/* Takes all bytes or fails. */
	bool (*write)(void *context, const void *data, size_t bytes);
	void *context;
	struct stream_header header;
	struct stream_end totals;
	uint32_t used; /* of the frame */
	uint32_t most; /* bytes of a frame; 0: STREAM_FRAME_MAX */
	uint32_t items;
	uint32_t cleared_at; /* `used` behind a cleared run that is the last item */
	uint64_t position;
	_Alignas(8) uint8_t frame[STREAM_FRAME_MAX];
};

/* Seals and writes the header, whose fields are the caller's except magic,
 * version, size and checksum.  All of these: false when `write` failed. */
bool stream_write_begin(struct stream_writer *writer, const struct stream_header *header);
/* The next page, in rising order. */
bool stream_write_page(struct stream_writer *writer, uint64_t page, enum disk_codec codec,
		       const void *data, uint16_t length);
/* The next page is cleared; runs are made one item. */
bool stream_write_clear(struct stream_writer *writer, uint64_t page);
bool stream_write_end(struct stream_writer *writer);

/* ---- reading ------------------------------------------------------------------ */

enum stream_result {
	STREAM_OK,   /* a frame of items; or the header */
	STREAM_END,  /* the end frame, and nothing behind it */
	STREAM_CUT,  /* the input ended too early */
	STREAM_BAD,  /* not a stream, or not as it was written */
	STREAM_FAIL, /* the input cannot be read */
};

struct stream_reader {
	/* At most `bytes` bytes; 0: no more come; negative: failed, and `why` says it. */
	long (*read)(void *context, void *data, size_t bytes);
	void *context;
	struct stream_header header;
	struct stream_end totals;
	uint64_t position; /* first page behind the items so far */
	uint32_t length;   /* of the payload */
	uint32_t at;	   /* of the next item in it */
	char why[STREAM_WHY];
	_Alignas(8) uint8_t frame[STREAM_FRAME_MAX];
};

enum stream_result stream_read_begin(struct stream_reader *reader);
/* The next frame.  STREAM_OK: its items can be had. */
enum stream_result stream_read_frame(struct stream_reader *reader);
/* The next item of the frame and its bytes; false: there are no more. */
bool stream_read_item(struct stream_reader *reader, struct stream_item *item, const void **data);

/* The item's page as it was; the reader has seen that this succeeds. */
void stream_item_unpack(const struct stream_item *item, const void *data, void *page);

#endif
