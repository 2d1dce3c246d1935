/* SPDX-License-Identifier: MIT */
/*
 * store_priv.h - what the files of the store share; included nowhere else.
 *
 * The store object is one structure with a part for each mechanism, in the
 * order from the bottom (device, cache) to the top (commit).  Functions
 * that may have to wait return STATUS_WAIT through store_wait_for and have then changed
 * nothing that calling them again does not expect: every one is restartable.
 */
#ifndef STORE_STORE_PRIV_H
#define STORE_STORE_PRIV_H

#include <stdarg.h>
#include <string.h>
#include "store/store.h"
#include "base/assert.h"
#include "base/text.h"
#include "store/limits.h"
#include "store/media/media.h"
#include "store/cache/cache.h"
#include "store/map/map.h"
#include "store/space/space.h"
#include "store/commit/commit.h"
#include "store/snapshot/snapshot.h"
#include "store/scrub/scrub.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "disk structures are used in place");

#define NIL UINT32_MAX /* no index */

/* ---- store.c --------------------------------------------------------- */

/* Where the next table or buffer of the store's memory lies. */
struct layout {
	uint8_t *memory;
	size_t used;
};
void *layout_take(struct layout *layout, size_t bytes, size_t alignment);

/* A line for the log; cut off when it is longer than a line. */
void store_log(struct store *store, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- the store ------------------------------------------------------------------ */

struct store {
	struct block_device *device;
	struct store_host host;
	struct store_limits limits;
	bool mounted;
	bool read_only; /* the device is never written */
	bool sealed;	/* nor does a page change in memory */
	bool replaced;
	bool stepping;	    /* inside store_step: may use the reserve of frames */
	bool keeping;	    /* of essential nodes: no operation of the owner asks either */
	enum status health; /* how the last commit ended */
	uint32_t failures;  /* commits in a row; until one succeeds they flush data first */
	uint32_t starved;   /* of these: for room that an unread page of the map kept */
	struct doubt doubt;
	uint64_t bad_slots; /* of the ring: they cannot be written */

	struct cache cache;
	struct essential essential;
	struct reader reader;
	struct stage stage;
	struct changes changes;
	struct allocator allocator;
	struct reservation reservation;
	struct update update;
	struct freemap freemap;
	struct catalogue catalogue;
	struct name_search search;
	struct age_search age_search;
	struct retention retention;
	struct reclaim reclaim;
	struct commit commit;
	struct scrubber scrubber;
	struct discards discards;

	struct disk_superblock *superblock;
	uint32_t write_unit;
	uint64_t identity_seed;
	struct disk_record record;	     /* of the newest durable generation */
	struct overlay overlay;		     /* what it changes in its full generation's space */
	struct disk_record next;	     /* of the generation being committed, as it will be */
	struct overlay next_overlay;	     /* likewise; its slot is what is written */
	struct store_commit_request request; /* what that commit was asked for */
	uint32_t previous_slot;		     /* of the ring: record of the one before it */
	struct disk_root previous_map;	     /* its free map */
	struct overlay previous;	     /* overlay of the one before it */
	uint64_t delta_sectors;		     /* of records written since the last full commit */
	uint32_t delta_max;		     /* entries of a record that one request can write */
	uint64_t previous_blocks;	     /* blocks used there that are free now, at most */
	uint64_t generation;		     /* working */
	uint64_t leftover; /* snapshot of a restore that failed after it; 0: none */
	uint64_t operation;
	slot_t dirty; /* tree of frames */
	uint64_t dirty_pages;
	/* Room for one page each: being built or looked at; compressed; a node turned, while
	 * it is packed or unpacked; and a node for each level of a tree. */
	uint8_t *page, *scratch, *columns;
	struct disk_node *node[DISK_HEIGHT_MAX + 1];
	struct clears clears[2]; /* [0] working, [1] in flight */
	store_channel_t channel; /* of the last WAIT */
	uint64_t wakes[STORE_CHANNELS_MAX];
	struct store_statistics statistics;
	struct index index; /* last: its tables are most of the structure */
};

void store_wake(struct store *store, store_channel_t channel);
/* page.c: the frame (CLEAN, INFLIGHT, or of an older generation) joins the working one. */
void page_dirty(struct store *store, slot_t slot);
/* The record of the newest generation is known: pages can be used. */
void store_open(struct store *store);

static inline bool frame_is_writable(const struct store *store, const struct cache_frame *frame)
{
	return frame->state == FRAME_DIRTY && frame->tag == (uint32_t)store->generation;
}

#endif
