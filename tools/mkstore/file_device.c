/* SPDX-License-Identifier: MIT */
/*
 * file_device.c - a file as a block device; see file_device.h.
 *
 * After a failed fdatasync the host may drop what it could not write and report
 * success the next time.  A flush that failed therefore fails for ever.
 */
#define _GNU_SOURCE /* OFD locks, fallocate */
#include "tools/mkstore/file_device.h"
#include "base/assert.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * QEMU's protocol on raw images: whoever uses permission i holds a read lock on
 * byte 100 + i; whoever does not let others use it holds one on byte 200 + i.
 * Permissions: 0 consistent read, 1 write, 2 write unchanged, 3 resize.
 */
#define LOCK_USE	  100
#define LOCK_DENY	  200
#define LOCK_END	  300
#define PERMISSION_READ	  0
#define PERMISSION_WRITE  1
#define PERMISSION_RESIZE 3

#define REQUEST_SECTORS 8192u /* 4 MiB */

struct file_device {
	int descriptor;
	uint64_t bytes;
	uint64_t window; /* first byte of the block device */
	bool flush_failed;
	int error; /* errno of the first request that failed */
	struct block_device block;
};

/* ---- locks ------------------------------------------------------------ */

static bool lock_set(int descriptor, short type, off_t start, off_t length)
{
	struct flock lock = {
		.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};

	return fcntl(descriptor, F_OFD_SETLK, &lock) == 0;
}

/* Does anybody else hold a lock, of any type, on that byte? */
static bool lock_held(int descriptor, off_t start)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = 1};

	return fcntl(descriptor, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

/* A writer takes every byte of the protocol exclusively, so that neither QEMU
 * nor another tool gets any.  A reader denies writing, and looks if there is a
 * writer already. */
bool file_device_lock(int descriptor, enum file_device_mode mode)
{
	if (mode == FILE_DEVICE_READ_LIVE)
		return true;
	if (mode == FILE_DEVICE_WRITE)
		return lock_set(descriptor, F_WRLCK, LOCK_USE, LOCK_END - LOCK_USE);
	return lock_set(descriptor, F_RDLCK, LOCK_USE + PERMISSION_READ, 1) &&
	       lock_set(descriptor, F_RDLCK, LOCK_DENY + PERMISSION_WRITE, 1) &&
	       lock_set(descriptor, F_RDLCK, LOCK_DENY + PERMISSION_RESIZE, 1) &&
	       !lock_held(descriptor, LOCK_USE + PERMISSION_WRITE) &&
	       !lock_held(descriptor, LOCK_USE + PERMISSION_RESIZE);
}

/* ---- reading and writing ---------------------------------------------- */

/* What the first failure was says more than what follows from it. */
static enum status device_failed(struct file_device *device, int error)
{
	if (!device->error)
		device->error = error;
	return STATUS_IO;
}

static bool file_move(int descriptor, void *data, size_t bytes, int64_t offset, bool writes)
{
	uint8_t *next = data;

	while (bytes) {
		ssize_t done;

		if (offset < 0)
			done = writes ? write(descriptor, next, bytes)
				      : read(descriptor, next, bytes);
		else
			done = writes ? pwrite(descriptor, next, bytes, offset)
				      : pread(descriptor, next, bytes, offset);
		if (done < 0 && errno == EINTR)
			continue;
		if (done == 0)
			errno = writes ? ENOSPC : ENODATA;
		if (done <= 0)
			return false;
		next += done;
		offset += offset < 0 ? 0 : done;
		bytes -= (size_t)done;
	}
	return true;
}

bool file_read(int descriptor, void *data, size_t bytes, int64_t offset)
{
	return file_move(descriptor, data, bytes, offset, false);
}

bool file_write(int descriptor, const void *data, size_t bytes, int64_t offset)
{
	return file_move(descriptor, (void *)data, bytes, offset, true);
}

static enum status device_move(struct file_device *device, void *data, size_t bytes,
			       uint64_t offset, bool writes)
{
	/* A negative one would mean where the descriptor stands. */
	ASSERT(offset <= INT64_MAX && bytes <= INT64_MAX - offset);
	return file_move(device->descriptor, data, bytes, (int64_t)offset, writes)
		       ? STATUS_OK
		       : device_failed(device, errno);
}

static enum status device_flush(struct file_device *device)
{
	int result;

	if (device->flush_failed)
		return STATUS_IO;
	do {
		result = fdatasync(device->descriptor);
	} while (result != 0 && errno == EINTR);
	if (result == 0)
		return STATUS_OK;
	device->flush_failed = true;
	return device_failed(device, errno);
}

/* A hint: where holes cannot be made, nothing happens, and nobody asks again. */
static enum status device_discard(struct file_device *device, uint64_t offset, uint64_t bytes)
{
	if (fallocate(device->descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
		      (off_t)bytes) != 0)
		device->block.discards = false;
	return STATUS_OK;
}

static enum status device_execute(struct file_device *device, const struct block_request *request)
{
	uint64_t offset = device->window + request->sector.n * SECTOR_SIZE;
	size_t bytes = (size_t)request->sectors * SECTOR_SIZE;

	if (request->operation == BLOCK_FLUSH)
		return device_flush(device);
	if (request->sector.n > device->block.sectors ||
	    request->sectors > device->block.sectors - request->sector.n)
		return STATUS_IO;
	if (request->operation == BLOCK_READ)
		return device_move(device, request->data, bytes, offset, false);
	if (device->block.read_only)
		return STATUS_IO;
	if (request->operation == BLOCK_WRITE)
		return device_move(device, request->data, bytes, offset, true);
	return device_discard(device, offset, bytes);
}

static bool device_submit(struct block_device *block, struct block_request *request)
{
	ASSERT(request->complete && block->context);
	request->status = device_execute(block->context, request);
	request->complete(request);
	return true;
}

static void device_poll(struct block_device *block, bool wait)
{
	/* Nothing is ever outstanding. */
	(void)block;
	(void)wait;
}

static const struct block_operations device_operations = {
	.submit = device_submit,
	.poll = device_poll,
};

/* ---- opening ---------------------------------------------------------- */

static enum status open_failed(const char *path, int error, char *why, size_t why_size)
{
	snprintf(why, why_size, "%s: cannot be opened: %s", path, strerror(error));
	return error == EBUSY || error == ETXTBSY ? STATUS_BUSY : STATUS_IO;
}

static bool device_fits(const struct stat *information)
{
	return S_ISREG(information->st_mode) || S_ISBLK(information->st_mode);
}

static enum status open_misfit(const char *path, char *why, size_t why_size)
{
	snprintf(why, why_size, "%s: is neither a file nor a block device", path);
	return STATUS_IO;
}

/* Size and write unit; the latter is only more than a sector on a disk that
 * says so. */
static enum status device_measure(struct file_device *device, const char *path, char *why,
				  size_t why_size)
{
	struct stat information;
	unsigned int physical = 0;
	off_t end = -1;

	device->block.write_unit = SECTOR_SIZE;
	if (fstat(device->descriptor, &information) == 0)
		end = lseek(device->descriptor, 0, SEEK_END);
	if (end < 0) {
		snprintf(why, why_size, "%s: cannot be measured: %s", path, strerror(errno));
		return STATUS_IO;
	}
	if (!device_fits(&information))
		return open_misfit(path, why, why_size);
	if (S_ISBLK(information.st_mode) && ioctl(device->descriptor, BLKPBSZGET, &physical) == 0 &&
	    physical > SECTOR_SIZE)
		device->block.write_unit = BLOCK_SIZE;
	device->bytes = (uint64_t)end;
	return STATUS_OK;
}

static enum status device_begin(struct file_device *device, const char *path,
				enum file_device_mode mode, char *why, size_t why_size)
{
	int flags = mode == FILE_DEVICE_WRITE ? O_RDWR : O_RDONLY;
	struct stat information;
	enum status status;

	/* Before it is opened: that would wait for the other end of a pipe. */
	if (stat(path, &information) == 0 && !device_fits(&information))
		return open_misfit(path, why, why_size);
	device->descriptor = open(path, flags | O_CLOEXEC);
	if (device->descriptor < 0)
		return open_failed(path, errno, why, why_size);
	status = device_measure(device, path, why, why_size);
	if (status != STATUS_OK)
		return status;
	if (!file_device_lock(device->descriptor, mode)) {
		snprintf(why, why_size,
			 "%s: is in use by a running system or another program: stop it first%s",
			 path,
			 mode == FILE_DEVICE_WRITE ? "; to look at it all the same: --live, as in "
						     "mkstore info --live"
						   : "");
		return STATUS_BUSY;
	}
	device->block.request_sectors = REQUEST_SECTORS;
	device->block.queue_depth = 2;
	device->block.discards = mode == FILE_DEVICE_WRITE;
	device->block.discard_sectors = UINT32_MAX;
	device->block.read_only = mode != FILE_DEVICE_WRITE;
	device->block.operations = &device_operations;
	device->block.context = device;
	return STATUS_OK;
}

enum status file_device_open(struct file_device **device, const char *path,
			     enum file_device_mode mode, char *why, size_t why_size)
{
	struct file_device *opened = calloc(1, sizeof(*opened));
	enum status status;

	ASSERT(why_size);
	*device = NULL;
	if (!opened) {
		snprintf(why, why_size, "%s: memory is short", path);
		return STATUS_NO_MEMORY;
	}
	opened->descriptor = -1;
	status = device_begin(opened, path, mode, why, why_size);
	if (status == STATUS_OK)
		*device = opened;
	else
		file_device_close(opened);
	return status;
}

void file_device_close(struct file_device *device)
{
	if (!device)
		return;
	/* Closing the description gives its locks back. */
	if (device->descriptor >= 0)
		close(device->descriptor);
	free(device);
}

uint64_t file_device_bytes(const struct file_device *device)
{
	return device->bytes;
}

uint64_t file_device_occupied(const struct file_device *device)
{
	struct stat information;

	if (fstat(device->descriptor, &information) != 0 || !S_ISREG(information.st_mode))
		return 0;
	return (uint64_t)information.st_blocks * 512;
}

enum status file_device_read(struct file_device *device, uint64_t offset_bytes, void *data,
			     size_t bytes)
{
	if (offset_bytes > device->bytes || bytes > device->bytes - offset_bytes)
		return STATUS_IO;
	return device_move(device, data, bytes, offset_bytes, false);
}

struct block_device *file_device_block(struct file_device *device, uint64_t first_sector,
				       uint64_t sectors)
{
	uint64_t all = device->bytes / SECTOR_SIZE;

	if (first_sector > all || sectors > all - first_sector)
		return NULL;
	device->window = first_sector * SECTOR_SIZE;
	device->block.sectors = sectors;
	return &device->block;
}

enum status file_device_resize(struct file_device *device, uint64_t bytes)
{
	struct stat information;

	if (fstat(device->descriptor, &information) != 0 || !S_ISREG(information.st_mode))
		return STATUS_INVALID;
	if (bytes > INT64_MAX)
		return STATUS_LIMIT;
	if (ftruncate(device->descriptor, (off_t)bytes) != 0) {
		device_failed(device, errno);
		return errno == EFBIG || errno == EINVAL    ? STATUS_LIMIT
		       : errno == ENOSPC || errno == EDQUOT ? STATUS_NO_SPACE
							    : STATUS_IO;
	}
	if (fsync(device->descriptor) != 0)
		return device_failed(device, errno);
	device->bytes = bytes;
	return STATUS_OK;
}

int file_device_error(const struct file_device *device)
{
	return device->error;
}

bool file_device_is(const struct file_device *device, const struct stat *other)
{
	struct stat own;

	if (fstat(device->descriptor, &own) != 0)
		return false;
	if (S_ISBLK(own.st_mode) && S_ISBLK(other->st_mode))
		return own.st_rdev == other->st_rdev;
	return own.st_dev == other->st_dev && own.st_ino == other->st_ino;
}
