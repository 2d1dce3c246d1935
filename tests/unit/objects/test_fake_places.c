/* SPDX-License-Identifier: MIT */
/*
 * test_fake_places.c - directories have one place each, and none lies below itself.
 */
#define _GNU_SOURCE /* memmem */
#include "tests/unit/objects/fake_store.h"
#include <stdio.h>

static const object_t root_directory = {OBJECT_ROOT_DIRECTORY};

#define COUNT 9u /* directories, the root among them */

static struct disk_capability made[COUNT];

static object_t of(const struct disk_capability *capability)
{
	return (object_t){capability->object};
}

static struct disk_capability create(struct space *space)
{
	struct object_request request = {.type = OBJECT_DIRECTORY};
	struct disk_capability capability;

	fake_begin();
	assert_int_equal(object_create(space, (object_t){OBJECT_ROOT_BANK}, &request, &capability),
			 STATUS_OK);
	return capability;
}

static struct space space_with_directories(void)
{
	struct space space = fake_space_formatted(10000);

	fake_begin();
	assert_int_equal(object_capability(&space, root_directory, RIGHT_ALL, &made[0]), STATUS_OK);
	for (unsigned i = 1; i < COUNT; i++)
		made[i] = create(&space);
	return space;
}

static uint64_t place_of(struct space *space, unsigned i)
{
	struct disk_object record;

	fake_begin();
	assert_int_equal(object_read(space, of(&made[i]), &record), STATUS_OK);
	return record.directory.place;
}

/* One change of names; every failure on its way must leave everything as it was. */
struct change {
	unsigned from, to;
	const char *old_name, *new_name;
	struct disk_capability capability; /* to be linked, without an old name */
	bool replace;
};

static enum status change_call(struct space *space, void *context)
{
	struct change *change = context;
	object_t from = of(&made[change->from]), to = of(&made[change->to]);

	if (change->old_name && change->new_name)
		return entry_rename(space, from, change->old_name, strlen(change->old_name), to,
				    change->new_name, strlen(change->new_name), change->replace);
	if (change->new_name)
		return entry_link(space, to, change->new_name, strlen(change->new_name),
				  &change->capability, change->replace);
	return entry_unlink(space, from, change->old_name, strlen(change->old_name));
}

static enum status give(struct space *space, unsigned place, const char *name,
			const struct disk_capability *capability)
{
	struct change change = {.to = place, .new_name = name, .capability = *capability};

	return fake_try_all(change_call, space, &change);
}

static enum status move(struct space *space, unsigned from, const char *name, unsigned to,
			const char *new_name)
{
	struct change change = {from, to, name, new_name, {0}, true};

	return fake_try_all(change_call, space, &change);
}

static enum status take(struct space *space, unsigned place, const char *name)
{
	struct change change = {.from = place, .old_name = name};

	return fake_try_all(change_call, space, &change);
}

/* Whatever way it is tried, and nothing has changed then. */
static void test_below_itself(void **state)
{
	struct space space = space_with_directories();

	(void)state;
	assert_int_equal(give(&space, 0, "a", &made[1]), STATUS_OK);
	assert_int_equal(give(&space, 1, "b", &made[2]), STATUS_OK);
	assert_int_equal(give(&space, 2, "c", &made[3]), STATUS_OK);
	for (unsigned below = 1; below <= 3; below++) {
		assert_int_equal(move(&space, 0, "a", below, "a"), STATUS_LOOP);
		assert_int_equal(move(&space, 0, "a", below, "x"), STATUS_LOOP);
	}
	/* Over a name that is taken. */
	assert_int_equal(move(&space, 0, "a", 1, "b"), STATUS_NOT_EMPTY);
	assert_int_equal(move(&space, 0, "a", 2, "c"), STATUS_LOOP);
	assert_int_equal(place_of(&space, 1), OBJECT_ROOT_DIRECTORY);
	/* A directory without a name, by its capability; an empty one. */
	assert_int_equal(take(&space, 0, "a"), STATUS_OK);
	for (unsigned below = 1; below <= 3; below++)
		assert_int_equal(give(&space, below, "x", &made[1]), STATUS_LOOP);
	assert_int_equal(give(&space, 4, "x", &made[4]), STATUS_LOOP);
	/* The root is above everything, also above what has no name. */
	assert_int_equal(give(&space, 5, "x", &made[0]), STATUS_LOOP);
	/* Elsewhere it may go. */
	assert_int_equal(give(&space, 4, "a", &made[1]), STATUS_OK);
	assert_int_equal(give(&space, 0, "d", &made[4]), STATUS_OK);
	assert_int_equal(move(&space, 0, "d", 3, "d"), STATUS_LOOP);
	assert_int_equal(move(&space, 1, "b", 0, "b"), STATUS_OK);
	assert_int_equal(move(&space, 0, "d", 3, "d"), STATUS_OK);
	assert_int_equal(place_of(&space, 4), made[3].object);
}

static void test_one_name(void **state)
{
	struct space space = space_with_directories();
	struct disk_capability reader = made[1];
	struct change again = {.to = 0, .new_name = "a", .replace = true};

	(void)state;
	reader.rights = RIGHT_READ;
	/* Only who may write it gives it a name. */
	assert_int_equal(give(&space, 0, "a", &reader), STATUS_NO_RIGHT);
	assert_int_equal(give(&space, 0, "a", &made[1]), STATUS_OK);
	assert_int_equal(give(&space, 0, "b", &made[1]), STATUS_NAMED);
	assert_int_equal(give(&space, 2, "a", &made[1]), STATUS_NAMED);
	/* The same name again, to give away less of it; then it still moves. */
	again.capability = reader;
	assert_int_equal(fake_try_all(change_call, &space, &again), STATUS_OK);
	assert_int_equal(place_of(&space, 1), OBJECT_ROOT_DIRECTORY);
	assert_int_equal(move(&space, 0, "a", 0, "b"), STATUS_OK);
	assert_int_equal(move(&space, 0, "b", 2, "b"), STATUS_OK);
	assert_int_equal(place_of(&space, 1), made[2].object);
	/* Without a name it can have another one. */
	assert_int_equal(take(&space, 2, "b"), STATUS_OK);
	assert_int_equal(place_of(&space, 1), 0);
	assert_int_equal(give(&space, 3, "c", &made[1]), STATUS_OK);
	assert_int_equal(place_of(&space, 1), made[3].object);
}

static void test_replaced(void **state)
{
	struct space space = space_with_directories();

	(void)state;
	assert_int_equal(give(&space, 0, "a", &made[1]), STATUS_OK);
	assert_int_equal(give(&space, 0, "b", &made[2]), STATUS_OK);
	assert_int_equal(give(&space, 2, "c", &made[3]), STATUS_OK);
	assert_int_equal(move(&space, 0, "a", 0, "b"), STATUS_NOT_EMPTY);
	/* Taking the name away on purpose is another thing. */
	assert_int_equal(take(&space, 0, "b"), STATUS_OK);
	assert_int_equal(place_of(&space, 2), 0);
	assert_int_equal(give(&space, 0, "b", &made[4]), STATUS_OK);
	assert_int_equal(move(&space, 0, "a", 0, "b"), STATUS_OK);
	assert_int_equal(place_of(&space, 1), OBJECT_ROOT_DIRECTORY);
	assert_int_equal(place_of(&space, 4), 0);
	/* A name for what is no more says nothing of its successor. */
	fake_begin();
	assert_int_equal(fake_destroy(&space, of(&made[1])), STATUS_OK);
	fake_reclaim(&space);
	made[5] = create(&space);
	assert_int_equal(made[5].object, made[1].object);
	assert_int_equal(give(&space, 0, "again", &made[5]), STATUS_OK);
	assert_int_equal(take(&space, 0, "b"), STATUS_OK);
	assert_int_equal(place_of(&space, 5), OBJECT_ROOT_DIRECTORY);
}

/* A way up of DIRECTORY_DEPTH_MAX is followed, a longer one is not. */
static void test_depth(void **state)
{
	struct space space = space_with_directories();
	struct disk_capability deep = made[0], above;

	(void)state;
	assert_int_equal(give(&space, 2, "c", &made[3]), STATUS_OK);
	for (unsigned depth = 0; depth <= DIRECTORY_DEPTH_MAX; depth++) {
		above = deep;
		deep = create(&space);
		fake_begin();
		assert_int_equal(entry_link(&space, of(&above), "x", 1, &deep, false), STATUS_OK);
	}
	made[7] = above;
	made[8] = deep;
	assert_int_equal(give(&space, 8, "b", &made[2]), STATUS_LIMIT);
	assert_int_equal(give(&space, 8, "a", &made[1]), STATUS_OK);
	assert_int_equal(give(&space, 7, "b", &made[2]), STATUS_OK);
	/* Another name in the same directory is no new place. */
	assert_int_equal(give(&space, 1, "x", &made[4]), STATUS_OK);
	assert_int_equal(move(&space, 8, "a", 8, "c"), STATUS_OK);
	assert_int_equal(move(&space, 8, "c", 7, "c"), STATUS_OK);
	assert_int_equal(move(&space, 7, "c", 8, "c"), STATUS_LIMIT);
}

/* ---- random changes, compared with a model -------------------------------------------- */

#define NAMES 3u

static unsigned model[COUNT][NAMES]; /* directory, 0: no such name */

static unsigned model_place(unsigned directory)
{
	for (unsigned place = 0; place < COUNT; place++)
		for (unsigned name = 0; name < NAMES; name++)
			if (model[place][name] == directory)
				return place;
	return COUNT;
}

static bool model_empty(unsigned directory)
{
	for (unsigned name = 0; name < NAMES; name++)
		if (model[directory][name])
			return false;
	return true;
}

static bool model_below(unsigned directory, unsigned above)
{
	for (; directory != COUNT; directory = directory ? model_place(directory) : COUNT)
		if (directory == above)
			return true;
	return false;
}

static enum status model_change(unsigned from, unsigned old_name, unsigned to, unsigned new_name,
				unsigned linked, bool replace)
{
	unsigned *old = &model[from][old_name], *new = &model[to][new_name];
	unsigned directory = linked ? linked : *old;

	if (!directory)
		return STATUS_NOT_FOUND;
	if (!linked && old == new)
		return STATUS_OK;
	if (*new && !replace)
		return STATUS_EXISTS;
	if (*new &&*new != directory && !model_empty(*new))
		return STATUS_NOT_EMPTY;
	if (linked && *new != linked && model_place(linked) != COUNT)
		return STATUS_NAMED;
	if (model_below(to, directory))
		return STATUS_LOOP;
	if (!linked)
		*old = 0;
	*new = directory;
	return STATUS_OK;
}

static void model_verify(struct space *space)
{
	for (unsigned i = 1; i < COUNT; i++) {
		unsigned place = model_place(i);

		assert_int_equal(place_of(space, i), place == COUNT ? 0 : made[place].object);
	}
}

static void test_random(void **state)
{
	static const char *const names[NAMES] = {"a", "b", "c"};
	struct space space = space_with_directories();
	uint64_t random = 11, seen[STATUS_COUNT] = {0};

	(void)state;
	memset(model, 0, sizeof(model));
	for (unsigned round = 0; round < 20000; round++) {
		unsigned from = fake_random(&random) % COUNT, to = fake_random(&random) % COUNT;
		unsigned old_name = fake_random(&random) % NAMES;
		unsigned new_name = fake_random(&random) % NAMES;
		unsigned linked = fake_random(&random) % 3 ? 0 : 1 + fake_random(&random) % 8;
		bool take_away = fake_random(&random) % 8 == 0, replace = fake_random(&random) % 2;
		enum status status, expected;
		struct change change = {.from = from,
					.to = to,
					.old_name = linked && !take_away ? NULL : names[old_name],
					.new_name = take_away ? NULL : names[new_name],
					.capability = made[linked],
					.replace = replace};

		if (take_away) {
			expected = model[from][old_name] ? STATUS_OK : STATUS_NOT_FOUND;
			model[from][old_name] = 0;
		} else {
			expected = model_change(from, old_name, to, new_name, linked, replace);
		}
		fake_begin();
		status = round % 50 ? change_call(&space, &change)
				    : fake_try_all(change_call, &space, &change);
		assert_int_equal(status, expected);
		seen[status]++;
		if (round % 10 == 0)
			model_verify(&space);
	}
	model_verify(&space);
	assert_true(seen[STATUS_LOOP] > 100 && seen[STATUS_NAMED] > 100 &&
		    seen[STATUS_NOT_EMPTY] > 100 && seen[STATUS_OK] > 1000);
}

/* ---- a space from before there were places ---------------------------------------------- */

static struct disk_object *record_of(unsigned i)
{
	return (struct disk_object *)fake_page(record_page(of(&made[i])).n) +
	       made[i].object % OBJECTS_PER_PAGE;
}

static void forget_places(struct space *space)
{
	(void)space;
	fake_begin();
	for (unsigned i = 0; i < COUNT; i++)
		record_of(i)->directory.place = 0;
	((struct disk_system *)fake_page(SYSTEM_PAGE))->places = 0;
	fake_adopt();
}

struct survey {
	struct directory_survey survey;
	bool more;
};

static enum status survey_call(struct space *space, void *context)
{
	struct survey *survey = context, before = *survey;
	enum status status = directory_survey_step(space, &survey->survey, &survey->more);

	if (status != STATUS_OK)
		assert_memory_equal(&survey->survey, &before.survey, sizeof(before.survey));
	return status;
}

static void survey_all(struct space *space)
{
	struct survey survey = {.survey = {.directory = {1}}, .more = true};
	unsigned steps = 0;

	for (; survey.more; steps++) {
		assert_true(steps < 100);
		fake_begin();
		assert_int_equal(survey_call(space, &survey), STATUS_OK);
	}
	assert_int_equal(((struct disk_system *)fake_page(SYSTEM_PAGE))->places, 1);
}

static void test_survey(void **state)
{
	struct space space = space_with_directories();
	struct survey first = {.survey = {.directory = {OBJECT_ROOT_DIRECTORY}}};

	(void)state;
	assert_int_equal(give(&space, 0, "a", &made[1]), STATUS_OK);
	assert_int_equal(give(&space, 0, "b", &made[2]), STATUS_OK);
	assert_int_equal(give(&space, 2, "a", &made[3]), STATUS_OK);
	assert_int_equal(give(&space, 8, "last", &made[7]), STATUS_OK);
	forget_places(&space);
	/* What is empty may go anywhere; of what has names it is not known. */
	assert_int_equal(move(&space, 0, "b", 3, "b"), STATUS_BUSY);
	assert_int_equal(move(&space, 0, "a", 3, "a"), STATUS_OK);
	fake_begin();
	assert_int_equal(survey_call(&space, &first), STATUS_OK);
	assert_true(first.more);
	assert_int_equal(place_of(&space, 2), OBJECT_ROOT_DIRECTORY);
	assert_int_equal(move(&space, 0, "b", 3, "b"), STATUS_BUSY);
	survey_all(&space);
	assert_int_equal(place_of(&space, 1), made[3].object);
	assert_int_equal(place_of(&space, 3), made[2].object);
	assert_int_equal(place_of(&space, 7), made[8].object);
	assert_int_equal(move(&space, 0, "b", 3, "b"), STATUS_LOOP);
	/* Nothing is done twice. */
	record_of(1)->directory.place = 0;
	fake_adopt();
	survey_all(&space);
	assert_int_equal(place_of(&space, 1), 0);
}

/* Each failing call leaves everything as it was, the survey included. */
static void test_survey_fails(void **state)
{
	static const enum status failures[] = {STATUS_WAIT, STATUS_NO_SPACE, STATUS_IO};
	struct space space = space_with_directories();
	unsigned failed = 0;

	(void)state;
	assert_int_equal(give(&space, 0, "a", &made[1]), STATUS_OK);
	forget_places(&space);
	for (unsigned i = 0; i < 3; i++)
		for (unsigned nth = 1; nth < 8; nth++) {
			struct survey survey = {.survey = {.directory = {OBJECT_ROOT_DIRECTORY}}};
			enum status status;

			fake_save();
			fake_begin();
			fake_fail(nth, failures[i]);
			status = survey_call(&space, &survey);
			if (status != STATUS_OK) {
				assert_int_equal(status, failures[i]);
				assert_true(fake_unchanged());
				failed++;
			}
			fake_fail(0, STATUS_OK);
			fake_restore();
		}
	assert_true(failed > 6);
	survey_all(&space);
	assert_int_equal(place_of(&space, 1), OBJECT_ROOT_DIRECTORY);
}

/* Names that no directory could be given today. */
static void test_survey_of_old_names(void **state)
{
	struct space space = space_with_directories();
	void *found;

	(void)state;
	assert_int_equal(give(&space, 0, "a", &made[1]), STATUS_OK);
	forget_places(&space);
	assert_int_equal(give(&space, 2, "again", &made[1]), STATUS_OK);
	/* A name for the root, and a directory that lies in itself. */
	assert_int_equal(give(&space, 8, "r", &made[7]), STATUS_OK);
	found = memmem(fake_page(record_of(8)->directory.root), PAGE_SIZE, &made[7],
		       sizeof(made[7]));
	assert_non_null(found);
	memcpy(found, &made[0], sizeof(made[0]));
	assert_int_equal(give(&space, 3, "x", &made[4]), STATUS_OK);
	assert_int_equal(give(&space, 4, "x", &made[5]), STATUS_OK);
	record_of(5)->directory.root = record_of(3)->directory.root;
	record_of(5)->size = 1;
	record_of(3)->directory.root = record_of(3)->size = 0;
	forget_places(&space);
	survey_all(&space);
	assert_int_equal(place_of(&space, 0), 0);
	/* Two names: the first one is the place, the other goes without a trace. */
	assert_int_equal(place_of(&space, 1), OBJECT_ROOT_DIRECTORY);
	assert_int_equal(take(&space, 2, "again"), STATUS_OK);
	assert_int_equal(place_of(&space, 1), OBJECT_ROOT_DIRECTORY);
	/* 4 and 5 lie below each other: nothing is put there, and it can be undone. */
	assert_int_equal(place_of(&space, 4), made[5].object);
	assert_int_equal(place_of(&space, 5), made[4].object);
	assert_int_equal(give(&space, 6, "y", &made[7]), STATUS_OK);
	assert_int_equal(give(&space, 5, "y", &made[6]), STATUS_LIMIT);
	assert_int_equal(move(&space, 5, "x", 0, "found"), STATUS_OK);
	assert_int_equal(give(&space, 5, "y", &made[6]), STATUS_OK);
}

/* ---- through a view ------------------------------------------------------------------ */

/* All is read as it is in the live state, although the store's pages go at once, and
 * nothing is written. */
static void test_view(void **state)
{
	static uint8_t kept[SPACE_KEPT][PAGE_SIZE] __attribute__((aligned(64)));
	static struct store_view view;
	struct space space = space_with_directories(), past = space;
	struct directory_entry entry = {.length = 0}, found;
	struct disk_capability capability;
	struct disk_object record, live;
	unsigned count = 0;
	char name[64];

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		struct object_request request = {
			.type = OBJECT_SEGMENT, .size = i, .size_max = i + 1};

		fake_begin();
		assert_int_equal(
			object_create(&space, (object_t){OBJECT_ROOT_BANK}, &request, &capability),
			STATUS_OK);
		snprintf(name, sizeof(name), "%03u a name that fills the pages of a tree", i);
		fake_begin();
		assert_int_equal(
			entry_link(&space, root_directory, name, strlen(name), &capability, false),
			STATUS_OK);
	}
	past.view = &view;
	past.kept = kept;
	for (;; count++) {
		fake_begin();
		past.kept_pages = 0;
		if (entry_next(&past, root_directory, entry.name, entry.length, &found) !=
		    STATUS_OK)
			break;
		entry = found;
		past.kept_pages = 0;
		assert_int_equal(
			entry_lookup(&past, root_directory, entry.name, entry.length, &capability),
			STATUS_OK);
		assert_memory_equal(&capability, &entry.capability, sizeof(capability));
		past.kept_pages = 0;
		assert_int_equal(object_resolve(&past, &capability, OBJECT_SEGMENT, 0, &record),
				 STATUS_OK);
		assert_int_equal(object_read(&space, of(&capability), &live), STATUS_OK);
		assert_memory_equal(&record, &live, sizeof(record));
		assert_int_equal(record.size, count);
	}
	assert_int_equal(count, 300);
	fake_begin();
	past.kept_pages = 0;
	assert_int_equal(entry_unlink(&past, root_directory, entry.name, entry.length),
			 STATUS_READ_ONLY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_view),
		cmocka_unit_test(test_below_itself),
		cmocka_unit_test(test_one_name),
		cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_survey),
		cmocka_unit_test(test_survey_fails),
		cmocka_unit_test(test_survey_of_old_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
