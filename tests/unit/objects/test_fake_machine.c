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

/* A machine, to be changed, and the record of a segment. */
static struct disk_machine *machine_beside(struct space *space,
					   const struct disk_capability *capability,
					   struct disk_object *segment)
{
	struct disk_capability self = create(space, OBJECT_MACHINE, 0);
	struct disk_machine *machine;

	assert_int_equal(object_read(space, (object_t){capability->object}, segment), STATUS_OK);
	assert_int_equal(machine_prepare(space, (object_t){self.object}, &machine), STATUS_OK);
	return machine;
}

static void test_attach(void **state)
{
	struct space space = fake_space_formatted(100000);
	struct disk_capability capability = create(&space, OBJECT_SEGMENT, 8 * 4096);
	struct disk_object segment;
	struct disk_machine *machine;
	uint64_t first;

	(void)state;
	machine = machine_beside(&space, &capability, &segment);
	first = segment.first_page;
	capability.rights = RIGHT_READ | RIGHT_WRITE;
	assert_int_equal(
		attachment_add(machine, &segment, &capability, RUN(8, 1, RIGHT_READ, false)),
		STATUS_INVALID);
	assert_int_equal(
		attachment_add(machine, &segment, &capability, RUN(7, 2, RIGHT_READ, false)),
		STATUS_INVALID);
	assert_int_equal(attachment_add(machine, &segment, &capability,
					RUN(1, UINT64_MAX, RIGHT_READ, false)),
			 STATUS_INVALID);
	assert_int_equal(attachment_add(machine, &segment, &capability, RUN(0, 1, 0, false)),
			 STATUS_INVALID);
	assert_int_equal(
		attachment_add(machine, &segment, &capability, RUN(0, 1, RIGHT_SEND, false)),
		STATUS_INVALID);
	assert_int_equal(
		attachment_add(machine, &segment, &capability, RUN(0, 1, RIGHT_EXECUTE, false)),
		STATUS_NO_RIGHT);
	assert_int_equal(
		attachment_add(machine, &segment, &capability, RUN(0, 1, RIGHT_READ, true)),
		STATUS_NO_RIGHT);
	assert_int_equal(
		attachment_add(machine, &segment, &capability, RUN(2, 3, RIGHT_READ, false)),
		STATUS_OK);
	assert_int_equal(
		attachment_add(machine, &segment, &capability, RUN(4, 1, RIGHT_WRITE, false)),
		STATUS_ATTACHED);
	assert_int_equal(
		attachment_add(machine, &segment, &capability, RUN(0, 0, RIGHT_WRITE, false)),
		STATUS_ATTACHED);
	assert_int_equal(
		attachment_add(machine, &segment, &capability, RUN(5, 0, RIGHT_WRITE, false)),
		STATUS_OK);
	assert_null(machine_attachment(machine, (page_t){first + 1}));
	assert_int_equal(machine_attachment(machine, (page_t){first + 2})->rights, RIGHT_READ);
	assert_int_equal(machine_attachment(machine, (page_t){first + 4})->rights, RIGHT_READ);
	assert_int_equal(machine_attachment(machine, (page_t){first + 5})->rights, RIGHT_WRITE);
	assert_int_equal(machine_attachment(machine, (page_t){first + 5})->pages, 3);
	assert_null(machine_attachment(machine, (page_t){first + 8}));
	assert_int_equal(attachment_remove(machine, (page_t){first + 8}), STATUS_NOT_FOUND);
	assert_int_equal(attachment_remove(machine, (page_t){first + 3}), STATUS_OK);
	assert_null(machine_attachment(machine, (page_t){first + 2}));
	assert_non_null(machine_attachment(machine, (page_t){first + 6}));
}

static enum status show(struct disk_machine *machine, const struct disk_object *segment,
			const struct disk_capability *capability, uint64_t first, uint64_t pages,
			uint64_t place)
{
	return attachment_add(
		machine, segment, capability,
		&(struct attachment_run){
			.first = first, .pages = pages, .rights = RIGHT_READ, .place = place});
}

static uint64_t shown(const struct disk_machine *machine, uint64_t place)
{
	const struct disk_attachment *found = machine_attachment(machine, (page_t){place});

	return found ? attachment_page(found, (page_t){place}).n : 0;
}

/* In the windows a run appears anywhere, as often as one likes; nowhere else but at its own
 * address. */
static void test_windows(void **state)
{
	static const uint64_t wrong[][2] = {
		{1, 1},
		{WINDOW_LOW_PAGE - 1, 2},
		{WINDOW_LOW_END - 1, 2},
		{WINDOW_LOW_END, 1},
		{WINDOW_HIGH_PAGE - 1, 1},
		{WINDOW_HIGH_PAGE - 1, 8},
		{WINDOW_HIGH_END - 1, 2},
		{WINDOW_HIGH_END, 1},
		{UINT64_MAX >> PAGE_SHIFT, 2},
		{UINT64_MAX, 2},
	};
	struct space space = fake_space_formatted(1000);
	struct disk_capability capability = create(&space, OBJECT_SEGMENT, 8 * 4096);
	struct disk_object segment;
	struct disk_machine *machine;
	uint64_t first;

	(void)state;
	machine = machine_beside(&space, &capability, &segment);
	first = segment.first_page;
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(show(machine, &segment, &capability, 0, wrong[i][1], wrong[i][0]),
				 STATUS_INVALID);
	assert_int_equal(show(machine, &segment, &capability, 3, 2, WINDOW_LOW_PAGE), STATUS_OK);
	assert_int_equal(show(machine, &segment, &capability, 3, 1, WINDOW_HIGH_END - 1),
			 STATUS_OK);
	assert_int_equal(show(machine, &segment, &capability, 0, 1, WINDOW_LOW_PAGE + 1),
			 STATUS_ATTACHED);
	assert_int_equal(show(machine, &segment, &capability, 0, 1, WINDOW_LOW_PAGE + 2),
			 STATUS_OK);
	assert_int_equal(show(machine, &segment, &capability, 0, 8, 0), STATUS_OK);
	assert_int_equal(shown(machine, WINDOW_LOW_PAGE - 1), 0);
	assert_int_equal(shown(machine, WINDOW_LOW_PAGE), first + 3);
	assert_int_equal(shown(machine, WINDOW_LOW_PAGE + 1), first + 4);
	assert_int_equal(shown(machine, WINDOW_LOW_PAGE + 2), first);
	assert_int_equal(shown(machine, WINDOW_LOW_PAGE + 3), 0);
	assert_int_equal(shown(machine, WINDOW_HIGH_END - 1), first + 3);
	assert_int_equal(shown(machine, first + 7), first + 7);
	/* In the order of their places. */
	assert_ptr_equal(machine_attachment_next(machine, (page_t){0}),
			 machine_attachment(machine, (page_t){WINDOW_LOW_PAGE}));
	assert_ptr_equal(machine_attachment_next(machine, (page_t){WINDOW_LOW_PAGE + 1}),
			 machine_attachment(machine, (page_t){WINDOW_LOW_PAGE + 2}));
	assert_ptr_equal(machine_attachment_next(machine, (page_t){WINDOW_LOW_PAGE + 3}),
			 machine_attachment(machine, (page_t){first}));
	assert_null(machine_attachment_next(machine, (page_t){WINDOW_HIGH_END}));
	/* Nor over its message page, wherever that is. */
	machine->message_page = WINDOW_HIGH_PAGE + 3;
	assert_int_equal(show(machine, &segment, &capability, 0, 4, WINDOW_HIGH_PAGE),
			 STATUS_ATTACHED);
	assert_int_equal(show(machine, &segment, &capability, 0, 3, WINDOW_HIGH_PAGE), STATUS_OK);
	/* What is gone leaves the rest. */
	assert_int_equal(attachment_remove(machine, (page_t){WINDOW_LOW_PAGE + 1}), STATUS_OK);
	assert_int_equal(shown(machine, WINDOW_LOW_PAGE), 0);
	assert_int_equal(shown(machine, WINDOW_LOW_PAGE + 2), first);
	assert_int_equal(shown(machine, first + 3), first + 3);
}

/* The rights of a part, against what each page's were before. */
#define PARTS 8u
static void test_change(void **state)
{
	static const uint16_t rights[] = {0, RIGHT_READ, RIGHT_READ | RIGHT_WRITE, RIGHT_EXECUTE};
	struct space space = fake_space_formatted(1000);
	struct disk_capability capability = create(&space, OBJECT_SEGMENT, PARTS * 4096);
	struct disk_object segment;
	struct disk_machine *machine;

	(void)state;
	machine = machine_beside(&space, &capability, &segment);
	for (uint32_t i = 0; i < 2 * PARTS * PARTS * 4; i++) {
		uint64_t place = i % 2 ? WINDOW_HIGH_PAGE + 5 : segment.first_page;
		uint64_t at = i / 2 % PARTS, count = i / 2 / PARTS % PARTS + 1, attached = 0;
		uint16_t to = rights[i / 2 / PARTS / PARTS], kept = 0;
		struct attachment_run run = {
			.rights = RIGHT_READ, .owned = true, .place = i % 2 ? place : 0};

		memset(machine->attachments, 0, sizeof(machine->attachments));
		assert_int_equal(attachment_add(machine, &segment, &capability, &run), STATUS_OK);
		assert_int_equal(attachment_change(machine, CHANGE((page_t){place + at}, count, to,
								   &capability)),
				 at + count > PARTS ? STATUS_INVALID : STATUS_OK);
		for (uint64_t n = 0; n < PARTS; n++) {
			bool in = at + count <= PARTS && n >= at && n < at + count;
			const struct disk_attachment *found =
				machine_attachment(machine, (page_t){place + n});

			assert_int_equal(found ? found->rights : 0, in ? to : RIGHT_READ);
			if (found)
				assert_int_equal(shown(machine, place + n), segment.first_page + n);
		}
		for (uint32_t n = 0; n < MACHINE_ATTACHMENTS; n++) {
			attached += machine->attachments[n].pages;
			kept += machine->attachments[n].flags & ATTACHMENT_OWNED;
		}
		assert_int_equal(attached, PARTS - (at + count > PARTS || to ? 0 : count));
		assert_int_equal(kept, attached != 0); /* owned, and once only */
	}
}

static uint32_t owners(const struct disk_machine *machine)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < MACHINE_ATTACHMENTS; i++)
		count += machine->attachments[i].flags & ATTACHMENT_OWNED;
	return count;
}

/* A right that was not given comes by a capability to the same segment only, with which the part
 * ends from then on; and as long as anything is left of a segment, it is owned. */
static void test_change_by(void **state)
{
	struct space space = fake_space_formatted(1000);
	struct disk_capability capability = create(&space, OBJECT_SEGMENT, 8 * 4096);
	struct disk_capability other = create(&space, OBJECT_SEGMENT, 8 * 4096), older, hangs;
	struct disk_object segment;
	struct disk_machine *machine;
	page_t page;

	(void)state;
	older = hangs = capability;
	older.version--;
	hangs.revoker = 99;
	machine = machine_beside(&space, &capability, &segment);
	page = (page_t){segment.first_page};
	assert_int_equal(
		attachment_add(machine, &segment, &capability, RUN(0, 8, RIGHT_READ, true)),
		STATUS_OK);
	assert_int_equal(
		attachment_change(machine, CHANGE(page, 8, RIGHT_READ | RIGHT_WRITE, NULL)),
		STATUS_NO_RIGHT);
	assert_int_equal(attachment_change(machine, CHANGE(page, 8, RIGHT_WRITE, &other)),
			 STATUS_INVALID);
	assert_int_equal(attachment_change(machine, CHANGE(page, 8, RIGHT_WRITE, &older)),
			 STATUS_INVALID);
	assert_int_equal(
		attachment_change(machine, CHANGE((page_t){page.n + 3}, 1, RIGHT_WRITE, &hangs)),
		STATUS_OK);
	assert_int_equal(machine_attachment(machine, (page_t){page.n + 3})->segment.revoker, 99);
	assert_int_equal(machine_attachment(machine, (page_t){page.n + 4})->segment.revoker, 0);
	assert_int_equal(owners(machine), 1);
	assert_int_equal(attachment_change(machine, CHANGE(page, 3, 0, NULL)), STATUS_OK);
	assert_int_equal(owners(machine), 1);
	assert_int_equal(attachment_remove(machine, (page_t){page.n + 3}), STATUS_OK);
	assert_int_equal(owners(machine), 1);
	assert_int_equal(attachment_remove(machine, (page_t){page.n + 5}), STATUS_OK);
	assert_int_equal(owners(machine), 0);
}

static void test_change_refused(void **state)
{
	struct space space = fake_space_formatted(1000);
	struct disk_capability capability = create(&space, OBJECT_SEGMENT, 64 * 4096);
	struct disk_object segment;
	struct disk_machine *machine, before;
	page_t page;

	(void)state;
	machine = machine_beside(&space, &capability, &segment);
	capability.rights &= (uint16_t)~RIGHT_WRITE;
	page = (page_t){segment.first_page};
	/* Of every second page, until there is one entry left. */
	for (uint32_t i = 0; i + 1 < MACHINE_ATTACHMENTS; i++)
		assert_int_equal(attachment_add(machine, &segment, &capability,
						RUN(2 * i, 1 + (i == 20) * 3, RIGHT_READ, false)),
				 i == 21 ? STATUS_ATTACHED : STATUS_OK);
	assert_int_equal(
		attachment_add(machine, &segment, &capability, RUN(60, 1, RIGHT_READ, false)),
		STATUS_OK);
	before = *machine;
	assert_int_equal(
		attachment_change(machine, CHANGE((page_t){page.n + 1}, 1, RIGHT_READ, NULL)),
		STATUS_NOT_FOUND);
	assert_int_equal(attachment_change(machine, CHANGE(page, 0, RIGHT_READ, NULL)),
			 STATUS_INVALID);
	assert_int_equal(attachment_change(machine, CHANGE(page, 2, RIGHT_READ, NULL)),
			 STATUS_INVALID);
	assert_int_equal(attachment_change(machine, CHANGE(page, UINT64_MAX, RIGHT_READ, NULL)),
			 STATUS_INVALID);
	assert_int_equal(
		attachment_change(machine, CHANGE(page, 1, RIGHT_READ | RIGHT_WRITE, NULL)),
		STATUS_NO_RIGHT);
	assert_int_equal(attachment_change(machine, CHANGE(page, 1, RIGHT_SEND, NULL)),
			 STATUS_INVALID);
	assert_int_equal(
		attachment_change(machine, CHANGE(page, 1, RIGHT_WRITE | RIGHT_EXECUTE, NULL)),
		STATUS_INVALID);
	/* The middle of four pages makes three entries of one. */
	assert_int_equal(attachment_change(machine, CHANGE((page_t){page.n + 41}, 2, RIGHT_EXECUTE,
							   &capability)),
			 STATUS_LIMIT);
	assert_memory_equal(&before, machine, sizeof(before));
	assert_int_equal(attachment_change(machine, CHANGE((page_t){page.n + 41}, 3, RIGHT_EXECUTE,
							   &capability)),
			 STATUS_OK);
	assert_int_equal(machine_attachment(machine, (page_t){page.n + 40})->rights, RIGHT_READ);
	assert_int_equal(machine_attachment(machine, (page_t){page.n + 43})->rights, RIGHT_EXECUTE);
}

/* An entry that names kernel pages is never the answer, whatever wrote it, and nor is one that
 * shows something where nothing is to be shown. */
static void test_attachment_bounds(void **state)
{
	static const uint64_t places[] = {1, WINDOW_LOW_PAGE - 1, USER_ARENA_PAGE + 7,
					  WINDOW_HIGH_PAGE - 1, WINDOW_HIGH_END};
	static struct disk_machine machine;

	(void)state;
	machine.attachments[3] = (struct disk_attachment){
		.segment = {.version = 1}, .first_page = 0, .pages = UINT64_MAX, .rights = 7};
	assert_null(machine_attachment(&machine, (page_t){0}));
	assert_null(machine_attachment(&machine, (page_t){OBJECT_TABLE_PAGE}));
	assert_null(machine_attachment(&machine, (page_t){USER_ARENA_PAGE - 1}));
	assert_null(machine_attachment(&machine, (page_t){USER_ARENA_END}));
	assert_non_null(machine_attachment(&machine, (page_t){USER_ARENA_PAGE}));
	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		machine.attachments[3] = (struct disk_attachment){
			.segment = {.version = 1},
			.first_page = USER_ARENA_PAGE,
			.pages = 1,
			.rights = 7,
			.flags = places[i] * PAGE_SIZE,
		};
		assert_null(machine_attachment(&machine, (page_t){places[i]}));
		assert_null(machine_attachment(&machine, (page_t){USER_ARENA_PAGE}));
	}
	machine.attachments[3].flags = WINDOW_LOW_PAGE * PAGE_SIZE;
	assert_non_null(machine_attachment(&machine, (page_t){WINDOW_LOW_PAGE}));
	machine.attachments[3].first_page = USER_ARENA_PAGE - 1;
	assert_null(machine_attachment(&machine, (page_t){WINDOW_LOW_PAGE}));
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
		assert_int_equal(attachment_add(machine, &segment, &capability[i],
						RUN(0, 0, RIGHT_READ, false)),
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
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_change),
		cmocka_unit_test(test_change_refused),
		cmocka_unit_test(test_change_by),
		cmocka_unit_test(test_attachments_full_and_pruned),
		cmocka_unit_test(test_ready),
		cmocka_unit_test(test_machine_next),
		cmocka_unit_test(test_deadlines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
