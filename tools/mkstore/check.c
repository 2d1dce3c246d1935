/* SPDX-License-Identifier: MIT */
/*
 * check.c - `verify`: runs the independent verifier and prints its findings.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/mkstore/command.h"
#include "tools/mkstore/host.h"
#include "tools/mkstore/inspect.h"
#include "tools/mkstore/owner.h"
#include "tools/mkstore/progress.h"
#include "tools/mkstore/show.h"
#include "tools/mkstore/text.h"
#include "tools/verify/verify.h"
#include "tools/verify/objects.h"

struct check {
	struct host *host;
	struct progress progress;
	struct json *json;     /* null: text */
	struct owners *owners; /* null: no page was named yet */
};

/* Of the page that is named. */
static const char *check_owner(struct check *check, const struct verify_finding *finding)
{
	if (finding->page == UINT64_MAX)
		return "";
	if (!check->owners)
		check->owners = owners_open(check->host, NULL);
	return owners_name(check->owners, finding->snapshot.n, finding->page);
}

static void check_report(void *context, const struct verify_finding *finding)
{
	struct check *check = context;
	const char *owner = check_owner(check, finding);
	const char *severity = finding->severity == VERIFY_ERROR     ? "error"
			       : finding->severity == VERIFY_WARNING ? "warning"
								     : "note";
	struct json *json = check->json;

	progress_clear(&check->progress);
	json_object(json, NULL);
	json_text(json, "severity", severity);
	json_text(json, "code", verify_code_text(finding->code));
	json_text(json, "text", finding->text);
	json_number(json, "generation", finding->generation.n);
	json_number(json, "snapshot", finding->snapshot.n);
	if (finding->sector == UINT64_MAX)
		json_null(json, "sector");
	else
		json_number(json, "sector", finding->sector);
	if (finding->page == UINT64_MAX)
		json_null(json, "page");
	else
		json_number(json, "page", finding->page);
	owners_json(json, owner);
	if (finding->unreached.object)
		json_number(json, "object", finding->unreached.object);
	else
		json_null(json, "object");
	json_object_end(json);
	if (finding->severity != VERIFY_NOTE || check->host->verbose)
		TEXT_LINE(json, "%s: %s: %s%s%s\n", severity, verify_code_text(finding->code),
			  finding->text, *owner ? ", of " : "", owner);
}

static void check_progress(void *context, uint64_t done, uint64_t total)
{
	struct check *check = context;

	progress_update(&check->progress, done * SECTOR_SIZE, total * SECTOR_SIZE);
}

static void check_totals(struct json *json, const struct verify_totals *totals)
{
	char used[TEXT_SIZE], size[TEXT_SIZE];

	json_object(json, "totals");
	json_number(json, "errors", totals->errors);
	json_number(json, "warnings", totals->warnings);
	json_number(json, "notes", totals->notes);
	json_number(json, "generation", totals->generation.n);
	json_number(json, "torn_generation", totals->torn.n);
	json_number(json, "predecessor", totals->predecessor.n);
	json_number(json, "slot", totals->slot);
	json_number(json, "sectors", totals->sectors);
	json_number(json, "used_sectors", totals->used_sectors);
	json_number(json, "used_blocks", totals->used_blocks);
	json_number(json, "extents", totals->extents);
	json_number(json, "bytes_read", totals->bytes_read);
	json_number(json, "pages", totals->pages);
	json_number(json, "delta_pages", totals->delta_pages);
	json_number(json, "zero_pages", totals->zero_pages);
	json_number(json, "raw_pages", totals->raw_pages);
	json_number(json, "compressed_pages", totals->compressed_pages);
	json_number(json, "page_sectors", totals->page_sectors);
	json_number(json, "node_sectors", totals->node_sectors);
	json_number(json, "snapshots", totals->snapshots);
	json_number(json, "unreached_objects", totals->unreached_objects);
	json_number(json, "unreached_pages", totals->unreached_pages);
	json_number(json, "records", totals->records);
	json_number(json, "tombstones", totals->tombstones);
	json_number(json, "empty_slots", totals->empty_slots);
	json_number(json, "damaged_slots", totals->damaged_slots);
	json_object_end(json);
	if (json || totals->generation.n == 0)
		return;
	printf("generation %" PRIu64 ", %" PRIu64 " pages, %" PRIu64 " snapshots, %s of %s used\n",
	       totals->generation.n, totals->pages, totals->snapshots,
	       text_size(used, totals->used_sectors * SECTOR_SIZE),
	       text_size(size, totals->sectors * SECTOR_SIZE));
	printf("%" PRIu64 " extents verified: %" PRIu64 " errors, %" PRIu64 " warnings\n",
	       totals->extents, totals->errors, totals->warnings);
	if (totals->unreached)
		printf("%" PRIu64 " objects, charged for %" PRIu64 " pages, that nothing leads to: "
		       "'mkstore reattach' gives them names\n",
		       totals->unreached_objects, totals->unreached_pages);
}

/* `chosen`: there is a generation, which whatever was found is about. */
static enum command_exit check_exit(const struct check *check, enum status status, bool chosen)
{
	if (status == STATUS_OK)
		return COMMAND_OK;
	if (status == STATUS_CORRUPT && chosen)
		return COMMAND_FAILED;
	if (status == STATUS_NO_MEMORY)
		return command_error("%s: cannot verify: %s", check->host->path,
				     status_text(status));
	command_error("%s: nothing to verify: %s%s", check->host->path, status_text(status),
		      inspect_hint(status));
	return COMMAND_NO_STORE;
}

static enum command_exit check_verify(struct check *check, bool quick)
{
	struct verify_reader reader = inspect_reader(check->host);
	struct verify_options options = {.context = check,
					 .report = check_report,
					 .progress = check_progress,
					 .objects = verify_objects,
					 .skip_data = quick};
	struct verify *verify = verify_open(&reader, &options);
	enum status status = STATUS_NO_MEMORY;
	bool chosen = false;

	progress_begin(&check->progress, "verifying", true);
	if (verify)
		status = verify_run(verify);
	progress_end(&check->progress);
	json_array_end(check->json);
	if (verify) {
		chosen = verify_totals_get(verify)->generation.n != 0;
		check_totals(check->json, verify_totals_get(verify));
	}
	json_boolean(check->json, "ok", status == STATUS_OK);
	verify_close(verify);
	return check_exit(check, status, chosen);
}

static enum command_exit check_run(const struct command_invocation *invocation)
{
	struct check check = {.host = invocation->host};
	enum command_exit result = host_open(check.host, invocation, HOST_RAW);

	if (result != COMMAND_OK)
		return result;
	check.json = show_json(invocation->show);
	json_text(check.json, "image", check.host->path);
	json_array(check.json, "findings");
	result = check_verify(&check, command_value(invocation, "quick") != NULL);
	owners_close(check.owners);
	return result;
}

static const struct command_option check_options[] = {
	{"quick", NULL, "leave out the contents of pages; everything else is read"},
	{0},
};

const struct command command_verify = {
	.name = "verify",
	.usage = "IMAGE",
	.summary = "Checks a store, every block and every object",
	.details =
		"Code of its own, apart from the store engine's, reads the superblocks, the ring,\n"
		"the generation that will be resumed with its predecessor, all snapshots, and the\n"
		"free map, and accounts for every sector; then the objects: table, capabilities,\n"
		"machines, queues, directories, banks.  Exit code 0: whole (a torn newest commit,\n"
		"which resuming deals with, is a warning); 1: errors were found.\n",
	.options = check_options,
	.run = check_run,
};
