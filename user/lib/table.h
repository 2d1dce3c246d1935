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
enum status table_info(struct table table, uint32_t slot, struct table_info *info);
enum status table_destroy(struct table table, uint32_t slot);

struct bank_usage {
	uint64_t pages, limit, objects;
};

enum status bank_segment(struct bank bank, uint64_t bytes, uint64_t bytes_max, uint32_t to);
enum status bank_machine(struct bank bank, const char *name, uint32_t priority, uint32_t to,
			 uint64_t *message_page);
enum status bank_port(struct bank bank, uint32_t capacity, uint32_t to);
enum status bank_table(struct bank bank, uint32_t slots, uint32_t to);
enum status bank_directory(struct bank bank, uint32_t to);
enum status bank_usage(struct bank bank, struct bank_usage *usage);

#endif
