/* SPDX-License-Identifier: MIT */
/*
 * inspect.c - opens a store for looking at its structures; see inspect.h.
 */
#include "tools/mkstore/inspect.h"
#include "base/assert.h"
#include "base/quantity.h"

#include <stdio.h>
#include <string.h>

#include "tools/mkstore/text.h"

#define INSPECT_FINDINGS 20u /* told one by one */

enum status inspect_read(void *context, sector_t sector, uint32_t sectors, void *data)
{
	struct host *host = context;
	uint64_t first = host->partitioned ? host->partition.first : 0;

	return file_device_read(host->file, (first + sector.n) * SECTOR_SIZE, data,
				(size_t)sectors * SECTOR_SIZE);
}

struct verify_reader inspect_reader(struct host *host)
{
	ASSERT(host->file && host->device); /* it is open */
	return (struct verify_reader){
		.context = host, .sectors = host->device->sectors, .read = inspect_read};
}

static void inspect_report(void *context, const struct verify_finding *finding)
{
	struct inspect *inspect = context;

	if (inspect->quiet || finding->severity == VERIFY_NOTE)
		return;
	if (finding->severity == VERIFY_ERROR)
		inspect->findings++;
	if (finding->severity == VERIFY_ERROR && finding->sector < DISK_RING_SECTOR)
		inspect->aside++;
	if (inspect->findings <= INSPECT_FINDINGS)
		command_note("%s: %s: %s", inspect->host->path, verify_code_text(finding->code),
			     finding->text);
	if (inspect->findings == INSPECT_FINDINGS)
		command_note("%s: there is more damage; 'mkstore verify' lists it",
			     inspect->host->path);
}

enum command_exit inspect_open(struct inspect *inspect, const struct command_invocation *invocation,
			       bool mount)
{
	struct verify_options options = {
		.context = inspect, .report = inspect_report, .skip_slot_tails = true};
	struct verify_reader reader;
	bool live = command_value(invocation, "live") != NULL;

	*inspect = (struct inspect){.host = invocation->host, .status = STATUS_NO_MEMORY};
	if (mount)
		TRY(host_open_read(inspect->host, invocation));
	else
		TRY(host_open(inspect->host, invocation, live ? HOST_RAW_LIVE : HOST_RAW));
	reader = inspect_reader(inspect->host);
	inspect->verify = verify_open(&reader, &options);
	if (inspect->verify)
		inspect->status = verify_choose(inspect->verify);
	if (inspect->verify && inspect->status != STATUS_NO_MEMORY)
		return COMMAND_OK;
	command_error("%s: memory is short", inspect->host->path);
	return inspect_close(inspect, COMMAND_FAILED);
}

const char *inspect_hint(enum status status)
{
	switch (status) {
	case STATUS_NOT_A_STORE:
		return "; if it was one, 'mkstore salvage' looks for what is there";
	case STATUS_TRUNCATED:
		return "; 'mkstore salvage' saves what is left";
	case STATUS_CORRUPT:
	case STATUS_IO:
		return "; 'mkstore salvage' saves what can be read";
	default:
		return "";
	}
}

bool inspect_chosen(struct inspect *inspect)
{
	ASSERT(inspect->verify && inspect->aside <= inspect->findings);
	inspect->findings -= inspect->aside;
	inspect->aside = 0;
	if (verify_record(inspect->verify))
		return true;
	return command_refuse("%s: no generation can be found in it: %s%s", inspect->host->path,
			      status_text(inspect->status), inspect_hint(inspect->status));
}

enum command_exit inspect_close(struct inspect *inspect, enum command_exit result)
{
	verify_close(inspect->verify);
	return result == COMMAND_OK && inspect->findings ? COMMAND_FAILED : result;
}

const struct disk_snapshot *inspect_snapshot(const struct inspect *inspect, const char *name)
{
	const struct disk_snapshot *snapshot, *found = NULL;
	uint64_t number = 0;
	bool number_only = name[0] == '#';
	bool numbered = quantity_parse(name + number_only, QUANTITY_NUMBER, &number);

	for (uint64_t i = 0; (snapshot = verify_snapshot_at(inspect->verify, i)) != NULL; i++) {
		if (!number_only && name[0] &&
		    strncmp(snapshot->name, name, sizeof(snapshot->name)) == 0)
			return snapshot;
		if (numbered && snapshot->number == number)
			found = snapshot;
	}
	if (!found)
		command_error("%s: there is no snapshot '%s'", inspect->host->path, name);
	return found;
}

const struct disk_record *inspect_record_below(const struct verify *verify, uint64_t generation)
{
	const struct disk_record *newest = NULL;
	struct verify_slot slot;

	for (uint32_t i = 0; i < DISK_RING_SLOTS; i++) {
		verify_slot_get(verify, i, &slot);
		if (slot.record && slot.record->generation < generation &&
		    (!newest || slot.record->generation > newest->generation))
			newest = slot.record;
	}
	return newest;
}

const char *inspect_codec_text(unsigned codec)
{
	static const char *const texts[] = {"none", "zero", "raw", "lz4", "cols"};

	return codec < sizeof(texts) / sizeof(texts[0]) ? texts[codec] : "unknown";
}
