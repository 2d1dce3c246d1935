/* SPDX-License-Identifier: MIT */
/*
 * exchange.c - sends messages to its peer and counts what comes back.
 *
 * Slot 16: object for the line of figures; slot 17: the port of `peer`.
 *
 * Fifty times a second a note (asynchronous, queued) goes out; the peer sends a
 * note of its own for each.  Every fourth time there is a call as well.  All are
 * numbered; a number left out is a message lost, an old one is a message that
 * came twice.  Queues, calls in progress and these counters are all memory: over
 * power cuts and restores the figures must stay 0.
 */
#include "user/programs/exchange.h"

#include "user/lib/file.h"
#include "user/lib/message.h"
#include "user/lib/program.h"
#include "user/lib/service.h"
#include "base/text.h"

#define EXCHANGE_PEER	 (SLOT_FIRST_GRANT + 1)
#define EXCHANGE_PACE_NS (20 * NS_PER_MILLISECOND)
#define EXCHANGE_CALLS	 4u  /* every how many notes there is a call */
#define EXCHANGE_REPORT	 50u /* notes between two lines of figures */

static struct file figures;
static uint64_t notes_sent, calls_sent;
static struct exchange_sequence notes, answers;
static uint64_t peer_lost, peer_repeated; /* as it last told */

static void exchange_send_note(void)
{
	struct message message = {.label = EXCHANGE_NOTE, .word = {notes_sent}};
	enum status status = message_send(EXCHANGE_PEER, &message, false);

	/* A full queue means not sent: the same number goes out next time. */
	if (status == STATUS_OK)
		notes_sent++;
	else if (status != STATUS_FULL)
		program_fail("the peer cannot be reached: %s", status_text(status));
}

static void exchange_call(void)
{
	struct message message = {.label = EXCHANGE_CALL, .word = {calls_sent}};
	enum status status;

	calls_sent++;
	status = message_call(EXCHANGE_PEER, &message);
	if (status != STATUS_OK)
		program_fail("the peer did not answer: %s", status_text(status));
	exchange_check(&answers, message.word[0]);
	peer_lost = message.word[1];
	peer_repeated = message.word[2];
}

/* Takes what comes until the deadline. */
static void exchange_receive(uint64_t deadline_ns)
{
	for (;;) {
		struct message message = {.deadline = deadline_ns};
		enum status status = message_receive(SLOT_PORT, &message);

		if (status == STATUS_TIMEOUT)
			return;
		if (status != STATUS_OK)
			program_fail("cannot receive: %s", status_text(status));
		if (message.label == EXCHANGE_NOTE)
			exchange_check(&notes, message.word[0]);
	}
}

static void exchange_report(void)
{
	char line[160];
	size_t length = text_format(
		line, sizeof(line), "sent %llu received %llu lost %llu repeated %llu\n",
		(unsigned long long)(notes_sent + calls_sent),
		(unsigned long long)(notes.received + answers.received),
		(unsigned long long)(notes.lost + answers.lost + peer_lost),
		(unsigned long long)(notes.repeated + answers.repeated + peer_repeated));

	if (file_set(&figures, line, length) != STATUS_OK)
		program_fail("cannot write the figures");
}

int main(int argc, char **argv)
{
	enum status status = file_attach(&figures, SLOT_FIRST_GRANT, RIGHT_READ | RIGHT_WRITE);
	uint64_t next_ns = clock_uptime();

	(void)argc;
	(void)argv;
	if (status != STATUS_OK)
		program_fail("no object for the figures: %s", status_text(status));
	for (uint64_t turn = 0;; turn++) {
		uint64_t now_ns = clock_uptime();

		exchange_send_note();
		if (turn % EXCHANGE_CALLS == 0)
			exchange_call();
		if (turn % EXCHANGE_REPORT == 0)
			exchange_report();
		/* After a long stop, or when an old state was restored, it does not hurry
		 * to make up for the time. */
		next_ns += EXCHANGE_PACE_NS;
		if (next_ns + NS_PER_SECOND < now_ns)
			next_ns = now_ns;
		exchange_receive(next_ns);
	}
}
