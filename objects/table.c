/* SPDX-License-Identifier: MIT */
/*
 * table.c - capability tables: slots of 64 bytes, 64 a page.
 *
 * A page that does not exist holds empty slots.
 */
#include "objects/objects_priv.h"

static page_t table_page(const struct disk_object *table, uint32_t slot)
{
	return (page_t){table->first_page + slot / TABLE_SLOTS_PER_PAGE};
}

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
	slots[slot % TABLE_SLOTS_PER_PAGE] = *capability;
}
