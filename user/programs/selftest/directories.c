/* SPDX-License-Identifier: MIT */
/*
 * directories.c - names, their order, and the places of directories.
 */
#include "user/programs/selftest/selftest.h"

#include <string.h>
#include "user/lib/directory.h"
#include "user/lib/table.h"
#include "base/text.h"

#define DIR_A DIRECTORY(SLOT_A)
#define DIR_C DIRECTORY(SLOT_C)
#define DIR_D DIRECTORY(SLOT_D)

static void selftest_directory_names(void)
{
	char name[300];

	EXPECT(directory_link(DIR_A, "", SLOT_CLOCK, false), INVALID);
	EXPECT(directory_link(DIR_A, "a/b", SLOT_CLOCK, false), INVALID);
	memset(name, 'x', sizeof(name));
	name[256] = '\0';
	EXPECT(directory_link(DIR_A, name, SLOT_CLOCK, false), INVALID);
	name[255] = '\0';
	EXPECT(directory_link(DIR_A, name, SLOT_CLOCK, false), OK);
	EXPECT(directory_lookup(DIR_A, name, SLOT_B, NULL), OK);
	EXPECT(directory_unlink(DIR_A, name), OK);
}

/* Enough names for more than one page of the tree, in order when listed. */
static void selftest_directory_many(void)
{
	static struct directory_item item;
	static struct directory_list list;
	char name[32];
	unsigned count = 0;
	uint64_t entries;

	for (unsigned i = 0; i < 200; i++) {
		text_format(name, sizeof(name), "name-%03u", i * 7 % 200);
		if (directory_link(DIR_A, name, SLOT_CLOCK, false) != STATUS_OK)
			break;
	}
	CHECK(directory_info(DIR_A, &entries) == STATUS_OK && entries == 200);
	item.name[0] = '\0';
	while (directory_next(DIR_A, &item) == STATUS_OK) {
		text_format(name, sizeof(name), "name-%03u", count);
		if (!text_equal(name, item.name) || item.type != OBJECT_CLOCK || !item.alive)
			break;
		count++;
	}
	CHECK(count == 200);
	list = (struct directory_list){.directory = DIR_A};
	for (count = 0; directory_list_next(&list, &item) == STATUS_OK; count++) {
		text_format(name, sizeof(name), "name-%03u", count);
		if (!text_equal(name, item.name) || item.type != OBJECT_CLOCK || !item.alive)
			break;
	}
	CHECK(count == 200);
	/* Who may only look up does not list. */
	list = (struct directory_list){.directory = DIRECTORY(SLOT_B)};
	EXPECT(table_reduce(OWN_TABLE, SLOT_A, SLOT_B, RIGHT_EXECUTE), OK);
	EXPECT(directory_list_next(&list, &item), NO_RIGHT);
	EXPECT(directory_lookup(DIRECTORY(SLOT_B), "name-007", SLOT_B, NULL), OK);
	while (count > 0) {
		text_format(name, sizeof(name), "name-%03u", --count);
		if (directory_unlink(DIR_A, name) != STATUS_OK)
			break;
	}
	CHECK(directory_info(DIR_A, &entries) == STATUS_OK && entries == 0);
}

/* A directory has one name, and not below itself, whatever way it is tried. */
static void selftest_directory_places(void)
{
	EXPECT(bank_directory(OWN_BANK, SLOT_C), OK);
	EXPECT(bank_directory(OWN_BANK, SLOT_D), OK);
	EXPECT(table_reduce(OWN_TABLE, SLOT_C, SLOT_B, RIGHT_READ), OK);
	EXPECT(directory_link(DIR_A, "outer", SLOT_B, false), NO_RIGHT);
	EXPECT(directory_link(DIR_A, "outer", SLOT_C, false), OK);
	EXPECT(directory_link(DIR_A, "again", SLOT_C, false), NAMED);
	EXPECT(directory_link(DIR_D, "again", SLOT_C, false), NAMED);
	EXPECT(directory_link(DIR_C, "inner", SLOT_D, false), OK);
	EXPECT(directory_rename(DIR_A, "outer", DIR_D, "outer", false), LOOP);
	EXPECT(directory_rename(DIR_A, "outer", DIR_C, "outer", false), LOOP);
	EXPECT(directory_rename(DIR_A, "outer", DIR_C, "inner", true), LOOP);
	EXPECT(directory_link(DIR_A, "other", SLOT_CLOCK, false), OK);
	EXPECT(directory_rename(DIR_A, "other", DIRECTORY(0), "outer", true), NOT_EMPTY);
	EXPECT(directory_unlink(DIR_A, "other"), OK);
	EXPECT(directory_unlink(DIR_A, "outer"), OK);
	EXPECT(directory_link(DIR_D, "outer", SLOT_C, false), LOOP);
	EXPECT(directory_link(DIR_C, "self", SLOT_C, false), LOOP);
	EXPECT(directory_link(DIR_D, "root", SLOT_ROOT, false), LOOP);
	EXPECT(directory_unlink(DIR_C, "inner"), OK);
	EXPECT(table_destroy(OWN_TABLE, SLOT_C), OK);
	EXPECT(table_destroy(OWN_TABLE, SLOT_D), OK);
}

void selftest_directories(void)
{
	static struct directory_item item;
	enum object_type type;
	uint64_t entries;

	if (!EXPECT(bank_directory(OWN_BANK, SLOT_A), OK))
		return;
	EXPECT(directory_link(DIR_A, "one", SLOT_CLOCK, false), OK);
	EXPECT(directory_link(DIR_A, "one", SLOT_LOG, false), EXISTS);
	EXPECT(directory_link(DIR_A, "one", SLOT_LOG, true), OK);
	EXPECT(directory_link(DIR_A, "two", SLOT_EMPTY, false), NO_CAPABILITY);
	CHECK(directory_lookup(DIR_A, "one", SLOT_B, &type) == STATUS_OK && type == OBJECT_LOG);
	EXPECT(directory_lookup(DIR_A, "on", SLOT_B, &type), NOT_FOUND);
	EXPECT(directory_rename(DIR_A, "one", DIRECTORY(0), "zwei", false), OK);
	EXPECT(directory_rename(DIR_A, "one", DIRECTORY(0), "zwei", false), NOT_FOUND);
	EXPECT(directory_link(DIR_A, "one", SLOT_CLOCK, false), OK);
	EXPECT(directory_rename(DIR_A, "one", DIRECTORY(0), "zwei", false), EXISTS);
	item.name[0] = '\0';
	CHECK(directory_next(DIR_A, &item) == STATUS_OK && text_equal(item.name, "one"));
	CHECK(directory_next(DIR_A, &item) == STATUS_OK && text_equal(item.name, "zwei"));
	EXPECT(directory_next(DIR_A, &item), NOT_FOUND);
	EXPECT(bank_directory(OWN_BANK, SLOT_C), OK);
	EXPECT(directory_rename(DIR_A, "one", DIR_C, "moved", false), OK);
	CHECK(directory_lookup(DIR_C, "moved", SLOT_B, &type) == STATUS_OK && type == OBJECT_CLOCK);
	EXPECT(table_destroy(OWN_TABLE, SLOT_C), NOT_EMPTY);
	EXPECT(directory_unlink(DIR_C, "moved"), OK);
	EXPECT(directory_unlink(DIR_A, "one"), NOT_FOUND);
	EXPECT(directory_unlink(DIR_A, "zwei"), OK);
	CHECK(directory_info(DIR_A, &entries) == STATUS_OK && entries == 0);
	selftest_directory_names();
	selftest_directory_many();
	EXPECT(table_destroy(OWN_TABLE, SLOT_C), OK);
	selftest_directory_places();
	EXPECT(table_destroy(OWN_TABLE, SLOT_A), OK);
	EXPECT(directory_lookup(DIR_A, "one", SLOT_B, &type), DEAD);
}
