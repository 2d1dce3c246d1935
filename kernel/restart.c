/* SPDX-License-Identifier: MIT */
/*
 * restart.c - the shell made anew: a machine from the program's file, as the manifest
 * lays it down, in place of the one that served the terminal.
 *
 *   FIND --> PLAN --> READ --> GUARD --> UNDO --> SPACE --> MACHINE --> PORT --> SEGMENT --+
 *                                         ^                                                |
 *                                       GIVE <--- no room ---+                             |
 *                                                            |                             |
 *                                   DONE <-- OLD <-- START <-+------------------ PAGES <---+
 *
 * Each step is one operation, done again after a wait.  START, which is one operation, is
 * where the new machine takes the old one's place: before it the old shell is as it was
 * and the new objects hold nothing, are nobody's, and are noted as transient; after it
 * the new shell runs, and what is noted is the old one with its guard.  So a life that
 * ends in between, or a person who gives up, leaves one of the two, whole, and what is
 * noted is destroyed (service_destroy_step).
 *
 * Where there is no room for both, UNDO takes apart what was made and SPACE waits until
 * its space is back; if that does not help, GIVE gives up the old one first.  The program
 * is read before, so that no page of it is missing when it is too late.
 */
#include "kernel/console_priv.h"
#include "kernel/loader.h"
#include "kernel/print.h"
#include "base/assert.h"
#include "base/text.h"
#include <string.h>

#define RESTART_NAME	 "shell"
#define RESTART_PRIORITY 8u
#define RESTART_QUEUE	 16u
#define RESTART_TRIES	 4u /* commits that may have to give back space */
static_assert(SLOT_SYSTEM < TABLE_SLOTS_PER_PAGE && SLOT_INSTANCE < TABLE_SLOTS_PER_PAGE &&
		      SLOT_PORT < TABLE_SLOTS_PER_PAGE,
	      "what a shell is given lies in the page of its table that is prepared");
static_assert(RESTART_PRIORITY < MACHINE_PRIORITIES, "one that there is");
static_assert(LOADER_RUNS <= MACHINE_ATTACHMENTS, "a new machine takes all of a program");
static_assert(SYSTEM_TRANSIENT_MAX >= 3 + 2,
	      "what is made is noted beside the old shell and its guard");

enum restart_stage {
	RESTART_FIND,
	RESTART_PLAN,
	RESTART_READ,
	RESTART_GUARD,
	RESTART_GIVE,
	RESTART_UNDO,
	RESTART_SPACE,
	RESTART_MACHINE,
	RESTART_PORT,
	RESTART_SEGMENT,
	RESTART_PAGES,
	RESTART_START,
	RESTART_OLD,
	RESTART_DONE,
};

static struct {
	const char *path, *at; /* the program's, and how far it is followed */
	object_t directory;
	struct disk_capability capability;
	struct disk_object program, segment;
	struct loader_plan plan;
	struct abi_start start;
	uint64_t page, message_page;
	struct disk_capability machine, port, instance;
	object_t guard; /* the old shell's; until its version is known, how far it was looked for */
	uint64_t guard_version;
	uint32_t failures;
	enum status why; /* of the last one, until its space is back */
	struct transient_walk walk;
} restart;

/* ---- the program ----------------------------------------------------------------------- */

/* Follows one name of the path. */
static enum status restart_find(void)
{
	const char *name = restart.at;
	size_t length = 0;
	enum status status;

	while (*name == '/')
		name++;
	while (name[length] && name[length] != '/')
		length++;
	status = entry_lookup(&kernel.space, restart.directory, name, length, &restart.capability);
	if (status != STATUS_OK)
		return status;
	restart.at = name + length;
	if (*restart.at) {
		restart.directory = (object_t){restart.capability.object};
		return object_resolve(&kernel.space, &restart.capability, OBJECT_DIRECTORY, 0,
				      NULL);
	}
	return object_resolve(&kernel.space, &restart.capability, OBJECT_SEGMENT, RIGHT_READ,
			      &restart.program);
}

static enum status program_read(void *context, uint64_t offset, void *to, uint64_t bytes)
{
	(void)context;
	ASSERT(offset <= restart.program.size && bytes <= restart.program.size - offset);
	while (bytes) {
		uint64_t within = offset % PAGE_SIZE;
		uint64_t part = PAGE_SIZE - within < bytes ? PAGE_SIZE - within : bytes;
		page_t page = {restart.program.first_page + offset / PAGE_SIZE};
		void *data;
		enum status status = space_read(&kernel.space, page, &data);

		if (status == STATUS_ABSENT)
			memset(to, 0, part);
		else if (status == STATUS_OK)
			memcpy(to, (uint8_t *)data + within, part);
		else
			return status;
		offset += part;
		bytes -= part;
		to = (uint8_t *)to + part;
	}
	return STATUS_OK;
}

static struct loader_source program_source(void)
{
	return (struct loader_source){.bytes = restart.program.size, .read = program_read};
}

static enum status restart_plan(void)
{
	struct loader_source source = program_source();
	enum status status;

	memset(&restart.start, 0, sizeof(restart.start));
	status = loader_argument_add(&restart.start, RESTART_NAME);
	return status == STATUS_OK ? loader_plan(&source, &restart.plan) : status;
}

/* OK: there is one more page of it. */
static enum status restart_read(void)
{
	void *data;
	enum status status;

	if (restart.page * PAGE_SIZE >= restart.program.size)
		return STATUS_NOT_FOUND;
	status = space_read(&kernel.space, (page_t){restart.program.first_page + restart.page},
			    &data);
	if (status != STATUS_OK && status != STATUS_ABSENT)
		return status;
	restart.page++;
	return STATUS_OK;
}

/* ---- the old machine -------------------------------------------------------------------- */

/* OK: one machine more was looked at; NOT_FOUND: all, or the guard is found.  That is who is
 * called so and holds the old shell where a shell's guard has it, also when that is gone
 * or cannot be read. */
static enum status restart_guard(void)
{
	const struct disk_system *system;
	struct disk_capability held = {.version = 0};
	struct disk_object table;
	struct disk_machine *machine;
	enum status status = system_read(&kernel.space, &system);

	if (status != STATUS_OK)
		return status;
	if (restart.guard_version)
		return STATUS_NOT_FOUND;
	status = machine_next(&kernel.space, (object_t){restart.guard.n + 1}, &restart.guard);
	if (status != STATUS_OK)
		return status == STATUS_WAIT ? status : STATUS_NOT_FOUND;
	status = machine_read(&kernel.space, restart.guard, &machine);
	if (status == STATUS_OK && !text_equal(machine->name, GUARD_NAME))
		return STATUS_OK;
	if (status == STATUS_OK)
		status = object_resolve(&kernel.space, &machine->table, OBJECT_TABLE, 0, &table);
	if (status == STATUS_OK)
		status = table_get(&kernel.space, &table, GUARD_HELD, &held);
	if (status == STATUS_OK && held.version && held.version == system->terminal.version)
		restart.guard_version = machine->version;
	if (status == STATUS_WAIT)
		restart.guard.n--; /* the same one again */
	return status == STATUS_WAIT ? status : STATUS_OK;
}

/* The shell that there is, with its guard: what is to go. */
struct old {
	uint32_t count;
	object_t object[2];
	uint64_t version[2];
	struct disk_machine *machine; /* prepared; null: it cannot run anyway */
};

static void old_add(struct old *old, object_t object, uint64_t version)
{
	ASSERT(old->count < 2 && version);
	old->object[old->count] = object;
	old->version[old->count++] = version;
}

/* Is this machine there still?  What cannot be read now may be. */
static enum status old_lives(object_t object, uint64_t version, bool *lives)
{
	struct disk_object record;
	enum status status = object_read(&kernel.space, object, &record);

	*lives = version &&
		 (status == STATUS_IO || (status == STATUS_OK && record.version == version &&
					  record.type == OBJECT_MACHINE));
	return status == STATUS_WAIT ? status : STATUS_OK;
}

/* Prepares its end, in which nothing of it is looked for any more. */
static enum status old_prepare(struct old *old, struct disk_system **system)
{
	enum status status = transient_prepare(&kernel.space, 2, system);
	uint64_t version;
	object_t object;
	bool lives;

	memset(old, 0, sizeof(*old));
	if (status == STATUS_OK)
		status = old_lives(restart.guard, restart.guard_version, &lives);
	if (status != STATUS_OK)
		return status;
	if (lives)
		old_add(old, restart.guard, restart.guard_version);
	object = (object_t){(*system)->terminal.object};
	version = (*system)->terminal.version;
	status = old_lives(object, version, &lives);
	if (status != STATUS_OK || !lives)
		return status;
	old_add(old, object, version);
	status = machine_prepare(&kernel.space, object, &old->machine);
	if (status == STATUS_OK)
		return status;
	old->machine = NULL;
	return status == STATUS_WAIT || status == STATUS_NO_SPACE ? status : STATUS_OK;
}

/* COMMIT part.  It does not run any more, and so does not read from the terminal. */
static void old_end(struct old *old, struct disk_system *system)
{
	ASSERT(old->count || !old->machine);
	for (uint32_t i = 0; i < old->count; i++)
		transient_add(system, old->object[i], old->version[i]);
	if (old->machine)
		old->machine->stopped = 1;
}

static enum status restart_give(void)
{
	struct disk_system *system;
	struct old old;
	enum status status = STATUS_OK;

	if (restart.failures < RESTART_TRIES / 2)
		return status;
	status = old_prepare(&old, &system);
	if (status == STATUS_OK)
		old_end(&old, system);
	return status;
}

/* ---- the new one ------------------------------------------------------------------------- */

static enum status restart_create(const struct object_request *request,
				  struct disk_capability *capability)
{
	const struct disk_system *system;
	enum status status = system_read(&kernel.space, &system);
	bool more;

	if (status == STATUS_OK)
		status = transient_create(&kernel.space, (object_t){system->root_bank}, request,
					  capability);
	if (status != STATUS_BUSY)
		return status;
	/* Also where nothing else is done: the ranges that are free become known. */
	status = range_survey_step(&kernel.space, &more);
	return status == STATUS_OK ? STATUS_WAIT : status;
}

static enum status restart_machine(void)
{
	const struct object_request request = {
		.type = OBJECT_MACHINE, .priority = RESTART_PRIORITY, .name = RESTART_NAME};

	return restart_create(&request, &restart.machine);
}

static enum status restart_port(void)
{
	const struct object_request request = {.type = OBJECT_PORT, .size = RESTART_QUEUE};

	return restart_create(&request, &restart.port);
}

static enum status restart_segment(void)
{
	const struct object_request request = {.type = OBJECT_SEGMENT,
					       .size = restart.plan.total_pages * PAGE_SIZE,
					       .size_max = restart.plan.max_pages * PAGE_SIZE};

	restart.page = 0;
	return restart_create(&request, &restart.instance);
}

/* OK: one more page of the instance; NOT_FOUND: all are there. */
static enum status restart_page(void)
{
	struct loader_source source = program_source();
	struct disk_machine *machine;
	void *page;
	enum status status;

	if (restart.page == restart.plan.total_pages)
		return STATUS_NOT_FOUND;
	ASSERT(restart.page < restart.plan.total_pages);
	status = object_read(&kernel.space, (object_t){restart.instance.object}, &restart.segment);
	if (status == STATUS_OK)
		status = machine_read(&kernel.space, (object_t){restart.machine.object}, &machine);
	if (status != STATUS_OK)
		return status;
	restart.message_page = machine->message_page;
	if (!loader_page_empty(&restart.plan, restart.page)) {
		status = space_write(&kernel.space,
				     (page_t){restart.segment.first_page + restart.page}, &page);
		if (status != STATUS_OK)
			return status;
		memset(page, 0, PAGE_SIZE);
		status = loader_page(&restart.plan, &source, restart.segment.first_page * PAGE_SIZE,
				     restart.message_page * PAGE_SIZE, &restart.start, restart.page,
				     page);
	}
	if (status == STATUS_OK)
		restart.page++;
	return status;
}

/* What the manifest grants a shell, beside what every program has. */
static const struct {
	uint32_t slot, object;
	uint16_t rights;
} grants[] = {
	{SLOT_BANK, OBJECT_ROOT_BANK, RIGHT_READ | RIGHT_CREATE | RIGHT_CONTROL | RIGHT_DESTROY},
	{SLOT_ROOT, OBJECT_ROOT_DIRECTORY, RIGHT_READ | RIGHT_WRITE},
	{SLOT_LOG, OBJECT_THE_LOG, RIGHT_SEND | RIGHT_READ},
	{SLOT_CLOCK, OBJECT_THE_CLOCK, RIGHT_READ},
	{SLOT_CONSOLE, OBJECT_THE_CONSOLE, RIGHT_SEND | RIGHT_RECEIVE},
	{SLOT_STORE, OBJECT_THE_STORE, RIGHT_READ | RIGHT_CONTROL | RIGHT_SNAPSHOT},
	{SLOT_SYSTEM, OBJECT_THE_SYSTEM, RIGHT_READ | RIGHT_CONTROL},
};
#define GRANTS (sizeof(grants) / sizeof(grants[0]))

/* What the first instruction finds. */
static void restart_registers(struct disk_machine *machine)
{
	uint64_t base = restart.segment.first_page * PAGE_SIZE;

	machine->registers.rip = base + restart.plan.entry_offset;
	machine->registers.gpr[REGISTER_RSP] = base + restart.plan.stack_top_offset;
	machine->registers.gpr[REGISTER_RDI] = base + restart.plan.start_offset;
	machine->started_ns = machine->last_ns = time_uptime_ns();
	machine->state = MACHINE_READY;
}

/* Whoever may get hold of any machine may have put something into this one meanwhile. */
static bool machine_is_untouched(const struct disk_machine *machine)
{
	bool untouched =
		machine->state == MACHINE_STOPPED && !machine->view.version && !machine->foreign;

	for (unsigned i = 0; i < MACHINE_ATTACHMENTS; i++)
		untouched &= !machine->attachments[i].segment.version;
	return untouched;
}

static enum status restart_start(void)
{
	struct disk_capability capability[GRANTS];
	struct disk_machine *machine;
	struct disk_system *system;
	struct disk_object table, *port;
	struct old old;
	object_t object = {restart.machine.object};
	enum status status = old_prepare(&old, &system);

	ASSERT(restart.page == restart.plan.total_pages); /* all of it is there */
	if (status == STATUS_OK)
		status = machine_prepare(&kernel.space, object, &machine);
	if (status == STATUS_OK && !machine_is_untouched(machine))
		status = STATUS_BUSY;
	if (status == STATUS_OK)
		status = object_resolve(&kernel.space, &machine->table, OBJECT_TABLE, 0, &table);
	/* All slots lie in the table's first page. */
	if (status == STATUS_OK)
		status = table_prepare(&kernel.space, &table, SLOT_INSTANCE);
	if (status == STATUS_OK)
		status = object_prepare(&kernel.space, (object_t){restart.port.object}, &port);
	if (status == STATUS_OK)
		status = machine_bit_prepare(&kernel.space, object, machine->priority);
	for (unsigned i = 0; i < GRANTS && status == STATUS_OK; i++)
		status = object_capability(&kernel.space, (object_t){grants[i].object},
					   grants[i].rights, &capability[i]);
	if (status != STATUS_OK)
		return status;
	/* COMMIT POINT */
	for (unsigned i = 0; i < restart.plan.runs; i++) {
		const struct loader_run *run = &restart.plan.run[i];

		status = attachment_add(machine, &restart.segment, &restart.instance,
					&(struct attachment_run){.first = run->first,
								 .pages = run->pages,
								 .rights = run->rights,
								 .owned = i == 0});
		ASSERT(status == STATUS_OK);
	}
	for (unsigned i = 0; i < GRANTS; i++)
		table_put(&kernel.space, &table, grants[i].slot, &capability[i]);
	table_put(&kernel.space, &table, SLOT_INSTANCE, &restart.instance);
	table_put(&kernel.space, &table, SLOT_PORT, &restart.port);
	port->port.receiver = machine->object;
	port->port.receiver_version = machine->version;
	machine->ports[0].object = restart.port.object;
	machine->ports[0].version = restart.port.version;
	machine->ports[0].slot = SLOT_PORT;
	transient_remove(system, restart.machine.version);
	transient_remove(system, restart.port.version);
	transient_remove(system, restart.instance.version);
	old_end(&old, system);
	system->terminal.object = machine->object;
	system->terminal.version = machine->version;
	essential_changed();
	restart_registers(machine);
	machine_bit_set(&kernel.space, object, machine->priority, true);
	kernel_make_ready(object, machine);
	return STATUS_OK;
}

/* ---- steps ------------------------------------------------------------------------------- */

/* Until what was destroyed is taken apart and the next commit has given its space back. */
static enum status restart_space(struct console_run *run)
{
	const struct store_commit_request commit = {.action = STORE_ACTION_NONE};

	if (restart.why == STATUS_OK)
		return STATUS_OK;
	if (service_destroying())
		return STATUS_WAIT;
	if (console_commit(run, &commit, CHECKPOINT_ANSWER) != CONSOLE_FINISHED)
		return STATUS_WAIT;
	run->asked = run->answered = false;
	restart.why = STATUS_OK;
	return STATUS_OK;
}

static enum status restart_stage(struct console_run *run)
{
	switch ((enum restart_stage)run->stage) {
	case RESTART_FIND:
		return restart_find();
	case RESTART_PLAN:
		return restart_plan();
	case RESTART_READ:
		return restart_read();
	case RESTART_GUARD:
		return restart_guard();
	case RESTART_GIVE:
		return restart_give();
	case RESTART_MACHINE:
		return restart_machine();
	case RESTART_PORT:
		return restart_port();
	case RESTART_SEGMENT:
		return restart_segment();
	case RESTART_PAGES:
		return restart_page();
	case RESTART_START:
		return restart_start();
	case RESTART_UNDO:
	case RESTART_OLD:
		return service_destroy_transient(&restart.walk);
	case RESTART_SPACE:
		return restart_space(run);
	case RESTART_DONE:
		break;
	}
	return STATUS_OK;
}

/* Stages that are done again and again until there is nothing left for them. */
static bool restart_repeats(enum restart_stage stage)
{
	return stage == RESTART_READ || stage == RESTART_GUARD || stage == RESTART_OLD ||
	       stage == RESTART_PAGES || stage == RESTART_UNDO;
}

static void restart_begin(struct console_run *run)
{
	restart.path = restart.at = run->words > 1 ? run->word[1] : SYSTEM_SHELL;
	restart.directory = (object_t){OBJECT_ROOT_DIRECTORY};
	restart.page = 0;
	restart.failures = 0;
	restart.why = STATUS_OK;
	restart.guard = (object_t){0};
	restart.guard_version = 0;
	memset(&restart.plan, 0, sizeof(restart.plan));
	run->found = true;
}

static bool restart_lacks_room(enum status status)
{
	return status == STATUS_NO_SPACE || status == STATUS_ALLOWANCE;
}

static enum console_progress restart_failed(const struct console_run *run, enum status status)
{
	ASSERT(status != STATUS_OK && status != STATUS_WAIT);
	if (run->stage < RESTART_GIVE)
		console_print("restart: %s: %s; nothing was changed\n", restart.path,
			      run->stage == RESTART_PLAN && restart.plan.error
				      ? restart.plan.error
				      : status_text(status));
	else if (restart_lacks_room(status))
		console_print("restart: no room for a new shell: %s; `delete` snapshots, or `kill` "
			      "what uses it up, then `restart` again\n",
			      status_text(status));
	else
		console_print("restart: no new shell could be made: %s; `choose` has other "
			      "generations\n",
			      status_text(status));
	return CONSOLE_FINISHED;
}

static void restart_stage_set(struct console_run *run, unsigned stage)
{
	ASSERT(stage <= RESTART_DONE);
	run->stage = stage;
	restart.walk = (struct transient_walk){0};
}

static enum console_progress restart_done(void)
{
	if (kernel.hold)
		console_print("a new shell is made; `continue` lets it run, and all others\n");
	else
		console_give_back();
	return CONSOLE_FINISHED;
}

enum console_progress console_restart(struct console_run *run)
{
	enum status status;
	bool repeats;

	if (!run->found)
		restart_begin(run);
	repeats = restart_repeats((enum restart_stage)run->stage);
	status = restart_stage(run);
	if (status == STATUS_WAIT)
		return CONSOLE_WAITS;
	if (status == STATUS_OK) {
		if (!repeats && (run->stage != RESTART_FIND || !*restart.at))
			restart_stage_set(run, run->stage + 1);
	} else if (repeats && (status == STATUS_NOT_FOUND || run->stage == RESTART_OLD ||
			       (run->stage == RESTART_UNDO && status == STATUS_IO))) {
		/* What cannot go now goes later, without it. */
		restart_stage_set(run, run->stage + 1);
	} else if (run->stage >= RESTART_GIVE && restart_lacks_room(status) &&
		   ++restart.failures < RESTART_TRIES) {
		restart.why = status;
		restart_stage_set(run, RESTART_GIVE);
	} else {
		return restart_failed(run, status);
	}
	return run->stage == RESTART_DONE ? restart_done() : CONSOLE_MORE;
}
