/* SPDX-License-Identifier: MIT */
/*
 * btree_pool.c - pages for B+trees.
 *
 * Pages that trees have given back form a list from disk_system.tree_free
 * through `next`; behind it come the pages of the tree arena never used, from
 * disk_system.tree_next on.  btree_pool_prepare makes the first of them
 * writable, as many as all changes prepared in this operation can take
 * (space->tree_spares), so that btree_pool_take always finds one: what is given
 * back in between is writable too and is taken first.
 */
#include "objects/objects_priv.h"
#include <string.h>

/* TREE_CHANGES_MAX changes, each of which can split every level and add one. */
#define TREE_SPARES_MAX 112u
static_assert(TREE_SPARES_MAX >= TREE_CHANGES_MAX * (TREE_DEPTH_MAX + 1) +
					 TREE_CHANGES_MAX * (TREE_CHANGES_MAX - 1) / 2,
	      "a tree can be one level higher for each change that is prepared before");

/* A free page must not be met twice, or it would be handed out twice. */
static bool pool_met(const uint64_t *met, uint32_t count, uint64_t page)
{
	for (uint32_t i = 0; i < count; i++)
		if (met[i] == page)
			return true;
	return false;
}

static enum status pool_prepare_free(struct space *space, uint64_t page, uint64_t *next)
{
	struct disk_tree_page *node;
	void *data;
	enum status status;

	if (!btree_page_valid(page))
		return STATUS_CORRUPT;
	status = space_write(space, (page_t){page}, &data);
	if (status != STATUS_OK)
		return status;
	node = data;
	*next = node->next;
	return node->magic == TREE_FREE_MAGIC ? STATUS_OK : STATUS_CORRUPT;
}

enum status btree_pool_prepare(struct space *space, uint32_t count)
{
	uint64_t met[TREE_SPARES_MAX], page, fresh;
	uint32_t spares = space->tree_spares + count;
	struct disk_system *system;
	enum status status = system_prepare(space, &system);

	ASSERT(spares <= TREE_SPARES_MAX);
	ASSERT(count);
	if (status != STATUS_OK)
		return status;
	page = system->tree_free;
	fresh = system->tree_next;
	for (uint32_t i = 0; i < spares; i++) {
		void *data;

		if (page) {
			if (pool_met(met, i, page))
				return STATUS_CORRUPT;
			met[i] = page;
			status = pool_prepare_free(space, page, &page);
		} else if (fresh < USER_ARENA_PAGE) {
			status = space_write(space, (page_t){fresh++}, &data);
			/* Only damage hands out what is a page of a tree. */
			if (status == STATUS_OK && ((const struct disk_tree_page *)data)->magic)
				status = STATUS_CORRUPT;
		} else {
			status = STATUS_LIMIT;
		}
		if (status != STATUS_OK)
			return status;
	}
	space->tree_spares = spares;
	return STATUS_OK;
}

uint64_t btree_pool_take(struct space *space, struct disk_tree_page **node)
{
	struct disk_system *system = space_writable(space, (page_t){SYSTEM_PAGE});
	uint64_t page = system->tree_free;

	if (page) {
		*node = space_writable(space, (page_t){page});
		ASSERT((*node)->magic == TREE_FREE_MAGIC);
		system->tree_free = (*node)->next;
	} else {
		page = system->tree_next++;
		ASSERT(page < USER_ARENA_PAGE);
		*node = space_writable(space, (page_t){page});
	}
	if (space->tree_spares)
		space->tree_spares--;
	space->tree_pages++;
	ASSERT(btree_page_valid(page));
	return page;
}

void btree_pool_give(struct space *space, uint64_t page)
{
	struct disk_system *system = space_writable(space, (page_t){SYSTEM_PAGE});
	struct disk_tree_page *node = space_writable(space, (page_t){page});

	ASSERT(btree_page_valid(page));
	ASSERT(node->magic == TREE_MAGIC); /* given back once */
	space->tree_pages--;
	memset(node, 0, sizeof(*node));
	node->magic = TREE_FREE_MAGIC;
	node->next = system->tree_free;
	system->tree_free = page;
}
