/* SPDX-License-Identifier: MIT */
/*
 * test_fake_content.c - segments, tables, ports, directories and the log.
 */
#include "tests/unit/objects/fake_store.h"
#include <stdio.h>

static const object_t root_bank = {OBJECT_ROOT_BANK};
static const object_t root_directory = {OBJECT_ROOT_DIRECTORY};

static object_t create(struct space *space, enum object_type type, uint64_t size, uint64_t size_max,
		       struct disk_object *record)
{
	struct object_request request = {.type = type, .size = size, .size_max = size_max};
	struct disk_capability capability;

	fake_begin();
	assert_int_equal(object_create(space, root_bank, &request, &capability), STATUS_OK);
	fake_begin();
	assert_int_equal(object_read(space, (object_t){capability.object}, record), STATUS_OK);
	return (object_t){capability.object};
}

static struct disk_capability token(uint64_t n)
{
	return (struct disk_capability){.version = n, .object = 1, .type = OBJECT_BANK, .badge = n};
}

/* ---- segments ----------------------------------------------------------------------- */

struct resize {
	object_t segment;
	uint64_t bytes;
	bool more;
};

static enum status resize_call(struct space *space, void *context)
{
	struct resize *resize = context;

	return segment_size_set(space, resize->segment, resize->bytes, &resize->more);
}

static void resize(struct space *space, object_t segment, uint64_t bytes)
{
	struct resize resize = {segment, bytes, true};

	while (resize.more)
		assert_int_equal(fake_try_all(resize_call, space, &resize), STATUS_OK);
}

static void fill(struct space *space, const struct disk_object *record, uint64_t page)
{
	void *data;

	fake_begin();
	assert_int_equal(space_write(space, (page_t){record->first_page + page}, &data), STATUS_OK);
	memset(data, 0xee, PAGE_SIZE);
	fake_begin();
}

static void test_resize(void **state)
{
	struct space space = fake_space_formatted(100);
	struct disk_object record;
	object_t segment = create(&space, OBJECT_SEGMENT, 100, 16 * 4096, &record);
	uint64_t base = fake_bank_pages(&space);
	uint8_t *page;

	(void)state;
	resize(&space, segment, 3 * 4096);
	assert_int_equal(fake_bank_pages(&space), base + 2);
	for (uint64_t i = 0; i < 3; i++)
		fill(&space, &record, i);
	resize(&space, segment, 4096 + 7);
	assert_int_equal(fake_bank_pages(&space), base + 1);
	assert_null(fake_page(record.first_page + 2));
	page = fake_page(record.first_page + 1);
	assert_int_equal(page[6], 0xee);
	for (uint32_t i = 7; i < PAGE_SIZE; i++)
		assert_int_equal(page[i], 0);
	resize(&space, segment, 0);
	assert_int_equal(fake_bank_pages(&space), base);
	assert_int_equal(fake_pages(record.first_page, record.first_page + 16), 0);
	resize(&space, segment, 16 * 4096);
	assert_int_equal(fake_bank_pages(&space), base + 15);
	assert_int_equal(object_read(&space, segment, &record), STATUS_OK);
	assert_int_equal(record.size, 16 * 4096);
}

static void test_resize_refused(void **state)
{
	struct space space = fake_space_formatted(100);
	struct disk_object record;
	object_t segment = create(&space, OBJECT_SEGMENT, 100, 256 * 4096, &record);
	bool more;

	(void)state;
	assert_int_equal(segment_size_set(&space, segment, 256 * 4096 + 1, &more), STATUS_LIMIT);
	assert_int_equal(segment_size_set(&space, segment, UINT64_MAX, &more), STATUS_LIMIT);
	assert_int_equal(segment_size_set(&space, segment, 200 * 4096, &more), STATUS_ALLOWANCE);
	assert_int_equal(segment_size_set(&space, root_directory, 4096, &more), STATUS_WRONG_TYPE);
	assert_int_equal(segment_size_set(&space, (object_t){900}, 4096, &more), STATUS_DEAD);
	assert_int_equal(segment_size_set(&space, segment, 100, &more), STATUS_OK);
}

/* A large cut keeps the size until the last step, and is the same executed anew. */
static void test_large_cut(void **state)
{
	uint64_t bytes = UINT64_C(64) << 20;
	struct space space = fake_space_formatted(100000);
	struct disk_object record;
	object_t segment = create(&space, OBJECT_SEGMENT, bytes, 0, &record);
	uint32_t steps = 0;
	bool more = true;

	(void)state;
	for (uint64_t i = 0; i < record.range_pages; i += 40)
		fill(&space, &record, i);
	while (more) {
		struct disk_object now;

		fake_begin();
		assert_int_equal(segment_size_set(&space, segment, 4096, &more), STATUS_OK);
		fake_begin();
		assert_int_equal(object_read(&space, segment, &now), STATUS_OK);
		assert_int_equal(now.size, more ? bytes : 4096);
		steps++;
	}
	assert_in_range(steps, record.range_pages / STORE_NODE_PAGES,
			record.range_pages / STORE_NODE_PAGES + 2);
	assert_int_equal(fake_pages(record.first_page, record.first_page + record.range_pages), 1);
}

/* ---- tables --------------------------------------------------------------------------- */

static void test_table(void **state)
{
	struct space space = fake_space_formatted(1000);
	struct disk_object table;
	struct disk_capability held, model[300];
	uint64_t random = 1;

	(void)state;
	create(&space, OBJECT_TABLE, 300, 0, &table);
	memset(model, 0, sizeof(model));
	for (uint32_t round = 0; round < 2000; round++) {
		uint32_t slot = (uint32_t)(fake_random(&random) % 300);

		fake_begin();
		assert_int_equal(table_get(&space, &table, slot, &held), STATUS_OK);
		assert_memory_equal(&held, &model[slot], sizeof(held));
		model[slot] = token(fake_random(&random) % 2 ? round + 1 : 0);
		assert_int_equal(table_prepare(&space, &table, slot), STATUS_OK);
		table_put(&space, &table, slot, &model[slot]);
	}
	assert_int_equal(table_get(&space, &table, 300, &held), STATUS_INVALID);
	assert_int_equal(table_prepare(&space, &table, 300), STATUS_INVALID);
	assert_int_equal(table_prepare(&space, &table, UINT32_MAX), STATUS_INVALID);
}

/* Slots of a type are found in order, in a table of which much was never used. */
static void test_table_find(void **state)
{
	struct space space = fake_space_formatted(1000);
	static uint8_t model[TABLE_SLOTS_MAX];
	const uint32_t slots = TABLE_SLOTS_MAX - 5;
	struct disk_object table;
	struct disk_capability held;
	uint64_t random = 5;

	(void)state;
	create(&space, OBJECT_TABLE, slots, 0, &table);
	memset(model, 0, sizeof(model));
	for (uint32_t round = 0; round < 3000; round++) {
		uint32_t slot = (uint32_t)(fake_random(&random) % slots), expected, found;
		enum object_type type = round % 2 ? OBJECT_REPLY : OBJECT_PORT;

		if (slot / TABLE_SLOTS_PER_PAGE % 3 == 0 && fake_random(&random) % 4 == 0) {
			fake_begin();
			model[slot] = (uint8_t)(fake_random(&random) % 3 ? 0 : type);
			held = (struct disk_capability){.version = 1, .type = model[slot]};
			assert_int_equal(table_prepare(&space, &table, slot), STATUS_OK);
			table_put(&space, &table, slot, &held);
		}
		expected = found = (uint32_t)(fake_random(&random) % (slots + 1));
		while (expected < slots && model[expected] != type)
			expected++;
		fake_begin();
		assert_int_equal(table_find(&space, &table, type, &found),
				 expected < slots ? STATUS_OK : STATUS_NOT_FOUND);
		if (expected < slots)
			assert_int_equal(found, expected);
	}
}

/* ---- ports ------------------------------------------------------------------------------ */

struct port_change {
	struct disk_object *port;
	struct disk_message message;
	bool put;
};

static enum status port_call(struct space *space, void *context)
{
	struct port_change *change = context;
	const struct disk_message *oldest;
	enum status status = change->put ? port_put_prepare(space, change->port)
					 : port_peek_prepare(space, change->port, &oldest);

	if (status != STATUS_OK)
		return status;
	if (change->put) {
		port_put(space, change->port, &change->message);
	} else {
		change->message = *oldest;
		port_drop(space, change->port);
	}
	return STATUS_OK;
}

static void port_run(uint32_t capacity, uint32_t rounds)
{
	struct space space = fake_space_formatted(1000);
	uint64_t random = capacity + 1, sent = 0, received = 0;
	struct disk_object port;
	struct port_change change = {.port = &port};
	enum status status;

	create(&space, OBJECT_PORT, capacity, 0, &port);
	for (uint32_t round = 0; round < rounds; round++) {
		bool put = fake_random(&random) % 100 < (round / 64 % 2 ? 30u : 70u);

		change.put = put;
		change.message = (struct disk_message){
			.label = sent + 1, .length = MESSAGE_DATA, .reply = token(sent + 1)};
		if (round % 16 == 0) {
			status = fake_try_all(port_call, &space, &change);
		} else {
			fake_begin();
			status = port_call(&space, &change);
		}
		if (put && sent - received == capacity) {
			assert_int_equal(status, STATUS_FULL);
		} else if (!put && sent == received) {
			assert_int_equal(status, STATUS_EMPTY);
		} else {
			assert_int_equal(status, STATUS_OK);
			if (put) {
				sent++;
				continue;
			}
			received++;
			assert_int_equal(change.message.label, received);
			assert_int_equal(change.message.reply.version, received);
		}
	}
	assert_true(received > capacity * 3);
}

static void test_port(void **state)
{
	(void)state;
	port_run(1, 600);
	port_run(2, 600);
	port_run(7, 1200);
	port_run(256, 5000);
}

/* A refused message leaves no dirty page behind. */
static void test_port_full_is_free(void **state)
{
	struct space space = fake_space_formatted(1000);
	struct disk_message message = {.label = 1};
	struct disk_object port;

	(void)state;
	create(&space, OBJECT_PORT, 1, 0, &port);
	assert_int_equal(port_put_prepare(&space, &port), STATUS_OK);
	port_put(&space, &port, &message);
	fake_begin();
	assert_int_equal(port_put_prepare(&space, &port), STATUS_FULL);
	assert_int_equal(fake_written(), 0);
}

static void test_port_damaged(void **state)
{
	static const size_t fields[] = {
		offsetof(struct disk_port, magic), offsetof(struct disk_port, capacity),
		offsetof(struct disk_port, head) + 1, offsetof(struct disk_port, count) + 1};
	struct space space = fake_space_formatted(1000);
	struct disk_message message = {.label = 1};
	const struct disk_message *oldest;
	struct disk_object port;

	(void)state;
	create(&space, OBJECT_PORT, 8, 0, &port);
	assert_int_equal(port_put_prepare(&space, &port), STATUS_OK);
	port_put(&space, &port, &message);
	for (uint32_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		fake_page(port.first_page)[fields[i]] ^= 1;
		fake_adopt();
		assert_int_equal(port_put_prepare(&space, &port), STATUS_CORRUPT);
		assert_int_equal(port_peek_prepare(&space, &port, &oldest), STATUS_CORRUPT);
		fake_page(port.first_page)[fields[i]] ^= 1;
	}
	fake_adopt();
	assert_int_equal(port_peek_prepare(&space, &port, &oldest), STATUS_OK);
	((struct disk_message *)fake_page(port.first_page + 1))->length = MESSAGE_DATA + 1;
	fake_adopt();
	assert_int_equal(port_peek_prepare(&space, &port, &oldest), STATUS_CORRUPT);
}

/* ---- directories ---------------------------------------------------------------------------- */

static void test_names(void **state)
{
	char longest[TREE_KEY_MAX + 1];

	(void)state;
	memset(longest, 'x', sizeof(longest));
	assert_true(directory_name_valid("a", 1));
	assert_true(directory_name_valid(longest, TREE_KEY_MAX));
	assert_true(directory_name_valid("\xff\x01", 2));
	assert_false(directory_name_valid(longest, TREE_KEY_MAX + 1));
	assert_false(directory_name_valid("", 0));
	assert_false(directory_name_valid("a/b", 3));
	assert_false(directory_name_valid("a\0b", 3));
}

struct link {
	object_t from, to;
	const char *old_name, *new_name;
	struct disk_capability capability;
	bool replace;
};

static enum status link_call(struct space *space, void *context)
{
	struct link *link = context;

	if (link->old_name && link->new_name)
		return entry_rename(space, link->from, link->old_name, strlen(link->old_name),
				    link->to, link->new_name, strlen(link->new_name),
				    link->replace);
	if (link->new_name)
		return entry_link(space, link->to, link->new_name, strlen(link->new_name),
				  &link->capability, link->replace);
	return entry_unlink(space, link->from, link->old_name, strlen(link->old_name));
}

/* Two directories of named tokens. */
#define NAMES 60u
static uint64_t named[2][NAMES]; /* 0: no such name */

static void directories_verify(struct space *space, const object_t directory[2])
{
	for (uint32_t d = 0; d < 2; d++) {
		struct directory_entry entry = {.length = 0};
		struct disk_object record;
		uint32_t count = 0;

		for (uint32_t i = 0; i < NAMES; i++) {
			char name[32];

			snprintf(name, sizeof(name), "name-%04u", i);
			if (!named[d][i])
				continue;
			count++;
			fake_begin();
			assert_int_equal(
				entry_next(space, directory[d], entry.name, entry.length, &entry),
				STATUS_OK);
			assert_string_equal(entry.name, name);
			assert_int_equal(entry.capability.badge, named[d][i]);
		}
		assert_int_equal(entry_next(space, directory[d], entry.name, entry.length, &entry),
				 STATUS_NOT_FOUND);
		assert_int_equal(object_read(space, directory[d], &record), STATUS_OK);
		assert_int_equal(record.size, count);
	}
}

/* One random call, and what it must answer. */
static enum status directories_model(const struct link *link, const uint32_t d[2],
				     const uint32_t n[2])
{
	uint64_t *from = &named[d[0]][n[0]], *to = &named[d[1]][n[1]];

	if (link->old_name && !*from)
		return STATUS_NOT_FOUND;
	if (link->old_name && link->new_name && from == to)
		return STATUS_OK;
	if (link->new_name && *to && !link->replace)
		return STATUS_EXISTS;
	if (link->new_name)
		*to = link->old_name ? *from : link->capability.badge;
	if (link->old_name)
		*from = 0;
	return STATUS_OK;
}

static void test_directories(void **state)
{
	struct space space = fake_space_formatted(1000);
	struct disk_object record;
	object_t directory[2] = {root_directory, create(&space, OBJECT_DIRECTORY, 0, 0, &record)};
	uint64_t random = 4, base = fake_bank_pages(&space);

	(void)state;
	memset(named, 0, sizeof(named));
	for (uint32_t round = 0; round < 5000; round++) {
		uint32_t d[2] = {fake_random(&random) % 2, fake_random(&random) % 2};
		uint32_t n[2] = {fake_random(&random) % NAMES, fake_random(&random) % NAMES};
		uint32_t kind = (uint32_t)(fake_random(&random) % 5);
		char old_name[32], new_name[32];
		struct link link = {.from = directory[d[0]],
				    .to = directory[d[1]],
				    .old_name = kind > 1 ? old_name : NULL,
				    .new_name = kind != 4 ? new_name : NULL,
				    .capability = token(round + 1),
				    .replace = fake_random(&random) % 2};

		snprintf(old_name, sizeof(old_name), "name-%04u", n[0]);
		snprintf(new_name, sizeof(new_name), "name-%04u", n[1]);
		if (round % 20 == 0) {
			assert_int_equal(fake_try_all(link_call, &space, &link),
					 directories_model(&link, d, n));
		} else {
			fake_begin();
			assert_int_equal(link_call(&space, &link), directories_model(&link, d, n));
		}
		if (round % 100 == 0)
			directories_verify(&space, directory);
	}
	directories_verify(&space, directory);
	/* The pages of the trees are paid for. */
	fake_begin();
	assert_int_equal(fake_bank_pages(&space), base + fake_tree_pages());
}

static void test_directory_refused(void **state)
{
	struct space space = fake_space_formatted(1 + 17 + 1);
	struct disk_capability capability = token(1);
	char name[8];
	enum status status = STATUS_OK;
	uint32_t links = 0;

	(void)state;
	assert_int_equal(entry_link(&space, root_directory, "a/b", 3, &capability, false),
			 STATUS_INVALID);
	assert_int_equal(entry_lookup(&space, root_directory, "", 0, &capability), STATUS_INVALID);
	assert_int_equal(entry_link(&space, root_bank, "a", 1, &capability, false),
			 STATUS_WRONG_TYPE);
	assert_int_equal(entry_unlink(&space, root_directory, "a", 1), STATUS_NOT_FOUND);
	/* The allowance has room for one page of entries: the next one splits it. */
	for (; status == STATUS_OK; links++) {
		snprintf(name, sizeof(name), "%u", links);
		fake_begin();
		status = entry_link(&space, root_directory, name, strlen(name), &capability, false);
	}
	assert_int_equal(status, STATUS_ALLOWANCE);
	assert_int_equal(links - 1, 58);
}

/* ---- log ---------------------------------------------------------------------------------- */

static uint8_t log_byte(uint64_t position)
{
	return (uint8_t)(position * 7 + position / 251);
}

static enum status log_call(struct space *space, void *context)
{
	const struct disk_log *header = (const void *)fake_page(*(uint64_t *)context);
	uint64_t written = header ? header->written : 0;
	uint8_t text[300];
	enum status status = log_prepare(space, 100);

	if (status == STATUS_OK)
		status = log_prepare(space, 200);
	if (status != STATUS_OK)
		return status;
	for (uint32_t i = 0; i < 300; i++)
		text[i] = log_byte(written + i);
	log_add(space, text, 100);
	log_add(space, text + 100, 200);
	return STATUS_OK;
}

static void test_log(void **state)
{
	struct space space = fake_space_formatted(1000);
	uint64_t position = 0, written = 0, random = 6;
	struct disk_object record;
	uint8_t text[5000];
	size_t length;

	(void)state;
	assert_int_equal(object_read(&space, (object_t){OBJECT_THE_LOG}, &record), STATUS_OK);
	assert_int_equal(log_copy(&space, &position, text, sizeof(text), &length), STATUS_EMPTY);
	for (uint32_t round = 0; round < 2000; round++) {
		if (round % 50 == 0) {
			assert_int_equal(fake_try_all(log_call, &space, &record.first_page),
					 STATUS_OK);
		} else {
			fake_begin();
			assert_int_equal(log_call(&space, &record.first_page), STATUS_OK);
		}
		written += 300;
		/* A reader that is sometimes too slow. */
		if (fake_random(&random) % (round < 1000 ? 4 : 400))
			continue;
		for (;;) {
			uint64_t before = position;
			enum status status;

			fake_begin();
			status = log_copy(&space, &position, text,
					  1 + fake_random(&random) % sizeof(text), &length);
			if (status == STATUS_EMPTY)
				break;
			assert_int_equal(status, STATUS_OK);
			assert_true(position == before ||
				    position == written - LOG_PAGES * PAGE_SIZE);
			assert_in_range(length, 1, PAGE_SIZE);
			for (size_t i = 0; i < length; i++)
				assert_int_equal(text[i], log_byte(position + i));
			position += length;
		}
		assert_int_equal(position, written);
	}
	position = written + 12345;
	assert_int_equal(log_copy(&space, &position, text, sizeof(text), &length), STATUS_EMPTY);
	assert_int_equal(position, written);
	fake_begin();
	assert_int_equal(log_prepare(&space, LOG_PREPARE_MAX), STATUS_OK);
	assert_int_equal(log_prepare(&space, 1), STATUS_LIMIT);
	assert_int_equal(log_prepare(&space, SIZE_MAX), STATUS_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resize),
		cmocka_unit_test(test_resize_refused),
		cmocka_unit_test(test_large_cut),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_table_find),
		cmocka_unit_test(test_port),
		cmocka_unit_test(test_port_full_is_free),
		cmocka_unit_test(test_port_damaged),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_directories),
		cmocka_unit_test(test_directory_refused),
		cmocka_unit_test(test_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
