/* SPDX-License-Identifier: MIT */
/*
 * main.c - the host tool: makes stores, looks into them, changes and checks them.
 *
 * It works with the same store/ and objects/ code as the kernel, over a file
 * instead of a virtio disk.  Each subcommand is a row of the table below.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "disk/format.h"
#include "tools/mkstore/command.h"
#include "tools/mkstore/host.h"
#include "tools/mkstore/json.h"

#ifndef PERDURE_VERSION
#define PERDURE_VERSION "0.1"
#endif

#define MAIN_COMMAND(name) &command_##name,
static const struct command *const main_commands[] = {COMMAND_LIST(MAIN_COMMAND)};
#define MAIN_COMMANDS (sizeof(main_commands) / sizeof(main_commands[0]))

static void main_help(FILE *out)
{
	fputs("usage: mkstore COMMAND [OPTION]... IMAGE ...\n\n"
	      "Makes, shows, changes and checks Perdure stores.  IMAGE is a store in a file of\n"
	      "its own or a GPT disk image (or block device) with a store partition.\n\n"
	      "commands:\n",
	      out);
	for (size_t i = 0; i < MAIN_COMMANDS; i++)
		fprintf(out, "  %-10s %-24s %s\n", main_commands[i]->name, main_commands[i]->usage,
			main_commands[i]->summary);
	fputs("\n'mkstore COMMAND --help' explains one of them; --json gives every result as "
	      "JSON.\n"
	      "exit codes: 0 done, 1 failed or problem found, 2 wrong usage, 3 no usable store,\n"
	      "4 store in use\n",
	      out);
}

static const struct command *main_find(const char *name)
{
	for (size_t i = 0; i < MAIN_COMMANDS; i++)
		if (strcmp(main_commands[i]->name, name) == 0)
			return main_commands[i];
	return NULL;
}

/* One of them, or null: all. */
static void main_help_json(const struct command *command)
{
	struct json json;

	json_begin(&json, stdout);
	if (command) {
		command_help_json(&json, command);
	} else {
		json_array(&json, NULL);
		for (size_t i = 0; i < MAIN_COMMANDS; i++)
			command_help_json(&json, main_commands[i]);
		json_array_end(&json);
	}
	json_end(&json);
}

static enum command_exit main_run(const struct command *command, int count, char **words)
{
	struct command_invocation invocation;

	if (!command_parse(command, count, words, &invocation))
		return COMMAND_USAGE;
	if (!invocation.help)
		return host_run(&invocation);
	if (invocation.json)
		main_help_json(command);
	else
		command_help_print(command);
	return COMMAND_OK;
}

/* `mkstore help` and `mkstore help COMMAND`, both with --json. */
static enum command_exit main_explain(int count, char **words)
{
	const struct command *command;
	const char *name = NULL;
	bool as_json = false;

	for (int i = 0; i < count; i++) {
		if (strcmp(words[i], "--json") == 0)
			as_json = true;
		else if (!name)
			name = words[i];
	}
	command = name ? main_find(name) : NULL;
	if (name && !command)
		return command_misuse("there is no command '%s'; 'mkstore --help' lists them",
				      name);
	if (as_json)
		main_help_json(command);
	else if (command)
		command_help_print(command);
	else
		main_help(stdout);
	return COMMAND_OK;
}

/*
 * A file that is opened while a standard descriptor is closed would get its number, and
 * what is said would be written into it.  What takes the place of a closed descriptor is
 * open the wrong way round, so that using it fails, as it does for a closed one.
 */
static bool main_descriptors(void)
{
	for (int wanted = STDIN_FILENO; wanted <= STDERR_FILENO; wanted++)
		if (fcntl(wanted, F_GETFD) < 0 &&
		    open("/dev/null", wanted == STDIN_FILENO ? O_WRONLY : O_RDONLY) != wanted)
			return false;
	return true;
}

int main(int count, char **words)
{
	const struct command *command;
	enum command_exit result;

	/* A closed pipe is an error of the write, not the end in the middle of a commit. */
	signal(SIGPIPE, SIG_IGN);
	/* So is a file that may not become larger. */
	signal(SIGXFSZ, SIG_IGN);
	if (!main_descriptors())
		return COMMAND_FAILED;
	if (count < 2) {
		main_help(stderr);
		return COMMAND_USAGE;
	}
	command = main_find(words[1]);
	if (command) {
		result = main_run(command, count - 2, words + 2);
	} else if (strcmp(words[1], "--help") == 0 || strcmp(words[1], "-h") == 0 ||
		   strcmp(words[1], "help") == 0) {
		result = main_explain(count - 2, words + 2);
	} else if (strcmp(words[1], "--version") == 0) {
		printf("mkstore %s (store format %u)\n", PERDURE_VERSION, DISK_FORMAT_VERSION);
		result = COMMAND_OK;
	} else {
		result = command_misuse("there is no command '%s'; 'mkstore --help' lists them",
					words[1]);
	}
	if (!command_flush() && result == COMMAND_OK)
		result = COMMAND_FAILED;
	return result;
}
