/* SPDX-License-Identifier: MIT */
/*
 * guard.h - what keeps the shell alive when it faults.
 *
 * Objects are memory, so a damaged page, a full disk or an object destroyed by
 * somebody else shows as a fault of whoever touches it.  The shell has a second
 * machine, `guard`, as its keeper.  When the shell faults, the guard sends it to
 * guard_recover, which goes back to where guard_run was called or, outside of a command,
 * to guard_for_ever.  Without a guard (no room for it, /bin/guard removed) everything
 * works but that.
 */
#ifndef USER_SHELL_GUARD_H
#define USER_SHELL_GUARD_H

#include <stdbool.h>
#include <stdint.h>

struct guard_fault {
	uint64_t fault; /* enum machine_fault */
	uint64_t address;
	uint64_t code; /* FAULT_STORAGE: enum status */
};

/* Calls the function for ever; with the fault, the first time after one. */
void guard_for_ever(void (*function)(const struct guard_fault *fault)) __attribute__((noreturn));
/* A key was read: the shell works. */
void guard_key(void);

/* Runs function(argument).  False: it faulted; the slots that it had taken and the
 * segments in them that it had attached are given back. */
bool guard_run(void (*function)(void *argument), void *argument, struct guard_fault *fault);

#endif
