/* SPDX-License-Identifier: MIT */
/*
 * guard.c - the shell and its keeper.  Interface in guard.h.
 *
 *   shell                           kernel               guard
 *   touches a bad page  --fault-->  EVENT_FAULT  ------> registers: rip, rsp
 *   guard_recover       <-----------------------------  answers OK
 *   back in guard_run or guard_for_ever
 *
 * The guard is started with what the shell's registers are to be set to.
 *
 * Somewhere to go back to there always is.  What cannot be recovered from (the recovery
 * itself faults, or the shell faults again and again without reading a key) ends with
 * the shell giving up its keeper: then the kernel lets it wait for space, or leaves it
 * where it is and takes the terminal over.
 */
#include "user/shell/guard.h"

#include <string.h>
#include "user/lib/directory.h"
#include "user/lib/machine.h"
#include "user/lib/segment.h"
#include "user/lib/service.h"
#include "user/lib/slot.h"
#include "user/lib/spawn.h"
#include "user/lib/table.h"
#include "user/shell/shell.h"
#include "base/text.h"

#define GUARD_PROGRAM  "/bin/guard"
#define GUARD_PRIORITY 8u /* the shell's own: nobody starts what is above itself */
#define GUARD_STACK    4096u
#define GUARD_PATIENCE 8u   /* faults without a key between them */
#define GUARD_MEMORY   128u /* blocks, at most */
/* The kernel may be about to set some aside. */
#define GUARD_ROOM (GUARD_MEMORY + ESSENTIAL_BLOCKS_MAX)

static struct machine guard; /* slot 0: none yet */

/* The fault's handler must not depend on the stack that may be the reason. */
static uint8_t recovery_stack[GUARD_STACK] __attribute__((aligned(64)));
typedef void *guard_point[5]; /* of __builtin_setjmp */
static guard_point base_point, command_point;
static bool in_command;
static struct guard_fault recovery_fault;
static uint32_t faults; /* since a key was read */

/* Here the shell goes on after a fault, on the recovery stack. */
static void __attribute__((noreturn)) guard_recover(uint64_t fault, uint64_t address, uint64_t code)
{
	recovery_fault = (struct guard_fault){fault, address, code};
	if (++faults > GUARD_PATIENCE)
		machine_set_keeper(OWN_MACHINE, NO_PORT);
	if (in_command) {
		in_command = false;
		__builtin_longjmp(command_point, 1);
	}
	__builtin_longjmp(base_point, 1);
}

void guard_key(void)
{
	if (faults)
		faults = 0;
}

/* Where there is no room for a guard, the shell, which has no keeper yet, would wait for
 * its pages for ever.  It asks again before each command. */
static bool guard_has_room(void)
{
	struct store_statistics store;

	return store_statistics(&store) != STATUS_OK || store.room_blocks >= GUARD_ROOM;
}

static enum status guard_make(struct spawned *spawned)
{
	static char rip[24], rsp[24], bytes[24];
	char *arguments[] = {rip, rsp, bytes, NULL};
	struct spawn_request request = {
		.name = GUARD_NAME,
		.priority = GUARD_PRIORITY,
		.arguments = 3,
		.argument = arguments,
		.inherit = 1u << SLOT_LOG,
		.grant = {{SLOT_SELF, GUARD_HELD}},
		.grants = 1,
	};
	enum status status = path_segment(GUARD_PROGRAM, &request.program);

	if (status != STATUS_OK)
		return status;
	/* Its page must exist when the store is full. */
	memset(recovery_stack, 0, sizeof(recovery_stack));
	/* As after a call: 8 bytes below a multiple of 16. */
	text_format(rsp, sizeof(rsp), "%lu", (uintptr_t)(recovery_stack + GUARD_STACK - 8));
	text_format(rip, sizeof(rip), "%lu", (uintptr_t)guard_recover);
	text_format(bytes, sizeof(bytes), "%u", GUARD_STACK);
	status = spawn_machine(&request, spawned);
	slot_give(request.program.slot);
	return status;
}

/* Once: a fault would leave the terminal to the kernel's console. */
static void guard_missing(enum status status)
{
	static bool said;

	if (!said)
		shell_complain("shell", "runs without its guard: " GUARD_PROGRAM ": %s",
			       status_text(status));
	said = true;
}

/* Makes the guard's port the shell's keeper. */
static enum status guard_appoint(struct machine machine)
{
	struct port port = {slot_take()};
	enum status status = port.slot ? machine_take(machine, SLOT_PORT, port.slot) : STATUS_LIMIT;

	if (status == STATUS_OK)
		status = machine_set_keeper(OWN_MACHINE, port);
	slot_give(port.slot);
	return status;
}

/* The guard that there is becomes the keeper, which it may have given up. */
static enum status guard_again(void)
{
	struct abi_machine_info info;
	enum status status = guard.slot ? machine_info(guard, &info) : STATUS_DEAD;

	if (status == STATUS_OK)
		status = info.state == MACHINE_FAULTED ? STATUS_DEAD : guard_appoint(guard);
	if (status != STATUS_OK && status != STATUS_IO && guard.slot) {
		status = machine_destroy(guard);
		if (status == STATUS_IO)
			return status;
		slot_give(guard.slot);
		guard.slot = 0;
		status = STATUS_DEAD;
	}
	return status;
}

/* What the disk does not read now is not lost, and not made a second time: it is looked for
 * again before the next command. */
static void guard_start(void)
{
	struct spawned spawned;
	enum status status = guard_again();

	if (status == STATUS_OK || status == STATUS_IO)
		return;
	if (!guard_has_room())
		return;
	status = guard_make(&spawned);
	if (status != STATUS_OK) {
		guard_missing(status);
		return;
	}
	guard = spawned.machine;
	status = guard_appoint(guard);
	if (status == STATUS_OK || status == STATUS_IO)
		return;
	machine_destroy(guard);
	slot_give(guard.slot);
	guard.slot = 0;
}

/* Gives back the slots taken since `before` was noted, with what is attached. */
static void guard_clean_up(const struct slot_set *before)
{
	for (uint32_t slot = SLOT_FIRST_FREE; slot < SLOTS_DEFAULT; slot++) {
		struct segment_info info;
		struct table_info held;

		if (slot_set_has(before, slot) || !slot_is_taken(slot))
			continue;
		/* A port is not asked anything: its machine might never answer. */
		if (slot_is_new(slot))
			table_destroy(OWN_TABLE, slot);
		else if (table_info(OWN_TABLE, slot, &held) == STATUS_OK &&
			 held.type == OBJECT_SEGMENT &&
			 segment_info(SEGMENT(slot), &info) == STATUS_OK)
			machine_detach(OWN_MACHINE, info.address);
		slot_give(slot);
	}
}

bool guard_run(void (*function)(void *argument), void *argument, struct guard_fault *fault)
{
	/* Static: it must keep its value when __builtin_longjmp comes back here. */
	static struct slot_set before;

	guard_start();
	slot_set_note(&before);
	if (__builtin_setjmp(command_point) == 0) {
		in_command = true;
		function(argument);
		in_command = false;
		return true;
	}
	guard_clean_up(&before);
	*fault = recovery_fault;
	return false;
}

void guard_for_ever(void (*function)(const struct guard_fault *fault))
{
	if (__builtin_setjmp(base_point) == 0)
		guard_start();
	else
		function(&recovery_fault);
	for (;;)
		function(NULL);
}
