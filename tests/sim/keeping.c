/* SPDX-License-Identifier: MIT */
/*
 * keeping.c - renaming, growing, and snapshots that the store takes by itself;
 * see keeping.h.
 */
#include "tests/sim/keeping.h"

#include <stdio.h>
#include <string.h>

/* The first automatic snapshot; false: there is none. */
static bool automatic_find(struct workload *workload, struct store_snapshot *snapshot)
{
	snapshot->number.n = 0;
	for (;;) {
		enum status status =
			engine_snapshot_next(&workload->engine, snapshot->number, snapshot);

		if (status == STATUS_NOT_FOUND || status == STATUS_WAIT ||
		    workload_fault_seen(workload, status))
			return false;
		SIM_CHECK(status == STATUS_OK, "the snapshots cannot be listed: %s",
			  status_text(status));
		if (model_automatic(snapshot->name, snapshot->flags) &&
		    !(snapshot->flags & (DISK_SNAPSHOT_DYING | DISK_SNAPSHOT_BRANCH)))
			return true;
	}
}

/* A snapshot that the model knows, or false. */
static bool owned_find(struct workload *workload, struct store_snapshot *snapshot)
{
	const struct model_state *state = &workload->model.durable;
	uint32_t index;
	enum status status;

	if (!state->snapshots)
		return false;
	index = sim_random_below(&workload->random, state->snapshots);
	status = engine_snapshot_find(&workload->engine, state->snapshot[index].name, snapshot);
	/* WAIT: all memory is dirty. */
	if (status == STATUS_WAIT || workload_fault_seen(workload, status))
		return false;
	SIM_CHECK(status == STATUS_OK, "snapshot \"%s\" is not found: %s",
		  state->snapshot[index].name, status_text(status));
	return true;
}

/* An automatic snapshot that is renamed is one of the owner's from then on. */
void operation_rename(struct workload *workload)
{
	struct store_snapshot automatic, owned;
	char to[DISK_SNAPSHOT_NAME];
	bool adopt = workload->model.durable.snapshots + 2 <= MODEL_SNAPSHOTS &&
		     sim_random_once_in(&workload->random, 2);

	workload_settle(workload);
	if (workload->broken)
		return;
	snprintf(to, sizeof(to), "r%u", workload->names++);
	sim_operation("rename one to %s", to);
	if (adopt && automatic_find(workload, &automatic)) {
		if (workload_commit(workload, STORE_ACTION_RENAME, automatic.number, to))
			model_snapshot_add(
				&workload->model, &workload->model.flight[0], to,
				model_frozen_content(&workload->model, automatic.generation));
	} else if (!workload->broken && owned_find(workload, &owned)) {
		if (workload_commit(workload, STORE_ACTION_RENAME, owned.number, to))
			model_snapshot_rename(&workload->model.flight[0], owned.name, to);
	}
}

void operation_retain(struct workload *workload)
{
	struct sim_random *random = &workload->random;
	struct disk_retention *rule = &workload->engine.retention;

	*rule = (struct disk_retention){.interval_s = sim_random_below(random, 9),
					.minutes = (uint16_t)sim_random_below(random, 4),
					.hours = (uint16_t)sim_random_below(random, 3),
					.days = (uint16_t)sim_random_below(random, 3),
					.budget = (uint16_t)sim_random_below(random, 1001)};
	sim_operation("retention %us %um %uh %ud budget %u", rule->interval_s, rule->minutes,
		      rule->hours, rule->days, rule->budget);
	workload_commit(workload, STORE_ACTION_RETAIN, (snapshot_t){0}, NULL);
}

void operation_grow(struct workload *workload)
{
	uint64_t now, room;

	workload_settle(workload);
	now = workload->model.durable.sectors;
	room = workload->sectors - now;
	if (workload->broken || room < STORE_GROW_MIN)
		return;
	workload->engine.grow_sectors =
		now + STORE_GROW_MIN +
		sim_random_below(&workload->random, (uint32_t)(room - STORE_GROW_MIN) + 1);
	sim_operation("grow to %llu sectors", (unsigned long long)workload->engine.grow_sectors);
	workload_commit(workload, STORE_ACTION_GROW, (snapshot_t){0}, NULL);
}

/* No automatic snapshot, none dying. */
void operation_drain_automatic(struct workload *workload)
{
	struct store_snapshot snapshot;
	struct store_statistics statistics;

	memset(&workload->engine.retention, 0, sizeof(workload->engine.retention));
	workload_commit(workload, STORE_ACTION_RETAIN, (snapshot_t){0}, NULL);
	workload_settle(workload);
	while (!workload->broken && automatic_find(workload, &snapshot)) {
		workload_commit(workload, STORE_ACTION_DELETE, snapshot.number, snapshot.name);
		workload_commit_all(workload);
	}
	for (uint32_t i = 0; !workload->broken && i < 100000; i++) {
		store_statistics_get(workload->engine.store, &statistics);
		if (!statistics.dying.n)
			return;
		workload_commit(workload, STORE_ACTION_NONE, (snapshot_t){0}, NULL);
		workload_settle(workload);
	}
}
