/* SPDX-License-Identifier: MIT */
/*
 * lookup.c - which snapshot is meant; see lookup.h.
 */
#include "tools/mkstore/lookup.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/keeping.h"
#include "tools/mkstore/text.h"

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
		if (!(snapshot.flags & (DISK_SNAPSHOT_DYING | DISK_SNAPSHOT_BRANCH)) &&
		    (!oldest.number.n || snapshot.wall_ns < oldest.wall_ns))
			oldest = snapshot;
	if (!oldest.number.n) {
		snprintf(out, size, "there are no snapshots");
		return;
	}
	text_name(name, sizeof(name), oldest.name, strnlen(oldest.name, sizeof(oldest.name)));
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

enum command_exit lookup_error(struct host *host, enum status status, const char *what,
			       const char *text)
{
	char shown[4 * DISK_SNAPSHOT_NAME], reason[6 * DISK_SNAPSHOT_NAME];

	text_name(shown, sizeof(shown), text, strlen(text));
	if (status == STATUS_CORRUPT || status == STATUS_IO)
		return host_error(host, status,
				  "cannot %s '%s'; 'snapshots' lists which can be read, salvage "
				  "saves what is whole",
				  what, shown);
	if (status != STATUS_NOT_FOUND)
		return host_error(host, status, "cannot %s '%s'", what, shown);
	lookup_reason(host, reason, sizeof(reason), text);
	return command_error("%s: cannot %s '%s': %s", host->path, what, shown, reason);
}
