/* SPDX-License-Identifier: MIT */
/*
 * syscall.h - messages on their way, shared by syscall.c, deliver.c, bond.c, fault.c
 * and the services.
 */
#ifndef KERNEL_SYSCALL_H
#define KERNEL_SYSCALL_H

#include "kernel/kernel.h"

/* A message between its sender and its receiver: lives on the kernel stack
 * during one trap, or as a struct disk_message in a port's queue. */
struct transit {
	uint64_t badge, label;
	uint64_t word[MESSAGE_WORDS];
	uint32_t length;
	uint32_t sender;
	uint64_t flags;	  /* enum message_flag; of what a program sends: 0 */
	const void *data; /* `length` bytes, in a page of this operation */
	struct disk_capability capability[MESSAGE_CAPABILITIES];
	struct disk_capability reply;
};

/* The running machine's call, decoded. */
struct call {
	struct task *task;
	struct disk_machine *machine; /* writable */
	uint64_t *gpr;
	enum abi_entry entry;
	unsigned flags;
	uint32_t length;
	uint32_t slot;
	struct disk_object table; /* its capability table */
	uint32_t moved;		  /* bit i: passed capability i is a reply and moves */
};

/* Registers that carry word i. */
extern const uint8_t call_word_register[MESSAGE_WORDS];

static inline uint32_t call_slot(uint64_t packed, unsigned index)
{
	return packed >> (16 * index) & 0xffff;
}

/* Every system call of the running machine. */
void syscall_run(void) __attribute__((noreturn));

/* A kernel object's answer to the call; true: finished, false: WAIT. */
enum status service_run(struct call *call, const struct disk_capability *capability);

/* service_machine.c: of SET_REGISTERS and KEEPER_REGISTERS.  On a prepared page. */
bool machine_registers_good(const void *data, uint32_t length);
void machine_registers_put(struct disk_machine *machine, const void *data, uint32_t length);

/* Ends the call with this status in rax and goes on. */
void call_finish(struct call *call, enum status status) __attribute__((noreturn));
/* Ends the call's registers: status, answered words; the instruction is done. */
void call_registers_done(struct disk_machine *machine, enum status status, uint32_t length,
			 unsigned got);

/* A slot of the call's table, SLOT_REPLY included.  NO_CAPABILITY if empty. */
enum status call_capability(struct call *call, uint32_t slot, struct disk_capability *capability);

/* Reads label, words, data and passed capabilities into a message. */
enum status call_message(struct call *call, const struct disk_capability *target,
			 struct transit *message);
/* Clears the slots of reply capabilities that have moved. */
enum status call_moves_prepare(struct call *call);
void call_moves_commit(struct call *call);

/* ---- deliver.c ------------------------------------------------------------------- */

/* Prepares `to` (a prepared machine page) for this message. */
enum status deliver_prepare(struct disk_machine *to, const struct transit *message);
/* COMMIT: writes the message into its registers, message page and table, and
 * makes it READY.  Its reply slot, if the message carries a reply, is empty. */
void deliver_commit(struct disk_machine *to, const struct transit *message);

/* A message to a port goes to who waits there for one, or into the queue. */
struct sending {
	struct disk_object port;       /* filled in: it has been resolved */
	struct disk_machine *receiver; /* null: it is queued */
};
/* FULL: nobody waits, and there is no room; then COMMIT. */
enum status send_prepare(struct sending *sending, const struct disk_capability *port,
			 const struct transit *message);
void send_commit(const struct sending *sending, const struct transit *message);

/* The machine behind a reply capability: prepared, waiting for exactly this
 * call; DEAD if nobody waits any more. */
enum status reply_target(const struct disk_capability *reply, struct disk_machine **target);
/* Prepares the answer to `target`; then COMMIT. */
enum status reply_prepare(struct disk_machine *target, const struct transit *message);
void reply_commit(struct disk_machine *target, const struct transit *message);

/* A capability is about to be lost: if it is a reply, its caller is told why, mostly GONE,
 * and so are those who had called a machine that is given up so after a fault.  The slot
 * itself is the caller's business.  Prepare, then COMMIT; OK also if nobody waits. */
enum status reply_lost_prepare(const struct disk_capability *capability);
void reply_lost(const struct disk_capability *capability, enum status answer);
/* Both, as an operation. */
enum status reply_abandon(const struct disk_capability *reply, enum status answer);

/* The machine, whose page is prepared, does not wait any more.  Its registers are written
 * by whoever ends the wait. */
enum status wait_end_prepare(const struct disk_machine *machine);
void wait_end(struct disk_machine *machine);

/* `put`, null: nothing, is about to take the place of `held` in this slot of the table.  The
 * caller whose answer it is is told GONE, who waits for messages through it NO_CAPABILITY. */
enum status slot_lost_prepare(const struct disk_capability *table, uint32_t slot,
			      const struct disk_capability *held,
			      const struct disk_capability *put);
void slot_lost(const struct disk_capability *table, uint32_t slot,
	       const struct disk_capability *held, const struct disk_capability *put);

/* ---- fault.c --------------------------------------------------------------------- */

/* Tells the machine's keeper: a commit of its own.  OK, WAIT, NO_SPACE, IO, or why nobody
 * is told. */
enum status fault_tell(const struct disk_machine *machine, const struct transit *message);

/* ---- bond.c ---------------------------------------------------------------------- */

/* Makes the machine, whose page is prepared, the receiver of the port, which its slot holds:
 * one at a time may wait on it.  BUSY, LIMIT. */
enum status bond_make(struct disk_machine *machine, uint32_t slot, object_t port,
		      const struct disk_object *record);
/* Is the machine still the receiver of its port `index`?  OK: *slot is the one that it
 * receives through, *record the port's; DEAD, NO_CAPABILITY: no more. */
enum status bond_check(const struct disk_machine *machine, unsigned index, uint32_t *slot,
		       struct disk_object *record);

/* Is a machine waiting for a message of this port?  OK: *receiver is its
 * prepared page; EMPTY: nobody waits. */
enum status deliver_receiver(const struct disk_capability *port, const struct disk_object *record,
			     struct disk_machine **receiver);

/* Who receives from it, whatever it does now; EMPTY: nobody. */
enum status bond_receiver(object_t port, const struct disk_object *record,
			  struct disk_machine **receiver);
/* The port is dying, or a capability to it is gone: if its receiver waits for it, and nothing
 * is left that it waits for, it is told this.  An operation. */
enum status bond_abandon(object_t port, const struct disk_object *record, enum status answer);
/* If the machine waits for messages, and all through which it could get one is gone, it is told
 * DEAD. An operation. */
enum status bond_review(object_t machine);
/* Of slot_lost. */
enum status bond_lost_prepare(const struct disk_capability *table, uint32_t slot,
			      const struct disk_capability *held,
			      const struct disk_capability *put);
void bond_lost(const struct disk_capability *table, uint32_t slot,
	       const struct disk_capability *held, const struct disk_capability *put);

#endif
