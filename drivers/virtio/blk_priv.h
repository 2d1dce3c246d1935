/* SPDX-License-Identifier: MIT */
/*
 * blk_priv.h - shared by blk.c (requests) and blk_setup.c (coming up).
 */
#ifndef DRIVERS_VIRTIO_BLK_PRIV_H
#define DRIVERS_VIRTIO_BLK_PRIV_H

#include "drivers/virtio/blk.h"
#include "drivers/virtio/pci.h"
#include "drivers/virtio/queue.h"

/* What a request shares with the device besides its data, and its place here. */
struct slot {
	struct virtio_blk_req header;
	struct virtio_blk_discard_write_zeroes discard;
	uint8_t status;
	uint8_t padding[7];
	struct block_request *request; /* null: free */
	struct slot *next_free;
	uint64_t since_ns; /* when it was asked, by the disk's own clock */
};

/* See the picture in blk.c. */
enum life { LIVE, RESETTING, RESTING };

struct virtio_blk {
	struct block_device device;
	struct virtio_pci pci;
	struct virtqueue queue;
	uint64_t first; /* sector of the disk that is sector 0 of the device */
	uint64_t disk_sectors;
	uint32_t segment_bytes; /* largest part of a request */
	bool in_use, messages;
	bool told; /* where the queue is, and has not come out of a reset since */
	platform_handler *interrupt;
	struct platform_message message; /* taken once, kept over resets */
	struct slot *slots, *free;
	void *memory; /* of the queue and of the slots, kept over resets */

	enum life life;
	uint32_t resets;  /* since it last answered well */
	uint64_t rest_ns; /* RESTING: until then, by the disk's own clock */

	/* Its own clock: the time in which somebody has looked after it. */
	uint64_t clock_ns, polled_ns;
	uint64_t answered_ns; /* when it last answered, or had nothing to answer */
	uint64_t look_ns;     /* when its registers are looked at next */
	uint64_t say_ns;      /* patience that is spoken of next */
	bool said;	      /* that it is waited for */
	uint8_t generation;   /* of its configuration, as last seen */
};

/* blk_setup.c: from a status of 0 to a running device; the same disk as before when it
 * has been in use.  False: *why. */
bool blk_bring_up(struct virtio_blk *disk, const char **why);
/* The capacity as the device tells it now, in sectors. */
uint64_t blk_capacity(struct virtio_blk *disk);

/* blk.c */
extern const struct block_operations blk_operations;
/* The clocks begin anew. */
void blk_clock_start(struct virtio_blk *disk);

#endif
