/* SPDX-License-Identifier: MIT */
/*
 * main.c - runs cases until a number of crash states, of cases or of seconds is
 * reached, and says how many there were.
 *
 * Between the seeds lies nothing but their difference: case i of a run with
 * seed s is the only case of a run with seed s + i and the mode printed.
 */
#define _DEFAULT_SOURCE
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "base/assert.h"
#include "tests/sim/shrink.h"
#include "tests/sim/workload.h"

struct mode {
	const char *name;
	void (*run)(uint64_t seed);
	size_t figure; /* what --count counts: offset in struct sim_totals */
};

#define FIGURE(name) offsetof(struct sim_totals, name)
static const struct mode modes[] = {
	{"crash", case_crash, FIGURE(crash_states)},
	{"recovery", case_recovery, FIGURE(recovery_crashes)},
	{"deltas", case_deltas, FIGURE(deltas)},
	{"errors", case_errors, FIGURE(io_failures)},
	{"outages", case_outages, FIGURE(outages)},
	{"flip", case_flip, FIGURE(flips)},
	{"lies", case_lies, FIGURE(lies)},
	{"full", case_full, FIGURE(crash_states)},
	{"filling", case_filling, FIGURE(fillings)},
	{"memory", case_memory, FIGURE(memories)},
	{"sequences", case_sequences, FIGURE(sequences)},
	{"snapshots", case_snapshots, FIGURE(snapshots)},
};
#define MODES (sizeof(modes) / sizeof(modes[0]))

/* The order of modes in a run of all of them: mostly crashes. */
static const uint8_t mixture[] = {0, 5, 0, 1, 3, 4, 0, 6, 0, 7, 4, 1, 5, 0, 2, 6, 0};

/* What is told at the end. */
static const struct {
	const char *name;
	size_t figure;
} figures[] = {
	{"crash_states", FIGURE(crash_states)},
	{"recovery_crashes", FIGURE(recovery_crashes)},
	{"io_failures", FIGURE(io_failures)},
	{"outages", FIGURE(outages)},
	{"abandoned", FIGURE(abandoned)},
	{"flips", FIGURE(flips)},
	{"lies", FIGURE(lies)},
	{"fillings", FIGURE(fillings)},
	{"memories", FIGURE(memories)},
	{"sequences", FIGURE(sequences)},
	{"snapshots", FIGURE(snapshots)},
	{"commits", FIGURE(commits)},
	{"deltas", FIGURE(deltas)},
	{"discards", FIGURE(discards)},
	{"scrubs", FIGURE(scrubs)},
	{"restores", FIGURE(restores)},
	{"deletes", FIGURE(deletes)},
	{"mounts", FIGURE(mounts)},
	{"warm_restarts", FIGURE(warm_restarts)},
	{"fall_backs", FIGURE(fall_backs)},
	{"full_disks", FIGURE(full_disks)},
	{"verify_runs", FIGURE(verify_runs)},
	{"verify_whole", FIGURE(verify_whole)},
	{"verdicts_shared", FIGURE(verdicts_shared)},
	{"mounts_shared", FIGURE(mounts_shared)},
	{"pages_compared", FIGURE(pages_compared)},
};

struct options {
	uint64_t seed, count, seconds, cases;
	uint64_t shrink_seconds, like;
	const char *mode;
};

/* A case that is not over when the time is may go on for so long. */
#define GRACE_SECONDS 2u

struct sim_totals sim_totals;

static struct options options = {.seed = 1, .mode = "all", .shrink_seconds = 60};
static uint64_t case_seed, cases_run, start_seconds;
static const struct mode *case_mode;
static const char *program;
static unsigned verbose;
static bool variant_asked, variant_known;
static uint64_t variant_wanted, variant_now;

/* ---- variants --------------------------------------------------------- */

bool sim_variant(uint64_t variant)
{
	sim_deadline();
	variant_now = variant;
	variant_known = true;
	return !variant_asked || variant == variant_wanted;
}

bool sim_variant_only(uint64_t *variant)
{
	*variant = variant_wanted;
	return variant_asked;
}

/* ---- telling ---------------------------------------------------------- */

static uint64_t figure_get(size_t figure)
{
	return *(const uint64_t *)(const void *)((const uint8_t *)&sim_totals + figure);
}

static void totals_print(void)
{
	printf("sim: figures");
	for (unsigned i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
		if (figure_get(figures[i].figure))
			printf(" %s=%llu", figures[i].name,
			       (unsigned long long)figure_get(figures[i].figure));
	printf("\nsim: %llu failures\n", (unsigned long long)sim_totals.failures);
}

/* ---- time ------------------------------------------------------------- */

static uint64_t seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec;
}

static void run_end(const char *more)
{
	printf("sim: %llu cases of mode %s%s\n", (unsigned long long)cases_run, options.mode, more);
	totals_print();
	fflush(stdout);
}

void sim_deadline(void)
{
	if (!options.seconds || seconds_now() - start_seconds < options.seconds + GRACE_SECONDS)
		return;
	run_end(" and a part of the next");
	_exit(0);
}

/* ---- failures --------------------------------------------------------- */

/* What kind of failure it is, whatever the numbers in its text. */
static uint64_t failure_kind(const char *text)
{
	uint64_t hash = 5381;

	while (*text)
		hash = hash * 33 + (uint8_t)*text++;
	return hash;
}

/* What it was is printed. */
__attribute__((noreturn)) static void failure_end(uint64_t kind)
{
	struct shrink_command command = {
		.program = program,
		.mode = case_mode->name,
		.seed = case_seed,
		.variant_known = variant_known,
		.variant = variant_now,
		.like = kind,
		.seconds = options.shrink_seconds,
	};

	sim_totals.failures++;
	if (options.like && options.like != kind)
		_exit(1);
	shrink_operations_print();
	shrink_command_print(&command);
	shrink_run(&command);
	if (!options.like)
		totals_print();
	fflush(stdout);
	_exit(options.like ? SHRINK_SAME : 1);
}

void sim_fail(const char *format, ...)
{
	va_list arguments;

	printf("sim: FAILURE in mode %s, seed %llu: ", case_mode->name,
	       (unsigned long long)case_seed);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf("\n");
	failure_end(failure_kind(format));
}

static void trace(unsigned level, const char *format, va_list arguments)
{
	if (verbose < level)
		return;
	vprintf(format, arguments);
	printf("\n");
}

void sim_trace(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	trace(1, format, arguments);
	va_end(arguments);
}

void sim_trace_detail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	trace(2, format, arguments);
	va_end(arguments);
}

void *sim_allocate_dirty(uint64_t bytes)
{
	void *memory = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);

	SIM_CHECK(memory, "memory is short");
	return memory;
}

void *sim_allocate(uint64_t bytes)
{
	void *memory = bytes < 65536 ? calloc(1, bytes ? bytes : 1) : sim_allocate_dirty(bytes);

	SIM_CHECK(memory, "memory is short");
	if (bytes >= 65536)
		memset(memory, 0, bytes);
	return memory;
}

/* A failed assertion of the engine, or a crash, is a failure like any other. */
void assert_failed(const char *file, int line, const char *what)
{
	printf("sim: FAILURE in mode %s, seed %llu: %s:%d: assertion: %s\n", case_mode->name,
	       (unsigned long long)case_seed, file, line, what);
	failure_end(failure_kind(what));
}

static void on_signal(int number)
{
	/* A second one, while this one is told of, ends everything. */
	signal(number, SIG_DFL);
	printf("sim: FAILURE in mode %s, seed %llu: signal %d\n", case_mode->name,
	       (unsigned long long)case_seed, number);
	failure_end((uint64_t)number);
}

/* ---- memory ------------------------------------------------------------ */

#define HEAP_BYTES (256 << 20)

/*
 * The same large blocks come and go with every image.  All is one heap, of pages as large
 * as there are: what images, caches and stores hold lies far apart, and with small pages
 * the processor loses time with looking for them.
 */
static void memory_prepare(void)
{
	void *volatile first;
	uintptr_t from;

	mallopt(M_MMAP_THRESHOLD, 64 << 20);
	mallopt(M_TRIM_THRESHOLD, 2 * HEAP_BYTES);
	mallopt(M_TOP_PAD, HEAP_BYTES);
	first = malloc(1);
	free(first);
	from = ((uintptr_t)sbrk(0) - HEAP_BYTES) & ~(uintptr_t)4095;
	(void)madvise((void *)from, HEAP_BYTES, MADV_HUGEPAGE);
}

/* ---- the run ---------------------------------------------------------- */

static const struct mode *mode_find(const char *name)
{
	for (unsigned i = 0; i < MODES; i++)
		if (strcmp(modes[i].name, name) == 0)
			return &modes[i];
	return NULL;
}

static void usage(void)
{
	printf("usage: sim [--mode MODE] [--seed N] [--count N] [--seconds N] [--cases N]\n"
	       "           [--shrink SECONDS] [--only VARIANT] [--keep LIST] [--verbose]\n"
	       "Runs cases until one of the limits is reached: --count of what the mode counts,\n"
	       "of cases, or of seconds, then in the middle of a case.  A failure is reduced to\n"
	       "the shortest list of operations within --shrink seconds (60; 0: not at all).\n"
	       "modes: all");
	for (unsigned i = 0; i < MODES; i++)
		printf(" %s", modes[i].name);
	printf("\n");
}

static bool option_take(int option, const char *text)
{
	switch (option) {
	case 's':
		options.seed = strtoull(text, NULL, 0);
		return true;
	case 'n':
		options.count = strtoull(text, NULL, 0);
		return true;
	case 't':
		options.seconds = strtoull(text, NULL, 0);
		return true;
	case 'c':
		options.cases = strtoull(text, NULL, 0);
		return true;
	case 'm':
		options.mode = text;
		return true;
	case 'r':
		options.shrink_seconds = strtoull(text, NULL, 0);
		return true;
	case 'l':
		options.like = strtoull(text, NULL, 0);
		return true;
	case 'o':
		variant_asked = true;
		variant_wanted = strtoull(text, NULL, 0);
		return true;
	case 'k':
		return shrink_keep_parse(text);
	case 'v':
		verbose++;
		return true;
	default:
		return false;
	}
}

static bool options_parse(int count, char **arguments)
{
	static const struct option known[] = {
		{"seed", required_argument, NULL, 's'},
		{"count", required_argument, NULL, 'n'},
		{"seconds", required_argument, NULL, 't'},
		{"mode", required_argument, NULL, 'm'},
		{"cases", required_argument, NULL, 'c'},
		{"shrink", required_argument, NULL, 'r'},
		{"like", required_argument, NULL, 'l'},
		{"only", required_argument, NULL, 'o'},
		{"keep", required_argument, NULL, 'k'},
		{"verbose", no_argument, NULL, 'v'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(count, arguments, "", known, NULL)) != -1)
		if (!option_take(option, optarg))
			return false;
	if (!options.count && !options.seconds && !options.cases)
		options.seconds = 10;
	return optind == count && (strcmp(options.mode, "all") == 0 || mode_find(options.mode));
}

static bool finished(const struct mode *mode)
{
	size_t figure = mode ? mode->figure : FIGURE(crash_states);

	return (options.cases && cases_run >= options.cases) ||
	       (options.count && figure_get(figure) >= options.count) ||
	       (options.seconds && seconds_now() - start_seconds >= options.seconds);
}

static void case_run(const struct mode *mode, uint64_t seed)
{
	case_seed = seed;
	case_mode = mode;
	variant_known = false;
	shrink_case_begin();
	sim_trace("case %s %llu", mode->name, (unsigned long long)seed);
	mode->run(seed);
}

int main(int count, char **arguments)
{
	const struct mode *mode;

	start_seconds = seconds_now();
	program = arguments[0];
	case_mode = &modes[0];
	if (!options_parse(count, arguments)) {
		usage();
		return 2;
	}
	memory_prepare();
	for (int i = 0; i < 4; i++)
		signal((const int[]){SIGSEGV, SIGABRT, SIGFPE, SIGBUS}[i], on_signal);
	mode = mode_find(options.mode);
	for (; !finished(mode); cases_run++)
		case_run(mode ? mode : &modes[mixture[cases_run % sizeof(mixture)]],
			 options.seed + cases_run);
	run_end("");
	return 0;
}
