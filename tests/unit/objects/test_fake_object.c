/* SPDX-License-Identifier: MIT */
/*
 * test_fake_object.c - the object table: creation, capabilities,
 * destruction in steps, allowances.
 */
#include "tests/unit/objects/fake_store.h"
#include "kernel/abi.h"

static_assert((int)TABLE_SLOT_SELF == (int)SLOT_SELF, "one slot, two names");
static_assert((int)TABLE_SLOT_TABLE == (int)SLOT_TABLE, "one slot, two names");
static_assert((unsigned)TABLE_MACHINE_SLOTS == SLOTS_DEFAULT, "one size, two names");

static const object_t root_bank = {OBJECT_ROOT_BANK};

static const struct object_request requests[] = {
	{.type = OBJECT_SEGMENT, .size = 10000},
	{.type = OBJECT_SEGMENT, .size = 0, .size_max = 1 << 20},
	{.type = OBJECT_MACHINE, .name = "tester", .priority = 8},
	{.type = OBJECT_PORT, .size = 5},
	{.type = OBJECT_TABLE, .size = 300},
	{.type = OBJECT_DIRECTORY},
};
#define REQUESTS (sizeof(requests) / sizeof(requests[0]))

static struct disk_capability create(struct space *space, const struct object_request *request)
{
	struct disk_capability capability;

	fake_begin();
	assert_int_equal(object_create(space, root_bank, request, &capability), STATUS_OK);
	fake_begin();
	return capability;
}

static object_t object_of(const struct disk_capability *capability)
{
	return (object_t){capability->object};
}

static void destroy(struct space *space, object_t object)
{
	fake_begin();
	assert_int_equal(fake_destroy(space, object), STATUS_OK);
	fake_begin();
}

static void test_format(void **state)
{
	struct space space = fake_space_new();
	const struct disk_system *system;
	struct disk_object record;
	struct disk_capability none;

	(void)state;
	fake_begin();
	assert_int_equal(system_read(&space, &system), STATUS_ABSENT);
	assert_int_equal(object_create(&space, root_bank, &requests[0], &none), STATUS_ABSENT);
	space = fake_space_formatted(1000);
	assert_int_equal(fake_pages(0, UINT64_MAX), 3 + 5); /* the map of ranges */
	assert_int_equal(system_read(&space, &system), STATUS_OK);
	assert_int_equal(system->root_bank, OBJECT_ROOT_BANK);
	assert_int_equal(system->root_directory, OBJECT_ROOT_DIRECTORY);
	assert_int_equal(object_read(&space, (object_t){OBJECT_THE_LOG}, &record), STATUS_OK);
	assert_int_equal(record.type, OBJECT_LOG);
	assert_int_equal(object_read(&space, (object_t){OBJECT_FIRST_FREE}, &record), STATUS_DEAD);
	assert_int_equal(object_read(&space, (object_t){0}, &record), STATUS_NOT_FOUND);
	assert_int_equal(object_read(&space, (object_t){OBJECT_MAX}, &record), STATUS_NOT_FOUND);
	fake_page(SYSTEM_PAGE)[8]++; /* a version of the formats that is not known */
	fake_adopt();
	assert_int_equal(system_read(&space, &system), STATUS_FORMAT);
	fake_page(SYSTEM_PAGE)[8]--;
	fake_adopt();
	fake_invariants(&space);
}

static void test_create_each(void **state)
{
	struct space space = fake_space_formatted(1000);

	(void)state;
	for (uint32_t i = 0; i < REQUESTS; i++) {
		struct disk_capability capability = create(&space, &requests[i]);
		struct disk_object record;

		assert_int_equal(object_resolve(&space, &capability, requests[i].type,
						RIGHT_DESTROY, &record),
				 STATUS_OK);
		assert_int_equal(record.type, requests[i].type);
		assert_int_equal(record.size, requests[i].size);
		fake_invariants(&space);
	}
	/* A new segment, port, table or directory dirties its record's page and its account's,
	 * the bank's and the system page, what the map says of its range, and nothing else. */
	for (uint32_t i = 0; i < REQUESTS; i++) {
		static const uint32_t pages[OBJECT_TYPES] = {[OBJECT_SEGMENT] = 4,
							     [OBJECT_MACHINE] = 6 + 2,
							     [OBJECT_PORT] = 4,
							     [OBJECT_TABLE] = 4,
							     [OBJECT_DIRECTORY] = 3};
		struct disk_capability capability;

		fake_begin();
		assert_int_equal(object_create(&space, root_bank, &requests[i], &capability),
				 STATUS_OK);
		assert_int_equal(fake_written(), pages[requests[i].type]);
	}
}

/* A size where it means nothing is not charged. */
static void test_create_size_ignored(void **state)
{
	struct space space = fake_space_formatted(1000);
	struct object_request request = {.type = OBJECT_DIRECTORY, .size = 5000};

	(void)state;
	create(&space, &request);
	assert_int_equal(fake_bank_pages(&space), 1 + 17 + 1);
	request.type = OBJECT_MACHINE;
	create(&space, &request);
	assert_int_equal(fake_bank_pages(&space), 1 + 17 + 1 + 2 + 4);
	fake_invariants(&space);
}

static void test_create_refused(void **state)
{
	struct space space = fake_space_formatted(100);
	static const struct {
		struct object_request request;
		enum status status;
	} cases[] = {
		{{.type = OBJECT_NONE}, STATUS_INVALID},
		{{.type = OBJECT_BANK, .size = UINT64_MAX}, STATUS_LIMIT},
		{{.type = OBJECT_BANK, .size_max = UINT64_MAX}, STATUS_LIMIT},
		{{.type = OBJECT_REPLY}, STATUS_INVALID},
		{{.type = OBJECT_LOG}, STATUS_INVALID},
		{{.type = OBJECT_SEGMENT, .size = 5, .size_max = 4}, STATUS_INVALID},
		{{.type = OBJECT_SEGMENT, .size = UINT64_MAX}, STATUS_LIMIT},
		{{.type = OBJECT_SEGMENT, .size_max = UINT64_MAX}, STATUS_LIMIT},
		{{.type = OBJECT_SEGMENT, .size_max = (UINT64_C(1) << 45) + 1}, STATUS_LIMIT},
		{{.type = OBJECT_SEGMENT, .size = UINT64_C(1) << 45}, STATUS_ALLOWANCE},
		{{.type = OBJECT_PORT, .size = 0}, STATUS_INVALID},
		{{.type = OBJECT_PORT, .size = 257}, STATUS_LIMIT},
		{{.type = OBJECT_TABLE, .size = 0}, STATUS_INVALID},
		{{.type = OBJECT_TABLE, .size = 4097}, STATUS_LIMIT},
		{{.type = OBJECT_MACHINE, .priority = 16}, STATUS_INVALID},
	};
	struct disk_capability capability;

	(void)state;
	fake_save();
	for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fake_begin();
		assert_int_equal(object_create(&space, root_bank, &cases[i].request, &capability),
				 cases[i].status);
	}
	assert_int_equal(
		object_create(&space, (object_t){OBJECT_THE_CLOCK}, &requests[0], &capability),
		STATUS_WRONG_TYPE);
	assert_int_equal(object_create(&space, (object_t){99}, &requests[0], &capability),
			 STATUS_DEAD);
	assert_true(fake_unchanged());
}

static enum status create_call(struct space *space, void *context)
{
	struct disk_capability capability;

	return object_create(space, root_bank, context, &capability);
}

static void test_create_failures(void **state)
{
	struct space space = fake_space_formatted(10000);

	(void)state;
	for (uint32_t round = 0; round < 3; round++)
		for (uint32_t i = 0; i < REQUESTS; i++)
			assert_int_equal(
				fake_try_survivor(create_call, &space, (void *)&requests[i]),
				STATUS_OK);
	fake_invariants(&space);
}

static void test_resolve(void **state)
{
	struct space space = fake_space_formatted(1000);
	struct disk_capability capability = create(&space, &requests[0]), other, reply;
	struct disk_capability machine = create(&space, &requests[2]);

	(void)state;
	other = (struct disk_capability){.version = 0};
	assert_int_equal(object_resolve(&space, &other, OBJECT_NONE, 0, NULL),
			 STATUS_NO_CAPABILITY);
	assert_int_equal(object_resolve(&space, &capability, OBJECT_NONE, 0, NULL), STATUS_OK);
	assert_int_equal(object_resolve(&space, &capability, OBJECT_PORT, 0, NULL),
			 STATUS_WRONG_TYPE);
	assert_int_equal(object_resolve(&space, &capability, OBJECT_SEGMENT, RIGHT_SEND, NULL),
			 STATUS_NO_RIGHT);
	other = capability;
	other.rights = RIGHT_READ;
	assert_int_equal(object_resolve(&space, &other, OBJECT_SEGMENT, RIGHT_READ, NULL),
			 STATUS_OK);
	assert_int_equal(
		object_resolve(&space, &other, OBJECT_SEGMENT, RIGHT_READ | RIGHT_WRITE, NULL),
		STATUS_NO_RIGHT);
	for (uint64_t version = 1; version < 30; version++) {
		other.version = version;
		if (version != capability.version)
			assert_int_equal(object_resolve(&space, &other, OBJECT_NONE, 0, NULL),
					 STATUS_DEAD);
	}
	other = capability;
	other.object = OBJECT_MAX;
	assert_int_equal(object_resolve(&space, &other, OBJECT_NONE, 0, NULL), STATUS_CORRUPT);
	other = capability;
	other.type = OBJECT_TABLE;
	assert_int_equal(object_resolve(&space, &other, OBJECT_TABLE, 0, NULL), STATUS_CORRUPT);
	/* A reply names the machine that waits for it; a machine is no reply. */
	reply = machine;
	reply.type = OBJECT_REPLY;
	assert_int_equal(object_resolve(&space, &reply, OBJECT_REPLY, 0, NULL), STATUS_OK);
	assert_int_equal(object_resolve(&space, &reply, OBJECT_MACHINE, 0, NULL),
			 STATUS_WRONG_TYPE);
	assert_int_equal(object_resolve(&space, &machine, OBJECT_REPLY, 0, NULL),
			 STATUS_WRONG_TYPE);
}

static void test_revoker(void **state)
{
	struct space space = fake_space_formatted(1000);
	struct disk_capability derived = create(&space, &requests[0]);
	struct disk_capability revoker = create(&space, &requests[4]);

	(void)state;
	derived.revoker = revoker.object;
	derived.revoker_version = revoker.version;
	assert_int_equal(object_resolve(&space, &derived, OBJECT_SEGMENT, 0, NULL), STATUS_OK);
	derived.revoker_version--;
	assert_int_equal(object_resolve(&space, &derived, OBJECT_SEGMENT, 0, NULL), STATUS_DEAD);
	derived.revoker_version++;
	destroy(&space, object_of(&revoker));
	assert_int_equal(object_resolve(&space, &derived, OBJECT_SEGMENT, 0, NULL), STATUS_DEAD);
	derived.revoker = 0;
	assert_int_equal(object_resolve(&space, &derived, OBJECT_SEGMENT, 0, NULL), STATUS_OK);
}

static void test_capability(void **state)
{
	struct space space = fake_space_formatted(1000);
	struct disk_capability capability;

	(void)state;
	assert_int_equal(
		object_capability(&space, (object_t){OBJECT_THE_STORE}, RIGHT_READ, &capability),
		STATUS_OK);
	assert_int_equal(capability.type, OBJECT_STORE);
	assert_int_equal(object_resolve(&space, &capability, OBJECT_STORE, RIGHT_READ, NULL),
			 STATUS_OK);
	assert_int_equal(object_capability(&space, (object_t){500}, RIGHT_READ, &capability),
			 STATUS_DEAD);
}

static void test_machine_parts(void **state)
{
	struct space space = fake_space_formatted(1000);
	struct disk_capability self = create(&space, &requests[2]), held;
	struct disk_machine *machine;
	struct disk_object table;

	(void)state;
	assert_int_equal(machine_read(&space, object_of(&self), &machine), STATUS_OK);
	assert_string_equal(machine->name, "tester");
	assert_int_equal(machine->priority, 8);
	assert_int_equal(machine->state, MACHINE_STOPPED);
	assert_int_equal(machine->fpu[0] | machine->fpu[1] << 8, 0x37f);
	assert_int_equal(machine->fpu[24] | machine->fpu[25] << 8, 0x1f80);
	assert_true(machine->message_page >= USER_ARENA_PAGE);
	assert_null(fake_page(machine->message_page));
	assert_int_equal(
		object_resolve(&space, &machine->table, OBJECT_TABLE, RIGHT_CONTROL, &table),
		STATUS_OK);
	assert_int_equal(table.size, SLOTS_DEFAULT);
	assert_int_equal(table_get(&space, &table, SLOT_SELF, &held), STATUS_OK);
	assert_memory_equal(&held, &self, sizeof(held));
	assert_int_equal(table_get(&space, &table, SLOT_TABLE, &held), STATUS_OK);
	assert_int_equal(held.object, machine->table.object);
	assert_int_equal(table_get(&space, &table, SLOT_NONE, &held), STATUS_OK);
	assert_int_equal(held.version, 0);
}

/* A capability dies with its object, an index lives on with another version. */
static void test_destroy(void **state)
{
	struct space space = fake_space_formatted(1000);
	const struct disk_system *system;

	(void)state;
	for (uint32_t i = 0; i < REQUESTS; i++) {
		struct disk_capability old = create(&space, &requests[i]), new;
		uint64_t before = fake_bank_pages(&space);

		destroy(&space, object_of(&old));
		assert_int_equal(object_resolve(&space, &old, OBJECT_NONE, 0, NULL), STATUS_DEAD);
		assert_int_equal(fake_destroy(&space, object_of(&old)), STATUS_DEAD);
		/* Dying objects are still charged, and their index is not used. */
		assert_int_equal(fake_bank_pages(&space), before);
		new = create(&space, &requests[5]);
		assert_int_not_equal(new.object, old.object);
		destroy(&space, object_of(&new));
		fake_invariants(&space);
		fake_reclaim(&space);
		fake_invariants(&space);
		assert_int_equal(system_read(&space, &system), STATUS_OK);
		assert_int_equal(system->destroying, 0);
		assert_true(fake_bank_pages(&space) < before);
		new = create(&space, &requests[i]);
		assert_true(new.version > old.version);
		assert_int_equal(object_resolve(&space, &old, OBJECT_NONE, 0, NULL), STATUS_DEAD);
		destroy(&space, object_of(&new));
		fake_reclaim(&space);
	}
	/* Only what the fixed objects and the trees need is left. */
	assert_int_equal(fake_bank_pages(&space), 1 + 17);
	assert_int_equal(fake_pages(KERNEL_ARENA_PAGE, TREE_ARENA_PAGE), 0);
	assert_int_equal(fake_pages(USER_ARENA_PAGE, UINT64_MAX), 0);
}

static void test_destroy_refused(void **state)
{
	struct space space = fake_space_formatted(1000);
	struct disk_capability directory = create(&space, &requests[5]);
	struct disk_capability other = create(&space, &requests[5]);

	(void)state;
	for (uint32_t i = 1; i < OBJECT_FIRST_FREE; i++)
		assert_int_equal(fake_destroy(&space, (object_t){i}), STATUS_NO_OPERATION);
	assert_int_equal(fake_destroy(&space, (object_t){1000}), STATUS_DEAD);
	assert_int_equal(entry_link(&space, object_of(&directory), "x", 1, &other, false),
			 STATUS_OK);
	assert_int_equal(fake_destroy(&space, object_of(&directory)), STATUS_NOT_EMPTY);
	assert_int_equal(entry_unlink(&space, object_of(&directory), "x", 1), STATUS_OK);
	assert_int_equal(fake_destroy(&space, object_of(&directory)), STATUS_OK);
}

static enum status destroy_call(struct space *space, void *context)
{
	return fake_destroy(space, *(object_t *)context);
}

static enum status step_call(struct space *space, void *context)
{
	return fake_destroy_step(space, context);
}

/* A machine with everything: table, owned and borrowed segments, deadline, ready. */
static struct disk_capability machine_full(struct space *space, struct disk_capability *owned,
					   struct disk_capability *borrowed)
{
	struct disk_capability self = create(space, &requests[2]);
	struct disk_machine *machine;
	struct disk_object segment;
	void *page;

	*owned = create(space, &requests[0]);
	*borrowed = create(space, &requests[0]);
	fake_begin();
	assert_int_equal(machine_prepare(space, object_of(&self), &machine), STATUS_OK);
	assert_int_equal(object_read(space, object_of(owned), &segment), STATUS_OK);
	assert_int_equal(attachment_add(machine, &segment, owned, RUN(0, 1, RIGHT_READ, true)),
			 STATUS_OK);
	assert_int_equal(attachment_add(machine, &segment, owned, RUN(1, 1, RIGHT_WRITE, true)),
			 STATUS_OK);
	assert_int_equal(space_write(space, (page_t){segment.first_page}, &page), STATUS_OK);
	memset(page, 1, PAGE_SIZE);
	assert_int_equal(object_read(space, object_of(borrowed), &segment), STATUS_OK);
	assert_int_equal(attachment_add(machine, &segment, borrowed, RUN(0, 0, RIGHT_READ, false)),
			 STATUS_OK);
	assert_int_equal(space_write(space, (page_t){machine->message_page}, &page), STATUS_OK);
	memset(page, 2, PAGE_SIZE);
	assert_int_equal(deadline_insert_prepare(space, 1234, object_of(&self)), STATUS_OK);
	assert_int_equal(machine_bit_prepare(space, object_of(&self), machine->priority),
			 STATUS_OK);
	deadline_insert(space, 1234, object_of(&self));
	machine_bit_set(space, object_of(&self), machine->priority, true);
	machine->deadline = 1234;
	fake_begin();
	return self;
}

static void test_destroy_machine(void **state)
{
	struct space space = fake_space_formatted(1000);
	struct disk_capability owned, borrowed, table;
	struct disk_capability self = machine_full(&space, &owned, &borrowed);
	struct disk_machine *machine;
	object_t object = object_of(&self), found = {0};
	uint64_t deadline = 0;
	bool more = true;

	(void)state;
	assert_int_equal(machine_read(&space, object, &machine), STATUS_OK);
	table = machine->table;
	space.patient = true;
	assert_int_equal(fake_try_all(destroy_call, &space, &object), STATUS_OK);
	space.patient = false;
	assert_int_equal(object_resolve(&space, &self, OBJECT_NONE, 0, NULL), STATUS_DEAD);
	assert_int_equal(object_resolve(&space, &table, OBJECT_NONE, 0, NULL), STATUS_DEAD);
	assert_int_equal(object_resolve(&space, &owned, OBJECT_NONE, 0, NULL), STATUS_DEAD);
	assert_int_equal(object_resolve(&space, &borrowed, OBJECT_NONE, 0, NULL), STATUS_OK);
	assert_int_equal(deadline_next(&space, &deadline, &found), STATUS_NOT_FOUND);
	assert_int_equal(machine_next(&space, (object_t){0}, &found), STATUS_NOT_FOUND);
	fake_invariants(&space);
	while (more)
		assert_int_equal(fake_try_survivor(step_call, &space, &more), STATUS_OK);
	fake_invariants(&space);
	/* The directory, the log and the borrowed segment are what is still paid for. */
	assert_int_equal(fake_bank_pages(&space), 1 + 17 + 3);
	assert_int_equal(fake_pages(USER_ARENA_PAGE, UINT64_MAX), 0);
}

/* For an error that may pass nothing of what is taken apart is given up. */
static void test_destroy_patiently(void **state)
{
	struct space space = fake_space_formatted(1000);
	struct disk_capability owned, borrowed;
	struct disk_capability self = machine_full(&space, &owned, &borrowed);
	bool more = true;

	(void)state;
	destroy(&space, object_of(&self));
	space.patient = true;
	while (more)
		assert_int_equal(fake_try_all(step_call, &space, &more), STATUS_OK);
	fake_invariants(&space);
	assert_int_equal(fake_bank_pages(&space), 1 + 17 + 3);
	assert_int_equal(fake_pages(USER_ARENA_PAGE, UINT64_MAX), 0);
}

/* A machine whose page is damaged can still be taken away. */
static void test_destroy_damaged_machine(void **state)
{
	struct space space = fake_space_formatted(1000);
	struct disk_capability self = create(&space, &requests[2]);
	struct disk_object record;
	struct disk_machine *machine;

	(void)state;
	assert_int_equal(object_read(&space, object_of(&self), &record), STATUS_OK);
	fake_page(record.first_page)[0] ^= 1;
	fake_adopt();
	assert_int_equal(machine_read(&space, object_of(&self), &machine), STATUS_CORRUPT);
	assert_int_equal(fake_destroy(&space, object_of(&self)), STATUS_OK);
	fake_reclaim(&space);
	fake_invariants(&space);
	assert_int_equal(object_resolve(&space, &self, OBJECT_NONE, 0, NULL), STATUS_DEAD);
}

/* What cannot be read is given up, all else is cleared, and the addresses are
 * not handed out again. */
static void test_destroy_over_damage(void **state)
{
	struct object_request request = {.type = OBJECT_SEGMENT, .size = 1000 * PAGE_SIZE};
	struct space space = fake_space_formatted(10000);
	struct disk_capability capability = create(&space, &request);
	struct disk_object record;
	uint64_t first[2];

	(void)state;
	assert_int_equal(object_read(&space, object_of(&capability), &record), STATUS_OK);
	for (uint64_t i = 0; i < 1000; i++) {
		void *page;

		fake_begin();
		assert_int_equal(space_write(&space, (page_t){record.first_page + i}, &page),
				 STATUS_OK);
	}
	fake_begin();
	fake_damage(record.first_page + 300);
	destroy(&space, object_of(&capability));
	fake_reclaim(&space);
	/* 128 pages hang on one node. */
	assert_int_equal(fake_pages(record.first_page, record.first_page + 1000), 128);
	assert_int_equal(fake_pages(record.first_page + 256, record.first_page + 384), 128);
	fake_damage(0);
	/* Nobody gets the range again; that of one that is whole comes next. */
	for (uint32_t i = 0; i < 2; i++) {
		first[i] = record.first_page;
		capability = create(&space, &request);
		assert_int_equal(object_read(&space, object_of(&capability), &record), STATUS_OK);
		destroy(&space, object_of(&capability));
		fake_reclaim(&space);
	}
	assert_int_not_equal(first[0], first[1]);
	assert_int_equal(first[1], record.first_page);
}

static void test_large_segment_in_steps(void **state)
{
	struct object_request request = {.type = OBJECT_SEGMENT, .size = UINT64_C(1) << 30};
	struct space space = fake_space_formatted(1 << 20);
	struct disk_capability capability = create(&space, &request);
	struct disk_object record;
	uint32_t steps = 0;
	bool more = true;

	(void)state;
	assert_int_equal(object_read(&space, object_of(&capability), &record), STATUS_OK);
	for (uint64_t i = 0; i < record.range_pages; i += 1500) {
		void *page;

		fake_begin();
		assert_int_equal(space_write(&space, (page_t){record.first_page + i}, &page),
				 STATUS_OK);
	}
	destroy(&space, object_of(&capability));
	while (more) {
		fake_begin();
		assert_int_equal(fake_destroy_step(&space, &more), STATUS_OK);
		steps++;
	}
	/* One step a page here, since the pages lie far apart, and one to finish. */
	assert_int_equal(steps, (record.range_pages + 1499) / 1500 + 1);
	assert_int_equal(fake_pages(USER_ARENA_PAGE, UINT64_MAX), 0);
}

static void test_allowance(void **state)
{
	struct space space = fake_space_formatted(1 + 17 + 10);
	struct object_request request = {.type = OBJECT_SEGMENT, .size = 4096 * 8};
	struct disk_capability capability = create(&space, &request), other;
	bool more;

	(void)state;
	request.size = 4096 * 3;
	assert_int_equal(object_create(&space, root_bank, &request, &other), STATUS_ALLOWANCE);
	request.size = 4096 * 2;
	other = create(&space, &request);
	request.size = 0;
	assert_int_equal(object_create(&space, root_bank, &request, &other), STATUS_ALLOWANCE);
	fake_begin();
	assert_int_equal(segment_size_set(&space, object_of(&capability), 4096 * 7, &more),
			 STATUS_OK);
	fake_begin();
	other = create(&space, &request);
	fake_begin();
	assert_int_equal(segment_size_set(&space, object_of(&capability), 4096 * 8, &more),
			 STATUS_ALLOWANCE);
	fake_invariants(&space);
}

static void test_raise_version(void **state)
{
	struct space space = fake_space_formatted(1000);
	struct disk_capability capability;

	(void)state;
	space.version_floor = 5000;
	assert_int_equal(create(&space, &requests[0]).version, 5001);
	space.version_floor = 3;
	assert_int_equal(create(&space, &requests[0]).version, 5002);
	/* Only a damaged page or a forged one says so; 0 must not be given out. */
	space.version_floor = UINT64_MAX;
	fake_begin();
	assert_int_equal(object_create(&space, root_bank, &requests[0], &capability), STATUS_LIMIT);
}

static void test_table_full(void **state)
{
	struct space space = fake_space_formatted(1000);
	struct disk_system *system = (void *)fake_page(SYSTEM_PAGE);
	struct disk_capability capability;

	(void)state;
	system->next_object = OBJECT_MAX - 1;
	fake_adopt();
	/* A machine needs two. */
	assert_int_equal(object_create(&space, root_bank, &requests[2], &capability), STATUS_LIMIT);
	capability = create(&space, &requests[0]);
	assert_int_equal(capability.object, OBJECT_MAX - 1);
	assert_int_equal(object_create(&space, root_bank, &requests[0], &capability), STATUS_LIMIT);
}

/* Random lives and deaths, with everything checked on the way. */
static void test_random(void **state)
{
	struct space space = fake_space_formatted(600);
	struct disk_capability alive[64];
	uint64_t random = 3, newest = 0;
	uint32_t count = 0;

	(void)state;
	for (uint32_t round = 0; round < 4000; round++) {
		uint32_t pick = (uint32_t)(fake_random(&random) % 10);

		fake_begin();
		if (pick < 4 && count < 64) {
			const struct object_request *request =
				&requests[fake_random(&random) % REQUESTS];
			enum status status =
				object_create(&space, root_bank, request, &alive[count]);

			assert_true(status == STATUS_OK || status == STATUS_ALLOWANCE);
			if (status == STATUS_OK) {
				assert_true(alive[count].version > newest);
				newest = alive[count++].version;
			}
		} else if (pick < 7 && count) {
			uint32_t victim = (uint32_t)(fake_random(&random) % count);

			destroy(&space, object_of(&alive[victim]));
			alive[victim] = alive[--count];
		} else {
			bool more;

			assert_int_equal(fake_destroy_step(&space, &more), STATUS_OK);
		}
		if (round % 100 == 0)
			fake_invariants(&space);
		for (uint32_t i = 0; round % 20 == 0 && i < count; i++) {
			fake_begin();
			assert_int_equal(object_resolve(&space, &alive[i], OBJECT_NONE, 0, NULL),
					 STATUS_OK);
		}
	}
	while (count)
		destroy(&space, object_of(&alive[--count]));
	fake_reclaim(&space);
	fake_invariants(&space);
	assert_int_equal(fake_bank_pages(&space), 1 + 17);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_create_each),
		cmocka_unit_test(test_create_size_ignored),
		cmocka_unit_test(test_create_refused),
		cmocka_unit_test(test_create_failures),
		cmocka_unit_test(test_resolve),
		cmocka_unit_test(test_revoker),
		cmocka_unit_test(test_capability),
		cmocka_unit_test(test_machine_parts),
		cmocka_unit_test(test_destroy),
		cmocka_unit_test(test_destroy_refused),
		cmocka_unit_test(test_destroy_machine),
		cmocka_unit_test(test_destroy_damaged_machine),
		cmocka_unit_test(test_destroy_patiently),
		cmocka_unit_test(test_destroy_over_damage),
		cmocka_unit_test(test_large_segment_in_steps),
		cmocka_unit_test(test_allowance),
		cmocka_unit_test(test_raise_version),
		cmocka_unit_test(test_table_full),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
