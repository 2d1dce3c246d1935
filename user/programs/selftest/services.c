/* SPDX-License-Identifier: MIT */
/*
 * services.c - clock, log, and with `run -g` store and system.
 */
#include "user/programs/selftest/selftest.h"

#include <string.h>
#include "base/text.h"
#include "user/lib/machine.h"
#include "user/lib/message.h"
#include "user/lib/service.h"
#include "user/lib/table.h"

void selftest_clock(void)
{
	struct message message = {0};
	uint64_t before, after, wall;

	CHECK(clock_now(&before, &wall) == STATUS_OK && before > 0);
	EXPECT(clock_sleep_until(before + 10 * NS_PER_MILLISECOND), OK);
	after = clock_uptime();
	CHECK(after >= before + 10 * NS_PER_MILLISECOND);
	EXPECT(clock_sleep_until(1), OK);
	message.deadline = clock_uptime() + NS_PER_MILLISECOND;
	EXPECT(message_receive(OWN_PORT, &message), TIMEOUT);
	message_yield();
	CHECK(clock_uptime() >= after);
}

/* Is this the end of the log? */
static bool log_ends(const char *wanted)
{
	static char part[MESSAGE_DATA];
	uint64_t position = 0;
	size_t length, last = 0, size = strlen(wanted);

	while (log_read(&position, part, &length) == STATUS_OK && length)
		last = length;
	return last >= size && memcmp(part + last - size, wanted, size) == 0;
}

/* Does it end so when this was written?  Somebody else may write in between: then once more. */
static bool log_takes(const char *said, size_t length, const char *wanted)
{
	bool taken = false;

	for (unsigned i = 0; i < 50 && !taken; i++)
		taken = log_write(said, length) == STATUS_OK && log_ends(wanted);
	return taken;
}

/* What would steer the terminal that it is read on does not get into it, and who says
 * something is told by number. */
static void log_is_text(void)
{
	static const char said[] = "tab\t \x1b \x9b \xc2\x9b \xc3\xa9\x7f";
	struct abi_machine_info self = {.object = 0};
	char wanted[64];

	EXPECT(machine_info(OWN_MACHINE, &self), OK);
	text_format(wanted, sizeof(wanted), " %u %s: tab\t . . \xc2. \xc3\xa9.\n", self.object,
		    self.name);
	CHECK(log_takes(said, sizeof(said) - 1, wanted));
}

void selftest_log(void)
{
	static char text[MESSAGE_DATA];
	uint64_t position = UINT64_MAX / 2;
	struct message message = {.data = text, .length = LOG_LINE_MAX + 1};
	size_t length;

	/* Longer than a line of the log, as a message can carry it: refused.  The library
	 * cuts it instead of losing it; that is the one long line that is left in the log. */
	memset(text, 'x', sizeof(text));
	EXPECT(message_request(SLOT_LOG, LOG_WRITE, &message), INVALID);
	EXPECT(log_write(text, LOG_LINE_MAX + 1), OK);
	CHECK(log_read(&position, text, &length) != STATUS_OK);
	position = 0;
	EXPECT(log_read(&position, text, &length), OK);
	CHECK(length > 0 && position >= length);
	log_is_text();
}

/* With `run -g` only. */
void selftest_services(void)
{
	struct abi_machine_info machine = {.object = 0};
	uint64_t generation;
	struct store_statistics store;
	struct abi_system system;
	struct table_info info;
	unsigned machines = 0;

	if (table_info(OWN_TABLE, SLOT_STORE, &info) != STATUS_OK || info.type != OBJECT_STORE)
		return;
	EXPECT(store_checkpoint(&generation), OK);
	CHECK(store_statistics(&store) == STATUS_OK && store.durable.n >= generation);
	EXPECT(store_restore("no-such-snapshot", &generation), NOT_FOUND);
	EXPECT(store_delete("no-such-snapshot"), NOT_FOUND);
	EXPECT(store_snapshot("two\nlines", &generation), INVALID);
	EXPECT(table_reduce(OWN_TABLE, SLOT_STORE, SLOT_A, RIGHT_READ), OK);
	CHECK(message_request(SLOT_A, STORE_CHECKPOINT, &(struct message){0}) == STATUS_NO_RIGHT);
	CHECK(system_info(&system) == STATUS_OK && system.frames > 0);
	while (system_machine_next(machine.object, &machine, 0) == STATUS_OK)
		machines++;
	CHECK(machines > 1);
	EXPECT(table_reduce(OWN_TABLE, SLOT_SYSTEM, SLOT_A, RIGHT_READ), OK);
	CHECK(message_request(SLOT_A, SYSTEM_POWER_OFF, &(struct message){0}) == STATUS_NO_RIGHT);
}
