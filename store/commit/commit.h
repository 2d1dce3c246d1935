/* SPDX-License-Identifier: MIT */
/*
 * commit.h - how a generation becomes durable, or is given up.
 *
 * What other parts of the store may call and see.
 */
#ifndef STORE_COMMIT_COMMIT_H
#define STORE_COMMIT_COMMIT_H

#include "store/cache/cache.h"
#include "store/limits.h"
#include "store/map/map.h"
#include "store/space/space.h"
#include "store/store.h"

/* ---- clears.c ---------------------------------------------------------------- */

struct layout;

struct clears {
	uint32_t count;
	struct {
		uint64_t first, end;
	} run[LIMIT_CLEARS];
};

bool clears_add(struct clears *clears, uint64_t first, uint64_t end);
/* Adds all runs of `more`, which is empty then.  There must be room. */
void clears_join(struct clears *clears, struct clears *more);
bool clears_contain(const struct clears *clears, page_t page);
uint64_t clears_skip(const struct clears *clears, uint64_t page); /* first page not cleared */

/* ---- commit.c ---------------------------------------------------------------- */

/* In the order in which a commit goes through them; what each is: `phases` in commit.c. */
enum commit_phase {
	COMMIT_IDLE,
	COMMIT_STRIKE,	  /* a failed generation that could come back is struck out */
	COMMIT_PREPARE,	  /* the birth limits are looked up */
	COMMIT_RECLAIM,	  /* one step of a snapshot's deletion */
	COMMIT_SPACE,	  /* frozen pages and cleared runs */
	COMMIT_ACTION,	  /* what the catalogue must say */
	COMMIT_CATALOGUE, /* is written */
	COMMIT_FREEMAP,
	COMMIT_DRAIN,	   /* all extents are written */
	COMMIT_FLUSH_DATA, /* unless joint */
	COMMIT_RECORD,
	COMMIT_FLUSH_RECORD,
	COMMIT_ABANDON, /* it failed: its pages become dirty again */
};

struct early {
	uint64_t page;
	struct disk_reference reference;
};

struct commit {
	enum commit_phase phase;
	bool second;		/* the second commit of a restore */
	bool delta;		/* no tree is written */
	uint32_t overlay_index; /* full: next entry of the newest overlay */
	uint64_t superseded;	/* of these: replaced or cleared by this commit */
	slot_t frozen;		/* tree of frames */
	uint64_t frozen_pages;
	unsigned height;     /* of the space when it is done, at most */
	uint64_t max_page;   /* largest written, NIL_KEY: none is */
	struct early *early; /* heap, smallest page first */
	uint32_t early_count;
	uint32_t clear_index;
	uint64_t clear_position;
	/* A reference of the live space is freed when born after `limit`, or after
	 * `limit_passed` where it covers only pages before `cursor`. */
	uint64_t limit, limit_passed, cursor;
	bool joint;
	bool recorded;		 /* its record was submitted: a power cut may bring it back */
	uint32_t epoch;		 /* of the device, when all that is not flushed was begun */
	struct block_request io; /* record, flushes, tombstone */
	enum { IO_NONE, IO_QUEUED, IO_SUBMITTED } io_state;
	volatile bool io_done;
	unsigned read_errors; /* one after the other */
	enum status failed;
	/* ABANDON: what its pages need, counted anew up to this page. */
	bool recounting;
	struct reserve recount;
	uint64_t recounted;
};

/* A generation that failed after its record was submitted (0: none did) and may come back
 * by its slot: the next commit strikes it out first, and then its sectors are free. */
struct doubt {
	uint64_t generation;
	uint32_t slot;
	uint32_t refusals; /* tombstones that the slot did not take */
};

void commit_init(struct store *store, struct layout *layout);
bool commit_step(struct store *store);
/* Of the commit in flight: it writes the tree; it is a restore's second; it is given up. */
bool commit_is_full(const struct store *store);
bool commit_is_second(const struct store *store);
bool commit_is_abandoned(const struct store *store);
/* What could come back is still being struck out: nothing may be written beside it. */
bool commit_strikes(const struct store *store);
bool commit_fail(struct store *store); /* A write failed; false: one had before. */
bool commit_io_busy(const struct store *store);
/* The tallest that it makes the tree of the space; 0: there is none in flight. */
unsigned commit_height(const struct store *store);
uint64_t commit_frozen_pages(const struct store *store);
/* Has it tried often enough what it could not read?  It can go on without only
 * where somebody says so. */
bool commit_read_failed(const struct store *store, enum status status);
/* References of pages before `cursor` are freed when born after this generation. */
void commit_limit_pass(struct store *store, generation_t generation, uint64_t cursor);

/* ---- abandon.c, commit_space.c ------------------------------------------------ */

void abandon_frozen(struct store *store, slot_t slot); /* this page is dirty again */
/* Stages a frozen page before its turn, so that it can be written. */
enum status commit_stage_early(struct store *store, slot_t slot);
void commit_free(struct store *store, enum disk_tree tree, const struct disk_reference *reference,
		 uint64_t end);

#endif
