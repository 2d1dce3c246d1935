/* SPDX-License-Identifier: MIT */
/*
 * test_fake_names.c - directories with many names, long and short: what they hold is what a
 * model holds, and their banks pay for the pages of their trees and for nothing else.
 */
#include "tests/unit/objects/names_sample.h"

static enum status rename_name(object_t from, uint32_t n, object_t to, uint32_t m, bool replace)
{
	char name[2][TREE_KEY_MAX + 1];
	size_t bytes[2] = {name_of(n, 0, name[0]), name_of(m, 0, name[1])};

	fake_begin();
	return entry_rename(&space, from, name[0], bytes[0], to, name[1], bytes[1], replace);
}

/* ---- a model ------------------------------------------------------------------------------ */

#define NAMES 1500u
static uint32_t held[2][NAMES]; /* the badge; 0: no such name */

struct action {
	object_t directory[2];
	uint32_t kind, d[2], n[2];
	uint32_t badge;
	bool replace;
};

static enum status action_call(struct space *in, void *context)
{
	const struct action *action = context;
	object_t from = action->directory[action->d[0]], to = action->directory[action->d[1]];
	struct disk_capability capability = token(action->badge);
	char name[2][TREE_KEY_MAX + 1];
	size_t bytes[2] = {name_of(action->n[0], 0, name[0]), name_of(action->n[1], 0, name[1])};

	if (action->kind == 0)
		return entry_unlink(in, from, name[0], bytes[0]);
	if (action->kind == 1)
		return entry_rename(in, from, name[0], bytes[0], to, name[1], bytes[1],
				    action->replace);
	return entry_link(in, to, name[1], bytes[1], &capability, action->replace);
}

static enum status action_model(const struct action *action)
{
	uint32_t *from = &held[action->d[0]][action->n[0]];
	uint32_t *to = &held[action->d[1]][action->n[1]];

	if (action->kind < 2 && !*from)
		return STATUS_NOT_FOUND;
	if (action->kind == 1 && from == to)
		return STATUS_OK;
	if (action->kind && *to && !action->replace)
		return STATUS_EXISTS;
	if (action->kind)
		*to = action->kind == 1 ? *from : action->badge;
	if (action->kind < 2)
		*from = 0;
	return STATUS_OK;
}

/* All that is listed is in the model, in order, and nothing is left out. */
static void model_verify(const object_t directory[2])
{
	for (uint32_t d = 0; d < 2; d++) {
		struct directory_entry entry = {.length = 0};
		uint64_t sum = 0, wanted = 0, count = 0, told = 0;
		char last[TREE_KEY_MAX + 1] = "";

		for (uint32_t n = 0; n < NAMES; n++) {
			wanted += held[d][n];
			count += held[d][n] != 0;
		}
		fake_begin();
		while (entry_next(&space, directory[d], entry.name, entry.length, &entry) ==
		       STATUS_OK) {
			assert_true(strcmp(entry.name, last) > 0);
			memcpy(last, entry.name, entry.length + 1u);
			sum += entry.capability.badge;
			told++;
		}
		assert_int_equal(sum, wanted);
		assert_int_equal(told, count);
		assert_int_equal(record_of(directory[d])->size, count);
	}
}

static void test_model(void **state)
{
	struct disk_capability bank;
	struct action action;
	uint64_t random = 9;

	(void)state;
	begin(100000);
	action.directory[0] = ROOT_DIRECTORY;
	action.directory[1] = directory_of(5000, &bank);
	base = fake_bank_pages(&space);
	memset(held, 0, sizeof(held));
	for (uint32_t round = 1; round <= 30000; round++) {
		bool grows = round / 5000 % 2 == 0;

		/* Up, and down again to a few in many pages. */
		action.kind = fake_random(&random) % 4 == 0 ? 1 : grows ? 2 : 0;
		for (uint32_t i = 0; i < 2; i++) {
			action.d[i] = fake_random(&random) % 2;
			action.n[i] = fake_random(&random) % NAMES;
		}
		action.badge = round;
		action.replace = fake_random(&random) % 2;
		fake_begin();
		if (round % 250 == 0)
			assert_int_equal(fake_try_all(action_call, &space, &action),
					 action_model(&action));
		else
			assert_int_equal(action_call(&space, &action), action_model(&action));
		if (round % 500)
			continue;
		model_verify(action.directory);
		fake_begin();
		fake_invariants(&space);
		assert_int_equal(record_of(action.directory[0])->directory.pages +
					 record_of(action.directory[1])->directory.pages,
				 fake_tree_pages());
		assert_int_equal(fake_bank_pages(&space),
				 base + record_of(action.directory[0])->directory.pages);
		assert_int_equal(record_of((object_t){bank.object})->size,
				 1 + record_of(action.directory[1])->directory.pages);
	}
}

/* ---- a bank that has no more ----------------------------------------------------------------- */

static void test_allowance(void **state)
{
	struct disk_capability bank, file;
	const struct object_request segment = {.type = OBJECT_SEGMENT, .size_max = PAGE_SIZE};
	uint32_t links = 0;
	object_t directory;
	enum status status;

	(void)state;
	begin(1000);
	directory = directory_of(20, &bank);
	while ((status = link_name(directory, links, TREE_KEY_MAX, false)) == STATUS_OK)
		links++;
	assert_int_equal(status, STATUS_ALLOWANCE);
	/* Of 20 pages all but the one of the directory's record, and those that a split that
	 * may go on upwards could take. */
	assert_true(record_of((object_t){bank.object})->size >= 18);
	assert_int_equal(record_of((object_t){bank.object})->size, 1 + fake_tree_pages());
	assert_true(links > 100);
	assert_int_equal(record_of(directory)->size, links);
	fake_begin();
	assert_int_equal(entry_create(&space, directory, "z", 1, &segment, &file),
			 STATUS_ALLOWANCE);
	/* What takes no page is done. */
	for (uint32_t i = 0; i < links; i++)
		assert_int_equal(link_name(directory, i, TREE_KEY_MAX, true), STATUS_OK);
	for (uint32_t i = 0; i < links; i++) {
		assert_int_equal(unlink_name(directory, i, TREE_KEY_MAX), STATUS_OK);
		fake_begin();
		fake_invariants(&space);
	}
	assert_int_equal(record_of((object_t){bank.object})->size, 1);
}

/* A name and its object together are more than the bank has, though each alone is not. */
static void test_create_allowance(void **state)
{
	const struct object_request segment = {.type = OBJECT_SEGMENT, .size_max = PAGE_SIZE};
	struct disk_capability bank, file;
	object_t directory;

	(void)state;
	begin(1000);
	directory = directory_of(2, &bank);
	fake_begin();
	assert_int_equal(entry_create(&space, directory, "a", 1, &segment, &file),
			 STATUS_ALLOWANCE);
	assert_int_equal(record_of((object_t){bank.object})->size, 1);
	directory = directory_of(3, &bank);
	fake_begin();
	assert_int_equal(entry_create(&space, directory, "a", 1, &segment, &file), STATUS_OK);
	assert_int_equal(record_of((object_t){bank.object})->size, 3);
	fake_begin();
	fake_invariants(&space);
}

/* ---- of an older system ------------------------------------------------------------------------
 */

/* As such a one has left it: a page for 16 names, and no count. */
static void make_older(object_t directory, uint32_t version)
{
	struct disk_object *record = record_of(directory),
			   *bank = record_of((object_t){record->bank});

	bank->size -= record_charge(record);
	record->directory.pages = 0;
	bank->size += record_charge(record);
	system_of()->version = version;
	fake_adopt();
}

static void older(uint32_t names, size_t length, uint64_t limit, struct disk_capability *bank,
		  object_t *directory)
{
	begin(100000);
	*directory = directory_of(limit, bank);
	for (uint32_t i = 0; i < names; i++)
		assert_int_equal(link_name(*directory, i, length, false), STATUS_OK);
	make_older(*directory, SYSTEM_VERSION_PAGES - 1);
}

static void test_older(void **state)
{
	struct disk_capability bank;
	object_t directory;

	(void)state;
	/* Short names: from its next change on it pays less. */
	older(100, 8, 1000, &bank, &directory);
	assert_int_equal(record_of((object_t){bank.object})->size, 1 + 100 / 16);
	assert_int_equal(unlink_name(directory, 5, 8), STATUS_OK);
	assert_int_equal(record_of(directory)->directory.pages, fake_tree_pages());
	assert_int_equal(record_of((object_t){bank.object})->size, 1 + fake_tree_pages());
	assert_int_equal(system_of()->version, SYSTEM_VERSION);
	/* Long ones: who takes some away, or puts one in the place of another, is not asked for
	 * more; who adds one is. */
	older(100, TREE_KEY_MAX, 1000, &bank, &directory);
	assert_int_equal(unlink_name(directory, 99, TREE_KEY_MAX), STATUS_OK);
	assert_int_equal(link_name(directory, 5, TREE_KEY_MAX, true), STATUS_OK);
	assert_int_equal(record_of(directory)->directory.pages, 0);
	assert_int_equal(record_of((object_t){bank.object})->size, 1 + 99 / 16);
	assert_int_equal(link_name(directory, 99, TREE_KEY_MAX, false), STATUS_OK);
	assert_int_equal(record_of(directory)->directory.pages, fake_tree_pages());
	assert_int_equal(record_of((object_t){bank.object})->size, 1 + fake_tree_pages());
	fake_begin();
	fake_invariants(&space);
	/* With several levels of pages nobody counts them: as before, until it is empty. */
	older(3000, TREE_KEY_MAX, 1000, &bank, &directory);
	for (uint32_t i = 3000; i < 3100; i++)
		assert_int_equal(link_name(directory, i, TREE_KEY_MAX, false), STATUS_OK);
	assert_int_equal(record_of(directory)->directory.pages, 0);
	assert_int_equal(record_of((object_t){bank.object})->size, 1 + 3100 / 16);
	for (uint32_t i = 0; i < 3100; i++)
		assert_int_equal(unlink_name(directory, i, TREE_KEY_MAX), STATUS_OK);
	assert_int_equal(link_name(directory, 0, 8, false), STATUS_OK);
	assert_int_equal(record_of(directory)->directory.pages, 1);
	assert_int_equal(record_of((object_t){bank.object})->size, 2);
	fake_begin();
	fake_invariants(&space);
}

/* In a space without a map of ranges all stays as it was, in an empty one, too. */
static void test_oldest(void **state)
{
	struct disk_capability bank;
	object_t directory;

	(void)state;
	begin(1000);
	directory = directory_of(100, &bank);
	system_of()->version = SYSTEM_VERSION_MAP - 1;
	fake_adopt();
	for (uint32_t i = 0; i < 40; i++)
		assert_int_equal(link_name(directory, i, TREE_KEY_MAX, false), STATUS_OK);
	assert_int_equal(rename_name(directory, 0, directory, 1, false), STATUS_NOT_FOUND);
	assert_int_equal(system_of()->version, SYSTEM_VERSION_MAP - 1);
	assert_int_equal(record_of(directory)->directory.pages, 0);
	assert_int_equal(record_of((object_t){bank.object})->size, 1 + 40 / 16);
}

/* A count that damage has made wrong ends with the last name, and takes nothing from others. */
static void test_damaged_counts(void **state)
{
	static const uint32_t wrong[] = {1, 2, 5, 900, USER_ARENA_PAGE - TREE_ARENA_PAGE};
	struct disk_capability bank;
	object_t directory;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		begin(100000);
		directory = directory_of(1000, &bank);
		for (uint32_t n = 0; n < 500; n++)
			assert_int_equal(link_name(directory, n, TREE_KEY_MAX, false), STATUS_OK);
		record_of(directory)->directory.pages = wrong[i];
		record_of(directory)->size = wrong[i] % 2 ? 600 : 500;
		record_of((object_t){bank.object})->allowance.limit =
			record_of((object_t){bank.object})->size;
		fake_adopt();
		for (uint32_t n = 0; n < 500; n++)
			assert_int_equal(unlink_name(directory, n, TREE_KEY_MAX), STATUS_OK);
		assert_int_equal(record_of(directory)->size, 0);
		assert_int_equal(record_of(directory)->directory.pages, 0);
		assert_int_equal(fake_tree_pages(), 0);
		assert_true(record_of((object_t){bank.object})->size <= 1000);
		assert_int_equal(link_name(directory, 1, 8, false), STATUS_OK);
	}
	begin(100000);
	assert_int_equal(link_name(ROOT_DIRECTORY, 1, 8, false), STATUS_OK);
	record_of(ROOT_DIRECTORY)->directory.pages = USER_ARENA_PAGE - TREE_ARENA_PAGE + 1;
	fake_adopt();
	assert_int_equal(link_name(ROOT_DIRECTORY, 2, 8, false), STATUS_CORRUPT);
	/* Nor does a count become one that cannot be. */
	begin(100000);
	for (uint32_t n = 0; n < 12; n++)
		assert_int_equal(link_name(ROOT_DIRECTORY, n, TREE_KEY_MAX, false), STATUS_OK);
	record_of(ROOT_DIRECTORY)->directory.pages = USER_ARENA_PAGE - TREE_ARENA_PAGE;
	fake_adopt();
	assert_int_equal(link_name(ROOT_DIRECTORY, 12, TREE_KEY_MAX, false), STATUS_CORRUPT);
}

/* ---- rights ------------------------------------------------------------------------------------
 */

static uint16_t narrowed(uint16_t through, enum object_type type, uint16_t rights)
{
	struct disk_capability directory = {
		.version = 1, .object = 2, .type = OBJECT_DIRECTORY, .rights = through};
	struct disk_capability found = {
		.version = 1, .object = 9, .type = (uint8_t)type, .rights = rights, .badge = 7};

	directory_narrow(&directory, &found);
	assert_int_equal(found.badge, 7);
	assert_int_equal(found.object, 9);
	return found.rights;
}

static void test_rights(void **state)
{
	enum { R = RIGHT_READ, W = RIGHT_WRITE, X = RIGHT_EXECUTE, S = RIGHT_SEND };
	struct disk_capability lists = {.type = OBJECT_DIRECTORY, .rights = R | W | RIGHT_DESTROY};

	(void)state;
	/* Whoever may write gets what was linked, */
	for (unsigned type = OBJECT_SEGMENT; type < OBJECT_TYPES; type++)
		for (unsigned rights = 0; rights < 512; rights++)
			assert_int_equal(narrowed(W, type, (uint16_t)rights), rights);
	/* others nothing to change anything with, */
	for (unsigned type = OBJECT_SEGMENT; type < OBJECT_TYPES; type++)
		if (type != OBJECT_DIRECTORY)
			for (unsigned rights = 0; rights < 512; rights++)
				for (unsigned through = 0; through < 512; through++)
					if (!(through & W))
						assert_int_equal(narrowed((uint16_t)through, type,
									  (uint16_t)rights),
								 rights & (R | X));
	/* and of a directory what they have. */
	assert_int_equal(narrowed(R, OBJECT_DIRECTORY, R | W | RIGHT_DESTROY), R);
	assert_int_equal(narrowed(X, OBJECT_DIRECTORY, R | W | RIGHT_DESTROY), X);
	assert_int_equal(narrowed(X, OBJECT_DIRECTORY, W), 0);
	assert_int_equal(narrowed(R, OBJECT_DIRECTORY, X | W), X);
	assert_int_equal(narrowed(0, OBJECT_DIRECTORY, RIGHT_ALL), 0);
	assert_int_equal(narrowed(R, OBJECT_PORT, S | RIGHT_RECEIVE), 0);
	/* To look up is in to list, of directories alone. */
	assert_int_equal(capability_rights(&lists), R | W | X | RIGHT_DESTROY);
	capability_reduce(&lists, R | X);
	assert_int_equal(lists.rights, R);
	capability_reduce(&lists, X | W);
	assert_int_equal(lists.rights, X);
	lists = (struct disk_capability){.type = OBJECT_SEGMENT, .rights = R | W};
	assert_int_equal(capability_rights(&lists), R | W);
	capability_reduce(&lists, X);
	assert_int_equal(lists.rights, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),  cmocka_unit_test(test_allowance),
		cmocka_unit_test(test_older),  cmocka_unit_test(test_create_allowance),
		cmocka_unit_test(test_oldest), cmocka_unit_test(test_damaged_counts),
		cmocka_unit_test(test_rights),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
