/* SPDX-License-Identifier: MIT */
/*
 * test_fake_held.c - what a machine takes along, and what is found in objects that are dying.
 */
#include "tests/unit/objects/fake_store.h"

enum { SLOTS = 1000, CAPACITY = 9 };

static struct space space;

static struct disk_capability create(enum object_type type, uint64_t size)
{
	struct object_request request = {.type = type, .size = size, .name = "m"};
	struct disk_capability made;

	fake_begin();
	assert_int_equal(object_create(&space, (object_t){OBJECT_ROOT_BANK}, &request, &made),
			 STATUS_OK);
	fake_begin();
	return made;
}

static struct disk_object record_of(const struct disk_capability *capability)
{
	struct disk_object record;

	fake_begin();
	assert_int_equal(object_read(&space, (object_t){capability->object}, &record), STATUS_OK);
	return record;
}

static void put(const struct disk_capability *table, uint32_t slot,
		const struct disk_capability *capability)
{
	struct disk_object record = record_of(table);

	assert_int_equal(table_prepare(&space, &record, slot), STATUS_OK);
	table_put(&space, &record, slot, capability);
	fake_begin();
}

static void destroy(const struct disk_capability *capability)
{
	fake_begin();
	assert_int_equal(fake_destroy(&space, (object_t){capability->object}), STATUS_OK);
	fake_begin();
}

static bool lives(const struct disk_capability *capability)
{
	fake_begin();
	return object_resolve(&space, capability, OBJECT_NONE, 0, NULL) == STATUS_OK;
}

static struct disk_capability reply(uint64_t number)
{
	return (struct disk_capability){
		.version = 1, .object = 9, .type = OBJECT_REPLY, .aux = number};
}

/* All that is held, in order, by the numbers in `aux`; how many looks it took. */
static uint32_t held_is(object_t object, const uint64_t *expected, uint32_t count)
{
	struct disk_capability held;
	struct disk_object record;
	uint32_t looks = 0, found = 0;
	enum status status = STATUS_OK;

	fake_begin();
	assert_int_equal(object_dying(&space, &object, &record), STATUS_OK);
	for (uint32_t at = 0, next; status != STATUS_NOT_FOUND; at = next, looks++) {
		fake_begin();
		status = object_held(&space, object, &record, at, &next, &held);
		if (status == STATUS_NOT_FOUND)
			break;
		assert_true(next > at);
		if (status != STATUS_OK)
			continue;
		assert_true(found < count);
		assert_int_equal(held.aux, expected[found++]);
	}
	assert_int_equal(found, count);
	fake_begin();
	return looks;
}

/* The port in its slot, if that may destroy it. */
static void test_own_port(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct disk_capability machine, port, table;
		struct disk_machine *page;

		space = fake_space_formatted(1000);
		machine = create(OBJECT_MACHINE, 0);
		port = create(OBJECT_PORT, 4);
		if (i == 1)
			port.rights &= (uint16_t)~RIGHT_DESTROY;
		fake_begin();
		assert_int_equal(machine_read(&space, (object_t){machine.object}, &page),
				 STATUS_OK);
		table = page->table;
		put(&table, i == 2 ? TABLE_SLOT_PORT + 1 : TABLE_SLOT_PORT, &port);
		if (i == 3)
			destroy(&port);
		destroy(&machine);
		assert_false(lives(&table));
		assert_int_equal(lives(&port), i == 1 || i == 2);
		fake_reclaim(&space);
		fake_invariants(&space);
	}
}

/* Of a table only what somebody may wait for, and pages that were never used cost nothing. */
static void test_table(void **state)
{
	static const uint32_t slots[] = {0, 63, 64, 130, 131, 999};
	uint64_t expected[6];
	struct disk_capability table, other;
	uint32_t looks;

	(void)state;
	space = fake_space_formatted(1000);
	table = create(OBJECT_TABLE, SLOTS);
	other = create(OBJECT_SEGMENT, PAGE_SIZE);
	put(&table, 1, &other);
	for (uint32_t i = 0; i < 6; i++) {
		struct disk_capability held = reply(i);

		expected[i] = i;
		if (i == 3)
			held.type = OBJECT_PORT;
		put(&table, slots[i], &held);
	}
	destroy(&table);
	looks = held_is((object_t){table.object}, expected, 6);
	assert_true(looks <= 6 + 4); /* and the ends of the pages that exist */
	assert_true(held_is((object_t){0}, expected, 6) == looks);

	/* Empty, or hidden by damage. */
	space = fake_space_formatted(1000);
	table = create(OBJECT_TABLE, SLOTS);
	destroy(&table);
	assert_int_equal(held_is((object_t){0}, NULL, 0), 0);
	space = fake_space_formatted(1000);
	table = create(OBJECT_TABLE, SLOTS);
	put(&table, 70, &other);
	fake_damage(record_of(&table).first_page);
	destroy(&table);
	assert_true(held_is((object_t){0}, NULL, 0) <= 1);
}

/* Of a queue the replies and what was passed along, from the oldest message on. */
static void test_port(void **state)
{
	uint64_t expected[CAPACITY * (1 + MESSAGE_CAPABILITIES)];
	struct disk_capability port;
	struct disk_object record;
	uint32_t count = 0;

	(void)state;
	space = fake_space_formatted(1000);
	port = create(OBJECT_PORT, CAPACITY);
	record = record_of(&port);
	for (uint32_t i = 0; i < CAPACITY + 4; i++) {
		struct disk_message message = {.label = i};
		const struct disk_message *oldest;

		if (i % 3)
			message.reply = reply(10 * i);
		message.capability[i % 2 ? 0 : MESSAGE_CAPABILITIES - 1] = reply(10 * i + 1);
		if (i >= CAPACITY) { /* the ring has turned */
			fake_begin();
			assert_int_equal(port_peek_prepare(&space, &record, &oldest), STATUS_OK);
			port_drop(&space, &record);
		}
		fake_begin();
		assert_int_equal(port_put_prepare(&space, &record), STATUS_OK);
		port_put(&space, &record, &message);
		if (i >= 4 && i % 3)
			expected[count++] = 10 * i;
		if (i >= 4)
			expected[count++] = 10 * i + 1;
	}
	destroy(&port);
	held_is((object_t){0}, expected, count);
	assert_true(count > CAPACITY);
	/* A header that makes no sense has nothing to tell. */
	fake_page(record.first_page)[0] ^= 1;
	fake_adopt();
	held_is((object_t){0}, NULL, 0);
}

/* The call that it answers; a page that is another's says nothing. */
static void test_machine(void **state)
{
	static const uint64_t expected[] = {77};
	struct disk_capability machine;
	struct disk_object record;
	struct disk_machine *page;

	(void)state;
	space = fake_space_formatted(1000);
	machine = create(OBJECT_MACHINE, 0);
	record = record_of(&machine);
	fake_begin();
	assert_int_equal(machine_prepare(&space, (object_t){machine.object}, &page), STATUS_OK);
	page->reply = reply(77);
	destroy(&machine);
	held_is((object_t){machine.object}, expected, 1);
	((struct disk_machine *)fake_page(record.first_page))->object++;
	fake_adopt();
	held_is((object_t){machine.object}, NULL, 0);
}

/* Nobody waits any more where that was said, or where nobody ever can. */
static void test_told(void **state)
{
	struct disk_capability port, segment;
	struct disk_object record;
	object_t object = {0};

	(void)state;
	space = fake_space_formatted(1000);
	fake_begin();
	assert_int_equal(object_dying(&space, &object, &record), STATUS_NOT_FOUND);
	port = create(OBJECT_PORT, 1);
	segment = create(OBJECT_SEGMENT, PAGE_SIZE);
	destroy(&segment);
	assert_int_equal(object_dying(&space, &object, &record), STATUS_OK);
	assert_int_equal(object.n, segment.object);
	assert_false(object_awaited(&record));
	destroy(&port);
	object = (object_t){0};
	assert_int_equal(object_dying(&space, &object, &record), STATUS_OK);
	assert_int_equal(object.n, segment.object);
	object = (object_t){record.next_free};
	assert_int_equal(object_dying(&space, &object, &record), STATUS_OK);
	assert_int_equal(object.n, port.object);
	assert_true(object_awaited(&record));
	fake_begin();
	assert_int_equal(object_told(&space, object), STATUS_OK);
	fake_begin();
	assert_int_equal(object_dying(&space, &object, &record), STATUS_OK);
	assert_false(object_awaited(&record));
	/* It is not told of who has its number next. */
	fake_reclaim(&space);
	port = create(OBJECT_PORT, 1);
	destroy(&port);
	object = (object_t){port.object};
	assert_int_equal(object_dying(&space, &object, &record), STATUS_OK);
	assert_true(object_awaited(&record));
}

/* The list of those that die, from its start. */
static void order_is(const uint32_t *expected, unsigned count)
{
	struct disk_object record;
	object_t object = {0};

	fake_begin();
	for (unsigned i = 0; i < count; i++) {
		assert_int_equal(object_dying(&space, &object, &record), STATUS_OK);
		assert_int_equal(object.n, expected[i]);
		object = (object_t){record.next_free};
	}
	assert_int_equal(object.n, 0);
}

static struct disk_system *system_page(void)
{
	fake_adopt();
	return (struct disk_system *)fake_page(SYSTEM_PAGE);
}

/* Who is destroyed first goes first, with what ends with it, whoever else is destroyed since.
 * Where the end of the list is not known, or is none, it goes on from the front. */
static void test_order(void **state)
{
	struct disk_capability machine, table, one[3], port;
	struct disk_machine *page;
	uint32_t order[6];

	(void)state;
	space = fake_space_formatted(1000);
	fake_begin();
	machine = create(OBJECT_MACHINE, 0);
	assert_int_equal(machine_read(&space, (object_t){machine.object}, &page), STATUS_OK);
	table = page->table;
	for (unsigned i = 0; i < 3; i++)
		one[i] = create(OBJECT_SEGMENT, PAGE_SIZE);
	port = create(OBJECT_PORT, 1);
	destroy(&one[0]);
	destroy(&machine);
	destroy(&one[1]);
	order[0] = one[0].object;
	order[1] = table.object;
	order[2] = machine.object;
	order[3] = one[1].object;
	order_is(order, 4);
	/* An older kernel has put one in front; the end is the same. */
	system_page()->destroying_last = 0;
	destroy(&one[2]);
	memmove(&order[1], &order[0], 4 * sizeof(order[0]));
	order[0] = one[2].object;
	order_is(order, 5);
	system_page()->destroying_last = order[2]; /* not the last */
	destroy(&port);
	memmove(&order[1], &order[0], 5 * sizeof(order[0]));
	order[0] = port.object;
	order_is(order, 6);
	fake_reclaim(&space);
	assert_int_equal(system_page()->destroying, 0);
	/* What it says of an empty list does not count. */
	for (unsigned i = 0; i < 4; i++) {
		const uint32_t said[] = {OBJECT_ROOT_BANK, 60, OBJECT_MAX, UINT32_MAX};

		one[0] = create(OBJECT_SEGMENT, PAGE_SIZE);
		one[1] = create(OBJECT_SEGMENT, PAGE_SIZE);
		system_page()->destroying_last = said[i];
		destroy(&one[0]);
		system_page()->destroying_last = i < 2 ? one[0].object : said[i];
		destroy(&one[1]);
		order[0] = one[i < 2 ? 0 : 1].object;
		order[1] = one[i < 2 ? 1 : 0].object;
		order_is(order, 2);
		fake_reclaim(&space);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_port), cmocka_unit_test(test_table),
		cmocka_unit_test(test_port),	 cmocka_unit_test(test_machine),
		cmocka_unit_test(test_told),	 cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
