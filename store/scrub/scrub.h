/* SPDX-License-Identifier: MIT */
/*
 * scrub.h - reading again what is durable, past the cache, and repairing what can be.
 *
 * What other parts of the store may call and see.
 */
#ifndef STORE_SCRUB_SCRUB_H
#define STORE_SCRUB_SCRUB_H

#include "store/store.h"

/* ---- scrub_read.c: reading past the cache ------------------------------------- */

struct layout;

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

void scrubber_lay_out(struct store *store, struct layout *layout);
/* The sectors of something durable since generation `birth`, as they are on the
 * disk now; no more than a request takes.  OK, WAIT, IO. */
enum status scrubber_read(struct store *store, sector_t sector, uint32_t sectors,
			  generation_t birth, const uint8_t **data);
/* Only while not busy; WAIT, and then `written` says how it went. */
enum status scrubber_write(struct store *store, sector_t sector, uint32_t sectors, void *data);
bool scrubber_busy(const struct store *store);
bool scrubber_step(struct store *store);

#endif
