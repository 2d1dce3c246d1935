/* SPDX-License-Identifier: MIT */
/*
 * test_verify_banks.c - what the verifier of the objects finds in the tree of banks and in
 * the account table, and that it finds nothing where nothing is: also in a space from before
 * there were banks below the first one, and in one that has become of that.
 */
#include "tests/unit/mkstore/verify_faults.h"

#define FIRST                                                                                      \
	(object_t)                                                                                 \
	{                                                                                          \
		OBJECT_ROOT_BANK                                                                   \
	}

static struct disk_account *account_of(struct host *host, object_t object)
{
	struct disk_account *accounts =
		page_of(host, ACCOUNT_TABLE_PAGE + object.n / ACCOUNTS_PER_PAGE);

	return &accounts[object.n % ACCOUNTS_PER_PAGE];
}

/* In a table of the first bank's: a capability to its port, which hangs from another object. */
static void hang(struct host *host, object_t revoker, uint64_t version)
{
	struct disk_capability *slots = page_of(host, record_of(host, made.table)->first_page);

	slots[5] = (struct disk_capability){.version = record_of(host, made.port)->version,
					    .object = made.port.n,
					    .type = OBJECT_PORT,
					    .revoker = revoker.n,
					    .revoker_version = version};
}

/* ---- one field at a time ---------------------------------------------------------------- */

FAULT(account_reserve, account_of(host, made.paid)->reserved[1] = 1)
FAULT(account_reserve0, account_of(host, made.bank)->reserved0 = 1)
FAULT(account_none, account_of(host, (object_t){0})->depth = 1)
FAULT(account_tail, account_of(host, (object_t){63})->next = 1)
FAULT(account_stray, *(uint8_t *)page_of(host, ACCOUNT_TABLE_PAGE + 1) = 1)
FAULT(account_free, account_of(host, made.free)->next = made.port.n)
FAULT(account_free_bank, account_of(host, made.free)->addresses = 1)
FAULT(account_dying, account_of(host, made.dying)->previous = made.port.n)
FAULT(account_dying_bank, account_of(host, made.ending)->next = made.bank.n)
FAULT(account_head, account_of(host, made.paid_too)->first_object = made.paid.n)
FAULT(account_limit, account_of(host, made.worker)->address_limit = 1)
FAULT(account_depth, account_of(host, made.dying)->depth = 1)

FAULT(version_other, record_of(host, made.paid)->bank_version++)
FAULT(version_none, record_of(host, made.deep)->bank_version = 0)
FAULT(version_first, record_of(host, made.port)->bank_version = 1)
FAULT(version_service, record_of(host, (object_t){OBJECT_THE_CLOCK})->bank_version = 1)
FAULT(version_bank, record_of(host, made.inner)->bank_version--)
FAULT(version_ended, record_of(host, made.left)->bank_version = 0)
FAULT(version_ended_future, record_of(host, made.left)->bank_version = UINT64_MAX)
FAULT(version_below, record_of(host, made.left_below)->bank_version++)
FAULT(flags_living, record_of(host, made.paid)->flags = OBJECT_TOLD)

FAULT(pages, record_of(host, made.bank)->size++)
FAULT(objects, record_of(host, made.inner)->allowance.objects--)
FAULT(pages_dying, record_of(host, made.ending)->size--)
FAULT(pages_below, record_of(host, made.below)->size--)
FAULT(limit, record_of(host, made.inner)->allowance.limit++)
FAULT(limit_dying, record_of(host, made.ending)->allowance.limit--)
FAULT(limit_least, record_of(host, made.inner)->allowance.limit = 1)
FAULT(limit_most, record_of(host, made.bank)->allowance.limit = UINT64_C(1) << 45)
FAULT(addresses, account_of(host, made.bank)->addresses--)
FAULT(addresses_first, account_of(host, FIRST)->addresses++)
FAULT(addresses_dying, account_of(host, made.ending)->addresses = 0)
FAULT(addresses_uncounted, account_of(host, FIRST)->address_limit = 0)
FAULT(address_limit, account_of(host, made.inner)->address_limit--)
FAULT(address_limit_dying, account_of(host, made.ending)->address_limit++)
FAULT(address_limit_none, account_of(host, made.bank)->address_limit = 0)
FAULT(address_limit_first, account_of(host, FIRST)->address_limit = 1)
FAULT(address_limit_most, account_of(host, made.inner)->address_limit = UINT64_C(1) << 45)
FAULT(weight_none, account_of(host, made.paid)->weight = 1)
FAULT(weight, account_of(host, made.inner)->weight = 5)
FAULT(weight_given, account_of(host, FIRST)->weight_given = 7)
FAULT(weight_all, {
	account_of(host, FIRST)->weight_given = SHARE_ALL;
	account_of(host, made.bank)->weight = SHARE_ALL;
})
FAULT(weight_most, account_of(host, FIRST)->weight = SHARE_ALL + 1)
FAULT(weight_older, system_of(host)->version = SYSTEM_VERSION_BANKS)
FAULT(range, record_of(host, made.paid)->range_pages = 4)
FAULT(range_dying, record_of(host, made.left)->range_pages = 2)

FAULT(waits_list, record_of(host, made.waiting)->flags = 0)
FAULT(waits_dying, record_of(host, made.ending)->flags = OBJECT_WAITS)
FAULT(waits_other, record_of(host, made.dying)->flags = OBJECT_WAITS)
FAULT(waits_next, record_of(host, made.waiting)->next_free = made.dying.n)
FAULT(waits_nothing, record_of(host, made.waiting)->allowance.objects = 0)
FAULT(waits_living, record_of(host, made.bank)->flags = OBJECT_WAITS)

FAULT(derived_other, record_of(host, made.paid)->flags = OBJECT_DERIVED)
FAULT(derived_dying, record_of(host, made.dying)->flags = OBJECT_DERIVED)
FAULT(hangs_unknown, hang(host, made.bank, record_of(host, made.bank)->version))
FAULT(hangs_no_bank, hang(host, made.paid, record_of(host, made.paid)->version))
FAULT(hangs_half, hang(host, made.bank, 0))
FAULT(hangs_none, hang(host, (object_t){0}, 1))
FAULT(hangs_beyond, hang(host, (object_t){4000000}, 1))
FAULT(hangs_future, hang(host, made.bank, UINT64_MAX))
FAULT(hangs_resume,
      ((struct disk_machine *)page_of(host, record_of(host, made.sleeper)->first_page))
	      ->resume_revoker = made.bank.n)

FAULT(depth_first, account_of(host, FIRST)->depth = 1)
FAULT(depth, account_of(host, made.inner)->depth = 1)
FAULT(depth_dying, account_of(host, made.ending)->depth = 0)
FAULT(depth_most, account_of(host, FIRST)->depth = 15; account_of(host, made.bank)->depth = 16)
FAULT(above_loop, record_of(host, made.bank)->bank = made.inner.n)
FAULT(above_itself, record_of(host, made.bank)->bank = made.bank.n)
FAULT(above_first, record_of(host, FIRST)->bank = made.bank.n)
FAULT(above_none, record_of(host, made.inner)->bank = 0)
FAULT(above_other, record_of(host, made.inner)->bank = made.port.n)
FAULT(bank_other, record_of(host, made.deep)->bank = made.bank.n)

FAULT(list_empty, account_of(host, made.bank)->first_object = 0)
FAULT(list_no_banks, account_of(host, made.bank)->first_bank = 0)
FAULT(list_first_empty, account_of(host, FIRST)->first_object = 0)
FAULT(list_ended_empty, account_of(host, made.ending)->first_object = 0)
FAULT(list_short, account_of(host, made.paid_too)->next = 0)
FAULT(list_foreign, account_of(host, made.bank)->first_object = made.deep.n)
FAULT(list_type, account_of(host, made.bank)->first_object = made.inner.n)
FAULT(list_bank_type, account_of(host, made.inner)->first_bank = made.deep.n)
FAULT(list_dead, account_of(host, FIRST)->first_object = made.dying.n)
FAULT(list_beyond, account_of(host, made.inner)->first_object = 4000000)
FAULT(list_ring, account_of(host, made.paid)->next = account_of(host, made.bank)->first_object)
FAULT(list_itself, account_of(host, made.paid_too)->next = made.paid_too.n)
FAULT(list_previous, account_of(host, made.paid)->previous = made.worker.n)
FAULT(list_previous_none, account_of(host, made.paid)->previous = 0)
FAULT(list_head_previous, account_of(host, made.left)->previous = made.paid.n)

static const struct fault faults[] = {
	FAULT_ROW(account_reserve, "a reserve is not zero"),
	FAULT_ROW(account_reserve0, "a reserve is not zero"),
	FAULT_ROW(account_none, "the account of object 0 is not empty"),
	FAULT_ROW(account_tail, "the account table goes on behind object"),
	FAULT_ROW(account_stray, "page 0x280001 exists where nothing should be"),
	FAULT_ROW(account_free, "does not live, but has a place in a list"),
	FAULT_ROW(account_free_bank, "is no bank, but has the account of one"),
	FAULT_ROW(account_dying, "does not live, but has a place in a list"),
	FAULT_ROW(account_dying_bank, "does not live, but has a place in a list"),
	FAULT_ROW(account_head, "is no bank, but has the account of one"),
	FAULT_ROW(account_limit, "is no bank, but has the account of one"),
	FAULT_ROW(account_depth, "is no bank, but has the account of one"),
	FAULT_ROW(version_other, " ends with version "),
	FAULT_ROW(version_none, " ends with version 0 of bank "),
	FAULT_ROW(version_first, " ends with version 1 of bank 1, "),
	FAULT_ROW(version_service, " ends with version 1 of bank 0, "),
	FAULT_ROW(version_bank, " ends with version "),
	FAULT_ROW(version_ended, " ends with version 0 of bank "),
	FAULT_ROW(version_ended_future, " ends with version 18446744073709551615 of bank "),
	FAULT_ROW(version_below, " ends with version "),
	FAULT_ROW(flags_living, "a reserve is not zero"),
	FAULT_ROW(pages, "objects, charged are"),
	FAULT_ROW(objects, "objects, charged are"),
	FAULT_ROW(pages_dying, "objects, charged are"),
	FAULT_ROW(pages_below, "objects, charged are"),
	FAULT_ROW(limit, "objects, charged are"),
	FAULT_ROW(limit_dying, "bank 1 counts"),
	FAULT_ROW(limit_least, "is over its limit: 3 of 1 pages"),
	FAULT_ROW(limit_most, "may pay for more than there can be"),
	FAULT_ROW(addresses, "addresses, charged are"),
	FAULT_ROW(addresses_first, "addresses, charged are"),
	FAULT_ROW(addresses_dying, "counts 0 addresses, charged are "),
	FAULT_ROW(addresses_uncounted, "addresses, charged are 0"),
	FAULT_ROW(address_limit, "addresses, charged are"),
	FAULT_ROW(address_limit_dying, "bank 1 counts"),
	FAULT_ROW(address_limit_none, " of 0 addresses"),
	FAULT_ROW(address_limit_first, " of 1 addresses"),
	FAULT_ROW(address_limit_most, "may pay for more than there can be"),
	FAULT_ROW(weight_none, "is no bank, but has the account of one"),
	FAULT_ROW(weight, "given away, the banks made from it have 5"),
	FAULT_ROW(weight_given, "of 7 given away, the banks made from it have 0"),
	FAULT_ROW(weight_all, "some must stay"),
	FAULT_ROW(weight_most, "there is 1048576 in all"),
	FAULT_ROW(weight_older, "has a weight in a system of version 3"),
	FAULT_ROW(range, "addresses, charged are"),
	FAULT_ROW(range_dying, "addresses, charged are"),
	FAULT_ROW(waits_list, "the list of objects being destroyed has"),
	FAULT_ROW(waits_dying, "of which some live"),
	FAULT_ROW(waits_other, "waits to be destroyed and is no bank"),
	FAULT_ROW(waits_next, "follows"),
	FAULT_ROW(waits_nothing, "waits for the end of 0 objects"),
	FAULT_ROW(waits_living, "a reserve is not zero"),
	FAULT_ROW(derived_other, "a reserve is not zero"),
	FAULT_ROW(derived_dying, "a reserve is not zero"),
	FAULT_ROW(hangs_unknown, "hangs from what is no bank, or does not know of it"),
	FAULT_ROW(hangs_no_bank, "hangs from what is no bank"),
	FAULT_ROW(hangs_half, "hangs from what is no bank"),
	FAULT_ROW(hangs_none, "hangs from what is no bank"),
	FAULT_ROW(hangs_beyond, "hangs from what is no bank"),
	FAULT_ROW(hangs_future, "hangs from what is no bank"),
	FAULT_ROW(hangs_resume, ", what is told of a resume: capability to object 0"),
	FAULT_ROW(depth_first, "the first bank lies below bank 0, at depth 1"),
	FAULT_ROW(depth, "is at depth 1 below bank "),
	FAULT_ROW(depth_dying, "is at depth 0 below bank 1, which is at depth 0"),
	FAULT_ROW(depth_most, "is at depth 16 below bank 1, which is at depth 15"),
	FAULT_ROW(above_loop, "is at depth 1 below bank "),
	FAULT_ROW(above_itself, "is at depth 1 below bank "),
	FAULT_ROW(above_first, "the first bank lies below bank "),
	FAULT_ROW(above_none, "is paid for by no bank"),
	FAULT_ROW(above_other, "is paid for by no bank"),
	FAULT_ROW(bank_other, "is missing in the list of bank "),
	FAULT_ROW(list_empty, "is missing in the list of bank "),
	FAULT_ROW(list_no_banks, "is missing in the list of bank "),
	FAULT_ROW(list_first_empty, "is missing in the list of bank 1 "),
	FAULT_ROW(list_ended_empty, "is missing in the list of bank "),
	FAULT_ROW(list_short, "is missing in the list of bank "),
	FAULT_ROW(list_foreign, "which is not among them or is there already"),
	FAULT_ROW(list_type, "the list of objects of bank "),
	FAULT_ROW(list_bank_type, "the list of banks of bank "),
	FAULT_ROW(list_dead, "the list of objects of bank 1 leads to object "),
	FAULT_ROW(list_beyond, " leads to object 4000000, "),
	FAULT_ROW(list_ring, "which is not among them or is there already"),
	FAULT_ROW(list_itself, "which is not among them or is there already"),
	FAULT_ROW(list_previous, " follows object "),
	FAULT_ROW(list_previous_none, ", but names object 0"),
	FAULT_ROW(list_head_previous, " follows object 0, but names object "),
};

static void test_faults(void **state)
{
	(void)state;
	faults_find(faults, sizeof(faults) / sizeof(faults[0]));
}

/* ---- sound spaces ------------------------------------------------------------------------ */

static struct command_invocation copy;

static void copy_open(struct host *host)
{
	copy = invocation_of(copy_path);
	sample_copy();
	assert_int_equal(host_open(host, &copy, HOST_WRITE), COMMAND_OK);
}

/* Commits and closes what was changed. */
static struct found look(struct host *host)
{
	commit(host);
	host_close(host);
	return verify_file(copy_path, NULL);
}

static void expect_sound(struct found found)
{
	if (found.objects)
		fail_msg("finding in a sound store: %s", found.first);
	assert_int_equal(found.others, 0);
}

static void test_sound(void **state)
{
	struct found found = verify_file(store_path, NULL);

	(void)state;
	expect_sound(found);
	/* Nothing leads to what is in those banks: of what has ended that is not told. */
	for (unsigned i = 0; i < found.unreached; i++) {
		assert_int_not_equal(found.what[i], made.left.n);
		assert_int_not_equal(found.what[i], made.left_below.n);
	}
	assert_true(found.unreached > 3);
}

/* From a bank that knows of it, or that is gone. */
static void test_hangs(void **state)
{
	struct host host;

	(void)state;
	copy_open(&host);
	hang(&host, made.bank, record_of(&host, made.bank)->version);
	record_of(&host, made.bank)->flags = OBJECT_DERIVED;
	expect_sound(look(&host));
	copy_open(&host);
	hang(&host, made.bank, record_of(&host, made.bank)->version - 1);
	expect_sound(look(&host));
	copy_open(&host);
	hang(&host, made.ending, record_of(&host, made.left)->bank_version);
	expect_sound(look(&host));
}

/* Step by step to its end, and of each the verifier says what it is. */
static void test_ends(void **state)
{
	struct host host;
	struct ended ended;
	bool more = true;
	unsigned steps = 0;

	(void)state;
	copy_open(&host);
	end(&host, made.bank, false);
	expect_sound(look(&host));
	while (more) {
		assert_int_equal(host_open(&host, &copy, HOST_WRITE), COMMAND_OK);
		expect_ok(HOST_RETRY(&host, object_destroy_step(&host.space, &more, &ended)));
		expect_sound(look(&host));
		steps++;
	}
	assert_true(steps > 20);
	assert_int_equal(host_open(&host, &copy, HOST_WRITE), COMMAND_OK);
	assert_int_equal(record_of(&host, made.bank)->type, OBJECT_NONE);
	assert_int_equal(record_of(&host, made.below)->type, OBJECT_NONE);
	host_close(&host);
}

/* Who would wake a machine that has ended with its bank forgets it before its turn comes. */
static void test_ended_machine(void **state)
{
	struct disk_machine *machine;
	struct host host;

	(void)state;
	copy_open(&host);
	machine = page_of(&host, record_of(&host, made.left_below)->first_page);
	machine->state = MACHINE_READY;
	expect_sound(look(&host));
	copy_open(&host);
	machine = page_of(&host, record_of(&host, made.left_below)->first_page);
	machine->state = MACHINE_SLEEP;
	machine->deadline = 4711;
	machine->resume_port = made.paid_too.n;
	machine->resume_port_version = record_of(&host, made.paid_too)->version;
	expect_sound(look(&host));
	copy_open(&host);
	machine = page_of(&host, record_of(&host, made.worker)->first_page);
	machine->state = MACHINE_READY;
	assert_int_equal(look(&host).objects, 1);
}

/* What was prepared and did not come to be is zeros; tables grow by it. */
static void test_prepared(void **state)
{
	struct host host;

	(void)state;
	copy_open(&host);
	page_of(&host, OBJECT_TABLE_PAGE + 1);
	page_of(&host, ACCOUNT_TABLE_PAGE + 1);
	expect_sound(look(&host));
}

/* ---- a space of an older kernel ------------------------------------------------------------ */

/* As one of version 2 has it: nothing but the first bank, and no accounts. */
static void old_make(struct host *host)
{
	struct store_format_options format = {.identity = {1},
					      .created_ns = 1,
					      .sectors = STORE_BYTES / SECTOR_SIZE,
					      .write_unit = SECTOR_SIZE,
					      .label = "old"};

	copy = invocation_of(copy_path);
	fclose(fopen(copy_path, "w"));
	assert_int_equal(truncate(copy_path, STORE_BYTES), 0);
	assert_int_equal(host_open(host, &copy, HOST_FORMAT), COMMAND_OK);
	expect_ok(store_format(host->store, &format));
	expect_ok(HOST_RETRY(host, objects_format(&host->space, 10000)));
	create(host, OBJECT_TABLE, 8, 0);
	create(host, OBJECT_TABLE, 8, 0);
	create(host, OBJECT_MACHINE, 0, 0);
	memset(page_of(host, ACCOUNT_TABLE_PAGE), 0, PAGE_SIZE);
	system_of(host)->version = SYSTEM_VERSION_MAP;
}

static void test_old(void **state)
{
	struct host host;
	object_t bank;

	(void)state;
	old_make(&host);
	expect_sound(look(&host));
	/* Accounts are nothing that it has. */
	assert_int_equal(host_open(&host, &copy, HOST_WRITE), COMMAND_OK);
	account_of(&host, FIRST)->address_limit = 1;
	assert_int_equal(look(&host).objects, 1);
	/* The old ones are in no list, and their addresses are not counted. */
	old_make(&host);
	bank = make_from(&host, FIRST, OBJECT_BANK, 20, 64);
	make_from(&host, bank, OBJECT_MACHINE, 0, 0);
	create(&host, OBJECT_TABLE, 8, 0);
	assert_int_equal(system_of(&host)->version, SYSTEM_VERSION);
	expect_sound(look(&host));
	assert_int_equal(host_open(&host, &copy, HOST_WRITE), COMMAND_OK);
	end(&host, bank, true);
	expect_sound(look(&host));
	assert_int_equal(host_open(&host, &copy, HOST_WRITE), COMMAND_OK);
	account_of(&host, FIRST)->addresses = 1;
	assert_int_equal(look(&host).objects, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hangs),	      cmocka_unit_test(test_sound),
		cmocka_unit_test(test_faults),	      cmocka_unit_test(test_ends),
		cmocka_unit_test(test_ended_machine), cmocka_unit_test(test_prepared),
		cmocka_unit_test(test_old),
	};

	return cmocka_run_group_tests(tests, sample_create, sample_remove);
}
