/* SPDX-License-Identifier: MIT */
/*
 * columns.c - tables that never wrap.  Interface in columns.h.
 *
 * The last column of a terminal stays empty: some move to the next row when it is
 * filled.
 */
#include "user/shell/columns.h"

#include <string.h>
#include "base/text.h"

#define COLUMNS_GAP    2u
#define COLUMNS_INDENT 8u /* of a name that begins a line of its own */

static bool columns_shows(const struct columns *columns, uint32_t i)
{
	return !(columns->left_out & 1u << i);
}

static uint32_t columns_needed(const struct columns *columns)
{
	uint32_t needed = 0;

	for (uint32_t i = 0; i < columns->count; i++)
		if (columns_shows(columns, i))
			needed += columns->column[i].width + (needed ? COLUMNS_GAP : 0);
	return needed;
}

/* The least important one that is shown; false: all others are needed. */
static bool columns_least(const struct columns *columns, uint32_t *least)
{
	uint8_t rank = 0;

	for (uint32_t i = 0; i < columns->count; i++)
		if (columns_shows(columns, i) && columns->column[i].rank > rank) {
			rank = columns->column[i].rank;
			*least = i;
		}
	return rank > 0;
}

void columns_begin(struct columns *columns, const struct column *column, uint32_t count,
		   uint32_t width)
{
	uint32_t least;

	*columns = (struct columns){.column = column, .count = count, .width = width};
	while (width && columns_needed(columns) >= width && columns_least(columns, &least))
		columns->left_out |= 1u << least;
}

/* Characters, as columns: bytes that continue one are none. */
static uint32_t columns_of(const char *text)
{
	uint32_t count = 0;

	for (; *text; text++)
		count += ((uint8_t)*text & 0xc0) != 0x80;
	return count;
}

/* Cuts a row that the terminal would wrap, visibly, and ends it. */
static size_t columns_end(const struct columns *columns, char row[COLUMNS_ROW], size_t length)
{
	uint32_t shown = 0;

	while (length > 0 && row[length - 1] == ' ')
		length--;
	row[length] = '\0';
	for (size_t i = 0; columns->width && i < length; i++) {
		if (((uint8_t)row[i] & 0xc0) == 0x80 || ++shown < columns->width - 1)
			continue;
		if (columns_of(row + i) > 1) {
			row[i] = '>';
			length = i + 1;
		}
		break;
	}
	row[length++] = '\n';
	return length;
}

/* The last cell, which is not to be cut and has no room behind the others: it begins a line
 * of its own. */
static size_t columns_own_line(const struct columns *columns, const char *cell,
			       char row[COLUMNS_ROW], size_t length)
{
	uint32_t used = columns_of(cell) + 1, indent = COLUMNS_INDENT;

	if (used + indent > columns->width)
		indent = used < columns->width ? columns->width - used : 0;
	length = columns_end(columns, row, length);
	return length +
	       text_format(row + length, COLUMNS_ROW - length, "%*s%s\n", (int)indent, "", cell);
}

size_t columns_row(const struct columns *columns, const char *const *cell, char row[COLUMNS_ROW])
{
	const size_t size = COLUMNS_ROW - 1;
	size_t length = 0;

	for (uint32_t i = 0; i < columns->count; i++) {
		const struct column *column = &columns->column[i];
		uint32_t used = columns_of(cell[i]);
		int padding = used < column->width ? (int)(column->width - used) : 0;

		if (!columns_shows(columns, i))
			continue;
		if (i + 1 == columns->count && column->left && columns->width && length &&
		    columns_of(row) + COLUMNS_GAP + used >= columns->width)
			return columns_own_line(columns, cell[i], row, length);
		length += text_format(row + length, size - length, "%*s%*s%s%*s",
				      length ? (int)COLUMNS_GAP : 0, "", column->left ? 0 : padding,
				      "", cell[i], column->left ? padding : 0, "");
	}
	return columns_end(columns, row, length);
}

size_t columns_titles(const struct columns *columns, char row[COLUMNS_ROW])
{
	const char *cell[COLUMNS_MAX];

	for (uint32_t i = 0; i < columns->count; i++)
		cell[i] = columns->column[i].title;
	return columns_row(columns, cell, row);
}

size_t columns_note(const struct columns *columns, char row[COLUMNS_ROW])
{
	size_t length = 0;

	for (uint32_t i = 0; i < columns->count; i++)
		if (!columns_shows(columns, i))
			length += text_format(row + length, COLUMNS_ROW - 1 - length, "%s%s",
					      length ? ", " : "(too narrow for ",
					      columns->column[i].title);
	if (length == 0)
		return 0;
	row[length++] = ')';
	return columns_end(columns, row, length);
}
