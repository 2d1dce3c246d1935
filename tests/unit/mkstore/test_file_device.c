/* SPDX-License-Identifier: MIT */
/*
 * test_file_device.c - a file as a block device: windows, errors, and who is
 * kept out by whom.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "tools/mkstore/file_device.h"

#define FILE_SECTORS 256u

static char path[64];
static char why[256];
static bool completed;

static int setup(void **state)
{
	int descriptor;

	(void)state;
	snprintf(path, sizeof(path), "/tmp/test_file_device.XXXXXX");
	descriptor = mkstemp(path);
	if (descriptor < 0 || ftruncate(descriptor, FILE_SECTORS * SECTOR_SIZE) != 0)
		return -1;
	return close(descriptor);
}

static int teardown(void **state)
{
	(void)state;
	return unlink(path);
}

static struct file_device *open_ok(enum file_device_mode mode)
{
	struct file_device *device;

	assert_int_equal(file_device_open(&device, path, mode, why, sizeof(why)), STATUS_OK);
	return device;
}

static void open_refused(enum file_device_mode mode, enum status status)
{
	struct file_device *device;

	why[0] = 0;
	assert_int_equal(file_device_open(&device, path, mode, why, sizeof(why)), status);
	assert_null(device);
	assert_non_null(strstr(why, path));
}

static void note_completion(struct block_request *request)
{
	(void)request;
	completed = true;
}

static enum status execute(struct block_device *block, enum block_operation operation,
			   uint64_t sector, uint32_t sectors, void *data)
{
	struct block_request request = {.operation = operation,
					.sector = {sector},
					.sectors = sectors,
					.data = data,
					.complete = note_completion};

	completed = false;
	assert_true(block->operations->submit(block, &request));
	block->operations->poll(block, true);
	assert_true(completed);
	return request.status;
}

static void window_reads_what_it_wrote(void **state)
{
	struct file_device *device = open_ok(FILE_DEVICE_WRITE);
	struct block_device *block = file_device_block(device, 16, 100);
	uint8_t out[2 * SECTOR_SIZE], in[2 * SECTOR_SIZE];

	(void)state;
	memset(out, 0x5c, sizeof(out));
	assert_int_equal(file_device_bytes(device), FILE_SECTORS * SECTOR_SIZE);
	assert_int_equal(block->sectors, 100);
	assert_int_equal(execute(block, BLOCK_WRITE, 98, 2, out), STATUS_OK);
	assert_int_equal(execute(block, BLOCK_FLUSH, 0, 0, NULL), STATUS_OK);
	assert_int_equal(execute(block, BLOCK_READ, 98, 2, in), STATUS_OK);
	assert_memory_equal(in, out, sizeof(in));
	assert_int_equal(file_device_read(device, (16 + 98) * SECTOR_SIZE, in, sizeof(in)),
			 STATUS_OK);
	assert_memory_equal(in, out, sizeof(in));
	file_device_close(device);
}

static void nothing_leaves_the_window(void **state)
{
	struct file_device *device = open_ok(FILE_DEVICE_WRITE);
	struct block_device *block = file_device_block(device, 16, 100);
	uint8_t data[2 * SECTOR_SIZE] = {0};

	(void)state;
	assert_int_equal(execute(block, BLOCK_READ, 99, 2, data), STATUS_IO);
	assert_int_equal(execute(block, BLOCK_WRITE, 99, 2, data), STATUS_IO);
	assert_int_equal(execute(block, BLOCK_WRITE, UINT64_MAX, 2, data), STATUS_IO);
	assert_null(file_device_block(device, 0, FILE_SECTORS + 1));
	assert_null(file_device_block(device, FILE_SECTORS + 1, 0));
	assert_int_equal(file_device_read(device, FILE_SECTORS * SECTOR_SIZE, data, 1), STATUS_IO);
	assert_int_equal(file_device_read(device, UINT64_MAX, data, 2), STATUS_IO);
	file_device_close(device);
}

static void a_reader_does_not_write(void **state)
{
	struct file_device *device = open_ok(FILE_DEVICE_READ);
	struct block_device *block = file_device_block(device, 0, FILE_SECTORS);
	uint8_t data[SECTOR_SIZE] = {1};

	(void)state;
	assert_true(block->read_only);
	assert_int_equal(execute(block, BLOCK_WRITE, 0, 1, data), STATUS_IO);
	assert_int_equal(execute(block, BLOCK_DISCARD, 0, 1, NULL), STATUS_IO);
	file_device_close(device);
}

static void a_truncated_file_is_an_error(void **state)
{
	struct file_device *device = open_ok(FILE_DEVICE_WRITE);
	struct block_device *block = file_device_block(device, 0, FILE_SECTORS);
	uint8_t data[2 * SECTOR_SIZE];

	(void)state;
	assert_int_equal(truncate(path, 10 * SECTOR_SIZE + 1), 0);
	assert_int_equal(execute(block, BLOCK_READ, 9, 1, data), STATUS_OK);
	assert_int_equal(file_device_error(device), 0);
	assert_int_equal(execute(block, BLOCK_READ, 10, 2, data), STATUS_IO);
	assert_int_equal(file_device_error(device), ENODATA);
	file_device_close(device);
}

static void the_first_error_is_kept(void **state)
{
	struct rlimit before, low = {.rlim_cur = 4 * SECTOR_SIZE};
	struct file_device *device = open_ok(FILE_DEVICE_WRITE);
	struct block_device *block = file_device_block(device, 0, FILE_SECTORS);
	uint8_t data[SECTOR_SIZE] = {0};

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	low.rlim_max = before.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
	assert_int_equal(execute(block, BLOCK_WRITE, 3, 1, data), STATUS_OK);
	assert_int_equal(execute(block, BLOCK_WRITE, 4, 1, data), STATUS_IO);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(execute(block, BLOCK_READ, 9, 1, data), STATUS_IO);
	assert_int_equal(file_device_error(device), EFBIG);
	file_device_close(device);
}

static void one_file_by_several_names(void **state)
{
	struct file_device *device = open_ok(FILE_DEVICE_READ);
	struct stat information;
	char other[sizeof(path) + 8];

	(void)state;
	snprintf(other, sizeof(other), "%s.link", path);
	assert_int_equal(link(path, other), 0);
	assert_int_equal(stat(other, &information), 0);
	assert_true(file_device_is(device, &information));
	assert_int_equal(unlink(other), 0);
	assert_int_equal(symlink(path, other), 0);
	assert_int_equal(stat(other, &information), 0);
	assert_true(file_device_is(device, &information));
	assert_int_equal(unlink(other), 0);
	assert_int_equal(stat("/tmp", &information), 0);
	assert_false(file_device_is(device, &information));
	assert_int_equal(stat("/dev/null", &information), 0);
	assert_false(file_device_is(device, &information));
	file_device_close(device);
}

static void discard_makes_zeros_and_a_hole(void **state)
{
	struct file_device *device = open_ok(FILE_DEVICE_WRITE);
	struct block_device *block = file_device_block(device, 0, FILE_SECTORS);
	static uint8_t data[FILE_SECTORS * SECTOR_SIZE];
	struct stat before, after;

	(void)state;
	memset(data, 7, sizeof(data));
	assert_int_equal(execute(block, BLOCK_WRITE, 0, FILE_SECTORS, data), STATUS_OK);
	assert_int_equal(execute(block, BLOCK_FLUSH, 0, 0, NULL), STATUS_OK);
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(execute(block, BLOCK_DISCARD, 8, FILE_SECTORS - 16, NULL), STATUS_OK);
	if (block->discards) {
		assert_int_equal(execute(block, BLOCK_READ, 0, FILE_SECTORS, data), STATUS_OK);
		assert_int_equal(data[8 * SECTOR_SIZE - 1], 7);
		assert_int_equal(data[8 * SECTOR_SIZE], 0);
		assert_int_equal(data[(FILE_SECTORS - 8) * SECTOR_SIZE - 1], 0);
		assert_int_equal(data[(FILE_SECTORS - 8) * SECTOR_SIZE], 7);
		assert_int_equal(stat(path, &after), 0);
		assert_true(after.st_blocks < before.st_blocks);
		assert_int_equal(after.st_size, before.st_size);
	}
	file_device_close(device);
}

static void writers_are_alone_readers_are_not(void **state)
{
	struct file_device *first, *second;

	(void)state;
	first = open_ok(FILE_DEVICE_WRITE);
	open_refused(FILE_DEVICE_WRITE, STATUS_BUSY);
	open_refused(FILE_DEVICE_READ, STATUS_BUSY);
	file_device_close(open_ok(FILE_DEVICE_READ_LIVE));
	file_device_close(first);
	first = open_ok(FILE_DEVICE_READ);
	second = open_ok(FILE_DEVICE_READ);
	open_refused(FILE_DEVICE_WRITE, STATUS_BUSY);
	file_device_close(first);
	open_refused(FILE_DEVICE_WRITE, STATUS_BUSY);
	file_device_close(second);
	file_device_close(open_ok(FILE_DEVICE_WRITE));
}

/* The locks that QEMU takes on a raw image it writes: permissions 0, 1 and 3
 * used, 1 and 3 denied to others. */
static int qemu_lock(void)
{
	static const off_t bytes[] = {100, 101, 103, 201, 203};
	int descriptor = open(path, O_RDWR);

	assert_true(descriptor >= 0);
	for (unsigned i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++) {
		struct flock lock = {
			.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = bytes[i], .l_len = 1};

		assert_int_equal(fcntl(descriptor, F_OFD_SETLK, &lock), 0);
	}
	return descriptor;
}

static void an_image_in_use_by_qemu_is_refused(void **state)
{
	int qemu = qemu_lock();

	(void)state;
	open_refused(FILE_DEVICE_WRITE, STATUS_BUSY);
	assert_non_null(strstr(why, "in use"));
	open_refused(FILE_DEVICE_READ, STATUS_BUSY);
	file_device_close(open_ok(FILE_DEVICE_READ_LIVE));
	close(qemu);
	file_device_close(open_ok(FILE_DEVICE_WRITE));
}

static bool qemu_may(short type, off_t byte)
{
	int descriptor = open(path, O_RDWR);
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
	int result = fcntl(descriptor, F_OFD_GETLK, &lock);

	close(descriptor);
	return result == 0 && lock.l_type == F_UNLCK;
}

/* QEMU asks whether anybody denies writing before it starts. */
static void qemu_is_kept_out_while_a_tool_works(void **state)
{
	struct file_device *device = open_ok(FILE_DEVICE_READ);

	(void)state;
	assert_false(qemu_may(F_WRLCK, 201));
	assert_true(qemu_may(F_WRLCK, 200));
	file_device_close(device);
	device = open_ok(FILE_DEVICE_WRITE);
	assert_false(qemu_may(F_RDLCK, 100));
	assert_false(qemu_may(F_RDLCK, 201));
	file_device_close(device);
	assert_true(qemu_may(F_WRLCK, 201));
}

static void what_cannot_be_opened_is_explained(void **state)
{
	char kept[sizeof(path)];

	(void)state;
	memcpy(kept, path, sizeof(path));
	snprintf(path, sizeof(path), "/tmp/test_file_device.missing");
	open_refused(FILE_DEVICE_READ, STATUS_IO);
	snprintf(path, sizeof(path), "/dev/null");
	open_refused(FILE_DEVICE_READ, STATUS_IO);
	snprintf(path, sizeof(path), "/tmp");
	open_refused(FILE_DEVICE_WRITE, STATUS_IO);
	snprintf(path, sizeof(path), "%.40s.pipe", kept);
	assert_int_equal(mkfifo(path, 0600), 0);
	open_refused(FILE_DEVICE_READ, STATUS_IO);
	open_refused(FILE_DEVICE_WRITE, STATUS_IO);
	assert_int_equal(unlink(path), 0);
	memcpy(path, kept, sizeof(path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(window_reads_what_it_wrote, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_leaves_the_window, setup, teardown),
		cmocka_unit_test_setup_teardown(a_reader_does_not_write, setup, teardown),
		cmocka_unit_test_setup_teardown(a_truncated_file_is_an_error, setup, teardown),
		cmocka_unit_test_setup_teardown(the_first_error_is_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(one_file_by_several_names, setup, teardown),
		cmocka_unit_test_setup_teardown(discard_makes_zeros_and_a_hole, setup, teardown),
		cmocka_unit_test_setup_teardown(writers_are_alone_readers_are_not, setup, teardown),
		cmocka_unit_test_setup_teardown(an_image_in_use_by_qemu_is_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(qemu_is_kept_out_while_a_tool_works, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_cannot_be_opened_is_explained, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
