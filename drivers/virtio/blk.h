/* SPDX-License-Identifier: MIT */
/*
 * blk.h - virtio block devices as struct block_device (virtio 1.2, section 5.2).
 *
 * A device that does not answer is waited for; one that breaks the specification is
 * reset and asked again, and what it had in hand ends with STATUS_IO.  Both are said.
 */
#ifndef DRIVERS_VIRTIO_BLK_H
#define DRIVERS_VIRTIO_BLK_H

#include <stdbool.h>
#include "drivers/block.h"
#include "drivers/pc/pci.h"

struct virtio_blk;

/* Open at once: the store's, one that is looked at, and such as do not answer. */
#define VIRTIO_BLK_DISKS 8u

/* Is it a virtio block device, of whatever age? */
bool virtio_blk_matches(const struct pci_function *function);

/* Brings up the disk behind this function; the result stays the driver's and is
 * good until virtio_blk_close.  `interrupt` is called at completions, with interrupts
 * off.  Null: *why says what is wrong, or is null: nothing is known yet, for it
 * does not come out of reset or too many are open. */
struct virtio_blk *virtio_blk_open(const struct pci_function *function, platform_handler *interrupt,
				   const char **why);

/* The disk as a block device; sector 0 is `first` of the disk. */
struct block_device *virtio_blk_device(struct virtio_blk *disk);
void virtio_blk_narrow(struct virtio_blk *disk, uint64_t first, uint64_t sectors);

/* Asks the disk for its capacity, which may have changed; the whole disk is the device
 * then, as after virtio_blk_open. */
void virtio_blk_measure(struct virtio_blk *disk);

/* Do completions interrupt?  Otherwise somebody must poll. */
bool virtio_blk_interrupts(const struct virtio_blk *disk);

/* Resets the disk; requests in flight are forgotten, not completed.  What it has taken of
 * memory and interrupts serves the next.  False: it does not come out of the reset, and may
 * still write to what it was given. */
bool virtio_blk_close(struct virtio_blk *disk);

/* The same, and opens it again, as large as it was narrowed to; waits without limit. */
void virtio_blk_restart(struct virtio_blk *disk);

#endif
