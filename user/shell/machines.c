/* SPDX-License-Identifier: MIT */
/*
 * machines.c - commands about machines: ps, state, run, stop, continue, kill.
 * Interface in shell.h.
 */
#include "user/shell/shell.h"
#include "base/quantity.h"

#include <string.h>
#include "user/lib/directory.h"
#include "user/lib/machine.h"
#include "user/lib/service.h"
#include "user/lib/slot.h"
#include "user/lib/spawn.h"
#include "base/text.h"
#include "user/shell/columns.h"
#include "user/shell/terminal.h"

#define MACHINES_PRIORITY 5u /* of what `run` starts */

static const char *machines_state(const struct abi_machine_info *info)
{
	static const char *const names[MACHINE_STATES] = {
		[MACHINE_STOPPED] = "stopped",	 [MACHINE_READY] = "ready",
		[MACHINE_AWAIT_REPLY] = "calls", [MACHINE_RECEIVE] = "receives",
		[MACHINE_SLEEP] = "sleeps",	 [MACHINE_FAULTED] = "faulted",
		[MACHINE_EXITED] = "exited",
	};

	if (info->held)
		return "stopped";
	return info->state < MACHINE_STATES ? names[info->state] : "no page";
}

static const struct column machines_column[] = {
	{"NUMBER", 6, false, 0}, {"NAME", 12, true, 0},	    {"STATUS", 9, true, 0},
	{"STATE", 12, true, 2},	 {"PRIO", 4, false, 4},	    {"CPU s", 8, false, 1},
	{"SENT", 6, false, 3},	 {"RECEIVED", 8, false, 3},
};

static void machines_print_row(const struct columns *table, const struct abi_machine_info *info)
{
	char number[12], name[MACHINE_NAME + 1] = {0}, state[STATE_NAME + 1] = {0};
	char priority[12], cpu[PRINT_SIZE], sent[24], received[24];
	const char *const cell[] = {number, name,    machines_state(info), state, priority, cpu,
				    sent,   received};
	uint64_t ms = info->cpu_ns / NS_PER_MILLISECOND;

	memcpy(name, info->name, MACHINE_NAME);
	memcpy(state, info->state_name[0] ? info->state_name : "-",
	       info->state_name[0] ? STATE_NAME : 1);
	text_format(number, sizeof(number), "%u", info->object);
	text_format(priority, sizeof(priority), "%u", info->priority);
	text_format(cpu, sizeof(cpu), "%lu.%03lu", ms / 1000, ms % 1000);
	text_format(sent, sizeof(sent), "%lu", info->messages_sent);
	text_format(received, sizeof(received), "%lu", info->messages_received);
	terminal_row(table, cell);
	if (info->state == MACHINE_FAULTED)
		terminal_print("        %s:\n        address 0x%lx, instruction at 0x%lx\n",
			       print_fault(info->fault), info->fault_address, info->rip);
}

bool command_ps(int argc, char **argv)
{
	struct abi_machine_info info = {.object = 0};
	struct columns table;
	enum status status;

	(void)argc;
	(void)argv;
	terminal_table(&table, machines_column,
		       sizeof(machines_column) / sizeof(machines_column[0]));
	for (uint64_t count = 1;; count++) {
		status = system_machine_next(info.object, &info, 0);
		if (status != STATUS_OK)
			break;
		machines_print_row(&table, &info);
		if (count % 32 == 0 && terminal_interrupted())
			return false;
	}
	terminal_table_end(&table);
	return status == STATUS_NOT_FOUND ? true : shell_error("ps", "machines", status);
}

/* ---- finding one by number or name ------------------------------------------- */

static bool machines_matches(const struct abi_machine_info *info, const char *what)
{
	char name[MACHINE_NAME + 1] = {0};
	uint64_t number;

	if (quantity_parse(what, QUANTITY_ANY, &number))
		return info->object == number;
	memcpy(name, info->name, MACHINE_NAME);
	return text_equal(name, what);
}

/* The machine's information and, in a newly taken slot, its capability. */
static bool machines_find(const char *command, const char *what, struct abi_machine_info *found,
			  struct machine *machine)
{
	struct abi_machine_info info = {.object = 0};
	unsigned matches = 0;
	enum status status;

	while ((status = system_machine_next(info.object, &info, 0)) == STATUS_OK) {
		if (!machines_matches(&info, what))
			continue;
		*found = info;
		matches++;
	}
	if (status != STATUS_NOT_FOUND)
		return shell_error(command, what, status);
	if (matches == 0)
		return shell_complain(command, "%s: no such machine; `ps` shows them", what);
	if (matches > 1)
		return shell_complain(command, "%u machines are called %s; use the number", matches,
				      what);
	machine->slot = slot_take();
	if (machine->slot == 0)
		return shell_error(command, what, STATUS_LIMIT);
	/* The one after the number before it is this one, if it still lives. */
	status = system_machine_next(found->object - 1, &info, machine->slot);
	if (status == STATUS_OK && info.object == found->object)
		return true;
	slot_give(machine->slot);
	return shell_complain(command, "%s: it has just ended", what);
}

static bool machines_is_self(const struct abi_machine_info *info)
{
	struct abi_machine_info self;

	return machine_info(OWN_MACHINE, &self) == STATUS_OK && self.object == info->object;
}

static void machines_print_all(const struct abi_machine_info *info, uint64_t now)
{
	char text[PRINT_SIZE];

	terminal_print("machine   %u %.*s\n", info->object, (int)MACHINE_NAME, info->name);
	terminal_print("status    %s, priority %u\n", machines_state(info), info->priority);
	if (info->state == MACHINE_AWAIT_REPLY)
		terminal_print("waits     for an answer of port %u\n", info->waits_for);
	if (info->state == MACHINE_FAULTED)
		terminal_print("fault     %s, address 0x%lx\n", print_fault(info->fault),
			       info->fault_address);
	if (info->state == MACHINE_EXITED)
		terminal_print("code      %u\n", info->exit_code);
	terminal_print("next      instruction at 0x%lx\n", info->rip);
	terminal_print("lives     %s\n", print_duration(now - info->started_ns, text));
	terminal_print("cpu       %s\n", print_duration(info->cpu_ns, text));
	terminal_print("messages  %lu sent, %lu received\n", info->messages_sent,
		       info->messages_received);
	terminal_print("faults    %lu pages brought\n", info->faults_served);
	if (info->state_name[0] == '\0') {
		terminal_print("state     (not a state machine)\n");
		return;
	}
	if (info->state_moves == 0)
		terminal_print("state     %.*s since it was started, no move yet\n",
			       (int)STATE_NAME, info->state_name);
	else
		terminal_print("state     %.*s, %lu moves, the last %s ago\n", (int)STATE_NAME,
			       info->state_name, info->state_moves,
			       print_duration(now - info->state_moved_ns, text));
}

bool command_state(int argc, char **argv)
{
	struct abi_machine_info info;
	struct machine machine;

	(void)argc;
	if (!machines_find("state", argv[1], &info, &machine))
		return false;
	slot_give(machine.slot);
	machines_print_all(&info, clock_uptime());
	return true;
}

/* ---- control --------------------------------------------------------------------- */

/* One operation on one machine that is not the shell. */
static bool machines_control(const char *command, const char *what,
			     enum status (*operation)(struct machine machine), const char *done)
{
	struct abi_machine_info info;
	enum status status;
	struct machine machine;

	if (!machines_find(command, what, &info, &machine))
		return false;
	if (machines_is_self(&info)) {
		slot_give(machine.slot);
		return shell_complain(command, "that is this shell; nobody could undo it");
	}
	status = operation(machine);
	slot_give(machine.slot);
	if (status != STATUS_OK)
		return shell_error(command, what, status);
	terminal_print("machine %u %.*s %s\n", info.object, (int)MACHINE_NAME, info.name, done);
	return true;
}

bool command_stop(int argc, char **argv)
{
	(void)argc;
	return machines_control("stop", argv[1], machine_stop, "stopped");
}

bool command_continue(int argc, char **argv)
{
	enum status status;

	if (argc == 1) {
		status = system_continue();
		if (status != STATUS_OK)
			return shell_error("continue", "all machines", status);
		terminal_print("no machine is held by the safe mode any more\n");
		return true;
	}
	return machines_control("continue", argv[1], machine_continue, "goes on");
}

bool command_kill(int argc, char **argv)
{
	(void)argc;
	return machines_control("kill", argv[1], machine_destroy, "destroyed");
}

/* ---- run -------------------------------------------------------------------------- */

/* A path as it is, or a name in /bin. */
static enum status machines_find_program(const char *what, struct segment *program)
{
	char path[DIRECTORY_NAME + 8];
	enum status status = STATUS_NOT_FOUND;

	if (!text_find(what, '/')) {
		text_format(path, sizeof(path), "/bin/%s", what);
		status = path_segment(path, program);
	}
	if (status == STATUS_NOT_FOUND)
		status = path_segment(what, program);
	return status;
}

/* Nobody starts what is above itself. */
static uint32_t machines_own_priority(void)
{
	struct abi_machine_info self;

	return machine_info(OWN_MACHINE, &self) == STATUS_OK ? self.priority : MACHINES_PRIORITY;
}

/* Reads the options; *at is left at the program.  False: a complaint was made. */
static bool machines_run_options(int argc, char **argv, int *at, struct spawn_request *request)
{
	for (*at = 1; *at < argc && argv[*at][0] == '-'; (*at)++) {
		const char *option = argv[*at];
		uint64_t priority;

		if (text_equal(option, "-g")) {
			request->inherit |= 1u << SLOT_STORE | 1u << SLOT_SYSTEM;
		} else if (text_equal(option, "-n") && *at + 1 < argc) {
			request->name = argv[++*at];
		} else if (text_equal(option, "-p") && *at + 1 < argc) {
			if (!quantity_parse(argv[++*at], QUANTITY_ANY, &priority) ||
			    priority > machines_own_priority())
				return shell_complain("run",
						      "%s: a priority is 0 to %u, which is that "
						      "of the shell",
						      argv[*at], machines_own_priority());
			request->priority = (uint32_t)priority;
		} else {
			shell_complain("run", "%s: not an option, or something is missing", option);
			return shell_usage("run");
		}
	}
	return *at < argc || shell_usage("run");
}

static const char *machines_base_name(const char *path)
{
	const char *name = path;

	for (; *path != '\0'; path++)
		if (*path == '/')
			name = path + 1;
	return name;
}

bool command_run(int argc, char **argv)
{
	struct spawn_request request = {
		.priority = MACHINES_PRIORITY,
		.inherit = SPAWN_STANDARD,
	};
	struct abi_machine_info info = {.object = 0};
	struct spawned spawned = {.step = NULL};
	enum status status;
	int at;

	if (!machines_run_options(argc, argv, &at, &request))
		return false;
	if (!request.name)
		request.name = machines_base_name(argv[at]);
	status = machines_find_program(argv[at], &request.program);
	if (status == STATUS_NOT_FOUND && !text_find(argv[at], '/'))
		return shell_complain("run", "%s: no such program; `ls /bin` lists them", argv[at]);
	if (status != STATUS_OK)
		return shell_path_error("run", argv[at], status);
	if (strlen(request.name) == 0 || strlen(request.name) >= MACHINE_NAME) {
		slot_give(request.program.slot);
		return shell_complain("run", "the name of a machine has 1 to 31 bytes; give a "
					     "shorter one with -n");
	}
	request.arguments = argc - at - 1;
	request.argument = argv + at + 1;
	status = spawn_machine(&request, &spawned);
	slot_give(request.program.slot);
	if (status == STATUS_FORMAT)
		return shell_complain("run", "%s: %s", argv[at], spawned.step);
	if (status != STATUS_OK)
		return shell_complain("run", "%s: cannot %s: %s", argv[at], spawned.step,
				      status_text(status));
	/* It may have run and ended already. */
	if (machine_info(spawned.machine, &info) == STATUS_OK)
		terminal_print("machine %u %s started\n", info.object, request.name);
	else
		terminal_print("machine %s started and ended\n", request.name);
	slot_give(spawned.machine.slot);
	return true;
}
