/* SPDX-License-Identifier: MIT */
/*
 * test_blk.c - the virtio block driver over a model device: what it takes and refuses,
 * right answers in any order, errors, return after a reset of all.
 */
#include "tests/unit/drivers/blk_model.h"

static void test_refused(void **state)
{
	(void)state;
	assert_false(open_disk(VIRTIO_F_VERSION_1));
	assert_non_null(strstr(model.log, "FLUSH"));
	assert_false(open_disk(VIRTIO_BLK_F_FLUSH));
	model.config.blk_size = 2048;
	assert_false(open_disk(FULL | VIRTIO_BLK_F_BLK_SIZE));
	assert_non_null(strstr(model.log, "neither of 512 nor of 4096"));
	model.config.blk_size = 512;
	model.config.size_max = 2048;
	assert_false(open_disk(FULL | VIRTIO_BLK_F_SIZE_MAX));
	model.config.size_max = 0;
	model.queue_max = 2;
	assert_false(open_disk(FULL));
	assert_non_null(strstr(model.log, "queue-size"));
	model.queue_max = 256;
	model.stuck = true; /* another disk may hold the store */
	assert_false(open_disk(FULL));
	assert_non_null(strstr(model.log, "out of reset"));
	assert_true(model.idles > 0);
	model.stuck = false;
	assert_true(open_disk(FULL));
}

static void test_limits(void **state)
{
	(void)state;
	assert_true(open_disk(FULL));
	assert_int_equal(device->sectors, DISK_SECTORS);
	assert_int_equal(device->request_sectors, 2048);
	assert_int_equal(device->write_unit, 512);
	assert_int_equal(device->queue_depth, 128);
	assert_false(device->read_only);
	assert_false(device->discards);
	assert_true(virtio_blk_close(disk));
	model.config.size_max = 65536;
	model.config.physical_block_exp = 3;
	model.config.max_discard_sectors = 100000;
	model.config.max_discard_seg = 1;
	model.config.discard_sector_alignment = 16;
	assert_true(open_disk(FULL | VIRTIO_BLK_F_SIZE_MAX | VIRTIO_BLK_F_TOPOLOGY |
			      VIRTIO_BLK_F_DISCARD));
	assert_int_equal(device->request_sectors, 16 * 128);
	assert_int_equal(device->write_unit, 4096);
	assert_true(device->discards);
	assert_int_equal(device->discard_sectors, 100000);
	assert_int_equal(device->discard_unit, 16);
	assert_true(virtio_blk_close(disk));
	model.config.max_discard_seg = 0;
	assert_true(open_disk(FULL | VIRTIO_BLK_F_DISCARD));
	assert_false(device->discards);
	assert_true(virtio_blk_close(disk));
	model.config.seg_max = 3;
	assert_true(open_disk((FULL | VIRTIO_BLK_F_SIZE_MAX | VIRTIO_BLK_F_RO) &
			      ~VIRTIO_F_INDIRECT_DESC));
	assert_int_equal(device->request_sectors, 3 * 128);
	assert_int_equal(device->queue_depth, 128 / 5);
	assert_true(device->read_only);
}

static void transfer(uint64_t features)
{
	static uint8_t data[2048 * SECTOR_SIZE];

	model.flushes = 0;
	assert_true(open_disk(features));
	virtio_blk_narrow(disk, 1000, 3000);
	uint32_t most = device->request_sectors;
	assert_int_equal(run(ask(BLOCK_READ, 5, most, data)), STATUS_OK);
	assert_memory_equal(data, model.sectors + 1005 * SECTOR_SIZE, most * SECTOR_SIZE);
	memset(data, 0x3c, sizeof data);
	assert_int_equal(run(ask(BLOCK_WRITE, 900, most, data)), STATUS_OK);
	assert_memory_equal(data, model.sectors + 1900 * SECTOR_SIZE, most * SECTOR_SIZE);
	assert_int_equal(run(ask(BLOCK_FLUSH, 0, 0, NULL)), STATUS_OK);
	assert_int_equal(model.flushes, 1);
}

static void test_transfers(void **state)
{
	(void)state;
	transfer(FULL);
	assert_true(virtio_blk_close(disk));
	transfer(FULL & ~VIRTIO_F_INDIRECT_DESC);
	assert_true(virtio_blk_close(disk));
	model.config.size_max = 5000; /* not whole sectors */
	model.config.seg_max = 100;
	transfer(FULL | VIRTIO_BLK_F_SIZE_MAX);
}

static void test_discard(void **state)
{
	(void)state;
	/* Less at a time than is read. */
	model.config.max_discard_sectors = 64;
	model.config.max_discard_seg = 1;
	assert_true(open_disk(FULL | VIRTIO_BLK_F_DISCARD));
	virtio_blk_narrow(disk, 100, 1000);
	assert_int_equal(run(ask(BLOCK_DISCARD, 10, 65, NULL)), STATUS_IO);
	assert_int_equal(run(ask(BLOCK_DISCARD, 10, 4, NULL)), STATUS_OK);
	assert_int_equal(model.sectors[110 * SECTOR_SIZE], 0xdd);
	assert_int_equal(model.sectors[114 * SECTOR_SIZE - 1], 0xdd);
	assert_int_not_equal(model.sectors[114 * SECTOR_SIZE], 0xdd);
}

/* Never beyond the partition, whatever is asked. */
static void test_range(void **state)
{
	static const struct {
		uint64_t sector;
		uint32_t sectors;
	} wrong[] = {{1000, 1}, {999, 2},	 {0, 0},
		     {0, 2049}, {UINT64_MAX, 1}, {UINT64_MAX - 99, 100}};
	static uint8_t data[SECTOR_SIZE];

	(void)state;
	assert_true(open_disk(FULL));
	virtio_blk_narrow(disk, 100, 1000);
	for (uint32_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		assert_int_equal(run(ask(BLOCK_READ, wrong[i].sector, wrong[i].sectors, data)),
				 STATUS_IO);
	assert_int_equal(run(ask(BLOCK_DISCARD, 0, 1, NULL)), STATUS_IO); /* not offered */
	assert_int_equal(model.notified, 0);
}

static void test_many_in_flight(void **state)
{
	static uint8_t data[200][SECTOR_SIZE];
	static struct block_request requests[200];
	uint32_t taken = 0;

	(void)state;
	model.holds = true;
	assert_true(open_disk(FULL));
	for (; taken < 200; taken++) {
		requests[taken] = ask(BLOCK_READ, taken, 1, data[taken]);
		if (!device->operations->submit(device, &requests[taken]))
			break;
	}
	assert_int_equal(taken, device->queue_depth);
	device->operations->poll(device, false);
	assert_int_equal(completed, 0);
	model_release();
	device->operations->poll(device, false);
	assert_int_equal(completed, taken);
	for (uint32_t i = 0; i < taken; i++) {
		assert_int_equal(requests[i].status, STATUS_OK);
		assert_memory_equal(data[i], model.sectors + i * SECTOR_SIZE, SECTOR_SIZE);
	}
	assert_true(device->operations->submit(device, &requests[0]));
	model_release();
	device->operations->poll(device, true);
}

static void test_errors_are_reported(void **state)
{
	static uint8_t data[SECTOR_SIZE];

	(void)state;
	assert_true(open_disk(FULL));
	model.behaviour = ERRORS;
	assert_int_equal(run(ask(BLOCK_READ, 0, 1, data)), STATUS_IO);
	assert_int_equal(run(ask(BLOCK_FLUSH, 0, 0, NULL)), STATUS_IO);
	model.behaviour = HONEST;
	assert_int_equal(run(ask(BLOCK_READ, 0, 1, data)), STATUS_OK);
}

/* Sectors of 4096 bytes: what a read has too much at its ends goes nowhere, and nothing
 * is written but whole ones. */
static void test_large_sectors(void **state)
{
	static uint8_t data[64 * SECTOR_SIZE];

	(void)state;
	model.config.blk_size = 4096;
	assert_true(open_disk(FULL | VIRTIO_BLK_F_BLK_SIZE));
	assert_int_equal(device->write_unit, 4096);
	assert_int_equal(device->sector_unit, 8);
	for (uint32_t sector = 0; sector < 17; sector++)
		for (uint32_t sectors = 1; sectors < 33; sectors++) {
			memset(data, 0xee, sizeof data);
			assert_int_equal(run(ask(BLOCK_READ, sector, sectors, data)), STATUS_OK);
			assert_memory_equal(data, model.sectors + sector * SECTOR_SIZE,
					    sectors * SECTOR_SIZE);
			assert_int_equal(data[sectors * SECTOR_SIZE], 0xee);
		}
	memset(data, 0x77, sizeof data);
	assert_int_equal(run(ask(BLOCK_WRITE, 8, 16, data)), STATUS_OK);
	assert_memory_equal(data, model.sectors + 8 * SECTOR_SIZE, 16 * SECTOR_SIZE);
	assert_int_equal(run(ask(BLOCK_WRITE, 7, 8, data)), STATUS_IO);
	assert_int_equal(lines("of parts of the disk's sectors"), 1);
	/* What is left of the last one is zeros, and nothing behind it is touched. */
	memset(data, 0x33, sizeof data);
	assert_int_equal(run(ask(BLOCK_WRITE, 8, 4, data)), STATUS_OK);
	for (uint32_t i = 8 * SECTOR_SIZE; i < 24 * SECTOR_SIZE; i++)
		assert_int_equal(model.sectors[i], i < 12 * SECTOR_SIZE	  ? 0x33
						   : i < 16 * SECTOR_SIZE ? 0
									  : 0x77);
	assert_true(virtio_blk_close(disk));
	model.config.seg_max = 2; /* none is left for the data */
	assert_false(open_disk(FULL | VIRTIO_BLK_F_BLK_SIZE));
	model.config.seg_max = 3;
	assert_true(open_disk(FULL | VIRTIO_BLK_F_BLK_SIZE));
	assert_int_equal(run(ask(BLOCK_READ, 1, 60, data)), STATUS_OK);
}

/* Queues down to the least that holds a request, and no limit where it is said as 0. */
static void test_small_queues(void **state)
{
	static uint8_t data[64 * SECTOR_SIZE];

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		uint64_t features = FULL | VIRTIO_BLK_F_SIZE_MAX;

		if (i == 1)
			features &= ~VIRTIO_F_INDIRECT_DESC;
		model.config.size_max = i ? 4096 : 0;
		for (model.queue_max = 4; model.queue_max <= 32; model.queue_max *= 2) {
			assert_true(open_disk(features));
			assert_true(device->queue_depth >= 1);
			assert_true(device->request_sectors >= 8);
			uint32_t most = device->request_sectors < 64 ? device->request_sectors : 64;
			assert_int_equal(run(ask(BLOCK_READ, 1, most, data)), STATUS_OK);
			assert_memory_equal(data, model.sectors + SECTOR_SIZE, most * SECTOR_SIZE);
			assert_int_equal(run(ask(BLOCK_WRITE, 1, most, data)), STATUS_OK);
			assert_int_equal(run(ask(BLOCK_FLUSH, 0, 0, NULL)), STATUS_OK);
			assert_true(virtio_blk_close(disk));
		}
	}
}

/* A warm restart forgets what is in flight. */
static void test_reset_forgets(void **state)
{
	static uint8_t data[SECTOR_SIZE];
	struct block_request request = ask(BLOCK_READ, 0, 1, data);

	(void)state;
	model.holds = true;
	assert_true(open_disk(FULL));
	assert_true(device->operations->submit(device, &request));
	assert_true(virtio_blk_close(disk));
	assert_int_equal(completed, 0);
	model.holds = false;
	assert_true(open_disk(FULL));
	device->operations->poll(device, true); /* nothing is outstanding: returns */
	assert_int_equal(completed, 0);
	assert_int_equal(run(ask(BLOCK_READ, 0, 1, data)), STATUS_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_transfers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_discard, setup, teardown),
		cmocka_unit_test_setup_teardown(test_range, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_in_flight, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors_are_reported, setup, teardown),
		cmocka_unit_test_setup_teardown(test_large_sectors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_small_queues, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reset_forgets, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
