/* SPDX-License-Identifier: MIT */
/*
 * test_fake_machine.c - machine pages, attachments, the may-be-ready bitmap,
 * the list of machines and the deadlines.
 */
#include "tests/unit/objects/fake_store.h"

static const object_t root_bank = {OBJECT_ROOT_BANK};

static struct disk_capability create(struct space *space, enum object_type type, uint64_t size)
{
	struct object_request request = {.type = type, .size = size, .name = "m"};
	struct disk_capability capability;

	fake_begin();
	assert_int_equal(object_create(space, root_bank, &request, &capability), STATUS_OK);
	fake_begin();
	return capability;
}

static void test_page_checks(void **state)
{
	struct space space = fake_space_formatted(1000);
	struct disk_capability self = create(&space, OBJECT_MACHINE, 0);
	struct disk_capability segment = create(&space, OBJECT_SEGMENT, 1);
	object_t object = {self.object};
	struct disk_machine *machine, good;
	struct disk_object record;
	static const size_t fields[] = {
		offsetof(struct disk_machine, magic),
		offsetof(struct disk_machine, object),
		offsetof(struct disk_machine, version),
		offsetof(struct disk_machine, state),
		offsetof(struct disk_machine, priority),
		offsetof(struct disk_machine, message_page),
		offsetof(struct disk_machine, name) + MACHINE_NAME - 1,
	};

	(void)state;
	assert_int_equal(machine_read(&space, (object_t){segment.object}, &machine),
			 STATUS_WRONG_TYPE);
	assert_int_equal(machine_read(&space, (object_t){999}, &machine), STATUS_DEAD);
	assert_int_equal(object_read(&space, object, &record), STATUS_OK);
	assert_int_equal(machine_prepare(&space, object, &machine), STATUS_OK);
	good = *machine;
	for (uint32_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		fake_page(record.first_page)[fields[i]] ^= 0x40;
		fake_adopt();
		assert_int_equal(machine_read(&space, object, &machine), STATUS_CORRUPT);
		assert_int_equal(machine_prepare(&space, object, &machine), STATUS_CORRUPT);
		memcpy(fake_page(record.first_page), &good, sizeof(good));
		fake_adopt();
		assert_int_equal(machine_read(&space, object, &machine), STATUS_OK);
	}
}

static void test_attach(void **state)
{
	struct space space = fake_space_formatted(100000);
	struct disk_capability self = create(&space, OBJECT_MACHINE, 0);
	struct disk_capability capability = create(&space, OBJECT_SEGMENT, 8 * 4096);
	struct disk_object segment;
	struct disk_machine *machine;
	uint64_t first;

	(void)state;
	assert_int_equal(object_read(&space, (object_t){capability.object}, &segment), STATUS_OK);
	assert_int_equal(machine_prepare(&space, (object_t){self.object}, &machine), STATUS_OK);
	first = segment.first_page;
	capability.rights = RIGHT_READ | RIGHT_WRITE;
	assert_int_equal(attachment_add(machine, &segment, &capability, 8, 1, RIGHT_READ, false),
			 STATUS_INVALID);
	assert_int_equal(attachment_add(machine, &segment, &capability, 7, 2, RIGHT_READ, false),
			 STATUS_INVALID);
	assert_int_equal(
		attachment_add(machine, &segment, &capability, 1, UINT64_MAX, RIGHT_READ, false),
		STATUS_INVALID);
	assert_int_equal(attachment_add(machine, &segment, &capability, 0, 1, 0, false),
			 STATUS_INVALID);
	assert_int_equal(attachment_add(machine, &segment, &capability, 0, 1, RIGHT_SEND, false),
			 STATUS_INVALID);
	assert_int_equal(attachment_add(machine, &segment, &capability, 0, 1, RIGHT_EXECUTE, false),
			 STATUS_NO_RIGHT);
	assert_int_equal(attachment_add(machine, &segment, &capability, 0, 1, RIGHT_READ, true),
			 STATUS_NO_RIGHT);
	assert_int_equal(attachment_add(machine, &segment, &capability, 2, 3, RIGHT_READ, false),
			 STATUS_OK);
	assert_int_equal(attachment_add(machine, &segment, &capability, 4, 1, RIGHT_WRITE, false),
			 STATUS_ATTACHED);
	assert_int_equal(attachment_add(machine, &segment, &capability, 0, 0, RIGHT_WRITE, false),
			 STATUS_ATTACHED);
	assert_int_equal(attachment_add(machine, &segment, &capability, 5, 0, RIGHT_WRITE, false),
			 STATUS_OK);
	assert_null(machine_attachment(machine, (page_t){first + 1}));
	assert_int_equal(machine_attachment(machine, (page_t){first + 2})->rights, RIGHT_READ);
	assert_int_equal(machine_attachment(machine, (page_t){first + 4})->rights, RIGHT_READ);
	assert_int_equal(machine_attachment(machine, (page_t){first + 5})->rights, RIGHT_WRITE);
	assert_int_equal(machine_attachment(machine, (page_t){first + 5})->pages, 3);
	assert_null(machine_attachment(machine, (page_t){first + 8}));
	assert_int_equal(attachment_remove(machine, (page_t){first + 8}), STATUS_INVALID);
	assert_int_equal(attachment_remove(machine, (page_t){first + 3}), STATUS_OK);
	assert_null(machine_attachment(machine, (page_t){first + 2}));
	assert_non_null(machine_attachment(machine, (page_t){first + 6}));
}

/* An entry that names kernel pages is never the answer, whatever wrote it. */
static void test_attachment_bounds(void **state)
{
	static struct disk_machine machine;

	(void)state;
	machine.attachments[3] = (struct disk_attachment){
		.segment = {.version = 1}, .first_page = 0, .pages = UINT64_MAX, .rights = 7};
	assert_null(machine_attachment(&machine, (page_t){0}));
	assert_null(machine_attachment(&machine, (page_t){OBJECT_TABLE_PAGE}));
	assert_null(machine_attachment(&machine, (page_t){USER_ARENA_PAGE - 1}));
	assert_null(machine_attachment(&machine, (page_t){USER_ARENA_END}));
	assert_non_null(machine_attachment(&machine, (page_t){USER_ARENA_PAGE}));
}

static void test_attachments_full_and_pruned(void **state)
{
	struct space space = fake_space_formatted(100000);
	struct disk_capability self = create(&space, OBJECT_MACHINE, 0);
	struct disk_capability capability[MACHINE_ATTACHMENTS + 1];
	struct disk_machine *machine;

	(void)state;
	for (uint32_t i = 0; i <= MACHINE_ATTACHMENTS; i++) {
		struct disk_object segment;

		capability[i] = create(&space, OBJECT_SEGMENT, 1);
		assert_int_equal(object_read(&space, (object_t){capability[i].object}, &segment),
				 STATUS_OK);
		assert_int_equal(machine_prepare(&space, (object_t){self.object}, &machine),
				 STATUS_OK);
		assert_int_equal(
			attachment_add(machine, &segment, &capability[i], 0, 0, RIGHT_READ, false),
			i < MACHINE_ATTACHMENTS ? STATUS_OK : STATUS_LIMIT);
	}
	for (uint32_t i = 0; i < MACHINE_ATTACHMENTS; i += 2) {
		fake_begin();
		assert_int_equal(fake_destroy(&space, (object_t){capability[i].object}), STATUS_OK);
	}
	fake_begin();
	assert_int_equal(machine_prepare(&space, (object_t){self.object}, &machine), STATUS_OK);
	assert_int_equal(machine_attachments_prune(&space, machine), STATUS_OK);
	for (uint32_t i = 0; i < MACHINE_ATTACHMENTS; i++)
		assert_int_equal(machine->attachments[i].segment.version != 0, i % 2);
}

#define READY_BITS (3 * READY_BITS_PER_PAGE)

static void test_ready(void **state)
{
	struct space space = fake_space_formatted(1000);
	static bool model[MACHINE_PRIORITIES][READY_BITS];
	struct disk_system *system = (void *)fake_page(SYSTEM_PAGE);
	uint64_t random = 8;
	object_t found;

	(void)state;
	memset(model, 0, sizeof(model));
	system->next_object = READY_BITS;
	fake_adopt();
	for (uint32_t round = 0; round < 4000; round++) {
		uint32_t n = 1 + (uint32_t)(fake_random(&random) % (READY_BITS - 1));
		unsigned priority = fake_random(&random) % MACHINE_PRIORITIES;
		bool *marked = model[priority];
		uint32_t expected;

		/* The middle page is left absent at first. */
		if (round < 2000 && n / READY_BITS_PER_PAGE == 1)
			continue;
		fake_begin();
		assert_int_equal(machine_bit_prepare(&space, (object_t){n}, priority), STATUS_OK);
		marked[n] = fake_random(&random) % 2;
		machine_bit_set(&space, (object_t){n}, priority, marked[n]);
		n = (uint32_t)(fake_random(&random) % READY_BITS);
		for (expected = n; expected < READY_BITS && !marked[expected]; expected++)
			;
		assert_int_equal(machine_bit_next(&space, priority, (object_t){n}, &found),
				 expected < READY_BITS ? STATUS_OK : STATUS_NOT_FOUND);
		if (expected < READY_BITS)
			assert_int_equal(found.n, expected);
	}
	assert_int_equal(machine_bit_prepare(&space, (object_t){0}, 1), STATUS_NOT_FOUND);
	assert_int_equal(machine_bit_prepare(&space, (object_t){OBJECT_MAX}, 1), STATUS_NOT_FOUND);
}

/* Machines among many other objects are found one after the other. */
static void test_machine_next(void **state)
{
	struct space space = fake_space_formatted(100000);
	uint32_t expected[100], count = 0;
	object_t found = {0};

	(void)state;
	for (uint32_t i = 0; i < 400; i++) {
		struct disk_capability capability =
			create(&space, i % 8 ? OBJECT_SEGMENT : OBJECT_MACHINE, i % 8 ? 1 : 0);

		if (i % 8)
			continue;
		if (i % 24)
			expected[count++] = capability.object;
		else
			assert_int_equal(fake_destroy(&space, (object_t){capability.object}),
					 STATUS_OK);
	}
	for (uint32_t i = 0; i < count; i++) {
		fake_begin();
		assert_int_equal(machine_next(&space, (object_t){found.n + 1}, &found), STATUS_OK);
		assert_int_equal(found.n, expected[i]);
		/* `from` itself counts. */
		assert_int_equal(machine_next(&space, found, &found), STATUS_OK);
		assert_int_equal(found.n, expected[i]);
	}
	assert_int_equal(machine_next(&space, (object_t){found.n + 1}, &found), STATUS_NOT_FOUND);
	assert_int_equal(machine_next(&space, (object_t){0}, &found), STATUS_OK);
	assert_int_equal(found.n, expected[0]);
}

#define DEADLINES 1500u

struct deadline_model {
	uint64_t deadline;
	uint32_t machine;
};

static enum status deadline_call(struct space *space, void *context)
{
	struct deadline_model *change = context; /* the first goes, the second comes */
	enum status status =
		deadline_remove_prepare(space, change[0].deadline, (object_t){change[0].machine});

	if (status == STATUS_OK)
		status = deadline_insert_prepare(space, change[1].deadline,
						 (object_t){change[1].machine});
	if (status != STATUS_OK)
		return status;
	deadline_remove(space, change[0].deadline, (object_t){change[0].machine});
	deadline_insert(space, change[1].deadline, (object_t){change[1].machine});
	return STATUS_OK;
}

static bool model_behind(const struct deadline_model *entry, uint64_t deadline, uint32_t machine)
{
	return entry->deadline > deadline ||
	       (entry->deadline == deadline && entry->machine > machine);
}

/* The first one behind this one, or `count`. */
static uint32_t model_next(const struct deadline_model *model, uint32_t count, uint64_t deadline,
			   uint32_t machine)
{
	uint32_t next = count;

	for (uint32_t i = 0; i < count; i++)
		if (model_behind(&model[i], deadline, machine) &&
		    (next == count ||
		     model_behind(&model[next], model[i].deadline, model[i].machine)))
			next = i;
	return next;
}

static void test_deadlines(void **state)
{
	struct space space = fake_space_formatted(1000);
	static struct deadline_model model[DEADLINES];
	struct deadline_model change[2];
	uint64_t random = 12, deadline = 0;
	uint32_t count = 0;
	object_t machine = {0};

	(void)state;
	assert_int_equal(deadline_next(&space, &deadline, &machine), STATUS_NOT_FOUND);
	for (uint32_t round = 0; round < 6000; round++) {
		uint32_t pick = count ? (uint32_t)(fake_random(&random) % count) : 0;

		/* Times near each other, now and then at the very ends. */
		change[1].deadline = round % 97 ? 1000 + fake_random(&random) % 64 : UINT64_MAX;
		change[1].machine = 1 + round;
		change[0] = count ? model[pick] : change[1];
		if (count < DEADLINES && fake_random(&random) % 2) {
			fake_begin();
			assert_int_equal(deadline_insert_prepare(&space, change[1].deadline,
								 (object_t){change[1].machine}),
					 STATUS_OK);
			deadline_insert(&space, change[1].deadline, (object_t){change[1].machine});
			model[count++] = change[1];
		} else if (count && fake_random(&random) % 2) {
			fake_begin();
			assert_int_equal(deadline_remove_prepare(&space, change[0].deadline,
								 (object_t){change[0].machine}),
					 STATUS_OK);
			deadline_remove(&space, change[0].deadline, (object_t){change[0].machine});
			model[pick] = model[--count];
		} else if (count) {
			/* Out and in at once, as in reply and receive. */
			if (round % 64 == 0) {
				assert_int_equal(fake_try_all(deadline_call, &space, change),
						 STATUS_OK);
			} else {
				fake_begin();
				assert_int_equal(deadline_call(&space, change), STATUS_OK);
			}
			model[pick] = change[1];
		}
		if (!count)
			continue;
		/* The first, and sometimes all in order. */
		fake_begin();
		deadline = machine.n = 0;
		for (uint32_t i = 0; i < (round % 100 ? 1 : count); i++) {
			uint32_t next = model_next(model, count, deadline, machine.n);

			assert_int_equal(deadline_next(&space, &deadline, &machine), STATUS_OK);
			assert_int_equal(deadline, model[next].deadline);
			assert_int_equal(machine.n, model[next].machine);
		}
		if (round % 100 == 0)
			assert_int_equal(deadline_next(&space, &deadline, &machine),
					 STATUS_NOT_FOUND);
	}
	/* Taking out what is not there changes nothing. */
	fake_begin();
	fake_save();
	assert_int_equal(deadline_remove_prepare(&space, 5, (object_t){5}), STATUS_OK);
	deadline_remove(&space, 5, (object_t){5});
	assert_true(fake_unchanged());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_page_checks),
		cmocka_unit_test(test_attach),
		cmocka_unit_test(test_attachment_bounds),
		cmocka_unit_test(test_attachments_full_and_pruned),
		cmocka_unit_test(test_ready),
		cmocka_unit_test(test_machine_next),
		cmocka_unit_test(test_deadlines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
