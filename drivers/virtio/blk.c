/* SPDX-License-Identifier: MIT */
/*
 * blk.c - virtio block device driver.
 *
 *	          submit                    used ring
 *	slot free ------> slot in flight -----------> complete(), slot free
 *	                        |  bad answer, no answer
 *	                        +------> device reset, everything STATUS_DEVICE
 *
 * A slot holds what a request shares with the device besides its data: the
 * request header, the status byte, the discard segment.  Slots are as many as
 * requests fit into the queue, so a free slot means room in the queue.
 */
#include "drivers/virtio/blk.h"
#include <stddef.h>
#include <string.h>
#include "drivers/virtio/pci.h"
#include "drivers/virtio/queue.h"

#define REQUEST_BYTES_MAX (1u << 20) /* as much as the store reads at once */
#define SEGMENTS_MAX	  (VIRTQUEUE_PARTS_MAX - 2)
#define STATUS_UNTOUCHED  0xffu
/* A request gets 30 s: longer than a disk that spins up or a host that swaps.
 * After 0.1 s the device is asked whether it has failed; asking is dear. */
#define ANSWER_NS UINT64_C(30000000000)
#define DOUBT_NS  UINT64_C(100000000)

#define FEATURES_WANTED                                                                            \
	(VIRTIO_F_INDIRECT_DESC | VIRTIO_BLK_F_SIZE_MAX | VIRTIO_BLK_F_SEG_MAX | VIRTIO_BLK_F_RO | \
	 VIRTIO_BLK_F_BLK_SIZE | VIRTIO_BLK_F_TOPOLOGY | VIRTIO_BLK_F_DISCARD)
#define FEATURES_NEEDED (VIRTIO_F_VERSION_1 | VIRTIO_BLK_F_FLUSH)

struct slot {
	struct virtio_blk_req header;
	struct virtio_blk_discard_write_zeroes discard;
	uint8_t status;
	uint8_t padding[7];
	struct block_request *request; /* null: free */
	struct slot *next_free;
};

struct virtio_blk {
	struct block_device device;
	struct virtio_pci pci;
	struct virtqueue queue;
	uint64_t first; /* sector of the disk that is sector 0 of the device */
	uint64_t disk_sectors;
	uint32_t segment_bytes; /* largest part of a request */
	uint64_t progress_ns;	/* when the device last answered or was idle */
	bool in_use, broken, messages;
	struct platform_message message; /* taken once, kept over resets */
	struct slot *slots, *free;
	void *memory; /* of the queue and of the slots, kept over resets */
};

static struct virtio_blk disks[VIRTIO_BLK_DISKS];

bool virtio_blk_matches(const struct pci_function *f)
{
	return f->vendor == VIRTIO_PCI_VENDOR &&
	       (f->product == VIRTIO_PCI_BLOCK || f->product == VIRTIO_PCI_BLOCK_LEGACY);
}

/* ---- requests ---------------------------------------------------------------------- */

static void blk_finish(struct virtio_blk *disk, struct slot *slot, enum status status)
{
	struct block_request *request = slot->request;

	slot->request = NULL;
	slot->next_free = disk->free;
	disk->free = slot;
	request->status = status;
	request->complete(request);
}

/* Nothing this device says is believed any more. */
static void blk_give_up(struct virtio_blk *disk, const char *reason)
{
	struct slot *slot;

	platform_log("perdure: disk at PCI %02x:%02x.%x %s; it is given up", disk->pci.function.bus,
		     disk->pci.function.device, disk->pci.function.function, reason);
	disk->broken = true;
	virtio_pci_reset(&disk->pci);
	while ((slot = virtqueue_abandon(&disk->queue)) != NULL)
		blk_finish(disk, slot, STATUS_DEVICE);
}

/* Cuts the data into parts no larger than the device takes. */
static uint32_t blk_data_parts(const struct virtio_blk *disk, const struct block_request *request,
			       struct virtqueue_part *parts)
{
	uint64_t left = (uint64_t)request->sectors * SECTOR_SIZE;
	const uint8_t *data = request->data;
	uint32_t count = 0;

	while (left > 0) {
		uint32_t bytes = left < disk->segment_bytes ? (uint32_t)left : disk->segment_bytes;
		parts[count++] =
			(struct virtqueue_part){data, bytes, request->operation == BLOCK_READ};
		data += bytes;
		left -= bytes;
	}
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

	slot->request = request;
	slot->status = STATUS_UNTOUCHED;
	slot->header = (struct virtio_blk_req){.type = type[request->operation],
					       .sector = data ? sector : 0};
	parts[count++] = (struct virtqueue_part){&slot->header, sizeof slot->header, false};
	if (data)
		count += blk_data_parts(disk, request, parts + count);
	if (request->operation == BLOCK_DISCARD) {
		slot->discard = (struct virtio_blk_discard_write_zeroes){
			.sector = sector, .num_sectors = request->sectors};
		parts[count++] =
			(struct virtqueue_part){&slot->discard, sizeof slot->discard, false};
	}
	parts[count++] = (struct virtqueue_part){&slot->status, 1, true};
	virtqueue_add(&disk->queue, parts, count, slot);
	if (virtqueue_must_notify(&disk->queue))
		virtio_pci_notify(&disk->pci);
}

/* Requests that a correct submitter never makes; refused so that they cannot
 * reach beyond the partition. */
static bool blk_in_range(const struct block_device *device, const struct block_request *request)
{
	uint32_t most;

	if (request->operation == BLOCK_FLUSH)
		return true;
	most = request->operation == BLOCK_DISCARD ? device->discard_sectors
						   : device->request_sectors;
	return request->sectors > 0 && request->sectors <= most &&
	       request->sector.n <= device->sectors &&
	       request->sectors <= device->sectors - request->sector.n &&
	       (request->operation != BLOCK_DISCARD || device->discards);
}

static void blk_refuse(struct block_request *request, enum status status)
{
	request->status = status;
	request->complete(request);
}

static bool blk_submit(struct block_device *device, struct block_request *request)
{
	struct virtio_blk *disk = device->context;
	struct slot *slot = disk->free;

	if (disk->broken) {
		blk_refuse(request, STATUS_DEVICE);
		return true;
	}
	if (!blk_in_range(device, request)) {
		platform_log(
			"perdure: request beyond the partition refused: sector %lu, %u sectors",
			(unsigned long)request->sector.n, request->sectors);
		blk_refuse(request, STATUS_IO);
		return true;
	}
	if (slot == NULL)
		return false;
	if (disk->queue.in_flight == 0)
		disk->progress_ns = platform_time_ns();
	disk->free = slot->next_free;
	blk_queue(disk, slot, request);
	return true;
}

/* ---- completions ------------------------------------------------------------------- */

/* Completes what the device has finished; false when it was nothing. */
static bool blk_collect(struct virtio_blk *disk)
{
	void *token;
	uint32_t written;
	bool any = false;

	while (!disk->broken) {
		enum virtqueue_answer answer = virtqueue_take(&disk->queue, &token, &written);
		if (answer == VIRTQUEUE_NONE)
			break;
		any = true;
		struct slot *slot = token;
		if (answer == VIRTQUEUE_BROKEN) {
			blk_give_up(disk, "answers what was not asked");
		} else if (slot->status > VIRTIO_BLK_S_UNSUPP) {
			blk_finish(disk, slot, STATUS_DEVICE);
			blk_give_up(disk, "answers without an outcome");
		} else {
			blk_finish(disk, slot,
				   slot->status == VIRTIO_BLK_S_OK ? STATUS_OK : STATUS_IO);
		}
	}
	return any;
}

/* True when the device has been given up for not answering. */
static bool blk_overdue(struct virtio_blk *disk)
{
	uint64_t silent_ns = platform_time_ns() - disk->progress_ns;

	if (silent_ns > ANSWER_NS)
		blk_give_up(disk, "has not answered for 30 s");
	else if (silent_ns > DOUBT_NS && virtio_pci_needs_reset(&disk->pci))
		blk_give_up(disk, "asks to be reset");
	return disk->broken;
}

static void blk_poll(struct block_device *device, bool wait)
{
	struct virtio_blk *disk = device->context;

	for (;;) {
		if (blk_collect(disk)) {
			disk->progress_ns = platform_time_ns();
			return;
		}
		if (disk->broken || disk->queue.in_flight == 0 || blk_overdue(disk) || !wait)
			return;
		for (uint32_t i = 0; i < 64 && disk->queue.used->idx == disk->queue.used_seen; i++)
			platform_relax();
	}
}

static const struct block_operations blk_operations = {.submit = blk_submit, .poll = blk_poll};

/* ---- coming up ---------------------------------------------------------------------- */

/* 5.2.4; capacity can change while it is read (4.1.4.3.1: generation). */
static void blk_configuration(struct virtio_blk *disk, struct virtio_blk_config *config)
{
	const volatile uint8_t *from = disk->pci.config;
	uint8_t *to = (uint8_t *)config, before;
	uint32_t bytes = disk->pci.config_bytes, tries = 0;

	memset(config, 0, sizeof *config);
	if (bytes > sizeof *config)
		bytes = sizeof *config;
	do {
		before = disk->pci.common->config_generation;
		for (uint32_t i = 0; i + 4 <= bytes; i += 4)
			*(uint32_t *)(void *)(to + i) = *(const volatile uint32_t *)(from + i);
	} while (before != disk->pci.common->config_generation && tries++ < 100);
}

/* What the store may ask of this disk.  False: *why. */
static bool blk_limits(struct virtio_blk *disk, uint64_t features, const char **why)
{
	struct block_device *device = &disk->device;
	struct virtio_blk_config config;
	uint32_t block = SECTOR_SIZE, segments = 1;

	blk_configuration(disk, &config);
	if (features & VIRTIO_BLK_F_BLK_SIZE && config.blk_size != 0)
		block = config.blk_size;
	if (block != SECTOR_SIZE) {
		*why = "its logical sectors are larger than 512 bytes, which is not supported";
		return false;
	}
	disk->segment_bytes = REQUEST_BYTES_MAX;
	if (features & VIRTIO_BLK_F_SIZE_MAX && config.size_max < disk->segment_bytes)
		disk->segment_bytes = config.size_max & ~(SECTOR_SIZE - 1);
	if (disk->segment_bytes < BLOCK_SIZE) {
		*why = "it takes less than 4 KiB at a time";
		return false;
	}
	if (features & VIRTIO_BLK_F_SEG_MAX && config.seg_max > 1)
		segments = config.seg_max < SEGMENTS_MAX ? config.seg_max : SEGMENTS_MAX;
	if (segments > REQUEST_BYTES_MAX / disk->segment_bytes)
		segments = REQUEST_BYTES_MAX / disk->segment_bytes;
	disk->disk_sectors = config.capacity[0] | (uint64_t)config.capacity[1] << 32;
	device->request_sectors = segments * (disk->segment_bytes / SECTOR_SIZE);
	device->read_only = features & VIRTIO_BLK_F_RO;
	device->write_unit = SECTOR_SIZE;
	if (features & VIRTIO_BLK_F_TOPOLOGY && config.physical_block_exp == 3)
		device->write_unit = BLOCK_SIZE;
	/* One segment in a request always suffices; 5.2.5 for the limits. */
	device->discards = features & VIRTIO_BLK_F_DISCARD && config.max_discard_seg > 0 &&
			   config.max_discard_sectors >= BLOCK_SIZE / SECTOR_SIZE &&
			   !device->read_only;
	device->discard_sectors = device->discards ? config.max_discard_sectors : 0;
	device->discard_unit = device->discards ? config.discard_sector_alignment : 0;
	disk->queue.parts = (uint16_t)(segments + 2);
	return true;
}

/* Queue and slots, in memory that is kept for the disk's next life. */
static bool blk_memory(struct virtio_blk *disk, bool indirect, const char **why)
{
	uint16_t size = VIRTQUEUE_SIZE_MAX, parts = disk->queue.parts;
	uint16_t most = virtio_pci_queue_max(&disk->pci);
	uint64_t slots = sizeof(struct slot) * VIRTQUEUE_SIZE_MAX;

	while (size > most)
		size /= 2;
	if (size < parts) {
		*why = "its queue is too small for one request";
		return false;
	}
	if (disk->memory == NULL)
		disk->memory = platform_allocate(
			slots + virtqueue_bytes(VIRTQUEUE_SIZE_MAX, VIRTQUEUE_PARTS_MAX));
	if (disk->memory == NULL) {
		*why = "memory is short";
		return false;
	}
	disk->slots = disk->memory;
	virtqueue_init(&disk->queue, (uint8_t *)disk->memory + slots, size, parts, indirect);
	disk->device.queue_depth = virtqueue_depth(&disk->queue);
	disk->free = NULL;
	for (uint32_t i = 0; i < disk->device.queue_depth; i++) {
		disk->slots[i] = (struct slot){.next_free = disk->free};
		disk->free = &disk->slots[i];
	}
	return true;
}

/* The disk's place in the table: its old one if it has been up before, so that
 * its memory and its interrupt serve again. */
static struct virtio_blk *blk_place(const struct pci_function *f)
{
	for (uint32_t i = 0; i < VIRTIO_BLK_DISKS; i++) {
		const struct pci_function *known = &disks[i].pci.function;
		if (disks[i].memory != NULL && known->bus == f->bus && known->device == f->device &&
		    known->function == f->function)
			return &disks[i];
	}
	for (uint32_t i = 0; i < VIRTIO_BLK_DISKS; i++)
		if (!disks[i].in_use)
			return &disks[i];
	return NULL;
}

static bool blk_bring_up(struct virtio_blk *disk, platform_handler *interrupt, const char **why)
{
	uint64_t offered = 0;

	if (!virtio_pci_negotiate(&disk->pci, FEATURES_WANTED, FEATURES_NEEDED, &offered, why)) {
		if (offered != 0 && !(offered & VIRTIO_BLK_F_FLUSH))
			*why = "it does not offer FLUSH, without which no write is known durable "
			       "(QEMU: write-cache=on or config-wce=on)";
		return false;
	}
	if (disk->pci.config == NULL) {
		*why = "it does not tell its size";
		return false;
	}
	if (!blk_limits(disk, offered, why) ||
	    !blk_memory(disk, offered & VIRTIO_F_INDIRECT_DESC, why))
		return false;
	if (!disk->messages)
		disk->messages = platform_message_interrupt(interrupt, NULL, &disk->message);
	if (!virtio_pci_start(&disk->pci, &disk->queue, disk->messages ? &disk->message : NULL,
			      why))
		return false;
	disk->device.context = disk;
	disk->device.operations = &blk_operations;
	return true;
}

struct virtio_blk *virtio_blk_open(const struct pci_function *function, platform_handler *interrupt,
				   const char **why)
{
	struct virtio_blk *disk = blk_place(function);

	if (disk == NULL) {
		*why = "there are more disks than are looked at";
		return NULL;
	}
	if (!virtio_pci_open(&disk->pci, function, why))
		return NULL;
	disk->in_use = true;
	disk->broken = false;
	if (!blk_bring_up(disk, interrupt, why)) {
		virtio_pci_reset(&disk->pci);
		disk->in_use = false;
		return NULL;
	}
	virtio_blk_narrow(disk, 0, disk->disk_sectors);
	return disk;
}

struct block_device *virtio_blk_device(struct virtio_blk *disk)
{
	return &disk->device;
}

void virtio_blk_narrow(struct virtio_blk *disk, uint64_t first, uint64_t sectors)
{
	disk->first = first;
	disk->device.sectors = sectors;
}

/* A smaller capacity than before is not believed: the store is larger. */
void virtio_blk_measure(struct virtio_blk *disk)
{
	struct virtio_blk_config config;
	uint64_t sectors;

	blk_configuration(disk, &config);
	sectors = config.capacity[0] | (uint64_t)config.capacity[1] << 32;
	if (sectors > disk->disk_sectors)
		disk->disk_sectors = sectors;
	virtio_blk_narrow(disk, 0, disk->disk_sectors);
}

bool virtio_blk_interrupts(const struct virtio_blk *disk)
{
	return disk->pci.interrupts;
}

void virtio_blk_close(struct virtio_blk *disk)
{
	virtio_pci_reset(&disk->pci);
	while (virtqueue_abandon(&disk->queue) != NULL)
		;
	disk->in_use = false;
}

void virtio_blk_reset_all(void)
{
	for (uint32_t i = 0; i < VIRTIO_BLK_DISKS; i++)
		if (disks[i].in_use)
			virtio_blk_close(&disks[i]);
}
