/* SPDX-License-Identifier: MIT */
/*
 * damage.h - snapshots in a line, and places of the trees that cannot be read any more.
 */
#ifndef TESTS_UNIT_STORE_DAMAGE_H
#define TESTS_UNIT_STORE_DAMAGE_H

#include "tests/unit/store/fixture.h"
#include "store/store_priv.h"

enum fault { FAULT_CORRUPT, FAULT_READ };

/* What lies there does not match its checksum, or the disk cannot read it; nothing of it
 * is in the cache. */
static inline void damage_place(struct fixture *f, const struct disk_root *root, struct place place,
				enum fault fault)
{
	struct disk_reference reference;
	enum status status;
	uint64_t sector;
	slot_t slot;

	while ((status = map_lookup_node(f->store, root, place, &reference)) == STATUS_WAIT)
		fixture_wait(f);
	assert_int_equal(status, STATUS_OK);
	assert_false(reference_is_null(&reference));
	slot = cache_find(f->store, extent_key(KEY_EXTENT, &reference, place));
	if (slot.n != NIL)
		cache_drop(f->store, slot);
	sector = disk_reference_sector(&reference).n;
	if (fault == FAULT_READ)
		f->bad_sector = sector;
	else
		f->disk[sector * SECTOR_SIZE + 20] ^= 0x40;
}

static inline void damage_catalogue(struct fixture *f, unsigned level, uint64_t key,
				    enum fault fault)
{
	damage_place(f, &f->store->record.catalogue,
		     (struct place){DISK_TREE_CATALOGUE, level, key}, fault);
}

/* Snapshots s1, s2, ... in a line: sN has page N, and page 0 of the same content. */
static inline struct fixture *with_line(unsigned count)
{
	struct fixture *f = fixture_new(32768, 300, 512);
	char name[DISK_SNAPSHOT_NAME];

	for (unsigned i = 1; i <= count; i++) {
		assert_int_equal(fixture_write(f, 0, 2 * i + 3), STATUS_OK);
		assert_int_equal(fixture_write(f, i % FIXTURE_PAGES, 2 * i + 3), STATUS_OK);
		snprintf(name, sizeof(name), "s%u", i);
		assert_int_equal(fixture_commit(f, STORE_ACTION_SNAPSHOT, 0, name), STATUS_OK);
	}
	/* Damage in the newest generation could mean that the power had gone. */
	fixture_checkpoint(f);
	fixture_checkpoint(f);
	return f;
}

#endif
