/* SPDX-License-Identifier: MIT */
/*
 * table.h - calls to capability tables and to banks, from which objects come.
 *
 * Both name slots: a table call's slots are of the table invoked (SLOT_TABLE is
 * the own one); a bank puts what it creates into a slot of the caller.
 */
#ifndef USER_LIB_TABLE_H
#define USER_LIB_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include "kernel/abi.h"

struct table_info {
	enum object_type type;
	uint16_t rights;
	uint64_t badge;
	uint32_t object;
	bool alive;
};

enum status table_copy(uint32_t table, uint32_t from, uint32_t to);
enum status table_move(uint32_t table, uint32_t from, uint32_t to);
enum status table_delete(uint32_t table, uint32_t slot);
enum status table_reduce(uint32_t table, uint32_t from, uint32_t to, uint16_t rights);
enum status table_badge(uint32_t table, uint32_t from, uint32_t to, uint64_t badge,
			uint16_t rights);
enum status table_info(uint32_t table, uint32_t slot, struct table_info *info);
enum status table_destroy(uint32_t table, uint32_t slot);

struct bank_usage {
	uint64_t pages, limit, objects;
};

enum status bank_segment(uint32_t bank, uint64_t bytes, uint64_t bytes_max, uint32_t to);
enum status bank_machine(uint32_t bank, const char *name, uint32_t priority, uint32_t to,
			 uint64_t *message_page);
enum status bank_port(uint32_t bank, uint32_t capacity, uint32_t to);
enum status bank_table(uint32_t bank, uint32_t slots, uint32_t to);
enum status bank_directory(uint32_t bank, uint32_t to);
enum status bank_usage(uint32_t bank, struct bank_usage *usage);

#endif
