/* SPDX-License-Identifier: MIT */
/*
 * test_gpt.c - partition tables: whole, damaged, hostile; of disks with sectors of 512 and of
 * 4096 bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "disk/partition.h"
#include "drivers/gpt.h"

#define SECTORS 256u
#define LARGER	4096u /* what the disk grows to */
#define ENTRIES 128u

/* Sectors of 512 bytes in one of the disk's own, in which everything here counts. */
static uint32_t scale = 1;
static uint8_t disk_bytes[LARGER * BLOCK_SIZE];
static uint64_t reads;
static uint64_t failing_sector;		     /* 0: none */
static unsigned failing_from, failing_count; /* so many requests fail, from this one on */
static bool flushes_fail;
static unsigned answers_left; /* then requests wait until `stalled` is answered */
static struct block_request *stalled;
static unsigned patience_left;
static bool wakes_late; /* the disk answers when patience has ended */
static bool writable;
static unsigned writes_left; /* then the power goes */
static bool second_pending;  /* written and not flushed */
static const uint8_t type[16] = DISK_PARTITION_TYPE;

#define MBR_RECORD 446 /* of the protective MBR: the only one */

static bool disk_submit(struct block_device *device, struct block_request *request)
{
	uint8_t *place = disk_bytes + request->sector.n * SECTOR_SIZE;
	uint64_t own = request->sector.n / scale, end = own + request->sectors / scale;
	size_t bytes = (size_t)request->sectors * SECTOR_SIZE;

	assert_null(stalled); /* its buffer is the disk's, and nobody else's */
	if (answers_left == 0) {
		stalled = request;
		return true;
	}
	answers_left--;
	assert_true(request->operation == BLOCK_READ || writable);
	assert_true(device == NULL || request->sector.n + request->sectors <= device->sectors);
	assert_true(bytes <= GPT_BUFFER);
	/* A disk with larger sectors takes nothing else. */
	assert_int_equal(request->sector.n % scale + request->sectors % scale, 0);
	if (request->operation == BLOCK_READ) {
		memcpy(request->data, place, bytes);
	} else if (request->operation == BLOCK_WRITE && writes_left) {
		memcpy(place, request->data, bytes);
		writes_left--;
	}
	/* One of the two tables is whole, whenever the power goes. */
	if (request->operation == BLOCK_WRITE && own < LARGER / 2)
		assert_false(second_pending);
	else
		second_pending = request->operation == BLOCK_WRITE ||
				 (second_pending && request->operation == BLOCK_READ);
	reads++;
	request->status = STATUS_OK;
	if (reads >= failing_from && reads - failing_from < failing_count)
		request->status = STATUS_IO;
	if (failing_sector != 0 && own <= failing_sector && failing_sector < end)
		request->status = STATUS_IO;
	if (request->operation == BLOCK_FLUSH && flushes_fail)
		request->status = STATUS_IO;
	request->complete(request);
	return true;
}

/* The disk answers again. */
static void disk_wake(void)
{
	struct block_request *request = stalled;

	stalled = NULL;
	answers_left = UINT32_MAX;
	if (request != NULL)
		disk_submit(NULL, request);
}

static void disk_poll(struct block_device *device, bool wait)
{
	(void)device;
	assert_false(wait); /* it would last for ever */
	assert_non_null(stalled);
	if (wakes_late && patience_left == 0)
		disk_wake();
}

static bool disk_patience(void)
{
	return patience_left > 0 && --patience_left > 0;
}

static const struct block_operations operations = {disk_submit, disk_poll};
static struct block_device disk = {
	.sectors = SECTORS, .write_unit = 512, .request_sectors = 8, .operations = &operations};

static void put32(uint8_t *at, uint32_t value)
{
	memcpy(at, &value, sizeof value);
}

static void put64(uint8_t *at, uint64_t value)
{
	memcpy(at, &value, sizeof value);
}

static uint8_t *sector(uint64_t n)
{
	return disk_bytes + n * scale * SECTOR_SIZE;
}

static void header_seal(uint8_t *header)
{
	put32(header + 16, 0);
	put32(header + 16, gpt_crc32(0, header, 92));
}

static void header_make(uint64_t own, uint64_t other, uint64_t entries, uint32_t bytes)
{
	uint8_t *h = sector(own);

	memcpy(h, "EFI PART", 8);
	put32(h + 8, 0x10000);
	put32(h + 12, 92);
	put64(h + 24, own);
	put64(h + 32, other);
	put64(h + 72, entries);
	put32(h + 80, ENTRIES * 128 / bytes);
	put32(h + 84, bytes);
	put32(h + 88, gpt_crc32(0, sector(entries), ENTRIES * 128));
	header_seal(h);
}

static void entry_make(uint64_t entries, uint32_t index, const uint8_t kind[16], uint64_t first,
		       uint64_t last)
{
	uint8_t *e = sector(entries) + (size_t)index * 128;

	memcpy(e, kind, 16);
	put64(e + 32, first);
	put64(e + 40, last);
}

/* Two other partitions and the store's, at sectors 100 to 149, both tables. */
static int disk_make(void **state)
{
	static const uint8_t other[16] = {1, 2, 3};

	(void)state;
	memset(disk_bytes, 0, sizeof disk_bytes);
	for (uint64_t entries = 2; entries < SECTORS; entries += SECTORS - 35) {
		entry_make(entries, 0, other, 40, 49);
		entry_make(entries, 1, other, 50, 99);
		entry_make(entries, 100, type, 100, 149);
	}
	header_make(1, SECTORS - 1, 2, 128);
	header_make(SECTORS - 1, 1, SECTORS - 33, 128);
	sector(0)[MBR_RECORD + 4] = 0xee;
	put32(sector(0) + MBR_RECORD + 12, SECTORS - 1);
	memcpy(sector(0) + 510, "\x55\xaa", 2);
	second_pending = false;
	failing_sector = 0;
	failing_count = 0;
	flushes_fail = false;
	answers_left = UINT32_MAX;
	stalled = NULL;
	disk.sectors = SECTORS * scale;
	writable = false;
	return 0;
}

static enum status find(struct gpt_partition *found, const char **why)
{
	uint8_t buffer[GPT_BUFFER];
	struct gpt_access access = {.disk = &disk, .buffer = buffer};

	return gpt_find(&access, type, found, why);
}

static void expect(enum status status)
{
	struct gpt_partition found;
	const char *why;

	assert_int_equal(find(&found, &why), status);
	if (status != STATUS_OK)
		assert_non_null(why);
}

static void test_crc(void **state)
{
	(void)state;
	assert_int_equal(gpt_crc32(0, "123456789", 9), 0xcbf43926);
	assert_int_equal(gpt_crc32(gpt_crc32(0, "1234", 4), "56789", 5), 0xcbf43926);
}

static void test_found(void **state)
{
	struct gpt_partition found;
	const char *why;

	(void)state;
	assert_int_equal(find(&found, &why), STATUS_OK);
	assert_null(why);
	assert_int_equal(found.number, 101);
	assert_int_equal(found.sector_bytes, scale * SECTOR_SIZE);
	assert_int_equal(found.disk_sectors, SECTORS * scale);
	assert_int_equal(found.first, 100 * scale);
	assert_int_equal(found.sectors, 50 * scale);
	/* A disk that has become shorter: how long it was. */
	disk.sectors = 140 * scale;
	assert_int_equal(find(&found, &why), STATUS_TRUNCATED);
	assert_int_equal(found.disk_sectors, SECTORS * scale);
}

static void test_second_table_serves(void **state)
{
	struct gpt_partition found;
	const char *why;

	(void)state;
	sector(2)[200]++;
	assert_int_equal(find(&found, &why), STATUS_OK);
	assert_non_null(why);
	assert_int_equal(found.first, 100 * scale);
}

static void test_no_table(void **state)
{
	(void)state;
	memset(disk_bytes, 0, sizeof disk_bytes);
	expect(STATUS_FORMAT);
}

/* Every single byte of the first header and of the entries in use: the second
 * table serves, or the damage lies in a field that is not used. */
static void test_every_byte_of_the_first_table(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 92; i++) {
		sector(1)[i] ^= 0x55;
		struct gpt_partition found;
		const char *why;
		assert_int_equal(find(&found, &why), STATUS_OK);
		assert_non_null(why);
		assert_int_equal(found.first, 100 * scale);
		assert_int_equal(found.sectors, 50 * scale);
		sector(1)[i] ^= 0x55;
	}
	for (uint32_t i = 0; i < 128 * ENTRIES; i += 61) {
		sector(2)[i] ^= 0x55;
		struct gpt_partition found;
		const char *why;
		assert_int_equal(find(&found, &why), STATUS_OK);
		assert_non_null(why);
		sector(2)[i] ^= 0x55;
	}
}

static void test_no_store_partition(void **state)
{
	(void)state;
	memset(sector(2) + 100 * 128, 0, 128);
	header_make(1, SECTORS - 1, 2, 128);
	expect(STATUS_NOT_FOUND);
}

static void test_partition_beyond_the_disk(void **state)
{
	struct gpt_partition found;
	const char *why;

	(void)state;
	/* The disk was cut off: how large it must be again. */
	disk.sectors = 120 * scale;
	assert_int_equal(find(&found, &why), STATUS_TRUNCATED);
	assert_int_equal(found.first, 100 * scale);
	assert_int_equal(found.disk_sectors, SECTORS * scale);
	disk_make(NULL);
	entry_make(2, 100, type, 100, SECTORS);
	header_make(1, SECTORS - 1, 2, 128);
	assert_int_equal(find(&found, &why), STATUS_TRUNCATED);
	assert_int_equal(found.disk_sectors, (SECTORS + 1) * scale);
	header_make(1, UINT64_MAX - 1, 2, 128);
	expect(STATUS_TRUNCATED);
	entry_make(2, 100, type, SECTORS + 5, SECTORS + 9);
	header_make(1, SECTORS - 1, 2, 128);
	expect(STATUS_TRUNCATED);
}

/* Nonsense with right checksums: refused, and nothing is read outside the disk
 * (the model asserts that). */
static void test_hostile_headers(void **state)
{
	static const struct {
		uint32_t offset, value;
	} lies[] = {
		{80, 0},       {80, 1025},	  {80, UINT32_MAX}, {84, 0},
		{84, 64},      {84, 129},	  {84, 192},	    {84, 0x80000000u},
		{72, SECTORS}, {72, SECTORS - 1}, {76, UINT32_MAX}, {12, 91},
		{12, 513},     {12, UINT32_MAX},
	};

	(void)state;
	memset(sector(SECTORS - 1), 0, SECTOR_SIZE);
	for (uint32_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
		header_make(1, SECTORS - 1, 2, 128);
		put32(sector(1) + lies[i].offset, lies[i].value);
		header_seal(sector(1));
		expect(STATUS_CORRUPT);
	}
}

static void test_empty_and_inverted_ranges(void **state)
{
	(void)state;
	entry_make(2, 100, type, 100, 99);
	header_make(1, SECTORS - 1, 2, 128);
	expect(STATUS_NOT_FOUND);
	entry_make(2, 100, type, 0, UINT64_MAX);
	header_make(1, SECTORS - 1, 2, 128);
	expect(STATUS_NOT_FOUND);
}

static void test_read_errors(void **state)
{
	(void)state;
	/* The second table serves. */
	failing_sector = 1;
	expect(STATUS_OK);
	failing_sector = 3;
	expect(STATUS_OK);
	sector(SECTORS - 1)[30]++;
	expect(STATUS_IO);
	failing_sector = 1;
	expect(STATUS_IO);
}

/* An error that is none the next time: whichever request it meets, neither the first table nor
 * the disk is given up for it. */
static void test_passing_errors(void **state)
{
	struct gpt_partition found;
	const char *why;
	uint64_t all;

	(void)state;
	reads = 0;
	expect(STATUS_OK);
	all = reads;
	for (unsigned i = 0; i < all; i++) {
		reads = 0;
		failing_from = i + 1;
		failing_count = 2;
		assert_int_equal(find(&found, &why), STATUS_OK);
		assert_null(why);
		assert_int_equal(reads, all + 2);
	}
	/* One damaged table, and one that cannot be read now: that is no damage. */
	failing_count = 0;
	sector(1)[30]++;
	failing_sector = SECTORS - 1;
	expect(STATUS_IO);
}

/* A disk that stands still, at any request: it is left after a while, and can be asked
 * again. */
static void test_find_stalled(void **state)
{
	static uint8_t buffer[GPT_BUFFER];
	struct gpt_access access = {.disk = &disk, .buffer = buffer, .patience = disk_patience};
	struct gpt_partition found;
	const char *why;
	unsigned tries = 0;
	enum status status = STATUS_TIMEOUT;

	(void)state;
	for (; status == STATUS_TIMEOUT; tries++) {
		answers_left = tries;
		patience_left = 10;
		status = gpt_find(&access, type, &found, &why);
		if (status == STATUS_OK)
			break;
		assert_int_equal(status, STATUS_TIMEOUT);
		assert_non_null(strstr(why, "does not answer"));
		assert_int_equal(gpt_read(&access, 0, 8), STATUS_TIMEOUT);
		disk_wake();
		assert_int_equal(gpt_find(&access, type, &found, &why), STATUS_OK);
		assert_null(why);
	}
	assert_true(tries >= 3);
	/* Its answer comes too late for this time: the second table is not asked for, and the
	 * first not called damaged. */
	wakes_late = true;
	answers_left = 0;
	patience_left = 1;
	assert_int_equal(gpt_find(&access, type, &found, &why), STATUS_TIMEOUT);
	wakes_late = false;
	disk_wake();
	assert_int_equal(gpt_find(&access, type, &found, &why), STATUS_OK);
	assert_null(why);
}

/* How a disk is asked that may stand still. */
static uint8_t patient_buffer[GPT_BUFFER];
static struct gpt_access patient = {
	.disk = &disk, .buffer = patient_buffer, .patience = disk_patience};

/* A store that has taken `used` sectors of its partition. */
static enum status grow_used(uint64_t used, struct gpt_partition *found, const char **why)
{
	*found = (struct gpt_partition){.sectors = used * scale};
	return gpt_grow(&patient, type, found, why);
}

static enum status grow(struct gpt_partition *found, const char **why)
{
	return grow_used(50, found, why);
}

/* Both tables have the partition up to the end of the larger disk. */
static void expect_grown(void)
{
	struct gpt_partition found;
	const char *why;

	for (unsigned damaged = 0; damaged < 2; damaged++) {
		assert_int_equal(find(&found, &why), STATUS_OK);
		assert_int_equal(found.first + found.sectors, scale == 1 ? 2048 : 3840 * scale);
		assert_true(damaged == (why != NULL));
		sector(1)[30] ^= 1;
	}
}

static void test_grow(void **state)
{
	struct gpt_partition found;
	uint8_t size[4];
	const char *why;

	(void)state;
	disk.sectors = LARGER * scale;
	writable = true;
	writes_left = 1000;
	assert_int_equal(grow(&found, &why), STATUS_OK);
	assert_int_equal(found.first, 100 * scale);
	/* Up to the last whole MiB before the second table's entries. */
	assert_int_equal(found.first + found.sectors, scale == 1 ? 2048 : 3840 * scale);
	expect_grown();
	put32(size, LARGER - 1);
	assert_memory_equal(sector(0) + MBR_RECORD + 12, size, sizeof(size));
	/* Nothing to be done any more. */
	writable = false;
	assert_int_equal(grow_used(found.sectors / scale, &found, &why), STATUS_OK);
}

/* The power goes after any write: the old or the new partition is there, and it can be
 * gone on. */
static void test_grow_cut(void **state)
{
	struct gpt_partition found;
	const char *why;
	unsigned small = 0, large = 0;

	for (unsigned written = 0; written < 20; written++) {
		memset(disk_bytes, 0, sizeof(disk_bytes));
		disk_make(state);
		disk.sectors = LARGER * scale;
		writable = true;
		writes_left = written;
		assert_int_equal(grow(&found, &why), STATUS_OK);
		assert_int_equal(find(&found, &why), STATUS_OK);
		assert_int_equal(found.first, 100 * scale);
		small += found.sectors == 50 * scale;
		large += found.sectors > 300 * scale;
		writes_left = 1000;
		assert_int_equal(grow(&found, &why), STATUS_OK);
		expect_grown();
	}
	assert_true(small >= 5 && large >= 5);
	assert_int_equal(small + large, 20);
}

/* The disk stands still at any request: it is left after a while, its buffer untouched
 * until it has answered, and the next try goes on wherever the first has ended. */
static void test_grow_stalled(void **state)
{
	struct gpt_partition found;
	const char *why;
	unsigned tries = 0;
	enum status status = STATUS_TIMEOUT;

	for (; status == STATUS_TIMEOUT; tries++) {
		disk_make(state);
		disk.sectors = LARGER * scale;
		writable = true;
		writes_left = 1000;
		answers_left = tries;
		patience_left = 10;
		status = grow(&found, &why);
		assert_true(status == STATUS_OK || status == STATUS_TIMEOUT);
		if (status == STATUS_OK)
			break;
		assert_int_equal(patience_left, 0);
		assert_non_null(strstr(why, "try again"));
		assert_int_equal(grow(&found, &why), STATUS_TIMEOUT);
		disk_wake();
		assert_int_equal(grow(&found, &why), STATUS_OK);
		expect_grown();
	}
	assert_true(tries > 15);
	/* Forgotten with the reset of its disk. */
	disk_make(state);
	answers_left = 0;
	assert_int_equal(grow(&found, &why), STATUS_TIMEOUT);
	disk_make(state);
	patient.pending = false;
	assert_int_equal(gpt_find(&patient, type, &found, &why), STATUS_OK);
}

/* Tables that may never have become durable are written again, until the store has what they
 * say; but never over what lies behind it. */
static void test_grow_again(void **state)
{
	struct gpt_partition found;
	const char *why;

	(void)state;
	disk.sectors = LARGER * scale;
	writable = true;
	writes_left = 1000;
	flushes_fail = true;
	assert_int_equal(grow(&found, &why), STATUS_IO);
	assert_non_null(why);
	flushes_fail = false;
	assert_int_equal(grow(&found, &why), STATUS_OK);
	flushes_fail = true;
	assert_int_equal(grow(&found, &why), STATUS_IO);
	flushes_fail = false;
	writes_left = 1000;
	assert_int_equal(grow(&found, &why), STATUS_OK);
	assert_true(writes_left < 1000);
	expect_grown();
	disk_make(NULL);
	entry_make(2, 101, (const uint8_t[16]){9}, 160, 170);
	header_make(1, SECTORS - 1, 2, 128);
	assert_int_equal(grow_used(10, &found, &why), STATUS_OK);
}

static void test_grow_refused(void **state)
{
	struct gpt_partition found;
	const char *why;

	(void)state;
	/* Another lies behind. */
	entry_make(2, 101, (const uint8_t[16]){9}, 160, 170);
	header_make(1, SECTORS - 1, 2, 128);
	disk.sectors = LARGER * scale;
	assert_int_equal(grow(&found, &why), STATUS_BUSY);
	assert_non_null(why);
	disk_make(NULL);
	disk.sectors = LARGER * scale;
	sector(2)[200]++;
	assert_int_equal(grow(&found, &why), STATUS_CORRUPT);
	disk_make(NULL);
	memset(sector(2) + 100 * 128, 0, 128);
	header_make(1, SECTORS - 1, 2, 128);
	assert_int_equal(grow(&found, &why), STATUS_NOT_FOUND);
	disk_make(NULL);
	failing_sector = 1;
	assert_int_equal(grow(&found, &why), STATUS_IO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_grow, disk_make),
		cmocka_unit_test_setup(test_grow_cut, disk_make),
		cmocka_unit_test_setup(test_grow_stalled, disk_make),
		cmocka_unit_test_setup(test_grow_again, disk_make),
		cmocka_unit_test_setup(test_grow_refused, disk_make),
		cmocka_unit_test(test_crc),
		cmocka_unit_test_setup(test_found, disk_make),
		cmocka_unit_test_setup(test_second_table_serves, disk_make),
		cmocka_unit_test_setup(test_no_table, disk_make),
		cmocka_unit_test_setup(test_every_byte_of_the_first_table, disk_make),
		cmocka_unit_test_setup(test_no_store_partition, disk_make),
		cmocka_unit_test_setup(test_partition_beyond_the_disk, disk_make),
		cmocka_unit_test_setup(test_hostile_headers, disk_make),
		cmocka_unit_test_setup(test_empty_and_inverted_ranges, disk_make),
		cmocka_unit_test_setup(test_read_errors, disk_make),
		cmocka_unit_test_setup(test_passing_errors, disk_make),
		cmocka_unit_test_setup(test_find_stalled, disk_make),
	};

	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	scale = BLOCK_SECTORS;
	return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
