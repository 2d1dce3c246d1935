/* SPDX-License-Identifier: MIT */
/*
 * console_priv.h - shared by the parts of the kernel's console: console.c (whose the
 * terminal is, input and output), console_command.c and console_store.c (the commands),
 * terminal.c (whose it is in an older state), restart.c (the shell anew).
 */
#ifndef KERNEL_CONSOLE_PRIV_H
#define KERNEL_CONSOLE_PRIV_H

#include "kernel/console.h"
#include "kernel/console_line.h"
#include "store/keeping.h"

/* What a step of a command has come to. */
enum console_progress {
	CONSOLE_FINISHED,
	CONSOLE_MORE,  /* go on at once */
	CONSOLE_WAITS, /* something must happen first */
};

/* The command being run, and how far it is.  Zeros when it begins, but for its words. */
struct console_run {
	enum console_progress (*step)(struct console_run *run);
	char *word[CONSOLE_WORDS];
	uint32_t words;
	uint32_t stage;
	uint64_t at, left;
	bool found;
	struct failing failing;
	uint64_t retry_ns; /* not before this: the disk fails */
	struct keeping_search search;
	/* The commit that it has asked for: */
	bool asked, answered;
	enum status outcome;
	uint64_t began_ns;
	bool patient; /* has said that it waits */
};

/* ---- console.c ---- */

/* Text for the terminal; a step of a command may print CONSOLE_STEP_OUTPUT bytes. */
#define CONSOLE_STEP_OUTPUT 3072u
void console_text(const char *text, uint32_t length);
void console_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The terminal goes back to the machines. */
void console_give_back(void);
/* Can the terminal's machine serve it?  OK: *why is null, or says why not, completing
 * "the shell ...".  WAIT. */
enum status console_look(const char **why);
/* The line is not a command but the answer to a question, until it is empty or a number. */
void console_question(enum console_progress (*answer)(struct console_run *run));
/* Asks for the commit and waits for it; FINISHED: run->outcome is what became of it. */
enum console_progress console_commit(struct console_run *run,
				     const struct store_commit_request *commit,
				     enum checkpoint_end end);
/* "3m 04s" */
const char *console_duration(uint64_t ns, char text[24]);

extern const char *const console_state_names[MACHINE_STATES];

/* ---- console_command.c ---- */

/* The command of that name; null where there is none or other words are wanted, which was
 * said. */
enum console_progress (*console_command_find(const struct console_run *run))(struct console_run *);
enum console_progress console_continue(struct console_run *run);

/* ---- console_store.c ---- */

enum console_progress console_snapshots(struct console_run *run);
enum console_progress console_choose(struct console_run *run);
enum console_progress console_restore(struct console_run *run);
enum console_progress console_delete(struct console_run *run);
enum console_progress console_reboot(struct console_run *run);
enum console_progress console_poweroff(struct console_run *run);

/* ---- terminal.c ---- */

/* Looks at the next machine behind this one.  OK: there may be more; NOT_FOUND: it is
 * known who serves the terminal, or nobody does; WAIT; why it cannot be found out. */
enum status terminal_search(object_t *machine);

/* ---- restart.c ---- */

enum console_progress console_restart(struct console_run *run);

#endif
