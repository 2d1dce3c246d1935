/* SPDX-License-Identifier: MIT */
/*
 * format.c - the first objects of an empty space.
 *
 * The system page, the pages of the object and account tables with the fixed objects, and the map
 * of ranges.  Everything else comes into being when it is first written.
 */
#include "objects/objects_priv.h"
#include <string.h>

#define CHECKPOINT_DEFAULT_NS UINT64_C(1000000000)
#define LOG_RANGE_PAGES	      (2 * (uint64_t)LOG_PAGES) /* its first page, and its text */

static_assert(LOG_RANGE_PAGES < 1u << RANGE_LEAF_SHIFT, "the same pages of the map");

static_assert(OBJECT_FIRST_FREE <= OBJECTS_PER_PAGE, "the fixed objects share one page");

static const struct {
	uint8_t type;
	bool charged; /* to the first bank */
} fixed[OBJECT_FIRST_FREE] = {
	[OBJECT_ROOT_BANK] = {OBJECT_BANK, false},
	[OBJECT_ROOT_DIRECTORY] = {OBJECT_DIRECTORY, true},
	[OBJECT_THE_CLOCK] = {OBJECT_CLOCK, false},
	[OBJECT_THE_CONSOLE] = {OBJECT_CONSOLE, false},
	[OBJECT_THE_STORE] = {OBJECT_STORE, false},
	[OBJECT_THE_SYSTEM] = {OBJECT_SYSTEM, false},
	[OBJECT_THE_LOG] = {OBJECT_LOG, true},
};

static void format_records(struct disk_object *records, struct disk_system *system)
{
	struct disk_object *bank = &records[OBJECT_ROOT_BANK];
	struct disk_object *log = &records[OBJECT_THE_LOG];

	log->range_pages = LOG_RANGE_PAGES;
	log->first_page = KERNEL_ARENA_PAGE;
	log->size = LOG_BYTES;

	for (uint32_t i = 1; i < OBJECT_FIRST_FREE; i++) {
		records[i].version = ++system->next_version;
		records[i].type = fixed[i].type;
		if (!fixed[i].charged)
			continue;
		records[i].bank = OBJECT_ROOT_BANK;
		bank->size += object_charge(fixed[i].type, records[i].size);
		bank->allowance.objects++;
	}
}

enum status objects_format(struct space *space, uint64_t bank_limit_pages)
{
	void *system_page, *record_page_data;
	struct disk_account *account;
	struct disk_system *system;
	struct disk_object *records;
	enum status status = space_write(space, (page_t){SYSTEM_PAGE}, &system_page);

	if (status == STATUS_OK)
		status = space_write(space, record_page((object_t){OBJECT_ROOT_BANK}),
				     &record_page_data);
	if (status == STATUS_OK)
		status = account_prepare(space, (object_t){OBJECT_ROOT_BANK}, &account);
	if (status == STATUS_OK)
		status = range_map_prepare(space, RANGE_KERNEL, KERNEL_ARENA_PAGE);
	if (status == STATUS_OK)
		status = range_map_prepare(space, RANGE_USER, USER_ARENA_PAGE);
	if (status != STATUS_OK)
		return status;

	/* Commit point. */
	system = system_page;
	records = record_page_data;
	memset(system, 0, sizeof(*system));
	memset(records, 0, PAGE_SIZE);
	system->magic = SYSTEM_MAGIC;
	system->version = SYSTEM_VERSION;
	system->next_object = OBJECT_FIRST_FREE;
	system->kernel_next = KERNEL_ARENA_PAGE + LOG_RANGE_PAGES;
	system->tree_next = TREE_ARENA_PAGE;
	system->user_next = USER_ARENA_PAGE;
	system->root_directory = OBJECT_ROOT_DIRECTORY;
	system->root_bank = OBJECT_ROOT_BANK;
	system->checkpoint_ns = CHECKPOINT_DEFAULT_NS;
	system->places = 1;
	records[OBJECT_ROOT_BANK].allowance.limit = bank_limit_pages;
	format_records(records, system);
	account->addresses = LOG_RANGE_PAGES;
	account->weight = SHARE_ALL;
	account->address_limit =
		TREE_ARENA_PAGE - KERNEL_ARENA_PAGE + USER_ARENA_END - USER_ARENA_PAGE;
	range_map_begin(space, RANGE_KERNEL, system->kernel_next);
	range_map_begin(space, RANGE_USER, system->user_next);
	for (uint32_t i = 1; i < OBJECT_FIRST_FREE; i++)
		ASSERT(record_valid(&records[i]));
	return STATUS_OK;
}
