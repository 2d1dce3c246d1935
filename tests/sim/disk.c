/* SPDX-License-Identifier: MIT */
/*
 * disk.c - the lying disk; see disk.h.
 *
 * A flush covers the writes whose completion had been told before it was
 * submitted, no others.  Requests complete in an order chosen by the seed; a
 * read returns what is there when it completes.
 */
#include "tests/sim/disk.h"

#include <stdlib.h>
#include <string.h>
#include "disk/format.h"

/* ---- pending writes --------------------------------------------------- */

static void write_free(struct disk_write *write)
{
	free(write->data);
	free(write->print);
	free(write);
}

static struct disk_write *write_begin(struct disk *disk, const struct block_request *request)
{
	struct disk_write *write = sim_allocate(sizeof(*write));

	write->sector = request->sector.n;
	write->count = request->sectors;
	write->order = disk->writes_submitted++;
	write->data = sim_allocate((uint64_t)write->count * SECTOR_SIZE);
	write->print = sim_allocate(write->count * sizeof(*write->print));
	return write;
}

static void write_print(struct disk_write *write)
{
	for (uint32_t i = 0; i < write->count; i++)
		write->print[i] = sector_print(write->data + (uint64_t)i * SECTOR_SIZE);
}

static struct disk_write *write_create(struct disk *disk, const struct block_request *request)
{
	struct disk_write *write = write_begin(disk, request);

	memcpy(write->data, request->data, (uint64_t)write->count * SECTOR_SIZE);
	write_print(write);
	return write;
}

/* What a discarded sector holds afterwards is anybody's guess: what it held,
 * zeros, or anything. */
static struct disk_write *discard_create(struct disk *disk, const struct block_request *request)
{
	struct disk_write *write = write_begin(disk, request);

	image_read(&disk->current, write->sector, write->count, write->data);
	for (uint32_t i = 0; i < write->count; i++) {
		uint64_t *data = (uint64_t *)(void *)(write->data + (uint64_t)i * SECTOR_SIZE);
		uint32_t kind = sim_random_below(disk->random, 3);

		for (unsigned j = 0; kind && j < SECTOR_SIZE / sizeof(*data); j++)
			data[j] = kind == 1 ? 0 : sim_random_next(disk->random);
	}
	write_print(write);
	write->discard = true;
	sim_totals.discards++;
	return write;
}

static void write_land(struct image *image, const struct disk_write *write)
{
	image_write_printed(image, write->sector, write->count, write->data, write->print);
}

/* ---- lies ------------------------------------------------------------- */

static void entry_take(const struct disk *disk, const struct disk_write *write,
		       struct disk_log_entry *entry)
{
	uint64_t bytes = (uint64_t)write->count * SECTOR_SIZE;

	entry->sector = write->sector;
	entry->count = write->count;
	entry->data = sim_allocate(bytes);
	entry->before = sim_allocate(bytes);
	memcpy(entry->data, write->data, bytes);
	image_read(&disk->current, write->sector, write->count, entry->before);
}

static void entry_free(struct disk_log_entry *entry)
{
	free(entry->data);
	free(entry->before);
	entry->data = NULL;
	entry->before = NULL;
}

static void log_add(struct disk *disk, const struct disk_write *write)
{
	struct disk_log *log = disk->log;

	if (log->count == log->room) {
		uint32_t room = 2 * log->room + 64;
		struct disk_log_entry *more = sim_allocate(room * sizeof(*more));

		if (log->count)
			memcpy(more, log->entry, log->count * sizeof(*more));
		free(log->entry);
		log->entry = more;
		log->room = room;
	}
	entry_take(disk, write, &log->entry[log->count++]);
}

void disk_log_free(struct disk_log *log)
{
	for (uint32_t i = 0; i < log->count; i++)
		entry_free(&log->entry[i]);
	free(log->entry);
	memset(log, 0, sizeof(*log));
}

/* What was there comes back, whatever has been flushed since. */
static void stale_step(struct disk *disk)
{
	struct disk_log_entry *stale = &disk->stale;

	if (!stale->data || disk->stale_writes--)
		return;
	image_write(disk->durable, stale->sector, stale->count, stale->before);
	image_write(&disk->current, stale->sector, stale->count, stale->before);
	entry_free(stale);
}

/* False: the write does not arrive, though its submitter is told so. */
static bool write_lie(struct disk *disk, struct disk_write *write)
{
	uint64_t room = disk->durable->sectors - write->count + 1;

	stale_step(disk);
	/* Counted by request_fails(). */
	if (disk->fault < DISK_FAULT_LOST ||
	    disk->counts[DISK_FAULT_WRITE] != disk->fault_index + 1)
		return true;
	disk->fault_hits++;
	switch (disk->fault) {
	case DISK_FAULT_LOST:
		return false;
	case DISK_FAULT_MISDIRECTED:
		/* Near by, where more is in use, as often as anywhere. */
		if (sim_random_once_in(disk->random, 2) && room > 64)
			write->sector =
				(write->sector + 1 + sim_random_below(disk->random, 63)) % room;
		else
			write->sector = sim_random_below(disk->random, (uint32_t)room);
		return true;
	default:
		entry_take(disk, write, &disk->stale);
		disk->stale_writes = sim_random_below(disk->random, 12);
		return true;
	}
}

static void write_pend(struct disk *disk, struct disk_write *write)
{
	if (disk->log && !write->discard)
		log_add(disk, write);
	SIM_CHECK(disk->pending_count < DISK_PENDING_MAX, "more than %u writes without a flush",
		  DISK_PENDING_MAX);
	disk->pending[disk->pending_count++] = write;
	write_land(&disk->current, write);
}

/* Two writes of the same sector in flight at once have no order: the store must
 * never do that. */
static void write_check_overlap(const struct disk *disk, const struct block_request *request)
{
	for (uint32_t i = 0; i < disk->queued; i++) {
		const struct block_request *other = disk->queue[i];

		if (other->operation == BLOCK_FLUSH || other->operation == BLOCK_READ)
			continue;
		/* Superblocks are repaired at any time; nobody discards them. */
		SIM_CHECK(other->operation == request->operation ||
				  request->sector.n < DISK_RING_SECTOR ||
				  other->sector.n < DISK_RING_SECTOR,
			  "a write of sectors %llu+%u while a discard is in flight, or the other "
			  "way round",
			  (unsigned long long)request->sector.n, request->sectors);
		SIM_CHECK(request->sector.n + request->sectors <= other->sector.n ||
				  other->sector.n + other->sectors <= request->sector.n,
			  "writes of sectors %llu+%u and %llu+%u are in flight together",
			  (unsigned long long)request->sector.n, request->sectors,
			  (unsigned long long)other->sector.n, other->sectors);
	}
}

static void current_make(struct disk *disk)
{
	image_reset(&disk->current, disk->durable);
	for (uint32_t i = 0; i < disk->pending_count; i++)
		write_land(&disk->current, disk->pending[i]);
}

/* The flush with this number has taken effect. */
static void flush_apply(struct disk *disk, uint32_t flush)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < disk->pending_count; i++) {
		struct disk_write *write = disk->pending[i];

		if (write->covers && write->covers <= flush) {
			write_land(disk->durable, write);
			write_free(write);
		} else {
			disk->pending[kept++] = write;
		}
	}
	disk->pending_count = kept;
	current_make(disk);
}

/* ---- requests --------------------------------------------------------- */

static enum disk_fault request_kind(const struct block_request *request)
{
	switch (request->operation) {
	case BLOCK_READ:
		return DISK_FAULT_READ;
	case BLOCK_FLUSH:
		return DISK_FAULT_FLUSH;
	default:
		return DISK_FAULT_WRITE;
	}
}

static bool request_fails(struct disk *disk, const struct block_request *request)
{
	enum disk_fault kind = request_kind(request);
	uint64_t index;

	/* A hint that is refused now and then; no fault of the disk's. */
	if (request->operation == BLOCK_DISCARD)
		return sim_random_once_in(disk->random, 64);
	index = disk->counts[kind]++;
	if (disk->outage) {
		disk->outage--;
		if (sim_random_once_in(disk->random, disk->outage_once_in))
			return true;
	}
	if (disk->fault != kind)
		return false;
	if (index != disk->fault_index && !(disk->fault_for_ever && index > disk->fault_index))
		return false;
	disk->fault_hits++;
	return true;
}

/* A failed write may have arrived all the same, in whole or in part.  The device has
 * answered, so nothing of it arrives later: the next flush settles it. */
static void write_fail(struct disk *disk, struct disk_write *write)
{
	uint32_t arrived = sim_random_below(disk->random, write->count + 1);

	if (arrived == 0) {
		write_free(write);
		return;
	}
	write->count = arrived;
	write->completed = true;
	write_pend(disk, write);
}

/* What a failed flush was to cover may be lost, though reads have found it until then,
 * and a later one that succeeds does not bring it back. */
static void pending_lose(struct disk *disk)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < disk->pending_count; i++) {
		struct disk_write *write = disk->pending[i];

		if (write->completed && sim_random_once_in(disk->random, 2))
			write_free(write);
		else
			disk->pending[kept++] = write;
	}
	disk->pending_count = kept;
	current_make(disk);
}

static void request_execute(struct disk *disk, struct block_request *request,
			    struct disk_write *write)
{
	static const char *const names[] = {"read", "write", "flush", "discard"};
	bool fails = request_fails(disk, request);
	uint32_t flush = request->operation == BLOCK_FLUSH ? (uint32_t)request->sector.n : 0;

	request->status = fails ? STATUS_IO : STATUS_OK;
	if (disk->strict)
		sim_trace("    %s %llu+%u%s", names[request->operation],
			  (unsigned long long)request->sector.n, request->sectors,
			  fails ? " fails" : "");
	if (write && disk->strict && !write->discard)
		SIM_CHECK(memcmp(write->data, request->data,
				 (uint64_t)write->count * SECTOR_SIZE) == 0,
			  "the buffer of a write to sector %llu changed while the disk owned it",
			  (unsigned long long)write->sector);
	if (write && !fails && !write->discard && !write_lie(disk, write)) {
		write_free(write);
	} else if (write && fails) {
		write_fail(disk, write);
	} else if (write) {
		write->completed = true;
		write_pend(disk, write);
	} else if (request->operation == BLOCK_READ && !fails) {
		/* The owner's buffers were made to hold anything else before. */
		image_read_over(&disk->current, request->sector.n, request->sectors, request->data,
				disk->strict ? NULL : &disk->zeros);
	} else if (request->operation == BLOCK_FLUSH) {
		if (disk->crash_point)
			disk->crash_point(disk->crash_context, disk);
		if (fails)
			pending_lose(disk);
		else
			flush_apply(disk, flush);
	}
}

static void queue_complete(struct disk *disk, uint32_t index)
{
	struct block_request *request = disk->queue[index];
	struct disk_write *write = disk->queue_write[index];

	disk->queued--;
	memmove(&disk->queue[index], &disk->queue[index + 1],
		(disk->queued - index) * sizeof(disk->queue[0]));
	memmove(&disk->queue_write[index], &disk->queue_write[index + 1],
		(disk->queued - index) * sizeof(disk->queue_write[0]));
	request_execute(disk, request, write);
	request->complete(request);
}

/* Takes the request's data and numbers a flush: its sector field, which means
 * nothing for a flush, remembers which one it is. */
static struct disk_write *request_take(struct disk *disk, struct block_request *request)
{
	uint32_t most;

	SIM_CHECK(request->complete, "a request without complete()");
	if (request->operation == BLOCK_FLUSH) {
		uint32_t flush = ++disk->flushes_submitted;

		request->sector.n = flush;
		for (uint32_t i = 0; i < disk->pending_count; i++)
			if (disk->pending[i]->completed && !disk->pending[i]->covers)
				disk->pending[i]->covers = flush;
		return NULL;
	}
	most = request->operation == BLOCK_DISCARD ? disk->device.discard_sectors
						   : disk->device.request_sectors;
	SIM_CHECK(request->sectors > 0 && request->sectors <= most,
		  "a request of %u sectors, allowed are 1 to %u", request->sectors, most);
	SIM_CHECK(request->sector.n < disk->durable->sectors &&
			  request->sectors <= disk->durable->sectors - request->sector.n,
		  "a request beyond the end: sectors %llu+%u",
		  (unsigned long long)request->sector.n, request->sectors);
	if (request->operation == BLOCK_READ) {
		if (disk->strict)
			memset(request->data, 0xa5, (uint64_t)request->sectors * SECTOR_SIZE);
		return NULL;
	}
	SIM_CHECK(request->operation == BLOCK_WRITE || disk->device.discards,
		  "an operation that was not offered");
	SIM_CHECK(request->sector.n % disk->device.sector_unit == 0 &&
			  request->sectors % disk->device.sector_unit == 0,
		  "a write of a part of the disk's sectors: %llu+%u",
		  (unsigned long long)request->sector.n, request->sectors);
	write_check_overlap(disk, request);
	if (request->operation == BLOCK_WRITE)
		image_zeros_forget(&disk->zeros, request->data, request->sectors);
	return request->operation == BLOCK_WRITE ? write_create(disk, request)
						 : discard_create(disk, request);
}

static bool disk_submit(struct block_device *device, struct block_request *request)
{
	struct disk *disk = device->context;

	if (disk->queued == DISK_QUEUE_DEPTH)
		return false;
	disk->queue_write[disk->queued] = request_take(disk, request);
	disk->queue[disk->queued++] = request;
	if (disk->immediate)
		queue_complete(disk, disk->queued - 1);
	return true;
}

static void disk_poll(struct block_device *device, bool wait)
{
	struct disk *disk = device->context;
	uint32_t finish;

	if (disk->queued == 0)
		return;
	if (disk->stall) {
		disk->stall--;
		return;
	}
	finish = sim_random_below(disk->random, disk->queued + 1);
	if (wait && finish == 0)
		finish = 1;
	for (; finish && disk->queued; finish--) {
		uint32_t index = sim_random_below(disk->random, disk->queued);

		/* Discards take their time. */
		if (disk->queue[index]->operation == BLOCK_DISCARD && !wait &&
		    !sim_random_once_in(disk->random, 16))
			continue;
		queue_complete(disk, index);
	}
}

static const struct block_operations disk_operations = {
	.submit = disk_submit,
	.poll = disk_poll,
};

/* ---- life ------------------------------------------------------------- */

void disk_create(struct disk *disk, uint64_t sectors, struct sim_random *random)
{
	memset(disk, 0, sizeof(*disk));
	disk->random = random;
	image_create_overlay(&disk->current, sectors);
	disk->device.request_sectors = 2048;
	disk->device.queue_depth = DISK_QUEUE_DEPTH;
	disk->device.discards = sim_random_once_in(random, 2);
	disk->device.discard_sectors = 64;
	disk->device.discard_unit = sim_random_once_in(random, 4) ? 32 : 0;
	disk->device.operations = &disk_operations;
	disk->device.context = disk;
}

static void disk_forget(struct disk *disk)
{
	for (uint32_t i = 0; i < disk->pending_count; i++)
		write_free(disk->pending[i]);
	for (uint32_t i = 0; i < disk->queued; i++)
		if (disk->queue_write[i])
			write_free(disk->queue_write[i]);
	disk->pending_count = 0;
	disk->queued = 0;
}

void disk_free(struct disk *disk)
{
	disk_forget(disk);
	entry_free(&disk->stale);
	image_free(&disk->current);
}

void disk_calm(struct disk *disk)
{
	disk->outage = 0;
	disk->stall = 0;
}

void disk_attach(struct disk *disk, struct image *durable, uint32_t write_unit)
{
	disk_forget(disk);
	disk->durable = durable;
	image_reset(&disk->current, durable);
	disk->device.sectors = durable->sectors;
	disk->device.write_unit = write_unit;
	disk->device.sector_unit = write_unit / SECTOR_SIZE;
	disk->flushes_submitted = 0;
	disk->fault = DISK_FAULT_NONE;
	disk->fault_hits = 0;
	disk->crash_point = NULL;
	/* What the power cut has lost nobody can lie about. */
	if (disk->log)
		disk_log_free(disk->log);
	memset(disk->counts, 0, sizeof(disk->counts));
	disk_calm(disk);
}

void disk_restart(struct disk *disk)
{
	while (disk->queued) {
		uint32_t index = sim_random_below(disk->random, disk->queued);
		struct disk_write *write = disk->queue_write[index];

		disk->queued--;
		disk->queue[index] = disk->queue[disk->queued];
		disk->queue_write[index] = disk->queue_write[disk->queued];
		if (write && sim_random_once_in(disk->random, 2))
			write_free(write);
		else if (write)
			write_pend(disk, write);
	}
	/* For the new system every write that has arrived lies in the past. */
	for (uint32_t i = 0; i < disk->pending_count; i++)
		disk->pending[i]->completed = true;
}

void disk_reset(struct disk *disk)
{
	disk->device.epoch++;
	while (disk->queued) {
		struct block_request *request = disk->queue[--disk->queued];
		struct disk_write *write = disk->queue_write[disk->queued];

		if (write)
			write_fail(disk, write);
		request->status = STATUS_IO;
		request->complete(request);
	}
	pending_lose(disk);
}

/* ---- power cuts ------------------------------------------------------- */

/* Where the write unit is a block, a block written in part may be lost in
 * whole: neither what was there nor what came. */
static void block_destroy(struct image *image, uint64_t sector, uint64_t seed)
{
	struct sim_random random = {seed ^ sector};
	uint64_t block[BLOCK_SIZE / sizeof(uint64_t)];

	for (unsigned i = 0; i < sizeof(block) / sizeof(block[0]); i++)
		block[i] = sim_random_next(&random);
	image_write(image, sector - sector % BLOCK_SECTORS, BLOCK_SECTORS, block);
}

static bool cut_keeps(const struct cut *cut, uint32_t index, const struct disk_write *write,
		      uint32_t i)
{
	struct sim_random random = {cut->seed + ((uint64_t)index << 32 | i)};

	switch (cut->kind[index]) {
	case CUT_WHOLE:
		return true;
	case CUT_PREFIX:
		return i < cut->length[index];
	case CUT_SUFFIX:
		return i >= write->count - cut->length[index];
	case CUT_SOME:
		return sim_random_next(&random) & 1;
	default:
		return false;
	}
}

static void cut_apply(const struct disk *disk, const struct cut *cut, uint32_t index,
		      struct image *image)
{
	const struct disk_write *write = disk->pending[index];

	if (cut->kind[index] == CUT_NONE)
		return;
	if (cut->kind[index] == CUT_WHOLE) {
		write_land(image, write);
		return;
	}
	for (uint32_t i = 0; i < write->count; i++) {
		if (cut_keeps(cut, index, write, i))
			image_write_printed(image, write->sector + i, 1,
					    write->data + (uint64_t)i * SECTOR_SIZE,
					    &write->print[i]);
		else if (disk->device.write_unit == BLOCK_SIZE && (cut->seed >> 8 & 1) &&
			 (write->sector + i) % BLOCK_SECTORS == 0)
			block_destroy(image, write->sector + i, cut->seed);
	}
}

void disk_cut(const struct disk *disk, const struct cut *cut, struct image *image)
{
	image_reset(image, disk->durable);
	for (uint32_t i = 0; i < disk->pending_count; i++)
		cut_apply(disk, cut, i, image);
}
