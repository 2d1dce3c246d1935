/* SPDX-License-Identifier: MIT */
/*
 * part_snapshot.c - part (f): snapshots, against the store's size and against
 * what differs.
 *
 * Deletion is timed from a fresh mount, so that whatever it looks at is read from
 * the device and counted, to the commit after which nothing of it is left.
 */
#include "bench/store/bench.h"
#include "bench/store/engine_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NAME_BYTES 32u
#define NO_NUMBER  ((snapshot_t){0})

/* What the snapshots of a part can reach of the file, however large the store is. */
#define WRITTEN_BYTES (UINT64_C(1) << 30)

struct deletion {
	uint64_t ns, reads, read_bytes, written_bytes, commits;
};

/* One of the stores whose snapshots are compared. */
struct sized {
	struct bench_store *bench;
	uint64_t *ns;
	uint64_t written_bytes, read_bytes; /* before the first */
	char path[512];
};

/* A store of its own, with one page for each 512 KiB of `bytes`. */
static struct bench_store *store_make(const struct bench_options *options, uint64_t bytes,
				      char *path, size_t path_size)
{
	uint64_t size = bytes + bytes / 4 + (UINT64_C(256) << 20);
	struct bench_store *bench;
	char name[NAME_BYTES];

	snprintf(name, sizeof(name), "store-%" PRIu64 "m", bytes >> 20);
	bench_file_path(path, path_size, options->folder, name);
	bench_file_remove(path);
	bench_file_fill(path, size < WRITTEN_BYTES ? size : WRITTEN_BYTES);
	bench_file_make(path, size);
	bench = bench_store_attach(path, options->cache_bytes);
	bench_store_format(bench);
	bench_store_scatter(bench, bytes);
	return bench;
}

static struct bench_store *store_again(struct bench_store *bench, const char *path,
				       const struct bench_options *options)
{
	bench_store_commit(bench, STORE_ACTION_STOP, NULL, NO_NUMBER);
	bench_store_detach(bench);
	bench = bench_store_attach(path, options->cache_bytes);
	bench_store_mount(bench);
	return bench;
}

static bool deletion_is_over(struct bench_store *bench)
{
	struct store_statistics statistics;

	store_statistics_get(bench->store, &statistics);
	return !statistics.dying.n;
}

/* The first search for a name after a mount reads the whole catalogue, once, and
 * is not counted. */
static struct deletion snapshot_delete(struct bench_store *bench, const char *name)
{
	struct store_statistics before, after;
	snapshot_t number = bench_store_find(bench, name).number;
	struct deletion deletion = {.reads = bench->submit_reads,
				    .read_bytes = bench->read_bytes,
				    .written_bytes = bench->written_bytes};
	uint64_t start = bench_now_ns();

	store_statistics_get(bench->store, &before);
	bench_store_commit(bench, STORE_ACTION_DELETE, NULL, number);
	while (!deletion_is_over(bench))
		bench_store_commit(bench, STORE_ACTION_NONE, NULL, NO_NUMBER);
	store_statistics_get(bench->store, &after);
	deletion.ns = bench_now_ns() - start;
	deletion.reads = bench->submit_reads - deletion.reads;
	deletion.read_bytes = bench->read_bytes - deletion.read_bytes;
	deletion.written_bytes = bench->written_bytes - deletion.written_bytes;
	deletion.commits = after.commits - before.commits;
	return deletion;
}

static void deletion_print(const struct deletion *deletion)
{
	json_number("delete_ns", deletion->ns);
	json_number("delete_reads", deletion->reads);
	json_number("delete_read_bytes", deletion->read_bytes);
	json_number("delete_written_bytes", deletion->written_bytes);
	json_number("delete_commits", deletion->commits);
}

/* ---- against size -------------------------------------------------------------- */

static void snapshot_take(struct sized *sized, uint64_t round)
{
	uint64_t start = bench_now_ns();
	char name[NAME_BYTES];

	snprintf(name, sizeof(name), "snapshot-%" PRIu64, round);
	bench_store_commit(sized->bench, STORE_ACTION_SNAPSHOT, name, NO_NUMBER);
	sized->ns[round] = bench_now_ns() - start;
}

static void size_end(const struct bench_options *options, struct sized *sized, uint64_t bytes)
{
	uint64_t written = sized->bench->written_bytes - sized->written_bytes;
	uint64_t read_bytes = sized->bench->read_bytes - sized->read_bytes;
	struct deletion deletion;
	char name[NAME_BYTES];

	sized->bench = store_again(sized->bench, sized->path, options);
	/* The newest two are equal; the older of them goes. */
	snprintf(name, sizeof(name), "snapshot-%" PRIu64, options->rounds - 2);
	deletion = snapshot_delete(sized->bench, name);
	json_begin("snapshot", engine_store.name);
	json_number("bytes", bytes);
	json_list("ns", sized->ns, options->rounds);
	json_number("written_bytes", written / options->rounds);
	json_number("read_bytes", read_bytes / options->rounds);
	deletion_print(&deletion);
	json_end();
	bench_store_detach(sized->bench);
	bench_file_remove(sized->path);
}

void part_snapshot(const struct bench_options *options)
{
	static struct sized all[BENCH_SIZES];

	if (options->rounds < 2)
		bench_fail("snapshot: at least two rounds are needed");
	for (unsigned i = 0; i < options->sizes; i++) {
		struct sized *sized = &all[i];

		sized->ns = bench_memory(options->rounds * sizeof(*sized->ns));
		sized->bench = store_make(options, options->size[i] << 20, sized->path,
					  sizeof(sized->path));
		sized->bench = store_again(sized->bench, sized->path, options);
		sized->written_bytes = sized->bench->written_bytes;
		sized->read_bytes = sized->bench->read_bytes;
	}
	/* In turn, so that what else the machine does meets all sizes alike. */
	for (uint64_t round = 0; round < options->rounds; round++)
		for (unsigned i = 0; i < options->sizes; i++)
			snapshot_take(&all[i], round);
	for (unsigned i = 0; i < options->sizes; i++)
		size_end(options, &all[i], options->size[i] << 20);
}

/* ---- against difference ----------------------------------------------------------- */

static void pages_change(struct bench_store *bench, const struct bench_options *options,
			 uint64_t changes)
{
	const uint64_t step = BENCH_SPARSE_BYTES / BENCH_PAGE;
	uint64_t *page = bench_memory(changes * sizeof(*page));
	uint64_t state = options->seed + changes;

	bench_pages_choose(&state, options->pages * BENCH_PAGE / BENCH_SPARSE_BYTES, page, changes);
	for (uint64_t i = 0; i < changes; i++) {
		uint64_t *word = bench_store_write(bench, page[i] * step);

		word[1] += 1 + i;
		if (i % BENCH_SCATTER_COMMIT == BENCH_SCATTER_COMMIT - 1)
			bench_store_commit(bench, STORE_ACTION_NONE, NULL, NO_NUMBER);
	}
	bench_store_commit(bench, STORE_ACTION_NONE, NULL, NO_NUMBER);
}

void part_difference(const struct bench_options *options)
{
	char path[512];
	struct bench_store *bench =
		store_make(options, options->pages * BENCH_PAGE, path, sizeof(path));

	for (unsigned i = 0; i < options->sizes; i++) {
		struct deletion deletion;

		bench_store_commit(bench, STORE_ACTION_SNAPSHOT, "before", NO_NUMBER);
		pages_change(bench, options, options->size[i]);
		bench = store_again(bench, path, options);
		deletion = snapshot_delete(bench, "before");
		json_begin("difference", engine_store.name);
		json_number("bytes", options->pages * BENCH_PAGE);
		json_number("changed", options->size[i]);
		deletion_print(&deletion);
		json_end();
	}
	bench_store_detach(bench);
	bench_file_remove(path);
}
