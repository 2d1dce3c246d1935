/* SPDX-License-Identifier: MIT */
/*
 * console_store.c - the console's commands about generations, and the ways to stop.
 */
#include "base/calendar.h"
#include "base/quantity.h"
#include "base/text.h"
#include "kernel/console_priv.h"
#include "kernel/print.h"
#include "kernel/service.h"
#include "base/assert.h"
#include <string.h>

/* No terminal is asked how large it is: 24 rows are not exceeded by the present state and
 * so many generations, of four rows each at most.  The last column stays empty. */
#define CHOICES	    5u
#define CHOICE_ROWS 2u /* of machines */
#define COLUMNS	    79u
#define INDENT	    "      "
#define CHOICE_MORE "more"

static struct {
	struct store_snapshot choice[CHOICES]; /* newest first */
	uint32_t choices, shown, machines, rows, column;
	bool older;	/* there are more */
	uint64_t below; /* only those with smaller numbers; 0: all */
	object_t shell; /* named first, if it is there */
} console_store;

/* A piece of a line, which never wraps: where there is no room for it and for `more`
 * bytes behind it, it begins another line. */
static void piece(const char *text, uint32_t more)
{
	uint32_t length = (uint32_t)strlen(text);

	if (console_store.column + length + more > COLUMNS) {
		console_print("\n" INDENT);
		console_store.column = sizeof(INDENT) - 1;
	}
	console_print("%s", text);
	console_store.column += length;
}

static void piece_first(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void piece_first(const char *format, ...)
{
	char text[COLUMNS + 1];
	va_list arguments;

	va_start(arguments, format);
	console_store.column = (uint32_t)text_vformat_shown(text, sizeof(text), format, arguments);
	va_end(arguments);
	console_print("%s", text);
}

/* ---- which snapshot ------------------------------------------------------------------- */

/* The next one that can be gone back to, or that cannot be read. */
static enum status snapshot_next(uint64_t *at, struct store_snapshot *snapshot)
{
	do {
		enum status status =
			store_snapshot_next(kernel.space.store, (snapshot_t){*at}, snapshot);

		if (status != STATUS_OK && status != STATUS_CORRUPT && status != STATUS_IO)
			return status;
		*at = snapshot->number.n;
	} while (snapshot->flags & STORE_SNAPSHOT_GONE);
	return STATUS_OK;
}

/* The one that word 1 means, the newest if there are several: run->search.found. */
static enum console_progress run_find(struct console_run *run)
{
	struct store_snapshot snapshot;
	enum status status;

	if (!run->at)
		keeping_search_begin(&run->search, run->word[1], arch_wall_ns());
	status = snapshot_next(&run->at, &snapshot);
	if (status == STATUS_WAIT)
		return CONSOLE_WAITS;
	if (status != STATUS_OK)
		return CONSOLE_FINISHED;
	keeping_search_look(&run->search, &snapshot);
	return CONSOLE_MORE;
}

/* True, and said, if it cannot be read. */
static bool unread(const struct store_snapshot *snapshot)
{
	bool failed = snapshot->flags & STORE_SNAPSHOT_FAILED;

	if (!(snapshot->flags & STORE_SNAPSHOT_UNREADABLE))
		return false;
	console_print("up to #%lu: cannot be read: %s\n", (unsigned long)snapshot->number.n,
		      status_text(failed ? STATUS_IO : STATUS_CORRUPT));
	return true;
}

static const char *age_of(const struct store_snapshot *snapshot, char text[24])
{
	uint64_t now = arch_wall_ns();

	return console_duration(now > snapshot->wall_ns ? now - snapshot->wall_ns : 0, text);
}

enum console_progress console_snapshots(struct console_run *run)
{
	struct store_snapshot snapshot;
	char age[24];
	enum status status = snapshot_next(&run->at, &snapshot);

	if (status == STATUS_WAIT)
		return CONSOLE_WAITS;
	if (status != STATUS_OK && status != STATUS_NOT_FOUND)
		console_print("snapshots: %s\n", status_text(status));
	if (status == STATUS_OK && !unread(&snapshot)) {
		piece_first("#%-5lu generation %-8lu %8s old  ", (unsigned long)snapshot.number.n,
			    (unsigned long)snapshot.generation.n, age_of(&snapshot, age));
		piece(snapshot.name, 0);
		console_print("\n");
	}
	return status == STATUS_OK ? CONSOLE_MORE : CONSOLE_FINISHED;
}

/* As the shell says it. */
static void say_which(const struct console_run *run)
{
	const struct store_snapshot *snapshot = &run->search.found;
	struct calendar_time time = calendar_from_ns(snapshot->wall_ns);
	char age[24];

	console_print("%s: snapshot %lu, %s, generation %lu, taken %04u-%02u-%02u %02u:%02u:%02u "
		      "UTC, %s ago\n",
		      run->word[0], (unsigned long)snapshot->number.n, snapshot->name,
		      (unsigned long)snapshot->generation.n, time.year, time.month, time.day,
		      time.hour, time.minute, time.second, age_of(snapshot, age));
}

/* Finds the snapshot, has the commit made, says what became of it. */
static enum console_progress run_action(struct console_run *run, enum store_action action)
{
	struct store_commit_request commit = {.action = action};
	enum console_progress progress;

	if (!run->stage) {
		progress = run_find(run);
		if (progress != CONSOLE_FINISHED)
			return progress;
		if (keeping_search_doubtful(&run->search)) {
			console_print("%s: %s: %s\n", run->word[0], run->word[1],
				      status_text(STATUS_IO));
			return CONSOLE_FINISHED;
		}
		if (!run->search.found.number.n) {
			console_print("%s: %s: no such snapshot; `snapshots` lists them\n",
				      run->word[0], run->word[1]);
			return CONSOLE_FINISHED;
		}
		say_which(run);
		run->stage = 1;
		return CONSOLE_MORE;
	}
	commit.number = run->search.found.number;
	progress = console_commit(run, &commit, CHECKPOINT_ANSWER);
	if (progress != CONSOLE_FINISHED)
		return progress;
	if (run->outcome != STATUS_OK)
		console_print("%s %s: %s\n", run->word[0], run->search.found.name,
			      status_text(run->outcome));
	else
		console_print("%s: %s: done\n", run->word[0], run->search.found.name);
	return CONSOLE_FINISHED;
}

/* If it succeeds, this is not answered: the whole system goes on from there. */
enum console_progress console_restore(struct console_run *run)
{
	return run_action(run, STORE_ACTION_RESTORE);
}

enum console_progress console_delete(struct console_run *run)
{
	return run_action(run, STORE_ACTION_DELETE);
}

/* ---- choosing a generation -------------------------------------------------------------- */

enum choose_stage { CHOOSE_BEGIN, CHOOSE_COLLECT, CHOOSE_HEAD, CHOOSE_MACHINES, CHOOSE_QUESTION };

static enum console_progress choose_answer(struct console_run *run);

static void choose_ask(void)
{
	console_print(console_store.older ? "Which one? A number, `" CHOICE_MORE
					    "` for older ones, or Enter: "
					  : "Which one? A number, or Enter: ");
	console_question(choose_answer);
}

static enum console_progress choose_none(const struct console_run *run)
{
	console_print(text_equal(run->word[0], CHOICE_MORE)
			      ? "there are no older ones\n"
			      : "'%.20s' is none of these numbers; Ctrl-C leaves them\n",
		      run->word[0]);
	choose_ask();
	return CONSOLE_FINISHED;
}

/* The number is the snapshot's own: one that has scrolled away can be meant as well. */
static enum console_progress choose_number(struct console_run *run)
{
	static char restore[] = "restore", meant[24];
	const char *word = run->word[0];
	enum console_progress progress;
	uint64_t number;

	if (!quantity_digits(&word, UINT64_MAX, &number) || *word || !number)
		return choose_none(run);
	text_format(meant, sizeof(meant), "#%lu", (unsigned long)number);
	run->word[1] = meant;
	progress = run_find(run);
	if (progress != CONSOLE_FINISHED)
		return progress;
	if (keeping_search_doubtful(&run->search)) {
		console_print("%s: %s\n", meant, status_text(STATUS_IO));
		return CONSOLE_FINISHED;
	}
	if (!run->search.found.number.n)
		return choose_none(run);
	console_print("the present state is kept as a snapshot, before-restore-...\n");
	run->word[0] = restore;
	run->at = 0;
	run->step = console_restore;
	return CONSOLE_MORE;
}

static enum console_progress choose_answer(struct console_run *run)
{
	if (!run->words)
		return kernel.hold ? console_continue(run) : CONSOLE_FINISHED;
	if (!console_store.older || !text_equal(run->word[0], CHOICE_MORE))
		return choose_number(run);
	console_store.below = console_store.choice[console_store.choices - 1].number.n;
	console_store.choices = 0;
	console_store.older = false;
	console_store.shown = 1;
	run->stage = CHOOSE_COLLECT;
	run->step = console_choose;
	return CONSOLE_MORE;
}

/* The newest come last in the list of all: they are kept in the order of their numbers,
 * then put newest first. */
static enum console_progress choose_collect(struct console_run *run)
{
	struct store_snapshot *choice = console_store.choice, snapshot;
	enum status status = snapshot_next(&run->at, &snapshot);

	if (status == STATUS_WAIT)
		return CONSOLE_WAITS;
	if (status != STATUS_OK)
		return CONSOLE_FINISHED;
	if (unread(&snapshot))
		return CONSOLE_MORE;
	if (console_store.below && snapshot.number.n >= console_store.below)
		return CONSOLE_FINISHED;
	console_store.older = console_store.choices == CHOICES;
	if (!console_store.older)
		console_store.choices++;
	ASSERT(console_store.choices);
	memmove(choice + 1, choice, (console_store.choices - 1) * sizeof(*choice));
	choice[0] = snapshot;
	return CONSOLE_MORE;
}

/* The present state, or the choice that is shown. */
static enum status choose_open(struct space **space)
{
	snapshot_t snapshot = {0};

	ASSERT(console_store.shown <= console_store.choices && console_store.choices <= CHOICES);
	if (console_store.shown)
		snapshot = console_store.choice[console_store.shown - 1].number;
	return service_past_open(snapshot, space);
}

/* The shell, then all others in the order of their numbers. */
static enum status choose_next(const struct console_run *run, struct space *space, object_t *object)
{
	if (!console_store.machines && console_store.shell.n) {
		*object = console_store.shell;
		return STATUS_OK;
	}
	return machine_next(space, (object_t){(uint32_t)run->at + 1}, object);
}

/* False: there is no room for it. */
static bool choose_name(const char *name, const char *state)
{
	char text[2 + MACHINE_NAME + STATE_NAME];
	uint32_t length = (uint32_t)text_format(text, sizeof(text), "%s %s", name, state);

	if (!console_store.machines++) {
		piece_first(INDENT);
	} else {
		if (console_store.column + length + sizeof(", , ...") - 1 > COLUMNS &&
		    ++console_store.rows == CHOICE_ROWS)
			return false;
		piece(", ", 0);
	}
	piece(text, sizeof(", ...") - 1);
	return true;
}

/* One more machine in it, or the end of the line. */
static enum console_progress choose_machine(struct console_run *run)
{
	struct space *space;
	struct abi_machine_info info;
	object_t object;
	bool first, fits;
	enum status status = choose_open(&space);

	if (status == STATUS_OK)
		status = choose_next(run, space, &object);
	if (status == STATUS_WAIT)
		return CONSOLE_WAITS;
	if (status != STATUS_OK) {
		console_print(status == STATUS_NOT_FOUND ? "\n" : "      (cannot be read)\n");
		return CONSOLE_FINISHED;
	}
	space->kept_pages = 0;
	status = service_machine_info(space, object, &info);
	if (status == STATUS_WAIT)
		return CONSOLE_WAITS;
	first = !console_store.machines && object.n == console_store.shell.n;
	if (!first)
		run->at = object.n;
	if (first &&
	    (status == STATUS_DEAD || status == STATUS_NOT_FOUND || status == STATUS_WRONG_TYPE))
		console_store.shell.n = 0;
	else if (status != STATUS_DEAD && (first || object.n != console_store.shell.n)) {
		if (status != STATUS_OK)
			fits = choose_name("(one that cannot be read)", "");
		else
			fits = choose_name(info.name, info.state_name[0]
							      ? info.state_name
							      : console_state_names[info.state]);
		if (!fits) {
			console_print(", ...\n");
			return CONSOLE_FINISHED;
		}
	}
	return CONSOLE_MORE;
}

/* The head of the next generation's lines.  The first is the present one. */
static enum console_progress choose_head(struct console_run *run)
{
	const struct disk_system *system;
	struct space *space;
	char age[24];
	enum status status = choose_open(&space);

	if (status == STATUS_OK)
		status = system_read(space, &system);
	if (status == STATUS_WAIT)
		return CONSOLE_WAITS;
	console_store.shell.n = status == STATUS_OK && system->terminal.version
					? (uint32_t)system->terminal.object
					: 0;
	if (!console_store.shown) {
		console_print("Enter: the present state, generation %lu\n",
			      (unsigned long)store_durable(kernel.space.store).n);
	} else {
		const struct store_snapshot *snapshot =
			&console_store.choice[console_store.shown - 1];

		piece_first("%5lu: generation %lu, %s old, ", (unsigned long)snapshot->number.n,
			    (unsigned long)snapshot->generation.n, age_of(snapshot, age));
		piece(snapshot->name, 0);
		console_print("\n");
	}
	console_store.machines = console_store.rows = 0;
	run->at = 0;
	if (status != STATUS_OK)
		console_print("      (cannot be read: %s)\n", status_text(status));
	return status == STATUS_OK ? CONSOLE_MORE : CONSOLE_FINISHED;
}

enum console_progress console_choose(struct console_run *run)
{
	enum console_progress progress = CONSOLE_FINISHED;

	if (run->stage == CHOOSE_BEGIN) {
		console_store.choices = console_store.shown = 0;
		console_store.below = 0;
		console_store.older = false;
	} else if (run->stage == CHOOSE_COLLECT) {
		progress = choose_collect(run);
	} else if (run->stage == CHOOSE_HEAD) {
		progress = choose_head(run);
	} else if (run->stage == CHOOSE_MACHINES) {
		progress = choose_machine(run);
	}
	if (progress == CONSOLE_WAITS || (progress == CONSOLE_MORE && run->stage != CHOOSE_HEAD))
		return progress;
	if (run->stage == CHOOSE_QUESTION) {
		choose_ask();
		return CONSOLE_FINISHED;
	}
	/* A head is followed by its machines, unless they cannot be had, and by the next. */
	if (run->stage < CHOOSE_COLLECT || progress == CONSOLE_MORE)
		run->stage++;
	else if (run->stage == CHOOSE_COLLECT)
		run->stage = console_store.shown <= console_store.choices ? CHOOSE_HEAD
									  : CHOOSE_QUESTION;
	else
		run->stage = console_store.shown++ < console_store.choices ? CHOOSE_HEAD
									   : CHOOSE_QUESTION;
	return CONSOLE_MORE;
}

/* ---- the end ---------------------------------------------------------------------------- */

static enum console_progress run_stop(struct console_run *run, enum checkpoint_end end)
{
	const struct store_commit_request commit = {.action = STORE_ACTION_STOP};
	enum console_progress progress;

	if (run->words > 1 && !text_equal(run->word[1], "--lose")) {
		console_print("%s: '%s' is not known; --lose stops without making anything "
			      "durable\n",
			      run->word[0], run->word[1]);
		return CONSOLE_FINISHED;
	}
	if (run->words > 1) {
		kernel_print_loud("perdure: generation %lu stays; what is newer is given up",
				  (unsigned long)store_durable(kernel.space.store).n);
		if (end == CHECKPOINT_REBOOT)
			arch_reboot();
		arch_power_off();
	}
	progress = console_commit(run, &commit, end);
	if (progress == CONSOLE_FINISHED)
		console_print("%s: %s\n", run->word[0], status_text(run->outcome));
	return progress;
}

enum console_progress console_reboot(struct console_run *run)
{
	return run_stop(run, CHECKPOINT_REBOOT);
}

enum console_progress console_poweroff(struct console_run *run)
{
	return run_stop(run, CHECKPOINT_POWER_OFF);
}
