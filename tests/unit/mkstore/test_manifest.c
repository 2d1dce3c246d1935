/* SPDX-License-Identifier: MIT */
/*
 * test_manifest.c - the manifest's grammar, and each way to break it.
 */
#include "tools/mkstore/manifest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char whole[] =
	"# a system\n"
	"label \"my store\"   # trailing comment\n"
	"interval 250ms\n"
	"\n"
	"directory /bin\n"
	"directory /bin/deep\n"
	"program /bin/one one.elf\r\n"
	"file\t/bin/deep/data data.bin\n"
	"text /note \"a \\\"b\\\" # c\\n\\td\\\\\"\n"
	"text /empty \"\"\n"
	"segment /room size 10 max 1M\n"
	"segment /least\n"
	"machine first program /bin/one priority 6 arguments \"-x\" \"two words\" heap 16M\n"
	"\tgrant 16 /room read write\n"
	"\tgrant 31 /bin/one execute read destroy\n"
	"\tgrant 17 port second send badge 7\n"
	"\tgrant 18 port first send\n"
	"\tgrant console\n"
	"\tgrant store\n"
	"\tgrant system\n"
	"\tqueue 32\n"
	"end\n"
	"machine second program /bin/one\n"
	"end";

static void test_whole(void **state)
{
	struct manifest manifest;
	struct manifest_error error;
	const struct manifest_machine *first;

	(void)state;
	assert_true(manifest_parse(&manifest, whole, strlen(whole), &error));
	assert_string_equal(manifest.label, "my store");
	assert_int_equal(manifest.interval_ns, 250000000);
	assert_int_equal(manifest.objects, 8);
	assert_int_equal(manifest.object[0].kind, MANIFEST_DIRECTORY);
	assert_string_equal(manifest.object[2].path, "/bin/one");
	assert_string_equal(manifest.object[2].source, "one.elf");
	assert_int_equal(manifest.object[2].line, 7);
	assert_int_equal(manifest.object[3].kind, MANIFEST_FILE);
	assert_string_equal(manifest.object[4].source, "a \"b\" # c\n\td\\");
	assert_string_equal(manifest.object[5].source, "");
	assert_int_equal(manifest.object[6].size, 10);
	assert_int_equal(manifest.object[6].most, 1 << 20);
	assert_int_equal(manifest.object[7].most, 4096);
	assert_int_equal(manifest.machines, 2);
	first = manifest_machine_find(&manifest, "first");
	assert_non_null(first);
	assert_int_equal(first->priority, 6);
	assert_int_equal(first->heap, 16 << 20);
	assert_int_equal(first->queue, 32);
	assert_int_equal(first->arguments, 2);
	assert_string_equal(first->argument[1], "two words");
	assert_int_equal(first->grants, 7);
	assert_int_equal(first->grant[0].rights, RIGHT_READ | RIGHT_WRITE);
	assert_int_equal(first->grant[1].rights, RIGHT_READ | RIGHT_EXECUTE | RIGHT_DESTROY);
	assert_int_equal(first->grant[2].kind, MANIFEST_GRANT_PORT);
	assert_int_equal(first->grant[2].badge, 7);
	assert_string_equal(first->grant[2].target, "second");
	assert_int_equal(first->grant[6].kind, MANIFEST_GRANT_SYSTEM);
	assert_int_equal(manifest.machine[1].queue, MANIFEST_QUEUE_DEFAULT);
	manifest_free(&manifest);
}

static void test_empty(void **state)
{
	struct manifest manifest;
	struct manifest_error error;

	(void)state;
	assert_true(manifest_parse(&manifest, "", 0, &error));
	assert_string_equal(manifest.label, "perdure");
	assert_int_equal(manifest.interval_ns, 1000000000);
	assert_int_equal(manifest.objects + manifest.machines, 0);
	manifest_free(&manifest);
}

/* A sound beginning; the faulty line comes after it. */
#define HEAD	"directory /d\nprogram /p p.elf\ntext /t \"x\"\n"
#define MACHINE HEAD "machine m program /p\n"

static const struct {
	const char *text;
	unsigned line;
	const char *error;
} faults[] = {
	{HEAD "frobnicate /x", 4, "'frobnicate' is no statement"},
	{HEAD "\n\ndirectory", 6, "path is missing"},
	{HEAD "directory /d", 4, "there already"},
	{HEAD "directory d", 4, "no path"},
	{HEAD "directory /", 4, "no path"},
	{HEAD "directory /e/", 4, "no path"},
	{HEAD "directory /e/f", 4, "makes the directory '/e'"},
	{HEAD "text /t/x \"\"", 4, "makes the directory '/t'"},
	{HEAD "directory /e extra", 4, "'extra' is not expected"},
	{HEAD "text /x", 4, "text is missing"},
	{HEAD "text /x \"abc", 4, "does not end"},
	{HEAD "text /x \"a\\qb\"", 4, "unknown escape"},
	{HEAD "text /x \"a\"b", 4, "follows a closing quote"},
	{HEAD "file /x", 4, "name of a file is missing"},
	{HEAD "segment /x size", 4, "size is missing"},
	{HEAD "segment /x size 1Q", 4, "is no size"},
	{HEAD "segment /x size 2M max 1M", 4, "do not go together"},
	{HEAD "segment /x max 0", 4, "do not go together"},
	{HEAD "segment /x max 64T", 4, "do not go together"},
	{HEAD "label", 4, "label is missing"},
	{HEAD "label \"0123456789012345678901234567890123456789012345678901234567890123\"", 4,
	 "63 bytes"},
	{HEAD "interval 5y", 4, "no interval"},
	{HEAD "interval -5s", 4, "no interval"},
	{HEAD "interval s", 4, "no interval"},
	{HEAD "interval 99999999999s", 4, "no interval"},
	{HEAD "machine", 4, "name is missing"},
	{HEAD "machine m", 4, "'program PATH' must follow"},
	{HEAD "machine m program", 4, "path is missing"},
	{HEAD "machine m program /x\nend", 4, "no program '/x'"},
	{HEAD "machine m program /t\nend", 4, "no program '/t'"},
	{HEAD "machine m program /p priority 16\nend", 4, "number from 0 to 15"},
	{HEAD "machine m program /p priority -1\nend", 4, "number from 0 to 15"},
	{HEAD "machine m program /p heap 0\nend", 4, "heap of that size"},
	{HEAD "machine m program /p speed 3\nend", 4, "'speed' is not expected"},
	{HEAD "machine m program /p arguments x\nend", 4, "'x' is not expected"},
	{HEAD "machine 0123456789012345678901234567890x program /p\nend", 4, "1 to 31 bytes"},
	{MACHINE "end\nmachine m program /p\nend", 6, "machine 'm' already"},
	{MACHINE, 4, "has no 'end'"},
	{MACHINE "directory /e\nend", 5, "is not 'grant'"},
	{MACHINE "end now", 5, "'now' is not expected"},
	{MACHINE "queue 0\nend", 5, "number from 1 to 256"},
	{MACHINE "queue 257\nend", 5, "number from 1 to 256"},
	{MACHINE "grant\nend", 5, "slot is missing"},
	{MACHINE "grant 15 /t read\nend", 5, "number from 16 to 31"},
	{MACHINE "grant 32 /t read\nend", 5, "number from 16 to 31"},
	{MACHINE "grant 16 /t\nend", 5, "rights are missing"},
	{MACHINE "grant 16 /t read fly\nend", 5, "'fly' is not expected"},
	{MACHINE "grant 16 /t read\ngrant 16 /t write\nend", 6, "granted already"},
	{MACHINE "grant 16 /x read\nend", 5, "no object '/x'"},
	{MACHINE "grant 16 port\nend", 5, "name of a machine is missing"},
	{MACHINE "grant 16 port m\nend", 5, "'send' must follow"},
	{MACHINE "grant 16 port x send\nend", 5, "no machine 'x'"},
	{MACHINE "grant 16 port m send badge x\nend", 5, "the badge 'x'"},
	{MACHINE "grant console now\nend", 5, "'now' is not expected"},
};

static void test_faults(void **state)
{
	struct manifest manifest;
	struct manifest_error error;

	(void)state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		bool parsed =
			manifest_parse(&manifest, faults[i].text, strlen(faults[i].text), &error);
		if (parsed || error.line != faults[i].line || !strstr(error.text, faults[i].error))
			fail_msg("fault %zu: line %u: %s; expected line %u: %s", i, error.line,
				 parsed ? "accepted" : error.text, faults[i].line, faults[i].error);
	}
}

static void expect_error(const char *text, size_t length, const char *message)
{
	struct manifest manifest;
	struct manifest_error error;

	assert_false(manifest_parse(&manifest, text, length, &error));
	assert_non_null(strstr(error.text, message));
}

static void test_limits(void **state)
{
	size_t size = MANIFEST_BYTES_MAX + 2;
	char *text = calloc(1, size);
	FILE *out;

	(void)state;
	memset(text, '\n', size - 1);
	expect_error(text, size - 1, "more than");
	expect_error("label \0x\n", 9, "zero byte");

	out = fmemopen(text, size, "w");
	for (unsigned i = 0; i <= MANIFEST_OBJECTS_MAX; i++)
		fprintf(out, "text /%u \"\"\n", i);
	fclose(out);
	expect_error(text, strlen(text), "more than 4096 objects");

	out = fmemopen(text, size, "w");
	fputs("label ", out);
	for (unsigned i = 0; i < 60; i++)
		fputs("x ", out);
	fclose(out);
	expect_error(text, strlen(text), "words");

	out = fmemopen(text, size, "w");
	fputs("program /p p\n", out);
	for (unsigned i = 0; i <= MANIFEST_MACHINES_MAX; i++)
		fprintf(out, "machine m%u program /p\nend\n", i);
	fclose(out);
	expect_error(text, strlen(text), "more than 256 machines");

	out = fmemopen(text, size, "w");
	fputs("program /p p\nmachine m program /p arguments", out);
	for (unsigned i = 0; i <= MANIFEST_ARGUMENTS_MAX; i++)
		fputs(" \"a\"", out);
	fclose(out);
	expect_error(text, strlen(text), "more than 16 arguments");
	free(text);
}

/* Every prefix of a sound manifest is answered, sound or not. */
static void test_prefixes(void **state)
{
	struct manifest manifest;
	struct manifest_error error;
	unsigned accepted = 0;

	(void)state;
	for (size_t length = 0; length < sizeof(whole); length++) {
		/* A copy of the exact size, so that reading behind it is noticed. */
		char *text = malloc(length ? length : 1);
		memcpy(text, whole, length);
		if (manifest_parse(&manifest, text, length, &error)) {
			accepted++;
			manifest_free(&manifest);
		} else {
			assert_true(error.text[0] != 0);
		}
		free(text);
	}
	assert_in_range(accepted, 10, sizeof(whole) - 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),	 cmocka_unit_test(test_empty),
		cmocka_unit_test(test_faults),	 cmocka_unit_test(test_limits),
		cmocka_unit_test(test_prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
