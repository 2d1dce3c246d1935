/* SPDX-License-Identifier: MIT */
/*
 * blk_model.h - a virtio block device, and the transport to it, as the block driver sees
 * them: honest, late, lying, stuck, in any order.
 */
#ifndef TESTS_UNIT_DRIVERS_BLK_MODEL_H
#define TESTS_UNIT_DRIVERS_BLK_MODEL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "drivers/virtio/blk.h"
#include "drivers/virtio/pci.h"

#define DISK_SECTORS 4096u
#define HELD_MAX     256u

enum behaviour { HONEST, ERRORS, NO_STATUS, ODD_STATUS, WRONG_ID, TOO_LONG, NEEDS_RESET };

/* The model device; one at a time. */
static struct {
	uint64_t offered, accepted;
	struct virtio_blk_config config;
	struct virtio_pci_common_cfg common;
	struct virtqueue *queue;
	uint16_t seen; /* avail index */
	uint16_t queue_max;
	enum behaviour behaviour;
	bool holds; /* answers wait for model_release */
	uint16_t held[HELD_MAX];
	uint32_t held_count;
	uint32_t resets, flushes, notified;
	bool start_fails;	  /* it knows the queue, and does not come up, nor out of a reset */
	bool stuck;		  /* does not come out of a reset, and goes on with what it has */
	uint32_t lies_left;	  /* so many wrong answers, then it is honest */
	uint64_t now_ns, jump_ns; /* the clock jumps once: the host held the machine */
	uint32_t idles;
	void (*idle)(void); /* what happens while the driver waits */
	uint8_t sectors[DISK_SECTORS * SECTOR_SIZE];
	char log[8192]; /* all lines since it was emptied */
} model;

/* ---- platform and transport ------------------------------------------------------------ */

uint64_t platform_physical(const void *address)
{
	return (uintptr_t)address;
}

/* The driver keeps what it is given; so do we, for the leak checker. */
static void *kept[64];
static uint32_t kept_count;

void *platform_allocate(uint64_t bytes)
{
	assert_true(kept_count < 64);
	return kept[kept_count++] = calloc(1, bytes);
}

uint64_t platform_time_ns(void)
{
	model.now_ns += 1000 + model.jump_ns;
	model.jump_ns = 0;
	return model.now_ns;
}

/* A tick of 10 ms. */
void platform_idle(void)
{
	model.now_ns += 10000000;
	model.idles++;
	if (model.idle != NULL)
		model.idle();
}

void platform_log(const char *format, ...)
{
	size_t length = strlen(model.log);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(model.log + length, sizeof model.log - length, format, arguments);
	va_end(arguments);
	strncat(model.log, "\n", sizeof model.log - strlen(model.log) - 1);
}

static uint32_t lines(const char *text)
{
	uint32_t count = 0;

	for (const char *at = model.log; (at = strstr(at, text)) != NULL; at++)
		count++;
	return count;
}

bool platform_message_interrupt(platform_handler *handler, void *context,
				struct platform_message *message)
{
	(void)handler;
	(void)context;
	*message = (struct platform_message){0xfee00000, 0x50};
	return true;
}

bool virtio_pci_open(struct virtio_pci *device, const struct pci_function *function,
		     const char **why)
{
	(void)why;
	*device = (struct virtio_pci){.function = *function,
				      .common = &model.common,
				      .config = &model.config,
				      .config_bytes = sizeof model.config};
	return true;
}

void virtio_pci_reset_begin(struct virtio_pci *device)
{
	(void)device;
	model.resets++;
}

bool virtio_pci_reset_over(struct virtio_pci *device)
{
	(void)device;
	if (model.stuck)
		return false;
	model.seen = 0;
	model.held_count = 0;
	model.queue = NULL;
	return true;
}

bool virtio_pci_negotiate(struct virtio_pci *device, uint64_t wanted, uint64_t needed,
			  uint64_t *offered, const char **why)
{
	(void)device;
	assert_null(model.queue); /* it was reset, and has let go of memory */
	*offered = model.offered;
	model.accepted = model.offered & (wanted | needed);
	*why = "features";
	return (model.offered & needed) == needed;
}

uint16_t virtio_pci_queue_max(struct virtio_pci *device)
{
	(void)device;
	return model.queue_max;
}

bool virtio_pci_start(struct virtio_pci *device, struct virtqueue *queue,
		      const struct platform_message *message, const char **why)
{
	*why = "it does not start";
	device->interrupts = message != NULL;
	model.queue = queue;
	model.stuck |= model.start_fails;
	return !model.start_fails;
}

bool virtio_pci_needs_reset(struct virtio_pci *device)
{
	(void)device;
	return model.behaviour == NEEDS_RESET && model.lies_left > 0;
}

uint8_t virtio_pci_generation(struct virtio_pci *device)
{
	(void)device;
	return model.common.config_generation;
}

/* ---- the device's side of the queue ------------------------------------------------------ */

struct chain {
	struct virtq_desc part[VIRTQUEUE_PARTS_MAX];
	uint32_t count;
};

static struct chain chain_read(uint16_t head)
{
	const struct virtq_desc *table = model.queue->desc, *d = &table[head];
	struct chain chain = {.count = 0};

	if (d->flags & VIRTQ_DESC_F_INDIRECT) {
		assert_true(model.accepted & VIRTIO_F_INDIRECT_DESC);
		table = (const struct virtq_desc *)(uintptr_t)d->addr;
		d = table;
	}
	for (;; d = &table[d->next]) {
		assert_true(chain.count < VIRTQUEUE_PARTS_MAX);
		chain.part[chain.count++] = *d;
		if (!(d->flags & VIRTQ_DESC_F_NEXT))
			return chain;
	}
}

/* Is this the lie that the device tells now? */
static bool model_lies(enum behaviour lie)
{
	return model.behaviour == lie && model.lies_left > 0;
}

/* Does what a chain asks; returns the bytes written. */
static uint32_t chain_execute(const struct chain *chain)
{
	const struct virtio_blk_req *request = (const void *)(uintptr_t)chain->part[0].addr;
	const struct virtq_desc *last = &chain->part[chain->count - 1];
	uint64_t at = request->sector * SECTOR_SIZE;
	uint32_t written = 1, moved = 0;
	uint32_t block = model.accepted & VIRTIO_BLK_F_BLK_SIZE ? model.config.blk_size : 512;

	assert_int_equal(chain->part[0].len, sizeof *request);
	assert_int_equal(last->len, 1);
	assert_int_equal(last->flags, VIRTQ_DESC_F_WRITE);
	for (uint32_t i = 1; i + 1 < chain->count; i++) {
		const struct virtq_desc *d = &chain->part[i];
		void *data = (void *)(uintptr_t)d->addr;
		if (request->type == VIRTIO_BLK_T_DISCARD) {
			const struct virtio_blk_discard_write_zeroes *discard = data;
			memset(model.sectors + discard->sector * SECTOR_SIZE, 0xdd,
			       (size_t)discard->num_sectors * SECTOR_SIZE);
			continue;
		}
		assert_true(at + d->len <= sizeof model.sectors);
		moved += d->len;
		if (model.accepted & VIRTIO_BLK_F_SIZE_MAX && model.config.size_max)
			assert_true(d->len <= model.config.size_max);
		if (request->type == VIRTIO_BLK_T_IN) {
			assert_true(d->flags & VIRTQ_DESC_F_WRITE);
			memcpy(data, model.sectors + at, d->len);
			written += d->len;
		} else {
			assert_false(d->flags & VIRTQ_DESC_F_WRITE);
			memcpy(model.sectors + at, data, d->len);
		}
		at += d->len;
	}
	assert_true(request->sector * SECTOR_SIZE % block == 0 && moved % block == 0);
	assert_true(chain->count <= model.queue->size);
	model.flushes += request->type == VIRTIO_BLK_T_FLUSH;
	*(uint8_t *)(uintptr_t)last->addr = model.behaviour == ERRORS ? 1
					    : model_lies(NO_STATUS)   ? 0xff
					    : model_lies(ODD_STATUS)  ? 7
								      : 0;
	return written;
}

static void model_answer(uint16_t head)
{
	struct chain chain = chain_read(head);
	uint32_t written = chain_execute(&chain), id = head;
	uint16_t at = model.queue->used->idx;

	if (model_lies(WRONG_ID))
		id = model.queue->size - 1u;
	if (model_lies(TOO_LONG))
		written = UINT32_MAX;
	model.lies_left -= model.lies_left > 0;
	model.queue->used->ring[at % model.queue->size].id = id;
	model.queue->used->ring[at % model.queue->size].len = written;
	model.queue->used->idx = (uint16_t)(at + 1);
}

void virtio_pci_notify(struct virtio_pci *device)
{
	(void)device;
	model.notified++;
	while (model.seen != model.queue->avail->idx) {
		uint16_t head = model.queue->avail->ring[model.seen++ % model.queue->size];
		if (model_lies(NEEDS_RESET))
			continue;
		if (model.holds)
			model.held[model.held_count++] = head;
		else
			model_answer(head);
	}
}

/* Answers what is held, the last first. */
static void model_release(void)
{
	while (model.held_count > 0)
		model_answer(model.held[--model.held_count]);
}

/* ---- requests ------------------------------------------------------------------------------- */

#define FULL                                                                                       \
	(VIRTIO_F_VERSION_1 | VIRTIO_BLK_F_FLUSH | VIRTIO_F_INDIRECT_DESC | VIRTIO_BLK_F_SEG_MAX)

static uint32_t completed;
static struct block_device *device;
static struct virtio_blk *disk;

static void note(struct block_request *request)
{
	(void)request;
	completed++;
}

static struct block_request ask(enum block_operation operation, uint64_t sector, uint32_t sectors,
				void *data)
{
	return (struct block_request){.operation = operation,
				      .sector = {sector},
				      .sectors = sectors,
				      .data = data,
				      .complete = note,
				      .status = STATUS_BUSY};
}

static enum status run(struct block_request request)
{
	uint32_t before = completed;

	while (!device->operations->submit(device, &request))
		device->operations->poll(device, true);
	while (completed == before)
		device->operations->poll(device, true);
	assert_int_equal(completed, before + 1);
	return request.status;
}

#define SECOND_NS UINT64_C(1000000000)

static bool open_disk(uint64_t features)
{
	static const struct pci_function function = {.bus = 0, .device = 3};
	const char *why = NULL;

	model.offered = features;
	disk = virtio_blk_open(&function, NULL, &why);
	if (disk == NULL) {
		if (why != NULL)
			snprintf(model.log, sizeof model.log, "%s", why);
		return false;
	}
	device = virtio_blk_device(disk);
	return true;
}

static int setup(void **state)
{
	(void)state;
	memset(&model, 0, sizeof model);
	model.queue_max = 256;
	model.config.capacity[0] = DISK_SECTORS;
	model.config.seg_max = 126;
	for (uint32_t i = 0; i < sizeof model.sectors; i++)
		model.sectors[i] = (uint8_t)(i / SECTOR_SIZE * 7 + i);
	completed = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (disk != NULL)
		virtio_blk_close(disk);
	return 0;
}

#endif
