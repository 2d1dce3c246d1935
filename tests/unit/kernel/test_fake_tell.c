/* SPDX-License-Identifier: MIT */
/*
 * test_fake_tell.c - who is told of a resume: each once, however many, and nobody is held up
 * by those who cannot be.
 */
#include "tests/unit/kernel/fake_kernel.h"

#define MANY 150u

static struct disk_capability machine[MANY], port;

static struct disk_system *system_page(void)
{
	fake_adopt();
	return (struct disk_system *)fake_page(SYSTEM_PAGE);
}

static void wants(const struct disk_capability *who, const struct disk_capability *where, bool bit)
{
	struct disk_machine *page = fake_machine(who);

	page->resume_port = where->object;
	page->resume_port_version = where->version;
	fake_begin();
	assert_int_equal(machine_bit_prepare(&kernel.space, (object_t){who->object}, RESUME_BITMAP),
			 STATUS_OK);
	machine_bit_set(&kernel.space, (object_t){who->object}, RESUME_BITMAP, bit);
	fake_begin();
}

static void begin(unsigned count, uint64_t capacity)
{
	fake_kernel_new();
	kernel.epoch = 5;
	kernel.reason = RESUME_CLEAN;
	port = fake_create(OBJECT_PORT, capacity);
	for (unsigned i = 0; i < count; i++) {
		machine[i] = fake_create(OBJECT_MACHINE, 0);
		wants(&machine[i], &port, true);
	}
}

static uint32_t queued(const struct disk_capability *where)
{
	struct disk_object record;

	fake_begin();
	assert_int_equal(object_read(&kernel.space, (object_t){where->object}, &record), STATUS_OK);
	if (!fake_pages(record.first_page, record.first_page + 1))
		return 0;
	fake_adopt();
	return ((struct disk_port *)fake_page(record.first_page))->count;
}

/* Until nothing more can be done now. */
static void steps(void)
{
	fake_adopt();
	for (unsigned i = 0; tell_step(); i++)
		assert_true(i < 10 * MANY);
	fake_begin();
}

static void later(void)
{
	fake_now_ns += KERNEL_RETRY_MAX_NS;
	steps();
}

static void test_once(void **state)
{
	(void)state;
	begin(MANY, PORT_CAPACITY_MAX);
	steps();
	assert_int_equal(queued(&port), 0);
	tell_all(77);
	steps();
	assert_int_equal(queued(&port), MANY);
	later();
	assert_int_equal(queued(&port), MANY);
	/* Looked for anew they are found to have been told of this one. */
	tell_all(77);
	steps();
	assert_int_equal(queued(&port), MANY);
	kernel.epoch++;
	tell_all(77);
	steps();
	assert_int_equal(queued(&port), PORT_CAPACITY_MAX);
}

/* Those that find no room are told when there is some, the others at once. */
static void test_full(void **state)
{
	struct disk_capability narrow;
	struct disk_port *page;
	struct disk_object record;

	(void)state;
	begin(6, PORT_CAPACITY_MAX);
	narrow = fake_create(OBJECT_PORT, 1);
	for (unsigned i = 0; i < 3; i++)
		wants(&machine[i], &narrow, true);
	tell_all(0);
	steps();
	assert_int_equal(queued(&narrow), 1);
	assert_int_equal(queued(&port), 3);
	later();
	assert_int_equal(queued(&narrow), 1);
	for (unsigned i = 0; i < 2; i++) {
		fake_begin();
		object_read(&kernel.space, (object_t){narrow.object}, &record);
		page = (struct disk_port *)fake_page(record.first_page);
		page->count = 0;
		steps();
		assert_int_equal(queued(&narrow), 0); /* not before the pause is over */
		later();
		assert_int_equal(queued(&narrow), 1);
	}
	later();
	fake_begin();
	page->count = 0;
	later();
	assert_int_equal(queued(&narrow), 0);
	assert_int_equal(queued(&port), 3);
}

/* The system page of an older kernel names some; from the first resume on the bitmap does. */
static void test_adopted(void **state)
{
	object_t found = {0};

	(void)state;
	begin(3, PORT_CAPACITY_MAX);
	for (unsigned i = 0; i < 3; i++) {
		wants(&machine[i], &port, false);
		system_page()->resume[20 * i].object = machine[i].object;
		system_page()->resume[20 * i].version = machine[i].version;
	}
	/* Two that name nothing. */
	system_page()->resume[5].object = OBJECT_MAX;
	system_page()->resume[5].version = 1;
	system_page()->resume[6].object = 0;
	system_page()->resume[6].version = 1;
	tell_all(0);
	steps();
	assert_int_equal(queued(&port), 3);
	for (unsigned i = 0; i < SYSTEM_RESUME_MAX; i++)
		assert_int_equal(system_page()->resume[i].version, 0);
	for (unsigned i = 0; i < 3; i++) {
		fake_begin();
		assert_int_equal(machine_bit_next(&kernel.space, RESUME_BITMAP,
						  (object_t){machine[i].object}, &found),
				 STATUS_OK);
		assert_int_equal(found.n, machine[i].object);
	}
}

/* A bit of what is no machine, or of one that does not want it, goes when it is found; whose
 * port is gone is passed over. */
static void test_stale(void **state)
{
	struct disk_capability segment, other;
	object_t found = {0};

	(void)state;
	begin(4, PORT_CAPACITY_MAX);
	segment = fake_create(OBJECT_SEGMENT, 10);
	fake_begin();
	assert_int_equal(
		machine_bit_prepare(&kernel.space, (object_t){segment.object}, RESUME_BITMAP),
		STATUS_OK);
	machine_bit_set(&kernel.space, (object_t){segment.object}, RESUME_BITMAP, true);
	fake_machine(&machine[0])->resume_port_version = 0;
	other = fake_create(OBJECT_PORT, 2);
	wants(&machine[1], &other, true);
	fake_machine(&machine[1])->resume_port_version++;
	tell_all(0);
	steps();
	assert_int_equal(queued(&port), 2);
	assert_int_equal(queued(&other), 0);
	fake_begin();
	assert_int_equal(machine_bit_next(&kernel.space, RESUME_BITMAP, (object_t){1}, &found),
			 STATUS_OK);
	assert_int_equal(found.n, machine[1].object);
	assert_int_equal(machine_bit_next(&kernel.space, RESUME_BITMAP,
					  (object_t){machine[3].object + 1}, &found),
			 STATUS_NOT_FOUND);
}

/* Whose page the disk does not give now is told when it does, and nobody waits for it. */
static void test_unread(void **state)
{
	(void)state;
	begin(3, PORT_CAPACITY_MAX);
	fake_unread(fake_machine_page(&machine[1]));
	tell_all(0);
	steps();
	assert_int_equal(queued(&port), 2);
	later();
	assert_int_equal(queued(&port), 2);
	fake_unread(0);
	later();
	assert_int_equal(queued(&port), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_once),	cmocka_unit_test(test_full),
		cmocka_unit_test(test_adopted), cmocka_unit_test(test_stale),
		cmocka_unit_test(test_unread),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
