/* SPDX-License-Identifier: MIT */
/*
 * names.c - what names cost in a directory with a few and with a million.
 *
 *	names MOST	a directory with 1,000 names, and ten times as many, up to MOST
 *
 * It says for each size what a call takes, in ns, of which each is an instruction under -icount.
 * The directory ends with the program's bank.
 */
#include "base/quantity.h"
#include "base/text.h"
#include "user/lib/directory.h"
#include "user/lib/program.h"
#include "user/lib/service.h"
#include "user/lib/slot.h"
#include "user/lib/table.h"

#define TIMES  1000u  /* each call, for an average */
#define LISTED 10000u /* names at most that are listed */

static struct directory names;

/* Name n, in no order of the numbers. */
static void name_of(uint64_t n, char name[DIRECTORY_NAME])
{
	text_format(name, DIRECTORY_NAME, "%08x-%lu", (unsigned)n * 2654435761u, n);
}

static void link_names(uint64_t from, uint64_t to)
{
	char name[DIRECTORY_NAME];

	for (uint64_t n = from; n < to; n++) {
		name_of(n, name);
		program_check(directory_link(names, name, SLOT_CLOCK, false), "link");
	}
}

/* Some of so many. */
static void each(uint64_t count, enum status (*call)(const char *name))
{
	char name[DIRECTORY_NAME];

	for (uint64_t i = 0; i < TIMES; i++) {
		name_of(i * (count / TIMES), name);
		program_check(call(name), name);
	}
}

static enum status look_up(const char *name)
{
	static uint32_t slot;

	slot = slot ? slot : slot_take();
	return directory_lookup(names, name, slot, NULL);
}

static enum status rename_there(const char *name)
{
	char other[DIRECTORY_NAME];

	text_format(other, sizeof(other), "%s+", name);
	return directory_rename(names, name, DIRECTORY(0), other, false);
}

static enum status rename_back(const char *name)
{
	char other[DIRECTORY_NAME];

	text_format(other, sizeof(other), "%s+", name);
	return directory_rename(names, other, DIRECTORY(0), name, false);
}

static enum status unlink_name(const char *name)
{
	return directory_unlink(names, name);
}

static enum status link_again(const char *name)
{
	return directory_link(names, name, SLOT_CLOCK, false);
}

static uint64_t since(uint64_t *begun)
{
	uint64_t now = clock_uptime(), took = now - *begun;

	*begun = now;
	return took;
}

/* The first of them, one by one or many at a time: per name. */
static uint64_t list(uint64_t count, bool many)
{
	static struct directory_list listing;
	static struct directory_item item;
	uint64_t begun = clock_uptime(), seen = 0;

	listing = (struct directory_list){.directory = names};
	item.name[0] = '\0';
	while (seen < count && (many ? directory_list_next(&listing, &item)
				     : directory_next(names, &item)) == STATUS_OK)
		seen++;
	if (seen != count)
		program_fail("%lu of %lu names", seen, count);
	return since(&begun) / count;
}

static void measure(uint64_t count)
{
	uint64_t listed = count < LISTED ? count : LISTED;
	uint64_t begun = clock_uptime(), lookup, unlink, link, change;

	each(count, look_up);
	lookup = since(&begun) / TIMES;
	each(count, rename_there);
	each(count, rename_back);
	change = since(&begun) / TIMES / 2;
	each(count, unlink_name);
	unlink = since(&begun) / TIMES;
	each(count, link_again);
	link = since(&begun) / TIMES;
	log_print("%lu names: link %lu, look up %lu, rename %lu, unlink %lu, next %lu, list %lu\n",
		  count, link, lookup, change, unlink, list(listed, false), list(listed, true));
}

int main(int argc, char **argv)
{
	uint64_t most = 0, there = 0;

	if (argc != 2 || !quantity_parse(argv[1], QUANTITY_ANY, &most) || most < TIMES)
		program_fail("usage: names MOST");
	names.slot = slot_take();
	program_check(bank_directory(OWN_BANK, names.slot), "make a directory");
	for (uint64_t count = TIMES; count <= most; count *= 10) {
		link_names(there, count);
		there = count;
		measure(count);
	}
	log_print("measured\n");
	return 0;
}
