/* SPDX-License-Identifier: MIT */
/*
 * system.c - commands about the machine room: memory, time, log, power.
 * Interface in shell.h.
 */
#include "user/shell/shell.h"
#include "disk/structures.h"
#include "base/quantity.h"

#include <string.h>
#include "base/calendar.h"
#include "user/lib/service.h"
#include "base/text.h"
#include "user/shell/terminal.h"

#define LOG_LINES     20u /* that `log` shows */
#define LOG_BYTES     (LOG_PAGES * PAGE_SIZE)
#define LOG_FOLLOW_NS (200 * NS_PER_MILLISECOND) /* between two looks at the log */

static bool system_get(const char *command, struct abi_system *info)
{
	enum status status = system_info(info);

	return status == STATUS_OK ? true : shell_error(command, "the system", status);
}

static void system_print_frames(const char *name, uint64_t frames)
{
	char text[PRINT_SIZE];

	terminal_print("%-12s %10lu pages  %s\n", name, frames,
		       print_bytes(frames * PAGE_SIZE, text));
}

bool command_mem(int argc, char **argv)
{
	struct abi_system info;

	(void)argc;
	(void)argv;
	if (!system_get("mem", &info))
		return false;
	system_print_frames("memory", info.memory_bytes / PAGE_SIZE);
	system_print_frames("kernel", info.kernel_bytes / PAGE_SIZE);
	system_print_frames("page frames", info.frames);
	system_print_frames("  free", info.free_frames);
	system_print_frames("  clean", info.clean_frames);
	system_print_frames("  dirty", info.dirty_frames);
	system_print_frames("  tables", info.borrowed_frames);
	system_print_frames("staging", info.staging_bytes / PAGE_SIZE);
	return true;
}

/* All that there are, also those that the kernel has not met since the resume. */
static enum status system_machines(uint64_t *count)
{
	struct abi_machine_info info = {.object = 0};
	enum status status;

	for (*count = 0; (status = system_machine_next(info.object, &info, 0)) == STATUS_OK;)
		++*count;
	return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static void system_print_latency(const struct abi_system *info)
{
	terminal_print(
		"since the resume the kernel has kept a machine waiting for at most %lu.%03lu "
		"us: %s\n",
		info->longest_ns / 1000, info->longest_ns % 1000,
		print_operation(info->longest_of));
}

bool command_uptime(int argc, char **argv)
{
	struct abi_system info;
	char all[PRINT_SIZE], since[PRINT_SIZE];
	uint64_t machines;
	enum status status;

	if (argc > 1 && !text_equal(argv[1], "-l"))
		return shell_usage("uptime");
	if (!system_get("uptime", &info))
		return false;
	if (argc > 1) {
		system_print_latency(&info);
		return true;
	}
	status = system_machines(&machines);
	if (status != STATUS_OK)
		return shell_error("uptime", "machines", status);
	terminal_print("up %s in all, %s since the last resume (%s, %lu.%03lu ms)\n",
		       print_duration(info.uptime_ns, all),
		       print_duration(info.since_resume_ns, since),
		       print_resume((enum abi_resume)info.resume_reason), info.resume_us / 1000,
		       info.resume_us % 1000);
	terminal_print("resumed %lu times, %lu machines\n", info.resumes, machines);
	return true;
}

bool command_date(int argc, char **argv)
{
	uint64_t wall_ns;
	char text[PRINT_SIZE];
	enum status status = clock_now(NULL, &wall_ns);

	(void)argc;
	(void)argv;
	if (status != STATUS_OK)
		return shell_error("date", "the clock", status);
	terminal_print("%s %s UTC\n", calendar_weekday_name(calendar_from_ns(wall_ns).weekday),
		       print_date(wall_ns, text));
	return true;
}

static void system_print_part(const char *name, uint32_t used, uint32_t all)
{
	if (all > 0)
		terminal_print("%-12s %u used of %u\n", name, used < all ? used : all, all);
}

bool command_about(int argc, char **argv)
{
	struct abi_system info;
	struct store_statistics store;
	char memory[PRINT_SIZE];

	(void)argc;
	(void)argv;
	if (!system_get("about", &info))
		return false;
	terminal_print("Perdure %.*s on %.*s%s%.*s\n", (int)sizeof(info.version), info.version,
		       (int)sizeof(info.cpu), info.cpu, info.accelerator[0] ? ", " : "",
		       (int)sizeof(info.accelerator), info.accelerator);
	terminal_print("%-12s %s\n", "memory", print_bytes(info.memory_bytes, memory));
	system_print_part("processors", 1, info.processors);
	system_print_part("storage", 1, info.disks);
	system_print_part("networks", 0, info.networks);
	system_print_part("displays", 0, info.displays);
	if (store_statistics(&store) == STATUS_OK && store.health == STATUS_READ_ONLY)
		terminal_print("Nothing is kept: %.*s.\n", (int)sizeof(store.unsaved_why),
			       store.unsaved_why);
	return true;
}

/* ---- log ------------------------------------------------------------------------ */

typedef enum status (*log_source)(uint64_t *position, void *buffer, size_t *length);

/*
 * Goes through all text there is, and prints it after the first `skip` lines.  *end: behind
 * the last byte.  Bounded although programs go on writing: twice what the log can hold.
 * The text is read twice and never kept: the log can be shown when memory and the
 * store are used up.
 */
static uint64_t system_log_pass(log_source source, bool print, uint64_t skip, uint64_t *end)
{
	char part[MESSAGE_DATA], last = '\n';
	uint64_t lines = 0;
	size_t length;

	*end = 0;
	for (unsigned i = 0; i < 2 * LOG_BYTES / MESSAGE_DATA; i++) {
		size_t at = 0;

		if (source(end, part, &length) != STATUS_OK || length == 0)
			break;
		while (at < length && lines < skip)
			lines += part[at++] == '\n';
		if (print)
			terminal_write(part + at, length - at);
		for (; at < length; at++)
			lines += part[at] == '\n';
		last = part[length - 1];
	}
	if (print && last != '\n')
		terminal_write("\n", 1);
	return lines + (last != '\n');
}

/* Prints what is new until a key is pressed. */
static void system_log_follow(log_source source, uint64_t position)
{
	char part[MESSAGE_DATA];
	size_t length;
	uint8_t byte;

	for (;;) {
		while (source(&position, part, &length) == STATUS_OK && length > 0)
			terminal_write(part, length);
		terminal_flush();
		if (terminal_read(&byte, clock_uptime() + LOG_FOLLOW_NS) == TERMINAL_BYTE)
			return;
	}
}

static bool system_log_show(log_source source, bool follow, uint64_t lines)
{
	uint64_t position;
	uint64_t there = system_log_pass(source, false, 0, &position);

	if (lines)
		system_log_pass(source, true, there > lines ? there - lines : 0, &position);
	if (follow)
		system_log_follow(source, position);
	return true;
}

bool command_log(int argc, char **argv)
{
	log_source source = log_read;
	uint64_t lines = LOG_LINES;
	bool follow = false;

	for (int i = 1; i < argc; i++) {
		if (text_equal(argv[i], "-f"))
			follow = true;
		else if (text_equal(argv[i], "-k"))
			source = kernel_log_read;
		else if (!quantity_parse(argv[i], QUANTITY_ANY, &lines))
			return shell_usage("log");
	}
	if (follow && terminal_captures())
		return shell_complain("log", "-f never ends; it cannot go into an object");
	return system_log_show(source, follow, lines);
}

/* ---- power ----------------------------------------------------------------------- */

/* The call is answered when the machine is on again; it is not done twice. */
static bool system_power(int argc, char **argv, const char *done, bool reboot)
{
	uint64_t generation;
	enum status status;

	terminal_flush();
	if (argc == 1)
		status = store_insist(argv[0], reboot ? system_reboot : system_power_off,
				      &generation);
	else if (text_equal(argv[1], "--lose"))
		status = system_power_lose(reboot);
	else
		return shell_usage(argv[0]);
	if (status == STATUS_IO || status == STATUS_TIMEOUT)
		return shell_complain(argv[0],
				      "not done: what is new cannot be saved, `store` tells why. "
				      "`%s --lose` does it at once; what is not saved is lost then",
				      argv[0]);
	if (status != STATUS_RESUMED && status != STATUS_OK)
		return shell_error(argv[0], "refused", status);
	terminal_print("%s: %s\n", argv[0], done);
	return true;
}

bool command_reboot(int argc, char **argv)
{
	return system_power(argc, argv, "done, and the machine has started anew", true);
}

bool command_poweroff(int argc, char **argv)
{
	return system_power(argc, argv, "done, and the power is on again", false);
}

/* ---- the shell itself ------------------------------------------------------------- */

bool command_clear(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	terminal_raw("\x1b[2J\x1b[H", 7);
	return true;
}

bool command_history(int argc, char **argv)
{
	const char *text;

	(void)argc;
	(void)argv;
	for (uint32_t i = 0; (text = shell_history(i)) != NULL; i++)
		terminal_print("%4u  %s\n", i + 1, text);
	return true;
}

/* In two columns where there is room for them, so that they fit the smallest screen; into
 * an object in one. */
static void help_list(void)
{
	bool two = !terminal_captures() && terminal_width() > 2 * (SHELL_SUMMARY + 12);
	uint32_t rows = two ? (shell_command_count + 1) / 2 : shell_command_count;

	for (uint32_t i = 0; i < rows; i++) {
		const struct shell_command *left = &shell_commands[i], *right = left + rows;

		if (i + rows < shell_command_count)
			terminal_print("%-11s%-*s  %-11s%s\n", left->name, SHELL_SUMMARY,
				       left->summary, right->name, right->summary);
		else
			terminal_print("%-11s%s\n", left->name, left->summary);
	}
}

bool command_help(int argc, char **argv)
{
	const struct shell_command *command;

	if (argc > 1) {
		command = shell_command_find(argv[1]);
		if (!command)
			return shell_complain("help", "%s: no such command", argv[1]);
		terminal_print("usage: %s %s\n%s\n", command->name, command->arguments,
			       command->summary);
		if (command->details)
			terminal_print("%s\n", command->details);
		return true;
	}
	help_list();
	terminal_print(
		"COMMAND > OBJECT writes what a command prints into an object, >> adds.\n"
		"`help COMMAND` tells more. Keys: arrows, home, end, ^A ^E ^K ^U ^W ^L ^C.\n");
	return true;
}
