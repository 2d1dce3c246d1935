/* SPDX-License-Identifier: MIT */
/*
 * test_fake_directory.c - what a capability to a directory gives: never more than it may, never
 * what is above, and its names one by one or many at a time, which is the same.
 */
#include <stdio.h>
#include "tests/unit/kernel/fake_matrix.h"

enum { R = RIGHT_READ, W = RIGHT_WRITE, X = RIGHT_EXECUTE, D = RIGHT_DESTROY };

static struct disk_capability top, middle;
static uint64_t chance;

static uint32_t answered(void)
{
	return (uint32_t)(registers()[REGISTER_RAX] >> 16 & 0xffff);
}

static uint64_t word(unsigned n)
{
	return registers()[call_word_register[n]];
}

static void link_name(const struct disk_capability *directory, const char *name,
		      const struct disk_capability *capability)
{
	fake_begin();
	assert_int_equal(entry_link(&kernel.space, (object_t){directory->object}, name,
				    strlen(name), capability, false),
			 STATUS_OK);
	fake_begin();
}

static void destroy_now(const struct disk_capability *capability)
{
	fake_begin();
	assert_int_equal(fake_destroy(&kernel.space, (object_t){capability->object}), STATUS_OK);
	fake_begin();
}

/* What TARGET answers to this; what it gives comes to MADE. */
static enum status ask(uint64_t label, const void *bytes, uint32_t length)
{
	struct disk_capability none = {.version = 0};

	fake_place(&caller, MADE, &none);
	memcpy(data(), bytes, length);
	registers()[REGISTER_R14] = 0;
	registers()[REGISTER_R15] = MADE;
	assert_int_equal(call(ENTRY_CALL, TARGET, label, length), FAKE_DONE);
	assert_int_equal(fake_result(&caller), STATUS_OK);
	return (enum status)registers()[REGISTER_RSI];
}

static enum status ask_name(uint64_t label, const char *name)
{
	return ask(label, name, (uint32_t)strlen(name));
}

static void through(const struct disk_capability *directory, uint16_t rights)
{
	struct disk_capability capability = *directory;

	capability.rights = rights;
	fake_place(&caller, TARGET, &capability);
}

/* A directory `top` with a directory `middle`, and in this one a directory, a segment and a port,
 * all with all rights.  Numbers of objects are larger than what else a word can be. */
static void tree(void)
{
	struct disk_capability below, file, port;

	world();
	((struct disk_system *)(void *)fake_page(SYSTEM_PAGE))->next_object = 5000;
	fake_adopt();
	top = fake_create(OBJECT_DIRECTORY, 0);
	assert_true(top.object >= 5000);
	middle = fake_create(OBJECT_DIRECTORY, 0);
	below = fake_create(OBJECT_DIRECTORY, 0);
	file = fake_create(OBJECT_SEGMENT, 100);
	port = fake_create(OBJECT_PORT, 4);
	link_name(&top, "m", &middle);
	link_name(&middle, "s", &below);
	link_name(&middle, "f", &file);
	link_name(&middle, "p", &port);
	link_name(&below, "f", &file);
	fake_place(&caller, OTHER, &file);
}

/* ---- rights --------------------------------------------------------------------------------- */

/* What a lookup gives, and what is told of it before. */
static void gives(const char *name, uint16_t rights)
{
	struct abi_entry_listed listed;
	uint16_t own = fake_held(&caller, TARGET).rights;
	enum status wanted = own & R ? STATUS_OK : STATUS_NO_RIGHT;
	char before[2] = {(char)(name[0] - 1), 0};

	assert_int_equal(ask_name(DIRECTORY_NEXT, before), wanted);
	if (own & R)
		assert_int_equal(word(2), rights);
	assert_int_equal(ask_name(DIRECTORY_LIST, before), wanted);
	if (own & R) {
		memcpy(&listed, data(), sizeof(listed));
		assert_int_equal(listed.rights, rights);
	}
	assert_int_equal(ask_name(DIRECTORY_INFO, ""), wanted);
	assert_int_equal(ask_name(DIRECTORY_LOOKUP, name), STATUS_OK);
	assert_int_equal(fake_held(&caller, MADE).rights, rights);
}

static void test_rights(void **state)
{
	uint16_t directory = object_rights(OBJECT_DIRECTORY), file = object_rights(OBJECT_SEGMENT);
	struct disk_capability below;

	(void)state;
	tree();
	through(&middle, R | W | D);
	gives("f", file);
	gives("p", object_rights(OBJECT_PORT));
	gives("s", directory);
	through(&middle, W | X);
	gives("s", directory);
	through(&middle, R | D);
	gives("f", file & (R | X));
	gives("p", object_rights(OBJECT_PORT) & (R | X)); /* nothing can be sent */
	gives("s", R);
	through(&middle, X | D);
	gives("f", file & (R | X));
	gives("s", X);
	/* And so on below. */
	below = fake_held(&caller, MADE);
	fake_place(&caller, TARGET, &below);
	gives("f", file & (R | X));
	assert_int_equal(ask_name(DIRECTORY_UNLINK, "f"), STATUS_NO_RIGHT);
	through(&middle, W | D);
	assert_int_equal(ask_name(DIRECTORY_LOOKUP, "f"), STATUS_NO_RIGHT);
	through(&middle, D);
	assert_int_equal(ask_name(DIRECTORY_LOOKUP, "f"), STATUS_NO_RIGHT);
	/* Who may list can make a capability with which one looks up only. */
	through(&middle, R | W | D);
	words(TARGET, MADE, X, 0);
	assert_int_equal(call(ENTRY_CALL, SLOT_TABLE, TABLE_REDUCE, 0), FAKE_DONE);
	assert_int_equal(registers()[REGISTER_RSI], STATUS_OK);
	assert_int_equal(fake_held(&caller, MADE).rights, X);
	at.name = NULL;
}

/* ---- above ---------------------------------------------------------------------------------- */

static void not_above(const struct disk_capability *capability)
{
	assert_int_not_equal(capability->object, top.object);
	assert_int_not_equal(capability->object, OBJECT_ROOT_DIRECTORY);
}

static void names_nothing_above(uint64_t label)
{
	uint32_t length = answered();

	for (unsigned i = 0; i < MESSAGE_WORDS; i++)
		assert_int_not_equal(word(i), top.object);
	for (uint32_t at_byte = 0; label == DIRECTORY_LIST && at_byte < length;) {
		struct abi_entry_listed listed;

		memcpy(&listed, data() + at_byte, sizeof(listed));
		assert_int_not_equal(listed.object, top.object);
		at_byte += (uint32_t)sizeof(listed) + listed.length;
	}
}

/* Whatever is asked of it, with whatever rights and words, by whatever names. */
static bool asked(const struct listed *operation)
{
	static const char *const names[] = {"", ".", "..", "/", "m", "s", "f", "../m", "ss", "..s"};
	static const uint16_t rights[] = {R, W, X, R | W | D, RIGHT_ALL};
	static const uint16_t passed[] = {0, OTHER, TARGET, SLOT_SELF};
	const char *name = names[fake_random(&chance) % 10];
	struct disk_capability held, none = {.version = 0};

	tree();
	through(&middle, rights[fake_random(&chance) % 5]);
	fake_place(&caller, MADE, &none);
	memcpy(data(), name, strlen(name) + 1);
	for (unsigned i = 0; i < MESSAGE_WORDS; i++) {
		const uint64_t some[] = {0, 0, 1, 1, 2, 3, top.object, middle.object};

		registers()[call_word_register[i]] = some[fake_random(&chance) % 8];
	}
	registers()[REGISTER_R14] = passed[fake_random(&chance) % 4];
	registers()[REGISTER_R15] = MADE;
	if (call(ENTRY_CALL, TARGET, operation->label, (uint32_t)strlen(name)) != FAKE_DONE ||
	    registers()[REGISTER_RSI] != STATUS_OK)
		return false;
	names_nothing_above(operation->label);
	held = fake_held(&caller, MADE);
	not_above(&held);
	/* What is above is as it was. */
	fake_begin();
	assert_int_equal(entry_lookup(&kernel.space, (object_t){top.object}, "m", 1, &held),
			 STATUS_OK);
	assert_memory_equal(&held, &middle, sizeof(held));
	assert_int_equal(record_of(&top).size, 1);
	assert_int_equal(record_of(&middle).directory.place, top.object);
	return true;
}

static void test_above(void **state)
{
	(void)state;
	for (size_t i = 0; i < LISTED; i++) {
		unsigned done = 0;

		if (listed[i].label >> 8 != OBJECT_DIRECTORY)
			continue;
		chance = listed[i].label;
		for (unsigned times = 0; times < 60 || (!done && times < 2000); times++)
			done += asked(&listed[i]);
		if (!done)
			fail_msg("%s was never done", listed[i].name);
	}
	at.name = NULL;
}

/* ---- lists ---------------------------------------------------------------------------------- */

/* The last that an answer lists; how many it is about. */
static uint64_t listed_last(char last[TREE_KEY_MAX + 1], uint64_t first)
{
	uint32_t at_byte = 0, length = answered();
	uint64_t count = word(0), alive = word(1);
	uint8_t answer[MESSAGE_DATA];

	memcpy(answer, data(), sizeof(answer));
	for (uint64_t n = 0; n < count; n++) {
		struct abi_entry_listed listed;

		assert_true(at_byte + sizeof(listed) <= length);
		memcpy(&listed, answer + at_byte, sizeof(listed));
		at_byte += (uint32_t)sizeof(listed);
		assert_true(listed.length && at_byte + listed.length <= length);
		/* What it is one by one. */
		assert_int_equal(ask_name(DIRECTORY_NEXT, first + n ? last : ""), STATUS_OK);
		assert_int_equal(answered(), listed.length);
		assert_memory_equal(data(), answer + at_byte, listed.length);
		assert_int_equal(word(0), listed.type);
		assert_int_equal(word(1), listed.size);
		assert_int_equal(word(2), listed.rights);
		assert_int_equal(word(3), listed.object);
		assert_int_equal(word(4), alive >> n & 1);
		memcpy(last, answer + at_byte, listed.length);
		last[listed.length] = '\0';
		at_byte += listed.length;
	}
	assert_int_equal(at_byte, length);
	return count;
}

static void test_list(void **state)
{
	struct disk_capability made, directory;
	char last[TREE_KEY_MAX + 1] = "", name[TREE_KEY_MAX + 1];
	uint64_t seen = 0, calls = 0, begun;

	(void)state;
	world();
	directory = fake_create(OBJECT_DIRECTORY, 0);
	through(&directory, R | W);
	assert_int_equal(ask_name(DIRECTORY_LIST, ""), STATUS_NOT_FOUND);
	for (unsigned i = 0; i < 400; i++) {
		made = fake_create(i % 3 ? OBJECT_SEGMENT : OBJECT_PORT, 1 + i % 7);
		snprintf(name, sizeof(name), "%0*u", i % 50 ? 6 : 250, i);
		link_name(&directory, name, &made);
		if (i % 11 == 0)
			destroy_now(&made);
	}
	memset(name, 'x', sizeof(name));
	assert_int_equal(ask(DIRECTORY_LIST, name, TREE_KEY_MAX + 1), STATUS_INVALID);
	for (;; calls++) {
		begun = kernel.space.reads;
		if (ask_name(DIRECTORY_LIST, seen ? last : "") != STATUS_OK)
			break;
		assert_true(kernel.space.reads - begun < 64 + 60);
		seen += listed_last(last, seen);
	}
	assert_int_equal(registers()[REGISTER_RSI], STATUS_NOT_FOUND);
	assert_int_equal(seen, 400);
	assert_true(calls < 400 / 7);
	at.name = NULL;
}

/* However much there is to be looked at for each: here a line of banks of its own. */
static void test_list_bounded(void **state)
{
	struct disk_capability bank, directory;
	uint64_t seen = 0, calls = 0, begun;
	char name[8] = "";

	(void)state;
	world();
	directory = fake_create(OBJECT_DIRECTORY, 0);
	through(&directory, R);
	for (unsigned i = 0; i < 30; i++) {
		bank = fake_create(OBJECT_BANK, 20);
		for (uint64_t size = 18; size > 6; size--)
			bank = fake_create_from((object_t){bank.object}, OBJECT_BANK, size);
		snprintf(name, sizeof(name), "%02u", i);
		link_name(&directory, name, &bank);
	}
	for (; seen < 30; calls++) {
		snprintf(name, sizeof(name), "%02u", (unsigned)seen - 1);
		begun = kernel.space.reads;
		assert_int_equal(ask_name(DIRECTORY_LIST, seen ? name : ""), STATUS_OK);
		assert_true(kernel.space.reads - begun < 64 + 60);
		assert_true(word(0) > 1);
		seen += word(0);
	}
	assert_true(calls > 1);
	at.name = NULL;
}

/* What was found before a page that is not there yet is told. */
static void test_list_waits(void **state)
{
	struct disk_capability made, directory;
	char name[8];
	unsigned before = 0;

	(void)state;
	world();
	directory = fake_create(OBJECT_DIRECTORY, 0);
	through(&directory, R);
	for (unsigned i = 0; i < 20; i++) {
		made = fake_create(OBJECT_SEGMENT, 1);
		while (i == 12 && made.object % OBJECTS_PER_PAGE != 1)
			made = fake_create(OBJECT_SEGMENT, 1);
		before += i < 12;
		snprintf(name, sizeof(name), "%02u", i);
		link_name(&directory, name, &made);
	}
	fake_unread(OBJECT_TABLE_PAGE + made.object / OBJECTS_PER_PAGE);
	assert_int_equal(ask_name(DIRECTORY_LIST, ""), STATUS_OK);
	assert_int_equal(word(0), before);
	memcpy(data(), "11", 2);
	assert_int_equal(call(ENTRY_CALL, TARGET, DIRECTORY_LIST, 2), FAKE_PARKED);
	fake_unread(0);
	assert_int_equal(ask_name(DIRECTORY_LIST, "11"), STATUS_OK);
	assert_int_equal(word(0), 20 - before);
	at.name = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(rights), TEST(list), TEST(list_bounded),
					   TEST(list_waits), TEST(above)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
