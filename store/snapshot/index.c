/* SPDX-License-Identifier: MIT */
/*
 * index.c - which snapshot has this name, and which are automatic, from memory.
 *
 * The catalogue is keyed by number.  This index is volatile: it is built by one
 * pass over the catalogue, some entries at a time, when somebody first asks,
 * and each commit that becomes durable brings it up to date.  It shows the
 * newest durable generation, never a commit in flight.
 *
 *   names        hash table of numbers with a part of the name's hash; an entry
 *                that matches is read to be sure
 *   automatics   what retention.c may delete, in order of their numbers
 *
 * Both are bounded.  With more names than the table takes, names are searched
 * for in the catalogue; of more automatic snapshots the oldest are known.
 */
#include "store/store_priv.h"

#include "store/keeping.h"

#define NUMBER_BITS 40u
#define NUMBER_MAX  ((UINT64_C(1) << NUMBER_BITS) - 1)

static_assert((LIMIT_NAME_SLOTS & (LIMIT_NAME_SLOTS - 1)) == 0, "a power of two");
static_assert(LIMIT_NAMES < LIMIT_NAME_SLOTS, "a search ends at an empty slot");

/* ---- names ------------------------------------------------------------------------ */

/* The upper 24 bits of a slot; also where a search for it begins. */
static uint64_t name_tag(const char name[DISK_SNAPSHOT_NAME])
{
	return checksum(name, DISK_SNAPSHOT_NAME, 0) >> NUMBER_BITS;
}

static uint32_t slot_home(uint64_t slot)
{
	return (uint32_t)(slot >> NUMBER_BITS) % LIMIT_NAME_SLOTS;
}

static void name_insert(struct index *index, const struct disk_snapshot *snapshot)
{
	uint64_t slot = name_tag(snapshot->name) << NUMBER_BITS | snapshot->number;
	uint32_t at = slot_home(slot);

	if (index->names == LIMIT_NAMES || snapshot->number > NUMBER_MAX) {
		index->overflow = true;
		return;
	}
	if (!index->names)
		memset(index->name, 0, sizeof(index->name));
	while (index->name[at])
		at = (at + 1) % LIMIT_NAME_SLOTS;
	index->name[at] = slot;
	index->names++;
}

/* Empties the slot and moves up what a search would not find behind the gap. */
static void slot_empty(struct index *index, uint32_t gap)
{
	uint32_t at = gap;

	ASSERT(index->names && index->name[gap]);
	index->names--;
	for (;;) {
		index->name[gap] = 0;
		do {
			at = (at + 1) % LIMIT_NAME_SLOTS;
			if (!index->name[at])
				return;
		} while ((at - slot_home(index->name[at])) % LIMIT_NAME_SLOTS <
			 (at - gap) % LIMIT_NAME_SLOTS);
		index->name[gap] = index->name[at];
		gap = at;
	}
}

static void name_remove(struct index *index, uint64_t number)
{
	for (uint32_t at = 0; index->names && at < LIMIT_NAME_SLOTS; at++)
		if (index->name[at] && (index->name[at] & NUMBER_MAX) == number) {
			slot_empty(index, at);
			return;
		}
}

/* ---- automatic snapshots -------------------------------------------------------------- */

static void automatic_remove(struct index *index, uint64_t number)
{
	uint32_t at = 0;

	while (at < index->automatics && index->automatic[at].number != number)
		at++;
	if (at == index->automatics)
		return;
	index->automatics--;
	memmove(&index->automatic[at], &index->automatic[at + 1],
		(index->automatics - at) * sizeof(index->automatic[0]));
}

static void automatic_insert(struct index *index, const struct disk_snapshot *snapshot,
			     bool replaced)
{
	uint32_t at = index->automatics;

	if (at == LIMIT_AUTOMATIC) {
		index->more = true;
		return;
	}
	while (at && index->automatic[at - 1].number > snapshot->number)
		at--;
	ASSERT(!at || index->automatic[at - 1].number < snapshot->number);
	memmove(&index->automatic[at + 1], &index->automatic[at],
		(index->automatics - at) * sizeof(index->automatic[0]));
	index->automatics++;
	index->automatic[at] = (struct automatic){snapshot->number, snapshot->wall_ns,
						  snapshot->held_sectors, replaced};
}

/* ---- building and keeping up --------------------------------------------------------------- */

void index_drop(struct store *store)
{
	memset(&store->index, 0, offsetof(struct index, name));
}

void index_forget(struct store *store, snapshot_t number)
{
	automatic_remove(&store->index, number.n);
}

static void index_add(struct index *index, const struct disk_snapshot *snapshot)
{
	enum keeping_giver keeper;

	if (snapshot->flags & STORE_SNAPSHOT_GONE)
		return;
	name_insert(index, snapshot);
	keeper = keeping_keeper(snapshot->flags, snapshot->name, snapshot->generation);
	if (keeper == KEEPING_TAKEN || keeper == KEEPING_RESTORED)
		automatic_insert(index, snapshot, keeper == KEEPING_RESTORED);
}

enum status index_build(struct store *store, uint32_t *budget)
{
	struct index *index = &store->index;

	while (!index->complete) {
		struct disk_snapshot snapshot;
		snapshot_t number;
		enum status status;

		if (!*budget)
			return STATUS_BUSY;
		status = catalogue_read_next(store, index->position, &number, &snapshot);
		if (status == STATUS_WAIT)
			return status;
		--*budget;
		if (status == STATUS_NOT_FOUND) {
			index->complete = true;
			break;
		}
		if (status == STATUS_OK)
			index_add(index, &snapshot);
		else
			index->damage = status;
		index->position = number;
	}
	return STATUS_OK;
}

void index_update(struct store *store)
{
	const struct catalogue *catalogue = &store->catalogue;
	struct index *index = &store->index;

	for (uint32_t i = 0; i < catalogue->count; i++) {
		const struct disk_snapshot *snapshot = &catalogue->change[i].snapshot;

		/* The pass will come to it. */
		if (!index->complete && snapshot->number > index->position.n)
			continue;
		name_remove(index, snapshot->number);
		automatic_remove(index, snapshot->number);
		if (!catalogue->change[i].removed)
			index_add(index, snapshot);
	}
}

/* ---- asking ------------------------------------------------------------------------------------
 */

enum status index_find(struct store *store, const char name[DISK_SNAPSHOT_NAME],
		       struct disk_snapshot *snapshot)
{
	const struct index *index = &store->index;
	uint64_t tag = name_tag(name);

	ASSERT(index->complete && !index->overflow);
	for (uint32_t at = (uint32_t)tag % LIMIT_NAME_SLOTS; index->names && index->name[at];
	     at = (at + 1) % LIMIT_NAME_SLOTS) {
		enum status status;

		if (index->name[at] >> NUMBER_BITS != tag)
			continue;
		status =
			catalogue_read(store, (snapshot_t){index->name[at] & NUMBER_MAX}, snapshot);
		if (status != STATUS_OK || memcmp(snapshot->name, name, DISK_SNAPSHOT_NAME) == 0)
			return status;
	}
	return STATUS_NOT_FOUND;
}
