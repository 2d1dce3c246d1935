/* SPDX-License-Identifier: MIT */
/*
 * bench.h - what the files of the benchmark of the store share.
 *
 * A contestant (struct engine) keeps pages of 4 KiB, named by number, and
 * commits sets of them durably.  All get the same pages with the same content in
 * the same order.  Every part prints one line of JSON for each thing measured;
 * run.py drives the parts and makes tables and plots of the lines.
 */
#ifndef BENCH_STORE_BENCH_H
#define BENCH_STORE_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_PAGE	4096u
#define BENCH_ENGINES	16u
#define BENCH_SIZES	16u
#define BENCH_LOADING	2048u /* pages of one commit while data is loaded */
#define BENCH_SECOND_NS UINT64_C(1000000000)
/* Sparse data: one page in so many bytes of the space, that is a map node each. */
#define BENCH_SPARSE_BYTES   (UINT64_C(512) << 10)
#define BENCH_SCATTER_COMMIT 1024u /* pages of a commit while it is made */

/* What a contestant has written since it was opened, as far as it can tell. */
struct engine_written {
	uint64_t device_bytes; /* given to its block device; 0: it has none of its own */
	uint64_t pages, nodes, map, catalogue; /* the same by kind of extent, in bytes */
	uint64_t commits;
};

struct engine_place {
	char path[512];
	uint64_t pages;	      /* of the data set */
	uint64_t cache_bytes; /* for contestants with a cache of their own */
	bool fresh;	      /* make it, on a file written in full beforehand */
	bool loaded;	      /* the load itself is what is measured */
	bool scattered;	      /* reads will be: no reading ahead where one can choose */
};

struct engine {
	const char *name;
	const char *what;
	uint32_t value_bytes; /* of each page that is kept */
	uint32_t single;      /* 1: only for commits of one page */
	void *(*open)(const struct engine_place *place);
	/* A commit begins; loading: pages are new and come in rising order. */
	void (*begin)(void *engine, bool loading);
	void (*put)(void *engine, uint64_t page, const void *data);
	void (*commit)(void *engine); /* returns when it is durable */
	/* Valid until the next call. */
	const void *(*get)(void *engine, uint64_t page);
	uint64_t (*space_bytes)(void *engine); /* in use for what is stored */
	void (*written)(void *engine, struct engine_written *written); /* may be null */
	void (*close)(void *engine);
};

extern const struct engine engine_store, engine_raw, engine_raw_pair;
extern const struct engine engine_lmdb, engine_lmdb_writemap, engine_lmdb_short;
extern const struct engine engine_lmdb_short_writemap;
extern const struct engine engine_sqlite_4096, engine_sqlite_8192;

/* What was asked for on the command line. */
struct bench_options {
	const struct engine *engine[BENCH_ENGINES];
	unsigned engines;
	const char *folder; /* for files, on the file system to be measured */
	const char *corpus; /* file with content to load; null: random bytes */
	uint64_t pages;
	uint64_t size[BENCH_SIZES]; /* pages of a commit, or what the part says */
	unsigned sizes;
	uint64_t rounds;
	uint64_t warm; /* rounds before these that do not count */
	uint64_t cache_bytes;
	uint64_t seed;
	bool cold;   /* the host's cache is emptied first */
	bool sorted; /* in order of pages */
};

void part_commit(const struct bench_options *options);
void part_load(const struct bench_options *options);
void part_read(const struct bench_options *options);
void part_open(const struct bench_options *options);
void part_snapshot(const struct bench_options *options);
void part_difference(const struct bench_options *options);
void part_written(const struct bench_options *options);

/* ---- support.c --------------------------------------------------------- */

/* Says what is wrong and ends the program. */
void bench_fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
uint64_t bench_now_ns(void);
void *bench_memory(size_t bytes); /* zeroed, page-aligned; never null */

/* The next number of a sequence that the state determines. */
uint64_t bench_random(uint64_t *state);
/* Different pages below `limit`, in the order they come; or sorted. */
void bench_pages_choose(uint64_t *state, uint64_t limit, uint64_t *page, uint64_t count);

/* A page's content that cannot be compressed, determined by number and version;
 * its first eight bytes are the number. */
void bench_page_fill(void *data, uint64_t page, uint64_t version);
/* Fails unless these are the bytes of that page; reads all of them. */
void bench_page_check(const void *data, uint64_t page, uint32_t bytes);

/* Content from a file, going round; null path: random bytes. */
struct bench_corpus {
	const uint8_t *data;
	uint64_t pages;
};
void bench_corpus_open(struct bench_corpus *corpus, const char *path);
void bench_corpus_fill(const struct bench_corpus *corpus, void *data, uint64_t page);

/* A file of so many bytes, each of them written; what it holds already stays. */
void bench_file_fill(const char *path, uint64_t bytes);
/* A file of so many bytes; those that it does not hold yet are not written. */
void bench_file_make(const char *path, uint64_t bytes);
void bench_file_remove(const char *path);
void bench_file_forget(const char *path); /* by the host's cache */
void bench_file_path(char *path, size_t size, const char *folder, const char *name);
/* Bytes that this process has given to the host's files, except through maps. */
uint64_t bench_host_bytes(void);

enum bench_opening { BENCH_AGAIN, BENCH_FRESH, BENCH_FRESH_TO_LOAD };
void *bench_engine_open(const struct engine *engine, const struct bench_options *options,
			enum bench_opening opening);
/* All pages, in order, from the corpus or random (version 0). */
void bench_engine_load(const struct engine *engine, void *opened, const struct bench_corpus *corpus,
		       uint64_t pages);
/* Opens a fresh one and loads it with random pages. */
void *bench_engine_make(const struct engine *engine, const struct bench_options *options);
void bench_engine_path(const struct engine *engine, const struct bench_options *options, char *path,
		       size_t size);
void bench_engine_remove(const struct engine *engine, const struct bench_options *options);

/* One line of JSON: begin, fields, end. */
void json_begin(const char *part, const char *engine);
void json_number(const char *name, uint64_t value);
void json_list(const char *name, const uint64_t *value, uint64_t count);
void json_end(void);

#endif
