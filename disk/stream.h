/* SPDX-License-Identifier: MIT */
/*
 * stream.h - a generation, or what differs between two, as a stream of bytes.
 *
 *   +--------+-------+-------+-- ... --+-----------+
 *   | header | frame | frame |         | end frame |
 *   +--------+-------+-------+-- ... --+-----------+
 *
 * A stream is read from its start to its end, once, so it goes through a pipe.
 * Every byte is covered by a checksum: the header by its own, every frame,
 * payload included, by its own with the header's checksum as the seed, so that
 * a frame of another stream is as invalid as a damaged one.  Frames are
 * numbered; the last one says so and tells the totals, so that a stream that
 * was cut off at any byte is not complete.
 *
 * All fields are little-endian and of fixed width, all reserves are zero.  The
 * prose is docs/stream-format.md.
 */
#ifndef DISK_STREAM_H
#define DISK_STREAM_H

#include "disk/format.h"

#define STREAM_VERSION	   1u
#define STREAM_MAGIC	   UINT64_C(0x314d414552545350) /* "PSTREAM1" */
#define STREAM_FRAME_MAGIC 0x4d524650u			/* "PFRM" */
#define STREAM_FRAME_MAX   262144u			/* bytes of a frame with its payload */

/* Bits of `features` that are known: none.  Any other forbids receiving. */
#define STREAM_FEATURES_KNOWN UINT64_C(0)

/*
 * Which generation of which store this is, and what it builds on.  checksum =
 * XXH3-64 over the 512 bytes with the field itself zero, seed 0.  A digest is
 * XXH3-64 over the root of the space (struct disk_root), seeded with XXH3-64 of
 * the store's identity; if a delta lies over that root, XXH3-64 over its entries
 * with that as the seed.  The root's reference holds the checksum of all below,
 * so equal digests mean equal states.
 */
struct stream_header {
	uint64_t magic;
	uint32_t version;
	uint32_t header_size; /* sizeof(struct stream_header) */
	uint64_t features;
	uint8_t identity[16]; /* of the store it comes from */
	uint64_t generation;
	uint64_t digest;
	uint64_t base;	      /* generation it builds on, 0: all pages are here */
	uint64_t base_digest; /* of that */
	uint64_t first_page;  /* pages before it are not in this stream */
	uint64_t wall_ns;     /* of the commit of the generation */
	uint64_t uptime_ns;
	struct disk_counters counters; /* of the sending store */
	uint64_t space_pages;	       /* pages that the whole generation has */
	uint64_t pages;		       /* that follow, and of these: */
	uint64_t blocks;	       /*   how many blocks they fill, packed in order */
	uint64_t leaves;	       /*   how many nodes of level 1 they are in */
	uint64_t cleared;	       /* pages that follow as cleared */
	char name[DISK_SNAPSHOT_NAME]; /* of the snapshot; empty: the live state was sent */
	char base_name[DISK_SNAPSHOT_NAME];
	uint8_t reserved[208];
	uint64_t checksum;
};

enum stream_frame_kind {
	STREAM_FRAME_PAGES = 1, /* struct stream_item, one or more */
	STREAM_FRAME_END = 2,	/* struct stream_end */
};

/*
 * `length` bytes of payload follow, a multiple of 8.  checksum = XXH3-64 over
 * frame and payload with the field itself zero, seed = the header's checksum.
 */
struct stream_frame {
	uint32_t magic;
	uint32_t kind;	   /* enum stream_frame_kind */
	uint64_t sequence; /* from 1 */
	uint32_t length;
	uint32_t items;	   /* pages: how many */
	uint64_t position; /* first page behind the items; end: DISK_PAGE_MAX */
	uint64_t reserved;
	uint64_t checksum;
};

#define STREAM_PAYLOAD_MAX (STREAM_FRAME_MAX - (uint32_t)sizeof(struct stream_frame))

/*
 * One page, or a run of pages that the base has and the generation has not.
 * `length` bytes follow, with zeros up to a multiple of 8.  Items are in rising
 * order of their pages throughout the stream and do not overlap.
 */
struct stream_item {
	uint64_t page;
	uint32_t count;	 /* pages in the run; 1 except for NONE */
	uint16_t length; /* bytes; RAW: 4096; ZERO and NONE: 0 */
	uint8_t codec;	 /* enum disk_codec; NONE: the run is cleared */
	uint8_t reserved;
};

struct stream_end {
	uint64_t frames; /* before this one */
	uint64_t pages;	 /* as in the header */
	uint64_t cleared;
	uint64_t bytes; /* of the stream before this frame */
};

#endif
