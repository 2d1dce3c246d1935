/* SPDX-License-Identifier: MIT */
/*
 * fuzz_manifest.c - any text as a manifest: refused with the line and the reason,
 * or something that can be laid down.
 */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tools/mkstore/manifest.h"

int LLVMFuzzerInitialize(int *count, char ***words)
{
	(void)count;
	(void)words;
	return 0;
}

static void check_path(const char *path)
{
	FUZZ_CHECK(path && path[0] == '/' && path[1], "a path is '%s'", path ? path : "(null)");
}

static void check_machine(const struct manifest *manifest, const struct manifest_machine *machine)
{
	const struct manifest_object *program = manifest_object_find(manifest, machine->program);

	FUZZ_CHECK(machine->name && machine->name[0] && strlen(machine->name) < MACHINE_NAME,
		   "a machine's name");
	FUZZ_CHECK(program && program->kind == MANIFEST_PROGRAM, "machine %s: no program",
		   machine->name);
	FUZZ_CHECK(machine->arguments <= MANIFEST_ARGUMENTS_MAX &&
			   machine->grants <= MANIFEST_GRANTS_MAX,
		   "machine %s: too much of something", machine->name);
	for (unsigned i = 0; i < machine->arguments; i++)
		FUZZ_CHECK(machine->argument[i], "machine %s: argument %u", machine->name, i);
	for (unsigned i = 0; i < machine->grants; i++) {
		const struct manifest_grant *grant = &machine->grant[i];

		if (grant->kind == MANIFEST_GRANT_OBJECT)
			FUZZ_CHECK(manifest_object_find(manifest, grant->target),
				   "machine %s: grant of nothing", machine->name);
		if (grant->kind == MANIFEST_GRANT_PORT)
			FUZZ_CHECK(manifest_machine_find(manifest, grant->target),
				   "machine %s: grant of nobody's port", machine->name);
	}
}

static void check_manifest(const struct manifest *manifest)
{
	FUZZ_CHECK(manifest->objects <= MANIFEST_OBJECTS_MAX &&
			   manifest->machines <= MANIFEST_MACHINES_MAX,
		   "too many");
	for (unsigned i = 0; i < manifest->objects; i++) {
		const struct manifest_object *object = &manifest->object[i];

		check_path(object->path);
		FUZZ_CHECK(manifest_object_find(manifest, object->path) == object,
			   "%s is there twice", object->path);
		if (object->kind == MANIFEST_SEGMENT)
			FUZZ_CHECK(object->size <= object->most, "%s: larger than its most",
				   object->path);
	}
	for (unsigned i = 0; i < manifest->machines; i++)
		check_machine(manifest, &manifest->machine[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct manifest manifest;
	struct manifest_error error = {0};
	unsigned lines = 1;

	if (manifest_parse(&manifest, (const char *)data, size, &error)) {
		check_manifest(&manifest);
		manifest_free(&manifest);
		return 0;
	}
	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	FUZZ_CHECK(error.text[0] && strlen(error.text) < sizeof(error.text), "refused for nothing");
	FUZZ_CHECK(error.line <= lines, "refused for line %u of %u", error.line, lines);
	return 0;
}
