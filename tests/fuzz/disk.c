/* SPDX-License-Identifier: MIT */
/*
 * disk.c - the disk under the fuzzers; see disk.h.
 */
#include "tests/fuzz/disk.h"

#include <string.h>

#include "tests/fuzz/fuzz.h"

#define DISK_REQUEST_SECTORS 256u
#define DISK_QUEUE	     16u

static bool range_bad(const struct fuzz_disk *disk, uint64_t sector, uint64_t sectors)
{
	return disk->bad_count && sector < disk->bad_first + disk->bad_count &&
	       disk->bad_first < sector + sectors;
}

static enum status disk_perform(struct fuzz_disk *disk, const struct block_request *request)
{
	uint64_t sector = request->sector.n;
	size_t bytes = (size_t)request->sectors * SECTOR_SIZE;

	if (request->operation == BLOCK_READ && range_bad(disk, sector, request->sectors))
		return STATUS_IO;
	if (request->operation != BLOCK_READ && !disk->writes_left)
		return STATUS_IO;
	if (request->operation == BLOCK_FLUSH)
		return STATUS_OK;
	FUZZ_CHECK(request->sectors && request->sectors <= DISK_REQUEST_SECTORS &&
			   sector < disk->sectors && request->sectors <= disk->sectors - sector,
		   "request for %u sectors at %llu of %llu", request->sectors,
		   (unsigned long long)sector, (unsigned long long)disk->sectors);
	if (request->operation == BLOCK_READ) {
		memcpy(request->data, disk->data + sector * SECTOR_SIZE, bytes);
	} else if (request->operation == BLOCK_WRITE) {
		memcpy(fuzz_disk_change(disk, sector, request->sectors), request->data, bytes);
		disk->writes_left--;
	}
	return STATUS_OK;
}

static bool disk_submit(struct block_device *device, struct block_request *request)
{
	request->status = disk_perform(device->context, request);
	request->complete(request);
	return true;
}

static void disk_poll(struct block_device *device, bool wait)
{
	(void)device;
	(void)wait;
}

void fuzz_disk_create(struct fuzz_disk *disk, uint64_t sectors, uint32_t write_unit)
{
	static const struct block_operations operations = {disk_submit, disk_poll};

	memset(disk, 0, sizeof(*disk));
	disk->device = (struct block_device){.sectors = sectors,
					     .write_unit = write_unit,
					     .request_sectors = DISK_REQUEST_SECTORS,
					     .queue_depth = DISK_QUEUE,
					     .operations = &operations,
					     .context = disk};
	disk->sectors = sectors;
	disk->data = fuzz_allocate(sectors * SECTOR_SIZE);
	disk->original = fuzz_allocate(sectors * SECTOR_SIZE);
	disk->touched = fuzz_allocate(sectors * sizeof(*disk->touched));
	disk->is_touched = fuzz_allocate(sectors);
	disk->writes_left = UINT64_MAX;
}

void fuzz_disk_keep(struct fuzz_disk *disk)
{
	memcpy(disk->original, disk->data, disk->sectors * SECTOR_SIZE);
	fuzz_disk_revert(disk);
}

void fuzz_disk_revert(struct fuzz_disk *disk)
{
	while (disk->touched_count) {
		uint64_t sector = disk->touched[--disk->touched_count];

		memcpy(disk->data + sector * SECTOR_SIZE, disk->original + sector * SECTOR_SIZE,
		       SECTOR_SIZE);
		disk->is_touched[sector] = 0;
	}
	disk->bad_first = disk->bad_count = 0;
	disk->writes_left = UINT64_MAX;
}

uint8_t *fuzz_disk_change(struct fuzz_disk *disk, uint64_t sector, uint64_t sectors)
{
	for (uint64_t i = sector; i < sector + sectors; i++) {
		if (!disk->is_touched[i])
			disk->touched[disk->touched_count++] = (uint32_t)i;
		disk->is_touched[i] = 1;
	}
	return disk->data + sector * SECTOR_SIZE;
}

static enum status reader_read(void *context, sector_t sector, uint32_t sectors, void *data)
{
	struct fuzz_disk *disk = context;

	if (sector.n >= disk->sectors || sectors > disk->sectors - sector.n ||
	    range_bad(disk, sector.n, sectors))
		return STATUS_IO;
	memcpy(data, disk->data + sector.n * SECTOR_SIZE, (size_t)sectors * SECTOR_SIZE);
	return STATUS_OK;
}

struct verify_reader fuzz_disk_reader(struct fuzz_disk *disk)
{
	return (struct verify_reader){
		.context = disk, .sectors = disk->sectors, .read = reader_read};
}
