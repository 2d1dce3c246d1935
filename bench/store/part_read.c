/* SPDX-License-Identifier: MIT */
/*
 * part_read.c - part (d): reading more than the contestant's own cache holds.
 *
 * Every page is read once, in order or in a random one, through the contestant's
 * cheapest way to look at it (LMDB: in its map; the store: in its frame), and
 * every byte is looked at.  The host's cache is emptied of the file before each
 * run (cold) or holds all of it (warm).
 */
#include "bench/store/bench.h"

static void order_make(uint64_t *page, const struct bench_options *options, uint64_t count)
{
	uint64_t state = options->seed;

	if (options->sorted)
		for (uint64_t i = 0; i < count; i++)
			page[i] = i;
	else
		bench_pages_choose(&state, options->pages, page, count);
}

static uint64_t read_measure(const struct bench_options *options, const struct engine *engine,
			     const uint64_t *page, uint64_t count)
{
	void *opened;
	uint64_t start, ns;

	if (options->cold) {
		char path[512];

		bench_engine_path(engine, options, path, sizeof(path));
		bench_file_forget(path);
	}
	opened = bench_engine_open(engine, options, BENCH_AGAIN);
	start = bench_now_ns();
	for (uint64_t i = 0; i < count; i++)
		bench_page_check(engine->get(opened, page[i]), page[i], engine->value_bytes);
	ns = bench_now_ns() - start;
	engine->close(opened);
	return ns;
}

void part_read(const struct bench_options *options)
{
	uint64_t *taken[BENCH_ENGINES];
	uint64_t count = options->size[0] < options->pages ? options->size[0] : options->pages;
	uint64_t *page = bench_memory(count * sizeof(*page));

	order_make(page, options, count);
	for (unsigned e = 0; e < options->engines; e++) {
		taken[e] = bench_memory(options->rounds * sizeof(uint64_t));
		options->engine[e]->close(bench_engine_make(options->engine[e], options));
	}
	/* The first round, which warms the host's cache, does not count. */
	for (uint64_t round = 0; round < 1 + options->rounds; round++) {
		for (unsigned turn = 0; turn < options->engines; turn++) {
			unsigned e = (unsigned)((round + turn) % options->engines);
			uint64_t ns = read_measure(options, options->engine[e], page, count);

			if (round)
				taken[e][round - 1] = ns;
		}
	}
	for (unsigned e = 0; e < options->engines; e++) {
		json_begin("read", options->engine[e]->name);
		json_number("reads", count);
		json_number("working_set", options->pages * BENCH_PAGE);
		json_number("cache_bytes", options->cache_bytes);
		json_number("sorted", options->sorted);
		json_number("cold", options->cold);
		json_list("ns", taken[e], options->rounds);
		json_end();
		bench_engine_remove(options->engine[e], options);
	}
}
