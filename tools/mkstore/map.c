/* SPDX-License-Identifier: MIT */
/*
 * map.c - `map`: where a page lies in each generation that can be read.
 *
 * Those are the live state, its predecessors in the commit ring as far as
 * nothing was written over them, and the snapshots.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/mkstore/command.h"
#include "base/quantity.h"
#include "tools/mkstore/inspect.h"
#include "tools/mkstore/path.h"
#include "tools/mkstore/show.h"
#include "tools/mkstore/text.h"

struct map {
	struct inspect inspect;
	struct show *show;
	uint64_t page;
	const char *path; /* or null */
};

static const struct show_column map_columns[] = {
	{"in", "IN", -8},	  {"generation", "GENERATION", 10},
	{"snapshot", NULL, 0},	  {"place", "PLACE", -11},
	{"sector", "SECTOR", 12}, {"sectors", "SECTORS", 7},
	{"codec", "CODEC", -5},	  {"length", "BYTES", 5},
	{"birth", "BORN", 10},	  SHOW_GAP,
	{"name", "NAME", 0},	  {0},
};

/* ---- one row --------------------------------------------------------------------- */

static const char *map_place(struct map *map, const struct verify_space *space, const char *bad,
			     struct disk_reference *reference)
{
	uint8_t data[PAGE_SIZE];
	struct verify *verify = map->inspect.verify;
	enum status status = verify_find(verify, DISK_TREE_SPACE, space, 0, map->page, reference);

	if (status == STATUS_ABSENT)
		return "absent";
	if (status == STATUS_OK)
		status = verify_extent_read(verify, DISK_TREE_SPACE, space, 0, map->page, reference,
					    data);
	else
		*reference = (struct disk_reference){.codec = DISK_CODEC_NONE};
	if (status != STATUS_OK)
		return status == STATUS_IO ? "unreadable" : bad;
	return reference->codec == DISK_CODEC_ZERO ? "zeros" : "stored";
}

/* `bad` is what a page is that does not match its checksum. */
static void map_row(struct map *map, const char *in, const struct verify_space *space,
		    const char *bad, const struct disk_snapshot *snapshot)
{
	struct disk_reference reference = {.codec = DISK_CODEC_NONE};
	const char *place = map_place(map, space, bad, &reference);
	struct show *show = map->show;

	show_row(show);
	show_text(show, in);
	show_number(show, space->generation.n);
	show_number(show, space->snapshot.n);
	show_text(show, place);
	if (reference.sectors) {
		show_number(show, disk_reference_sector(&reference).n);
		show_number(show, reference.sectors);
		show_text(show, inspect_codec_text(reference.codec));
		show_number(show, reference.length);
	} else {
		for (unsigned i = 0; i < 4; i++)
			show_none(show);
	}
	if (reference.codec != DISK_CODEC_NONE)
		show_number(show, reference.birth);
	else
		show_none(show);
	if (snapshot)
		SHOW_FIELD(show, snapshot->name);
	else
		show_skip(show);
}

/* ---- the generations ------------------------------------------------------------- */

/* Of those before the predecessor, parts may be anything by now. */
static void map_ring(struct map *map, uint64_t limit)
{
	const struct verify *verify = map->inspect.verify;
	uint64_t whole = verify_record(verify)->predecessor;
	const struct disk_record *record = verify_record(verify);
	struct verify_space space;

	for (uint64_t i = 0; i < limit; i++) {
		record = inspect_record_below(verify, record->generation);
		if (!record || verify_space_generation(verify, (generation_t){record->generation},
						       DISK_TREE_SPACE, &space) != STATUS_OK)
			return;
		map->inspect.quiet = record->generation != whole;
		map_row(map, "ring", &space,
			record->generation == whole ? "damaged" : "overwritten", NULL);
		map->inspect.quiet = false;
	}
}

static void map_snapshots(struct map *map)
{
	const struct verify *verify = map->inspect.verify;
	const struct disk_snapshot *snapshot;
	struct verify_space space;

	for (uint64_t i = 0; (snapshot = verify_snapshot_at(verify, i)) != NULL; i++) {
		bool gone = (snapshot->flags & DISK_SNAPSHOT_DYING) && map->page < snapshot->cursor;

		if (!gone && verify_space_snapshot(verify, (snapshot_t){snapshot->number},
						   &space) == STATUS_OK)
			map_row(map, "snapshot", &space, "damaged", snapshot);
	}
}

static void map_show(struct map *map, uint64_t ring)
{
	struct show *show = map->show;
	struct verify_space space;

	verify_space_live(map->inspect.verify, &space);
	if (map->path)
		fact_text(show, "path", "path", map->path);
	fact_hexadecimal(show, "page", "page", map->page);
	fact_hexadecimal(show, "address", "address", map->page * PAGE_SIZE);
	show_list(show, "generations", map_columns);
	map_row(map, "live", &space, "damaged", NULL);
	map_ring(map, ring);
	map_snapshots(map);
	show_list_end(show);
}

/* ---- which page ------------------------------------------------------------------ */

/* The page of an object of the live state, by its path. */
static enum command_exit map_resolve(struct map *map, uint64_t offset)
{
	struct disk_capability capability;
	struct disk_object record;
	struct host *host = map->inspect.host;

	TRY(host_result(host, path_find(host, map->path, &capability, &record), "cannot find '%s'",
			map->path));
	if (!record.first_page)
		return command_error("%s: '%s' has no pages of its own", host->path, map->path);
	if (offset / PAGE_SIZE >= record.range_pages)
		return command_error("%s: '%s' can have %" PRIu64 " bytes, byte %" PRIu64
				     " is behind that",
				     host->path, map->path, record.range_pages * PAGE_SIZE, offset);
	map->page = record.first_page + offset / PAGE_SIZE;
	return COMMAND_OK;
}

static bool map_parse(const struct command_invocation *invocation, struct map *map,
		      uint64_t *offset, uint64_t *ring)
{
	const char *what = invocation->operand[1], *at = command_value(invocation, "offset");
	const char *most = command_value(invocation, "ring");
	bool address = what[0] == '@';

	*offset = 0;
	*ring = DISK_RING_SLOTS;
	map->path = what[0] == '/' ? what : NULL;
	if (at && (!map->path || !quantity_parse(at, QUANTITY_NUMBER, offset)))
		return command_refuse("--offset is a number of bytes into the object of a PATH");
	if (most && !quantity_parse(most, QUANTITY_NUMBER, ring))
		return command_refuse("--ring is a number of generations");
	if (map->path)
		return true;
	if (!quantity_parse(what + address, QUANTITY_ADDRESS, &map->page) ||
	    map->page / (address ? PAGE_SIZE : 1) >= DISK_PAGE_MAX)
		return command_refuse("'%s' is no page: a number, @ADDRESS, or a /PATH", what);
	if (address)
		map->page /= PAGE_SIZE;
	return true;
}

static enum command_exit map_run(const struct command_invocation *invocation)
{
	struct map map = {.show = invocation->show};
	uint64_t offset, ring;
	enum command_exit result;

	if (!map_parse(invocation, &map, &offset, &ring))
		return COMMAND_USAGE;
	result = inspect_open(&map.inspect, invocation, map.path != NULL);
	if (result != COMMAND_OK)
		return result;
	if (!inspect_chosen(&map.inspect))
		return inspect_close(&map.inspect, COMMAND_NO_STORE);
	if (map.path)
		result = map_resolve(&map, offset);
	if (result == COMMAND_OK)
		map_show(&map, ring);
	return inspect_close(&map.inspect, result);
}

static const struct command_option map_options[] = {
	{"offset", "BYTES", "into the object of the PATH (default: its first page)"},
	HOST_LIVE_OPTION,
	{"ring", "COUNT", "most generations of the ring to show (default: all)"},
	{0},
};

const struct command command_map = {
	.name = "map",
	.usage = "IMAGE PAGE|@ADDRESS|/PATH",
	.summary = "Tells where a page lies in each generation",
	.details =
		"Shows the place of one page in the live state, in the generations of the commit\n"
		"ring and in the snapshots: its sectors, how it is packed, and the generation "
		"that\n"
		"wrote it.  Each is read and its checksum compared.  Of the generations before "
		"the\n"
		"predecessor parts are overwritten in time, which is no damage.  Numbers may be\n"
		"hexadecimal, as 0x100000.\n",
	.options = map_options,
	.run = map_run,
};
