/* SPDX-License-Identifier: MIT */
/*
 * gpt.c - GUID partition table.
 *
 *	sector 0            1        2 ...                          last
 *	+----------------+--------+---------+------------+---------+--------+
 *	| protective MBR | header | entries | partitions | entries | header |
 *	+----------------+--------+---------+------------+---------+--------+
 *
 * Header (table 5.5): 0 signature, 8 revision, 12 header bytes, 16 header CRC,
 * 24 own sector, 32 other header, 40 first and 48 last usable sector, 72 first
 * sector of the entries, 80 how many, 84 bytes of each, 88 CRC over all of them.
 * Entry (table 5.6): 0 type, 16 identity, 32 first sector, 40 last sector.
 */
#include "drivers/gpt.h"
#include <stddef.h>
#include <string.h>

#define HEADER_BYTES	92u
#define ENTRIES_MAX	1024u /* eight times what is usual */
#define ENTRY_BYTES_MIN 128u

struct table {
	uint64_t entries; /* first sector of the entry array */
	uint32_t count, entry_bytes, crc;
};

static uint32_t get32(const uint8_t *at)
{
	return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint64_t get64(const uint8_t *at)
{
	return get32(at) | (uint64_t)get32(at + 4) << 32;
}

uint32_t gpt_crc32(uint32_t crc, const void *data, uint32_t bytes)
{
	/* Four bits at a time: a table of 16 words. */
	static const uint32_t nibble[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
		0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	const uint8_t *at = data;

	crc = ~crc;
	for (uint32_t i = 0; i < bytes; i++) {
		crc ^= at[i];
		crc = crc >> 4 ^ nibble[crc & 15];
		crc = crc >> 4 ^ nibble[crc & 15];
	}
	return ~crc;
}

static void gpt_done(struct block_request *request)
{
	*(bool *)request->owner = true;
}

static enum status gpt_read(struct block_device *disk, uint64_t sector, uint32_t sectors,
			    void *buffer)
{
	bool done = false;
	struct block_request request = {
		.operation = BLOCK_READ,
		.sector = {sector},
		.sectors = sectors,
		.data = buffer,
		.complete = gpt_done,
		.owner = &done,
	};

	if (sector >= disk->sectors || sectors > disk->sectors - sector)
		return STATUS_FORMAT;
	while (!disk->operations->submit(disk, &request))
		disk->operations->poll(disk, true);
	while (!done)
		disk->operations->poll(disk, true);
	return request.status;
}

/* Reads and verifies the header in `sector`. */
static enum status gpt_header(struct block_device *disk, uint64_t sector, uint8_t *buffer,
			      struct table *table)
{
	enum status status = gpt_read(disk, sector, 1, buffer);
	uint32_t bytes = get32(buffer + 12), crc = get32(buffer + 16);

	if (status != STATUS_OK)
		return status;
	if (memcmp(buffer, "EFI PART", 8) != 0 || bytes < HEADER_BYTES || bytes > SECTOR_SIZE)
		return STATUS_FORMAT;
	memset(buffer + 16, 0, 4);
	if (gpt_crc32(0, buffer, bytes) != crc || get64(buffer + 24) != sector)
		return STATUS_FORMAT;
	*table = (struct table){get64(buffer + 72), get32(buffer + 80), get32(buffer + 84),
				get32(buffer + 88)};
	if (table->count == 0 || table->count > ENTRIES_MAX ||
	    table->entry_bytes < ENTRY_BYTES_MIN || table->entry_bytes > SECTOR_SIZE ||
	    (table->entry_bytes & (table->entry_bytes - 1)) != 0)
		return STATUS_FORMAT;
	return STATUS_OK;
}

static bool gpt_match(const uint8_t *entry, const uint8_t type[16], struct gpt_partition *found)
{
	uint64_t first = get64(entry + 32), last = get64(entry + 40);

	if (found->sectors != 0 || memcmp(entry, type, 16) != 0 || first == 0 || last < first ||
	    last == UINT64_MAX)
		return false;
	*found = (struct gpt_partition){first, last - first + 1};
	return true;
}

/* Verifies all entries and notes the first that matches. */
static enum status gpt_entries(struct block_device *disk, const struct table *table,
			       const uint8_t type[16], uint8_t *buffer, struct gpt_partition *found)
{
	uint32_t left = table->count * table->entry_bytes, crc = 0;
	uint64_t sector = table->entries;

	*found = (struct gpt_partition){0, 0};
	while (left > 0) {
		uint32_t bytes = left < GPT_BUFFER ? left : GPT_BUFFER;
		uint32_t sectors = (bytes + SECTOR_SIZE - 1) / SECTOR_SIZE;
		enum status status = gpt_read(disk, sector, sectors, buffer);
		if (status != STATUS_OK)
			return status;
		crc = gpt_crc32(crc, buffer, bytes);
		for (uint32_t at = 0; at < bytes; at += table->entry_bytes)
			gpt_match(buffer + at, type, found);
		sector += sectors;
		left -= bytes;
	}
	return crc == table->crc ? STATUS_OK : STATUS_FORMAT;
}

static enum status gpt_table(struct block_device *disk, uint64_t sector, const uint8_t type[16],
			     void *buffer, struct gpt_partition *found)
{
	struct table table;
	enum status status = gpt_header(disk, sector, buffer, &table);

	if (status == STATUS_OK)
		status = gpt_entries(disk, &table, type, buffer, found);
	return status;
}

enum status gpt_find(struct block_device *disk, const uint8_t type[16], void *buffer,
		     struct gpt_partition *found, const char **why)
{
	enum status status = gpt_table(disk, 1, type, buffer, found);

	*why = NULL;
	if (status == STATUS_FORMAT && disk->sectors > 2) {
		status = gpt_table(disk, disk->sectors - 1, type, buffer, found);
		*why = status == STATUS_OK
			       ? "its first partition table is damaged, the second serves"
			       : "it has no GUID partition table";
	}
	if (status != STATUS_OK) {
		if (*why == NULL)
			*why = "it cannot be read";
		return status;
	}
	if (found->sectors == 0) {
		*why = "it has no store partition";
		return STATUS_NOT_FOUND;
	}
	if (found->first >= disk->sectors || found->sectors > disk->sectors - found->first) {
		*why = "its store partition reaches beyond the end of the disk";
		return STATUS_TRUNCATED;
	}
	return STATUS_OK;
}
