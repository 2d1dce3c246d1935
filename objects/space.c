/* SPDX-License-Identifier: MIT */
/*
 * space.c - pages of the space, and the system page.
 *
 * Everything in objects/ reaches the store through these functions.  In a
 * prepare phase pages are obtained, which may have to wait; in a commit phase
 * they are only looked up, and a page that was not obtained is a bug here, not
 * an outcome.
 */
#include "objects/objects_priv.h"
#include <string.h>

static const uint8_t page_of_zeros[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));

/* What a view gives is good until the next call of the store, here it has to last. */
static enum status space_read_view(struct space *space, page_t page, void **data)
{
	const void *found;
	enum status status;

	ASSERT(space->kept && space->kept_pages <= SPACE_KEPT);
	if (space->kept_pages == SPACE_KEPT)
		return STATUS_LIMIT;
	status = store_view_read(space->store, space->view, page, &found);
	if (status != STATUS_OK)
		return status;
	*data = space->kept[space->kept_pages++];
	memcpy(*data, found, PAGE_SIZE);
	return STATUS_OK;
}

enum status space_read(struct space *space, page_t page, void **data)
{
	frame_t frame;
	enum status status;

	space->reads++;
	if (space->view)
		return space_read_view(space, page, data);
	status = store_page_read(space->store, page, &frame);

	if (status == STATUS_OK)
		*data = store_frame_data(space->frame_base, frame);
	else if (status == STATUS_IO)
		space->failed = page;
	return status;
}

enum status space_write(struct space *space, page_t page, void **data)
{
	frame_t frame;
	enum status status;

	if (space->view)
		return STATUS_READ_ONLY;
	status = store_page_write(space->store, page, &frame);
	if (status == STATUS_OK)
		*data = store_frame_data(space->frame_base, frame);
	else if (status == STATUS_IO)
		space->failed = page;
	return status;
}

enum status space_read_zeros(struct space *space, page_t page, const void **data)
{
	void *found;
	enum status status = space_read(space, page, &found);

	if (status == STATUS_ABSENT) {
		*data = page_of_zeros;
		return STATUS_OK;
	}
	if (status == STATUS_OK)
		*data = found;
	return status;
}

bool space_blank(const void *data)
{
	return data == page_of_zeros || !memcmp(data, page_of_zeros, PAGE_SIZE);
}

const void *space_resident(struct space *space, page_t page)
{
	const void *data = store_page_resident(space->store, page);

	ASSERT(data != NULL);
	return data;
}

void *space_writable(struct space *space, page_t page)
{
	void *data = store_page_writable(space->store, page);

	ASSERT(data != NULL);
	return data;
}

void space_operation_note(struct space *space)
{
	uint64_t operation = store_operation(space->store);

	if (space->operation == operation)
		return;
	space->operation = operation;
	space->tree_changes = 0;
	space->tree_spares = 0;
	space->tree_gives = false;
	space->log_bytes = 0;
}

/* ---- system page -------------------------------------------------------------- */

static enum status system_check(const struct disk_system *system)
{
	if (!system_known(system))
		return STATUS_FORMAT;
	if (system->next_object < OBJECT_FIRST_FREE || system->next_object > OBJECT_MAX ||
	    system->free_object >= system->next_object || system->destroying >= system->next_object)
		return STATUS_CORRUPT;
	if (system->kernel_next < KERNEL_ARENA_PAGE || system->kernel_next > TREE_ARENA_PAGE ||
	    system->tree_next < TREE_ARENA_PAGE || system->tree_next > USER_ARENA_PAGE ||
	    system->user_next < USER_ARENA_PAGE || system->user_next > USER_ARENA_END)
		return STATUS_CORRUPT;
	return STATUS_OK;
}

enum status system_read(struct space *space, const struct disk_system **system)
{
	enum status status;
	void *data;

	status = space_read(space, (page_t){SYSTEM_PAGE}, &data);
	if (status != STATUS_OK)
		return status;
	*system = data;
	return system_check(*system);
}

enum status system_prepare(struct space *space, struct disk_system **system)
{
	const struct disk_system *found;
	void *data;
	/* Looked at before it is asked for, so that a page that is none stays clean. */
	enum status status = system_read(space, &found);

	if (status != STATUS_OK)
		return status;
	status = space_write(space, (page_t){SYSTEM_PAGE}, &data);
	if (status == STATUS_OK)
		*system = data;
	return status;
}

uint64_t objects_version(const struct space *space, const struct disk_system *system)
{
	return system->next_version > space->version_floor ? system->next_version
							   : space->version_floor;
}
