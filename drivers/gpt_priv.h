/* SPDX-License-Identifier: MIT */
/*
 * gpt_priv.h - one of a disk's two partition tables, for gpt.c and gpt_grow.c.
 */
#ifndef DRIVERS_GPT_PRIV_H
#define DRIVERS_GPT_PRIV_H

#include "drivers/gpt.h"

struct gpt_table {
	struct gpt_access *access;
	uint32_t scale;	  /* sectors of 512 bytes in one of the table's: 1 or 8 */
	uint64_t sectors; /* of the disk, in the table's own */
	uint8_t header[SECTOR_SIZE];
	uint64_t entries; /* where they begin, in the table's sectors */
	uint32_t entries_sectors, count, entry_bytes, crc;
};

/* A table's own counting of the disk; only `header` and what follows is missing. */
struct gpt_table gpt_table(struct gpt_access *access, uint32_t scale);

/* One request with the buffer, in the table's sectors.  FORMAT: not on the disk. */
enum status gpt_io(const struct gpt_table *table, enum block_operation operation, uint64_t sector,
		   uint32_t sectors);

/* Reads the header in that sector: OK, FORMAT (none is there), CORRUPT, or the disk failed. */
enum status gpt_header(struct gpt_table *table, uint64_t sector);

/*
 * Shows `look` each entry, and writes the entries, as it leaves them, to the sector `to`
 * (0: nowhere).  *crc becomes their checksum as they are then.
 */
enum status gpt_entries(struct gpt_table *table,
			void (*look)(void *context, uint8_t *entry, uint32_t index), void *context,
			uint64_t to, uint32_t *crc);

static inline uint32_t gpt_get32(const uint8_t *at)
{
	return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static inline uint64_t gpt_get64(const uint8_t *at)
{
	return gpt_get32(at) | (uint64_t)gpt_get32(at + 4) << 32;
}

#endif
