/* SPDX-License-Identifier: MIT */
/*
 * verify_faults.h - what the verifier of the objects finds in the sample, and in copies of it
 * with a fault each.
 */
#ifndef TESTS_UNIT_MKSTORE_VERIFY_FAULTS_H
#define TESTS_UNIT_MKSTORE_VERIFY_FAULTS_H

#include "tests/unit/mkstore/verify_sample.h"
#include "tools/verify/objects.h"

#define FOUND_MAX 24u /* objects that nothing leads to */

/* ---- verifying ------------------------------------------------------------------------ */

struct found {
	FILE *file;
	const char *expected;
	unsigned objects, others, matches;
	char first[300];
	unsigned unreached;
	uint32_t what[FOUND_MAX];
};

static enum status found_read(void *context, sector_t sector, uint32_t sectors, void *data)
{
	struct found *found = context;
	size_t bytes = (size_t)sectors * SECTOR_SIZE;

	fseek(found->file, (long)(sector.n * SECTOR_SIZE), SEEK_SET);
	return fread(data, 1, bytes, found->file) == bytes ? STATUS_OK : STATUS_IO;
}

static void found_report(void *context, const struct verify_finding *finding)
{
	struct found *found = context;

	if (finding->code == VERIFY_UNREACHED && !finding->snapshot.n) {
		assert_true(found->unreached < FOUND_MAX);
		found->what[found->unreached++] = finding->unreached.object;
	}
	if (finding->severity != VERIFY_ERROR)
		return;
	if (finding->code != VERIFY_OBJECT) {
		found->others++;
		return;
	}
	if (found->objects++ == 0)
		snprintf(found->first, sizeof(found->first), "%s", finding->text);
	if (found->expected && strstr(finding->text, found->expected))
		found->matches++;
}

static struct found verify_file(const char *path, const char *expected)
{
	struct found found = {.file = fopen(path, "r"), .expected = expected};
	struct verify_reader reader = {
		.context = &found, .sectors = STORE_BYTES / SECTOR_SIZE, .read = found_read};
	struct verify_options options = {
		.context = &found, .report = found_report, .objects = verify_objects};
	struct verify *verify = verify_open(&reader, &options);

	assert_non_null(verify);
	verify_run(verify);
	verify_close(verify);
	fclose(found.file);
	return found;
}

/* ---- faults --------------------------------------------------------------------------- */

static struct disk_system *system_of(struct host *host)
{
	return page_of(host, SYSTEM_PAGE);
}

#define FAULT(name, change)                                                                        \
	static void fault_##name(struct host *host)                                                \
	{                                                                                          \
		change;                                                                            \
	}

#define FAULT_ROW(name, text)                                                                      \
	{                                                                                          \
#name, fault_##name, text                                                          \
	}
struct fault {
	const char *name;
	void (*make)(struct host *host);
	const char *expected;
};

/* A copy of the sample with the fault, committed without looking into the system
 * page, which may be the fault. */
static void fault_commit(const struct fault *fault)
{
	struct command_invocation invocation = invocation_of(copy_path);
	struct store_commit_request request = {.wall_ns = 1, .offline = true};
	generation_t generation;
	struct host host;

	sample_copy();
	assert_int_equal(host_open(&host, &invocation, HOST_WRITE), COMMAND_OK);
	request.counters = host.recovery.counters;
	fault->make(&host);
	expect_ok(store_commit(host.store, &request, &generation));
	expect_ok(store_settle(host.store));
	host_close(&host);
}

/* Each fault: told, in these words, and nothing about the store below. */
static void faults_find(const struct fault *faults, size_t count)
{
	unsigned missed = 0;

	for (size_t i = 0; i < count; i++) {
		struct found found;

		fault_commit(&faults[i]);
		found = verify_file(copy_path, faults[i].expected);
		if (found.matches > 0 && found.others == 0)
			continue;
		missed++;
		print_error("fault %s: %u findings, the first: %s; expected: %s (%u others)\n",
			    faults[i].name, found.objects, found.first, faults[i].expected,
			    found.others);
	}
	assert_int_equal(missed, 0);
}

#endif
