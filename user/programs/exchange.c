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

#define EXCHANGE_PEER	 PORT(SLOT_FIRST_GRANT + 1)
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
	if (status == STATUS_FULL)
		return;
	program_check(status, "reach the peer");
	notes_sent++;
}

static void exchange_call(void)
{
	struct message message = {.label = EXCHANGE_CALL, .word = {calls_sent}};

	calls_sent++;
	program_check(message_call(EXCHANGE_PEER, &message), "get an answer of the peer");
	exchange_check(&answers, message.word[0]);
	peer_lost = message.word[1];
	peer_repeated = message.word[2];
}

/* Takes what comes until the deadline. */
static void exchange_receive(uint64_t deadline_ns)
{
	struct message message = {.deadline = deadline_ns};
	enum status status;

	while ((status = message_receive(OWN_PORT, &message)) != STATUS_TIMEOUT) {
		program_check(status, "receive");
		if (message.label == EXCHANGE_NOTE)
			exchange_check(&notes, message.word[0]);
	}
}

static void exchange_report(void)
{
	program_check(file_print(&figures, "sent %lu received %lu lost %lu repeated %lu\n",
				 notes_sent + calls_sent, notes.received + answers.received,
				 notes.lost + answers.lost + peer_lost,
				 notes.repeated + answers.repeated + peer_repeated),
		      "write the figures");
}

int main(void)
{
	uint64_t next_ns = clock_uptime();

	program_check(file_attach(&figures, SEGMENT(SLOT_FIRST_GRANT), RIGHT_READ | RIGHT_WRITE),
		      "find an object for the figures");
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
