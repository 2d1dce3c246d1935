/* SPDX-License-Identifier: MIT */
/*
 * test_console_store.c - kernel/console_store.c: `choose` over a catalogue that can be read,
 * and that cannot any more.
 */
#include "kernel/console_priv.h"
#include "kernel/print.h"
#include "kernel/service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include "base/text.h"

#define SNAPSHOTS 12u

struct kernel kernel;
const char *const console_state_names[MACHINE_STATES];

static struct {
	enum status catalogue; /* what reading it says */
	char said[4096];
	size_t length;
	enum console_progress (*answer)(struct console_run *run);
	uint64_t restored;
} fake;

enum status store_snapshot_next(struct store *store, snapshot_t after,
				struct store_snapshot *snapshot)
{
	(void)store;
	memset(snapshot, 0, sizeof(*snapshot));
	if (after.n >= SNAPSHOTS)
		return STATUS_NOT_FOUND;
	/* Damage hides all of them. */
	snapshot->number.n = fake.catalogue == STATUS_OK ? after.n + 1 : SNAPSHOTS;
	snapshot->generation.n = 10 * snapshot->number.n;
	if (fake.catalogue != STATUS_OK)
		snapshot->flags = STORE_SNAPSHOT_UNREADABLE |
				  (fake.catalogue == STATUS_IO ? STORE_SNAPSHOT_FAILED : 0);
	text_format(snapshot->name, sizeof(snapshot->name), "s%u", (unsigned)snapshot->number.n);
	return fake.catalogue;
}

void console_print(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fake.length += text_vformat(fake.said + fake.length, sizeof(fake.said) - fake.length,
				    format, arguments);
	va_end(arguments);
}

void console_question(enum console_progress (*answer)(struct console_run *run))
{
	fake.answer = answer;
}

enum console_progress console_commit(struct console_run *run,
				     const struct store_commit_request *commit,
				     enum checkpoint_end end)
{
	(void)end;
	fake.restored = commit->number.n;
	run->outcome = STATUS_OK;
	return CONSOLE_FINISHED;
}

enum console_progress console_continue(struct console_run *run)
{
	(void)run;
	return CONSOLE_FINISHED;
}

const char *console_duration(uint64_t ns, char text[24])
{
	text_format(text, 24, "%lu", (unsigned long)ns);
	return text;
}

enum status service_past_open(snapshot_t snapshot, struct space **space)
{
	(void)snapshot;
	*space = &kernel.space;
	return STATUS_OK;
}

enum status service_machine_info(struct space *space, object_t object,
				 struct abi_machine_info *info)
{
	(void)space;
	(void)object;
	(void)info;
	return STATUS_NOT_FOUND;
}

enum status machine_next(struct space *space, object_t from, object_t *object)
{
	(void)space;
	(void)from;
	(void)object;
	return STATUS_NOT_FOUND;
}

enum status system_read(struct space *space, const struct disk_system **system)
{
	static struct disk_system page;

	(void)space;
	*system = &page;
	return STATUS_OK;
}

generation_t store_durable(const struct store *store)
{
	(void)store;
	return (generation_t){10 * SNAPSHOTS};
}

uint64_t store_operation(const struct store *store)
{
	(void)store;
	return 1;
}

uint64_t arch_wall_ns(void)
{
	return UINT64_C(1000000000000);
}

void kernel_print_loud(const char *format, ...)
{
	(void)format;
}

void arch_reboot(void)
{
	abort();
}

void arch_power_off(void)
{
	abort();
}

/* Runs it to its end; what it said. */
static const char *run_to_end(struct console_run *run)
{
	unsigned steps = 0;

	fake.length = 0;
	fake.said[0] = '\0';
	fake.answer = NULL;
	while (run->step(run) != CONSOLE_FINISHED)
		assert_true(steps++ < 1000);
	return fake.said;
}

static const char *choose(void)
{
	struct console_run run = {.step = console_choose, .words = 1, .word = {"choose"}};

	return run_to_end(&run);
}

/* To the question that was asked last. */
static const char *answer(char *word)
{
	struct console_run run = {.step = fake.answer, .words = 1, .word = {word}};

	assert_non_null(fake.answer);
	return run_to_end(&run);
}

static char more[] = "more", none[] = "99", seven[] = "7";

static void test_pages(void **state)
{
	const char *said;

	(void)state;
	memset(&fake, 0, sizeof(fake));
	said = choose();
	assert_true(strstr(said, "s12") && strstr(said, "s8") && !strstr(said, "s7"));
	assert_non_null(strstr(said, "`more`"));
	said = answer(more);
	assert_true(strstr(said, "s7") && strstr(said, "s3") && !strstr(said, "s8"));
	said = answer(more);
	assert_true(strstr(said, "s2") && strstr(said, "s1") && !strstr(said, "`more`"));
	assert_non_null(strstr(answer(more), "there are no older ones"));
	assert_non_null(strstr(answer(none), "none of these numbers"));
	answer(seven);
	assert_int_equal(fake.restored, 7);
}

/* After the first page nothing can be read any more; the question is asked nevertheless. */
static void test_more_unread(void **state)
{
	static const enum status faults[] = {STATUS_IO, STATUS_CORRUPT, STATUS_NO_MEMORY};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		const char *said;

		memset(&fake, 0, sizeof(fake));
		assert_non_null(strstr(choose(), "`more`"));
		fake.catalogue = faults[i];
		said = answer(more);
		assert_true(i == 2 || strstr(said, "up to #12: cannot be read"));
		assert_non_null(strstr(said, "Which one? A number, or Enter"));
		assert_non_null(strstr(answer(more), "there are no older ones"));
		assert_non_null(strstr(answer(none), "none of these numbers"));
		assert_non_null(strstr(answer(seven),
				       i == 0 ? status_text(STATUS_IO) : "none of these numbers"));
		/* The catalogue is back. */
		fake.catalogue = STATUS_OK;
		assert_non_null(strstr(choose(), "s12"));
		answer(seven);
		assert_int_equal(fake.restored, 7);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_more_unread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
