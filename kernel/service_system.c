/* SPDX-License-Identifier: MIT */
/*
 * service_system.c - clock, console, log, store and system.
 */
#include "store/keeping.h"
#include "base/text.h"
#include "kernel/memory.h"
#include "kernel/print.h"
#include "kernel/service.h"
#include "kernel/console.h"
#include "base/assert.h"
#include <string.h>

/* ---- clock ------------------------------------------------------------------- */

static enum status clock_now(struct service *service)
{
	service->word[0] = time_uptime_ns();
	service->word[1] = arch_wall_ns();
	return STATUS_OK;
}

/* What remains of a sleep is in the machine's state and deadline; it is answered
 * by time.c. */
static enum status clock_sleep(struct service *service)
{
	uint64_t deadline = service->message.word[0];
	struct disk_machine *machine = service->call->machine;
	object_t object = {machine->object};
	struct cpu *cpu = cpu_this();
	enum status status;

	if (deadline <= time_uptime_ns())
		return STATUS_OK;
	status = deadline_insert_prepare(&kernel.space, deadline, object);
	if (status != STATUS_OK)
		return status;
	/* COMMIT POINT */
	deadline_insert(&kernel.space, deadline, object);
	time_deadline_added(deadline);
	ASSERT(machine->state == MACHINE_READY && cpu->running);
	machine->deadline = deadline;
	machine->last_ns = time_uptime_ns();
	machine->state = MACHINE_SLEEP;
	task_idle(cpu->running);
	cpu->running = NULL;
	kernel_leave();
}

static const struct operation clock_operations[SERVICE_OPERATIONS_MAX] = {
#define CLOCK_OPERATION SERVICE_ROW
#include "kernel/operations.def"
};

const struct service_type clock_service = {.operations = clock_operations};

/* ---- console ------------------------------------------------------------------- */

/* A device capability knows the epoch in which it was last used; the first call in
 * a new one is answered RESTARTED.  The note is in the caller's slot. */
static enum status console_epoch(struct service *service)
{
	struct disk_capability capability = *service->target;
	uint32_t slot = service->call->slot;
	enum status status;

	if (capability.aux == kernel.epoch)
		return STATUS_OK;
	status = table_prepare(&kernel.space, &service->call->table, slot);
	if (status != STATUS_OK)
		return status;
	/* COMMIT POINT */
	capability.aux = kernel.epoch;
	table_put(&kernel.space, &service->call->table, slot, &capability);
	console_told(service->call->machine);
	return STATUS_RESTARTED;
}

/* All or nothing of the text goes into the output ring, which holds more than a
 * message. */
static enum status console_write(struct service *service)
{
	enum status status = console_epoch(service);

	if (status != STATUS_OK || !service->message.length)
		return status;
	if (console_holds_output() ||
	    !arch_console_write(service->message.data, service->message.length))
		return kernel_wait(CHANNEL_CONSOLE_OUTPUT);
	return STATUS_OK;
}

static enum status console_read(struct service *service)
{
	uint64_t deadline = service->message.word[0];
	enum status status = console_epoch(service);

	if (status == STATUS_OK)
		status = console_claim(service->call->machine);
	if (status != STATUS_OK && status != STATUS_BUSY)
		return status;
	if (status == STATUS_OK)
		service->length = arch_console_read(service->data, sizeof(service->data));
	if (service->length)
		return STATUS_OK;
	if (deadline && deadline <= time_uptime_ns())
		return STATUS_TIMEOUT;
	service->wake_ns = deadline;
	return kernel_wait(CHANNEL_CONSOLE_INPUT);
}

static const struct operation console_operations[SERVICE_OPERATIONS_MAX] = {
#define CONSOLE_OPERATION SERVICE_ROW
#include "kernel/operations.def"
};

const struct service_type console_service = {.operations = console_operations};

/* ---- log ---------------------------------------------------------------------------- */

/* Lines carry who says them: the log is shared.  Names are anybody's choice, numbers are not. */
static enum status log_op_write(struct service *service)
{
	const struct disk_machine *machine = service->call->machine;
	char line[MESSAGE_DATA + 2 * MACHINE_NAME];
	struct text_filter filter = {0};
	size_t prefix;
	enum status status;

	if (service->message.length > LOG_LINE_MAX)
		return STATUS_INVALID;
	prefix = service_log_time(line, sizeof(line));
	prefix += text_format_shown(line + prefix, sizeof(line) - prefix,
				    "%u %s: ", machine->object, machine->name);
	status = log_prepare(&kernel.space, prefix + service->message.length + 1);
	if (status != STATUS_OK)
		return status;
	ASSERT(prefix + service->message.length + 1 <= sizeof(line));
	for (uint32_t i = 0; i < service->message.length; i++) {
		char c = ((const char *)service->message.data)[i];

		line[prefix++] = text_steers(&filter, c) && c != '\t' ? '.' : c;
	}
	line[prefix++] = '\n';
	/* COMMIT POINT */
	log_add(&kernel.space, line, prefix);
	task_wake_channel(CHANNEL_LOG);
	return STATUS_OK;
}

static enum status log_op_read(struct service *service)
{
	uint64_t from = service->message.word[0], deadline = service->message.word[1];
	size_t length;
	enum status status =
		log_copy(&kernel.space, &from, service->data, sizeof(service->data), &length);

	if (status == STATUS_EMPTY && deadline) {
		if (deadline <= time_uptime_ns())
			return STATUS_TIMEOUT;
		service->wake_ns = deadline;
		return kernel_wait(CHANNEL_LOG);
	}
	if (status != STATUS_OK)
		return status;
	service->length = (uint32_t)length;
	service->word[0] = from;
	service->word[1] = from + length;
	return STATUS_OK;
}

static const struct operation log_operations[SERVICE_OPERATIONS_MAX] = {
#define LOG_OPERATION SERVICE_ROW
#include "kernel/operations.def"
};

const struct service_type log_service = {.operations = log_operations};

/* ---- store ---------------------------------------------------------------------------- */

/* A name from the message, as text.  INVALID if it is none. */
static enum status store_name(const struct service *service, char name[DISK_SNAPSHOT_NAME])
{
	memset(name, 0, DISK_SNAPSHOT_NAME);
	if (!service->message.length || service->message.length >= DISK_SNAPSHOT_NAME)
		return STATUS_INVALID;
	memcpy(name, service->message.data, service->message.length);
	return STATUS_OK;
}

/* The same for one that a snapshot is given; a NUL would hide what follows it. */
static enum status store_name_new(const struct service *service, char name[DISK_SNAPSHOT_NAME])
{
	enum status status = store_name(service, name);

	if (status != STATUS_OK)
		return status;
	for (uint32_t i = 0; i < service->message.length; i++)
		if (!name[i])
			return STATUS_INVALID;
	return keeping_name_fault(name) ? STATUS_INVALID : STATUS_OK;
}

static enum status store_op_checkpoint(struct service *service)
{
	struct store_commit_request commit = {.action = STORE_ACTION_NONE};

	checkpoint_request(&commit, CHECKPOINT_ANSWER, service->message.word[5]);
}

/* With the name that the message has for a snapshot. */
static enum status store_naming(struct service *service, struct store_commit_request *commit)
{
	enum status status = store_name_new(service, commit->name);

	if (status != STATUS_OK)
		return status;
	checkpoint_request(commit, CHECKPOINT_ANSWER, service->message.word[5]);
}

/* Of the snapshot that has the message's name. */
static enum status store_named(struct service *service, enum store_action action)
{
	struct store_commit_request commit = {.action = action};
	struct store_snapshot snapshot;
	char name[DISK_SNAPSHOT_NAME];
	enum status status = store_name(service, name);

	if (status == STATUS_OK)
		status = store_snapshot_find(kernel.space.store, name, &snapshot);
	if (status != STATUS_OK)
		return status;
	commit.number = snapshot.number;
	checkpoint_request(&commit, CHECKPOINT_ANSWER, service->message.word[5]);
}

static enum status store_op_snapshot(struct service *service)
{
	struct store_commit_request commit = {.action = STORE_ACTION_SNAPSHOT};

	return store_naming(service, &commit);
}

static enum status store_op_restore(struct service *service)
{
	return store_named(service, STORE_ACTION_RESTORE);
}

static enum status store_op_delete(struct service *service)
{
	return store_named(service, STORE_ACTION_DELETE);
}

static enum status store_op_next(struct service *service)
{
	struct store_snapshot *answer = (struct store_snapshot *)service->data;
	enum status status = store_snapshot_next(kernel.space.store,
						 (snapshot_t){service->message.word[0]}, answer);

	static_assert(sizeof(*answer) <= sizeof(service->data), "it fits an answer");
	/* Of what cannot be read it says so itself. */
	if (status != STATUS_OK && status != STATUS_CORRUPT && status != STATUS_IO)
		return status;
	service->length = sizeof(*answer);
	return STATUS_OK;
}

static void text_copy(char *to, size_t size, const char *from)
{
	size_t length = strlen(from);

	ASSERT(size);
	if (length >= size)
		length = size - 1;
	memcpy(to, from, length);
	to[length] = 0;
}

static enum status store_op_statistics(struct service *service)
{
	struct checkpoint_figures figures = checkpoint_figures();
	struct checkpoint_unsaved unsaved = checkpoint_unsaved();
	struct store_statistics *answer = (struct store_statistics *)service->data;

	static_assert(sizeof(*answer) <= sizeof(service->data), "they fit an answer");
	store_statistics_get(kernel.space.store, answer);
	answer->interval_ns = kernel.interval_ns;
	answer->health = store_health(kernel.space.store);
	answer->longest_freeze_ns = figures.longest_freeze_ns;
	answer->last_commit_ns = figures.last_commit_ns;
	if (unsaved.why) {
		answer->unsaved_since_ns = unsaved.since_wall_ns ? unsaved.since_wall_ns : 1;
		answer->unsaved_attempts = unsaved.attempts;
		answer->unsaved_retry_ns = unsaved.retry_ns;
		text_copy(answer->unsaved_why, sizeof(answer->unsaved_why), unsaved.why);
	}
	service->length = sizeof(*answer);
	return STATUS_OK;
}

static enum status store_op_interval(struct service *service)
{
	struct disk_system *system;
	enum status status = system_prepare(&kernel.space, &system);

	if (status != STATUS_OK)
		return status;
	/* COMMIT POINT */
	system->checkpoint_ns = service->message.word[0];
	kernel.interval_ns = service->message.word[0];
	return STATUS_OK;
}

static enum status store_op_rename(struct service *service)
{
	struct store_commit_request commit = {.action = STORE_ACTION_RENAME,
					      .number = {service->message.word[0]}};

	return store_naming(service, &commit);
}

static enum status store_op_retention(struct service *service)
{
	struct store_commit_request commit = {.action = STORE_ACTION_RETAIN};

	if (service->message.length != sizeof(commit.retention))
		return STATUS_INVALID;
	memcpy(&commit.retention, service->message.data, sizeof(commit.retention));
	checkpoint_request(&commit, CHECKPOINT_ANSWER, service->message.word[5]);
}

/* The partition first, to the end of what the disk is now.  Done once more after
 * a wait that changes nothing. */
static enum status store_op_grow(struct service *service)
{
	struct store_commit_request commit = {.action = STORE_ACTION_GROW};
	struct store_statistics s;
	enum status status;

	store_statistics_get(kernel.space.store, &s);
	commit.sectors = s.sectors;
	status = arch_block_grow(&commit.sectors);
	if (status != STATUS_OK)
		return status;
	commit.sectors -= commit.sectors % BLOCK_SECTORS;
	checkpoint_request(&commit, CHECKPOINT_ANSWER, service->message.word[5]);
}

static void scrub_answer(struct service *service, const struct store_scrub *scrub,
			 const struct store_damage *damage)
{
	struct abi_scrub *answer = (struct abi_scrub *)service->data;

	static_assert(sizeof(*answer) <= sizeof(service->data), "it fits an answer");
	*answer = (struct abi_scrub){
		.extents = scrub->extents,
		.sectors = scrub->sectors,
		.pages = scrub->pages,
		.snapshots = scrub->snapshots,
		.damaged = scrub->read_errors + scrub->checksum_errors,
		.repaired = scrub->repaired,
		.done = scrub->phase == STORE_SCRUB_DONE,
		.found = damage->status,
		.tree = damage->tree,
		.level = damage->level,
		.key = damage->key,
		.sector = disk_reference_sector(&damage->reference).n,
		.generation = damage->reference.birth,
		.snapshot = damage->snapshot.n,
	};
	static_assert(sizeof(*scrub) <= sizeof(answer->cursor), "programs keep it for the store");
	memcpy(answer->cursor, scrub, sizeof(*scrub));
	service->length = sizeof(*answer);
}

/* The first call reads nothing: executed anew after a wait, it would begin anew. */
static enum status store_op_scrub(struct service *service)
{
	struct store_damage damage = {.status = STATUS_OK};
	struct store_scrub scrub;
	enum status status = STATUS_OK;

	if (service->message.length == 0) {
		store_scrub_begin(kernel.space.store, &scrub);
	} else if (service->message.length != sizeof(struct abi_scrub)) {
		return STATUS_INVALID;
	} else {
		memcpy(&scrub, service->message.data, sizeof(scrub));
		status = store_scrub_step(kernel.space.store, &scrub, &damage);
	}
	if (status == STATUS_WAIT || status == STATUS_INVALID)
		return status;
	scrub_answer(service, &scrub, &damage);
	return STATUS_OK;
}

static const struct operation store_operations[SERVICE_OPERATIONS_MAX] = {
#define STORE_OPERATION SERVICE_ROW
#include "kernel/operations.def"
};

const struct service_type store_service = {.operations = store_operations};

/* ---- system ------------------------------------------------------------------------------ */

static enum status system_op_info(struct service *service)
{
	struct abi_system *answer = (struct abi_system *)service->data;
	struct store_statistics s;
	struct store_details details;

	static_assert(sizeof(*answer) <= sizeof(service->data), "it fits an answer");
	store_statistics_get(kernel.space.store, &s);
	store_details_get(kernel.space.store, &details);
	*answer = (struct abi_system){
		.memory_bytes = kernel.boot.memory_bytes,
		.kernel_bytes = kernel.boot.kernel_bytes + memory_boot_bytes(),
		.frames = details.frames,
		.free_frames = details.free_frames,
		.clean_frames = details.clean_frames,
		.dirty_frames = s.dirty_pages + s.frozen_pages,
		.borrowed_frames = details.borrowed_frames,
		.staging_bytes = kernel.staging_bytes,
		.uptime_ns = time_uptime_ns(),
		.since_resume_ns = arch_time_ns() - kernel.resumed_ns,
		.wall_ns = arch_wall_ns(),
		.generation = kernel.recovery.generation.n,
		.resume_reason = kernel.reason,
		.resume_us = kernel.resume_us,
		.resumes = kernel.epoch,
		.machines = task_count(),
		.idle_ns = cpu_this()->idle_ns,
		.longest_ns = kernel.longest_ns,
		.longest_of = kernel.longest_of,
	};
	answer->processors = arch_parts()->processors;
	answer->disks = arch_parts()->disks;
	answer->networks = arch_parts()->networks;
	answer->displays = arch_parts()->displays;
	text_copy(answer->version, sizeof(answer->version), PERDURE_VERSION);
	text_copy(answer->cpu, sizeof(answer->cpu), arch_cpu_name());
	text_copy(answer->accelerator, sizeof(answer->accelerator), arch_accelerator());
	service->length = sizeof(*answer);
	return STATUS_OK;
}

static enum status system_op_power_off(struct service *service)
{
	struct store_commit_request commit = {.action = STORE_ACTION_STOP};

	if (service->message.word[0] == ABI_POWER_LOSE)
		arch_power_off();
	checkpoint_request(&commit, CHECKPOINT_POWER_OFF, service->message.word[5]);
}

static enum status system_op_reboot(struct service *service)
{
	struct store_commit_request commit = {.action = STORE_ACTION_STOP};

	if (service->message.word[0] == ABI_POWER_LOSE)
		arch_reboot();
	checkpoint_request(&commit, CHECKPOINT_REBOOT, service->message.word[5]);
}

static enum status system_op_kernel_log(struct service *service)
{
	uint64_t from = service->message.word[0];

	service->length = print_log_read(&from, service->data, sizeof(service->data));
	service->word[0] = from;
	service->word[1] = from + service->length;
	return service->length ? STATUS_OK : STATUS_EMPTY;
}

static enum status system_op_machine_next(struct service *service)
{
	uint16_t rights = RIGHT_READ;
	struct abi_machine_info info;
	object_t object;
	enum status status;

	if (service->message.word[0] >= OBJECT_MAX)
		return STATUS_NOT_FOUND;
	status = machine_next(&kernel.space, (object_t){(uint32_t)service->message.word[0] + 1},
			      &object);
	if (status != STATUS_OK)
		return status;
	status = service_machine_info(&kernel.space, object, &info);
	/* One that has ended with its bank is passed over: the call goes on behind it. */
	if (status == STATUS_DEAD) {
		service->call->gpr[call_word_register[0]] = object.n;
		return kernel_wait(CHANNEL_TURN);
	}
	/* One that cannot be read does not hide those behind it. */
	if (status == STATUS_CORRUPT || status == STATUS_IO) {
		info = (struct abi_machine_info){.object = object.n, .state = MACHINE_STATES};
		status = STATUS_OK;
	}
	if (service->target->rights & RIGHT_CONTROL)
		rights |= RIGHT_CONTROL | RIGHT_DESTROY;
	if (status == STATUS_OK && call_slot(service->call->gpr[REGISTER_R15], 0) != SLOT_NONE)
		status = service_answer_object(service, object, rights);
	if (status != STATUS_OK)
		return status;
	memcpy(service->data, &info, sizeof(info));
	service->length = sizeof(info);
	return STATUS_OK;
}

static enum status system_op_continue(struct service *service)
{
	(void)service;
	kernel.safe = false;
	resume_again();
	return STATUS_OK;
}

static const struct operation system_operations[SERVICE_OPERATIONS_MAX] = {
#define SYSTEM_OPERATION SERVICE_ROW
#include "kernel/operations.def"
};

const struct service_type system_service = {.operations = system_operations};
