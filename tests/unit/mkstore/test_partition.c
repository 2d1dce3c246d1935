/* SPDX-License-Identifier: MIT */
/*
 * test_partition.c - GPT: sound, damaged and hostile tables.
 */
#include "tools/mkstore/partition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "disk/partition.h"
#include "disk/types.h"

#define DISK_SECTORS 2048u
#define ENTRIES	     128u
#define ARRAY_BYTES  (ENTRIES * 128u)
#define PRIMARY	     1u
#define BACKUP	     (DISK_SECTORS - 1)
#define FIRST	     256u
#define LAST	     1919u

static uint8_t disk[DISK_SECTORS][SECTOR_SIZE];
static uint64_t unreadable = UINT64_MAX;

static void put32(uint8_t *at, uint32_t value)
{
	memcpy(at, &value, sizeof(value));
}

static void put64(uint8_t *at, uint64_t value)
{
	memcpy(at, &value, sizeof(value));
}

/* Makes both checksums of a header right. */
static void seal(uint64_t sector)
{
	uint8_t *header = disk[sector];
	uint64_t array;
	uint32_t entries, size;

	memcpy(&array, header + 72, sizeof(array));
	memcpy(&entries, header + 80, sizeof(entries));
	memcpy(&size, header + 84, sizeof(size));
	if (array < DISK_SECTORS &&
	    (uint64_t)entries * size <= (DISK_SECTORS - array) * SECTOR_SIZE)
		put32(header + 88, partition_crc32(0, disk[array], (size_t)entries * size));
	put32(header + 16, 0);
	put32(header + 16, partition_crc32(0, header, 92));
}

static void write_header(uint64_t sector, uint64_t other, uint64_t array)
{
	uint8_t *header = disk[sector];

	memset(header, 0, SECTOR_SIZE);
	memcpy(header, "EFI PART", 8);
	put32(header + 8, 0x10000);
	put32(header + 12, 92);
	put64(header + 24, sector);
	put64(header + 32, other);
	put64(header + 40, 34);
	put64(header + 48, DISK_SECTORS - 34);
	put64(header + 72, array);
	put32(header + 80, ENTRIES);
	put32(header + 84, 128);
	seal(sector);
}

/* A disk with a foreign partition first and the store's as the second. */
static int setup(void **state)
{
	static const uint8_t type[16] = DISK_PARTITION_TYPE;
	uint8_t *entry = disk[2] + 128;

	(void)state;
	unreadable = UINT64_MAX;
	memset(disk, 0, sizeof(disk));
	memset(disk[2], 0x11, 16);
	put64(disk[2] + 32, 40);
	put64(disk[2] + 40, 200);
	memcpy(entry, type, sizeof(type));
	memset(entry + 16, 0x22, 16);
	put64(entry + 32, FIRST);
	put64(entry + 40, LAST);
	memcpy(disk[BACKUP - 32], disk[2], ARRAY_BYTES);
	write_header(PRIMARY, BACKUP, 2);
	write_header(BACKUP, PRIMARY, BACKUP - 32);
	return 0;
}

static enum status disk_read(void *context, uint64_t sector, uint32_t sectors, void *data)
{
	(void)context;
	if (sector > DISK_SECTORS || sectors > DISK_SECTORS - sector)
		return STATUS_IO;
	if (unreadable >= sector && unreadable < sector + sectors)
		return STATUS_IO;
	memcpy(data, disk[sector], (size_t)sectors * SECTOR_SIZE);
	return STATUS_OK;
}

static enum status find(struct partition *partition)
{
	struct partition_source source = {.sectors = DISK_SECTORS, .read = disk_read};

	return partition_find(&source, partition);
}

static void expect_found(bool backup)
{
	struct partition partition;

	assert_int_equal(find(&partition), STATUS_OK);
	assert_int_equal(partition.number, 2);
	assert_int_equal(partition.first_sector, FIRST);
	assert_int_equal(partition.sectors, LAST - FIRST + 1);
	assert_int_equal(partition.backup, backup);
	assert_true(backup == (partition.why[0] != 0));
}

static void expect_failure(enum status status, const char *why)
{
	struct partition partition;

	assert_int_equal(find(&partition), status);
	assert_non_null(strstr(partition.why, why));
}

static void test_crc(void **state)
{
	(void)state;
	/* The check value of this checksum. */
	assert_int_equal(partition_crc32(0, "123456789", 9), 0xcbf43926);
	assert_int_equal(partition_crc32(partition_crc32(0, "1234", 4), "56789", 5), 0xcbf43926);
}

static void test_sound(void **state)
{
	(void)state;
	expect_found(false);
}

/* Every byte of the primary header and of the used entries matters. */
static void test_primary_damaged(void **state)
{
	for (unsigned i = 0; i < 92; i++) {
		setup(state);
		disk[PRIMARY][i] ^= 0x40;
		expect_found(true);
	}
	for (unsigned i = 0; i < 256; i++) {
		setup(state);
		disk[2][i] ^= 1;
		expect_found(true);
	}
}

static void test_primary_unreadable(void **state)
{
	(void)state;
	unreadable = PRIMARY;
	expect_found(true);
	unreadable = 2;
	expect_found(true);
}

static void test_both_damaged(void **state)
{
	(void)state;
	disk[PRIMARY][60] ^= 1;
	disk[BACKUP][60] ^= 1;
	expect_failure(STATUS_CORRUPT, "sector 1 is damaged");
	setup(state);
	memset(disk[PRIMARY], 0, SECTOR_SIZE);
	disk[BACKUP][60] ^= 1;
	expect_failure(STATUS_CORRUPT, "sector 2047 is damaged");
}

static void test_no_table(void **state)
{
	struct partition_source small = {.sectors = 2, .read = disk_read};
	struct partition partition;

	(void)state;
	memset(disk[PRIMARY], 0, SECTOR_SIZE);
	memset(disk[BACKUP], 0, SECTOR_SIZE);
	expect_failure(STATUS_NOT_FOUND, "no partition table");
	assert_int_equal(partition_find(&small, &partition), STATUS_NOT_FOUND);
}

static void test_no_store(void **state)
{
	(void)state;
	disk[2][128] ^= 1;
	seal(PRIMARY);
	expect_failure(STATUS_NOT_A_STORE, DISK_PARTITION_TYPE_TEXT);
}

static void test_truncated(void **state)
{
	struct partition_source source = {.sectors = LAST, .read = disk_read};
	struct partition partition;

	(void)state;
	assert_int_equal(partition_find(&source, &partition), STATUS_TRUNCATED);
	assert_non_null(strstr(partition.why, "truncated"));
}

/* Checksums are right, but the numbers are not. */
static void test_hostile(void **state)
{
	static const struct {
		unsigned offset, bytes;
		uint64_t value;
		enum status status;
	} cases[] = {
		{12, 4, 91, STATUS_CORRUPT}, /* header size */
		{12, 4, 513, STATUS_CORRUPT},
		{12, 4, UINT32_MAX, STATUS_CORRUPT},
		{24, 8, BACKUP, STATUS_CORRUPT},     /* own sector: a copy of the backup */
		{72, 8, UINT64_MAX, STATUS_CORRUPT}, /* array outside */
		{72, 8, DISK_SECTORS - 1, STATUS_CORRUPT},
		{80, 4, UINT32_MAX, STATUS_CORRUPT}, /* entries */
		{80, 4, 0, STATUS_CORRUPT},
		{84, 4, 0, STATUS_CORRUPT}, /* entry size */
		{84, 4, 120, STATUS_CORRUPT},
		{84, 4, UINT32_MAX & ~7u, STATUS_CORRUPT},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		setup(state);
		memset(disk[BACKUP], 0, SECTOR_SIZE);
		memcpy(disk[PRIMARY] + cases[i].offset, &cases[i].value, cases[i].bytes);
		seal(PRIMARY);
		expect_failure(cases[i].status, "");
	}
	setup(state);
	put64(disk[2] + 128 + 32, LAST + 1); /* begins behind its end */
	seal(PRIMARY);
	expect_failure(STATUS_TRUNCATED, "spans");
	setup(state);
	put64(disk[2] + 128 + 40, UINT64_MAX);
	seal(PRIMARY);
	expect_failure(STATUS_TRUNCATED, "spans");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crc),
		cmocka_unit_test_setup(test_sound, setup),
		cmocka_unit_test_setup(test_primary_damaged, setup),
		cmocka_unit_test_setup(test_primary_unreadable, setup),
		cmocka_unit_test_setup(test_both_damaged, setup),
		cmocka_unit_test_setup(test_no_table, setup),
		cmocka_unit_test_setup(test_no_store, setup),
		cmocka_unit_test_setup(test_truncated, setup),
		cmocka_unit_test_setup(test_hostile, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
