/* SPDX-License-Identifier: MIT */
/*
 * main.c - one part of the benchmark of the store: arguments, then the part.
 *
 *     store-bench PART NAME=VALUE...
 *
 * run.py knows which parts with which values make up `make bench-store`.
 */
#include "bench/store/bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct engine *const engines[] = {
	&engine_store,
	&engine_raw,
	&engine_raw_pair,
	&engine_lmdb,
	&engine_lmdb_writemap,
	&engine_lmdb_short,
	&engine_lmdb_short_writemap,
	&engine_sqlite_4096,
	&engine_sqlite_8192,
};

static const struct {
	const char *name;
	void (*run)(const struct bench_options *options);
} parts[] = {
	{"commit", part_commit},
	{"written", part_written},
	{"load", part_load},
	{"read", part_read},
	{"open", part_open},
	{"snapshot", part_snapshot},
	{"difference", part_difference},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void usage(void)
{
	fputs("usage: store-bench PART NAME=VALUE...\n\n"
	      "parts: commit written load read open snapshot difference\n"
	      "names: folder=PATH  engines=NAME,...  pages=N (of the data set)  sizes=N,...\n"
	      "       rounds=N  warm=N  cache_mib=N  seed=N  corpus=FILE  cold=0|1  sorted=0|1\n"
	      "sizes: pages of a commit; read: how many; open, snapshot: MiB; difference:\n"
	      "       pages that differ\n"
	      "engines:\n",
	      stderr);
	for (unsigned i = 0; i < COUNT(engines); i++)
		fprintf(stderr, "  %-20s %s\n", engines[i]->name, engines[i]->what);
	exit(2);
}

static uint64_t number(const char *text, char **end)
{
	uint64_t value;

	errno = 0;
	value = strtoull(text, end, 10);
	if (errno || *end == text || *text == '-')
		bench_fail("%s: not a number", text);
	return value;
}

static uint64_t whole_number(const char *text)
{
	char *end;
	uint64_t value = number(text, &end);

	if (*end)
		bench_fail("%s: not a number", text);
	return value;
}

static void sizes_parse(struct bench_options *options, const char *text)
{
	char *end;

	for (options->sizes = 0;; text = end + 1) {
		if (options->sizes == BENCH_SIZES)
			bench_fail("at most %u sizes", BENCH_SIZES);
		options->size[options->sizes++] = number(text, &end);
		if (!*end)
			return;
		if (*end != ',')
			bench_fail("%s: sizes are numbers with commas between them", text);
	}
}

static const struct engine *engine_find(const char *name, size_t length)
{
	for (unsigned i = 0; i < COUNT(engines); i++)
		if (strlen(engines[i]->name) == length &&
		    strncmp(engines[i]->name, name, length) == 0)
			return engines[i];
	bench_fail("%.*s: there is no such contestant", (int)length, name);
}

static void engines_parse(struct bench_options *options, const char *text)
{
	for (options->engines = 0;; text++) {
		size_t length = strcspn(text, ",");

		if (options->engines == BENCH_ENGINES)
			bench_fail("at most %u contestants", BENCH_ENGINES);
		options->engine[options->engines++] = engine_find(text, length);
		text += length;
		if (!*text)
			return;
	}
}

static void option_parse(struct bench_options *options, const char *name, const char *value)
{
	if (strcmp(name, "folder") == 0)
		options->folder = value;
	else if (strcmp(name, "corpus") == 0)
		options->corpus = value;
	else if (strcmp(name, "engines") == 0)
		engines_parse(options, value);
	else if (strcmp(name, "sizes") == 0)
		sizes_parse(options, value);
	else if (strcmp(name, "pages") == 0)
		options->pages = whole_number(value);
	else if (strcmp(name, "rounds") == 0)
		options->rounds = whole_number(value);
	else if (strcmp(name, "warm") == 0)
		options->warm = whole_number(value);
	else if (strcmp(name, "cache_mib") == 0)
		options->cache_bytes = whole_number(value) << 20;
	else if (strcmp(name, "seed") == 0)
		options->seed = whole_number(value);
	else if (strcmp(name, "cold") == 0)
		options->cold = whole_number(value);
	else if (strcmp(name, "sorted") == 0)
		options->sorted = whole_number(value);
	else
		usage();
}

int main(int count, char **argument)
{
	struct bench_options options = {
		.engine = {&engine_store},
		.engines = 1,
		.folder = ".",
		.pages = 16384,
		.size = {1},
		.sizes = 1,
		.rounds = 10,
		.cache_bytes = UINT64_C(256) << 20,
		.seed = 1,
	};

	if (count < 2)
		usage();
	for (int i = 2; i < count; i++) {
		char *value = strchr(argument[i], '=');

		if (!value)
			usage();
		*value = '\0';
		option_parse(&options, argument[i], value + 1);
	}
	if (!options.pages || !options.rounds || !options.cache_bytes)
		bench_fail("pages, rounds and cache_mib must not be zero");
	for (unsigned i = 0; i < COUNT(parts); i++) {
		if (strcmp(argument[1], parts[i].name) == 0) {
			parts[i].run(&options);
			return 0;
		}
	}
	usage();
}
