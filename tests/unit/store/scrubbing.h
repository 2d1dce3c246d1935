/* SPDX-License-Identifier: MIT */
/*
 * scrubbing.h - a store with snapshots, scrubs that count what they find, and who sees it.
 */
#ifndef TESTS_UNIT_STORE_SCRUBBING_H
#define TESTS_UNIT_STORE_SCRUBBING_H

#include "tests/unit/store/fixture.h"
#include "store/store_priv.h"

#define SCRUBBED_SECTORS 131072u

struct findings {
	unsigned count;
	struct store_damage last;
};

/* A few extents more, or until the end: NOT_FOUND. */
static inline enum status scrub_some(struct fixture *f, struct store_scrub *scrub, unsigned calls,
				     struct findings *findings)
{
	struct store_damage damage;
	enum status status = STATUS_OK;

	while (calls-- && status != STATUS_NOT_FOUND) {
		status = store_scrub_step(f->store, scrub, &damage);
		if (status == STATUS_WAIT)
			fixture_wait(f);
		if (status != STATUS_IO && status != STATUS_CORRUPT)
			continue;
		assert_int_equal(damage.status, status);
		findings->count++;
		findings->last = damage;
	}
	return status;
}

static inline struct store_scrub scrub_all(struct fixture *f, struct findings *findings)
{
	struct store_scrub scrub;

	memset(findings, 0, sizeof(*findings));
	store_scrub_begin(f->store, &scrub);
	assert_int_equal(scrub_some(f, &scrub, 1000000, findings), STATUS_NOT_FOUND);
	assert_int_equal(scrub.phase, STORE_SCRUB_DONE);
	assert_int_equal(scrub.read_errors + scrub.checksum_errors, findings->count);
	return scrub;
}

static inline uint64_t snapshot_number(struct fixture *f, const char *name)
{
	struct store_snapshot snapshot;
	enum status status;

	while ((status = store_snapshot_find(f->store, name, &snapshot)) == STATUS_WAIT)
		fixture_wait(f);
	assert_int_equal(status, STATUS_OK);
	return snapshot.number.n;
}

static inline void write_some(struct fixture *f, unsigned count)
{
	while (count--)
		assert_int_equal(fixture_write(f, fixture_random(f, FIXTURE_PAGES),
					       fixture_random(f, 1000) + 1),
				 STATUS_OK);
}

static inline void snapshot(struct fixture *f, const char *name)
{
	assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, name), STATUS_OK);
}

static inline void restore(struct fixture *f, const char *name)
{
	assert_int_equal(fixture_commit(f, STORE_ACTION_RESTORE, snapshot_number(f, name), ""),
			 STATUS_OK);
	assert_int_equal(fixture_mount(f), STATUS_OK);
}

static inline void delete_snapshot(struct fixture *f, const char *name)
{
	assert_int_equal(fixture_commit(f, STORE_ACTION_DELETE, snapshot_number(f, name), ""),
			 STATUS_OK);
}

/* Snapshots in a tree: a branch, a branch point, one deleted in the middle. */
static inline struct fixture *with_snapshots(bool deltas)
{
	struct fixture *f = fixture_make(SCRUBBED_SECTORS, 400, 512, deltas);

	write_some(f, 300);
	snapshot(f, "a");
	write_some(f, 100);
	snapshot(f, "b");
	write_some(f, 100);
	snapshot(f, "c");
	fixture_clear(f, 100, 200);
	write_some(f, 20);
	restore(f, "b");
	write_some(f, 100);
	snapshot(f, "d");
	write_some(f, 50);
	delete_snapshot(f, "b");
	fixture_checkpoint(f);
	write_some(f, 50);
	fixture_checkpoint(f);
	fixture_checkpoint(f);
	return f;
}

static inline uint64_t viewers(struct fixture *f, const struct store_damage *damage)
{
	struct store_snapshot found = {.number = {0}};
	uint64_t seen = 0;
	enum status status;
	bool sees;

	while ((status = store_damage_live(f->store, damage, &sees)) == STATUS_WAIT)
		fixture_wait(f);
	assert_int_equal(status, STATUS_OK);
	seen |= sees;
	for (;;) {
		snapshot_t after = found.number;

		status = store_damage_next(f->store, damage, after, &found, &sees);
		if (status == STATUS_WAIT) {
			found.number = after;
			fixture_wait(f);
			continue;
		}
		if (status != STATUS_OK)
			break;
		seen |= (uint64_t)sees << found.number.n;
	}
	assert_int_equal(status, STATUS_NOT_FOUND);
	return seen;
}

#endif
