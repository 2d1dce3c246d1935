/* SPDX-License-Identifier: MIT */
/*
 * map.h - the radix trees on the disk (space, free map, catalogue): looking keys up, rewriting a
 * tree in the order of its keys, and the list of changes that a record carries beside its tree.
 *
 * What other parts of the store may call and see.
 */
#ifndef STORE_MAP_MAP_H
#define STORE_MAP_MAP_H

#include "store/limits.h"
#include "store/media/media.h"
#include "store/store.h"

/* ---- map.c --------------------------------------------------------------- */

unsigned map_height_for(uint64_t key); /* smallest height whose tree has this key */
enum status map_lookup(struct store *store, const struct disk_root *root, enum disk_tree tree,
		       uint64_t key, struct disk_reference *reference);
/* CORRUPT or IO when a node above one of these keys cannot be read. */
enum status map_readable(struct store *store, const struct disk_root *root, enum disk_tree tree,
			 uint64_t first, uint64_t end);
/* The reference of the node (level, key) of this tree, null if there is none. */
enum status map_lookup_node(struct store *store, const struct disk_root *root, struct place place,
			    struct disk_reference *reference);
/* The first key at or after `from` and before `until` that is present; NOT_FOUND.  CORRUPT or IO:
 * *key is the first that a node which cannot be read may hide. */
enum status map_next(struct store *store, const struct disk_root *root, enum disk_tree tree,
		     uint64_t from, uint64_t until, uint64_t *key);
/* The same without an end, but on IO and CORRUPT *key is the end of what cannot be read. */
enum status map_next_past(struct store *store, const struct disk_root *root, enum disk_tree tree,
			  uint64_t from, uint64_t *key);
/* The last key below `below` that is present; NOT_FOUND.  IO, CORRUPT: *key is the
 * first of what cannot be read. */
enum status map_before(struct store *store, const struct disk_root *root, enum disk_tree tree,
		       uint64_t below, uint64_t *key);
/* The first free-map page at or after `from` whose blocks are not all in use. */
enum status map_next_with_room(struct store *store, const struct disk_root *root, uint64_t from,
			       uint64_t *key);

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
	struct disk_reference root;			   /* top-level reference as it stands */
};

/* max_key: the largest key that will be set; NIL_KEY: none will. */
#define NIL_KEY UINT64_MAX
void update_begin(struct store *store, enum disk_tree tree, const struct disk_root *root,
		  uint64_t max_key);
enum status update_seek(struct store *store, uint64_t key);
/* After update_seek(key): the reference there now / replaces it. */
struct disk_reference *update_entry(struct store *store, uint64_t key);
void update_set(struct store *store, uint64_t key, const struct disk_reference *reference);
/* Makes keys from *position on absent, some at a time, until *position == end. */
enum status update_clear(struct store *store, uint64_t *position, uint64_t end);
/* Writes what is open; then the new root is the result. */
enum status update_finish(struct store *store);
const struct disk_root *update_result(const struct store *store);

/* ---- overlay.c: pages changed since the last full commit ------------------------ */

/* What a delta record holds: for each page its newest reference, in rising
 * order of pages.  `entry` lies behind the header in an image of a ring slot. */
struct overlay {
	uint32_t count;
	struct disk_delta *entry; /* DISK_DELTA_MAX of them */
};

/* The page's reference; null: the page is as the full generation has it. */
const struct disk_reference *overlay_find(const struct overlay *overlay, page_t page);
/* Index of the first entry at or after `page`; count: there is none. */
uint32_t overlay_at_or_after(const struct overlay *overlay, uint64_t page);
/* Sectors of its extents. */
uint64_t overlay_sectors(const struct overlay *overlay);
/* The image of the ring slot in which the entries lie. */
void *overlay_slot(const struct overlay *overlay);
/* The next overlay is durable: it becomes the newest, the newest the previous. */
void overlay_advance(struct store *store);

#endif
