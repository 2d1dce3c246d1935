/* SPDX-License-Identifier: MIT */
/*
 * partition.c - reads a GUID Partition Table; see partition.h.
 *
 * A header names its own sector, so that a backup copied over the primary is
 * not taken for one, and carries one checksum over itself and one over the
 * array of entries.
 */
#include "tools/mkstore/partition.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "disk/partition.h"
#include "disk/types.h"

#define PARTITION_MAGIC	       UINT64_C(0x5452415020494645) /* "EFI PART" */
#define PARTITION_HEADER_BYTES 92u
#define PARTITION_ENTRY_BYTES  128u
#define PARTITION_ARRAY_MAX    (256u * 1024u) /* 2048 entries of the least size */

/* UEFI 5.3.2, table 5-5. */
struct partition_header {
	uint64_t magic;
	uint32_t revision;
	uint32_t header_size;
	uint32_t checksum;
	uint32_t reserved;
	uint64_t own_sector;
	uint64_t other_sector;
	uint64_t first_usable;
	uint64_t last_usable;
	uint8_t disk[16];
	uint64_t entries_sector;
	uint32_t entries;
	uint32_t entry_size;
	uint32_t entries_checksum;
	uint32_t padding;
};
static_assert(offsetof(struct partition_header, entries_checksum) == 88, "GPT header");

/* UEFI 5.3.3, table 5-6. */
struct partition_entry {
	uint8_t type[16];
	uint8_t identity[16];
	uint64_t first_sector;
	uint64_t last_sector;
	uint64_t attributes;
	uint8_t name[72];
};
static_assert(sizeof(struct partition_entry) == PARTITION_ENTRY_BYTES, "GPT entry");

uint32_t partition_crc32(uint32_t crc, const void *data, size_t length)
{
	const uint8_t *bytes = data;

	crc = ~crc;
	for (size_t i = 0; i < length; i++) {
		crc ^= bytes[i];
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xedb88320) : 0);
	}
	return ~crc;
}

/* Reads and checks the header at `sector`.  NOT_FOUND: none is there. */
static enum status partition_header_read(const struct partition_source *source, uint64_t sector,
					 struct partition_header *header, char *why, size_t size)
{
	uint8_t data[SECTOR_SIZE];
	enum status status = source->read(source->context, sector, 1, data);

	if (status != STATUS_OK) {
		snprintf(why, size, "sector %" PRIu64 " cannot be read", sector);
		return STATUS_IO;
	}
	memcpy(header, data, sizeof(*header));
	if (header->magic != PARTITION_MAGIC) {
		snprintf(why, size, "sector %" PRIu64 " holds no partition table", sector);
		return STATUS_NOT_FOUND;
	}
	if (header->header_size < PARTITION_HEADER_BYTES || header->header_size > SECTOR_SIZE) {
		snprintf(why, size, "the header in sector %" PRIu64 " claims %" PRIu32 " bytes",
			 sector, header->header_size);
		return STATUS_CORRUPT;
	}
	memset(data + offsetof(struct partition_header, checksum), 0, sizeof(header->checksum));
	if (partition_crc32(0, data, header->header_size) != header->checksum ||
	    header->own_sector != sector) {
		snprintf(why, size, "the header in sector %" PRIu64 " is damaged", sector);
		return STATUS_CORRUPT;
	}
	return STATUS_OK;
}

/* Reads and checks the array of entries; *array is the caller's to free. */
static enum status partition_array_read(const struct partition_source *source,
					const struct partition_header *header, uint8_t **array,
					char *why, size_t size)
{
	uint64_t bytes = (uint64_t)header->entries * header->entry_size;
	uint64_t sectors = (bytes + SECTOR_SIZE - 1) / SECTOR_SIZE;

	if (header->entry_size < PARTITION_ENTRY_BYTES || header->entry_size % 8 != 0 ||
	    bytes == 0 || bytes > PARTITION_ARRAY_MAX || header->entries_sector > source->sectors ||
	    sectors > source->sectors - header->entries_sector) {
		snprintf(why, size, "the array of entries named in sector %" PRIu64 " is not sound",
			 header->own_sector);
		return STATUS_CORRUPT;
	}
	*array = malloc(sectors * SECTOR_SIZE);
	if (!*array) {
		snprintf(why, size, "memory is short");
		return STATUS_NO_MEMORY;
	}
	if (source->read(source->context, header->entries_sector, (uint32_t)sectors, *array) !=
	    STATUS_OK) {
		snprintf(why, size, "the entries at sector %" PRIu64 " cannot be read",
			 header->entries_sector);
		free(*array);
		return STATUS_IO;
	}
	if (partition_crc32(0, *array, bytes) != header->entries_checksum) {
		snprintf(why, size, "the entries at sector %" PRIu64 " are damaged",
			 header->entries_sector);
		free(*array);
		return STATUS_CORRUPT;
	}
	return STATUS_OK;
}

static enum status partition_search(const struct partition_source *source,
				    const struct partition_header *header, const uint8_t *array,
				    struct partition *partition, char *why, size_t size)
{
	static const uint8_t type[16] = DISK_PARTITION_TYPE;
	struct partition_entry entry;

	for (uint32_t i = 0; i < header->entries; i++) {
		memcpy(&entry, array + (size_t)i * header->entry_size, sizeof(entry));
		if (memcmp(entry.type, type, sizeof(type)) != 0)
			continue;
		partition->number = i + 1;
		partition->first_sector = entry.first_sector;
		partition->sectors = entry.last_sector - entry.first_sector + 1;
		if (entry.first_sector <= entry.last_sector && entry.last_sector < source->sectors)
			return STATUS_OK;
		snprintf(why, size,
			 "partition %" PRIu32 " spans sectors %" PRIu64 " to %" PRIu64
			 ", the disk has %" PRIu64 ": it was truncated",
			 i + 1, entry.first_sector, entry.last_sector, source->sectors);
		return STATUS_TRUNCATED;
	}
	snprintf(why, size, "none of its partitions has the store's type %s",
		 DISK_PARTITION_TYPE_TEXT);
	return STATUS_NOT_A_STORE;
}

static enum status partition_table(const struct partition_source *source, uint64_t sector,
				   struct partition *partition, char *why, size_t size)
{
	struct partition_header header;
	uint8_t *array;
	enum status status = partition_header_read(source, sector, &header, why, size);

	if (status != STATUS_OK)
		return status;
	status = partition_array_read(source, &header, &array, why, size);
	if (status != STATUS_OK)
		return status;
	status = partition_search(source, &header, array, partition, why, size);
	free(array);
	return status;
}

enum status partition_find(const struct partition_source *source, struct partition *partition)
{
	char why_backup[sizeof(partition->why)];
	enum status primary, backup;

	*partition = (struct partition){0};
	if (source->sectors < 3) {
		snprintf(partition->why, sizeof(partition->why), "it has %" PRIu64 " sectors",
			 source->sectors);
		return STATUS_NOT_FOUND;
	}
	primary = partition_table(source, 1, partition, partition->why, sizeof(partition->why));
	if (primary == STATUS_OK || primary == STATUS_NOT_A_STORE || primary == STATUS_TRUNCATED ||
	    primary == STATUS_NO_MEMORY)
		return primary;
	backup = partition_table(source, source->sectors - 1, partition, why_backup,
				 sizeof(why_backup));
	if (backup == STATUS_OK) {
		partition->backup = true;
		return STATUS_OK;
	}
	/* A table that is there but damaged says more than one that is not. */
	if (primary == STATUS_NOT_FOUND && backup != STATUS_NOT_FOUND) {
		memcpy(partition->why, why_backup, sizeof(partition->why));
		return backup;
	}
	return primary;
}
