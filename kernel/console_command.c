/* SPDX-License-Identifier: MIT */
/*
 * console_command.c - what the kernel's console can do: the table, and the commands
 * that look at the running system.  Those about generations are in console_store.c.
 */
#include "store/keeping.h"
#include "base/text.h"
#include "base/quantity.h"
#include "kernel/console_priv.h"
#include "kernel/memory.h"
#include "kernel/print.h"
#include "base/assert.h"

static enum console_progress console_help(struct console_run *run);

/* ---- looking ------------------------------------------------------------------------ */

static void status_store(void)
{
	struct checkpoint_unsaved unsaved = checkpoint_unsaved();
	struct store_statistics s;
	struct store_details details;
	uint64_t now = arch_wall_ns();
	char age[24];

	store_statistics_get(kernel.space.store, &s);
	store_details_get(kernel.space.store, &details);
	console_print("store       generation %lu is durable, %s old; %lu pages are newer\n",
		      (unsigned long)s.durable.n,
		      console_duration(now > s.commit_wall_ns ? now - s.commit_wall_ns : 0, age),
		      (unsigned long)(s.dirty_pages + s.frozen_pages));
	if (unsaved.why)
		console_print("            what is newer cannot be saved: %s; tried %u times\n",
			      unsaved.why, unsaved.attempts);
	console_print("            %lu of %lu MiB used, room for %lu more pages, %lu snapshots\n",
		      (unsigned long)(s.used_sectors / 2048), (unsigned long)(s.sectors / 2048),
		      (unsigned long)s.room_blocks, (unsigned long)s.snapshots);
	console_print("memory      %lu page frames: %lu free, %lu clean, %lu dirty\n",
		      (unsigned long)details.frames, (unsigned long)details.free_frames,
		      (unsigned long)details.clean_frames,
		      (unsigned long)(s.dirty_pages + s.frozen_pages));
	if (details.frames < memory_frames())
		console_print("            %lu more are taken once machines run\n",
			      (unsigned long)(memory_frames() - details.frames));
}

static enum console_progress console_status(struct console_run *run)
{
	const char *why;
	char up[24];
	enum status status;

	if (!run->stage++) {
		console_print("Perdure %s, up for %s, from generation %lu\n", PERDURE_VERSION,
			      console_duration(arch_time_ns() - kernel.resumed_ns, up),
			      (unsigned long)kernel.recovery.generation.n);
		if (kernel.hold)
			console_print("machines    none runs: `continue` lets them go on\n");
		else if (kernel.safe)
			console_print("machines    safe mode: only the shell runs, and what was "
				      "started or let go on since\n");
		status_store();
		return CONSOLE_MORE;
	}
	/* Last, because it may have to wait. */
	status = console_look(&why);
	if (status == STATUS_WAIT)
		return CONSOLE_WAITS;
	if (status != STATUS_OK)
		console_print("shell       not known: %s\n", status_text(status));
	else
		console_print("shell       %s\n",
			      why ? why : "is there; `continue` goes back to it");
	return CONSOLE_FINISHED;
}

/* How many lines the kernel's log has from `from` on; bounded by its size. */
static uint64_t log_lines(uint64_t from)
{
	uint64_t lines = 0;
	char text[256];
	uint32_t length;

	while ((length = print_log_read(&from, text, sizeof(text)))) {
		for (uint32_t i = 0; i < length; i++)
			lines += text[i] == '\n';
		from += length;
	}
	return lines;
}

static enum console_progress console_log(struct console_run *run)
{
	const char *word = run->words > 1 ? run->word[1] : "20";
	uint64_t lines, wanted;
	char text[1024];
	uint32_t length, begin = 0;

	if (!run->stage++) {
		lines = log_lines(0);
		if (!quantity_digits(&word, UINT32_MAX, &wanted) || *word) {
			console_print("log: '%s' is no number of lines\n", run->word[1]);
			return CONSOLE_FINISHED;
		}
		run->left = lines > wanted ? lines - wanted : 0; /* to be passed over */
	}
	length = print_log_read(&run->at, text, sizeof(text));
	for (; begin < length && run->left; begin++)
		run->left -= text[begin] == '\n';
	console_text(text + begin, length - begin);
	run->at += length;
	return length ? CONSOLE_MORE : CONSOLE_FINISHED;
}

const char *const console_state_names[MACHINE_STATES] = {
	"not started", "ready", "calls", "receives", "sleeps", "faulted", "exited",
};

static enum console_progress console_machines(struct console_run *run)
{
	struct abi_machine_info info;
	object_t object;
	enum status status;

	if (!run->stage++)
		console_print("machine  status       name             state\n");
	status = machine_next(&kernel.space, (object_t){(uint32_t)run->at + 1}, &object);
	if (status == STATUS_WAIT)
		return CONSOLE_WAITS;
	if (status == STATUS_OK) {
		status = service_machine_info(&kernel.space, object, &info);
		if (status == STATUS_WAIT)
			return CONSOLE_WAITS;
		run->at = object.n;
		if (status == STATUS_DEAD) /* with its bank */
			return CONSOLE_MORE;
		if (status != STATUS_OK)
			console_print("%7u  cannot be read: %s\n", object.n, status_text(status));
		else
			console_print("%7u  %-11s  %-15s  %s\n", object.n,
				      info.held ? "stopped" : console_state_names[info.state],
				      info.name, info.state_name);
		return CONSOLE_MORE;
	}
	if (status != STATUS_NOT_FOUND)
		console_print("machines: the list of them cannot be read: %s\n",
			      status_text(status));
	return CONSOLE_FINISHED;
}

/* ---- machines ------------------------------------------------------------------------ */

static enum console_progress console_kill(struct console_run *run)
{
	const char *word = run->word[1];
	struct disk_object record;
	uint64_t number;
	enum status status;

	ASSERT(run->words == 2); /* as the table says */
	if (!quantity_digits(&word, OBJECT_MAX - 1, &number) || *word) {
		console_print("kill: '%s' is no number of a machine; `machines` has them\n",
			      run->word[1]);
		return CONSOLE_FINISHED;
	}
	kernel_work_begin(&run->failing);
	status = object_read(&kernel.space, (object_t){(uint32_t)number}, &record);
	if (status == STATUS_OK && record.type != OBJECT_MACHINE)
		status = STATUS_WRONG_TYPE;
	if (status == STATUS_OK)
		status = service_destroy((object_t){(uint32_t)number}, OBJECT_MACHINE);
	if (kernel_work_end(status)) {
		if (status == STATUS_IO)
			run->retry_ns = time_uptime_ns() + KERNEL_SPACE_RETRY_NS;
		return CONSOLE_WAITS;
	}
	if (status == STATUS_OK)
		console_print("machine %lu destroyed\n", (unsigned long)number);
	else if (status == STATUS_DEAD || status == STATUS_NOT_FOUND || status == STATUS_WRONG_TYPE)
		console_print("kill: %s: no such machine; `machines` lists them\n", run->word[1]);
	else
		console_print("kill: %s: %s\n", run->word[1], status_text(status));
	return CONSOLE_FINISHED;
}

/* What can go on does: the whole system, the shell where it stopped, the terminal. */
enum console_progress console_continue(struct console_run *run)
{
	const struct disk_system *system;
	const char *why = NULL;
	enum status status;

	(void)run;
	if (kernel.hold) {
		kernel.hold = false;
		kernel.choose = false;
		resume_again();
		console_give_back();
		return CONSOLE_FINISHED;
	}
	status = console_look(&why);
	if (why && (status == STATUS_OK || status == STATUS_IO)) {
		store_operation_begin(kernel.space.store);
		status = system_read(&kernel.space, &system);
		if (status == STATUS_OK)
			status = service_continue((object_t){system->terminal.object});
	}
	if (status == STATUS_WAIT)
		return CONSOLE_WAITS;
	if (status == STATUS_OK) {
		console_give_back();
		return CONSOLE_FINISHED;
	}
	console_print("continue: the shell %s; `restart` makes a new one\n",
		      why ? why : status_text(status));
	return CONSOLE_FINISHED;
}

/* ---- the table ------------------------------------------------------------------------ */

static const struct {
	const char *name, *words, *summary;
	uint32_t least, most; /* words behind the name */
	enum console_progress (*step)(struct console_run *run);
} commands[] = {
	{"help", "", "this list", 0, 0, console_help},
	{"status", "", "what runs, and how the store is", 0, 0, console_status},
	{"log", "[LINES]", "the kernel's log, its last 20 lines", 0, 1, console_log},
	{"machines", "", "all machines", 0, 0, console_machines},
	{"kill", "NUMBER", "destroy a machine", 1, 1, console_kill},
	{"continue", "", "let the system, or the shell, go on", 0, 0, console_continue},
	{"restart", "[PROGRAM]", "make a new shell; what the old one held is gone", 0, 1,
	 console_restart},
	{"snapshots", "", "the generations that are kept", 0, 0, console_snapshots},
	{"choose", "", "the newest of them, and what ran in them, to go back to one", 0, 0,
	 console_choose},
	{"restore", "SNAPSHOT", "go back to NAME, #NUMBER, @GENERATION or an age (-10m)", 1, 1,
	 console_restore},
	{"delete", "SNAPSHOT", "delete one; its space is given back step by step", 1, 1,
	 console_delete},
	{"reboot", "[--lose]", "make everything durable and start again", 0, 1, console_reboot},
	{"poweroff", "[--lose]", "make everything durable and turn off; with --lose at once", 0, 1,
	 console_poweroff},
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static enum console_progress console_help(struct console_run *run)
{
	(void)run;
	for (uint32_t i = 0; i < COMMANDS; i++)
		console_print("%-9s %-10s %s\n", commands[i].name, commands[i].words,
			      commands[i].summary);
	return CONSOLE_FINISHED;
}

enum console_progress (*console_command_find(const struct console_run *run))(struct console_run *)
{
	ASSERT(run->words && run->words <= CONSOLE_WORDS);
	for (uint32_t i = 0; i < COMMANDS; i++) {
		if (!text_equal(run->word[0], commands[i].name))
			continue;
		if (run->words - 1 >= commands[i].least && run->words - 1 <= commands[i].most)
			return commands[i].step;
		console_print("usage: %s %s\n", commands[i].name, commands[i].words);
		return NULL;
	}
	console_print("%s: no such command; `help` lists them\n", run->word[0]);
	return NULL;
}
