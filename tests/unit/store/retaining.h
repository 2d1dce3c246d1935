/* SPDX-License-Identifier: MIT */
/*
 * retaining.h - for tests of automatic snapshots: a rule, commits at a time, how many live.
 */
#ifndef TESTS_UNIT_STORE_RETAINING_H
#define TESTS_UNIT_STORE_RETAINING_H

#include "tests/unit/store/fixture.h"

#define SECOND UINT64_C(1000000000)

static inline void scribble(struct fixture *f, unsigned changes)
{
	while (changes--)
		assert_int_equal(fixture_write(f, fixture_random(f, FIXTURE_PAGES),
					       1 + fixture_random(f, 100000)),
				 STATUS_OK);
}

static inline enum status retain(struct fixture *f, const struct disk_retention *rule)
{
	struct store_commit_request request = {.action = STORE_ACTION_RETAIN, .retention = *rule};

	return fixture_request(f, &request);
}

static inline void checkpoint_at(struct fixture *f, uint64_t wall_ns)
{
	struct store_commit_request request = {.action = STORE_ACTION_NONE, .wall_ns = wall_ns};

	assert_int_equal(fixture_request(f, &request), STATUS_OK);
}

/* Automatic snapshots that live; *oldest: wall time of the oldest. */
static inline unsigned automatics(struct fixture *f, uint64_t *oldest)
{
	struct store_snapshot snapshot = {.number = {0}};
	enum status status;
	unsigned count = 0;

	for (;;) {
		snapshot_t after = snapshot.number;

		status = store_snapshot_next(f->store, after, &snapshot);
		if (status == STATUS_WAIT) {
			fixture_wait(f);
			snapshot.number = after;
			continue;
		}
		if (status != STATUS_OK)
			break;
		if (!(snapshot.flags & DISK_SNAPSHOT_AUTOMATIC) ||
		    snapshot.flags & (DISK_SNAPSHOT_DYING | DISK_SNAPSHOT_BRANCH))
			continue;
		if (count++ == 0)
			*oldest = snapshot.wall_ns;
	}
	assert_int_equal(status, STATUS_NOT_FOUND);
	return count;
}

#endif
