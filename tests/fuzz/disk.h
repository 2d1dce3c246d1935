/* SPDX-License-Identifier: MIT */
/*
 * disk.h - a disk in memory that remembers what it was.
 *
 * A fuzzer changes a store in a few sectors, lets the engine write a few more,
 * and wants the old one back: the sectors touched are noted and only they are
 * copied back.  Requests complete inside submit().  Reads can fail in one range,
 * writes from some number on.
 */
#ifndef TESTS_FUZZ_DISK_H
#define TESTS_FUZZ_DISK_H

#include "drivers/block.h"
#include "tools/verify/verify.h"

struct fuzz_disk {
	struct block_device device;
	uint64_t sectors;
	uint8_t *data;	   /* what a read finds */
	uint8_t *original; /* what fuzz_disk_revert brings back */
	uint32_t *touched;
	uint8_t *is_touched;
	uint32_t touched_count;
	uint64_t bad_first, bad_count; /* sectors that cannot be read */
	uint64_t writes_left;	       /* then writes and flushes fail */
};

void fuzz_disk_create(struct fuzz_disk *disk, uint64_t sectors, uint32_t write_unit);
/* What is there now is what a revert brings back. */
void fuzz_disk_keep(struct fuzz_disk *disk);
void fuzz_disk_revert(struct fuzz_disk *disk);
/* Memory to be changed; it is noted. */
uint8_t *fuzz_disk_change(struct fuzz_disk *disk, uint64_t sector, uint64_t sectors);
/* The same bytes for the verifier. */
struct verify_reader fuzz_disk_reader(struct fuzz_disk *disk);

#endif
