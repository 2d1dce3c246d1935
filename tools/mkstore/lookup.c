/* SPDX-License-Identifier: MIT */
/*
 * lookup.c - which snapshot is meant; see lookup.h.
 */
#include "tools/mkstore/lookup.h"

#include "disk/keeping.h"

static enum status lookup_form(struct host *host, const char *text, struct store_snapshot *snapshot)
{
	uint64_t value, now = host_now_ns();
	generation_t newest = {UINT64_MAX};

	switch (keeping_form_of(text, &value)) {
	case KEEPING_NUMBER:
		return HOST_RETRY(host, store_snapshot_get(host->store, (snapshot_t){value},
							   snapshot, &host->space.channel));
	case KEEPING_GENERATION:
		return HOST_RETRY(host, store_snapshot_before(host->store, (generation_t){value},
							      UINT64_MAX, snapshot,
							      &host->space.channel));
	case KEEPING_AGE:
		if (value > now / UINT64_C(1000000000))
			return STATUS_NOT_FOUND;
		return HOST_RETRY(host, store_snapshot_before(host->store, newest,
							      now - value * UINT64_C(1000000000),
							      snapshot, &host->space.channel));
	case KEEPING_NAME:
		break;
	}
	return STATUS_NOT_FOUND;
}

enum status lookup_snapshot(struct host *host, const char *text, struct store_snapshot *snapshot)
{
	enum status status = HOST_RETRY(
		host, store_snapshot_find(host->store, text, snapshot, &host->space.channel));

	return status == STATUS_NOT_FOUND ? lookup_form(host, text, snapshot) : status;
}
