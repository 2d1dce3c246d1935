/* SPDX-License-Identifier: MIT */
/*
 * test_fake_damage.c - any bytes in any page: every call answers with a status,
 * nothing outside of pages is touched, and no check fails.
 */
#include "tests/unit/objects/fake_store.h"

static const object_t root_bank = {OBJECT_ROOT_BANK};
static const object_t root_directory = {OBJECT_ROOT_DIRECTORY};

/* The populated space: a machine, a segment, a port, a table, a directory. */
struct world {
	struct space space;
	struct disk_capability machine, segment, port, table, directory, dying;
	uint64_t random;
};

static struct disk_capability create(struct space *space, enum object_type type, uint64_t size)
{
	struct object_request request = {.type = type, .size = size, .name = "m"};
	struct disk_capability capability;

	fake_begin();
	assert_int_equal(object_create(space, root_bank, &request, &capability), STATUS_OK);
	return capability;
}

static void world_messages(struct world *world)
{
	struct disk_message message = {.label = 1, .length = 10};
	struct disk_object port;

	for (uint32_t i = 0; i < 5; i++) {
		fake_begin();
		assert_int_equal(object_read(&world->space, (object_t){world->port.object}, &port),
				 STATUS_OK);
		assert_int_equal(port_put_prepare(&world->space, &port), STATUS_OK);
		port_put(&world->space, &port, &message);
	}
}

static void world_build(struct world *world)
{
	struct space *space = &world->space;
	struct disk_machine *machine;
	struct disk_object segment;
	char name[2] = {0};

	world->space = fake_space_formatted(10000);
	world->machine = create(space, OBJECT_MACHINE, 0);
	world->segment = create(space, OBJECT_SEGMENT, 20000);
	world->port = create(space, OBJECT_PORT, 9);
	world->table = create(space, OBJECT_TABLE, 100);
	world->directory = create(space, OBJECT_DIRECTORY, 0);
	world->dying = create(space, OBJECT_MACHINE, 0);
	for (uint32_t i = 0; i < 60; i++) {
		name[0] = (char)('0' + i);
		fake_begin();
		assert_int_equal(entry_link(space, (object_t){world->directory.object}, name, 1,
					    &world->segment, true),
				 name[0] == '/' ? STATUS_INVALID : STATUS_OK);
	}
	world_messages(world);
	fake_begin();
	assert_int_equal(log_prepare(space, 4000), STATUS_OK);
	log_add(space, "x", 1);
	fake_begin();
	assert_int_equal(object_read(space, (object_t){world->segment.object}, &segment),
			 STATUS_OK);
	assert_int_equal(machine_prepare(space, (object_t){world->machine.object}, &machine),
			 STATUS_OK);
	assert_int_equal(
		attachment_add(machine, &segment, &world->segment, RUN(0, 0, RIGHT_READ, true)),
		STATUS_OK);
	assert_int_equal(deadline_insert_prepare(space, 99, (object_t){world->machine.object}),
			 STATUS_OK);
	deadline_insert(space, 99, (object_t){world->machine.object});
	machine->deadline = 99;
	fake_begin();
	assert_int_equal(fake_destroy(space, (object_t){world->dying.object}), STATUS_OK);
	fake_begin();
	fake_save();
}

/* A byte where objects have their fields; now and then anywhere. */
static void damage(struct world *world)
{
	uint64_t random = fake_random(&world->random), page;
	uint8_t *data = NULL;

	switch (random % 4) {
	case 0:
		data = fake_page(OBJECT_TABLE_PAGE);
		data += (random >> 8) % (64 * 20);
		break;
	case 1:
		data = fake_page(SYSTEM_PAGE);
		data += (random >> 8) % 144;
		break;
	default:
		data = fake_page_nth((random >> 8) % fake_pages(0, UINT64_MAX), &page);
		data += (random >> 32) % (random % 4 == 2 ? 128 : PAGE_SIZE);
		break;
	}
	*data = (uint8_t)(random >> 56);
	if (random % 16 == 5)
		memset(data - (uintptr_t)data % 8, (int)(random >> 40), 8);
}

static enum status call_objects(struct world *world, uint32_t pick)
{
	static const enum object_type types[] = {OBJECT_SEGMENT, OBJECT_MACHINE, OBJECT_PORT,
						 OBJECT_TABLE, OBJECT_DIRECTORY};
	struct object_request request = {.size = 100, .type = types[pick % 5]};
	struct space *space = &world->space;
	struct disk_capability made;
	struct disk_object record;
	bool more;

	switch (pick / 8 % 5) {
	case 0:
		return object_create(space, root_bank, &request, &made);
	case 1:
		return fake_destroy(space, (object_t){world->machine.object + pick % 8});
	case 2:
		return fake_destroy_step(space, &more);
	case 3:
		return segment_size_set(space, (object_t){world->segment.object}, pick % 8 * 4000,
					&more);
	default:
		return object_read(space, (object_t){1 + pick % 8}, &record);
	}
}

static enum status call_directories(struct world *world, uint32_t pick)
{
	object_t directory = {pick & 1 ? world->directory.object : root_directory.n};
	object_t other = {pick & 2 ? world->directory.object : root_directory.n};
	struct directory_entry entry = {.length = 1, .name = {(char)('0' + pick / 8 % 70)}};
	struct space *space = &world->space;
	struct disk_capability found;

	if (entry.name[0] == '/')
		entry.name[0] = '_';
	switch (pick / 1024 % 5) {
	case 0:
		return entry_lookup(space, directory, entry.name, 1, &found);
	case 1:
		return entry_link(space, directory, entry.name, 1, &world->port, pick & 4);
	case 2:
		return entry_unlink(space, directory, entry.name, 1);
	case 3:
		return entry_rename(space, directory, entry.name, 1, other, "new", 3, pick & 4);
	default:
		return entry_next(space, directory, entry.name, entry.length, &entry);
	}
}

static enum status call_port(struct world *world, uint32_t pick)
{
	struct disk_message message = {.label = 3};
	const struct disk_message *oldest;
	struct space *space = &world->space;
	struct disk_object port;
	enum status status = object_resolve(space, &world->port, OBJECT_PORT, RIGHT_SEND, &port);

	if (status != STATUS_OK)
		return status;
	if (pick & 1) {
		status = port_put_prepare(space, &port);
		if (status == STATUS_OK)
			port_put(space, &port, &message);
		return status;
	}
	status = port_peek_prepare(space, &port, &oldest);
	if (status == STATUS_OK)
		port_drop(space, &port);
	return status;
}

static enum status call_table(struct world *world, uint32_t pick)
{
	struct space *space = &world->space;
	struct disk_capability held;
	struct disk_object table;
	enum status status = object_resolve(space, &world->table, OBJECT_TABLE, 0, &table);

	if (status == STATUS_OK)
		status = table_get(space, &table, pick % 110, &held);
	if (status == STATUS_OK)
		status = table_prepare(space, &table, pick % 110);
	if (status == STATUS_OK)
		table_put(space, &table, pick % 110, &world->port);
	return status;
}

static enum status call_machine(struct world *world, uint32_t pick)
{
	struct space *space = &world->space;
	object_t object = {world->machine.object}, found = {0};
	struct disk_machine *machine;
	enum status status = machine_prepare(space, object, &machine);
	uint64_t deadline = 0;

	if (status != STATUS_OK)
		return status;
	switch (pick % 5) {
	case 0:
		(void)machine_attachment(machine, (page_t){USER_ARENA_PAGE + pick % 99});
		return machine_attachments_prune(space, machine);
	case 1:
		return machine_next(space, (object_t){pick % 20}, &found);
	case 2:
		return machine_bit_next(space, 0, (object_t){pick % 20}, &found);
	case 3:
		return deadline_next(space, &deadline, &found);
	default:
		status = deadline_remove_prepare(space, machine->deadline, object);
		if (status == STATUS_OK)
			status = deadline_insert_prepare(space, pick, object);
		if (status != STATUS_OK)
			return status;
		deadline_remove(space, machine->deadline, object);
		deadline_insert(space, pick, object);
		return STATUS_OK;
	}
}

static enum status call_log(struct world *world, uint32_t pick)
{
	struct space *space = &world->space;
	uint64_t from = pick;
	char text[600];
	size_t length;
	enum status status = log_prepare(space, 500);

	memset(text, 'x', sizeof(text));
	if (status == STATUS_OK)
		log_add(space, text, 500);
	if (pick & 1)
		status = log_copy(space, &from, text, sizeof(text), &length);
	return status;
}

static void test_damage(void **state)
{
	static enum status (*const calls[])(struct world *, uint32_t) = {
		call_objects, call_directories, call_port, call_table, call_machine, call_log};
	static struct world world;
	uint32_t answers[STATUS_COUNT] = {0};

	(void)state;
	world.random = 21;
	world_build(&world);
	for (uint32_t round = 0; round < 60000; round++) {
		uint32_t pick = (uint32_t)(fake_random(&world.random) >> 20);

		for (uint32_t hits = 0; hits <= pick % 3; hits++)
			damage(&world);
		fake_adopt();
		/* Twice: what the first call leaves must not lead the second astray. */
		for (uint32_t turn = 0; turn < 2; turn++) {
			enum status status = calls[pick % 6](&world, pick / 8);

			assert_in_range(status, STATUS_OK, STATUS_COUNT - 1);
			assert_int_not_equal(status, STATUS_WAIT);
			answers[status]++;
			fake_begin();
		}
		fake_restore();
	}
	assert_true(answers[STATUS_OK] > 1000);
	assert_true(answers[STATUS_CORRUPT] > 1000);
	assert_true(answers[STATUS_DEAD] > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
