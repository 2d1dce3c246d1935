/* SPDX-License-Identifier: MIT */
/*
 * syscall.c - the five entries: call, send, receive, reply_receive, yield.
 *
 * On entry the saved instruction pointer is put back to the SYSCALL, so that at
 * every instant the registers describe what remains to be done: parking and
 * resuming need nothing else.  A finished call moves it behind the instruction.
 * Each entry prepares all pages it will touch, and commits once.
 */
#include "kernel/syscall.h"
#include "base/assert.h"
#include <string.h>

static_assert(TABLE_SLOTS_MAX <= UINT16_MAX && MESSAGE_CAPABILITIES * 16 <= 64,
	      "one register names the slots of a message");

#define NATIVE (UINT64_C(1) << FOREIGN_NATIVE_BIT)

/* Is it one of this system's? */
static bool call_is_native(const struct disk_machine *machine)
{
	return !(machine->foreign & FOREIGN_CALLS) ||
	       (machine->foreign & FOREIGN_NATIVE && machine->registers.gpr[REGISTER_RAX] & NATIVE);
}

void call_finish(struct call *call, enum status status)
{
	ASSERT(cpu_this()->running == call->task);
	call_registers_done(call->machine, status, 0, 0);
	kernel_leave();
}

/* Ends a step of a call that could not be completed.  A page that cannot be read is waited
 * for, whosever it is; a receiver also waits for space, since it has nothing that it could
 * leave undone. */
static void __attribute__((noreturn)) call_fail(struct call *call, enum status status)
{
	bool receives = call->entry == ENTRY_RECEIVE || call->entry == ENTRY_REPLY_RECEIVE;

	ASSERT(status != STATUS_OK);
	if (status == STATUS_WAIT)
		kernel_park(0);
	if (status == STATUS_NO_SPACE && receives)
		kernel_park_for_space();
	if (status == STATUS_IO && !kernel_read_given_up())
		kernel_park_for_disk(TASK_READS_CALL);
	call_finish(call, status);
}

enum status call_capability(struct call *call, uint32_t slot, struct disk_capability *capability)
{
	enum status status = STATUS_OK;

	if (slot == SLOT_REPLY)
		*capability = call->machine->reply;
	else
		status = table_get(&kernel.space, &call->table, slot, capability);
	if (status == STATUS_OK && !capability->version)
		status = STATUS_NO_CAPABILITY;
	return status;
}

enum status call_message(struct call *call, const struct disk_capability *target,
			 struct transit *message)
{
	uint64_t slots = call->gpr[REGISTER_R14];
	enum status status;
	void *page;

	ASSERT(call->length <= MESSAGE_DATA);
	memset(message, 0, sizeof(*message));
	message->badge = target->badge;
	message->label = call->gpr[REGISTER_RSI];
	for (unsigned i = 0; i < MESSAGE_WORDS; i++)
		message->word[i] = call->gpr[call_word_register[i]];
	message->sender = call->machine->object;
	message->length = call->length;
	if (call->length) {
		/* Made if absent: then it reads as zeros, and the pointer is good. */
		status = space_write(&kernel.space, (page_t){call->machine->message_page}, &page);
		if (status != STATUS_OK)
			return status;
		message->data = page;
	}
	call->moved = 0;
	for (unsigned i = 0; i < MESSAGE_CAPABILITIES && slots; i++) {
		uint32_t slot = call_slot(slots, i);

		if (slot == SLOT_NONE)
			continue;
		status = call_capability(call, slot, &message->capability[i]);
		if (status != STATUS_OK)
			return status;
		if (message->capability[i].type != OBJECT_REPLY)
			continue;
		for (unsigned j = 0; j < i; j++)
			if (call_slot(slots, j) == slot)
				return STATUS_INVALID; /* one-shot: cannot go twice */
		call->moved |= 1u << i;
	}
	return STATUS_OK;
}

enum status call_moves_prepare(struct call *call)
{
	for (unsigned i = 0; i < MESSAGE_CAPABILITIES; i++) {
		uint32_t slot = call_slot(call->gpr[REGISTER_R14], i);
		enum status status;

		if (!(call->moved >> i & 1) || slot == SLOT_REPLY)
			continue;
		status = table_prepare(&kernel.space, &call->table, slot);
		if (status != STATUS_OK)
			return status;
	}
	return STATUS_OK;
}

static void slot_clear(struct call *call, uint32_t slot)
{
	static const struct disk_capability empty;

	if (slot == SLOT_REPLY)
		call->machine->reply = empty;
	else
		table_put(&kernel.space, &call->table, slot, &empty);
}

void call_moves_commit(struct call *call)
{
	for (unsigned i = 0; i < MESSAGE_CAPABILITIES; i++)
		if (call->moved >> i & 1)
			slot_clear(call, call_slot(call->gpr[REGISTER_R14], i));
}

/* ---- send and call to a port ------------------------------------------------ */

/* COMMIT part of the sender: a call's remainder is to await the reply. */
static void __attribute__((noreturn))
port_sent(struct call *call, const struct disk_capability *port)
{
	struct disk_machine *machine = call->machine;

	ASSERT(call->entry == ENTRY_SEND || call->entry == ENTRY_CALL);
	ASSERT(machine->state == MACHINE_READY);
	call_moves_commit(call);
	machine->messages_sent++;
	if (call->entry == ENTRY_SEND)
		call_finish(call, STATUS_OK);
	machine->call_number++;
	machine->callee = port->object;
	machine->callee_version = port->version;
	machine->last_ns = time_uptime_ns();
	machine->state = MACHINE_AWAIT_REPLY;
	call->gpr[REGISTER_RAX] = ENTRY_AWAIT_REPLY | (call->gpr[REGISTER_RAX] & NATIVE);
	task_idle(call->task);
	cpu_this()->running = NULL;
	kernel_leave();
}

static void __attribute__((noreturn))
port_send(struct call *call, const struct disk_capability *port)
{
	struct sending sending;
	struct transit message;
	enum status status;

	status = object_resolve(&kernel.space, port, OBJECT_PORT, RIGHT_SEND, &sending.port);
	if (status == STATUS_OK)
		status = call_message(call, port, &message);
	if (status == STATUS_OK)
		status = call_moves_prepare(call);
	if (status != STATUS_OK)
		call_fail(call, status);
	if (call->entry == ENTRY_CALL)
		message.reply = (struct disk_capability){
			.version = call->machine->version,
			.object = call->machine->object,
			.type = OBJECT_REPLY,
			.rights = RIGHT_SEND,
			.aux = call->machine->call_number + 1,
		};
	status = send_prepare(&sending, port, &message);
	if (status == STATUS_FULL && (call->entry == ENTRY_CALL || call->flags & FLAG_WAIT))
		status = kernel_wait(kernel_port_channel((object_t){port->object}));
	/* What it sends through may end meanwhile. */
	if (status == STATUS_WAIT && port->revoker)
		kernel_park(time_uptime_ns() + KERNEL_SPACE_RETRY_NS);
	if (status != STATUS_OK)
		call_fail(call, status);
	ASSERT(sending.receiver != call->machine);
	/* COMMIT POINT */
	send_commit(&sending, &message);
	port_sent(call, port);
}

/* ---- replies ------------------------------------------------------------------ */

/* Answers the call behind `reply`, which lies in `slot`.  A caller that is gone
 * is no error: the capability is spent all the same.  So it is when a page of the
 * caller's cannot be had, for its trouble is not the server's: it is told GONE or IO, if
 * it can be told anything.  OK: spent, and *outcome is what the replier is told. */
static enum status reply_send(struct call *call, uint32_t slot, const struct disk_capability *reply,
			      enum status *outcome)
{
	struct disk_machine *target;
	struct transit message;
	enum status status, told;
	bool found;

	status = call_message(call, reply, &message);
	for (unsigned i = 0; i < MESSAGE_CAPABILITIES && status == STATUS_OK; i++)
		if (call->moved >> i & 1 && call_slot(call->gpr[REGISTER_R14], i) == slot)
			status = STATUS_INVALID; /* it cannot travel through itself */
	if (status == STATUS_OK)
		status = call_moves_prepare(call);
	if (status == STATUS_OK && slot != SLOT_REPLY)
		status = table_prepare(&kernel.space, &call->table, slot);
	if (status != STATUS_OK)
		return status;
	status = reply_target(reply, &target);
	found = status == STATUS_OK;
	if (found) {
		status = reply_prepare(target, &message);
		if (status == STATUS_OK) {
			ASSERT(target != call->machine);
			/* COMMIT POINT */
			reply_commit(target, &message);
			call_moves_commit(call);
			call->machine->messages_sent++;
		}
	}
	*outcome = status == STATUS_IO ? STATUS_IO : STATUS_OK;
	told = status == STATUS_IO || status == STATUS_NO_SPACE ? status : STATUS_GONE;
	/* Its page of messages may be what has no space; its registers have more.  For one that
	 * has faulted there is nothing else that it could be told. */
	if ((status == STATUS_NO_SPACE && found && target->state == MACHINE_AWAIT_REPLY) ||
	    (!kernel_tries_again(status) && status != STATUS_OK && status != STATUS_DEAD))
		status = reply_abandon(reply, told);
	if (kernel_tries_again(status))
		return status;
	slot_clear(call, slot);
	return STATUS_OK;
}

/* ---- receive -------------------------------------------------------------------- */

static void message_from_disk(const struct disk_message *disk, struct transit *message)
{
	message->badge = disk->badge;
	message->label = disk->label;
	memcpy(message->word, disk->word, sizeof(message->word));
	message->length = disk->length <= MESSAGE_DATA ? disk->length : MESSAGE_DATA;
	message->sender = disk->sender;
	message->flags = disk->flags;
	message->data = disk->data;
	message->reply = disk->reply;
	memcpy(message->capability, disk->capability, sizeof(message->capability));
}

/* Takes the oldest message of a port, if there is one.  Returns EMPTY, or an
 * error, or does not return. */
static enum status receive_from(struct call *call, object_t port, const struct disk_object *record)
{
	const struct disk_message *queued;
	struct transit message;
	enum status status;

	status = port_peek_prepare(&kernel.space, record, &queued);
	if (status != STATUS_OK)
		return status;
	message_from_disk(queued, &message);
	status = deliver_prepare(call->machine, &message);
	if (status != STATUS_OK)
		return status;
	/* COMMIT POINT */
	ASSERT(call->machine->state == MACHINE_READY);
	deliver_commit(call->machine, &message);
	port_drop(&kernel.space, record);
	task_wake_one(kernel_port_channel(port));
	kernel_leave();
}

/* One port by slot. */
static enum status receive_slot(struct call *call, uint32_t slot, object_t *port, uint64_t *version)
{
	struct disk_capability capability;
	struct disk_object record;
	enum status status;

	status = call_capability(call, slot, &capability);
	if (status == STATUS_OK)
		status = object_resolve(&kernel.space, &capability, OBJECT_PORT, RIGHT_RECEIVE,
					&record);
	if (status != STATUS_OK)
		return status;
	*port = (object_t){capability.object};
	*version = record.version;
	status = bond_make(call->machine, slot, *port, &record);
	if (status != STATUS_OK)
		return status;
	return receive_from(call, *port, &record);
}

/* Any port that the machine is the receiver of, in the order of binding.  One that cannot
 * be read now does not keep those behind it. */
static enum status receive_any(struct call *call)
{
	struct disk_machine *machine = call->machine;
	enum status result = STATUS_INVALID; /* no port at all: it would wait for ever */

	for (unsigned i = 0; i < MACHINE_PORTS; i++) {
		object_t port = {machine->ports[i].object};
		struct disk_object record;
		enum status status;
		uint32_t slot;

		if (!port.n)
			continue;
		status = bond_check(machine, i, &slot, &record);
		if (status == STATUS_DEAD || status == STATUS_NO_CAPABILITY) {
			memset(&machine->ports[i], 0, sizeof(machine->ports[i]));
			continue;
		}
		if (status == STATUS_OK) {
			machine->ports[i].slot = slot;
			status = receive_from(call, port, &record);
		}
		if (status != STATUS_EMPTY && status != STATUS_IO)
			return status;
		if (result != STATUS_IO)
			result = status;
	}
	return result;
}

static void __attribute__((noreturn)) receive(struct call *call)
{
	struct disk_machine *machine = call->machine;
	uint64_t deadline = call->gpr[REGISTER_RBX], version = 0;
	object_t port = {0};
	enum status status;

	/* A call that was received and never answered ends here. */
	if (machine->reply.version) {
		status = reply_abandon(&machine->reply, STATUS_GONE);
		if (status != STATUS_OK)
			call_fail(call, status);
		memset(&machine->reply, 0, sizeof(machine->reply));
		store_operation_begin(kernel.space.store);
	}
	status = call->slot ? receive_slot(call, call->slot, &port, &version) : receive_any(call);
	if (status == STATUS_EMPTY && deadline && deadline <= time_uptime_ns())
		status = STATUS_TIMEOUT;
	if (status != STATUS_EMPTY && !(status == STATUS_INVALID && deadline && !call->slot))
		call_fail(call, status);
	/* Without any port but with a deadline it is a sleep. */
	if (status == STATUS_INVALID && deadline <= time_uptime_ns())
		call_fail(call, STATUS_TIMEOUT);
	if (deadline) {
		status = deadline_insert_prepare(&kernel.space, deadline,
						 (object_t){machine->object});
		if (status != STATUS_OK)
			call_fail(call, status);
		/* COMMIT POINT */
		deadline_insert(&kernel.space, deadline, (object_t){machine->object});
		time_deadline_added(deadline);
	}
	ASSERT(machine->state == MACHINE_READY && call->task->place == TASK_RUNNING);
	ASSERT(!machine->reply.version); /* who waits owes nobody an answer */
	machine->deadline = deadline;
	machine->callee = port.n;
	machine->callee_version = version;
	machine->last_ns = time_uptime_ns();
	machine->state = MACHINE_RECEIVE;
	task_idle(call->task);
	cpu_this()->running = NULL;
	kernel_leave();
}

static void __attribute__((noreturn)) reply_receive(struct call *call)
{
	enum status status = STATUS_OK, outcome;

	if (call->machine->reply.version) {
		struct disk_capability reply = call->machine->reply;

		status = reply_send(call, SLOT_REPLY, &reply, &outcome);
	}
	if (status != STATUS_OK)
		call_fail(call, status);
	/* What remains is a receive. */
	task_has_read(call->task, TASK_READS_CALL);
	call->gpr[REGISTER_RAX] = ENTRY_RECEIVE | (call->gpr[REGISTER_RAX] & NATIVE);
	call->entry = ENTRY_RECEIVE;
	store_operation_begin(kernel.space.store);
	receive(call);
}

/* ---- dispatch ------------------------------------------------------------------- */

static void __attribute__((noreturn)) call_or_send(struct call *call)
{
	struct disk_capability capability;
	enum status status, outcome;

	status = call_capability(call, call->slot, &capability);
	if (status != STATUS_OK)
		call_fail(call, status);
	if (capability.type == OBJECT_PORT)
		port_send(call, &capability);
	if (capability.type == OBJECT_REPLY) {
		if (call->entry == ENTRY_CALL)
			call_finish(call, STATUS_NO_OPERATION);
		status = reply_send(call, call->slot, &capability, &outcome);
		if (status == STATUS_OK)
			call_finish(call, outcome);
	} else {
		status = service_run(call, &capability);
	}
	call_fail(call, status);
}

void syscall_run(void)
{
	struct call call = {.task = cpu_this()->running};
	uint64_t rax;
	enum status status;

	ASSERT(call.task);
	store_operation_begin(kernel.space.store);
	status = machine_prepare(&kernel.space, call.task->object, &call.machine);
	if (status != STATUS_OK)
		kernel_panic("machine %u runs but its page is not there: %s", call.task->object.n,
			     status_text(status));
	ASSERT(call.task->place == TASK_RUNNING && call.machine->version == call.task->version);
	ASSERT(call.machine->state == MACHINE_READY);
	call.machine->registers.rip -= ARCH_SYSCALL_LENGTH;
	call.gpr = call.machine->registers.gpr;
	rax = call.gpr[REGISTER_RAX];
	if (!call_is_native(call.machine))
		fault_raise(FAULT_SYSTEM_CALL, call.machine->registers.rip, rax);
	call.entry = (enum abi_entry)(rax & 0xff);
	call.flags = rax >> 8 & 0xff;
	call.length = rax >> 16 & 0xffff;
	call.slot = call.gpr[REGISTER_RDI] <= 0xffff ? (uint32_t)call.gpr[REGISTER_RDI] : 0xffff;
	if (call.length > MESSAGE_DATA)
		call_finish(&call, STATUS_INVALID);
	status = object_resolve(&kernel.space, &call.machine->table, OBJECT_TABLE, 0, &call.table);
	if (status != STATUS_OK)
		call_fail(&call, status);
	switch (call.entry) {
	case ENTRY_CALL:
	case ENTRY_SEND:
		call_or_send(&call);
	case ENTRY_RECEIVE:
		receive(&call);
	case ENTRY_REPLY_RECEIVE:
		reply_receive(&call);
	case ENTRY_YIELD:
		call_registers_done(call.machine, STATUS_OK, 0, 0);
		task_queue(call.task);
		cpu_this()->running = NULL;
		kernel_leave();
	case ENTRY_AWAIT_REPLY:
		call_finish(&call, STATUS_INVALID);
	default:
		break;
	}
	fault_raise(FAULT_SYSTEM_CALL, call.machine->registers.rip, rax);
}
