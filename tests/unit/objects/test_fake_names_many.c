/* SPDX-License-Identifier: MIT */
/*
 * test_fake_names_many.c - a hundred thousand names: all are found, in order, their pages are paid
 * for whatever is removed between them, and all of it goes with a bank.
 */
#include "tests/unit/objects/names_sample.h"

static void many(uint32_t count, size_t length)
{
	struct directory_entry entry = {.length = 0};
	char last[TREE_KEY_MAX + 1] = "";
	uint32_t found = 0;

	begin(UINT64_C(1) << 40);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(link_name(ROOT_DIRECTORY, i, length, false), STATUS_OK);
	assert_int_equal(record_of(ROOT_DIRECTORY)->size, count);
	pays_exactly();
	fake_begin();
	for (; entry_next(&space, ROOT_DIRECTORY, entry.name, entry.length, &entry) == STATUS_OK;
	     found++) {
		assert_true(strcmp(entry.name, last) > 0);
		memcpy(last, entry.name, entry.length + 1u);
	}
	assert_int_equal(found, count);
	for (uint32_t i = 0; i < count; i += 7)
		assert_int_equal(link_name(ROOT_DIRECTORY, i, length, false), STATUS_EXISTS);
	/* One name of ten stays: most of the pages do, too, and are paid for. */
	for (uint32_t i = 0; i < count; i++)
		if (i % 10)
			assert_int_equal(unlink_name(ROOT_DIRECTORY, i, length), STATUS_OK);
	assert_true(record_of(ROOT_DIRECTORY)->directory.pages > count / 10 / 16);
	pays_exactly();
	for (uint32_t i = 0; i < count; i += 10)
		assert_int_equal(unlink_name(ROOT_DIRECTORY, i, length), STATUS_OK);
	assert_int_equal(fake_tree_pages(), 0);
	pays_exactly();
}

static void test_many_short(void **state)
{
	(void)state;
	many(100000, 8);
}

static void test_many_long(void **state)
{
	(void)state;
	many(20000, TREE_KEY_MAX);
}

/* With its bank it ends, name by name, and nothing of it is left. */
static void test_end(void **state)
{
	struct disk_capability bank;
	object_t directory;
	uint64_t pages;

	(void)state;
	begin(100000);
	directory = directory_of(20000, &bank);
	for (uint32_t i = 0; i < 20000; i++)
		assert_int_equal(link_name(directory, i, 0, false), STATUS_OK);
	pages = record_of(directory)->directory.pages;
	assert_true(pages > 20000 / 16);
	assert_int_equal(record_of((object_t){bank.object})->size, 1 + pages);
	assert_int_equal(fake_tree_pages(), pages);
	fake_begin();
	assert_int_equal(fake_destroy(&space, (object_t){bank.object}), STATUS_OK);
	fake_reclaim(&space);
	assert_int_equal(record_of(directory)->type, OBJECT_NONE);
	pays_exactly();
	assert_int_equal(fake_tree_pages(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_many_short),
		cmocka_unit_test(test_many_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
