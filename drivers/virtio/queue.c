/* SPDX-License-Identifier: MIT */
/*
 * queue.c - split virtqueue.
 *
 * Descriptors are free (linked through next[] from free_head) or belong to
 * exactly one chain, linked likewise, whose head has a token.  Invariants:
 *
 *	free_count + sum of the chains' counts == size
 *	in_flight == number of heads with a token
 *
 * Everything needed to take a chain back is kept on our side; the shared memory
 * is only written, but for the used ring.
 */
#include "drivers/virtio/queue.h"
#include <stddef.h>
#include <string.h>
#include "drivers/platform.h"
#include "base/assert.h"

/* 2.7: alignment of the three areas is 16, 2 and 4; more does no harm. */
#define AREA_ALIGNMENT 64u
static_assert(!(VIRTQUEUE_SIZE_MAX & (VIRTQUEUE_SIZE_MAX - 1)), "indices run round");

static uint64_t area(uint64_t bytes)
{
	return (bytes + AREA_ALIGNMENT - 1) & ~(uint64_t)(AREA_ALIGNMENT - 1);
}

static uint64_t desc_bytes(uint16_t size)
{
	return area(sizeof(struct virtq_desc) * size);
}

/* Flags, index, ring and the event field that we do not use. */
static uint64_t avail_bytes(uint16_t size)
{
	return area(6 + 2u * size);
}

static uint64_t used_bytes(uint16_t size)
{
	return area(6 + 8u * size);
}

uint64_t virtqueue_bytes(uint16_t size, uint16_t parts)
{
	return desc_bytes(size) + avail_bytes(size) + used_bytes(size) +
	       sizeof(struct virtq_desc) * size * parts;
}

void virtqueue_init(struct virtqueue *queue, void *memory, uint16_t size, uint16_t parts,
		    bool indirect)
{
	uint8_t *at = memory;

	ASSERT(size && size <= VIRTQUEUE_SIZE_MAX && !(size & (size - 1)));
	ASSERT(parts && parts <= VIRTQUEUE_PARTS_MAX);
	memset(memory, 0, virtqueue_bytes(size, parts));
	*queue = (struct virtqueue){
		.size = size, .parts = parts, .indirect = indirect, .free_count = size};
	queue->desc = (struct virtq_desc *)at;
	queue->avail = (struct virtq_avail *)(at += desc_bytes(size));
	queue->used = (struct virtq_used *)(at += avail_bytes(size));
	queue->tables = (struct virtq_desc *)(at + used_bytes(size));
	for (uint16_t i = 0; i < size; i++)
		queue->next[i] = (uint16_t)(i + 1);
}

uint16_t virtqueue_depth(const struct virtqueue *queue)
{
	return queue->indirect ? queue->size : (uint16_t)(queue->size / queue->parts);
}

static void desc_set(struct virtq_desc *desc, const struct virtqueue_part *part, bool more,
		     uint16_t next)
{
	desc->addr = platform_physical(part->data);
	desc->len = part->bytes;
	desc->flags = (uint16_t)((part->device_writes ? VIRTQ_DESC_F_WRITE : 0u) |
				 (more ? VIRTQ_DESC_F_NEXT : 0u));
	desc->next = more ? next : 0;
}

/* 2.7.5.3: the table's descriptors are chained by index within the table, and
 * the one that refers to it must have neither NEXT nor WRITE. */
static void chain_indirect(struct virtqueue *queue, uint16_t head,
			   const struct virtqueue_part *parts, uint32_t count)
{
	struct virtq_desc *table = queue->tables + (size_t)head * queue->parts;

	for (uint32_t i = 0; i < count; i++)
		desc_set(&table[i], &parts[i], i + 1 < count, (uint16_t)(i + 1));
	queue->free_head = queue->next[head];
	queue->desc[head] = (struct virtq_desc){
		.addr = platform_physical(table),
		.len = count * (uint32_t)sizeof *table,
		.flags = VIRTQ_DESC_F_INDIRECT,
	};
	queue->flight[head].last = head;
}

/* Takes `count` descriptors off the free list; they are linked already. */
static void chain_direct(struct virtqueue *queue, const struct virtqueue_part *parts,
			 uint32_t count)
{
	uint16_t head = queue->free_head, at = head, next = 0;

	for (uint32_t i = 0; i < count; i++) {
		next = queue->next[at];
		queue->flight[head].last = at;
		desc_set(&queue->desc[at], &parts[i], i + 1 < count, next);
		at = next;
	}
	queue->free_head = next;
}

bool virtqueue_add(struct virtqueue *queue, const struct virtqueue_part *parts, uint32_t count,
		   void *token)
{
	uint16_t head = queue->free_head;
	uint16_t takes = queue->indirect ? 1 : (uint16_t)count;

	ASSERT(token != NULL && count <= VIRTQUEUE_PARTS_MAX);
	if (count == 0 || count > queue->parts || takes > queue->free_count)
		return false;
	struct virtqueue_flight *flight = &queue->flight[head];
	ASSERT(head < queue->size && flight->token == NULL);
	*flight = (struct virtqueue_flight){.token = token, .count = takes};
	for (uint32_t i = 0; i < count; i++)
		flight->writable += parts[i].device_writes ? parts[i].bytes : 0;
	if (queue->indirect)
		chain_indirect(queue, head, parts, count);
	else
		chain_direct(queue, parts, count);
	queue->free_count -= takes;
	queue->in_flight++;

	uint16_t idx = queue->avail->idx;
	queue->avail->ring[idx % queue->size] = head;
	/* 2.7.13.3: descriptors and ring entry must be visible to the device before
	 * the index that announces them. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	__atomic_store_n(&queue->avail->idx, (uint16_t)(idx + 1), __ATOMIC_RELAXED);
	return true;
}

bool virtqueue_must_notify(const struct virtqueue *queue)
{
	/* 2.7.13.4.1: our index must be visible before we look whether the device
	 * wants to be told, or both sides could go to sleep. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return !(queue->used->flags & VIRTQ_USED_F_NO_NOTIFY);
}

/* Puts a finished chain back on the free list. */
static void chain_free(struct virtqueue *queue, uint16_t head)
{
	struct virtqueue_flight *flight = &queue->flight[head];

	ASSERT(head < queue->size && flight->token != NULL && queue->in_flight);
	queue->next[flight->last] = queue->free_head;
	queue->free_head = head;
	queue->free_count += flight->count;
	ASSERT(queue->free_count <= queue->size);
	queue->in_flight--;
	flight->token = NULL;
}

enum virtqueue_answer virtqueue_take(struct virtqueue *queue, void **token, uint32_t *written)
{
	uint16_t idx = queue->used->idx;

	if (idx == queue->used_seen)
		return VIRTQUEUE_NONE;
	/* More answers than questions. */
	if ((uint16_t)(idx - queue->used_seen) > queue->in_flight)
		return VIRTQUEUE_BROKEN;
	/* 2.7.14: the element, and the data it speaks of, are read after the index. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	uint32_t id = queue->used->ring[queue->used_seen % queue->size].id;
	uint32_t length = queue->used->ring[queue->used_seen % queue->size].len;
	if (id >= queue->size || queue->flight[id].token == NULL ||
	    length > queue->flight[id].writable)
		return VIRTQUEUE_BROKEN;
	*token = queue->flight[id].token;
	*written = length;
	chain_free(queue, (uint16_t)id);
	queue->used_seen++;
	return VIRTQUEUE_DONE;
}

void *virtqueue_abandon(struct virtqueue *queue)
{
	for (uint16_t i = 0; i < queue->size; i++) {
		void *token = queue->flight[i].token;
		if (token == NULL)
			continue;
		ASSERT(queue->in_flight);
		queue->flight[i].token = NULL;
		queue->in_flight--;
		return token;
	}
	ASSERT(queue->in_flight == 0);
	return NULL;
}
