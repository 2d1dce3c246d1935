/* SPDX-License-Identifier: MIT */
/*
 * message.h - the system calls: send, call, receive, reply.
 *
 * The data of a message (`length` bytes) lies at the start of the message page,
 * before sending and after receiving; message_put and message_data reach it.
 * Every call that brings a message overwrites it.  Deadlines are persistent
 * uptime in ns; 0 means none.
 *
 * All that a call needs is in registers and the message page, both persistent:
 * after a power cut a call that waited goes on waiting.
 */
#ifndef USER_LIB_MESSAGE_H
#define USER_LIB_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "kernel/abi.h"

struct message {
	uint64_t badge; /* received: who sent */
	uint64_t label;
	uint64_t word[MESSAGE_WORDS];
	uint64_t deadline;
	uint16_t pass[MESSAGE_CAPABILITIES]; /* slots whose capabilities travel; 0: none */
	uint16_t take[MESSAGE_CAPABILITIES]; /* slots for those that arrive; 0: refuse */
	uint32_t length;		     /* bytes of data */
	uint32_t got;			     /* bit i: a capability arrived in take[i] */
};

/* Sends and waits for the answer, which replaces the message.  OK: there is one,
 * what it says is its label. */
enum status message_call(uint32_t slot, struct message *message);

/* Queues the message and goes on; FULL unless `wait`. */
enum status message_send(uint32_t slot, const struct message *message, bool wait);

/* The next message from the port (0: any of mine); TIMEOUT. */
enum status message_receive(uint32_t port, struct message *message);

/* Answers the call served last, if there is one to be answered, with this message
 * and then receives the next one into it. */
enum status message_reply_receive(uint32_t port, struct message *message);

/* Lets another machine of the same priority run. */
void message_yield(void);

/* A call to a kernel object: the transport's status if it failed, else what the
 * object answered.  IO, an error of the disk, has done nothing: it is asked again until it
 * answers otherwise. */
enum status message_request(uint32_t slot, uint64_t label, struct message *message);
/* From this on it is not asked again: there is somebody to tell. */
void message_impatient(void);

/* Puts data into the message page and sets length; LIMIT beyond MESSAGE_DATA. */
enum status message_put(struct message *message, const void *data, size_t length);
/* The data received last. */
const void *message_data(void);

#endif
