/* SPDX-License-Identifier: MIT */
/*
 * test_keeping.c - growing, renaming, finding.
 */
#include "tests/unit/store/fixture.h"
#include "store/keeping.h"
#include "store/store_priv.h"

static enum status grow(struct fixture *f, uint64_t sectors)
{
	struct store_commit_request request = {.action = STORE_ACTION_GROW, .sectors = sectors};

	return fixture_request(f, &request);
}

static void scribble(struct fixture *f, unsigned changes)
{
	while (changes--)
		assert_int_equal(fixture_write(f, fixture_random(f, FIXTURE_PAGES),
					       1 + fixture_random(f, 100000)),
				 STATUS_OK);
}

/* An empty store in the first sectors of the disk, whatever there was. */
static void store_again(struct fixture *f, uint64_t sectors)
{
	struct store_format_options options = {
		.identity = {1, 2, 3}, .sectors = sectors, .write_unit = 512, .label = "test"};

	memset(f->model, 0, sizeof(f->model));
	memset(f->stable_model, 0, sizeof(f->stable_model));
	fixture_init(f);
	assert_int_equal(store_format(f->store, &options), STATUS_OK);
}

/* A store smaller than its disk. */
static struct fixture *small_store_with(uint32_t frames, uint64_t sectors, uint64_t disk_sectors)
{
	struct fixture *f = fixture_new(disk_sectors, frames, 512);

	store_again(f, sectors);
	return f;
}

static struct fixture *small_store(uint64_t sectors, uint64_t disk_sectors)
{
	return small_store_with(300, sectors, disk_sectors);
}

/* ---- growing ------------------------------------------------------------------ */

static void test_grow(void **state)
{
	/* Odd sizes; one to two free-map pages; over 128 of them (2 GiB). */
	static const uint64_t sizes[] = {8193 + 128,  32768 + 7,	  32768 * 3,
					 32768 * 128, 32768 * 129 + 4096, 32768 * 131};
	struct fixture *f = small_store(8192, 32768 * 131);

	(void)state;
	scribble(f, 100);
	fixture_checkpoint(f);
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		scribble(f, 40);
		assert_int_equal(grow(f, sizes[i]), STATUS_OK);
		assert_int_equal(fixture_record(f)->sectors, sizes[i]);
		scribble(f, 40);
		fixture_checkpoint(f);
		if (i % 2) {
			fixture_remount(f);
			scribble(f, 40);
			fixture_checkpoint(f);
		}
		fixture_compare(f);
		fixture_account(f);
	}
	assert_int_equal(fixture_record(f)->free_map.height, 2);
	fixture_free(f);
}

static void test_grow_refusals(void **state)
{
	struct fixture *f = small_store(8192, 40000);

	(void)state;
	scribble(f, 10);
	fixture_checkpoint(f);
	assert_int_equal(grow(f, 40001), STATUS_LIMIT);
	assert_int_equal(grow(f, 8192), STATUS_INVALID);
	assert_int_equal(grow(f, 8192 + STORE_GROW_MIN - 1), STATUS_INVALID);
	assert_int_equal(grow(f, 100), STATUS_INVALID);
	assert_int_equal(fixture_record(f)->sectors, 8192);
	assert_int_equal(grow(f, 40000), STATUS_OK);
	fixture_free(f);
}

/* A full store takes pages again when it has grown; each time by the least. */
static void test_grow_full(void **state)
{
	struct fixture *f = small_store(8192, 32768 * 2);
	uint32_t written = 0;

	(void)state;
	for (unsigned round = 0; round < 60; round++) {
		uint32_t before = written;

		while (fixture_write(f, written % FIXTURE_PAGES, 2 * written + 3) == STATUS_OK)
			written++;
		assert_true(round % 4 || written > before);
		assert_int_equal(grow(f, fixture_record(f)->sectors + STORE_GROW_MIN), STATUS_OK);
		if (written >= FIXTURE_PAGES - 10)
			break;
	}
	fixture_checkpoint(f);
	fixture_compare(f);
	fixture_account(f);
	fixture_free(f);
}

/* The power goes during the growth: the old size or the new one, and all sound. */
static void test_grow_crash(void **state)
{
	unsigned grown = 0;

	(void)state;
	for (unsigned steps = 0; steps < 60; steps++) {
		struct fixture *f = small_store(32768, 32768 * 3);
		struct store_commit_request request = {.action = STORE_ACTION_GROW,
						       .sectors = 32768 * 3};
		generation_t generation;

		f->random += steps;
		scribble(f, 50);
		fixture_checkpoint(f);
		scribble(f, 20);
		assert_int_equal(store_commit(f->store, &request, &generation), STATUS_OK);
		for (unsigned i = 0; i < 2 * steps; i++)
			if (!store_step(f->store))
				fixture_poll(&f->device, true);
		fixture_crash(f);
		assert_int_equal(fixture_mount(f), STATUS_OK);
		if (fixture_record(f)->generation == generation.n && !f->recovery.torn.n) {
			assert_int_equal(fixture_record(f)->sectors, 32768 * 3);
			memcpy(f->stable_model, f->model, sizeof(f->model));
			grown++;
		} else {
			assert_int_equal(f->recovery.generation.n, generation.n - 1);
		}
		memcpy(f->model, f->stable_model, sizeof(f->model));
		fixture_compare(f);
		scribble(f, 10);
		fixture_checkpoint(f);
		fixture_account(f);
		fixture_free(f);
	}
	assert_true(grown > 5 && grown < 55);
}

/* The end of the store is not the end of its disk: what lies behind it is nobody's
 * until the store grows.  Nearly all is held by snapshots, so that commits go round
 * through the last, short page of the free map, too. */
static void test_end_inside_disk(void **state)
{
	const uint64_t sectors = 32768 + 2004;
	struct fixture *f = small_store_with(1000, sectors, 65536);
	unsigned last = 0;

	(void)state;
	for (unsigned kept = 0; kept < 2; kept++) {
		for (uint32_t i = 0; i < FIXTURE_PAGES; i++)
			assert_int_equal(fixture_write(f, i, 4 * i + 3 + 2 * kept), STATUS_OK);
		assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, kept ? "two" : "one"),
				 STATUS_OK);
	}
	for (unsigned round = 0; round < 16; round++) {
		const struct disk_record *record;

		for (uint32_t i = 0; i < 350; i++)
			assert_int_equal(fixture_write(f, i, 2 * fixture_random(f, 50000) + 3),
					 STATUS_OK);
		fixture_checkpoint(f);
		record = fixture_record(f);
		assert_int_equal(record->sectors, sectors);
		last += f->store->allocator.blocks.leaf == 1;
	}
	assert_true(last > 1);
	fixture_remount(f);
	fixture_compare(f);
	for (uint64_t sector = sectors; sector < 65536; sector++)
		assert_int_equal(f->disk[sector * SECTOR_SIZE], 0);
	fixture_free(f);
}

/* The generation that begins while the store grows is committed with the larger
 * free map, which leaves less of the list of changes to it. */
static void test_grow_changes(void **state)
{
	struct fixture *f = small_store(8192, 65536);
	uint32_t limit = f->store->reservation.changes_limit;

	(void)state;
	fixture_checkpoint(f);
	/* 1,000 pages of the free map; nothing is written that far behind. */
	f->device.sectors = 32768 * 1000;
	assert_int_equal(grow(f, f->device.sectors), STATUS_OK);
	assert_true(f->store->reservation.changes_limit < limit);
	limit = f->store->reservation.changes_limit;
	fixture_remount(f);
	assert_int_equal(f->store->reservation.changes_limit, limit);
	fixture_free(f);
}

/* What a tool does offline, growing too, leaves how the system had stopped. */
static void test_grow_offline(void **state)
{
	struct fixture *f = small_store(8192, 65536);
	struct store_commit_request request = {
		.action = STORE_ACTION_GROW, .sectors = 65536, .offline = true};

	(void)state;
	scribble(f, 20);
	assert_int_equal(fixture_commit(f, STORE_ACTION_STOP, 0, ""), STATUS_OK);
	fixture_remount(f);
	assert_int_equal(fixture_request(f, &request), STATUS_OK);
	fixture_remount(f);
	assert_int_equal(f->recovery.stop, STORE_STOP_CLEAN);
	assert_int_equal(fixture_record(f)->sectors, 65536);
	fixture_checkpoint(f);
	fixture_remount(f);
	assert_int_equal(f->recovery.stop, STORE_STOP_POWER_CUT);
	fixture_compare(f);
	fixture_account(f);
	fixture_free(f);
}

/* The snapshot becomes the live state, which is then what it was. */
static void restore(struct fixture *f, const char *name, const uint32_t *model)
{
	struct store_snapshot snapshot;

	while (store_snapshot_find(f->store, name, &snapshot) == STATUS_WAIT)
		fixture_wait(f);
	assert_int_equal(fixture_commit(f, STORE_ACTION_RESTORE, snapshot.number.n, ""), STATUS_OK);
	assert_int_equal(fixture_mount(f), STATUS_OK);
	memcpy(f->model, model, sizeof(f->model));
	memcpy(f->stable_model, model, sizeof(f->model));
	fixture_compare(f);
}

/* Begins this commit, cuts the power after so many steps, mounts: all of the commit
 * is there, or nothing. */
static bool commit_cut(struct fixture *f, const struct store_commit_request *request,
		       unsigned steps)
{
	generation_t generation;
	bool done;

	assert_int_equal(store_commit(f->store, request, &generation), STATUS_OK);
	for (unsigned i = 0; i < steps; i++)
		if (!store_step(f->store))
			fixture_poll(&f->device, true);
	fixture_crash(f);
	assert_int_equal(fixture_mount(f), STATUS_OK);
	done = f->recovery.generation.n == generation.n;
	assert_true(done || f->recovery.generation.n == generation.n - 1);
	memcpy(done ? f->stable_model : f->model, done ? f->model : f->stable_model,
	       sizeof(f->model));
	fixture_compare(f);
	fixture_account(f);
	return done;
}

/*
 * From 128 pages of the free map to 130, which need one level more.  The store grows
 * in one commit, its map in the next: the power goes in either, each time at another
 * step.  Whatever came of that, the store is large in the end, works, and goes back
 * to a snapshot from before: the map stays as tall.
 */
static void grow_taller(struct fixture *f, bool late, unsigned steps, unsigned *cut)
{
	const uint64_t large = f->device.sectors;
	struct store_commit_request request = {.action = STORE_ACTION_GROW, .sectors = large};
	uint32_t before[FIXTURE_PAGES];

	store_again(f, 32768 * 128);
	scribble(f, 60);
	assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, "before"), STATUS_OK);
	memcpy(before, f->model, sizeof(before));
	scribble(f, 30);
	fixture_checkpoint(f);
	if (late) {
		assert_int_equal(grow(f, large), STATUS_OK);
		request.action = STORE_ACTION_NONE;
	}
	assert_int_equal(fixture_record(f)->free_map.height, 1);
	scribble(f, 30);
	if (!commit_cut(f, &request, steps)) {
		++*cut;
		assert_int_equal(fixture_record(f)->free_map.height, 1);
		if (!late)
			assert_int_equal(grow(f, large), STATUS_OK);
	}
	scribble(f, 60);
	fixture_checkpoint(f);
	assert_int_equal(fixture_record(f)->sectors, large);
	assert_int_equal(fixture_record(f)->free_map.height, 2);
	fixture_remount(f);
	fixture_compare(f);
	restore(f, "before", before);
	scribble(f, 60);
	fixture_checkpoint(f);
	assert_int_equal(fixture_record(f)->sectors, large);
	assert_int_equal(fixture_record(f)->free_map.height, 2);
	fixture_compare(f);
	fixture_account(f);
}

static void test_grow_taller(void **state)
{
	struct fixture *f = small_store(32768, 32768 * 130);

	(void)state;
	for (unsigned late = 0; late < 2; late++) {
		unsigned cut = 0;

		for (unsigned steps = 0; steps < 32; steps++)
			grow_taller(f, late, 4 * steps, &cut);
		assert_true(cut > 3 && cut < 32);
	}
	fixture_free(f);
}

/* ---- names and numbers ------------------------------------------------------------ */

static enum status rename_to(struct fixture *f, uint64_t number, const char *name)
{
	return fixture_commit(f, STORE_ACTION_RENAME, number, name);
}

static uint64_t find(struct fixture *f, const char *name)
{
	struct store_snapshot snapshot;
	enum status status;

	while ((status = store_snapshot_find(f->store, name, &snapshot)) == STATUS_WAIT)
		fixture_wait(f);
	return status == STATUS_OK ? snapshot.number.n : 0;
}

static uint64_t before(struct fixture *f, uint64_t generation, uint64_t wall_ns)
{
	struct store_snapshot snapshot;
	enum status status;

	while ((status = store_snapshot_before(f->store, (generation_t){generation}, wall_ns,
					       &snapshot)) == STATUS_WAIT)
		fixture_wait(f);
	assert_true(status == STATUS_OK || status == STATUS_NOT_FOUND);
	return status == STATUS_OK ? snapshot.number.n : 0;
}

static void test_rename(void **state)
{
	struct fixture *f = fixture_new(16384, 100, 512);
	char long_name[DISK_SNAPSHOT_NAME];
	uint64_t a, b;

	(void)state;
	memset(long_name, 'x', sizeof(long_name));
	assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, "a"), STATUS_OK);
	assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, "b"), STATUS_OK);
	a = find(f, "a");
	b = find(f, "b");
	assert_int_equal(rename_to(f, a, "b"), STATUS_EXISTS);
	assert_int_equal(rename_to(f, a, ""), STATUS_INVALID);
	assert_int_equal(rename_to(f, 99, "c"), STATUS_NOT_FOUND);
	assert_int_equal(rename_to(f, a, "a"), STATUS_OK);
	assert_int_equal(rename_to(f, a, "c"), STATUS_OK);
	assert_int_equal(find(f, "a"), 0);
	assert_int_equal(find(f, "c"), a);
	assert_int_equal(rename_to(f, b, "a"), STATUS_OK);
	fixture_remount(f);
	assert_int_equal(find(f, "c"), a);
	assert_int_equal(find(f, "a"), b);
	assert_int_equal(fixture_commit(f, STORE_ACTION_DELETE, a, ""), STATUS_OK);
	assert_int_equal(find(f, "c"), 0);
	assert_int_equal(rename_to(f, a, "d"), STATUS_NOT_FOUND);
	fixture_free(f);
}

/* Removals leave no gap that hides another. */
static void test_many_names(void **state)
{
	struct fixture *f = fixture_new(131072, 600, 512);
	char name[DISK_SNAPSHOT_NAME];
	uint64_t reads;

	(void)state;
	scribble(f, 20);
	for (unsigned i = 1; i <= 400; i++) {
		snprintf(name, sizeof(name), "snapshot %u", i);
		assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, name), STATUS_OK);
	}
	for (unsigned i = 3; i <= 400; i += 3) {
		snprintf(name, sizeof(name), "renamed %u", i);
		assert_int_equal(rename_to(f, i, name), STATUS_OK);
	}
	for (unsigned remounted = 0; remounted < 2; remounted++) {
		for (unsigned i = 1; i <= 400; i++) {
			snprintf(name, sizeof(name), "snapshot %u", i);
			assert_int_equal(find(f, name), i % 3 ? i : 0);
			snprintf(name, sizeof(name), "renamed %u", i);
			assert_int_equal(find(f, name), i % 3 ? 0 : i);
			assert_int_equal(before(f, i, UINT64_MAX), i);
		}
		fixture_remount(f);
	}
	/* A name that there is not costs no reading, once the index is there. */
	assert_int_equal(find(f, "nobody"), 0);
	reads = f->reads;
	assert_int_equal(find(f, "nobody either"), 0);
	assert_int_equal(f->reads, reads);
	fixture_free(f);
}

/* What looks like one of the forms and is none is told. */
static void test_forms(void **state)
{
	(void)state;
	assert_null(keeping_form_fault("-5h"));
	assert_null(keeping_form_fault("#5"));
	assert_null(keeping_form_fault("name-5y"));
	assert_non_null(strstr(keeping_form_fault("-5y"), "not an age"));
	assert_non_null(strstr(keeping_form_fault("#x"), "not the number"));
	assert_non_null(strstr(keeping_form_fault("@"), "not a generation"));
	assert_null(keeping_name_fault("two words"));
	assert_non_null(keeping_name_fault(" word"));
	assert_non_null(keeping_name_fault("word "));
}

/* What a search says of snapshots 1 to 6 of generations 10 to 60, each a minute old more
 * than the next, 4 of which is missing: `unread` and `damaged` cannot be read. */
static uint64_t searched(const char *text, uint64_t failed, uint64_t damaged, bool *doubtful)
{
	static const char names[][DISK_SNAPSHOT_NAME] = {"one", "two", "three", "", "five", "six"};
	struct keeping_search search;

	keeping_search_begin(&search, text, UINT64_C(1000000000) * 600);
	for (uint64_t number = 1; number <= 6; number++) {
		struct store_snapshot met = {.number = {number},
					     .generation = {10 * number},
					     .wall_ns = UINT64_C(60000000000) * (3 + number)};

		memcpy(met.name, names[number - 1], sizeof(met.name));
		if (number == 4)
			continue;
		if (number == failed || number == damaged)
			met = (struct store_snapshot){.number = {number},
						      .flags = STORE_SNAPSHOT_UNREADABLE};
		if (number == failed)
			met.flags |= STORE_SNAPSHOT_FAILED;
		keeping_search_look(&search, &met);
	}
	*doubtful = keeping_search_doubtful(&search);
	return search.found.number.n ? search.found.number.n
	       : search.damaged	     ? 100 + search.damaged
				     : 0;
}

/* Which one is meant, and when what cannot be read may be it. */
static void test_search(void **state)
{
	static const struct {
		const char *text;
		uint64_t failed, damaged, found;
		bool doubtful;
	} cases[] = {
		{"three", 0, 0, 3, false},
		{"threes", 0, 0, 0, false},
		{"thre", 0, 0, 0, false},
		{"#5", 0, 0, 5, false},
		{"@39", 0, 0, 3, false},
		{"-3m", 0, 0, 3, false},
		{"-1m", 0, 0, 6, false},
		{"-9m", 0, 0, 0, false},
		{"#4", 0, 0, 0, false},
		/* A name or a number is one only. */
		{"three", 5, 0, 3, false},
		{"three", 3, 0, 0, true},
		{"#3", 5, 0, 3, false},
		/* Those up to 5, behind 3. */
		{"#4", 5, 0, 0, true},
		{"#4", 6, 0, 0, false},
		{"#4", 0, 5, 105, false},
		{"#4", 0, 6, 0, false},
		/* A newer one may be old enough, an older one is not it. */
		{"-2m", 5, 0, 3, true},
		{"-2m", 1, 0, 5, false},
		{"@55", 5, 0, 3, true},
		{"@30", 5, 0, 3, false},
		{"-2m", 0, 5, 3, false},
		/* Damage behind it does not hide that. */
		{"-2m", 5, 6, 3, true},
		{"none", 0, 6, 106, false},
		{"none", 5, 6, 106, true},
	};
	bool doubtful;

	(void)state;
	for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t found =
			searched(cases[i].text, cases[i].failed, cases[i].damaged, &doubtful);

		if (found != cases[i].found || doubtful != cases[i].doubtful)
			fail_msg("%s, case %u: %u, %u", cases[i].text, i, (unsigned)found,
				 doubtful);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_search),	     cmocka_unit_test(test_forms),
		cmocka_unit_test(test_grow),	     cmocka_unit_test(test_grow_refusals),
		cmocka_unit_test(test_grow_full),    cmocka_unit_test(test_grow_taller),
		cmocka_unit_test(test_grow_crash),   cmocka_unit_test(test_end_inside_disk),
		cmocka_unit_test(test_grow_changes), cmocka_unit_test(test_grow_offline),
		cmocka_unit_test(test_rename),	     cmocka_unit_test(test_many_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
