/* SPDX-License-Identifier: MIT */
/*
 * map.c - the catalogue's rules, and the free map against reachability.
 *
 * The bitmap of a pass has the very form of the free map's pages, so the two
 * are compared page by page (S6): a bit only in the map is a leaked sector, a
 * bit only in the bitmap is a sector that would be overwritten.
 */
#include "tools/verify/verify_priv.h"
#include "base/assert.h"

#include <stdlib.h>
#include <string.h>

#define SNAPSHOT_FLAGS_KNOWN (DISK_SNAPSHOT_AUTOMATIC | DISK_SNAPSHOT_DYING | DISK_SNAPSHOT_BRANCH)

/* ---- catalogue -------------------------------------------------------- */

static bool snapshot_collect(struct verify *verify, struct verify_pass *pass,
			     const struct verify_place *place,
			     const struct disk_reference *reference, const void *data)
{
	const struct disk_snapshot_page *page = data;
	const struct disk_snapshot *snapshot = &page->entry;

	ASSERT(place->tree == DISK_TREE_CATALOGUE && !place->level);
	ASSERT(pass->snapshot_count <= pass->snapshot_room);
	if (pass->snapshot_count == pass->snapshot_room) {
		uint64_t room = pass->snapshot_room ? 2 * pass->snapshot_room : 2;
		struct disk_snapshot *more = verify_allocate(verify, room, sizeof(*more));

		if (!more)
			return false;
		if (pass->snapshots)
			memcpy(more, pass->snapshots, pass->snapshot_count * sizeof(*more));
		free(pass->snapshots);
		pass->snapshots = more;
		pass->snapshot_room = room;
	}
	if (snapshot->magic != DISK_MAGIC_SNAPSHOT || snapshot->number != place->key ||
	    snapshot->number == 0) {
		verify_report_at(verify, VERIFY_ERROR, VERIFY_CATALOGUE, place, VERIFY_NOWHERE,
				 "magic or number of the entry is wrong");
		pass->incomplete = true;
		return false;
	}
	/* Without a reference only the entries are listed. */
	if (reference && !verify_zero(page->reserved, sizeof(page->reserved)))
		verify_report_at(verify, VERIFY_ERROR, VERIFY_CATALOGUE, place, VERIFY_NOWHERE,
				 "its reserve is not zero");
	pass->snapshots[pass->snapshot_count++] = *snapshot;
	return true;
}

static const struct disk_snapshot *snapshot_find(const struct verify_pass *pass, uint64_t number)
{
	uint64_t low = 0, high = pass->snapshot_count;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (pass->snapshots[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low < pass->snapshot_count && pass->snapshots[low].number == number
		       ? &pass->snapshots[low]
		       : NULL;
}

static const char *snapshot_root_fault(const struct disk_snapshot *snapshot)
{
	const struct disk_root *root = &snapshot->root;
	bool null = verify_reference_null(&root->reference);

	if (root->height > DISK_HEIGHT_MAX || root->reserved)
		return "height or reserve of the root is wrong";
	if ((root->height == 0) != null || (root->pages == 0) != null)
		return "root, height and number of pages contradict each other";
	return NULL;
}

/* What is wrong with an entry by itself and its parent, or null. */
static const char *snapshot_fault(const struct verify_pass *pass,
				  const struct disk_snapshot *snapshot)
{
	const struct disk_snapshot *parent = snapshot_find(pass, snapshot->parent);
	bool dying = (snapshot->flags & DISK_SNAPSHOT_DYING) != 0;
	bool branch = (snapshot->flags & DISK_SNAPSHOT_BRANCH) != 0;
	const char *end = memchr(snapshot->name, 0, sizeof(snapshot->name));

	if (snapshot->flags & ~(uint32_t)SNAPSHOT_FLAGS_KNOWN)
		return "it has unknown flags";
	if (snapshot->generation == 0 || snapshot->generation > pass->record.generation)
		return "its generation is not one of the past";
	if (snapshot->parent && !parent)
		return "its parent does not exist";
	if (parent &&
	    (parent->number >= snapshot->number || parent->generation >= snapshot->generation))
		return "it is not younger than its parent";
	if (dying != (pass->record.dying == snapshot->number))
		return "it is dying, or not, against what the record says";
	if (dying && branch)
		return "it is a branch point and dying at once";
	if (dying && snapshot->children > 1)
		return "it is dying and has more than one child";
	if (!dying && snapshot->cursor)
		return "it has a cursor but is not dying";
	if (branch && snapshot->children < 2 && !pass->record.dying)
		return "it is a branch point with fewer than two children";
	if (!end || !verify_zero(end, sizeof(snapshot->name) - (uint64_t)(end - snapshot->name)))
		return "its name is not padded with zeros";
	if (!dying && branch != (snapshot->name[0] == 0))
		return "it has no name, or is a branch point with one";
	if (verify_zero(snapshot->source, sizeof(snapshot->source)) !=
	    (snapshot->source_generation == 0))
		return "it names a store that it was received from without a generation, or the "
		       "other way round";
	if (!snapshot->source_generation && snapshot->source_digest)
		return "it has a digest though it was not received from a store";
	/* An estimate where several descend from one. */
	if (snapshot->held_sectors > pass->record.sectors)
		return "it holds more sectors than the store has";
	return snapshot_root_fault(snapshot);
}

static uint64_t children_count(const struct verify_pass *pass, uint64_t number)
{
	uint64_t count = pass->record.origin == number;

	for (uint64_t i = 0; i < pass->snapshot_count; i++)
		count += pass->snapshots[i].parent == number;
	return count;
}

/* A snapshot's name counts while it lives: a dying one's is free again. */
static bool name_taken_before(const struct verify_pass *pass, uint64_t index)
{
	const struct disk_snapshot *snapshot = &pass->snapshots[index];

	if (!snapshot->name[0] || (snapshot->flags & DISK_SNAPSHOT_DYING))
		return false;
	for (uint64_t i = 0; i < index; i++)
		if (!(pass->snapshots[i].flags & DISK_SNAPSHOT_DYING) &&
		    memcmp(pass->snapshots[i].name, snapshot->name, sizeof(snapshot->name)) == 0)
			return true;
	return false;
}

static void origin_check(struct verify *verify, const struct verify_pass *pass)
{
	const struct disk_record *record = &pass->record;
	const struct disk_snapshot *origin = snapshot_find(pass, record->origin);

	if (record->origin && !origin && !pass->incomplete)
		verify_report_at(
			verify, VERIFY_ERROR, VERIFY_CATALOGUE, NULL, VERIFY_NOWHERE,
			"generation %llu: the live state's origin, snapshot %llu, does not "
			"exist",
			(unsigned long long)record->generation, (unsigned long long)record->origin);
	/* Records of old do not say. */
	if (origin && record->origin_generation && record->origin_generation != origin->generation)
		verify_report_at(verify, VERIFY_ERROR, VERIFY_CATALOGUE, NULL, VERIFY_NOWHERE,
				 "generation %llu: the live state's origin, snapshot %llu, is of "
				 "generation %llu, the record says %llu",
				 (unsigned long long)record->generation,
				 (unsigned long long)record->origin,
				 (unsigned long long)origin->generation,
				 (unsigned long long)record->origin_generation);
}

static void catalogue_check(struct verify *verify, struct verify_pass *pass)
{
	const struct disk_record *record = &pass->record;
	struct verify_place place = {.tree = DISK_TREE_CATALOGUE, .generation = record->generation};

	for (uint64_t i = 0; i < pass->snapshot_count; i++) {
		const struct disk_snapshot *snapshot = &pass->snapshots[i];
		const char *fault = snapshot_fault(pass, snapshot);
		uint64_t children = children_count(pass, snapshot->number);

		place.key = snapshot->number;
		if (fault)
			verify_report_at(verify, VERIFY_ERROR, VERIFY_CATALOGUE, &place,
					 VERIFY_NOWHERE, "%s", fault);
		if (name_taken_before(pass, i))
			verify_report_at(verify, VERIFY_ERROR, VERIFY_CATALOGUE, &place,
					 VERIFY_NOWHERE, "its name is another's as well");
		if (children != snapshot->children)
			verify_report_at(verify, VERIFY_ERROR, VERIFY_CATALOGUE, &place,
					 VERIFY_NOWHERE, "it counts %u children and has %llu",
					 snapshot->children, (unsigned long long)children);
	}
	origin_check(verify, pass);
	if (pass->incomplete)
		return;
	if (record->dying && !snapshot_find(pass, record->dying))
		verify_report_at(verify, VERIFY_ERROR, VERIFY_CATALOGUE, NULL, VERIFY_NOWHERE,
				 "generation %llu: the dying snapshot %llu does not exist",
				 (unsigned long long)record->generation,
				 (unsigned long long)record->dying);
	if (pass->snapshot_count != record->snapshots)
		verify_report_at(verify, VERIFY_ERROR, VERIFY_TOTALS, NULL, VERIFY_NOWHERE,
				 "generation %llu: the record counts %llu snapshots, the catalogue "
				 "has %llu",
				 (unsigned long long)record->generation,
				 (unsigned long long)record->snapshots,
				 (unsigned long long)pass->snapshot_count);
}

void verify_catalogue_list(struct verify *verify, struct verify_pass *pass)
{
	struct verify_space space = {.root = pass->record.catalogue,
				     .generation = {pass->record.generation}};
	struct verify_place place = {.tree = DISK_TREE_CATALOGUE,
				     .generation = pass->record.generation};
	struct disk_snapshot_page page;
	uint64_t key = 1;

	while (verify_tree_next(verify, DISK_TREE_CATALOGUE, &space, &key, &page) == STATUS_OK) {
		place.key = key++;
		if (!snapshot_collect(verify, pass, &place, NULL, &page))
			return;
	}
}

void verify_catalogue_check(struct verify *verify, struct verify_pass *pass)
{
	struct verify_walk walk = {.tree = DISK_TREE_CATALOGUE,
				   .root = &pass->record.catalogue,
				   .generation = pass->record.generation,
				   .page = snapshot_collect};

	verify_tree_walk(verify, pass, &walk);
	catalogue_check(verify, pass);
	if (!pass->predecessor)
		verify->totals.snapshots = pass->snapshot_count;
}

/* ---- free map --------------------------------------------------------- */

static bool map_collect(struct verify *verify, struct verify_pass *pass,
			const struct verify_place *place, const struct disk_reference *reference,
			const void *data)
{
	uint8_t *page = verify_allocate(verify, 1, PAGE_SIZE);

	/* A key beyond the map was reported, and goes no further. */
	ASSERT(place->key < verify->chunk_count);
	if (!page)
		return false;
	memcpy(page, data, PAGE_SIZE);
	free(pass->map[place->key]);
	pass->map[place->key] = page;
	pass->map_count[place->key] = disk_reference_auxiliary(reference);
	return true;
}

static uint64_t blocks_used(const uint8_t *page)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < PAGE_SIZE; i++)
		count += page[i] != 0;
	return count;
}

static uint64_t bits_set(const uint8_t *page)
{
	uint64_t count = 0, word;

	for (unsigned i = 0; i < PAGE_SIZE; i += sizeof(word)) {
		memcpy(&word, page + i, sizeof(word));
		count += (uint64_t)__builtin_popcountll(word);
	}
	return count;
}

static bool page_bit(const uint8_t *page, uint64_t i)
{
	return page && (page[i / 8] >> (i % 8) & 1);
}

/* Reports each run of sectors in which the map and reachability differ. */
static void map_page_differs(struct verify *verify, struct verify_pass *pass, uint64_t index)
{
	uint64_t base = index * DISK_FREE_MAP_SECTORS, i = 0;

	ASSERT(index < verify->chunk_count);
	while (i < DISK_FREE_MAP_SECTORS) {
		bool marked = page_bit(pass->map[index], i);
		uint64_t first = i;

		if (marked == page_bit(pass->used[index], i)) {
			i++;
			continue;
		}
		while (i < DISK_FREE_MAP_SECTORS && page_bit(pass->map[index], i) == marked &&
		       page_bit(pass->used[index], i) != marked)
			i++;
		if (marked && pass->incomplete)
			continue;
		verify_report_at(verify, VERIFY_ERROR, marked ? VERIFY_LEAKED : VERIFY_LOST, NULL,
				 base + first, "generation %llu: sectors %llu-%llu %s",
				 (unsigned long long)pass->record.generation,
				 (unsigned long long)(base + first),
				 (unsigned long long)(base + i - 1),
				 marked ? "are marked used, but nothing refers to them"
					: "are in use, but the free map calls them free");
	}
}

static void map_page_check(struct verify *verify, struct verify_pass *pass, uint64_t index,
			   uint64_t *bits, uint64_t *blocks)
{
	static const uint8_t zeros[PAGE_SIZE];
	const uint8_t *map = pass->map[index] ? pass->map[index] : zeros;
	const uint8_t *used = pass->used[index] ? pass->used[index] : zeros;
	struct verify_place place = {
		.tree = DISK_TREE_FREE_MAP, .key = index, .generation = pass->record.generation};
	uint64_t count = blocks_used(map);

	*bits += bits_set(map);
	*blocks += count;
	if (count != pass->map_count[index])
		verify_report_at(verify, VERIFY_ERROR, VERIFY_AUXILIARY, &place, VERIFY_NOWHERE,
				 "its reference counts %llu used blocks, its bits %llu",
				 (unsigned long long)pass->map_count[index],
				 (unsigned long long)count);
	if (memcmp(map, used, PAGE_SIZE) != 0)
		map_page_differs(verify, pass, index);
}

void verify_map_check(struct verify *verify, struct verify_pass *pass)
{
	struct verify_walk walk = {.tree = DISK_TREE_FREE_MAP,
				   .root = &pass->record.free_map,
				   .generation = pass->record.generation,
				   .page = map_collect};
	bool complete_before = !pass->incomplete;
	uint64_t bits = 0, blocks = 0;

	ASSERT(pass->map && pass->used && pass->map_count);
	verify_tree_walk(verify, pass, &walk);
	if (verify->out_of_memory)
		return;
	if (pass->incomplete && complete_before) {
		verify_report_at(verify, VERIFY_NOTE, VERIFY_LEAKED, NULL, VERIFY_NOWHERE,
				 "generation %llu: the free map is damaged, so free and used "
				 "sectors are not compared",
				 (unsigned long long)pass->record.generation);
		return;
	}
	if (pass->incomplete)
		verify_report_at(verify, VERIFY_NOTE, VERIFY_LEAKED, NULL, VERIFY_NOWHERE,
				 "generation %llu: leaked sectors are not looked for, because a "
				 "map node is damaged",
				 (unsigned long long)pass->record.generation);
	for (uint64_t i = 0; i < verify->chunk_count; i++)
		map_page_check(verify, pass, i, &bits, &blocks);
	if (walk.pages != pass->record.free_map.pages)
		verify_report_at(
			verify, VERIFY_ERROR, VERIFY_TOTALS, NULL, VERIFY_NOWHERE,
			"generation %llu: the record counts %llu free-map pages, there are "
			"%llu",
			(unsigned long long)pass->record.generation,
			(unsigned long long)pass->record.free_map.pages,
			(unsigned long long)walk.pages);
	if (bits != pass->record.used_sectors)
		verify_report_at(verify, VERIFY_ERROR, VERIFY_TOTALS, NULL, VERIFY_NOWHERE,
				 "generation %llu: the record counts %llu used sectors, the free "
				 "map %llu",
				 (unsigned long long)pass->record.generation,
				 (unsigned long long)pass->record.used_sectors,
				 (unsigned long long)bits);
	if (!pass->predecessor)
		verify->totals.used_blocks = blocks;
}
