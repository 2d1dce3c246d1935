/* SPDX-License-Identifier: MIT */
/*
 * message.h - the system calls: send, call, receive, reply.
 *
 * A message names its data: what is sent lies where `data` points to, what is received
 * comes into `buffer`, and stays there until its owner uses it again.  Deadlines are
 * persistent uptime in ns; 0 means none.
 *
 * All that a call needs is in registers and the message page, through which its data go;
 * both are persistent: after a power cut a call that waited goes on waiting.
 */
#ifndef USER_LIB_MESSAGE_H
#define USER_LIB_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include "user/lib/handle.h"

struct message {
	uint64_t badge; /* received: who sent */
	uint64_t label;
	uint64_t word[MESSAGE_WORDS];
	uint64_t deadline;
	uint16_t pass[MESSAGE_CAPABILITIES]; /* slots whose capabilities travel; 0: none */
	uint16_t take[MESSAGE_CAPABILITIES]; /* slots for those that arrive; 0: refuse */
	/* Sent: up to MESSAGE_DATA bytes (null: what lies in the message page).  Received: the
	 * buffer, so that what was received can be passed on as it is. */
	const void *data;
	void *buffer;	       /* for what is received; null: data are not wanted */
	uint32_t length, size; /* bytes of data; of the buffer */
	uint32_t cut;	       /* bytes that arrived and had no room in the buffer */
	uint32_t got;	       /* bit i: a capability arrived in take[i] */
	bool event;	       /* received: from the kernel (enum abi_event), not from a program */
};

/* In its initializer: a string is its data; what comes back goes into *object. */
#define MESSAGE_TEXT(text)   .data = (text), .length = (uint32_t)strlen(text)
#define MESSAGE_INTO(object) .buffer = (object), .size = sizeof(*(object))

/* Sends and waits for the answer, which replaces the message.  OK: there is one,
 * what it says is its label.  LIMIT: more data than MESSAGE_DATA. */
enum status message_call(struct port port, struct message *message);

/* Queues the message and goes on; FULL unless `wait`. */
enum status message_send(struct port port, const struct message *message, bool wait);

/* The next message from the port (ANY_PORT: any of mine); TIMEOUT. */
enum status message_receive(struct port port, struct message *message);

/* Answers the call served last, if there is one to be answered, with this message
 * and then receives the next one into it. */
enum status message_reply_receive(struct port port, struct message *message);

/* Lets others of the same priority run whose turn it is, by weight between banks. */
void message_yield(void);

/* A call to the kernel object in the slot: the transport's status if it failed, else what the
 * object answered.  IO, an error of the disk, has done nothing: it is asked again until it
 * answers otherwise. */
enum status message_request(uint32_t slot, uint64_t label, struct message *message);
/* From this on it is not asked again: there is somebody to tell. */
void message_impatient(void);

#endif
