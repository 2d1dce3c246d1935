/* SPDX-License-Identifier: MIT */
/*
 * test_fake_bank.c - banks: a tree of what pays for what.
 */
#include "tests/unit/objects/bank_sample.h"
#include <stdio.h>

/* What a bank may give is set aside from what its own may. */
static void test_set_aside(void **state)
{
	struct figures before = figures_of(root), after;
	struct disk_capability outer = bank_make(root, 100, 200), inner;
	struct object_request request = {.type = OBJECT_BANK, .size = 50, .size_max = 201};

	(void)state;
	after = figures_of(root);
	assert_int_equal(after.pages, before.pages + 101);
	assert_int_equal(after.addresses, before.addresses + 200);
	assert_int_equal(after.objects, before.objects + 1);
	assert_int_equal(outer.rights, RIGHT_READ | RIGHT_CREATE | RIGHT_CONTROL | RIGHT_DESTROY);
	assert_int_equal(refused(of(&outer), &request), STATUS_ALLOWANCE);
	request = (struct object_request){.type = OBJECT_BANK, .size = 100};
	assert_int_equal(refused(of(&outer), &request), STATUS_ALLOWANCE);
	inner = bank_make(of(&outer), 99, 200);
	after = figures_of(of(&outer));
	assert_int_equal(after.pages, 100);
	assert_int_equal(after.addresses, 200);
	/* All of it is promised: nothing else can be made, and the inner one can give it. */
	assert_int_equal(refused(of(&outer), &requests[5]), STATUS_ALLOWANCE);
	for (unsigned i = 0; i < 99; i++)
		make(of(&inner), &requests[5]);
	assert_int_equal(refused(of(&inner), &requests[5]), STATUS_ALLOWANCE);
	assert_int_equal(figures_of(root).pages, before.pages + 101);
	fake_invariants(&space);
}

static void test_addresses(void **state)
{
	struct disk_capability bank = bank_make(root, 1000, 256), segment;
	struct object_request request = {.type = OBJECT_SEGMENT, .size_max = 129 * PAGE_SIZE};

	(void)state;
	segment = make(of(&bank), &request); /* a power of two: 256 */
	request.size_max = 1;
	assert_int_equal(refused(of(&bank), &request), STATUS_ALLOWANCE);
	destroy(of(&segment));
	assert_int_equal(refused(of(&bank), &request), STATUS_ALLOWANCE);
	fake_reclaim(&space);
	for (unsigned i = 0; i < 256; i++)
		make(of(&bank), &request);
	assert_int_equal(refused(of(&bank), &request), STATUS_ALLOWANCE);
	/* None are as good as any other number. */
	destroy(of(&bank));
	fake_reclaim(&space);
	bank = bank_make(root, 1000, 0);
	assert_int_equal(refused(of(&bank), &request), STATUS_ALLOWANCE);
	make(of(&bank), &requests[5]);
	/* Whoever owns nothing but that has not made the arena smaller for others. */
	destroy(of(&bank));
	fake_reclaim(&space);
	assert_int_equal(figures_of(root).addresses, 2 * LOG_PAGES);
	fake_invariants(&space);
}

/* What is looked at on the way up needs no room where few pages can be kept. */
static void deep_view(object_t bank)
{
	static uint8_t kept[SPACE_KEPT][PAGE_SIZE];
	struct disk_capability segment = make(bank, &requests[5]);
	struct disk_object record;

	space.view = (struct store_view *)(void *)&space; /* something */
	space.kept = kept;
	space.kept_pages = 0;
	assert_int_equal(object_read(&space, of(&segment), &record), STATUS_OK);
	assert_true(space.kept_pages <= 2);
	space.view = NULL;
}

static void test_depth(void **state)
{
	const struct object_request request = {.type = OBJECT_BANK};
	struct disk_capability bank[BANK_DEPTH_MAX];
	object_t parent = root;

	(void)state;
	for (unsigned i = 1; i < BANK_DEPTH_MAX; i++) {
		bank[i] = bank_make(parent, 100 - 2 * i, 100);
		parent = of(&bank[i]);
		assert_true(lives(&bank[i]));
	}
	assert_int_equal(refused(parent, &request), STATUS_LIMIT);
	fake_invariants(&space);
	deep_view(parent);
	destroy(of(&bank[1]));
	for (unsigned i = 1; i < BANK_DEPTH_MAX; i++)
		assert_false(lives(&bank[i]));
	fake_reclaim(&space);
	assert_int_equal(figures_of(root).pages, 1 + 17);
	fake_invariants(&space);
}

/* ---- looking ------------------------------------------------------------------------- */

static void test_next(void **state)
{
	struct disk_capability bank[3], other;
	struct disk_object record;
	object_t at = {0};
	unsigned seen = 0;

	(void)state;
	assert_int_equal(bank_next(&space, root, &at, &record), STATUS_NOT_FOUND);
	for (unsigned i = 0; i < 3; i++)
		bank[i] = bank_make(root, 50, 50);
	other = bank_make(of(&bank[1]), 5, 5);
	at = (object_t){0};
	while (bank_next(&space, root, &at, &record) == STATUS_OK) {
		for (unsigned i = 0; i < 3; i++)
			seen |= (at.n == bank[i].object) << i;
		assert_int_equal(record.allowance.limit, 50);
	}
	assert_int_equal(seen, 7);
	at = of(&other); /* of another bank */
	assert_int_equal(bank_next(&space, root, &at, &record), STATUS_DEAD);
	at = of(&bank[2]);
	destroy(of(&bank[2]));
	assert_int_equal(bank_next(&space, root, &at, &record), STATUS_DEAD);
	at = (object_t){OBJECT_THE_LOG};
	assert_int_equal(bank_next(&space, root, &at, &record), STATUS_DEAD);
	at = (object_t){0};
	assert_int_equal(bank_next(&space, root, &at, &record), STATUS_OK);
}

static void test_of(void **state)
{
	struct disk_capability outer = bank_make(root, 100, 100), inner, segment, beside;
	object_t bank = {0};

	(void)state;
	inner = bank_make(of(&outer), 50, 50);
	segment = make(of(&inner), &requests[0]);
	beside = make(root, &requests[0]);
	assert_int_equal(bank_of(&space, root, of(&segment), &bank), STATUS_OK);
	assert_int_equal(bank.n, inner.object);
	assert_int_equal(bank_of(&space, of(&outer), of(&segment), &bank), STATUS_OK);
	assert_int_equal(bank_of(&space, of(&inner), of(&segment), &bank), STATUS_OK);
	assert_int_equal(bank_of(&space, of(&inner), of(&inner), &bank), STATUS_NOT_FOUND);
	assert_int_equal(bank_of(&space, of(&outer), of(&inner), &bank), STATUS_OK);
	assert_int_equal(bank.n, outer.object);
	assert_int_equal(bank_of(&space, of(&outer), of(&beside), &bank), STATUS_NOT_FOUND);
	assert_int_equal(bank_of(&space, root, of(&beside), &bank), STATUS_OK);
	assert_int_equal(bank.n, OBJECT_ROOT_BANK);
	assert_int_equal(bank_of(&space, root, (object_t){OBJECT_THE_CLOCK}, &bank), STATUS_OK);
	assert_int_equal(bank.n, OBJECT_ROOT_BANK);
	assert_int_equal(bank_of(&space, root, (object_t){999}, &bank), STATUS_NOT_FOUND);
	destroy(of(&outer));
	assert_int_equal(bank_of(&space, root, of(&segment), &bank), STATUS_NOT_FOUND);
}

/* What is remembered is of the present, and says nothing of a snapshot. */
static void test_remembered(void **state)
{
	static uint8_t kept[SPACE_KEPT][PAGE_SIZE];
	struct disk_capability bank = bank_make(root, 100, 100), segment;
	struct disk_object record, *writable;

	(void)state;
	segment = make(of(&bank), &requests[0]);
	assert_int_equal(object_read(&space, of(&segment), &record), STATUS_OK);
	assert_int_equal(record_prepare(&space, of(&bank), &writable), STATUS_OK);
	writable->version = 0; /* behind the back of whoever remembers */
	fake_begin();
	space.kept = kept;
	space.kept_pages = 0;
	space.view = (struct store_view *)(void *)&space; /* something */
	assert_int_equal(object_read(&space, of(&segment), &record), STATUS_DEAD);
	space.view = NULL;
	assert_int_equal(object_read(&space, of(&segment), &record), STATUS_OK);
}

/* A bit for each bank above, and none for the first. */
static void test_bits(void **state)
{
	struct disk_capability outer = bank_make(root, 100, 100), inner, segment, beside;
	struct disk_object record;
	uint64_t bits;

	(void)state;
	inner = bank_make(of(&outer), 50, 50);
	segment = make(of(&inner), &requests[0]);
	beside = make(root, &requests[0]);
	assert_int_equal(object_read(&space, of(&segment), &record), STATUS_OK);
	for (unsigned i = 0; i < 2; i++) { /* the second time it is remembered */
		assert_int_equal(bank_bits(&space, &record, &bits), STATUS_OK);
		assert_int_equal(bits, bank_bit(outer.version) | bank_bit(inner.version));
	}
	assert_int_equal(object_read(&space, of(&beside), &record), STATUS_OK);
	assert_int_equal(bank_bits(&space, &record, &bits), STATUS_OK);
	assert_int_equal(bits, 0);
}

/* ---- what hangs from one ------------------------------------------------------------------ */

static void derive(struct disk_capability *capability, const struct disk_capability *bank,
		   enum status expected)
{
	struct disk_capability was = *capability;
	enum status status;

	fake_begin();
	status = capability_derive_prepare(&space, capability, bank);
	assert_int_equal(status, expected);
	if (status == STATUS_OK)
		capability_derive(&space, capability);
	else
		assert_memory_equal(capability, &was, sizeof(was));
	fake_begin();
}

/* It ends with the bank, and with those above it; what it names does not. */
static void test_derive(void **state)
{
	struct disk_capability outer = bank_make(root, 10, 0), inner, other = bank_make(root, 1, 0);
	struct disk_capability segment = make(root, &requests[0]), one, two, three;
	struct disk_object record;
	uint64_t bits;

	(void)state;
	inner = bank_make(of(&outer), 0, 0);
	one = two = segment;
	derive(&one, &outer, STATUS_OK);
	derive(&two, &inner, STATUS_OK);
	three = one;
	derive(&three, &inner, STATUS_OK);
	assert_true(lives(&one) && lives(&two) && lives(&three));
	derive(&three, &inner, STATUS_OK);
	derive(&two, &outer, STATUS_INVALID); /* it would live longer */
	derive(&one, &other, STATUS_INVALID);
	derive(&three, &other, STATUS_INVALID);
	assert_int_equal(object_read(&space, of(&segment), &record), STATUS_OK);
	for (unsigned i = 0; i < 2; i++) { /* the second time it is remembered */
		assert_int_equal(capability_banks(&space, &two, &record, &bits), STATUS_OK);
		assert_int_equal(bits, bank_bit(inner.version) | bank_bit(outer.version));
	}
	assert_int_equal(capability_banks(&space, &segment, &record, &bits), STATUS_OK);
	assert_int_equal(bits, 0);
	destroy(of(&inner));
	assert_true(lives(&one) && lives(&segment));
	assert_false(lives(&two) || lives(&three));
	destroy(of(&outer));
	assert_false(lives(&one));
	assert_true(lives(&segment));
	fake_reclaim(&space);
	outer = bank_make(root, 10, 0); /* perhaps with the number of one of them */
	inner = bank_make(of(&outer), 0, 0);
	assert_false(lives(&one) || lives(&two) || lives(&three));
	fake_invariants(&space);
}

/* The bank knows whether anybody may wait through what hangs from it. */
static void test_derive_known(void **state)
{
	static const uint8_t expected[] = {OBJECT_DERIVED, OBJECT_DERIVED,
					   OBJECT_DERIVED | OBJECT_RECEIVES};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct disk_capability bank = bank_make(root, 1, 0);
		struct disk_capability hangs = make(root, &requests[i ? 3 : 0]);
		struct disk_object record;
		object_t object = of(&bank);

		assert_int_equal(object_read(&space, object, &record), STATUS_OK);
		assert_int_equal(record.flags, 0);
		if (i == 1)
			hangs.rights = RIGHT_SEND;
		derive(&hangs, &bank, STATUS_OK);
		assert_int_equal(object_read(&space, object, &record), STATUS_OK);
		assert_int_equal(record.flags, expected[i]);
		destroy(object);
		assert_int_equal(object_dying(&space, &object, &record), STATUS_OK);
		assert_int_equal(object_awaited(&record), i == 2);
		fake_reclaim(&space);
	}
}

static void test_derive_refused(void **state)
{
	struct disk_capability bank = bank_make(root, 10, 0), less = bank, first;
	struct disk_capability segment = make(root, &requests[0]);

	(void)state;
	assert_int_equal(object_capability(&space, root, RIGHT_ALL, &first), STATUS_OK);
	derive(&segment, &first, STATUS_INVALID);
	less.rights = (uint16_t)~RIGHT_CREATE;
	derive(&segment, &less, STATUS_NO_RIGHT);
	less = segment;
	derive(&segment, &less, STATUS_WRONG_TYPE);
	destroy(of(&bank));
	derive(&segment, &bank, STATUS_DEAD);
}

/* ---- adoption ------------------------------------------------------------------------- */

static struct disk_capability adopter;

static enum status adopt_call(struct space *in, void *context)
{
	return bank_adopt(in, of(&adopter), of(context));
}

/* What another pays for outlives who made it, and is charged to nobody else. */
static void test_adopt(void **state)
{
	struct figures before = figures_of(root), after;

	(void)state;
	for (unsigned i = 0; i < REQUESTS; i++) {
		struct disk_capability bank = bank_make(root, 100, 1000), made, beside;
		bool whole = requests[i].type != OBJECT_BANK && requests[i].type != OBJECT_MACHINE;

		adopter = bank_make(root, 20, 300);
		beside = make(of(&bank), &requests[i]);
		made = make(of(&bank), &requests[i]);
		make(of(&bank), &requests[i]);
		space.patient = true;
		if (!whole) {
			assert_int_equal(adopt_call(&space, &made), STATUS_NO_OPERATION);
		} else {
			assert_int_equal(fake_try_all(adopt_call, &space, &made), STATUS_OK);
			fake_invariants(&space);
			fake_begin();
			assert_int_equal(adopt_call(&space, &made), STATUS_OK); /* it has it */
			fake_invariants(&space);
			destroy(of(&bank));
			assert_true(lives(&made));
			assert_false(lives(&beside));
			fake_reclaim(&space);
			destroy(of(&adopter));
			assert_false(lives(&made));
		}
		space.patient = false;
		if (!whole) {
			destroy(of(&bank));
			destroy(of(&adopter));
		}
		fake_reclaim(&space);
		fake_invariants(&space);
		after = figures_of(root);
		assert_memory_equal(&before, &after, sizeof(before));
	}
}

static void test_adopt_refused(void **state)
{
	struct disk_capability bank = bank_make(root, 100, 400), made, small;

	(void)state;
	made = make(of(&bank), &requests[1]);
	small = bank_make(root, 100, 255);
	fake_begin();
	fake_save();
	assert_int_equal(bank_adopt(&space, of(&small), of(&made)), STATUS_ALLOWANCE);
	assert_int_equal(bank_adopt(&space, of(&made), of(&made)), STATUS_WRONG_TYPE);
	assert_int_equal(bank_adopt(&space, of(&bank), (object_t){OBJECT_THE_LOG}),
			 STATUS_NO_OPERATION);
	assert_int_equal(bank_adopt(&space, of(&bank), (object_t){999}), STATUS_DEAD);
	assert_true(fake_unchanged());
	fake_begin();
	/* The first bank takes everything, and what it has goes to others. */
	assert_int_equal(bank_adopt(&space, root, of(&made)), STATUS_OK);
	fake_begin();
	destroy(of(&bank));
	assert_true(lives(&made));
	fake_reclaim(&space);
	fake_invariants(&space);
	bank = bank_make(root, 100, 400);
	assert_int_equal(bank_adopt(&space, of(&bank), of(&made)), STATUS_OK);
	fake_begin();
	fake_invariants(&space);
	destroy(of(&bank));
	assert_false(lives(&made));
}

/* ---- names ----------------------------------------------------------------------------- */

static const struct object_request file = {
	.type = OBJECT_SEGMENT, .size = 100, .size_max = 8 * PAGE_SIZE};

static enum status create_call(struct space *in, void *context)
{
	struct disk_capability made;

	return entry_create(in, of(context), "file", 4, &file, &made);
}

/* With the name or not at all; the directory's bank pays. */
static void test_create_named(void **state)
{
	struct disk_capability bank = bank_make(root, 8, 100), directory, made, found;
	const struct object_request port = {.type = OBJECT_PORT, .size = 1};
	struct figures before;
	char name[8];

	(void)state;
	directory = make(of(&bank), &requests[5]);
	before = figures_of(root);
	assert_int_equal(fake_try_survivor(create_call, &space, &directory), STATUS_OK);
	fake_invariants(&space);
	assert_int_equal(create_call(&space, &directory), STATUS_EXISTS);
	assert_int_equal(entry_create(&space, of(&directory), "a/b", 3, &file, &made),
			 STATUS_INVALID);
	assert_int_equal(entry_create(&space, of(&directory), "port", 4, &port, &made),
			 STATUS_INVALID);
	assert_int_equal(entry_lookup(&space, of(&directory), "file", 4, &found), STATUS_OK);
	assert_true(lives(&found));
	assert_int_equal(figures_of(of(&bank)).pages, 3);
	assert_int_equal(figures_of(root).pages, before.pages);
	/* The last two pages: with the name, for which a page of names is split, it is too much. */
	for (unsigned i = 0; i < 56; i++) {
		size_t length = (size_t)snprintf(name, sizeof(name), "n%u", i);

		fake_begin();
		assert_int_equal(entry_link(&space, of(&directory), name, length, &found, false),
				 STATUS_OK);
	}
	for (unsigned i = 0; i < 3; i++)
		make(of(&bank), &requests[5]);
	fake_begin();
	fake_save();
	assert_int_equal(figures_of(of(&bank)).pages, 6);
	assert_int_equal(entry_create(&space, of(&directory), "more", 4, &file, &made),
			 STATUS_ALLOWANCE);
	assert_true(fake_unchanged());
	fake_begin();
	fake_invariants(&space);
}

/* ---- older spaces ------------------------------------------------------------------------ */

/* What was made before there were accounts is in no list, and ends all the same. */
static void test_older_space(void **state)
{
	struct disk_capability old[4], made, bank;
	struct disk_system *system;

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		old[i] = make(root, &requests[i]);
	/* As it was. */
	memset(fake_page(ACCOUNT_TABLE_PAGE), 0, PAGE_SIZE);
	((struct disk_system *)(void *)fake_page(SYSTEM_PAGE))->version = SYSTEM_VERSION_MAP;
	fake_adopt();
	for (unsigned i = 0; i < 4; i++)
		assert_true(lives(&old[i]));
	destroy(of(&old[0]));
	assert_int_equal(system_prepare(&space, &system), STATUS_OK);
	assert_int_equal(system->version, SYSTEM_VERSION_MAP);
	made = make(root, &requests[0]);
	destroy(of(&old[3]));
	assert_int_equal(account_at(root)->first_object, made.object);
	assert_int_equal(system_prepare(&space, &system), STATUS_OK);
	assert_int_equal(system->version, SYSTEM_VERSION);
	bank = bank_make(root, 100, 200);
	make(of(&bank), &requests[2]);
	assert_int_equal(figures_of(root).addresses, 0); /* it does not count them */
	destroy(of(&old[2]));
	destroy(of(&made));
	destroy(of(&bank));
	fake_reclaim(&space);
	assert_int_equal(figures_of(root).pages, 1 + 17 + 1);
	assert_true(lives(&old[1]));
}

/* ---- anything ---------------------------------------------------------------------------------
 */

#define LIVING 60u

/* Made and destroyed at random over a tree of banks: figures are sums all the time, the end of
 * a bank is that of what is below it and of nothing else, and in the end nothing is left. */
static void test_random(void **state)
{
	struct disk_capability living[LIVING];
	uint32_t bank[LIVING], count = 0; /* the place of its bank in `living`, or LIVING */
	uint64_t random = 12345;
	bool more;

	(void)state;
	for (unsigned round = 0; round < 4000; round++) {
		uint32_t pick = (uint32_t)(fake_random(&random) >> 33), parent = LIVING;
		struct disk_capability made;

		if (count && pick % 3)
			parent = pick / 3 % count;
		if (parent < LIVING && living[parent].type != OBJECT_BANK)
			parent = LIVING;
		fake_begin();
		if (count < LIVING && pick % 8 < 5) {
			object_t from = parent < LIVING ? of(&living[parent]) : root;

			if (object_create(&space, from, &requests[pick / 64 % REQUESTS], &made) ==
			    STATUS_OK) {
				living[count] = made;
				bank[count++] = parent;
			}
		} else if (count && pick % 8 == 5) {
			bool ended[LIVING] = {false};
			uint32_t left = 0, moved[LIVING + 1];

			assert_int_equal(fake_destroy(&space, of(&living[pick / 8 % count])),
					 STATUS_OK);
			ended[pick / 8 % count] = true;
			moved[LIVING] = LIVING;
			for (uint32_t i = 0; i < count; i++) {
				ended[i] |= bank[i] < LIVING && ended[bank[i]];
				assert_int_equal(lives(&living[i]), !ended[i]);
				moved[i] = left;
				if (ended[i])
					continue;
				living[left] = living[i];
				bank[left++] = moved[bank[i]];
			}
			count = left;
		} else {
			assert_int_equal(fake_destroy_step(&space, &more), STATUS_OK);
		}
		fake_begin();
		if (round % 16 == 0)
			fake_invariants(&space);
	}
	fake_reclaim(&space);
	fake_invariants(&space);
	while (count--)
		if (bank[count] == LIVING)
			destroy(of(&living[count]));
	fake_reclaim(&space);
	fake_invariants(&space);
	assert_int_equal(figures_of(root).pages, 1 + 17);
	assert_int_equal(figures_of(root).addresses, 2 * LOG_PAGES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_set_aside, begin),
		cmocka_unit_test_setup(test_addresses, begin),
		cmocka_unit_test_setup(test_depth, begin),
		cmocka_unit_test_setup(test_next, begin),
		cmocka_unit_test_setup(test_of, begin),
		cmocka_unit_test_setup(test_remembered, begin),
		cmocka_unit_test_setup(test_bits, begin),
		cmocka_unit_test_setup(test_derive, begin),
		cmocka_unit_test_setup(test_derive_known, begin),
		cmocka_unit_test_setup(test_derive_refused, begin),
		cmocka_unit_test_setup(test_adopt, begin),
		cmocka_unit_test_setup(test_adopt_refused, begin),
		cmocka_unit_test_setup(test_create_named, begin),
		cmocka_unit_test_setup(test_older_space, begin),
		cmocka_unit_test_setup(test_random, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
