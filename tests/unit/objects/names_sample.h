/* SPDX-License-Identifier: MIT */
/*
 * names_sample.h - directories with many names of any length, and the pages of their trees.
 */
#ifndef TESTS_UNIT_OBJECTS_NAMES_SAMPLE_H
#define TESTS_UNIT_OBJECTS_NAMES_SAMPLE_H

#include <stdio.h>
#include "tests/unit/objects/fake_store.h"

#define ROOT_DIRECTORY ((object_t){OBJECT_ROOT_DIRECTORY})
#define ROOT_BANK      ((object_t){OBJECT_ROOT_BANK})

static struct space space;
static uint64_t base; /* what the first bank pays for all but trees */

static inline struct disk_capability token(uint64_t badge)
{
	return (struct disk_capability){
		.version = 1, .object = OBJECT_THE_CLOCK, .type = OBJECT_CLOCK, .badge = badge};
}

static inline struct disk_object *record_of(object_t object)
{
	struct disk_object *records =
		(void *)fake_page(OBJECT_TABLE_PAGE + object.n / OBJECTS_PER_PAGE);

	return records + object.n % OBJECTS_PER_PAGE;
}

static inline struct disk_system *system_of(void)
{
	return (void *)fake_page(SYSTEM_PAGE);
}

static inline void begin(uint64_t limit)
{
	space = fake_space_formatted(limit);
	base = fake_bank_pages(&space);
}

/* A bank that may pay for so much, and a directory that it pays for. */
static inline object_t directory_of(uint64_t limit, struct disk_capability *bank)
{
	struct object_request request = {.type = OBJECT_BANK, .size = limit, .size_max = limit};
	struct disk_capability directory;

	fake_begin();
	assert_int_equal(object_create(&space, ROOT_BANK, &request, bank), STATUS_OK);
	/* In another page of the table. */
	system_of()->next_object += OBJECTS_PER_PAGE;
	fake_adopt();
	request = (struct object_request){.type = OBJECT_DIRECTORY};
	fake_begin();
	assert_int_equal(object_create(&space, (object_t){bank->object}, &request, &directory),
			 STATUS_OK);
	return (object_t){directory.object};
}

/* Name n: of 4 to 255 bytes, or `length` if that is not 0. */
static inline size_t name_of(uint32_t n, size_t length, char name[TREE_KEY_MAX + 1])
{
	uint64_t random = n * UINT64_C(2654435761) + 1;
	size_t fill = length ? length : 8 + fake_random(&random) % (TREE_KEY_MAX - 7);

	for (size_t i = 8; i < fill; i++)
		name[i] = (char)('a' + (n + i) % 26);
	/* In no order of the numbers. */
	snprintf(name, 9, "%08x", n * 2654435761u);
	if (fill > 8)
		name[8] = 'x';
	name[fill] = '\0';
	return fill;
}

static inline enum status link_name(object_t directory, uint32_t n, size_t length, bool replace)
{
	struct disk_capability capability = token(n + 1);
	char name[TREE_KEY_MAX + 1];
	size_t bytes = name_of(n, length, name);

	fake_begin();
	return entry_link(&space, directory, name, bytes, &capability, replace);
}

static inline enum status unlink_name(object_t directory, uint32_t n, size_t length)
{
	char name[TREE_KEY_MAX + 1];
	size_t bytes = name_of(n, length, name);

	fake_begin();
	return entry_unlink(&space, directory, name, bytes);
}

/* The banks count what there is, page by page; nothing else has a tree here. */
static inline void pays_exactly(void)
{
	fake_begin();
	fake_invariants(&space);
	assert_int_equal(fake_bank_pages(&space), base + fake_tree_pages());
}

#endif
