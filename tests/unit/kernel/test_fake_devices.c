/* SPDX-License-Identifier: MIT */
/*
 * test_fake_devices.c - what clock, console, log, store and system do when they are asked: what
 * reaches the devices and the commits, and what comes back.
 */
#include "kernel/print.h"
#include "tests/unit/kernel/fake_matrix.h"

static void begin(enum object_type type)
{
	struct disk_capability target;

	world();
	kernel.epoch = 4;
	target = make(type);
	fake_place(&caller, TARGET, &target);
	memset(data(), 0, MESSAGE_DATA);
	registers()[REGISTER_R14] = registers()[REGISTER_R15] = 0;
	words(0, 0, 0, 0);
	registers()[call_word_register[4]] = registers()[call_word_register[5]] = 0;
}

/* With these bytes; what it is answered. */
static enum status ask(uint64_t label, const void *bytes, size_t length)
{
	if (length)
		memcpy(data(), bytes, length);
	assert_int_equal(call(ENTRY_CALL, TARGET, label, (uint32_t)length), FAKE_DONE);
	assert_int_equal(fake_result(&caller), STATUS_OK);
	return (enum status)registers()[REGISTER_RSI];
}

static uint64_t word(unsigned n)
{
	return registers()[call_word_register[n]];
}

static uint64_t answered(void)
{
	return registers()[REGISTER_RAX] >> 16 & 0xffff;
}

/* It waits for a commit that does this. */
static const struct store_commit_request *commits(uint64_t label, const void *bytes, size_t length)
{
	if (length)
		memcpy(data(), bytes, length);
	registers()[call_word_register[5]] = 77;
	assert_int_equal(call(ENTRY_CALL, TARGET, label, (uint32_t)length), FAKE_BLOCKED);
	assert_int_equal(fake_asked.commits, 1);
	assert_int_equal(fake_asked.deadline_ns, 77);
	return &fake_asked.commit;
}

static void test_clock(void **state)
{
	(void)state;
	begin(OBJECT_CLOCK);
	assert_int_equal(ask(CLOCK_NOW, NULL, 0), STATUS_OK);
	assert_int_equal(word(0), time_uptime_ns());
	assert_int_equal(word(1), fake_now_ns + 1);
	words(time_uptime_ns(), 0, 0, 0);
	assert_int_equal(ask(CLOCK_SLEEP, NULL, 0), STATUS_OK);
	words(time_uptime_ns() + 1, 0, 0, 0);
	assert_int_equal(call(ENTRY_CALL, TARGET, CLOCK_SLEEP, 0), FAKE_BLOCKED);
	assert_int_equal(fake_machine(&caller)->state, MACHINE_SLEEP);
}

/* Once in each epoch it says that it was started anew, and does nothing else. */
static void test_console(void **state)
{
	(void)state;
	begin(OBJECT_CONSOLE);
	assert_int_equal(ask(CONSOLE_WRITE, "text", 4), STATUS_RESTARTED);
	assert_int_equal(fake_asked.written, 0);
	assert_int_equal(ask(CONSOLE_WRITE, "text", 4), STATUS_OK);
	assert_int_equal(fake_asked.written, 4);
	kernel.epoch++;
	words(1, 0, 0, 0);
	assert_int_equal(ask(CONSOLE_READ, NULL, 0), STATUS_RESTARTED);
	words(1, 0, 0, 0);
	assert_int_equal(ask(CONSOLE_READ, NULL, 0), STATUS_TIMEOUT);
	words(0, 0, 0, 0);
	assert_int_equal(call(ENTRY_CALL, TARGET, CONSOLE_READ, 0), FAKE_PARKED);
}

static void test_log(void **state)
{
	static char line[LOG_LINE_MAX + 1];

	(void)state;
	begin(OBJECT_LOG);
	assert_int_equal(ask(LOG_READ, NULL, 0), STATUS_EMPTY);
	assert_int_equal(ask(LOG_WRITE, line, sizeof(line)), STATUS_INVALID);
	assert_int_equal(ask(LOG_WRITE, "said\33", 5), STATUS_OK);
	words(0, 0, 0, 0);
	assert_int_equal(ask(LOG_READ, NULL, 0), STATUS_OK);
	assert_int_equal(word(1), word(0) + answered());
	assert_memory_equal(data() + answered() - 6, "said.\n", 6);
	words(word(1), 1, 0, 0);
	assert_int_equal(ask(LOG_READ, NULL, 0), STATUS_TIMEOUT);
}

static void test_snapshots(void **state)
{
	struct store_snapshot snapshot;

	(void)state;
	begin(OBJECT_STORE);
	assert_int_equal(ask(STORE_SNAPSHOT_NEXT, NULL, 0), STATUS_OK);
	assert_int_equal(answered(), sizeof(snapshot));
	memcpy(&snapshot, data(), sizeof(snapshot));
	assert_int_equal(snapshot.number.n, FAKE_SNAPSHOT);
	words(FAKE_SNAPSHOT, 0, 0, 0);
	assert_int_equal(ask(STORE_SNAPSHOT_NEXT, NULL, 0), STATUS_NOT_FOUND);
	assert_int_equal(ask(STORE_DELETE, "none", 4), STATUS_NOT_FOUND);
	assert_int_equal(ask(STORE_RESTORE, "none", 4), STATUS_NOT_FOUND);
	assert_int_equal(ask(STORE_SNAPSHOT, "#7", 2), STATUS_INVALID);
	assert_int_equal(ask(STORE_RENAME, "a\0b", 3), STATUS_INVALID);
	assert_int_equal(ask(STORE_RETENTION, "day", 3), STATUS_INVALID);
	assert_int_equal(fake_asked.commits, 0);
}

static void test_commits(void **state)
{
	struct disk_retention rule = {.budget = 5};
	const struct store_commit_request *commit;

	(void)state;
	begin(OBJECT_STORE);
	assert_int_equal(commits(STORE_CHECKPOINT, NULL, 0)->action, STORE_ACTION_NONE);
	begin(OBJECT_STORE);
	commit = commits(STORE_SNAPSHOT, "mine", 4);
	assert_int_equal(commit->action, STORE_ACTION_SNAPSHOT);
	assert_string_equal(commit->name, "mine");
	begin(OBJECT_STORE);
	commit = commits(STORE_RESTORE, "fake", 4);
	assert_int_equal(commit->action, STORE_ACTION_RESTORE);
	assert_int_equal(commit->number.n, FAKE_SNAPSHOT);
	begin(OBJECT_STORE);
	commit = commits(STORE_DELETE, "fake", 4);
	assert_int_equal(commit->action, STORE_ACTION_DELETE);
	assert_int_equal(commit->number.n, FAKE_SNAPSHOT);
	begin(OBJECT_STORE);
	words(FAKE_SNAPSHOT, 0, 0, 0);
	commit = commits(STORE_RENAME, "other", 5);
	assert_int_equal(commit->action, STORE_ACTION_RENAME);
	assert_int_equal(commit->number.n, FAKE_SNAPSHOT);
	assert_string_equal(commit->name, "other");
	begin(OBJECT_STORE);
	commit = commits(STORE_RETENTION, &rule, sizeof(rule));
	assert_int_equal(commit->action, STORE_ACTION_RETAIN);
	assert_int_equal(commit->retention.budget, rule.budget);
	begin(OBJECT_STORE);
	commit = commits(STORE_GROW, NULL, 0);
	assert_int_equal(commit->action, STORE_ACTION_GROW);
	assert_int_equal(commit->sectors, STORE_GROW_MIN);
	assert_int_equal(fake_asked.end, CHECKPOINT_ANSWER);
}

static void test_store(void **state)
{
	struct store_statistics figures;
	struct abi_scrub scrub;

	(void)state;
	begin(OBJECT_STORE);
	words(12345, 0, 0, 0);
	assert_int_equal(ask(STORE_INTERVAL, NULL, 0), STATUS_OK);
	assert_int_equal(kernel.interval_ns, 12345);
	assert_int_equal(((struct disk_system *)fake_page(SYSTEM_PAGE))->checkpoint_ns, 12345);
	assert_int_equal(ask(STORE_STATISTICS, NULL, 0), STATUS_OK);
	assert_int_equal(answered(), sizeof(figures));
	memcpy(&figures, data(), sizeof(figures));
	assert_int_equal(figures.interval_ns, 12345);
	assert_int_equal(ask(STORE_SCRUB, NULL, 0), STATUS_OK);
	assert_int_equal(answered(), sizeof(scrub));
	memcpy(&scrub, data(), sizeof(scrub));
	assert_int_equal(ask(STORE_SCRUB, &scrub, sizeof(scrub)), STATUS_OK);
	assert_int_equal(ask(STORE_SCRUB, &scrub, sizeof(scrub) - 1), STATUS_INVALID);
}

/* The snapshot holds what there is now. */
static void test_past(void **state)
{
	struct disk_capability segment, root;
	struct disk_object record;
	void *page;

	(void)state;
	begin(OBJECT_STORE);
	segment = make(OBJECT_SEGMENT);
	record = record_of(&segment);
	fake_begin();
	assert_int_equal(space_write(&kernel.space, (page_t){record.first_page}, &page), STATUS_OK);
	memcpy(page, "contents", 8);
	fake_begin();
	assert_int_equal(object_capability(&kernel.space, (object_t){OBJECT_ROOT_DIRECTORY},
					   RIGHT_ALL, &root),
			 STATUS_OK);
	fake_place(&caller, MADE, &root);
	fake_place(&caller, OTHER, &segment);
	registers()[REGISTER_R14] = OTHER;
	memcpy(data(), "here", 4);
	assert_int_equal(call(ENTRY_CALL, MADE, DIRECTORY_LINK, 4), FAKE_DONE);
	registers()[REGISTER_R14] = 0;
	words(FAKE_SNAPSHOT, 0, 1, 0);
	assert_int_equal(ask(STORE_PAST_NAME, "here", 4), STATUS_OK);
	assert_int_equal(word(0), OBJECT_SEGMENT);
	assert_int_equal(word(1), PAGE_SIZE);
	assert_int_equal(word(3), segment.object);
	words(FAKE_SNAPSHOT, 0, 0, 0);
	assert_int_equal(ask(STORE_PAST_NAME, NULL, 0), STATUS_OK);
	assert_int_equal(answered(), 4);
	assert_memory_equal(data(), "here", 4);
	words(FAKE_SNAPSHOT, segment.object, 1, 0);
	assert_int_equal(ask(STORE_PAST_NAME, "here", 4), STATUS_WRONG_TYPE);
	words(FAKE_SNAPSHOT + 1, 0, 1, 0);
	assert_int_equal(ask(STORE_PAST_NAME, "here", 4), STATUS_NOT_FOUND);
	words(FAKE_SNAPSHOT, segment.object, 3, 0);
	assert_int_equal(ask(STORE_PAST_BYTES, NULL, 0), STATUS_OK);
	assert_int_equal(answered(), MESSAGE_DATA);
	assert_memory_equal(data(), "tents", 6);
	words(FAKE_SNAPSHOT, segment.object, PAGE_SIZE, 0);
	assert_int_equal(ask(STORE_PAST_BYTES, NULL, 0), STATUS_OK);
	assert_int_equal(answered(), 0);
}

static void test_power(void **state)
{
	static const struct {
		uint64_t label;
		enum checkpoint_end end;
	} cases[] = {{SYSTEM_POWER_OFF, CHECKPOINT_POWER_OFF}, {SYSTEM_REBOOT, CHECKPOINT_REBOOT}};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		begin(OBJECT_SYSTEM);
		assert_int_equal(commits(cases[i].label, NULL, 0)->action, STORE_ACTION_STOP);
		assert_int_equal(fake_asked.end, cases[i].end);
		assert_int_equal(fake_asked.stops, 0);
		begin(OBJECT_SYSTEM);
		words(ABI_POWER_LOSE, 0, 0, 0);
		assert_int_equal(call(ENTRY_CALL, TARGET, cases[i].label, 0), FAKE_BLOCKED);
		assert_int_equal(fake_asked.stops, 1);
		assert_int_equal(fake_asked.commits, 0);
	}
}

static void test_system(void **state)
{
	struct abi_system system;
	struct abi_machine_info info;

	(void)state;
	begin(OBJECT_SYSTEM);
	assert_int_equal(ask(SYSTEM_INFO, NULL, 0), STATUS_OK);
	memcpy(&system, data(), sizeof(system));
	assert_int_equal(system.resumes, 4);
	assert_string_equal(system.cpu, "fake");
	kernel_print("what the kernel says");
	words(0, 0, 0, 0);
	assert_int_equal(ask(SYSTEM_KERNEL_LOG, NULL, 0), STATUS_OK);
	assert_int_equal(word(1), word(0) + answered());
	assert_memory_equal(data() + answered() - 5, "says\n", 5);
	words(word(1), 0, 0, 0);
	assert_int_equal(ask(SYSTEM_KERNEL_LOG, NULL, 0), STATUS_EMPTY);
	words(0, 0, 0, 0);
	registers()[REGISTER_R15] = MADE;
	assert_int_equal(ask(SYSTEM_MACHINE_NEXT, NULL, 0), STATUS_OK);
	memcpy(&info, data(), sizeof(info));
	assert_int_equal(info.object, caller.object);
	words(client.object, 0, 0, 0);
	assert_int_equal(ask(SYSTEM_MACHINE_NEXT, NULL, 0), STATUS_NOT_FOUND);
	kernel.safe = true;
	assert_int_equal(ask(SYSTEM_CONTINUE, NULL, 0), STATUS_OK);
	assert_false(kernel.safe);
	assert_int_equal(fake_asked.resumes, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(clock), TEST(console), TEST(log),	 TEST(snapshots), TEST(commits),
		TEST(store), TEST(past),    TEST(power), TEST(system),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
