/* SPDX-License-Identifier: MIT */
/*
 * command.c - running one command line: words, table, redirection, complaints.
 * Interface in shell.h.
 */
#include "user/shell/shell.h"

#include <stdarg.h>
#include <string.h>
#include "user/lib/directory.h"
#include "user/lib/file.h"
#include "user/lib/heap.h"
#include "user/lib/slot.h"
#include "base/text.h"
#include "user/shell/guard.h"
#include "user/shell/line.h"
#include "user/shell/suggest.h"
#include "user/shell/terminal.h"
#include "user/shell/words.h"

bool shell_complain(const char *command, const char *format, ...)
{
	char text[LINE_BYTES + 600];
	va_list list;
	size_t length = text_format(text, sizeof(text), "%s: ", command);

	va_start(list, format);
	length += text_vformat(text + length, sizeof(text) - length - 1, format, list);
	va_end(list);
	text[length++] = '\n';
	terminal_show(text, length); /* past the capture: it belongs on the terminal */
	return false;
}

bool shell_error(const char *command, const char *what, enum status status)
{
	return shell_complain(
		command, "%s: %s%s", what, status_text(status),
		status == STATUS_ALLOWANCE
			? "; `rm` or `kill` something, `store` shows how much there is"
			: "");
}

bool shell_usage(const char *command)
{
	const struct shell_command *found = shell_command_find(command);
	char text[200];
	size_t length;

	length = text_format(text, sizeof(text), "usage: %s %s\n", found->name, found->arguments);
	terminal_show(text, length);
	return false;
}

/* What people type who know other shells. */
static const char *shell_elsewhere(const char *name)
{
	static const struct {
		const char *name, *here;
	} words[] = {
		{"cd", "there is no current directory; paths begin at the root"},
		{"pwd", "there is no current directory; paths begin at the root"},
		{"exit", "the shell does not end; `poweroff` turns the machine off"},
		{"quit", "the shell does not end; `poweroff` turns the machine off"},
		{"logout", "the shell does not end; `poweroff` turns the machine off"},
		{"man", "`help COMMAND` tells about one"},
		{"touch", "`echo TEXT > OBJECT` makes an object"},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (text_equal(name, words[i].name))
			return words[i].here;
	return NULL;
}

static void shell_unknown(const char *name)
{
	const struct shell_command *nearest = NULL;
	const char *here = shell_elsewhere(name);
	uint32_t best = SUGGEST_LENGTH;

	if (here) {
		shell_complain(name, "no such command: %s", here);
		return;
	}
	for (uint32_t i = 0; i < shell_command_count; i++) {
		uint32_t rank = suggest_rank(name, shell_commands[i].name);

		if (rank < best) {
			best = rank;
			nearest = &shell_commands[i];
		}
	}
	if (nearest)
		shell_complain(name, "no such command. Did you mean `%s`?", nearest->name);
	else
		shell_complain(name, "no such command. `help` lists them; programs are started "
				     "with `run`.");
}

/* Opens the object for writing, or makes a new one that is not linked yet. */
static enum status shell_open_target(struct file *file, const char *path, bool *created)
{
	enum status status = file_open(file, path, RIGHT_READ | RIGHT_WRITE);

	*created = status == STATUS_NOT_FOUND;
	return *created ? file_create(file, FILE_SIZE_MAX, false) : status;
}

/* Links a new object under its path, or lets go of an old one. */
static enum status shell_close_target(struct file *file, const char *path, bool created,
				      enum status status)
{
	char name[DIRECTORY_NAME];
	struct directory directory;

	if (status == STATUS_OK && created) {
		status = path_parent(path, &directory, name);
		if (status == STATUS_OK) {
			status = directory_link(directory, name, file->segment.slot, false);
			slot_give(directory.slot);
		}
	}
	if (status != STATUS_OK && created)
		file_discard(file);
	else
		file_close(file);
	return status;
}

/* Puts what a command printed into an object: plain memory. */
static enum status shell_store_output(const char *path, const char *bytes, size_t length,
				      bool append)
{
	struct file file;
	bool created;
	enum status status = shell_open_target(&file, path, &created);
	uint64_t old;

	if (status != STATUS_OK)
		return status;
	old = file.size;
	if (append && old > 0) {
		status = file_resize(&file, old + length);
		if (status == STATUS_OK)
			memcpy((char *)file_data(&file) + old, bytes, length);
	} else {
		status = file_set(&file, bytes, length);
	}
	return shell_close_target(&file, path, created, status);
}

/* Looked at first: what the command does besides is not done for nothing. */
static bool shell_target_fits(const struct words *words)
{
	enum object_type type;
	enum status status;
	uint32_t slot;
	bool fits;

	status = path_lookup(words->target, &slot, &type);
	if (status == STATUS_IO)
		return shell_path_error(words->word[0], words->target, status);
	if (status != STATUS_OK)
		return true;
	fits = type != OBJECT_SEGMENT || shell_may_replace(words->word[0], words->target, slot);
	slot_give(slot);
	return fits;
}

static void shell_run_redirected(const struct shell_command *command, struct words *words)
{
	char *bytes;
	size_t length;
	bool complete, done;
	enum status status;

	if (!shell_target_fits(words))
		return;
	terminal_capture();
	done = command->run(words->count, words->word);
	complete = terminal_capture_end(&bytes, &length);
	if (!complete)
		shell_complain(words->target,
			       "no memory for so much output (is the store or the bank full?); "
			       "nothing is changed");
	if (complete && done) {
		status = shell_store_output(words->target, bytes, length, words->append);
		if (status != STATUS_OK)
			shell_path_error(words->word[0], words->target, status);
	}
	heap_release(bytes);
}

/* A command to run, for guard_run. */
struct shell_job {
	const struct shell_command *command;
	struct words *words;
};

static void shell_run_job(void *argument)
{
	const struct shell_job *job = argument;

	if (job->words->target)
		shell_run_redirected(job->command, job->words);
	else
		job->command->run(job->words->count, job->words->word);
}

void shell_given_up(const char *command, const struct guard_fault *fault)
{
	char *bytes;
	size_t length;

	if (terminal_captures())
		terminal_capture_end(&bytes, &length);
	/* It may have been within the heap; nothing else of it is in use. */
	heap_forget();
	if (fault->fault != FAULT_STORAGE)
		shell_complain(command, "given up: %s, address 0x%lx", print_fault(fault->fault),
			       fault->address);
	else if (fault->code == STATUS_NO_SPACE)
		shell_complain(command, "given up: the store is full; `delete` a snapshot, or `rm` "
					"something");
	else
		shell_complain(command,
			       "given up: the page at address 0x%lx cannot be had: %s; "
			       "`log -k` names it",
			       fault->address, status_text((enum status)fault->code));
}

static void shell_run(const struct shell_command *command, struct words *words)
{
	struct shell_job job = {command, words};
	struct guard_fault fault;

	if (!guard_run(shell_run_job, &job, &fault))
		shell_given_up(command->name, &fault);
}

static bool shell_is_forced;

bool shell_forced(void)
{
	return shell_is_forced;
}

/* The command of that name, if that many arguments suit it; otherwise says why not. */
static const struct shell_command *shell_suits(const char *name, int arguments)
{
	const struct shell_command *command = shell_command_find(name);

	if (!command)
		shell_unknown(name);
	else if (arguments < command->least || (command->most >= 0 && arguments > command->most))
		shell_usage(command->name);
	else
		return command;
	return NULL;
}

bool command_force(int argc, char **argv)
{
	const struct shell_command *command = shell_suits(argv[1], argc - 2);

	if (!command || command->run == command_force)
		return false;
	return command->run(argc - 1, argv + 1);
}

void shell_execute(const char *line)
{
	static struct words words;
	const struct shell_command *command;

	if (!words_split(line, &words)) {
		shell_complain("shell", "%s", words.error);
		return;
	}
	if (words.count == 0) {
		if (words.target)
			shell_complain("shell", "before > comes a command, as in `echo TEXT > %s`",
				       words.target);
		return;
	}
	shell_is_forced = text_equal(words.word[0], "force");
	command = shell_suits(words.word[0], words.count - 1);
	if (command)
		shell_run(command, &words);
}
