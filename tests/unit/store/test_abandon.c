/* SPDX-License-Identifier: MIT */
/*
 * test_abandon.c - a commit that is given up while the disk is silent, and what the
 * next one may ask the disk for, request by request.
 */
#include "tests/unit/store/fixture.h"

static bool queue_has(const struct fixture *f, enum block_operation operation)
{
	for (unsigned i = 0; i < f->queued; i++)
		if (f->queue[i]->operation == operation)
			return true;
	return false;
}

/* Steps without the disk answering anything. */
static void steps(struct fixture *f)
{
	while (store_step(f->store))
		;
}

static enum status commit_begin(struct fixture *f)
{
	struct store_commit_request request = {.action = STORE_ACTION_NONE};
	generation_t generation;

	return store_commit(f->store, &request, &generation);
}

static enum status write_now(struct fixture *f, uint32_t page)
{
	frame_t frame;

	store_operation_begin(f->store);
	return store_page_write(f->store, (page_t){f->base + page}, &frame);
}

/* Pages that do not compress: more than the staging buffer takes, and blocks that
 * are freed, so that there is something to discard. */
static struct fixture *with_frozen_pages(void)
{
	struct fixture *f = fixture_new(16384, 400, 512);

	for (unsigned round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < 150; i++)
			assert_int_equal(fixture_write(f, i, 2 * i + 3 + 1000 * round), STATUS_OK);
		fixture_checkpoint(f);
	}
	f->device.discards = true;
	f->device.discard_sectors = 256;
	fixture_remount(f);
	for (uint32_t i = 0; i < 150; i++)
		assert_int_equal(fixture_write(f, i, 2 * i + 5001), STATUS_OK);
	return f;
}

static void test_silence(void **state)
{
	struct fixture *f = with_frozen_pages();

	(void)state;
	assert_false(store_commit_blocks(f->store));
	assert_int_equal(commit_begin(f), STATUS_OK);
	/* Map nodes and free-map pages are read; writes stay unanswered. */
	for (unsigned i = 0; i < 1000 && !queue_has(f, BLOCK_WRITE); i++) {
		steps(f);
		if (!queue_has(f, BLOCK_WRITE))
			fixture_poll(&f->device, true);
	}
	for (unsigned i = 0; i < 100; i++)
		steps(f);
	assert_true(store_commit_blocks(f->store));
	assert_int_equal(write_now(f, 149), STATUS_WAIT);
	store_commit_abandon(f->store);
	steps(f);
	assert_false(store_committing(f->store));
	assert_int_equal(store_health(f->store), STATUS_IO);
	assert_int_equal(write_now(f, 149), STATUS_OK);
	/* The disk still has its buffers and its sectors. */
	assert_true(queue_has(f, BLOCK_WRITE));
	assert_int_equal(commit_begin(f), STATUS_BUSY);
	steps(f);
	while (f->queued)
		fixture_poll(&f->device, true);
	steps(f);
	fixture_checkpoint(f);
	assert_int_equal(store_health(f->store), STATUS_OK);
	fixture_crash(f);
	fixture_remount(f);
	fixture_compare(f);
	fixture_account(f);
	fixture_free(f);
}

/* Once all is staged nobody waits but who asked: such a commit is not given up. */
static void test_nothing_to_give_up(void **state)
{
	struct fixture *f = fixture_new(16384, 200, 512);

	(void)state;
	assert_int_equal(fixture_write(f, 1, 7), STATUS_OK);
	assert_int_equal(commit_begin(f), STATUS_OK);
	for (unsigned i = 0; i < 100 && store_commit_blocks(f->store); i++) {
		steps(f);
		fixture_poll(&f->device, true);
	}
	store_commit_abandon(f->store);
	assert_int_equal(store_settle(f->store), STATUS_OK);
	fixture_free(f);
}

/* The record of a joint commit may be on the disk: until its tombstone is flushed
 * nothing else is written, not even pages that are staged before their turn. */
static void test_struck_first(void **state)
{
	struct fixture *f = with_frozen_pages();

	(void)state;
	fixture_checkpoint(f);
	assert_int_equal(fixture_write(f, 1, 9001), STATUS_OK);
	f->flushes = 0;
	f->fail_operation = BLOCK_FLUSH;
	f->fail_at = 1;
	f->fail_count = 1;
	assert_int_equal(fixture_commit(f, STORE_ACTION_NONE, 0, ""), STATUS_IO);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(fixture_write(f, i, 2 * i + 9001), STATUS_OK);
	assert_int_equal(commit_begin(f), STATUS_OK);
	steps(f);
	for (uint32_t i = 0; i < 40; i++)
		(void)write_now(f, i);
	for (unsigned i = 0; i < 20; i++)
		steps(f);
	assert_int_equal(f->queued, 1);
	assert_int_equal(f->queue[0]->operation, BLOCK_WRITE);
	assert_int_equal(f->queue[0]->sectors, 1);
	assert_true(f->queue[0]->sector.n < DISK_DATA_SECTOR);
	fixture_poll(&f->device, true);
	steps(f);
	assert_int_equal(f->queued, 1);
	assert_int_equal(f->queue[0]->operation, BLOCK_FLUSH);
	assert_int_equal(store_settle(f->store), STATUS_OK);
	memcpy(f->stable_model, f->model, sizeof(f->model));
	/* Two-phase: the flush after the tombstone, the data's and the record's. */
	assert_int_equal(fixture_record(f)->durable, fixture_record(f)->generation);
	fixture_crash(f);
	fixture_remount(f);
	fixture_compare(f);
	fixture_free(f);
}

/* A slot that refuses its tombstone again and again is read: as long as the failed record
 * is in it, nothing else is written. */
static void test_slot_refuses(void **state)
{
	struct fixture *f = fixture_new(16384, 200, 512);

	(void)state;
	assert_int_equal(fixture_write(f, 1, 7), STATUS_OK);
	fixture_checkpoint(f);
	assert_int_equal(fixture_write(f, 1, 8), STATUS_OK);
	f->flushes = 0;
	f->fail_operation = BLOCK_FLUSH;
	f->fail_at = 1;
	f->fail_count = 1;
	assert_int_equal(fixture_commit(f, STORE_ACTION_NONE, 0, ""), STATUS_IO);
	f->fail_operation = BLOCK_WRITE;
	f->fail_count = 3;
	f->fail_at = 1;
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(fixture_commit(f, STORE_ACTION_NONE, 0, ""), STATUS_IO);
	assert_int_equal(f->fail_count, 0);
	assert_int_equal(store_durable(f->store).n, 1);
	fixture_checkpoint(f);
	assert_int_equal(store_health(f->store), STATUS_OK);
	memcpy(f->stable_model, f->model, sizeof(f->model));
	fixture_crash(f);
	fixture_remount(f);
	fixture_compare(f);
	fixture_account(f);
	fixture_free(f);
}

/* After a failed commit it is not known what there is: nobody is told that the store is
 * full before the next one has succeeded, nor given what the failed one needs. */
static void test_full_or_away(void **state)
{
	struct fixture *f = fixture_new(8192, 1200, 512);
	uint32_t pages = 0;

	(void)state;
	while (fixture_write(f, pages, 2 * pages + 3) == STATUS_OK)
		pages++;
	assert_int_equal(write_now(f, pages), STATUS_NO_SPACE);
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(fixture_write(f, i, 2 * i + 9001), STATUS_OK);
	f->flushes = 0;
	f->fail_operation = BLOCK_FLUSH;
	f->fail_at = 1;
	f->fail_count = 1;
	assert_int_equal(fixture_commit(f, STORE_ACTION_NONE, 0, ""), STATUS_IO);
	assert_int_equal(write_now(f, pages), STATUS_WAIT);
	assert_int_equal(write_now(f, 1), STATUS_OK);
	fixture_checkpoint(f);
	assert_int_equal(fixture_write(f, pages, 5), STATUS_NO_SPACE);
	fixture_compare(f);
	fixture_account(f);
	fixture_free(f);
}

/* The first commit of a restore succeeds, the second fails: the state that was to be
 * replaced goes on, with all that was changed since the freeze. */
static void test_restore(void **state)
{
	struct fixture *f = fixture_new(16384, 200, 512);
	struct store_commit_request request = {.action = STORE_ACTION_RESTORE, .number = {1}};
	generation_t generation;

	(void)state;
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(fixture_write(f, i, i + 2), STATUS_OK);
	assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, "old"), STATUS_OK);
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(fixture_write(f, i, i + 102), STATUS_OK);
	fixture_checkpoint(f);
	f->flushes = 0;
	f->fail_operation = BLOCK_FLUSH;
	f->fail_at = 2;
	f->fail_count = 1;
	assert_int_equal(store_commit(f->store, &request, &generation), STATUS_OK);
	assert_int_equal(fixture_write(f, 3, 1003), STATUS_OK);
	fixture_clear(f, 7, 2);
	assert_int_equal(store_settle(f->store), STATUS_IO);
	assert_false(store_replaced(f->store));
	fixture_compare(f);
	fixture_checkpoint(f);
	fixture_remount(f);
	fixture_compare(f);
	fixture_account(f);
	fixture_free(f);
}

/* Until a generation that may come back is struck out, the blocks that it has taken are
 * not discarded, though they are free in both durable ones. */
static void test_no_discards(void **state)
{
	struct fixture *f = fixture_new(16384, 900, 512);

	(void)state;
	f->device.discards = true;
	f->device.discard_sectors = 256;
	fixture_checkpoint(f);
	fixture_remount(f);
	for (uint32_t i = 0; i < 300; i++)
		assert_int_equal(fixture_write(f, i, 2 * i + 3), STATUS_OK);
	fixture_checkpoint(f);
	for (uint32_t i = 0; i < 300; i += 2)
		assert_int_equal(fixture_write(f, i, 2 * i + 1003), STATUS_OK);
	fixture_checkpoint(f);
	while (store_step(f->store) || f->queued)
		fixture_poll(&f->device, true);
	/* Single blocks: more than are discarded before the next commit begins. */
	assert_int_equal(fixture_write(f, 301, 77), STATUS_OK);
	fixture_checkpoint(f);
	for (uint32_t i = 0; i < 200; i++)
		assert_int_equal(fixture_write(f, i, 2 * i + 9001), STATUS_OK);
	f->flushes = 0;
	f->fail_operation = BLOCK_FLUSH;
	f->fail_at = 2;
	f->fail_count = 1;
	assert_int_equal(fixture_commit(f, STORE_ACTION_NONE, 0, ""), STATUS_IO);
	for (unsigned i = 0; i < 100; i++) {
		steps(f);
		fixture_poll(&f->device, true);
	}
	/* A power cut, and all that was written is there: the failed one comes back. */
	memcpy(f->stable_model, f->model, sizeof(f->model));
	fixture_remount(f);
	fixture_compare(f);
	fixture_account(f);
	fixture_free(f);
}

/* A disk that can only be read: all pages can be changed, in memory. */
static void test_read_only_disk(void **state)
{
	struct fixture *f = fixture_new(8192, 1400, 512);
	uint32_t pages = 0;

	(void)state;
	while (fixture_write(f, pages, 2 * pages + 3) == STATUS_OK)
		pages++;
	fixture_checkpoint(f);
	f->device.read_only = true;
	fixture_remount(f);
	assert_int_equal(store_health(f->store), STATUS_READ_ONLY);
	for (uint32_t i = 0; i < pages + 20; i++)
		assert_int_equal(fixture_write(f, i, 2 * i + 70001), STATUS_OK);
	fixture_compare(f);
	assert_int_equal(commit_begin(f), STATUS_READ_ONLY);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_silence),	     cmocka_unit_test(test_nothing_to_give_up),
		cmocka_unit_test(test_struck_first), cmocka_unit_test(test_slot_refuses),
		cmocka_unit_test(test_full_or_away), cmocka_unit_test(test_restore),
		cmocka_unit_test(test_no_discards),  cmocka_unit_test(test_read_only_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
