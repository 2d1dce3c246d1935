/* SPDX-License-Identifier: MIT */
/*
 * delta.c - the changed pages that a delta record holds itself.
 *
 * A delta repeats its base's trees and says of every page written since where it
 * is now.  Its extents are free in the free map, which is the base's as well, so
 * they are claimed only after the map was compared with the trees; whatever they
 * meet then is used twice.
 */
#include "tools/verify/verify_priv.h"
#include "base/assert.h"

#include <string.h>

const struct disk_delta *verify_delta_find(const struct disk_delta *delta, uint32_t entries,
					   uint64_t page, uint32_t *index)
{
	uint32_t low = 0, high = entries;

	ASSERT(delta || !entries);
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (delta[middle].page < page)
			low = middle + 1;
		else
			high = middle;
	}
	*index = low;
	return low < entries && delta[low].page == page ? &delta[low] : NULL;
}

/* ---- a delta and the record before it --------------------------------------- */

static const char *repeats_fault(const struct disk_record *earlier, const struct disk_record *later)
{
	if (later->base != earlier->base)
		return "the delta builds on another generation than its predecessor";
	if (memcmp(&later->space, &earlier->space, sizeof(later->space)) != 0 ||
	    memcmp(&later->free_map, &earlier->free_map, sizeof(later->free_map)) != 0 ||
	    memcmp(&later->catalogue, &earlier->catalogue, sizeof(later->catalogue)) != 0)
		return "a root of the delta is not its base's";
	if (later->sectors != earlier->sectors || later->used_sectors != earlier->used_sectors)
		return "size or used sectors of the delta are not its base's";
	if (later->snapshots != earlier->snapshots || later->origin != earlier->origin ||
	    later->origin_generation != earlier->origin_generation ||
	    later->dying != earlier->dying || later->next_snapshot != earlier->next_snapshot)
		return "what the delta says of snapshots is not what its base says";
	if (memcmp(later->label, earlier->label, sizeof(later->label)) != 0 ||
	    memcmp(&later->retention, &earlier->retention, sizeof(later->retention)) != 0)
		return "label or retention of the delta are not its base's";
	return NULL;
}

/* Deltas are cumulative: each entry is the predecessor's, or is newer than it. */
static const char *entries_fault(const struct disk_record *earlier,
				 const struct disk_delta *earlier_entry,
				 const struct disk_record *later,
				 const struct disk_delta *later_entry)
{
	uint32_t old = 0;

	for (uint32_t i = 0; i < later->entries; i++) {
		const struct disk_delta *entry = &later_entry[i];
		bool both = old < earlier->entries && earlier_entry[old].page == entry->page;

		if (old < earlier->entries && earlier_entry[old].page < entry->page)
			break;
		if (entry->reference.birth <= earlier->generation &&
		    (!both || memcmp(&earlier_entry[old].reference, &entry->reference,
				     sizeof(entry->reference)) != 0))
			return "an entry of the delta is old, but its predecessor has it otherwise";
		old += both;
	}
	return old == earlier->entries ? NULL : "the delta has lost an entry of its predecessor";
}

const char *verify_delta_chain_fault(const struct verify *verify, const struct disk_record *earlier,
				     const struct disk_record *later)
{
	const char *fault;

	if (later->kind != DISK_RECORD_DELTA)
		return NULL;
	ASSERT(earlier->slot < DISK_RING_SLOTS && later->slot < DISK_RING_SLOTS);
	fault = repeats_fault(earlier, later);
	return fault ? fault
		     : entries_fault(earlier, verify->delta[earlier->slot], later,
				     verify->delta[later->slot]);
}

/* ---- the entries of one generation ------------------------------------------- */

static bool any_bit(uint8_t *const *bits, const struct disk_reference *reference)
{
	uint64_t sector = disk_reference_sector(reference).n;
	const uint8_t *page = bits ? bits[sector / DISK_FREE_MAP_SECTORS] : NULL;
	unsigned mask = ((1u << reference->sectors) - 1) << sector % BLOCK_SECTORS;

	return page && (page[sector % DISK_FREE_MAP_SECTORS / BLOCK_SECTORS] & mask);
}

void verify_delta_check(struct verify *verify, struct verify_pass *pass)
{
	struct verify_place place = {.tree = DISK_TREE_SPACE,
				     .generation = pass->record.generation};

	ASSERT(pass->delta || !pass->record.entries);
	for (uint32_t i = 0; i < pass->record.entries; i++) {
		const struct disk_reference *reference = &pass->delta[i].reference;
		uint64_t sector = disk_reference_sector(reference).n;

		place.key = pass->delta[i].page;
		if (!verify_reference_check(verify, &place, reference, place.generation))
			continue;
		if (any_bit(pass->map, reference))
			verify_report_at(verify, VERIFY_ERROR, VERIFY_DELTA, &place, sector,
					 "sectors of a delta are marked used in the free map");
		if (any_bit(pass->used, reference))
			verify_report_at(verify, VERIFY_ERROR, VERIFY_OVERLAP, &place, sector,
					 "sectors of a delta belong to another extent as well");
		else
			verify_tree_page(verify, pass, &place, reference);
	}
}
