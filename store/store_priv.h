/* SPDX-License-Identifier: MIT */
/*
 * store_priv.h - what the files of the store share; included nowhere else.
 *
 * The store object is one structure with a part for each mechanism, in the
 * order from the bottom (device, cache) to the top (commit).  Functions
 * that may have to wait return STATUS_WAIT with a channel and have then changed
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
#include "store/essential_priv.h"
#include "store/snapshot_priv.h"
#include "store/window_priv.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "disk structures are used in place");

#define NIL UINT32_MAX /* no frame slot */

/* ---- places and references (map.c, reader.c) ------------------------- */

/* What an extent is and where it belongs; the seed of its checksum. */
struct place {
	enum disk_tree tree;
	unsigned level;
	uint64_t key;
};

static inline uint64_t place_seed(struct place place)
{
	return disk_seed(place.tree, place.level, place.key);
}

static inline bool reference_is_null(const struct disk_reference *reference)
{
	return reference->codec == DISK_CODEC_NONE;
}

static inline bool reference_equal(const struct disk_reference *one,
				   const struct disk_reference *other)
{
	static_assert(sizeof(*one) == 4 * sizeof(uint64_t), "a few comparisons, no call");
	return memcmp(one, other, sizeof(*one)) == 0;
}

/* Can this reference be followed: fields in range, sectors within the store? */
bool reference_valid(const struct disk_reference *reference, struct place place,
		     uint64_t store_sectors);
bool root_valid(const struct disk_root *root, enum disk_tree tree, uint64_t store_sectors);

/* ---- store.c --------------------------------------------------------- */

/* A line for the log; cut off when it is longer than a line. */
void store_log(struct store *store, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- checksum.c, codec.c ---------------------------------------------- */

uint64_t checksum(const void *data, size_t size, uint64_t seed);
/* The checksum of a structure that contains it: the field counts as zero. */
uint64_t checksum_with_hole(void *data, size_t size, uint64_t *field, uint64_t seed);

#define CODEC_STATE_BYTES 16640u
/* Compresses a page into at most `room` bytes; 0 when it does not fit. */
uint32_t codec_compress(void *state, const void *page, void *out, uint32_t room);
bool codec_decompress(const void *in, uint32_t length, void *page);
/* A node's bytes in another order, which compresses better, and back. */
void codec_columns(const struct disk_node *node, void *columns);
void codec_rows(const void *columns, struct disk_node *node);
bool codec_is_zero(const void *page);

/* ---- cache.c ------------------------------------------------------------ */

enum frame_state {
	FRAME_FREE,	/* on the free list */
	FRAME_BORROWED, /* used by the owner for something else */
	FRAME_READING,	/* belongs to a read; tag = its index */
	FRAME_FAILED,	/* the read failed; tag = status, and to whom it is told; LRU */
	FRAME_CLEAN,	/* equals the disk; on the LRU list while unpinned */
	FRAME_DIRTY,	/* tag = working generation: changed in it, in the dirty tree;
			 * older: frozen, not staged yet, in the frozen tree */
	FRAME_HIDDEN,	/* frozen, but cleared since: not to be found any more */
	FRAME_INFLIGHT, /* staged, not durable: a read would not find it on the disk;
			 * tag = its generation */
	FRAME_STATES,
};

struct cache_frame {
	uint64_t key;
	uint32_t hash_next;
	uint32_t left;	/* tree: left child; list: previous */
	uint32_t right; /* tree: right child; list: next */
	uint32_t tag;	/* by state, see above */
	uint32_t number;
	uint32_t state : 4;
	uint32_t pins : 8;
	uint32_t serial : 20; /* the operation that holds it */
};
static_assert(sizeof(struct cache_frame) == 32, "the bound of the memory use counts on it");

#define KEY_SPACE  (UINT64_C(1) << 60) /* | page number */
#define KEY_EXTENT (UINT64_C(2) << 60) /* | 60 bits that stand for the extent */
#define KEY_STORED (UINT64_C(4) << 60) /* | the same: as it lies on the disk */
#define KEY_NUMBER ((UINT64_C(1) << 60) - 1)

struct frame_range {
	uint32_t first, slot, count;
};

enum { WANT_TO_READ = 1, WANT_TO_KEEP = 2, WANT_TO_BORROW = 4 };

struct cache {
	struct cache_frame *frame; /* limits.frames, then the two list heads */
	uint32_t *bucket;
	uint32_t buckets;
	uint8_t *base;
	uint32_t donated;
	uint32_t free_head;
	uint32_t lru;	   /* list head: most recently used first */
	uint32_t inflight; /* list head: oldest last */
	uint32_t lru_count;
	uint32_t count[FRAME_STATES];
	uint32_t serial;
	uint8_t wanted; /* what is waited for on STORE_CHANNEL_FRAMES */
	uint32_t ranges;
	struct frame_range range[LIMIT_FRAME_RANGES];
};

void cache_init(struct store *store);
struct cache_frame *cache_frame(struct store *store, uint32_t slot);
void *cache_data(struct store *store, uint32_t slot);
uint32_t cache_find(struct store *store, uint64_t key);
/* A frame of nobody's; NIL: none.  Owners' requests leave a few to the commit. */
uint32_t cache_take(struct store *store);
bool cache_available(const struct store *store, uint32_t beyond);
void cache_insert(struct store *store, uint32_t slot, uint64_t key, enum frame_state state);
void cache_state_set(struct store *store, uint32_t slot, enum frame_state state);
void cache_unhash(struct store *store, uint32_t slot);
/* Forgets what the frame holds (CLEAN, FAILED or on no list) and frees it. */
void cache_drop(struct store *store, uint32_t slot);
void cache_touch(struct store *store, uint32_t slot);
void cache_retire(struct store *store, uint32_t slot); /* the opposite */
/* Until the next release the frame is not evicted. */
void cache_hold(struct store *store, uint32_t slot);
void cache_release_held(struct store *store);
void cache_lru_add(struct store *store, uint32_t slot);
void cache_list_add(struct store *store, uint32_t head, uint32_t slot);
void cache_list_remove(struct store *store, uint32_t slot);
/* A written extent, kept so that it need not be read again. */
void cache_extent_put(struct store *store, const struct disk_reference *reference,
		      struct place place, const void *data);
/* To keep: a frame that will not be evictable. */
enum status cache_wait_frames(struct store *store, bool to_keep, store_channel_t *channel);
bool cache_pressure(const struct store *store);
void cache_step(struct store *store); /* wakes who waits for frames, if there are any */

/* ---- tree.c: a treap of frames keyed by page number -------------------- */

void tree_insert(struct store *store, uint32_t *root, uint32_t slot);
void tree_remove(struct store *store, uint32_t *root, uint32_t slot);
uint32_t tree_first(struct store *store, uint32_t root);
uint32_t tree_last(struct store *store, uint32_t root);
/* The first at or after / the last before `page`; NIL when there is none. */
uint32_t tree_at_or_after(struct store *store, uint32_t root, uint64_t page);
uint32_t tree_before(struct store *store, uint32_t root, uint64_t page);

/* ---- device.c: synchronous requests for format and mount --------------- */

enum status device_transfer(struct store *store, enum block_operation operation, uint64_t sector,
			    uint32_t sectors, void *data);

/* ---- reader.c ------------------------------------------------------------ */

enum read_state { READ_IDLE, READ_QUEUED, READ_SUBMITTED };

struct read {
	struct block_request request;
	struct disk_reference reference;
	struct place place;
	uint64_t durable; /* newest durable generation at the start */
	uint8_t *bounce;
	uint32_t slot;
	enum read_state state;
	bool orphan; /* the page was cleared: free the frame, tell nobody */
	volatile bool done;
};

struct reader {
	struct read read[LIMIT_READS];
	uint32_t reads; /* requests allowed in flight */
};

/* The extent's content, from the cache or after a read. */
enum status extent_get(struct store *store, const struct disk_reference *reference,
		       struct place place, const void **data, store_channel_t *channel);
/* The same, verified but not decompressed. */
enum status extent_get_stored(struct store *store, const struct disk_reference *reference,
			      struct place place, const void **data, store_channel_t *channel);
/* Its frame is the first to be used for something else: it was needed once. */
void extent_forget(struct store *store, const struct disk_reference *reference, struct place place);
uint32_t reader_find(struct store *store, uint64_t key); /* NIL, too: it is to be read again */
/* Starts reading the page into a fresh frame; WAIT. */
enum status reader_page(struct store *store, uint64_t page, const struct disk_reference *reference,
			store_channel_t *channel);
/* Verifies and decodes what was read (at `stored`) into `page`. */
enum status extent_decode(struct store *store, const struct disk_reference *reference,
			  struct place place, const void *stored, void *page);
void extent_report(struct store *store, const struct disk_reference *reference, struct place place,
		   const char *what);
/* Under which an extent is cached: its sector, its checksum and its place, for
 * what was verified for one place is not verified for another (S5). */
uint64_t extent_key(uint64_t kind, const struct disk_reference *reference, struct place place);
void reader_orphan(struct store *store, uint32_t slot);
bool reader_step(struct store *store);
bool reader_busy(const struct store *store);
bool reader_can_start(const struct store *store);

/* ---- map.c --------------------------------------------------------------- */

unsigned map_height_for(uint64_t key); /* smallest height whose tree has this key */
enum status map_lookup(struct store *store, const struct disk_root *root, enum disk_tree tree,
		       uint64_t key, struct disk_reference *reference, store_channel_t *channel);
/* CORRUPT or IO when a node above one of these keys cannot be read. */
enum status map_readable(struct store *store, const struct disk_root *root, enum disk_tree tree,
			 uint64_t first, uint64_t end, store_channel_t *channel);
/* The reference of the node (level, key) of this tree, null if there is none. */
enum status map_lookup_node(struct store *store, const struct disk_root *root, struct place place,
			    struct disk_reference *reference, store_channel_t *channel);
/* The first key at or after `from` and before `until` that is present; NOT_FOUND.  CORRUPT or IO:
 * *key is the first that a node which cannot be read may hide. */
enum status map_next(struct store *store, const struct disk_root *root, enum disk_tree tree,
		     uint64_t from, uint64_t until, uint64_t *key, store_channel_t *channel);
/* The same without an end, but on IO and CORRUPT *key is the end of what cannot be read. */
enum status map_next_past(struct store *store, const struct disk_root *root, enum disk_tree tree,
			  uint64_t from, uint64_t *key, store_channel_t *channel);
/* The last key below `below` that is present; NOT_FOUND.  IO, CORRUPT: *key is the
 * first of what cannot be read. */
enum status map_before(struct store *store, const struct disk_root *root, enum disk_tree tree,
		       uint64_t below, uint64_t *key, store_channel_t *channel);
/* The first free-map page at or after `from` whose blocks are not all in use. */
enum status map_next_with_room(struct store *store, const struct disk_root *root, uint64_t from,
			       uint64_t *key, store_channel_t *channel);

/* ---- changes.c: sectors taken and given back by one commit -------------- */

enum change_kind { CHANGE_FREE = 0, CHANGE_TAKE = 1 };

struct changes {
	uint64_t *entry; /* sector << 16 | count << 1 | kind */
	uint32_t capacity;
	uint32_t count;
	uint32_t last[2]; /* index of the last entry of each kind, NIL: none */
	uint32_t sort_first, sort_count, sort_build, sort_end; /* sort in progress */
	bool sorting;
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
void changes_push(struct changes *changes, enum change_kind kind, uint64_t sector, uint32_t count);
void changes_free_reference(struct changes *changes, const struct disk_reference *reference);
void changes_drop(struct changes *changes, uint32_t first, uint32_t end);
void changes_sort_begin(struct changes *changes, uint32_t first, uint32_t count);
bool changes_sort_step(struct changes *changes); /* true: sorted */
/* Is there an entry of leaf >> shift within the sorted entries [first, end)? */
bool changes_touches(const struct changes *changes, uint32_t first, uint32_t end, uint64_t leaf,
		     unsigned shift);

/* ---- allocate.c ----------------------------------------------------------- */

struct allocator {
	struct allocator_window blocks; /* wholly free blocks */
	struct allocator_window holes;	/* free sectors in used blocks */
	uint64_t open_sector;		/* next free sector of the block being packed */
	uint32_t open_room;		/* sectors left in it */
	struct allocator_gap gap[LIMIT_GAPS];
	uint32_t gaps;
	bool scarce; /* fill holes */
};

void allocator_begin(struct store *store); /* at the start of a commit */
/* Makes the next allocator_take of any size succeed at once. */
enum status allocator_ready(struct store *store, store_channel_t *channel);
uint64_t allocator_take(struct store *store, uint32_t sectors);
/* Fills the window for its leaf: what is used in either of the two newest
 * generations, or implied to be.  To be repeated while it answers WAIT. */
enum status allocator_window_load(struct store *store, struct allocator_window *window,
				  store_channel_t *channel);
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
enum status reserve_page(struct store *store, uint64_t page, bool exists, store_channel_t *channel);
enum status reserve_clear(struct store *store, uint64_t first, uint64_t count,
			  store_channel_t *channel);
uint64_t reserve_blocks_free(const struct store *store);
uint64_t reserve_blocks_available(const struct store *store);
uint64_t reserve_slop(const struct store *store);
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
uint64_t map_blocks_total(const struct store *store);

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
	uint8_t *scratch; /* one compressed page */
	uint8_t *columns; /* a node turned, while it is packed or unpacked */
	uint8_t *codec_state;
	bool waited; /* somebody waits on STORE_CHANNEL_STAGING */
};

void stage_init(struct store *store);
/* Compresses (unless raw), allocates, copies; gives the reference. */
enum status stage_extent(struct store *store, const void *data, struct place place,
			 struct disk_reference *reference, store_channel_t *channel);
/* The same for a raw block whose place is decided already. */
enum status stage_block(struct store *store, const void *data, struct place place, uint64_t sector,
			struct disk_reference *reference, store_channel_t *channel);
bool stage_step(struct store *store); /* submits, retires; true: something moved */
void stage_close(struct store *store);
bool stage_empty(const struct store *store);
/* Do these sectors lie within the write that is being built? */
bool stage_covers(struct store *store, uint64_t sector, uint32_t sectors);
void stage_discard(struct store *store); /* after a failure: nothing more is submitted */

/* ---- update.c: a tree rewritten in key order ------------------------------- */

struct update {
	enum disk_tree tree;
	struct disk_root old;
	struct disk_root result;
	unsigned height;
	bool started; /* any level opened */
	bool active[DISK_HEIGHT_MAX + 1];
	bool changed[DISK_HEIGHT_MAX + 1];
	uint64_t key[DISK_HEIGHT_MAX + 1];
	struct disk_reference before[DISK_HEIGHT_MAX + 1]; /* replaced node, or null */
	struct disk_node *node[DISK_HEIGHT_MAX + 1];
	struct disk_reference root; /* top-level reference as it stands */
};

/* max_key: the largest key that will be set; NIL_KEY: none will. */
#define NIL_KEY UINT64_MAX
void update_begin(struct store *store, enum disk_tree tree, const struct disk_root *root,
		  uint64_t max_key);
enum status update_seek(struct store *store, uint64_t key, store_channel_t *channel);
/* After update_seek(key): the reference there now / replaces it. */
struct disk_reference *update_entry(struct store *store, uint64_t key);
void update_set(struct store *store, uint64_t key, const struct disk_reference *reference);
/* Makes keys from *position on absent, some at a time, until *position == end. */
enum status update_clear(struct store *store, uint64_t *position, uint64_t end,
			 store_channel_t *channel);
/* Writes what is open; then result is the new root. */
enum status update_finish(struct store *store, store_channel_t *channel);

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
			const uint8_t **bits, store_channel_t *channel);
void freemap_begin(struct store *store);
enum status freemap_step(struct store *store, bool *done, store_channel_t *channel);
/* Stages a page or node of the free map into the next of the blocks set aside. */
enum status freemap_stage(struct store *store, const void *data, struct place place,
			  uint64_t auxiliary, struct disk_reference *reference,
			  store_channel_t *channel);

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

/* ---- overlay.c: pages changed since the last full commit ------------------------ */

/* What a delta record holds: for each page its newest reference, in rising
 * order of pages.  `entry` lies behind the header in an image of a ring slot. */
struct overlay {
	uint32_t count;
	struct disk_delta *entry; /* DISK_DELTA_MAX of them */
};

/* The page's reference; null: the page is as the full generation has it. */
const struct disk_reference *overlay_find(const struct overlay *overlay, uint64_t page);
/* Index of the first entry at or after `page`; count: there is none. */
uint32_t overlay_at_or_after(const struct overlay *overlay, uint64_t page);
/* Sectors of its extents. */
uint64_t overlay_sectors(const struct overlay *overlay);
/* The image of the ring slot in which the entries lie. */
void *overlay_slot(const struct overlay *overlay);
/* Does a delta suit the commit that is about to begin?  See overlay.c. */
bool overlay_suits(const struct store *store);
/* The next overlay is durable: it becomes the newest, the newest the previous. */
void overlay_advance(struct store *store);

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
enum status commit_space_step(struct store *store, bool *done, store_channel_t *channel);
/* Stages a frozen page before its turn, so that it can be written. */
enum status commit_stage_early(struct store *store, uint32_t slot, store_channel_t *channel);
void commit_free(struct store *store, enum disk_tree tree, const struct disk_reference *reference,
		 uint64_t end);

/* page.c: the frame (CLEAN, INFLIGHT, or of an older generation) joins the working one. */
void page_dirty(struct store *store, uint32_t slot);

/* ---- superblock.c, scrub.c -------------------------------------------------------- */

#include "store/media_priv.h"

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
	enum status health; /* how the last commit ended */
	uint32_t failures;  /* commits in a row; until one succeeds they flush data first */
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
	struct disk_record record;     /* of the newest durable generation */
	struct overlay overlay;	       /* what it changes in its full generation's space */
	uint32_t previous_slot;	       /* of the ring: record of the one before it */
	struct disk_root previous_map; /* its free map */
	struct overlay previous;       /* overlay of the one before it */
	uint64_t delta_sectors;	       /* of records written since the last full commit */
	uint32_t delta_max;	       /* entries of a record that one request can write */
	uint64_t previous_blocks;      /* blocks used there that are free now, at most */
	uint64_t generation;	       /* working */
	uint64_t leftover;	       /* snapshot of a restore that failed after it; 0: none */
	uint64_t operation;
	uint32_t dirty; /* tree of frames */
	uint64_t dirty_pages;
	uint8_t *page;		 /* one being built or looked at */
	struct clears clears[2]; /* [0] working, [1] in flight */
	uint64_t wakes[STORE_CHANNELS_MAX];
	struct store_statistics statistics;
	struct index index; /* last: its tables are most of the structure */
};

void store_wake(struct store *store, store_channel_t channel);
/* A deletion goes on, and its space is waited for or was asked for. */
static inline bool store_deletion_presses(const struct store *store)
{
	return store->record.dying && !store->reclaim.broken &&
	       (store->record.dying != store->retention.lazy || store->reclaim.waiting);
}
/* The record of the newest generation is known: pages can be used. */
void store_open(struct store *store);

static inline bool frame_is_writable(const struct store *store, const struct cache_frame *frame)
{
	return frame->state == FRAME_DIRTY && frame->tag == (uint32_t)store->generation;
}

static inline bool store_is_committing(const struct store *store)
{
	return store->commit.phase != COMMIT_IDLE;
}

/* Has the commit tried often enough what it could not read?  It can go on without only
 * where somebody says so. */
static inline bool commit_read_failed(const struct store *store, enum status status)
{
	return status == STATUS_CORRUPT ||
	       (status == STATUS_IO && store->commit.read_errors + 1 >= LIMIT_COMMIT_READS);
}

/* ---- record.c: the commit ring ------------------------------------------------ */

uint64_t record_sector(uint32_t slot);
/* Sectors that a record with this many entries takes. */
uint32_t record_sectors(uint32_t entries);
/* Puts the record before the entries in the overlay's slot, as it is written. */
void record_seal(const struct store *store, const struct disk_record *record,
		 const struct overlay *overlay);
/* As many zeros behind it as are written with it. */
void tombstone_make(const struct store *store, uint32_t slot, uint64_t generation, void *sectors);
/* Sectors written for so many at the beginning of a slot: whole write units. */
uint32_t slot_written(const struct store *store, uint32_t sectors);

enum slot_kind { SLOT_ZERO, SLOT_RECORD, SLOT_TOMBSTONE, SLOT_DAMAGED, SLOT_UNREADABLE };
/* What lies in a slot, of which all is there that a record in it covers. */
enum slot_kind slot_classify(const struct store *store, uint32_t slot, void *image);
/* Sectors that the record in this slot claims to have, judged by its first. */
uint32_t slot_sectors(const void *image);

#endif
