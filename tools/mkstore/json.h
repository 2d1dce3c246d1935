/* SPDX-License-Identifier: MIT */
/*
 * json.h - writes one JSON value to a stream.
 *
 * Numbers are integers and written as such.  Text is written as UTF-8; a byte
 * that is not part of valid UTF-8 (names are plain bytes) becomes the escape
 * \udcXX, as Python's "surrogateescape" has it, so that nothing is lost.
 *
 * A name is null inside an array and for the outermost value.  Where the writer is null the
 * result is for people: nothing is written here, and what TEXT_LINE says is.
 */
#ifndef TOOLS_MKSTORE_JSON_H
#define TOOLS_MKSTORE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define JSON_DEPTH_MAX 8u

struct json {
	FILE *out;
	unsigned depth;
	bool filled[JSON_DEPTH_MAX + 1]; /* a value was written at this depth */
};

void json_begin(struct json *json, FILE *out);
/* All that was opened must be closed again. */
void json_end(struct json *json);

void json_open(struct json *json, const char *name, char bracket);
void json_close(struct json *json, char bracket);
#define json_object(json, name) json_open(json, name, '{')
#define json_object_end(json)	json_close(json, '}')
#define json_array(json, name)	json_open(json, name, '[')
#define json_array_end(json)	json_close(json, ']')
void json_number(struct json *json, const char *name, uint64_t value);
void json_boolean(struct json *json, const char *name, bool value);
void json_null(struct json *json, const char *name);
void json_text(struct json *json, const char *name, const char *text);
void json_bytes(struct json *json, const char *name, const void *bytes, size_t length);
#define TEXT_LINE(json, ...)                                                                       \
	do {                                                                                       \
		if (!(json))                                                                       \
			printf(__VA_ARGS__);                                                       \
	} while (0)
/* An array that may end with zeros. */
#define JSON_FIELD(json, name, field) json_bytes(json, name, field, strnlen(field, sizeof(field)))

#endif
