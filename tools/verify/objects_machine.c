/* SPDX-License-Identifier: MIT */
/*
 * objects_machine.c - machines, and the three structures that find them:
 * the tree of all machines, the queue of deadlines, the may-be-ready bitmap.
 */
#include "tools/verify/objects_priv.h"
#include "base/assert.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- machines -------------------------------------------------------------------------- */

static bool machine_deadline_queued(const struct verify_objects *objects, uint64_t deadline,
				    uint32_t machine)
{
	uint64_t low = 0, high = objects->deadlines;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		const struct verify_objects_deadline *at = &objects->deadline[middle];
		if (at->deadline == deadline && at->machine == machine)
			return true;
		if (at->deadline < deadline || (at->deadline == deadline && at->machine < machine))
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static uint64_t machine_bitmap_page(unsigned bitmap, uint32_t object)
{
	return READY_BITMAP_PAGE + bitmap * READY_BITMAP_PAGES + object / READY_BITS_PER_PAGE;
}

static bool machine_marked(struct verify_objects *objects, unsigned bitmap, uint32_t object)
{
	uint8_t bits[PAGE_SIZE];

	if (!verify_objects_read(objects, machine_bitmap_page(bitmap, object), bits))
		return true;
	return verify_objects_bit(bits, object % READY_BITS_PER_PAGE);
}

/* Earlier states have one bitmap, where that of priority 0 is now. */
static bool machine_may_be_ready(struct verify_objects *objects, unsigned priority, uint32_t object)
{
	return machine_marked(objects, priority, object) || machine_marked(objects, 0, object);
}

/* Earlier states have some in the system page. */
static bool machine_may_be_told(struct verify_objects *objects, uint64_t version, uint32_t object)
{
	for (unsigned i = 0; i < SYSTEM_RESUME_MAX; i++)
		if (objects->system.resume[i].object == object &&
		    objects->system.resume[i].version == version)
			return true;
	return machine_marked(objects, RESUME_BITMAP, object);
}

/* What the rest of the system must know of this machine. */
static void machine_known(struct verify_objects *objects, uint32_t object, uint64_t page,
			  const struct disk_machine *machine)
{
	bool waits = machine->state == MACHINE_RECEIVE || machine->state == MACHINE_SLEEP;

	if (objects->incomplete)
		return;
	if (!verify_objects_bit(objects->machine_listed, object))
		verify_objects_report(objects, page,
				      "machine %" PRIu32 " is not in the tree of machines", object);
	/* What has ended with its bank waits for nothing more, and may be forgotten by who
	 * would wake it. */
	if (verify_objects_ended(objects, object))
		return;
	if (machine->state == MACHINE_READY && !machine->stopped &&
	    !machine_may_be_ready(objects, machine->priority, object))
		verify_objects_report(objects, page,
				      "machine %" PRIu32 " is ready, but the bitmap says that it "
				      "cannot be",
				      object);
	if (machine->resume_port_version && !machine_may_be_told(objects, machine->version, object))
		verify_objects_report(objects, page,
				      "machine %" PRIu32 " wants to be told of a resume, which no "
				      "bitmap says",
				      object);
	if (waits && machine->deadline &&
	    !machine_deadline_queued(objects, machine->deadline, object))
		verify_objects_report(objects, page,
				      "machine %" PRIu32 " waits until %" PRIu64
				      ", which is not in the queue of deadlines",
				      object, machine->deadline);
}

static void machine_capabilities(struct verify_objects *objects, uint32_t object, uint64_t page,
				 const struct disk_machine *machine)
{
	struct disk_capability resume = {.version = machine->resume_port_version,
					 .object = machine->resume_port,
					 .type = OBJECT_PORT,
					 .revoker = machine->resume_revoker,
					 .revoker_version = machine->resume_revoker_version};
	char where[60];

	snprintf(where, sizeof(where), "machine %" PRIu32 ", its table", object);
	verify_objects_capability(objects, page, &machine->table, where);
	/* A program may destroy its own table; the machine goes on without one. */
	if (machine->table.type != OBJECT_TABLE)
		verify_objects_report(objects, page, "machine %" PRIu32 " has no table", object);
	snprintf(where, sizeof(where), "machine %" PRIu32 ", its keeper", object);
	verify_objects_capability(objects, page, &machine->keeper, where);
	if (machine->keeper.version && machine->keeper.type != OBJECT_PORT)
		verify_objects_report(objects, page, "%s is no port", where);
	snprintf(where, sizeof(where), "machine %" PRIu32 ", its reply", object);
	verify_objects_capability(objects, page, &machine->reply, where);
	snprintf(where, sizeof(where), "machine %" PRIu32 ", its view", object);
	verify_objects_capability(objects, page, &machine->view, where);
	if (machine->view.version &&
	    (machine->view.type != OBJECT_VIEW || objects->system.version < SYSTEM_VERSION_VIEWS))
		verify_objects_report(objects, page, "%s is no view", where);
	for (unsigned i = 0; i < MACHINE_PORTS; i++) {
		verify_objects_edge(objects, machine->ports[i].object, machine->ports[i].version);
		if (machine->ports[i].object >= objects->objects ||
		    machine->ports[i].version > objects->system.next_version)
			verify_objects_report(objects, page,
					      "machine %" PRIu32 " receives from port %" PRIu32
					      ", which does not exist",
					      object, machine->ports[i].object);
	}
	if (!resume.version && !resume.object && !resume.revoker && !resume.revoker_version)
		return;
	snprintf(where, sizeof(where), "machine %" PRIu32 ", what is told of a resume", object);
	verify_objects_capability(objects, page, &resume, where);
}

void verify_objects_machine(struct verify_objects *objects, uint32_t object)
{
	const struct disk_object *record = &objects->record[object];
	uint64_t page = record->first_page;
	struct disk_machine machine;

	ASSERT(record->type == OBJECT_MACHINE);
	if (!verify_objects_read(objects, page, &machine))
		return;
	if (machine.magic != MACHINE_MAGIC || machine.object != object ||
	    machine.version != record->version ||
	    machine.message_page != record->machine.message_page) {
		verify_objects_report(objects, page,
				      "machine %" PRIu32 ": its page is that of object %" PRIu32
				      ", version %" PRIu64,
				      object, machine.object, machine.version);
		return;
	}
	if (machine.state >= MACHINE_STATES || machine.priority >= MACHINE_PRIORITIES ||
	    machine.fault > FAULT_SYSTEM_CALL || machine.stopped > 1 ||
	    machine.foreign & ~(unsigned)(FOREIGN_CALLS | FOREIGN_NATIVE) ||
	    machine.fs_base / PAGE_SIZE >= USER_ARENA_END ||
	    machine.gs_base / PAGE_SIZE >= USER_ARENA_END || machine.name[MACHINE_NAME - 1] != 0)
		verify_objects_report(objects, page,
				      "machine %" PRIu32
				      ": state %u, priority %u, fault %u or its name is not valid",
				      object, machine.state, machine.priority, machine.fault);
	machine_capabilities(objects, object, page, &machine);
	verify_objects_attachments(objects, object, &machine);
	machine_known(objects, object, page, &machine);
}

/* ---- the trees of the system page ---------------------------------------------------------- */

static void machine_tree_entry(struct verify_objects *objects, struct verify_objects_tree *tree,
			       uint64_t page, const struct verify_objects_entry *entry)
{
	const struct disk_object *record;
	uint32_t object;

	if (entry->key_length != 4 || entry->value_length != 0) {
		verify_objects_report(objects, page, "%s: an entry has the wrong length",
				      tree->what);
		return;
	}
	object = (uint32_t)verify_objects_big_endian(entry->key, 4);
	record = verify_objects_record(objects, object);
	if (!record || record->type != OBJECT_MACHINE) {
		verify_objects_report(objects, page,
				      "%s names object %" PRIu32 ", which is no machine",
				      tree->what, object);
		return;
	}
	verify_objects_bit_set(objects->machine_listed, object);
}

/* Entries of the past may be there; who takes one out compares it with the
 * machine. */
static void machine_deadline_entry(struct verify_objects *objects, struct verify_objects_tree *tree,
				   uint64_t page, const struct verify_objects_entry *entry)
{
	void *array = objects->deadline;
	struct verify_objects_deadline deadline;

	if (entry->key_length != 12 || entry->value_length != 0) {
		verify_objects_report(objects, page, "%s: an entry has the wrong length",
				      tree->what);
		return;
	}
	deadline.deadline = verify_objects_big_endian(entry->key, 8);
	deadline.machine = (uint32_t)verify_objects_big_endian(entry->key + 8, 4);
	if (deadline.machine == 0 || deadline.machine >= objects->objects)
		verify_objects_report(objects, page,
				      "%s names object %" PRIu32 ", which does not exist",
				      tree->what, deadline.machine);
	if (!verify_objects_grow(objects, &array, objects->deadlines, &objects->deadlines_room,
				 sizeof(deadline)))
		return;
	objects->deadline = array;
	objects->deadline[objects->deadlines++] = deadline;
}

/* A range at rest, under its arena, the logarithm of its size and a sequence. */
static void machine_quarantine_entry(struct verify_objects *objects,
				     struct verify_objects_tree *tree, uint64_t page,
				     const struct verify_objects_entry *entry)
{
	uint64_t first;

	if (entry->key_length != 10 || entry->value_length != sizeof(first) ||
	    entry->key[0] > VERIFY_ARENA_USER || entry->key[1] > 40) {
		verify_objects_report(objects, page, "%s: an entry is not well-formed", tree->what);
		return;
	}
	memcpy(&first, entry->value, sizeof(first));
	if (!verify_objects_range_sound(objects, entry->key[0], first,
					UINT64_C(1) << entry->key[1])) {
		verify_objects_report(objects, page,
				      "%s: the range of 2^%u pages at 0x%" PRIx64 " makes no sense",
				      tree->what, entry->key[1], first);
		return;
	}
	if (verify_objects_big_endian(entry->key + 2, 8) > objects->system.quarantine_sequence)
		verify_objects_report(objects, page, "%s: an entry is from the future", tree->what);
	verify_objects_range_add(objects, first, UINT64_C(1) << entry->key[1], 0, false);
}

/* Bits may be set for nothing, but not beyond the last object. */
static void machine_bitmap(struct verify_objects *objects, unsigned bitmap)
{
	uint64_t number = machine_bitmap_page(bitmap, objects->objects);
	uint8_t bits[PAGE_SIZE];

	if (!verify_objects_read(objects, number, bits))
		return;
	for (uint32_t bit = objects->objects % READY_BITS_PER_PAGE; bit < READY_BITS_PER_PAGE;
	     bit++)
		if (verify_objects_bit(bits, bit)) {
			verify_objects_report(objects, number,
					      "a bitmap of machines has a bit behind object "
					      "%" PRIu32,
					      objects->objects - 1);
			return;
		}
}

void verify_objects_queues(struct verify_objects *objects)
{
	struct verify_objects_tree machines = {.what = "the tree of machines",
					       .entry = machine_tree_entry};
	struct verify_objects_tree deadlines = {.what = "the queue of deadlines",
						.entry = machine_deadline_entry};
	struct verify_objects_tree quarantine = {.what = "the quarantine",
						 .entry = machine_quarantine_entry};

	verify_objects_tree_walk(objects, objects->system.machine_root, &machines);
	verify_objects_tree_walk(objects, objects->system.deadline_root, &deadlines);
	verify_objects_tree_walk(objects, objects->system.quarantine_root, &quarantine);
	for (unsigned bitmap = 0; bitmap < MACHINE_BITMAPS; bitmap++)
		machine_bitmap(objects, bitmap);
}
