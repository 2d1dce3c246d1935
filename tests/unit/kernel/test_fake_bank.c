/* SPDX-License-Identifier: MIT */
/*
 * test_fake_bank.c - calls of banks, and what their end is to those who have to do with what
 * they paid for: machines of theirs never run again, and nobody waits for them for ever.
 */
#include "tests/unit/kernel/fake_kernel.h"

enum { FIRST = 19, HELD = 20, GIVEN = 25, MADE = 30, CLIENTS = 6 };

static struct disk_capability first, bank, below, server, client[CLIENTS], killer, port;

static uint64_t word(const struct disk_capability *machine, unsigned index)
{
	return fake_machine(machine)->registers.gpr[call_word_register[index]];
}

static void word_set(const struct disk_capability *machine, unsigned index, uint64_t value)
{
	fake_machine(machine)->registers.gpr[call_word_register[index]] = value;
}

static enum status said(const struct disk_capability *machine)
{
	return (enum status)fake_machine(machine)->registers.gpr[REGISTER_RSI];
}

/* With what lies in the slot `given`, 0: with nothing. */
static enum status ask_with(uint32_t slot, uint64_t label, uint32_t given)
{
	fake_machine(&killer)->registers.gpr[REGISTER_R14] = given;
	fake_machine(&killer)->registers.gpr[REGISTER_R15] = 0;
	assert_int_equal(fake_call(&killer, ENTRY_CALL, slot, label, 0), FAKE_DONE);
	fake_machine(&killer)->registers.gpr[REGISTER_R14] = 0;
	return fake_result(&killer) == STATUS_OK ? said(&killer) : fake_result(&killer);
}

/* What is made comes to MADE. */
static enum status ask(uint32_t slot, uint64_t label, uint64_t first, uint64_t second)
{
	word_set(&killer, 0, first);
	word_set(&killer, 1, second);
	fake_machine(&killer)->registers.gpr[REGISTER_R15] = MADE;
	assert_int_equal(fake_call(&killer, ENTRY_CALL, slot, label, 0), FAKE_DONE);
	return fake_result(&killer) == STATUS_OK ? said(&killer) : fake_result(&killer);
}

static struct disk_capability held(uint32_t slot)
{
	return fake_held(&killer, slot);
}

static bool lives(const struct disk_capability *capability)
{
	enum status status;

	fake_begin();
	status = object_resolve(&kernel.space, capability, OBJECT_NONE, 0, NULL);
	assert_true(status == STATUS_OK || status == STATUS_DEAD);
	return status == STATUS_OK;
}

static int begin(void **state)
{
	(void)state;
	fake_kernel_new();
	bank = fake_create(OBJECT_BANK, 500);
	below = fake_create_from((object_t){bank.object}, OBJECT_BANK, 200);
	server = fake_create_from((object_t){below.object}, OBJECT_MACHINE, 0);
	port = fake_create_from((object_t){below.object}, OBJECT_PORT, CLIENTS);
	killer = fake_create(OBJECT_MACHINE, 0);
	fake_place(&killer, HELD, &bank);
	fake_begin();
	assert_int_equal(
		object_capability(&kernel.space, (object_t){OBJECT_ROOT_BANK}, RIGHT_ALL, &first),
		STATUS_OK);
	fake_place(&killer, FIRST, &first);
	fake_place(&server, SLOT_PORT, &port);
	for (unsigned i = 0; i < CLIENTS; i++) {
		client[i] = fake_create(OBJECT_MACHINE, 0);
		fake_place(&client[i], SLOT_PORT, &port);
	}
	fake_settle();
	return 0;
}

static enum status kill(void)
{
	word_set(&killer, 0, HELD);
	if (fake_call(&killer, ENTRY_CALL, SLOT_TABLE, TABLE_DESTROY, 0) != FAKE_DONE)
		return STATUS_WAIT;
	return said(&killer);
}

/* ---- calls ---------------------------------------------------------------------------- */

static void test_make(void **state)
{
	struct disk_capability made;

	(void)state;
	assert_int_equal(ask(HELD, BANK_BANK, 100, 299), STATUS_OK);
	made = held(MADE);
	assert_int_equal(made.type, OBJECT_BANK);
	assert_int_equal(ask(HELD, BANK_BANK, 0, 2), STATUS_ALLOWANCE);
	assert_int_equal(ask(HELD, BANK_BANK, 198, 1), STATUS_ALLOWANCE);
	assert_int_equal(ask(HELD, BANK_BANK, 197, 1), STATUS_OK);
	assert_int_equal(ask(MADE, BANK_USAGE, 0, 0), STATUS_OK);
	assert_int_equal(word(&killer, 0), 0);
	assert_int_equal(word(&killer, 1), 197);
	assert_int_equal(word(&killer, 2), 0);
	assert_int_equal(word(&killer, 4), 1);
	assert_int_equal(ask(HELD, BANK_USAGE, 0, 0), STATUS_OK);
	assert_int_equal(word(&killer, 0), 500);
	assert_int_equal(word(&killer, 2), 3);
	assert_int_equal(word(&killer, 3), 500);
	assert_int_equal(word(&killer, 4), 500);
	assert_int_equal(ask(HELD, LABEL(OBJECT_BANK, OBJECT_TYPES), 0, 0), STATUS_NO_OPERATION);
	assert_int_equal(ask(HELD, LABEL(OBJECT_BANK, 37), 0, 0), STATUS_NO_OPERATION);
}

static uint64_t weight_of(uint32_t slot)
{
	assert_int_equal(ask(slot, BANK_USAGE, 0, 0), STATUS_OK);
	return word(&killer, 5) >> 32;
}

static enum status weigh(uint32_t above, uint32_t slot, uint64_t weight)
{
	word_set(&killer, 0, weight);
	return ask_with(above, BANK_WEIGHT, slot);
}

/* It is set aside as all else is, told whoever asks for the bank, and changed. */
static void test_weight(void **state)
{
	uint64_t changes = kernel.space.weights;

	(void)state;
	word_set(&killer, 2, 5);
	assert_int_equal(ask(HELD, BANK_BANK, 10, 10), STATUS_ALLOWANCE);
	assert_int_equal(weigh(FIRST, HELD, 6), STATUS_OK);
	assert_int_equal(weight_of(HELD), 6);
	word_set(&killer, 2, 6);
	assert_int_equal(ask(HELD, BANK_BANK, 10, 10), STATUS_ALLOWANCE);
	word_set(&killer, 2, UINT64_MAX);
	assert_int_equal(ask(HELD, BANK_BANK, 10, 10), STATUS_LIMIT);
	word_set(&killer, 2, 5);
	assert_int_equal(ask(HELD, BANK_BANK, 10, 10), STATUS_OK);
	assert_int_equal(weight_of(MADE), 5);
	assert_int_equal(weigh(FIRST, HELD, 5), STATUS_ALLOWANCE);
	assert_int_equal(weigh(FIRST, HELD, SHARE_ALL), STATUS_ALLOWANCE);
	assert_int_equal(weigh(HELD, MADE, 6), STATUS_ALLOWANCE);
	/* Nobody can take from the bank above, nor give to who is not his own. */
	assert_int_equal(weigh(HELD, HELD, 7), STATUS_INVALID);
	assert_int_equal(weigh(MADE, MADE, 4), STATUS_INVALID);
	assert_int_equal(weigh(FIRST, MADE, 7), STATUS_INVALID);
	assert_int_equal(weigh(FIRST, FIRST, 7), STATUS_INVALID);
	assert_int_equal(weigh(FIRST, 0, 7), STATUS_NO_CAPABILITY);
	assert_int_equal(weigh(FIRST, SLOT_TABLE, 7), STATUS_WRONG_TYPE);
	assert_int_equal(ask(HELD, BANK_NEXT, 0, 0), STATUS_OK);
	assert_int_equal(word(&killer, 5) >> 32, 5);
	assert_int_equal((uint32_t)word(&killer, 5), held(MADE).object);
	/* Of each bank of which the weight has changed it is told what is its own. */
	assert_int_equal(kernel.space.weights, changes + 3);
	assert_int_equal(kernel.space.weighed[changes % SPACE_WEIGHED].version, 0);
	assert_int_equal(kernel.space.weighed[(changes + 1) % SPACE_WEIGHED].version,
			 held(HELD).version);
	assert_int_equal(kernel.space.weighed[(changes + 1) % SPACE_WEIGHED].own, 6);
	assert_int_equal(kernel.space.weighed[(changes + 2) % SPACE_WEIGHED].version,
			 held(HELD).version);
	assert_int_equal(kernel.space.weighed[(changes + 2) % SPACE_WEIGHED].own, 1);
}

/* A right for each. */
static void test_rights(void **state)
{
	static const struct {
		uint64_t label;
		uint16_t right;
	} cases[] = {{BANK_BANK, RIGHT_CREATE},	   {BANK_NEXT, RIGHT_CONTROL},
		     {BANK_OF, RIGHT_CONTROL},	   {BANK_ADOPT, RIGHT_CREATE},
		     {BANK_WEIGHT, RIGHT_CONTROL}, {BANK_USAGE, RIGHT_READ}};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct disk_capability less = bank;

		less.rights = (uint16_t)~cases[i].right;
		fake_place(&killer, HELD, &less);
		assert_int_equal(ask(HELD, cases[i].label, 0, 0), STATUS_NO_RIGHT);
	}
	bank.rights = (uint16_t)~RIGHT_DESTROY;
	fake_place(&killer, HELD, &bank);
	assert_int_equal(kill(), STATUS_NO_RIGHT);
	assert_true(lives(&server));
}

/* Nobody finds by it what is not below, nor gets more rights than it has. */
static void test_find(void **state)
{
	struct disk_capability less = bank;

	(void)state;
	less.rights = RIGHT_CONTROL | RIGHT_READ;
	fake_place(&killer, HELD, &less);
	assert_int_equal(ask(HELD, BANK_NEXT, 0, 0), STATUS_OK);
	assert_int_equal(word(&killer, 5), below.object);
	assert_int_equal(word(&killer, 1), 200);
	assert_int_equal(held(MADE).object, below.object);
	assert_int_equal(held(MADE).rights, RIGHT_CONTROL | RIGHT_READ);
	assert_int_equal(ask(HELD, BANK_NEXT, below.object, 0), STATUS_NOT_FOUND);
	assert_int_equal(ask(HELD, BANK_NEXT, server.object, 0), STATUS_DEAD);
	assert_int_equal(ask(HELD, BANK_NEXT, UINT64_MAX, 0), STATUS_DEAD);
	assert_int_equal(ask(HELD, BANK_OF, server.object, 0), STATUS_OK);
	assert_int_equal(held(MADE).version, below.version);
	assert_int_equal(held(MADE).rights, RIGHT_CONTROL | RIGHT_READ);
	assert_int_equal(ask(HELD, BANK_OF, killer.object, 0), STATUS_NOT_FOUND);
	assert_int_equal(ask(HELD, BANK_OF, bank.object, 0), STATUS_NOT_FOUND);
	assert_int_equal(ask(HELD, BANK_OF, UINT64_C(1) << 32 | server.object, 0),
			 STATUS_NOT_FOUND);
}

/* Whoever may destroy something may have another pay for it. */
static void test_adopt(void **state)
{
	struct disk_capability made = fake_create_from((object_t){below.object}, OBJECT_TABLE, 5);
	struct disk_capability other = fake_create(OBJECT_BANK, 10), less = made;

	(void)state;
	fake_place(&killer, MADE, &other);
	assert_int_equal(ask_with(MADE, BANK_ADOPT, 0), STATUS_NO_CAPABILITY);
	less.rights &= (uint16_t)~RIGHT_DESTROY;
	fake_place(&killer, GIVEN, &less);
	assert_int_equal(ask_with(MADE, BANK_ADOPT, GIVEN), STATUS_NO_RIGHT);
	fake_place(&killer, GIVEN, &made);
	assert_int_equal(ask_with(MADE, BANK_ADOPT, GIVEN), STATUS_OK);
	assert_int_equal(kill(), STATUS_OK);
	assert_true(lives(&made));
	fake_settle();
	fake_invariants(&kernel.space);
}

/* ---- what hangs from one --------------------------------------------------------------- */

static enum status derive(uint32_t from, uint32_t to, uint32_t end)
{
	word_set(&killer, 2, end);
	word_set(&killer, 3, RIGHT_ALL);
	return ask(SLOT_TABLE, TABLE_DERIVE, from, to);
}

static void give(const struct disk_capability *machine, uint32_t slot, uint32_t from)
{
	struct disk_capability given = held(from);

	fake_place(machine, slot, &given);
}

/* Whoever maps a segment is not told that a bank has adopted it: it is withdrawn from everybody. */
static void test_adopt_mapped(void **state)
{
	struct disk_capability segment = fake_create(OBJECT_SEGMENT, PAGE_SIZE);
	uint32_t before = fake_withdrawn.times;

	(void)state;
	fake_place(&killer, GIVEN, &segment);
	assert_int_equal(ask_with(HELD, BANK_ADOPT, GIVEN), STATUS_OK);
	assert_int_equal(fake_withdrawn.times, before + 1);
	assert_null(fake_withdrawn.task);
}

/* A bank from which nothing was made or hangs costs nobody anything. */
static void test_end_empty(void **state)
{
	struct disk_capability empty = fake_create(OBJECT_BANK, 0);

	(void)state;
	fake_banks_ended = 0;
	fake_place(&killer, GIVEN, &port);
	fake_place(&killer, HELD, &empty);
	assert_int_equal(kill(), STATUS_OK);
	assert_int_equal(fake_banks_ended, 0);
	empty = fake_create(OBJECT_BANK, 0);
	fake_place(&killer, HELD, &empty);
	assert_int_equal(derive(GIVEN, MADE, HELD), STATUS_OK);
	assert_int_equal(kill(), STATUS_OK);
	assert_int_equal(fake_banks_ended, bank_bit(empty.version));
}

/* Wherever the copies are when the bank ends: nobody gets through any more, and who waits through
 * one is told so.  What they name goes on. */
static void test_derive(void **state)
{
	struct disk_capability open = fake_create(OBJECT_PORT, 4), reader, both, sleeper;

	(void)state;
	fake_place(&killer, GIVEN, &open);
	assert_int_equal(derive(GIVEN, MADE, HELD), STATUS_OK);
	reader = fake_create(OBJECT_MACHINE, 0);
	both = fake_create(OBJECT_MACHINE, 0);
	sleeper = fake_create(OBJECT_MACHINE, 0);
	give(&reader, SLOT_PORT, MADE);
	give(&client[0], HELD, MADE);
	fake_machine(&reader)->registers.gpr[REGISTER_RBX] = 0;
	assert_int_equal(fake_call(&reader, ENTRY_RECEIVE, SLOT_PORT, 0, 0), FAKE_BLOCKED);
	fake_machine(&sleeper)->registers.gpr[REGISTER_RBX] = fake_now_ns + 5000;
	assert_int_equal(fake_call(&sleeper, ENTRY_RECEIVE, 0, 0, 0), FAKE_BLOCKED);
	assert_int_equal(kill(), STATUS_OK);
	/* At once: a message finds nobody, and who held a copy sends none. */
	assert_int_equal(fake_call(&client[0], ENTRY_SEND, HELD, 1, 0), FAKE_DONE);
	assert_int_equal(fake_result(&client[0]), STATUS_DEAD);
	fake_place(&client[1], HELD, &open);
	assert_int_equal(fake_call(&client[1], ENTRY_SEND, HELD, 7, 0), FAKE_DONE);
	assert_int_equal(fake_machine(&reader)->state, MACHINE_RECEIVE);
	fake_settle();
	assert_int_equal(fake_machine(&reader)->state, MACHINE_READY);
	assert_int_equal(fake_result(&reader), STATUS_DEAD);
	assert_int_equal(fake_machine(&sleeper)->state, MACHINE_RECEIVE);
	fake_place(&both, SLOT_PORT, &open);
	assert_int_equal(fake_call(&both, ENTRY_RECEIVE, SLOT_PORT, 0, 0), FAKE_DONE);
	assert_int_equal(said(&both), 7);
	fake_invariants(&kernel.space);
}

/* Who could get a message through something else waits on. */
static void test_derive_one_of_two(void **state)
{
	struct disk_capability open = fake_create(OBJECT_PORT, 4), kept, reader;

	(void)state;
	kept = fake_create(OBJECT_PORT, 4);
	fake_place(&killer, GIVEN, &open);
	assert_int_equal(derive(GIVEN, MADE, HELD), STATUS_OK);
	reader = fake_create(OBJECT_MACHINE, 0);
	give(&reader, SLOT_PORT, MADE);
	fake_place(&reader, HELD, &kept);
	/* It becomes the receiver of both. */
	for (unsigned i = 0; i < 2; i++) {
		fake_machine(&reader)->registers.gpr[REGISTER_RBX] = 1;
		assert_int_equal(fake_call(&reader, ENTRY_RECEIVE, i ? HELD : SLOT_PORT, 0, 0),
				 FAKE_DONE);
		assert_int_equal(fake_result(&reader), STATUS_TIMEOUT);
	}
	fake_machine(&reader)->registers.gpr[REGISTER_RBX] = 0;
	assert_int_equal(fake_call(&reader, ENTRY_RECEIVE, 0, 0, 0), FAKE_BLOCKED);
	assert_int_equal(kill(), STATUS_OK);
	fake_settle();
	assert_int_equal(fake_machine(&reader)->state, MACHINE_RECEIVE);
	fake_place(&client[1], HELD, &kept);
	assert_int_equal(fake_call(&client[1], ENTRY_SEND, HELD, 9, 0), FAKE_DONE);
	assert_int_equal(said(&reader), 9);
}

/* A bank found through one ends with it, too; and the message of a resume goes nowhere. */
static void test_derive_spreads(void **state)
{
	struct disk_capability revoker = fake_create(OBJECT_BANK, 0), found, open, plain;

	(void)state;
	open = fake_create(OBJECT_PORT, 4);
	plain = fake_create(OBJECT_PORT, 4);
	fake_place(&client[2], HELD, &plain);
	fake_machine(&client[2])->registers.gpr[REGISTER_R14] = HELD;
	assert_int_equal(fake_call(&client[2], ENTRY_CALL, SLOT_SELF, MACHINE_ON_RESUME, 0),
			 FAKE_DONE);
	fake_place(&killer, GIVEN, &bank);
	fake_place(&killer, HELD, &revoker);
	assert_int_equal(derive(GIVEN, MADE, HELD), STATUS_OK);
	assert_int_equal(ask(MADE, BANK_OF, server.object, 0), STATUS_OK);
	found = held(MADE);
	assert_int_equal(found.object, below.object);
	fake_place(&killer, GIVEN, &open);
	assert_int_equal(derive(GIVEN, MADE, HELD), STATUS_OK);
	assert_int_equal(ask_with(SLOT_SELF, MACHINE_ON_RESUME, MADE), STATUS_OK);
	assert_int_equal(fake_machine(&killer)->resume_port, open.object);
	assert_int_equal(fake_machine(&killer)->resume_revoker_version, revoker.version);
	assert_true(lives(&found));
	assert_int_equal(kill(), STATUS_OK);
	assert_false(lives(&found));
	assert_true(lives(&below) && lives(&open));
	fake_settle();
	fake_begin();
	kernel.epoch++;
	tell_all(0);
	fake_now_ns += UINT64_C(10000000000);
	while (tell_step())
		fake_begin();
	fake_machine(&client[2])->registers.gpr[REGISTER_R14] = 0;
	assert_int_equal(fake_call(&client[2], ENTRY_RECEIVE, HELD, 0, 0), FAKE_DONE);
	assert_int_equal(said(&client[2]), EVENT_RESUMED);
	fake_place(&client[1], HELD, &open);
	fake_machine(&client[1])->registers.gpr[REGISTER_RBX] = 1;
	assert_int_equal(fake_call(&client[1], ENTRY_RECEIVE, HELD, 0, 0), FAKE_DONE);
	assert_int_equal(fake_result(&client[1]), STATUS_TIMEOUT);
}

/* What is dead does not come back, whatever has its bank's number now. */
static void test_derive_dead(void **state)
{
	struct disk_capability first = fake_create(OBJECT_BANK, 0), second, secret;

	(void)state;
	secret = fake_create(OBJECT_TABLE, 5);
	fake_place(&killer, GIVEN, &secret);
	fake_place(&killer, HELD, &first);
	assert_int_equal(derive(GIVEN, MADE, HELD), STATUS_OK);
	give(&killer, GIVEN, MADE);
	assert_int_equal(kill(), STATUS_OK);
	fake_settle();
	second = fake_create(OBJECT_BANK, 0);
	assert_int_equal(second.object, first.object);
	fake_place(&killer, HELD, &second);
	assert_int_equal(derive(GIVEN, MADE, HELD), STATUS_DEAD);
}

static void test_derive_refused(void **state)
{
	struct disk_capability reply = server, other = fake_create(OBJECT_BANK, 0);

	(void)state;
	fake_place(&killer, GIVEN, &port);
	assert_int_equal(derive(GIVEN, MADE, 99), STATUS_NO_CAPABILITY);
	assert_int_equal(derive(GIVEN, MADE, GIVEN), STATUS_WRONG_TYPE);
	assert_int_equal(derive(GIVEN, MADE, HELD), STATUS_OK);
	fake_place(&killer, 26, &other);
	assert_int_equal(derive(MADE, 27, 26), STATUS_INVALID);
	assert_int_equal(derive(MADE, 27, HELD), STATUS_OK);
	reply.type = OBJECT_REPLY;
	fake_place(&killer, GIVEN, &reply);
	assert_int_equal(derive(GIVEN, 28, HELD), STATUS_INVALID);
}

/* ---- the end ---------------------------------------------------------------------------- */

/* Callers whose calls are queued, received, or put aside, and one who waits for a message. */
static void test_who_waits(void **state)
{
	struct disk_capability other, reader;

	(void)state;
	other = fake_create_from((object_t){bank.object}, OBJECT_PORT, 2);
	reader = fake_create(OBJECT_MACHINE, 0);
	fake_place(&reader, SLOT_PORT, &other);
	fake_machine(&reader)->registers.gpr[REGISTER_RBX] = 0;
	assert_int_equal(fake_call(&reader, ENTRY_RECEIVE, SLOT_PORT, 0, 0), FAKE_BLOCKED);
	for (unsigned i = 0; i < CLIENTS; i++)
		assert_int_equal(fake_call(&client[i], ENTRY_CALL, SLOT_PORT, i, 0), FAKE_BLOCKED);
	assert_int_equal(fake_call(&server, ENTRY_RECEIVE, SLOT_PORT, 0, 0), FAKE_DONE);
	word_set(&server, 0, SLOT_REPLY);
	word_set(&server, 1, 40);
	assert_int_equal(fake_call(&server, ENTRY_CALL, SLOT_TABLE, TABLE_MOVE, 0), FAKE_DONE);
	assert_int_equal(fake_call(&server, ENTRY_RECEIVE, SLOT_PORT, 0, 0), FAKE_DONE);
	assert_int_equal(kill(), STATUS_OK);
	assert_false(lives(&server) || lives(&port) || lives(&below) || lives(&other));
	assert_true(fake_banks_ended & bank_bit(bank.version));
	fake_settle();
	for (unsigned i = 0; i < CLIENTS; i++) {
		assert_int_equal(fake_machine(&client[i])->state, MACHINE_READY);
		assert_int_equal(fake_result(&client[i]), STATUS_GONE);
	}
	assert_int_equal(fake_machine(&reader)->state, MACHINE_READY);
	assert_int_equal(fake_result(&reader), STATUS_DEAD);
	fake_invariants(&kernel.space);
	assert_null(task_find((object_t){server.object}));
}

/* One that receives from a port that lives on: the port is free for another at once. */
static void test_receiver_dead(void **state)
{
	struct disk_capability open = fake_create(OBJECT_PORT, 4);

	(void)state;
	fake_place(&server, SLOT_PORT, &open);
	for (unsigned i = 0; i < 2; i++)
		fake_place(&client[i], SLOT_PORT, &open);
	fake_machine(&server)->registers.gpr[REGISTER_RBX] = 0;
	assert_int_equal(fake_call(&server, ENTRY_RECEIVE, SLOT_PORT, 0, 0), FAKE_BLOCKED);
	assert_int_equal(kill(), STATUS_OK);
	assert_int_equal(fake_call(&client[0], ENTRY_SEND, SLOT_PORT, 77, 0), FAKE_DONE);
	assert_int_equal(fake_result(&client[0]), STATUS_OK);
	assert_int_equal(fake_call(&client[1], ENTRY_RECEIVE, SLOT_PORT, 0, 0), FAKE_DONE);
	assert_int_equal(said(&client[1]), 77);
	fake_settle();
	fake_invariants(&kernel.space);
}

/* A caller that is gone is no error of who answers it. */
static void test_caller_dead(void **state)
{
	struct disk_capability open = fake_create(OBJECT_PORT, 4);

	(void)state;
	fake_place(&server, HELD, &open);
	fake_place(&client[0], SLOT_PORT, &open);
	assert_int_equal(fake_call(&server, ENTRY_CALL, HELD, 1, 0), FAKE_BLOCKED);
	assert_int_equal(fake_call(&client[0], ENTRY_RECEIVE, SLOT_PORT, 0, 0), FAKE_DONE);
	assert_int_equal(kill(), STATUS_OK);
	assert_int_equal(fake_call(&client[0], ENTRY_SEND, SLOT_REPLY, 0, 0), FAKE_DONE);
	assert_int_equal(fake_result(&client[0]), STATUS_OK);
	fake_settle();
	fake_invariants(&kernel.space);
}

/* A machine that ends its own bank is not answered, and nothing of it is left. */
static void test_own(void **state)
{
	(void)state;
	fake_place(&server, HELD, &bank);
	word_set(&server, 0, HELD);
	assert_int_equal(fake_call(&server, ENTRY_CALL, SLOT_TABLE, TABLE_DESTROY, 0), FAKE_GONE);
	assert_false(lives(&server) || lives(&below));
	fake_settle();
	fake_invariants(&kernel.space);
	assert_int_equal(fake_bank_pages(&kernel.space), 1 + 17 + (CLIENTS + 1) * 6);
}

/* With the machine ends the bank in its slot, if it may destroy it. */
static void test_with_machine(void **state)
{
	(void)state;
	fake_place(&server, SLOT_BANK, &bank);
	fake_place(&killer, HELD, &server);
	assert_int_equal(kill(), STATUS_OK);
	assert_false(lives(&bank) || lives(&below) || lives(&port));
	assert_true(fake_banks_ended & bank_bit(bank.version));
	fake_settle();
	fake_invariants(&kernel.space);
	assert_int_equal(fake_bank_pages(&kernel.space), 1 + 17 + (CLIENTS + 1) * 6);
}

/* Its deadline comes after its end. */
static void test_deadline(void **state)
{
	(void)state;
	fake_machine(&server)->registers.gpr[REGISTER_RBX] = fake_now_ns + 1000;
	assert_int_equal(fake_call(&server, ENTRY_RECEIVE, SLOT_PORT, 0, 0), FAKE_BLOCKED);
	assert_int_equal(kill(), STATUS_OK);
	fake_now_ns += 2000;
	fake_adopt();
	while (time_step())
		fake_begin();
	fake_settle();
	fake_invariants(&kernel.space);
}

/* Whatever a dead bank holds, the memory is anybody's when it is gone. */
static void test_made_again(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		assert_int_equal(kill(), STATUS_OK);
		assert_int_equal(ask(HELD, BANK_USAGE, 0, 0), STATUS_DEAD);
		fake_settle();
		bank = fake_create(OBJECT_BANK, 500);
		fake_place(&killer, HELD, &bank);
		assert_int_equal(ask(HELD, BANK_PORT, 5, 0), STATUS_OK);
		server = fake_create_from((object_t){bank.object}, OBJECT_MACHINE, 0);
	}
	fake_invariants(&kernel.space);
	assert_int_equal(fake_bank_pages(&kernel.space), 1 + 17 + (CLIENTS + 1) * 6 + 501);
}

/* Somebody goes on destroying, and who waits for its own space, which is back, is woken. */
static void test_others_destroy(void **state)
{
	struct disk_capability small = fake_create(OBJECT_BANK, 20), *machine = &client[0];

	(void)state;
	fake_place(machine, HELD, &small);
	for (unsigned i = 0; i < 2; i++) {
		word_set(machine, 0, 16 * PAGE_SIZE);
		word_set(machine, 1, 16 * PAGE_SIZE);
		fake_machine(machine)->registers.gpr[REGISTER_R15] = MADE;
		assert_int_equal(fake_call(machine, ENTRY_CALL, HELD, BANK_SEGMENT, 0),
				 i ? FAKE_PARKED : FAKE_DONE);
		if (i)
			break;
		assert_int_equal(said(machine), STATUS_OK);
		word_set(machine, 0, MADE);
		assert_int_equal(fake_call(machine, ENTRY_CALL, SLOT_TABLE, TABLE_DESTROY, 0),
				 FAKE_DONE);
		assert_int_equal(said(machine), STATUS_OK);
	}
	for (unsigned steps = 0; !task_find((object_t){machine->object})->wait->woken; steps++) {
		struct disk_capability other = fake_create(OBJECT_SEGMENT, 1);

		assert_true(steps < 10);
		fake_adopt();
		assert_int_equal(service_destroy((object_t){other.object}, OBJECT_SEGMENT),
				 STATUS_OK);
		fake_adopt();
		assert_true(service_destroy_step());
		fake_adopt();
	}
	assert_int_equal(fake_again(machine), FAKE_DONE);
	assert_int_equal(said(machine), STATUS_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_make, begin),
		cmocka_unit_test_setup(test_others_destroy, begin),
		cmocka_unit_test_setup(test_weight, begin),
		cmocka_unit_test_setup(test_rights, begin),
		cmocka_unit_test_setup(test_find, begin),
		cmocka_unit_test_setup(test_adopt, begin),
		cmocka_unit_test_setup(test_adopt_mapped, begin),
		cmocka_unit_test_setup(test_end_empty, begin),
		cmocka_unit_test_setup(test_derive, begin),
		cmocka_unit_test_setup(test_derive_one_of_two, begin),
		cmocka_unit_test_setup(test_derive_spreads, begin),
		cmocka_unit_test_setup(test_derive_dead, begin),
		cmocka_unit_test_setup(test_derive_refused, begin),
		cmocka_unit_test_setup(test_who_waits, begin),
		cmocka_unit_test_setup(test_receiver_dead, begin),
		cmocka_unit_test_setup(test_caller_dead, begin),
		cmocka_unit_test_setup(test_own, begin),
		cmocka_unit_test_setup(test_with_machine, begin),
		cmocka_unit_test_setup(test_deadline, begin),
		cmocka_unit_test_setup(test_made_again, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
