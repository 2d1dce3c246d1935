/* SPDX-License-Identifier: MIT */
/*
 * show.h - a result on the standard output, for people or as JSON.
 *
 * A subcommand says once what its result consists of; --json decides how it is
 * printed.  A result is facts, each one line or one member, and lists, each a
 * table or an array of objects:
 *
 *   fact_text(show, "image", "store", path);
 *   show_list(show, "snapshots", columns);
 *   for each: show_row(show);                    one cell per column, in order
 *   show_list_end(show);
 *
 * A cell is what follows show_fact, or the next column of a row.  Where the two
 * forms differ, the cell is told both.
 */
#ifndef TOOLS_MKSTORE_SHOW_H
#define TOOLS_MKSTORE_SHOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tools/mkstore/json.h"

struct show_column {
	const char *key;   /* in JSON; null: only for people, or the end of the columns */
	const char *title; /* for people; null: only in JSON */
	int width;	   /* of the column: right-aligned, negative: left-aligned; 0: the rest */
};

/* A further blank between two columns; it takes no cell. */
#define SHOW_GAP                                                                                   \
	{                                                                                          \
		NULL, "", 0                                                                        \
	}

struct show {
	struct json json;
	bool as_json, begun;	 /* something was shown */
	const char *key, *label; /* of the fact that comes next */
	const struct show_column *columns;
	unsigned column;
	bool in_row;
	bool written; /* something stands in the line already */
};

/* Done by host_run() for every subcommand.  What shows nothing prints nothing. */
void show_begin(struct show *show, bool as_json);
void show_end(struct show *show);

/* The members of the result, to be written one by one; null: it is for people. */
struct json *show_json(struct show *show);

/* A fact: the next cell.  A null label: only in JSON; a null key: only for
 * people. */
void show_fact(struct show *show, const char *key, const char *label);
/* A fact with its cell. */
#define fact_number(show, ...)	    SHOW_FACT(show, show_number, __VA_ARGS__)
#define fact_number_as(show, ...)   SHOW_FACT(show, show_number_as, __VA_ARGS__)
#define fact_sectors(show, ...)	    SHOW_FACT(show, show_sectors, __VA_ARGS__)
#define fact_hexadecimal(show, ...) SHOW_FACT(show, show_hexadecimal, __VA_ARGS__)
#define fact_boolean(show, ...)	    SHOW_FACT(show, show_boolean, __VA_ARGS__)
#define fact_text(show, ...)	    SHOW_FACT(show, show_text, __VA_ARGS__)
#define fact_identity(show, ...)    SHOW_FACT(show, show_identity, __VA_ARGS__)
#define SHOW_FACT(show, cell, key, label, ...)                                                     \
	(show_fact(show, key, label), (cell)(show, __VA_ARGS__))
/* Facts that belong together: an object in JSON. */
void show_group(struct show *show, const char *key);
void show_group_end(struct show *show);

/* `columns` ends with a column whose key and title are both null.  Titles are
 * printed above unless all of them are empty. */
void show_list(struct show *show, const char *key, const struct show_column *columns);
void show_row(struct show *show);
/* A further line for people below the last row. */
void show_note(struct show *show, const char *format, ...) __attribute__((format(printf, 2, 3)));
void show_list_end(struct show *show);

/* ---- cells ------------------------------------------------------------------ */

void show_number(struct show *show, uint64_t value);
/* A number that people read in another form. */
void show_number_as(struct show *show, uint64_t value, const char *text);
/* A number of sectors, for people as a size. */
void show_sectors(struct show *show, uint64_t sectors);
/* "0x..." for people, a number in JSON. */
void show_hexadecimal(struct show *show, uint64_t value);
void show_boolean(struct show *show, bool value);
void show_text(struct show *show, const char *text);
void show_identity(struct show *show, const uint8_t identity[16]);
void show_text_as(struct show *show, const char *value, const char *text);
/* Bytes of anybody's choosing, as names are; `behind` is added for people. */
void show_name(struct show *show, const void *name, size_t length, const char *behind);
#define SHOW_FIELD(show, field) show_name(show, field, strnlen(field, sizeof(field)), "")
/* A cell of another form: prints the text for people and returns null; in JSON
 * returns the name of the member that the caller writes to show->json. */
const char *show_member(struct show *show, const char *text);
/* Unknown or not there: "-" and null. */
void show_none(struct show *show);
/* Nothing: no member in JSON, an empty column. */
void show_skip(struct show *show);

#endif
