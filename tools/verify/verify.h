/* SPDX-License-Identifier: MIT */
/*
 * verify.h - the independent verifier of a store.
 *
 * It shares the headers of disk/ with the store engine and nothing else: its
 * own reading, its own recovery rule, its own walk.  One mistake cannot hide in
 * both.  It never writes.
 *
 *   verify_open   -> reads nothing, remembers the reader and the options
 *   verify_run    -> checks everything, reports each finding, fills the totals
 *   verify_page_* -> reads pages of the verified generation and its snapshots
 *   verify_close  -> gives the memory back
 *
 * What is checked: both superblocks, every ring slot, the choice of the
 * generation to recover, and for that generation and its predecessor all trees
 * of the live space, the snapshots, the catalogue and the free map, and that
 * the free map's bits are exactly the sectors reachable.
 *
 * Memory: 4.1 bytes per sector in regions of 16 MiB that hold anything, so a
 * large sparse store is cheap; and up to 4 MiB of nodes.
 */
#ifndef TOOLS_VERIFY_VERIFY_H
#define TOOLS_VERIFY_VERIFY_H

#include <stdbool.h>
#include <stdint.h>
#include "disk/format.h"
#include "base/status.h"
#include "base/types.h"

struct verify;
struct verify_cache;

/* Where the store's sectors come from: an image, a partition, memory. */
struct verify_reader {
	void *context;
	uint64_t sectors; /* size of the device or partition */
	enum status (*read)(void *context, sector_t sector, uint32_t sectors, void *data);
	/*
	 * A number that stands for what these sectors hold now, and for nothing else that
	 * they could hold: what was sound then is sound, though another store may be looked
	 * at.  Null: that cannot be told without reading.
	 */
	uint64_t (*print)(void *context, sector_t sector, uint32_t sectors);
};

/* A note explains; a warning is a sound state that a person may want to know of (a
 * torn newest commit, which recovery deals with by itself; objects that nothing leads
 * to); an error is damage or a broken invariant. */
enum verify_severity { VERIFY_NOTE, VERIFY_WARNING, VERIFY_ERROR };

/* X(NAME, text) */
#define VERIFY_CODES(X)                                                                            \
	X(SUPERBLOCK, "superblock")                                                                \
	X(ZERO_AREA, "unused sectors before the ring")                                             \
	X(SLOT, "ring slot")                                                                       \
	X(RECORD, "commit record")                                                                 \
	X(TOMBSTONE, "tombstone")                                                                  \
	X(RING, "order of the ring")                                                               \
	X(RECOVERY, "recovery")                                                                    \
	X(READ, "read error")                                                                      \
	X(REFERENCE, "reference")                                                                  \
	X(CHECKSUM, "checksum")                                                                    \
	X(CONTENT, "extent content")                                                               \
	X(NODE, "map node")                                                                        \
	X(OVERLAP, "sector used twice")                                                            \
	X(LEAKED, "sector leaked")                                                                 \
	X(LOST, "sector in use but free")                                                          \
	X(AUXILIARY, "free-map count")                                                             \
	X(DELTA, "delta entry")                                                                    \
	X(TOTALS, "totals")                                                                        \
	X(CATALOGUE, "catalogue")                                                                  \
	X(OBJECT, "object")                                                                        \
	X(UNREACHED, "object that nothing leads to")                                               \
	X(MEMORY, "memory")

#define VERIFY_CODE_ENUMERATOR(name, text) VERIFY_##name,
enum verify_code { VERIFY_CODES(VERIFY_CODE_ENUMERATOR) VERIFY_CODE_COUNT };
#undef VERIFY_CODE_ENUMERATOR

/* A short name of the code, e.g. for --json; never null. */
const char *verify_code_text(enum verify_code code);

/* An object that nothing leads to. */
struct verify_unreached {
	uint32_t object;
	uint8_t type;
	uint64_t objects; /* that only it leads to */
	uint64_t pages;	  /* charged for all of them */
};

struct verify_finding {
	enum verify_severity severity;
	enum verify_code code;
	generation_t generation;	   /* 0: concerns no generation */
	snapshot_t snapshot;		   /* 0: live state or none */
	uint64_t sector;		   /* UINT64_MAX: concerns no sector */
	uint64_t page;			   /* UINT64_MAX: concerns no page of the space */
	struct verify_unreached unreached; /* UNREACHED: which; otherwise zero */
	const char *text;		   /* one line: what is wrong, where, what was expected */
};

struct verify_totals {
	uint64_t errors, warnings, notes;
	generation_t generation;  /* that recovery chooses; 0: none */
	generation_t torn;	  /* fallen back from, or lost with its slot; 0: none */
	generation_t predecessor; /* also verified; 0: none */
	generation_t largest;	  /* number spent in the ring, tombstones included */
	uint32_t slot;		  /* of the chosen record */
	uint64_t sectors;	  /* size of the store */
	uint64_t used_sectors;	  /* reachable in the chosen generation, its delta included */
	uint64_t used_blocks;	  /* blocks with any of them */
	uint64_t extents;	  /* verified, both generations */
	uint64_t bytes_read;
	uint64_t delta_pages; /* that the chosen record holds itself */
	uint64_t pages;	      /* of the live space, zero pages included */
	uint64_t zero_pages;
	uint64_t raw_pages, compressed_pages; /* extents of pages in space and snapshots */
	uint64_t page_sectors;		      /* used by those */
	uint64_t node_sectors;		      /* used by map nodes of spaces */
	uint64_t snapshots;
	/* In the live state: findings UNREACHED, the objects they stand for, and what these
	 * are charged for. */
	uint64_t unreached, unreached_objects, unreached_pages;
	uint32_t records, tombstones, empty_slots, damaged_slots;
};

struct verify_options {
	void *context; /* passed to the callbacks */
	/* Every finding, as it is made.  May be null. */
	void (*report)(void *context, const struct verify_finding *finding);
	/* Sectors verified so far of those in use.  May be null. */
	void (*progress)(void *context, uint64_t done, uint64_t total);
	/* Called after the store itself was checked, with a generation chosen;
	 * mkstore passes verify_objects.  May be null. */
	enum status (*objects)(struct verify *verify);
	/* What is kept from one store to the next; only with reader.print.  May be null. */
	struct verify_cache *cache;
	bool skip_data;	       /* leave out the content of pages; nodes are always read */
	bool skip_unpack;      /* of pages only compare the checksums, do not unpack them */
	bool skip_predecessor; /* leave out the generation before the chosen one */
	bool skip_slot_tails;  /* leave out the unused rest of the ring slots */
};

/* For several stores that have most extents in common, one after the other; so many are
 * kept at most.  Null when memory is short. */
struct verify_cache *verify_cache_new(uint32_t extents);
void verify_cache_free(struct verify_cache *cache);

/* Null when memory is short. */
struct verify *verify_open(const struct verify_reader *reader,
			   const struct verify_options *options);
void verify_close(struct verify *verify);

/*
 * Checks everything.  OK: no error (perhaps warnings).  CORRUPT: errors were
 * reported.  NOT_A_STORE, VERSION, FEATURE, TRUNCATED, IO, NO_MEMORY: there was
 * nothing to verify, the report says why.
 */
enum status verify_run(struct verify *verify);

/* The cheap part of verify_run: superblocks, ring, choice of the generation,
 * catalogue.  Afterwards pages can be read.  Same results. */
enum status verify_choose(struct verify *verify);

const struct verify_totals *verify_totals_get(const struct verify *verify);
/* The chosen record; null before a generation is chosen. */
const struct disk_record *verify_record(const struct verify *verify);

/* Snapshots of the chosen generation in ascending order of their number; null
 * past the last. */
const struct disk_snapshot *verify_snapshot_at(const struct verify *verify, uint64_t index);

/* After verify_run: is the sector part of the chosen generation or of its
 * predecessor? */
bool verify_sector_used(const struct verify *verify, sector_t sector);
/* Of the chosen one alone? */
bool verify_sector_chosen(const struct verify *verify, sector_t sector);

/* A space to read from: the live one or a snapshot's. */
struct verify_space {
	struct disk_root root;
	generation_t generation;
	snapshot_t snapshot;		/* 0: live */
	const struct disk_delta *delta; /* entries that replace what the root leads to */
	uint32_t entries;
};
enum status verify_space_live(const struct verify *verify, struct verify_space *space);
/* By number; NOT_FOUND. */
enum status verify_space_snapshot(const struct verify *verify, snapshot_t number,
				  struct verify_space *space);

/* Reads one page (4096 bytes): OK, ABSENT, CORRUPT, IO.  Damage is reported. */
enum status verify_space_read(struct verify *verify, const struct verify_space *space, page_t page,
			      void *data);
/* The first page at or after `from` that exists; NOT_FOUND past the last;
 * CORRUPT, IO when a node on the way cannot be read (*page: where to go on). */
enum status verify_space_next(struct verify *verify, const struct verify_space *space, page_t from,
			      page_t *page);
/* The same for the live space. */
enum status verify_page_read(struct verify *verify, page_t page, void *data);
enum status verify_page_next(struct verify *verify, page_t from, page_t *page);

/* ---- looking at single structures, after verify_choose ----------------------------- */

/* What a slot of the ring holds; nothing at all: zeros, or a record that says
 * what cannot be. */
struct verify_slot {
	const struct disk_record *record; /* or null */
	const struct disk_delta *delta;	  /* its entries, record->entries of them */
	generation_t spent;		  /* by a tombstone; 0: there is none */
	const char *damage;		  /* why it is neither; null: it is sound or empty */
};
void verify_slot_get(const struct verify *verify, uint32_t slot, struct verify_slot *found);

/* A tree of a generation whose record is in the ring; of those before the two
 * newest, parts may have been overwritten.  NOT_FOUND. */
enum status verify_space_generation(const struct verify *verify, generation_t generation,
				    enum disk_tree tree, struct verify_space *space);

/* The reference of a page or node, which is not read itself.  A page of the live
 * space is looked up in the delta first.  OK, ABSENT; CORRUPT, IO (reported): a
 * node on the way. */
enum status verify_find(struct verify *verify, enum disk_tree tree,
			const struct verify_space *space, unsigned level, uint64_t key,
			struct disk_reference *reference);
/* Reads what was found: 4096 bytes.  OK; CORRUPT, IO (reported). */
enum status verify_extent_read(struct verify *verify, enum disk_tree tree,
			       const struct verify_space *space, unsigned level, uint64_t key,
			       const struct disk_reference *reference, void *data);
/* The first page of a tree at or after *key.  OK; NOT_FOUND past the last;
 * CORRUPT, IO (reported): *key says where to go on. */
enum status verify_tree_next(struct verify *verify, enum disk_tree tree,
			     const struct verify_space *space, uint64_t *key, void *data);

struct verify_extent {
	unsigned level;
	uint64_t key;
	struct disk_reference reference;
};

/* A walk over a tree in rising order of keys; pages are not read, and a delta is
 * not looked at. */
struct verify_visit {
	enum disk_tree tree;
	const struct verify_space *space;
	uint64_t from; /* pages before are left out */
	void *context;
	/* A node that is about to be read.  False: leave out all below it.  May be
	 * null, as may `leave`. */
	bool (*node)(struct verify_visit *visit, const struct verify_extent *extent);
	/* All below a node was visited. */
	void (*leave)(struct verify_visit *visit, const struct verify_extent *extent);
	void (*page)(struct verify_visit *visit, const struct verify_extent *extent);
	uint64_t damaged; /* result: references and nodes that could not be used (reported) */
};
void verify_visit(struct verify *verify, struct verify_visit *visit);

/* For verify_objects: adds a finding with code OBJECT about a page
 * (UINT64_MAX: none). */
__attribute__((format(printf, 4, 5))) void verify_report_object(struct verify *verify,
								enum verify_severity severity,
								uint64_t page, const char *format,
								...);

void verify_report_unreached(struct verify *verify, const struct verify_space *space,
			     const struct verify_unreached *unreached, const char *type);

#endif
