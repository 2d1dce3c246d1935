/* SPDX-License-Identifier: MIT */
/*
 * support.c - time, random numbers, page contents, files and output; see bench.h.
 */
#define _GNU_SOURCE /* pwrite */
#include "bench/store/bench.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILL_BYTES (UINT64_C(1) << 20)
#define HUGE_BYTES (UINT64_C(2) << 20)

void bench_fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("bench: ", stderr);
	vfprintf(stderr, format, arguments);
	fputs("\n", stderr);
	va_end(arguments);
	exit(1);
}

uint64_t bench_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * BENCH_SECOND_NS + (uint64_t)now.tv_nsec;
}

void *bench_memory(size_t bytes)
{
	void *memory =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		bench_fail("%zu bytes of memory are not to be had", bytes);
	/* Whoever gives a store its frames would: fewer faults, fewer misses. */
	if (bytes >= HUGE_BYTES)
		madvise(memory, bytes, MADV_HUGEPAGE);
	return memory;
}

/* ---- numbers and pages ------------------------------------------------- */

uint64_t bench_random(uint64_t *state)
{
	uint64_t mixed = *state += UINT64_C(0x9e3779b97f4a7c15);

	mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
	return mixed ^ mixed >> 31;
}

void bench_pages_choose(uint64_t *state, uint64_t limit, uint64_t *page, uint64_t count)
{
	static uint8_t *seen;
	static uint64_t seen_limit;

	if (count > limit)
		bench_fail("%" PRIu64 " different pages of %" PRIu64 " are asked for", count,
			   limit);
	if (seen_limit < limit) {
		free(seen);
		seen = calloc(limit / 8 + 1, 1);
		seen_limit = limit;
	}
	if (!seen)
		bench_fail("memory is short");
	for (uint64_t i = 0; i < count;) {
		uint64_t chosen = bench_random(state) % limit;

		if (seen[chosen / 8] & 1u << chosen % 8)
			continue;
		seen[chosen / 8] |= (uint8_t)(1u << chosen % 8);
		page[i++] = chosen;
	}
	for (uint64_t i = 0; i < count; i++)
		seen[page[i] / 8] = 0;
}

void bench_page_fill(void *data, uint64_t page, uint64_t version)
{
	uint64_t state = page * UINT64_C(0xd6e8feb86659fd93) + version;
	uint64_t *word = data;

	word[0] = page;
	for (unsigned i = 1; i < BENCH_PAGE / sizeof(*word); i++)
		word[i] = bench_random(&state);
}

void bench_page_check(const void *data, uint64_t page, uint32_t bytes)
{
	const uint64_t *word = data;
	uint64_t sum = 0;

	if (!data || word[0] != page)
		bench_fail("page %" PRIu64 " does not come back as it was written", page);
	for (unsigned i = 0; i < bytes / sizeof(*word); i++)
		sum += word[i];
	/* So that the compiler cannot leave the reading out. */
	__asm__ volatile("" : : "r"(sum));
}

void bench_corpus_open(struct bench_corpus *corpus, const char *path)
{
	struct stat information;
	int descriptor;
	void *data;

	*corpus = (struct bench_corpus){NULL, 0};
	if (!path)
		return;
	descriptor = open(path, O_RDONLY | O_CLOEXEC);
	if (descriptor < 0 || fstat(descriptor, &information) != 0 ||
	    information.st_size < (off_t)BENCH_PAGE)
		bench_fail("%s: cannot be read, or is shorter than a page", path);
	data = mmap(NULL, (size_t)information.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE,
		    descriptor, 0);
	if (data == MAP_FAILED)
		bench_fail("%s: %s", path, strerror(errno));
	close(descriptor);
	*corpus = (struct bench_corpus){data, (uint64_t)information.st_size / BENCH_PAGE};
}

void bench_corpus_fill(const struct bench_corpus *corpus, void *data, uint64_t page)
{
	if (!corpus->data)
		bench_page_fill(data, page, 0);
	else
		memcpy(data, corpus->data + page % corpus->pages * BENCH_PAGE, BENCH_PAGE);
}

/* ---- files ----------------------------------------------------------------- */

static int file_open(const char *path)
{
	int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (descriptor < 0)
		bench_fail("%s: %s", path, strerror(errno));
	return descriptor;
}

void bench_file_fill(const char *path, uint64_t bytes)
{
	static uint8_t zeros[FILL_BYTES];
	int descriptor = file_open(path);
	off_t end = lseek(descriptor, 0, SEEK_END);
	uint64_t at = end < 0 ? 0 : (uint64_t)end;

	while (at < bytes) {
		size_t part = bytes - at < FILL_BYTES ? bytes - at : FILL_BYTES;
		ssize_t done = pwrite(descriptor, zeros, part, (off_t)at);

		if (done <= 0)
			bench_fail("%s: cannot be filled up: %s", path, strerror(errno));
		at += (uint64_t)done;
	}
	if (fsync(descriptor) != 0)
		bench_fail("%s: %s", path, strerror(errno));
	close(descriptor);
}

void bench_file_make(const char *path, uint64_t bytes)
{
	int descriptor = file_open(path);

	if (ftruncate(descriptor, (off_t)bytes) != 0)
		bench_fail("%s: %s", path, strerror(errno));
	close(descriptor);
}

void bench_file_remove(const char *path)
{
	if (unlink(path) != 0 && errno != ENOENT)
		bench_fail("%s: %s", path, strerror(errno));
}

void bench_file_forget(const char *path)
{
	int descriptor = open(path, O_RDONLY | O_CLOEXEC);

	if (descriptor < 0)
		return;
	if (fsync(descriptor) != 0 || posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED) != 0)
		bench_fail("%s: the host's cache does not let go of it", path);
	close(descriptor);
}

void bench_file_path(char *path, size_t size, const char *folder, const char *name)
{
	if (snprintf(path, size, "%s/%s", folder, name) >= (int)size)
		bench_fail("%s: the path is too long", folder);
}

/* ---- contestants ------------------------------------------------------------- */

void bench_engine_path(const struct engine *engine, const struct bench_options *options, char *path,
		       size_t size)
{
	bench_file_path(path, size, options->folder, engine->name);
}

void *bench_engine_open(const struct engine *engine, const struct bench_options *options,
			enum bench_opening opening)
{
	static struct engine_place place;

	place = (struct engine_place){.pages = options->pages,
				      .cache_bytes = options->cache_bytes,
				      .fresh = opening != BENCH_AGAIN,
				      .loaded = opening == BENCH_FRESH_TO_LOAD,
				      .scattered = !options->sorted};
	if (place.fresh)
		bench_engine_remove(engine, options);
	bench_engine_path(engine, options, place.path, sizeof(place.path));
	return engine->open(&place);
}

void bench_engine_load(const struct engine *engine, void *opened, const struct bench_corpus *corpus,
		       uint64_t pages)
{
	uint8_t *data = bench_memory((size_t)BENCH_LOADING * BENCH_PAGE);

	for (uint64_t page = 0; page < pages;) {
		uint64_t first = page, end = page + BENCH_LOADING;

		if (end > pages)
			end = pages;
		for (; page < end; page++)
			bench_corpus_fill(corpus, data + (page - first) * BENCH_PAGE, page);
		engine->begin(opened, true);
		for (page = first; page < end; page++)
			engine->put(opened, page, data + (page - first) * BENCH_PAGE);
		engine->commit(opened);
	}
	munmap(data, (size_t)BENCH_LOADING * BENCH_PAGE);
}

void *bench_engine_make(const struct engine *engine, const struct bench_options *options)
{
	struct bench_corpus random = {NULL, 0};
	void *opened = bench_engine_open(engine, options, BENCH_FRESH);

	bench_engine_load(engine, opened, &random, options->pages);
	return opened;
}

void bench_engine_remove(const struct engine *engine, const struct bench_options *options)
{
	static const char *const ends[] = {"", "-lock", "-wal", "-shm", "-journal"};

	for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		char path[512], whole[528];

		bench_engine_path(engine, options, path, sizeof(path));
		snprintf(whole, sizeof(whole), "%s%s", path, ends[i]);
		bench_file_remove(whole);
	}
}

/* ---- output -------------------------------------------------------------------- */

void json_begin(const char *part, const char *engine)
{
	printf("{\"part\": \"%s\", \"engine\": \"%s\"", part, engine);
}

void json_number(const char *name, uint64_t value)
{
	printf(", \"%s\": %" PRIu64, name, value);
}

void json_list(const char *name, const uint64_t *value, uint64_t count)
{
	printf(", \"%s\": [", name);
	for (uint64_t i = 0; i < count; i++)
		printf("%s%" PRIu64, i ? "," : "", value[i]);
	printf("]");
}

void json_end(void)
{
	printf("}\n");
	fflush(stdout);
}
