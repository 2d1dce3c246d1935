/* SPDX-License-Identifier: MIT */
/*
 * test_catalogue.c - snapshots whose entries cannot be read, and those beside them.
 */
#include "tests/unit/store/damage.h"

#define SECOND UINT64_C(1000000000)

/* ---- asking ------------------------------------------------------------------------ */

/* OK: *found is the one; 0 in it: none. */
static enum status find(struct fixture *f, const char *name, uint64_t *found)
{
	struct store_snapshot snapshot;
	enum status status;

	while ((status = store_snapshot_find(f->store, name, &snapshot)) == STATUS_WAIT)
		fixture_wait(f);
	*found = status == STATUS_OK ? snapshot.number.n : 0;
	return status;
}

static enum status before(struct fixture *f, uint64_t generation, uint64_t *found)
{
	struct store_snapshot snapshot;
	enum status status;

	while ((status = store_snapshot_before(f->store, (generation_t){generation}, UINT64_MAX,
					       &snapshot)) == STATUS_WAIT)
		fixture_wait(f);
	*found = status == STATUS_OK ? snapshot.number.n : 0;
	return status;
}

/* Lists all: how many are shown, how many numbers are said to be unreadable. */
static unsigned list(struct fixture *f, unsigned *unreadable)
{
	struct store_snapshot snapshot = {.number = {0}};
	unsigned shown = 0;

	*unreadable = 0;
	for (;;) {
		snapshot_t after = snapshot.number;
		enum status status = store_snapshot_next(f->store, after, &snapshot);

		if (status == STATUS_WAIT) {
			fixture_wait(f);
			snapshot.number = after;
			continue;
		}
		if (status == STATUS_NOT_FOUND)
			return shown;
		assert_true(snapshot.number.n > after.n);
		assert_true(snapshot.number.n < f->store->record.next_snapshot);
		if (status != STATUS_OK) {
			assert_true(status_is_damage(status));
			assert_int_equal(snapshot.generation.n, 0);
			assert_int_equal(snapshot.flags,
					 STORE_SNAPSHOT_UNREADABLE |
						 (status == STATUS_IO ? STORE_SNAPSHOT_FAILED : 0));
			*unreadable += (unsigned)(snapshot.number.n - after.n);
			continue;
		}
		shown++;
	}
}

static enum status commit(struct fixture *f, enum store_action action, uint64_t number,
			  const char *name)
{
	enum status status = fixture_commit(f, action, number, name);

	/* A restore ends the engine's life. */
	if (status == STATUS_OK && action == STORE_ACTION_RESTORE)
		assert_int_equal(fixture_mount(f), STATUS_OK);
	return status;
}

/* ---- damage --------------------------------------------------------------------------- */

static void damage_live(struct fixture *f, unsigned level, uint64_t key)
{
	damage_catalogue(f, level, key, FAULT_CORRUPT);
}

static void damage(struct fixture *f, unsigned level, uint64_t key)
{
	damage_live(f, level, key);
	fixture_remount(f);
}

/* ---- tests ------------------------------------------------------------------------------ */

/* Whichever it is: the others are listed, found, restored, renamed and deleted. */
static void test_entry(void **state)
{
	(void)state;
	for (uint64_t bad = 1; bad <= 3; bad++) {
		struct fixture *f = with_line(3);
		uint64_t other = bad == 1 ? 2 : 1, found, generation = f->store->generation;
		char name[] = {'s', (char)('0' + other), 0},
		     bad_name[] = {'s', (char)('0' + bad), 0};
		unsigned unreadable;

		damage(f, 0, bad);
		assert_int_equal(list(f, &unreadable), 2);
		assert_int_equal(unreadable, 1);
		assert_int_equal(find(f, name, &found), STATUS_OK);
		assert_int_equal(found, other);
		assert_int_equal(find(f, "nobody", &found), STATUS_CORRUPT);
		assert_int_equal(find(f, bad_name, &found), STATUS_CORRUPT);
		assert_int_equal(before(f, generation, &found), STATUS_OK);
		assert_int_equal(found, bad == 3 ? 2 : 3);
		assert_int_equal(before(f, 1, &found), bad == 1 ? STATUS_CORRUPT : STATUS_OK);

		assert_int_equal(commit(f, STORE_ACTION_SNAPSHOT, 0, name), STATUS_EXISTS);
		assert_int_equal(commit(f, STORE_ACTION_RENAME, other, "renamed"), STATUS_OK);
		assert_int_equal(commit(f, STORE_ACTION_SNAPSHOT, 0, "new"), STATUS_OK);
		assert_int_equal(commit(f, STORE_ACTION_RESTORE, other, ""), STATUS_OK);
		for (unsigned i = 0; i < FIXTURE_PAGES; i++)
			f->model[i] = i && i <= other ? 2 * i + 3 : 0;
		f->model[0] = (uint32_t)(2 * other + 3);
		fixture_compare(f);
		assert_int_equal(find(f, "renamed", &found), STATUS_OK);
		assert_int_equal(list(f, &unreadable), 4);
		assert_int_equal(unreadable, 1);

		assert_int_equal(commit(f, STORE_ACTION_RESTORE, bad, ""), STATUS_CORRUPT);
		assert_int_equal(commit(f, STORE_ACTION_DELETE, bad, ""), STATUS_CORRUPT);
		/* Whose parent it is: a deletion that could not be ended is not begun. */
		if (bad < 3)
			assert_int_equal(commit(f, STORE_ACTION_DELETE, bad + 1, ""),
					 STATUS_CORRUPT);
		assert_int_equal(fixture_record(f)->dying, 0);
		assert_int_equal(commit(f, STORE_ACTION_RENAME, bad, "x"), STATUS_CORRUPT);
		fixture_free(f);
	}
}

static void delete_finish(struct fixture *f)
{
	for (unsigned i = 0; i < 20 && fixture_record(f)->dying; i++)
		fixture_checkpoint(f);
}

/*
 *     1 --- 2 --- 3 --- 7 --- live
 *            \
 *             4 --- 5 --- 6
 */
static struct fixture *with_branches(void)
{
	struct fixture *f = with_line(2);

	assert_int_equal(commit(f, STORE_ACTION_RESTORE, 2, "s3"), STATUS_OK);
	assert_int_equal(commit(f, STORE_ACTION_SNAPSHOT, 0, "s4"), STATUS_OK);
	assert_int_equal(commit(f, STORE_ACTION_SNAPSHOT, 0, "s5"), STATUS_OK);
	assert_int_equal(commit(f, STORE_ACTION_RESTORE, 3, "s6"), STATUS_OK);
	assert_int_equal(commit(f, STORE_ACTION_SNAPSHOT, 0, "s7"), STATUS_OK);
	fixture_checkpoint(f);
	fixture_checkpoint(f);
	assert_int_equal(fixture_record(f)->snapshots, 7);
	return f;
}

/* A deletion looks for who descends from it, and for who is next, past the damage. */
static void test_deletion(void **state)
{
	struct fixture *f = with_branches();

	(void)state;
	damage(f, 0, 5);
	damage(f, 0, 1);
	assert_int_equal(commit(f, STORE_ACTION_DELETE, 3, ""), STATUS_OK);
	assert_int_equal(commit(f, STORE_ACTION_DELETE, 7, ""), STATUS_OK);
	assert_int_equal(fixture_record(f)->dying, 3);
	fixture_checkpoint(f);
	assert_int_equal(fixture_record(f)->dying, 7);
	delete_finish(f);
	assert_int_equal(fixture_record(f)->dying, 0);
	assert_int_equal(fixture_record(f)->snapshots, 5);
	fixture_free(f);

	/* The one that descends from it cannot be read: then nothing is given back. */
	f = with_branches();
	damage(f, 0, 7);
	assert_int_equal(commit(f, STORE_ACTION_DELETE, 3, ""), STATUS_OK);
	delete_finish(f);
	assert_int_equal(fixture_record(f)->dying, 3);
	fixture_free(f);
}

/* A node of the catalogue: all below it, but nothing else. */
static void test_node(void **state)
{
	struct fixture *f = with_line(200);
	uint64_t found;
	unsigned unreadable;

	(void)state;
	assert_int_equal(f->store->record.catalogue.height, 2);
	damage(f, 1, 0);
	assert_int_equal(list(f, &unreadable), 200 - 127);
	assert_int_equal(unreadable, 127);
	assert_int_equal(find(f, "s150", &found), STATUS_OK);
	assert_int_equal(found, 150);
	assert_int_equal(find(f, "s100", &found), STATUS_CORRUPT);
	assert_int_equal(before(f, 151, &found), STATUS_OK);
	assert_int_equal(found, 151);
	assert_int_equal(before(f, 100, &found), STATUS_CORRUPT);
	assert_int_equal(commit(f, STORE_ACTION_RESTORE, 150, ""), STATUS_OK);
	assert_int_equal(find(f, "s200", &found), STATUS_OK);
	fixture_free(f);

	/* Backwards past numbers that there are no more, into another node. */
	f = with_line(200);
	for (uint64_t number = 128; number < 140; number++) {
		assert_int_equal(commit(f, STORE_ACTION_DELETE, number, ""), STATUS_OK);
		delete_finish(f);
	}
	assert_int_equal(commit(f, STORE_ACTION_DELETE, 150, ""), STATUS_OK);
	delete_finish(f);
	assert_int_equal(before(f, 150, &found), STATUS_OK);
	assert_int_equal(found, 149);
	assert_int_equal(before(f, 135, &found), STATUS_OK);
	assert_int_equal(found, 127);
	fixture_checkpoint(f);
	fixture_checkpoint(f);
	damage(f, 1, 1);
	assert_int_equal(list(f, &unreadable), 127);
	assert_int_equal(unreadable, 200 - 127);
	assert_int_equal(find(f, "s100", &found), STATUS_OK);
	assert_int_equal(before(f, 180, &found), STATUS_OK);
	assert_int_equal(found, 127);
	fixture_free(f);
}

/* The same where the index takes no more names. */
static void test_overflow(void **state)
{
	struct fixture *f = with_line(5);
	uint64_t found;

	(void)state;
	damage(f, 0, 2);
	assert_int_equal(find(f, "s5", &found), STATUS_OK);
	f->store->index.overflow = true;
	assert_int_equal(find(f, "s4", &found), STATUS_OK);
	assert_int_equal(found, 4);
	assert_int_equal(find(f, "s2", &found), STATUS_CORRUPT);
	assert_int_equal(commit(f, STORE_ACTION_SNAPSHOT, 0, "s5"), STATUS_EXISTS);
	assert_int_equal(commit(f, STORE_ACTION_SNAPSHOT, 0, "more"), STATUS_OK);
	fixture_free(f);
}

/* A read that fails once only: no name is given twice.  One that fails for ever
 * keeps nobody from a snapshot. */
static void test_read_errors(void **state)
{
	(void)state;
	for (uint64_t at = 0; at < 12; at++) {
		for (uint64_t count = 1; count <= 2; count++) {
			struct fixture *f = with_line(4);
			enum status status;

			fixture_remount(f);
			f->fail_operation = BLOCK_READ;
			f->fail_at = f->reads + at;
			f->fail_count = count;
			status = commit(f, STORE_ACTION_SNAPSHOT, 0, "s3");
			assert_true(status == STATUS_EXISTS);
			f->fail_count = 0;
			fixture_free(f);
		}
	}
}

/* One that waits to be deleted is not forgotten, whichever read fails until the
 * next mount. */
static void test_next_unreadable(void **state)
{
	unsigned rested = 0;

	(void)state;
	for (uint64_t at = 1; at < 30; at++) {
		struct fixture *f = with_branches();

		assert_int_equal(commit(f, STORE_ACTION_DELETE, 3, ""), STATUS_OK);
		assert_int_equal(commit(f, STORE_ACTION_DELETE, 1, ""), STATUS_OK);
		fixture_remount(f);
		assert_int_equal(f->store->record.dying, 3);
		f->fail_operation = BLOCK_READ;
		f->fail_at = f->reads + at;
		f->fail_count = LIMIT_COMMIT_READS;
		for (unsigned i = 0; i < 3; i++)
			(void)commit(f, STORE_ACTION_NONE, 0, "");
		rested += f->store->reclaim.broken;
		f->fail_count = 0;
		fixture_remount(f);
		delete_finish(f);
		assert_int_equal(fixture_record(f)->dying, 0);
		assert_int_equal(fixture_record(f)->snapshots, 5);
		fixture_free(f);
	}
	assert_true(rested > 0);
}

/* The snapshot that dies is the one that the live state descends from, and its entry or
 * its parent's is damaged: what is replaced may stay in use, commits go on, and who finds
 * no space hears that, as nothing will come back. */
static void test_origin_dies(void **state)
{
	(void)state;
	for (uint64_t bad = 2; bad <= 3; bad++) {
		struct fixture *f = with_line(3);
		enum status status = STATUS_OK;
		uint64_t used;
		void *data;

		assert_int_equal(commit(f, STORE_ACTION_DELETE, 3, ""), STATUS_OK);
		damage_live(f, 0, bad);
		assert_int_equal(fixture_write(f, 1, 99), STATUS_OK);
		fixture_checkpoint(f);
		assert_true(f->store->reclaim.broken);
		used = f->store->record.used_sectors;
		for (unsigned i = 0; i < 5; i++) {
			assert_int_equal(fixture_write(f, 1, 101 + 2 * i), STATUS_OK);
			fixture_checkpoint(f);
		}
		/* Of its own entry alone depends what was born since. */
		assert_int_equal(f->store->record.used_sectors >= used + 5 * BLOCK_SECTORS,
				 bad == 3);
		assert_int_equal(f->store->record.dying, 3);
		for (uint32_t i = 0; i < 10000 && status == STATUS_OK; i++) {
			status = fixture_try(f, true, f->base + FIXTURE_PAGES + i, &data);
			if (status == STATUS_OK)
				fixture_fill(data, 2 * i + 5001);
		}
		assert_int_equal(status, STATUS_NO_SPACE);
		fixture_checkpoint(f);
		fixture_compare(f);
		fixture_remount(f);
		fixture_compare(f);
		fixture_free(f);
	}
}

/* What a restore that failed has kept, and the next would let go, is the live state's
 * origin.  That nothing can be read of it refuses nothing, and the commit ends. */
static void test_leftover(void **state)
{
	(void)state;
	for (enum fault fault = FAULT_CORRUPT; fault <= FAULT_READ; fault++) {
		struct fixture *f = with_line(3);
		unsigned unreadable;

		f->store->leftover = f->store->record.origin;
		assert_int_equal(f->store->leftover, 3);
		assert_int_equal(fixture_write(f, 9, 77), STATUS_OK);
		damage_catalogue(f, 0, 3, fault);
		assert_int_equal(commit(f, STORE_ACTION_RESTORE, 1, ""), STATUS_OK);
		assert_int_equal(list(f, &unreadable), 3);
		assert_int_equal(unreadable, 1);
		fixture_free(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entry),	    cmocka_unit_test(test_deletion),
		cmocka_unit_test(test_node),	    cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_read_errors), cmocka_unit_test(test_next_unreadable),
		cmocka_unit_test(test_origin_dies), cmocka_unit_test(test_leftover),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
