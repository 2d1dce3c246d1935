/* SPDX-License-Identifier: MIT */
/*
 * reattach.c - `reattach`: names under /lost+found for what nothing leads to.
 *
 * What that is the verifier knows.  It is asked first, and only of a store in which it
 * finds no fault: what cannot be read might lead there.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/mkstore/array.h"
#include "base/assert.h"
#include "tools/mkstore/command.h"
#include "tools/mkstore/host.h"
#include "tools/mkstore/inspect.h"
#include "tools/mkstore/kind.h"
#include "tools/mkstore/path.h"
#include "tools/mkstore/show.h"
#include "tools/verify/verify.h"
#include "tools/verify/objects.h"

#define REATTACH_PATH "/lost+found"
#define REATTACH_NAME 40u
#define REATTACH_MORE 1000u /* names tried for one object */

struct reattach_found {
	struct verify_unreached what;
	char name[REATTACH_NAME]; /* given to it */
};

struct reattach {
	struct host *host;
	struct reattach_found *found;
	size_t count, room;
	object_t directory;
	bool out_of_memory;
};

static void reattach_note(void *context, const struct verify_finding *finding)
{
	struct reattach *reattach = context;
	struct reattach_found *found;

	if (finding->code != VERIFY_UNREACHED || finding->snapshot.n)
		return;
	found = array_grow(reattach->found, sizeof(*found), reattach->count, &reattach->room);
	if (!found) {
		reattach->out_of_memory = true;
		return;
	}
	reattach->found = found;
	found[reattach->count++].what = finding->unreached;
}

static enum status reattach_find(struct reattach *reattach)
{
	struct verify_reader reader = inspect_reader(reattach->host);
	struct verify_options options = {.context = reattach,
					 .report = reattach_note,
					 .objects = verify_objects,
					 .skip_data = true};
	struct verify *verify = verify_open(&reader, &options);
	enum status status = verify ? verify_run(verify) : STATUS_NO_MEMORY;

	verify_close(verify);
	return reattach->out_of_memory ? STATUS_NO_MEMORY : status;
}

/* ---- names -------------------------------------------------------------------------- */

static enum status reattach_directory(struct reattach *reattach)
{
	struct host *host = reattach->host;
	const struct object_request request = {.type = OBJECT_DIRECTORY};
	struct disk_capability capability;
	struct disk_object record;
	enum status status = path_find(host, REATTACH_PATH, &capability, &record);

	if (status == STATUS_OK && record.type == OBJECT_DIRECTORY) {
		reattach->directory = (object_t){capability.object};
		return STATUS_OK;
	}
	if (status != STATUS_NOT_FOUND)
		return status == STATUS_OK || status == STATUS_DEAD ? STATUS_EXISTS : status;
	return path_make(host, REATTACH_PATH, &request, &reattach->directory);
}

/* The name that leads from its place to a directory in a ring. */
static enum status reattach_old_name(struct host *host, object_t place, object_t object,
				     struct directory_entry *entry)
{
	entry->length = 0;
	do
		TRY(path_next(host, place, entry));
	while (entry->capability.type != OBJECT_DIRECTORY || entry->capability.object != object.n);
	return STATUS_OK;
}

/* Under that name: by renaming what opens the ring, or else by a new name. */
static enum status reattach_name(struct reattach *reattach, object_t object, const char *name)
{
	struct host *host = reattach->host;
	struct directory_entry old;
	struct disk_capability capability;
	struct disk_object record;
	object_t place;

	HOST_TRY(host, object_read(&host->space, object, &record));
	HOST_TRY(host,
		 object_capability(&host->space, object, object_rights(record.type), &capability));
	place = (object_t){record.type == OBJECT_DIRECTORY ? (uint32_t)record.directory.place : 0};
	if (!place.n)
		return HOST_RETRY(host, entry_link(&host->space, reattach->directory, name,
						   strlen(name), &capability, false));
	TRY(reattach_old_name(host, place, object, &old));
	return path_rename(host, &(struct path_place){place, old.name, old.length},
			   &(struct path_place){reattach->directory, name, strlen(name)}, false);
}

static enum status reattach_one(struct reattach *reattach, struct reattach_found *found)
{
	const char *type = object_type_name(found->what.type);
	const uint32_t object = found->what.object;
	enum status status = STATUS_EXISTS;

	ASSERT(object && reattach->directory.n);
	snprintf(found->name, REATTACH_NAME, "%s-%" PRIu32, type, object);
	for (unsigned i = 2; status == STATUS_EXISTS && i < REATTACH_MORE; i++) {
		status = reattach_name(reattach, (object_t){object}, found->name);
		if (status == STATUS_EXISTS)
			snprintf(found->name, REATTACH_NAME, "%s-%" PRIu32 "-%u", type, object, i);
	}
	return status;
}

static enum status reattach_all(struct reattach *reattach)
{
	TRY(host_places(reattach->host));
	TRY(reattach_directory(reattach));
	for (uint64_t i = 0; i < reattach->count; i++)
		TRY(reattach_one(reattach, &reattach->found[i]));
	return host_finish(reattach->host);
}

/* ---- the command ----------------------------------------------------------------------- */

static void reattach_show(struct reattach *reattach, struct show *show)
{
	static const struct show_column columns[] = {
		{"path", "PATH", -32}, {"type", "TYPE", -10}, {"object", "OBJECT", 8},
		{"below", "BELOW", 8}, {"pages", "PAGES", 8}, {0},
	};

	show_list(show, "reattached", columns);
	for (uint64_t i = 0; i < reattach->count; i++) {
		const struct reattach_found *found = &reattach->found[i];
		char path[sizeof(REATTACH_PATH) + REATTACH_NAME];

		snprintf(path, sizeof(path), "%s/%s", REATTACH_PATH, found->name);
		show_row(show);
		show_text(show, path);
		show_text(show, object_type_name(found->what.type));
		show_number(show, found->what.object);
		show_number(show, found->what.objects);
		show_number(show, found->what.pages);
	}
	show_list_end(show);
	fact_number(show, "generation", NULL, store_durable(reattach->host->store).n);
}

static enum command_exit reattach_result(struct reattach *reattach, enum status status)
{
	if (status == STATUS_EXISTS)
		return command_error(
			"%s: '%s' is there and is no directory: give it another name first",
			reattach->host->path, REATTACH_PATH);
	return host_result(reattach->host, status, "cannot reattach");
}

static enum command_exit reattach_store(struct reattach *reattach, struct show *show)
{
	enum status status = reattach_find(reattach);

	if (status == STATUS_CORRUPT)
		return command_error(
			"%s: there is damage, which 'mkstore verify' lists: what nothing "
			"leads to is only known of a store that is whole",
			reattach->host->path);
	if (status == STATUS_OK && reattach->count)
		status = reattach_all(reattach);
	TRY(reattach_result(reattach, status));
	if (!reattach->count && !show->as_json)
		printf("names or capabilities lead to all objects\n");
	else
		reattach_show(reattach, show);
	return COMMAND_OK;
}

static enum command_exit reattach_run(const struct command_invocation *invocation)
{
	struct reattach reattach = {.host = invocation->host};
	enum command_exit result = reattach_store(&reattach, invocation->show);

	free(reattach.found);
	return result;
}

const struct command command_reattach = {
	.name = "reattach",
	.usage = "IMAGE",
	.summary = "Gives names to what nothing leads to",
	.details = "Objects to which no name and no capability of a machine leads, as 'verify' "
		   "lists\nthem, get names under " REATTACH_PATH ", in one commit.  Directories "
		   "keep all below\nthem; 'mv' takes them where they belong.\n",
	.opens = COMMAND_WRITES,
	.run = reattach_run,
};
