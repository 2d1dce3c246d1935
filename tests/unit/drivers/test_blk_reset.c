/* SPDX-License-Identifier: MIT */
/*
 * test_blk_reset.c - the virtio block driver and a device that breaks its rules, is late,
 * or changes its size.
 *
 * No time ends a request, and what a device still does while it is being reset touches
 * nothing that was given back.
 */
#include "tests/unit/drivers/blk_model.h"

/* As the kernel's loop does: a look at each tick, and what time brings. */
static void wait_ns(uint64_t ns)
{
	for (uint64_t from = model.now_ns; model.now_ns - from < ns;) {
		platform_idle();
		device->operations->poll(device, false);
	}
}

static enum status poll_until(uint32_t count)
{
	while (completed < count)
		device->operations->poll(device, true);
	return STATUS_OK;
}

static void model_no_more_lies(void)
{
	model.lies_left = 0;
}

/* Each kind of misbehaviour: what was in flight ends with an error, the device is reset
 * and asked again, and what comes next is done. */
static void test_misbehaviour(void **state)
{
	static const enum behaviour kinds[] = {NO_STATUS, ODD_STATUS, WRONG_ID, TOO_LONG,
					       NEEDS_RESET};
	static uint8_t data[SECTOR_SIZE];

	(void)state;
	for (uint32_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		assert_true(open_disk(FULL));
		uint32_t resets = model.resets, epoch = device->epoch;
		model.log[0] = '\0';
		model.behaviour = kinds[i];
		model.lies_left = 1;
		model.idle = model_no_more_lies;
		assert_int_equal(run(ask(BLOCK_READ, 0, 1, data)), STATUS_IO);
		assert_int_equal(model.resets, resets + 1);
		assert_int_equal(lines("it is reset and asked again"), 1);
		assert_non_null(device->trouble);
		assert_int_equal(run(ask(BLOCK_READ, 3, 1, data)), STATUS_OK);
		assert_memory_equal(data, model.sectors + 3 * SECTOR_SIZE, SECTOR_SIZE);
		/* What was written before and not flushed may be lost. */
		assert_int_equal(device->epoch, epoch + 1);
		assert_int_equal(run(ask(BLOCK_FLUSH, 0, 0, NULL)), STATUS_OK);
		assert_null(device->trouble);
		wait_ns(SECOND_NS);
		assert_int_equal(lines("answers again"), 1);
		assert_int_equal(model.resets, resets + 1);
		assert_true(virtio_blk_close(disk));
	}
	assert_int_equal(kept_count, 1); /* the disk's memory served all its lives */
}

/* One that breaks its rules each time is asked again and again, more and more rarely, and
 * used again once it is sound. */
static void test_misbehaviour_lasts(void **state)
{
	static uint8_t data[SECTOR_SIZE];
	struct block_request request = ask(BLOCK_READ, 3, 1, data);
	uint32_t failed = 0;

	(void)state;
	assert_true(open_disk(FULL));
	model.log[0] = '\0';
	model.behaviour = NO_STATUS;
	model.lies_left = UINT32_MAX;
	for (uint64_t from = model.now_ns; model.now_ns - from < 300 * SECOND_NS;) {
		if (device->operations->submit(device, &request)) {
			failed++;
			assert_int_equal(poll_until(completed + 1), STATUS_OK);
			assert_int_equal(request.status, STATUS_IO);
		}
		wait_ns(SECOND_NS / 10);
	}
	/* After 0, 1, 2, 4, 8, 16, 30, 30 ... seconds. */
	assert_in_range(failed, 10, 17);
	assert_in_range(lines("it is waited for"), 1, 8);
	model.behaviour = HONEST;
	assert_int_equal(run(request), STATUS_OK);
	assert_int_equal(run(ask(BLOCK_FLUSH, 0, 0, NULL)), STATUS_OK);
	wait_ns(SECOND_NS);
	assert_int_equal(lines("answers again"), 1);
}

/* While the device is not out of its reset nothing ends and nothing is asked, and what
 * it still answers, and where it still writes, is of no account. */
static void test_reset_takes_long(void **state)
{
	static uint8_t data[2][SECTOR_SIZE], old[SECTOR_SIZE];
	struct block_request held = ask(BLOCK_READ, 7, 1, data[0]);
	struct block_request next = ask(BLOCK_READ, 8, 1, data[1]);

	(void)state;
	assert_true(open_disk(FULL));
	model.log[0] = '\0';
	model.holds = true;
	assert_true(device->operations->submit(device, &held));
	model.stuck = true;
	model.behaviour = NEEDS_RESET;
	model.lies_left = 1;
	wait_ns(400 * SECOND_NS);
	assert_int_equal(completed, 0);
	assert_false(device->operations->submit(device, &next));
	assert_int_equal(model.resets, 2); /* at first, and now: it is not asked twice */
	assert_in_range(lines("has been away for"), 2, 6);
	model_release(); /* late, into the old queue */
	device->operations->poll(device, false);
	assert_int_equal(completed, 0);
	assert_int_equal(device->epoch, 0);

	memcpy(old, data[0], sizeof old);
	model.stuck = false;
	model.behaviour = HONEST;
	model.holds = false;
	wait_ns(SECOND_NS);
	assert_int_equal(completed, 1);
	assert_int_equal(held.status, STATUS_IO);
	assert_int_equal(device->epoch, 1);
	assert_int_equal(run(next), STATUS_OK);
	assert_memory_equal(data[1], model.sectors + 8 * SECTOR_SIZE, SECTOR_SIZE);
	assert_memory_equal(data[0], old, sizeof old);
	assert_int_equal(completed, 2);
}

/* A disk with other limits than before its reset is not used: what is under way might
 * not fit. */
static void test_reset_changes_limits(void **state)
{
	static uint8_t data[SECTOR_SIZE];
	struct block_request request = ask(BLOCK_READ, 0, 1, data);

	(void)state;
	assert_true(open_disk(FULL));
	model.queue_max = 64;
	model.behaviour = NO_STATUS;
	model.lies_left = 1;
	assert_int_equal(run(request), STATUS_IO);
	wait_ns(100 * SECOND_NS);
	assert_false(device->operations->submit(device, &request));
	assert_non_null(strstr(device->trouble, "other limits"));
	assert_int_equal(device->queue_depth, 128);
	model.queue_max = 256;
	assert_int_equal(run(request), STATUS_OK);
	/* The same where requests may only be shorter. */
	model.config.size_max = 8192;
	model.config.seg_max = 8;
	assert_true(open_disk(FULL | VIRTIO_BLK_F_SIZE_MAX | VIRTIO_BLK_F_SEG_MAX));
	assert_int_equal(device->request_sectors, 128);
	model.config.size_max = 4096;
	model.behaviour = NO_STATUS;
	model.lies_left = 1;
	assert_int_equal(run(request), STATUS_IO);
	wait_ns(100 * SECOND_NS);
	assert_false(device->operations->submit(device, &request));
	assert_int_equal(device->request_sectors, 128);
	model.config.size_max = 8192;
	assert_int_equal(run(request), STATUS_OK);
}

/* What a disk once says wrongly of itself after a reset is not what it is judged by the
 * next time. */
static void test_reset_spoils_nothing(void **state)
{
	static uint8_t data[SECTOR_SIZE];
	struct block_request request = ask(BLOCK_READ, 0, 1, data);
	struct block_device before;

	(void)state;
	model.config.blk_size = SECTOR_SIZE;
	for (unsigned lie = 0; lie < 2; lie++) {
		const struct virtio_blk_config sound = model.config;

		assert_true(open_disk(FULL | VIRTIO_BLK_F_BLK_SIZE | VIRTIO_BLK_F_SIZE_MAX));
		before = *device;
		model.behaviour = NO_STATUS;
		model.lies_left = 1;
		assert_true(device->operations->submit(device, &request));
		if (lie == 0)
			model.config.blk_size = 1024;
		else
			model.config.size_max = 100;
		model.config.capacity[0] = 1;
		assert_int_equal(poll_until(completed + 1), STATUS_OK);
		assert_int_equal(request.status, STATUS_IO);
		wait_ns(100 * SECOND_NS);
		assert_false(device->operations->submit(device, &request));
		assert_non_null(strstr(device->trouble, lie == 0 ? "its sectors" : "4 KiB"));
		assert_int_equal(device->sector_unit, before.sector_unit);
		assert_int_equal(device->write_unit, before.write_unit);
		assert_int_equal(device->sectors, before.sectors);
		model.config = sound;
		model.log[0] = '\0';
		assert_int_equal(run(request), STATUS_OK);
		wait_ns(SECOND_NS);
		assert_int_equal(lines("has grown"), 0);
		assert_int_equal(device->sector_unit, before.sector_unit);
		assert_true(virtio_blk_close(disk));
	}
}

/* A disk that fails at its start and does not come out of the reset then may still write to
 * its queue: another disk gets another place, and this one its own if it is tried again. */
static void test_start_fails(void **state)
{
	static const struct pci_function other = {.bus = 0, .device = 4};
	const char *why = NULL;
	struct virtqueue *first;
	struct virtio_blk *second;

	(void)state;
	model.start_fails = true;
	assert_false(open_disk(FULL));
	assert_string_equal(model.log, "it does not start");
	first = model.queue;
	model.start_fails = model.stuck = false; /* this one is sound */
	model.queue = NULL;
	second = virtio_blk_open(&other, NULL, &why);
	assert_non_null(second);
	assert_non_null(model.queue);
	assert_ptr_not_equal(model.queue, first);
	virtio_blk_close(second);
	assert_true(open_disk(FULL));
	assert_ptr_equal(model.queue, first);
}

/* ---- patience ----------------------------------------------------------------------- */

/* However long an answer takes, it is taken, and what is late is said, rarely. */
static void test_late(void **state)
{
	static uint8_t data[SECTOR_SIZE];
	struct block_request request = ask(BLOCK_WRITE, 0, 1, data);

	(void)state;
	assert_true(open_disk(FULL));
	model.log[0] = '\0';
	model.holds = true;
	memset(data, 0x5a, sizeof data);
	assert_true(device->operations->submit(device, &request));
	wait_ns(4 * SECOND_NS);
	assert_string_equal(model.log, "");
	assert_in_range(device->silent_ns, 3 * SECOND_NS, 5 * SECOND_NS);
	wait_ns(2 * SECOND_NS);
	assert_int_equal(lines("has not answered a write for 5 s"), 1);
	wait_ns(3600 * SECOND_NS);
	assert_int_equal(completed, 0);
	/* 5, 15, 45, 135, 405, then every 600 seconds. */
	assert_int_equal(lines("has not answered"), 10);
	assert_int_equal(lines("is reset"), 0);
	model_release();
	device->operations->poll(device, true);
	assert_int_equal(completed, 1);
	assert_int_equal(request.status, STATUS_OK);
	assert_int_equal(model.sectors[0], 0x5a);
	wait_ns(SECOND_NS);
	assert_int_equal(lines("answers again"), 1);
	assert_int_equal(device->silent_ns, 0);
	assert_int_equal(device->epoch, 0);
}

static void model_idle_release(void)
{
	if (model.now_ns > 60 * SECOND_NS)
		model_release();
}

/* Who waits for one request alone, as a boot does, is told the same, and does not keep
 * the processor from those who could answer. */
static void test_waiter_halts(void **state)
{
	static uint8_t data[SECTOR_SIZE];

	(void)state;
	assert_true(open_disk(FULL));
	model.log[0] = '\0';
	model.holds = true;
	model.idle = model_idle_release;
	assert_int_equal(run(ask(BLOCK_READ, 0, 1, data)), STATUS_OK);
	assert_in_range(model.idles, 5900, 6010); /* a minute of ticks, and no more */
	assert_int_equal(lines("has not answered a read for"), 3);
}

/* Others are answered, one is not: it is spoken of, too. */
static void test_one_is_late(void **state)
{
	static uint8_t data[2][SECTOR_SIZE];
	struct block_request forgotten = ask(BLOCK_WRITE, 0, 1, data[0]);

	(void)state;
	assert_true(open_disk(FULL));
	model.log[0] = '\0';
	model.holds = true;
	assert_true(device->operations->submit(device, &forgotten));
	model.holds = false;
	for (uint64_t from = model.now_ns; model.now_ns - from < 25 * SECOND_NS;) {
		assert_int_equal(run(ask(BLOCK_READ, 0, 1, data[1])), STATUS_OK);
		wait_ns(SECOND_NS / 10);
		assert_true(device->silent_ns < SECOND_NS);
	}
	assert_int_equal(lines("has not answered a write"), 1);
}

/* The host held the whole machine for a minute: that is no silence of the disk, and the
 * answer that came meanwhile is taken before anything is judged. */
static void test_held_by_host(void **state)
{
	static uint8_t data[SECTOR_SIZE];
	struct block_request request = ask(BLOCK_READ, 0, 1, data);

	(void)state;
	assert_true(open_disk(FULL));
	model.log[0] = '\0';
	model.holds = true;
	assert_true(device->operations->submit(device, &request));
	wait_ns(SECOND_NS);
	model.jump_ns = 60 * SECOND_NS;
	device->operations->poll(device, false);
	assert_true(device->silent_ns < 3 * SECOND_NS);
	model_release();
	model.jump_ns = 60 * SECOND_NS;
	device->operations->poll(device, false);
	assert_int_equal(completed, 1);
	assert_string_equal(model.log, "");
}

/* ---- sizes ------------------------------------------------------------------------------ */

static void model_resize(uint32_t sectors)
{
	model.config.capacity[0] = sectors;
	model.common.config_generation++;
}

static void test_size_changes(void **state)
{
	(void)state;
	assert_true(open_disk(FULL));
	virtio_blk_narrow(disk, 1000, 3000);
	model.log[0] = '\0';
	model_resize(DISK_SECTORS + 1000);
	wait_ns(SECOND_NS);
	assert_int_equal(lines("has grown from 4096 to 5096 sectors"), 1);
	assert_int_equal(device->sectors, 3000);
	model_resize(4000); /* what is behind the store is not its concern */
	wait_ns(SECOND_NS);
	assert_int_equal(lines("\n"), 1);
	model_resize(3999);
	wait_ns(10 * SECOND_NS);
	assert_int_equal(lines("has shrunk to 3999 sectors"), 1);
	assert_non_null(strstr(model.log, "reaches to sector 4000: enlarge it again"));
	model_resize(4000);
	wait_ns(SECOND_NS);
	assert_int_equal(lines("has grown from 3999"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_misbehaviour, setup, teardown),
		cmocka_unit_test_setup_teardown(test_misbehaviour_lasts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reset_takes_long, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reset_changes_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reset_spoils_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_start_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(test_late, setup, teardown),
		cmocka_unit_test_setup_teardown(test_waiter_halts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_is_late, setup, teardown),
		cmocka_unit_test_setup_teardown(test_held_by_host, setup, teardown),
		cmocka_unit_test_setup_teardown(test_size_changes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
