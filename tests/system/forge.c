/* SPDX-License-Identifier: MIT */
/*
 * forge.c - changes a field of a store's superblocks and makes the checksum
 * right again, so that the system tests can show it what it does not know.
 *
 *     forge IMAGE STORE_OFFSET FIELD_OFFSET FIELD_BYTES VALUE
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>
#include "disk/format.h"

static void forge_superblock(int file, off_t at, size_t field, size_t bytes, uint64_t value)
{
	uint8_t block[sizeof(struct disk_superblock)];
	const size_t checksum_at = offsetof(struct disk_superblock, checksum);
	uint64_t checksum = 0;

	if (pread(file, block, sizeof(block), at) != (ssize_t)sizeof(block)) {
		perror("forge: read");
		exit(1);
	}
	memcpy(block + field, &value, bytes);
	memcpy(block + checksum_at, &checksum, sizeof(checksum));
	checksum = XXH3_64bits(block, sizeof(block));
	memcpy(block + checksum_at, &checksum, sizeof(checksum));
	if (pwrite(file, block, sizeof(block), at) != (ssize_t)sizeof(block)) {
		perror("forge: write");
		exit(1);
	}
}

int main(int count, char **words)
{
	if (count != 6) {
		fputs("usage: forge IMAGE STORE_OFFSET FIELD_OFFSET FIELD_BYTES VALUE\n", stderr);
		return 2;
	}
	int file = open(words[1], O_RDWR);
	off_t store = strtoll(words[2], NULL, 0);
	size_t field = strtoull(words[3], NULL, 0);
	size_t bytes = strtoull(words[4], NULL, 0);
	uint64_t value = strtoull(words[5], NULL, 0);

	if (file < 0 || bytes > sizeof(value) ||
	    field + bytes > offsetof(struct disk_superblock, checksum)) {
		fputs("forge: no such file or field\n", stderr);
		return 1;
	}
	forge_superblock(file, store + DISK_SUPERBLOCK_SECTOR * SECTOR_SIZE, field, bytes, value);
	forge_superblock(file, store + DISK_SUPERBLOCK_COPY_SECTOR * SECTOR_SIZE, field, bytes,
			 value);
	return close(file);
}
