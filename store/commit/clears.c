/* SPDX-License-Identifier: MIT */
/*
 * clears.c - runs of pages made absent since the last checkpoint.
 *
 * A short sorted list of disjoint runs; runs that touch are one.  A page in it
 * is absent unless it has been written since, and then it is in the cache.
 */
#include "store/store_priv.h"

/* The first run that ends at or after `page`. */
static uint32_t run_at(const struct clears *clears, uint64_t page)
{
	uint32_t i = 0;

	while (i < clears->count && clears->run[i].end < page)
		i++;
	return i;
}

bool clears_add(struct clears *clears, uint64_t first, uint64_t end)
{
	uint32_t at = run_at(clears, first);
	uint32_t after = at;

	ASSERT(first < end && clears->count <= LIMIT_CLEARS);
	while (after < clears->count && clears->run[after].first <= end) {
		if (clears->run[after].first < first)
			first = clears->run[after].first;
		if (clears->run[after].end > end)
			end = clears->run[after].end;
		after++;
	}
	if (after == at && clears->count == LIMIT_CLEARS)
		return false;
	memmove(&clears->run[at + 1], &clears->run[after],
		(clears->count - after) * sizeof(clears->run[0]));
	clears->count = clears->count - (after - at) + 1;
	clears->run[at].first = first;
	clears->run[at].end = end;
	/* In order, and apart. */
	ASSERT(!at || clears->run[at - 1].end < first);
	ASSERT(at + 1 == clears->count || end < clears->run[at + 1].first);
	return true;
}

void clears_join(struct clears *clears, struct clears *more)
{
	for (uint32_t i = 0; i < more->count; i++) {
		bool added = clears_add(clears, more->run[i].first, more->run[i].end);

		ASSERT(added);
	}
	more->count = 0;
}

uint64_t clears_skip(const struct clears *clears, uint64_t page)
{
	for (uint32_t i = run_at(clears, page + 1); i < clears->count; i++)
		if (clears->run[i].first <= page)
			page = clears->run[i].end;
	return page;
}

bool clears_contain(const struct clears *clears, page_t page)
{
	return clears_skip(clears, page.n) != page.n;
}
