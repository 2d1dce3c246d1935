/* SPDX-License-Identifier: MIT */
/*
 * test_owner.c - what an owner can ask wrongly, and what it tells the store: sets of
 * frames, pages used through mappings, pages of its own, a device that is busy.
 */
#include "tests/unit/store/fixture.h"
#include "store/store_priv.h"

/* ---- set-up --------------------------------------------------------------------- */

static enum status init_with(struct fixture *f, struct store_config config)
{
	struct store *store;

	(void)f;
	return store_init(&store, &config);
}

static void test_config(void **state)
{
	struct fixture *f = fixture_new(DISK_SECTORS_MIN, 64, 512);
	struct block_device device = f->device;
	const struct store_config good = {.device = &device,
					  .host = {f, NULL, NULL, NULL, fixture_log},
					  .limits = f->limits,
					  .memory = f->memory,
					  .frame_base = f->frames};
	struct store_config bad;

	(void)state;
#define REFUSED(change)                                                                            \
	do {                                                                                       \
		bad = good;                                                                        \
		device = f->device;                                                                \
		change;                                                                            \
		assert_int_equal(init_with(f, bad), STATUS_INVALID);                               \
	} while (0)
	REFUSED(bad.device = NULL);
	REFUSED(device.queue_depth = 0);
	REFUSED(device.request_sectors = BLOCK_SECTORS - 1);
	REFUSED(bad.host.log = NULL);
	REFUSED(bad.memory = NULL);
	REFUSED(bad.memory = (uint8_t *)f->memory + 512);
	REFUSED(bad.limits.frames = 0);
	REFUSED(bad.limits.frames = UINT32_MAX - 1);
	REFUSED(bad.limits.staging_bytes = LIMIT_STAGING_MIN + 4096);
	REFUSED(bad.limits.staging_bytes = 0);
	REFUSED(bad.limits.read_requests = 0);
	REFUSED(bad.limits.read_requests = LIMIT_READS + 1);
#undef REFUSED
	device = f->device;
	assert_int_equal(init_with(f, good), STATUS_OK);
	/* The largest and the smallest that is taken. */
	for (unsigned most = 0; most < 2; most++) {
		bad = good;
		bad.limits.read_requests = most ? LIMIT_READS : 1;
		bad.limits.staging_bytes = LIMIT_STAGING_MIN;
		bad.memory = aligned_alloc(4096, store_memory_size(&bad.limits));
		memset(bad.memory, 0, store_memory_size(&bad.limits));
		device.request_sectors = BLOCK_SECTORS;
		device.queue_depth = 2;
		assert_int_equal(init_with(f, bad), STATUS_OK);
		free(bad.memory);
	}
	fixture_free(f);
}

static void test_frames_twice_and_too_many(void **state)
{
	struct fixture *f = fixture_new(DISK_SECTORS_MIN, 64, 512);

	(void)state;
	assert_int_equal(store_frame_donate(f->store, (frame_t){64}), STATUS_LIMIT);
	fixture_free(f);
	f = fixture_new(DISK_SECTORS_MIN, 64, 512);
	f->limits.frames = 63;
	fixture_init(f);
	assert_int_equal(store_frame_donate(f->store, (frame_t){5}), STATUS_LIMIT);
	f->limits.frames = 64;
	{
		struct store_config config = {.device = &f->device,
					      .host = {f, fixture_wake, NULL, NULL, fixture_log},
					      .limits = f->limits,
					      .memory = f->memory,
					      .frame_base = f->frames};

		/* In runs that are not in order, and one twice. */
		assert_int_equal(store_init(&f->store, &config), STATUS_OK);
		for (uint32_t i = 0; i < 40; i++)
			assert_int_equal(store_frame_donate(f->store, (frame_t){i * 17 % 40 + 10}),
					 STATUS_OK);
		assert_int_equal(store_frame_donate(f->store, (frame_t){20}), STATUS_EXISTS);
	}
	fixture_free(f);
}

static void test_format_options(void **state)
{
	struct fixture *f = fixture_new(DISK_SECTORS_MIN, 64, 512);
	struct store_format_options good = {
		.sectors = DISK_SECTORS_MIN, .write_unit = 512, .label = "x"};
	struct store_format_options bad;

	(void)state;
#define REFUSED(change)                                                                            \
	do {                                                                                       \
		fixture_init(f);                                                                   \
		bad = good;                                                                        \
		change;                                                                            \
		assert_int_equal(store_format(f->store, &bad), STATUS_INVALID);                    \
	} while (0)
	REFUSED(bad.sectors = DISK_SECTORS_MIN - 1);
	REFUSED(bad.sectors = DISK_SECTORS_MIN + 8);
	REFUSED(bad.sectors = DISK_SECTORS_MAX + 8);
	REFUSED(bad.write_unit = 1024);
	REFUSED(memset(bad.label, 'x', sizeof(bad.label)));
	REFUSED(bad.retention.reserved[3] = 1);
#undef REFUSED
	/* Each write and flush of it fails: it says so. */
	for (unsigned n = 1; n < 4; n++) {
		fixture_init(f);
		f->fail_operation = BLOCK_WRITE;
		f->fail_at = f->writes + n;
		f->fail_count = 1;
		assert_int_equal(store_format(f->store, &good), STATUS_IO);
	}
	fixture_init(f);
	f->fail_operation = BLOCK_FLUSH;
	f->fail_at = f->flushes + 1;
	f->fail_count = 1;
	assert_int_equal(store_format(f->store, &good), STATUS_IO);
	fixture_free(f);
}

/* ---- pages -------------------------------------------------------------------------- */

static void test_pages_that_cannot_be(void **state)
{
	struct fixture *f = fixture_new(DISK_SECTORS_MIN, 64, 512);
	frame_t frame;

	(void)state;
	store_operation_begin(f->store);
	assert_int_equal(store_page_write(f->store, (page_t){DISK_PAGE_MAX}, &frame),
			 STATUS_INVALID);
	assert_int_equal(store_pages_clear(f->store, (page_t){0}, 0), STATUS_INVALID);
	assert_int_equal(store_pages_clear(f->store, (page_t){0}, STORE_CLEAR_PAGES + 1),
			 STATUS_INVALID);
	assert_int_equal(store_pages_clear(f->store, (page_t){DISK_PAGE_MAX}, 1), STATUS_INVALID);
	assert_int_equal(store_pages_clear(f->store, (page_t){DISK_PAGE_MAX - 1}, 2),
			 STATUS_INVALID);
	fixture_free(f);
}

/* A page that was used through a mapping is not the one that is evicted. */
static bool always_used(void *context, page_t page)
{
	struct fixture *f = context;

	return page.n == f->base + 3;
}

static void test_used_pages_stay(void **state)
{
	struct fixture *f = fixture_new(16384, 100, 512);

	(void)state;
	for (uint32_t i = 0; i < 300; i++)
		assert_int_equal(fixture_write(f, i, i + 2), STATUS_OK);
	fixture_checkpoint(f);
	fixture_remount(f);
	f->store->host.referenced = always_used;
	fixture_compare_page(f, 3);
	for (uint32_t i = 0; i < 300; i++)
		fixture_compare_page(f, i);
	assert_non_null(store_page_resident(f->store, (page_t){f->base + 3}));
	assert_null(store_page_resident(f->store, (page_t){f->base + 4}));
	/* When all are used, one has to go all the same. */
	f->base += 3;
	for (uint32_t i = 1; i < 200; i++) {
		f->base -= 3;
		fixture_compare_page(f, i);
		f->base += 3;
	}
	f->base -= 3;
	fixture_free(f);
}

/* Runs of cleared pages are a short list: then a checkpoint is due. */
static void test_many_clears(void **state)
{
	struct fixture *f = fixture_new(16384, 200, 512);
	unsigned done = 0;
	page_t page;

	(void)state;
	for (uint32_t i = 0; i < 300; i++)
		assert_int_equal(fixture_write(f, i, i + 2), STATUS_OK);
	fixture_checkpoint(f);
	for (;;) {
		page.n = f->base + 3 * done;
		if (store_pages_clear(f->store, page, 1) == STATUS_OK)
			f->model[3 * done++] = 0;
		else if (store_channel(f->store).n == STORE_CHANNEL_COMMIT)
			break;
		else
			fixture_wait(f);
	}
	assert_int_equal(done, LIMIT_CLEARS);
	assert_int_equal(store_channel(f->store).n, STORE_CHANNEL_COMMIT);
	assert_true(store_dirty(f->store) && store_pressure(f->store));
	fixture_checkpoint(f);
	fixture_compare(f);
	fixture_account(f);
	fixture_free(f);
}

/* A checkpoint is due when more than half of the frames are dirty. */
static void test_pressure(void **state)
{
	struct fixture *f = fixture_new(16384, 100, 512);

	(void)state;
	for (uint32_t i = 0; i < 60; i++) {
		assert_int_equal(store_pressure(f->store), i > 50);
		assert_int_equal(fixture_write(f, i, i + 2), STATUS_OK);
		assert_true(store_dirty(f->store));
	}
	fixture_checkpoint(f);
	assert_false(store_pressure(f->store) || store_dirty(f->store));
	fixture_free(f);
}

/* So many frames stay evictable for the commit: 20, or a part of a large cache. */
static void test_reserved_frames(void **state)
{
	static const uint32_t frames[] = {30, 100, 640, 1280}, kept[] = {15, 20, 20, 40};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct fixture *f = fixture_new(32768, frames[i], 512);
		frame_t frame;
		uint32_t dirty = 0;

		while (store_operation_begin(f->store),
		       store_page_write(f->store, (page_t){f->base + dirty}, &frame) == STATUS_OK)
			dirty++;
		assert_int_equal(store_channel(f->store).n, STORE_CHANNEL_FRAMES);
		assert_int_equal(dirty, frames[i] - kept[i]);
		fixture_checkpoint(f);
		assert_int_equal(store_page_write(f->store, (page_t){f->base + dirty}, &frame),
				 STATUS_OK);
		fixture_free(f);
	}
}

/* The next page is none that was cleared, be it a single one. */
static void test_next_of_cleared(void **state)
{
	struct fixture *f = fixture_new(16384, 100, 512);

	(void)state;
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(fixture_write(f, i, i + 2), STATUS_OK);
	fixture_checkpoint(f);
	fixture_clear(f, 4, 1);
	fixture_clear(f, 6, 2);
	fixture_clear(f, 9, 1);
	for (uint32_t i = 0, next = 0; i < 10; i++) {
		page_t page = {0};
		enum status status;

		for (next = i; next < 10 && !f->model[next]; next++)
			;
		while ((status = store_page_next(f->store, (page_t){f->base + i}, STORE_PAGES_END,
						 &page)) == STATUS_WAIT)
			fixture_wait(f);
		assert_int_equal(status, next < 10 ? STATUS_OK : STATUS_NOT_FOUND);
		if (next < 10)
			assert_int_equal(page.n, f->base + next);
	}
	fixture_free(f);
}

/* The last key below another one, over gaps of any size. */
static void test_key_before(void **state)
{
	static const uint32_t there[] = {3, 5, 127, 130, 700, 1400};
	static const uint32_t asked[] = {0, 3, 4, 5, 6, 127, 128, 130, 131, 699, 700, 701, 1499};
	struct fixture *f = fixture_new(16384, 100, 512);
	uint64_t key;

	(void)state;
	assert_int_equal(map_before(f->store, &f->store->record.space, DISK_TREE_SPACE, 9, &key),
			 STATUS_NOT_FOUND);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(fixture_write(f, there[i], 3), STATUS_OK);
	fixture_checkpoint(f);
	for (unsigned i = 0; i < 15; i++) {
		uint64_t below = i < 13 ? f->base + asked[i] : i < 14 ? 0 : DISK_PAGE_MAX;
		uint64_t expected = 0;
		enum status status;

		for (unsigned k = 0; k < 6; k++)
			if (f->base + there[k] < below)
				expected = f->base + there[k];
		while ((status = map_before(f->store, &f->store->record.space, DISK_TREE_SPACE,
					    below, &key)) == STATUS_WAIT)
			fixture_wait(f);
		assert_int_equal(status, expected ? STATUS_OK : STATUS_NOT_FOUND);
		if (expected)
			assert_int_equal(key, expected);
	}
	fixture_free(f);
}

/* A full store refuses the owner's own pages last. */
static void test_own_pages_are_last(void **state)
{
	struct fixture *f = fixture_new(DISK_SECTORS_MIN, 400, 512);
	uint32_t users = 0, own = 0;

	(void)state;
	f->store->limits.system_pages_end = f->base + 700;
	while (users < 800 && fixture_write(f, 700 + users, 2 * users + 3) == STATUS_OK)
		users++;
	assert_in_range(users, 1, 799);
	while (own < 700 && fixture_write(f, own, 2 * own + 3) == STATUS_OK)
		own++;
	assert_in_range(own, 1, 699);
	fixture_checkpoint(f);
	fixture_compare(f);
	fixture_account(f);
	fixture_free(f);
}

/* A path is reserved once, whichever of its pages becomes dirty first. */
static void test_reserved_paths(void **state)
{
	static const uint32_t order[][3] = {{3, 5, 7}, {7, 5, 3}, {5, 3, 7}, {5, 7, 3}};
	uint64_t blocks = 0;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct fixture *f = fixture_new(16384, 100, 512);

		for (unsigned k = 0; k < 3; k++)
			assert_int_equal(fixture_write(f, order[i][k], 3 + k), STATUS_OK);
		if (i == 0)
			blocks = f->store->reservation.working.blocks;
		assert_int_equal(f->store->reservation.working.blocks, blocks);
		assert_int_equal(blocks - f->store->reservation.working.nodes, 3);
		assert_int_equal(f->store->reservation.working.changes, 2 * blocks);
		fixture_free(f);
	}
}

/* A run that is cleared: each page may be given back, and every node above it; those
 * at its two ends are written anew. */
static void test_reserved_clears(void **state)
{
	struct fixture *f = fixture_new(16384, 100, 512);
	const struct reserve *working = &f->store->reservation.working;
	const unsigned height = 3;

	(void)state;
	assert_int_equal(fixture_write(f, 1, 3), STATUS_OK);
	assert_int_equal(fixture_write(f, 600, 5), STATUS_OK);
	fixture_checkpoint(f);
	assert_int_equal(f->store->record.space.height, height);
	/* Pages 100 to 399 lie in four nodes, these in one, that in the root. */
	fixture_clear(f, 100, 300);
	assert_int_equal(working->blocks, 2 * height);
	assert_int_equal(working->changes, 300 + 2 * height + 4 + 1 + 1);
	fixture_checkpoint(f);
	assert_int_equal(working->changes, 0);
	fixture_clear(f, 1, 1);
	assert_int_equal(working->changes, 1 + 2 * height + height);
	fixture_free(f);
}

/* ---- a busy device ------------------------------------------------------------------- */

static unsigned submissions;

static bool busy_submit(struct block_device *device, struct block_request *request)
{
	return ++submissions % 3 == 0 && fixture_submit(device, request);
}

/* Two of three requests are refused at first: all are made in the end. */
static void test_busy_device(void **state)
{
	static const struct block_operations busy = {busy_submit, fixture_poll};
	struct fixture *f = fixture_new(16384, 100, 512);

	(void)state;
	f->device.operations = &busy;
	for (unsigned round = 0; round < 5; round++) {
		for (uint32_t i = 0; i < 200; i++)
			assert_int_equal(fixture_write(f, i * 3, round + i + 2), STATUS_OK);
		fixture_checkpoint(f);
		fixture_remount(f);
		fixture_compare(f);
	}
	fixture_account(f);
	fixture_free(f);
}

/* With one read in flight at most, who asks for another page waits for a frame, which
 * is promised only when a read can be started. */
static void test_one_read_at_a_time(void **state)
{
	struct fixture *f = fixture_new(16384, 100, 512);
	frame_t frame;

	(void)state;
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(fixture_write(f, i, 2 * i + 3), STATUS_OK);
	fixture_checkpoint(f);
	f->limits.read_requests = 1;
	fixture_remount(f);
	fixture_compare_page(f, 0);
	assert_int_equal(store_page_read(f->store, (page_t){f->base + 1}, &frame), STATUS_WAIT);
	assert_int_equal(store_channel(f->store).n, STORE_CHANNEL_FIXED);
	assert_int_equal(store_page_read(f->store, (page_t){f->base + 2}, &frame), STATUS_WAIT);
	assert_int_equal(store_channel(f->store).n, STORE_CHANNEL_FRAMES);
	assert_false(store_step(f->store));
	assert_int_equal(f->store->wakes[STORE_CHANNEL_FRAMES], 0);
	while (f->queued)
		fixture_poll(&f->device, true);
	assert_true(store_step(f->store));
	assert_int_equal(f->store->wakes[STORE_CHANNEL_FRAMES], 1);
	assert_int_equal(store_page_read(f->store, (page_t){f->base + 2}, &frame), STATUS_WAIT);
	assert_int_equal(store_channel(f->store).n, STORE_CHANNEL_FIXED);
	assert_int_equal(store_page_read(f->store, (page_t){f->base + 1}, &frame), STATUS_OK);
	fixture_compare(f);
	fixture_free(f);
}

/* ---- snapshots ------------------------------------------------------------------------- */

static void test_snapshot_get(void **state)
{
	struct fixture *f = fixture_new(16384, 100, 512);
	struct store_snapshot snapshot;
	char long_name[DISK_SNAPSHOT_NAME + 1];

	(void)state;
	assert_int_equal(fixture_write(f, 1, 5), STATUS_OK);
	assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, "one"), STATUS_OK);
	assert_int_equal(store_snapshot_get(f->store, (snapshot_t){1}, &snapshot), STATUS_OK);
	assert_string_equal(snapshot.name, "one");
	assert_int_equal(store_snapshot_get(f->store, (snapshot_t){2}, &snapshot),
			 STATUS_NOT_FOUND);
	memset(long_name, 'x', DISK_SNAPSHOT_NAME);
	long_name[DISK_SNAPSHOT_NAME] = 0;
	assert_int_equal(store_snapshot_find(f->store, long_name, &snapshot), STATUS_NOT_FOUND);
	assert_int_equal(store_snapshot_find(f->store, "", &snapshot), STATUS_NOT_FOUND);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_config),
		cmocka_unit_test(test_frames_twice_and_too_many),
		cmocka_unit_test(test_format_options),
		cmocka_unit_test(test_pages_that_cannot_be),
		cmocka_unit_test(test_used_pages_stay),
		cmocka_unit_test(test_many_clears),
		cmocka_unit_test(test_pressure),
		cmocka_unit_test(test_reserved_frames),
		cmocka_unit_test(test_next_of_cleared),
		cmocka_unit_test(test_key_before),
		cmocka_unit_test(test_own_pages_are_last),
		cmocka_unit_test(test_reserved_paths),
		cmocka_unit_test(test_reserved_clears),
		cmocka_unit_test(test_busy_device),
		cmocka_unit_test(test_one_read_at_a_time),
		cmocka_unit_test(test_snapshot_get),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
