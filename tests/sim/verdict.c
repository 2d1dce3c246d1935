/* SPDX-License-Identifier: MIT */
/*
 * verdict.c - the verifier's part of the oracle; see verdict.h.
 */
#include "tests/sim/verdict.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define CONFIRM_ONE_IN 64u /* verdicts, and of these the shared ones */

/* ---- the verifier ----------------------------------------------------- */

static void finding_note(void *context, const struct verify_finding *finding)
{
	struct oracle_findings *findings = context;

	if (finding->severity == VERIFY_NOTE)
		return;
	sim_trace_detail("    verify: %s", finding->text);
	if (finding->severity == VERIFY_WARNING) {
		findings->warnings++;
		return;
	}
	if (finding->code == VERIFY_SLOT || finding->code == VERIFY_SUPERBLOCK)
		findings->torn_errors++;
	if (findings->errors++ == 0)
		snprintf(findings->first, sizeof(findings->first), "%s: %s",
			 verify_code_text(finding->code), finding->text);
}

#define CACHE_EXTENTS 8192u /* 32 MiB at most */
/* Of all images: what an extent holds is known by its prints. */
static struct verify_cache *cache;

/* The verifier's own totals: what it had to read for them is not what they say. */
static struct verify_totals totals_get(const struct verify *verify)
{
	struct verify_totals totals = *verify_totals_get(verify);

	totals.bytes_read = 0;
	return totals;
}

static struct verify *verify_image(const struct verify_reader *reader, bool everything,
				   struct oracle_findings *findings, enum status *status)
{
	struct verify_options options = {.context = findings,
					 .report = finding_note,
					 .cache = reader->print ? cache : NULL,
					 .skip_slot_tails = !everything,
					 .skip_unpack = !everything};
	struct verify *verify;

	memset(findings, 0, sizeof(*findings));
	verify = verify_open(reader, &options);
	SIM_CHECK(verify, "memory is short");
	*status = verify_run(verify);
	sim_totals.verify_runs++;
	return verify;
}

static enum status image_reader(void *context, sector_t sector, uint32_t sectors, void *data)
{
	const struct image *image = context;

	if (sector.n >= image->sectors || sectors > image->sectors - sector.n)
		return STATUS_IO;
	image_read(image, sector.n, sectors, data);
	return STATUS_OK;
}

/* Nothing is taken for granted, the prints least of all. */
static enum status whole_reader(void *context, sector_t sector, uint32_t sectors, void *data)
{
	enum status status = image_reader(context, sector, sectors, data);

	for (uint32_t i = 0; status == STATUS_OK && i < sectors; i++)
		SIM_CHECK(sector_print((uint8_t *)data + (uint64_t)i * SECTOR_SIZE) ==
				  image_print(context, sector.n + i),
			  "the print of sector %llu is not that of what it holds",
			  (unsigned long long)sector.n + i);
	return status;
}

/* Now and then the verifier reads all of an image that it judged by what it kept of
 * others: it must say the same. */
static void whole_verify(const struct image *image, bool everything,
			 const struct verify_totals *totals, const struct oracle_findings *findings)
{
	struct verify_reader reader = {
		.context = (void *)image, .sectors = image->sectors, .read = whole_reader};
	struct oracle_findings found;
	enum status status;
	struct verify *verify = verify_image(&reader, everything, &found, &status);
	struct verify_totals whole = totals_get(verify);

	SIM_CHECK(memcmp(&whole, totals, sizeof(whole)) == 0 &&
			  memcmp(&found, findings, sizeof(found)) == 0,
		  "an image was judged by others and differs from them: %s", found.first);
	verify_close(verify);
	sim_totals.verify_whole++;
}

static struct verify *image_verify(const struct image *image, const struct verify_reader *reader,
				   bool everything, struct oracle_findings *findings,
				   enum status *status)
{
	struct verify *verify;

	if (!cache)
		cache = verify_cache_new(CACHE_EXTENTS);
	SIM_CHECK(cache, "memory is short");
	verify = verify_image(reader, everything, findings, status);
	if (sim_totals.verify_runs % CONFIRM_ONE_IN == 0) {
		struct verify_totals totals = totals_get(verify);

		whole_verify(image, everything, &totals, findings);
	}
	return verify;
}

/* Stands for what these sectors hold; 0: they do not exist. */
static uint64_t image_reader_print(void *context, sector_t sector, uint32_t sectors)
{
	const struct image *image = context;
	struct sim_random mix = {0};

	if (sector.n >= image->sectors || sectors > image->sectors - sector.n)
		return 0;
	for (uint32_t i = 0; i < sectors; i++)
		mix.state = sim_random_next(&mix) ^ image_print(image, sector.n + i);
	return sim_random_next(&mix) | 1;
}

struct verify *oracle_verify(const struct image *image, bool everything,
			     struct oracle_findings *findings, enum status *status)
{
	struct verify_reader reader = {.context = (void *)image,
				       .sectors = image->sectors,
				       .read = image_reader,
				       .print = image_reader_print};

	return image_verify(image, &reader, everything, findings, status);
}

/* ---- the model -------------------------------------------------------- */

void oracle_compare_space(struct verify *verify, const struct verify_space *space,
			  const struct model *model, const uint32_t *content)
{
	uint8_t data[PAGE_SIZE];
	uint32_t found = 0;
	page_t page = {0};

	for (; verify_space_next(verify, space, page, &page) == STATUS_OK; page.n++) {
		int index = model_page_index(model, page);

		SIM_CHECK(index >= 0 && content[index] != CONTENT_ABSENT,
			  "page 0x%llx of snapshot %llu exists and should not",
			  (unsigned long long)page.n, (unsigned long long)space->snapshot.n);
		SIM_CHECK(verify_space_read(verify, space, page, data) == STATUS_OK,
			  "page 0x%llx of snapshot %llu cannot be read by the verifier",
			  (unsigned long long)page.n, (unsigned long long)space->snapshot.n);
		SIM_CHECK(model_content_matches(model, content[index], data),
			  "page 0x%llx of snapshot %llu has a wrong content",
			  (unsigned long long)page.n, (unsigned long long)space->snapshot.n);
		found++;
	}
	SIM_CHECK(found == model_pages_present(content, model->pages),
		  "snapshot %llu has %u pages, the model %u", (unsigned long long)space->snapshot.n,
		  found, model_pages_present(content, model->pages));
}

/* Stands for all that the image of a generation is compared with. */
static uint64_t state_print(const struct model *model, const struct model_state *state)
{
	uint64_t bytes = model->pages * sizeof(state->content[0]);
	uint64_t print = XXH3_64bits_withSeed(state->content, bytes, state->generation.n);

	/* What a snapshot holds has one place and never changes; what an automatic one
	 * holds is found by its generation. */
	bytes = state->snapshots * sizeof(state->snapshot[0]);
	print = XXH3_64bits_withSeed(state->snapshot, bytes, print ^ model->rewritten);
	return print | 1;
}

void expectation_begin(struct expectation *expectation, const struct model *model)
{
	expectation->model = model;
	expectation->states = 0;
}

void expectation_add(struct expectation *expectation, const struct model_state *state)
{
	expectation->print[expectation->states] = state_print(expectation->model, state);
	expectation->state[expectation->states++] = state;
}

const struct model_state *expectation_find(const struct expectation *expectation,
					   generation_t generation)
{
	for (uint32_t i = 0; i < expectation->states; i++)
		if (expectation->state[i]->generation.n == generation.n)
			return expectation->state[i];
	return NULL;
}

static uint64_t expectation_print(const struct expectation *expectation,
				  const struct model_state *state)
{
	uint32_t i = 0;

	while (expectation->state[i] != state)
		i++;
	return expectation->print[i];
}

void expectation_narrow(struct expectation *to, const struct expectation *from,
			const struct model_state *state)
{
	expectation_begin(to, from->model);
	to->state[0] = state;
	to->print[0] = expectation_print(from, state);
	to->states = 1;
}

/* What an automatic snapshot of this generation must hold. */
static const uint32_t *generation_content(const struct expectation *expectation,
					  uint64_t generation)
{
	const struct model_state *state = expectation_find(expectation, (generation_t){generation});

	return state ? state->content
		     : model_frozen_content(expectation->model, (generation_t){generation});
}

void oracle_compare_catalogue(struct verify *verify, const struct expectation *expectation,
			      const struct model_state *state)
{
	const struct model *model = expectation->model;
	const struct disk_snapshot *snapshot;
	struct verify_space space;
	uint32_t living = 0;

	for (uint64_t i = 0; (snapshot = verify_snapshot_at(verify, i)) != NULL; i++) {
		struct model_snapshot *expected;

		if (snapshot->flags & (DISK_SNAPSHOT_DYING | DISK_SNAPSHOT_BRANCH))
			continue;
		SIM_CHECK(verify_space_snapshot(verify, (snapshot_t){snapshot->number}, &space) ==
				  STATUS_OK,
			  "snapshot %llu cannot be found", (unsigned long long)snapshot->number);
		if (model_automatic(snapshot->name, snapshot->flags)) {
			oracle_compare_space(verify, &space, model,
					     generation_content(expectation, snapshot->generation));
			continue;
		}
		living++;
		expected = model_snapshot_find((struct model_state *)state, snapshot->name);
		SIM_CHECK(expected, "snapshot \"%s\" exists and should not", snapshot->name);
		oracle_compare_space(verify, &space, model, expected->content);
	}
	SIM_CHECK(living == state->snapshots, "%u living snapshots, the model has %u", living,
		  state->snapshots);
}

/* ---- evidence --------------------------------------------------------- */

static bool evidence_has(const struct evidence *evidence, uint64_t sector)
{
	return evidence->seen[sector / 64] >> (sector % 64) & 1;
}

static void list_add(struct sector_list *list, uint64_t sector)
{
	if (list->count == list->room) {
		list->room = 2 * list->room + 64;
		list->sector = realloc(list->sector, list->room * sizeof(*list->sector));
		SIM_CHECK(list->sector, "memory is short");
	}
	list->sector[list->count++] = (uint32_t)sector;
}

static void evidence_add(struct evidence *evidence, uint64_t sector)
{
	if (evidence_has(evidence, sector))
		return;
	evidence->seen[sector / 64] |= UINT64_C(1) << (sector % 64);
	evidence->print[sector] = image_print(evidence->image, sector);
	list_add(&evidence->all, sector);
	if (evidence->print[sector] != image_print(evidence->ground, sector))
		list_add(&evidence->own, sector);
}

static void evidence_begin(struct evidence *evidence, const struct image *image,
			   const struct image *ground)
{
	if (!evidence->seen) {
		evidence->seen = sim_allocate((image->sectors + 63) / 64 * sizeof(uint64_t));
		evidence->print = sim_allocate_dirty(image->sectors * sizeof(uint64_t));
	}
	for (uint32_t i = 0; i < evidence->all.count; i++)
		evidence->seen[evidence->all.sector[i] / 64] = 0;
	evidence->all.count = evidence->own.count = 0;
	evidence->image = image;
	evidence->ground = ground;
}

/* Does the image have the same in these sectors? */
static bool list_agrees(const struct evidence *evidence, const struct sector_list *list,
			const struct image *image)
{
	for (uint32_t i = 0; i < list->count; i++)
		if (evidence->print[list->sector[i]] != image_print(image, list->sector[i]))
			return false;
	return true;
}

/*
 * Does the image have the same in all sectors that were seen?  Where neither it nor
 * the one that was read has anything of its own both are the ground.
 */
static bool evidence_holds(const struct evidence *evidence, const struct image *image)
{
	for (const struct image *layer = image; layer != evidence->ground; layer = layer->base)
		for (uint32_t i = 0; i < layer->used; i++) {
			uint64_t sector = layer->owner[i];

			if (evidence_has(evidence, sector) &&
			    evidence->print[sector] != image_print(image, sector))
				return false;
		}
	return list_agrees(evidence, &evidence->own, image);
}

/* The same for what will be the ground from now on. */
static bool evidence_moves(struct evidence *evidence, const struct image *ground)
{
	if (!list_agrees(evidence, &evidence->all, ground))
		return false;
	evidence->ground = ground;
	evidence->own.count = 0;
	return true;
}

static void evidence_take(struct evidence *evidence, uint64_t sector, uint32_t sectors)
{
	for (uint64_t at = sector; at < sector + sectors && at < evidence->image->sectors; at++)
		evidence_add(evidence, at);
}

static enum status evidence_reader(void *context, sector_t sector, uint32_t sectors, void *data)
{
	struct evidence *evidence = context;

	evidence_take(evidence, sector.n, sectors);
	return image_reader((void *)evidence->image, sector, sectors, data);
}

static uint64_t evidence_reader_print(void *context, sector_t sector, uint32_t sectors)
{
	struct evidence *evidence = context;

	evidence_take(evidence, sector.n, sectors);
	return image_reader_print((void *)evidence->image, sector, sectors);
}

/* ---- verdicts --------------------------------------------------------- */

void verdicts_begin(struct verdicts *verdicts, const struct image *ground)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < verdicts->count; i++) {
		struct verdict verdict = verdicts->verdict[i];

		if (!evidence_moves(&verdict.evidence, ground))
			continue;
		verdicts->verdict[i] = verdicts->verdict[kept];
		verdicts->verdict[kept++] = verdict;
	}
	verdicts->ground = ground;
	verdicts->count = kept;
	verdicts->oldest = 0;
}

void verdicts_free(struct verdicts *verdicts)
{
	for (uint32_t i = 0; i < VERDICTS_MAX; i++) {
		free(verdicts->verdict[i].evidence.seen);
		free(verdicts->verdict[i].evidence.print);
		free(verdicts->verdict[i].evidence.all.sector);
		free(verdicts->verdict[i].evidence.own.sector);
	}
	memset(verdicts, 0, sizeof(*verdicts));
}

static void verdict_compare(struct verdict *verdict, struct verify *verify,
			    const struct expectation *expectation)
{
	const struct model_state *state = expectation_find(expectation, verdict->totals.generation);
	struct verify_space space;

	if (!state || verdict->findings.errors != verdict->findings.torn_errors)
		return;
	oracle_compare_catalogue(verify, expectation, state);
	SIM_CHECK(verify_space_live(verify, &space) == STATUS_OK, "there is no live space");
	oracle_compare_space(verify, &space, expectation->model, state->content);
	verdict->compared = expectation_print(expectation, state);
}

static void verdict_make(struct verdict *verdict, const struct image *image, bool everything,
			 const struct expectation *expectation)
{
	struct verify_reader reader = {.context = &verdict->evidence,
				       .sectors = image->sectors,
				       .read = evidence_reader,
				       .print = evidence_reader_print};
	enum status status;
	struct verify *verify =
		image_verify(image, &reader, everything, &verdict->findings, &status);

	verdict->totals = totals_get(verify);
	verdict->everything = everything;
	verdict->mounted = false;
	verdict->compared = 0;
	if (verify_record(verify)) {
		verdict->retention = verify_record(verify)->retention;
		if (expectation)
			verdict_compare(verdict, verify, expectation);
	}
	verify_close(verify);
}

static bool verdict_suits(const struct verdict *verdict, const struct expectation *expectation)
{
	const struct model_state *state;

	if (!expectation)
		return true;
	state = expectation_find(expectation, verdict->totals.generation);
	return state && verdict->compared == expectation_print(expectation, state);
}

struct verdict *verdict_get(struct verdicts *verdicts, const struct image *image, bool everything,
			    const struct expectation *expectation)
{
	struct verdict *verdict;

	for (uint32_t i = 0; i < verdicts->count; i++) {
		verdict = &verdicts->verdict[i];
		if ((verdict->everything || !everything) &&
		    evidence_holds(&verdict->evidence, image) &&
		    verdict_suits(verdict, expectation)) {
			if (sim_totals.verdicts_shared++ % CONFIRM_ONE_IN == 0)
				whole_verify(image, verdict->everything, &verdict->totals,
					     &verdict->findings);
			return verdict;
		}
	}
	if (verdicts->count < VERDICTS_MAX) {
		verdict = &verdicts->verdict[verdicts->count++];
	} else {
		verdict = &verdicts->verdict[verdicts->oldest];
		verdicts->oldest = (verdicts->oldest + 1) % VERDICTS_MAX;
	}
	evidence_begin(&verdict->evidence, image, verdicts->ground);
	verdict_make(verdict, image, everything, expectation);
	return verdict;
}
