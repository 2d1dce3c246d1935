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

#define PEER_EXCHANGE PORT(SLOT_FIRST_GRANT)

static struct exchange_sequence notes, calls;
static uint64_t owed, sent;

static void peer_send_notes(void)
{
	for (; owed > 0; owed--, sent++) {
		struct message message = {.label = EXCHANGE_NOTE, .word = {sent}};
		enum status status = message_send(PEER_EXCHANGE, &message, false);

		if (status == STATUS_FULL)
			return;
		program_check(status, "reach exchange");
	}
}

int main(void)
{
	struct message message = {0};

	for (;;) {
		uint64_t number;

		program_check(message_reply_receive(OWN_PORT, &message), "receive");
		number = message.word[0];
		if (message.label == EXCHANGE_CALL) {
			exchange_check(&calls, number);
			message = (struct message){
				.label = STATUS_OK,
				.word = {number, notes.lost + calls.lost,
					 notes.repeated + calls.repeated},
			};
			continue;
		}
		if (message.label == EXCHANGE_NOTE) {
			exchange_check(&notes, number);
			owed++;
			peer_send_notes();
		}
		message = (struct message){.label = STATUS_NO_OPERATION};
	}
}
