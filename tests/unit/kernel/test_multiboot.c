/* SPDX-License-Identifier: MIT */
/*
 * test_multiboot.c - the boot loader's information and lists of memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "kernel/x86_64/multiboot.h"

#define MIB UINT64_C(0x100000)

/* ---- information being built --------------------------------------------------------- */

static uint8_t info[65536];
static uint32_t info_bytes;

static void put32(uint32_t value)
{
	memcpy(info + info_bytes, &value, 4);
	info_bytes += 4;
}

static void put64(uint64_t value)
{
	memcpy(info + info_bytes, &value, 8);
	info_bytes += 8;
}

static void begin(void)
{
	memset(info, 0, sizeof info);
	info_bytes = 8;
}

static uint32_t tag_begin(uint32_t type)
{
	info_bytes = (info_bytes + 7) & ~7u;
	put32(type);
	put32(0);
	return info_bytes - 8;
}

static void tag_end(uint32_t start)
{
	uint32_t bytes = info_bytes - start;

	memcpy(info + start + 4, &bytes, 4);
}

static void finish(void)
{
	tag_end(tag_begin(0));
	memcpy(info, &info_bytes, 4);
}

static void map_entry(uint64_t base, uint64_t length, uint32_t kind)
{
	put64(base);
	put64(length);
	put32(kind);
	put32(0);
}

static uint32_t map_begin(void)
{
	uint32_t start = tag_begin(6);

	put32(24);
	put32(0);
	return start;
}

/* Reads a copy of exactly the right size, so that a read beyond is caught. */
static bool read_info(struct multiboot *found)
{
	uint8_t *copy = malloc(info_bytes);
	bool good;

	assert_non_null(copy);
	memcpy(copy, info, info_bytes);
	good = multiboot_read(copy, found);
	free(copy);
	return good;
}

static void expect_range(const struct memory_list *list, uint32_t index, uint64_t first,
			 uint64_t end)
{
	assert_true(index < list->count);
	assert_int_equal(list->range[index].first, first);
	assert_int_equal(list->range[index].first + list->range[index].pages * PAGE_SIZE, end);
}

/* ---- tests ------------------------------------------------------------------------------ */

static void test_bios(void **state)
{
	struct multiboot found;
	uint32_t tag;

	(void)state;
	begin();
	tag = tag_begin(1);
	memcpy(info + info_bytes, "panic=reboot verbose", 21);
	info_bytes += 21;
	tag_end(tag);
	tag = map_begin();
	map_entry(0, 0x9fc00, 1);
	map_entry(0x9fc00, 0x400, 2);
	map_entry(0xf0000, 0x10000, 2);
	map_entry(MIB, 62 * MIB, 1);
	map_entry(63 * MIB, MIB, 3);
	tag_end(tag);
	tag = tag_begin(14);
	memset(info + info_bytes, 7, 20);
	info_bytes += 20;
	tag_end(tag);
	finish();
	assert_true(read_info(&found));
	assert_string_equal(found.command_line, "panic=reboot verbose");
	assert_int_equal(found.rsdp_bytes, 20);
	assert_false(found.from_uefi);
	assert_int_equal(found.memory_bytes, 0x9fc00 + 62 * MIB);
	assert_int_equal(found.usable.count, 2);
	expect_range(&found.usable, 0, 0, 0x9f000); /* the broken page is left out */
	expect_range(&found.usable, 1, MIB, 63 * MIB);
	expect_range(&found.kept, 1, MIB, 64 * MIB); /* ACPI tables stay mapped */
}

static void module_add(uint32_t start, uint32_t end, const char *name)
{
	uint32_t tag = tag_begin(3);

	put32(start);
	put32(end);
	memcpy(info + info_bytes, name, strlen(name) + 1);
	info_bytes += (uint32_t)strlen(name) + 1;
	tag_end(tag);
}

/* The store's first sectors are the module of that name, whatever else there is. */
static void test_store_module(void **state)
{
	struct multiboot found;
	uint32_t tag;

	(void)state;
	begin();
	tag = map_begin();
	map_entry(MIB, 62 * MIB, 1);
	tag_end(tag);
	module_add(0x200000, 0x201000, "storeroom");
	module_add(0x300000, 0x302000, "store");
	module_add(0x400000, 0x400000, "store"); /* empty */
	module_add(0x500000, 0x501000, "");
	tag_end(tag_begin(3)); /* no room for its fields */
	finish();
	assert_true(read_info(&found));
	assert_int_equal(found.store, 0x300000);
	assert_int_equal(found.store_bytes, 0x2000);
	begin();
	tag = map_begin();
	map_entry(MIB, 62 * MIB, 1);
	tag_end(tag);
	finish();
	assert_true(read_info(&found));
	assert_int_equal(found.store_bytes, 0);
}

/* Unsorted, touching, overlapping, with holes that others declare. */
static void test_disorder(void **state)
{
	struct multiboot found;
	uint32_t tag;

	(void)state;
	begin();
	tag = map_begin();
	map_entry(8 * MIB, 2 * MIB, 1);
	map_entry(2 * MIB, 4 * MIB, 1);
	map_entry(6 * MIB, 2 * MIB, 1);
	map_entry(5 * MIB + 1, 1, 2); /* one reserved byte takes its page */
	map_entry(9 * MIB, 4 * MIB, 1);
	map_entry(UINT64_MAX - 10, 100, 1); /* wraps around */
	map_entry(0, 0, 1);
	tag_end(tag);
	finish();
	assert_true(read_info(&found));
	assert_int_equal(found.usable.count, 2);
	expect_range(&found.usable, 0, 2 * MIB, 5 * MIB);
	expect_range(&found.usable, 1, 5 * MIB + PAGE_SIZE, 13 * MIB);
}

static void test_efi_map_alone(void **state)
{
	struct multiboot found;
	uint32_t tag;

	(void)state;
	begin();
	tag = tag_begin(17);
	put32(48);
	put32(1);
	static const struct {
		uint32_t type;
		uint64_t base, pages;
	} entries[] = {{7, 0, 160},	  {3, MIB, 256},     {4, 2 * MIB, 256}, {2, 3 * MIB, 256},
		       {5, 4 * MIB, 256}, {9, 5 * MIB, 256}, {7, 6 * MIB, 256}};
	for (uint32_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
		put32(entries[i].type);
		put32(0);
		put64(entries[i].base);
		put64(0);
		put64(entries[i].pages);
		put64(0xf);
		put64(0);
	}
	tag_end(tag);
	finish();
	assert_true(read_info(&found));
	assert_true(found.from_uefi);
	assert_int_equal(found.usable.count, 3);
	expect_range(&found.usable, 1, MIB, 4 * MIB);
	expect_range(&found.usable, 2, 6 * MIB, 7 * MIB);
	expect_range(&found.kept, 2, 5 * MIB, 7 * MIB);
}

/* Truncated and lying tags: refused or ignored, never read beyond. */
static void test_hostile(void **state)
{
	struct multiboot found;
	uint32_t seed = 3, good = 0;

	(void)state;
	for (uint32_t round = 0; round < 20000; round++) {
		begin();
		uint32_t tag = tag_begin(1);
		memcpy(info + info_bytes, "command", 7);
		info_bytes += 7;
		tag_end(tag);
		tag = map_begin();
		map_entry(MIB, MIB, 1);
		map_entry(4 * MIB, MIB, 3);
		tag_end(tag);
		tag = tag_begin(15);
		info_bytes += round % 40;
		tag_end(tag);
		finish();
		for (uint32_t i = 0; i < 3; i++) {
			seed = seed * 1103515245u + 12345u;
			info[4 + (seed >> 8) % (info_bytes - 4)] = (uint8_t)(seed >> 24);
		}
		good += read_info(&found);
		assert_true(found.usable.count <= ARCH_MEMORY_RANGES);
		assert_true(found.rsdp_bytes <= MULTIBOOT_RSDP_BYTES);
		assert_true(strlen(found.command_line) < sizeof found.command_line);
	}
	assert_true(good > 1000);
}

static void test_no_memory(void **state)
{
	struct multiboot found;
	uint32_t tag;

	(void)state;
	begin();
	finish();
	assert_false(read_info(&found));
	begin();
	tag = map_begin();
	map_entry(MIB, MIB, 2);
	tag_end(tag);
	finish();
	assert_false(read_info(&found));
}

/* Random additions and removals against a bitmap of 1,024 pages. */
static void test_list_against_bitmap(void **state)
{
	static bool bitmap[1024];
	struct memory_list list = {.count = 0};
	uint32_t seed = 11;

	(void)state;
	for (uint32_t round = 0; round < 20000; round++) {
		seed = seed * 1103515245u + 12345u;
		/* Few boundaries, so that no more than 64 ranges can arise. */
		uint64_t first = (seed >> 8) % 65 * 16, end = first + (seed >> 20) % 12 * 16;
		if (end > 1024)
			end = 1024;
		bool add = seed >> 31;
		if (add)
			memory_list_add(&list, first * PAGE_SIZE, end * PAGE_SIZE);
		else
			memory_list_remove(&list, first * PAGE_SIZE, end * PAGE_SIZE);
		for (uint64_t page = first; page < end; page++)
			bitmap[page] = add;
		uint64_t at = 0;
		for (uint32_t i = 0; i < list.count; i++) {
			uint64_t from = list.range[i].first / PAGE_SIZE;
			uint64_t to = from + list.range[i].pages;
			assert_true(i == 0 || from > at);
			for (; at < from; at++)
				assert_false(bitmap[at]);
			assert_true(to > from);
			for (; at < to; at++)
				assert_true(bitmap[at]);
		}
		for (; at < 1024; at++)
			assert_false(bitmap[at]);
	}
}

/* More ranges than fit: the largest stay. */
static void test_list_overflow(void **state)
{
	struct memory_list list = {.count = 0};

	(void)state;
	for (uint64_t i = 0; i < 100; i++)
		memory_list_add(&list, i * MIB, i * MIB + (1 + i * 37 % 100) * PAGE_SIZE);
	assert_int_equal(list.count, ARCH_MEMORY_RANGES);
	for (uint32_t i = 0; i < list.count; i++) {
		assert_true(list.range[i].pages > 100 - ARCH_MEMORY_RANGES);
		assert_true(i == 0 || list.range[i].first > list.range[i - 1].first);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bios),	      cmocka_unit_test(test_disorder),
		cmocka_unit_test(test_efi_map_alone), cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_no_memory),     cmocka_unit_test(test_list_against_bitmap),
		cmocka_unit_test(test_list_overflow), cmocka_unit_test(test_store_module),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
