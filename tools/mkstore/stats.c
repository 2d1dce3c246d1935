/* SPDX-License-Identifier: MIT */
/*
 * stats.c - `stats`: what takes the space of a store.
 *
 *   used = live state only + one snapshot only + shared + replaced
 *          + free map + catalogue
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/mkstore/command.h"
#include "base/quantity.h"
#include "tools/mkstore/stats_priv.h"
#include "tools/mkstore/text.h"

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
			show_name(show, snapshot->name,
				  strnlen(snapshot->name, sizeof(snapshot->name)), "");
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

/* ---- the command ----------------------------------------------------------------- */

static enum command_exit stats_show(struct stats *stats, bool objects, uint64_t commits)
{
	enum command_exit result = COMMAND_OK;
	enum status status = STATUS_OK;

	stats_space(stats);
	stats_compression(stats);
	stats_fragmentation(stats);
	fact_number(stats->show, "damaged", stats->survey.damaged ? "damaged" : NULL,
		    stats->survey.damaged);
	stats_owners(stats);
	stats_commits(stats, commits);
	if (objects)
		status = stats_objects(&stats->survey, stats->inspect.host, stats->show);
	if (status != STATUS_OK)
		result = host_error(stats->inspect.host, status, "cannot list the objects");
	return result;
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
	result = inspect_open(&stats.inspect, invocation, objects);
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
