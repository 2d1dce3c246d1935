/* SPDX-License-Identifier: MIT */
/*
 * window_priv.h - which sectors of 16 MiB are free, for allocate.c and discard.c.
 */
#ifndef STORE_WINDOW_PRIV_H
#define STORE_WINDOW_PRIV_H

#include "store/store.h"

/* A free-map page as this commit must see it: used now, used in the
 * predecessor, or taken by this commit.  One byte is one block. */
struct allocator_window {
	uint8_t bits[PAGE_SIZE];
	uint64_t leaf;
	uint32_t cursor;	  /* next block to look at */
	uint64_t passed;	  /* leaves left behind by this commit */
	bool loaded, half_loaded; /* the latter: without the predecessor's */
	bool exhausted;		  /* been round once: nothing more to find */
	/* CORRUPT or IO: some of it could not be read, and may be free. */
	enum status unread;
};

/* The end of a block that a raw extent was too long for. */
struct allocator_gap {
	uint64_t sector;
	uint32_t room; /* sectors */
};

#endif
