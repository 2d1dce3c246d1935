/* SPDX-License-Identifier: MIT */
/*
 * exchange.h - what the programs exchange and peer say to each other, and how
 * each of them tells whether a message was lost or came twice.
 */
#ifndef USER_PROGRAMS_EXCHANGE_H
#define USER_PROGRAMS_EXCHANGE_H

#include <stdint.h>

enum exchange_label {
	EXCHANGE_NOTE = 1, /* asynchronous: w0 sequence number */
	/* w0 sequence number -> the same; w1 lost, w2 repeated, as the peer counts */
	EXCHANGE_CALL = 2,
};

/* One direction of one kind of message: numbers are 0, 1, 2 ... */
struct exchange_sequence {
	uint64_t expected, received, lost, repeated;
};

static inline void exchange_check(struct exchange_sequence *sequence, uint64_t number)
{
	if (number < sequence->expected) {
		sequence->repeated++;
		return;
	}
	sequence->lost += number - sequence->expected;
	sequence->expected = number + 1;
	sequence->received++;
}

#endif
