/* SPDX-License-Identifier: MIT */
/*
 * stats_layout.c - how scattered free space and live pages are.
 *
 * Free space is looked at in blocks, because that is what a page that does not
 * compress needs.  Pages count as lying together when the next begins near the
 * end of the last: short extents fill gaps in a write, so that the order within
 * it is not that of the pages, but one read has them all.
 */
#include <string.h>

#include "tools/mkstore/stats_priv.h"

#define NEAR_SECTORS 128u /* 64 KiB: the largest write */
#define MAP_BLOCKS   (DISK_FREE_MAP_SECTORS / BLOCK_SECTORS)

/* ---- free space ------------------------------------------------------------------ */

struct free_scan {
	const struct survey *survey;
	struct stats_layout *layout;
	uint64_t block, end; /* the next one; behind the last of the store */
	uint64_t run;	     /* free blocks up to here */
};

static void scan_run_end(struct free_scan *scan)
{
	if (scan->run > scan->layout->largest_run)
		scan->layout->largest_run = scan->run;
	scan->layout->free_runs += scan->run != 0;
	scan->run = 0;
}

static void scan_block(struct free_scan *scan, uint8_t used)
{
	unsigned count = (unsigned)__builtin_popcount(used);

	if (!used) {
		scan->layout->free_blocks++;
		scan->run++;
		return;
	}
	scan->layout->slack_sectors += BLOCK_SECTORS - count;
	scan_run_end(scan);
}

/* Blocks of pages of the free map that do not exist, up to before `end`. */
static void scan_gap(struct free_scan *scan, uint64_t end)
{
	if (end > scan->end)
		end = scan->end;
	if (end <= scan->block)
		return;
	scan->layout->free_blocks += end - scan->block;
	scan->run += end - scan->block;
	scan->block = end;
}

/* The delta's sectors are used, though the map calls them free. */
static void scan_delta(const struct free_scan *scan, uint64_t key, uint8_t *bits)
{
	const struct verify_space *live = &scan->survey->live;

	for (uint32_t i = 0; i < live->entries; i++) {
		const struct disk_reference *reference = &live->delta[i].reference;
		uint64_t sector = disk_reference_sector(reference).n;

		for (unsigned s = 0; s < reference->sectors; s++, sector++)
			if (sector / DISK_FREE_MAP_SECTORS == key)
				bits[sector % DISK_FREE_MAP_SECTORS / 8] |=
					(uint8_t)(1u << sector % 8);
	}
}

/* The first page of the free map at or after `key` that the delta has sectors in. */
static uint64_t scan_delta_next(const struct free_scan *scan, uint64_t key)
{
	const struct verify_space *live = &scan->survey->live;
	uint64_t next = UINT64_MAX;

	for (uint32_t i = 0; i < live->entries; i++) {
		const struct disk_reference *reference = &live->delta[i].reference;
		uint64_t there = disk_reference_sector(reference).n / DISK_FREE_MAP_SECTORS;

		if (reference->sectors && there >= key && there < next)
			next = there;
	}
	return next;
}

static void scan_page(struct free_scan *scan, uint64_t key, uint8_t *bits)
{
	uint64_t first = key * MAP_BLOCKS;

	scan_delta(scan, key, bits);
	scan_gap(scan, first);
	for (uint64_t block = scan->block; block < first + MAP_BLOCKS && block < scan->end; block++)
		scan_block(scan, bits[block - first]);
	if (scan->block < first + MAP_BLOCKS)
		scan->block = first + MAP_BLOCKS;
}

static enum status free_scan(const struct survey *survey, struct stats_layout *layout)
{
	struct free_scan scan = {.survey = survey,
				 .layout = layout,
				 .block = DISK_DATA_SECTOR / BLOCK_SECTORS,
				 .end = verify_record(survey->verify)->sectors / BLOCK_SECTORS};
	struct verify_space map;
	uint8_t bits[PAGE_SIZE];
	uint64_t key = 0;
	enum status status = verify_space_generation(survey->verify, survey->live.generation,
						     DISK_TREE_FREE_MAP, &map);

	while (status == STATUS_OK) {
		uint64_t found = key, delta = scan_delta_next(&scan, key);

		status = verify_tree_next(survey->verify, DISK_TREE_FREE_MAP, &map, &found, bits);
		if (status != STATUS_OK && status != STATUS_NOT_FOUND)
			return status;
		if (status == STATUS_NOT_FOUND || delta < found) {
			if (delta == UINT64_MAX)
				break;
			found = delta;
			memset(bits, 0, sizeof(bits));
			status = STATUS_OK;
		}
		scan_page(&scan, found, bits);
		key = found + 1;
	}
	scan_gap(&scan, scan.end);
	scan_run_end(&scan);
	layout->free_sectors = layout->free_blocks * BLOCK_SECTORS + layout->slack_sectors;
	return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* ---- live pages ------------------------------------------------------------------ */

struct data_scan {
	struct stats_layout *layout;
	uint64_t end; /* sector behind the last extent */
};

static void data_page(void *context, uint64_t page, const struct disk_reference *reference)
{
	struct data_scan *scan = context;
	uint64_t sector = disk_reference_sector(reference).n;
	uint64_t distance = sector > scan->end ? sector - scan->end : scan->end - sector;

	(void)page;
	if (!reference->sectors)
		return;
	scan->layout->data_extents++;
	if (distance > NEAR_SECTORS)
		scan->layout->data_runs++;
	scan->end = sector + reference->sectors;
}

enum status stats_layout(const struct survey *survey, struct stats_layout *layout)
{
	struct data_scan scan = {.layout = layout};

	*layout = (struct stats_layout){.free_sectors = 0};
	survey_pages(survey, &scan, data_page);
	return free_scan(survey, layout);
}
