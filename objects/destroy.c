/* SPDX-License-Identifier: MIT */
/*
 * destroy.c - the end of objects, and what comes after it in steps.
 *
 * object_destroy voids the versions of the object and of what it owns, which
 * kills every capability to them, and chains their records:
 *
 *     disk_system.destroying -> record -> next_free -> record -> ... -> 0
 *
 * object_destroy_step works on the first record of the chain: clears what is
 * left of its ranges, a bounded number of pages a step, and when nothing is
 * left puts the ranges to rest, gives the charge back, and frees the record.
 * What remains to be cleared is asked of the store, so there is no progress to
 * keep, but for damage that was passed, and every step can be executed anew.
 */
#include "objects/objects_priv.h"
#include <string.h>

/* A machine, its table, and every attachment's segment. */
#define DYING_MAX (2u + MACHINE_ATTACHMENTS)

/* A destruction between its prepare and its commit. */
struct destruction {
	struct disk_system *system;
	uint32_t count;
	object_t object[DYING_MAX];
	bool machine;
	uint64_t deadline;
};

static enum status destruction_add(struct space *space, struct destruction *destruction,
				   object_t object)
{
	struct disk_object *record;

	for (uint32_t i = 0; i < destruction->count; i++)
		if (destruction->object[i].n == object.n)
			return STATUS_OK;
	ASSERT(destruction->count < DYING_MAX);
	destruction->object[destruction->count++] = object;
	return object_prepare(space, object, &record);
}

/* Adds what the capability names, if it is still alive. */
static enum status destruction_add_owned(struct space *space, struct destruction *destruction,
					 const struct disk_capability *capability,
					 enum object_type type)
{
	enum status status = object_resolve(space, capability, type, 0, NULL);

	if (status == STATUS_OK)
		return destruction_add(space, destruction, (object_t){capability->object});
	if (status == STATUS_NO_CAPABILITY || status == STATUS_DEAD ||
	    status == STATUS_WRONG_TYPE || status == STATUS_CORRUPT)
		return STATUS_OK;
	return status;
}

static enum status destruction_add_machine(struct space *space, struct destruction *destruction,
					   object_t object)
{
	struct disk_machine *machine;
	enum status status = machine_read(space, object, &machine);

	destruction->machine = true;
	/* A damaged machine can be destroyed; what it owned is not known any more. */
	if (status == STATUS_OK) {
		destruction->deadline = machine->deadline;
		status = destruction_add_owned(space, destruction, &machine->table, OBJECT_TABLE);
		for (uint32_t i = 0; status == STATUS_OK && i < MACHINE_ATTACHMENTS; i++)
			if (machine->attachments[i].flags & ATTACHMENT_OWNED)
				status = destruction_add_owned(space, destruction,
							       &machine->attachments[i].segment,
							       OBJECT_SEGMENT);
	} else if (status == STATUS_CORRUPT) {
		status = STATUS_OK;
	}
	if (status == STATUS_OK && destruction->deadline)
		status = deadline_remove_prepare(space, destruction->deadline, object);
	if (status == STATUS_OK)
		status = machine_unregister_prepare(space, destruction->system, object);
	if (status == STATUS_OK)
		status = machine_ready_prepare(space, object);
	return status;
}

static enum status destruction_prepare(struct space *space, struct destruction *destruction,
				       object_t object)
{
	struct disk_object record;
	enum status status = object_read(space, object, &record);

	if (status != STATUS_OK)
		return status;
	if (object.n < OBJECT_FIRST_FREE)
		return STATUS_NO_OPERATION;
	switch (record.type) {
	case OBJECT_SEGMENT:
	case OBJECT_MACHINE:
	case OBJECT_PORT:
	case OBJECT_TABLE:
		break;
	case OBJECT_DIRECTORY:
		if (record.size)
			return STATUS_NOT_EMPTY;
		break;
	default:
		return STATUS_NO_OPERATION;
	}
	status = system_prepare(space, &destruction->system);
	if (status == STATUS_OK)
		status = destruction_add(space, destruction, object);
	if (status == STATUS_OK && record.type == OBJECT_MACHINE)
		status = destruction_add_machine(space, destruction, object);
	return status;
}

enum status object_destroy(struct space *space, object_t object)
{
	struct destruction destruction = {.count = 0};
	enum status status = destruction_prepare(space, &destruction, object);

	if (status != STATUS_OK)
		return status;

	/* Commit point. */
	for (uint32_t i = 0; i < destruction.count; i++) {
		struct disk_object *record = record_writable(space, destruction.object[i]);

		record->version = 0;
		record->next_free = destruction.system->destroying;
		destruction.system->destroying = destruction.object[i].n;
	}
	if (destruction.machine) {
		if (destruction.deadline)
			deadline_remove(space, destruction.deadline, object);
		machine_unregister(space, destruction.system, object);
		machine_ready_set(space, object, false);
	}
	return STATUS_OK;
}

/* ---- steps ----------------------------------------------------------------------- */

/*
 * Where the store's map is damaged, what lies there cannot be cleared.  It is
 * given up: the rest of the object is given back, its addresses are not used
 * again.
 */
static enum status destruction_pass(struct space *space, object_t object, uint64_t damage)
{
	struct disk_object *record;
	enum status status = record_prepare(space, object, &record);
	uint64_t passed;

	if (status != STATUS_OK)
		return status;
	passed = OBJECT_PASSED_ALL;
	if (damage >= record->first_page && damage - record->first_page < record->range_pages)
		passed = (damage - record->first_page) / STORE_NODE_PAGES + 1;

	/* Commit point. */
	record->passed = passed < OBJECT_PASSED_ALL ? (uint32_t)passed : OBJECT_PASSED_ALL;
	return STATUS_OK;
}

/* Clears some of what is left of the object's ranges. */
static enum status destruction_clear(struct space *space, object_t object,
				     const struct disk_object *record, bool *cleared)
{
	uint64_t first = record->first_page + (uint64_t)record->passed * STORE_NODE_PAGES;
	uint64_t end = record->first_page + record->range_pages;
	uint64_t damage = 0;
	enum status status;

	*cleared = true;
	if (record->passed == OBJECT_PASSED_ALL)
		return STATUS_OK;
	status = range_clear_step(space, first, end, cleared, &damage);
	if (status == STATUS_OK && *cleared && record->type == OBJECT_MACHINE)
		status = range_clear_step(space, record->word[0], record->word[0] + record->word[1],
					  cleared, &damage);
	if (status == STATUS_CORRUPT || status == STATUS_IO)
		status = destruction_pass(space, object, damage);
	return status;
}

/* Everything of the object is absent: its ranges rest, its record is free.  Ranges
 * of which something was given up do not rest, they are gone. */
static enum status destruction_finish(struct space *space, object_t object)
{
	struct disk_system *system;
	struct disk_object *record;
	uint64_t charge, range_pages, message_pages;
	object_t bank;
	enum status status = system_prepare(space, &system);

	if (status == STATUS_OK)
		status = record_prepare(space, object, &record);
	if (status != STATUS_OK)
		return status;
	bank = (object_t){record->bank};
	range_pages = record->passed ? 0 : record->range_pages;
	message_pages = record->type == OBJECT_MACHINE && !record->passed ? record->word[1] : 0;
	status = bank_credit_prepare(space, bank);
	if (status == STATUS_OK && range_pages)
		status = range_rest_prepare(space, system, record->first_page, range_pages, 0);
	if (status == STATUS_OK && message_pages)
		status = range_rest_prepare(space, system, record->word[0], message_pages, 1);
	if (status != STATUS_OK)
		return status;

	/* Commit point. */
	if (range_pages)
		range_rest(space, system, record->first_page, range_pages);
	if (message_pages)
		range_rest(space, system, record->word[0], message_pages);
	charge = object_charge(record->type, record->size);
	bank_credit(space, bank, charge, 1);
	system->destroying = record->next_free;
	memset(record, 0, sizeof(*record));
	record->next_free = system->free_object;
	system->free_object = object.n;
	return STATUS_OK;
}

enum status object_destroy_step(struct space *space, bool *more)
{
	const struct disk_system *system;
	const struct disk_object *record;
	object_t object;
	bool cleared;
	enum status status = system_read(space, &system);

	*more = false;
	if (status != STATUS_OK || !system->destroying)
		return status;
	object = (object_t){system->destroying};
	status = record_read(space, object, &record);
	if (status != STATUS_OK)
		return status;
	if (record->version || !record_valid(record) || record->next_free >= system->next_object)
		return STATUS_CORRUPT;
	status = destruction_clear(space, object, record, &cleared);
	if (status == STATUS_OK && cleared) {
		status = destruction_finish(space, object);
		system = space_resident(space, (page_t){SYSTEM_PAGE});
	}
	*more = status == STATUS_OK && system->destroying;
	return status;
}
