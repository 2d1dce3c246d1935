/* SPDX-License-Identifier: MIT */
/*
 * tables.c - capability tables, rights, forged slots and labels.
 */
#include "user/programs/selftest/selftest.h"

#include "user/lib/directory.h"
#include "user/lib/message.h"
#include "user/lib/segment.h"
#include "user/lib/table.h"

void selftest_tables(void)
{
	struct table_info info;

	CHECK(table_info(OWN_TABLE, SLOT_SELF, &info) == STATUS_OK && info.type == OBJECT_MACHINE &&
	      info.alive);
	EXPECT(table_info(OWN_TABLE, SLOT_EMPTY, &info), NO_CAPABILITY);
	EXPECT(table_info(OWN_TABLE, SLOTS_DEFAULT, &info), INVALID);
	EXPECT(table_info(OWN_TABLE, 0xffffffffu, &info), INVALID);
	EXPECT(table_copy(OWN_TABLE, SLOT_CLOCK, SLOT_A), OK);
	EXPECT(table_move(OWN_TABLE, SLOT_A, SLOT_B), OK);
	EXPECT(table_info(OWN_TABLE, SLOT_A, &info), NO_CAPABILITY);
	CHECK(table_info(OWN_TABLE, SLOT_B, &info) == STATUS_OK && info.type == OBJECT_CLOCK);
	EXPECT(table_delete(OWN_TABLE, SLOT_B), OK);
	EXPECT(table_copy(OWN_TABLE, SLOT_B, SLOT_A), NO_CAPABILITY);
	EXPECT(table_copy(OWN_TABLE, SLOT_CLOCK, SLOTS_DEFAULT), INVALID);
	/* Rights shrink and never grow again. */
	EXPECT(table_reduce(OWN_TABLE, SLOT_ROOT, SLOT_A, RIGHT_READ), OK);
	EXPECT(table_reduce(OWN_TABLE, SLOT_A, SLOT_B, RIGHT_ALL), OK);
	CHECK(table_info(OWN_TABLE, SLOT_B, &info) == STATUS_OK && info.rights == RIGHT_READ);
	EXPECT(bank_directory(OWN_BANK, SLOT_C), OK);
	EXPECT(directory_link(DIRECTORY(SLOT_A), "selftest-no", SLOT_C, false), NO_RIGHT);
	EXPECT(table_destroy(OWN_TABLE, SLOT_A), NO_RIGHT);
	EXPECT(table_destroy(OWN_TABLE, SLOT_C), OK);
	EXPECT(table_reduce(OWN_TABLE, SLOT_TABLE, SLOT_A, RIGHT_READ), OK);
	EXPECT(table_copy(TABLE(SLOT_A), SLOT_CLOCK, SLOT_B), NO_RIGHT);
	/* A table of one's own is empty and not this one. */
	EXPECT(bank_table(OWN_BANK, 64, SLOT_C), OK);
	EXPECT(table_info(TABLE(SLOT_C), SLOT_SELF, &info), NO_CAPABILITY);
	EXPECT(table_copy(TABLE(SLOT_C), SLOT_CLOCK, SLOT_A), NO_CAPABILITY);
	EXPECT(table_destroy(OWN_TABLE, SLOT_C), OK);
	EXPECT(table_info(TABLE(SLOT_C), 1, &info), DEAD);
	EXPECT(bank_table(OWN_BANK, TABLE_SLOTS_MAX + 1, SLOT_C), LIMIT);
	EXPECT(bank_table(OWN_BANK, 0, SLOT_C), INVALID);
}

/* Slots and labels that mean nothing. */
void selftest_forgery(void)
{
	struct message message = {0};
	struct segment_info info;

	EXPECT(segment_info(SEGMENT(SLOT_EMPTY), &info), NO_CAPABILITY);
	CHECK(segment_info(SEGMENT(0), &info) != STATUS_OK);
	CHECK(segment_info(SEGMENT(0x10000 + SLOT_INSTANCE), &info) != STATUS_OK);
	CHECK(segment_info(SEGMENT(0xffffffffu), &info) != STATUS_OK);
	CHECK(segment_info(SEGMENT(SLOT_CLOCK), &info) != STATUS_OK);
	EXPECT(message_request(SLOT_CLOCK, 0, &message), NO_OPERATION);
	EXPECT(message_request(SLOT_CLOCK, LABEL(OBJECT_CLOCK, 255), &message), NO_OPERATION);
	message.length = MESSAGE_DATA + 1;
	EXPECT(message_call(PORT(SLOT_CLOCK), &message), INVALID);
}
