/* SPDX-License-Identifier: MIT */
/*
 * store.h - one space of pages, kept by atomic checkpoints.
 *
 * The store is the page cache and the disk engine in one: RAM is a cache of
 * the store.  It is freestanding, allocates nothing after init, starts no
 * thread and never blocks.  Whoever owns it (kernel, mkstore, simulator)
 * drives it:
 *
 *   - store_page_read / store_page_write return STATUS_WAIT, and store_channel says for what, when
 *     something must happen first; the caller tries again after the host's
 *     wake() for that channel.  Trying again too early is harmless.
 *   - store_step does a bounded amount of work and says if more can be done
 *     now; the device's completions make more possible.
 *
 * One operation of the owner ("prepare, then commit") begins with
 * store_operation_begin; every frame it then obtains stays resident, readable
 * and (if obtained for writing) writable until the next begin.  An operation
 * therefore first obtains all its pages, may be told WAIT and give up without
 * trace, and then changes them; nothing can fail after that.  It must not call
 * store_step or store_commit in between.
 *
 * Nothing here may be called from an interrupt handler except a block
 * request's complete(), which only notes the outcome.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "disk/format.h"
#include "base/status.h"
#include "base/types.h"
#include "drivers/block.h"
#include "store/counts.h"
#include "store/keeping.h"

struct store;

/* ---- wait channels --------------------------------------------------- */

/* What to wait for, as a small number.  0 .. STORE_CHANNEL_FIXED - 1 are the
 * fixed ones, the others stand for a request in flight. */
typedef struct {
	uint32_t n;
} store_channel_t;

enum {
	STORE_CHANNEL_COMMIT = 0,  /* the commit in flight (durable or failed) */
	STORE_CHANNEL_FRAMES = 1,  /* a frame can be had again */
	STORE_CHANNEL_STAGING = 2, /* staging space can be had again */
	STORE_CHANNEL_SCRUB = 3,   /* the read of a scrub */
	STORE_CHANNEL_DISCARD = 4, /* a discard in flight */
	STORE_CHANNEL_FIXED = 5,
	STORE_CHANNELS_MAX = 64, /* fixed and in-flight together; from here on the owner's own */
};

/* After STATUS_WAIT, of whatever function it came through: for what.  Until the next WAIT or
 * the next store_step. */
store_channel_t store_channel(const struct store *store);
/* Waits are noted here and nowhere else, those of the owner for its own channels, too: WAIT. */
enum status store_wait_for(struct store *store, store_channel_t channel);

/* ---- set-up ---------------------------------------------------------- */

/* A frame: 4 KiB of memory that caches a page.  Frames are named by their page
 * index relative to frame_base, so that 32 bits suffice. */
typedef struct {
	uint32_t n;
} frame_t;
#define FRAME_NONE ((frame_t){UINT32_MAX})

struct store_host {
	void *context;
	/* Something on this channel happened: let its waiters try again. */
	void (*wake)(void *context, store_channel_t channel);
	/* Withdraw every mapping of this page before its frame is reused.
	 * Null where nothing maps pages. */
	void (*unmap)(void *context, page_t page);
	/* Was the page used through a mapping since last asked?  Clears the
	 * note.  Null: never. */
	bool (*referenced)(void *context, page_t page);
	/* One line for the log, without newline.  Never null. */
	void (*log)(void *context, const char *line);
};

struct store_limits {
	uint32_t frames;	   /* most frames ever donated; fewer than
				    * LIMIT_FRAMES_MIN are too few to mount or format */
	uint32_t staging_bytes;	   /* multiple of 64 KiB, at least 256 KiB */
	uint32_t read_requests;	   /* reads in flight, 1 .. 32 */
	uint64_t system_pages_end; /* pages below are the owner's own: on a full store they
				    * are the last to be refused; 0: none are */
	uint32_t deletion_visits;  /* references compared by one step of a snapshot's
				    * deletion; 0: LIMIT_RECLAIM_VISITS.  For tests. */
};

struct store_config {
	struct block_device *device; /* sector 0 is the superblock */
	struct store_host host;
	struct store_limits limits;
	void *memory;	     /* store_memory_size(limits) bytes, 4096-aligned,
			      * physically contiguous in the kernel; the store itself
			      * and its buffers live there */
	uint8_t *frame_base; /* frame n lies at frame_base + n * 4096 */
	bool read_only;	     /* never writes, not even a tombstone, nor lets pages change; where
			      * only the device is read-only, they may, and nothing is kept */
	bool discard;	     /* tells the device which blocks are freed, if it understands */
};

/* Bytes of memory that init needs for these limits: about 0.9 % of the frames'
 * memory plus staging plus 768 KiB. */
size_t store_memory_size(const struct store_limits *limits);

/* Builds an empty store object in config->memory.  No I/O. */
enum status store_init(struct store **store, const struct store_config *config);

/* Gives a frame to the cache for good.  LIMIT beyond limits.frames. */
enum status store_frame_donate(struct store *store, frame_t frame);

/* Takes a frame out of the cache for another use (page tables) until it is
 * given back; evicts a clean page if need be.  WAIT or NO_MEMORY when none is
 * to be had; a few are always kept back for the store itself. */
enum status store_frame_borrow(struct store *store, frame_t *frame);
void store_frame_return(struct store *store, frame_t frame);

/* ---- formatting ------------------------------------------------------ */

struct store_format_options {
	uint8_t identity[16];
	uint64_t created_ns;
	uint64_t sectors; /* size of the store; at most the device's */
	uint32_t write_unit;
	char label[64];
	/* Features of the format, for good: */
	bool deltas;			 /* commits may be deltas */
	bool columns;			 /* map nodes are packed better */
	bool counted;			 /* a mount estimates nothing */
	struct disk_retention retention; /* zero: no automatic snapshots */
};

/* Formats the device (superblocks, empty ring) and leaves the store mounted
 * with an empty space at generation 0: the first store_commit writes
 * generation 1.  Synchronous: drives the device itself. */
enum status store_format(struct store *store, const struct store_format_options *options);

/* ---- mounting -------------------------------------------------------- */

/* What the disk with this superblock is told apart by: the identity of its own that a copy
 * was given, otherwise the store's (disk/format.h).  False: it is not whole.  The superblock
 * is as it was afterwards. */
struct disk_superblock;
bool store_identify(struct disk_superblock *superblock, uint8_t identity[16]);

enum store_stop { STORE_STOP_FRESH, STORE_STOP_CLEAN, STORE_STOP_POWER_CUT };

struct store_recovery {
	generation_t generation; /* resumed */
	generation_t torn;	 /* fell back from this one; 0: none */
	enum store_stop stop;	 /* how the system had stopped */
	bool restored;		 /* the generation was written by a restore */
	struct disk_counters counters;
	uint64_t wall_ns;	 /* of that commit */
	bool superblock_damaged; /* one of the two; written anew unless read-only */
	char explanation[160];	 /* on error or fall back: what, where, what to do */
};

/*
 * Recovers the last generation.  Synchronous: drives the device with
 * poll(wait).  On failure the store stays unmounted and explanation says why:
 * NOT_A_STORE, VERSION, FEATURE, TRUNCATED, IO, CORRUPT.
 * Reads the superblocks, the ring, and at most 128 blocks to verify.
 */
enum status store_mount(struct store *store, struct store_recovery *recovery);

/* ---- pages ----------------------------------------------------------- */

/* Begins one operation of the owner; see the top. */
void store_operation_begin(struct store *store);
/* The number of the current operation: another one after each begin, only there. */
uint64_t store_operation(const struct store *store);

/*
 * Makes the page resident for reading.  ABSENT: the space has no such page
 * (it reads as zeros; nothing is cached).  WAIT: for store_channel.
 * IO, CORRUPT: the place was logged; only this page is affected.
 * Always finds what the last write put there, committed or not.
 */
enum status store_page_read(struct store *store, page_t page, frame_t *frame);

/*
 * The same, but what is absent is a frame of zeros of its own: for who maps it, since the
 * first write finds it there and takes it.  It stays absent; a frame, no space on the disk,
 * is used for it, and anybody may have that.
 */
enum status store_page_read_zeros(struct store *store, page_t page, frame_t *frame);

/*
 * Makes the page resident and writable in the current generation, creating it
 * as zeros if absent.  Reserves disk space for its next commit; stages it
 * first if it is frozen.  NO_SPACE when the disk cannot take it even after a
 * checkpoint; READ_ONLY; otherwise as store_page_read, also when a node of the map
 * above it cannot be read, for then no commit could write it.
 */
enum status store_page_write(struct store *store, page_t page, frame_t *frame);

/* The data of a resident page, or null.  No side effects; for commit phases. */
void *store_page_resident(struct store *store, page_t page);
/* The same, null unless it is writable in the current generation. */
void *store_page_writable(struct store *store, page_t page);

/* Makes a run of pages absent.  At most STORE_CLEAR_PAGES a call; WAIT when the
 * list of runs to clear is full until the next commit; CORRUPT or IO, and nothing
 * is cleared, when a node of the map above one of the pages cannot be read.  The
 * space comes back when the commit is done.  Must not name pinned pages. */
#define STORE_CLEAR_PAGES 1024u
enum status store_pages_clear(struct store *store, page_t first, uint64_t count);

/* A pinned frame is not evicted (it can still be frozen).  Counts; a frame can
 * be pinned up to 255 times. */
void store_frame_pin(struct store *store, frame_t frame);
void store_frame_unpin(struct store *store, frame_t frame);

/*
 * Pages that stay usable when the store is full: of whoever must be able to look, to
 * end others, to give space back.  At most STORE_ESSENTIAL_PAGES of them should exist, and
 * STORE_ESSENTIAL_WRITTEN be written to (the code of programs is not): with the nodes above
 * them, memory is set aside for the ones and space for the others.  Nobody counts: what is
 * beyond finds room or is refused, as any page.  Replaces what was named before; nothing is
 * after a mount.  The same again changes nothing (false).
 */
struct store_pages {
	page_t first;
	uint64_t count;
};
#define STORE_ESSENTIAL_RUNS	24u
#define STORE_ESSENTIAL_PAGES	224u
#define STORE_ESSENTIAL_WRITTEN 128u
#define STORE_ESSENTIAL_BLOCKS	384u /* set aside, at most */
bool store_essential_set(struct store *store, const struct store_pages *run, uint32_t count);

/* May others go on?  WAIT and NO_SPACE as of a page that exists already: from then on
 * they would use up what the owner's own pages need. */
enum status store_space_check(struct store *store);

static inline void *store_frame_data(uint8_t *frame_base, frame_t frame)
{
	return frame_base + (uint64_t)frame.n * PAGE_SIZE;
}

/* ---- generations ----------------------------------------------------- */

/* The generation being worked on; a page is writable only while its frame
 * belongs to it.  Changes at store_commit, only there. */
generation_t store_generation(const struct store *store);
/* The newest generation that is durable. */
generation_t store_durable(const struct store *store);

/* So many pages, aligned, hang on one node of the map: damage hides them as a whole. */
#define STORE_NODE_PAGES 128u
/* Behind every page. */
#define STORE_PAGES_END ((page_t){UINT64_MAX})
/* The next page of the working space (committed or dirty) that exists at or
 * after `from` and before `end`.  NOT_FOUND past the last; CORRUPT or IO when a node
 * of the map cannot be read: then *page is the first page that may be hidden by it. */
enum status store_page_next(struct store *store, page_t from, page_t end, page_t *page);

/* True when there is anything to commit: dirty pages, cleared runs, or a step
 * of a snapshot's deletion. */
bool store_dirty(const struct store *store);
/* True when the dirty pages should not wait for the interval: memory or disk
 * reservation is short, or a deletion is in progress. */
bool store_pressure(const struct store *store);
/* True while a commit is in flight. */
bool store_committing(const struct store *store);

enum store_action {
	STORE_ACTION_NONE,
	STORE_ACTION_SNAPSHOT, /* the generation is kept under `name` */
	STORE_ACTION_RESTORE,  /* the generation is kept automatically, then a second
				* commit makes snapshot `number` the live state */
	STORE_ACTION_DELETE,   /* marks snapshot `number` dying */
	STORE_ACTION_STOP,     /* marks the record clean: the system stops on purpose */
	STORE_ACTION_RENAME,   /* snapshot `number` is called `name` from now on; an
				* automatic one is then one that was asked for */
	STORE_ACTION_GROW,     /* the store has `sectors` sectors; see STORE_GROW_MIN */
	STORE_ACTION_RETAIN,   /* `retention` is the rule for automatic snapshots */
};

/* A store grows by at least as many sectors: enough for what its larger free
 * map takes. */
#define STORE_GROW_MIN 128u

struct store_commit_request {
	enum store_action action;
	snapshot_t number;
	char name[DISK_SNAPSHOT_NAME]; /* SNAPSHOT, RENAME; RESTORE: name for the replaced
					* state, empty: "before-restore-<generation>" */
	bool discard;		       /* RESTORE: the replaced state is deleted by the commit that
					* would keep it: no power cut leaves it as a snapshot */
	/* From this commit on (RESTORE: from its second) the record says so; a
	 * generation of 0: nothing is being received.  A SNAPSHOT or RESTORE with
	 * which a stream begins fills in `replaced`. */
	bool receiving_set;
	struct disk_receiving receiving;
	struct store_source source;	 /* SNAPSHOT of a state that was received */
	uint64_t sectors;		 /* GROW: the new size */
	struct disk_retention retention; /* RETAIN */
	struct disk_counters counters;
	uint64_t wall_ns;
	/* The system did not run since the mount or format (host tools): the
	 * predecessor's flags CLEAN, FRESH and RESTORE are carried over; after
	 * store_format they are FRESH. */
	bool offline;
};

/*
 * Freezes the current generation and starts its commit: constant time.  BUSY
 * while one is in flight, or the device has not answered all that an abandoned one
 * asked for.  EXISTS, NOT_FOUND, LIMIT, NO_SPACE, READ_ONLY refuse
 * the action before anything happens (NOT_FOUND also for a branch point or
 * dying snapshot; GROW: LIMIT beyond the end of the device, INVALID when that is
 * no growth); IO, CORRUPT, too, when the catalogue cannot be read where the action
 * would change it; WAIT when it must be read first.
 * *generation: the number under which it will be durable (RESTORE: of the
 * second commit).
 */
enum status store_commit(struct store *store, const struct store_commit_request *request,
			 generation_t *generation);

/* Bounded work on whatever is under way (a few pages compressed, one node
 * built, one request issued).  True: calling again at once makes progress. */
bool store_step(struct store *store);

/* OK while all is well.  Otherwise how the last attempt at a commit failed: it was
 * abandoned, its pages are dirty again, and the next store_commit takes them along
 * under another number; until one succeeds, who finds no space is told WAIT, never
 * NO_SPACE.  READ_ONLY: the device is never written. */
enum status store_health(const struct store *store);

/* The commit in flight has frozen pages that are not staged: while the device does not
 * answer, whoever writes one waits. */
bool store_commit_blocks(const struct store *store);
/* Gives up such a commit, so that they need not; does nothing else. */
void store_commit_abandon(struct store *store);

/* After a RESTORE's second commit is durable this is true: every frame is
 * stale.  The owner resets its devices, forgets the store and mounts anew. */
bool store_replaced(const struct store *store);

/* Synchronous help for hosts without interrupts: steps and polls until the
 * reason of the last WAIT is gone or no progress is possible (then false). */
bool store_wait(struct store *store);
/* The same until no commit is in flight; OK or why it failed. */
enum status store_settle(struct store *store);

/* ---- snapshots ------------------------------------------------------- */

/*
 * The snapshot with the smallest number above `after`, branch points and dying
 * ones included.  WAIT, NOT_FOUND.  IO, CORRUPT: the snapshots up to
 * snapshot->number cannot be read, as its flags say; all else is zero.  Ask on from
 * there for the others.
 */
enum status store_snapshot_next(struct store *store, snapshot_t after,
				struct store_snapshot *snapshot);
/* The living snapshot of that name.  Its number is known from an index in memory,
 * which the first search builds.  IO, CORRUPT: none of those that can be read. */
enum status store_snapshot_find(struct store *store, const char *name,
				struct store_snapshot *snapshot);
/* The living snapshot of that number. */
enum status store_snapshot_get(struct store *store, snapshot_t number,
			       struct store_snapshot *snapshot);
/* The newest living snapshot that is neither of a younger generation nor, by the
 * wall clock, taken later, of those that can be read.  IO, CORRUPT: none of them. */
enum status store_snapshot_before(struct store *store, generation_t generation, uint64_t wall_ns,
				  struct store_snapshot *snapshot);

/* ---- views ----------------------------------------------------------- */

/*
 * A view: the pages of one durable generation, read beside whatever the owner
 * does.  It belongs to the caller and holds nothing: no frame, no lock.  All
 * zeros is the view of nothing, which has no pages.  A view ends when what it
 * shows does, the live generation with the next commit, a snapshot with its
 * deletion; every function then answers DEAD.
 */
struct store_view {
	generation_t generation; /* 0: nothing */
	snapshot_t number;	 /* 0: the live generation */
	uint64_t checked;	 /* generation under which it was last known to exist */
	struct disk_root root;
	uint32_t changes; /* pages that are elsewhere than in the tree */
	const struct disk_delta *change;
};

/* Number 0: the newest durable generation, without what is dirty.  NOT_FOUND
 * also for a dying snapshot and a branch point. */
enum status store_view_open(struct store *store, snapshot_t number, struct store_view *view);
/* Tells states apart, also those of copies of a store that went their own ways. */
uint64_t store_view_digest(const struct store *store, const struct store_view *view);

/* How many pages it has.  Looks at nodes only. */
enum status store_view_pages(struct store *store, struct store_view *view, uint64_t *pages);
/* Where the page is; ABSENT.  Looks at nodes only. */
enum status store_view_find(struct store *store, struct store_view *view, page_t page,
			    struct disk_reference *reference);
/* The page's content, verified; ABSENT, IO, CORRUPT.  `data` is good until the
 * next call of the store; its frame is soon used for something else. */
enum status store_view_read(struct store *store, struct store_view *view, page_t page,
			    const void **data);
/* The same as it is stored: `length` bytes of `codec`.  Not for a page of zeros,
 * which has no data (then *data is null). */
enum status store_view_read_stored(struct store *store, struct store_view *view, page_t page,
				   struct disk_reference *reference, const void **data);

enum store_difference {
	STORE_SAME,    /* none was found before *page: go on there */
	STORE_ADDED,   /* only `after` has the page */
	STORE_CHANGED, /* written anew, maybe with what it held */
	STORE_REMOVED, /* only `before` had it */
};
/*
 * The first page at or after *page that is not the same in both views.  Equal
 * parts of both trees are passed over whole: the cost is what differs.  A
 * bounded amount of work each call: STORE_SAME says where it has got to.
 * NOT_FOUND past the last difference.  IO, CORRUPT: *page is the page that cannot
 * be told; all before it has been.
 */
enum status store_view_differ(struct store *store, struct store_view *before,
			      struct store_view *after, page_t *page,
			      enum store_difference *difference);

/*
 * The page cannot be found because a node above it cannot be read: OK, and *end is
 * the first page behind all that this node hides (pages that changed since the
 * tree was written are found all the same).  NOT_FOUND: nothing hides it.  WAIT,
 * DEAD.
 */
enum status store_view_gap(struct store *store, struct store_view *view, page_t page, page_t *end);

/* A read-only store shows this view as its live state from now on, for whoever
 * reads objects of a snapshot.  Right after store_mount. */
void store_view_show(struct store *store, const struct store_view *view);

/* The stream being received, as of the last commit.  Its generation is 0: none is. */
void store_receiving_get(const struct store *store, struct disk_receiving *receiving);

/* ---- discard --------------------------------------------------------- */

/*
 * With config.discard, blocks that a commit frees are discarded after the commit
 * that follows it, as a hint: not all need be.  This discards all that is free
 * in both newest generations, a part at each call, from *position (at first 0)
 * on.  OK: go on.  NOT_FOUND: all is done.  WAIT, READ_ONLY; NO_OPERATION where
 * it was not asked for or the device cannot.
 */
enum status store_discard_free(struct store *store, sector_t *position);

/* ---- scrub ----------------------------------------------------------- */

/*
 * Reads everything reachable from the disk, past the cache, and verifies it: the
 * superblocks, the two newest commit records, the catalogue, the free map, every
 * snapshot, the live state; each extent once.  The owner drives it at its own rate
 * and keeps where it has got to in a structure of fixed width: in memory, in a page
 * of the space, in a file.  It stays valid over commits, deletions, restores and
 * mounts; what changes meanwhile may be read twice or, being newer than the scrub,
 * not at all.  All but `version` and `identity` may be read by the owner, none changed.
 */
#define STORE_SCRUB_VERSION 3u

enum store_scrub_phase {
	STORE_SCRUB_SUPERBLOCKS,
	STORE_SCRUB_RECORDS,
	STORE_SCRUB_CATALOGUE,
	STORE_SCRUB_FREE_MAP,
	STORE_SCRUB_SNAPSHOTS,
	STORE_SCRUB_LIVE,
	STORE_SCRUB_LATE, /* snapshots taken while the live state was walked */
	STORE_SCRUB_DONE,
};

struct store_scrub {
	uint32_t version;
	uint32_t phase; /* enum store_scrub_phase */
	uint32_t level; /* position in a tree, see scrub_walk.c */
	uint32_t walking;
	uint64_t position, passed, number, limit, end;
	uint8_t identity[16];
	uint64_t generation;	  /* the newest durable one at the beginning */
	uint64_t extents;	  /* read and verified, nodes included */
	uint64_t sectors;	  /* of them */
	uint64_t pages;		  /* of the live state and of snapshots, each once */
	uint64_t zero_pages;	  /* of these, without an extent */
	uint64_t nodes;		  /* of all trees */
	uint64_t snapshots;	  /* walked */
	uint64_t read_errors;	  /* places that the disk cannot read */
	uint64_t checksum_errors; /* places that hold something else */
	uint64_t repaired;	  /* superblocks written anew */
};

/* What is damaged, where it is in no tree. */
#define STORE_DAMAGE_SUPERBLOCK 0u
#define STORE_DAMAGE_RECORD	(DISK_TREE_CATALOGUE + 1u) /* in the commit ring */

struct store_damage {
	enum status status;		 /* IO or CORRUPT */
	uint32_t tree;			 /* enum disk_tree, or one of those above */
	uint32_t level;			 /* 0: a page, an entry; above: a node and all below it */
	uint64_t key;			 /* of that level; superblock: 0 or 1, the copy;
					  * record: its slot */
	snapshot_t snapshot;		 /* in whose tree it was found, 0: in the live one */
	struct disk_reference reference; /* sector, sectors, generation (birth) */
	bool repaired;
};

void store_scrub_begin(struct store *store, struct store_scrub *scrub);
/*
 * Verifies a few extents.  OK: some, go on.  WAIT.  NOT_FOUND: all is done.  IO,
 * CORRUPT: *damage says where; go on all the same.  INVALID: *scrub is not one
 * of this store.  A superblock that is damaged is written anew unless the store
 * is read-only, durable with the next commit; the other one only two commits later.
 */
enum status store_scrub_step(struct store *store, struct store_scrub *scrub,
			     struct store_damage *damage);

/* Does the live state see the damaged place?  OK, WAIT.  Whatever belongs to no
 * space (catalogue, free map, records, superblocks) counts as the live state's. */
enum status store_damage_live(struct store *store, const struct store_damage *damage, bool *sees);
/* Does the snapshot with the smallest number above `after`?  As
 * store_snapshot_next; NOT_FOUND at once where no snapshot can. */
enum status store_damage_next(struct store *store, const struct store_damage *damage,
			      snapshot_t after, struct store_snapshot *snapshot, bool *sees);

/* ---- statistics ------------------------------------------------------ */

/* What interests only whoever drives the store. */
struct store_details {
	uint64_t free_blocks;	 /* that the newest generation has no use for */
	uint64_t reserve_blocks; /* of these: left alone by new pages and snapshots */
	uint64_t frames, free_frames, clean_frames, borrowed_frames;
	bool deletion_rests; /* of `dying`: damage is in the way, until the next mount */
	uint8_t copy[16];    /* tells copies of the store apart; zero: none was given */
};
/*
 * Gives this copy of a store an identity of its own; see struct disk_superblock.  Synchronous.
 * READ_ONLY; IO: it has the new one or the one before, and the next mount knows which.
 */
enum status store_copy_set(struct store *store, const uint8_t copy[16]);

/* Features of the format, as in the superblock. */
struct store_features {
	uint64_t incompatible, read_only;
};
void store_features_get(const struct store *store, struct store_features *features);
/* Adds all that this program knows.  Synchronous, after a clean stop.  READ_ONLY; IO: the
 * next mount finds the old ones or the new ones. */
enum status store_convert(struct store *store);

void store_statistics_get(const struct store *store, struct store_statistics *statistics);
void store_details_get(const struct store *store, struct store_details *details);

#endif
