/* SPDX-License-Identifier: MIT */
/*
 * show.c - facts and lists, as lines and tables or as JSON; see show.h.
 */
#include "tools/mkstore/show.h"
#include "base/assert.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/types.h"
#include "tools/mkstore/text.h"

#define SHOW_LABEL 22 /* width of the names of facts */

void show_begin(struct show *show, bool as_json)
{
	*show = (struct show){.as_json = as_json};
}

struct json *show_json(struct show *show)
{
	if (!show->as_json)
		return NULL;
	if (!show->begun) {
		json_begin(&show->json, stdout);
		json_object(&show->json, NULL);
		show->begun = true;
	}
	return &show->json;
}

void show_end(struct show *show)
{
	ASSERT(!show->columns); /* what was begun was ended */
	if (!show->begun)
		return;
	json_object_end(&show->json);
	json_end(&show->json);
}

void show_fact(struct show *show, const char *key, const char *label)
{
	ASSERT(!show->in_row);
	show_json(show);
	show->key = key;
	show->label = label;
}

void show_group(struct show *show, const char *key)
{
	ASSERT(!show->in_row);
	if (show_json(show))
		json_object(&show->json, key);
}

void show_group_end(struct show *show)
{
	if (show->as_json)
		json_object_end(&show->json);
}

/* ---- lists ----------------------------------------------------------------------- */

static bool column_is_end(const struct show_column *column)
{
	return !column->key && !column->title;
}

static bool column_is_gap(const struct show_column *column)
{
	return !column->key && column->title && !column->title[0] && !column->width;
}

static void column_print(struct show *show, const struct show_column *column, const char *text)
{
	printf("%s%*s", show->written ? " " : "", column->width, text);
	show->written = true;
}

static void titles_print(struct show *show)
{
	bool any = false;

	for (const struct show_column *c = show->columns; !column_is_end(c); c++)
		any = any || (c->title && c->title[0]);
	if (!any)
		return;
	for (const struct show_column *c = show->columns; !column_is_end(c); c++)
		if (c->title)
			column_print(show, c, c->title);
	printf("\n");
	show->written = false;
}

void show_list(struct show *show, const char *key, const struct show_column *columns)
{
	ASSERT(!show->columns && !show->in_row);
	show->columns = columns;
	if (show_json(show))
		json_array(&show->json, key);
	else
		titles_print(show);
}

/* Ends the row before. */
static void row_end(struct show *show)
{
	if (!show->in_row)
		return;
	ASSERT(column_is_end(&show->columns[show->column]));
	show->in_row = false;
	if (show->as_json)
		json_object_end(&show->json);
	else
		printf("\n");
	show->written = false;
}

void show_row(struct show *show)
{
	ASSERT(show->columns);
	row_end(show);
	show->in_row = true;
	show->column = 0;
	if (show->as_json)
		json_object(&show->json, NULL);
}

void show_note(struct show *show, const char *format, ...)
{
	va_list arguments;

	if (show->as_json)
		return;
	row_end(show);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf("\n");
}

void show_list_end(struct show *show)
{
	ASSERT(show->columns);
	row_end(show);
	show->columns = NULL;
	if (show->as_json)
		json_array_end(&show->json);
}

/* ---- cells ----------------------------------------------------------------------- */

/* The column of the next cell. */
static const struct show_column *column_next(struct show *show)
{
	while (column_is_gap(&show->columns[show->column])) {
		if (!show->as_json)
			column_print(show, &show->columns[show->column], "");
		show->column++;
	}
	ASSERT(!column_is_end(&show->columns[show->column]));
	return &show->columns[show->column++];
}

/* Goes on to the next cell.  Its name in JSON, or null if it has none there. */
static const char *cell_key(struct show *show)
{
	return show->in_row ? column_next(show)->key : show->key;
}

/* The same for people. */
static void cell_print(struct show *show, const char *text)
{
	if (show->in_row) {
		const struct show_column *column = column_next(show);

		if (column->title)
			column_print(show, column, text);
	} else if (show->label) {
		printf("%-*s %s\n", SHOW_LABEL, show->label, text);
	}
}

const char *show_member(struct show *show, const char *text)
{
	if (show->as_json)
		return cell_key(show);
	cell_print(show, text);
	return NULL;
}

void show_number_as(struct show *show, uint64_t value, const char *text)
{
	const char *key = show_member(show, text);

	if (key)
		json_number(&show->json, key, value);
}

void show_number(struct show *show, uint64_t value)
{
	char text[TEXT_SIZE];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	show_number_as(show, value, text);
}

void show_sectors(struct show *show, uint64_t sectors)
{
	char text[TEXT_SIZE];

	show_number_as(show, sectors, text_size(text, sectors * SECTOR_SIZE));
}

void show_hexadecimal(struct show *show, uint64_t value)
{
	char text[TEXT_SIZE];

	snprintf(text, sizeof(text), "0x%" PRIx64, value);
	show_number_as(show, value, text);
}

void show_boolean(struct show *show, bool value)
{
	const char *key = show_member(show, value ? "yes" : "no");

	if (key)
		json_boolean(&show->json, key, value);
}

void show_text_as(struct show *show, const char *value, const char *text)
{
	const char *key = show_member(show, text);

	if (key)
		json_text(&show->json, key, value);
}

void show_text(struct show *show, const char *text)
{
	show_text_as(show, text, text);
}

void show_name(struct show *show, const void *name, size_t length, const char *behind)
{
	size_t room = TEXT_NAME(length) + strlen(behind);
	const char *key;
	char *text;

	if (show->as_json) {
		key = cell_key(show);
		if (key)
			json_bytes(&show->json, key, name, length);
		return;
	}
	text = malloc(room);
	if (!text) {
		cell_print(show, "?");
		return;
	}
	text_name(text, TEXT_NAME(length), name, length);
	strcat(text, behind);
	cell_print(show, text);
	free(text);
}

void show_none(struct show *show)
{
	const char *key = show_member(show, "-");

	if (key)
		json_null(&show->json, key);
}

void show_skip(struct show *show)
{
	show_member(show, "");
}

void show_identity(struct show *show, const uint8_t identity[16])
{
	char text[TEXT_IDENTITY];

	show_text(show, text_identity(text, identity));
}
