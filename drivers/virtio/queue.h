/* SPDX-License-Identifier: MIT */
/*
 * queue.h - split virtqueue (virtio 1.2, section 2.7), the driver's side.
 *
 * Memory is the caller's, one block of virtqueue_bytes() that both sides share:
 *
 *	descriptors | driver area (avail) | device area (used) | indirect tables
 *
 * What the device writes is hostile: every index and length is checked, and a
 * device that breaks the rules is told by VIRTQUEUE_BROKEN, never believed.
 * No locking, no waiting; the only thing used of the platform is
 * platform_physical.
 */
#ifndef DRIVERS_VIRTIO_QUEUE_H
#define DRIVERS_VIRTIO_QUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include "drivers/virtio/virtio.h"

#define VIRTQUEUE_SIZE_MAX  128u /* descriptors used of what a device offers */
#define VIRTQUEUE_PARTS_MAX 22u	 /* buffers in one request */

struct virtqueue_part {
	const void *data;
	uint32_t bytes;
	bool device_writes; /* all readable parts come before all writable ones */
};

/* A request in the device's hands, kept under its first descriptor. */
struct virtqueue_flight {
	void *token;	   /* null: this descriptor heads no request */
	uint32_t writable; /* bytes the device may write */
	uint16_t last;	   /* last descriptor of the chain */
	uint16_t count;	   /* descriptors in the chain */
};

struct virtqueue {
	uint16_t size;
	uint16_t parts; /* most parts a request has */
	bool indirect;
	uint16_t free_head, free_count;
	uint16_t used_seen; /* device's used index up to which we have looked */
	uint16_t in_flight;
	struct virtq_desc *desc;
	struct virtq_avail *avail;
	volatile struct virtq_used *used;
	struct virtq_desc *tables; /* `parts` descriptors for each of `size` */
	struct virtqueue_flight flight[VIRTQUEUE_SIZE_MAX];
	uint16_t next[VIRTQUEUE_SIZE_MAX]; /* of the free list and within chains */
};

/* Bytes of memory a queue takes: `size` is a power of two, at most
 * VIRTQUEUE_SIZE_MAX; `parts` at most VIRTQUEUE_PARTS_MAX. */
uint64_t virtqueue_bytes(uint16_t size, uint16_t parts);

/* Starts with an empty queue; clears the memory.  `indirect` when
 * VIRTIO_F_INDIRECT_DESC was negotiated: then a request takes one descriptor. */
void virtqueue_init(struct virtqueue *queue, void *memory, uint16_t size, uint16_t parts,
		    bool indirect);

/* Requests the queue can hold at once when each has all its parts. */
uint16_t virtqueue_depth(const struct virtqueue *queue);

/* Puts a request before the device.  False: no descriptors are free, nothing
 * happened.  `token` (not null) comes back from virtqueue_take. */
bool virtqueue_add(struct virtqueue *queue, const struct virtqueue_part *parts, uint32_t count,
		   void *token);

/* Must the device be notified of what was added?  (2.7.13.4) */
bool virtqueue_must_notify(const struct virtqueue *queue);

enum virtqueue_answer { VIRTQUEUE_NONE, VIRTQUEUE_DONE, VIRTQUEUE_BROKEN };
/* The next request that the device has finished; `written` is what it says to
 * have written, never more than it was allowed to. */
enum virtqueue_answer virtqueue_take(struct virtqueue *queue, void **token, uint32_t *written);

/* After a reset of the device: any request it held, one a call; null when none is
 * left. */
void *virtqueue_abandon(struct virtqueue *queue);

#endif
