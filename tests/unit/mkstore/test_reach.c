/* SPDX-License-Identifier: MIT */
/*
 * test_reach.c - what the verifier says of objects that nothing leads to and of the
 * places of directories, and what `reattach` and `rm` make of it.
 */
#include "tools/verify/objects.h"

#include <setjmp.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "tools/mkstore/host.h"
#include "tools/mkstore/path.h"
#include "tests/unit/objects/run.h"

#define STORE_BYTES (8u << 20)
#define FOUND_MAX   16u

static const object_t root = {OBJECT_ROOT_DIRECTORY};
static char path[64];
static struct command_invocation invocation;
static struct host host;

static void expect_ok(enum status status)
{
	assert_string_equal(status_text(status), status_text(STATUS_OK));
}

static int store_create(void **state)
{
	struct store_format_options format = {.identity = {1},
					      .created_ns = 1,
					      .sectors = STORE_BYTES / SECTOR_SIZE,
					      .write_unit = SECTOR_SIZE,
					      .label = "reach"};

	(void)state;
	snprintf(path, sizeof(path), "%s/perdure-reach-%d.img",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", getpid());
	invocation = (struct command_invocation){.operand = {path}, .operands = 1};
	fclose(fopen(path, "w"));
	assert_int_equal(truncate(path, STORE_BYTES), 0);
	assert_int_equal(host_open(&host, &invocation, HOST_FORMAT), COMMAND_OK);
	expect_ok(store_format(host.store, &format));
	expect_ok(HOST_RETRY(&host, objects_format(&host.space, 1000)));
	return 0;
}

static int store_remove(void **state)
{
	(void)state;
	host_close(&host);
	unlink(path);
	return 0;
}

/* ---- making things -------------------------------------------------------------------- */

static struct disk_capability create(enum object_type type)
{
	struct object_request request = {
		.type = type, .size = 8, .size_max = 4096, .name = "m", .priority = 1};
	struct disk_capability capability;

	expect_ok(HOST_RETRY(&host, object_create(&host.space, (object_t){OBJECT_ROOT_BANK},
						  &request, &capability)));
	return capability;
}

static object_t of(struct disk_capability capability)
{
	return (object_t){capability.object};
}

static void name(object_t directory, const char *text, struct disk_capability capability)
{
	expect_ok(HOST_RETRY(
		&host, entry_link(&host.space, directory, text, strlen(text), &capability, false)));
}

static void unname(object_t directory, const char *text)
{
	expect_ok(HOST_RETRY(&host, entry_unlink(&host.space, directory, text, strlen(text))));
}

static void *page_of(uint64_t page)
{
	void *data;

	expect_ok(HOST_RETRY(&host, space_write(&host.space, (page_t){page}, &data)));
	return data;
}

static struct disk_object *record_of(struct disk_capability capability)
{
	struct disk_object *records =
		page_of(OBJECT_TABLE_PAGE + capability.object / OBJECTS_PER_PAGE);

	return &records[capability.object % OBJECTS_PER_PAGE];
}

static struct disk_system *system_of(void)
{
	return page_of(SYSTEM_PAGE);
}

static struct disk_machine *machine_of(struct disk_capability capability)
{
	return page_of(record_of(capability)->first_page);
}

static void place_in_table(struct disk_capability table, struct disk_capability held)
{
	*(struct disk_capability *)page_of(record_of(table)->first_page) = held;
}

static void queue_in_port(struct disk_capability port, struct disk_capability held)
{
	struct disk_message message = {.capability = {[2] = held}};
	struct disk_object record;

	expect_ok(HOST_RETRY(&host, object_read(&host.space, of(port), &record)));
	expect_ok(HOST_RETRY(&host, port_put_prepare(&host.space, &record)));
	port_put(&host.space, &record, &message);
}

/* What the kernel of before let happen: a directory gets a name in itself. */
static void put_below_itself(object_t from, const char *text, object_t to)
{
	struct disk_capability moved;
	struct disk_object *records;

	expect_ok(HOST_RETRY(&host, entry_lookup(&host.space, from, text, strlen(text), &moved)));
	unname(from, text);
	/* As something else, it may go anywhere. */
	moved.type = OBJECT_PORT;
	name(to, text, moved);
	moved.type = OBJECT_DIRECTORY;
	system_of()->places = 0;
	records = page_of(OBJECT_TABLE_PAGE + moved.object / OBJECTS_PER_PAGE);
	for (unsigned i = 0; i < OBJECTS_PER_PAGE; i++)
		if (records[i].type == OBJECT_DIRECTORY)
			records[i].directory.place = 0;
	/* And becomes what it is in the pages of the tree. */
	for (uint64_t page = TREE_ARENA_PAGE; page < system_of()->tree_next; page++) {
		struct disk_tree_page *tree = page_of(page);

		for (size_t at = 0; at + sizeof(moved) <= sizeof(tree->bytes); at++) {
			struct disk_capability found;

			memcpy(&found, tree->bytes + at, sizeof(found));
			if (found.object == moved.object && found.version == moved.version &&
			    found.type == OBJECT_PORT)
				memcpy(tree->bytes + at, &moved, sizeof(moved));
		}
	}
}

static void commit(void)
{
	expect_ok(host_commit(&host, STORE_ACTION_NONE, (snapshot_t){0}, ""));
}

/* ---- verifying --------------------------------------------------------------------------- */

static struct {
	struct verify_unreached unreached[FOUND_MAX];
	unsigned count, notes, errors;
	char error[300];
} found;

static void found_report(void *context, const struct verify_finding *finding)
{
	(void)context;
	if (finding->severity == VERIFY_ERROR && found.errors++ == 0)
		snprintf(found.error, sizeof(found.error), "%s", finding->text);
	if (finding->code != VERIFY_UNREACHED)
		return;
	if (finding->severity == VERIFY_NOTE) {
		assert_non_null(strstr(finding->text, "snapshot"));
		found.notes++;
		return;
	}
	assert_int_equal(finding->severity, VERIFY_WARNING);
	assert_true(found.count < FOUND_MAX);
	found.unreached[found.count++] = finding->unreached;
}

static enum status found_read(void *context, sector_t sector, uint32_t sectors, void *data)
{
	size_t bytes = (size_t)sectors * SECTOR_SIZE;

	return pread(*(int *)context, data, bytes, (off_t)(sector.n * SECTOR_SIZE)) ==
			       (ssize_t)bytes
		       ? STATUS_OK
		       : STATUS_IO;
}

static struct verify_totals verify_now(void)
{
	int file = open(path, O_RDONLY);
	struct verify_reader reader = {
		.context = &file, .sectors = STORE_BYTES / SECTOR_SIZE, .read = found_read};
	struct verify_options options = {.report = found_report, .objects = verify_objects};
	struct verify *verify = verify_open(&reader, &options);
	struct verify_totals totals;

	commit();
	memset(&found, 0, sizeof(found));
	assert_non_null(verify);
	verify_run(verify);
	totals = *verify_totals_get(verify);
	assert_int_equal(totals.warnings, found.count);
	assert_int_equal(totals.unreached, found.count);
	verify_close(verify);
	close(file);
	return totals;
}

static void expect_unreached(unsigned index, struct disk_capability capability, uint64_t objects,
			     uint64_t pages)
{
	assert_true(index < found.count);
	assert_int_equal(found.unreached[index].object, capability.object);
	assert_int_equal(found.unreached[index].type, capability.type);
	assert_int_equal(found.unreached[index].objects, objects);
	assert_int_equal(found.unreached[index].pages, pages);
}

static void expect_error(const char *text)
{
	verify_now();
	assert_int_equal(found.errors, 1);
	if (!strstr(found.error, text))
		fail_msg("expected '%s': %s", text, found.error);
}

/* Every way to hold an object counts. */
static void test_held(void **state)
{
	struct disk_capability machine = create(OBJECT_MACHINE), table = create(OBJECT_TABLE),
			       port = create(OBJECT_PORT);
	struct disk_capability keeper = create(OBJECT_PORT), bond = create(OBJECT_PORT);
	struct disk_capability told = create(OBJECT_PORT), segment = create(OBJECT_SEGMENT);
	struct disk_capability queued = create(OBJECT_SEGMENT), below = create(OBJECT_SEGMENT);
	struct disk_capability directory = create(OBJECT_DIRECTORY);
	struct disk_object record;
	struct disk_machine *page;

	(void)state;
	page = machine_of(machine);
	page->keeper = keeper;
	page->ports[3].object = bond.object;
	page->ports[3].version = bond.version;
	page->resume_port = told.object;
	page->resume_port_version = told.version;
	expect_ok(HOST_RETRY(&host, machine_bit_prepare(&host.space, of(machine), RESUME_BITMAP)));
	machine_bit_set(&host.space, of(machine), RESUME_BITMAP, true);
	expect_ok(HOST_RETRY(&host, object_read(&host.space, of(segment), &record)));
	expect_ok(attachment_add(page, &record, &segment, RUN(0, 1, RIGHT_READ, false)));
	name(root, "table", table);
	place_in_table(table, directory);
	name(of(directory), "port", port);
	queue_in_port(port, queued);
	name(of(directory), "below", below);
	assert_int_equal(verify_now().errors, 0);
	assert_int_equal(found.count, 0);

	/* And is missed when it is gone. */
	page = machine_of(machine);
	memset(&page->keeper, 0, sizeof(page->keeper));
	page->ports[3].version++;
	page->resume_port = 0;
	page->resume_port_version = 0;
	memset(page->attachments, 0, sizeof(page->attachments));
	unname(root, "table");
	assert_int_equal(verify_now().unreached_objects, 9);
	assert_int_equal(found.errors, 0);
	assert_int_equal(found.count, 5);
	expect_unreached(0, table, 4, 1 + 2 + 5 + 1 + 1);
	expect_unreached(1, keeper, 0, 5);
	expect_unreached(2, bond, 0, 5);
	expect_unreached(3, told, 0, 5);
	expect_unreached(4, segment, 0, 1);
}

/* A machine goes on without its table, and what was in it may have no other way. */
static void test_table_destroyed(void **state)
{
	struct disk_capability machine = create(OBJECT_MACHINE), segment = create(OBJECT_SEGMENT);
	struct disk_capability table = machine_of(machine)->table;
	struct disk_object record;
	struct ended ended;

	(void)state;
	expect_ok(HOST_RETRY(&host, object_read(&host.space, of(table), &record)));
	expect_ok(HOST_RETRY(&host, table_prepare(&host.space, &record, 40)));
	table_put(&host.space, &record, 40, &segment);
	verify_now();
	assert_int_equal(found.errors + found.count, 0);
	expect_ok(HOST_RETRY(&host, object_destroy(&host.space, of(table), &ended)));
	expect_ok(host_finish(&host));
	verify_now();
	assert_int_equal(found.errors, 0);
	assert_int_equal(found.count, 1);
	expect_unreached(0, segment, 0, 1);
	/* It is the kernel's to tell who waits for what it holds. */
	assert_int_equal(system_of()->destroying, table.object);
	expect_ok(HOST_RETRY(&host, object_told(&host.space, of(table))));
	verify_now();
	assert_int_equal(found.errors, 0);
	expect_ok(host_finish(&host));
	assert_int_equal(system_of()->destroying, 0);
	memset(&machine_of(machine)->table, 0, sizeof(table));
	expect_error("has no table");
}

/* What the kernel is going to destroy is known to it, until the number is another's. */
static void test_transient(void **state)
{
	struct object_request request = {.type = OBJECT_TABLE, .size = 8};
	struct disk_capability table, segment = create(OBJECT_SEGMENT);

	(void)state;
	expect_ok(HOST_RETRY(&host, transient_create(&host.space, (object_t){OBJECT_ROOT_BANK},
						     &request, &table)));
	place_in_table(table, segment);
	verify_now();
	assert_int_equal(found.errors + found.count, 0);
	system_of()->transient[0].version--;
	assert_int_equal(verify_now().unreached_objects, 2);
	expect_unreached(0, table, 1, 1 + 1);
}

/* In a snapshot it is noted, and counts for nothing. */
static void test_snapshot(void **state)
{
	struct disk_capability segment = create(OBJECT_SEGMENT);

	(void)state;
	expect_ok(host_commit(&host, STORE_ACTION_SNAPSHOT, (snapshot_t){0}, "kept"));
	name(root, "segment", segment);
	assert_int_equal(verify_now().unreached_objects, 0);
	assert_int_equal(found.notes, 1);
	assert_int_equal(found.count + found.errors, 0);
}

static void test_places(void **state)
{
	struct disk_capability a = create(OBJECT_DIRECTORY), b = create(OBJECT_DIRECTORY);

	(void)state;
	name(root, "a", a);
	name(of(a), "b", b);
	verify_now();
	assert_int_equal(found.errors + found.count, 0);
	record_of(b)->directory.place = 0;
	expect_error("of which its record says nothing");
	/* A second name, as could be given before. */
	record_of(b)->directory.place = OBJECT_ROOT_DIRECTORY;
	expect_error("which does not name it");
	record_of(b)->directory.place = a.object;
	record_of(a)->directory.place = OBJECT_ROOT_BANK;
	expect_error("which does not name it");
	record_of(a)->directory.place = OBJECT_ROOT_DIRECTORY;
	system_of()->places = 2;
	expect_error("reserve");
	system_of()->places = 0;
	record_of(b)->directory.place = 0;
	verify_now();
	assert_int_equal(found.errors + found.count, 0);
}

/* ---- reattaching ---------------------------------------------------------------------------- */

/* Runs the command, of this path and with this option, its output thrown away. */
static enum command_exit run(const struct command *command, const char *operand, const char *option)
{
	int null = open("/dev/null", O_WRONLY), out = dup(1), error = dup(2);
	enum command_exit result;

	commit();
	host_close(&host);
	fflush(stdout);
	dup2(null, 1);
	dup2(null, 2);
	invocation.command = command;
	invocation.operand[1] = operand;
	invocation.operands = operand ? 2 : 1;
	for (unsigned i = 0; option && command->options[i].name; i++)
		if (strcmp(command->options[i].name, option) == 0)
			invocation.value[i] = "";
	result = host_run(&invocation);
	memset(invocation.value, 0, sizeof(invocation.value));
	fflush(stdout);
	dup2(out, 1);
	dup2(error, 2);
	close(null);
	close(out);
	close(error);
	assert_int_equal(host_open(&host, &invocation, HOST_WRITE), COMMAND_OK);
	return result;
}

static enum command_exit reattach(void)
{
	return run(&command_reattach, NULL, NULL);
}

static void expect_path(const char *format, struct disk_capability first, const char *below,
			struct disk_capability wanted)
{
	struct disk_capability capability;
	char text[100];
	int length = snprintf(text, sizeof(text), format, first.object);

	snprintf(text + length, sizeof(text) - (size_t)length, "%s", below);
	expect_ok(path_find(&host, text, &capability, NULL));
	assert_int_equal(capability.object, wanted.object);
	assert_int_equal(capability.rights, object_rights(wanted.type));
}

static void test_reattach(void **state)
{
	struct disk_capability directory = create(OBJECT_DIRECTORY), port = create(OBJECT_PORT);
	struct disk_capability segment = create(OBJECT_SEGMENT), again;
	uint64_t generation;
	char text[40];

	(void)state;
	name(root, "directory", directory);
	name(of(directory), "segment", segment);
	name(root, "port", port);
	assert_int_equal(reattach(), COMMAND_OK);
	assert_int_equal(path_find(&host, "/lost+found", &again, NULL), STATUS_NOT_FOUND);
	unname(root, "directory");
	unname(root, "port");
	commit();
	generation = store_durable(host.store).n;
	assert_int_equal(reattach(), COMMAND_OK);
	/* One commit before it, and its one. */
	assert_int_equal(host.recovery.generation.n, generation + 2);
	expect_path("/lost+found/directory-%u", directory, "", directory);
	expect_path("/lost+found/directory-%u", directory, "/segment", segment);
	expect_path("/lost+found/port-%u", port, "", port);
	verify_now();
	assert_int_equal(found.errors + found.count, 0);
	/* Once more, beside a name that is taken. */
	unname(of(directory), "segment");
	expect_ok(path_find(&host, "/lost+found", &again, NULL));
	snprintf(text, sizeof(text), "segment-%u", segment.object);
	name(of(again), text, port);
	assert_int_equal(reattach(), COMMAND_OK);
	expect_path("/lost+found/segment-%u-2", segment, "", segment);
}

/* The rings that `mv /d1 /d1/d2` and `mv /notes /notes` once made. */
static void test_reattach_rings(void **state)
{
	struct disk_capability d1 = create(OBJECT_DIRECTORY), d2 = create(OBJECT_DIRECTORY);
	struct disk_capability notes = create(OBJECT_DIRECTORY), mine = create(OBJECT_SEGMENT);

	(void)state;
	name(root, "d1", d1);
	name(of(d1), "d2", d2);
	name(of(d2), "mine", mine);
	name(root, "notes", notes);
	put_below_itself(root, "d1", of(d2));
	put_below_itself(root, "notes", of(notes));
	verify_now();
	assert_string_equal(found.error, "");
	assert_int_equal(found.count, 2);
	expect_unreached(0, notes, 0, 2);
	expect_unreached(1, d1, 2, 5);
	assert_int_equal(reattach(), COMMAND_OK);
	verify_now();
	assert_string_equal(found.error, "");
	assert_int_equal(found.count, 0);
	expect_path("/lost+found/directory-%u", d1, "/d2/mine", mine);
	expect_path("/lost+found/directory-%u", notes, "", notes);
	assert_int_equal(record_of(d2)->size, 1);
	assert_int_equal(record_of(notes)->size, 0);
}

static void test_reattach_refused(void **state)
{
	struct disk_capability segment = create(OBJECT_SEGMENT), found_there;

	(void)state;
	create(OBJECT_PORT);
	name(root, "lost+found", segment);
	assert_int_equal(reattach(), COMMAND_FAILED);
	unname(root, "lost+found");
	/* In a store with damage nothing is done. */
	record_of(segment)->reserved0 = 1;
	assert_int_equal(reattach(), COMMAND_FAILED);
	assert_int_equal(path_find(&host, "/lost+found", &found_there, NULL), STATUS_NOT_FOUND);
	record_of(segment)->reserved0 = 0;
	assert_int_equal(reattach(), COMMAND_OK);
	expect_ok(path_find(&host, "/lost+found", &found_there, NULL));
}

/* ---- rm ------------------------------------------------------------------------------------- */

static bool lives(struct disk_capability capability)
{
	enum status status =
		HOST_RETRY(&host, object_resolve(&host.space, &capability, OBJECT_NONE, 0, NULL));

	assert_true(status == STATUS_OK || status == STATUS_DEAD);
	return status == STATUS_OK;
}

static void expect_gone(const char *text)
{
	struct disk_capability capability;

	assert_int_equal(path_find(&host, text, &capability, NULL), STATUS_NOT_FOUND);
}

/* With its last name goes an object of any type, unless something else leads to it. */
static void test_rm(void **state)
{
	struct disk_capability machine = create(OBJECT_MACHINE), held = create(OBJECT_PORT);
	struct disk_capability port = create(OBJECT_PORT), kept = create(OBJECT_PORT);
	struct disk_capability segment = create(OBJECT_SEGMENT);

	(void)state;
	place_in_table(machine_of(machine)->table, held);
	name(root, "machine", machine);
	name(root, "held", held);
	name(root, "one", port);
	name(root, "two", port);
	name(root, "kept", kept);
	assert_int_equal(run(&command_rm, "/held", NULL), COMMAND_OK);
	assert_int_equal(run(&command_rm, "/machine", NULL), COMMAND_OK);
	assert_int_equal(run(&command_rm, "/one", NULL), COMMAND_OK);
	expect_gone("/held");
	expect_gone("/one");
	assert_true(lives(held) && lives(machine) && lives(port));
	assert_int_equal(run(&command_rm, "/two", NULL), COMMAND_OK);
	assert_false(lives(port));
	assert_int_equal(run(&command_rm, "/kept", "keep"), COMMAND_OK);
	expect_gone("/kept");
	assert_true(lives(kept));
	/* As what a new name takes the place of. */
	name(root, "kept", kept);
	name(root, "segment", segment);
	invocation.operand[2] = "/kept";
	assert_int_equal(run(&command_mv, "/segment", "force"), COMMAND_OK);
	assert_true(lives(segment) && !lives(kept));
	verify_now();
	assert_int_equal(found.errors + found.count, 0);
}

/* In turn, as one of them leads to another; what has two names ends once. */
static void test_rm_recursive(void **state)
{
	struct disk_capability directory = create(OBJECT_DIRECTORY), table = create(OBJECT_TABLE);
	struct disk_capability port = create(OBJECT_PORT), queued = create(OBJECT_PORT);

	(void)state;
	place_in_table(table, port);
	queue_in_port(port, queued);
	name(root, "d", directory);
	name(of(directory), "a", queued);
	name(of(directory), "b", port);
	name(of(directory), "c", table);
	name(of(directory), "d", table);
	assert_int_equal(run(&command_rm, "/d", "recursive"), COMMAND_OK);
	assert_false(lives(directory) || lives(table) || lives(port) || lives(queued));
	verify_now();
	assert_int_equal(found.errors + found.count, 0);
}

/* One that no commit of these tests comes to. */
static void slot_damage(void)
{
	const char nothing[] = "no record";
	int file = open(path, O_WRONLY);
	off_t slot = (off_t)DISK_RING_SECTOR + (DISK_RING_SLOTS - 1) * (off_t)DISK_SLOT_SECTORS;

	assert_int_equal(pwrite(file, nothing, sizeof(nothing), slot * SECTOR_SIZE),
			 sizeof(nothing));
	close(file);
}

/* What cannot be made sense of might lead there. */
static void test_rm_faults(void **state)
{
	struct disk_capability port = create(OBJECT_PORT), other = create(OBJECT_PORT);

	(void)state;
	name(root, "port", port);
	record_of(other)->reserved0 = 1;
	assert_int_equal(run(&command_rm, "/port", NULL), COMMAND_OK);
	expect_gone("/port");
	assert_true(lives(port));
	record_of(other)->reserved0 = 0;
	name(root, "port", port);
	commit();
	slot_damage();
	assert_int_equal(run(&command_rm, "/port", NULL), COMMAND_OK);
	expect_gone("/port");
	assert_true(lives(port));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, store_create, store_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_held),	   TEST(test_table_destroyed),	TEST(test_transient),
		TEST(test_snapshot),	   TEST(test_places),		TEST(test_reattach),
		TEST(test_reattach_rings), TEST(test_reattach_refused), TEST(test_rm),
		TEST(test_rm_recursive),   TEST(test_rm_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
