/* SPDX-License-Identifier: MIT */
/*
 * console.c - whose the terminal is; the console's input, output and one command at a
 * time.  See console.h.
 *
 * All of it is static and bounded.  A command is a function that is called again and
 * again and does a bounded part each time, like all kernel work; it begins only when
 * what was said before has gone to the terminal, so that its output always fits.
 */
#include "kernel/console_priv.h"
#include "base/text.h"
#include "kernel/print.h"
#include "kernel/syscall.h"
#include "base/assert.h"
#include <stdarg.h>
#include <string.h>

#define CONSOLE_PROMPT "kernel> "
#define KEY_CANCEL     3
/* So often in a row, a second each, the shell finds the store full before the console
 * comes: mostly the next commit gives space back. */
#define CONSOLE_FULL 5u
/* Without an end after so long a command says that it waits. */
#define CONSOLE_PATIENCE_NS UINT64_C(2000000000)

static struct {
	bool owns;		      /* the terminal is the kernel's */
	bool asked;		      /* because a person wants it so */
	uint64_t taken_ns, waited_ns; /* since when; how long because nothing ran, before */
	bool look;		      /* it must be looked whether the terminal is served */
	bool typed;		      /* and somebody waits for that */
	bool searched;		      /* it is known whose it is, or that nobody knows */
	object_t search;	      /* looked at last for that */
	struct failing failing;	      /* what these two cannot read */
	uint64_t look_ns;	      /* not before this: the disk fails */
	bool returned;		      /* it was the kernel's until now; nobody has read since */
	uint64_t told;	 /* version of the machine told RESTARTED since it was taken, 0: none */
	uint64_t served; /* version of the terminal's machine, as far as it is known */
	uint64_t before; /* the same when it was taken */
	uint64_t keeper; /* and of its keeper, if that may be at its fault */
	uint32_t full;	 /* how often in a row one of them has found the store full */
	uint64_t stuck;	 /* version of a machine that was found unable to run, and why */
	enum status stuck_status;
	uint64_t reader; /* version of the machine that has read last, 0: none since the resume */
	bool noted;	 /* in the system page */
	struct console_line line;
	char output[CONSOLE_STEP_OUTPUT + 2 * CONSOLE_LINE_MAX + 512];
	uint32_t output_length;
	char command[CONSOLE_LINE_MAX + 1]; /* what the words of `run` lie in */
	struct console_run run;
	enum console_progress (*question)(struct console_run *run);
	bool outstanding; /* a commit that was asked for is not answered yet */
} console;

/* ---- output -------------------------------------------------------------------- */

void console_text(const char *text, uint32_t length)
{
	ASSERT(console.output_length <= sizeof(console.output));
	for (uint32_t i = 0; i < length; i++) {
		uint32_t room = (uint32_t)sizeof(console.output) - console.output_length;

		if (room < 2)
			return;
		if (text[i] == '\n')
			console.output[console.output_length++] = '\r';
		console.output[console.output_length++] = text[i];
	}
}

void console_print(const char *format, ...)
{
	char text[CONSOLE_STEP_OUTPUT];
	va_list arguments;

	va_start(arguments, format);
	console_text(text, (uint32_t)text_vformat_shown(text, sizeof(text), format, arguments));
	va_end(arguments);
}

static bool console_flush(void)
{
	if (console.output_length &&
	    !arch_console_write((const uint8_t *)console.output, console.output_length))
		return false;
	console.output_length = 0;
	return true;
}

static void console_prompt(void)
{
	ASSERT(console.owns);
	console_line_begin(&console.line);
	if (!console.question)
		console_print(CONSOLE_PROMPT);
}

const char *console_duration(uint64_t ns, char text[24])
{
	uint64_t seconds = ns / 1000000000;

	if (seconds < 60)
		text_format(text, 24, "%lu s", (unsigned long)seconds);
	else if (seconds < 3600)
		text_format(text, 24, "%lum %02lus", (unsigned long)(seconds / 60),
			    (unsigned long)(seconds % 60));
	else if (seconds < 86400)
		text_format(text, 24, "%luh %02lum", (unsigned long)(seconds / 3600),
			    (unsigned long)(seconds / 60 % 60));
	else
		text_format(text, 24, "%lud %02luh", (unsigned long)(seconds / 86400),
			    (unsigned long)(seconds / 3600 % 24));
	return text;
}

/* ---- whose it is ---------------------------------------------------------------- */

static void console_take(bool asked)
{
	uint8_t typed[64];

	console.asked |= asked;
	if (console.owns)
		return;
	console.owns = true;
	console.told = 0;
	console.before = console.served;
	console.taken_ns = arch_time_ns();
	console.question = NULL;
	console.run.step = NULL;
	console.line.returned = false;
	/* What asked for it, and what nobody reads any more. */
	while (arch_console_read(typed, sizeof(typed)))
		;
}

uint64_t console_waited_ns(void)
{
	bool waits = console.owns && !console.asked;

	return console.waited_ns + (waits ? arch_time_ns() - console.taken_ns : 0);
}

void console_give_back(void)
{
	console.waited_ns = console_waited_ns();
	console.owns = false;
	console.asked = false;
	console.returned = true;
	console.question = NULL;
	task_wake_channel(CHANNEL_CONSOLE_INPUT);
	task_wake_channel(CHANNEL_CONSOLE_OUTPUT);
}

bool console_restarts(void)
{
	return console.owns && console.run.step == console_restart;
}

/* A new shell has shown its prompt while the command that makes it is not through yet: what
 * is typed is for that, and who asks for the console is not there yet. */
static bool console_is_read(void)
{
	return console_restarts() && console.told && console.told != console.before;
}

void console_asked(void)
{
	bool had;

	if (console_is_read())
		console_give_back();
	had = console.owns;
	console_take(!kernel.hold);
	if (had)
		return;
	console_print(
		"\nThis is the kernel's own console; machines go on running. `continue` gives "
		"the terminal back, `help` lists the commands.\n");
	console_prompt();
}

void console_examine(void)
{
	console.look = true;
}

void console_stuck(uint64_t version, enum status status)
{
	ASSERT(version); /* 0 is nobody */
	console.stuck = version;
	console.stuck_status = status;
	console.look = true;
}

void console_full(uint64_t version)
{
	if ((version == console.served || version == console.keeper) &&
	    ++console.full == CONSOLE_FULL)
		console_stuck(version, STATUS_NO_SPACE);
}

void console_typed(void)
{
	console.typed = !console.reader;
	console.look |= console.typed;
}

bool console_holds_output(void)
{
	return console.owns && console.asked;
}

enum status console_claim(const struct disk_machine *machine)
{
	const struct disk_system *known;
	struct disk_system *system;
	enum status status;

	ASSERT(machine->version); /* 0 is nobody */
	if (console.owns && (console.asked || kernel.hold))
		return STATUS_BUSY;
	if (console.owns)
		console_give_back();
	if (console.returned) {
		console.returned = false;
		if (console.told != machine->version)
			return STATUS_RESTARTED;
	}
	console.stuck = 0;
	console.full = 0;
	console.keeper = 0;
	console.served = machine->version;
	if (console.reader == machine->version && console.noted)
		return STATUS_OK;
	status = system_read(&kernel.space, &known);
	if (status == STATUS_OK && known->terminal.version != machine->version) {
		status = system_prepare(&kernel.space, &system);
		if (status == STATUS_OK) {
			system->terminal.object = machine->object;
			system->terminal.version = machine->version;
			essential_changed();
		}
	}
	if (status == STATUS_WAIT)
		return status;
	/* Where it cannot be noted for the next life yet, it is for this one. */
	console.reader = machine->version;
	console.noted = status == STATUS_OK;
	return STATUS_OK;
}

void console_told(const struct disk_machine *machine)
{
	console.told = machine->version;
}

/* Is somebody about to put the faulted machine on its feet: is its fault still to be
 * answered, by a machine that can? */
static enum status keeper_is_at_it(const struct disk_machine *machine, bool *at_it)
{
	struct disk_machine *keeper;
	struct disk_object port;
	uint64_t version;
	object_t object;
	void *page;
	enum status status = fault_keeper(machine, &port, &object, &version);

	*at_it = false;
	if (status != STATUS_OK)
		return status;
	status = machine_read(&kernel.space, object, &keeper);
	if (status != STATUS_OK)
		return status;
	console.keeper = version;
	if (keeper->version != version || version == console.stuck || keeper->stopped ||
	    keeper->state == MACHINE_FAULTED || keeper->state == MACHINE_EXITED ||
	    keeper->state == MACHINE_STOPPED)
		return STATUS_OK;
	*at_it = keeper->reply.object == machine->object &&
		 keeper->reply.aux == machine->call_number;
	if (*at_it)
		return STATUS_OK;
	status = space_read(&kernel.space, (page_t){port.first_page}, &page);
	*at_it = status == STATUS_OK && ((struct disk_port *)page)->count;
	return status;
}

static const char *fault_why(const struct disk_machine *machine)
{
	static char text[120];

	if (machine->fault != FAULT_STORAGE)
		return "has faulted";
	text_format(text, sizeof(text), "has faulted: a page of its memory cannot be had: %s",
		    status_text((enum status)machine->fault_code));
	return text;
}

static enum status machine_look(struct disk_machine *machine, const char **why)
{
	bool at_it = false;
	enum status status;

	if (machine->stopped) {
		*why = "is stopped";
		return STATUS_OK;
	}
	switch ((enum machine_state)machine->state) {
	case MACHINE_STOPPED:
		*why = "was never started";
		break;
	case MACHINE_EXITED:
		*why = "has ended";
		break;
	case MACHINE_FAULTED:
		status = keeper_is_at_it(machine, &at_it);
		*why = at_it ? NULL : fault_why(machine);
		if (status == STATUS_WAIT || status == STATUS_IO)
			return status;
		break;
	default:
		break;
	}
	return STATUS_OK;
}

enum status console_look(const char **why)
{
	static char text[120];
	const struct disk_system *system;
	struct disk_machine *machine;
	struct disk_object record;
	object_t object;
	uint64_t version;
	enum status status;

	*why = NULL;
	store_operation_begin(kernel.space.store);
	status = system_read(&kernel.space, &system);
	if (status != STATUS_OK)
		return status;
	object = (object_t){system->terminal.object};
	version = console.served = system->terminal.version;
	if (!version) {
		/* It may still come, and it is in nobody's way unless somebody types. */
		*why = console.typed ? "is not known: no machine reads from the terminal" : NULL;
		return STATUS_OK;
	}
	status = object_read(&kernel.space, object, &record);
	if (status == STATUS_DEAD || status == STATUS_NOT_FOUND ||
	    (status == STATUS_OK && record.version != version)) {
		*why = "has ended";
		return STATUS_OK;
	}
	if (status == STATUS_OK)
		status = machine_read(&kernel.space, object, &machine);
	if (status == STATUS_OK && console.stuck == version)
		status = console.stuck_status;
	if (status == STATUS_OK)
		return machine_look(machine, why);
	if (status == STATUS_WAIT)
		return status;
	text_format(text, sizeof(text), "cannot run (machine %u): %s", object.n,
		    status_text(status));
	*why = text;
	return status == STATUS_IO ? status : STATUS_OK;
}

/* Is it to be looked again later: the disk has not answered yet, or fails? */
static bool console_waits(enum status status)
{
	if (status == STATUS_IO)
		console.look_ns = time_uptime_ns() + KERNEL_SPACE_RETRY_NS;
	return kernel_work_end(status);
}

/* One machine of those that may serve the terminal.  False: wait. */
static bool console_search(void)
{
	object_t at = console.search;
	enum status status;

	ASSERT(!console.searched);
	store_operation_begin(kernel.space.store);
	kernel_work_begin(&console.failing);
	status = terminal_search(&at);
	if (console_waits(status))
		return false;
	console.searched = status != STATUS_OK && (status != STATUS_IO || at.n == console.search.n);
	console.search = at;
	return true;
}

/* Something has happened: can the terminal still be served? */
static void console_decide(void)
{
	const char *why;

	if (resume_looks())
		return;
	kernel_work_begin(&console.failing);
	if (console_waits(console_look(&why)))
		return;
	console.look = false;
	if (!why || console.owns)
		return;
	console_take(false);
	console_print(
		"\nperdure: the shell %s.\nThis is the kernel's own console: `help` lists what "
		"it can do, `restart` makes a new shell.\n",
		why);
	console_prompt();
}

void console_reset(void)
{
	memset(&console, 0, sizeof(console));
	if (!kernel.hold)
		return;
	console_take(false);
	kernel_print_loud("perdure: generation %lu is loaded; nothing runs before you say so",
			  (unsigned long)kernel.recovery.generation.n);
	kernel_print_serial(kernel.verbose);
	console_print("This is the kernel's own console: `continue` lets the system go on, `help` "
		      "lists the commands.\n");
	if (kernel.choose)
		console.run.step = console_choose;
	else
		console_prompt();
}

/* ---- lines and commands ---------------------------------------------------------- */

void console_question(enum console_progress (*answer)(struct console_run *run))
{
	ASSERT(answer);
	console.question = answer;
}

enum console_progress console_commit(struct console_run *run,
				     const struct store_commit_request *commit,
				     enum checkpoint_end end)
{
	ASSERT(!run->answered || run->asked);
	if (run->answered)
		return CONSOLE_FINISHED;
	/* One that was given up is answered soon, and must not be taken for this one. */
	if (run->asked || console.outstanding || !checkpoint_ask(commit, end))
		return CONSOLE_WAITS;
	run->asked = console.outstanding = true;
	return CONSOLE_MORE;
}

void console_answered(enum status outcome)
{
	ASSERT(console.outstanding); /* each commit is answered once */
	console.outstanding = false;
	console.run.answered = console.run.asked;
	console.run.outcome = outcome;
}

static void console_begin(void)
{
	struct console_run *run = &console.run;

	ASSERT(!run->step);
	static_assert(sizeof(console.command) == sizeof(console.line.text), "a line with its end");
	memset(run, 0, sizeof(*run));
	memcpy(console.command, console.line.text, sizeof(console.command));
	run->words = console_line_split(console.command, run->word);
	run->began_ns = arch_time_ns();
	if (console.question) {
		run->step = console.question;
		console.question = NULL;
	} else if (run->words > CONSOLE_WORDS) {
		console_print("too many words; `help` lists the commands\n");
	} else if (run->words) {
		run->step = console_command_find(run);
	}
	if (!run->step)
		console_prompt();
}

/* One bounded part of the command under way. */
static bool console_run_step(void)
{
	struct console_run *run = &console.run;
	enum console_progress progress;

	ASSERT(run->step && console.owns);
	store_operation_begin(kernel.space.store);
	progress = time_uptime_ns() < run->retry_ns ? CONSOLE_WAITS : run->step(run);
	if (progress == CONSOLE_MORE)
		return true;
	if (progress == CONSOLE_FINISHED) {
		run->step = NULL;
		if (console.owns)
			console_prompt();
		return true;
	}
	if (!run->patient && arch_time_ns() - run->began_ns > CONSOLE_PATIENCE_NS) {
		run->patient = true;
		console_print(
			"waiting for the disk; Ctrl-C gives up the command, nothing is lost by "
			"it\n");
	}
	return false;
}

/* Ctrl-C while a command runs; what else is typed then is for nobody. */
static bool console_cancelled(void)
{
	uint8_t typed[16];
	uint32_t length = arch_console_read(typed, sizeof(typed));

	for (uint32_t i = 0; i < length; i++)
		if (typed[i] == KEY_CANCEL)
			return true;
	return false;
}

/* With what it has asked of the store. */
static void console_cancel(void)
{
	ASSERT(console.owns && console.run.step);
	console.run.step = NULL;
	console_print("^C\n");
	if (!checkpoint_withdraw())
		console_print("it is being written, and may still be done; the machine stays on\n");
	console_prompt();
}

static void console_input(uint8_t byte)
{
	struct console_echo echo;
	enum console_event event = console_line_feed(&console.line, byte, &echo);
	uint32_t room = (uint32_t)sizeof(console.output) - console.output_length;

	if (echo.length <= room) {
		memcpy(console.output + console.output_length, echo.text, echo.length);
		console.output_length += echo.length;
	}
	if (event == CONSOLE_CANCELLED) {
		console.question = NULL;
		console_prompt();
	} else if (event == CONSOLE_DONE) {
		console_begin();
	}
}

bool console_step(void)
{
	bool looks = console.look && !kernel.hold && time_uptime_ns() >= console.look_ns;
	bool more = false;
	uint8_t byte;

	if (looks && !console.searched)
		more = console_search();
	else if (looks)
		console_decide();
	if (!console.owns || !console_flush())
		return more;
	if (console.run.step) {
		if (console_is_read() || !console_cancelled())
			return console_run_step();
		console_cancel();
		return true;
	}
	if (!arch_console_read(&byte, 1))
		return more;
	console_input(byte);
	return true;
}
