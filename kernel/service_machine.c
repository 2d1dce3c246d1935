/* SPDX-License-Identifier: MIT */
/*
 * service_machine.c - machines as objects: start, stop, inspect; service_attach.c for the rest.
 *
 * The target may be the caller itself; then both name the same page, and what is
 * changed shows when the call ends.
 */
#include "kernel/service.h"
#include "kernel/console.h"
#include "base/assert.h"
#include "base/text.h"
#include <string.h>

static_assert((unsigned)TABLE_SLOT_SELF == SLOT_SELF && (unsigned)TABLE_SLOT_TABLE == SLOT_TABLE,
	      "what objects/ puts where programs look for it");
static_assert((unsigned)TABLE_MACHINE_SLOTS == SLOTS_DEFAULT, "as many as programs reckon with");
static_assert((unsigned)SLOT_FIRST_FREE < SLOTS_DEFAULT, "programs have some to hand out");

enum status service_machine_prepare(struct service *service, struct disk_machine **machine)
{
	object_t object = {service->target->object};
	enum status status = machine_prepare(&kernel.space, object, machine);

	essential_examine(object, service->target->version);
	ASSERT(status != STATUS_OK || (*machine)->version == service->target->version);
	return status;
}

/* Nobody can put a machine above itself: it could keep all others from running. */
static enum status service_priority(const struct service *service, uint64_t priority)
{
	if (priority >= MACHINE_PRIORITIES)
		return STATUS_INVALID;
	return priority <= service->call->machine->priority ? STATUS_OK : STATUS_NO_RIGHT;
}

static bool target_is_self(const struct service *service)
{
	return service->target->object == service->call->machine->object;
}

/* ---- information ------------------------------------------------------------- */

static void info_state_name(const struct abi_message_page *page, struct abi_machine_info *info)
{
	if (page->state_magic != STATE_MAGIC)
		return;
	memcpy(info->state_name, page->state_name, STATE_NAME);
	info->state_name[STATE_NAME - 1] = 0;
	info->state_moves = page->state_moves;
	info->state_moved_ns = page->state_moved_ns;
}

enum status service_machine_info(struct space *space, object_t object,
				 struct abi_machine_info *info)
{
	struct disk_machine *machine;
	enum status status = machine_read(space, object, &machine);
	void *page;

	static_assert(sizeof(info->name) == MACHINE_NAME && sizeof(info->state_name) == STATE_NAME,
		      "whole names");
	if (status != STATUS_OK)
		return status;
	memset(info, 0, sizeof(*info));
	status = space_read(space, (page_t){machine->message_page}, &page);
	if (status == STATUS_OK)
		info_state_name(page, info);
	else if (status == STATUS_WAIT)
		return status;
	info->object = machine->object;
	info->state = machine->state;
	info->priority = machine->priority;
	info->fault = machine->fault;
	info->held = machine->stopped || safe_holds(machine->version);
	info->cpu_ns = machine->cpu_ns;
	info->messages_sent = machine->messages_sent;
	info->messages_received = machine->messages_received;
	info->faults_served = machine->faults_served;
	info->fault_address = machine->fault_address;
	info->rip = machine->registers.rip;
	info->started_ns = machine->started_ns;
	info->last_ns = machine->last_ns;
	info->exit_code = machine->exit_code;
	info->waits_for = machine->callee;
	memcpy(info->name, machine->name, MACHINE_NAME);
	info->name[MACHINE_NAME - 1] = 0;
	return STATUS_OK;
}

static enum status machine_info(struct service *service)
{
	struct abi_machine_info info;
	enum status status =
		service_machine_info(&kernel.space, (object_t){service->target->object}, &info);

	static_assert(sizeof(info) <= sizeof(service->data), "it fits an answer");
	if (status != STATUS_OK)
		return status;
	memcpy(service->data, &info, sizeof(info));
	service->length = sizeof(info);
	return STATUS_OK;
}

/* ---- running and holding -------------------------------------------------------- */

/* The port that it was given as its own is its own from now on, not only from its first
 * receive: whoever asks for a keeper that has just been started finds it. */
static enum status start_port(struct disk_machine *machine)
{
	struct disk_object table, record;
	struct disk_capability port;
	enum status status =
		object_resolve(&kernel.space, &machine->table, OBJECT_TABLE, 0, &table);

	ASSERT(machine->state == MACHINE_STOPPED);
	if (status == STATUS_OK)
		status = table_get(&kernel.space, &table, SLOT_PORT, &port);
	if (status == STATUS_OK)
		status = object_resolve(&kernel.space, &port, OBJECT_PORT, RIGHT_RECEIVE, &record);
	if (status == STATUS_OK)
		status = bond_make(machine, SLOT_PORT, (object_t){port.object}, &record);
	return kernel_tries_again(status) ? status : STATUS_OK;
}

static enum status machine_start(struct service *service)
{
	struct disk_machine *machine;
	object_t object = {service->target->object};
	enum status status = service_machine_prepare(service, &machine);

	if (status == STATUS_OK && machine->state != MACHINE_STOPPED)
		status = STATUS_BUSY;
	if (status == STATUS_OK)
		status = machine_bit_prepare(&kernel.space, object, machine->priority);
	if (status == STATUS_OK)
		status = start_port(machine);
	if (status == STATUS_OK)
		status = safe_admit(machine->version);
	if (status != STATUS_OK)
		return status;
	/* COMMIT POINT */
	machine->registers.rip = service->message.word[0];
	machine->registers.gpr[REGISTER_RSP] = service->message.word[1];
	machine->registers.gpr[REGISTER_RDI] = service->message.word[2];
	machine->state = MACHINE_READY;
	machine->started_ns = machine->last_ns = time_uptime_ns();
	machine_bit_set(&kernel.space, object, machine->priority, true);
	kernel_make_ready(object, machine);
	return STATUS_OK;
}

/* Takes the machine off the CPU or out of the queue, whatever it was about to do;
 * its registers describe that it is still to be done. */
static enum status machine_stop(struct service *service)
{
	struct disk_machine *machine;
	struct task *task = task_find((object_t){service->target->object});
	enum status status = service_machine_prepare(service, &machine);

	if (status != STATUS_OK)
		return status;
	/* COMMIT POINT */
	machine->stopped = 1;
	console_examine();
	/* One that has asked for a checkpoint gets its answer, and stops then. */
	if (task && (task->place == TASK_QUEUED || task->place == TASK_WAITING))
		task_idle(task);
	return STATUS_OK;
}

enum status service_continue(object_t object)
{
	struct disk_machine *machine;
	enum status status = machine_prepare(&kernel.space, object, &machine);

	if (status == STATUS_OK)
		status = machine_bit_prepare(&kernel.space, object, machine->priority);
	if (status != STATUS_OK)
		return status;
	if (machine->state == MACHINE_EXITED || machine->state == MACHINE_STOPPED)
		return STATUS_STOPPED;
	status = safe_admit(machine->version);
	if (status != STATUS_OK)
		return status;
	/* COMMIT POINT */
	machine->stopped = 0;
	if (machine->state == MACHINE_FAULTED) {
		machine->state = MACHINE_READY;
		machine->fault = FAULT_NONE;
		machine->call_number++; /* the keeper's answer comes too late now */
	}
	if (machine->state == MACHINE_READY)
		machine_bit_set(&kernel.space, object, machine->priority, true);
	kernel_make_ready(object, machine);
	return STATUS_OK;
}

static enum status machine_continue(struct service *service)
{
	return service_continue((object_t){service->target->object});
}

/* Registers of a machine that can not run meanwhile. */
static enum status machine_registers(struct service *service)
{
	struct disk_machine *machine;
	enum status status;

	static_assert(sizeof(struct abi_registers) <= sizeof(service->data), "they fit an answer");
	if (service->message.word[0] > 1)
		return STATUS_INVALID;
	/* What the processor holds of it belongs to its page. */
	if (service->message.word[0])
		kernel_fpu_save();
	status = machine_read(&kernel.space, (object_t){service->target->object}, &machine);
	if (status != STATUS_OK)
		return status;
	memcpy(service->data, &machine->registers, sizeof(machine->registers));
	service->length = sizeof(machine->registers);
	if (service->message.word[0]) {
		struct abi_registers *all = (struct abi_registers *)(void *)service->data;

		all->fs_base = machine->fs_base;
		all->gs_base = machine->gs_base;
		memcpy(all->fpu, machine->fpu, sizeof(all->fpu));
		service->length = sizeof(*all);
	}
	return STATUS_OK;
}

bool machine_registers_good(const void *data, uint32_t length)
{
	const struct abi_registers *all = data;

	return length == sizeof(all->general) ||
	       (length == sizeof(*all) && all->fs_base / PAGE_SIZE < USER_ARENA_END &&
		all->gs_base / PAGE_SIZE < USER_ARENA_END);
}

void machine_registers_put(struct disk_machine *machine, const void *data, uint32_t length)
{
	const struct abi_registers *all = data;

	ASSERT(machine_registers_good(data, length));
	memcpy(&machine->registers, &all->general, sizeof(machine->registers));
	if (length == sizeof(all->general))
		return;
	machine->fs_base = all->fs_base;
	machine->gs_base = all->gs_base;
	/* The processor holds those of the machine that runs, which is another. */
	ASSERT(!cpu_this()->fpu_live || cpu_this()->fpu->object.n != machine->object);
	if (cpu_this()->fpu && cpu_this()->fpu->object.n == machine->object)
		cpu_this()->fpu = NULL;
	memcpy(machine->fpu, all->fpu, sizeof(machine->fpu));
}

static bool machine_waits(const struct disk_machine *machine)
{
	return machine->state == MACHINE_RECEIVE || machine->state == MACHINE_AWAIT_REPLY ||
	       machine->state == MACHINE_SLEEP;
}

/* With other registers it does something else than to wait for what it waited for. */
static enum status machine_set_registers(struct service *service)
{
	struct disk_machine *machine = NULL;
	struct task *task = task_find((object_t){service->target->object});
	enum status status;

	if (!machine_registers_good(service->message.data, service->message.length) ||
	    target_is_self(service))
		return STATUS_INVALID;
	if (task && task->place == TASK_REQUEST)
		return STATUS_BUSY; /* an answer is on its way into them: in a moment */
	status = service_machine_prepare(service, &machine);
	if (status == STATUS_OK && !machine->stopped && machine->state != MACHINE_FAULTED &&
	    machine->state != MACHINE_STOPPED)
		status = STATUS_BUSY;
	if (status == STATUS_OK && machine_waits(machine))
		status = wait_end_prepare(machine);
	if (status != STATUS_OK)
		return status;
	/* COMMIT POINT */
	machine_registers_put(machine, service->message.data, service->message.length);
	if (machine->state == MACHINE_AWAIT_REPLY)
		machine->call_number++; /* the answer comes too late now */
	if (machine_waits(machine))
		wait_end(machine);
	return STATUS_OK;
}

static enum status machine_set_priority(struct service *service)
{
	struct disk_machine *machine;
	object_t object = {service->target->object};
	struct task *task = task_find(object);
	uint8_t priority = (uint8_t)service->message.word[0];
	enum status status = service_priority(service, service->message.word[0]);

	if (status != STATUS_OK)
		return status;
	status = service_machine_prepare(service, &machine);
	if (status == STATUS_OK)
		status = machine_bit_prepare(&kernel.space, object, priority);
	if (status != STATUS_OK)
		return status;
	/* COMMIT POINT */
	machine->priority = priority;
	if (machine->state == MACHINE_READY)
		machine_bit_set(&kernel.space, object, priority, true);
	if (task)
		task_set_priority(task, machine->priority);
	return STATUS_OK;
}

/* ---- the beginning ------------------------------------------------------------------ */

static enum status machine_request(const struct service *service, struct object_request *request)
{
	const struct transit *message = &service->message;
	struct text_filter filter = {0};
	enum status status;

	if (!message->length || message->length >= MACHINE_NAME)
		return STATUS_INVALID;
	status = service_priority(service, message->word[0]);
	if (status != STATUS_OK)
		return status;
	request->priority = (uint8_t)message->word[0];
	memcpy(request->name, message->data, message->length);
	for (uint32_t i = 0; i < message->length; i++)
		if (text_steers(&filter, request->name[i]))
			return STATUS_INVALID;
	return STATUS_OK;
}

/* Its record was written just now, so that reading it does not wait. */
static enum status machine_created(struct service *service)
{
	struct disk_object record;
	enum status status =
		object_read(&kernel.space, (object_t){service->capability.object}, &record);

	ASSERT(status == STATUS_OK && record.type == OBJECT_MACHINE);
	service->word[0] = record.machine.message_page << PAGE_SHIFT;
	return status;
}

/* ---- the end ---------------------------------------------------------------------- */

/* Without a keeper nobody is to look at what is left of it. */
static enum status exit_destroyed(struct service *service)
{
	struct disk_machine *machine = service->call->machine;
	enum status status = log_prepare(&kernel.space, KERNEL_LOG_LINE);
	bool logged = status == STATUS_OK;
	char who[MACHINE_NAME + 12];

	if (status == STATUS_WAIT)
		return status;
	text_format(who, sizeof(who), "%u %.*s", machine->object, MACHINE_NAME - 1, machine->name);
	status = service_destroy((object_t){machine->object}, OBJECT_MACHINE);
	if (status != STATUS_OK)
		return status;
	store_operation_begin(kernel.space.store);
	if (logged && log_prepare(&kernel.space, KERNEL_LOG_LINE) == STATUS_OK)
		service_log_line("%s ended, code %lu", who,
				 (unsigned long)service->message.word[0]);
	ASSERT(!cpu_this()->running); /* it went with it */
	kernel_leave();
}

/* A keeper must not miss it; one that is gone is told nothing. */
static enum status exit_tell(const struct disk_machine *machine, uint64_t code)
{
	const struct transit message = {
		.badge = machine->keeper.badge,
		.label = EVENT_EXIT,
		.word = {code, 0, 0, 0, machine->object, 0},
		.sender = machine->object,
		.flags = MESSAGE_EVENT,
	};
	enum status status;

	if (!(machine->keeper_wants & KEEPER_EXIT))
		return STATUS_OK;
	status = fault_tell(machine, &message);
	return kernel_tries_again(status) ? status : STATUS_OK;
}

static enum status machine_exit(struct service *service)
{
	uint32_t code = (uint32_t)service->message.word[0];
	struct disk_machine *machine = service->call->machine;
	struct cpu *cpu = cpu_this();
	object_t object = {machine->object};
	enum status status;

	if (!target_is_self(service))
		return STATUS_INVALID;
	if (!machine->keeper.version)
		return exit_destroyed(service);
	status = machine_abandon(object);
	if (status == STATUS_OK)
		return kernel_wait(CHANNEL_TURN);
	store_operation_begin(kernel.space.store);
	if (status == STATUS_NOT_FOUND)
		status = machine_prepare(&kernel.space, object, &machine);
	if (status == STATUS_OK)
		status = exit_tell(machine, code);
	if (status == STATUS_NO_SPACE)
		kernel_park_for_space();
	if (status != STATUS_OK)
		return status;
	/* COMMIT POINT */
	ASSERT(machine->state == MACHINE_READY && cpu->running);
	machine->exit_code = code;
	machine->state = MACHINE_EXITED;
	console_examine();
	task_idle(cpu->running);
	cpu->running = NULL;
	kernel_leave();
}

static enum status machine_op_destroy(struct service *service)
{
	enum status status = service_destroy((object_t){service->target->object}, OBJECT_MACHINE);

	if (status == STATUS_OK && !cpu_this()->running)
		kernel_leave(); /* it has ended itself */
	return status;
}

/* ---- capabilities ------------------------------------------------------------------- */

static enum status machine_set_keeper(struct service *service)
{
	struct disk_machine *machine;
	const struct disk_capability *keeper = &service->message.capability[0];
	enum status status = STATUS_OK;

	if (service->message.word[0] & ~(uint64_t)KEEPER_EXIT)
		return STATUS_INVALID;
	if (keeper->version)
		status = object_resolve(&kernel.space, keeper, OBJECT_PORT, RIGHT_SEND, NULL);
	if (status == STATUS_OK)
		status = service_machine_prepare(service, &machine);
	if (status != STATUS_OK)
		return status;
	/* COMMIT POINT */
	machine->keeper = *keeper;
	machine->keeper_wants = (uint32_t)service->message.word[0];
	return STATUS_OK;
}

/* An older system would take its system calls for its own. */
static enum status machine_foreign(struct service *service)
{
	uint64_t foreign = service->message.word[0];
	struct disk_machine *machine;
	struct disk_system *system;
	enum status status = STATUS_OK;

	if (foreign & ~(uint64_t)(FOREIGN_CALLS | FOREIGN_NATIVE))
		return STATUS_INVALID;
	status = service_machine_prepare(service, &machine);
	if (status == STATUS_OK && foreign)
		status = service_version_prepare(&system);
	if (status != STATUS_OK)
		return status;
	/* COMMIT POINT */
	machine->foreign = (uint32_t)foreign;
	if (foreign)
		system->version = SYSTEM_VERSION;
	return STATUS_OK;
}

static enum status machine_on_resume(struct service *service)
{
	const struct disk_capability *port = &service->message.capability[0];
	object_t object = {service->target->object};
	struct disk_machine *machine;
	enum status status = STATUS_OK;

	if (port->version)
		status = object_resolve(&kernel.space, port, OBJECT_PORT, RIGHT_SEND, NULL);
	if (status == STATUS_OK)
		status = service_machine_prepare(service, &machine);
	if (status == STATUS_OK)
		status = machine_bit_prepare(&kernel.space, object, RESUME_BITMAP);
	if (status != STATUS_OK)
		return status;
	/* COMMIT POINT */
	if (!machine->resume_port_version)
		machine->resume_seen = kernel.epoch; /* it is told of the next one */
	machine->resume_port = port->version ? port->object : 0;
	machine->resume_port_version = port->version;
	machine->resume_revoker = port->revoker;
	machine->resume_revoker_version = port->revoker_version;
	machine_bit_set(&kernel.space, object, RESUME_BITMAP, port->version != 0);
	return STATUS_OK;
}

static enum status target_table(const struct service *service, struct disk_capability *table)
{
	struct disk_machine *machine;
	enum status status =
		machine_read(&kernel.space, (object_t){service->target->object}, &machine);

	if (status == STATUS_OK)
		*table = machine->table;
	return status;
}

static enum status machine_place(struct service *service)
{
	const struct disk_capability *capability = &service->message.capability[0];
	uint64_t slot = service->message.word[0];
	struct disk_capability held, named;
	struct disk_object table;
	enum status status;

	if (slot == SLOT_NONE || slot == SLOT_REPLY || slot >= TABLE_SLOTS_MAX)
		return STATUS_INVALID;
	status = target_table(service, &named);
	if (status == STATUS_OK)
		status = object_resolve(&kernel.space, &named, OBJECT_TABLE, 0, &table);
	if (status == STATUS_OK)
		status = table_prepare(&kernel.space, &table, (uint32_t)slot);
	if (status == STATUS_OK)
		status = table_get(&kernel.space, &table, (uint32_t)slot, &held);
	if (status == STATUS_OK)
		status = slot_lost_prepare(&named, (uint32_t)slot, &held, capability);
	if (status != STATUS_OK)
		return status;
	/* COMMIT POINT */
	slot_lost(&named, (uint32_t)slot, &held, capability);
	table_put(&kernel.space, &table, (uint32_t)slot, capability);
	return STATUS_OK;
}

static enum status machine_take(struct service *service)
{
	struct disk_capability named;
	struct disk_object table;
	enum status status;

	if (service->message.word[0] >= TABLE_SLOTS_MAX)
		return STATUS_INVALID;
	status = target_table(service, &named);
	if (status == STATUS_OK)
		status = object_resolve(&kernel.space, &named, OBJECT_TABLE, 0, &table);
	if (status == STATUS_OK)
		status = table_get(&kernel.space, &table, (uint32_t)service->message.word[0],
				   &service->capability);
	if (status == STATUS_OK && !service->capability.version)
		status = STATUS_NO_CAPABILITY;
	if (status == STATUS_OK && service->capability.type == OBJECT_REPLY)
		status = STATUS_INVALID; /* it would be a copy */
	return status;
}

static const struct operation machine_operations[SERVICE_OPERATIONS_MAX] = {
#define MACHINE_OPERATION SERVICE_ROW
#include "kernel/operations.def"
};

const struct service_type machine_service = {
	.operations = machine_operations,
	.request = machine_request,
	.created = machine_created,
	.after_end = machine_after_end,
};
