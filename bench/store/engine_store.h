/* SPDX-License-Identifier: MIT */
/*
 * engine_store.h - the store over a file, driven by one thread that waits.
 *
 * Between the store and the file stands a device that counts what passes.  It
 * never makes holes in the file.  Every function ends the program on failure.
 */
#ifndef BENCH_STORE_ENGINE_STORE_H
#define BENCH_STORE_ENGINE_STORE_H

#include "bench/store/bench.h"
#include "store/store.h"
#include "tools/mkstore/file_device.h"

struct bench_store {
	struct file_device *file;
	struct block_device *inner;
	struct block_device device; /* counts, then hands on to `inner` */
	uint64_t read_bytes, written_bytes, flushes;
	uint64_t submit_reads;
	struct store_limits limits;
	void *memory;
	uint8_t *frames;
	struct store *store;
	struct store_recovery recovery;
};

/* The engine over this file, neither formatted nor mounted. */
struct bench_store *bench_store_attach(const char *path, uint64_t cache_bytes);
void bench_store_format(struct bench_store *bench);
void bench_store_mount(struct bench_store *bench);
void bench_store_detach(struct bench_store *bench);

/* The page's frame, after waiting for it. */
void *bench_store_write(struct bench_store *bench, uint64_t page);
const void *bench_store_read(struct bench_store *bench, uint64_t page);
/* Commits and waits until it is durable.  name: of a snapshot, or null. */
void bench_store_commit(struct bench_store *bench, enum store_action action, const char *name,
			snapshot_t number);
/* One page in each BENCH_SPARSE_BYTES of so many bytes of the space, committed. */
void bench_store_scatter(struct bench_store *bench, uint64_t bytes);
struct store_snapshot bench_store_find(struct bench_store *bench, const char *name);

#endif
