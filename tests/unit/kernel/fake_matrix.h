/* SPDX-License-Identifier: MIT */
/*
 * fake_matrix.h - the list of all operations, as tests read it, and a machine that asks for
 * them.
 */
#ifndef TESTS_UNIT_KERNEL_FAKE_MATRIX_H
#define TESTS_UNIT_KERNEL_FAKE_MATRIX_H

#include "tests/unit/kernel/fake_kernel.h"

enum { TARGET = 20, BANK, REPLY, MADE, OTHER, FIRST, EMPTY = 99 };

#define BIT(status) (UINT64_C(1) << STATUS_##status)

/* ---- the list --------------------------------------------------------------------------- */

#define ERROR(status, when) | BIT(status)
static const struct listed {
	const char *name;
	uint64_t label;
	uint16_t right;
	uint64_t fails; /* bits of statuses */
} listed[] = {
#define OPERATION(type, name, number, right, handler, flags, does, takes, gives, fails)            \
	{#type "_" #name, LABEL(OBJECT_##type, number), right, 0 fails},
#include "kernel/operations.def"
};
#define LISTED (sizeof(listed) / sizeof(listed[0]))

static const uint64_t every = BIT(OK)
#define EVERY_ERROR(status, when) | BIT(status)
#include "kernel/operations.def"
	;

static inline const struct listed *find(uint64_t label)
{
	for (size_t i = 0; i < LISTED; i++)
		if (listed[i].label == label)
			return &listed[i];
	return NULL;
}

/* ---- the world -------------------------------------------------------------------------- */

/* What has become of the object, or of the capability to it. */
enum state {
	GOOD,
	DERIVED, /* it hangs from a bank, which is there */
	OLDER,	 /* of a version that was before, */
	NEWER,	 /* or will be */
	REVOKED, /* the bank that it hangs from has ended */
	FIXED,	 /* from here on not for what is there from the beginning */
	PAYER_ENDED = FIXED,
	DYING,
	GONE,
	REUSED,	      /* another one has its number, of the same type */
	REUSED_OTHER, /* or of another */
	STATES
};

static struct disk_capability caller, client, payer, revoker;
/* The cell that is tried, told when a test fails in it. */
static struct {
	const char *name;
	uint64_t label;
	enum state state;
	unsigned type, rights;
} at;

static inline void trying(uint64_t label, const struct disk_capability *with, enum state state)
{
	const struct listed *operation = find(label);

	at.name = operation ? operation->name : "no operation";
	at.label = label;
	at.state = state;
	at.type = with->type;
	at.rights = with->rights;
}

static inline int tell(void **state)
{
	(void)state;
	if (at.name)
		print_message("in %s (%#lx), %s, rights %#x, state %u\n", at.name,
			      (unsigned long)at.label, object_type_name(at.type), at.rights,
			      at.state);
	return 0;
}

static struct disk_machine saved;

static inline bool makeable(enum object_type type)
{
	const struct service_type *service = service_type(type);

	return service && service->request;
}

static inline struct disk_capability make(enum object_type type)
{
	static const uint64_t size[] = {[OBJECT_SEGMENT] = PAGE_SIZE,
					[OBJECT_PORT] = 4,
					[OBJECT_TABLE] = 64,
					[OBJECT_BANK] = 10};
	struct disk_capability made = {.version = client.version,
				       .object = client.object,
				       .type = OBJECT_REPLY,
				       .aux = fake_machine(&client)->call_number};
	object_t object = {OBJECT_ROOT_BANK};

	if (makeable(type))
		return fake_create_from((object_t){payer.object}, type,
					type < sizeof(size) / sizeof(size[0]) ? size[type] : 0);
	while (type != OBJECT_REPLY && made.type != type && object.n < OBJECT_FIRST_FREE) {
		assert_int_equal(object_capability(&kernel.space, object, RIGHT_ALL, &made),
				 STATUS_OK);
		object.n++;
	}
	assert_int_equal(made.type, type);
	return made;
}

static inline uint64_t *registers(void)
{
	return fake_machine(&caller)->registers.gpr;
}

/* The call, with all that is in the registers. */
static inline enum fake_end call(enum abi_entry entry, uint64_t slot, uint64_t label,
				 uint32_t length)
{
	uint64_t *gpr = registers();

	fake_machine(&caller)->state = MACHINE_READY;
	gpr[REGISTER_RAX] = (uint64_t)entry | (uint64_t)length << 16;
	gpr[REGISTER_RDI] = slot;
	gpr[REGISTER_RSI] = label;
	return fake_again(&caller);
}

static inline void words(uint64_t first, uint64_t second, uint64_t third, uint64_t fourth)
{
	uint64_t *gpr = registers();

	gpr[call_word_register[0]] = first;
	gpr[call_word_register[1]] = second;
	gpr[call_word_register[2]] = third;
	gpr[call_word_register[3]] = fourth;
}

/* Of a free number: zeros. */
static inline struct disk_object record_of(const struct disk_capability *capability)
{
	struct disk_object record = {.version = 0};

	fake_begin();
	object_read(&kernel.space, (object_t){capability->object}, &record);
	fake_begin();
	return record;
}

/* Its message page, which is there from then on. */
static inline uint8_t *data(void)
{
	page_t page = {fake_machine(&caller)->message_page};
	void *made;

	fake_begin();
	assert_int_equal(space_write(&kernel.space, page, &made), STATUS_OK);
	fake_begin();
	return fake_page(page.n);
}

/* A new world, with one machine, and what it can name. */
static inline void world(void)
{
	struct disk_capability reply;

	fake_kernel_new();
	payer = fake_create(OBJECT_BANK, 1000);
	revoker = fake_create(OBJECT_BANK, 0);
	caller = fake_create(OBJECT_MACHINE, 0);
	client = fake_create(OBJECT_MACHINE, 0);
	reply = make(OBJECT_REPLY);
	fake_place(&caller, REPLY, &reply);
}

/* From here on nothing is to change. */
static inline void keep(void)
{
	fake_machine(&caller)->state = MACHINE_READY;
	saved = *fake_machine(&caller);
	fake_adopt();
	fake_save();
}

/* But the registers of who asked, and that it did. */
static inline void unchanged(void)
{
	static const struct fake_asked nothing;
	struct disk_machine *machine = fake_machine(&caller), now = *machine;

	now.registers = saved.registers;
	now.messages_sent = saved.messages_sent;
	assert_memory_equal(&now, &saved, sizeof(now));
	*machine = saved;
	fake_adopt();
	assert_true(fake_unchanged());
	assert_memory_equal(&fake_asked, &nothing, sizeof(nothing));
	assert_int_equal(fake_withdrawn.times, 0);
}

#define TEST(name) cmocka_unit_test_teardown(test_##name, tell)

#endif
