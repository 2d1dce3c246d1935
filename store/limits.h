/* SPDX-License-Identifier: MIT */
/*
 * limits.h - every bound of the store, with its unit and its reason.
 */
#ifndef STORE_LIMITS_H
#define STORE_LIMITS_H

/* Frames.  The reserve is what owners cannot take: a commit reads two paths of
 * map nodes side by side, at most 8 levels each, and two free-map pages. */
#define LIMIT_FRAMES_RESERVE 20u  /* frames, free or clean and unpinned */
#define LIMIT_FRAMES_MIN     24u  /* without them nothing works: 20, one operation's four */
#define LIMIT_FRAMES_COMMIT  4u	  /* frames that owners' reads leave to the commit */
#define LIMIT_FRAMES_BORROW  16u  /* frames kept beyond the reserve when one is lent */
#define LIMIT_EVICT_SCAN     64u  /* frames looked at in one search for a victim */
#define LIMIT_FRAME_RANGES   512u /* runs of consecutive donated frames */
#define LIMIT_RELEASE_FRAMES 64u  /* frames made evictable again in one step */

/* Requests. */
#define LIMIT_READS	     32u     /* reads in flight */
#define LIMIT_STAGE_REQUESTS 64u     /* writes built or in flight */
#define LIMIT_STAGING_MIN    262144u /* bytes: four of the largest writes */
#define LIMIT_STAGE_BYTES    65536u  /* largest write: more gains nothing on any disk */

/* Discard. */
#define LIMIT_DISCARD_RUNS 1024u /* runs of freed blocks remembered; more are not discarded */
#define LIMIT_DISCARDS	   4u	 /* in flight: the next commit waits for them */

/* Scrub. */
#define LIMIT_SCRUB_BYTES  32768u /* read at once: as many extents as a page's work is worth */
#define LIMIT_SCRUB_PIECES 16u	  /* extents verified in one call: as much as a step's work */

/* Entries of the catalogue that one commit changes: the end of a deletion the dying
 * one, its parent, its child and who dies next; retention one that goes, one that is
 * taken, and the origin; one to spare. */
#define LIMIT_CATALOGUE 8u

/* One commit.  A change is a run of sectors taken or given back; a third of
 * the list belongs to the data, the rest to the free map's own pages, unless
 * the free map is small (see reserve.c). */
#define LIMIT_CHANGES		  24576u /* entries of 8 bytes */
#define LIMIT_MAP_RUNS		  8192u	 /* runs of blocks for free-map pages */
#define LIMIT_CHANGE_RUNS	  16u	 /* sorted runs in the closure of the free map */
#define LIMIT_EARLY		  512u	 /* pages staged before their turn */
#define LIMIT_CLEARS		  64u	 /* runs of cleared pages in one generation */
#define LIMIT_NAME_SLOTS	  8192u	 /* of the index of names: 64 KiB */
#define LIMIT_NAMES		  6144u	 /* in it; with more, searches read the catalogue */
#define LIMIT_AUTOMATIC		  1024u	 /* automatic snapshots; ten times the usual rule */
#define LIMIT_REPLACED		  64u	 /* of an hour's restores: more than one a minute */
#define LIMIT_INDEX_STEP	  64u	 /* entries read into the index by one commit */
#define LIMIT_RECLAIM_CHANGES	  1024u	 /* extents given back by one deletion step */
#define LIMIT_RECLAIM_VISITS	  4096u	 /* references compared by one deletion step */
#define LIMIT_EXISTING_BLOCKS_MIN 256u	 /* blocks kept for pages that exist: 1/32 of ... */
#define LIMIT_EXISTING_BLOCKS_MAX 4096u	 /* ... the store within these, at most 1/16 */
#define LIMIT_SYSTEM_BLOCKS	  256u	 /* blocks kept for the owner's own pages */
#define LIMIT_ESSENTIAL_NODES	  64u	 /* above the essential pages, see essential.c */
#define LIMIT_ESSENTIAL_FRAMES	  (STORE_ESSENTIAL_PAGES + LIMIT_ESSENTIAL_NODES)
/* Twice: what the newest snapshot keeps of them, and what the next commit writes. */
#define LIMIT_ESSENTIAL_BLOCKS	(2 * (STORE_ESSENTIAL_WRITTEN + LIMIT_ESSENTIAL_NODES))
#define LIMIT_ESSENTIAL_CHANGES LIMIT_ESSENTIAL_BLOCKS /* taken and given back */
#define LIMIT_ESSENTIAL_PAUSE	64u /* commits until a node that cannot be read is tried again */
#define LIMIT_CLEAR_BLOCKS	32u /* blocks of the slop that clearing may count on */
#define LIMIT_NODE_SECTORS	6u  /* a node compressed: for an estimate only */
#define LIMIT_COMMIT_READS	3u  /* tries of a read that a commit cannot do without */
#define LIMIT_STARVED		8u /* commits that find no room until a read error counts as damage */
#define LIMIT_STRIKES		3u  /* tombstones that a slot refuses before it is read */
#define LIMIT_PRESSURE_BLOCKS	64u /* blocks reserved that never press for a checkpoint */

/* Views. */
#define LIMIT_VIEW_NODES 64u /* pairs of nodes compared by one call */

/* Packing: ends of blocks in the write being built, into which short extents go. */
#define LIMIT_GAPS 16u /* as many as the largest write has blocks */

/* One call of store_step: so many units of a commit, of which the last may compress a page. */
#define LIMIT_STEP_UNITS 8u
#define LIMIT_SORT_SLICE 512u /* entries sifted in one unit */

#endif
