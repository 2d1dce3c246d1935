/* SPDX-License-Identifier: MIT */
/*
 * format.h - every structure of a store on the disk.
 *
 *  sector 0        8        16       32                            2080
 *  +--------------+--------+--------+--------------------------------+-----------
 *  | superblock   | copy   | zero   | commit ring: 64 slots of 16 KiB | extents ...
 *  +--------------+--------+--------+--------------------------------+-----------
 *
 * All fields are little-endian and of fixed width, all reserves are zero.
 * The prose, with the reasons, is docs/store-format.md.  Objects, which lie in
 * the pages of the space, are described in object.h.
 *
 * Trees.  One radix tree code serves three maps.  A node is 128 references
 * (4 KiB).  A tree of height h maps keys 0 .. 128^h - 1; height 0 is the empty
 * tree.  Level 0 names what the tree maps (pages, free-map pages, catalogue
 * pages); a node of level l (1 .. h) covers 128^l keys and its reference is
 * found in its parent under key >> (7 * l).  The root of height h is a node of
 * level h with key 0.
 *
 *   space      page number            -> page of the address space
 *   free map   sector / 32768         -> 4 KiB of bits, 1 = sector in use
 *   catalogue  snapshot number        -> struct disk_snapshot_page
 */
#ifndef DISK_FORMAT_H
#define DISK_FORMAT_H

#include <stdint.h>
#include "base/types.h"

#define DISK_FORMAT_VERSION 1u

/* Magic numbers, one per kind, readable in a dump. */
#define DISK_MAGIC_SUPERBLOCK UINT64_C(0x0a31455255445250) /* "PRDURE1\n" */
#define DISK_MAGIC_RECORD     UINT64_C(0x44524f4345525050) /* "PPRECORD" */
#define DISK_MAGIC_TOMBSTONE  UINT64_C(0x45424d4f54525050) /* "PPRTOMBE" */
#define DISK_MAGIC_SNAPSHOT   UINT64_C(0x544f4853504e5350) /* "PSNPSHOT" */

/* Layout, in sectors from the start of the store. */
#define DISK_SUPERBLOCK_SECTOR	    0u
#define DISK_SUPERBLOCK_COPY_SECTOR 8u
#define DISK_RING_SECTOR	    32u
#define DISK_RING_SLOTS		    64u
#define DISK_SLOT_SIZE		    16384u
#define DISK_SLOT_SECTORS	    (DISK_SLOT_SIZE / SECTOR_SIZE)
#define DISK_DATA_SECTOR	    (DISK_RING_SECTOR + DISK_RING_SLOTS * DISK_SLOT_SECTORS)
#define DISK_SECTORS_MIN	    8192u		/* 4 MiB: the smallest store */
#define DISK_SECTORS_MAX	    (UINT64_C(1) << 47) /* 64 PiB */

/* Radix trees. */
#define DISK_NODE_SHIFT	    7u
#define DISK_NODE_ENTRIES   128u
#define DISK_HEIGHT_MAX	    8u /* 56 bits of key: more than a 64-bit space has pages */
#define DISK_PAGE_MAX	    (UINT64_C(1) << 52)
#define DISK_GENERATION_END (UINT64_C(1) << 62) /* numbers of generations are below */
#define DISK_SNAPSHOT_END   (UINT64_C(1) << 56) /* numbers of snapshots are below */

#define DISK_FREE_MAP_SECTORS 32768u /* sectors described by one free-map page */

/* Commit: up to this many blocks of extents go out with their record under
 * one flush; recovery verifies at most as many. */
#define DISK_JOINT_COMMIT_BLOCKS 128u

enum disk_tree { DISK_TREE_SPACE = 1, DISK_TREE_FREE_MAP = 2, DISK_TREE_CATALOGUE = 3 };

enum disk_codec {
	DISK_CODEC_NONE = 0,	/* null reference: absent; all other fields zero */
	DISK_CODEC_ZERO = 1,	/* a page of zeros: no extent; only birth is set */
	DISK_CODEC_RAW = 2,	/* 8 sectors, length 4096 */
	DISK_CODEC_LZ4 = 3,	/* LZ4 block of `length` bytes, zero-padded to sectors * 512 */
	DISK_CODEC_COLUMNS = 4, /* the same of a node's columns (feature COLUMNS): byte b of
				 * entry e of the node is byte b * 128 + e of what unpacks */
};

/*
 * A reference: where a page or node lies and what proves that it is the one.
 * checksum = XXH3-64 over the whole sectors, padding included, with the seed
 * disk_seed(tree, level, key).  Sectors never cross a 4 KiB block.
 */
struct disk_reference {
	uint32_t sector_low; /* first sector, 48 bits */
	uint16_t sector_high;
	uint8_t sectors; /* 1 .. 8; 0 for NONE and ZERO */
	uint8_t codec;	 /* enum disk_codec */
	uint64_t birth;	 /* generation that wrote it */
	uint64_t checksum;
	uint16_t length; /* stored bytes before padding */
	uint16_t auxiliary_high;
	uint32_t auxiliary_low; /* free map: blocks below with any sector used, 48 bits */
};

struct disk_node {
	struct disk_reference entry[DISK_NODE_ENTRIES];
};

/* What an extent is and where it belongs, as the seed of its checksum. */
static inline uint64_t disk_seed(enum disk_tree tree, unsigned level, uint64_t key)
{
	return (uint64_t)tree << 60 | (uint64_t)level << 56 | key;
}

static inline sector_t disk_reference_sector(const struct disk_reference *reference)
{
	return (sector_t){(uint64_t)reference->sector_high << 32 | reference->sector_low};
}

static inline uint64_t disk_reference_auxiliary(const struct disk_reference *reference)
{
	return (uint64_t)reference->auxiliary_high << 32 | reference->auxiliary_low;
}

/*
 * The superblock, twice on the disk.  Only its features, `revision` and `copy` are ever
 * changed: the copy in sector 8 first, a flush, then sector 0, a flush, both with the next
 * revision.  Of two that are whole, and alike but for these fields, the one of the higher
 * revision counts; the other is what a power cut has left, and is written anew.
 * checksum = XXH3-64 over the 4096 bytes with the field itself zero, seed 0.
 * An unknown bit in features_incompatible forbids opening, in
 * features_read_only forbids writing; features_compatible is information.
 */
struct disk_superblock {
	uint64_t magic;
	uint32_t version;
	uint32_t header_size; /* sizeof(struct disk_superblock) */
	uint64_t features_incompatible;
	uint64_t features_read_only;
	uint64_t features_compatible;
	uint8_t identity[16]; /* random UUID of this store */
	uint64_t created_ns;  /* wall time, ns since 1970 UTC */
	uint32_t sector_size; /* 512 */
	uint32_t block_size;  /* 4096 */
	uint32_t write_unit;  /* 512 or 4096 */
	uint32_t ring_slots;
	uint32_t slot_size;
	uint32_t reserved0;
	uint64_t ring_sector;
	uint64_t data_sector;
	uint64_t revision; /* how often it was changed */
	/*
	 * Tells a copy of the disk from the store it was made of.  `identity` is of both: it
	 * is in the seeds of all records, and streams go from one to the other.  A disk goes
	 * by `copy` if that is given, otherwise by `identity`; of two that go by the same none
	 * is resumed (store_identify).
	 */
	uint8_t copy[16]; /* random; zero: never given */
	uint8_t reserved[3960];
	uint64_t checksum;
};

/* Incompatible features: create sets what may be used later. */
#define DISK_FEATURE_DELTA   UINT64_C(1) /* commit records of kind DELTA may occur */
#define DISK_FEATURE_COLUMNS UINT64_C(2) /* map nodes with codec COLUMNS may occur */
#define DISK_FEATURES_KNOWN  (DISK_FEATURE_DELTA | DISK_FEATURE_COLUMNS)

/* Features for writing: who does not know one may read, but not write. */
#define DISK_READ_ONLY_COUNTED	      UINT64_C(1) /* records tell `predecessor_blocks` */
#define DISK_READ_ONLY_FEATURES_KNOWN DISK_READ_ONLY_COUNTED

/* A root of one of the three trees. */
struct disk_root {
	struct disk_reference reference; /* of the root node; null when height is 0 */
	uint32_t height;		 /* 0 .. DISK_HEIGHT_MAX */
	uint32_t reserved;
	uint64_t pages; /* references of level 0 that are not null */
};

enum disk_record_kind { DISK_RECORD_FULL = 1, DISK_RECORD_DELTA = 2 };

enum disk_record_flags {
	DISK_RECORD_CLEAN = 1,	 /* the system was stopped on purpose after this */
	DISK_RECORD_FRESH = 2,	 /* written by create: the system has never run */
	DISK_RECORD_RESTORE = 4, /* this generation replaced the live state */
	DISK_RECORD_COUNTED = 8, /* `predecessor_blocks` is known (feature COUNTED) */
};

/* Counters that no restore turns back. */
struct disk_counters {
	uint64_t uptime_ns;	 /* persistent uptime at the freeze */
	uint64_t object_version; /* the largest object version ever handed out */
	uint64_t resumes;	 /* how often the system was resumed */
	uint64_t reserved;
};

/*
 * Which recent generations are kept as automatic snapshots: not more than one
 * per interval; of those that are older than a minute, an hour, a day one for
 * each of so many minutes, hours, days; all within a part of the store's space.
 */
struct disk_retention {
	uint32_t interval_s; /* least time between two; 0: none are taken */
	uint16_t minutes, hours, days;
	uint16_t budget; /* most space they may hold, in thousandths of the store */
	uint8_t reserved[20];
};

/*
 * A stream that is being received.  While `source` is not zero the live state
 * is a part of another store's generation and no system to resume.
 */
struct disk_receiving {
	uint8_t source[16];  /* identity of the store it comes from; zero: none is */
	uint64_t generation; /* which of its generations */
	uint64_t base;	     /* its generation that the stream builds on, 0: none */
	uint64_t position;   /* pages before this one are durable */
	uint64_t replaced;   /* snapshot of what was live before, 0: none */
	uint64_t digest;     /* of the generation, see struct stream_header */
};

/*
 * A commit record: alone it recovers a generation.  It lies in slot
 * (see ring rule in docs/store-format.md) and only its first `length` bytes,
 * rounded up to a sector, are written.  The rest of the slot is zero, unless the
 * store has the feature DELTA (longer records may have been there before) or, in
 * the slot's first block, a write unit of 4096 (a power cut may leave anything).
 * checksum = XXH3-64 over `length` bytes rounded up to a sector, field
 * zero, seed = XXH3-64(identity) ^ slot index.
 */
struct disk_record {
	uint64_t magic;
	uint32_t kind;	 /* enum disk_record_kind */
	uint32_t length; /* bytes: header and, in a delta, its entries */
	uint64_t checksum;
	uint8_t identity[16];
	uint64_t generation;
	uint64_t durable;     /* newest generation known flushed when this was written */
	uint64_t predecessor; /* generation of the record before this one */
	uint64_t base;	      /* delta: the full generation it builds on; full: own */
	uint64_t wall_ns;
	uint32_t flags;
	uint32_t slot;		/* its own index in the ring */
	uint64_t sectors;	/* size of the store */
	uint64_t used_sectors;	/* bits set in the free map */
	uint64_t snapshots;	/* entries in the catalogue */
	uint64_t next_snapshot; /* next number to hand out */
	uint64_t origin;	/* snapshot the live state descends from, 0: none */
	uint64_t dying;		/* snapshot being reclaimed, 0: none */
	uint32_t entries;	/* delta entries behind the header */
	uint32_t reserved0;
	struct disk_counters counters;
	struct disk_root space;
	struct disk_root free_map;
	struct disk_root catalogue;
	char label[64]; /* UTF-8, zero-padded */
	struct disk_retention retention;
	struct disk_receiving receiving;
	uint64_t held_sectors;	    /* replaced since `origin` was taken and kept for it */
	uint64_t origin_generation; /* of `origin`; 0: none, or only its entry says */
	/* COUNTED: at most so many blocks are used by the predecessor and not by this
	 * generation.  They must be left alone (S1), and nothing else says how many
	 * they are, short of comparing both free maps. */
	uint64_t predecessor_blocks;
	uint8_t reserved[16];
};

/*
 * One changed page in a delta record (feature DELTA).  The entries follow the
 * header, in rising order of their pages, and say for every page written since
 * the full generation `base` where it is now; the record's roots are that
 * generation's.  No entry is absent (NONE): clearing pages takes a full commit.
 * The sectors of the entries are free in the free map; what they replace stays
 * in use there until the next full commit.
 */
struct disk_delta {
	uint64_t page;
	struct disk_reference reference;
};

/* Most entries of a delta record: as many as a slot has room for. */
#define DISK_DELTA_MAX ((DISK_SLOT_SIZE - SECTOR_SIZE) / 40u)

/* A tombstone: replaces a torn record, keeps its number from being reused.
 * One sector; checksum as in a record, over 512 bytes. */
struct disk_tombstone {
	uint64_t magic;
	uint32_t slot;
	uint32_t reserved0;
	uint64_t checksum;
	uint8_t identity[16];
	uint64_t generation; /* the number that is spent */
	uint8_t reserved[464];
};

enum disk_snapshot_flags {
	DISK_SNAPSHOT_AUTOMATIC = 1, /* kept by the system, e.g. what a restore replaced */
	DISK_SNAPSHOT_DYING = 2,     /* deleted; its space is being given back */
	DISK_SNAPSHOT_BRANCH = 4,    /* deleted, but has two children: nameless */
};

#define DISK_SNAPSHOT_NAME 64u

struct disk_snapshot {
	uint64_t magic;
	uint64_t number;
	uint64_t parent; /* snapshot it descends from, 0: none */
	uint64_t generation;
	struct disk_root root; /* of the space */
	uint64_t wall_ns;
	uint64_t uptime_ns;
	uint32_t flags;
	uint32_t children;	       /* snapshots and live state descending directly from it */
	uint64_t cursor;	       /* dying: first page not yet reclaimed */
	char name[DISK_SNAPSHOT_NAME]; /* UTF-8, zero-padded; empty for a branch point */
	uint8_t source[16];	       /* received: identity of the store it comes from, else 0 */
	uint64_t source_generation;    /* received: its generation there */
	uint64_t held_sectors;	       /* replaced in its child and kept for it and those before */
	uint64_t source_digest;	       /* received: of its generation there */
};

/* A page of the catalogue. */
struct disk_snapshot_page {
	struct disk_snapshot entry;
	uint8_t reserved[3880];
};

#endif
