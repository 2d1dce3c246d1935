/* SPDX-License-Identifier: MIT */
/*
 * test_console.c - whose the terminal is, and who is told that what it shows is out of date.
 */
#include "kernel/console_priv.h"
#include "kernel/print.h"
#include "kernel/syscall.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OLD    7u
#define NEW    9u
#define KEEPER 11u

#pragma GCC diagnostic ignored "-Wunused-parameter"

/* ---- the rest of the kernel: the machine that served the terminal has ended ------------- */

struct kernel kernel;
static struct disk_system system_page;
static char shown[8192];

enum status system_read(struct space *space, const struct disk_system **system)
{
	*system = &system_page;
	return STATUS_OK;
}

enum status system_prepare(struct space *space, struct disk_system **system)
{
	*system = &system_page;
	return STATUS_OK;
}

static bool has_ended;
static struct disk_machine machines[] = {
	{.object = OLD, .version = OLD},
	{.object = KEEPER, .version = KEEPER, .state = MACHINE_READY},
};

enum status object_read(struct space *space, object_t object, struct disk_object *record)
{
	*record = (struct disk_object){.version = object.n};
	return has_ended ? STATUS_DEAD : STATUS_OK;
}

enum status machine_read(struct space *space, object_t object, struct disk_machine **machine)
{
	*machine = &machines[object.n == KEEPER];
	return STATUS_OK;
}

enum status fault_keeper(const struct disk_machine *machine, struct disk_object *port,
			 object_t *keeper, uint64_t *version)
{
	*keeper = (object_t){KEEPER};
	*version = KEEPER;
	return machine->keeper.version ? STATUS_OK : STATUS_DEAD;
}

enum status terminal_search(object_t *at)
{
	return STATUS_NOT_FOUND;
}

uint32_t arch_console_write(const uint8_t *bytes, uint32_t length)
{
	strncat(shown, (const char *)bytes, length);
	return length;
}

static const char *typed = "";

uint32_t arch_console_read(uint8_t *bytes, uint32_t length)
{
	uint32_t count = (uint32_t)strnlen(typed, length);

	memcpy(bytes, typed, count);
	typed += count;
	return count;
}

bool kernel_work_end(enum status status)
{
	return status == STATUS_WAIT;
}

void kernel_work_begin(struct failing *failing)
{
}

bool resume_looks(void)
{
	return false;
}

uint64_t arch_time_ns(void)
{
	return 1;
}

uint64_t time_uptime_ns(void)
{
	return 1;
}

void essential_changed(void)
{
}

void store_operation_begin(struct store *store)
{
}

void task_wake_channel(uint32_t channel)
{
}

void kernel_print_loud(const char *format, ...)
{
}

void kernel_print_serial(bool on)
{
}

/* Nothing of these is come to. */
#define NEVER(declaration)                                                                         \
	declaration                                                                                \
	{                                                                                          \
		abort();                                                                           \
	}
NEVER(enum status space_read(struct space *space, page_t page, void **data))
NEVER(bool checkpoint_ask(const struct store_commit_request *commit, enum checkpoint_end end))
NEVER(enum console_progress console_choose(struct console_run *run))

enum console_progress console_restart(struct console_run *run)
{
	return CONSOLE_MORE;
}

enum console_progress (*console_command_find(const struct console_run *run))(struct console_run *)
{
	return console_restart;
}

bool checkpoint_withdraw(void)
{
	return true;
}

/* ---- tests ------------------------------------------------------------------------------ */

static enum status claim(uint64_t version)
{
	const struct disk_machine machine = {.object = (uint32_t)version, .version = version};

	return console_claim(&machine);
}

static void told(uint64_t version)
{
	const struct disk_machine machine = {.version = version};

	console_told(&machine);
}

/* The terminal is the kernel's, because its machine has ended. */
static void taken(void)
{
	shown[0] = 0;
	console_examine();
	for (int i = 0; i < 5; i++)
		console_step();
	assert_non_null(strstr(shown, "the shell has ended"));
	assert_non_null(strstr(shown, "kernel> "));
}

static int setup(void **state)
{
	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	memset(&system_page, 0, sizeof(system_page));
	has_ended = true;
	machines[0].state = MACHINE_READY;
	console_reset();
	/* The first call after a resume. */
	told(OLD);
	assert_int_equal(claim(OLD), STATUS_OK);
	assert_int_equal(system_page.terminal.version, OLD);
	return 0;
}

/* Who had it before shows its line again, once. */
static void test_comes_back(void **state)
{
	(void)state;
	taken();
	assert_int_equal(claim(OLD), STATUS_RESTARTED);
	assert_int_equal(claim(OLD), STATUS_OK);
	taken();
	assert_int_equal(claim(OLD), STATUS_RESTARTED);
	assert_int_equal(claim(OLD), STATUS_OK);
}

/* A new shell runs as soon as it is there, and writes and reads before the command that
 * makes it is through with the old one: what it shows is on the terminal. */
static void test_new_shell_is_early(void **state)
{
	(void)state;
	taken();
	told(NEW);
	assert_int_equal(claim(NEW), STATUS_OK);
	console_give_back(); /* the command's end */
	assert_int_equal(claim(NEW), STATUS_OK);
	assert_int_equal(system_page.terminal.version, NEW);
}

/* What is typed at its prompt is not lost, and is not for the command. */
static void test_new_shell_is_typed_to(void **state)
{
	(void)state;
	taken();
	typed = "restart\rx";
	for (int i = 0; i < 20; i++)
		console_step();
	assert_string_equal(typed, "");
	assert_true(console_restarts());
	told(NEW);
	typed = "\003ps\r";
	for (int i = 0; i < 20; i++)
		console_step();
	assert_true(console_restarts());
	assert_string_equal(typed, "\003ps\r");
	/* Who asks for the console now gets it, and what he types is for that. */
	shown[0] = 0;
	console_asked();
	assert_true(console_holds_output());
	assert_false(console_restarts());
	for (int i = 0; i < 5; i++)
		console_step();
	assert_non_null(strstr(shown, "kernel> "));
	/* One that is not there yet can be given up. */
	console_give_back();
	assert_int_equal(claim(NEW), STATUS_RESTARTED);
	taken();
	typed = "restart\r\003";
	for (int i = 0; i < 20; i++)
		console_step();
	assert_false(console_restarts());
}

static void test_new_shell_is_late(void **state)
{
	(void)state;
	taken();
	console_give_back();
	told(NEW);
	assert_int_equal(claim(NEW), STATUS_OK);
}

/* A person has it until he gives it back. */
static void test_asked(void **state)
{
	(void)state;
	console_asked();
	assert_true(console_holds_output());
	assert_int_equal(claim(OLD), STATUS_BUSY);
	console_give_back();
	assert_false(console_holds_output());
	assert_int_equal(claim(OLD), STATUS_RESTARTED);
	assert_int_equal(claim(OLD), STATUS_OK);
}

/* It has faulted, and its keeper is to put it on its feet. */
static void faults(void)
{
	shown[0] = 0;
	has_ended = false;
	machines[0].state = MACHINE_FAULTED;
	machines[0].keeper.version = 1;
	machines[1].reply.object = OLD;
	console_examine();
	for (int i = 0; i < 5; i++)
		console_step();
	assert_string_equal(shown, "");
}

/* A keeper that finds the store full again and again is of no use, and one that cannot run
 * at all; one that waits for a while is. */
static void test_keeper_waits(void **state)
{
	(void)state;
	faults();
	for (int i = 0; i < 4; i++)
		console_full(KEEPER);
	console_full(NEW); /* nobody's business */
	console_step();
	assert_string_equal(shown, "");
	console_full(KEEPER);
	for (int i = 0; i < 5; i++)
		console_step();
	assert_non_null(strstr(shown, "the shell has faulted"));
}

static void test_keeper_cannot_run(void **state)
{
	(void)state;
	faults();
	console_stuck(KEEPER, STATUS_CORRUPT);
	for (int i = 0; i < 5; i++)
		console_step();
	assert_non_null(strstr(shown, "the shell has faulted"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_comes_back, setup),
		cmocka_unit_test_setup(test_new_shell_is_early, setup),
		cmocka_unit_test_setup(test_new_shell_is_typed_to, setup),
		cmocka_unit_test_setup(test_new_shell_is_late, setup),
		cmocka_unit_test_setup(test_asked, setup),
		cmocka_unit_test_setup(test_keeper_waits, setup),
		cmocka_unit_test_setup(test_keeper_cannot_run, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
