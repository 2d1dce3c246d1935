/* SPDX-License-Identifier: MIT */
/*
 * command.c - splits a subcommand's words and prints its help.
 *
 * Options may stand anywhere, `--name value` and `--name=value` are the same,
 * and `--` ends them.  --json, --verbose and --help belong to every subcommand.
 */
#include "tools/mkstore/command.h"
#include "base/assert.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tools/mkstore/json.h"

/* Finds `--name` or `--name=value`, with one dash if the name is one letter;
 * *value is what follows '=', or null. */
static int command_option_index(const struct command *command, const char *word, const char **value)
{
	bool letter = word[1] != '-';

	word += letter ? 1 : 2;
	for (int i = 0; command->options && command->options[i].name; i++) {
		size_t length = strlen(command->options[i].name);
		if ((length == 1) != letter)
			continue;
		if (strncmp(word, command->options[i].name, length) != 0)
			continue;
		if (word[length] == '=')
			*value = word + length + 1;
		else if (word[length] == 0)
			*value = NULL;
		else
			continue;
		return i;
	}
	return -1;
}

static bool command_parse_common(const char *word, struct command_invocation *invocation)
{
	if (strcmp(word, "--json") == 0)
		invocation->json = true;
	else if (strcmp(word, "--verbose") == 0 || strcmp(word, "-v") == 0)
		invocation->verbose = true;
	else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
		invocation->help = true;
	else
		return false;
	return true;
}

/* An option of every subcommand's with a value that it does not take? */
static bool command_common_valued(const char *word)
{
	static const char *const names[] = {"--json=", "--verbose=", "--help="};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(word, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* One option of the subcommand's own; *used: further words it took. */
static bool command_parse_option(const struct command *command, int count, char **words,
				 struct command_invocation *invocation, int *used)
{
	const char *value;
	int index = command_option_index(command, words[0], &value);

	*used = 0;
	if (index < 0 && !command_common_valued(words[0]))
		return command_refuse("%s has no option '%s'; try 'mkstore %s --help'",
				      command->name, words[0], command->name);
	if (index < 0 || (value && !command->options[index].value))
		return command_refuse("%s takes no value", words[0]);
	if (!command->options[index].value) {
		value = "";
	} else if (!value) {
		if (count < 2)
			return command_refuse("%s needs a value: %s %s", words[0], words[0],
					      command->options[index].value);
		value = words[1];
		*used = 1;
	}
	ASSERT(index < (int)COMMAND_OPTIONS_MAX);
	invocation->value[index] = value;
	return true;
}

void command_operands(const struct command *command, unsigned *least, unsigned *most)
{
	*least = *most = 0;
	for (const char *word = command->usage; *word; word += *word == ' ') {
		++*most;
		*least += *word != '[';
		word += strcspn(word, " ");
		ASSERT(word > command->usage);
		if (word[-1] == '.')
			*most = COMMAND_OPERANDS_MAX;
	}
	ASSERT(*least >= command->option_instead);
	*least -= command->option_instead;
}

static bool command_operands_fit(const struct command_invocation *invocation)
{
	const struct command *command = invocation->command;
	unsigned least, most;

	command_operands(command, &least, &most);
	if (invocation->operands >= least && invocation->operands <= most)
		return true;
	return command_refuse("%s operands; usage: mkstore %s %s",
			      invocation->operands < least ? "too few" : "too many", command->name,
			      command->usage);
}

bool command_parse(const struct command *command, int count, char **words,
		   struct command_invocation *invocation)
{
	bool options = true;

	ASSERT(command->usage && count >= 0);
	*invocation = (struct command_invocation){.command = command};
	for (int i = 0; i < count; i++) {
		/* A lone "-" is an operand: the standard input or output; "-10m" is an
		 * age. */
		if (options && words[i][0] == '-' && words[i][1] &&
		    !(words[i][1] >= '0' && words[i][1] <= '9')) {
			int used = 0;
			if (strcmp(words[i], "--") == 0)
				options = false;
			else if (!command_parse_common(words[i], invocation) &&
				 !command_parse_option(command, count - i, words + i, invocation,
						       &used))
				return false;
			i += used;
			continue;
		}
		if (invocation->operands == COMMAND_OPERANDS_MAX)
			return command_refuse("too many operands; usage: mkstore %s %s",
					      command->name, command->usage);
		invocation->operand[invocation->operands++] = words[i];
	}
	return invocation->help || command_operands_fit(invocation);
}

/* Its place among those that the command has declared, -1. */
static int command_option_named(const struct command *command, const char *name)
{
	for (int i = 0; command->options && command->options[i].name; i++)
		if (strcmp(command->options[i].name, name) == 0)
			return i;
	return -1;
}

const char *command_value(const struct command_invocation *invocation, const char *option)
{
	int index = command_option_named(invocation->command, option);

	return index < 0 ? NULL : invocation->value[index];
}

bool command_takes(const struct command *command, const char *option)
{
	return command_option_named(command, option) >= 0;
}

static const struct command_option command_common[] = {
	{"json", NULL, "print the result as JSON"},
	{"verbose", NULL, "say what the store engine says, on the standard error"},
	{"help", NULL, "print this"},
	{0},
};

static void command_help_option(const char *name, const char *value, const char *help)
{
	char left[40];

	snprintf(left, sizeof(left), "%s%s%s%s", name[1] ? "--" : "-", name, value ? " " : "",
		 value ? value : "");
	printf("  %-22s %s\n", left, help);
}

void command_help_print(const struct command *command)
{
	printf("usage: mkstore %s [OPTION]... %s\n\n%s.\n\n%s\noptions:\n", command->name,
	       command->usage, command->summary, command->details);
	for (const struct command_option *o = command->options; o && o->name; o++)
		command_help_option(o->name, o->value, o->help);
	for (const struct command_option *o = command_common; o->name; o++)
		command_help_option(o->name, o->value, o->help);
}

static void command_options_json(struct json *json, const struct command_option *option)
{
	for (; option && option->name; option++) {
		json_object(json, NULL);
		json_text(json, "name", option->name);
		if (option->value)
			json_text(json, "value", option->value);
		else
			json_null(json, "value");
		json_text(json, "help", option->help);
		json_object_end(json);
	}
}

void command_help_json(struct json *json, const struct command *command)
{
	json_object(json, NULL);
	json_text(json, "name", command->name);
	json_text(json, "usage", command->usage);
	json_text(json, "summary", command->summary);
	json_text(json, "details", command->details);
	json_array(json, "options");
	command_options_json(json, command->options);
	command_options_json(json, command_common);
	json_array_end(json);
	json_object_end(json);
}

enum command_exit command_say(enum command_exit exit, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	/* A progress line may stand there. */
	fflush(stdout);
	fputs("mkstore: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	return exit;
}

bool command_flush(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return true;
	/* A reader who has seen enough, as in `| head`, needs no message. */
	if (errno != EPIPE)
		command_error("cannot write the output: %s", strerror(errno));
	return false;
}
