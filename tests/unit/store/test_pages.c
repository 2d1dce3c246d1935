/* SPDX-License-Identifier: MIT */
/*
 * test_pages.c - pages as their owner sees them: read, write, clear, freeze.
 */
#include "tests/unit/store/fixture.h"
#include "store/store_priv.h"

static void test_round_trip(void **state)
{
	struct fixture *f = fixture_new(16384, 200, 512);
	uint64_t used;

	(void)state;
	assert_false(store_dirty(f->store));
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(fixture_write(f, i * 7, i + 1), STATUS_OK);
	assert_true(store_dirty(f->store));
	fixture_compare(f);
	fixture_checkpoint(f);
	fixture_compare(f);
	used = fixture_account(f);
	fixture_remount(f);
	assert_int_equal(f->recovery.generation.n, 1);
	assert_int_equal(store_generation(f->store).n, 2);
	fixture_compare(f);
	/* A checkpoint of nothing writes nothing but its record. */
	f->writes = 0;
	fixture_checkpoint(f);
	assert_int_equal(f->writes, 1);
	assert_int_equal(fixture_account(f), used);
	fixture_free(f);
}

static void test_absent_and_zero(void **state)
{
	struct fixture *f = fixture_new(8192, 64, 512);
	void *data;

	(void)state;
	assert_int_equal(fixture_try(f, false, 5, &data), STATUS_ABSENT);
	assert_null(store_page_resident(f->store, (page_t){5}));
	assert_int_equal(fixture_write(f, 5, 1), STATUS_OK);
	fixture_checkpoint(f);
	assert_true(fixture_record(f)->space.pages == 1);
	fixture_remount(f);
	assert_int_equal(fixture_try(f, false, f->base + 5, &data), STATUS_OK);
	fixture_compare(f);
	assert_int_equal(fixture_try(f, false, DISK_PAGE_MAX, &data), STATUS_INVALID);
	fixture_free(f);
}

static enum status zeros_try(struct fixture *f, uint64_t page, void **data)
{
	frame_t frame = FRAME_NONE;
	enum status status;

	for (;;) {
		store_operation_begin(f->store);
		status = store_page_read_zeros(f->store, (page_t){page}, &frame);
		if (status != STATUS_WAIT)
			break;
		fixture_wait(f);
	}
	if (status == STATUS_OK)
		*data = store_frame_data(f->frames, frame);
	return status;
}

/* Who maps what is absent gets a frame of zeros that the first write takes over; it costs
 * nothing on the disk, and goes as any other that is clean. */
static void test_absent_frames(void **state)
{
	static const uint8_t zeros[PAGE_SIZE];
	struct fixture *f = fixture_new(8192, 64, 512);
	void *data, *again;
	uint64_t unmapped;

	(void)state;
	assert_int_equal(zeros_try(f, f->base + 5, &data), STATUS_OK);
	assert_memory_equal(data, zeros, PAGE_SIZE);
	assert_false(store_dirty(f->store));
	/* It is absent all the same. */
	assert_null(store_page_resident(f->store, (page_t){f->base + 5}));
	assert_int_equal(fixture_try(f, false, f->base + 5, &again), STATUS_ABSENT);
	assert_int_equal(zeros_try(f, f->base + 5, &again), STATUS_OK);
	assert_ptr_equal(data, again);
	/* The write makes it, in that frame; nothing has to be withdrawn from anybody. */
	unmapped = f->unmapped;
	assert_int_equal(fixture_try(f, true, f->base + 5, &again), STATUS_OK);
	assert_ptr_equal(data, again);
	assert_int_equal(f->unmapped, unmapped);
	fixture_fill(data, 9);
	f->model[5] = 9;
	fixture_checkpoint(f);
	assert_true(fixture_record(f)->space.pages == 1);
	assert_int_equal(zeros_try(f, f->base + 5, &again), STATUS_OK);
	assert_ptr_equal(data, again);
	/* Cleared, it is withdrawn like any other. */
	assert_int_equal(zeros_try(f, f->base + 6, &data), STATUS_OK);
	fixture_clear(f, 5, 2);
	assert_int_equal(f->unmapped, unmapped + 2);
	assert_int_equal(zeros_try(f, f->base + 5, &data), STATUS_OK);
	assert_memory_equal(data, zeros, PAGE_SIZE);
	/* More than there is memory for. */
	for (uint32_t i = 0; i < 300; i++) {
		assert_int_equal(zeros_try(f, f->base + 10 + i, &data), STATUS_OK);
		assert_memory_equal(data, zeros, PAGE_SIZE);
	}
	assert_true(f->unmapped > unmapped + 200);
	fixture_compare(f);
	fixture_checkpoint(f);
	fixture_remount(f);
	fixture_compare(f);
	fixture_account(f);
	fixture_free(f);
}

/* What cannot be made on a full store stays absent, and can be looked at. */
static void test_absent_when_full(void **state)
{
	struct fixture *f = fixture_new(8192, 1200, 512);
	uint32_t pages = 0;
	void *data;

	(void)state;
	while (fixture_write(f, pages, 2 * pages + 3) == STATUS_OK)
		pages++;
	assert_int_equal(zeros_try(f, f->base + pages, &data), STATUS_OK);
	assert_int_equal(fixture_write(f, pages, 5), STATUS_NO_SPACE);
	assert_int_equal(fixture_try(f, false, f->base + pages, &data), STATUS_ABSENT);
	assert_int_equal(zeros_try(f, f->base + pages, &data), STATUS_OK);
	/* What exists may still change: room was kept for that. */
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(fixture_write(f, i, 2 * i + 9001), STATUS_OK);
	fixture_compare(f);
	fixture_free(f);
}

/* Many generations of random writes and clears against the model, for caches
 * from tiny to ample and both write units. */
static void random_generations(uint32_t frames, uint32_t write_unit, unsigned generations)
{
	struct fixture *f = fixture_new(24576, frames, write_unit);

	for (unsigned g = 0; g < generations; g++) {
		unsigned changes = fixture_random(f, 120);

		for (unsigned i = 0; i < changes; i++) {
			uint32_t index = fixture_random(f, 10) ? fixture_random(f, 400)
							       : fixture_random(f, FIXTURE_PAGES);

			assert_int_equal(fixture_write(f, index, 1 + fixture_random(f, 1000000)),
					 STATUS_OK);
			if (!fixture_random(f, 40)) {
				uint32_t count = 1 + fixture_random(f, 300);

				index = fixture_random(f, FIXTURE_PAGES - count);
				fixture_clear(f, index, count);
			}
		}
		fixture_checkpoint(f);
		if (g % 10 == 0)
			fixture_account(f);
		if (g % 7 == 0)
			fixture_remount(f);
		if (g % 10 == 3)
			fixture_compare(f);
	}
	fixture_compare(f);
	fixture_account(f);
	fixture_free(f);
}

static void test_random_tiny_cache(void **state)
{
	(void)state;
	random_generations(40, 512, 60);
}

static void test_random_ample_cache(void **state)
{
	(void)state;
	random_generations(1000, 512, 60);
}

static void test_random_large_units(void **state)
{
	(void)state;
	random_generations(100, 4096, 60);
}

/* Pages written while their generation is being committed: the commit has the
 * old content, the owner at once the new. */
static void test_freeze(void **state)
{
	struct fixture *f = fixture_new(24576, 600, 512);
	struct store_commit_request request = {.action = STORE_ACTION_NONE};
	struct store_statistics statistics;
	generation_t generation;

	(void)state;
	for (uint32_t i = 0; i < 200; i++)
		assert_int_equal(fixture_write(f, i, 1000 + i), STATUS_OK);
	assert_int_equal(store_commit(f->store, &request, &generation), STATUS_OK);
	memcpy(f->stable_model, f->model, sizeof(f->model));
	assert_int_equal(store_commit(f->store, &request, &generation), STATUS_BUSY);
	assert_null(store_page_writable(f->store, (page_t){f->base + 150}));
	for (uint32_t i = 0; i < 200; i += 3)
		assert_int_equal(fixture_write(f, 199 - i, 5000 + i), STATUS_OK);
	fixture_clear(f, 40, 20);
	assert_int_equal(fixture_write(f, 50, 77), STATUS_OK);
	fixture_compare(f);
	store_statistics_get(f->store, &statistics);
	assert_true(statistics.staged_early > 0);
	assert_int_equal(store_settle(f->store), STATUS_OK);
	fixture_compare(f);
	fixture_remount(f);
	fixture_compare(f);
	fixture_account(f);
	fixture_free(f);
}

static void test_clear(void **state)
{
	struct fixture *f = fixture_new(24576, 300, 512);
	uint64_t empty;
	page_t page;

	(void)state;
	assert_int_equal(fixture_write(f, 1400, 3), STATUS_OK);
	fixture_checkpoint(f);
	fixture_checkpoint(f);
	empty = fixture_account(f);
	for (uint32_t i = 0; i < 500; i++)
		assert_int_equal(fixture_write(f, i, i + 2), STATUS_OK);
	fixture_checkpoint(f);
	assert_true(fixture_account(f) > empty);
	fixture_clear(f, 100, 300);
	fixture_compare(f);
	assert_int_equal(store_page_next(f->store, (page_t){f->base + 100}, STORE_PAGES_END, &page),
			 STATUS_OK);
	assert_int_equal(page.n, f->base + 400);
	assert_int_equal(fixture_write(f, 200, 9), STATUS_OK);
	assert_int_equal(store_page_next(f->store, (page_t){f->base + 100}, STORE_PAGES_END, &page),
			 STATUS_OK);
	assert_int_equal(page.n, f->base + 200);
	fixture_checkpoint(f);
	fixture_compare(f);
	fixture_clear(f, 0, 600);
	fixture_checkpoint(f);
	/* All that was written and cleared is free again. */
	assert_int_equal(fixture_account(f), empty);
	fixture_clear(f, 1400, 1);
	fixture_checkpoint(f);
	assert_int_equal(fixture_record(f)->space.height, 0);
	fixture_compare(f);
	fixture_account(f);
	fixture_free(f);
}

static enum status clear(struct fixture *f, uint32_t first, uint32_t count)
{
	enum status status;

	while ((status = store_pages_clear(f->store, (page_t){f->base + first}, count)) ==
	       STATUS_WAIT)
		fixture_wait(f);
	return status;
}

static enum status next(struct fixture *f, uint32_t from, uint64_t *found)
{
	enum status status;
	page_t page = {0};

	while ((status = store_page_next(f->store, (page_t){f->base + from}, STORE_PAGES_END,
					 &page)) == STATUS_WAIT)
		fixture_wait(f);
	*found = page.n - f->base;
	return status;
}

/* Damages the node above the pages from `first` on. */
static void node_damage(struct fixture *f, uint32_t first)
{
	struct place place = {DISK_TREE_SPACE, 1, (f->base + first) / DISK_NODE_ENTRIES};
	struct disk_reference reference;
	uint64_t byte;

	while (map_lookup_node(f->store, &f->store->record.space, place, &reference) == STATUS_WAIT)
		fixture_wait(f);
	assert_true(reference.sectors > 0);
	byte = disk_reference_sector(&reference).n * SECTOR_SIZE + 100;
	f->disk[byte] ^= 1;
	f->stable[byte] ^= 1;
	fixture_remount(f);
}

/* What hangs on a node that cannot be read is neither seen nor cleared, and all
 * else goes on, commits as well. */
static void test_clear_over_damage(void **state)
{
	struct fixture *f = fixture_new(16384, 200, 512);
	uint64_t found;

	(void)state;
	f->base = 0x1000;
	for (uint32_t i = 0; i < 700; i++)
		assert_int_equal(fixture_write(f, i, i + 2), STATUS_OK);
	fixture_checkpoint(f);
	node_damage(f, 256);

	assert_int_equal(clear(f, 200, 57), STATUS_CORRUPT);
	assert_int_equal(clear(f, 300, 10), STATUS_CORRUPT);
	assert_int_equal(clear(f, 383, 100), STATUS_CORRUPT);
	fixture_compare_page(f, 200);
	fixture_compare_page(f, 384);
	fixture_clear(f, 200, 56);
	fixture_clear(f, 384, 100);
	assert_int_equal(next(f, 200, &found), STATUS_CORRUPT);
	assert_int_equal(found, 256);
	assert_int_equal(next(f, 300, &found), STATUS_CORRUPT);
	assert_int_equal(found, 300);
	assert_int_equal(next(f, 384, &found), STATUS_OK);
	assert_int_equal(found, 484);
	fixture_checkpoint(f);
	for (unsigned turn = 0; turn < 2; turn++) {
		for (uint32_t i = 0; i < 700; i++)
			if (i / 128 != 2)
				fixture_compare_page(f, i);
		assert_int_equal(fixture_write(f, 10, 777), STATUS_OK);
		fixture_checkpoint(f);
		fixture_remount(f);
	}
	fixture_free(f);
}

static void test_page_next(void **state)
{
	struct fixture *f = fixture_new(16384, 100, 512);
	page_t from = {0}, page;
	enum status status;

	(void)state;
	for (unsigned i = 0; i < 60; i++)
		assert_int_equal(fixture_write(f, fixture_random(f, FIXTURE_PAGES), 5), STATUS_OK);
	fixture_checkpoint(f);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(fixture_write(f, fixture_random(f, FIXTURE_PAGES), 6), STATUS_OK);
	for (uint32_t i = 0; i < FIXTURE_PAGES; i++) {
		if (!f->model[i])
			continue;
		while ((status = store_page_next(f->store, from, STORE_PAGES_END, &page)) ==
		       STATUS_WAIT)
			fixture_wait(f);
		assert_int_equal(status, STATUS_OK);
		assert_int_equal(page.n, f->base + i);
		from.n = page.n + 1;
	}
	assert_int_equal(store_page_next(f->store, from, STORE_PAGES_END, &page), STATUS_NOT_FOUND);
	fixture_free(f);
}

/* Pages all over the 52 bits of page numbers: the tree grows and shrinks. */
static void test_far_pages(void **state)
{
	static const uint64_t pages[] = {
		0, 127, 128, 16384, 1u << 20, UINT64_C(1) << 36, DISK_PAGE_MAX - 1};
	struct fixture *f = fixture_new(16384, 100, 512);
	void *data;

	(void)state;
	for (unsigned i = 0; i < 7; i++) {
		assert_int_equal(fixture_try(f, true, pages[i], &data), STATUS_OK);
		fixture_fill(data, i + 2);
		if (i != 3)
			fixture_checkpoint(f);
	}
	fixture_account(f);
	assert_int_equal(fixture_record(f)->space.height, 8);
	fixture_remount(f);
	for (unsigned i = 0; i < 7; i++) {
		uint32_t expected[PAGE_SIZE / 4];

		assert_int_equal(fixture_try(f, false, pages[i], &data), STATUS_OK);
		fixture_fill(expected, i + 2);
		assert_memory_equal(data, expected, PAGE_SIZE);
	}
	for (unsigned i = 6; i > 0; i--) {
		assert_int_equal(store_pages_clear(f->store, (page_t){pages[i]}, 1), STATUS_OK);
		fixture_checkpoint(f);
		fixture_account(f);
	}
	assert_true(fixture_record(f)->space.height < 8);
	assert_int_equal(fixture_record(f)->space.pages, 1);
	fixture_free(f);
}

static void test_frames(void **state)
{
	struct fixture *f = fixture_new(16384, 100, 512);
	frame_t frame, lent[100];
	unsigned count = 0;
	void *data;

	(void)state;
	while (store_frame_borrow(f->store, &lent[count]) == STATUS_OK)
		count++;
	/* Some are kept back, and the store still works with them. */
	assert_true(count > 20 && count < 90);
	for (uint32_t i = 0; i < 300; i++)
		assert_int_equal(fixture_write(f, i, i + 2), STATUS_OK);
	fixture_checkpoint(f);
	fixture_compare(f);
	while (count)
		store_frame_return(f->store, lent[--count]);
	assert_int_equal(fixture_try(f, false, f->base + 7, &data), STATUS_OK);
	frame.n = (uint32_t)(((uint8_t *)data - f->frames) / PAGE_SIZE);
	store_frame_pin(f->store, frame);
	fixture_compare(f);
	assert_ptr_equal(store_page_resident(f->store, (page_t){f->base + 7}), data);
	store_frame_unpin(f->store, frame);
	fixture_compare(f);
	assert_int_equal(store_page_read(f->store, (page_t){f->base + 7}, &frame), STATUS_WAIT);
	assert_true(f->unmapped > 0);
	assert_int_equal(store_frame_donate(f->store, (frame_t){5}), STATUS_LIMIT);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_absent_and_zero),
		cmocka_unit_test(test_absent_frames),
		cmocka_unit_test(test_absent_when_full),
		cmocka_unit_test(test_random_tiny_cache),
		cmocka_unit_test(test_random_ample_cache),
		cmocka_unit_test(test_random_large_units),
		cmocka_unit_test(test_freeze),
		cmocka_unit_test(test_clear),
		cmocka_unit_test(test_clear_over_damage),
		cmocka_unit_test(test_page_next),
		cmocka_unit_test(test_far_pages),
		cmocka_unit_test(test_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
