/* SPDX-License-Identifier: MIT */
/*
 * machine.c - machines: their pages, beginning and end.
 *
 * With a machine come a table, and a message page with a range of its own.  With it end
 * its table and the segments that it owns.
 */
#include "objects/objects_priv.h"
#include <string.h>

/* ---- the page --------------------------------------------------------------------- */

static bool machine_sound(const struct disk_machine *machine, object_t object,
			  const struct disk_object *record)
{
	return machine->magic == MACHINE_MAGIC && machine->object == object.n &&
	       machine->version == record->version &&
	       machine->message_page == record->machine.message_page &&
	       machine->state < MACHINE_STATES && machine->priority < MACHINE_PRIORITIES &&
	       machine->name[MACHINE_NAME - 1] == '\0';
}

static enum status machine_find(struct space *space, object_t object, page_t *page,
				struct disk_machine **data)
{
	struct disk_object record;
	void *found;
	enum status status = object_read_typed(space, object, OBJECT_MACHINE, &record);

	if (status != STATUS_OK)
		return status;
	*page = (page_t){record.first_page};
	status = space_read(space, *page, &found);
	if (status == STATUS_ABSENT)
		return STATUS_CORRUPT;
	if (status != STATUS_OK)
		return status;
	*data = found;
	return machine_sound(found, object, &record) ? STATUS_OK : STATUS_CORRUPT;
}

enum status machine_read(struct space *space, object_t machine, struct disk_machine **data)
{
	page_t page;

	return machine_find(space, machine, &page, data);
}

enum status machine_prepare(struct space *space, object_t machine, struct disk_machine **data)
{
	void *writable;
	page_t page;
	enum status status = machine_find(space, machine, &page, data);

	if (status == STATUS_OK)
		status = space_write(space, page, &writable);
	if (status == STATUS_OK)
		*data = writable;
	return status;
}

/* ---- beginning and end ----------------------------------------------------------------- */

static uint64_t machine_charge(uint64_t size)
{
	(void)size;
	return 2; /* its page and its message page */
}

static uint64_t machine_room(uint64_t size)
{
	(void)size;
	return 1;
}

static bool machine_valid(const struct disk_object *record)
{
	return range_valid(RANGE_USER, record->machine.message_page, record->machine.message_pages);
}

static struct range machine_message_range(const struct disk_object *record)
{
	return (struct range){record->machine.message_page, record->machine.message_pages};
}

static enum status machine_check(const struct object_request *request)
{
	return request->priority < MACHINE_PRIORITIES ? STATUS_OK : STATUS_INVALID;
}

/* The message page's range, the pages that are written at once, the place among all. */
static enum status machine_create_prepare(struct space *space, struct creation *creation)
{
	enum status status =
		range_plan_add(space, creation->system, &creation->plan, RANGE_USER, 1, 0);
	void *page;

	ASSERT(creation->count == CREATION_PARTS);
	for (uint32_t i = 0; i < creation->count && status == STATUS_OK; i++)
		status = space_write(space, (page_t){creation->plan.range[i].first}, &page);
	if (status == STATUS_OK)
		status =
			machine_register_prepare(space, creation->system, creation->part[0].object);
	return status;
}

static void machine_initialise(struct disk_machine *machine, const struct object_request *request,
			       uint64_t message_page, const struct disk_capability *self,
			       const struct disk_capability *table)
{
	const uint16_t fpu_control = 0x37f;   /* FCW: all exceptions masked, 64-bit precision */
	const uint32_t simd_control = 0x1f80; /* MXCSR: all exceptions masked */

	ASSERT(self->type == OBJECT_MACHINE && table->type == OBJECT_TABLE);
	ASSERT(request->priority < MACHINE_PRIORITIES);
	memset(machine, 0, sizeof(*machine));
	machine->magic = MACHINE_MAGIC;
	machine->object = self->object;
	machine->version = self->version;
	machine->state = MACHINE_STOPPED;
	machine->priority = request->priority;
	machine->message_page = message_page;
	machine->registers.rflags = 0x202; /* interrupts on; bit 1 is always set */
	memcpy(machine->fpu, &fpu_control, sizeof(fpu_control));
	memcpy(machine->fpu + 24, &simd_control, sizeof(simd_control));
	machine->table = *table;
	memcpy(machine->name, request->name, MACHINE_NAME - 1);
}

static void machine_create_commit(struct space *space, struct creation *creation)
{
	const struct disk_capability *self = &creation->part[0].capability;
	const struct disk_capability *table = &creation->part[1].capability;
	struct disk_object *record = record_writable(space, creation->part[0].object);
	struct disk_capability *slots =
		space_writable(space, (page_t){creation->plan.range[1].first});

	static_assert(TABLE_SLOT_SELF < TABLE_SLOTS_PER_PAGE &&
			      TABLE_SLOT_TABLE < TABLE_SLOTS_PER_PAGE,
		      "in the page of the table that is prepared");
	ASSERT(creation->plan.count == RANGES_MAX);
	record->machine.message_page = creation->plan.range[2].first;
	record->machine.message_pages = creation->plan.range[2].pages;
	memset(slots, 0, PAGE_SIZE);
	slots[TABLE_SLOT_SELF] = *self;
	slots[TABLE_SLOT_TABLE] = *table;
	machine_initialise(space_writable(space, (page_t){record->first_page}), creation->request,
			   record->machine.message_page, self, table);
	machine_register(space, creation->system, creation->part[0].object);
}

/* What is its own, if it may destroy it; what its table does not say is not known. */
static enum status machine_own_add(struct space *space, struct destruction *destruction,
				   const struct disk_machine *machine, uint32_t slot,
				   enum object_type type)
{
	struct disk_capability own;
	struct disk_object table;
	enum status status = object_resolve(space, &machine->table, OBJECT_TABLE, 0, &table);

	if (status == STATUS_OK)
		status = table_get(space, &table, slot, &own);
	if (status == STATUS_OK && own.object >= OBJECT_FIRST_FREE)
		return destruction_add_owned(space, destruction, &own, type, RIGHT_DESTROY);
	return status == STATUS_NO_CAPABILITY || status == STATUS_DEAD ||
			       status == STATUS_INVALID || status == STATUS_WRONG_TYPE ||
			       space_lost(space, status)
		       ? STATUS_OK
		       : status;
}

/* A damaged machine can be destroyed; what it owned is not known any more. */
static enum status machine_destroy_prepare(struct space *space, struct destruction *destruction)
{
	object_t object = destruction->ended->part[0].object;
	struct disk_machine *machine;
	enum status status = machine_read(space, object, &machine);

	ASSERT(destruction->ended->count == 1);
	if (status == STATUS_OK) {
		destruction->deadline = machine->deadline;
		status =
			destruction_add_owned(space, destruction, &machine->table, OBJECT_TABLE, 0);
		if (status == STATUS_OK)
			status = machine_own_add(space, destruction, machine, TABLE_SLOT_PORT,
						 OBJECT_PORT);
		if (status == STATUS_OK)
			status = machine_own_add(space, destruction, machine, TABLE_SLOT_BANK,
						 OBJECT_BANK);
		for (uint32_t i = 0; status == STATUS_OK && i < MACHINE_ATTACHMENTS; i++)
			if (machine->attachments[i].flags & ATTACHMENT_OWNED)
				status = destruction_add_owned(space, destruction,
							       &machine->attachments[i].segment,
							       OBJECT_SEGMENT, RIGHT_DESTROY);
	} else if (space_lost(space, status)) {
		status = STATUS_OK;
	}
	if (status == STATUS_OK && destruction->deadline)
		status = deadline_remove_prepare(space, destruction->deadline, object);
	if (status == STATUS_OK)
		status = machine_unregister_prepare(space, destruction->system, object);
	return status;
}

static void machine_destroy_commit(struct space *space, struct destruction *destruction)
{
	object_t object = destruction->ended->part[0].object;

	if (destruction->deadline)
		deadline_remove(space, destruction->deadline, object);
	machine_unregister(space, destruction->system, object);
}

static enum status machine_held(struct space *space, object_t object,
				const struct disk_object *record, uint32_t at, uint32_t *next,
				struct disk_capability *capability)
{
	const struct disk_machine *machine;
	enum status status;
	void *page;

	(void)next; /* that is all */
	if (at)
		return STATUS_NOT_FOUND;
	status = space_read(space, (page_t){record->first_page}, &page);
	if (status != STATUS_OK)
		return status == STATUS_ABSENT ? STATUS_NOT_FOUND : status;
	machine = page;
	if (machine->magic != MACHINE_MAGIC || machine->object != object.n)
		return STATUS_CORRUPT;
	*capability = machine->reply;
	return capability_awaited(capability) ? STATUS_OK : STATUS_EMPTY;
}

const struct type_descriptor machine_type = {
	.arena = RANGE_KERNEL,
	.rights = RIGHT_READ | RIGHT_CONTROL | RIGHT_DESTROY,
	.companion = OBJECT_TABLE,
	.companion_size = TABLE_MACHINE_SLOTS,
	.starts_empty = true,
	.charge = machine_charge,
	.room = machine_room,
	.valid = machine_valid,
	.check = machine_check,
	.create_prepare = machine_create_prepare,
	.create_commit = machine_create_commit,
	.destroy_prepare = machine_destroy_prepare,
	.destroy_commit = machine_destroy_commit,
	.held = machine_held,
	.second_range = machine_message_range,
};
