/* SPDX-License-Identifier: MIT */
/*
 * rested.c - makes a space as version 1 would have left it with its arenas used up: without
 * accounts, counts of the pages of names and a map of ranges, and all that is free at rest in the
 * quarantine.
 *
 *     rested IMAGE
 */
#include "tools/mkstore/host.h"

#include <stdlib.h>

#define SMALL_COUNT 1000u
#define SMALL_SHIFT 6u

static enum status rest_prepare(struct space *space, struct disk_system **system,
				struct btree_key key)
{
	enum status status = system_prepare(space, system);

	return status == STATUS_OK ? btree_insert_prepare(space, (*system)->quarantine_root, key)
				   : status;
}

/* One range, at *next, under arena, size and number. */
static void rest(struct host *host, bool user, unsigned shift, uint64_t first)
{
	static uint64_t number;
	uint8_t key[10] = {user, (uint8_t)shift};
	const struct btree_key tree_key = {key, sizeof(key)};
	struct disk_system *system;

	number++;
	for (unsigned i = 0; i < 8; i++)
		key[2 + i] = (uint8_t)(number >> (56 - 8 * i));
	if (HOST_RETRY(host, rest_prepare(&host->space, &system, tree_key)) != STATUS_OK)
		abort();
	btree_insert(&host->space, &system->quarantine_root, tree_key, &first, sizeof(first));
	system->quarantine_sequence = number;
}

static void rest_all(struct host *host, bool user, uint64_t first, uint64_t end)
{
	for (unsigned i = 0, shift; first < end; i++, first += UINT64_C(1) << shift) {
		for (shift = 0; shift < 33; shift++)
			if (first >> shift & 1 || end - first < UINT64_C(2) << shift)
				break;
		if (i < SMALL_COUNT && shift > SMALL_SHIFT)
			shift = SMALL_SHIFT;
		rest(host, user, shift, first);
	}
}

static enum status directory_prepare(struct space *space, uint32_t object,
				     struct disk_object **record, struct disk_object **bank)
{
	enum status status = object_prepare(space, (object_t){object}, record);

	if (status == STATUS_OK && (*record)->type != OBJECT_DIRECTORY)
		return STATUS_WRONG_TYPE;
	return status == STATUS_OK ? object_prepare(space, (object_t){(*record)->bank}, bank)
				   : status;
}

/* Directories pay by their names. */
static void uncount(struct host *host, uint32_t objects)
{
	for (uint32_t i = OBJECT_ROOT_DIRECTORY; i < objects; i++) {
		struct disk_object *record, *bank;

		if (HOST_RETRY(host, directory_prepare(&host->space, i, &record, &bank)) !=
		    STATUS_OK)
			continue;
		bank->size -= record_charge(record);
		record->directory.pages = 0;
		bank->size += record_charge(record);
	}
}

static enum status make_old(struct host *host)
{
	struct disk_system *system;

	if (HOST_RETRY(host, system_prepare(&host->space, &system)) != STATUS_OK)
		abort();
	rest_all(host, false, system->kernel_next, TREE_ARENA_PAGE);
	if (HOST_RETRY(host, system_prepare(&host->space, &system)) != STATUS_OK)
		abort();
	rest_all(host, true, system->user_next, USER_ARENA_END);
	if (HOST_RETRY(host, system_prepare(&host->space, &system)) != STATUS_OK)
		abort();
	system->kernel_next = TREE_ARENA_PAGE;
	system->user_next = USER_ARENA_END;
	system->version = 1;
	uncount(host, system->next_object);
	if (host_clear(host, RANGE_USER_ROOT, OBJECT_TABLE_PAGE) != STATUS_OK ||
	    host_clear(host, ACCOUNT_TABLE_PAGE, READY_BITMAP_PAGE) != STATUS_OK)
		abort();
	return host_finish(host);
}

int main(int count, char **words)
{
	struct command_invocation invocation = {.operand = {words[count - 1]}, .operands = 1};
	struct host host;
	bool done;

	if (host_open(&host, &invocation, HOST_WRITE) != COMMAND_OK)
		return 1;
	done = make_old(&host) == STATUS_OK;
	host_close(&host);
	return !done;
}
