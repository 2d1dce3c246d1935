/* SPDX-License-Identifier: MIT */
/*
 * main.c - every operation of kernel/abi.h from ring 3, with its errors.
 *
 *	selftest		the result is in the log and in /demo/selftest
 *
 * Started with `run -g` it has the store and the system and tests these too.
 * Some tests need a second machine: it starts itself with an argument that says
 * what to do (see child.c).
 */
#include "user/programs/selftest/selftest.h"

#include "user/lib/file.h"
#include "user/lib/message.h"
#include "user/lib/program.h"
#include "user/lib/service.h"
#include "user/lib/table.h"
#include "base/text.h"

#define SELFTEST_PATH "/demo/selftest"

static unsigned passed, failed;

bool selftest_check(bool condition, const char *text, const char *file, int line)
{
	if (condition) {
		passed++;
	} else {
		failed++;
		log_print("%s:%d: false: %s", file, line, text);
	}
	return condition;
}

bool selftest_expect(enum status status, enum status wanted, const char *text, const char *file,
		     int line)
{
	if (status == wanted) {
		passed++;
		return true;
	}
	failed++;
	log_print("%s:%d: %s: answered %u (%s), not %u", file, line, text, status,
		  status_text(status), wanted);
	return false;
}

static void selftest_bank(void)
{
	struct message message = {.take = {SLOT_B}};
	struct bank_usage usage;

	EXPECT(message_request(SLOT_BANK, LABEL(OBJECT_BANK, OBJECT_REPLY), &message),
	       NO_OPERATION);
	EXPECT(message_request(SLOT_BANK, LABEL(OBJECT_BANK, OBJECT_CLOCK), &message),
	       NO_OPERATION);
	EXPECT(bank_usage(OWN_BANK, &usage), OK);
	CHECK(usage.objects > 0 && usage.pages > 0 && usage.pages <= usage.limit);
	EXPECT(table_reduce(OWN_TABLE, SLOT_BANK, SLOT_A, RIGHT_READ), OK);
	EXPECT(bank_port(BANK(SLOT_A), 4, SLOT_B), NO_RIGHT);
}

static void selftest_report(void)
{
	struct file file;

	log_print("selftest: %u passed, %u failed", passed, failed);
	if (file_open(&file, SELFTEST_PATH, RIGHT_READ | RIGHT_WRITE) != STATUS_OK) {
		/* It is to stay when this program has ended. */
		program_check(file_create_named(&file, SELFTEST_PATH, PAGE_SIZE), "make an object");
	}
	program_check(file_print(&file, "selftest: %u passed, %u failed\n", passed, failed),
		      "write " SELFTEST_PATH);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return selftest_child(argc, argv);
	selftest_tables();
	selftest_forgery();
	selftest_segments();
	selftest_directories();
	selftest_ports();
	selftest_calls();
	selftest_waiting_sender();
	selftest_control();
	selftest_keepers();
	selftest_windows();
	selftest_views();
	selftest_foreign();
	selftest_replies();
	selftest_clock();
	selftest_log();
	selftest_heap();
	selftest_services();
	selftest_bank();
	selftest_banks();
	selftest_report();
	return failed != 0;
}
