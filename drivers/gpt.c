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
#include "drivers/gpt_priv.h"
#include "base/assert.h"

#define HEADER_BYTES	92u
#define ENTRIES_MAX	1024u /* eight times what is usual */
#define ENTRY_BYTES_MIN 128u
#define READ_TRIES	3u
static_assert(GPT_BUFFER == BLOCK_SIZE && GPT_BUFFER % ENTRY_BYTES_MIN == 0, "a block at a time");

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

struct gpt_table gpt_table(struct gpt_access *access, uint32_t scale)
{
	ASSERT(scale == 1 || scale == BLOCK_SECTORS);
	return (struct gpt_table){
		.access = access, .scale = scale, .sectors = access->disk->sectors / scale};
}

static void gpt_done(struct block_request *request)
{
	struct gpt_access *access = request->owner;

	access->pending = false;
}

/* False: patience is at its end. */
static bool gpt_wait(struct gpt_access *access)
{
	access->disk->operations->poll(access->disk, access->patience == NULL);
	return access->patience == NULL || access->patience();
}

/* One request, in sectors of 512 bytes. */
static enum status gpt_request(struct gpt_access *access, enum block_operation operation,
			       uint64_t sector, uint64_t sectors)
{
	struct block_device *disk = access->disk;

	ASSERT(operation == BLOCK_FLUSH ? !sectors
					: sectors && sectors <= GPT_BUFFER / SECTOR_SIZE);
	while (access->pending) /* one that was given up */
		if (!gpt_wait(access))
			return STATUS_TIMEOUT;
	access->request = (struct block_request){
		.operation = operation,
		.sector = {sector},
		.sectors = (uint32_t)sectors,
		.data = operation == BLOCK_FLUSH ? NULL : access->buffer,
		.complete = gpt_done,
		.owner = access,
	};
	access->pending = true;
	while (!disk->operations->submit(disk, &access->request))
		if (!gpt_wait(access)) {
			access->pending = false;
			return STATUS_TIMEOUT;
		}
	while (access->pending)
		if (!gpt_wait(access))
			return STATUS_TIMEOUT;
	return access->request.status;
}

enum status gpt_read(struct gpt_access *access, uint64_t sector, uint64_t sectors)
{
	enum status status = STATUS_IO;

	for (unsigned i = 0; i < READ_TRIES && status == STATUS_IO; i++)
		status = gpt_request(access, BLOCK_READ, sector, sectors);
	return status;
}

enum status gpt_io(const struct gpt_table *table, enum block_operation operation, uint64_t sector,
		   uint32_t sectors)
{
	if (sector > table->sectors || sectors > table->sectors - sector)
		return STATUS_FORMAT;
	sector *= table->scale;
	sectors *= table->scale;
	return operation == BLOCK_READ ? gpt_read(table->access, sector, sectors)
				       : gpt_request(table->access, operation, sector, sectors);
}

/* The whole block around it is read: a disk of larger sectors than the table's gives no less. */
static enum status gpt_header_read(struct gpt_table *table, uint64_t sector)
{
	uint64_t place = sector * table->scale, block = place - place % BLOCK_SECTORS;
	uint64_t left = table->access->disk->sectors - block;
	enum status status =
		gpt_read(table->access, block, left < BLOCK_SECTORS ? left : BLOCK_SECTORS);

	if (status == STATUS_OK)
		memcpy(table->header, table->access->buffer + (place - block) * SECTOR_SIZE,
		       SECTOR_SIZE);
	return status;
}

enum status gpt_header(struct gpt_table *table, uint64_t sector)
{
	uint8_t *header = table->header;
	uint32_t bytes, crc;
	enum status status;

	if (sector >= table->sectors)
		return STATUS_FORMAT;
	status = gpt_header_read(table, sector);
	if (status != STATUS_OK)
		return status;
	bytes = gpt_get32(header + 12);
	crc = gpt_get32(header + 16);
	if (memcmp(header, "EFI PART", 8) != 0)
		return STATUS_FORMAT;
	if (bytes < HEADER_BYTES || bytes > SECTOR_SIZE)
		return STATUS_CORRUPT;
	memset(header + 16, 0, 4);
	if (gpt_crc32(0, header, bytes) != crc || gpt_get64(header + 24) != sector)
		return STATUS_CORRUPT;
	table->entries = gpt_get64(header + 72);
	table->count = gpt_get32(header + 80);
	table->entry_bytes = gpt_get32(header + 84);
	table->crc = gpt_get32(header + 88);
	if (table->count == 0 || table->count > ENTRIES_MAX ||
	    table->entry_bytes < ENTRY_BYTES_MIN || table->entry_bytes > SECTOR_SIZE ||
	    (table->entry_bytes & (table->entry_bytes - 1)) != 0)
		return STATUS_CORRUPT;
	bytes = table->scale * SECTOR_SIZE;
	table->entries_sectors = (table->count * table->entry_bytes + bytes - 1) / bytes;
	return STATUS_OK;
}

enum status gpt_entries(struct gpt_table *table,
			void (*look)(void *context, uint8_t *entry, uint32_t index), void *context,
			uint64_t to, uint32_t *crc)
{
	uint32_t left = table->count * table->entry_bytes, index = 0;
	uint32_t piece = BLOCK_SECTORS / table->scale;

	ASSERT(table->entries_sectors &&
	       left <= table->entries_sectors * table->scale * SECTOR_SIZE);
	*crc = 0;
	for (uint32_t done = 0; done < table->entries_sectors; done += piece) {
		uint32_t rest = table->entries_sectors - done;
		uint32_t sectors = rest < piece ? rest : piece;
		uint32_t bytes = left < GPT_BUFFER ? left : GPT_BUFFER;
		enum status status = gpt_io(table, BLOCK_READ, table->entries + done, sectors);

		for (uint32_t at = 0; at < bytes && status == STATUS_OK; at += table->entry_bytes)
			look(context, table->access->buffer + at, index++);
		*crc = gpt_crc32(*crc, table->access->buffer, bytes);
		if (status == STATUS_OK && to)
			status = gpt_io(table, BLOCK_WRITE, to + done, sectors);
		if (status != STATUS_OK)
			return status;
		left -= bytes;
	}
	return STATUS_OK;
}

/* ---- finding a partition ------------------------------------------------------------ */

struct gpt_search {
	const struct gpt_table *table;
	const uint8_t *type;
	struct gpt_partition *found;
};

static void gpt_match(void *context, uint8_t *entry, uint32_t index)
{
	struct gpt_search *search = context;
	struct gpt_partition *found = search->found;
	uint64_t first = gpt_get64(entry + 32), last = gpt_get64(entry + 40);
	uint32_t scale = search->table->scale;

	if (found->sectors != 0 || memcmp(entry, search->type, 16) != 0 || first == 0 ||
	    last < first || last >= UINT64_MAX / scale)
		return;
	*found = (struct gpt_partition){.first = first * scale,
					.sectors = (last - first + 1) * scale,
					.number = index + 1,
					.sector_bytes = scale * SECTOR_SIZE};
}

/* The table whose header is in that sector. */
static enum status gpt_look(struct gpt_table *table, uint64_t sector, const uint8_t type[16],
			    struct gpt_partition *found)
{
	struct gpt_search search = {table, type, found};
	enum status status = gpt_header(table, sector);
	uint64_t other = gpt_get64(table->header + 32), end;
	uint32_t crc = 0;

	*found = (struct gpt_partition){0};
	if (status == STATUS_OK)
		status = gpt_entries(table, gpt_match, &search, 0, &crc);
	if (status == STATUS_OK && crc != table->crc)
		status = STATUS_CORRUPT;
	/* Entries that cannot lie where the header says. */
	if (status == STATUS_FORMAT && table->count)
		status = STATUS_CORRUPT;
	/* The disk ended behind the later of the two headers. */
	end = found->first + found->sectors;
	found->disk_sectors = (other > sector ? other : sector) + 1;
	if (found->disk_sectors < UINT64_MAX / table->scale)
		found->disk_sectors *= table->scale;
	if (found->disk_sectors < end)
		found->disk_sectors = end;
	return status;
}

/* Neither kind of table is whole; the worst that was met. */
static const char *gpt_trouble(enum status worst)
{
	switch (worst) {
	case STATUS_FORMAT:
		return "it has no GUID partition table";
	case STATUS_CORRUPT:
		return "both of its partition tables are damaged";
	case STATUS_TIMEOUT:
		return "it does not answer";
	default:
		return "it cannot be read";
	}
}

enum status gpt_find(struct gpt_access *access, const uint8_t type[16], struct gpt_partition *found,
		     const char **why)
{
	const struct block_device *disk = access->disk;
	enum status status = STATUS_FORMAT, worst = STATUS_FORMAT;

	*why = NULL;
	/* The first tables of both kinds, then the second ones. */
	for (unsigned i = 0; i < 4 && status != STATUS_TIMEOUT; i++) {
		struct gpt_table table = gpt_table(access, i % 2 ? BLOCK_SECTORS : 1);

		status = table.sectors < 3
				 ? STATUS_FORMAT
				 : gpt_look(&table, i < 2 ? 1 : table.sectors - 1, type, found);
		if (status == STATUS_OK) {
			*why = i < 2 ? NULL
				     : "its first partition table is damaged, the second serves";
			break;
		}
		/* What cannot be read now may be whole. */
		if (worst == STATUS_FORMAT || status == STATUS_IO || status == STATUS_TIMEOUT)
			worst = status;
	}
	if (status != STATUS_OK) {
		*why = gpt_trouble(worst);
		return worst;
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
