/* SPDX-License-Identifier: MIT */
/*
 * bases.c - the stores that the fuzzers start from, made by the engine itself.
 *
 * All are of the smallest size, so that a run takes a fraction of a
 * millisecond.
 */
#include <stdio.h>
#include <string.h>

#include "tests/fuzz/base.h"
#include "tests/fuzz/fuzz.h"

struct maker {
	struct fuzz_engine *engine;
	struct fuzz_disk *disk;
};

static void expect(enum status status, const char *what)
{
	FUZZ_CHECK(status == STATUS_OK, "making a base: %s: %s", what, status_text(status));
}

static void write_pages(struct maker *maker, unsigned group, unsigned first, unsigned count,
			uint32_t value)
{
	for (unsigned i = 0; i < count; i++) {
		void *data;

		expect(fuzz_engine_page(maker->engine, base_page(group, first + i), true, &data),
		       "write");
		fuzz_page_fill(data, value + i);
	}
}

static void commit(struct maker *maker, enum store_action action, uint64_t number, const char *name)
{
	expect(fuzz_engine_commit(maker->engine, action, number, name), "commit");
	if (store_replaced(maker->engine->store))
		expect(fuzz_engine_mount(maker->engine, maker->disk, false), "mount");
}

static void make_plain(struct maker *maker)
{
	for (unsigned group = 0; group < 4; group++)
		write_pages(maker, group, group, 6, 10 * group + 1);
	commit(maker, STORE_ACTION_NONE, 0, "");
	write_pages(maker, 0, 2, 3, 77);
	commit(maker, STORE_ACTION_NONE, 0, "");
	write_pages(maker, 2, 0, 4, 91);
	commit(maker, STORE_ACTION_NONE, 0, "");
}

/* Two lines of descent, one of them live. */
static void make_snapshots(struct maker *maker)
{
	make_plain(maker);
	commit(maker, STORE_ACTION_SNAPSHOT, 0, "one");
	write_pages(maker, 1, 0, 5, 31);
	commit(maker, STORE_ACTION_SNAPSHOT, 0, "two");
	write_pages(maker, 0, 0, 4, 41);
	commit(maker, STORE_ACTION_RESTORE, 1, "three");
	write_pages(maker, 3, 0, 4, 51);
	commit(maker, STORE_ACTION_NONE, 0, "");
}

/* A snapshot is dying, a branch point is about to be left. */
static void make_dying(struct maker *maker)
{
	make_snapshots(maker);
	commit(maker, STORE_ACTION_DELETE, 1, "");
}

static void make_cleared(struct maker *maker)
{
	make_snapshots(maker);
	expect(fuzz_engine_clear(maker->engine, base_page(0, 0), 64), "clear");
	expect(fuzz_engine_clear(maker->engine, base_page(3, 0), 1024), "clear");
	commit(maker, STORE_ACTION_STOP, 0, "");
}

static void make_fresh(struct maker *maker)
{
	commit(maker, STORE_ACTION_NONE, 0, "");
}

/* The ring has been round once. */
static void make_long(struct maker *maker)
{
	make_plain(maker);
	for (unsigned i = 0; i < 70; i++) {
		write_pages(maker, i, i % 8, 2, 100 + i);
		commit(maker, STORE_ACTION_NONE, 0, "");
	}
}

struct fuzz_base *base_make(unsigned number, struct fuzz_engine *engine)
{
	static const struct {
		const char *name;
		void (*make)(struct maker *maker);
		uint32_t write_unit;
		bool deltas;
	} kinds[BASES] = {
		{"full", make_plain, 512, false},	  {"deltas", make_plain, 512, true},
		{"snapshots", make_snapshots, 512, true}, {"dying", make_dying, 512, true},
		{"cleared", make_cleared, 4096, false},	  {"long", make_long, 4096, true},
		{"fresh", make_fresh, 512, true},
	};
	struct fuzz_base *base = fuzz_allocate(sizeof(*base));
	struct maker maker = {engine, &base->disk};

	base->name = kinds[number].name;
	fuzz_disk_create(&base->disk, DISK_SECTORS_MIN, kinds[number].write_unit);
	expect(fuzz_engine_format(engine, &base->disk, kinds[number].deltas), "format");
	kinds[number].make(&maker);
	base_index(base);
	return base;
}
