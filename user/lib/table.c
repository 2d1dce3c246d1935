/* SPDX-License-Identifier: MIT */
/*
 * table.c - calls to capability tables and banks.  Interface in table.h.
 */
#include "user/lib/table.h"

#include <string.h>
#include "user/lib/message.h"

static enum status table_words(struct table table, uint64_t label, uint64_t w0, uint64_t w1,
			       uint64_t w2, uint64_t w3)
{
	struct message message = {.word = {w0, w1, w2, w3}};

	return message_request(table.slot, label, &message);
}

enum status table_copy(struct table table, uint32_t from, uint32_t to)
{
	return table_words(table, TABLE_COPY, from, to, 0, 0);
}

enum status table_move(struct table table, uint32_t from, uint32_t to)
{
	return table_words(table, TABLE_MOVE, from, to, 0, 0);
}

enum status table_delete(struct table table, uint32_t slot)
{
	return table_words(table, TABLE_DELETE, slot, 0, 0, 0);
}

enum status table_reduce(struct table table, uint32_t from, uint32_t to, uint16_t rights)
{
	return table_words(table, TABLE_REDUCE, from, to, rights, 0);
}

enum status table_badge(struct table table, uint32_t from, uint32_t to, uint64_t badge,
			uint16_t rights)
{
	return table_words(table, TABLE_BADGE, from, to, badge, rights);
}

enum status table_derive(struct table table, uint32_t from, uint32_t to, uint32_t bank,
			 uint16_t rights)
{
	return table_words(table, TABLE_DERIVE, from, to, bank, rights);
}

enum status table_info(struct table table, uint32_t slot, struct table_info *info)
{
	struct message message = {.word = {slot}};
	enum status status = message_request(table.slot, TABLE_INFO, &message);

	info->type = (enum object_type)message.word[0];
	info->rights = (uint16_t)message.word[1];
	info->badge = message.word[2];
	info->object = (uint32_t)message.word[3];
	info->alive = message.word[4] == 1;
	return status;
}

enum status table_destroy(struct table table, uint32_t slot)
{
	return table_words(table, TABLE_DESTROY, slot, 0, 0, 0);
}

/* Creates an object described by two words into our slot `to`. */
static enum status bank_create(struct bank bank, uint64_t label, uint64_t w0, uint64_t w1,
			       uint32_t to)
{
	struct message message = {.word = {w0, w1}, .take = {(uint16_t)to}};

	return message_request(bank.slot, label, &message);
}

enum status bank_segment(struct bank bank, uint64_t bytes, uint64_t bytes_max, uint32_t to)
{
	return bank_create(bank, BANK_SEGMENT, bytes, bytes_max, to);
}

enum status bank_machine(struct bank bank, const char *name, uint32_t priority, uint32_t to,
			 uint64_t *message_page)
{
	struct message message = {.word = {priority}, .take = {(uint16_t)to}, MESSAGE_TEXT(name)};
	enum status status = message_request(bank.slot, BANK_MACHINE, &message);

	*message_page = message.word[0];
	return status;
}

enum status bank_port(struct bank bank, uint32_t capacity, uint32_t to)
{
	return bank_create(bank, BANK_PORT, capacity, 0, to);
}

enum status bank_table(struct bank bank, uint32_t slots, uint32_t to)
{
	return bank_create(bank, BANK_TABLE, slots, 0, to);
}

enum status bank_view(struct bank bank, uint32_t to)
{
	return bank_create(bank, BANK_VIEW, 0, 0, to);
}

enum status bank_directory(struct bank bank, uint32_t to)
{
	return bank_create(bank, BANK_DIRECTORY, 0, 0, to);
}

static void bank_answer_usage(const struct message *message, struct bank_usage *usage)
{
	usage->pages = message->word[0];
	usage->limit = message->word[1];
	usage->objects = message->word[2];
	usage->addresses = message->word[3];
	usage->address_limit = message->word[4];
	usage->weight = (uint32_t)(message->word[5] >> 32);
}

enum status bank_usage(struct bank bank, struct bank_usage *usage)
{
	struct message message = {0};
	enum status status = message_request(bank.slot, BANK_USAGE, &message);

	bank_answer_usage(&message, usage);
	return status;
}

enum status bank_pay_for(struct bank bank, uint32_t slot)
{
	struct message message = {.pass = {(uint16_t)slot}};

	return message_request(bank.slot, BANK_ADOPT, &message);
}

enum status bank_bank(struct bank bank, uint64_t pages, uint64_t addresses, uint32_t to)
{
	return bank_bank_weighed(bank, pages, addresses, 0, to);
}

enum status bank_bank_weighed(struct bank bank, uint64_t pages, uint64_t addresses, uint32_t weight,
			      uint32_t to)
{
	struct message message = {.word = {pages, addresses, weight}, .take = {(uint16_t)to}};

	return message_request(bank.slot, BANK_BANK, &message);
}

enum status bank_set_weight(struct bank above, struct bank bank, uint32_t weight)
{
	struct message message = {.word = {weight}, .pass = {(uint16_t)bank.slot}};

	return message_request(above.slot, BANK_WEIGHT, &message);
}

enum status bank_child(struct bank bank, uint32_t *object, struct bank_usage *usage, uint32_t to)
{
	struct message message = {.word = {*object}, .take = {(uint16_t)to}};
	enum status status = message_request(bank.slot, BANK_NEXT, &message);

	if (status != STATUS_OK)
		return status;
	bank_answer_usage(&message, usage);
	*object = (uint32_t)message.word[5];
	return STATUS_OK;
}

enum status bank_payer(struct bank bank, uint32_t object, uint32_t *number, uint32_t to)
{
	struct message message = {.word = {object}, .take = {(uint16_t)to}};
	enum status status = message_request(bank.slot, BANK_OF, &message);

	*number = status == STATUS_OK ? (uint32_t)message.word[5] : 0;
	return status;
}
