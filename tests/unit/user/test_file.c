/* SPDX-License-Identifier: MIT */
/*
 * test_file.c - user/lib/file.c, file_set: what a reader or a checkpoint sees that
 * comes between any two of its calls.  The segment is an array; a look is taken
 * before and after each change of its size.
 */
#include "user/lib/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
#include "user/lib/segment.h"

#define ROOM (3 * PAGE_SIZE)

static _Alignas(16) uint8_t memory[ROOM];
static uint64_t size;	 /* the segment's */
static uint64_t allowed; /* what its bank pays for */
static uint64_t expected;
static unsigned looks;

/* Old text is `o`, new text is `n`.  Where there is any new text, there is all of it if
 * it is long; and nothing of the old one in the bytes that change at once. */
static void look(void)
{
	uint64_t new = 0;

	looks++;
	for (uint64_t i = 0; i < size; i++)
		new += memory[i] == 'n';
	if (new > 0 && expected > FILE_HEAD)
		assert_int_equal(new, expected);
	for (uint64_t i = 0; new > 0 && i < FILE_HEAD; i++)
		assert_int_not_equal(memory[i], 'o');
}

enum status segment_resize(struct segment segment, uint64_t bytes)
{
	(void)segment;
	if (bytes > allowed)
		return STATUS_NO_SPACE;
	look();
	if (bytes < size)
		memset(memory + bytes, 0, size - bytes);
	size = bytes;
	look();
	return STATUS_OK;
}

enum status segment_info(struct segment segment, struct segment_info *info)
{
	(void)segment;
	memset(info, 0, sizeof(*info));
	return STATUS_OK;
}

static struct file file_with(uint64_t old)
{
	memset(memory, 0, sizeof(memory));
	memset(memory, 'o', old);
	size = old;
	allowed = ROOM;
	return (struct file){
		.address = (uintptr_t)memory, .size = old, .size_max = ROOM, .attached = true};
}

static const uint64_t lengths[] = {
	0, 1, 2, 15, 16, 17, 18, 40, 41, 42, PAGE_SIZE - 1, PAGE_SIZE, PAGE_SIZE + 1, ROOM};
#define LENGTHS (sizeof(lengths) / sizeof(lengths[0]))

static void test_every_change_of_length(void **state)
{
	static uint8_t text[ROOM];

	(void)state;
	memset(text, 'n', sizeof(text));
	looks = 0;
	for (size_t i = 0; i < LENGTHS; i++) {
		for (size_t j = 0; j < LENGTHS; j++) {
			struct file file = file_with(lengths[i]);

			expected = lengths[j];
			assert_int_equal(file_set(&file, text, expected), STATUS_OK);
			assert_int_equal(size, expected);
			assert_int_equal(file.size, expected);
			assert_memory_equal(memory, text, expected);
			for (uint64_t k = expected; k < ROOM; k++)
				assert_int_equal(memory[k], 0);
		}
	}
	assert_true(looks > LENGTHS * LENGTHS);
}

/* What does not fit changes nothing. */
static void test_refused(void **state)
{
	static const uint8_t text[ROOM + 1];
	struct file file = file_with(40);

	(void)state;
	assert_int_equal(file_set(&file, text, ROOM + 1), STATUS_LIMIT);
	allowed = 41;
	assert_int_equal(file_set(&file, text, 42), STATUS_NO_SPACE);
	assert_int_equal(size, 40);
	for (uint64_t i = 0; i < 40; i++)
		assert_int_equal(memory[i], 'o');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_change_of_length),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
