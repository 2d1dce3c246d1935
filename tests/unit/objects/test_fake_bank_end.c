/* SPDX-License-Identifier: MIT */
/*
 * test_fake_bank_end.c - what was made from a bank ends with it: at once, and in steps.
 */
#include "tests/unit/objects/bank_sample.h"
#include <stdio.h>

/* At once, and with nothing but its own record. */
static void test_end_at_once(void **state)
{
	struct populace populace;
	struct object_request request = requests[0];

	(void)state;
	populate(&populace);
	fake_invariants(&space);
	fake_begin();
	assert_int_equal(fake_destroy(&space, of(&populace.bank)), STATUS_OK);
	assert_true(fake_written() <= 3);
	all_dead(&populace);
	for (unsigned k = 0; k < 2; k++)
		for (unsigned i = 0; i < REQUESTS; i++)
			assert_int_equal(fake_destroy(&space, of(&populace.made[k][i])),
					 STATUS_DEAD);
	assert_int_equal(refused(of(&populace.below), &request), STATUS_DEAD);
	fake_reclaim(&space);
	all_dead(&populace);
	fake_invariants(&space);
	assert_int_equal(figures_of(root).pages, 1 + 17 + 3);
	assert_int_equal(figures_of(root).objects, 3);
	assert_int_equal(fake_pages(USER_ARENA_PAGE, UINT64_MAX), 0);
	assert_int_equal(fake_pages(KERNEL_ARENA_PAGE, TREE_ARENA_PAGE), 0);
}

static enum status destroy_call(struct space *in, void *context)
{
	return fake_destroy(in, of(context));
}

static enum status step_call(struct space *in, void *context)
{
	return fake_destroy_step(in, context);
}

/* Whatever fails at whatever place, each step is whole; and it can be cut off between any two
 * and begun anew, for it keeps nothing elsewhere. */
static void test_end_failures(void **state)
{
	struct populace populace;
	bool more = true;
	unsigned steps = 0;

	(void)state;
	populate(&populace);
	space.patient = true;
	assert_int_equal(fake_try_all(destroy_call, &space, &populace.bank), STATUS_OK);
	while (more) {
		assert_true(++steps < 1000);
		assert_int_equal(fake_try_all(step_call, &space, &more), STATUS_OK);
		assert_false(space.ends_bank);
		all_dead(&populace);
		fake_invariants(&space);
	}
	assert_int_equal(figures_of(root).pages, 1 + 17 + 3);
}

/* What was ended before its bank is waited for: its number is not used again before. */
static void test_end_order(void **state)
{
	struct disk_capability bank = bank_make(root, 100, 100), first, second, again;
	struct disk_object record;
	bool more = true;

	(void)state;
	first = make(of(&bank), &requests[0]);
	second = make(of(&bank), &requests[3]);
	destroy(of(&bank));
	/* One goes by itself, behind the bank in the list: as a machine's does that is outside. */
	space.ends_bank = true;
	destroy(of(&first));
	space.ends_bank = false;
	while (more) {
		const struct disk_object *left;

		assert_int_equal(record_read(&space, of(&bank), &left), STATUS_OK);
		record = *left;
		fake_invariants(&space);
		assert_int_equal(fake_destroy_step(&space, &more), STATUS_OK);
		fake_begin();
		assert_int_equal(record_read(&space, of(&bank), &left), STATUS_OK);
		if (record.allowance.objects)
			assert_int_equal(left->type, OBJECT_BANK);
	}
	assert_false(lives(&second));
	again = bank_make(root, 10, 10); /* perhaps with its number */
	assert_false(lives(&first));
	assert_true(lives(&again));
	fake_invariants(&space);
}

/* One that counts too much, by damage, waits for what never comes if there is anything to wait
 * for: that is what it costs, and nothing else. */
static void test_end_miscounted(void **state)
{
	(void)state;
	for (unsigned makes = 0; makes < 2; makes++) {
		struct disk_capability bank = bank_make(root, 100, 100), other;
		struct disk_object *record;

		if (makes)
			make(of(&bank), &requests[0]);
		assert_int_equal(record_prepare(&space, of(&bank), &record), STATUS_OK);
		record->allowance.objects = 1000;
		fake_begin();
		destroy(of(&bank));
		fake_reclaim(&space);
		assert_int_equal(figures_of(root).pages, 1 + 17 + (makes ? 101 : 0));
		other = bank_make(root, 100, 100);
		make(of(&other), &requests[0]);
		destroy(of(&other));
		fake_reclaim(&space);
		assert_int_equal(figures_of(root).pages, 1 + 17 + (makes ? 101 : 0));
	}
}

static void test_machine_own_bank(void **state)
{
	(void)state;
	for (unsigned may = 0; may < 2; may++) {
		struct disk_capability bank = bank_make(root, 100, 100), held = bank, machine,
				       other;
		struct disk_machine *data;
		struct disk_object table;

		machine = make(of(&bank), &requests[2]);
		other = make(of(&bank), &requests[0]);
		assert_int_equal(machine_read(&space, of(&machine), &data), STATUS_OK);
		assert_int_equal(object_resolve(&space, &data->table, OBJECT_TABLE, 0, &table),
				 STATUS_OK);
		assert_int_equal(table_prepare(&space, &table, TABLE_SLOT_BANK), STATUS_OK);
		if (!may)
			held.rights &= (uint16_t)~RIGHT_DESTROY;
		table_put(&space, &table, TABLE_SLOT_BANK, &held);
		destroy(of(&machine));
		assert_false(lives(&machine));
		assert_int_equal(lives(&other), !may);
		assert_int_equal(lives(&bank), !may);
		fake_invariants(&space);
		fake_reclaim(&space);
		fake_invariants(&space);
		if (!may)
			destroy(of(&bank));
		fake_reclaim(&space);
		assert_int_equal(figures_of(root).pages, 1 + 17);
	}
}

/* What a machine may not destroy any more it does not take along, also where all that a dead bank
 * paid for counts as alive; its port and its bank it does, though its table ends with it. */
static void test_member_owns(void **state)
{
	struct disk_capability bank = bank_make(root, 200, 200), inner, innermost, machine;
	struct disk_capability port = make(root, &requests[3]), own = bank_make(root, 5, 5);
	struct disk_capability kept = make(root, &requests[0]), hangs = kept;
	struct disk_machine *data;
	struct disk_object table, segment;

	(void)state;
	inner = bank_make(of(&bank), 50, 50);
	innermost = bank_make(of(&inner), 5, 5);
	machine = make(of(&bank), &requests[2]);
	fake_begin();
	assert_int_equal(capability_derive_prepare(&space, &hangs, &innermost), STATUS_OK);
	capability_derive(&space, &hangs);
	assert_int_equal(machine_prepare(&space, of(&machine), &data), STATUS_OK);
	assert_int_equal(object_read(&space, of(&kept), &segment), STATUS_OK);
	assert_int_equal(attachment_add(data, &segment, &hangs, RUN(0, 0, RIGHT_READ, true)),
			 STATUS_OK);
	assert_int_equal(object_resolve(&space, &data->table, OBJECT_TABLE, 0, &table), STATUS_OK);
	assert_int_equal(table_prepare(&space, &table, TABLE_SLOT_BANK), STATUS_OK);
	table_put(&space, &table, TABLE_SLOT_BANK, &own);
	table_put(&space, &table, TABLE_SLOT_PORT, &port);
	destroy(of(&bank));
	fake_reclaim(&space);
	assert_true(lives(&kept));
	assert_false(lives(&own) || lives(&port));
	fake_invariants(&space);
}

static uint64_t tree_of_machines(void)
{
	const struct disk_system *system;

	fake_begin();
	assert_int_equal(system_read(&space, &system), STATUS_OK);
	return system->machine_root;
}

/* A page that the disk does not give costs what is on it: all others end. */
static void test_member_unread(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct disk_capability bank, first, machine, last, beside;
		struct disk_object record;
		bool more = true;

		space = fake_space_formatted(PAGES);
		bank = bank_make(root, 200, 200);
		beside = bank_make(root, 200, 200);
		first = make(of(&bank), &requests[0]);
		machine = make(of(&bank), &requests[2]);
		last = make(of(&bank), &requests[0]);
		assert_int_equal(object_read(&space, of(&machine), &record), STATUS_OK);
		make(of(&beside), &requests[0]);
		destroy(of(&bank));
		destroy(of(&beside));
		/* The machine's page, the tree of all machines, none. */
		fake_unread(i == 0 ? record.first_page : i == 1 ? tree_of_machines() : 0);
		for (unsigned steps = 0; more && steps < 200; steps++) {
			fake_begin();
			assert_int_equal(fake_destroy_step(&space, &more), STATUS_OK);
		}
		fake_unread(0);
		assert_false(more);
		assert_false(lives(&first) || lives(&machine) || lives(&last) || lives(&beside));
		if (i != 1)
			assert_int_equal(figures_of(root).pages, 1 + 17);
		else
			assert_true(figures_of(root).pages <= 1 + 17 + 201);
	}
}

/* The first bank is nobody's own, whatever rights there are. */
static void test_machine_first_bank(void **state)
{
	struct disk_capability machine = make(root, &requests[2]), held;
	struct disk_machine *data;
	struct disk_object table;

	(void)state;
	assert_int_equal(object_capability(&space, root, RIGHT_ALL, &held), STATUS_OK);
	assert_int_equal(machine_read(&space, of(&machine), &data), STATUS_OK);
	assert_int_equal(object_resolve(&space, &data->table, OBJECT_TABLE, 0, &table), STATUS_OK);
	assert_int_equal(table_prepare(&space, &table, TABLE_SLOT_BANK), STATUS_OK);
	table_put(&space, &table, TABLE_SLOT_BANK, &held);
	destroy(of(&machine));
	assert_true(lives(&held));
	fake_reclaim(&space);
	fake_invariants(&space);
}

/* Names go with the directory; what they name, if it is another's, stays. */
static void test_end_directory(void **state)
{
	struct disk_capability bank = bank_make(root, 100, 100), directory, outside;
	struct disk_object record;
	char name[8];

	(void)state;
	directory = make(of(&bank), &requests[5]);
	outside = make(root, &requests[5]);
	assert_int_equal(entry_link(&space, of(&directory), "out", 3, &outside, false), STATUS_OK);
	for (unsigned i = 0; i < 40; i++) {
		size_t length = (size_t)snprintf(name, sizeof(name), "n%u", i);

		fake_begin();
		assert_int_equal(entry_link(&space, of(&directory), name, length, &bank, false),
				 STATUS_OK);
	}
	fake_begin();
	fake_invariants(&space);
	destroy(of(&bank));
	fake_reclaim(&space);
	fake_invariants(&space);
	assert_int_equal(object_read(&space, of(&outside), &record), STATUS_OK);
	assert_int_equal(record.directory.place, 0);
	destroy(of(&outside));
	fake_reclaim(&space);
	assert_int_equal(figures_of(root).pages, 1 + 17);
	assert_int_equal(fake_pages(TREE_ARENA_PAGE, USER_ARENA_PAGE) > 3, false);
}

/* ---- damage -------------------------------------------------------------------------------- */

/* A directory whose names cannot be found ends all the same. */
static void test_damaged_directory(void **state)
{
	struct disk_capability bank = bank_make(root, 100, 100), directory;
	struct disk_object record;

	(void)state;
	directory = make(of(&bank), &requests[5]);
	assert_int_equal(entry_link(&space, of(&directory), "x", 1, &bank, false), STATUS_OK);
	fake_begin();
	assert_int_equal(object_read(&space, of(&directory), &record), STATUS_OK);
	memset(fake_page(record.directory.root), 0xff, PAGE_SIZE);
	fake_adopt();
	destroy(of(&bank));
	fake_reclaim(&space);
	fake_invariants(&space);
	assert_int_equal(figures_of(root).pages, 1 + 17);
}

/* Versions need more than 32 bits one day. */
static void test_large_versions(void **state)
{
	struct disk_system *system;
	struct populace populace;

	(void)state;
	assert_int_equal(system_prepare(&space, &system), STATUS_OK);
	system->next_version = UINT64_C(5) << 32;
	populate(&populace);
	fake_invariants(&space);
	destroy(of(&populace.made[0][0]));
	destroy(of(&populace.bank));
	all_dead(&populace);
	fake_reclaim(&space);
	fake_invariants(&space);
	assert_int_equal(fake_pages(USER_ARENA_PAGE, UINT64_MAX), 0);
	assert_int_equal(figures_of(root).pages, 1 + 17 + 3);
}

/* A list that leads nowhere costs those that it does not lead to, and nobody else. */
static void test_damaged_list(void **state)
{
	static const uint32_t heads[] = {OBJECT_MAX - 1, OBJECT_MAX, UINT32_MAX, 1, 7, 60};

	(void)state;
	for (unsigned i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		struct disk_capability bank, segment, port;

		space = fake_space_formatted(PAGES);
		bank = bank_make(root, 100, 100);
		segment = make(of(&bank), &requests[0]);
		account_at(of(&bank))->first_object = heads[i];
		fake_adopt();
		port = make(of(&bank), &requests[3]);
		assert_true(lives(&port));
		destroy(of(&segment));
		if (i)
			destroy(of(&port));
		account_at(of(&bank))->first_object = heads[i];
		fake_adopt();
		destroy(of(&bank));
		if (!i) { /* it ends behind its bank, which still leads to it */
			space.ends_bank = true;
			destroy(of(&port));
			space.ends_bank = false;
			account_at(of(&bank))->first_object = port.object;
			fake_adopt();
		}
		fake_reclaim(&space);
		assert_int_equal(figures_of(root).pages, 1 + 17);
	}
}

/* Neighbours that know nothing of it are left alone. */
static void test_damaged_neighbours(void **state)
{
	struct disk_capability bank = bank_make(root, 100, 100), made[4];
	struct disk_account was;

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		made[i] = make(of(&bank), &requests[3]);
	account_at(of(&made[1]))->next = made[3].object;
	account_at(of(&made[1]))->previous = OBJECT_THE_LOG;
	was = *account_at(of(&made[3]));
	fake_adopt();
	destroy(of(&made[1]));
	assert_memory_equal(account_at(of(&made[3])), &was, sizeof(was));
	assert_int_equal(account_at((object_t){OBJECT_THE_LOG})->next, 0);
	assert_int_equal(account_at(of(&made[1]))->next, 0);
}

/* Banks that pay for each other, a chain without end: an error, not a hang. */
static void test_damaged_tree(void **state)
{
	struct disk_capability a = bank_make(root, 100, 100), b, segment;
	struct disk_object *record;

	(void)state;
	b = bank_make(of(&a), 50, 50);
	segment = make(of(&b), &requests[0]);
	fake_begin();
	assert_int_equal(record_prepare(&space, of(&a), &record), STATUS_OK);
	record->bank = b.object;
	record->bank_version = b.version;
	fake_adopt();
	assert_int_equal(object_resolve(&space, &segment, OBJECT_NONE, 0, NULL), STATUS_CORRUPT);
	assert_int_equal(record_prepare(&space, of(&a), &record), STATUS_OK);
	record->bank = OBJECT_MAX;
	fake_adopt();
	assert_int_equal(object_resolve(&space, &segment, OBJECT_NONE, 0, NULL), STATUS_CORRUPT);
	assert_int_equal(record_prepare(&space, of(&a), &record), STATUS_OK);
	record->bank = OBJECT_THE_LOG;
	record->bank_version = 7;
	fake_adopt();
	assert_int_equal(object_resolve(&space, &segment, OBJECT_NONE, 0, NULL), STATUS_CORRUPT);
}

/* What was lent, and has been taken back, does not end with who had it, though it goes on holding
 * something of it. */
static void test_lent_owned(void **state)
{
	(void)state;
	for (unsigned how = 0; how < 6; how++) {
		struct disk_capability bank, revoker, machine, kept, hangs, plain;
		struct disk_machine *data;
		struct disk_object segment;
		page_t page;

		space = fake_space_formatted(PAGES);
		bank = bank_make(root, 200, 200);
		revoker = bank_make(root, 5, 5);
		machine = make(of(&bank), &requests[2]);
		kept = make(root, &requests[0]);
		hangs = plain = kept;
		/* In two it may destroy it for ever, though in one not by all that it holds. */
		plain.rights = RIGHT_READ | (how == 3 ? RIGHT_DESTROY : 0);
		fake_begin();
		assert_int_equal(capability_derive_prepare(&space, &hangs, &revoker), STATUS_OK);
		capability_derive(&space, &hangs);
		assert_int_equal(machine_prepare(&space, of(&machine), &data), STATUS_OK);
		assert_int_equal(object_read(&space, of(&kept), &segment), STATUS_OK);
		page = (page_t){segment.first_page};
		assert_int_equal(
			attachment_add(data, &segment, &hangs, RUN(0, 1, RIGHT_READ, true)),
			STATUS_OK);
		if (how)
			assert_int_equal(attachment_add(data, &segment, &plain,
							RUN(1, 1, RIGHT_READ, false)),
					 STATUS_OK);
		if (how == 0)
			assert_int_equal(
				attachment_change(data, CHANGE(page, 1, RIGHT_READ, &plain)),
				STATUS_OK);
		if (how == 4)
			assert_int_equal(
				attachment_add(data, &segment, &kept, RUN(2, 1, RIGHT_READ, false)),
				STATUS_OK);
		if (how == 1 || how == 5)
			assert_int_equal(attachment_remove(data, page), STATUS_OK);
		/* An older system has passed it to whatever was left. */
		if (how == 5)
			data->attachments[1].flags |= ATTACHMENT_OWNED;
		destroy(of(&revoker)); /* what was lent is taken back */
		fake_reclaim(&space);
		assert_int_equal(machine_prepare(&space, of(&machine), &data), STATUS_OK);
		assert_int_equal(machine_attachments_prune(&space, data), STATUS_OK);
		assert_true(lives(&kept));
		destroy(of(&machine));
		assert_int_equal(lives(&kept), how != 3 && how != 4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_end_at_once, begin),
		cmocka_unit_test(test_lent_owned),
		cmocka_unit_test_setup(test_end_failures, begin),
		cmocka_unit_test_setup(test_end_order, begin),
		cmocka_unit_test_setup(test_end_miscounted, begin),
		cmocka_unit_test_setup(test_machine_own_bank, begin),
		cmocka_unit_test_setup(test_machine_first_bank, begin),
		cmocka_unit_test_setup(test_member_owns, begin),
		cmocka_unit_test_setup(test_member_unread, begin),
		cmocka_unit_test_setup(test_end_directory, begin),
		cmocka_unit_test_setup(test_large_versions, begin),
		cmocka_unit_test_setup(test_damaged_directory, begin),
		cmocka_unit_test_setup(test_damaged_list, begin),
		cmocka_unit_test_setup(test_damaged_neighbours, begin),
		cmocka_unit_test_setup(test_damaged_tree, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
