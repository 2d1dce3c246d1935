/* SPDX-License-Identifier: MIT */
/*
 * damage.c - disks that change what they hold, or say that they have written
 * what they have not.
 *
 *   flip  one changed bit
 *   lies  a write that was lost, went elsewhere, or gave way to what was before:
 *         told of any write when all is over, and at every write index of a run
 *
 * Every page is then right or cannot be read, and a page that the engine cannot
 * read the verifier cannot read either; never is anything wrong.  A changed bit
 * does not keep a store from being mounted and costs at most the newest
 * generation; a disk that lies may cost more, and what is mounted then is a
 * generation that was.
 */
#include "tests/sim/scrubbing.h"

#include <stdlib.h>
#include <string.h>

#define FLIPS_PER_CASE 400u
#define LIES_PER_CASE  300u
/* Variants of lies at write indices come after those told when all is over. */
#define LIES_LIVE 1000u
#define NOWHERE	  UINT64_MAX

/* ---- the judgement ---------------------------------------------------- */

struct judgement {
	struct workload *workload;
	struct oracle_level *level;
	struct verify *verify; /* of the damaged image */
	bool sound;	       /* nothing is wrong, says the verifier */
};

/* A page that cannot be read is damaged indeed. */
static void unreadable_check(const struct judgement *judgement, page_t page, enum status status)
{
	uint8_t data[PAGE_SIZE];

	SIM_CHECK(!judgement->sound, "page 0x%llx cannot be read (%s) and nothing is wrong",
		  (unsigned long long)page.n, status_text(status));
	if (judgement->verify) {
		enum status other = verify_page_read(judgement->verify, page, data);

		SIM_CHECK(other == STATUS_CORRUPT || other == STATUS_IO,
			  "page 0x%llx cannot be read (%s), but the verifier reads it: %s",
			  (unsigned long long)page.n, status_text(status), status_text(other));
	}
}

/* Each page is right or cannot be read; a page that is absent was never there. */
static void judge_pages(const struct judgement *judgement, const uint32_t *content)
{
	struct model *model = &judgement->workload->model;

	for (uint32_t i = 0; i < model->pages; i++) {
		page_t page = {model->page[i]};
		void *data = NULL;
		enum status status = engine_page_read(&judgement->level->engine, page, &data);

		if (status == STATUS_CORRUPT || status == STATUS_IO) {
			unreadable_check(judgement, page, status);
			continue;
		}
		if (content[i] == CONTENT_ABSENT) {
			SIM_CHECK(status == STATUS_ABSENT, "page 0x%llx should be absent: %s",
				  (unsigned long long)page.n, status_text(status));
			continue;
		}
		SIM_CHECK(status == STATUS_OK, "page 0x%llx cannot be read: %s",
			  (unsigned long long)page.n, status_text(status));
		SIM_CHECK(model_content_matches(model, content[i], data),
			  "page 0x%llx has a wrong content", (unsigned long long)page.n);
	}
}

/* Work goes on as far as the damage allows; what is readable stays right. */
static void judge_work(struct judgement *judgement, const struct model_state *state)
{
	struct workload *workload = judgement->workload;
	struct engine *engine = &judgement->level->engine;
	struct model *model = &workload->model;
	struct model_state *after = &judgement->level->after;
	generation_t generation;

	model_state_copy(after, state);
	for (uint32_t i = 0; i < 3; i++) {
		uint32_t index = sim_random_below(&workload->random, model->pages);

		if (engine_pages_clear(engine, (page_t){model->page[index]}, 1) == STATUS_OK)
			after->content[index] = CONTENT_ABSENT;
	}
	for (uint32_t i = 0; i < 3; i++) {
		uint32_t index = sim_random_below(&workload->random, model->pages);
		void *data;

		if (engine_page_write(engine, (page_t){model->page[index]}, &data) != STATUS_OK)
			continue;
		after->content[index] = model_content_new(model, &workload->random);
		model_content_fill(model, after->content[index], data);
	}
	if (engine_commit_start(engine, STORE_ACTION_NONE, (snapshot_t){0}, NULL,
				workload->clock + 1, &generation) == STATUS_OK)
		(void)engine_settle(engine);
	/* The verifier knows the image as it was before. */
	judgement->verify = NULL;
	judge_pages(judgement, after->content);
}

/* Does a page that the delta has newer lie there?  Nobody reads it any more. */
static bool replaced_by_delta(struct verify *verify, uint64_t sector)
{
	struct verify_space space;
	struct disk_reference reference;
	const struct disk_delta *delta;
	uint32_t entries;

	if (verify_space_live(verify, &space) != STATUS_OK)
		return false;
	delta = space.delta;
	entries = space.entries;
	space.entries = 0;
	for (uint32_t i = 0; i < entries; i++) {
		uint64_t first;

		if (verify_find(verify, DISK_TREE_SPACE, &space, 0, delta[i].page, &reference) !=
		    STATUS_OK)
			continue;
		first = disk_reference_sector(&reference).n;
		if (first <= sector && sector < first + reference.sectors)
			return true;
	}
	return false;
}

/* A scrub finds damage only where some is; one changed bit, in this sector, once and only
 * that, if an extent lies there.  Superblocks the mount may have repaired already, and
 * of the ring little is read. */
static void judge_scrub(const struct judgement *judgement, uint64_t flipped)
{
	struct scrub_findings found;
	bool must;

	SIM_CHECK(engine_scrub(&judgement->level->engine, &found), "a scrub waits for ever");
	SIM_CHECK(!found.damages || !judgement->sound, "a scrub finds damage and nothing is wrong");
	if (flipped == NOWHERE)
		return;
	SIM_CHECK(!found.damages || (found.lowest <= flipped && flipped <= found.highest),
		  "a scrub finds damage in sectors %llu to %llu; a bit has changed in %llu",
		  (unsigned long long)found.lowest, (unsigned long long)found.highest,
		  (unsigned long long)flipped);
	must = flipped >= DISK_DATA_SECTOR &&
	       verify_sector_chosen(judgement->verify, (sector_t){flipped});
	SIM_CHECK(found.damages == must || flipped < DISK_DATA_SECTOR ||
			  (!found.damages && replaced_by_delta(judgement->verify, flipped)),
		  "a scrub finds %u damages, where one bit has changed in %s sector", found.damages,
		  must ? "a reachable" : "an unused");
}

/* Can the store be mounted?  Then what is in it is judged. */
static bool judge(struct workload *workload, struct oracle_level *level, bool must_notice,
		  uint64_t flipped, uint32_t generations)
{
	struct oracle_findings findings;
	enum status status;
	struct verify *verify = oracle_verify(&level->image, true, &findings, &status);
	generation_t chosen = verify_totals_get(verify)->generation;
	struct judgement judgement = {workload, level, verify,
				      !findings.errors && !findings.warnings};
	const struct model_state *state = model_state_known(&workload->model, chosen);

	SIM_CHECK(!must_notice || !judgement.sound, "the verifier does not notice the damage");
	disk_attach(&level->disk, &level->image, workload->write_unit);
	level->disk.immediate = true;
	if (engine_mount(&level->engine, &level->disk) != STATUS_OK) {
		SIM_CHECK(!judgement.sound, "mount fails and nothing is wrong: %s",
			  level->engine.recovery.explanation);
		verify_close(verify);
		return false;
	}
	SIM_CHECK(level->engine.recovery.generation.n == chosen.n,
		  "the engine recovers generation %llu, the verifier %llu",
		  (unsigned long long)level->engine.recovery.generation.n,
		  (unsigned long long)chosen.n);
	SIM_CHECK(state && (state >= &workload->model.durable ||
			    state < &workload->model.past[generations]),
		  "generation %llu is mounted, acknowledged is %llu", (unsigned long long)chosen.n,
		  (unsigned long long)workload->model.durable.generation.n);
	judge_pages(&judgement, state->content);
	judge_scrub(&judgement, flipped);
	if (sim_random_once_in(&workload->random, 4))
		judge_work(&judgement, state);
	engine_off(&level->engine);
	verify_close(verify);
	return true;
}

/* A variant of a case draws its own random numbers, so that it can be repeated
 * alone. */
static bool variant_begin(struct workload *workload, uint64_t variant)
{
	workload->random.state = workload->seed ^ (variant + 1) * UINT64_C(0xd1342543de82ef95);
	return sim_variant(variant);
}

/* ---- bit flips -------------------------------------------------------- */

/* A sector in which a changed bit must be noticed, mostly. */
static uint64_t flip_sector(struct workload *workload, struct verify *verify)
{
	struct sim_random *random = &workload->random;
	uint32_t dice = sim_random_below(random, 100);

	if (dice < 10)
		return sim_random_below(random, DISK_RING_SECTOR);
	if (dice < 25)
		return DISK_RING_SECTOR +
		       (uint64_t)sim_random_below(random, DISK_RING_SLOTS) * DISK_SLOT_SECTORS +
		       (sim_random_once_in(random, 2) ? sim_random_below(random, 3) : 0);
	for (uint32_t tries = 0; dice < 95 && tries < 1000; tries++) {
		uint64_t sector =
			DISK_DATA_SECTOR +
			sim_random_below(random, (uint32_t)(workload->sectors - DISK_DATA_SECTOR));

		if (verify_sector_used(verify, (sector_t){sector}))
			return sector;
	}
	return sim_random_below(random, (uint32_t)workload->sectors);
}

/* A slot's sectors behind its record count only where none was ever longer. */
static bool slot_sector_matters(const struct workload *workload, uint64_t sector)
{
	uint64_t in_slot = (sector - DISK_RING_SECTOR) % DISK_SLOT_SECTORS;
	union {
		struct disk_record record;
		struct disk_superblock superblock;
	} read;

	image_read(&workload->flat, sector - in_slot, 1, &read);
	if (in_slot == 0 || (read.record.magic == DISK_MAGIC_RECORD &&
			     in_slot < (read.record.length + SECTOR_SIZE - 1) / SECTOR_SIZE))
		return true;
	image_read(&workload->flat, DISK_SUPERBLOCK_SECTOR, BLOCK_SECTORS, &read);
	return !(read.superblock.features_incompatible & DISK_FEATURE_DELTA) &&
	       in_slot >= workload->write_unit / SECTOR_SIZE;
}

/* Must the verifier notice a changed bit in this sector?  Not in free sectors,
 * nor behind a record, where older ones and power cuts leave what they like. */
static bool flip_matters(const struct workload *workload, const struct verify *verify,
			 uint64_t sector)
{
	if (sector < DISK_RING_SECTOR)
		return true;
	if (sector < DISK_DATA_SECTOR)
		return slot_sector_matters(workload, sector);
	return verify_sector_used(verify, (sector_t){sector});
}

void case_flip(uint64_t seed)
{
	struct workload *workload = workload_new(seed, WORKLOAD_RANDOM);
	struct oracle_level *level = &workload->oracle.level[0];
	struct oracle_findings findings;
	struct verify *verify;
	enum status status;

	workload->crash_samples = 0;
	workload_begin(workload);
	workload_run(workload, 40);
	workload_commit_all(workload);
	verify = oracle_verify(&workload->flat, true, &findings, &status);
	SIM_CHECK(findings.errors == 0, "the verifier says: %s", findings.first);
	for (uint32_t i = 0; i < FLIPS_PER_CASE; i++) {
		uint64_t sector;
		uint32_t bit;

		if (!variant_begin(workload, i))
			continue;
		sector = flip_sector(workload, verify);
		bit = sim_random_below(&workload->random, SECTOR_SIZE * 8);
		image_reset(&level->image, &workload->flat);
		image_flip(&level->image, sector, bit);
		sim_trace(" flip sector %llu bit %u", (unsigned long long)sector, bit);
		SIM_CHECK(judge(workload, level, flip_matters(workload, verify, sector), sector, 1),
			  "one changed bit keeps the store from being mounted: %s",
			  level->engine.recovery.explanation);
		sim_totals.flips++;
	}
	verify_close(verify);
	workload_delete(workload);
}

/* ---- lies, told when all is over --------------------------------------- */

enum lie { LIE_STALE, LIE_STALE_PART, LIE_MISDIRECTED, LIES };

/* One of all writes, of the last ones more often than not. */
static const struct disk_log_entry *write_choose(struct workload *workload)
{
	struct disk_log *log = workload->disk.log;
	uint32_t among = log->count;

	if (among > 40 && sim_random_once_in(&workload->random, 2))
		among = 40;
	return &log->entry[log->count - 1 - sim_random_below(&workload->random, among)];
}

static uint64_t write_elsewhere(struct workload *workload, const struct disk_log_entry *entry)
{
	struct sim_random *random = &workload->random;
	uint64_t room = workload->sectors - entry->count + 1;
	const struct disk_log_entry *other = write_choose(workload);

	switch (sim_random_below(random, 4)) {
	case 0:
		return sim_random_below(random, (uint32_t)room);
	case 1:
		return (entry->sector + 1 + sim_random_below(random, 16)) % room;
	case 2:
		return other->sector < room ? other->sector : room - 1;
	default:
		return (DISK_RING_SECTOR +
			(uint64_t)sim_random_below(random, DISK_RING_SLOTS) * DISK_SLOT_SECTORS) %
		       room;
	}
}

static void lie_tell(struct workload *workload, struct image *image)
{
	const struct disk_log_entry *entry = write_choose(workload);
	enum lie lie = (enum lie)sim_random_below(&workload->random, LIES);
	uint32_t count = entry->count;

	sim_trace(" lie %d about sectors %llu+%u", (int)lie, (unsigned long long)entry->sector,
		  count);
	if (lie == LIE_STALE_PART)
		count = 1 + sim_random_below(&workload->random, count);
	image_write(image, entry->sector, count, entry->before);
	if (lie == LIE_MISDIRECTED)
		image_write(image, write_elsewhere(workload, entry), entry->count, entry->data);
}

static void lies_afterwards(uint64_t seed)
{
	struct workload *workload = workload_new(seed, WORKLOAD_RANDOM);
	struct oracle_level *level = &workload->oracle.level[0];
	struct disk_log log = {0};

	workload->crash_samples = 0;
	workload_begin(workload);
	workload->disk.log = &log;
	workload_run(workload, 40);
	workload_commit_all(workload);
	for (uint32_t i = 0; i < LIES_PER_CASE && log.count; i++) {
		if (!variant_begin(workload, i))
			continue;
		image_reset(&level->image, &workload->flat);
		lie_tell(workload, &level->image);
		if (sim_random_once_in(&workload->random, 6))
			lie_tell(workload, &level->image);
		judge(workload, level, false, NOWHERE, MODEL_PAST);
		sim_totals.lies++;
	}
	disk_log_free(&log);
	workload_delete(workload);
}

/* ---- lies in the middle of it all --------------------------------------- */

/* True when the write was there, so that the next index is worth trying. */
static bool lies_live(uint64_t seed, uint64_t variant)
{
	struct workload *workload = workload_new(seed, WORKLOAD_RANDOM);
	struct oracle_level *level = &workload->oracle.level[0];
	uint64_t number = variant - LIES_LIVE;
	bool hit;

	workload->crash_samples = 0;
	workload_begin(workload);
	workload->faults = true;
	workload->lies = true;
	memset(workload->disk.counts, 0, sizeof(workload->disk.counts));
	workload->disk.fault = DISK_FAULT_LOST + number % 3;
	workload->disk.fault_index = number / 3;
	workload_run(workload, 15);
	if (!workload->broken)
		workload_commit_all(workload);
	hit = workload->disk.fault_hits != 0;
	if (hit) {
		if (workload->engine.store)
			engine_off(&workload->engine);
		disk_restart(&workload->disk);
		image_reset(&level->image, &workload->flat);
		for (uint32_t i = 0; i < workload->disk.pending_count; i++)
			image_write(&level->image, workload->disk.pending[i]->sector,
				    workload->disk.pending[i]->count,
				    workload->disk.pending[i]->data);
		judge(workload, level, false, NOWHERE, MODEL_PAST);
		sim_totals.lies++;
	}
	workload_delete(workload);
	return hit;
}

void case_lies(uint64_t seed)
{
	uint64_t only;

	if (sim_variant_only(&only) && only >= LIES_LIVE) {
		(void)sim_variant(only);
		lies_live(seed, only);
		return;
	}
	lies_afterwards(seed);
	if (sim_variant_only(&only))
		return;
	for (uint64_t kind = 0; kind < 3; kind++)
		for (uint64_t variant = LIES_LIVE + kind; sim_variant(variant); variant += 3)
			if (!lies_live(seed, variant))
				break;
}
