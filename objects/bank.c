/* SPDX-License-Identifier: MIT */
/*
 * bank.c - allowances.
 *
 * A bank's record counts the pages charged to it (`size`) against its limit
 * (`limit`) and the objects that it pays for (`objects`).  An object is paid for
 * from its creation until the last step of its destruction.
 */
#include "objects/objects_priv.h"

const struct type_descriptor bank_type = {.arena = RANGE_NONE};

enum status bank_charge_prepare(struct space *space, object_t bank, uint64_t pages)
{
	struct disk_object record, *writable;
	enum status status = object_read_typed(space, bank, OBJECT_BANK, &record);

	if (status != STATUS_OK)
		return status;
	if (record.size > record.allowance.limit || pages > record.allowance.limit - record.size)
		return STATUS_ALLOWANCE;
	return record_prepare(space, bank, &writable);
}

enum status bank_credit_prepare(struct space *space, object_t bank)
{
	struct disk_object *record;
	enum status status = object_prepare_typed(space, bank, OBJECT_BANK, &record);

	/* An object whose bank is gone owes nothing to anybody. */
	if (status == STATUS_DEAD || status == STATUS_WRONG_TYPE || status == STATUS_NOT_FOUND)
		return STATUS_OK;
	return status;
}

void bank_charge(struct space *space, object_t bank, uint64_t pages, uint64_t objects)
{
	struct disk_object *record = record_writable(space, bank);

	ASSERT(record->version); /* living, as it was when it was prepared */
	ASSERT(record->type == OBJECT_BANK);
	/* A charge never goes beyond the limit: that was looked at. */
	ASSERT(record->size <= record->allowance.limit);
	ASSERT(pages <= record->allowance.limit - record->size);
	record->size += pages;
	record->allowance.objects += objects;
}

void bank_credit(struct space *space, object_t bank, uint64_t pages, uint64_t objects)
{
	struct disk_object *record;

	if (!bank.n || bank.n >= OBJECT_MAX)
		return;
	record = store_page_writable(space->store, record_page(bank));
	if (!record)
		return;
	record += bank.n % OBJECTS_PER_PAGE;
	if (!record->version || record->type != OBJECT_BANK)
		return;
	/* Stops at 0: a damaged count must not turn into a huge one. */
	record->size -= record->size < pages ? record->size : pages;
	record->allowance.objects -=
		record->allowance.objects < objects ? record->allowance.objects : objects;
}
