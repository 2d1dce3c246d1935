/* SPDX-License-Identifier: MIT */
/*
 * part_written.c - part (g): what is written for what is changed.
 *
 * One contestant at a time.  What it gives to the host's file system is counted;
 * for the store that is what its block device gets.  Single-page commits are
 * counted over many, since some of them are full and most of them deltas.
 */
#include "bench/store/bench.h"

struct written_totals {
	struct engine_written engine;
	uint64_t host_bytes;
};

static struct written_totals totals_read(const struct engine *engine, void *opened)
{
	struct written_totals totals = {.host_bytes = bench_host_bytes()};

	if (engine->written)
		engine->written(opened, &totals.engine);
	return totals;
}

static void rounds_commit(const struct bench_options *options, const struct engine *engine,
			  void *opened, uint64_t pages, uint64_t first, uint64_t rounds)
{
	uint64_t *page = bench_memory(pages * sizeof(*page));
	uint8_t *data = bench_memory(BENCH_PAGE);

	for (uint64_t round = first; round < first + rounds; round++) {
		uint64_t state = options->seed + round * BENCH_SIZES + pages;

		bench_pages_choose(&state, options->pages, page, pages);
		engine->begin(opened, false);
		for (uint64_t i = 0; i < pages; i++) {
			bench_page_fill(data, page[i], options->seed + round + pages);
			engine->put(opened, page[i], data);
		}
		engine->commit(opened);
	}
}

static void size_measure(const struct bench_options *options, const struct engine *engine,
			 void *opened, uint64_t pages)
{
	/* The same number of pages for all sizes, but at least so many commits. */
	uint64_t rounds = options->rounds / pages > 30 ? options->rounds / pages : 30;
	uint64_t warm = options->warm / pages > 10 ? options->warm / pages : 10;
	struct written_totals before, after;

	rounds_commit(options, engine, opened, pages, 0, warm);
	before = totals_read(engine, opened);
	rounds_commit(options, engine, opened, pages, warm, rounds);
	after = totals_read(engine, opened);
	json_begin("written", engine->name);
	json_number("pages", pages);
	json_number("working_set", options->pages * BENCH_PAGE);
	json_number("changed_bytes", rounds * pages * engine->value_bytes);
	json_number("host_bytes", after.host_bytes - before.host_bytes);
	json_number("space_bytes", engine->space_bytes(opened));
	if (engine->written) {
		json_number("device_bytes", after.engine.device_bytes - before.engine.device_bytes);
		json_number("page_bytes", after.engine.pages - before.engine.pages);
		json_number("node_bytes", after.engine.nodes - before.engine.nodes);
		json_number("map_bytes", after.engine.map - before.engine.map);
		json_number("catalogue_bytes", after.engine.catalogue - before.engine.catalogue);
		json_number("commits", after.engine.commits - before.engine.commits);
	}
	json_end();
}

void part_written(const struct bench_options *options)
{
	for (unsigned e = 0; e < options->engines; e++) {
		const struct engine *engine = options->engine[e];
		void *opened = bench_engine_make(engine, options);

		for (unsigned i = 0; i < options->sizes; i++)
			size_measure(options, engine, opened, options->size[i]);
		engine->close(opened);
		bench_engine_remove(engine, options);
	}
}
