/* SPDX-License-Identifier: MIT */
/*
 * command.h - subcommands, their options, and how mkstore speaks.
 *
 * A subcommand is a row of the table in main.c: its name, what --help prints,
 * the options it takes, and the function that runs it.  The function gets an
 * invocation whose options and operands are known to be of the declared form.
 *
 * Results go to the standard output, everything else to the standard error,
 * one line each, beginning with "mkstore: ".
 */
#ifndef TOOLS_MKSTORE_COMMAND_H
#define TOOLS_MKSTORE_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

/* What the process ends with; documented in docs/mkstore.md. */
enum command_exit {
	COMMAND_OK = 0,
	COMMAND_FAILED = 1,   /* the operation failed, or verify found a problem */
	COMMAND_USAGE = 2,    /* the command line is not understood */
	COMMAND_NO_STORE = 3, /* no store there, or one that cannot be opened */
	COMMAND_IN_USE = 4,   /* another process has the store open */
};

#define COMMAND_OPTIONS_MAX  16u
#define COMMAND_OPERANDS_MAX 5u

struct host;
struct show;

struct command_option {
	const char *name;  /* without the dashes, one if it is a letter; null ends a list */
	const char *value; /* name of its value in the help, null: a flag */
	const char *help;  /* one line */
};

struct command_invocation {
	const struct command *command;
	const char *value[COMMAND_OPTIONS_MAX]; /* by index in command->options */
	const char *operand[COMMAND_OPERANDS_MAX];
	unsigned operands;
	bool json, verbose, help;
	/* While it runs: closed and ended behind it. */
	struct host *host; /* open as the command says */
	struct show *show; /* takes the result */
};

/* What is opened before a subcommand runs. */
enum command_opens {
	COMMAND_OPENS_ITSELF, /* nothing: it opens invocation->host, if it needs that */
	COMMAND_READS,	      /* host_open_read */
	COMMAND_WRITES,	      /* HOST_WRITE, with --discard HOST_DISCARD */
};

struct command {
	const char *name;
	const char *usage;   /* the operands, as in "IMAGE PATH [FILE]"; "X...": one or more */
	const char *summary; /* one line */
	const char *details; /* paragraphs for --help; ends with a newline */
	const struct command_option *options;
	enum command_opens opens;
	bool option_instead; /* of the last operand */
	/* False: the words do not go together; the reason was printed.  May be null. */
	bool (*check)(const struct command_invocation *invocation);
	enum command_exit (*run)(const struct command_invocation *invocation);
};

/* Splits what follows the subcommand's name.  False: the reason was printed. */
bool command_parse(const struct command *command, int count, char **words,
		   struct command_invocation *invocation);

/* The option's value, "" for a flag that is set, null when it is not given.
 * The command must have declared it. */
const char *command_value(const struct command_invocation *invocation, const char *option);

/* How many operands it takes, as its usage says. */
void command_operands(const struct command *command, unsigned *least, unsigned *most);

/* Has the command declared it? */
bool command_takes(const struct command *command, const char *option);

void command_help_print(const struct command *command);
/* The same as one JSON value. */
struct json;
void command_help_json(struct json *json, const struct command *command);

/* One line on the standard error.  Returns `exit`. */
enum command_exit command_say(enum command_exit exit, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
#define command_error(...)  command_say(COMMAND_FAILED, __VA_ARGS__)
#define command_misuse(...) command_say(COMMAND_USAGE, __VA_ARGS__)
#define command_refuse(...) (command_say(COMMAND_USAGE, __VA_ARGS__), false)
#define command_note(...)   ((void)command_say(COMMAND_OK, __VA_ARGS__))

/* True when all of the standard output could be written; otherwise says so. */
bool command_flush(void);

/* ---- the subcommands -------------------------------------------------------- */

/* As `mkstore --help` lists them.  Each is in the file of its name, or of its kind. */
/* clang-format off */
#define COMMAND_LIST(X)                                                                            \
	X(create) X(info) X(ls) X(tree) X(cat) X(get) X(put) X(mkdir) X(mv) X(rm) X(reattach)      \
	X(ps) X(banks) X(log) X(snapshot) X(snapshots) X(restore) X(rename) X(retention) X(grow)   \
	X(convert) X(identity) X(delete) X(diff) X(send) X(receive) X(verify) X(scrub) X(discard)  \
	X(salvage) X(map) X(stats) X(dump)
/* clang-format on */
#define COMMAND_DECLARE(name) extern const struct command command_##name;
COMMAND_LIST(COMMAND_DECLARE)
#undef COMMAND_DECLARE

#endif
