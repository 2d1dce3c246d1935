/* SPDX-License-Identifier: MIT */
/*
 * segment.c - segments, and the size of one.
 *
 * A segment is a range of the user arena of which the first `size` bytes are
 * in use and charged.  Pages exist once they have been written.  Behind the
 * size everything is absent, and the rest of the last page was zero when the
 * segment was last cut, so that growing needs no clearing.
 */
#include "objects/objects_priv.h"
#include <string.h>

static uint64_t segment_charge(uint64_t size)
{
	return size ? pages_of(size) : 1;
}

static enum status segment_check(const struct object_request *request)
{
	if (request->size_max && request->size > request->size_max)
		return STATUS_INVALID;
	if (request->size > RANGE_LARGEST * PAGE_SIZE ||
	    request->size_max > RANGE_LARGEST * PAGE_SIZE)
		return STATUS_LIMIT;
	return STATUS_OK;
}

const struct type_descriptor segment_type = {
	.arena = RANGE_USER,
	.rights = RIGHT_READ | RIGHT_WRITE | RIGHT_EXECUTE | RIGHT_DESTROY,
	.charge = segment_charge,
	.check = segment_check,
};

/* ---- the size -------------------------------------------------------------------- */

static enum status segment_grow(struct space *space, object_t segment, uint64_t bytes,
				const struct disk_object *old)
{
	uint64_t charge = segment_charge(bytes) - segment_charge(old->size);
	struct disk_object *record;
	object_t bank = {old->bank};
	enum status status = object_prepare(space, segment, &record);

	if (status == STATUS_OK && charge)
		status = bank_charge_prepare(space, bank, charge, 0);
	if (status != STATUS_OK)
		return status;

	/* Commit point. */
	ASSERT(bytes > old->size && pages_of(bytes) <= record->range_pages);
	record->size = bytes;
	if (charge)
		bank_charge(space, bank, charge, 0, 0);
	return STATUS_OK;
}

/* The last page keeps its first bytes; null if there is nothing to keep or zero. */
static enum status segment_tail_prepare(struct space *space, const struct disk_object *old,
					uint64_t bytes, uint8_t **tail)
{
	page_t page = {old->first_page + bytes / PAGE_SIZE};
	enum status status;
	void *data;

	*tail = NULL;
	if (bytes % PAGE_SIZE == 0)
		return STATUS_OK;
	status = space_read(space, page, &data);
	if (status == STATUS_ABSENT)
		return STATUS_OK;
	if (status == STATUS_OK)
		status = space_write(space, page, &data);
	if (status == STATUS_OK)
		*tail = (uint8_t *)data + bytes % PAGE_SIZE;
	return status;
}

/* The last call of a cut: behind the new last page nothing exists any more. */
static enum status segment_cut_finish(struct space *space, object_t segment, uint64_t bytes,
				      const struct disk_object *old)
{
	uint64_t credit = segment_charge(old->size) - segment_charge(bytes);
	struct disk_object *record;
	object_t bank = {old->bank};
	uint8_t *tail;
	enum status status = segment_tail_prepare(space, old, bytes, &tail);

	if (status == STATUS_OK)
		status = object_prepare(space, segment, &record);
	if (status == STATUS_OK && credit)
		status = bank_credit_prepare(space, bank, 0);
	if (status != STATUS_OK)
		return status;

	/* Commit point. */
	if (tail)
		memset(tail, 0, PAGE_SIZE - bytes % PAGE_SIZE);
	ASSERT(bytes < old->size && record->size == old->size);
	record->size = bytes;
	if (credit)
		bank_credit(space, bank, credit, 0, 0);
	return STATUS_OK;
}

enum status segment_size_set(struct space *space, object_t segment, uint64_t bytes, bool *more)
{
	struct disk_object record;
	uint64_t kept = pages_of(bytes);
	enum status status = object_read_typed(space, segment, OBJECT_SEGMENT, &record);
	uint64_t damage;
	bool cleared;

	*more = false;
	if (status != STATUS_OK)
		return status;
	if (kept > record.range_pages)
		return STATUS_LIMIT;
	if (bytes == record.size)
		return STATUS_OK;
	if (bytes > record.size)
		return segment_grow(space, segment, bytes, &record);

	status = range_clear_step(space, record.first_page + kept,
				  record.first_page + record.range_pages, &cleared, &damage);
	if (status == STATUS_OK && cleared)
		return segment_cut_finish(space, segment, bytes, &record);
	*more = status == STATUS_OK;
	return status;
}
