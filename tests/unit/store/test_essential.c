/* SPDX-License-Identifier: MIT */
/*
 * Pages that stay usable when all else is used up: blocks, changes, frames.
 */
#include "store/store_priv.h"
#include "tests/unit/store/fixture.h"

#define RUNS	   14u
#define RUN_PAGES  9u /* 126 pages; with a leaf of its own for each run, some 50 nodes */
#define SYSTEM_END UINT64_C(0x100000)
#define SMALLEST   65536u /* sectors: the smallest store for a system */

static uint64_t essential(uint32_t i)
{
	uint32_t run = i / RUN_PAGES % RUNS;

	/* Half of them where the owner's own pages are. */
	return (run % 2 ? SYSTEM_END : 0) + 0x8000 * (uint64_t)(run + 1) + i % RUN_PAGES;
}

static void name_essential(struct fixture *f)
{
	struct store_pages run[RUNS];

	for (uint32_t i = 0; i < RUNS; i++)
		run[i] = (struct store_pages){{essential(i * RUN_PAGES)}, RUN_PAGES};
	store_essential_set(f->store, run, RUNS);
}

/* Noise that was never there before. */
static enum status noise(struct fixture *f, uint64_t page)
{
	static uint32_t value = 3;
	void *data;
	enum status status = fixture_try(f, true, page, &data);

	if (status == STATUS_OK)
		fixture_fill(data, value += 2);
	return status;
}

static void rewrite(struct fixture *f, uint32_t first, uint32_t count)
{
	for (uint32_t i = first; i < first + count; i++)
		assert_int_equal(noise(f, essential(i % (RUNS * RUN_PAGES))), STATUS_OK);
}

static struct fixture *fixture_essential(void)
{
	struct fixture *f = fixture_new(SMALLEST, 3000, 512);

	f->limits.system_pages_end = SYSTEM_END;
	f->store->limits.system_pages_end = SYSTEM_END;
	name_essential(f);
	rewrite(f, 0, RUNS * RUN_PAGES);
	for (uint32_t i = 0; i < 400; i++)
		assert_int_equal(noise(f, 1 + 9 * i), STATUS_OK);
	fixture_checkpoint(f);
	return f;
}

/* Writes pages from `first` on until one is refused; between them the essential ones
 * are written anew, and never refused.  How many it were. */
static uint32_t use_up(struct fixture *f, uint64_t first, uint64_t step, uint32_t most)
{
	uint32_t count = 0;

	while (count < most && noise(f, first + step * count) == STATUS_OK) {
		rewrite(f, count, 1);
		if (++count % 64 == 0)
			fixture_checkpoint(f);
	}
	return count;
}

/* Pages below `end` are given back until there is room for a snapshot of all. */
static void snapshot_at_last(struct fixture *f, uint64_t end)
{
	enum status status;

	while (fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, "all") == STATUS_NO_SPACE) {
		end -= 16;
		while ((status = store_pages_clear(f->store, (page_t){end}, 16)) == STATUS_WAIT)
			fixture_wait(f);
		assert_int_equal(status, STATUS_OK);
		fixture_checkpoint(f);
	}
}

/*
 * At every free count down to none: a snapshot keeps all, then new pages, pages that
 * exist and the owner's own ones are written until each of them is refused.
 */
static void test_nobody_uses_them_up(void **state)
{
	struct fixture *f = fixture_essential();
	const uint64_t user = 2 * SYSTEM_END;
	uint32_t pages;

	(void)state;
	pages = use_up(f, user, 1, 6000);
	assert_in_range(pages, 3000, 5999 + 1);
	snapshot_at_last(f, user + pages);
	pages = use_up(f, user + 0x10000, 1, 6000);
	assert_in_range(pages, 0, 5999);
	assert_in_range(use_up(f, user, 1, 6000), 1, 5999);
	assert_in_range(use_up(f, 1, 9, 400), 1, 399);
	assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, "more"), STATUS_NO_SPACE);
	for (uint32_t round = 0; round < 8; round++) {
		rewrite(f, round * 17, RUNS * RUN_PAGES);
		if (round % 2)
			fixture_checkpoint(f);
	}
	/* What they need is known after a mount, too. */
	fixture_checkpoint(f);
	fixture_remount(f);
	name_essential(f);
	rewrite(f, 0, RUNS * RUN_PAGES);
	fixture_checkpoint(f);
	fixture_account(f);
	fixture_free(f);
}

/* One that does not exist yet was not reckoned with. */
static void test_new_ones_have_no_right(void **state)
{
	struct fixture *f = fixture_new(SMALLEST, 3000, 512);

	(void)state;
	f->store->limits.system_pages_end = SYSTEM_END;
	name_essential(f);
	use_up(f, 2 * SYSTEM_END, 1, 0);
	while (noise(f, f->store->generation % 2 + 2 * SYSTEM_END + f->random % 100000) ==
	       STATUS_OK)
		fixture_random(f, 2);
	while (noise(f, f->random % 0x8000) == STATUS_OK)
		fixture_random(f, 2);
	assert_int_equal(noise(f, essential(0)), STATUS_NO_SPACE);
	fixture_free(f);
}

/* All of them become dirty without a commit; nodes above them may be read. */
static void write_at_once(struct fixture *f)
{
	enum status status;
	frame_t frame;

	for (uint32_t i = 0; i < RUNS * RUN_PAGES; i++) {
		do {
			store_operation_begin(f->store);
			status = store_page_write(f->store, (page_t){essential(i)}, &frame);
			if (status == STATUS_WAIT)
				assert_in_range(store_channel(f->store).n, STORE_CHANNEL_FIXED,
						STORE_CHANNELS_MAX);
		} while (status == STATUS_WAIT && store_wait(f->store));
		assert_int_equal(status, STATUS_OK);
	}
}

/* Others wait for a commit while the essential ones still find entries of the list. */
static void test_changes_are_set_aside(void **state)
{
	struct fixture *f = fixture_essential();
	frame_t frame;
	uint64_t page = 2 * SYSTEM_END;
	enum status status;

	(void)state;
	f->store->reservation.changes_limit = LIMIT_ESSENTIAL_CHANGES + 100;
	do {
		store_operation_begin(f->store);
		status = store_page_write(f->store, (page_t){page++}, &frame);
	} while (status == STATUS_OK);
	assert_int_equal(status, STATUS_WAIT);
	assert_int_equal(store_channel(f->store).n, STORE_CHANNEL_COMMIT);
	write_at_once(f);
	fixture_checkpoint(f);
	fixture_free(f);
}

static bool resident(struct fixture *f)
{
	for (uint32_t i = 0; i < RUNS * RUN_PAGES; i++)
		if (!store_page_resident(f->store, (page_t){essential(i)}))
			return false;
	return true;
}

/* They stay, whatever is read and however many pages others keep dirty. */
static void test_they_stay_in_memory(void **state)
{
	struct fixture *f = fixture_essential();
	uint64_t page = 2 * SYSTEM_END;
	enum status status;
	frame_t frame;
	void *data;

	(void)state;
	for (uint32_t i = 0; i < 3400; i++) {
		assert_int_equal(noise(f, page + i), STATUS_OK);
		if (i % 500 == 499)
			fixture_checkpoint(f);
	}
	for (uint32_t i = 0; i < 3400; i++)
		assert_int_equal(fixture_try(f, false, page + i, &data), STATUS_OK);
	assert_true(resident(f));
	/* Dirty pages of others stop before the frames set aside. */
	do {
		store_operation_begin(f->store);
		status = store_page_write(f->store, (page_t){page++}, &frame);
	} while (status == STATUS_OK ||
		 (status == STATUS_WAIT && store_channel(f->store).n >= STORE_CHANNEL_FIXED &&
		  store_wait(f->store)));
	assert_int_equal(store_channel(f->store).n, STORE_CHANNEL_FRAMES);
	assert_true(f->store->cache.count[FRAME_FREE] + f->store->cache.lru_count >=
		    LIMIT_ESSENTIAL_FRAMES);
	write_at_once(f);
	fixture_checkpoint(f);
	/* Named no more, they are like others; named again, they stay again. */
	store_essential_set(f->store, NULL, 0);
	for (uint32_t i = 0; i < 3400; i++)
		assert_int_equal(fixture_try(f, false, 2 * SYSTEM_END + i, &data), STATUS_OK);
	assert_false(resident(f));
	name_essential(f);
	/* As many others are others. */
	for (uint32_t i = 0; i < 2; i++) {
		struct store_pages run[RUNS];

		memcpy(run, f->store->essential.run, sizeof(run));
		run[RUNS - 1].first.n += i;
		run[RUNS - 1].count += !i;
		store_essential_set(f->store, run, RUNS);
		assert_memory_equal(f->store->essential.run, run, sizeof(run));
	}
	/* One page may be of two: it is held once, as long as it is of any. */
	for (uint32_t i = 0; i < 3; i++) {
		struct store_pages run[RUNS];
		uint32_t others;

		name_essential(f);
		for (uint32_t n = 0; n < RUNS * RUN_PAGES; n++)
			assert_int_equal(fixture_try(f, false, essential(n), &data), STATUS_OK);
		others = f->store->cache.lru_count;
		memcpy(run, f->store->essential.run, sizeof(run));
		run[i] = run[i + 1];
		store_essential_set(f->store, run, RUNS);
		assert_int_equal(f->store->cache.lru_count, others + RUN_PAGES);
		name_essential(f);
		assert_int_equal(f->store->cache.lru_count, others);
	}
	fixture_free(f);
}

/* What is read meanwhile takes every frame that is not held, over and over. */
static void read_others(struct fixture *f, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		void *data;

		assert_int_equal(fixture_try(f, false, 2 * SYSTEM_END + i * UINT64_C(128), &data),
				 STATUS_OK);
	}
}

static void steps(struct fixture *f)
{
	while (store_step(f->store) || f->queued)
		fixture_poll(&f->device, false);
}

/* They are written while the disk is away, and what does not exist below these nodes is
 * known not to. */
static void write_alone(struct fixture *f)
{
	void *data;

	f->reads = 0;
	f->fail_operation = BLOCK_READ;
	f->fail_at = 1;
	f->fail_count = UINT64_MAX;
	rewrite(f, 0, RUNS * RUN_PAGES);
	assert_int_equal(fixture_try(f, false, essential(0) + 100, &data), STATUS_ABSENT);
	assert_int_equal(f->reads, 0);
	f->fail_count = 0;
}

/* With them the nodes above. */
static void test_nodes_stay_in_memory(void **state)
{
	struct fixture *f = fixture_new(SMALLEST, 1200, 512);
	void *data;

	(void)state;
	f->store->limits.system_pages_end = SYSTEM_END;
	rewrite(f, 0, RUNS * RUN_PAGES);
	/* Each of them has a node of its own. */
	for (uint32_t i = 0; i < 1500; i++) {
		assert_int_equal(noise(f, 2 * SYSTEM_END + i * UINT64_C(128)), STATUS_OK);
		if (i % 100 == 99)
			fixture_checkpoint(f);
	}
	fixture_remount(f);
	name_essential(f);
	for (uint32_t i = 0; i < RUNS * RUN_PAGES; i++)
		assert_int_equal(fixture_try(f, false, essential(i), &data), STATUS_OK);
	for (uint32_t round = 0; round < 4; round++) {
		uint64_t evictions = f->store->statistics.evictions;

		read_others(f, 1500);
		assert_true(f->store->statistics.evictions - evictions > 1500);
		write_alone(f);
		fixture_checkpoint(f);
	}
	fixture_free(f);
}

/* Those that a commit has written, too, when it took so long that they were given up. */
static void test_new_nodes_are_read(void **state)
{
	struct store_commit_request request = {.action = STORE_ACTION_SNAPSHOT, .name = "full"};
	struct fixture *f = fixture_essential();
	struct store *store = f->store;
	generation_t generation;

	(void)state;
	rewrite(f, 0, RUNS * RUN_PAGES);
	while (store_commit(store, &request, &generation) == STATUS_WAIT)
		fixture_wait(f);
	while (store->commit.phase != COMMIT_FLUSH_RECORD || store_step(store) || !f->queued) {
		fixture_poll(&f->device, false);
		store_step(store);
	}
	for (slot_t slot = {0}; slot.n < store->cache.donated; slot.n++)
		if (cache_frame(store, slot)->state == FRAME_CLEAN &&
		    cache_frame(store, slot)->key & KEY_EXTENT)
			cache_drop(store, slot);
	assert_int_equal(store_settle(store), STATUS_OK);
	steps(f);
	write_alone(f);
	fixture_free(f);
}

/* Those that cannot be read are not asked for with every commit, and yet again. */
static void test_unread_nodes_rest(void **state)
{
	struct fixture *f = fixture_essential();
	void *data;

	(void)state;
	fixture_remount(f);
	name_essential(f);
	f->reads = 0;
	f->fail_operation = BLOCK_READ;
	f->fail_at = 1;
	f->fail_count = UINT64_MAX;
	for (uint32_t i = 0; i < 4 * LIMIT_ESSENTIAL_PAUSE; i++) {
		store_operation_begin(f->store);
		fixture_checkpoint(f);
		steps(f);
		name_essential(f); /* as before */
	}
	/* After 1, 3, 7 ... commits more, for each run. */
	assert_in_range(f->reads, 2 * RUNS, 12 * RUNS);
	f->fail_count = 0;
	for (uint32_t i = 0; i <= LIMIT_ESSENTIAL_PAUSE; i++) {
		store_operation_begin(f->store);
		fixture_checkpoint(f);
		steps(f);
	}
	for (uint32_t i = 0; i < RUNS * RUN_PAGES; i++)
		assert_int_equal(fixture_try(f, false, essential(i), &data), STATUS_OK);
	write_alone(f);
	fixture_free(f);
}

/* Whoever is not essential is stopped while existing pages could not be written. */
static void test_others_are_stopped(void **state)
{
	struct fixture *f = fixture_essential();
	enum status status;
	uint32_t pages;

	(void)state;
	assert_int_equal(store_space_check(f->store), STATUS_OK);
	pages = use_up(f, 2 * SYSTEM_END, 1, 6000);
	assert_int_equal(store_space_check(f->store), STATUS_OK);
	snapshot_at_last(f, 2 * SYSTEM_END + pages);
	use_up(f, 2 * SYSTEM_END, 1, 6000);
	while ((status = store_space_check(f->store)) == STATUS_WAIT)
		fixture_wait(f);
	assert_int_equal(status, STATUS_NO_SPACE);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody_uses_them_up),
		cmocka_unit_test(test_new_ones_have_no_right),
		cmocka_unit_test(test_changes_are_set_aside),
		cmocka_unit_test(test_they_stay_in_memory),
		cmocka_unit_test(test_nodes_stay_in_memory),
		cmocka_unit_test(test_new_nodes_are_read),
		cmocka_unit_test(test_unread_nodes_rest),
		cmocka_unit_test(test_others_are_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
