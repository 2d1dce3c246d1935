/* SPDX-License-Identifier: MIT */
/*
 * host_work.c - subcommands, work of many commits, and what is said of a store; see host.h.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tools/mkstore/host.h"
#include "tools/mkstore/progress.h"
#include "tools/mkstore/show.h"

enum command_exit host_run(const struct command_invocation *asked)
{
	const struct command *command = asked->command;
	bool discard = command_value(asked, "discard") != NULL;
	struct command_invocation invocation = *asked;
	struct host host = {0};
	struct show show;
	enum command_exit result = COMMAND_OK;

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
	struct progress progress;
	enum status status = STATUS_OK;
	uint64_t steps = 0;

	progress_begin(&progress, "giving space back, step", false);
	store_statistics_get(host->store, &statistics);
	while (status == STATUS_OK && statistics.dying.n) {
		status = host_commit(host, STORE_ACTION_NONE, (snapshot_t){0}, "");
		store_statistics_get(host->store, &statistics);
		/* No further commit would bring it on. */
		if (status == STATUS_OK && statistics.dying.n && statistics.deletion_rests)
			status = STATUS_CORRUPT;
		progress_update(&progress, ++steps, 0);
	}
	progress_end(&progress);
	return status;
}

enum status host_finish(struct host *host)
{
	enum status status = STATUS_OK;
	bool more = true;

	while (status == STATUS_OK && more) {
		status = HOST_RETRY(host, object_destroy_step(&host->space, &more));
		if (status == STATUS_OK)
			status = host_relieve(host);
	}
	if (status == STATUS_OK && store_dirty(host->store))
		status = host_commit(host, STORE_ACTION_NONE, (snapshot_t){0}, "");
	return status;
}

enum status host_discard(struct host *host, uint64_t *bytes)
{
	sector_t position = {0};
	struct store_statistics before, after;
	enum status status = host_commit(host, STORE_ACTION_NONE, (snapshot_t){0}, "");

	store_statistics_get(host->store, &before);
	while (status == STATUS_OK || status == STATUS_WAIT) {
		status = store_discard_free(host->store, &position);
		if (status == STATUS_WAIT && !store_wait(host->store))
			status = host_failure(host);
	}
	store_settle(host->store);
	store_statistics_get(host->store, &after);
	*bytes = (after.discarded_sectors - before.discarded_sectors) * SECTOR_SIZE;
	return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

enum status host_clear(struct host *host, uint64_t first, uint64_t end)
{
	enum status status = STATUS_OK;
	page_t page;

	while (status == STATUS_OK && first < end) {
		uint64_t count;

		status = HOST_RETRY(
			host, store_page_next(host->store, (page_t){first}, (page_t){end}, &page));
		if (status != STATUS_OK)
			return status == STATUS_NOT_FOUND ? STATUS_OK : status;
		count = end - page.n < STORE_CLEAR_PAGES ? end - page.n : STORE_CLEAR_PAGES;
		status = HOST_RETRY(host, store_pages_clear(host->store, page, count));
		if (status == STATUS_OK)
			status = host_relieve(host);
		first = page.n + count;
	}
	return status;
}

enum status host_places(struct host *host)
{
	struct directory_survey survey = {.directory = {1}};
	enum status status = STATUS_OK;
	bool more = true;

	while (status == STATUS_OK && more) {
		status = HOST_RETRY(host, directory_survey_step(&host->space, &survey, &more));
		if (status == STATUS_OK)
			status = host_relieve(host);
	}
	return status;
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

static enum command_exit host_say(struct host *host, enum status status, const char *format,
				  va_list arguments)
{
	char what[400], text[HOST_STATUS_TEXT];
	const char *why = host_status_text(host, status, text);

	vsnprintf(what, sizeof(what), format, arguments);
	if ((status == STATUS_IO || status == STATUS_CORRUPT || status == STATUS_READ_ONLY) &&
	    host->last_log[0])
		return command_error("%s: %s: %s (%s)", host->path, what, why, host->last_log);
	return command_error("%s: %s: %s", host->path, what, why);
}

enum command_exit host_error(struct host *host, enum status status, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	host_say(host, status, format, arguments);
	va_end(arguments);
	return COMMAND_FAILED;
}

enum command_exit host_result(struct host *host, enum status status, const char *format, ...)
{
	enum command_exit result = COMMAND_OK;
	va_list arguments;

	va_start(arguments, format);
	if (status != STATUS_OK)
		result = host_say(host, status, format, arguments);
	va_end(arguments);
	return result;
}
