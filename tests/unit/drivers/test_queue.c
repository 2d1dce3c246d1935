/* SPDX-License-Identifier: MIT */
/*
 * test_queue.c - the virtqueue against a model device that reads the shared
 * memory as the specification says, and against devices that lie.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "drivers/platform.h"
#include "drivers/virtio/queue.h"

#define PARTS 5u

uint64_t platform_physical(const void *address)
{
	return (uintptr_t)address;
}

struct fixture {
	struct virtqueue queue;
	void *memory;
	uint16_t device_seen; /* avail index up to which the model has looked */
};

static void fixture_init(struct fixture *f, uint16_t size, bool indirect)
{
	memset(f, 0, sizeof *f);
	f->memory = aligned_alloc(4096, (virtqueue_bytes(size, PARTS) + 4095) & ~4095ull);
	assert_non_null(f->memory);
	virtqueue_init(&f->queue, f->memory, size, PARTS, indirect);
}

/* Model: follows a chain as a device does and checks it against what was asked.
 * Returns the bytes that the device may write. */
static uint32_t model_chain(struct fixture *f, uint16_t head, const struct virtqueue_part *parts,
			    uint32_t count)
{
	const struct virtq_desc *table = f->queue.desc, *d = &table[head];
	uint32_t writable = 0, i = 0;

	if (d->flags & VIRTQ_DESC_F_INDIRECT) {
		assert_int_equal(d->flags, VIRTQ_DESC_F_INDIRECT);
		assert_int_equal(d->len, count * sizeof *d);
		table = (const struct virtq_desc *)(uintptr_t)d->addr;
		d = table;
	}
	for (;; i++) {
		assert_true(i < count);
		assert_int_equal(d->addr, (uintptr_t)parts[i].data);
		assert_int_equal(d->len, parts[i].bytes);
		assert_int_equal(!!(d->flags & VIRTQ_DESC_F_WRITE), parts[i].device_writes);
		writable += parts[i].device_writes ? parts[i].bytes : 0;
		if (!(d->flags & VIRTQ_DESC_F_NEXT))
			break;
		d = &table[d->next];
	}
	assert_int_equal(i + 1, count);
	return writable;
}

static uint16_t model_next(struct fixture *f)
{
	assert_int_not_equal(f->queue.avail->idx, f->device_seen);
	return f->queue.avail->ring[f->device_seen++ % f->queue.size];
}

static void model_answer(struct fixture *f, uint32_t id, uint32_t length)
{
	uint16_t at = f->queue.used->idx;

	f->queue.used->ring[at % f->queue.size].id = id;
	f->queue.used->ring[at % f->queue.size].len = length;
	f->queue.used->idx = (uint16_t)(at + 1);
}

/* Many requests of all shapes, answered out of order, over several turns of the
 * 16-bit indexes; at the end everything is free again. */
static void random_traffic(struct fixture *f)
{
	struct {
		struct virtqueue_part parts[PARTS];
		uint32_t count, writable;
		uint16_t head;
		bool held;
	} held[VIRTQUEUE_SIZE_MAX] = {0};
	static uint8_t data[PARTS];
	uint32_t seed = 1, flying = 0, finished = 0;

	for (uint32_t step = 0; finished < 150000; step++) {
		seed = seed * 1103515245u + 12345u;
		uint32_t i = (seed >> 16) % VIRTQUEUE_SIZE_MAX, count = 1 + (seed >> 8) % PARTS;
		if (held[i].held) {
			uint32_t written = 0;
			void *token = NULL;
			model_answer(f, held[i].head, held[i].writable);
			assert_int_equal(virtqueue_take(&f->queue, &token, &written),
					 VIRTQUEUE_DONE);
			assert_ptr_equal(token, &held[i]);
			assert_int_equal(written, held[i].writable);
			held[i].held = false;
			flying--;
			finished++;
			continue;
		}
		for (uint32_t p = 0; p < count; p++)
			held[i].parts[p] = (struct virtqueue_part){&data[p], 1 + p, p >= count / 2};
		uint16_t takes = f->queue.indirect ? 1 : (uint16_t)count;
		bool room = f->queue.free_count >= takes;
		assert_int_equal(virtqueue_add(&f->queue, held[i].parts, count, &held[i]), room);
		if (!room)
			continue;
		held[i].held = true;
		held[i].count = count;
		held[i].head = model_next(f);
		held[i].writable = model_chain(f, held[i].head, held[i].parts, count);
		flying++;
		assert_int_equal(f->queue.in_flight, flying);
	}
	while (virtqueue_abandon(&f->queue) != NULL)
		flying--;
	assert_int_equal(flying, 0);
	assert_int_equal(f->queue.in_flight, 0);
	free(f->memory);
}

static void test_direct(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f, 16, false);
	assert_int_equal(virtqueue_depth(&f.queue), 16 / PARTS);
	random_traffic(&f);
}

static void test_indirect(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f, 16, true);
	assert_int_equal(virtqueue_depth(&f.queue), 16);
	random_traffic(&f);
}

/* As many requests as descriptors, no more; and then all of them back. */
static void test_full(void **state)
{
	struct virtqueue_part part = {"x", 1, false};
	struct fixture f;
	void *token;
	uint32_t written;

	(void)state;
	fixture_init(&f, 8, false);
	for (uint32_t i = 0; i < 8; i++)
		assert_true(virtqueue_add(&f.queue, &part, 1, &f.device_seen + i));
	assert_false(virtqueue_add(&f.queue, &part, 1, &part));
	for (uint32_t i = 0; i < 8; i++) {
		model_answer(&f, model_next(&f), 0);
		assert_int_equal(virtqueue_take(&f.queue, &token, &written), VIRTQUEUE_DONE);
		assert_ptr_equal(token, &f.device_seen + i);
	}
	assert_int_equal(f.queue.free_count, 8);
	assert_int_equal(virtqueue_take(&f.queue, &token, &written), VIRTQUEUE_NONE);
	free(f.memory);
}

static void test_refuses_wrong_counts(void **state)
{
	struct virtqueue_part parts[PARTS + 1] = {{"x", 1, false}};
	struct fixture f;

	(void)state;
	fixture_init(&f, 16, true);
	assert_false(virtqueue_add(&f.queue, parts, 0, &f));
	assert_false(virtqueue_add(&f.queue, parts, PARTS + 1, &f));
	assert_int_equal(f.queue.avail->idx, 0);
	free(f.memory);
}

static void test_notification(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f, 8, true);
	assert_true(virtqueue_must_notify(&f.queue));
	f.queue.used->flags = VIRTQ_USED_F_NO_NOTIFY;
	assert_false(virtqueue_must_notify(&f.queue));
	free(f.memory);
}

/* One request in flight; the device then answers `id`, `length`, moving its index
 * by `steps`. */
static enum virtqueue_answer lie(uint32_t id, uint32_t length, uint16_t steps, bool twice)
{
	struct virtqueue_part parts[2] = {{"header", 6, false}, {"status", 6, true}};
	struct fixture f;
	void *token;
	uint32_t written;
	enum virtqueue_answer answer;

	fixture_init(&f, 8, false);
	assert_true(virtqueue_add(&f.queue, parts, 2, &f));
	model_answer(&f, id, length);
	if (twice)
		assert_int_equal(virtqueue_take(&f.queue, &token, &written), VIRTQUEUE_DONE);
	f.queue.used->idx = (uint16_t)(f.queue.used->idx - 1 + steps);
	f.queue.used->ring[1].id = id;
	answer = virtqueue_take(&f.queue, &token, &written);
	free(f.memory);
	return answer;
}

static void test_lies(void **state)
{
	(void)state;
	assert_int_equal(lie(0, 6, 1, false), VIRTQUEUE_DONE);	 /* the truth */
	assert_int_equal(lie(1, 6, 1, false), VIRTQUEUE_BROKEN); /* middle of a chain */
	assert_int_equal(lie(5, 6, 1, false), VIRTQUEUE_BROKEN); /* free descriptor */
	assert_int_equal(lie(5, 0, 1, false), VIRTQUEUE_BROKEN); /* that wrote nothing */
	assert_int_equal(lie(8, 6, 1, false), VIRTQUEUE_BROKEN); /* beyond the table */
	assert_int_equal(lie(UINT32_MAX, 6, 1, false), VIRTQUEUE_BROKEN);
	assert_int_equal(lie(0x10000, 6, 1, false), VIRTQUEUE_BROKEN); /* 0 in 16 bits */
	assert_int_equal(lie(0, 7, 1, false), VIRTQUEUE_BROKEN);       /* wrote too much */
	assert_int_equal(lie(0, 6, 2, false), VIRTQUEUE_BROKEN);       /* two answers to one */
	assert_int_equal(lie(0, 6, 0x8000, false), VIRTQUEUE_BROKEN);
	assert_int_equal(lie(0, 6, 2, true), VIRTQUEUE_BROKEN); /* the same answer again */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_direct),	     cmocka_unit_test(test_indirect),
		cmocka_unit_test(test_full),	     cmocka_unit_test(test_refuses_wrong_counts),
		cmocka_unit_test(test_notification), cmocka_unit_test(test_lies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
