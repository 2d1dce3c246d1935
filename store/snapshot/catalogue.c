/* SPDX-License-Identifier: MIT */
/*
 * catalogue.c - the snapshots' entries: reading, changing, writing.
 *
 * Entries are pages of a tree keyed by snapshot number.  A commit gathers its
 * few changes in memory; catalogue_get shows them, while catalogue_read shows the
 * last durable generation.  Then they are written in order of their numbers by the
 * code that writes every tree.
 */
#include "store/store_priv.h"

static bool entry_valid(const struct store *store, uint64_t number,
			const struct disk_snapshot *entry)
{
	return entry->magic == DISK_MAGIC_SNAPSHOT && entry->number == number &&
	       entry->parent < number && entry->generation <= store->record.generation &&
	       entry->root.reference.birth <= entry->generation &&
	       root_valid(&entry->root, DISK_TREE_SPACE, store->record.sectors) &&
	       !entry->name[DISK_SNAPSHOT_NAME - 1];
}

/* ---- reading ------------------------------------------------------------------- */

enum status catalogue_read(struct store *store, snapshot_t number, struct disk_snapshot *snapshot)
{
	struct place place = {DISK_TREE_CATALOGUE, 0, number.n};
	struct disk_reference reference;
	const void *entry;
	enum status status = map_lookup(store, &store->record.catalogue, DISK_TREE_CATALOGUE,
					number.n, &reference);

	if (status != STATUS_OK)
		return status;
	if (reference_is_null(&reference))
		return STATUS_NOT_FOUND;
	status = extent_get(store, &reference, place, &entry);
	if (status != STATUS_OK)
		return status;
	if (entry_valid(store, number.n, entry)) {
		memcpy(snapshot, entry, sizeof(*snapshot));
		return STATUS_OK;
	}
	extent_report(store, &reference, place, "the entry of this snapshot makes no sense");
	return STATUS_CORRUPT;
}

enum status catalogue_read_next(struct store *store, snapshot_t after, snapshot_t *number,
				struct disk_snapshot *snapshot)
{
	enum status status = map_next_past(store, &store->record.catalogue, DISK_TREE_CATALOGUE,
					   after.n + 1, &number->n);

	if (status == STATUS_OK) {
		status = catalogue_read(store, *number, snapshot);
		return status == STATUS_NOT_FOUND ? STATUS_CORRUPT : status;
	}
	if (status_is_damage(status))
		number->n--;
	return status;
}

/* Index of the first change of a number at or after this one. */
static uint32_t change_at(const struct catalogue *catalogue, snapshot_t number)
{
	uint32_t i = 0;

	while (i < catalogue->count && catalogue->change[i].snapshot.number < number.n)
		i++;
	return i;
}

static bool change_is(const struct catalogue *catalogue, uint32_t i, snapshot_t number)
{
	return i < catalogue->count && catalogue->change[i].snapshot.number == number.n;
}

enum status catalogue_get(struct store *store, snapshot_t number, struct disk_snapshot *snapshot)
{
	const struct catalogue *catalogue = &store->catalogue;
	uint32_t i = change_at(catalogue, number);

	if (!change_is(catalogue, i, number))
		return catalogue_read(store, number, snapshot);
	if (catalogue->change[i].removed)
		return STATUS_NOT_FOUND;
	*snapshot = catalogue->change[i].snapshot;
	return STATUS_OK;
}

/* ---- changing -------------------------------------------------------------------- */

static uint32_t change_make(struct catalogue *catalogue, snapshot_t number)
{
	uint32_t i = change_at(catalogue, number);

	if (change_is(catalogue, i, number))
		return i;
	ASSERT(catalogue->count < LIMIT_CATALOGUE);
	memmove(&catalogue->change[i + 1], &catalogue->change[i],
		(catalogue->count - i) * sizeof(catalogue->change[0]));
	catalogue->count++;
	return i;
}

void catalogue_put(struct store *store, const struct disk_snapshot *snapshot)
{
	uint32_t i = change_make(&store->catalogue, (snapshot_t){snapshot->number});

	ASSERT(commit_is_full(store) && snapshot->number);
	store->catalogue.change[i].snapshot = *snapshot;
	store->catalogue.change[i].removed = false;
}

void catalogue_remove(struct store *store, snapshot_t number)
{
	uint32_t i = change_make(&store->catalogue, number);

	ASSERT(commit_is_full(store) && number.n);
	store->catalogue.change[i].snapshot.number = number.n;
	store->catalogue.change[i].removed = true;
}

/* ---- writing ----------------------------------------------------------------------- */

void catalogue_update_begin(struct store *store)
{
	struct catalogue *catalogue = &store->catalogue;
	uint64_t max_key = NIL_KEY;

	for (uint32_t i = 0; i < catalogue->count; i++)
		if (!catalogue->change[i].removed)
			max_key = catalogue->change[i].snapshot.number;
	catalogue->position = 0;
	update_begin(store, DISK_TREE_CATALOGUE, &store->record.catalogue, max_key);
}

static enum status entry_write(struct store *store)
{
	struct catalogue *catalogue = &store->catalogue;
	const struct disk_snapshot *snapshot = &catalogue->change[catalogue->position].snapshot;
	struct place place = {DISK_TREE_CATALOGUE, 0, snapshot->number};
	struct disk_reference reference = {.codec = DISK_CODEC_NONE};
	enum status status = update_seek(store, snapshot->number);

	if (status == STATUS_OK && !catalogue->change[catalogue->position].removed) {
		/* What a reading of the entry demands. */
		ASSERT(snapshot->magic == DISK_MAGIC_SNAPSHOT);
		ASSERT(snapshot->parent < snapshot->number);
		ASSERT(!snapshot->name[DISK_SNAPSHOT_NAME - 1]);
		memset(store->page, 0, PAGE_SIZE);
		memcpy(store->page, snapshot, sizeof(*snapshot));
		status = stage_extent(store, store->page, place, &reference);
	}
	if (status != STATUS_OK)
		return status;
	update_set(store, snapshot->number, &reference);
	catalogue->position++;
	return STATUS_OK;
}

enum status catalogue_update_step(struct store *store, bool *done)
{
	enum status status;

	if (store->catalogue.position < store->catalogue.count)
		return entry_write(store);
	status = update_finish(store);
	if (status != STATUS_OK)
		return status;
	store->next.catalogue = *update_result(store);
	store->next.snapshots = update_result(store)->pages;
	*done = true;
	return STATUS_OK;
}
