/* SPDX-License-Identifier: MIT */
/*
 * test_limits.c - full disks, failing disks, and memory within its bound.
 */
#include "tests/unit/store/fixture.h"
#include "store/store_priv.h"

static void test_memory_size(void **state)
{
	(void)state;
	for (uint32_t frames = 64; frames < 3000000; frames *= 3) {
		struct store_limits limits = {
			.frames = frames, .staging_bytes = 1 << 20, .read_requests = 32};
		uint64_t bound = (uint64_t)frames * PAGE_SIZE * 9 / 1000 + (1 << 20) + 768 * 1024;

		assert_true(store_memory_size(&limits) <= bound);
	}
}

static void test_configurations(void **state)
{
	struct fixture *f = fixture_new(16384, 64, 512);
	struct store_config config = {.device = &f->device,
				      .host = {.log = fixture_log},
				      .limits = f->limits,
				      .memory = f->memory,
				      .frame_base = f->frames};
	struct store_format_options options = {.sectors = 100, .write_unit = 512};
	struct store *store;

	(void)state;
	config.limits.staging_bytes = 1000;
	assert_int_equal(store_init(&store, &config), STATUS_INVALID);
	config.limits = f->limits;
	config.limits.read_requests = 0;
	assert_int_equal(store_init(&store, &config), STATUS_INVALID);
	fixture_init(f);
	assert_int_equal(store_format(f->store, &options), STATUS_INVALID);
	options.sectors = 20000;
	assert_int_equal(store_format(f->store, &options), STATUS_INVALID);
	options.sectors = 16384;
	options.write_unit = 1024;
	assert_int_equal(store_format(f->store, &options), STATUS_INVALID);
	fixture_free(f);
}

/* A full store refuses pages at the moment they are asked for, keeps what it
 * has, and takes new ones when some were cleared. */
static void full_disk(uint32_t write_unit, bool mixed)
{
	struct fixture *f = fixture_new(8192, 300, write_unit);
	uint32_t written = 0;
	enum status status;

	do {
		status = fixture_write(f, written,
				       2 * written + (mixed && written % 3 == 0 ? 2 : 3));
		written += status == STATUS_OK;
		assert_true(written < FIXTURE_PAGES);
	} while (status == STATUS_OK);
	assert_int_equal(status, STATUS_NO_SPACE);
	assert_true(written > 400);
	fixture_checkpoint(f);
	fixture_compare(f);
	fixture_account(f);
	/* Rewriting goes on in small portions. */
	for (unsigned round = 0; round < 30; round++) {
		for (uint32_t i = 0; i < 3; i++) {
			uint32_t index = fixture_random(f, written);

			status = fixture_write(f, index, f->model[index] + 2);
			assert_true(status == STATUS_OK || status == STATUS_NO_SPACE);
		}
		fixture_checkpoint(f);
		fixture_account(f);
	}
	fixture_clear(f, 0, 200);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(fixture_write(f, i, 2 * i + 3), STATUS_OK);
	fixture_checkpoint(f);
	fixture_remount(f);
	fixture_compare(f);
	fixture_account(f);
	fixture_free(f);
}

static void test_full_disk(void **state)
{
	(void)state;
	full_disk(512, false);
	full_disk(4096, false);
	full_disk(512, true);
}

/* A snapshot keeps the old pages until the disk is full; it can be deleted
 * then, and the space comes back. */
static void test_full_of_snapshot(void **state)
{
	struct fixture *f = fixture_new(8192, 300, 512);
	struct store_statistics statistics;
	uint32_t index = 0;
	enum status status;

	(void)state;
	for (uint32_t i = 0; i < 320; i++)
		assert_int_equal(fixture_write(f, i, 2 * i + 3), STATUS_OK);
	assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, "keeps"), STATUS_OK);
	do {
		status = fixture_write(f, index, 2 * index + 5);
		index = (index + 1) % 320;
	} while (status == STATUS_OK);
	assert_int_equal(status, STATUS_NO_SPACE);
	assert_int_equal(fixture_commit(f, STORE_ACTION_DELETE, 1, ""), STATUS_OK);
	do {
		fixture_checkpoint(f);
		store_statistics_get(f->store, &statistics);
	} while (statistics.dying.n);
	fixture_account(f);
	for (uint32_t i = 0; i < 200; i++)
		assert_int_equal(fixture_write(f, 500 + i, 2 * i + 7), STATUS_OK);
	fixture_checkpoint(f);
	fixture_compare(f);
	fixture_free(f);
}

/* Each write and flush of a commit fails in turn: the commit is abandoned, everything
 * stays readable and can be changed, and the disk holds the old generation or the new
 * one; or the next commit takes it all along. */
static void failing(enum block_operation operation, bool again)
{
	for (uint64_t at = 1;; at++) {
		struct fixture *f = fixture_new(16384, 200, 512);
		uint32_t before[FIXTURE_PAGES], after[FIXTURE_PAGES];
		enum status status;

		for (uint32_t i = 0; i < 150; i++)
			assert_int_equal(fixture_write(f, i, i + 2), STATUS_OK);
		fixture_checkpoint(f);
		memcpy(before, f->model, sizeof(before));
		for (uint32_t i = 0; i < 120; i++)
			assert_int_equal(fixture_write(f, i, 6 * i + 3), STATUS_OK);
		memcpy(after, f->model, sizeof(after));
		f->writes = f->flushes = 0;
		f->fail_operation = operation;
		f->fail_at = at;
		f->fail_count = 1;
		status = fixture_commit(f, STORE_ACTION_NONE, 0, "");
		if (status == STATUS_OK) {
			assert_true(at > (operation == BLOCK_WRITE ? 2 : 1));
			fixture_free(f);
			return;
		}
		f->fail_count = 0;
		assert_int_equal(status, STATUS_IO);
		assert_int_equal(store_health(f->store), STATUS_IO);
		assert_int_equal(store_durable(f->store).n, 1);
		fixture_compare(f);
		if (again) {
			assert_int_equal(fixture_write(f, 3, 4), STATUS_OK);
			assert_int_equal(fixture_commit(f, STORE_ACTION_NONE, 0, ""), STATUS_OK);
			assert_int_equal(store_health(f->store), STATUS_OK);
			memcpy(after, f->model, sizeof(after));
		}
		fixture_crash(f);
		fixture_remount(f);
		assert_true(!again || f->recovery.generation.n > 2);
		memcpy(f->model, f->recovery.generation.n == 1 ? before : after, sizeof(before));
		fixture_compare(f);
		fixture_account(f);
		fixture_free(f);
	}
}

static void test_failing_writes(void **state)
{
	(void)state;
	for (unsigned again = 0; again < 2; again++) {
		failing(BLOCK_WRITE, again);
		failing(BLOCK_FLUSH, again);
	}
}

/* A read that fails once is answered with an error, once. */
static void test_failing_read(void **state)
{
	struct fixture *f = fixture_new(16384, 200, 512);
	unsigned errors = 0;
	void *data;

	(void)state;
	for (uint32_t i = 0; i < 500; i++)
		assert_int_equal(fixture_write(f, i, i + 2), STATUS_OK);
	fixture_checkpoint(f);
	fixture_remount(f);
	f->fail_operation = BLOCK_READ;
	for (uint32_t i = 0; i < 500; i++) {
		if (i % 10 == 0) {
			f->fail_at = 0;
			f->fail_count = 1;
		}
		errors += fixture_try(f, false, f->base + i, &data) == STATUS_IO;
	}
	assert_int_equal(errors, 50);
	f->fail_count = 0;
	fixture_compare(f);
	assert_int_equal(store_health(f->store), STATUS_OK);
	/* A commit repeats its reads a few times, and then fails. */
	assert_int_equal(fixture_write(f, 1200, 7), STATUS_OK);
	f->fail_count = 2;
	fixture_checkpoint(f);
	f->fail_count = 0;
	fixture_compare(f);
	fixture_account(f);
	fixture_free(f);
}

/* A disk that takes only small requests. */
static void test_small_requests(void **state)
{
	struct fixture *f = fixture_new(16384, 80, 512);

	(void)state;
	fixture_checkpoint(f);
	f->device.request_sectors = 8;
	fixture_remount(f);
	for (uint32_t i = 0; i < 700; i++)
		assert_int_equal(fixture_write(f, i, i + 2), STATUS_OK);
	fixture_checkpoint(f);
	fixture_remount(f);
	fixture_compare(f);
	fixture_account(f);
	fixture_free(f);
}

/* ---- far behind on the disk --------------------------------------------------------- */

#define FAR  (UINT64_C(1) << 32)
#define NEAR 65536u

/* Sectors from FAR on lie from NEAR on. */
static void far_poll(struct block_device *device, bool wait)
{
	struct fixture *f = device->context;
	struct block_request *moved[FIXTURE_QUEUE];
	unsigned count = 0;

	for (unsigned i = 0; i < f->queued; i++) {
		struct block_request *request = f->queue[i];

		assert_true(request->sector.n < NEAR || request->sector.n >= FAR);
		if (request->sector.n < FAR)
			continue;
		request->sector.n -= FAR - NEAR;
		moved[count++] = request;
	}
	fixture_poll(device, wait);
	while (count--)
		moved[count]->sector.n += FAR - NEAR;
}

/* Beyond 2 TiB the number of a sector has more than 32 bits. */
static void test_far_sectors(void **state)
{
	static const struct block_operations operations = {fixture_submit, far_poll};
	struct fixture *f = fixture_new(2 * NEAR, 300, 512);
	struct store_commit_request request = {.action = STORE_ACTION_GROW, .sectors = FAR + NEAR};

	(void)state;
	f->device.operations = &operations;
	f->device.sectors = FAR + NEAR;
	fixture_init(f);
	assert_int_equal(store_format(f->store, &(struct store_format_options){.sectors = NEAR,
									       .write_unit = 512}),
			 STATUS_OK);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(fixture_write(f, i, i + 2), STATUS_OK);
	assert_int_equal(fixture_request(f, &request), STATUS_OK);
	f->store->allocator.blocks.leaf = FAR / DISK_FREE_MAP_SECTORS;
	for (uint32_t i = 50; i < 200; i++)
		assert_int_equal(fixture_write(f, i, i + 3), STATUS_OK);
	fixture_checkpoint(f);
	assert_true(disk_reference_sector(&fixture_record(f)->space.reference).n >= FAR);
	assert_true(disk_reference_sector(&fixture_record(f)->free_map.reference).n >= FAR);
	fixture_compare(f);
	fixture_remount(f);
	fixture_compare(f);
	for (unsigned round = 0; round < 5; round++) {
		for (uint32_t i = 0; i < 100; i++)
			assert_int_equal(
				fixture_write(f, fixture_random(f, 300), i + 4 * round + 2),
				STATUS_OK);
		fixture_checkpoint(f);
		fixture_remount(f);
		fixture_compare(f);
	}
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory_size),    cmocka_unit_test(test_configurations),
		cmocka_unit_test(test_full_disk),      cmocka_unit_test(test_full_of_snapshot),
		cmocka_unit_test(test_failing_writes), cmocka_unit_test(test_failing_read),
		cmocka_unit_test(test_small_requests), cmocka_unit_test(test_far_sectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
