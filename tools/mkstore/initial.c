/* SPDX-License-Identifier: MIT */
/*
 * initial.c - the first generation: a system that is running already.
 *
 * A machine laid down here is exactly what the shell's `run` makes: the same
 * loader builds its instance, the same slots hold the same capabilities.  It is
 * ready, with its registers at its first instruction, so that booting it for
 * the first time is resuming it.
 */
#include "tools/mkstore/manifest.h"
#include "base/assert.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/mkstore/content.h"
#include "tools/mkstore/path.h"
#include "kernel/loader.h"

#define INITIAL_PORT_RIGHTS (RIGHT_RECEIVE | RIGHT_SEND | RIGHT_CONTROL | RIGHT_DESTROY)

struct initial_machine {
	const struct manifest_machine *described;
	struct disk_capability machine, port;
	struct disk_object table; /* record of its table */
	uint64_t message_page;
};

struct initial {
	struct host *host;
	struct space *space;
	const struct manifest *manifest;
	const char *manifest_name, *files;
	struct initial_machine *machine; /* as manifest->machine */
};

/* A file of the host, whole, in memory. */
struct initial_file {
	uint8_t *data;
	uint64_t bytes;
};

static enum command_exit initial_result(const struct initial *initial, unsigned line,
					enum status status, const char *what, const char *name)
{
	char text[HOST_STATUS_TEXT];

	if (status == STATUS_OK)
		return COMMAND_OK;
	return command_error("%s:%u: cannot %s '%s': %s", initial->manifest_name, line, what, name,
			     host_status_text(initial->host, status, text));
}

/* ---- files of the host -------------------------------------------------------------- */

static int initial_open(const struct initial *initial, unsigned line, const char *name,
			uint64_t *bytes)
{
	struct stat information;
	char path[4096];
	int descriptor = -1, error = 0;

	snprintf(path, sizeof(path), "%s/%s", initial->files, name);
	if (name[0] == '/')
		snprintf(path, sizeof(path), "%s", name);
	/* What is no file is not opened: that would wait for the other end of a pipe. */
	if (stat(path, &information) != 0 ||
	    (S_ISREG(information.st_mode) && (descriptor = open(path, O_RDONLY | O_CLOEXEC)) < 0))
		error = errno;
	if (descriptor >= 0 && fstat(descriptor, &information) == 0) {
		*bytes = (uint64_t)information.st_size;
		return descriptor;
	}
	command_error("%s:%u: cannot open '%s': %s (--files says where files are)",
		      initial->manifest_name, line, path,
		      error ? strerror(error) : "it is no file");
	if (descriptor >= 0)
		close(descriptor);
	return -1;
}

static bool initial_file_read(const struct initial *initial, unsigned line, const char *name,
			      struct initial_file *file)
{
	int descriptor = initial_open(initial, line, name, &file->bytes);
	ssize_t got = -1;

	if (descriptor < 0)
		return false;
	file->data = malloc(file->bytes + 1);
	if (file->data)
		got = pread(descriptor, file->data, file->bytes, 0);
	close(descriptor);
	if (got == (ssize_t)file->bytes)
		return true;
	command_error("%s:%u: cannot read '%s'", initial->manifest_name, line, name);
	free(file->data);
	return false;
}

/* ---- objects -------------------------------------------------------------------------- */

static enum status initial_create(const struct initial *initial,
				  const struct object_request *request,
				  struct disk_capability *capability)
{
	return HOST_RETRY(initial->host, object_create(initial->space, (object_t){OBJECT_ROOT_BANK},
						       request, capability));
}

static bool initial_text(void *context, void *data, size_t length)
{
	const char **text = context;

	memcpy(data, *text, length);
	*text += length;
	return true;
}

/* A segment with its bytes, if it has any. */
static enum command_exit initial_segment(const struct initial *initial,
					 const struct manifest_object *object)
{
	struct object_request request = {
		.type = OBJECT_SEGMENT, .size = object->size, .size_max = object->most};
	bool filled = object->kind != MANIFEST_SEGMENT;
	const char *text = object->source;
	object_t segment;
	int descriptor = -1;
	/* Without a time: the same files give the same bytes. */
	struct content_source source = {
		.context = &descriptor, .read = content_read_descriptor, .name = object->source};
	enum command_exit result;

	if (object->kind == MANIFEST_TEXT) {
		source =
			(struct content_source){&text, initial_text, object->path, strlen(text), 0};
	} else if (filled) {
		descriptor = initial_open(initial, object->line, object->source, &source.bytes);
		if (descriptor < 0)
			return COMMAND_FAILED;
	}
	if (filled)
		request.size_max = source.bytes ? source.bytes : 1;
	result = initial_result(initial, object->line,
				path_make(initial->host, object->path, &request, &segment),
				"lay down", object->path);
	if (result == COMMAND_OK && filled)
		result = content_write(initial->host, segment, &source);
	if (descriptor >= 0)
		close(descriptor);
	return result;
}

static enum command_exit initial_object(const struct initial *initial,
					const struct manifest_object *object)
{
	struct object_request request = {.type = OBJECT_DIRECTORY};
	object_t directory;

	if (object->kind != MANIFEST_DIRECTORY)
		return initial_segment(initial, object);
	return initial_result(initial, object->line,
			      path_make(initial->host, object->path, &request, &directory), "make",
			      object->path);
}

/* ---- machines: the objects ---------------------------------------------------------------- */

/* The port knows its receiver, the machine the port it receives from. */
static enum status initial_bind_prepare(struct space *space, const struct initial_machine *made,
					struct disk_machine **machine, struct disk_object **port)
{
	TRY(machine_prepare(space, (object_t){made->machine.object}, machine));
	return object_prepare(space, (object_t){made->port.object}, port);
}

static enum status initial_bind(const struct initial *initial, struct initial_machine *made)
{
	struct disk_machine *machine;
	struct disk_object *port;
	object_t table;

	HOST_TRY(initial->host, initial_bind_prepare(initial->space, made, &machine, &port));
	port->port.receiver = made->machine.object;
	port->port.receiver_version = made->machine.version;
	machine->ports[0].object = made->port.object;
	machine->ports[0].version = made->port.version;
	machine->ports[0].slot = SLOT_PORT;
	made->message_page = machine->message_page;
	table = (object_t){machine->table.object};
	return HOST_RETRY(initial->host, object_read(initial->space, table, &made->table));
}

static enum status initial_machine_create(const struct initial *initial,
					  struct initial_machine *made)
{
	const struct manifest_machine *described = made->described;
	struct object_request machine = {.type = OBJECT_MACHINE, .priority = described->priority};
	struct object_request port = {.type = OBJECT_PORT, .size = described->queue};

	ASSERT(strlen(described->name) < sizeof(machine.name));
	memcpy(machine.name, described->name, strlen(described->name));
	TRY(initial_create(initial, &machine, &made->machine));
	TRY(initial_create(initial, &port, &made->port));
	return initial_bind(initial, made);
}

/* ---- machines: capabilities ----------------------------------------------------------------- */

static enum status initial_slot(const struct initial *initial, const struct initial_machine *made,
				uint32_t slot, const struct disk_capability *capability)
{
	HOST_TRY(initial->host, table_prepare(initial->space, &made->table, slot));
	table_put(initial->space, &made->table, slot, capability);
	return STATUS_OK;
}

/* A capability to one of the fixed objects. */
static enum status initial_fixed(const struct initial *initial, const struct initial_machine *made,
				 uint32_t slot, uint32_t object, uint16_t rights)
{
	struct disk_capability capability;

	HOST_TRY(initial->host,
		 object_capability(initial->space, (object_t){object}, rights, &capability));
	return initial_slot(initial, made, slot, &capability);
}

/* What every program has: kernel/abi.h, enum abi_slot. */
static enum status initial_standard(const struct initial *initial,
				    const struct initial_machine *made)
{
	static const struct {
		uint32_t slot, object;
		uint16_t rights;
	} fixed[] = {
		{SLOT_BANK, OBJECT_ROOT_BANK, RIGHT_READ | RIGHT_CREATE},
		{SLOT_ROOT, OBJECT_ROOT_DIRECTORY, RIGHT_READ | RIGHT_WRITE},
		{SLOT_LOG, OBJECT_THE_LOG, RIGHT_SEND | RIGHT_READ},
		{SLOT_CLOCK, OBJECT_THE_CLOCK, RIGHT_READ},
	};
	struct disk_capability port = made->port;

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		TRY(initial_fixed(initial, made, fixed[i].slot, fixed[i].object, fixed[i].rights));
	port.rights = INITIAL_PORT_RIGHTS;
	return initial_slot(initial, made, SLOT_PORT, &port);
}

/* Who is granted the console serves the terminal: it sees whom the bank pays for, and ends them. */
static enum status initial_terminal(const struct initial *initial,
				    const struct initial_machine *made)
{
	struct disk_system *system;

	HOST_TRY(initial->host, system_prepare(initial->space, &system));
	system->terminal.object = made->machine.object;
	system->terminal.version = made->machine.version;
	TRY(initial_fixed(initial, made, SLOT_BANK, OBJECT_ROOT_BANK,
			  RIGHT_READ | RIGHT_CREATE | RIGHT_CONTROL | RIGHT_DESTROY));
	return initial_fixed(initial, made, SLOT_CONSOLE, OBJECT_THE_CONSOLE,
			     RIGHT_SEND | RIGHT_RECEIVE);
}

static enum status initial_grant(const struct initial *initial, const struct initial_machine *made,
				 const struct manifest_grant *grant)
{
	const struct manifest_machine *peer;
	struct disk_capability capability;
	enum status status = STATUS_OK;

	switch (grant->kind) {
	case MANIFEST_GRANT_CONSOLE:
		return initial_terminal(initial, made);
	case MANIFEST_GRANT_STORE:
		return initial_fixed(initial, made, SLOT_STORE, OBJECT_THE_STORE,
				     RIGHT_READ | RIGHT_CONTROL | RIGHT_SNAPSHOT);
	case MANIFEST_GRANT_SYSTEM:
		return initial_fixed(initial, made, SLOT_SYSTEM, OBJECT_THE_SYSTEM,
				     RIGHT_READ | RIGHT_CONTROL);
	case MANIFEST_GRANT_PORT:
		peer = manifest_machine_find(initial->manifest, grant->target);
		ASSERT(peer); /* the parser has found it */
		capability = initial->machine[peer - initial->manifest->machine].port;
		capability.badge = grant->badge;
		break;
	case MANIFEST_GRANT_OBJECT:
		status = path_find(initial->host, grant->target, &capability, NULL);
		break;
	}
	if (status != STATUS_OK)
		return status;
	/* Rights only shrink: no more than the name's capability carries. */
	if (grant->rights & ~capability.rights)
		return STATUS_NO_RIGHT;
	capability.rights = grant->rights;
	return initial_slot(initial, made, grant->slot, &capability);
}

/* ---- machines: memory --------------------------------------------------------------------------
 */

static enum status initial_attach(const struct initial *initial, const struct initial_machine *made,
				  const struct disk_capability *capability,
				  const struct attachment_run *run)
{
	struct disk_machine *machine;
	struct disk_object segment;

	HOST_TRY(initial->host,
		 object_read(initial->space, (object_t){capability->object}, &segment));
	HOST_TRY(initial->host,
		 machine_prepare(initial->space, (object_t){made->machine.object}, &machine));
	return attachment_add(machine, &segment, capability, run);
}

/* The program's image, stack and arguments, page by page; *base: where it lies. */
static enum status initial_instance(const struct initial *initial,
				    const struct initial_machine *made,
				    const struct loader_plan *plan,
				    const struct loader_source *file, const struct abi_start *start,
				    uint64_t *base)
{
	struct object_request request = {.type = OBJECT_SEGMENT,
					 .size = plan->total_pages * PAGE_SIZE,
					 .size_max = plan->max_pages * PAGE_SIZE};
	struct disk_capability capability;
	struct disk_object segment;
	uint8_t page[PAGE_SIZE];

	TRY(initial_create(initial, &request, &capability));
	HOST_TRY(initial->host,
		 object_read(initial->space, (object_t){capability.object}, &segment));
	*base = segment.first_page * PAGE_SIZE;
	for (uint64_t i = 0; i < plan->total_pages; i++) {
		if (loader_page_empty(plan, i))
			continue;
		memset(page, 0, sizeof(page));
		TRY(loader_page(plan, file, *base, made->message_page * PAGE_SIZE, start, i, page));
		TRY(content_write_page(initial->host, &segment, i, page));
	}
	/* The machine owns the segment from its first attachment on. */
	for (unsigned i = 0; i < plan->runs; i++)
		TRY(initial_attach(initial, made, &capability,
				   &(struct attachment_run){.first = plan->run[i].first,
							    .pages = plan->run[i].pages,
							    .rights = plan->run[i].rights,
							    .owned = i == 0}));
	return initial_slot(initial, made, SLOT_INSTANCE, &capability);
}

/* Empty, with room: the library resizes it as the program asks for memory. */
static enum status initial_heap(const struct initial *initial, const struct initial_machine *made)
{
	struct object_request request = {.type = OBJECT_SEGMENT, .size_max = made->described->heap};
	struct disk_capability capability;

	if (made->described->heap == 0)
		return STATUS_OK;
	TRY(initial_create(initial, &request, &capability));
	TRY(initial_attach(
		initial, made, &capability,
		&(struct attachment_run){.rights = RIGHT_READ | RIGHT_WRITE, .owned = true}));
	return initial_slot(initial, made, SLOT_HEAP, &capability);
}

/* ---- machines: the first instruction
 * ---------------------------------------------------------------- */

static enum status initial_start_prepare(struct space *space, object_t object,
					 struct disk_machine **machine)
{
	TRY(machine_prepare(space, object, machine));
	return machine_bit_prepare(space, object, (*machine)->priority);
}

static enum status initial_start(const struct initial *initial, const struct initial_machine *made,
				 const struct loader_plan *plan, uint64_t base)
{
	object_t object = {made->machine.object};
	struct disk_machine *machine;

	HOST_TRY(initial->host, initial_start_prepare(initial->space, object, &machine));
	machine->registers.rip = base + plan->entry_offset;
	machine->registers.gpr[REGISTER_RSP] = base + plan->stack_top_offset;
	machine->registers.gpr[REGISTER_RDI] = base + plan->start_offset;
	machine->state = MACHINE_READY;
	machine_bit_set(initial->space, object, machine->priority, true);
	return STATUS_OK;
}

static enum status initial_arguments(const struct manifest_machine *described,
				     struct abi_start *start)
{
	memset(start, 0, sizeof(*start));
	TRY(loader_argument_add(start, described->name));
	for (unsigned i = 0; i < described->arguments; i++)
		TRY(loader_argument_add(start, described->argument[i]));
	return STATUS_OK;
}

/* Everything of a machine but itself and its port, which others may be granted. */
static enum status initial_machine_fill(const struct initial *initial,
					const struct initial_machine *made,
					const struct loader_plan *plan,
					const struct loader_source *file)
{
	const struct manifest_machine *described = made->described;
	struct abi_start start;
	uint64_t base;

	TRY(initial_arguments(described, &start));
	TRY(initial_instance(initial, made, plan, file, &start, &base));
	TRY(initial_heap(initial, made));
	TRY(initial_standard(initial, made));
	for (unsigned i = 0; i < described->grants; i++)
		TRY(initial_grant(initial, made, &described->grant[i]));
	return initial_start(initial, made, plan, base);
}

static enum command_exit initial_machine_finish(const struct initial *initial,
						const struct initial_machine *made)
{
	const struct manifest_machine *described = made->described;
	const struct manifest_object *program =
		manifest_object_find(initial->manifest, described->program);
	struct initial_file file;
	struct loader_source source;
	struct loader_plan plan;
	enum command_exit result;

	ASSERT(program && program->kind == MANIFEST_PROGRAM);
	if (!initial_file_read(initial, program->line, program->source, &file))
		return COMMAND_FAILED;
	source = (struct loader_source){.bytes = file.bytes, .data = file.data};
	if (loader_plan(&source, &plan) != STATUS_OK)
		result = command_error("%s:%u: '%s' cannot be loaded: %s", initial->manifest_name,
				       program->line, program->source, plan.error);
	else
		result = initial_result(initial, described->line,
					initial_machine_fill(initial, made, &plan, &source),
					"set up the machine", described->name);
	free(file.data);
	return result;
}

/* ---- the whole
 * ------------------------------------------------------------------------------------------- */

static enum status initial_interval(const struct initial *initial)
{
	struct disk_system *system;

	HOST_TRY(initial->host, system_prepare(initial->space, &system));
	system->checkpoint_ns = initial->manifest->interval_ns;
	return STATUS_OK;
}

/* The kernel finds them by the system page. */
static enum status initial_essential(const struct initial *initial)
{
	const struct manifest *manifest = initial->manifest;
	struct disk_system *system;
	unsigned count = 0;

	HOST_TRY(initial->host, system_prepare(initial->space, &system));
	for (unsigned i = 0; i < manifest->machines; i++) {
		const struct disk_capability *machine = &initial->machine[i].machine;

		if (!manifest->machine[i].essential)
			continue;
		if (count == SYSTEM_ESSENTIAL_MAX)
			return STATUS_LIMIT;
		system->essential[count].version = machine->version;
		system->essential[count++].object = machine->object;
	}
	return STATUS_OK;
}

static enum command_exit initial_machines(const struct initial *initial)
{
	const struct manifest *manifest = initial->manifest;

	/* First all machines and ports, because each may be granted to any other. */
	for (unsigned i = 0; i < manifest->machines; i++) {
		struct initial_machine *made = &initial->machine[i];

		made->described = &manifest->machine[i];
		TRY(initial_result(initial, made->described->line,
				   initial_machine_create(initial, made), "create the machine",
				   made->described->name));
	}
	for (unsigned i = 0; i < manifest->machines; i++)
		TRY(initial_machine_finish(initial, &initial->machine[i]));
	return host_result(initial->host, initial_essential(initial),
			   "cannot name the essential machines");
}

enum command_exit initial_lay(struct host *host, const struct manifest *manifest,
			      const char *manifest_name, const char *files)
{
	struct initial initial = {.host = host,
				  .space = &host->space,
				  .manifest = manifest,
				  .manifest_name = manifest_name,
				  .files = files};
	enum command_exit result = COMMAND_OK;

	TRY(host_result(host, initial_interval(&initial), "cannot write the system page"));
	initial.machine = calloc(manifest->machines + 1, sizeof(*initial.machine));
	if (!initial.machine)
		return host_result(host, STATUS_NO_MEMORY, "cannot lay down the machines");
	for (unsigned i = 0; i < manifest->objects && result == COMMAND_OK; i++)
		result = initial_object(&initial, &manifest->object[i]);
	if (result == COMMAND_OK)
		result = initial_machines(&initial);
	free(initial.machine);
	return result;
}
