/* SPDX-License-Identifier: MIT */
/*
 * range.c - address ranges, and the quarantine where freed ones rest.
 *
 * A range is a naturally aligned power of two of pages.  Fresh space is handed
 * out by moving disk_system.kernel_next or user_next upwards.  A freed range,
 * whose pages are all absent by then, goes into the quarantine, a B+tree:
 *
 *   key    u8 arena, u8 log2 of pages, u64 sequence (big-endian)
 *   value  u64 first page
 *
 * so that the ranges of one size lie first in, first out, behind all smaller
 * ones of their arena.  They are taken again only when fresh space does not
 * suffice: the oldest of the smallest sufficient size, whole.
 *
 * What aligning fresh space skips is not handed out.
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

static void range_key(uint8_t key[RANGE_KEY], enum range_arena arena, uint64_t pages,
		      uint64_t sequence)
{
	ASSERT(arena < RANGE_NONE);
	ASSERT(pages && !(pages & (pages - 1)));
	key[0] = (uint8_t)arena;
	key[1] = (uint8_t)__builtin_ctzll(pages);
	for (uint32_t i = 0; i < 8; i++)
		key[2 + i] = (uint8_t)(sequence >> (56 - 8 * i));
}

static bool range_planned(const struct range_plan *plan, const uint8_t key[RANGE_KEY])
{
	for (uint32_t i = 0; i < plan->count; i++)
		if (plan->range[i].rested && memcmp(plan->range[i].key, key, RANGE_KEY) == 0)
			return true;
	return false;
}

void range_plan_begin(struct range_plan *plan, const struct disk_system *system)
{
	memset(plan, 0, sizeof(*plan));
	plan->next[RANGE_KERNEL] = system->kernel_next;
	plan->next[RANGE_USER] = system->user_next;
}

/* The oldest range at rest that is large enough and not planned yet. */
static enum status range_plan_rested(struct space *space, const struct disk_system *system,
				     struct range_plan *plan, enum range_arena arena,
				     uint64_t pages)
{
	uint8_t after[RANGE_KEY], key[TREE_KEY_MAX];
	uint64_t first;
	size_t length;

	range_key(after, arena, pages, 0); /* sequences begin at 1 */
	for (uint32_t tries = 0; tries <= plan->count; tries++) {
		enum status status = btree_next(space, system->quarantine_root,
						(struct btree_key){after, RANGE_KEY}, key, &length,
						&first, sizeof(first));

		if (status == STATUS_NOT_FOUND)
			return STATUS_LIMIT;
		if (status != STATUS_OK)
			return status;
		if (length != RANGE_KEY)
			return STATUS_CORRUPT;
		if (key[0] != arena)
			return STATUS_LIMIT;
		memcpy(after, key, RANGE_KEY);
		if (!range_planned(plan, key))
			break;
	}
	if (after[1] >= 64 || !range_valid(arena, first, UINT64_C(1) << after[1]))
		return STATUS_CORRUPT;
	plan->range[plan->count].first = first;
	plan->range[plan->count].pages = UINT64_C(1) << after[1];
	plan->range[plan->count].rested = true;
	memcpy(plan->range[plan->count].key, after, RANGE_KEY);
	plan->count++;
	return btree_remove_prepare(space, system->quarantine_root,
				    (struct btree_key){after, RANGE_KEY});
}

enum status range_plan_add(struct space *space, const struct disk_system *system,
			   struct range_plan *plan, enum range_arena arena, uint64_t pages)
{
	uint64_t first = (plan->next[arena] + pages - 1) & ~(pages - 1);

	ASSERT(arena < RANGE_NONE);
	ASSERT(pages && !(pages & (pages - 1)));
	ASSERT(plan->count < RANGES_MAX);
	if (!range_valid(arena, first, pages))
		return range_plan_rested(space, system, plan, arena, pages);
	plan->range[plan->count].first = first;
	plan->range[plan->count].pages = pages;
	plan->count++;
	plan->next[arena] = first + pages;
	return STATUS_OK;
}

void range_plan_commit(struct space *space, struct disk_system *system,
		       const struct range_plan *plan)
{
	/* Fresh space is not handed out again. */
	ASSERT(plan->next[RANGE_KERNEL] >= system->kernel_next);
	ASSERT(plan->next[RANGE_USER] >= system->user_next);
	system->kernel_next = plan->next[RANGE_KERNEL];
	system->user_next = plan->next[RANGE_USER];
	for (uint32_t i = 0; i < plan->count; i++)
		if (plan->range[i].rested)
			btree_remove(space, &system->quarantine_root,
				     (struct btree_key){plan->range[i].key, RANGE_KEY});
}

static enum range_arena range_arena_of(uint64_t first)
{
	return first < USER_ARENA_PAGE ? RANGE_KERNEL : RANGE_USER;
}

enum status range_rest_prepare(struct space *space, const struct disk_system *system,
			       uint64_t first, uint64_t pages, uint32_t nth)
{
	uint8_t key[RANGE_KEY];

	range_key(key, range_arena_of(first), pages, system->quarantine_sequence + 1 + nth);
	return btree_insert_prepare(space, system->quarantine_root,
				    (struct btree_key){key, RANGE_KEY});
}

void range_rest(struct space *space, struct disk_system *system, uint64_t first, uint64_t pages)
{
	uint8_t key[RANGE_KEY];

	ASSERT(range_valid(range_arena_of(first), first, pages));
	range_key(key, range_arena_of(first), pages, ++system->quarantine_sequence);
	btree_insert(space, &system->quarantine_root, (struct btree_key){key, RANGE_KEY}, &first,
		     sizeof(first));
}

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
