/* SPDX-License-Identifier: MIT */
/*
 * block.h - what a block device is to the store: a small table of operations.
 *
 * drivers/virtio/ implements it in the kernel, tools/mkstore/ over a file and
 * tests/sim/ over a disk that lies.  Requests complete in any order.  What a
 * completed write request has written survives a power cut only when a flush
 * that was submitted after the completion has itself completed, in the same epoch.
 *
 * A request may take any time.  It ends with an error only when the device has let go
 * of its buffer.
 *
 * The submitter owns the request and its buffer; both belong to the device
 * from submit() until complete() is called.
 */
#ifndef DRIVERS_BLOCK_H
#define DRIVERS_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "base/types.h"

enum block_operation { BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH, BLOCK_DISCARD };

struct block_request {
	enum block_operation operation;
	sector_t sector;    /* first sector; ignored by flush */
	uint32_t sectors;   /* how many; 0 for flush */
	void *data;	    /* sectors * 512 bytes, 512-aligned; physically
			     * contiguous in the kernel */
	enum status status; /* set before complete(): OK or IO */
	void (*complete)(
		struct block_request *request); /* may be called from
						 * submit() or poll(); must only note the outcome */
	void *owner;				/* the submitter's */
	void *device_private;			/* the device's */
};

struct block_device {
	uint64_t sectors;	  /* size of the device or partition */
	uint32_t write_unit;	  /* 512 or 4096: what is written without touching neighbours */
	uint32_t request_sectors; /* largest request, in sectors */
	uint32_t queue_depth;	  /* requests accepted at once, at least 1 */
	bool discards;		  /* BLOCK_DISCARD is understood */
	bool read_only;
	const struct block_operations *operations;
	void *context; /* the implementation's */
	/* Discards: the largest, in sectors (0: as any request), and what they are
	 * best aligned to and a multiple of (0: nothing in particular).  Best effort:
	 * afterwards the sectors hold anything. */
	uint32_t discard_sectors, discard_unit;
	/* Writes and discards begin at multiples of so many sectors, and discards end
	 * there: 8 where the device's own are of 4096 bytes, 0 and 1: anywhere.  What a
	 * write leaves of the last one holds zeros then. */
	uint32_t sector_unit;
	/* What the implementation tells its owner: */
	uint32_t epoch;	     /* another one after each event by which writes that had
			      * completed, but not been flushed, may be lost: no flush covers
			      * what was written in another epoch */
	uint64_t silent_ns;  /* how long nothing has been answered; 0: nothing was asked */
	const char *trouble; /* what was wrong with the device last, since the last flush
			      * that succeeded; null: nothing */
};

struct block_operations {
	/* Starts a request.  False: the queue is full, nothing happened, ask
	 * again after a completion.  Never waits. */
	bool (*submit)(struct block_device *device, struct block_request *request);
	/* Calls complete() for what has finished.  With wait, returns only when
	 * at least one outstanding request has finished (or none is outstanding). */
	void (*poll)(struct block_device *device, bool wait);
};

#endif
