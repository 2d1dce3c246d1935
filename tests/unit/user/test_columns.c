/* SPDX-License-Identifier: MIT */
/*
 * test_columns.c - user/shell/columns.c: tables in terminals of any width.
 */
#include "user/shell/columns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static const struct column column[] = {{"NUMBER", 6, false, 0},
				       {"STATE", 8, true, 2},
				       {"PRIO", 4, false, 1},
				       {"NAME", 10, true, 0}};
static const char *const cell[] = {"7", "running", "12", "shell"};
static char row[COLUMNS_ROW + 1];

static const char *text(size_t length)
{
	assert_true(length <= COLUMNS_ROW);
	row[length] = '\0';
	return row;
}

static void test_choice(void **state)
{
	struct columns table;

	(void)state;
	columns_begin(&table, column, 4, 0);
	assert_string_equal(text(columns_titles(&table, row)), "NUMBER  STATE     PRIO  NAME\n");
	assert_string_equal(text(columns_row(&table, cell, row)),
			    "     7  running     12  shell\n");
	assert_int_equal(columns_note(&table, row), 0);
	columns_begin(&table, column, 4, 35);
	assert_int_equal(columns_note(&table, row), 0);
	columns_begin(&table, column, 4, 34);
	assert_string_equal(text(columns_titles(&table, row)), "NUMBER  PRIO  NAME\n");
	assert_string_equal(text(columns_note(&table, row)), "(too narrow for STATE)\n");
	columns_begin(&table, column, 4, 20);
	assert_string_equal(text(columns_row(&table, cell, row)), "     7  shell\n");
	assert_string_equal(text(columns_note(&table, row)), "(too narrow for ST>\n");
}

/* The lines of a text, each as wide as at most `width` says. */
static unsigned lines(const char *said, uint32_t width)
{
	unsigned count = 0;
	uint32_t shown = 0;

	for (; *said; said++) {
		count += *said == '\n';
		shown = *said == '\n' ? 0 : shown + (((uint8_t)*said & 0xc0) != 0x80);
		assert_true(shown < width);
	}
	return count;
}

/* No row wraps, and whatever is cut ends in `>`; a last column of names is not. */
static void test_cut(void **state)
{
	static const struct column last[] = {
		{"NUMBER", 6, false, 0}, {"NAME", 10, true, 0}, {"SENT", 6, false, 0}};
	static const char *const longer[] = {"123456789012", "a-state-of-its-own", "4294967295",
					     "\xc3\xa4\xc3\xb6\xc3\xbc-a-name-of-many-bytes"};
	char whole[COLUMNS_ROW + 1];
	struct columns table;

	(void)state;
	for (uint32_t width = 20; width < 100; width++) {
		columns_begin(&table, last, 3, width);
		text(columns_row(&table, longer, row));
		assert_int_equal(lines(row, width), 1);
		strcpy(whole, row);
		table.width = 0;
		text(columns_row(&table, longer, row));
		if (strcmp(row, whole) != 0)
			assert_int_equal(whole[strlen(whole) - 2], '>');
		columns_begin(&table, column, 4, width);
		text(columns_row(&table, longer, row));
		assert_in_range(lines(row, width < 25 ? 25 : width), 1, width < 71 ? 2 : 1);
		assert_non_null(strstr(row, longer[3]));
	}
	columns_begin(&table, column, 4, 40);
	assert_string_equal(text(columns_row(&table, longer, row)),
			    "123456789012  a-state-of-its-own  4294>\n"
			    "        \xc3\xa4\xc3\xb6\xc3\xbc-a-name-of-many-bytes\n");
}

/* A character of several bytes is one column; a row that just fits is whole. */
static void test_characters(void **state)
{
	static const char *const named[] = {"7", "\xc3\xa4\xc3\xb6\xc3\xbc", "12", "a-name-of-"};
	static const char shown[] = "     7  \xc3\xa4\xc3\xb6\xc3\xbc         12  a-name-of-\n";
	struct columns table;

	(void)state;
	columns_begin(&table, column, 4, 0);
	assert_string_equal(text(columns_row(&table, named, row)), shown);
	columns_begin(&table, column, 4, 35);
	assert_string_equal(text(columns_row(&table, named, row)), shown);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_choice),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
