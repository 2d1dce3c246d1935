/* SPDX-License-Identifier: MIT */
/*
 * deliver.c - messages into waiting machines.
 *
 * A message reaches a machine in one way only: deliver_prepare, then
 * deliver_commit, in the operation of whoever causes it.  The receiver's
 * registers are written as if its own system call had just returned.
 */
#include "kernel/syscall.h"
#include "kernel/console.h"
#include "kernel/print.h"
#include "base/assert.h"
#include <string.h>

static_assert(MESSAGE_DATA <= UINT16_MAX, "how much came is 16 bits of a register");

const uint8_t call_word_register[MESSAGE_WORDS] = {
	REGISTER_RDX, REGISTER_R10, REGISTER_R8, REGISTER_R9, REGISTER_R12, REGISTER_R13,
};

void call_registers_done(struct disk_machine *machine, enum status status, uint32_t length,
			 unsigned got)
{
	struct task *running = cpu_this()->running;

	ASSERT(length <= MESSAGE_DATA && got < 1u << MESSAGE_CAPABILITIES);
	machine->registers.gpr[REGISTER_RAX] =
		(uint64_t)status | (uint64_t)length << 16 | (uint64_t)got << 32;
	machine->registers.rip += ARCH_SYSCALL_LENGTH;
	if (running && running->object.n == machine->object)
		task_has_read(running, TASK_READS_CALL);
}

/* ---- the end of a wait -------------------------------------------------------- */

enum status wait_end_prepare(const struct disk_machine *machine)
{
	object_t object = {machine->object};
	enum status status = machine_bit_prepare(&kernel.space, object, machine->priority);

	if (status == STATUS_OK && machine->deadline)
		status = deadline_remove_prepare(&kernel.space, machine->deadline, object);
	return status;
}

void wait_end(struct disk_machine *machine)
{
	object_t object = {machine->object};

	/* READY: it has taken a message out of a queue itself. */
	ASSERT(machine->state == MACHINE_RECEIVE || machine->state == MACHINE_AWAIT_REPLY ||
	       machine->state == MACHINE_SLEEP || machine->state == MACHINE_READY);
	if (machine->deadline)
		deadline_remove(&kernel.space, machine->deadline, object);
	machine->deadline = 0;
	machine->callee = 0;
	machine->callee_version = 0;
	machine->state = MACHINE_READY;
	machine_bit_set(&kernel.space, object, machine->priority, true);
	kernel_make_ready(object, machine);
}

/* ---- what is lost ------------------------------------------------------------- */

static const struct disk_capability none;

static bool is_reply(const struct disk_capability *capability)
{
	return capability->version && capability->type == OBJECT_REPLY;
}

/* IO if the page of the one that waits cannot be read, until it is given up: then it does
 * not get to know.  One that has faulted is given up by its keeper: it stays where it is,
 * visibly, and *lost is then the call that it had received. */
static enum status lost_prepare(struct disk_capability *lost)
{
	const struct disk_capability reply = *lost;
	struct disk_machine *target;
	enum status status;

	*lost = none;
	if (!is_reply(&reply))
		return STATUS_OK;
	status = reply_target(&reply, &target);
	if (status == STATUS_OK && target->state == MACHINE_FAULTED) {
		*lost = target->reply;
		return STATUS_OK;
	}
	if (status == STATUS_OK)
		status = wait_end_prepare(target);
	return kernel_tries_again(status) ? status : STATUS_OK;
}

/* Keepers of keepers: so many of those that are given up answer their callers at once. */
#define LOST_CHAIN 4u

enum status reply_lost_prepare(const struct disk_capability *capability)
{
	struct disk_capability lost = *capability;
	enum status status = STATUS_OK;

	for (unsigned i = 0; i < LOST_CHAIN && status == STATUS_OK; i++)
		status = lost_prepare(&lost);
	return status;
}

/* `last`: what it had received stays with it. */
static void lost_commit(struct disk_capability *lost, enum status answer, bool last)
{
	const struct disk_capability reply = *lost;
	struct disk_machine *target;
	enum status status = STATUS_EMPTY;

	*lost = none;
	if (is_reply(&reply))
		status = reply_target(&reply, &target);
	/* What could not be prepared is not done by half. */
	if (status == STATUS_OK && target->state != MACHINE_FAULTED)
		status = wait_end_prepare(target);
	if (status == STATUS_IO || status == STATUS_CORRUPT)
		kernel_print_loud("perdure: machine %u waits for an answer that it cannot be "
				  "given: %s",
				  reply.object, status_text(status));
	if (status != STATUS_OK)
		return;
	target->call_number++;
	if (target->state == MACHINE_FAULTED) {
		if (!last) {
			*lost = target->reply;
			target->reply = none;
		}
		return;
	}
	ASSERT(target->state == MACHINE_AWAIT_REPLY && answer != STATUS_OK);
	call_registers_done(target, answer, 0, 0);
	wait_end(target);
}

void reply_lost(const struct disk_capability *capability, enum status answer)
{
	struct disk_capability lost = *capability;

	for (unsigned i = 0; i < LOST_CHAIN; i++)
		lost_commit(&lost, i ? STATUS_GONE : answer, i == LOST_CHAIN - 1);
}

enum status slot_lost_prepare(const struct disk_capability *table, uint32_t slot,
			      const struct disk_capability *held, const struct disk_capability *put)
{
	return is_reply(held) ? reply_lost_prepare(held)
			      : bond_lost_prepare(table, slot, held, put);
}

void slot_lost(const struct disk_capability *table, uint32_t slot,
	       const struct disk_capability *held, const struct disk_capability *put)
{
	if (is_reply(held))
		reply_lost(held, STATUS_GONE);
	else
		bond_lost(table, slot, held, put);
}

/* ---- messages ------------------------------------------------------------------ */

/* Any capability of the message may turn out to be refused. */
static enum status deliver_lost_prepare(const struct transit *message)
{
	enum status status = STATUS_OK;

	for (unsigned i = 0; i < MESSAGE_CAPABILITIES && status == STATUS_OK; i++)
		status = reply_lost_prepare(&message->capability[i]);
	return status;
}

/* Where the receiver wants capability `index`, 0 if it refuses or the slot
 * cannot take it.  A slot that holds a reply capability is never overwritten. */
static enum status deliver_slot(struct disk_machine *to, unsigned index, struct disk_object *table,
				uint32_t *slot)
{
	struct disk_capability held;
	enum status status;

	ASSERT(index < MESSAGE_CAPABILITIES);
	*slot = call_slot(to->registers.gpr[REGISTER_R15], index);
	if (*slot == SLOT_NONE || *slot == SLOT_REPLY)
		goto refuse;
	status = object_resolve(&kernel.space, &to->table, OBJECT_TABLE, 0, table);
	if (status == STATUS_OK)
		status = table_get(&kernel.space, table, *slot, &held);
	/* Without a table there is no slot; that must not be the sender's trouble. */
	if (status == STATUS_INVALID || status == STATUS_DEAD ||
	    (status == STATUS_OK && is_reply(&held)))
		goto refuse;
	return status;
refuse:
	*slot = SLOT_NONE;
	return STATUS_OK;
}

enum status deliver_prepare(struct disk_machine *to, const struct transit *message)
{
	struct disk_object table;
	enum status status;
	void *page;

	ASSERT(message->length <= MESSAGE_DATA);
	ASSERT(!message->length || message->data);
	if (message->length) {
		status = space_write(&kernel.space, (page_t){to->message_page}, &page);
		if (status != STATUS_OK)
			return status;
	}
	status = wait_end_prepare(to);
	if (status == STATUS_OK)
		status = deliver_lost_prepare(message);
	if (status != STATUS_OK)
		return status;
	for (unsigned i = 0; i < MESSAGE_CAPABILITIES; i++) {
		uint32_t slot;

		if (!message->capability[i].version)
			continue;
		status = deliver_slot(to, i, &table, &slot);
		if (status == STATUS_OK && slot)
			status = table_prepare(&kernel.space, &table, slot);
		if (status != STATUS_OK)
			return status;
	}
	return STATUS_OK;
}

/* Puts the capabilities where the receiver wants them; which arrived, as bits. */
static unsigned deliver_capabilities(struct disk_machine *to, const struct transit *message)
{
	struct disk_object table;
	unsigned got = 0;

	for (unsigned i = 0; i < MESSAGE_CAPABILITIES; i++) {
		uint32_t slot;

		if (!message->capability[i].version)
			continue;
		if (deliver_slot(to, i, &table, &slot) != STATUS_OK || !slot) {
			reply_lost(&message->capability[i], STATUS_GONE);
			continue;
		}
		table_put(&kernel.space, &table, slot, &message->capability[i]);
		got |= 1u << i;
	}
	return got;
}

void deliver_commit(struct disk_machine *to, const struct transit *message)
{
	uint64_t *gpr = to->registers.gpr;
	unsigned got;

	/* It waits for a message or an answer, or takes one out of a queue itself. */
	ASSERT(to->state == MACHINE_RECEIVE || to->state == MACHINE_AWAIT_REPLY ||
	       (cpu_this()->running && cpu_this()->running->object.n == to->object));
	/* COMMIT POINT: everything was prepared, nothing below fails or waits. */
	got = deliver_capabilities(to, message);
	if (message->length)
		memcpy(store_page_writable(kernel.space.store, (page_t){to->message_page}),
		       message->data, message->length);
	gpr[REGISTER_RDI] = message->badge;
	gpr[REGISTER_RSI] = message->label;
	for (unsigned i = 0; i < MESSAGE_WORDS; i++)
		gpr[call_word_register[i]] = message->word[i];
	call_registers_done(to, STATUS_OK, message->length, got);
	if (message->flags & MESSAGE_EVENT)
		gpr[REGISTER_RAX] |= RECEIVED_EVENT;
	if (message->reply.version)
		to->reply = message->reply;
	to->messages_received++;
	to->last_ns = time_uptime_ns();
	wait_end(to);
}

/* ---- sending ----------------------------------------------------------------- */

static void message_to_disk(const struct transit *message, struct disk_message *disk)
{
	ASSERT(message->length <= MESSAGE_DATA);
	memset(disk, 0, sizeof(*disk));
	disk->badge = message->badge;
	disk->label = message->label;
	memcpy(disk->word, message->word, sizeof(disk->word));
	disk->length = message->length;
	disk->sender = message->sender;
	disk->flags = message->flags;
	disk->reply = message->reply;
	memcpy(disk->capability, message->capability, sizeof(disk->capability));
	if (message->length)
		memcpy(disk->data, message->data, message->length);
}

enum status send_prepare(struct sending *sending, const struct disk_capability *port,
			 const struct transit *message)
{
	enum status status = deliver_receiver(port, &sending->port, &sending->receiver);

	ASSERT(sending->port.type == OBJECT_PORT);
	if (status == STATUS_OK)
		return deliver_prepare(sending->receiver, message);
	sending->receiver = NULL;
	return status == STATUS_EMPTY ? port_put_prepare(&kernel.space, &sending->port) : status;
}

void send_commit(const struct sending *sending, const struct transit *message)
{
	struct disk_message queued;

	if (sending->receiver) {
		deliver_commit(sending->receiver, message);
		return;
	}
	message_to_disk(message, &queued);
	port_put(&kernel.space, &sending->port, &queued);
}

/* ---- replies --------------------------------------------------------------- */

enum status reply_target(const struct disk_capability *reply, struct disk_machine **target)
{
	object_t object = {reply->object};
	struct disk_object record;
	enum status status;

	status = object_read(&kernel.space, object, &record);
	if (status == STATUS_NOT_FOUND)
		return STATUS_DEAD;
	if (status != STATUS_OK)
		return status;
	if (record.version != reply->version || record.type != OBJECT_MACHINE)
		return STATUS_DEAD;
	status = machine_prepare(&kernel.space, object, target);
	if (status != STATUS_OK)
		return status;
	if ((*target)->call_number != reply->aux ||
	    ((*target)->state != MACHINE_AWAIT_REPLY && (*target)->state != MACHINE_FAULTED))
		return STATUS_DEAD;
	return STATUS_OK;
}

/* Does what its keeper answers let a faulted machine go on? */
static bool answer_lets_go(const struct disk_machine *target, const struct transit *message)
{
	if (message->label == KEEPER_RESULT)
		return target->fault == FAULT_SYSTEM_CALL && target->foreign & FOREIGN_CALLS;
	if (message->label == KEEPER_REGISTERS)
		return machine_registers_good(message->data, message->length);
	return message->label == KEEPER_AGAIN;
}

/* As SYSCALL leaves them. */
static void answer_registers(struct disk_machine *target, const struct transit *message)
{
	struct disk_registers *registers = &target->registers;

	if (message->label == KEEPER_REGISTERS)
		machine_registers_put(target, message->data, message->length);
	if (message->label != KEEPER_RESULT)
		return;
	registers->gpr[REGISTER_RAX] = message->word[0];
	registers->rip += ARCH_SYSCALL_LENGTH;
	registers->gpr[REGISTER_RCX] = registers->rip;
	registers->gpr[REGISTER_R11] = registers->rflags;
}

enum status reply_prepare(struct disk_machine *target, const struct transit *message)
{
	enum status status;

	ASSERT(target->state == MACHINE_FAULTED || target->state == MACHINE_AWAIT_REPLY);
	if (target->state != MACHINE_FAULTED)
		return deliver_prepare(target, message);
	status = deliver_lost_prepare(message);
	if (status == STATUS_OK && !answer_lets_go(target, message))
		status = reply_lost_prepare(&target->reply);
	if (status == STATUS_OK)
		status = machine_bit_prepare(&kernel.space, (object_t){target->object},
					     target->priority);
	return status;
}

/* An answer to a faulted machine comes from its keeper (enum keeper_answer).  It takes no
 * capabilities. */
void reply_commit(struct disk_machine *target, const struct transit *message)
{
	object_t object = {target->object};

	ASSERT(target->state == MACHINE_FAULTED || target->state == MACHINE_AWAIT_REPLY);
	if (target->state != MACHINE_FAULTED) {
		deliver_commit(target, message);
		return;
	}
	for (unsigned i = 0; i < MESSAGE_CAPABILITIES; i++)
		reply_lost(&message->capability[i], STATUS_GONE);
	target->call_number++;
	console_examine();
	if (message->label == KEEPER_HOLD)
		return;
	if (!answer_lets_go(target, message)) {
		reply_lost(&target->reply, STATUS_GONE);
		target->reply = none;
		return;
	}
	answer_registers(target, message);
	target->fault = FAULT_NONE;
	target->state = MACHINE_READY;
	machine_bit_set(&kernel.space, object, target->priority, true);
	kernel_make_ready(object, target);
}

enum status reply_abandon(const struct disk_capability *reply, enum status answer)
{
	enum status status = reply_lost_prepare(reply);

	ASSERT(answer != STATUS_OK);
	/* COMMIT POINT */
	if (status == STATUS_OK)
		reply_lost(reply, answer);
	return status;
}
