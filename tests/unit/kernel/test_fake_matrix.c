/* SPDX-License-Identifier: MIT */
/*
 * test_fake_matrix.c - every operation of kernel/operations.def, asked of every type of
 * objects, with every set of rights, through capabilities that are good and through those that
 * are not: each is answered what the list says, and what is refused changes nothing.
 *
 * How far a call gets without doing anything is seen by what is passed with it: a reply
 * capability, which no operation takes, is looked at last before the operation itself.
 */
#include "tests/unit/kernel/fake_matrix.h"

static const struct {
	enum object_type type;
	uint16_t right;
} meanings[] = {
#define RIGHT(type, name, text) {OBJECT_##type, RIGHT_##name},
#include "kernel/operations.def"
};

static uint16_t rights_of(enum object_type type)
{
	uint16_t rights = 0;

	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (meanings[i].type == type)
			rights |= meanings[i].right;
	return rights;
}

/* The next set of rights that mean something, then all that mean nothing; from 0 on. */
static bool rights_next(enum object_type type, uint16_t *rights)
{
	uint16_t all = rights_of(type), none = (uint16_t)~all;

	if (*rights == none)
		return false;
	*rights = *rights == all ? none : (uint16_t)((*rights - all) & all);
	return true;
}

/* ---- what becomes of capabilities --------------------------------------------------------- */

static struct disk_capability held(uint32_t slot)
{
	return fake_held(&caller, slot);
}

static void destroy(const struct disk_capability *capability)
{
	fake_begin();
	assert_int_equal(fake_destroy(&kernel.space, (object_t){capability->object}), STATUS_OK);
	fake_begin();
}

static struct disk_capability derive(const struct disk_capability *capability)
{
	fake_place(&caller, TARGET, capability);
	fake_place(&caller, BANK, &revoker);
	words(TARGET, MADE, BANK, RIGHT_ALL);
	assert_int_equal(call(ENTRY_CALL, SLOT_TABLE, TABLE_DERIVE, 0), FAKE_DONE);
	assert_int_equal(registers()[REGISTER_RSI], STATUS_OK);
	assert_int_equal(held(MADE).revoker, revoker.object);
	return held(MADE);
}

/* Its number is that of another one now. */
static void reuse(const struct disk_capability *old, enum object_type type)
{
	for (unsigned tries = 0; !record_of(old).version; tries++) {
		assert_true(tries < 3);
		fake_create(type, type == OBJECT_MACHINE || type == OBJECT_DIRECTORY ? 0 : 4);
	}
	assert_true(record_of(old).version > old->version);
}

static struct disk_capability become(struct disk_capability target, enum state state)
{
	if (state == DERIVED || state == REVOKED)
		target = derive(&target);
	if (state == OLDER)
		target.version--;
	if (state == NEWER)
		target.version++;
	if (state == REVOKED)
		destroy(&revoker);
	if (state == PAYER_ENDED)
		destroy(&payer);
	if (state >= DYING)
		destroy(&target);
	if (state >= GONE)
		fake_settle();
	if (state == REUSED)
		reuse(&target, (enum object_type)target.type);
	if (state == REUSED_OTHER)
		reuse(&target, target.type == OBJECT_PORT ? OBJECT_DIRECTORY : OBJECT_PORT);
	return target;
}

static bool lives(enum state state)
{
	return state == GOOD || state == DERIVED;
}

/* Who is refused is told so and no more, and nothing has changed. */
static void said(enum status rax, enum status answer, enum abi_entry entry)
{
	const uint64_t *gpr = registers();

	/* Not a byte of data, and no capability. */
	if (gpr[REGISTER_RAX] != rax)
		fail_msg("rax is %#lx, not %#x", (unsigned long)gpr[REGISTER_RAX], rax);
	if (entry == ENTRY_CALL && rax == STATUS_OK) {
		if (gpr[REGISTER_RSI] != answer)
			fail_msg("answered %lu, not %u", (unsigned long)gpr[REGISTER_RSI], answer);
		for (unsigned i = 0; i < MESSAGE_WORDS; i++)
			assert_int_equal(gpr[call_word_register[i]], 0);
	}
	unchanged();
}

/* ---- what is invoked ----------------------------------------------------------------------- */

/* One cell: a call or a message that is refused, and what it is told. */
static void cell(const struct disk_capability *target, enum state state, uint64_t label,
		 enum abi_entry entry)
{
	const struct listed *operation = label >> 8 == target->type ? find(label) : NULL;
	bool port = target->type == OBJECT_PORT;
	enum status rax = STATUS_OK, answer = STATUS_INVALID;

	trying(label, target, state);
	words(TARGET, MADE, 3, 4);
	registers()[REGISTER_R14] = port ? EMPTY : REPLY;
	assert_int_equal(call(entry, TARGET, label, 0), FAKE_DONE);
	if (!lives(state))
		rax = STATUS_DEAD;
	else if (port)
		rax = target->rights & RIGHT_SEND ? STATUS_NO_CAPABILITY : STATUS_NO_RIGHT;
	else if (!operation)
		answer = STATUS_NO_OPERATION;
	else if ((capability_rights(target) & operation->right) != operation->right)
		answer = STATUS_NO_RIGHT;
	said(rax, answer, entry);
}

static void cells(const struct disk_capability *target, enum state state)
{
	static const enum abi_entry entries[] = {ENTRY_CALL, ENTRY_SEND};
	/* What is no operation, or was never one. */
	static const uint8_t numbers[] = {0, 11, 12, 16, 36, 39, 40, 41, 63, 255};

	for (unsigned e = 0; e < 2; e++) {
		for (size_t i = 0; i < LISTED; i++)
			cell(target, state, listed[i].label, entries[e]);
		for (unsigned i = 0; i < sizeof(numbers); i++)
			cell(target, state, LABEL(target->type, numbers[i]), entries[e]);
		cell(target, state, 1, entries[e]);
		cell(target, state, LABEL(target->type, 1) | UINT64_C(1) << 32, entries[e]);
		cell(target, state, LABEL(target->type, 1) | UINT64_C(1) << 63, entries[e]);
	}
}

/* Who receives from it. */
static void receives(const struct disk_capability *target, enum state state)
{
	enum status told = STATUS_TIMEOUT;

	registers()[REGISTER_R14] = 0;
	registers()[REGISTER_RBX] = 1;
	assert_int_equal(call(ENTRY_RECEIVE, TARGET, 0, 0), FAKE_DONE);
	registers()[REGISTER_RBX] = 0;
	if (!lives(state))
		told = STATUS_DEAD;
	else if (target->type != OBJECT_PORT)
		told = STATUS_WRONG_TYPE;
	else if (!(target->rights & RIGHT_RECEIVE))
		told = STATUS_NO_RIGHT;
	if (told == STATUS_TIMEOUT) { /* it is the port's receiver now */
		assert_int_equal(fake_result(&caller), told);
		fake_restore();
	} else {
		said(told, STATUS_OK, ENTRY_RECEIVE);
	}
}

static void every_right(enum object_type type, enum state state)
{
	struct disk_capability target;
	uint16_t rights = 0;

	world();
	target = become(make(type), state);
	do {
		target.rights = rights;
		fake_place(&caller, TARGET, &target);
		keep();
		cells(&target, state);
		receives(&target, state);
	} while (rights_next(type, &rights));
}

static void test_invoked(void **state)
{
	(void)state;
	for (unsigned type = OBJECT_SEGMENT; type < OBJECT_TYPES; type++)
		for (enum state of = GOOD; of < (makeable(type) ? STATES : FIXED); of++)
			if (service_type(type))
				every_right(type, of);
	at.name = NULL;
}

/* An answer can only be sent, whatever is in the message; and of a dead caller it is spent. */
static void test_reply(void **state)
{
	struct disk_capability reply;

	(void)state;
	world();
	reply = make(OBJECT_REPLY);
	fake_place(&caller, TARGET, &reply);
	keep();
	for (size_t i = 0; i < LISTED; i++) {
		registers()[REGISTER_R14] = 0;
		assert_int_equal(call(ENTRY_CALL, TARGET, listed[i].label, 0), FAKE_DONE);
		said(STATUS_NO_OPERATION, STATUS_OK, ENTRY_CALL);
		registers()[REGISTER_R14] = TARGET;
		assert_int_equal(call(ENTRY_SEND, TARGET, listed[i].label, 0), FAKE_DONE);
		said(STATUS_INVALID, STATUS_OK, ENTRY_SEND);
	}
}

/* Slots that hold nothing, and that are not there. */
static void test_slots(void **state)
{
	static const uint64_t beyond[] = {SLOTS_DEFAULT,
					  TABLE_SLOTS_MAX,
					  0xffff,
					  0x10000 + TARGET,
					  UINT64_C(1) << 32 | TARGET,
					  UINT64_MAX};
	static const enum abi_entry entries[] = {ENTRY_CALL, ENTRY_SEND, ENTRY_RECEIVE};
	struct disk_capability target;

	(void)state;
	world();
	target = make(OBJECT_SEGMENT);
	fake_place(&caller, TARGET, &target);
	keep();
	registers()[REGISTER_R14] = 0;
	for (size_t i = 0; i < LISTED; i++) {
		for (unsigned e = 0; e < 3; e++) {
			assert_int_equal(call(entries[e], EMPTY, listed[i].label, 0), FAKE_DONE);
			said(STATUS_NO_CAPABILITY, STATUS_OK, entries[e]);
			assert_int_equal(call(entries[e], SLOTS_DEFAULT - 1, listed[i].label, 0),
					 FAKE_DONE);
			said(STATUS_NO_CAPABILITY, STATUS_OK, entries[e]);
			for (unsigned s = 0; s < sizeof(beyond) / sizeof(beyond[0]); s++) {
				assert_int_equal(call(entries[e], beyond[s], listed[i].label, 0),
						 FAKE_DONE);
				said(STATUS_INVALID, STATUS_OK, entries[e]);
			}
		}
	}
}

/* ---- what is passed ------------------------------------------------------------------------ */

/* A capability that an operation takes, in the message or by its slot. */
static const struct argument {
	uint64_t label;
	enum object_type target, type; /* NONE: of any type */
	uint16_t right;
	bool by_slot, undead; /* it may be dead */
	uint64_t word[4];
	const char *text;
} arguments[] = {
	{MACHINE_SET_KEEPER, OBJECT_MACHINE, OBJECT_PORT, RIGHT_SEND, false, false, {0}, ""},
	{MACHINE_ON_RESUME, OBJECT_MACHINE, OBJECT_PORT, RIGHT_SEND, false, false, {0}, ""},
	{MACHINE_ATTACH, OBJECT_MACHINE, OBJECT_SEGMENT, RIGHT_READ, false, false, {0, 1, 1}, ""},
	{MACHINE_ATTACH,
	 OBJECT_MACHINE,
	 OBJECT_SEGMENT,
	 RIGHT_WRITE | RIGHT_DESTROY,
	 false,
	 false,
	 {0, 1, RIGHT_WRITE, 1},
	 ""},
	{MACHINE_SET_VIEW, OBJECT_MACHINE, OBJECT_VIEW, RIGHT_EXECUTE, false, false, {0}, ""},
	{VIEW_ATTACH, OBJECT_VIEW, OBJECT_SEGMENT, RIGHT_READ, false, false, {0, 1, 1}, ""},
	{DIRECTORY_RENAME,
	 OBJECT_DIRECTORY,
	 OBJECT_DIRECTORY,
	 RIGHT_WRITE,
	 false,
	 false,
	 {1},
	 "ab"},
	{BANK_ADOPT, OBJECT_BANK, OBJECT_NONE, RIGHT_DESTROY, false, false, {0}, ""},
	{TABLE_DESTROY, OBJECT_TABLE, OBJECT_NONE, RIGHT_DESTROY, true, false, {OTHER}, ""},
	{TABLE_BADGE,
	 OBJECT_TABLE,
	 OBJECT_PORT,
	 RIGHT_CONTROL,
	 true,
	 true,
	 {OTHER, MADE, 7, 0xffff},
	 ""},
	{TABLE_DERIVE,
	 OBJECT_TABLE,
	 OBJECT_BANK,
	 RIGHT_CREATE,
	 true,
	 false,
	 {FIRST, MADE, OTHER, 0xffff},
	 ""},
};

static enum status expected(const struct argument *argument, const struct disk_capability *passed,
			    enum state state)
{
	if (!lives(state) && !argument->undead)
		return STATUS_DEAD;
	if (argument->type != OBJECT_NONE && passed->type != argument->type)
		return STATUS_WRONG_TYPE;
	if ((passed->rights & argument->right) != argument->right)
		return STATUS_NO_RIGHT;
	/* What was there at the beginning has no end. */
	if (argument->label == TABLE_DESTROY && passed->object < OBJECT_FIRST_FREE)
		return STATUS_NO_RIGHT;
	return STATUS_OK;
}

/* With one thing passed.  What is not refused for it goes on to something else. */
static bool passes(const struct argument *argument, const struct disk_capability *passed,
		   enum state state)
{
	enum status told, wanted = expected(argument, passed, state);
	uint32_t length = (uint32_t)strlen(argument->text);
	enum fake_end end;

	trying(argument->label, passed, state);
	if (length)
		memcpy(data(), argument->text, length);
	words(argument->word[0], argument->word[1], argument->word[2], argument->word[3]);
	registers()[REGISTER_R14] = argument->by_slot ? 0 : OTHER;
	registers()[REGISTER_R15] = 0;
	keep();
	end = call(ENTRY_CALL, argument->target == OBJECT_TABLE ? SLOT_TABLE : TARGET,
		   argument->label, length);
	told = (enum status)registers()[REGISTER_RSI];
	if (wanted != STATUS_OK) {
		assert_int_equal(end, FAKE_DONE);
		said(STATUS_OK, wanted, ENTRY_CALL);
		return false;
	}
	if (end == FAKE_DONE && fake_result(&caller) == STATUS_OK)
		if (told == STATUS_DEAD || told == STATUS_WRONG_TYPE || told == STATUS_NO_RIGHT)
			fail_msg("is told %s", status_text(told));
	return true;
}

static struct disk_capability passed_world(const struct argument *argument, enum object_type type,
					   enum state state)
{
	struct disk_capability target, segment;

	world();
	segment = make(OBJECT_DIRECTORY);
	fake_place(&caller, FIRST, &segment);
	data();
	/* What it ends with is not to be the end of the target. */
	segment = payer;
	payer = (struct disk_capability){.object = OBJECT_ROOT_BANK};
	target = make(argument->target);
	payer = segment;
	segment = become(make(type), state);
	fake_place(&caller, TARGET, &target);
	return segment;
}

static void test_passed(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(arguments) / sizeof(arguments[0]); i++) {
		for (unsigned type = OBJECT_SEGMENT; type < OBJECT_TYPES; type++) {
			for (enum state of = GOOD; of < (makeable(type) ? STATES : FIXED); of++) {
				struct disk_capability passed;
				uint16_t rights = 0;
				bool anew = true;

				if (!service_type(type))
					continue;
				do {
					if (anew)
						passed = passed_world(&arguments[i], type, of);
					passed.rights = rights;
					fake_place(&caller, OTHER, &passed);
					anew = passes(&arguments[i], &passed, of);
				} while (rights_next(type, &rights));
			}
		}
	}
	at.name = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(invoked), TEST(reply), TEST(slots), TEST(passed)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
