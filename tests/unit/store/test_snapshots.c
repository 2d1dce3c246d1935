/* SPDX-License-Identifier: MIT */
/*
 * test_snapshots.c - the tree of snapshots: take, restore, delete, exactly.
 */
#include "tests/unit/store/fixture.h"

#define SNAPSHOTS 20u

struct kept {
	uint64_t number;
	uint32_t model[FIXTURE_PAGES];
};

static uint64_t find(struct fixture *f, const char *name)
{
	struct store_snapshot snapshot;
	enum status status;

	while ((status = store_snapshot_find(f->store, name, &snapshot)) == STATUS_WAIT)
		fixture_wait(f);
	return status == STATUS_OK ? snapshot.number.n : 0;
}

static uint64_t take(struct fixture *f, const char *name)
{
	assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, name), STATUS_OK);
	assert_int_not_equal(find(f, name), 0);
	return find(f, name);
}

/* Checkpoints until no snapshot is dying any more. */
static void reclaim(struct fixture *f)
{
	struct store_statistics statistics;

	for (unsigned i = 0; i < 10000; i++) {
		store_statistics_get(f->store, &statistics);
		if (!statistics.dying.n)
			return;
		assert_true(store_dirty(f->store) && store_pressure(f->store));
		fixture_checkpoint(f);
	}
	fail_msg("a deletion does not end");
}

static void restore(struct fixture *f, uint64_t number, const uint32_t *model)
{
	assert_int_equal(fixture_commit(f, STORE_ACTION_RESTORE, number, ""), STATUS_OK);
	assert_true(store_replaced(f->store));
	memcpy(f->stable_model, model, sizeof(f->model));
	fixture_remount(f);
	assert_true(f->recovery.restored);
}

static void scribble(struct fixture *f, unsigned changes)
{
	while (changes--)
		assert_int_equal(fixture_write(f, fixture_random(f, FIXTURE_PAGES),
					       1 + fixture_random(f, 100000)),
				 STATUS_OK);
}

static void test_one(void **state)
{
	struct fixture *f = fixture_new(65536, 300, 512);
	static uint32_t model[FIXTURE_PAGES];
	uint64_t used, number;

	(void)state;
	scribble(f, 300);
	fixture_checkpoint(f);
	number = take(f, "first");
	memcpy(model, f->model, sizeof(model));
	used = fixture_account(f);
	scribble(f, 200);
	fixture_clear(f, 100, 500);
	fixture_checkpoint(f);
	assert_true(fixture_account(f) > used);
	restore(f, number, model);
	fixture_compare(f);
	fixture_account(f);
	assert_int_equal(fixture_commit(f, STORE_ACTION_DELETE, find(f, "before-restore-4"), ""),
			 STATUS_OK);
	reclaim(f);
	assert_int_equal(fixture_account(f), used);
	assert_int_equal(fixture_commit(f, STORE_ACTION_DELETE, number, ""), STATUS_OK);
	reclaim(f);
	fixture_compare(f);
	assert_int_equal(fixture_record(f)->snapshots, 0);
	assert_int_equal(fixture_record(f)->origin, 0);
	fixture_account(f);
	fixture_free(f);
}

static void test_refusals(void **state)
{
	struct fixture *f = fixture_new(16384, 100, 512);
	char longest[DISK_SNAPSHOT_NAME];
	uint64_t number;

	(void)state;
	number = take(f, "a");
	assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, "a"), STATUS_EXISTS);
	assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, ""), STATUS_INVALID);
	assert_int_equal(fixture_commit(f, STORE_ACTION_DELETE, number + 1, ""), STATUS_NOT_FOUND);
	assert_int_equal(fixture_commit(f, STORE_ACTION_RESTORE, number + 1, ""), STATUS_NOT_FOUND);
	assert_int_equal(fixture_commit(f, STORE_ACTION_RESTORE, number, "a"), STATUS_EXISTS);
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	take(f, longest);
	/* A branch point has no name and cannot be restored or deleted again. */
	restore(f, number, f->model);
	assert_int_equal(fixture_commit(f, STORE_ACTION_DELETE, number, ""), STATUS_OK);
	assert_int_equal(find(f, "a"), 0);
	assert_int_equal(fixture_commit(f, STORE_ACTION_DELETE, number, ""), STATUS_NOT_FOUND);
	assert_int_equal(fixture_commit(f, STORE_ACTION_RESTORE, number, ""), STATUS_NOT_FOUND);
	take(f, "a");
	fixture_free(f);
}

/* Deleting proceeds by bounded steps while the live state changes; what is
 * left in the end is exactly what is reachable. */
static void test_long_deletion(void **state)
{
	struct fixture *f = fixture_new(65536, 2000, 512);
	struct store_statistics statistics;
	unsigned steps = 0;
	uint64_t number;
	void *data;

	(void)state;
	for (uint32_t i = 0; i < FIXTURE_PAGES; i++)
		assert_int_equal(fixture_write(f, i, 2 * i + 3), STATUS_OK);
	/* Pages of zeros are looked at as well. */
	for (uint64_t i = 0; i < 12000; i++)
		assert_int_equal(fixture_try(f, true, 2 * f->base + i, &data), STATUS_OK);
	number = take(f, "large");
	for (uint64_t i = 0; i < 12000; i++)
		assert_int_equal(fixture_try(f, true, 2 * f->base + i, &data), STATUS_OK);
	for (uint32_t i = 0; i < FIXTURE_PAGES; i++)
		assert_int_equal(fixture_write(f, i, 2 * i + 5), STATUS_OK);
	fixture_checkpoint(f);
	assert_int_equal(fixture_commit(f, STORE_ACTION_DELETE, number, ""), STATUS_OK);
	do {
		scribble(f, 50);
		fixture_checkpoint(f);
		if (steps++ == 1)
			fixture_remount(f);
		store_statistics_get(f->store, &statistics);
	} while (statistics.dying.n);
	assert_true(steps > 2);
	fixture_compare(f);
	fixture_account(f);
	fixture_free(f);
}

/* Names that live, in the order of their numbers, and which are automatic. */
static const char *listed(struct fixture *f)
{
	static char text[512];
	struct store_snapshot snapshot = {0};
	enum status status;
	size_t length = 0;

	text[0] = 0;
	for (;;) {
		snapshot_t after = snapshot.number;

		while ((status = store_snapshot_next(f->store, after, &snapshot)) == STATUS_WAIT)
			fixture_wait(f);
		if (status != STATUS_OK)
			return text;
		if (!(snapshot.flags & (DISK_SNAPSHOT_DYING | DISK_SNAPSHOT_BRANCH)))
			length += (size_t)snprintf(
				text + length, sizeof(text) - length, " %s%s", snapshot.name,
				snapshot.flags & DISK_SNAPSHOT_AUTOMATIC ? "*" : "");
	}
}

/* What a restore replaces is kept by the system, or by whoever gave it a name. */
static void test_given_names(void **state)
{
	struct fixture *f = fixture_new(16384, 100, 512);
	uint64_t number;

	(void)state;
	number = take(f, "a");
	fixture_checkpoint(f);
	assert_int_equal(fixture_commit(f, STORE_ACTION_RESTORE, number, "mine"), STATUS_OK);
	fixture_remount(f);
	assert_string_equal(listed(f), " a mine");
	assert_int_equal(fixture_commit(f, STORE_ACTION_RESTORE, number, ""), STATUS_OK);
	fixture_remount(f);
	assert_string_equal(listed(f), " a mine before-restore-5*");
	fixture_free(f);
}

static uint64_t origin(struct fixture *f)
{
	struct store_statistics statistics;

	store_statistics_get(f->store, &statistics);
	return statistics.origin.n;
}

/* The first commit of a restore succeeds, the second does not. */
static void restore_fails(struct fixture *f, uint64_t number, const char *name)
{
	struct store_commit_request request = {.action = STORE_ACTION_RESTORE, .number = {number}};
	uint64_t before = origin(f);
	generation_t generation;

	snprintf(request.name, sizeof(request.name), "%s", name);
	while (store_commit(f->store, &request, &generation) == STATUS_WAIT)
		fixture_wait(f);
	while (origin(f) == before) {
		store_step(f->store);
		fixture_poll(&f->device, false);
	}
	f->flushes = 0;
	f->fail_operation = BLOCK_FLUSH;
	f->fail_at = f->fail_count = 1;
	assert_int_equal(store_settle(f->store), STATUS_IO);
	assert_false(store_replaced(f->store));
}

/* Of a restore that is repeated until it succeeds, one snapshot stays: of what was there
 * last.  Those that somebody named are not touched, and one may be deleted meanwhile. */
static void test_repeated(void **state)
{
	static uint32_t first[FIXTURE_PAGES], last[FIXTURE_PAGES];
	struct fixture *f = fixture_new(16384, 300, 512);

	(void)state;
	scribble(f, 30);
	take(f, "a");
	memcpy(first, f->model, sizeof(first));
	for (unsigned i = 0; i < 3; i++) {
		scribble(f, 30);
		restore_fails(f, 1, "");
		scribble(f, 30);
	}
	assert_string_equal(listed(f), " a before-restore-6*");
	assert_int_equal(fixture_commit(f, STORE_ACTION_RENAME, origin(f), "b"), STATUS_OK);
	restore_fails(f, 1, "mine");
	scribble(f, 30);
	restore_fails(f, 1, "");
	assert_string_equal(listed(f), " a b mine before-restore-11*");
	assert_int_equal(fixture_commit(f, STORE_ACTION_DELETE, origin(f), ""), STATUS_OK);
	scribble(f, 30);
	memcpy(last, f->model, sizeof(last));
	restore(f, 1, first);
	fixture_compare(f);
	assert_string_equal(listed(f), " a b mine before-restore-14*");
	reclaim(f);
	fixture_account(f);
	restore(f, find(f, "before-restore-14"), last);
	fixture_compare(f);
	reclaim(f);
	fixture_account(f);
	fixture_free(f);
}

/* What such a restore has kept can itself be gone back to. */
static void test_repeated_back(void **state)
{
	static uint32_t kept[FIXTURE_PAGES];
	struct fixture *f = fixture_new(16384, 300, 512);

	(void)state;
	take(f, "a");
	scribble(f, 30);
	memcpy(kept, f->model, sizeof(kept));
	restore_fails(f, 1, "");
	scribble(f, 30);
	restore_fails(f, origin(f), "");
	restore(f, find(f, "before-restore-2"), kept);
	fixture_compare(f);
	assert_string_equal(listed(f), " a before-restore-2* before-restore-6*");
	reclaim(f);
	fixture_account(f);
	fixture_free(f);
}

/* ---- random histories --------------------------------------------------------- */

struct history {
	struct fixture *f;
	struct kept kept[SNAPSHOTS];
	unsigned count, serial;
};

static void history_take(struct history *h)
{
	char name[32];

	if (h->count == SNAPSHOTS)
		return;
	snprintf(name, sizeof(name), "s%u", h->serial++);
	h->kept[h->count].number = take(h->f, name);
	memcpy(h->kept[h->count].model, h->f->model, sizeof(h->f->model));
	h->count++;
}

static void history_restore(struct history *h)
{
	static uint32_t replaced[FIXTURE_PAGES];
	char name[64];
	unsigned which;

	if (!h->count || h->count == SNAPSHOTS)
		return;
	which = fixture_random(h->f, h->count);
	memcpy(replaced, h->f->model, sizeof(replaced));
	snprintf(name, sizeof(name), "before-restore-%llu",
		 (unsigned long long)store_generation(h->f->store).n);
	restore(h->f, h->kept[which].number, h->kept[which].model);
	h->kept[h->count].number = find(h->f, name);
	assert_int_not_equal(h->kept[h->count].number, 0);
	memcpy(h->kept[h->count].model, replaced, sizeof(replaced));
	h->count++;
}

static void history_delete(struct history *h)
{
	unsigned which;

	if (!h->count)
		return;
	which = fixture_random(h->f, h->count);
	assert_int_equal(fixture_commit(h->f, STORE_ACTION_DELETE, h->kept[which].number, ""),
			 STATUS_OK);
	h->kept[which] = h->kept[--h->count];
}

/* Restores each snapshot in turn and compares. */
static void history_compare(struct history *h)
{
	for (unsigned i = 0; i < h->count; i++) {
		char name[64];

		snprintf(name, sizeof(name), "before-restore-%llu",
			 (unsigned long long)store_generation(h->f->store).n);
		restore(h->f, h->kept[i].number, h->kept[i].model);
		fixture_compare(h->f);
		assert_int_equal(fixture_commit(h->f, STORE_ACTION_DELETE, find(h->f, name), ""),
				 STATUS_OK);
	}
}

static void random_history(uint64_t seed, uint32_t frames, uint32_t write_unit)
{
	struct history *h = calloc(1, sizeof(*h));

	h->f = fixture_new(65536, frames, write_unit);
	h->f->random += seed * 1000003;
	fixture_checkpoint(h->f);
	for (unsigned step = 0; step < 100; step++) {
		unsigned what = fixture_random(h->f, 20);

		if (what < 8)
			scribble(h->f, fixture_random(h->f, 60));
		else if (what < 10)
			fixture_clear(h->f, fixture_random(h->f, FIXTURE_PAGES - 300), 300);
		else if (what < 13)
			history_take(h);
		else if (what < 15)
			history_restore(h);
		else if (what < 18)
			history_delete(h);
		else if (what < 19)
			fixture_remount(h->f);
		else
			reclaim(h->f);
		if (what < 12)
			fixture_checkpoint(h->f);
		if (!fixture_record(h->f)->dying)
			fixture_account(h->f);
	}
	history_compare(h);
	while (h->count)
		history_delete(h);
	reclaim(h->f);
	fixture_compare(h->f);
	assert_int_equal(fixture_record(h->f)->snapshots, 0);
	assert_int_equal(fixture_record(h->f)->catalogue.height, 0);
	fixture_account(h->f);
	fixture_free(h->f);
	free(h);
}

static void test_random_histories(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 6; seed++)
		random_history(seed, seed % 3 ? 500 : 60, seed % 4 ? 512 : 4096);
}

/* Listing shows every entry in order of its number. */
static void test_listing(void **state)
{
	struct fixture *f = fixture_new(16384, 60, 512);
	struct store_snapshot snapshot = {.number = {0}};
	unsigned seen = 0;
	enum status status;

	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		char name[16];

		assert_int_equal(fixture_write(f, i, i + 2), STATUS_OK);
		snprintf(name, sizeof(name), "n%u", i);
		assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, name), STATUS_OK);
	}
	fixture_remount(f);
	for (;;) {
		status = store_snapshot_next(f->store, snapshot.number, &snapshot);
		if (status == STATUS_WAIT)
			fixture_wait(f);
		else if (status != STATUS_OK)
			break;
		else
			assert_int_equal(snapshot.pages, ++seen);
	}
	assert_int_equal(status, STATUS_NOT_FOUND);
	assert_int_equal(seen, 200);
	assert_int_equal(find(f, "n150"), 151);
	assert_int_equal(find(f, "n1500"), 0);
	fixture_account(f);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one),	 cmocka_unit_test(test_given_names),
		cmocka_unit_test(test_repeated), cmocka_unit_test(test_repeated_back),
		cmocka_unit_test(test_refusals), cmocka_unit_test(test_long_deletion),
		cmocka_unit_test(test_listing),	 cmocka_unit_test(test_random_histories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
