/* SPDX-License-Identifier: MIT */
/*
 * child.c - what the second machine does that some tests need.
 */
#include "user/programs/selftest/selftest.h"
#include "base/quantity.h"

#include "user/lib/directory.h"
#include "user/lib/machine.h"
#include "user/lib/message.h"
#include "user/lib/service.h"
#include "user/lib/slot.h"
#include "base/text.h"

static uint64_t selftest_argument(const char *text)
{
	uint64_t value = 0;

	return quantity_parse(text, QUANTITY_ANY, &value) ? value : 0;
}

/* Answers calls: label and words one higher, the data back as it came, and the
 * capability that was passed.  Ends without an answer to label 0. */
static int selftest_echo(void)
{
	static char data[MESSAGE_DATA];
	struct message message = {MESSAGE_INTO(&data)};

	for (;;) {
		message.take[0] = SLOT_A;
		if (message_reply_receive(OWN_PORT, &message) != STATUS_OK)
			return 1;
		if (message.label == 0)
			return 2;
		message.label++;
		for (unsigned i = 0; i < MESSAGE_WORDS; i++)
			message.word[i]++;
		message.pass[0] = message.got & 1 ? SLOT_A : 0;
	}
}

/* Calls what it was given; the result is how it ends. */
static int selftest_call(void)
{
	struct message message = {.label = SELFTEST_LABEL, .take = {SLOT_A}};

	return (int)message_call(PORT(SELFTEST_SECOND), &message);
}

/* Receives from what it was given; the result is how it ends. */
static int selftest_receive(void)
{
	struct message message = {0};

	return (int)message_receive(PORT(SELFTEST_SECOND), &message);
}

/* Becomes the receiver of what it was given, and waits elsewhere. */
static int selftest_bind(void)
{
	struct message message = {.deadline = 1};

	message_receive(PORT(SELFTEST_SECOND), &message);
	message = (struct message){0};
	return (int)message_receive(OWN_PORT, &message);
}

int selftest_child(int argc, char **argv)
{
	if (text_equal(argv[1], "echo"))
		return selftest_echo();
	if (text_equal(argv[1], "read") && argc > 2)
		return *(volatile uint8_t *)(uintptr_t)selftest_argument(argv[2]);
	if (text_equal(argv[1], "write") && argc > 2)
		return ++*(volatile uint8_t *)(uintptr_t)selftest_argument(argv[2]);
	if (text_equal(argv[1], "peek") && argc > 2) {
		volatile uint8_t *byte = (uint8_t *)(uintptr_t)selftest_argument(argv[2]);
		int before = *byte;

		return before + selftest_call() + *byte;
	}
	if (text_equal(argv[1], "call"))
		return selftest_call();
	if (text_equal(argv[1], "receive"))
		return selftest_receive();
	if (text_equal(argv[1], "bind"))
		return selftest_bind();
	if (text_equal(argv[1], "spin"))
		for (;;)
			message_yield();
	if (text_equal(argv[1], "fill")) {
		struct message message = {.label = SELFTEST_LABEL};

		/* More than the queue holds: waits until there is room. */
		for (message.word[0] = 0; message.word[0] < 20; message.word[0]++)
			if (message_send(PORT(SELFTEST_SECOND), &message, true) != STATUS_OK)
				return 1;
		return 0;
	}
	return 99;
}

/* Starts this program with that argument; its capability is in *machine. */
bool selftest_start(const char *what, const char *argument, uint32_t grant, bool hold,
		    struct spawned *spawned)
{
	char *arguments[] = {(char *)(uintptr_t)what, (char *)(uintptr_t)argument, NULL};
	struct spawn_request request = {
		.name = "selftest-child",
		.priority = 5,
		.arguments = argument ? 2 : 1,
		.argument = arguments,
		.inherit = SPAWN_STANDARD,
		.grant = {{grant, SELFTEST_SECOND}},
		.grants = grant != 0,
		.hold = hold,
	};
	enum status status = path_segment("/bin/selftest", &request.program);

	spawned->step = "find /bin/selftest";
	if (status == STATUS_OK)
		status = spawn_machine(&request, spawned);
	slot_give(request.program.slot);
	if (status != STATUS_OK)
		log_print("cannot %s: %s", spawned->step, status_text(status));
	return CHECK(status == STATUS_OK);
}

bool selftest_go(const struct spawned *spawned)
{
	return EXPECT(machine_start(spawned->machine, spawned->rip, spawned->rsp, spawned->rdi),
		      OK);
}
