/* SPDX-License-Identifier: MIT */
/*
 * json.c - the JSON writer: commas, indentation, escapes.
 *
 * Nesting is bounded by JSON_DEPTH_MAX; the writers of this tool know their
 * depth, so exceeding it is a bug and asserted.
 */
#include "tools/mkstore/json.h"
#include "base/assert.h"

#include <inttypes.h>
#include <string.h>

/* Length of the valid UTF-8 sequence at `bytes`, 0 if there is none.  Overlong
 * forms, surrogates and what lies above U+10FFFF are not valid. */
static size_t json_utf8_length(const uint8_t *bytes, size_t length)
{
	uint8_t first = bytes[0], low = 0x80, high = 0xbf;
	size_t need;

	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	need = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	if (length < need)
		return 0;
	if (first == 0xe0)
		low = 0xa0;
	else if (first == 0xed)
		high = 0x9f;
	else if (first == 0xf0)
		low = 0x90;
	else if (first == 0xf4)
		high = 0x8f;
	if (bytes[1] < low || bytes[1] > high)
		return 0;
	for (size_t i = 2; i < need; i++)
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
	return need;
}

static void json_character(FILE *out, uint8_t byte)
{
	if (byte == '"' || byte == '\\')
		fprintf(out, "\\%c", byte);
	else if (byte == '\n')
		fputs("\\n", out);
	else if (byte == '\t')
		fputs("\\t", out);
	else if (byte < 0x20 || byte == 0x7f)
		fprintf(out, "\\u%04x", byte);
	else
		fputc(byte, out);
}

static void json_quoted(FILE *out, const void *data, size_t length)
{
	const uint8_t *bytes = data;

	fputc('"', out);
	for (size_t i = 0; i < length;) {
		size_t valid = json_utf8_length(bytes + i, length - i);
		if (valid == 0)
			fprintf(out, "\\udc%02x", bytes[i]);
		else if (valid == 1)
			json_character(out, bytes[i]);
		else
			fwrite(bytes + i, 1, valid, out);
		i += valid ? valid : 1;
	}
	fputc('"', out);
}

/* What stands before a value: comma, line, indentation, name.  False: none is written. */
static bool json_value(struct json *json, const char *name)
{
	if (!json)
		return false;
	if (json->filled[json->depth])
		fputc(',', json->out);
	json->filled[json->depth] = true;
	if (json->depth > 0) {
		fputc('\n', json->out);
		for (unsigned i = 0; i < json->depth; i++)
			fputs("  ", json->out);
	}
	if (name) {
		json_quoted(json->out, name, strlen(name));
		fputs(": ", json->out);
	}
	return true;
}

void json_open(struct json *json, const char *name, char bracket)
{
	if (!json_value(json, name))
		return;
	ASSERT(bracket == '{' || bracket == '[');
	fputc(bracket, json->out);
	ASSERT(json->depth < JSON_DEPTH_MAX);
	json->filled[++json->depth] = false;
}

void json_close(struct json *json, char bracket)
{
	if (!json)
		return;
	ASSERT(json->depth > 0);
	bool filled = json->filled[json->depth--];
	if (filled) {
		fputc('\n', json->out);
		for (unsigned i = 0; i < json->depth; i++)
			fputs("  ", json->out);
	}
	fputc(bracket, json->out);
}

void json_begin(struct json *json, FILE *out)
{
	*json = (struct json){.out = out};
}

void json_end(struct json *json)
{
	ASSERT(json->depth == 0);
	fputc('\n', json->out);
}

void json_number(struct json *json, const char *name, uint64_t value)
{
	if (json_value(json, name))
		fprintf(json->out, "%" PRIu64, value);
}

void json_boolean(struct json *json, const char *name, bool value)
{
	if (json_value(json, name))
		fputs(value ? "true" : "false", json->out);
}

void json_null(struct json *json, const char *name)
{
	if (json_value(json, name))
		fputs("null", json->out);
}

void json_text(struct json *json, const char *name, const char *text)
{
	json_bytes(json, name, text, strlen(text));
}

void json_bytes(struct json *json, const char *name, const void *bytes, size_t length)
{
	if (json_value(json, name))
		json_quoted(json->out, bytes, length);
}
