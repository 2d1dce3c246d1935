/* SPDX-License-Identifier: MIT */
/*
 * essential.c - pages that stay usable when all else is used up.
 *
 * The owner names a few runs of pages: those of whoever must be able to look, to
 * end others and to give space back when the store, the memory or the list of
 * changes is full.  For them blocks and changes are set aside that no other page
 * can reserve (reserve.c), and frames that nobody else can make unevictable.  Once
 * read they stay in memory, and with them the nodes of the map above them: to dirty a
 * page, or to learn that it is absent, asks for its node, and the disk may be away.
 */
#include "store/store_priv.h"

static_assert(LIMIT_ESSENTIAL_BLOCKS == STORE_ESSENTIAL_BLOCKS, "others reckon with it");

bool essential_any(const struct store *store)
{
	return store->essential.count != 0;
}

uint32_t essential_run(const struct store *store, page_t page)
{
	const struct store_pages *run = store->essential.run;
	uint32_t i = 0;

	while (i < store->essential.count && page.n - run[i].first.n >= run[i].count)
		i++;
	return i;
}

bool essential_page(const struct store *store, page_t page)
{
	return essential_run(store, page) < store->essential.count;
}

bool essential_key(const struct store *store, uint64_t key)
{
	return store->essential.count && key & KEY_SPACE &&
	       essential_page(store, (page_t){key & KEY_NUMBER});
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

/*
 * A node has no place of its own in the cache, and a commit writes it elsewhere.  So
 * nothing holds it there; it is looked at before it could have come to the end of the
 * list of what is given up next, and after a commit, which has put it there anew.  Each
 * search for a victim passes over no more than half of LIMIT_EVICT_SCAN others.
 */
static bool essential_due(const struct store *store)
{
	const struct essential *essential = &store->essential;

	return essential->generation != store->record.generation ||
	       store->statistics.evictions - essential->evictions >=
		       store->cache.lru_count / LIMIT_EVICT_SCAN;
}

/* The next leaf of the run.  False: it has to be read, and is. */
static bool essential_leaf(struct store *store, const struct store_pages *run)
{
	struct essential *essential = &store->essential;
	uint32_t *pause = &essential->pause[essential->at_run];
	uint64_t page = run->first.n + essential->at_page;
	enum status status =
		map_readable(store, &store->record.space, DISK_TREE_SPACE, page, page + 1);

	ASSERT(essential->at_run < essential->count && essential->at_page < run->count);
	if (status == STATUS_WAIT)
		return false;
	essential->at_page += DISK_NODE_ENTRIES - page % DISK_NODE_ENTRIES;
	if (status == STATUS_OK) {
		if (essential->at_page >= run->count)
			*pause = 0;
		return true;
	}
	*pause = *pause < LIMIT_ESSENTIAL_PAUSE / 2 ? 2 * *pause + 1 : LIMIT_ESSENTIAL_PAUSE;
	essential->again[essential->at_run] = store->record.generation + *pause;
	essential->at_page = run->count;
	return true;
}

/* A leaf a time; it is asked for again until it is there.  What cannot be read, for the
 * disk fails or is damaged, is left alone for twice as many commits each time. */
void essential_nodes_step(struct store *store)
{
	struct essential *essential = &store->essential;
	const struct store_pages *run = &essential->run[essential->at_run];

	if (!essential->count ||
	    (!essential->at_run && !essential->at_page && !essential_due(store)))
		return;
	ASSERT(essential->at_run < essential->count);
	if (!essential->at_page && store->record.generation < essential->again[essential->at_run])
		essential->at_page = run->count;
	if (essential->at_page < run->count && !essential_leaf(store, run))
		return;
	if (essential->at_page < run->count)
		return;
	essential->at_page = 0;
	if (++essential->at_run < essential->count)
		return;
	essential->at_run = 0;
	essential->generation = store->record.generation;
	essential->evictions = store->statistics.evictions;
}

static bool essential_same(const struct essential *essential, const struct store_pages *run,
			   uint32_t count)
{
	if (essential->count != count)
		return false;
	for (uint32_t i = 0; i < count; i++)
		if (essential->run[i].first.n != run[i].first.n ||
		    essential->run[i].count != run[i].count)
			return false;
	return true;
}

bool store_essential_set(struct store *store, const struct store_pages *run, uint32_t count)
{
	ASSERT(count <= STORE_ESSENTIAL_RUNS);
	/* The owner looks again and again while the disk fails: the pauses go on. */
	if (essential_same(&store->essential, run, count))
		return false;
	/* Resident already: frames change between evictable and not. */
	cache_essential_change(store, false);
	store->essential = (struct essential){.count = count};
	for (uint32_t i = 0; i < count; i++)
		store->essential.run[i] = run[i];
	cache_essential_change(store, true);
	return true;
}
