/* SPDX-License-Identifier: MIT */
/*
 * console.h - the kernel's own small console, for when no machine serves the terminal.
 *
 *              the terminal's machine ended, is stopped, faulted for good or
 *              cannot be read; a person asks; a boot with `console` or `choose`
 *    MACHINES -----------------------------------------------------------------> KERNEL
 *       ^      `continue`, `restart`; unless a person asked for it: a machine      |
 *       |      reads from the terminal                                             |
 *       +--------------------------------------------------------------------------+
 *
 *   MACHINES  what is typed goes to the machine that reads
 *   KERNEL    it goes here; machines that read wait, and if a person has asked for the
 *             console, those that write wait as well
 *
 * A person asks with a BREAK on the serial line or by pressing Ctrl-\ three times in
 * a row.  The console needs neither a disk nor free memory; those of its commands that
 * look at the store wait for it and can be given up.
 */
#ifndef KERNEL_CONSOLE_H
#define KERNEL_CONSOLE_H

#include "kernel/kernel.h"

/* After every mount: the terminal belongs to the machines; with kernel.hold to the
 * console. */
void console_reset(void);
/* Input, a bounded part of a command, output.  True: more at once. */
bool console_step(void);

/* A machine has stopped running for whatever reason: it will be looked whether the
 * terminal is still served. */
void console_examine(void);
/* The same; the machine of this version was to run and cannot. */
void console_stuck(uint64_t version, enum status status);
/* The machine of this version waits because the store is full. */
void console_full(uint64_t version);
/* Somebody types; if no machine has read since the resume, the same. */
void console_typed(void);
/* A person asks for the console. */
void console_asked(void);

/* The machine is about to read: BUSY while the terminal is the kernel's; RESTARTED once
 * after it was, unless the machine was told so since then; WAIT. */
enum status console_claim(const struct disk_machine *machine);
/* The machine was told RESTARTED: what it shows comes after what is on the terminal. */
void console_told(const struct disk_machine *machine);
/* Must a machine that writes wait (on CHANNEL_CONSOLE_OUTPUT)? */
bool console_holds_output(void);

/* How long, since the resume, the console has had the terminal because nothing served it:
 * a person was waited for. */
uint64_t console_waited_ns(void);
/* Is a new shell being made right now? */
bool console_restarts(void);

/* What became of the commit that the console has asked for (checkpoint_ask). */
void console_answered(enum status outcome);

#endif
