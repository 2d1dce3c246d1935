/* SPDX-License-Identifier: MIT */
/*
 * scrubbing.c - scrubs beside everything else; see scrubbing.h.
 *
 * The owner keeps where its scrub has got to over commits, restores, power cuts and
 * restarts.  A scrub that nothing comes between reads exactly the sectors which the
 * verifier has reached.
 */
#include "tests/sim/scrubbing.h"
#include "tests/sim/operations.h"

#define PIECES_MAX 1000000u /* more than any scrub of a small store needs */

/* ---- a whole one ------------------------------------------------------- */

static void damage_note(struct scrub_findings *findings, const struct store_damage *damage)
{
	uint64_t first = disk_reference_sector(&damage->reference).n;
	uint64_t last = first + damage->reference.sectors - 1;

	if (findings->damages++ == 0) {
		findings->first = *damage;
		findings->lowest = first;
		findings->highest = last;
	}
	if (first < findings->lowest)
		findings->lowest = first;
	if (last > findings->highest)
		findings->highest = last;
}

bool engine_scrub(struct engine *engine, struct scrub_findings *findings)
{
	struct store_damage damage;
	enum status status;

	*findings = (struct scrub_findings){.damages = 0};
	store_scrub_begin(engine->store, &findings->scrub);
	for (uint32_t pieces = 0;; pieces++) {
		SIM_CHECK(pieces < PIECES_MAX, "a scrub does not end");
		store_operation_begin(engine->store);
		status = store_scrub_step(engine->store, &findings->scrub, &damage);
		if (status == STATUS_NOT_FOUND)
			break;
		if (status == STATUS_WAIT) {
			if (!engine_drive(engine))
				return false;
		} else if (status == STATUS_IO || status == STATUS_CORRUPT) {
			SIM_CHECK(damage.status == status, "a scrub says %s, and its damage %s",
				  status_text(status), status_text(damage.status));
			damage_note(findings, &damage);
		} else {
			SIM_CHECK(status == STATUS_OK, "a scrub ends early: %s",
				  status_text(status));
		}
	}
	SIM_CHECK(findings->scrub.phase == STORE_SCRUB_DONE &&
			  findings->scrub.read_errors + findings->scrub.checksum_errors ==
				  findings->damages,
		  "a scrub has found %u damages and counts others", findings->damages);
	sim_totals.scrubs++;
	return true;
}

/* It reads what is reachable, each extent once: but not what a delta replaces,
 * and of a deletion that is under way only what is left. */
static void scrub_exactly(struct workload *workload)
{
	struct scrub_findings scrub;
	struct oracle_findings findings;
	const struct disk_record *record;
	uint64_t used;
	enum status status;
	struct verify *verify;

	workload_settle(workload);
	if (workload->broken || !engine_scrub(&workload->engine, &scrub))
		return;
	SIM_CHECK(workload->faults || !scrub.damages,
		  "a scrub finds damage where there is none: tree %u, level %u, key 0x%llx, "
		  "snapshot %llu: %s",
		  scrub.first.tree, scrub.first.level, (unsigned long long)scrub.first.key,
		  (unsigned long long)scrub.first.snapshot.n, status_text(scrub.first.status));
	if (workload->faults)
		return;
	verify = oracle_verify(&workload->flat, false, &findings, &status);
	record = verify_record(verify);
	used = verify_totals_get(verify)->used_sectors;
	SIM_CHECK(record->entries || record->dying || scrub.scrub.sectors == used,
		  "a scrub has read %llu sectors, reachable are %llu",
		  (unsigned long long)scrub.scrub.sectors, (unsigned long long)used);
	verify_close(verify);
}

/* ---- in pieces --------------------------------------------------------- */

static void scrub_end(struct workload *workload)
{
	SIM_CHECK(workload->scrub.phase == STORE_SCRUB_DONE, "a scrub ends in phase %u",
		  workload->scrub.phase);
	workload->scrubbing = false;
	sim_totals.scrubs++;
}

/* True when the pieces go on. */
static bool scrub_piece(struct workload *workload)
{
	struct store_damage damage = {.status = STATUS_OK};
	enum status status;

	store_operation_begin(workload->engine.store);
	status = store_scrub_step(workload->engine.store, &workload->scrub, &damage);
	switch (status) {
	case STATUS_OK:
		return true;
	case STATUS_WAIT:
		return false;
	case STATUS_NOT_FOUND:
		scrub_end(workload);
		return false;
	default:
		SIM_CHECK((status == STATUS_IO || status == STATUS_CORRUPT) && workload->faults,
			  "a scrub finds damage where there is none: %s: tree %u, level %u, key "
			  "0x%llx, sector %llu, snapshot %llu",
			  status_text(status), damage.tree, damage.level,
			  (unsigned long long)damage.key,
			  (unsigned long long)disk_reference_sector(&damage.reference).n,
			  (unsigned long long)damage.snapshot.n);
		return true;
	}
}

void workload_scrub(struct workload *workload, uint32_t pieces)
{
	while (pieces-- && workload->scrubbing && !workload->broken &&
	       !store_replaced(workload->engine.store))
		if (!scrub_piece(workload))
			return;
}

void operation_scrub(struct workload *workload)
{
	uint32_t dice = sim_random_below(&workload->random, 8);

	sim_operation("scrub: %s", workload->scrubbing && dice != 1 ? "goes on" : "begins");
	if (dice == 0) {
		scrub_exactly(workload);
		return;
	}
	if (!workload->scrubbing || dice == 1)
		store_scrub_begin(workload->engine.store, &workload->scrub);
	workload->scrubbing = true;
	workload_scrub(workload, sim_random_below(&workload->random, 6));
}
