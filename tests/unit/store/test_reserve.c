/* SPDX-License-Identifier: MIT */
/*
 * test_reserve.c - what dirty pages reserve is enough for their commit, and little
 * more: otherwise a writer waits for checkpoints that nobody needs.
 */
#include "store/store_priv.h"
#include "tests/unit/store/fixture.h"

#define FRAMES	14000u
#define SECTORS 262144u
/* Above the nodes there are in the end: those that a tree which grows from nothing
 * has above its old root, and those reserved by their own page and by growth. */
#define SLACK (2 * DISK_HEIGHT_MAX)

/* False: it waits, and not for the device. */
static bool dirty(struct fixture *f, uint64_t page)
{
	enum status status;
	frame_t frame;

	do {
		store_operation_begin(f->store);
		status = store_page_write(f->store, (page_t){page}, &frame);
	} while (status == STATUS_WAIT && store_wait(f->store));
	if (status == STATUS_OK)
		fixture_fill(store_frame_data(f->frames, frame), (uint32_t)page * 2 + 1);
	return status == STATUS_OK;
}

/* Nodes of the live tree on the disk. */
static uint64_t nodes_below(struct account *a, const struct disk_reference *reference,
			    unsigned level)
{
	struct disk_node node;
	uint64_t nodes = 1;

	if (reference->codec == DISK_CODEC_NONE || !level)
		return 0;
	account_extent(a, reference, &node);
	for (unsigned i = 0; i < DISK_NODE_ENTRIES; i++)
		nodes += nodes_below(a, &node.entry[i], level - 1);
	return nodes;
}

static uint64_t nodes_count(struct fixture *f)
{
	const struct disk_record *record = fixture_record(f);
	struct account a = {.f = f, .reached = calloc(record->sectors, 1)};
	uint64_t nodes = nodes_below(&a, &record->space.reference, record->space.height);

	free(a.reached);
	return nodes;
}

/* ---- how many pages of an empty store wait for no commit -------------------------- */

static uint32_t dirty_until_wait(uint64_t first, uint64_t stride)
{
	struct fixture *f = fixture_new(SECTORS, FRAMES, 512);
	uint32_t count = 0;
	uint64_t reserved;

	while (count < FRAMES && dirty(f, first + count * stride))
		count++;
	reserved = f->store->reservation.working.nodes;
	fixture_checkpoint(f);
	assert_true(nodes_count(f) <= reserved);
	assert_true(reserved <= nodes_count(f) + SLACK);
	fixture_account(f);
	fixture_free(f);
	return count;
}

/* Two entries of the list of changes for a page, two for a node of 128 of them. */
static void test_bound(void **state)
{
	struct fixture *f = fixture_new(SECTORS, 64, 512);
	uint32_t limit = f->store->reservation.changes_limit;
	uint32_t dense = (limit / 2 - SLACK) * 128 / 129 - 1;

	(void)state;
	fixture_free(f);
	assert_true(limit > LIMIT_CHANGES * 8 / 10);
	assert_true(dirty_until_wait(0, 1) >= dense);
	assert_true(dirty_until_wait(0x5000, 1) >= dense);
	assert_true(dirty_until_wait(0x100000, 1) >= dense);
	assert_true(dirty_until_wait((UINT64_C(1) << 45) - 100, 1) >= dense - 8);
	/* A node of its own for each page. */
	assert_true(dirty_until_wait(0x100000, 128) >= (limit / 2 - SLACK) * 64 / 129 - 1);
}

/* ---- growth in any order ----------------------------------------------------------- */

static uint64_t page_random(struct fixture *f)
{
	uint64_t page = ((uint64_t)fixture_random(f, 1u << 30) << 30 | fixture_random(f, 1u << 30));

	return page >> fixture_random(f, 58) & ((UINT64_C(1) << 52) - 1);
}

static void growth(struct fixture *f, unsigned pages, unsigned order)
{
	uint64_t reserved;

	for (unsigned i = 0; i < pages; i++) {
		/* Each taller than the one before, each lower, or any. */
		uint64_t page = order == 0   ? UINT64_C(1) << 7 * (i % 7)
				: order == 1 ? UINT64_C(1) << 7 * (6 - i % 7)
					     : page_random(f);

		assert_true(dirty(f, page + i));
	}
	reserved = f->store->reservation.working.nodes + f->store->reservation.carried.nodes;
	fixture_checkpoint(f);
	assert_true(nodes_count(f) <= reserved);
}

static void test_growth(void **state)
{
	(void)state;
	for (unsigned order = 0; order < 3; order++) {
		struct fixture *f = fixture_new(SECTORS, 400, 512);

		f->random += order;
		growth(f, 14, order);
		assert_true(f->store->record.space.height == 7 || order == 2);
		fixture_account(f);
		fixture_free(f);
	}
	for (unsigned seed = 1; seed < 60; seed++) {
		struct fixture *f = fixture_new(SECTORS, 400, 512);

		f->random += seed * 1000003;
		growth(f, 1 + seed, 2);
		fixture_free(f);
	}
}

/* Deltas leave what they have reserved to the next full commit, and their pages are
 * neighbours like dirty ones. */
static void growth_by_deltas(unsigned seed)
{
	struct fixture *f = fixture_make(SECTORS, 400, 512, true);
	uint64_t reserved;

	f->random += seed * 1000003;
	assert_true(dirty(f, 1));
	fixture_checkpoint(f);
	for (unsigned i = 0; i < 12; i++) {
		assert_true(dirty(f, page_random(f)) && dirty(f, 2 + i));
		if (i < 9)
			fixture_checkpoint(f);
	}
	assert_true(f->store->overlay.count);
	reserved = f->store->reservation.working.nodes + f->store->reservation.carried.nodes;
	assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, "full"), STATUS_OK);
	assert_int_equal(f->store->overlay.count, 0);
	assert_true(nodes_count(f) <= reserved);
	assert_true(reserved <= nodes_count(f) + SLACK);
	fixture_account(f);
	fixture_free(f);
}

static void test_growth_by_deltas(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed < 60; seed++)
		growth_by_deltas(seed);
}

/* ---- a tree that shrinks while pages become dirty ----------------------------------- */

/* The tall page is cleared; the next commit finds out that the tree can be lower.
 * While that is in flight pages are dirtied: they are put into a low tree, which
 * grows again. */
static void shrinking(unsigned during)
{
	struct fixture *f = fixture_new(SECTORS, 400, 512);
	struct store_commit_request request = {.action = STORE_ACTION_NONE};
	uint64_t tall = UINT64_C(1) << 35, reserved;
	generation_t generation;

	assert_true(dirty(f, tall) && dirty(f, 1));
	fixture_checkpoint(f);
	assert_int_equal(f->store->record.space.height, 6);
	assert_int_equal(store_pages_clear(f->store, (page_t){tall}, 1), STATUS_OK);
	fixture_checkpoint(f);
	assert_true(dirty(f, 1));
	assert_int_equal(store_commit(f->store, &request, &generation), STATUS_OK);
	for (unsigned i = 0; i < during; i++)
		assert_true(dirty(f, tall >> 7 * i));
	assert_true(store_committing(f->store));
	assert_int_equal(store_settle(f->store), STATUS_OK);
	assert_int_equal(f->store->record.space.height, 1);
	assert_true(dirty(f, tall + 1));
	reserved = f->store->reservation.working.nodes;
	fixture_checkpoint(f);
	assert_int_equal(f->store->record.space.height, 6);
	/* The node of page 1, when no page beside it was written, was there before. */
	assert_true(nodes_count(f) <= reserved + 1);
	fixture_account(f);
	fixture_free(f);
}

static void test_shrinking(void **state)
{
	(void)state;
	for (unsigned during = 0; during < 6; during++)
		shrinking(during);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_growth_by_deltas),
		cmocka_unit_test(test_shrinking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
