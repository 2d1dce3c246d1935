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
 * partition then.  Whoever gave up or failed on the way begins anew.
 */
#include "drivers/gpt.h"
#include <stddef.h>
#include <string.h>
#include "drivers/gpt_priv.h"
#include "base/assert.h"

#define ALIGNMENT  (1024u * 1024u) /* partitions end at whole MiB, as partition tools have it */
#define MBR_RECORD 446u		   /* the first partition record of the protective MBR */

/* All in the table's sectors. */
struct growth {
	struct gpt_table table; /* the first one */
	const uint8_t *type;
	uint32_t crc;	/* of the entries as they will be */
	uint32_t index; /* of the partition's entry; count: none yet */
	uint64_t first, last, new_last;
	uint64_t behind; /* first sector of a partition behind it; 0: none */
	bool fits;	 /* the second table, at the disk's end, touches no partition */
};

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

/* ---- what there is -------------------------------------------------------------- */

static void entry_look(void *context, uint8_t *entry, uint32_t index)
{
	struct growth *growth = context;

	if (growth->index < growth->table.count || memcmp(entry, growth->type, 16) != 0)
		return;
	growth->index = index;
	growth->first = gpt_get64(entry + 32);
	growth->last = gpt_get64(entry + 40);
}

static void entry_behind(void *context, uint8_t *entry, uint32_t index)
{
	static const uint8_t unused[16];
	struct growth *growth = context;
	uint64_t first = gpt_get64(entry + 32);

	if (memcmp(entry, unused, sizeof(unused)) == 0 || index == growth->index)
		return;
	if (first > growth->last && (!growth->behind || first < growth->behind))
		growth->behind = first;
}

static void entry_extend(void *context, uint8_t *entry, uint32_t index)
{
	struct growth *growth = context;

	if (index == growth->index)
		put64(entry + 40, growth->new_last);
}

/* The first table, of whichever sectors. */
static enum status growth_table(struct growth *growth, struct gpt_access *access)
{
	enum status status = STATUS_FORMAT;

	for (uint32_t scale = 1; status == STATUS_FORMAT && scale <= BLOCK_SECTORS;
	     scale *= BLOCK_SECTORS) {
		growth->table = gpt_table(access, scale);
		status = gpt_header(&growth->table, 1);
	}
	growth->index = growth->table.count;
	return status;
}

/* The first table's entries are not those of its header.  If they are the second's, a growth
 * ended between the two, and goes on. */
static enum status growth_halfway(const struct growth *growth, uint32_t crc)
{
	const struct gpt_table *first = &growth->table;
	struct gpt_table second = *first;
	enum status status = gpt_header(&second, first->sectors - 1);

	if (status == STATUS_FORMAT)
		return STATUS_CORRUPT;
	if (status == STATUS_OK && (second.crc != crc || second.count != first->count ||
				    second.entry_bytes != first->entry_bytes))
		return STATUS_CORRUPT;
	return status;
}

static enum status growth_plan(struct growth *growth, struct gpt_access *access, const char **why)
{
	struct gpt_table *table = &growth->table;
	enum status status = growth_table(growth, access);
	uint64_t usable, alignment = ALIGNMENT / SECTOR_SIZE / table->scale;
	uint32_t crc = 0;

	if (status == STATUS_OK)
		status = gpt_entries(table, entry_look, growth, 0, &crc);
	if (status == STATUS_OK && crc != table->crc)
		status = growth_halfway(growth, crc);
	if (status == STATUS_OK)
		status = gpt_entries(table, entry_behind, growth, 0, &crc);
	if (status != STATUS_OK) {
		*why = status == STATUS_FORMAT || status == STATUS_CORRUPT
			       ? "its first partition table is damaged: repair that first"
			       : "it cannot be read";
		return status;
	}
	*why = "it has no store partition";
	if (growth->index == table->count)
		return STATUS_NOT_FOUND;
	*why = "its store partition makes no sense";
	if (growth->first < 2 || growth->last < growth->first || growth->last >= table->sectors ||
	    table->sectors < table->entries_sectors + 2)
		return STATUS_FORMAT;
	usable = table->sectors - table->entries_sectors - 2;
	growth->new_last = growth->last;
	growth->fits = growth->last <= usable && !growth->behind;
	usable = (usable + 1) / alignment * alignment;
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
	struct gpt_table *table = &growth->table;
	uint8_t *header = table->header;

	ASSERT(own < table->sectors && other < table->sectors && own != other);
	put64(header + 24, own);
	put64(header + 32, other);
	put64(header + 48, table->sectors - table->entries_sectors - 2);
	put64(header + 72, entries);
	put32(header + 88, growth->crc);
	put32(header + 16, 0);
	put32(header + 16, gpt_crc32(0, header, gpt_get32(header + 12)));
	memset(table->access->buffer, 0, GPT_BUFFER);
	memcpy(table->access->buffer, header, SECTOR_SIZE);
	return gpt_io(table, BLOCK_WRITE, own, 1);
}

/* The size in the protective MBR, if that is what is in sector 0. */
static enum status mbr_write(struct growth *growth)
{
	uint64_t sectors = growth->table.sectors - 1;
	uint8_t *buffer = growth->table.access->buffer;
	enum status status = gpt_io(&growth->table, BLOCK_READ, 0, 1);

	if (status != STATUS_OK || buffer[MBR_RECORD + 4] != 0xee || buffer[510] != 0x55 ||
	    buffer[511] != 0xaa)
		return status;
	put32(buffer + MBR_RECORD + 12, sectors > UINT32_MAX ? UINT32_MAX : (uint32_t)sectors);
	return gpt_io(&growth->table, BLOCK_WRITE, 0, 1);
}

static enum status growth_write(struct growth *growth)
{
	struct gpt_table *table = &growth->table;
	uint64_t end = table->sectors - 1, copy = end - table->entries_sectors;
	uint32_t crc;
	enum status status;

	ASSERT(growth->fits && growth->index < table->count);
	ASSERT(growth->new_last >= growth->last && copy > growth->new_last);
	status = gpt_entries(table, entry_extend, growth, copy, &growth->crc);
	if (status == STATUS_OK)
		status = header_write(growth, end, 1, copy);
	if (status == STATUS_OK)
		status = gpt_io(table, BLOCK_FLUSH, 0, 0);
	if (status == STATUS_OK)
		status = gpt_entries(table, entry_extend, growth, table->entries, &crc);
	if (status == STATUS_OK)
		status = header_write(growth, 1, end, table->entries);
	if (status == STATUS_OK)
		status = mbr_write(growth);
	if (status == STATUS_OK)
		status = gpt_io(table, BLOCK_FLUSH, 0, 0);
	return status;
}

enum status gpt_grow(struct gpt_access *access, const uint8_t type[16], struct gpt_partition *found,
		     const char **why)
{
	struct growth growth = {.type = type};
	enum status status = growth_plan(&growth, access, why);
	uint32_t scale = growth.table.scale;
	bool unused = (growth.last - growth.first + 1) * scale > found->sectors;

	if (status == STATUS_OK && growth.fits && (growth.new_last > growth.last || unused)) {
		status = growth_write(&growth);
		if (status != STATUS_OK)
			*why = "its partition tables cannot be written";
	}
	if (status == STATUS_TIMEOUT)
		*why = "it does not answer; try again";
	if (status == STATUS_OK)
		*found = (struct gpt_partition){
			.first = growth.first * scale,
			.sectors = (growth.new_last - growth.first + 1) * scale,
			.disk_sectors = growth.table.sectors * scale,
			.number = growth.index + 1,
			.sector_bytes = scale * SECTOR_SIZE,
		};
	return status;
}
