/* SPDX-License-Identifier: MIT */
/*
 * test_json.c - what the JSON writer writes.
 */
#include "tools/mkstore/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct writer {
	struct json json;
	char *text;
	size_t length;
};

static void begin(struct writer *writer)
{
	json_begin(&writer->json, open_memstream(&writer->text, &writer->length));
}

static void expect(struct writer *writer, const char *text)
{
	json_end(&writer->json);
	fclose(writer->json.out);
	assert_string_equal(writer->text, text);
	free(writer->text);
}

static void test_nesting(void **state)
{
	struct writer writer;

	(void)state;
	begin(&writer);
	json_object(&writer.json, NULL);
	json_number(&writer.json, "n", UINT64_MAX);
	json_array(&writer.json, "a");
	json_boolean(&writer.json, NULL, true);
	json_null(&writer.json, NULL);
	json_array(&writer.json, NULL);
	json_array_end(&writer.json);
	json_array_end(&writer.json);
	json_boolean(&writer.json, "b", false);
	json_object_end(&writer.json);
	expect(&writer, "{\n  \"n\": 18446744073709551615,\n  \"a\": [\n    true,\n    null,\n"
			"    []\n  ],\n  \"b\": false\n}\n");
}

static void expect_text(const char *bytes, size_t length, const char *text)
{
	struct writer writer;

	begin(&writer);
	json_bytes(&writer.json, NULL, bytes, length);
	expect(&writer, text);
}

static void test_escapes(void **state)
{
	(void)state;
	expect_text("", 0, "\"\"\n");
	expect_text("a\"b\\c/", 6, "\"a\\\"b\\\\c/\"\n");
	expect_text("\n\t\r\x01\x1f\x7f", 6, "\"\\n\\t\\u000d\\u0001\\u001f\\u007f\"\n");
	expect_text("a\0b", 3, "\"a\\u0000b\"\n");
}

static void test_utf8(void **state)
{
	(void)state;
	expect_text("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9,
		    "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"\n");
	/* A stray byte, an overlong form, a surrogate, too large, cut off. */
	expect_text("\xff", 1, "\"\\udcff\"\n");
	expect_text("\xc0\xaf", 2, "\"\\udcc0\\udcaf\"\n");
	expect_text("\xe0\x80\x80", 3, "\"\\udce0\\udc80\\udc80\"\n");
	expect_text("\xed\xa0\x80", 3, "\"\\udced\\udca0\\udc80\"\n");
	expect_text("\xf4\x90\x80\x80", 4, "\"\\udcf4\\udc90\\udc80\\udc80\"\n");
	expect_text("x\xe2\x82", 3, "\"x\\udce2\\udc82\"\n");
	expect_text("\xc3(", 2, "\"\\udcc3(\"\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nesting),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
