/* SPDX-License-Identifier: MIT */
/*
 * partition.h - finds the store partition of a GPT disk image.
 *
 * GUID Partition Table, UEFI specification 2.10, section 5.3.  The primary
 * table (sector 1) is used when its two checksums are right, otherwise the
 * backup (last sector).  Everything read is treated as hostile.
 */
#ifndef TOOLS_MKSTORE_PARTITION_H
#define TOOLS_MKSTORE_PARTITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "disk/status.h"

struct partition_source {
	void *context;
	uint64_t sectors; /* of the whole disk */
	enum status (*read)(void *context, uint64_t sector, uint32_t sectors, void *data);
};

struct partition {
	uint64_t first_sector;
	uint64_t sectors;
	unsigned number; /* from 1, as partition tools count */
	bool backup;	 /* the primary table is damaged; `why` says how */
	char why[160];	 /* on failure or with `backup`: what is wrong */
};

/*
 * OK: the first partition of the store's type.  NOT_FOUND: there is no GPT.
 * NOT_A_STORE: a GPT without a store partition.  TRUNCATED: the partition, as the
 * table says where it lies, does not end within the disk.  CORRUPT: there is a GPT,
 * and both copies are damaged.  IO: not even the backup could be read.
 */
enum status partition_find(const struct partition_source *source, struct partition *partition);

/* CRC-32 as GPT uses it (ISO 3309), of bytes that follow those summed in
 * `crc`; start with 0. */
uint32_t partition_crc32(uint32_t crc, const void *data, size_t length);

#endif
