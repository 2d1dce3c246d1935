/* SPDX-License-Identifier: MIT */
/*
 * part_open.c - part (e): from a closed file to the first page that is read.
 *
 * The sizes are those of the space; it holds one page for each 512 KiB, so each
 * page has a map node of its own and the trees are as high as those of a space
 * that is full.  The store's process ends without a last commit each time, as
 * after a power cut.
 */
#include "bench/store/bench.h"
#include "bench/store/engine_store.h"

#include <stdio.h>
#include <string.h>

#define STEP_PAGES (BENCH_SPARSE_BYTES / BENCH_PAGE)

void bench_store_scatter(struct bench_store *bench, uint64_t bytes)
{
	uint64_t pages = bytes / BENCH_SPARSE_BYTES ? bytes / BENCH_SPARSE_BYTES : 1;

	for (uint64_t i = 0; i < pages; i++) {
		uint64_t page = i * STEP_PAGES;

		memcpy(bench_store_write(bench, page), &page, sizeof(page));
		if (i % BENCH_SCATTER_COMMIT == BENCH_SCATTER_COMMIT - 1)
			bench_store_commit(bench, STORE_ACTION_NONE, NULL, (snapshot_t){0});
	}
	bench_store_commit(bench, STORE_ACTION_NONE, NULL, (snapshot_t){0});
}

static void store_make(const char *path, uint64_t bytes, uint64_t cache_bytes)
{
	struct bench_store *bench;

	bench_file_remove(path);
	bench_file_make(path, bytes + bytes / 8 + (UINT64_C(64) << 20));
	bench = bench_store_attach(path, cache_bytes);
	bench_store_format(bench);
	bench_store_scatter(bench, bytes);
	bench_store_detach(bench);
}

static uint64_t store_open_once(const char *path, uint64_t page, uint64_t cache_bytes,
				uint64_t *read_bytes)
{
	uint64_t start = bench_now_ns(), ns;
	struct bench_store *bench = bench_store_attach(path, cache_bytes);
	const void *data;

	bench_store_mount(bench);
	data = bench_store_read(bench, page);
	ns = bench_now_ns() - start;
	bench_page_check(data, page, BENCH_PAGE);
	*read_bytes = bench->read_bytes;
	bench_store_detach(bench);
	return ns;
}

void part_open(const struct bench_options *options)
{
	uint64_t *ns[BENCH_SIZES];
	uint64_t read_bytes[BENCH_SIZES];
	char path[BENCH_SIZES][512];

	for (unsigned i = 0; i < options->sizes; i++) {
		char name[64];

		snprintf(name, sizeof(name), "store-open-%u", i);
		bench_file_path(path[i], sizeof(path[i]), options->folder, name);
		store_make(path[i], options->size[i] << 20, options->cache_bytes);
		ns[i] = bench_memory(options->rounds * sizeof(uint64_t));
	}
	/* In turn, so that what else the machine does meets all sizes alike. */
	for (uint64_t round = 0; round < options->rounds; round++) {
		for (unsigned i = 0; i < options->sizes; i++) {
			uint64_t last = (options->size[i] << 20) / BENCH_SPARSE_BYTES - 1;

			if (options->cold)
				bench_file_forget(path[i]);
			ns[i][round] = store_open_once(path[i], last * STEP_PAGES,
						       options->cache_bytes, &read_bytes[i]);
		}
	}
	for (unsigned i = 0; i < options->sizes; i++) {
		json_begin("open", engine_store.name);
		json_number("bytes", options->size[i] << 20);
		json_number("cold", options->cold);
		json_number("read_bytes", read_bytes[i]);
		json_list("ns", ns[i], options->rounds);
		json_end();
	}
	for (unsigned i = 0; i < options->sizes; i++)
		bench_file_remove(path[i]);
}
