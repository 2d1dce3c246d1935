/* SPDX-License-Identifier: MIT */
/*
 * destroy.c - the end of objects, and what comes after it in steps.
 *
 * object_destroy voids the versions of the object and of what it owns, which
 * kills every capability to them, and chains their records:
 *
 *     disk_system.destroying -> record -> next_free -> record -> ... -> 0
 *                                      disk_system.destroying_last -^
 *
 * What they hold stays as it is until then: object_held tells it to whoever has
 * somebody to tell that it is gone.
 *
 * object_destroy_step works on the first record of the chain: clears what is
 * left of its ranges, a bounded number of pages a step, and when nothing is
 * left gives the ranges and the charge back, and frees the record.  If it is a bank,
 * what that paid for is ended first, one object a step, each put at the end of the chain; the
 * bank then leaves it until they are gone.
 * What remains to be cleared is asked of the store, so there is no progress to
 * keep, but for damage that was passed, and every step can be executed anew.
 */
#include "objects/objects_priv.h"
#include <string.h>

static enum status destruction_add(struct space *space, struct destruction *destruction,
				   object_t object)
{
	struct ended *ended = destruction->ended;
	struct disk_object *record, *found;
	enum status status;

	for (uint32_t i = 0; i < ended->count; i++)
		if (ended->part[i].object.n == object.n)
			return STATUS_OK;
	ASSERT(ended->count < ENDED_MAX);
	found = &ended->part[ended->count].record;
	ended->part[ended->count++].object = object;
	status = object_read(space, object, found);
	if (status == STATUS_OK)
		status = bank_unlist_prepare(space, destruction->system, object, found);
	return status == STATUS_OK ? record_prepare(space, object, &record) : status;
}

enum status destruction_add_owned(struct space *space, struct destruction *destruction,
				  const struct disk_capability *capability, enum object_type type,
				  uint16_t rights)
{
	enum status status = object_resolve(space, capability, type, rights, NULL);

	if (status == STATUS_OK)
		return destruction_add(space, destruction, (object_t){capability->object});
	if (status == STATUS_NO_CAPABILITY || status == STATUS_DEAD ||
	    status == STATUS_WRONG_TYPE || status == STATUS_NO_RIGHT || status == STATUS_CORRUPT)
		return STATUS_OK;
	return status;
}

/*
 * The last of those that die already, behind which they are put: whoever goes on destroying
 * holds up nobody who was destroyed before.  0: there are none, or an older kernel, which
 * put the newest first, has begun the list, or it is damaged: then they are put in front.
 */
static enum status destruction_last(struct space *space, struct destruction *destruction)
{
	const struct disk_system *system = destruction->system;
	object_t last = {system->destroying ? system->destroying_last : 0};
	struct disk_object *record;
	enum status status;

	destruction->last = (object_t){0};
	if (!last.n)
		return STATUS_OK;
	status = record_prepare(space, last, &record);
	if (status == STATUS_OK && !record->version && record->type && !record->next_free &&
	    record_valid(record))
		destruction->last = last;
	if (status == STATUS_NOT_FOUND || space_lost(space, status))
		return STATUS_OK;
	return status;
}

static enum status destruction_prepare(struct space *space, struct destruction *destruction,
				       object_t object, const struct type_descriptor **type)
{
	struct disk_object record;
	enum status status = object_read(space, object, &record);

	if (status != STATUS_OK)
		return status;
	*type = type_find(record.type);
	if (object.n < OBJECT_FIRST_FREE || !(*type)->check)
		return STATUS_NO_OPERATION;
	if ((*type)->may_end && !space->ends_bank)
		status = (*type)->may_end(&record);
	if (status == STATUS_OK)
		status = system_prepare(space, &destruction->system);
	if (status == STATUS_OK)
		status = destruction_add(space, destruction, object);
	if (status == STATUS_OK && (*type)->destroy_prepare)
		status = (*type)->destroy_prepare(space, destruction);
	if (status == STATUS_OK)
		status = destruction_last(space, destruction);
	return status;
}

/* COMMIT.  What ends with an object goes before it. */
static void destruction_chain(struct space *space, const struct destruction *destruction)
{
	struct disk_system *system = destruction->system;
	const struct ended *ended = destruction->ended;
	uint32_t next = destruction->last.n ? 0 : system->destroying;

	if (!next)
		system->destroying_last = ended->part[0].object.n;
	for (uint32_t i = 0; i < ended->count; i++) {
		struct disk_object *record = record_writable(space, ended->part[i].object);

		ASSERT(record->version); /* it lives, and dies once */
		if (record->type == OBJECT_BANK)
			banks_forget(space);
		bank_unlist(space, ended->part[i].object, record);
		record->version = 0;
		/* Nobody waits through what hangs from most banks. */
		record->flags = record->type == OBJECT_BANK && !(record->flags & OBJECT_RECEIVES)
					? OBJECT_TOLD
					: 0;
		record->passed = 0;
		record->next_free = next;
		next = ended->part[i].object.n;
	}
	if (destruction->last.n)
		record_writable(space, destruction->last)->next_free = next;
	else
		system->destroying = next;
}

enum status object_destroy(struct space *space, object_t object, struct ended *ended)
{
	struct destruction destruction = {.ended = ended};
	const struct type_descriptor *type;
	enum status status;

	ended->count = 0;
	status = destruction_prepare(space, &destruction, object, &type);
	if (status != STATUS_OK) {
		ended->count = 0;
		return status;
	}

	/* Commit point. */
	destruction_chain(space, &destruction);
	if (type->destroy_commit)
		type->destroy_commit(space, &destruction);
	return STATUS_OK;
}

/* ---- what a bank paid for ------------------------------------------------------------ */

/* A directory loses its names first, one at a time; those that cannot be found are lost. */
static enum status left_end(struct space *space, object_t object, const struct disk_object *record,
			    struct ended *ended)
{
	enum status status = STATUS_NOT_FOUND;

	if (record->type == OBJECT_DIRECTORY && record->size)
		status = entry_unlink_first(space, object);
	if (status == STATUS_NOT_FOUND || space_lost(space, status))
		return object_destroy(space, object, ended);
	return status;
}

/* It stays as it is, dead, and is not looked for again; nor are, where not even that can be done,
 * those behind it. */
static enum status left_pass(struct space *space, object_t object, const struct disk_object *record)
{
	const struct disk_system *system;
	enum status status = system_read(space, &system);

	if (status == STATUS_OK)
		status = bank_unlist_prepare(space, system, object, record);
	if (space_lost(space, status))
		return STATUS_NOT_FOUND;
	if (status != STATUS_OK)
		return status;

	/* Commit point. */
	bank_unlist(space, object, record);
	return STATUS_OK;
}

/* One after the other is ended, as if by itself.  NOT_FOUND: that was all. */
static enum status bank_end_step(struct space *space, object_t bank, struct ended *ended)
{
	struct disk_object record;
	object_t object;
	enum status status = bank_left(space, bank, &object, &record);

	if (status != STATUS_OK)
		return status;
	space->ends_bank = true;
	status = left_end(space, object, &record, ended);
	space->ends_bank = false;
	if (!space_lost(space, status))
		return status;
	/* It cannot be ended for damage: those behind it can. */
	return left_pass(space, object, &record);
}

/* A bank is the last to go: it leaves the list, until the last that it pays for is gone. */
static enum status bank_wait(struct space *space, object_t object)
{
	struct disk_object *record;
	struct disk_system *system;
	enum status status = system_prepare(space, &system);

	if (status == STATUS_OK)
		status = record_prepare(space, object, &record);
	if (status != STATUS_OK)
		return status;

	ASSERT(system->destroying == object.n && record->next_free);
	/* Commit point. */
	system->destroying = record->next_free;
	record->next_free = 0;
	record->flags |= OBJECT_WAITS;
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
	struct range second = record_second_range(record);
	uint64_t damage = 0;
	enum status status;

	*cleared = true;
	if (record->passed == OBJECT_PASSED_ALL)
		return STATUS_OK;
	ASSERT(!record->version);
	status = range_clear_step(space, first, end, cleared, &damage);
	if (status == STATUS_OK && *cleared && second.pages)
		status = range_clear_step(space, second.first, second.first + second.pages, cleared,
					  &damage);
	if (space_lost(space, status))
		status = destruction_pass(space, object, damage);
	return status;
}

/* What the map of ranges has no place for, because a page of it is damaged, is given up. */
static enum status destruction_give_prepare(struct space *space, struct range *range)
{
	enum status status;

	if (!range->pages)
		return STATUS_OK;
	status = range_give_prepare(space, range->first, range->pages);
	if (!space_lost(space, status))
		return status;
	range->pages = 0;
	return STATUS_OK;
}

/* COMMIT.  A bank that has waited for this. */
static void destruction_resume(struct space *space, struct disk_system *system, object_t bank)
{
	struct disk_object *record = record_writable(space, bank);

	ASSERT(!record->version && !record->next_free);
	record->flags &= (uint8_t)~OBJECT_WAITS;
	record->next_free = system->destroying;
	if (!record->next_free)
		system->destroying_last = bank.n;
	system->destroying = bank.n;
}

/* What the bank above gets back, for what was set aside from it too.  What is damaged gives nothing
 * back, or gets nothing. */
struct returned {
	struct disk_account *own, *above; /* of a bank; null: there is none, or nothing for it */
	uint64_t addresses;
};

static enum status destruction_returned(struct space *space, object_t object,
					const struct disk_object *record, struct returned *returned)
{
	struct disk_account *own = NULL;
	object_t bank = {record->bank};
	enum status status = STATUS_OK;

	*returned = (struct returned){.addresses = record_addresses(record)};
	if (record->type == OBJECT_BANK)
		status = account_prepare(space, object, &own);
	if (space_lost(space, status))
		return bank_credit_prepare(space, bank, returned->addresses);
	if (status != STATUS_OK)
		return status;
	if (own)
		returned->addresses += own->address_limit;
	if (own && own->weight)
		status = account_prepare(space, bank, &returned->above);
	if (status == STATUS_NOT_FOUND || space_lost(space, status)) {
		returned->above = NULL;
		status = STATUS_OK;
	}
	returned->own = own;
	return status == STATUS_OK ? bank_credit_prepare(space, bank, returned->addresses) : status;
}

/* Everything of the object is absent: its ranges are free, and so is its record.  Ranges
 * of which something was given up are not, they are gone. */
static enum status destruction_finish(struct space *space, object_t object)
{
	struct disk_system *system;
	struct disk_object *record;
	struct range range = {0}, second = {0};
	struct returned returned;
	object_t bank;
	enum status status = system_prepare(space, &system);

	if (status == STATUS_OK)
		status = record_prepare(space, object, &record);
	if (status != STATUS_OK)
		return status;
	bank = (object_t){record->bank};
	if (!record->passed) {
		range = (struct range){record->first_page, record->range_pages};
		second = record_second_range(record);
	}
	status = destruction_returned(space, object, record, &returned);
	if (status == STATUS_OK)
		status = destruction_give_prepare(space, &range);
	if (status == STATUS_OK)
		status = destruction_give_prepare(space, &second);
	if (status != STATUS_OK)
		return status;

	ASSERT(!record->version && system->destroying == object.n);

	/* Commit point. */
	if (range.pages)
		range_give(space, range.first, range.pages);
	if (second.pages)
		range_give(space, second.first, second.pages);
	system->destroying = record->next_free;
	if (bank_credit(space, bank, record_charge(record), returned.addresses, 1))
		destruction_resume(space, system, bank);
	if (returned.above)
		weight_give_back(space, bank, returned.above, returned.own->weight);
	if (returned.own)
		*returned.own = (struct disk_account){.next = 0};
	memset(record, 0, sizeof(*record));
	record->next_free = system->free_object;
	system->free_object = object.n;
	return STATUS_OK;
}

enum status object_dying(struct space *space, object_t *object, struct disk_object *record)
{
	const struct disk_system *system;
	const struct disk_object *found;
	enum status status = system_read(space, &system);

	if (status != STATUS_OK)
		return status;
	if (!object->n)
		*object = (object_t){system->destroying};
	if (!object->n)
		return STATUS_NOT_FOUND;
	status = record_read(space, *object, &found);
	if (status != STATUS_OK)
		return status;
	*record = *found;
	return record->version || !record_valid(record) || record->next_free >= system->next_object
		       ? STATUS_CORRUPT
		       : STATUS_OK;
}

bool object_awaited(const struct disk_object *record)
{
	ASSERT(!record->version && type_find(record->type));
	return type_find(record->type)->held && !(record->flags & OBJECT_TOLD);
}

enum status object_told(struct space *space, object_t object)
{
	struct disk_object *record;
	enum status status = record_prepare(space, object, &record);

	if (status != STATUS_OK)
		return status;
	ASSERT(!record->version && record->type != OBJECT_NONE);
	/* Commit point. */
	record->flags |= OBJECT_TOLD;
	return STATUS_OK;
}

enum status object_held(struct space *space, object_t object, const struct disk_object *record,
			uint32_t at, uint32_t *next, struct disk_capability *capability)
{
	ASSERT(object_awaited(record));
	if (at == HELD_END)
		return STATUS_NOT_FOUND;
	*next = HELD_END; /* where not even that is known */
	return type_find(record->type)->held(space, object, record, at, next, capability);
}

/* What is cleared away of the first, and in the end the rest of it. */
static enum status object_step(struct space *space, object_t object,
			       const struct disk_object *record)
{
	const struct type_descriptor *type = type_find(record->type);
	const struct disk_system *system;
	bool cleared;
	enum status status;

	/* Where nothing else dies there is nothing to wait for: the count is damaged. */
	if (record->type == OBJECT_BANK && record->allowance.objects && record->next_free)
		return bank_wait(space, object);
	status = type->clear ? type->clear(space, object, record) : STATUS_NOT_FOUND;
	if (status != STATUS_NOT_FOUND)
		return status;
	status = destruction_clear(space, object, record, &cleared);
	system = space_resident(space, (page_t){SYSTEM_PAGE});
	/* There must be a map to give the range back to. */
	if (status == STATUS_OK && cleared)
		status = system->version < SYSTEM_VERSION_MAP ? range_survey_begin(space)
							      : destruction_finish(space, object);
	return status;
}

enum status object_destroy_step(struct space *space, bool *more, struct ended *ended)
{
	const struct disk_system *system;
	struct disk_object record;
	object_t object = {0};
	enum status status = object_dying(space, &object, &record);

	*more = false;
	ended->count = 0;
	if (status != STATUS_OK)
		return status == STATUS_NOT_FOUND ? STATUS_OK : status;
	status =
		record.type == OBJECT_BANK ? bank_end_step(space, object, ended) : STATUS_NOT_FOUND;
	if (status == STATUS_NOT_FOUND)
		status = object_step(space, object, &record);
	system = space_resident(space, (page_t){SYSTEM_PAGE});
	*more = status == STATUS_OK && system->destroying;
	return status;
}
