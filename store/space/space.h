/* SPDX-License-Identifier: MIT */
/*
 * space.h - sectors: which are free, what is promised to whom, where the next extent goes, its way
 * to the disk, what a commit takes and gives back, and what is told to a disk that trims.
 *
 * What other parts of the store may call and see.
 */
#ifndef STORE_SPACE_SPACE_H
#define STORE_SPACE_SPACE_H

#include "store/limits.h"
#include "store/media/media.h"
#include "store/store.h"

/* ---- changes.c: sectors taken and given back by one commit -------------- */

enum change_kind { CHANGE_FREE = 0, CHANGE_TAKE = 1 };

struct layout;

struct changes {
	uint64_t *entry; /* sector << 16 | count << 1 | kind */
	uint32_t capacity;
	uint32_t count;
	uint32_t last[2]; /* index of the last entry of each kind, NIL: none */
	uint32_t sort_first, sort_count, sort_build, sort_end; /* sort in progress */
};

static inline uint64_t change_sector(uint64_t entry)
{
	return entry >> 16;
}

static inline uint32_t change_count(uint64_t entry)
{
	return (uint32_t)(entry >> 1) & 0x7fff;
}

static inline uint64_t change_leaf(uint64_t entry)
{
	return change_sector(entry) / DISK_FREE_MAP_SECTORS;
}

void changes_reset(struct changes *changes);
void changes_push(struct changes *changes, enum change_kind kind, sector_t sector, uint32_t count);
void changes_give_back(struct store *store, const struct disk_reference *reference);
void changes_take(struct store *store, const struct disk_reference *reference);
uint32_t changes_count(const struct store *store);
void changes_lay_out(struct store *store, struct layout *layout);
void changes_drop(struct changes *changes, uint32_t first, uint32_t end);
void changes_sort_begin(struct changes *changes, uint32_t first, uint32_t count);
bool changes_sort_step(struct changes *changes); /* true: sorted */
/* Is there an entry of leaf >> shift within the sorted entries [first, end)? */
bool changes_touches(const struct changes *changes, uint32_t first, uint32_t end, uint64_t leaf,
		     unsigned shift);

/* ---- allocate.c ---------------------------------------------------------------- */

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
	bool kept; /* some may be, for a page of the predecessor's that cannot be read */
};

/* The end of a block that a raw extent was too long for. */
struct allocator_gap {
	sector_t sector;
	uint32_t room; /* sectors */
};

struct allocator {
	struct allocator_window blocks; /* wholly free blocks */
	struct allocator_window holes;	/* free sectors in used blocks */
	uint64_t open_sector;		/* next free sector of the block being packed */
	uint32_t open_room;		/* sectors left in it */
	struct allocator_gap gap[LIMIT_GAPS];
	uint32_t gaps;
	bool scarce;		 /* fill holes */
	bool starved;		 /* this commit finds no room, and some was kept */
	uint64_t blocks_touched; /* that this commit's extents touch, at most */
};

void allocator_open(struct store *store);  /* at mount */
void allocator_begin(struct store *store); /* at the start of a commit */
uint64_t allocator_blocks_touched(const struct store *store);
/* Did this commit find no room, and some was kept for an unread page of the predecessor's map? */
bool allocator_starved(const struct store *store);
/* Makes the next allocator_take of any size succeed at once. */
enum status allocator_ready(struct store *store);
sector_t allocator_take(struct store *store, uint32_t sectors);
/* Fills the window for its leaf: what is used in either of the two newest
 * generations, or implied to be.  To be repeated while it answers WAIT. */
enum status allocator_window_load(struct store *store, struct allocator_window *window);
uint64_t store_leaves(const struct store *store); /* free-map pages of a full map */
static inline uint64_t store_leaves_for(uint64_t sectors)
{
	return (sectors + DISK_FREE_MAP_SECTORS - 1) / DISK_FREE_MAP_SECTORS;
}

/* ---- reserve.c ------------------------------------------------------------ */

struct reserve {
	uint64_t blocks;  /* promised to this generation's commit */
	uint64_t nodes;	  /* of these for nodes */
	uint64_t changes; /* entries of the list of changes, likewise */
};

struct reservation {
	struct reserve working, inflight;
	struct reserve carried;	   /* of the deltas since the last full commit: the next
				    * one uses it up */
	uint64_t short_generation; /* the working one when space was found short */
	bool waiting;		   /* a writer waits for a checkpoint */
	uint32_t changes_limit;	   /* entries that pages and clears may fill */
};

/* Who asks; see reserve.c. */
enum reserve_tier { RESERVE_NEW, RESERVE_EXISTING, RESERVE_SYSTEM, RESERVE_ESSENTIAL };
uint64_t reserve_kept(const struct store *store, enum reserve_tier tier);
enum status reserve_page(struct store *store, page_t page, bool exists);
enum status reserve_clear(struct store *store, uint64_t first, uint64_t count);
/* What has been reserved for the working generation so far; takes back what was since. */
struct reserve reserve_mark(const struct store *store);
void reserve_undo(struct store *store, const struct reserve *mark);
/* Waits for a commit; is that waited for; the commit begins that serves who waits. */
enum status reserve_wait(struct store *store);
bool reserve_is_waited(const struct store *store);
void reserve_served(struct store *store);
/* Freeze: what was reserved for the dirty pages, and for the deltas before, belongs to the
 * commit; a delta leaves it to the next full one.  Then it is durable, or it has failed:
 * all stays promised to the next, which needs no more than a new count says. */
void reserve_freeze(struct store *store, bool full);
void reserve_durable(struct store *store);
void reserve_carry(struct store *store);
void reserve_lower(struct store *store, const struct reserve *count);
/* Is so much reserved that a commit should begin? */
bool reserve_pressure(const struct store *store);
/* Is there anything left for whoever asks last, and how many blocks? */
bool reserve_has_room(const struct store *store);
uint64_t reserve_room(const struct store *store);
uint64_t reserve_nodes(const struct store *store); /* for the next full commit */
uint64_t reserve_blocks_free(const struct store *store);
uint64_t reserve_blocks_available(const struct store *store);
void reserve_begin(struct store *store); /* once the size of the store is known */
/* The same for the generation that begins while the store grows to this size. */
void reserve_grow(struct store *store, uint64_t sectors);
void reserve_add(struct reserve *sum, const struct reserve *more);
/* What a full commit needs for the overlay, for a run of cleared pages, and for a
 * dirty page when `before` (NIL_KEY: none) is the last that was counted. */
struct reserve reserve_of_overlay(struct store *store);
struct reserve reserve_of_clear(const struct store *store, uint64_t first, uint64_t end);
struct reserve reserve_of_next(struct store *store, uint64_t before, uint64_t page);
/* Pages and nodes of a free map of `leaves` pages that as many scattered changes
 * touch. */
uint64_t map_blocks_touched(uint64_t leaves, uint64_t changes);

/* ---- stage.c -------------------------------------------------------------- */

enum stage_state { STAGE_OPEN, STAGE_QUEUED, STAGE_SUBMITTED };

struct stage_request {
	struct block_request request;
	uint32_t start; /* offset in the ring */
	uint32_t bytes; /* of data */
	uint32_t waste; /* bytes skipped before it, at the end of the ring */
	enum stage_state state;
	volatile bool done;
};

struct stage {
	uint8_t *data; /* a ring */
	uint32_t size;
	uint32_t head;		/* where the next byte goes */
	uint32_t used;		/* bytes between the oldest request and head */
	uint32_t first, count;	/* requests, a ring too; the last may be open */
	uint32_t request_bytes; /* largest write */
	struct stage_request request[LIMIT_STAGE_REQUESTS];
	uint8_t *codec_state;
	bool waited; /* somebody waits on STORE_CHANNEL_STAGING */
};

void stage_init(struct store *store, struct layout *layout);
/* The buffer, for others, while nothing is staged: LIMIT_STAGING_MIN bytes or more. */
void *stage_buffer(struct store *store, uint32_t *bytes);
enum status stage_wait(struct store *store); /* for room */
bool stage_is_waited(const struct store *store);
/* Compresses (unless raw), allocates, copies; gives the reference. */
enum status stage_extent(struct store *store, const void *data, struct place place,
			 struct disk_reference *reference);
/* The same for a raw block whose place is decided already. */
enum status stage_block(struct store *store, const void *data, struct place place, sector_t sector,
			struct disk_reference *reference);
bool stage_step(struct store *store); /* submits, retires; true: something moved */
void stage_close(struct store *store);
bool stage_empty(const struct store *store);
/* Do these sectors lie within the write that is being built? */
bool stage_covers(struct store *store, sector_t sector, uint32_t sectors);
void stage_discard(struct store *store); /* after a failure: nothing more is submitted */

/* ---- freemap.c ------------------------------------------------------------- */

enum freemap_phase {
	FREEMAP_GROW,	/* the tree becomes taller: blocks for its new top */
	FREEMAP_SORT,	/* the newest changes */
	FREEMAP_CLOSE,	/* which pages and nodes do they touch: set blocks aside */
	FREEMAP_MERGE,	/* older sorted runs become one, to go on */
	FREEMAP_ORDER,	/* all changes in order of their sectors */
	FREEMAP_STREAM, /* write the pages and nodes */
	FREEMAP_FINISH,
};

struct freemap {
	enum freemap_phase phase;
	uint64_t *run; /* blocks for the pages and nodes: sector << 16 | blocks */
	uint32_t run_capacity, runs, run_taken;
	uint32_t boundary[LIMIT_CHANGE_RUNS]; /* ends of the sorted runs of changes */
	uint32_t boundaries;
	uint32_t position; /* change being looked at */
	unsigned level;	   /* of its leaf's path */
	unsigned height, old_height;
	uint64_t blocks_freed; /* used before, wholly free after */
};

/* A page of this free map; null bits: it is not there yet, and all of it is free. */
enum status freemap_get(struct store *store, const struct disk_root *root, uint64_t leaf,
			const uint8_t **bits);
void freemap_lay_out(struct store *store, struct layout *layout);
void freemap_begin(struct store *store);
uint64_t freemap_blocks_freed(const struct store *store);
enum status freemap_step(struct store *store, bool *done);
/* Stages a page or node of the free map into the next of the blocks set aside. */
enum status freemap_stage(struct store *store, const void *data, struct place place,
			  uint64_t auxiliary, struct disk_reference *reference);

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

#endif
