/* SPDX-License-Identifier: MIT */
/*
 * essential.c - pages that stay usable when all else is used up.
 *
 * The owner names a few runs of pages: those of whoever must be able to look, to
 * end others and to give space back when the store, the memory or the list of
 * changes is full.  For them blocks and changes are set aside that no other page
 * can reserve (reserve.c), and frames that nobody else can make unevictable.  Once
 * read they stay in memory.
 */
#include "store/store_priv.h"

bool essential_page(const struct store *store, uint64_t page)
{
	const struct store_pages *run = store->essential.run;

	for (uint32_t i = 0; i < store->essential.count; i++)
		if (page - run[i].first.n < run[i].count)
			return true;
	return false;
}

bool essential_key(const struct store *store, uint64_t key)
{
	return store->essential.count && key & KEY_SPACE && essential_page(store, key & KEY_NUMBER);
}

uint32_t essential_frames(const struct store *store)
{
	uint32_t most = store->cache.donated / 8;

	if (!store->essential.count)
		return 0;
	return most < LIMIT_ESSENTIAL_FRAMES ? most : LIMIT_ESSENTIAL_FRAMES;
}

uint64_t essential_blocks(const struct store *store, uint64_t total)
{
	if (!store->essential.count)
		return 0;
	return total / 20 < LIMIT_ESSENTIAL_BLOCKS ? total / 20 : LIMIT_ESSENTIAL_BLOCKS;
}

void store_essential_set(struct store *store, const struct store_pages *run, uint32_t count)
{
	STORE_CHECK(count <= STORE_ESSENTIAL_RUNS);
	/* Resident already: frames change between evictable and not. */
	cache_essential_change(store, false);
	store->essential.count = count;
	for (uint32_t i = 0; i < count; i++)
		store->essential.run[i] = run[i];
	cache_essential_change(store, true);
}
