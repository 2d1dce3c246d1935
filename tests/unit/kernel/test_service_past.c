/* SPDX-License-Identifier: MIT */
/*
 * test_service_past.c - kernel/service_past.c: what is asked of a snapshot, over one that holds
 * a directory and a segment.
 */
#include "kernel/service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define SNAPSHOT 3u
#define SEGMENT	 20u
#define PAGES	 40u /* the segment's first page */
#define SIZE	 (2 * PAGE_SIZE + 100)

struct kernel kernel;

static struct {
	enum status open, read;
	object_t asked;
	char last[TREE_KEY_MAX + 1]; /* a name was asked for behind this one */
	bool exact;
} fake;
static struct service service;

enum status store_view_open(struct store *store, snapshot_t snapshot, struct store_view *view)
{
	(void)store;
	(void)view;
	return snapshot.n == SNAPSHOT ? fake.open : STATUS_NOT_FOUND;
}

enum status object_read(struct space *space, object_t object, struct disk_object *record)
{
	fake.asked = object;
	/* As many pages of the past are kept as that has looked at. */
	space->kept_pages = SPACE_KEPT;
	memset(record, 0, sizeof(*record));
	record->type = object.n == SEGMENT ? OBJECT_SEGMENT : OBJECT_DIRECTORY;
	record->size = SIZE;
	record->first_page = PAGES;
	return object.n == SEGMENT || object.n == OBJECT_ROOT_DIRECTORY ? STATUS_OK
									: STATUS_NOT_FOUND;
}

/* The second page does not exist; of the others each byte is its number. */
enum status space_read(struct space *space, page_t page, void **data)
{
	static uint8_t bytes[PAGE_SIZE];

	assert_int_equal(space->kept_pages, 0);
	if (page.n == PAGES + 1)
		return STATUS_ABSENT;
	memset(bytes, (int)page.n, sizeof(bytes));
	bytes[0] = 0xff;
	*data = bytes;
	return fake.read;
}

bool directory_name_valid(const char *name, size_t length)
{
	return length > 0 && !memchr(name, '/', length);
}

enum status entry_next(struct space *space, object_t directory, const char *name, size_t length,
		       struct directory_entry *entry)
{
	assert_int_equal(space->kept_pages, 0);
	assert_int_equal(directory.n, OBJECT_ROOT_DIRECTORY);
	memcpy(fake.last, name, length);
	entry->length = 4;
	memcpy(entry->name, "next", 4);
	return STATUS_OK;
}

enum status entry_lookup(struct space *space, object_t directory, const char *name, size_t length,
			 struct disk_capability *capability)
{
	assert_int_equal(space->kept_pages, 0);
	assert_int_equal(directory.n, OBJECT_ROOT_DIRECTORY);
	memset(capability, 0, sizeof(*capability));
	fake.exact = true;
	return length == 4 && memcmp(name, "here", 4) == 0 ? STATUS_OK : STATUS_NOT_FOUND;
}

enum status service_answer_entry(struct service *answer, struct space *space,
				 const struct directory_entry *entry)
{
	assert_int_equal(space->kept_pages, 0);
	memcpy(answer->data, entry->name, entry->length);
	answer->length = entry->length;
	return STATUS_OK;
}

/* ---- tests ------------------------------------------------------------------------------ */

static int setup(void **state)
{
	(void)state;
	memset(&fake, 0, sizeof(fake));
	memset(&kernel, 0, sizeof(kernel));
	return 0;
}

static enum status bytes(uint64_t snapshot, uint64_t object, uint64_t offset)
{
	memset(&service, 0, sizeof(service));
	memset(service.data, 0xaa, sizeof(service.data));
	service.message = (struct transit){.word = {snapshot, object, offset}};
	return store_op_past_bytes(&service);
}

static enum status name(const char *text, size_t length, uint64_t exact)
{
	memset(&service, 0, sizeof(service));
	memset(&fake, 0, sizeof(fake));
	service.message =
		(struct transit){.word = {SNAPSHOT, 0, exact}, .data = text, .length = length};
	return store_op_past_name(&service);
}

/* Up to the end of a page, of the message, and of the segment. */
static void test_bytes(void **state)
{
	(void)state;
	for (uint64_t offset = 0; offset < SIZE; offset += 50) {
		uint64_t page = offset / PAGE_SIZE, at = offset % PAGE_SIZE;
		uint64_t left = page == 2 ? SIZE - offset : PAGE_SIZE - at;
		uint64_t length = left < MESSAGE_DATA ? left : MESSAGE_DATA;

		assert_int_equal(bytes(SNAPSHOT, SEGMENT, offset), STATUS_OK);
		assert_int_equal(service.word[0], SIZE);
		assert_int_equal(service.length, length);
		for (uint64_t i = 0; i < length; i++)
			assert_int_equal(service.data[i], page == 1	? 0
							  : at + i == 0 ? 0xff
									: PAGES + page);
		if (length < MESSAGE_DATA)
			assert_int_equal(service.data[length], 0xaa);
	}
	for (uint64_t offset = SIZE; offset < SIZE + 3; offset++) {
		assert_int_equal(bytes(SNAPSHOT, SEGMENT, offset), STATUS_OK);
		assert_int_equal(service.word[0], SIZE);
		assert_int_equal(service.length, 0);
	}
	fake.read = STATUS_CORRUPT;
	assert_int_equal(bytes(SNAPSHOT, SEGMENT, 0), STATUS_CORRUPT);
	assert_int_equal(service.length, 0);
}

static void test_refused(void **state)
{
	(void)state;
	/* The live state has capabilities. */
	assert_int_equal(bytes(0, SEGMENT, 0), STATUS_INVALID);
	assert_int_equal(bytes(SNAPSHOT + 1, SEGMENT, 0), STATUS_NOT_FOUND);
	assert_int_equal(bytes(SNAPSHOT, SEGMENT + 1, 0), STATUS_NOT_FOUND);
	/* No number is cut to another's. */
	assert_int_equal(bytes(SNAPSHOT, (UINT64_C(1) << 32) + SEGMENT, 0), STATUS_NOT_FOUND);
	fake.asked.n = 0;
	assert_int_equal(bytes(SNAPSHOT, OBJECT_MAX, 0), STATUS_NOT_FOUND);
	assert_int_equal(fake.asked.n, 0);
	/* 0 is the root, which has no bytes. */
	assert_int_equal(bytes(SNAPSHOT, 0, 0), STATUS_WRONG_TYPE);
	assert_int_equal(fake.asked.n, OBJECT_ROOT_DIRECTORY);
}

/* Who waits is not answered. */
static void test_wait(void **state)
{
	(void)state;
	fake.open = STATUS_WAIT;
	assert_int_equal(bytes(SNAPSHOT, SEGMENT, 0), STATUS_WAIT);
	setup(state);
	fake.read = STATUS_WAIT;
	assert_int_equal(bytes(SNAPSHOT, SEGMENT, 0), STATUS_WAIT);
}

static void test_names(void **state)
{
	static char longer[TREE_KEY_MAX + 1];

	(void)state;
	memset(longer, 'n', sizeof(longer));
	assert_int_equal(name("before", 6, 0), STATUS_OK);
	assert_string_equal(fake.last, "before");
	assert_memory_equal(service.data, "next", 4);
	assert_int_equal(name("", 0, 0), STATUS_OK);
	assert_string_equal(fake.last, "");
	assert_int_equal(name("here", 4, 1), STATUS_OK);
	assert_true(fake.exact);
	assert_int_equal(service.length, 4);
	assert_memory_equal(service.data, "here", 4);
	assert_int_equal(name("gone", 4, 1), STATUS_NOT_FOUND);
	assert_int_equal(name("a/b", 3, 1), STATUS_INVALID);
	assert_false(fake.exact);
	assert_int_equal(name(longer, TREE_KEY_MAX, 0), STATUS_OK);
	assert_int_equal(name(longer, TREE_KEY_MAX + 1, 0), STATUS_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_bytes, setup),
		cmocka_unit_test_setup(test_refused, setup),
		cmocka_unit_test_setup(test_wait, setup),
		cmocka_unit_test_setup(test_names, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
