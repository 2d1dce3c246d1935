/* SPDX-License-Identifier: MIT */
/*
 * table.c - capability tables: slots of 64 bytes, 64 a page.
 *
 * A page that does not exist holds empty slots.
 */
#include "objects/objects_priv.h"

static uint64_t table_charge(uint64_t slots)
{
	return slots / TABLE_SLOTS_PER_PAGE + (slots % TABLE_SLOTS_PER_PAGE != 0);
}

static bool table_valid(const struct disk_object *record)
{
	return record->size && record->size <= TABLE_SLOTS_MAX;
}

static enum status table_check(const struct object_request *request)
{
	return request_counts(request, TABLE_SLOTS_MAX);
}

static page_t table_page(const struct disk_object *table, uint32_t slot)
{
	return (page_t){table->first_page + slot / TABLE_SLOTS_PER_PAGE};
}

static enum status table_held(struct space *space, object_t object, const struct disk_object *table,
			      uint32_t at, uint32_t *next, struct disk_capability *capability)
{
	page_t end = {table->first_page + table_charge(table->size)}, page;
	const struct disk_capability *slots;
	enum status status;
	void *data;

	(void)object;
	static_assert(TABLE_SLOTS_MAX / TABLE_SLOTS_PER_PAGE <= STORE_NODE_PAGES,
		      "what damage hides is the rest of it");
	if (at >= table->size)
		return STATUS_NOT_FOUND;
	status = store_page_next(space->store, table_page(table, at), end, &page);
	if (status == STATUS_IO)
		space->failed = page;
	if (status != STATUS_OK)
		return status;
	if (page.n != table_page(table, at).n)
		at = (uint32_t)(page.n - table->first_page) * TABLE_SLOTS_PER_PAGE;
	*next = (at / TABLE_SLOTS_PER_PAGE + 1) * TABLE_SLOTS_PER_PAGE;
	status = space_read(space, page, &data);
	if (status != STATUS_OK)
		return status;
	slots = data;
	for (; at < *next; at++) {
		*capability = slots[at % TABLE_SLOTS_PER_PAGE];
		if (!capability_awaited(capability))
			continue;
		*next = at + 1;
		return STATUS_OK;
	}
	return STATUS_EMPTY;
}

const struct type_descriptor table_type = {
	.arena = RANGE_KERNEL,
	.rights = RIGHT_READ | RIGHT_CONTROL | RIGHT_DESTROY,
	.charge = table_charge,
	.valid = table_valid,
	.check = table_check,
	.held = table_held,
};

/* ---- slots ----------------------------------------------------------------------- */

enum status table_get(struct space *space, const struct disk_object *table, uint32_t slot,
		      struct disk_capability *capability)
{
	const void *data;
	enum status status;

	ASSERT(table->type == OBJECT_TABLE);
	if (slot >= table->size)
		return STATUS_INVALID;
	status = space_read_zeros(space, table_page(table, slot), &data);
	if (status == STATUS_OK)
		*capability = ((const struct disk_capability *)data)[slot % TABLE_SLOTS_PER_PAGE];
	return status;
}

enum status table_find(struct space *space, const struct disk_object *table, enum object_type type,
		       uint32_t *slot)
{
	ASSERT(table->type == OBJECT_TABLE);
	while (*slot < table->size) {
		const void *data;
		enum status status = space_read_zeros(space, table_page(table, *slot), &data);

		if (status != STATUS_OK)
			return status;
		do {
			const struct disk_capability *held = data;

			if (held[*slot % TABLE_SLOTS_PER_PAGE].type == type)
				return *slot < table->size ? STATUS_OK : STATUS_NOT_FOUND;
		} while (++*slot % TABLE_SLOTS_PER_PAGE);
	}
	return STATUS_NOT_FOUND;
}

enum status table_prepare(struct space *space, const struct disk_object *table, uint32_t slot)
{
	void *data;

	ASSERT(table->type == OBJECT_TABLE);
	if (slot >= table->size)
		return STATUS_INVALID;
	return space_write(space, table_page(table, slot), &data);
}

void table_put(struct space *space, const struct disk_object *table, uint32_t slot,
	       const struct disk_capability *capability)
{
	struct disk_capability *slots = space_writable(space, table_page(table, slot));

	ASSERT(slot < table->size);
	ASSERT(table->type == OBJECT_TABLE);
	slots[slot % TABLE_SLOTS_PER_PAGE] = *capability;
}
