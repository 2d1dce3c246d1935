/* SPDX-License-Identifier: MIT */
/*
 * notes.c - a program that says what it is sent, in the middle of saying other things.
 *
 *	notes		the one that is sent notes
 *	notes NOTE	sends it one, and says the answer
 */
#include "base/text.h"
#include "user/lib/directory.h"
#include "user/lib/program.h"
#include "user/lib/service.h"
#include "user/lib/state_machine.h"

#define NOTES_PATH "/demo/notes"

enum { QUIET };
enum { NOTE = 1 };

static void notes_say(struct state_machine *machine)
{
	const struct message *message = machine->message;
	static char answer[64];

	log_print("a note of %u bytes has come", message->length);
	log_print("note: %.*s", (int)message->length, (const char *)message->data);
	machine->reply.length =
		(uint32_t)text_format(answer, sizeof(answer), "noted %.*s", (int)message->length,
				      (const char *)message->data);
	machine->reply.data = answer;
}

static const struct state states[] = {[QUIET] = {.name = "quiet"}};
static const struct transition transitions[] = {
	{.from = QUIET, .on = NOTE, .to = STATE_SAME, .act = notes_say},
};

static void notes_send(const char *note)
{
	char answer[64];
	struct message message = {.label = NOTE, MESSAGE_TEXT(note), MESSAGE_INTO(&answer)};
	struct port port;

	if (path_port(NOTES_PATH, &port) != STATUS_OK || message_call(port, &message) != STATUS_OK)
		program_fail("nobody takes notes");
	log_print("an answer of %u bytes has come", message.length);
	log_print("answer: %.*s", (int)message.length, answer);
}

int main(int argc, char **argv)
{
	static struct state_machine notes = STATE_MACHINE(states, transitions);

	if (argc > 1) {
		notes_send(argv[1]);
		return 0;
	}
	if (port_publish(NOTES_PATH) != STATUS_OK)
		program_fail("nobody finds it");
	state_machine_run(&notes, QUIET);
}
