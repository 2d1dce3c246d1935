/* SPDX-License-Identifier: MIT */
/*
 * gpt_grow.c - the last partition of a GPT disk takes what the disk has grown by.
 *
 *	before	| MBR | header | entries | ... | store | entries | header |
 *	after	| MBR | header | entries | ... | store .................. | entries | header |
 *
 * Order of the writes: the second table at the new end, a flush, then the first
 * table, entries before their header, a flush.  Whenever the power goes, one of
 * the two is whole: while the first does not match its entries, the second is in
 * the last sector of the disk.  Where the old second table was is a part of the
 * partition then.
 */
#include "drivers/gpt.h"
#include <stddef.h>
#include <string.h>

#define HEADER_BYTES 92u
#define ENTRIES_MAX  1024u
#define PIECE	     (GPT_BUFFER / SECTOR_SIZE)
#define ALIGNMENT    2048u /* partitions end at whole MiB, as partition tools have it */
#define MBR_RECORD   446u  /* the first partition record of the protective MBR */

struct growth {
	struct block_device *disk;
	const uint8_t *type;
	uint8_t *buffer;
	uint8_t header[SECTOR_SIZE];
	uint64_t entries; /* first sector of the first table's entries */
	uint32_t count, entry_bytes, sectors;
	uint32_t crc;	/* of the entries as they will be */
	uint32_t index; /* of the partition's entry; count: none yet */
	uint64_t first, last, new_last;
	uint64_t behind; /* first sector of a partition behind it; 0: none */
};

static uint32_t get32(const uint8_t *at)
{
	return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint64_t get64(const uint8_t *at)
{
	return get32(at) | (uint64_t)get32(at + 4) << 32;
}

static void put32(uint8_t *at, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

static void put64(uint8_t *at, uint64_t value)
{
	put32(at, (uint32_t)value);
	put32(at + 4, (uint32_t)(value >> 32));
}

/* ---- synchronous requests ----------------------------------------------------- */

static void growth_done(struct block_request *request)
{
	*(bool *)request->owner = true;
}

static enum status growth_io(const struct growth *growth, enum block_operation operation,
			     uint64_t sector, uint32_t sectors)
{
	struct block_device *disk = growth->disk;
	bool done = false;
	struct block_request request = {
		.operation = operation,
		.sector = {sector},
		.sectors = sectors,
		.data = operation == BLOCK_FLUSH ? NULL : growth->buffer,
		.complete = growth_done,
		.owner = &done,
	};

	if (sector > disk->sectors || sectors > disk->sectors - sector)
		return STATUS_FORMAT;
	while (!disk->operations->submit(disk, &request))
		disk->operations->poll(disk, true);
	while (!done)
		disk->operations->poll(disk, true);
	return request.status;
}

/* ---- what there is -------------------------------------------------------------- */

static enum status header_read(struct growth *growth)
{
	enum status status = growth_io(growth, BLOCK_READ, 1, 1);
	uint8_t *header = growth->header;
	uint32_t bytes, crc;

	if (status != STATUS_OK)
		return status;
	memcpy(header, growth->buffer, SECTOR_SIZE);
	bytes = get32(header + 12);
	crc = get32(header + 16);
	if (memcmp(header, "EFI PART", 8) != 0 || bytes < HEADER_BYTES || bytes > SECTOR_SIZE)
		return STATUS_FORMAT;
	put32(header + 16, 0);
	if (gpt_crc32(0, header, bytes) != crc || get64(header + 24) != 1)
		return STATUS_FORMAT;
	growth->entries = get64(header + 72);
	growth->count = growth->index = get32(header + 80);
	growth->entry_bytes = get32(header + 84);
	if (growth->count == 0 || growth->count > ENTRIES_MAX || growth->entry_bytes < 128 ||
	    growth->entry_bytes > SECTOR_SIZE ||
	    (growth->entry_bytes & (growth->entry_bytes - 1)) != 0)
		return STATUS_FORMAT;
	growth->sectors = (growth->count * growth->entry_bytes + SECTOR_SIZE - 1) / SECTOR_SIZE;
	return STATUS_OK;
}

static void entry_look(struct growth *growth, const uint8_t *entry, uint32_t index)
{
	static const uint8_t unused[16];
	uint64_t first = get64(entry + 32), last = get64(entry + 40);

	if (memcmp(entry, unused, sizeof(unused)) == 0)
		return;
	if (growth->index == growth->count && memcmp(entry, growth->type, 16) == 0) {
		growth->index = index;
		growth->first = first;
		growth->last = last;
	}
}

static void entry_behind(struct growth *growth, const uint8_t *entry, uint32_t index)
{
	static const uint8_t unused[16];
	uint64_t first = get64(entry + 32);

	if (memcmp(entry, unused, sizeof(unused)) == 0 || index == growth->index)
		return;
	if (first > growth->last && (!growth->behind || first < growth->behind))
		growth->behind = first;
}

static void entry_extend(struct growth *growth, uint8_t *entry, uint32_t index)
{
	if (index == growth->index)
		put64(entry + 40, growth->new_last);
}

/* All entries, a piece at a time: looked at, or changed and written to `to`. */
static enum status entries_pass(struct growth *growth, unsigned pass, uint64_t to, uint32_t *crc)
{
	uint32_t left = growth->count * growth->entry_bytes, index = 0;

	*crc = 0;
	for (uint32_t done = 0; done < growth->sectors; done += PIECE) {
		uint32_t sectors = growth->sectors - done < PIECE ? growth->sectors - done : PIECE;
		uint32_t bytes = left < sectors * SECTOR_SIZE ? left : sectors * SECTOR_SIZE;
		enum status status = growth_io(growth, BLOCK_READ, growth->entries + done, sectors);

		if (status != STATUS_OK)
			return status;
		for (uint32_t at = 0; at < bytes; at += growth->entry_bytes, index++) {
			if (pass == 0)
				entry_look(growth, growth->buffer + at, index);
			else if (pass == 1)
				entry_behind(growth, growth->buffer + at, index);
			else
				entry_extend(growth, growth->buffer + at, index);
		}
		*crc = gpt_crc32(*crc, growth->buffer, bytes);
		if (pass == 2 && to)
			status = growth_io(growth, BLOCK_WRITE, to + done, sectors);
		if (status != STATUS_OK)
			return status;
		left -= bytes;
	}
	return STATUS_OK;
}

static enum status growth_plan(struct growth *growth, const char **why)
{
	uint64_t usable, sectors = growth->disk->sectors;
	uint32_t crc;
	enum status status = header_read(growth);

	*why = "its first partition table is damaged: repair that first";
	if (status == STATUS_OK)
		status = entries_pass(growth, 0, 0, &crc);
	if (status == STATUS_OK && crc != get32(growth->header + 88))
		status = STATUS_FORMAT;
	if (status == STATUS_OK)
		status = entries_pass(growth, 1, 0, &crc);
	if (status != STATUS_OK) {
		if (status != STATUS_FORMAT)
			*why = "it cannot be read";
		return status;
	}
	*why = "it has no store partition";
	if (growth->index == growth->count)
		return STATUS_NOT_FOUND;
	*why = "its store partition makes no sense";
	if (growth->first < 2 || growth->last < growth->first || growth->last >= sectors ||
	    sectors < growth->sectors + 2)
		return STATUS_FORMAT;
	usable = sectors - growth->sectors - 2;
	growth->new_last = growth->last;
	usable = (usable + 1) / ALIGNMENT * ALIGNMENT;
	if (usable > growth->last + 1)
		growth->new_last = usable - 1;
	*why = "another partition lies behind the store's";
	if (growth->behind && growth->new_last > growth->last)
		return STATUS_BUSY;
	*why = NULL;
	return STATUS_OK;
}

/* ---- writing ---------------------------------------------------------------------- */

static enum status header_write(struct growth *growth, uint64_t own, uint64_t other,
				uint64_t entries)
{
	uint8_t *header = growth->header;

	put64(header + 24, own);
	put64(header + 32, other);
	put64(header + 48, growth->disk->sectors - growth->sectors - 2);
	put64(header + 72, entries);
	put32(header + 88, growth->crc);
	put32(header + 16, 0);
	put32(header + 16, gpt_crc32(0, header, get32(header + 12)));
	memcpy(growth->buffer, header, SECTOR_SIZE);
	return growth_io(growth, BLOCK_WRITE, own, 1);
}

/* The size in the protective MBR, if that is what is in sector 0. */
static enum status mbr_write(struct growth *growth)
{
	uint64_t sectors = growth->disk->sectors - 1;
	enum status status = growth_io(growth, BLOCK_READ, 0, 1);

	if (status != STATUS_OK || growth->buffer[MBR_RECORD + 4] != 0xee ||
	    growth->buffer[510] != 0x55 || growth->buffer[511] != 0xaa)
		return status;
	put32(growth->buffer + MBR_RECORD + 12,
	      sectors > UINT32_MAX ? UINT32_MAX : (uint32_t)sectors);
	return growth_io(growth, BLOCK_WRITE, 0, 1);
}

static enum status growth_write(struct growth *growth)
{
	uint64_t end = growth->disk->sectors - 1, copy = end - growth->sectors;
	uint32_t crc;
	enum status status = entries_pass(growth, 2, copy, &growth->crc);

	if (status == STATUS_OK)
		status = header_write(growth, end, 1, copy);
	if (status == STATUS_OK)
		status = growth_io(growth, BLOCK_FLUSH, 0, 0);
	if (status == STATUS_OK)
		status = entries_pass(growth, 2, growth->entries, &crc);
	if (status == STATUS_OK)
		status = header_write(growth, 1, end, growth->entries);
	if (status == STATUS_OK)
		status = mbr_write(growth);
	if (status == STATUS_OK)
		status = growth_io(growth, BLOCK_FLUSH, 0, 0);
	return status;
}

enum status gpt_grow(struct block_device *disk, const uint8_t type[16], void *buffer,
		     struct gpt_partition *found, const char **why)
{
	struct growth growth = {.disk = disk, .type = type, .buffer = buffer};
	enum status status = growth_plan(&growth, why);

	if (status == STATUS_OK && growth.new_last > growth.last) {
		status = growth_write(&growth);
		if (status != STATUS_OK)
			*why = "its partition tables cannot be written";
	}
	if (status == STATUS_OK)
		*found = (struct gpt_partition){growth.first, growth.new_last - growth.first + 1};
	return status;
}
