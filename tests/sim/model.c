/* SPDX-License-Identifier: MIT */
/*
 * model.c - the model of a store; see model.h.
 */
#include "tests/sim/model.h"

#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>
#include "store/keeping.h"

/* ---- contents --------------------------------------------------------- */

enum content_class { CLASS_TEXT, CLASS_SPARSE, CLASS_HALF, CLASS_NOISE, CLASSES };

static void fill_noise(struct sim_random *random, uint8_t *data, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i += sizeof(uint64_t)) {
		uint64_t word = sim_random_next(random);

		memcpy(data + i, &word, sizeof(word));
	}
}

static void fill_text(struct sim_random *random, uint8_t *data)
{
	static const char words[] =
		"page store commit write flush torn ring node free used page extent map snapshot "
		"generation sector block reserve overlay record slot tombstone superblock page one "
		"page two page three the last acknowledged one or the one in flight never older ";
	uint32_t at = 0;

	/* Long pieces: packing and unpacking them is quick. */
	while (at < PAGE_SIZE) {
		uint32_t from = sim_random_below(random, sizeof(words) - 64);
		uint32_t count = 24 + sim_random_below(random, 40);

		if (count > PAGE_SIZE - at)
			count = PAGE_SIZE - at;
		memcpy(data + at, words + from, count);
		at += count;
	}
}

/* The low bits of the number choose the class, so that it is known from it. */
void model_content_fill(const struct model *model, uint32_t content, void *data)
{
	struct sim_random random = {model->seed ^ (uint64_t)content << 20};
	uint8_t *bytes = data;

	if (content <= CONTENT_ZERO) {
		memset(data, 0, PAGE_SIZE);
		return;
	}
	switch (content % CLASSES) {
	case CLASS_TEXT:
		fill_text(&random, bytes);
		break;
	case CLASS_SPARSE:
		memset(bytes, 0, PAGE_SIZE);
		bytes[sim_random_below(&random, PAGE_SIZE)] = 1;
		memcpy(bytes + 8 * sim_random_below(&random, PAGE_SIZE / 8), &content,
		       sizeof(content));
		break;
	case CLASS_HALF:
		memset(bytes, (int)(content & 0xff), PAGE_SIZE);
		fill_noise(&random, bytes, 8 + 8 * sim_random_below(&random, PAGE_SIZE / 8 - 1));
		break;
	default:
		fill_noise(&random, bytes, PAGE_SIZE);
	}
}

static uint32_t content_number(struct model *model, uint32_t class)
{
	uint8_t data[PAGE_SIZE];
	uint32_t content = model->contents;

	while (content % CLASSES != class)
		content++;
	model->contents = content + 1;
	if (model->contents > model->room) {
		uint32_t room = 2 * model->contents;
		uint64_t *hash = sim_allocate(room * sizeof(*hash));

		memcpy(hash, model->hash, model->room * sizeof(*hash));
		free(model->hash);
		model->hash = hash;
		model->room = room;
	}
	model_content_fill(model, content, data);
	model->hash[content] = XXH3_64bits(data, sizeof(data));
	return content;
}

uint32_t model_content_new(struct model *model, struct sim_random *random)
{
	if (sim_random_once_in(random, 12))
		return CONTENT_ZERO;
	return content_number(model, sim_random_below(random, CLASSES));
}

uint32_t model_content_noise(struct model *model)
{
	return content_number(model, CLASS_NOISE);
}

bool model_content_matches(const struct model *model, uint32_t content, const void *data)
{
	uint32_t zero = content == CONTENT_ABSENT ? CONTENT_ZERO : content;

	sim_totals.pages_compared++;
	return XXH3_64bits(data, PAGE_SIZE) == model->hash[zero];
}

/* ---- the universe ----------------------------------------------------- */

static uint64_t page_number(enum model_shape shape, uint32_t i, struct sim_random *random)
{
	static const uint64_t clusters[] = {0x100000, 0x7ffff80, 0x123456789, 0x7fffffff00};

	switch (shape) {
	case MODEL_LOW:
		/* A tree of one level or two. */
		return 0x7e + i;
	case MODEL_DENSE:
		return 0x100000 + i;
	case MODEL_CLUSTERS:
		return clusters[i % 4] + i / 4;
	case MODEL_DEEP:
		return i % 2 ? DISK_PAGE_MAX - 1 - ((uint64_t)i << 20) : ((uint64_t)i << 45) + i;
	default:
		/* Strictly ascending with gaps of very different width. */
		return 0x100000 + ((uint64_t)i << 30) +
		       (sim_random_next(random) &
			((UINT64_C(1) << sim_random_below(random, 30)) - 1));
	}
}

static int compare_numbers(const void *a, const void *b)
{
	const uint64_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

void model_create(struct model *model, uint64_t seed, uint32_t pages, enum model_shape shape)
{
	struct sim_random random = {seed};
	uint8_t zeros[PAGE_SIZE] = {0};

	memset(model, 0, sizeof(*model));
	SIM_CHECK(pages <= MODEL_PAGES, "%u pages are too many for the model", pages);
	model->seed = sim_random_next(&random);
	model->pages = pages;
	for (uint32_t i = 0; i < pages; i++)
		model->page[i] = page_number(shape, i, &random);
	qsort(model->page, pages, sizeof(model->page[0]), compare_numbers);
	model->contents = 2;
	model->room = 64;
	model->hash = sim_allocate(model->room * sizeof(*model->hash));
	model->hash[CONTENT_ZERO] = XXH3_64bits(zeros, sizeof(zeros));
}

void model_copy(struct model *to, const struct model *from)
{
	/* Of the states only what is used: they have room for a thousand snapshots. */
	memcpy(to, from, offsetof(struct model, past));
	for (uint32_t i = 0; i < MODEL_PAST; i++)
		model_state_copy(&to->past[i], &from->past[i]);
	model_state_copy(&to->durable, &from->durable);
	for (uint32_t i = 0; i < from->flights; i++)
		model_state_copy(&to->flight[i], &from->flight[i]);
	to->flights = from->flights;
	to->frozen_room = from->frozen_room;
	to->rewritten = from->rewritten;
	to->hash = sim_allocate(to->room * sizeof(*to->hash));
	memcpy(to->hash, from->hash, to->room * sizeof(*to->hash));
	to->failed = NULL;
	to->failures = 0;
	to->table = NULL;
	to->tables = 0;
	to->table_room = 0;
	to->frozen = sim_allocate(to->frozen_room * sizeof(*to->frozen));
	for (uint64_t i = 0; i < to->frozen_room; i++)
		if (from->frozen[i]) {
			to->frozen[i] = sim_allocate(sizeof(from->working));
			memcpy(to->frozen[i], from->frozen[i], to->pages * sizeof(uint32_t));
		}
}

void model_free(struct model *model)
{
	for (uint32_t i = 0; i < model->tables; i++)
		free(model->table[i]);
	free(model->table);
	free(model->failed);
	model->failed = NULL;
	for (uint64_t i = 0; i < model->frozen_room; i++)
		free(model->frozen[i]);
	free(model->frozen);
	model->frozen = NULL;
	model->frozen_room = 0;
	free(model->hash);
	model->table = NULL;
	model->hash = NULL;
}

int model_page_index(const struct model *model, page_t page)
{
	const uint64_t *found = bsearch(&page.n, model->page, model->pages, sizeof(model->page[0]),
					compare_numbers);

	return found ? (int)(found - model->page) : -1;
}

uint32_t model_pages_present(const uint32_t *content, uint32_t pages)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < pages; i++)
		count += content[i] != CONTENT_ABSENT;
	return count;
}

/* ---- states ----------------------------------------------------------- */

struct model_snapshot *model_snapshot_find(struct model_state *state, const char *name)
{
	for (uint32_t i = 0; i < state->snapshots; i++)
		if (strncmp(state->snapshot[i].name, name, DISK_SNAPSHOT_NAME) == 0)
			return &state->snapshot[i];
	return NULL;
}

static const uint32_t *table_keep(struct model *model, const uint32_t *content)
{
	uint64_t bytes = model->pages * sizeof(*content);
	uint32_t *table = sim_allocate(bytes);

	memcpy(table, content, bytes);
	if (model->tables == model->table_room) {
		uint32_t room = 2 * model->tables + 16;
		uint32_t **more = sim_allocate(room * sizeof(*more));

		if (model->tables)
			memcpy(more, model->table, model->tables * sizeof(*more));
		free(model->table);
		model->table = more;
		model->table_room = room;
	}
	model->table[model->tables++] = table;
	return table;
}

void model_snapshot_add(struct model *model, struct model_state *state, const char *name,
			const uint32_t *content)
{
	struct model_snapshot *snapshot;

	SIM_CHECK(state->snapshots < MODEL_SNAPSHOTS, "too many snapshots for the model");
	snapshot = &state->snapshot[state->snapshots++];
	memset(snapshot->name, 0, sizeof(snapshot->name));
	memcpy(snapshot->name, name, strnlen(name, DISK_SNAPSHOT_NAME - 1));
	snapshot->content = table_keep(model, content);
}

void model_snapshot_remove(struct model_state *state, const char *name)
{
	struct model_snapshot *snapshot = model_snapshot_find(state, name);

	SIM_CHECK(snapshot, "the model has no snapshot %s", name);
	*snapshot = state->snapshot[--state->snapshots];
}

void model_snapshot_rename(struct model_state *state, const char *from, const char *to)
{
	struct model_snapshot *snapshot = model_snapshot_find(state, from);

	SIM_CHECK(snapshot, "the model has no snapshot %s", from);
	memset(snapshot->name, 0, sizeof(snapshot->name));
	memcpy(snapshot->name, to, strnlen(to, DISK_SNAPSHOT_NAME - 1));
}

bool model_automatic(const char *name, uint32_t flags)
{
	uint64_t generation;
	enum keeping_giver giver = keeping_giver_of(name, &generation);

	return flags & DISK_SNAPSHOT_AUTOMATIC &&
	       (giver == KEEPING_TAKEN || giver == KEEPING_RESTORED);
}

const uint32_t *model_frozen_content(const struct model *model, generation_t generation)
{
	SIM_CHECK(generation.n < model->frozen_room && model->frozen[generation.n],
		  "generation %llu never was", (unsigned long long)generation.n);
	return model->frozen[generation.n];
}

static void frozen_note(struct model *model, const struct model_state *state)
{
	uint64_t n = state->generation.n, bytes = model->pages * sizeof(uint32_t);

	if (n >= model->frozen_room) {
		uint64_t room = 2 * n + 16;
		uint32_t **frozen = sim_allocate(room * sizeof(*frozen));

		if (model->frozen_room)
			memcpy(frozen, model->frozen, model->frozen_room * sizeof(*frozen));
		free(model->frozen);
		model->frozen = frozen;
		model->frozen_room = room;
	}
	if (!model->frozen[n])
		model->frozen[n] = sim_allocate(bytes);
	else if (memcmp(model->frozen[n], state->content, bytes) != 0)
		model->rewritten++;
	memcpy(model->frozen[n], state->content, bytes);
}

void model_state_copy(struct model_state *to, const struct model_state *from)
{
	if (to != from)
		memcpy(to, from,
		       offsetof(struct model_state, snapshot) +
			       from->snapshots * sizeof(from->snapshot[0]));
}

struct model_state *model_freeze(struct model *model, generation_t generation)
{
	struct model_state *state = &model->flight[model->flights];

	SIM_CHECK(model->flights < 2, "more than two generations in flight");
	model_state_copy(state,
			 model->flights ? &model->flight[model->flights - 1] : &model->durable);
	state->generation = generation;
	state->stop = STORE_STOP_POWER_CUT;
	memcpy(state->content, model->working, sizeof(state->content));
	model->flights++;
	frozen_note(model, state);
	return state;
}

/* `durable` becomes the past. */
static void durable_leave(struct model *model)
{
	for (uint32_t i = MODEL_PAST - 1; i > 0; i--)
		model_state_copy(&model->past[i], &model->past[i - 1]);
	model_state_copy(&model->past[0], &model->durable);
}

void model_acknowledge(struct model *model, generation_t generation)
{
	while (model->flights && model->flight[0].generation.n <= generation.n) {
		durable_leave(model);
		model_state_copy(&model->durable, &model->flight[0]);
		model->failures = 0;
		if (--model->flights)
			model_state_copy(&model->flight[0], &model->flight[1]);
	}
}

void model_fail(struct model *model)
{
	SIM_CHECK(model->flights, "a commit fails that was not in flight");
	if (!model->failed)
		model->failed = sim_allocate(MODEL_FAILED * sizeof(*model->failed));
	/* Of a restore's second commit nothing has been submitted if the first failed. */
	model_state_copy(&model->failed[model->failures++ % MODEL_FAILED], &model->flight[0]);
	model->flights = 0;
}

struct model_state *model_state_find(struct model *model, generation_t generation)
{
	if (model->durable.generation.n == generation.n)
		return &model->durable;
	for (uint32_t i = 0; i < MODEL_FAILED && i < model->failures; i++)
		if (model->failed[i].generation.n == generation.n)
			return &model->failed[i];
	for (uint32_t i = 0; i < model->flights; i++)
		if (model->flight[i].generation.n == generation.n)
			return &model->flight[i];
	return NULL;
}

struct model_state *model_state_known(struct model *model, generation_t generation)
{
	for (uint32_t i = 0; i < MODEL_PAST; i++)
		if (model->past[i].generation.n && model->past[i].generation.n == generation.n)
			return &model->past[i];
	return model_state_find(model, generation);
}

void model_recover(struct model *model, const struct model_state *state)
{
	bool flight = state >= &model->flight[0] && state <= &model->flight[1];
	bool failed =
		model->failed && state >= model->failed && state < model->failed + MODEL_FAILED;

	if (flight || failed)
		durable_leave(model);
	model_state_copy(&model->durable, state);
	model->flights = model->failures = 0;
	memcpy(model->working, model->durable.content, sizeof(model->working));
}
