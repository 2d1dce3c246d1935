/* SPDX-License-Identifier: MIT */
/*
 * test_recovery.c - mounting after a power cut, and over damage.
 */
#include "store/store_priv.h"
#include "tests/unit/store/fixture.h"
#define XXH_INLINE_ALL
#include <xxhash.h>

static uint8_t *sector_at(struct fixture *f, uint64_t sector)
{
	return f->disk + sector * SECTOR_SIZE;
}

static uint8_t *slot_at(struct fixture *f, unsigned slot)
{
	return sector_at(f, DISK_RING_SECTOR + slot * (uint64_t)DISK_SLOT_SECTORS);
}

static struct fixture *with_generations(unsigned count)
{
	struct fixture *f = fixture_new(16384, 200, 512);

	for (unsigned g = 0; g < count; g++) {
		for (uint32_t i = 0; i < 10; i++)
			assert_int_equal(fixture_write(f, g * 5 + i, 100 * g + i + 2), STATUS_OK);
		if (g + 1 < count)
			fixture_checkpoint(f);
	}
	return f;
}

/* The power goes at every write of a commit; what is found is one generation
 * or the other, whole, and the store works on. */
static void test_power_cut(void **state)
{
	struct store_commit_request request = {.action = STORE_ACTION_NONE};

	(void)state;
	for (unsigned cut = 0; cut < 150; cut++) {
		struct fixture *f = with_generations(4 + cut % 3);
		uint32_t after[FIXTURE_PAGES];
		generation_t generation;
		unsigned steps;

		f->random += cut * 7919u;
		steps = fixture_random(f, 40);
		memcpy(after, f->model, sizeof(after));
		assert_int_equal(store_commit(f->store, &request, &generation), STATUS_OK);
		while (steps-- && store_committing(f->store))
			if (!store_step(f->store))
				fixture_poll(&f->device, true);
		if (!store_committing(f->store))
			memcpy(f->stable_model, after, sizeof(after));
		fixture_crash(f);
		fixture_remount(f);
		assert_true(f->recovery.generation.n == generation.n ||
			    f->recovery.generation.n == generation.n - 1);
		if (f->recovery.generation.n == generation.n)
			memcpy(f->model, after, sizeof(after));
		fixture_compare(f);
		fixture_account(f);
		assert_int_equal(fixture_write(f, 1, 12345), STATUS_OK);
		fixture_checkpoint(f);
		fixture_crash(f);
		fixture_remount(f);
		fixture_compare(f);
		fixture_free(f);
	}
}

/* A torn newest generation: the one before it, a tombstone, a new number. */
static void test_torn(void **state)
{
	struct fixture *f = with_generations(4);
	struct disk_tombstone *tombstone;
	uint32_t before[FIXTURE_PAGES];
	uint64_t sector;
	unsigned slot;

	(void)state;
	memcpy(before, f->stable_model, sizeof(before));
	fixture_checkpoint(f);
	sector = disk_reference_sector(&fixture_record(f)->space.reference).n;
	slot = fixture_record(f)->slot;
	sector_at(f, sector)[3] ^= 1;
	fixture_remount(f);
	assert_int_equal(f->recovery.generation.n, 3);
	assert_int_equal(f->recovery.torn.n, 4);
	assert_non_null(strstr(f->recovery.explanation, "generation 4"));
	memcpy(f->model, before, sizeof(before));
	fixture_compare(f);
	tombstone = (void *)slot_at(f, slot);
	assert_true(tombstone->magic == DISK_MAGIC_TOMBSTONE);
	assert_int_equal(tombstone->generation, 4);
	assert_int_equal(store_generation(f->store).n, 5);
	/* Again, from the tombstone. */
	assert_int_equal(fixture_mount(f), STATUS_OK);
	assert_int_equal(f->recovery.torn.n, 0);
	assert_int_equal(store_generation(f->store).n, 5);
	assert_int_equal(fixture_write(f, 0, 9), STATUS_OK);
	fixture_checkpoint(f);
	assert_int_equal(fixture_record(f)->generation, 5);
	assert_int_equal(fixture_record(f)->slot, slot);
	assert_int_equal(fixture_record(f)->predecessor, 3);
	fixture_account(f);
	fixture_free(f);
}

/* A slot that cannot be read may hold what no other does, the only generation or the one
 * before a torn one: that is an error of the disk, said as one, and nothing is changed. */
static void test_unreadable_slot(void **state)
{
	struct fixture *f;
	uint64_t bytes, newest, older;
	uint8_t *copy;

	(void)state;
	f = with_generations(1);
	fixture_checkpoint(f);
	assert_int_equal(fixture_record(f)->slot, 0);
	f->bad_sector = DISK_RING_SECTOR;
	assert_int_equal(fixture_mount(f), STATUS_IO);
	assert_non_null(
		strstr(f->recovery.explanation, "slot 0 of the commit ring cannot be read"));
	f->bad_sector = 0;
	assert_int_equal(fixture_mount(f), STATUS_OK);
	fixture_free(f);

	f = with_generations(4);
	fixture_checkpoint(f);
	bytes = f->device.sectors * SECTOR_SIZE;
	newest = fixture_record(f)->slot;
	older = (newest + DISK_RING_SLOTS - 1) % DISK_RING_SLOTS;
	sector_at(f, disk_reference_sector(&fixture_record(f)->space.reference).n)[3] ^= 1;
	copy = malloc(bytes);
	memcpy(copy, f->disk, bytes);
	f->bad_sector = DISK_RING_SECTOR + older * DISK_SLOT_SECTORS;
	assert_int_equal(fixture_mount(f), STATUS_IO);
	assert_non_null(strstr(f->recovery.explanation, "cannot be read"));
	assert_memory_equal(copy, f->disk, bytes);
	f->bad_sector = 0;
	free(copy);
	assert_int_equal(fixture_mount(f), STATUS_OK);
	assert_int_equal(f->recovery.generation.n, 3);
	fixture_free(f);
}

/* What a failed write has left in a slot that was passed over, or a tombstone there, is
 * not the end: the newest generation may be in the one behind it, if that can be read. */
static void test_behind_passed_slot(void **state)
{
	(void)state;
	for (unsigned tombstone = 0; tombstone < 2; tombstone++) {
		struct fixture *f = with_generations(4);
		uint64_t newest;

		fixture_checkpoint(f);
		newest = fixture_record(f)->slot;
		if (tombstone)
			tombstone_make(f->store, (uint32_t)newest + 1, (generation_t){5},
				       slot_at(f, newest + 1));
		else
			slot_at(f, newest + 1)[7] = 1;
		f->bad_sector = DISK_RING_SECTOR + (newest + 2) * DISK_SLOT_SECTORS;
		assert_int_equal(fixture_mount(f), STATUS_IO);
		assert_non_null(strstr(f->recovery.explanation, "may hold a newer generation"));
		/* Further behind it is an old one that cannot be read. */
		f->bad_sector += DISK_SLOT_SECTORS;
		slot_at(f, newest + 2)[7] = 1;
		assert_int_equal(fixture_mount(f), STATUS_IO);
		memset(slot_at(f, newest + 2), 0, DISK_SLOT_SIZE);
		assert_int_equal(fixture_mount(f), STATUS_OK);
		assert_int_equal(f->recovery.generation.n, 4);
		assert_int_equal(f->recovery.torn.n, tombstone ? 0 : 5);
		assert_int_equal(store_generation(f->store).n, 6);
		fixture_free(f);
	}
}

/* Damage in what was flushed long ago is met where it is, not at mount. */
static void test_old_damage(void **state)
{
	struct fixture *f = with_generations(3);
	struct disk_node node;
	struct account a = {f, calloc(20000, 1), NULL, 0};
	uint64_t first = f->base, good = 0, bad = 0;
	void *data;

	(void)state;
	fixture_checkpoint(f);
	fixture_checkpoint(f);
	/* The leaf node of the first pages, and the extent of page 2 in it. */
	memset(&node, 0, sizeof(node));
	node.entry[0] = fixture_record(f)->space.reference;
	for (unsigned level = fixture_record(f)->space.height; level; level--)
		account_extent(&a,
			       &node.entry[level == fixture_record(f)->space.height
						   ? 0
						   : first >> (7 * level) & 127],
			       &node);
	sector_at(f, disk_reference_sector(&node.entry[(first + 2) & 127]).n)[0] ^= 0x80;
	fixture_remount(f);
	assert_int_equal(f->recovery.torn.n, 0);
	for (uint32_t i = 0; i < 20; i++) {
		enum status status = fixture_try(f, false, f->base + i, &data);

		good += status == STATUS_OK;
		bad += status == STATUS_CORRUPT;
		assert_int_equal(status == STATUS_CORRUPT, i == 2);
	}
	assert_int_equal(good, 19);
	assert_int_equal(bad, 1);
	assert_non_null(strstr(f->log_last, "checksum"));
	assert_int_equal(fixture_try(f, true, f->base + 2, &data), STATUS_CORRUPT);
	/* Made absent, it can be written again. */
	assert_int_equal(store_pages_clear(f->store, (page_t){f->base + 2}, 1), STATUS_OK);
	assert_int_equal(fixture_write(f, 2, 22), STATUS_OK);
	fixture_checkpoint(f);
	fixture_compare(f);
	free(a.reached);
	fixture_free(f);
}

/* Every byte of the newest record: its generation or the one before, and in
 * the latter case an explanation. */
static void test_damaged_record(void **state)
{
	struct fixture *f = with_generations(3);
	uint8_t *copy;
	unsigned slot;

	(void)state;
	fixture_checkpoint(f);
	slot = fixture_record(f)->slot;
	copy = malloc(f->device.sectors * SECTOR_SIZE);
	memcpy(copy, f->disk, f->device.sectors * SECTOR_SIZE);
	for (unsigned byte = 0; byte < SECTOR_SIZE; byte += 3) {
		memcpy(f->disk, copy, f->device.sectors * SECTOR_SIZE);
		slot_at(f, slot)[byte] ^= (uint8_t)(1u << byte % 8);
		assert_int_equal(fixture_mount(f), STATUS_OK);
		assert_int_equal(f->recovery.generation.n, 2);
		assert_int_equal(f->recovery.torn.n, 3);
		assert_true(f->recovery.explanation[0]);
		assert_int_equal(store_generation(f->store).n, 4);
	}
	free(copy);
	fixture_free(f);
}

static void superblock_seal(struct fixture *f, uint64_t sector)
{
	struct disk_superblock *superblock = (void *)sector_at(f, sector);

	superblock->checksum = 0;
	superblock->checksum = XXH3_64bits_withSeed(superblock, sizeof(*superblock), 0);
}

static void test_superblock(void **state)
{
	struct fixture *f = with_generations(2);

	(void)state;
	fixture_checkpoint(f);
	/* The identity is had from each that is whole. */
	for (unsigned sector = 0; sector <= 8; sector += 8) {
		struct disk_superblock copy = *(struct disk_superblock *)sector_at(f, sector);
		uint8_t identity[16] = {0};

		assert_true(store_identify(&copy, identity));
		assert_memory_equal(identity, copy.identity, 16);
		assert_memory_equal(&copy, sector_at(f, sector), sizeof copy);
		copy.created_ns ^= 1;
		assert_false(store_identify(&copy, identity));
	}
	/* Either is written anew from the other, and that is durable. */
	for (unsigned sector = 0; sector <= 8; sector += 8) {
		uint8_t good[BLOCK_SIZE];

		memcpy(good, sector_at(f, sector), BLOCK_SIZE);
		sector_at(f, sector)[100] ^= 1;
		fixture_remount(f);
		fixture_compare(f);
		assert_true(f->recovery.superblock_damaged);
		assert_memory_equal(sector_at(f, sector), good, BLOCK_SIZE);
		assert_int_equal(f->written_count, 0);
		fixture_remount(f);
		assert_false(f->recovery.superblock_damaged);
	}
	/* A disk that cannot take it is no reason not to go on. */
	memset(sector_at(f, DISK_SUPERBLOCK_SECTOR), 0xff, BLOCK_SIZE);
	f->fail_operation = BLOCK_WRITE;
	f->fail_at = f->writes + 1;
	f->fail_count = 1;
	fixture_remount(f);
	assert_int_equal(f->fail_count, 0);
	assert_non_null(strstr(f->log_last, "cannot be written"));
	fixture_compare(f);
	fixture_remount(f);
	assert_memory_equal(sector_at(f, 0), sector_at(f, 8), BLOCK_SIZE);
	/* Two stores' superblocks: nobody guesses, nothing is written. */
	sector_at(f, DISK_SUPERBLOCK_SECTOR)[40] ^= 1;
	superblock_seal(f, DISK_SUPERBLOCK_SECTOR);
	assert_int_equal(fixture_mount(f), STATUS_CORRUPT);
	assert_non_null(strstr(f->recovery.explanation, "differ"));
	memcpy(sector_at(f, 0), sector_at(f, 8), BLOCK_SIZE);
	sector_at(f, DISK_SUPERBLOCK_SECTOR)[100] ^= 1;
	sector_at(f, DISK_SUPERBLOCK_COPY_SECTOR)[100] ^= 1;
	assert_int_equal(fixture_mount(f), STATUS_CORRUPT);
	assert_non_null(strstr(f->recovery.explanation, "both superblocks"));
	memset(f->disk, 0, 16 * SECTOR_SIZE);
	assert_int_equal(fixture_mount(f), STATUS_NOT_A_STORE);
	assert_true(f->recovery.explanation[0]);
	fixture_free(f);
}

/* Is one there as it was written, with that copy's identity? */
static bool superblock_whole(struct fixture *f, uint64_t sector, const uint8_t copy[16])
{
	struct disk_superblock superblock;
	uint64_t found;

	memcpy(&superblock, sector_at(f, sector), sizeof(superblock));
	found = superblock.checksum;
	superblock.checksum = 0;
	return XXH3_64bits_withSeed(&superblock, sizeof(superblock), 0) == found &&
	       memcmp(superblock.copy, copy, sizeof(superblock.copy)) == 0;
}

/* A copy gets its own identity.  Whichever of the writes fails, and whatever a power cut
 * leaves of the one before, sector by sector: it has the old one or the new one, and both
 * superblocks say so at the next mount.  Behind a failure nothing else is written. */
static void test_superblock_changes(void **state)
{
	struct fixture *f = with_generations(2);
	struct store_details details;
	struct disk_superblock superblock;
	unsigned olds = 0, news = 0;

	(void)state;
	fixture_checkpoint(f);
	for (uint8_t round = 1; round < 100; round++) {
		uint8_t old, copy[16] = {round};
		bool fails = round % 4 < 2, whole;

		store_details_get(f->store, &details);
		old = details.copy[0];
		f->fail_operation = round % 2 ? BLOCK_WRITE : BLOCK_FLUSH;
		f->fail_at = (round % 2 ? f->writes : f->flushes + 1) + 1 + fixture_random(f, 2);
		f->fail_count = fails ? 1 : 0;
		assert_int_equal(store_copy_set(f->store, copy), fails ? STATUS_IO : STATUS_OK);
		f->fail_count = 0;
		fixture_crash(f);
		/* What is there whole counts. */
		whole = superblock_whole(f, DISK_SUPERBLOCK_COPY_SECTOR, copy);
		fixture_remount(f);
		fixture_compare(f);
		store_details_get(f->store, &details);
		assert_true(details.copy[0] == round ||
			    (fails && !whole && details.copy[0] == old));
		assert_memory_equal(sector_at(f, 0), sector_at(f, 8), BLOCK_SIZE);
		/* What it goes by. */
		memcpy(&superblock, sector_at(f, 0), sizeof(superblock));
		assert_true(store_identify(&superblock, copy));
		assert_memory_equal(copy, details.copy[0] ? details.copy : superblock.identity, 16);
		news += details.copy[0] == round && fails;
		olds += details.copy[0] == old;
	}
	assert_true(olds > 5 && news > 5);
	/* Of two that differ in more than a change may, none is chosen. */
	sector_at(f, DISK_SUPERBLOCK_SECTOR)[104] ^= 1;
	sector_at(f, DISK_SUPERBLOCK_SECTOR)[40] ^= 1;
	superblock_seal(f, DISK_SUPERBLOCK_SECTOR);
	assert_int_equal(fixture_mount(f), STATUS_CORRUPT);
	fixture_free(f);
}

/* Changes a field of both superblocks and makes their checksums right. */
static void superblock_change(struct fixture *f, size_t offset, uint32_t value)
{
	for (unsigned sector = 0; sector <= 8; sector += 8) {
		memcpy(sector_at(f, sector) + offset, &value, sizeof(value));
		superblock_seal(f, sector);
	}
}

static void test_refusals(void **state)
{
	struct fixture *f = with_generations(2);
	void *data;

	(void)state;
	fixture_checkpoint(f);
	superblock_change(f, offsetof(struct disk_superblock, version), 9);
	assert_int_equal(fixture_mount(f), STATUS_VERSION);
	assert_non_null(strstr(f->recovery.explanation, "version 9"));
	superblock_change(f, offsetof(struct disk_superblock, version), DISK_FORMAT_VERSION);
	superblock_change(f, offsetof(struct disk_superblock, features_incompatible), 0x40);
	assert_int_equal(fixture_mount(f), STATUS_FEATURE);
	assert_non_null(strstr(f->recovery.explanation, "0x40"));
	superblock_change(f, offsetof(struct disk_superblock, features_incompatible), 0);
	superblock_change(f, offsetof(struct disk_superblock, features_read_only), 4);
	fixture_remount(f);
	assert_int_equal(fixture_try(f, true, f->base, &data), STATUS_READ_ONLY);
	assert_int_equal(fixture_commit(f, STORE_ACTION_NONE, 0, ""), STATUS_READ_ONLY);
	superblock_change(f, offsetof(struct disk_superblock, features_read_only), 0);
	superblock_change(f, offsetof(struct disk_superblock, block_size), 8192);
	assert_int_equal(fixture_mount(f), STATUS_CORRUPT);
	superblock_change(f, offsetof(struct disk_superblock, block_size), BLOCK_SIZE);
	f->device.sectors = 12000;
	assert_int_equal(fixture_mount(f), STATUS_TRUNCATED);
	assert_non_null(strstr(f->recovery.explanation, "16384"));
	f->device.sectors = 1000;
	assert_int_equal(fixture_mount(f), STATUS_TRUNCATED);
	f->device.sectors = 16;
	assert_int_equal(fixture_mount(f), STATUS_NOT_A_STORE);
	f->device.sectors = 16384;
	fixture_remount(f);
	fixture_compare(f);
	memset(slot_at(f, 0), 0, DISK_RING_SLOTS * (size_t)DISK_SLOT_SIZE);
	assert_int_equal(fixture_mount(f), STATUS_CORRUPT);
	assert_true(f->recovery.explanation[0]);
	fixture_free(f);
}

static void test_stop(void **state)
{
	struct fixture *f = with_generations(3);
	struct store_commit_request request = {.action = STORE_ACTION_NONE, .offline = true};
	generation_t generation;

	(void)state;
	fixture_checkpoint(f);
	fixture_remount(f);
	assert_int_equal(f->recovery.stop, STORE_STOP_POWER_CUT);
	request.counters.uptime_ns = 17;
	request.wall_ns = 19;
	assert_int_equal(fixture_commit(f, STORE_ACTION_STOP, 0, ""), STATUS_OK);
	assert_int_equal(fixture_record(f)->durable, fixture_record(f)->generation);
	fixture_remount(f);
	assert_int_equal(f->recovery.stop, STORE_STOP_CLEAN);
	assert_int_equal(fixture_write(f, 3, 4), STATUS_OK);
	assert_int_equal(store_commit(f->store, &request, &generation), STATUS_OK);
	assert_int_equal(store_settle(f->store), STATUS_OK);
	memcpy(f->stable_model, f->model, sizeof(f->model));
	fixture_remount(f);
	assert_int_equal(f->recovery.stop, STORE_STOP_CLEAN);
	assert_int_equal(f->recovery.counters.uptime_ns, 17);
	assert_int_equal(f->recovery.wall_ns, 19);
	fixture_checkpoint(f);
	fixture_remount(f);
	assert_int_equal(f->recovery.stop, STORE_STOP_POWER_CUT);
	fixture_free(f);
}

/* Small commits take one flush, large ones two; the ring goes round. */
static void test_flushes(void **state)
{
	struct fixture *f = with_generations(2);

	(void)state;
	fixture_checkpoint(f);
	for (unsigned i = 0; i < 150; i++) {
		assert_int_equal(fixture_write(f, i, i + 3), STATUS_OK);
		f->flushes = 0;
		fixture_checkpoint(f);
		assert_int_equal(f->flushes, 1);
		assert_int_equal(fixture_record(f)->durable, fixture_record(f)->predecessor);
		assert_int_equal(fixture_record(f)->slot, (i + 2) % DISK_RING_SLOTS);
	}
	for (uint32_t i = 0; i < 150; i++)
		assert_int_equal(fixture_write(f, i, 2 * i + 3), STATUS_OK);
	f->flushes = 0;
	fixture_checkpoint(f);
	assert_int_equal(f->flushes, 2);
	assert_int_equal(fixture_record(f)->durable, fixture_record(f)->generation);
	fixture_remount(f);
	fixture_compare(f);
	fixture_free(f);
}

static bool deltas_known(struct fixture *f)
{
	struct store_features features;

	store_features_get(f->store, &features);
	assert_true(features.incompatible == (features.read_only ? DISK_FEATURES_KNOWN : 0));
	assert_true(features.read_only ==
		    (features.incompatible ? DISK_READ_ONLY_FEATURES_KNOWN : 0));
	return features.incompatible;
}

/*
 * A store in the oldest form gets all features.  Whichever request fails and whatever a
 * power cut leaves: it has the old ones or the new ones, whole, and all that was in it.
 */
static void test_convert(void **state)
{
	unsigned olds = 0, news = 0;

	(void)state;
	for (uint32_t round = 0; round < 60; round++) {
		struct fixture *f = fixture_oldest(16384, 100);
		bool fails = round % 4 < 2;

		f->random += round;
		for (uint32_t i = 0; i < 30; i++)
			assert_int_equal(fixture_write(f, i, i + 2), STATUS_OK);
		assert_int_equal(fixture_commit(f, STORE_ACTION_STOP, 0, ""), STATUS_OK);
		assert_true(fixture_mount(f) == STATUS_OK && f->recovery.stop == STORE_STOP_CLEAN);
		assert_false(deltas_known(f));
		f->fail_operation = round % 2 ? BLOCK_WRITE : BLOCK_FLUSH;
		f->fail_at = (round % 2 ? f->writes : f->flushes) + 1 + fixture_random(f, 3);
		f->fail_count = fails ? 1 : 0;
		if (store_convert(f->store) == STATUS_OK && !fails)
			assert_true(deltas_known(f));
		f->fail_count = 0;
		fixture_crash(f);
		fixture_remount(f);
		fixture_compare(f);
		assert_memory_equal(sector_at(f, 0), sector_at(f, 8), BLOCK_SIZE);
		assert_true(fails || deltas_known(f));
		news += deltas_known(f);
		olds += !deltas_known(f);
		/* It goes on in the form that it has. */
		for (uint32_t i = 0; i < 4; i++) {
			assert_int_equal(fixture_write(f, i, i + 9), STATUS_OK);
			fixture_checkpoint(f);
			assert_true(!(f->store->record.flags & DISK_RECORD_COUNTED) ==
				    !deltas_known(f));
		}
		assert_true(!f->store->overlay.count == !deltas_known(f));
		fixture_remount(f);
		fixture_compare(f);
		fixture_account(f);
		/* Nothing is left to do. */
		if (deltas_known(f)) {
			uint64_t writes = f->writes;

			assert_int_equal(store_convert(f->store), STATUS_OK);
			assert_true(f->writes == writes);
		}
		fixture_free(f);
	}
	assert_true(olds > 5 && news > 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_behind_passed_slot),
		cmocka_unit_test(test_unreadable_slot),
		cmocka_unit_test(test_power_cut),
		cmocka_unit_test(test_torn),
		cmocka_unit_test(test_old_damage),
		cmocka_unit_test(test_damaged_record),
		cmocka_unit_test(test_superblock),
		cmocka_unit_test(test_superblock_changes),
		cmocka_unit_test(test_convert),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_flushes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
