/* SPDX-License-Identifier: MIT */
/*
 * blk.c - virtio block device driver: requests, and what becomes of them.
 *
 *	          submit                    used ring
 *	slot free ------> slot in flight -----------> complete(), slot free
 *	                        |
 *	                        |  the device breaks its rules (never: is slow)
 *	                        v
 *	LIVE ------------> RESETTING ------------> RESTING ------------> LIVE
 *	  status 0 written     status 0 read: all      pause over: brought
 *	                       in flight end with IO   up like at the start
 *
 * A request is waited for without limit: no clock ends one.  Only a device that
 * answers what was not asked or asks to be reset is reset.  Until its status reads
 * 0 (4.1.4.3.2) it may still write to memory, so nothing ends, is repeated or used
 * again before.  Then it is asked again, for ever, with pauses that grow while it
 * gives no good answer; requests meanwhile find the queue full.  Writes that it had
 * completed may be lost: the epoch is raised.
 *
 * The disk's own clock runs while somebody polls, in steps of at most a second: if
 * the host holds the whole machine, that is nobody's fault, and no silence.
 *
 * A slot holds what a request shares with the device besides its data: the
 * request header, the status byte, the discard segment.  Slots are as many as
 * requests fit into the queue, so a free slot means room in the queue.
 */
#include "drivers/virtio/blk.h"
#include <stddef.h>
#include <string.h>
#include "drivers/virtio/blk_priv.h"
#include "base/assert.h"

#define STATUS_UNTOUCHED 0xffu
#define SECOND_NS	 UINT64_C(1000000000)
#define STEP_NS		 SECOND_NS
/* Reading registers is dear: whether the device has failed or changed its size. */
#define LOOK_NS (SECOND_NS / 4)
/* Silence that is spoken of, and the age of one request among others that are
 * answered; then each time it has tripled, at least every ten minutes. */
#define PATIENCE_NS	(5 * SECOND_NS)
#define PATIENCE_ONE_NS (20 * SECOND_NS)
#define SAY_AGAIN_NS	(600 * SECOND_NS)
/* Pauses before a disk that was reset is asked again: none, then 1 s, doubled each time. */
#define REST_MAX_NS (30 * SECOND_NS)
/* A waiter looks for so long before it halts the CPU: longer where no interrupt ends
 * the halt before the next tick. */
#define SPIN_NS	       UINT64_C(50000)
#define SPIN_POLLED_NS UINT64_C(2000000)

static const char *const names[] = {
	[BLOCK_READ] = "read",
	[BLOCK_WRITE] = "write",
	[BLOCK_FLUSH] = "flush",
	[BLOCK_DISCARD] = "discard",
};

/* printf's arguments for AT. */
#define AT "(PCI %02x:%02x.%x)"
#define PLACE(disk)                                                                                \
	(disk)->pci.function.bus, (disk)->pci.function.device, (disk)->pci.function.function

/* ---- requests ---------------------------------------------------------------------- */

static void blk_finish(struct virtio_blk *disk, struct slot *slot, enum status status)
{
	struct block_request *request = slot->request;

	ASSERT(request && request->complete);
	slot->request = NULL;
	slot->next_free = disk->free;
	disk->free = slot;
	request->status = status;
	request->complete(request);
}

static uint32_t blk_part(struct virtqueue_part *part, const void *data, uint32_t bytes,
			 bool device_writes)
{
	*part = (struct virtqueue_part){data, bytes, device_writes};
	return 1;
}

/* Cuts the data into parts no larger than the device takes.  Where its own sectors are
 * larger than 512 bytes, what a read gets too much at both ends goes where nobody looks,
 * and what a write has too little at its end is zeros. */
static uint32_t blk_data_parts(const struct virtio_blk *disk, const struct block_request *request,
			       uint64_t sector, struct virtqueue_part *parts)
{
	static uint8_t nowhere[BLOCK_SIZE] __attribute__((aligned(BLOCK_SIZE)));
	static const uint8_t zeros[BLOCK_SIZE] __attribute__((aligned(BLOCK_SIZE)));
	const uint32_t unit = disk->device.sector_unit;
	uint32_t before = (uint32_t)(sector % unit), count = 0;
	uint32_t after = (unit - (before + request->sectors) % unit) % unit;
	uint64_t left = (uint64_t)request->sectors * SECTOR_SIZE;
	bool reads = request->operation == BLOCK_READ;
	const uint8_t *data = request->data;

	ASSERT(unit && disk->segment_bytes % SECTOR_SIZE == 0 && disk->segment_bytes);
	if (before)
		count += blk_part(&parts[count], nowhere, before * SECTOR_SIZE, reads);
	while (left > 0) {
		uint32_t bytes = left < disk->segment_bytes ? (uint32_t)left : disk->segment_bytes;
		count += blk_part(&parts[count], data, bytes, reads);
		data += bytes;
		left -= bytes;
	}
	if (after)
		count += blk_part(&parts[count], reads ? nowhere : zeros, after * SECTOR_SIZE,
				  reads);
	return count;
}

/* Header, data, status: 5.2.6. */
static void blk_queue(struct virtio_blk *disk, struct slot *slot, struct block_request *request)
{
	static const uint32_t type[] = {
		[BLOCK_READ] = VIRTIO_BLK_T_IN,
		[BLOCK_WRITE] = VIRTIO_BLK_T_OUT,
		[BLOCK_FLUSH] = VIRTIO_BLK_T_FLUSH,
		[BLOCK_DISCARD] = VIRTIO_BLK_T_DISCARD,
	};
	struct virtqueue_part parts[VIRTQUEUE_PARTS_MAX];
	uint64_t sector = disk->first + request->sector.n;
	uint32_t count = 0;
	bool data = request->operation == BLOCK_READ || request->operation == BLOCK_WRITE;

	ASSERT(!slot->request && request->operation < sizeof(type) / sizeof(type[0]));
	slot->request = request;
	slot->since_ns = disk->clock_ns;
	slot->status = STATUS_UNTOUCHED;
	slot->header = (struct virtio_blk_req){
		.type = type[request->operation],
		.sector = data ? sector - sector % disk->device.sector_unit : 0};
	count += blk_part(&parts[count], &slot->header, sizeof slot->header, false);
	if (data)
		count += blk_data_parts(disk, request, sector, parts + count);
	if (request->operation == BLOCK_DISCARD) {
		slot->discard = (struct virtio_blk_discard_write_zeroes){
			.sector = sector, .num_sectors = request->sectors};
		count += blk_part(&parts[count], &slot->discard, sizeof slot->discard, false);
	}
	count += blk_part(&parts[count], &slot->status, 1, true);
	ASSERT(count <= VIRTQUEUE_PARTS_MAX);
	virtqueue_add(&disk->queue, parts, count, slot);
	if (virtqueue_must_notify(&disk->queue))
		virtio_pci_notify(&disk->pci);
}

/* Requests that a correct submitter never makes; refused so that they cannot
 * reach beyond the partition, nor beside the sectors that they name. */
static const char *blk_wrong(const struct virtio_blk *disk, const struct block_request *request)
{
	const struct block_device *device = &disk->device;
	uint64_t sector = disk->first + request->sector.n;
	uint32_t most;

	if (request->operation == BLOCK_FLUSH)
		return NULL;
	most = request->operation == BLOCK_DISCARD ? device->discard_sectors
						   : device->request_sectors;
	if (request->sectors == 0 || request->sectors > most ||
	    request->sector.n > device->sectors ||
	    request->sectors > device->sectors - request->sector.n)
		return "beyond the partition";
	if (request->operation == BLOCK_READ)
		return NULL;
	if (request->operation == BLOCK_DISCARD && !device->discards)
		return "not understood by the disk";
	if (sector % device->sector_unit ||
	    (request->operation == BLOCK_DISCARD && request->sectors % device->sector_unit))
		return "of parts of the disk's sectors";
	return NULL;
}

static bool blk_submit(struct block_device *device, struct block_request *request)
{
	struct virtio_blk *disk = device->context;
	struct slot *slot = disk->free;
	const char *wrong = blk_wrong(disk, request);

	if (wrong) {
		platform_log("perdure: %s %s refused: sector %lu, %u sectors",
			     names[request->operation], wrong, (unsigned long)request->sector.n,
			     request->sectors);
		request->status = STATUS_IO;
		request->complete(request);
		return true;
	}
	if (disk->life != LIVE || slot == NULL)
		return false;
	if (disk->queue.in_flight == 0)
		disk->answered_ns = disk->clock_ns;
	disk->free = slot->next_free;
	blk_queue(disk, slot, request);
	return true;
}

/* ---- a device that breaks its rules ------------------------------------------------- */

static void blk_break(struct virtio_blk *disk, const char *reason)
{
	ASSERT(disk->life != RESETTING);
	ASSERT(reason);
	platform_log("perdure: %s " AT "; it is reset and asked again", reason, PLACE(disk));
	disk->device.trouble = reason;
	disk->life = RESETTING;
	disk->said = true;
	disk->look_ns = disk->clock_ns; /* soon: most are over at once */
	virtio_pci_reset_begin(&disk->pci);
}

/* The status reads 0: the device has let go of all memory. */
static void blk_reset_over(struct virtio_blk *disk)
{
	uint64_t pause =
		disk->resets ? SECOND_NS << (disk->resets - 1 < 5 ? disk->resets - 1 : 5) : 0;
	struct slot *slot;

	ASSERT(disk->life == RESETTING);
	disk->resets++;
	disk->rest_ns = disk->clock_ns + (pause < REST_MAX_NS ? pause : REST_MAX_NS);
	disk->life = RESTING;
	disk->device.epoch++;
	while ((slot = virtqueue_abandon(&disk->queue)) != NULL)
		blk_finish(disk, slot, STATUS_IO);
}

static void blk_revive(struct virtio_blk *disk)
{
	const char *why = NULL;

	ASSERT(disk->life == RESTING && disk->queue.in_flight == 0);
	if (blk_bring_up(disk, &why)) {
		disk->life = LIVE;
		disk->answered_ns = disk->clock_ns;
		return;
	}
	blk_break(disk, why);
}

/* ---- completions ------------------------------------------------------------------- */

static void blk_answered(struct virtio_blk *disk, struct slot *slot)
{
	static const char *const errors[] = {
		[BLOCK_READ] = "the disk reported an error on a read",
		[BLOCK_WRITE] = "the disk reported an error on a write",
		[BLOCK_FLUSH] = "the disk reported an error on a flush",
		[BLOCK_DISCARD] = "the disk reported an error on a discard",
	};
	enum block_operation operation = slot->request->operation;
	bool good = slot->status == VIRTIO_BLK_S_OK;

	disk->answered_ns = disk->clock_ns;
	if (!good) {
		disk->device.trouble = errors[operation];
	} else if (operation == BLOCK_FLUSH) {
		disk->device.trouble = NULL;
		disk->resets = 0;
	}
	blk_finish(disk, slot, good ? STATUS_OK : STATUS_IO);
}

/* Completes what the device has finished; false when it was nothing. */
static bool blk_collect(struct virtio_blk *disk)
{
	void *token;
	uint32_t written;
	bool any = false;

	while (disk->life == LIVE) {
		enum virtqueue_answer answer = virtqueue_take(&disk->queue, &token, &written);
		struct slot *slot = token;

		if (answer == VIRTQUEUE_NONE)
			break;
		if (answer == VIRTQUEUE_BROKEN) {
			blk_break(disk, "the disk answers what was not asked");
			break;
		}
		any = true;
		if (slot->status <= VIRTIO_BLK_S_UNSUPP) {
			blk_answered(disk, slot);
			continue;
		}
		/* Over for the device, but whether it was done nobody knows. */
		blk_finish(disk, slot, STATUS_IO);
		blk_break(disk, "the disk answers without an outcome");
	}
	return any;
}

/* ---- patience ------------------------------------------------------------------------- */

void blk_clock_start(struct virtio_blk *disk)
{
	disk->polled_ns = platform_time_ns();
	disk->clock_ns = disk->answered_ns = disk->look_ns = 0;
	disk->said = false;
	disk->say_ns = PATIENCE_NS;
}

/* The request that has waited longest; null: none is in flight. */
static const struct slot *blk_oldest(const struct virtio_blk *disk)
{
	const struct slot *oldest = NULL;

	for (uint32_t i = 0; i < disk->device.queue_depth; i++) {
		const struct slot *slot = &disk->slots[i];

		if (slot->request && (!oldest || slot->since_ns < oldest->since_ns))
			oldest = slot;
	}
	return oldest;
}

/* Says what is waited for, and when that is over; lines grow rarer. */
static void blk_speak(struct virtio_blk *disk)
{
	const struct slot *oldest = blk_oldest(disk);
	uint64_t silent = disk->device.silent_ns;
	uint64_t age = oldest ? disk->clock_ns - oldest->since_ns : silent;
	bool waited = silent >= PATIENCE_NS || age >= PATIENCE_ONE_NS || disk->resets ||
		      disk->life != LIVE;

	if (!waited && disk->said) {
		platform_log("perdure: the disk answers again " AT "; what waited for it goes on",
			     PLACE(disk));
		disk->said = false;
		disk->say_ns = PATIENCE_NS;
	}
	if (!waited || age < disk->say_ns)
		return;
	if (disk->life == LIVE && oldest)
		platform_log("perdure: the disk has not answered a %s for %lu s " AT
			     "; it is waited for, nothing is lost",
			     names[oldest->request->operation], (unsigned long)(age / SECOND_NS),
			     PLACE(disk));
	else
		platform_log("perdure: the disk has been away for %lu s " AT ": %s; it is waited "
			     "for, nothing is lost",
			     (unsigned long)(age / SECOND_NS), PLACE(disk), disk->device.trouble);
	disk->said = true;
	disk->say_ns = age * 3 < age + SAY_AGAIN_NS ? age * 3 : age + SAY_AGAIN_NS;
}

static void blk_size_look(struct virtio_blk *disk, uint8_t generation)
{
	uint64_t sectors, end = disk->first + disk->device.sectors;

	if (generation == disk->generation)
		return;
	disk->generation = generation;
	sectors = blk_capacity(disk);
	if (sectors == disk->disk_sectors)
		return;
	if (sectors < end)
		platform_log("perdure: the disk has shrunk to %lu sectors " AT
			     ", and the store on it reaches to sector %lu: enlarge it again, or "
			     "what lies behind its end is neither read nor saved",
			     (unsigned long)sectors, PLACE(disk), (unsigned long)end);
	else if (sectors > disk->disk_sectors)
		platform_log("perdure: the disk has grown from %lu to %lu sectors " AT
			     "; `grow` gives them to the store",
			     (unsigned long)disk->disk_sectors, (unsigned long)sectors,
			     PLACE(disk));
	disk->disk_sectors = sectors;
}

/* What the device's registers say; true when requests have ended by it. */
static bool blk_look(struct virtio_blk *disk)
{
	bool ended = disk->queue.in_flight > 0;

	disk->look_ns = disk->clock_ns + LOOK_NS;
	switch (disk->life) {
	case LIVE:
		if (virtio_pci_needs_reset(&disk->pci))
			blk_break(disk, "the disk asks to be reset");
		else
			blk_size_look(disk, virtio_pci_generation(&disk->pci));
		break;
	case RESETTING:
		if (!virtio_pci_reset_over(&disk->pci))
			break;
		blk_reset_over(disk);
		return ended;
	case RESTING:
		if (disk->clock_ns >= disk->rest_ns)
			blk_revive(disk);
		break;
	}
	return false;
}

static void blk_clock(struct virtio_blk *disk)
{
	uint64_t now = platform_time_ns(), passed = now - disk->polled_ns;

	disk->polled_ns = now;
	disk->clock_ns += passed < STEP_NS ? passed : STEP_NS;
	if (disk->life == LIVE && disk->queue.in_flight == 0)
		disk->answered_ns = disk->clock_ns;
	disk->device.silent_ns = disk->clock_ns - disk->answered_ns;
}

/* One look after the disk: what has finished comes first, before any judgement. */
static bool blk_tend(struct virtio_blk *disk)
{
	bool ended = blk_collect(disk);

	blk_clock(disk);
	if (disk->clock_ns < disk->look_ns)
		return ended;
	ended |= blk_look(disk);
	blk_speak(disk);
	return ended;
}

static bool blk_quiet(const struct virtio_blk *disk)
{
	return disk->life != LIVE || disk->queue.used->idx == disk->queue.used_seen;
}

static void blk_poll(struct block_device *device, bool wait)
{
	struct virtio_blk *disk = device->context;

	while (!blk_tend(disk) && wait && (disk->life != LIVE || disk->queue.in_flight > 0)) {
		uint64_t spin = disk->pci.interrupts ? SPIN_NS : SPIN_POLLED_NS;
		uint64_t start = platform_time_ns();

		while (blk_quiet(disk) && platform_time_ns() - start < spin)
			platform_relax();
		if (blk_quiet(disk))
			platform_idle();
	}
}

const struct block_operations blk_operations = {.submit = blk_submit, .poll = blk_poll};
