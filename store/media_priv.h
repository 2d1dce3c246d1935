/* SPDX-License-Identifier: MIT */
/*
 * media_priv.h - looking after the disk itself: superblocks, scrub, discard.
 *
 * A part of store_priv.h, in a file of its own; only that includes it.
 */
#ifndef STORE_MEDIA_PRIV_H
#define STORE_MEDIA_PRIV_H

#include "store/limits.h"
#include "store/store.h"
#include "store/window_priv.h"

/* ---- superblock.c ------------------------------------------------------------ */

/* Does this block hold a superblock as it was written: magic, checksum? */
enum status superblock_check(struct disk_superblock *superblock);
/* Finds the superblock, at mount.  *damaged: where the one of the two lies that
 * must be written anew; SUPERBLOCK_NONE: none must. */
#define SUPERBLOCK_NONE UINT64_MAX
enum status superblock_find(struct store *store, struct store_recovery *recovery,
			    uint64_t *damaged);
/* Writes it there, synchronously; the next flush makes it durable. */
void superblock_repair(struct store *store, uint64_t damaged);

/* ---- discard.c: freed blocks -------------------------------------------------- */

struct discard_request {
	struct block_request request;
	enum { DISCARD_IDLE, DISCARD_QUEUED, DISCARD_SUBMITTED } state;
	volatile bool done;
};

struct discards {
	bool on;
	uint64_t run[LIMIT_DISCARD_RUNS]; /* freed by commits; see discard.c */
	uint32_t count;
	uint64_t round;			/* generation after which the list is gone through */
	uint32_t position, kept, block; /* next run; runs kept; next block of that run */
	struct allocator_window window; /* one page of the maps ... */
	uint64_t looked;		/* ... as of this generation */
	struct discard_request request[LIMIT_DISCARDS];
};

void discard_init(struct store *store, bool wanted);
/* A commit has changed this page of the free map. */
void discard_note(struct store *store, uint64_t leaf, const uint8_t *before, const uint8_t *after);
/* Any in flight: nothing may be written. */
bool discard_busy(const struct store *store);
bool discard_step(struct store *store);

/* ---- scrub_read.c: reading past the cache ------------------------------------- */

struct scrubber {
	struct block_request request; /* the last one */
	uint8_t *buffer;	      /* LIMIT_SCRUB_BYTES */
	uint64_t durable;	      /* newest durable generation when it was submitted */
	uint64_t repairing;	      /* superblock being written: its sector + 1; 0: none */
	enum status repair_reason;
	enum status written; /* how the last write went */
	uint64_t repaired;   /* the durable generation when one had been written last, + 1;
			      * 0: none was; UINT64_MAX: it is being written */
	uint64_t unreadable; /* snapshot whose entry could not be read; 0: none */
	enum { SCRUBBER_IDLE, SCRUBBER_QUEUED, SCRUBBER_SUBMITTED } state;
	bool held; /* it was a read, and its outcome can still be used */
	volatile bool done;
};

/* The sectors of something durable since generation `birth`, as they are on the
 * disk now; no more than a request takes.  OK, WAIT, IO. */
enum status scrubber_read(struct store *store, uint64_t sector, uint32_t sectors, uint64_t birth,
			  const uint8_t **data, store_channel_t *channel);
/* Only while not busy; WAIT, and then `written` says how it went. */
enum status scrubber_write(struct store *store, uint64_t sector, uint32_t sectors, void *data,
			   store_channel_t *channel);
bool scrubber_busy(const struct store *store);
bool scrubber_step(struct store *store);

#endif
