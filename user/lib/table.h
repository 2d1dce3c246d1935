/* SPDX-License-Identifier: MIT */
/*
 * table.h - calls to capability tables and to banks, from which objects come.
 *
 * Both name slots: a table call's slots are of the table invoked (OWN_TABLE is
 * the own one); a bank puts what it creates into a slot of the caller.
 */
#ifndef USER_LIB_TABLE_H
#define USER_LIB_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include "user/lib/handle.h"

struct table_info {
	enum object_type type;
	uint16_t rights;
	uint64_t badge;
	uint32_t object;
	bool alive;
};

enum status table_copy(struct table table, uint32_t from, uint32_t to);
enum status table_move(struct table table, uint32_t from, uint32_t to);
enum status table_delete(struct table table, uint32_t slot);
enum status table_reduce(struct table table, uint32_t from, uint32_t to, uint16_t rights);
enum status table_badge(struct table table, uint32_t from, uint32_t to, uint64_t badge,
			uint16_t rights);
/* A copy that ends with the bank in the slot `bank` of the table, which needs CREATE, and so do
 * copies of it: whoever destroys that bank takes them all back, at once.  One that may pay for
 * nothing will do; not the first bank, and for a copy of such a copy not one that is neither its
 * bank nor below that: INVALID. */
enum status table_derive(struct table table, uint32_t from, uint32_t to, uint32_t bank,
			 uint16_t rights);
enum status table_info(struct table table, uint32_t slot, struct table_info *info);
enum status table_destroy(struct table table, uint32_t slot);

struct bank_usage {
	uint64_t pages, limit; /* that it pays for, at most */
	uint64_t objects;      /* that it pays for */
	/* In pages; of the first bank of an older state both 0: not counted. */
	uint64_t addresses, address_limit;
	uint32_t weight; /* of the processor, with what it has given to those made from it */
};

enum status bank_segment(struct bank bank, uint64_t bytes, uint64_t bytes_max, uint32_t to);
enum status bank_machine(struct bank bank, const char *name, uint32_t priority, uint32_t to,
			 uint64_t *message_page);
enum status bank_port(struct bank bank, uint32_t capacity, uint32_t to);
enum status bank_table(struct bank bank, uint32_t slots, uint32_t to);
enum status bank_directory(struct bank bank, uint32_t to);
enum status bank_view(struct bank bank, uint32_t to);
enum status bank_usage(struct bank bank, struct bank_usage *usage);
/* A bank that can give so many pages and addresses, which this one [CREATE] sets aside.  Whoever
 * has DESTROY on it ends all that was made from it, at once: table_destroy.  Its machines run on
 * the share of the processor that this one's have; or on one of their own, of that weight, which
 * is set aside as well. */
enum status bank_bank(struct bank bank, uint64_t pages, uint64_t addresses, uint32_t to);
enum status bank_bank_weighed(struct bank bank, uint64_t pages, uint64_t addresses, uint32_t weight,
			      uint32_t to);
/* From now on a bank has this weight, which the one that it was made from [CONTROL] sets
 * aside: ALLOWANCE.  INVALID: it was made from another. */
enum status bank_set_weight(struct bank above, struct bank bank, uint32_t weight);
/* From now on this bank [CREATE] pays for the object in the slot [DESTROY], and not who did. */
enum status bank_pay_for(struct bank bank, uint32_t slot);
/* The one behind the bank of number *object (0: the first) among those made from this bank,
 * with what it is charged; *object becomes its number.  NOT_FOUND behind the last; DEAD: it is
 * none of them any more [CONTROL]. */
enum status bank_child(struct bank bank, uint32_t *object, struct bank_usage *usage, uint32_t to);
/* The bank that pays for the object, if that is this one or below it, and its number;
 * NOT_FOUND [CONTROL]. */
enum status bank_payer(struct bank bank, uint32_t object, uint32_t *number, uint32_t to);

#endif
