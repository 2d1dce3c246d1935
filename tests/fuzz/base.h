/* SPDX-License-Identifier: MIT */
/*
 * base.h - a good store in memory, and an index of every structure in it.
 *
 * The index is made with code of its own.  A structure (target) is a
 * superblock, a slot of the ring, a node or a page; each knows where the
 * references to it lie, so that whoever changes it can repair the checksums on
 * all ways up to the record.
 */
#ifndef TESTS_FUZZ_BASE_H
#define TESTS_FUZZ_BASE_H

#include "tests/fuzz/disk.h"
#include "tests/fuzz/engine.h"

#define BASE_TARGETS   1024u
#define BASE_REFERRERS 8u

enum target_kind { TARGET_SUPERBLOCK, TARGET_SLOT, TARGET_EXTENT };

struct target {
	enum target_kind kind;
	enum disk_tree tree; /* extent: where it belongs */
	unsigned level;
	uint64_t key;
	uint64_t sector; /* where it lies */
	uint32_t sectors;
	uint32_t size;	   /* bytes of content */
	uint8_t *original; /* decoded */
	uint8_t *content;  /* the same, to be changed */
	bool changed;
	struct {
		uint16_t target;
		uint16_t offset; /* of the reference in its content */
	} referrer[BASE_REFERRERS];
	unsigned referrers;
};

struct fuzz_base {
	const char *name;
	struct fuzz_disk disk;
	struct target target[BASE_TARGETS];
	unsigned targets;
	uint16_t order[BASE_TARGETS]; /* children before those who refer to them */
	uint64_t identity_seed;
};

/* Pages of the bases lie in these places; a page number from two small ones. */
uint64_t base_page(unsigned group, unsigned index);

/* Finds the structures of what is on the disk and keeps it. */
void base_index(struct fuzz_base *base);

/* The stores that the fuzzers start from. */
#define BASES 7u
struct fuzz_base *base_make(unsigned number, struct fuzz_engine *engine);

/* XXH3-64. */
uint64_t base_sum(const void *data, size_t bytes, uint64_t seed);
/* The same of a structure whose checksum field counts as zero. */
uint64_t base_checksum(void *data, size_t bytes, size_t field, uint64_t seed);
/* Makes the slot's content valid as far as magic, length, slot and checksum go. */
void base_slot_seal(const struct fuzz_base *base, void *content, uint32_t slot);

#endif
