/* SPDX-License-Identifier: MIT */
/*
 * primes.c - a computation that never waits: prime numbers into a table.
 *
 *	primes [OBJECT]		progress goes there; without: slot 16
 *
 * The table lies in a segment of its own.  For every prime found, two entries of
 * the table so far are checked again, round and round, and at some known counts
 * the prime itself is.  When the table is full, the next cycle computes all of it
 * anew and compares.  One wrong bit that a power cut left in registers, table or
 * counters would show as an error.
 */
#include "user/lib/file.h"
#include "user/lib/program.h"
#include "user/lib/service.h"

#define PRIMES_MAX    1000000u /* entries in the table */
#define PRIMES_REPORT 64u      /* primes found between two lines of progress */
#define PRIMES_STEP   65536u   /* bytes by which the table grows */

static struct file progress, table;
static uint32_t found;	   /* in this cycle */
static uint32_t limit;	   /* entries that this cycle goes up to */
static uint32_t complete;  /* entries that an earlier cycle has filled */
static uint32_t candidate; /* looked at last */
static uint32_t checking;  /* next entry to be checked again */
static uint64_t checked, errors;

static uint32_t *primes_entry(uint32_t index)
{
	return (uint32_t *)file_data(&table) + index;
}

/* By division through the primes up to the root, all of which are in the table. */
static bool primes_is_prime(uint32_t number)
{
	for (uint32_t i = 0; i < found; i++) {
		uint32_t prime = *primes_entry(i);

		if (prime * prime > number)
			break;
		if (number % prime == 0)
			return false;
	}
	return true;
}

static void primes_error(const char *what, uint32_t index)
{
	if (errors++ < 10)
		log_print("error: %s, entry %u is %u", what, index, *primes_entry(index));
}

/* Known values of the n-th prime. */
static void primes_check_count(void)
{
	static const struct {
		uint32_t count, prime;
	} known[] = {{1, 2},	      {10, 29},		 {100, 541},	     {1000, 7919},
		     {10000, 104729}, {100000, 1299709}, {1000000, 15485863}};

	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (found == known[i].count && *primes_entry(found - 1) != known[i].prime)
			primes_error("wrong number of primes", found - 1);
}

static void primes_check_next(void)
{
	uint32_t value = *primes_entry(checking);

	if (checking > 0 && value <= *primes_entry(checking - 1))
		primes_error("not ascending", checking);
	if (value < 2 || !primes_is_prime(value))
		primes_error("not prime", checking);
	checked++;
	checking = checking + 1 < found ? checking + 1 : 0;
}

static void primes_report(void)
{
	program_check(file_print(&progress, "found %u largest %u checked %lu errors %lu\n", found,
				 *primes_entry(found - 1), checked, errors),
		      "write the progress");
}

/* Makes room for one entry more; without it the cycle ends here. */
static bool primes_grow(void)
{
	uint64_t bytes = (uint64_t)(found + 1) * sizeof(uint32_t);
	enum status status = STATUS_OK;

	if (bytes > table.size)
		status = file_resize(&table, table.size + PRIMES_STEP);
	if (status == STATUS_OK)
		return true;
	if (found == 0)
		program_check(status, "make room for a table");
	limit = found;
	return false;
}

static void primes_add(uint32_t prime)
{
	if (!primes_grow())
		return;
	if (found < complete && *primes_entry(found) != prime)
		primes_error("differs from the cycle before", found);
	/* What is there already is not written again: the page stays clean. */
	if (*primes_entry(found) != prime)
		*primes_entry(found) = prime;
	found++;
	primes_check_count();
	primes_check_next();
	primes_check_next();
	if (found % PRIMES_REPORT == 0)
		primes_report();
}

static void primes_cycle(void)
{
	found = checking = 0;
	limit = PRIMES_MAX;
	primes_add(2);
	for (candidate = 3; found < limit; candidate += 2)
		if (primes_is_prime(candidate))
			primes_add(candidate);
	if (complete < found)
		complete = found;
	/* Short cycles, for lack of room, would fill the log. */
	if (found == PRIMES_MAX)
		log_print("cycle done: %u primes, largest %u, %lu errors", found, candidate - 2,
			  errors);
}

int main(int argc, char **argv)
{
	const uint16_t rights = RIGHT_READ | RIGHT_WRITE;

	program_check(argc > 1 ? file_open(&progress, argv[1], rights)
			       : file_attach(&progress, SEGMENT(SLOT_FIRST_GRANT), rights),
		      "find an object for the progress");
	program_check(
		file_create(&table, (uint64_t)PRIMES_MAX * sizeof(uint32_t) + PRIMES_STEP, true),
		"make a segment for the table");
	for (;;)
		primes_cycle();
}
