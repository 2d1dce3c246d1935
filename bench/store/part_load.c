/* SPDX-License-Identifier: MIT */
/*
 * part_load.c - part (c): filling an empty contestant, and the space it takes.
 *
 * Commits of 2,048 pages in rising order.  Each round makes every contestant
 * anew, on a file that was written in full before.
 */
#include "bench/store/bench.h"

static void load_measure(const struct bench_options *options, const struct bench_corpus *corpus,
			 const struct engine *engine, uint64_t *ns, uint64_t *space)
{
	void *opened = bench_engine_open(engine, options, BENCH_FRESH_TO_LOAD);
	uint64_t start = bench_now_ns();

	bench_engine_load(engine, opened, corpus, options->pages);
	*ns = bench_now_ns() - start;
	*space = engine->space_bytes(opened);
	engine->close(opened);
	bench_engine_remove(engine, options);
}

void part_load(const struct bench_options *options)
{
	struct bench_corpus corpus;
	uint64_t space[BENCH_ENGINES], *taken[BENCH_ENGINES];

	bench_corpus_open(&corpus, options->corpus);
	for (unsigned e = 0; e < options->engines; e++)
		taken[e] = bench_memory(options->rounds * sizeof(uint64_t));
	for (uint64_t round = 0; round < options->rounds; round++) {
		for (unsigned turn = 0; turn < options->engines; turn++) {
			unsigned e = (unsigned)((round + turn) % options->engines);

			load_measure(options, &corpus, options->engine[e], &taken[e][round],
				     &space[e]);
		}
	}
	for (unsigned e = 0; e < options->engines; e++) {
		const struct engine *engine = options->engine[e];

		json_begin("load", engine->name);
		json_number("bytes", options->pages * engine->value_bytes);
		json_number("space_bytes", space[e]);
		json_list("ns", taken[e], options->rounds);
		json_end();
	}
}
