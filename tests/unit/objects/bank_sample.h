/* SPDX-License-Identifier: MIT */
/*
 * bank_sample.h - banks, and what they pay for, for the tests of banks.
 */
#ifndef TESTS_UNIT_OBJECTS_BANK_SAMPLE_H
#define TESTS_UNIT_OBJECTS_BANK_SAMPLE_H

#include "tests/unit/objects/fake_store.h"

#define PAGES	  2000u
#define ADDRESSES 4096u

static const struct object_request requests[] = {
	{.type = OBJECT_SEGMENT, .size = 10000},
	{.type = OBJECT_SEGMENT, .size = 0, .size_max = 1 << 20},
	{.type = OBJECT_MACHINE, .name = "tester", .priority = 8},
	{.type = OBJECT_PORT, .size = 5},
	{.type = OBJECT_TABLE, .size = 300},
	{.type = OBJECT_DIRECTORY},
	{.type = OBJECT_BANK, .size = 20, .size_max = 30},
};
#define REQUESTS (sizeof(requests) / sizeof(requests[0]))

static const object_t root = {OBJECT_ROOT_BANK};
static struct space space;

static inline object_t of(const struct disk_capability *capability)
{
	return (object_t){capability->object};
}

static inline struct disk_capability make(object_t bank, const struct object_request *request)
{
	struct disk_capability capability;

	fake_begin();
	assert_int_equal(object_create(&space, bank, request, &capability), STATUS_OK);
	fake_begin();
	return capability;
}

static inline struct disk_capability bank_make(object_t parent, uint64_t pages, uint64_t addresses)
{
	const struct object_request request = {
		.type = OBJECT_BANK, .size = pages, .size_max = addresses};

	return make(parent, &request);
}

static inline enum status refused(object_t bank, const struct object_request *request)
{
	struct disk_capability capability;
	enum status status;

	fake_begin();
	fake_save();
	status = object_create(&space, bank, request, &capability);
	assert_true(fake_unchanged());
	fake_begin();
	return status;
}

static inline bool lives(const struct disk_capability *capability)
{
	enum status status = object_resolve(&space, capability, OBJECT_NONE, 0, NULL);

	assert_true(status == STATUS_OK || status == STATUS_DEAD);
	return status == STATUS_OK;
}

struct figures {
	uint64_t pages, objects, addresses;
};

static inline struct figures figures_of(object_t bank)
{
	struct disk_account account;
	struct disk_object record;

	fake_begin();
	assert_int_equal(object_read(&space, bank, &record), STATUS_OK);
	assert_int_equal(account_read(&space, bank, &account), STATUS_OK);
	return (struct figures){record.size, record.allowance.objects, account.addresses};
}

static inline struct disk_account *account_at(object_t object)
{
	return (struct disk_account *)(void *)fake_page(ACCOUNT_TABLE_PAGE) + object.n;
}

static inline void destroy(object_t object)
{
	fake_begin();
	assert_int_equal(fake_destroy(&space, object), STATUS_OK);
	fake_begin();
}

static inline int begin(void **state)
{
	(void)state;
	space = fake_space_formatted(PAGES);
	return 0;
}

/* Two of each in a bank and in one below it, some pages written. */
struct populace {
	struct disk_capability bank, below, made[2][REQUESTS], beside;
};

static inline void populate(struct populace *populace)
{
	populace->beside = make(root, &requests[0]);
	populace->bank = bank_make(root, 500, 2000);
	populace->below = bank_make(of(&populace->bank), 200, 800);
	for (unsigned k = 0; k < 2; k++)
		for (unsigned i = 0; i < REQUESTS; i++) {
			object_t bank = of(k ? &populace->below : &populace->bank);
			struct disk_object record;
			void *page;

			populace->made[k][i] = make(bank, &requests[i]);
			assert_int_equal(object_read(&space, of(&populace->made[k][i]), &record),
					 STATUS_OK);
			if (record.type != OBJECT_SEGMENT)
				continue;
			assert_int_equal(space_write(&space, (page_t){record.first_page}, &page),
					 STATUS_OK);
			memset(page, 7, PAGE_SIZE);
		}
	fake_begin();
}

static inline void all_dead(const struct populace *populace)
{
	assert_false(lives(&populace->bank));
	assert_false(lives(&populace->below));
	for (unsigned k = 0; k < 2; k++)
		for (unsigned i = 0; i < REQUESTS; i++)
			assert_false(lives(&populace->made[k][i]));
	assert_true(lives(&populace->beside));
}

#endif
