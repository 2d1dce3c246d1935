/* SPDX-License-Identifier: MIT */
/*
 * test_blk.c - the virtio block driver over a model of the transport and of the
 * device: right answers in any order, errors, lies, silence, reset and return.
 */
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

enum behaviour { HONEST, SILENT, ERRORS, NO_STATUS, ODD_STATUS, WRONG_ID, TOO_LONG, NEEDS_RESET };

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
	uint64_t now_ns;
	uint8_t sectors[DISK_SECTORS * SECTOR_SIZE];
	char log[256];
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
	return model.now_ns += 1000000;
}

void platform_log(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(model.log, sizeof model.log, format, arguments);
	va_end(arguments);
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

bool virtio_pci_reset(struct virtio_pci *device)
{
	(void)device;
	model.resets++;
	model.seen = 0;
	model.held_count = 0;
	model.queue = NULL;
	return true;
}

bool virtio_pci_negotiate(struct virtio_pci *device, uint64_t wanted, uint64_t needed,
			  uint64_t *offered, const char **why)
{
	(void)device;
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
	(void)why;
	device->interrupts = message != NULL;
	model.queue = queue;
	return true;
}

bool virtio_pci_needs_reset(struct virtio_pci *device)
{
	(void)device;
	return model.behaviour == NEEDS_RESET;
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

/* Does what a chain asks; returns the bytes written. */
static uint32_t chain_execute(const struct chain *chain)
{
	const struct virtio_blk_req *request = (const void *)(uintptr_t)chain->part[0].addr;
	const struct virtq_desc *last = &chain->part[chain->count - 1];
	uint64_t at = request->sector * SECTOR_SIZE;
	uint32_t written = 1;

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
		if (model.accepted & VIRTIO_BLK_F_SIZE_MAX)
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
	model.flushes += request->type == VIRTIO_BLK_T_FLUSH;
	*(uint8_t *)(uintptr_t)last->addr = model.behaviour == ERRORS	    ? 1
					    : model.behaviour == NO_STATUS  ? 0xff
					    : model.behaviour == ODD_STATUS ? 7
									    : 0;
	return written;
}

static void model_answer(uint16_t head)
{
	struct chain chain = chain_read(head);
	uint32_t written = chain_execute(&chain), id = head;
	uint16_t at = model.queue->used->idx;

	if (model.behaviour == WRONG_ID)
		id = model.queue->size - 1u;
	if (model.behaviour == TOO_LONG)
		written = UINT32_MAX;
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
		if (model.behaviour == SILENT || model.behaviour == NEEDS_RESET)
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

	assert_true(device->operations->submit(device, &request));
	while (completed == before)
		device->operations->poll(device, true);
	assert_int_equal(completed, before + 1);
	return request.status;
}

static bool open_disk(uint64_t features)
{
	static const struct pci_function function = {.bus = 0, .device = 3};
	const char *why = NULL;

	model.offered = features;
	disk = virtio_blk_open(&function, NULL, &why);
	if (disk == NULL) {
		assert_non_null(why);
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
	virtio_blk_reset_all();
	return 0;
}

/* ---- tests
 * --------------------------------------------------------------------------------------- */

static void test_refused(void **state)
{
	(void)state;
	assert_false(open_disk(VIRTIO_F_VERSION_1));
	assert_non_null(strstr(model.log, "FLUSH"));
	assert_false(open_disk(VIRTIO_BLK_F_FLUSH));
	model.config.blk_size = 4096;
	assert_false(open_disk(FULL | VIRTIO_BLK_F_BLK_SIZE));
	assert_non_null(strstr(model.log, "512"));
	model.config.blk_size = 512;
	model.config.size_max = 2048;
	assert_false(open_disk(FULL | VIRTIO_BLK_F_SIZE_MAX));
	model.config.size_max = 0;
	model.queue_max = 2;
	assert_false(open_disk(FULL));
	model.queue_max = 256;
	assert_true(open_disk(FULL));
}

static void test_limits(void **state)
{
	(void)state;
	assert_true(open_disk(FULL));
	assert_int_equal(device->sectors, DISK_SECTORS);
	assert_int_equal(device->request_sectors, 2048);
	assert_int_equal(device->write_unit, 512);
	assert_int_equal(device->queue_depth, 128);
	assert_false(device->read_only);
	assert_false(device->discards);
	virtio_blk_reset_all();
	model.config.size_max = 65536;
	model.config.physical_block_exp = 3;
	model.config.max_discard_sectors = 100000;
	model.config.max_discard_seg = 1;
	model.config.discard_sector_alignment = 16;
	assert_true(open_disk(FULL | VIRTIO_BLK_F_SIZE_MAX | VIRTIO_BLK_F_TOPOLOGY |
			      VIRTIO_BLK_F_DISCARD));
	assert_int_equal(device->request_sectors, 16 * 128);
	assert_int_equal(device->write_unit, 4096);
	assert_true(device->discards);
	assert_int_equal(device->discard_sectors, 100000);
	assert_int_equal(device->discard_unit, 16);
	virtio_blk_reset_all();
	model.config.max_discard_seg = 0;
	assert_true(open_disk(FULL | VIRTIO_BLK_F_DISCARD));
	assert_false(device->discards);
	virtio_blk_reset_all();
	model.config.seg_max = 3;
	assert_true(open_disk((FULL | VIRTIO_BLK_F_SIZE_MAX | VIRTIO_BLK_F_RO) &
			      ~VIRTIO_F_INDIRECT_DESC));
	assert_int_equal(device->request_sectors, 3 * 128);
	assert_int_equal(device->queue_depth, 128 / 5);
	assert_true(device->read_only);
}

static void transfer(uint64_t features)
{
	static uint8_t data[2048 * SECTOR_SIZE];

	model.flushes = 0;
	assert_true(open_disk(features));
	virtio_blk_narrow(disk, 1000, 3000);
	uint32_t most = device->request_sectors;
	assert_int_equal(run(ask(BLOCK_READ, 5, most, data)), STATUS_OK);
	assert_memory_equal(data, model.sectors + 1005 * SECTOR_SIZE, most * SECTOR_SIZE);
	memset(data, 0x3c, sizeof data);
	assert_int_equal(run(ask(BLOCK_WRITE, 900, most, data)), STATUS_OK);
	assert_memory_equal(data, model.sectors + 1900 * SECTOR_SIZE, most * SECTOR_SIZE);
	assert_int_equal(run(ask(BLOCK_FLUSH, 0, 0, NULL)), STATUS_OK);
	assert_int_equal(model.flushes, 1);
}

static void test_transfers(void **state)
{
	(void)state;
	transfer(FULL);
	virtio_blk_reset_all();
	transfer(FULL & ~VIRTIO_F_INDIRECT_DESC);
	virtio_blk_reset_all();
	model.config.size_max = 5000; /* not whole sectors */
	model.config.seg_max = 100;
	transfer(FULL | VIRTIO_BLK_F_SIZE_MAX);
}

static void test_discard(void **state)
{
	(void)state;
	/* Less at a time than is read. */
	model.config.max_discard_sectors = 64;
	model.config.max_discard_seg = 1;
	assert_true(open_disk(FULL | VIRTIO_BLK_F_DISCARD));
	virtio_blk_narrow(disk, 100, 1000);
	assert_int_equal(run(ask(BLOCK_DISCARD, 10, 65, NULL)), STATUS_IO);
	assert_int_equal(run(ask(BLOCK_DISCARD, 10, 4, NULL)), STATUS_OK);
	assert_int_equal(model.sectors[110 * SECTOR_SIZE], 0xdd);
	assert_int_equal(model.sectors[114 * SECTOR_SIZE - 1], 0xdd);
	assert_int_not_equal(model.sectors[114 * SECTOR_SIZE], 0xdd);
}

/* Never beyond the partition, whatever is asked. */
static void test_range(void **state)
{
	static const struct {
		uint64_t sector;
		uint32_t sectors;
	} wrong[] = {{1000, 1}, {999, 2},	 {0, 0},
		     {0, 2049}, {UINT64_MAX, 1}, {UINT64_MAX - 99, 100}};
	static uint8_t data[SECTOR_SIZE];

	(void)state;
	assert_true(open_disk(FULL));
	virtio_blk_narrow(disk, 100, 1000);
	for (uint32_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		assert_int_equal(run(ask(BLOCK_READ, wrong[i].sector, wrong[i].sectors, data)),
				 STATUS_IO);
	assert_int_equal(run(ask(BLOCK_DISCARD, 0, 1, NULL)), STATUS_IO); /* not offered */
	assert_int_equal(model.notified, 0);
}

static void test_many_in_flight(void **state)
{
	static uint8_t data[200][SECTOR_SIZE];
	static struct block_request requests[200];
	uint32_t taken = 0;

	(void)state;
	model.holds = true;
	assert_true(open_disk(FULL));
	for (; taken < 200; taken++) {
		requests[taken] = ask(BLOCK_READ, taken, 1, data[taken]);
		if (!device->operations->submit(device, &requests[taken]))
			break;
	}
	assert_int_equal(taken, device->queue_depth);
	device->operations->poll(device, false);
	assert_int_equal(completed, 0);
	model_release();
	device->operations->poll(device, false);
	assert_int_equal(completed, taken);
	for (uint32_t i = 0; i < taken; i++) {
		assert_int_equal(requests[i].status, STATUS_OK);
		assert_memory_equal(data[i], model.sectors + i * SECTOR_SIZE, SECTOR_SIZE);
	}
	assert_true(device->operations->submit(device, &requests[0]));
	model_release();
	device->operations->poll(device, true);
}

static void test_errors_are_reported(void **state)
{
	static uint8_t data[SECTOR_SIZE];

	(void)state;
	assert_true(open_disk(FULL));
	model.behaviour = ERRORS;
	assert_int_equal(run(ask(BLOCK_READ, 0, 1, data)), STATUS_IO);
	assert_int_equal(run(ask(BLOCK_FLUSH, 0, 0, NULL)), STATUS_IO);
	model.behaviour = HONEST;
	assert_int_equal(run(ask(BLOCK_READ, 0, 1, data)), STATUS_OK);
}

/* Each kind of misbehaviour: the request in flight and all later ones fail, the
 * device is reset, and opening it anew brings it back. */
static void test_misbehaviour(void **state)
{
	static const enum behaviour kinds[] = {NO_STATUS, ODD_STATUS, WRONG_ID,
					       TOO_LONG,  SILENT,     NEEDS_RESET};
	static uint8_t data[SECTOR_SIZE];

	(void)state;
	for (uint32_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		assert_true(open_disk(FULL));
		uint32_t resets = model.resets;
		model.behaviour = kinds[i];
		assert_int_equal(run(ask(BLOCK_READ, 0, 1, data)), STATUS_DEVICE);
		assert_int_equal(model.resets, resets + 1);
		assert_non_null(strstr(model.log, "given up"));
		assert_int_equal(run(ask(BLOCK_READ, 0, 1, data)), STATUS_DEVICE);
		virtio_blk_reset_all();
		model.behaviour = HONEST;
		assert_true(open_disk(FULL));
		assert_int_equal(run(ask(BLOCK_READ, 0, 1, data)), STATUS_OK);
		virtio_blk_reset_all();
	}
	assert_int_equal(kept_count, 1); /* the disk's memory served all its lives */
}

/* A warm restart forgets what is in flight. */
static void test_reset_forgets(void **state)
{
	static uint8_t data[SECTOR_SIZE];
	struct block_request request = ask(BLOCK_READ, 0, 1, data);

	(void)state;
	model.holds = true;
	assert_true(open_disk(FULL));
	assert_true(device->operations->submit(device, &request));
	virtio_blk_reset_all();
	assert_int_equal(completed, 0);
	model.holds = false;
	assert_true(open_disk(FULL));
	device->operations->poll(device, true); /* nothing is outstanding: returns */
	assert_int_equal(completed, 0);
	assert_int_equal(run(ask(BLOCK_READ, 0, 1, data)), STATUS_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_transfers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_discard, setup, teardown),
		cmocka_unit_test_setup_teardown(test_range, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_in_flight, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors_are_reported, setup, teardown),
		cmocka_unit_test_setup_teardown(test_misbehaviour, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reset_forgets, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
