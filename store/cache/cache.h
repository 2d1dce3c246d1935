/* SPDX-License-Identifier: MIT */
/*
 * cache.h - frames: pages of the space and nodes of the trees in memory, clean, dirty or on their
 * way to the disk; reading them; and which of them are never given up.
 *
 * What other parts of the store may call and see.
 */
#ifndef STORE_CACHE_CACHE_H
#define STORE_CACHE_CACHE_H

#include "store/limits.h"
#include "store/media/media.h"
#include "store/store.h"

/* ---- cache.c ------------------------------------------------------------ */

/* A frame by the place of its descriptor (frame_t: by that of its memory). */
typedef struct {
	uint32_t n;
} slot_t;
#define SLOT_NIL ((slot_t){NIL})

enum frame_state {
	FRAME_FREE,	/* on the free list */
	FRAME_BORROWED, /* used by the owner for something else */
	FRAME_READING,	/* belongs to a read; tag = its index */
	FRAME_FAILED,	/* the read failed; tag = status, and to whom it is told; LRU */
	FRAME_CLEAN,	/* equals the disk; on the LRU list while unpinned */
	FRAME_ABSENT,	/* zeros, for who looks at a page that does not exist; LRU */
	FRAME_DIRTY,	/* tag = working generation: changed in it, in the dirty tree;
			 * older: frozen, not staged yet, in the frozen tree */
	FRAME_HIDDEN,	/* frozen, but cleared since: not to be found any more */
	FRAME_INFLIGHT, /* staged, not durable: a read would not find it on the disk;
			 * tag = its generation */
	FRAME_STATES,
};

struct layout;

struct cache_frame {
	uint64_t key;
	slot_t hash_next;
	slot_t left;  /* tree: left child; list: previous */
	slot_t right; /* tree: right child; list: next */
	uint32_t tag; /* by state, see above */
	uint32_t number;
	uint32_t state : 4;
	uint32_t pins : 8;
	uint32_t serial : 20; /* the operation that holds it */
};
static_assert(sizeof(struct cache_frame) == 32, "the bound of the memory use counts on it");
static_assert(FRAME_STATES <= 16, "the state has four bits");

#define KEY_SPACE  (UINT64_C(1) << 60) /* | page number */
#define KEY_EXTENT (UINT64_C(2) << 60) /* | 60 bits that stand for the extent */
#define KEY_STORED (UINT64_C(4) << 60) /* | the same: as it lies on the disk */
#define KEY_NUMBER ((UINT64_C(1) << 60) - 1)
static_assert(DISK_PAGE_MAX <= KEY_NUMBER && !((KEY_SPACE | KEY_EXTENT | KEY_STORED) & KEY_NUMBER),
	      "what a key is of is told apart from its number");

struct frame_range {
	uint32_t first, count; /* of frames, by their memory */
	slot_t slot;	       /* of the first */
};

enum { WANT_TO_READ = 1, WANT_TO_KEEP = 2, WANT_TO_BORROW = 4 };

struct cache {
	struct cache_frame *frame; /* limits.frames, then the two list heads */
	slot_t *bucket;
	uint32_t buckets;
	uint8_t *base;
	uint32_t donated;
	slot_t free_head;
	slot_t lru;	 /* list head: most recently used first */
	slot_t inflight; /* list head: oldest last */
	uint32_t lru_count;
	uint32_t count[FRAME_STATES];
	uint32_t serial;
	uint8_t wanted; /* what is waited for on STORE_CHANNEL_FRAMES */
	uint32_t ranges;
	struct frame_range range[LIMIT_FRAME_RANGES];
};

/* `base`: where frame number 0 would lie. */
void cache_init(struct store *store, struct layout *layout, uint8_t *base);
uint32_t cache_frames(const struct store *store); /* that were donated */
void cache_details(const struct store *store, struct store_details *details);
struct cache_frame *cache_frame(struct store *store, slot_t slot);
void *cache_data(struct store *store, slot_t slot);
slot_t cache_find(struct store *store, uint64_t key);
/* A frame of nobody's; NIL: none.  Owners' requests leave a few to the commit. */
slot_t cache_take(struct store *store);
bool cache_available(const struct store *store, uint32_t beyond);
void cache_insert(struct store *store, slot_t slot, uint64_t key, enum frame_state state);
void cache_state_set(struct store *store, slot_t slot, enum frame_state state);
void cache_unhash(struct store *store, slot_t slot);
/* Forgets what the frame holds (CLEAN, FAILED or on no list) and frees it. */
void cache_drop(struct store *store, slot_t slot);
void cache_touch(struct store *store, slot_t slot);
void cache_retire(struct store *store, slot_t slot); /* the opposite */
/* Until the next release the frame is not evicted. */
void cache_hold(struct store *store, slot_t slot);
void cache_release_held(struct store *store);
/* The list of frames in flight: adds the newest; which is that, NIL: there is none. */
void cache_inflight_add(struct store *store, slot_t slot);
slot_t cache_inflight_newest(const struct store *store);
void cache_list_remove(struct store *store, slot_t slot);
/* A written extent, kept so that it need not be read again. */
void cache_extent_put(struct store *store, const struct disk_reference *reference,
		      struct place place, const void *data);
/* To keep: a frame that will not be evictable. */
enum status cache_wait_frames(struct store *store, bool to_keep);
bool cache_pressure(const struct store *store);
bool cache_is_waited(const struct store *store);
/* Frames in flight of durable generations may be evicted again, some at a time. */
bool cache_durable_step(struct store *store);
void cache_step(struct store *store); /* wakes who waits for frames, if there are any */

/* ---- tree.c: a treap of frames keyed by page number -------------------- */

void tree_insert(struct store *store, slot_t *root, slot_t slot);
void tree_remove(struct store *store, slot_t *root, slot_t slot);
slot_t tree_first(struct store *store, slot_t root);
slot_t tree_last(struct store *store, slot_t root);
/* The first at or after / the last before `page`; NIL when there is none. */
slot_t tree_at_or_after(struct store *store, slot_t root, uint64_t page);
slot_t tree_before(struct store *store, slot_t root, uint64_t page);

/* ---- reader.c ------------------------------------------------------------ */

enum read_state { READ_IDLE, READ_QUEUED, READ_SUBMITTED };

struct read {
	struct block_request request;
	struct disk_reference reference;
	struct place place;
	uint64_t durable; /* newest durable generation at the start */
	uint8_t *bounce;
	slot_t slot;
	enum read_state state;
	bool orphan; /* the page was cleared: free the frame, tell nobody */
	volatile bool done;
};

/* More that wait at a time displace each other: what those have been told is read again. */
#define READER_WAITED 64u

struct reader {
	struct read read[LIMIT_READS];	/* limits.read_requests of them */
	uint32_t waited[READER_WAITED]; /* operations that wait for a read, by their number */
};

void reader_lay_out(struct store *store, struct layout *layout);

/* The extent's content, from the cache or after a read. */
enum status extent_get(struct store *store, const struct disk_reference *reference,
		       struct place place, const void **data);
/* The same, verified but not decompressed. */
enum status extent_get_stored(struct store *store, const struct disk_reference *reference,
			      struct place place, const void **data);
/* Its frame is the first to be used for something else: it was needed once. */
void extent_forget(struct store *store, const struct disk_reference *reference, struct place place);
slot_t reader_find(struct store *store, uint64_t key); /* NIL, too: it is to be read again */
/* Starts reading the page into a fresh frame; WAIT. */
enum status reader_page(struct store *store, page_t page, const struct disk_reference *reference);
/* Verifies and decodes what was read (at `stored`) into `page`. */
enum status extent_decode(struct store *store, const struct disk_reference *reference,
			  struct place place, const void *stored, void *page);
void extent_report(struct store *store, const struct disk_reference *reference, struct place place,
		   const char *what);
/* Under which an extent is cached: its sector, its checksum and its place, for
 * what was verified for one place is not verified for another (S5). */
uint64_t extent_key(uint64_t kind, const struct disk_reference *reference, struct place place);
void reader_orphan(struct store *store, slot_t slot);
bool reader_step(struct store *store);
bool reader_busy(const struct store *store);
bool reader_is_idle(const struct store *store, uint32_t read); /* this one of its requests */
bool reader_can_start(const struct store *store);

/* ---- essential.c: pages that a full store keeps room for ----------------------- */

struct essential {
	uint32_t count;
	struct store_pages run[STORE_ESSENTIAL_RUNS];
	/* A node above the run cannot be read: the commits until it is tried again, 0: all
	 * can; and the generation from which on it is. */
	uint32_t pause[STORE_ESSENTIAL_RUNS];
	uint64_t again[STORE_ESSENTIAL_RUNS];
	/* Nodes are touched up to this page of this run; and when all had been last. */
	uint32_t at_run;
	uint64_t at_page;
	uint64_t generation, evictions;
};

bool essential_any(const struct store *store); /* Is anything set aside? */
/* The first run that the page is of; as many as there are: of none. */
uint32_t essential_run(const struct store *store, page_t page);
bool essential_page(const struct store *store, page_t page);
bool essential_key(const struct store *store, uint64_t key); /* of a frame */
/* Set aside for them: evictable frames; blocks of a store of so many. */
uint32_t essential_frames(const struct store *store);
uint64_t essential_blocks(const struct store *store, uint64_t total);
/* Keeps the nodes above them in the cache. */
void essential_nodes_step(struct store *store);
/* Of the cache: they are about to change (false) or have changed (true). */
void cache_essential_change(struct store *store, bool changed);

#endif
