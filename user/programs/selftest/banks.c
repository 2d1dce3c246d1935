/* SPDX-License-Identifier: MIT */
/*
 * banks.c - banks made from banks: what they set aside, who sees them, what ends with them;
 * and segments that the bank of their directory pays for.
 */
#include "user/programs/selftest/selftest.h"

#include "base/text.h"
#include "user/lib/directory.h"
#include "user/lib/machine.h"
#include "user/lib/segment.h"
#include "user/lib/slot.h"
#include "user/lib/table.h"

#define BANK_A	  BANK(SLOT_A)
#define PAGES	  100u
#define ADDRESSES 1024u

static uint32_t banks_object(uint32_t slot)
{
	struct table_info info = {.object = 0};

	EXPECT(table_info(OWN_TABLE, slot, &info), OK);
	return info.object;
}

/* What is set aside, and what can be made of it. */
static void banks_allowance(void)
{
	struct bank_usage before, after, usage;

	EXPECT(bank_usage(OWN_BANK, &before), OK);
	if (!EXPECT(bank_bank(OWN_BANK, PAGES, ADDRESSES, SLOT_A), OK))
		return;
	EXPECT(bank_usage(OWN_BANK, &after), OK);
	CHECK(after.pages == before.pages + 1 + PAGES && after.objects == before.objects + 1);
	CHECK(after.addresses == before.addresses + ADDRESSES);
	EXPECT(bank_segment(BANK_A, PAGE_SIZE, 500 * PAGE_SIZE, SLOT_B), OK);
	EXPECT(bank_usage(BANK_A, &usage), OK);
	CHECK(usage.pages == 1 && usage.limit == PAGES && usage.objects == 1);
	CHECK(usage.addresses == 512 && usage.address_limit == ADDRESSES);
	EXPECT(segment_resize(SEGMENT(SLOT_B), (PAGES + 1) * PAGE_SIZE), ALLOWANCE);
	EXPECT(segment_resize(SEGMENT(SLOT_B), PAGES * PAGE_SIZE), OK);
	EXPECT(bank_port(BANK_A, 1, SLOT_C), ALLOWANCE);
	EXPECT(segment_resize(SEGMENT(SLOT_B), PAGE_SIZE), OK);
	EXPECT(bank_segment(BANK_A, PAGE_SIZE, 600 * PAGE_SIZE, SLOT_C), ALLOWANCE);
	EXPECT(bank_bank(BANK_A, PAGES, 0, SLOT_C), ALLOWANCE);
	EXPECT(bank_bank(BANK_A, 1, ADDRESSES, SLOT_C), ALLOWANCE);
	EXPECT(bank_bank(BANK_A, UINT64_MAX, 0, SLOT_C), LIMIT);
	EXPECT(bank_usage(OWN_BANK, &before), OK);
	CHECK(before.pages == after.pages && before.addresses == after.addresses);
}

/* SLOT_A holds a bank of ours, SLOT_B a segment of that. */
static void banks_seen(void)
{
	uint32_t bank = banks_object(SLOT_A), segment = banks_object(SLOT_B), number = 0;
	struct bank_usage usage;

	EXPECT(bank_child(OWN_BANK, &number, &usage, SLOT_C), OK);
	CHECK(number == bank && banks_object(SLOT_C) == bank && usage.limit == PAGES);
	EXPECT(bank_child(OWN_BANK, &number, &usage, SLOT_C), NOT_FOUND);
	number = segment;
	EXPECT(bank_child(OWN_BANK, &number, &usage, SLOT_C), DEAD);
	EXPECT(bank_payer(OWN_BANK, segment, &number, SLOT_C), OK);
	CHECK(number == bank && banks_object(SLOT_C) == bank);
	EXPECT(bank_payer(OWN_BANK, bank, &number, SLOT_C), OK);
	CHECK(number == banks_object(SLOT_BANK));
	EXPECT(bank_payer(BANK_A, banks_object(SLOT_SELF), &number, SLOT_C), NOT_FOUND);
	EXPECT(bank_payer(OWN_BANK, banks_object(SLOT_ROOT), &number, SLOT_C), NOT_FOUND);
	EXPECT(bank_payer(OWN_BANK, UINT32_MAX, &number, SLOT_C), NOT_FOUND);
	EXPECT(table_reduce(OWN_TABLE, SLOT_A, SLOT_C, RIGHT_READ | RIGHT_CREATE), OK);
	EXPECT(bank_child(BANK(SLOT_C), &number, &usage, SLOT_D), NO_RIGHT);
	EXPECT(bank_payer(BANK(SLOT_C), segment, &number, SLOT_D), NO_RIGHT);
	EXPECT(table_destroy(OWN_TABLE, SLOT_C), NO_RIGHT);
	EXPECT(bank_port(BANK(SLOT_C), 1, SLOT_D), OK);
}

/* With a bank ends what is made from it, and below it. */
static void banks_end(void)
{
	struct segment_info info, dead;
	struct bank_usage usage;
	uint64_t page;

	EXPECT(bank_bank(BANK_A, 20, 64, SLOT_C), OK);
	EXPECT(bank_machine(BANK(SLOT_C), "selftest-below", 1, SLOT_D, &page), OK);
	EXPECT(machine_attach(OWN_MACHINE, SEGMENT(SLOT_B), 0, 0, RIGHT_READ, false), OK);
	EXPECT(segment_info(SEGMENT(SLOT_B), &info), OK);
	EXPECT(table_destroy(OWN_TABLE, SLOT_A), OK);
	EXPECT(bank_usage(BANK_A, &usage), DEAD);
	EXPECT(bank_usage(BANK(SLOT_C), &usage), DEAD);
	EXPECT(bank_port(BANK(SLOT_C), 1, SLOT_A), DEAD);
	EXPECT(machine_stop(MACHINE(SLOT_D)), DEAD);
	EXPECT(segment_info(SEGMENT(SLOT_B), &dead), DEAD);
	EXPECT(machine_detach(OWN_MACHINE, info.address), OK);
}

static void banks_depth(void)
{
	enum status status = bank_bank(OWN_BANK, 200, 0, SLOT_A);
	unsigned depth = 1;

	EXPECT(table_copy(OWN_TABLE, SLOT_A, SLOT_B), OK);
	for (; status == STATUS_OK && depth <= BANK_DEPTH_MAX; depth++)
		status = bank_bank(BANK(SLOT_B), 200 - 2 * depth, 0, SLOT_B);
	CHECK(status == STATUS_LIMIT && depth > 2 && depth < BANK_DEPTH_MAX);
	EXPECT(table_destroy(OWN_TABLE, SLOT_A), OK);
}

/* A machine without a bank of its own gets one that it cannot end; with one, it ends that. */
static void banks_spawned(void)
{
	struct spawned spawned;
	struct table_info info;
	struct bank_usage usage;

	if (!selftest_start("spin", NULL, 0, true, &spawned))
		return;
	EXPECT(machine_take(spawned.machine, SLOT_BANK, SLOT_A), OK);
	EXPECT(table_info(OWN_TABLE, SLOT_A, &info), OK);
	CHECK(info.object == banks_object(SLOT_BANK));
	CHECK(info.rights == (RIGHT_READ | RIGHT_CREATE));
	EXPECT(bank_bank(OWN_BANK, 10, 0, SLOT_A), OK);
	EXPECT(machine_place(spawned.machine, SLOT_A, SLOT_BANK), OK);
	EXPECT(machine_destroy(spawned.machine), OK);
	EXPECT(bank_usage(BANK_A, &usage), DEAD);
	slot_give(spawned.machine.slot);
}

/* The bank of the directory pays: another than the own one, or the own one. */
static void banks_saved(void)
{
	struct segment_info segment;
	char saved[32];
	uint32_t number;

	/* There may be another of these beside it. */
	text_format(saved, sizeof(saved), "selftest-saved-%u", banks_object(SLOT_SELF));
	EXPECT(directory_lookup(ROOT_DIRECTORY, "demo", SLOT_A, NULL), OK);
	EXPECT(directory_create(DIRECTORY(SLOT_A), "a/b", 0, 1, SLOT_B), INVALID);
	EXPECT(directory_create(DIRECTORY(SLOT_A), "count", 0, 1, SLOT_B), EXISTS);
	EXPECT(directory_create(DIRECTORY(SLOT_A), saved, 2, 1, SLOT_B), INVALID);
	EXPECT(table_reduce(OWN_TABLE, SLOT_A, SLOT_C, RIGHT_READ), OK);
	EXPECT(directory_create(DIRECTORY(SLOT_C), saved, 0, 1, SLOT_B), NO_RIGHT);
	if (EXPECT(directory_create(DIRECTORY(SLOT_A), saved, 10, PAGE_SIZE, SLOT_B), OK)) {
		EXPECT(segment_info(SEGMENT(SLOT_B), &segment), OK);
		CHECK(segment.size == 10);
		EXPECT(bank_payer(OWN_BANK, banks_object(SLOT_B), &number, SLOT_C), NOT_FOUND);
		EXPECT(directory_unlink(DIRECTORY(SLOT_A), saved), OK);
		EXPECT(table_destroy(OWN_TABLE, SLOT_B), OK);
	}
	EXPECT(bank_directory(OWN_BANK, SLOT_A), OK);
	EXPECT(directory_create(DIRECTORY(SLOT_A), saved, 0, 1, SLOT_B), OK);
	EXPECT(bank_payer(OWN_BANK, banks_object(SLOT_B), &number, SLOT_C), OK);
	EXPECT(directory_unlink(DIRECTORY(SLOT_A), saved), OK);
	EXPECT(table_destroy(OWN_TABLE, SLOT_B), OK);
	EXPECT(table_destroy(OWN_TABLE, SLOT_A), OK);
}

/* What was given is taken back, memory that is attached too; what it names goes on. */
static void banks_derived(void)
{
	struct segment_info info;
	struct spawned spawned;
	struct table_info ended;

	EXPECT(bank_segment(OWN_BANK, PAGE_SIZE, PAGE_SIZE, SLOT_A), OK);
	EXPECT(bank_bank(OWN_BANK, 0, 0, SLOT_B), OK);
	EXPECT(table_derive(OWN_TABLE, SLOT_A, SLOT_C, SLOT_B, RIGHT_READ | RIGHT_WRITE), OK);
	EXPECT(table_derive(OWN_TABLE, SLOT_A, SLOT_D, SLOT_A, RIGHT_READ), WRONG_TYPE);
	EXPECT(segment_info(SEGMENT(SLOT_C), &info), OK);
	CHECK(info.rights == (RIGHT_READ | RIGHT_WRITE));
	EXPECT(machine_attach(OWN_MACHINE, SEGMENT(SLOT_C), 0, 0, RIGHT_READ | RIGHT_WRITE, false),
	       OK);
	*(volatile uint8_t *)info.address = 7;
	if (selftest_start("fault", "data", 0, true, &spawned)) {
		EXPECT(machine_place(spawned.machine, SLOT_C, 40), OK);
		EXPECT(table_copy(OWN_TABLE, SLOT_C, SLOT_D), OK);
		EXPECT(table_destroy(OWN_TABLE, SLOT_B), OK);
		EXPECT(machine_take(spawned.machine, 40, SLOT_B), OK);
		EXPECT(table_info(OWN_TABLE, SLOT_B, &ended), OK);
		CHECK(!ended.alive);
		EXPECT(machine_destroy(spawned.machine), OK);
		slot_give(spawned.machine.slot);
	}
	EXPECT(segment_resize(SEGMENT(SLOT_C), 0), DEAD);
	EXPECT(segment_resize(SEGMENT(SLOT_D), 0), DEAD);
	EXPECT(machine_detach(OWN_MACHINE, info.address), OK);
	EXPECT(machine_attach(OWN_MACHINE, SEGMENT(SLOT_D), 0, 0, RIGHT_READ, false), DEAD);
	EXPECT(machine_attach(OWN_MACHINE, SEGMENT(SLOT_A), 0, 0, RIGHT_READ, false), OK);
	CHECK(*(volatile uint8_t *)info.address == 7);
	EXPECT(machine_detach(OWN_MACHINE, info.address), OK);
	EXPECT(table_destroy(OWN_TABLE, SLOT_A), OK);
}

/* Another bank pays, and with that it ends. */
static void banks_adopted(void)
{
	struct segment_info info;
	struct bank_usage usage;

	EXPECT(bank_bank(OWN_BANK, 10, 10, SLOT_A), OK);
	EXPECT(bank_bank(OWN_BANK, 10, 10, SLOT_B), OK);
	EXPECT(bank_segment(BANK_A, 3 * PAGE_SIZE, 3 * PAGE_SIZE, SLOT_C), OK);
	EXPECT(bank_pay_for(BANK(SLOT_B), SLOT_B), NO_OPERATION);
	EXPECT(bank_pay_for(BANK(SLOT_B), SLOT_SELF), NO_OPERATION);
	EXPECT(bank_pay_for(BANK(SLOT_B), SLOT_C), OK);
	EXPECT(bank_usage(BANK_A, &usage), OK);
	CHECK(!usage.pages && !usage.objects && !usage.addresses);
	EXPECT(bank_usage(BANK(SLOT_B), &usage), OK);
	CHECK(usage.pages == 3 && usage.objects == 1 && usage.addresses == 4);
	EXPECT(table_destroy(OWN_TABLE, SLOT_A), OK);
	EXPECT(segment_info(SEGMENT(SLOT_C), &info), OK);
	EXPECT(table_destroy(OWN_TABLE, SLOT_B), OK);
	EXPECT(segment_info(SEGMENT(SLOT_C), &info), DEAD);
}

/* A part of the processor is set aside, and given back. */
static void banks_weight(void)
{
	struct bank_usage own, usage;

	EXPECT(bank_usage(OWN_BANK, &own), OK);
	CHECK(own.weight > 2);
	EXPECT(bank_bank_weighed(OWN_BANK, 5, 5, own.weight, SLOT_A), ALLOWANCE);
	EXPECT(bank_bank_weighed(OWN_BANK, 5, 5, own.weight - 2, SLOT_A), OK);
	EXPECT(bank_usage(BANK_A, &usage), OK);
	CHECK(usage.weight == own.weight - 2);
	EXPECT(bank_set_weight(OWN_BANK, BANK_A, own.weight), ALLOWANCE);
	/* Nobody gets more by himself, even what is left above. */
	EXPECT(bank_set_weight(BANK_A, BANK_A, own.weight - 1), INVALID);
	EXPECT(bank_set_weight(OWN_BANK, OWN_BANK, own.weight + 1), INVALID);
	EXPECT(bank_set_weight(OWN_BANK, BANK_A, 0), OK);
	EXPECT(bank_bank_weighed(BANK_A, 0, 0, 1, SLOT_B), ALLOWANCE);
	EXPECT(bank_set_weight(OWN_BANK, BANK_A, 1), OK);
	EXPECT(bank_bank_weighed(OWN_BANK, 5, 5, own.weight - 2, SLOT_B), OK);
	EXPECT(table_destroy(OWN_TABLE, SLOT_A), OK);
	EXPECT(table_destroy(OWN_TABLE, SLOT_B), OK);
}

void selftest_banks(void)
{
	banks_allowance();
	banks_seen();
	banks_end();
	banks_depth();
	banks_spawned();
	banks_saved();
	banks_derived();
	banks_adopted();
	banks_weight();
}
