/* SPDX-License-Identifier: MIT */
/*
 * peer.c - the other side of exchange.
 *
 * Slot 16: the port of `exchange`.  For each note received a note of its own is
 * owed; what the queue over there has no room for is sent later.  Calls are
 * answered with what is missing so far.
 */
#include "user/programs/exchange.h"

#include "user/lib/message.h"
#include "user/lib/program.h"
#include "user/lib/service.h"

#define PEER_EXCHANGE SLOT_FIRST_GRANT

static struct exchange_sequence notes, calls;
static uint64_t owed, sent;

static void peer_send_notes(void)
{
	while (owed > 0) {
		struct message message = {.label = EXCHANGE_NOTE, .word = {sent}};
		enum status status = message_send(PEER_EXCHANGE, &message, false);

		if (status == STATUS_FULL)
			return;
		if (status != STATUS_OK)
			program_fail("exchange cannot be reached: %s", status_text(status));
		sent++;
		owed--;
	}
}

static struct message peer_answer(uint64_t number)
{
	exchange_check(&calls, number);
	return (struct message){
		.label = STATUS_OK,
		.word = {number, notes.lost + calls.lost, notes.repeated + calls.repeated},
	};
}

int main(int argc, char **argv)
{
	struct message reply = {0};

	(void)argc;
	(void)argv;
	for (;;) {
		struct message message = reply;
		enum status status = message_reply_receive(SLOT_PORT, &message);

		if (status != STATUS_OK)
			program_fail("cannot receive: %s", status_text(status));
		reply = (struct message){.label = STATUS_NO_OPERATION};
		if (message.label == EXCHANGE_CALL) {
			reply = peer_answer(message.word[0]);
		} else if (message.label == EXCHANGE_NOTE) {
			exchange_check(&notes, message.word[0]);
			owed++;
			peer_send_notes();
		}
	}
}
