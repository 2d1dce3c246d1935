/* SPDX-License-Identifier: MIT */
/*
 * shrink.c - the shortest list of operations that fails; see shrink.h.
 */
#include "tests/sim/shrink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TURNS_MAX	4096u /* operations of a case that can be left out */
#define TEXTS_MAX	64u   /* operations told of */
#define LIST_BYTES	(TURNS_MAX * 6)
#define ATTEMPT_SECONDS 30u

static bool keep[TURNS_MAX];
static bool keep_given;
static uint32_t turns;	 /* of this case, those left out included */
static uint32_t current; /* operation being carried out */
static uint32_t texts;	 /* operations told of by sim_operation() */
static char text[TEXTS_MAX][160];

/* ---- which operations ------------------------------------------------- */

bool shrink_keep_parse(const char *list)
{
	keep_given = true;
	while (*list) {
		char *end;
		unsigned long first = strtoul(list, &end, 10), last = first;

		if (end == list)
			return false;
		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		if (last >= TURNS_MAX || last < first || (*end && *end != ','))
			return false;
		for (unsigned long i = first; i <= last; i++)
			keep[i] = true;
		list = *end ? end + 1 : end;
	}
	return true;
}

bool shrink_keep_given(void)
{
	return keep_given;
}

bool sim_turn(uint32_t turn)
{
	if (turn >= turns)
		turns = turn + 1;
	current = turn;
	return !keep_given || (turn < TURNS_MAX && keep[turn]);
}

void shrink_case_begin(void)
{
	turns = 0;
	texts = 0;
}

void sim_operation(const char *format, ...)
{
	char line[128];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	snprintf(text[texts++ % TEXTS_MAX], sizeof(text[0]), "%4u  %s", current, line);
	sim_trace("  %s", line);
}

void shrink_operations_print(void)
{
	uint32_t first = texts > TEXTS_MAX ? texts - TEXTS_MAX : 0;

	if (first)
		printf("sim: the last of %u operations:\n", texts);
	for (uint32_t i = first; i < texts; i++)
		printf("sim:   %s\n", text[i % TEXTS_MAX]);
}

/* ---- commands --------------------------------------------------------- */

/* "0-4,7" */
static void list_write(char *list, const bool *kept, uint32_t count)
{
	char *at = list;

	*at = 0;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t first = i;

		if (!kept[i])
			continue;
		while (i + 1 < count && kept[i + 1])
			i++;
		at += snprintf(at, 16, i > first ? "%s%u-%u" : "%s%u", at > list ? "," : "", first,
			       i);
	}
}

void shrink_command_print(const struct shrink_command *command)
{
	static char list[LIST_BYTES];

	printf("sim: repeat with: %s --mode %s --seed %llu --cases 1", command->program,
	       command->mode, (unsigned long long)command->seed);
	if (command->variant_known)
		printf(" --only %llu", (unsigned long long)command->variant);
	if (keep_given) {
		list_write(list, keep, TURNS_MAX);
		printf(" --keep '%s'", list);
	}
	printf(" --verbose\n");
}

/* ---- the search ------------------------------------------------------- */

/* Runs the case with these operations only; true: it fails in the same way. */
static bool attempt(const struct shrink_command *command, const bool *kept, uint32_t count,
		    bool aloud)
{
	static char list[LIST_BYTES];
	char seed[24], like[24], variant[24];
	const char *arguments[] = {command->program,
				   "--mode",
				   command->mode,
				   "--seed",
				   seed,
				   "--cases",
				   "1",
				   "--shrink",
				   "0",
				   "--like",
				   like,
				   "--keep",
				   list,
				   command->variant_known ? "--only" : NULL,
				   variant,
				   NULL};
	int status = 0;
	pid_t child;

	list_write(list, kept, count);
	snprintf(seed, sizeof(seed), "%llu", (unsigned long long)command->seed);
	snprintf(like, sizeof(like), "%llu", (unsigned long long)command->like);
	snprintf(variant, sizeof(variant), "%llu", (unsigned long long)command->variant);
	fflush(stdout);
	child = fork();
	if (child == 0) {
		if (!aloud && !freopen("/dev/null", "w", stdout))
			_exit(127);
		alarm(ATTEMPT_SECONDS);
		execv("/proc/self/exe", (char *const *)arguments);
		_exit(127);
	}
	return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
	       WEXITSTATUS(status) == SHRINK_SAME;
}

/* Leaves out [first, end); true: it still fails and they stay out. */
static bool leave_out(const struct shrink_command *command, bool *kept, uint32_t count,
		      uint32_t first, uint32_t end)
{
	static bool fewer[TURNS_MAX];
	bool any = false;

	memcpy(fewer, kept, sizeof(fewer));
	for (uint32_t i = first; i < end && i < count; i++) {
		any |= fewer[i];
		fewer[i] = false;
	}
	if (!any || !attempt(command, fewer, count, false))
		return false;
	memcpy(kept, fewer, sizeof(fewer));
	return true;
}

void shrink_run(const struct shrink_command *command)
{
	static bool kept[TURNS_MAX];
	time_t end = time(NULL) + (time_t)command->seconds;
	uint32_t count = turns < TURNS_MAX ? turns : TURNS_MAX, left = 0;
	bool again = true;

	if (!count || !command->seconds || keep_given)
		return;
	memset(kept, 0, sizeof(kept));
	memset(kept, 1, count);
	if (!attempt(command, kept, count, false)) {
		printf("sim: the failure does not repeat by itself: no shorter list is looked "
		       "for\n");
		return;
	}
	for (uint32_t chunk = (count + 1) / 2; chunk && time(NULL) < end; chunk /= 2) {
		do {
			again = false;
			for (uint32_t first = 0; first < count && time(NULL) < end; first += chunk)
				again |= leave_out(command, kept, count, first, first + chunk);
		} while (again && chunk == 1);
	}
	for (uint32_t i = 0; i < count; i++)
		left += kept[i];
	printf("sim: %u of %u operations are enough%s:\n", left, count,
	       time(NULL) < end ? "" : " (the time was over)");
	attempt(command, kept, count, true);
}
