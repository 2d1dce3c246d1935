/* SPDX-License-Identifier: MIT */
/*
 * stats.c - `stats`: what takes the space of a store.
 *
 *   used = live state only + one snapshot only + shared + replaced
 *          + free map + catalogue
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/quantity.h"
#include "base/assert.h"
#include "tools/mkstore/command.h"
#include "tools/mkstore/owner.h"
#include "tools/mkstore/text.h"
#include "tools/mkstore/show.h"
#include "tools/mkstore/survey.h"

/* ---- where things lie ------------------------------------------------------------ */

/*
 * Free space is looked at in blocks, because that is what a page that does not
 * compress needs.  Pages count as lying together when the next begins near the
 * end of the last: short extents fill gaps in a write, so that the order within
 * it is not that of the pages, but one read has them all.
 */
struct stats_layout {
	uint64_t free_sectors;
	uint64_t free_blocks;	/* blocks without any used sector */
	uint64_t free_runs;	/* of such blocks, side by side */
	uint64_t largest_run;	/* blocks */
	uint64_t slack_sectors; /* free ones in blocks that are used in part */
	uint64_t data_extents;	/* of live pages */
	uint64_t data_runs;	/* in the order of pages, so many begin far from the last */
};

#define NEAR_SECTORS 128u /* 64 KiB: the largest write */
#define MAP_BLOCKS   (DISK_FREE_MAP_SECTORS / BLOCK_SECTORS)

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
	for (uint64_t block = scan->block; block < first + MAP_BLOCKS && block < scan->end;
	     block++) {
		ASSERT(block >= first); /* what is before was a gap */
		scan_block(scan, bits[block - first]);
	}
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

/* OK; NO_MEMORY, CORRUPT, IO: the free map could not be read to its end. */
static enum status stats_layout(const struct survey *survey, struct stats_layout *layout)
{
	struct data_scan scan = {.layout = layout};

	*layout = (struct stats_layout){.free_sectors = 0};
	survey_pages(survey, &scan, data_page);
	return free_scan(survey, layout);
}

struct stats {
	struct inspect inspect;
	struct survey survey;
	struct stats_layout layout;
	struct show *show;
};

/* "12.3" for 123 of 1000 in hundredths; "-" of nothing. */
static const char *stats_ratio(char out[TEXT_SIZE], uint64_t part, uint64_t whole, unsigned times)
{
	uint64_t tenths = whole ? (uint64_t)((__uint128_t)part * times * 10 / whole) : 0;

	if (whole)
		snprintf(out, TEXT_SIZE, "%" PRIu64 ".%" PRIu64, tenths / 10, tenths % 10);
	else
		snprintf(out, TEXT_SIZE, "-");
	return out;
}

/* ---- facts ----------------------------------------------------------------------- */

static void stats_space(struct stats *stats)
{
	struct show *show = stats->show;
	const struct survey *survey = &stats->survey;
	const struct disk_record *record = verify_record(survey->verify);
	uint64_t snapshots = 0, used = record->used_sectors;

	for (uint32_t i = 0; i < survey->live.entries; i++)
		used += survey->live.delta[i].reference.sectors;
	for (uint32_t i = 1; i < survey->owners; i++)
		snapshots += survey->owner[i].exclusive;
	fact_number(show, "generation", "generation", record->generation);
	fact_sectors(show, "sectors", "size", record->sectors);
	fact_sectors(show, "used_sectors", "used", used);
	fact_sectors(show, "live_sectors", "  live state only", survey->owner[0].exclusive);
	fact_sectors(show, "snapshot_sectors", "  one snapshot only", snapshots);
	fact_sectors(show, "shared_sectors", "  shared", survey->shared_sectors);
	fact_sectors(show, "replaced_sectors", "  replaced", survey->replaced_sectors);
	fact_sectors(show, "free_map_sectors", "  free map", survey->free_map_sectors);
	fact_sectors(show, "catalogue_sectors", "  catalogue", survey->catalogue_sectors);
	fact_sectors(show, "page_sectors", "of it pages", survey->page_sectors);
	fact_sectors(show, "node_sectors", "of it map nodes", survey->node_sectors);
}

static void stats_compression(struct stats *stats)
{
	const struct survey *survey = &stats->survey;
	struct show *show = stats->show;
	uint64_t pages = survey->raw_pages + survey->compressed_pages;
	char text[TEXT_SIZE * 3], ratio[TEXT_SIZE], size[TEXT_SIZE];

	snprintf(text, sizeof(text), "%s %% of %s",
		 stats_ratio(ratio, survey->page_sectors, pages * BLOCK_SECTORS, 100),
		 text_size(size, pages * PAGE_SIZE));
	fact_text(show, NULL, "pages are stored in", text);
	fact_number(show, "raw_pages", "raw pages", survey->raw_pages);
	fact_number(show, "compressed_pages", "compressed pages", survey->compressed_pages);
	fact_number(show, "compressed_bytes", NULL, survey->stored_bytes);
	fact_number(show, "zero_pages", "live pages of zeros", survey->zero_pages);
}

static void stats_fragmentation(struct stats *stats)
{
	const struct stats_layout *layout = &stats->layout;
	struct show *show = stats->show;
	char text[TEXT_SIZE];

	fact_sectors(show, "free_sectors", "free", layout->free_sectors);
	fact_sectors(show, "slack_sectors", "  in part-used blocks", layout->slack_sectors);
	fact_number(show, "free_blocks", NULL, layout->free_blocks);
	fact_number(show, "free_runs", "  runs of free blocks", layout->free_runs);
	fact_number_as(show, "largest_run_blocks", "  largest run", layout->largest_run,
		       text_size(text, layout->largest_run * BLOCK_SIZE));
	fact_number(show, "live_extents", "live extents", layout->data_extents);
	fact_number_as(show, "live_runs", "  in runs of", layout->data_runs,
		       stats_ratio(text, layout->data_extents, layout->data_runs, 1));
}

/* ---- lists ----------------------------------------------------------------------- */

static void stats_owners(struct stats *stats)
{
	static const struct show_column columns[] = {
		{"snapshot", "SNAPSHOT", 8},
		{"generation", "GENERATION", 10},
		{"pages", "PAGES", 10},
		{"sectors", "REACHES", 10},
		{"exclusive_sectors", "EXCLUSIVE", 10},
		{"shared_sectors", "SHARED", 10},
		SHOW_GAP,
		{"name", "NAME", 0},
		{0},
	};
	struct show *show = stats->show;

	show_list(show, "owners", columns);
	for (uint32_t i = 0; i < stats->survey.owners; i++) {
		const struct survey_owner *owner = &stats->survey.owner[i];
		const struct disk_snapshot *snapshot = owner->snapshot;

		show_row(show);
		if (snapshot)
			show_number(show, snapshot->number);
		else
			show_number_as(show, 0, "live");
		show_number(show,
			    snapshot ? snapshot->generation : stats->survey.live.generation.n);
		show_number(show, owner->pages);
		show_sectors(show, owner->reached);
		show_sectors(show, owner->exclusive);
		show_sectors(show, owner->reached - owner->exclusive);
		if (snapshot)
			SHOW_FIELD(show, snapshot->name);
		else
			show_name(show, "", 0, "");
	}
	show_list_end(show);
}

static void stats_commits(struct stats *stats, uint64_t most)
{
	static const struct show_column columns[] = {
		{"generation", "COMMIT", 10},  {"kind", "KIND", -5},
		{"pages", "PAGES", 9},	       {"page_sectors", "DATA", 10},
		{"other_sectors", "MAPS", 10}, {"record_sectors", "RECORD", 10},
		{NULL, "PER BYTE", 8},	       {0},
	};
	struct show *show = stats->show;
	char ratio[TEXT_SIZE];

	show_list(show, "commits", columns);
	for (uint32_t i = 0; i < stats->survey.commits && i < most; i++) {
		const struct survey_commit *commit = &stats->survey.commit[i];
		uint64_t written =
			commit->page_sectors + commit->other_sectors + commit->record_sectors;

		show_row(show);
		show_number(show, commit->generation);
		show_text(show, commit->delta ? "delta" : "full");
		show_number(show, commit->pages);
		show_sectors(show, commit->page_sectors);
		show_sectors(show, commit->other_sectors);
		show_sectors(show, commit->record_sectors);
		show_member(show, stats_ratio(ratio, written, commit->pages * BLOCK_SECTORS, 1));
	}
	show_list_end(show);
}

/* ---- objects --------------------------------------------------------------------- */

/* owner.c knows which pages belong to whom, the survey where they lie.  Pages of nobody are
 * those of the system itself: object table, trees, the ranges of what was destroyed. */
struct object {
	uint64_t pages, sectors, shared;
};

struct objects {
	const struct survey *survey;
	struct owners *owners;
	struct object *object; /* [0]: what belongs to nobody */
};

static void page_count(void *context, uint64_t page, const struct disk_reference *reference)
{
	struct objects *objects = context;
	uint32_t index = owners_object(objects->owners, 0, page);
	struct object *object = &objects->object[index];

	ASSERT(index < owners_end(objects->owners));
	object->pages++;
	object->sectors += reference->sectors;
	if (reference->sectors && survey_is_shared(objects->survey, reference))
		object->shared += reference->sectors;
}

static void object_show(const struct objects *objects, struct show *show, uint32_t index)
{
	const struct object *object = &objects->object[index];
	char text[8192];
	const char *path = owners_path(objects->owners, index, text, sizeof(text));

	ASSERT(object->shared <= object->sectors);
	show_row(show);
	if (index)
		show_number(show, index);
	else
		show_none(show);
	show_text(show, index ? owners_type(objects->owners, index) : "system");
	show_number(show, object->pages);
	show_sectors(show, object->sectors);
	show_sectors(show, object->sectors - object->shared);
	show_sectors(show, object->shared);
	if (index && *path)
		show_name(show, path, strlen(path), "");
	else
		show_none(show);
}

static void list_show(const struct objects *objects, struct show *show)
{
	static const struct show_column columns[] = {
		{"object", "OBJECT", 6},
		{"type", "TYPE", -9},
		{"pages", "PAGES", 9},
		{"sectors", "STORED", 10},
		{"exclusive_sectors", "EXCLUSIVE", 10},
		{"shared_sectors", "SHARED", 10},
		SHOW_GAP,
		{"path", "PATH", 0},
		{0},
	};

	show_list(show, "objects", columns);
	for (uint32_t i = 0; i < owners_end(objects->owners); i++)
		if (objects->object[i].pages)
			object_show(objects, show, i);
	show_list_end(show);
}

/* Shows the list of objects.  ABSENT: there is no system in it. */
static enum status stats_objects(struct survey *survey, struct host *host, struct show *show)
{
	struct objects objects = {.survey = survey, .owners = owners_open(host, survey->verify)};
	enum status status = objects.owners ? STATUS_ABSENT : STATUS_NO_MEMORY;

	if (objects.owners && owners_end(objects.owners)) {
		objects.object = calloc(owners_end(objects.owners), sizeof(*objects.object));
		status = objects.object ? STATUS_OK : STATUS_NO_MEMORY;
	}
	if (status == STATUS_OK) {
		survey_pages(survey, &objects, page_count);
		list_show(&objects, show);
	}
	free(objects.object);
	owners_close(objects.owners);
	return status;
}

/* ---- the command ----------------------------------------------------------------- */

static enum command_exit stats_show(struct stats *stats, bool objects, uint64_t commits)
{
	stats_space(stats);
	stats_compression(stats);
	stats_fragmentation(stats);
	fact_number(stats->show, "damaged", stats->survey.damaged ? "damaged" : NULL,
		    stats->survey.damaged);
	stats_owners(stats);
	stats_commits(stats, commits);
	if (objects)
		return host_result(stats->inspect.host,
				   stats_objects(&stats->survey, stats->inspect.host, stats->show),
				   "cannot list the objects");
	return COMMAND_OK;
}

static enum command_exit stats_run(const struct command_invocation *invocation)
{
	bool objects = command_value(invocation, "objects") != NULL;
	const char *most = command_value(invocation, "commits");
	uint64_t commits = 4;
	struct stats stats = {.show = invocation->show};
	enum status status;
	enum command_exit result;

	if (most && !quantity_parse(most, QUANTITY_NUMBER, &commits))
		return command_misuse("--commits is a number of commits");
	result = inspect_open(&stats.inspect, invocation, false);
	if (result != COMMAND_OK)
		return result;
	if (!inspect_chosen(&stats.inspect))
		return inspect_close(&stats.inspect, COMMAND_NO_STORE);
	status = survey_run(&stats.survey, &stats.inspect);
	if (status == STATUS_OK)
		status = stats_layout(&stats.survey, &stats.layout);
	if (status == STATUS_NO_MEMORY) {
		result = command_error("%s: memory is short", stats.inspect.host->path);
	} else {
		result = stats_show(&stats, objects, commits);
	}
	survey_free(&stats.survey);
	return inspect_close(&stats.inspect, result);
}

static const struct command_option stats_options[] = {
	{"objects", NULL, "also list the objects with what each takes"},
	{"commits", "COUNT", "so many of the newest commits, at most 64 (default: 4)"},
	HOST_LIVE_OPTION,
	{0},
};

const struct command command_stats = {
	.name = "stats",
	.usage = "IMAGE",
	.summary = "Tells what takes the space of a store",
	.details =
		"EXCLUSIVE is what only this snapshot, or the live state, reaches: deleting it "
		"gives\n"
		"so much back.  SHARED is reached by others as well.  PER BYTE is what a commit\n"
		"wrote per byte of changed pages, as far as it is still there.\n",
	.options = stats_options,
	.run = stats_run,
};
