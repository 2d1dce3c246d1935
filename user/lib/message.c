/* SPDX-License-Identifier: MIT */
/*
 * message.c - the one place with SYSCALL in it.  Interface in message.h; the
 * registers are described in kernel/abi.h.
 */
#include "user/lib/message.h"

#include <string.h>
#include "user/lib/program.h"
#include "base/assert.h"

#define MESSAGE_PAUSE_NS UINT64_C(1000000000)

static uint64_t message_pack_slots(const uint16_t slots[MESSAGE_CAPABILITIES])
{
	return (uint64_t)slots[0] | (uint64_t)slots[1] << 16 | (uint64_t)slots[2] << 32 |
	       (uint64_t)slots[3] << 48;
}

static bool impatient;

/* What has arrived in the message page comes to where it is wanted, before the next call
 * uses the page. */
static void message_keep(struct message *message, uint32_t arrived)
{
	ASSERT(!message->size || message->buffer);
	message->data = message->buffer;
	message->length = arrived < message->size ? arrived : message->size;
	message->cut = arrived - message->length;
	if (message->length > 0)
		memcpy(message->buffer, program_page->data, message->length);
}

/* What comes back replaces the message that goes out, in the registers only. */
static enum status message_enter(uint64_t control, uint64_t slot, struct message *message)
{
	uint64_t rax = control | (uint64_t)(message->length & 0xffff) << 16;
	uint64_t rdi = slot, rsi = message->label, rdx = message->word[0];
	register uint64_t r10 __asm__("r10") = message->word[1];
	register uint64_t r8 __asm__("r8") = message->word[2];
	register uint64_t r9 __asm__("r9") = message->word[3];
	register uint64_t r12 __asm__("r12") = message->word[4];
	register uint64_t r13 __asm__("r13") = message->word[5];
	register uint64_t r14 __asm__("r14") = message_pack_slots(message->pass);
	register uint64_t r15 __asm__("r15") = message_pack_slots(message->take);

	__asm__ volatile("syscall"
			 : "+a"(rax), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+r"(r10), "+r"(r8),
			   "+r"(r9), "+r"(r12), "+r"(r13)
			 : "b"(message->deadline), "r"(r14), "r"(r15)
			 : "rcx", "r11", "memory");
	message->badge = rdi;
	message->label = rsi;
	message->word[0] = rdx;
	message->word[1] = r10;
	message->word[2] = r8;
	message->word[3] = r9;
	message->word[4] = r12;
	message->word[5] = r13;
	message->got = (uint32_t)(rax >> 32) & 0xf;
	message->event = rax & RECEIVED_EVENT;
	message_keep(message, (uint32_t)(rax >> 16) & 0xffff);
	return (enum status)(rax & 0xffff);
}

static enum status message_invoke(uint64_t control, uint64_t slot, struct message *message)
{
	if (message->data && message->length > MESSAGE_DATA)
		return STATUS_LIMIT;
	if (message->data)
		memcpy(program_page->data, message->data, message->length);
	return message_enter(control, slot, message);
}

static uint64_t message_clock(uint64_t label, uint64_t until_ns)
{
	struct message message = {.label = label, .word = {until_ns}};
	enum status status = message_invoke(ENTRY_CALL, SLOT_CLOCK, &message);

	return status == STATUS_OK && message.label == STATUS_OK ? message.word[0] : 0;
}

/* The disk has reported an error, and nothing was done: that may be over soon.  True: it is
 * time to try again. */
static bool message_again(enum status status)
{
	uint64_t now_ns;

	if (status != STATUS_IO || impatient)
		return false;
	message_yield();
	now_ns = message_clock(CLOCK_NOW, 0);
	if (now_ns)
		message_clock(CLOCK_SLEEP, now_ns + MESSAGE_PAUSE_NS);
	return true;
}

void message_impatient(void)
{
	impatient = true;
}

enum status message_call(struct port port, struct message *message)
{
	return message_invoke(ENTRY_CALL, port.slot, message);
}

enum status message_send(struct port port, const struct message *message, bool wait)
{
	struct message sent = *message;

	return message_invoke(ENTRY_SEND | (wait ? FLAG_WAIT << 8 : 0), port.slot, &sent);
}

/* What a receive cannot read the kernel has waited for: nobody else is to be told of it, so
 * it is asked for again. */
static enum status message_await(uint64_t entry, struct port port, struct message *message)
{
	const struct message sent = *message;
	enum status status;

	do {
		*message = sent;
		status = message_invoke(entry, port.slot, message);
	} while (status == STATUS_IO);
	return status;
}

enum status message_receive(struct port port, struct message *message)
{
	return message_await(ENTRY_RECEIVE, port, message);
}

enum status message_reply_receive(struct port port, struct message *message)
{
	return message_await(ENTRY_REPLY_RECEIVE, port, message);
}

void message_yield(void)
{
	struct message message = {0};

	message_invoke(ENTRY_YIELD, 0, &message);
}

enum status message_request(uint32_t slot, uint64_t label, struct message *message)
{
	struct message asked;
	enum status status;

	message->label = label;
	asked = *message;
	do {
		*message = asked;
		status = message_invoke(ENTRY_CALL, slot, message);
		if (status == STATUS_OK)
			status = (enum status)message->label;
	} while (message_again(status));
	return status;
}
