/* SPDX-License-Identifier: MIT */
/*
 * owner.c - see owner.h.
 *
 * The object table says which pages belong to whom, and the directories, each a tree of
 * pages, who is called what.  All of it is gathered for one state at a time.
 */
#include "tools/mkstore/owner.h"
#include "base/assert.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/mkstore/kind.h"
#include "tools/mkstore/text.h"

#define OWNER_LEVELS 8u		/* of a directory's tree ... */
#define OWNER_PAGES  (1u << 17) /* ... and its pages, as hostile ones lead anywhere */
#define OWNER_TEXT   8192u

struct owner {
	struct disk_object record;
	uint32_t directory; /* that names it; 0: none was found */
	char *name;
};

struct owner_range {
	uint64_t first, pages;
	uint32_t object;
};

struct owners {
	struct verify *verify;
	bool own; /* opened here */
	struct verify_space space;
	bool gathered;
	struct owner *owner; /* by index */
	uint32_t count, root;
	struct owner_range *range; /* by first page */
	uint32_t ranges;
	char text[OWNER_TEXT];
};

static void owners_quiet(void *context, const struct verify_finding *finding)
{
	/* Whoever asks tells of damage. */
	(void)context;
	(void)finding;
}

struct owners *owners_open(struct host *host, struct verify *verify)
{
	struct verify_options options = {.report = owners_quiet, .skip_slot_tails = true};
	struct verify_reader reader = inspect_reader(host);
	struct owners *owners = calloc(1, sizeof(*owners));

	if (!owners)
		return NULL;
	owners->own = !verify;
	owners->verify = verify ? verify : verify_open(&reader, &options);
	if (verify || (owners->verify && verify_choose(owners->verify) != STATUS_NO_MEMORY &&
		       verify_record(owners->verify)))
		return owners;
	owners_close(owners);
	return NULL;
}

static void owners_forget(struct owners *owners)
{
	for (uint32_t i = 0; i < owners->count; i++)
		free(owners->owner[i].name);
	free(owners->owner);
	free(owners->range);
	owners->owner = NULL;
	owners->range = NULL;
	owners->count = owners->ranges = 0;
	owners->gathered = false;
}

void owners_close(struct owners *owners)
{
	if (!owners)
		return;
	owners_forget(owners);
	if (owners->own)
		verify_close(owners->verify);
	free(owners);
}

static bool owners_read(struct owners *owners, uint64_t page, void *data)
{
	return page < DISK_PAGE_MAX &&
	       verify_space_read(owners->verify, &owners->space, (page_t){page}, data) == STATUS_OK;
}

/* ---- names ------------------------------------------------------------------------------ */

/* An entry of a directory's leaf: the first name of an object that lives. */
static void owners_entry(struct owners *owners, uint32_t directory, const uint8_t *key,
			 uint8_t key_length, const uint8_t *value, uint8_t value_length)
{
	struct disk_capability capability;
	struct owner *owner;

	if (value_length != sizeof(capability))
		return;
	memcpy(&capability, value, sizeof(capability));
	owner = &owners->owner[capability.object < owners->count ? capability.object : 0];
	if (owner->record.version && owner->record.version == capability.version && !owner->name) {
		owner->name = strndup((const char *)key, key_length);
		owner->directory = directory;
	}
}

/* One page of a directory's tree.  Its own pages below come next: `below` has room for one more
 * than there can be. */
static uint32_t owners_page(struct owners *owners, uint32_t directory, uint64_t page,
			    uint64_t *below)
{
	struct disk_tree_page tree;
	uint32_t children = 0;

	if (!owners_read(owners, page, &tree) || tree.magic != TREE_MAGIC ||
	    tree.count > sizeof(tree.bytes) / sizeof(uint16_t))
		return 0;
	for (uint16_t i = 0; i < tree.count; i++) {
		uint16_t offset;
		const uint8_t *entry;

		memcpy(&offset, tree.bytes + i * sizeof(offset), sizeof(offset));
		entry = tree.bytes + offset;
		if (offset > sizeof(tree.bytes) - 2 ||
		    offset + 2u + entry[0] + entry[1] > sizeof(tree.bytes))
			continue;
		if (!tree.level)
			owners_entry(owners, directory, entry + 2, entry[0], entry + 2 + entry[0],
				     entry[1]);
		else if (entry[1] == sizeof(*below))
			memcpy(&below[children++], entry + 2 + entry[0], sizeof(*below));
	}
	return children;
}

/* Level by level, so that a tree that leads into itself ends. */
static void owners_directory(struct owners *owners, uint32_t directory)
{
	const uint32_t most = sizeof(((struct disk_tree_page *)0)->bytes) / sizeof(uint16_t);
	uint64_t *level = malloc(sizeof(*level));
	uint64_t count = 1;

	if (level)
		level[0] = owners->owner[directory].record.directory.root;
	for (unsigned i = 0; i < OWNER_LEVELS && level && count; i++) {
		uint64_t *below = NULL, found = 0;

		for (uint64_t at = 0; at < count && found < OWNER_PAGES; at++) {
			uint64_t *more = realloc(below, (found + most) * sizeof(*below));

			if (!more)
				break;
			below = more;
			found += owners_page(owners, directory, level[at], below + found);
		}
		free(level);
		level = below;
		count = found;
	}
	free(level);
}

static int range_order(const void *one, const void *other)
{
	const struct owner_range *a = one, *b = other;

	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	return (a->object > b->object) - (a->object < b->object);
}

static void owners_range(struct owners *owners, uint32_t object, uint64_t first, uint64_t pages)
{
	/* There is room for two of each object. */
	ASSERT(owners->ranges < 2 * (owners->count + 1u));
	if (first && pages)
		owners->range[owners->ranges++] = (struct owner_range){first, pages, object};
}

/* A machine has its own page and its message page. */
static void owners_record(struct owners *owners, uint32_t object, const struct disk_object *record)
{
	ASSERT(object && object < owners->count);
	owners->owner[object].record = *record;
	if (!record->version)
		return;
	owners_range(owners, object, record->first_page, record->range_pages);
	if (record->type == OBJECT_MACHINE)
		owners_range(owners, object, record->machine.message_page,
			     record->machine.message_pages);
}

static void owners_gather(struct owners *owners, uint64_t snapshot)
{
	struct disk_object records[OBJECTS_PER_PAGE];
	struct disk_system system;
	enum status status;

	if (owners->gathered && owners->space.snapshot.n == snapshot)
		return;
	owners_forget(owners);
	status = snapshot ? verify_space_snapshot(owners->verify, (snapshot_t){snapshot},
						  &owners->space)
			  : verify_space_live(owners->verify, &owners->space);
	owners->gathered = status == STATUS_OK;
	if (status != STATUS_OK || !owners_read(owners, SYSTEM_PAGE, &system) ||
	    system.next_object > OBJECT_MAX)
		return;
	owners->owner = calloc(system.next_object + 1u, sizeof(*owners->owner));
	owners->range = calloc(2 * (system.next_object + 1u), sizeof(*owners->range));
	if (!owners->owner || !owners->range)
		return;
	owners->count = system.next_object;
	owners->root = system.root_directory;
	for (uint32_t i = 0; i < owners->count; i++) {
		if (i % OBJECTS_PER_PAGE == 0 &&
		    !owners_read(owners, OBJECT_TABLE_PAGE + i / OBJECTS_PER_PAGE, records))
			memset(records, 0, sizeof(records));
		if (i)
			owners_record(owners, i, &records[i % OBJECTS_PER_PAGE]);
	}
	qsort(owners->range, owners->ranges, sizeof(*owners->range), range_order);
	for (uint32_t i = 1; i < owners->count; i++)
		if (owners->owner[i].record.version &&
		    owners->owner[i].record.type == OBJECT_DIRECTORY)
			owners_directory(owners, i);
}

/* ---- what was asked for ------------------------------------------------------------------- */

uint32_t owners_object(struct owners *owners, uint64_t snapshot, uint64_t page)
{
	uint32_t low = 0, high;

	owners_gather(owners, snapshot);
	for (high = owners->ranges; low < high;) {
		uint32_t middle = low + (high - low) / 2;

		if (owners->range[middle].first <= page)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || page - owners->range[low - 1].first >= owners->range[low - 1].pages)
		return 0;
	return owners->range[low - 1].object;
}

uint32_t owners_end(struct owners *owners)
{
	owners_gather(owners, 0);
	return owners->count;
}

const char *owners_type(const struct owners *owners, uint32_t object)
{
	ASSERT(object < owners->count);
	return object_type_name(owners->owner[object].record.type);
}

/* From the end of `text` to its front. */
const char *owners_path(const struct owners *owners, uint32_t object, char *text, size_t size)
{
	char *at = text + size - 1;

	ASSERT(size > 1 && (object < owners->count || !object));
	*at = 0;
	if (object == owners->root)
		*--at = '/';
	for (unsigned depth = 0; object && object != owners->root; depth++) {
		const struct owner *owner = &owners->owner[object];
		size_t length = owner->name ? strlen(owner->name) : 0;

		ASSERT(owner->directory < owners->count);
		if (!owner->name || depth > DIRECTORY_DEPTH_MAX || (size_t)(at - text) < length + 8)
			return *at ? memcpy(at - 3, "...", 3) : at;
		at -= length;
		memcpy(at, owner->name, length);
		*--at = '/';
		object = owner->directory;
	}
	return at;
}

static void owner_text(struct owners *owners, uint32_t object)
{
	const struct disk_object *record = &owners->owner[object].record;
	const char *type = owners_type(owners, object);
	char path[OWNER_TEXT / 8], shown[OWNER_TEXT / 2], name[TEXT_NAME(MACHINE_NAME)];
	struct disk_machine machine;
	const char *at = owners_path(owners, object, path, sizeof(path));

	text_name(shown, sizeof(shown), at, strlen(at));
	if (*shown && object != owners->root)
		snprintf(owners->text, OWNER_TEXT, "%s (%s %" PRIu32 ")", shown, type, object);
	else if (record->type == OBJECT_MACHINE &&
		 owners_read(owners, record->first_page, &machine) && machine.name[0])
		snprintf(owners->text, OWNER_TEXT, "%s %" PRIu32 " (%s)", type, object,
			 TEXT_FIELD(name, machine.name));
	else
		snprintf(owners->text, OWNER_TEXT, "%s %" PRIu32, type, object);
}

const char *owners_name(struct owners *owners, uint64_t snapshot, uint64_t page)
{
	uint32_t object = owners ? owners_object(owners, snapshot, page) : 0;

	if (!object)
		return "";
	owner_text(owners, object);
	return owners->text;
}

const char *owners_name_anywhere(struct owners *owners, uint64_t page)
{
	const char *name = owners_name(owners, 0, page);
	uint64_t snapshots = 0;

	while (owners && verify_snapshot_at(owners->verify, snapshots))
		snapshots++;
	while (!*name && snapshots)
		name = owners_name(owners, verify_snapshot_at(owners->verify, --snapshots)->number,
				   page);
	return name;
}
