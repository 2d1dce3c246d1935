/* SPDX-License-Identifier: MIT */
/*
 * objects_body.c - capabilities, the pages of tables, directories, ports and the log,
 * and what each type is judged by.
 */
#include "tools/verify/objects_priv.h"
#include "base/assert.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- capabilities ------------------------------------------------------------------ */

/* What hangs from a bank that lives is known to that. */
static bool revoker_sound(const struct verify_objects *objects,
			  const struct disk_capability *capability)
{
	bool receives = capability->type == OBJECT_PORT && capability->rights & RIGHT_RECEIVE;
	unsigned known = OBJECT_DERIVED | (receives ? OBJECT_RECEIVES : 0);
	uint32_t bank = capability->revoker;
	uint64_t version = capability->revoker_version;
	const struct disk_object *record = verify_objects_record(objects, bank);

	if (bank >= objects->objects || version > objects->system.next_version || !bank != !version)
		return false;
	return !record || record->version != version ||
	       (record->type == OBJECT_BANK && (record->flags & known) == known);
}

/* Null, or what is wrong.  A capability may outlive its object; then its version
 * is not that of the record any more. */
static const char *capability_wrong(const struct verify_objects *objects,
				    const struct disk_capability *capability)
{
	const struct disk_object *record;
	unsigned type = capability->type;

	if (verify_objects_zero(capability, sizeof(*capability)))
		return NULL;
	if (capability->version == 0)
		return "an empty slot is not all zero";
	if (type == OBJECT_NONE || type >= OBJECT_TYPES)
		return "its type does not exist";
	if (capability->object == 0 || capability->object >= objects->objects)
		return "its object does not exist";
	if (capability->version > objects->system.next_version)
		return "its version was never handed out";
	if (!revoker_sound(objects, capability))
		return "it hangs from what is no bank, or does not know of it";
	if (capability->reserved0 ||
	    !verify_objects_zero(capability->reserved, sizeof(capability->reserved)))
		return "a reserve is not zero";
	record = verify_objects_record(objects, capability->object);
	if (!record || record->version != capability->version)
		return NULL;
	/* The right to answer a call names the machine that called. */
	if (record->type != (type == OBJECT_REPLY ? (unsigned)OBJECT_MACHINE : type))
		return "its type is not that of the object";
	return NULL;
}

void verify_objects_capability(struct verify_objects *objects, uint64_t page,
			       const struct disk_capability *capability, const char *where)
{
	const char *wrong = capability_wrong(objects, capability);

	if (wrong && !objects->incomplete)
		verify_objects_report(
			objects, page,
			"%s: capability to object %" PRIu32 " (type %u, version %" PRIu64 "): %s",
			where, capability->object, capability->type, capability->version, wrong);
	if (!wrong)
		verify_objects_edge(objects, capability->object, capability->version);
}

/* ---- tables -------------------------------------------------------------------------- */

static void body_table(struct verify_objects *objects, uint32_t object)
{
	const struct disk_object *record = &objects->record[object];
	struct disk_capability slots[TABLE_SLOTS_PER_PAGE];
	char where[60];

	/* A size that cannot be was reported with the record. */
	if (record->size > TABLE_SLOTS_MAX)
		return;
	for (uint64_t slot = 0; slot < record->size; slot++) {
		uint64_t page = record->first_page + slot / TABLE_SLOTS_PER_PAGE;
		if (slot % TABLE_SLOTS_PER_PAGE == 0 &&
		    !verify_objects_read(objects, page, slots)) {
			slot += TABLE_SLOTS_PER_PAGE - 1;
			continue;
		}
		snprintf(where, sizeof(where), "table %" PRIu32 ", slot %" PRIu64, object, slot);
		verify_objects_capability(objects, page, &slots[slot % TABLE_SLOTS_PER_PAGE],
					  where);
	}
}

/* ---- directories ---------------------------------------------------------------------- */

static void body_directory_entry(struct verify_objects *objects, struct verify_objects_tree *tree,
				 uint64_t page, const struct verify_objects_entry *entry)
{
	struct disk_capability capability;

	if (memchr(entry->key, '/', entry->key_length) || memchr(entry->key, 0, entry->key_length))
		verify_objects_report(objects, page, "%s has a name with '/' or a zero byte",
				      tree->what);
	if (entry->value_length != sizeof(capability)) {
		verify_objects_report(objects, page, "%s has an entry that is no capability",
				      tree->what);
		return;
	}
	memcpy(&capability, entry->value, sizeof(capability));
	if (capability.version == 0)
		verify_objects_report(objects, page, "%s has a name for nothing", tree->what);
	verify_objects_capability(objects, page, &capability, tree->what);
}

static void body_directory(struct verify_objects *objects, uint32_t object)
{
	const struct disk_object *record = &objects->record[object];
	char what[40];
	struct verify_objects_tree tree = {.what = what, .entry = body_directory_entry};

	snprintf(what, sizeof(what), "directory %" PRIu32, object);
	verify_objects_tree_walk(objects, record->directory.root, &tree);
	if (!tree.damaged && tree.entries != record->size)
		verify_objects_report(objects, OBJECT_TABLE_PAGE + object / OBJECTS_PER_PAGE,
				      "%s counts %" PRIu64 " names and has %" PRIu64, what,
				      record->size, tree.entries);
	/* Where they are not counted nothing is known of them. */
	if (record->directory.pages && objects->system.version < SYSTEM_VERSION_PAGES)
		verify_objects_report(objects, OBJECT_TABLE_PAGE + object / OBJECTS_PER_PAGE,
				      "%s counts its pages, in a system page of version %" PRIu32,
				      what, objects->system.version);
	else if (record->directory.pages && !tree.damaged && tree.pages != record->directory.pages)
		verify_objects_report(objects, OBJECT_TABLE_PAGE + object / OBJECTS_PER_PAGE,
				      "%s counts %" PRIu32 " pages and has %" PRIu64, what,
				      record->directory.pages, tree.pages);
}

/* ---- ports ------------------------------------------------------------------------------ */

static void body_message(struct verify_objects *objects, uint32_t object, uint64_t page,
			 const struct disk_message *message, uint32_t index)
{
	char where[60];

	snprintf(where, sizeof(where), "port %" PRIu32 ", message %" PRIu32, object, index);
	if (message->length > MESSAGE_DATA)
		verify_objects_report(objects, page, "%s has %" PRIu32 " bytes of data", where,
				      message->length);
	if (message->reply.version && message->reply.type != OBJECT_REPLY)
		verify_objects_report(objects, page,
				      "%s cannot be answered: its reply is of type %u", where,
				      message->reply.type);
	verify_objects_capability(objects, page, &message->reply, where);
	for (unsigned i = 0; i < MESSAGE_CAPABILITIES; i++)
		verify_objects_capability(objects, page, &message->capability[i], where);
}

static void body_port(struct verify_objects *objects, uint32_t object)
{
	const struct disk_object *record = &objects->record[object];
	struct disk_message messages[2];
	struct disk_port port;

	if (record->port.receiver >= objects->objects ||
	    record->port.receiver_version > objects->system.next_version)
		verify_objects_report(objects, record->first_page,
				      "port %" PRIu32 ": its receiver does not exist", object);
	if (!verify_objects_read(objects, record->first_page, &port) ||
	    verify_objects_zero(&port, sizeof(port)))
		return;
	if (port.magic != PORT_MAGIC || port.capacity != record->size ||
	    port.capacity > PORT_CAPACITY_MAX || port.head >= port.capacity ||
	    port.count > port.capacity) {
		verify_objects_report(objects, record->first_page,
				      "port %" PRIu32 ": its queue of %" PRIu64
				      " messages is not well-formed",
				      object, record->size);
		return;
	}
	for (uint32_t i = 0; i < port.count; i++) {
		uint32_t index = (port.head + i) % port.capacity;
		uint64_t page = record->first_page + 1 + index / 2;
		if (verify_objects_read(objects, page, messages))
			body_message(objects, object, page, &messages[index % 2], index);
	}
}

/* ---- the log ------------------------------------------------------------------------------ */

static void body_log(struct verify_objects *objects, uint32_t object)
{
	const struct disk_object *record = &objects->record[object];
	struct disk_log log;

	if (!verify_objects_read(objects, record->first_page, &log) ||
	    verify_objects_zero(&log, sizeof(log)))
		return;
	if (log.magic != LOG_MAGIC || log.pages != LOG_PAGES)
		verify_objects_report(objects, record->first_page,
				      "log %" PRIu32 ": its first page is not well-formed", object);
}

/* ---- types -------------------------------------------------------------------------------- */

static uint64_t parts(uint64_t whole, uint64_t part)
{
	return whole / part + (whole % part != 0);
}

static uint64_t charge_segment(uint64_t size)
{
	return size ? parts(size, PAGE_SIZE) : 1;
}

static uint64_t charge_machine(uint64_t size)
{
	return size + 2;
}

static uint64_t charge_port(uint64_t size)
{
	return 1 + parts(size, 2);
}

static uint64_t charge_table(uint64_t size)
{
	return parts(size, TABLE_SLOTS_PER_PAGE);
}

/* Of one without a count of its pages, that of an older system. */
static uint64_t charge_directory(uint64_t size)
{
	return 1 + size / 16;
}

/* Of all that it may pay for. */
static uint64_t charge_bank(uint64_t size)
{
	return 1 + size;
}

static uint64_t charge_log(uint64_t size)
{
	(void)size;
	return 1 + LOG_PAGES;
}

#define SIZE_ANY UINT64_MAX

/* All that the verifier knows of a type, beside what others refer to it by. */
static const struct verify_type {
	bool known;
	enum verify_objects_arena arena; /* of its range */
	uint64_t size_least, size_most;
	bool led;	  /* is lost when neither name nor capability leads to it */
	uint64_t message; /* of its charge: pages of a second, user range */
	uint64_t (*charge)(uint64_t size); /* null: nothing */
	/* The pages of a living one; null: they are its own business, or it has none. */
	void (*body)(struct verify_objects *objects, uint32_t object);
} types[OBJECT_TYPES] = {
	[OBJECT_SEGMENT] = {true, VERIFY_ARENA_USER, 0, SIZE_ANY, true, 0, charge_segment, NULL},
	[OBJECT_MACHINE] = {true, VERIFY_ARENA_KERNEL, 0, 0, false, 1, charge_machine,
			    verify_objects_machine},
	[OBJECT_PORT] = {true, VERIFY_ARENA_KERNEL, 1, PORT_CAPACITY_MAX, true, 0, charge_port,
			 body_port},
	[OBJECT_TABLE] = {true, VERIFY_ARENA_KERNEL, 1, TABLE_SLOTS_MAX, true, 0, charge_table,
			  body_table},
	[OBJECT_DIRECTORY] = {true, VERIFY_ARENA_NONE, 0, SIZE_ANY, true, 0, charge_directory,
			      body_directory},
	[OBJECT_BANK] = {true, VERIFY_ARENA_NONE, 0, SIZE_ANY, false, 0, charge_bank, NULL},
	[OBJECT_CLOCK] = {true, VERIFY_ARENA_NONE, 0, SIZE_ANY, false, 0, NULL, NULL},
	[OBJECT_CONSOLE] = {true, VERIFY_ARENA_NONE, 0, SIZE_ANY, false, 0, NULL, NULL},
	[OBJECT_STORE] = {true, VERIFY_ARENA_NONE, 0, SIZE_ANY, false, 0, NULL, NULL},
	[OBJECT_SYSTEM] = {true, VERIFY_ARENA_NONE, 0, SIZE_ANY, false, 0, NULL, NULL},
	[OBJECT_LOG] = {true, VERIFY_ARENA_KERNEL, 0, SIZE_ANY, false, 0, charge_log, body_log},
	[OBJECT_VIEW] = {true, VERIFY_ARENA_NONE, 0, SIZE_ANY, true, 0, charge_directory,
			 verify_objects_view},
};

static const struct verify_type *type_of(const struct disk_object *record)
{
	return &types[record->type < OBJECT_TYPES ? record->type : OBJECT_NONE];
}

uint64_t verify_objects_charge(const struct disk_object *record)
{
	const struct verify_type *type = type_of(record);

	if (!type->charge)
		return 0;
	if (record->type == OBJECT_DIRECTORY && record->directory.pages)
		return 1 + (uint64_t)record->directory.pages;
	if (record->type == OBJECT_VIEW)
		return 1 + (uint64_t)record->view.pages;
	return type->charge(record->type == OBJECT_BANK ? record->allowance.limit : record->size);
}

bool verify_objects_shape(const struct verify_objects *objects, const struct disk_object *record)
{
	const struct verify_type *type = type_of(record);

	if (!type->known || record->size < type->size_least || record->size > type->size_most)
		return false;
	if (type->arena == VERIFY_ARENA_NONE)
		return record->first_page == 0 && record->range_pages == 0;
	if (type->message &&
	    !verify_objects_range_sound(objects, VERIFY_ARENA_USER, record->machine.message_page,
					record->machine.message_pages))
		return false;
	return verify_objects_range_sound(objects, type->arena, record->first_page,
					  record->range_pages) &&
	       verify_objects_charge(record) - type->message <= record->range_pages;
}

bool verify_objects_led(const struct disk_object *record)
{
	return type_of(record)->led;
}

void verify_objects_body(struct verify_objects *objects, uint32_t object)
{
	const struct verify_type *type = type_of(&objects->record[object]);

	objects->source = object;
	if (type->body && (objects->record[object].version || type->body == verify_objects_view))
		type->body(objects, object);
}
