/* SPDX-License-Identifier: MIT */
/*
 * test_fake_weight.c - weights of banks: set aside, given back, and whose share a machine has.
 */
#include "tests/unit/objects/bank_sample.h"

static struct disk_capability weighed(object_t parent, uint32_t weight)
{
	const struct object_request request = {
		.type = OBJECT_BANK, .size = 300, .size_max = 3000, .weight = weight};

	return make(parent, &request);
}

static enum status weigh(object_t bank, uint64_t weight)
{
	struct disk_object record = {.bank = 0};
	enum status status;

	fake_begin();
	object_read(&space, bank, &record);
	fake_begin();
	fake_save();
	/* Nobody else can, and nor can it itself. */
	assert_true(bank_weigh(&space, bank, bank, weight) != STATUS_OK);
	assert_true(bank_weigh(&space, (object_t){record.bank + 1}, bank, weight) != STATUS_OK);
	assert_true(fake_unchanged());
	fake_begin();
	fake_save();
	status = bank_weigh(&space, (object_t){record.bank}, bank, weight);
	assert_true(status == STATUS_OK || fake_unchanged());
	fake_begin();
	fake_invariants(&space);
	return status;
}

/* A machine made from the bank has so much, of the share of this one. */
static void has(object_t bank, const struct disk_capability *of_bank, uint32_t weight)
{
	struct disk_capability machine = make(bank, &requests[2]);
	uint64_t share = 1;
	uint32_t found = 0;

	assert_int_equal(bank_share(&space, of(&machine), &share, &found), STATUS_OK);
	assert_int_equal(share, of_bank ? of_bank->version : 0);
	assert_int_equal(found, weight);
	destroy(of(&machine));
	fake_reclaim(&space);
}

static void test_set_aside(void **state)
{
	struct object_request request = {.type = OBJECT_BANK, .weight = SHARE_ALL};
	struct disk_capability outer, inner, none, below;

	(void)state;
	assert_int_equal(bank_weight(root, account_at(root)), SHARE_ALL);
	has(root, NULL, SHARE_FIRST);
	/* Some of it stays. */
	assert_int_equal(refused(root, &request), STATUS_ALLOWANCE);
	request.weight = SHARE_ALL + UINT64_C(1);
	assert_int_equal(refused(root, &request), STATUS_LIMIT);
	request.weight = (UINT64_C(1) << 32) + 1;
	assert_int_equal(refused(root, &request), STATUS_LIMIT);
	outer = weighed(root, 100);
	has(of(&outer), &outer, 100);
	request.weight = 100;
	assert_int_equal(refused(of(&outer), &request), STATUS_ALLOWANCE);
	inner = make(of(&outer),
		     &(struct object_request){
			     .type = OBJECT_BANK, .weight = 70, .size = 200, .size_max = 2000});
	has(of(&outer), &outer, 30);
	has(of(&inner), &inner, 70);
	request.weight = 30;
	assert_int_equal(refused(of(&outer), &request), STATUS_ALLOWANCE);
	/* Who has none of its own lives on that of the next above, and gives none. */
	none = make(of(&inner),
		    &(struct object_request){.type = OBJECT_BANK, .size = 100, .size_max = 1000});
	below = make(of(&none),
		     &(struct object_request){.type = OBJECT_BANK, .size = 50, .size_max = 500});
	has(of(&none), &inner, 70);
	has(of(&below), &inner, 70);
	request.weight = 1;
	assert_int_equal(refused(of(&none), &request), STATUS_ALLOWANCE);
	fake_invariants(&space);
}

static void test_given_back(void **state)
{
	struct disk_capability outer = weighed(root, 100), inner;
	uint64_t changes;

	(void)state;
	inner = make(of(&outer), &(struct object_request){.type = OBJECT_BANK, .weight = 99});
	has(of(&outer), &outer, 1);
	destroy(of(&inner));
	fake_reclaim(&space);
	has(of(&outer), &outer, 100);
	make(of(&outer), &(struct object_request){.type = OBJECT_BANK, .weight = 40});
	changes = space.weights;
	destroy(of(&outer));
	fake_reclaim(&space);
	assert_int_equal(account_at(root)->weight_given, 0);
	assert_int_equal(space.weights, changes + 2);
	weighed(root, SHARE_ALL - 1);
	has(root, NULL, 1);
	fake_invariants(&space);
}

static void test_weigh(void **state)
{
	struct disk_capability outer = weighed(root, 0), inner = weighed(root, 50), low;
	uint64_t changes = space.weights;

	(void)state;
	has(of(&outer), NULL, SHARE_FIRST);
	assert_int_equal(weigh(root, 5), STATUS_INVALID);
	assert_int_equal(weigh(of(&outer), SHARE_ALL - 50), STATUS_ALLOWANCE);
	assert_int_equal(weigh(of(&outer), UINT64_MAX), STATUS_ALLOWANCE);
	assert_int_equal(weigh(of(&outer), (UINT64_C(1) << 32) + 1), STATUS_ALLOWANCE);
	assert_int_equal(space.weights, changes);
	assert_int_equal(weigh(of(&outer), SHARE_ALL - 51), STATUS_OK);
	assert_true(space.weights > changes);
	has(root, NULL, 1);
	assert_int_equal(weigh(of(&inner), 51), STATUS_ALLOWANCE);
	assert_int_equal(weigh(of(&outer), SHARE_ALL - 61), STATUS_OK);
	assert_int_equal(weigh(of(&inner), 61), STATUS_ALLOWANCE);
	assert_int_equal(weigh(of(&inner), 60), STATUS_OK);
	assert_int_equal(weigh(of(&inner), 50), STATUS_OK);
	assert_int_equal(weigh(of(&outer), 200), STATUS_OK);
	has(of(&outer), &outer, 200);
	assert_int_equal(account_at(root)->weight_given, 250);
	/* What is left to both of them is told. */
	assert_int_equal(space.weighed[(space.weights - 2) % SPACE_WEIGHED].version, 0);
	assert_int_equal(space.weighed[(space.weights - 2) % SPACE_WEIGHED].own, SHARE_FIRST);
	assert_int_equal(space.weighed[(space.weights - 1) % SPACE_WEIGHED].version, outer.version);
	assert_int_equal(space.weighed[(space.weights - 1) % SPACE_WEIGHED].own, 200);
	/* What is given to those below, and some of its own, stays. */
	low = make(of(&outer), &(struct object_request){.type = OBJECT_BANK, .weight = 150});
	assert_int_equal(weigh(of(&outer), 150), STATUS_ALLOWANCE);
	assert_int_equal(weigh(of(&outer), 0), STATUS_ALLOWANCE);
	assert_int_equal(weigh(of(&outer), 151), STATUS_OK);
	has(of(&outer), &outer, 1);
	assert_int_equal(weigh(of(&low), 151), STATUS_ALLOWANCE);
	assert_int_equal(weigh(of(&low), 0), STATUS_OK);
	has(of(&outer), &outer, 151);
	assert_int_equal(weigh(of(&outer), 0), STATUS_OK);
	has(of(&outer), NULL, SHARE_FIRST);
	assert_int_equal(weigh(of(&low), 1), STATUS_ALLOWANCE); /* that above it has none */
	destroy(of(&low));
	assert_int_equal(weigh(of(&low), 1), STATUS_DEAD);
}

/* Where there were no weights all live on that of the first bank, until they are given one. */
static void test_older(void **state)
{
	struct disk_capability bank = weighed(root, 0);
	struct disk_system *system = (void *)fake_page(SYSTEM_PAGE);

	(void)state;
	system->version = SYSTEM_VERSION_BANKS;
	account_at(root)->weight = 0;
	fake_adopt();
	assert_int_equal(bank_weight(root, account_at(root)), SHARE_ALL);
	assert_int_equal(weigh(of(&bank), SHARE_ALL), STATUS_ALLOWANCE);
	assert_int_equal(((const struct disk_system *)(void *)fake_page(SYSTEM_PAGE))->version,
			 SYSTEM_VERSION_BANKS);
	assert_int_equal(weigh(of(&bank), 70), STATUS_OK);
	assert_int_equal(((const struct disk_system *)(void *)fake_page(SYSTEM_PAGE))->version,
			 SYSTEM_VERSION);
	has(of(&bank), &bank, 70);
	destroy(of(&bank));
	fake_reclaim(&space);
	assert_int_equal(account_at(root)->weight_given, 0);
}

/* Only what may still come is waited for: with what is lost the machine runs on the first share. */
static void test_unread(void **state)
{
	struct disk_capability bank = weighed(root, 100), machine = make(of(&bank), &requests[2]);
	const enum status failures[] = {STATUS_WAIT, STATUS_IO, STATUS_CORRUPT};

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		for (uint32_t nth = 1;; nth++) {
			uint64_t share = 1;
			uint32_t weight = 0;
			enum status status;

			fake_begin();
			fake_fail(nth, failures[i]);
			status = bank_share(&space, of(&machine), &share, &weight);
			if (!fake_failed()) {
				fake_fail(0, STATUS_OK);
				assert_int_equal(share, bank.version);
				assert_true(nth > 2);
				break;
			}
			assert_int_equal(status, i ? STATUS_OK : STATUS_WAIT);
			assert_int_equal(share, 0);
			assert_int_equal(weight, SHARE_FIRST);
		}
}

/* A figure that is too large, or too small, makes no weight out of nothing and ends nothing. */
static void test_damaged(void **state)
{
	struct disk_capability bank = weighed(root, 100), machine = make(of(&bank), &requests[2]);
	uint64_t share;
	uint32_t weight;

	(void)state;
	account_at(of(&bank))->weight_given = 1000;
	fake_adopt();
	assert_int_equal(bank_share(&space, of(&machine), &share, &weight), STATUS_OK);
	assert_int_equal(share, bank.version);
	assert_int_equal(weight, 1);
	assert_int_equal(
		refused(of(&bank), &(struct object_request){.type = OBJECT_BANK, .weight = 1}),
		STATUS_ALLOWANCE);
	account_at(of(&bank))->weight = UINT32_MAX;
	account_at(of(&bank))->weight_given = 0;
	fake_adopt();
	assert_int_equal(bank_share(&space, of(&machine), &share, &weight), STATUS_OK);
	assert_int_equal(weight, SHARE_ALL);
	account_at(root)->weight_given = 5;
	account_at(of(&bank))->weight_given = 0;
	fake_adopt();
	destroy(of(&machine));
	destroy(of(&bank));
	fake_reclaim(&space);
	assert_int_equal(account_at(root)->weight_given, 0);
	/* A machine that is none any more. */
	assert_int_equal(bank_share(&space, (object_t){4000}, &share, &weight), STATUS_OK);
	assert_int_equal(share, 0);
	assert_int_equal(weight, SHARE_FIRST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_set_aside, begin),
		cmocka_unit_test_setup(test_given_back, begin),
		cmocka_unit_test_setup(test_weigh, begin),
		cmocka_unit_test_setup(test_older, begin),
		cmocka_unit_test_setup(test_unread, begin),
		cmocka_unit_test_setup(test_damaged, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
