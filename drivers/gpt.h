/* SPDX-License-Identifier: MIT */
/*
 * gpt.h - finds a partition by its type on a GPT disk, and extends it (UEFI specification 2.10,
 * chapter 5).
 *
 * A table counts in the sectors of the disk that it was made for, of 512 or of 4096
 * bytes; which it is shows where it lies.  Everything here counts in sectors of 512
 * bytes.  The disk is asked for whole blocks of 4096 bytes, or for the table's sectors.
 */
#ifndef DRIVERS_GPT_H
#define DRIVERS_GPT_H

#include <stdint.h>
#include "drivers/block.h"

struct gpt_partition {
	uint64_t first, sectors;
	uint64_t disk_sectors; /* of the disk when the table was written */
	uint32_t number;       /* from 1, as partition tools count */
	uint32_t sector_bytes; /* of the table's sectors: 512 or 4096 */
};

/* Whether to wait on, called whenever there is nothing to do but to wait: waits a little, or
 * says false. */
typedef bool gpt_patience(void);

/*
 * How a disk is asked: synchronously, one request at a time, by polling.  What is given up
 * stays the disk's, with the buffer, until it has answered; the next thing that is asked
 * waits for that.  The owner of all this keeps it for so long, or resets the disk.
 */
#define GPT_BUFFER 4096u
struct gpt_access {
	struct block_device *disk;
	uint8_t *buffer;	/* GPT_BUFFER bytes that the device can reach */
	gpt_patience *patience; /* null: without limit */
	/* 0 at first, and after a reset: */
	struct block_request request;
	bool pending;
};

/* Whole sectors into `buffer`.  One error may be none the next time: a read that fails is
 * repeated twice.  IO, or TIMEOUT: patience is at its end. */
enum status gpt_read(struct gpt_access *access, uint64_t sector, uint64_t sectors);

/*
 * The first partition of this type.  When the table at the start of the disk is not
 * whole, the one at its end serves.  *why tells what is missing:
 *
 *	OK          found; *why is null, or says that the first table is damaged
 *	NOT_FOUND   a table, but no such partition
 *	FORMAT      there is no table
 *	CORRUPT     there is one, and no copy of it is whole
 *	TRUNCATED   the disk ends before the partition does.  *found says where that
 *	            lies; the disk must be made disk_sectors long again
 *	IO          the disk failed
 *	TIMEOUT     patience is at its end
 */
enum status gpt_find(struct gpt_access *access, const uint8_t type[16], struct gpt_partition *found,
		     const char **why);

/*
 * Extends the first partition of this type to the end of a disk that has become
 * larger, and puts the second table there.  found->sectors is how many of them are in
 * use: a partition that ends there already, and is in use to its end, is left as it is; one
 * that is not may come from a table that has never become durable, which is written again.
 * On success *found is the partition as it is now.  Otherwise *why tells the reason, and
 * nothing has changed that would not be whole:
 *
 *	BUSY        another partition lies behind it
 *	NOT_FOUND   there is no such partition
 *	FORMAT      there is no table, or it makes no sense
 *	CORRUPT     the first table is damaged
 *	IO          the disk failed
 *	TIMEOUT     patience is at its end: come again with this access
 */
enum status gpt_grow(struct gpt_access *access, const uint8_t type[16], struct gpt_partition *found,
		     const char **why);

/* CRC-32 of IEEE 802.3, going on from `crc` (0 at first). */
uint32_t gpt_crc32(uint32_t crc, const void *data, uint32_t bytes);

#endif
