/* SPDX-License-Identifier: MIT */
/*
 * essential.c - the machines by which a person gets out of any shortage.
 *
 * The system page names them, and whoever serves the terminal is one.  Their pages, the
 * log's, and those of the kernel that every machine needs, are told to the store, which
 * sets space and memory aside for them; here they are read in, to stay.  When others could
 * use up what the kernel's own pages need, only the essential machines run.
 *
 * A store that names none is as it always was: nothing is set aside.
 */
#include "kernel/kernel.h"
#include "base/assert.h"
#include <string.h>

static_assert(STORE_ESSENTIAL_BLOCKS <= ESSENTIAL_BLOCKS_MAX, "programs reckon with it");

/* With keepers. */
#define ESSENTIAL_MACHINES (2 * SYSTEM_ESSENTIAL_MAX)
static_assert(ESSENTIAL_MACHINES > SYSTEM_ESSENTIAL_MAX, "whoever serves the terminal is one");
static_assert(ESSENTIAL_MACHINES < KERNEL_TASKS_MIN, "all of them can run");

struct essential_list {
	uint32_t machines, runs;
	struct {
		object_t object;
		uint64_t version;
	} machine[ESSENTIAL_MACHINES];
	struct store_pages run[STORE_ESSENTIAL_RUNS];
	uint64_t pages; /* of all runs */
};

static struct {
	bool looking; /* the list may have changed */
	bool failing; /* something of them cannot be read now: once more, after a pause */
	bool unread;  /* a page of theirs */
	uint64_t look_ns;
	struct essential_list list, next; /* in force, and what a look has found so far */
	uint32_t read_run;		  /* which of their pages is read in next */
	uint64_t read_page;
} essential;

void essential_reset(void)
{
	memset(&essential, 0, sizeof(essential));
	essential.looking = true;
}

static bool list_has(const struct essential_list *list, object_t object, uint64_t version)
{
	for (uint32_t i = 0; i < list->machines; i++)
		if (list->machine[i].object.n == object.n && list->machine[i].version == version)
			return true;
	return false;
}

bool essential_machine(const struct task *task)
{
	return list_has(&essential.list, task->object, task->version);
}

void essential_examine(object_t object, uint64_t version)
{
	essential.looking |= list_has(&essential.list, object, version);
}

void essential_changed(void)
{
	essential.looking = true;
}

/* What would be more than is set aside, like the end of a heap that grows, is left out. */
static void run_add(uint64_t first, uint64_t count)
{
	struct essential_list *next = &essential.next;

	ASSERT(next->pages <= STORE_ESSENTIAL_PAGES);
	if (count > STORE_ESSENTIAL_PAGES - next->pages)
		count = STORE_ESSENTIAL_PAGES - next->pages;
	if (next->runs == STORE_ESSENTIAL_RUNS || !count)
		return;
	for (uint32_t i = 0; i < next->runs; i++)
		if (first - next->run[i].first.n < next->run[i].count)
			return;
	next->run[next->runs++] = (struct store_pages){{first}, count};
	next->pages += count;
}

/* What is damaged or gone is not essential any more, what cannot be read now is looked for
 * again later: only WAIT stops a look. */
static enum status look_goes_on(enum status status)
{
	essential.failing |= status == STATUS_IO;
	return status == STATUS_WAIT ? status : STATUS_OK;
}

static enum status object_add(object_t object, uint64_t version)
{
	struct disk_object record;
	enum status status = object_read(&kernel.space, object, &record);

	if (status == STATUS_OK && (!version || record.version == version) && record.range_pages)
		run_add(record.first_page,
			record.type == OBJECT_MACHINE
				? 1
				: object_charge((enum object_type)record.type, record.size));
	return look_goes_on(status);
}

static enum status parts_add(const struct disk_machine *machine)
{
	enum status status = object_add((object_t){machine->table.object}, machine->table.version);

	run_add(machine->message_page, 1);
	run_add(OBJECT_TABLE_PAGE + machine->object / OBJECTS_PER_PAGE, 1);
	run_add(machine_bit_page((object_t){machine->object}, machine->priority).n, 1);
	for (unsigned i = 0; i < MACHINE_PORTS && status == STATUS_OK; i++)
		if (machine->ports[i].version)
			status = object_add((object_t){machine->ports[i].object},
					    machine->ports[i].version);
	for (unsigned i = 0; i < MACHINE_ATTACHMENTS && status == STATUS_OK; i++)
		if (machine->attachments[i].flags & ATTACHMENT_OWNED)
			status = object_add((object_t){machine->attachments[i].segment.object},
					    machine->attachments[i].segment.version);
	return status;
}

static enum status machine_add(object_t object, uint64_t version)
{
	struct essential_list *next = &essential.next;
	struct disk_object record;
	enum status status = object_read(&kernel.space, object, &record);

	ASSERT(next->machines <= ESSENTIAL_MACHINES);
	if (status == STATUS_OK && record.version == version && !list_has(next, object, version) &&
	    next->machines < ESSENTIAL_MACHINES) {
		next->machine[next->machines].object = object;
		next->machine[next->machines++].version = version;
	}
	return look_goes_on(status);
}

/* Whoever is told of its faults. */
static enum status keeper_add(object_t object)
{
	struct disk_machine *machine;
	struct disk_object port;
	uint64_t version;
	object_t keeper;
	enum status status = machine_read(&kernel.space, object, &machine);

	if (status == STATUS_OK)
		status = fault_keeper(machine, &port, &keeper, &version);
	if (status == STATUS_OK)
		status = machine_add(keeper, version);
	return look_goes_on(status);
}

static enum status pages_add(object_t object, uint64_t version)
{
	struct disk_machine *machine;
	enum status status = object_add(object, version);

	if (status == STATUS_OK)
		status = machine_read(&kernel.space, object, &machine);
	if (status == STATUS_OK)
		status = parts_add(machine);
	return look_goes_on(status);
}

/* Those that are named, then their keepers. */
static enum status machines_look(uint32_t *named)
{
	struct essential_list *next = &essential.next;
	const struct disk_system *system;
	enum status status = system_read(&kernel.space, &system);

	*next = (struct essential_list){0};
	essential.failing = status == STATUS_IO;
	if (status == STATUS_OK && system->terminal.version)
		status = machine_add((object_t){system->terminal.object}, system->terminal.version);
	for (unsigned i = 0; i < SYSTEM_ESSENTIAL_MAX && status == STATUS_OK; i++)
		if (system->essential[i].version)
			status = machine_add((object_t){system->essential[i].object},
					     system->essential[i].version);
	*named = next->machines;
	for (uint32_t i = 0; i < *named && status == STATUS_OK; i++)
		status = keeper_add(next->machine[i].object);
	return status;
}

/* The keepers' pages first: they are few, and a machine that is kept gets by without some. */
static enum status essential_look(void)
{
	struct essential_list *next = &essential.next;
	uint32_t named;
	enum status status = machines_look(&named);

	if (status != STATUS_OK || !next->machines)
		return status;
	run_add(SYSTEM_PAGE, 1);
	status = object_add((object_t){OBJECT_THE_LOG}, 0);
	for (uint32_t i = 0; i < next->machines && status == STATUS_OK; i++) {
		uint32_t at = (named + i) % next->machines;

		status = pages_add(next->machine[at].object, next->machine[at].version);
	}
	return status;
}

/* Reads them in, one at a time. */
static bool essential_read(void)
{
	const struct store_pages *run = &essential.list.run[essential.read_run];
	page_t page = {run->first.n + essential.read_page};
	frame_t frame;
	enum status status = store_page_read(kernel.space.store, page, &frame);

	ASSERT(essential.read_run < essential.list.runs && essential.read_page < run->count);
	if (status == STATUS_WAIT)
		return false;
	if (status == STATUS_IO)
		essential.failing = essential.unread = true;
	if (++essential.read_page == run->count) {
		essential.read_run++;
		essential.read_page = 0;
	}
	return true;
}

bool essential_step(void)
{
	store_operation_begin(kernel.space.store);
	if (!essential.looking && essential.read_run < essential.list.runs)
		return essential_read();
	essential.looking |= essential.failing && time_uptime_ns() >= essential.look_ns;
	if (!essential.looking || essential_look() == STATUS_WAIT)
		return false;
	essential.looking = false;
	essential.look_ns = time_uptime_ns() + KERNEL_SPACE_RETRY_NS;
	ASSERT(essential.next.runs <= STORE_ESSENTIAL_RUNS);
	ASSERT(essential.next.pages <= STORE_ESSENTIAL_PAGES);
	essential.list = essential.next;
	if (store_essential_set(kernel.space.store, essential.list.run, essential.list.runs) ||
	    essential.unread)
		essential.read_run = essential.read_page = 0;
	essential.unread = false;
	return true;
}
