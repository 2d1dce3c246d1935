/* SPDX-License-Identifier: MIT */
/*
 * oracle.c - the judgement on an image after a power cut; see oracle.h.  What the
 * verifier says of it is in verdict.c.
 */
#include "tests/sim/oracle.h"
#include "tests/sim/scrubbing.h"

#include <string.h>

#define SUBSETS_MAX 12u

/* ---- the engine ------------------------------------------------------- */

void oracle_compare_engine(struct engine *engine, const struct model *model,
			   const uint32_t *content)
{
	page_t next = {0};

	for (uint32_t i = 0; i < model->pages; i++) {
		page_t page = {model->page[i]};
		void *data = NULL;
		enum status status;

		if (content[i] == CONTENT_ABSENT)
			continue;
		status = engine_page_next(engine, next, &next);
		SIM_CHECK(status == STATUS_OK && next.n == page.n,
			  "the next page is 0x%llx (%s), expected 0x%llx",
			  (unsigned long long)next.n, status_text(status),
			  (unsigned long long)page.n);
		next.n++;
		status = engine_page_read(engine, page, &data);
		SIM_CHECK(status == STATUS_OK, "page 0x%llx cannot be read: %s",
			  (unsigned long long)page.n, status_text(status));
		SIM_CHECK(model_content_matches(model, content[i], data),
			  "page 0x%llx has a wrong content", (unsigned long long)page.n);
	}
	SIM_CHECK(engine_page_next(engine, next, &next) == STATUS_NOT_FOUND,
		  "page 0x%llx exists and should not", (unsigned long long)next.n);
}

void oracle_compare_snapshots(struct engine *engine, const struct model_state *state)
{
	struct store_snapshot snapshot = {.number = {0}};
	uint32_t living = 0;

	while (engine_snapshot_next(engine, snapshot.number, &snapshot) == STATUS_OK) {
		if (snapshot.flags & (DISK_SNAPSHOT_DYING | DISK_SNAPSHOT_BRANCH))
			continue;
		if (model_automatic(snapshot.name, snapshot.flags))
			continue;
		living++;
		SIM_CHECK(model_snapshot_find((struct model_state *)state, snapshot.name),
			  "the engine lists snapshot \"%s\", which should not exist",
			  snapshot.name);
	}
	SIM_CHECK(living == state->snapshots, "the engine lists %u snapshots, the model has %u",
		  living, state->snapshots);
}

/* ---- one image -------------------------------------------------------- */

/* Of the images that are to the verifier as one that was mounted, so many are mounted all the
 * same: a disk answers in many orders, and the engine reads the ring's unused parts too. */
#define MOUNT_ONE_IN 8u

/* (1), (2), (3), (4) by the verifier alone. */
static const struct model_state *image_verify(struct oracle *oracle, struct oracle_level *level,
					      const struct expectation *expectation)
{
	struct verdict *verdict = verdict_get(&oracle->verdicts, &level->image,
					      sim_random_once_in(oracle->random, 32), expectation);
	const struct verify_totals *totals = &verdict->totals;
	const struct model_state *state = expectation_find(expectation, totals->generation);
	uint32_t errors = verdict->findings.errors;

	/* Where the block is the write unit, a torn block may take its whole slot
	 * with it; only there is a slot without sense no damage. */
	if (oracle->write_unit == BLOCK_SIZE)
		errors -= verdict->findings.torn_errors;
	SIM_CHECK(errors == 0, "depth %u: the verifier says: %s", level->depth,
		  verdict->findings.first);
	SIM_CHECK(state, "depth %u: generation %llu is on the disk, acknowledged is %llu",
		  level->depth, (unsigned long long)totals->generation.n,
		  (unsigned long long)expectation->state[0]->generation.n);
	SIM_CHECK(verdict->compared, "depth %u: nobody has looked at generation %llu", level->depth,
		  (unsigned long long)totals->generation.n);
	level->torn = totals->torn;
	level->largest = totals->largest;
	level->mounted = verdict->mounted && !sim_random_once_in(oracle->random, MOUNT_ONE_IN);
	verdict->mounted = true;
	SIM_CHECK(totals->sectors == state->sectors, "depth %u: %llu sectors, the model has %llu",
		  level->depth, (unsigned long long)totals->sectors,
		  (unsigned long long)state->sectors);
	SIM_CHECK(memcmp(&verdict->retention, &state->retention, sizeof(state->retention)) == 0,
		  "depth %u: another rule of retention than the model's", level->depth);
	return state;
}

/* (5): some pages are written and committed, then it is all verified again. */
static void image_aftermath(struct oracle *oracle, struct oracle_level *level,
			    const struct model_state *state)
{
	struct model *model = (struct model *)level->expectation.model;
	struct oracle_findings findings;
	generation_t generation;
	enum status status;
	uint32_t writes = 1 + sim_random_below(oracle->random, 3);

	model_state_copy(&level->after, state);
	level->after.stop = STORE_STOP_POWER_CUT;
	for (uint32_t i = 0; i < writes; i++) {
		uint32_t index = sim_random_below(oracle->random, model->pages);
		uint32_t content = model_content_new(model, oracle->random);
		void *data = NULL;

		status = engine_page_write(&level->engine, (page_t){model->page[index]}, &data);
		/* Short of space or memory: what there is must still commit. */
		if (status == STATUS_NO_SPACE || status == STATUS_WAIT) {
			if (level->after.content[index] == CONTENT_ABSENT &&
			    store_page_writable(level->engine.store, (page_t){model->page[index]}))
				level->after.content[index] = CONTENT_ZERO;
			break;
		}
		SIM_CHECK(status == STATUS_OK, "after recovery a page cannot be written: %s",
			  status_text(status));
		SIM_CHECK(model_content_matches(model, level->after.content[index], data),
			  "after recovery page 0x%llx is wrong before it is written",
			  (unsigned long long)model->page[index]);
		model_content_fill(model, content, data);
		level->after.content[index] = content;
	}
	status = engine_commit_start(&level->engine, STORE_ACTION_NONE, (snapshot_t){0}, NULL,
				     UINT64_C(1) << 40, &generation);
	SIM_CHECK(status == STATUS_OK, "after recovery a commit is refused: %s",
		  status_text(status));
	SIM_CHECK(generation.n > level->largest.n && generation.n > level->torn.n,
		  "generation %llu after generation %llu, though %llu is spent",
		  (unsigned long long)generation.n, (unsigned long long)state->generation.n,
		  (unsigned long long)(level->largest.n > level->torn.n ? level->largest.n
									: level->torn.n));
	level->after.generation = generation;
	expectation_add(&level->expectation, &level->after);
	status = engine_settle(&level->engine);
	SIM_CHECK(status == STATUS_OK, "after recovery a commit fails: %s", status_text(status));
	verify_close(oracle_verify(level->disk.durable, false, &findings, &status));
	SIM_CHECK(findings.errors == 0, "after recovery and a commit the verifier says: %s",
		  findings.first);
	if (sim_random_once_in(oracle->random, 4)) {
		engine_off(&level->engine);
		disk_attach(&level->disk, &level->image, oracle->write_unit);
		status = engine_mount(&level->engine, &level->disk);
		SIM_CHECK(status == STATUS_OK, "the second mount fails: %s",
			  level->engine.recovery.explanation);
		SIM_CHECK(level->engine.recovery.generation.n == generation.n,
			  "the second mount finds generation %llu, committed was %llu",
			  (unsigned long long)level->engine.recovery.generation.n,
			  (unsigned long long)generation.n);
		oracle_compare_engine(&level->engine, model, level->after.content);
	}
}

static void recovery_crash_point(void *context, struct disk *disk)
{
	struct oracle_level *level = context;

	oracle_check_cuts(level->oracle, disk, &level->expectation, level->depth + 1, 2);
}

/* After a fall back nothing on the disk is torn any more: a tombstone is there. */
static void torn_check(struct oracle *oracle, struct oracle_level *level)
{
	const struct verify_totals *totals;

	sim_totals.fall_backs++;
	if (!sim_random_once_in(oracle->random, 4))
		return;
	totals = &verdict_get(&oracle->verdicts, level->disk.durable, false, NULL)->totals;
	SIM_CHECK(totals->torn.n == 0 && totals->largest.n >= level->torn.n,
		  "recovery fell back from generation %llu and left no tombstone",
		  (unsigned long long)level->torn.n);
}

/* (1), (2), (5) by the engine. */
static void image_recover(struct oracle *oracle, struct oracle_level *level,
			  const struct model_state *state)
{
	struct engine *engine = &level->engine;
	generation_t torn = level->torn;
	bool cut = oracle->recovery_once_in && level->depth + 1 < ORACLE_DEPTH &&
		   sim_random_once_in(oracle->random, oracle->recovery_once_in);
	uint32_t once_in = oracle->aftermath_once_in * (level->mounted ? 2 : 1);
	bool aftermath = cut || sim_random_once_in(oracle->random, once_in);
	struct scrub_findings scrub;
	enum status status;

	if (level->mounted && !aftermath) {
		sim_totals.mounts_shared++;
		return;
	}
	disk_attach(&level->disk, &level->image, oracle->write_unit);
	level->disk.immediate = sim_random_once_in(oracle->random, 2);
	if (cut) {
		level->disk.crash_point = recovery_crash_point;
		level->disk.crash_context = level;
	}
	status = engine_mount(engine, &level->disk);
	SIM_CHECK(status == STATUS_OK, "depth %u: mount fails: %s: %s", level->depth,
		  status_text(status), engine->recovery.explanation);
	SIM_CHECK(engine->recovery.generation.n == state->generation.n,
		  "depth %u: the engine recovers generation %llu, the verifier %llu", level->depth,
		  (unsigned long long)engine->recovery.generation.n,
		  (unsigned long long)state->generation.n);
	SIM_CHECK(engine->recovery.torn.n == torn.n,
		  "depth %u: the engine finds generation %llu torn, the verifier %llu",
		  level->depth, (unsigned long long)engine->recovery.torn.n,
		  (unsigned long long)torn.n);
	if (torn.n)
		torn_check(oracle, level);
	SIM_CHECK(torn.n || engine->recovery.stop == state->stop,
		  "depth %u: stop is %d, the model says %d", level->depth,
		  (int)engine->recovery.stop, (int)state->stop);
	oracle_compare_engine(engine, level->expectation.model, state->content);
	if (sim_random_once_in(oracle->random, 16)) {
		SIM_CHECK(engine_scrub(engine, &scrub), "a scrub waits for ever");
		SIM_CHECK(!scrub.damages, "depth %u: a scrub finds damage", level->depth);
	}
	if (state->snapshots && sim_random_once_in(oracle->random, 8))
		oracle_compare_snapshots(engine, state);
	if (aftermath)
		image_aftermath(oracle, level, state);
	engine_off(engine);
}

static void image_check(struct oracle *oracle, struct oracle_level *level,
			const struct expectation *expectation)
{
	const struct model_state *state;

	sim_deadline();
	state = image_verify(oracle, level, expectation);
	expectation_narrow(&level->expectation, expectation, state);
	image_recover(oracle, level, state);
	sim_totals.crash_states++;
	sim_totals.recovery_crashes += level->depth > 0;
}

/* ---- which images ----------------------------------------------------- */

/* False: this crash has left the same image before. */
static bool image_new(struct oracle_level *level)
{
	uint64_t hash = image_hash(&level->image);

	for (uint32_t i = 0; i < level->seen_count; i++)
		if (level->seen[i] == hash)
			return false;
	SIM_CHECK(level->seen_count < ORACLE_IMAGES, "too many images of one crash");
	level->seen[level->seen_count++] = hash;
	return true;
}

static void cut_check(struct oracle *oracle, const struct disk *disk, struct oracle_level *level,
		      const struct expectation *expectation)
{
	disk_cut(disk, &level->cut, &level->image);
	if (image_new(level))
		image_check(oracle, level, expectation);
}

/* Any mixture, leaning towards few and small faults. */
static void cut_choose(struct sim_random *random, const struct disk *disk, struct cut *cut)
{
	uint32_t style = sim_random_below(random, 4);
	uint32_t victim = disk->pending_count ? sim_random_below(random, disk->pending_count) : 0;

	cut->seed = sim_random_next(random);
	for (uint32_t i = 0; i < disk->pending_count; i++) {
		uint32_t count = disk->pending[i]->count;
		bool torn = style == 3 || i == victim;

		cut->kind[i] = style == 0 ? CUT_NONE : CUT_WHOLE;
		if (style == 2)
			cut->kind[i] = sim_random_once_in(random, 2) ? CUT_NONE : CUT_WHOLE;
		if (torn)
			cut->kind[i] = (uint8_t)sim_random_below(random, CUT_SOME + 1);
		cut->length[i] = sim_random_below(random, count + 1);
	}
}

void oracle_cut_random(struct oracle *oracle, const struct disk *disk, struct image *image)
{
	struct oracle_level *level = &oracle->level[0];

	cut_choose(oracle->random, disk, &level->cut);
	disk_cut(disk, &level->cut, image);
}

void oracle_check_cuts(struct oracle *oracle, const struct disk *disk,
		       const struct expectation *expectation, uint32_t depth, uint32_t samples)
{
	struct oracle_level *level = &oracle->level[depth];
	uint32_t count = disk->pending_count;

	level->seen_count = 0;
	/* Deeper cuts happen while the disk of depth 0 stays as it is. */
	if (depth == 0)
		verdicts_begin(&oracle->verdicts, disk->durable);
	if (count <= oracle->subsets_max) {
		/* Every subset at depth 0; deeper ones are many, so all or one. */
		for (uint32_t subset = 0; subset < 1u << count; subset++) {
			if (depth && subset && subset != (1u << count) - 1)
				continue;
			for (uint32_t i = 0; i < count; i++)
				level->cut.kind[i] = subset >> i & 1 ? CUT_WHOLE : CUT_NONE;
			cut_check(oracle, disk, level, expectation);
		}
	}
	for (uint32_t i = 0; count && i < samples; i++) {
		cut_choose(oracle->random, disk, &level->cut);
		cut_check(oracle, disk, level, expectation);
	}
}

/* ---- life ------------------------------------------------------------- */

void oracle_create(struct oracle *oracle, uint64_t sectors, const struct store_limits *limits,
		   struct sim_random *random)
{
	oracle->random = random;
	oracle->aftermath_once_in = 8;
	oracle->subsets_max = SUBSETS_MAX;
	for (uint32_t depth = 0; depth < ORACLE_DEPTH; depth++) {
		struct oracle_level *level = &oracle->level[depth];

		level->oracle = oracle;
		level->depth = depth;
		engine_create(&level->engine, limits);
		level->engine.detail = true;
		disk_create(&level->disk, sectors, random);
		image_create_overlay(&level->image, sectors);
	}
}

void oracle_free(struct oracle *oracle)
{
	for (uint32_t depth = 0; depth < ORACLE_DEPTH; depth++) {
		engine_free(&oracle->level[depth].engine);
		disk_free(&oracle->level[depth].disk);
		image_free(&oracle->level[depth].image);
	}
	verdicts_free(&oracle->verdicts);
}
