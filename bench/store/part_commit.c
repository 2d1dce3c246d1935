/* SPDX-License-Identifier: MIT */
/*
 * part_commit.c - parts (a) and (b): how long durable commits take.
 *
 * All contestants are open at the same time, loaded with the same pages.  In each
 * round each of them commits the same set of random pages once, and the next round
 * begins with another one, so whatever else happens on the machine meets all of
 * them alike.  What is timed is everything from the beginning of the commit to its
 * end; the content is made before.
 */
#include "bench/store/bench.h"

#include <stdlib.h>
#include <string.h>

struct commit_set {
	uint64_t *page;
	uint8_t *data;
	uint64_t pages;
};

static void set_choose(struct commit_set *set, const struct bench_options *options, uint64_t round,
		       uint64_t pages)
{
	uint64_t state = options->seed + round * BENCH_SIZES + pages;

	set->pages = pages;
	bench_pages_choose(&state, options->pages, set->page, pages);
	for (uint64_t i = 0; i < pages; i++)
		bench_page_fill(set->data + i * BENCH_PAGE, set->page[i],
				options->seed + round + pages);
}

static uint64_t set_commit(const struct engine *engine, void *opened, const struct commit_set *set)
{
	uint64_t start = bench_now_ns();

	engine->begin(opened, false);
	for (uint64_t i = 0; i < set->pages; i++)
		engine->put(opened, set->page[i], set->data + i * BENCH_PAGE);
	engine->commit(opened);
	return bench_now_ns() - start;
}

static void set_check(const struct engine *engine, void *opened, const struct commit_set *set)
{
	for (uint64_t i = 0; i < set->pages; i++) {
		const void *data = engine->get(opened, set->page[i]);

		bench_page_check(data, set->page[i], engine->value_bytes);
		if (memcmp(data, set->data + i * BENCH_PAGE, engine->value_bytes) != 0)
			bench_fail("%s: page %llu has not the content that was committed last",
				   engine->name, (unsigned long long)set->page[i]);
	}
}

static void size_measure(const struct bench_options *options, void **opened, uint64_t pages,
			 struct commit_set *set)
{
	uint64_t *taken[BENCH_ENGINES];

	for (unsigned e = 0; e < options->engines; e++)
		taken[e] = bench_memory(options->rounds * sizeof(uint64_t));
	for (uint64_t round = 0; round < options->warm + options->rounds; round++) {
		set_choose(set, options, round, pages);
		for (unsigned turn = 0; turn < options->engines; turn++) {
			unsigned e = (unsigned)((round + turn) % options->engines);
			uint64_t ns;

			if (options->engine[e]->single && pages != 1)
				continue;
			ns = set_commit(options->engine[e], opened[e], set);
			if (round >= options->warm)
				taken[e][round - options->warm] = ns;
		}
	}
	for (unsigned e = 0; e < options->engines; e++) {
		if (options->engine[e]->single && pages != 1)
			continue;
		set_check(options->engine[e], opened[e], set);
		json_begin("commit", options->engine[e]->name);
		json_number("pages", pages);
		json_number("working_set", options->pages * BENCH_PAGE);
		json_list("ns", taken[e], options->rounds);
		json_end();
	}
}

void part_commit(const struct bench_options *options)
{
	struct commit_set set = {NULL, NULL, 0};
	void *opened[BENCH_ENGINES];
	uint64_t most = 0;

	for (unsigned i = 0; i < options->sizes; i++)
		most = options->size[i] > most ? options->size[i] : most;
	set.page = bench_memory(most * sizeof(*set.page));
	set.data = bench_memory(most * BENCH_PAGE);
	for (unsigned e = 0; e < options->engines; e++)
		opened[e] = bench_engine_make(options->engine[e], options);
	for (unsigned i = 0; i < options->sizes; i++)
		size_measure(options, opened, options->size[i], &set);
	for (unsigned e = 0; e < options->engines; e++) {
		options->engine[e]->close(opened[e]);
		bench_engine_remove(options->engine[e], options);
	}
}
