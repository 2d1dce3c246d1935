/* SPDX-License-Identifier: MIT */
/*
 * objects.c - system page, object table and versions.
 *
 * What holds in every space:
 *   - a record is free, living or dying, and on exactly the list that says so;
 *   - versions are unique and not above the counter, the counter not above the
 *     one in the commit record that no restore turns back.
 */
#include "tools/verify/objects.h"
#include "base/assert.h"

#include "tools/verify/objects_priv.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- help ------------------------------------------------------------------------ */

void verify_objects_report(struct verify_objects *objects, uint64_t page, const char *format, ...)
{
	char text[300], prefix[40] = "";
	va_list arguments;

	if (objects->reports++ > VERIFY_OBJECTS_REPORTS)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (objects->reports > VERIFY_OBJECTS_REPORTS)
		snprintf(text, sizeof(text), "more findings about objects are not shown");
	if (objects->space.snapshot.n)
		snprintf(prefix, sizeof(prefix), "snapshot %" PRIu64 ": ",
			 objects->space.snapshot.n);
	verify_report_object(objects->verify, VERIFY_ERROR, page, "%s%s", prefix, text);
}

bool verify_objects_read(struct verify_objects *objects, uint64_t page, void *data)
{
	enum status status =
		verify_space_read(objects->verify, &objects->space, (page_t){page}, data);

	if (status == STATUS_ABSENT)
		memset(data, 0, PAGE_SIZE);
	else if (status != STATUS_OK)
		objects->incomplete = true;
	return status == STATUS_OK || status == STATUS_ABSENT;
}

bool verify_objects_grow(struct verify_objects *objects, void **array, uint64_t count,
			 uint64_t *room, size_t size)
{
	uint64_t larger = *room ? *room * 2 : 64;
	void *moved;

	ASSERT(count <= *room);
	if (count < *room)
		return true;
	moved = realloc(*array, larger * size);
	if (!moved) {
		objects->out_of_memory = true;
		return false;
	}
	*array = moved;
	*room = larger;
	return true;
}

bool verify_objects_zero(const void *data, size_t size)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < size; i++)
		if (bytes[i])
			return false;
	return true;
}

const struct disk_object *verify_objects_record(const struct verify_objects *objects,
						uint32_t object)
{
	if (object == 0 || object >= objects->objects || !objects->record[object].version)
		return NULL;
	return &objects->record[object];
}

/* ---- system page ------------------------------------------------------------------- */

static bool verify_objects_between(uint64_t value, uint64_t least, uint64_t most)
{
	return value >= least && value <= most;
}

/* As many as the table has pages for, if more are said to have been made: what is damaged does
 * not say how much memory is needed.  Where the map cannot be read, all of them. */
static uint32_t verify_objects_made(struct verify_objects *objects)
{
	uint32_t said = objects->system.next_object;
	uint64_t end = OBJECT_TABLE_PAGE + (said + OBJECTS_PER_PAGE - 1) / OBJECTS_PER_PAGE, pages;
	page_t page = {OBJECT_TABLE_PAGE}, last = page;
	enum status status;

	for (;; page.n++) {
		status = verify_space_next(objects->verify, &objects->space, page, &page);
		if (status != STATUS_OK || page.n >= end)
			break;
		last = page;
	}
	pages = last.n + 1 - OBJECT_TABLE_PAGE;
	if ((status != STATUS_OK && status != STATUS_NOT_FOUND) || pages * OBJECTS_PER_PAGE >= said)
		return said;
	verify_objects_report(objects, SYSTEM_PAGE,
			      "objects up to %" PRIu32
			      " were handed out, the table ends at %" PRIu64,
			      said - 1, pages * OBJECTS_PER_PAGE - 1);
	return (uint32_t)(pages * OBJECTS_PER_PAGE);
}

/* False: nothing can be checked without what is wrong. */
static bool verify_objects_system(struct verify_objects *objects)
{
	struct disk_system *system = &objects->system;

	if (!verify_objects_read(objects, SYSTEM_PAGE, system))
		return false;
	if (system->magic != SYSTEM_MAGIC || system->version < 1 ||
	    system->version > SYSTEM_VERSION) {
		verify_objects_report(objects, SYSTEM_PAGE,
				      "system page: magic 0x%016" PRIx64 ", version %" PRIu32
				      " instead of at most %u",
				      system->magic, system->version, SYSTEM_VERSION);
		return false;
	}
	if (system->next_object < 1 || system->next_object > OBJECT_MAX ||
	    !verify_objects_between(system->kernel_next, KERNEL_ARENA_PAGE, TREE_ARENA_PAGE) ||
	    !verify_objects_between(system->tree_next, TREE_ARENA_PAGE, USER_ARENA_PAGE) ||
	    !verify_objects_between(system->user_next, USER_ARENA_PAGE, USER_ARENA_END)) {
		verify_objects_report(objects, SYSTEM_PAGE,
				      "system page: next object or next page is out of bounds");
		return false;
	}
	if (system->reserved0 || system->places > 1 || system->terminal.reserved ||
	    !verify_objects_zero(system->reserved, sizeof(system->reserved)))
		verify_objects_report(objects, SYSTEM_PAGE, "system page: a reserve is not zero");
	if (system->terminal.object >= system->next_object ||
	    system->terminal.version > system->next_version)
		verify_objects_report(objects, SYSTEM_PAGE,
				      "system page: the terminal's machine was never made");
	if (system->next_version > objects->version_floor)
		verify_objects_report(objects, SYSTEM_PAGE,
				      "version %" PRIu64 " was handed out, the commit record knows "
				      "of %" PRIu64 " only",
				      system->next_version, objects->version_floor);
	objects->objects = verify_objects_made(objects);
	return true;
}

/* What the system page names, once the table is known. */
static void verify_objects_fixed(struct verify_objects *objects)
{
	const struct disk_object *root =
		verify_objects_record(objects, objects->system.root_directory);
	const struct disk_object *bank = verify_objects_record(objects, objects->system.root_bank);

	if (!root || root->type != OBJECT_DIRECTORY)
		verify_objects_report(objects, SYSTEM_PAGE,
				      "object %" PRIu32 " is no root directory",
				      objects->system.root_directory);
	if (!bank || bank->type != OBJECT_BANK)
		verify_objects_report(objects, SYSTEM_PAGE, "object %" PRIu32 " is no root bank",
				      objects->system.root_bank);
	for (unsigned i = 0; i < SYSTEM_ESSENTIAL_MAX; i++)
		if (objects->system.essential[i].version > objects->system.next_version ||
		    objects->system.essential[i].object >= objects->objects ||
		    objects->system.essential[i].reserved)
			verify_objects_report(objects, SYSTEM_PAGE,
					      "essential machine %u was never handed out", i);
	for (unsigned i = 0; i < SYSTEM_TRANSIENT_MAX; i++)
		if (objects->system.transient[i].version > objects->system.next_version ||
		    objects->system.transient[i].object >= objects->objects ||
		    objects->system.transient[i].reserved)
			verify_objects_report(objects, SYSTEM_PAGE,
					      "object %u of those that are to go was never "
					      "handed out",
					      i);
	if (objects->system.destroying_last >= objects->objects)
		verify_objects_report(objects, SYSTEM_PAGE,
				      "the last of the objects being destroyed was never handed "
				      "out");
	for (unsigned i = 0; i < SYSTEM_RESUME_MAX; i++)
		if (objects->system.resume[i].version > objects->system.next_version ||
		    objects->system.resume[i].object >= objects->objects)
			verify_objects_report(objects, SYSTEM_PAGE,
					      "entry %u of those told of a resume names no object",
					      i);
}

/* ---- object table --------------------------------------------------------------------- */

static void verify_objects_record_check(struct verify_objects *objects, uint32_t object)
{
	const struct disk_object *record = &objects->record[object];
	uint64_t page = OBJECT_TABLE_PAGE + object / OBJECTS_PER_PAGE;

	unsigned flags = OBJECT_TOLD | OBJECT_WAITS;

	if (record->version)
		flags = record->type == OBJECT_BANK ? OBJECT_DERIVED | OBJECT_RECEIVES : 0;
	if (record->reserved0 || record->flags & ~flags)
		verify_objects_report(objects, page, "object %" PRIu32 ": a reserve is not zero",
				      object);
	if (record->type == OBJECT_NONE) {
		struct disk_object free = {.next_free = record->next_free};
		if (memcmp(&free, record, sizeof(free)) != 0)
			verify_objects_report(objects, page,
					      "object %" PRIu32 " is free, but its record is not "
					      "empty",
					      object);
		return;
	}
	if (record->version > objects->system.next_version)
		verify_objects_report(objects, page,
				      "object %" PRIu32 " has version %" PRIu64
				      ", but the last one handed out is %" PRIu64,
				      object, record->version, objects->system.next_version);
	if (!verify_objects_shape(objects, record)) {
		verify_objects_report(objects, page,
				      "object %" PRIu32 " of type %u: size %" PRIu64
				      " and range %" PRIu64 " pages at 0x%" PRIx64
				      " do not make sense",
				      object, record->type, record->size, record->range_pages,
				      record->first_page);
		return;
	}
	if (record->range_pages)
		verify_objects_range_add(objects, record->first_page, record->range_pages, object,
					 false);
	if (record->type == OBJECT_MACHINE)
		verify_objects_range_add(objects, record->machine.message_page,
					 record->machine.message_pages, object, true);
	if (record->bank && record->bank < objects->objects) {
		verify_objects_bank_charge(objects, object);
	} else if (record->bank) {
		verify_objects_report(objects, page, "object %" PRIu32 " is charged to no bank",
				      object);
	}
}

static void verify_objects_table_read(struct verify_objects *objects)
{
	uint64_t pages = (objects->objects + OBJECTS_PER_PAGE - 1) / OBJECTS_PER_PAGE;
	struct disk_object records[OBJECTS_PER_PAGE];

	for (uint64_t i = 0; i < pages; i++) {
		uint64_t first = i * OBJECTS_PER_PAGE, count = objects->objects - first;
		if (!verify_objects_read(objects, OBJECT_TABLE_PAGE + i, records))
			continue;
		if (count > OBJECTS_PER_PAGE)
			count = OBJECTS_PER_PAGE;
		memcpy(&objects->record[first], records, count * sizeof(records[0]));
		if (!verify_objects_zero(&records[count],
					 (OBJECTS_PER_PAGE - count) * sizeof(records[0])))
			verify_objects_report(objects, OBJECT_TABLE_PAGE + i,
					      "the object table goes on behind object %" PRIu32,
					      objects->objects - 1);
	}
	if (!verify_objects_zero(&objects->record[0], sizeof(objects->record[0])))
		verify_objects_report(objects, OBJECT_TABLE_PAGE, "object 0 is not empty");
}

/* Is it to be in that list?  A bank that waits is in none. */
static bool verify_objects_chained(const struct disk_object *record, bool dying)
{
	return !record->version && (record->type != OBJECT_NONE) == dying &&
	       !(record->flags & OBJECT_WAITS);
}

/* A chain of records through next_free: exactly those that are free, or dying. */
static void verify_objects_chain(struct verify_objects *objects, uint32_t head, bool dying)
{
	const char *what = dying ? "being destroyed" : "free";
	uint64_t expected = 0, found = 0;
	uint32_t at = head;

	for (uint32_t i = 1; i < objects->objects; i++)
		expected += verify_objects_chained(&objects->record[i], dying);
	while (at != 0 && found <= expected) {
		const struct disk_object *record;
		if (at >= objects->objects)
			break;
		record = &objects->record[at];
		if (!verify_objects_chained(record, dying))
			break;
		found++;
		at = record->next_free;
	}
	if ((at != 0 || found != expected) && !objects->incomplete)
		verify_objects_report(objects, SYSTEM_PAGE,
				      "the list of objects %s has %" PRIu64 " of %" PRIu64
				      " entries and ends at object %" PRIu32,
				      what, found, expected, at);
}

static int verify_objects_version_order(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return a < b ? -1 : a > b;
}

/* A version names one life of one object for ever. */
static void verify_objects_versions(struct verify_objects *objects)
{
	uint64_t *version = malloc(sizeof(*version) * objects->objects);
	uint64_t count = 0;

	if (!version) {
		objects->out_of_memory = true;
		return;
	}
	for (uint32_t i = 1; i < objects->objects; i++)
		if (objects->record[i].version)
			version[count++] = objects->record[i].version;
	ASSERT(count < objects->objects);
	qsort(version, count, sizeof(*version), verify_objects_version_order);
	for (uint64_t i = 1; i < count; i++)
		if (version[i] == version[i - 1])
			verify_objects_report(objects, VERIFY_OBJECTS_NOWHERE,
					      "two objects have the version %" PRIu64, version[i]);
	free(version);
}

/* ---- one space ----------------------------------------------------------------------------- */

static bool verify_objects_allocate(struct verify_objects *objects)
{
	uint64_t tree_pages = objects->system.tree_next - TREE_ARENA_PAGE;

	ASSERT(objects->objects && objects->system.tree_next >= TREE_ARENA_PAGE);
	objects->record = calloc(objects->objects, sizeof(*objects->record));
	objects->account = calloc(objects->objects, sizeof(*objects->account));
	objects->bank = calloc(objects->objects, sizeof(*objects->bank));
	objects->bank_listed = calloc(1, objects->objects / 8 + 1);
	objects->machine_listed = calloc(1, objects->objects / 8 + 1);
	objects->tree_seen = calloc(1, tree_pages / 8 + 1);
	objects->map_seen = calloc(1, VERIFY_OBJECTS_MAP_PAGES / 8 + 1);
	objects->out_of_memory = !objects->record || !objects->account || !objects->bank ||
				 !objects->bank_listed || !objects->machine_listed ||
				 !objects->tree_seen || !objects->map_seen;
	return !objects->out_of_memory;
}

static void verify_objects_space(struct verify_objects *objects)
{
	if (!verify_objects_system(objects) || !verify_objects_allocate(objects))
		return;
	verify_objects_table_read(objects);
	verify_objects_accounts_read(objects);
	for (uint32_t i = 1; i < objects->objects; i++)
		verify_objects_record_check(objects, i);
	verify_objects_fixed(objects);
	verify_objects_chain(objects, objects->system.free_object, false);
	verify_objects_chain(objects, objects->system.destroying, true);
	verify_objects_versions(objects);
	verify_objects_banks(objects);
	verify_objects_queues(objects);
	for (uint32_t i = 1; i < objects->objects; i++)
		verify_objects_body(objects, i);
	verify_objects_tree_pages(objects);
	verify_objects_free(objects);
	verify_objects_ranges(objects);
	verify_objects_reach(objects);
}

static enum status verify_objects_run(struct verify *verify, const struct verify_space *space)
{
	struct verify_objects objects = {.verify = verify, .space = *space};
	uint8_t first[PAGE_SIZE];
	page_t page;

	ASSERT(verify_record(verify)); /* a generation is chosen */
	objects.version_floor = verify_record(verify)->counters.object_version;
	/* A store in which nothing was laid down has no objects to check. */
	if (verify_space_next(verify, space, (page_t){0}, &page) == STATUS_NOT_FOUND)
		return STATUS_OK;
	if (verify_space_read(verify, space, (page_t){SYSTEM_PAGE}, first) == STATUS_ABSENT)
		verify_objects_report(&objects, SYSTEM_PAGE, "there is no system page");
	else
		verify_objects_space(&objects);
	free(objects.record);
	free(objects.account);
	free(objects.bank);
	free(objects.bank_listed);
	free(objects.machine_listed);
	free(objects.tree_seen);
	free(objects.map_seen);
	free(objects.range);
	free(objects.deadline);
	free(objects.edge);
	return objects.out_of_memory ? STATUS_NO_MEMORY : STATUS_OK;
}

/* While a stream is being received, the live state is a part of something. */
static bool verify_objects_partial(struct verify *verify)
{
	const struct disk_receiving *receiving = &verify_record(verify)->receiving;

	if (verify_objects_zero(receiving->source, sizeof(receiving->source)))
		return false;
	verify_report_object(verify, VERIFY_NOTE, VERIFY_OBJECTS_NOWHERE,
			     "a stream is being received: the live state is a part of generation "
			     "%llu of another store, and its objects are not checked",
			     (unsigned long long)receiving->generation);
	return true;
}

enum status verify_objects_live(struct verify *verify)
{
	struct verify_space space;
	enum status status = verify_space_live(verify, &space);

	if (status == STATUS_OK && !verify_objects_partial(verify))
		status = verify_objects_run(verify, &space);
	return status;
}

enum status verify_objects(struct verify *verify)
{
	const struct disk_snapshot *snapshot;
	struct verify_space space;
	enum status status = verify_objects_live(verify);

	for (uint64_t i = 0; status == STATUS_OK; i++) {
		snapshot = verify_snapshot_at(verify, i);
		if (!snapshot)
			break;
		/* A branch point or a dying one can never be the live state again. */
		if (snapshot->flags & (DISK_SNAPSHOT_DYING | DISK_SNAPSHOT_BRANCH))
			continue;
		status = verify_space_snapshot(verify, (snapshot_t){snapshot->number}, &space);
		if (status == STATUS_OK)
			status = verify_objects_run(verify, &space);
	}
	return status;
}
