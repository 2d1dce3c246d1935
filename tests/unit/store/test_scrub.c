/* SPDX-License-Identifier: MIT */
/*
 * test_scrub.c - everything reachable is read once, and damage is told.
 */
#include "tests/unit/store/scrubbing.h"

/* Every used sector is read, and none twice. */
static void test_whole(void **state)
{
	struct fixture *f = with_snapshots(false);
	struct findings findings;
	struct store_scrub scrub;

	(void)state;
	assert_int_equal(fixture_write(f, 7, 1), STATUS_OK); /* zeros */
	fixture_checkpoint(f);
	scrub = scrub_all(f, &findings);
	assert_int_equal(findings.count, 0);
	assert_int_equal(scrub.sectors, fixture_account(f));
	assert_int_equal(scrub.snapshots, 5);
	assert_true(scrub.pages > FIXTURE_PAGES / 3 && scrub.zero_pages > 0);
	assert_true(scrub.nodes > 10 && scrub.extents > scrub.pages - scrub.zero_pages);
	/* Once more through the same store, from its empty cache. */
	assert_int_equal(fixture_mount(f), STATUS_OK);
	assert_int_equal(scrub_all(f, &findings).sectors, scrub.sectors);
	fixture_free(f);
}

static void test_empty(void **state)
{
	struct fixture *f = fixture_new(16384, 64, 512);
	struct findings findings;

	(void)state;
	assert_int_equal(scrub_all(f, &findings).extents, 0);
	fixture_checkpoint(f);
	assert_int_equal(scrub_all(f, &findings).sectors, fixture_account(f));
	assert_int_equal(findings.count, 0);
	fixture_free(f);
}

/* A flip in any used sector is found, at its place, once. */
static void test_flips(void **state)
{
	struct fixture *f = with_snapshots(false);
	struct account a = {f, calloc(SCRUBBED_SECTORS + DISK_FREE_MAP_SECTORS, 1),
			    calloc(SCRUBBED_SECTORS + DISK_FREE_MAP_SECTORS, 1), 0};
	struct findings findings;
	const struct disk_record *record = fixture_record(f);
	unsigned nodes = 0, pages = 0;

	(void)state;
	account_root(&a, &fixture_record(f)->free_map, account_map_page);
	for (uint64_t sector = fixture_random(f, 5); sector < SCRUBBED_SECTORS;
	     sector += 1 + fixture_random(f, 80)) {
		const struct disk_reference *reference = &findings.last.reference;
		uint64_t first;

		if (!a.mapped[sector])
			continue;
		f->disk[sector * SECTOR_SIZE + fixture_random(f, SECTOR_SIZE)] ^= 4;
		scrub_all(f, &findings);
		assert_int_equal(findings.count, 1);
		assert_int_equal(findings.last.status, STATUS_CORRUPT);
		first = disk_reference_sector(reference).n;
		assert_true(first <= sector && sector < first + reference->sectors);
		nodes += findings.last.level > 0;
		pages += findings.last.level == 0 && findings.last.tree == DISK_TREE_SPACE;
		/* Heal it: only one byte differs from what the checksum wants. */
		memcpy(f->disk + sector * SECTOR_SIZE, f->stable + sector * SECTOR_SIZE,
		       SECTOR_SIZE);
	}
	assert_true(nodes && pages > 20);
	f->disk[disk_reference_sector(&record->catalogue.reference).n * SECTOR_SIZE] ^= 1;
	scrub_all(f, &findings);
	assert_int_equal(findings.last.tree, DISK_TREE_CATALOGUE);
	assert_int_equal(findings.last.level, record->catalogue.height);
	f->disk[disk_reference_sector(&record->catalogue.reference).n * SECTOR_SIZE] ^= 1;
	f->disk[disk_reference_sector(&record->free_map.reference).n * SECTOR_SIZE] ^= 1;
	scrub_all(f, &findings);
	assert_int_equal(findings.last.tree, DISK_TREE_FREE_MAP);
	assert_int_equal(findings.last.level, record->free_map.height);
	f->disk[disk_reference_sector(&record->free_map.reference).n * SECTOR_SIZE] ^= 1;
	scrub_all(f, &findings);
	assert_int_equal(findings.count, 0);
	free(a.reached);
	free(a.mapped);
	fixture_free(f);
}

/* A read that fails once is tried alone; one that fails again is damage. */
static void test_read_errors(void **state)
{
	struct fixture *f = with_snapshots(false);
	struct findings findings;
	uint64_t sectors = scrub_all(f, &findings).sectors, read;

	(void)state;
	for (unsigned fails = 1; fails <= 2; fails++) {
		f->fail_operation = BLOCK_READ;
		f->fail_at = f->reads + 10;
		f->fail_count = fails;
		read = scrub_all(f, &findings).sectors;
		assert_true(fails == 1 ? read == sectors : read <= sectors);
		assert_int_equal(f->fail_count, 0);
		assert_int_equal(findings.count, fails - 1);
	}
	assert_int_equal(findings.last.status, STATUS_IO);
	fixture_free(f);
}

/* ---- beside everything else ------------------------------------------------------------ */

/* What the restore replaces does not stay for ever. */
static void restore_and_forget(struct fixture *f, const char *name)
{
	enum status status =
		fixture_commit(f, STORE_ACTION_RESTORE, snapshot_number(f, name), "replaced");

	if (status == STATUS_EXISTS)
		return;
	assert_int_equal(status, STATUS_OK);
	assert_int_equal(fixture_mount(f), STATUS_OK);
	delete_snapshot(f, "replaced");
}

static void live_on(struct fixture *f, unsigned round)
{
	static const char *const names[] = {"p", "q", "r", "s"};
	const char *name = names[fixture_random(f, 4)];
	struct store_snapshot found;
	enum status status;

	write_some(f, fixture_random(f, 20));
	while ((status = store_snapshot_find(f->store, name, &found)) == STATUS_WAIT)
		fixture_wait(f);
	switch (fixture_random(f, 8)) {
	case 0:
		if (status == STATUS_NOT_FOUND)
			snapshot(f, name);
		break;
	case 1:
		if (status == STATUS_OK)
			delete_snapshot(f, name);
		break;
	case 2:
		if (status == STATUS_OK && round % 4 == 0)
			restore_and_forget(f, name);
		break;
	case 3:
		fixture_checkpoint(f);
		fixture_remount(f);
		break;
	default:
		fixture_checkpoint(f);
	}
}

/* Nothing that happens meanwhile is taken for damage. */
static void online(bool deltas)
{
	struct fixture *f = with_snapshots(deltas);
	uint64_t kept = snapshot_number(f, "a");

	for (unsigned round = 0; round < 12; round++) {
		struct store_scrub scrub;
		struct findings findings = {0};

		store_scrub_begin(f->store, &scrub);
		while (scrub_some(f, &scrub, 1 + fixture_random(f, 10), &findings) !=
		       STATUS_NOT_FOUND)
			live_on(f, round);
		assert_int_equal(findings.count, 0);
	}
	assert_int_equal(snapshot_number(f, "a"), kept);
	fixture_free(f);
}

static void test_online(void **state)
{
	(void)state;
	online(false);
	online(true);
}

/* Bits: the live state, snapshots by number. */
/* Pages that a delta record alone knows: before, between and behind those of the
 * tree.  What they replace is not read. */
static void test_deltas(void **state)
{
	struct fixture *f = fixture_make(SCRUBBED_SECTORS, 400, 512, true);
	const struct disk_delta *entry;
	struct findings findings;
	struct store_scrub scrub;
	uint32_t entries;

	(void)state;
	for (uint32_t i = 0; i < 60; i++)
		assert_int_equal(fixture_write(f, 300 + i * 7, 3 + 2 * i), STATUS_OK);
	snapshot(f, "full");
	for (uint32_t i = 0; i < 12; i++) {
		assert_int_equal(fixture_write(f, i * 100, 201 + 2 * i), STATUS_OK);
		assert_int_equal(fixture_write(f, 300 + i * 35, 401 + 2 * i), STATUS_OK);
		fixture_checkpoint(f);
	}
	assert_int_equal(fixture_record(f)->kind, DISK_RECORD_DELTA);
	entries = fixture_record(f)->entries;
	entry = (const struct disk_delta *)(fixture_record(f) + 1);
	assert_int_equal(entries, 23);
	scrub = scrub_all(f, &findings);
	assert_int_equal(findings.count, 0);
	/* Those of the snapshot, and each entry of the delta. */
	assert_int_equal(scrub.pages, 60 + entries);
	for (uint32_t i = 0; i < entries; i++) {
		uint8_t *at = f->disk +
			      disk_reference_sector(&entry[i].reference).n * (size_t)SECTOR_SIZE;

		*at ^= 1;
		scrub_all(f, &findings);
		*at ^= 1;
		assert_int_equal(findings.count, 1);
		assert_int_equal(findings.last.key, entry[i].page);
		assert_int_equal(findings.last.level, 0);
		assert_int_equal(findings.last.snapshot.n, 0);
		assert_int_equal(viewers(f, &findings.last), 1);
	}
	fixture_free(f);
}

/* A damaged node of the map is told once, however many pages of the overlay lie below
 * it; those are verified all the same, and what comes behind the node is, too. */
static void test_node_below_deltas(void **state)
{
	struct fixture *f = fixture_make(SCRUBBED_SECTORS, 400, 512, true);
	struct place place = {DISK_TREE_SPACE, 1, (f->base + 256) / STORE_NODE_PAGES};
	uint64_t first = place.key * STORE_NODE_PAGES - f->base;
	struct disk_reference node;
	struct findings findings;
	struct store_scrub scrub;
	enum status status;

	(void)state;
	for (uint64_t i = 0; i < 2 * STORE_NODE_PAGES; i++)
		assert_int_equal(fixture_write(f, first + i, 3 + 2 * i), STATUS_OK);
	/* A full commit, and nobody else who sees the node. */
	snapshot(f, "full");
	delete_snapshot(f, "full");
	while (fixture_record(f)->dying)
		fixture_checkpoint(f);
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(fixture_write(f, first + 10 + 20 * i, 7), STATUS_OK);
	fixture_checkpoint(f);
	assert_int_equal(fixture_record(f)->kind, DISK_RECORD_DELTA);
	while ((status = map_lookup_node(f->store, &f->store->record.space, place, &node)) ==
	       STATUS_WAIT)
		fixture_wait(f);
	assert_int_equal(status, STATUS_OK);
	f->disk[disk_reference_sector(&node).n * SECTOR_SIZE + 5] ^= 1;
	assert_int_equal(fixture_mount(f), STATUS_OK);
	scrub = scrub_all(f, &findings);
	assert_int_equal(findings.count, 1);
	assert_int_equal(findings.last.level, 1);
	assert_int_equal(findings.last.key, place.key);
	/* The pages of the next node, and those of the overlay. */
	assert_int_equal(scrub.pages, STORE_NODE_PAGES + 5);
	fixture_free(f);
}

/* ---- beside a deletion ---------------------------------------------------------------- */

static void delete_slowly(struct fixture *f, uint64_t number, unsigned steps)
{
	struct findings findings;
	unsigned scrubbed = 0;

	assert_int_equal(fixture_commit(f, STORE_ACTION_DELETE, number, ""), STATUS_OK);
	while (fixture_record(f)->dying) {
		struct store_scrub scrub = scrub_all(f, &findings);

		/* Neither what it has given back nor anything twice, and all the rest. */
		assert_int_equal(findings.count, 0);
		assert_int_equal(scrub.sectors, fixture_record(f)->used_sectors);
		fixture_checkpoint(f);
		scrubbed++;
	}
	assert_true(scrubbed > steps);
}

/* In the middle of a deletion the cursor tells what the dying one and its child
 * still have: a snapshot, the live state, none. */
static void test_dying(void **state)
{
	struct fixture *f = fixture_new(SCRUBBED_SECTORS, 400, 512);

	(void)state;
	f->limits.deletion_visits = 100;
	fixture_checkpoint(f);
	fixture_remount(f);
	for (unsigned i = 0; i < 4; i++) {
		write_some(f, 500);
		snapshot(f, (const char[]){(char)('a' + i), 0});
	}
	write_some(f, 500);
	fixture_checkpoint(f);
	delete_slowly(f, snapshot_number(f, "b"), 3);
	delete_slowly(f, snapshot_number(f, "d"), 3);
	write_some(f, 300);
	assert_int_equal(fixture_commit(f, STORE_ACTION_RESTORE, snapshot_number(f, "c"), "e"),
			 STATUS_OK);
	fixture_remount(f);
	delete_slowly(f, snapshot_number(f, "e"), 3);
	delete_slowly(f, snapshot_number(f, "a"), 3);
	fixture_account(f);
	fixture_free(f);
}

/* ---- beside commits ------------------------------------------------------------------------ */

static struct disk_reference live_reference(struct fixture *f, uint64_t page)
{
	struct disk_reference reference;
	struct store_view view;
	enum status status;

	assert_int_equal(store_view_open(f->store, (snapshot_t){0}, &view), STATUS_OK);
	while ((status = store_view_find(f->store, &view, (page_t){page}, &reference)) ==
	       STATUS_WAIT)
		fixture_wait(f);
	assert_int_equal(status, STATUS_OK);
	return reference;
}

static void damage(struct fixture *f, const struct disk_reference *reference)
{
	f->disk[disk_reference_sector(reference).n * SECTOR_SIZE + 5] ^= 1;
}

/* A snapshot taken while the live state is walked: what it shares with the live
 * state is told as the live state's; what only it has, after it. */
static void test_late_snapshot(void **state)
{
	struct fixture *f = fixture_new(SCRUBBED_SECTORS, 1400, 512);
	struct findings findings = {0};
	struct disk_reference shared, alone;
	struct store_scrub scrub;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(fixture_write(f, i, 2 * i + 3), STATUS_OK);
	fixture_checkpoint(f);
	store_scrub_begin(f->store, &scrub);
	while (scrub.phase != STORE_SCRUB_LIVE || scrub.pages < 100)
		assert_int_not_equal(scrub_some(f, &scrub, 1, &findings), STATUS_NOT_FOUND);
	snapshot(f, "late");
	shared = live_reference(f, f->base + 900);
	alone = live_reference(f, f->base + 950);
	assert_int_equal(fixture_write(f, 950, 77), STATUS_OK);
	fixture_checkpoint(f);
	damage(f, &shared);
	damage(f, &alone);
	while (scrub.phase == STORE_SCRUB_LIVE)
		assert_int_not_equal(scrub_some(f, &scrub, 1, &findings), STATUS_NOT_FOUND);
	assert_int_equal(findings.count, 1);
	assert_int_equal(findings.last.key, f->base + 900);
	assert_int_equal(findings.last.snapshot.n, 0);
	damage(f, &shared); /* as it was */
	assert_int_equal(scrub_some(f, &scrub, 100000, &findings), STATUS_NOT_FOUND);
	assert_int_equal(findings.count, 2);
	assert_int_equal(findings.last.key, f->base + 950);
	assert_int_equal(findings.last.snapshot.n, snapshot_number(f, "late"));
	fixture_free(f);
}

/* A node that the walk has been through cannot be read any more when it comes back for
 * the next page below: told once, passed over, and all behind it is read. */
static void test_lost_node(void **state)
{
	struct fixture *f = fixture_new(SCRUBBED_SECTORS, 1400, 512);
	struct place place = {DISK_TREE_SPACE, 1, 0};
	struct findings findings = {0};
	struct disk_reference node;
	struct store_scrub scrub;
	uint64_t pages;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(fixture_write(f, i, 2 * i + 3), STATUS_OK);
	fixture_checkpoint(f);
	store_scrub_begin(f->store, &scrub);
	while (scrub.phase != STORE_SCRUB_LIVE || scrub.pages < 130 || scrub.level)
		assert_int_not_equal(scrub_some(f, &scrub, 1, &findings), STATUS_NOT_FOUND);
	pages = scrub.pages;
	place.key = scrub.position / STORE_NODE_PAGES;
	assert_int_not_equal(scrub.position % STORE_NODE_PAGES, 0);
	while (map_lookup_node(f->store, &f->store->record.space, place, &node) == STATUS_WAIT)
		fixture_wait(f);
	cache_drop(f->store, cache_find(f->store, extent_key(KEY_EXTENT, &node, place)));
	damage(f, &node);
	assert_int_equal(scrub_some(f, &scrub, 100000, &findings), STATUS_NOT_FOUND);
	assert_int_equal(findings.count, 1);
	assert_int_equal(findings.last.level, 1);
	assert_int_equal(findings.last.key, place.key);
	assert_int_equal(scrub.pages, pages + f->base + 1000 - (place.key + 1) * STORE_NODE_PAGES);
	fixture_free(f);
}

/* What is read at once may hold sectors that are free: what a commit then writes
 * there is read anew. */
static void test_window_grows_old(void **state)
{
	struct fixture *f = fixture_new(SCRUBBED_SECTORS, 400, 512);
	struct findings findings = {0};
	unsigned within = 0;

	(void)state;
	for (uint32_t i = 0; i < 200; i++)
		assert_int_equal(fixture_write(f, i, 2 * i + 3), STATUS_OK);
	fixture_checkpoint(f);
	for (unsigned round = 0; round < 20; round++) {
		const struct block_request *window;
		struct store_scrub scrub;

		/* Holes behind every page with an even number. */
		for (uint32_t i = 1; i < 200; i += 2)
			fixture_clear(f, i, 1);
		fixture_checkpoint(f);
		fixture_checkpoint(f);
		store_scrub_begin(f->store, &scrub);
		while (scrub.phase != STORE_SCRUB_LIVE || scrub.pages < 1 + round)
			assert_int_not_equal(scrub_some(f, &scrub, 1, &findings), STATUS_NOT_FOUND);
		for (uint32_t i = 1; i < 200; i += 2)
			assert_int_equal(fixture_write(f, i, 2 * (round * 200 + i) + 1001),
					 STATUS_OK);
		fixture_checkpoint(f);
		window = &f->store->scrubber.request;
		for (uint32_t i = 1; i < 200; i += 2) {
			struct disk_reference next = live_reference(f, f->base + i);
			uint64_t sector = disk_reference_sector(&next).n;

			within += f->base + i >= scrub.position && sector >= window->sector.n &&
				  sector < window->sector.n + window->sectors;
		}
		assert_int_equal(scrub_some(f, &scrub, 100000, &findings), STATUS_NOT_FOUND);
		assert_int_equal(findings.count, 0);
	}
	assert_true(within > 3);
	fixture_free(f);
}

/* ---- who sees it ---------------------------------------------------------------------- */

static void test_viewers(void **state)
{
	struct fixture *f = fixture_new(16384, 200, 512);
	struct findings findings;

	(void)state;
	assert_int_equal(fixture_write(f, 0, 4), STATUS_OK);
	assert_int_equal(fixture_write(f, 1, 5), STATUS_OK);
	snapshot(f, "a");
	assert_int_equal(fixture_write(f, 1, 7), STATUS_OK);
	snapshot(f, "b");
	snapshot(f, "c");
	assert_int_equal(fixture_write(f, 1, 9), STATUS_OK);
	fixture_checkpoint(f);
	for (uint64_t sector = DISK_DATA_SECTOR; sector < 16384; sector++) {
		uint8_t *at = f->disk + sector * SECTOR_SIZE;
		uint64_t seen;

		at[0] ^= 1;
		scrub_all(f, &findings);
		at[0] ^= 1;
		if (!findings.count)
			continue;
		assert_int_equal(findings.count, 1);
		seen = viewers(f, &findings.last);
		if (findings.last.tree != DISK_TREE_SPACE)
			assert_int_equal(seen, 1);
		else if (!findings.last.level && findings.last.key == f->base)
			assert_int_equal(seen, 0xf);
		else if (!findings.last.level)
			assert_true(seen == 1 || seen == 2 || seen == 0xc);
		else
			assert_true(seen == 1 || seen == 2 || seen == 0xc);
		assert_true(findings.last.snapshot.n == 0 || seen >> findings.last.snapshot.n & 1);
	}
	fixture_free(f);
}

/* A cursor may come from anywhere: what is in it never does harm. */
static void test_hostile_cursor(void **state)
{
	struct fixture *f = with_snapshots(false);
	struct findings findings;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		struct store_scrub scrub;
		uint8_t *bytes = (uint8_t *)&scrub;
		struct store_damage damage;
		enum status status;

		store_scrub_begin(f->store, &scrub);
		for (unsigned n = 1 + fixture_random(f, 6); n; n--)
			bytes[4 + fixture_random(f, sizeof(scrub) - 4)] =
				(uint8_t)fixture_random(f, i % 2 ? 256 : 6);
		while ((status = store_scrub_step(f->store, &scrub, &damage)) == STATUS_WAIT)
			fixture_wait(f);
		assert_true(status == STATUS_OK || status == STATUS_INVALID ||
			    status == STATUS_NOT_FOUND);
	}
	scrub_all(f, &findings);
	assert_int_equal(findings.count, 0);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_read_errors),
		cmocka_unit_test(test_online),
		cmocka_unit_test(test_deltas),
		cmocka_unit_test(test_node_below_deltas),
		cmocka_unit_test(test_viewers),
		cmocka_unit_test(test_hostile_cursor),
		cmocka_unit_test(test_dying),
		cmocka_unit_test(test_late_snapshot),
		cmocka_unit_test(test_lost_node),
		cmocka_unit_test(test_window_grows_old),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
