/* SPDX-License-Identifier: MIT */
/*
 * test_fake_answers.c - every operation of kernel/operations.def, asked for in whatever way: its
 * answer is one that the list has for it, and whoever is refused has changed nothing.
 */
#include "kernel/print.h"
#include "tests/unit/kernel/fake_matrix.h"

/* So often each is asked for, and on until it was done once. */
enum { TIMES = 300, TIMES_MOST = 20000 };

static uint64_t chance;

static uint64_t pick(const uint64_t *from, size_t count)
{
	return from[fake_random(&chance) % count];
}

#define PICK(...)                                                                                  \
	pick((const uint64_t[]){__VA_ARGS__},                                                      \
	     sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

/* Numbers and addresses of what there is. */
static uint64_t known[4];

static uint64_t some_word(void)
{
	switch (fake_random(&chance) % 6) {
	case 0:
	case 1:
	case 2:
		return PICK(0, 0, 0, 1, 1, 2, FAKE_SNAPSHOT);
	case 3:
		return PICK(TARGET, BANK, MADE, OTHER, OTHER, EMPTY);
	case 4:
		return PICK(known[0], known[1], known[2], known[3], OBJECT_ROOT_DIRECTORY);
	default:
		return PICK(63, 64, 255, 256, 4095, 4096, 1 << 20, 1 << 24,
			    RIGHT_READ | RIGHT_WRITE, RIGHT_ALL, UINT32_MAX, UINT64_C(1) << 44,
			    UINT64_C(1) << 63, UINT64_MAX);
	}
}

static uint32_t some_length(void)
{
	return (uint32_t)PICK(0, 0, 1, 1, 2, 4, 31, 63, 255, 256, LOG_LINE_MAX,
			      sizeof(struct abi_scrub), sizeof(struct disk_registers),
			      sizeof(struct disk_retention), MESSAGE_DATA);
}

/* Names that there are, and none. */
static void some_data(void)
{
	memset(data(), (int)PICK(0, '/', 'a', 'b', 0xff), MESSAGE_DATA);
	if (fake_random(&chance) % 4 == 0)
		memcpy(data(), "fake", 4);
}

/* Its own machine and table, or others. */
static uint64_t invoked(enum object_type type)
{
	bool own = fake_random(&chance) % 2;

	if (own && type == OBJECT_MACHINE)
		return SLOT_SELF;
	return own && type == OBJECT_TABLE ? SLOT_TABLE : TARGET;
}

/* A call that is to go well. */
static void well(uint64_t slot, uint64_t label, uint32_t length)
{
	registers()[REGISTER_R14] = OTHER;
	assert_int_equal(call(ENTRY_CALL, slot, label, length), FAKE_DONE);
	assert_int_equal(registers()[REGISTER_RSI], STATUS_OK);
}

/* What it is asked of; the machine, or the view, has a segment, directories a name, and banks one
 * below. */
static void answering(enum object_type type)
{
	struct disk_capability target, other;

	world();
	kernel_print("a line");
	target = make(type);
	target.aux = kernel.epoch;
	fake_place(&caller, TARGET, &target);
	fake_place(&caller, BANK, &revoker);
	known[0] = target.object;
	other = make(OBJECT_SEGMENT);
	known[3] = other.object;
	known[1] = record_of(&other).first_page << PAGE_SHIFT;
	fake_place(&caller, OTHER, &other);
	words(0, 0, RIGHT_READ, 0);
	well(type == OBJECT_VIEW ? TARGET : SLOT_SELF,
	     type == OBJECT_VIEW ? VIEW_ATTACH : MACHINE_ATTACH, 0);
	other = make(OBJECT_DIRECTORY);
	known[2] = other.object;
	fake_place(&caller, OTHER, &other);
	memcpy(data(), "a", 1);
	words(0, 0, 0, 0);
	if (type == OBJECT_DIRECTORY)
		well(TARGET, DIRECTORY_LINK, 1);
	object_capability(&kernel.space, (object_t){OBJECT_ROOT_DIRECTORY}, RIGHT_ALL, &target);
	fake_place(&caller, MADE, &target);
	if (type == OBJECT_STORE)
		well(MADE, DIRECTORY_LINK, 1);
	if (type == OBJECT_BANK) {
		other = fake_create_from((object_t){(uint32_t)known[0]}, OBJECT_BANK, 1);
		known[3] = other.object;
		fake_place(&caller, MADE, &other);
	}
}

/* Whatever is asked, in whatever way, of an object that may do all: the answer is a status that
 * the list has for the operation, and whoever is not answered OK has changed nothing.  True: it
 * was done, or is waited for. */
static bool asked(const struct listed *operation, enum object_type type)
{
	static const enum object_type types[] = {
		OBJECT_SEGMENT, OBJECT_SEGMENT, OBJECT_SEGMENT, OBJECT_PORT,	  OBJECT_PORT,
		OBJECT_MACHINE, OBJECT_TABLE,	OBJECT_BANK,	OBJECT_DIRECTORY, OBJECT_VIEW};
	struct disk_capability other =
		make(types[fake_random(&chance) % (sizeof(types) / sizeof(types[0]))]);
	enum status status;

	trying(operation->label, &other, GOOD);
	fake_place(&caller, OTHER, &other);
	some_data();
	for (unsigned i = 0; i < MESSAGE_WORDS; i++)
		registers()[call_word_register[i]] = some_word();
	registers()[REGISTER_R14] =
		PICK(0, 0, OTHER, OTHER, OTHER, BANK, TARGET, MADE, SLOT_SELF, SLOT_TABLE);
	registers()[REGISTER_R15] =
		PICK(0, MADE, MADE, MADE, OTHER, SLOTS_DEFAULT, SLOT_REPLY, REPLY);
	keep();
	if (call(ENTRY_CALL, invoked(type), operation->label, some_length()) != FAKE_DONE)
		return true;
	assert_int_equal(fake_result(&caller), STATUS_OK);
	status = (enum status)registers()[REGISTER_RSI];
	if (!((operation->fails | every) >> status & 1))
		fail_msg("%s answers %s, which the list does not have", operation->name,
			 status_text(status));
	if (status != STATUS_OK && status != STATUS_RESTARTED)
		unchanged();
	return status == STATUS_OK;
}

static void test_answered(void **state)
{
	(void)state;
	for (size_t i = 0; i < LISTED; i++) {
		enum object_type type = (enum object_type)(listed[i].label >> 8);
		unsigned done = 0;

		chance = listed[i].label; /* not by what stands before it */
		for (unsigned times = 0; times < TIMES || (!done && times < TIMES_MOST); times++) {
			answering(type);
			done += asked(&listed[i], type);
		}
		if (!done)
			fail_msg("%s was never done", listed[i].name);
	}
	at.name = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(answered)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
