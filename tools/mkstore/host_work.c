/* SPDX-License-Identifier: MIT */
/*
 * host_work.c - subcommands, work of many commits, and what is said of a store; see host.h.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "store/keeping.h"
#include "base/assert.h"
#include "tools/mkstore/host.h"
#include "tools/mkstore/progress.h"
#include "tools/mkstore/show.h"
#include "tools/mkstore/text.h"

enum command_exit host_run(const struct command_invocation *asked)
{
	const struct command *command = asked->command;
	bool discard = command_value(asked, "discard") != NULL;
	struct command_invocation invocation = *asked;
	struct host host = {0};
	struct show show;
	enum command_exit result = COMMAND_OK;

	ASSERT(command->run);
	if (command->check && !command->check(asked))
		return COMMAND_USAGE;
	invocation.host = &host;
	invocation.show = &show;
	show_begin(&show, invocation.json);
	if (command->opens == COMMAND_READS)
		result = host_open_read(&host, &invocation);
	else if (command->opens == COMMAND_WRITES)
		result = host_open(&host, &invocation, discard ? HOST_DISCARD : HOST_WRITE);
	if (result == COMMAND_OK)
		result = command->run(&invocation);
	show_end(&show);
	host_close(&host);
	return result;
}

enum status host_relieve(struct host *host)
{
	if (!store_pressure(host->store))
		return STATUS_OK;
	return host_commit(host, STORE_ACTION_NONE, (snapshot_t){0}, "");
}

enum status host_reclaim(struct host *host)
{
	struct store_statistics statistics;
	struct store_details details;
	struct progress progress;
	enum status status = STATUS_OK;
	uint64_t steps = 0;

	progress_begin(&progress, "giving space back, step", false);
	store_statistics_get(host->store, &statistics);
	while (status == STATUS_OK && statistics.dying.n) {
		status = host_commit(host, STORE_ACTION_NONE, (snapshot_t){0}, "");
		store_statistics_get(host->store, &statistics);
		store_details_get(host->store, &details);
		/* No further commit would bring it on. */
		if (status == STATUS_OK && statistics.dying.n && details.deletion_rests)
			status = STATUS_CORRUPT;
		progress_update(&progress, ++steps, 0);
	}
	progress_end(&progress);
	return status;
}

/* What machines may wait for is left to the kernel, which tells them when they run. */
enum status host_finish(struct host *host)
{
	struct disk_object record;
	struct ended ended;
	object_t object = {0};
	bool more = true;

	while (more) {
		enum status status = HOST_RETRY(host, object_dying(&host->space, &object, &record));

		if (status == STATUS_NOT_FOUND || (status == STATUS_OK && object_awaited(&record)))
			break;
		HOST_TRY(host, object_destroy_step(&host->space, &more, &ended));
		TRY(host_relieve(host));
		object = (object_t){0};
	}
	return store_dirty(host->store) ? host_commit(host, STORE_ACTION_NONE, (snapshot_t){0}, "")
					: STATUS_OK;
}

enum status host_discard(struct host *host, uint64_t *bytes)
{
	sector_t position = {0};
	struct store_statistics before, after;
	enum status status = host_commit(host, STORE_ACTION_NONE, (snapshot_t){0}, "");

	ASSERT(host->mode == HOST_DISCARD);
	store_statistics_get(host->store, &before);
	while (status == STATUS_OK || status == STATUS_WAIT) {
		status = store_discard_free(host->store, &position);
		if (status == STATUS_WAIT && !store_wait(host->store))
			status = host_failure(host);
	}
	store_settle(host->store);
	store_statistics_get(host->store, &after);
	ASSERT(after.discarded_sectors >= before.discarded_sectors);
	*bytes = (after.discarded_sectors - before.discarded_sectors) * SECTOR_SIZE;
	return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

enum status host_clear(struct host *host, uint64_t first, uint64_t end)
{
	page_t page;

	while (first < end) {
		enum status status = HOST_RETRY(
			host, store_page_next(host->store, (page_t){first}, (page_t){end}, &page));
		uint64_t count;

		if (status != STATUS_OK)
			return status == STATUS_NOT_FOUND ? STATUS_OK : status;
		ASSERT(page.n >= first && page.n < end);
		count = end - page.n < STORE_CLEAR_PAGES ? end - page.n : STORE_CLEAR_PAGES;
		HOST_TRY(host, store_pages_clear(host->store, page, count));
		TRY(host_relieve(host));
		first = page.n + count;
	}
	return STATUS_OK;
}

enum status host_places(struct host *host)
{
	struct directory_survey survey = {.directory = {1}};
	bool more = true;

	while (more) {
		HOST_TRY(host, directory_survey_step(&host->space, &survey, &more));
		TRY(host_relieve(host));
	}
	return STATUS_OK;
}

enum status host_ranges(struct host *host)
{
	bool more = true;

	while (more) {
		HOST_TRY(host, range_survey_step(&host->space, &more));
		TRY(host_relieve(host));
	}
	return STATUS_OK;
}

/* ---- errors ------------------------------------------------------------------ */

static void host_unreadable(const struct host *host, snapshot_t after, snapshot_t last)
{
	if (last.n == after.n + 1)
		command_error("%s: snapshot %" PRIu64 " cannot be read: all others can be "
			      "restored, and salvage saves what is whole",
			      host->path, last.n);
	else
		command_error("%s: no snapshot from %" PRIu64 " to %" PRIu64 " can be read: all "
			      "others can be restored, and salvage saves what is whole",
			      host->path, after.n + 1, last.n);
}

enum status host_snapshot_next(struct host *host, struct store_snapshot *snapshot)
{
	for (;;) {
		snapshot_t after = snapshot->number;
		enum status status =
			HOST_RETRY(host, store_snapshot_next(host->store, after, snapshot));

		if ((status != STATUS_CORRUPT && status != STATUS_IO) ||
		    snapshot->number.n <= after.n)
			return status;
		host_unreadable(host, after, snapshot->number);
	}
}

const char *host_status_text(const struct host *host, enum status status,
			     char text[HOST_STATUS_TEXT])
{
	int error = host->file ? file_device_error(host->file) : 0;

	if (status != STATUS_IO || !error)
		return status_text(status);
	snprintf(text, HOST_STATUS_TEXT, "%s (%s)", status_text(status), strerror(error));
	return text;
}

enum command_exit host_result(struct host *host, enum status status, const char *format, ...)
{
	char what[400], text[HOST_STATUS_TEXT];
	const char *why = host_status_text(host, status, text);
	va_list arguments;

	if (status == STATUS_OK)
		return COMMAND_OK;
	va_start(arguments, format);
	vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	if ((status == STATUS_IO || status == STATUS_CORRUPT || status == STATUS_READ_ONLY) &&
	    host->last_log[0])
		return command_error("%s: %s: %s (%s)", host->path, what, why, host->last_log);
	return command_error("%s: %s: %s", host->path, what, why);
}

/* ---- which snapshot is meant ---------------------------------------------------------- */

#define NS_PER_SECOND UINT64_C(1000000000)

enum status lookup_snapshot(struct host *host, const char *text, struct store_snapshot *snapshot)
{
	uint64_t value = 0, now = host_now_ns();
	generation_t newest = {UINT64_MAX};
	enum status status = STATUS_NOT_FOUND;

	switch (keeping_form_of(text, &value)) {
	case KEEPING_NUMBER:
		status = HOST_RETRY(host,
				    store_snapshot_get(host->store, (snapshot_t){value}, snapshot));
		break;
	case KEEPING_GENERATION:
		status = HOST_RETRY(host, store_snapshot_before(host->store, (generation_t){value},
								UINT64_MAX, snapshot));
		break;
	case KEEPING_AGE:
		if (value <= now / NS_PER_SECOND)
			status = HOST_RETRY(host, store_snapshot_before(host->store, newest,
									now - value * NS_PER_SECOND,
									snapshot));
		break;
	case KEEPING_NAME:
		status = HOST_RETRY(host, store_snapshot_find(host->store, text, snapshot));
		break;
	}
	return status;
}

/* That none is so old, and how old the oldest is that can be gone back to. */
static void lookup_reason_age(struct host *host, char *out, size_t size)
{
	struct store_snapshot snapshot = {0}, oldest = {0};
	char name[4 * DISK_SNAPSHOT_NAME], taken[TEXT_SIZE];

	while (host_snapshot_next(host, &snapshot) == STATUS_OK)
		if (!(snapshot.flags & STORE_SNAPSHOT_GONE) &&
		    (!oldest.number.n || snapshot.wall_ns < oldest.wall_ns))
			oldest = snapshot;
	if (!oldest.number.n) {
		snprintf(out, size, "there are no snapshots");
		return;
	}
	TEXT_FIELD(name, oldest.name);
	snprintf(out, size, "no snapshot is that old; the oldest is '%s', taken %s", name,
		 text_time(taken, oldest.wall_ns));
}

/* Why there is no such snapshot. */
static void lookup_reason(struct host *host, char *out, size_t size, const char *text)
{
	const char *fault = keeping_form_fault(text);
	uint64_t value = 0;

	switch (keeping_form_of(text, &value)) {
	case KEEPING_NUMBER:
		snprintf(out, size, "there is no snapshot %" PRIu64, value);
		return;
	case KEEPING_GENERATION:
		snprintf(out, size, "no snapshot is of generation %" PRIu64 " or older", value);
		return;
	case KEEPING_AGE:
		lookup_reason_age(host, out, size);
		return;
	case KEEPING_NAME:
		break;
	}
	if (*text && !text[strspn(text, "0123456789")])
		fault = "there is none; a number is written '#NUMBER'";
	snprintf(out, size, "%s", fault ? fault : "there is none; 'mkstore snapshots' lists them");
}

enum command_exit lookup_result(struct host *host, enum status status, const char *what,
				const char *text)
{
	char shown[4 * DISK_SNAPSHOT_NAME], reason[6 * DISK_SNAPSHOT_NAME];

	text_name(shown, sizeof(shown), text, strlen(text));
	if (status == STATUS_CORRUPT || status == STATUS_IO)
		return host_result(host, status,
				   "cannot %s '%s'; 'snapshots' lists which can be read, salvage "
				   "saves what is whole",
				   what, shown);
	if (status != STATUS_NOT_FOUND)
		return host_result(host, status, "cannot %s '%s'", what, shown);
	lookup_reason(host, reason, sizeof(reason), text);
	return command_error("%s: cannot %s '%s': %s", host->path, what, shown, reason);
}
