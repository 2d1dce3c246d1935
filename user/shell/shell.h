/* SPDX-License-Identifier: MIT */
/*
 * shell.h - the parts of the shell: command table, the commands, shared helpers.
 *
 * A command gets its words (argv[0] is its name), prints with terminal_print and
 * says whether it did what was asked.  The number of words was checked against
 * the table before it is called.
 */
#ifndef USER_SHELL_SHELL_H
#define USER_SHELL_SHELL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "kernel/abi.h"

#define SHELL_PROMPT "perdure> "

#define SHELL_SUMMARY 27

struct shell_command {
	const char *name;
	const char *arguments; /* for the usage line */
	const char *summary;   /* at most SHELL_SUMMARY bytes: two stand beside each other */
	const char *details;   /* more for `help NAME`; may be null */
	int least, most;       /* arguments; most -1: any number */
	bool (*run)(int argc, char **argv);
};

/* ---- main.c ---- */

/* Text about the resume just noticed, with line ends for the terminal. */
size_t shell_resume_notice(char *text, size_t size);
/* The line typed before the one with number `index`; null beyond. */
const char *shell_history(uint32_t index);

/* ---- command.c ---- */

/* Runs one line.  Returns when it is done. */
void shell_execute(const char *line);
/* "NAME: what: status text" on the terminal, even while output is captured;
 * returns false. */
bool shell_error(const char *command, const char *what, enum status status);
/* Was `force` said before the command? */
bool shell_forced(void);
/* The same for any sentence. */
bool shell_complain(const char *command, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* What a command, or the shell itself, did ended in a fault: says so. */
struct guard_fault;
void shell_given_up(const char *command, const struct guard_fault *fault);
/* Prints the usage line; returns false. */
bool shell_usage(const char *command);

/* ---- store.c ---- */

/* How long a command waits for the disk before it says what keeps it from being done. */
#define SHELL_PATIENCE_NS (30 * NS_PER_SECOND)
/* Asks again and again for what a disk that fails or does not answer has kept from being
 * done, and says so, until ^C is typed. */
enum status store_insist(const char *command, enum status (*ask)(uint64_t *generation),
			 uint64_t *generation);

/* ---- table.c ---- */

extern const struct shell_command shell_commands[];
extern const uint32_t shell_command_count;
const struct shell_command *shell_command_find(const char *name);

/* ---- paths.c ---- */

/* As shell_error about a path; names the part of it that is at fault. */
bool shell_path_error(const char *command, const char *path, enum status status);
/* May what the slot names, at that path, be missing there?  What a new shell needs, only
 * with `force`; otherwise that is said, and what `force` does. */
bool shell_may_lose(const char *command, const char *path, uint32_t slot, const char *does);
/* May it be destroyed?  What programs may stand on, too, only with `force`. */
bool shell_may_end(const char *command, const char *path, uint32_t slot, const char *does);
/* May what the slot names, at that path, get other bytes or be destroyed for something
 * else?  A program, too, only with `force`. */
bool shell_may_replace(const char *command, const char *path, uint32_t slot);

/* ---- the commands, one file per group ---- */

/* command.c */
bool command_force(int argc, char **argv);

/* objects.c */
bool command_ls(int argc, char **argv);
bool command_mkdir(int argc, char **argv);
bool command_rmdir(int argc, char **argv);
bool command_rm(int argc, char **argv);
bool command_mv(int argc, char **argv);

struct directory_item;
const char *objects_type_name(enum object_type type);
void objects_print_item(const struct directory_item *item);

/* contents.c */
bool command_cat(int argc, char **argv);
bool command_hexdump(int argc, char **argv);
bool command_echo(int argc, char **argv);
bool command_cp(int argc, char **argv);

/* Begins it so that it is no text, and goes to the terminal?  Then that was said. */
bool contents_refuse(const char *path, const char *bytes, size_t length, const char *advice);
/* The directory, in a newly taken slot, and the name that a copy of `from` gets: `to` may
 * be a directory to copy into. */
struct directory;
enum status contents_find_target(const char *from, const char *to, struct directory *directory,
				 char *name);

/* past.c */
bool command_tree(int argc, char **argv);
/* Takes --snapshot SNAPSHOT away from the words and finds it; 0: there is none.  False:
 * the complaint was made. */
bool past_option(int *argc, char ***argv, uint64_t *snapshot);
bool past_ls(uint64_t snapshot, const char *path);
bool past_cat(uint64_t snapshot, const char *path);
bool past_cp(uint64_t snapshot, const char *from, const char *to);

/* banks.c */
bool command_banks(int argc, char **argv);

/* Machines, the first few by number and name. */
#define BANKS_NAMES 4u
struct banks_machines {
	uint32_t count;
	size_t length;
	char text[BANKS_NAMES * (MACHINE_NAME + 14u) + 24u];
};
/* The bank that pays for the object, in a newly taken slot; NOT_FOUND: that is the shell's own,
 * NO_RIGHT: the shell's own does not tell. */
struct bank;
enum status banks_of(uint32_t object, struct bank *bank);
/* The bank of that number, if it is below the shell's own, in a newly taken slot. */
enum status banks_find(uint32_t number, struct bank *bank);
/* The one that it was made from; its slot is given back in any case. */
enum status banks_above(struct bank bank, struct bank *above);
/* Destroys the bank: `others` are the machines that end with it, beside `but` (0: none). */
enum status banks_end(struct bank bank, uint32_t but, struct banks_machines *others);

/* machines.c */
bool command_ps(int argc, char **argv);
bool command_state(int argc, char **argv);
bool command_run(int argc, char **argv);
bool command_stop(int argc, char **argv);
bool command_continue(int argc, char **argv);
bool command_kill(int argc, char **argv);
bool command_weight(int argc, char **argv);

/* store.c */
bool command_checkpoint(int argc, char **argv);
bool command_snapshot(int argc, char **argv);
bool command_snapshots(int argc, char **argv);
bool command_restore(int argc, char **argv);
bool command_delete(int argc, char **argv);
bool command_store(int argc, char **argv);
bool command_interval(int argc, char **argv);
bool command_scrub(int argc, char **argv);

/* keep.c */
bool command_rename(int argc, char **argv);
bool command_retention(int argc, char **argv);
bool command_grow(int argc, char **argv);
/* The snapshot that is meant by a name, #NUMBER, @GENERATION or an age like -10m; false: none
 * is, or it cannot be told, and that was said. */
bool keep_snapshot_find(const char *command, const char *text, struct store_snapshot *found);
/* Says why there is no such snapshot. */
bool keep_unknown(const char *command, const char *text);
/* May a snapshot be called so?  Otherwise says why not. */
bool keep_name_fits(const char *command, const char *name);

/* system.c */
bool command_mem(int argc, char **argv);
bool command_uptime(int argc, char **argv);
bool command_date(int argc, char **argv);
bool command_about(int argc, char **argv);
bool command_log(int argc, char **argv);
bool command_reboot(int argc, char **argv);
bool command_poweroff(int argc, char **argv);
bool command_clear(int argc, char **argv);
bool command_history(int argc, char **argv);
bool command_help(int argc, char **argv);

/* ---- print.c: values in words ---- */

#define PRINT_SIZE 32u
/* "17", "12.3 KiB" ... */
const char *print_bytes(uint64_t bytes, char text[PRINT_SIZE]);
/* "0.123 s", "12.3 s", "3m 04s", "5h 06m", "7d 08h" */
const char *print_duration(uint64_t ns, char text[PRINT_SIZE]);
/* "2025-11-22 08:30:12" (UTC) */
const char *print_date(uint64_t wall_ns, char text[PRINT_SIZE]);
const char *print_resume(enum abi_resume reason);
const char *print_operation(uint64_t label); /* abi_system.longest_of */
/* enum machine_fault */
const char *print_fault(uint64_t fault);

#endif
