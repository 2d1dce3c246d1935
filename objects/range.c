/* SPDX-License-Identifier: MIT */
/*
 * range.c - address ranges: taken, given back, cleared.
 *
 * A range is a naturally aligned power of two of pages.  range_map.c knows which are free.
 *
 * Spaces of version 1 had no map.  Fresh space was handed out by moving
 * disk_system.kernel_next or user_next upwards, and what aligning skipped was lost; freed
 * ranges went whole into the quarantine, a B+tree:
 *
 *   key    u8 arena, u8 log2 of pages, u64 sequence (big-endian)
 *   value  u64 first page
 *
 * range_survey_step makes the map, in which what was never handed out is free, and moves
 * one range after the other over from the quarantine.
 */
#include "objects/objects_priv.h"
#include <string.h>

static const uint64_t arena_first[2] = {KERNEL_ARENA_PAGE, USER_ARENA_PAGE};
static const uint64_t arena_end[2] = {TREE_ARENA_PAGE, USER_ARENA_END};
static_assert(RANGES_MAX == CREATION_PARTS + 1, "one for each part, and that of the messages");

uint64_t range_round(uint64_t pages)
{
	uint64_t rounded = 1;

	ASSERT(pages <= RANGE_LARGEST);
	while (rounded < pages)
		rounded <<= 1;
	return rounded;
}

bool range_valid(enum range_arena arena, uint64_t first, uint64_t pages)
{
	ASSERT(arena < RANGE_NONE);
	return pages && !(pages & (pages - 1)) && !(first & (pages - 1)) &&
	       first >= arena_first[arena] && first < arena_end[arena] &&
	       pages <= arena_end[arena] - first;
}

/* Who gets a range finds nothing in it.  A map that says that the range of a living object
 * is free is wrong: it is told so, and the next one gets another. */
static enum status range_unused(struct space *space, uint64_t first, uint64_t pages)
{
	const void *page;
	enum status status = space_read_zeros(space, (page_t){first}, &page), given_up;

	if (status == STATUS_OK && space_blank(page))
		return STATUS_OK;
	if (status != STATUS_OK && !space_lost(space, status))
		return status;
	/* What hangs on one damaged node of the store's map goes at once. */
	given_up = range_give_up(space, first, pages < STORE_NODE_PAGES ? pages : STORE_NODE_PAGES);
	return given_up == STATUS_OK ? STATUS_CORRUPT : given_up;
}

enum status range_plan_add(struct space *space, const struct disk_system *system,
			   struct range_plan *plan, enum range_arena arena, uint64_t pages,
			   uint64_t beside)
{
	uint64_t larger = pages > beside ? pages : beside, smaller = pages + beside - larger, first;
	enum status status;

	ASSERT(arena < RANGE_NONE);
	ASSERT(pages && !(pages & (pages - 1)) && !(beside & (beside - 1)));
	ASSERT(plan->count + 1 + (beside > 0) <= RANGES_MAX);
	if (system->version < SYSTEM_VERSION_MAP)
		return STATUS_BUSY;
	status = range_find(space, arena, beside ? 2 * larger : pages, &first);
	if (status == STATUS_LIMIT && system->quarantine_root)
		return STATUS_BUSY;
	/* The smaller one behind the larger one: both are aligned then. */
	if (status == STATUS_OK)
		status = range_unused(space, first, larger);
	if (status == STATUS_OK && beside)
		status = range_unused(space, first + larger, smaller);
	if (status == STATUS_OK)
		status = range_take_prepare(space, first, larger, smaller);
	if (status != STATUS_OK)
		return status;
	plan->range[plan->count++] =
		(struct range){pages == larger ? first : first + larger, pages};
	if (beside)
		plan->range[plan->count++] =
			(struct range){pages == larger ? first + larger : first, beside};
	return STATUS_OK;
}

void range_plan_commit(struct space *space, struct disk_system *system,
		       const struct range_plan *plan)
{
	for (uint32_t i = 0; i < plan->count; i++) {
		uint64_t first = plan->range[i].first, end = first + plan->range[i].pages;
		uint64_t *next =
			first < USER_ARENA_PAGE ? &system->kernel_next : &system->user_next;

		range_take(space, first, plan->range[i].pages);
		if (*next < end)
			*next = end;
	}
}

/* ---- a space of version 1 --------------------------------------------------------------- */

enum status range_survey_begin(struct space *space)
{
	struct disk_system *system;
	enum status status = system_prepare(space, &system);

	if (status == STATUS_OK)
		status = range_map_prepare(space, RANGE_KERNEL, system->kernel_next);
	if (status == STATUS_OK)
		status = range_map_prepare(space, RANGE_USER, system->user_next);
	if (status != STATUS_OK)
		return status;
	ASSERT(system->version < SYSTEM_VERSION_MAP);

	/* Commit point. */
	range_map_begin(space, RANGE_KERNEL, system->kernel_next);
	range_map_begin(space, RANGE_USER, system->user_next);
	system->version = SYSTEM_VERSION_MAP;
	return STATUS_OK;
}

static bool rested_sound(const uint8_t *key, uint64_t first, uint64_t *pages)
{
	if (key[0] >= RANGE_NONE || key[1] > __builtin_ctzll(RANGE_LARGEST))
		return false;
	*pages = UINT64_C(1) << key[1];
	return range_valid(key[0], first, *pages);
}

/* One range leaves the quarantine.  What does not make sense, or is free already, leaves
 * it for nothing. */
static enum status range_survey_move(struct space *space)
{
	struct disk_system *system;
	uint8_t key[TREE_KEY_MAX];
	uint64_t first, pages = 0;
	size_t length;
	enum status status = system_prepare(space, &system), given;

	if (status == STATUS_OK)
		status = btree_next(space, system->quarantine_root, (struct btree_key){NULL, 0},
				    key, &length, &first, sizeof(first));
	if (status == STATUS_OK && length != RANGE_KEY)
		status = STATUS_CORRUPT;
	if (status == STATUS_OK)
		status = btree_remove_prepare(space, system->quarantine_root,
					      (struct btree_key){key, RANGE_KEY});
	if (status != STATUS_OK)
		return status == STATUS_NOT_FOUND ? STATUS_CORRUPT : status;
	given = rested_sound(key, first, &pages) ? range_give_prepare(space, first, pages)
						 : STATUS_CORRUPT;
	if (given != STATUS_OK && given != STATUS_CORRUPT)
		return given;

	/* Commit point. */
	btree_remove(space, &system->quarantine_root, (struct btree_key){key, RANGE_KEY});
	if (given == STATUS_OK)
		range_give(space, first, pages);
	return STATUS_OK;
}

enum status range_survey_step(struct space *space, bool *more)
{
	const struct disk_system *system;
	enum status status = system_read(space, &system);

	*more = false;
	if (status != STATUS_OK)
		return status;
	if (system->version < SYSTEM_VERSION_MAP)
		status = range_survey_begin(space);
	else if (system->quarantine_root)
		status = range_survey_move(space);
	else
		return STATUS_OK;
	*more = status == STATUS_OK;
	return status;
}

/* ---- clearing ----------------------------------------------------------------------------- */

enum status range_clear_step(struct space *space, uint64_t first, uint64_t end, bool *cleared,
			     uint64_t *damage)
{
	enum status status;
	page_t page = {first};
	uint64_t stop;

	*cleared = true;
	if (first >= end)
		return STATUS_OK;
	status = store_page_next(space->store, page, (page_t){end}, &page);
	if (status == STATUS_NOT_FOUND)
		return STATUS_OK;
	*cleared = false;
	*damage = page.n;
	if (status == STATUS_IO)
		space->failed = page;
	if (status != STATUS_OK)
		return status;
	ASSERT(page.n >= first);
	ASSERT(page.n < end);
	/* What hangs on one node is hidden by damage as a whole; the next node may be
	 * damaged, and reading it is for the next step. */
	stop = (page.n | (STORE_NODE_PAGES - 1)) + 1;
	if (stop > end)
		stop = end;
	return store_pages_clear(space->store, page, stop - page.n);
}
