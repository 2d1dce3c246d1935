/* SPDX-License-Identifier: MIT */
/*
 * test_fragmentation.c - random overwrites for a thousand generations.
 *
 * The longer a store lives, the shorter may be the runs in which it finds free
 * blocks and writes.  Here it is shown that this ends: after 1,000 generations they
 * are about as long as after 250.  With VERBOSE set, the figures are printed.
 */
#include "tests/unit/store/fixture.h"

#define SECTORS	    65536u /* 32 MiB */
#define GENERATIONS 1000u
#define OVERWRITES  64u

struct figures {
	double page_run;    /* pages that lie one behind the other, on average */
	double request_kib; /* written at a time, since the last figures */
	double free_run;    /* blocks of a run of wholly free blocks, on average */
	uint64_t free_runs, free_blocks, largest;
	uint64_t mixed; /* blocks with used and free sectors */
};

struct place {
	uint64_t sector;
	bool known;
};

static void write_page(struct fixture *f, uint32_t page, bool short_one)
{
	uint32_t *data;

	assert_int_equal(fixture_try(f, true, f->base + page, (void **)&data), STATUS_OK);
	for (unsigned i = 0; i < PAGE_SIZE / 4; i++)
		data[i] = short_one && i > 300 ? page : fixture_random(f, UINT32_MAX);
}

/* Where the pages are, from the tree on the disk. */
static struct place *places_now;

static void note_places(struct fixture *f, const struct disk_reference *reference, unsigned level,
			uint64_t key)
{
	struct account a = {.f = f, .reached = calloc(SECTORS, 1)};
	struct disk_node node;

	if (reference->codec != DISK_CODEC_NONE && !level && key >= f->base)
		places_now[key - f->base] =
			(struct place){disk_reference_sector(reference).n, true};
	if (reference->codec != DISK_CODEC_NONE && level) {
		account_extent(&a, reference, &node);
		for (unsigned i = 0; i < DISK_NODE_ENTRIES; i++)
			note_places(f, &node.entry[i], level - 1, key << 7 | i);
	}
	free(a.reached);
}

static double page_run(struct fixture *f, uint32_t pages)
{
	const struct disk_record *record = fixture_record(f);
	uint32_t runs = 0;

	places_now = calloc(pages, sizeof(*places_now));
	note_places(f, &record->space.reference, record->space.height, 0);
	for (uint32_t i = 0; i < pages; i++)
		runs += !i || places_now[i].sector <= places_now[i - 1].sector ||
			places_now[i].sector > places_now[i - 1].sector + BLOCK_SECTORS;
	free(places_now);
	return (double)pages / runs;
}

static void free_space(struct fixture *f, struct figures *figures)
{
	struct account a = {f, calloc(SECTORS, 1), calloc(SECTORS + DISK_FREE_MAP_SECTORS, 1), 0};
	uint64_t run = 0;

	account_root(&a, &fixture_record(f)->free_map, account_map_page);
	for (uint64_t block = DISK_DATA_SECTOR / 8; block <= SECTORS / 8; block++) {
		unsigned used = 8;

		for (unsigned i = 0; block < SECTORS / 8 && i < 8; i++)
			used -= !a.mapped[block * 8 + i];
		figures->mixed += used > 0 && used < 8;
		figures->free_blocks += used == 0;
		figures->free_runs += used == 0 && !run;
		run = used ? 0 : run + 1;
		if (run > figures->largest)
			figures->largest = run;
	}
	figures->free_run = (double)figures->free_blocks / (double)figures->free_runs;
	free(a.reached);
	free(a.mapped);
}

static struct figures measure(struct fixture *f, uint32_t pages, unsigned generation,
			      uint64_t written[2])
{
	struct store_statistics statistics;
	struct figures figures = {.page_run = page_run(f, pages)};

	store_statistics_get(f->store, &statistics);
	figures.request_kib = (double)(statistics.bytes_written - written[0]) / 1024 /
			      (double)(f->writes - written[1]);
	written[0] = statistics.bytes_written;
	written[1] = f->writes;
	free_space(f, &figures);
	if (getenv("VERBOSE"))
		printf("generation %4u: %.2f pages a run, %.1f KiB a write, free: %llu blocks in "
		       "%llu runs of %.1f, largest %llu; %llu mixed blocks\n",
		       generation, figures.page_run, figures.request_kib,
		       (unsigned long long)figures.free_blocks,
		       (unsigned long long)figures.free_runs, figures.free_run,
		       (unsigned long long)figures.largest, (unsigned long long)figures.mixed);
	return figures;
}

/* So much of the data area full, half of the pages compressible or none. */
static void overwrite(unsigned percent, bool mixed)
{
	struct fixture *f = fixture_make(SECTORS, 2000, 512, true);
	uint32_t pages = (SECTORS - DISK_DATA_SECTOR) / 8 * percent / 100;
	struct figures early = {0}, late = {0};
	uint64_t written[2] = {0, 0};

	if (mixed)
		pages = pages * 4 / 3;
	for (uint32_t i = 0; i < pages; i++)
		write_page(f, i, mixed && i % 2);
	fixture_checkpoint(f);
	if (getenv("VERBOSE"))
		printf("%u %% full, %u pages%s\n", percent, pages,
		       mixed ? ", half of them short" : "");
	measure(f, pages, 0, written);
	for (unsigned generation = 1; generation <= GENERATIONS; generation++) {
		for (unsigned i = 0; i < OVERWRITES; i++) {
			uint32_t page = fixture_random(f, pages);

			write_page(f, page, mixed && page % 2);
		}
		fixture_checkpoint(f);
		if (generation == 250)
			early = measure(f, pages, generation, written);
		if (generation == 500 || generation == GENERATIONS)
			late = measure(f, pages, generation, written);
	}
	assert_true(late.free_run > early.free_run * 0.7);
	assert_true(late.request_kib > early.request_kib * 0.7);
	assert_true(late.page_run > early.page_run * 0.8);
	fixture_free(f);
}

static void test_half_full(void **state)
{
	(void)state;
	overwrite(50, false);
}

static void test_nearly_full(void **state)
{
	(void)state;
	overwrite(88, false);
}

static void test_nearly_full_mixed(void **state)
{
	(void)state;
	overwrite(85, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_half_full),
		cmocka_unit_test(test_nearly_full),
		cmocka_unit_test(test_nearly_full_mixed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
