/* SPDX-License-Identifier: MIT */
/*
 * test_fake_view.c - views against a model: what is attached where, what is charged for it, and
 * that nothing is left at the end.
 */
#include "tests/unit/objects/fake_store.h"

#define SEGMENTS 6u
#define PAGES	 32u  /* of each segment */
#define PLACES	 200u /* pages of the window that are used */
#define LIST	 300u

static const object_t root_bank = {OBJECT_ROOT_BANK};
static struct space space;
static struct disk_capability view, segment[SEGMENTS];
static struct disk_object record[SEGMENTS];
static bool dead[SEGMENTS];

/* What is attached, in no order. */
static struct model {
	uint64_t place, pages;
	uint32_t of;	/* segment */
	uint64_t first; /* page of it */
	uint16_t rights;
} model[LIST];
static uint32_t models;

static struct disk_capability create(enum object_type type, uint64_t size)
{
	struct object_request request = {.type = type, .size = size, .name = "m"};
	struct disk_capability capability;

	fake_begin();
	assert_int_equal(object_create(&space, root_bank, &request, &capability), STATUS_OK);
	fake_begin();
	return capability;
}

static struct disk_object record_of(const struct disk_capability *capability)
{
	struct disk_object found;

	fake_begin();
	assert_int_equal(object_read(&space, (object_t){capability->object}, &found), STATUS_OK);
	return found;
}

static void segment_new(uint32_t of)
{
	segment[of] = create(OBJECT_SEGMENT, PAGES * PAGE_SIZE);
	record[of] = record_of(&segment[of]);
	dead[of] = false;
}

static void begin(void)
{
	space = fake_space_formatted(10000);
	view = create(OBJECT_VIEW, 0);
	for (uint32_t i = 0; i < SEGMENTS; i++)
		segment_new(i);
	models = 0;
}

static object_t the_view(void)
{
	return (object_t){view.object};
}

/* ---- the model ----------------------------------------------------------------------------- */

static struct model *model_at(uint64_t page)
{
	for (uint32_t i = 0; i < models; i++)
		if (page - model[i].place < model[i].pages)
			return &model[i];
	return NULL;
}

static void model_add(struct model entry)
{
	assert_true(models < LIST);
	model[models++] = entry;
}

static void model_take(struct model *entry)
{
	*entry = model[--models];
}

/* The attachment at every page is the model's, and they are told in order. */
static void check(void)
{
	struct disk_object now = record_of(&view);
	struct disk_attachment found;
	uint64_t end = WINDOW_HIGH_PAGE + PLACES;
	uint32_t told = 0;

	assert_int_equal(now.size, models);
	for (uint64_t page = WINDOW_HIGH_PAGE - 1; page <= end; page++) {
		const struct model *entry = model_at(page);
		enum status status = view_attachment(&space, &now, (page_t){page}, &found);

		assert_int_equal(status, entry ? STATUS_OK : STATUS_NOT_FOUND);
		if (!entry)
			continue;
		assert_memory_equal(&found.segment, &segment[entry->of], sizeof(found.segment));
		assert_int_equal(found.rights, entry->rights);
		assert_int_equal(attachment_place(&found), entry->place);
		assert_int_equal(found.pages, entry->pages);
		assert_int_equal(attachment_page(&found, (page_t){page}).n,
				 record[entry->of].first_page + entry->first + page - entry->place);
	}
	for (uint64_t from = 0; view_next(&space, &now, (page_t){from}, &found) == STATUS_OK;
	     told++) {
		assert_true(attachment_place(&found) >= from);
		assert_non_null(model_at(attachment_place(&found)));
		from = attachment_place(&found) + 1;
	}
	assert_int_equal(told, models);
}

/* ---- random changes ----------------------------------------------------------------------------
 */

struct attempt {
	struct attachment_run run;
	struct attachment_change change;
	uint32_t of;
	bool more;
	struct disk_attachment old;
};

static enum status try_attach(struct space *at, void *context)
{
	struct attempt *attempt = context;

	return view_add(at, the_view(), &record[attempt->of], &segment[attempt->of], &attempt->run,
			&attempt->more);
}

static enum status try_change(struct space *at, void *context)
{
	struct attempt *attempt = context;

	return view_change(at, the_view(), &attempt->change, &attempt->old);
}

static enum status run_it(enum status (*call)(struct space *at, void *context),
			  struct attempt *attempt, bool fail_all)
{
	enum status status;

	fake_begin();
	status = fail_all ? fake_try_all(call, &space, attempt) : call(&space, attempt);
	fake_begin();
	return status;
}

static void attach(uint64_t *seed, bool fail_all)
{
	struct attempt attempt = {.of = (uint32_t)(fake_random(seed) % SEGMENTS)};
	struct attachment_run *run = &attempt.run;
	enum status expected = STATUS_OK;

	if (dead[attempt.of])
		return;
	run->first = fake_random(seed) % PAGES;
	run->pages = 1 + fake_random(seed) % (PAGES - run->first);
	run->rights = (uint16_t)(fake_random(seed) % 2 ? RIGHT_READ : RIGHT_READ | RIGHT_WRITE);
	run->place = WINDOW_HIGH_PAGE + fake_random(seed) % (PLACES - PAGES);
	for (uint64_t page = run->place; page < run->place + run->pages; page++) {
		struct model *entry = model_at(page);

		if (entry && !dead[entry->of])
			expected = STATUS_ATTACHED;
	}
	for (;;) {
		enum status status = run_it(try_attach, &attempt, fail_all);
		struct disk_attachment left;
		struct disk_object now;

		/* What is in the way and dead has gone, also if something living is behind it. */
		now = record_of(&view);
		for (uint32_t i = 0; i < models;)
			if (dead[model[i].of] &&
			    view_attachment(&space, &now, (page_t){model[i].place}, &left) !=
				    STATUS_OK)
				model_take(&model[i]);
			else
				i++;
		assert_int_equal(status, attempt.more ? STATUS_OK : expected);
		if (!attempt.more)
			break;
	}
	if (expected == STATUS_OK)
		model_add((struct model){run->place, run->pages, attempt.of, run->first,
					 run->rights});
}

static void change(uint64_t *seed, bool fail_all)
{
	struct attempt attempt = {0};
	struct attachment_change *wanted = &attempt.change;
	uint64_t page = WINDOW_HIGH_PAGE + fake_random(seed) % PLACES;
	struct model *entry = model_at(page), was;
	enum status expected = STATUS_OK;
	uint64_t at;

	wanted->page = (page_t){page};
	wanted->pages = fake_random(seed) % 12;
	wanted->rights = (uint16_t)(fake_random(seed) % 4);
	if (!entry)
		expected = STATUS_NOT_FOUND;
	else if (!wanted->pages || wanted->pages > entry->place + entry->pages - page)
		expected = STATUS_INVALID;
	else if (wanted->rights & ~entry->rights)
		expected = STATUS_NO_RIGHT;
	assert_int_equal(run_it(try_change, &attempt, fail_all), expected);
	if (expected != STATUS_OK)
		return;
	was = *entry;
	at = page - was.place;
	assert_int_equal(attempt.old.pages, was.pages);
	model_take(entry);
	if (at)
		model_add((struct model){was.place, at, was.of, was.first, was.rights});
	if (wanted->rights)
		model_add((struct model){page, wanted->pages, was.of, was.first + at,
					 wanted->rights});
	if (at + wanted->pages < was.pages)
		model_add((struct model){page + wanted->pages, was.pages - at - wanted->pages,
					 was.of, was.first + at + wanted->pages, was.rights});
}

static void end_segment(uint64_t *seed)
{
	uint32_t of = (uint32_t)(fake_random(seed) % SEGMENTS);

	if (dead[of]) {
		/* Those of the one before stay, with its number and version, until they are in
		 * the way; so only when there are none its entry of the model is free. */
		for (uint32_t i = 0; i < models; i++)
			if (model[i].of == of)
				return;
		segment_new(of);
		return;
	}
	fake_begin();
	assert_int_equal(fake_destroy(&space, (object_t){segment[of].object}), STATUS_OK);
	fake_reclaim(&space);
	dead[of] = true;
}

static void test_random(void **state)
{
	uint64_t seed = 3, before;

	(void)state;
	begin();
	before = fake_bank_pages(&space);
	for (uint32_t step = 0; step < 6000; step++) {
		bool fail_all = step % 40 == 0;
		uint64_t what = fake_random(&seed) % 64;

		if (what < 30)
			attach(&seed, fail_all);
		else if (what < 63)
			change(&seed, fail_all);
		else
			end_segment(&seed);
		if (step % 50 == 0) {
			check();
			fake_invariants(&space);
		}
	}
	check();
	/* At the end all that was charged comes back, the pages of the tree as well. */
	fake_begin();
	assert_int_equal(fake_destroy(&space, the_view()), STATUS_OK);
	fake_reclaim(&space);
	fake_invariants(&space);
	for (uint32_t i = 0; i < SEGMENTS; i++) {
		fake_begin();
		if (!dead[i])
			assert_int_equal(fake_destroy(&space, (object_t){segment[i].object}),
					 STATUS_OK);
		fake_reclaim(&space);
	}
	assert_int_equal(fake_bank_pages(&space), before - 1 - SEGMENTS * PAGES);
}

/* ---- many
 * ---------------------------------------------------------------------------------------- */

#define MANY 70000u

static uint64_t tree_pages(void)
{
	return fake_pages(TREE_ARENA_PAGE, USER_ARENA_PAGE);
}

/* Each page of one segment at two places: more than a machine could ever hold. */
static void test_many(void **state)
{
	struct disk_object now;
	struct disk_attachment found;
	uint64_t before, used, next;
	bool more = true;

	(void)state;
	begin();
	used = tree_pages();
	before = fake_bank_pages(&space);
	for (uint64_t i = 0; i < MANY; i++) {
		uint64_t scattered = i * 7919 % MANY;
		struct attempt attempt = {.run = {.pages = 1,
						  .first = scattered % PAGES,
						  .rights = RIGHT_READ,
						  .place = WINDOW_HIGH_PAGE + 3 * scattered}};

		assert_int_equal(run_it(try_attach, &attempt, false), STATUS_OK);
	}
	now = record_of(&view);
	assert_int_equal(now.size, MANY);
	/* What is charged are the pages that were taken. */
	assert_int_equal(fake_bank_pages(&space), before + tree_pages() - used);
	for (uint64_t i = 0; i < MANY; i += 997) {
		assert_int_equal(
			view_attachment(&space, &now, (page_t){WINDOW_HIGH_PAGE + 3 * i}, &found),
			STATUS_OK);
		assert_int_equal(found.first_page, record[0].first_page + i % PAGES);
		assert_int_equal(view_attachment(&space, &now,
						 (page_t){WINDOW_HIGH_PAGE + 3 * i + 1}, &found),
				 STATUS_NOT_FOUND);
	}
	/* Dead at once; taken apart in bounded steps, in which the account is right all the time.
	 */
	fake_begin();
	assert_int_equal(fake_destroy(&space, the_view()), STATUS_OK);
	for (uint64_t steps = 0; more; steps++) {
		fake_begin();
		assert_int_equal(fake_destroy_step(&space, &more), STATUS_OK);
		assert_true(fake_written() < 16);
		assert_true(steps <= MANY + 2);
		if (steps % 5000 == 0)
			fake_invariants(&space);
	}
	assert_int_equal(fake_bank_pages(&space), before - 1);
	/* The next one takes the pages of its tree. */
	next = ((const struct disk_system *)(void *)fake_page(SYSTEM_PAGE))->tree_next;
	view = create(OBJECT_VIEW, 0);
	for (uint64_t i = 0; i < 5000; i++) {
		struct attempt attempt = {
			.run = {.pages = 1, .rights = RIGHT_READ, .place = WINDOW_HIGH_PAGE + i}};

		assert_int_equal(run_it(try_attach, &attempt, false), STATUS_OK);
	}
	assert_int_equal(((const struct disk_system *)(void *)fake_page(SYSTEM_PAGE))->tree_next,
			 next);
}

/* ---- what is refused --------------------------------------------------------------------------
 */

static void test_refused(void **state)
{
	struct attempt attempt = {.run = {.pages = 1, .rights = RIGHT_READ}};
	struct attachment_run *run = &attempt.run;

	(void)state;
	begin();
	run->owned = true;
	assert_int_equal(run_it(try_attach, &attempt, false), STATUS_INVALID);
	run->owned = false;
	run->rights = RIGHT_WRITE | RIGHT_EXECUTE;
	assert_int_equal(run_it(try_attach, &attempt, false), STATUS_INVALID);
	run->rights = 0;
	assert_int_equal(run_it(try_attach, &attempt, false), STATUS_INVALID);
	run->rights = RIGHT_READ;
	run->place = WINDOW_LOW_PAGE - 1;
	assert_int_equal(run_it(try_attach, &attempt, false), STATUS_INVALID);
	run->place = WINDOW_HIGH_END;
	assert_int_equal(run_it(try_attach, &attempt, false), STATUS_INVALID);
	run->place = 0;
	segment[0].rights = RIGHT_WRITE;
	assert_int_equal(run_it(try_attach, &attempt, false), STATUS_NO_RIGHT);
	segment[0].rights = RIGHT_READ;
	assert_int_equal(run_it(try_attach, &attempt, false), STATUS_OK);
	assert_int_equal(run_it(try_attach, &attempt, false), STATUS_ATTACHED);
	/* At its own address, and the last page that there is. */
	run->place = WINDOW_HIGH_END - 1;
	assert_int_equal(run_it(try_attach, &attempt, true), STATUS_OK);
	/* Whoever attached it with less must not get more, but by a capability. */
	attempt.change = (struct attachment_change){{WINDOW_HIGH_END - 1}, 1, RIGHT_WRITE, NULL};
	assert_int_equal(run_it(try_change, &attempt, false), STATUS_NO_RIGHT);
	segment[0].rights = RIGHT_WRITE;
	attempt.change.capability = &segment[1];
	assert_int_equal(run_it(try_change, &attempt, false), STATUS_INVALID);
	attempt.change.capability = &segment[0];
	assert_int_equal(run_it(try_change, &attempt, true), STATUS_OK);
	/* One that is none. */
	view = segment[2];
	segment[0].rights = RIGHT_READ;
	assert_int_equal(run_it(try_attach, &attempt, false), STATUS_WRONG_TYPE);
	assert_int_equal(run_it(try_change, &attempt, false), STATUS_WRONG_TYPE);
}

/* A bank that can pay for one page of attachments and no more; without room nothing changes, and
 * what is taken away makes room. */
static void test_allowance(void **state)
{
	struct object_request request = {.type = OBJECT_BANK, .size = 2, .size_max = 0};
	struct disk_capability bank;
	struct attempt attempt = {
		.run = {.pages = 2, .rights = RIGHT_READ, .place = WINDOW_HIGH_PAGE}};
	enum status status = STATUS_OK;
	uint32_t count = 0;

	(void)state;
	begin();
	assert_int_equal(object_create(&space, root_bank, &request, &bank), STATUS_OK);
	fake_begin();
	request = (struct object_request){.type = OBJECT_VIEW};
	assert_int_equal(object_create(&space, (object_t){bank.object}, &request, &view),
			 STATUS_OK);
	/* One page of its tree. */
	for (; status == STATUS_OK; attempt.run.place += 2) {
		status = run_it(try_attach, &attempt, false);
		count += status == STATUS_OK;
		assert_true(count < 100);
	}
	assert_int_equal(status, STATUS_ALLOWANCE);
	assert_true(count > 40);
	assert_int_equal(run_it(try_attach, &attempt, true), STATUS_ALLOWANCE);
	attempt.change = (struct attachment_change){{WINDOW_HIGH_PAGE}, 1, 0, NULL};
	assert_int_equal(run_it(try_change, &attempt, true), STATUS_OK);
	attempt.change = (struct attachment_change){{WINDOW_HIGH_PAGE + 1}, 1, 0, NULL};
	assert_int_equal(run_it(try_change, &attempt, true), STATUS_OK);
	assert_int_equal(run_it(try_attach, &attempt, true), STATUS_OK);
	fake_invariants(&space);
	/* With the bank the view, and what it holds. */
	fake_begin();
	assert_int_equal(fake_destroy(&space, (object_t){bank.object}), STATUS_OK);
	fake_begin();
	assert_int_equal(run_it(try_attach, &attempt, false), STATUS_DEAD);
	fake_reclaim(&space);
	fake_invariants(&space);
}

/* Damage: a tree that cannot be read ends with the rest of what is charged given back. */
static void test_damaged_end(void **state)
{
	uint64_t before;

	(void)state;
	begin();
	before = fake_bank_pages(&space);
	for (uint64_t i = 0; i < 2000; i++) {
		struct attempt attempt = {
			.run = {.pages = 1, .rights = RIGHT_READ, .place = WINDOW_HIGH_PAGE + i}};

		assert_int_equal(run_it(try_attach, &attempt, false), STATUS_OK);
	}
	memset(fake_page(record_of(&view).view.root), 0x5a, 100);
	fake_adopt();
	fake_begin();
	assert_int_equal(fake_destroy(&space, the_view()), STATUS_OK);
	fake_reclaim(&space);
	assert_int_equal(fake_bank_pages(&space), before - 1);
	fake_invariants(&space);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),	    cmocka_unit_test(test_many),
		cmocka_unit_test(test_refused),	    cmocka_unit_test(test_allowance),
		cmocka_unit_test(test_damaged_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
