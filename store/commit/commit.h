/* SPDX-License-Identifier: MIT */
/*
 * commit.h - how a generation becomes durable, or is given up.
 *
 * What other parts of the store may call and see.
 */
#ifndef STORE_COMMIT_COMMIT_H
#define STORE_COMMIT_COMMIT_H

#include "store/limits.h"
#include "store/map/map.h"
#include "store/space/space.h"
#include "store/store.h"

/* ---- clears.c ---------------------------------------------------------------- */

struct clears {
	uint32_t count;
	struct {
		uint64_t first, end;
	} run[LIMIT_CLEARS];
};

bool clears_add(struct clears *clears, uint64_t first, uint64_t end);
/* Adds all runs of `more`, which is empty then.  There must be room. */
void clears_join(struct clears *clears, struct clears *more);
bool clears_contain(const struct clears *clears, uint64_t page);
uint64_t clears_skip(const struct clears *clears, uint64_t page); /* first page not cleared */

/* ---- commit.c ---------------------------------------------------------------- */

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
	struct store_commit_request request;
	bool second;		   /* the second commit of a restore */
	bool delta;		   /* no tree is written */
	struct disk_record record; /* as it will be */
	struct overlay overlay;	   /* as it will be; its slot is what is written */
	uint32_t overlay_index;	   /* full: next entry of the newest overlay */
	uint64_t superseded;	   /* of these: replaced or cleared by this commit */
	uint32_t frozen;	   /* tree of frames */
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
	uint64_t blocks; /* blocks its extents touch, at most */
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

/* commit.c */
bool commit_step(struct store *store);
void commit_wake(struct store *store);
/* Starts the one request that a commit has beside its extents; the other answers OK
 * when it is over, WAIT or how it failed. */
void commit_io(struct store *store, enum block_operation operation, uint64_t sector,
	       uint32_t sectors, void *data);
enum status commit_io_wait(struct store *store);
/* abandon.c */
void abandon_begin(struct store *store);
bool abandon_step(struct store *store);
void abandon_frozen(struct store *store, uint32_t slot); /* this page is dirty again */
enum status strike_step(struct store *store);
uint32_t commit_slot_next(struct store *store); /* of the ring */
/* commit_space.c */
void commit_space_begin(struct store *store);
enum status commit_space_step(struct store *store, bool *done);
/* Stages a frozen page before its turn, so that it can be written. */
enum status commit_stage_early(struct store *store, uint32_t slot);
void commit_free(struct store *store, enum disk_tree tree, const struct disk_reference *reference,
		 uint64_t end);

/* page.c: the frame (CLEAN, INFLIGHT, or of an older generation) joins the working one. */
void page_dirty(struct store *store, uint32_t slot);

#endif
