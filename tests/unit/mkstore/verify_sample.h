/* SPDX-License-Identifier: MIT */
/*
 * verify_sample.h - a store in a file with objects of every type, for the tests of the
 * verifier of the objects, and a copy of it for each test.
 */
#ifndef TESTS_UNIT_MKSTORE_VERIFY_SAMPLE_H
#define TESTS_UNIT_MKSTORE_VERIFY_SAMPLE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "tools/mkstore/content.h"
#include "tools/mkstore/host.h"
#include "tests/unit/objects/run.h"

#define STORE_BYTES (16u << 20)

/* The objects of the sample, by number, as sample_make gets them. */
static struct {
	object_t directory, segment, port, machine, sleeper, table, dying, free;
	object_t view, view_dying; /* both with attachments */
	/* A bank, and another below it; what they pay for; and one that is dying, of which some
	 * has its turn still to come. */
	object_t bank, paid, paid_too, worker, inner, deep, ending, left, below, left_below,
		waiting;
} made;

static char store_path[64], copy_path[64];

/* ---- the sample -------------------------------------------------------------------- */

static struct command_invocation invocation_of(const char *path)
{
	return (struct command_invocation){.operand = {path}, .operands = 1};
}

static void expect_ok(enum status status)
{
	assert_string_equal(status_text(status), status_text(STATUS_OK));
}

static struct disk_capability create_from(struct host *host, object_t bank, enum object_type type,
					  uint64_t size, uint64_t most)
{
	struct object_request request = {
		.type = type, .size = size, .size_max = most, .name = "sample", .priority = 5};
	struct disk_capability capability;

	expect_ok(HOST_RETRY(host, object_create(&host->space, bank, &request, &capability)));
	return capability;
}

static struct disk_capability create(struct host *host, enum object_type type, uint64_t size,
				     uint64_t most)
{
	return create_from(host, (object_t){OBJECT_ROOT_BANK}, type, size, most);
}

static object_t make_from(struct host *host, object_t bank, enum object_type type, uint64_t size,
			  uint64_t most)
{
	return (object_t){create_from(host, bank, type, size, most).object};
}

static void end_rest(struct host *host)
{
	struct ended ended;
	bool more;

	do {
		expect_ok(HOST_RETRY(host, object_destroy_step(&host->space, &more, &ended)));
	} while (more);
}

/* Ends it, and takes apart what is dying, or leaves that as it is. */
static void end(struct host *host, object_t object, bool whole)
{
	struct ended ended;

	expect_ok(HOST_RETRY(host, object_destroy(&host->space, object, &ended)));
	if (whole)
		end_rest(host);
}

static void link_name(struct host *host, object_t directory, const char *name,
		      const struct disk_capability *capability)
{
	expect_ok(HOST_RETRY(
		host, entry_link(&host->space, directory, name, strlen(name), capability, false)));
}

static void *page_of(struct host *host, uint64_t page)
{
	void *data;

	expect_ok(HOST_RETRY(host, space_write(&host->space, (page_t){page}, &data)));
	return data;
}

static struct disk_object *record_of(struct host *host, object_t object)
{
	struct disk_object *records =
		page_of(host, OBJECT_TABLE_PAGE + object.n / OBJECTS_PER_PAGE);

	return &records[object.n % OBJECTS_PER_PAGE];
}

static enum status wait_prepare(struct host *host, object_t object, uint64_t deadline,
				struct disk_machine **machine)
{
	TRY(machine_prepare(&host->space, object, machine));
	TRY(deadline_insert_prepare(&host->space, deadline, object));
	return machine_bit_prepare(&host->space, object, (*machine)->priority);
}

/* One machine that is ready, one that sleeps. */
static void make_machines(struct host *host, const struct disk_capability *segment)
{
	struct disk_object record;
	struct disk_machine *machine;

	made.machine = (object_t){create(host, OBJECT_MACHINE, 0, 0).object};
	made.sleeper = (object_t){create(host, OBJECT_MACHINE, 0, 0).object};
	expect_ok(HOST_RETRY(host, object_read(&host->space, made.segment, &record)));
	expect_ok(HOST_RETRY(host, wait_prepare(host, made.machine, 777, &machine)));
	machine->state = MACHINE_READY;
	machine->ports[0].object = made.port.n;
	machine->ports[0].version = 1;
	machine_bit_set(&host->space, made.machine, machine->priority, true);
	expect_ok(attachment_add(machine, &record, segment, RUN(0, 2, RIGHT_READ, false)));
	expect_ok(attachment_add(machine, &record, segment,
				 RUN(4, 4, RIGHT_READ | RIGHT_WRITE, true)));
	expect_ok(HOST_RETRY(host, wait_prepare(host, made.sleeper, 5000, &machine)));
	machine->state = MACHINE_SLEEP;
	machine->deadline = 5000;
	deadline_insert(&host->space, 5000, made.sleeper);
}

static void make_messages(struct host *host, const struct disk_capability *segment)
{
	struct disk_message message = {.length = 5, .capability = {*segment}};
	struct disk_object record;

	expect_ok(HOST_RETRY(host, object_read(&host->space, made.port, &record)));
	for (unsigned i = 0; i < 3; i++) {
		expect_ok(HOST_RETRY(host, port_put_prepare(&host->space, &record)));
		port_put(&host->space, &record, &message);
	}
	expect_ok(HOST_RETRY(host, log_prepare(&host->space, 5)));
	log_add(&host->space, "hello", 5);
}

static bool sample_read(void *context, void *data, size_t length)
{
	(void)context;
	return memset(data, 7, length) != NULL;
}

/* What has the range of that object is gone without giving it back; it is in the
 * quarantine, as while version 1 is left behind. */
static void make_rest(struct host *host, object_t object)
{
	static const uint8_t key[10] = {1, 2, 0, 0, 0, 0, 0, 0, 0, 1}; /* user arena, 2^2 pages */
	const struct btree_key tree_key = {key, sizeof(key)};
	struct disk_system *system;
	struct disk_object *record;
	uint64_t first;

	expect_ok(HOST_RETRY(host, object_prepare(&host->space, object, &record)));
	assert_int_equal(record->range_pages, 4);
	first = record->first_page;
	end(host, object, false);
	record_of(host, object)->passed = OBJECT_PASSED_ALL;
	end_rest(host);
	expect_ok(HOST_RETRY(host, system_prepare(&host->space, &system)));
	expect_ok(btree_insert_prepare(&host->space, 0, tree_key));
	btree_insert(&host->space, &system->quarantine_root, tree_key, &first, sizeof(first));
	system->quarantine_sequence = 1;
}

static void make_banks(struct host *host)
{
	object_t first = {OBJECT_ROOT_BANK}, ended;
	struct ended gone;
	bool more;

	made.bank = make_from(host, first, OBJECT_BANK, 100, 4096);
	made.paid = make_from(host, made.bank, OBJECT_SEGMENT, PAGE_SIZE, 8 * PAGE_SIZE);
	made.paid_too = make_from(host, made.bank, OBJECT_PORT, 4, 0);
	made.worker = make_from(host, made.bank, OBJECT_MACHINE, 0, 0);
	made.inner = make_from(host, made.bank, OBJECT_BANK, 20, 64);
	make_from(host, made.bank, OBJECT_BANK, 5, 0);
	made.deep = make_from(host, made.inner, OBJECT_TABLE, 70, 0);
	make_from(host, made.inner, OBJECT_DIRECTORY, 0, 0);
	made.ending = make_from(host, first, OBJECT_BANK, 50, 200);
	made.left = make_from(host, made.ending, OBJECT_TABLE, 8, 0);
	made.below = make_from(host, made.ending, OBJECT_BANK, 10, 20);
	made.left_below = make_from(host, made.below, OBJECT_MACHINE, 0, 0);
	ended = make_from(host, made.ending, OBJECT_TABLE, 8, 0);
	/* One that only waits for the last that it paid for. */
	made.waiting = make_from(host, first, OBJECT_BANK, 30, 30);
	make_from(host, made.waiting, OBJECT_TABLE, 8, 0);
	made.free = make_from(host, first, OBJECT_PORT, 8, 0);
	end(host, made.free, true);
	end(host, made.waiting, false);
	end(host, ended, false);
	while (!(record_of(host, made.waiting)->flags & OBJECT_WAITS))
		expect_ok(HOST_RETRY(host, object_destroy_step(&host->space, &more, &gone)));
}

static void attach(struct host *host, object_t view, const struct disk_capability *segment,
		   const struct attachment_run *run)
{
	struct disk_object record;
	bool more;

	expect_ok(HOST_RETRY(host, object_read(&host->space, made.segment, &record)));
	expect_ok(HOST_RETRY(host, view_add(&host->space, view, &record, segment, run, &more)));
}

/* One through which a machine looks, of several pages of a tree; and one that is to die. */
static void make_views(struct host *host, const struct disk_capability *segment)
{
	struct disk_capability view = create(host, OBJECT_VIEW, 0, 0);
	struct disk_machine *machine;
	struct attachment_run run = {.pages = 2, .rights = RIGHT_READ};

	made.view = (object_t){view.object};
	made.view_dying = make_from(host, (object_t){OBJECT_ROOT_BANK}, OBJECT_VIEW, 0, 0);
	attach(host, made.view, segment, &run);
	for (uint64_t i = 0; i < 100; i++) {
		run.place = WINDOW_HIGH_PAGE + 3 * i;
		run.first = i % 14;
		attach(host, made.view, segment, &run);
		attach(host, made.view_dying, segment, &run);
	}
	expect_ok(HOST_RETRY(host, machine_prepare(&host->space, made.sleeper, &machine)));
	machine->view = view;
}

static void sample_make(struct host *host)
{
	struct content_source from = {.read = sample_read, .name = "", .bytes = 12388};
	struct disk_capability directory, segment, port, gone;
	char name[40];

	directory = create(host, OBJECT_DIRECTORY, 0, 0);
	segment = create(host, OBJECT_SEGMENT, 0, 16 * PAGE_SIZE);
	port = create(host, OBJECT_PORT, 8, 0);
	made.directory = (object_t){directory.object};
	made.segment = (object_t){segment.object};
	made.port = (object_t){port.object};
	made.table = (object_t){create(host, OBJECT_TABLE, 100, 0).object};
	assert_int_equal(content_write(host, made.segment, &from), COMMAND_OK);
	link_name(host, (object_t){OBJECT_ROOT_DIRECTORY}, "directory", &directory);
	link_name(host, (object_t){OBJECT_ROOT_DIRECTORY}, "segment", &segment);
	/* Enough names for a tree of several pages. */
	for (unsigned i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "name number %03u", i * 7 % 300);
		link_name(host, made.directory, name, &port);
	}
	make_machines(host, &segment);
	make_messages(host, &segment);
	make_views(host, &segment);
	gone = create(host, OBJECT_SEGMENT, PAGE_SIZE, 4 * PAGE_SIZE);
	make_rest(host, (object_t){gone.object});
	/* A range that is free again, a dead capability, and an object that is being destroyed. */
	made.dying = (object_t){create(host, OBJECT_TABLE, 10, 0).object};
	gone = create(host, OBJECT_SEGMENT, PAGE_SIZE, 4 * PAGE_SIZE);
	link_name(host, made.directory, "dead", &gone);
	end(host, (object_t){gone.object}, true);
	make_banks(host);
	end(host, made.dying, false);
	end(host, made.ending, false);
	end(host, made.view_dying, false);
}

static void commit(struct host *host)
{
	expect_ok(host_commit(host, STORE_ACTION_NONE, (snapshot_t){0}, ""));
}

static int sample_create(void **state)
{
	struct store_format_options format = {.identity = {1},
					      .created_ns = 1,
					      .sectors = STORE_BYTES / SECTOR_SIZE,
					      .write_unit = SECTOR_SIZE,
					      .label = "sample"};
	const char *folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	struct command_invocation invocation;
	struct host host;

	(void)state;
	/* In memory where that can be had: many commits, each with its flush. */
	snprintf(store_path, sizeof(store_path), "%s/perdure-objects-%d.img", folder, getpid());
	snprintf(copy_path, sizeof(copy_path), "%s/perdure-objects-%d.copy", folder, getpid());
	fclose(fopen(store_path, "w"));
	assert_int_equal(truncate(store_path, STORE_BYTES), 0);
	invocation = invocation_of(store_path);
	assert_int_equal(host_open(&host, &invocation, HOST_FORMAT), COMMAND_OK);
	expect_ok(store_format(host.store, &format));
	expect_ok(HOST_RETRY(&host, objects_format(&host.space, 10000)));
	sample_make(&host);
	commit(&host);
	expect_ok(host_commit(&host, STORE_ACTION_SNAPSHOT, (snapshot_t){0}, "kept"));
	host_close(&host);
	return 0;
}

static int sample_remove(void **state)
{
	(void)state;
	unlink(store_path);
	unlink(copy_path);
	return 0;
}

static void sample_copy(void)
{
	FILE *from = fopen(store_path, "r"), *to = fopen(copy_path, "w");
	static uint8_t data[1u << 20];
	size_t got;

	while ((got = fread(data, 1, sizeof(data), from)) > 0)
		assert_int_equal(fwrite(data, 1, got, to), got);
	fclose(from);
	assert_int_equal(fclose(to), 0);
}

#endif
