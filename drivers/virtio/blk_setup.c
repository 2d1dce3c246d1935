/* SPDX-License-Identifier: MIT */
/*
 * blk_setup.c - virtio block device driver: coming up, at first and after a reset.
 */
#include <stddef.h>
#include <string.h>
#include "drivers/virtio/blk.h"
#include "drivers/virtio/blk_priv.h"
#include "base/assert.h"

#define REQUEST_BYTES_MAX (1u << 20) /* as much as the store reads at once */
/* Header and status; before and after the data of a read, what is too much of it. */
#define PARTS_OWN    2u
#define PARTS_BESIDE 2u
#define SEGMENTS_MAX (VIRTQUEUE_PARTS_MAX - PARTS_OWN - PARTS_BESIDE)
/* At boot another disk may hold the store: looks for so many interrupts, which is ten
 * seconds of ticks, before this one is passed over. */
#define RESET_SPINS 1000u
#define RESET_IDLES 1000u

#define FEATURES_WANTED                                                                            \
	(VIRTIO_F_INDIRECT_DESC | VIRTIO_BLK_F_SIZE_MAX | VIRTIO_BLK_F_SEG_MAX | VIRTIO_BLK_F_RO | \
	 VIRTIO_BLK_F_BLK_SIZE | VIRTIO_BLK_F_TOPOLOGY | VIRTIO_BLK_F_DISCARD)
#define FEATURES_NEEDED (VIRTIO_F_VERSION_1 | VIRTIO_BLK_F_FLUSH)

static struct virtio_blk disks[VIRTIO_BLK_DISKS];
static_assert(PARTS_OWN + PARTS_BESIDE < VIRTQUEUE_PARTS_MAX, "there is room for data");
static_assert(sizeof(struct slot) * VIRTQUEUE_SIZE_MAX % 16 == 0,
	      "the queue behind the slots is aligned");

bool virtio_blk_matches(const struct pci_function *f)
{
	return f->vendor == VIRTIO_PCI_VENDOR &&
	       (f->product == VIRTIO_PCI_BLOCK || f->product == VIRTIO_PCI_BLOCK_LEGACY);
}

/* ---- configuration -------------------------------------------------------------------- */

/* 5.2.4; capacity can change while it is read (4.1.4.3.1: generation). */
static void blk_configuration(struct virtio_blk *disk, struct virtio_blk_config *config)
{
	const volatile uint8_t *from = disk->pci.config;
	uint8_t *to = (uint8_t *)config;
	uint32_t bytes = disk->pci.config_bytes, tries = 0;

	memset(config, 0, sizeof *config);
	if (bytes > sizeof *config)
		bytes = sizeof *config;
	do {
		disk->generation = virtio_pci_generation(&disk->pci);
		for (uint32_t i = 0; i + 4 <= bytes; i += 4)
			*(uint32_t *)(void *)(to + i) = *(const volatile uint32_t *)(from + i);
	} while (disk->generation != virtio_pci_generation(&disk->pci) && tries++ < 100);
}

static uint64_t config_capacity(const struct virtio_blk_config *config)
{
	return config->capacity[0] | (uint64_t)config->capacity[1] << 32;
}

uint64_t blk_capacity(struct virtio_blk *disk)
{
	struct virtio_blk_config config;

	blk_configuration(disk, &config);
	return config_capacity(&config);
}

/* The disk's own sectors: 512 or 4096 bytes. */
static bool blk_sectors(struct block_device *device, const struct virtio_blk_config *config,
			uint64_t features, const char **why)
{
	uint32_t block = SECTOR_SIZE;

	if (features & VIRTIO_BLK_F_BLK_SIZE && config->blk_size != 0)
		block = config->blk_size;
	device->sector_unit = block / SECTOR_SIZE;
	device->write_unit = block;
	if (features & VIRTIO_BLK_F_TOPOLOGY && config->physical_block_exp < 32 &&
	    (uint64_t)block << config->physical_block_exp >= BLOCK_SIZE)
		device->write_unit = BLOCK_SIZE;
	if (block == SECTOR_SIZE || block == BLOCK_SIZE)
		return true;
	*why = "its sectors are neither of 512 nor of 4096 bytes "
	       "(QEMU: logical_block_size=512 or 4096)";
	return false;
}

/* How much a request may move, and in how many parts; 0 as a limit is none.  No request
 * has more parts than the queue has places (2.7.5.3.1). */
static bool blk_request_limits(struct virtio_blk *disk, const struct virtio_blk_config *config,
			       uint64_t features, const char **why)
{
	struct block_device *device = &disk->device;
	uint32_t beside = device->sector_unit > 1 ? PARTS_BESIDE : 0, segments = 1;
	uint32_t places = disk->queue.size;

	disk->segment_bytes = REQUEST_BYTES_MAX;
	if (features & VIRTIO_BLK_F_SIZE_MAX && config->size_max != 0 &&
	    config->size_max < disk->segment_bytes)
		disk->segment_bytes = config->size_max & ~(device->sector_unit * SECTOR_SIZE - 1);
	if (disk->segment_bytes < BLOCK_SIZE) {
		*why = "it takes less than 4 KiB at a time";
		return false;
	}
	if (features & VIRTIO_BLK_F_SEG_MAX && config->seg_max > 1)
		segments = config->seg_max;
	if (segments <= beside || places <= beside + PARTS_OWN) {
		*why = "it takes requests in too few parts (QEMU: a larger queue-size)";
		return false;
	}
	segments -= beside;
	if (segments > places - beside - PARTS_OWN)
		segments = places - beside - PARTS_OWN;
	if (segments > SEGMENTS_MAX)
		segments = SEGMENTS_MAX;
	if (segments > REQUEST_BYTES_MAX / disk->segment_bytes)
		segments = REQUEST_BYTES_MAX / disk->segment_bytes;
	device->request_sectors = segments * (disk->segment_bytes / SECTOR_SIZE);
	disk->queue.parts = (uint16_t)(segments + beside + PARTS_OWN);
	return true;
}

/* What the store may ask of this disk.  False: *why. */
static bool blk_limits(struct virtio_blk *disk, uint64_t features, const char **why)
{
	struct block_device *device = &disk->device;
	struct virtio_blk_config config;

	blk_configuration(disk, &config);
	disk->disk_sectors = config_capacity(&config);
	disk->queue.size = VIRTQUEUE_SIZE_MAX;
	while (disk->queue.size > virtio_pci_queue_max(&disk->pci))
		disk->queue.size /= 2;
	if (!blk_sectors(device, &config, features, why) ||
	    !blk_request_limits(disk, &config, features, why))
		return false;
	device->read_only = features & VIRTIO_BLK_F_RO;
	/* One segment in a request always suffices; 5.2.5 for the limits. */
	device->discards = features & VIRTIO_BLK_F_DISCARD && config.max_discard_seg > 0 &&
			   config.max_discard_sectors >= BLOCK_SIZE / SECTOR_SIZE &&
			   !device->read_only;
	device->discard_sectors = device->discards ? config.max_discard_sectors : 0;
	device->discard_unit = device->discards ? config.discard_sector_alignment : 0;
	return true;
}

/* Queue and slots, in memory that is kept for the disk's next life. */
static bool blk_memory(struct virtio_blk *disk, bool indirect, const char **why)
{
	uint16_t size = disk->queue.size, parts = disk->queue.parts;
	uint64_t slots = sizeof(struct slot) * VIRTQUEUE_SIZE_MAX;

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

/* ---- coming up ------------------------------------------------------------------------- */

/* After a reset: can everything go on that the owner has begun? */
static bool blk_same(const struct block_device *before, const struct block_device *now)
{
	return now->sector_unit == before->sector_unit && now->write_unit == before->write_unit &&
	       now->request_sectors == before->request_sectors &&
	       now->queue_depth == before->queue_depth && now->discards == before->discards &&
	       now->discard_sectors == before->discard_sectors &&
	       now->read_only == before->read_only;
}

bool blk_bring_up(struct virtio_blk *disk, const char **why)
{
	const struct block_device before = disk->device;
	uint64_t sectors = disk->disk_sectors, offered = 0;
	bool up;

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
	up = blk_limits(disk, offered, why) &&
	     blk_memory(disk, offered & VIRTIO_F_INDIRECT_DESC, why);
	if (before.operations) {
		bool same = blk_same(&before, &disk->device);

		/* Whatever it says now, it is judged next time by what it was at first.  What
		 * has changed of its size is noticed and said as always. */
		disk->device = before;
		disk->disk_sectors = sectors;
		disk->generation--;
		if (up && !same) {
			*why = "the disk has other limits after a reset than before";
			up = false;
		}
	}
	if (!up)
		return false;
	if (!disk->messages)
		disk->messages = platform_message_interrupt(disk->interrupt, NULL, &disk->message);
	disk->told = true;
	return virtio_pci_start(&disk->pci, &disk->queue, disk->messages ? &disk->message : NULL,
				why);
}

/* Resets and waits a while, the CPU halted; false, and said, when it takes longer. */
static bool blk_reset_wait(struct virtio_blk *disk)
{
	virtio_pci_reset_begin(&disk->pci);
	for (uint32_t i = 0; !virtio_pci_reset_over(&disk->pci); i++) {
		if (i == RESET_SPINS + RESET_IDLES) {
			platform_log("perdure: the disk at PCI %02x:%02x.%x does not come out of "
				     "reset",
				     disk->pci.function.bus, disk->pci.function.device,
				     disk->pci.function.function);
			return false;
		}
		if (i < RESET_SPINS)
			platform_relax();
		else
			platform_idle();
	}
	disk->told = false;
	return true;
}

/* The place of this function's disk: the one it had before, or a free one, into whose memory
 * no disk may still write. */
static struct virtio_blk *blk_place(const struct pci_function *f)
{
	struct virtio_blk *free = NULL;

	for (uint32_t i = 0; i < VIRTIO_BLK_DISKS; i++) {
		struct virtio_blk *disk = &disks[i];
		const struct pci_function *own = &disk->pci.function;

		if (disk->memory != NULL && own->bus == f->bus && own->device == f->device &&
		    own->function == f->function)
			return disk;
		if (free == NULL && !disk->in_use && !disk->told)
			free = disk;
	}
	return free;
}

struct virtio_blk *virtio_blk_open(const struct pci_function *function, platform_handler *interrupt,
				   const char **why)
{
	struct virtio_blk *disk = blk_place(function);

	*why = NULL;
	if (disk == NULL)
		return NULL;
	if (!virtio_pci_open(&disk->pci, function, why))
		return NULL;
	disk->interrupt = interrupt;
	disk->device = (struct block_device){.context = disk};
	disk->life = LIVE;
	disk->resets = 0;
	if (!blk_reset_wait(disk))
		return NULL;
	if (!blk_bring_up(disk, why)) {
		blk_reset_wait(disk);
		return NULL;
	}
	disk->in_use = true;
	disk->device.operations = &blk_operations;
	blk_clock_start(disk);
	virtio_blk_narrow(disk, 0, disk->disk_sectors);
	return disk;
}

struct block_device *virtio_blk_device(struct virtio_blk *disk)
{
	ASSERT(disk->in_use);
	return &disk->device;
}

void virtio_blk_narrow(struct virtio_blk *disk, uint64_t first, uint64_t sectors)
{
	ASSERT(first + sectors >= first);
	disk->first = first;
	disk->device.sectors = sectors;
}

void virtio_blk_measure(struct virtio_blk *disk)
{
	disk->disk_sectors = blk_capacity(disk);
	virtio_blk_narrow(disk, 0, disk->disk_sectors);
}

bool virtio_blk_interrupts(const struct virtio_blk *disk)
{
	return disk->pci.interrupts;
}

bool virtio_blk_close(struct virtio_blk *disk)
{
	disk->in_use = false;
	if (!blk_reset_wait(disk))
		return false;
	while (virtqueue_abandon(&disk->queue) != NULL)
		;
	return true;
}

/* Halted: so many ticks are a second. */
static void blk_restart_pause(void)
{
	for (uint32_t i = 0; i < RESET_IDLES / 10; i++)
		platform_idle();
}

void virtio_blk_restart(struct virtio_blk *disk)
{
	struct pci_function f = disk->pci.function;
	uint64_t first = disk->first, sectors = disk->device.sectors;
	const char *why = NULL;

	while (!virtio_blk_close(disk))
		;
	while (virtio_blk_open(&f, disk->interrupt, &why) == NULL) {
		if (why == NULL)
			continue;
		platform_log("perdure: the disk at PCI %02x:%02x.%x cannot be used now: %s; it is "
			     "tried again",
			     f.bus, f.device, f.function, why);
		blk_restart_pause();
	}
	virtio_blk_narrow(disk, first, sectors);
}
