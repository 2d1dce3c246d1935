/* SPDX-License-Identifier: MIT */
/*
 * file_device.h - an image file or a host block device, and a window of it as
 * the block device of a store.
 *
 * Every request is done inside submit(): a host tool has nothing else to do
 * meanwhile.  Locks are open-file-description locks on the bytes that QEMU
 * locks, in QEMU's own meaning, so that an image in use by a running system is
 * refused, and the system does not start while a tool writes.
 */
#ifndef TOOLS_MKSTORE_FILE_DEVICE_H
#define TOOLS_MKSTORE_FILE_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "drivers/block.h"

struct file_device;
struct stat;

enum file_device_mode {
	FILE_DEVICE_READ,      /* together with other readers, never beside a writer */
	FILE_DEVICE_READ_LIVE, /* no lock taken or looked at: what is read may change */
	FILE_DEVICE_WRITE,     /* alone */
};

/*
 * Opens the file, which must exist.  On failure *device is null and `why` is
 * one line that says what is the matter and what to do: BUSY (in use), NO_MEMORY, IO
 * (anything else).
 */
enum status file_device_open(struct file_device **device, const char *path,
			     enum file_device_mode mode, char *why, size_t why_size);

/* Size of the whole file or block device. */
uint64_t file_device_bytes(const struct file_device *device);

/* What it takes up on its file system, in bytes; 0 for a block device. */
uint64_t file_device_occupied(const struct file_device *device);

/* Reads from the whole file, synchronously; IO also past its end. */
enum status file_device_read(struct file_device *device, uint64_t offset_bytes, void *data,
			     size_t bytes);

/* The window as a block device, owned by the file device; one window at a time.
 * Null when it does not lie within the file. */
struct block_device *file_device_block(struct file_device *device, uint64_t first_sector,
				       uint64_t sectors);

/* Makes the file larger or smaller, durably.  INVALID for a block device, LIMIT and
 * NO_SPACE for what its file system does not take, IO. */
enum status file_device_resize(struct file_device *device, uint64_t bytes);

/* errno of the first request that failed, which tells more than IO; 0: none has. */
int file_device_error(const struct file_device *device);

/* Is that the same file or block device, by whatever name it was found? */
bool file_device_is(const struct file_device *device, const struct stat *other);

/* Takes the locks of that mode on a descriptor that is open for it; false: somebody is in
 * the way.  Closing the descriptor gives them back. */
bool file_device_lock(int descriptor, enum file_device_mode mode);

/* All of these bytes, from that place of a descriptor or, if that is negative, from where it
 * stands.  False: errno says why; ENODATA, ENOSPC: there are no more. */
bool file_read(int descriptor, void *data, size_t bytes, int64_t offset);
bool file_write(int descriptor, const void *data, size_t bytes, int64_t offset);

/* Gives locks, descriptor and memory back.  Null is allowed. */
void file_device_close(struct file_device *device);

#endif
