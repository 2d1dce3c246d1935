/* SPDX-License-Identifier: MIT */
/*
 * test_verify_objects.c - what the verifier of the objects finds, and that it
 * finds nothing where nothing is.
 *
 * A real store with objects of every type is made in a file.  Each fault is a
 * change of a few bytes, committed as the system would commit it, so that only
 * the verifier of the objects can notice it.
 */
#include "tools/verify/objects.h"

#include <fcntl.h>

#include "tests/unit/mkstore/verify_faults.h"

static void test_sound(void **state)
{
	struct found found = verify_file(store_path, NULL);

	(void)state;
	if (found.objects)
		fail_msg("finding in a sound store: %s", found.first);
	assert_int_equal(found.others, 0);
}

/* ---- faults --------------------------------------------------------------------------- */

static struct disk_machine *machine_of(struct host *host, object_t object)
{
	return page_of(host, record_of(host, object)->first_page);
}

static struct disk_tree_page *tree_of(struct host *host, uint64_t page)
{
	return page_of(host, page);
}

/* The root of the big directory's tree: an inner page. */
static struct disk_tree_page *inner_of(struct host *host)
{
	struct disk_tree_page *page =
		tree_of(host, record_of(host, made.directory)->directory.root);

	assert_int_equal(page->level, 1);
	return page;
}

static uint8_t *entry_of(struct disk_tree_page *page, unsigned index)
{
	uint16_t offset;

	memcpy(&offset, page->bytes + 2 * index, sizeof(offset));
	return page->bytes + offset;
}

static struct disk_tree_page *leaf_of(struct host *host)
{
	uint8_t *entry = entry_of(inner_of(host), 0);
	uint64_t child;

	memcpy(&child, entry + 2 + entry[0], sizeof(child));
	return tree_of(host, child);
}

static struct disk_range_leaf *kernel_leaf(struct host *host)
{
	return page_of(host, range_leaf_page(KERNEL_ARENA_PAGE));
}

static struct disk_range_branch *kernel_root(struct host *host)
{
	return page_of(host, RANGE_KERNEL_ROOT);
}

/* With the nodes above it; `whole`: of a cell of which all is free. */
static void map_cell_set(struct disk_range_branch *branch, uint8_t whole, uint32_t cell,
			 uint8_t code)
{
	branch->largest[RANGE_CELLS + cell] = code;
	for (uint32_t node = (RANGE_CELLS + cell) / 2; node; node /= 2, whole++) {
		uint8_t left = branch->largest[2 * node], right = branch->largest[2 * node + 1];

		branch->largest[node] = left > right ? left : right;
		if (left == whole && right == whole)
			branch->largest[node]++;
	}
}

/* An attachment of the view: the nth entry of the first leaf of its tree. */
static struct disk_tree_page *view_leaf(struct host *host)
{
	struct disk_tree_page *page = tree_of(host, record_of(host, made.view)->view.root);
	uint8_t *entry = entry_of(page, 0);
	uint64_t child;

	assert_int_equal(page->level, 1);
	memcpy(&child, entry + 2 + entry[0], sizeof(child));
	return tree_of(host, child);
}

static void viewed_set(struct host *host, size_t field, uint8_t value)
{
	uint8_t *entry = entry_of(view_leaf(host), 4);

	assert_int_equal(entry[0], 8);
	assert_int_equal(entry[1], sizeof(struct disk_view_attachment));
	entry[2 + 8 + field] = value;
}

#define VIEWED(field, value) viewed_set(host, offsetof(struct disk_view_attachment, field), value)

FAULT(view_count, record_of(host, made.view)->size += 3)
FAULT(view_pages_count, record_of(host, made.view)->view.pages++)
FAULT(view_rights, VIEWED(rights, RIGHT_DESTROY))
FAULT(view_more_rights, VIEWED(segment_rights, 0))
FAULT(view_reserve, VIEWED(reserved, 1))
FAULT(view_pages, VIEWED(pages, 5))
FAULT(view_outside, VIEWED(first_page, 15))
FAULT(view_nothing, VIEWED(pages, 0))
FAULT(view_future, viewed_set(host, 6, 1))
FAULT(view_revoker, VIEWED(revoker, 3))
FAULT(view_entry, entry_of(view_leaf(host), 4)[1]--)
FAULT(view_root, record_of(host, made.view_dying)->view.root = KERNEL_ARENA_PAGE)
FAULT(view_lost, record_of(host, made.view_dying)->view.root = 0)
FAULT(view_machine, machine_of(host, made.sleeper)->view.type = OBJECT_PORT)

FAULT(system_magic, system_of(host)->magic ^= 1)
FAULT(system_version, system_of(host)->version = SYSTEM_VERSION + 1)
FAULT(system_reserve, system_of(host)->reserved[100] = 1)
FAULT(system_next_object, system_of(host)->next_object = 0)
FAULT(system_kernel_next, system_of(host)->kernel_next = 5)
FAULT(system_root, system_of(host)->root_directory = OBJECT_ROOT_BANK)
FAULT(system_bank, system_of(host)->root_bank = 4000000)
FAULT(system_terminal, system_of(host)->terminal.object = 4000000)
FAULT(system_terminal_version, system_of(host)->terminal.version = UINT64_MAX)
FAULT(system_transient, system_of(host)->transient[7].version = UINT64_MAX)
FAULT(system_transient_object, system_of(host)->transient[0].object = 4000000)
FAULT(system_transient_reserve, system_of(host)->transient[2].reserved = 1)
FAULT(system_resume, system_of(host)->resume[3].object = 4000000)
FAULT(system_fewer_objects, system_of(host)->next_object--)
FAULT(system_more_objects, system_of(host)->next_object = OBJECT_MAX)
FAULT(table_tail, record_of(host, (object_t){60})->type = OBJECT_PORT)
FAULT(free_list_short, system_of(host)->free_object = 0)
FAULT(free_list_living, system_of(host)->free_object = made.port.n)
FAULT(dying_lost, system_of(host)->destroying = 0)
FAULT(record_reserve, record_of(host, made.port)->reserved0 = 1)
FAULT(record_version_high, record_of(host, made.table)->version = 1u << 30)
FAULT(record_version_twice, record_of(host, made.table)->version = 1)
FAULT(record_type, record_of(host, made.table)->type = 99)
FAULT(record_size, record_of(host, made.segment)->size = 17 * PAGE_SIZE)
FAULT(record_range, record_of(host, made.segment)->range_pages = 12)
FAULT(record_align, record_of(host, made.segment)->first_page += 4)
FAULT(record_outside, record_of(host, made.segment)->first_page += 1u << 20)
FAULT(record_overlap,
      record_of(host, made.table)->first_page = record_of(host, made.port)->first_page)
FAULT(record_bank, record_of(host, made.table)->bank = made.port.n)
FAULT(segment_tail, record_of(host, made.segment)->size = 2 * PAGE_SIZE)
FAULT(bank_pages, record_of(host, (object_t){OBJECT_ROOT_BANK})->size++)
FAULT(bank_objects, record_of(host, (object_t){OBJECT_ROOT_BANK})->allowance.objects--)
FAULT(bank_limit, record_of(host, (object_t){OBJECT_ROOT_BANK})->allowance.limit = 3)
FAULT(directory_count, record_of(host, made.directory)->size += 15)
FAULT(directory_pages, record_of(host, made.directory)->directory.pages++)
FAULT(directory_older, system_of(host)->version = SYSTEM_VERSION_PAGES - 1)
FAULT(directory_root, record_of(host, made.directory)->directory.root = KERNEL_ARENA_PAGE)
FAULT(tree_shared, record_of(host, made.directory)->directory.root =
			   record_of(host, (object_t){OBJECT_ROOT_DIRECTORY})->directory.root)
FAULT(tree_magic, leaf_of(host)->magic = 0)
FAULT(tree_level, inner_of(host)->level = 2)
FAULT(tree_empty, leaf_of(host)->count = 0)
FAULT(tree_heap, leaf_of(host)->heap = 60000)
FAULT(tree_next, leaf_of(host)->next = 1)
FAULT(tree_gap, leaf_of(host)->heap--)
FAULT(tree_name, entry_of(leaf_of(host), 3)[2] = '/')
FAULT(tree_order, entry_of(leaf_of(host), 3)[2] = 'z')
FAULT(tree_bound, entry_of(inner_of(host), 1)[2] = 'a')
FAULT(tree_upper, entry_of(inner_of(host), 1)[2] = 'z')
FAULT(tree_key_length, entry_of(leaf_of(host), 3)[0] = 200)
FAULT(tree_capability, entry_of(leaf_of(host), 3)[2 + entry_of(leaf_of(host), 3)[0] + 12] = 4)
FAULT(tree_free, system_of(host)->tree_next++)
FAULT(tree_free_list, system_of(host)->tree_free = system_of(host)->machine_root)
FAULT(table_slot,
      ((struct disk_capability *)page_of(host, record_of(host, made.table)->first_page))[5].object =
	      3)
FAULT(table_future,
      *(struct disk_capability *)page_of(host, record_of(host, made.table)->first_page + 1) =
	      ((struct disk_capability){.version = 1u << 30, .object = 3, .type = 4}))
/* Sizes whose content nobody lives to see the end of. */
FAULT(table_endless, record_of(host, made.table)->size = UINT64_MAX)
FAULT(port_endless, {
	struct disk_port *port = page_of(host, record_of(host, made.port)->first_page);

	record_of(host, made.port)->size = port->capacity = port->count = UINT32_MAX;
})
FAULT(port_capacity,
      ((struct disk_port *)page_of(host, record_of(host, made.port)->first_page))->capacity = 9)
FAULT(port_head,
      ((struct disk_port *)page_of(host, record_of(host, made.port)->first_page))->head = 8)
FAULT(port_count,
      ((struct disk_port *)page_of(host, record_of(host, made.port)->first_page))->count = 9)
FAULT(port_receiver, record_of(host, made.port)->port.receiver = 4000000)
FAULT(message_length,
      ((struct disk_message *)page_of(host, record_of(host, made.port)->first_page + 1))->length =
	      MESSAGE_DATA + 1)
FAULT(message_capability,
      ((struct disk_message *)page_of(host, record_of(host, made.port)->first_page + 2))
	      ->capability[0]
	      .type = OBJECT_PORT)
FAULT(message_reply,
      ((struct disk_message *)page_of(host, record_of(host, made.port)->first_page + 1))->reply =
	      ((struct disk_capability){
		      .version = 1, .object = OBJECT_ROOT_BANK, .type = OBJECT_BANK}))
FAULT(log_magic,
      ((struct disk_log *)page_of(host, record_of(host, (object_t){OBJECT_THE_LOG})->first_page))
	      ->magic = 0)
FAULT(machine_magic, machine_of(host, made.machine)->magic = 0)
FAULT(machine_version, machine_of(host, made.machine)->version++)
FAULT(machine_message, machine_of(host, made.machine)->message_page++)
FAULT(machine_state, machine_of(host, made.machine)->state = MACHINE_STATES)
FAULT(machine_priority, machine_of(host, made.machine)->priority = 16)
FAULT(machine_name, memset(machine_of(host, made.machine)->name, 'x', MACHINE_NAME))
FAULT(machine_table, memset(&machine_of(host, made.machine)->table, 0, 64))
FAULT(machine_keeper,
      machine_of(host, made.machine)->keeper = machine_of(host, made.machine)->table)
FAULT(machine_port, machine_of(host, made.machine)->ports[0].object = 4000000)
FAULT(machine_not_ready, machine_of(host, made.sleeper)->state = MACHINE_READY)
FAULT(machine_deadline, machine_of(host, made.sleeper)->deadline = 5001)
FAULT(machine_unlisted, system_of(host)->machine_root = 0)
FAULT(deadline_lost, system_of(host)->deadline_root = 0)
FAULT(quarantine_root, system_of(host)->quarantine_root = system_of(host)->deadline_root)
FAULT(quarantine_future, system_of(host)->quarantine_sequence = 0)
FAULT(map_none, system_of(host)->version = 1)
FAULT(map_bit, kernel_leaf(host)->free[0] |= 1)
FAULT(map_size, kernel_leaf(host)->free[511] = 0; kernel_leaf(host)->free[256] = 0)
FAULT(map_node, kernel_root(host)->largest[5] ^= 1)
FAULT(map_first, kernel_root(host)->largest[0] = 1)
FAULT(map_cell, map_cell_set(kernel_root(host), 16, 5, 16))
FAULT(map_cell_above, map_cell_set(kernel_root(host), 16, 200, 17))
FAULT(map_branch, map_cell_set(page_of(host, RANGE_USER_ROOT), 27, 0, 25))
FAULT(map_rest, map_cell_set(kernel_root(host), 16, 300, 0))
FAULT(map_stray, *(uint8_t *)page_of(host, RANGE_USER_PAGE + 200) = 1)

FAULT(map_last, map_cell_set(page_of(host, RANGE_USER_ROOT), 27, 511, 1))
FAULT(attach_rights, machine_of(host, made.machine)->attachments[1].rights = RIGHT_CONTROL)
FAULT(attach_outside, machine_of(host, made.machine)->attachments[1].pages = 17)
FAULT(attach_flags, machine_of(host, made.machine)->attachments[1].flags = 4)
FAULT(attach_null, machine_of(host, made.machine)->attachments[1].flags = PAGE_SIZE)
FAULT(attach_end,
      machine_of(host, made.machine)->attachments[1].flags = (WINDOW_LOW_END - 3) * PAGE_SIZE)
FAULT(bitmap, ((uint8_t *)page_of(host, READY_BITMAP_PAGE + 15 * 512))[2000] = 1)
FAULT(told_bitmap, ((uint8_t *)page_of(host, READY_BITMAP_PAGE + 16 * 512))[2000] = 1)
FAULT(told_by_nobody, machine_of(host, made.machine)->resume_port_version = 1)
FAULT(stray_page, *(uint8_t *)page_of(host, 0x100005) = 1)
FAULT(stray_kernel, *(uint8_t *)page_of(host, system_of(host)->kernel_next + 3) = 1)
FAULT(stray_user, *(uint8_t *)page_of(host, system_of(host)->user_next + 3) = 1)
FAULT(stray_tree, *(uint8_t *)page_of(host, system_of(host)->tree_next + 3) = 1)

static void fault_attach_overlap(struct host *host)
{
	struct disk_machine *machine = machine_of(host, made.machine);

	machine->attachments[0] = machine->attachments[1];
}

static const struct fault faults[] = {
	FAULT_ROW(view_count, "attachments and has"),
	FAULT_ROW(view_pages_count, "pages and has"),
	FAULT_ROW(view_rights, "its capability has not"),
	FAULT_ROW(view_more_rights, "its capability has not"),
	FAULT_ROW(view_reserve, "a reserve is not zero"),
	FAULT_ROW(view_pages, "overlaps"),
	FAULT_ROW(view_outside, "outside its segment"),
	FAULT_ROW(view_nothing, "makes no sense"),
	FAULT_ROW(view_future, "never handed out"),
	FAULT_ROW(view_revoker, "hangs from what is no bank"),
	FAULT_ROW(view_entry, "leave gaps"),
	FAULT_ROW(view_root, "no tree page"),
	FAULT_ROW(view_lost, "has 0"),
	FAULT_ROW(view_machine, "not that of the object"),
	FAULT_ROW(system_magic, "system page"),
	FAULT_ROW(system_version, "system page"),
	FAULT_ROW(system_reserve, "reserve"),
	FAULT_ROW(system_next_object, "out of bounds"),
	FAULT_ROW(system_kernel_next, "out of bounds"),
	FAULT_ROW(system_root, "no root directory"),
	FAULT_ROW(system_bank, "no root bank"),
	FAULT_ROW(system_terminal, "never made"),
	FAULT_ROW(system_terminal_version, "never made"),
	FAULT_ROW(system_transient, "to go"),
	FAULT_ROW(system_transient_object, "to go"),
	FAULT_ROW(system_transient_reserve, "to go"),
	FAULT_ROW(system_resume, "told of a resume"),
	FAULT_ROW(system_fewer_objects, "objects free"),
	FAULT_ROW(system_more_objects, "the table ends at"),
	FAULT_ROW(table_tail, "goes on behind"),
	FAULT_ROW(free_list_short, "objects free"),
	FAULT_ROW(free_list_living, "objects free"),
	FAULT_ROW(dying_lost, "being destroyed"),
	FAULT_ROW(record_reserve, "reserve"),
	FAULT_ROW(record_version_high, "last one handed out"),
	FAULT_ROW(record_version_twice, "two objects"),
	FAULT_ROW(record_type, "do not make sense"),
	FAULT_ROW(record_size, "do not make sense"),
	FAULT_ROW(record_range, "do not make sense"),
	FAULT_ROW(record_align, "do not make sense"),
	FAULT_ROW(record_outside, "do not make sense"),
	FAULT_ROW(record_overlap, "belongs to objects"),
	FAULT_ROW(record_bank, "which is no bank"),
	FAULT_ROW(segment_tail, "behind the end"),
	FAULT_ROW(bank_pages, "charged are"),
	FAULT_ROW(bank_objects, "charged are"),
	FAULT_ROW(bank_limit, "over its limit"),
	FAULT_ROW(directory_count, "names and has"),
	FAULT_ROW(directory_pages, "pages and has"),
	FAULT_ROW(directory_older, "counts its pages"),
	FAULT_ROW(directory_root, "no tree page"),
	FAULT_ROW(tree_shared, "in use already"),
	FAULT_ROW(tree_magic, "magic of a tree page"),
	FAULT_ROW(tree_level, "level"),
	FAULT_ROW(tree_empty, "empty"),
	FAULT_ROW(tree_heap, "do not fit"),
	FAULT_ROW(tree_next, "reserve"),
	FAULT_ROW(tree_gap, "overlap or leave gaps"),
	FAULT_ROW(tree_name, "'/' or a zero byte"),
	FAULT_ROW(tree_order, "out of order"),
	FAULT_ROW(tree_bound, "out of order"),
	FAULT_ROW(tree_upper, "out of order"),
	FAULT_ROW(tree_key_length, "gaps"),
	FAULT_ROW(tree_capability, "not that of the object"),
	FAULT_ROW(tree_free, "in no tree and not free"),
	FAULT_ROW(tree_free_list, "list of free tree pages"),
	FAULT_ROW(table_slot, "not all zero"),
	FAULT_ROW(table_future, "never handed out"),
	FAULT_ROW(table_endless, "do not make sense"),
	FAULT_ROW(port_endless, "do not make sense"),
	FAULT_ROW(port_capacity, "not well-formed"),
	FAULT_ROW(port_head, "not well-formed"),
	FAULT_ROW(port_count, "not well-formed"),
	FAULT_ROW(port_receiver, "its receiver"),
	FAULT_ROW(message_length, "bytes of data"),
	FAULT_ROW(message_capability, "not that of the object"),
	FAULT_ROW(message_reply, "cannot be answered"),
	FAULT_ROW(log_magic, "log"),
	FAULT_ROW(machine_magic, "its page is that of"),
	FAULT_ROW(machine_version, "its page is that of"),
	FAULT_ROW(machine_message, "its page is that of"),
	FAULT_ROW(machine_state, "not valid"),
	FAULT_ROW(machine_priority, "not valid"),
	FAULT_ROW(machine_name, "not valid"),
	FAULT_ROW(machine_table, "has no table"),
	FAULT_ROW(machine_keeper, "is no port"),
	FAULT_ROW(machine_port, "which does not exist"),
	FAULT_ROW(machine_not_ready, "bitmap says"),
	FAULT_ROW(machine_deadline, "not in the queue"),
	FAULT_ROW(machine_unlisted, "not in the tree of machines"),
	FAULT_ROW(deadline_lost, "not in the queue"),
	FAULT_ROW(quarantine_root, "in use already"),
	FAULT_ROW(quarantine_future, "from the future"),
	FAULT_ROW(map_none, "exists where nothing should be"),
	FAULT_ROW(map_bit, "(0: free)"),
	FAULT_ROW(map_size, "map of ranges: the page says 14, its cell says 15"),
	FAULT_ROW(map_node, "does not say what its halves say"),
	FAULT_ROW(map_first, "does not say what its halves say"),
	FAULT_ROW(map_cell, "the cell of page 0x28000 says 16"),
	FAULT_ROW(map_cell_above, "says 17"),
	FAULT_ROW(map_branch, "map of ranges: the page says 26, its cell says 25"),
	FAULT_ROW(map_rest, "were never handed out and are not free"),
	FAULT_ROW(map_stray, "exists where nothing should be"),
	FAULT_ROW(map_last, "the cell of page 0x7fc000000 says 1"),
	FAULT_ROW(attach_rights, "rights that its capability has not"),
	FAULT_ROW(attach_outside, "outside its segment"),
	FAULT_ROW(attach_flags, "unknown flag"),
	FAULT_ROW(attach_null, "appears where nothing can"),
	FAULT_ROW(attach_end, "appears where nothing can"),
	FAULT_ROW(attach_overlap, "overlaps"),
	FAULT_ROW(bitmap, "has a bit behind"),
	FAULT_ROW(told_bitmap, "has a bit behind"),
	FAULT_ROW(told_by_nobody, "which no bitmap says"),
	FAULT_ROW(stray_page, "where nothing should be"),
	FAULT_ROW(stray_kernel, "a free range"),
	FAULT_ROW(stray_user, "a free range"),
	FAULT_ROW(stray_tree, "never handed out"),
};

static void test_faults(void **state)
{
	(void)state;
	faults_find(faults, sizeof(faults) / sizeof(faults[0]));
}

/* One command on the copy, its output thrown away. */
static enum command_exit run_quietly(const struct command *command, const char *one,
				     const char *two)
{
	struct command_invocation invocation = {
		.command = command, .operand = {copy_path, one, two}, .operands = two ? 3 : 2};
	int null = open("/dev/null", O_WRONLY), out = dup(1), error = dup(2);
	enum command_exit result;

	fflush(stdout);
	dup2(null, 1);
	dup2(null, 2);
	invocation.operands -= one ? 0 : 1;
	result = host_run(&invocation);
	fflush(stdout);
	dup2(out, 1);
	dup2(error, 2);
	close(null);
	close(out);
	close(error);
	return result;
}

/* No command trusts what it reads: each ends, done or failed. */
static void test_commands_on_faults(void **state)
{
	static const struct {
		const struct command *command;
		const char *one, *two;
	} runs[] = {
		{&command_info, NULL, NULL},
		{&command_ls, NULL, NULL},
		{&command_ls, "/directory", NULL},
		{&command_tree, NULL, NULL},
		{&command_cat, "/segment", NULL},
		{&command_ps, NULL, NULL},
		{&command_snapshots, NULL, NULL},
		{&command_mkdir, "/directory/new", NULL},
		{&command_put, copy_path, "/segment"},
		{&command_put, "/dev/null", "/directory/x"},
		{&command_mv, "/segment", "/directory"},
		{&command_rm, "/directory/segment", NULL},
		{&command_rm, "/directory/dead", NULL},
		{&command_snapshot, "after", NULL},
		{&command_restore, "kept", NULL},
		{&command_ls, "/directory", NULL},
	};
	unsigned done = 0, failed = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		fault_commit(&faults[i]);
		for (size_t k = 0; k < sizeof(runs) / sizeof(runs[0]); k++) {
			enum command_exit result =
				run_quietly(runs[k].command, runs[k].one, runs[k].two);
			assert_true(result == COMMAND_OK || result == COMMAND_FAILED);
			done += result == COMMAND_OK;
			failed += result == COMMAND_FAILED;
		}
		/* The snapshot from before the fault is whole. */
		if (run_quietly(&command_cat, "/segment", NULL) != COMMAND_OK)
			fail_msg("after fault %s no snapshot can be restored", faults[i].name);
	}
	assert_true(done > 400 && failed > 100);
}

/* A fault that only a snapshot has is told as the snapshot's. */
static void test_snapshot(void **state)
{
	struct command_invocation invocation = invocation_of(copy_path);
	struct found found;
	struct host host;

	(void)state;
	sample_copy();
	assert_int_equal(host_open(&host, &invocation, HOST_WRITE), COMMAND_OK);
	record_of(&host, made.port)->reserved0 = 1;
	expect_ok(host_commit(&host, STORE_ACTION_SNAPSHOT, (snapshot_t){0}, "faulty"));
	record_of(&host, made.port)->reserved0 = 0;
	commit(&host);
	host_close(&host);
	found = verify_file(copy_path, "snapshot 2: ");
	assert_int_equal(found.objects, 1);
	assert_int_equal(found.matches, 1);
	assert_int_equal(found.others, 0);
}

/* What is being received is no system yet; the snapshots beside it are. */
static void test_receiving(void **state)
{
	struct command_invocation invocation = invocation_of(copy_path);
	struct store_commit_request request = {
		.wall_ns = 1, .receiving_set = true, .receiving = {.source = "x", .generation = 7}};
	generation_t generation;
	struct found found;
	struct host host;

	(void)state;
	sample_copy();
	assert_int_equal(host_open(&host, &invocation, HOST_WRITE), COMMAND_OK);
	record_of(&host, made.port)->reserved0 = 1;
	request.counters = host.recovery.counters;
	expect_ok(store_commit(host.store, &request, &generation));
	expect_ok(store_settle(host.store));
	host_close(&host);
	found = verify_file(copy_path, NULL);
	assert_int_equal(found.objects, 0);
	assert_int_equal(found.others, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sound),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_commands_on_faults),
		cmocka_unit_test(test_snapshot),
		cmocka_unit_test(test_receiving),
	};

	return cmocka_run_group_tests(tests, sample_create, sample_remove);
}
