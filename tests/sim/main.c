/* SPDX-License-Identifier: MIT */
/*
 * main.c - runs cases until a number of crash states, of cases or of seconds is
 * reached, and says how many there were.
 *
 * Between the seeds lies nothing but their difference: case i of a run with
 * seed s is the only case of a run with seed s + i and the mode printed.
 */
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "store/check.h"
#include "tests/sim/workload.h"

struct mode {
	const char *name;
	void (*run)(uint64_t seed);
};

static const struct mode modes[] = {
	{"crash", case_crash}, {"recovery", case_recovery}, {"errors", case_errors},
	{"flip", case_flip},   {"full", case_full},
};
#define MODES (sizeof(modes) / sizeof(modes[0]))

/* The order of modes in a run of all of them: mostly crashes. */
static const uint8_t mixture[] = {0, 3, 0, 1, 2, 0, 3, 0, 4, 0, 1, 3, 0, 0, 3, 0};

struct sim_totals sim_totals;

static uint64_t case_seed;
static const char *case_mode;
static const char *program;
static unsigned verbose;

/* ---- telling ---------------------------------------------------------- */

static void totals_print(void)
{
	printf("sim: %llu crash states, %llu recovery crashes, %llu io failures, %llu flips, "
	       "%llu failures\n",
	       (unsigned long long)sim_totals.crash_states,
	       (unsigned long long)sim_totals.recovery_crashes,
	       (unsigned long long)sim_totals.io_failures, (unsigned long long)sim_totals.flips,
	       (unsigned long long)sim_totals.failures);
}

static void repeat_print(void)
{
	printf("sim: repeat with: %s --mode %s --seed %llu --cases 1 --verbose\n", program,
	       case_mode, (unsigned long long)case_seed);
}

void sim_fail(const char *format, ...)
{
	va_list arguments;

	printf("sim: FAILURE in mode %s, seed %llu: ", case_mode, (unsigned long long)case_seed);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf("\n");
	repeat_print();
	sim_totals.failures++;
	totals_print();
	fflush(stdout);
	_exit(1);
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

void *sim_allocate(uint64_t bytes)
{
	uint64_t rounded = (bytes + 4095) / 4096 * 4096;
	void *memory =
		rounded >= 65536 ? aligned_alloc(4096, rounded) : calloc(1, bytes ? bytes : 1);

	SIM_CHECK(memory, "memory is short");
	if (rounded >= 65536)
		memset(memory, 0, rounded);
	return memory;
}

/* A failed assertion of the engine, or a crash, is a failure like any other. */
void store_check_failed(const char *file, int line, const char *what)
{
	sim_fail("%s:%d: assertion: %s", file, line, what);
}

static void on_signal(int number)
{
	printf("sim: FAILURE in mode %s, seed %llu: signal %d\n", case_mode,
	       (unsigned long long)case_seed, number);
	repeat_print();
	sim_totals.failures++;
	totals_print();
	fflush(stdout);
	_exit(1);
}

/* ---- the run ---------------------------------------------------------- */

struct options {
	uint64_t seed, states, seconds, cases;
	const char *mode;
};

static const struct mode *mode_find(const char *name)
{
	for (unsigned i = 0; i < MODES; i++)
		if (strcmp(modes[i].name, name) == 0)
			return &modes[i];
	return NULL;
}

static void usage(void)
{
	printf("usage: sim [--seed N] [--mode MODE] [--states N] [--seconds N] [--cases N] "
	       "[--verbose]\n"
	       "Runs cases until one of the limits is reached.\n"
	       "modes: all");
	for (unsigned i = 0; i < MODES; i++)
		printf(" %s", modes[i].name);
	printf("\n");
}

static bool options_parse(struct options *options, int count, char **arguments)
{
	static const struct option known[] = {
		{"seed", required_argument, NULL, 's'},
		{"states", required_argument, NULL, 'n'},
		{"seconds", required_argument, NULL, 't'},
		{"mode", required_argument, NULL, 'm'},
		{"cases", required_argument, NULL, 'c'},
		{"verbose", no_argument, NULL, 'v'},
		{NULL, 0, NULL, 0},
	};
	int option;

	*options = (struct options){.seed = 1, .mode = "all"};
	while ((option = getopt_long(count, arguments, "", known, NULL)) != -1) {
		switch (option) {
		case 's':
			options->seed = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			options->states = strtoull(optarg, NULL, 0);
			break;
		case 't':
			options->seconds = strtoull(optarg, NULL, 0);
			break;
		case 'c':
			options->cases = strtoull(optarg, NULL, 0);
			break;
		case 'm':
			options->mode = optarg;
			break;
		case 'v':
			verbose++;
			break;
		default:
			return false;
		}
	}
	if (!options->states && !options->seconds && !options->cases)
		options->seconds = 10;
	return optind == count && (strcmp(options->mode, "all") == 0 || mode_find(options->mode));
}

static uint64_t seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec;
}

static bool finished(const struct options *options, uint64_t cases, uint64_t start)
{
	return (options->cases && cases >= options->cases) ||
	       (options->states && sim_totals.crash_states >= options->states) ||
	       (options->seconds && seconds_now() - start >= options->seconds);
}

int main(int count, char **arguments)
{
	struct options options;
	uint64_t start = seconds_now(), cases = 0;

	program = arguments[0];
	if (!options_parse(&options, count, arguments)) {
		usage();
		return 2;
	}
	/* The same large blocks come and go with every image. */
	mallopt(M_MMAP_THRESHOLD, 64 << 20);
	mallopt(M_TRIM_THRESHOLD, 512 << 20);
	for (int i = 0; i < 4; i++)
		signal((const int[]){SIGSEGV, SIGABRT, SIGFPE, SIGBUS}[i], on_signal);
	for (; !finished(&options, cases, start); cases++) {
		const struct mode *mode = mode_find(options.mode);

		if (!mode)
			mode = &modes[mixture[cases % sizeof(mixture)]];
		case_seed = options.seed + cases;
		case_mode = mode->name;
		sim_trace("case %s %llu", case_mode, (unsigned long long)case_seed);
		mode->run(case_seed);
	}
	printf("sim: %llu cases, %llu commits, %llu restores, %llu deletes, %llu mounts, "
	       "%llu warm restarts, %llu fall backs, %llu full disks, %llu pages compared\n",
	       (unsigned long long)cases, (unsigned long long)sim_totals.commits,
	       (unsigned long long)sim_totals.restores, (unsigned long long)sim_totals.deletes,
	       (unsigned long long)sim_totals.mounts, (unsigned long long)sim_totals.warm_restarts,
	       (unsigned long long)sim_totals.fall_backs, (unsigned long long)sim_totals.full_disks,
	       (unsigned long long)sim_totals.pages_compared);
	totals_print();
	return 0;
}
