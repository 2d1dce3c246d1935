/* SPDX-License-Identifier: MIT */
/*
 * disk.h - a disk in memory that lies, tears, reorders and fails on purpose.
 *
 * A disk has a durable image, which survives a power cut, and over it what was
 * written since: pending writes, each of which may after a cut be there, not be
 * there, or be there in part.
 *
 *   disk_flat ---- crash image ---- the next crash image ...
 *       ^  durable of       ^ durable of
 *     the workload's disk   the disk on which recovery runs
 */
#ifndef TESTS_SIM_DISK_H
#define TESTS_SIM_DISK_H

#include "drivers/block.h"
#include "tests/sim/image.h"
#include "tests/sim/sim.h"

/* ---- disks ------------------------------------------------------------ */

#define DISK_QUEUE_DEPTH 32u
#define DISK_PENDING_MAX 4096u

struct disk_write {
	uint64_t sector;
	uint32_t count;
	uint64_t order;	 /* of submission */
	bool completed;	 /* the submitter was told */
	bool discard;	 /* of sectors that may hold anything then */
	uint32_t covers; /* flush submitted after the completion, 0: none yet */
	uint8_t *data;
	uint64_t *print; /* of its sectors */
};

/* The last three are told to nobody: a write that never arrives, that arrives
 * elsewhere, that arrives and some writes later gives way to what was before. */
enum disk_fault {
	DISK_FAULT_NONE,
	DISK_FAULT_READ,
	DISK_FAULT_WRITE,
	DISK_FAULT_FLUSH,
	DISK_FAULT_LOST,
	DISK_FAULT_MISDIRECTED,
	DISK_FAULT_STALE,
};

/* What was written, and what had been there: for lies told afterwards. */
struct disk_log_entry {
	uint64_t sector;
	uint32_t count;
	uint8_t *data, *before;
};
struct disk_log {
	struct disk_log_entry *entry;
	uint32_t count, room;
};

struct disk {
	struct block_device device;
	struct image *durable;
	struct image current; /* overlay over durable: what reads see */
	struct sim_random *random;
	bool immediate; /* complete everything inside submit() */
	bool strict;	/* watch that buffers do not change while the disk owns them */

	struct image_zeros zeros; /* in the memory that large reads go to */

	struct block_request *queue[DISK_QUEUE_DEPTH];
	struct disk_write *queue_write[DISK_QUEUE_DEPTH];
	uint32_t queued;
	uint32_t flushes_submitted;

	struct disk_write *pending[DISK_PENDING_MAX];
	uint32_t pending_count;
	uint64_t writes_submitted;

	enum disk_fault fault;
	uint64_t fault_index; /* counted per kind since disk_attach, from 0 */
	bool fault_for_ever;
	uint64_t fault_hits;
	uint64_t counts[4]; /* requests completed, by enum disk_fault */
	/* Bad weather, that passes: of so many requests some fail; for so many polls no
	 * request completes. */
	uint32_t outage, outage_once_in;
	uint32_t stall;
	struct disk_log_entry stale; /* waits for its turn; data null: none does */
	uint32_t stale_writes;	     /* until then */
	struct disk_log *log;	     /* since the power is on; null: nobody wants to know */

	/* Called when a flush is about to take effect: the moment at which the
	 * most writes are pending.  May be null. */
	void (*crash_point)(void *context, struct disk *disk);
	void *crash_context;
};

void disk_create(struct disk *disk, uint64_t sectors, struct sim_random *random);
void disk_free(struct disk *disk);

/* Power on: over this durable image, nothing pending, no faults set. */
void disk_attach(struct disk *disk, struct image *durable, uint32_t write_unit);

/* The system restarts without a power cut: requests in the queue take effect
 * in any order, nobody is told, and what was pending stays pending. */
void disk_restart(struct disk *disk);

/* The device is reset: all requests in the queue end with an error, and what was not
 * flushed may be lost. */
void disk_reset(struct disk *disk);
/* No bad weather any more. */
void disk_calm(struct disk *disk);

void disk_log_free(struct disk_log *log);

/* ---- power cuts ------------------------------------------------------- */

/* Which of the pending writes are on the disk after the cut. */
enum cut_kind { CUT_NONE, CUT_WHOLE, CUT_PREFIX, CUT_SUFFIX, CUT_SOME };

struct cut {
	uint8_t kind[DISK_PENDING_MAX];	   /* enum cut_kind, per pending write */
	uint32_t length[DISK_PENDING_MAX]; /* PREFIX, SUFFIX: sectors that arrived */
	uint64_t seed;			   /* SOME: which sectors */
};

/* Puts `image` (an overlay) over the durable image with what the cut leaves. */
void disk_cut(const struct disk *disk, const struct cut *cut, struct image *image);

#endif
