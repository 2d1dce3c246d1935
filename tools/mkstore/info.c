/* SPDX-License-Identifier: MIT */
/*
 * info.c - `info`: one screen about a store.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/mkstore/command.h"
#include "tools/mkstore/host.h"
#include "tools/mkstore/show.h"
#include "tools/mkstore/text.h"

struct info {
	const struct host *host;
	struct store_statistics statistics;
	struct store_details details;
	struct disk_system system;
	bool has_system; /* objects were laid down */
	uint64_t bank_used, bank_limit, objects;
};

static const struct {
	const char *word, *words;
} info_stop[] = {
	[STORE_STOP_FRESH] = {"fresh", "fresh: it has never run"},
	[STORE_STOP_CLEAN] = {"clean", "clean: it was stopped on purpose"},
	[STORE_STOP_POWER_CUT] = {"power cut", "power cut, or still running"},
};

/* Adds the objects that the banks below pay for, as far as their lists can be read: `most` banks
 * can be there, and a damaged list may lead round. */
static void info_banks(struct host *host, struct info *info, object_t parent, unsigned depth,
		       uint32_t *most)
{
	struct disk_object record;
	object_t bank = {0};

	if (depth >= BANK_DEPTH_MAX)
		return;
	while (*most &&
	       HOST_RETRY(host, bank_next(&host->space, parent, &bank, &record)) == STATUS_OK) {
		--*most;
		info->objects += record.allowance.objects;
		info_banks(host, info, bank, depth + 1, most);
	}
}

static enum status info_gather(struct host *host, struct info *info)
{
	const struct disk_system *system;
	struct disk_object bank;
	enum status status;
	uint32_t most;

	*info = (struct info){.host = host};
	store_statistics_get(host->store, &info->statistics);
	store_details_get(host->store, &info->details);
	status = HOST_RETRY(host, system_read(&host->space, &system));
	if (status == STATUS_ABSENT)
		return STATUS_OK;
	TRY(status);
	info->system = *system;
	info->has_system = true;
	HOST_TRY(host, object_read(&host->space, (object_t){info->system.root_bank}, &bank));
	info->bank_used = bank.size;
	info->bank_limit = bank.allowance.limit;
	info->objects = bank.allowance.objects;
	most = info->system.next_object;
	info_banks(host, info, (object_t){info->system.root_bank}, 1, &most);
	return STATUS_OK;
}

static void info_place(struct json *json, const struct host *host)
{
	if (!host->partitioned) {
		json_null(json, "partition");
		TEXT_LINE(json, "store        all of %s\n", host->path);
		return;
	}
	json_object(json, "partition");
	json_number(json, "number", host->partition.number);
	json_number(json, "first_sector", host->partition.first);
	json_number(json, "sectors", host->partition.sectors);
	json_boolean(json, "backup_table", host->second_table);
	json_object_end(json);
	TEXT_LINE(json, "store        partition %u of %s%s, from sector %" PRIu64 "\n",
		  host->partition.number, host->path,
		  host->second_table ? " (found by the backup table)" : "", host->partition.first);
}

static void info_receiving(struct json *json, const struct host *host)
{
	struct disk_receiving receiving;
	char identity[TEXT_IDENTITY];

	store_receiving_get(host->store, &receiving);
	if (!receiving.generation) {
		json_null(json, "receiving");
		return;
	}
	text_identity(identity, receiving.source);
	json_object(json, "receiving");
	json_text(json, "source", identity);
	json_number(json, "generation", receiving.generation);
	json_number(json, "position", receiving.position);
	json_object_end(json);
	TEXT_LINE(json,
		  "receiving    generation %" PRIu64 " of store %s, from page %" PRIu64 " on\n",
		  receiving.generation, identity, receiving.position);
}

static void info_objects(struct json *json, const struct info *info)
{
	if (!info->has_system) {
		json_null(json, "objects");
		TEXT_LINE(json, "objects      none: no system was laid down\n");
		return;
	}
	json_object(json, "objects");
	json_number(json, "alive", info->objects);
	json_number(json, "charged_pages", info->bank_used);
	json_number(json, "limit_pages", info->bank_limit);
	json_number(json, "checkpoint_ns", info->system.checkpoint_ns);
	json_object_end(json);
	TEXT_LINE(json, "objects      %" PRIu64 ", charged for %" PRIu64 " of %" PRIu64 " pages\n",
		  info->objects, info->bank_used, info->bank_limit);
	if (info->system.checkpoint_ns)
		TEXT_LINE(json, "checkpoint   every %" PRIu64 " ms\n",
			  info->system.checkpoint_ns / 1000000);
	else
		TEXT_LINE(json, "checkpoint   only on request\n");
}

/* Was it given an identity of its own, beside that of the store it is a copy of? */
static bool info_is_copy(const struct store_details *details)
{
	static const uint8_t none[sizeof(details->copy)];

	return memcmp(details->copy, none, sizeof(none)) != 0;
}

static void info_json(struct json *json, const struct info *info)
{
	const struct store_recovery *recovery = &info->host->recovery;
	const struct store_statistics *statistics = &info->statistics;
	const struct store_details *details = &info->details;
	char identity[TEXT_IDENTITY];

	json_number(json, "format_version", DISK_FORMAT_VERSION);
	json_text(json, "identity", text_identity(identity, statistics->identity));
	if (info_is_copy(details))
		json_text(json, "copy", text_identity(identity, details->copy));
	else
		json_null(json, "copy");
	JSON_FIELD(json, "label", statistics->label);
	json_number(json, "sectors", statistics->sectors);
	json_number(json, "used_sectors", statistics->used_sectors);
	json_number(json, "free_blocks", details->free_blocks);
	json_number(json, "reserve_blocks", details->reserve_blocks);
	json_number(json, "generation", recovery->generation.n);
	json_number(json, "torn_generation", recovery->torn.n);
	json_text(json, "stop", info_stop[recovery->stop].word);
	json_boolean(json, "fresh", recovery->stop == STORE_STOP_FRESH);
	json_boolean(json, "clean", recovery->stop == STORE_STOP_CLEAN);
	json_boolean(json, "restored", recovery->restored);
	json_number(json, "wall_ns", recovery->wall_ns);
	json_number(json, "uptime_ns", recovery->counters.uptime_ns);
	json_number(json, "object_version", recovery->counters.object_version);
	json_number(json, "resumes", recovery->counters.resumes);
	json_number(json, "pages", statistics->pages);
	json_number(json, "snapshots", statistics->snapshots);
	json_number(json, "origin", statistics->origin.n);
	json_number(json, "dying", statistics->dying.n);
}

static uint64_t info_room_blocks(const struct store_details *details)
{
	return details->free_blocks > details->reserve_blocks
		       ? details->free_blocks - details->reserve_blocks
		       : 0;
}

static void info_text(const struct info *info)
{
	const struct store_recovery *recovery = &info->host->recovery;
	const struct store_statistics *statistics = &info->statistics;
	const struct store_details *details = &info->details;
	char identity[TEXT_IDENTITY], label[TEXT_NAME(64)], text[TEXT_SIZE], used[TEXT_SIZE];

	printf("label        %s\n", TEXT_FIELD(label, statistics->label));
	printf("identity     %s\n", text_identity(identity, statistics->identity));
	if (info_is_copy(details))
		printf("copy         %s\n", text_identity(identity, details->copy));
	printf("format       %u\n", DISK_FORMAT_VERSION);
	printf("size         %s, %s used\n", text_size(text, statistics->sectors * SECTOR_SIZE),
	       text_size(used, statistics->used_sectors * SECTOR_SIZE));
	printf("room         at most %s for new pages; %s held in reserve\n",
	       text_size(text, info_room_blocks(details) * BLOCK_SIZE),
	       text_size(used, details->reserve_blocks * BLOCK_SIZE));
	printf("generation   %" PRIu64 " of %s\n", recovery->generation.n,
	       text_time(text, recovery->wall_ns));
	printf("stopped      %s\n", recovery->restored
					    ? "a restore replaced its state; it has not run since"
					    : info_stop[recovery->stop].words);
	printf("uptime       %s, resumed %" PRIu64 " times\n",
	       text_duration(text, recovery->counters.uptime_ns), recovery->counters.resumes);
	printf("live pages   %" PRIu64 " (%s)\n", statistics->pages,
	       text_size(text, statistics->pages * PAGE_SIZE));
	printf("snapshots    %" PRIu64 "%s\n", statistics->snapshots,
	       statistics->dying.n ? ", one of them being deleted" : "");
}

static enum command_exit info_run(const struct command_invocation *invocation)
{
	struct info info;
	struct json *json;

	TRY(host_result(invocation->host, info_gather(invocation->host, &info),
			"cannot read the system page"));
	json = show_json(invocation->show);
	json_text(json, "image", invocation->host->path);
	info_place(json, invocation->host);
	if (json)
		info_json(json, &info);
	else
		info_text(&info);
	info_receiving(json, invocation->host);
	info_objects(json, &info);
	return COMMAND_OK;
}

const struct command command_info = {
	.name = "info",
	.usage = "IMAGE",
	.summary = "Tells what a store is and how it stopped",
	.details = "Reads the superblock, the ring of commit records and the system page.\n",
	.options = host_live_options,
	.opens = COMMAND_READS,
	.run = info_run,
};
