/* SPDX-License-Identifier: MIT */
/*
 * machines.c - commands about machines: ps, state, run, stop, continue, kill, weight.
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
#include "user/lib/table.h"
#include "base/text.h"
#include "user/shell/columns.h"
#include "user/shell/terminal.h"

#define MACHINES_PRIORITY 5u /* of what `run` starts */
/* What its bank can give, in pages: 16 MiB, and addresses for 256 GiB. */
#define MACHINES_PAGES	   UINT64_C(4096)
#define MACHINES_ADDRESSES (UINT64_C(1) << 26)
#define MACHINES_WEIGHT	   100u
#define MACHINES_NOT_ASKED UINT32_MAX

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

/* One that is not the shell. */
static bool machines_find_other(const char *command, const char *what,
				struct abi_machine_info *info, struct machine *machine)
{
	if (!machines_find(command, what, info, machine))
		return false;
	if (!machines_is_self(info))
		return true;
	slot_give(machine->slot);
	return shell_complain(command, "that is this shell; nobody could undo it");
}

/* One operation on one machine. */
static bool machines_control(const char *command, const char *what,
			     enum status (*operation)(struct machine machine), const char *done)
{
	struct abi_machine_info info;
	enum status status;
	struct machine machine;

	if (!machines_find_other(command, what, &info, &machine))
		return false;
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

/* The machine and the bank that pays for it, with all that this pays for, unless it is the shell's
 * own: then the machine alone. */
static enum status machines_end(struct machine machine, struct banks_machines *others)
{
	struct table_info held;
	struct bank bank;
	enum status status = table_info(OWN_TABLE, machine.slot, &held);

	memset(others, 0, sizeof(*others));
	if (status != STATUS_OK || !(held.rights & RIGHT_DESTROY) ||
	    banks_of(held.object, &bank) != STATUS_OK)
		return machine_destroy(machine);
	/* If it lives still, the bank is that of this machine, not of a later one of its number. */
	status = table_info(OWN_TABLE, machine.slot, &held);
	if (status == STATUS_OK && !held.alive)
		status = STATUS_DEAD;
	if (status == STATUS_OK)
		status = banks_end(bank, held.object, others);
	slot_give(bank.slot);
	return status == STATUS_NO_RIGHT ? machine_destroy(machine) : status;
}

/* What is no machine may be the number of a bank, whose machines may all have ended. */
static bool machines_kill_bank(const char *what, bool *killed)
{
	struct banks_machines ended;
	struct bank bank;
	uint64_t number;
	enum status status;

	*killed = quantity_parse(what, QUANTITY_ANY, &number) && number < OBJECT_MAX &&
		  banks_find((uint32_t)number, &bank) == STATUS_OK;
	if (!*killed)
		return false;
	status = banks_end(bank, 0, &ended);
	slot_give(bank.slot);
	if (status != STATUS_OK)
		return shell_error("kill", what, status);
	terminal_print("bank %lu destroyed, and %s%s\n", number,
		       ended.count ? "with it " : "no machine with it", ended.text);
	return true;
}

bool command_kill(int argc, char **argv)
{
	struct banks_machines others;
	struct abi_machine_info info;
	struct machine machine;
	enum status status;
	bool killed, done;

	(void)argc;
	done = machines_kill_bank(argv[1], &killed);
	if (killed || !machines_find_other("kill", argv[1], &info, &machine))
		return done;
	status = machines_end(machine, &others);
	slot_give(machine.slot);
	if (status != STATUS_OK)
		return shell_error("kill", argv[1], status);
	terminal_print("machine %u %.*s destroyed\n", info.object, (int)MACHINE_NAME, info.name);
	if (others.count)
		terminal_print("with its bank %u more: %s\n", others.count, others.text);
	return true;
}

/* ---- weight ----------------------------------------------------------------------- */

/* False: a complaint was made. */
static bool machines_weight(const char *command, const char *text, uint32_t *weight)
{
	uint64_t value;

	if (!quantity_parse(text, QUANTITY_ANY, &value) || value >= SHARE_ALL)
		return shell_complain(command, "%s: a weight is 0 (none of its own) to %u", text,
				      SHARE_ALL - 1);
	*weight = (uint32_t)value;
	return true;
}

/* The bank of this number, or the one that pays for the machine.  False: a complaint was made. */
static bool machines_bank(const char *command, const char *what, struct bank *bank)
{
	struct abi_machine_info info;
	struct machine machine;
	uint64_t number;
	enum status status;

	if (quantity_parse(what, QUANTITY_ANY, &number) && number < OBJECT_MAX &&
	    banks_find((uint32_t)number, bank) == STATUS_OK)
		return true;
	if (!machines_find(command, what, &info, &machine))
		return false;
	slot_give(machine.slot);
	status = banks_of(info.object, bank);
	if (status == STATUS_NOT_FOUND)
		return shell_complain(
			command, "%s: it has no bank of its own, but runs on the shell's", what);
	return status == STATUS_OK ? true : shell_error(command, what, status);
}

bool command_weight(int argc, char **argv)
{
	struct bank bank, above;
	uint32_t weight = 0;
	enum status status;

	(void)argc;
	if (!machines_weight("weight", argv[2], &weight) ||
	    !machines_bank("weight", argv[1], &bank))
		return false;
	status = banks_above(bank, &above);
	if (status == STATUS_OK)
		status = bank_set_weight(above, bank, weight);
	slot_give(bank.slot);
	slot_give(above.slot);
	if (status == STATUS_ALLOWANCE)
		return shell_complain(
			"weight",
			"%s: the bank above it has not so much left, or it has itself "
			"given away more than that; `banks` shows who has what",
			argv[1]);
	return status == STATUS_OK ? true : shell_error("weight", argv[1], status);
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

/* How large a bank is, in pages; 0: a complaint was made. */
static uint64_t machines_size(const char *option, const char *text)
{
	uint64_t bytes;

	if (quantity_parse(text, QUANTITY_ANY, &bytes) && bytes)
		return (bytes - 1) / PAGE_SIZE + 1;
	shell_complain("run",
		       "%s %s: a size is a number above 0, like 16M: bytes, or with K, M, G or T",
		       option, text);
	return 0;
}

/* What of the shell's bank is not given away yet. */
static void machines_left(uint64_t *pages, uint64_t *addresses)
{
	struct bank_usage usage = {0};

	*pages = *addresses = 0;
	if (bank_usage(OWN_BANK, &usage) != STATUS_OK)
		return;
	if (usage.limit > usage.pages)
		*pages = usage.limit - usage.pages;
	if (usage.address_limit > usage.addresses)
		*addresses = usage.address_limit - usage.addresses;
	else if (!usage.address_limit)
		*addresses = UINT64_MAX; /* not counted */
}

/* What was not asked for: enough for most, and never more than a quarter of what there is. */
static void machines_bank_default(struct spawn_request *request)
{
	uint64_t pages, addresses;

	machines_left(&pages, &addresses);
	if (!request->bank_pages) {
		request->bank_pages = pages / 4 < MACHINES_PAGES ? pages / 4 : MACHINES_PAGES;
		request->bank_pages += !request->bank_pages; /* too little, and it is said so */
	}
	if (!request->bank_addresses) {
		request->bank_addresses = MACHINES_ADDRESSES;
		if (request->bank_pages > MACHINES_ADDRESSES / 2)
			request->bank_addresses = 2 * request->bank_pages;
		if (request->bank_addresses > addresses / 4)
			request->bank_addresses = addresses / 4;
	}
}

/* Why there was not enough, and what to do. */
static bool machines_allowance(const char *program, const struct spawn_request *request,
			       const struct spawned *spawned)
{
	char bank[PRINT_SIZE], range[PRINT_SIZE], left[PRINT_SIZE], free[PRINT_SIZE];
	char weight[40] = "";
	uint64_t pages, addresses;

	machines_left(&pages, &addresses);
	print_bytes(request->bank_pages * PAGE_SIZE, bank);
	print_bytes(request->bank_addresses * PAGE_SIZE, range);
	print_bytes(pages * PAGE_SIZE, left);
	print_bytes(addresses > UINT64_MAX / PAGE_SIZE ? UINT64_MAX : addresses * PAGE_SIZE, free);
	if (request->bank_weight)
		text_format(weight, sizeof(weight), " and a weight of %u (-w)",
			    request->bank_weight);
	if (spawned->no_bank)
		return shell_complain(
			"run",
			"%s: its bank of %s, with addresses for %s%s, is beyond the allowance: "
			"%s are left, and addresses for %s; `banks` shows who has the rest, "
			"-m and -a ask for less",
			program, bank, range, weight, left, free);
	return shell_complain(
		"run",
		"%s: cannot %s: its bank's allowance of %s, with addresses for %s, does not "
		"suffice; -m and -a give more, of which %s are left, and addresses for "
		"%s (`banks`)",
		program, spawned->step, bank, range, left, free);
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
		} else if (text_equal(option, "-m") && *at + 1 < argc) {
			request->bank_pages = machines_size(option, argv[++*at]);
			if (!request->bank_pages)
				return false;
		} else if (text_equal(option, "-a") && *at + 1 < argc) {
			request->bank_addresses = machines_size(option, argv[++*at]);
			if (!request->bank_addresses)
				return false;
		} else if (text_equal(option, "-w") && *at + 1 < argc) {
			if (!machines_weight("run", argv[++*at], &request->bank_weight))
				return false;
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

/* Where the shell's bank has no weight left for it, it runs on the shell's share, unless one was
 * asked for. */
static enum status machines_spawn(struct spawn_request *request, struct spawned *spawned)
{
	bool asked = request->bank_weight != MACHINES_NOT_ASKED;
	enum status status;

	if (!asked)
		request->bank_weight = MACHINES_WEIGHT;
	status = spawn_machine(request, spawned);
	if (asked || status != STATUS_ALLOWANCE || !spawned->no_bank)
		return status;
	request->bank_weight = 0;
	return spawn_machine(request, spawned);
}

bool command_run(int argc, char **argv)
{
	struct spawn_request request = {
		.priority = MACHINES_PRIORITY,
		.inherit = SPAWN_STANDARD,
		.bank_weight = MACHINES_NOT_ASKED,
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
	machines_bank_default(&request);
	status = machines_spawn(&request, &spawned);
	slot_give(request.program.slot);
	if (status == STATUS_ALLOWANCE)
		return machines_allowance(argv[at], &request, &spawned);
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
