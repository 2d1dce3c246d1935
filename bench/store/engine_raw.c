/* SPDX-License-Identifier: MIT */
/*
 * engine_raw.c - no store at all: pages written in place, then flushed.
 *
 * Nothing is atomic; it is the least that durability costs.  The second variant
 * writes eight KiB at the place of each page: what a store must at least write
 * for one page that is not written in place, page and record.
 */
#define _GNU_SOURCE /* pwrite */
#include "bench/store/bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct raw {
	int descriptor;
	uint64_t pages;
	bool pair;
	uint8_t page[2 * BENCH_PAGE];
};

static struct raw *raw_make(const struct engine_place *place, bool pair)
{
	struct raw *raw = bench_memory(sizeof(*raw));

	if (place->fresh) {
		unlink(place->path);
		bench_file_fill(place->path, (place->pages + 1) * BENCH_PAGE);
	}
	raw->descriptor = open(place->path, O_RDWR | O_CLOEXEC);
	if (raw->descriptor < 0)
		bench_fail("%s: %s", place->path, strerror(errno));
	posix_fadvise(raw->descriptor, 0, 0,
		      place->scattered ? POSIX_FADV_RANDOM : POSIX_FADV_SEQUENTIAL);
	raw->pages = place->pages;
	raw->pair = pair;
	return raw;
}

static void *raw_open(const struct engine_place *place)
{
	return raw_make(place, false);
}

static void *raw_pair_open(const struct engine_place *place)
{
	return raw_make(place, true);
}

static void raw_begin(void *engine, bool loading)
{
	(void)engine;
	(void)loading;
}

static void raw_put(void *engine, uint64_t page, const void *data)
{
	struct raw *raw = engine;
	size_t bytes = raw->pair ? 2 * BENCH_PAGE : BENCH_PAGE;

	if (raw->pair) {
		memcpy(raw->page, data, BENCH_PAGE);
		memcpy(raw->page + BENCH_PAGE, data, BENCH_PAGE);
		data = raw->page;
	}
	if (pwrite(raw->descriptor, data, bytes, (off_t)(page * BENCH_PAGE)) != (ssize_t)bytes)
		bench_fail("raw: writing failed: %s", strerror(errno));
}

static void raw_commit(void *engine)
{
	struct raw *raw = engine;

	if (fdatasync(raw->descriptor) != 0)
		bench_fail("raw: fdatasync failed: %s", strerror(errno));
}

static const void *raw_get(void *engine, uint64_t page)
{
	struct raw *raw = engine;

	if (pread(raw->descriptor, raw->page, BENCH_PAGE, (off_t)(page * BENCH_PAGE)) !=
	    (ssize_t)BENCH_PAGE)
		bench_fail("raw: reading failed: %s", strerror(errno));
	return raw->page;
}

static uint64_t raw_space_bytes(void *engine)
{
	struct raw *raw = engine;

	return raw->pages * BENCH_PAGE;
}

static void raw_close(void *engine)
{
	struct raw *raw = engine;

	close(raw->descriptor);
}

const struct engine engine_raw = {
	.name = "raw",
	.what = "pwrite in place and fdatasync",
	.value_bytes = BENCH_PAGE,
	.open = raw_open,
	.begin = raw_begin,
	.put = raw_put,
	.commit = raw_commit,
	.get = raw_get,
	.space_bytes = raw_space_bytes,
	.close = raw_close,
};

const struct engine engine_raw_pair = {
	.name = "raw-8k",
	.what = "one pwrite of 8 KiB and fdatasync",
	.value_bytes = BENCH_PAGE,
	.single = 1,
	.open = raw_pair_open,
	.begin = raw_begin,
	.put = raw_put,
	.commit = raw_commit,
	.get = raw_get,
	.space_bytes = raw_space_bytes,
	.close = raw_close,
};
